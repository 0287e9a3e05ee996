"""Whether a claim says anything, and whether it says what a derivative is.

Here one can

* tell a claim from a line whose two sides are one and the same, as in L = L: `says_nothing`;
* ask whether the claims of a page give the derivative that was asked for: `reaches`.

Names of the page are looked up first, so that "let s = ∂L/∂w_212" and then "∂L/∂w_212 = s" say
nothing either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from symback.checking.correct import numbered
from symback.checking.page import Definition
from symback.language.expressions import (
    LOSS,
    Array,
    At,
    Derivative,
    Element,
    Index,
    Named,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Total,
    Transpose,
    rebuilt,
    walk,
)

__all__ = ["bare", "is_quantity", "reaches", "says_nothing"]

MOST_PARTS = 500
"""So many parts of a side are looked at; in each name there may be two others."""

_ZERO, _ONE = Number(Fraction(0)), Number(Fraction(1))


def says_nothing(left: Node, right: Node, definitions: Sequence[Definition] = ()) -> bool:
    """Whether two sides are the same quantity by name, so that their equality is no claim.

    >>> h = Element("h", (Index("", 1), Index("", 2)))
    >>> says_nothing(h, Product((_ONE, h))), says_nothing(Total((h, h)), Product((_ONE, h)))
    (True, False)
    """
    while isinstance(left, At):  # what stands at the bar holds for both sides
        left = left.of
    return bare(left, definitions) == bare(right, definitions)


def bare(node: Node, definitions: Sequence[Definition] = ()) -> Node:
    """``node`` with the page's names looked up, δ as ∂L/∂a, and without + 0, · 1 and brackets.

    Beyond `MOST_PARTS` names are left as they are: what is equal then is equal all the same.
    """
    try:
        return _Bare(definitions).of(node)
    except RecursionError:  # a name that leads back to itself
        return node


class _Bare:
    def __init__(self, definitions: Sequence[Definition]) -> None:
        self.definitions, self.left = definitions, MOST_PARTS

    def of(self, node: Node) -> Node:
        """The node without what changes nothing."""
        self.left -= 1
        if self.left < 0:
            return node
        if isinstance(node, Named):
            found = _meaning(node, self.definitions)
            return node if found is None else self.of(found)
        made = rebuilt(node, self.of)
        match made:
            case Number(value):
                return Number(value)
            case Element("delta", indices):
                return Derivative(LOSS, Element("a", indices))
            case Array("delta", layer):
                return Derivative(LOSS, Array("a", layer))
            case Product(factors, elementwise=False):
                return _joined(made, factors, _ONE)
            case Total(terms):
                return _joined(made, terms, _ZERO)
            case Transpose(Transpose(of)):
                return of
            case Quotient(of, below) | Power(of, below) if below == _ONE:
                return of
            case _:
                return made


def _joined(node: Node, parts: Sequence[Node], neutral: Node) -> Node:
    """A product, or a sum, within which there is no other, and no 1, or 0."""
    flat: list[Node] = []
    for part in parts:
        match part:
            case Product(factors, elementwise=False) if isinstance(node, Product):
                flat += factors
            case Total(terms) if isinstance(node, Total):
                flat += terms
            case _:
                flat.append(part)
    kept = tuple(part for part in flat if part != neutral)
    if len(kept) < 2:
        return kept[0] if kept else neutral
    return Product(kept) if isinstance(node, Product) else Total(kept)


def _meaning(name: Named, definitions: Sequence[Definition]) -> Node | None:
    """What the page says a name is, for these indices."""
    for each in reversed(definitions):
        if each.name != name.name or len(each.indices) != len(name.indices):
            continue
        pairs = list(zip(each.indices, name.indices, strict=True))
        if all(own == given for own, given in pairs):
            return each.node
        if all(own == given or (own.letter and given.is_number) for own, given in pairs):
            letters = {own.letter: given.offset - own.offset for own, given in pairs if own.letter}
            return numbered(each.node, letters)
    return None


def is_quantity(node: Node) -> bool:
    """Whether ``node`` names something of the network: a name for it is another name, no value."""
    return isinstance(_upright(bare(node)), (Element, Array, Derivative))


def _upright(node: Node) -> Node:
    while isinstance(node, (At, Transpose)):
        node = node.of
    return node


# ---------------------------------------------------------------------------------- what is reached


def reaches(
    claims: Iterable[tuple[Node, Node]], wanted: Node | None, definitions: Sequence[Definition] = ()
) -> bool:
    """Whether a claim says what ``wanted`` is, or without it what any derivative is.

    ``wanted`` is ∂L/∂w for one weight; a claim about all of them, by letters or as an array, will
    do.  A right side that holds the derivative itself does not say what it is.
    """
    for left, right in claims:
        subject = _upright(bare(left, definitions))
        if not isinstance(subject, Derivative):
            continue
        about = wanted if isinstance(wanted, Derivative) else subject
        parts = walk(bare(right, definitions))
        if _covers(subject, about) and not any(_covers(part, about) for part in parts):
            return True
    return False


def _covers(claimed: Node, wanted: Derivative) -> bool:
    """Whether a derivative is the one that is wanted, or all of its kind."""
    if claimed == wanted:
        return True
    match claimed, wanted.by:
        case Derivative(of, Element(letter, own)), Element(other, at) if of == wanted.of:
            same = letter == other and len(own) == len(at)
            return same and all(map(_is_or_can_be, own, at))
        case Derivative(of, Array(letter, layer)), Element(other, at) if of == wanted.of:
            own = () if layer is None else (layer,)
            return letter.lower() == other and all(map(_is_or_can_be, own, at))
        case _:
            return False


def _is_or_can_be(own: Index, wanted: Index) -> bool:
    return own == wanted or not own.is_number
