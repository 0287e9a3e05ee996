"""The numbers of a network, from the same equations its derivations are made of, to 50 digits.

Here one can

* carry out the forward pass: `Numbers(graph, given).forward`;
* evaluate every adjoint that a backward pass derived: `Numbers.gradients`;
* take a central difference of the loss, which knows nothing of any derivation:
  `Numbers.central_difference`, and see in how many digits two numbers agree: `agreement`;
* take one step of gradient descent: `Numbers.updated`.

Fifty digits, because a check is worth most where it cannot be blamed on rounding: an exponential
never overflows, and a central difference with step 1e-30 is right to some fifty digits.  Doubles
come out only at the end (`as_floats`).  Arrays hold mpmath numbers; this is the one place where
the 1-based indices of mathematics become the 0-based ones of NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

import mpmath
import numpy as np
import sympy
from sympy import Add, Expr, Indexed, KroneckerDelta, Mul, Piecewise, Pow, Sum, Symbol

from symback.engine.derivation import BackwardPass
from symback.engine.graph import Graph, base_name
from symback.language.algebra import Product, Terms
from symback.language.errors import SymbackError
from symback.language.names import Reference, Variable, element_name

__all__ = [
    "Evaluator",
    "Gradients",
    "Kink",
    "MissingNumbers",
    "Numbers",
    "OutOfDomain",
    "Undefined",
    "agreement",
    "as_floats",
]

DIGITS = 50
GUARD = 70
"""Digits beyond those that count: where h is within 1e-52 of 1, 1 - h has lost 52 of them."""
STEP = "1e-30"
LARGEST_MAGNITUDE = 10_000_000
"""Powers of 2 beyond which no function but exp is computed: mpmath writes numbers out in bits."""

LARGEST_EXPONENT = 10**9
LOST = 4
"""A sum whose terms agree in all digits but these has no digit of its own: it is 0."""

_context = mpmath.mp.clone()
_context.dps = DIGITS + GUARD


class MissingNumbers(SymbackError):
    """Some quantities have no number, so nothing can be evaluated."""


class OutOfDomain(SymbackError):
    """A function was given a number it is not defined for, e.g. the logarithm of 0."""


@dataclass(frozen=True, slots=True)
class Kink:
    """Why there is no central difference: the quantity that sits where a slope jumps."""

    name: str


def number(value: Any) -> Any:
    """``value`` (int, float, Decimal or text of a number) as a 50-digit number.

    A float is taken as the shortest decimal that rounds to it: 0.1 is a tenth.
    """
    if isinstance(value, sympy.Rational):
        return _context.mpf(int(value.p)) / int(value.q)
    text = repr(float(value)) if isinstance(value, (float, np.floating)) else str(value)
    return _context.mpf(str(Decimal(text)))


def as_floats(array: Any) -> Any:
    """An array of 50-digit numbers as nested lists of doubles, each correctly rounded."""
    return np.vectorize(float, otypes=[float])(array).tolist()


def agreement(first: Any, second: Any) -> int:
    """To how many significant digits two numbers agree; `DIGITS` where they are equal."""
    if first == second:
        return DIGITS
    size = max(abs(first), abs(second))
    if size < _context.mpf("1e-30"):  # both vanish as far as a central difference can tell
        return 30
    shared = int(-_context.log10(abs(first - second) / size))
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
        self.given = {variable.name: _array(given[variable.name]) for variable in kept}

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
        found = Gradients()
        environment = self._environment(self.forward)
        adjoints: dict[Variable, np.ndarray] = {}
        target = element_name(self.graph.target)
        for variable, deduction in backward.adjoints.items():
            evaluator = self.evaluator(environment, adjoints)
            try:
                array = evaluator.array(deduction.result, deduction.free, variable.shape)
            except (ZeroDivisionError, Undefined, OutOfDomain) as error:
                name = element_name(variable) if not variable.shape else variable.name
                found.undefined[variable.name] = (
                    f"∂{target}/∂{name} has no value here: {_why(error)}"
                )
                continue
            adjoints[variable] = found[variable.name] = array
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
        own = tuple(index - 1 for index in reference.indices)
        return array[((sample,) if sample is not None else ()) + own]

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
        evaluator = self.evaluator(self._environment(self.forward), {})
        limits = dict(letters)
        return evaluator.array(expr, tuple(limits), tuple(limits.values()))

    def evaluator(
        self, environment: Mapping[str, np.ndarray], adjoints: Mapping[Variable, np.ndarray]
    ) -> Evaluator:
        """What evaluates expressions; another arithmetic is another evaluator."""
        return Evaluator(environment, self._sizes, adjoints, self.graph)

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
        step = _context.mpf(STEP)
        above, below = (self._moved(reference, sample, sign * step) for sign in (1, -1))
        kink = self._kink_between(below, self.forward, above)
        if kink is not None:
            return kink
        ends = (above[self.graph.target.name].item(), -below[self.graph.target.name].item())
        return _without_noise(sum(ends), ends) / (2 * step)

    # ------------------------------------------------------------------------------ inside

    def _moved(self, reference: Reference, sample: int | None, step: Any) -> dict[str, np.ndarray]:
        """The forward pass with one element moved and everything computed from it following."""
        name = reference.variable.name
        moved = self.forward[name].copy()
        at = ((sample,) if sample is not None else ()) + tuple(
            index - 1 for index in reference.indices
        )
        moved[at] = moved[at] + step
        return self._forward({**self.given, name: moved})

    def _environment(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """``values`` by the names that expressions use, e.g. ``W_1`` for W1."""
        bases = self.graph.by_base.items()
        return {base: values[variable.name] for base, variable in bases if variable.name in values}

    def _forward(self, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        values = dict(given)
        environment = self._environment(values)
        for equation in self.graph.equations:
            name = equation.variable.name
            if name not in values:
                evaluator = self.evaluator(environment, {})
                with _naming(equation.variable, self.graph):
                    values[name] = evaluator.array(
                        equation.rhs, equation.free, equation.variable.shape
                    )
                environment[base_name(equation.variable.element)] = values[name]
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
        for equation in self.graph.equations:
            for switch in _switches(equation.rhs):
                first, *others = (self._signs(switch, values) for values in passes)
                moved = np.argwhere(np.any([first != other for other in others], axis=0))
                if len(moved):
                    return Kink(_name_at(equation.variable, moved[0]))
        return None

    def _signs(self, switch: Expr, values: Mapping[str, np.ndarray]) -> np.ndarray:
        array, _ = self.evaluator(self._environment(values), {}).value(switch)
        return np.vectorize(lambda entry: int(_context.sign(entry)), otypes=[int])(array)


def _name_at(variable: Variable, position: Sequence[int]) -> str:
    """The name of the element at a 0-based position, the sample left out."""
    if len(position) != len(variable.shape):
        return element_name(variable, ["i"] * (len(variable.shape) - variable.batched))
    return element_name(variable, [int(place) + 1 for place in position[variable.batched :]])


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


def _array(values: Any) -> np.ndarray:
    plain = np.array(values, dtype=object)
    return np.vectorize(number, otypes=[object])(plain) if plain.size else plain


def _switches(expr: Expr) -> list[Expr]:
    """The expressions whose sign decides between two formulas: conditions, and |·|."""
    found = {
        condition.lhs - condition.rhs for condition in expr.atoms(sympy.core.relational.Relational)
    }
    found |= {absolute.args[0] for absolute in expr.atoms(sympy.Abs, sympy.sign)}
    return sorted(found, key=sympy.default_sort_key)


class _naming:  # noqa: N801 (used like a function)
    """Turns arithmetic errors into a message that names the quantity."""

    def __init__(self, variable: Variable, graph: Graph) -> None:
        self.variable, self.graph = variable, graph

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind, error, traceback) -> None:
        if isinstance(error, (ZeroDivisionError, Undefined)):
            what = _why(error)
            read = ", ".join(
                element_name(v) if not v.shape else v.name
                for v in self.graph.parents[self.variable]
            )
            raise OutOfDomain(
                f"{self.variable.name} has no value here: {what} (it is computed from {read})"
            ) from None


class Undefined(ArithmeticError):
    """A function outside its domain."""


def _why(error: Exception) -> str:
    return "a division by zero" if isinstance(error, ZeroDivisionError) else str(error)


def _real(function: Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
    def guarded(argument: Any) -> Any:
        if argument and _context.mag(argument) > LARGEST_MAGNITUDE:
            raise Undefined(
                f"{name} of a number beyond 2^{LARGEST_MAGNITUDE}, too large to compute,"
            )
        try:
            value = function(argument)
        except ValueError:
            raise Undefined(f"{name}({_context.nstr(argument, 6)})") from None
        if isinstance(value, _context.mpc) or not _context.isfinite(value):
            raise Undefined(f"{name}({_context.nstr(argument, 6)})")
        return value

    return guarded


def _exp(argument: Any) -> Any:
    if argument > LARGEST_EXPONENT:
        raise Undefined(f"exp({_context.nstr(argument, 6)}), which is too large to compute,")
    return _context.mpf(0) if argument < -LARGEST_EXPONENT else _context.exp(argument)


_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "exp": _exp,
    "Abs": abs,
    "sign": lambda entry: _context.mpf(int(_context.sign(entry))),
} | {
    name: _real(getattr(_context, name), name)
    for name in "log sin cos tan asin acos atan sinh cosh tanh erf".split()
}


class Evaluator:
    """Evaluates an expression over all values of its free indices at once: (array, its axes)."""

    def __init__(
        self,
        environment: Mapping[str, np.ndarray],
        sizes: Mapping[Expr, int],
        adjoints: Mapping[Variable, np.ndarray],
        graph: Graph,
    ) -> None:
        self.environment, self.sizes, self.adjoints, self.graph = (
            environment,
            sizes,
            adjoints,
            graph,
        )
        self.limits: dict[Symbol, int] = {}

    def array(self, expr: Expr, free: tuple[Symbol, ...], shape: tuple[Expr, ...]) -> np.ndarray:
        """``expr`` as an array with one axis for each of ``free``, in that order."""
        self.limits.update(
            {letter: self._size(limit) for letter, limit in zip(free, shape, strict=True)}
        )
        found = self._aligned(self.value(expr), free)
        wanted = tuple(self.limits[letter] for letter in free)
        return np.array(np.broadcast_to(found, wanted), dtype=object)

    def value(self, expr: Expr) -> tuple[np.ndarray, tuple[Symbol, ...]]:
        """The value and the index each axis stands for."""
        method = getattr(self, f"_{type(expr).__name__.lower()}", None)
        if method is not None:
            return method(expr)
        if isinstance(expr, sympy.Rational):
            return np.array(number(expr), dtype=object), ()
        if isinstance(expr, sympy.NumberSymbol):
            return np.array(_context.mpf(str(expr.evalf(DIGITS + 5))), dtype=object), ()
        if isinstance(expr, sympy.Function):
            return self._apply(_FUNCTIONS[type(expr).__name__], expr.args[0])
        raise TypeError(f"no way to evaluate {type(expr).__name__}")

    def _size(self, limit: Expr) -> int:
        return int(limit) if limit.is_Integer else self.sizes[limit]

    def _apply(
        self, function: Callable[[Any], Any], argument: Expr
    ) -> tuple[np.ndarray, tuple[Symbol, ...]]:
        array, axes = self.value(argument)
        return np.vectorize(function, otypes=[object])(array), axes

    def _elements(
        self, array: np.ndarray, indices: tuple[Expr, ...]
    ) -> tuple[np.ndarray, tuple[Symbol, ...]]:
        """Number indices pick (1 → 0), letters become axes; a letter twice is the diagonal."""
        picked = array[tuple(int(i) - 1 if i.is_Integer else slice(None) for i in indices)]
        letters = [i for i in indices if not i.is_Integer]
        while len(set(letters)) < len(letters):
            second = next(k for k, letter in enumerate(letters) if letter in letters[:k])
            first = letters.index(letters[second])
            picked = np.diagonal(picked, axis1=first, axis2=second)  # its axis comes last
            letters = [
                *letters[:first],
                *letters[first + 1 : second],
                *letters[second + 1 :],
                letters[first],
            ]
        return np.asarray(picked, dtype=object), tuple(letters)

    def _indexed(self, expr: Indexed):
        return self._elements(self.environment[expr.base.name], expr.indices)

    def _symbol(self, expr: Symbol):
        if expr in self.sizes:
            return np.array(number(self.sizes[expr]), dtype=object), ()
        return np.asarray(self.environment[expr.name], dtype=object), ()

    def _partial(self, expr):
        variable = self.graph.by_base[base_name(expr.by)]
        if variable not in self.adjoints:
            raise Undefined(f"it is made of ∂/∂{element_name(variable)}, which has none")
        indices = expr.by.indices if isinstance(expr.by, Indexed) else ()
        return self._elements(self.adjoints[variable], indices)

    def _fold(
        self, operation: Callable[[Any, Any], Any], parts
    ) -> tuple[np.ndarray, tuple[Symbol, ...]]:
        return self._join([self.value(part) for part in parts], operation)

    def _join(
        self, values, operation: Callable[[Any, Any], Any]
    ) -> tuple[np.ndarray, tuple[Symbol, ...]]:
        """Arrays combined over the union of their axes."""
        axes = tuple(dict.fromkeys(letter for _, own in values for letter in own))
        arrays = [self._aligned(value, axes) for value in values]
        total = arrays[0]
        for array in arrays[1:]:
            total = operation(total, array)
        return np.asarray(total, dtype=object), axes

    def _aligned(
        self, value: tuple[np.ndarray, tuple[Symbol, ...]], axes: tuple[Symbol, ...]
    ) -> np.ndarray:
        """The array with its axes in the order of ``axes`` and length 1 where it has none."""
        array, own = value
        order = [own.index(letter) for letter in axes if letter in own]
        moved = np.transpose(array, order) if array.ndim else array
        return moved.reshape(
            [
                moved.shape[order_of] if order_of is not None else 1
                for order_of in _places(axes, own)
            ]
        )

    def _add(self, expr: Add | Terms):
        parts = [self.value(part) for part in expr.args]
        total, axes = self._join(parts, np.add)
        aligned = (self._aligned(part, axes) for part in parts)
        return _sums(total, [np.broadcast_to(part, total.shape) for part in aligned]), axes

    def _mul(self, expr: Mul | Product):
        return self._fold(np.multiply, expr.args)

    _terms, _product = _add, _mul

    def _pow(self, expr: Pow):
        if expr.base == sympy.E:
            return self._apply(_FUNCTIONS["exp"], expr.exp)
        return self._fold(np.frompyfunc(_power, 2, 1), expr.args)

    def _sum(self, expr: Sum):
        bound, _, upper = expr.limits[0]
        size, outside = self._size(upper), dict(self.limits)
        self.limits[bound] = size
        array, axes = self.value(expr.function)
        self.limits = outside
        if bound not in axes:
            return np.asarray(array * size, dtype=object), axes
        axis = axes.index(bound)
        assert array.shape[axis] == size, f"{bound} runs over {array.shape[axis]} elements"
        left = tuple(letter for letter in axes if letter != bound)
        return _sums(array.sum(axis=axis), np.moveaxis(array, axis, 0)), left

    _sigma = _sum

    def _kroneckerdelta(self, expr: KroneckerDelta):
        sides = []
        for index in expr.args:
            letters = () if index.is_Integer else (index,)
            counts = [int(index)] if not letters else range(1, self.limits[index] + 1)
            values = np.array([number(k) for k in counts], dtype=object)
            sides.append((values if letters else values[0], letters))
        equal, axes = self._join([(np.asarray(v), own) for v, own in sides], np.equal)
        return np.vectorize(lambda holds: number(int(holds)), otypes=[object])(equal), axes

    def _piecewise(self, expr: Piecewise):
        *cases, (last, _) = expr.args
        result = self.value(last)
        for value, condition in reversed(cases):
            result = self._choose(condition, self.value(value), result)
        return result

    def _choose(self, condition: Expr, then, otherwise):
        values = (self._truth(condition), then, otherwise)
        axes = tuple(dict.fromkeys(letter for _, own in values for letter in own))
        holds, yes, no = (self._aligned(value, axes) for value in values)
        return np.where(holds.astype(bool), yes, no), axes

    def _truth(self, condition: Expr) -> tuple[np.ndarray, tuple[Symbol, ...]]:
        """Where a comparison, or several joined by "and" or "or", holds."""
        if isinstance(condition, (sympy.And, sympy.Or)):
            join = np.logical_and if isinstance(condition, sympy.And) else np.logical_or
            return self._join([self._truth(part) for part in condition.args], join)
        sides = [self.value(condition.lhs), self.value(condition.rhs)]
        return self._join(sides, _COMPARISONS[condition.rel_op])


_COMPARISONS = {">": np.greater, ">=": np.greater_equal, "<": np.less, "<=": np.less_equal}


def _sums(totals: Any, terms: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """The ``totals`` of ``terms``, those that are nothing but what rounding left made 0."""
    found = np.array(totals, dtype=object)
    numbers = ((at, v) for at, v in np.ndenumerate(found) if isinstance(v, _context.mpf))
    small = [at for at, total in numbers if 0 < abs(total) < _SMALL]
    for at in small:
        found[at] = _without_noise(found[at], [np.asarray(term)[at] for term in terms])
    return found


def _without_noise(total: Any, terms: Sequence[Any]) -> Any:
    """``total``, or 0 where rounding its terms alone may have made it."""
    largest = max(abs(term) for term in terms)
    noise = largest * _context.mpf(10) ** (LOST - _context.dps)
    return total if abs(total) > noise else _context.mpf(0)


_SMALL = _context.mpf("1e-60")
"""No sum of terms that have an entry of size 1e50 or less is noise above this."""


def _places(axes: tuple[Symbol, ...], own: tuple[Symbol, ...]) -> list[int | None]:
    """For each of ``axes`` its position among those of ``own`` that are present, or None."""
    present = [letter for letter in axes if letter in own]
    return [present.index(letter) if letter in own else None for letter in axes]


def _power(base: Any, exponent: Any) -> Any:
    value = _context.power(base, exponent)
    if isinstance(value, _context.mpc):
        raise Undefined(f"({_context.nstr(base, 6)})^({_context.nstr(exponent, 6)})")
    return value
