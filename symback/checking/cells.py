"""Conditions in canonical form, and the cells into which they cut the space of all quantities.

A function given by cases is one formula on each cell of its conditions.  Here one can

* compute with `Forms`, the arithmetic of conditions: polynomials over the free quantities and over
  functions of such polynomials, so that x > -x and x > 0 are one condition;
* walk through all cells of what is evaluated: `Decisions` answers each condition that is asked, and
  `Decisions.following` says which answers to give next;
* show that a cell is empty (`Space.may_hold`), and find points in it (`Space.points`).

Borders of cells have no inside and are left out of this walk: at a kink itself a convention
decides.  (`Switches` can tell a > 0 from a ≥ 0, so that what holds there too is known.)  A cell is
shown to be empty by linear arithmetic over the monomials of its conditions, with bounds of what is
bounded (Fourier and Motzkin's elimination, exact), or, for conditions on one quantity, by the roots
of their polynomials.  What is not shown to be empty may be.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar

from flint import arb, ctx, fmpq, fmpq_poly

from symback.engine.arithmetics import (
    DIRECT,
    PRECISION,
    RELATIONS,
    Arithmetic,
    Undecided,
    VanishingDenominator,
    middle,
)
from symback.language.budget import spend
from symback.language.functions import ELEMENTARY

MOST_TERMS = 120
"""A product of more terms is one generator, of which nothing else is known."""

MOST_ROWS = 160
"""Inequalities that an elimination may come to; beyond, a cell counts as not shown to be empty."""

Monomial = tuple[tuple[int, int], ...]
"""Generators, by their numbers, and their powers; () is the constant 1."""

Bound = Any
"""An end of an interval: a `Fraction`, or an infinity where there is none."""

_UNKNOWN = (-math.inf, math.inf)

_ONE: Monomial = ()


class Form:
    """A polynomial with rational coefficients: monomial ↦ coefficient, none of them 0."""

    __slots__ = ("key", "terms")

    def __init__(self, terms: Mapping[Monomial, Fraction]) -> None:
        self.terms = {monomial: factor for monomial, factor in terms.items() if factor}
        self.key = frozenset(self.terms.items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Form) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def constant(self) -> Fraction | None:
        """The number that it is; None where it is more."""
        if not self.terms:
            return Fraction(0)
        return self.terms.get(_ONE) if len(self.terms) == 1 else None

    @property
    def generators(self) -> set[int]:
        """The numbers of the generators in it."""
        return {number for monomial in self.terms for number, _ in monomial}

    def scaled(self, factor: Fraction) -> Form:
        """The form times a number."""
        return Form({monomial: each * factor for monomial, each in self.terms.items()})

    def plus(self, other: Form) -> Form:
        """The sum."""
        made = dict(self.terms)
        for monomial, factor in other.terms.items():
            made[monomial] = made.get(monomial, Fraction(0)) + factor
        return Form(made)


def _number(value: Fraction) -> Form:
    return Form({_ONE: value})


@dataclass(frozen=True, slots=True)
class Generator:
    """A free quantity (``argument`` is None), or a function of a form, between bounds."""

    name: Any
    argument: Form | None
    low: Bound
    high: Bound


@dataclass(frozen=True, slots=True)
class Condition:
    """``form`` > 0 where ``positive``, else < 0; the leading coefficient of the form is 1.

    Where the form is 0 it holds if ``closed``, or not; None where that does not matter.
    """

    form: Form
    positive: bool
    closed: bool | None = None

    @property
    def asked(self) -> tuple[Form, bool]:
        """What is asked, whichever the answer."""
        return self.form, bool(self.closed)

    @property
    def directed(self) -> Form:
        """The form that is positive where the condition holds."""
        return self.form if self.positive else self.form.scaled(Fraction(-1))


@dataclass(frozen=True, slots=True)
class Switch:
    """A condition that is left open: a 0 or 1 of its own, the same wherever it is asked.

    ``number`` names it; it is 1 where the condition holds, or 0 there where not ``positive``.
    """

    number: int
    positive: bool

    @property
    def name(self) -> tuple[str, int]:
        """What the arithmetics draw it by."""
        return "switch", self.number


class EmptyCell(Undecided):
    """The answers given so far contradict one another."""


class Nested(Undecided):
    """A condition that cannot be answered while another one is left open."""


# ----------------------------------------------------------------------------------------- space


class Space:
    """The generators met so far in one network, and what is known of them."""

    def __init__(self) -> None:
        self.generators: list[Generator] = []
        self._switches: dict[tuple[Form, bool], int] = {}
        self._numbers: dict[Any, int] = {}
        self._verdicts: dict[Any, bool] = {}

    def generator(self, name: Any, argument: Form | None = None) -> Form:
        """The form that is this generator alone."""
        key = (name, argument)
        if key not in self._numbers:
            self._numbers[key] = len(self.generators)
            self.generators.append(Generator(name, argument, *self._bounds_of(name, argument)))
        return Form({((self._numbers[key], 1),): Fraction(1)})

    def _bounds_of(self, name: Any, argument: Form | None) -> tuple[Bound, Bound]:
        if argument is None:  # a switch lies between 0 and 1
            known = _CONSTANTS.get(name, _UNKNOWN)
            return (Fraction(0), Fraction(1)) if _is_switch(name) else known
        low, high = self.bounds(argument)
        if name == "inverse":
            if low >= 0:
                return _inverse(high, Fraction(0)), _inverse(low, math.inf)
            if high <= 0:
                return _inverse(high, -math.inf), _inverse(low, Fraction(0))
            return _UNKNOWN
        if name not in ELEMENTARY:
            return _UNKNOWN
        row = ELEMENTARY[name]
        least, most = (_ENDS.get(end, none) for end, none in zip(row.bounds, _UNKNOWN, strict=True))
        if row.rises:
            least = max(least, _image(name, low)[0])
            most = min(most, _image(name, high)[1])
        return least, most

    def switch(self, condition: Condition) -> Switch:
        """What stands for a condition that is left open."""
        number = self._switches.setdefault(condition.asked, len(self._switches))
        return Switch(number, condition.positive)

    def has_switches(self, form: Form) -> bool:
        """Whether a condition that was left open is a part of the form."""
        parts = [self.generators[number] for number in form.generators]
        return any(
            _is_switch(own.name) or (own.argument is not None and self.has_switches(own.argument))
            for own in parts
        )

    def factor_of_switch(self, form: Form) -> tuple[Form, Fraction] | None:
        """f and c where the form is c f [f > 0] with an f that was left open."""
        shared = set.intersection(*({n for n, _ in monomial} for monomial in form.terms))
        for number in shared:
            name = self.generators[number].name
            asked = list(self._switches)[name[1]] if _is_switch(name) else None
            if asked is None or asked[1]:
                continue
            terms = {tuple(p for p in m if p[0] != number): c for m, c in form.terms.items()}
            rest, own = Form(terms), asked[0]
            factor = max(rest.terms.items())[1] / max(own.terms.items())[1]
            if rest == own.scaled(factor):
                return own, factor
        return None

    # --------------------------------------------------------------------------- bounds

    def bounds(self, form: Form) -> tuple[Bound, Bound]:
        """Numbers between which a form lies, wherever it has a value."""
        low: Bound = Fraction(0)
        high: Bound = Fraction(0)
        for monomial, factor in form.terms.items():
            ends = self.monomial_bounds(monomial)
            below, above = ends if factor > 0 else ends[::-1]
            low, high = _plus(low, _times(factor, below)), _plus(high, _times(factor, above))
        return low, high

    def is_positive(self, form: Form) -> bool:
        """Whether no term can be negative, and one is never 0: e^u, or 1/v for such a v."""
        vanishing = {
            number
            for number in form.generators
            if self.generators[number].name not in ("exp", "inverse")
            and self.generators[number].low <= 0
        }
        return all(self.bounds(Form({m: c}))[0] >= 0 for m, c in form.terms.items()) and any(
            all(number not in vanishing for number, _ in monomial) for monomial in form.terms
        )

    def monomial_bounds(self, monomial: Monomial) -> tuple[Bound, Bound]:
        """The same of one monomial; e^a / (e^a + e^b) lies between 0 and 1."""
        low: Bound = Fraction(1)
        high: Bound = Fraction(1)
        for number, power in monomial:
            own = self.generators[number]
            low, high = _product((low, high), _power((own.low, own.high), power))
        for number, power in monomial:
            share = self._share(monomial, number) if power == 1 else None
            if share is not None:
                return Fraction(0), min(high, share)
        return low, high

    def _share(self, monomial: Monomial, number: int) -> Fraction | None:
        """1/c where the monomial is t / (c t + what is not negative), and t is not either."""
        own = self.generators[number]
        if own.name != "inverse" or own.argument is None:
            return None
        rest = tuple(part for part in monomial if part[0] != number)
        factor = own.argument.terms.get(rest, Fraction(0))
        alone = (Form({each: c}) for each, c in own.argument.terms.items())
        lows = [self.bounds(each)[0] for each in alone]
        if factor <= 0 or any(low < 0 for low in lows):
            return None
        return 1 / factor

    # ------------------------------------------------------------------------- emptiness

    def may_hold(self, conditions: Sequence[Condition], new: Condition) -> bool:
        """False only where no point satisfies all of the conditions and the new one."""
        # those that share generators with the new one, directly or through others
        reached, near, left = set(new.form.generators), [], list(conditions)
        while joined := [each for each in left if reached & each.form.generators]:
            near += joined
            left = [each for each in left if each not in joined]
            reached.update(*(each.form.generators for each in joined))
        key = (frozenset((each.form, each.positive) for each in near), new.form, new.positive)
        if key not in self._verdicts:
            self._verdicts[key] = self._may_hold([*near, new])
        return self._verdicts[key]

    def _may_hold(self, conditions: Sequence[Condition]) -> bool:
        high = self.bounds(conditions[-1].directed)[1]
        if high <= 0:
            return False
        numbers = set().union(*(each.form.generators for each in conditions))
        if len(numbers) == 1:
            (quantity,) = numbers
            own = self.generators[quantity]
            if own.argument is None and (own.low, own.high) == _UNKNOWN:  # polynomials in it
                roots = _root_intervals(conditions, quantity)
                # roots that are not told apart may have a cell between them
                apart = all(first[1] < second[0] for first, second in itertools.pairwise(roots))
                return not apart or any(True for _ in _between_roots(conditions, quantity))
        return _is_feasible(self._rows(conditions))

    def _rows(self, conditions: Sequence[Condition]) -> list[_Row]:
        """The conditions as linear inequalities in their monomials, with the bounds of those."""
        rows = []
        for each in conditions:
            terms = dict(each.directed.terms)
            constant = terms.pop(_ONE, Fraction(0))
            rows.append(_Row(terms, constant, strict=True))
        for monomial in {m for each in conditions for m in each.form.terms if m != _ONE}:
            low, high = self.monomial_bounds(monomial)
            if low > -math.inf:
                rows.append(_Row({monomial: Fraction(1)}, -low, strict=False))
            if high < math.inf:
                rows.append(_Row({monomial: Fraction(-1)}, high, strict=False))
        return rows

    # ---------------------------------------------------------------------------- points

    def points(
        self, conditions: Sequence[Condition], count: int = 12
    ) -> Iterator[dict[Any, Fraction]]:
        """Values of free quantities at which the conditions hold, as far as floats can tell.

        Quantities that the conditions do not speak of are left out.
        """
        quantities = sorted(set().union(*(self._free(each.form) for each in conditions), set()))
        if not quantities:
            return
        draw = random.Random(len(quantities))
        for attempt in range(count):
            found = self._climbed(conditions, quantities, draw, attempt)
            if found is not None:
                yield {self.generators[q].name: value for q, value in found.items()}

    def _free(self, form: Form) -> set[int]:
        """The free quantities that a form depends on."""
        found: set[int] = set()
        for number in form.generators:
            argument = self.generators[number].argument
            if argument is not None:
                found |= self._free(argument)
            elif self.generators[number].name not in _CONSTANTS:
                found.add(number)
        return found

    def _climbed(
        self,
        conditions: Sequence[Condition],
        quantities: Sequence[int],
        draw: random.Random,
        attempt: int,
    ) -> dict[int, Fraction] | None:
        """From a random point, one quantity after the other to where most conditions hold."""
        scale = Fraction(10) ** (draw.randrange(-6, 7) if attempt % 3 == 2 else 0)
        point = {q: scale * Fraction(draw.randrange(-19, 20) or 1, 10) for q in quantities}
        held = self._held(conditions, point)
        for _ in range(4):
            if held == len(conditions):
                return point
            for quantity in draw.sample(quantities, len(quantities)):
                for value in self._candidates(conditions, quantity, point):
                    trial = {**point, quantity: value}
                    better = self._held(conditions, trial)
                    if better > held:
                        point, held = trial, better
        return point if held == len(conditions) else None

    def _candidates(
        self, conditions: Sequence[Condition], quantity: int, point: Mapping[int, Fraction]
    ) -> Iterator[Fraction]:
        """Values between the thresholds that the conditions set to one quantity, and a few more."""
        fixed = [self._along(each, quantity, point) for each in conditions]
        yield from _between_roots([each for each in fixed if each is not None], quantity)
        for power in range(-7, 8):
            for sign in (1, -1):
                yield sign * Fraction(10) ** power * 3

    def _along(
        self, condition: Condition, quantity: int, point: Mapping[int, Fraction]
    ) -> Condition | None:
        """The condition as one on a single quantity, the others at the point."""
        made: dict[Monomial, Fraction] = {}
        for monomial, factor in condition.form.terms.items():
            power = 0
            for number, exponent in monomial:
                if number == quantity:
                    power = exponent
                    continue
                value = self._float(number, point, {})
                if not math.isfinite(value):
                    return None
                factor *= Fraction(value).limit_denominator(10**12) ** exponent
            key = ((quantity, power),) if power else _ONE
            made[key] = made.get(key, Fraction(0)) + factor
        return Condition(Form(made), condition.positive)

    def _held(self, conditions: Sequence[Condition], point: Mapping[int, Fraction]) -> int:
        known: dict[int, float] = {}
        return sum(self._float_of(each.directed, point, known) > 0 for each in conditions)

    def _float_of(
        self, form: Form, point: Mapping[int, Fraction], known: dict[int, float]
    ) -> float:
        """A form in floating point; NaN where that has no value.

        Linear forms of quantities alone are computed exactly, since thresholds lie close together.
        """
        if all(m == _ONE or (len(m) == 1 and m[0][0] in point) for m in form.terms):
            exact = sum(
                (c * (point[m[0][0]] ** m[0][1] if m else 1) for m, c in form.terms.items()),
                Fraction(0),
            )
            return 0.0 if exact == 0 else math.copysign(max(abs(_float(exact)), 5e-324), exact)
        total = 0.0
        for monomial, factor in form.terms.items():
            part = _float(factor)
            for number, power in monomial:
                part *= _raised(self._float(number, point, known), power)
            total += part
        return total if math.isfinite(total) else math.nan

    def _float(self, number: int, point: Mapping[int, Fraction], known: dict[int, float]) -> float:
        if number in point:
            return _float(point[number])
        if number not in known:
            own = self.generators[number]
            if own.argument is None:
                known[number] = _float((own.low + own.high) / 2) if own.low > 0 else 1.0
            else:
                value = self._float_of(own.argument, point, known)
                try:
                    name = own.name
                    known[number] = 1 / value if name == "inverse" else getattr(math, name)(value)
                except (ArithmeticError, ValueError, AttributeError):
                    known[number] = math.nan
        return known[number]


def _raised(value: float, power: int) -> float:
    try:
        return value**power
    except OverflowError:
        return math.inf if value > 0 or power % 2 == 0 else -math.inf


def _float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


# --------------------------------------------------------------------------------- tables of bounds

_PI = (Fraction(314159, 100000), Fraction(314160, 100000))
_CONSTANTS: Mapping[str, tuple[Bound, Bound]] = {
    "pi": _PI,
    "root of pi": (Fraction(1772, 1000), Fraction(1773, 1000)),
}
_ENDS: Mapping[str, Bound] = {
    "0": Fraction(0), "1": Fraction(1), "-1": Fraction(-1),
    "pi": _PI[1], "pi/2": _PI[1] / 2, "-pi/2": -_PI[1] / 2,
}  # fmt: skip
"""The ends of `symback.language.functions.Function.bounds`, no nearer than they are."""


def _is_switch(name: Any) -> bool:
    return isinstance(name, tuple) and name[0] == "switch"


def _image(name: str, end: Bound) -> tuple[Bound, Bound]:
    """Bounds of a function's value at one number."""
    if abs(end) > 500:
        return _UNKNOWN
    with ctx.workprec(64):
        value = getattr(arb(fmpq(end.numerator, end.denominator)), name)()
        return (middle(value.lower()), middle(value.upper())) if value.is_finite() else _UNKNOWN


def _inverse(value: Bound, of_zero: Bound) -> Bound:
    return of_zero if value == 0 else Fraction(0) if abs(value) == math.inf else 1 / value


def _product(first: tuple[Bound, Bound], second: tuple[Bound, Bound]) -> tuple[Bound, Bound]:
    """Bounds of a product."""
    ends = [_times(a, b) for a, b in itertools.product(first, second)]
    return min(ends), max(ends)


def _times(a: Bound, b: Bound) -> Bound:
    """A product of ends; 0 times an infinity is 0, and no number becomes a float."""
    if not a or not b:
        return Fraction(0)
    if math.inf in (abs(a), abs(b)):
        return math.inf if (a > 0) == (b > 0) else -math.inf
    return a * b


def _plus(a: Bound, b: Bound) -> Bound:
    return next((end for end in (a, b) if abs(end) == math.inf), None) or a + b


def _power(ends: tuple[Bound, Bound], power: int) -> tuple[Bound, Bound]:
    low, high = (end**power for end in ends)
    if power % 2:
        return low, high
    return (Fraction(0) if ends[0] < 0 < ends[1] else min(low, high)), max(low, high)


# ----------------------------------------------------------------------------- linear arithmetic


@dataclass(frozen=True, slots=True)
class _Row:
    """Σ factors · monomials + constant > 0, or ≥ 0 where not ``strict``."""

    factors: Mapping[Monomial, Fraction]
    constant: Fraction
    strict: bool

    def joined(self, other: _Row, monomial: Monomial) -> _Row:
        """The sum of positive multiples of two rows in which the monomial cancels."""
        mine, theirs = abs(other.factors[monomial]), abs(self.factors[monomial])
        factors = {
            key: mine * self.factors.get(key, Fraction(0))
            + theirs * other.factors.get(key, Fraction(0))
            for key in {*self.factors, *other.factors}
            if key != monomial
        }
        constant = mine * self.constant + theirs * other.constant
        kept = {key: factor for key, factor in factors.items() if factor}
        return _Row(kept, constant, self.strict or other.strict)


def _is_feasible(rows: list[_Row]) -> bool:
    """False only where the rows contradict one another, by Fourier and Motzkin's elimination."""
    while True:
        numbers = [(row.constant, row.strict) for row in rows if not row.factors]
        if any(constant < 0 or (strict and constant == 0) for constant, strict in numbers):
            return False
        rows = [row for row in rows if row.factors]
        if not rows:
            return True
        spend(len(rows))
        signs: dict[Monomial, list[bool]] = {}
        for row in rows:
            for each, factor in row.factors.items():
                signs.setdefault(each, []).append(factor > 0)
        # the monomial whose elimination makes the fewest new rows
        monomial = min(signs, key=lambda m: (sum(signs[m]) * signs[m].count(False), m))
        above = [row for row in rows if row.factors.get(monomial, 0) > 0]
        below = [row for row in rows if row.factors.get(monomial, 0) < 0]
        rest = [row for row in rows if monomial not in row.factors]
        if len(rest) + len(above) * len(below) > MOST_ROWS:
            return True
        rows = [*rest, *(a.joined(b, monomial) for a in above for b in below)]


def _between_roots(conditions: Sequence[Condition], quantity: int) -> Iterator[Fraction]:
    """Points where all conditions hold, one in each interval between the roots of their forms.

    Each condition is a polynomial in one quantity; signs are computed exactly.
    """
    polynomials = [_polynomial(each.directed, quantity) for each in conditions]
    roots = sorted({end for pair in _root_intervals(conditions, quantity) for end in pair})
    inner = [(a + b) / 2 for a, b in itertools.pairwise(roots)]
    outer = [roots[0] - 1, roots[-1] + 1] if roots else [Fraction(0)]
    for point in sorted((_simple(each, roots) for each in (*inner, *outer)), key=abs):
        if all(each(fmpq(point.numerator, point.denominator)) > 0 for each in polynomials):
            yield point


def _simple(point: Fraction, roots: Sequence[Fraction]) -> Fraction:
    """A number of few digits between the same two roots."""
    low = max((root for root in roots if root < point), default=None)
    high = min((root for root in roots if root > point), default=None)
    for digits in range(8):
        near = Fraction(round(point * 10**digits), 10**digits)
        if (low is None or near > low) and (high is None or near < high):
            return near
    return point


def _polynomial(form: Form, quantity: int) -> fmpq_poly:
    powers = {sum(e for n, e in m if n == quantity): c for m, c in form.terms.items()}
    degree = max(powers, default=0)
    return fmpq_poly([
        fmpq(powers[k].numerator, powers[k].denominator) if k in powers else fmpq(0)
        for k in range(degree + 1)
    ])  # fmt: skip


def _root_intervals(
    conditions: Sequence[Condition], quantity: int
) -> list[tuple[Fraction, Fraction]]:
    """Bounds of each real root of each form, in order; equal ones for a root that is rational."""
    found: set[tuple[Fraction, Fraction]] = set()
    for condition in conditions:
        polynomial = _polynomial(condition.directed, quantity)
        if polynomial.degree() == 1:
            root = -polynomial[0] / polynomial[1]
            exact = Fraction(int(root.p), int(root.q))
            found.add((exact, exact))
        elif polynomial.degree() > 1:
            with ctx.workprec(PRECISION):
                roots: Any = polynomial.complex_roots()  # the stubs leave out the multiplicities
                for root, _ in roots:
                    if root.imag.contains(0):
                        found.add((middle(root.real.lower()), middle(root.real.upper())))
    return sorted(found)


# ------------------------------------------------------------------------------------- arithmetic


class Forms(Arithmetic):
    """The arithmetic of conditions: polynomials over the generators of a space.

    ``answers`` decides the conditions that are asked on the way: `Decisions` or `Switches`.
    """

    direct: ClassVar[frozenset[str]] = DIRECT | {"sqrt"}

    def __init__(self, space: Space, answers: Decisions | Switches) -> None:
        self.space, self.answers = space, answers

    @property
    def tells_borders(self) -> bool:
        """Whether the answers tell u > v from u ≥ v."""
        return self.answers.tells_borders

    def number(self, value: Fraction) -> Form:
        """A rational number."""
        return _number(value)

    def total(self, terms: Sequence[Form]) -> Form:
        """The sum."""
        made: dict[Monomial, Fraction] = {}
        for term in terms:
            for monomial, factor in term.terms.items():
                made[monomial] = made.get(monomial, Fraction(0)) + factor
        return Form(made)

    def product(self, factors: Sequence[Form]) -> Form:
        """The product, multiplied out as long as it has few terms."""
        made = _number(Fraction(1))
        for factor in factors:
            if len(made.terms) * len(factor.terms) > MOST_TERMS:
                pair = frozenset((made, factor)) if made != factor else made
                made = self.space.generator(("product", pair))
                continue
            spend(len(made.terms))
            terms: dict[Monomial, Fraction] = {}
            for a, c in made.terms.items():
                for b, d in factor.terms.items():
                    powers = dict(a)
                    for number, power in b:
                        powers[number] = powers.get(number, 0) + power
                    monomial = tuple(sorted(powers.items()))
                    terms[monomial] = terms.get(monomial, Fraction(0)) + c * d
            made = Form(terms)
        return made

    def inverse(self, value: Form) -> Form:
        """1/value; of e^u it is e^{-u}."""
        if not value.terms:
            raise VanishingDenominator
        factor = value.terms[min(value.terms)]
        plain = value.scaled(1 / factor)
        if plain.constant is not None:
            return _number(1 / factor)
        if len(plain.terms) == 1:
            (monomial,) = plain.terms
            parts = []
            for number, power in monomial:
                own = self.space.generators[number]
                if own.name == "exp" and own.argument is not None:
                    below = self.exponential(own.argument.scaled(Fraction(-1)))
                elif own.name == "inverse" and own.argument is not None:
                    below = own.argument
                else:
                    alone = Form({((number, 1),): Fraction(1)})
                    below = self.space.generator("inverse", alone)
                parts.append(self.power(below, power))
            return self.product(parts).scaled(1 / factor)
        return self.space.generator("inverse", plain).scaled(1 / factor)

    def power(self, value: Form, exponent: int) -> Form:
        """A whole power."""
        if exponent < 0:
            value, exponent = self.inverse(value), -exponent
        return self.product([value] * exponent)

    def exponential(self, below: Form) -> Form:
        """e^u."""
        return _number(Fraction(1)) if not below.terms else self.space.generator("exp", below)

    def drawn(self, name: object) -> Form:
        """A free quantity."""
        return self.space.generator(name)

    def pi(self) -> Form:
        """π."""
        return self.space.generator("pi")

    def root_of_pi(self) -> Form:
        """√π."""
        return self.space.generator("root of pi")

    def function(self, name: str, *values: Form) -> Form:
        """A function of a form."""
        return self.space.generator(name, *values)

    def holds(self, left: Form, relation: str, right: Form) -> bool | Switch:
        """Whether ``left relation right``, as the answers say."""
        found = self.condition(left, relation, right)
        if isinstance(found, bool):
            return found
        self.answers.met_border |= relation not in _TIES_ALLOWED
        return self.answers.answer(found)

    def condition(self, left: Form, relation: str, right: Form) -> bool | Condition:
        """``left relation right`` in canonical form, or its truth where both sides are numbers."""
        difference = left.plus(right.scaled(Fraction(-1)))
        constant = difference.constant
        if constant is not None:
            return RELATIONS[relation](constant, 0)
        switched = self.space.factor_of_switch(difference)
        if switched is not None:  # c f [f > 0], as ReLU's activation: never below 0 for c > 0
            form, factor = switched
            if relation in ("=", "!="):
                return Condition(form, relation == "!=", False)
            relation = relation if factor > 0 else _TURNED[relation]
            return (
                relation == ">="
                if relation in (">=", "<", "<?")
                else Condition(form, relation != "<=", False)
            )
        if relation in ("=", "!="):
            raise Undecided("an equation between quantities as a condition has no inside")
        leading = max(monomial for monomial in difference.terms if monomial != _ONE)
        factor = difference.terms[leading]
        relation = relation if factor > 0 else _TURNED[relation]
        tells = self.answers.tells_borders or self.space.has_switches(difference)
        closed = relation in (">=", "<") if tells and relation not in _TIES_ALLOWED else None
        form = difference.scaled(1 / factor)
        return Condition(form, relation in (">", ">=", ">?"), closed)


_TURNED = {">": "<", "<": ">", ">=": "<=", "<=": ">=", ">?": "<?", "<?": ">?"}
_TIES_ALLOWED = (">?", "<?")
"""Greater and less where it does not matter what holds at equality: max(u, v) is u or v there."""


# -------------------------------------------------------------------------------------- decisions


@dataclass(slots=True)
class Decisions:
    """The answers to conditions in one cell: first those prescribed, then what is possible.

    ``prescribed`` answers come from `following`.  Conditions on the forms in ``left_open`` are
    answered by switches.
    """

    tells_borders: ClassVar[bool] = False

    space: Space
    prescribed: Sequence[tuple[bool, bool]] = ()
    left_open: Collection[tuple[Form, bool]] = ()
    met_border: bool = False
    """Whether something was asked whose answer at equality matters."""
    draw: random.Random | None = None
    """Chooses among the answers that are possible; without it the first is taken."""
    given: list[Condition] = field(default_factory=list)
    """The answers, in order."""
    _is_open: list[bool] = field(default_factory=list)
    _known: dict[Form, bool] = field(default_factory=dict)

    def answer(self, condition: Condition) -> bool | Switch:
        """Whether the condition holds in this cell; raises `EmptyCell`."""
        if condition.asked in self.left_open:
            return self.space.switch(condition)
        if self.left_open and self.space.has_switches(condition.form):
            raise Nested("a condition depends on another one that is left open")
        if condition.form not in self._known:
            place = len(self.given)
            if place < len(self.prescribed):
                positive, is_open = self.prescribed[place]
            else:
                signs = [Condition(condition.form, sign) for sign in (True, False)]
                possible = [
                    each.positive for each in signs if self.space.may_hold(self.given, each)
                ]
                if not possible:
                    raise EmptyCell("the conditions contradict one another")
                positive = possible[0] if self.draw is None else self.draw.choice(possible)
                is_open = len(possible) > 1
            self.given.append(Condition(condition.form, positive))
            self._is_open.append(is_open)
            self._known[condition.form] = positive
        return self._known[condition.form] == condition.positive

    def is_known(self, condition: Condition) -> bool | None:
        """The same, without deciding what is open."""
        known = self._known.get(condition.form)
        if known is not None:
            return known == condition.positive
        if not self.space.may_hold(self.given, condition):
            return False
        opposite = Condition(condition.form, not condition.positive)
        return None if self.space.may_hold(self.given, opposite) else True

    @property
    def choices(self) -> int:
        """How many of the answers could have been given the other way round."""
        return sum(self._is_open)

    @property
    def following(self) -> list[tuple[bool, bool]] | None:
        """What to prescribe for the next cell: the last open answer the other way round."""
        answers = [(each.positive, o) for each, o in zip(self.given, self._is_open, strict=True)]
        while answers and not answers[-1][1]:
            answers.pop()
        return [*answers[:-1], (not answers[-1][0], False)] if answers else None


@dataclass(slots=True)
class Switches:
    """Leaves every condition open that the bounds do not decide; see `Switch`.

    With ``tells_borders`` u > v and u ≥ v are two conditions, which agree but for a border.
    """

    space: Space
    tells_borders: bool = False
    met_border: bool = False
    met: dict[tuple[Form, bool], Switch] = field(default_factory=dict)

    def answer(self, condition: Condition) -> bool | Switch:
        """True or False where the bounds say so, else a switch."""
        known = self.is_known(condition)
        if known is not None:
            return known
        self.met[condition.asked] = self.space.switch(condition)
        return self.space.switch(condition)

    def is_known(self, condition: Condition) -> bool | None:
        """Whether the condition holds everywhere or nowhere; else None."""
        low, high = self.space.bounds(condition.form)
        never = high < 0 or (high == 0 and not condition.closed)
        touches = condition.closed is not False or self.space.is_positive(condition.form)
        always = low > 0 or (low == 0 and touches)
        return condition.positive if always else not condition.positive if never else None
