"""A sheet on paper, on a phone and in the dark: nothing is torn apart, cut off or too faint."""

from __future__ import annotations

import itertools
import re

import pytest
from sympy import Symbol

import symback as sb
from pages import network, page
from symback.checking import report as showing
from symback.language.algebra import Terms
from symback.language.names import NETWORK
from symback.sheets.page import Display, Pen
from symback.sheets.rendering import LINES_TOGETHER, ties
from typesetting import (
    ROOT,
    browser_measure,
    browser_print,
    compile_tex,
    needs_browser,
    needs_tex,
    pdf_pages,
)

# ------------------------------------------------------------------------------------------ paper

PRINTED = [
    ("s5", "w_131"),
    ("s3", None),
    ("elu_gelu_silu_softplus", "w_111"),
    ("s7", None),
    ("batch", None),
]


def torn(pages):
    """What is wrong with where the pages end: titles left behind, path sums cut, notes alone."""
    found = [f"title at the end: {lines[-1]}" for lines in pages if is_title(lines[-1])]
    for lines in pages:
        last = 0
        for number in map(int, re.findall(r"\bpath (\d+)", "\n".join(lines))):
            if number not in (1, last + 1):
                found.append(f"path {number} begins a page")
            last = number
    if len(pages) > 1 and re.match(r"\s*•?\s*(Used above|Numbers are)", pages[-1][0]):
        found.append("nothing but notes on the last page")
    return found


def is_title(line):
    return re.fullmatch(r"\s*\d+\s+[A-Z]\D*", line) is not None


def test_torn_pages_are_found():
    """The comparison finds each of the three."""
    whole = ["1 The chain rule", "x = 1   path 1", "+ 2     path 2"]
    notes = ["Numbers are computed with 50 digits"]
    assert torn([whole, ["more", *notes]]) == []
    assert len(torn([[*whole, "6   The result"], ["more"]])) == 1
    assert len(torn([whole[:2], whole[2:]])) == 1
    assert len(torn([whole, notes])) == 1


@needs_tex
@pytest.mark.parametrize(("name", "wrt"), PRINTED)
def test_pdf_pages_end_where_they_may(tmp_path, name, wrt):
    """In the PDF no title stands last on a page, no sum over paths is cut, no notes are alone."""
    compile_tex(page(name, wrt, "tex"), tmp_path)
    pages = pdf_pages(tmp_path / "sheet.pdf")
    assert len(pages) > 1
    assert torn(pages) == []


@needs_browser
@pytest.mark.parametrize(("name", "wrt"), PRINTED)
def test_printed_pages_end_where_they_may(tmp_path, name, wrt):
    """The same of an HTML page that a browser prints."""
    path = tmp_path / "sheet.html"
    path.write_text(page(name, wrt, "html"), "utf-8")
    pages = pdf_pages(browser_print(path, tmp_path / "sheet.pdf"))
    assert len(pages) > 1
    assert torn(pages) == []


@needs_tex
def test_contents_are_set_closely(tmp_path):
    """The table of contents leaves room for the network on its page."""
    compile_tex(page("s7", None, "tex"), tmp_path)
    first = "\n".join(pdf_pages(tmp_path / "sheet.pdf")[0])
    assert "Contents" in first
    assert "Forward: the equations\n" in first


def test_an_equality_stays_with_its_left_side():
    """A row that goes on stays on the page of the one before; a group too long breaks inside."""
    pen = Pen(NETWORK)
    x, y = Symbol("x"), Symbol("y")

    def group(rows):
        return [pen.row(x, y), *(pen.row(None, y) for _ in range(rows - 1))]

    several = ties(Display(tuple(group(3) + group(1) + group(2))))
    assert several == [True, True, False, False, True, False]
    long = ties(Display(tuple(group(LINES_TOGETHER + 1))))
    assert [i for i, tied in enumerate(long) if tied] == [0, LINES_TOGETHER - 1]
    wide = Terms(*(Symbol(f"w_{k}") for k in range(1, 900)))
    assert ties(Display((pen.row(x, y), pen.row(None, wide), pen.row(None, y), pen.row(None, y))))[
        :3
    ] == [True, False, True]


def test_tex_may_not_end_a_page_within_an_equality():
    """A line that begins with a relation or goes on is tied to the line before it."""
    lines = page("s5", "w_131", "tex").splitlines()
    followers = [before for before, line in itertools.pairwise(lines) if line.startswith("&")]
    assert len(followers) > 20
    assert [line for line in followers if not line.endswith(r"\\*")] == []


def test_equations_have_the_same_numbers_in_html_and_tex():
    """Whoever is told "equation 12" finds the same one in both."""
    for name, wrt in PRINTED[:4]:
        html = re.findall(r'<tr class="[^"]*" id="e(\d+)"', page(name, wrt, "html"))
        tex = re.findall(r"\\why\{\w+\}\{.*\}\{\((\d+)\)\}", page(name, wrt, "tex"))
        assert html == tex == [str(i + 1) for i in range(len(html))]
        assert len(html) > 10


# ------------------------------------------------------------------------------------------ phone

PHONE = """return {
  across: document.documentElement.scrollWidth,
  raw: [...document.querySelectorAll(".katex-html")]
    .filter(formula => /[\\\\$]/.test(formula.textContent)).length,
  rows: [...document.querySelectorAll(".display tr")].map(row => ({
    moved: row.scrollWidth > row.clientWidth + 1,
    cue: getComputedStyle(row).backgroundImage.split("linear-gradient").length - 1,
    beside: !!row.querySelector(".why").textContent
      && row.querySelector(".why .m, .why").getBoundingClientRect().bottom
         < row.querySelector(".rhs .m").getBoundingClientRect().bottom,
  })) };"""

BREAKS = """
const style = (e, part) => {
  const found = getComputedStyle(e, part);
  return name => parseFloat(found[name]);
};
const terms = [...document.querySelectorAll(".rhs .katex-html > .term")].map(term => {
  const bases = [...term.querySelectorAll(".katex-base")];
  const places = bases.map(base => base.getBoundingClientRect());
  const row = term.closest("tr");
  return { width: places.reduce((sum, place) => sum + place.width, 0),
           room: row.clientWidth - style(row)("paddingLeft") - style(row)("paddingRight"),
           starts: bases.filter((_, i) => i && places[i].left < places[i - 1].left)
             .map(base => base.textContent) };
});
const numbers = [...document.querySelectorAll(".lhs[data-number]")].map(cell => {
  const row = style(cell.parentElement), number = style(cell, "::before");
  return row("paddingLeft") + row("textIndent") + number("left") + number("width")
    - cell.parentElement.clientWidth;
});
return { terms, numbers };"""


@needs_browser
@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize(("name", "wrt"), [("s5", "w_131"), ("s7", None), ("relu", "w_121")])
def test_a_phone_shows_all_of_it(tmp_path, name, wrt, scripts):
    """At 390 pixels the page does not move sideways, and reasons stand under their formulas.

    Formulas break at + and = where scripts run; what still overflows has a shade at its end.
    """
    html = page(name, wrt, "html")
    found = browser_measure(html, PHONE, tmp_path, width=390, scripts=scripts)
    assert found["across"] <= 390
    assert found["raw"] == 0
    assert [row for row in found["rows"] if row["beside"]] == []
    moved = [row for row in found["rows"] if row["moved"]]
    assert len(moved) <= len(found["rows"]) * (0.05 if scripts else 0.3)
    assert all(row["cue"] == 4 for row in found["rows"])


@needs_browser
@pytest.mark.parametrize(
    ("name", "wrt", "letters"), [("s3", "w_111", ""), ("s5", "w_131", "nielsen")]
)
def test_a_screen_shows_whole_rows(tmp_path, name, wrt, letters):
    """At 1200 pixels a long formula, its reason and its number stand beside each other."""
    net = network(name).in_notation(letters) if letters else network(name)
    script = """return [...document.querySelectorAll(".scroll:has(> .display)")]
      .map(block => block.scrollWidth - block.clientWidth);"""
    found = browser_measure(net.derive(wrt).sheet("html"), script, tmp_path, width=1200)
    assert max(found) == 0


@needs_browser
def test_on_a_phone_sums_break_between_their_terms(tmp_path):
    """A term is broken only where it alone is too wide, and then before no bracketed number.

    Every number of an equation ends at the right margin.
    """
    found = browser_measure(page("s5", "w_131", "html"), BREAKS, tmp_path, width=390, scripts=True)
    assert len(found["terms"]) > 60
    sign = 30  # points beside which a first term stands
    broken = [term for term in found["terms"] if term["starts"]]
    assert [term for term in broken if term["width"] + sign < term["room"]] == []
    starts = [start for term in found["terms"] for start in term["starts"]]
    assert [start for start in starts if re.match(r"[⋅·]?\([−-]?[\d.]+\)", start)] == []
    assert len(found["numbers"]) > 30
    assert all(abs(distance) < 1 for distance in found["numbers"])


# ------------------------------------------------------------------------------------------- dark

COLOURS = """
const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const seen = colour => {
  paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1);
  return [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3);
};
const ink = [...document.querySelectorAll("h1, .subtitle, .number, .why, .rhs, th, a")];
return { paper: seen(getComputedStyle(document.querySelector("main")).backgroundColor),
         ink: ink.map(e => seen(getComputedStyle(e).color)) };"""


def luminance(colour):
    """The relative luminance of WCAG 2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted(luminance([c / 255 for c in colour]) for colour in (one, other))[::-1]
    return (high + 0.05) / (low + 0.05)


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
def test_everything_is_legible_in_the_dark(tmp_path, dark):
    """Words, formulas and the colours of paths stand out at 4.5:1, by day and by night."""
    html = page("elu_gelu_silu_softplus", "w_111", "html")
    found = browser_measure(html, COLOURS, tmp_path, width=1000, dark=dark)
    assert (luminance([c / 255 for c in found["paper"]]) < 0.2) is dark
    assert len({tuple(ink) for ink in found["ink"]}) > 6
    assert min(contrast(ink, found["paper"]) for ink in found["ink"]) >= 4.5


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
def test_a_report_is_legible_in_the_dark(tmp_path, dark):
    """So does what is said of a page of somebody's: right, wrong, not read."""
    net = sb.load(ROOT / "examples" / "s4.toml")
    report = sb.check((ROOT / "examples" / "mistakes" / "1_one_path.tex").read_text("utf-8"), net)
    script = COLOURS.replace("h1, .subtitle, .number, .why, .rhs, th, a", "h1, p, b, .label, .mark")
    found = browser_measure(showing.page(report), script, tmp_path, width=1000, dark=dark)
    assert (luminance([c / 255 for c in found["paper"]]) < 0.2) is dark
    assert min(contrast(ink, found["paper"]) for ink in found["ink"]) >= 4.5


# -------------------------------------------------------------------------------------- structure


def test_titles_tell_pages_apart():
    """Each sheet of a network has a title of its own in the browser's tab, in plain words."""
    titles = [
        re.findall(r"<title>(.*?)</title>", page("s7", wrt, "html"))[0]
        for wrt in ("w_111", "w_223", None)
    ]
    assert titles[0] == "∂L/∂w_111: One step of gradient descent on a 2-3-2 network"
    assert len(set(titles)) == 3


def test_tables_say_what_they_are():
    """Formulas are no table to a screen reader; a table of numbers says what heads what."""
    html = page("s5", "w_131", "html")
    assert html.count('class="display') == html.count('role="presentation"')
    heads = re.findall(r"<th\b[^>]*>", html)
    assert heads
    assert set(heads) == {'<th scope="col">', '<th scope="row">'}
