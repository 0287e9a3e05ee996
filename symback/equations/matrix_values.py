"""Matrix forms as numbers: entry by entry what each node says, to compare with the elements.

`Entries` computes a matrix expression, or an index form with einsums, from numbers of the arrays;
`drawn` gives numbers of all arrays of a system at small sizes, from
`symback.equations.elements`, which knows nothing of matrices.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache, partial, reduce
from typing import Any

import numpy as np
import sympy
from sympy import Expr, MatAdd, MatMul, MatrixExpr, Piecewise, Pow, Sum, Symbol, Transpose
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational
from sympy.matrices.expressions.hadamard import HadamardPower, HadamardProduct
from sympy.matrices.expressions.special import OneMatrix, ZeroMatrix

from symback.engine.arithmetics import CONTEXT, FLOATS, RELATIONS, OutOfRange
from symback.equations.elements import Elements
from symback.equations.indices import Affine, Range
from symback.equations.matrix_nodes import (
    FREE,
    KEEPS,
    Along,
    Einsum,
    Entry,
    Leaf,
    Over,
    StepSum,
    Whole,
)
from symback.equations.system import Definition, Group, Kind, Quantity, System
from symback.equations.terms import reads
from symback.language.algebra import Elementwise, Product, Scalar, Terms, Where, value_of

Values = Mapping[str, int]
"""The numbers that sizes and letters are."""


class NotWellFormed(ValueError):
    """Arrays that cannot be put together, or an element that is nowhere."""


SMALL = (2, 3, 4, 5, 6)
"""Numbers that a size may be when a lift is computed."""

MOST = 4000
"""How many ways of giving numbers to sizes are tried."""


def small_sizes(system: System) -> Iterator[dict[str, int]]:
    """Numbers for the sizes with which no index leaves its array; the least and unlike ones first.

    With the sizes that a file gives no lift could be computed where those are in the hundreds.
    """
    names = list(system.sizes)
    checks = [*_reaches(system)]
    least = _furthest(system) + 2  # so that every step of a recurrence is taken
    tried = itertools.chain(
        [tuple(least + place % 3 for place, _ in enumerate(names))],
        itertools.islice(_by_sum(len(names)), MOST),
    )
    for numbers in tried:
        sizes = dict(zip(names, numbers, strict=True))
        if all(check(sizes) for check in checks):
            yield sizes
    if system.known_sizes is not None:
        yield dict(system.known_sizes)


def _furthest(system: System) -> int:
    """The largest number that is added to a letter in an index, 3 at most."""
    found = [
        abs(index.constant)
        for definition in system.definitions
        for reading in reads(definition.term)
        for index in reading.read.indices
        if isinstance(index, Affine) and index.parts
    ]
    return min(3, max(found, default=0))


def _by_sum(count: int) -> Iterator[tuple[int, ...]]:
    """Tuples of small numbers, those that differ least from 2 first."""
    for extra in range(count * (SMALL[-1] - 2) + 1):
        yield from _with_sum(count, extra)


def _with_sum(count: int, extra: int) -> Iterator[tuple[int, ...]]:
    if not count:
        if not extra:
            yield ()
        return
    for more in range(min(extra, SMALL[-1] - 2) + 1):
        for rest in _with_sum(count - 1, extra - more):
            yield (2 + more, *rest)


def _reaches(system: System) -> Iterator[Callable[[Values], bool]]:
    """For each index that is read without a condition, whether it stays inside its array."""
    for definition in system.definitions:
        if system.by_name[definition.name].kind is Kind.ADJOINT:
            continue
        for reading in reads(definition.term):
            quantity = system.by_name[reading.read.array]
            has_base = any(each.is_base for each in system.defining.get(quantity.name, ()))
            if reading.conditions or quantity.pad is not None or has_base:
                continue
            ranges = {each.letter: each for each in (*definition.ranges, *reading.ranges)}
            for index, size in zip(reading.read.indices, quantity.shape, strict=True):
                if isinstance(index, Affine):
                    yield partial(_stays, index, size, ranges)


def _stays(index: Affine, size: Affine, ranges: Mapping[str, Range], sizes: Values) -> bool:
    ends = []
    for is_upper in (False, True):
        found = index.constant
        for name, coefficient in index.parts:
            over = ranges.get(name)
            if over is None:
                found += coefficient * sizes[name]
            else:
                edge = over.upper if (coefficient > 0) == is_upper else over.lower
                found += coefficient * edge.value(sizes)
        ends.append(found)
    return ends[0] >= 1 and ends[1] <= size.value(sizes)


def drawn(
    system: System, named: Mapping[str, Definition], sizes: Mapping[str, int], sign: bool
) -> Elements:
    """All arrays of ``system``, and what a lift has named, for numbers that hashes choose.

    ``sign`` lets them be negative.  Raises `OutOfRange` where these sizes do not do; so may asking
    for an element, and `OutOfDomain` where the numbers do not.
    """
    more = tuple(
        Quantity(name, Kind.COMPUTED, tuple(each.upper for each in definition.ranges))
        for name, definition in named.items()
    )
    groups = tuple(Group((definition,)) for definition in named.values())
    whole = replace(
        system,
        sizes=dict.fromkeys(system.sizes),
        quantities=(*system.quantities, *more),
        groups=(*system.groups, *groups),
        values={},
    )
    given: dict[str, Any] = {}
    for quantity in system.quantities:
        if quantity.name in system.defining:
            continue
        shape = [size.value(sizes) for size in quantity.shape]
        if min(shape, default=1) < 1:
            raise OutOfRange(f"{quantity.name} would have no entries")
        below = quantity.below.value(sizes) if quantity.below is not None else 1
        entry = _index_drawn(below) if quantity.kind is Kind.DATA else _number_drawn(sign)
        given[quantity.name] = _nested(quantity.name, shape, entry)
    return Elements(whole, given, FLOATS, sizes)


def _hash(name: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(name).encode()).digest()[:6], "big")


def _index_drawn(below: int) -> Callable[[object], int]:
    return lambda name: 1 + _hash(name) % below


def _number_drawn(sign: bool) -> Callable[[object], Fraction]:
    def number(name: object) -> Fraction:
        value = Fraction(1 + _hash(name) % 999_983, 700_000)
        return -value if sign and _hash((name, "sign")) % 2 else value

    return number


def _nested(name: str, shape: Sequence[int], entry: Callable[[object], Any], at: Any = ()) -> Any:
    if len(at) == len(shape):
        return entry((name, at))
    return [_nested(name, shape, entry, (*at, k)) for k in range(1, shape[len(at)] + 1)]


class Entries:
    """The entries of expressions over arrays whose elements are ``elements``.

    ``zero`` says which elements count as 0 although there are none: those that a lift took for
    granted, ∇a_{T+1}.  Other elements outside of an array have any number whatever.
    """

    def __init__(
        self,
        elements: Elements,
        named: Mapping[str, Definition],
        zero: Callable[[str, tuple[int, ...], Values], bool],
    ) -> None:
        self.elements, self.named, self.zero = elements, named, zero

    def element(self, array: str, at: tuple[int, ...]) -> Any:
        """One number."""
        try:
            return self.elements.element(array, at)
        except OutOfRange:
            if array in self.named:
                raise NotWellFormed(f"{array} reads an element that does not exist") from None
            if self.zero(array, at, self.elements.sizes):
                return CONTEXT.mpf(0)
            return FLOATS.number(_number_drawn(True)((array, at, "outside")))

    def part(self, array: str, places: Sequence[Expr], values: Values) -> np.ndarray:
        """An array with an axis for each free place."""
        shape = self.elements.shape(array)
        runs = [
            range(1, size + 1) if place == FREE else [_whole(place, values)]
            for place, size in zip(places, shape, strict=True)
        ]
        found = [self.element(array, at) for at in itertools.product(*runs)]
        kept = [len(run) for run, place in zip(runs, places, strict=True) if place == FREE]
        return _filled(found, kept)

    # ----------------------------------------------------------------------------- matrices

    def matrix(self, expr: MatrixExpr, values: Values) -> np.ndarray:
        """Rows by columns; ``values`` are sizes and the letters of steps."""
        match expr:
            case Leaf():
                found = self.part(expr.array, expr.places, values)
                return found.reshape((*found.shape, 1, 1)[:2])
            case OneMatrix() | ZeroMatrix():
                entry = CONTEXT.mpf(int(isinstance(expr, OneMatrix)))
                rows, columns = (_whole(size, values) for size in expr.shape)
                return np.full((rows, columns), entry, dtype=object)
            case Transpose():
                return self.matrix(expr.arg, values).T
            case MatAdd():
                return reduce(np.add, self._alike(expr.args, values))
            case HadamardProduct():
                return reduce(np.multiply, self._alike(expr.args, values))
            case HadamardPower():
                exponent = self.number(expr.exp, values)
                base = self.matrix(expr.base, values)
                return _mapped(lambda entry: FLOATS.power(entry, exponent), base)
            case Elementwise():
                arrays = self._alike(expr.arrays, values)
                names, body = expr.rule.variables, expr.rule.expr

                def entry(*numbers: Any) -> Any:
                    return self.number(body, values, dict(zip(names, numbers, strict=True)))

                return _mapped(entry, *arrays)
            case Where():
                test, yes, no = self._alike(expr.args, values)
                return np.where(test.astype(bool), yes, no)
            case StepSum():
                return self._steps(expr, values)
            case Along():
                return self._along(expr, values)
            case MatMul():
                return self._product(expr, values)
        raise NotWellFormed(f"no way to compute {type(expr).__name__}")

    def _product(self, expr: MatMul, values: Values) -> np.ndarray:
        number, matrices = expr.as_coeff_matrices()
        made, *rest = (self.matrix(part, values) for part in matrices)
        for right in rest:
            if made.shape[1] != right.shape[0]:
                raise NotWellFormed(f"{_by(made)} times {_by(right)}")
            made = made @ right
        return made * self.number(number, values)

    def _steps(self, expr: StepSum, values: Values) -> np.ndarray:
        lower, upper = (_whole(limit, values) for limit in expr.limits)
        zero = OneMatrix(*expr.shape)
        found = self.matrix(zero, values) * 0
        for step in range(lower, upper + 1):
            found = found + self.matrix(expr.body, {**values, expr.letter.name: step})
        return found

    def _along(self, expr: Along, values: Values) -> np.ndarray:
        array = self.matrix(expr.matrix, values)
        mask = np.ones(array.shape) if expr.mask is None else self.matrix(expr.mask, values)
        if mask.shape != array.shape:
            raise NotWellFormed(f"{_by(array)} under {_by(mask)}")
        rows, masks = (array, mask) if expr.axis else (array.T, mask.T)
        found = [_along_row(expr.function, *pair) for pair in zip(rows, masks, strict=True)]
        result = np.array(found, dtype=object)
        if expr.function not in KEEPS:
            result = result.reshape((-1, 1))
        return result if expr.axis else result.T

    def _alike(self, parts: Sequence[MatrixExpr], values: Values) -> list[np.ndarray]:
        arrays = [self.matrix(part, values) for part in parts]
        if len({array.shape for array in arrays}) > 1:
            raise NotWellFormed(" and ".join(map(_by, arrays)))
        return arrays

    # ------------------------------------------------------------------- numbers, index notation

    def number(self, expr: Expr, values: Values, known: Mapping[Expr, Any] | None = None) -> Any:
        """One number; ``known`` are those of placeholders."""
        known = known or {}
        if expr in known:
            return known[expr]
        match expr:
            case sympy.Rational():
                return FLOATS.number(Fraction(int(expr.p), int(expr.q)))
            case Symbol():
                return CONTEXT.mpf(values[expr.name])
            case Scalar():
                return self.matrix(expr.matrix, values)[0, 0]
            case Entry():
                return self._entry(expr, values)
            case Sum():
                letter, lower, upper = expr.limits[0]
                steps = range(_whole(lower, values), _whole(upper, values) + 1)
                found = (
                    self.number(expr.function, {**values, letter.name: step}, known)
                    for step in steps
                )
                return sum(found, CONTEXT.mpf(0))
            case Over():
                return self._over(expr, values)
            case Piecewise():
                for value, test in expr.args:
                    if test == sympy.true or self.number(test, values, known):
                        return self.number(value, values, known)
            case sympy.And():
                return all(self.number(part, values, known) for part in expr.args)
            case Relational():
                left, right = (self.number(side, values, known) for side in expr.args)
                if isinstance(expr, (sympy.Eq, sympy.Ne)):
                    return (left == right) == isinstance(expr, sympy.Eq)
                return RELATIONS[expr.rel_op](left, right)
        parts = [self.number(part, values, known) for part in expr.args]
        match expr:
            case sympy.Add() | Terms():
                return sum(parts, CONTEXT.mpf(0))
            case sympy.Mul() | Product():
                return reduce(lambda one, other: one * other, parts, CONTEXT.mpf(1))
            case Pow():
                return FLOATS.power(*parts)
            case sympy.Max() | sympy.Min():
                return max(parts) if isinstance(expr, sympy.Max) else min(parts)
            case AppliedUndef():
                z = Symbol("z", real=True)
                return self.number(_formula(type(expr).__name__), values, {z: parts[0]})
            case sympy.Function():
                return FLOATS.function(type(expr).__name__, *parts)
            case sympy.NumberSymbol():
                return FLOATS.constant(expr)
        raise NotWellFormed(f"no way to compute {type(expr).__name__}")

    def _entry(self, expr: Entry, values: Values) -> Any:
        at = [values[letter.name] for letter in expr.letters]
        whole = expr.whole
        if isinstance(whole, Whole):
            rest = iter(at)
            place = tuple(
                next(rest) if place == FREE else _whole(place, values) for place in whole.places
            )
            return self.element(whole.array, place)
        if isinstance(whole, MatrixExpr):
            return self.matrix(whole, values)[(*(index - 1 for index in at), 0, 0)[:2]]
        own = {letter.name: number for letter, number in zip(whole.out, at, strict=True)}
        assert isinstance(whole, Einsum)
        return self._einsum(whole, {**values, **own})

    def _over(self, expr: Over, values: Values) -> Any:
        """A softmax and the like, at the number that its letter is; a maximum as a whole."""
        steps = range(1, _whole(expr.upper, values) + 1)
        runs = [{**values, expr.letter.name: step} for step in steps]
        row = np.array([self.number(expr.body, run) for run in runs], dtype=object)
        mask = np.array([self.number(expr.mask, run) for run in runs], dtype=object)
        found = _along_row(expr.function, row, mask)
        return found[values[expr.letter.name] - 1] if expr.function in KEEPS else found

    def _shape(self, whole: Expr, values: Values) -> list[int]:
        """How long each free index of an array is."""
        if isinstance(whole, MatrixExpr):
            return [_whole(size, values) for size in whole.shape]
        if isinstance(whole, Einsum):
            sizes = {
                letter: size
                for operand in whole.operands
                for letter, size in zip(
                    operand.letters, self._shape(operand.whole, values), strict=False
                )
            }
            return [sizes[letter] for letter in whole.out]
        assert isinstance(whole, Whole)
        shape = zip(self.elements.shape(whole.array), whole.places, strict=True)
        return [size for size, place in shape if place == FREE]

    def _einsum(self, expr: Einsum, values: Values) -> Any:
        """Σ over the letters that are not in the result; each runs as far as its arrays reach."""
        sizes: dict[str, int] = {}
        for operand in expr.operands:
            shape = self._shape(operand.whole, values)
            for letter, size in zip(operand.letters, shape, strict=False):
                if sizes.setdefault(letter.name, size) != size:
                    raise NotWellFormed(f"{letter} runs over {sizes[letter.name]} and {size}")
        inner = [name for name in sizes if Symbol(name) not in {Symbol(o.name) for o in expr.out}]
        found = CONTEXT.mpf(0)
        for at in itertools.product(*(range(1, sizes[name] + 1) for name in inner)):
            here = {**values, **dict(zip(inner, at, strict=True))}
            found += reduce(
                lambda one, other: one * other, (self._entry(o, here) for o in expr.operands)
            )
        return found


@cache
def _formula(name: str) -> Expr:
    return value_of(f"{name}(z)", {"z": Symbol("z", real=True)})


def _along_row(function: str, row: np.ndarray, mask: np.ndarray) -> Any:
    kept = [entry for entry, counts in zip(row, mask, strict=True) if counts]
    match function:
        case "max":
            return max(kept)
        case "min":
            return min(kept)
        case "logsumexp":
            return CONTEXT.log(sum(map(CONTEXT.exp, kept)))
        case "softmax":
            total = sum(map(CONTEXT.exp, kept), CONTEXT.mpf(0))
            return [
                CONTEXT.exp(entry) / total if counts else CONTEXT.mpf(0)
                for entry, counts in zip(row, mask, strict=True)
            ]
        case "argmax" | "argmin":
            best = (max if function == "argmax" else min)(kept)
            first = next(k for k, entry in enumerate(row) if mask[k] and entry == best)
            return [CONTEXT.mpf(int(k == first)) for k in range(len(row))]
    raise NotWellFormed(f"no way to compute {function} of a row")


def _whole(expr: Expr, values: Values) -> int:
    numbers = {each: sympy.Integer(values[str(each)]) for each in expr.free_symbols}
    return int(expr.xreplace(numbers))


def _mapped(function: Callable[..., Any], *arrays: np.ndarray) -> np.ndarray:
    return np.frompyfunc(function, len(arrays), 1)(*arrays)


def _filled(entries: Sequence[Any], shape: Sequence[int]) -> np.ndarray:
    array = np.empty(len(entries), dtype=object)
    array[:] = list(entries)
    return array.reshape(shape)


def _by(array: np.ndarray) -> str:
    return " × ".join(map(str, array.shape))


def places(ranges: Sequence[Any], sizes: Values) -> Iterator[dict[str, int]]:
    """Every way in which letters can be numbers, by name."""
    runs = [range(each.lower.value(sizes), each.upper.value(sizes) + 1) for each in ranges]
    for at in itertools.product(*runs):
        yield {each.letter: value for each, value in zip(ranges, at, strict=True)}
