"""Fitting a formula on a page: how wide its LaTeX is, and where it may be broken.

* `width` estimates the width of a piece of LaTeX in points at 11 pt;
* `lines` prints an expression as one or more lines that each fit: a sum is broken between its
  terms, a product with a long sum in it inside the bracket, a long product between its factors.

TeX breaks no formula in a display, and the packages that try push terms off the page without an
error, so the engine, which knows terms from factors, breaks the lines.
"""

from __future__ import annotations

import re

from sympy import Add, Expr

from symback.notation import Product, Terms
from symback.printers import Latex

__all__ = ["LINE", "lines", "width"]

LINE = 390.0
"""Points that the right-hand side of a display may take on a page 483 points wide."""

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[{}^_&]|\s+|.", re.DOTALL)
_WIDTHS = {
    "+": 13.0, "-": 13.0, "=": 14.0, "<": 14.0, ">": 14.0, "(": 4.3, ")": 4.3, "[": 3.1, "]": 3.1,
    "|": 3.1, ",": 4.9, ".": 3.1, "w": 7.9, "W": 10.5, "m": 9.7, "i": 3.8, "j": 4.6, "l": 3.5,
    r"\sum": 16.0, r"\,": 1.9, r"\;": 3.1, r"\quad": 11.0, r"\qquad": 22.0, r"\partial": 6.3,
    r"\cdot": 8.0, r"\to": 17.0, r"\mathscr": 0.0, r"\mathbf": 0.0, r"\hat": 0.0, r"\left": 0.0,
    r"\right": 0.0, r"\Bigl": 2.0, r"\Bigr": 2.0, r"\log": 16.0, r"\tanh": 24.0, r"\sin": 15.0,
    r"\cos": 17.0, r"\tan": 18.0, r"\text": 0.0, r"\operatorname": 2.0, r"\mathrm": 0.0, r"\{": 5.5,
    r"\}": 5.5, r"\ldots": 12.0, r"\begin": 6.0, r"\end": 0.0,
}  # fmt: skip
_ORDINARY = 5.6
_SCRIPT = 0.74


def width(latex: str) -> float:
    """The estimated width of ``latex`` in points, set at 11 pt in display style.

    >>> width("x") < width("xx") < width(r"\\frac{xxxx}{x}")
    True
    """
    tokens = [token for token in _TOKEN.findall(latex) if not token.isspace()]
    return _sequence(tokens, [0])


def _sequence(tokens: list[str], at: list[int]) -> float:
    """The width of everything up to the brace that closes this group; scripts stack."""
    total, scripts = 0.0, {}
    while at[0] < len(tokens):
        token = tokens[at[0]]
        at[0] += 1
        if token == "}":
            break
        if token in "^_":
            scripts[token] = _SCRIPT * _group(tokens, at)
            continue
        total += max(scripts.values(), default=0.0)
        scripts = {}
        total += _one(token, tokens, at)
    return total + max(scripts.values(), default=0.0)


def _group(tokens: list[str], at: list[int]) -> float:
    if at[0] >= len(tokens):
        return 0.0
    token = tokens[at[0]]
    at[0] += 1
    return _sequence(tokens, at) if token == "{" else _one(token, tokens, at)


def _one(token: str, tokens: list[str], at: list[int]) -> float:
    if token == "{":
        return _sequence(tokens, at)
    if token == r"\frac":
        return max(_group(tokens, at), _group(tokens, at)) + 2.6
    if token == r"\sqrt":
        return _group(tokens, at) + 10.0
    return _WIDTHS.get(token, _ORDINARY if len(token) == 1 else 7.0)


# ------------------------------------------------------------------------------------- breaking


def lines(expr: Expr, printer: Latex, room: float = LINE) -> list[str]:
    """``expr`` in LaTeX, as lines of at most ``room`` points where that can be done."""
    whole = printer.write(expr)
    if width(whole) <= room:
        return [whole]
    if isinstance(expr, (Terms, Add)):
        return _broken_sum(expr, printer, room)
    if isinstance(expr, Product):
        return _broken_product(expr, printer, room)
    return [whole]


def _broken_sum(expr: Terms | Add, printer: Latex, room: float) -> list[str]:
    """As many terms a line as fit; a term that does not fit by itself is broken in turn."""
    found: list[str] = []
    for (mark, body), term in zip(printer.signed_terms(expr.args), expr.args, strict=True):
        piece = mark + body
        if found and width(found[-1] + piece) <= room:
            found[-1] += piece
        elif width(piece) > room and isinstance(term, Product) and not body.startswith("-"):
            inner = lines(term, printer, room - 13.0)
            found += [mark + inner[0] if not inner[0].startswith("-") else piece, *inner[1:]]
        else:
            found.append(piece)
    return found


def _broken_product(expr: Product, printer: Latex, room: float) -> list[str]:
    sums = [part for part in expr.args if isinstance(part, (Terms, Add))]
    longest = max(sums, key=lambda part: width(printer.write(part)), default=None)
    if longest is not None and width(printer.write(longest)) > room / 2:
        return _around(expr, longest, printer, room)
    return _factor_by_factor(expr, printer, room)


def _around(expr: Product, inner: Expr, printer: Latex, room: float) -> list[str]:
    """before [ inner, broken ] after, with brackets that may stand on different lines."""
    place = expr.args.index(inner)
    before = printer.write(Product(*expr.args[:place])) + r"\," if place else ""
    after = (
        r"\," + printer.write(Product(*expr.args[place + 1 :]))
        if place + 1 < len(expr.args)
        else ""
    )
    found = _broken_sum(inner, printer, room - width(before) - 6.0)  # type: ignore[arg-type]
    found[0] = rf"{before}\Bigl[{found[0]}"
    found[1:] = [rf"\quad{line}" for line in found[1:]]
    if width(found[-1] + after) <= room:
        found[-1] += rf"\Bigr]{after}"
        return found
    found[-1] += r"\Bigr]"
    return [*found, rf"\quad{{}}\cdot {after.removeprefix(chr(92) + ',')}"]


def _factor_by_factor(expr: Product, printer: Latex, room: float) -> list[str]:
    found = [printer.write(expr.args[0])]
    for factor in expr.args[1:]:
        body = printer.write(factor)
        if isinstance(factor, (Terms, Add)) or body.startswith("-"):
            body = printer.parenthesised(body)
        if width(found[-1] + r"\," + body) <= room:
            found[-1] = printer.multiply([found[-1], body], has_partials=False)
        else:
            found.append(rf"\quad{{}}\cdot {body}")
    return found
