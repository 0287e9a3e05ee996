r"""Macros of a page, and dots in a sum: written out where they are clear, refused elsewhere."""

from __future__ import annotations

import pytest

import symback as sb

NET = sb.Network(4, [(4, "sigmoid"), (2, "softmax")], loss="cross_entropy")
PARTIAL = "\\newcommand{\\pd}[2]{\\frac{\\partial #1}{\\partial #2}}\n"
BOMB = (
    r"\newcommand{\p}{\q\q\q\q\q\q\q\q}\newcommand{\q}{\r\r\r\r\r\r\r\r}"
    r"\newcommand{\r}{\s\s\s\s\s\s\s\s}\newcommand{\s}{x_1 x_1 x_1 x_1} $L = \p\p\p\p\p\p\p$"
)


def readings(page):
    """Verdict and reading of the lines that say something."""
    lines = sb.check(page, NET).lines
    return [(line.verdict.value, line.read_as) for line in lines if line.verdict.value != "text"]


@pytest.mark.parametrize(
    ("page", "reading"),
    [
        (PARTIAL + r"$\pd{L}{w_{212}} = \pd{L}{a_{21}}h_{12}$", "∂L/∂w_212 = ∂L/∂a_21·h_12"),
        (r"\newcommand{\yh}{\hat y} $a_{21} - \yh_1 = -(\yh_1 - a_{21})$",
         "a_21 - ŷ_1 = -(ŷ_1 - a_21)"),
        (r"\def\p#1#2{\frac{\partial #1}{\partial #2}} $\p L{b_{21}} = \p L{a_{21}}$",
         "∂L/∂b_21 = ∂L/∂a_21"),
        (r"\DeclareMathOperator{\sm}{softmax} $\hat y = \sm(a_2)$", "ŷ = softmax(a_2)"),
        (r"\renewcommand{\vec}[1]{\mathbf{#1}} $\vec a_1 = W_1 \vec x + \vec b_1$",
         "a_1 = W_1 x + b_1"),
    ],
)  # fmt: skip
def test_a_macro_is_written_out(page, reading):
    assert readings(page) == [("proved", reading)]


def test_places_are_those_of_the_page():
    """A wrong line behind macros is reported where it stands, in the words it is typed in."""
    page = PARTIAL + "\\begin{align}\n\\pd{L}{w_{212}} &= \\pd{L}{a_{21}} h_{21}\n\\end{align}"
    (wrong,) = (line for line in sb.check(page, NET).lines if line.verdict.value == "refuted")
    assert (wrong.line, wrong.source) == (3, r"\pd{L}{w_{212}} &= \pd{L}{a_{21}} h_{21}")


@pytest.mark.parametrize(
    "page",
    [
        r"\newcommand{\x}{\x\x} $\x = 1$",
        r"\newcommand{\x}{\z}\newcommand{\z}{\x} $L = \x$",
        BOMB,
    ],
)
def test_a_macro_that_grows_without_end_is_refused(page):
    (line,) = sb.check(page, NET).lines
    assert line.verdict.value == "unread"
    assert "grows without end" in line.reason


@pytest.mark.parametrize(
    "page",
    [
        r"a_{21} = w_{211}h_{11} + \cdots + w_{214}h_{14} + b_{21}",
        "a_21 = w_211·h_11 + w_212·h_12 + … + w_214·h_14 + b_21",
    ],
)
def test_dots_stand_for_the_terms_between(page):
    whole = "a_21 = w_211·h_11 + w_212·h_12 + w_213·h_13 + w_214·h_14 + b_21"
    assert readings(page) == [("proved", whole)]


@pytest.mark.parametrize(
    "page",
    [
        "a_21 = w_211 h_11 + w_213 h_13 + … + w_214 h_14 + b_21",  # steps of two
        "a_21 = w_211 h_12 + … + w_214 h_14 + b_21",  # two numbers run
        "a_21 = w_213 h_13 + … + w_214 h_14 + b_21",  # nothing between
        "a_21 = w_211 h_11 + … + b_21",  # other letters
        "a_21 = w_211 h_11 - … - w_214 h_14",
        "a_21 = w_211 h_11 + …",
        "a_21 = 1·h_11 + … + 4·h_14",  # a number that is no index
    ],
)
def test_dots_that_leave_something_open_are_refused(page):
    (line,) = sb.check(page, NET).lines
    assert line.verdict.value == "unread"
    assert "dots leave open" in line.reason


def test_a_built_in_command_keeps_its_meaning():
    r"""\frac given another meaning is refused; \epsilon drawn as \varepsilon is \epsilon still."""
    page = r"\renewcommand{\frac}[2]{#2 + #1} $\frac{x_1}{x_2} = x_2 + x_1$"
    (line,) = sb.check(page, NET).lines
    assert (line.verdict.value, "another meaning" in line.reason) == ("unread", True)
    page = r"\renewcommand{\epsilon}{\varepsilon} Let $\epsilon = 3$. $x_1 + \epsilon - 3 = x_1$"
    assert readings(page) == [("proved", "x_1 + ε - 3 = x_1")]


def test_a_logarithm_keeps_its_base():
    """log_2 is not the natural logarithm, log_e is."""
    loss = r"$$L = -\sum_i y_i \log_{%s} \hat y_i$$"
    verdicts = [readings(loss % base)[0][0] for base in ("e", "2", "10", "b")]
    assert verdicts == ["proved", "refuted", "refuted", "unread"]
