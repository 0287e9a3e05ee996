"""The reference evaluator: each construct means what DESIGN says, however many steps there are."""

import itertools
import math
import random
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import pytest

import scribbles
import systems
from plain import Values
from symback.engine.arithmetics import CONTEXT, Misshapen, OutOfRange
from symback.engine.evaluation import Kink, MissingNumbers, OutOfDomain
from symback.equations.adjoints import backward
from symback.equations.elements import Elements
from symback.equations.indices import Condition, Lookup, Range, letter, number
from symback.equations.system import Definition, Group, Kind, Quantity, System
from symback.equations.terms import (
    Binder,
    Call,
    Given,
    Measure,
    Number,
    Read,
    Where,
    negative,
    power,
    product,
    quotient,
    total,
)

t, u, i, j, T, n, d = (letter(name) for name in "tuijTnd")
SQUARED = Number(Fraction(2))


def read(array, *indices):
    return Read(array, indices)


def summed(name, upper, body, *conditions, kind="sum", at=None):
    return Binder(kind, Range(name, upper), conditions, body, at)


def rnn(**sizes):
    """DESIGN's recurrence by hand."""
    shapes = {"W": (n, d), "U": (n, n), "b": (n,)}, {"x": (T, d), "y": (T, n), "h0": (n,)}
    kinds = (Kind.PARAMETER, Kind.INPUT)
    given = [
        Quantity(name, kind, shape)
        for kind, group in zip(kinds, shapes, strict=True)
        for name, shape in group.items()
    ]
    computed = [Quantity(name, Kind.COMPUTED, (T, n)) for name in "ah"]
    ranges = (Range("t", T), Range("i", n))
    into = summed("j", d, product((read("W", i, j), read("x", t, j))))
    around = summed("j", n, product((read("U", i, j), read("h", t - number(1), j))))
    step = Definition("a", (t, i), ranges, total((into, around, read("b", i))))
    first = Definition("h", (number(0), i), ranges[1:], read("h0", i))
    value = Definition("h", (t, i), ranges, Call("tanh", (read("a", t, i),)))
    error = power(total((read("h", t, i), negative(read("y", t, i)))), SQUARED)
    loss = Definition("L", (), (), summed("t", T, summed("i", n, error)))
    return System(
        {"T": None, "n": None, "d": None} | sizes,
        (*given, *computed, Quantity("L", Kind.COMPUTED)),
        (Group((first,)), Group((step, value), {"a": 0, "h": 0}), Group((loss,))),
        "L",
    )


def one_line(term, *quantities, at=(), ranges=(), shape=(), sizes=None):
    """A system of one equation ``L = term``, and what it reads."""
    made = (*quantities, Quantity("L", Kind.COMPUTED, shape))
    groups = (Group((Definition("L", at, ranges, term),)),)
    return System(sizes or {"n": None}, made, groups, "L")


X = Quantity("x", Kind.PARAMETER, (n,))


def value_of(term, x, *more, **given):
    """The number that one formula over x[1..n] is."""
    return float(Elements(one_line(term, X, *more), {"x": x, **given}).loss)


# ------------------------------------------------------------------------------ a whole network


def numbers_for(system, seed=0, **sizes):
    rng = np.random.default_rng(seed)
    return {
        q.name: rng.normal(size=tuple(size.value(sizes) for size in q.shape))
        for q in system.quantities
        if q.kind in (Kind.PARAMETER, Kind.INPUT)
    }


def test_a_recurrence_and_its_adjoints_are_those_of_a_loop():
    """Forward and backward numbers of DESIGN's network equal a loop in NumPy written by hand."""
    system = backward(rnn()).system
    given = numbers_for(system, T=4, n=3, d=2)
    found = Elements(system, given)
    w, v, b, x, y, h0 = (given[name] for name in ("W", "U", "b", "x", "y", "h0"))
    h = [h0]
    for step in range(4):
        h.append(np.tanh(w @ x[step] + v @ h[-1] + b))
    delta, by_v = np.zeros(3), np.zeros((3, 3))
    for step in reversed(range(4)):
        delta = (2 * (h[step + 1] - y[step]) + v.T @ delta) * (1 - h[step + 1] ** 2)
        by_v += np.outer(delta, h[step])
    assert np.allclose(np.array(found.array("h"), float), h[1:], rtol=1e-13)
    assert np.allclose(np.array(found.array("∇U"), float), by_v, rtol=1e-12)
    assert float(found.element("h", (0, 2))) == h0[1]
    assert np.allclose(
        np.array([found.element("∇h", (0, k)) for k in (1, 2, 3)], float), v.T @ delta
    )


@pytest.mark.parametrize("name", ["W", "U", "b", "x", "y", "h0"])
def test_adjoints_agree_with_central_differences(name):
    """To fifty digits, at every element of every parameter and input."""
    system = backward(rnn()).system
    found = Elements(system, numbers_for(system, T=3, n=2, d=2))
    for at in itertools.product(*(range(1, size + 1) for size in found.shape(name))):
        difference = found.central_difference(name, at)
        assert abs(difference - found.element(f"∇{name}", at)) < CONTEXT.mpf("1e-50")


def test_two_thousand_steps_are_no_deeper_than_three():
    """Nothing is recursive: all elements of 2000 steps, forward and backward."""
    system = backward(rnn()).system
    found = Elements(system, numbers_for(system, T=2000, n=2, d=1))
    assert len(found.array("∇a")) == 2000
    assert found.loss > 0


def test_a_step_of_gradient_descent():
    """θ - η ∂L/∂θ, element by element."""
    system = backward(rnn()).system
    found = Elements(system, numbers_for(system, T=2, n=2, d=1))
    moved = found.updated(0.1)
    assert moved.keys() == {"W", "U", "b"}
    expected = found.element("b", (2,)) - found.element("∇b", (2,)) / 10
    assert abs(moved["b"][1] - expected) < CONTEXT.mpf("1e-60")


def test_what_is_moved_moves_what_is_computed_from_it_and_nothing_else():
    """`put` gives the numbers that a new evaluation gives."""
    system = backward(rnn()).system
    given = numbers_for(system, T=3, n=2, d=2)
    found = Elements(system, given)
    assert found.array("∇U")
    found.put("h0", (2,), CONTEXT.mpf(2))
    given["h0"][1] = 2
    fresh = Elements(system, given)
    assert found.array("∇U") == fresh.array("∇U")
    assert found.element("h", (0, 2)) == 2
    assert found.loss == fresh.loss


# ------------------------------------------------------------------------------------ meanings


def body(kind, *conditions, at=None):
    return summed("i", n, read("x", i), *conditions, kind=kind, at=at)


EARLY = Condition(i, "<=", number(2))


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (body("sum"), 6),
        (body("sum", EARLY), 4),
        (body("sum", Condition(i, "<", number(1))), 0),
        (body("mean"), 2),
        (body("mean", Condition(i, "!=", number(2))), 1.5),
        (body("max"), 3),
        (body("min"), 1),
        (body("min", Condition(number(3), "<=", i)), 2),
        (body("count", EARLY), 2),
        (body("logsumexp"), math.log(sum(map(math.exp, (1, 3, 2))))),
        (body("logsumexp", EARLY), math.log(math.e + math.e**3)),
        (body("softmax", EARLY, at=number(2)), 1 / (1 + math.exp(-2))),
        (body("softmax", EARLY, at=number(3)), 0),
        (body("argmax", at=number(2)), 1),
        (body("argmax", at=number(1)), 0),
        (body("argmin", EARLY, at=number(1)), 1),
        (body("argmax", Condition(i, "!=", number(2)), at=number(2)), 0),
        (Given((Condition(n, "==", number(3)),), read("x", n)), 2),
        (Given((Condition(n, "<", number(3)),), read("x", n + number(7))), 0),
        (summed("i", n, Given((EARLY,), read("x", i + number(1)))), 5),
        (quotient(Measure(n), Number(Fraction(2))), 1.5),
        (Call("max", (read("x", number(1)), Number(Fraction(0)), read("x", number(3)))), 2),
        (Call("abs", (negative(read("x", number(2))),)), 3),
        (Call("sigmoid", (read("x", number(1)),)), 1 / (1 + math.exp(-1))),
        (Call("sigmoid", (Call("relu", (read("x", number(1)),)),)), 1 / (1 + math.exp(-1))),
        (Call("pi", ()), math.pi),
        (power(read("x", number(3)), Number(Fraction(-1, 2))), 1 / math.sqrt(2)),
        (power(read("x", number(3)), read("x", number(2))), 8),
        (Where(read("x", number(1)), "<", Number(Fraction(0)), body("sum"), body("max")), 3),
    ],
)
def test_what_each_construct_means(term, expected):
    """By hand, for x = (1, 3, 2)."""
    assert value_of(term, [1, 3, 2]) == pytest.approx(expected, rel=1e-15)


def test_argmax_is_the_first_that_attains():
    """Of three equal largest entries the first has 1, the others 0."""
    term = summed("u", n, read("x", u), kind="argmax", at=i)
    system = one_line(term, X, at=(i,), ranges=(Range("i", n),), shape=(n,))
    assert Elements(system, {"x": [5, 7, 7, 7]}).array("L") == (0, 1, 0, 0)


def test_an_inner_binder_hides_an_outer_letter():
    """Σ_i (x_i + Σ_i x_i): the inner i is another."""
    term = summed("i", n, total((read("x", i), body("sum"), read("x", i))))
    assert value_of(term, [1, 3, 2]) == 6 + 18 + 6


def test_exponentials_never_overflow():
    """Softmax and logsumexp subtract the largest exponent."""
    big = [10**10, 10**10 + 1]
    assert value_of(body("softmax", at=number(2)), big) == pytest.approx(1 / (1 + math.exp(-1)))
    assert value_of(body("logsumexp"), [10**12, 0]) == 10**12


def test_a_padded_array_is_its_pad_outside_and_another_is_refused():
    """Both sides of x[1..n], and a message that says what may be read."""
    term = summed("i", n, read("x", i + number(1)))
    padded = Quantity("x", Kind.PARAMETER, (n,), pad=Fraction(10))
    assert float(Elements(one_line(term, padded), {"x": [1, 3, 2]}).loss) == 3 + 2 + 10
    with pytest.raises(OutOfRange, match=r"there is no x\[4\]: the indices of x run over 1\.\.3"):
        value_of(term, [1, 3, 2])
    with pytest.raises(OutOfRange, match=r"no x\[0\]"):
        value_of(read("x", number(0)), [1, 3, 2])


def test_a_base_case_comes_before_the_pad():
    """h[0] is what its base case says, h[-1] the pad."""
    r = (Range("t", T),)
    past = total((read("h", t - number(1)), read("h", t - number(2)), Number(Fraction(1))))
    h = Quantity("h", Kind.COMPUTED, (T,), pad=Fraction(100))
    definitions = (
        Definition("h", (number(0),), (), Number(Fraction(7))),
        Definition("h", (t,), r, past),
    )
    system = System(
        {"T": 3},
        (h, Quantity("L", Kind.COMPUTED)),
        (
            Group(definitions, {"h": 0}),
            Group((Definition("L", (), (), summed("t", T, read("h", t))),)),
        ),
        "L",
    )
    found = Elements(system, {})
    assert found.array("h") == (108, 116, 225)
    assert found.element("h", (0,)) == 7


def test_data_serve_as_indices():
    """E[tok[i]] and a condition tok[i] == v; a value beyond the vocabulary is refused."""
    v = letter("V")
    tok = Quantity("tok", Kind.DATA, (n,), below=v)
    e = Quantity("E", Kind.PARAMETER, (v,))
    gathered = summed("i", n, Read("E", (Lookup("tok", (i,)),)))
    scattered = summed(
        "i", n, summed("u", v, read("E", u), Condition(Lookup("tok", (i,)), "==", u))
    )
    for term in (gathered, scattered):
        system = one_line(term, tok, e, sizes={"n": None, "V": None})
        assert float(Elements(system, {"tok": [3, 1, 3], "E": [10, 20, 40]}).loss) == 90
        with pytest.raises(OutOfRange, match=r"tok\[2\] is 4, .* a whole number from 1 to 3"):
            Elements(system, {"tok": [3, 4, 3], "E": [10, 20, 40]})


# ------------------------------------------------------------------------------------- refusals


def test_what_has_no_number_is_named():
    """Missing arrays, a missing size, and shapes that do not fit."""
    with pytest.raises(MissingNumbers, match="no numbers are given for U, h0; they belong"):
        Elements(rnn(), {"W": [[1]], "b": [1], "x": [[1]], "y": [[1]]})
    with pytest.raises(MissingNumbers, match="the size n has no number"):
        Elements(one_line(Measure(n)), {})
    with pytest.raises(Misshapen, match="x has 2 entries along index 1, but its shape says n = 3"):
        Elements(one_line(body("sum"), X, sizes={"n": 3}), {"x": [1, 2]})
    with pytest.raises(Misshapen, match="differ in length"):
        Elements(one_line(Measure(n), Quantity("x", Kind.INPUT, (n, n))), {"x": [[1, 2], [1]]})


def test_sizes_are_seen_from_shapes():
    """Also those that stand in a sum: x has m + 2 entries."""
    m = letter("m")
    wide = Quantity("x", Kind.INPUT, (m.times(2) + number(2),))
    system = one_line(Measure(m), wide, sizes={"m": None})
    assert Elements(system, {"x": [0] * 8}).loss == 3
    with pytest.raises(Misshapen):
        Elements(system, {"x": [0] * 7})


def test_outside_a_domain_the_element_is_named():
    """The logarithm of 0, a division by zero, and it stays refused when asked again."""
    term = summed("i", n, Call("log", (read("x", i),)))
    found = Elements(one_line(term, X), {"x": [1, 0]})
    for _ in range(2):
        with pytest.raises(OutOfDomain, match=r"L has no value here: log\(0\.0\) \(it is computed"):
            _ = found.loss
    with pytest.raises(OutOfDomain, match="L has no value here: a division by zero"):
        value_of(power(read("x", number(1)), Number(Fraction(-1))), [0])
    # What is not chosen has no say: 0 where x <= 0, else log x.
    zero = Number(Fraction(0))
    safe = Where(zero, "<", read("x", i), Call("log", (read("x", i),)), zero)
    assert value_of(summed("i", n, safe), [1, 0]) == 0


@pytest.mark.parametrize(
    ("term", "at_kink", "off_kink"),
    [
        (Call("abs", (read("x", number(1)),)), [0], [-1]),
        (Call("relu", (read("x", number(1)),)), [0], [2]),
        (body("max"), [1, 1], [1, 2]),
        (body("min"), [1, 1], [1, 2]),
        (Call("max", (read("x", number(1)), Number(Fraction(1)))), [1], [2]),
        (Where(read("x", number(1)), "<=", SQUARED, body("sum"), body("max")), [2, 3], [1, 3]),
        (product((body("argmax", at=number(1)), read("x", number(1)))), [1, 1], [2, 1]),
    ],
)
def test_where_a_slope_jumps_there_is_no_central_difference(term, at_kink, off_kink):
    """The element that decides is named; away from the kink the difference is the derivative."""
    system = backward(one_line(term, X)).system
    assert Elements(system, {"x": at_kink}).central_difference("x", (1,)) == Kink("L")
    found = Elements(system, {"x": off_kink})
    difference = found.central_difference("x", (1,))
    assert abs(difference - found.element("∇x", (1,))) < CONTEXT.mpf("1e-50")


def test_a_kink_that_is_not_moved_does_no_harm():
    """|x_1| + x_2² by x_2, where x_1 = 0."""
    term = total((Call("abs", (read("x", number(1)),)), power(read("x", number(2)), SQUARED)))
    found = Elements(one_line(term, X), {"x": [0, 3]})
    assert abs(found.central_difference("x", (2,)) - 6) < CONTEXT.mpf("1e-50")
    assert found.central_difference("x", (1,)) == Kink("L")


# ------------------------------------------------------------------------- the plain evaluator


@pytest.mark.parametrize("made", [*systems.KINDS, *range(40)])
def test_every_element_is_that_of_the_plain_evaluator(made):
    """Forward and backward, for each kind of network and for lines drawn at random."""
    system = systems.system(made) if isinstance(made, str) else scribbles.system(made)
    both = backward(system).system
    plain = Values(both, doubled(system.values))
    found = Elements(both, system.values)
    for name in both.defining:
        found.array(name)
        for at, value in found.stored[name].items():
            other = plain.element(name, at)
            assert abs(value - other) <= 1e-9 * (1 + abs(value)), (name, at)


def doubled(values):
    """Nested tuples of fractions as nested lists of floats, whole numbers as they are."""
    if isinstance(values, Mapping):
        return {name: doubled(value) for name, value in values.items()}
    if isinstance(values, tuple):
        return [doubled(value) for value in values]
    return int(values) if values.denominator == 1 else float(values)


@pytest.mark.parametrize("seed", range(12))
def test_random_gradients_are_central_differences(seed):
    """To forty digits, wherever no slope jumps."""
    both = backward(scribbles.system(seed))
    found = Elements(both.system, both.forward.values)
    rng = random.Random(seed)
    for name in both.adjoints:
        if name not in both.system.defining:
            at = tuple(rng.randint(1, size) for size in found.shape(name))
            difference = found.central_difference(name, at)
            if not isinstance(difference, Kink):
                exact = found.element(f"∇{name}", at)
                assert abs(difference - exact) <= CONTEXT.mpf("1e-40") * (1 + abs(exact))
