"""Local derivatives: no index is captured, no zero is claimed, no wrong slope is believed."""

import itertools
import random

import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sympy import Integer, KroneckerDelta, Rational, Sum, Symbol, exp, sqrt

from referee import Referee, mp, same
from strategies import build, expressions, from_lines, loose_case
from symback.engine import spec
from symback.engine.calculus import (
    WrongSlope,
    instantiate,
    is_zero,
    local_derivative,
    slope_by_value,
)
from symback.engine.derivation import BackwardPass
from symback.engine.graph import from_network
from symback.language.algebra import Partial, Sigma, activation, collapse
from symback.language.functions import ACTIVATIONS, LOSSES, Activation, Loss
from symback.language.names import SAMPLE, index

i, j, m, q = (index(letter) for letter in "ijmq")
w, h = sympy.IndexedBase("w", real=True), sympy.IndexedBase("h", real=True)
z, y = Symbol("z", real=True), Symbol("y", real=True)

# ------------------------------------------------------------------------------ instantiation


def test_a_bound_index_is_never_captured():
    """Σ_j w_ij h_j at i = j is Σ_m w_jm h_m, where SymPy's subs says Σ_j w_jj h_j."""
    row = Sigma(w[i, j] * h[j], (j, 1, 3))
    found = instantiate(row, {i: j})
    (bound, _, _) = found.limits[0]
    assert bound != j
    assert found.function == w[j, bound] * h[bound]


def test_indices_are_exchanged_at_once():
    """i and j put for one another do not meet half way."""
    assert instantiate(w[i, j], {i: j, j: i}) == w[j, i]


def test_a_bound_index_is_not_free():
    """What is put in for j leaves the j of a sum alone; an upper limit is free."""
    n = Symbol("n", integer=True)
    row = Sigma(h[j], (j, 1, n))
    assert instantiate(row, {j: Integer(2)}) == row
    assert instantiate(row, {n: Integer(4)}) == Sigma(h[j], (j, 1, 4))


class Loose(Referee):
    """A referee for whom every ∂of/∂by is a number of its own."""

    def slope(self, of, by, held=()):
        key = f"{of[0].name}{of[1]}{by[0].name}{by[1]}{len(held)}"
        return mp.mpf(sum(ord(mark) * 31**place for place, mark in enumerate(key)) % 997 + 7) / 503


LOOSE = Loose(loose_case())


def value(expr, letters=None):
    """Give the number of an expression, or None where it has none."""
    try:
        found = LOOSE.value(expr, {SAMPLE: 2, **(letters or {})})
    except (ZeroDivisionError, OverflowError):
        return None
    return found if mp.isfinite(found) and mp.im(found) == 0 and abs(found) < 1e12 else None


@settings(max_examples=150)
@given(
    expr=expressions(3),
    targets=st.lists(st.sampled_from([i, j, m, q, Integer(1), Integer(3)]), min_size=3, max_size=3),
    numbers=st.lists(st.integers(1, 3), min_size=4, max_size=4),
)
def test_putting_indices_in_means_putting_numbers_in(expr, targets, numbers):
    """Brute force: the result at i, j, … = numbers is the expression at what the indices became."""
    opened = expr.function if isinstance(expr, Sum) else expr
    at = dict(zip((i, j, m, q), numbers, strict=True))
    put = dict(zip((i, j, m), targets, strict=True))
    became = at | {old: at[new] if new in at else int(new) for old, new in put.items()}
    expected = value(opened, became)
    assume(expected is not None)
    assert same(value(instantiate(opened, put), at), expected)


# --------------------------------------------------------------------------------- exact zero

ZERO = [
    (exp(z) + 1) ** 2 - exp(2 * z) - 2 * exp(z) - 1,
    exp(z + 1) - sympy.E * exp(z),
    exp(z) * exp(y) - exp(z + y),
    (exp(z / 2) - 1) * (exp(z / 2) + 1) - exp(z) + 1,
    2**z * 2**y - 2 ** (z + y),
    z**z * exp(z) - exp(z + z * sympy.log(z)),
    sqrt(z**2 + 1) ** 3 - z**2 * sqrt(z**2 + 1) - sqrt(z**2 + 1),
    1 / sqrt(1 + z**2) - z**2 / sqrt(1 + z**2) ** 3 - 1 / sqrt(1 + z**2) ** 3,
    1 / (1 + exp(-z)) - exp(z) / (exp(z) + 1),
    sympy.sign(z - y) + sympy.sign(y - z),
    sympy.Piecewise((z, z > 0), (-z, True)) - sympy.Piecewise((z, z > 0), (0, True))
    + sympy.Piecewise((0, z > 0), (z, True)),
]  # fmt: skip


@pytest.mark.parametrize("expr", ZERO, ids=range(len(ZERO)))
def test_zero_is_proved(expr):
    """The identities that slopes need: exponentials, roots, powers, signs, cases."""
    assert is_zero(expr)


@settings(max_examples=150)
@given(expr=expressions(3))
def test_zero_is_never_claimed_of_what_is_not(expr):
    """True is a proof: what is called 0 has the value 0."""
    assume(value(expr) is not None)
    if is_zero(expr):
        assert same(value(expr), 0)
    assert is_zero(expr - expr)
    assert not is_zero(expr + 1) or same(value(expr), -1)


NEARLY = [
    (ZERO[0], exp(2 * z) - exp(z)),
    (exp(z) * exp(y) - exp(z + y), exp(z) * exp(y) - exp(z * y)),
    (sqrt(z**2 + 1) ** 4 - (z**2 + 1) ** 2, sqrt(z**2 + 1) ** 3 - z**2 * sqrt(z**2 + 1)),
    (sqrt(z**2) - abs(z), abs(z) - z),
    (sympy.sign(z - y) + sympy.sign(y - z), sympy.sign(z - y) - sympy.sign(y - z)),
]


@pytest.mark.parametrize(("right", "wrong"), NEARLY, ids=range(len(NEARLY)))
def test_a_near_identity_is_not_proved(right, wrong):
    """The neighbours of the identities, each wrong somewhere."""
    assert is_zero(right)
    assert not is_zero(wrong)


@settings(max_examples=60)
@given(seed=st.integers(0, 10**9))
def test_a_mutated_slope_is_not_proved(seed):
    """A number changed anywhere in a catalogue slope is no longer the slope."""
    source = random.Random(seed)
    rows = [row for row in ACTIVATIONS.values() if isinstance(row, Activation)]
    row = source.choice(rows)
    formula = activation(row, lambda _: z, i, Integer(1))
    slope = sympy.diff(formula, z)
    numbers = sorted(slope.atoms(Rational), key=sympy.default_sort_key)
    assume(numbers)
    old = source.choice(numbers)
    wrong = slope.xreplace({old: old + 1})
    assume(not wrong.has(sympy.nan, sympy.zoo, sympy.oo))
    point = {z: sympy.Float("0.731", 40)}
    other = {z: sympy.Float("-0.731", 40)}
    gap = [abs((wrong - slope).xreplace(at).evalf(30)) for at in (point, other)]
    assume(max(gap) > 1e-9)
    assert not is_zero(wrong - slope)


# ------------------------------------------------------------------------------ wrong rows


def network_with(activation=None, loss=None):
    return spec.network(
        2, [(2, activation or "tanh"), (2, activation or "tanh")], loss=loss or "squared_error"
    )


@pytest.mark.parametrize(
    "row",
    [
        Activation("wrong_half", "z**2", "z"),
        Activation("wrong_sign", "1/(1+exp(-z))", "-h*(1-h)"),
        Activation("wrong_swapped", "tanh(z)", "h*(1-h)"),
        Activation("wrong_one_side", "where(z>0,z,0.01*z)", "where(z>0,1,0)"),
        Activation("wrong_inner", "exp(-2*z)", "h"),
    ],
    ids=lambda row: row.name,
)
def test_a_wrong_slope_of_an_activation_is_refused(row):
    """The catalogue is not believed: a row whose slope is not its derivative stops everything."""
    with pytest.raises(WrongSlope, match="is not the derivative of its formula"):
        BackwardPass(from_network(network_with(activation=row)))


@pytest.mark.parametrize(
    "row",
    [
        Loss("wrong_sign", "(y-yhat)**2", "2*(y-yhat)"),
        Loss("wrong_log", "-y*log(yhat)", "y/yhat"),
        Loss("wrong_other", "abs(y-yhat)", "sign(y-yhat)"),
    ],
    ids=lambda row: row.name,
)
def test_a_wrong_slope_of_a_loss_is_refused(row):
    """The same for losses, whose slope is by ŷ."""
    with pytest.raises(WrongSlope):
        BackwardPass(from_network(network_with(loss=row)))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_slope_of_the_catalogue_is_proved(name):
    """Each activation, and its slope reads as the catalogue declares."""
    graph = from_network(network_with(activation=name))
    backward = BackwardPass(graph)
    locals_ = {child.name: local for (child, _), local in backward.derivatives.items()}
    assert not locals_["h1"].raw.has(sympy.Derivative, sympy.Subs)


@pytest.mark.parametrize("name", LOSSES)
def test_every_slope_of_a_loss_is_proved(name):
    """Each loss after an output for which it is defined."""
    output = "sigmoid" if "entropy" in name else "tanh"
    BackwardPass(from_network(spec.network(2, [(2, output)], loss=name)))


# ------------------------------------------------------------- slopes in terms of the value

FOUND = [
    (1 / (1 + exp(-z)), y * (1 - y)),
    (exp(z) / (1 + exp(z)), y * (1 - y)),
    ((exp(z) - exp(-z)) / (exp(z) + exp(-z)), 1 - y**2),
    ((1 - exp(-2 * z)) / (1 + exp(-2 * z)), 1 - y**2),
    (sympy.tanh(z), 1 - y**2),
    (exp(z), y),
    (exp(-3 * z), -3 * y),
    (sympy.tan(z), 1 + y**2),
    (2 / (1 + exp(-z)) - 1, Rational(1, 2) - y**2 / 2),
]


@pytest.mark.parametrize(("function", "form"), FOUND, ids=str)
def test_a_slope_is_found_in_terms_of_the_value(function, form):
    """σ(1 - σ), 1 - tanh² from exponentials too, e^z, 1 + tan²."""
    found = slope_by_value(function, sympy.diff(function, z), y)
    assert sympy.expand(found - form) == 0


@pytest.mark.parametrize(
    "function",
    [sympy.sin(z), sympy.cosh(z), sympy.log(z), sqrt(1 + z**2), 2**z, z**z, exp(-(z**2)),
     z / (1 + exp(-z)), sympy.atan(z), 1 / sympy.cos(z)],
    ids=str,
)  # fmt: skip
def test_where_there_is_no_such_form_none_is_found(function):
    """No polynomial in the value: None, and no error."""
    assert slope_by_value(function, sympy.diff(function, z), y) is None


@settings(max_examples=20)
@given(st.integers(-3, 3), st.integers(1, 3), st.integers(-3, 3), st.integers(1, 4))
def test_a_form_that_is_found_is_the_slope(a, b, c, d):
    """For (a + b e^{cz})/(d + e^{cz}) and all numbers: what is found has the slope's value."""
    assume(c != 0 and a != b * d)  # else it is a constant
    function = (a + b * exp(c * z)) / (d + exp(c * z))
    slope = sympy.diff(function, z)
    form = slope_by_value(function, slope, y)
    assert form is not None
    at = {z: sympy.Float("0.37", 40)}
    there = form.xreplace({y: function.xreplace(at).evalf(40)})
    assert abs(there - slope.xreplace(at).evalf(40)) < 1e-30


# -------------------------------------------------------------------- pins and contraction


def derivative_of(case, child, parent):
    pairs = case.backward.derivatives.items()
    return next(local for (c, p), local in pairs if (c.name, p.name) == (child, parent))


@pytest.mark.parametrize(
    ("child", "parent", "pins", "form"),
    [
        ("a1", "W1", 1, "x[j]"),
        ("a1", "b1", 1, "1"),
        ("a1", "x", 0, "W_1[i, j]"),
        ("h1", "a1", 1, "1 - h_1[i]**2"),
    ],
)
def test_what_a_local_derivative_needs_to_be_equal(child, parent, pins, form):
    """∂a_i/∂w_qj needs i = q; ∂a_i/∂x_j needs nothing; ∂h_i/∂a_q needs i = q for tanh."""
    case = build(2, [(3, "tanh"), (2, "softmax")], "squared_error")
    local = derivative_of(case, child, parent)
    assert len(local.pins) == pins
    assert str(local.form) == form
    if pins:
        own = [Integer(1)] * len(local.child_indices)
        other = [Integer(2)] * len(local.parent_indices)
        assert local.at(own, other) == 0


def test_a_softmax_pins_nothing():
    """∂h_i/∂a_q is h_i (δ_iq - h_q) for every i and q, as differentiated and as declared."""
    case = build(2, [(3, "softmax")], "squared_error")
    local = derivative_of(case, "yhat", "a1")
    assert local.pins == ()
    assert local.form.atoms(KroneckerDelta)
    assert local.is_rewritten
    assert local.name == Partial(local.child.at(*local.child_indices), local.parent.element)


def test_an_equation_that_reads_a_quantity_twice():
    """Each occurrence counts: d(x·e^x + x)/dx."""
    case = from_lines({"y": "x*exp(x)+x", "L": "y*x"}, x=0.4)
    leaf = case.graph.variables[0]
    for equation, expected in zip(
        case.graph.equations, ("1 + x*exp(x) + exp(x)", "y"), strict=True
    ):
        found = collapse(local_derivative(equation, leaf).form)
        assert sympy.expand(found - sympy.S(0) - _read(expected, found)) == 0


def _read(text, found):
    """Give the expected slope in the symbols of the found one."""
    names = {symbol.name: symbol for symbol in found.free_symbols}
    x_, y_ = names.get("x", z), names.get("y", y)
    return {"y": y_, "1 + x*exp(x) + exp(x)": 1 + x_ * exp(x_) + exp(x_)}[text]


def test_all_pairs_of_a_batch_agree_with_brute_force():
    """Different samples have no influence on one another."""
    case = build(2, [(2, "softmax")], "squared_error", samples=2)
    local = derivative_of(case, "yhat", "a1")
    for s, t in itertools.product((1, 2), repeat=2):
        found = local.at((Integer(s), Integer(1)), (Integer(t), Integer(2)))
        assert (found == 0) == (s != t)
