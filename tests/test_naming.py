r"""Names of several letters and numbered ones mean what they say, or what the page's equations say.

``net_{h1}``, ``\text{out}_{o1}``, ``W_hidden``, ``y_pred``, ``w_5``: each is read as the quantity
of the network that it is, in LaTeX and in text, and lines with them are proved or refuted as in the
lectures' letters.  What may mean two things, and weights that the forward equations of a
page do not single out, are refused.
"""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

import symback as sb
from symback.checking.letters import Scope
from symback.checking.page import Claim, read
from symback.language.names import NOTATIONS, UnknownNotation, notation

CASES = Path(__file__).resolve().parent / "cases"
SIGMOIDS = sb.Network(2, [(2, "sigmoid"), (2, "sigmoid")], loss="half_squared_error")
ONE_OUTPUT = sb.Network(2, [(2, "sigmoid"), (1, "sigmoid")], loss="squared_error")
CLASSES = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
DEEP = sb.Network(2, [(2, "tanh"), (2, "tanh"), (2, "sigmoid")], loss="half_squared_error")
ONE_LAYER = sb.Network(2, [(1, "sigmoid")], loss="half_squared_error")


def read_as(text, net=SIGMOIDS):
    """What each claim of a page in the lectures' letters is read as."""
    items = read(text, Scope.of(net.graph), NOTATIONS["lectures"]).items
    return [item.read_as for item in items if isinstance(item, Claim)]


def verdicts(text, net=SIGMOIDS, letters="auto"):
    """The verdicts of all lines that claim something."""
    lines = sb.check(text, net, notation=letters).lines
    return [line.verdict.value for line in lines if line.verdict.value != "text"]


# ------------------------------------------------------------------------ what names say themselves

SAID = [
    (r"$net_{h1} = 1$", "a_11 = 1"),
    (r"$\text{net}_{h_2} = 1$", "a_12 = 1"),
    (r"$\mathrm{net}_{o1} = 1$", "a_21 = 1"),
    (r"$\mathit{out}_{h1} = 1$", "h_11 = 1"),
    (r"$out_{o2} = target_{o2}$", "ŷ_2 = y_2"),
    ("net_h1 = out_o2", "a_11 = ŷ_2"),
    ("∂out_h1/∂net_h1 = 1", "∂h_11/∂a_11 = 1"),
    ("dE/dnet_o1 = 1", "∂L/∂a_21 = 1"),
    (r"$\delta_{o1} + \delta_{h2} = \delta_{21} + \delta_{12}$", "δ_21 + δ_12 = δ_21 + δ_12"),
    (r"$out_{h1} = \sigma(net_{h1}) = i_1$", "h_11 = σ(a_11) = x_1"),
    ("z_h1 = a_h1", "a_11 = h_11"),
    ("z_out = W_out @ a_hidden + b_out", "a_2 = W_2 h_1 + b_2"),
    ("hidden_net = W_hidden @ x + b_hidden", "a_1 = W_1 x + b_1"),
    ("output_net = W_output @ hidden_out + b_output", "a_2 = W_2 h_1 + b_2"),
    ("z_o = W_ho @ a_h + b_o", "a_2 = W_2 h_1 + b_2"),
    ("z_h = W_xh @ x + b_h", "a_1 = W_1 x + b_1"),
    ("dW_hidden = delta_hidden @ x.T", "∇_{W_1} L = δ_1 xᵀ"),
    ("grad_W1 = grad_W_out", "∇_{W_1} L = ∇_{W_2} L"),
    ("grad_output = 1", "∇_{ŷ} L = 1"),
    ("ypred_1 = ytrue_1", "ŷ_1 = y_1"),
    ("y_pred_1 = y_hat_1", "ŷ_1 = ŷ_1"),
    (r"$y\_pred_1 - y\_true_1 = \hat{\mathbf y}_1 - y_1$", "ŷ_1 - y_1 = ŷ_1 - y_1"),
    (r"$y_{pred,1} = y_{\text{true},i}$", "ŷ_1 = y_{i}"),
    (r"$output_2 = \text{target}_2$", "ŷ_2 = y_2"),
    (r"$\sum_o \delta_o w_{ho} = out_{h1}$", "Σ_{o} δ_{2,o}·w_{2,o,h} = h_11"),
    (r"$\frac{\partial\,\text{Loss}}{\partial w_{211}} = 1$", "∂L/∂w_211 = 1"),
    ("dMSE/dw_211 = 1", "∂L/∂w_211 = 1"),
    (r"$\frac{\partial E_{total}}{\partial w_{211}} = 1$", "∂L/∂w_211 = 1"),
]


@pytest.mark.parametrize(("line", "meaning"), SAID, ids=[line for line, _ in SAID])
def test_a_name_is_read_as_the_quantity_that_it_says(line, meaning):
    """However it is typed."""
    assert read_as(line) == [meaning]


AMBIGUOUS = [
    ("a_h1 = 1", SIGMOIDS),  # of z and a, or of a and h?
    ("y_o1 = 1", SIGMOIDS),  # target or output?
    ("net_h1 = 1", DEEP),  # which of two hidden layers?
    (r"$W_{hidden} = 1$", DEEP),
    ("net_h3 = 1", SIGMOIDS),  # there is none
    ("target_h1 = 1", SIGMOIDS),
    (r"$L_{MSE} = 1$", CLASSES),  # the loss is another
    (r"$\frac{\partial CE}{\partial w_{211}} = 1$", SIGMOIDS),
    ("W_o = Σ_o w_2oi", SIGMOIDS),  # o is an index
]


@pytest.mark.parametrize(("line", "net"), AMBIGUOUS, ids=[line for line, _ in AMBIGUOUS])
def test_a_name_that_may_be_two_things_or_none_is_not_read(line, net):
    assert {"proved", "refuted", "conditional"}.isdisjoint(verdicts(line, net))


REMARKS = [
    "the target y_1 = 1", "input x_1 = 1", r"the output $y_1 = 1$", "y_1 = 1 (target)",
    "y_1 = 1  (target)", r"$y_1 = 1 (\text{target})$", r"$x_1 = 1 \quad (\text{input})$",
]  # fmt: skip


@pytest.mark.parametrize("line", REMARKS)
def test_a_word_of_a_sentence_is_no_factor(line):
    assert read_as(line) in (["y_1 = 1"], ["x_1 = 1"])


LAYERS = """
delta_output = y_pred - y_true
delta_hidden = W_out.T @ delta_output * h_1 * (1 - h_1)
dW_hidden = delta_hidden @ x.T
"""
NET = r"""
\[ \text{net} = w_1 x_1 + w_2 x_2 + b \] \[ out = \sigma(\text{net}) \]
\[ \frac{\partial E}{\partial w_1} = (out - target)\, out (1 - out) x_1 \]
"""
RIGHT_AND_WRONG = [
    (r"$\frac{\partial \mathcal{L}_{CE}}{\partial w_{212}} = (\hat{\mathbf y}_1 - y_1) h_{12}$",
     r"y_1) h_{12}", r"y_1) h_{11}", CLASSES),
    ("dLoss/dw_212 = (y_pred_1 - y_true_1) * h_12", "- y_true_1", "- y_true_2", CLASSES),
    ("delta_output = y_pred - y_true\ndW_out = delta_output @ h_1.T", "h_1.T", "x.T", CLASSES),
    (LAYERS, "(1 - h_1)", "(1 + h_1)", CLASSES),
    ("∂E_total/∂out_o1 = out_o1 - target_o1", "out_o1 - target_o1", "target_o1 - out_o1", SIGMOIDS),
    (NET, "(1 - out) x_1", "(1 - out) x_2", ONE_LAYER),
]  # fmt: skip


@pytest.mark.parametrize(("page", "part", "mutated", "net"), RIGHT_AND_WRONG)
def test_lines_with_names_are_judged(page, part, mutated, net):
    """The right page holds; with one part changed a line of it is refuted, or nothing is proved."""
    assert set(verdicts(page, net)) <= {"proved", "conditional"}
    assert part in page
    assert "refuted" in verdicts(page.replace(part, mutated), net)


def test_a_loss_by_another_name_is_compared_with_the_networks():
    """Where the page differentiates it: MSE = ½ Σ … is the loss, and MSE = Σ … is not."""
    slope = "\ndMSE/dw_211 = (ŷ_1 - y_1)·ŷ_1·(1 - ŷ_1)·h_11"
    assert verdicts(f"MSE = 1/2 Σ_i (y_i - ŷ_i)^2{slope}") == ["proved", "proved"]
    assert verdicts(f"MSE = 1/3 Σ_i (y_i - ŷ_i)^2{slope}") == ["refuted", "refuted"]


# ------------------------------------------------------------------------------ the [names] table

TABLE = """
loss = "E"
[names]
w_5 = "w_211"
w_6 = "w_212"
"net_{o1}" = "a_21"
out_h1 = "h_11"
W_last = "W_2"
"s_{i}" = "a_1i"
"""


@pytest.fixture
def own(tmp_path):
    """Writes a notation's file, and gives its path."""

    def write(text):
        path = tmp_path / "own.toml"
        path.write_text(text, "utf-8")
        return path

    return write


def test_a_table_of_names_says_what_single_names_are(own):
    path = own(TABLE)
    right = "∂net_o1/∂w_5 = out_h1\n" r"\[ \frac{\partial net_{o1}}{\partial w_{5}} = out_{h1} \]"
    assert verdicts(right, letters=path) == ["proved", "proved"]
    assert verdicts("∂net_o1/∂w_6 = out_h1", letters=path) == ["refuted"]
    assert verdicts("∂E/∂w_6 = δ_21·h_12", letters=path) == ["proved"]
    assert verdicts("dE/dW_last = δ_2 @ h_1.T", letters=path) == ["proved"]
    assert verdicts("∂h_1j/∂s_j = h_1j·(1 - h_1j)", letters=path) == ["proved"]
    assert verdicts("∂h_12/∂s_2 = h_12·(1 - h_11)", letters=path) == ["refuted"]


def test_a_power_of_a_name_is_no_layer(own):
    """w_5^{(1 - 1)} is w_5⁰, and w_5^{+} the weight after a step."""
    path = own(TABLE)
    assert verdicts(r"$\frac{\partial net_{o1}}{\partial w_5} = out_{h1} w_5^{(1 - 1)}$",
                    letters=path) == ["proved"]  # fmt: skip
    step = r"$w_5^{+} = w_5 - \eta \frac{\partial E}{\partial w_5}$"
    assert verdicts(step, letters=path) == ["proved"]
    assert verdicts(step.replace("w_5 -", "w_5 +"), letters=path) == ["refuted"]


WRONG_TABLES = [
    ('[names]\nw_5 = 3', r"w_5 = '?3'? names no quantity; in \[names\].*w_5 = \"w_211\""),
    ('[names]\n"5" = "w_211"', "'5' is no name"),
    ('names = "w_5"', "names must be a table"),
    ('[names]\nnet_h1 = "a_11"\n"net_{h1}" = "a_12"', "are the same name"),
    ('[names]\nw_5 = "w_231"', r"\[names\] says w_5 = w_231, but there is no w_231.*W_k, b_k"),
    ('[names]\nw_5 = "q"', r"says w_5 = q, but there is no q; there are w_kij"),
    ('[name]\nw_5 = "w_211"', 'no key name; did you mean "names"'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), WRONG_TABLES, ids=[text for text, _ in WRONG_TABLES])
def test_a_wrong_table_is_refused_with_what_there_is(own, text, told):
    with pytest.raises(UnknownNotation, match=told):
        sb.check("L = 1", SIGMOIDS, notation=own(text))


def test_the_names_of_a_table_are_kept_as_pairs(own):
    names = notation(own('[names]\nw_5 = "w_211"\n')).names
    assert names == (("w_5", "w_211"),)


# ------------------------------------------------------------------------------- numbered weights


@functools.cache
def numbered_page():
    """The page with numbered weights, and the network it is about."""
    text = (CASES / "pages" / "r1_numbered.tex").read_text("utf-8")
    return text, sb.load(CASES / "nets" / "numbered.toml")


def test_a_page_with_numbered_weights_is_proved_line_by_line():
    """Forward and backward, in symbols and in numbers; the report says which weights they are."""
    text, net = numbered_page()
    report = sb.check(text, net)
    said = {line.verdict.value for line in report.lines}
    assert said == {"proved", "text"}
    claims = [line.line for line in report.lines if line.verdict.value == "proved"]
    assert len(claims) > 40
    assert "w_1 is w_111, w_2 is w_112, w_3 is w_121" in report.notes[0]
    assert "w_8 is w_222: by the forward equations" in report.notes[0]


MUTATIONS = [  # on which line, what, by what
    (7, "+ w_2", "- w_2"),
    (7, "+ b_1 * 1", "+ b_2 * 1"),
    (10, "e^{-net_{h1}}", "e^{net_{h1}}"),
    (10, "= 0.6252752", "= 0.6263752"),
    (17, "+ b_2", "- b_2"),
    (25, "E_{o1} +", "E_{o1} -"),
    (28, "net_{o1}}{\\partial w", "net_{o2}}{\\partial w"),
    (32, "* -1", "* 1"),
    (33, "-(target", "(target"),
    (34, "(1 - out_{o1})", "(1 - out_{o2})"),
    (35, "* out_{h1}", "* out_{h2}"),
    (39, "* out_{h1}", "* out_{h2}"),
    (39, "w_{5}", "w_{6}"),
    (42, "-(target", "(target"),
    (43, "out_{h1}", "out_{h2}"),
    (44, "- \\eta", "+ \\eta"),
    (45, "w_8", "w_7"),
    (49, "+ \\frac{\\partial E_{o2}", "- \\frac{\\partial E_{o2}"),
    (50, "net_{o1}}{\\partial out_{h1}}", "net_{o1}}{\\partial out_{h2}}"),
    (52, "w_5", "w_7"),
    (57, "i_1", "i_2"),
    (59, "out_{h1}}}\\Big)", "out_{h2}}}\\Big)"),
    (60, "i_{1}", "i_{2}"),
]


@pytest.mark.parametrize(("number", "part", "mutated"), MUTATIONS)
def test_a_mutated_line_of_that_page_is_refuted_and_no_other(number, part, mutated):
    text, net = numbered_page()
    lines = text.split("\n")
    assert part in lines[number - 1]
    lines[number - 1] = lines[number - 1].replace(part, mutated, 1)
    report = sb.check("\n".join(lines), net)
    wrong = {line.line for line in report.lines if line.verdict.value == "refuted"}
    assert wrong == {number}


CONTRADICTIONS = [
    (13, "w_4", "w_2"),
    (17, "w_5 *", "w_6 *"),
    (20, "w_7", "w_5"),
    (7, "i_2", "i_1"),
]


@pytest.mark.parametrize(("number", "part", "mutated"), CONTRADICTIONS)
def test_weights_in_two_places_are_not_known_and_nothing_about_them_is_judged(
    number, part, mutated
):
    """The report says which line does not agree, and how to say what they are."""
    text, net = numbered_page()
    lines = text.split("\n")
    lines[number - 1] = lines[number - 1].replace(part, mutated, 1)
    report = sb.check("\n".join(lines), net)
    assert all(line.verdict.value != "refuted" for line in report.lines)
    about = [line for line in report.lines if "w_" in line.source and "= w_" in line.source]
    assert {line.verdict.value for line in about} <= {"unread", "undecided"}
    assert "which weights w_1 … w_8 are is not known, because " in report.notes[0]
    assert "[names]" in report.notes[0]


NEURONS = r"""
\[ h_1 = f(w_1 x_1 + w_2 x_2 + b_1) \]
\[ h_2 = f(w_3x_1 + w_4x_2 + b_2) \]
\[ y_{pred} = o_1 = f(w_5h_1 + w_6h_2 + b_3) \]
\[ \frac{\partial y_{pred}}{\partial h_1} = w_5 * f'(w_5h_1 + w_6h_2 + b_3) \]
\[ \frac{\partial h_1}{\partial w_1} = x_1 * f'(w_1x_1 + w_2x_2 + b_1) \]
\[ \frac{\partial L}{\partial b_3} = -2(y_{true} - y_{pred}) f'(w_5h_1 + w_6h_2 + b_3) \]
"""
THROUGH = r"""
- $z_1 = w_{11}x_1 + w_{21}x_2 + b_1$
- $a_1 = \sigma(z_1)$
- $z_2 = w_{12}x_1 + w_{22}x_2 + b_2$
- $a_2 = \sigma(z_2)$
- $z_3 = w_{13}a_1 + w_{23}a_2 + b_3$
- $\hat y = \sigma(z_3)$

$$\delta_1 = w_{13}\delta_3 a_1 (1 - a_1)$$

$$\frac{\partial L}{\partial w_{21}} = \delta_1 x_2$$
"""
CODE = """
net_h1 = w1*i1 + w2*i2 + b_11
net_h2 = w3*i1 + w4*i2 + b_12
net_o1 = w5*out_h1 + w6*out_h2 + b_21
net_o2 = w7*out_h1 + w8*out_h2 + b_22
∂E/∂w6 = (out_o1 - target_o1)*out_o1*(1 - out_o1)*out_h2
"""
GOT = """
h1 = w1*i1 + w2*i2 + b_11
h2 = w3*i1 + w4*i2 + b_12
a_h1 = sigmoid(h1)
o1 = w5*a_h1 + w6*a_h2 + b_21
a_o1 = sigmoid(o1)
do1/dw5 = a_h1
da_o1/do1 = a_o1*(1 - a_o1)
dL/dw6 = (a_o1 - t1)*a_o1*(1 - a_o1)*a_h2
"""
NUMBERED = [
    (GOT, SIGMOIDS, "do1/dw5", "do1/dw6"),
    (GOT, SIGMOIDS, "(a_o1 - t1)", "(t1 - a_o1)"),
    (GOT, SIGMOIDS, "a_h1 = sigmoid(h1)", "a_h1 = tanh(h1)"),
    (NEURONS, ONE_OUTPUT, r"x_1 * f'", r"x_2 * f'"),
    (NEURONS, ONE_OUTPUT, r"w_5 * f'", r"w_6 * f'"),
    (THROUGH, ONE_OUTPUT, r"\delta_1 x_2", r"\delta_1 x_1"),
    (THROUGH, ONE_OUTPUT, r"= w_{13}\delta_3", r"= w_{23}\delta_3"),
    (CODE, SIGMOIDS, "(1 - out_o1)*out_h2", "(1 - out_o1)*out_h1"),
]


@pytest.mark.parametrize(("page", "net", "part", "mutated"), NUMBERED)
def test_neurons_with_numbers_are_found_by_the_forward_equations(page, net, part, mutated):
    assert set(verdicts(page, net)) == {"proved"}
    assert part in page
    assert verdicts(page.replace(part, mutated), net).count("refuted") == 1


def test_without_forward_equations_no_weight_has_a_number():
    text = "∂E/∂w_5 = (out_o1 - target_o1)*out_o1*(1 - out_o1)*out_h1"
    report = sb.check(text, SIGMOIDS)
    assert report.lines[0].verdict.value == "unread"
    assert "no forward equation" in " ".join(report.notes)


# --------------------------------------------------------------------------- names that are defined

DEFINED = [
    ("s = w_211 h_11 + w_212 h_12 + b_21", "∂L/∂s = (ŷ_1 - y_1) ŷ_1 (1 - ŷ_1)", "proved"),
    ("s = w_211 h_11 + w_212 h_12 + b_21", "∂L/∂s = (y_1 - ŷ_1) ŷ_1 (1 - ŷ_1)", "refuted"),
    ("s = w_211 h_11 - w_212 h_12 + b_21", "∂L/∂s = (ŷ_1 - y_1) ŷ_1 (1 - ŷ_1)", "undecided"),
    ("q_i = Σ_j w_1ij x_j + b_1i", "∂h_12/∂q_2 = h_12 (1 - h_12)", "proved"),
    ("q_i = Σ_j w_1ij x_j + b_1i", "∂h_12/∂q_2 = h_11 (1 - h_11)", "refuted"),
    ("delta_o1 = (target_o1 - out_o1) out_o1 (1 - out_o1)", "∂L/∂w_211 = -delta_o1 out_h1",
     "proved"),
    ("delta_o1 = (out_o1 - target_o1) out_o1 (1 - out_o1)", "∂L/∂w_211 = -delta_o1 out_h1",
     "refuted"),
]  # fmt: skip


@pytest.mark.parametrize(("definition", "line", "verdict"), DEFINED)
def test_a_name_is_the_quantity_that_its_definition_is_equal_to(definition, line, verdict):
    """So one can differentiate by it; δ of the other sign stays the page's own."""
    assert verdicts(f"{definition}\n\n{line}")[-1] == verdict


# ----------------------------------------------------------------------------- files of [equations]

LINE = sb.equations({"yhat": "w*x", "s": "yhat-y", "loss": "s**2"})
PREDICTED = sb.equations({"z": "w*x+b", "y_pred": "1/(1+exp(-z))", "loss": "(y_pred-y_true)**2/2"})
BOTH = sb.equations({"ab": "a+b", "q": "ab*b"})
EQUATIONS = [
    (LINE, r"$\hat{y} = w x$", "proved"),
    (LINE, r"$\hat y = wx$", "proved"),
    (LINE, r"$\text{loss} = s^2 = (\hat{y} - y)^2$", "proved"),
    (LINE, r"$loss = (yhat - y)^2$", "proved"),
    (LINE, r"$\frac{\partial\, \text{loss}}{\partial w} = 2 s x$", "proved"),
    (LINE, r"$\frac{d\,loss}{dw} = 2 (\hat y - y) x$", "proved"),
    (LINE, r"$\frac{\partial loss}{\partial w} = 2 (\hat y - y)$", "refuted"),
    (PREDICTED, r"$\frac{\partial loss}{\partial y_{pred}} = y_{pred} - y_{true}$", "proved"),
    (PREDICTED, r"$\frac{\partial loss}{\partial b} = (y\_pred - y\_true)\, y\_pred (1 + y\_pred)$",
     "refuted"),
    (PREDICTED, "∂loss/∂w = (y_pred - y_true)*y_pred*(1-y_pred)*x", "proved"),
    (BOTH, r"$q = \text{ab}\, b$", "proved"),
    (BOTH, r"$q = ab b$", "unread"),  # ab, or a times b?
    (BOTH, "q = ab*b", "proved"),
]  # fmt: skip


@pytest.mark.parametrize(("net", "line", "verdict"), EQUATIONS, ids=[e[1] for e in EQUATIONS])
def test_names_of_an_equations_file_are_read_in_latex_and_in_text(net, line, verdict):
    assert verdicts(line, net) == [verdict]
