"""The numbers in which formulas are evaluated: exact residues, certified bounds, fifty digits.

Here one can

* compute in any `Arithmetic`: its sums, products, powers and functions are those of

  - `Residues`, exact at a secret point: modulo the secret primes of a `Tower`, in which e^u is a
    new variable.  What is not computed (erf, the logarithm of something new) is a residue drawn by
    name, so that equal arguments have equal values; `Logarithms` knows what follows from
    log(uv) = log u + log v and log e^u = u;
  - `Opaque`, exact at fixed points, in which every function and every condition is a hash of its
    name and its arguments: what certifies a matrix form;
  - `Balls` (python-flint), real numbers between rigorous bounds, so that a difference is certain;
  - `Floats`, real numbers of `DIGITS` digits and a guard (mpmath): what sheets print;
  - `Symbols`, SymPy expressions, for a proof without chance;

* put such numbers together in arrays as a book does, a vector being a column: a `Grid` of them,
  `summed`, `multiplied`, `elementwise`, `mapped`; what cannot be combined raises `Misshapen`.

`symback.engine.evaluation` computes all entries of a NumPy array at once with `Floats` and
`Opaque`, whose operations take arrays as they take numbers; `symback.checking.evaluation` has one
number at a time.

**The tower.**  Level l computes modulo a prime p_l with p_{l-1} | p_l - 1.  The exponential at
level l is u ↦ g_l^u for a g_l of order p_{l-1}, so its argument is a residue of the level below,
and e^{u+v} = e^u e^v, e^{-u} = 1/e^u, e^{2u} = (e^u)² hold by themselves, to any depth of nesting
that the tower has levels.  A quantity has an independent residue at each level.  Two different
rational functions of total degree d in such residues agree at a random point with chance at most
d/p_0 (Schwartz 1980, Zippel 1979; the signature functions of Gonnet 1984 use the same
exponentials).  The primes are drawn anew in each process: a line that adds a fixed prime to the
truth is refuted.  All p_l are 1 modulo 8·3·5·7·11·13, so that -1 (sine and cosine are exponentials
too) and every number made of those primes have square roots, whatever primes were drawn.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import operator
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from functools import cache, reduce
from typing import Any, ClassVar, Self

import mpmath
import numpy as np
import sympy
from flint import arb, fmpq, fmpz
from sympy import Expr

from symback.language.errors import SymbackError
from symback.language.functions import ELEMENTARY

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


class Misshapen(SymbackError):
    """Arrays whose shapes do not fit one another."""


class VanishingDenominator(ArithmeticError):
    """A division by zero: by chance at this point, or everywhere."""


class Undefined(ArithmeticError):
    """A function outside its domain."""


class Arithmetic:
    """What numbers can do; each kind of number says what it does otherwise.

    ``direct`` are the functions that it computes by name; the others are taken apart first.
    """

    direct: ClassVar[frozenset[str]] = frozenset()
    level = 0
    """Of residues, how many exponentials may still be nested; the same for all other numbers."""
    tells_borders = False
    """Whether conditions that differ only where two sides are equal are told apart."""

    def at(self, level: int) -> Self:
        """The same arithmetic at another level."""
        return self

    def below(self) -> Self:
        """The arithmetic of an exponential's argument."""
        return self

    def number(self, value: Fraction) -> Any:
        """A rational number."""
        raise NotImplementedError

    def rounded(self, value: Fraction, decimals: int) -> Any:
        """A decimal number of so many decimals, taken as it stands."""
        return self.number(value)

    def total(self, terms: Sequence[Any]) -> Any:
        """The sum."""
        return sum(terms, self.number(Fraction(0)))

    def product(self, factors: Sequence[Any]) -> Any:
        """The product."""
        return math.prod(factors, start=self.number(Fraction(1)))

    def inverse(self, value: Any) -> Any:
        """1/value; raises `VanishingDenominator`."""
        if value == 0:
            raise VanishingDenominator
        return 1 / value

    def power(self, value: Any, exponent: Any) -> Any:
        """A whole power."""
        return value**exponent if exponent >= 0 else self.inverse(value) ** -exponent

    def exponential(self, below: Any) -> Any:
        """e^u, where u is a number of `below`."""
        return self.function("exp", below)

    def drawn(self, name: object) -> Any:
        """The value of a free quantity."""
        raise NotImplementedError

    def imaginary(self) -> Any:
        """A root of -1."""
        raise Undecided("no real number has the square -1")

    def root_of_pi(self) -> Any:
        """√π."""
        raise NotImplementedError

    def pi(self) -> Any:
        """π."""
        return self.power(self.root_of_pi(), 2)

    def function(self, name: str, *values: Any) -> Any:
        """A function by name."""
        raise NotImplementedError

    def holds(self, left: Any, relation: str, right: Any) -> Any:
        """Whether ``left relation right``; raises `Undecided` where that cannot be told."""
        raise Undecided("a condition on quantities")


# --------------------------------------------------------------------------------------- residues


class Modular(Arithmetic):
    """Residues modulo a ``prime``; sums and products of whole arrays of them too."""

    prime: Any

    def number(self, value: Fraction) -> int:
        """A rational number."""
        if value.denominator == 1:
            return value.numerator % self.prime
        return value.numerator * pow(value.denominator, -1, self.prime) % self.prime

    def total(self, terms: Sequence[Any]) -> Any:
        """The sum."""
        return sum(terms) % self.prime

    def product(self, factors: Sequence[Any]) -> Any:
        """The product."""
        prime, made = self.prime, 1
        for factor in factors:
            made = made * factor % prime
        return made

    def inverse(self, value: int) -> int:
        """1/value; raises `VanishingDenominator`."""
        if value == 0:
            raise VanishingDenominator
        return _power(value, -1, self.prime)

    def power(self, value: int, exponent: int) -> int:
        """A whole power."""
        if exponent < 0:
            value, exponent = self.inverse(value), -exponent
        return _power(value, exponent, self.prime)


def _power(base: int, exponent: int, prime: int) -> int:
    """The power modulo a prime (FLINT's is six times as fast as Python's)."""
    return int(pow(fmpz(base), exponent, prime))


class Opaque(Modular):
    """Residues in which a function is a hash of its name and its arguments, and so is a condition.

    Of functions is known only that equal arguments have equal values, that signs are odd, |u| and
    max symmetric, and √ multiplicative.  A condition c is a residue too, and "u where c, else v" is
    c·u + (1 - c)·v: by the sign of a residue, a > 0 and a > 1 would nearly always be the same.
    """

    prime = 2**61 - 1

    def drawn(self, name: object) -> int:
        """The residue of a name."""
        digest = hashlib.blake2b(repr(name).encode(), digest_size=16).digest()
        return int.from_bytes(digest, "big") % self.prime

    def constant(self, expr: Expr) -> int:
        """π and the like."""
        return self.drawn(type(expr).__name__)

    def function(self, name: str, *values: int) -> int:
        """A residue drawn for the function and its arguments."""
        plain = [value % self.prime for value in values]
        positive = [min(value, -value % self.prime) for value in plain]  # stands for v and -v
        match name:
            case "sign":
                found = self.drawn((name, positive))
                return found if plain == positive else -found % self.prime
            case "Abs":
                return self.drawn((name, positive))
            case "Max" | "Min":
                return self.drawn((name, sorted(plain)))
        return self.drawn((name, plain))

    def power(self, value: int, exponent: Any) -> int:
        """A rational power; √v is v^((p+1)/4), which is multiplicative and squares to ± v.

        Where the exponent is a residue, a hash of both.
        """
        if isinstance(exponent, int):
            return self.function("Pow", value, exponent)
        above, below = int(exponent.p), int(exponent.q)
        if below not in (1, 2):
            return self.function("Pow", value, above, below)
        root = value if below == 1 else pow(value, (self.prime + 1) // 4, self.prime)
        return pow(root, above, self.prime)

    def compared(self, left: Any, relation: str, right: Any) -> Any:
        """What stands for a condition: a hash of the difference, or 1 less it for the opposite."""
        if relation not in (">", "<=", "<", ">="):
            raise TypeError(f"no way to compare by {relation}")
        difference = left - right if relation in (">", "<=") else right - left
        greater = np.frompyfunc(lambda entry: self.function(">", entry), 1, 1)(difference)
        return (greater if relation in (">", "<") else 1 - greater) % self.prime

    def every(self, conditions: Sequence[Any]) -> Any:
        """All of them."""
        return self.product(conditions)

    def some(self, conditions: Sequence[Any]) -> Any:
        """One of them or more."""
        return (1 - self.product([1 - holds for holds in conditions])) % self.prime

    def chosen(self, holds: Any, yes: Any, no: Any) -> Any:
        """Yes where the condition holds, else no."""
        return (no + holds * (yes - no)) % self.prime


BITS = 176
"""Size of the smallest prime of a tower."""

LEVELS = 6
"""Exponentials may be nested one level less deep."""

ROOTED = (2, 3, 5, 7, 11, 13)
"""Primes that have a square root modulo every p_l (quadratic reciprocity)."""

_STEP = 4 * math.prod(ROOTED)


@dataclass(frozen=True, slots=True)
class Tower:
    """The primes p_0 < p_1 < …, and for each level g_l and a root of -1.

    A random number to the power (p_l - 1)/p_{l-1} has the order p_{l-1}, but with chance 1/p_{l-1}.
    """

    primes: tuple[int, ...]
    bases: tuple[int, ...]
    imaginary: tuple[int, ...]

    @classmethod
    def draw(cls) -> Tower:
        """A tower of secret primes (Baillie, Pomerance, Selfridge and Wagstaff's test).

        >>> t = Tower.draw()
        >>> p, below = t.primes[1], t.primes[0]
        >>> pow(t.bases[1], 5, p) * pow(t.bases[1], below - 5, p) % p
        1
        """
        prime = 1
        while not fmpz(prime).is_probable_prime():
            prime = ((1 << (BITS - 1)) + secrets.randbits(BITS - 2)) // _STEP * _STEP + 1
        primes = [prime]
        while len(primes) < LEVELS:
            multiple = _STEP * (1 + secrets.randbits(6))
            while not fmpz(multiple * primes[-1] + 1).is_probable_prime():
                multiple += _STEP
            primes.append(multiple * primes[-1] + 1)
        pairs = list(zip(primes, [1, *primes[:-1]], strict=True))
        return cls(
            tuple(primes),
            tuple(_power(secrets.randbelow(p - 2) + 2, (p - 1) // below, p) for p, below in pairs),
            tuple(int(fmpz(p - 1).sqrtmod(p)) for p in primes),
        )

    def root(self, value: int, level: int) -> int | None:
        """The smaller square root, or None where there is none."""
        p = self.primes[level]
        if fmpz(value).jacobi(p) < 0:
            return None
        found = int(fmpz(value).sqrtmod(p))
        return min(found, p - found) if found else 0


@cache
def tower() -> Tower:
    """The tower of this process."""
    return Tower.draw()


@dataclass(frozen=True, slots=True)
class Residues(Modular):
    """Exact arithmetic at a secret point: ``secret`` decides every residue that is drawn."""

    tower: Tower
    secret: bytes
    roots: list[int] | None = None
    """The residues whose roots were drawn, each with one of two signs; None where none may be."""
    redrawn: object = None
    """The name of one quantity that has another residue than the secret gives it."""
    level: int = LEVELS - 1

    @property
    def prime(self) -> int:
        """The modulus."""
        return self.tower.primes[self.level]

    def at(self, level: int) -> Self:
        """The same point at another level."""
        return replace(self, level=level)

    def below(self) -> Self:
        """The level of an exponential's argument; raises `TooDeep`."""
        if self.level == 0:
            raise TooDeep("exponentials are nested too deeply to be compared exactly")
        return self.at(self.level - 1)

    def exponential(self, below: int) -> int:
        """e^u from the residue of u one level below."""
        return _power(self.tower.bases[self.level], below, self.prime)

    def drawn(self, name: object) -> int:
        """The residue of something that depends on nothing else, chosen by its name."""
        key = (name, self.level, "redrawn") if name == self.redrawn else (name, self.level)
        digest = hashlib.blake2b(repr(key).encode(), key=self.secret, digest_size=40)
        return int.from_bytes(digest.digest(), "big") % self.prime

    def imaginary(self) -> int:
        """A root of -1."""
        return self.tower.imaginary[self.level]

    def root_of_pi(self) -> int:
        """√π, of which nothing is known."""
        return self.drawn("the root of pi")

    def function(self, name: str, *values: int) -> int:
        """√u, the same of the two roots each time; of other functions a residue drawn for u."""
        (value,) = values
        if name == "sqrt":
            found = None if self.roots is None else self.tower.root(value, self.level)
            if found is None or self.roots is None:
                raise NoRoot("a square root has no exact value at the points tried")
            self.roots.append(value)
            return found
        if name not in ODD:
            return self.drawn((name, value))
        positive = min(value, -value % self.prime)
        found = self.drawn((name, positive)) if value else 0
        return found if value == positive else -found % self.prime

    def root_of_number(self, value: Fraction) -> int:
        """√value, from the roots of its prime factors; raises `Undecided`."""
        above, below = value.numerator, value.denominator
        whole = above * below
        if math.isqrt(whole) ** 2 == whole:
            return self.number(Fraction(math.isqrt(whole), below))
        powers = sympy.factorint(whole) if whole <= 10**12 else {whole: 1}
        if any(power % 2 and prime not in ROOTED for prime, power in powers.items()):
            raise Undecided("the square root of such a number is not compared exactly")
        roots = [
            self.tower.root(prime, self.level) or 0 for prime in ROOTED if powers.get(prime, 0) % 2
        ]
        squares = [prime ** (power // 2) for prime, power in powers.items()]
        return self.product([self.number(Fraction(1, below)), *roots, *squares])


@dataclass(slots=True)
class Logarithms:
    """The logarithms of residues of one level.

    ``exponents`` holds the residue of each e^u met so far, and what gives that of u at this level.
    """

    residues: Residues
    exponents: dict[int, Callable[[], int]] = field(default_factory=dict)
    known: dict[int, int] = field(default_factory=dict)
    fractions: dict[int, int] = field(default_factory=dict)
    _is_looking: bool = False

    def of(self, value: int) -> int:
        """The logarithm of a residue: by what is known of it, else a new variable.

        Known are an earlier argument or its inverse, times an exponential, or a product or a
        quotient of two, or a small fraction: log(1 - ŷ) = -a + log ŷ for ŷ = 1/(1 + e^{-a}).
        """
        if value not in self.known:
            found = self._found(value)
            self.known[value] = (self._new(value) if found is None else found) % self.residues.prime
        return self.known[value]

    def of_number(self, value: Fraction) -> int:
        """The logarithm of a positive number, from those of its prime factors."""
        if value <= 0 or max(value.numerator, value.denominator) > 10**12:
            raise Undecided("the logarithm of such a number is not compared exactly")
        above, below = sympy.factorint(value.numerator), sympy.factorint(value.denominator)
        powers = [*above.items(), *((prime, -power) for prime, power in below.items())]
        return self.residues.total([self._new(p) * power for p, power in powers if p > 1])

    def learn(self, value: int, logarithm: int) -> None:
        """Take the logarithm of a residue from what it was taken apart into."""
        self.known.setdefault(value, logarithm)

    def _new(self, value: int) -> int:
        return self.residues.drawn(("log", value))

    def _found(self, value: int) -> int | None:
        residues, exponentials = self.residues, self._exponentials()
        for other, logarithm in ((1, 0), *self.known.items()):
            ratio = residues.product([value, residues.inverse(other)])
            if ratio in exponentials:
                return logarithm + exponentials[ratio]
            both = residues.product([value, other])
            if both in exponentials:
                return exponentials[both] - logarithm
        return None

    def _exponentials(self) -> dict[int, int]:
        """e^u ↦ u for every exponential met, their inverses, and products of two of those.

        Small fractions are among them, by their logarithms.
        """
        residues = self.residues
        if not self.fractions:
            small = {Fraction(n, d) for n in range(1, 13) for d in range(1, 13)}
            self.fractions.update((residues.number(f), self.of_number(f)) for f in small)
        found = dict(self.fractions)
        if not self._is_looking:  # else an exponent itself holds a logarithm
            self._is_looking = True
            try:
                met = {power: exponent() for power, exponent in [*self.exponents.items()]}
            finally:  # a judge lives longer than the page whose budget ends here
                self._is_looking = False
            for power, exponent in met.items():
                found[power] = exponent
                found[residues.inverse(power)] = -exponent
        single = list(found.items())[len(self.fractions) :][:60]
        for (first, u), (second, v) in itertools.combinations(single, 2):
            found.setdefault(residues.product([first, second]), u + v)
        return found


# ------------------------------------------------------------------------------------------ balls

PRECISION = 300
"""Bits of a ball's middle; 90 digits, so that cancellation leaves enough of them."""

NOTHING = arb("1e-40")
"""Bounds so near to 0 on both sides are of a number that is 0, but for rounding."""

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


class Balls(Arithmetic):
    """Real numbers between rigorous bounds (python-flint's Arb), rational ones exactly.

    A number is an ``fmpq`` as long as it is rational, and an ``arb`` (a middle and a radius that
    together contain it) after that.  ``point`` gives the quantities that are free.  A comparison is
    answered only where the balls are apart.
    """

    direct: ClassVar[frozenset[str]] = DIRECT

    def __init__(self, point: Callable[[object], Fraction]) -> None:
        self.point = point

    def number(self, value: Fraction) -> Any:
        """A rational number."""
        return fmpq(value.numerator, value.denominator)

    def inverse(self, value: Any) -> Any:
        """1/value."""
        if value == 0:
            raise VanishingDenominator
        if isinstance(value, arb) and value.contains(0):
            raise Undecided("a denominator is too close to 0 to be told from it")
        return 1 / value

    def exponential(self, below: Any) -> Any:
        """e^u."""
        if abs(below) > 10**6:
            raise Undecided("an exponential is too large to compute")
        return self.function("exp", below)

    def drawn(self, name: object) -> Any:
        """The value of a free quantity."""
        return self.number(self.point(name))

    def pi(self) -> Any:
        """π."""
        return arb.pi()

    def root_of_pi(self) -> Any:
        """√π."""
        return arb.pi().sqrt()

    def function(self, name: str, *values: Any) -> Any:
        """exp, log, sqrt, erf and the like; raises `Undecided` outside their domains."""
        (value,) = values
        if name == "sqrt" and value == 0:
            return fmpq(0)
        if name == "sqrt" and isinstance(value, fmpq) and value > 0:
            above, below = math.isqrt(int(value.p)), math.isqrt(int(value.q))
            if (above**2, below**2) == (value.p, value.q):
                return fmpq(above, below)
        found = getattr(arb(value), name)()
        if not found.is_finite():
            raise Undecided(f"{name} has no value there, or none that can be bounded")
        return found

    def holds(self, left: Any, relation: str, right: Any) -> bool:
        """Whether ``left relation right``; raises `Undecided` where the balls overlap."""
        apart = left < right or left > right
        if not apart and not (isinstance(left, fmpq) and isinstance(right, fmpq)):
            raise Undecided("two numbers are too close to be told apart")
        return RELATIONS[relation](left, right)


def middle(value: Any) -> Fraction:
    """A rational number within the bounds, close to their middle."""
    if isinstance(value, arb):
        man, exp = value.mid().man_exp()
        return int(man) * Fraction(2) ** int(exp)
    return Fraction(int(value.p), int(value.q))


def decimal(value: Any, digits: int) -> str:
    """The middle of the bounds with so many significant digits, without trailing zeros.

    Between bounds that are next to 0 on both sides no digit is known: that is 0.
    """
    if isinstance(value, arb) and value.contains(0) and value.rad() < NOTHING:
        return "0.0"
    if isinstance(value, arb):  # its integer may have millions of digits: it is never written out
        man, exp = value.mid().man_exp()
        return mpmath.nstr(mpmath.ldexp(mpmath.mpf(int(man)), int(exp)), digits)
    return mpmath.nstr(mpmath.mpf(int(value.p)) / int(value.q), digits)


class Symbols(Arithmetic):
    """SymPy expressions in the free quantities, for a proof without chance."""

    direct: ClassVar[frozenset[str]] = frozenset(("log",))

    def number(self, value: Fraction) -> Expr:
        """A rational number."""
        return sympy.Rational(value.numerator, value.denominator)

    def total(self, terms: Sequence[Expr]) -> Expr:
        """The sum."""
        return sympy.Add(*terms)

    def product(self, factors: Sequence[Expr]) -> Expr:
        """The product."""
        return sympy.Mul(*factors)

    def drawn(self, name: object) -> Expr:
        """A symbol."""
        return sympy.Symbol(str(name), real=True)

    def imaginary(self) -> Expr:
        """A root of -1."""
        return sympy.I

    def root_of_pi(self) -> Expr:
        """√π."""
        return sympy.sqrt(sympy.pi)

    def function(self, name: str, *values: Expr) -> Expr:
        """A function by name."""
        return getattr(sympy, ELEMENTARY[name].sympy or name)(*values)


# ----------------------------------------------------------------------------------------- floats

DIGITS = 50
GUARD = 70
"""Digits beyond those that count: where h is within 1e-52 of 1, 1 - h has lost 52 of them."""

LARGEST_MAGNITUDE = 10_000_000
"""Powers of 2 beyond which no function but exp is computed: mpmath writes numbers out in bits."""

LARGEST_EXPONENT = 10**9
LOST = 4
"""A sum whose terms agree in all digits but these has no digit of its own: it is 0."""

CONTEXT = mpmath.mp.clone()
CONTEXT.dps = DIGITS + GUARD

_SMALL = CONTEXT.mpf("1e-60")
"""No sum of terms that have an entry of size 1e50 or less is noise above this."""


def number(value: Any) -> Any:
    """``value`` (int, float, Decimal or text of a number) as a number of `DIGITS` digits.

    A float is taken as the shortest decimal that rounds to it: 0.1 is a tenth.
    """
    if isinstance(value, (sympy.Rational, Fraction)):
        return CONTEXT.mpf(int(value.numerator)) / int(value.denominator)
    text = repr(float(value)) if isinstance(value, (float, np.floating)) else str(value)
    return CONTEXT.mpf(str(Decimal(text)))


class Floats(Arithmetic):
    """Real numbers of `DIGITS` digits, one by one or in NumPy arrays; no exponential overflows."""

    def number(self, value: Any) -> Any:
        """A rational number."""
        return number(value)

    def constant(self, expr: Expr) -> Any:
        """π and the like."""
        return CONTEXT.mpf(str(expr.evalf(DIGITS + 5)))

    def total(self, terms: Sequence[Any]) -> Any:
        """The sum, with 0 for a number that is nothing but what rounding left."""
        if all(isinstance(term, CONTEXT.mpf) for term in terms):
            plain = sum(terms, CONTEXT.zero)
            is_noise = plain and abs(plain) < _SMALL
            return without_noise(plain, terms) if is_noise else plain
        found = np.array(reduce(np.add, terms), dtype=object)
        for at, value in np.ndenumerate(found):
            if isinstance(value, CONTEXT.mpf) and 0 < abs(value) < _SMALL:
                own = [np.broadcast_to(np.asarray(term), found.shape)[at] for term in terms]
                found[at] = without_noise(value, own)
        return found

    def product(self, factors: Sequence[Any]) -> Any:
        """The product."""
        if all(isinstance(factor, CONTEXT.mpf) for factor in factors):
            return math.prod(factors, start=CONTEXT.one)
        return reduce(np.multiply, factors)

    def power(self, value: Any, exponent: Any) -> Any:
        """A real power."""
        plain = number(exponent) if isinstance(exponent, (Expr, Fraction)) else exponent
        found = CONTEXT.power(value, plain)
        if isinstance(found, CONTEXT.mpc):
            raise Undefined(f"({CONTEXT.nstr(value, 6)})^({CONTEXT.nstr(plain, 6)})")
        return found

    def function(self, name: str, *values: Any) -> Any:
        """A function by its name in SymPy; raises `Undefined` outside its domain."""
        (value,) = values
        match name:
            case "Abs":
                return abs(value)
            case "sign":
                return CONTEXT.mpf(int(CONTEXT.sign(value)))
            case "exp" if value > LARGEST_EXPONENT:
                shown = CONTEXT.nstr(value, 6)
                raise Undefined(f"exp({shown}), which is too large to compute,")
            case "exp":
                return CONTEXT.mpf(0) if value < -LARGEST_EXPONENT else CONTEXT.exp(value)
        if value and CONTEXT.mag(value) > LARGEST_MAGNITUDE:
            size = f"a number beyond 2^{LARGEST_MAGNITUDE}"
            raise Undefined(f"{name} of {size}, too large to compute,")
        try:
            found = getattr(CONTEXT, name)(value)
        except ValueError:
            found = CONTEXT.nan
        if isinstance(found, CONTEXT.mpc) or not CONTEXT.isfinite(found):
            raise Undefined(f"{name}({CONTEXT.nstr(value, 6)})")
        return found

    def compared(self, left: Any, relation: str, right: Any) -> Any:
        """Where a comparison holds."""
        return RELATIONS[relation](left, right)

    def every(self, conditions: Sequence[Any]) -> Any:
        """Where all of them hold."""
        return reduce(np.logical_and, conditions)

    def some(self, conditions: Sequence[Any]) -> Any:
        """Where one of them holds, or more."""
        return reduce(np.logical_or, conditions)

    def chosen(self, holds: Any, yes: Any, no: Any) -> Any:
        """Yes where the condition holds, else no."""
        return np.where(np.asarray(holds, dtype=bool), yes, no)


FLOATS = Floats()


def without_noise(total: Any, terms: Sequence[Any]) -> Any:
    """``total``, or 0 where rounding its terms alone may have made it."""
    largest = max(abs(term) for term in terms)
    noise = largest * CONTEXT.mpf(10) ** (LOST - CONTEXT.dps)
    return total if abs(total) > noise else CONTEXT.mpf(0)


# ------------------------------------------------------------------------- arrays as in a book

Value = Any
"""A number of some arithmetic, or a `Grid` of them."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A matrix of numbers, row by row; a column has one entry a row."""

    rows: tuple[tuple[Any, ...], ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.rows), len(self.rows[0])

    @property
    def turned(self) -> Grid:
        """The transpose."""
        return Grid(tuple(zip(*self.rows, strict=True)))

    def __iter__(self) -> Iterator[Any]:
        return (entry for row in self.rows for entry in row)

    def __str__(self) -> str:
        return "{}×{}".format(*self.shape)


def column(numbers: Sequence[Any]) -> Grid:
    """A column."""
    return Grid(tuple((number,) for number in numbers))


def entries(value: Value) -> tuple[Any, ...]:
    """All entries, row by row; of a number itself."""
    return tuple(value) if isinstance(value, Grid) else (value,)


def mapped(value: Value, function: Callable[[Any], Any]) -> Value:
    """``function`` of every entry."""
    if isinstance(value, Grid):
        return Grid(tuple(tuple(function(entry) for entry in row) for row in value.rows))
    return function(value)


def _together(values: Sequence[Value], join: Callable[[list[Any]], Any], doing: str) -> Value:
    """Entry by entry; a number, and a 1×1 array, goes with every entry."""
    grids = [value for value in values if isinstance(value, Grid)]
    if not grids:
        return join(list(values))
    shape = next((grid.shape for grid in grids if grid.shape != (1, 1)), (1, 1))
    for grid in grids:
        if grid.shape not in (shape, (1, 1)):
            wide = "{}×{}".format(*shape)
            raise Misshapen(f"{doing} a {wide} and a {grid} array is not possible")
    plain = [_scalar(value) for value in values]

    def entry(i: int, j: int) -> Any:
        return join([each.rows[i][j] if isinstance(each, Grid) else each for each in plain])

    return Grid(tuple(tuple(entry(i, j) for j in range(shape[1])) for i in range(shape[0])))


def _scalar(value: Value) -> Value:
    """The only entry of a 1×1 array; anything else as it is."""
    return value.rows[0][0] if isinstance(value, Grid) and value.shape == (1, 1) else value


def summed(values: Sequence[Value], numbers: Arithmetic) -> Value:
    """Numbers and arrays added, a number to every entry (1 - h)."""
    return _together(values, numbers.total, "adding")


def elementwise(values: Sequence[Value], numbers: Arithmetic) -> Value:
    """Arrays of one shape multiplied entry by entry (⊙)."""
    return _together(values, numbers.product, "multiplying entry by entry")


def multiplied(values: Sequence[Value], numbers: Arithmetic) -> Value:
    """A product as a book writes it: matrix products, scaled by the numbers among the factors."""
    plain = [_scalar(value) for value in values]
    scalars = [value for value in plain if not isinstance(value, Grid)]
    made: Value = None
    for grid in plain:
        if isinstance(grid, Grid):
            made = grid if made is None else _scalar(_matrix_product(made, grid, numbers))
            if not isinstance(made, Grid):
                scalars, made = [*scalars, made], None
    scale = numbers.product(scalars)
    if made is None:
        return scale
    return elementwise([scale, made], numbers) if scalars else made


def divided(above: Value, below: Value, numbers: Arithmetic) -> Value:
    """above / below, entry by entry where ``below`` is an array."""
    return elementwise([above, mapped(_scalar(below), numbers.inverse)], numbers)


def _matrix_product(left: Grid, right: Grid, numbers: Arithmetic) -> Grid:
    if left.shape[1] != right.shape[0]:
        raise Misshapen(f"a {left} array times a {right} array is not a matrix product")
    columns = right.turned.rows
    return Grid(
        tuple(
            tuple(
                numbers.total([numbers.product(pair) for pair in zip(row, column, strict=True)])
                for column in columns
            )
            for row in left.rows
        )
    )
