"""Values that a page gives: y_1 = 1, y = [1, 0]ᵀ, η = 0.5, "the true class is 1".

They are supposed and no claims: what stands below them is judged with them (`verdicts`).  Here one
can

* take the two sides of an equation for values of single quantities: `values`;
* find the ones that are given in words: `given_in_words`, with the place of the words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from symback.checking.letters import Scope
from symback.language.expressions import (
    MINUS_ONE,
    ONE,
    ZERO,
    Array,
    Element,
    Index,
    Matrix,
    Node,
    Number,
    OneHot,
    Product,
    Transpose,
)

LEAVES = ("x", "y", "w", "b", "eta")
"""Quantities that a page may suppose any value of."""

Values = dict[Element, Number]

_CLASS = re.compile(
    r"\b(?:(?:true|correct|actual|right|target|gold|ground[- ]truth)\s{1,4}(?:class|label|category)"
    r"(?:\s{1,4}index)?\s{0,4}(?:is|=|:|equals|being|was)?|(?:belongs\s{1,4}to|is\s{1,4}of|is\s{1,4}in|is\s{1,4}from)"
    r"(?:\s{1,4}the)?(?=\s{1,4}class)|^[^\S\n]{0,8}label\s{0,4}(?:is|=|:))"
    r"\s{0,4}(?:(?:class|number|category|label)\s{0,4})?\$?(?:[cℓ]\s{0,4}=\s{0,4})?(\d{1,3})\$?"
    r"(?![\w.]{0,8}\w|\s{0,4}[-+*/^])",
    re.I | re.M,
)
_RATE = re.compile(
    r"\b(?:learning[- ]rate|step[- ]size)\s{0,4}(?:is|of|=|:|equals|be)?\s{0,4}"
    r"\$?(\d{0,9}\.?\d{1,9})\$?(?![\w.]{0,8}\w)",
    re.I,
)


@dataclass(frozen=True, slots=True)
class InWords:
    """What the words from ``start`` to ``end`` of a text give; no values where it is not clear."""

    start: int
    end: int
    values: Values


def given_in_words(text: str, scope: Scope, first_index: int = 1) -> Iterator[InWords]:
    """The values that are given in words.

    >>> scope = Scope((2, 3, 2), ("sigmoid", "softmax"), (1, 1))
    >>> [each.values for each in given_in_words("The true class is 2.", scope)] == [
    ...     {_element("y", 1): ZERO, _element("y", 2): ONE}
    ... ]
    True
    """
    if not scope.is_network:
        return
    found = [*_CLASS.finditer(text), *_RATE.finditer(text)]
    for each in sorted(found, key=lambda found: found.start()):
        if each.re is _RATE:
            values = {Element("eta"): _number(each[1])}
        else:
            values = _of_class(int(each[1]), scope, first_index)
        yield InWords(each.start(), each.end(), values)


def _number(text: str) -> Number:
    return Number(Fraction(text), len(text.partition(".")[2]) if "." in text else None)


def _element(letter: str, *numbers: int) -> Element:
    return Element(letter, tuple(Index("", number) for number in numbers))


def _of_class(number: int, scope: Scope, first_index: int = 1) -> Values:
    """The target of a class; of a single output the label itself."""
    size = scope.widths[-1]
    if size == 1 and number in (0, 1):
        return {_element("y", 1): ONE if number else ZERO}
    place = number + 1 - first_index
    if isinstance(size, str) or not 1 <= place <= size or size == 1:
        return {}
    return {_element("y", k): ONE if k == place else ZERO for k in range(1, size + 1)}


def values(left: Node, right: Node, scope: Scope) -> Values:
    """The values that ``left = right`` gives to single quantities; none where it is a claim.

    >>> scope = Scope((2, 3, 2), ("sigmoid", "softmax"), (1, 1))
    >>> values(_element("x", 1), Number(Fraction(3)), scope) == {
    ...     _element("x", 1): Number(Fraction(3))
    ... }
    True
    """
    match left, right:
        case Element(letter), _ if letter in LEAVES:
            number = plain_number(right)
            return {} if number is None else {left: number}
        case Array("x"), Number(value) if value == 0 and isinstance(scope.widths[0], int):
            return {_element("x", k): ZERO for k in range(1, scope.widths[0] + 1)}
        case Array("y"), OneHot(Index(letter="") as index):
            return _of_class(index.offset, scope)
        case Array(letter, layer), Matrix(rows):
            return _entries(letter.lower(), layer, rows, scope)
        case Transpose(of), Transpose(turned):
            return values(of, turned, scope)
        case Transpose(of), _:
            return values(of, Transpose(right), scope)
        case Array(letter, layer), Transpose(Matrix(rows)):
            turned = tuple(zip(*rows, strict=True))
            return _entries(letter.lower(), layer, turned, scope)
        case _:
            return {}


def _entries(
    letter: str, layer: Index | None, rows: tuple[tuple[Node, ...], ...], scope: Scope
) -> Values:
    """The entries of an array of numbers, if it has the shape of the quantity."""
    if letter in ("w", "b") and layer is not None and layer.is_number:
        size, before = scope.widths[layer.offset], scope.widths[layer.offset - 1]
        shape = (size, before if letter == "w" else 1)
        head: tuple[int, ...] = (layer.offset,)
    elif letter in ("x", "y") and layer is None:
        shape, head = (scope.widths[0 if letter == "x" else -1], 1), ()
    else:
        return {}
    if letter in ("x", "y") and len(rows) == 1:  # x = [[1, 2]], as code writes one sample
        rows = tuple((cell,) for cell in rows[0])
    if (len(rows), len(rows[0])) != shape:
        return {}
    found: Values = {}
    for i, row in enumerate(rows, start=1):
        for j, cell in enumerate(row, start=1):
            number = plain_number(cell)
            if number is None:
                return {}
            found[_element(letter, *head, i, *((j,) if letter == "w" else ()))] = number
    return found


def plain_number(node: Node) -> Number | None:
    """The number that a side is, with its sign; None where it is more than one."""
    match node:
        case Number():
            return node
        case Product((sign, Number(value, decimals))) if sign == MINUS_ONE:
            return Number(-value, decimals)
    return None
