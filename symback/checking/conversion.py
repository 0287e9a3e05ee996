"""What symback derived, as the nodes that the checker compares: SymPy read into an AST.

Here one can turn any expression of a graph, of its local derivatives or of a derivation, and the
matrix form of `symback.engine.matrix` too, into `symback.language.expressions`: `to_node`.
Indices stay letters or numbers, products and sums keep the order of `Product` and `Terms` in
`symback.language.names`; SymPy's own sums are put in the order a person writes, what is added
before what is subtracted.

Nothing is derived or simplified here.  What has no node raises `Inexpressible`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction

import sympy
from sympy import Expr, Indexed, KroneckerDelta, Piecewise, Symbol
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational

from symback.engine.graph import Graph
from symback.language import algebra
from symback.language.algebra import Partial, Terms
from symback.language.algebra import Product as Ordered
from symback.language.errors import SymbackError
from symback.language.expressions import (
    LOSS,
    ONE,
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
    everywhere,
)
from symback.language.functions import BY_SYMPY
from symback.language.names import Role, Variable, unpack


class Inexpressible(SymbackError):
    """An expression that has no node."""


def to_node(expr: Expr, graph: Graph | None) -> Node:
    """``expr`` as a node; ``graph`` says what its symbols are.

    Without a graph every symbol that is no index is an `Element` of its own name.  Plain symbols
    named as the lectures do (``h_13``, as in `Derivation.expr`) are read with the sizes of the
    graph.

    Raises `Inexpressible` for what has no node, such as the arrays of a batch.

    >>> z = Symbol("z", real=True)
    >>> to_node(1 - z, None)  # doctest: +NORMALIZE_WHITESPACE
    Total(terms=(Number(value=Fraction(1, 1), decimals=None),
                 Product(factors=(Number(value=Fraction(-1, 1), decimals=None),
                                  Element(letter='z', indices=())), elementwise=False)))
    """
    return _Conversion(graph).node(expr)


def element_of(variable: Variable, indices: Iterable[int]) -> Element:
    """The node of one element of a quantity, the layer in front where its name carries one.

    Of a quantity of a batch the first of the ``indices``, if there are any, is the sample.
    """
    own = tuple(indices)
    batched = variable.batched and bool(own)
    sample = Index("", own[0]) if batched else None
    numbers = (*variable.head, *own[batched:])
    return Element(variable.letter, tuple(Index("", n) for n in numbers), sample)


_NAMES: Mapping[type, str] = {getattr(sympy, word): row.name for word, row in BY_SYMPY.items()}


class _Conversion:
    """What the symbols of one graph are."""

    def __init__(self, graph: Graph | None) -> None:
        self.graph = graph

    def nodes(self, exprs: Iterable[Expr]) -> tuple[Node, ...]:
        """All of them."""
        return tuple(map(self.node, exprs))

    def node(self, expr: Expr) -> Node:
        """``expr`` as a node, one case a kind of expression: arrays, then numbers."""
        match expr:
            case algebra.Gradient():  # ∇a_1 is δ_1
                by = self.array(expr.args[3])
                return Array("delta", by.layer) if by.letter == "a" else Derivative(LOSS, by)
            case algebra.Array():
                return self.array(expr)
            case algebra.Elementwise():  # a function of one array, entry by entry
                rule, *arrays = expr.args
                if len(arrays) != 1:
                    raise Inexpressible("a function of several arrays")
                (letter,), array = rule.variables, self.node(arrays[0])
                own = Element(letter.name)
                put = everywhere(lambda part: array if part == own else None)
                return put(_Conversion(None).node(rule.expr))
            case algebra.Scalar():
                return self.node(expr.args[0])
            case sympy.HadamardProduct():
                return Product(self.nodes(expr.args), elementwise=True)
            case sympy.HadamardPower():  # each entry to a power; 1/v for -1
                base, exponent = self.nodes(expr.args)
                return Quotient(ONE, base) if expr.args[1] == -1 else Power(base, exponent)
            case sympy.Transpose():
                return Transpose(self.node(expr.args[0]))
            case sympy.OneMatrix():  # the 1 of 1 - h: a number goes with every entry
                return ONE
            case sympy.MatMul() | Ordered():
                return Product(self.nodes(expr.args))
            case sympy.MatAdd() | Terms():
                return Total(self.nodes(expr.args))
            case Indexed():
                name, own = expr.base.name, tuple(map(_index, expr.indices))
                if self.graph is None:
                    return Element(name, own)
                variable = self.graph.by_base[name]
                general, sample = element_of(variable, ()), own[0] if variable.batched else None
                return Element(general.letter, (*general.indices, *own[variable.batched :]), sample)
            case Symbol():
                return self.symbol(expr)
            case sympy.Rational():
                return Number(Fraction(int(expr.p), int(expr.q)))
            case sympy.pi:
                return Call("pi", ())
            case sympy.E:
                return Call("exp", (ONE,))
            case Partial():
                if expr.held:
                    raise Inexpressible(
                        "a derivative in which other quantities are held has no notation"
                    )
                return Derivative(self.node(expr.of), self.node(expr.by))
            case sympy.Add():
                terms = expr.as_ordered_terms()
                return Total(self.nodes(sorted(terms, key=lambda t: t.could_extract_minus_sign())))
            case sympy.Mul():
                return self.product(expr)
            case sympy.Pow():
                base, exponent = expr.args
                if exponent.could_extract_minus_sign():
                    return Quotient(ONE, self.node(1 / expr))
                if not (exponent.is_Rational and exponent.q == 2):
                    return Power(self.node(base), self.node(exponent))
                root = Call("sqrt", (self.node(base),))
                return root if exponent.p == 1 else Power(root, Number(Fraction(int(exponent.p))))
            case sympy.Sum():
                if len(expr.limits) != 1:
                    raise Inexpressible("a sum over several letters at once")
                bound, lower, upper = expr.limits[0]
                last = Index("", int(upper)) if upper.is_Integer else None
                return Sum(bound.name, self.node(expr.function), int(lower), last)
            case KroneckerDelta():
                i, q = (Letter(_index(index)) for index in expr.args)
                return Indicator(Comparison(i, "=", q))
            case Piecewise():
                return Cases(tuple(self.branches(list(expr.args))))
            case AppliedUndef():
                return Call(type(expr).__name__, self.nodes(expr.args))
            case _ if type(expr) in _NAMES:
                return Call(_NAMES[type(expr)], self.nodes(expr.args))
        raise Inexpressible(f"the checker has no node for {type(expr).__name__}")

    def symbol(self, expr: Expr) -> Node:
        """A scalar quantity, a width, an index, the learning rate, or a name such as h_13."""
        if self.graph is None:
            return Letter(Index(expr.name)) if expr.is_integer else Element(expr.name)
        if expr.name in self.graph.by_base:
            return element_of(self.graph.by_base[expr.name], ())
        for variable in self.graph.variables:
            if variable.role in (Role.INPUT, Role.PREACTIVATION) and variable.shape[-1] == expr:
                return Letter(Index("", variable.layer or 0), width=True)
        if expr.is_integer:
            return Letter(Index(expr.name))
        if expr.name == "eta":  # the learning rate is in no equation
            return Element(expr.name)
        letter, _, digits = expr.name.rpartition("_")
        for variable in self.graph.variables:
            layer, wanted = variable.head, len(variable.head) + len(variable.shape)
            numbers = tuple(int(part) for part in unpack(digits, wanted) if part.isdecimal())
            is_its = len(numbers) == wanted and numbers[: len(layer)] == layer
            if variable.letter == letter and is_its:
                return element_of(variable, numbers[len(layer) :])
        raise Inexpressible(f"there is no quantity {expr.name}")

    def array(self, expr: Expr) -> Array:
        """W_1, h_1, ŷ: whole quantities."""
        if self.graph is None or expr.name not in self.graph.by_base:
            raise Inexpressible(f"there is no array {expr.name}")
        variable = self.graph.by_base[expr.name]
        if variable.batched:
            raise Inexpressible("of a batch only single elements are turned into nodes")
        return Array(variable.capital, Index("", *variable.head) if variable.head else None)

    def product(self, expr: Expr) -> Node:
        """A product, its powers with a minus in the exponent below a fraction bar."""
        above, below = [], []
        for factor in expr.as_ordered_factors():
            divides = isinstance(factor, sympy.Pow) and factor.exp.could_extract_minus_sign()
            (below if divides else above).append(1 / factor if divides else factor)
        if not below:
            return Product(self.nodes(above))
        over, under = (
            Product(parts) if len(parts) > 1 else next(iter(parts), ONE)
            for parts in map(self.nodes, (above, below))
        )
        return Quotient(over, under)

    def branches(self, pairs: Sequence[tuple[Expr, Expr]]) -> Iterator[tuple[Node, Node | None]]:
        """Values and conditions; "p and q" is q within p, "p or q" is p, else q."""
        for place, (value, condition) in enumerate(pairs):
            if isinstance(condition, sympy.And):
                first, *others = condition.args
                within = [(value, sympy.And(*others)), *pairs[place + 1 :]]
                yield Cases(tuple(self.branches(within))), self.condition(first)
            elif isinstance(condition, sympy.Or):
                yield from self.branches([(value, each) for each in condition.args])
            else:
                yield self.node(value), self.condition(condition)

    def condition(self, condition: Expr) -> Node | None:
        """A comparison; None for "otherwise"."""
        if condition == sympy.true:
            return None
        if not isinstance(condition, Relational):
            raise Inexpressible("a condition that is no comparison")
        left, right = self.nodes((condition.lhs, condition.rhs))
        relation = "=" if condition.rel_op == "==" else condition.rel_op
        return Comparison(left, relation, right)


def _index(expr: Expr) -> Index:
    """i, 3 or k - 1."""
    offset, letters = expr.as_coeff_Add()
    if letters == 0:
        return Index("", int(offset))
    if not isinstance(letters, Symbol):
        raise Inexpressible(f"an index such as {expr}")
    return Index(letters.name, int(offset))
