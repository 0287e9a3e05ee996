"""Exact arithmetic in which e^u is a new variable: residues modulo a tower of secret primes.

Here one can draw a `Tower` and compute in it: `Tower.total`, `Tower.product`, `Tower.inverse`,
`Tower.exponential`.

Level l computes modulo a prime p_l with p_{l-1} | p_l - 1.  The exponential at level l is
u ↦ g_l^u for a g_l of order p_{l-1}, so its argument is a residue of the level below, and
e^{u+v} = e^u e^v, e^{-u} = 1/e^u, e^{2u} = (e^u)² hold by themselves, to any depth of nesting that
the tower has levels.  A quantity has an independent residue at each level.  Two different rational
functions of total degree d in such residues agree at a random point with chance at most d/p_0
(Schwartz 1980, Zippel 1979; the signature functions of Gonnet 1984 use the same exponentials).
The primes are drawn anew in each process: a line that adds a fixed prime to the truth is refuted.

All p_l are 1 modulo 8·3·5·7·11·13, so that -1 (sine and cosine are exponentials too) and every
number made of those primes have square roots, whatever primes were drawn.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

__all__ = ["BITS", "LEVELS", "ROOTED", "Tower", "VanishingDenominator", "tower"]

BITS = 176
"""Size of the smallest prime."""

ROOTED = (2, 3, 5, 7, 11, 13)
"""Primes that have a square root modulo every p_l (quadratic reciprocity)."""

_STEP = 4 * math.prod(ROOTED)

LEVELS = 6
"""Exponentials may be nested one level less deep."""

_SMALL = [n for n in range(3, 400) if all(n % d for d in range(2, math.isqrt(n) + 1))]
_SMALL_PRODUCT = math.prod(_SMALL)


class VanishingDenominator(ArithmeticError):
    """A division by zero: by chance at this point, or everywhere."""


@dataclass(frozen=True, slots=True)
class Tower:
    """The primes p_0 < p_1 < …, and for each level g_l, a root of -1 and the root of 2."""

    primes: tuple[int, ...]
    bases: tuple[int, ...]
    imaginary: tuple[int, ...]

    @classmethod
    def draw(cls) -> Tower:
        """A tower of secret primes.

        >>> t = Tower.draw()
        >>> p, below = t.primes[1], t.primes[0]
        >>> t.exponential(5, 1) * t.exponential(below - 5, 1) % p
        1
        """
        primes = [_first_prime()]
        while len(primes) < LEVELS:
            primes.append(_prime_above(primes[-1]))
        pairs = list(zip(primes, [1, *primes[:-1]], strict=True))
        return cls(
            tuple(primes),
            tuple(_of_order(below, p) for p, below in pairs),
            tuple(_root_of_minus_one(p) for p in primes),
        )

    def number(self, value: Fraction, level: int) -> int:
        """A rational number as a residue."""
        p = self.primes[level]
        if value.denominator == 1:
            return value.numerator % p
        return value.numerator * pow(value.denominator, -1, p) % p

    def total(self, terms: Iterable[int], level: int) -> int:
        """The sum."""
        return sum(terms) % self.primes[level]

    def product(self, factors: Iterable[int], level: int) -> int:
        """The product."""
        p, made = self.primes[level], 1
        for factor in factors:
            made = made * factor % p
        return made

    def inverse(self, value: int, level: int) -> int:
        """1/value; raises `VanishingDenominator`."""
        if value == 0:
            raise VanishingDenominator
        return pow(value, -1, self.primes[level])

    def power(self, value: int, exponent: int, level: int) -> int:
        """The power with a whole exponent, which may be negative."""
        if exponent < 0:
            value, exponent = self.inverse(value, level), -exponent
        return pow(value, exponent, self.primes[level])

    def exponential(self, below: int, level: int) -> int:
        """e^u at ``level`` from the residue of u at the level below."""
        return pow(self.bases[level], below, self.primes[level])

    def root(self, value: int, level: int) -> int | None:
        """The smaller square root, or None where there is none."""
        p = self.primes[level]
        if value == 0:
            return 0
        if pow(value, (p - 1) // 2, p) != 1:
            return None
        found = _square_root(value, p)
        return min(found, p - found)


@cache
def tower() -> Tower:
    """The tower of this process."""
    return Tower.draw()


def _first_prime() -> int:
    while True:
        candidate = ((1 << (BITS - 1)) + secrets.randbits(BITS - 2)) // _STEP * _STEP + 1
        if _is_prime(candidate):
            return candidate


def _prime_above(below: int) -> int:
    multiple = _STEP * (1 + secrets.randbits(6))
    while not _is_prime(multiple * below + 1):
        multiple += _STEP
    return multiple * below + 1


def _is_prime(n: int) -> bool:
    """Trial division, then Miller and Rabin's test with secret bases (wrong with chance 4^-24)."""
    if math.gcd(n, _SMALL_PRODUCT) != 1 or pow(2, n - 1, n) != 1:
        return False
    twos = ((n - 1) & -(n - 1)).bit_length() - 1
    odd = (n - 1) >> twos
    return not any(_is_witness(secrets.randbelow(n - 3) + 2, odd, twos, n) for _ in range(24))


def _is_witness(base: int, odd: int, twos: int, n: int) -> bool:
    value = pow(base, odd, n)
    if value in (1, n - 1):
        return False
    for _ in range(twos - 1):
        value = value * value % n
        if value == n - 1:
            return False
    return True


def _of_order(order: int, p: int) -> int:
    """An element of prime ``order`` (1 for order 1) modulo p."""
    while True:
        found = pow(secrets.randbelow(p - 2) + 2, (p - 1) // order, p)
        if order == 1 or found != 1:
            return found


def _root_of_minus_one(p: int) -> int:
    while True:
        found = pow(secrets.randbelow(p - 2) + 2, (p - 1) // 4, p)
        if found * found % p == p - 1:
            return found


def _square_root(value: int, p: int) -> int:
    """Tonelli and Shanks' algorithm, for p = 1 modulo 8."""
    twos = ((p - 1) & -(p - 1)).bit_length() - 1
    odd = (p - 1) >> twos
    nonresidue = next(n for n in _SMALL if pow(n, (p - 1) // 2, p) == p - 1)
    generator, root, rest = (
        pow(nonresidue, odd, p),
        pow(value, (odd + 1) // 2, p),
        pow(value, odd, p),
    )
    while rest != 1:
        order, square = 0, rest
        while square != 1:
            square, order = square * square % p, order + 1
        factor = pow(generator, 1 << (twos - order - 1), p)
        twos, generator = order, factor * factor % p
        root, rest = root * factor % p, rest * generator % p
    return root
