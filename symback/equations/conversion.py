"""Formulas over arrays as SymPy expressions, for users who go on with SymPy: `as_sympy`.

An element with numbers for indices is a symbol with the name that prints, ``h[2]_1``; one with
letters an `Indexed`; ∂L/∂a[3]_1 is a `Partial`, a name that nothing carries out.  Σ is SymPy's
``Sum``, a condition a ``Piecewise``.
"""

from __future__ import annotations

import sympy
from sympy import Expr, IndexedBase, Integer, Piecewise, Rational, Sum, Symbol

from symback.equations import writing
from symback.equations.indices import Condition, Index, Lookup
from symback.equations.system import Kind, System
from symback.equations.terms import (
    UNIT,
    Binder,
    Call,
    Given,
    Measure,
    Number,
    Plus,
    Power,
    Read,
    Slope,
    Term,
    Times,
    Where,
    moved_term,
)
from symback.language.algebra import Partial, called
from symback.language.functions import ELEMENTARY

_RELATIONS = {"==": sympy.Eq, "!=": sympy.Ne, "<": sympy.Lt, "<=": sympy.Le}


def as_sympy(term: Term, system: System) -> Expr:
    """``term`` in SymPy's words.

    >>> from symback.equations.indices import number
    >>> system = System({}, (), (), "L")
    >>> as_sympy(Times((Read("v"), Read("w", (number(1),)))), system)
    v*w_1
    """
    return _Converter(system).term(term)


class _Converter:
    def __init__(self, system: System) -> None:
        self.system, self.names = system, writing.text(system)

    def term(self, term: Term) -> Expr:
        match term:
            case Number(value):
                return Rational(value.numerator, value.denominator)
            case Measure(index):
                return self.index(index)
            case Read():
                return self.element(term)
            case Slope(of, by, held):
                return Partial(self.element(of), self.element(by), *(Symbol(name) for name in held))
            case Plus(terms):
                return sympy.Add(*map(self.term, terms))
            case Times(factors):
                return sympy.Mul(*map(self.term, factors))
            case Power(base, exponent):
                return sympy.Pow(self.term(base), self.term(exponent))
            case Call("pi", ()):
                return sympy.pi
            case Call(function, arguments):
                row, values = ELEMENTARY.get(function), map(self.term, arguments)
                if row is None:
                    return called(function, *values)
                return getattr(sympy, row.sympy or row.name)(*values)
            case Where(left, relation, right, yes, no):
                holds = _RELATIONS[relation](self.term(left), self.term(right))
                return Piecewise((self.term(yes), holds), (self.term(no), True))
            case Given(conditions, body):
                return self._given(conditions, self.term(body))
            case Binder():
                return self._binder(term)
        raise TypeError(f"no way to convert {type(term).__name__}")

    def _binder(self, binder: Binder) -> Expr:
        body = self.term(binder.body)
        match binder.kind:
            case "sum" | "count":
                return self._sum(binder, body)
            case "mean":
                return self._sum(binder, body) / self._sum(binder, Integer(1))
            case "logsumexp":
                return sympy.log(self._sum(binder, sympy.exp(body)))
            case "softmax":
                assert binder.at is not None
                here = {binder.range.letter: binder.at}
                above = sympy.exp(self.term(moved_term(binder.body, here)))
                kept = moved_term(Given(binder.conditions, UNIT), here)
                conditions = kept.conditions if isinstance(kept, Given) else ()
                return self._given(conditions, above / self._sum(binder, sympy.exp(body)))
        letter = Symbol(binder.range.letter, integer=True)
        lower, upper = self.index(binder.range.lower), self.index(binder.range.upper)
        at = [] if binder.at is None else [self.index(binder.at)]
        return sympy.Function(binder.kind)(
            sympy.Lambda(letter, self._given(binder.conditions, body)), lower, upper, *at
        )

    def _sum(self, binder: Binder, body: Expr) -> Expr:
        letter = Symbol(binder.range.letter, integer=True)
        lower, upper = self.index(binder.range.lower), self.index(binder.range.upper)
        return Sum(self._given(binder.conditions, body), (letter, lower, upper))

    def _given(self, conditions: tuple[Condition, ...], body: Expr) -> Expr:
        if not conditions:
            return body
        held = sympy.And(
            *(_RELATIONS[c.relation](self.index(c.left), self.index(c.right)) for c in conditions)
        )
        return Piecewise((body, held), (0, True))

    def element(self, read: Read) -> Expr:
        quantity = self.system.by_name.get(read.array)
        if quantity is not None and quantity.kind is Kind.ADJOINT:
            by = self.element(Read(quantity.of, read.indices))
            return Partial(self.element(Read(quantity.target)), by)
        if all(index.is_number for index in read.indices):
            return Symbol(self.names.element(read), real=True)
        return IndexedBase(read.array, real=True)[tuple(map(self.index, read.indices))]

    def index(self, index: Index) -> Expr:
        if isinstance(index, Lookup):
            return IndexedBase(index.array, integer=True)[tuple(map(self.index, index.indices))]
        return sympy.Add(
            index.constant,
            *(coefficient * self._letter(name) for name, coefficient in index.parts),
        )

    def _letter(self, name: str) -> Symbol:
        if name in self.system.sizes:
            return Symbol(name, integer=True, positive=True)
        return Symbol(name, integer=True)
