"""The backward pass proved a second way: forward dual numbers over finite fields.

Here one can

* prove every adjoint of a backward pass: `certify_adjoints`, which shares no code with what derived
  them.  For each quantity v it draws a direction d and carries v + ε d, ε² = 0, forward through the
  equations as they are; the ε of the loss must be Σ d_i ∂L/∂v_i, with ∂L/∂v_i as derived.

The numbers are residues at a secret point: e^u is computed in a tower of primes, so that
e^{u+v} = e^u e^v to any depth; other functions and conditions are drawn by name and argument, and
their slopes are those of the catalogue's rows.  A wrong derivative of a smooth function passes with
a chance of about 2^-170; of a function given by cases, every case is tried with chance 15/16.

Widths that are letters get small numbers, a different one each; large ones that are numbers do so
too, but not where an index is a number, which would have to go with them.
"""

from __future__ import annotations

import itertools
import math
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import sympy
from sympy import Add, Expr, Indexed, Integer, KroneckerDelta, Mul, Piecewise, Pow, Sum, Symbol
from sympy.core.relational import Relational

from symback.engine.arithmetics import (
    LEVELS,
    NoRoot,
    Residues,
    TooDeep,
    Undecided,
    VanishingDenominator,
    tower,
)
from symback.engine.derivation import BackwardPass
from symback.engine.graph import Graph, base_name
from symback.language.algebra import Partial, Product, Terms, written
from symback.language.errors import SymbackError
from symback.language.functions import BY_SYMPY
from symback.language.names import Variable

SMALL = (2, 3, 4, 5)
"""What symbolic widths are, one after another."""

MOST_ELEMENTS = 500
"""Of a graph of more elements, widths that are numbers become small ones too, unless an index is a
number, which would have to change with them."""

MOST_EQUATIONS = 150
"""A longer graph is not gone through, element by element."""

TRIES = 200
"""Points at which a value is looked for; a square root has one at every second."""


CASES = 4
"""Points for functions given by cases: at each, which case holds is drawn."""


class WrongAdjoint(SymbackError):
    """A derived adjoint that is not the derivative; the message names the quantity."""


@dataclass(frozen=True, slots=True)
class AdjointCertificate:
    """These quantities' adjoints are the derivatives, at these widths; the others were not judged.

    ``undecided`` says why, by the quantity's name.
    """

    sizes: tuple[tuple[Expr, int], ...]
    quantities: tuple[str, ...]
    undecided: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Dual:
    """``value + slope·ε`` with ε² = 0, modulo a prime."""

    value: int
    slope: int


def certify_adjoints(backward: BackwardPass) -> AdjointCertificate:
    """Prove every adjoint that ``backward`` derived; raises `WrongAdjoint` naming a wrong one.

    What cannot be computed exactly, or would take long, is among the certificate's ``undecided``.
    """
    graph = backward.graph
    sizes = _sizes(graph)
    proved, undecided = [], {}
    if len(graph.equations) > MOST_EQUATIONS or _elements(graph, sizes) > MOST_ELEMENTS:
        why = "the graph has more elements than are gone through one by one"
        return AdjointCertificate((), (), tuple((each.name, why) for each in backward.adjoints))
    for variable in backward.adjoints:
        try:
            if not _agree(backward, variable, sizes):
                name = variable.name
                raise WrongAdjoint(
                    f"∂{graph.target.name}/∂{name} as derived is not the derivative of "
                    f"{graph.target.name} by {name}: forward dual numbers differ from it"
                )
        except Undecided as error:
            undecided[variable.name] = error.message
        else:
            proved.append(variable.name)
    return AdjointCertificate(tuple(sizes.items()), tuple(proved), tuple(undecided.items()))


def _sizes(graph: Graph) -> dict[Expr, int]:
    widths = dict.fromkeys(size for variable in graph.variables for size in variable.shape)
    letters = dict.fromkeys(
        letter for size in widths for letter in sorted(size.free_symbols, key=str)
    )
    small: dict[Expr, int] = {letter: SMALL[k % len(SMALL)] for k, letter in enumerate(letters)}
    if _elements(graph, small) <= MOST_ELEMENTS or graph.has_numbered:
        return small
    numbers = [size for size in widths if isinstance(size, Integer) and size > max(SMALL)]
    return small | {size: SMALL[k % len(SMALL)] for k, size in enumerate(numbers)}


def _elements(graph: Graph, sizes: Mapping[Expr, int]) -> int:
    """How many elements all quantities have."""
    shapes = ((_number(size, sizes) for size in variable.shape) for variable in graph.variables)
    return sum(map(math.prod, shapes))


def _number(size: Expr, sizes: Mapping[Expr, int]) -> int:
    return int(size.xreplace({each: sympy.Integer(number) for each, number in sizes.items()}))


def _agree(backward: BackwardPass, variable: Variable, sizes: Mapping[Expr, int]) -> bool:
    """Whether Σ d_i ∂L/∂v_i is the slope of the loss in a drawn direction d, at drawn points."""
    equations = backward.graph.equations
    has_cases = any(equation.rhs.has(Relational) for equation in equations)
    agreed = 0
    for _ in range(TRIES):
        point = _Point(backward, sizes, secrets.token_bytes(32))
        try:
            if point.slope_of_loss(variable) != point.along_adjoint(variable):
                return False
        except (NoRoot, VanishingDenominator):  # 1/h where relu is off: another point
            continue
        agreed += 1
        if agreed == (CASES if has_cases else 1):
            return True
    raise NoRoot("a root or a quotient in it has no exact value at the points tried")


@dataclass(slots=True)
class _Point:
    """One secret point: every quantity's elements, at each level of the tower."""

    backward: BackwardPass
    sizes: Mapping[Expr, int]
    secret: bytes
    duals: dict[tuple[int, str, tuple[int, ...], Variable | None], Dual] = field(
        default_factory=dict
    )
    adjoints: dict[tuple[Variable, tuple[int, ...], int], Dual] = field(default_factory=dict)

    def slope_of_loss(self, variable: Variable) -> int:
        """∂L/∂v in the drawn direction, forward."""
        return self.element(self.backward.graph.target, (), LEVELS - 1, variable).slope

    def along_adjoint(self, variable: Variable) -> int:
        """The adjoint as derived, in the same direction."""
        residues = self.residues(LEVELS - 1)
        return residues.total(
            [
                residues.product(
                    [self.direction(variable, at), self.adjoint(variable, at, LEVELS - 1).value]
                )
                for at in self.places(variable)
            ]
        )

    def residues(self, level: int) -> Residues:
        return Residues(tower(), self.secret, [], level=level)

    def size(self, limit: Expr) -> int:
        return _number(limit, self.sizes)

    def places(self, variable: Variable) -> Iterator[tuple[int, ...]]:
        sizes = [self.size(limit) for limit in variable.shape]
        return itertools.product(*(range(1, size + 1) for size in sizes))

    def direction(self, variable: Variable, at: tuple[int, ...]) -> int:
        return self.residues(LEVELS - 1).drawn(("direction", variable.name, at))

    # ------------------------------------------------------------------ elements

    def element(
        self, variable: Variable, at: tuple[int, ...], level: int, moved: Variable | None
    ) -> Dual:
        """One element; ``moved`` is what moves by ε in its direction."""
        key = level, variable.name, at, moved
        if key not in self.duals:
            equation = self.backward.graph.by_variable.get(variable)
            if equation is None:
                found = Dual(self.given(variable, at, level), 0)
            else:
                indices = dict(zip(equation.free, at, strict=True))
                found = self.dual(equation.rhs, indices, level, moved)
            if variable == moved:
                found = Dual(found.value, self.direction(variable, at))
            self.duals[key] = found
        return self.duals[key]

    def given(self, variable: Variable, at: tuple[int, ...], level: int) -> int:
        """A drawn residue, but where a fact tells the sum of all elements of a sample."""
        residues = self.residues(level)
        for fact in self.backward.graph.facts:
            last = self.size(variable.shape[-1]) if variable.shape else 0
            if fact.variable == variable and at[-1] == last:
                others = [self.given(variable, (*at[:-1], k), level) for k in range(1, last)]
                return (fact.total - sum(others)) % residues.prime
        return residues.drawn(("given", variable.name, at))

    def adjoint(self, variable: Variable, at: tuple[int, ...], level: int) -> Dual:
        """∂L/∂v[at] as derived."""
        key = variable, at, level
        if variable == self.backward.graph.target:
            return Dual(1, 0)
        if key not in self.adjoints:
            deduction = self.backward.adjoints[variable]
            indices = dict(zip(deduction.free, at, strict=True))
            self.adjoints[key] = self.dual(deduction.result, indices, level, None)
        return self.adjoints[key]

    # --------------------------------------------------------------- expressions

    def dual(self, expr: Any, at: Mapping[Symbol, int], level: int, moved: Variable | None) -> Dual:
        """An expression's value and slope; indices have the numbers ``at``."""
        graph, prime = self.backward.graph, self.residues(level).prime

        def of(part: Any) -> Dual:
            return self.dual(part, at, level, moved)

        match expr:
            case sympy.Rational():
                return Dual(self.residues(level).number(Fraction(int(expr.p), int(expr.q))), 0)
            case Indexed() | Symbol():
                if expr in self.sizes:
                    return Dual(self.sizes[expr] % prime, 0)
                indices = expr.indices if isinstance(expr, Indexed) else ()
                places = tuple(int(at.get(i, i)) for i in indices)
                return self.element(graph.by_base[base_name(expr)], places, level, moved)
            case Partial():
                indices = getattr(expr.by, "indices", ())
                places = tuple(int(at.get(i, i)) for i in indices)
                return self.adjoint(graph.by_base[base_name(expr.by)], places, level)
            case KroneckerDelta():
                first, second = (int(at.get(i, i)) for i in expr.args)
                return Dual(int(first == second), 0)
            case Sum():
                bound, _, upper = expr.limits[0]
                parts = [
                    self.dual(expr.function, {**at, bound: k}, level, moved)
                    for k in range(1, self.size(upper) + 1)
                ]
                return _total(parts, prime)
            case Add() | Terms():
                return _total(map(of, expr.args), prime)
            case Mul() | Product():
                return _product(map(of, expr.args), prime)
            case Pow() if expr.base == sympy.E:
                return self.exponential(expr.exp, at, level, moved)
            case Pow() if expr.exp.is_Rational:
                return self.power(of(expr.base), expr.exp, level)
            case Pow():
                return self.exponential(expr.exp * sympy.log(expr.base), at, level, moved)
            case sympy.exp():
                return self.exponential(expr.args[0], at, level, moved)
            case Piecewise():
                *cases, (last, condition) = expr.args
                if condition != sympy.true:
                    raise Undecided("a case without a value")
                found = of(last)
                for value, test in reversed(cases):
                    holds, chosen = self.condition(test, at, level), of(value)
                    found = Dual(
                        (found.value + holds * (chosen.value - found.value)) % prime,
                        (found.slope + holds * (chosen.slope - found.slope)) % prime,
                    )
                return found
            case sympy.NumberSymbol():
                return Dual(self.residues(level).drawn(type(expr).__name__), 0)
            case sympy.Function():
                return self.function(expr, at, level, moved)
        raise Undecided(f"{type(expr).__name__} has no exact value")

    def exponential(
        self, exponent: Expr, at: Mapping[Symbol, int], level: int, moved: Variable | None
    ) -> Dual:
        """e^u, from u one level below; its slope is e^u u'."""
        residues, prime = self.residues(level), self.residues(level).prime
        inner = self.dual(exponent, at, level, moved) if moved is not None else Dual(0, 0)
        if level == 0:
            raise TooDeep("exponentials are nested too deeply to be compared exactly")
        below = self.dual(exponent, at, level - 1, None).value
        value = residues.exponential(below)
        return Dual(value, value * inner.slope % prime)

    def power(self, base: Dual, exponent: Any, level: int) -> Dual:
        """A whole or half power: (u^p)' = p u^(p-1) u'."""
        residues = self.residues(level)
        if exponent.q not in (1, 2):
            raise Undecided("a root other than a square root is not compared exactly")
        value = base.value if exponent.q == 1 else residues.function("sqrt", base.value)
        raised = residues.power(value, int(exponent.p))
        if not base.slope:
            return Dual(raised, 0)
        factor = residues.number(Fraction(int(exponent.p), int(exponent.q)))
        slope = [factor, raised, residues.inverse(base.value), base.slope]
        return Dual(raised, residues.product(slope))

    def function(
        self, expr: Expr, at: Mapping[Symbol, int], level: int, moved: Variable | None
    ) -> Dual:
        """A function drawn by its name and argument, with the slope of its row."""
        residues, row = self.residues(level), BY_SYMPY.get(type(expr).__name__)
        if row is None or not row.slope:
            raise Undecided(f"{type(expr).__name__} has no exact value")
        argument = self.dual(expr.args[0], at, level, moved)
        positive = min(argument.value, -argument.value % residues.prime)  # stands for u and -u
        is_even = row.name in ("abs", "cos", "cosh")
        known = positive if is_even or row.odd else argument.value
        value = residues.drawn((row.name, known))
        if row.odd and known != argument.value:
            value = -value % residues.prime
        if not argument.slope:
            return Dual(value, 0)
        slope = self.dual(written(row.slope, {"z": expr.args[0]}), at, level, None).value
        return Dual(value, slope * argument.slope % residues.prime)

    def condition(self, expr: Any, at: Mapping[Symbol, int], level: int) -> int:
        """1 or 0, drawn for the difference of the sides, so that opposites are opposites."""
        residues, prime = self.residues(level), self.residues(level).prime
        match expr:
            case Relational() if expr.rel_op in (">", "<=", "<", ">="):
                left, right = (self.dual(side, at, level, None).value for side in expr.args[:2])
                turned = expr.rel_op in ("<", ">=")
                gap = (right - left if turned else left - right) % prime
                greater = residues.drawn((">", gap)) & 1
                return greater if expr.rel_op in (">", "<") else 1 - greater
            case sympy.And():
                return residues.product([self.condition(each, at, level) for each in expr.args])
            case sympy.Or():
                none = [1 - self.condition(each, at, level) for each in expr.args]
                return (1 - residues.product(none)) % prime
        raise Undecided(f"the condition {expr} has no exact value")


def _total(parts: Any, prime: int) -> Dual:
    parts = list(parts)
    return Dual(sum(p.value for p in parts) % prime, sum(p.slope for p in parts) % prime)


def _product(parts: Any, prime: int) -> Dual:
    made = Dual(1, 0)
    for part in parts:
        made = Dual(
            made.value * part.value % prime,
            (made.slope * part.value + made.value * part.slope) % prime,
        )
    return made
