r"""A condition belongs to its claims: "for i = j", ", i ≠ j", "if a_11 > 0", "with y_1 = 1".

Without it a right line would be refuted, or a wrong one be taken for more than it says.
"""

from __future__ import annotations

import pytest

import symback as sb

SOFTMAX = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
RELU = sb.Network(2, [(3, "relu"), (2, "softmax")], loss="cross_entropy")

SAME = "∂ŷ_i/∂a_2j = ŷ_i(1 - ŷ_i)"
OTHER = "∂ŷ_i/∂a_2j = -ŷ_i ŷ_j"
BOTH = [
    ("proved", "∂ŷ_{j}/∂a_{2,j} = ŷ_{j}·(1 - ŷ_{j})"),
    ("proved", "⟦i ≠ j⟧·∂ŷ_{i}/∂a_{2,j} = ⟦i ≠ j⟧·(-1)·ŷ_{i}·ŷ_{j}"),
]
LATEX_SAME = r"\frac{\partial \hat y_i}{\partial a_{2j}} &= \hat y_i(1-\hat y_i)"
LATEX_OTHER = r"\frac{\partial \hat y_i}{\partial a_{2j}} &= -\hat y_i\hat y_j"
DISPLAYED = [each.replace("&", "") for each in (LATEX_SAME, LATEX_OTHER)]
ALIGNED = rf"{LATEX_SAME} && \text{{for }} i=j \\ &= -\hat y_i\hat y_j && i\ne j"


def judged(text: str, net: sb.Network = SOFTMAX) -> list[tuple[str, str]]:
    """Verdict and reading of each line that says something."""
    found = sb.check(text, net).lines
    return [(line.verdict.value, line.read_as) for line in found if line.verdict.value != "text"]


@pytest.mark.parametrize(
    "page",
    [
        f"If i = j: {SAME}\nIf i ≠ j: {OTHER}",
        f"{SAME} for i = j, and {OTHER} for i ≠ j",
        f"If i = j, {SAME}, otherwise {OTHER}",
        f"{SAME} (i = j)\n{OTHER}   (i ≠ j)",
        f"{SAME} if i = j, else {OTHER}",
        rf"\begin{{align}} {LATEX_SAME} && i=j \\ {LATEX_OTHER} && i\neq j\end{{align}}",
        rf"\begin{{align}} {LATEX_SAME} & \quad i=j \\ {LATEX_OTHER}, & i\neq j\end{{align}}",
        rf"\begin{{align}} {ALIGNED} \end{{align}}",
        f"**Case $i = j$.**\n\n$${DISPLAYED[0]}$$\n\n**Case $i \\ne j$.**\n\n$${DISPLAYED[1]}$$",
        f"For $i=j$ we get ${DISPLAYED[0]}$. For $i\\neq j$ we get ${DISPLAYED[1]}$.",
    ],
)  # fmt: skip
def test_cases_of_softmax(page):
    """The two cases of ∂ŷ_i/∂a_j, told apart in every way that people write."""
    assert judged(page) == BOTH


def test_a_condition_ends_where_something_new_begins():
    page = f"If i = j: {SAME}\nTogether: ∂ŷ_i/∂a_2j = ŷ_i(1[i=j] - ŷ_j)"
    assert judged(page)[1] == ("proved", "∂ŷ_{i}/∂a_{2,j} = ŷ_{i}·(⟦i = j⟧ - ŷ_{j})")
    assert judged(f"If i = j: {SAME}\n\nNow\n\n{SAME}")[1][0] == "refuted"


def test_a_condition_does_not_make_a_wrong_line_right():
    assert judged(f"If i ≠ j: {SAME}")[0][0] == "refuted"
    assert (
        judged("If i = j, ∂ŷ_i/∂a_2j = ŷ_i(1 - ŷ_i), else ∂ŷ_i/∂a_2j = ŷ_iŷ_j")[1][0] == "refuted"
    )
    assert judged("∂h_11/∂a_11 = 0 if a_11 > 0", RELU)[0][0] == "refuted"


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("∂h_11/∂a_11 = 1 if a_11 > 0", ["proved"]),
        ("∂h_11/∂a_11 = 0 for a_11 < 0", ["proved"]),
        ("∂h_11/∂a_11 = 1", ["refuted"]),
        ("h_11 = a_11 if a_11 > 0, 0 otherwise", ["proved", "unread"]),
        ("∂h_11/∂a_11 = {1 if a_11 > 0; 0 otherwise}", ["proved"]),
    ],
)
def test_the_sides_of_a_kink(page, expected):
    assert [verdict for verdict, _ in judged(page, RELU)] == expected


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("if y_1 = 1 and y_2 = 0: ∂L/∂a_21 = ŷ_1 - 1", ["proved"]),
        ("for y_2 = 0, y_1 = 1: ∂L/∂a_22 = ŷ_2\n= ŷ_2 + 1", ["proved", "refuted"]),
        ("∂L/∂a_21 = ŷ_1 - 1", ["refuted"]),
        ("∂L/∂a_2i = ŷ_i - 1 for i = ℓ\n∂L/∂a_2i = ŷ_i for i ≠ ℓ", ["proved", "proved"]),
        ("∂L/∂a_2i = ŷ_i for i = ℓ", ["refuted"]),
    ],
)
def test_what_is_supposed_of_the_target(page, expected):
    assert [verdict for verdict, _ in judged(page)] == expected


@pytest.mark.parametrize(
    "page",
    [
        "∂L/∂w_2ij = (ŷ_i - y_i) h_1j for i = 1, 2 and j = 1, …, 3",
        "∂L/∂a_2i = ŷ_i - y_i, i = 1, 2",
        "Let k = 2, i = 1, j = 2. Then ∂L/∂w_kij = (ŷ_i - y_i) h_{k-1,j}",
        "Since h_11 > 0, ∂L/∂w_211 = (ŷ_1 - y_1) h_11",
        "∂L/∂w_212 = (ŷ_1 - y_1) h_12 for i = 1",
    ],
)
def test_ranges_and_numbers_for_letters(page):
    """They say what a letter runs over, or is, and nothing that could be wrong."""
    assert [verdict for verdict, _ in judged(page)] == ["proved"]


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("a_21 < a_22", "a comparison is no claim"),
        ("∂L/∂w_212 ≠ h_12", "a comparison is no claim"),
        ("if L = 0: ∂L/∂a_21 = 0", "what is supposed here has no form"),
        ("∇_{W_2} L = δ_2 h_1ᵀ for a_11 > 0", "a condition on a line of arrays"),
    ],
)
def test_what_cannot_be_supposed_is_refused(page, reason):
    refused = [line for line in sb.check(page, SOFTMAX).lines if line.verdict.value == "unread"]
    assert any(reason in line.reason for line in refused)


@pytest.mark.parametrize(
    "page",
    [
        "h_11 = a_11·1[a_11 > 0 and a_11 < 6] + 6·1[a_11 >= 6]",
        r"$$h_{11} = a_{11} \mathbb 1_{\{a_{11} > 0 \text{ and } a_{11} < 6\}} + 6[a_{11} \ge 6]$$",
    ],
)  # fmt: skip
def test_two_conditions_in_one_bracket(page):
    """1[a > 0 and a < 6] is 1 where both hold."""
    net = sb.Network(2, [(3, "six"), (2, "softmax")], loss="cross_entropy",
                     activations={"six": "min(max(z, 0), 6)"})  # fmt: skip
    assert [verdict for verdict, _ in judged(page, net)] == ["proved"]
    assert [verdict for verdict, _ in judged(page.replace("< 6", "< 5"), net)] == ["refuted"]
