"""How far rounding may carry a number: a network's own equations in running error analysis.

Here one can get, for every quantity and every derivative of a network, a bound on how far correct
arithmetic in float32 or float64 may end up from the true value: `bounds`.

Every number carries the true value and a bound on its error.  A sum adds the bounds, a product
weighs each with the other factor, a function is evaluated at both ends, and every operation adds
one rounding; so 1 - h with h near 1 is seen to have lost its digits, and Σ w h to be as uncertain
as its largest terms.  (Running error analysis: Higham, *Accuracy and Stability of Numerical
Algorithms*, 2nd ed., section 3.3.)  Inputs that the precision cannot hold, such as 0.1, are taken
to be rounded too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symback.engine.arithmetics import FLOATS, RELATIONS, Floats, Undefined, number
from symback.engine.derivation import BackwardPass
from symback.engine.evaluation import Numbers

SAFETY = 8
"""Other orders of summation and other correct formulas may lose a little more than symback's."""

FUNCTION_ROUNDINGS = 4
"""Elementary functions are good to so many units in the last place."""


@dataclass(frozen=True, slots=True)
class Precision:
    """A floating-point format: half the gap above 1, and the smallest number with all digits."""

    name: str
    unit: float
    tiny: float

    def holds(self, value: Any) -> bool:
        """Whether it can represent ``value`` exactly."""
        return value == 0 or number(self.round(value)) == value

    def round(self, value: Any) -> float:
        """``value`` in this format."""
        with np.errstate(over="ignore", under="ignore"):
            return float(np.dtype(self.name).type(float(value)))


HALF, SINGLE, DOUBLE = (
    Precision(name, float(np.finfo(name).eps) / 2, float(np.finfo(name).tiny))
    for name in ("float16", "float32", "float64")
)

HUGE = 1e300
"""The error where nothing is known; an infinity would turn 0 · ∞ into NaN."""


class Inexact:
    """A true value, its size, and how far a rounded computation may be from it.

    The value has all digits; size and error are doubles, which is enough for a bound.
    """

    __slots__ = ("error", "precision", "size", "value")

    def __init__(self, value: Any, error: float, precision: Precision, roundings: int = 0) -> None:
        self.value, self.precision = value, precision
        self.size = min(abs(float(value)), HUGE)
        if roundings and self.value != 0:
            error += roundings * (precision.unit * self.size + precision.tiny)
        self.error = min(error, HUGE)

    def _exactly(self, other: Any) -> Inexact:
        return other if isinstance(other, Inexact) else Inexact(other, 0.0, self.precision)

    def __add__(self, other: Any) -> Inexact:
        other = self._exactly(other)
        return Inexact(self.value + other.value, self.error + other.error, self.precision, 1)

    def __mul__(self, other: Any) -> Inexact:
        other = self._exactly(other)
        error = self.size * other.error + other.size * self.error + self.error * other.error
        return Inexact(self.value * other.value, error, self.precision, 1)

    __radd__, __rmul__ = __add__, __mul__

    def through(self, function: Callable[[Any], Any]) -> Inexact:
        """function(self), by its values at both ends."""
        value, error = function(self.value), 0.0
        if self.error:
            ends = (self.value + self.error, self.value - self.error)
            error = max(_distance(function, end, value) for end in ends)
        return Inexact(value, error, self.precision, FUNCTION_ROUNDINGS)


def _distance(function: Callable[[Any], Any], end: Any, value: Any) -> float:
    try:
        return min(float(abs(function(end) - value)), HUGE)
    except (Undefined, ZeroDivisionError):
        return HUGE


@dataclass(frozen=True, slots=True)
class _Doubt:
    """Whether a comparison holds, and whether rounding may decide it."""

    holds: bool
    is_near: bool


class _Rounding(Floats):
    """The engine's arithmetic of 50 digits, with `Inexact` for numbers."""

    def __init__(self, precision: Precision) -> None:
        self.precision = precision

    def function(self, name: str, *values: Any) -> Any:
        (value,) = values
        if isinstance(value, Inexact):
            return value.through(lambda entry: FLOATS.function(name, entry))
        return FLOATS.function(name, value)

    def power(self, value: Any, exponent: Any) -> Any:
        if isinstance(exponent, Inexact):  # what either leaves uncertain where the other is exact
            parts = (
                exponent.through(lambda entry: FLOATS.power(_exact(value), entry)),
                self.power(value, exponent.value),
            )
            error = sum(part.error for part in parts if isinstance(part, Inexact))
            return Inexact(parts[0].value, error, self.precision)
        if not isinstance(value, Inexact):
            return FLOATS.power(value, exponent)
        if exponent < 0 and value.size <= value.error:
            return Inexact(FLOATS.power(value.value, exponent), HUGE, value.precision)
        return value.through(lambda entry: FLOATS.power(entry, exponent))

    def compared(self, left: Any, relation: str, right: Any) -> Any:
        def doubt(one: Any, other: Any) -> _Doubt:
            gap = one + -1 * other
            is_near = isinstance(gap, Inexact) and gap.size <= gap.error
            return _Doubt(RELATIONS[relation](_exact(one), _exact(other)), is_near)

        return np.frompyfunc(doubt, 2, 1)(left, right)

    def every(self, conditions: Sequence[Any]) -> Any:
        return _doubts(all, conditions)

    def some(self, conditions: Sequence[Any]) -> Any:
        return _doubts(any, conditions)

    def chosen(self, holds: Any, yes: Any, no: Any) -> Any:
        """The chosen case; where rounding may choose the other, the two are that uncertain."""

        def one(doubt: _Doubt, yes: Any, no: Any) -> Any:
            chosen = yes if doubt.holds else no
            if not doubt.is_near:
                return chosen
            gap = _exact(yes) - _exact(no)
            return Inexact(0 * gap, float(abs(gap)), self.precision) + chosen

        return np.frompyfunc(one, 3, 1)(holds, yes, no)


def _exact(value: Any) -> Any:
    return value.value if isinstance(value, Inexact) else value


def _doubts(join: Callable[[Iterable[bool]], bool], conditions: Sequence[Any]) -> Any:
    def joined(*each: _Doubt) -> _Doubt:
        return _Doubt(join(one.holds for one in each), any(one.is_near for one in each))

    return np.frompyfunc(joined, len(conditions), 1)(*conditions)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far each entry may be off: of every quantity, and of every ∂L/∂quantity, by name."""

    values: Mapping[str, np.ndarray]
    gradients: Mapping[str, np.ndarray]


def bounds(numbers: Numbers, backward: BackwardPass, precision: Precision) -> Bounds:
    """The bounds for ``numbers`` where everything is computed in ``precision``."""

    def rounded_input(value: Any) -> Inexact:
        return Inexact(value, 0.0, precision, 0 if precision.holds(value) else 1)

    def error(entry: Any) -> float:
        return min(SAFETY * entry.error, HUGE) if isinstance(entry, Inexact) else 0.0

    rounded = Numbers(numbers.graph, numbers.given)
    rounded.arithmetic = _Rounding(precision)
    inexact = np.frompyfunc(rounded_input, 1, 1)
    rounded.given = {name: np.asarray(inexact(array)) for name, array in rounded.given.items()}
    errors = np.vectorize(error, otypes=[float])
    found = rounded.forward, rounded.gradients(backward)
    return Bounds(*({name: errors(array) for name, array in each.items()} for each in found))
