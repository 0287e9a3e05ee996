"""The recipes of the house, followed on throw-away examples: one row is all that is added."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import symback as sb
from backprop import Net, backprop
from reports import table
from symback.checking.correct import Kind
from symback.checking.mistakes import MISTAKES, Making, Mistake, rank
from symback.cli import main
from symback.language.names import NOTATIONS, Notation
from symback.sheets import rendering

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
    for file in rendering.template_dir().iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "sheet.org").write_text(OUTLINE, encoding="utf-8")

    monkeypatch.setattr(rendering, "template_dir", lambda: folder)
    monkeypatch.setitem(
        rendering.FORMS, "org", rendering.Form("org", lambda formula: rf"\({formula.latex}\)", str)
    )
    rendering.environment.cache_clear()
    rendering._sentences.cache_clear()
    yield
    rendering.environment.cache_clear()
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


# ---------------------------------------------------------------------------- add a notation

BLACKBOARD = Notation(
    "blackboard", preactivation="s", activation="r", weight="u", bias="c", output="p", target="t",
    input="x", loss="E", layer="bracketed", weight_order="from,into",
)  # fmt: skip


@pytest.fixture
def blackboard(monkeypatch):
    """The row in the table, for the time of one test."""
    monkeypatch.setitem(NOTATIONS, BLACKBOARD.name, BLACKBOARD)


@pytest.mark.usefixtures("blackboard")
def test_a_notation_is_one_row(tmp_path):
    """Sheets are written in it and pages read in it, also where the page itself names it."""
    net = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
    derivation = net.in_notation("blackboard").derive("w_212")
    assert str(derivation) == "∂E/∂u^(2)_21 = (p_1 - t_1)·r^(1)_2"
    assert sb.check(derivation.latex(), net, notation="blackboard").verdict.value == "proved"
    right = r"\frac{\partial E}{\partial u^{(2)}_{21}} = (p_1 - t_1) r^{(1)}_2"
    wrong = r"\frac{\partial E}{\partial u^{(2)}_{21}} = (p_1 - t_1) r^{(1)}_1"
    assert sb.check(f"% notation: blackboard\n{right}", net).verdict.value == "proved"
    assert sb.check(f"% notation: blackboard\n{wrong}", net).verdict.value == "refuted"
    assert main(["sheet", "examples/s5.toml", "--wrt", "w_131", "--notation", "blackboard",
                 "--format", "txt", "-o", str(tmp_path)]) == 0  # fmt: skip
    assert "∂E/∂u^(1)_13" in (tmp_path / "s5_w_131_blackboard.txt").read_text("utf-8")


def test_without_the_row_the_notation_is_refused():
    """By name; the same letters mean nothing else."""
    net = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
    with pytest.raises(sb.SymbackError, match="there is no notation blackboard"):
        net.in_notation("blackboard")
