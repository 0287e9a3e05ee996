r"""Fitting a formula on a page: how wide its LaTeX is, and where it may be broken.

* `width` estimates the width of a piece of LaTeX in points at 11 pt;
* `lines` prints an expression as one or more lines that each fit: a sum is broken between its
  terms, a product between its factors, and a factor that is itself a long sum inside its bracket.

TeX breaks no formula in a display, and the packages that try push terms off the page without an
error, so the engine, which knows terms from factors, breaks the lines.  A broken bracket opens with
``\Bigl`` and closes with ``\Bigr`` on another line; what was bracketed on one line stays so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sympy import Add, Expr, Sum

from symback.language.algebra import Product, Terms
from symback.language.writing import Latex, signed

__all__ = ["INDENT", "LINE", "lines", "width"]

LINE = 390.0
"""Points that the right-hand side of a display may take on a page 483 points wide."""

INDENT = r"{}\cdot "
"""How a line begins that goes on multiplying."""

_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[{}^_&]|\s+|.", re.DOTALL)
_WIDTHS = {
    "+": 13.0, "-": 13.0, "=": 14.0, "<": 14.0, ">": 14.0, "(": 4.3, ")": 4.3, "[": 3.1, "]": 3.1,
    "|": 3.1, ",": 4.9, ".": 3.1, "w": 7.9, "W": 10.5, "m": 9.7, "i": 3.8, "j": 4.6, "l": 3.5,
    r"\sum": 16.0, r"\,": 1.9, r"\;": 3.1, r"\quad": 11.0, r"\qquad": 22.0, r"\partial": 6.3,
    r"\cdot": 8.0, r"\to": 17.0, r"\mathscr": 0.0, r"\mathbf": 0.0, r"\hat": 0.0, r"\left": 3.0,
    r"\right": 3.0, r"\Bigl": 4.0, r"\Bigr": 4.0, r"\log": 16.0, r"\tanh": 24.0, r"\sin": 15.0,
    r"\cos": 17.0, r"\tan": 18.0, r"\text": 0.0, r"\operatorname": 2.0, r"\mathrm": 0.0, r"\{": 5.5,
    r"\}": 5.5, r"\ldots": 12.0, r"\approx": 14.0, r"\leftarrow": 17.0, r"\textstyle": 0.0,
    r"\displaystyle": 0.0, r"\boxed": 7.0,
}  # fmt: skip
_ORDINARY = 5.6
_CAPITAL = 8.5
_SCRIPT = 0.74
_COLUMN = 11.0
_FENCES = 16.0


def width(latex: str) -> float:
    r"""The estimated width of ``latex`` in points, set at 11 pt in display style.

    >>> width("x") < width("xx") < width(r"\frac{xxxx}{x}")
    True
    """
    tokens = [token for token in _TOKEN.findall(latex) if not token.isspace()]
    return _sequence(tokens, [0])


def _sequence(tokens: list[str], at: list[int], ends: Sequence[str] = ("}",)) -> float:
    """The width of everything up to one of ``ends``, which is read too; scripts stack."""
    total, scripts = 0.0, {}
    while at[0] < len(tokens):
        token = tokens[at[0]]
        at[0] += 1
        if token in ends:
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
    if token == r"\begin":
        return _environment(tokens, at)
    usual = _CAPITAL if token.isupper() else _ORDINARY if len(token) == 1 else 7.0
    return _WIDTHS.get(token, usual)


def _environment(tokens: list[str], at: list[int]) -> float:
    """Cases or a matrix: as wide as the widest cells of its columns together."""
    _group(tokens, at)
    columns: list[float] = []
    column = 0
    while at[0] < len(tokens):
        cell = _sequence(tokens, at, ("&", r"\\", r"\end"))
        columns += [0.0] * (column + 1 - len(columns))
        columns[column] = max(columns[column], cell)
        closing = tokens[at[0] - 1]
        if closing == r"\end":
            _group(tokens, at)
            break
        column = column + 1 if closing == "&" else 0
    return sum(columns) + _COLUMN * (len(columns) - 1) + _FENCES


# ------------------------------------------------------------------------------------- breaking


def lines(expr: Expr, printer: Latex, room: float = LINE) -> list[str]:
    """``expr`` in LaTeX, as lines of at most ``room`` points where that can be done."""
    whole = printer.write(expr)
    if width(whole) <= room or expr in printer.numbers:
        return [whole]
    if isinstance(expr, (Terms, Add)):
        return _broken_sum(expr, printer, room)
    if isinstance(expr, Product):
        return _broken_product(expr, printer, room)
    if isinstance(expr, Sum):
        return _broken_sigma(expr, printer, room)
    return [whole]


def _broken_sum(expr: Terms | Add, printer: Latex, room: float) -> list[str]:
    """As many terms a line as fit; a term that does not fit by itself is broken in turn."""
    terms = printer.in_order(expr)
    found: list[str] = []
    for (mark, body), term in zip(printer.signed_terms(terms), terms, strict=True):
        if found and width(found[-1] + mark + body) <= room:
            found[-1] += mark + body
        elif width(mark + body) <= room:
            found.append(mark + body)
        else:
            _, size = signed(term)
            found += _inside(mark, size, body, printer, room)
    return found


def _broken_product(expr: Product, printer: Latex, room: float) -> list[str]:
    """As many factors a line as fit; a long bracket is broken within, another factor goes down."""
    mark, pieces = printer.signed_factors(expr)
    names = printer.has_names(pieces)
    found = [mark]
    for factor, body in pieces:
        begun = found[-1] not in ("", mark)
        joined = printer.multiply([found[-1], body], names) if begun else found[-1] + body
        if width(joined) <= room:
            found[-1] = joined
        elif width(INDENT + body) <= room and (begun or not _is_breakable(factor)):
            found.append(INDENT + body)
        elif begun and width(found[-1]) > room / 3:
            found += _inside(INDENT, factor, body, printer, room)
        else:
            before = found.pop()
            found += _inside(before + r"\," * begun, factor, body, printer, room)
    return found


def _is_breakable(expr: Expr) -> bool:
    return isinstance(expr, (Add, Terms, Sum, Product))


def _inside(before: str, expr: Expr, body: str, printer: Latex, room: float) -> list[str]:
    """``before`` and then ``expr``, broken; in brackets where ``body`` has them."""
    bracketed = body != printer.write(expr)
    left = max(room - width(before) - 12.0 * bracketed, room / 2)
    first, *more = lines(expr, printer, left)
    if not more:
        return [before + body]
    more = [rf"\quad {line}" for line in more]
    if bracketed:
        first, more[-1] = rf"\Bigl[{first}", rf"{more[-1]}\Bigr]"
    return [before + first, *more]


def _broken_sigma(expr: Sum, printer: Latex, room: float) -> list[str]:
    """Σ, and what is summed broken behind it."""
    whole, body = printer.write(expr), printer.write(expr.function)
    if not whole.endswith(body):
        body = printer.parenthesised(body)
    return _inside(whole.removesuffix(body), expr.function, body, printer, room)
