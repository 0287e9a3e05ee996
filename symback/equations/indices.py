"""Indices of arrays: affine expressions in letters and sizes, looked-up ones, and conditions.

Here one can

* write an index such as 2·o + u - 3, or a size such as T: `Affine` (`letter`, `number` make the
  plain ones, + and - and `Affine.times` the others); an index that data gives, tok[t]: `Lookup`;
* say over what a letter runs: `Range`, and what must hold besides: `Condition`;
* replace letters: `moved`; evaluate: `place`, `holds`;
* decide a condition for all letters in their ranges and all sizes: `decided`;
* solve α = q for a letter of α: `solved`, and a product of δ(α, q) under sums: `contracted`.

Letters and sizes are names; who reads them knows which is which, since sizes are in the system.
Everything is 1-based.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Affine:
    """``constant + Σ coefficient·name``: names in order, no coefficient 0.

    >>> print(letter("o").times(2) + letter("u") - number(3))
    2o+u-3
    """

    constant: int = 0
    parts: tuple[tuple[str, int], ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Its letters and sizes."""
        return frozenset(name for name, _ in self.parts)

    @property
    def is_number(self) -> bool:
        """Whether it has no letter and no size."""
        return not self.parts

    @property
    def bare(self) -> str | None:
        """The letter or size that it is by itself."""
        is_bare = not self.constant and len(self.parts) == 1 and self.parts[0][1] == 1
        return self.parts[0][0] if is_bare else None

    def coefficient(self, name: str) -> int:
        """How often ``name`` is in it."""
        return dict(self.parts).get(name, 0)

    def times(self, factor: int) -> Affine:
        """``factor`` times it."""
        return _affine(factor * self.constant, {n: factor * c for n, c in self.parts})

    def __add__(self, other: Affine) -> Affine:
        counted = dict(self.parts)
        for name, coefficient in other.parts:
            counted[name] = counted.get(name, 0) + coefficient
        return _affine(self.constant + other.constant, counted)

    def __sub__(self, other: Affine) -> Affine:
        return self + other.times(-1)

    def value(self, values: Mapping[str, int]) -> int:
        """The number it is."""
        return self.constant + sum(values[name] * c for name, c in self.parts)

    def __str__(self) -> str:
        text = ""
        ordered = sorted(self.parts, key=lambda part: part[1] < 0)
        for name, coefficient in ordered:
            sign = "-" if coefficient < 0 else "+" if text else ""
            text += sign + (str(abs(coefficient)) if abs(coefficient) != 1 else "") + name
        if self.constant or not text:
            text += f"{self.constant:+d}" if text else str(self.constant)
        return text


def _affine(constant: int, counted: Mapping[str, int]) -> Affine:
    return Affine(constant, tuple(sorted((n, c) for n, c in counted.items() if c)))


def letter(name: str) -> Affine:
    """A letter or a size by itself."""
    return Affine(0, ((name, 1),))


def number(value: int) -> Affine:
    """A number."""
    return Affine(value)


ONE = Affine(1)


@dataclass(frozen=True, slots=True)
class Lookup:
    """An index that data gives: tok[t]."""

    array: str
    indices: tuple[Affine, ...]

    @property
    def names(self) -> frozenset[str]:
        """The letters and sizes in its indices."""
        return frozenset().union(*(index.names for index in self.indices))

    bare = None
    is_number = False

    def __str__(self) -> str:
        inside = ",".join(map(str, self.indices))
        return f"{self.array}[{inside}]" if inside else self.array


Index: TypeAlias = Affine | Lookup


@dataclass(frozen=True, slots=True)
class Range:
    """``letter`` runs from ``lower`` to ``upper``; both are made of sizes and numbers."""

    letter: str
    upper: Affine
    lower: Affine = ONE

    def __str__(self) -> str:
        return f"{self.letter}={self.lower}..{self.upper}"


@dataclass(frozen=True, slots=True)
class Condition:
    """``left relation right``, the relation one of ``== != < <=``.

    >>> print(Condition(letter("u"), "<=", letter("t")))
    u <= t
    """

    left: Index
    relation: str
    right: Index

    @property
    def names(self) -> frozenset[str]:
        """Letters and sizes of both sides."""
        return self.left.names | self.right.names

    @property
    def negated(self) -> Condition:
        """What holds where this does not."""
        match self.relation:
            case "==" | "!=":
                return Condition(self.left, {"==": "!=", "!=": "=="}[self.relation], self.right)
            case _:
                return Condition(self.right, {"<": "<=", "<=": "<"}[self.relation], self.left)

    def __str__(self) -> str:
        return f"{self.left} {self.relation} {self.right}"


# --------------------------------------------------------------------------------- replacement

Moves: TypeAlias = Mapping[str, Index]


def moved(index: Index, moves: Moves) -> Index:
    """``index`` with letters replaced.

    A looked-up index may replace a letter that stands by itself; raises `TypeError` elsewhere.
    """
    if isinstance(index, Lookup):
        places = tuple(moved(each, moves) for each in index.indices)
        if any(isinstance(place, Lookup) for place in places):
            raise TypeError(f"{index} would have a looked-up index within a looked-up one")
        return Lookup(index.array, places)  # type: ignore[arg-type]
    if not any(name in moves for name, _ in index.parts):
        return index
    if index.bare is not None:
        return moves[index.bare]
    found = number(index.constant)
    for name, coefficient in index.parts:
        new = moves.get(name, letter(name))
        if isinstance(new, Lookup):
            raise TypeError(f"{new} would stand in the sum {index}")
        found += new.times(coefficient)
    return found


def condition_moved(condition: Condition, moves: Moves) -> Condition:
    """``condition`` with letters replaced."""
    return Condition(
        moved(condition.left, moves), condition.relation, moved(condition.right, moves)
    )


# ------------------------------------------------------------------------------------ values

Data: TypeAlias = Callable[[str, tuple[int, ...]], int]
"""The number that a data array holds at 1-based indices."""


def place(index: Index, values: Mapping[str, int], data: Data) -> int:
    """The number that an index is."""
    if isinstance(index, Affine):
        return index.value(values)
    return data(index.array, tuple(each.value(values) for each in index.indices))


def holds(condition: Condition, values: Mapping[str, int], data: Data) -> bool:
    """Whether a condition holds."""
    left, right = (place(side, values, data) for side in (condition.left, condition.right))
    return {
        "==": left == right, "!=": left != right, "<": left < right, "<=": left <= right,
    }[condition.relation]  # fmt: skip


# ---------------------------------------------------------------------------------- deciding


def least(expr: Affine, ranges: Iterable[Range]) -> int | None:
    """The least number an affine expression can be, letters in their ranges, all sizes ≥ 1.

    None where it has no bound; the bound is exact for letters, and what it says holds for all
    sizes.

    >>> least(letter("T") - letter("t"), [Range("t", letter("T"))])
    0
    """
    known = {each.letter: each for each in ranges}
    for name, coefficient in expr.parts:
        if name in known:
            edge = known[name].lower if coefficient > 0 else known[name].upper
            expr = expr - letter(name).times(coefficient) + edge.times(coefficient)
    if any(coefficient < 0 for _, coefficient in expr.parts):
        return None
    return expr.constant + sum(coefficient for _, coefficient in expr.parts)


def decided(condition: Condition, ranges: Iterable[Range]) -> bool | None:
    """Whether a condition holds for all letters in their ranges and all sizes, or for none.

    None where it depends on them, or where that is not known here.

    >>> u, t = letter("u"), letter("t")
    >>> decided(Condition(t, "<=", letter("T")), [Range("t", letter("T"))])
    True
    """
    if condition.left == condition.right:
        return condition.relation in ("==", "<=")
    if isinstance(condition.left, Lookup) or isinstance(condition.right, Lookup):
        return None
    ranges = tuple(ranges)
    ahead = least(condition.right - condition.left, ranges)
    behind = least(condition.left - condition.right, ranges)
    match condition.relation:
        case "<=":
            return True if _above(ahead, 0) else (False if _above(behind, 1) else None)
        case "<":
            return True if _above(ahead, 1) else (False if _above(behind, 0) else None)
    apart = _above(ahead, 1) or _above(behind, 1)
    return (condition.relation == "!=") if apart else None


def _above(bound: int | None, least_wanted: int) -> bool:
    return bound is not None and bound >= least_wanted


def within(index: Affine, low: Affine, high: Affine) -> tuple[Condition, Condition]:
    """``low <= index`` and ``index <= high``."""
    return Condition(low, "<=", index), Condition(index, "<=", high)


# ----------------------------------------------------------------------------------- solving


def solved(index: Index, value: Index, name: str) -> Index | None:
    """What ``name`` is where ``index == value``; None where that is no affine expression.

    >>> print(solved(letter("o").times(2) + letter("u") - number(3), letter("q"), "u"))
    q-2o+3
    """
    if isinstance(index, Lookup):
        return None
    coefficient = index.coefficient(name)
    if index.bare == name:
        return value
    if abs(coefficient) != 1 or isinstance(value, Lookup):
        return None
    rest = index - letter(name).times(coefficient)
    return (value - rest).times(coefficient)


@dataclass(frozen=True, slots=True)
class Contraction:
    """What is left of Σ Π δ(α_k, q_k): what letters became, the ranges still open, conditions."""

    moves: dict[str, Index]
    ranges: tuple[Range, ...]
    conditions: list[Condition]


def contracted(ranges: Sequence[Range], equal: Sequence[tuple[Index, Affine]]) -> Contraction:
    """Solve each ``α = q`` for a letter of ``ranges``, the first that stands in it plainly.

    A letter that stands by itself is taken before one in a sum, and both before any that is
    multiplied, for which there is no affine solution.
    """
    open_ranges, moves, conditions = list(ranges), {}, []
    waiting = list(equal)
    while waiting:
        chosen = _next_solution(waiting, open_ranges)
        if chosen is None:
            conditions += [Condition(alpha, "==", q) for alpha, q in waiting]
            break
        position, own, value = chosen
        del waiting[position]
        open_ranges.remove(own)
        step: dict[str, Index] = {own.letter: value}
        moves = {name: moved(old, step) for name, old in moves.items()} | step
        waiting = [(moved(alpha, step), q) for alpha, q in waiting]
        conditions = [condition_moved(each, step) for each in conditions]
        assert isinstance(value, Affine)
        conditions += within(value, own.lower, own.upper)
    return Contraction(moves, tuple(open_ranges), conditions)


def _next_solution(
    equal: Sequence[tuple[Index, Affine]], ranges: Sequence[Range]
) -> tuple[int, Range, Index] | None:
    for bare_only in (True, False):
        for position, (alpha, q) in enumerate(equal):
            for own in ranges:
                if bare_only and alpha.bare != own.letter:
                    continue
                value = solved(alpha, q, own.letter)
                if value is not None:
                    return position, own, value
    return None
