"""A page, or a figure, set in LaTeX, HTML, Markdown or plain text.

Here one can

* set a `Page` in one of `FORMS`, an output format a row: `render`; a figure as a file of its own:
  `render_figure`;
* spell a figure out as TikZ (`tikz`, its colours once a document: `preamble`) or as an SVG that
  needs nothing else (`svg`), and say in words what it shows (`caption`, `described`);
* give a notebook what it shows: `picture_html`, `notebook_html`;
* read the templates, in one way (`environment`).

Words come from ``templates/words.toml``, where each sentence is a small template that formulas and
names are put into; layout from ``templates/sheet.<form>``.  Words a user wrote are escaped for the
form.

An HTML page is one file: KaTeX with its fonts, the picture as SVG, no address outside itself.  Its
formulas are MathML (`symback.language.typesetting`), which a page that runs scripts has KaTeX set
in their place.
"""

from __future__ import annotations

import base64
import itertools
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from symback.language.files import template_dir
from symback.language.layout import (
    COLOURS,
    DARK_COLOURS,
    PATH_STYLES,
    PathStyle,
    environment,
    katex,
)
from symback.language.typesetting import (
    escape_tex,
    escape_xml,
    for_github,
    in_words,
    is_label,
    mathml,
    one_line,
    spoken,
)
from symback.sheets.figure import FEW_PATHS, Figure, Label, Pill
from symback.sheets.page import Display, Formula, Grid, Page, Picture, Row, Say, Section, Words

# ------------------------------------------------------------------------------------- templates


@cache
def _sentences(form: str) -> Mapping[str, Any]:
    """Every sentence of ``words.toml`` by its key, compiled for a form."""
    own = environment().overlay(finalize=partial(_spelled, form))
    found: dict[str, Any] = {}

    def compile_all(table: Mapping[str, Any], prefix: str) -> None:
        for key, value in table.items():
            if isinstance(value, dict):
                compile_all(value, f"{prefix}{key}.")
            else:
                found[prefix + key] = own.from_string(value, _LETTERS)

    compile_all(tomllib.loads((template_dir() / "words.toml").read_text("utf-8")), "")
    return found


def _said(sentence: Say, form: str) -> str:
    return _sentences(form)[sentence.key].render(sentence.facts).strip()


def plain(sentence: Say) -> str:
    """One sentence of ``words.toml`` as plain text."""
    return _said(sentence, "txt")


# ------------------------------------------------------------------- formulas and words in a form


def _formula(latex: str, kind: str = "") -> str:
    """A formula in HTML; of the kind ``d`` it is displayed, of the kind ``d more`` indented too."""
    return f'<span class="{f"m {kind}".strip()}">{mathml(latex, display="d" in kind)}</span>'


def _escape_md(text: str) -> str:
    """A user's words for Markdown, where HTML and formulas would take effect too."""
    escaped = escape_xml(_printable(text))
    return "".join(f"\\{c}" if c in r"\`*_{}[]()#+-.!|$~" else c for c in escaped)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in text)


def _spelled(form: str, value: Any) -> Any:
    """A formula, or a user's words, as they stand in a sentence; anything else as it is."""
    if isinstance(value, Formula):
        return FORMS[form].formula(value)
    return FORMS[form].words(value.text) if isinstance(value, Words) else value


_LETTERS = {
    **{letter: Formula(letter, letter) for letter in "ijkp"},
    "before_k": Formula("k-1", "k−1"),
    "theta": Formula(r"\theta", "θ"),
}
"""The letters that sentences name by themselves, set as in the formulas."""

_IN_TEXT = {"Σ": r"$\Sigma$", "θ": r"$\theta$", "η": r"$\eta$", "≈": r"$\approx$", "−": "-"}
_RELATIONS = {"=": "=", "≈": r"\approx", "+": "+", "-": "-", "←": r"\leftarrow"}

# --------------------------------------------------------------------------------------- figures

PIXELS = 4 / 3
"""Pixels of a screen to a point."""


def tikz(figure: Figure) -> str:
    """The figure as a ``tikzpicture``; the document needs tikz, xcolor and `preamble` once."""

    def label(item: Label) -> str:
        if item.math and is_label(item.text):
            return rf"$\displaystyle {item.text}$"
        return escape_tex(in_words(item.text) if item.math else one_line(item.text))

    return environment().get_template("figure.tikz").render(figure=figure, label=label)


def preamble() -> str:
    r"""The ``\definecolor`` lines that every document with such a figure needs once."""
    lines = (f"\\definecolor{{{name}}}{{HTML}}{{{value}}}\n" for name, value in COLOURS.items())
    return "".join(lines)


def svg(figure: Figure, *, alone: bool = False) -> str:
    """The figure as an ``<svg>`` element that needs nothing from outside; it is valid XML.

    Its colours are CSS variables with a value beside each, so that a page with a dark mode sets
    them (`DARK_COLOURS`), and the page shows through; one that stands ``alone`` in a file has a
    ground of its own and turns dark by itself.  It is never shown so small that a letter has less
    than 9 pixels: on a phone it is wider than the page.
    """
    pieces = (piece for item in figure.of(Label) for piece in item.block.pieces)
    smallest = min((span.size for piece in pieces for span in piece.spans), default=10.0)
    least = figure.width * 9.0 / smallest
    used = {"figfill"}
    for item in figure.items:
        used |= {item.fill, item.stroke or "figfill"} if isinstance(item, Pill) else {item.colour}
    return (
        environment()
        .get_template("figure.svg")
        .render(
            figure=figure,
            alone=alone,
            used=sorted(used),
            colours=COLOURS,
            dark=DARK_COLOURS,
            widths=(max(figure.width * PIXELS, least), least),
            described=described(figure),
            chosen=None if figure.chosen is None else spoken(figure.chosen),
        )
    )


def render_figure(figure: Figure, form: str) -> str:
    """A figure alone: ``svg``, or ``tex`` for a document with nothing else in it."""
    if form == "svg":
        return svg(figure, alone=True)
    return environment().get_template("figure.tex").render(preamble=preamble(), tikz=tikz(figure))


def caption(figure: Figure, form: str = "tex", *, drawn: bool = True) -> str:
    """A sentence or two on the paths of the figure; empty where there is nothing to say.

    Where the figure is not ``drawn`` beside it, it speaks of no colours and no arrows.
    """

    def formula(latex: str) -> Formula | Words:
        said = Formula(latex, spoken(latex))
        return said if not FORMS[form].in_tex or is_label(latex) else Words(in_words(latex))

    total = figure.total
    facts = {
        "kind": figure.kind,
        "mode": figure.mode,
        "drawn": drawn,
        "one": total == 1,
        "few": isinstance(total, int) and total <= FEW_PATHS,
        "total": formula(total) if isinstance(total, str) else total,
        "chosen": None if figure.chosen is None else formula(figure.chosen),
    }
    return _said(Say("figure.caption", facts), form)


def described(figure: Figure) -> str:
    """What the figure shows and what its caption says, for those who do not see it."""
    parts = plain(Say("figure.described", {"kind": figure.kind, "parts": figure.parts}))
    return f"{parts} {caption(figure, 'txt') or 'Nothing is chosen.'}"


def picture_html(figure: Figure) -> str:
    """A figure for a notebook: an image, since inline SVG is stripped from untrusted ones."""
    data = base64.b64encode(svg(figure, alone=True).encode("utf-8")).decode("ascii")
    words = escape_xml(caption(figure, "txt"))
    return f'<img src="data:image/svg+xml;base64,{data}" alt="{words}">'


def notebook_html(figure: Figure, latex: str) -> str:
    """A derivation for a notebook: the figure, and the formula between double dollars."""
    return f"{picture_html(figure)}\n\n$${latex}$$"


# ----------------------------------------------------------------------------------------- pages


def _tex_extras() -> dict[str, Any]:
    return {"preamble": preamble()}


def _html_extras() -> dict[str, Any]:
    return katex() | {
        "css": (template_dir() / "sheet.css").read_text("utf-8"),
        "styles": PATH_STYLES,
        "dark": DARK_COLOURS,
    }


@dataclass(frozen=True, slots=True)
class Form:
    """An output format; its layout is ``templates/sheet.<name>``.

    ``formula`` and ``words`` say how a formula and a user's words stand in a sentence.  ``draw``
    sets the figure in the page; without it the figure is told, or ``beside`` the page, in a file
    of its own.  ``in_tex``: formulas and the signs between their sides are LaTeX, not text.
    ``extras`` are what its layout asks for besides the page.
    """

    name: str
    formula: Callable[[Formula], str]
    words: Callable[[str], str]
    draw: Callable[[Figure], str] | None = None
    beside: bool = False
    in_tex: bool = True
    extras: Callable[[], dict[str, Any]] = dict


FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        Form("tex", lambda f: f"${f.latex}$", escape_tex, draw=tikz, extras=_tex_extras),
        Form("html", lambda f: _formula(f.latex), escape_xml, draw=svg, extras=_html_extras),
        # within $…$ alone GitHub would take \, and _ for Markdown
        Form("md", lambda f: f"$`{for_github(f.latex)}`$", _escape_md, beside=True),
        Form("txt", lambda f: f.text, _printable, in_tex=False),
    )
}
"""Every output format but PDF, which latexmk makes of LaTeX."""

LINES_TOGETHER = 18
"""So many lines of a display, with a fraction in each, have room on one page below its title."""


def render(page: Page, form: str, figure: str = "") -> str:
    """``page`` as one text: a LaTeX document, an HTML file, Markdown, or plain text.

    Markdown refers to its picture by the name of a file, ``figure``; without one it has none.
    """
    setter = _Setter(page, form, figure)
    return (
        environment()
        .get_template(f"sheet.{form}")
        .render(page=page, set=setter, **FORMS[form].extras())
    )


def ties(block: Display) -> list[bool]:
    """For each row whether it stands on one page with the next, which has no left-hand side.

    A group longer than a page is broken, but not behind its first row, nor before its last.
    """
    starts = [i for i, row in enumerate(block.rows) if row.lhs is not None or i == 0]
    found: list[bool] = []
    for start, end in itertools.pairwise([*starts, len(block.rows)]):
        fits = sum(len(row.lines) for row in block.rows[start:end]) <= LINES_TOGETHER
        found += [i < end - 1 and (fits or i in (start, end - 2)) for i in range(start, end)]
    return found


class _Setter:
    """What a layout asks for: sentences, cells, pictures, the style of a path."""

    def __init__(self, page: Page, form: str, figure: str) -> None:
        self.page, self.form, self.figure = page, form, figure
        self.is_drawn = FORMS[form].draw is not None or (FORMS[form].beside and figure != "")
        self.ties, self.formula = ties, _formula

    def sections(self) -> list[Section]:
        """The sections without pictures that are not drawn and of which nothing is said."""

        def says_something(block: Any) -> bool:
            return self.is_drawn or not isinstance(block, Picture) or bool(self.caption(block))

        shown = (
            replace(section, blocks=tuple(filter(says_something, section.blocks)))
            for section in self.page.sections
        )
        return [section for section in shown if section.blocks]

    def say(self, sentence: Say | None) -> str:
        """A sentence with its formulas and names in."""
        return "" if sentence is None else _said(sentence, self.form)

    def cell(self, entry: Any) -> str:
        """What stands in a table: a formula, a sentence, or a user's words."""
        if isinstance(entry, Say):
            return self.say(entry)
        if isinstance(entry, Formula):
            entry = Formula(rf"\displaystyle {entry.latex}", entry.text)
        return str(_spelled(self.form, entry))

    def relation(self, row: Row) -> str:
        """The sign between the two sides, in the language of the form."""
        return _RELATIONS[row.relation] if FORMS[self.form].in_tex else row.relation

    def plain(self, sentence: Say) -> str:
        r"""A sentence for LaTeX's \text{…} inside a formula of Markdown; KaTeX's has no Greek."""
        words = for_github(_said(sentence, "tex"))
        return "".join(_IN_TEXT.get(character) or character for character in words)

    def tab(self, sentence: Say) -> str:
        """A sentence for the title of a browser's tab, which holds neither tags nor formulas."""
        return escape_xml(plain(sentence))

    def ends_in_words(self, section: Section, at: int) -> bool:
        """Whether sentences alone stand in a section from one block on."""
        return all(isinstance(block, Say) for block in section.blocks[at:])

    def is_short(self, block: Display) -> bool:
        """Whether a display may be kept on one page with what follows it."""
        return sum(len(row.lines) for row in block.rows) <= LINES_TOGETHER // 2

    def left(self, block: Display) -> int:
        """How wide the left-hand sides of a block of text are."""
        return max((len(row.lhs.text) for row in block.rows if row.lhs is not None), default=0)

    def columns(self, block: Grid) -> list[str]:
        """A table as lines of text, its columns aligned."""
        table = [[self.say(head) for head in block.head]]
        table += [[self.cell(entry) for entry in row] for row in block.rows]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]

    def style(self, path: int | None) -> PathStyle | None:
        """The colour of a path's row, that of the picture."""
        if path is None:
            return None
        styles = self.page.styles
        return styles[path] if path < len(styles) else PATH_STYLES[path % len(PATH_STYLES)]

    def picture(self, block: Picture) -> str:
        """The figure, as TikZ or as SVG."""
        draw = FORMS[self.form].draw
        return "" if draw is None else draw(block.figure)

    def alternative(self, block: Picture) -> str:
        """What the figure shows, for who does not see it."""
        return _escape_md(described(block.figure))

    def caption(self, block: Picture) -> str:
        """What the figure shows, in a sentence."""
        return caption(block.figure, self.form, drawn=self.is_drawn)
