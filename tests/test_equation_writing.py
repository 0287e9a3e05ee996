"""What a formula over arrays looks like, and which names of elements are understood."""

from fractions import Fraction

import pytest

from symback.equations import writing
from symback.equations.adjoints import backward
from symback.equations.indices import Affine, Condition, Lookup, Range, letter, number
from symback.equations.naming import file_name, read_element, time_axes
from symback.equations.system import Definition, Group, Kind, Quantity, System
from symback.equations.terms import (
    UNIT,
    Binder,
    Call,
    Given,
    Measure,
    Number,
    Plus,
    Power,
    Read,
    Slope,
    Term,
    Times,
    Where,
    negative,
    product,
    quotient,
    total,
)
from symback.language.names import UnknownName
from tests.typesetting import katex_errors

T, n, d, m, k = map(letter, ("T", "n", "d", "m", "k"))
t, u, i, j, o = map(letter, "tuijo")


def at(name: str, *indices: Affine | Lookup) -> Read:
    return Read(name, indices)


def sigma(name: str, upper: Affine, body: Term, *conditions: Condition) -> Term:
    return Binder("sum", Range(name, upper), conditions, body)


def square(term: Term) -> Term:
    return Power(term, Number(Fraction(2)))


def made(shapes: dict[str, tuple[Affine, ...]], *groups: Group, **sizes: int | None) -> System:
    computed = {each.name for group in groups for each in group.definitions}
    quantities = tuple(
        Quantity(
            name,
            Kind.COMPUTED if name in computed else Kind.PARAMETER,
            shape,
            pad=Fraction(0) if name == "x" else None,
        )
        for name, shape in shapes.items()
    )
    return System(sizes, quantities, groups, "L")


def alone(name: str, indices: tuple[Affine, ...], term: Term, **ranges: Affine) -> Group:
    own = tuple(Range(name, upper) for name, upper in ranges.items())
    return Group((Definition(name, indices, own, term),))


RNN = made(
    {"W": (n, d), "U": (n, n), "b": (n,), "h0": (n,), "x": (T, d), "y": (T, n), "a": (T, n),
     "h": (T, n), "L": ()},
    alone("h", (number(0), i), at("h0", i), i=n),
    Group(
        (
            *alone(
                "a", (t, i),
                total([
                    sigma("j", d, product([at("W", i, j), at("x", t, j)])),
                    sigma("j", n, product([at("U", i, j), at("h", t - number(1), j)])),
                    at("b", i),
                ]),
                t=T, i=n,
            ).definitions,
            *alone("h", (t, i), Call("tanh", (at("a", t, i),)), t=T, i=n).definitions,
        ),
        {"a": 0, "h": 0},
    ),
    alone(
        "L", (),
        sigma("t", T, sigma("i", n, square(total([at("h", t, i), negative(at("y", t, i))])))),
    ),
    T=3, n=4, d=2,
)  # fmt: skip

PAST = Condition(u, "<=", t)
ATTENTION = made(
    {"Q": (T, d), "K": (T, d), "V": (T, d), "S": (T, T), "P": (T, T), "O": (T, d), "L": ()},
    alone(
        "S", (t, u),
        quotient(
            sigma("i", d, product([at("Q", t, i), at("K", u, i)])), Call("sqrt", (Measure(d),))
        ),
        t=T, u=T,
    ),
    alone("P", (t, u), Binder("softmax", Range("u", T), (PAST,), at("S", t, u), u), t=T, u=T),
    alone("O", (t, i), sigma("u", T, product([at("P", t, u), at("V", u, i)]), PAST), t=T, i=d),
    alone("L", (), sigma("t", T, sigma("i", d, square(at("O", t, i))))),
    T=None, d=None,
)  # fmt: skip

CONVOLUTION = made(
    {"k1": (k,), "beta": (), "x": (n,), "z": (m,), "L": ()},
    alone(
        "z", (o,),
        total([sigma("u", k, product([at("k1", u), at("x", o.times(2) + u - number(3))])),
               at("beta")]),
        o=m,
    ),
    alone("L", (), product([quotient(UNIT, Measure(m)), sigma("o", m, square(at("z", o)))])),
    n=None, m=None, k=None,
)  # fmt: skip

LINES = {
    "RNN": (
        RNN,
        (
            "h[0]_i = h0_i",
            "a[t]_i = Σ_{j=1..d} W_ij·x[t]_j + Σ_{j=1..n} U_ij·h[t-1]_j + b_i",
            "h[t]_i = tanh(a[t]_i)",
            "L = Σ_{t=1..T} Σ_{i=1..n} (h[t]_i - y[t]_i)^2",
            "∂L/∂h[t]_i = 2·(h[t]_i - y[t]_i) + 1[t < T]·Σ_{j=1..n} ∂L/∂a[t+1]_j · U_ji",
            "∂L/∂U_ij = Σ_{t=1..T} ∂L/∂a[t]_i · h[t-1]_j",
        ),
    ),
    "attention": (
        ATTENTION,
        (
            "S_tu = (Σ_{i=1..d} Q_ti·K_ui)/√(d)",
            "P_tu = softmax_{u ≤ t}(S_tu)",
            "O_ti = Σ_{u ≤ t} P_tu·V_ui",
            "∂L/∂V_ui = Σ_{t=u..T} ∂L/∂O_ti · P_tu",
        ),
    ),
    "convolution": (
        CONVOLUTION,
        (
            "z_o = Σ_{u=1..k} k1_u·x_{2o+u-3} + β",
            "L = 1/m·Σ_{o=1..m} z_o^2",
            "∂L/∂x_i = Σ_{o=1..m, 1 ≤ i-2o+3 ≤ k} ∂L/∂z_o · k1_{i-2o+3}",
        ),
    ),
}


@pytest.mark.parametrize("kind", LINES)
def test_definitions_and_adjoints_read_as_one_writes_them(kind: str):
    """Forward and adjoint equations in text: the writer's order, time in brackets, ∂L/∂."""
    system, wanted = LINES[kind]
    both = backward(system).system
    writer = writing.text(both)
    shown = [writer.equation(each) for each in both.definitions]
    assert [line for line in wanted if line not in shown] == []


@pytest.mark.parametrize("kind", LINES)
def test_katex_sets_every_line_of_every_derivation(kind: str):
    """Definitions, ranges and all steps of all adjoints are LaTeX that KaTeX's strict mode sets."""
    found = backward(LINES[kind][0])
    writer = writing.latex(found.system)
    formulas = [writer.equation(each) for each in found.system.definitions]
    formulas += [writer.ranges(each.ranges) for each in found.system.definitions]
    formulas += [
        writer.within(deduction.definition.ranges).write(step.term)
        for deductions in found.adjoints.values()
        for deduction in deductions
        for step in deduction.steps
    ]
    assert katex_errors(formulas) == []


A, B, C = at("A"), at("B"), at("C")
ONE_HALF, TWO = Number(Fraction(1, 2)), Number(Fraction(2))
PRINTED = {
    "A - B": Plus((A, negative(B))),
    "-A - B": Plus((negative(A), negative(B))),
    "A - (B - C)": Plus((A, Times((Number(Fraction(-1)), Plus((B, negative(C))))))),
    "A·2": Times((A, TWO)),
    "(A·B)/C": quotient(product([A, B]), C),
    "A/B·C": Times((A, Power(B, Number(Fraction(-1))), C)),
    "(A - B)/C": quotient(Plus((A, negative(B))), C),
    "A/(B^2)": Times((A, Power(B, Number(Fraction(-2))))),
    "-A/B": negative(quotient(A, B)),
    "1/A": Power(A, Number(Fraction(-1))),
    "√(A)": Power(A, ONE_HALF),
    "tanh^2(A)": square(Call("tanh", (A,))),
    "(A + B)^2": square(Plus((A, B))),
    "e^(-A)": Call("exp", (negative(A),)),
    "max(0, A)": Call("max", (Number(Fraction(0)), A)),
    "A·(-B)": Times((A, negative(B))),
    "(Σ_{i=1..n} b_i)·A": Times((sigma("i", n, at("b", i)), A)),
    "A·Σ_{i=1..n} b_i": Times((A, sigma("i", n, at("b", i)))),
    "Σ_{i=1..n} (b_i - A)": sigma("i", n, Plus((at("b", i), negative(A)))),
    "-Σ_{i=1..n} b_i": negative(sigma("i", n, at("b", i))),
    "1/n·Σ_{i=1..n} b_i": Binder("mean", Range("i", n), (), at("b", i)),
    "1/(n-1)·A": Times((Power(Measure(n - number(1)), Number(Fraction(-1))), A)),
    "max_{1 ≤ i ≤ n} b_i": Binder("max", Range("i", n), (), at("b", i)),
    "1[2 = argmax_{1 ≤ i ≤ n} b_i]": Binder("argmax", Range("i", n), (), at("b", i), number(2)),
    "softmax_{1 ≤ i ≤ n}(b_i)_2": Binder("softmax", Range("i", n), (), at("b", i), number(2)),
    "A·1[B > 0]": Times((A, Where(Number(Fraction(0)), "<", B, UNIT, Number(Fraction(0))))),
    "{A if B < C; C otherwise}": Where(B, "<", C, A, C),
    "1[t < T]·(A + B)": Given((Condition(t + number(1), "<=", T),), Plus((A, B))),
    "-1[t ≥ 2]·A": Given((Condition(number(1), "<=", t - number(1)),), negative(A)),
    "1[t ≠ T]·A": Given((Condition(t, "!=", T),), A),
    "E_{tok_t,i}": at("E", Lookup("tok", (t,)), i),
    "w_3,11": at("w", number(3), number(11)),
    "(∂A/∂B)_h": Slope(A, B, ("h",)),
    "0.01·A": Times((Number(Fraction(1, 100), "0.01"), A)),
    "10^(-5)": Number(Fraction(1, 100000), "1e-5"),
    "γ_1·ŷ_2": Times((at("gamma", number(1)), at("yhat", number(2)))),
}


@pytest.mark.parametrize("shown", PRINTED)
def test_each_kind_of_term_in_text_and_latex(shown: str):
    """One line a form: the text is this, and KaTeX sets the LaTeX."""
    assert writing.text(ATTENTION).write(PRINTED[shown]) == shown
    assert katex_errors([writing.latex(ATTENTION).write(PRINTED[shown])]) == []


def test_a_condition_that_the_range_would_cut_off_keeps_the_range():
    """u ≤ t + 2 may lie beyond T: then both the range and the condition are written."""
    wide = sigma("u", T, at("S", t, u), Condition(u, "<=", t + number(2)))
    writer = writing.text(ATTENTION).within((Range("t", T),))
    assert writer.write(wide) == "Σ_{u=1..T, u ≤ t+2} S_tu"


def test_a_number_in_a_name_is_an_index_unless_two_names_would_look_alike():
    """W1[1,2] is W_{1,12}; where W has three indices, it is W1 in one piece."""
    one = made({"W1": (n, n), "b1": ()}, n=None)
    assert writing.latex(one).element(at("W1", i, j)) == "W_{1,ij}"
    assert writing.latex(one).element(at("b1")) == "b_{1}"
    two = made({"W": (n, n, n), "W1": (n, n)}, n=None)
    assert writing.latex(two).element(at("W1", i, j)) == r"\mathrm{W1}_{ij}"


def test_time_is_what_shares_a_letter_with_the_axis_of_a_recurrence():
    """The recurrence over t makes the first index of x, y, a and h time, and no index of U."""
    assert time_axes(RNN) == {name: frozenset({0}) for name in "axyh"}
    assert time_axes(ATTENTION) == {}


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [("U[1,2]", "U[1,2]"), ("U_12", "U[1,2]"), ("U12", "U[1,2]"), ("U_{1,2}", "U[1,2]"),
     ("U[1, 2]", "U[1,2]"), ("h[2,1]", "h[2,1]"), ("h[2]_1", "h[2,1]"), ("h_21", "h[2,1]"),
     ("h[0]_3", "h[0,3]"), ("h0_1", "h0[1]"), ("x[3]_2", "x[3,2]"), ("L", "L")],
)  # fmt: skip
def test_a_name_is_understood_as_printed_and_as_written_in_the_file(asked: str, wanted: str):
    """All spellings of an element lead to it."""
    assert file_name(read_element(asked, RNN)) == wanted


@pytest.mark.parametrize(
    ("asked", "said"),
    [("h[0]_5", "out of range: there is h[i,j] with i = 1…T = 3 and j = 1…n = 4, and h[0,i]"),
     ("U[5,1]", "out of range"), ("U[0,1]", "out of range"), ("h[4,1]", "out of range"),
     ("Uu[1,2]", 'did you mean "U"?'), ("L[1]", "L is a number and has no indices"),
     ("U", "is no single element; name one, such as U[1,1]"), ("U_1", "U has 2 indices"),
     ("U[i,j]", "does not name an element"), ("", "there is no empty name"),
     ("∇a[1,1]", "there is no")],
)  # fmt: skip
def test_a_name_that_is_none_is_refused_with_what_there_is(asked: str, said: str):
    """The message says what was given, and the ranges or the nearest name."""
    with pytest.raises(UnknownName) as caught:
        read_element(asked, RNN)
    assert said in caught.value.message


def test_digits_that_can_be_cut_in_two_ways_are_refused():
    """U_111 in a 12 by 12 matrix is U[1,11] or U[11,1]."""
    wide = made({"U": (number(12), number(12))})
    with pytest.raises(UnknownName, match="can be read as"):
        read_element("U_111", wide)
    assert file_name(read_element("U_1,11", wide)) == "U[1,11]"
