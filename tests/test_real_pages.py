r"""Constructs of real pages mean what they say, and are judged; of two meanings none is taken.

Each case is a network and lines of our own wording, each with its verdict: "proved" and "refuted"
show that the construct was read, right and mutated; "unread" and "undecided" that it was refused.
"""

from __future__ import annotations

import pytest

import symback as sb

SQUARED = sb.Network(2, [(3, "sigmoid"), (2, "sigmoid")], loss="half_squared_error")
ENTROPY = sb.Network(2, [(3, "tanh"), (2, "softmax")], loss="cross_entropy")

CASES = [
    # a Σ that says no letter: the entries of an array …
    (SQUARED, r"$L = \frac12 \sum (y - \hat y)^2$", "proved"),
    (SQUARED, "L = 1/2 Σ (y - ŷ)²", "proved"),
    (SQUARED, r"$L = \sum (y - \hat y)^2$", "refuted"),
    (SQUARED, r"$L = \frac12 \left(\sum (y - \hat y)\right)^2$", "refuted"),
    (ENTROPY, r"$L = -\sum y \log \hat y$", "proved"),
    (ENTROPY, r"$L = \sum y \log \hat y$", "refuted"),
    (ENTROPY, r"$L = \sum -y \log \hat y$", "proved"),
    # … or the letter that stands only within it
    (SQUARED, r"$L = \frac12 \sum (y_k - \hat y_k)^2$", "proved"),
    (SQUARED, r"$h_{11} = \sigma(\sum w_{11j} x_j + b_{11})$", "proved"),
    (SQUARED, r"$h_{11} = \sigma(\sum w_{12j} x_j + b_{11})$", "refuted"),
    (
        SQUARED,
        r"$\hat y_1 = \sigma(\sum w_{21j} \sigma(\sum w_{1ji} x_i + b_{1j}) + b_{21})$",
        "proved",
    ),
    (SQUARED, r"$\frac{\partial L}{\partial h_{1j}} = \sum w_{2kj} \delta_{2k}$", "proved"),
    (SQUARED, r"$\frac{\partial L}{\partial h_{1j}} = \sum w_{2kj} \delta_{2j}$", "refuted"),
    (ENTROPY, r"$\hat y_i = \frac{e^{a_{2i}}}{\sum e^{a_{2i}}}$", "proved"),
    (ENTROPY, r"$\hat y_i = \frac{e^{a_{2i}}}{\sum e^{a_2}}$", "proved"),
    (ENTROPY, r"$\hat y_i = \frac{e^{a_{2i}}}{\sum e^{a_{1i}}}$", "refuted"),
    (SQUARED, r"$\frac{\partial L}{\partial w_{2ij}} = \sum (\hat y_i - y_i) h_{1j}$", "unread"),
    (SQUARED, r"$L = \frac12 \sum y_i - \hat y_i$", "unread"),
    (SQUARED, r"$L = \sum W_2 h_1$", "unread"),
    # a minus behind Σ
    (ENTROPY, r"$L = \sum_i -y_i \log \hat y_i$", "proved"),
    (ENTROPY, r"$L = -\sum_i -y_i \log \hat y_i$", "refuted"),
    # a sign set as text
    (
        SQUARED,
        r"$a_{21} = w_{211} h_{11} + w_{212} h_{12} \text{ + } w_{213} h_{13} + b_{21}$",
        "proved",
    ),
    (
        SQUARED,
        r"$a_{21} = w_{211} h_{11} + w_{212} h_{12} \text{ - } w_{213} h_{13} + b_{21}$",
        "refuted",
    ),
    # bars of norms
    (SQUARED, r"$L = \frac12 \|y - \hat y\|^2$", "proved"),
    (SQUARED, r"$L = \frac12 ||y - \hat y||^2$", "proved"),
    (SQUARED, r"$L = \frac12 ||y - \hat y||_2^2$", "proved"),
    (SQUARED, r"$L = \frac12 |y - \hat y|_2^2$", "proved"),
    (SQUARED, r"$L = \frac12 |y - \hat y|^2$", "proved"),
    (SQUARED, r"$L = ||y - \hat y||^2$", "refuted"),
    (SQUARED, r"$L = \frac12 ||y - \hat y||$", "refuted"),
    (SQUARED, r"$L = \frac12 ||y - \hat y||_1$", "unread"),
    (SQUARED, r"$L = \frac12 \sum_i |y_i - \hat y_i||y_i - \hat y_i|$", "proved"),
]


@pytest.mark.parametrize(("net", "line", "verdict"), CASES, ids=[line for _, line, _ in CASES])
def test_a_construct_of_real_pages_gets_its_verdict(net, line, verdict):
    said = [each.verdict.value for each in sb.check(line, net).lines]
    assert [each for each in said if each != "text"] == [verdict]


@pytest.mark.parametrize(("last", "verdict"), [("-\\hat y_i \\hat y_k", "proved"),
                                              ("\\hat y_i \\hat y_k", "refuted")])  # fmt: skip
@pytest.mark.parametrize(
    "between", ["0 - \\hat y_k \\hat y_i", "-\\hat y_k \\hat y_i + 0 \\\\ &= -\\hat y_i \\hat y_k"]
)
def test_a_chain_stands_under_its_condition_to_its_end(between, last, verdict):
    """If i ≠ k, all rows of ∂ŷ_i/∂a_k = … are about i ≠ k only."""
    chain = rf"\frac{{\partial \hat y_i}}{{\partial a_{{2k}}}} &= {between} \\ &= {last}"
    report = sb.check(rf"If $i \neq k$, \begin{{align}} {chain} \end{{align}}", ENTROPY)
    *before, found = [each.verdict.value for each in report.lines if each.verdict.value != "text"]
    assert set(before) == {"proved"}
    assert found == verdict


ROWS = """
$$z_1 = x W_1 + b_1$$
$$h_1 = \\tanh(z_1)$$
$$z_2 = h_1 W_2 + b_2$$
$$\\delta_2 = \\frac{\\partial J}{\\partial z_2} = \\hat y - y$$
"""
"""A forward pass with vectors as rows, and W as (in, out)."""


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        (r"\frac{\partial J}{\partial h_1} = \delta_2 W_2^T", "proved"),
        (r"\frac{\partial J}{\partial h_1} = W_2^T \delta_2", "not proved"),
        (r"\frac{\partial J}{\partial W_2} = h_1^T \delta_2", "proved"),
        (r"\frac{\partial J}{\partial W_2} = \delta_2 h_1^T", "not proved"),
        (r"\frac{\partial L}{\partial h_1} = \delta_2 \frac{\partial z_2}{\partial h_1}", "proved"),
    ],
)
def test_a_forward_pass_in_rows_says_that_vectors_are_rows(line, verdict):
    """z = x W + b is read with W as (in, out), and so is all of its page."""
    report = sb.check(f"{ROWS}\n$${line}$$", ENTROPY)
    *forward, found = [each.verdict.value for each in report.lines]
    assert forward == ["proved"] * 4
    assert (found == "proved") == (verdict == "proved")  # of columns it may be right
    assert "vectors as rows" in report.convention


def test_the_entry_jk_of_a_matrix_in_rows_is_from_j_into_k():
    """Where W is (in, out), so are its entries: W_jk leads from j."""
    gradient = r"$$\frac{\partial J}{\partial W_{2jk}} = "
    page = f"{ROWS}\n{gradient} h_{{1j}} \\delta_{{2k}}$$\n{gradient} h_{{1k}} \\delta_{{2j}}$$"
    report = sb.check(page, ENTROPY)
    assert [each.verdict.value for each in report.lines] == ["proved"] * 5 + ["refuted"]


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ("By the chain rule", "proved"),
        ("Since BCE and the softmax go together we get", "proved"),
        ("The derivative by W1", "unread"),  # what this equals is said in words
        ("Then, similarly, DW2", "unread"),
    ],
)
def test_a_formula_goes_on_from_what_the_words_before_it_name(words, verdict):
    r"""“The derivative by W1 $= …$” is no line of the chain above it."""
    chain = r"$\frac{\partial L}{\partial a_{21}} = \frac{\partial L}{\partial a_{21}} \cdot 1$"
    report = sb.check(f"{chain}\n{words} $= \\hat y_1 - y_1$.", ENTROPY)
    assert report.lines[-1].verdict.value == verdict


MEASURED = """
$E_{o1} = \\frac12 (y_1 - \\hat y_1)^2$
$E_{o2} = 0.02356$
"""
"""The one half of a loss as a formula, the other as the number that it comes to."""


@pytest.mark.parametrize("line", ["L = E_{o1} + E_{o2}", "L = E_{o1} - E_{o2}"])
def test_a_name_given_as_a_number_is_no_formula(line):
    """What is wrong as an identity may be right of the numbers, which the file does not have."""
    assert sb.check(f"{MEASURED}${line}$", SQUARED).lines[-1].verdict.value == "undecided"


@pytest.mark.parametrize(("sign", "verdict"), [("+", "conditional"), ("-", "refuted")])
def test_a_name_given_as_a_number_is_compared_at_the_numbers_of_the_file(tmp_path, sign, verdict):
    file = tmp_path / "net.toml"
    file.write_text("""[network]
inputs = 2
layers = [{ units = 2, activation = "sigmoid" }, { units = 2, activation = "sigmoid" }]
loss = "half_squared_error"
bias = "per_layer"
[values]
x = [0.05, 0.10]
y = [0.01, 0.99]
W1 = [[0.15, 0.20], [0.25, 0.30]]
b1 = 0.35
W2 = [[0.40, 0.45], [0.50, 0.55]]
b2 = 0.60
""")
    report = sb.check(f"{MEASURED}$L = E_{{o1}} {sign} E_{{o2}}$", sb.load(file))
    assert report.lines[-1].verdict.value == verdict


def test_a_condition_that_begins_a_sentence_is_about_what_comes():
    """Displays without a full stop, each behind its “If …,”."""
    chain = r"\[\frac{\partial \hat y_i}{\partial a_{2k}} = "
    both = rf"{chain} \hat y_i (1[i = k] - \hat y_k)\]"
    same, other = rf"{chain} \hat y_k (1 - \hat y_k)\]", rf"{chain} -\hat y_i \hat y_k\]"
    page = f"{both}\nIf $i = k$,\n{same}\nIf $i \\neq k$,\n{other}"
    said = [each.verdict.value for each in sb.check(page, ENTROPY).lines]
    assert [each for each in said if each != "text"] == ["proved"] * 3
    mutated = f"{both}\nIf $i = k$,\n{other}\nIf $i \\neq k$,\n{same}"
    said = [each.verdict.value for each in sb.check(mutated, ENTROPY).lines]
    assert [each for each in said if each != "text"] == ["proved", "refuted", "refuted"]


FORWARD = r"""
$a_1 = W_1 x + b_1$, $h_1 = \sigma(a_1)$, $a_2 = W_2 h_1 + b_2$, $\hat y = \sigma(a_2)$
"""


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        # columns side by side can only be multiplied entry by entry
        (r"\delta_1 = W_2^T \delta_2 \cdot \sigma'(a_1)", "proved"),
        (r"\delta_1 = (W_2^T \delta_2) \sigma'(a_1)", "conditional"),
        (r"\delta_1 = W_2 \delta_2 \cdot \sigma'(a_1)", "refuted"),
        (r"\delta_2 = (\hat y - y) \hat y (1 - \hat y)", "conditional"),
        (r"\delta_2 = (\hat y - y) \hat y", "undecided"),
        (r"\frac{\partial L}{\partial W_2} = \delta_2 h_1", "refuted"),
        # a chain of derivatives says nothing of their layout
        (
            r"\frac{\partial L}{\partial h_1} = \delta_2 \frac{\partial a_2}{\partial h_1}",
            "conditional",
        ),
        (
            r"\frac{\partial L}{\partial h_1} = \frac{\partial a_2}{\partial h_1} \delta_2",
            "conditional",
        ),
        (
            r"\frac{\partial L}{\partial h_1} = \delta_2 \frac{\partial \hat y}{\partial h_1}",
            "undecided",
        ),
        (r"\frac{\partial L}{\partial h_1} = \frac{\partial L}{\partial a_2} W_2", "refuted"),
    ],
)
def test_what_does_not_fit_as_it_stands_is_right_in_the_layout_that_is_named(line, verdict):
    """Only where no W stands the wrong way round, and not where products are fixed (strict)."""
    report = sb.check(f"{FORWARD}${line}$", SQUARED)
    assert report.lines[-1].verdict.value == verdict
    strict = sb.check(f"{FORWARD}${line}$", SQUARED, strict=True)
    assert strict.lines[-1].verdict.value != "conditional"


TANH = sb.Network(2, [(3, "tanh"), (1, "sigmoid")], loss="binary_cross_entropy")


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        # the layer below a function says which layer's it is
        ("h_1 = f_1(W_1 x + b_1)", "proved"),
        (r"\hat y = f_2(W_2 h_1 + b_2)", "proved"),
        (r"\hat y = f_1(W_2 h_1 + b_2)", "refuted"),
        (r"\delta_1 = (W_2^T \delta_2) \circ f'_1(W_1 x + b_1)", "proved"),
        (r"\delta_1 = (W_2^T \delta_2) \circ f_2'(a_1)", "refuted"),
        (r"\delta_1 = (W_2^T \delta_2) \circ f_3'(a_1)", "unread"),
        # ∂(W h)/∂h, typed without brackets
        (r"\frac{\partial W_2 h_1}{\partial h_1} = W_2^T", "proved"),
        (r"\frac{\partial W_1 x}{\partial x} = W_1", "proved"),
        (r"\frac{\partial L h_{11}}{\partial h_{11}} = 1", "unread"),
        # a row is no other vector than a column, but of matrices the layout counts
        (r"\frac{\partial a_2}{\partial h_1} = W_2^T", "conditional"),
        (r"\frac{\partial L}{\partial h_1} = \frac{\partial L}{\partial a_2} W_2", "conditional"),
        (r"\frac{\partial L}{\partial W_1} = x \delta_1^T", "refuted"),
        (r"\frac{\partial a_1}{\partial x} = W_1^T", "conditional"),
        (r"\frac{\partial a_1}{\partial x} = 2 W_1^T", "undecided"),
    ],
)
def test_a_line_about_arrays_gets_its_verdict(line, verdict):
    forward = "$h_1 = g(a_1)$, $a_1 = W_1 x + b_1$, $a_2 = W_2 h_1 + b_2$"
    assert sb.check(f"{forward}\n${line}$", TANH).lines[-1].verdict.value == verdict


DEEP = sb.Network(
    2, [(3, "sigmoid"), (4, "sigmoid"), (2, "sigmoid")], loss="half_squared_error", bias="none"
)


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        (r"\frac{\partial E}{\partial W_3} = [(x_3 - t) \circ f_3'(W_3 x_2)] x_2^T", "proved"),
        (r"\frac{\partial E}{\partial W_3} = [(x_3 - t) \circ f_3'(W_3 x_2)] x_1^T", "refuted"),
    ],
)
def test_x_may_be_what_every_layer_gives(line, verdict):
    """x_0 is the input then, and x_3 the output."""
    forward = "$x_1 = f_1(W_1 x_0)$, $x_2 = f_2(W_2 x_1)$, $x_3 = f_3(W_3 x_2)$"
    report = sb.check(rf"{forward}, $E = \frac12 |x_3 - t|^2$" + f"\n${line}$", DEEP)
    found = [each.verdict.value for each in report.lines if each.verdict.value != "text"]
    assert found[:3] == ["proved"] * 3
    assert found[-1] == verdict


def test_rows_below_one_that_was_not_read_are_about_its_left_side():
    """A slip such as a lost ∂ takes nothing from the rows below it."""
    unread = r"\frac{\partial L}{\partial \hat y_1} \frac{\partial \hat y_1}{a_{21}}"
    right, wrong = r"(\hat y_1 - y_1) \hat y_1 (1 - \hat y_1)", r"(\hat y_1 - y_1) \hat y_1"
    page = rf"\begin{{align}} \frac{{\partial L}}{{\partial a_{{21}}}} &= {unread} \\"
    report = sb.check(rf"{page} &= {right} \\ &= {wrong} \end{{align}}", SQUARED)
    assert [each.verdict.value for each in report.lines] == ["unread", "proved", "refuted"]


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        (r"\frac{\partial L}{\partial y_0} = y_0 - t_0", "proved"),
        (r"\frac{\partial L}{\partial y_0} = y_1 - t_1", "refuted"),
        (r"\frac{\partial L}{\partial z_1} = (y_1 - t_1) y_1 (1 - y_1)", "proved"),
        (r"\frac{\partial L}{\partial y_2} = y_2 - t_2", "unread"),
    ],
)
def test_a_page_with_y_0_counts_its_neurons_from_0(line, verdict):
    loss = r"$L = \frac12 (t_0 - y_0)^2 + \frac12 (t_1 - y_1)^2$, $y_i = \sigma(z_i)$"
    net = sb.Network(2, [(2, "sigmoid")], loss="half_squared_error")
    report = sb.check(f"{loss}\n${line}$", net)
    assert "counted from 0" in report.convention
    assert report.lines[-1].verdict.value == verdict
