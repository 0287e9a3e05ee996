"""From index notation to one formula for a whole matrix, derived and certified.

Here one can

* lift the backward pass of a graph, and its equations, to matrices at whatever widths: `lift`
  gives a `MatrixForm`, a mapping from a quantity's name to the SymPy matrix expression of its
  adjoint, with the whole algorithm (forward, backward, update) as `MatrixForm.steps`;
* prove a lift: `certify` lowers it entry by entry at small sizes and compares with the index form;

>>> from symback.engine.graph import from_network
>>> from symback.engine.spec import network
>>> layers = [("n_1", "sigmoid"), ("n_2", "softmax")]
>>> form = lift(BackwardPass(from_network(network("n_0", layers, loss="cross_entropy"))))
>>> print(form.text("W2"), form.text("h1"), form.text("a1"), form.text("a2"), sep="; ")
∇W_2 = ∇a_2 h_1ᵀ; ∇h_1 = W_2ᵀ ∇a_2; ∇a_1 = ∇h_1 ⊙ h_1 ⊙ (1 - h_1); ∇a_2 = ŷ - y
>>> form.certify()
Certificate(sizes=((n_0, 2), (n_1, 3), (n_2, 4)), entries=60)

**Layout**, chosen once: an array with one index is a column, one with two has the first for its
rows.  The sample is the first index of whatever has one, so in a batch each sample is a row:
X is B × n_0, A_k = 1 b_kᵀ + H_{k-1} W_kᵀ, and the gradient of W_k is (∇A_k)ᵀ H_{k-1}.

**How.** A term is a product of factors, each with the indices it has, under sums.  Factors with
the same indices multiply elementwise (⊙); an index that is summed contracts the factors that have
it (a matrix product, or a sum over an axis, which is a product with ones); indices that stay and
never meet in one factor give an outer product; what has no index is a number.  Nothing here knows
what a layer is.  A term in which three indices cannot be kept apart in matrices raises
`NoMatrixForm`, which names it; its index form stands.

**Certified how.** Entries of both sides are computed modulo the prime 2^61 - 1, exactly, at points
that a hash of each element's name chooses.  A function is a hash of its name and its argument, and
so is a condition (`symback.engine.arithmetics.Opaque`): two sides agree only if they apply the same
functions to the same arguments and decide by the same comparisons.  Two different polynomials of
degree d agree at such a point with chance d/2^61.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import sympy
from sympy import (
    Add,
    Expr,
    Indexed,
    KroneckerDelta,
    Lambda,
    MatAdd,
    MatMul,
    MatrixExpr,
    Mul,
    OneMatrix,
    Piecewise,
    Pow,
    Sum,
    Symbol,
    Transpose,
    ZeroMatrix,
)
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, Boolean, Or
from sympy.matrices.expressions.hadamard import HadamardPower, HadamardProduct

from symback.engine.arithmetics import Opaque
from symback.engine.calculus import instantiate
from symback.engine.certificate import certify_adjoints
from symback.engine.derivation import BackwardPass, Deduction
from symback.engine.evaluation import Axed, Evaluator
from symback.engine.graph import Equation, Graph, base_name
from symback.language.algebra import (
    Array,
    Elementwise,
    Gradient,
    Partial,
    Product,
    SampleArray,
    Scalar,
    Shape,
    Sigma,
    Terms,
    Where,
    hadamard_product,
    matrix_product,
    matrix_sum,
    transposed,
)
from symback.language.errors import SymbackError
from symback.language.names import NETWORK, PARAMETERS, Lettering, Variable, fresh_index
from symback.language.writing import MatrixLatex, Text, Writer

ETA = Symbol("η", positive=True)
"""The learning rate."""


class NoMatrixForm(SymbackError):
    """A term that no matrix expression of this room equals; ``term`` is it, in index notation."""

    def __init__(self, term: Expr, reason: str) -> None:
        super().__init__(f"{_index_text(term)} has no matrix form: {reason}; its index form stands")
        self.term, self.reason = term, reason
        self.args = (term, reason)


class Uncertified(SymbackError):
    """A matrix expression that is not its index form; the message names the first such entry."""


class Layout(enum.Enum):
    """Which way the arrays lie; the value says it in words."""

    COLUMNS = "one sample: every vector is a column"
    ROWS = "a batch: each sample is a row, so X has as many rows as there are samples"
    INDICES = (
        "an array with one index is a column; with two, the first counts the rows; "
        "in a loop over t, h_t is a column, and outside H has the rows h_tᵀ"
    )


# ------------------------------------------------------------------------------------- lifting


@dataclass(frozen=True, slots=True)
class Factor:
    """A matrix and the indices of its rows and columns; one index: a column."""

    matrix: MatrixExpr
    letters: tuple[Symbol, ...]

    def oriented(self, rows: Symbol) -> MatrixExpr:
        """The matrix with ``rows`` for its rows."""
        return self.matrix if self.letters[0] == rows else transposed(self.matrix)


Letters = tuple[Symbol, ...]
Sizes = Mapping[Symbol, Expr]


class _Lifter:
    """Index expressions over the quantities of one graph as matrix expressions.

    Methods take the sizes of the indices that are free; in their order an index counts as rows
    before columns.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.arrays: dict[str, Array] = {}
        for variable in graph.variables:
            if len(variable.shape) <= 2:
                rows, columns = (*variable.shape, sympy.S.One, sympy.S.One)[:2]
                kind = SampleArray if variable.batched and len(variable.shape) == 2 else Array
                name = base_name(variable.element)
                self.arrays[name] = kind(name, rows, columns)

    def array(self, variable: Variable) -> Array:
        """The matrix of a quantity; raises `NoMatrixForm` where it has more than two indices."""
        found = self.arrays.get(base_name(variable.element))
        if found is None:
            raise NoMatrixForm(variable.element, "an array with more than two indices is no matrix")
        return found

    def lift(self, expr: Expr, want: Letters, sizes: Sizes) -> MatrixExpr:
        """``expr`` as a matrix whose rows and columns are the indices ``want``."""
        if len(want) > 2:
            raise NoMatrixForm(expr, f"it has {len(want)} indices")
        if isinstance(expr, Sum):  # of a number times a sum with an order: term by term
            bound, upper, body = _apart(expr, {*sizes, *want})
            parts = body.args if isinstance(body, (Product, Mul)) else (body,)
            sums = [part for part in parts if isinstance(part, Terms)]
            numbers = [part for part in parts if not isinstance(part, Terms)]
            if len(sums) == 1 and all(part.is_number for part in numbers):
                terms = (Sigma(term, (bound, 1, upper)) for term in sums[0].args)
                return matrix_product(
                    *numbers, matrix_sum([self.lift(term, want, sizes) for term in terms])
                )
        if isinstance(expr, (Terms, Add)):
            terms = expr.args if isinstance(expr, Terms) else sorted(expr.args, key=_reading_order)
            return matrix_sum([self.lift(term, want, sizes) for term in terms])
        return self._term(expr, want, sizes)

    def _term(self, expr: Expr, want: Letters, sizes: Sizes) -> MatrixExpr:
        """A product of factors under sums."""
        summed: dict[Symbol, Expr] = {}
        body = expr
        while isinstance(body, Sum):
            bound, upper, body = _apart(body, {*sizes, *summed})
            summed[bound] = upper
        known = {**sizes, **summed}
        numbers: list[Expr] = []
        factors: list[Factor] = []
        for part in _flat_factors(body):
            if letters := _letters(part, known):
                factors.append(self._unit(part, letters, known))
            else:
                numbers.append(self._scalar(part))
        return contracted(expr, want, known, [*reversed(summed)], numbers, factors)

    def _scalar(self, expr: Expr) -> Expr:
        """A part without free indices as a number."""
        match expr:
            case Sum():
                return Scalar(self.lift(expr, (), {}))
            case Partial():
                return Scalar(self._gradient(expr))
            case Symbol():
                array = self.arrays.get(base_name(expr))
                is_array = array is not None and expr.is_real and not expr.is_integer
                return Scalar(array) if is_array else expr
            case Indexed():
                raise NoMatrixForm(expr, "it is one element of an array")
        return expr.func(*map(self._scalar, expr.args)) if expr.args else expr

    def _unit(self, expr: Expr, letters: Letters, sizes: Sizes) -> Factor:
        """One factor that has indices, as a matrix with those for its rows and columns."""
        if len(letters) > 2:
            raise NoMatrixForm(expr, f"it has the indices {', '.join(map(str, letters))} at once")
        match expr:
            case Indexed() | Partial():
                is_gradient = isinstance(expr, Partial)
                element = expr.by if is_gradient else expr
                variable = self.graph.by_base[base_name(element)]
                matrix = self._gradient(expr) if is_gradient else self.array(variable)
                if any(letter not in sizes for letter in element.indices):
                    raise NoMatrixForm(element, "one of its indices is not a letter by itself")
                if len({*element.indices}) < len(element.indices):
                    raise NoMatrixForm(element, "it has one index twice")
                return Factor(matrix, tuple(element.indices))
            case Sum() | Terms() | Add() | Mul() | Product():
                free = {letter: sizes[letter] for letter in letters}
                matrix = self.lift(expr, letters, free)
            case Pow() if not _letters(expr.exp, sizes):
                base = self.lift(expr.base, letters, sizes)
                matrix = HadamardPower(base, self._scalar(expr.exp))
            case KroneckerDelta():
                if len(letters) < 2:
                    raise NoMatrixForm(expr, "it picks one element")
                rows, columns = (sizes[letter] for letter in letters)
                if rows != columns:
                    raise NoMatrixForm(expr, "its two indices do not run over the same numbers")
                matrix = sympy.Identity(rows)
            case Piecewise():
                *cases, (last, condition) = expr.args
                if condition != sympy.true:
                    raise NoMatrixForm(expr, "it has no value where none of its conditions holds")
                matrix = self.lift(last, letters, sizes)
                for value, condition in reversed(cases):
                    test = self._elementwise(condition, letters, sizes)
                    matrix = Where(test, self.lift(value, letters, sizes), matrix)
            case Pow() | sympy.Function() | sympy.Max() | sympy.Min():
                matrix = self._elementwise(expr, letters, sizes)
            case _:
                raise NoMatrixForm(expr, f"{type(expr).__name__} is not known here")
        return Factor(matrix, letters)

    def _gradient(self, name: Partial) -> Gradient:
        if name.of != self.graph.target.element or name.held:
            raise NoMatrixForm(name, "it is not the derivative of the loss")
        return Gradient.of(self.array(self.graph.by_base[base_name(name.by)]))

    def _elementwise(self, expr: Any, letters: Letters, sizes: Sizes) -> Elementwise:
        """A function, or a condition, of arrays: each of them once, in the order they are read."""
        arrays: list[MatrixExpr] = []

        def placed(part: Expr) -> Expr:
            if not part.free_symbols:
                return part
            array = self.lift(part, letters, sizes)
            if array not in arrays:
                arrays.append(array)
            return _placeholder(arrays.index(array))

        def condition(part: Boolean) -> Boolean:
            if isinstance(part, (And, Or)):
                parts = sorted(part.args, key=sympy.default_sort_key)
                return part.func(*map(condition, parts))
            if not isinstance(part, Relational):
                raise NoMatrixForm(part, f"{type(part).__name__} is not known here")
            return part.func(*map(placed, part.args))

        rule = condition(expr) if isinstance(expr, Boolean) else expr.func(*map(placed, expr.args))
        return Elementwise(Lambda(tuple(map(_placeholder, range(len(arrays)))), rule), *arrays)


def _placeholder(number: int) -> Symbol:
    return Symbol(f"z{number or ''}", real=True)


def _letters(expr: Expr, sizes: Sizes) -> Letters:
    free = expr.free_symbols
    return tuple(letter for letter in sizes if letter in free)


def _apart(expr: Sum, taken: set[Symbol]) -> tuple[Symbol, Expr, Expr]:
    """The index, upper limit and body of a sum, the index not among ``taken``."""
    (bound, _, upper), body = expr.limits[0], expr.function
    if bound not in taken:
        return bound, upper, body
    letter = fresh_index({*taken, *body.free_symbols})
    return letter, upper, instantiate(body, {bound: letter})


def _flat_factors(expr: Expr) -> Iterator[Expr]:
    """The factors in their order; a square counts as two, so that it may become uᵀu.

    What SymPy has sorted is read as one writes it: names, then the rest, then divisors.
    """

    def rank(part: Expr) -> int:
        if isinstance(part, Pow) and part.exp.could_extract_minus_sign():
            return 2
        return 0 if isinstance(part, (Indexed, Symbol, Partial)) or part.is_number else 1

    if isinstance(expr, (Product, Mul)):
        for factor in sorted(expr.args, key=rank) if isinstance(expr, Mul) else expr.args:
            yield from _flat_factors(factor)
    elif isinstance(expr, Pow) and expr.exp == 2 and not expr.base.is_Number:
        yield from (*_flat_factors(expr.base), *_flat_factors(expr.base))
    else:
        yield expr


def _reading_order(term: Expr) -> tuple[Any, ...]:
    """Positive terms first, numbers first among them, as a sum is written."""
    negative = term.could_extract_minus_sign()
    return negative, not term.is_number, term.has(Sum), sympy.default_sort_key(term)


def contracted(
    term: Expr,
    want: Letters,
    sizes: Sizes,
    summed: list[Symbol],
    numbers: list[Expr],
    factors: list[Factor],
) -> MatrixExpr:
    """Π numbers · Π factors with the indices ``summed`` contracted, over the indices ``want``.

    Raises `NoMatrixForm` where an index cannot be summed within matrices.
    """
    order = [*want, *(letter for letter in sizes if letter not in want)]  # rows before columns

    def met_by(letter: Symbol) -> list[Symbol]:
        """The other indices of the factors that have ``letter``."""
        met = (other for f in factors if letter in f.letters for other in f.letters)
        return [*dict.fromkeys(other for other in met if other != letter)]

    while summed:
        letter = next((letter for letter in summed if len(met_by(letter)) <= 2), None)
        if letter is None:
            names = ", ".join(str(index) for index in (summed[0], *met_by(summed[0])))
            raise NoMatrixForm(term, f"the indices {names} meet in one product")
        summed.remove(letter)
        met = sorted(met_by(letter), key=order.index)
        having = [f for f in factors if letter in f.letters]
        if not having:
            numbers.append(sizes[letter])
            continue
        place = factors.index(having[0])
        factors = [f for f in factors if letter not in f.letters]
        vectors = [f.matrix for f in having if f.letters == (letter,)]
        if not met:  # Σ u = 1ᵀu and Σ u v = uᵀv
            first, *rest = vectors
            left = transposed(first) if rest else OneMatrix(1, sizes[letter])
            numbers.append(Scalar(matrix_product(left, hadamard_product(rest or [first]))))
            continue
        # Σ_p A_ip v_p = A v, and Σ_p A_ip B_pj = A B; a sum alone is a product with ones
        left = _oriented([f for f in having if met[0] in f.letters], met[0])
        if len(met) == 1:
            right = hadamard_product(vectors) if vectors else OneMatrix(sizes[letter], 1)
        else:
            right = _oriented([f for f in having if met[1] in f.letters], letter)
            if vectors:
                left = hadamard_product([left, _outer([], vectors, sizes[met[0]], sizes[letter])])
        factors.insert(place, Factor(matrix_product(left, right), tuple(met)))

    # What is left stands over all rows and columns that are wanted.
    if stray := [f for f in factors if not {*f.letters} <= {*want}]:
        raise NoMatrixForm(term, f"{stray[0].letters} are not indices of the result")
    if not want:  # numbers alone are a 1 × 1 matrix
        scalars = [k for k, part in enumerate(numbers) if isinstance(part, Scalar)]
        place = next(
            (k for k in scalars if not numbers[k].matrix.is_symbol), next(iter(scalars), None)
        )
        if place is None:
            return matrix_product(*numbers, OneMatrix(1, 1))
        return matrix_product(*numbers[:place], *numbers[place + 1 :], numbers[place].matrix)
    if len(want) == 1:
        columns = [factor.matrix for factor in factors]
        return matrix_product(*numbers, hadamard_product(columns or [OneMatrix(sizes[want[0]], 1)]))
    full = [f.oriented(want[0]) for f in factors if len(f.letters) == 2]
    us, vs = ([f.matrix for f in factors if f.letters == (letter,)] for letter in want)
    if us or vs or not full:
        wide = _outer(us, vs, *(sizes[letter] for letter in want))
        first_is_wide = bool(factors) and len(factors[0].letters) == 1
        full = [wide, *full] if first_is_wide else [*full, wide]
    return matrix_product(*numbers, hadamard_product(full))


def _oriented(factors: Sequence[Factor], rows: Symbol) -> MatrixExpr:
    """The factors multiplied elementwise, with ``rows`` for their rows: (A ⊙ B)ᵀ, not Aᵀ ⊙ Bᵀ."""
    if len(factors) > 1 and all(len(f.letters) == 2 and f.letters[1] == rows for f in factors):
        return transposed(hadamard_product([factor.matrix for factor in factors]))
    return hadamard_product([factor.oriented(rows) for factor in factors])


def _outer(
    us: Sequence[MatrixExpr], vs: Sequence[MatrixExpr], height: Expr, width: Expr
) -> MatrixExpr:
    """U vᵀ, with ones for what is missing; (u 1ᵀ)^p rather than u^p 1ᵀ, to divide by."""
    if us and vs:
        return matrix_product(hadamard_product(us), transposed(hadamard_product(vs)))
    if not us and not vs:
        return OneMatrix(height, width)

    def widened(vector: MatrixExpr) -> MatrixExpr:
        if us:
            return matrix_product(vector, OneMatrix(1, width))
        return matrix_product(OneMatrix(height, 1), transposed(vector))

    vectors = us or vs
    powers = [vector for vector in vectors if isinstance(vector, HadamardPower)]
    others = [vector for vector in vectors if not isinstance(vector, HadamardPower)]
    wide = [widened(hadamard_product(others))] if others else []
    return hadamard_product([*wide, *(HadamardPower(widened(p.base), p.exp) for p in powers)])


# -------------------------------------------------------------------------------- certification

SMALL = (2, 3, 4, 5, 6, 7, 8)
"""Sizes at which a lift is lowered, different for each symbol; then from the first again."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A lift is its index form: at these sizes, in that many entries, and how exactly."""

    sizes: tuple[tuple[Expr, int], ...]
    entries: int
    how: str = field(default="exactly", repr=False)


def certify(
    lifted: MatrixExpr,
    deduction: Deduction | Equation,
    sizes: Mapping[Expr, int] | None = None,
) -> Certificate:
    """Prove that ``lifted`` is the result of ``deduction``, entry by entry, at small sizes.

    ``sizes`` gives a number for each width; else each gets one of its own, from 2 on.  Raises
    `Uncertified` naming the first entry that differs, or the shapes that do.
    """
    form = deduction.result if isinstance(deduction, Deduction) else deduction.rhs
    name = deduction.lhs.by if isinstance(deduction, Deduction) else deduction.lhs
    return _certified(lifted, form, deduction.free, name, sizes)


def _certified(
    lifted: MatrixExpr,
    form: Expr,
    free: tuple[Symbol, ...],
    name: Expr,
    sizes: Mapping[Expr, int] | None = None,
) -> Certificate:
    """Prove that ``lifted``, said to be the matrix for ``name``, is ``form`` over ``free``."""
    if not sizes:
        parts = [*sympy.preorder_traversal(lifted), *sympy.preorder_traversal(form)]
        found = [size for part in parts if isinstance(part, MatrixExpr) for size in part.shape]
        found += [part.limits[0][2] for part in parts if isinstance(part, Sum)]
        sizes = _small_sizes(found)
    values = Lowered(sizes)
    rows, columns = (values.size(size) for size in lifted.shape)
    if (columns != 1 and len(free) < 2) or (rows != 1 and not free):
        found = f"{lifted.shape[0]} × {lifted.shape[1]}"
        raise Uncertified(f"{name} has {len(free)} indices, and its matrix is {found}")
    try:
        entries = values.matrix(lifted)
    except _Shapes as error:
        raise Uncertified(f"the matrix for {name} is not well formed: {error}") from None
    wanted = values.array(form, free, lifted.shape[: len(free)]).reshape(rows, columns)
    differing = np.argwhere(entries != wanted)
    if len(differing):
        at = ", ".join(str(place + 1) for place in differing[0][: len(free)])
        raise Uncertified(
            f"entry ({at}) of the matrix for {name} is not its index form "
            f"{_index_text(form)} (sizes {', '.join(f'{n} = {k}' for n, k in sizes.items())})"
        )
    return Certificate(tuple(sizes.items()), rows * columns)


def _small_sizes(found: Iterable[Expr]) -> dict[Expr, int]:
    """A small number for each size; 1 stays 1, since it may be the width of a column."""
    distinct = [size for size in dict.fromkeys(found) if size != 1]
    return {size: SMALL[k % len(SMALL)] for k, size in enumerate(distinct)}


class _Shapes(ValueError):
    """Arrays that cannot be put together."""


class Lowered(Evaluator):
    """Index expressions and matrix expressions in `Opaque` numbers, each node by its definition.

    A quantity's entries are hashes of its name and their places.
    """

    def __init__(
        self, sizes: Mapping[Expr, int], placed: Mapping[Expr, Axed] = MappingProxyType({})
    ) -> None:
        super().__init__(Opaque(), {}, sizes)
        self._placed = placed
        self._matrices: dict[MatrixExpr, np.ndarray] = {}
        self._points: dict[tuple[str, tuple[int, ...]], np.ndarray] = {}

    def element(self, name: str, indices: Sequence[Any], limits: Mapping[Symbol, int]) -> Axed:
        """The entries of a quantity as far as the indices reach."""
        reached = [int(i) if i.is_Integer else limits[i] for i in indices]
        self.known[name] = self._drawn(name, *reached)
        return super().element(name, indices, limits)

    def _drawn(self, name: str, *shape: int) -> np.ndarray:
        if (name, shape) not in self._points:
            places = (np.arange(1, size + 1, dtype=object) for size in (*shape, 1, 1)[:2])
            drawn = np.frompyfunc(lambda i, j: self.numbers.drawn((name, i, j)), 2, 1)
            self._points[name, shape] = np.asarray(drawn.outer(*places)).reshape(shape)
        return self._points[name, shape]

    def value(self, expr: Expr, limits: Mapping[Symbol, int]) -> Axed:
        """The entries of an index expression; of a `Scalar` the only one of its matrix."""
        if expr in self._placed:
            return self._placed[expr]
        if isinstance(expr, Scalar):
            return self.matrix(expr.matrix)[0, 0:1].reshape(()), ()
        return super().value(expr, limits)

    def matrix(self, expr: MatrixExpr) -> np.ndarray:
        """The entries of a matrix expression, rows by columns; raises `_Shapes`."""
        if expr not in self._matrices:
            self._matrices[expr] = self._lowered(expr)
        return self._matrices[expr]

    def _lowered(self, expr: MatrixExpr) -> Any:
        numbers = self.numbers
        assert isinstance(numbers, Opaque)
        match expr:
            case Array() | Gradient():
                return self._drawn(expr.name, *(self.size(size) for size in expr.shape))
            case OneMatrix() | ZeroMatrix():
                entry = int(isinstance(expr, OneMatrix))
                return np.full([self.size(size) for size in expr.shape], entry, dtype=object)
            case sympy.Identity():
                return np.eye(self.size(expr.shape[0]), dtype=int).astype(object)
            case Transpose():
                return self.matrix(expr.arg).T
            case MatAdd():
                return numbers.total(self._of_one_shape(expr.args))
            case HadamardProduct():
                return numbers.product(self._of_one_shape(expr.args))
            case HadamardPower() if expr.exp.is_Rational:
                power = np.frompyfunc(lambda entry: numbers.power(entry, expr.exp), 1, 1)
                return power(self.matrix(expr.base))
            case Elementwise():
                axes = tuple(Symbol(name) for name in ("row", "column"))
                arrays = self._of_one_shape(expr.arrays)
                values, body = [(array, axes) for array in arrays], expr.rule.expr
                inner = Lowered(self.sizes, dict(zip(expr.rule.variables, values, strict=True)))
                found, own = inner.value(body, {})
                return found if own else np.full(arrays[0].shape, found.item(), dtype=object)
            case Where():
                return numbers.chosen(*self._of_one_shape(expr.args))
            case MatMul():
                number, matrices = expr.as_coeff_matrices()
                made, *rest = (self.matrix(part) for part in matrices)
                for right in rest:
                    if made.shape[1] != right.shape[0]:
                        raise _Shapes(f"{_by(made)} times {_by(right)}")
                    made = made @ right % numbers.prime
                return numbers.product([self.value(number, {})[0], made])
        raise TypeError(f"no way to lower {type(expr).__name__}")

    def _of_one_shape(self, parts: Sequence[MatrixExpr]) -> list[np.ndarray]:
        arrays = [self.matrix(part) for part in parts]
        if len({array.shape for array in arrays}) > 1:
            raise _Shapes(" and ".join(map(_by, arrays)))
        return arrays


def _by(array: np.ndarray) -> str:
    return " × ".join(map(str, array.shape))


# ------------------------------------------------------------------------------ the matrix form


class Phase(enum.Enum):
    """Where in the algorithm a step stands."""

    FORWARD = "forward"
    BACKWARD = "backward"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class MatrixStep:
    """``symbol = expr``: one line of the algorithm.

    ``named`` is the same right-hand side with its function named only, e.g. σ(a_1); ``source`` is
    what it was lifted from; where that has no matrix form, ``expr`` is None and ``missing`` says
    why.  In an update ``symbol`` is replaced by ``expr``.
    """

    phase: Phase
    variable: Variable
    symbol: Array | Gradient
    expr: MatrixExpr | None
    named: MatrixExpr | None = None
    source: Deduction | Equation | None = None
    missing: NoMatrixForm | None = None

    @property
    def shown(self) -> MatrixExpr | None:
        """The right-hand side as one prints it: σ(a_1), but a_3 and not id(a_3)."""
        if self.named is None or self.expr in self.named.args:
            return self.expr
        return self.named

    def written(self, writer: Writer, mark: str = "") -> str:
        """``symbol = right-hand side``; the index form where there is no matrix form."""
        right = self.shown
        if right is None:
            lhs, rhs = map(writer.write, self.in_indices or ())
            return f"{lhs}{mark} = {rhs}"
        sign = writer.becomes if self.phase is Phase.UPDATE else "="
        return f"{writer.bare(self.symbol)}{mark} {sign} {writer.write(right)}"

    @property
    def in_indices(self) -> tuple[Expr, Expr] | None:
        """Both sides of what it was lifted from, as one prints them; None for an update."""
        if isinstance(self.source, Deduction):
            return self.source.lhs, self.source.result
        return None if self.source is None else (self.source.lhs, self.source.shown)

    @property
    def shape(self) -> Shape:
        """Rows and columns of both sides."""
        return self.symbol.shape

    @property
    def factors(self) -> tuple[tuple[MatrixExpr, Shape], ...]:
        """What the right-hand side is put together from, in order, each with its shape."""
        return () if self.shown is None else tuple((f, f.shape) for f in leaves(self.shown))

    @property
    def transposes(self) -> tuple[Turned, ...]:
        """Where each transpose comes from: the element that was turned, and by which index."""
        if self.expr is None or self.source is None or self.in_indices is None:
            return ()
        free, (_, form) = self.source.free, self.in_indices
        elements = sorted(form.atoms(Indexed, Partial), key=sympy.default_sort_key)
        found = []
        for leaf in dict.fromkeys(f for f in leaves(self.expr) if isinstance(f, Transpose)):
            names = {array.name for array in _arrays_in(leaf)}
            for element in elements:
                is_gradient = isinstance(element, Partial)
                own = f"∇{base_name(element.by)}" if is_gradient else base_name(element)
                first, *_ = (*getattr(element.by if is_gradient else element, "indices", ()), None)
                if own in names and first and (first not in free or first in free[1:]):
                    found.append(Turned(leaf, element, first, summed=first not in free))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Turned:
    """``factor`` is a transpose: the first index of ``element``, ``letter``, has to come last.

    It is ``summed``, and a matrix product sums over the columns of its left factor; or it numbers
    the columns of the result.
    """

    factor: MatrixExpr
    element: Expr
    letter: Symbol
    summed: bool


def _arrays_in(expr: Expr) -> Iterator[Array | Gradient]:
    if isinstance(expr, (Array, Gradient)):
        yield expr
    else:
        for argument in expr.args:
            yield from _arrays_in(argument)


def leaves(matrix: MatrixExpr) -> Iterator[MatrixExpr]:
    """The parts of a matrix that a reader sees as one factor each."""
    if isinstance(matrix, (MatMul, MatAdd, HadamardProduct)):
        for part in matrix.args:
            if isinstance(part, MatrixExpr):
                yield from leaves(part)
            else:
                for scalar in sorted(part.atoms(Scalar), key=sympy.default_sort_key):
                    yield from leaves(scalar.matrix)
    elif isinstance(matrix, HadamardPower):
        yield from leaves(matrix.base)
    else:
        yield matrix


class MatrixForm(Mapping[str, MatrixExpr]):
    """The adjoint of each quantity by name (``W1``, ``a2``, ``yhat``) as a matrix expression.

    ``forward`` holds the right-hand sides of the equations likewise, and ``named`` the same with
    the function named only; ``missing`` what has no matrix form (adjoints under ``∇W1``); to ask
    for such a one raises its `NoMatrixForm`.
    """

    def __init__(self, backward: BackwardPass, lettering: Lettering = NETWORK) -> None:
        self.backward, self.graph, self.lettering = backward, backward.graph, lettering
        self._lifter = _Lifter(self.graph)
        self.missing: dict[str, NoMatrixForm] = {}
        self._adjoints: dict[str, MatrixExpr] = {}
        self.forward: dict[str, MatrixExpr] = {}
        self.named: dict[str, MatrixExpr] = {}
        for variable, deduction in backward.adjoints.items():
            self._lift(self._adjoints, "∇", variable, deduction.result, deduction.free)
        for equation in self.graph.equations:
            self._lift(self.forward, "", equation.variable, equation.shown, equation.free)
            if equation.named is not None:
                self._lift(self.named, "", equation.variable, equation.named, equation.free)

    def _lift(
        self,
        kept: dict[str, MatrixExpr],
        mark: str,
        variable: Variable,
        form: Expr,
        free: tuple[Symbol, ...],
    ) -> None:
        try:
            sizes = dict(zip(free, variable.shape, strict=True))
            kept[variable.name] = self._lifter.lift(form, free, sizes)
        except NoMatrixForm as error:
            self.missing.setdefault(mark + variable.name, error)

    def __getitem__(self, name: str) -> MatrixExpr:
        if f"∇{name}" in self.missing:
            raise self.missing[f"∇{name}"]
        return self._adjoints[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._adjoints)

    def __len__(self) -> int:
        return len(self._adjoints)

    @property
    def layout(self) -> Layout:
        """Columns for one sample, rows for a batch."""
        return Layout.COLUMNS if self.graph.samples is None else Layout.ROWS

    # ----------------------------------------------------------------------------- certification

    @cached_property
    def certificates(self) -> dict[str, Certificate]:
        """A certificate for each lift: equations by the quantity's name, adjoints by ∇ and it.

        Raises `WrongAdjoint` where an adjoint as derived is not the derivative, and `Uncertified`
        where a matrix is not the index form that it was lifted from.
        """
        certify_adjoints(self.backward)
        widths = (size for variable in self.graph.variables for size in variable.shape)
        # A width that is a number keeps it where an index is one too: x[3] is not there of two.
        kept = self.graph.has_numbered
        sizes = _small_sizes(size for size in widths if not (kept and size.is_Integer))
        found = {}
        for equation in self.graph.equations:
            name = equation.variable.name
            for kept, form in ((self.named, equation.named), (self.forward, equation.rhs)):
                if name in kept and form is not None:
                    found[name] = _certified(kept[name], form, equation.free, equation.lhs, sizes)
        for variable, deduction in self.backward.adjoints.items():
            if variable.name in self._adjoints:
                lifted, wanted = self._adjoints[variable.name], self._lifter.array(variable).shape
                if tuple(lifted.shape) != tuple(wanted):
                    raise Uncertified(
                        f"the matrix for {variable.name} is {lifted.shape} and not {wanted}"
                    )
                found[f"∇{variable.name}"] = certify(lifted, deduction, sizes)
        return found

    def certify(self) -> Certificate:
        """Adjoints and lifts proved: the sizes, and how many entries.

        Raises `WrongAdjoint` and `Uncertified`.
        """
        found = self.certificates.values()
        sizes = dict(pair for certificate in found for pair in certificate.sizes)
        return Certificate(tuple(sizes.items()), sum(entry.entries for entry in found))

    # ------------------------------------------------------------------------- the whole algorithm

    @cached_property
    def steps(self) -> tuple[MatrixStep, ...]:
        """Forward pass, backward pass as far as the parameters ask, update.

        A line without a matrix form stands in indices; raises `NoMatrixForm` where a quantity has
        more than two indices, and so is no matrix itself.
        """
        derived = self.backward.adjoints
        steps = [
            MatrixStep(
                Phase.FORWARD,
                equation.variable,
                self._lifter.array(equation.variable),
                self.forward.get(equation.variable.name),
                self.named.get(equation.variable.name),
                equation,
                self.missing.get(equation.variable.name),
            )
            for equation in self.graph.equations
        ]
        # The quantities whose adjoints the gradients that are asked for are made of.
        needed: set[Variable] = set()
        frontier = {variable for variable in self.graph.asked if variable in derived}
        while frontier:
            needed |= frontier
            names = (derived[variable].result.atoms(Partial) for variable in frontier)
            read = {self.graph.by_base[base_name(name.by)] for name in set().union(*names)}
            frontier = read - needed
        waiting: list[Variable] = []
        for variable in derived:
            if variable in needed and variable.role in PARAMETERS:
                waiting.insert(0, variable)  # ∇W_k before ∇b_k
                continue
            waiting += [variable] if variable in needed else []
            steps += [self.step(each.name) for each in waiting]
            waiting = []
        steps += [self.step(variable.name) for variable in waiting]
        for variable in (each for each in self.graph.parameters if each in derived):
            array = self._lifter.array(variable)
            moved = matrix_sum([array, matrix_product(-ETA, Gradient.of(array))])
            steps.append(MatrixStep(Phase.UPDATE, variable, array, moved))
        return tuple(steps)

    def step(self, name: str) -> MatrixStep:
        """The step for one adjoint, also for one that the algorithm does not need."""
        variable = next(variable for variable in self.graph.variables if variable.name == name)
        return MatrixStep(
            Phase.BACKWARD,
            variable,
            Gradient.of(self._lifter.array(variable)),
            self._adjoints.get(name),
            source=self.backward.adjoints[variable],
            missing=self.missing.get(f"∇{name}"),
        )

    # ---------------------------------------------------------------------------------- on paper

    def latex(self, name: str | None = None, *, shapes: bool = False) -> str:
        """One adjoint as a formula, or the algorithm as an ``aligned`` environment.

        With ``shapes``, every factor has its shape under it.
        """
        writer = MatrixLatex(self.lettering, shapes=shapes)
        if name is not None:
            return self.step(name).written(writer)
        lines = (step.written(writer, mark=" &") for step in self.steps)
        return r"\begin{aligned} " + r" \\ ".join(lines) + r" \end{aligned}"

    def text(self, name: str | None = None) -> str:
        """One adjoint as a line of text, or the algorithm, one line a step."""
        writer = Text(self.lettering)
        if name is not None:
            return self.step(name).written(writer)
        return "\n".join(step.written(writer) for step in self.steps)

    def steps_as_data(self) -> list[dict[str, Any]]:
        """The steps as plain data; sizes are numbers or, where symbolic, text."""
        text, latex = Text(self.lettering), MatrixLatex(self.lettering)

        def sizes(shape: Shape) -> list[int | str]:
            return [int(size) if size.is_Integer else str(size) for size in shape]

        return [
            {
                "phase": step.phase.value,
                "variable": step.variable.name,
                "name": text.write(step.symbol),
                "shape": sizes(step.shape),
                "text": step.written(text),
                "latex": step.written(latex),
                "factors": [
                    {"text": text.write(factor), "shape": sizes(shape)}
                    for factor, shape in step.factors
                ],
                "transposes": [
                    {
                        "factor": text.write(turned.factor),
                        "element": text.write(turned.element),
                        "index": text.write(turned.letter),
                        "because": "summed" if turned.summed else "columns",
                    }
                    for turned in step.transposes
                ],
                "index": step.in_indices and " = ".join(map(text.write, step.in_indices)),
                "rules": [s.rule.name for s in step.source.steps]
                if isinstance(step.source, Deduction)
                else [],
                "no_matrix_form": None if step.missing is None else step.missing.message,
            }
            for step in self.steps
        ]

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def __repr__(self) -> str:
        return f"<symback.MatrixForm of {', '.join(self)}; {self.layout.value}>"


def lift(backward: BackwardPass, lettering: Lettering = NETWORK) -> MatrixForm:
    """The backward pass in matrix form; what has none is in its ``missing``."""
    return MatrixForm(backward, lettering)


def _index_text(expr: Expr) -> str:
    """An index expression for a message, printed as symback prints it where that is possible."""
    try:
        return Text().write(expr)
    except TypeError:
        return str(expr)
