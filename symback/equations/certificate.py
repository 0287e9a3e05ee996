"""Adjoints certified a second way: by forward dual numbers over a finite field.

Here one can prove a backward pass: `certify` gives a `Certificate`, or raises `Uncertified` naming
the array whose adjoint is wrong.

**How.**  Add ε·s to every element of every array, with s drawn at random, computed ones where they
are defined.  Dual numbers give the derivative of L by ε going forward through the equations as
they are written, with no backward pass; it must be Σ ∇v·s over all elements, with ∇v computed from
the adjoint definitions.  One number so compares every entry of every adjoint, since s is random.
Both sides are exact, modulo a secret prime (`symback.equations.residues`), so that what differs is
not rounding.  With what `symback.equations.adjoints` does to derive them this shares the slopes of
functions, which are rows of the catalogue, and nothing else.

**At which sizes.**  Numbers of the file, as long as that is soon done; symbolic sizes get small
ones, larger than any offset in an index.  Those at which an index is outside are not taken, and
what a file writes as a number, not as a size, stays that number.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from symback.engine.arithmetics import OutOfRange, VanishingDenominator
from symback.engine.evaluation import OutOfDomain
from symback.engine.matrix import Uncertified
from symback.equations.adjoints import Backward
from symback.equations.elements import Elements, ReadTooEarly, grown
from symback.equations.indexing import At, places_of
from symback.equations.indices import Affine, Index, letter, number
from symback.equations.residues import Decided, Dual, Duals
from symback.equations.system import Definition, Kind, Quantity, System
from symback.equations.terms import Binder, Given, Read, Term, children, total, walk
from symback.language.errors import SymbackError

MOST_WORK = 100_000
"""So many elements are read at most for a certificate, if smaller sizes can be had."""

MOST_CHOICES = 200
"""So many choices of symbolic sizes are tried."""

MOST_POINTS = 80
"""So many points are tried, where roots have no value at some or comparisons go either way."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The adjoints are those of the equations: at each choice of sizes, in so many entries."""

    sizes: tuple[tuple[tuple[str, int], ...], ...]
    entries: int


def certify(both: Backward, sizes: Mapping[str, int] | None = None) -> Certificate:
    """Prove every adjoint of a backward pass at small sizes, or at these.

    Raises `Uncertified` naming the array whose adjoint is not the derivative.
    """
    choices = [[dict(sizes)]] if sizes is not None else _choices(both.forward)
    proved: list[tuple[tuple[str, int], ...]] = []
    entries = 0
    for alternatives in choices:
        for chosen in alternatives:
            found = _proved(both, chosen)
            if found is not None:
                proved.append(tuple(chosen.items()))
                entries += found
                break
    if not proved:
        raise Uncertified(
            "the backward pass is not certified: I found no small sizes at which every index is "
            "inside its array; give the sizes numbers"
        )
    return Certificate(tuple(proved), entries)


def _proved(both: Backward, sizes: Mapping[str, int]) -> int | None:
    """How many entries are proved at these sizes; None where the equations have no sense there."""
    right, wrong = 0, ""
    for _ in range(MOST_POINTS):
        trial = _Trial(both, sizes)
        try:
            _ = trial.backward.loss
        except OutOfRange:
            return None
        except (OutOfDomain, VanishingDenominator) as error:
            wrong = _why(error)
            continue
        try:
            if trial.is_right:
                right += 1
                if right == (_points(trial.entries) if trial.numbers.has_decided else 1):
                    return trial.entries
                continue
            wrong = "the two sides differ"
            if not trial.numbers.has_false_roots:
                raise Uncertified(trial.culprit)
        except (OutOfRange, OutOfDomain, ReadTooEarly, VanishingDenominator) as error:
            raise Uncertified(f"the backward pass is not certified: {_why(error)}") from None
    raise Uncertified(f"the backward pass is not certified: at {MOST_POINTS} points {wrong}")


def _points(entries: int) -> int:
    """At how many points to look where comparisons decide: few entries decide few of them."""
    return min(40, max(4, 600 // max(1, entries)))


def _why(error: Exception) -> str:
    return error.message if isinstance(error, SymbackError) else "it divides by 0"


# ------------------------------------------------------------------------------------ one point


class _Trial:
    """Both sides at one random point."""

    def __init__(self, both: Backward, sizes: Mapping[str, int]) -> None:
        self.both, self.sizes, self.numbers = both, sizes, Decided()
        self.seeds = list(_seeds(both.forward))
        self.adjoints = {name: each[0].definition.name for name, each in both.adjoints.items()}
        self.seeded = _with_seeds(both.forward, self.seeds)
        self.given = self._point()
        self.backward = Elements(both.system, self.given, self.numbers, sizes)
        self.entries = 0

    @property
    def is_right(self) -> bool:
        """Whether the derivative in a direction of all arrays is what the adjoints say."""
        return not self._differs(self.seeds)

    @property
    def culprit(self) -> str:
        """What to say of the first adjoint, from the loss back, that is not the derivative."""
        order = {name: k for k, name in enumerate(self.both.system.defining)}
        ordered = sorted(
            self.seeds, key=lambda seed: order.get(self.adjoints.get(seed.array, ""), -1)
        )
        target = self.both.forward.target
        wrong = next((_general(seed) for seed in ordered if self._differs([seed])), target)
        return f"∂{target}/∂{wrong} as derived is not the derivative of {target}"

    def _differs(self, chosen: Sequence[_Seed]) -> bool:
        """Whether the derivative in a direction of some arrays is not what their adjoints say."""
        numbers, zero = self.numbers, self.numbers.number(Fraction(0))
        given: dict[str, Any] = {}
        for name, value in self.given.items():
            is_index = self.both.forward.by_name[name].kind is Kind.DATA
            given[name] = value if is_index else _mapped(value, lambda v: Dual(v, zero))
        expected = []
        for seed in self.seeds:
            shape = tuple(size.value(self.sizes) for size in seed.shape)
            step = {
                at: numbers.drawn((seed.name, at)) if seed in chosen else zero
                for at in places_of(shape)
            }
            if seed.definition is None:
                own = {at: Dual(self.backward.element(seed.array, at), step[at]) for at in step}
                given[seed.array] = grown(own.__getitem__, shape)
            else:
                given[seed.name] = grown(lambda at, step=step: Dual(zero, step[at]), shape)
            if seed in chosen and seed.array in self.adjoints:
                for at, value in step.items():
                    where = seed.element(at, self.sizes)
                    adjoint = self.backward.element(self.adjoints[seed.array], where)
                    expected.append(numbers.product([adjoint, value]))
        self.entries = max(self.entries, len(expected))
        forward = Elements(self.seeded, given, Duals(numbers), self.sizes)
        return forward.loss.tangent != numbers.total(expected)

    def _point(self) -> dict[str, Any]:
        """A residue for each element of what is given; sums that are facts are as they say."""
        system, numbers = self.both.forward, self.numbers
        known = {fact.array: fact.total for fact in system.facts}
        given = {}
        for quantity in system.quantities:
            if quantity.name in system.defining:
                continue
            shape = tuple(size.value(self.sizes) for size in quantity.shape)
            if quantity.kind is Kind.DATA:
                below = 1 if quantity.below is None else quantity.below.value(self.sizes)
                given[quantity.name] = grown(
                    lambda at, q=quantity.name, b=below: 1 + numbers.drawn((q, at)) % b, shape
                )
                continue
            drawn = {at: numbers.drawn((quantity.name, at)) for at in places_of(shape)}
            if quantity.name in known:
                for at in places_of(shape[:-1]):
                    row = [drawn[*at, k] for k in range(1, shape[-1])]
                    rest = numbers.total([numbers.number(known[quantity.name]), *(-v for v in row)])
                    drawn[*at, shape[-1]] = rest
            given[quantity.name] = grown(drawn.__getitem__, shape)
        return given


def _mapped(value: Any, change: Any) -> Any:
    return tuple(_mapped(v, change) for v in value) if isinstance(value, tuple) else change(value)


# ---------------------------------------------------------------------------------------- seeds


@dataclass(frozen=True, slots=True)
class _Seed:
    """An array that is added to another where ``definition`` defines it (None: where it is read).

    Its indices are those of the letters of the definition, each from 1.
    """

    name: str
    array: str
    shape: tuple[Affine, ...]
    definition: Definition | None = None

    def element(self, at: At, sizes: Mapping[str, int]) -> At:
        """The element of the array that it is added to."""
        if self.definition is None:
            return at
        letters = {
            own.letter: own.lower.value(sizes) + k - 1
            for own, k in zip(self.definition.ranges, at, strict=True)
        }
        return tuple(index.value({**sizes, **letters}) for index in self.definition.at)


def _general(seed: _Seed) -> str:
    """``h[t,i]``, or ``h[0,i]`` for a base case, or the name alone."""
    if seed.definition is None or not seed.definition.at:
        return seed.array
    return f"{seed.array}[{','.join(map(str, seed.definition.at))}]"


def _seeds(system: System) -> Iterator[_Seed]:
    """One for each array that is given, and one for each definition but that of the target."""
    for quantity in system.quantities:
        if quantity.name not in system.defining and quantity.kind is not Kind.DATA:
            yield _Seed(f"{quantity.name}+", quantity.name, quantity.shape)
    for k, definition in enumerate(system.definitions):
        if definition.name != system.target:
            shape = tuple(own.upper - own.lower + number(1) for own in definition.ranges)
            yield _Seed(f"{definition.name}+{k}", definition.name, shape, definition)


def _with_seeds(system: System, seeds: Iterable[_Seed]) -> System:
    """The system in which every definition adds its seed."""
    quantities = list(system.quantities)
    seeded: dict[int, Definition] = {}
    for seed in seeds:
        if seed.definition is not None:
            ranges = seed.definition.ranges
            places = tuple(letter(own.letter) - own.lower + number(1) for own in ranges)
            term = total((seed.definition.term, Read(seed.name, places)))
            seeded[id(seed.definition)] = replace(seed.definition, term=term)
            quantities.append(Quantity(seed.name, Kind.INPUT, seed.shape))
    groups = tuple(
        replace(group, definitions=tuple(seeded.get(id(d), d) for d in group.definitions))
        for group in system.groups
    )
    return replace(system, quantities=tuple(quantities), groups=groups)


# ---------------------------------------------------------------------------------------- sizes


def _choices(system: System) -> Iterator[Iterator[dict[str, int]]]:
    """Sizes at which to certify: of each sequence the first at which the equations have a sense.

    Those of the file, or small ones if that is much work; then, where two sizes are equal, sizes
    that are not, at which one cannot stand for the other.
    """
    known = {name: value for name, value in system.sizes.items() if value is not None}
    is_equal = len({*known.values()}) < len(known)
    if len(known) < len(system.sizes):
        yield _small(system, known)
    elif _work(system, known) <= MOST_WORK:
        yield iter([known])
    else:
        yield itertools.chain(_shrunk(system, known), [known])
        is_equal = False
    if is_equal:  # such sizes need not exist, so that few are tried
        few = itertools.islice(_small(system, {}), 6)
        yield (sizes for sizes in few if _work(system, sizes) <= MOST_WORK // 4)


def _small(system: System, known: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Small numbers for the sizes that have none, different ones if possible."""
    unknown = [name for name in system.sizes if name not in known]
    least = 2 + _offset(system)
    first = [least + k % 3 for k in range(len(unknown))]
    others = itertools.product(*(range(1, least + 4) for _ in unknown))
    numbers = itertools.islice(itertools.chain([first], others), MOST_CHOICES)
    costly = []
    for chosen in dict.fromkeys(map(tuple, numbers)):
        sizes = {n: known.get(n) or chosen[unknown.index(n)] for n in system.sizes}
        if _work(system, sizes) <= MOST_WORK:
            yield sizes
        else:
            costly.append(sizes)
    yield from costly[:1]


def _shrunk(system: System, known: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """The numbers of the file cut down."""
    least = 2 + _offset(system)
    for most in range(least, 2 * least + 4):
        yield {name: min(value, most + k % 2) for k, (name, value) in enumerate(known.items())}


def _offset(system: System) -> int:
    """The largest number that is added in an index or a condition."""
    indices: list[Index] = []
    for definition in system.definitions:
        for part in walk(definition.term):
            match part:
                case Read(_, places):
                    indices += places
                case Given(conditions) | Binder(conditions=conditions):
                    indices += [side for c in conditions for side in (c.left, c.right)]
    return max((abs(i.constant) for i in indices if isinstance(i, Affine)), default=0)


def _work(system: System, sizes: Mapping[str, int]) -> int:
    """How many elements the equations read."""

    def within(term: Term) -> int:
        own = max(1, sum(within(part) for part in children(term)))
        if isinstance(term, Binder):
            return own * max(0, (term.range.upper - term.range.lower).value(sizes) + 1)
        return own

    found = 0
    for definition in system.definitions:
        times = 1
        for own in definition.ranges:
            times *= max(0, (own.upper - own.lower).value(sizes) + 1)
        found += times * within(definition.term)
    return found
