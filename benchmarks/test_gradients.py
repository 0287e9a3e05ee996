"""All 484 gradients of 8-16-16-4 as data, against SymPy and SymEngine on the composed loss.

symback derives each gradient with its steps and reasons; the rivals compose the loss in the
weights and differentiate the one big expression.  All three speak of the same function: sigmoid
1/(1+e^-a), softmax e^a/Σe^a, loss -Σ y log ŷ, everything symbolic.
"""

import itertools
import math
import random
import time
from collections.abc import Iterator
from types import ModuleType

import symengine
import sympy

from symback.engine import spec
from symback.engine.derivation import BackwardPass, Derivation, derive
from symback.engine.graph import Graph, from_network
from symback.language.names import PARAMETERS, Reference, Role, elements

WIDTHS = (8, 16, 16, 4)
PARAMETER_COUNT = sum((n + 1) * m for n, m in itertools.pairwise(WIDTHS))


def network_graph() -> Graph:
    layers = list(zip(WIDTHS[1:], ("sigmoid", "sigmoid", "softmax"), strict=True))
    return from_network(spec.network(WIDTHS[0], layers, loss="cross_entropy"))


def parameters(graph: Graph) -> list[Reference]:
    return [
        reference
        for variable in graph.variables
        if variable.role in PARAMETERS
        for reference in elements(variable)
    ]


def derivations() -> list[Derivation]:
    """From the words of a network file to every derivation: its adjoints and its own steps."""
    graph = network_graph()
    backward = BackwardPass(graph)
    found = [derive(backward, reference) for reference in parameters(graph)]
    assert all(derivation.adjoints and derivation.grouped for derivation in found)
    return found


def with_expressions() -> list[sympy.Expr]:
    """The same, and each gradient as one expression in h, ŷ, y, w and x."""
    return [derivation.expr for derivation in derivations()]


def with_paths() -> list[list[object]]:
    """The same, and the step that lists all paths of each weight: 41,488 products."""
    found = derivations()
    return [[derivation.expr, *derivation.conclusion.steps] for derivation in found]


# ------------------------------------------------------------------------------------- the rivals


def name(letter: str, *numbers: int) -> str:
    return f"{letter}_" + ",".join(map(str, numbers))


def composed(algebra: ModuleType) -> tuple[object, dict[str, object]]:
    """The loss as one expression in all weights, and the weights and biases by name."""
    symbol, exp = algebra.Symbol, algebra.exp
    found: dict[str, object] = {}
    values = [symbol(name("x", j)) for j in range(1, WIDTHS[0] + 1)]
    for k, (width, units) in enumerate(itertools.pairwise(WIDTHS), start=1):
        W = {
            (i, j): symbol(name("w", k, i, j))
            for i in range(1, units + 1)
            for j in range(1, width + 1)
        }
        b = {i: symbol(name("b", k, i)) for i in range(1, units + 1)}
        found |= {str(s): s for s in (*W.values(), *b.values())}
        a = [
            b[i] + sum(W[i, j] * h for j, h in enumerate(values, start=1))
            for i in range(1, units + 1)
        ]
        if k < len(WIDTHS) - 1:
            values = [1 / (1 + exp(-z)) for z in a]
        else:
            total = sum(exp(z) for z in a)
            values = [exp(z) / total for z in a]
    loss = -sum(
        symbol(name("y", i)) * algebra.log(output) for i, output in enumerate(values, start=1)
    )
    return loss, found


def by_symengine() -> list[object]:
    loss, found = composed(symengine)
    return [symengine.diff(loss, weight) for weight in found.values()]


def of_the_rivals(reference: Reference) -> str:
    letter = "w" if reference.variable.role is Role.WEIGHT else "b"
    return name(letter, reference.variable.layer or 0, *reference.indices)


def one_a_block(graph: Graph) -> Iterator[tuple[Reference, int]]:
    """One random element of each W_k and b_k, and how many it stands for."""
    draw = random.Random(8)
    for variable in graph.variables:
        if variable.role in PARAMETERS:
            block = list(elements(variable))
            yield draw.choice(block), len(block)


# --------------------------------------------------------------------------------- that they agree


def numbers() -> dict[str, float]:
    """Random numbers for x, y and all weights by the rivals' names."""
    draw = random.Random(4)
    _, found = composed(symengine)
    names = [*found, *(name("x", j) for j in range(1, WIDTHS[0] + 1))]
    y = {name("y", i): float(i == 2) for i in range(1, WIDTHS[-1] + 1)}
    return {each: draw.uniform(-1, 1) for each in names} | y


def forward(given: dict[str, float]) -> dict[str, float]:
    """Every quantity by the lectures' name, computed without symback."""
    values = [given[name("x", j)] for j in range(1, WIDTHS[0] + 1)]
    known = {f"{n[0]}_{_packed(n[2:])}": value for n, value in given.items()}
    for k, units in enumerate(WIDTHS[1:], start=1):
        a = [
            given[name("b", k, i)]
            + sum(given[name("w", k, i, j)] * h for j, h in enumerate(values, start=1))
            for i in range(1, units + 1)
        ]
        last = k == len(WIDTHS) - 1
        total = sum(math.exp(z) for z in a)
        values = [math.exp(z) / total if last else 1 / (1 + math.exp(-z)) for z in a]
        for i, value in enumerate(values, start=1):
            known[f"yhat_{_packed(str(i))}" if last else f"h_{_packed(f'{k},{i}')}"] = value
    return known


def _packed(digits: str) -> str:
    """The lectures' way: 2,1,2 is 212, and 2,11,3 stays."""
    parts = digits.split(",")
    return "".join(parts) if all(len(part) == 1 for part in parts) else digits


def check_that_they_agree() -> None:
    """One gradient of each block has the same value by symback and by SymEngine."""
    given = numbers()
    known = forward(given)
    loss, found = composed(symengine)
    backward = BackwardPass(network_graph())
    for reference, _ in one_a_block(backward.graph):
        ours = derive(backward, reference).expr
        ours = float(ours.xreplace({s: sympy.Float(known[s.name]) for s in ours.free_symbols}))
        theirs = symengine.diff(loss, found[of_the_rivals(reference)])
        theirs = float(theirs.subs({symengine.Symbol(n): value for n, value in given.items()}))
        assert math.isclose(ours, theirs, rel_tol=1e-9), reference.name


# -------------------------------------------------------------------------------------- the contest


def test_against_symengine(benchmark, contest, table):
    """Not slower than SymEngine, a C++ library, composing and differentiating the same loss."""
    check_that_they_agree()
    graph = network_graph()
    assert len(parameters(graph)) == PARAMETER_COUNT == 484
    stages = {
        "network and equations": lambda: network_graph,
        "+ backward pass": lambda: lambda: BackwardPass(network_graph()),
        "+ 484 derivations": lambda: derivations,
        "+ each as one expression": lambda: with_expressions,
        "+ all 41,488 paths listed": lambda: with_paths,
    }
    times = contest({**stages, "SymEngine": lambda: by_symengine}, 9)
    rival = times["SymEngine"]
    table(
        "484 gradients of 8-16-16-4, symback against SymEngine",
        ("", "best", "median", "best : SymEngine's"),
        [(n, t.best, t.median, f"{t.best / rival.best:.2f}") for n, t in times.items()],
    )
    benchmark.extra_info["of_symengine"] = times["+ 484 derivations"].best / rival.best
    benchmark.pedantic(derivations, rounds=3, warmup_rounds=1)
    assert times["+ 484 derivations"].best < 1.25 * rival.best  # 1.25: two cores, shared
    assert times["+ each as one expression"].best < 1.75 * rival.best


def test_against_sympy(benchmark, contest, table):
    """A thousand times faster than ``sympy.diff`` on the composed loss.

    One element of each block W_k, b_k is differentiated and stands for its block; all of them
    take SymPy the better part of an hour.
    """
    loss, found = composed(sympy)
    rows, estimate = [], 0.0
    for reference, count in one_a_block(network_graph()):
        start = time.perf_counter()
        sympy.diff(loss, found[of_the_rivals(reference)])
        taken = time.perf_counter() - start
        estimate += count * taken
        rows.append((reference.name, count, taken, count * taken))
    ours = contest({"symback": lambda: with_expressions}, 5)["symback"].median
    rows += [("all, extrapolated", PARAMETER_COUNT, "", estimate)]
    rows += [("symback, all", PARAMETER_COUNT, "", ours)]
    rows += [("ratio", "", "", f"{estimate / ours:,.0f}")]
    table(
        "484 gradients of 8-16-16-4, sympy.diff on the composed loss",
        ("", "stands for", "one", "all"),
        rows,
    )
    benchmark.extra_info["times_faster_than_sympy"] = estimate / ours
    benchmark.pedantic(with_expressions, rounds=3, warmup_rounds=1)
    assert estimate > 1000 * ours
