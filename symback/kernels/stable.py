"""A system's equations in forms that keep every digit: what a kernel computes instead.

`stable` changes three things in every definition, and nothing in what they mean:

* the slope of an activation h[t,i] = tanh(a[t,i]), which reads 1 - h², becomes a function of a,
  ``Call("tanh'", (a,))``: at a = 20 the first is 0, the second 1.7e-17.  The forms are those of the
  catalogue's rows, proved by `symback.kernels.forms`;
* log p of a p that is a softmax becomes the logarithm of the softmax, a `Binder` of the kind
  `LOG_SOFTMAX`: p may be less than any number, its logarithm is not;
* p - y of such a p becomes p (1 - y) - y (1 - p), where 1 - p is a `Binder` of the kind
  `SOFTMAX_REST`, the sum of the others: p may be 1 to the last digit where y is 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

from symback.equations import functions
from symback.equations.algebra import tidy
from symback.equations.indices import Affine, Index
from symback.equations.system import Definition, System
from symback.equations.terms import (
    UNIT,
    Binder,
    Call,
    Given,
    Number,
    Plus,
    Read,
    Term,
    Times,
    given,
    moved_term,
    negative,
    product,
    rebuilt,
    total,
    walk,
)
from symback.language.functions import ACTIVATIONS, Activation

SLOPE = "'"
"""What follows the name of a function in the name of its slope."""

LOG_SOFTMAX = "log_softmax"
"""The kind of a binder whose value is the logarithm of a softmax's."""

SOFTMAX_REST = "softmax_rest"
"""The kind of a binder whose value is 1 less a softmax's."""

_Ranges: TypeAlias = tuple[tuple[str, Affine, Affine], ...]
"""Letters, from where to where each runs."""


@dataclass(frozen=True, slots=True)
class _Slope:
    """A slope as factors that stand in formulas, and as a call.

    ``anchor`` is an element that the factors read.  Where it is the value of the function,
    ``ranges`` are those of its definition: elsewhere, in a base case, it is another value.
    """

    anchor: Read
    factors: tuple[Term, ...]
    call: Call
    ranges: _Ranges | None


def stable(system: System) -> System:
    """The same system, computed with more digits."""
    slopes: dict[str, list[_Slope]] = {}
    for slope in dict.fromkeys(_slopes(system)):
        slopes.setdefault(slope.anchor.array, []).append(slope)
    softmaxes = {
        name: definitions[0]
        for name, definitions in system.defining.items()
        if len(definitions) == 1 and _is_softmax(definitions[0])
    }

    def changed(definition: Definition) -> Definition:
        ranges = tuple((each.letter, each.lower, each.upper) for each in definition.ranges)
        term = _with_slopes(definition.term, slopes, ranges)
        return replace(definition, term=_with_rests(_with_logs(term, softmaxes), softmaxes))

    groups = tuple(
        replace(group, definitions=tuple(map(changed, group.definitions)))
        for group in system.groups
    )
    return replace(system, groups=groups)


def _is_softmax(definition: Definition) -> bool:
    is_softmax = isinstance(definition.term, Binder) and definition.term.kind == "softmax"
    return is_softmax and _is_general(definition.lhs)


def _softmax_of(term: Term, kind: str, softmaxes: Mapping[str, Definition]) -> Binder | None:
    """The binder of an element of a softmax, as one of another kind; None of anything else."""
    match term:
        case Binder(kind="softmax"):
            return replace(term, kind=kind)
        case Read(array, indices) if array in softmaxes:
            definition = softmaxes[array]
            moves = dict(zip((n.bare or "" for n in definition.at), indices, strict=True))
            try:
                found = moved_term(definition.term, moves)
            except TypeError:  # a looked-up index would stand in a sum
                return None
            assert isinstance(found, Binder)
            return replace(found, kind=kind)
    return None


def _with_rests(term: Term, softmaxes: Mapping[str, Definition]) -> Term:
    """``term`` with c·p - c·y as c·p·(1 - y) - c·y·(1 - p), and with Σy for 1 where p has it."""
    term = rebuilt(term, lambda part: _with_rests(part, softmaxes))
    if not isinstance(term, Plus):
        return term
    for first in term.terms:
        for second in term.terms:
            found = _with_rest(first, second, softmaxes)
            if found is not None:
                rest = [each for each in term.terms if each not in (first, second)]
                return total((*found, *rest))
    return term


def _with_rest(
    one: Term, other: Term, softmaxes: Mapping[str, Definition]
) -> tuple[Term, Term] | None:
    """c·p and -c·y, y an element or 1 under a condition, in the other form."""
    conditions = other.conditions if isinstance(other, Given) else ()
    size, factors = _split(one)
    minus, left = _split(other.body if isinstance(other, Given) else other)
    places = [p for p in factors if _softmax_of(p, SOFTMAX_REST, softmaxes)]
    if minus != -size or len(places) != 1 or len(conditions) > 1:
        return None
    (p,) = places
    common = [factor for factor in factors if factor is not p]
    sums = [f for f in common if isinstance(f, Binder) and f.kind == "sum" and f not in left]
    weight = sums[0] if len(sums) == 1 else UNIT
    common = [factor for factor in common if factor is not weight]
    for factor in common:
        if factor not in left:
            return None
        left.remove(factor)
    rest = _softmax_of(p, SOFTMAX_REST, softmaxes)
    assert rest is not None
    before = (Number(size), *common)
    if conditions and not left and weight == UNIT:  # y is 1 where the condition holds
        away = product((*before, given((conditions[0].negated,), p)))
        return away, given(conditions, negative(product((*before, rest))))
    y = left[0] if len(left) == 1 else None
    if not conditions and isinstance(y, Read):
        if isinstance(weight, Binder) and not _sums(weight, y, rest):
            return None
        away = product((*before, p, total((weight, negative(y)))))
        return away, negative(product((*before, y, rest)))
    return None


def _sums(weight: Binder, y: Read, rest: Binder) -> bool:
    """Whether a sum is that of all y along the index of a softmax."""
    at = rest.at
    if weight.conditions or at is None or rest.range.upper != weight.range.upper:
        return False
    return moved_term(weight.body, {weight.range.letter: at}) == y


def _split(term: Term) -> tuple[Fraction, list[Term]]:
    """A product as a number and its other factors."""
    factors = term.factors if isinstance(term, Times) else (term,)
    size = Fraction(1)
    for factor in factors:
        size *= factor.value if isinstance(factor, Number) else 1
    return size, [factor for factor in factors if not isinstance(factor, Number)]


def _with_logs(term: Term, softmaxes: Mapping[str, Definition]) -> Term:
    """``term`` with the logarithm of each softmax as one."""
    match term:
        case Call("log", (Read() as read,)):
            found = _softmax_of(read, LOG_SOFTMAX, softmaxes)
            if found is not None:
                return found
    return rebuilt(term, lambda part: _with_logs(part, softmaxes))


def _slopes(system: System) -> Iterator[_Slope]:
    """The slopes of activations of an array's element, by that element or by their own name."""
    for definition in system.definitions:
        for call in walk(definition.term):
            if not isinstance(call, Call) or not _has_form(call):
                continue
            (argument,) = call.arguments
            if not isinstance(argument, Read) or not _is_general(argument):
                continue
            yield from _slope(call, argument, call, None)
            if call == definition.term and _is_general(definition.lhs) and not definition.is_base:
                own = tuple((r.letter, r.lower, r.upper) for r in definition.ranges)
                yield from _slope(call, definition.lhs, definition.lhs, own)


def _has_form(call: Call) -> bool:
    row = ACTIVATIONS.get(call.function)
    return isinstance(row, Activation) and row.stable is not None and bool(row.slope)


def _is_general(read: Read) -> bool:
    """Whether its indices are letters, each of its own."""
    names = [index.bare for index in read.indices]
    return None not in names and len({*names}) == len(names)


def _slope(call: Call, anchor: Read, value: Term, ranges: _Ranges | None) -> Iterator[_Slope]:
    found = tidy(functions.slope(call, value))
    factors = found.factors if isinstance(found, Times) else (found,)
    # 1[0 < a], the slope of a ReLU, needs no form
    parts = [part for part in walk(found) if part == value or isinstance(part, Call)]
    if parts and anchor in walk(found):
        yield _Slope(anchor, factors, Call(f"{call.function}{SLOPE}", call.arguments), ranges)


def _with_slopes(term: Term, slopes: Mapping[str, Sequence[_Slope]], ranges: _Ranges) -> Term:
    """``term`` with each slope in its form."""
    factors: list[Term] = list(term.factors) if isinstance(term, Times) else [term]
    for part in walk(term):
        for slope in slopes.get(part.array, ()) if isinstance(part, Read) else ():
            assert isinstance(part, Read)
            moves = _moves(slope, part, ranges)
            wanted = [] if moves is None else [moved_term(f, moves) for f in slope.factors]
            if moves is not None and all(factor in factors for factor in wanted):
                place = factors.index(wanted[0])
                for factor in wanted:
                    factors.remove(factor)
                factors.insert(place, moved_term(slope.call, moves))
                return _with_slopes(product(factors), slopes, ranges)
    return rebuilt(term, lambda inner: _with_slopes(inner, slopes, ranges))


def _moves(slope: _Slope, read: Read, ranges: _Ranges) -> dict[str, Index] | None:
    """What the letters of a slope are at an element; None where it may be a base case.

    h[t-1] may be one: only letters by themselves, in the ranges of the definition, are sure.
    """
    own = {name: bounds for name, *bounds in slope.ranges or ()}
    known = {name: bounds for name, *bounds in ranges}
    found: dict[str, Index] = {}
    for index, place in zip(slope.anchor.indices, read.indices, strict=True):
        name = index.bare or ""
        if slope.ranges is not None and known.get(place.bare or "") != own[name]:
            return None
        found[name] = place
    return found
