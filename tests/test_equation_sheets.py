"""Sheets of networks as equations: what they say, that one sees it, that the number is right."""

import itertools
import re

import pytest

import symback as sb
from symback.cli import main
from symback.network import EquationNetwork
from symback.sheets import rendering, systems
from symback.sheets.figure import Figure, Label, Pill
from symback.sheets.page import Display, Formula, Grid, Page, Row, Say
from tests import networks
from tests.systems import KINDS, symbolic, system, text
from tests.typesetting import compile_tex, katex_errors, needs_tex, overfull_lines

ASKED = {
    "rnn": "U[1,2]",
    "attention": "Q[2,1]",
    "conv1d": "K[2,1,1]",
    "layer_norm_inside": "W[1,1]",
}


def network(kind: str) -> EquationNetwork:
    return EquationNetwork(system(kind))


def formulas(page: Page) -> list[str]:
    """All LaTeX of a page."""
    found: list[str] = []

    def look(entry: object) -> None:
        match entry:
            case Formula(latex, _):
                found.append(latex)
            case Say(_, facts):
                for each in facts.values():
                    look(each)
            case Row(lhs, _, lines, _, reason):
                look(lhs)
                look(reason)
                found.extend(lines)
            case Display(rows):
                for row in rows:
                    look(row)
            case Grid(_, rows):
                for row in rows:
                    for cell in row:
                        look(cell)

    look(page.title)
    for section in page.sections:
        look(section.title)
        for block in section.blocks:
            look(block)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_katex_sets_every_formula_of_the_overview(kind: str):
    """The page of a whole network of each kind, and every form of it can be made."""
    page = systems.overview(network(kind))
    pieces = [re.sub(r"\\Big[lr][][()]", "", each) for each in formulas(page)]
    assert katex_errors(dict.fromkeys(pieces)) == []
    for form in rendering.FORMS:
        assert rendering.render(page, form)


@pytest.mark.parametrize("kind", ASKED)
def test_the_number_of_a_sheet_is_a_central_difference(kind: str):
    """The sheet says so, and the two numbers stand beside one another."""
    net = network(kind)
    derivation = net.derive(ASKED[kind])
    checked = systems.checked_number(net, derivation)
    assert checked is not None
    assert checked.digits >= 40
    shown = derivation.sheet("txt")
    assert "The two agree to" in shown
    assert f"{derivation.path_count} paths lead from {derivation.name} to L" in shown


def test_symbolic_sizes_keep_their_letters():
    """No numbers, no paths one by one; the sum over t = 1..T stays."""
    net = EquationNetwork(symbolic("rnn"))
    shown = net.derive("U[1,2]").sheet("txt")
    assert "∂L/∂U_12 = Σ_{t=1..T}" in shown
    assert "[with numbers]" not in shown
    assert "∂L/∂h[T]_i" in net.sheet("txt")


@needs_tex
def test_tex_sets_a_sheet(tmp_path):
    """latexmk compiles it, and no line runs over the margin."""
    for kind, name in (("rnn", "U[1,2]"), ("attention", "Q[2,1]")):
        log = compile_tex(network(kind).derive(name).sheet("tex"), tmp_path, name=kind)
        assert overfull_lines(log) == []


def test_the_command_writes_every_form(tmp_path, capsys):
    """``symback sheet NET --wrt`` and without: files, and a line on the check."""
    file = tmp_path / "rnn.toml"
    file.write_text(text("rnn"), "utf-8")
    out = ["-o", str(tmp_path / "out"), "--format", "tex,html,md,txt"]
    assert main(["sheet", str(file), "--wrt", "U[1,2]", *out]) == 0
    said = capsys.readouterr().out
    assert "agrees with a central difference to" in said
    assert main(["sheet", str(file), *out]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {f"rnn_{what}.{form}" for what in ("U_12", "all") for form in ("tex", "html", "md")} <= (
        names
    )


def inside(figure: Figure) -> bool:
    """Whether everything lies in the picture, which is no wider than a line."""
    boxes = [item.box for item in figure.items]
    wide, high = figure.width + 0.1, figure.height + 0.1
    return wide <= 484 and all(
        box[0] >= -0.1 and box[1] >= -0.1 and box[2] <= wide and box[3] <= high for box in boxes
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_picture_that_fits(kind: str):
    """In SVG and TikZ from one layout; boxes do not overlap."""
    net = network(kind)
    figure = net.figure()
    assert figure is not None
    assert inside(figure)
    for form in ("svg", "tex"):
        assert rendering.render_figure(figure, form)
    boxes = [pill.box for pill in figure.of(Pill)]
    for one, other in itertools.combinations(boxes, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart


def test_shared_weights_have_one_colour_at_every_step():
    """W is written once a step, each time in the same colour, and U in another."""
    figure = network("rnn").figure()
    assert figure is not None
    colours = {
        name: {label.colour for label in figure.of(Label) if label.text == name}
        for name in ("W", "U")
    }
    assert all(len(found) == 1 for found in colours.values())
    assert colours["W"] != colours["U"]
    assert [label.text for label in figure.of(Label)].count("U") == 3


def test_a_long_recurrence_is_drawn_with_dots():
    """Two thousand steps, or T of them: the first two, dots, the last."""
    for sizes in ({"T": 2000}, {"T": "T"}):
        lines = "h[0] = 1\nh[t] = w*h[t-1]\nL = h[T]**2"
        net = sb.equations(lines, sizes=sizes, parameters={"w": []}, ranges={"t": "T"})
        figure = net.figure()
        texts = [label.text for label in figure.of(Label)]
        last = "T" if sizes["T"] == "T" else "2000"
        assert {"h[0]", "h[1]", "h[2]", rf"h[{last}]", r"\cdots"} <= set(texts)
        assert inside(figure)


def test_the_pages_of_the_docs_are_fresh():
    """docs/networks is what symback prints today."""
    found = {path.name: path.read_text("utf-8") for path in networks.FOLDER.iterdir()}
    assert found == networks.pages(), "make them anew: python tests/networks.py"
