"""The recipes of the house, followed on throw-away examples: one row is all that is added."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import sympy

import symback as sb
from backprop import Net, backprop
from reports import table
from symback.checking.correct import Kind
from symback.checking.mistakes import MISTAKES, Making, Mistake, rank
from symback.cli import main
from symback.language import layout
from symback.language.algebra import Product, collapse
from symback.language.names import NOTATIONS, Notation
from symback.language.writing import Text
from symback.sheets import rendering

ROOT = Path(__file__).resolve().parent.parent

# ------------------------------------------------------------------------------- add a mistake

CUBED = Mistake(
    "cubed-activation",
    "h³ stands where g′(a) belongs",
    "∂L/∂w_112 = [(ŷ_1 - y_1)·w_211 + (ŷ_2 - y_2)·w_221]·h_11³·x_2",
    (
        Making(
            (Kind.SLOPE,),
            lambda factor: factor.child**3,
            says="{child}³ stands where {factor} = g′({parent}) belongs",
            throughout="the cubes of layer {layer} stand where g′(a) belongs",
            whole="{child}³ stands where g′({parent}) belongs",
        ),
    ),
)


@pytest.fixture
def cubed(monkeypatch):
    """The row in the table, for the time of one test."""
    monkeypatch.setitem(MISTAKES, CUBED.name, CUBED)


def on_a_page(line: str) -> list[tuple[str, str]]:
    """What is said of a line, by a network that knows nothing of other tests."""
    net = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
    (found,) = sb.check(line, net).lines
    return [(each.name, each.detail) for each in found.diagnosis]


def in_arrays() -> list[tuple[str, str]]:
    """What is said of δ_1 = ∂L/∂h_1 ⊙ h_1³."""
    net = Net((3, 4, 2), "sigmoid", "softmax", "cross_entropy", batch=4, seed=3).drawn()
    right = backprop(net)
    wrong = right["dh1"] * right["h1"] ** 3
    report = sb.check_arrays({"dh1": right["dh1"], "delta1": wrong}, net.network())
    return [(each.name, each.detail) for each in report["delta1"].diagnosis]


@pytest.mark.usefixtures("cubed")
def test_a_mistake_is_one_row():
    """It is found on a page, for one neuron and throughout, in arrays, and the docs list it."""
    one = CUBED.example
    assert on_a_page(one) == [(CUBED.name, "h_11³ stands where ∂h_11/∂a_11 = g′(a_11) belongs")]
    every = "∂L/∂x_1 = ∂L/∂h_11·h_11³·w_111 + ∂L/∂h_12·h_12³·w_121 + ∂L/∂h_13·h_13³·w_131"
    assert on_a_page(every) == [(CUBED.name, "the cubes of layer 1 stand where g′(a) belongs")]
    assert in_arrays() == [(CUBED.name, "h_1³ stands where g′(a_1) belongs")]
    assert f"| `{CUBED.name}` | {CUBED.identity} | `{CUBED.example}` |" in table()
    assert rank(CUBED.name) == len(MISTAKES) - 1


def test_without_the_row_the_mistake_has_no_name():
    """Nothing else explains those lines and arrays."""
    assert on_a_page(CUBED.example) == []
    assert in_arrays() == []


# ------------------------------------------------- add a function, an activation, a loss

ADDED = {
    '    Function(\n        "erf"': """    Function(
        "asinh", "1/sqrt(1+z**2)", rises=True, odd=True, aliases=("arsinh",),
        latex=r"\\\\operatorname{arsinh}", text="arsinh", numpy="np.arcsinh",
    ),
""",
    "    SoftMax(facts": '    Activation("ramp", "max(asinh(z),2.7)-2.7"),\n',
    '    Loss("output"': '    Loss("away", "(y-yhat)**4"),\n',
}
"""One row each, before the row that is named."""

RECIPE = """
import numpy as np
import symback as sb

x, y = np.array([3.4, -8.1]), np.array([0.3, -0.2])
params = {"W1": np.array([[5.5, -0.7], [1.2, 9.3], [-2.6, 0.9]]), "b1": np.array([0.1, -0.2, 0.3]),
          "W2": np.array([[0.8, -0.5, 0.2], [0.4, 0.6, -0.9]]), "b2": np.array([0.05, -0.15])}
values = {name: array.tolist() for name, array in ({"x": x, "y": y} | params).items()}
net = sb.Network(2, [(3, "ramp"), (2, "linear")], loss="away", values=values)

def loss(W1, b1, W2, b2):
    h = np.maximum(np.arcsinh(W1 @ x + b1), 2.7) - 2.7
    return np.sum((y - W2 @ h - b2) ** 4)

ends = []
for move in (1e-6, -1e-6):
    moved = params["W1"].copy()
    moved[0, 1] += move
    ends.append(loss(**(params | {"W1": moved})))
wanted = (ends[0] - ends[1]) / 2e-6
assert abs(wanted) > 0.01
derived = net.derive("w_112")
assert abs(derived.value - wanted) < 1e-6
for style in ("scalar", "array"):
    value, gradients = net.kernel(style)(params, x, y)
    assert abs(value - loss(**params)) < 1e-12
    assert abs(gradients["W1"][0][1] - wanted) < 1e-6
assert "ramp" in net.matrix_form().text()
assert any("ramp" in repr(item) for item in derived.figure().items)
assert "jnp.arcsinh(" in net.kernel_source("array", "jax")
assert "torch.arcsinh(" in net.kernel_source("array", "torch")
assert all("ramp" in net.sheet(form) for form in ("html", "tex", "md", "txt"))
for page in (derived.text(), derived.latex()):
    report = sb.check(page, net)
    assert {line.verdict.value for line in report.lines} <= {"proved", "text"}, str(report)
lines = {
    "h_11 = ramp(a_11)": "proved",
    "h_11 = max(arsinh(a_11), 2.7) - 2.7": "proved",
    "h_11 = ramp(a_12)": "refuted",
    "asinh(-a_11) = -asinh(a_11)": "proved",
    "∂/∂a_11 [asinh(a_11)] = 1/√(1 + a_11^2)": "proved",
    "∂/∂a_11 [asinh(a_11)] = 1/(1 + a_11^2)": "refuted",
    "asinh(2) = 1.4436": "proved",
    "asinh(2) = 1.45": "refuted",
}
for line, verdict in lines.items():
    assert sb.check(line, net).verdict.value == verdict, line
"""


def test_a_function_an_activation_and_a_loss_are_one_row_each(tmp_path):
    """A line in the file for a function, an activation, a loss: every consumer has it.

    Neither the activation nor the loss declares a slope, and the activation has a kink at 2.7.
    """
    shutil.copytree(ROOT / "symback", tmp_path / "symback")
    shutil.copytree(ROOT / "templates", tmp_path / "symback" / "templates")
    table = tmp_path / "symback" / "language" / "functions.py"
    text = table.read_text()
    for before, row in ADDED.items():
        assert text.count(before) == 1
        text = text.replace(before, row.replace("\\\\", "\\") + before)
    table.write_text(text)
    run = subprocess.run(
        [sys.executable, "-c", RECIPE],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-3000:]


# ------------------------------------------------------------------------------ add a notation


def test_a_notation_is_one_row(monkeypatch):
    """Sheets are written in it, and pages that are written in it are read."""
    row = Notation("own", preactivation="s", activation="v", loss="E", layer="bracketed")
    monkeypatch.setitem(NOTATIONS, row.name, row)
    net = sb.Network(2, [(3, "tanh"), (2, "softmax")], loss="cross_entropy").in_notation("own")
    page = net.derive("w_112").text()
    assert "∂E/∂s^(1)_1 = ∂E/∂v^(1)_1 · ∂v^(1)_1/∂s^(1)_1" in page
    assert r"(v_{1}^{(1)})^{2}" in net.derive("w_112").latex()
    assert "s^(1)_1" in net.sheet("txt")
    for text in (page, net.derive("w_112").latex()):
        report = sb.check(text, net, notation="own")
        assert {line.verdict.value for line in report.lines} <= {"proved", "text"}, str(report)
    assert sb.check("∂E/∂s^(1)_1 = 5", net, notation="own").verdict.value == "refuted"


# ------------------------------------------------------------------------------- add a dialect


class Python(Text):
    """Formulas as Python would compute them: marks are all that a dialect says."""

    absolute = "abs({})".format
    root = "sqrt({})".format
    indicator = "float({})".format

    def power(self, base: str, exponent: str) -> str:
        return f"exp({exponent})" if base == self.euler else f"{base}**({exponent})"

    def multiply(self, factors: list[str], has_partials: bool) -> str:
        return "*".join(factors)


def test_a_dialect_is_its_marks():
    """Order, signs and brackets are the writer's; what it writes has the value of the formula."""
    x, y = sympy.symbols("x y", real=True)
    formulas = [
        sympy.exp(-x) * (x - y) ** 2 / (1 + y**2),
        Product(sympy.Integer(-2), x - y, sympy.sqrt(1 + x**2)),
        abs(x - y) - sympy.Piecewise((1, x > y), (0, True)),
        -(sympy.sin(x) ** 2) / 3 + y / (2 * x),
    ]
    known = {"x": 0.7, "y": -1.3, "exp": math.exp, "sqrt": math.sqrt, "sin": math.sin}
    for formula in formulas:
        text = Python().write(formula)
        found = eval(text.replace("sin**(2)(x)", "sin(x)**2"), known)  # noqa: S307 - written here
        assert found == pytest.approx(float(collapse(formula).subs({x: 0.7, y: -1.3})))


# ------------------------------------------------------------------------ add an output format

OUTLINE = """<< set.say(page.title) >>
<% for section in set.sections() %>
<< set.say(section.title) >>
<% for block in section.blocks if block|kind == "Display" %>
<% for row in block.rows %>
- <<  row.lhs.latex if row.lhs else "" >> << set.relation(row) >> << row.lines|join(" ") >>
<% endfor %>
<% endfor %>
<% endfor %>
"""


@pytest.fixture
def outline(monkeypatch, tmp_path):
    """A layout in a folder of templates, and the row that names it."""
    folder = tmp_path / "templates"
    folder.mkdir()
    for file in layout.template_dir().iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "sheet.org").write_text(OUTLINE, encoding="utf-8")

    monkeypatch.setattr(layout, "template_dir", lambda: folder)
    monkeypatch.setitem(
        rendering.FORMS, "org", rendering.Form("org", lambda formula: rf"\({formula.latex}\)", str)
    )
    layout.environment.cache_clear()
    rendering._sentences.cache_clear()
    yield
    layout.environment.cache_clear()
    rendering._sentences.cache_clear()


@pytest.mark.usefixtures("outline")
@pytest.mark.parametrize("example", ["s5", "s3", "s1", "wide"])
def test_an_output_format_is_a_row_and_a_layout(example, tmp_path, capsys):
    """The command writes it and Python gives it, row by row, the formulas as LaTeX."""
    net = f"examples/{example}.toml"
    wrt = {"s1": "w", "wide": "w_1,2,3"}.get(example, "w_111")
    command = ["sheet", net, "--wrt", wrt, "--format", "org,txt", "-o", str(tmp_path)]
    assert main(command) == 0
    written = next(tmp_path.glob("*.org")).read_text("utf-8")
    derivation = sb.load(net).derive(wrt)
    assert written == derivation.sheet("org")
    lhs = derivation.latex().removeprefix(r"\begin{aligned} ").split(" &= ")[0]
    assert f"- {lhs} = " in written
    rows = [line for line in derivation.sheet("txt").splitlines() if re.match(r"  .* [=≈+] ", line)]
    assert written.count("\n- ") >= len(rows) / 2 > 1
    assert ".org" in capsys.readouterr().out


def test_without_the_row_the_format_is_refused(tmp_path, capsys):
    """The message names the formats that there are."""
    with pytest.raises(SystemExit) as ended:
        main(["sheet", "examples/s5.toml", "--format", "org", "-o", str(tmp_path)])
    assert ended.value.code == 2
    assert "org is not one of tex, html, md, txt, pdf" in capsys.readouterr().err
    assert not [*Path(tmp_path).iterdir()]
