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

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from sympy import Expr, Symbol

from symback.engine.derivation import BackwardPass
from symback.engine.values import Evaluator, Numbers, Undefined, number

__all__ = ["DOUBLE", "HALF", "SINGLE", "Bounds", "Precision", "bounds"]

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


def _precision(name: str) -> Precision:
    facts = np.finfo(name)
    return Precision(name, float(facts.eps) / 2, float(facts.tiny))


HALF, SINGLE, DOUBLE = (_precision(name) for name in ("float16", "float32", "float64"))

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

    def __gt__(self, other: Any) -> bool:
        return self.value > self._exactly(other).value

    def __ge__(self, other: Any) -> bool:
        return self.value >= self._exactly(other).value

    def __lt__(self, other: Any) -> bool:
        return self.value < self._exactly(other).value

    def __le__(self, other: Any) -> bool:
        return self.value <= self._exactly(other).value


def _distance(function: Callable[[Any], Any], end: Any, value: Any) -> float:
    try:
        return min(float(abs(function(end) - value)), HUGE)
    except (Undefined, ZeroDivisionError):
        return HUGE


class _Rounding(Evaluator):
    """Symback's evaluation of expressions, with `Inexact` for numbers."""

    precision: Precision

    def _apply(self, function: Callable[[Any], Any], argument: Expr):
        def carried(entry: Any) -> Any:
            return entry.through(function) if isinstance(entry, Inexact) else function(entry)

        array, axes = self.value(argument)
        return np.vectorize(carried, otypes=[object])(array), axes

    def _pow(self, expr: sympy.Pow):
        if expr.base == sympy.E or not expr.exp.is_number:
            return super()._pow(expr)
        exponent, _ = self.value(expr.exp)
        power = exponent.item()
        array, axes = self.value(expr.base)
        raised = np.frompyfunc(lambda entry: _raised(entry, power), 1, 1)(array)
        return np.asarray(raised, dtype=object), axes

    def _choose(self, condition: Expr, then, otherwise):
        """The chosen case; where rounding may choose the other, the two are that uncertain."""
        chosen, axes = super()._choose(condition, then, otherwise)
        near, own = self._near(condition)
        if not near.any():
            return chosen, axes
        yes, no, unsure = (self._aligned(value, axes) for value in (then, otherwise, (near, own)))
        gaps = np.frompyfunc(_gap, 2, 1)(yes, no) * unsure.astype(int)
        spread: Any = np.frompyfunc(self._spread, 1, 1)(gaps)
        return np.asarray(np.add(chosen, spread), dtype=object), axes

    def _spread(self, gap: Any) -> Inexact:
        return Inexact(0 * gap, float(gap), self.precision)

    def _near(self, condition: Expr) -> tuple[np.ndarray, tuple[Symbol, ...]]:
        """Where rounding may decide whether a comparison holds."""
        if isinstance(condition, (sympy.And, sympy.Or)):
            return self._join([self._near(part) for part in condition.args], np.logical_or)
        sides = [self.value(condition.lhs), self.value(-condition.rhs)]
        difference, axes = self._join(sides, np.add)
        close = np.vectorize(lambda d: isinstance(d, Inexact) and d.size <= d.error, otypes=[bool])
        return close(difference), axes


def _raised(entry: Any, power: Any) -> Any:
    def function(base: Any) -> Any:
        if base < 0 and power != int(power):
            raise Undefined("a root of a negative number")
        return base**power

    if not isinstance(entry, Inexact):
        return function(entry)
    if power < 0 and entry.size <= entry.error:
        return Inexact(function(entry.value), HUGE, entry.precision)
    return entry.through(function)


def _gap(yes: Any, no: Any) -> Any:
    """How far apart the values of two cases are."""
    values = [each.value if isinstance(each, Inexact) else each for each in (yes, no)]
    return abs(values[0] - values[1])


class _Rounded(Numbers):
    """The numbers of a network as `Inexact`."""

    def __init__(self, numbers: Numbers, precision: Precision) -> None:
        super().__init__(numbers.graph, numbers.given)
        self.precision = precision
        inexact = np.frompyfunc(self._input, 1, 1)
        self.given = {name: np.asarray(inexact(array)) for name, array in self.given.items()}

    def _input(self, value: Any) -> Inexact:
        held = self.precision.holds(value)
        return Inexact(value, 0.0, self.precision, 0 if held else 1)

    def evaluator(self, environment, adjoints) -> Evaluator:
        made = _Rounding(environment, self._sizes, adjoints, self.graph)
        made.precision = self.precision
        return made


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far each entry may be off: of every quantity, and of every ∂L/∂quantity, by name."""

    values: Mapping[str, np.ndarray]
    gradients: Mapping[str, np.ndarray]


def bounds(numbers: Numbers, backward: BackwardPass, precision: Precision) -> Bounds:
    """The bounds for ``numbers`` where everything is computed in ``precision``."""
    rounded = _Rounded(numbers, precision)
    values = {name: _errors(array) for name, array in rounded.forward.items()}
    gradients = rounded.gradients(backward)
    return Bounds(values, {name: _errors(array) for name, array in gradients.items()})


def _errors(array: np.ndarray) -> np.ndarray:
    def error(entry: Any) -> float:
        known = isinstance(entry, Inexact)
        return min(SAFETY * entry.error, HUGE) if known else 0.0

    return np.vectorize(error, otypes=[float])(array)
