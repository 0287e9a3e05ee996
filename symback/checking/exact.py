"""Whether two sides are the same function: proved, or refuted by numbers, never guessed.

Here one can

* make a `Judge` of a network, and compare two nodes: `Judge.compare` gives an `Outcome`;
* get the residues of a node: `Judge.value`, equal for equal functions (and only for those, up to
  the bound `BOUND`), which is what a diagnosis looks mistakes up by;
* find numbers for which two sides certainly differ: `Judge.witness`;
* look for a proof without chance: `Judge.proves`;
* compare with the numbers of the file at the precision printed: `Judge.numbers`.

Two sides are **equal** when their residues agree at a secret point (`symback.checking.tower`), for
every number that their free indices can be, and, where functions are defined case by case, in
every combination of cases, or in `MOST_PATTERNS` of them drawn at random.  Targets are general: a
claim that needs Σ y = 1 names that fact, and one that holds for one-hot targets only is said to.
Two sides **differ** only when interval arithmetic with 60 digits separates them at a point.  What
neither way decides is undecided.

Widths that are symbols, and large ones, are replaced by small different ones (the index form does
not know how wide a layer is), wider than any index of the page.
"""

from __future__ import annotations

import enum
import hashlib
import itertools
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import mpmath
from sympy import Integer

from symback.calculus import is_zero
from symback.checking.arithmetics import (
    Intervals,
    OutOfRange,
    Reals,
    Residues,
    Symbols,
    TooDeep,
    Undecided,
)
from symback.checking.equations import Equations
from symback.checking.evaluation import Assumptions, Evaluator
from symback.checking.grids import Grid, Misshapen, Value, entries
from symback.checking.meaning import (
    ELL,
    Array,
    At,
    Call,
    Cases,
    Comparison,
    Component,
    Derivative,
    Element,
    Index,
    Letter,
    Named,
    Node,
    Number,
    Product,
    Scope,
    Sum,
    Total,
    children,
    walk,
)
from symback.checking.report import Witness
from symback.checking.tower import BITS, LEVELS, VanishingDenominator, tower
from symback.derivation import BackwardPass
from symback.errors import SymbackError
from symback.graph import Graph, from_equations, from_network
from symback.notation import Role, pack
from symback.spec import EquationsSpec, NetworkSpec, Values
from symback.work import Work, given_values

__all__ = [
    "BOUND",
    "MOST_PATTERNS",
    "Judge",
    "Outcome",
    "Relationship",
    "Undecided",
    "bounds_overlap",
    "free_letters",
    "middle",
]

BOUND = f"2^-{BITS - 16}"
"""The chance that two different sides agree at a secret point, for degrees below 2^16."""

MOST_PATTERNS = 64
"""Combinations of cases that are tried where functions are defined case by case."""

MOST_OPERATIONS = 400
"""The largest difference that is expanded for a proof without chance."""

MOST_INSTANCES = 300
"""Values of the free indices that are tried; beyond, as many are drawn."""

LONGEST = 2
"""Seconds that a comparison may take."""

EXACT, AS_PRINTED, ROUNDED, COARSE = 99, 1, 3, 2
"""From how many significant digits on a decimal number counts as rounded."""

LARGEST = 400
"""Networks with more weights than this are checked at smaller widths of the same kind."""

SHALLOW = 2
"""The level at which most lines can be compared; deeper ones are compared again at the last."""

_PLAIN = Assumptions()
_MINUS = Number(Fraction(-1))


class Relationship(enum.Enum):
    """How two sides compare."""

    EQUAL = "equal"
    WITH_FACT = "equal by a declared fact"
    ONE_HOT = "equal for one-hot targets only"
    DIFFERENT = "different"
    MISSHAPEN = "arrays that do not fit"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a comparison found; ``at`` are the indices at which the sides differ."""

    relationship: Relationship
    reason: str = ""
    at: tuple[tuple[str, int], ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether the sides are the same function, a declared fact allowed."""
        return self.relationship in (Relationship.EQUAL, Relationship.WITH_FACT)


# ---------------------------------------------------------------------------------------- letters


def free_letters(node: Node, bound: frozenset[str] = frozenset()) -> Iterator[str]:
    """The index letters of ``node`` that no sum binds, outermost first, with repetitions."""
    if isinstance(node, Sum):
        for index in (node.upper, node.without):
            if index is not None and index.letter and index.letter not in bound:
                yield index.letter
        yield from free_letters(node.body, bound | {node.letter})
        return
    for index in _own_indices(node):
        if index.letter and index.letter not in bound:
            yield index.letter
    for child in children(node):
        yield from free_letters(child, bound)


def _own_indices(node: Node) -> Iterator[Index]:
    for name in ("index", "layer"):
        index = getattr(node, name, None)
        if isinstance(index, Index):
            yield index
    yield from getattr(node, "indices", ())


# ------------------------------------------------------------------------------------------ judge


class Judge:
    """Compares sides of claims about one network.

    ``least`` is the largest index on the page; widths that are replaced stay above it.
    """

    def __init__(self, work: Work, least: int = 0) -> None:
        self.work = work
        self.graph, self.sizes = _twin(work, least)
        self.equations = Equations(BackwardPass(self.graph), _activations(work))
        self.scope = Scope.of(work.graph)
        self._secret = secrets.token_bytes(32)
        self._evaluators: dict[Any, Evaluator] = {}
        self._deadline = float("inf")

    # ------------------------------------------------------------------------------ residues

    @property
    def prime(self) -> int:
        """The modulus of the residues that `value` gives."""
        return tower().primes[SHALLOW]

    def value(
        self,
        node: Node,
        env: Mapping[str, int] | None = None,
        assumptions: Assumptions = _PLAIN,
    ) -> tuple[int, ...]:
        """The residues of a node (entry by entry for an array), for looking mistakes up.

        Of combinations of cases only the first few are tried.
        """
        return tuple(
            entry
            for pattern in self.patterns((node,))[:4]
            for entry in entries(self.at(pattern, assumptions).value(node, env or {}, SHALLOW))
        )

    def shape(
        self,
        node: Node,
        env: Mapping[str, int] | None = None,
        assumptions: Assumptions = _PLAIN,
    ) -> tuple[int, ...]:
        """() for a scalar, (rows, columns) for an array."""
        value = self.at(0, assumptions).value(node, env or {}, SHALLOW)
        return value.shape if isinstance(value, Grid) else ()

    def same(self, left: Node, right: Node, assumptions: Assumptions = _PLAIN) -> bool:
        """Whether two nodes are equal for general targets; raises `Undecided`."""
        return self._agree(left, right, assumptions) is None

    def patterns(self, nodes: Sequence[Node]) -> range:
        """The numbers of the points to try: one, or one a combination of cases."""
        if self.equations.has_kinks:
            return range(self._combinations)
        if any(_has_cases(node) for node in nodes):
            return range(16)
        return range(1)

    @cached_property
    def _kinks(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """The free preactivations at whose sign a function changes its formula."""
        kinked = [
            variable
            for variable, node in self.equations.rhs.items()
            if variable.role is not Role.LOSS and _has_cases(node)
        ]
        return tuple(
            (a.name, own)
            for a in sorted(self.equations.free, key=lambda variable: variable.name)
            if any(variable.layer == a.layer for variable in kinked)
            for own in _positions(a)
        )

    @cached_property
    def _combinations(self) -> int:
        loss = self.graph.by_variable[self.graph.target]
        smooth_loss = not _has_cases(self.equations.rhs[loss.variable])
        exhaustive = smooth_loss and self.equations.scope.is_network and len(self._kinks) <= 6
        everywhere = len(self.equations.free) == self.equations.scope.depth
        return 2 ** len(self._kinks) if exhaustive and everywhere else MOST_PATTERNS

    @property
    def is_exhaustive(self) -> bool:
        """Whether every combination of cases is tried."""
        return not self.equations.has_kinks or self._combinations < MOST_PATTERNS

    def at(self, pattern: int, assumptions: Assumptions = _PLAIN) -> Evaluator:
        """The evaluator of one of the secret points, with its budget new.

        Raises `Undecided` where the comparison that asks has taken too long.
        """
        if time.monotonic() > self._deadline:
            raise Undecided(f"the comparison takes longer than {LONGEST} seconds")
        key = (pattern, assumptions)
        if key not in self._evaluators:
            if len(self._evaluators) > 400:
                self._evaluators.clear()
            secret = hashlib.blake2b(b"%d" % pattern, key=self._secret, digest_size=32).digest()
            real = Reals(_Point(secret, self._signs(pattern)))
            self._evaluators[key] = Evaluator(
                self.equations,
                Residues(tower(), secret),
                assumptions,
                Evaluator(self.equations, real, assumptions),
            )
        evaluator = self._evaluators[key]
        evaluator.visits = 0
        return evaluator

    def _signs(self, pattern: int) -> Mapping[Any, int]:
        """The signs of the preactivations at kinks, a bit each."""
        if not self.is_exhaustive:
            return dict.fromkeys(self._kinks, 1 if pattern == 0 else -1) if pattern < 2 else {}
        return {kink: 1 if pattern >> bit & 1 == 0 else -1 for bit, kink in enumerate(self._kinks)}

    # ------------------------------------------------------------------------------ comparing

    def compare(self, left: Node, right: Node, assumptions: Assumptions = _PLAIN) -> Outcome:
        """How two sides compare, for every value of the indices they leave free."""
        self._deadline = time.monotonic() + LONGEST
        while isinstance(left, At):  # what stands at the bar holds for both sides
            assumptions = replace(assumptions, pins=(*assumptions.pins, *left.values))
            left = left.of
        try:
            return self._compared(left, right, assumptions)
        except Misshapen as error:
            return Outcome(Relationship.MISSHAPEN, error.message)
        except OutOfRange as error:
            general = any(True for _ in _letters_of(left, right, assumptions))
            kind = Relationship.UNDECIDED if general else Relationship.MISSHAPEN
            return Outcome(kind, error.message)
        except Undecided as error:
            return Outcome(Relationship.UNDECIDED, error.message)
        except VanishingDenominator:
            return Outcome(Relationship.UNDECIDED, "a denominator vanishes")
        except RecursionError:
            return Outcome(Relationship.UNDECIDED, "the expression is nested too deeply")
        finally:
            self._deadline = float("inf")

    def _compared(self, left: Node, right: Node, assumptions: Assumptions) -> Outcome:
        letters = {*_letters_of(left, right, assumptions)}
        if ELL in letters:
            differing = self._for_each_class(left, right, assumptions)
            if differing is None:
                return Outcome(Relationship.EQUAL, "for the one-hot target e(ℓ)")
            return Outcome(Relationship.DIFFERENT, at=differing)
        differing = self._agree(left, right, assumptions)
        if differing is None:
            return Outcome(Relationship.EQUAL)
        fact = next((fact for fact in self.graph.facts if fact.variable.role is Role.TARGET), None)
        if fact is not None:
            known = replace(assumptions, known_sum=fact.total)
            if self._agree(left, right, known) is None:
                return Outcome(Relationship.WITH_FACT, fact.because)
        if self._has_classes and self._for_each_class(left, right, assumptions) is None:
            return Outcome(Relationship.ONE_HOT)
        return Outcome(Relationship.DIFFERENT, at=differing)

    @property
    def _has_classes(self) -> bool:
        """Whether a target can be one-hot."""
        scope = self.equations.scope
        return scope.is_network and scope.has_target and int(scope.widths[-1]) > 1

    def _for_each_class(
        self, left: Node, right: Node, assumptions: Assumptions
    ) -> tuple[tuple[str, int], ...] | None:
        classes = int(self.equations.scope.widths[-1]) if self.equations.scope.is_network else 0
        for number in range(1, classes + 1):
            known = replace(assumptions, true_class=number)
            differing = self._agree(left, right, known)
            if differing is not None:
                return ((ELL, number), *differing)
        return None

    def _agree(
        self, left: Node, right: Node, assumptions: Assumptions
    ) -> tuple[tuple[str, int], ...] | None:
        """None where the sides agree; else the indices at which they do not."""
        agreed = 0
        misfit: SymbackError | None = None
        for env in self.instances(left, right, assumptions):
            try:
                if not self._agree_at(left, right, env, assumptions):
                    return tuple(sorted(env.items()))
                agreed += 1
            except OutOfRange as error:
                misfit = error
        if not agreed:
            raise misfit or Undecided("there are no indices for which the line says anything")
        return None

    def _agree_at(
        self, left: Node, right: Node, env: Mapping[str, int], assumptions: Assumptions
    ) -> bool:
        for level in (SHALLOW, LEVELS - 1):
            try:
                return all(
                    _alike(
                        self.at(pattern, assumptions).value(left, env, level),
                        self.at(pattern, assumptions).value(right, env, level),
                    )
                    for pattern in self.patterns((left, right))
                )
            except TooDeep:
                if level == LEVELS - 1:
                    raise
        raise AssertionError("the last level returns or raises")

    def instances(
        self, left: Node, right: Node, assumptions: Assumptions = _PLAIN
    ) -> Iterator[dict[str, int]]:
        """Numbers for the free letters, all of them or as many as `MOST_INSTANCES` at random."""
        letters = [
            letter
            for letter in dict.fromkeys(_letters_of(left, right, assumptions))
            if letter != ELL
        ]
        found = [
            env
            for env in self._assignments(letters, (left, right), {})
            if not self._names_last_layer(env, (left, right))
        ]
        if len(found) > MOST_INSTANCES:
            found = secrets.SystemRandom().sample(found, MOST_INSTANCES)
        yield from found

    def _names_last_layer(self, env: Mapping[str, int], nodes: Sequence[Node]) -> bool:
        """Whether a letter makes h_k the output, which has a function and a letter of its own."""
        depth = self.equations.scope.depth
        return depth > 1 and any(
            part.letter == "h" and layer.letter and env[layer.letter] + layer.offset == depth
            for node in nodes
            for part in walk(node)
            if isinstance(part, (Element, Array))
            for layer in ((part.layer,) if isinstance(part, Array) else part.indices[:1])
            if layer is not None and layer.letter in env
        )

    def _assignments(
        self, letters: list[str], nodes: Sequence[Node], env: dict[str, int]
    ) -> Iterator[dict[str, int]]:
        if not letters:
            yield env
            return
        ordered = sorted(letters, key=lambda letter: not _numbers_layers(letter, nodes))
        letter, rest = ordered[0], ordered[1:]
        evaluator = self.at(0, _PLAIN)
        for number in range(_extent(evaluator, letter, nodes, env) + 1):
            yield from self._assignments(rest, nodes, {**env, letter: number})

    # --------------------------------------------------------------------------------- proofs

    def proves(self, left: Node, right: Node, assumptions: Assumptions = _PLAIN) -> bool:
        """Whether a proof without chance is found in about a second.

        The difference as a quotient of polynomials in the free quantities and the exponentials is
        expanded (`symback.calculus.is_zero`).  Where functions are defined case by case, or a sum
        of many terms would have to be expanded, none is tried.
        """
        if self.equations.has_kinks or any(_has_cases(node) for node in (left, right)):
            return False
        evaluator = Evaluator(self.equations, Symbols(), assumptions)
        deadline = time.monotonic() + 1
        try:
            for env in self.instances(left, right, assumptions):
                difference = evaluator.value(Total((left, Product((_MINUS, right)))), env, 0)
                for entry in entries(difference):
                    late = time.monotonic() > deadline
                    if late or entry.count_ops() > MOST_OPERATIONS or not is_zero(entry):
                        return False
        except (SymbackError, VanishingDenominator):
            return False
        return True

    # ------------------------------------------------------------------------------ witnesses

    def witness(
        self,
        left: Node,
        right: Node,
        at: Mapping[str, int],
        assumptions: Assumptions = _PLAIN,
    ) -> Witness | None:
        """Small numbers for which the sides certainly differ, or None where none were found."""
        known = at.get(ELL)
        if known is not None:
            assumptions = replace(assumptions, true_class=known)
        env = {letter: number for letter, number in at.items() if letter != ELL}
        best: tuple[float, Witness] | None = None
        for attempt in range(24):
            try:
                found = self._witness_at(left, right, env, assumptions, attempt)
            except (Undecided, VanishingDenominator, ZeroDivisionError, ValueError, OverflowError):
                continue
            if found is not None and (best is None or found[0] > best[0]):
                best = found
            if best is not None and best[0] > 0.02 and attempt > 1:
                break
        return best[1] if best is not None else None

    def _witness_at(
        self,
        left: Node,
        right: Node,
        env: Mapping[str, int],
        assumptions: Assumptions,
        attempt: int,
    ) -> tuple[float, Witness] | None:
        point = _Point(b"witness %d" % attempt, {})
        bounds = Evaluator(
            self.equations,
            Intervals(point),
            assumptions,
            Evaluator(self.equations, Reals(point), assumptions),
        )
        values = [bounds.value(side, env, 0) for side in (left, right)]
        pairs = _pairs(*values)
        if pairs is None:
            return 1.0, Witness(self._read_off(bounds, (left, right), env), *_shapes(*values))
        apart = [pair for pair in pairs if not _overlap(*pair)]
        if not apart:
            return None
        first, second = max(apart, key=lambda pair: abs(middle(pair[0]) - middle(pair[1])))
        gap = float(abs(middle(first) - middle(second)))
        shown = self._read_off(bounds, (left, right), env)
        return gap, Witness(shown, _short(first), _short(second))

    def _read_off(
        self, bounds: Evaluator, nodes: Sequence[Node], env: Mapping[str, int]
    ) -> dict[str, str]:
        """The values of the quantities that the sides name."""
        shown: dict[str, str] = {}
        named = [pair for node in nodes for pair in _quantities(bounds, node, env)]
        for letter, numbers in named or self._outputs():
            name = _spelled(letter, numbers)
            if name not in shown and len(shown) < 12:
                shown[name] = _short(bounds.element(letter, numbers, 0))
        return shown

    def _outputs(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """The targets and outputs: what a line of derivatives alone is best told by."""
        scope = self.equations.scope
        if scope.is_network:
            for letter in ("y", "yhat") if scope.has_target else ("yhat",):
                yield from ((letter, (k,)) for k in range(1, int(scope.widths[-1]) + 1))

    # -------------------------------------------------------------------------------- numbers

    @cached_property
    def file_numbers(self) -> Mapping[str, Any] | None:
        """The numbers of the file by name, where it has all that are needed for one sample."""
        if not self.work.has_numbers or self.work.graph.samples is not None:
            return None
        return given_values(self.work.spec)

    def numbers(
        self, node: Node, env: Mapping[str, int], assumptions: Assumptions, digits: int = EXACT
    ) -> Value | None:
        """The bounds of a node at the numbers of the file; None where the file has none.

        A decimal number of at least so many significant ``digits`` means any that rounds to it.
        """
        if self.file_numbers is None or self.sizes:
            return None
        point = _FilePoint(self.file_numbers, self.work.learning_rate)
        assumptions = replace(assumptions, from_leaves=True)
        arithmetic = _Rounded(point, digits)
        reals = Evaluator(self.equations, Reals(point), assumptions)
        return Evaluator(self.equations, arithmetic, assumptions, reals).value(node, env, 0)

    def bounds(self, node: Node, digits: int = EXACT) -> Value | None:
        """The bounds of a node made of numbers only; None where it has no value."""
        try:
            return Evaluator(self.equations, _Rounded(_nowhere, digits), _PLAIN).value(node, {}, 0)
        except (Undecided, Misshapen, VanishingDenominator):
            return None

    def shown(self, value: Value) -> str:
        """Bounds as a number of six digits."""
        return ", ".join(mpmath.nstr(middle(entry), 6) for entry in entries(value))


def _nowhere(name: object) -> Fraction:
    raise Undecided(f"{name} has no number")


class _Rounded(Intervals):
    """A decimal number of enough digits stands for all numbers that round to it.

    0.5 and 0.15 are as a rule what is meant; 0.1385 has been rounded.
    """

    def __init__(self, point: Callable[[Any], Fraction], digits: int) -> None:
        super().__init__(point)
        self.digits = digits

    def rounded(self, value: Fraction, decimals: int, level: int) -> Any:
        if len(str(abs(int(value * 10**decimals)))) < self.digits:
            return self.number(value, level)
        half = Fraction(1, 2 * 10**decimals)
        low, high = self.number(value - half, level), self.number(value + half, level)
        return self.context.mpf([low.a, high.b])


class _Point:
    """Small numbers with one decimal, chosen by a hash of the quantity's name."""

    def __init__(self, secret: bytes, signs: Mapping[Any, int]) -> None:
        self.secret, self.signs = secret, signs

    def __call__(self, name: Any) -> Fraction:
        digest = hashlib.blake2b(repr(name).encode(), key=self.secret, digest_size=4).digest()
        size = Fraction(1 + digest[0] % 19, 10)
        if name == "eta" or (isinstance(name, tuple) and name[0] == "y" and digest[2] % 2):
            return size / 2
        return size * self.signs.get(name, 1 if digest[1] % 2 else -1)


class _FilePoint:
    """The numbers of the file; a name of `Evaluator` is the quantity's and its 1-based indices."""

    def __init__(self, given: Mapping[str, Any], rate: Any) -> None:
        self.given, self.rate = given, rate

    def __call__(self, name: Any) -> Fraction:
        if name == "eta":
            if self.rate is None:
                raise Undecided("the file gives no learning rate")
            return Fraction(self.rate)
        array = self.given[name[0]]
        for index in name[1]:
            array = array[index - 1]
        return Fraction(str(array))


# --------------------------------------------------------------------------------------- the twin


def _activations(work: Work) -> dict[str, Any]:
    """The functions of the network by name, a user's own among them."""
    if isinstance(work.spec, EquationsSpec):
        return {}
    return {layer.activation.name: layer.activation for layer in work.spec.layers}


def _twin(work: Work, least: int) -> tuple[Graph, dict[str, int]]:
    """The network without samples, at small widths where its own are symbols or large.

    Also the replaced widths: name or number of layer → new number.
    """
    spec = work.spec
    if isinstance(spec, EquationsSpec):
        return from_equations(spec), {}
    assert isinstance(spec, NetworkSpec)
    symbolic = any(not width.is_Integer for width in spec.widths)
    pairs = list(itertools.pairwise(spec.widths))
    large = not symbolic and sum(int(a) * int(b) for a, b in pairs) > LARGEST
    plain = replace(spec, values=Values())
    if not symbolic and not large:
        return from_network(plain), {}
    sizes: dict[Any, int] = {}
    for width in dict.fromkeys(spec.widths):
        small = max(least + 1, 2) + len(sizes)
        sizes[width] = min(small, int(width)) if width.is_Integer else small
    layers = tuple(replace(layer, units=Integer(sizes[layer.units])) for layer in spec.layers)
    twin = replace(plain, inputs=Integer(sizes[spec.inputs]), layers=layers)
    return from_network(twin), {str(width): size for width, size in sizes.items()}


# ---------------------------------------------------------------------------------------- helpers


def _has_cases(node: Node) -> bool:
    return any(
        isinstance(part, Cases)
        or (isinstance(part, Call) and part.function in ("abs", "sign", "max", "min", "relu"))
        or (isinstance(part, Call) and part.function in ("leaky_relu", "elu"))
        or (isinstance(part, Comparison) and not isinstance(part.left, Letter))
        for part in walk(node)
    )


def _positions(variable: Any) -> Iterator[tuple[int, ...]]:
    return itertools.product(*(range(1, int(size) + 1) for size in variable.shape))


def _letters_of(left: Node, right: Node, assumptions: Assumptions) -> Iterator[str]:
    """The free letters of both sides and of the page's own names that they use."""
    for node in (left, right):
        yield from free_letters(node)
    definitions = {d.name: d for d in assumptions.definitions}
    waiting = [part for node in (left, right) for part in walk(node) if isinstance(part, Named)]
    seen: set[str] = set()
    while waiting:
        definition = definitions.get(waiting.pop().name)
        if definition is None or definition.name in seen:
            continue
        seen.add(definition.name)
        bound = frozenset(index.letter for index in definition.indices)
        yield from free_letters(definition.node, bound)
        waiting += [part for part in walk(definition.node) if isinstance(part, Named)]


def _numbers_layers(letter: str, nodes: Sequence[Node]) -> bool:
    """Whether an index letter stands where layers are numbered."""
    return any(
        (isinstance(part, Array) and part.layer is not None and part.layer.letter == letter)
        or (
            isinstance(part, Element)
            and part.letter in ("w", "b", "a", "h", "delta")
            and part.indices[0].letter == letter
        )
        for node in nodes
        for part in walk(node)
    )


def _extent(
    evaluator: Evaluator, letter: str, nodes: Sequence[Node], env: Mapping[str, int]
) -> int:
    """The largest number that a free letter can be."""
    if _numbers_layers(letter, nodes):
        return evaluator.equations.scope.depth + 1
    for node in nodes:
        try:
            return evaluator.extent(letter, node, env)
        except OutOfRange:
            return 0
        except Undecided:
            continue
    if any(isinstance(part, Component) for node in nodes for part in walk(node)):
        return max(int(width) for width in evaluator.equations.scope.widths)
    raise Undecided(f"nothing says what {letter} numbers")


def _alike(left: Value, right: Value) -> bool:
    """Equal entries and shapes; a 1×1 array is its entry."""
    if isinstance(left, Grid) and isinstance(right, Grid):
        return left.rows == right.rows
    if isinstance(left, Grid) != isinstance(right, Grid):
        first, second = entries(left), entries(right)
        return len(first) == len(second) == 1 and first == second
    return left == right


def bounds_overlap(left: Value, right: Value) -> bool:
    """Whether two values between bounds can be equal, entry by entry."""
    pairs = _pairs(left, right)
    return pairs is not None and all(_overlap(*pair) for pair in pairs)


def _pairs(left: Value, right: Value) -> list[tuple[Any, Any]] | None:
    if isinstance(left, Grid) and isinstance(right, Grid) and left.shape != right.shape:
        return None
    first, second = entries(left), entries(right)
    return list(zip(first, second, strict=True)) if len(first) == len(second) else None


def _shapes(left: Value, right: Value) -> tuple[str, str]:
    shown = [f"a {side} array" if isinstance(side, Grid) else "a number" for side in (left, right)]
    return shown[0], shown[1]


def _overlap(first: Any, second: Any) -> bool:
    return not (first.b < second.a or second.b < first.a)


def middle(bounds: Any) -> Any:
    """A number between bounds that are close together."""
    return mpmath.mpf(bounds.mid.a) if hasattr(bounds, "mid") else bounds


def _short(bounds: Any) -> str:
    """A number to four digits, without trailing zeros."""
    text = mpmath.nstr(middle(bounds), 4)
    return text[:-2] if text.endswith(".0") else text


def _quantities(
    evaluator: Evaluator, node: Node, env: Mapping[str, int]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The scalar quantities that a node names, its sums and arrays written out."""
    if isinstance(node, Derivative):
        return
    if isinstance(node, Sum):
        for number in evaluator.range_of(node, env):
            yield from _quantities(evaluator, node.body, {**env, node.letter: number})
        return
    if isinstance(node, Element) and node.letter != "delta":
        try:
            yield node.letter, tuple(evaluator._index(index, env) for index in node.indices)
        except Undecided:
            return
    for child in children(node):
        yield from _quantities(evaluator, child, env)


def _spelled(letter: str, numbers: Sequence[int]) -> str:
    return f"{letter}_{pack(numbers)}" if numbers else letter
