"""The catalogue: the formulas are the textbook's, and a row is all that a function needs."""

import numpy as np
import pytest
import sympy
from sympy import Integer, Symbol

from referee import FUNCTIONS, mp
from symback.language.algebra import (
    Product,
    Terms,
    activation,
    called,
    collapse,
    field_functions,
    negative,
    product,
    to_sympy,
    total,
    value_of,
    written,
)
from symback.language.errors import SymbackError
from symback.language.functions import (
    ACTIVATIONS,
    ELEMENTARY,
    LOSSES,
    WORDS,
    Activation,
    Loss,
    SoftMax,
)
from symback.language.reading import read

z, y, yhat = sympy.symbols("z y yhat", real=True)

TEXTBOOK = {
    "linear": lambda a: a,
    "sigmoid": lambda a: 1 / (1 + mp.exp(-a)),
    "tanh": mp.tanh,
    "relu": lambda a: max(a, mp.mpf(0)),
    "leaky_relu": lambda a: a if a > 0 else a / 100,
    "elu": lambda a: a if a > 0 else mp.exp(a) - 1,
    "gelu": lambda a: a * mp.ncdf(a),
    "silu": lambda a: a / (1 + mp.exp(-a)),
    "softplus": lambda a: mp.log(1 + mp.exp(a)),
}
TEXTBOOK_LOSSES = {
    "squared_error": lambda t, p: (t - p) ** 2,
    "half_squared_error": lambda t, p: (t - p) ** 2 / 2,
    "cross_entropy": lambda t, p: -t * mp.log(p),
    "binary_cross_entropy": lambda t, p: -t * mp.log(p) - (1 - t) * mp.log(1 - p),
    "absolute_error": lambda t, p: abs(t - p),
    "huber": lambda t, p: (t - p) ** 2 / 2 if abs(t - p) <= 1 else abs(t - p) - mp.mpf(1) / 2,
    "output": lambda _, p: p,
}


def evaluated(expr, **numbers):
    names = {symbol: sympy.Float(str(numbers[symbol.name]), 50) for symbol in expr.free_symbols}
    return mp.mpf(str(expr.xreplace(names).evalf(50)))


@pytest.mark.parametrize("name", sorted(ACTIVATIONS.keys() - {"softmax"}))
def test_each_activation_is_the_textbook_s(name):
    """Its formula, at points on both sides of 0, against one written here."""
    expr = activation(ACTIVATIONS[name], lambda _: z, Integer(1), Integer(1))
    for point in ("-3.1", "-0.4", "0.4", "3.1"):
        assert abs(evaluated(expr, z=point) - TEXTBOOK[name](mp.mpf(point))) < 1e-30


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_each_loss_is_the_textbook_s(name):
    """Its term, near and far from the target, against one written here."""
    expr = value_of(LOSSES[name].formula, {"y": y, "yhat": yhat})
    points = [("0.3", "0.6"), ("0.8", "0.1")]
    if "entropy" not in name:
        points += [("2.5", "-0.7"), ("-1.5", "0.2")]
    for target, output in points:
        expected = TEXTBOOK_LOSSES[name](mp.mpf(target), mp.mpf(output))
        assert abs(evaluated(expr, y=target, yhat=output) - expected) < 1e-30


def test_the_contract_s_functions_are_all_there():
    """Ten activations and seven losses."""
    assert {*TEXTBOOK, "softmax"} <= ACTIVATIONS.keys()
    assert TEXTBOOK_LOSSES.keys() <= LOSSES.keys()
    assert all(name == row.name for name, row in (ACTIVATIONS | LOSSES).items())


@pytest.mark.parametrize("row", ACTIVATIONS.values(), ids=lambda row: row.name)
def test_what_has_a_kink_says_so(row):
    """An activation whose slope jumps states its slope there; the others say nothing."""
    if isinstance(row, SoftMax):
        return
    expr = activation(row, lambda _: z, Integer(1), Integer(1))
    slope = sympy.diff(expr, z)
    sides = [
        mp.mpf(str(slope.xreplace({z: sympy.Float(at)}).evalf(30))) for at in ("1e-9", "-1e-9")
    ]
    assert bool(row.convention) == (abs(sides[0] - sides[1]) > 1e-6)


@pytest.mark.parametrize(("name", "value"), [("relu", 0), ("leaky_relu", sympy.Rational(1, 100))])
def test_the_slope_at_a_kink_is_the_stated_one(name, value):
    """The convention and the declared slope agree, and so does the formula's own derivative."""
    row = ACTIVATIONS[name]
    assert isinstance(row, Activation)
    slope = written(row.slope, {"z": z, "h": yhat})
    assert slope.xreplace({z: Integer(0)}) == value
    expr = activation(row, lambda _: z, Integer(1), Integer(1))
    assert sympy.diff(expr, z).xreplace({z: Integer(0)}) == value
    assert f"is taken to be {float(value):g}." in row.convention


def test_absolute_error_at_the_target():
    """Slope 0 where y = ŷ, as its convention says."""
    row = LOSSES["absolute_error"]
    assert "taken to be 0" in row.convention
    assert written(row.slope, {"y": Integer(1), "yhat": Integer(1)}) == 0


def test_the_order_of_typing_is_kept():
    """-2·(y - ŷ) stays a product with its number in front, and collapses to SymPy's value."""
    found = written("-2*(y-yhat)", {"y": y, "yhat": yhat})
    assert found == Product(Integer(-2), y - yhat)
    swapped = written("(y-yhat)*y", {"y": y, "yhat": yhat})
    assert swapped == Product(y - yhat, y)


@pytest.mark.parametrize(
    "text",
    ["-(y-yhat)", "-y/yhat+(1-y)/(1-yhat)", "y*(yhat-1)*-2", "-(y*(1-yhat)-yhat)/2", "y**2*-yhat",
     "where(y>0,-(y-yhat),2*y*yhat)", "-sign(y-yhat)*y", "3-(1-(y-yhat))"],
)  # fmt: skip
def test_written_and_computed_are_equal(text):
    """Order is all that `written` keeps; the value is that of the formula."""
    symbols = {"y": y, "yhat": yhat}
    for at in (("0.7", "0.2"), ("-0.7", "0.4")):
        numbers = dict(zip(("y", "yhat"), at, strict=True))
        one = evaluated(collapse(written(text, symbols)), **numbers)
        other = evaluated(value_of(text, symbols), **numbers)
        assert abs(one - other) < 1e-40


def test_signs_and_sums_do_not_spread():
    """A minus before a sum stays before it; atoms multiply; a plain sum is SymPy's own."""
    assert negative(y - yhat) == Product(Integer(-1), y - yhat)
    assert negative(Product(Integer(2), y - yhat)) == Product(Integer(-2), y - yhat)
    assert negative(y) == -y
    assert product([Integer(2), y, z]) == 2 * y * z
    assert product([y, y - z]) == Product(y, y - z)
    assert total([y, z]) == y + z
    assert total([Product(y, y - z), z]) == Terms(Product(y, y - z), z)


def test_a_function_that_is_only_named_is_never_evaluated():
    """sigmoid(z) by name, and tanh by name although SymPy knows it."""
    for name in ("sigmoid", "tanh"):
        assert called(name, z).func.__name__ == name
        assert not called(name, Integer(0)).is_number or called(name, Integer(0)) != 0


def test_formulas_may_call_the_elementwise_functions():
    """Every activation but the softmax, which needs a whole layer."""
    functions = field_functions()
    assert functions.keys() == ACTIVATIONS.keys() - {"softmax"}
    assert functions["relu"](Symbol("t", real=True)).has(sympy.Piecewise)
    with pytest.raises(SymbackError, match="softmax"):
        value_of("softmax(z)", {"z": z})


def test_rows_are_records():
    """Frozen, comparable, and with no behaviour that depends on who asks."""
    assert Activation("own", "z") == Activation("own", "z")
    with pytest.raises(AttributeError):
        Loss("own", "y").name = "other"  # type: ignore[misc]
    assert np.array(FUNCTIONS["erf"](mp.mpf(0))) == 0


# ----------------------------------------------------------------------------- elementary functions

POINTS = [mp.mpf(text) for text in ("-2.7", "-0.9", "-0.3", "0.2", "0.8", "3.1")]
REFEREE = FUNCTIONS | {"sqrt": mp.sqrt, "abs": abs}
ROWS = [row for row in ELEMENTARY.values() if row.arguments == 1]


def computed(text, point):
    """A formula in z and i at a point, by SymPy's numbers."""
    i, at = Symbol("i"), Symbol("z", real=True)
    found = to_sympy(read(text, names=("z", "i")), {"z": at, "i": i})
    value = found.xreplace({i: sympy.I, at: sympy.Float(str(point), 50)}).evalf(40)
    return mp.mpc(str(sympy.re(value)), str(sympy.im(value)))


def inside(row):
    """The points at which a function has a value."""
    domain = (row.domain and f"where({row.domain},1,0)") or "1"
    return [point for point in POINTS if computed(domain, point) == 1]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_a_row_says_of_an_elementary_function_is_true(row):
    """Its slope, its exponentials, bounds, rise, oddness and what it undoes, at points."""
    function, step = REFEREE[row.name], mp.mpf("1e-20")
    values = [function(point) for point in inside(row)]
    for point, value in zip(inside(row), values, strict=True):
        difference = (function(point + step) - function(point - step)) / (2 * step)
        assert abs(computed(row.slope, point) - difference) < 1e-15
        if row.exponentials:
            assert abs(computed(row.exponentials, point) - value) < 1e-30
        if row.odd:
            assert abs(function(-point) + value) < 1e-30
        for end, sign in zip(row.bounds, (-1, 1), strict=True):
            assert not end or sign * (computed(end, 0).real - value) > 0
        if row.inner and abs(point) < 1:
            assert abs(function(REFEREE[row.inner](point)) - point) < 1e-30
    assert not row.rises or values == sorted(values)
    if row.domain:
        outside = set(POINTS) - set(inside(row))
        assert all(isinstance(function(point), mp.mpc) for point in outside)


def test_no_word_names_two_functions():
    """What formulas and pages may type means one row each."""
    words = [w for row in ELEMENTARY.values() for w in (row.name, *row.aliases, *row.words)]
    assert len(words) == len(set(words))
    assert WORDS["arcsin"] == "asin"
    assert WORDS["ReLU"] == "relu"
