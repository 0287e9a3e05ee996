"""Slopes of a system's activations in forms that keep every digit.

`with_slopes` finds, in every definition, the slope of an activation h[t,i] = tanh(a[t,i]), which
reads 1 - h², and puts the slope as a function of a in its place: ``Call("tanh'", (a,))``.  At
a = 20 the first is 0, the second 1.7e-17.  The forms are those of the catalogue's rows, proved by
`symback.kernels.forms`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from symback.equations import functions
from symback.equations.algebra import tidy
from symback.equations.indices import Affine, Index
from symback.equations.system import Definition, System
from symback.equations.terms import Call, Read, Term, Times, moved_term, product, rebuilt, walk
from symback.language.functions import ACTIVATIONS, Activation

SLOPE = "'"
"""What follows the name of a function in the name of its slope."""

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


def with_slopes(system: System) -> System:
    """The same system, computed with more digits."""
    slopes: dict[str, list[_Slope]] = {}
    for slope in dict.fromkeys(_slopes(system)):
        slopes.setdefault(slope.anchor.array, []).append(slope)
    groups = tuple(
        replace(group, definitions=tuple(_changed(each, slopes) for each in group.definitions))
        for group in system.groups
    )
    return replace(system, groups=groups)


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


def _changed(definition: Definition, slopes: Mapping[str, Sequence[_Slope]]) -> Definition:
    ranges = tuple((each.letter, each.lower, each.upper) for each in definition.ranges)
    return replace(definition, term=_with(definition.term, slopes, ranges))


def _with(term: Term, slopes: Mapping[str, Sequence[_Slope]], ranges: _Ranges) -> Term:
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
                return _with(product(factors), slopes, ranges)
    return rebuilt(term, lambda inner: _with(inner, slopes, ranges))


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
