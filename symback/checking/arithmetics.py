"""The arithmetics in which nodes are evaluated: exact residues, real numbers, certified bounds.

`Residues` computes modulo the secret primes of `symback.checking.tower`; what is not computed (erf,
the logarithm of something new) is a residue drawn by name, so that equal arguments have equal
values.  `Logarithms` knows what follows from log(uv) = log u + log v and log e^u = u.  `Balls`
bounds every real number from both sides, so that a difference is certain.  `Symbols` makes SymPy
expressions, for a proof without chance.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar

import mpmath
import sympy
from flint import arb, fmpq
from sympy import Expr

from symback.checking.tower import ROOTED, Tower, VanishingDenominator
from symback.language.errors import SymbackError
from symback.language.functions import ELEMENTARY

__all__ = [
    "DIRECT",
    "ODD",
    "PRECISION",
    "RELATIONS",
    "Balls",
    "Logarithms",
    "NoRoot",
    "OutOfRange",
    "Residues",
    "Symbols",
    "TooDeep",
    "Undecided",
    "decimal",
    "middle",
]

ODD = frozenset(
    name for name, row in ELEMENTARY.items() if row.odd and not (row.exponentials or row.convention)
)
"""Opaque functions that change their sign with their argument."""


DIRECT = frozenset(("log", *(name for name, row in ELEMENTARY.items() if row.exponentials)))
"""What bounds are computed of at once, though it could be taken apart."""


class Undecided(SymbackError):
    """Something has no exact value here; the message says why."""


class OutOfRange(Undecided):
    """An index that numbers no neuron."""


class NoRoot(Undecided):
    """A square root that has no value at this secret point; it has one at every fourth or so."""


class TooDeep(Undecided):
    """Exponentials nested deeper than the tower has levels."""


@dataclass(frozen=True, slots=True)
class Residues:
    """Exact arithmetic at a secret point: ``secret`` decides every residue that is drawn."""

    tower: Tower
    secret: bytes
    roots: list[int] | None = None
    """The residues whose roots were drawn, each with one of two signs; None where none may be."""
    redrawn: object = None
    """The name of one quantity that has another residue than the secret gives it."""
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
        shown = repr((name, level, "redrawn") if name == self.redrawn else (name, level))
        digest = hashlib.blake2b(shown.encode(), key=self.secret, digest_size=40)
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
            return self._root(value, level)
        if name not in ODD:
            return self.drawn((name, value), level)
        p = self.tower.primes[level]
        positive = min(value, -value % p)
        drawn = self.drawn((name, positive), level) if value else 0
        return drawn if value == positive else -drawn % p

    def _root(self, value: int, level: int) -> int:
        found = None if self.roots is None else self.tower.root(value, level)
        if found is None or self.roots is None:
            raise NoRoot("a square root has no exact value at the points tried")
        self.roots.append(value)
        return found

    def root_of_number(self, value: Fraction, level: int) -> int:
        """√value, from the roots of its prime factors; raises `Undecided`."""
        above, below = value.numerator, value.denominator
        whole = above * below
        if math.isqrt(whole) ** 2 != whole and whole > 10**12:
            raise Undecided("the square root of such a number is not compared exactly")
        if math.isqrt(whole) ** 2 == whole:
            return self.number(Fraction(math.isqrt(whole), below), level)
        factors = [self.number(Fraction(1, below), level)]
        for prime, power in sympy.factorint(whole).items():
            factors.append(pow(prime, power // 2))
            if power % 2:
                root = self.tower.root(prime, level) if prime in ROOTED else None
                if root is None:
                    raise Undecided("the square root of such a number is not compared exactly")
                factors.append(root)
        return self.product(factors, level)


PRECISION = 300
"""Bits of a ball's middle; 90 digits, so that cancellation leaves enough of them."""


class Balls:
    """Real numbers between rigorous bounds (python-flint's Arb), rational ones exactly.

    A number is an ``fmpq`` as long as it is rational, and an ``arb`` (a middle and a radius that
    together contain it) after that.  ``point`` gives the quantities that are free.  A comparison is
    answered only where the balls are apart.
    """

    direct: ClassVar[frozenset[str]] = DIRECT

    def __init__(self, point: Callable[[object], Fraction]) -> None:
        self.point = point

    def number(self, value: Fraction, level: int) -> Any:
        """A rational number."""
        return fmpq(value.numerator, value.denominator)

    def rounded(self, value: Fraction, decimals: int, level: int) -> Any:
        """A decimal number, taken as it stands."""
        return self.number(value, level)

    def total(self, terms: Sequence[Any], level: int) -> Any:
        """The sum."""
        return sum(terms, fmpq(0))

    def product(self, factors: Sequence[Any], level: int) -> Any:
        """The product."""
        made = fmpq(1)
        for factor in factors:
            made = made * factor
        return made

    def inverse(self, value: Any, level: int) -> Any:
        """1/value."""
        if value == 0:
            raise VanishingDenominator
        if isinstance(value, arb) and value.contains(0):
            raise Undecided("a denominator is too close to 0 to be told from it")
        return 1 / value

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
        return self._bounded("exp", arb(below).exp())

    def drawn(self, name: object, level: int) -> Any:
        """The value of a free quantity."""
        return self.number(self.point(name), level)

    def pi(self, level: int) -> Any:
        """π."""
        return arb.pi()

    def root_of_pi(self, level: int) -> Any:
        """√π."""
        return arb.pi().sqrt()

    def imaginary(self, level: int) -> Any:
        """There is none."""
        raise Undecided("no real number has the square -1")

    def function(self, name: str, value: Any, level: int) -> Any:
        """log, sqrt, erf and the like; raises `Undecided` outside their domains."""
        if name == "sqrt" and value == 0:
            return fmpq(0)
        if name == "sqrt" and isinstance(value, fmpq) and value > 0:
            above, below = math.isqrt(int(value.p)), math.isqrt(int(value.q))
            if (above**2, below**2) == (value.p, value.q):
                return fmpq(above, below)
        return self._bounded(name, getattr(arb(value), name)())

    @staticmethod
    def _bounded(name: str, value: Any) -> Any:
        if not value.is_finite():
            raise Undecided(f"{name} has no value there, or none that can be bounded")
        return value

    def holds(self, left: Any, relation: str, right: Any) -> bool:
        """Whether ``left relation right``; raises `Undecided` where the balls overlap."""
        apart = left < right or left > right
        if not apart and not (isinstance(left, fmpq) and isinstance(right, fmpq)):
            raise Undecided("two numbers are too close to be told apart")
        return RELATIONS[relation](left, right)


RELATIONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    ">?": operator.gt,  # where it does not matter what holds at equality
}
"""The relations of a condition, for numbers that can be compared."""


def middle(value: Any) -> Fraction:
    """A rational number within the bounds, close to their middle."""
    if isinstance(value, arb):
        man, exp = value.mid().man_exp()
        power = Fraction(2) ** int(exp)
        return int(man) * power
    return Fraction(int(value.p), int(value.q))


def decimal(value: Any, digits: int) -> str:
    """The middle of the bounds with so many significant digits, without trailing zeros."""
    return mpmath.nstr(mpmath.mpf(middle(value).numerator) / middle(value).denominator, digits)


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
        return getattr(sympy, ELEMENTARY[name].sympy or name)(value)


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
