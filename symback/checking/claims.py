"""What the claims of a page are about: its names, and whether a line says anything.

Here one can

* read the names that a page gives in order from the top, each marked by its meaning: `in_order`;
* look a page's names up in a node, and leave out what changes nothing: `bare`;
* tell a claim from a line whose two sides are one and the same, as in L = L: `says_nothing`;
* see what a left side is about: `subject`.

A definition holds from its line on, and above it where nothing else does ("…, where Δ = ŷ - y").
A second meaning of a name holds from its own line on: the name gets a mark, so that all that was
said with the first keeps it.  What a name means of which the definition could not be read is not
known, nor is what uses it.  "s = …" for a name of something in the network, such as δ_k := ∇_{a_k}
L, is a claim about that; and "let s = ∂L/∂w_212", then "∂L/∂w_212 = s", says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from symback.checking.correct import numbered
from symback.checking.page import Claim, Definition, Item, Joined, Relation, Side, Unread
from symback.language.expressions import (
    LOSS,
    ONE,
    ZERO,
    Array,
    At,
    Call,
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

LOSS_LETTERS = ("J", "C", "E")
"""Where the definition of one of them could not be read, it is the network's loss, or close to it:
what is right for that is right, and what is wrong for it is not known."""

MOST_PARTS = 500
"""So many parts of a side are looked at; in each name there may be two others."""


# ----------------------------------------------------------------------- without what says nothing


def says_nothing(left: Node, right: Node, definitions: Sequence[Definition] = ()) -> bool:
    """Whether two sides are the same quantity by name, so that their equality is no claim.

    >>> h = Element("h", (Index("", 1), Index("", 2)))
    >>> says_nothing(h, Product((ONE, h))), says_nothing(Total((h, h)), Product((ONE, h)))
    (True, False)
    """
    while isinstance(left, At):  # what stands at the bar holds for both sides
        left = left.of
    return bare(left, definitions) == bare(right, definitions)


def bare(node: Node, definitions: Sequence[Definition] = ()) -> Node:
    """``node`` with the page's names looked up, δ as ∂L/∂a, and without + 0, · 1 and brackets.

    Beyond `MOST_PARTS` names are left as they are: what is equal then is equal all the same.
    """
    left = MOST_PARTS

    def plain(node: Node) -> Node:
        nonlocal left
        left -= 1
        if left < 0:
            return node
        if isinstance(node, Named):
            found = _meaning(node, definitions)
            return node if found is None else plain(found)
        made = rebuilt(node, plain)
        match made:
            case Number(value):
                return Number(value)
            case Element("delta", indices):
                return Derivative(LOSS, Element("a", indices))
            case Array("delta", layer):
                return Derivative(LOSS, Array("a", layer))
            case Product(factors, elementwise=False):
                flat = [
                    each
                    for part in factors
                    for each in (
                        part.factors
                        if isinstance(part, Product) and not part.elementwise
                        else (part,)
                    )
                ]
                kept = tuple(part for part in flat if part != ONE)
                return Product(kept) if len(kept) > 1 else next(iter(kept), ONE)
            case Total(terms):
                flat = [
                    each
                    for part in terms
                    for each in (part.terms if isinstance(part, Total) else (part,))
                ]
                kept = tuple(part for part in flat if part != ZERO)
                return Total(kept) if len(kept) > 1 else next(iter(kept), ZERO)
            case Transpose(Transpose(of)):
                return of
            case Quotient(of, below) | Power(of, below) if below == ONE:
                return of
            case _:
                return made

    try:
        return plain(node)
    except RecursionError:  # a name that leads back to itself
        return node


def names_decimals(node: Node, definitions: Sequence[Definition]) -> bool:
    """Whether a name in ``node`` is what the page gives as a decimal number, as E_2 = 0.0236.

    That is a rounded value of something, and no definition of it.
    """
    names = (part for part in walk(node) if isinstance(part, Named))
    meanings = (_meaning(name, definitions) for name in names)
    return any(isinstance(each, Number) and each.decimals is not None for each in meanings)


def _meaning(name: Named, definitions: Sequence[Definition]) -> Node | None:
    """What the page says a name is, for these indices."""
    for each in reversed(definitions):
        if each.name != name.name or len(each.indices) != len(name.indices):
            continue
        pairs = list(zip(each.indices, name.indices, strict=True))
        if all(own == given for own, given in pairs):
            return each.node
        if all(own == given or (own.letter and given.is_number) for own, given in pairs):
            return _instance(each, name.indices)
    return None


def _instance(definition: Definition, indices: Sequence[Index]) -> Node:
    """What is defined, with the numbers among ``indices`` for its letters."""
    pairs = zip(definition.indices, indices, strict=True)
    letters = {
        own.letter: given.offset - own.offset
        for own, given in pairs
        if own.letter and given.is_number
    }
    return numbered(definition.node, letters)


def subject(node: Node, definitions: Sequence[Definition] = ()) -> Node:
    """What a left side is about: without a bar, and not transposed."""
    node = bare(node, definitions)
    while isinstance(node, (At, Transpose)):
        node = node.of
    return node


# -------------------------------------------------------------------------------- names in order


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
            case Unread() if item.defines and item.defines not in LOSS_LETTERS:
                self.names.setdefault(item.defines, _Name()).unknown = _unread(item)
        return item

    def _claimed(self, claim: Claim) -> Claim:
        unknown = next(filter(None, (self._unknown(side.node) for side in claim.sides)), "")
        sides = tuple(replace(side, node=self._marked(side.node)) for side in claim.sides)
        given = tuple(map(self._marked, claim.given))
        after, *instead = (
            None if node is None else self._marked(node) for node in (claim.after, *claim.instead)
        )
        return replace(
            claim,
            sides=sides,
            given=given,
            unknown=claim.unknown or unknown,
            after=after,
            instead=tuple(instead),
            joined=self._joined(claim.joined),
        )

    def _joined(self, joined: Joined | None) -> Joined | None:
        if joined is None or joined.node is None:
            return joined
        return replace(joined, node=self._marked(joined.node))

    def _defined(self, place: int, definition: Definition) -> Item:
        name = self.names.setdefault(definition.name, _Name())
        before = [each for each in name.generations[-1] if _overlap(each, definition)]
        if before and not name.unknown and _is_claim(before[-1], definition):
            at = definition.source, definition.line, definition.column
            named = Side(Named(definition.name, definition.indices), *at)
            return self._claimed(
                Claim(
                    definition.line,
                    definition.column,
                    definition.source,
                    (named, Side(definition.node, *at)),
                    (Relation.EQUAL,),
                    read_as=definition.read_as.replace(" := ", " = ", 1),
                )
            )
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
                plain = made.name.partition("⁽")[0]
                known.append(replace(made, name=plain + _mark(number + 1)))
        if newest and len(name.generations[newest]) == 1:
            name.generations[newest][:0] = [
                replace(each, name=made.name)
                for each in name.generations[newest - 1]
                if each.indices != made.indices
            ]

    def _marked(self, node: Node) -> Node:
        """``node`` with a mark at each name that has its second meaning here, or an unknown one."""
        if isinstance(node, Call) and node.function in self.names:
            known = self.names[node.function]
            node = replace(node, function=node.function + known.mark)
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
        for item in self.items:
            if isinstance(item, Definition) and item.name == name:
                return ""
            if not isinstance(item, Unread) or name in LOSS_LETTERS:
                continue
            if item.defines == name:
                return _unread(item)
        return ""


def _unread(item: Unread) -> str:
    return f"line {item.line}, which says what {item.defines} is, could not be read"


def _mark(number: int) -> str:
    """⁽²⁾ for the second meaning; nothing for the first."""
    digits = str(number).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"⁽{digits}⁾" if number > 1 else ""


def _overlap(one: Definition, other: Definition) -> bool:
    """Whether both say what the same name is, for some indices at least."""
    return len(one.indices) == len(other.indices) and all(
        mine == theirs or not (mine.is_number and theirs.is_number)
        for mine, theirs in zip(one.indices, other.indices, strict=True)
    )


def _agree(one: Definition, other: Definition) -> bool:
    """Whether two definitions say the same for the indices of both."""
    return bare(_instance(one, other.indices)) == bare(_instance(other, one.indices))


def _is_claim(before: Definition, again: Definition) -> bool:
    """Whether a name that was given to something of the network is now said to be equal to this.

    δ_k := ∇_{a_k} L, and then δ_3 = ŷ - y.  A name that is used in what it is, or that gets another
    quantity, has a new meaning, as in a loop over the layers.
    """
    of_network = (Element, Array, Derivative)
    general = any(not each.is_number for each in before.indices)
    instance = general and all(each.is_number for each in again.indices)
    itself = Named(again.name, again.indices) in walk(again.node)
    said = instance or (before.explicit and not again.explicit)
    return (
        said
        and isinstance(subject(before.node), of_network)
        and not (itself or isinstance(subject(again.node), of_network))
    )
