"""Sums whose value is known from what their terms mean, and products that cancel.

* `with_facts` replaces Σ_k y_k by 1 for a distribution y, Σ_u P_tu by 1 for the rows of a softmax,
  Σ_i (x_i - m) by 0 where m is the mean of x, and Σ_v [tok_t = v]·c by c; it says which it used;
* `expanded` multiplies out, so that what cancels meets: p·(-y/p + Σ y) is -y + p Σ y.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from symback.equations.algebra import collected, pulled_out, tidy
from symback.equations.indices import ONE, Condition, Lookup
from symback.equations.system import System
from symback.equations.terms import (
    UNIT,
    ZERO,
    Binder,
    Given,
    Number,
    Plus,
    Power,
    Read,
    Term,
    Times,
    canonical,
    children,
    free_letters,
    given,
    moved_term,
    product,
    rebuilt,
    summed,
    total,
    walk,
)

MOST_TERMS = 40
"""A formula is multiplied out as long as it has at most so many terms."""


def with_facts(term: Term, system: System) -> tuple[Term, tuple[str, ...]]:
    """``term`` with the sums that are known, and why each is."""
    used: dict[str, None] = {}

    def replaced(part: Term) -> Term:
        part = rebuilt(part, replaced)
        if isinstance(part, Binder) and part.kind == "sum":
            for value, because in _known(part, system):
                used[because] = None
                return value
        return part

    found = replaced(term)
    return found, tuple(used)


def _known(binder: Binder, system: System) -> Iterator[tuple[Term, str]]:
    """The value of a sum, if it is one that is known, and why."""
    body, own = binder.body, binder.range.letter
    match body, binder.conditions:
        case _, (Condition(Lookup() as looked, "==", right),) if (
            right.bare == own and own not in free_letters(body) and own not in looked.names
        ):
            data = system.by_name[looked.array]
            if data.below == binder.range.upper and binder.range.lower == ONE:
                yield body, f"{looked} is one of the numbers 1 to {data.below}"
        case Read(array, (*before, last)), () if last.bare == own:
            quantity = system.by_name.get(array)
            is_whole = (
                quantity is not None
                and quantity.shape[-1:] == (binder.range.upper,)
                and binder.range.lower == ONE
            )
            if is_whole and not any(own in index.names for index in before):
                for fact in system.facts:
                    if fact.array == array:
                        yield Number(fact.total), fact.because
                if _is_softmax(array, system):
                    yield UNIT, f"the entries of a softmax sum to one, here those of {array}"
        case Plus((Read() as value, Times((Number(minus), Read() as mean)))), () if minus == -1:
            if _is_mean(mean, value, binder, system):
                yield ZERO, f"{mean.array} is the mean of what is summed"


def _is_softmax(array: str, system: System) -> bool:
    """Whether an array is a softmax over its last index, of all numbers."""
    match system.defining.get(array, ()):
        case (definition,):
            term, at = definition.term, definition.at
            return (
                isinstance(term, Binder)
                and term.kind == "softmax"
                and not term.conditions
                and term.at == at[-1]
                and at[-1].bare not in free_letters(replace(term, at=None))
            )
    return False


def _is_mean(mean: Read, value: Read, binder: Binder, system: System) -> bool:
    """Whether ``mean`` is defined as the mean of ``value`` over the letter of ``binder``."""
    match system.defining.get(mean.array, ()):
        case (definition,):
            moves = {
                index.bare: new
                for index, new in zip(definition.at, mean.indices, strict=True)
                if index.bare
            }
            wanted = replace(binder, kind="mean", body=value)
            return canonical(moved_term(definition.term, moves)) == canonical(wanted)
    return False


# ---------------------------------------------------------------------------- multiplying out


def expanded(term: Term) -> Term | None:
    """``term`` multiplied out, each product tidied; None where that would be too long."""
    parts = _terms_of(term)
    return None if parts is None else collected(total(tidy(part) for part in parts))


def _terms_of(term: Term) -> list[Term] | None:
    match term:
        case Plus(terms):
            found = [_terms_of(part) for part in terms]
            flat = [part for each in found if each is not None for part in each]
            return flat if None not in found and len(flat) <= MOST_TERMS else None
        case Times():
            return _terms_of_product(term)
        case Given(conditions, body):
            inner = _terms_of(body)
            return None if inner is None else [given(conditions, part) for part in inner]
        case Binder(kind="sum") as binder:
            inner = _terms_of(binder.body)
            return None if inner is None else [_sum_of(binder, tidy(part)) for part in inner]
    return [term]


def _terms_of_product(term: Times) -> list[Term] | None:
    """One sum among the factors multiplied out, and so on; one with a division first.

    Between the steps what is equal cancels: (-y/h + …)·h·(1 - h) is -y·(1 - h) + ….
    """
    factors = list(term.factors)
    if any(isinstance(factor, Given) for factor in factors):
        return _terms_of(_product_of(term.factors))
    openings = [factor for factor in factors if isinstance(factor, Plus) or _is_sum(factor)]
    openings.sort(key=lambda factor: not _divides(factor))
    for chosen in openings:
        inner = _terms_of(chosen) if not isinstance(chosen, Plus) else list(chosen.terms)
        if inner is None:
            return None
        if inner == [chosen]:
            continue
        place = factors.index(chosen)
        found: list[Term] = []
        for part in inner:
            whole = _product_of((*factors[:place], part, *factors[place + 1 :]))
            more = _terms_of(whole)
            if more is None or len(found) + len(more) > MOST_TERMS:
                return None
            found += more
        return found
    return [term]


def _is_sum(term: Term) -> bool:
    return isinstance(term, Binder) and term.kind == "sum"


def _divides(term: Term) -> bool:
    return any(
        isinstance(part, Power) and isinstance(part.exponent, Number) and part.exponent.value < 0
        for part in walk(term)
    )


def _product_of(parts: tuple[Term, ...]) -> Term:
    """A product, with the conditions of its factors around it all."""
    conditions = [c for part in parts if isinstance(part, Given) for c in part.conditions]
    bodies = (part.body if isinstance(part, Given) else part for part in parts)
    return given(conditions, tidy(product(bodies)))


def _sum_of(binder: Binder, body: Term) -> Term:
    """Σ of one term, its conditions joined to those of the sum, what is constant in front."""
    if isinstance(body, Given):
        own = tuple(dict.fromkeys((*binder.conditions, *body.conditions)))
        return pulled_out(summed(binder.range, own, body.body))
    return pulled_out(summed(binder.range, binder.conditions, body))


def divisions(term: Term, array: str) -> int:
    """How often a formula divides by something that reads ``array``."""
    count = 0
    if isinstance(term, Power) and isinstance(term.exponent, Number) and term.exponent.value < 0:
        count += any(isinstance(part, Read) and part.array == array for part in walk(term.base))
    return count + sum(divisions(part, array) for part in children(term))
