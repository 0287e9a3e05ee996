"""Formulas as trees of their own, with their own text and their own values at 80 digits.

Here one can

* build a `Tree` from names and numbers with the operators of arithmetic, and print it as a line of
  a derivation: ``str(tree)``;
* evaluate it at a point: `value` (exact where all is rational, else mpmath), which is None where
  the tree has no value;
* say whether two trees differ at a point for certain: `compared`;
* get points on both sides of every threshold of some trees: `points`.

Nothing here is taken from symback: it is what `symback.checking` is held against.
"""

from __future__ import annotations

import enum
import functools
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from typing import Any

import mpmath
import numpy as np

__all__ = [
    "Seen",
    "Tree",
    "case",
    "compared",
    "indicator",
    "name",
    "number",
    "points",
    "slope",
    "value",
]

DIGITS, FINE = 80, 400
_mp = {digits: mpmath.mp.clone() for digits in (DIGITS, FINE)}
for _digits, _context in _mp.items():
    _context.dps = _digits

RELATIONS = {
    ">": lambda u, v: u > v,
    "<": lambda u, v: u < v,
    ">=": lambda u, v: u >= v,
    "<=": lambda u, v: u <= v,
    "=": lambda u, v: u == v,
}
LARGEST = {"exp": 150, "sinh": 100, "cosh": 100}
"""An exponential of more has no value here; any other function has none beyond 10⁷."""

HUGE = 1e140
"""Nor has anything with a part larger than this: its rounding could pass for a difference."""

TINY = 1e200
"""A gap of less than one part in so many of the largest part is none."""


@dataclass(frozen=True, slots=True)
class Tree:
    """``head`` is number, name, + - * / ^, indicator, cases, slope or a function's name.

    ``text`` is a number's or a name's spelling, the relation of a condition, the variable of a
    slope.  The parts of an indicator are the sides of its condition; those of cases are value,
    left, right, otherwise.
    """

    head: str
    parts: tuple[Tree, ...] = ()
    text: str = ""

    def __add__(self, other: Any) -> Tree:
        return Tree("+", (self, of(other)))

    def __sub__(self, other: Any) -> Tree:
        return Tree("-", (self, of(other)))

    def __mul__(self, other: Any) -> Tree:
        return Tree("*", (self, of(other)))

    def __truediv__(self, other: Any) -> Tree:
        return Tree("/", (self, of(other)))

    def __pow__(self, other: int) -> Tree:
        return Tree("^", (self, number(other)))

    def __neg__(self) -> Tree:
        return number(-1) * self

    def __str__(self) -> str:
        return _text(self)

    def walk(self) -> Iterator[Tree]:
        """The tree and every tree within it."""
        yield self
        for part in self.parts:
            yield from part.walk()


def number(given: Any) -> Tree:
    """A number as spelled ("0.001", "7/3"), or a whole one."""
    return Tree("number", text=str(given))


def name(spelled: str) -> Tree:
    """A quantity, e.g. x_1."""
    return Tree("name", text=spelled)


def of(given: Any) -> Tree:
    """A tree, also for a number."""
    return given if isinstance(given, Tree) else number(given)


def call(function: str, *arguments: Any) -> Tree:
    """A function of some arguments."""
    return Tree(function, tuple(map(of, arguments)))


def indicator(left: Any, relation: str, right: Any) -> Tree:
    """1 where the condition holds, else 0."""
    return Tree("indicator", (of(left), of(right)), relation)


def case(then: Any, left: Any, relation: str, right: Any, otherwise: Any) -> Tree:
    """``then`` where the condition holds, else ``otherwise``."""
    return Tree("cases", (of(then), of(left), of(right), of(otherwise)), relation)


def slope(tree: Tree, by: str) -> Tree:
    """The derivative of a tree by a name."""
    return Tree("slope", (tree,), by)


# ------------------------------------------------------------------------------------------- text


def _text(tree: Tree) -> str:
    parts = tree.parts
    match tree.head:
        case "number":
            return f"({tree.text})" if tree.text[0] == "-" or "/" in tree.text else tree.text
        case "name":
            return tree.text
        case "+" | "-":
            return f"{_text(parts[0])} {tree.head} {_inner(parts[1])}"
        case "*":
            return "·".join(map(_inner, parts))
        case "/":
            return "/".join(map(_inner, parts))
        case "^":
            base = _inner(parts[0])
            is_plain = parts[0].head == "name" or base[0] == "("
            return f"{base if is_plain else f'({base})'}^{parts[1].text}"
        case "indicator":
            return f"1[{_text(parts[0])} {tree.text} {_text(parts[1])}]"
        case "cases":
            then, left, right, otherwise = map(_text, parts)
            return f"{{{then} if {left} {tree.text} {right}; {otherwise} otherwise}}"
        case "slope":
            return f"∂/∂{tree.text} ({_text(parts[0])})"
        case "pi":
            return "π"
    return f"{tree.head}({', '.join(map(_text, parts))})"


def _inner(tree: Tree) -> str:
    """A part of a product or a power, in brackets where it is a sum, a product or a slope."""
    text = _text(tree)
    return f"({text})" if tree.head in ("+", "-", "*", "/", "^", "slope") else text


# ----------------------------------------------------------------------------------------- values


class _NoValue(ArithmeticError):
    """There is no real value here."""


class _Untold(ArithmeticError):
    """The value here is not computed: too large, or too close to a threshold."""


@functools.cache
def _fraction(text: str) -> Fraction:
    return Fraction(text)


class _Numbers:
    """Fractions where all is rational, else numbers of mpmath."""

    def __init__(self, digits: int) -> None:
        self.mp = _mp[digits]
        self.step = Fraction(1, 10 ** (digits // 3))
        self.close = self.mp.mpf(10) ** (15 - digits)
        self.largest = 1.0

    def real(self, number: Any) -> Any:
        if isinstance(number, Fraction):
            return self.mp.mpf(number.numerator) / number.denominator
        return number

    def pair(self, first: Any, second: Any) -> tuple[Any, Any]:
        if isinstance(first, Fraction) and isinstance(second, Fraction):
            return first, second
        return self.real(first), self.real(second)

    def holds(self, left: Any, relation: str, right: Any) -> bool:
        """Whether a condition holds; two numbers that are nearly one cannot be told apart."""
        u, v = self.pair(left, right)
        if not isinstance(u, Fraction):
            self.tell(u - v)
        return RELATIONS[relation](u, v)

    def tell(self, gap: Any) -> None:
        """Raise `_Untold` where a number that decides something may be rounding alone."""
        if abs(gap) <= self.close * self.largest:
            raise _Untold

    def quotient(self, above: Any, below: Any) -> Any:
        """A quotient; a divisor that is rounding alone is not said to be 0."""
        if not isinstance(below, Fraction):
            self.tell(below)
        return above / below

    def function(self, head: str, given: Any) -> Any:
        if head == "sqrt" and isinstance(given, Fraction) and given >= 0:
            above, below = math.isqrt(given.numerator), math.isqrt(given.denominator)
            if above**2 == given.numerator and below**2 == given.denominator:
                return Fraction(above, below)
        if head in ("exp", "log") and given == (0 if head == "exp" else 1):
            return Fraction(head == "exp")
        return self.transcendental(head, self.real(given))

    def transcendental(self, head: str, u: Any) -> Any:
        if head in ("log", "sqrt", "asin", "acos"):
            self.tell(u if head in ("log", "sqrt") else abs(u) - 1)
        outside = {"log": u <= 0, "sqrt": u < 0, "asin": abs(u) > 1, "acos": abs(u) > 1}
        if outside.get(head):
            raise _NoValue
        size = u if head == "exp" and u < 0 else abs(u)
        if head not in ("log", "sqrt", "atan") and size > LARGEST.get(head, 10**7):
            raise _Untold
        if head == "sigmoid":
            return 1 / (1 + self.mp.exp(-u))
        if head == "softplus":
            return self.mp.log1p(self.mp.exp(u))
        return getattr(self.mp, head)(u)


_EXACT = {digits: _Numbers(digits) for digits in _mp}

Point = Mapping[str, Fraction]
Definitions = Mapping[str, Tree]
"""What is computed from other names, e.g. h_11 from a_11."""


def value(tree: Tree, point: Point, known: Definitions, digits: int = DIGITS) -> Any:
    """The value at a point; None where there is none, NaN where none is computed."""
    return _value(tree, point, known, _EXACT[digits])


def _value(tree: Tree, point: Point, known: Definitions, numbers: _Numbers) -> Any:
    numbers.largest = 1.0
    try:
        return _of(tree, point, known, numbers)
    except (_NoValue, ZeroDivisionError):
        return None
    except (_Untold, OverflowError, ValueError):
        return math.nan


def _of(tree: Tree, point: Point, known: Definitions, numbers: _Numbers) -> Any:
    """The value; raises `_NoValue`, `_Untold` and what division and floats raise."""
    if tree.head == "number":
        return _fraction(tree.text)
    if tree.head == "name":
        if tree.text in known:
            return _of(known[tree.text], point, known, numbers)
        return point[tree.text]
    if tree.head == "slope":
        return _slope(tree, point, known, numbers)
    if tree.head == "pi":
        return +numbers.mp.pi
    parts = tree.parts
    if tree.head == "cases":
        left, right = (_of(part, point, known, numbers) for part in parts[1:3])
        branch = parts[0] if numbers.holds(left, tree.text, right) else parts[3]
        return _of(branch, point, known, numbers)
    made = _combined(tree, [_of(part, point, known, numbers) for part in parts], numbers)
    numbers.largest = max(numbers.largest, abs(float(made)))
    if numbers.largest > HUGE:
        raise _Untold
    return made


def _combined(tree: Tree, given: Sequence[Any], numbers: _Numbers) -> Any:
    match tree.head:
        case "+" | "-" | "*" | "/":
            if tree.head == "*" and any(isinstance(u, Fraction) and not u for u in given):
                return Fraction(0)
            u, v = numbers.pair(*given)
            if tree.head == "/":
                return numbers.quotient(u, v)
            return u * v if tree.head == "*" else u + v if tree.head == "+" else u - v
        case "^":
            return given[0] ** int(given[1])
        case "max" | "min":
            return _largest(given, 1 if tree.head == "max" else -1, numbers)
        case "abs":
            return abs(given[0])
        case "relu":
            return given[0] if numbers.holds(given[0], ">", Fraction(0)) else Fraction(0)
        case "sign":
            if isinstance(given[0], Fraction) and not given[0]:
                return Fraction(0)
            return Fraction(1 if numbers.holds(given[0], ">", Fraction(0)) else -1)
        case "indicator":
            return Fraction(numbers.holds(given[0], tree.text, given[1]))
    return numbers.function(tree.head, given[0])


def _largest(given: Sequence[Any], sign: int, numbers: _Numbers) -> Any:
    best = given[0]
    for other in given[1:]:
        u, v = numbers.pair(best, other)
        best = v if sign * (v - u) > 0 else u
    return best


def _slope(tree: Tree, point: Point, known: Definitions, numbers: _Numbers) -> Any:
    """A central difference; its error shrinks with the digits, which tells it from a real gap."""
    above, below = (
        _of(tree.parts[0], {**point, tree.text: point[tree.text] + move}, known, numbers)
        for move in (numbers.step, -numbers.step)
    )
    u, v = numbers.pair(above, below)
    return numbers.real(u - v) / (2 * numbers.real(numbers.step))


class Seen(enum.Enum):
    """What is seen of two trees at a point."""

    APART = enum.auto()
    CLOSE = enum.auto()
    HALF = enum.auto()  # one of them has a value, the other has none
    NOTHING = enum.auto()


def compared(left: Tree, right: Tree, point: Point, known: Definitions) -> Seen:
    """What is seen of two trees at a point; apart only where that is certain.

    A gap that is not exact must be the same at 400 digits as at 80, which rounding is not.
    """
    gaps, largest = [], []
    for digits in _mp:
        found = []
        for side in (left, right):
            found.append(value(side, point, known, digits))
            largest.append(_EXACT[digits].largest)
        if None in found or any(each != each for each in found):
            is_half = found.count(None) == 1 and all(each is None or each == each for each in found)
            return Seen.HALF if is_half else Seen.NOTHING
        u, v = _EXACT[digits].pair(*found)
        if isinstance(u, Fraction) or u == v:
            return Seen.CLOSE if u == v else Seen.APART
        gaps.append(u - v)
    coarse, fine = gaps
    is_certain = abs(coarse - fine) * 4 <= abs(fine) and abs(fine) * TINY > max(largest)
    return Seen.APART if is_certain else Seen.CLOSE


# ----------------------------------------------------------------------------------------- points

_SIZES = [size * 10.0**power for power in range(-8, 9) for size in (1.0, 3.1)]
_SCAN = sorted([*_SIZES, 0.0, *(-size for size in _SIZES)])


def points(sides: Sequence[Tree], known: Definitions, draw: random.Random) -> Iterator[Point]:
    """Points at random, then points around every threshold along random lines, without end.

    A slope is looked at beside its thresholds only, where no convention matters.
    """
    variables = sorted(_variables(sides, known))
    constants = [Fraction(part.text) for side in sides for part in side.walk() if _is_number(part)]
    gaps = [gap for side in sides for gap in _gaps(side, known)]
    found = _drawn(variables, gaps, known, constants, draw)
    if any(part.head == "slope" for side in sides for part in side.walk()):
        probe = {v: _any(draw, constants) for v in variables}
        live = [gap for gap in gaps if value(gap, probe, known)]
        found = (at for at in islice(found, 400) if all(value(gap, at, known) for gap in live))
    yield from found


def _drawn(
    variables: Sequence[str],
    gaps: Sequence[Tree],
    known: Definitions,
    constants: Sequence[Fraction],
    draw: random.Random,
) -> Iterator[Point]:
    yield from ({v: _any(draw, constants) for v in variables} for _ in range(6))
    while variables:
        yield {v: _any(draw, constants) for v in variables}
        moved = draw.choice(variables)
        base = {v: _any(draw, constants) for v in variables}
        for at in _around(_roots(gaps, moved, base, known, constants), draw):
            yield {**base, moved: at}


def _is_number(tree: Tree) -> bool:
    return tree.head == "number"


def _variables(sides: Sequence[Tree], known: Definitions) -> set[str]:
    found: set[str] = set()
    waiting = list(sides)
    while waiting:
        for part in waiting.pop().walk():
            if part.head == "slope":
                found.add(part.text)
            if part.head == "name" and part.text in known:
                waiting.append(known[part.text])
            elif part.head == "name":
                found.add(part.text)
    return found


def _any(draw: random.Random, constants: Sequence[Fraction]) -> Fraction:
    """A number of any size from 10⁻⁷ to 10⁷, a small one, or one near a constant of the sides."""
    kind = draw.randrange(4)
    if kind == 0 and constants:
        near = draw.choice(constants) * draw.choice((1, -1))
        if draw.random() < 0.5:
            return near + Fraction(draw.randint(-(10**7), 10**7), 10**6)
        return near * (1 + Fraction(draw.randint(-(10**6), 10**6), 10**7)) + _any(draw, ()) / 10**9
    sign = draw.choice((1, -1))
    if kind == 1:
        return sign * Fraction(f"{10 ** draw.uniform(-7, 7):.6e}")
    return sign * Fraction(draw.randint(1, 10**6), 10 ** draw.choice((5, 5, 6)))


def _gaps(tree: Tree, known: Definitions) -> Iterator[Tree]:
    """The differences at whose sign a tree changes its formula."""
    for part in tree.walk():
        match part.head:
            case "max" | "min":
                for k, first in enumerate(part.parts):
                    yield from (first - second for second in part.parts[k + 1 :])
            case "abs" | "relu" | "sign" | "sqrt" | "log":
                yield part.parts[0]
            case "indicator":
                yield part.parts[0] - part.parts[1]
            case "cases":
                yield part.parts[1] - part.parts[2]
            case "name" if part.text in known:
                yield from _gaps(known[part.text], known)


def _roots(
    gaps: Sequence[Tree],
    moved: str,
    base: Point,
    known: Definitions,
    constants: Sequence[Fraction],
) -> list[Fraction]:
    """Where the gaps change their sign while one variable runs over the line, as floats see it."""
    near = [
        float(c) * f for c in constants if abs(c) < 10**9 for f in (-1.001, -0.999, 0.999, 1.001)
    ]
    scan = np.array(sorted({*_SCAN, *near}))
    found: set[Fraction] = set()
    for gap in gaps:

        def heights(line: np.ndarray, gap: Tree = gap) -> np.ndarray:
            at = {name: np.float64(number) for name, number in base.items()} | {moved: line}
            return np.broadcast_to(_rough(gap, at, known), line.shape)

        with np.errstate(all="ignore"):
            signs = np.sign(heights(scan))
            found |= {Fraction(number) for number in scan[signs == 0][:3]}
            for k in np.flatnonzero(signs[:-1] * signs[1:] < 0):
                found.add(Fraction(_narrowed(heights, scan[k], scan[k + 1])))
    return sorted(found)


def _narrowed(heights: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> float:
    """The change of sign between two numbers."""
    for _ in range(9):
        line = np.linspace(low, high, 65)
        signs = np.sign(heights(line))
        changes = np.flatnonzero(signs[1:] != signs[0])
        if not len(changes):
            break
        low, high = line[changes[0]], line[changes[0] + 1]
    return float(high)


def _rough(tree: Tree, at: Mapping[str, Any], known: Definitions) -> Any:
    """The values along a line in floats; NaN where there is none."""
    if tree.head == "number":
        return np.float64(_fraction(tree.text))
    if tree.head == "name":
        return _rough(known[tree.text], at, known) if tree.text in known else at[tree.text]
    given = [_rough(part, at, known) for part in tree.parts]
    if tree.head == "indicator":
        return np.float64(1) * RELATIONS[tree.text](*given)
    if tree.head == "cases":
        return np.where(RELATIONS[tree.text](given[1], given[2]), given[0], given[3])
    return _ROUGH[tree.head](*given)


_ROUGH: Mapping[str, Callable[..., Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "^": np.power,
    "abs": np.abs, "sign": np.sign, "exp": np.exp, "log": np.log, "sqrt": np.sqrt,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "atan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "erf": lambda u: np.tanh(1.2 * u),
    "relu": lambda u: np.maximum(u, 0), "sigmoid": lambda u: 1 / (1 + np.exp(-u)),
    "softplus": lambda u: np.logaddexp(0, u), "pi": lambda: np.float64(np.pi),
    "max": lambda *u: functools.reduce(np.maximum, u),
    "min": lambda *u: functools.reduce(np.minimum, u),
}  # fmt: skip
"""Good enough to find a threshold by; what is then seen there is seen at 80 digits."""


def _around(roots: Sequence[Fraction], draw: random.Random) -> Iterator[Fraction]:
    """Points close to each threshold on both sides, between them, and beyond the last."""
    for root in roots:
        for share in (10**9, 10**4):
            yield root + abs(root) / share + Fraction(1, 10**15)
            yield root - abs(root) / share - Fraction(1, 10**15)
    for low, high in pairwise(roots):
        yield low + (high - low) * Fraction(draw.randint(1, 99), 100)
    for end, sign in ((roots[0], -1), (roots[-1], 1)) if roots else ():
        yield end + sign * (abs(end) + 1) * Fraction(draw.randint(1, 400), 100)
