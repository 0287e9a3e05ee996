"""Lemmas in a free variable, and the functions that a page defines itself.

A lemma that holds for every number is proved, one that does not is refuted with a number, and
what may hold for some numbers, or of another function, is neither.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import symback as sb
from symback.checking.report import LineReport

SIGMOID = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
TANH = sb.Network(2, [(3, "tanh"), (2, "softmax")], loss="cross_entropy")
ONE = sb.Network(1, [(1, "sigmoid")], loss="binary_cross_entropy")


def lines(text: str, net: sb.Network = SIGMOID) -> list[LineReport]:
    """What is said of a page in the lectures' letters."""
    return list(sb.check(text, net, notation="lectures").lines)


def verdicts(text: str, net: sb.Network = SIGMOID) -> list[str]:
    """The verdicts of all that is no text."""
    found = [line.verdict.value for line in lines(text, net)]
    return [verdict for verdict in found if verdict != "text"]


RIGHT = [
    "σ'(x) = σ(x)(1-σ(x))",
    "σ'(z) = σ(z)(1 - σ(z))",
    "σ' = σ(1-σ)",
    r"$\sigma' = \sigma - \sigma^2$",
    "dσ/dz = σ(1-σ)",
    r"$\sigma'(z) = \frac{d\sigma}{dz} = \sigma(1-\sigma)$",
    "σ'(x) = σ(1-σ)",
    "σ(1-σ) = σ'(x)",
    "tanh'(z) = (1-tanh)(1+tanh)",
    "dσ/dz = σ(z)(1-σ(z))",
    r"$\frac{d\sigma(z)}{dz} = \sigma(z)(1-\sigma(z))$",
    r"$\frac{d\sigma}{dx} = \frac{e^{-x}}{(1+e^{-x})^2}$",
    r"$\frac{d}{dx}\sigma(x) = \frac{d}{dx}(1+e^{-x})^{-1} = \frac{e^{-x}}{(1+e^{-x})^2}$",
    r"$\frac{\mathrm{d}}{\mathrm{d}x}\sigma(x) = \sigma(x)\left(1-\sigma(x)\right)$",
    "d/dx (1+e^{-x})^{-1} = -(1+e^{-x})^{-2}·(-e^{-x})",
    "σ(x) = 1/(1+e^{-x})",
    "1 - σ(x) = σ(-x)",
    "tanh(z) = 2σ(2z) - 1",
    "tanh'(z) = 1 - tanh²(z)",
    "tanh' = 1 - tanh²",
    r"$\tanh'(x) = \operatorname{sech}^2(x)$",
    r"$\frac{d}{dx}\tanh x = 1 - \tanh^2 x$",
    "ReLU(z) = max(0, z)",
    "ReLU'(z) = 1[z>0]",
    "ReLU'(z) = 1 for z > 0",
    "ReLU'(z) = {1 if z > 0; 0 otherwise}",
    r"$\text{ReLU}'(z) = \begin{cases} 1 & z > 0 \\ 0 & z \le 0 \end{cases}$",
    "softplus'(z) = σ(z)",
    "softplus' = σ",
    r"$\frac{d}{dz}\log(1+e^z) = \frac{e^z}{1+e^z} = \sigma(z)$",
    "g'(z) = g(z)(1-g(z))",
    "dg/dz = g(1-g)",
    "f'(x) = f(x)(1-f(x))",
    "∂ log x/∂x = 1/x",
    "∂/∂z log z = 1/z",
    "d/dx ln x = 1/x",
    "(log x)' = 1/x",
    "$(e^x)' = e^x$",
    "d/dx x^2 = 2x",
    "σ'(a) = σ(a)(1-σ(a))",
    "σ'(0) = 1/4",
]


@pytest.mark.parametrize("text", RIGHT)
def test_what_holds_for_every_number_is_proved(text):
    assert verdicts(text) == ["proved"]


WRONG = [
    "σ'(x) = σ(x)(1+σ(x))",
    "σ'(z) = σ(z)(1 - z)",
    "σ' = σ(1+σ)",
    "σ' = 1 - σ²",
    "dσ/dz = σ'(1-σ)",
    r"$\frac{d\sigma(z)}{dz} = -\sigma(z)(1-\sigma(z))$",
    r"$\frac{d}{dx}\sigma(x) = \frac{e^{-x}}{(1+e^{-x})}$",
    "d/dx (1+e^{-x})^{-1} = (1+e^{-x})^{-2}·(-e^{-x})",
    "σ(x) = 1/(1+e^{x})",
    "1 - σ(x) = -σ(x)",
    "tanh'(z) = 1 - tanh(z)",
    "tanh' = 1 + tanh²",
    "ReLU'(z) = z 1[z>0]",
    "ReLU'(z) = 0 for z > 0",
    r"$\text{ReLU}'(z) = \begin{cases} 0 & z > 0 \\ 1 & z \le 0 \end{cases}$",
    "softplus'(z) = 1 - σ(z)",
    "softplus' = tanh",
    "g'(z) = g(z)(1+g(z))",
    "dg/dz = g",
    "∂ log x/∂x = x",
    "d/dx x^2 = x",
    "(e^x)' = x e^x",
]


@pytest.mark.parametrize("text", WRONG)
def test_what_does_not_is_refuted_with_a_number(text):
    (line,) = [each for each in lines(text) if each.verdict.value != "text"]
    assert line.verdict.value == "refuted"
    assert line.witness is not None
    assert line.witness.values


LEFT_OPEN = [
    ("σ(z) = 1/2", SIGMOID),  # so for z = 0
    ("e^x = 2", ONE),
    ("f'(x) = 2x", SIGMOID),  # f may be x²
    ("tanh'(z) = 0.42", SIGMOID),
    ("σ'(z) = 1 - σ(z)²", TANH),  # σ may be the network's tanh
    ("The logistic function has g'(z) = g(z)(1-g(z)).", TANH),
    ("σ'(z) = a(1-a)", SIGMOID),
    ("f(x) = σ(w x + b)", SIGMOID),
    ("σ'(0) = σ(1-σ)", SIGMOID),
]


@pytest.mark.parametrize(("text", "net"), LEFT_OPEN)
def test_what_may_be_so_is_neither(text, net):
    assert set(verdicts(text, net)) <= {"undecided", "unread"}


def test_a_chain_goes_on_in_the_same_variable():
    chain = [
        r"$\frac{d\sigma}{dx} = \sigma(x)(1-\sigma(x))$",
        r"$= \frac{e^{-x}}{(1+e^{-x})^2}$",
        r"$= \frac{e^{-x}}{(1+e^{-x})^3}$",
        "$= h_{11}(1-h_{11})$",
    ]
    assert verdicts("\n".join(chain)) == ["proved", "proved", "refuted", "undecided"]


DEFINED = [
    ("f(u) = u(1-u)\n∂h_11/∂a_11 = f(h_11)", ["proved"]),
    ("f(u) = u(1-u)\n∂h_11/∂a_11 = f(h_12)", ["refuted"]),
    ("f(u) = u(1-u)\nf'(u) = 1 - 2u", ["proved"]),
    ("f(u) = u(1-u)\nf'(x) = 1 - 2x", ["proved"]),
    ("f(u) = u(1-u)\nf'(u) = 1 - u", ["refuted"]),
    ("s(z) = 1/(1+e^{-z})\nh_11 = s(a_11)\n∂h_11/∂a_11 = s'(a_11)", ["proved"] * 2),
    ("s(z) = 1/(1+e^{-z})\nh_1 = s(a_1)", ["proved"]),
    ("s(z) = 1/(1+e^{-z})\nh_11 = s(a_12)", ["refuted"]),
    ("f(u) = f(u) + 1\n∂h_11/∂a_11 = f(h_11)", ["unread", "undecided"]),
    ("f(u) = e(u) + 1\nf(u) = u\nf'(u) = 1", ["unread", "proved"]),
]


@pytest.mark.parametrize(("text", "expected"), DEFINED)
def test_a_function_that_the_page_defines_is_used_as_defined(text, expected):
    assert verdicts(text) == expected


def test_sigma_may_be_defined_where_no_layer_has_it():
    text = r"$\sigma(x) = \frac{1}{1+e^{-x}}$" + "\n" + r"$\sigma'(x) = \sigma(x)(1 %s \sigma(x))$"
    assert verdicts(text % "-", TANH) == ["proved"]
    assert verdicts(text % "+", TANH) == ["refuted"]
    assert verdicts("g(z) = 1/(1+e^{-z})\ng'(z) = g(z)(1-g(z))", TANH) == ["proved"]
    assert verdicts("g'(z) = g(z)(1-g(z))", TANH) == ["refuted"]


@pytest.mark.parametrize("line", ["a(z) = σ(z)", "ŷ(z) = σ(z)", r"$\hat y(z) = \sigma(z)$"])
def test_a_quantity_as_a_function_of_another_is_no_product(line):
    found = [each.verdict.value for each in sb.check(f"z = w x + b\n{line}", ONE).lines]
    assert found[0] == "proved"
    assert found[1] in ("unread", "text")


def test_a_lemma_answers_no_question():
    """A page of lemmas does not give the derivative that was asked for."""
    report = sb.check("σ'(x) = σ(x)(1-σ(x))\nd/dx x = 1", SIGMOID)
    assert report
    assert not report.reaches


LETTERS = st.sampled_from(["x", "z", "u", "t", "a", "h", "w", "s", "v", "ξ", "θ"])
LEMMAS = st.sampled_from(
    [
        ("σ'({v}) = σ({v})(1-σ({v}))", "σ'({v}) = σ({v})(1-{v})"),
        ("d/d{v} tanh({v}) = 1 - tanh({v})²", "d/d{v} tanh({v}) = 1 - tanh({v})"),
        (r"$\frac{{d e^{{2{v}}}}}{{d{v}}} = 2e^{{2{v}}}$", "(e^{{2{v}}})' = e^{{2{v}}}"),
        ("∂/∂{v} log({v}) = 1/{v}", "∂/∂{v} log({v}) = -1/{v}"),
        ("softplus({v}) - softplus(-{v}) = {v}", "softplus({v}) + softplus(-{v}) = {v}"),
        ("ReLU'({v}) = 1[{v} > 0]", "ReLU'({v}) = 1[{v} < 0]"),
    ]
)  # fmt: skip


@given(letter=LETTERS, lemma=LEMMAS, net=st.sampled_from([SIGMOID, TANH, ONE]))
def test_the_letter_does_not_matter(letter, lemma, net):
    """Also where it is a quantity of the network."""
    right, wrong = (each.format(v=letter) for each in lemma)
    assert verdicts(right, net) == ["proved"]
    assert verdicts(wrong, net) == ["refuted"]


# ------------------------------------------------------------------------------- several variables

SOFTMAX = r"$p_i = e^{z_i}/\sum_k e^{z_k}$" + "\n"
CASES = (
    r"$\frac{\partial p_i}{\partial z_j} = \begin{cases} p_i(1-p_i) & i = j \\ "
    r"%sp_i p_j & i \ne j \end{cases}$"
)


@pytest.mark.parametrize("net", [SIGMOID, TANH, ONE])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"$\frac{\partial p_i}{\partial z_j} = p_i(\delta_{ij} - p_j)$", "proved"),
        (r"$\frac{\partial p_i}{\partial z_j} = p_i(\delta_{ij} + p_j)$", "refuted"),
        (r"$\frac{\partial p_i}{\partial z_i} = p_i(1 - p_i)$", "proved"),
        (r"$\frac{\partial p_i}{\partial z_i} = p_i(1 + p_i)$", "refuted"),
        (r"$\frac{\partial p_i}{\partial z_j} = -p_i p_j$ for $i \ne j$", "proved"),
        (r"$\frac{\partial p_i}{\partial z_j} = p_i p_j$ for $i \ne j$", "refuted"),
        (r"$\frac{\partial (-\log p_k)}{\partial z_i} = p_i - \delta_{ik}$", "proved"),
        (r"$\frac{\partial (-\log p_k)}{\partial z_i} = p_i + \delta_{ik}$", "refuted"),
        (CASES % "-", "proved"),
        (CASES % "+", "refuted"),
        (r"$\frac{\partial p_1}{\partial z_2} = -p_1 p_2$", "proved"),
        (r"$\frac{\partial p_1}{\partial z_2} = -p_1 (1 - p_1)$", "undecided"),  # so for two
    ],
)  # fmt: skip
def test_a_softmax_of_the_pages_own_letters(text, expected, net):
    """Its width is nobody's: what holds for some widths only is not decided."""
    assert verdicts(SOFTMAX + text, net) == [expected]


def test_letters_that_also_stand_beside_the_network_stay_unknown():
    page = SOFTMAX + r"$\frac{\partial L}{\partial z_i} = p_i - y_i$"
    assert set(verdicts(page)) <= {"unread", "undecided"}
    page = SOFTMAX + r"$\frac{\partial p_i}{\partial z_i} = p_i(1-p_i)$" + "\n$L = p_1$"
    assert verdicts(page) == ["proved", "undecided"]
