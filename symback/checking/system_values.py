"""All arrays of a system at given numbers, whole arrays at once.

Here one can

* compute every array of a system, forward and adjoint: `evaluated`, in doubles with a bound on
  their error or in 50 digits (`symback.checking.system_numbers`);
* compute one definition from arrays that are known: `defined`;
* draw numbers for all that is given, with sizes that tell the axes apart: `drawn`, `Point`.

`symback.equations.elements` says what an element is and is the reference; this serves the checker,
which must evaluate hundreds of changed definitions, at the sizes of somebody's arrays.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np

from symback.checking.system_numbers import DOUBLES, Kit, extreme
from symback.equations.functions import formula
from symback.equations.indices import Affine, Condition, Index, Lookup
from symback.equations.system import Definition, Group, Kind, Quantity, System
from symback.equations.terms import (
    Binder,
    Call,
    Given,
    Measure,
    Number,
    Plus,
    Power,
    Read,
    Term,
    Times,
    Where,
)
from symback.language.errors import SymbackError
from symback.language.functions import ELEMENTARY

MOST_ENTRIES = 30_000_000
"""Of one array that stands between, so that nobody's machine is filled."""


class OutsideArray(SymbackError):
    """An element is read that its array does not have, at these sizes."""


class TooManyEntries(SymbackError):
    """The arrays are too large to be compared here."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The numbers of an array; ``first`` is the index that its entries [0, 0, …] have.

    ``known`` is false where there is no element, beside the base cases.
    """

    values: Any
    first: tuple[int, ...]
    known: np.ndarray

    def main(self, shape: Sequence[int], kit: Kit) -> Any:
        """The part from 1 on that its quantity's shape describes."""
        cut = tuple(slice(1 - f, 1 - f + n) for f, n in zip(self.first, shape, strict=True))
        return kit.at(self.values, cut)


@dataclass(frozen=True, slots=True)
class Point:
    """Numbers for what is given: sizes, arrays as doubles, and whole numbers for indices."""

    sizes: Mapping[str, int]
    given: Mapping[str, np.ndarray]
    data: Mapping[str, np.ndarray] = field(default_factory=dict)

    def shape(self, quantity: Quantity) -> tuple[int, ...]:
        """The numbers of a shape."""
        return tuple(each.value(self.sizes) for each in quantity.shape)


def drawn(system: System, sizes: Mapping[str, int], seed: int) -> Point:
    """Random numbers of a few digits for all that is given; sizes as they are.

    What has a logarithm or a root taken of it is not known here, so that all numbers are of the
    size that weights have; the same seed gives the same point.
    """
    chance = random.Random(seed)
    given, data = {}, {}
    point = Point(sizes, given, data)
    for each in system.quantities:
        shape = point.shape(each) if each.kind is not Kind.COMPUTED else ()
        count = int(np.prod(shape)) if shape else 1
        if each.kind is Kind.DATA:
            top = each.below.value(sizes) if each.below is not None else 1
            numbers = [chance.randint(1, top) for _ in range(count)]
            if count > 2 or (count == 2 and seed % 2):
                numbers[-1] = numbers[0]  # entries that meet at one element must be seen to add up
            data[each.name] = np.array(numbers).reshape(shape)
        elif each.kind in (Kind.PARAMETER, Kind.INPUT):
            signs = (-1, 1) if shape else (1,)  # a scalar such as eps stands under a root
            numbers = [chance.choice(signs) * chance.randint(80, 990) / 1024 for _ in range(count)]
            given[each.name] = np.array(numbers).reshape(shape)
    return point


# --------------------------------------------------------------------------------- one pass


def evaluated(
    system: System,
    point: Point,
    kit: Kit = DOUBLES,
    *,
    known: Mapping[str, Stored] | None = None,
    changed: Mapping[Definition, Term] | None = None,
) -> dict[str, Stored]:
    """Every array of ``system`` at a point.

    ``known`` holds arrays that are not computed again; ``changed`` puts another right side for a
    definition's own.  Raises `OutsideArray`, `TooManyEntries` and
    `symback.engine.arithmetics.Undefined`.
    """
    found = dict(known or {}) or starting(system, point, kit)
    changed, kept = changed or {}, frozenset(found)
    work = _Evaluator(system, point, kit, found)
    with np.errstate(all="ignore"):
        for group in system.groups:
            if any(each.name not in kept for each in group.definitions):
                work.group(group, changed)
    return found


def starting(system: System, point: Point, kit: Kit = DOUBLES) -> dict[str, Stored]:
    """The arrays that are given, as those that are computed are stored."""
    found = {}
    for each in system.quantities:
        if each.name in point.given:
            array = np.asarray(point.given[each.name], dtype=float)
            values = kit.doubles(array)
            found[each.name] = Stored(values, (1,) * array.ndim, np.ones(array.shape, dtype=bool))
    return found


def defined(
    definition: Definition,
    term: Term,
    system: System,
    point: Point,
    kit: Kit,
    known: Mapping[str, Stored],
) -> Stored:
    """What a definition gives with ``term`` for its right side, from arrays that are known."""
    new = replace(definition, name=f"{definition.name}'")
    own = tuple(replace(e, name=new.name) for e in system.defining[definition.name])
    found = dict(known)
    work = _Evaluator(system, point, kit, found)
    with np.errstate(all="ignore"):
        work.group(Group((new,)), {new: term}, beside=own)
    return found[new.name]


Letters = tuple[tuple[str, np.ndarray], ...]


class _Evaluator:
    """Evaluates terms with an axis for each letter, in the order in which they were bound."""

    def __init__(self, system: System, point: Point, kit: Kit, found: dict[str, Stored]) -> None:
        self.system, self.point, self.kit, self.found = system, point, kit, found

    # ---------------------------------------------------------------------------- definitions

    def group(
        self,
        group: Group,
        changed: Mapping[Definition, Term],
        beside: Sequence[Definition] = (),
    ) -> None:
        """Compute the arrays of a group, step by step where it is a recurrence."""
        for name in dict.fromkeys(each.name for each in group.definitions):
            if name not in self.found:
                own = self.system.defining.get(name, ())
                self._make(name, (*own, *beside) or group.definitions)
        if not group.is_recurrence:
            for each in group.definitions:
                self._fill(each, changed.get(each, each.term), {})
            return
        steps: set[int] = set()
        spans = {}
        for each in group.definitions:
            axis = group.axes.get(each.name)
            index = None if axis is None else each.at[axis]
            runs = {r.letter: r for r in each.ranges}
            if index is None:
                span: Iterable[int] = ()
            elif index.bare in runs:
                span = self._run(runs[index.bare].lower, runs[index.bare].upper)
            else:
                span = (index.value(self.point.sizes),)
            spans[each] = (index, set(span))
            steps |= set(span)
        for each in group.definitions:
            if spans[each][0] is None:
                self._fill(each, changed.get(each, each.term), {})
        for step in sorted(steps, reverse=not group.forward):
            for each in group.definitions:
                index, span = spans[each]
                if index is not None and step in span:
                    fixed = (
                        {index.bare: step} if index.bare in {r.letter for r in each.ranges} else {}
                    )
                    self._fill(each, changed.get(each, each.term), fixed)

    def _run(self, lower: Affine, upper: Affine) -> range:
        return range(lower.value(self.point.sizes), upper.value(self.point.sizes) + 1)

    def _make(self, name: str, definitions: Sequence[Definition]) -> None:
        """Room for an array and its base cases."""
        lows, highs = [], []
        for each in definitions:
            runs = {r.letter: self._run(r.lower, r.upper) for r in each.ranges}
            spans = [
                runs[index.bare] if index.bare in runs
                else range(index.value(self.point.sizes), index.value(self.point.sizes) + 1)
                for index in each.at
            ]  # fmt: skip
            if all(len(span) for span in spans):
                lows.append([span[0] for span in spans])
                highs.append([span[-1] for span in spans])
        quantity = self.system.by_name.get(name)
        if quantity is not None and quantity.shape:
            lows.append([1] * len(quantity.shape))
            highs.append(list(self.point.shape(quantity)))
        first = tuple(map(min, zip(*lows, strict=True)))
        last = tuple(map(max, zip(*highs, strict=True)))
        shape = tuple(b - a + 1 for a, b in zip(first, last, strict=True))
        self._room(shape)
        known = np.zeros(shape, dtype=bool)
        self.found[name] = Stored(self.kit.zeros(shape), first, known)

    def _room(self, shape: Iterable[int]) -> None:
        if int(np.prod([*shape, 1], dtype=np.int64)) > MOST_ENTRIES:
            raise TooManyEntries(
                f"an array of {' × '.join(map(str, shape))} entries would be needed; "
                f"the limit is {MOST_ENTRIES}"
            )

    def _fill(self, each: Definition, term: Term, fixed: Mapping[str | None, int]) -> None:
        letters: Letters = tuple(
            (r.letter, np.array([fixed[r.letter]]) if r.letter in fixed
             else np.array(self._run(r.lower, r.upper), dtype=int))
            for r in each.ranges
        )  # fmt: skip
        alive = np.ones((1,) * len(letters), dtype=bool)
        value = self.term(term, letters, alive)
        target = self.found[each.name]
        axes = {name: k for k, (name, _) in enumerate(letters)}
        value = self.kit.spread(value, tuple(len(v) for _, v in letters))
        order = [axes[index.bare] for index in each.at if index.bare in axes]
        value = self._transposed(value, order)
        places = [
            letters[axes[index.bare]][1] if index.bare in axes
            else np.array([index.value(self.point.sizes)])
            for index in each.at
        ]  # fmt: skip
        shape = tuple(map(len, places))
        where = np.ix_(*(p - f for p, f in zip(places, target.first, strict=True)))
        self.kit.put(target.values, where, self._shaped(value, shape))
        target.known[where] = True

    def _transposed(self, value: Any, order: Sequence[int]) -> Any:
        if isinstance(value, np.ndarray):
            return np.transpose(value, order)
        return type(value)(np.transpose(value.value, order), np.transpose(value.error, order))

    def _shaped(self, value: Any, shape: tuple[int, ...]) -> Any:
        if isinstance(value, np.ndarray):
            return value.reshape(shape)
        return type(value)(value.value.reshape(shape), value.error.reshape(shape))

    # ---------------------------------------------------------------------------------- terms

    def term(self, term: Term, letters: Letters, alive: np.ndarray) -> Any:
        """A term, each letter an axis; what is not ``alive`` is not read and of no account."""
        kit = self.kit
        match term:
            case Number(value):
                return self._at_rank(kit.number(value), letters)
            case Measure(index):
                return kit.whole(self.index(index, letters))
            case Read():
                return self._read(term, letters, alive)
            case Plus(terms):
                return reduce(kit.add, (self.term(each, letters, alive) for each in terms))
            case Times(factors):
                found = [self.term(each, letters, alive) for each in factors]
                self._room(np.broadcast_shapes(*(each.shape for each in found)))
                return reduce(kit.times, found)
            case Power(base, exponent):
                return kit.power(
                    self._safe(self.term(base, letters, alive), alive),
                    self.term(exponent, letters, alive),
                )
            case Call(("max" | "min") as kind, arguments):
                parts = [self.term(each, letters, alive) for each in arguments]
                return reduce(lambda a, b: extreme(kit, kind, a, b), parts)
            case Call("pi", ()):
                return self._at_rank(kit.pi(), letters)
            case Call(function, (argument,)) if function not in ELEMENTARY:
                return self.term(formula(function, argument), letters, alive)
            case Call(function, (argument,)):
                return kit.function(
                    function, self._safe(self.term(argument, letters, alive), alive)
                )
            case Where(left, relation, right, yes, no):
                sides = [kit.values(self.term(each, letters, alive)) for each in (left, right)]
                compare = np.less if relation == "<" else np.less_equal
                mask = np.asarray(compare(*sides), dtype=bool)
                return kit.choose(
                    mask,
                    self.term(yes, letters, alive & mask),
                    self.term(no, letters, alive & ~mask),
                )
            case Given(conditions, body):
                mask = self.mask(conditions, letters)
                inside = self.term(body, letters, alive & mask)
                return kit.choose(mask, inside, self._at_rank(kit.number(Fraction(0)), letters))
            case Binder():
                return self._binder(term, letters, alive)
        raise TypeError(f"{term} has no value")

    def _at_rank(self, value: Any, letters: Letters) -> Any:
        return self._shaped(value, (1,) * len(letters))

    def _safe(self, value: Any, alive: np.ndarray) -> Any:
        """1 where nothing is alive, so that no function is asked outside its domain there."""
        if alive.all():
            return value
        shape = np.broadcast_shapes(value.shape, alive.shape)
        return self.kit.choose(
            np.broadcast_to(alive, shape),
            self.kit.spread(value, shape),
            self.kit.number(Fraction(1)),
        )

    def index(self, index: Index, letters: Letters) -> np.ndarray:
        """The whole numbers of an index, each letter an axis."""
        if isinstance(index, Lookup):
            places = [self.index(each, letters) for each in index.indices]
            data = self.point.data[index.array]
            cut = [np.clip(p - 1, 0, n - 1) for p, n in zip(places, data.shape, strict=True)]
            return (
                data[tuple(np.broadcast_arrays(*cut))]
                if cut
                else np.full((1,) * len(letters), data)
            )
        found = np.full((1,) * len(letters), index.constant, dtype=int)
        own = {name: k for k, (name, _) in enumerate(letters)}
        for name, coefficient in index.parts:
            if name in own:
                k = own[name]
                shape = tuple(-1 if axis == k else 1 for axis in range(len(letters)))
                found = found + coefficient * letters[k][1].reshape(shape)
            else:
                found = found + coefficient * self.point.sizes[name]
        return found

    def mask(self, conditions: Iterable[Condition], letters: Letters) -> np.ndarray:
        """Where all conditions hold."""
        found = np.ones((1,) * len(letters), dtype=bool)
        for each in conditions:
            left, right = self.index(each.left, letters), self.index(each.right, letters)
            held = {"==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal}
            found = found & held[each.relation](left, right)
        return found

    def _read(self, read: Read, letters: Letters, alive: np.ndarray) -> Any:
        stored = self.found.get(read.array)
        if stored is None:
            raise OutsideArray(f"{read.array} is read before it is known")
        if not read.indices:
            return self._at_rank(stored.values, letters)
        places = [
            self.index(each, letters) - f
            for each, f in zip(read.indices, stored.first, strict=True)
        ]
        size = stored.values.shape
        inside = reduce(
            np.logical_and, ((p >= 0) & (p < n) for p, n in zip(places, size, strict=True))
        )
        cut = tuple(np.clip(p, 0, max(n - 1, 0)) for p, n in zip(places, size, strict=True))
        shape = np.broadcast_shapes(*(p.shape for p in places))
        self._room(shape)
        if 0 in size:
            inside = np.zeros(shape, dtype=bool)
            values = self.kit.zeros(shape)
        else:
            cut = tuple(np.broadcast_arrays(*cut))
            inside = np.broadcast_to(inside, shape) & stored.known[cut]
            values = self.kit.at(stored.values, cut)
        if inside.all():
            return values
        quantity = self.system.by_name.get(read.array)
        pad = None if quantity is None else quantity.pad
        if pad is None:
            lost = alive & ~inside
            if lost.any():
                raise OutsideArray(f"{read.array} is read outside of its shape")
            pad = Fraction(0)
        return self.kit.choose(inside, values, self._at_rank(self.kit.number(pad), letters))

    def _binder(self, binder: Binder, letters: Letters, alive: np.ndarray) -> Any:
        kit, axis = self.kit, len(letters)
        run = np.array(self._run(binder.range.lower, binder.range.upper), dtype=int)
        hidden = tuple((f"{n}'" if n == binder.range.letter else n, v) for n, v in letters)
        inner: Letters = (*hidden, (binder.range.letter, run))
        alive = alive[..., None]
        mask = self.mask(binder.conditions, inner)
        if not len(run):
            return self._at_rank(kit.number(Fraction(0)), letters)
        body = self.term(binder.body, inner, alive & mask)
        shape = np.broadcast_shapes(
            body.shape, mask.shape, (*(1,) * axis, len(run)) if len(run) else body.shape
        )
        self._room(shape)
        body, mask = kit.spread(body, shape), np.broadcast_to(mask, shape)
        nothing = kit.number(Fraction(0))
        match binder.kind:
            case "sum":
                found = kit.sum(kit.choose(mask, body, nothing), axis)
            case "mean":
                count = kit.whole(np.maximum(mask.sum(axis=axis, keepdims=True), 1))
                summed = kit.sum(kit.choose(mask, body, nothing), axis)
                found = kit.times(summed, kit.power(count, kit.number(Fraction(-1))))
            case "count":
                found = kit.whole(mask.sum(axis=axis, keepdims=True))
            case "last":
                found = self._last(body, mask, axis)
            case "max" | "min" | "argmax" | "argmin":
                return self._largest(binder, body, mask, letters)
            case "logsumexp" | "softmax":
                return self._exponentials(binder, body, mask, letters)
            case _:
                raise TypeError(f"{binder.kind} has no value")
        return self._dropped(found)

    def _dropped(self, value: Any) -> Any:
        return self._shaped(value, value.shape[:-1])

    def _last(self, body: Any, mask: np.ndarray, axis: int) -> Any:
        """The last one that is kept, as if each assignment overwrote the one before."""
        size = mask.shape[axis]
        last = size - 1 - np.argmax(np.flip(mask, axis), axis=axis)
        chosen = np.arange(size) == last[..., None]
        return self.kit.sum(
            self.kit.choose(mask & chosen, body, self.kit.number(Fraction(0))), axis
        )

    def _best(self, kind: str, body: Any, mask: np.ndarray) -> np.ndarray:
        """True at the first entry along the last axis that is kept and largest, or least."""
        numbers = self.kit.values(body)
        sign = 1 if kind.endswith("max") else -1
        low = np.full(mask.shape, -np.inf, dtype=object if numbers.dtype == object else float)
        weighed = np.where(mask, sign * numbers, low)
        best = np.argmax(weighed, axis=-1)
        return (np.arange(mask.shape[-1]) == best[..., None]) & mask

    def _largest(self, binder: Binder, body: Any, mask: np.ndarray, letters: Letters) -> Any:
        chosen = self._best(binder.kind, body, mask)
        if not binder.kind.startswith("arg"):
            nothing = self.kit.number(Fraction(0))
            return self._dropped(self.kit.sum(self.kit.choose(chosen, body, nothing), -1))
        return self._placed(binder, self.kit.whole(chosen.astype(int)), letters)

    def _exponentials(self, binder: Binder, body: Any, mask: np.ndarray, letters: Letters) -> Any:
        kit, nothing = self.kit, self.kit.number(Fraction(0))
        top = kit.sum(kit.choose(self._best("max", body, mask), body, nothing), -1)
        lowered = kit.add(body, kit.times(top, kit.number(Fraction(-1))))
        lowered = kit.choose(mask, lowered, nothing)
        raised = kit.choose(mask, kit.function("exp", lowered), nothing)
        total = kit.sum(raised, -1)
        if binder.kind == "logsumexp":
            return self._dropped(kit.add(kit.function("log", total), top))
        shares = kit.times(raised, kit.power(total, kit.number(Fraction(-1))))
        return self._placed(binder, shares, letters)

    def _placed(self, binder: Binder, values: Any, letters: Letters) -> Any:
        """The entries along the last axis at the index ``at``, which belongs to the letters."""
        assert binder.at is not None
        first = self._run(binder.range.lower, binder.range.upper)[0]
        places = self.index(binder.at, letters) - first
        shape = np.broadcast_shapes(values.shape[:-1], places.shape)
        values = self.kit.spread(values, (*shape, values.shape[-1]))
        grid = np.ogrid[tuple(slice(n) for n in shape)]
        places = np.broadcast_to(places, shape)
        inside = (places >= 0) & (places < values.shape[-1])
        cut = (*grid, np.clip(places, 0, values.shape[-1] - 1))
        found = self._shaped(self.kit.at(values, cut), shape)
        return self.kit.choose(inside, found, self._at_rank(self.kit.number(Fraction(0)), letters))
