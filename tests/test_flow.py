r"""The flow of a page: chains, asides, lines that go on, given values, words of other hands.

Each page stands with the verdicts of its claims, in their order, words left out: P proved, C
conditional, R refuted, F follows, U undecided, N not read, T supposed.  Every kind of page stands
here twice at least, right and with a mistake: what is right is never blamed, and a mistake is not
called right.
"""

from __future__ import annotations

import pytest

import symback as sb

SOFTMAX = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
ONE = sb.Network(2, [(3, "sigmoid"), (1, "sigmoid")], loss="squared_error")
RELU = sb.Network(2, [(3, "relu"), (2, "softmax")], loss="cross_entropy")

SIGNS = {"proved": "P", "conditional": "C", "refuted": "R", "follows": "F",
         "undecided": "U", "unread": "N", "text": "T"}  # fmt: skip


def verdicts(text: str, net: sb.Network = SOFTMAX, **more: object) -> str:
    """The verdicts of what is read, a letter each."""
    lines = sb.check(text, net, **more).lines
    return "".join(SIGNS[each.verdict.value] for each in lines if each.verdict.value != "text"
                   or "a value that the page gives" in each.reason)  # fmt: skip


W212, W111 = r"\frac{\partial L}{\partial w_{212}}", r"\frac{\partial L}{\partial w_{111}}"
A21, B21 = r"\frac{\partial L}{\partial a_{21}}", r"\frac{\partial L}{\partial b_{21}}"
PATHS = r"[(\hat y_1-y_1) w_{211} + (\hat y_2-y_2) w_{221}]"
TEXT_PATHS = "[(ŷ_1-y_1) w_211 + (ŷ_2-y_2) w_221]"


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        # in text, display by display, in align, across words
        ("∂L/∂w_212\n= ∂L/∂a_21 · ∂a_21/∂w_212\n= (ŷ_1 - y_1) h_12", "PP"),
        ("∂L/∂w_212\n= ∂L/∂a_21 · ∂a_21/∂w_212\n= (y_1 - ŷ_1) h_12", "PR"),
        ("∂L/∂w_212\n= (ŷ_1 - y_1) h_11", "R"),
        (f"$${W212}$$\n$$= (\\hat y_1 - y_1) h_{{12}}$$", "P"),
        (f"$${W212}$$\n$$= (\\hat y_1 + y_1) h_{{12}}$$", "R"),
        ((rf"\begin{{align}} & {W212} \\ &= {A21} h_{{12}} \\ &= (\hat y_1 - y_1) h_{{12}}"
         r" \end{align}"), "PP"),
        ((f"The gradient is\n$${W212}$$\nwhich by the chain rule becomes\n"
         f"$$= {A21} h_{{12}}.$$\nSo we get\n$$= (\\hat y_1 - y_1) h_{{12}}$$"), "PP"),
        # an older chain above is not gone on with
        ("∂L/∂a_21 = ŷ_1 - y_1\n∂L/∂w_212\n= (ŷ_1 - y_1) h_12", "PP"),
        ("∂L/∂a_21 = ŷ_1 - y_1\n∂L/∂w_212\n= ŷ_1 - y_1", "PR"),
        ((f"$${A21} = \\hat y_1 - y_1$$\nNow for ${W212}$ we get\n"
         "$$= (\\hat y_1 - y_1) h_{12}$$"), "PP"),
        ("∂L/∂a_21 = ŷ_1 - y_1\nh_12\n= σ(a_12)", "PP"),
        # what a chain begins with could not be read: nothing below is wrong
        ((f"$${A21} = \\hat y_1 - y_1$$\n$$\\frac{{\\partial L}}{{\\strange w_{{212}}}}$$\n"
         "$$= (\\hat y_1 - y_1) h_{12}$$"), "PNU"),
        ("∂L/∂a_21 = ŷ_1 - y_1\n∂L/∂W_12^qq\n= (ŷ_1 - y_1) h_12", "PNU"),
    ],
)  # fmt: skip
def test_a_left_side_stands_alone(page, expected):
    assert verdicts(page) == expected


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (f"∂L/∂w_111 = {TEXT_PATHS}\n  * h_11 (1-h_11)\n  * x_1", "P"),
        (f"∂L/∂w_111 = {TEXT_PATHS}\n  * h_11 (1+h_11)\n  * x_1", "R"),
        (f"∂L/∂w_111 = {TEXT_PATHS}\n   h_11 (1-h_11) x_1", "P"),
        (f"∂L/∂w_111 = {TEXT_PATHS}\n   h_11 (1-h_11)", "R"),
        ("∂L/∂a_21 = ŷ_1\n  - y_1", "P"),
        ("∂L/∂a_21 = ŷ_1\n  - y_2", "R"),
        ((rf"\begin{{multline}} {W111} = {PATHS} \\ \times h_{{11}} (1-h_{{11}}) \\ x_1"
         r"\end{multline}"), "P"),
        ((rf"\begin{{multline}} {W111} = {PATHS} \\ \times h_{{11}} (1-h_{{11}}) \\ x_2"
         r"\end{multline}"), "R"),
        ((rf"\begin{{align}} {W111} &= {PATHS} \\ &\qquad h_{{11}} (1-h_{{11}}) x_1 \\"
         rf" &= h_{{11}} (1-h_{{11}}) x_1 {PATHS} \end{{align}}"), "PP"),
        (rf"\begin{{align}} {W111} &= {PATHS} \\ &\qquad h_{{11}} (1+h_{{11}}) x_1 \end{{align}}",
         "R"),
        ((rf"$${W111} = {PATHS}$$" "\n" r"$$\times h_{11} (1-h_{11}) x_1$$"), "P"),
        # right without the row below, wrong with it, and the row may go on
        (rf"\begin{{align}} {A21} &= \hat y_1 - y_1 \\ &\qquad h_{{11}} \end{{align}}", "U"),
        # a dash is a minus or a bullet
        ("∂L/∂a_21 = ŷ_1\n- y_1 = -(y_1 - ŷ_1)", "PN"),
        ("The results:\n- ∂L/∂a_21 = ŷ_1 - y_1\n- ∂L/∂a_22 = ŷ_2 - y_2", "PP"),
        ("The results:\n* ∂L/∂a_21 = ŷ_1 - y_1\n* ∂L/∂a_22 = y_2 - ŷ_2", "PR"),
    ],
)  # fmt: skip
def test_a_line_goes_on_below(page, expected):
    assert verdicts(page) == expected


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("∂L/∂b_21 = ∂L/∂a_21 · ∂a_21/∂b_21, ∂a_21/∂b_21 = 1\n= ŷ_1 - y_1", "PPP"),
        ("∂L/∂b_21 = ∂L/∂a_21 · ∂a_21/∂b_21, ∂a_21/∂b_21 = 1\n= y_1 - ŷ_1", "PPR"),
        ("∂L/∂w_212 = ∂L/∂a_21 · ∂a_21/∂w_212 where ∂a_21/∂w_212 = h_12\n= (ŷ_1 - y_1) h_12",
         "PPP"),
        ("Since ∂a_21/∂w_212 = h_12, ∂L/∂w_212 = ∂L/∂a_21 h_12\n= (ŷ_1 - y_1) h_12", "PPP"),
        ("∂L/∂w_212 = ∂L/∂a_21 · h_12 and ∂L/∂a_21 = ŷ_1 - y_1\nso = (ŷ_1 - y_1) h_12", "PPP"),
        ("∂L/∂b_21 = ∂L/∂a_21 · 1   (using ∂a_21/∂b_21 = 1)\n= ŷ_1 - y_1", "PP"),
        ((rf"\begin{{align}} {B21} &= {A21} \cdot 1 && \frac{{\partial a_{{21}}}}"
         r"{\partial b_{21}} = 1 \\ &= \hat y_1 - y_1 \end{align}"), "PPP"),
        ((rf"\begin{{align}} {B21} &= {A21} \cdot 1 && (\text{{since }} \frac{{\partial a_{{21}}}}"
         r"{\partial b_{21}} = 1) \\ &= \hat y_1 - y_1 \end{align}"), "PP"),
        # an aside on a line of its own
        ("∂L/∂b_21 = ∂L/∂a_21 · ∂a_21/∂b_21\nwhere ∂a_21/∂b_21 = 1\n= ŷ_1 - y_1", "PPP"),
        ("∂L/∂b_21 = ∂L/∂a_21 · ∂a_21/∂b_21\nwhere ∂a_21/∂b_21 = 1\n= ŷ_1 + y_1", "PPR"),
        # it may go on from either: nobody is blamed
        ("∂L/∂b_21 = ∂L/∂a_21 · ∂a_21/∂b_21\n∂a_21/∂b_21 = 1\n= ŷ_1 - y_1", "PPU"),
        ("∂L/∂a_21 = ŷ_1 - y_1, ∂L/∂a_22 = ŷ_2 - y_2\n= -(ŷ_1 - y_1)", "PPU"),
        # two columns
        ((rf"\begin{{align}} {B21} &= {A21} & h_{{11}} &= \sigma(a_{{11}}) \\ &= \hat y_1 - y_1 &"
         r" &= \frac{1}{1+e^{-a_{11}}} \end{align}"), "PPPP"),
        # a step of gradient descent stays one
        (("w_212 ← w_212 - η ∂L/∂w_212, ∂L/∂w_212 = (ŷ_1 - y_1) h_12\n"
         "= w_212 - η (ŷ_1 - y_1) h_12"), "PPP"),
    ],
)  # fmt: skip
def test_an_aside_does_not_take_over(page, expected):
    assert verdicts(page) == expected


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("y_1 = 1, y_2 = 0\n∂L/∂a_21 = ŷ_1 - 1\n∂L/∂a_22 = ŷ_2\n∂L/∂a_22 = ŷ_2 - 1", "TTCCR"),
        ("Suppose the true class is 1.\n∂L/∂a_21 = ŷ_1 - 1\nL = -log ŷ_1", "TCC"),
        ("Suppose the true class is 1.\n∂L/∂a_22 = ŷ_2 - 1\nL = -log ŷ_2", "TRR"),
        ("y = [1, 0]^T\n∂L/∂a_21 = ŷ_1 - 1\n∂L/∂a_22 = ŷ_2 - 1", "TCR"),
        ("Let the target be y = (1, 0).\n∂L/∂a_21 = ŷ_1 - 1", "TC"),
        (("Let $y = \\begin{bmatrix}1\\\\0\\end{bmatrix}$. Then\n"
         f"$${A21} = \\hat y_1 - 1$$\n$${A21} = \\hat y_1$$"), "TCR"),
        ("label: 2\n∂L/∂a_22 = ŷ_2 - 1\n∂L/∂a_21 = ŷ_1", "TCC"),
        ("The true label is class 2 (y_2 = 1).\n∂L/∂a_22 = ŷ_2 - 1", "TTC"),
        ("y is one-hot with y_1 = 1.\n∂L/∂a_22 = ŷ_2", "TC"),
        ("α = 0.1\nw_212 ← w_212 - α ∂L/∂w_212\nw_212 ← w_212 - 0.1 ∂L/∂w_212", "PC"),
        ("With learning rate η = 0.5:\nw_212 ← w_212 - 0.5 (ŷ_1 - y_1) h_12", "TC"),
        ("The learning rate is 0.5.\nw_212 := w_212 + 0.5 (ŷ_1 - y_1) h_12", "TR"),
        ("x = [1, 2]^T\n∂L/∂w_112 = 2 ∂L/∂a_11\n∂L/∂w_112 = 3 ∂L/∂a_11", "TCR"),
        ("w_211 = 0.5\n∂L/∂h_11 = 0.5 (ŷ_1 - y_1) + (ŷ_2-y_2) w_221", "TC"),
        ("Given b_11 = 0:\na_11 = w_111 x_1 + w_112 x_2", "TC"),
        ("The target is y_1 = 1, y_2 = 0.\n∂L/∂a_21 = ŷ_1 - 1", "TTC"),
        ("Take W_2 = [[1, 0, 0], [0, 1, 0]].\n∂L/∂h_11 = ŷ_1 - y_1\n∂L/∂h_13 = 0", "TCC"),
        ("With x = 0, ∂L/∂w_111 = 0", "TC"),
        ("If y_1 = 1:\n∂L/∂a_21 = ŷ_1 - 1\nIf y_2 = 1:\n∂L/∂a_21 = ŷ_1", "PP"),
        ("If y_2 = 1:\n∂L/∂a_21 = ŷ_1 - 1", "R"),
        ("Case 1: y_1 = 1\n∂L/∂a_21 = ŷ_1 - 1\nCase 2: y_1 = 0\n∂L/∂a_21 = ŷ_1", "TCTC"),
        # what is given and not understood blames nobody
        ("Let the target be y = (1, 0, 0).\n∂L/∂a_21 = ŷ_1 - 1", "UU"),
        ("Suppose the true class is 7.\n∂L/∂a_21 = ŷ_1 - 1", "U"),
        ("Suppose w_211 = w_221. Then ∂L/∂h_11 = 0", "NU"),
    ],
)  # fmt: skip
def test_given_values_are_supposed(page, expected):
    assert verdicts(page) == expected


def test_given_values_of_one_output():
    page = "x = (1, 2), y = 1, η = 0.1\n∂L/∂ŷ = 2(ŷ - 1)\nw_111 = w_111 - 0.1 · ∂L/∂w_111"
    assert verdicts(page, ONE) == "TTTCC"
    assert verdicts(page.replace("2(ŷ - 1)", "2 ŷ"), ONE) == "TTTRC"


OTHER = (
    r"If $i \neq j$:"
    "\n"
    r"\begin{align} \frac{\partial \hat y_i}{\partial a_{2j}}"
    r"&= -\frac{e^{a_{2i}} e^{a_{2j}}}{(\sum_k e^{a_{2k}})^2} \\"
    r"&= -\frac{e^{a_{2i}}}{\sum_k e^{a_{2k}}} \cdot \frac{e^{a_{2j}}}{\sum_k e^{a_{2k}}} \\"
)


@pytest.mark.parametrize(
    ("page", "net", "expected"),
    [
        ("∂L/∂a_21 = ŷ_1 - 1 if y_1 = 1\n∂L/∂a_22 = ŷ_2 - y_2\n∂L/∂a_21 = ŷ_1 - 1", SOFTMAX, "PPR"),
        ("∂h_11/∂a_11 = 1 if a_11 > 0\n∂h_12/∂a_12 = 1", RELU, "PR"),
        ("Assume a_11 > 0 and a_12 < 0.\nh_11 = a_11\nh_12 = 0", RELU, "CC"),
        ("Assume a_11 > 0 and a_12 < 0.\nh_11 = 0\nh_13 = 0", RELU, "RR"),
        ("h_11 = a_11 (as a_11 > 0)\nh_12 = a_12", RELU, "PR"),
        ("Since y_1 = 1, ∂L/∂a_21 = ŷ_1 - 1", SOFTMAX, "TC"),
        (("$\\frac{\\partial \\hat y_i}{\\partial a_{2j}} = \\hat y_i(1-\\hat y_i)$ if $i = j$ and "
         "$-\\hat y_i\\hat y_j$ if $i\\neq j$.\n\n∂L/∂a_2i = ŷ_i - y_i"), SOFTMAX, "PP"),
        ("∂L/∂w_2ij = (ŷ_i - y_i) h_1j for i = 1, 2", SOFTMAX, "P"),
        # to the whole of its chain
        (OTHER + r"&= -\hat y_i \hat y_j \end{align}", SOFTMAX, "PPP"),
        (OTHER + r"&= \hat y_i \hat y_j \end{align}", SOFTMAX, "PPR"),
    ],
)  # fmt: skip
def test_a_condition_belongs_to_its_claim(page, net, expected):
    assert verdicts(page, net) == expected


RIGHT = r"\hat y_1 - y_1"


@pytest.mark.parametrize(
    "page",
    [
        # environments
        r"\begin{{array}}{{rcl}} \frac{{\partial L}}{{\partial a_{{21}}}} & = & {0} \end{{array}}",
        (
            r"\begin{{eqnarray}} \frac{{\partial L}}{{\partial a_{{21}}}} &=& {0} \nonumber"
            r"\end{{eqnarray}}"
        ),
        (
            r"\begin{{IEEEeqnarray}}{{rCl}} \frac{{\partial L}}{{\partial a_{{21}}}} &=& {0}"
            r"\IEEEyesnumber \end{{IEEEeqnarray}}"
        ),
        r"$$\begin{{array}}{{ll}} \frac{{\partial L}}{{\partial a_{{21}}}} &= {0} \end{{array}}$$",
        # derivatives
        r"$$\pdv{{L}}{{a_{{21}}}} = {0}$$",
        r"$$\pdv{{a_{{21}}}} L = {0}$$",
        r"$$\partialderivative{{L}}{{a_{{21}}}} = {0}$$",
        r"$$\frac{{\mathrm d L}}{{\mathrm d a_{{21}}}} = {0}$$",
        r"$${{\partial L \over \partial a_{{21}}}} = {0}$$",
        (
            r"\newcommand{{\pd}}[2]{{\frac{{\partial #1}}{{\partial #2}}}}"
            r"$$\pd{{L}}{{a_{{21}}}} = {0}$$"
        ),
        # the loss and spaces
        r"$$\frac{{\partial {{\cal L}}}}{{\partial a_{{21}}}} = {0}$$",
        r"$$\frac{{\partial \ell}}{{\partial a_{{21}}}} = {0}$$",
        r"$$\frac{{\partial \text{{Loss}}}}{{\partial a_{{21}}}} = {0}$$",
        r"$$\frac{{\partial\,L\space}}{{\partial\;a_{{21}}}}\!=\!{0}\hspace{{2pt}}$$",
        r"$$\frac{{\partial L}}{{\partial a_{{21}}}} = \big({0}\big) \tag{{3}}$$",
        # colours, boxes, cancelled factors
        r"$$\frac{{\partial L}}{{\partial a_{{21}}}} = \colorbox{{yellow}}{{${0}$}}$$",
        r"$$\frac{{\partial L}}{{\partial a_{{21}}}} = \textcolor{{blue}}{{{0}}}$$",
        r"$$\boxed{{\frac{{\partial L}}{{\partial a_{{21}}}} = {0}}}$$",
        (
            r"$$\frac{{\partial L}}{{\cancel{{\partial a_{{21}}}}}}"
            r"\frac{{\cancel{{\partial a_{{21}}}}}}{{\partial b_{{21}}}} = {0}$$"
        ),
        # bars
        r"$$\left.\frac{{\partial L}}{{\partial a_{{21}}}}\right|_{{y_1 = 1}} = {0} + y_1 - 1$$",
        # numbers of equations
        "$$\\frac{{\\partial L}}{{\\partial a_{{21}}}} = {0} \\qquad (3)$$",
        # mathematics in odd places
        "We get $\\frac{{\\partial L}}{{\\partial a_{{21}}}}\n = {0}$ and so on.",
        "The gradient is $$\\frac{{\\partial L}}{{\\partial a_{{21}}}} = {0}$$ at the output.",
        "- $\\frac{{\\partial L}}{{\\partial a_{{21}}}} = {0}$\n- and so on",
        "> 1. $\\frac{{\\partial L}}{{\\partial a_{{21}}}} = {0}$",
    ],
)
def test_latex_of_other_hands(page):
    """Right pages are proved; with the wrong sign they are refuted."""
    assert verdicts(page.format(RIGHT)) == "P"
    assert verdicts(page.format(r"\hat y_1 + y_1")) == "R"


@pytest.mark.parametrize(
    "page",
    [
        "∂L/∂a<sub>21</sub> = ŷ<sub>1</sub> {0} y<sub>1</sub><br>",
        "<p>∂L/∂a_21&nbsp;=&nbsp;ŷ_1 {0} y_1</p>",
        "<li>∂L/∂a_21 = &ycirc;_1 {0} y_1</li>",
        "𝜕𝐿/𝜕𝑎₂₁ = 𝑦̂₁ {0} 𝑦₁",
        "∂ L / ∂ a_21 = ŷ_1 {0} y_1",
        "∂L/∂a\u2060_21 = ŷ_1\u200b {0} y_1",
        "∂L⁄∂a_21 = ŷ_1 {0} y_1",
        "∂L/∂a\\_21 = 1 \\* ŷ\\_1 {0} y\\_1",
        "`∂L/∂a_21 = ŷ_1 {0} y_1`",
        "**∂L/∂a_21 = ŷ_1 {0} y_1**",
        "**Answer:** ∂L/∂a_21 = ŷ_1 {0} y_1",
        "Let's see: ∂L/∂a_21 = ŷ_1 {0} y_1",
        "1. ∂L/∂a_21 = ŷ_1 {0} y_1",
        "Step 4: ∂L/∂a_21 = ŷ_1 {0} y_1",
        "∂L/∂a_21 = ŷ_1 {0} y_1   (eq. 3)",
        "The results:\n+ ∂L/∂a_21 = ŷ_1 {0} y_1",
        "∂L/∂a_2i = ŷ_i {0} y_i for i = 1, 2",
    ],
)
def test_copied_text(page):
    """HTML, Unicode and Markdown of copied pages; with the wrong sign they are refuted."""
    assert verdicts(page.format("-")) == "P"
    assert verdicts(page.format("+")) == "R"


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (r"$$\frac{\partial L}{\partial a_{2k}} = \hat y_k - \mathbb 1(y=k)$$", "P"),
        (r"$$\frac{\partial L}{\partial a_{2k}} = \hat y_k - \mathbb{1}\{y=k\}$$", "P"),
        (r"$$\frac{\partial L}{\partial a_{2k}} = \hat y_k + \mathbb{1}\{y=k\}$$", "R"),
        (r"$$\hat y_1(1-\hat y_1) = \hat y_1 \sum_{\substack{j \\ j \neq 1}} \hat y_j$$", "P"),
        (r"$$\hat y_1(1-\hat y_1) = \hat y_1 \sum_{\substack{j \\ j \neq 2}} \hat y_j$$", "R"),
        (r"$$a_{21} = b_{21} + \sum\limits_{j=1}^{3} w_{21j} h_{1j}$$", "P"),
        ("∂L/∂w_212 ∝ h_12", "N"),
        ("∂L/∂a_21 = ŷ_1 - y_1  (1)\n∂L/∂w_212 = (ŷ_1 - y_1) h_12  (2)", "PP"),
        ("∂L/∂a_21 = ŷ_1 - y_1  (7)\n∂L/∂w_212 = (ŷ_1 - y_1) h_12  (2)", "NN"),
        ("Step 1: ∂L/∂a_21 = ŷ_1 - y_1\n+ ∂L/∂b_21 = ŷ_1 - y_1", "PP"),
    ],
)
def test_signs_of_other_hands(page, expected):
    assert verdicts(page) == expected


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("∂L/∂a_21 is ŷ_1 - y_1", "P"),
        ("∂L/∂a_21 equals y_1 - ŷ_1.", "R"),
        ("The derivative ∂L/∂a_21 is then ŷ_1 - y_1.", "P"),
        ("The derivative $\\frac{\\partial L}{\\partial a_{21}}$ equals $\\hat y_1 - y_1$.", "P"),
        ("The derivative $\\frac{\\partial L}{\\partial a_{21}}$ is $\\hat y_1 + y_1$.", "R"),
        ("∂ŷ_i/∂a_2j is ŷ_i(1 - ŷ_i) for i = j", "P"),
        # words that change what is equal: not judged
        ("The sum of ∂L/∂a_21 and ∂L/∂a_22 is 0.", ""),
        ("The negative of ∂L/∂a_21 is y_1 - ŷ_1.", ""),
        ("The gradient with respect to $w_{212}$ is $(\\hat y_1 - y_1) h_{12}$.", ""),
        ("∂L/∂w_212 is ∂L/∂a_21 times h_12.", ""),
        ("h_12 is positive", ""),
        ("W_2 is 2 × 3", ""),
    ],
)
def test_is_and_equals(page, expected):
    """An equation in words is a claim; with other words around it, it is none."""
    assert verdicts(page) == expected


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        # words that name a left side: what follows goes on from no older chain
        ("∂L/∂a_21 = ŷ_1 - y_1\ngradient = (ŷ_1 - y_1) h_11", "PN"),
        ("$$h_{11} = \\sigma(a_{11})$$\n$$\\text{Foo}(a_{11}) = 3$$\n$$= 3$$", "PNU"),
        ("$$h_{11} = \\sigma(a_{11})$$\n$$\\text{so } = \\frac{1}{1+e^{-a_{11}}}$$", "PP"),
        ("∂L/∂a_21 = ŷ_1 - y_1\nNow the gradient of the first weight:\n= (ŷ_1 - y_1) h_11", "PU"),
        ("∂L/∂a_21 = ŷ_1 - y_1\nSubstituting\n= ŷ_1 + y_1", "PR"),
    ],
)
def test_words_name_a_left_side(page, expected):
    assert verdicts(page) == expected


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("δ_2 = ŷ - y (2×1)\n∂L/∂W_2 = δ_2 h_1^T   (2×3)", "PP"),
        ("∂L/∂W_2 = δ_2 h_1^T   (3×2)", "U"),
        ("∂L/∂W_2 = h_1 δ_2^T   (2×3)", "R"),
        ("δ_2 = ŷ - y ∈ ℝ^2", "P"),
        ("$$\\delta_2 = \\hat y - y \\in \\mathbb{R}^{2 \\times 1}$$", "P"),
        ("$$\\delta_2 = \\hat y - y \\in \\mathbb{R}^{3 \\times 1}$$", "U"),
        ("$W_1 \\in \\mathbb{R}^{3\\times 2}$\nW_2.shape = (2, 3)\nh_1 ∈ ℝ^3", ""),
        ("$W_1 \\in \\mathbb{R}^{2\\times 3}$", "U"),
        (
            (
                "$$\\underbrace{\\frac{\\partial L}{\\partial W_2}}_{2\\times 3} = "
                "\\underbrace{\\delta_2}_{2\\times 1} \\underbrace{h_1^T}_{1\\times 3}$$"
            ),
            "P",
        ),
        ("W_1: 3x2", ""),
        # a factor is no shape
        ("∂L/∂a_21 = (ŷ_1 - y_1) (2/2)", "P"),
    ],
)
def test_shapes_are_remarks_and_checked(page, expected):
    assert verdicts(page) == expected


TABLE = (
    "| what | derivative |\n|---|---|\n| output | ∂L/∂a_21 = ŷ_1 {0} y_1 |\n| other | $h_{{12}}$ |"
)


def test_cells_of_tables_are_read_by_themselves():
    assert verdicts(TABLE.format("-")) == "P"
    assert verdicts(TABLE.format("+")) == "R"
    assert verdicts("| |x_1| = |x_1| |") in ("", "N", "P")
