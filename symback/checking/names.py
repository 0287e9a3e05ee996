"""The names that a page gives, read in order from the top: `in_order`.

A definition holds from its line on, and above it where nothing else does ("…, where Δ = ŷ - y").
A second meaning of a name holds from its own line on: the name gets a mark, so that all that was
said with the first keeps it.  What a name means of which the definition could not be read is not
known, nor is what uses it.  "s = …" for a name of something in the network, such as δ_k := ∇_{a_k}
L, is a claim about that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from symback.checking.claims import bare, is_quantity
from symback.checking.correct import numbered
from symback.checking.page import Claim, Definition, Item, Relation, Side, Unread
from symback.language.expressions import (
    Index,
    Named,
    Node,
    rebuilt,
    walk,
)

__all__ = ["Page", "in_order"]


@dataclass(frozen=True, slots=True)
class Page:
    """The items of a page with each name marked by its meaning, and what those meanings are."""

    items: tuple[Item, ...]
    definitions: tuple[Definition, ...]
    again: frozenset[int] = frozenset()
    """The places of the items that give a name a second meaning."""


@dataclass(slots=True)
class _Name:
    """One name of the page: its meanings, the last of which holds, and why it is not known."""

    generations: list[list[Definition]] = field(default_factory=lambda: [[]])
    unknown: str = ""

    @property
    def mark(self) -> str:
        """What is written behind the name for its newest meaning."""
        return _mark(len(self.generations))


def in_order(items: Sequence[Item]) -> Page:
    """The items of a page, in which every name means what stands above it.

    >>> five, six = (Definition(n, 1, "", "q", (), Named(str(n))) for n in (5, 6))
    >>> [each.name for each in in_order([five, six]).definitions]
    ['q', 'q⁽²⁾']
    """
    reader = _Names(items)
    made = tuple(reader.read(place, item) for place, item in enumerate(items))
    definitions = tuple(
        each for name in reader.names.values() for known in name.generations for each in known
    )
    return Page(made, definitions, frozenset(reader.again))


class _Names:
    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.names: dict[str, _Name] = {}
        self.again: set[int] = set()

    def read(self, place: int, item: Item) -> Item:
        """One item, after all those above it."""
        match item:
            case Definition():
                return self._defined(place, item)
            case Claim():
                return self._claimed(item)
            case Unread() if item.defines:
                self.names.setdefault(item.defines, _Name()).unknown = _unread(item)
        return item

    def _claimed(self, claim: Claim) -> Claim:
        unknown = next(filter(None, (self._unknown(side.node) for side in claim.sides)), "")
        sides = tuple(replace(side, node=self._marked(side.node)) for side in claim.sides)
        given = tuple(map(self._marked, claim.given))
        return replace(claim, sides=sides, given=given, unknown=claim.unknown or unknown)

    def _defined(self, place: int, definition: Definition) -> Item:
        name = self.names.setdefault(definition.name, _Name())
        before = [each for each in name.generations[-1] if _overlap(each, definition)]
        if before and not name.unknown and _is_claim(before[-1], definition):
            return self._claimed(_as_claim(definition))
        unknown, node = self._unknown(definition.node), self._marked(definition.node)
        again = any(not _agree(each, replace(definition, node=node)) for each in before)
        if again:
            self.again.add(place)
            name.generations.append([])
        name.unknown = unknown
        made = replace(definition, name=definition.name + name.mark, node=node)
        self._known(name, made)
        return made

    def _known(self, name: _Name, made: Definition) -> None:
        """The newest meaning; what it does not replace goes on to hold beside it."""
        newest = len(name.generations) - 1
        for number, known in enumerate(name.generations):
            if number == newest or not any(_overlap(each, made) for each in known):
                known.append(replace(made, name=_plain(made.name) + _mark(number + 1)))
        if newest and len(name.generations[newest]) == 1:
            carried = [
                replace(each, name=made.name)
                for each in name.generations[newest - 1]
                if each.indices != made.indices
            ]
            name.generations[newest][:0] = carried

    def _marked(self, node: Node) -> Node:
        """``node`` with a mark at each name that has its second meaning here, or an unknown one."""
        if not isinstance(node, Named):
            return rebuilt(node, self._marked)
        if self._why_unknown(node.name):
            return replace(node, name=f"{node.name}⁽?⁾")
        known = self.names.get(node.name)
        return node if known is None else replace(node, name=node.name + known.mark)

    def _unknown(self, node: Node) -> str:
        """Why a node has no value, where it uses a name whose definition could not be read."""
        named = (part.name for part in walk(node) if isinstance(part, Named))
        return next(filter(None, map(self._why_unknown, named)), "")

    def _why_unknown(self, name: str) -> str:
        """Of the definition that holds: the last above, else the first below."""
        if name in self.names:
            return self.names[name].unknown
        below = (each for each in self.items if _defined_by(each) == name)
        first = next(below, None)
        return _unread(first) if isinstance(first, Unread) else ""


def _defined_by(item: Item) -> str:
    match item:
        case Definition():
            return item.name
        case Unread():
            return item.defines
        case _:
            return ""


def _unread(item: Unread) -> str:
    return f"line {item.line}, which says what {item.defines} is, could not be read"


def _mark(number: int) -> str:
    """⁽²⁾ for the second meaning; nothing for the first."""
    digits = "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(number))
    return f"⁽{digits}⁾" if number > 1 else ""


def _plain(name: str) -> str:
    return name.partition("⁽")[0]


def _overlap(one: Definition, other: Definition) -> bool:
    """Whether both say what the same name is, for some indices at least."""
    pairs = zip(one.indices, other.indices, strict=False)
    return len(one.indices) == len(other.indices) and all(_meet(*pair) for pair in pairs)


def _meet(one: Index, other: Index) -> bool:
    return one == other or not (one.is_number and other.is_number)


def _agree(one: Definition, other: Definition) -> bool:
    """Whether two definitions say the same for the indices of both."""
    return _instance(one, other.indices) == _instance(other, one.indices)


def _instance(definition: Definition, indices: Sequence[Index]) -> Node:
    """What is defined, with the numbers among ``indices`` for its letters."""
    pairs = zip(definition.indices, indices, strict=True)
    letters = {
        own.letter: given.offset - own.offset
        for own, given in pairs
        if own.letter and given.is_number
    }
    return bare(numbered(definition.node, letters))


def _is_claim(before: Definition, again: Definition) -> bool:
    """Whether a name that was given to something of the network is now said to be equal to this.

    δ_k := ∇_{a_k} L, and then δ_3 = ŷ - y.  A name that is used in what it is, or that gets another
    quantity, has a new meaning, as in a loop over the layers.
    """
    general = any(not each.is_number for each in before.indices)
    instance = general and all(each.is_number for each in again.indices)
    itself = Named(again.name, again.indices) in walk(again.node)
    said = instance or (before.explicit and not again.explicit)
    return said and is_quantity(before.node) and not (itself or is_quantity(again.node))


def _as_claim(definition: Definition) -> Claim:
    """s = … for a name of a quantity: a claim about that quantity."""
    named = Named(definition.name, definition.indices)
    at = definition.source, definition.line, definition.column
    sides = (Side(named, *at), Side(definition.node, *at))
    read_as = definition.read_as.replace(" := ", " = ", 1)
    return Claim(
        definition.line, definition.column, definition.source, sides, (Relation.EQUAL,),
        read_as=read_as,
    )  # fmt: skip
