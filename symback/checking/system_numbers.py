"""The numbers that the checker computes a system with: doubles with their error, or 50 digits.

Here one can

* carry a bound on the rounding error beside each number of an array: `Rounded`, whose operations
  are those of `ROUNDED` (running error analysis, as in `symback.checking.array_rounding`, but for
  whole arrays at once);
* compute with 50 digits, where two formulas that agree at random points are the same: `DIGITS`.

Both are a `Kit`: the operations that `symback.checking.system_values` asks for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np

from symback.engine.arithmetics import CONTEXT, FLOATS, Undefined
from symback.language.functions import ELEMENTARY

EPS = float(np.finfo(float).eps) / 2
FUNCTION_ROUNDINGS = 4
"""Elementary functions are good to so many units in the last place."""


class Kit(Protocol):
    """Arithmetic on arrays of one kind of number; ``a`` and ``b`` are such arrays."""

    def number(self, value: Fraction) -> Any:
        """A rational number."""
        ...

    def whole(self, values: np.ndarray) -> Any:
        """An array of whole numbers."""
        ...

    def pi(self) -> Any:
        """π."""
        ...

    def doubles(self, values: np.ndarray) -> Any:
        """An array of doubles that somebody may hold in less digits."""
        ...

    def zeros(self, shape: tuple[int, ...]) -> Any:
        """An array of zeros that can be written to."""
        ...

    def add(self, a: Any, b: Any) -> Any:
        """a + b."""
        ...

    def times(self, a: Any, b: Any) -> Any:
        """a · b."""
        ...

    def power(self, a: Any, b: Any) -> Any:
        """a ** b."""
        ...

    def function(self, name: str, a: Any) -> Any:
        """An elementary function of the catalogue."""
        ...

    def sum(self, a: Any, axis: int) -> Any:
        """Σ along an axis, which stays."""
        ...

    def choose(self, mask: np.ndarray, a: Any, b: Any) -> Any:
        """``a`` where the mask is true, else ``b``."""
        ...

    def values(self, a: Any) -> np.ndarray:
        """The plain numbers, to compare and to sort."""
        ...

    def at(self, a: Any, index: Any) -> Any:
        """``a[index]``."""
        ...

    def put(self, a: Any, index: Any, new: Any) -> None:
        """``a[index] = new``."""
        ...

    def spread(self, a: Any, shape: tuple[int, ...]) -> Any:
        """``a`` broadcast."""
        ...


def extreme(kit: Kit, kind: str, a: Any, b: Any) -> Any:
    """The larger or the smaller of two, entry by entry."""
    compare = np.greater_equal if kind == "max" else np.less_equal
    return kit.choose(np.asarray(compare(kit.values(a), kit.values(b)), dtype=bool), a, b)


# --------------------------------------------------------------------------------- 50 digits


def _elementwise(compute: Callable[..., Any], *arrays: Any) -> np.ndarray:
    return np.asarray(np.frompyfunc(compute, len(arrays), 1)(*arrays), dtype=object)


class Digits:
    """Real numbers of 50 digits in object arrays; raises `Undefined` outside a domain."""

    def number(self, value: Fraction) -> Any:
        """A rational number."""
        return np.array(FLOATS.number(value), dtype=object)

    def whole(self, values: np.ndarray) -> Any:
        """An array of whole numbers."""
        return _elementwise(lambda each: CONTEXT.mpf(int(each)), values)

    def pi(self) -> Any:
        """π."""
        return np.array(+CONTEXT.pi, dtype=object)

    def doubles(self, values: np.ndarray) -> Any:
        """An array of doubles that somebody may hold in less digits."""
        return _elementwise(lambda each: CONTEXT.mpf(float(each)), values)

    def zeros(self, shape: tuple[int, ...]) -> Any:
        """An array of zeros that can be written to."""
        return np.full(shape, CONTEXT.mpf(0), dtype=object)

    def add(self, a: Any, b: Any) -> Any:
        """a + b."""
        return np.asarray(np.add(a, b), dtype=object)

    def times(self, a: Any, b: Any) -> Any:
        """a · b."""
        return np.asarray(np.multiply(a, b), dtype=object)

    def power(self, a: Any, b: Any) -> Any:
        """a ** b."""
        return _elementwise(self._power, a, b)

    def _power(self, base: Any, exponent: Any) -> Any:
        if base == 0 and exponent < 0:
            raise Undefined("1/0")
        return FLOATS.power(base, exponent)

    def function(self, name: str, a: Any) -> Any:
        """An elementary function of the catalogue."""
        called = ELEMENTARY[name].sympy or name
        return _elementwise(lambda value: FLOATS.function(called, value), a)

    def sum(self, a: Any, axis: int) -> Any:
        """Σ along an axis, which stays."""
        if not a.shape[axis]:
            return self.zeros(tuple(1 if k == axis else n for k, n in enumerate(a.shape)))
        return np.add.reduce(a, axis=axis, keepdims=True)

    def choose(self, mask: np.ndarray, a: Any, b: Any) -> Any:
        """``a`` where the mask is true, else ``b``."""
        return np.where(mask, a, b)

    def values(self, a: Any) -> np.ndarray:
        """The plain numbers, to compare and to sort."""
        return np.asarray(a, dtype=object)

    def at(self, a: Any, index: Any) -> Any:
        """``a[index]``."""
        return a[index]

    def put(self, a: Any, index: Any, new: Any) -> None:
        """``a[index] = new``."""
        a[index] = new

    def spread(self, a: Any, shape: tuple[int, ...]) -> Any:
        """``a`` broadcast."""
        return np.broadcast_to(a, shape)


DIGITS = Digits()

# --------------------------------------------------------------------------- doubles with error


@dataclass(frozen=True, slots=True)
class Rounded:
    """Doubles and, in units of rounding, how far correct arithmetic may end up from the truth."""

    value: np.ndarray
    error: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the array."""
        return self.value.shape


def _rounded(value: Any, error: Any) -> Rounded:
    value = np.asarray(value, dtype=float)
    return Rounded(value, np.broadcast_to(np.asarray(error, dtype=float), value.shape))


def _erf(values: Any) -> np.ndarray:
    return np.asarray(np.frompyfunc(math.erf, 1, 1)(values), dtype=float)


class Doubles:
    """Doubles that know how uncertain they are."""

    def number(self, value: Fraction) -> Rounded:
        """A rational number."""
        return _rounded(float(value), 0 if Fraction(float(value)) == value else abs(float(value)))

    def whole(self, values: np.ndarray) -> Rounded:
        """An array of whole numbers."""
        return _rounded(values, 0)

    def pi(self) -> Rounded:
        """π."""
        return _rounded(math.pi, math.pi)

    def doubles(self, values: np.ndarray) -> Rounded:
        """An array of doubles that somebody may hold in less digits."""
        return _rounded(np.array(values, dtype=float), abs(np.asarray(values, dtype=float)))

    def zeros(self, shape: tuple[int, ...]) -> Rounded:
        """An array of zeros that can be written to."""
        return Rounded(np.zeros(shape), np.zeros(shape))

    def add(self, a: Rounded, b: Rounded) -> Rounded:
        """a + b."""
        found = a.value + b.value
        return _rounded(found, a.error + b.error + abs(found))

    def times(self, a: Rounded, b: Rounded) -> Rounded:
        """a · b."""
        found = a.value * b.value
        return _rounded(found, abs(a.value) * b.error + abs(b.value) * a.error + abs(found))

    def power(self, a: Rounded, b: Rounded) -> Rounded:
        """a ** b."""
        if (b.error == 0).all() and (b.value == np.round(b.value)).all():
            found = np.power(a.value, b.value)
            slope = abs(b.value * np.power(a.value, b.value - 1)) * (b.value != 0)
            return _rounded(found, slope * a.error + FUNCTION_ROUNDINGS * abs(found))
        found = np.power(a.value, b.value)
        slope = abs(b.value * np.power(a.value, b.value - 1))
        with np.errstate(all="ignore"):
            other = abs(found * np.log(a.value)) * (b.error > 0)
        return _rounded(found, slope * a.error + other * b.error + FUNCTION_ROUNDINGS * abs(found))

    def function(self, name: str, a: Rounded) -> Rounded:
        """An elementary function of the catalogue."""
        row = ELEMENTARY[name]
        compute: Callable[..., Any] = (
            _erf if name == "erf" else getattr(np, row.numpy.removeprefix("np.") or row.name)
        )
        found = compute(a.value)
        step = np.maximum(a.error * EPS, abs(a.value) * 1e-7 + 1e-9)
        moved = np.maximum(
            abs(compute(a.value + step) - found), abs(compute(a.value - step) - found)
        )
        moved = np.where(np.isfinite(moved), moved, abs(found))
        return _rounded(found, moved / step * a.error + FUNCTION_ROUNDINGS * abs(found))

    def sum(self, a: Rounded, axis: int) -> Rounded:
        """Σ along an axis, which stays."""
        found = a.value.sum(axis=axis, keepdims=True)
        weight = abs(a.value).sum(axis=axis, keepdims=True)
        count = max(1, int(np.ceil(np.log2(a.value.shape[axis] + 1))))
        return _rounded(found, a.error.sum(axis=axis, keepdims=True) + count * weight)

    def choose(self, mask: np.ndarray, a: Rounded, b: Rounded) -> Rounded:
        """``a`` where the mask is true, else ``b``."""
        return _rounded(np.where(mask, a.value, b.value), np.where(mask, a.error, b.error))

    def values(self, a: Rounded) -> np.ndarray:
        """The plain numbers, to compare and to sort."""
        return a.value

    def at(self, a: Rounded, index: Any) -> Rounded:
        """``a[index]``."""
        return Rounded(a.value[index], a.error[index])

    def put(self, a: Rounded, index: Any, new: Rounded) -> None:
        """``a[index] = new``."""
        a.value[index] = new.value
        a.error[index] = new.error

    def spread(self, a: Rounded, shape: tuple[int, ...]) -> Rounded:
        """``a`` broadcast."""
        return Rounded(np.broadcast_to(a.value, shape), np.broadcast_to(a.error, shape))


DOUBLES = Doubles()
