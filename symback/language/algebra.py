"""SymPy's side of a formula: expressions that keep their order, and the catalogue's formulas.

Here one can

* write what SymPy has no faithful node for: a named derivative `Partial`, a product or a sum that
  keeps its order, `Product` and `Terms`, and a `Sigma` that stays as built; `collapse` turns them
  into SymPy's own;
* multiply, negate and add without multiplying out: `product`, `negative`, `total`;
* write matrices as one does: `Array`, its `Gradient`, a rule `Elementwise`, one or the other
  `Where` a condition holds, the number in a 1 × 1 matrix as a `Scalar`; put them together without
  evaluation: `matrix_product`, `matrix_sum`, `hadamard_product`, `transposed`;
* turn a formula into SymPy's exact expression: `to_sympy`; say which argument of a max wins a tie,
  and so gives the slope there: `winner`;
* read a row's formula: `value_of` as SymPy has it, `written` in the order it was typed,
  `activation` and `activation_slope` for one neuron of a layer.

SymPy's constructors compute, so that a formula of one line may keep them busy: ``((9*x)**64)**64``
holds a number of four thousand digits, ``2**x*2**(9**20 - x)`` one that does not fit into memory,
each nested ``max`` doubles the expression, and whether ``tanh(sqrt(tanh(sqrt(x))))`` is real keeps
SymPy's assumptions busy, six times as long on every level.  So numbers are measured before a power
of them is built, expressions after they are built, and the seconds all along: a formula is built
from the leaves up, and whoever has used up his time is not let on to the next, more expensive part.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from types import MappingProxyType
from typing import Any, TypeAlias

import sympy
from sympy import (
    Expr,
    KroneckerDelta,
    Lambda,
    MatAdd,
    MatMul,
    MatrixExpr,
    MatrixSymbol,
    Mul,
    OneMatrix,
    Piecewise,
    Symbol,
    Transpose,
    ZeroMatrix,
)
from sympy.core.cache import clear_cache
from sympy.core.symbol import Str
from sympy.matrices.expressions.hadamard import HadamardProduct

from symback.language.budget import clock
from symback.language.errors import FormulaError, did_you_mean, printable
from symback.language.expressions import Named, Node, Number, operation
from symback.language.functions import ACTIVATIONS, ELEMENTARY, Activation, SoftMax
from symback.language.reading import (
    LARGEST_EXPONENT,
    MOST_ARGUMENTS,
    MOST_BITS,
    bits,
    known_words,
    read,
    to_text,
)

# ------------------------------------------------------------------- nodes SymPy does not have


class Partial(Expr):
    """∂of/∂by as a name: it is never carried out, only replaced by what was derived for it.

    SymPy's own ``Derivative(L, w)`` becomes 0 by ``doit``, since L does not "contain" w.

    Everything computed from ``by`` follows it, save the quantities ``held``: where L = s² + w and
    s = w x, ∂L/∂w is 2 s x + 1, and with s held it is 1.
    """

    is_commutative = True

    def __new__(cls, of: Expr, by: Expr, *held: Expr) -> Partial:
        """∂of/∂by; all are elements."""
        return Expr.__new__(cls, of, by, *held)

    @property
    def of(self) -> Expr:
        """What is differentiated."""
        return self.args[0]

    @property
    def by(self) -> Expr:
        """By what."""
        return self.args[1]

    @property
    def held(self) -> tuple[Expr, ...]:
        """What does not follow."""
        return self.args[2:]


class Product(Expr):
    """Factors in the order a person writes them; SymPy's ``Mul`` would sort them."""

    is_commutative = True

    def __new__(cls, *factors: Expr) -> Expr:
        """The product; without ones, 0 where a factor is 0, and a single factor is itself."""
        kept = tuple(factor for factor in factors if factor is not sympy.S.One)
        if any(factor is sympy.S.Zero for factor in kept):
            return sympy.S.Zero
        if len(kept) < 2:
            return kept[0] if kept else sympy.S.One
        return Expr.__new__(cls, *kept)


class Terms(Expr):
    """Terms in the order a person writes them; SymPy's ``Add`` would sort and collect them."""

    is_commutative = True

    def __new__(cls, *terms: Expr) -> Expr:
        """The sum; sums within it and zeros dissolve, and a single term is itself."""
        flat = tuple(
            part for term in terms for part in (term.args if isinstance(term, cls) else (term,))
        )
        kept = tuple(term for term in flat if term is not sympy.S.Zero)
        if len(kept) < 2:
            return kept[0] if kept else sympy.S.Zero
        return Expr.__new__(cls, *kept)


class Sigma(sympy.Sum):
    """Σ_{index=1}^{upper} body, exactly as built.

    SymPy's ``Sum`` joins nested sums and pulls every ``Piecewise`` out in front of itself, which
    turns Σ_i 1[a_i > 0] w_i into one case for each subset of the neurons.
    """

    def __new__(cls, body: Expr, *limits: tuple[Symbol, Expr | int, Expr]) -> Sigma:
        """Σ with one triple (index, 1, upper limit)."""
        made = Expr.__new__(cls, body, *(sympy.Tuple(*limit) for limit in limits))
        made.is_commutative = True
        return made


def collapse(expr: Expr) -> Expr:
    """The same value in SymPy's own nodes: every `Product` a ``Mul``, every `Terms` an ``Add``."""
    if not expr.args or not expr.has(Product, Terms):
        return expr
    arguments = [collapse(argument) for argument in expr.args]
    if isinstance(expr, Product):
        rest = sympy.Mul(*(factor for factor in arguments if not factor.is_Number))
        number = sympy.Mul(*(factor for factor in arguments if factor.is_Number))
        if isinstance(rest, sympy.Add) and number not in (sympy.S.Zero, sympy.S.One):
            # SymPy would turn -2 (y - ŷ) into -2 y + 2 ŷ
            return sympy.Mul(number, rest, evaluate=False)
        return number * rest
    if isinstance(expr, Terms):
        return sympy.Add(*arguments)
    return expr.func(*arguments)


# ------------------------------------------------------------------ a formula as SymPy has it

Relation: TypeAlias = Callable[[Expr, Expr], sympy.Basic]

MOST_GROWTH = 100_000  # bits that one power may make before the result is measured
LARGEST_EXPRESSION = 2_000  # nodes, counted as often as they are printed
SECONDS = 0.3  # of this thread's processor, until the last part but one is built

VALUES: Mapping[str, Expr] = MappingProxyType({"pi": sympy.pi, "e": sympy.E})
NOTHING: Mapping[str, Callable[..., Expr]] = MappingProxyType({})


def to_sympy(
    node: Node,
    symbols: Mapping[str, Expr],
    functions: Mapping[str, Callable[..., Expr]] = NOTHING,
    *,
    where: str = "formula",
) -> Expr:
    """Return the exact SymPy expression of a tree.

    Decimals are the rationals they are written as, division is exact, ``max``, ``min``, ``sign``
    and ``where`` become `Piecewise`. Where two arguments of ``max`` are equal, a constant one
    wins, so that ``max(0, z)`` has slope 0 at z = 0, else the last by name, however written.

    Parameters
    ----------
    node
        The tree.
    symbols
        What stands for each free name; real symbols give the nicest forms.
    functions
        The functions that `read` was allowed beyond `FUNCTIONS`.
    where
        What each message begins with: the file and the key.

    Raises
    ------
    FormulaError
        For a name or function that is not given; where a part is infinite, undefined or not real
        (``1/0``, ``log(0)``, ``sqrt(-1)``); where SymPy would compute a number of more than some
        400 digits or an expression of more than some thousand parts.

    Examples
    --------
    >>> from symback.language.reading import read
    >>> x = Symbol("x", real=True)
    >>> to_sympy(read("0.1*x/2", names={"x"}), {"x": x})
    x/20
    >>> to_sympy(read("max(0, x)", names={"x"}), {"x": x})
    Piecewise((x, x > 0), (0, True))
    """
    return _Converter(symbols, functions, where).convert(node)


def _ranked(values: Iterable[Expr]) -> list[Expr]:
    """The arguments of a max or min in an order of their own, constants last.

    The last of those that are equal wins, in whatever order they are written.
    """
    return sorted(values, key=lambda value: (not value.free_symbols, sympy.default_sort_key(value)))


def winner(node: Node, symbols: Mapping[str, Any], functions: Mapping[str, Any]) -> Expr:
    """The argument of a max or min whose slope is taken where all of them are equal."""
    head, _ = operation(node)
    return _ranked(to_sympy(part, symbols, functions) for part in _joined(node, head))[-1]


def _joined(node: Node, head: str) -> Iterator[Node]:
    """Yield the operands, those of a max directly inside a max among them; likewise min."""
    for part in operation(node)[1]:
        if operation(part)[0] == head in {"max", "min"}:
            yield from _joined(part, head)
        else:
            yield part


def _extreme(beats: Relation, *values: Expr) -> Expr:
    """Each value where it beats all later ones; see `_ranked`."""
    ranked = _ranked(values)
    cases = [
        (value, sympy.And(*(beats(value, other) for other in ranked[place:])))
        for place, value in enumerate(ranked[:-1], start=1)
    ]
    return _piecewise(*cases, (ranked[-1], sympy.true))


def _sign(value: Expr) -> Expr:
    """Not SymPy's `sign`, whose derivative is a DiracDelta: flat on both sides, and at 0."""
    cases = (sympy.Integer(1), sympy.Integer(-1), sympy.Integer(0))
    return _by_cases(
        lambda v: _piecewise(*zip(cases, (v > 0, v < 0, sympy.true), strict=True)), value
    )


def _absolute(value: Expr) -> Expr:
    """`Abs` of what is known to be real; else its cases, for the slope of Abs(log(x)) holds re."""
    if value.is_extended_real:
        return sympy.Abs(value)
    return _by_cases(
        lambda v: _piecewise((v, v > 0), (-v, v < 0), (sympy.Integer(0), sympy.true)), value
    )


def _where(relation: Relation, left: Expr, right: Expr, chosen: Expr, otherwise: Expr) -> Expr:
    return _by_cases(
        lambda a, b: _piecewise((chosen, relation(a, b)), (otherwise, sympy.true)), left, right
    )


def _by_cases(build: Callable[..., Expr], *values: Expr) -> Expr:
    """Build for each branch of each `Piecewise` inside the values, so that no condition holds one.

    SymPy turns such a condition into an ITE, which neither its printers nor NumPy can show.
    """
    parts = chain.from_iterable(map(sympy.preorder_traversal, values))
    piece = next((part for part in parts if isinstance(part, Piecewise)), None)
    if piece is None:
        return build(*values)
    branches = []
    for branch, condition in piece.args:
        chosen = [value.xreplace({piece: branch}) for value in values]
        for part in chain.from_iterable(map(sympy.postorder_traversal, chosen)):
            _check_constant(part)  # the branches may be constants where the whole was not
        branches.append((_by_cases(build, *chosen), condition))
    return _piecewise(*branches)


def _check_constant(expression: sympy.Basic) -> None:
    """Raise TypeError or OverflowError for a constant that is not a real double.

    Then what is built next from doubles is safe to evaluate, which comparisons do.
    """
    if not isinstance(expression, Expr) or expression.free_symbols or expression.is_Rational:
        return
    value = expression.evalf(15)
    if value.is_real is False or value.has(sympy.I, sympy.zoo, sympy.nan):
        raise TypeError
    if value.is_Float and not abs(value) < sympy.Float("1e308"):
        raise OverflowError


def _piecewise(*branches: tuple[Expr, Any]) -> Expr:
    """Return a flat `Piecewise`: a branch that is one itself gives its own branches."""
    flat: list[tuple[Expr, Any]] = []
    for value, condition in branches:
        is_total = isinstance(value, Piecewise) and value.args[-1][1] == sympy.true
        inner = value.args if is_total else ((value, sympy.true),)
        flat += [(branch, sympy.And(condition, where)) for branch, where in inner]
    return Piecewise(*flat)


RELATIONS: Mapping[str, Relation] = {"<": sympy.Lt, "<=": sympy.Le, ">": sympy.Gt, ">=": sympy.Ge}
BUILDERS: Mapping[str, Callable[..., Any]] = {
    "+": sympy.Add,
    "-": operator.sub,
    "*": sympy.Mul,
    "/": operator.truediv,
    "**": sympy.Pow,
    "neg": operator.neg,
    **{name: getattr(sympy, row.sympy or name) for name, row in ELEMENTARY.items()},
    "abs": _absolute,
    "sign": _sign,
    "max": partial(_by_cases, partial(_extreme, sympy.Gt)),
    "min": partial(_by_cases, partial(_extreme, sympy.Lt)),
}


@dataclass(frozen=True, slots=True)
class _Measure:
    """What the budgets ask of an expression; the numbers are upper bounds over its parts."""

    size: int
    bits: int
    magnitude: float
    has_log: bool


class _Converter:
    """Build from the leaves up; measure every result, and every power before it is computed."""

    def __init__(
        self,
        symbols: Mapping[str, Expr],
        functions: Mapping[str, Callable[..., Expr]],
        where: str,
    ) -> None:
        self.symbols, self.functions, self.where = {**symbols, **VALUES}, functions, where
        self.measures: dict[sympy.Basic, _Measure] = {}
        self.end = clock() + SECONDS

    def fail(self, node: Node, message: str) -> FormulaError:
        """The error of a part; the message shows how it is written."""
        shown = f'"{printable(to_text(node), 40)}"'
        return FormulaError(f"{self.where}: {shown} {message}", node.column or None)

    def convert(self, node: Node) -> Expr:
        if isinstance(node, Number):
            return sympy.Rational(node.value.numerator, node.value.denominator)
        if isinstance(node, Named):
            return self.value_of(node)
        head, parts = operation(node)
        if head == "where":  # its condition is built together with both sides
            relation, compared = operation(parts[0])
            build = partial(_where, RELATIONS[relation])
            return self.built(node, build, [*map(self.convert, (*compared, *parts[1:]))])
        arguments = [*map(self.convert, _joined(node, head))]
        if head in {"max", "min"}:
            arguments = self.contenders(node, {"max": max, "min": min}[head], arguments)
        build = BUILDERS.get(head) or self.functions.get(head)
        if build is None:
            meant = did_you_mean(head, [*BUILDERS, *self.functions]) or "."
            message = f'{self.where}: unknown function "{printable(head)}"{meant}'
            raise FormulaError(message, node.column or None)
        if head in {"**", "sqrt", "exp"}:
            self.check_growth(node, head, arguments)
        return self.built(node, build, arguments)

    def value_of(self, node: Named) -> Expr:
        if node.name not in self.symbols:
            meant = did_you_mean(node.name, self.symbols) or "."
            known = known_words(sorted(self.symbols))
            message = f'{self.where}: unknown name "{node.name}"{meant} {known}'
            raise FormulaError(message, node.column or None)
        return self.symbols[node.name]

    def contenders(self, node: Node, best: Callable[..., Expr], values: list[Expr]) -> list[Expr]:
        """Return the values that can win a max or min: each one once, one number at most."""
        numbers = [value for value in values if value.is_Rational]
        others = [value for value in values if not value.is_Rational]
        contenders = [*dict.fromkeys(others), *([best(numbers)] if numbers else [])]
        if len(contenders) > MOST_ARGUMENTS:
            raise self.fail(node, f"compares more than {MOST_ARGUMENTS} values")
        return contenders

    def built(self, node: Node, build: Callable[..., Expr], arguments: list[Expr]) -> Expr:
        """Build one part from its arguments; it is finite, real, small, and built in time.

        Each level of nested functions multiplies the seconds by two to ten, so that the time is up
        long before a level takes minutes.  Then SymPy forgets what it has worked out: with that in
        its cache, whoever asks again would get one level further.
        """
        try:
            expression = build(*arguments)
            self.check(node, expression)
            _check_constant(expression)
        except OverflowError:
            raise self.fail(node, "is larger than 1e308") from None
        except RecursionError:
            raise self.fail(node, "is nested too deeply for SymPy") from None
        except (AttributeError, TypeError) as error:
            # SymPy compares real values only; and its cache stumbles over some of its own messages:
            # asin(sin(10**300)) is "'LazyExceptionMessage' object has no attribute 'startswith'".
            raise self.fail(node, "is not a real number") from error
        if clock() > self.end:
            clear_cache()
            raise self.fail(node, "takes SymPy too long; name its parts in equations of their own")
        return expression

    def check_growth(self, node: Node, head: str, arguments: list[Expr]) -> None:
        """Refuse a power before SymPy computes it, if it could make a huge number.

        Exponents add and multiply behind one's back, and ``exp(c*log(2))`` becomes ``2**c``, so
        this bounds every number inside the exponent, not its value.
        """
        base, exponent = {
            "**": lambda: arguments,
            "sqrt": lambda: (arguments[0], sympy.Rational(1, 2)),
            "exp": lambda: (sympy.E, arguments[0]),
        }[head]()
        if head == "**" and exponent.is_Rational and abs(exponent) > LARGEST_EXPONENT:
            raise self.fail(node, f"has an exponent beyond {LARGEST_EXPONENT}")
        below, above = self.measure(base), self.measure(exponent)
        growth = below.bits * above.magnitude
        if below.has_log or above.has_log:
            growth = max(below.bits, above.bits) * below.magnitude * above.magnitude
        if growth > MOST_GROWTH:
            raise self.fail(node, "could hold a number of hundreds of digits")

    def check(self, node: Node, expression: Expr) -> None:
        """Refuse an expression that is not finite, not real or too large."""
        if expression.has(sympy.zoo, sympy.nan, sympy.oo, -sympy.oo):
            raise self.fail(node, "has no finite value; look for a division by zero or log(0)")
        if expression.has(sympy.I):
            raise self.fail(node, "is not a real number")
        measure = self.measure(expression)
        if measure.bits > MOST_BITS:
            raise self.fail(node, "holds a number of hundreds of digits")
        if measure.size > LARGEST_EXPRESSION:
            message = "is too large written out; name its parts in equations of their own"
            raise self.fail(node, message)

    def measure(self, expression: sympy.Basic) -> _Measure:
        if expression in self.measures:
            return self.measures[expression]
        if isinstance(expression, sympy.Rational):
            size = bits(expression)  # type: ignore[arg-type] - it has what a Fraction has
            magnitude = float(abs(expression)) if size < 1_000 else float("inf")
            found = _Measure(1, size, max(1.0, magnitude), has_log=False)
        else:
            parts = [self.measure(part) for part in expression.args]
            found = _Measure(
                size=1 + sum(part.size for part in parts),
                bits=max((part.bits for part in parts), default=0),
                magnitude=max((part.magnitude for part in parts), default=1.0),
                has_log=any(part.has_log for part in parts) or isinstance(expression, sympy.log),
            )
        self.measures[expression] = found
        return found


# --------------------------------------------------------------------------------------- matrices

Shape = tuple[Expr, Expr]


class Array(MatrixSymbol):
    """All elements of a quantity as a matrix; ``name`` is that of its symbol or ``IndexedBase``.

    >>> Array("W_1", 4, 3).shape
    (4, 3)
    """


class SampleArray(Array):
    """A matrix with one row a sample, written with a capital letter."""


class Gradient(MatrixSymbol):
    """The adjoint of a quantity, ∇L by all its elements: a name, as `Partial` is for one element.

    >>> Gradient.of(Array("a_1", 4, 1))
    ∇a_1
    """

    def __new__(cls, name: Any, rows: Expr, columns: Expr, array: Array) -> Gradient:
        """Use `of`: this is how SymPy builds it again from its ``args``."""
        text = name if isinstance(name, Str) else Str(name)
        return sympy.Basic.__new__(cls, text, rows, columns, array)

    @classmethod
    def of(cls, array: Array) -> Gradient:
        """∇array."""
        rows, columns = array.shape
        return cls(f"∇{array.name}", rows, columns, array)

    @property
    def array(self) -> Array:
        """By what."""
        return self.args[3]


class Elementwise(MatrixExpr):
    """A rule applied to arrays of one shape, element by element; the rule may be a condition.

    >>> z = Symbol("z", real=True)
    >>> Elementwise(Lambda(z, sympy.exp(z)), Array("a_1", 4, 1))[2, 0]
    exp(a_1[2, 0])
    """

    def __new__(cls, rule: Lambda, *arrays: MatrixExpr) -> Elementwise:
        """Rule(array, …)."""
        return sympy.Basic.__new__(cls, rule, *arrays)

    @property
    def rule(self) -> Lambda:
        """The function of as many numbers as there are arrays."""
        return self.args[0]

    @property
    def arrays(self) -> tuple[MatrixExpr, ...]:
        """What it is applied to."""
        return self.args[1:]

    @property
    def shape(self) -> Shape:
        """That of its arrays."""
        return self.args[1].shape

    def _entry(self, i, j, **kwargs):
        return self.rule(*(array._entry(i, j, **kwargs) for array in self.arrays))


class Where(MatrixExpr):
    """Elementwise: one array's entry where a condition holds, another's where not."""

    def __new__(cls, condition: Elementwise, yes: MatrixExpr, no: MatrixExpr) -> Where:
        """``yes`` where ``condition`` holds, else ``no``."""
        return sympy.Basic.__new__(cls, condition, yes, no)

    @property
    def shape(self) -> Shape:
        """That of all three."""
        return self.args[0].shape

    @property
    def is_indicator(self) -> bool:
        """Whether it is 1 where the condition holds and 0 elsewhere."""
        return isinstance(self.args[1], OneMatrix) and isinstance(self.args[2], ZeroMatrix)

    def _entry(self, i, j, **kwargs):
        condition, yes, no = (part._entry(i, j, **kwargs) for part in self.args)
        return Piecewise((yes, condition), (no, True), evaluate=False)


class Scalar(Expr):
    """The only entry of a 1 × 1 matrix as a number that may multiply others: (vᵀŷ) in (vᵀŷ) 1."""

    is_commutative = True
    is_real = True

    def __new__(cls, matrix: MatrixExpr) -> Scalar:
        """The number in ``matrix``."""
        return Expr.__new__(cls, matrix)

    @property
    def matrix(self) -> MatrixExpr:
        """The 1 × 1 matrix."""
        return self.args[0]

    def doit(self, **hints):
        """The entry itself."""
        return self.matrix[0, 0]


def matrix_product(*factors: Expr) -> MatrixExpr:
    """A matrix product: products within it dissolve, numbers come first, ones among them go."""
    numbers: list[Expr] = []
    matrices: list[MatrixExpr] = []
    for factor in factors:
        parts = factor.args if isinstance(factor, MatMul) else (factor,)
        for part in parts:
            (matrices if isinstance(part, MatrixExpr) else numbers).append(part)
    number = Mul(*numbers)
    if number is sympy.S.Zero:
        return ZeroMatrix(matrices[0].shape[0], matrices[-1].shape[1])
    kept = matrices if number is sympy.S.One else [number, *matrices]
    return MatMul(*kept, evaluate=False) if len(kept) > 1 else kept[0]


def matrix_sum(terms: Sequence[MatrixExpr]) -> MatrixExpr:
    """A sum of matrices, in the order given."""
    return MatAdd(*terms, evaluate=False) if len(terms) > 1 else terms[0]


def hadamard_product(factors: Sequence[MatrixExpr]) -> MatrixExpr:
    """⊙; elementwise products within it dissolve, and ones go."""
    flat = [
        part
        for factor in factors
        for part in (factor.args if isinstance(factor, HadamardProduct) else (factor,))
    ]
    kept = [part for part in flat if not isinstance(part, OneMatrix)] or flat[:1]
    return HadamardProduct(*kept, evaluate=False) if len(kept) > 1 else kept[0]


def transposed(matrix: MatrixExpr) -> MatrixExpr:
    """(A B)ᵀ = Bᵀ Aᵀ; everything but a product keeps its ᵀ outside."""
    if isinstance(matrix, Transpose):
        return matrix.arg
    if isinstance(matrix, (OneMatrix, ZeroMatrix)):
        return type(matrix)(*reversed(matrix.shape))
    if isinstance(matrix, MatMul):
        number, matrices = matrix.as_coeff_matrices()
        return matrix_product(number, *(transposed(factor) for factor in reversed(matrices)))
    return Transpose(matrix)


# --------------------------------------------------------------------------- the catalogue's rows


def activation(row: Activation | SoftMax, z: Callable[[Expr], Expr], i: Expr, size: Expr) -> Expr:
    """g(z_i), or e^{z_i} / Σ_m e^{z_m} over a layer of ``size`` neurons; ``z`` makes elements."""
    if isinstance(row, Activation):
        return value_of(row.formula, {"z": z(i)})
    m = Symbol("m", integer=True)
    return sympy.exp(z(i)) / Sigma(sympy.exp(z(m)), (m, 1, size))


def activation_slope(
    row: Activation | SoftMax,
    z: Callable[[Expr], Expr],
    h: Callable[[Expr], Expr],
    i: Expr,
    q: Expr,
) -> Expr | None:
    """∂h_i/∂z_q as the row declares it, or None; of softmax h_i (δ_iq - h_q)."""
    if isinstance(row, SoftMax):
        return Product(h(i), KroneckerDelta(i, q) - h(q))
    if not row.slope:
        return None
    return Product(KroneckerDelta(i, q), written(row.slope, {"z": z(i), "h": h(i)}))


def field_functions() -> dict[str, Callable[..., Expr]]:
    """The elementwise activations as functions that a formula may call, by name."""
    return {
        name: _callable(row.formula)
        for name, row in ACTIVATIONS.items()
        if isinstance(row, Activation)
    }


def _callable(text: str) -> Callable[..., Expr]:
    return lambda z: to_sympy(read(text, names=("z",)), {"z": z})


def called(name: str, *arguments: Expr) -> Expr:
    """The function ``name`` applied by name only, e.g. sigmoid(a_1[i]): never evaluated."""
    return sympy.Function(name)(*arguments)


def value_of(text: str, symbols: Mapping[str, Expr]) -> Expr:
    """The formula ``text`` as a SymPy expression in ``symbols``."""
    node = read(text, names=tuple(symbols), functions=tuple(ACTIVATIONS))
    return to_sympy(node, symbols, field_functions())


# --------------------------------------------------------------- a formula in the order it is typed


def written(text: str, symbols: Mapping[str, Expr]) -> Expr:
    """The formula ``text`` with its factors and terms in the order they were typed.

    >>> y, yhat = sympy.symbols("y yhat")
    >>> written("-2*(y-yhat)", {"y": y, "yhat": yhat})
    Product(-2, y - yhat)
    """

    def plain(node: Node) -> Expr:
        return to_sympy(node, symbols, field_functions())

    def ordered(node: Node) -> Expr:  # products and sums; everything below them is SymPy's
        match operation(node):
            case "*", factors:
                return product(map(ordered, factors))
            case "/", (above, below):
                return product([ordered(above), 1 / plain(below)])
            case "neg", (part,):
                return negative(ordered(part))
            case "+", terms:
                return total(map(ordered, terms))
            case "-", (left, right):
                return total([ordered(left), negative(ordered(right))])
            case "sign", (part,):  # a slope is not differentiated again, so it may stay a name
                return sympy.sign(plain(part))
            case "where", (_, chosen, otherwise):
                cases = (ordered(chosen), plain(node).args[0][1]), (ordered(otherwise), True)
                return Piecewise(*cases, evaluate=False)
        return plain(node)

    return ordered(read(text, names=tuple(symbols), functions=tuple(ACTIVATIONS)))


def as_typed(node: Node, symbols: Mapping[str, Expr]) -> Expr:
    """A whole formula with every factor and term where it was typed, also within functions.

    Its value, by `collapse`, is that of `to_sympy`; only what is given by cases is as SymPy has it.

    >>> x, w, b = sympy.symbols("x w b", real=True)
    >>> as_typed(read("tanh(x*2 + b)", names=("x", "b")), {"x": x, "b": b})
    tanh(Terms(Product(x, 2), b))
    """
    head, parts = operation(node)
    if not parts or head in ("where", "max", "min", "abs", "sign"):
        return to_sympy(node, symbols, field_functions())
    if head == "**":
        exponent = to_sympy(parts[1], symbols, field_functions())
        return sympy.Pow(as_typed(parts[0], symbols), exponent, evaluate=False)
    made = [as_typed(part, symbols) for part in parts]
    match head:
        case "*":
            return Product(*_factors_of(*made))
        case "/":
            below = [sympy.Pow(part, -1, evaluate=False) for part in _factors_of(made[1])]
            return Product(*_factors_of(made[0]), *below)
        case "neg":
            return negative(made[0])
        case "+":
            return Terms(*made)
        case "-":
            return Terms(made[0], negative(made[1]))
        case "sqrt":
            return sympy.Pow(made[0], sympy.Rational(1, 2), evaluate=False)
    if head in ELEMENTARY:
        return BUILDERS[head](*made, evaluate=False)
    z = sympy.Dummy(real=True)
    return field_functions()[head](z).xreplace({z: made[0]})


def _factors_of(*factors: Expr) -> Iterator[Expr]:
    for factor in factors:
        yield from factor.args if isinstance(factor, Product) else (factor,)


_SEVERAL = (sympy.Add, Terms, Product, Piecewise)
"""What SymPy would multiply out, or what is put together already."""


def product(factors: Iterable[Expr]) -> Expr:
    """Factors in order; atoms multiply as SymPy does, so that 1/2 and -y stay single factors."""
    kept = list(factors)
    several = any(isinstance(factor, _SEVERAL) for factor in kept)
    return Product(*kept) if several else sympy.Mul(*kept)


def negative(expr: Expr) -> Expr:
    """-expr without multiplying a sum out, as SymPy would: -(y - yhat) stays."""
    if isinstance(expr, Product) and not isinstance(expr.args[0], _SEVERAL):
        first, *rest = expr.args
        return Product(-first, *rest)
    return Product(sympy.S.NegativeOne, expr) if isinstance(expr, _SEVERAL) else -expr


def total(terms: Iterable[Expr]) -> Expr:
    """Terms in order; without products among them, SymPy's own sum."""
    kept = list(terms)
    return Terms(*kept) if any(term.has(Product, Terms) for term in kept) else sympy.Add(*kept)
