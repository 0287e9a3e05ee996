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


@pytest.mark.parametrize(
    ("page", "verdict"),
    [
        (r"$\delta_2 = (\hat y - y) \cdot \sigma'(a_2)$", "proved"),
        (r"$\delta_2 = (y - \hat y) \cdot \sigma'(a_2)$", "refuted"),
        (r"$\delta_1 = W_2^T \cdot \delta_2 \cdot \sigma'(a_1)$", "proved"),
        (r"$\delta_1 = W_2 \cdot \delta_2 \cdot \sigma'(a_1)$", "refuted"),
        (r"$\frac{\partial L}{\partial W_2} = \delta_2 \cdot h_1$", "refuted"),
        (r"$\frac{\partial L}{\partial W_2} = \delta_2 \cdot h_1^T$", "proved"),
        (r"$L = \frac12 (\hat y - y) \cdot (\hat y - y)$", "unread"),
    ],
)
def test_a_dot_between_columns_goes_entry_by_entry(page, verdict):
    """As matrices they have none; where the other side is a number it may be the dot product."""
    assert judged(page) == [verdict]


@pytest.mark.parametrize("sigmoid", [r"\text{Sigmoid}", r"\operatorname{Sigmoid}", "Sigmoid"])
def test_functions_however_they_are_capitalised(sigmoid):
    assert judged(f"$h_{{12}} = {sigmoid}(a_{{12}})$") == ["proved"]
    assert judged(f"$h_{{12}} = {sigmoid}(a_{{13}})$") == ["refuted"]


def test_a_value_that_somebody_worked_out_needs_numbers():
    """Without numbers in the file -0.442 may be right; a factor such as 0.5 is judged."""
    slope = r"\frac{\partial L}{\partial h_{11}}"
    assert judged(rf"${slope} = w_{{211}} \cdot (-0.4427)$") == ["undecided"]
    assert judged(rf"${slope} = 0.5 w_{{211}} \delta_{{21}}$") == ["refuted"]


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("(ŷ_1 - y_1) h_12 = 0.3142 (ŷ_1 - y_1) h_12", "refuted"),
        ("w_111 x_1 + w_112 x_2 = w_111 x_1 + w_112 x_2 + 0.0625", "refuted"),
        ("(ŷ_1 - y_1) h_12 = -0.3142 h_12", "undecided"),  # ŷ_1 - y_1 has gone into it
        ("h_12 (1 - h_12) = 0.2351 h_12", "undecided"),  # and here 1 - h_12
        ("a_11 = 0.3142 x_1 + w_112 x_2 + b_11", "undecided"),
        ("w_111 = w_111 - 0.0315", "undecided"),  # a step of descent
    ],
)
def test_a_decimal_stands_for_what_is_gone(line, verdict):
    """Where nothing is gone from the right side, its decimal is one of the formula, and judged."""
    assert judged(line)[-1] == verdict


def test_a_number_for_a_whole_layer_is_not_blamed():
    """h_1 = 0.57 may be of one neuron in the page's letters."""
    values = {
        "x": [1.0, 0.5], "y": [1.0, 0.0], "W1": [[0.2, 0.4], [0.3, 0.1], [0.0, 0.0]],
        "b1": [0.1, 0.2, 0.0], "W2": [[0.5, 0.6, 0.0], [0.1, 0.1, 0.1]], "b2": [0.3, 0.0],
    }  # fmt: skip
    net = sb.Network(2, [(3, "sigmoid"), (2, "sigmoid")], loss="half_squared_error", values=values)
    assert judged("h_1 = 0.6225", net) == ["undecided"]
    assert judged("h_11 = 0.6225", net) == ["proved"]
    assert judged("h_12 = 0.6225", net) == ["refuted"]


def test_letters_beyond_the_network_are_a_sign_of_other_letters():
    """Where more is beyond the network than right, nothing is blamed."""
    page = "z_3 = w_13 a_1 + w_23 a_2 + b_3\n\nδ_3 = ŷ - y\n\n∂L/∂a_21 = y_1 - ŷ_1"
    assert "refuted" not in judged(page)


STANFORD = r"""
$z^{(2)} = W^{(1)} x + b^{(1)}$, $a^{(2)} = f(z^{(2)})$

$z^{(3)} = W^{(2)} a^{(2)} + b^{(2)}$, $h_{W,b}(x) = a^{(3)} = f(z^{(3)})$
"""


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        (r"\delta^{(n_l)} = (h_{W,b}(x) - y) .* f'(z^{(n_l)})", "proved"),
        (r"\delta^{(n_l)} = (y - h_{W,b}(x)) .* f'(z^{(n_l)})", "refuted"),
        (r"\delta^{(n_l)}_i = -(y_i - a^{(n_l)}_i) f'(z^{(n_l)}_i)", "proved"),
        (r"\delta^{(n_l - 1)} = (W^{(n_l - 1)})^T \delta^{(n_l)} .* f'(z^{(n_l - 1)})", "proved"),
        (r"\delta^{(l)}_i = (\sum_{j=1}^{s_{l+1}} W^{(l)}_{ji} \delta^{(l+1)}_j) f'(z^{(l)}_i)",
         "proved"),
        (r"\delta^{(l)}_i = (\sum_{j=1}^{s_{l+1}} W^{(l)}_{ij} \delta^{(l+1)}_j) f'(z^{(l)}_i)",
         "unread"),
    ],
)  # fmt: skip
def test_the_last_layer_and_the_output_as_stanford_calls_them(line, verdict):
    assert judged(f"{STANFORD}\n${line}$")[-1] == verdict


def test_mathematics_in_restructured_text():
    page = r"""
* :math:`z^{(2)} = \Theta^{(1)} x + b^{(1)}`
* :math:`a^{(2)} = g(z^{(2)})`
* :math:`z^{(3)} = \Theta^{(2)} a^{(2)} + b^{(2)}`
* :math:`a^{(3)} = h_\Theta(x) = g(z^{(3)})`
* :math:`\delta^{(2)} = (\Theta^{(2)})^T \delta^{(3)} .* (a^{(2)} .* (1 - a^{(2)}))`
"""
    assert judged(page) == ["proved"] * 5
    assert judged(page.replace("1 - a", "1 + a"))[-1] == "refuted"


HAYKIN = r"""
$v_j(n) = \sum_i w_{ji}(n) y_i(n) + b_j(n)$

$y_j(n) = \varphi_j(v_j(n))$

$\frac{\partial y_j(n)}{\partial v_j(n)} = \varphi_j'(v_j(n))$
"""


def test_a_mark_of_the_step_is_no_factor():
    """Where n is nothing else on the page; as a factor elsewhere it is not known what it is."""
    assert judged(HAYKIN) == ["proved"] * 3
    assert judged(HAYKIN.replace("= \\varphi_j'", "= -\\varphi_j'"))[-1] == "refuted"
    assert "proved" not in judged(f"{HAYKIN}\n$L = n \\cdot 2$")[1:3]


def test_what_a_loss_depends_on():
    page = "$E(w) = \\frac12 \\sum_k (\\hat y_k - y_k)^2$"
    assert judged(page) == ["proved"]
    assert judged(page.replace("\\frac12 ", "")) == ["refuted"]


def test_the_loss_of_all_samples_is_not_that_of_one():
    """E = Σ_n E_n is right where the loss is the sum, and never wrong."""
    page = r"$E(w) = \sum_{n=1}^N E_n(w)$"
    assert judged(page)[0] in ("unread", "conditional")


def test_the_number_of_layers_is_no_loss():
    assert judged("For each output unit (layer $L = 3$)") == ["undecided"]
    assert judged("$L = 0$")[0] != "undecided"


WIKIPEDIA = r"""
$$
\begin{aligned}
{\frac {\partial {\text{net}}_{j}}{\partial w_{ij}}} &= {\frac {\partial }{\partial w_{ij}}}\left(\sum _{k}w_{kj}o_{k}\right)=o_{i}. \\
{\frac {\partial o_{j}}{\partial {\text{net}}_{j}}} &= o_{j}(1-o_{j}) \\
{\frac {\partial E}{\partial o_{j}}} &= \sum _{\ell \in L} {\frac {\partial E}{\partial o_{\ell }}}{\frac {\partial o_{\ell }}{\partial {\text{net}}_{\ell }}}w_{j\ell }
\end{aligned}
$$
"""  # noqa: E501


def test_an_operator_in_braces_and_a_sum_over_ell():
    assert judged(WIKIPEDIA) == ["proved"] * 3
    assert judged(WIKIPEDIA.replace("=o_{i}", "=o_{j}"))[0] == "refuted"
    swapped = judged(WIKIPEDIA.replace("w_{j\\ell }", "w_{\\ell j}"))
    assert "proved" not in (swapped[0], swapped[2])  # right in one order of the indices each


def test_the_name_of_an_equation_behind_it():
    page = r"$$\delta_1 = W_2^T \delta_2 \odot \sigma'(a_1)~(BP2)$$"
    assert judged(page) == ["proved"]
    assert judged(page.replace("W_2^T", "W_2")) == ["refuted"]
    assert judged(page.replace("(BP2)", "(B2)")) != ["proved"]
