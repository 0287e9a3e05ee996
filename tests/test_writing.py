r"""What is printed is what is meant: read back by rules of its own, each line has its value.

A wrong printed line is the worst thing symback can do, and a parenthesis is easily lost.  So each
printed formula is computed by `reading`, which knows school mathematics and no printer.
"""

import functools
import itertools

import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sympy import Add, Expr, Indexed, Integer, Mul, Piecewise, Pow, Rational, Symbol

from reading import Unreadable, latex_value, text_value
from referee import Referee, mp, same
from strategies import (
    A1,
    INDEXED,
    YHAT,
    Case,
    U,
    X,
    build,
    cases,
    expressions,
    from_lines,
    loose_case,
    makes_sense,
    references,
)
from symback.engine.derivation import derive
from symback.language.algebra import Partial, Product, Sigma, Terms
from symback.language.functions import ACTIVATIONS, LOSSES
from symback.language.names import EQUATIONS, ONE_VARIABLE, SAMPLE, Lettering, index, split_name
from symback.language.writing import Latex, Text
from typesetting import katex_errors

READERS = ((Text, text_value), (Latex, latex_value))
h, w, a = INDEXED
i, j = index("i"), index("j")


class Loose(Referee):
    """A referee for whom every ∂of/∂by is a number of its own, since there are no equations."""

    def slope(self, of, by, held=()):
        key = f"{of[0].name}{of[1]}{by[0].name}{by[1]}{len(held)}"
        return mp.mpf(sum(ord(mark) * 31**place for place, mark in enumerate(key)) % 997 + 7) / 503


@functools.cache
def loose() -> Loose:
    return Loose(loose_case())


def named_parts(expr: Expr, writer, referee: Referee, here: dict) -> dict:
    """Give each name the writer prints what it stands for; two that print alike are refused."""
    names: dict[str, Expr] = {}
    for part in sympy.preorder_traversal(expr):
        counts = isinstance(part, Symbol) and part.is_integer
        named = isinstance(part, (Symbol, Indexed, Partial)) and not counts
        if named and part not in writer.numbers:
            printed = writer.write(part)
            assert names.setdefault(printed, part) == part, f"two quantities print {printed}"

    def value_of(part: Expr):
        return lambda letters: referee.value(
            part, here | {index(letter): number for letter, number in letters.items()}
        )

    return {printed: value_of(part) for printed, part in names.items()}


def check(expr: Expr, referee: Referee, here: dict, numbers=None, *, lettering=None) -> None:
    """Assert that both dialects, read back, have the value of the expression."""
    expected = referee.value(expr, here)
    own = {letter.name: number for letter, number in here.items()}
    for (writer_type, read), literals in zip(READERS, numbers or ({}, {}), strict=True):
        writer = writer_type(lettering or Lettering(), literals)
        printed = writer.write(expr)
        found = read(printed, named_parts(expr, writer, referee, here), own)
        assert same(found, expected), f"{printed} is {mp.nstr(found, 9)}, not {expected}: {expr}"


def computable(expr: Expr, referee: Referee, here: dict) -> bool:
    """Say whether the expression has a number of a size that 60 digits are enough for."""
    try:
        value = referee.value(expr, here)
    except (ZeroDivisionError, OverflowError):
        return False
    return bool(mp.isfinite(value)) and mp.im(value) == 0 and abs(value) < 1e15


# ------------------------------------------------------------------------- all kinds at random


@settings(max_examples=300)
@given(expr=expressions())
def test_whatever_is_printed_reads_back_to_its_value(expr):
    """Every node nested in every other: what is printed has the value of what is meant."""
    assume(computable(expr, loose(), {SAMPLE: 2}))
    check(expr, loose(), {SAMPLE: 2})


LITERALS = st.sampled_from(["1.5", "-1.5", "0.20", "-0.015", "2", "-2"])


@settings(max_examples=150)
@given(expr=expressions(3), x=LITERALS, u=LITERALS)
def test_numbers_put_in_read_back_to_the_value(expr, x, u):
    """Negative numbers and powers of ten keep their parentheses wherever a name stood."""
    case = loose_case(x=float(x), u=float(u), A1=-0.015, yhat=0.025)
    referee = Loose(case)
    assume(computable(expr, referee, {SAMPLE: 1}))
    text = {X: x, U: u, A1: "-1.5e-2", YHAT: "2.5e-2"}
    latex = text | {A1: r"-1.5 \cdot 10^{-2}", YHAT: r"2.5 \cdot 10^{-2}"}
    check(expr, referee, {SAMPLE: 1}, (text, latex))


@settings(max_examples=40)
@given(expr=expressions(3))
def test_katex_sets_whatever_is_printed(expr):
    """KaTeX in its strictest mode has nothing to complain of."""
    text = Latex().write(expr)
    assert katex_errors([text]) == []


# ------------------------------------------------------------------------- all that is derived


def lines_of(case: Case):
    """Give every expression that a sheet of the case can print, with the free indices' values."""
    for equation in case.graph.equations:
        letters = dict.fromkeys(equation.free, 1)
        yield equation.rhs, letters
        yield equation.shown, letters
    for local in case.backward.derivatives.values():
        letters = dict.fromkeys((*local.child_indices, *local.parent_indices), 1)
        yield local.raw, letters
        yield local.form, letters
        yield local.name, letters
    deductions = list(case.backward.adjoints.values())
    for reference in references(case)[::5]:
        found = derive(case.backward, reference)
        deductions += [*found.adjoints, found.conclusion]
        yield found.expr, {SAMPLE: 1}
        yield found.folded, {SAMPLE: 1}
    for deduction in deductions:
        by = deduction.lhs.by
        free = by.indices if isinstance(by, Indexed) else ()
        letters = {letter: 1 for letter in free if not letter.is_Integer}
        yield from ((step.rhs, letters) for step in deduction.steps)


def check_all(case: Case) -> None:
    referee = Referee(case)
    seen = set()
    for expr, letters in lines_of(case):
        if expr not in seen:
            seen.add(expr)
            check(expr, referee, letters)
    assert katex_errors(Latex().write(expr) for expr in seen) == []


EVERYTHING = [
    (hidden, output, loss)
    for number, (output, loss) in enumerate(itertools.product(ACTIVATIONS, LOSSES))
    if makes_sense(output, loss) and number % 3 == 0
    for hidden in [list(ACTIVATIONS)[number % len(ACTIVATIONS)]]
]


@pytest.mark.parametrize(("hidden", "output", "loss"), EVERYTHING)
def test_every_line_of_the_catalogue_reads_back(hidden, output, loss):
    """All equations, local derivatives and steps: printed by both, computed, typeset by KaTeX."""
    number = EVERYTHING.index((hidden, output, loss))
    samples, over = (2, "mean") if number % 2 else (None, "sum")
    check_all(
        build(2, [(2, hidden), (2, output)], loss, samples=samples, over_outputs=over, seed=number)
    )


@settings(max_examples=6)
@given(case=cases(deepest=2, widest=3))
def test_every_line_of_a_random_network_reads_back(case):
    """The same for user formulas, batches, shared biases and softmax in hidden layers."""
    check_all(case)


@pytest.mark.parametrize(
    "lines",
    [
        {"y": "1/(1+exp(-x))"},
        {"y": "sin(cos(tan(exp(log(x**2)))))"},
        {"y": "-(x-1)**2/(x+1)**3 - (2-x)"},
        {"u": "x*x", "v": "u+x", "y": "u*v/x"},
        {"y": "x**(x/2)-2**-x+(1/2)**x"},
        {"y": "max(x,1/3)**2*abs(x-abs(x-1))-sqrt(x)/sqrt(1+x)"},
    ],
)
def test_every_line_of_equations_reads_back(lines):
    """Powers, roots, quotients, kinks, and the derivative while another quantity is held."""
    case = from_lines(lines, x=0.37)
    referee = Referee(case)
    for expr, letters in lines_of(case):
        for lettering in (ONE_VARIABLE, EQUATIONS):
            check(expr, referee, letters, lettering=lettering)


# --------------------------------------------------------------------------------- one by one

b, c = Symbol("b", real=True), Symbol("c", real=True)

WRITTEN = [
    (Mul(-1, b + c, evaluate=False), "-(b + c)", "-(b + c)"),
    (Add(X, Mul(-1, b - c, evaluate=False), evaluate=False), "x - (b - c)", "x - (b - c)"),
    (Mul(-2, b + c, evaluate=False), "-2·(b + c)", r"-2\,(b + c)"),
    (Product(Mul(-1, b + c, evaluate=False), X), "-(b + c)·x", r"-(b + c)\,x"),
    (Product(X, -b, c), "x·(-b)·c", r"x\,(-b)\,c"),
    (Terms(X, Product(Integer(-1), b + c)), "x - (b + c)", "x - (b + c)"),
    ((X / b) / c, "x/(b·c)", r"\frac{x}{b\,c}"),
    ((X / b) ** 2, "(x^2)/(b^2)", r"\frac{x^{2}}{b^{2}}"),
    (1 / (1 + 1 / X), "1/(1 + 1/x)", r"\frac{1}{1 + \frac{1}{x}}"),
    (Pow(-X, 3, evaluate=False), "(-x)^3", "(-x)^{3}"),
    (Pow(Integer(-2), X), "(-2)^x", "(-2)^{x}"),
    (Pow(X, Pow(b, c)), "x^(b^c)", "x^{b^{c}}"),
    (Pow(Pow(X, b), c), "(x^b)^c", "(x^{b})^{c}"),
    (X ** Rational(3, 2), "x^(3/2)", r"x^{\frac{3}{2}}"),
    (1 / sympy.sqrt(X + 1), "1/√(1 + x)", r"\frac{1}{\sqrt{1 + x}}"),
    (sympy.sin(X) ** 2, "sin^2(x)", r"\sin^{2}(x)"),
    (sympy.sin(X**2), "sin(x^2)", r"\sin(x^{2})"),
    (abs(X - YHAT) ** b, "(|x - ŷ|)^b", r"(\left|x - \hat{y}\right|)^{b}"),
    (Product(X, Rational(1, 2), b), "x·1/2·b", r"x\,\frac{1}{2}\,b"),
    (Product(Integer(2), Integer(3), X), "2·3·x", r"2 \cdot 3\,x"),
    (Product(Integer(2), Integer(-3), X), "2·(-3)·x", r"2 \cdot (-3)\,x"),
    (Product(X, Integer(-3)), "x·(-3)", r"x \cdot (-3)"),
    (Product(Integer(2), Terms(X, b)), "2·(x + b)", r"2\,(x + b)"),
    (a.at(SAMPLE, 1) ** 2, "(a_11^(s))^2", "(a_{11}^{(s)})^{2}"),
    (Partial(YHAT, X, U), "(∂ŷ/∂x)_u", r"\left.\frac{\partial \hat{y}}{\partial x}\right|_{u}"),
    (
        Product(Product(Integer(-2), Sigma(h.at(i), (i, 1, 3))), h.at(i)),
        "-2·(Σ_{i=1..3} h_1i)·h_1i",
        r"-2\,\left(\sum_{i=1}^{3} h_{1i}\right)\,h_{1i}",
    ),
    (
        Sigma(Terms(h.at(i), X), (i, 1, 3)),
        "Σ_{i=1..3} (h_1i + x)",
        r"\sum_{i=1}^{3} (h_{1i} + x)",
    ),
    (
        Piecewise((X, X > 0), (0, True)) * b,
        "b·({x if x > 0; 0 otherwise})",
        r"b\,\left(\begin{cases} x & \text{if } x > 0 \\ 0 & \text{otherwise} \end{cases}\right)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("expr", "text", "latex"), WRITTEN, ids=[row[1] for row in WRITTEN])
def test_each_precedence_is_written_as_one_writes_it(expr, text, latex):
    """The cases by hand: signs, fractions, powers, products of sums, Σ in the middle."""
    assert Text().write(expr) == text
    assert Latex().write(expr) == latex


def test_a_number_with_a_power_of_ten_is_no_base():
    """1.5 · 10⁻³ squared has parentheses in both dialects."""
    assert Latex(numbers={X: r"1.5 \cdot 10^{-3}"}).write(X**2) == r"(1.5 \cdot 10^{-3})^{2}"
    assert Text(numbers={X: "1.5e-3"}).write(X**2) == "(1.5e-3)^2"
    negative = Latex(numbers={X: r"-1.5 \cdot 10^{-3}"})
    assert negative.write(Product(Integer(2), X)) == r"2 \cdot (-1.5 \cdot 10^{-3})"


def test_no_number_goes_into_a_derivative_s_name():
    """∂ŷ/∂x stays itself where x has a number, and becomes a number as a whole."""
    assert Text(numbers={X: "2"}).write(Product(X, Partial(YHAT, X))) == "2 · ∂ŷ/∂x"
    assert Text(numbers={Partial(YHAT, X): "-3"}).write(X * Partial(YHAT, X)) == "(-3)·x"


def test_a_node_that_is_not_known_is_refused():
    """Nothing is printed by chance."""
    for writer in (Text(), Latex()):
        with pytest.raises(TypeError, match="no way to write Integral"):
            writer.write(sympy.Integral(X, X))


@pytest.mark.parametrize(
    ("name", "text", "latex"),
    [
        ("w_212", "w_212", "w_{212}"),
        ("w_2,11,3", "w_2,11,3", "w_{2,11,3}"),
        ("A1", "A_1", "A_{1}"),
        ("alpha", "alpha", r"\alpha"),
        ("α_2", "α_2", r"\alpha_{2}"),
        ("Δ", "Δ", r"\Delta"),
        ("ο", "ο", "o"),
        ("ως_1", "ως_1", r"\mathrm{\omega{}\varsigma{}}_{1}"),
        ("yhat", "ŷ", r"\hat{y}"),
        ("speed", "speed", r"\mathrm{speed}"),
        ("my_name", "my_name", r"\mathrm{my\_name}"),
    ],
)
def test_each_kind_of_name(name, text, latex):
    """Letters with indices, Greek, hats, words."""
    assert Text().write(Symbol(name)) == text
    assert Latex().write(Symbol(name)) == latex
    assert katex_errors([latex]) == []


def test_every_function_has_a_name_that_can_be_set():
    """Each row of the catalogue named, alone and of one sample, and none two names."""
    z = h.at(i)
    spelled = {name: Latex().write(sympy.Function(name)(z)) for name in ACTIVATIONS}
    assert katex_errors(spelled.values()) == []
    assert len(set(spelled.values())) == len(spelled)
    assert spelled["softmax"] == r"\operatorname{softmax}(h_{1})_{i}"


def test_names_are_taken_apart_once():
    """Split at the indices, and only there."""
    assert split_name("w_2,11,3") == ("w", "2,11,3")
    assert split_name("y") == ("y", "")
    assert split_name("a_b") == ("a_b", "")


# ------------------------------------------------------------------- the readers can say no


@pytest.mark.parametrize(
    ("text", "latex"),
    [("2·-x", r"2\,-x"), ("2 x", "2 x"), ("x^2^3", "x^{2}^{3}"), ("(x", "(x"), ("x)", "x)")],
)
def test_the_readers_refuse_what_breaks_the_rules(text, latex):
    """A factor with a sign, a missing mark, two exponents, one parenthesis."""
    names = {"x": lambda _: mp.mpf(3)}
    with pytest.raises(Unreadable):
        text_value(text, names)
    with pytest.raises(Unreadable):
        latex_value(latex, names)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("2·(x + 1)", "2·x + 1"),
        ("(-x)^2", "-x^2"),
        ("1/(2·x)", "1/2·x"),
        ("x - (1 - x)", "x - 1 - x"),
    ],
)
def test_a_lost_parenthesis_changes_what_is_read(right, wrong):
    """The readers feel every parenthesis."""
    names = {"x": lambda _: mp.mpf(3)}
    assert text_value(right, names) != text_value(wrong, names)
