"""What every page that symback writes shares: the one way to read a template, and the colours.

`environment` reads the templates of sheets, reports, figures and starters, `katex` what their HTML
carries.  `PATH_STYLES` are the colours and dashes of paths, in figures, in the rows that tell of
them and in pictures of a descent; `COLOURS` and `DARK_COLOURS` are all colours by their names in
LaTeX and CSS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from symback.language.files import template_dir
from symback.language.typesetting import escape_xml, for_github


def katex() -> dict[str, str]:
    """KaTeX's style and script, fonts inside, as HTML pages carry them: katex_css, katex_js."""
    folder = template_dir() / "katex"
    return {
        "katex_css": (folder / "katex.min.css").read_text("utf-8"),
        "katex_js": (folder / "katex.min.js").read_text("utf-8"),
    }


@cache
def environment() -> Environment:
    """The one Jinja environment: ``<% %>``, ``<< >>``, ``<# #>``, nothing undefined passes.

    Nothing is escaped by itself.  Filters: ``xml`` makes a user's text safe, ``num`` writes a
    coordinate with two digits, ``kind`` names what is to be set, ``github`` spells LaTeX for
    GitHub.
    """
    made = Environment(
        loader=FileSystemLoader(template_dir()),
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        undefined=StrictUndefined,
        autoescape=False,  # TeX and SVG need different escapes
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "xml": escape_xml,
        "num": lambda value: f"{value + 0.0:.2f}".replace("-0.00", "0.00"),
        "kind": lambda item: type(item).__name__,
        "github": for_github,
    }
    return made


# --------------------------------------------------------------------------- colours and dashes


@dataclass(frozen=True, slots=True)
class PathStyle:
    """How one path is drawn: ``name`` is a LaTeX colour and a CSS class, ``hex`` its colour.

    ``ink`` is the same hue, dark enough for text on white (LaTeX colour ``<name>ink``), ``dark``
    the hue for lines and text on a dark page; ``dash`` is on, off, … in points, empty for a solid
    line, so that grey print differs too.
    """

    name: str
    hex: str
    ink: str
    dark: str
    dash: tuple[float, ...] = ()

    @property
    def ink_name(self) -> str:
        """The LaTeX colour of text in this style."""
        return f"{self.name}ink"


# Okabe and Ito's palette, told apart by nearly everyone; without yellow, which is lost on white,
# and without vermillion, which marks the chosen quantity.  Orange, sky blue and purple are darkened
# until a line has a contrast of 3 to 1 with the page.
_HUES = (
    ("0072B2", "005F96", "5AAEE8"),  # blue
    ("009E73", "00775A", "2DBE93"),  # bluish green
    ("C66E9F", "A8447C", "DB8FB8"),  # reddish purple
    ("C27C00", "946600", "E6A117"),  # orange
    ("3A93C9", "1F78AE", "A5D8F5"),  # sky blue
    ("4D4D4D", "4D4D4D", "C4C4C4"),  # grey, for black
)
_DASHES = ((), (5.0, 1.8), (5.0, 1.6, 1.2, 1.6), (2.4, 1.4), (8.0, 2.0), (1.3, 1.3))

PATH_STYLES = tuple(
    PathStyle(f"path{turn * len(_HUES) + i + 1}", *hue, _DASHES[(i + 3 * turn) % len(_DASHES)])
    for turn in range(2)
    for i, hue in enumerate(_HUES)
)
"""One style a path; the second half repeats the colours with other dashes, so no two are alike."""

CHOSEN_STYLE = PathStyle("chosen", "D55E00", "B34F00", "F5894A")
BUNDLE_STYLE = PathStyle("bundle", "4A90BF", "2F6F9F", "7FB3D5")

_GREYS = {  # on a light page, on a dark one
    "figink": ("1C1C1C", "E8EAED"),
    "figquiet": ("6A6A6A", "B4BAC2"),
    "figline": ("888888", "8F959D"),
    "figedge": ("8C8C8C", "868C94"),
    "figgroup": ("F4F2EC", "242A31"),
    "figfill": ("FFFFFF", "171B21"),
    "chosentint": ("FBE3D1", "4B2B17"),
}
_STYLES = (*PATH_STYLES, CHOSEN_STYLE, BUNDLE_STYLE)
COLOURS: Mapping[str, str] = {name: light for name, (light, _) in _GREYS.items()} | {
    name: value
    for style in _STYLES
    for name, value in ((style.name, style.hex), (style.ink_name, style.ink))
}
"""Every colour of every figure: LaTeX name → RRGGBB."""

DARK_COLOURS: Mapping[str, str] = {name: dark for name, (_, dark) in _GREYS.items()} | {
    name: style.dark for style in _STYLES for name in (style.name, style.ink_name)
}
"""The same on a dark page; an SVG takes each colour from the CSS variable of its name."""
