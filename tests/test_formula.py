"""The safe reader of formulas: what it reads, what it refuses, and that nothing blows up."""

import contextlib
import itertools
import pickle
import time
from collections.abc import Callable
from fractions import Fraction

import mpmath
import pytest
import sympy as sp
from hypothesis import assume, example, given, reject
from hypothesis import strategies as st

from symback.language import reading
from symback.language.algebra import to_sympy
from symback.language.errors import FormulaError, SymbackError, did_you_mean, nearest, printable
from symback.language.expressions import Call, Named, Node, Number, applied, negative, operation
from symback.language.reading import Stage, is_name, read, stages, to_text

SYMBOLS = {name: sp.Symbol(name, real=True) for name in ("x", "y", "z")}
x, y, z = SYMBOLS.values()


def converted(text: str) -> sp.Expr:
    return to_sympy(read(text, names=SYMBOLS), SYMBOLS)


def refusal(text: str, **options) -> str:
    with pytest.raises(FormulaError) as caught:
        read(text, **({"names": None} | options))
    return caught.value.message


# --- Reading --------------------------------------------------------------------------------

READ_AS = [  # what is typed, and the same formula with every bracket
    ("-x**2", "-(x**2)"),
    ("2**-x", "2**(-x)"),
    ("x**y**z", "x**(y**z)"),
    ("x^y", "x**y"),
    ("-2*z", "(-2)*z"),
    ("2*-z", "2*(-z)"),
    ("x - y - z", "(x - y) - z"),
    ("x/y/z", "(x/y)/z"),
    ("x/y*z", "(x/y)*z"),
    ("x - y*z + 1", "(x - (y*z)) + 1"),
    ("--x", "-(-x)"),
    ("+x", "x"),
    ("[x + 1]*(y)", "(x + 1)*y"),
    ("sin[x]", "sin(x)"),
    ("x − y·z×2⋅x∗y", "x - y*z*2*x*y"),
    ("where(x ≤ 1, 2, 3)", "where(x <= 1, 2, 3)"),
    ("where(x ≥ 1, 2, 3)", "where(x >= 1, 2, 3)"),
    ("ln(x)", "log(x)"),
    ("arcsin(x) + arccos(x) + arctan(x)", "asin(x) + acos(x) + atan(x)"),
    ("2*π", "2*pi"),
    ("𝜃 + ϑ + µ", "θ + θ + μ"),
    ("𝑥*Ω", "x*Ω"),
    (" x\n\t+\u00a0y ", "x+y"),
]


@pytest.mark.parametrize(("typed", "meant"), READ_AS, ids=[row[0] for row in READ_AS])
def test_a_formula_is_read_as_python_and_mathematics_agree_to_read_it(typed, meant):
    """Precedence, direction, spellings and brackets: two texts, one tree."""
    assert read(typed, names=None) == read(meant, names=None)


def number(text: str) -> Number:
    decimals = max(len(text.lower().partition("e")[0].partition(".")[2]), 0)
    exponent = int(text.lower().partition("e")[2] or 0)
    return Number(Fraction(text), max(decimals - exponent, 0) or None, text=text)


def test_the_tree_is_that_of_all_formulas():
    """Numbers stay as written, names are names, sums and products are flat as they are typed."""
    assert read("exp(-0.10*x)", names={"x"}) == Call("exp", (negative(number("0.10"), Named("x")),))
    assert read("-0.10*x", names={"x"}).factors[1].text == "0.10"


def test_a_node_is_one_operation_and_its_operands():
    """What `applied` puts together, `operation` takes apart, sums and products from the left."""
    a, b, c = map(Named, "abc")
    assert operation(read("a - b - c", names=None)) == ("-", (applied("-", a, b), c))
    assert operation(read("-a*b*c", names=None)) == ("*", (negative(a, b), c))
    assert operation(read("-(a*b)", names=None)) == ("neg", (applied("*", a, b),))
    assert operation(read("where(a < b, b, c)", names=None))[1] == (applied("<", a, b), b, c)
    assert operation(a) == ("", ())


def test_columns_take_no_part_in_equality():
    """Equal subexpressions at different places compare and hash equal; each knows its place."""
    tree = read("sin(x) + sin(x)", names=None)
    first, second = tree.terms
    assert first == second
    assert hash(first) == hash(second)
    assert (first.column, second.column) == (1, 10)


@pytest.mark.parametrize("number", ["0", "7", "007", "1.5", ".5", "5.", "1e-3", "2E+10", "9" * 40])
def test_a_number_is_exactly_what_is_written(number):
    """No literal passes through a float."""
    assert to_sympy(read(number, names=()), {}) == sp.Rational(number)


def test_names_come_in_order_of_first_appearance():
    """Constants are not free names; each free name is listed once."""
    assert reading.names(read("w*x + exp(e*pi)*w + b_1", names=None)) == ("w", "x", "b_1")


def test_the_callers_functions_take_one_argument():
    """What the catalogue hands in is callable, and nothing else is."""
    tree = read("x*sigmoid(y)", names={"x", "y"}, functions=["sigmoid"])
    assert tree == applied("*", Named("x"), Call("sigmoid", (Named("y"),)))
    given = refusal("sigmoid(x, y)", functions=["sigmoid"])
    assert given == "formula, column 1: sigmoid takes 1 argument, not 2"


@pytest.mark.parametrize(
    ("text", "answer"),
    [("w_1", True), ("θ", True), ("x2", True), ("", False), ("2x", False), ("_x", False)]
    + [(word, False) for word in ("e", "pi", "π", "exp", "ln", "where", "x y", "x.y", "ŷ")],
)
def test_is_name_tells_what_a_quantity_may_be_called(text, answer):
    """A name that `read` could not give back is no name: constants, functions, other characters."""
    assert is_name(text) is answer


# --- Refusing -------------------------------------------------------------------------------

KNOWN = {"names": {"w", "x", "yhat", "theta"}, "functions": ["relu", "sigmoid"]}
REFUSED = [
    # an implied product is refused with the product that is meant
    ("2x", 2, '"x" follows "2" with nothing between them; for a product write 2*x'),
    ("2(x+1)", 2, '"(" follows "2" with nothing between them; for a product write 2*(x+1)'),
    ("(x)(w)", 4, '"(" follows ")" with nothing between them; for a product write (x)*(w)'),
    ("x w", 3, '"w" follows "x" with nothing between them; for a product write x*w'),
    ("1 + exp(x)exp(w)", 11, ('"exp" follows ")" with nothing between them; '
     "for a product write exp(x)*exp(w)")),
    ("x(1-x)", 1, '"x" is not a function; for a product write x*(1-x)'),
    ("e(x)", 1, '"e" is not a function; for a product write e*(x)'),
    ("wx", 1, 'unknown name "wx"; for a product write w*x. Known: theta, w, x, yhat.'),
    # words
    ("w*yhatt", 3, 'unknown name "yhatt"; did you mean "yhat"? Known: theta, w, x, yhat.'),
    ("X", 1, 'unknown name "X"; did you mean "x"? Known: theta, w, x, yhat.'),
    ("θ", 1, 'unknown name "θ"; did you mean "theta"? Known: theta, w, x, yhat.'),
    ("speed", 1, 'unknown name "speed". Known: theta, w, x, yhat.'),
    ("sigmiod(x)", 1, ('unknown function "sigmiod"; did you mean "sigmoid"? Known: abs, acos, '
     "asin, atan, cos, cosh, erf, exp, log, max, min, relu, sigmoid, sign, sin, sinh, sqrt, "
     "tan, tanh, where.")),
    ("sin", 1, '"sin" is a function; write sin(…)'),
    ("relu*x", 1, '"relu" is a function; write relu(…)'),
    # arguments
    ("sin()", 5, 'expected a number, a name or a bracket here, not ")"'),
    ("log(x, 2)", 1, "log takes 1 argument, not 2; it is the natural one"),
    ("max(x)", 1, "max takes 2 to 16 arguments, not 1"),
    ("where(x < 1, 2)", 1, "where takes 3 arguments, not 2: where(x < 0, a, b)"),
    ("where(x, 1, 2)", 8, "where(…) begins with a comparison such as x < 0"),
    ("where(x < w < 1, 1, 2)", 13, "compare two values at a time; nest where(…) for more"),
    ("x < 1", 3, "compare inside where(condition, a, b) only"),
    ("max(x < 1, 2)", 7, "compare inside where(condition, a, b) only"),
    ("1,5", 2, ('unexpected ","; a decimal point is written ., '
     "and only a function has several arguments")),
    # brackets and signs
    ("", 1, "the formula is empty; write one such as w*x"),
    ("  ", 3, "the formula is empty; write one such as w*x"),
    ("(x", 1, 'this "(" is never closed'),
    ("x)", 2, 'this ")" closes nothing'),
    ("(x]", 3, 'expected ")" for the "(" of column 1, not "]"'),
    ("x +", 4, "expected a number, a name or a bracket here, but the formula ends"),
    ("* x", 1, 'expected a number, a name or a bracket here, not "*"'),
    ("x = 1", 3, ('"=" has no meaning here; a formula has no equals sign; '
     "conditions are < <= > >= inside where(…)")),
    ("x²", 2, '"²" has no meaning here; write **2'),
    ("|x|", 1, '"|" has no meaning here; write abs(…)'),
    ("{x}", 1, '"{" has no meaning here; use round brackets'),
    ("x!", 2, '"!" has no meaning here; there is no factorial'),
    ("ŷ - x", 1, '"ŷ" has no meaning here; write yhat'),
    ("x\x1b[31m", 2, r'"\x1b" has no meaning here'),
    ("x.__class__", 2, ('"." has no meaning here; a decimal point needs digits beside it, '
     "and a formula has no attributes")),
    ("_x", 1, '"_" has no meaning here; a name begins with a letter'),
    # budgets
    ("9" * 41, 1, 'the number "9999999999999999999…" has more than 40 digits'),
    ("1e999999", 1, 'the number "1e999999" is outside 1e-300 to 1e300'),
    ("1e-301", 1, 'the number "1e-301" is outside 1e-300 to 1e300'),
    ("x**65", 2, "an exponent is at most 64 in size"),
    ("x**-65", 2, "an exponent is at most 64 in size"),
    ("x**(8*9)", 2, "an exponent is at most 64 in size"),
    ("9**9**9**9", 5, "an exponent is at most 64 in size"),
    ("(9**64)**64", 8, "this power of a number has hundreds of digits"),
    ("(" * 61 + "x" + ")" * 61, 62, "nested more than 60 deep; name some parts"),
    ("x" + "+x" * 150, 301, ("more than 150 operations on top of each other; "
     "split the formula into equations")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "column", "message"), REFUSED, ids=[r[0][:20] for r in REFUSED])
def test_what_is_refused_is_refused_with_place_and_advice(text, column, message):
    """One message: where, what was found, and what to write instead."""
    with pytest.raises(FormulaError) as caught:
        read(text, **KNOWN)
    found = caught.value.message.removeprefix("formula, column ")
    if "nested" in message or "on top" in message:
        assert found.endswith(message)
    else:
        assert (caught.value.column, found) == (column, f"{column}: {message}")


def test_a_message_begins_with_the_place_that_the_caller_names():
    """File, table and key come from the caller."""
    where = "net.toml: [equations] yhat"
    assert refusal("w x", where=where).startswith(f"{where}, column 3: ")
    assert refusal(3, where=where) == f'{where}: a formula is text in quotes such as "w*x", not int'


def test_a_name_is_not_given_away_twice():
    """Whoever calls a quantity e would read Euler's number: say so instead."""
    message = 'formula: "e" is Euler\'s number and cannot name a quantity; rename it'
    assert refusal("e*x", names={"e", "x"}) == message


def test_any_name_is_allowed_where_names_is_none():
    """Then a call of an unknown word is a misspelt function if one is near, else a product."""
    assert read("anything", names=None) == Named("anything")
    assert refusal("k(x+1)").endswith('"k" is not a function; for a product write k*(x+1)')
    assert 'did you mean "sqrt"?' in refusal("sqr(x)")


# --- Bombs ----------------------------------------------------------------------------------

BOMBS = {
    "open brackets": "(" * 10_000,
    "brackets": "(" * 1_900 + "x" + ")" * 1_900,
    "a megabyte": "x+" * 500_000 + "x",
    "signs": "-" * 3_000 + "x",
    "tower": "9**" * 1_500 + "9",
    "symbolic tower": "x**" * 1_500 + "x",
    "calls": "sin(" * 1_000 + "x" + ")" * 1_000,
    "exponentials": "e**(" * 300 + "x" + ")" * 300,
    "sum": "x" + "+x" * 1_900,
    "alternating sum": "x" + "+x-x*x/x" * 450,
    "digits": "9" * 9_999,
    "exponent": "1e" + "9" * 9_000,
    "commas": "max(" + "x," * 1_900 + "x)",
    "spaces": " " * 9_999,
    "long word": "a" * 9_999,
    "products": "1x" * 2_000,
    "conditions": "where(x<1,1," * 250 + "x" + ")" * 250,
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_no_text_keeps_the_reader_busy(text):
    """Refused in a fraction of a second, by FormulaError: never RecursionError, never a hang."""
    began = time.process_time()
    refusal(text, names={"x"})
    assert time.process_time() - began < 1


def nested(*layers: str, leaf: str = "x") -> str:
    """Nest layers such as "sin({})", in turn, as deep as the reader goes."""
    text = leaf
    for layer in itertools.cycle(layers):
        deeper = layer.replace("{}", text)
        try:
            read(deeper, names=SYMBOLS)
        except FormulaError:
            return text
        text = deeper
    raise AssertionError


SLOW = {  # each took minutes, all memory, or an exception of another kind, without its guard
    "a huge coefficient": ("((9*x)**64)**64", "hundreds of digits"),
    "growing coefficients": ("(((9*x)**64)**64)**64", "hundreds of digits"),
    "a long product": ("1e300*1e300*x", "hundreds of digits"),
    "an exponent hidden in a sum": ("2**x*2**(1e9 - x)", "hundreds of digits"),
    "a power through a logarithm": ("exp(x + 1e9*log(2))", "hundreds of digits"),
    "a power that cancels": ("exp(1e9*x)**(log(2)/x)", "hundreds of digits"),
    "a tower of constants": ("max(exp(exp(1e300)), 2)", "larger than 1e308"),
    "a tower of cancelled constants": ("exp(exp(1e300 + x - x))", "larger than 1e308"),
    "cases that become constants": (nested("exp({})", "max({},y)", leaf="2"), "larger than 1e308"),
    "doubling cases": (nested("max(2*{},y)"), "too l(arge|ong)"),
    "quadrupling cases": (nested("({})**2", "max({},y)"), "too l(arge|ong)"),
    "assumptions": (nested("tanh({})", "sqrt({})"), "takes SymPy too long"),
    "nested constants": (nested("tan({}/3)", leaf="2"), "takes SymPy too long"),
    "a slip of SymPy's cache": ("asin(sin(1e300))", "not a real number"),
    "many values": ("max(" + ",".join(f"max({c}, {c}*y)" for c in "abcdfghij") + ")",
                    "compares more than 16 values"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), SLOW.values(), ids=SLOW)
def test_no_formula_keeps_sympy_busy(text, message):
    """What SymPy would compute for minutes is refused in seconds, with advice, however often."""
    tree = read(text, names=None)
    symbols = {name: sp.Symbol(name, real=True) for name in reading.names(tree)}
    for _ in range(2):  # what SymPy keeps in its cache lets nobody get further
        began = time.process_time()
        with pytest.raises(FormulaError, match=message):
            to_sympy(tree, symbols)
        assert time.process_time() - began < 8  # under coverage; a tenth of it without


@pytest.mark.parametrize(
    "layer",
    ["sin({})", "1/(1+{})", "sqrt(x+{})", "where(x<1,2,{})", "max(0,{})", "-({})", "x**({})"],
)
def test_sixty_levels_are_read_printed_and_taken_apart(layer):
    """What the reader accepts, every walk accepts: no RecursionError further on."""
    tree = read(nested(layer), names=SYMBOLS)
    assert read(to_text(tree), names=SYMBOLS) == tree
    assert composed(stages(tree, last="value")) == tree
    assert repr(tree)
    pickle.loads(pickle.dumps(tree))


PIECES = "x y θ 2 0.5 1e9 9**9 e pi + - * / ** ^ ( ) [ ] , < >= sin exp log max where = . ²".split()


@example("where(x<1,2,3")
@example("\ud800")
@given(st.text(max_size=60) | st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_random_text_raises_nothing_but_a_formula_error(text):
    """Any text is read or refused; what is read converts or is refused."""
    try:
        tree = read(text, names=None)
        to_sympy(tree, {name: sp.Symbol(name, real=True) for name in reading.names(tree)})
    except FormulaError as error:
        message = error.message
    else:
        message = to_text(tree)
        assert read(message, names=None) == tree
    assert message.isprintable()


# --- Trees at random ------------------------------------------------------------------------

ATOMS = st.sampled_from([*map(number, ["0", "1", "2", "0.5", "1e-2", "10"]), *map(Named, "xyze")])
ONE = ["exp", "log", "sqrt", "abs", "sign", "sin", "cos", "tan", "asin", "acos", "atan", "sinh"]
ONE += ["cosh", "tanh", "erf", "neg"]


def grown(part: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    def made(heads: list[str], count: int, argument: st.SearchStrategy[Node] = part):
        parts = st.tuples(*[argument] * count)
        return st.builds(lambda head, nodes: applied(head, *nodes), st.sampled_from(heads), parts)

    condition = made(["<", "<=", ">", ">="], 2)
    return st.one_of(
        made(ONE, 1),
        made(["+", "-", "*", "/", "max", "min"], 2),
        made(["max", "min"], 3),
        st.builds(applied, st.just("**"), part, ATOMS | made(["neg"], 1, ATOMS)),
        st.builds(applied, st.just("where"), condition, part, part),
    )


def is_within_budget(tree: Node) -> bool:
    try:
        return bool(read(to_text(tree), names=SYMBOLS))
    except FormulaError as error:
        return "hundreds of digits" not in error.message  # ((10**10)**10)**10


TREES = st.recursive(ATOMS, grown, max_leaves=12).filter(is_within_budget)


@given(TREES)
def test_what_is_printed_is_read_as_the_same_tree(tree):
    """read(to_text(tree)) == tree, whatever the tree."""
    assert read(to_text(tree), names=SYMBOLS) == tree


@given(TREES)
def test_no_bracket_that_is_printed_could_be_missing(tree):
    """Without any one pair of brackets it is another formula, but for those around a sign."""
    text = to_text(tree)
    for first, last in bracket_pairs(text):
        inner, before = text[first + 1 : last], text[:first]
        called = before and (before[-1].isalpha() or before[-1] == "_")
        if called or inner.startswith("-"):
            continue
        shorter = before + inner + text[last + 1 :]
        with contextlib.suppress(FormulaError):
            assert read(shorter, names=SYMBOLS) != tree


def bracket_pairs(text: str) -> list[tuple[int, int]]:
    opened, pairs = [], []
    for place, character in enumerate(text):
        if character == "(":
            opened.append(place)
        elif character == ")":
            pairs.append((opened.pop(), place))
    return pairs


# --- Values ---------------------------------------------------------------------------------

OPERATIONS: dict[str, Callable] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "neg": lambda a: -a,
    "**": mpmath.power,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "where": lambda condition, a, b: a if condition else b,
    "abs": abs,
    "max": max,
    "min": min,
} | {name: getattr(mpmath, name) for name in ONE if hasattr(mpmath, name)}
KINKED = {"<", "<=", ">", ">=", "sign", "max", "min"}


def value(tree: Node, given: dict[str, mpmath.mpf]) -> mpmath.mpf:
    """Walk the tree with fifty digits; only real, moderate values well away from jumps count."""
    if isinstance(tree, Number):
        return mpmath.mpf(tree.text)
    if isinstance(tree, Named):
        return {"e": +mpmath.e, "pi": +mpmath.pi}.get(tree.name) or given[tree.name]
    head, operands = operation(tree)
    parts = [value(part, given) for part in operands]
    if head in KINKED:
        others = [*parts[1:], 0] if head == "sign" else parts[1:]
        assume(all(a == b or abs(a - b) > 1e-9 for a in parts for b in others))
    try:
        result = OPERATIONS[head](*parts)
    except (ZeroDivisionError, ValueError, OverflowError):
        result = mpmath.nan
    if not isinstance(result, bool):
        real = isinstance(result, mpmath.mpf) and mpmath.isfinite(result)
        assume(real and (result == 0 or 1e-12 < abs(result) < 1e12))
    return result


def agree(expression: sp.Expr, expected: mpmath.mpf, given: dict[str, mpmath.mpf]) -> bool:
    exact = {SYMBOLS[name]: sp.Rational(str(number)) for name, number in given.items()}
    try:
        found = mpmath.mpf(str(sp.N(expression.xreplace(exact), 30)))
    except TypeError:  # the condition of a case that is not taken compares sqrt(-1)
        return reject()
    return bool(abs(found - expected) <= 1e-20 * max(1, abs(expected)))


POINTS = st.fixed_dictionaries(
    {name: st.sampled_from(["-2.5", "-0.75", "0.3", "0.9", "1.7"]) for name in SYMBOLS}
)


@given(TREES, POINTS)
def test_sympy_agrees_with_a_walk_over_the_tree(tree, point):
    """to_sympy means what the operations mean, to twenty digits, wherever they are real."""
    with mpmath.workdps(50):
        given = {name: mpmath.mpf(number) for name, number in point.items()}
        expected = value(tree, given)
        try:
            expression = to_sympy(tree, SYMBOLS)
        except FormulaError:
            return
        assert agree(expression, expected, point)


@given(TREES)
def test_stages_put_together_are_the_formula(tree):
    """Each stage uses earlier ones only, and substituting them back gives the very same tree."""
    apart = stages(tree, last="value")
    assert composed(apart) == tree
    assert apart[-1].name == "value"
    assert [s.name for s in apart[:-1]] == [f"A{k}" for k in range(1, len(apart))]
    assert len({s.node for s in apart}) == len(apart)


def composed(apart: tuple[Stage, ...]) -> Node:
    known: dict[str, Node] = {}
    for stage in apart:
        known[stage.name] = put_back(stage.node, known)
    return known[apart[-1].name]


def put_back(tree: Node, known: dict[str, Node]) -> Node:
    if isinstance(tree, Named):
        return known.get(tree.name, tree)
    head, operands = operation(tree)
    return applied(head, *(put_back(part, known) for part in operands)) if operands else tree


CONVERTED = [
    ("0.1", sp.Rational(1, 10)),
    ("1/3", sp.Rational(1, 3)),
    ("1e-3*x", x / 1000),
    ("x**0.5", sp.sqrt(x)),
    ("x**(1/2)", sp.sqrt(x)),
    ("x**y", x**y),
    ("2**x", 2**x),
    ("e**x", sp.exp(x)),
    ("z/(1+exp(-2*z))", z / (1 + sp.exp(-2 * z))),
    ("abs(x)", sp.Abs(x)),
    ("max(0, z)", sp.Piecewise((z, z > 0), (0, True))),
    ("max(z, 0)", sp.Piecewise((z, z > 0), (0, True))),
    ("min(1, z)", sp.Piecewise((z, z < 1), (1, True))),
    ("max(x, y)", sp.Piecewise((x, x > y), (y, True))),
    ("max(x, 1, y, 3)", sp.Piecewise((x, (x > 3) & (x > y)), (y, y > 3), (3, True))),
    ("max(x, max(0, x))", sp.Piecewise((x, x > 0), (0, True))),
    ("min(1, max(0, z))", sp.Piecewise((z, (z > 0) & (z < 1)), (1, z > 0), (0, True))),
    ("where(x < 0, 0, where(x < 1, x, 1))", sp.Piecewise((0, x < 0), (x, x < 1), (1, True))),
    ("where(max(0, x) < 1, y, z)", sp.Piecewise((y, (x > 0) & (x < 1)), (z, x > 0), (y, True))),
    ("sign(x)", sp.Piecewise((1, x > 0), (-1, x < 0), (0, True))),
]


@pytest.mark.parametrize(("text", "expected"), CONVERTED, ids=[row[0] for row in CONVERTED])
def test_conversion_is_exact_and_flat(text, expected):
    """Rationals as written; cases without a condition that holds cases; constants win ties."""
    assert converted(text) == expected


@pytest.mark.parametrize("text", ["max(0, z)", "min(0, z)", "max(z, 0)", "sign(z)", "abs(z)"])
def test_at_its_kink_a_function_has_slope_zero(text):
    """SymPy's Max has slope ½ there, and its sign a DiracDelta."""
    assert sp.diff(converted(text), z).subs(z, 0) == 0


def test_the_absolute_value_of_what_may_not_be_real_has_a_real_slope():
    """SymPy's slope of Abs(log(x)) is made of re and im."""
    slope = sp.diff(converted("abs(log(x))"), x)
    assert slope == sp.Piecewise((1 / x, sp.log(x) > 0), (-1 / x, sp.log(x) < 0), (0, True))


UNDEFINED = {
    "no finite value": ["1/0", "x/0", "x/(1-1)", "1/(x-x)", "log(0)", "0**-1", "tan(pi/2)"],
    "not a real number": ["sqrt(-1)", "asin(2)", "log(-2)", "(-8)**(1/3)", "x*acos(-3)"],
    "larger than 1e308": ["exp(1e3)", "x + exp(exp(10))"],
}


@pytest.mark.parametrize(
    ("text", "message"), [(text, m) for m, texts in UNDEFINED.items() for text in texts]
)
def test_a_constant_that_is_no_finite_real_number_is_refused(text, message):
    """Found when the file is read, not when a number turns out to be nan."""
    with pytest.raises(FormulaError, match=message):
        converted(text)


def test_the_smallest_part_to_blame_is_named():
    """The message shows the part, and the error knows its column."""
    with pytest.raises(FormulaError) as caught:
        to_sympy(read("x + 2*log(0)", names={"x"}), SYMBOLS, where="net.toml: L")
    message = 'net.toml: L: "log(0)" has no finite value; look for a division by zero or log(0)'
    assert (caught.value.message, caught.value.column) == (message, 7)


def test_to_sympy_wants_every_name_and_function():
    """A missing symbol or function is named, with the nearest that is there."""
    with pytest.raises(
        FormulaError, match=r'unknown name "xx"; did you mean "x"\? Known: e, pi, x'
    ):
        to_sympy(Named("xx"), {"x": x})
    with pytest.raises(FormulaError, match=r'unknown function "relo"; did you mean "relu"\?'):
        to_sympy(Call("relo", (Named("x"),)), SYMBOLS, {"relu": sp.Function("relu")})
    swish = sp.Function("swish")
    assert to_sympy(Call("swish", (Named("x"),)), SYMBOLS, {"swish": swish}) == swish(x)


def test_no_profiler_is_left_behind():
    """The budget counts seconds; no profiler is used, and one that runs stays."""
    import sys

    before = sys.getprofile()
    converted("sin(x)")
    with pytest.raises(FormulaError):
        converted(SLOW["assumptions"][0])
    assert sys.getprofile() is before


# --- Stages ---------------------------------------------------------------------------------

APART = {
    "1/(1 + exp(-x))": "A1 = -x; A2 = exp(A1); A3 = 1 + A2; y = 1/A3",
    "sin(cos(tan(exp(log(x**2)))))": "A1 = x**2; A2 = log(A1); A3 = exp(A2); A4 = tan(A3); "
    "A5 = cos(A4); y = sin(A5)",
    "z/(1+exp(-2*z))": "A1 = -2*z; A2 = exp(A1); A3 = 1 + A2; y = z/A3",
    # one operation is one stage
    "x": "y = x",
    "2*3": "y = 2*3",
    "2*x": "y = 2*x",
    "x/2": "y = x/2",
    "x**2": "y = x**2",
    "w*x": "y = w*x",
    "1 - x": "y = 1 - x",
    "max(0, x)": "y = max(0, x)",
    "where(x < 0, w, x)": "y = where(x < 0, w, x)",
    # flat sums and products of names, a sign included
    "a + b - c": "y = a + b - c",
    "2*a*b/3": "y = 2*a*b/3",
    "-a*b": "y = -a*b",
    "-(a*b)": "y = -(a*b)",
    "sin(x) + cos(x) + c": "A1 = sin(x); A2 = cos(x); y = A1 + A2 + c",
    "a - (b - c)": "A1 = b - c; y = a - A1",
    "a/b/c": "A1 = a/b; y = A1/c",
    # constants stay inside
    "exp(2*3)*x": "y = exp(2*3)*x",
    "erf(x/sqrt(2))": "A1 = x/sqrt(2); y = erf(A1)",
    # a sign, a power, an affine map: one operation each
    "exp(-x**2)": "A1 = x**2; A2 = -A1; y = exp(A2)",
    "(2*x + 1)**3": "A1 = 2*x; A2 = A1 + 1; y = A2**3",
    "2**-x": "A1 = -x; y = 2**A1",
    # common parts are one stage
    "exp(x)/(exp(x) + exp(-x))": "A1 = exp(x); A2 = -x; A3 = exp(A2); A4 = A1 + A3; y = A1/A4",
    "x*x*sin(x*x)": "A1 = x*x; A2 = sin(A1); y = A1*A2",
    "(a + b)*c + exp(a + b)": "A1 = a + b; A2 = A1*c; A3 = exp(A1); y = A2 + A3",
    "where(exp(x) < 1, exp(x), 2*x)": "A1 = exp(x); A2 = 2*x; y = where(A1 < 1, A1, A2)",
    # names that are taken
    "A1 + sin(2*A1)": "B1 = 2*A1; B2 = sin(B1); y = A1 + B2",
    "A7 + sin(2*B2)": "C1 = 2*B2; C2 = sin(C1); y = A7 + C2",
}


@pytest.mark.parametrize(("text", "expected"), APART.items(), ids=APART)
def test_a_formula_is_taken_apart_as_at_the_board(text, expected):
    """One elementary operation a stage, in order of evaluation (S2)."""
    apart = stages(read(text, names=None), last="y")
    assert "; ".join(f"{stage.name} = {to_text(stage.node)}" for stage in apart) == expected


def test_stage_names_keep_away_from_every_name_in_use():
    """The caller's prefix is tried first, then letters, then underscores."""
    tree = read("sin(cos(x))", names=None)
    first = lambda **options: stages(tree, last="y", **options)[0].name  # noqa: E731
    assert first(prefix="u") == "u1"
    assert first(taken={"A1", "B12", "C"}) == "C1"
    assert first(taken={f"{c}1" for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}) == "A_1"
    with pytest.raises(FormulaError, match='"x" is defined by a formula that uses it'):
        stages(tree, last="x")


# --- Errors ---------------------------------------------------------------------------------


def test_an_error_carries_its_message_and_place():
    """One base class, a message, and a column that survives a worker process."""
    error = FormulaError("a message", 3)
    assert isinstance(error, SymbackError)
    assert str(error) == error.message == "a message"
    again = pickle.loads(pickle.dumps(error))
    assert (again.message, again.column) == ("a message", 3)
    assert FormulaError("nowhere").column is None


@pytest.mark.parametrize(
    ("word", "known"),
    [("sigmod", "sigmoid"), ("SIGMOID", "sigmoid"), ("cross", "cross_entropy"), ("zzz", None),
     ("a" * 10_000, None), ("", None)],
)  # fmt: skip
def test_the_nearest_word_is_the_one_meant(word, known):
    """Misspelt, in capitals or unfinished; nothing is suggested where nothing is near."""
    assert nearest(word, ["sigmoid", "cross_entropy"]) == known
    assert did_you_mean(word, ["sigmoid", "cross_entropy"]) == (
        "" if known is None else f'; did you mean "{known}"?'
    )


@given(st.text(), st.integers(2, 80))
def test_what_a_message_shows_of_a_users_text_is_harmless(text, limit):
    """Printable, at most as long as asked, and unchanged where it is both already."""
    shown = printable(text, limit)
    assert shown.isprintable()
    assert len(shown) <= limit
    assert shown == text or not text.isprintable() or len(text) > limit
