"""Random networks, and what else properties are tried on: every Hypothesis strategy in one file.

`Case` is a network with numbers, or equations with numbers; `build` makes one from its structure
and a seed, `cases` draws one.  Numbers come from the seed and are never drawn one by one: a weight
shrunk to 0 would put every relu on its kink.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sympy
from hypothesis import strategies as st
from sympy import Expr, Integer, KroneckerDelta, Piecewise, Rational, Symbol

from symback.engine import spec
from symback.engine.derivation import BackwardPass
from symback.engine.evaluation import Numbers
from symback.engine.graph import Graph, from_equations, from_network
from symback.language.algebra import Partial, Product, Sigma, Terms
from symback.language.functions import ACTIVATIONS, LOSSES
from symback.language.names import SAMPLE, Reference, Role, Variable, elements, index

POSITIVE = ("sigmoid", "softmax", "softplus")
"""Activations whose values have a logarithm."""
PROBABILITIES = ("sigmoid", "softmax")
"""Activations whose values h have a logarithm of 1 - h too."""

OWN_ACTIVATIONS = {
    "swish2": "z/(1+exp(-2*z))",
    "cube": {"formula": "z**3/4", "slope": "3*z**2/4"},
    "bump": "exp(-z**2)",
    "logistic": "1/(1+exp(-z))",
    "hard": "where(z>1,1,where(z<-1,-1,z))",
    "wave": {"formula": "sin(z)+z/2", "slope": "cos(z)+1/2"},
    "root": "sqrt(z**2+1)-z/3",
}
OWN_LOSSES = {
    "quartic": {"formula": "(y-yhat)**4", "slope": "-4*(y-yhat)**3"},
    "log_cosh": "log(cosh(y-yhat))",
    "quotient": "(y-yhat)**2/(1+yhat**2)",
}


def pairwise(*factors: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Rows with a value of each factor, so that any two values of two factors meet in some row.

    What goes wrong goes wrong of one value, or of two together: three factors of 10, 5 and 2 values
    need 50 rows, and the whole product has 100.

    >>> pairwise("ab", "xy", "01")
    [('a', 'x', '0'), ('a', 'y', '1'), ('b', 'x', '1'), ('b', 'y', '0')]
    """
    places = [range(len(factor)) for factor in factors]
    two = list(itertools.combinations(range(len(factors)), 2))
    missing = {(i, a, j, b) for i, j in two for a in places[i] for b in places[j]}
    rows = []
    while missing:
        i, a, j, b = min(missing)
        row = {i: a, j: b}
        for k in range(len(factors)):
            if k not in row:
                met = [sum(_pair(k, v, o, w) in missing for o, w in row.items()) for v in places[k]]
                row[k] = met.index(max(met))
        missing -= {(i, row[i], j, row[j]) for i, j in two}
        rows.append(tuple(factor[row[k]] for k, factor in enumerate(factors)))
    return rows


def _pair(i: int, a: int, j: int, b: int) -> tuple[int, int, int, int]:
    return (i, a, j, b) if i < j else (j, b, i, a)


MEANINGFUL = {"cross_entropy": POSITIVE, "binary_cross_entropy": PROBABILITIES}
"""Losses with a logarithm, and the output activations they need."""


def makes_sense(activation: str, loss: str, width: int = 2) -> bool:
    """Say whether the loss is defined for what the output activation gives.

    A softmax of one neuron is 1, and 1 - 1 has no logarithm.
    """
    if loss == "binary_cross_entropy" and activation == "softmax" and width == 1:
        return False
    return activation in MEANINGFUL.get(loss, (activation,))


@dataclass(frozen=True)
class Case:
    """A graph and numbers for all it reads; `text` says how to build it again."""

    graph: Graph
    given: Mapping[str, Any]
    text: str

    def __repr__(self) -> str:
        return self.text

    @cached_property
    def backward(self) -> BackwardPass:
        return BackwardPass(self.graph)

    @cached_property
    def numbers(self) -> Numbers:
        return Numbers(self.graph, self.given)


def build(
    inputs: int | str,
    layers: Sequence[tuple[int | str, str]],
    loss: str,
    *,
    bias: str = "per_neuron",
    over_outputs: str = "sum",
    over_samples: str = "mean",
    samples: int | None = None,
    distribution: bool = True,
    seed: int = 0,
    sizes: Mapping[str, int] | None = None,
) -> Case:
    """Build a network with random numbers, never near 0, of either sign.

    ``samples`` is the size of a batch, or None for one sample; with ``distribution`` the target
    sums to 1.  Symbolic widths have their ``sizes``; then the numbers are handed to
    `Numbers` alone.
    """
    text = f"build({inputs!r}, {layers!r}, {loss!r}, bias={bias!r}, over_outputs={over_outputs!r}, "
    text += f"over_samples={over_samples!r}, samples={samples}, distribution={distribution}, "
    text += f"seed={seed}, sizes={sizes!r})"
    widths = [
        (sizes or {}).get(str(size), size) for size in (inputs, *(units for units, _ in layers))
    ]
    numbers = _numbers(random.Random(seed), widths, bias, samples, distribution)
    if loss == "output":
        del numbers["y"]
    own_activations = {name: OWN_ACTIVATIONS[name] for _, name in layers if name in OWN_ACTIVATIONS}
    checked = spec.network(
        inputs,
        list(layers),
        loss=loss,
        bias=bias,
        over_outputs=over_outputs,
        over_samples=over_samples,
        values=None if sizes else numbers,
        activations=own_activations or None,
        losses={loss: OWN_LOSSES[loss]} if loss in OWN_LOSSES else None,
    )
    return Case(from_network(checked), numbers, text)


def _numbers(
    source: random.Random, widths: Sequence[int], bias: str, samples: int | None, proper: bool
) -> dict[str, Any]:
    def number() -> float:
        return source.choice((-1, 1)) * source.randrange(21_043, 120_959) / 100_000

    def rows(count: int, size: int) -> list[list[float]]:
        return [[number() for _ in range(size)] for _ in range(count)]

    def target() -> list[float]:
        if not proper:
            return [abs(number()) for _ in range(widths[-1])]
        cuts = sorted(source.sample(range(1, 100), widths[-1] - 1))
        ends = zip([0, *cuts], [*cuts, 100], strict=True)
        return [(above - below) / 100 for below, above in ends]

    given: dict[str, Any] = {}
    count = samples or 1
    xs, ys = rows(count, widths[0]), [target() for _ in range(count)]
    given["x"], given["y"] = (xs, ys) if samples else (xs[0], ys[0])
    for k, (before, here) in enumerate(itertools.pairwise(widths), start=1):
        given[f"W{k}"] = rows(here, before)
        if bias == "per_neuron":
            given[f"b{k}"] = rows(1, here)[0]
        elif bias == "per_layer":
            given[f"b{k}"] = number()
    return given


def from_lines(lines: Mapping[str, str], **values: float) -> Case:
    """Build the case of an [equations] file."""
    checked = spec.equations(lines, values=values)
    return Case(from_equations(checked), values, f"from_lines({dict(lines)!r}, **{values!r})")


ALL_ACTIVATIONS = (*ACTIVATIONS, *OWN_ACTIVATIONS)
ALL_LOSSES = (*LOSSES, *OWN_LOSSES)


@st.composite
def cases(draw: st.DrawFn, deepest: int = 3, widest: int = 4) -> Case:
    """Draw a network of 1 to ``deepest`` layers with everything a network file can say."""
    depth = draw(st.integers(1, deepest))
    widest = widest if depth < 3 else min(widest, 3)
    widths = [draw(st.integers(1, widest)) for _ in range(depth + 1)]
    loss = draw(st.sampled_from(ALL_LOSSES))
    names = [draw(st.sampled_from(ALL_ACTIVATIONS)) for _ in range(depth - 1)]
    last = [name for name in ALL_ACTIVATIONS if makes_sense(name, loss, widths[-1])]
    names.append(draw(st.sampled_from(last)))
    return build(
        widths[0],
        list(zip(widths[1:], names, strict=True)),
        loss,
        bias=draw(st.sampled_from(("per_neuron", "per_layer", "none"))),
        over_outputs=draw(st.sampled_from(("sum", "mean"))),
        over_samples=draw(st.sampled_from(("mean", "sum"))),
        samples=draw(st.sampled_from((None, 1, 2, 3))),
        distribution=draw(st.booleans()),
        seed=draw(st.integers(0, 10**6)),
    )


def references(case: Case) -> list[Reference]:
    """List every element that the loss depends on, the sample left open."""
    return [reference for variable in case.backward.adjoints for reference in elements(variable)]


# ------------------------------------------------------------------- expressions of every kind

SCALARS = tuple(Variable(name, Role.LEAF) for name in ("x", "u", "A1", "yhat"))
INDEXED = (
    Variable("h1", Role.ACTIVATION, 1, (Integer(3),)),
    Variable("W2", Role.WEIGHT, 2, (Integer(3), Integer(3))),
    Variable("a1", Role.PREACTIVATION, 1, (Integer(2), Integer(3)), batched=True),
)
X, U, A1, YHAT = (variable.at() for variable in SCALARS)


def loose_case(**changed: float) -> Case:
    """Build quantities with numbers and without equations, for `expressions`."""
    source = random.Random(5)

    def number() -> float:
        return source.choice((-1, 1)) * source.randrange(300, 1900) / 1000

    given: dict[str, Any] = {variable.name: number() for variable in SCALARS} | changed
    given |= {"h1": [number() for _ in range(3)]}
    given |= {"W2": [[number() for _ in range(3)] for _ in range(3)]}
    given |= {"a1": [[number() for _ in range(3)] for _ in range(2)]}
    return Case(Graph((), (*SCALARS, *INDEXED), SCALARS[3]), given, f"loose_case(**{changed!r})")


class _Grower:
    """Grows a random expression with every node a derivation can hold, nested in every way."""

    def __init__(self, source: random.Random) -> None:
        self.source = source

    def grow(self, depth: int, bound: tuple[Symbol, ...] = ()) -> Expr:
        if depth <= 0 or self.source.random() < 0.12:
            return self._leaf(bound)
        kinds = (
            *("add", "mul", "product", "terms", "sigma") * 2,
            *("signed", "power", "root", "function", "cases", "indicator", "delta", "inverse"),
        )
        return getattr(self, f"_{self.source.choice(kinds)}")(depth - 1, bound)

    def _parts(self, depth: int, bound: tuple[Symbol, ...]) -> list[Expr]:
        return [self.grow(depth, bound) for _ in range(self.source.randint(2, 3))]

    def _index(self, bound: tuple[Symbol, ...]) -> Expr:
        return self.source.choice([*bound, *bound, Integer(1), Integer(2), Integer(3)])

    def _leaf(self, bound: tuple[Symbol, ...]) -> Expr:
        h, w, a = INDEXED
        i, j = self._index(bound), self._index(bound)
        size = self.source.choice((-3, -2, -1, 1, 2, 3, 5))
        return self.source.choice(
            (
                *(X, U, A1, YHAT) * 2,
                *(Rational(size), Rational(size, self.source.choice((2, 3)))),
                *(h.at(i), w.at(i, j), a.at(SAMPLE, i)) * 2,
                *(Partial(YHAT, h.at(i)), Partial(YHAT, a.at(SAMPLE, i))),
                *(Partial(YHAT, X), Partial(YHAT, X, U)),
            )
        )

    def _add(self, depth: int, bound: tuple[Symbol, ...]) -> Expr:
        return sympy.Add(*self._parts(depth, bound))

    def _mul(self, depth: int, bound: tuple[Symbol, ...]) -> Expr:
        return sympy.Mul(*self._parts(depth, bound))

    def _product(self, depth: int, bound: tuple[Symbol, ...]) -> Expr:
        return Product(*self._parts(depth, bound))

    def _terms(self, depth: int, bound: tuple[Symbol, ...]) -> Expr:
        return Terms(*self._parts(depth, bound))

    def _sigma(self, depth: int, bound: tuple[Symbol, ...]) -> Expr:
        letter = index(self.source.choice("ijm"))
        return Sigma(self.grow(depth, (*bound, letter)), (letter, 1, 3))

    def _signed(self, depth: int, bound: tuple[Symbol, ...]) -> Expr:
        number = self.source.choice((Integer(-1), Integer(-2), Rational(-1, 2), Integer(2)))
        return sympy.Mul(number, self.grow(depth, bound), evaluate=False)

    def _power(self, depth: int, bound: tuple[Symbol, ...]) -> Expr:
        return sympy.Pow(self.grow(depth, bound), self.source.choice((2, 3, -1, -2)))

    def _root(self, depth: int, bound: tuple[Symbol, ...]) -> Expr:
        half = Rational(1, 2)
        exponent = self.source.choice((half, -half, 3 * half, X, -U, X + 1))
        return sympy.Pow(1 + self.grow(depth, bound) ** 2, exponent)

    def _function(self, depth: int, bound: tuple[Symbol, ...]) -> Expr:
        names = ("exp", "sin", "tanh", "Abs", "atan", "erf", "sign")
        return getattr(sympy, self.source.choice(names))(self.grow(depth, bound) / 3)

    def _cases(self, depth: int, bound: tuple[Symbol, ...]) -> Expr:
        left, right = self.grow(0, bound), self._index(()) + self.source.choice((X, U))
        relation = self.source.choice((left > right, left <= right))
        if relation in (sympy.true, sympy.false):
            return self.grow(depth, bound)
        return Piecewise(
            (self.grow(depth, bound), relation), (self.grow(depth, bound), True), evaluate=False
        )

    def _indicator(self, depth: int, bound: tuple[Symbol, ...]) -> Expr:
        where = self.grow(0, bound) + X > 0
        if where in (sympy.true, sympy.false):
            return self.grow(depth, bound)
        return Piecewise((Integer(1), where), (Integer(0), True), evaluate=False)

    def _delta(self, depth: int, bound: tuple[Symbol, ...]) -> Expr:
        return KroneckerDelta(self._index(bound), self._index(bound))

    def _inverse(self, depth: int, bound: tuple[Symbol, ...]) -> Expr:
        return 1 / self.grow(depth, bound)


def expressions(depth: int = 4) -> st.SearchStrategy[Expr]:
    """Draw expressions in the quantities of `loose_case`, the sample s free."""
    return st.builds(
        lambda seed, deep: _Grower(random.Random(seed)).grow(deep),
        st.integers(0, 10**9),
        st.integers(1, depth),
    ).filter(lambda expr: not expr.has(sympy.zoo, sympy.nan, sympy.I, sympy.oo, sympy.re))
