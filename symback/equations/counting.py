"""How many paths lead from an element to the loss, as an expression in symbolic sizes: `count`.

The equation of c[f] reads v[α] under conditions; then N_v(q), the number of paths from v[q], is the
sum over all f for which some α is q, of N_c(f).  α = q is solved for letters, the letters that are
left are summed over their ranges, cut by the conditions, and the sum of a polynomial is one again.
Where that has no single formula (a recurrence, strides, an index that data give, elements that are
read in two ways), `Uncounted` says so; no number is guessed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sympy
from sympy import Expr, Symbol

from symback.engine.arithmetics import OutOfRange
from symback.equations.elements import rational
from symback.equations.indexing import At, bracketed
from symback.equations.indices import (
    Affine,
    Condition,
    Index,
    Lookup,
    Range,
    condition_moved,
    contracted,
    decided,
    letter,
    moved,
    number,
)
from symback.equations.system import Definition, System
from symback.equations.terms import (
    Binder,
    Given,
    Read,
    Term,
    Times,
    children,
    moved_term,
    reads,
)
from symback.language.errors import SymbackError


class Uncounted(SymbackError):
    """A number of paths that has no formula here; the message says why, and what gives a number."""


def count(system: System, element: tuple[str, At], sizes: Mapping[str, int]) -> Any:
    """The number of paths from ``element`` to the target; raises `Uncounted`.

    >>> from symback.equations.system import Group, Kind, Quantity
    >>> i, j, n = letter("i"), letter("j"), letter("n")
    >>> line = Times((Read("W", (i, j)), Read("x", (j,))))
    >>> system = System(
    ...     {"n": None},
    ...     (
    ...         Quantity("W", Kind.PARAMETER, (n, n)),
    ...         Quantity("x", Kind.INPUT, (n,)),
    ...         Quantity("a", Kind.COMPUTED, (n,)),
    ...         Quantity("L", Kind.COMPUTED),
    ...     ),
    ...     (
    ...         Group(
    ...             (
    ...                 Definition(
    ...                     "a", (i,), (Range("i", n),), Binder("sum", Range("j", n), (), line)
    ...                 ),
    ...             )
    ...         ),
    ...         Group(
    ...             (Definition("L", (), (), Binder("sum", Range("i", n), (), Read("a", (i,)))),)
    ...         ),
    ...     ),
    ...     "L",
    ... )
    >>> count(system, ("W", (1, 2)), {}), count(system, ("x", (1,)), {})
    (1, n)
    """
    name, at = element
    counting = _Counting(system, sizes)
    array = counting.array(name)
    if len(at) != len(array.letters):
        raise Uncounted(
            f"there is no {bracketed(name, at)}: {name} has {len(array.letters)} indices"
        )
    values = {own.letter: number(value) for own, value in zip(array.letters, at, strict=True)}
    for own, value in zip(array.letters, at, strict=True):
        if value < 1 or decided(Condition(number(value), "<=", own.upper), ()) is False:
            size = own.upper
            raise OutOfRange(
                f"there is no {bracketed(name, at)}: an index of {name} runs over 1..{size}"
            )
    total: Expr = sympy.Integer(0)
    for piece in array.pieces:
        truths = [decided(condition_moved(each, values), ()) for each in piece.conditions]
        if False in truths:
            continue
        if None in truths:
            unknown = condition_moved(piece.conditions[truths.index(None)], values)
            raise counting.uncounted(name, f"it depends on whether {unknown}")
        total += piece.number.subs({Symbol(k, **_WHOLE): v.constant for k, v in values.items()})
    found = sympy.factor(sympy.expand(total))
    return int(found) if found.is_Integer else found


_WHOLE = {"integer": True, "positive": True}


@dataclass(frozen=True, slots=True)
class _Piece:
    """``number`` where all ``conditions`` hold, else 0."""

    number: Expr
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class _Array:
    """The paths from the general element of an array: the sum of the pieces."""

    letters: tuple[Range, ...]
    pieces: tuple[_Piece, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a definition reads an array: for which of its elements that is the element asked for.

    ``pins`` are letters that are solved for, ``ranges`` those that are left, all of the definition.
    """

    pins: tuple[tuple[str, Affine], ...]
    ranges: tuple[Range, ...]
    conditions: tuple[Condition, ...]


class _Counting:
    def __init__(self, system: System, sizes: Mapping[str, int]) -> None:
        self.system = system
        self.numbers: dict[str, Index] = {name: number(value) for name, value in sizes.items()}
        self.known = {system.target: _Array((), (_Piece(sympy.Integer(1)),))}
        self.apart = itertools.count()

    def uncounted(self, name: str, reason: str) -> Uncounted:
        """What to raise."""
        *others, last = [size for size in self.system.sizes if size not in self.numbers]
        sizes = f"{', '.join(others)} and {last} numbers" if others else f"{last} a number"
        return Uncounted(
            f"I could not count the paths from {name} for all sizes: {reason}; give {sizes}"
        )

    def array(self, name: str) -> _Array:
        """The paths from an array; those of arrays computed from it are counted before."""
        for each in self._order(name):
            if each not in self.known:
                self.known[each] = self._counted(each)
        return self.known[name]

    def _order(self, name: str) -> list[str]:
        """What is computed from an array, the last first, and then itself."""
        reached = {name}
        for definition in self.system.definitions:
            read = {reading.read.array for reading in reads(definition.term)}
            if read & reached:
                if definition.name in read or self._recurs(definition):
                    raise self.uncounted(name, f"{definition.name} is a recurrence")
                reached.add(definition.name)
        computed = [d.name for d in reversed(self.system.definitions) if d.name in reached]
        return list(dict.fromkeys([*computed, name]))

    def _recurs(self, definition: Definition) -> bool:
        return any(g.is_recurrence and definition in g.definitions for g in self.system.groups)

    def _counted(self, name: str) -> _Array:
        if any(definition.is_base for definition in self.system.defining.get(name, ())):
            raise self.uncounted(name, f"{name} has base cases")
        shape = self.system.by_name[name].shape
        own = tuple(Range(self._new("q"), self._index(size)) for size in shape)
        pieces: list[_Piece] = []
        for definition in self.system.definitions:
            if definition.name in self.known:
                pieces += self._from(definition, name, own)
        merged: dict[frozenset[Condition], Expr] = {}
        for piece in pieces:
            key = frozenset(piece.conditions)
            merged[key] = sympy.expand(merged.get(key, sympy.Integer(0)) + piece.number)
        return _Array(
            own, tuple(_Piece(n, tuple(sorted(key, key=str))) for key, n in merged.items() if n)
        )

    def _from(self, definition: Definition, name: str, own: tuple[Range, ...]) -> Iterator[_Piece]:
        """The paths whose first step is to ``definition``."""
        places = [
            place
            for term_place in self._places(definition.term, name, (), ())
            if (place := self._solved(definition, name, term_place, own)) is not None
        ]
        places = list(dict.fromkeys(places))
        places = [p for p in places if not any(_holds_more(o, p) for o in places if o != p)]
        if not all(_apart(one, other) for one, other in itertools.combinations(places, 2)):
            raise self.uncounted(name, f"{definition.name} reads it in {len(places)} ways")
        child = self.known[definition.name]
        for place in places:
            pins = dict(place.pins)
            # The child's element, in the letters of its own count.
            moves: dict[str, Index] = {
                theirs.letter: self._pinned(at, pins)
                for theirs, at in zip(child.letters, definition.at, strict=True)
            }
            for piece in child.pieces:
                conditions = (condition_moved(each, moves) for each in piece.conditions)
                filled = {Symbol(k, **_WHOLE): _expr(_affine(v)) for k, v in moves.items()}
                substituted = piece.number.subs(filled, simultaneous=True)
                yield from self._summed(
                    name,
                    _Piece(substituted, (*place.conditions, *conditions)),
                    place.ranges,
                    own,
                )

    # -------------------------------------------------------------------------- solving

    def _places(
        self,
        term: Term,
        name: str,
        ranges: tuple[Range, ...],
        conditions: tuple[Condition, ...],
    ) -> Iterator[tuple[Read, tuple[Range, ...], tuple[Condition, ...]]]:
        """Where a formula reads an array, inside which ranges and under which conditions.

        What is multiplied by a literal 0 is not read, nor what a softmax leaves out at its index.
        Each bound letter gets a name of its own.
        """
        match term:
            case Read(array):
                if array == name:
                    yield term, ranges, conditions
            case Times(factors) if any(rational(factor) == 0 for factor in factors):
                return
            case Given(more, body):
                yield from self._places(body, name, ranges, (*conditions, *more))
            case Binder(_, range_, kept, body, at):
                inside: list[Condition] = []
                if at is not None:
                    here: dict[str, Index] = {range_.letter: at}
                    inside += [Condition(range_.lower, "<=", at), Condition(at, "<=", range_.upper)]
                    inside += [condition_moved(each, here) for each in kept]
                own = Range(self._new(range_.letter), range_.upper, range_.lower)
                moves: dict[str, Index] = {range_.letter: letter(own.letter)}
                inside += [condition_moved(each, moves) for each in kept]
                yield from self._places(
                    moved_term(body, moves), name, (*ranges, own), (*conditions, *inside)
                )
            case _:
                for part in children(term):
                    yield from self._places(part, name, ranges, conditions)

    def _solved(
        self,
        definition: Definition,
        name: str,
        found: tuple[Read, tuple[Range, ...], tuple[Condition, ...]],
        own: tuple[Range, ...],
    ) -> _Place | None:
        """α = q solved; None where that holds for no letters."""
        read, bound, conditions = found
        free = {each.letter for each in definition.ranges}
        ranges = [self._range(each) for each in (*bound, *definition.ranges)]
        equal = [(self._index(a), letter(q.letter)) for a, q in zip(read.indices, own, strict=True)]
        solution = contracted(ranges, equal)
        open_ranges = solution.ranges
        pins = {name: _affine(value) for name, value in solution.moves.items()}
        kept = [condition_moved(self._condition(c, name), solution.moves) for c in conditions]
        kept += solution.conditions
        everything = (*own, *open_ranges)
        truths = [(each, decided(each, everything)) for each in dict.fromkeys(kept)]
        if any(truth is False for _, truth in truths):
            return None
        left = tuple(each for each, truth in truths if truth is None)
        for range_ in open_ranges:
            if range_.letter in free:
                continue
            used = any(range_.letter in each.names for each in left)
            used |= any(range_.letter in value.names for value in pins.values())
            filled = decided(Condition(range_.lower, "<=", range_.upper), ())
            if used or filled is not True:
                raise self.uncounted(
                    name, f"how {definition.name} reads it is not solved for one letter"
                )
        pinned = tuple(sorted((n, v) for n, v in pins.items() if n in free))
        return _Place(pinned, tuple(r for r in open_ranges if r.letter in free), left)

    def _pinned(self, index: Affine, pins: Mapping[str, Affine]) -> Affine:
        return _affine(moved(self._index(index), dict(pins)))

    # -------------------------------------------------------------------------- summing

    def _summed(
        self, name: str, piece: _Piece, ranges: Sequence[Range], own: Sequence[Range]
    ) -> Iterator[_Piece]:
        """Σ over the letters that are left, each cut by the conditions that it stands in."""
        piece, waiting = replace(piece), list(ranges)
        while waiting:
            range_ = waiting.pop()
            known = (*own, *waiting)
            kept, lowest, highest = [], [range_.lower], [range_.upper]
            for condition in piece.conditions:
                if range_.letter not in condition.names:
                    kept.append(condition)
                    continue
                low, high = self._bounds(condition, range_.letter, name)
                lowest += low
                highest += high
            low = self._tightest(lowest, known, name, largest=True)
            high = self._tightest(highest, known, name, largest=False)
            if decided(Condition(low, "<=", high + number(1)), known) is not True:
                raise self.uncounted(name, f"{range_.letter.partition('~')[0]} may have no range")
            own_letter = Symbol(range_.letter, **_WHOLE)
            total = sympy.summation(piece.number, (own_letter, _expr(low), _expr(high)))
            piece = _Piece(sympy.expand(total), tuple(kept))
        truths = [(each, decided(each, own)) for each in dict.fromkeys(piece.conditions)]
        if not any(truth is False for _, truth in truths):
            yield _Piece(piece.number, tuple(each for each, truth in truths if truth is None))

    def _bounds(
        self, condition: Condition, name: str, of: str
    ) -> tuple[list[Affine], list[Affine]]:
        """The least and largest number that a condition allows a letter."""
        left, right = _affine(condition.left), _affine(condition.right)
        difference = right - left
        coefficient = difference.coefficient(name)
        if abs(coefficient) != 1 or condition.relation == "!=":
            raise self.uncounted(of, f"{_plainly(condition)} is not solved for one letter")
        rest = difference - letter(name).times(coefficient)
        if condition.relation == "<":
            rest = rest - number(1)
        value = rest.times(-coefficient)  # the letter where both sides are equal
        if condition.relation == "==":
            return [value], [value]
        return ([value], []) if coefficient == 1 else ([], [value])

    def _tightest(
        self, bounds: Sequence[Affine], known: Sequence[Range], name: str, *, largest: bool
    ) -> Affine:
        for one in bounds:
            pairs = [(other, one) if largest else (one, other) for other in bounds]
            if all(decided(Condition(a, "<=", b), known) for a, b in pairs):
                return one
        shown = ", ".join(_plain(bound) for bound in dict.fromkeys(bounds))
        raise self.uncounted(
            name, f"which of {shown} is {'largest' if largest else 'least'} differs"
        )

    # -------------------------------------------------------------------------- letters

    def _new(self, name: str) -> str:
        return f"{name}~{next(self.apart)}"

    def _index(self, index: Index) -> Affine:
        found = moved(index, self.numbers)
        if isinstance(found, Lookup):
            raise Uncounted(f"which elements are read depends on the data {found.array}")
        return found

    def _range(self, range_: Range) -> Range:
        return Range(range_.letter, self._index(range_.upper), self._index(range_.lower))

    def _condition(self, condition: Condition, name: str) -> Condition:
        if isinstance(condition.left, Lookup) or isinstance(condition.right, Lookup):
            raise self.uncounted(name, f"{condition} depends on data")
        return condition_moved(condition, self.numbers)


def _holds_more(wide: _Place, narrow: _Place) -> bool:
    """Whether what is read at ``narrow`` is read at ``wide`` as well."""
    return {*wide.pins} <= {*narrow.pins} and {*wide.conditions} <= {*narrow.conditions}


def _apart(one: _Place, other: _Place) -> bool:
    """Whether no element is read at both: a letter is q at one and q + 1 at the other."""
    theirs = dict(other.pins)
    gaps = (value - theirs[name] for name, value in one.pins if name in theirs)
    return any(gap.is_number and gap.constant for gap in gaps)


def _affine(index: Index) -> Affine:
    assert isinstance(index, Affine)
    return index


def _expr(index: Affine) -> Expr:
    return sympy.Integer(index.constant) + sum(
        (c * Symbol(name, **_WHOLE) for name, c in index.parts), sympy.Integer(0)
    )


def _plain(index: Affine) -> str:
    return str(replace(index, parts=tuple((n.partition("~")[0], c) for n, c in index.parts)))


def _plainly(condition: Condition) -> str:
    left, right = _affine(condition.left), _affine(condition.right)
    return f"{_plain(left)} {condition.relation} {_plain(right)}"
