"""A page set in LaTeX, HTML, Markdown or plain text.

`render` takes a `Page` and the name of a form; `FORMS` lists them.  Words come from
``templates/words.toml``, where each sentence is a small template that formulas and names are put
into; layout from ``templates/sheet.<form>``.  Words a user wrote are escaped for the form.

An HTML page is one file: KaTeX with its fonts, the picture as SVG, no address outside itself.  Its
formulas are MathML (`symback.sheets.mathml`), which a page that runs scripts has KaTeX set in their
place.
"""

from __future__ import annotations

import base64
import itertools
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from jinja2 import Environment

from symback.sheets.figures import (
    DARK_COLOURS,
    PATH_STYLES,
    Figure,
    PathStyle,
    caption,
    described,
    environment,
    escape_tex,
    escape_xml,
    preamble,
    svg,
    template_dir,
    tikz,
)
from symback.sheets.mathml import mathml
from symback.sheets.page import Display, Formula, Grid, Page, Picture, Row, Say, Section, Words

__all__ = ["FORMS", "notebook_html", "picture_html", "plain", "render", "render_figure"]

FORMS = ("tex", "html", "md", "txt")

LINES_TOGETHER = 18
"""So many lines of a display, with a fraction in each, have room on one page below its title."""


def render(page: Page, form: str, figure: str = "") -> str:
    """``page`` as one text: a LaTeX document, an HTML file, Markdown, or plain text.

    Markdown refers to its picture by the name of a file, ``figure``; without one it has none.
    """
    setter = _Setter(page, form, figure)
    return (
        environment().get_template(f"sheet.{form}").render(page=page, set=setter, **setter.extras())
    )


def render_figure(figure: Figure, form: str) -> str:
    """A figure alone: ``svg``, or ``tex`` for a document with nothing else in it."""
    if form == "svg":
        return svg(figure, alone=True)
    return environment().get_template("figure.tex").render(preamble=preamble(), tikz=tikz(figure))


def plain(sentence: Say) -> str:
    """One sentence of ``words.toml`` as plain text."""
    return _sentences("txt")[sentence.key].render(sentence.facts).strip()


def picture_html(figure: Figure) -> str:
    """A figure for a notebook: an image, since inline SVG is stripped from untrusted ones."""
    data = base64.b64encode(svg(figure, alone=True).encode("utf-8")).decode("ascii")
    words = escape_xml(caption(figure, "text"))
    return f'<img src="data:image/svg+xml;base64,{data}" alt="{words}">'


def notebook_html(figure: Figure, latex: str) -> str:
    """A derivation for a notebook: the figure, and the formula between double dollars."""
    return f"{picture_html(figure)}\n\n$${latex}$$"


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
        self._words = _sentences(form)

    @property
    def is_drawn(self) -> bool:
        """Whether the picture is there to be seen: text has none, Markdown only as a file."""
        return self.form in ("tex", "html") or (self.form == "md" and self.figure != "")

    def sections(self) -> list[Section]:
        """The sections without pictures that are not drawn and of which nothing is said."""
        shown = (
            replace(each, blocks=tuple(b for b in each.blocks if self._says_something(b)))
            for each in self.page.sections
        )
        return [section for section in shown if section.blocks]

    def _says_something(self, block: Any) -> bool:
        return self.is_drawn or not isinstance(block, Picture) or bool(self.caption(block))

    def say(self, sentence: Say | None) -> str:
        """A sentence with its formulas and names in."""
        return "" if sentence is None else self._words[sentence.key].render(sentence.facts).strip()

    def cell(self, entry: Any) -> str:
        """What stands in a table: a formula, a sentence, or a user's words."""
        if isinstance(entry, Say):
            return self.say(entry)
        if isinstance(entry, Formula):
            entry = Formula(rf"\displaystyle {entry.latex}", entry.text)
        return str(_FINALIZE[self.form](entry))

    def formula(self, latex: str, kind: str = "d") -> str:
        """A formula of a row in HTML."""
        return _formula(latex, kind)

    def relation(self, row: Row) -> str:
        """The sign between the two sides, in the language of the form."""
        return row.relation if self.form == "txt" else _RELATIONS[row.relation]

    def plain(self, sentence: Say) -> str:
        r"""A sentence for LaTeX's \text{…} inside a formula of Markdown; KaTeX's has no Greek."""
        words = _for_github(_sentences("tex")[sentence.key].render(sentence.facts).strip())
        return "".join(_IN_TEXT.get(character) or character for character in words)

    def tab(self, sentence: Say) -> str:
        """A sentence for the title of a browser's tab, which holds neither tags nor formulas."""
        return escape_xml(plain(sentence))

    def source(self, latex: str) -> str:
        """A formula in a block of Markdown."""
        return _for_github(latex)

    def ties(self, block: Display) -> list[bool]:
        """For each row whether no page may end behind it."""
        return ties(block)

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

    def kind(self, block: Any) -> str:
        """Which macro of the layout sets the block."""
        return {Say: "say", Display: "display", Grid: "grid", Picture: "picture"}[type(block)]

    def style(self, path: int | None) -> PathStyle | None:
        """The colour of a path's row, that of the picture."""
        if path is None:
            return None
        styles = self.page.styles
        return styles[path] if path < len(styles) else PATH_STYLES[path % len(PATH_STYLES)]

    def picture(self, block: Picture) -> str:
        """The figure, as TikZ or as SVG."""
        return tikz(block.figure) if self.form == "tex" else svg(block.figure)

    def alternative(self, block: Picture) -> str:
        """What the figure shows, for who does not see it."""
        return _escape_md(described(block.figure))

    def caption(self, block: Picture) -> str:
        """What the figure shows, in a sentence."""
        if self.form == "txt":
            return caption(block.figure, "text", drawn=False)
        words = caption(block.figure, "tex", drawn=self.is_drawn).split("$")
        pieces = (Formula(part, part) if i % 2 else part for i, part in enumerate(words))
        return "".join(str(_FINALIZE[self.form](piece)) for piece in pieces)

    def extras(self) -> Mapping[str, Any]:
        """What only one form needs."""
        if self.form == "html":
            folder = template_dir()
            return {
                "katex_css": (folder / "katex" / "katex.min.css").read_text("utf-8"),
                "katex_js": (folder / "katex" / "katex.min.js").read_text("utf-8"),
                "css": (folder / "sheet.css").read_text("utf-8"),
                "styles": PATH_STYLES,
                "dark": DARK_COLOURS,
            }
        return {"preamble": preamble()} if self.form == "tex" else {}


@cache
def _sentences(form: str) -> Mapping[str, Any]:
    """Every sentence, compiled for a form."""
    own: Environment = environment().overlay(finalize=_FINALIZE[form])
    table = tomllib.loads((template_dir() / "words.toml").read_text("utf-8"))
    return {key: own.from_string(sentence, _LETTERS) for key, sentence in _flat(table)}


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found = []
    for key, value in table.items():
        found += (
            _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
        )
    return found


def _tex(value: Any) -> Any:
    if isinstance(value, Formula):
        return f"${value.latex}$"
    return escape_tex(value.text) if isinstance(value, Words) else value


def _html(value: Any) -> Any:
    if isinstance(value, Formula):
        return _formula(value.latex)
    return escape_xml(value.text) if isinstance(value, Words) else value


def _formula(latex: str, kind: str = "") -> str:
    """A formula in HTML; of the kind ``d`` it is displayed, of the kind ``d more`` indented too."""
    return f'<span class="{f"m {kind}".strip()}">{mathml(latex, display="d" in kind)}</span>'


def _for_github(latex: str) -> str:
    r"""GitHub allows no ``\operatorname``, since that can redefine an operator."""
    return latex.replace(r"\operatorname{", r"\mathrm{")


def _md(value: Any) -> Any:
    if isinstance(value, Formula):  # within $…$ alone GitHub would take \, and _ for Markdown
        return f"$`{_for_github(value.latex)}`$"
    return _escape_md(value.text) if isinstance(value, Words) else value


def _txt(value: Any) -> Any:
    if isinstance(value, Formula):
        return value.text
    return (
        "".join(c if c.isprintable() else "�" for c in value.text)
        if isinstance(value, Words)
        else value
    )


def _escape_md(text: str) -> str:
    """A user's words for Markdown, where HTML and formulas would take effect too."""
    printable = "".join(c if c.isprintable() else "�" for c in text)
    escaped = escape_xml(printable)
    return "".join(f"\\{c}" if c in r"\`*_{}[]()#+-.!|$~" else c for c in escaped)


_LETTERS = {
    **{letter: Formula(letter, letter) for letter in "ijkp"},
    "before_k": Formula("k-1", "k−1"),
    "theta": Formula(r"\theta", "θ"),
}
"""The letters that sentences name by themselves, set as in the formulas."""

_IN_TEXT = {"Σ": r"$\Sigma$", "θ": r"$\theta$", "η": r"$\eta$", "≈": r"$\approx$", "−": "-"}
_RELATIONS = {"=": "=", "≈": r"\approx", "+": "+", "-": "-", "←": r"\leftarrow"}
_FINALIZE = {"tex": _tex, "html": _html, "md": _md, "txt": _txt}
