"""What a product of arrays may mean that does not fit as it stands.

Pages write ∂L/∂h ∂h/∂a without saying whether derivatives by arrays are rows or columns, and a dot
or nothing between two columns that can only be multiplied entry by entry.  Here one can get what
such a side may mean instead, and what the other side is then: `layouts`.  A product that fits is
none of these, and one that holds a W or an h with a wrong transpose stays wrong in all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from symback.language.expressions import (
    LOSS,
    Array,
    Derivative,
    Node,
    Product,
    Transpose,
    everywhere,
    is_array,
)

TURNED = "right with Jacobians transposed"
MOST_FACTORS = 8
"""Beyond so many factors it is not tried where ⊙ may stand among them."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A claim as it reads in a layout, and the sentence that says which."""

    left: Node
    right: Node
    sentence: str


def layouts(left: Node, right: Node) -> Iterator[Layout]:
    """What ``left = right`` may mean where the two do not fit, or a product on the right does not.

    >>> from symback.language.expressions import Index
    >>> h, a = (Array(letter, Index("", 1)) for letter in "ha")
    >>> chain = Product((Derivative(LOSS, h), Derivative(h, a)))
    >>> [each.sentence for each in layouts(Derivative(LOSS, a), chain)][0]
    'right with gradients as rows'
    """
    if (turned := _with_turned_jacobians(left)) is not None:
        yield Layout(turned, right, TURNED)
    if not isinstance(right, Product) or right.elementwise:
        return
    arrays = [part for part in right.factors if is_array(part)]
    if len(arrays) < 2:
        return
    if all(map(_is_derivative, arrays)):
        rows = everywhere(_as_rows)
        yield Layout(rows(left), rows(right), "right with gradients as rows")
        yield Layout(left, everywhere(_with_turned_jacobians)(right), TURNED)
    for place in range(1, min(len(right.factors), MOST_FACTORS)):
        first, second = right.factors[:place], right.factors[place:]
        if any(map(is_array, first)) and any(map(is_array, second)):
            for rest in dict.fromkeys(((_product(second),), second)):
                joined = Product((_product(first), *rest), True)
                yield Layout(left, joined, "right if the product goes entry by entry")


def _is_derivative(node: Node) -> bool:
    return isinstance(node, Derivative) or (isinstance(node, Array) and node.letter == "delta")


def _as_rows(node: Node) -> Node | None:
    """The gradient of the loss as a row."""
    match node:
        case Derivative(of, Array()) if of == LOSS:
            return Transpose(node)
        case Array("delta"):
            return Transpose(node)
    return None


def _with_turned_jacobians(node: Node) -> Node | None:
    """The derivative of a column by a column, rows by what it is differentiated by."""
    match node:
        case Derivative(of, Array()) if is_array(of):
            return Transpose(node)
    return None


def _product(factors: tuple[Node, ...]) -> Node:
    return factors[0] if len(factors) == 1 else Product(factors)
