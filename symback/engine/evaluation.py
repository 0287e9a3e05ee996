"""One evaluator of index notation, and the numbers of a network, from its own equations.

Here one can

* evaluate an expression at all values of its indices at once, in `Floats` or `Opaque` numbers:
  `Evaluator.array`;
* carry out the forward pass: `Numbers(graph, given).forward`;
* evaluate every adjoint that a backward pass derived: `Numbers.gradients`;
* take a central difference of the loss, which knows nothing of any derivation:
  `Numbers.central_difference`, and see in how many digits two numbers agree: `agreement`;
* take one step of gradient descent: `Numbers.updated`.

**Two trees, one set of numbers.**  The SymPy expressions of a graph are evaluated here, all entries
of an array in one go, every case of a function given by cases: a layer of 100 neurons is one
product of arrays, and a softmax has one sum.  The formulas of a page are evaluated in
`symback.checking.evaluation`, number by number at a point, in the order they are written, and no
further than a condition asks: which conditions are met on the way is what the checker cuts the
space into cells by.  Neither order would do for the other, so each tree has its walk; the numbers
of both are those of `symback.engine.arithmetics`.

`Numbers` have fifty digits, because a check is worth most where it cannot be blamed on rounding: an
exponential never overflows, and a central difference with step 1e-30 is right to some fifty
digits.  Doubles come out only at the end (`as_floats`).  This is the one place where the 1-based
indices of mathematics become the 0-based ones of NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from typing import Any

import numpy as np
import sympy
from sympy import Add, Expr, Indexed, KroneckerDelta, Mul, Piecewise, Pow, Sum, Symbol
from sympy.core.relational import Relational

from symback.engine.arithmetics import (
    CONTEXT,
    DIGITS,
    FLOATS,
    Floats,
    Opaque,
    Undefined,
    number,
    without_noise,
)
from symback.engine.derivation import BackwardPass
from symback.engine.graph import Graph, base_name
from symback.language.algebra import Partial, Product, Terms
from symback.language.errors import SymbackError
from symback.language.names import Reference, Variable, element_name

STEP = "1e-30"

Axed = tuple[np.ndarray, tuple[Symbol, ...]]
"""An array of numbers, and the index that each of its axes stands for."""


class MissingNumbers(SymbackError):
    """Some quantities have no number, so nothing can be evaluated."""


class OutOfDomain(SymbackError):
    """A function was given a number it is not defined for, e.g. the logarithm of 0."""


@dataclass(frozen=True, slots=True)
class Kink:
    """Why there is no central difference: the quantity that sits where a slope jumps."""

    name: str


# -------------------------------------------------------------------------------- index notation


class Evaluator:
    """Evaluates expressions over all values of their indices at once.

    ``known`` holds the array of each quantity by the name that expressions use, ``W_1`` for W1, and
    that of its adjoint by ``∇W_1``; a text instead of an array says why there is none.  ``sizes``
    are the numbers that widths stand for.
    """

    def __init__(
        self,
        numbers: Floats | Opaque,
        known: dict[str, Any],
        sizes: Mapping[Expr, int],
    ) -> None:
        self.numbers, self.known, self.sizes = numbers, known, sizes

    def array(self, expr: Expr, free: Sequence[Symbol], shape: Sequence[Expr]) -> np.ndarray:
        """``expr`` as an array with one axis for each of ``free``, in that order."""
        limits = {letter: self.size(size) for letter, size in zip(free, shape, strict=True)}
        found = _aligned(self.value(expr, limits), tuple(free))
        return np.array(np.broadcast_to(found, tuple(limits.values())), dtype=object)

    def size(self, limit: Expr) -> int:
        """The number that a width stands for."""
        return self.sizes[limit] if limit in self.sizes else int(limit)

    def value(self, expr: Expr, limits: Mapping[Symbol, int]) -> Axed:
        """The value and the index each axis stands for; indices run from 1 to their limits."""
        numbers = self.numbers
        match expr:
            case sympy.Rational():
                return _plain(numbers.number(Fraction(int(expr.p), int(expr.q))))
            case Indexed():
                return self.element(expr.base.name, expr.indices, limits)
            case Symbol() if expr in self.sizes:
                return _plain(numbers.number(Fraction(self.sizes[expr])))
            case Symbol():
                return self.element(expr.name, (), limits)
            case Partial():
                indices = getattr(expr.by, "indices", ())
                return self.element(f"∇{base_name(expr.by)}", indices, limits)
            case Add() | Terms():
                return _joined(self._values(expr.args, limits), numbers.total)
            case Mul() | Product():
                return _joined(self._values(expr.args, limits), numbers.product)
            case Pow() if expr.base == sympy.E:
                return _entrywise(partial(numbers.function, "exp"), [self.value(expr.exp, limits)])
            case Pow() if expr.exp.is_Rational:
                power = partial(numbers.power, exponent=expr.exp)
                return _entrywise(power, [self.value(expr.base, limits)])
            case Pow():
                return _entrywise(numbers.power, self._values(expr.args, limits))
            case Sum():
                return self._sum(expr, limits)
            case KroneckerDelta():
                one, zero = (numbers.number(Fraction(k)) for k in (1, 0))
                places = [
                    _plain(int(index))
                    if index.is_Integer
                    else (np.arange(1, limits[index] + 1), (index,))
                    for index in expr.args
                ]
                return _entrywise(lambda i, q: one if i == q else zero, places)
            case Piecewise():
                *cases, (last, condition) = expr.args
                if condition != sympy.true:
                    raise TypeError("a case without a value")
                result = self.value(last, limits)
                for value, condition in reversed(cases):
                    parts = [*self._values((condition, value), limits), result]
                    result = _joined(parts, lambda three: numbers.chosen(*three))
                return result
            case Relational():
                sides = self._values((expr.lhs, expr.rhs), limits)
                return _joined(sides, lambda two: numbers.compared(two[0], expr.rel_op, two[1]))
            case sympy.And() | sympy.Or():
                join = numbers.every if isinstance(expr, sympy.And) else numbers.some
                return _joined(self._values(expr.args, limits), join)
            case sympy.NumberSymbol():
                return _plain(numbers.constant(expr))
            case sympy.Function() | sympy.Max() | sympy.Min():
                function = partial(numbers.function, type(expr).__name__)
                return _entrywise(function, self._values(expr.args, limits))
        raise TypeError(f"no way to evaluate {type(expr).__name__}")

    def _values(self, exprs: Sequence[Expr], limits: Mapping[Symbol, int]) -> list[Axed]:
        return [self.value(expr, limits) for expr in exprs]

    def element(self, name: str, indices: Sequence[Any], limits: Mapping[Symbol, int]) -> Axed:
        """A quantity: number indices pick (1 → 0), letters become axes; a letter twice is one."""
        array = self.known.get(name, f"it is made of {name}, which has none")
        if isinstance(array, str):
            raise Undefined(array)
        letters = tuple(dict.fromkeys(index for index in indices if not index.is_Integer))
        if len(letters) == len(indices):
            return array, letters
        places = tuple(
            int(index) - 1
            if index.is_Integer
            else np.arange(size).reshape([-1 if letter == index else 1 for letter in letters])
            for index, size in zip(indices, array.shape, strict=True)
        )
        return np.asarray(array[places], dtype=object), letters

    def _sum(self, expr: Sum, limits: Mapping[Symbol, int]) -> Axed:
        bound, _, upper = expr.limits[0]
        size = self.size(upper)
        array, axes = self.value(expr.function, {**limits, bound: size})
        if bound not in axes:
            times = _plain(self.numbers.number(Fraction(size)))
            return _joined([(array, axes), times], self.numbers.product)
        axis = axes.index(bound)
        assert array.shape[axis] == size, f"{bound} runs over {array.shape[axis]} elements"
        total = self.numbers.total(list(np.moveaxis(array, axis, 0)))
        return np.asarray(total, dtype=object), axes[:axis] + axes[axis + 1 :]


def _plain(value: Any) -> Axed:
    return np.array(value, dtype=object), ()


def _aligned(value: Axed, axes: Sequence[Symbol]) -> np.ndarray:
    """The array with its axes in the order of ``axes`` and length 1 where it has none."""
    array, own = value
    moved = np.transpose(array, [own.index(letter) for letter in axes if letter in own])
    sizes = iter(moved.shape)
    return moved.reshape([next(sizes) if letter in own else 1 for letter in axes])


def _joined(values: Sequence[Axed], join: Callable[[list[np.ndarray]], Any]) -> Axed:
    """Arrays combined over the union of their axes."""
    axes = tuple(dict.fromkeys(letter for _, own in values for letter in own))
    return np.asarray(join([_aligned(value, axes) for value in values]), dtype=object), axes


def _entrywise(function: Callable[..., Any], values: Sequence[Axed]) -> Axed:
    """A function of numbers applied to arrays."""
    return _joined(values, lambda arrays: np.frompyfunc(function, len(arrays), 1)(*arrays))


# ------------------------------------------------------------------------------ a network's numbers


def as_floats(array: Any) -> Any:
    """An array of 50-digit numbers as nested lists of doubles, each correctly rounded."""
    return np.vectorize(float, otypes=[float])(array).tolist()


def agreement(first: Any, second: Any) -> int:
    """To how many significant digits two numbers agree; `DIGITS` where they are equal."""
    if first == second:
        return DIGITS
    size = max(abs(first), abs(second))
    if size < CONTEXT.mpf("1e-30"):  # both vanish as far as a central difference can tell
        return 30
    shared = int(-CONTEXT.log10(abs(first - second) / size))
    return min(max(0, shared), DIGITS)


class Gradients(dict[str, np.ndarray]):
    """The gradients by name; ``undefined`` says of the others why they have no value.

    To ask for one of those raises `OutOfDomain`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.undefined: dict[str, str] = {}

    def __missing__(self, name: str) -> np.ndarray:
        if name in self.undefined:
            raise OutOfDomain(self.undefined[name])
        raise KeyError(name)


class Numbers:
    """The numbers of ``graph`` for the ``given`` inputs and parameters.

    ``given`` maps names of the contract (``x``, ``y``, ``W1``, ``b1``, or a leaf of an [equations]
    file) to numbers or nested sequences of them, shaped as the variables are: ``W1`` is (out, in),
    a batch has one row a sample.  A computed quantity that is given too, such as ``h1``, keeps what
    it was given, and everything computed from it follows.

    Raises `MissingNumbers` naming what has no number; `OutOfDomain` where a function has no value.
    """

    arithmetic: Floats = FLOATS

    def __init__(self, graph: Graph, given: Mapping[str, Any]) -> None:
        self.graph = graph
        computed = {equation.variable for equation in graph.equations}
        self.inputs = [variable for variable in graph.variables if variable not in computed]
        missing = [variable.name for variable in self.inputs if given.get(variable.name) is None]
        if missing:
            raise MissingNumbers(
                f"no numbers are given for {', '.join(missing)}; they belong under [values]"
            )
        kept = [v for v in graph.variables if v in self.inputs or given.get(v.name) is not None]
        arrays = {variable.name: np.array(given[variable.name], dtype=object) for variable in kept}
        exact = np.frompyfunc(number, 1, 1)
        self.given = {name: np.asarray(exact(array)) for name, array in arrays.items()}

    @cached_property
    def forward(self) -> dict[str, np.ndarray]:
        """Every quantity by name, inputs included, arrays shaped as the variables are."""
        return self._forward(self.given)

    @property
    def loss(self) -> Any:
        """The value of the target (a 0-d array's number)."""
        return self.forward[self.graph.target.name].item()

    def gradients(self, backward: BackwardPass) -> Gradients:
        """∂L/∂v for every quantity the backward pass derived, shaped as the quantities are.

        Those that have no value here, such as ∂(a^b)/∂b where a < 0, are `Gradients.undefined`.
        """
        found, evaluator = Gradients(), self.evaluator(self.forward)
        target = element_name(self.graph.target)
        for variable, deduction in backward.adjoints.items():
            own = f"∇{base_name(variable.element)}"
            try:
                array = evaluator.array(deduction.result, deduction.free, variable.shape)
            except (ZeroDivisionError, Undefined) as error:
                name = element_name(variable) if not variable.shape else variable.name
                why = f"∂{target}/∂{name} has no value here: {_why(error)}"
                found.undefined[variable.name] = why
                evaluator.known[own] = f"it is made of ∂/∂{element_name(variable)}, which has none"
            else:
                evaluator.known[own] = found[variable.name] = array
        return found

    def updated(self, gradients: Mapping[str, np.ndarray], rate: Any) -> dict[str, np.ndarray]:
        """θ - η ∂L/∂θ for every parameter block θ."""
        eta = number(rate)
        return {
            v.name: self.forward[v.name] - eta * gradients[v.name]
            for v in self.graph.parameters
            if v.name in gradients
        }

    def element(self, array: np.ndarray, reference: Reference, sample: int | None = None) -> Any:
        """One element of an array shaped as the reference's variable (names count from 1)."""
        place = () if sample is None else (sample,)
        return array[(*place, *(index - 1 for index in reference.indices))]

    def value_of(self, expr: Expr) -> Any:
        """One expression in elements with number indices, e.g. ∂h_11/∂a_11 as derived.

        Raises `OutOfDomain`.
        """
        try:
            return self.array(expr, {}).item()
        except (ZeroDivisionError, Undefined) as error:
            raise OutOfDomain(f"a derivative has no value here: {_why(error)}") from None

    def array(self, expr: Expr, letters: Mapping[Symbol, Expr]) -> np.ndarray:
        """``expr`` in quantities of the graph, one axis a letter; letters map to upper limits."""
        return self.evaluator(self.forward).array(expr, list(letters), list(letters.values()))

    def loss_with(self, reference: Reference, value: Any) -> Any:
        """The target where one input or parameter has another value, all others as given."""
        moved = self.given[reference.variable.name].copy()
        moved[tuple(index - 1 for index in reference.indices)] = value
        return self.loss_at({reference.variable.name: moved})

    def loss_at(self, arrays: Mapping[str, np.ndarray]) -> Any:
        """The target where some inputs or parameters are other arrays, by name, the rest as given.

        The arrays hold 50-digit numbers, as `updated` gives them.
        """
        return self._forward({**self.given, **arrays})[self.graph.target.name].item()

    def central_difference(self, reference: Reference, sample: int | None = None) -> Any:
        """(L(v + ε) - L(v - ε)) / 2ε for one input or parameter, or the `Kink` that forbids it."""
        name, step = reference.variable.name, CONTEXT.mpf(STEP)
        place = () if sample is None else (sample,)
        at = (*place, *(index - 1 for index in reference.indices))

        def moved(step: Any) -> dict[str, np.ndarray]:
            array = self.forward[name].copy()
            array[at] = array[at] + step
            return self._forward({**self.given, name: array})

        above, below = moved(step), moved(-step)
        kink = self._kink_between(below, self.forward, above)
        if kink is not None:
            return kink
        ends = (above[self.graph.target.name].item(), -below[self.graph.target.name].item())
        return without_noise(sum(ends), ends) / (2 * step)

    # ------------------------------------------------------------------------------ inside

    def evaluator(self, values: Mapping[str, np.ndarray]) -> Evaluator:
        """What evaluates expressions in quantities that have these values."""
        bases = self.graph.by_base.items()
        known = {base: values[each.name] for base, each in bases if each.name in values}
        return Evaluator(self.arithmetic, known, self._sizes)

    def _forward(self, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        values, evaluator = dict(given), self.evaluator(given)
        for equation in self.graph.equations:
            variable = equation.variable
            if variable.name in values:
                continue
            try:
                array = evaluator.array(equation.rhs, equation.free, variable.shape)
            except (ZeroDivisionError, Undefined) as error:
                parents = self.graph.parents[variable]
                read = ", ".join(element_name(v) if not v.shape else v.name for v in parents)
                raise OutOfDomain(
                    f"{variable.name} has no value here: {_why(error)} (it is computed from {read})"
                ) from None
            values[variable.name] = evaluator.known[base_name(variable.element)] = array
        return values

    @cached_property
    def _sizes(self) -> dict[Expr, int]:
        return {
            limit: size
            for variable in self.inputs
            for limit, size in zip(variable.shape, self.given[variable.name].shape, strict=True)
        }

    def _kink_between(self, *passes: Mapping[str, np.ndarray]) -> Kink | None:
        """The first quantity whose slope jumps somewhere between the passes.

        A quantity that stands at its kink in all of them is not moved, and does no harm.
        """
        evaluators = [self.evaluator(values) for values in passes]
        for equation in self.graph.equations:
            # What decides by its sign between two formulas: conditions, and |·|.
            switches = {each.lhs - each.rhs for each in equation.rhs.atoms(Relational)}
            switches |= {each.args[0] for each in equation.rhs.atoms(sympy.Abs, sympy.sign)}
            for switch in sorted(switches, key=sympy.default_sort_key):
                found = [evaluator.value(switch, {})[0] for evaluator in evaluators]
                first, *others = (np.frompyfunc(CONTEXT.sign, 1, 1)(array) for array in found)
                moved = np.argwhere(np.any([first != other for other in others], axis=0))
                if len(moved):
                    variable, places = equation.variable, [int(k) + 1 for k in moved[0]]
                    if len(places) != len(variable.shape):
                        places = ["i"] * len(variable.shape)
                    return Kink(element_name(variable, places[variable.batched :]))
        return None


def flattened(arrays: Mapping[str, np.ndarray], blocks: Sequence[Variable]) -> np.ndarray:
    """θ: the blocks one after another, each read row by row, as one vector."""
    return np.concatenate([np.ravel(arrays[block.name]) for block in blocks])


def restored(theta: np.ndarray, blocks: Sequence[Variable]) -> dict[str, np.ndarray]:
    """The blocks that `flattened` made ``theta`` of, cut at the same places."""
    found, first = {}, 0
    for block in blocks:
        shape = tuple(int(size) for size in block.shape)
        last = first + math.prod(shape)
        found[block.name] = theta[first:last].reshape(shape)
        first = last
    return found


def _why(error: Exception) -> str:
    return "a division by zero" if isinstance(error, ZeroDivisionError) else str(error)
