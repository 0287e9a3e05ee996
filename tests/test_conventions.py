"""A page says how it is to be read: letters, layers, order and layout are found from the page.

Each page is a person's, in the letters of a tradition; right lines are right in the letters that
the page is found to be in, and no other letters make a line with a mistake right.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

import symback as sb
from symback.checking.conventions import candidates, listed, signs_of
from symback.checking.letters import Scope

RIGHT, WRONG = {"proved", "conditional"}, {"refuted", "follows"}


@dataclass(frozen=True)
class Page:
    """A network, lines that are right, and for some of them what a student may write instead."""

    net: sb.Network
    lines: tuple[str, ...]
    mistakes: tuple[tuple[int, str], ...]

    def text(self, changed: int = -1, line: str = "") -> str:
        """The page, each line a display of its own."""
        lines = [line if k == changed else each for k, each in enumerate(self.lines)]
        return "\n\n".join(f"$${each}$$" for each in lines)


def network(inputs, layers, loss):
    return sb.Network(inputs, layers, loss=loss)


PAGES = {
    "logistic regression": Page(
        network(3, [(1, "sigmoid")], "binary_cross_entropy"),
        (
            r"z = w^T x + b", r"a = \sigma(z)", r"L = -y \log a - (1-y)\log(1-a)",
            r"\frac{\partial L}{\partial a} = -\frac{y}{a} + \frac{1-y}{1-a}",
            r"\frac{\partial a}{\partial z} = a(1-a)", r"\frac{\partial L}{\partial z} = a - y",
            r"\frac{\partial L}{\partial w_j} = (a - y) x_j",
            r"\frac{\partial L}{\partial b} = a - y",
        ),
        (
            (3, r"\frac{\partial L}{\partial a} = -\frac{y}{a} - \frac{1-y}{1-a}"),
            (4, r"\frac{\partial a}{\partial z} = z(1-z)"),
            (5, r"\frac{\partial L}{\partial z} = y - a"),
            (6, r"\frac{\partial L}{\partial w_j} = (a - y) w_j"),
            (7, r"\frac{\partial L}{\partial b} = (a - y) a"),
        ),
    ),
    "softmax layer": Page(
        network(3, [(3, "softmax")], "cross_entropy"),
        (
            r"o_i = \sum_j w_{ij} x_j + b_i", r"p_i = \frac{e^{o_i}}{\sum_k e^{o_k}}",
            r"L = -\sum_i y_i \log p_i",
            r"\frac{\partial p_i}{\partial o_j} = p_i(\delta_{ij} - p_j)",
            r"\frac{\partial L}{\partial o_i} = p_i - y_i",
            r"\frac{\partial L}{\partial w_{ij}} = (p_i - y_i) x_j",
        ),
        (
            (3, r"\frac{\partial p_i}{\partial o_j} = p_i(\delta_{ij} + p_j)"),
            (4, r"\frac{\partial L}{\partial o_i} = y_i - p_i"),
            (5, r"\frac{\partial L}{\partial w_{ij}} = (p_j - y_j) x_i"),
        ),
    ),
    "Bishop": Page(
        network(2, [(3, "tanh"), (2, "linear")], "half_squared_error"),
        (
            r"a_j = \sum_i w_{ji} x_i + b_j", r"z_j = \tanh(a_j)",
            r"E = \frac12 \sum_k (y_k - t_k)^2", r"\delta_k = y_k - t_k",
            r"\delta_j = (1 - z_j^2) \sum_k w_{kj} \delta_k",
            r"\frac{\partial E}{\partial w_{ji}} = \delta_j x_i",
            r"\frac{\partial E}{\partial w_{kj}} = \delta_k z_j",
        ),
        (
            (3, r"\delta_k = t_k - y_k"),
            (4, r"\delta_j = (1 - z_j) \sum_k w_{kj} \delta_k"),
            (4, r"\delta_j = (1 - a_j^2) \sum_k w_{kj} \delta_k"),
            (5, r"\frac{\partial E}{\partial w_{ji}} = \delta_j z_j"),
            (6, r"\frac{\partial E}{\partial w_{kj}} = \delta_k a_j"),
        ),
    ),
    "Nielsen": Page(
        network(2, [(3, "sigmoid"), (2, "sigmoid")], "half_squared_error"),
        (
            r"z^l_j = \sum_k w^l_{jk} a^{l-1}_k + b^l_j", r"a^l_j = \sigma(z^l_j)",
            r"C = \frac12 \sum_j (y_j - a^L_j)^2", r"\delta^L_j = (a^L_j - y_j) \sigma'(z^L_j)",
            r"\delta^l = ((w^{l+1})^T \delta^{l+1}) \odot \sigma'(z^l)",
            r"\frac{\partial C}{\partial b^l_j} = \delta^l_j",
            r"\frac{\partial C}{\partial w^l_{jk}} = a^{l-1}_k \delta^l_j",
        ),
        (
            (3, r"\delta^L_j = (a^L_j - y_j)"),
            (4, r"\delta^l = ((w^{l+1})^T \delta^{l+1}) \odot \sigma'(z^{l+1})"),
            (6, r"\frac{\partial C}{\partial w^l_{jk}} = a^{l-1}_j \delta^l_k"),
            (6, r"\frac{\partial C}{\partial w^l_{jk}} = a^{l}_k \delta^l_j"),
        ),
    ),
    "layers above in brackets": Page(
        network(2, [(3, "tanh"), (1, "sigmoid")], "binary_cross_entropy"),
        (
            r"z^{[1]} = W^{[1]} x + b^{[1]}", r"a^{[1]} = \tanh(z^{[1]})",
            r"z^{[2]} = W^{[2]} a^{[1]} + b^{[2]}", r"\hat y = a^{[2]} = \sigma(z^{[2]})",
            r"\frac{\partial L}{\partial z^{[2]}} = a^{[2]} - y",
            r"\frac{\partial L}{\partial W^{[2]}} = (a^{[2]} - y) a^{[1]T}",
        ),
        (
            (4, r"\frac{\partial L}{\partial z^{[2]}} = y - a^{[2]}"),
            (5, r"\frac{\partial L}{\partial W^{[2]}} = (a^{[2]} - y) z^{[1]T}"),
        ),
    ),
    "layers counted from the inputs": Page(
        network(2, [(3, "sigmoid"), (2, "sigmoid")], "half_squared_error"),
        (
            r"a^{(1)} = x", r"z^{(2)} = W^{(1)} a^{(1)} + b^{(1)}", r"a^{(2)} = \sigma(z^{(2)})",
            r"z^{(3)} = W^{(2)} a^{(2)} + b^{(2)}",
            r"\delta^{(3)} = (a^{(3)} - y) \odot \sigma'(z^{(3)})",
            r"\delta^{(2)} = (W^{(2)})^T \delta^{(3)} \odot \sigma'(z^{(2)})",
            r"\nabla_{W^{(1)}} J = \delta^{(2)} (a^{(1)})^T",
        ),
        (
            (4, r"\delta^{(3)} = (y - a^{(3)}) \odot \sigma'(z^{(3)})"),
            (5, r"\delta^{(2)} = (W^{(2)})^T \delta^{(3)} \odot \sigma'(z^{(3)})"),
            (6, r"\nabla_{W^{(1)}} J = \delta^{(2)} (a^{(2)})^T"),
        ),
    ),
    "rows": Page(
        network(3, [(4, "sigmoid"), (2, "softmax")], "cross_entropy"),
        (
            r"z_1 = x W_1 + b_1", r"h = \sigma(z_1)", r"z_2 = h W_2 + b_2",
            r"\hat y = \mathrm{softmax}(z_2)", r"\frac{\partial J}{\partial z_2} = \hat y - y",
            r"\frac{\partial J}{\partial W_2} = h^T (\hat y - y)",
            r"\frac{\partial J}{\partial h} = (\hat y - y) W_2^T",
        ),
        (
            (4, r"\frac{\partial J}{\partial z_2} = y - \hat y"),
            (5, r"\frac{\partial J}{\partial W_2} = z_1^T (\hat y - y)"),
            (6, r"\frac{\partial J}{\partial h} = (\hat y - y) W_2^T h"),
        ),
    ),
    "one neuron a layer": Page(
        network(1, [(1, "sigmoid"), (1, "sigmoid")], "squared_error"),
        (
            r"C_0 = (a^{(L)} - y)^2", r"z^{(L)} = w^{(L)} a^{(L-1)} + b^{(L)}",
            r"a^{(L)} = \sigma(z^{(L)})",
            r"\frac{\partial C_0}{\partial a^{(L)}} = 2(a^{(L)} - y)",
            r"\frac{\partial C_0}{\partial w^{(L)}} = a^{(L-1)} \sigma'(z^{(L)}) 2 (a^{(L)} - y)",
            r"\frac{\partial C_0}{\partial b^{(L)}} = \sigma'(z^{(L)}) 2 (a^{(L)} - y)",
        ),
        (
            (3, r"\frac{\partial C_0}{\partial a^{(L)}} = 2(y - a^{(L)})"),
            (5, r"\frac{\partial C_0}{\partial b^{(L)}} = a^{(L)} \sigma'(z^{(L)}) 2(a^{(L)} - y)"),
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_read_in_its_own_letters(name):
    """Every line is right; the report says first how it was read."""
    report = sb.check(PAGES[name].text(), PAGES[name].net)
    assert {line.source: line.verdict.value for line in report.lines
            if line.verdict.value not in RIGHT | {"text"}} == {}  # fmt: skip
    assert report.convention.startswith("read ")
    assert str(report).splitlines()[0].startswith("read ")


@pytest.mark.parametrize(
    ("name", "place", "line"),
    [(name, *mistake) for name, page in PAGES.items() for mistake in page.mistakes],
)
def test_no_letters_make_a_mistake_right(name, place, line):
    """A wrong line among right ones is wrong or not judged, and takes no right one with it."""
    page = PAGES[name]
    report = sb.check(page.text(place, line), page.net)
    said = {each.line: each.verdict.value for each in report.lines if each.verdict.value != "text"}
    assert said[2 * place + 1] not in RIGHT, report
    others = {k: verdict for k, verdict in said.items() if k != 2 * place + 1}
    assert not WRONG & {*others.values()} - {"follows"}, report


@pytest.mark.parametrize("name", PAGES)
def test_one_line_by_itself_is_not_blamed(name):
    """Out of its page a right line may not be understood; it is never wrong."""
    page = PAGES[name]
    for line in page.lines:
        found = sb.check(f"$${line}$$", page.net).lines
        assert not [each for each in found if each.verdict.value in WRONG], (line, found)


def test_the_lectures_letters_need_no_search():
    """A page in them is read in them alone, right or wrong."""
    net = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
    page = "∂L/∂w_212 = (y_1 - ŷ_1)·h_12"
    scope = Scope.of(net.graph)
    assert [each.name for each in candidates(signs_of(page, scope), scope)] == ["lectures"]
    report = sb.check(page, net)
    assert (report.convention, report.lines[0].verdict.value) == ("", "refuted")


def test_line_numbers_are_said_in_runs():
    """As a person would."""
    assert listed([7, 1, 2, 3, 2]) == "1–3, 7"


def test_a_wrong_line_in_the_lectures_letters_is_not_read_otherwise():
    """Another reading has to make more right, or read more: less wrong is not enough."""
    net = sb.Network(2, [(3, "sigmoid"), (2, "sigmoid")], loss="half_squared_error")
    (line,) = sb.check("δ_2 = (y - ŷ) ⊙ σ'(a_2)", net).lines
    assert line.verdict.value == "refuted"
    assert line.diagnosis[0].name == "sign-flipped"


def test_the_letter_of_the_loss_may_count_layers():
    """L = 3 says how many layers there are, where it is not the loss."""
    net = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
    assert [line.verdict.value for line in sb.check("L = 3", net).lines] == ["undecided"]
    assert [line.verdict.value for line in sb.check("L = y_1", net).lines] == ["refuted"]


def test_what_two_readings_judge_differently_is_right_in_one_of_them():
    """A page that mixes rows and columns is told so, line by line."""
    net = sb.Network(2, [(3, "sigmoid"), (2, "sigmoid")], loss="half_squared_error")
    page = (
        r"$$z^l = a^{l-1} W^l + b^l$$" "\n\n" r"$$a^l = \sigma(z^l)$$" "\n\n"
        r"$$\delta^L_j = (a^L_j - y_j) \sigma'(z^L_j)$$" "\n\n"
        r"$$\delta^l = (W^{l+1})^T \delta^{l+1} \odot \sigma'(z^l)$$"
    )  # fmt: skip
    report = sb.check(page, net)
    said = [line.verdict.value for line in report.lines if line.verdict.value != "text"]
    assert "conditional" in said
    assert not WRONG & {*said}
    assert any("right if it is read as" in line.reason for line in report.lines)


def test_a_reading_that_only_leaves_a_mistake_unread_is_none():
    """h³ is a power: no letters are chosen in which a wrong line cannot be read."""
    net = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
    (line,) = sb.check("∂h_11/∂a_11 = h_11 - h_11^3", net).lines
    assert line.verdict.value == "refuted"


def test_strict_holds_the_sign_of_the_error():
    """δ = y - ŷ is another convention, not a name of the page's own."""
    net = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
    page = "δ_21 = y_1 - ŷ_1\n\n∂L/∂w_212 = -δ_21 h_12\n"
    lenient, strict = (sb.check(page, net, strict=each) for each in (False, True))
    assert [line.verdict.value for line in lenient.lines] == ["conditional", "conditional"]
    assert "refuted" in [line.verdict.value for line in strict.lines]


def test_layers_in_square_brackets_and_indices_typed_close_together():
    """z[1] and w_kj, as people type them without LaTeX."""
    net = sb.Network(2, [(3, "tanh"), (2, "linear")], loss="half_squared_error")
    close = (
        "a_j = Σ_i w_ji x_i + b_j\nz_j = tanh(a_j)\nδ_k = y_k - t_k\n"
        "δ_j = (1 - z_j^2) Σ_k w_kj δ_k\n∂E/∂w_kj = δ_k z_j"
    )
    assert [line.verdict.value for line in sb.check(close, net).lines] == ["proved"] * 5
    net = sb.Network(2, [(3, "tanh"), (1, "sigmoid")], loss="binary_cross_entropy")
    bracketed = (
        "z[1] = W[1] x + b[1]\n\na[1] = tanh(z[1])\n\nz[2] = W[2] a[1] + b[2]\n\n"
        "a[2] = sigmoid(z[2])\n\ndz[2] = a[2] - y\n\ndW[2] = dz[2] a[1]^T"
    )
    found = [line.verdict.value for line in sb.check(bracketed, net).lines]
    assert found == ["proved"] * 6, found
    wrong = sb.check(bracketed.replace("a[2] - y", "y - a[2]"), net).lines
    assert wrong[4].verdict.value not in RIGHT
