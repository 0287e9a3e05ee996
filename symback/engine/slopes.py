"""The slope of a formula as one writes it by hand: in the order typed, with the value's own name.

SymPy's ``diff`` is right and reads badly: 2·o - 2·y for 2 (o - y), 1 - tanh²(w·x) for 1 - h², and
-1/(2·(v + eps)^(3/2)) for -s³/2.  `hand_written` goes through the formula as it was typed, by the
rules one learns, and puts y for y = f(…) where that is shorter.  Nothing here is taken on trust:
`symback.engine.calculus` proves each result equal to SymPy's, or does not use it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import sympy
from sympy import Add, Expr, Integer, Mul, Pow, Rational, Symbol

from symback.language.algebra import Product, Terms, collapse, negative, written
from symback.language.functions import BY_SYMPY
from symback.language.writing import Text


class _NoRule(Exception):
    """A part that no rule here differentiates."""


def hand_written(
    formula: Expr, by: Expr, value: Expr, in_value: Callable[[Expr, Expr, Expr], Expr | None]
) -> Expr | None:
    """∂formula/∂by, where ``value`` is the name of what the formula computes; None without a rule.

    ``in_value`` is asked for F'(t) in terms of the value, given F, t and the value's name.
    """
    try:
        return _by_value(formula, by, value, in_value) or _slope(formula, by, value)
    except _NoRule:
        return None


def _by_value(
    formula: Expr, by: Expr, value: Expr, in_value: Callable[[Expr, Expr, Expr], Expr | None]
) -> Expr | None:
    """F'(t) t' with F' in terms of F: 1 - h² of tanh, p (1 - p) of a logistic function."""
    outer = [part for part in _outermost_functions(formula) if part.has(by)]
    inside = {collapse(part.args[0]) for part in outer}
    if not inside:
        return None
    least = min(inside, key=lambda t: (t.could_extract_minus_sign(), sympy.default_sort_key(t)))
    if not inside <= {least, -least}:
        return None
    t = Symbol("_t", real=True)
    turned = {part: type(part)(t if collapse(part.args[0]) == least else -t) for part in outer}
    function = collapse(formula.xreplace(turned))
    if function.has(by):
        return None
    slope = in_value(function, t, value)
    if slope is None or not slope.has(value):
        return None
    inner = outer[0].args[0]
    sign = Integer(1 if collapse(inner) == least else -1)
    return times([sign, *_parts(slope), _slope(inner, by, None)])


def _outermost_functions(expr: Expr) -> Iterable[Expr]:
    if isinstance(expr, (sympy.Function, type(sympy.E))) and not isinstance(expr, sympy.Piecewise):
        if expr.args:
            yield expr
        return
    for part in expr.args:
        yield from _outermost_functions(part)


def _parts(expr: Expr) -> tuple[Expr, ...]:
    return expr.args if isinstance(expr, (Mul, Product)) else (expr,)


def _slope(expr: Expr, by: Expr, value: Expr | None) -> Expr:
    """The slope by the rule for the outermost operation; ``value`` is that of all of ``expr``."""
    if expr == by:
        return Integer(1)
    if not expr.has(by):
        return Integer(0)
    match expr:
        case Terms() | Add():
            return _sum(_slope(term, by, None) for term in expr.args)
        case Product() | Mul():
            return _of_product(expr, by, value)
        case Pow() if not expr.exp.has(by) and expr.base != sympy.E:
            return _of_power(expr, by, value)
    row = BY_SYMPY.get(type(expr).__name__)
    if row is None or not row.slope or row.convention:
        raise _NoRule
    z = sympy.Dummy(real=True)
    (argument,) = expr.args
    outer = expr  # of e^z
    if row.slope != f"{row.name}(z)":
        outer = written(row.slope, {"z": z}).xreplace({z: argument})
    inner = _slope(argument, by, None)
    divides = isinstance(outer, Pow) and outer.exp.is_negative
    return times([inner, outer] if divides else [outer, inner])


def _of_power(expr: Pow, by: Expr, value: Expr | None) -> Expr:
    base, exponent = expr.base, expr.exp
    while isinstance(base, Pow) and base.exp.is_Rational:  # 1/√u is u^(-1/2)
        base, exponent = base.base, base.exp * exponent
    inner = _slope(base, by, None)
    short = exponent in (Rational(1, 2), Rational(-1, 2), Integer(-1)) and not base.is_Symbol
    if value is not None and short:  # y = 1/√u: y' = -y³/2 u'
        return times([exponent, value ** ((exponent - 1) / exponent), inner])
    power = base if exponent == 2 else Pow(base, exponent - 1, evaluate=False)
    return times([exponent, power, inner])


def _of_product(expr: Expr, by: Expr, value: Expr | None) -> Expr:
    factors = [*_parts(expr)]
    moving = [k for k, factor in enumerate(factors) if factor.has(by)]
    divisors = [k for k in moving if isinstance(factors[k], Pow) and factors[k].exp.is_negative]
    if value is not None and len(divisors) == 1 and not factors[divisors[0]].exp.has(by):
        (k,) = divisors  # y = A/Bⁿ: y' = (A' - n y Bⁿ⁻¹ B')/Bⁿ
        below, power = factors[k].base, factors[k].exp
        above = times([*factors[:k], *factors[k + 1 :]])
        lost = times([power, value, _slope(below, by, None)])
        if not above.has(by):
            return times([lost, Pow(below, -1, evaluate=False)])
        if power == -1:
            return times([_sum([_slope(above, by, None), lost]), factors[k]])
    return _sum(
        times([*factors[:k], _slope(factors[k], by, None), *factors[k + 1 :]]) for k in moving
    )


def _sum(terms: Iterable[Expr]) -> Expr:
    """Terms in order, but none below 0 first: c - h for -h + c."""
    return Terms(*sorted(terms, key=lambda term: bool(_number(term) < 0)))


def times(factors: Iterable[Expr], *, open_sums: bool = True) -> Expr:
    """Factors in order, their numbers multiplied and in front: x·(-2)·(u - v)/2 is -x (u - v).

    With ``open_sums`` the number that all terms of a sum share is one of them.
    """
    number: Expr = Rational(1)
    rest: list[Expr] = []
    for part in _flat(factors):
        if part.is_Rational:
            number *= part
        elif isinstance(part, Pow) and part.base.is_Rational and part.exp.is_Integer:
            number *= part.base**part.exp
        elif isinstance(part, Terms) and open_sums:
            shared, terms = _without_number(part)
            number *= shared
            rest.append(terms)
        else:
            rest.append(part)
    if number == 0 or not rest:
        return number
    for k, (part, after) in enumerate(itertools.pairwise([*rest])):
        if isinstance(part, Terms) and _divisor(after) is not None:
            rest[k] = _in_sympy(part)
    if number == -1 and len(rest) == 1:
        if isinstance(rest[0], Terms) and any(isinstance(term, Product) for term in rest[0].args):
            return _sum(times([Integer(-1), term]) for term in rest[0].args)
        return negative(rest[0])
    return Product(number, *rest)


def tidied(expr: Expr) -> Expr:
    """A product without what it is both multiplied and divided by, and with one number, in front.

    >>> y, p = sympy.symbols("y p", real=True)
    >>> tidied(Product(-y / p, -p, y + 1))
    Product(y, y + 1)
    """
    if isinstance(expr, Terms):
        return Terms(*map(tidied, expr.args))
    if not isinstance(expr, Product):
        return expr
    parts = [*_flat(tidied(part) if isinstance(part, Terms) else part for part in expr.args)]
    powers: dict[Expr, list[Expr]] = {}
    for part in parts:
        base, exponent = _power(part)
        powers.setdefault(base, []).append(exponent)
    cancelling = {
        base for base, each in powers.items() if min(each) < 0 < max(each) and not base.is_Rational
    }
    factors, done = [], set()
    for part in parts:
        base, _ = _power(part)
        if base not in cancelling:
            factors.append(part)
        elif base not in done:
            done.add(base)
            factors.append(base ** Add(*powers[base]))
    return times(factors, open_sums=False)


def numbers_in(expr: Expr) -> int:
    """How many factors of products are numbers, a minus sign counted as one."""
    if isinstance(expr, Mul):
        return int(expr.as_coeff_Mul()[0] != 1)
    own = sum(part.is_Rational for part in expr.args) if isinstance(expr, Product) else 0
    return own + sum(map(numbers_in, expr.args)) if isinstance(expr, (Product, Terms)) else own


def with_value(expr: Expr, formula: Expr, value: Expr) -> Expr:
    """A product with a value's name for the factors of its formula: e/S·(1 - p) is p (1 - p).

    >>> e, S, p = sympy.symbols("e S p", real=True)
    >>> with_value(Product(1 / S, 1 - p, e), Product(e, 1 / S), p)
    Product(p, 1 - p)
    """
    if isinstance(expr, Terms):
        return Terms(*(with_value(term, formula, value) for term in expr.args))
    if not isinstance(expr, Product):
        return expr
    wanted, left = [*_flat([formula])], [*_flat(expr.args)]
    plain = [collapse(part) for part in left]
    places = [plain.index(part) if part in plain else None for part in map(collapse, wanted)]
    if None in places or len({*places}) < len(places):
        return expr
    first = min(place for place in places if place is not None)
    left[first] = value
    return times(part for k, part in enumerate(left) if k == first or k not in places)


def multiplied_in(expr: Expr) -> Expr:
    """A product whose sum has a divisor among the factors, multiplied out there: p (s - y/p).

    >>> y, p, s = sympy.symbols("y p s", real=True)
    >>> multiplied_in(Product(p, Terms(s, -y / p)))
    Terms(Product(p, s), -y)
    """
    parts = [*_flat([expr])]
    for k, part in enumerate(parts):
        for bracket in (each for each in parts if isinstance(each, (Terms, Add))):
            divided = [t for t in bracket.args if part in map(_divisor, _flat([t]))]
            if divided:
                whole = Terms(*(term for term in bracket.args if term not in divided))
                terms = [times([part, _in_sympy(whole)])] if whole != 0 else []
                terms += [tidied(Product(part, term)) for term in divided]
                rest = [each for m, each in enumerate(parts) if m != k and each is not bracket]
                return times([*rest, _sum(terms)], open_sums=False)
    return expr


def _divisor(part: Expr) -> Expr | None:
    base, exponent = _power(part)
    return base if exponent < 0 else None


def _power(part: Expr) -> tuple[Expr, Expr]:
    is_whole = isinstance(part, Pow) and part.exp.is_Integer
    return part.args if is_whole else (part, Integer(1))


def _flat(factors: Iterable[Expr]) -> Iterator[Expr]:
    for factor in factors:
        if isinstance(factor, (Product, Mul)):
            yield from _flat(factor.args)
        else:
            yield factor


def _in_sympy(terms: Expr) -> Expr:
    """The sum as an ``Add`` where that is written alike, since it may stand above a divisor."""
    added = Add(*terms.args)
    alike = len(added.args) == len(terms.args) and Text().write(added) == Text().write(terms)
    return added if alike else terms


def _without_number(terms: Expr) -> tuple[Any, Expr]:
    """The number that all terms of a sum share, and the sum without it."""
    numbers = [_number(term) for term in terms.args]
    shared = Rational(sympy.igcd(*(n.p for n in numbers)), sympy.ilcm(*(n.q for n in numbers), 1))
    if all(number.is_negative for number in numbers):
        shared = -shared
    if shared in (0, 1):
        return Rational(1), terms
    return shared, Terms(*(times([1 / shared, term]) for term in terms.args))


def _number(term: Expr) -> Any:
    number: Any = Rational(1)
    for part in _parts(term):
        if part.is_Rational:
            number *= part
        elif isinstance(part, Pow) and part.base.is_Rational and part.exp.is_Integer:
            number *= part.base**part.exp
    return number
