r"""Signs and words that a page brings along: $`…`$, \over, ~, \Large, words in other alphabets.

They change how a line looks; a word that may change what it says makes it unread.
"""

from __future__ import annotations

import pytest

import symback as sb

NETWORK = sb.Network(2, [(3, "sigmoid"), (2, "sigmoid")], loss="half_squared_error")
RELU = sb.Network(2, [(3, "relu"), (2, "linear")], loss="half_squared_error")
SLOPE = r"\hat y_1 (1 - \hat y_1)"


def judged(text: str, net: sb.Network = NETWORK) -> list[str]:
    """The verdicts of a page, but for its words."""
    found = sb.check(text, net).lines
    return [line.verdict.value for line in found if line.verdict.value != "text"]


@pytest.mark.parametrize(
    ("page", "verdict"),
    [
        (r"$`\delta_2 = (\hat y - y) \odot \sigma'(a_2)`$", "proved"),
        (r"$`\delta_2 = (y - \hat y) \odot \sigma'(a_2)`$", "refuted"),
        (rf"$${{\partial L \over \partial a_{{21}}}} = (\hat y_1 - y_1) {SLOPE}$$", "proved"),
        (rf"$${{\partial L \over \partial a_{{21}}}} = (y_1 - \hat y_1) {SLOPE}$$", "refuted"),
        (r"$${1 \over 2 \over 4} = \frac18$$", "unread"),
        (rf"$\Large \delta_{{21}} = (\hat y_1 - y_1)~{SLOPE}$", "proved"),
        (rf"$\Large \delta_{{21}} = (y_1 - \hat y_1)~{SLOPE}$", "refuted"),
        (r"$\delta_2 = (\hat y - y) \bigodot \sigma'(a_2)$", "proved"),
        (r"$\delta_2 = (\hat y + y) \bigodot \sigma'(a_2)$", "refuted"),
        (r"$$\therefore\ 有\ \delta_1 = W_2^T \delta_2 \odot \sigma'(a_1)$$", "proved"),
        (r"$$\therefore\ 有\ \delta_1 = W_2 \delta_2 \odot \sigma'(a_1)$$", "refuted"),
        ("损失函数：L = ½ Σ_i (y_i − ŷ_i)² （一个样本）", "proved"),
        ("损失函数：L = Σ_i (y_i − ŷ_i)²", "refuted"),
        ("donc la dérivée: h_12 = σ(a_12)", "proved"),
        ("donc la dérivée: h_12 = σ(a_13)", "refuted"),
        (r"$\delta_{21} = 2 乘以 (\hat y_1 - y_1)$", "unread"),
    ],
)
def test_what_a_page_brings_along(page, verdict):
    """The claim's verdict is that of the formula, both for right ones and for wrong ones."""
    assert judged(page)[0] == verdict


@pytest.mark.parametrize(
    ("below", "verdict"),
    [
        (r"k \in C", "proved"),
        (r"k \in \text{outputs}", "proved"),
        (r"k \in Next(j)", "proved"),
        (r"k \in C, k \ne 1", "refuted"),
        (r"k \in \{1\}", "unread"),
    ],
)
def test_a_sum_over_a_set(below, verdict):
    """A set that only has a name is all neurons of the layer."""
    page = rf"$\frac{{\partial L}}{{\partial h_{{1j}}}} = \sum_{{{below}}} \delta_{{2k}} w_{{2kj}}$"
    assert judged(page) == [verdict]
    assert judged(page.replace("w_{2kj}", "w_{2jk}"))[0] in ("refuted", "unread")


def test_a_set_that_the_page_defines_is_not_read():
    claim = r"$\frac{\partial L}{\partial h_{1j}} = \sum_{k \in S} \delta_{2k} w_{2kj}$"
    page = rf"Let $S = \{{1\}}$ and {claim}"
    assert judged(page)[-1] == "unread"


@pytest.mark.parametrize("when", ["当 a_11 > 0 时，{}", "{}，若 a_11 > 0", "{} if a_11 > 0"])
def test_a_condition_in_another_language(when):
    assert judged(when.format("∂h_11/∂a_11 = 1"), RELU) == ["proved"]
    assert judged(when.format("∂h_11/∂a_11 = 0"), RELU) == ["refuted"]
