"""Formulas as SymPy's exact expressions: `to_sympy`; which argument of a max wins a tie: `winner`.

SymPy's constructors compute, so that a formula of one line may keep them busy: ``((9*x)**64)**64``
holds a number of four thousand digits, ``2**x*2**(9**20 - x)`` one that does not fit into memory,
each nested ``max`` doubles the expression, and whether ``tanh(sqrt(tanh(sqrt(x))))`` is real keeps
SymPy's assumptions busy, six times as long on every level.  So numbers are measured before a power
of them is built, expressions after they are built, and the seconds all along: a formula is built
from the leaves up, and whoever has used up his time is not let on to the next, more expensive part.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from types import MappingProxyType
from typing import Any, TypeAlias

import sympy as sp

from symback.language.budget import clock
from symback.language.errors import FormulaError, did_you_mean, printable
from symback.language.expressions import Named, Node, Number, operation
from symback.language.reading import (
    LARGEST_EXPONENT,
    MOST_ARGUMENTS,
    MOST_BITS,
    bits,
    known_words,
    to_text,
)

__all__ = ["RELATIONS", "to_sympy", "winner"]

Relation: TypeAlias = Callable[[sp.Expr, sp.Expr], sp.Basic]

MOST_GROWTH = 100_000  # bits that one power may make before the result is measured
LARGEST_EXPRESSION = 2_000  # nodes, counted as often as they are printed
SECONDS = 0.5  # of this thread's processor, before the last part is built

VALUES: Mapping[str, sp.Expr] = MappingProxyType({"pi": sp.pi, "e": sp.E})
NOTHING: Mapping[str, Callable[..., sp.Expr]] = MappingProxyType({})


def to_sympy(
    node: Node,
    symbols: Mapping[str, sp.Expr],
    functions: Mapping[str, Callable[..., sp.Expr]] = NOTHING,
    *,
    where: str = "formula",
) -> sp.Expr:
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
    >>> x = sp.Symbol("x", real=True)
    >>> to_sympy(read("0.1*x/2", names={"x"}), {"x": x})
    x/20
    >>> to_sympy(read("max(0, x)", names={"x"}), {"x": x})
    Piecewise((x, x > 0), (0, True))
    """
    return _Converter(symbols, functions, where).convert(node)


def _ranked(values: Iterable[sp.Expr]) -> list[sp.Expr]:
    """The arguments of a max or min in an order of their own, constants last.

    The last of those that are equal wins, in whatever order they are written.
    """
    return sorted(values, key=lambda value: (not value.free_symbols, sp.default_sort_key(value)))


def winner(node: Node, symbols: Mapping[str, Any], functions: Mapping[str, Any]) -> sp.Expr:
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


def _extreme(beats: Relation, *values: sp.Expr) -> sp.Expr:
    """Each value where it beats all later ones; see `_ranked`."""
    ranked = _ranked(values)
    cases = [
        (value, sp.And(*(beats(value, other) for other in ranked[place:])))
        for place, value in enumerate(ranked[:-1], start=1)
    ]
    return _piecewise(*cases, (ranked[-1], sp.true))


def _maximum(*values: sp.Expr) -> sp.Expr:
    return _by_cases(partial(_extreme, sp.Gt), *values)


def _minimum(*values: sp.Expr) -> sp.Expr:
    return _by_cases(partial(_extreme, sp.Lt), *values)


def _sign(value: sp.Expr) -> sp.Expr:
    """Not SymPy's `sign`, whose derivative is a DiracDelta: flat on both sides, and at 0."""
    cases = (sp.Integer(1), sp.Integer(-1), sp.Integer(0))
    return _by_cases(lambda v: _piecewise(*zip(cases, (v > 0, v < 0, sp.true), strict=True)), value)


def _absolute(value: sp.Expr) -> sp.Expr:
    """`Abs` of what is known to be real; else its cases, for the slope of Abs(log(x)) holds re."""
    if value.is_extended_real:
        return sp.Abs(value)
    return _by_cases(lambda v: _piecewise((v, v > 0), (-v, v < 0), (sp.Integer(0), sp.true)), value)


def _where(
    relation: Relation, left: sp.Expr, right: sp.Expr, chosen: sp.Expr, otherwise: sp.Expr
) -> sp.Expr:
    return _by_cases(
        lambda a, b: _piecewise((chosen, relation(a, b)), (otherwise, sp.true)), left, right
    )


def _by_cases(build: Callable[..., sp.Expr], *values: sp.Expr) -> sp.Expr:
    """Build for each branch of each `Piecewise` inside the values, so that no condition holds one.

    SymPy turns such a condition into an ITE, which neither its printers nor NumPy can show.
    """
    parts = chain.from_iterable(map(sp.preorder_traversal, values))
    piece = next((part for part in parts if isinstance(part, sp.Piecewise)), None)
    if piece is None:
        return build(*values)
    branches = []
    for branch, condition in piece.args:
        chosen = [value.xreplace({piece: branch}) for value in values]
        for part in chain.from_iterable(map(sp.postorder_traversal, chosen)):
            _check_constant(part)  # the branches may be constants where the whole was not
        branches.append((_by_cases(build, *chosen), condition))
    return _piecewise(*branches)


def _check_constant(expression: sp.Basic) -> None:
    """Raise TypeError or OverflowError for a constant that is not a real double.

    Then what is built next from doubles is safe to evaluate, which comparisons do.
    """
    if not isinstance(expression, sp.Expr) or expression.free_symbols or expression.is_Rational:
        return
    value = expression.evalf(15)
    if value.is_real is False or value.has(sp.I, sp.zoo, sp.nan):
        raise TypeError
    if value.is_Float and not abs(value) < sp.Float("1e308"):
        raise OverflowError


def _piecewise(*branches: tuple[sp.Expr, Any]) -> sp.Expr:
    """Return a flat `Piecewise`: a branch that is one itself gives its own branches."""
    flat: list[tuple[sp.Expr, Any]] = []
    for value, condition in branches:
        is_total = isinstance(value, sp.Piecewise) and value.args[-1][1] == sp.true
        inner = value.args if is_total else ((value, sp.true),)
        flat += [(branch, sp.And(condition, where)) for branch, where in inner]
    return sp.Piecewise(*flat)


RELATIONS: Mapping[str, Relation] = {"<": sp.Lt, "<=": sp.Le, ">": sp.Gt, ">=": sp.Ge}
BUILDERS: Mapping[str, Callable[..., Any]] = {
    "+": sp.Add,
    "-": operator.sub,
    "*": sp.Mul,
    "/": operator.truediv,
    "**": sp.Pow,
    "neg": operator.neg,
    "exp": sp.exp,
    "log": sp.log,
    "sqrt": sp.sqrt,
    "abs": _absolute,
    "sign": _sign,
    "sin": sp.sin,
    "cos": sp.cos,
    "tan": sp.tan,
    "asin": sp.asin,
    "acos": sp.acos,
    "atan": sp.atan,
    "sinh": sp.sinh,
    "cosh": sp.cosh,
    "tanh": sp.tanh,
    "erf": sp.erf,
    "max": _maximum,
    "min": _minimum,
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
        symbols: Mapping[str, sp.Expr],
        functions: Mapping[str, Callable[..., sp.Expr]],
        where: str,
    ) -> None:
        self.symbols, self.functions, self.where = {**symbols, **VALUES}, functions, where
        self.measures: dict[sp.Basic, _Measure] = {}
        self.end = clock() + SECONDS

    def fail(self, node: Node, message: str) -> FormulaError:
        """The error of a part; the message shows how it is written."""
        shown = f'"{printable(to_text(node), 40)}"'
        return FormulaError(f"{self.where}: {shown} {message}", node.column or None)

    def convert(self, node: Node) -> sp.Expr:
        if isinstance(node, Number):
            return sp.Rational(node.value.numerator, node.value.denominator)
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

    def value_of(self, node: Named) -> sp.Expr:
        if node.name not in self.symbols:
            meant = did_you_mean(node.name, self.symbols) or "."
            known = known_words(sorted(self.symbols))
            message = f'{self.where}: unknown name "{node.name}"{meant} {known}'
            raise FormulaError(message, node.column or None)
        return self.symbols[node.name]

    def contenders(
        self, node: Node, best: Callable[..., sp.Expr], values: list[sp.Expr]
    ) -> list[sp.Expr]:
        """Return the values that can win a max or min: each one once, one number at most."""
        numbers = [value for value in values if value.is_Rational]
        others = [value for value in values if not value.is_Rational]
        contenders = [*dict.fromkeys(others), *([best(numbers)] if numbers else [])]
        if len(contenders) > MOST_ARGUMENTS:
            raise self.fail(node, f"compares more than {MOST_ARGUMENTS} values")
        return contenders

    def built(self, node: Node, build: Callable[..., sp.Expr], arguments: list[sp.Expr]) -> sp.Expr:
        """Build one part from its arguments, if there is time left; it is finite, real and small.

        A part that is asked for after the time is used up may need hours itself: each level of
        nested functions multiplies the seconds by two to ten.
        """
        if clock() > self.end:
            raise self.fail(node, "takes SymPy too long; name its parts in equations of their own")
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
        return expression

    def check_growth(self, node: Node, head: str, arguments: list[sp.Expr]) -> None:
        """Refuse a power before SymPy computes it, if it could make a huge number.

        Exponents add and multiply behind one's back, and ``exp(c*log(2))`` becomes ``2**c``, so
        this bounds every number inside the exponent, not its value.
        """
        base, exponent = {
            "**": lambda: arguments,
            "sqrt": lambda: (arguments[0], sp.Rational(1, 2)),
            "exp": lambda: (sp.E, arguments[0]),
        }[head]()
        if head == "**" and exponent.is_Rational and abs(exponent) > LARGEST_EXPONENT:
            raise self.fail(node, f"has an exponent beyond {LARGEST_EXPONENT}")
        below, above = self.measure(base), self.measure(exponent)
        growth = below.bits * above.magnitude
        if below.has_log or above.has_log:
            growth = max(below.bits, above.bits) * below.magnitude * above.magnitude
        if growth > MOST_GROWTH:
            raise self.fail(node, "could hold a number of hundreds of digits")

    def check(self, node: Node, expression: sp.Expr) -> None:
        """Refuse an expression that is not finite, not real or too large."""
        if expression.has(sp.zoo, sp.nan, sp.oo, -sp.oo):
            raise self.fail(node, "has no finite value; look for a division by zero or log(0)")
        if expression.has(sp.I):
            raise self.fail(node, "is not a real number")
        measure = self.measure(expression)
        if measure.bits > MOST_BITS:
            raise self.fail(node, "holds a number of hundreds of digits")
        if measure.size > LARGEST_EXPRESSION:
            message = "is too large written out; name its parts in equations of their own"
            raise self.fail(node, message)

    def measure(self, expression: sp.Basic) -> _Measure:
        if expression not in self.measures:
            self.measures[expression] = self.measured(expression)
        return self.measures[expression]

    def measured(self, expression: sp.Basic) -> _Measure:
        if isinstance(expression, sp.Rational):
            size = bits(expression)
            magnitude = float(abs(expression)) if size < 1_000 else float("inf")
            return _Measure(1, size, max(1.0, magnitude), has_log=False)
        parts = [self.measure(part) for part in expression.args]
        return _Measure(
            size=1 + sum(part.size for part in parts),
            bits=max((part.bits for part in parts), default=0),
            magnitude=max((part.magnitude for part in parts), default=1.0),
            has_log=any(part.has_log for part in parts) or isinstance(expression, sp.log),
        )
