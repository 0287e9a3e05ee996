"""What a sheet says is true, complete, and what the lecturer says."""

from __future__ import annotations

import itertools
import re

import pytest
from sympy import Indexed, Symbol

import symback as sb
from pages import CASES, network, numbers_of, page
from readback import Formula, Sheet, Unreadable, given_by
from symback.language.algebra import collapse
from symback.language.functions import ACTIVATIONS, LOSSES
from symback.language.names import UnknownName
from symback.language.writing import Text
from symback.sheets.chapters import any_layer_page, softmax_apart, take_apart
from symback.sheets.page import without_lone_sums
from symback.sheets.passages import any_layer
from symback.sheets.rendering import render

NUMBERED = [
    (name, wrt)
    for name, wrt in CASES
    if name not in ("s6", "wide", "symbolic_batch", "ten_classes")
]


def read(name: str, wrt: str | None, detail: str) -> Sheet:
    forward = page(name, wrt, "txt")
    return Sheet(page(name, wrt, "txt", detail), given_by(numbers_of(name)), forward)


def section(name: str, wrt: str, title: str, detail: str = "normal", form: str = "txt") -> str:
    """The text of one section."""
    text = page(name, wrt, form, detail)
    return re.split(r"\n\d+\. ", text.split(title, 1)[1])[0]


# ------------------------------------------------------------------------- every printed equality


@pytest.mark.parametrize(("name", "wrt"), NUMBERED)
def test_every_printed_equality_holds(name, wrt):
    """Each line of a sheet, read back and computed from its forward equations, is true."""
    for detail in ("brief", "full"):
        sheet = read(name, wrt, detail)
        assert sheet.untrue() == []
        assert sheet.claims() > 2


def test_reading_back_refuses_what_is_wrong():
    """The checker finds a sign, a lost factor, a wrong number, a lost path and a false = or ≈."""
    text, given = page("s5", "w_131", "txt"), given_by(numbers_of("s5"))
    assert Sheet(text, given).untrue() == []
    for right, wrong in [
        ("= -2·(y_i - ŷ_i)", "= 2·(y_i - ŷ_i)"),
        ("∂L/∂h_13 · h_13·(1 - h_13)", "∂L/∂h_13 · h_13"),
        ("≈ 0.08604", "≈ 0.09604"),
        ("            + ∂L/∂ŷ_2 · ∂ŷ_2/∂a_22 · ∂a_22/∂h_13 · ∂h_13/∂a_13 · ∂a_13/∂w_131", "    "),
        ("path 4: a_13 → h_13 → a_22 → ŷ_2, ≈ -0.01434", "path 4: a_13 → h_13, 0.01434"),
        ("≈ 0.6682", "= 0.6682"),
        ("∂a_2i/∂h_1j  = w_2ij", "∂a_2i/∂h_1j  = w_2ii"),
        ("ŷ_j·(1[i=j] - ŷ_i)", "ŷ_j·(1 - ŷ_i)"),
    ]:
        assert right in text
        assert Sheet(text.replace(right, wrong), given).untrue(), wrong


@pytest.mark.parametrize("text", ["", "a +", "(a", "a b", "?", "f(a)", "a_1 = "])
def test_reading_back_refuses_what_it_cannot_read(text):
    """No formula is skipped because it could not be read."""
    with pytest.raises(Unreadable):
        Formula(text)


@pytest.mark.parametrize("name", sorted({name for name, _ in NUMBERED}))
def test_numbers_on_the_page_are_those_of_evaluate(name):
    """What is printed as derived is the gradient that `evaluate` gives, to twelve digits."""
    net, wrt = network(name), dict(CASES[::-1])[name]
    derivation = net.derive(wrt)
    shown = re.search(r"^  derived +(\S+)$", page(name, wrt, "txt"), re.MULTILINE)
    if shown:
        assert float(shown[1]) == pytest.approx(derivation.value, rel=1e-10, abs=1e-12)
    elif "central difference" in page(name, wrt, "txt"):
        assert "slope jumps" in page(name, wrt, "txt") or "no central difference" in page(
            name, wrt, "txt"
        )


# --------------------------------------------------------------------------- the lectures, S1 to S7


def flat(text: str) -> str:
    """Text with its spaces joined, so that alignment does not matter."""
    return re.sub(r"\s+", " ", text)


def test_s1():
    """All values, the local derivatives in symbols and numbers, the product, advice, the step."""
    text = flat(page("s1", "w", "txt"))
    for words in (
        "ŷ = 1·1 = 1", "s = 1 - 2 = -1", "L = (-1)^2 = 1",
        "dL/ds = 2·s = 2·(-1) = -2", "ds/dŷ = 1", "dŷ/dw = x = 1",
        "dL/dw = dL/ds · ds/dŷ · dŷ/dw", "dL/dw = 2·s·x",
        "raising w a little lowers L", "w ← w - η·dL/dw", "= 1 - 0.5·(-2) = 2",
        "L goes from 1 to 0",
    ):  # fmt: skip
        assert words in text, words
    assert "other weights share" not in text


def test_s2():
    """Four stages, a simple derivative each, and the product folded back to y (1 - y)."""
    text = flat(page("s2", "x", "txt"))
    for words in (
        "A_1 = -x A_2 = e^A_1 A_3 = 1 + A_2 y = 1/A_3",
        "dy/dA_3 · dA_3/dA_2 · dA_2/dA_1 · dA_1/dx",
        "dy/dA_3 = -1/(A_3^2)",
        "= A_2/(A_3^2) [numbers multiplied] = 1/A_3·A_2/A_3 [split into a product]",
        "[split into a product] = 1/A_3·(1 - 1/A_3) [since A_2 = A_3 - 1]",
        "[since A_2 = A_3 - 1] = y·(1 - y) [since y = 1/A_3]",
    ):
        assert words in text, words
    nested = flat(page("s2_nested", "x", "txt"))
    assert "A_1 = x^2 A_2 = log(A_1) A_3 = e^A_2 A_4 = tan(A_3) A_5 = cos(A_4)" in nested


def test_s3():
    """The long chain in one line, and the derivatives that other weights share in a table."""
    text = page("s3", "w_111", "txt")
    chain = next(line for line in text.splitlines() if "path 1" in line)
    assert chain.count(" · ") == 10
    shared = text[text.index("What other weights share") :]
    for layer in range(1, 6):
        assert f"∂L/∂a_{layer}1" in shared
        assert f"w_{layer}1" in shared
    assert "multiply to ∂L/∂a_21; the chain above and that of w_211 have them in common:" in shared
    assert flat(shared).endswith("· ∂h_21/∂a_21) · ∂a_21/∂w_211 " + flat(NUMBERS_NOTE))
    assert page("s3", "w_111", "tex").count(r"\boxed{\frac{\partial \mathscr{L}}") == 2
    assert page("s3", "w_111", "html").count('<mrow class="boxed">') == 2


NUMBERS_NOTE = """* Numbers are computed to 50 significant digits and printed to 4; ≈ means that
further digits are left out. """


def test_s4():
    """The lecture's result, through both outputs, with the fact Σŷ = 1 named where it is used."""
    text = page("s4", "w_212", "txt")
    assert "-2·ŷ_1·ŷ_2·((y_1 - ŷ_1) - (y_2 - ŷ_2))·h_12" in text
    assert flat(page("s4", "w_212", "tex")).count(
        r"-2\,\hat{y}_{1}\,\hat{y}_{2}\,[(y_{1} - \hat{y}_{1}) - (y_{2} - \hat{y}_{2})]\,h_{12}"
    )
    assert "since ŷ_1 + ŷ_2 = 1" in text
    assert "Used above: Σ_i ŷ_i = 1, since the outputs of a softmax sum to one." in text
    assert "path 2: a_21 → ŷ_2" in text
    every = flat(text)
    assert "∂L/∂ŷ_i = -2·(y_i - ŷ_i) ∂ŷ_j" in every  # not "differentiated, then in terms of L"
    assert (
        "= (e^a_2j)/(Σ_{m=1..2} e^a_2m)·(1[i=j] - (e^a_2i)/(Σ_{m=1..2} e^a_2m)) [factored] "
        "= ŷ_j·(1[i=j] - ŷ_i) [since ŷ_j = softmax(a_2)_j]"
    ) in every


def test_s5():
    """Four paths in the colours of the figure, and the lecturer's grouping."""
    text, html = page("s5", "w_131", "txt"), page("s5", "w_131", "html")
    assert "There are 4 paths" in text
    for a, y in ((1, 1), (1, 2), (2, 1), (2, 2)):
        assert f"a_13 → h_13 → a_2{a} → ŷ_{y}" in text
    assert "(∂L/∂a_21 · w_213 + ∂L/∂a_22 · w_223)·h_13·(1 - h_13)·x_1" in text
    boxed = r"-2·ŷ_1·ŷ_2·((y_1 - ŷ_1) - (y_2 - ŷ_2))·(w_213 - w_223)·h_13·(1 - h_13)·x_1"
    numbers = "-2·0.6843·0.3157·((0 - 0.6843) - (1 - 0.3157))·(0.8 - 0.2)·0.4134·(1 - 0.4134)·1"
    assert f"= {boxed} [factored] ≈ {numbers} [with numbers] ≈ 0.08604" in flat(text)
    for style in network("s5").derive("w_131").figure().styles[:4]:
        assert f'<tr class="{style.name} path' in html
        assert f".{style.name} {{ --ink: #{style.ink}" in html
        assert f"#{style.hex}" in html.partition("<svg")[2]
        assert rf"\textcolor{{{style.ink_name}}}" in page("s5", "w_131", "tex")


def test_s6():
    """Symbolic widths: softmax with cross-entropy fuses in the open, by the fact Σy = 1."""
    text = flat(page("s6", "w_111", "txt"))
    assert "= ŷ_i - y_i [since Σ_i y_i = 1]" in text
    assert "since the target is a distribution" in text
    assert "n_2·n_3^2 paths" in text


def test_s6_from_the_loss_back():
    """Output layer, hidden layers, parameters; scalar and matrix together; any k; y = e(ℓ)."""
    text = flat(page("s6", None, "txt")).partition("4. Backward")[2]
    order = (
        "The output layer:", "= ŷ_i - y_i [since Σ_i y_i = 1] ∇a_3 = ŷ - y [all elements at once]",
        "one-hot, y = e(ℓ), so this is: ∂L/∂a_3i = ŷ_i - 1[i=ℓ] ∇a_3 = ŷ - e(ℓ) = -(e(ℓ) - ŷ)",
        "The hidden layers, each from the layer after it: For k = 3, 2:",
        "∂L/∂h_{k-1},j = Σ_{i=1..n_k} ∂L/∂a_ki · ∂a_ki/∂h_{k-1},j [chain rule]",
        "∇h_{k-1} = W_kᵀ ∇a_k", "∇a_{k-1} = ∇h_{k-1} ⊙ h_{k-1} ⊙ (1 - h_{k-1})",
        "The parameters", "For k = 3, 2, 1, where h_0 = x: ∂L/∂w_kij",
        "= ∂L/∂a_ki · h_{k-1},j [local derivatives] ∇W_k = ∇a_k h_{k-1}ᵀ", "∇b_k = ∇a_k",
        "The algorithm in matrix form", "For k = 1, 2, where h_0 = x: a_k = b_k + W_k h_{k-1}",
        "For k = 1, 2, 3: W_k ← W_k - η·∇W_k",
    )  # fmt: skip
    places = [text.find(words) for words in order]
    assert -1 not in places, order[places.index(-1)]
    assert places == sorted(places)
    shapes = page("s6", None, "tex")
    assert r"\underset{n_{k-1} \times n_{k}}{W_{k}^{\top}}" in shapes


def test_layers_are_told_together_only_where_they_are_alike():
    """Ten layers take few lines; another activation or bias is told apart; widths become n_k."""
    sigmoids = [(width, "sigmoid") for width in (3, 4, 3, 3, 5, 3, 3, 3, 3)]
    ten = sb.Network(2, [*sigmoids, (2, "softmax")], loss="cross_entropy").sheet("txt")
    assert "For k = 10, 9, …, 2:\n  ∂L/∂h_{k-1},j = Σ_{i=1..n_k}" in ten
    assert "Layer k has n_k neurons." in ten
    assert len(ten.splitlines()) < 140
    assert not re.search(r"[ahb]_[2-8]i", ten)
    layers = [(3, "sigmoid"), (3, "sigmoid"), (3, "tanh"), (3, "sigmoid"), (2, "softmax")]
    mixed = sb.Network(2, layers, loss="squared_error").sheet("txt")
    assert "For k = 2, 1:\n  ∂h_ki/∂a_ki = (e^(-a_ki))" in mixed
    assert "  ∂h_3i/∂a_3i = 1 - tanh^2(a_3i)" in mixed
    nielsen = network("s6").in_notation("bishop").sheet("txt")
    assert "For k = " in nielsen


@pytest.mark.parametrize("k", [2, 3, 4])
def test_what_is_told_for_any_layer_holds_for_each(k):
    """With its number for k, each line told for layers 4 … 2 is the line of that layer alone."""
    layers = [(3, "tanh")] * 3 + [(2, "softmax")]
    net = sb.Network(2, layers, loss="squared_error")
    text = net.sheet("txt").partition("For k = 4, 3, 2:\n  ∂L/∂h")[2].partition("\nThe")[0]
    told = [line for line in ("  ∂L/∂h" + text).splitlines() if "∂" in line]
    assert len(told) == 4
    for name, lines in ((f"h{k - 1}", told[:2]), (f"a{k - 1}", told[2:])):
        variable = next(v for v in net.graph.variables if v.name == name)
        steps = net.backward.adjoints[variable].steps
        own = [Text().write(without_lone_sums(step.rhs)) for step in steps]
        for line, alone in zip(lines, own, strict=True):
            shown = line.partition("= ")[2].partition("    [")[0].replace(f"n_{{{k}}}", "3")
            here = re.sub(r"n_k", "2" if k == 4 else "3", shown)
            here = here.replace("{k-1},", str(k - 1)).replace("_k", f"_{k}")
            assert here == alone


def test_a_name_for_any_layer():
    """w_k,i,j is every layer's weight where layers are told together, and refused elsewhere."""
    net = network("s6")
    for name in ("w_k,i,j", "w_kij", "w_{k,i,j}"):
        assert [v.name for v in any_layer(net, name)] == ["W3", "W2", "W1"]
    assert [v.name for v in any_layer(net, "b_k,i")] == ["b3", "b2", "b1"]
    assert any_layer(net, "w_1,i,j") == any_layer(net, "b_k") == any_layer(net, "k") == []
    with pytest.raises(UnknownName, match="w_k,i,j names any layer"):
        any_layer(network("s5"), "w_k,i,j")
    text = render(any_layer_page(net, any_layer(net, "w_kij")), "txt")
    assert "Backward: from the loss to ∂L/∂w_kij" in text
    assert "∇W_k      = ∇a_k h_{k-1}ᵀ" in text
    assert "b_ki/" not in text
    every_layer = "For k = 3, 2, 1, where h_0 = x:\n  ∂a_ki/∂w_kij = h_{k-1},j\n"
    assert every_layer in text
    assert "∂a_1i/∂w_1ij" not in text


def test_the_names_of_a_batch_are_those_of_its_formulas():
    """Arrays with one row a sample are A_1, H_1 and Ŷ in the table as in the matrix formulas."""
    text = page("batch", None, "txt")
    assert re.findall(r"^  (\S+) +\[.*;.*;.*\]$", text.partition("3. ")[0], re.MULTILINE) == [
        "A_1", "H_1", "A_2", "Ŷ",
    ]  # fmt: skip
    assert "A_1 = 1 b_1ᵀ + X W_1ᵀ" in text
    assert "\n  ∇W_1      [" in text


def test_s7():
    """The update of every block, θ as a column, the numbers after the step, whether L fell."""
    text = page("s7", None, "txt")
    assert "With the new θ, L has fallen from 1.021 to 0.5685." in text
    assert "θ_{t+1} ≈ [0.5; -0.2; -0.3; 0.4; ⋮; 0.3; 0.6; -0.15; 0.1] - 0.25·[0.2090; " in text
    assert "  b_1       [0.1; 0.05; -0.2]\n" in text
    assert r"\begin{bmatrix} 0.1 \\ 0.05 \\ -0.2 \end{bmatrix}" in page("s7", None, "tex")
    for weight, rate, outcome in (
        (3, 9, "has risen from 4 to 1156: the step was too long"),
        (3, 0.25, "has fallen from 4 to 1"),
        (1, 0.25, "is still 0"),
    ):
        values = {"x": [1], "y": [1], "W1": [[weight]], "learning_rate": rate}
        net = sb.Network(1, [(1, "linear")], loss="squared_error", bias="none", values=values)
        assert f"With the new θ, L {outcome}." in net.sheet("txt")


def test_the_slope_of_the_sigmoid_is_shown_as_at_the_board():
    """e^-a/(1+e^-a)² is split, e^-a is (1+e^-a) - 1, and σ(a) is h: each by its rule."""
    text = flat(page("s5", "w_131", "txt"))
    assert (
        "∂h_1i/∂a_1i = (e^(-a_1i))/((1 + e^(-a_1i))^2) [quotient rule] "
        "= 1/(1 + e^(-a_1i))·(e^(-a_1i))/(1 + e^(-a_1i)) [split into a product] "
        "= 1/(1 + e^(-a_1i))·(1 - 1/(1 + e^(-a_1i))) [since e^(-a_1i) = (1 + e^(-a_1i)) - 1] "
        "= h_1i·(1 - h_1i) [since h_1i = σ(a_1i)]"
    ) in text


def test_derive_and_the_sheet_say_the_same():
    """Each line of `derive` is on the sheet, with the same letters and the same reason."""
    listed = "[chain rule]", "[common factors taken out]"  # on the sheet as a list of paths
    for name, wrt in CASES[:12]:
        text = flat(page(name, wrt, "txt"))
        lines = network(name).derive(wrt).text().splitlines()
        for line in lines:
            shown = "= " + line.strip().partition(" = ")[2] if line[0] != " " else line.strip()
            assert flat(shown) in text or line.endswith(listed), line


# ------------------------------------------------------------------------------------ conventions


def test_conventions_are_footnotes():
    """The slope of ReLU at 0 is said under the page that uses it, and only there."""
    assert "* The slope of ReLU at 0, where it has none, is taken to be 0." in page(
        "relu", "w_131", "txt"
    )
    assert "at 0, where" not in page("s5", "w_131", "txt")


def test_what_a_linear_layer_does_has_no_name():
    """ŷ is a_3 where the output is linear, among the equations and in matrices."""
    for text in (page("relu", None, "txt"), network("relu").matrix_form().text()):
        assert re.search(r"^ *ŷ +(_i +)?= a_3$", text, re.MULTILINE)
        assert "id(" not in text
    assert "ŷ_i  = a_3i    [i = 1…2]" in page("relu", None, "txt")


def test_a_kink_is_said():
    """A relu that stands at 0 has no central difference, and a slope of 0 there is no advice."""
    values = {"x": [1, 1], "y": [1], "W1": [[1, -1], [1, 1]], "b1": [0, 0]}
    values |= {"W2": [[1, 1]], "b2": [0], "learning_rate": 0.1}
    net = sb.Network(2, [(2, "relu"), (1, "linear")], loss="squared_error", values=values)
    text = net.derive("w_111").sheet("txt")
    assert "There is no central difference here" in text
    assert "does not change" not in text
    assert "slope jumps" in text


def test_many_paths_are_shortened():
    """Past 300 paths the first and the last few stand for all, and Σ sums them."""
    text = page("wide", "w_1,2,3", "txt")
    rows = [line for line in text.splitlines() if "[path " in line]
    assert len(rows) < 20
    assert "path 1:" in text
    assert "path 51200" in text
    assert "Σ_{" in text[text.index("The result") :]
    full = page("ten_classes", "w_111", "txt")
    assert "path 100" in full


def test_brief_fits_a_screen():
    """A brief sheet has two sections and few lines, however many the paths and long the result."""
    for name, wrt in (("s5", "w_131"), ("bias_per_layer", "b_1"), ("wide", "w_1,2,3")):
        text = page(name, wrt, "txt", "brief")
        assert len(re.findall(r"^\d+\. ", text, re.MULTILINE)) == 2
        assert len(text.splitlines()) < 30
    assert "gives the same number to 50 significant digits" in page("s5", "w_131", "txt", "brief")


@pytest.mark.parametrize(("name", "wrt"), CASES)
def test_words_are_in_order(name, wrt):
    """One path is one path; nothing is doubled, empty or left to be filled in."""
    for detail in ("brief", "full"):
        text = page(name, wrt, "txt", detail)
        bare = text.replace("=1..", "").replace("    [path", "")
        for wrong in (
            "1 paths", "1 stages", "There are 1 ", "  [path", "[]", "()", "..", "None", "<<", "{}",
            " ,", " .", "undefined", "NaN", "=1..1}", "1…1]", "1…1,", "id(", "differentiated",
        ):  # fmt: skip
            assert wrong not in bare, (wrong, detail)


# ------------------------------------------------------------------------ functions, taken apart

ROWS = [
    row for row in (*ACTIVATIONS.values(), *LOSSES.values()) if not getattr(row, "coupled", False)
]


@pytest.mark.parametrize("row", [r for r in ROWS if take_apart(r)], ids=lambda row: row.name)
@pytest.mark.parametrize("at", [-0.7, 0.3])
def test_a_function_taken_apart(row, at):
    """The stages of every formula of the catalogue, and the product of their derivatives, hold."""
    name, by = ("h", "z") if row.name in ACTIVATIONS else ("l", "yhat")
    given = {"z": at} if by == "z" else {"y": 0.25, "yhat": abs(at)}
    derivation = sb.equations({name: row.formula}, values=given).derive(by)
    letters = {"yhat": "ŷ"}
    values = {(letters.get(key, key), (), None): value for key, value in given.items()}
    sheet = Sheet(derivation.sheet("txt", "full"), values)
    assert sheet.untrue() == []
    assert len(sheet.equations) == len(take_apart(row).backward.graph.equations) > 1


def test_softmax_taken_apart():
    """Through the exponentials and their sum the derivative is ŷ_j (1[i=j] - ŷ_i), in numbers."""
    network_ = network("ten_classes")
    (pair,) = (p for p in network_.backward.derivatives if p[0].name == "yhat")
    equation = next(e for e in network_.graph.equations if e.variable == pair[0])
    local = network_.backward.derivatives[pair]
    parts = softmax_apart(equation, local)
    shares = [0.1, 0.2, 0.7]
    for i, j in itertools.product(range(3), repeat=2):
        letters = dict(zip((*local.parent_indices, *local.child_indices), (i, j), strict=True))

        def number(expr, letters=letters):
            found = {"S": 2.0}

            def element(indexed):
                k = letters[indexed.indices[-1]]
                return shares[k] if indexed.base.name == "yhat" else 2.0 * shares[k]

            plain = collapse(expr).replace(lambda part: isinstance(part, Indexed), element)
            plain = plain.replace(
                lambda part: isinstance(part, Symbol) and part.name in found,
                lambda part: found[part.name],
            )
            return float(plain.subs(letters))

        expected = shares[j] * ((i == j) - shares[i])
        assert number(parts.along) == pytest.approx(expected)
        assert number(parts.result) == pytest.approx(expected)
    assert "(∂ŷ_i/∂e_i)_S = 1/S" in flat(page("s5", "w_131", "txt", "full"))
