"""Random lines whose truth is known, asked of `symback.check`: a verdict is never wrong.

``python tests/pairs.py [PAIRS] [SEED] [quick]`` draws so many pairs of sides (10,000 if not said),
asks `symback.check` about ``left = right`` and holds the verdict against what the pair was made to
be and against values at 80 digits on both sides of every threshold (`trees`).  It prints a table of
truths and verdicts, and every line that symback got wrong; then the exit status is 1.  A line that
was changed, refuted, and in which no difference was found is printed too, for somebody to look at.
With ``quick``, wrong lines are not diagnosed and no convention is looked for: verdicts alone.

A pair is made by rewriting (`Writer.equal`: the sides are equal wherever both are defined) and then
perhaps by one change (`Writer.changed`: a threshold moved, a constant changed in a far cell, a
sign).  A change counts as one only where a point was found at which the sides differ.
"""

from __future__ import annotations

import collections
import enum
import itertools
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, cached_property
from typing import Any

import symback as sb
from symback.checking import pipeline
from trees import Seen, Tree, call, case, compared, indicator, name, number, points, slope

TRIED = 80
"""Points that are tried for a difference where one is looked for."""

CONFIRMED = 14
"""Points at which a pair that was made equal is seen to be."""


class Truth(enum.Enum):
    """What is known of a pair."""

    EQUAL = "equal everywhere"
    NARROW = "equal where both are defined"
    DIFFERENT = "different"
    UNKNOWN = "changed, but no difference found"
    NOWHERE = "under a condition that cannot hold"
    RESTRICTED = "true only under its condition"


FORBIDDEN = {
    Truth.EQUAL: {"refuted"},
    Truth.NARROW: {"refuted", "proved"},
    Truth.DIFFERENT: {"proved", "conditional"},
    Truth.UNKNOWN: set(),
    Truth.NOWHERE: {"refuted", "proved"},
    Truth.RESTRICTED: {"refuted", "proved"},
}
DECISIVE = {
    Truth.EQUAL: {"proved", "conditional"},
    Truth.NARROW: {"conditional"},
    Truth.DIFFERENT: {"refuted"},
    Truth.NOWHERE: {"conditional", "unread"},
    Truth.RESTRICTED: {"conditional"},
}
CRASH = "crash"


@dataclass(frozen=True, slots=True)
class Setting:
    """A network, and what its hidden neurons are in the words of `trees`."""

    label: str
    make: Callable[[], sb.Network]
    h: Tree
    slope: Tree

    @property
    def known(self) -> dict[str, Tree]:
        """h_11 as a function of a_11."""
        return {"h_11": self.h}


def _net(activation: str, formula: Any = None) -> Callable[[], sb.Network]:
    own = None if formula is None else {activation: formula}
    return lambda: sb.Network(
        2, [(3, activation), (2, "softmax")], loss="cross_entropy", activations=own
    )


def _clip(low: int, high: int) -> Tree:
    return call("min", call("max", A, low), high)


A = name("a_11")


def _on(relation: str, threshold: Any) -> Tree:
    return indicator(A, relation, number(threshold))


SETTINGS = [
    Setting("sigmoid", _net("sigmoid"), call("sigmoid", A),
            call("sigmoid", A) * (number(1) - call("sigmoid", A))),
    Setting("relu", _net("relu"), call("max", 0, A), _on(">", 0)),
    Setting("leaky_relu", _net("leaky_relu"), case(A, A, ">", 0, A * number("0.01")),
            case(1, A, ">", 0, "0.01")),
    Setting("elu", _net("elu"), case(A, A, ">", 0, call("exp", A) - 1),
            case(1, A, ">", 0, call("exp", A))),
    Setting("clip", _net("clip", "min(max(z,0),6)"), _clip(0, 6), _on(">", 0) * _on("<", 6)),
    Setting("below2", _net("below2", "where(z<2,z,2)"), case(A, A, "<", 2, 2), _on("<", 2)),
    Setting("from2_7", _net("from2_7", {"formula": "where(z>2.7,z-2.7,0)",
            "slope": "where(z>2.7,1,0)"}), call("max", A - number("2.7"), 0), _on(">", "2.7")),
    Setting("far", _net("far", "where(z>100000,2*z-100000,z)"),
            A + call("relu", A - 100000), case(2, A, ">", 100000, 1)),
    Setting("steps", _net("steps", "where(z>1,where(z<4,z,4),where(z<-1,-1,z))"), _clip(-1, 4),
            case(_on("<", 4), A, ">", 1, _on(">=", -1))),
    Setting("square", _net("square", "where(z<2.7,z**2,5.4*z-7.29)"),
            case(A**2, A, "<", "2.7", A * number("5.4") - number("7.29")),
            case(A * 2, A, "<", "2.7", "5.4")),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sides, what is known of them, and the line to ask about."""

    kind: str
    setting: Setting
    left: Tree
    right: Tree
    truth: Truth
    frame: str = "{left} = {right}"

    @property
    def line(self) -> str:
        """What stands on the page."""
        return self.frame.format(left=self.left, right=self.right)


# ----------------------------------------------------------------------------------------- writing


class Writer:
    """Draws trees, equal ones and changed ones."""

    def __init__(self, draw: random.Random, names: Sequence[str] = ("x_1", "x_2", "w_111")) -> None:
        self.draw, self.names = draw, names

    @cached_property
    def x(self) -> Tree:
        """The quantity that this pair is about."""
        return name(self.draw.choice(self.names))

    def name(self) -> Tree:
        """Mostly the same quantity."""
        return self.x if self.draw.random() < 0.6 else name(self.draw.choice(self.names))

    def positive(self) -> Tree:
        """A threshold from 10⁻⁶ to 10⁶."""
        power = self.draw.randint(-6, 5)
        size = self.draw.choice((1, 1, 2, 5, 9, 27, 314, 1001))
        made = Fraction(size) * Fraction(10) ** (power - len(str(size)) + 1)
        return number(_spelled(made) if self.draw.random() < 0.8 else made)

    def constant(self) -> Tree:
        """A small whole number or a threshold of either sign."""
        if self.draw.random() < 0.5:
            return number(self.draw.randint(-9, 9))
        made = self.positive()
        return _negated(made) if self.draw.random() < 0.4 else made

    def linear(self) -> Tree:
        """A quantity, or a sum of two with a factor."""
        u = self.name()
        return self.draw.choice((u, u, u * self.positive(), u + self.name(), u - self.positive()))

    def smooth(self, depth: int = 2) -> Tree:
        """A tree without cases."""
        if depth == 0:
            return self.linear() if self.draw.random() < 0.8 else self.constant()
        u, v = self.smooth(depth - 1), self.smooth(depth - 1)
        kinds = [u + v, u - v, u * v, u**2, u**3, v, u / (v**2 + 1)]
        named = ("exp", "tanh", "sigmoid", "sin", "cos", "softplus", "erf", "atan")
        kinds.append(call(self.draw.choice(named), self.linear()))
        return self.draw.choice(kinds)

    def compared(self) -> Tree:
        """What a condition compares: linear, or x², x·x, e^x, a value between 0 and 1."""
        u, v = self.name(), name(self.draw.choice(self.names))
        kinds = (u, u, u, self.linear(), u**2, u * v, call("exp", u), u**3, call("sigmoid", u))
        return self.draw.choice(kinds)

    def kinked(self, depth: int = 1) -> Tree:
        """A tree with thresholds, nested to some depth."""
        if depth == 0:
            return self.linear() if self.draw.random() < 0.6 else self.constant()
        u, v, w = (self.kinked(depth - 1) for _ in range(3))
        c, p = self.constant(), self.compared()
        kinds = (
            call("max", u, v), call("min", u, v), call("max", u, v, w), call("abs", u),
            call("relu", u), call("sign", u - c), u * indicator(p, self.relation(), c),
            indicator(p, self.relation(), c), case(u, p, self.relation(), c, v),
            call("min", call("max", u, number(-2)), 3), u + call("relu", p - c), u - v,
            call("relu", u) * v, call("max", p, c),
        )  # fmt: skip
        return self.draw.choice(kinds)

    def relation(self) -> str:
        """A relation that changes at a threshold."""
        return self.draw.choice((">", "<", ">=", "<=", ">", "<"))

    # ---------------------------------------------------------------------------------- equal

    def equal(self, tree: Tree) -> Tree:
        """A tree with the same values, wherever it has any."""
        return self._replaced(tree, self._equals)

    def _replaced(self, tree: Tree, ways: Callable[[Tree], list[Tree]]) -> Tree:
        """The tree with one part at random done in one of the ways; those with ways first."""
        where = list(_places(tree))
        self.draw.shuffle(where)
        for place in where:
            part = _at(tree, place)
            found = ways(part)
            if found:
                return _put(tree, place, self.draw.choice(found))
        return tree

    def _equals(self, u: Tree) -> list[Tree]:
        v = self.name()
        found = [*self._laws(u), *self._laws(u)]
        if u.head != "number" or self.draw.random() < 0.2:
            found += [
                u + v - v,
                number(2) * u / 2,
                u + self.nothing(),
                number(1) * u,
                number(-1) * -u,
            ]
        return found

    def _laws(self, u: Tree) -> list[Tree]:
        parts = u.parts
        match u.head:
            case "+":
                return [parts[1] + parts[0]]
            case "-":
                return [-(parts[1] - parts[0])]
            case "*":
                return [*_distributed(*parts), Tree("*", parts[::-1])]
            case "/":
                return [parts[0] * (number(1) / parts[1])]
            case "^" if parts[1].text == "2":
                return [parts[0] * parts[0], call("abs", parts[0]) ** 2]
            case "^" if parts[1].text == "3":
                return [parts[0] * parts[0] ** 2]
            case "indicator":
                return self._indicators(u)
            case "cases":
                return self._cases(u)
        return [] if len(parts) not in (1, 2, 3) else _of_functions(u.head, *parts)

    def _indicators(self, u: Tree) -> list[Tree]:
        (left, right), k = u.parts, self.positive()
        found = [
            number(1) - replace(u, text=_NOT[u.text]),
            indicator(left * k, u.text, right * k),
            indicator(-left, _TURNED[u.text], -right),
            indicator(right, _TURNED[u.text], left),
            indicator(left - right, u.text, 0),
            case(1, left, u.text, right, 0),
            case(0, left, _NOT[u.text], right, 1),
            u * u,
            u * indicator(left, u.text, right - k if ">" in u.text else right + k),
            indicator(left**3, u.text, right**3),
        ]
        if u.text == ">":
            found.append(call("max", call("sign", left - right), 0))
        if right.head == "number" and Fraction(right.text) > 0:
            if left.head == "^" and left.parts[1].text == "2":
                found += _of_square(u)
            if left.head == "exp":
                found.append(indicator(left.parts[0], u.text, call("log", right)))
        return found

    def _cases(self, u: Tree) -> list[Tree]:
        then, left, right, otherwise = u.parts
        on = indicator(left, u.text, right)
        off = indicator(left, _NOT[u.text], right)
        return [
            then * on + otherwise * off,
            otherwise + (then - otherwise) * on,
            case(otherwise, left, _NOT[u.text], right, then),
            case(
                then, left, u.text, right, case(otherwise, left, _NOT[u.text], right, self.name())
            ),
            case(then + self.name() * off, left, u.text, right, otherwise),
        ]

    def nothing(self) -> Tree:
        """A tree that is 0 everywhere: cells that are empty."""
        x, y, c, k = (
            self.name(),
            name(self.draw.choice(self.names)),
            self.constant(),
            self.positive(),
        )
        value = Fraction(c.text)
        above = number(_spelled(value + Fraction(k.text)))
        kinds = [
            indicator(x, ">", above) * indicator(x, "<", c),
            call("relu", x - above) * indicator(x, "<=", c),
            indicator(x**2, "<", _negated(k)),
            indicator(call("exp", x), "<", _negated(k)),
            indicator(x**2, ">", -k) - 1,
            call("max", call("abs", x), x) - call("abs", x),
            indicator(call("sigmoid", x), ">", number(1) + k),
            indicator(call("tanh", x), "<", number(-1) - k),
            indicator(x**2 + y**2, "<", number(2) * x * y - k),
            indicator(x, ">", c) * indicator(x + k, "<", c),
            indicator(x + y, ">", above) * indicator(x, "<", 0) * indicator(y, "<", c)
            if value <= 0
            else indicator(x, ">", c) * indicator(x, "<", 0),
            call("max", c, above) - above,
        ]
        return self.draw.choice(kinds)

    # --------------------------------------------------------------------------------- changed

    def changed(self, tree: Tree) -> Tree:
        """A tree with one thing changed; mostly one that differs somewhere, perhaps far away."""
        kind = self.draw.randrange(4)
        if kind == 0:
            return self.far(tree)
        return self._replaced(tree, self._changes)

    def far(self, tree: Tree) -> Tree:
        """Something added in one cell."""
        p, c, k = self.compared(), self.constant(), self.constant()
        added = self.draw.choice(
            (
                k * indicator(p, self.relation(), c),
                call("relu", p - c),
                call("max", p, c) - p,
                (self.name() - k) * indicator(p, ">", c) * indicator(p, "<", c + self.positive()),
            )
        )
        return self.draw.choice((tree + added, tree - added))

    def _changes(self, u: Tree) -> list[Tree]:
        parts = u.parts
        match u.head:
            case "number":
                return [*self._other_numbers(Fraction(u.text))]
            case "name":
                return [name(other) for other in self.names if other != u.text]
            case "+" | "-":
                return [Tree("-" if u.head == "+" else "+", parts), parts[0]]
            case "indicator":
                return [replace(u, text=relation) for relation in _NOT if relation != u.text]
            case "cases":
                then, left, right, otherwise = parts
                return [
                    replace(u, parts=(otherwise, left, right, then)),
                    replace(u, text=_TURNED[u.text]),
                    then,
                    otherwise,
                ]
            case "max" | "min":
                return [parts[0], parts[-1], Tree("min" if u.head == "max" else "max", parts)]
            case "abs" | "relu" | "sqrt":
                return [parts[0], -u]
            case "tanh" | "sigmoid" | "exp" | "log" | "atan" | "asin" | "tan" | "sin" | "cos":
                return [Tree(u.head, (-parts[0],)), parts[0]]
        return []

    def _other_numbers(self, value: Fraction) -> Iterator[Tree]:
        yield number(_spelled(value + 1))
        yield number(_spelled(value * Fraction(101, 100)))
        yield number(_spelled(-value))
        yield number(_spelled(value + Fraction(1, 10**7)))


_NOT = {">": "<=", "<": ">=", ">=": "<", "<=": ">", "=": "="}
_TURNED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", "=": "="}


def _spelled(value: Fraction) -> str:
    """A number as a decimal where it is one of few digits."""
    for digits in range(13):
        if (value * 10**digits).denominator == 1:
            text = f"{abs(int(value * 10**digits)):0{digits + 1}d}"
            whole, rest = text[: len(text) - digits], text[len(text) - digits :]
            return "-" * (value < 0) + whole + ("." + rest if rest else "")
    return str(value)


def _negated(made: Tree) -> Tree:
    return number(_spelled(-Fraction(made.text)))


def _distributed(u: Tree, v: Tree) -> list[Tree]:
    if v.head in ("+", "-"):
        return [Tree(v.head, (u * v.parts[0], u * v.parts[1]))]
    if u.head in ("+", "-"):
        return [Tree(u.head, (u.parts[0] * v, u.parts[1] * v))]
    return []


def _of_square(u: Tree) -> list[Tree]:
    """1[x² > c²] for a threshold c² that is the square of a number."""
    base, right = u.parts[0].parts[0], u.parts[1]
    root = call("sqrt", right)
    on = indicator(call("abs", base), u.text, root)
    if ">" in u.text:
        return [on, indicator(base, u.text, root) + indicator(base, _TURNED[u.text], -root)]
    return [on, indicator(base, u.text, root) * indicator(base, _TURNED[u.text], -root)]


def _of_functions(head: str, u: Tree, v: Tree | None = None, w: Tree | None = None) -> list[Tree]:
    """What a function is in other words, for every real number."""
    if w is not None:
        return [Tree(head, (w, u, v)), Tree(head, (Tree(head, (u, v)), w))] if v else []
    if v is not None:
        return _of_two(head, u, v) if head in ("max", "min") else []
    two = number(2)
    table = {
        "abs": lambda: [call("max", u, -u), u * call("sign", u), case(u, u, ">", 0, -u),
                        call("relu", u) + call("relu", -u), call("abs", -u), call("sqrt", u**2),
                        two * call("relu", u) - u],
        "relu": lambda: [call("max", u, 0), u * indicator(u, ">", 0), (u + call("abs", u)) / 2,
                         case(u, u, ">=", 0, 0), u + call("relu", -u), case(0, u, "<", 0, u),
                         u - call("min", u, 0), call("relu", u * 3) / 3,
                         call("relu", call("relu", u))],
        "sign": lambda: [indicator(u, ">", 0) - indicator(u, "<", 0), -call("sign", -u),
                         call("sign", u * 7)],
        "exp": lambda: [number(1) / call("exp", -u), call("exp", u / 2) ** 2],
        "tanh": lambda: [two * call("sigmoid", two * u) - 1, -call("tanh", -u),
                         call("sinh", u) / call("cosh", u)],
        "sigmoid": lambda: [number(1) / (number(1) + call("exp", -u)),
                            number(1) - call("sigmoid", -u)],
        "softplus": lambda: [call("log", number(1) + call("exp", u)), u + call("softplus", -u)],
        "sin": lambda: [-call("sin", -u), two * call("sin", u / 2) * call("cos", u / 2)],
        "cos": lambda: [call("cos", -u), number(1) - two * call("sin", u / 2) ** 2],
        "erf": lambda: [-call("erf", -u)],
        "atan": lambda: [-call("atan", -u)],
    }  # fmt: skip
    return table[head]() if head in table else []


def _of_two(head: str, u: Tree, v: Tree) -> list[Tree]:
    sign, relation = (1, ">") if head == "max" else (-1, "<")
    other = "min" if head == "max" else "max"
    half = (u + v + number(sign) * call("abs", u - v)) / 2
    return [
        Tree(head, (v, u)),
        half,
        u + number(sign) * call("relu", number(sign) * (v - u)),
        case(u, u, relation, v, v),
        case(v, u, _NOT[relation], v, u),
        u * indicator(u, relation, v) + v * indicator(u, _NOT[relation], v),
        -Tree(other, (-u, -v)),
        u + v - Tree(other, (u, v)),
        Tree(head, (u, v, v)),
        Tree(head, (u, Tree(head, (u, v)))),
    ]


def _places(tree: Tree, where: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """The ways to every part that may be replaced (an exponent may not)."""
    yield where
    for k, part in enumerate(tree.parts):
        if not (tree.head == "^" and k == 1):
            yield from _places(part, (*where, k))


def _at(tree: Tree, where: Sequence[int]) -> Tree:
    for k in where:
        tree = tree.parts[k]
    return tree


def _put(tree: Tree, where: Sequence[int], new: Tree) -> Tree:
    if not where:
        return new
    k, *rest = where
    parts = (*tree.parts[:k], _put(tree.parts[k], rest, new), *tree.parts[k + 1 :])
    return replace(tree, parts=parts)


# ----------------------------------------------------------------------------------------- classes


def _inverse(writer: Writer) -> tuple[Tree, Tree]:
    """Functions and their inverses: equal where both are defined."""
    u, v = writer.linear(), writer.smooth(1)
    one = number(1)
    identities = (
        (call("tan", call("atan", u)), u),
        (call("sin", call("asin", u)), u),
        (call("cos", call("asin", u)), call("sqrt", one - u**2)),
        (call("sin", call("atan", u)), u / call("sqrt", one + u**2)),
        (call("tan", u), call("sin", u) / call("cos", u)),
        (call("sin", u) ** 2 + call("cos", u) ** 2, one),
        (call("cosh", u) ** 2 - call("sinh", u) ** 2, one),
        (call("sinh", u), (call("exp", u) - call("exp", -u)) / 2),
        (call("log", call("exp", u)), u),
        (call("exp", call("log", u)), u),
        (call("exp", call("log", u**2)), u**2),
        (call("exp", number(2) * call("log", u)), u**2),
        (call("log", u**2), number(2) * call("log", u)),
        (call("log", u**2), number(2) * call("log", call("abs", u))),
        (call("log", u * v), call("log", u) + call("log", v)),
        (call("log", call("abs", u * v)),
         call("log", call("abs", u)) + call("log", call("abs", v))),
        (call("log", one / u), -call("log", u)),
        (call("sqrt", u) ** 2, u),
        (call("sqrt", u**2), call("abs", u)),
        (call("sqrt", u * v), call("sqrt", u) * call("sqrt", v)),
        (call("sqrt", u**2 * v), call("abs", u) * call("sqrt", v)),
        (one / u, u / u**2),
        ((u**2 - v**2) / (u - v), u + v),
        (u / u, one),
        (call("sqrt", call("exp", u)), call("exp", u / 2)),
        (call("log", call("sigmoid", u)), -call("softplus", -u)),
        (call("asin", u), -call("asin", -u)),
        (call("abs", u) / u, call("sign", u)),
        (u * call("sqrt", u**2), call("sign", u) * u**2),
    )  # fmt: skip
    return writer.draw.choice(identities)


def _false_inverse(writer: Writer) -> tuple[Tree, Tree]:
    """What is not an inverse: true on a part of the line alone, or nowhere."""
    u = writer.linear()
    one = number(1)
    wrong = (
        (call("sqrt", u**2), u),
        (call("atan", call("tan", u)), u),
        (call("asin", call("sin", u)), u),
        (call("log", u**2), number(2) * call("log", -u) + one),
        (call("sqrt", one + u**2), one + call("abs", u)),
        (call("exp", u), one + u + u**2 / 2),
        (call("tanh", u), call("sign", u)),
        (call("sigmoid", u), indicator(u, ">", 0)),
        (call("erf", u), call("tanh", u)),
        (call("softplus", u), call("relu", u)),
        (call("abs", u) / u, one),
        (call("cos", call("asin", u)), one - u**2 / 2),
        (call("sin", u), u),
        (call("asin", u), one),
        (call("sinh", u), call("cosh", u)),
    )
    return writer.draw.choice(wrong)


def _numbers(writer: Writer) -> tuple[Tree, Tree]:
    """Huge and tiny numbers: equal by exact arithmetic."""
    draw = writer.draw
    n, m = draw.randint(20, 64), draw.randint(1, 99)
    huge, one = number(10) ** n, number(1)
    tiny = number(m) / number(10) ** (n - 10)
    p, q = draw.randint(2, 50), draw.randint(2, 50)
    kinds = (
        ((huge + m) - huge, number(m)),
        ((huge + number(Fraction(p, q))) - huge, number(Fraction(p, q))),
        ((huge - 1) / huge, one - one / huge),
        ((one + one / huge) * huge - huge, one),
        (number(Fraction(p, q)) + number(Fraction(q, p)), number(Fraction(p * p + q * q, p * q))),
        (number(2) ** min(n, 63) * 2, number(2) ** min(n + 1, 64)),
        (call("sqrt", number(p * p)), number(p)),
        (call("sqrt", number(p)) * call("sqrt", number(q)), call("sqrt", number(p * q))),
        (call("exp", call("log", number(p))), number(p)),
        (call("log", number(p * q)), call("log", number(p)) + call("log", number(q))),
        (number(p) ** 20 - number(p) ** 20 + tiny, tiny),
        (writer.x + tiny, tiny + writer.x),
        (writer.x * tiny / tiny, writer.x),
    )  # fmt: skip
    left, right = draw.choice(kinds)
    if draw.random() < 0.3:
        x = writer.name()
        return left * x, right * x
    return left, right


def _other_number(writer: Writer, right: Tree) -> Tree:
    """The right side a little off, or very little."""
    n = writer.draw.choice((0, 0, 3, 20, 40, 60))
    off = number(writer.draw.choice((1, 2, -1)))
    return right + off / number(10) ** n if n else right + off


@dataclass(frozen=True, slots=True)
class Drawn:
    """A pair before its truth is known."""

    left: Tree
    right: Tree
    is_changed: bool
    frame: str = "{left} = {right}"
    truth: Truth | None = None
    """What it is by construction, where no point could tell."""


def _smooth(writer: Writer, _: Setting) -> Drawn:
    return _rewritten(writer, writer.smooth(2), writer.draw.randint(1, 4))


def _kinks(writer: Writer, _: Setting) -> Drawn:
    return _rewritten(writer, writer.kinked(1), writer.draw.randint(1, 3))


def _nested(writer: Writer, _: Setting) -> Drawn:
    return _rewritten(writer, writer.kinked(2), writer.draw.randint(1, 3))


def _claimed_constant(writer: Writer, _: Setting) -> Drawn:
    """max(x, 5) = 5, 1[x > 100] = 0, relu(x - 3) = 0: true up to the first threshold."""
    c, p = writer.positive(), writer.compared()
    sides = (
        (call("max", p, c), c), (call("max", p, c), p), (call("min", p, c), p),
        (indicator(p, writer.relation(), c), number(0)), (call("relu", p - c), number(0)),
        (indicator(p, writer.relation(), c), number(1)), (call("abs", p), p),
        (call("relu", p - c), p - c), (call("sign", p - c), number(-1)),
        (case(p, p, "<", c, c), p), (call("min", call("max", p, -c), c), p),
    )  # fmt: skip
    left, right = writer.draw.choice(sides)
    return Drawn(left, right, is_changed=True)


def _activations(writer: Writer, setting: Setting) -> Drawn:
    """h_11 as a function of a_11, in other words."""
    a, h = name("a_11"), name("h_11")
    left = writer.draw.choice((h, h, h + a, h * name("x_1"), indicator(h, ">", writer.constant())))
    right = _spelled_out(left, setting.known)
    for _ in range(writer.draw.randint(0, 2)):
        right = writer.equal(right)
    if writer.draw.random() < 0.2:
        return Drawn(left, replace_name(left, "h_11", a), is_changed=True)
    return _perhaps_changed(writer, left, right)


BACKWARD = (
    "∂h_11/∂a_11 = {right}",
    "∂L/∂a_11 = ((ŷ_1 - y_1)·w_211 + (ŷ_2 - y_2)·w_221)·({right})",
    "∂L/∂w_112 = ((ŷ_1 - y_1)·w_211 + (ŷ_2 - y_2)·w_221)·({right})·x_2",
    "∂L/∂w_112 = ∂L/∂h_11·({right})·x_2",
)


def _backward(writer: Writer, setting: Setting) -> Drawn:
    """A derivative through a kinked activation, its slope in other words."""
    right = setting.slope
    for _ in range(writer.draw.randint(0, 2)):
        right = writer.equal(right)
    drawn = _perhaps_changed(writer, setting.slope, right)
    return replace(drawn, frame=writer.draw.choice(BACKWARD))


def replace_name(tree: Tree, spelled: str, new: Tree) -> Tree:
    """The tree with another one for a name."""
    if tree.head == "name" and tree.text == spelled:
        return new
    return replace(tree, parts=tuple(replace_name(part, spelled, new) for part in tree.parts))


def _spelled_out(tree: Tree, known: Mapping[str, Tree]) -> Tree:
    for spelled, meaning in known.items():
        tree = replace_name(tree, spelled, meaning)
    return tree


def _inverses(writer: Writer, _: Setting) -> Drawn:
    if writer.draw.random() < 0.25:
        return Drawn(*_false_inverse(writer), is_changed=True)
    left, right = _inverse(writer)
    return _perhaps_changed(writer, left, right)


def _of_numbers(writer: Writer, _: Setting) -> Drawn:
    left, right = _numbers(writer)
    if writer.draw.random() < 0.5:
        return Drawn(left, _other_number(writer, right), is_changed=True)
    return Drawn(left, right, is_changed=False)


CLAIMS = (
    ("∂L/∂w_212", "(ŷ_1 - y_1)·h_12"),
    ("∂L/∂a_21", "ŷ_1 - y_1"),
    ("∂L/∂h_11", "(ŷ_1 - y_1)·w_211 + (ŷ_2 - y_2)·w_221"),
    ("a_11", "w_111·x_1 + w_112·x_2 + b_11"),
)


def _derivatives(writer: Writer, setting: Setting) -> Drawn:
    """A derivative of the loss, plus two sides that are equal or not."""
    drawn = writer.draw.choice((_kinks, _smooth, _claimed_constant))(writer, setting)
    left, right = writer.draw.choice(CLAIMS)
    frame = f"{left} = {right} + ({{left}}) - ({{right}})"
    return replace(drawn, frame=frame)


def _slopes(writer: Writer, setting: Setting) -> Drawn:
    """∂/∂x_1 (…) and what it is by the rules, away from kinks."""
    tree = writer.kinked(1) if writer.draw.random() < 0.6 else writer.smooth(1)
    right = derived(tree, writer.x.text)
    if writer.draw.random() < 0.5:
        right = writer.equal(right)
    return _perhaps_changed(writer, slope(tree, writer.x.text), right)


def derived(tree: Tree, by: str) -> Tree:
    """The derivative by the rules, with 0 and 1 left out."""
    parts = tree.parts
    if not any(part.head == "name" and part.text == by for part in tree.walk()):
        return number(0)
    match tree.head:
        case "name":
            return number(1)
        case "+" | "-":
            return Tree(tree.head, (derived(parts[0], by), derived(parts[1], by)))
        case "*":
            return derived(parts[0], by) * parts[1] + parts[0] * derived(parts[1], by)
        case "/":
            above = derived(parts[0], by) * parts[1] - parts[0] * derived(parts[1], by)
            return above / parts[1] ** 2
        case "^":
            power = int(parts[1].text)
            return number(power) * parts[0] ** (power - 1) * derived(parts[0], by)
        case "indicator":
            return number(0)
        case "cases":
            then, left, right, otherwise = parts
            return case(derived(then, by), left, tree.text, right, derived(otherwise, by))
        case "max" | "min":
            *rest, last = parts
            first = rest[0] if len(rest) == 1 else Tree(tree.head, tuple(rest))
            relation = ">" if tree.head == "max" else "<"
            return case(derived(first, by), first, relation, last, derived(last, by))
    return _slope_of(tree.head, parts[0]) * derived(parts[0], by)


def _slope_of(head: str, u: Tree) -> Tree:
    one = number(1)
    s = call("sigmoid", u)
    table = {
        "abs": lambda: call("sign", u),
        "relu": lambda: indicator(u, ">", 0),
        "sign": lambda: number(0),
        "exp": lambda: call("exp", u),
        "log": lambda: one / u,
        "sqrt": lambda: one / (number(2) * call("sqrt", u)),
        "tanh": lambda: one - call("tanh", u) ** 2,
        "sigmoid": lambda: s * (one - s),
        "softplus": lambda: s,
        "sin": lambda: call("cos", u),
        "cos": lambda: -call("sin", u),
        "atan": lambda: one / (one + u**2),
        "erf": lambda: number(2) / call("sqrt", Tree("pi")) * call("exp", -(u**2)),
    }
    return table[head]()


NEVER = (
    "1 > 2", "x_1 > {high} and x_1 < {low}", "x_1^2 < -{low}", "exp(x_2) < 0", "{high} < {low}",
    "x_1 > x_1 + {low}", "abs(x_1) < -{low}",
)  # fmt: skip
"""Conditions that hold for no number."""


def _conditions(writer: Writer, _: Setting) -> Drawn:
    """A line under a condition: one that cannot hold, or that makes the line true."""
    draw, low = writer.draw, writer.positive()
    high = _spelled(Fraction(low.text) + Fraction(writer.positive().text))
    low_text = _spelled(Fraction(low.text))
    x, word = name("x_1"), draw.choice(("if", "for"))
    if draw.random() < 0.5:
        condition = draw.choice(NEVER).format(low=low_text, high=high)
        left, right = draw.choice(((x, number(7)), (name("a_11"), number(0)), (x**2, x + 1)))
        return Drawn(left, right, True, f"{{left}} = {{right}} {word} {condition}", Truth.NOWHERE)
    relation, opposite = draw.choice(((">", "<"), ("<", ">")))
    on = indicator(x, relation, low)
    pairs = (
        (call("max", x, low), x if relation == ">" else low, Truth.RESTRICTED),
        (on, number(1), Truth.RESTRICTED),
        (case(x, x, relation, low, 7), x, Truth.RESTRICTED),
        (call("max", x, low), low if relation == ">" else x, Truth.DIFFERENT),
        (indicator(x, opposite, low), number(1), Truth.DIFFERENT),
        (call("max", x, low), call("max", low, x), Truth.EQUAL),
    )
    left, right, truth = draw.choice(pairs)
    frame = f"{{left}} = {{right}} {word} x_1 {relation} {low_text}"
    return Drawn(left, right, truth is not Truth.EQUAL, frame, truth)


def _printed(writer: Writer, _: Setting) -> Drawn:
    """A quotient as a decimal number, rightly rounded or off by two units or more."""
    value = Fraction(writer.draw.randint(1, 10**6), writer.draw.choice((3, 7, 11, 13, 9973)))
    decimals = writer.draw.randint(2, 12)
    right = round(value * 10**decimals)
    off = writer.draw.choice((0, 0, 2, -2, 5, 1000))
    text = f"{right + off:0{decimals + 1}d}"
    truth = Truth.DIFFERENT if off else Truth.EQUAL
    shown = number(f"{text[:-decimals]}.{text[-decimals:]}")
    return Drawn(number(value), shown, bool(off), truth=truth)


def _rewritten(writer: Writer, tree: Tree, times: int) -> Drawn:
    left, right = tree, tree
    for _ in range(times):
        right = writer.equal(right)
    return _perhaps_changed(writer, left, right)


def _perhaps_changed(writer: Writer, left: Tree, right: Tree) -> Drawn:
    if writer.draw.random() < 0.5:
        return Drawn(left, right, is_changed=False)
    return Drawn(left, writer.changed(right), is_changed=True)


CLASSES: dict[str, Callable[[Writer, Setting], Drawn]] = {
    "smooth": _smooth,
    "kinks": _kinks,
    "nested": _nested,
    "constants": _claimed_constant,
    "activations": _activations,
    "backward": _backward,
    "inverses": _inverses,
    "numbers": _of_numbers,
    "derivatives": _derivatives,
    "slopes": _slopes,
    "conditions": _conditions,
    "printed": _printed,
}

MOST_PARTS = 120
"""Larger pairs are drawn again."""


def pairs(seed: int) -> Iterator[Pair]:
    """Pairs of all classes in turn, each with its truth, without end."""
    draw = random.Random(seed)
    for kind in itertools.cycle(CLASSES):
        setting, names = SETTINGS[0], ("x_1", "x_2", "w_111")
        if kind in ("activations", "backward"):
            setting, names = draw.choice(SETTINGS), ("a_11", "x_1")
        drawn = CLASSES[kind](Writer(draw, names), setting)
        if not _is_line(drawn):
            continue
        truth = judged(drawn, setting.known, draw)
        yield Pair(kind, setting, drawn.left, drawn.right, truth, drawn.frame)


def _is_line(drawn: Drawn) -> bool:
    """Whether a pair says something: not too long, no numbers as printed, no new value of w."""
    parts = [part for side in (drawn.left, drawn.right) for part in side.walk()]
    about = any(part.head == "name" for part in parts)
    rounded = any(part.head == "number" and "." in part.text for part in parts)
    is_update = drawn.left.head == "name" and drawn.left.text[0] == "w"
    is_plain = about or not rounded or drawn.truth is not None
    return len(parts) <= MOST_PARTS and is_plain and not is_update


def judged(drawn: Drawn, known: Mapping[str, Tree], draw: random.Random) -> Truth:
    """What a pair is, by values on both sides of every threshold of either side."""
    if drawn.truth is not None:
        return drawn.truth
    sides = (drawn.left, drawn.right)
    tried = TRIED if drawn.is_changed else CONFIRMED
    seen = set()
    for point in itertools.islice(points(sides, known, draw), tried):
        seen.add(compared(*sides, point, known))
        if Seen.APART in seen:
            assert drawn.is_changed, (str(drawn.left), str(drawn.right), point)
            return Truth.DIFFERENT
    if drawn.is_changed:
        return Truth.UNKNOWN
    return Truth.NARROW if Seen.HALF in seen else Truth.EQUAL


# ------------------------------------------------------------------------------------------ asking


@dataclass(frozen=True, slots=True)
class Asked:
    """A pair with what symback says of it."""

    pair: Pair
    verdict: str
    reason: str

    @property
    def is_wrong(self) -> bool:
        """Whether the verdict is a false one, or none at all."""
        return self.verdict == CRASH or self.verdict in FORBIDDEN[self.pair.truth]

    @property
    def is_decided(self) -> bool:
        """Whether the verdict says all that is known."""
        return self.verdict in DECISIVE.get(self.pair.truth, ())

    def __str__(self) -> str:
        pair = self.pair
        where = "" if pair.setting is SETTINGS[0] else f"  [{pair.setting.label}]"
        said = f"{self.verdict}, but {pair.truth.value}. {self.reason}"
        return f"{pair.kind}: {pair.line}{where}\n    {said}"


@cache
def network(setting: Setting) -> sb.Network:
    """One network a setting, kept."""
    return setting.make()


def asked(pair: Pair) -> Asked:
    """The verdict of a pair's line; an exception is one too."""
    try:
        report = sb.check(pair.line, network(pair.setting))
    except Exception as error:  # noqa: BLE001 - whatever is raised is the finding
        last = traceback.extract_tb(error.__traceback__)[-1]
        return Asked(pair, CRASH, f"{type(error).__name__}: {error} ({last.name}:{last.lineno})")
    said = [line for line in report.lines if line.verdict.value != "text"]
    return Asked(pair, report.verdict.value, "; ".join(line.reason for line in said))


QUICK = {
    "_diagnosed": lambda _, judgement: (tuple(judgement.lines), None),
    "deviation_of": lambda *_: None,
}
"""What stands in `symback.checking.pipeline` where verdicts alone are asked for."""


def main(wanted: str = "10000", seed: str = "0", *options: str) -> int:
    """Ask about as many pairs as wanted, and print what came of it."""
    for function in QUICK if options else ():
        setattr(pipeline, function, QUICK[function])
    found: collections.Counter[tuple[str, str, str]] = collections.Counter()
    wrong, started = 0, time.perf_counter()
    for pair in itertools.islice(pairs(int(seed)), int(wanted)):
        answer = asked(pair)
        found[pair.kind, pair.truth.value, answer.verdict] += 1
        wrong += answer.is_wrong
        if answer.is_wrong or (pair.truth, answer.verdict) == (Truth.UNKNOWN, "refuted"):
            print(answer, flush=True)
    for key, count in sorted(found.items()):
        print(f"{count:>8,}  " + "; ".join(key))
    print(f"{wanted:>8}  pairs, {wrong} wrong, {time.perf_counter() - started:,.0f} s, seed {seed}")
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
