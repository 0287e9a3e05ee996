r"""The macros that a page defines for itself, such as ``\newcommand{\yh}{\hat y}``.

Here one can

* take the definitions off a page: `taken` gives the page with blanks in their place, so that all
  places stay, and the macros by name;
* write out one use of a macro: `Macros.written`, until the page has used up what it may.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from symback.language.budget import spend

__all__ = ["Macro", "Macros", "taken"]

MOST_WRITTEN = 30_000
"""The characters that all uses of macros on a page may come to."""

_OPENING = re.compile(
    r"\\(?:re|provide)?newcommand\*?\s*(?:\{\s*\\([A-Za-z]+)\s*\}|\\([A-Za-z]+))\s*(?:\[(\d)\]\s*)?\{"
    r"|\\def\s*\\([A-Za-z]+)((?:#\d)*)\s*\{"
    r"|\\DeclareMathOperator\*?\s*\{\s*\\([A-Za-z]+)\s*\}\s*\{"
)


@dataclass(frozen=True, slots=True)
class Macro:
    r"""A body in which #1, #2, … stand for arguments.

    >>> Macro(2, r"\frac{\partial #1}{\partial #2}").written(["L", "w_{212}"])
    '\\frac{\\partial L}{\\partial w_{212}}'
    """

    arguments: int
    body: str

    def written(self, arguments: Sequence[str]) -> str:
        """The body with the arguments put in."""
        return re.sub(r"#([1-9])", lambda m: _chosen(arguments, int(m[1])), self.body)


@dataclass(slots=True)
class Macros:
    """The macros of a page by name, and how many characters their uses may still come to."""

    named: dict[str, Macro]
    left: int = MOST_WRITTEN

    def written(self, name: str, arguments: Sequence[str]) -> str | None:
        """One use written out; None where the page has used up what it may."""
        text = self.named[name].written(arguments)
        self.left -= len(text) + 1
        return text if self.left >= 0 else None


def _chosen(arguments: Sequence[str], number: int) -> str:
    return arguments[number - 1] if number <= len(arguments) else ""


def taken(text: str) -> tuple[str, Macros]:
    r"""The page without its definitions, and what they define.

    >>> page, macros = taken(r"\newcommand{\yh}{\hat y} $\yh_1$")
    >>> page.strip(), macros.named["yh"].body
    ('$\\yh_1$', '\\hat y')
    """
    found: dict[str, Macro] = {}
    while (opening := _OPENING.search(text)) is not None:
        spend(1 + len(text) // 1000)  # the text is written anew
        end = _closing(text, opening.end())
        if end is None:
            break
        name, macro = _defined(opening, text[opening.end() : end])
        found[name] = macro
        text = text[: opening.start()] + _blank(text[opening.start() : end + 1]) + text[end + 1 :]
    return text, Macros(found)


def _defined(opening: re.Match[str], body: str) -> tuple[str, Macro]:
    braced, bare, count, plain, parameters, operator = opening.groups()
    if operator:
        return operator, Macro(0, rf"\operatorname{{{body}}}")
    if plain:
        return plain, Macro(parameters.count("#"), body)
    return braced or bare, Macro(int(count or 0), body)


def _closing(text: str, start: int) -> int | None:
    """Where the brace that is open at ``start`` closes."""
    depth, position = 1, start
    while position < len(text):
        mark = text[position]
        depth += (mark == "{") - (mark == "}")
        if not depth:
            return position
        position += 2 if mark == "\\" else 1
    return None


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)
