"""Formulas over arrays with indices: one tree, in the order it was written.

Here one can

* build and take apart a formula: `Number` to `Given`, all frozen; `total`, `product`, `negative`,
  `quotient`, `given` put them together and leave out what is 0 or 1, nothing else;
* go through one: `children`, `rebuilt`, `walk`; `reads` gives each element that is read with what
  binds its letters on the way;
* replace letters without capture: `moved_term`; find those that are free: `free_letters`.

A letter is free or bound by a `Binder`, whose conditions say which numbers are left out: those are
not read.  Division is a power -1, subtraction a factor -1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TypeAlias

from symback.equations.indices import (
    Affine,
    Condition,
    Index,
    Moves,
    Range,
    condition_moved,
    letter,
    moved,
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number, exactly as written."""

    value: Fraction
    text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Measure:
    """An index expression used as a number: T, d, t - 1."""

    index: Affine


@dataclass(frozen=True, slots=True)
class Read:
    """An element of an array: ``h[t-1, j]``; without indices a scalar.

    Adjoints are arrays as well, named by `symback.equations.system.adjoint_name`.
    """

    array: str
    indices: tuple[Index, ...] = ()


@dataclass(frozen=True, slots=True)
class Plus:
    """A sum of terms, in the order written."""

    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Times:
    """A product of factors, in the order written."""

    factors: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Power:
    """base ** exponent."""

    base: Term
    exponent: Term


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the catalogue of its arguments; max and min take two or more."""

    function: str
    arguments: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Where:
    """``yes`` where ``left relation right`` (a comparison of values, < or <=), else ``no``."""

    left: Term
    relation: str
    right: Term
    yes: Term
    no: Term


@dataclass(frozen=True, slots=True)
class Given:
    """``body`` where all ``conditions`` hold; elsewhere 0, and nothing in it is read."""

    conditions: tuple[Condition, ...]
    body: Term


@dataclass(frozen=True, slots=True)
class Slope:
    """∂of/∂by as a name, with the arrays ``held`` that would follow ``by`` too: (∂a/∂U)|_h.

    It stands in the lines of a derivation before what was derived is filled in, and has no value.
    """

    of: Read
    by: Read
    held: tuple[str, ...] = ()


BINDERS = ("sum", "mean", "max", "min", "logsumexp", "softmax", "argmax", "argmin", "count")


@dataclass(frozen=True, slots=True)
class Binder:
    """``kind`` over the numbers of ``range`` for which ``conditions`` hold, of ``body``.

    ``softmax`` is e^body at the index ``at`` over the sum of all (0 where ``at`` is left out);
    ``argmax`` and ``argmin`` are 1 where ``at`` is the first index at which the body is largest or
    least, else 0; ``count`` is how many indices there are, its body the number 1.
    """

    kind: str
    range: Range
    conditions: tuple[Condition, ...]
    body: Term
    at: Index | None = None


Term: TypeAlias = (
    Number | Measure | Read | Plus | Times | Power | Call | Where | Given | Slope | Binder
)

ZERO, UNIT, MINUS = Number(Fraction(0)), Number(Fraction(1)), Number(Fraction(-1))

# ------------------------------------------------------------------------------ putting together


def total(terms: Iterable[Term]) -> Term:
    """A sum: sums within it dissolve and zeros go."""
    flat = (part for term in terms for part in (term.terms if isinstance(term, Plus) else (term,)))
    kept = tuple(term for term in flat if term != ZERO)
    if len(kept) < 2:
        return kept[0] if kept else ZERO
    return Plus(kept)


def product(factors: Iterable[Term]) -> Term:
    """A product: products within it dissolve, ones go, numbers are multiplied and come first."""
    flat = [
        part for term in factors for part in (term.factors if isinstance(term, Times) else (term,))
    ]
    kept = [part for part in flat if not isinstance(part, Number)]
    front: list[Term] = []
    if len(kept) < len(flat):
        coefficient = math.prod(part.value for part in flat if isinstance(part, Number))
        if not coefficient:
            return ZERO
        front = [] if coefficient == 1 else [Number(Fraction(coefficient))]
    if len(front) + len(kept) < 2:
        return (front + kept)[0] if front or kept else UNIT
    return Times((*front, *kept))


def negative(term: Term) -> Term:
    """-term."""
    return product((MINUS, term))


def power(base: Term, exponent: Term) -> Term:
    """base ** exponent; the powers 0 and 1 go, and a power of a whole power is one power."""
    if exponent == ZERO:
        return UNIT
    if exponent == UNIT:
        return base
    match base, exponent:
        case Number(value), Number(whole) if whole.denominator == 1 and (value or whole > 0):
            return Number(value**whole.numerator)
        case Power(inner, Number(first)), Number(second) if second == -1:
            return power(inner, Number(-first))
    return Power(base, exponent)


def quotient(above: Term, below: Term) -> Term:
    """above / below."""
    return product((above, power(below, MINUS)))


def given(conditions: Iterable[Condition], body: Term) -> Term:
    """``body`` where the conditions hold; conditions within it are joined."""
    conditions = tuple(dict.fromkeys(conditions))
    if body == ZERO:
        return ZERO
    if isinstance(body, Given):
        return given((*conditions, *body.conditions), body.body)
    return Given(conditions, body) if conditions else body


def summed(over: Range, conditions: Iterable[Condition], body: Term) -> Term:
    """Σ body; 0 where the body is."""
    return ZERO if body == ZERO else Binder("sum", over, tuple(conditions), body)


# --------------------------------------------------------------------------------- going through


def children(term: Term) -> tuple[Term, ...]:
    """The parts that are formulas themselves."""
    match term:
        case Plus(terms):
            return terms
        case Times(factors):
            return factors
        case Power(base, exponent):
            return base, exponent
        case Call(_, arguments):
            return arguments
        case Where(left, _, right, yes, no):
            return left, right, yes, no
        case Given(_, body) | Binder(body=body):
            return (body,)
    return ()


def rebuilt(term: Term, change: Callable[[Term], Term]) -> Term:
    """The same with every part changed; the constructors above leave out what became 0 or 1."""
    match term:
        case Plus(terms):
            return total(map(change, terms))
        case Times(factors):
            return product(map(change, factors))
        case Power(base, exponent):
            return power(change(base), change(exponent))
        case Call(function, arguments):
            return Call(function, tuple(map(change, arguments)))
        case Where(left, relation, right, yes, no):
            return Where(change(left), relation, change(right), change(yes), change(no))
        case Given(conditions, body):
            return given(conditions, change(body))
        case Binder(kind="sum") as binder:
            return summed(binder.range, binder.conditions, change(binder.body))
        case Binder() as binder:
            return replace(binder, body=change(binder.body))
    return term


def walk(term: Term) -> Iterator[Term]:
    """A formula and all parts of it, from the outside in."""
    yield term
    for part in children(term):
        yield from walk(part)


@dataclass(frozen=True, slots=True)
class Reading:
    """An element that a formula reads, inside which ranges and under which conditions."""

    read: Read
    ranges: tuple[Range, ...]
    conditions: tuple[Condition, ...]


def reads(term: Term) -> Iterator[Reading]:
    """Every place where a formula reads an element, in order."""
    yield from _reads(term, (), ())


def _reads(
    term: Term, ranges: tuple[Range, ...], conditions: tuple[Condition, ...]
) -> Iterator[Reading]:
    match term:
        case Read():
            yield Reading(term, ranges, conditions)
        case Given(more, body):
            yield from _reads(body, ranges, (*conditions, *more))
        case Binder(_, range, more, body):
            yield from _reads(body, (*ranges, range), (*conditions, *more))
        case _:
            for part in children(term):
                yield from _reads(part, ranges, conditions)


# ------------------------------------------------------------------------------------- letters


def free_letters(term: Term) -> frozenset[str]:
    """The letters and sizes that are not bound within."""
    match term:
        case Measure(index):
            return index.names
        case Read(_, indices):
            return frozenset().union(*(index.names for index in indices))
        case Slope(of, by):
            return free_letters(of) | free_letters(by)
        case Given(conditions, body):
            return free_letters(body).union(*(each.names for each in conditions))
        case Binder(_, range, conditions, body, at):
            inside = free_letters(body).union(*(each.names for each in conditions))
            outside = range.lower.names | range.upper.names | (at.names if at else frozenset())
            return (inside - {range.letter}) | outside
    return frozenset().union(*map(free_letters, children(term)))


def fresh(wanted: str, taken: Iterable[str]) -> str:
    """``wanted``, or the next letter that is not taken.

    >>> fresh("j", {"j", "m"}), fresh("u", ["t"])
    ('i', 'u')
    """
    taken = set(taken)
    if wanted not in taken:
        return wanted
    near = "uvspqr" if wanted in {*"stuvopqr"} else "ijmpqruv"
    for other in near:
        if other not in taken:
            return other
    count = 1
    while f"{wanted}{count}" in taken:
        count += 1
    return f"{wanted}{count}"


def moved_term(term: Term, moves: Moves) -> Term:
    """``term`` with free letters replaced; bound ones are renamed where they would be caught.

    >>> body = Read("w", (letter("i"), letter("j")))
    >>> row = Binder("sum", Range("j", letter("n")), (), body)
    >>> moved_term(row, {"i": letter("j")}).range.letter
    'm'
    """
    if not moves:
        return term
    match term:
        case Number():
            return term
        case Measure(index):
            new = moved(index, moves)
            if not isinstance(new, Affine):
                raise TypeError(f"{new} is used as a number")
            return Measure(new)
        case Read():
            return _read_moved(term, moves)
        case Slope(of, by, held):
            return Slope(_read_moved(of, moves), _read_moved(by, moves), held)
        case Given(conditions, body):
            return given((condition_moved(c, moves) for c in conditions), moved_term(body, moves))
        case Binder() as binder:
            return _binder_moved(binder, moves)
    return rebuilt(term, lambda part: moved_term(part, moves))


def _read_moved(read: Read, moves: Moves) -> Read:
    return Read(read.array, tuple(moved(index, moves) for index in read.indices))


def _binder_moved(binder: Binder, moves: Moves) -> Binder:
    own = binder.range.letter
    inside: dict[str, Index] = {name: new for name, new in moves.items() if name != own}
    name = own
    if any(own in new.names for new in inside.values()):  # it may be caught
        free = free_letters(binder.body).union(*(each.names for each in binder.conditions))
        arriving = frozenset().union(*(inside[name].names for name in free & inside.keys()))
        if own in arriving:
            name = fresh(own, arriving | free | inside.keys())
            inside[own] = letter(name)
    return Binder(
        binder.kind,
        Range(name, binder.range.upper, binder.range.lower),
        tuple(condition_moved(each, inside) for each in binder.conditions),
        moved_term(binder.body, inside),
        None if binder.at is None else moved(binder.at, moves),
    )


# ----------------------------------------------------------------------------------- comparing


def canonical(term: Term) -> Term:
    """``term`` with its bound letters called #0, #1 … from the outside in.

    Two formulas that differ in the names of bound letters only have the same canonical form.
    """
    return _canonical(term, 0)


def _canonical(term: Term, depth: int) -> Term:
    if isinstance(term, Binder):
        name = f"#{depth}"
        inside = {term.range.letter: letter(name)}
        return Binder(
            term.kind,
            Range(name, term.range.upper, term.range.lower),
            tuple(condition_moved(each, inside) for each in term.conditions),
            _canonical(moved_term(term.body, inside), depth + 1),
            term.at,
        )
    return rebuilt(term, lambda part: _canonical(part, depth))
