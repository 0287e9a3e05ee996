"""Derivations as data: each line has its reason, nothing is composed, and no run differs."""

import hashlib
import itertools
import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Integer, Symbol

from strategies import Case, build, cases, from_lines, references
from symback.engine import derivation as derivations
from symback.engine import spec
from symback.engine.calculus import instantiate
from symback.engine.derivation import BackwardPass, Rule, derive, local_steps
from symback.engine.graph import from_network
from symback.language.algebra import Partial, Product, Terms, collapse
from symback.language.functions import ACTIVATIONS
from symback.language.names import elements, read_reference
from symback.language.writing import Text

TESTS = Path(__file__).resolve().parent


def derivation_of(case: Case, name: str):
    return derive(case.backward, read_reference(name, case.graph.variables))


def deductions_of(case: Case, name: str):
    found = derivation_of(case, name)
    return [*case.backward.adjoints.values(), *found.adjoints, found.conclusion]


@settings(max_examples=15)
@given(case=cases(deepest=3, widest=3), choice=st.integers(0, 10**6))
def test_every_line_says_something_and_why(case, choice):
    """No two right-hand sides in a row are the same, none is the left-hand side, all have rules."""
    every = references(case)
    for deduction in deductions_of(case, every[choice % len(every)].name):
        sides = [deduction.lhs, *(step.rhs for step in deduction.steps)]
        assert all(one != other for one, other in itertools.pairwise(sides))
        for step in deduction.steps:
            assert (step.fact is not None) == (step.rule in (Rule.FACT, Rule.COMPLEMENT))


@settings(max_examples=15)
@given(case=cases(deepest=3, widest=3), choice=st.integers(0, 10**6))
def test_what_is_used_was_derived_before(case, choice):
    """Each adjoint that a step names or fills in has a deduction of its own above it."""
    every = references(case)
    found = derivation_of(case, every[choice % len(every)].name)
    known = set()
    for deduction in (*found.adjoints, found.conclusion):
        used = set().union(*({*step.uses} for step in deduction.steps))
        if found.unrolled:
            assert used <= known
        known.add(deduction.lhs)


@settings(max_examples=15)
@given(case=cases(deepest=3, widest=3), choice=st.integers(0, 10**6))
def test_the_expression_is_in_names_of_quantities(case, choice):
    """Derivation.expr holds no ∂, no ordered node, and only symbols of the network."""
    every = references(case)
    found = derivation_of(case, every[choice % len(every)].name)
    assert not found.expr.has(Partial, Product, Terms)
    assert not found.folded.has(Partial)
    if found.unrolled and case.graph.samples is None:
        named = {e.name for v in case.graph.variables for e in elements(v)}
        assert {symbol.name for symbol in found.expr.free_symbols} <= named


def test_rules_are_identities_with_words():
    """Each rule has one line of mathematics, and words for the sheets; no two lines are alike."""
    words = tomllib.loads((TESTS.parent / "templates" / "words.toml").read_text("utf-8"))["rule"]
    assert len({rule.value for rule in Rule}) == len(Rule)
    assert set(words) == {rule.name.lower() for rule in Rule}


OWN = {
    "logistic": "1/(1+exp(-z))",
    "half": "(exp(z)-exp(-z))/(exp(z)+exp(-z))",
    "twice": "2*exp(z)",
}


@pytest.mark.parametrize("name", [*ACTIVATIONS, *OWN])
def test_every_line_of_a_slope_is_the_slope(name):
    """From the raw derivative to the form one reads, each line has the same value; each has a rule.

    The values are computed with the function's formula in place of its name.
    """
    graph = from_network(spec.network(2, [(2, name)], loss="output", activations=OWN))
    a, h = (next(v for v in graph.variables if v.name == each) for each in ("a1", "yhat"))
    local, equation = BackwardPass(graph).derivatives[h, a], graph.by_variable[h]
    steps = local_steps(local, equation)
    (letter,) = equation.free
    formulas = {h.at(k): instantiate(equation.rhs, {letter: Integer(k)}) for k in (1, 2)}
    for i, j, first in itertools.product((1, 2), (1, 2), (0.3, -0.4)):
        at = {q: Integer(i) for q in local.parent_indices} | {
            q: Integer(j) for q in local.child_indices
        }
        values = [
            float(
                collapse(instantiate(step.rhs, at))
                .xreplace(formulas)
                .doit()
                .subs({a.at(1): first, a.at(2): 1.1 - first})
            )
            for step in steps
        ]
        assert values == pytest.approx([values[0]] * len(values), rel=1e-12)
    if name in ("sigmoid", "logistic"):
        rules = [step.rule for step in steps]
        assert rules == [Rule.QUOTIENT, Rule.SPLIT, Rule.DIVIDE, Rule.REWRITE]


def test_two_outputs_of_a_softmax_are_one_another_s_complement():
    """1 - ŷ_1 becomes ŷ_2 in a step that names the fact; not so with three outputs."""
    two = derivation_of(build(2, [(2, "softmax")], "squared_error"), "b_11")
    steps = [step for deduction in two.adjoints for step in deduction.steps]
    assert [step.fact.because for step in steps if step.rule is Rule.COMPLEMENT] == [
        "the outputs of a softmax sum to one"
    ]
    three = derivation_of(build(2, [(3, "softmax")], "squared_error"), "b_11")
    assert three.facts == ()


@pytest.mark.parametrize(
    ("output", "loss", "fused"),
    [
        ("softmax", "cross_entropy", "ŷ_i - y_i"),
        ("sigmoid", "binary_cross_entropy", "ŷ_i - y_i"),
        ("linear", "half_squared_error", "-(y_i - ŷ_i)"),
        ("sigmoid", "cross_entropy", "y_i·(ŷ_i - 1)"),
        ("softmax", "squared_error", None),
        ("tanh", "squared_error", None),
    ],
)
def test_what_cancels_is_fused_and_nothing_else(output, loss, fused):
    """A loss that divides by ŷ cancels against the slope of its output, in steps one can see."""
    case = build(2, [(3, output)], loss)
    found = next(d for v, d in case.backward.adjoints.items() if v.name == "a1")
    if fused is None:
        assert not any(step.rule is Rule.CANCEL for step in found.steps)
    else:
        assert Text().write(found.result).replace("∂L/∂ŷ_i", "-(y_i - ŷ_i)") == fused


def test_a_derivative_by_a_quantity_itself_says_what_is_held():
    """L = s² + w with s = w x: ∂L/∂w = ∂L/∂s · ∂s/∂w + (∂L/∂w)_s."""
    case = from_lines({"s": "w*x", "L": "s**2+w"}, w=1, x=2)
    found = derivation_of(case, "w")
    assert [Text().write(step.rhs) for step in found.steps][:2] == [
        "∂L/∂s · ∂s/∂w + (∂L/∂w)_s",
        "∂L/∂s · x + 1",
    ]
    assert str(found.expr) == "2*s*x + 1"


def test_a_constant_stage_is_not_differentiated_by():
    """y = e^{x+d} with d = c², c = 2 folds back to y."""
    case = from_lines({"c": "2", "d": "c*c", "y": "exp(x+d)"}, x=0.3)
    assert Text().write(derivation_of(case, "x").steps[-1].rhs) == "y"


def test_what_the_loss_does_not_depend_on_has_no_derivation():
    """A leaf that only an unused stage reads."""
    case = from_lines({"u": "w*x", "L": "x**2"}, w=1, x=2)
    with pytest.raises(KeyError, match="w"):
        derivation_of(case, "w")


def test_beyond_so_many_paths_the_sums_stay():
    """300 paths are written out neuron by neuron, 301 are not; the value is the same either way."""
    assert derivations.UNROLLED_PATHS == 300
    wide = build(2, [(2, "tanh"), (17, "softmax")], "squared_error")
    wider = build(2, [(2, "tanh"), (18, "softmax")], "squared_error")
    assert (derivation_of(wide, "w_111").paths.count, derivation_of(wide, "w_111").unrolled) == (
        289,
        True,
    )
    assert not derivation_of(wider, "w_111").unrolled


def test_the_backward_pass_costs_its_depth_and_not_its_widths():
    """784-512-512-10 takes as many equations as 2-2-2-2, and as long."""
    sizes = {}
    for widths in ((2, 2, 2, 2), (784, 512, 512, 10)):
        case = build_graph(widths)
        began = time.perf_counter()
        backward = BackwardPass(case)
        sizes[widths] = sum(len(d.steps) for d in backward.adjoints.values())
        assert time.perf_counter() - began < 5
    assert len(set(sizes.values())) == 1


def build_graph(widths):
    layers = [(width, "relu") for width in widths[1:-1]] + [(widths[-1], "softmax")]
    return from_network(spec.network(widths[0], layers, loss="cross_entropy"))


def test_a_gradient_that_is_zero_says_so_and_why():
    """One bias for a softmax layer: Σ ŷ - Σ y = 1 - 1, by the two facts; the number is 0 itself."""
    case = build(2, [(3, "softmax")], "cross_entropy", bias="per_layer")
    found = derivation_of(case, "b_1")
    assert [step.rule for step in found.steps[-2:]] == [Rule.FACT, Rule.FACT]
    assert [fact.variable.name for fact in found.conclusion.facts] == ["yhat", "y"]
    assert found.conclusion.result == 0
    assert case.numbers.gradients(case.backward)["b1"].item() == 0
    assert case.numbers.central_difference(found.target) == 0
    free = build(2, [(3, "softmax")], "squared_error", bias="per_layer")
    assert free.numbers.gradients(free.backward)["b1"].item() == 0  # Σ_i h_i (…) of a softmax
    assert derivation_of(free, "b_1").conclusion.result != 0


def test_a_thousand_layers_are_derived_without_recursion():
    """2-2-…-2: derived in seconds, its 2^999 paths counted, the longest adjoints left as names."""
    began = time.process_time()
    graph = from_network(spec.network(2, [(2, "tanh")] * 1000, loss="squared_error"))
    backward = BackwardPass(graph)
    found = derive(backward, read_reference("w_111", graph.variables))
    assert found.paths.count == 2**999
    assert len(found.paths[-1].neurons) == 2 + 2 * 1000
    assert found.expr.has(Partial)
    assert time.process_time() - began < 60


@pytest.mark.parametrize("layers", [29, 30])
def test_beyond_so_many_layers_adjoints_stay_names(layers):
    """One path of 61 steps or more is not written out; its value is in its own deductions."""
    assert derivations.DEEPEST == 60
    case = build(1, [(1, "tanh")] * layers, "squared_error")
    found = derivation_of(case, "w_111")
    assert found.paths.count == 1
    assert found.unrolled == (layers == 29)
    assert found.expr.has(Partial) == (layers == 30)


def test_what_follows_a_quantity_is_found_in_one_pass():
    """A recurrence of 100 steps whose loss reads all of them, asked 10,000 times."""
    lines = {"h1": "tanh(w*x)"}
    lines |= {f"h{t}": f"tanh(w*h{t - 1})" for t in range(2, 101)}
    lines["L"] = "+".join(f"h{t}**2" for t in range(1, 101))
    graph = from_lines(lines).graph
    last, first = graph.equations[-1], graph.by_base["h1"]
    began = time.process_time()
    assert [v.name for v in graph.following(first, last)] == [f"h{t}" for t in range(2, 101)]
    asked = [graph.following(v, last) for v in graph.variables for _ in range(100)]
    assert max(map(len, asked)) == 100  # of w and x
    assert time.process_time() - began < 5


def test_nothing_is_derived_twice():
    """Derivations of one backward pass share the deductions of what they have in common."""
    case = build(2, [(2, "tanh"), (2, "softmax")], "squared_error")
    first, second = derivation_of(case, "w_111"), derivation_of(case, "w_112")
    assert len(first.adjoints) == len(second.adjoints) == 6
    assert all(one is other for one, other in zip(first.adjoints, second.adjoints, strict=True))


# ------------------------------------------------------------------------------- determinism

PROGRAM = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
from strategies import build, from_lines, references
from symback.engine.derivation import derive
from symback.language.writing import Latex, Text

CASES = [
    build(2, [(3, "tanh"), (3, "softmax")], "cross_entropy", samples=2),
    build(2, [(2, "softmax"), (2, "gelu")], "huber", bias="per_layer", over_outputs="mean"),
    build(2, [(2, "hard"), (2, "sigmoid")], "binary_cross_entropy"),
    build("n_0", [("n_1", "silu"), ("n_2", "softmax")], "squared_error",
          sizes={{"n_0": 2, "n_1": 2, "n_2": 2}}),
    from_lines({{"u": "x*x", "v": "max(u,x,1/2)", "y": "u*v/x+sqrt(v)*2**x"}}, x=0.4),
]
for case in CASES:
    if case.graph.is_concrete():
        found = [derive(case.backward, reference) for reference in references(case)[::4]]
    else:
        found = []
    deductions = [*case.backward.adjoints.values()]
    for derivation in found:
        print(derivation.expr, derivation.folded, *derivation.paths)
        deductions += [*derivation.adjoints, derivation.conclusion]
    for local in case.backward.derivatives.values():
        print(local)
    for deduction in deductions:
        for step in deduction.steps:
            print(step, Latex().write(step.rhs), Text().write(step.rhs), repr(step.rhs))
"""


def test_two_hash_seeds_give_the_same_bytes():
    """All derivations, as objects, LaTeX and text, under two PYTHONHASHSEEDs."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env=os.environ | {"PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for seed in ("1", "4321")
    ]
    outputs = [process.communicate(timeout=120) for process in running]
    assert [errors.decode()[-800:] for _, errors in outputs] == ["", ""]
    assert len(outputs[0][0]) > 20_000
    digests = {hashlib.sha256(output).hexdigest() for output, _ in outputs}
    assert len(digests) == 1


def test_the_order_in_which_one_asks_does_not_matter():
    """Derivations share what was derived, and are the same whoever asks first."""

    def printed(names):
        case = build(2, [(2, "tanh"), (3, "softmax")], "squared_error")
        found = {name: derivation_of(case, name) for name in names}
        return {
            name: [Text().write(s.rhs) for d in (*one.adjoints, one.conclusion) for s in d.steps]
            for name, one in found.items()
        }

    names = ["w_111", "b_21", "x_2", "h_12", "w_232"]
    assert printed(names) == printed(names[::-1])


def test_symbols_are_the_plain_ones_of_the_names():
    """What is unrolled is in symbols without assumptions, as `Symbol("h_13")`."""
    found = derivation_of(build(2, [(3, "sigmoid"), (1, "linear")], "output"), "w_131")
    assert Symbol("h_13") in found.expr.free_symbols
