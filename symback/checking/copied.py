r"""Pages as they are copied: HTML, entities, marks of Markdown and reStructuredText as plain signs.

`plain` gives a text of the same length, so that every place stays: &nbsp; is a blank, <sub>21</sub>
is _{21}, w\_212 is w_212, <br> breaks a line, `…` and **Answer:** lose their marks.  What is left
over is filled with a sign that has no width and no meaning (`FILLER`).
"""

from __future__ import annotations

import html
import re
from functools import lru_cache

FILLER = "\u2060"
"""A word joiner: the lexer passes over it."""
BREAK = "\v"
"""A line break within a line of the file."""

_ENTITY = re.compile(r"&(?:[A-Za-z]{2,8}[0-9]{0,2}|#[0-9]{2,6}|#[xX][0-9A-Fa-f]{2,5});")
_TAG = re.compile(
    r"</?(br|p|li|ul|ol|div|tr|td|th|b|i|em|strong|span|code|var|u|font|sub|sup)\b(?:\s[^<>\n]*)?/?>",
    re.I,
)
_BREAKING = frozenset("br p li ul ol div tr td th".split())
_SCRIPTS = {"sub": "_", "sup": "^"}
_ESCAPED = re.compile(r"\\([_*^])")
_COMMAND = re.compile(r"\\[A-Za-z(\[]|\$")
_ROLE = re.compile(r":math:`([^`\n]*)`")
"""Mathematics in reStructuredText."""
_TICK = re.compile(r"(?<!`)`(?!`)")
_BOLD = re.compile(r"(?<![\w*)\]}])(\*{1,2})([A-Za-z][A-Za-z ,:.’'-]*)\1(?![\w*(\[{])")
_SHORTENED = re.compile(r"(?<![A-Za-z\\])([A-Za-z]{3,})(['’](?:s|re|ve|ll))(?![\w'(])")
_IN_HTML = re.compile(r"</?(?:sub|sup|br|p|span|code|em|strong|b|i)\b[^<>\n]*>|&[A-Za-z#]\w+;")


@lru_cache(maxsize=8)
def plain(text: str) -> str:
    """The text with plain signs for those of HTML and Markdown, as long as before.

    >>> plain("x<sub>1</sub>&nbsp;&minus; 3").replace(FILLER, "")
    'x_{1} − 3'
    """
    if _IN_HTML.search(text):
        text = _TAG.sub(lambda found: _filled(found, _tag(found)), text)
        text = _ENTITY.sub(lambda found: _filled(found, _entity(found[0])), text)
    text = _ROLE.sub(lambda found: f"{FILLER * 6}${found[1]}$", text)
    text = _TICK.sub(FILLER, text)
    text = "\n".join(map(_unescaped, text.split("\n")))
    text = _BOLD.sub(lambda found: found[0].replace("*", FILLER), text)
    return _SHORTENED.sub(lambda found: found[1] + " " * len(found[2]), text)


def _filled(found: re.Match[str], said: str) -> str:
    return said + FILLER * (len(found[0]) - len(said))


def _tag(found: re.Match[str]) -> str:
    name = found[1].lower()
    if name in _SCRIPTS:
        return "}" if found[0].startswith("</") else _SCRIPTS[name] + "{"
    return BREAK if name in _BREAKING else ""


def _entity(entity: str) -> str:
    """The sign of an entity; one that there is not stays."""
    sign = html.unescape(entity)
    if sign == "\u00a0":
        return " "
    return sign if len(sign) == 1 and sign.isprintable() else entity


def _unescaped(line: str) -> str:
    r"""A line of Markdown without the backslashes before _ and *; LaTeX reads those itself."""
    if "\\" not in line or _COMMAND.search(line):
        return line
    return _ESCAPED.sub(rf"{FILLER}\1", line)
