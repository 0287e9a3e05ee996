"""A page is asked for derivatives: each is answered, answered partly, or not answered."""

from __future__ import annotations

import pytest

import symback as sb
from symback.engine.spec import SpecError
from symback.language.names import UnknownName

SOFTMAX = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
RELU = sb.Network(2, [(3, "relu"), (1, "linear")], loss="half_squared_error")


def answers(page, *goals, net=SOFTMAX, **settings):
    """The answer to each goal, in its word."""
    report = sb.check(page, net, goals=goals, **settings)
    return [goal.answer.value for goal in report.goals]


HIDDEN = "∂L/∂w_112 = Σ_m δ_{2m} w_{2m1} h_11 (1 - h_11) x_2"
OUTPUT = "δ_{2i} = ŷ_i - y_i"


@pytest.mark.parametrize(
    ("page", "goal"),
    [
        ("∂L/∂w_212 = (ŷ_1 - y_1) h_12", "w_212"),
        ("∂L/∂w_212 = ∂L/∂a_21 h_12 = (ŷ_1 - y_1) h_12", "w_212"),
        ("∂L/∂w_212 = ∂L/∂a_21 h_12\n\n∂L/∂a_21 = ŷ_1 - y_1", "w_212"),
        ("δ_21 = ŷ_1 - y_1\n\n∂L/∂w_212 = δ_21 h_12", "w_212"),
        (
            "∂L/∂w_212 = ∂L/∂a_21 ∂a_21/∂w_212\n\n∂L/∂a_21 = ŷ_1 - y_1\n\n∂a_21/∂w_212 = h_12",
            "w_212",
        ),
        ("∂L/∂w_{2ij} = (ŷ_i - y_i) h_{1j}", "w_212"),
        ("∂L/∂w_{2ij} = (ŷ_i - y_i) h_{1j}", "W2"),
        ("∇_{W_2} L = δ_2 h_1^T\n\nδ_2 = ŷ - y", "w_212"),
        ("∇_{W_2} L = δ_2 h_1^T\n\nδ_2 = ŷ - y", "W2"),
        (f"{HIDDEN}\n\n{OUTPUT}", "w_112"),
        (f"{HIDDEN}\n\nδ_21 = ŷ_1 - y_1\n\nδ_22 = ŷ_2 - y_2", "w_112"),
        ("let q = ∂L/∂w_212\n\nq = (ŷ_1 - y_1) h_12", "w_212"),
        ("∂L/∂w_212 = (y_1 - ŷ_1) h_12\n\n∂L/∂w_212 = (ŷ_1 - y_1) h_12", "w_212"),
    ],
)
def test_what_is_answered(page, goal):
    """A right line without derivatives, or with those only that the page answers itself."""
    assert answers(page, goal) == ["answered"]


@pytest.mark.parametrize(
    ("page", "goal"),
    [
        ("∂L/∂w_212 = ∂L/∂a_21 h_12", "w_212"),
        ("∂L/∂w_212 = ∂L/∂a_21 ∂a_21/∂w_212\n\n∂a_21/∂w_212 = h_12", "w_212"),
        ("∂L/∂w_212 = ∂L/∂a_21 h_12\n\n∂L/∂a_21 = y_1 - ŷ_1", "w_212"),
        (f"{HIDDEN}\n\nδ_21 = ŷ_1 - y_1", "w_112"),
        ("∂L/∂w_212 = ∂L/∂a_21 h_12 = (y_1 - ŷ_1) h_12", "w_212"),
        ("∂L/∂w_212 = ∂L/∂a_21 h_12\n\n∂L/∂a_21 = ∂L/∂w_212 / h_12", "w_212"),
    ],
)
def test_what_is_answered_partly(page, goal):
    """Right, but with derivatives that the page does not answer; no circle answers anything."""
    assert answers(page, goal) == ["partly"]


@pytest.mark.parametrize(
    "page",
    [
        "",
        "Words alone.",
        "∂L/∂w_212 = ∂L/∂w_212",
        "∂L/∂w_212 = 2 ∂L/∂w_212 - ∂L/∂w_212",
        "let q = ∂L/∂w_212\n\n∂L/∂w_212 = q",
        "∂L/∂w_212 = ∂/∂w_212 [ -y_1 log ŷ_1 - y_2 log ŷ_2 ]",
        "∂L/∂w_211 = (ŷ_1 - y_1) h_11",
        "∂L/∂w_{2ii} = (ŷ_i - y_i) h_{1i}",
        "∂L/∂w_212 = (y_1 - ŷ_1) h_12",
        "∂L/∂w_212 = (ŷ_1 - y_1) h_12 = ŷ_1 h_12 - y_1",
        "∂L/∂w_212 = (ŷ_1 - y_1) h_19",
    ],
)
def test_what_is_not_answered(page):
    """Nothing, identities, the task said again, another weight, a last word that is wrong."""
    assert answers(page, "w_212") == ["not answered"]


def test_cases_answer_together():
    """Where ReLU is on and where it is off are both there; one of the two is a part."""
    on = "∂L/∂w_111 = (ŷ_1 - y_1) w_211 x_1 if a_11 > 0"
    off = "∂L/∂w_111 = 0 if a_11 <= 0"
    assert answers(f"{on}\n\n{off}", "w_111", net=RELU) == ["answered"]
    assert answers(on, "w_111", net=RELU) == answers(off, "w_111", net=RELU) == ["partly"]


def test_a_slope_is_a_function():
    """g′(a_11) is no derivative that is left over."""
    page = "∂L/∂w_111 = (ŷ_1 - y_1) w_211 g'(a_11) x_1"
    assert answers(page, "w_111", net=RELU) == ["answered"]


def test_an_answer_alone_is_about_what_wrt_says():
    """A page that begins with its right side answers it."""
    assert answers("= (ŷ_1 - y_1) h_12", "w_212", "w_211", wrt="w_212") == [
        "answered",
        "not answered",
    ]


def test_the_line_and_what_is_left_are_said():
    """In text, in data and in HTML; in an examination without the reason."""
    page = "∂L/∂w_212 = ∂L/∂a_21 h_12\n\n∂L/∂b_21 = ŷ_1 - y_1"
    report = sb.check(page, SOFTMAX, goals=["w_212", "b_21", "b_22"])
    assert report.as_data()["goals"] == [
        {"name": "w_212", "answer": "partly", "line": 1, "reason": "derivatives are left in it"},
        {"name": "b_21", "answer": "answered", "line": 3, "reason": ""},
        {"name": "b_22", "answer": "not answered", "line": None, "reason": ""},
    ]
    rows = str(report).splitlines()
    assert rows[1:4] == [
        "  w_212: answered partly in line 1: derivatives are left in it",
        "  b_21: answered in line 3",
        "  b_22: not answered",
    ]
    assert [goal.reason for goal in report.for_exam().goals] == ["", "", ""]


# ------------------------------------------------------------------------------- where they stand


FILE = """
[network]
inputs = 2
layers = [ { units = 3, activation = "sigmoid" }, { units = 2, activation = "softmax" } ]
loss = "cross_entropy"
"""


@pytest.fixture
def load(tmp_path):
    """The network of a file with goals."""

    def loaded(goals):
        path = tmp_path / "net.toml"
        path.write_text(f"{FILE}\n[goals]\n{goals}\n")
        return sb.load(path)

    return loaded


def test_the_network_file_may_ask(load):
    """`[goals]` is asked of every page; what is given with the call stands in its place."""
    net = load('wrt = ["w_212", "W1"]')
    page = "∂L/∂w_212 = (ŷ_1 - y_1) h_12"
    found = [(goal.name, goal.answer.value) for goal in sb.check(page, net).goals]
    assert found == [("w_212", "answered"), ("W1", "not answered")]
    assert answers(page, "w_211", net=net) == ["not answered"]
    assert sb.check(page, net, goals=[]).goals == ()
    assert net.derive("w_212").path_count == 2


@pytest.mark.parametrize(
    ("goals", "told"),
    [
        ('wrt = "w_212"', '[goals] wrt: "w_212" given, expected a list of names such as ["w_212"'),
        ("wrt = []", "[goals] wrt: an empty list given, expected a list of names"),
        ("", "[goals]: wrt is missing, expected a list of names"),
        ('for = ["w_212"]', "[goals] for: unknown key, expected one of wrt"),
        ("wrt = [3]", '[goals] wrt[1]: 3 given, expected a name such as "w_212"'),
        ('wrt = ["w_212", "w_912"]', "[goals] wrt[2]: there is no w_912; the network has layers 1"),
        ('wrt = ["L"]', "[goals] wrt[1]: L is what is differentiated; name a weight"),
    ],
)
def test_what_is_no_goal_is_told(load, goals, told):
    """The file, the place, what was given and what was expected, whatever command reads it."""
    with pytest.raises(SpecError) as caught:
        load(goals)
    assert "net.toml: " + told in str(caught.value)


def test_goals_that_are_not_there():
    """An unknown name is said at once."""
    with pytest.raises(UnknownName, match="w_912"):
        sb.check("", SOFTMAX, goals=["w_912"])


def test_an_autograder_asks_for_the_goals():
    """`assert_derivation` fails where one is not answered to the end."""
    half = "∂L/∂w_212 = ∂L/∂a_21 h_12"
    sb.assert_derivation(half, SOFTMAX)
    with pytest.raises(AssertionError, match="by w_212 is partly"):
        sb.assert_derivation(half, SOFTMAX, goals=["w_212"])
    sb.assert_derivation(f"{half} = (ŷ_1 - y_1) h_12", SOFTMAX, goals=["w_212"])
