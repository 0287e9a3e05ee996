"""Line by line: the first wrong step, what follows from it, and what numbers can say."""

from fractions import Fraction

import pytest

import symback as sb
from symback.checking.evaluation import Assumptions
from symback.checking.judge import Judge
from symback.checking.page import Claim, Definition, Document, Prose, Relation, Side, Unread
from symback.checking.pipeline import largest_index, overall
from symback.checking.verdicts import judged
from symback.language.expressions import (
    LOSS,
    Call,
    Derivative,
    Element,
    Index,
    Named,
    Node,
    Number,
    Product,
    Total,
)
from symback.language.names import read_reference


def number(value, decimals=None) -> Number:
    return Number(Fraction(str(value)), decimals)


def at(letter: str, *numbers: int) -> Element:
    return Element(letter, tuple(Index("", n) for n in numbers))


def less(left: Node, right: Node) -> Node:
    return Total((left, Product((number(-1), right))))


def slope(letter: str, *numbers: int) -> Node:
    return Derivative(LOSS, at(letter, *numbers))


def claim(line: int, *sides: Node, continues=False, relation=Relation.EQUAL) -> Claim:
    made = tuple(Side(side, "", line, 1 + 10 * k) for k, side in enumerate(sides))
    count = len(sides) if continues else len(sides) - 1
    return Claim(line, 1, f"line {line}", made, (relation,) * count, continues)


def verdicts(judge: Judge, *items, wrt=None) -> list[str]:
    return [line.verdict.value for line in lines(judge, *items, wrt=wrt)]


def lines(judge: Judge, *items, wrt=None):
    reference = None if wrt is None else read_reference(wrt, judge.graph.variables)
    return judged(Document(items), judge, reference).lines


@pytest.fixture(scope="module")
def judge():
    """The base case: 2-3-2, sigmoid, softmax, cross-entropy."""
    return Judge(sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy"))


ERROR = less(at("yhat", 1), at("y", 1))
RIGHT = Product((ERROR, at("h", 1, 2)))
WRONG = Product((less(at("y", 1), at("yhat", 1)), at("h", 1, 2)))
WEIGHT = slope("w", 2, 1, 2)


def test_a_chain_is_right_to_its_end(judge):
    """∂L/∂w_212 = ∂L/∂a_21 h_12, = (ŷ_1 - y_1) h_12: two lines, both proved."""
    first = claim(1, WEIGHT, Product((slope("a", 2, 1), at("h", 1, 2))))
    assert verdicts(judge, first, claim(2, RIGHT, continues=True)) == ["proved"] * 2


def test_what_follows_from_an_error_is_not_blamed_again(judge):
    """The sign is wrong in line 1; line 2 only multiplies it out."""
    opened = less(Product((at("y", 1), at("h", 1, 2))), Product((at("yhat", 1), at("h", 1, 2))))
    found = lines(judge, claim(1, WEIGHT, WRONG), claim(2, opened, continues=True))
    assert [line.verdict.value for line in found] == ["refuted", "follows"]
    assert "line 1" in found[1].reason


def test_a_second_error_is_found_after_the_first(judge):
    """After a wrong sign, a lost factor is refuted too, and a right step after it follows."""
    lost = less(at("y", 1), at("yhat", 1))
    found = verdicts(
        judge,
        claim(1, WEIGHT, WRONG),
        claim(2, lost, continues=True),
        claim(3, Product((number(1), lost)), continues=True),
    )
    assert found == ["refuted", "refuted", "follows"]


def test_a_lucky_second_error_is_told(judge):
    """The sign lost in line 1 comes back in line 2: true, and said not to follow."""
    found = lines(judge, claim(1, WEIGHT, WRONG), claim(2, RIGHT, continues=True))
    assert [line.verdict.value for line in found] == ["refuted", "proved"]
    assert "does not follow" in found[1].reason


def test_an_error_is_followed_into_another_derivative(judge):
    """∂L/∂a_21 is wrong in line 1; ∂L/∂w_212 in line 2 and ∂L/∂b_21 in line 3 use it."""
    wrong = less(at("y", 1), at("yhat", 1))
    found = verdicts(
        judge,
        claim(1, slope("a", 2, 1), wrong),
        claim(2, WEIGHT, Product((slope("a", 2, 1), at("h", 1, 2)))),
        claim(3, WEIGHT, Product((wrong, at("h", 1, 2)))),
        claim(4, slope("b", 2, 1), wrong),
        claim(5, slope("b", 1, 2), wrong),
    )
    assert found == ["refuted", "proved", "follows", "follows", "refuted"]


def test_a_wrong_forward_line_is_followed(judge):
    """a_21 without its bias in line 1; what is built on it follows."""
    weighted = Total(tuple(Product((at("w", 2, 1, j), at("h", 1, j))) for j in (1, 2, 3)))
    exponential = Call("exp", (weighted,))
    found = verdicts(
        judge,
        claim(1, at("a", 2, 1), weighted),
        claim(2, Call("exp", (at("a", 2, 1),)), exponential),
    )
    assert found == ["refuted", "follows"]


def test_steps_that_are_true_need_not_follow(judge):
    """A true line is accepted wherever it comes from, on either side of a wrong one."""
    found = verdicts(judge, claim(1, WEIGHT, RIGHT, Product((slope("b", 2, 1), at("h", 1, 2)))))
    assert found == ["proved"]


def test_an_answer_alone_is_compared_with_the_weight_asked_for(judge):
    """Without a left side --wrt says what is meant; without that, it is said to be missing."""
    assert verdicts(judge, claim(1, RIGHT), wrt="w_212") == ["proved"]
    assert verdicts(judge, claim(1, WRONG), wrt="w_212") == ["refuted"]
    assert verdicts(judge, claim(1, RIGHT, continues=True), wrt="w_212") == ["proved"]
    assert verdicts(judge, claim(1, RIGHT)) == ["undecided"]


def test_names_of_the_page_may_be_used_before_they_are_explained(judge):
    """∂L/∂w_212 = Δ_1 h_12, where Δ_i = ŷ_i - y_i."""
    named = Named("Δ", (Index("", 1),))
    body = less(Element("yhat", (Index("i"),)), Element("y", (Index("i"),)))
    definition = Definition(2, 1, "", "Δ", (Index("i"),), body)
    used = claim(1, WEIGHT, Product((named, at("h", 1, 2))))
    assert verdicts(judge, used, definition) == ["proved", "text"]
    assert verdicts(judge, used) == ["undecided"]


def test_an_update_is_a_step_downhill(judge):
    """w ← w - η ∂L/∂w is right; with a plus it climbs."""
    weight, eta = at("w", 2, 1, 2), Element("eta")
    step = Product((eta, WEIGHT))
    down = claim(1, weight, less(weight, step), relation=Relation.BECOMES)
    up = claim(1, weight, Total((weight, step)), relation=Relation.BECOMES)
    assert verdicts(judge, down) == ["proved"]
    assert verdicts(judge, up) == ["refuted"]


def test_one_hot_targets_are_a_condition(judge):
    """(ŷ_1 - y_1²) h_12 is right for one-hot y only, and not wrong."""
    squared = Product((less(at("yhat", 1), Product((at("y", 1),) * 2)), at("h", 1, 2)))
    found = lines(judge, claim(1, WEIGHT, squared))
    assert found[0].verdict.value == "conditional"
    assert "one-hot" in found[0].reason
    assert overall(found).value == "conditional"


def test_words_and_unread_lines_are_reported_in_place(judge):
    """Words claim nothing; what is not read keeps the page from being right."""
    found = lines(
        judge,
        Prose(1, 1, "so"),
        Unread(2, 5, "??", "no such sign", "write +"),
        claim(3, WEIGHT, RIGHT),
    )
    assert [line.verdict.value for line in found] == ["text", "unread", "proved"]
    assert (found[1].line, found[1].column) == (2, 5)
    assert "write +" in found[1].reason
    assert overall(found).value == "unread"
    assert overall(lines(judge, Prose(1, 1, "only words"))).value == "no claim"


# ------------------------------------------------------------------------------------- numbers

VALUES = {
    "x": [1.0, 0.5], "y": [0.0, 1.0],
    "W1": [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]], "b1": [0.1, 0.1, 0.1],
    "W2": [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], "b2": [0.1, 0.2],
}  # fmt: skip


@pytest.fixture(scope="module")
def numbered():
    """The same network with numbers, and ∂L/∂w_212 as a number."""
    layers = [(3, "sigmoid"), (2, "softmax")]
    net = sb.Network(2, layers, loss="cross_entropy", values=VALUES)
    return Judge(net), net.evaluate()["gradients"]["W2"][0][1]


def test_a_number_is_compared_at_the_precision_printed(numbered):
    """Rounded to any number of digits it is right; one more in the last place is not."""
    judge, exact = numbered
    for digits in (2, 3, 5, 9):
        rounded = round(Fraction(exact), digits)
        assert verdicts(judge, claim(1, WEIGHT, number(float(rounded), digits))) == ["proved"]
        off = rounded + Fraction(2, 10**digits)
        assert verdicts(judge, claim(1, WEIGHT, Number(off, digits))) == ["refuted"]


def test_a_number_cut_off_is_right_and_one_rounded_the_wrong_way_not_wrong(numbered):
    judge, exact = numbered
    unit, size = Fraction(1, 10**5), abs(Fraction(exact))
    sign = 1 if exact > 0 else -1
    below = size // unit * unit
    nearer_below = size - below < unit / 2
    up = "conditional" if nearer_below else "proved"
    assert verdicts(judge, claim(1, WEIGHT, Number(sign * below, 5))) == ["proved"]
    assert verdicts(judge, claim(1, WEIGHT, Number(sign * (below + unit), 5))) == [up]
    assert verdicts(judge, claim(1, WEIGHT, Number(sign * (below - unit), 5))) == ["refuted"]


@pytest.mark.parametrize(("digits", "first"), [(3, "proved"), (2, "conditional")])
def test_rounding_carried_along_is_recognised(numbered, digits, first):
    """Rounded factors, then their product to more digits: right from its own numbers."""
    judge, _ = numbered
    error = Fraction(str(round(judge_value(judge, ERROR), digits)))
    height = Fraction(str(round(judge_value(judge, at("h", 1, 2)), digits)))
    start = claim(1, WEIGHT, Product((Number(error, digits), Number(height, digits))))
    carried = Number(round(error * height, 6), 6)
    found = lines(judge, start, claim(2, carried, continues=True))
    assert [line.verdict.value for line in found] == [first, "conditional"]
    assert found[1].diagnosis[0].name == "rounding"
    nonsense = claim(2, Number(carried.value + Fraction(1, 10), 4), continues=True)
    wrong = lines(judge, start, nonsense)[1]
    assert wrong.verdict.value == "refuted"
    assert wrong.diagnosis[0].name == "arithmetic"


MAZUR = sb.load("tests/cases/nets/mazur.toml")


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("0.3 + 0.1 + 0.3 = 0.9", ["refuted"]),  # short decimals are what they say
        ("0.5*0.3 = 0.18", ["refuted"]),
        ("0.5*0.3 = 0.15", ["proved"]),
        ("0.5*0.3 = 0.2", ["proved"]),
        ("0.7414*0.1868 = 0.1385", ["proved"]),
        ("0.7414*0.1868 = 0.1384", ["proved"]),  # cut, not rounded
        ("0.7414*0.1868 = 0.1379", ["refuted"]),
        ("a_11 = 0.15*0.05 + 0.20*0.10 + 0.35 = 0.3775", ["proved"]),
        ("a_11 = 0.15*0.05 + 0.20*0.10 + 0.35 = 0.3785", ["refuted"]),
        ("a_11 = 0.15*0.05 + 0.20*0.10 + 0.25", ["refuted"]),
        ("dL/dw_211 = 0.7414*0.1868*0.5933 = 0.0822", ["proved"]),
        ("dL/dw_211 = 0.7414*0.1868*0.5933 = 0.0821", ["proved"]),
        ("dL/dw_211 = 0.14*0.5933 = 0.0831", ["conditional"]),
        ("dL/dh_11 ≈ 0.0383\ndL/dw_111 ≈ 0.0383*0.5933*0.4067*0.05", ["refuted", "follows"]),
        ("w_222 := 0.55 - 0.5*(-0.02274) = 0.5614", ["proved"]),
        ("w_222 := 0.55 + 0.5*(-0.02274)", ["refuted"]),
    ],
)
def test_numbers_mean_what_they_print(page, expected):
    """A decimal number with three digits or more may have been rounded; 0.5 is 0.5."""
    assert [line.verdict.value for line in sb.check(page, MAZUR).lines] == expected


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("dL/dyhat_1 = 0.01 - 0.7514", "sign-flipped"),
        ("dL/dyhat_1 = -0.7414", "sign-flipped"),
        ("dL/dyhat_1 = 2*0.7414", "constant-factor"),
        ("w_222 <- 0.55 + 0.5*(-0.02274)", "descent-direction"),
        ("dL/dyhat_1 = 0.6", "arithmetic"),
    ],
)
def test_numbers_betray_some_mistakes(page, name):
    (line,) = sb.check(page, MAZUR).lines
    assert [mistake.name for mistake in line.diagnosis] == [name]


def judge_value(judge: Judge, node: Node) -> float:
    bounds = judge.numbers(node, {}, Assumptions())
    assert bounds is not None
    return float(bounds.middle)


def test_a_wrong_line_that_is_right_at_the_numbers_is_still_wrong(numbered):
    """x_1 is 1 in the file, so a lost x_1 changes no number; the line of symbols is refuted."""
    judge, _ = numbered
    total = Total(
        tuple(Product((less(at("yhat", i), at("y", i)), at("w", 2, i, 1))) for i in (1, 2))
    )
    height = at("h", 1, 1)
    without = Product((total, height, less(number(1), height)))
    assert verdicts(judge, claim(1, slope("w", 1, 1, 1), without)) == ["refuted"]
    complete = Product((without, at("x", 1)))
    assert verdicts(judge, claim(1, slope("w", 1, 1, 1), complete)) == ["proved"]


def test_without_numbers_in_the_file_only_arithmetic_is_checked(judge):
    """h_12 = σ(0.25) = 0.5622 cannot be compared with h_12; σ(0.25) = 0.57 is wrong anyway."""
    value = Call("sigmoid", (number("0.25", 2),))
    assert verdicts(judge, claim(1, at("h", 1, 2), value, number("0.5622", 4))) == ["undecided"]
    assert verdicts(judge, claim(1, at("h", 1, 2), value, number("0.57", 2))) == ["refuted"]


def test_the_largest_index_of_a_page_is_found():
    """Widths that are replaced stay above what the page names."""
    assert largest_index(Document((claim(1, slope("w", 1, 7, 2), at("x", 9)),))) == 9


# -------------------------------------------------------------------------------- what is no claim

NET = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
SQUARED = sb.Network(2, [(3, "sigmoid"), (1, "linear")], loss="squared_error")
S6 = sb.load("examples/s6.toml")


def page_verdicts(page: str, net=NET) -> list[str]:
    return [line.verdict.value for line in sb.check(page, net).lines]


@pytest.mark.parametrize(
    "page",
    [
        "1 = 1",
        "L = L",
        "∂L/∂w_212 = ∂L/∂w_212",
        "∂L/∂w_212 = 1·(∂L/∂w_212 + 0)",
        "∇_{a_2} L = δ_2",
        "let s = ∂L/∂w_212\n∂L/∂w_212 = s",
        "∂L/∂w_212 = s\n\nwhere s = ∂L/∂w_212",
        "let s = ∂L/∂w_212\nlet t = s\nt = ∂L/∂w_212",
        "L = L if x_1 > 0",
        "h_12 = h_12\n0 = 0\nand words",
    ],
)
def test_a_page_that_says_nothing_is_no_claim(page):
    """The same on both sides, also by the page's own names, is no claim; nor is it in an exam."""
    report = sb.check(page, NET)
    assert (report.verdict.value, report.for_exam().verdict.value) == ("no claim", "no claim")
    assert {line.verdict.value for line in report.lines} == {"text"}
    assert not report
    for exam in (False, True):
        with pytest.raises(AssertionError):
            sb.assert_derivation(page, NET, exam=exam)


def test_what_says_nothing_beside_a_claim_does_no_harm():
    """A side that repeats the left one is passed over; the step of w ← w - η ∂L/∂w is a claim."""
    assert page_verdicts("∂L/∂w_212 = ∂L/∂w_212 = (ŷ_1 - y_1) h_12\n1 = 1") == ["proved", "text"]
    assert page_verdicts("∂L/∂w_212 = ∂L/∂w_212 = (ŷ_1 + y_1) h_12") == ["refuted"]
    assert page_verdicts("w_212 ← w_212 - η ∂L/∂w_212") == ["proved"]


@pytest.mark.parametrize(
    ("page", "wrt", "reached"),
    [
        ("∂L/∂w_212 = ∂L/∂a_21 h_12", "w_212", True),
        ("∂L/∂w_2ij = δ_2i h_1j", "w_212", True),
        ("∇_{W_2} L = δ_2 h_1ᵀ", "w_212", True),
        ("= (ŷ_1 - y_1) h_12", "w_212", True),
        ("let s = ∂L/∂w_212\ns = (ŷ_1 - y_1) h_12", "w_212", True),
        ("∂L/∂w_211 = ∂L/∂a_21 h_11", "w_212", False),
        ("∂L/∂w_212 = ∂L/∂w_212 x_1/x_1", "w_212", False),
        ("h_12 = σ(a_12)", "w_212", False),
        ("h_12 = σ(a_12)", None, False),
        ("δ_2 = ŷ - y", None, True),
    ],
)
def test_an_assertion_asks_that_the_derivative_is_reached(page, wrt, reached):
    """All lines are right; the assertion holds where one of them says what ∂L/∂wrt is."""
    assert sb.check(page, NET, wrt)
    if reached:
        sb.assert_derivation(page, NET, wrt)
    else:
        with pytest.raises(AssertionError, match="no line says what"):
            sb.assert_derivation(page, NET, wrt)


# ------------------------------------------------------------------------- names, from the top down


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("let q = 5\n{half} = q\nq = ŷ - y\n{half} = q", ["text", "refuted", "text", "proved"]),
        ("let q = ŷ - y\n{half} = q\nq = 5\n{half} = q", ["text", "proved", "text", "refuted"]),
        ("let q = 5\nlet r = q + ŷ\nq = y + 5\n{half} = r - q", ["text"] * 3 + ["proved"]),
        ("let q = ŷ\nq = q - y\n{half} = q", ["text", "text", "proved"]),
        ("{half} = q\nwhere q = ŷ - y\nlet q = 5", ["proved", "text", "text"]),
        ("let q_i = 5\nq_1 = ŷ - y\n{half} = q_1", ["text", "text", "proved"]),
    ],
)
def test_a_second_meaning_holds_from_its_line_on(page, expected):
    """What stands above keeps the first meaning, also within a definition; the change is said."""
    report = sb.check(page.format(half="∂L/∂ŷ/2"), SQUARED)
    assert [line.verdict.value for line in report.lines] == expected
    changed = [line for line in report.lines if "another meaning" in line.reason]
    assert len(changed) == 1


def test_the_same_said_again_is_no_second_meaning():
    """Δ_1 = ŷ_1 - y_1 after Δ_i = ŷ_i - y_i changes nothing."""
    report = sb.check("let Δ_i = ŷ_i - y_i\nΔ_1 = ŷ_1 - y_1\n∂L/∂w_212 = Δ_1 h_12", NET)
    assert report
    assert "another meaning" not in str(report)


@pytest.mark.parametrize(
    "page",
    [
        "let q = foo%%3\n∂L/∂w_212 = q h_12",
        "let q = 5\nq = foo%%3\n∂L/∂w_212 = q h_12",
        "let q = 5\nq = foo%%3\nlet r = q + 1\n∂L/∂w_212 = r h_12",
        "∂L/∂w_212 = q h_12\nwhere q = foo%%3",
        "let q = 5\nq = 3 ☃ 4\n∂L/∂w_212 = q h_12",
    ],
)
def test_a_name_that_was_not_read_decides_nothing(page):
    """What uses it is undecided, whatever the name meant before."""
    (line,) = (line for line in sb.check(page, NET).lines if "∂w_212" in line.source)
    assert line.verdict.value == "undecided"
    assert "what q is, could not be read" in line.reason


@pytest.mark.parametrize(
    ("page", "net", "expected"),
    [
        ("δ_k := ∇_{a_k} L\nδ_3 = ŷ + y", S6, "refuted"),
        ("δ_k := ∇_{a_k} L\nδ_3 = ŷ - y", S6, "proved"),
        ("δ_k := ∇_{a_k} L\nδ_3 := ŷ + y", S6, "refuted"),
        ("let δ_k = ∂L/∂a_k\nδ_2 = ŷ + y", NET, "refuted"),
        ("let s = ∂L/∂w_212\ns = (ŷ_1 - y_1) h_12", NET, "proved"),
        ("let s = ∂L/∂w_212\ns = (ŷ_1 + y_1) h_12", NET, "refuted"),
        # a loop over the layers: the name gets another value, which is no claim
        ("let g = ∇_{a_2} L\nlet g = W_2ᵀ g", NET, "text"),
        ("let g = ∇_{a_2} L\ng = W_2ᵀ g", NET, "text"),
        ("let g = ∇_{a_2} L\ng = ∇_{a_1} L", NET, "text"),
    ],
)
def test_a_name_for_a_quantity_makes_claims_about_it(page, net, expected):
    """After δ_k := ∇_{a_k} L the line δ_3 = … says something that is right or wrong."""
    assert page_verdicts(page, net) == ["text", expected]


def test_what_is_wrong_about_such_a_name_is_told():
    """The right side of ∇_{a_3} L is given for δ_3."""
    line = sb.check("δ_k := ∇_{a_k} L\nδ_3 = y - ŷ", S6).lines[1]
    assert (line.correct, line.diagnosis[0].name) == ("ŷ - y", "sign-flipped")


@pytest.mark.parametrize(
    ("page", "net", "expected"),
    [
        ("E = (y - ŷ)^2\n∂E/∂ŷ = 2(ŷ - y)", SQUARED, ["proved", "proved"]),
        ("E = (y - ŷ)^2\n∂E/∂ŷ = ŷ - y", SQUARED, ["proved", "refuted"]),
        ("J = -Σ_i y_i log(ŷ_i)\n∇_{W_2} J = (ŷ - y) h_1ᵀ", NET, ["proved", "proved"]),
        ("E = (y - ŷ)^2/2\n∂E/∂ŷ = ŷ - y", SQUARED, ["refuted", "proved"]),
        ("C = Σ_i (y_i - ŷ_i)^2\n∂C/∂ŷ_1 = 2(ŷ_1 - y_1)", NET, ["refuted", "proved"]),
        ("C = 5\nx_1 + C = 5 + x_1", NET, ["text", "proved"]),
    ],
)
def test_a_loss_of_the_page_is_compared_with_the_networks(page, net, expected):
    """E is the network's loss where it is equal to that; where not, that line is wrong."""
    assert page_verdicts(page, net) == expected


# ------------------------------------------------------------------------ what has lost its head


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("a_12 = b_12 + Σ_j w_12j x_j\n\n∂L/∂w_212 = foo%%3\n\n= (ŷ_1 - y_1) h_12",
         ["proved", "unread", "proved"]),
        ("∂L/∂w_212 = ∂L/∂a_21 h_12\n= foo%%3\n= (ŷ_1 - y_1) h_12",
         ["proved", "unread", "proved"]),
        ("a_12 = b_12 + Σ_j w_12j x_j\nlet t = y_1 + y_1\n= 2 y_1\n= 3 y_1",
         ["proved", "text", "proved", "refuted"]),
    ],
)  # fmt: skip
def test_a_line_goes_on_from_the_one_above_it(page, expected):
    """What goes on below a side that was not read has its left side; it is in no older chain."""
    assert page_verdicts(page) == expected


def test_with_a_weight_asked_for_too():
    """--wrt does not stand in for the left side of a chain, a part of which was not read."""
    right, other = ("∂L/∂w_211 = foo%%3\n= (ŷ_1 - y_1) h_1" + neuron for neuron in "12")
    verdicts = [[line.verdict.value for line in sb.check(page, NET, "w_212").lines]
                for page in (right, other)]  # fmt: skip
    assert verdicts == [["unread", "proved"], ["unread", "undecided"]]


# ------------------------------------------------------------------------------ what does not fit


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("∇_{W_2} L = δ_2 + h_1", "adding a 2×1 and a 3×1 array is not possible"),
        ("∇_{b_1} L = ŷ - y", "a 3×1 array on the left and a 2×1 array on the right"),
        ("∇_{a_2} L = ŷ_1 - y_1", "a 2×1 array on the left and a number on the right"),
        ("∂L/∂w_212 = W_2", "a number on the left and a 2×3 array on the right"),
        ("∂L/∂w_212 = Σ_{j=1}^{4} w_21j h_1j", "there is no w_2,1,4"),
        ("ŷ_1 = softmax(a_21)", "softmax of a number"),
        ("∂L/∂w_212 = (ŷ_i - y_i) h_12", "nothing says what i on the right side is"),
        ("∂L/∂h_1j = δ_2i w_2ij", "nothing says what i on the right side is"),
    ],
)
def test_what_does_not_fit_is_not_called_wrong(page, reason):
    """Shapes, ranges and indices that fit nothing may have been misread: no line is blamed."""
    (line,) = sb.check(page, NET).lines
    assert (line.verdict.value, reason in line.reason) == ("undecided", True), line


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("∇_{W_2} L = h_1 δ_2", "matrix-layout"),
        ("∇_{W_2} L = δ_2 ⊙ h_1", "matrix-layout"),
        ("∇_{h_1} L = W_2 δ_2", "matrix-layout"),
        ("∇_{a_1} L = W_2ᵀ δ_2 (h_1 ⊙ (1 - h_1))", "matrix-layout"),
        ("W_2 ← W_2 - η h_1 (ŷ - y)ᵀ", "matrix-layout"),
        (r"$$\nabla_{b_2} L = \begin{bmatrix} \hat y_1-y_1 & \hat y_2-y_2 \end{bmatrix}$$",
         "matrix-layout"),
        ("a_1 = W_2 x + b_1", "weight-of-wrong-layer"),
        ("∇_{h_1} L = W_1ᵀ δ_1", "weight-of-wrong-layer"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_wrong_by_a_mistake_with_a_name(page, name):
    """Where another layout, or layer, makes the line right, that is what was done wrong."""
    (line,) = sb.check(page, NET, strict=True).lines
    assert line.verdict.value == "refuted"
    assert [mistake.name for mistake in line.diagnosis][:1] == [name]


def test_an_index_that_is_bound_elsewhere_may_stand_alone():
    """What is right for every number of a letter is right."""
    assert page_verdicts("0 = y_i - y_i + 0·x_j") == ["proved"]
    assert page_verdicts("δ_2i = ŷ_i + y_i") == ["refuted"]


# ------------------------------------------------------------------------------------------ batches

BATCH = {**VALUES, "x": [[1.0, 0.5], [0.2, -0.3], [0.7, 0.1]], "y": [[1, 0], [0, 1], [1, 0]]}


@pytest.mark.parametrize("over", ["mean", "sum"])
@pytest.mark.parametrize(
    ("page", "notation", "expected"),
    [
        ("dscores = probs - y", "cs231n", "undecided"),
        ("dscores = (probs - y)/3", "cs231n", "undecided"),
        ("dscores = (probs - y)/m", "cs231n", "unread"),
        ("db2 = dscores", "cs231n", "undecided"),
        ("∇_{a_2} L = ŷ - y", "lectures", "undecided"),
        ("∇_{a_2} L = (ŷ - y)/3", "lectures", "undecided"),
        ("∇_{W_2} L = y h_1ᵀ", "lectures", "undecided"),
        ("∂L/∂w_212 = (ŷ_1 - y_1) h_12/3", "lectures", "undecided"),
        ("w_212 ← w_212 - η (ŷ_1 - y_1) h_12/3", "lectures", "undecided"),
        ("∂L/∂w_212 = 3 (ŷ_1 - y_1) h_12", "lectures", "undecided"),
        (r"$$a_{21} = b_{21} + \sum_j w_{21j} h^{(i)}_{j}$$", "lectures", "unread"),
        # of one sample, and no array in sight
        ("∂L/∂w_212 = (ŷ_1 - y_1) h_12", "lectures", "proved"),
        ("∂L/∂w_212 = (ŷ_1 + y_1) h_12", "lectures", "refuted"),
        ("h_12 = σ(a_12)", "lectures", "proved"),
        ("W_2 ← W_2 - η ∇_{W_2} L", "lectures", "proved"),
    ],
)
def test_what_may_be_about_a_batch_is_not_judged_as_one_sample(page, notation, expected, over):
    """With three samples an array may hold all of them, and /3 be the mean: neither is judged."""
    layers = [(3, "sigmoid"), (2, "softmax")]
    net = sb.Network(2, layers, loss="cross_entropy", over_samples=over, values=BATCH)
    report = sb.check(page, net, notation=notation)
    assert [line.verdict.value for line in report.lines] == [expected]
    assert any("one sample of the batch" in note for note in report.notes)
