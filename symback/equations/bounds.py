"""Whether every index falls inside its shape: `check`.

What falls outside is an element of a base case, or the array is padded, or a condition that is
false there guards the reading; all else is refused, with an element that would be missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from symback.equations.indices import (
    Affine,
    Index,
    Lookup,
    Moves,
    Range,
    condition_moved,
    decided,
    moved,
    number,
)
from symback.equations.places import Site, every_point, nonnegative, shown_read, sites
from symback.equations.system import Definition, Kind, Quantity
from symback.language.tables import SpecError

FURTHEST = 64
"""Base cases are looked for so many steps outside a shape."""


def check(
    definitions: Sequence[Definition], quantities: Mapping[str, Quantity], sizes: Moves
) -> None:
    """Refuse base cases that overlap, and whatever is read where nothing is.

    ``sizes`` are the numbers of those sizes that have one.  Raises `SpecError`.
    """
    bases = _base_cases(definitions, quantities, sizes)
    for definition in definitions:
        for site in sites(definition.term, Site(definition.lhs, definition.ranges)):
            _Reading(definition, site, quantities, bases, sizes).check()


@dataclass(frozen=True, slots=True)
class _Base:
    """A base case: the axis that it fixes, and the index there."""

    axis: int
    index: Affine


def _base_cases(
    definitions: Sequence[Definition], quantities: Mapping[str, Quantity], sizes: Moves
) -> dict[str, list[_Base]]:
    found: dict[str, list[_Base]] = {}
    for definition in definitions:
        if not definition.is_base:
            continue
        letters = {each.letter for each in definition.ranges}
        fixed = [k for k, index in enumerate(definition.at) if index.bare not in letters]
        shown = shown_read(definition.lhs)
        if len(fixed) > 1:
            raise SpecError(
                f"{definition.place}: {shown} fixes {len(fixed)} indices; a base case fixes the "
                "one that the recurrence runs over, and has letters in the others"
            )
        base = _Base(fixed[0], definition.at[fixed[0]])
        size = quantities[definition.name].shape[base.axis]
        if not any(
            nonnegative(side, (), (), sizes)
            for side in (base.index.times(-1), base.index - size - number(1))
        ):
            general = next(
                shown_read(d.lhs)
                for d in definitions
                if d.name == definition.name and not d.is_base
            )
            raise SpecError(
                f"{definition.place}: {shown} is an element of {general} already, whose index "
                f"there runs from 1 to {size}; a base case stands outside, such as at 0"
            )
        if base in found.setdefault(definition.name, []):
            raise SpecError(f"{definition.place}: {shown} is defined twice")
        found[definition.name].append(base)
    return found


@dataclass(frozen=True, slots=True)
class _Reading:
    """One element that an equation reads."""

    definition: Definition
    site: Site
    quantities: Mapping[str, Quantity]
    bases: Mapping[str, list[_Base]]
    sizes: Moves

    @property
    def quantity(self) -> Quantity:
        """The array that is read."""
        return self.quantities[self.site.read.array]

    def check(self) -> None:
        """Raise `SpecError` where an index may fall where nothing is."""
        indices, shape = self.site.read.indices, self.quantity.shape
        outside = [k for k, size in enumerate(shape) if not self.is_inside(k, Affine(1), size)]
        if not outside or (self.quantity.pad is not None and _are_affine(indices)):
            return
        low, high = self.reach(outside[0])
        if len(outside) > 1 or not self.is_inside(outside[0], low, high):
            raise SpecError(f"{self.definition.place}: {self.problem(outside[0], low, high)}")

    def is_inside(self, axis: int, low: Affine, high: Affine) -> bool:
        """Whether an index never leaves low … high."""
        index = self.site.read.indices[axis]
        if isinstance(index, Lookup):
            below = self.quantities[index.array].below
            assert below is not None
            return nonnegative(high - below, (), (), self.sizes)
        return self.is_above(index - low) and self.is_above(high - index)

    def is_above(self, goal: Affine) -> bool:
        """Whether something is proved to be 0 or more where this is read."""
        return nonnegative(goal, self.site.ranges, self.site.conditions, self.sizes)

    def reach(self, axis: int) -> tuple[Affine, Affine]:
        """The first and the last index that the array has there, base cases included."""
        low, high = Affine(1), self.quantity.shape[axis]
        bases = self.bases.get(self.quantity.name, ())
        fixed = {number_of(base.index, self.sizes) for base in bases if base.axis == axis}
        for _ in range(FURTHEST):
            if number_of(low - number(1), self.sizes) in fixed:
                low = low - number(1)
            elif number_of(high + number(1), self.sizes) in fixed:
                high = high + number(1)
            else:
                break
        return low, high

    def problem(self, axis: int, low: Affine, high: Affine) -> str:
        """What is missing, an element where there is one, and what to do."""
        index, name = self.site.read.indices[axis], self.quantity.name
        size, runs = self.quantity.shape[axis], f"that index of {name} runs from {low} to {high}"
        if isinstance(index, Lookup):
            below = self.quantities[index.array].below
            return f"in {self.site}, {index.array} holds numbers from 1 to {below}, but {runs}"
        side = high - index if self.is_above(index - low) else index - low
        found = self.example(side)
        if found is None:
            start = f"it is not known whether {index} in {self.site} is ever outside: {runs}"
        else:
            at = ", ".join(f"{letter} = {value}" for letter, value in found.items())
            value = moved(index, found)
            is_it = f"{index} is {value} at {at}" if found else f"{index} may be more than {size}"
            start = f"{self.site} may read outside {name}: {is_it}, but {runs}"
            if not found and str(index) != "0":
                start = f"{self.site} may read outside {name}: {runs}"
        return f"{start}; {self.advice(axis, found)}"

    def example(self, side: Affine) -> dict[str, Affine] | None:
        """Letters for which ``side`` is below 0, or as low as it gets; None where none is found."""
        site = self.site
        ranges = [
            Range(r.letter, number_of(r.upper, self.sizes), number_of(r.lower, self.sizes))
            for r in site.ranges
        ]
        plain = [condition_moved(c, self.sizes) for c in site.conditions]
        plain = [c for c in plain if isinstance(c.left, Affine) and isinstance(c.right, Affine)]
        goal = number_of(side, self.sizes)
        shown = {r.letter for r in ranges} & side.names
        for point in every_point(goal, ranges, plain) or ():
            if goal.value(point) < 0:
                return {name: number(value) for name, value in point.items() if name in shown}
        extreme = {
            r.letter: r.lower if side.coefficient(r.letter) > 0 else r.upper
            for r in site.ranges
            if r.letter in shown
        }
        met = (decided(condition_moved(c, extreme), site.ranges) for c in plain)
        return None if any(each is False for each in met) else extreme

    def advice(self, axis: int, found: Mapping[str, Affine] | None) -> str:
        """How to give what is missing."""
        name, indices = self.quantity.name, list(map(str, self.site.read.indices))
        ways = [f"write {name} = 0 in [pad]", "guard the reading by where(…)"]
        if self.quantity.kind is Kind.COMPUTED and found is not None:
            missing = moved(self.site.read.indices[axis], found)
            indices[axis] = str(missing)
            if isinstance(missing, Affine) and not missing.names & {*found}:
                ways.insert(0, f'give the base case "{name}[{",".join(indices)}]"')
        return ", or ".join(ways)


def _are_affine(indices: Sequence[Index]) -> bool:
    return all(isinstance(index, Affine) for index in indices)


def number_of(index: Affine, sizes: Moves) -> Affine:
    """``index`` with the numbers of sizes."""
    found = moved(index, sizes)
    assert isinstance(found, Affine)
    return found
