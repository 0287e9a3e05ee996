"""Whether every index falls inside its shape: `check`.

What falls outside is an element of a base case, or the array is padded, or a condition that is
false there guards the reading; all else is refused, with an element that would be missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from symback.equations.indices import (
    Affine,
    Condition,
    Lookup,
    Moves,
    Range,
    condition_moved,
    decided,
    moved,
    number,
    solved,
    within,
)
from symback.equations.places import (
    MOST_POINTS,
    Site,
    all_hold,
    every_point,
    inner,
    nonnegative,
    shown_read,
    sites,
)
from symback.equations.system import Definition, Kind, Quantity
from symback.equations.terms import Binder, Term
from symback.language.tables import SpecError

ALL_POINTS = 500_000
"""Combinations of letters that are gone through for one file."""
FURTHEST = 64
"""Base cases are looked for so many steps outside a shape."""


def check(
    definitions: Sequence[Definition], quantities: Mapping[str, Quantity], sizes: Moves
) -> None:
    """Refuse base cases that overlap, and whatever is read where nothing is.

    ``sizes`` are the numbers of those sizes that have one.  Raises `SpecError`.
    """
    bases = _base_cases(definitions, quantities, sizes)
    found = [
        (definition, site)
        for definition in definitions
        for site in sites(definition.term, Site(definition.lhs, definition.ranges))
    ]
    most = min(MOST_POINTS, ALL_POINTS // max(len(found), 1))
    for definition, site in found:
        _Reading(definition, site, quantities, bases, sizes, most).check()
    for definition in definitions:
        _check_binders(definition.term, Site(definition.lhs, definition.ranges), definition, sizes)


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
        same = found.setdefault(definition.name, [])
        place = (base.axis, number_of(base.index, sizes))
        if place in ((each.axis, number_of(each.index, sizes)) for each in same):
            raise SpecError(f"{definition.place}: {shown} is defined twice")
        same.append(base)
    return found


@dataclass(frozen=True, slots=True)
class _Reading:
    """One element that an equation reads."""

    definition: Definition
    site: Site
    quantities: Mapping[str, Quantity]
    bases: Mapping[str, list[_Base]]
    sizes: Moves
    most: int

    @property
    def quantity(self) -> Quantity:
        """The array that is read."""
        return self.quantities[self.site.read.array]

    def check(self) -> None:
        """Raise `SpecError` where an index may fall where nothing is."""
        shape = self.quantity.shape
        outside = [k for k, size in enumerate(shape) if not self.is_inside(k, Affine(1), size)]
        if self.quantity.pad is not None:  # but what is looked up is never outside
            outside = [k for k in outside if isinstance(self.site.read.indices[k], Lookup)]
        if not outside:
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
        runs = next((r for r in reversed(self.site.ranges) if r.letter == index.bare), None)
        if runs is not None and (runs.lower, runs.upper) == (low, high):
            return True
        return self.is_above(index - low) and self.is_above(high - index)

    def is_above(self, goal: Affine) -> bool:
        """Whether something is proved to be 0 or more where this is read."""
        return nonnegative(goal, self.site.ranges, self.site.conditions, self.sizes, self.most)

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
        rank = len(self.quantity.shape)
        which = "its index" if rank == 1 else f"index {axis + 1} of {name}"
        value = number_of(high, self.sizes)
        runs = f"{which} runs from {low} to {high}" + (f" = {value}" if value != high else "")
        if isinstance(index, Lookup):
            below = self.quantities[index.array].below
            return f"{index.array} holds numbers from 1 to {below}, but in {self.site} {runs}"
        side = high - index if self.is_above(index - low) else index - low
        found = self.example(side)
        if found is None:
            start = f"nobody can tell whether {self.site} is always inside {name}: {runs}"
        elif found:
            at = ", ".join(f"{letter} = {value}" for letter, value in found.items())
            reads = f"at {at} it reads {moved(index, found)}, but "
            start = f"{self.site} falls outside {name}: {reads}{runs}"
        else:
            start = f"{self.site} falls outside {name}: {runs}"
        return "; ".join((start, *self.advice(axis, found)))

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

    def advice(self, axis: int, found: Mapping[str, Affine] | None) -> tuple[str, ...]:
        """How to give what is missing, where that can be said."""
        name, index = self.quantity.name, self.site.read.indices[axis]
        assert isinstance(index, Affine)
        ways = [f"write {name} = 0 in [pad]", "guard the reading: where(…, …, 0)"]
        letters = {each.letter: each for each in self.site.ranges}
        runs = [each for each in letters.values() if each.letter in index.names]
        names = index.names.union(
            self.quantity.shape[axis].names, *(r.lower.names | r.upper.names for r in runs)
        )
        open_ones = sorted(names - letters.keys() - self.sizes.keys())
        if open_ones:
            ways.insert(0, f"give {' and '.join(open_ones)} a number in [sizes]")
        elif self.quantity.kind is Kind.COMPUTED and found is not None:
            at = list(map(str, self.site.read.indices))
            at[axis] = str(moved(index, found))
            ways.insert(0, f'give the base case "{name}[{",".join(at)}]"')
        elif index.is_number:
            return ()
        return (", or ".join(ways),)


def number_of(index: Affine, sizes: Moves) -> Affine:
    """``index`` with the numbers of sizes."""
    found = moved(index, sizes)
    assert isinstance(found, Affine)
    return found


# ----------------------------------------------------------------------------- nothing to take of

NEEDS_SOME = {
    "mean": "no mean", "max": "no maximum", "min": "no minimum", "logsumexp": "no logsumexp",
}  # fmt: skip


def _check_binders(term: Term, around: Site, definition: Definition, sizes: Moves) -> None:
    """Refuse a mean, a max … of what may be nothing at all; what data decide, they decide."""
    if isinstance(term, Binder) and term.kind in NEEDS_SOME and not _has_some(term, around, sizes):
        kept = " and ".join(map(str, term.conditions)) or str(term.range)
        raise SpecError(
            f"{definition.place}: {term.kind}({term.range.letter} …) may be left with nothing, and "
            f"there is {NEEDS_SOME[term.kind]} of nothing: it is not always so that some "
            f"{term.range.letter} from {term.range.lower} to {term.range.upper} has {kept}; change "
            "the condition, or guard it: where(…, …, 0)"
        )
    for part, site in inner(term, around):
        _check_binders(part, site, definition, sizes)


def _has_some(term: Binder, around: Site, sizes: Moves) -> bool:
    """Whether some number is always kept; sizes that are letters are taken to leave some."""
    run, conditions = term.range, term.conditions
    if not all(isinstance(side, Affine) for c in conditions for side in (c.left, c.right)):
        return True
    if not conditions and number_of(run.upper - run.lower, sizes).names:
        return True
    candidates = [run.lower, run.upper]
    for condition in conditions:
        for one, other in ((condition.left, condition.right), (condition.right, condition.left)):
            edge = solved(one, other, run.letter) if run.letter in one.names else None
            if isinstance(edge, Affine) and run.letter not in edge.names:
                candidates += [edge, edge - number(1), edge + number(1)]
    return any(_is_kept(each, term, around, sizes) for each in candidates) or _is_kept_by_one(
        term, around, sizes
    )


def _is_kept(candidate: Affine, term: Binder, around: Site, sizes: Moves) -> bool:
    """Whether a number is always kept."""
    own = {term.range.letter: candidate}
    conditions = [condition_moved(each, own) for each in term.conditions]
    conditions += within(candidate, term.range.lower, term.range.upper)
    return all(
        any(
            all(nonnegative(goal, around.ranges, around.conditions, sizes) for goal in goals)
            for goals in _goals(condition)
        )
        for condition in conditions
    )


def _goals(condition: Condition) -> tuple[tuple[Affine, ...], ...]:
    """What has to be 0 or more for a condition to hold, in each of the ways in which it does."""
    assert isinstance(condition.left, Affine)
    assert isinstance(condition.right, Affine)
    ahead = condition.right - condition.left
    behind = ahead.times(-1)
    match condition.relation:
        case "<=":
            return ((ahead,),)
        case "<":
            return ((ahead - number(1),),)
        case "==":
            return ((ahead, behind),)
    return ((ahead - number(1),), (behind - number(1),))


def _is_kept_by_one(term: Binder, around: Site, sizes: Moves) -> bool:
    """Whether, with sizes as numbers, each combination of the letters around keeps some number."""
    ranges = [
        Range(each.letter, number_of(each.upper, sizes), number_of(each.lower, sizes))
        for each in (*around.ranges, term.range)
    ]
    inside = [condition_moved(each, sizes) for each in term.conditions]
    outside = [condition_moved(each, sizes) for each in around.conditions]
    names = frozenset().union(*(each.names for each in inside)) - {term.range.letter}
    goal = Affine(0, tuple((name, 1) for name in sorted(names)))
    points = every_point(goal, ranges[:-1], outside)
    run = ranges[-1]
    if points is None or not (run.lower.is_number and run.upper.is_number):
        return False
    span = range(run.lower.constant, run.upper.constant + 1)
    if len(points) * len(span) > MOST_POINTS:
        return False
    return all(any(all_hold(inside, point | {run.letter: u}) for u in span) for point in points)
