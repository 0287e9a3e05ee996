"""Where a formula reads what: `sites`; and what follows from conditions: `nonnegative`.

Here one can

* list every element that a term reads, those inside indices and conditions too, each with the
  ranges around it and the conditions under which it is read: `sites`; `inner` goes one step in;
* prove that an index is never below another: `nonnegative`, for all sizes, or for the numbers that
  sizes have.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from symback.equations.indices import (
    Affine,
    Condition,
    Index,
    Lookup,
    Moves,
    Range,
    condition_moved,
    holds,
    least,
    moved,
    number,
)
from symback.equations.terms import Binder, Given, Read, Term, children

MOST_CONDITIONS = 12
MOST_POINTS = 5_000
MOST_TRIES = 300
DEEPEST = 3  # conditions that are used together
MOST_TIMES = 64


@dataclass(frozen=True, slots=True)
class Site:
    """An element that is read: within which ranges, under which conditions.

    ``guards`` are those of the conditions that a ``where`` states; the others are of binders.
    """

    read: Read
    ranges: tuple[Range, ...] = ()
    conditions: tuple[Condition, ...] = ()
    guards: tuple[Condition, ...] = ()

    def __str__(self) -> str:
        return shown_read(self.read)


def shown_read(read: Read) -> str:
    """``h[t-1,j]``, or ``L``."""
    return str(Lookup(read.array, read.indices)) if read.indices else read.array  # type: ignore[arg-type]


def sites(term: Term, around: Site) -> Iterator[Site]:
    """Every element that a term reads; ``around`` holds what stands around the term.

    >>> from symback.equations.indices import letter
    >>> read = Read("E", (Lookup("tok", (letter("t"),)), letter("i")))
    >>> [str(each) for each in sites(read, Site(read))]
    ['E[tok[t],i]', 'tok[t]']
    """
    match term:
        case Read(_, indices):
            yield replace(around, read=term)
            yield from _looked_up(indices, around)
        case Given(conditions):
            yield from _in_conditions(conditions, around)
        case Binder(_, range, conditions):
            inside = replace(around, ranges=(*around.ranges, range))
            yield from _in_conditions(conditions, inside)
    for part, inside in inner(term, around):
        yield from sites(part, inside)


def inner(term: Term, around: Site) -> Iterator[tuple[Term, Site]]:
    """The parts of a term, each with what stands around it."""
    match term:
        case Given(conditions, body):
            yield (
                body,
                replace(
                    around,
                    conditions=(*around.conditions, *conditions),
                    guards=(*around.guards, *conditions),
                ),
            )
        case Binder(_, range, conditions, body):
            ranges = (*around.ranges, range)
            conditions = (*around.conditions, *conditions)
            yield body, replace(around, ranges=ranges, conditions=conditions)
        case _:
            for part in children(term):
                yield part, around


def _in_conditions(conditions: Iterable[Condition], around: Site) -> Iterator[Site]:
    for condition in conditions:
        yield from _looked_up((condition.left, condition.right), around)


def _looked_up(indices: Iterable[Index], around: Site) -> Iterator[Site]:
    for index in indices:
        if isinstance(index, Lookup):
            yield replace(around, read=Read(index.array, index.indices))


# ------------------------------------------------------------------------------------- deciding


def nonnegative(
    goal: Affine,
    ranges: Sequence[Range],
    conditions: Iterable[Condition],
    sizes: Moves,
    most: int = MOST_POINTS,
) -> bool:
    """Whether ``goal`` is proved to be 0 or more wherever the conditions hold.

    ``sizes`` are the numbers of sizes, used where it is not so for all sizes; then at most ``most``
    combinations of letters are gone through.

    >>> from symback.equations.indices import letter
    >>> t, u, T = letter("t"), letter("u"), letter("T")
    >>> ranges = [Range("t", T), Range("u", T)]
    >>> nonnegative(t - u - number(1), ranges, [Condition(u, "<", t)], {})
    True
    """
    kept = [each for each in conditions if not _looks_up(each)][:MOST_CONDITIONS]
    if _follows(goal, ranges, _facts(kept, ranges)):
        return True
    if not sizes:
        return False
    goal = _plain(goal, sizes)
    ranges = [Range(r.letter, _plain(r.upper, sizes), _plain(r.lower, sizes)) for r in ranges]
    kept = [condition_moved(each, sizes) for each in kept]
    if _follows(goal, ranges, _facts(kept, ranges)):
        return True
    points = every_point(goal, ranges, kept, most)
    return points is not None and all(goal.value(point) >= 0 for point in points)


def every_point(
    goal: Affine,
    ranges: Sequence[Range],
    conditions: Sequence[Condition],
    most: int = MOST_POINTS,
) -> list[dict[str, int]] | None:
    """The numbers that the letters of ``goal`` may have; None where there are too many to look."""
    known = {each.letter: each for each in ranges}
    wanted = set(goal.names)
    for condition in (*conditions, *conditions):
        if condition.names & wanted:
            wanted |= condition.names
    if not wanted <= known.keys():
        return None
    runs = [(name, known[name]) for name in sorted(wanted)]
    if not all(r.lower.is_number and r.upper.is_number for _, r in runs):
        return None
    spans = [range(r.lower.constant, r.upper.constant + 1) for _, r in runs]
    count = 1
    for span in spans:
        count *= len(span)
        if count > most:
            return None
    related = [each for each in conditions if each.names <= wanted]
    found = []
    for values in itertools.product(*spans):
        point = dict(zip((name for name, _ in runs), values, strict=True))
        if all_hold(related, point):
            found.append(point)
    return found


def all_hold(conditions: Iterable[Condition], point: Mapping[str, int]) -> bool:
    """Whether all conditions, none of which looks anything up, hold for these letters."""
    return all(holds(each, point, _no_data) for each in conditions)


def _no_data(array: str, _: tuple[int, ...]) -> int:
    raise AssertionError(f"{array} is looked up")


def _looks_up(condition: Condition) -> bool:
    return isinstance(condition.left, Lookup) or isinstance(condition.right, Lookup)


def _plain(index: Affine, sizes: Moves) -> Affine:
    found = moved(index, sizes)
    assert isinstance(found, Affine)
    return found


def _facts(conditions: Iterable[Condition], ranges: Sequence[Range]) -> list[Affine]:
    """What the conditions say is 0 or more."""
    found = []
    for condition in conditions:
        left, right = condition.left, condition.right
        assert isinstance(left, Affine)
        assert isinstance(right, Affine)
        ahead, behind = right - left, left - right
        match condition.relation:
            case "<=":
                found.append(ahead)
            case "<":
                found.append(ahead - number(1))
            case "==":
                found += [ahead, behind]
            case _:  # what is not equal, and never below, is above
                for side in (ahead, behind):
                    if (bound := least(side, ranges)) is not None and bound >= 0:
                        found.append(side - number(1))
    return found


def _follows(goal: Affine, ranges: Sequence[Range], facts: Sequence[Affine]) -> bool:
    """Whether the goal is a sum of multiples of facts and of something that is never below 0."""
    waiting = deque([(goal, tuple(facts))])
    for _ in range(MOST_TRIES):
        if not waiting:
            return False
        goal, left = waiting.popleft()
        bound = least(goal, ranges)
        if bound is not None and bound >= 0:
            return True
        if len(facts) - len(left) < DEEPEST:
            for position, fact in enumerate(left):
                rest = left[:position] + left[position + 1 :]
                for times in _multiples(goal, fact):
                    waiting.append((goal - fact.times(times), rest))
    return False


def _multiples(goal: Affine, fact: Affine) -> Iterable[int]:
    """How often a fact may be used so that a letter or a size of the goal goes."""
    found: set[int] = set()
    for name, coefficient in fact.parts:
        ratio = -(-abs(goal.coefficient(name)) // abs(coefficient))
        if goal.coefficient(name) * coefficient > 0 and ratio <= MOST_TIMES:
            found.add(ratio)
    return sorted(found)
