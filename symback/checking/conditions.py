"""What a claim is said to hold for: "for i = j", ", i ≠ j", "if a_11 > 0", "with y_1 = 1".

A claim with a condition says less than one without.  Here one can

* tell a condition from a claim and from a range (i = 1, …, n): `condition_of`;
* find the conditions that each claim of a page stands under: `assigned`;
* tell the conditions on quantities from those on indices: `given`;
* get the sides of a claim that says the same without a condition: `under`.  For i = j the one
  letter is put for the other; for i ≠ j or a > 0 both sides are multiplied by 1[i ≠ j] or 1[a > 0];
  for x_1 = 2 there is an evaluation bar.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from symback.checking.lexing import NotRead, Place, Token
from symback.checking.symbols import Symbols
from symback.language.expressions import (
    ELL,
    Array,
    At,
    Comparison,
    Element,
    Index,
    Indicator,
    Letter,
    Node,
    Number,
    Product,
    Sum,
    free_letters,
    is_array,
    walk,
)

__all__ = ["OTHERWISE", "Condition", "Piece", "assigned", "condition_of", "given", "under"]

_COMPARISONS = ("=", "!=", "<", ">", "<=", ">=")
_SUPPOSING = frozenset(
    (
        "if",
        "when",
        "for",
        "case",
        "suppose",
        "supposing",
        "assume",
        "assuming",
        "unless",
        "provided",
    )
)
OTHERWISE = frozenset(("otherwise", "else", "elsewhere"))
_ANEW = frozenset(("together", "altogether", "both", "general", "generally", "combined",
                   "combining", "overall", "summary", "all"))  # fmt: skip
_INDEX_LETTERS = frozenset((*"ijklmnpqrstuv", "ell"))
_OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_LEAVES = ("x", "y", "w", "b")


@dataclass(frozen=True, slots=True)
class Condition:
    """``left relation right``; indices are `Letter` nodes."""

    left: Node
    relation: str
    right: Node
    place: Place

    @property
    def opposite(self) -> Condition:
        """What "otherwise" means."""
        return replace(self, relation=_OPPOSITE[self.relation])


@dataclass(frozen=True, slots=True)
class Piece:
    """What `assigned` knows of a statement.

    ``row`` counts the rows of the page, ``words`` stand between the statement before and this one,
    ``paragraph`` is set where an empty line does, and ``goes_on`` for a claim that begins with its
    relation.
    """

    condition: Condition | None
    row: int
    is_claim: bool
    goes_on: bool
    words: tuple[str, ...]
    paragraph: bool


def condition_of(
    tokens: Sequence[Token], before: str, symbols: Symbols, read: Callable[[list[Token]], Node]
) -> Condition | None:
    """The condition that a statement after the word ``before`` states; None where it is none.

    ``read`` reads an expression.  Raises `NotRead` where something is supposed that has no node.
    """
    marks = [k for k, token in enumerate(tokens) if token.kind in _COMPARISONS]
    if len(marks) != 1 or not 0 < marks[0] < len(tokens) - 1:
        return None
    left, mark, right = list(tokens[: marks[0]]), tokens[marks[0]], list(tokens[marks[0] + 1 :])
    place = tokens[0].place
    if _is_free_letter(left, symbols):
        if not _is_one_index(right, symbols) or mark.kind not in ("=", "!="):
            return None
        indices = [symbols.index(part, place) for part in (left, right)]
        return Condition(Letter(indices[0]), mark.kind, Letter(indices[1]), place)
    if mark.kind != "=":
        return Condition(read(left), mark.kind, read(right), place)
    return _supposed(read(left), read(right), place) if before in _SUPPOSING else None


def _supposed(left: Node, right: Node, place: Place) -> Condition:
    """if y_1 = 1: a leaf of the network has a value."""
    leaf = isinstance(left, Element) and left.letter in _LEAVES
    if leaf and not any(isinstance(part, (Element, Array)) for part in walk(right)):
        return Condition(left, "=", right, place)
    raise NotRead("what is supposed here has no form that symback reads", place,
                  "suppose a value of an input, a target or a weight, as in y_1 = 1")  # fmt: skip


def _is_free_letter(tokens: Sequence[Token], symbols: Symbols) -> bool:
    """Whether this is an index letter alone, and no quantity or name of the page."""
    if len(tokens) != 1 or tokens[0].kind != "name" or not symbols.is_index(tokens):
        return False
    if tokens[0].text not in _INDEX_LETTERS:
        return False
    return not symbols.is_name(tokens, 0)


def _is_one_index(tokens: Sequence[Token], symbols: Symbols) -> bool:
    return symbols.is_index(tokens, number=True) and "." not in tokens[0].text


# --------------------------------------------------------------------------------- what it is about


def assigned(pieces: Sequence[Piece]) -> list[tuple[Condition, ...]]:
    """For each piece the conditions it stands under.

    A condition that stands behind a claim of its row is about that claim, and the chain it ends;
    one that stands first is about the claims behind it, up to the next condition, to "otherwise",
    or to words or a paragraph that begin something new.
    """
    found: list[tuple[Condition, ...]] = [()] * len(pieces)
    supposed: tuple[Condition, ...] = ()
    chain: list[int] = []
    qualified: list[int] = []
    for place, piece in enumerate(pieces):
        if chain and (piece.paragraph or not _ANEW.isdisjoint(piece.words)):
            supposed, chain = (), []
        if not OTHERWISE.isdisjoint(piece.words) and len(supposed) == 1:
            supposed, chain = (supposed[0].opposite,), []
        if piece.condition is None:
            if piece.is_claim:
                found[place] = supposed
                if not piece.goes_on:
                    chain = []
                chain.append(place)
        elif _is_behind(piece, pieces, chain, supposed):
            qualified = [each for each in chain if not found[each]]
            for each in qualified:
                found[each] = (piece.condition,)
            supposed, chain = _if_otherwise_follows(piece, pieces[place + 1 : place + 2]), []
        elif place and pieces[place - 1].condition is not None:
            for each in qualified:
                found[each] = (*found[each], piece.condition)
            supposed = () if qualified else (*supposed, piece.condition)
        else:
            supposed, chain, qualified = (piece.condition,), [], []
    return found


def _is_behind(
    piece: Piece, pieces: Sequence[Piece], chain: Sequence[int], supposed: Sequence[Condition]
) -> bool:
    """Whether a condition is about the claim before it in its row."""
    return bool(chain) and not supposed and pieces[chain[-1]].row == piece.row


def _if_otherwise_follows(piece: Piece, following: Sequence[Piece]) -> tuple[Condition, ...]:
    """A condition behind its claim matters once more where "otherwise" comes next."""
    near = bool(following) and not OTHERWISE.isdisjoint(following[0].words)
    return (piece.condition,) if near and piece.condition is not None else ()


# ----------------------------------------------------------------------------------------- without


def given(conditions: Sequence[Condition]) -> tuple[Comparison, ...]:
    """The conditions on quantities; those on indices are cases of one claim."""
    return tuple(
        Comparison(each.left, each.relation, each.right)
        for each in conditions
        if not isinstance(each.left, Letter)
    )


def under(sides: Sequence[Node], conditions: Sequence[Condition]) -> list[Node]:
    """The sides of the claim without its conditions.

    Raises `NotRead` where there is no such claim, or the conditions contradict one another.
    """
    made = list(sides)
    values: dict[Node, Node] = {}
    for condition in conditions:
        values_of_one = condition.relation == "=" and not isinstance(condition.left, Letter)
        if values_of_one and values.setdefault(condition.left, condition.right) != condition.right:
            raise NotRead("what is supposed here contradicts itself", condition.place)
    for condition in conditions:
        made = _under_one(made, condition)
    return made


def _under_one(sides: list[Node], condition: Condition) -> list[Node]:
    letters = {letter for side in sides for letter in free_letters(side)}
    left, right = condition.left, condition.right
    if condition.relation == "=" and not isinstance(left, Letter):
        return [At(sides[0], ((left, right),)), *sides[1:]]
    if isinstance(left, Letter) and isinstance(right, Letter):
        if condition.relation == "=" and left.index.letter == ELL and right.index.letter:
            left, right = right, left
        needed = {each.index.letter for each in (left, right) if each.index.letter}
        if condition.relation == "=":
            if left.index.letter not in letters:
                return sides
            if left.index.letter == ELL:
                raise NotRead("a true class that is a number has no form that symback reads",
                              condition.place, "write y_1 = 1 as numbers, or ℓ")  # fmt: skip
            return [_put(side, left.index.letter, right.index, condition) for side in sides]
        if not needed - {ELL} <= letters:
            return sides
    if any(map(is_array, sides)):
        raise NotRead("a condition on a line of arrays", condition.place,
                      "write the line for single neurons")  # fmt: skip
    factor = Indicator(Comparison(left, condition.relation, right))
    return [_times(factor, side) for side in sides]


def _times(factor: Node, side: Node) -> Node:
    if side == Number(Fraction(1)):
        return factor
    if isinstance(side, Product) and not side.elementwise:
        return Product((factor, *side.factors))
    return Product((factor, side))


def _put(node: Node, letter: str, index: Index, condition: Condition) -> Node:
    """``node`` with ``index`` for ``letter`` where that is free."""
    if isinstance(node, Sum):
        if node.letter == letter:
            return node
        if node.letter == index.letter:
            raise NotRead("the letter of the condition is that of a sum", condition.place,
                          "use another letter in the sum")  # fmt: skip
    values = {
        field.name: _put_in(getattr(node, field.name), letter, index, condition)
        for field in dataclasses.fields(node)
    }
    return replace(node, **values)


def _put_in(value: object, letter: str, index: Index, condition: Condition) -> object:
    if isinstance(value, Index):
        if value.letter != letter:
            return value
        return Index(index.letter, index.offset + value.offset)
    if isinstance(value, Node):
        return _put(value, letter, index, condition)
    if isinstance(value, tuple):
        return tuple(_put_in(part, letter, index, condition) for part in value)
    return value
