"""What symback derived, as the nodes that the checker compares: SymPy read into an AST.

Here one can turn any expression of a graph, of its local derivatives or of a derivation, and the
matrix form of `symback.engine.matrix` too, into `symback.language.expressions`: `to_node`.
Indices stay letters or numbers, products and sums keep the order of `Product` and `Terms` in
`symback.language.names`; SymPy's own sums are put in the order a person writes, what is added
before what is subtracted.

Nothing is derived or simplified here.  What has no node raises `Inexpressible`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction

import sympy
from sympy import Expr, Indexed, KroneckerDelta, Piecewise, Symbol
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational

from symback.engine import matrix
from symback.engine.graph import Graph
from symback.language.algebra import Partial, Terms
from symback.language.algebra import Product as Ordered
from symback.language.errors import SymbackError
from symback.language.expressions import (
    LOSS,
    Array,
    Call,
    Cases,
    Comparison,
    Derivative,
    Element,
    Index,
    Indicator,
    Letter,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Total,
    Transpose,
    rebuilt,
)
from symback.language.functions import BY_SYMPY
from symback.language.names import SAMPLE, Role, Variable, unpack

__all__ = ["Inexpressible", "element_of", "to_node"]


class Inexpressible(SymbackError):
    """An expression that has no node."""


def to_node(expr: Expr, graph: Graph | None) -> Node:
    """``expr`` as a node; ``graph`` says what its symbols are.

    Without a graph every symbol that is no index is an `Element` of its own name.  Plain symbols
    named as the lectures do (``h_13``, as in `Derivation.expr`) are read with the sizes of the
    graph.

    Raises `Inexpressible` for what has no node, such as the elements of a batch.

    >>> z = Symbol("z", real=True)
    >>> to_node(1 - z, None)  # doctest: +NORMALIZE_WHITESPACE
    Total(terms=(Number(value=Fraction(1, 1), decimals=None),
                 Product(factors=(Number(value=Fraction(-1, 1), decimals=None),
                                  Element(letter='z', indices=())), elementwise=False)))
    """
    return _Conversion(graph).node(expr)


def element_of(variable: Variable, indices: Iterable[int]) -> Element:
    """The node of one element of a quantity, the layer in front where its name carries one."""
    layered = variable.layer is not None and variable.role in _LAYERED
    head = (Index("", variable.layer or 0),) if layered else ()
    return Element(variable.letter, (*head, *(Index("", number) for number in indices)))


_LAYERED = (Role.WEIGHT, Role.BIAS, Role.PREACTIVATION, Role.ACTIVATION)

_NAMES: Mapping[type, str] = {getattr(sympy, word): row.name for word, row in BY_SYMPY.items()}

_RELATIONS: Mapping[str, str] = {"==": "=", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


class _Conversion:
    """One method a kind of expression."""

    def __init__(self, graph: Graph | None) -> None:
        self.graph = graph

    def node(self, expr: Expr) -> Node:
        """``expr`` as a node."""
        for kind, convert in _CONVERSIONS:
            if isinstance(expr, kind):
                return convert(self, expr)
        raise Inexpressible(f"the checker has no node for {type(expr).__name__}")

    def nodes(self, exprs: Iterable[Expr]) -> tuple[Node, ...]:
        """All of them."""
        return tuple(self.node(expr) for expr in exprs)

    # ------------------------------------------------------------------------------- symbols

    def indexed(self, expr: Expr) -> Node:
        name, indices = expr.base.name, expr.indices
        if SAMPLE in indices:
            raise Inexpressible("the checker looks at one sample, not at a batch")
        letter, head = name, ()
        if self.graph is not None:
            general = element_of(self.graph.by_base[name], ())
            letter, head = general.letter, general.indices
        return Element(letter, (*head, *(_index(index) for index in indices)))

    def symbol(self, expr: Expr) -> Node:
        if self.graph is not None and expr.name in self.graph.by_base:
            return element_of(self.graph.by_base[expr.name], ())
        if self.graph is not None and (layer := self._layer_of_width(expr)) is not None:
            return Letter(Index("", layer), width=True)
        if expr.is_integer:
            return Letter(Index(expr.name))
        if self.graph is None or expr.name == "eta":  # the learning rate is in no equation
            return Element(expr.name)
        return self._named(expr.name)

    def _layer_of_width(self, expr: Expr) -> int | None:
        assert self.graph is not None
        for variable in self.graph.variables:
            if variable.role in (Role.INPUT, Role.PREACTIVATION) and variable.shape[-1] == expr:
                return variable.layer or 0
        return None

    def _named(self, name: str) -> Element:
        """The element behind a name such as h_13, w_2,11,3 or yhat_12."""
        assert self.graph is not None
        letter, _, digits = name.rpartition("_")
        for variable in self.graph.variables:
            head = element_of(variable, ()).indices
            wanted = len(head) + len(variable.shape)
            numbers = tuple(int(part) for part in unpack(digits, wanted) if part.isdecimal())
            own = numbers[len(head) :]
            if variable.letter == letter and len(numbers) == wanted:
                found = element_of(variable, own)
                if found.indices == tuple(Index("", number) for number in numbers):
                    return found
        raise Inexpressible(f"there is no quantity {name}")

    # ---------------------------------------------------------------------------- arithmetic

    def number(self, expr: Expr) -> Node:
        return Number(Fraction(int(expr.p), int(expr.q)))

    def pi(self, expr: Expr) -> Node:
        return Call("pi", ())

    def euler(self, expr: Expr) -> Node:
        return Call("exp", (Number(Fraction(1)),))

    def total(self, expr: Expr) -> Node:
        terms = expr.as_ordered_terms()
        return Total(self.nodes(sorted(terms, key=lambda t: t.could_extract_minus_sign())))

    def terms(self, expr: Expr) -> Node:
        return Total(self.nodes(expr.args))

    def ordered(self, expr: Expr) -> Node:
        return Product(self.nodes(expr.args))

    def product(self, expr: Expr) -> Node:
        above, below = [], []
        for factor in expr.as_ordered_factors():
            divides = isinstance(factor, sympy.Pow) and factor.exp.could_extract_minus_sign()
            (below if divides else above).append(1 / factor if divides else factor)
        if not below:
            return Product(self.nodes(above))
        return Quotient(self._single(above), self._single(below))

    def _single(self, factors: list[Expr]) -> Node:
        if not factors:
            return Number(Fraction(1))
        return self.node(factors[0]) if len(factors) == 1 else Product(self.nodes(factors))

    def power(self, expr: Expr) -> Node:
        base, exponent = expr.args
        if exponent.could_extract_minus_sign():
            return Quotient(Number(Fraction(1)), self.node(1 / expr))
        if not (exponent.is_Rational and exponent.q == 2):
            return Power(self.node(base), self.node(exponent))
        root = Call("sqrt", (self.node(base),))
        return root if exponent.p == 1 else Power(root, Number(Fraction(int(exponent.p))))

    # ----------------------------------------------------------------------- sums, functions

    def sum(self, expr: Expr) -> Node:
        if len(expr.limits) != 1:
            raise Inexpressible("a sum over several letters at once")
        bound, lower, upper = expr.limits[0]
        last = Index("", int(upper)) if upper.is_Integer else None
        return Sum(bound.name, self.node(expr.function), int(lower), last)

    def function(self, expr: Expr) -> Node:
        name = _NAMES.get(type(expr))
        if name is None and isinstance(expr, AppliedUndef):
            name = type(expr).__name__
        if name is None:
            raise Inexpressible(f"the checker has no node for {type(expr).__name__}")
        return Call(name, self.nodes(expr.args))

    def delta(self, expr: Expr) -> Node:
        i, q = (Letter(_index(index)) for index in expr.args)
        return Indicator(Comparison(i, "=", q))

    def cases(self, expr: Expr) -> Node:
        return Cases(tuple(self._branches(list(expr.args))))

    def _branches(self, pairs: Sequence[tuple[Expr, Expr]]) -> Iterator[tuple[Node, Node | None]]:
        """Values and conditions; "p and q" is q within p, "p or q" is p, else q."""
        for place, (value, condition) in enumerate(pairs):
            if isinstance(condition, sympy.And):
                first, *others = condition.args
                within = [(value, sympy.And(*others)), *pairs[place + 1 :]]
                yield Cases(tuple(self._branches(within))), self._condition(first)
            elif isinstance(condition, sympy.Or):
                yield from self._branches([(value, each) for each in condition.args])
            else:
                yield self.node(value), self._condition(condition)

    def _condition(self, condition: Expr) -> Node | None:
        if condition == sympy.true:
            return None
        if not isinstance(condition, Relational):
            raise Inexpressible("a condition that is no comparison")
        left, right = self.nodes((condition.lhs, condition.rhs))
        return Comparison(left, _RELATIONS[condition.rel_op], right)

    def partial(self, expr: Expr) -> Node:
        if expr.held:
            raise Inexpressible("a derivative in which other quantities are held has no notation")
        return Derivative(self.node(expr.of), self.node(expr.by))

    # -------------------------------------------------------------------------------- arrays

    def array(self, expr: Expr) -> Node:
        """W_1, h_1, ŷ: whole quantities."""
        if self.graph is None or expr.name not in self.graph.by_base:
            raise Inexpressible(f"there is no array {expr.name}")
        variable = self.graph.by_base[expr.name]
        layered = variable.role in _LAYERED
        letter = "W" if variable.role is Role.WEIGHT else variable.letter
        return Array(letter, Index("", variable.layer or 0) if layered else None)

    def gradient(self, expr: Expr) -> Node:
        """∇a_1 is δ_1."""
        by = self.array(expr.args[3])
        assert isinstance(by, Array)
        return Array("delta", by.layer) if by.letter == "a" else Derivative(LOSS, by)

    def elementwise(self, expr: Expr) -> Node:
        return Product(self.nodes(expr.args), elementwise=True)

    def powers(self, expr: Expr) -> Node:
        """Each entry to a power; 1/v for -1."""
        base, exponent = self.nodes(expr.args)
        if expr.args[1] == -1:
            return Quotient(Number(Fraction(1)), base)
        return Power(base, exponent)

    def transpose(self, expr: Expr) -> Node:
        return Transpose(self.node(expr.args[0]))

    def ones(self, expr: Expr) -> Node:
        """The 1 of 1 - h: a number goes with every entry."""
        return Number(Fraction(1))

    def inside(self, expr: Expr) -> Node:
        return self.node(expr.args[0])

    def applied(self, expr: Expr) -> Node:
        """A function of one array, entry by entry."""
        rule, *arrays = expr.args
        if len(arrays) != 1:
            raise Inexpressible("a function of several arrays")
        (letter,), array = rule.variables, self.node(arrays[0])
        return _put(_Conversion(None).node(rule.expr), Element(letter.name), array)


def _put(node: Node, old: Node, new: Node) -> Node:
    return new if node == old else rebuilt(node, lambda part: _put(part, old, new))


def _index(expr: Expr) -> Index:
    """i, 3 or k - 1."""
    offset, letters = expr.as_coeff_Add()
    if letters == 0:
        return Index("", int(offset))
    if not isinstance(letters, Symbol):
        raise Inexpressible(f"an index such as {expr}")
    return Index(letters.name, int(offset))


_CONVERSIONS: tuple[tuple[type, Callable[[_Conversion, Expr], Node]], ...] = (
    (matrix.Gradient, _Conversion.gradient),
    (matrix.Array, _Conversion.array),
    (matrix.Elementwise, _Conversion.applied),
    (matrix.Scalar, _Conversion.inside),
    (sympy.MatMul, _Conversion.ordered),
    (sympy.MatAdd, _Conversion.terms),
    (sympy.HadamardProduct, _Conversion.elementwise),
    (sympy.HadamardPower, _Conversion.powers),
    (sympy.Transpose, _Conversion.transpose),
    (sympy.OneMatrix, _Conversion.ones),
    (Indexed, _Conversion.indexed),
    (Symbol, _Conversion.symbol),
    (sympy.Rational, _Conversion.number),
    (type(sympy.pi), _Conversion.pi),
    (type(sympy.E), _Conversion.euler),
    (Ordered, _Conversion.ordered),
    (Terms, _Conversion.terms),
    (Partial, _Conversion.partial),
    (sympy.Add, _Conversion.total),
    (sympy.Mul, _Conversion.product),
    (sympy.Pow, _Conversion.power),
    (sympy.Sum, _Conversion.sum),
    (KroneckerDelta, _Conversion.delta),
    (Piecewise, _Conversion.cases),
    (sympy.Function, _Conversion.function),
    (sympy.Max, _Conversion.function),
    (sympy.Min, _Conversion.function),
)
