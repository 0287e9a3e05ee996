"""Rewriting formulas over arrays into the forms that one reads; each keeps the value.

* `tidy`: x²·x⁻¹ is x, (2x)⁻¹ is ½ x⁻¹: equal factors become one power, and cancel;
* `own_values`: what stands for a quantity is written as its name: 1/√(v+ε) as s, its cube as s³;
* `collected`: u·v + u·v is 2·u·v; `factored`: u·v + u·w is u·(v + w), where all terms share u;
* `pulled_out`: Σ_j c·f_j is c·Σ_j f_j.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from symback.equations.indices import Condition, number
from symback.equations.terms import (
    UNIT,
    Binder,
    Given,
    Measure,
    Number,
    Plus,
    Power,
    Read,
    Term,
    Times,
    Where,
    canonical,
    free_letters,
    given,
    power,
    product,
    reads,
    rebuilt,
    total,
)


def tidy(term: Term) -> Term:
    """Equal factors of each product as one power, numbers multiplied and in front.

    >>> x = Read("x")
    >>> tidy(Times((x, Power(x, Number(Fraction(-1))), Number(Fraction(2)))))
    Number(value=Fraction(2, 1), text='')
    """
    term = rebuilt(term, tidy)
    match term:
        case Times() | Power():
            return _merged(term)
        case Where(yes=yes, no=no) if yes == no:
            return yes
    return term


def _merged(term: Term) -> Term:
    """A product whose equal factors are one power each."""
    exponents: dict[Term, Fraction] = {}
    plain: dict[Term, Term] = {}
    coefficient = Fraction(1)
    for base, exponent in _powers(term, Fraction(1)):
        if isinstance(base, Number) and exponent.denominator == 1 and (base.value or exponent > 0):
            coefficient *= base.value**exponent.numerator
            continue
        key = canonical(base)
        plain.setdefault(key, base)
        exponents[key] = exponents.get(key, Fraction(0)) + exponent
    factors = (power(plain[key], Number(exponent)) for key, exponent in exponents.items())
    return product((Number(coefficient), *factors))


def _powers(term: Term, exponent: Fraction) -> list[tuple[Term, Fraction]]:
    """A product as bases with exponents; whole powers go into products and powers."""
    match term:
        case Times(factors) if exponent.denominator == 1:
            return [pair for factor in factors for pair in _powers(factor, exponent)]
        case Power(base, Number(inner)) if exponent.denominator == 1:
            whole = inner.denominator == 1
            return _powers(base, inner * exponent) if whole else [(base, inner * exponent)]
    return [(term, exponent)]


def own_values(term: Term, formula: Term, value: Read) -> Term:
    """``term`` with ``value`` wherever its ``formula`` stands, or a power of it.

    >>> v, s = Read("v"), Read("s")
    >>> own_values(Power(v, Number(Fraction(-3))), Power(v, Number(Fraction(-1))), s)
    Power(base=Read(array='s', indices=()), exponent=Number(value=Fraction(3, 1), text=''))
    """
    if isinstance(formula, (Read, Number, Measure)):
        return term
    wanted = canonical(formula)
    base, whole = (wanted.base, wanted.exponent) if isinstance(wanted, Power) else (wanted, UNIT)

    def replaced(part: Term) -> Term:
        if canonical(part) == wanted:
            return value
        if isinstance(part, Power) and isinstance(part.exponent, Number):
            ratio = part.exponent.value / whole.value if isinstance(whole, Number) else Fraction(0)
            if ratio > 0 and ratio.denominator == 1 and canonical(part.base) == base:
                return power(value, Number(ratio))
        return rebuilt(part, replaced)

    return replaced(term)


def collected(term: Term) -> Term:
    """Terms of a sum that differ by a number only, added up."""
    if not isinstance(term, Plus):
        return term
    counted: dict[Term, Fraction] = {}
    first: dict[Term, Term] = {}
    for part in _under_one_condition(term.terms):
        number, rest = _coefficient(part)
        key = canonical(rest)
        first.setdefault(key, rest)
        counted[key] = counted.get(key, Fraction(0)) + number
    return total(product((Number(count), first[key])) for key, count in counted.items())


def _under_one_condition(terms: Sequence[Term]) -> list[Term]:
    """The terms, those with the same conditions added up: [c] u + [c] v is [c](u + v)."""
    grouped: dict[tuple[Condition, ...], list[Term]] = {}
    for term in terms:
        conditions, body = (term.conditions, term.body) if isinstance(term, Given) else ((), term)
        grouped.setdefault(conditions, []).append(body)
    found: list[Term] = list(grouped.pop((), ()))
    for conditions, bodies in grouped.items():
        found.append(given(conditions, factored(collected(total(bodies)))))
    return found


def _coefficient(term: Term) -> tuple[Fraction, Term]:
    match term:
        case Number(value):
            return value, UNIT
        case Times((Number(value), *rest)):
            return value, product(rest)
    return Fraction(1), term


def factored(term: Term) -> Term:
    """A sum with the factors that all its terms share in front of it."""
    if not isinstance(term, Plus):
        return term
    split = [_factors(part) for part in term.terms]
    shared = [factor for factor in split[0] if all(factor in other for other in split[1:])]
    shared = [factor for factor in shared if not isinstance(factor, Number)]
    if not shared:
        return term
    rests = (product(_without(parts, shared)) for parts in split)
    return product((*shared, total(rests)))


def _factors(term: Term) -> Sequence[Term]:
    return term.factors if isinstance(term, Times) else (term,)


def _without(factors: Sequence[Term], taken: Sequence[Term]) -> list[Term]:
    left = list(factors)
    for factor in taken:
        left.remove(factor)
    return left


def pulled_out(term: Term) -> Term:
    """A sum with the factors that do not have its letter in front; Σ_j c is n·c.

    Where the sum has conditions it may be empty, and then what it would read need not exist: only
    factors that can always be read are taken out.
    """
    if not isinstance(term, Binder) or term.kind != "sum":
        return term
    own, outside, inside = term.range.letter, [], []
    for factor in _factors(term.body):
        is_free = own not in free_letters(factor)
        (outside if is_free and (not term.conditions or _is_safe(factor)) else inside).append(
            factor
        )
    if not inside and not term.conditions:
        size = Measure(term.range.upper - term.range.lower + number(1))
        return product((size, *outside))
    if not outside:
        return term
    body = product(inside)
    return product((*outside, Binder("sum", term.range, term.conditions, body)))


def _is_safe(factor: Term) -> bool:
    """Whether a factor has a value wherever its letters are in their ranges."""
    return all(
        index.is_number or index.bare is not None
        for reading in reads(factor)
        for index in reading.read.indices
    ) and not any(isinstance(part, Power) for part in (factor,))
