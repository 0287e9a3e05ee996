r"""Shapes that a page tells: W_1 ∈ ℝ^{3×2}, δ_2 = ŷ - y (2×1), W_1.shape = (3, 2).

They are remarks and no factors: `told` takes one off the tokens of a statement.  Whether it is so
is for the judge to say (`verdicts`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from symback.checking.tokens import CLOSES, OPENS, RELATIONS, Token

Shape = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Told:
    """What is left without the remark, and the shape; None where it is no two whole numbers."""

    tokens: list[Token]
    shape: Shape | None


def told(tokens: list[Token]) -> Told | None:
    """The statement without the shape that it tells, or None where it tells none."""
    return _of_space(tokens) or _of_code(tokens) or _behind(tokens)


def _of_space(tokens: list[Token]) -> Told | None:
    """… ∈ ℝ^{n×m}."""
    depth = 0
    for place, token in enumerate(tokens):
        depth += (token.kind in OPENS) - (token.kind in CLOSES)
        if token.kind != "in" or depth or not place:
            continue
        space = [each for each in tokens[place + 1 :] if each.kind not in ("{", "}")]
        if len(space) < 3 or space[0].text != "R" or space[1].kind != "^":
            return None
        return Told(tokens[:place], _numbers(space[2:]))
    return None


def _of_code(tokens: list[Token]) -> Told | None:
    """W_1.shape = (3, 2)."""
    place = next((k for k, token in enumerate(tokens) if token.text == "shape"), 0)
    if place < 2 or tokens[place - 1].kind != "." or place + 2 >= len(tokens):
        return None
    given, opening = tokens[place + 1], tokens[place + 2]
    if given.kind not in RELATIONS or opening.kind != "(" or tokens[-1].kind != ")":
        return None
    return Told(tokens[: place - 1], _numbers(tokens[place + 3 : -1]))


def _behind(tokens: list[Token]) -> Told | None:
    """… (2×1) behind an equation, apart from it."""
    if len(tokens) < 8 or tokens[-1].kind not in (")", "]") or tokens[-5].kind not in ("(", "["):
        return None
    opening, before = tokens[-5], tokens[-6]
    shape = _numbers(tokens[-4:-1])
    operand = before.kind in ("name", "number", "⏐", "'", "⊤", *CLOSES)
    signs = tokens[-3].text in ("×", "x", "X") or (tokens[-3].kind == "," and opening.spaced)
    if shape is None or not operand or not opening.spaced or not signs:
        return None
    if not any(token.kind in RELATIONS for token in tokens[:-5]):
        return None
    left = tokens[:-6] if before.kind == "⏐" else tokens[:-5]
    return Told(left, shape)


def _numbers(tokens: Sequence[Token]) -> Shape | None:
    """n×m, n x m, n, m, or n for a column."""
    texts = [token.text for token in tokens]
    match texts:
        case [rows] if rows.isdigit():
            return int(rows), 1
        case [rows, "×" | "x" | "X" | "*" | "·" | ",", columns] if (rows + columns).isdigit():
            return int(rows), int(columns)
    return None


def is_only_shape(tokens: Sequence[Token]) -> bool:
    """Whether tokens are 2 × 3 or 2x3, as in: W_2 is 2 × 3."""
    inner = [token.text for token in tokens if token.kind not in ("(", ")", "[", "]")]
    match inner:
        case [rows, "×" | "x" | "X", columns]:
            return rows.isdigit() and columns.isdigit()
    return False
