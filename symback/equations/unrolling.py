"""Formulas over arrays with numbers in place of letters: Σ_t written term by term.

Here one can

* decide conditions, write out sums, and read pads where sizes are numbers: `Unrolling.written_out`;
* know beforehand how long that would be: `Unrolling.length`; count what a formula reads: `leaves`.

Nothing changes the value.  Sizes stay names where they are numbers of a formula (√d), and become
numbers in indices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from symback.equations.indices import (
    Affine,
    Condition,
    Index,
    Lookup,
    condition_moved,
    holds,
    number,
)
from symback.equations.naming import is_element
from symback.equations.system import System
from symback.equations.terms import (
    ZERO,
    Binder,
    Given,
    Measure,
    Number,
    Read,
    Slope,
    Term,
    children,
    given,
    moved_term,
    rebuilt,
    total,
)

LONGEST_SUM = 8
"""Sums of more terms are not written out."""


@dataclass(frozen=True)
class Unrolling:
    """Writes out formulas of ``system``, whose sizes may have numbers.

    What an index array holds is looked up in the system's values, where it has them.
    """

    system: System

    def written_out(self, term: Term, depth: int | None = None) -> Term:
        """``term`` with its sums written term by term, those inside ``depth`` others left.

        Sums that are longer than `LONGEST_SUM`, or over a size without a number, are left too, and
        so are those inside another binder.
        """
        match term:
            case Read():
                return self._read(term)
            case Measure(index) if index.is_number:
                return Number(Fraction(index.constant))
            case Slope(of, by, held):
                return Slope(self._named(of), self._named(by), held)
            case Given(conditions, body):
                return self._under(conditions, lambda: self.written_out(body, depth))
            case Binder(kind="sum", range=over, conditions=conditions, body=body):
                places = self._places(term)
                if places is None or depth == 0:
                    return term
                inner = None if depth is None else depth - 1
                moves: list[dict[str, Index]] = [{over.letter: number(k)} for k in places]
                return total(
                    self._under(
                        tuple(condition_moved(each, move) for each in conditions),
                        lambda move=move: self.written_out(moved_term(body, move), inner),
                    )
                    for move in moves
                )
            case Binder(kind="count"):
                return self._counted(term)
            case Binder():
                return term
        return rebuilt(term, lambda part: self.written_out(part, depth))

    @cached_property
    def _sizes(self) -> dict[str, int]:
        """Those that have numbers."""
        return {name: value for name, value in self.system.sizes.items() if value is not None}

    def _counted(self, binder: Binder) -> Term:
        """How many there are, where that is known."""
        places, count = self._places(binder, None), 0
        for place in places or ():
            move: dict[str, Index] = {binder.range.letter: number(place)}
            truths = [self._decided(condition_moved(c, move)) for c in binder.conditions]
            if None in truths and False not in truths:
                return binder
            count += False not in truths
        return binder if places is None else Number(Fraction(count))

    def length(self, term: Term) -> int:
        """How many `leaves` there would be, were all sums written out and all conditions true."""
        if isinstance(term, Binder) and term.kind == "sum":
            places = self._places(term)
            return (1 if places is None else len(places)) * self.length(term.body)
        if isinstance(term, (Read, Slope, Number)) or not children(term):
            return 1
        return sum(map(self.length, children(term)))

    def _under(self, conditions: tuple[Condition, ...], body: Callable[[], Term]) -> Term:
        """``body`` under what cannot be decided; 0 where a condition is false."""
        kept = []
        for condition in conditions:
            truth = self._decided(condition)
            if truth is False:
                return ZERO
            if truth is None:
                kept.append(condition)
        return given(kept, body())

    def _decided(self, condition: Condition) -> bool | None:
        if not condition.names <= self._sizes.keys():
            return None
        try:
            return holds(condition, self._sizes, self._data)
        except LookupError:
            return None

    def _data(self, array: str, at: tuple[int, ...]) -> int:
        """What an array of indices holds; raises `LookupError` where no values are given."""
        found: Any = self.system.values[array]
        for index in at:
            found = found[index - 1]
        return int(found)

    def _places(self, binder: Binder, most: int | None = LONGEST_SUM) -> range | None:
        """The numbers of a letter, where they are known and few."""
        over = binder.range
        if not (over.lower.names | over.upper.names) <= self._sizes.keys():
            return None
        found = range(over.lower.value(self._sizes), over.upper.value(self._sizes) + 1)
        return found if most is None or len(found) <= most else None

    def _named(self, read: Read) -> Read:
        """A reading with numbers for sizes and for what index arrays hold."""
        return Read(read.array, tuple(map(self.index, read.indices)))

    def index(self, index: Index) -> Index:
        """An index with numbers for sizes and for what index arrays hold, where they are known."""
        if isinstance(index, Lookup):
            own = Lookup(index.array, tuple(self._affine(each) for each in index.indices))
            if all(each.is_number for each in own.indices):
                try:
                    return number(self._data(own.array, tuple(e.constant for e in own.indices)))
                except LookupError:
                    return own
            return own
        return self._affine(index)

    def _affine(self, index: Affine) -> Affine:
        """Sizes as numbers in an index that has no letter: h[T] is h[3], but a[2o+n] stays."""
        return number(index.value(self._sizes)) if index.names <= self._sizes.keys() else index

    def _read(self, read: Read) -> Term:
        """A reading, or the pad where it is outside."""
        named, quantity = self._named(read), self.system.by_name[read.array]
        if quantity.pad is None or not all(each.is_number for each in named.indices):
            return named
        places = tuple(each.constant for each in named.indices if isinstance(each, Affine))
        inside = is_element(self.system, quantity, places)
        return named if inside else Number(quantity.pad)


def leaves(term: Term) -> int:
    """How many names and numbers a formula has."""
    return sum(map(leaves, children(term))) if children(term) else 1
