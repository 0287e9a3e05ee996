"""Slopes of a system's activations in forms that keep every digit.

`with_slopes` finds, in every definition, the slope of an activation h[t,i] = tanh(a[t,i]), which
reads 1 - h², and puts the slope as a function of a in its place: ``Call("tanh'", (a,))``.  At
a = 20 the first is 0, the second 1.7e-17.  The forms are those of the catalogue's rows, proved by
`symback.kernels.forms`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from symback.equations import functions
from symback.equations.algebra import tidy
from symback.equations.indices import Affine, Index
from symback.equations.system import Definition, System
from symback.equations.terms import Call, Read, Term, Times, moved_term, product, rebuilt, walk
from symback.language.functions import ACTIVATIONS, Activation

SLOPE = "'"
"""What follows the name of a function in the name of its slope."""

_Ranges = Mapping[str, tuple[Affine, Affine]]


@dataclass(frozen=True, slots=True)
class _Slope:
    """The slope of the array that ``definition`` computes, as factors, and as a call.

    It reads that array: a slope such as 1[0 < a] needs no form.
    """

    definition: Definition
    factors: tuple[Term, ...]
    call: Call


def with_slopes(system: System) -> System:
    """The same system, computed with more digits."""
    slopes = {slope.definition.name: slope for slope in _slopes(system)}
    groups = tuple(
        replace(group, definitions=tuple(_changed(each, slopes) for each in group.definitions))
        for group in system.groups
    )
    return replace(system, groups=groups)


def _slopes(system: System) -> Iterator[_Slope]:
    """The slopes of arrays that are an activation of another array's element."""
    for definition in system.definitions:
        call = definition.term
        if not isinstance(call, Call) or definition.is_base:
            continue
        row = ACTIVATIONS.get(call.function)
        is_ready = isinstance(row, Activation) and row.stable is not None and row.slope
        if is_ready and isinstance(call.arguments[0], Read):
            found = tidy(functions.slope(call, definition.lhs))
            factors = found.factors if isinstance(found, Times) else (found,)
            if definition.name in {p.array for p in walk(found) if isinstance(p, Read)}:
                name = f"{call.function}{SLOPE}"
                yield _Slope(definition, factors, Call(name, call.arguments))


def _changed(definition: Definition, slopes: Mapping[str, _Slope]) -> Definition:
    ranges = {each.letter: (each.lower, each.upper) for each in definition.ranges}
    return replace(definition, term=_with(definition.term, slopes, ranges))


def _with(term: Term, slopes: Mapping[str, _Slope], ranges: _Ranges) -> Term:
    """``term`` with each slope in its form."""
    factors = list(term.factors) if isinstance(term, Times) else [term]
    for part in walk(term):
        if not isinstance(part, Read) or part.array not in slopes:
            continue
        slope = slopes[part.array]
        moves = _moves(slope.definition, part, ranges)
        if moves is None:
            continue
        wanted = [moved_term(factor, moves) for factor in slope.factors]
        if all(factor in factors for factor in wanted):
            place = factors.index(wanted[0])
            for factor in wanted:
                factors.remove(factor)
            factors.insert(place, moved_term(slope.call, moves))
            return _with(product(factors), slopes, ranges)
    return rebuilt(term, lambda inner: _with(inner, slopes, ranges))


def _moves(definition: Definition, read: Read, ranges: _Ranges) -> dict[str, Index] | None:
    """What the letters of a definition are at an element, where it is that of a general one.

    h[t-1] may be a base case, which is no activation of anything: only letters by themselves, in
    the ranges of the definition, are sure.
    """
    own = {each.letter: (each.lower, each.upper) for each in definition.ranges}
    found: dict[str, Index] = {}
    for index, place in zip(definition.at, read.indices, strict=True):
        if ranges.get(place.bare or "") != own.get(index.bare or "", ()):
            return None
        found[index.bare or ""] = place
    return found
