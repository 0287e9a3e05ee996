"""The arithmetics in which nodes are evaluated: exact residues, real numbers, certified bounds.

`Residues` computes modulo the secret primes of `symback.checking.tower`; what is not computed (erf,
the logarithm of something new) is a residue drawn by name, so that equal arguments have equal
values.  `Logarithms` knows what follows from log(uv) = log u + log v and log e^u = u.  `Reals` has
60 digits; `Intervals` bounds every number from both sides, so that a difference is certain.
`Symbols` makes SymPy expressions, for a proof without chance.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar

import mpmath
import sympy
from sympy import Expr

from symback.checking.tower import Tower, VanishingDenominator
from symback.errors import SymbackError

__all__ = [
    "ODD",
    "OPAQUE",
    "Intervals",
    "Logarithms",
    "OutOfRange",
    "Reals",
    "Residues",
    "Symbols",
    "TooDeep",
    "Undecided",
]

ODD = ("erf", "asin", "atan")
OPAQUE = (*ODD, "acos")
"""Functions of which only "equal arguments, equal values" is used (and that some are odd)."""


class Undecided(SymbackError):
    """Something has no exact value here; the message says why."""


class OutOfRange(Undecided):
    """An index that numbers no neuron."""


class TooDeep(Undecided):
    """Exponentials nested deeper than the tower has levels."""


@dataclass(frozen=True, slots=True)
class Residues:
    """Exact arithmetic at a secret point: ``secret`` decides every residue that is drawn."""

    tower: Tower
    secret: bytes
    direct: ClassVar[frozenset[str]] = frozenset()
    """Functions that it computes by name; the others are taken apart first."""

    def number(self, value: Fraction, level: int) -> int:
        """A rational number."""
        return self.tower.number(value, level)

    def rounded(self, value: Fraction, decimals: int, level: int) -> int:
        """A decimal number, taken as it stands."""
        return self.tower.number(value, level)

    def total(self, terms: Sequence[int], level: int) -> int:
        """The sum."""
        return self.tower.total(terms, level)

    def product(self, factors: Sequence[int], level: int) -> int:
        """The product."""
        return self.tower.product(factors, level)

    def inverse(self, value: int, level: int) -> int:
        """1/value."""
        return self.tower.inverse(value, level)

    def power(self, value: int, exponent: int, level: int) -> int:
        """A whole power."""
        return self.tower.power(value, exponent, level)

    def below(self, level: int) -> int:
        """The level of an exponential's argument."""
        if level == 0:
            raise TooDeep("exponentials are nested too deeply to be compared exactly")
        return level - 1

    def exponential(self, below: int, level: int) -> int:
        """e^u from the residue of u one level below."""
        return self.tower.exponential(below, level)

    def drawn(self, name: object, level: int) -> int:
        """The residue of something that depends on nothing else, chosen by its name."""
        digest = hashlib.blake2b(repr((name, level)).encode(), key=self.secret, digest_size=40)
        return int.from_bytes(digest.digest(), "big") % self.tower.primes[level]

    def imaginary(self, level: int) -> int:
        """A root of -1."""
        return self.tower.imaginary[level]

    def pi(self, level: int) -> int:
        """π, the square of what `root_of_pi` draws."""
        return self.tower.power(self.root_of_pi(level), 2, level)

    def root_of_pi(self, level: int) -> int:
        """√π, of which nothing else is known."""
        return self.drawn("the root of pi", level)

    def function(self, name: str, value: int, level: int) -> int:
        """√u, the same of the two roots each time; of other functions a residue drawn for u."""
        if name == "sqrt":
            found = self.tower.root(value, level)
            if found is None:
                raise Undecided("a square root has no exact value at the points tried")
            return found
        if name not in ODD:
            return self.drawn((name, value), level)
        p = self.tower.primes[level]
        positive = min(value, -value % p)
        drawn = self.drawn((name, positive), level) if value else 0
        return drawn if value == positive else -drawn % p


_real = mpmath.mp.clone()
_real.dps = 60
_bounds = mpmath.iv.clone() if hasattr(mpmath.iv, "clone") else type(mpmath.iv)()
_bounds.dps = 60


class Reals:
    """Real numbers with 60 digits; ``point`` gives the quantities that are free."""

    direct: ClassVar[frozenset[str]] = frozenset(
        ("log", "tanh", "sin", "cos", "tan", "sinh", "cosh")
    )
    context: Any = _real

    def __init__(self, point: Callable[[object], Fraction]) -> None:
        self.point = point

    def number(self, value: Fraction, level: int) -> Any:
        """A rational number."""
        return self.context.mpf(value.numerator) / value.denominator

    def rounded(self, value: Fraction, decimals: int, level: int) -> Any:
        """A decimal number, taken as it stands."""
        return self.number(value, level)

    def total(self, terms: Sequence[Any], level: int) -> Any:
        """The sum."""
        return sum(terms, self.context.mpf(0))

    def product(self, factors: Sequence[Any], level: int) -> Any:
        """The product."""
        made = self.context.mpf(1)
        for factor in factors:
            made = made * factor
        return made

    def inverse(self, value: Any, level: int) -> Any:
        """1/value."""
        if self.vanishes(value):
            raise VanishingDenominator
        return 1 / value

    def vanishes(self, value: Any) -> bool:
        """Whether a number is 0, or may be."""
        return value == 0

    def power(self, value: Any, exponent: int, level: int) -> Any:
        """A whole power."""
        return value**exponent if exponent >= 0 else self.inverse(value, level) ** -exponent

    def below(self, level: int) -> int:
        """Real numbers have no levels."""
        return level

    def exponential(self, below: Any, level: int) -> Any:
        """e^u."""
        if abs(below) > 10**6:
            raise Undecided("an exponential is too large to compute")
        return self.context.exp(below)

    def drawn(self, name: object, level: int) -> Any:
        """The value of a free quantity."""
        return self.number(self.point(name), level)

    def pi(self, level: int) -> Any:
        """π."""
        return self.context.pi * 1

    def root_of_pi(self, level: int) -> Any:
        """√π."""
        return self.function("sqrt", self.pi(level), level)

    def imaginary(self, level: int) -> Any:
        """There is none."""
        raise Undecided("no real number has the square -1")

    def function(self, name: str, value: Any, level: int) -> Any:
        """log, sqrt, erf and the like."""
        if name in ("log", "sqrt") and not value > 0:
            raise Undecided(f"{name} of a number that is not positive")
        try:
            return getattr(self.context, name)(value)
        except (AttributeError, NotImplementedError):
            raise Undecided(f"{name} has no certified value") from None


class Intervals(Reals):
    """Numbers known between two bounds, so that a difference that excludes 0 is certain."""

    context: Any = _bounds

    def vanishes(self, value: Any) -> bool:
        """Whether 0 is between the bounds."""
        return 0 in value

    def function(self, name: str, value: Any, level: int) -> Any:
        """Bounds of a function; of a rising one from its ends, a little wider."""
        if name == "cosh":
            power = self.context.exp(value)
            return (power + 1 / power) / 2
        if name not in RISING:
            return super().function(name, value, level)
        low, high = (getattr(_real, name)(mpmath.mpf(end)) for end in (value.a, value.b))
        return self.context.mpf([low - _WIDER, high + _WIDER])


class Symbols:
    """SymPy expressions in the free quantities, for a proof without chance."""

    direct: ClassVar[frozenset[str]] = frozenset(("log",))

    def number(self, value: Fraction, level: int) -> Expr:
        """A rational number."""
        return sympy.Rational(value.numerator, value.denominator)

    def rounded(self, value: Fraction, decimals: int, level: int) -> Expr:
        """A decimal number, taken as it stands."""
        return self.number(value, level)

    def total(self, terms: Sequence[Expr], level: int) -> Expr:
        """The sum."""
        return sympy.Add(*terms)

    def product(self, factors: Sequence[Expr], level: int) -> Expr:
        """The product."""
        return sympy.Mul(*factors)

    def inverse(self, value: Expr, level: int) -> Expr:
        """1/value."""
        if value == 0:
            raise VanishingDenominator
        return 1 / value

    def power(self, value: Expr, exponent: int, level: int) -> Expr:
        """A whole power."""
        return value**exponent

    def below(self, level: int) -> int:
        """Expressions have no levels."""
        return level

    def exponential(self, below: Expr, level: int) -> Expr:
        """e^u."""
        return sympy.exp(below)

    def drawn(self, name: object, level: int) -> Expr:
        """A symbol."""
        return sympy.Symbol(str(name), real=True)

    def imaginary(self, level: int) -> Expr:
        """A root of -1."""
        return sympy.I

    def pi(self, level: int) -> Expr:
        """π."""
        return sympy.pi

    def root_of_pi(self, level: int) -> Expr:
        """√π."""
        return sympy.sqrt(sympy.pi)

    def function(self, name: str, value: Expr, level: int) -> Expr:
        """A function by name."""
        return getattr(sympy, name)(value)


RISING = ("tanh", "sinh", "erf", "asin", "atan")
_WIDER = _real.mpf(10) ** -50
"""More than mpmath's own error at 60 digits."""


@dataclass(slots=True)
class Logarithms:
    """The logarithms of the residues of one level.

    ``exponents`` gives u for every e^u met so far, by the residue of e^u.
    """

    residues: Residues
    level: int
    exponents: Callable[[], Mapping[int, int]]
    known: dict[int, int] = field(default_factory=dict)
    fractions: dict[int, int] = field(default_factory=dict)

    def of(self, value: int) -> int:
        """The logarithm of a residue: by what is known of it, else a new variable.

        Known are an earlier argument or its inverse, times an exponential, or a product or a
        quotient of two, or a small fraction: log(1 - ŷ) = -a + log ŷ for ŷ = 1/(1 + e^{-a}).
        """
        if value not in self.known:
            found = self._found(value)
            prime = self.residues.tower.primes[self.level]
            self.known[value] = (self._new(value) if found is None else found) % prime
        return self.known[value]

    def of_number(self, value: Fraction) -> int:
        """The logarithm of a positive number, from those of its prime factors."""
        if value <= 0 or max(value.numerator, value.denominator) > 10**12:
            raise Undecided("the logarithm of such a number is not compared exactly")
        above, below = sympy.factorint(value.numerator), sympy.factorint(value.denominator)
        powers = [*above.items(), *((prime, -power) for prime, power in below.items())]
        terms = [self._new(prime) * power for prime, power in powers if prime > 1]
        return self.residues.total(terms, self.level)

    def _new(self, value: int) -> int:
        return self.residues.drawn(("log", value), self.level)

    def learn(self, value: int, logarithm: int) -> None:
        """Take the logarithm of a residue from what it was taken apart into."""
        self.known.setdefault(value, logarithm)

    def _found(self, value: int) -> int | None:
        exponentials = self._exponentials()
        for other, logarithm in ((1, 0), *self.known.items()):
            ratio = self.residues.product([value, self._inverse(other)], self.level)
            if ratio in exponentials:
                return logarithm + exponentials[ratio]
            both = self.residues.product([value, other], self.level)
            if both in exponentials:
                return exponentials[both] - logarithm
        return None

    def _fractions(self) -> Mapping[int, int]:
        if not self.fractions:
            small = {Fraction(n, d) for n in range(1, 13) for d in range(1, 13)}
            number = self.residues.number
            self.fractions.update((number(f, self.level), self.of_number(f)) for f in small)
        return self.fractions

    def _inverse(self, value: int) -> int:
        return self.residues.inverse(value, self.level)

    def _exponentials(self) -> dict[int, int]:
        """e^u ↦ u for every exponential met, their inverses, and products of two of those.

        Small fractions are among them, by their logarithms.
        """
        found = dict(self._fractions())
        for power, exponent in self.exponents().items():
            found[power] = exponent
            found[self._inverse(power)] = -exponent
        single = list(found.items())[len(self.fractions) :][:60]
        for (first, u), (second, v) in itertools.combinations(single, 2):
            found.setdefault(self.residues.product([first, second], self.level), u + v)
        return found
