"""Numbers: fifty digits, honest at kinks and outside domains, named where they are missing."""

import re
from decimal import Decimal

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from referee import Referee, same
from strategies import Case, build, cases, expressions, from_lines, loose_case, references
from symback.engine.arithmetics import DIGITS, FLOATS, GUARD, number
from symback.engine.evaluation import (
    Evaluator,
    Kink,
    MissingNumbers,
    Numbers,
    OutOfDomain,
    agreement,
    as_floats,
)
from symback.language.algebra import Partial, Sigma
from symback.language.names import SAMPLE, Reference, index, read_reference
from symback.network import Network, equations


def reference(case: Case, name: str) -> Reference:
    return read_reference(name, case.graph.variables)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "0.1"), ("0.10", "0.1"), (Decimal("1e-7"), "1e-7"), (3, "3"), ("-2.50", "-2.5"),
     (np.float64(0.1), "0.1"), (np.int64(4), "4"), (sympy.Rational(1, 4), "0.25")],
    ids=range(8),
)  # fmt: skip
def test_a_number_is_taken_as_written(value, text):
    """0.1 is a tenth and not the nearest double."""
    context = mpmath.mp.clone()
    context.dps = DIGITS + GUARD
    assert abs(number(value) - context.mpf(text)) == 0


@settings(max_examples=100)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_goes_in_and_comes_out_unchanged(value):
    """as_floats undoes number, for every double."""
    assert as_floats(np.array(number(value), dtype=object)) == value


@pytest.mark.parametrize("head", ["max", "min"])
@pytest.mark.parametrize("order", [("w", "x"), ("x", "w")])
def test_a_tie_has_one_slope_however_it_is_written(head, order):
    """max(w, x) and max(x, w) where w = x: the slope of x, and the graph says so."""
    case = from_lines({"L": f"{head}({', '.join(order)})"}, w=1, x=1)
    gradients = case.numbers.gradients(case.backward)
    assert (gradients["w"].item(), gradients["x"].item()) == (0, 1)
    (sentence,) = case.graph.conventions
    assert (
        sentence == f"Where the arguments of {head} are equal, its slope is taken to be that of x."
    )


@pytest.mark.parametrize(
    ("formula", "words"),
    [("max(0, w*x)", "its slope is taken to be 0."), ("abs(w)+x", "slope of |u| where u = 0"),
     ("relu(w)*x", "The slope of ReLU at 0"), ("where(w>x,w,x)", "the case that holds"),
     ("sign(w)*x", "slope of sign u")],
)  # fmt: skip
def test_equations_say_what_they_take_at_kinks(formula, words):
    """As networks do, one sentence a kink."""
    (sentence,) = from_lines({"L": formula}, w=1, x=1).graph.conventions
    assert words in sentence


@pytest.mark.parametrize(
    ("lines", "numbers", "known", "undefined"),
    [
        ({"L": "a**b"}, {"a": -2, "b": 2}, {"a": -4}, {"b": "∂L/∂b has no value here: log(-2.0)"}),
        (
            {"s": "a**2+b**2", "L": "sqrt(s)+c"},
            {"a": 0, "b": 0, "c": 1},
            {"c": 1},
            {"s": "∂L/∂s has no value here: a division by zero"}
            | {v: f"∂L/∂{v} has no value here: it is made of ∂/∂s, which has none" for v in "ab"},
        ),
    ],
)
def test_a_gradient_without_value_is_named_and_the_others_are_given(
    lines, numbers, known, undefined
):
    """At a = -2 the derivative of a^b by a is a number, though the one by b is none."""
    case = from_lines(lines, **numbers)
    gradients = case.numbers.gradients(case.backward)
    assert {name: array.item() for name, array in gradients.items()} == known
    assert gradients.undefined == undefined
    for name, sentence in undefined.items():
        with pytest.raises(OutOfDomain, match=re.escape(sentence)):
            gradients[name]
    net = equations(lines, values=numbers)
    assert net.evaluate()["gradients"] == known | dict.fromkeys(undefined)
    assert net.derive(next(iter(known))).sheet("txt")


def test_agreement_counts_digits():
    """Equal numbers agree in all digits, nearly equal ones in as many as they share."""
    assert agreement(number(2), number(2)) == DIGITS
    assert agreement(number("1.00001"), number(1)) == 5
    assert agreement(number(1), number(-1)) == 0
    assert agreement(number(0), number("1e-31")) == 30
    assert agreement(number(0), number("1e-9")) == 0


@settings(max_examples=25)
@given(case=cases(deepest=2, widest=3))
def test_central_differences_agree_with_the_derivation(case):
    """To 20 digits at least, for one element of every block, of every sample."""
    gradients = case.numbers.gradients(case.backward)
    for name, block in gradients.items():
        found = next(r for r in references(case) if r.variable.name == name)
        if found.variable in case.numbers.inputs:
            sample = 0 if found.variable.batched else None
            quotient = case.numbers.central_difference(found, sample)
            derived = case.numbers.element(block, found, sample)
            assert isinstance(quotient, Kink) or agreement(derived, quotient) >= 20


def test_shapes_are_those_of_the_quantities():
    """Forward and gradients: one row a sample, W as (out, in), a scalar for the shared bias."""
    case = build(2, [(3, "tanh"), (4, "softmax")], "squared_error", samples=5, bias="per_layer")
    shapes = {"x": (5, 2), "W1": (3, 2), "b1": (), "h1": (5, 3), "W2": (4, 3), "yhat": (5, 4)}
    gradients = case.numbers.gradients(case.backward)
    for name, shape in shapes.items():
        assert case.numbers.forward[name].shape == shape
        assert gradients[name].shape == shape


def test_one_step_of_descent():
    """θ - η ∂L/∂θ for weights and biases only; S1: w = 1 moves to 1.2 at η = 0.1."""
    case = from_lines({"yhat": "w*x", "s": "yhat - y", "L": "s**2"}, x=1, y=2, w=1)
    gradients = case.numbers.gradients(case.backward)
    assert as_floats(case.numbers.updated(gradients, "0.1")["w"]) == 1.2
    assert set(case.numbers.updated(gradients, 1)) == {"w"}
    net = build(2, [(2, "tanh")], "squared_error")
    assert set(net.numbers.updated(net.numbers.gradients(net.backward), 1)) == {"W1", "b1"}


def test_missing_numbers_are_named():
    """All of them at once."""
    case = build(2, [(2, "tanh")], "squared_error")
    given = {"x": case.given["x"], "W1": case.given["W1"]}
    with pytest.raises(MissingNumbers, match="no numbers are given for b1, y"):
        Numbers(case.graph, given)


@pytest.mark.parametrize(
    ("lines", "values", "what"),
    [
        ({"u": "x-1", "y": "log(u)"}, {"x": 1}, r"y has no value here: log\(0"),
        ({"u": "x-1", "y": "log(u)"}, {"x": 0.5}, r"y has no value here: log\(-0.5\)"),
        ({"u": "x-1", "y": "1/u"}, {"x": 1}, "y has no value here: a division by zero"),
        ({"u": "x-1", "y": "sqrt(u)"}, {"x": 0}, r"y has no value here: \(-1.0\)\^\(0.5\)"),
        ({"u": "x*x", "y": "exp(u)"}, {"x": 10**6}, "too large to compute"),
        ({"u": "asin(x)", "y": "u"}, {"x": 2}, r"u has no value here: asin\(2"),
    ],
)
def test_outside_a_domain_the_quantity_is_named(lines, values, what):
    """Which quantity, which function, which number, and what it was computed from."""
    with pytest.raises(OutOfDomain, match=what) as refused:
        _ = from_lines(lines, **values).numbers.forward
    assert "(it is computed from " in str(refused.value)


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        ({"u": "x-1", "y": "abs(u)"}, "y"),
        ({"u": "x-1", "y": "max(0,u)"}, "y"),
        ({"u": "relu(x-1)", "y": "u**2"}, "u"),
        ({"u": "x-1", "y": "where(u>0,u,2*u)"}, "y"),
    ],
)
def test_a_kink_has_no_central_difference(lines, name):
    """At the kink: the quantity's name in place of a wrong number; beside it: a number."""
    case = from_lines(lines, x=1)
    assert case.numbers.central_difference(reference(case, "x")) == Kink(name)
    beside = from_lines(lines, x=1.5)
    assert not isinstance(beside.numbers.central_difference(reference(beside, "x")), Kink)


def test_the_slope_at_a_kink_is_the_one_the_catalogue_states():
    """relu has slope 0 at 0, leaky relu 0.01."""
    for name, slope in (("relu", 0), ("leaky_relu", Decimal("0.01"))):
        case = from_lines({"u": "x-1", "y": f"{name}(u)"}, x=1)
        assert case.numbers.gradients(case.backward)["x"].item() == number(slope)


def test_large_numbers_do_not_overflow():
    """A sigmoid at 120 keeps the digits of its slope; a softmax of ±900 has its values."""
    case = from_lines({"a": "w*x", "y": "sigmoid(a)"}, w=120, x=1)
    slope = case.numbers.gradients(case.backward)["a"].item()
    assert as_floats(slope) == 7.667648073722e-53
    net = build(2, [(2, "softmax")], "cross_entropy")
    far = Numbers(net.graph, {**net.given, "x": [900, -900]})
    assert same(far.forward["yhat"].sum(), 1)


@settings(max_examples=100)
@given(expr=expressions(3).filter(lambda expr: not expr.has(Partial)))
def test_the_evaluator_agrees_with_the_referee(expr):
    """Every node over all samples at once, against one number at a time."""
    case = loose_case()
    referee = Referee(case)
    try:
        expected = [referee.value(expr, {SAMPLE: s}) for s in (1, 2)]
    except (ZeroDivisionError, OverflowError):
        return
    if not all(abs(entry) < 1e12 for entry in expected):
        return
    environment = {"x": "x", "u": "u", "A1": "A1", "yhat": "yhat", "h_1": "h1", "W_2": "W2"}
    given = case.numbers.given
    arrays = {base: given[name] for base, name in environment.items()} | {"a_1": given["a1"]}
    evaluator = Evaluator(FLOATS, arrays, {})
    found = evaluator.array(expr, (SAMPLE,), (sympy.Integer(2),))
    assert all(same(one, other) for one, other in zip(found, expected, strict=True))


def test_a_sum_over_fewer_elements_than_there_are_is_refused():
    """A sum that does not fit its quantity is a defect, and not a smaller sum."""
    case = loose_case()
    i = index("i")
    h = case.graph.by_base["h_1"]
    with pytest.raises(AssertionError, match="i runs over 3 elements"):
        case.numbers.value_of(Sigma(h.at(i), (i, 1, 2)))


def test_another_value_of_one_weight():
    """The loss where one number differs; the others stay."""
    case = build(2, [(2, "tanh")], "squared_error")
    w = reference(case, "w_112")
    before = case.numbers.loss
    assert case.numbers.loss_with(w, case.numbers.given["W1"][0, 1]) == before
    assert case.numbers.loss_with(w, number(5)) != before
    assert case.numbers.loss == before


def _relu_with_one_neuron_at_its_kink() -> Network:
    """a_11 = 0, exactly; a_12 = 1."""
    values = {
        "x": [1, 1],
        "y": [0],
        "W1": [[0.5, -0.5], [0.5, 0.5]],
        "b1": [0, 0],
        "W2": [[1, 2]],
        "b2": [0],
    }
    layers = [(2, "relu"), (1, "linear")]
    return Network(2, layers, loss="squared_error", values=values)


def test_a_kink_is_named_by_its_neuron() -> None:
    """A weight that moves a neuron across its kink has no central difference, and is told which."""
    net = _relu_with_one_neuron_at_its_kink()
    assert net.numbers.central_difference(net.reference("w_111")) == Kink("h_11")


def test_a_kink_elsewhere_does_no_harm() -> None:
    """A weight that does not move the neuron at its kink is checked as any other."""
    net = _relu_with_one_neuron_at_its_kink()
    reference = net.reference("w_121")
    difference = net.numbers.central_difference(reference)
    derived = net.numbers.element(net.gradients["W1"], reference)
    assert agreement(derived, difference) >= 25
