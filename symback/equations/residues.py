"""Exact numbers for systems: residues whose comparisons are decided, and dual numbers over any.

Here one can

* evaluate a system exactly at a secret point: `Decided`, modulo a prime drawn for it;
* carry a derivative along with each value: `Duals`, pairs of a value and a tangent over another
  arithmetic.

Of functions is known only that equal arguments have equal values, that odd ones change sign with
their argument, that e^{-u} = 1/e^u, and that roots are multiplicative.  Which of two residues is
larger is decided by a total order drawn at random, for which -u < 0 where u > 0, so that u > 0 and
u > 1 are different conditions.  Two different polynomials of degree d agree at such a point with
chance at most d over the prime (Schwartz 1980, Zippel 1979).
"""

from __future__ import annotations

import hashlib
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from flint import fmpz
from sympy import Expr

from symback.engine.arithmetics import RELATIONS, ROOTED, Arithmetic, Opaque
from symback.equations import functions
from symback.equations.elements import Elements
from symback.equations.system import Definition, Group, Kind, Quantity, System
from symback.equations.terms import Call, Read
from symback.language.functions import ELEMENTARY

BITS = 96
"""Size of the primes."""


def drawn_prime() -> int:
    """A secret prime with roots of 2, 3, 5, 7, 11, 13 in which -1 has none.

    It is 3 modulo 4, so that v^((p+1)/4) is a root of every v that has one; and p - 1 is not
    divisible by 3 to 13, so that other roots are unique.
    """
    start = 1
    while not all((start - 1) % odd and fmpz(odd).jacobi(start) == 1 for odd in ROOTED[1:]):
        start = (1 << (BITS - 1)) + 8 * secrets.randbits(BITS - 5) + 7
    while not fmpz(start).is_probable_prime():
        start += 8 * math.prod(ROOTED[1:])  # what holds of the rests stays
    return start


class Decided(Opaque):
    """Residues modulo a secret prime, every comparison decided.

    ``has_decided`` says whether two residues were compared: another point may decide otherwise.
    ``has_false_roots`` says whether the root of something was taken that has none: it is opaque
    then, and its square is not what it is a root of.
    """

    def __init__(self) -> None:
        self.prime, self.secret = drawn_prime(), secrets.token_bytes(16)
        self.has_false_roots = self.has_decided = False

    def drawn(self, name: object) -> int:
        """The residue of a name."""
        digest = hashlib.blake2b(repr(name).encode(), key=self.secret, digest_size=24).digest()
        return int.from_bytes(digest, "big") % self.prime

    def function(self, name: str, *values: int) -> int:
        """The value of a function of one number, by its name in SymPy."""
        (value,) = values
        opposite = -value % self.prime
        match name:
            case "sqrt":
                return self.power(value, Fraction(1, 2))
            case "Abs":
                return value if self.compared(value, ">", 0) else opposite
            case "sign":
                return 1 if self.compared(value, ">", 0) else self.prime - 1 if value else 0
            case "log" if value == 1:
                return 0
            case "exp":
                if not value:
                    return 1
                found = self.drawn((name, min(value, opposite)))
                return found if value < opposite else self.inverse(found)
        row = ELEMENTARY.get(name)
        if row is None or not row.odd:
            return self.drawn((name, value))
        found = self.drawn((name, min(value, opposite))) if value else 0
        return found if value < opposite else -found % self.prime

    def power(self, value: int, exponent: Any) -> int:
        """A whole or rational power; an exponent that is a residue counts as a whole number."""
        if isinstance(exponent, int):
            return super(Opaque, self).power(value, exponent)
        root, odd = value, exponent.denominator
        while odd % 2 == 0:
            if value and fmpz(root).jacobi(self.prime) < 0:
                self.has_false_roots = True
            root, odd = pow(root, (self.prime + 1) // 4, self.prime), odd // 2
        if math.gcd(odd, self.prime - 1) != 1:
            root = self.drawn(("root", odd, root))
        elif odd > 1:
            root = pow(root, pow(odd, -1, self.prime - 1), self.prime)
        return super(Opaque, self).power(root, exponent.numerator)

    def compared(self, left: Any, relation: str, right: Any) -> bool:
        """Whether ``left relation right`` in the order drawn."""
        return RELATIONS[relation](self._rank(left), self._rank(right))

    def _rank(self, value: int) -> int:
        """A whole number by which residues are ordered; that of -u is -rank."""
        self.has_decided = True
        if not value:
            return 0
        opposite = -value % self.prime
        rank = 1 + self.drawn(("rank", min(value, opposite)))
        is_first = value < opposite
        return rank if is_first == bool(rank % 2) else -rank


@dataclass(frozen=True, slots=True)
class Dual:
    """A value and its derivative in one direction."""

    value: Any
    tangent: Any


class Duals(Arithmetic):
    """Dual numbers over ``base``: every operation carries its derivative along.

    The slopes of functions are those of the rows of `symback.language.functions`; nothing else is
    known here of derivatives but those of sums, products and powers.

    >>> from symback.engine.arithmetics import FLOATS
    >>> numbers = Duals(FLOATS)
    >>> found = numbers.function("exp", Dual(FLOATS.number(0), FLOATS.number(3)))
    >>> float(found.value), float(found.tangent)
    (1.0, 3.0)
    """

    def __init__(self, base: Any) -> None:
        self.base = base
        self.zero = base.number(Fraction(0))
        self._slopes: dict[str, Elements] = {}

    def number(self, value: Fraction) -> Dual:
        """A constant."""
        return Dual(self.base.number(value), self.zero)

    def constant(self, expr: Expr) -> Dual:
        """π and the like."""
        return Dual(self.base.constant(expr), self.zero)

    def total(self, terms: Sequence[Dual]) -> Dual:
        """u' + v'."""
        return Dual(
            self.base.total([term.value for term in terms]),
            self.base.total([term.tangent for term in terms]),
        )

    def product(self, factors: Sequence[Dual]) -> Dual:
        """u'v + uv'."""
        times, plus = self.base.product, self.base.total
        value, tangent = self.base.number(Fraction(1)), self.zero
        for factor in factors:
            tangent = plus([times([tangent, factor.value]), times([value, factor.tangent])])
            value = times([value, factor.value])
        return Dual(value, tangent)

    def power(self, value: Dual, exponent: Any) -> Dual:
        """(u^c)' = c u^{c-1} u', and u^v log(u) v' besides where the exponent is a number too."""
        base = self.base
        own = exponent.value if isinstance(exponent, Dual) else exponent
        found, parts = base.power(value.value, own), [self.zero]
        if value.tangent:
            less = base.total([own, base.number(Fraction(-1))]) if own is not exponent else own - 1
            number = own if own is not exponent else base.number(Fraction(own))
            parts.append(base.product([number, base.power(value.value, less), value.tangent]))
        if isinstance(exponent, Dual) and exponent.tangent:
            log = base.function("log", value.value)
            parts.append(base.product([found, log, exponent.tangent]))
        return Dual(found, base.total(parts))

    def function(self, name: str, *values: Dual) -> Dual:
        """f(u)' = f'(u) u'."""
        (argument,) = values
        value = self.base.function(name, argument.value)
        if not argument.tangent:
            return Dual(value, self.zero)
        if name not in self._slopes:
            self._slopes[name] = _slope(name, self.base)
        slope = self._slopes[name]
        slope.put("z", (), argument.value)
        slope.put("h", (), value)
        return Dual(value, self.base.product([slope.loss, argument.tangent]))

    def compared(self, left: Dual, relation: str, right: Dual) -> bool:
        """The values decide."""
        return self.base.compared(left.value, relation, right.value)


def _slope(name: str, base: Any) -> Elements:
    """f'(z), where h is f(z), as a system of one equation."""
    row = next(row for row in ELEMENTARY.values() if name in (row.sympy, row.name))
    term = functions.slope(Call(row.name, (Read("z"),)), Read("h"))
    quantities = (
        Quantity("z", Kind.INPUT), Quantity("h", Kind.INPUT), Quantity("L", Kind.COMPUTED),
    )  # fmt: skip
    system = System({}, quantities, (Group((Definition("L", (), (), term),)),), "L")
    return Elements(system, {"z": Fraction(0), "h": Fraction(0)}, base)
