"""The typesetting helpers tell right from wrong: each is shown something that it must refuse."""

import struct

import pytest

from typesetting import (
    ROOT,
    browser_console,
    browser_dom,
    browser_screenshot,
    compile_tex,
    katex_errors,
    missing_glyphs,
    needs_browser,
    needs_tex,
    outside_addresses,
    overfull_lines,
    pdf_to_png,
)

DOCUMENT = r"""\documentclass{article}
\usepackage[T1]{fontenc}\usepackage{lmodern,amsmath,amssymb,mathrsfs,tikz}
\begin{document}
%s
\end{document}
"""

PAGE = """<!doctype html><meta charset="utf-8"><title>page</title>
<style>{css}</style><script>{js}</script><p id="formula"></p>
<script>{script}</script>"""


def page(script):
    katex = ROOT / "templates" / "katex"
    css, js = (katex / "katex.min.css").read_text(), (katex / "katex.min.js").read_text()
    return PAGE.format(css=css, js=js, script=script)


# KaTeX


def test_katex_sets_what_is_right():
    """Formulas of the kind that sheets contain pass in strict mode, macros included."""
    formulas = [
        r"\frac{\partial \mathscr{L}}{\partial w_{131}} = \sum_{i=1}^{2} 2(\hat y_i - y_i)",
        r"\begin{aligned} a &= W h + b \\ h &= \sigma(a) \end{aligned}",
        r"\pd{L}{w}\,\ind_{i=j}",
    ]
    macros = {r"\pd": r"\frac{\partial #1}{\partial #2}", r"\ind": r"\mathbf{1}"}
    assert katex_errors(formulas, macros) == []


@pytest.mark.parametrize(
    "wrong",
    [
        r"\frac{1}{2",
        r"\nosuchmacro",
        r"\begin{aligned} a",
        "x^2^3",
        "größe",
        "漢",
        r"a \\ b",
        r"\href{https://example.org}{x}",
    ],
)
def test_katex_refuses_what_is_wrong(wrong):
    """What KaTeX cannot set, or only sets leniently, is reported; its neighbours are not."""
    reported = katex_errors(["a+b", wrong, r"\pd{a}{b}"], {r"\pd": r"\frac{#1}{#2}"})
    assert [formula for formula, _ in reported] == [wrong]
    assert all(message for _, message in reported)


def test_katex_keeps_nothing_between_formulas():
    r"""A `\gdef` in one formula does not make the next one right."""
    assert [f for f, _ in katex_errors([r"\gdef\late{x}\late", r"\late"])] == [r"\late"]


# TeX


@needs_tex
def test_tex_makes_a_page(tmp_path):
    """A right document compiles without complaint, and its page can be made a picture."""
    log = compile_tex(DOCUMENT % r"$\mathscr{L}$ \input{part}", tmp_path, {"part.tex": "and more"})
    assert overfull_lines(log) == []
    assert missing_glyphs(log) == []
    (picture,) = pdf_to_png(tmp_path / "sheet.pdf", tmp_path / "png")
    assert picture.read_bytes().startswith(b"\x89PNG")


@needs_tex
def test_tex_failure_fails(tmp_path):
    """A document that TeX stops at fails the test and says where."""
    with pytest.raises(AssertionError, match=r"Undefined control sequence[\s\S]*nosuchmacro"):
        compile_tex(DOCUMENT % r"\nosuchmacro", tmp_path)


@needs_tex
@pytest.mark.parametrize("outside", [r"\input{/etc/passwd}", r"\input{../outside}"])
def test_tex_reads_no_file_outside(tmp_path, outside):
    """A document cannot take in files from elsewhere on the machine."""
    (tmp_path / "outside.tex").write_text("secret")
    (tmp_path / "inner").mkdir()
    with pytest.raises(AssertionError, match="TeX failed"):
        compile_tex(DOCUMENT % outside, tmp_path / "inner")


@needs_tex
def test_tex_runs_no_program(tmp_path):
    """Shell escape is off."""
    compile_tex(DOCUMENT % r"\immediate\write18{touch escaped} x", tmp_path)
    assert not (tmp_path / "escaped").exists()


@needs_tex
@pytest.mark.parametrize(
    "wide",
    [
        r"\noindent\rule{600pt}{1pt}",
        r"\begin{align*} x &= " + "+".join(f"w_{{{i}}}" for i in range(100, 140)) + r"\end{align*}",
    ],
)
def test_overfull_is_found(tmp_path, wide):
    """What runs off the page is found in the log, in text and in a display."""
    assert overfull_lines(compile_tex(DOCUMENT % wide, tmp_path))


@needs_tex
def test_missing_glyph_is_found(tmp_path):
    """A character that the font lacks, which TeX drops with exit status 0, is found in the log."""
    assert missing_glyphs(
        compile_tex(DOCUMENT % r"{\usefont{U}{msb}{m}{n}\char0 \char255}", tmp_path)
    )


# Chromium


@needs_browser
def test_browser_runs_the_vendored_katex(tmp_path):
    """The vendored KaTeX sets a formula in a page without a second file; the console is silent."""
    html = tmp_path / "page.html"
    html.write_text(page("katex.render('h_{13}', document.getElementById('formula'))"))
    assert 'class="katex"' in browser_dom(html)
    assert browser_console(html) == []


@needs_browser
def test_browser_finds_a_broken_script(tmp_path):
    """An uncaught error in a page's script is found on its console."""
    html = tmp_path / "page.html"
    html.write_text(page("katex.render('\\\\frac{1', document.getElementById('formula'))"))
    assert 'class="katex"' not in browser_dom(html)
    assert any("ParseError" in message for message in browser_console(html))


def test_page_with_the_vendored_katex_is_self_contained():
    """The vendored style sheet and script refer to nothing outside the page."""
    assert outside_addresses(page("")) == []


@pytest.mark.parametrize(
    "outside",
    [
        "<script src='gone.js'></script>",
        "<link rel=stylesheet href=https://example.org/a.css>",
        "<style>@font-face { src: url(fonts/a.woff2) format('woff2') }</style>",
        "<style>@import 'b.css';</style>",
        "<p style='background: url(\"c.png\")'>",
        "<svg><image xlink:href='d.svg'/></svg>",
    ],
)
def test_outside_address_is_found(outside):
    """Whatever a page would fetch from elsewhere is found; places in the page and data are not."""
    inside = "<a href='#step-2'>2</a><img src='data:image/png;base64,AAAA'>"
    assert len(outside_addresses(inside + outside + inside)) == 1


@needs_browser
def test_screenshot_has_the_size_asked_for(tmp_path):
    """The picture is a PNG of the window's size."""
    html = tmp_path / "page.html"
    html.write_text("<!doctype html><p>seen")
    png = browser_screenshot(html, tmp_path / "page.png", 320, 200).read_bytes()
    assert struct.unpack(">II", png[16:24]) == (320, 200)
