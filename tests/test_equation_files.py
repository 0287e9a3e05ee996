"""Files of equations in index notation: what they mean, and what is said of wrong ones."""

import itertools
import random
import time
import tomllib
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symback.equations.formulas import Names, read_right
from symback.equations.indices import Affine, Condition, Lookup, Range, letter, number
from symback.equations.places import nonnegative
from symback.equations.reading import from_tables, from_text, is_system
from symback.equations.system import Kind
from symback.equations.terms import Binder, Call, Given, Measure, Plus, Read, Where
from symback.language.errors import SymbackError
from symback.language.tables import SpecError
from systems import FILES, KINDS, SYMBOLIC, drawn, symbolic, system, tables, text

GIVEN = {
    "sizes": {"T": 3, "n": 4, "d": 2},
    "parameters": {"W": ["n", "d"], "U": ["n", "n"], "b": ["n"], "w": ["T"]},
    "inputs": {"x": ["T", "d"], "y": ["T", "n"], "h0": ["n"], "s": []},
}
FIRST = "a[t,i] = sum(j, W[i,j]*x[t,j]) + b[i]\n"
LAST = "L = sum(t, sum(i, a[t,i]**2))\n"
LABELS = "o[t,k] = sum(j, W[k,j]*x[t,j])\n"


def read(lines, **more):
    """The system of some lines over the arrays above."""
    return from_text(lines, **{**GIVEN, **more})


def term(line, **more):
    """The right side of one line, with a loss that has a parameter."""
    found = read(f"{line}\nLOSS = b[1]", **more)
    return next(each for each in found.definitions if each.name != "LOSS").term


def refused(lines, **more):
    """What is said of lines that are refused: one line of printable text."""
    with pytest.raises(SpecError) as caught:
        read(lines, **more)
    message = caught.value.message
    assert message.isprintable()
    assert message.startswith("equations(...)")
    return message


# -------------------------------------------------------------------------------- what is right


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_each_kind_is_read_with_its_numbers(kind):
    """Every file is valid, with numbers in [values] too, and these come back as written."""
    found = from_tables(tomllib.loads(text(kind), parse_float=Decimal), kind)
    assert found.values == drawn(system(kind, None), 0)
    assert found.target == "L"
    assert found.by_name["L"].shape == ()


@pytest.mark.parametrize("kind", SYMBOLIC)
def test_sizes_may_be_letters(kind):
    """The equations are the same, whatever numbers the sizes have."""
    assert symbolic(kind).definitions == system(kind).definitions
    assert set(symbolic(kind).sizes.values()) <= {None}


def test_a_recurrence_is_one_group():
    """The base case first, then the recurrence in the order within one step, then the loss."""
    found = system("rnn")
    assert [[each.name for each in group.definitions] for group in found.groups] == [
        ["h"], ["a", "h"], ["L"],
    ]  # fmt: skip
    base, recurrence, _ = found.groups
    assert (base.is_recurrence, base.definitions[0].is_base) == (False, True)
    assert dict(recurrence.axes) == {"a": 0, "h": 0}
    assert recurrence.forward
    assert found.by_name["h"].shape == (letter("T"), letter("n"))


def test_an_lstm_runs_over_one_index():
    """Six arrays, one recurrence; the gates come before the cell, the cell before the output."""
    group = next(group for group in system("lstm").groups if group.is_recurrence)
    names = [each.name for each in group.definitions]
    assert set(group.axes.values()) == {0}
    assert set(names) == set("ufogch")
    assert names.index("h") > names.index("c") > max(names.index(gate) for gate in "ufg")


def test_a_recurrence_may_run_down():
    """What reads later values is computed from the end."""
    group = next(group for group in system("backwards").groups if group.is_recurrence)
    assert not group.forward


def test_ranges_come_from_the_places():
    """Each letter runs over the size of the places where it stands by itself."""
    found = term("c[t,i] = sum(j, W[i,j]*x[t,j])")
    assert isinstance(found, Binder)
    assert found.range == Range("j", letter("d"))


def test_an_inner_letter_hides_an_outer_one():
    """j of the inner sum runs over n, j of the outer one over d; nothing is mixed up."""
    found = term("c = sum(j, x[1,j]*sum(j, b[j]))")
    assert found.range.upper == letter("d")
    (inner,) = [part for part in found.body.factors if isinstance(part, Binder)]
    assert inner.range == Range("j", letter("n"))
    assert inner.body == Read("b", (letter("j"),))


def test_softmax_keeps_its_letter():
    """softmax(u, …) has u free outside, over the same range."""
    found = term("p[t,i] = softmax(i, y[t,i])")
    assert (found.at, found.range) == (letter("i"), Range("i", letter("n")))
    summed = term("c = sum(i, softmax(i, b[i])*h0[i])")
    inner = summed.body.factors[0]
    assert (inner.at, inner.range) == (letter("i"), Range("i", letter("n")))


def test_conditions():
    """They follow the letter; > and >= are written the other way round; comparisons chain."""
    found = term("c[t] = sum(u if 1 < u <= t and u != 2, w[u])", ranges={"t": "T"})
    u, t = letter("u"), letter("t")
    assert found.conditions == (
        Condition(number(1), "<", u), Condition(u, "<=", t), Condition(u, "!=", number(2)),
    )  # fmt: skip
    assert term("c[t] = mean(u if t >= u, w[u])", ranges={"t": "T"}).conditions == (
        Condition(u, "<=", t),
    )


def test_where_asks_indices_or_values():
    """Between indices it guards what is read; between values it is a choice of numbers."""
    t = letter("t")
    found = term("c[t] = where(t == 1, 0, w[t-1])", ranges={"t": "T"})
    assert found == Given((Condition(t, "!=", number(1)),), Read("w", (t - number(1),)))
    found = term("c[t] = where(t < T and t != 2, w[t], x[t,1])")
    assert isinstance(found, Plus)
    assert [len(part.conditions) for part in found.terms] == [2, 1, 2]
    found = term("c[t] = where(w[t] > 0, w[t], 0)")
    assert isinstance(found, Where)
    assert (found.left, found.relation) == (term("c = 0"), "<")


def test_max_binds_a_letter_or_takes_values():
    """max(j, …) binds; max(0, z) and max(a[i], b[i]) are elementwise."""
    assert isinstance(term("c = max(i, b[i])"), Binder)
    assert term("c[i] = max(0, b[i])").function == "max"
    assert term("c[i] = max(b[i], h0[i])").function == "max"
    assert term("c = max(s, 1)").function == "max"
    assert term("c = max(T, 1)").function == "max"


def test_sizes_are_numbers_and_indices():
    """sqrt(d), 1/T, w[T]."""
    assert term("c = sqrt(d)") == Call("sqrt", (Measure(letter("d")),))
    assert term("c = w[T]") == Read("w", (letter("T"),))


def test_functions_of_the_catalogue_are_called_by_name():
    """sigmoid, gelu and the rest stay one function; ln is log; a user's e is Euler's number."""
    assert term("c = sigmoid(s) + ln(s)").terms == (
        Call("sigmoid", (Read("s"),)), Call("log", (Read("s"),)),
    )  # fmt: skip


def test_the_order_of_the_writer_is_kept():
    """x·2 is not turned into 2·x, and numbers keep their text."""
    found = term("c = s*0.50")
    assert found.factors[0] == Read("s")
    assert found.factors[1].text == "0.50"


def test_indices_that_data_give():
    """E[tok[t],i], and conditions on them."""
    data = {"tok": {"shape": ["T"], "below": "n"}}
    found = term("c[t,j] = W[tok[t],j]", indices=data)
    assert found.indices[0] == Lookup("tok", (letter("t"),))
    found = term("c = sum(t if tok[t] != 1, w[t])", indices=data)
    assert found.conditions[0].left == Lookup("tok", (letter("t"),))
    scalar = {"k": {"shape": [], "below": "n"}}
    assert term("c = b[k]", indices=scalar).indices[0] == Lookup("k", ())


def test_ranges_of_letters_that_stand_in_sums():
    """[ranges], or the binder, says them; a range may begin later."""
    found = term("c[o] = sum(u=1..2, w[o+u-1])", ranges={"o": "T-1"})
    assert found.range == Range("u", number(2))
    assert term("c = sum(t=2..T, w[t-1])").range == Range("t", letter("T"), number(2))


def test_padding_makes_everything_readable():
    """Inputs, parameters and computed arrays alike."""
    found = read("c[t] = w[t]*w[t-5]\nL = sum(t, c[t]*c[t+1])", pad={"w": 0, "c": 0.5})
    assert (found.by_name["w"].pad, found.by_name["c"].pad) == (0, Fraction(1, 2))
    assert found.by_name["b"].pad is None


def test_a_condition_guards():
    """What is excluded is not read, however the condition says so."""
    for line in (
        "c[t] = w[t]*where(t > 1, w[t-1], 0)",
        "c[t] = w[t]*where(t == 1, 0, w[t-1])",
        "c[t] = w[t]*where(1 <= t-1, w[t-1], 0)",
        "c = sum(t if t < T, w[t]*w[t+1])",
        "c = sum(t if t != T, w[t]*w[t+1])",
        "c = sum(t=1..T, sum(u if u < t, w[t-u]*w[u]))",
        "c[t] = sum(u=1..3, where(t+u-2 >= 1, where(t+u-2 <= T, w[t+u-2], 0), 0)*w[t])",
    ):
        term(line)


def test_a_guarded_place_leaves_the_range_to_others():
    """Two arrays one after the other: the range is stated, and each is read where it is."""
    found = read("c[k] = where(k <= n, b[k], w[k-n])\nL = sum(k, c[k]**2)", ranges={"k": "n+T"})
    assert found.by_name["c"].shape == (letter("n") + letter("T"),)


def test_a_number_decides_where_letters_do_not():
    """With sizes as numbers what is inside is inside; as letters it is not known."""
    lines = "c[o] = sum(u=1..2, b[2*o+u-2])\nL = sum(o, c[o])"
    assert read(lines, ranges={"o": "d"})
    sizes = {name: name for name in GIVEN["sizes"]}
    assert "give d and n a number" in refused(lines, ranges={"o": "d"}, sizes=sizes)


def test_base_cases():
    """One for every index that is reached, up or down, at sizes too."""
    found = read(
        "h[0,i] = h0[i]\nh[-1,i] = 0\nh[t,i] = h[t-1,i] + h[t-2,i] + y[t,i]\n"
        "g[T+1] = 0\ng[t] = g[t+1] + w[t]\nL = g[1] + sum(i, h[T,i])"
    )
    assert len(found.defining["h"]) == 3
    assert found.by_name["h"].shape == (letter("T"), letter("n"))
    assert [group.forward for group in found.groups if group.is_recurrence] == [True, False]


def test_a_recurrence_by_condition():
    """Reading all strictly earlier values is a recurrence too."""
    found = read("c[t] = w[t] + sum(u if u < t, c[u])\nL = c[T]")
    assert found.groups[0].is_recurrence


def test_the_python_form_goes_on_inside_brackets():
    """Comments, blank lines, and lines that go on."""
    found = read("# first\n\nc = sum(i,  # over i\n      b[i])\n\nL = c**2\n")
    assert [each.written for each in found.definitions] == ["c = sum(i, b[i])", "L = c**2"]


def test_the_loss_may_be_named():
    """Otherwise it is the last equation."""
    lines = "M = b[1]\nL = M**2"
    assert read(lines).target == "L"
    assert read(lines, loss="M").target == "M"


def test_kinds_and_values():
    """Parameters, inputs and data; numbers are exact."""
    found = from_tables(
        {
            "sizes": {"n": 2, "V": 3},
            "parameters": {"w": ["n"]},
            "indices": {"k": {"shape": ["n"], "below": "V"}},
            "inputs": {"x": ["V"]},
            "equations": {"L": "sum(i, w[i]*x[k[i]])"},
            "values": {"w": [0.1, 2], "k": [3, 1], "learning_rate": 0.5},
            "title": "a title",
            "goals": {"wrt": ["w_1"]},
        },
        "net.toml",
    )
    assert [each.kind for each in found.quantities] == [
        Kind.PARAMETER, Kind.INPUT, Kind.DATA, Kind.COMPUTED,
    ]  # fmt: skip
    assert found.values == {"w": (Fraction(1, 10), Fraction(2)), "k": (3, 1)}
    assert (found.learning_rate, found.title, found.goals) == (Fraction(1, 2), "a title", ("w_1",))


def test_a_scalar_file_is_none_of_these():
    """Files without brackets, sizes and tables of quantities are today's."""
    assert not is_system({"equations": {"L": "w*x"}, "values": {"w": 1}})
    assert not is_system({"network": {}, "sizes": {}})
    assert is_system({"equations": {"L": "w*x"}, "parameters": {"w": []}})


# -------------------------------------------------------------------------------- what is wrong

WRONG = [
    # lines, other tables, what the message says
    ("", {}, ["no equations"]),
    ("L", {}, ["line 1", "no equals sign"]),
    ("L =", {}, ["line 1: L", "empty"]),
    ("L = sum(i, b[i]) + k", {}, ["column 20", '"k"', "sum(k, …)"]),
    ("L = sum(i, q[i])", {}, ['unknown array "q"', "Known: U, W, b"]),
    ("L = sum(i, b[k])", {}, ['"k"', "indices here: i"]),
    ("L = TT*b[1]", {}, ['unknown name "TT"; did you mean "T"?']),
    ("L = su(i, b[i])", {}, ['unknown function "su"; did you mean "sum"?']),
    ("L = sum(i, b[i] + h0)", {}, ["h0 has 1 index; write h0[i]"]),
    ("L = sum(i, W[i])", {}, ["W has 2 indices, 1 given; write W[i,j]"]),
    ("L = sum(i, W(i,i))", {}, ["W is no function", "W[i,j]"]),
    ("L = s[1]*b[1]", {}, ["s is a scalar; write it without brackets"]),
    ("L = log[b[1]]", {}, ["log is a word of formulas"]),
    ("L = sigmoid + b[1]", {}, ['"sigmoid" is a function; write sigmoid(…)']),
    ("L = b[]", {}, ["no index stands in these brackets"]),
    ("L = sum(b[1])", {}, ["begins with the letter that it runs over"]),
    ("L = sum(i, b[i], 2)", {}, ["one formula"]),
    ("L = sum(n, b[n])", {}, ['"n" is a size and no index']),
    ("L = sum(b, b[b])", {}, ['"b" is an array and no index']),
    ("L = sum(s, b[s])", {}, ['"s" is a scalar and no index']),
    ("L = sum(e, b[e])", {}, ["Euler's number"]),
    ("L = sum(exp, b[exp])", {}, ["a word of formulas"]),
    ("L = sum(in, b[in])", {}, ["a word of Python"]),
    ("L = sum(if, b[1])", {}, ["begins with the letter"]),
    ("L = b[s]", {}, ["s is a scalar, not an index"]),
    ("L = sum(i, b[i*i])", {}, ["an index is made of letters"]),
    ("L = sum(i, b[i/2])", {}, ["an index is made of letters"]),
    ("L = b[1.5]", {}, ["an index is made of letters"]),
    ("L = b[9999999999]", {}, ["at most 1,000,000,000"]),
    ("L = sum(i if b[i] > 0, b[i])", {}, ["a condition compares indices and sizes"]),
    ("L = sum(i if i = 2, b[i])", {}, ["= is written =="]),
    ("L = sum(i if i, b[i])", {}, ["expected a comparison"]),
    ("L = sum(i, b[i]) if i < 2", {}, ["a condition follows a bound letter"]),
    ("L = sum(i=1:3, b[i])", {}, ['":" has no meaning here']),
    ("L = sum(i=1, b[i])", {}, ["two dots: i=1..3"]),
    ("L = sum(i=1..s, b[i])", {}, ["s is a scalar, not the last number of a range"]),
    ("L = sum(i, sum(j=1..i, b[j]))", {}, ["sum(j if j <= i, …)"]),
    ("L = sum(i=3..1, b[i])", {}, ["no number from 3 to 1"]),
    ("L = sum(i, b[i]", {}, ["never closed"]),
    ("L = sum(i, b[i]))", {}, ["closes nothing"]),
    ("L = 2b[1]", {}, ["2*b[1]"]),
    ("L = where(b[1] == 0, 1, b[2])", {}, ["== is for indices"]),
    ("L = where(1 < b[1] < 2, 1, 0)", {}, ["two values at a time"]),
    ("L = where(b[1] > 0, 1)", {}, ["where takes 3 arguments"]),
    ("L = max(b[1])", {}, ["max takes 2 to 16 arguments"]),
    ("L = b[1] < 2", {}, ["compare inside where"]),
    ("L = b[1]/0", {}, ["divides by 0"]),
    ("L = b[1]/(1 - 1)", {}, ["divides by 0"]),
    ("L = b[1]*0**(-1)", {}, ["no real number"]),
    ("L = b[1]*(-8)**(1/3)", {}, ["no real number"]),
    ("L = b[1]*log(0)", {}, ["log of 0 is no real number"]),
    ("L = b[1]*sqrt(1 - 2)", {}, ["sqrt of -1 is no real number"]),
    ("L = b[1]*asin(3/2)", {}, ["asin of 3/2"]),
    ("L = b[1]**1000", {}, ["at most 64"]),
    ("L = softmax(i, b[i])", {}, ["keeps it", "left side"]),
    ("L == b[1]", {}, ["line 1: L, column 4"]),
    # ranges
    ("L = sum(i, W[i,i])", {}, ["i runs from 1 to n, as it does in W[i,i]", "has d there"]),
    (
        "a[t,i] = sum(j, W[i,j]*y[t,j])\nL = a[1,1]",
        {},
        ['line 1: "a[t,i]"', "j runs from 1 to d", "W[i,j]", "y[t,j] has n there"],
    ),
    (
        "L = sum(i, v[i]*b[i])",
        {"inputs": {"v": [4]}},
        ["i runs from 1 to n", "v[i] has 4 there", "both are 4"],
    ),
    ("L = sum(i, b[i+1])", {}, ["over what does i run?", "b[i+1]", "[ranges]", "i=1..n"]),
    (
        "c[t,i,j] = W[i,t]\nL = b[1]",
        {},
        ["over what does j run?", "No array on the right side"],
    ),
    (
        "c[o] = w[2*o-1]\nL = sum(t, c[t]*w[t])",
        {},
        ["line 1", "over what does o run?", "w[2o-1]"],
    ),
    (FIRST + LAST, {"ranges": {"t": "n"}}, ["as [ranges] says", "x[t,j] has T there"]),
    (FIRST + LAST, {"ranges": {"t": "N"}}, ["[ranges] t", 'did you mean "n"']),
    (FIRST + LAST, {"ranges": {"q": "n"}}, ["[ranges] q: no equation has this index"]),
    (FIRST + LAST, {"ranges": {"n": "n"}}, ["[ranges] n: this is a size and no index"]),
    # bounds
    ("L = b[5]", {}, ["b[5] falls outside b: its index runs from 1 to n = 4"]),
    ("L = b[0]", {}, ["b[0] falls outside b"]),
    ("L = sum(i=1..n, b[i+1])", {}, ["b[i+1]", "at i = 4 it reads 5", "[pad]", "where"]),
    ("L = sum(i=1..n-1, W[i,1]*W[i-1,1])", {}, ["at i = 1 it reads 0, but index 1 of W"]),
    (
        "L = b[5]",
        {"sizes": {"T": 3, "n": "n", "d": 2}},
        ["b[5] falls outside b", "from 1 to n", "give n a number in [sizes]"],
    ),
    (
        LABELS + "L = sum(t, o[t,lab[t]])",
        {"indices": {"lab": {"shape": ["T"], "below": 5}}},
        ["lab holds numbers from 1 to 5", "index 2 of o runs from 1 to n = 4"],
    ),
    (
        LABELS + "L = sum(t, o[t,lab[t+1]])",
        {"indices": {"lab": {"shape": ["T"], "below": 4}}},
        ["lab[t+1] falls outside lab: at t = 3 it reads 4"],
    ),
    (
        LABELS + "L = sum(t, o[t,lab[t]+1])",
        {"indices": {"lab": {"shape": ["T"], "below": 4}}},
        ["an index is made of letters", "looked up"],
    ),
    (
        LABELS + "L = sum(t, o[t,lab[lab[t]]])",
        {"indices": {"lab": {"shape": ["T"], "below": 3}}},
        ["looked up once"],
    ),
    (
        LABELS + "L = sum(t, lab[t]*o[t,1])",
        {"indices": {"lab": {"shape": ["T"], "below": 4}}},
        ["lab[…] is an index, not a value"],
    ),
    # nothing to take
    (
        "m[t] = max(u if u < t, w[u])\nL = sum(t, m[t])",
        {"ranges": {"t": "T"}},
        ["max(u …)", "no maximum of nothing", "some u from 1 to T has u < t"],
    ),
    ("L = mean(i if i > n, b[i])", {}, ["no mean of nothing"]),
    ("L = logsumexp(i if i == T+2, b[i])", {}, ["no logsumexp of nothing"]),
    # recurrences
    (
        FIRST + "h[t,i] = tanh(h[t-1,i] + a[t,i])\nL = h[T,1]",
        {},
        ["at t = 1 it reads 0, but index 1 of h", 'base case "h[0,i]"'],
    ),
    (
        FIRST + "h[0,i] = h0[i]\nh[t,i] = h[t-2,i] + a[t,i]\nL = h[T,1]",
        {},
        ['base case "h[-1,i]"', "from 0 to T"],
    ),
    (
        FIRST + "h[1,i] = h0[i]\nh[t,i] = h[t-1,i] + a[t,i]\nL = h[T,1]",
        {},
        ["h[1,i] is an element of h[t,i] already", "such as at 0"],
    ),
    (
        FIRST + "h[T,i] = h0[i]\nh[t,i] = a[t,i]\nL = h[T,1]",
        {},
        ["h[T,i] is an element of h[t,i] already"],
    ),
    (
        FIRST + "h[0,i] = h0[i]\nh[0,i] = 2\nh[t,i] = h[t-1,i] + a[t,i]\nL = h[T,1]",
        {},
        ["line 3", "h[0,i] is defined twice"],
    ),
    (
        "g[T+1] = 0\ng[4] = 1\ng[t] = g[t+1] + w[t]\nL = g[1]",
        {},
        ["line 2", "g[4] is defined twice"],
    ),
    (
        FIRST + "h[0,0] = 1\nh[t,i] = a[t,i]\nL = h[T,1]",
        {},
        ["h[0,0] fixes 2 indices"],
    ),
    ("h[0] = s\nL = h[0]*b[1]", {}, ["h has no general equation"]),
    (
        FIRST + "h[t,i] = tanh(h[t,i] + a[t,i])\nL = h[T,1]",
        {},
        ["h is computed from itself (h → h)", "h[t,i] is read"],
    ),
    (
        FIRST + "h[0,i] = 0\nh[T+1,i] = 0\nh[t,i] = h[t-1,i] + h[t+1,i] + a[t,i]\nL = h[T,1]",
        {},
        ["h is computed from itself", "strictly later"],
    ),
    (
        "c[t] = w[t]*g[t]\ng[t] = w[t]*c[t]\nL = c[T]",
        {},
        ["c is computed from itself (c → g → c)"],
    ),
    ("c[t] = w[t] + sum(u if u <= t, c[u])\nL = c[T]", {}, ["computed from itself"]),
    ("c[t] = w[t] + mean(u, c[u])\nL = c[T]", {}, ["computed from itself"]),
    ("g = L\nL = g + b[1]", {}, ["g is computed from itself (g → L → g)"]),
    ("L = L + b[1]", {}, ["L is computed from itself (L → L)"]),
    # names
    (FIRST + FIRST + LAST, {}, ["line 2", "a is computed already, by a[t,i] = sum("]),
    (FIRST + "a = w[1]\n" + LAST, {}, ["a has 0 indices here and 2 above"]),
    (FIRST + "a[s,i] = b[i]\n" + LAST, {}, ["s is a scalar, not an index"]),
    (FIRST + "c[t,t] = x[t,1]\n" + LAST, {}, ["t stands twice"]),
    (FIRST + "c[2*t] = w[t]\n" + LAST, {}, ["2t on the left side"]),
    (FIRST + "T = w[1]\n" + LAST, {}, ["T is a size"]),
    (FIRST + "x[t,i] = w[t]\n" + LAST, {}, ["x is given, so it is not computed"]),
    (FIRST + "exp = w[1]\n" + LAST, {}, ["a meaning of its own"]),
    (FIRST + "2 = w[1]\n" + LAST, {}, ["a left side is a name"]),
    (FIRST + "c + 1 = w[1]\n" + LAST, {}, ["the left side ends here"]),
    (FIRST + "lambda = w[1]\n" + LAST, {}, ["a word of Python"]),
    (FIRST + LAST, {"inputs": {"x": ["T", "d"], "W": []}}, ["[inputs] W", "given already"]),
    (FIRST + LAST, {"inputs": {"x": ["T", "d"], "T": []}}, ["[inputs] T", "a size already"]),
    (FIRST + LAST, {"inputs": {"x": ["T", "d"], "sum": []}}, ["a meaning of its own"]),
    (FIRST + LAST, {"inputs": {"x": ["T", "d"], "b1": [], "b_1": []}}, ["both written b_1"]),
    (FIRST + LAST, {"inputs": {"x": ["T", "d"], "W1": ["n"]}}, ["W_11", "rename one"]),
    # the tables
    (FIRST + LAST, {"sizes": {"T": 0, "n": 4, "d": 2}}, ["[sizes] T: 0 given"]),
    (FIRST + LAST, {"sizes": {"T": "S", "n": 4, "d": 2}}, ['"S" given', '"T" for a size']),
    (FIRST + LAST, {"sizes": {"n": 4, "d": 2}}, ["[parameters] w[1]", 'unknown name "T"']),
    (FIRST + LAST, {"sizes": [3]}, ["[sizes]: a list of 1 given, expected a table"]),
    (FIRST + LAST, {"parameters": {"W": "n"}}, ['[parameters] W: "n" given, expected a list']),
    (FIRST + LAST, {"parameters": {"W": ["n", 0]}}, ["[parameters] W[2]: 0 given"]),
    (FIRST + LAST, {"parameters": {"W": ["n", "D"]}}, ["W[2]", 'did you mean "d"']),
    (
        FIRST + LAST,
        {"parameters": {"W": ["n", "d"], "b": ["n"], "v": ["d-2"]}},
        ["[parameters] v[1]: d-2 = 0 is never above 0"],
    ),
    (FIRST + LAST, {"indices": {"k": ["T"]}}, ["[indices] k", "shape, below"]),
    (FIRST + LAST, {"indices": {"k": {"shape": ["T"]}}}, ["below is missing"]),
    (FIRST + LAST, {"pad": {"z": 0}}, ["[pad] z: no array that may be padded"]),
    (FIRST + LAST, {"pad": {"x": "0"}}, ['[pad] x: "0" given, expected a number']),
    # the loss
    (FIRST, {}, ['"a[t,i]"', "the loss is a scalar, and a is an array"]),
    (FIRST + LAST, {"loss": "a"}, ["loss: the loss is a scalar"]),
    (FIRST + LAST, {"loss": "M"}, ['"M" given, expected one of "a", "L"']),
    ("L = s", {}, ["L depends on no parameter (none of W, U, b, w)"]),
    ("L = s", {"parameters": {}}, ["there are no [parameters]"]),
    # values
    (FIRST + LAST, {"values": {"b": [1]}}, ["[values] b", "4 numbers"]),
    (FIRST + LAST, {"values": {"W": [[1, 2]] * 3}}, ["a list of 3 given, expected a list of 4"]),
    (FIRST + LAST, {"values": {"b": [1, 2, 3, "4"]}}, ['[values] b[4]: "4" given']),
    (FIRST + LAST, {"values": {"Q": 1}}, ["[values] Q", "expected one of W, U, b"]),
    (FIRST + LAST, {"values": {"a": 1}}, ["[values] a: this is computed"]),
    (FIRST + LAST, {"values": {"learning_rate": 0}}, ["above 0"]),
    (
        FIRST + LAST,
        {"values": {"w": [1]}, "sizes": {"T": "T", "n": 4, "d": 2}},
        ["T of [sizes] is symbolic"],
    ),
    (
        LABELS + "L = sum(t, o[t,lab[t]])",
        {"indices": {"lab": {"shape": ["T"], "below": 4}}, "values": {"lab": [1, 5, 1]}},
        ["[values] lab[2]: 5 given, expected a whole number from 1 to 4"],
    ),
]


@pytest.mark.parametrize(("lines", "more", "said"), WRONG, ids=lambda case: str(case)[:50])
def test_what_is_wrong_is_said(lines, more, said):
    """The equation, the culprit, what was expected, the nearest valid word."""
    message = refused(lines, **more)
    for part in said:
        assert part in message


def test_a_file_says_its_name_and_table():
    """The key of the equation as TOML has it."""
    given = tables("rnn")
    given["equations"]["h[t,i]"] = "tanh(a[t,k])"
    with pytest.raises(SpecError, match=r'^net\.toml: \[equations\] "h\[t,i\]", column 10: "k"'):
        from_tables(given, "net.toml")


@pytest.mark.parametrize(
    ("key", "said"),
    [("size", 'did you mean "sizes"'), ("equation", "unknown key"), ("activations", "unknown")],
)
def test_unknown_tables(key, said):
    """A mistyped table is not left out without a word."""
    with pytest.raises(SpecError, match=said):
        from_tables({**tables("rnn"), key: {}}, "net.toml")


def test_no_equations_at_all():
    """A file of sizes and arrays alone is told what it lacks."""
    with pytest.raises(SpecError, match="equations is missing"):
        from_tables({"parameters": {"w": []}}, "net.toml")
    with pytest.raises(SpecError, match="lines such as"):
        from_tables({"parameters": {"w": []}, "equations": {}}, "net.toml")


# -------------------------------------------------------------------------------- in any order


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_lines_does_not_matter(kind, seed):
    """Permuted equations give the same definitions and shapes, in an order that computes."""
    given = tables(kind)
    lines = list(given["equations"].items())
    random.Random(seed).shuffle(lines)
    found = from_tables({**given, "loss": "L", "equations": dict(lines)}, kind)
    expected = system(kind, None)
    key = str
    assert sorted(found.definitions, key=key) == sorted(expected.definitions, key=key)
    assert set(found.quantities) == set(expected.quantities)
    assert len(found.groups) == len(expected.groups)
    done: set[str] = set()
    for group in found.groups:
        own = {each.name for each in group.definitions}
        for each in group.definitions:
            text_ = str(each.term)
            for other in found.defining.keys() - done - own:
                assert f"Read(array='{other}'" not in text_
        done |= own


# ------------------------------------------------------------------------------- hostile files

NESTED = [
    "L = " + "(" * 5000 + "b[1]" + ")" * 5000,
    "L = " + "sum(i, " * 1000 + "b[i]" + ")" * 1000,
    "L = " + "b[" * 3000 + "1" + "]" * 3000,
    "L = " + "+".join(["b[1]"] * 2400),
    "L = " + "-" * 9000 + "b[1]",
    "L = b[1]" + "**2" * 3000,
    "L = 9**9**9**9*b[1]",
    "L = 1e300**64*b[1]",
    "L = b[" + "+".join(["1"] * 4000) + "]",
    "L = b[1]*" + "*".join(["1e300"] * 1500),
    "L = max(" + ",".join(["b[1]"] * 2000) + ")",
    "\n".join(f"c{n} = b[1]" for n in range(700)),
    "L = " + "where(T > 1, " * 500 + "1" + ", 0)" * 500,
    "L = sum(i if " + " and ".join(["i != 1"] * 1000) + ", b[i])",
    "".join(f"c[t{n}] = sum(i, sum(j, sum(k, U[i,j]*U[j,k]*b[i+j-k+{n}])))\n" for n in range(100)),
    "L = x" * 2000,
    "L" * 9000 + " = b[1]",
    "[" * 9000,
    "L = sum(i=1..1000000000, b[1])*b[i]",
]


@pytest.mark.parametrize("lines", NESTED, ids=lambda lines: lines[:30])
def test_hostile_lines_are_refused_at_once(lines):
    """Neither time nor a traceback: whatever is too deep, too long or too many is refused."""
    begun = time.thread_time()
    refused(lines)
    assert time.thread_time() - begun < 1.0


def test_bounds_that_are_hard_to_decide_take_no_time():
    """Many letters, many conditions, sizes as numbers: refused or read, but soon."""
    letters = [f"i{n}" for n in range(12)]
    index = "+".join(letters)
    conditions = " and ".join(f"{a} < {b}" for a, b in itertools.pairwise(letters))
    body = f"where({conditions}, b[{index}], 0)"
    for each in letters:
        body = f"sum({each}=1..9, {body})"
    begun = time.thread_time()
    with pytest.raises(SpecError):
        read(f"L = {body}")
    assert time.thread_time() - begun < 1.0


def said_of(attempt):
    """What is said of a file, nothing where it is read; any other exception comes out."""
    try:
        assert attempt().definitions
    except SpecError as error:
        return error.message
    return ""


PIECES = st.sampled_from(
    "a b W x T n t i j u [ ] ( ) , = == .. < <= if and sum max softmax where + - * / ** 1 2 0.5 "
    "h[t-1,i] W[i,j] sum(j, 1e9 e pi \n # ' \" é ∑ ∇ …".split(" ")
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=30))
def test_no_text_gives_anything_but_a_system_or_a_spec_error(pieces):
    """Words of the grammar in any order."""
    assert said_of(lambda: read("L = b[1] + " + " ".join(pieces))).isprintable()


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(KINDS), st.randoms(use_true_random=False))
def test_a_mutated_file_gives_a_system_or_a_spec_error(kind, source):
    """Characters of a valid file removed, doubled and exchanged."""
    written = list(FILES[kind])
    for _ in range(source.randint(1, 4)):
        place = source.randrange(len(written))
        written[place : place + source.randint(0, 2)] = source.choice(
            ["", written[place], source.choice('[](),=+-*/^t"i1 0.#<'), "sum(", "\n"]
        )
    try:
        mapping = tomllib.loads("".join(written))
    except tomllib.TOMLDecodeError:
        return
    assert said_of(lambda: from_tables(mapping, "net.toml")).isprintable()


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([*GIVEN, "indices", "pad", "ranges", "equations", "values", "loss", "title"]),
    JUNK,
)
def test_tables_of_anything_give_a_spec_error(key, junk):
    """Whatever stands where a table should."""
    given_ = {**tables("rnn"), key: junk}
    assert said_of(lambda: from_tables(given_, "net.toml")).isprintable()


# --------------------------------------------------------------------------------- the proofs


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(-2, 2), min_size=4, max_size=4),
    st.lists(
        st.tuples(
            st.sampled_from(["<", "<=", "==", "!="]),
            st.lists(st.integers(-1, 1), min_size=4, max_size=4),
        ),
        max_size=3,
    ),
)
def test_what_is_proved_holds(goal, conditions):
    """Whatever `nonnegative` proves for all sizes holds at every point for sizes up to 4."""
    t, u, n, one = letter("t"), letter("u"), letter("n"), number(1)

    def affine(coefficients):
        parts = zip((t, u, n, one), coefficients, strict=True)
        return sum((part.times(c) for part, c in parts), Affine())

    wanted = affine(goal)
    stated = [Condition(affine(each), relation, Affine()) for relation, each in conditions]
    ranges = [Range("t", n), Range("u", n)]
    if not nonnegative(wanted, ranges, stated, {}):
        return
    for size in range(1, 5):
        for first in range(1, size + 1):
            for second in range(1, size + 1):
                point = {"t": first, "u": second, "n": size}
                if all(_holds(each, point) for each in stated):
                    assert wanted.value(point) >= 0


def _holds(condition, point):
    left, right = condition.left.value(point), condition.right.value(point)
    return {
        "<": left < right, "<=": left <= right, "==": left == right, "!=": left != right,
    }[condition.relation]  # fmt: skip


def test_reading_costs_little():
    """A file is read in less than 20 ms of this machine's processor, the best of five."""
    for kind in ("rnn", "lstm", "attention"):
        given_ = tables(kind)
        best = 1.0
        for _ in range(5):
            begun = time.thread_time()
            from_tables(given_, kind)
            best = min(best, time.thread_time() - begun)
        assert best < 0.05  # twice and more: this runs beside other tests


def test_a_right_side_by_itself():
    """`read_right` names bound letters apart and says which ranges are stated."""
    found = read_right("sum(j=1..2, w[j])", frozenset(), Names(ranks={"w": 1}), "here")
    assert found.explicit == {"j#1": Range("j#1", number(2))}
    with pytest.raises(SymbackError, match="here, column 1"):
        read_right("q", frozenset(), Names(), "here")
