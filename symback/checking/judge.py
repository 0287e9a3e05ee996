"""Whether two sides are the same function: proved, or refuted by numbers, never guessed.

Here one can

* make a `Judge` of a network, and compare two nodes: `Judge.compare` gives an `Outcome`;
* get the residues of a node: `Judge.value`, equal for equal functions (and only for those, up to
  the bound `BOUND`), which is what a diagnosis looks mistakes up by;
* find numbers for which two sides certainly differ: `Judge.witness`;
* look for a proof without chance: `Judge.proves`;
* compare with the numbers of the file at the precision printed: `Judge.numbers`.

Two sides are **equal** when their residues agree at a secret point of a `Tower`, for
every number that their free indices can be and in **every cell** of the conditions that either
side asks (`symback.checking.cells`).  First every condition is left open, as a residue of its own:
what agrees then agrees in all cells at once.  Else the cells are gone through one by one; a cell in
which the sides differ counts unless it is shown to be empty.  Targets are general: a claim that
needs Σ y = 1 names that fact, and one that holds for one-hot targets only is said to.  Where one
side has values in fewer places than the other (log x_1 for log x_1²), the claim is equal **on a
domain**.  Two sides **differ** for a reader only where balls (python-flint) separate them at a
point: `Judge.witness`.  What neither way decides is undecided.

Widths that are symbols, and large ones, are replaced by small different ones (the index form does
not know how wide a layer is), wider than any index of the page.
"""

from __future__ import annotations

import contextlib
import enum
import hashlib
import itertools
import random
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from types import MappingProxyType
from typing import Any

from flint import arb, ctx
from sympy import Integer

from symback.checking.batches import Batch, biases_named, speaks_of_samples, with_definitions
from symback.checking.cells import (
    Condition,
    Decisions,
    EmptyCell,
    Form,
    Forms,
    Nested,
    Space,
    Switch,
    Switches,
)
from symback.checking.equations import Equations
from symback.checking.evaluation import Assumptions, Evaluator
from symback.checking.letters import Scope
from symback.checking.page import Definition
from symback.checking.report import Witness
from symback.engine.arithmetics import (
    BITS,
    LEVELS,
    PRECISION,
    Balls,
    Grid,
    Misshapen,
    NoRoot,
    OutOfRange,
    Residues,
    Symbols,
    TooDeep,
    Undecided,
    Value,
    VanishingDenominator,
    decimal,
    entries,
    mapped,
    middle,
    tower,
)
from symback.engine.calculus import is_zero
from symback.engine.graph import Graph, from_equations, from_network
from symback.engine.spec import EquationsSpec, NetworkSpec, Values
from symback.engine.work import Work
from symback.language.budget import clock, spend
from symback.language.errors import SymbackError
from symback.language.expressions import (
    ELL,
    Array,
    At,
    Call,
    Comparison,
    Component,
    Derivative,
    Element,
    Free,
    Index,
    Indicator,
    Matrix,
    Named,
    Node,
    Number,
    OneHot,
    Ones,
    Product,
    Sum,
    Total,
    children,
    free_letters,
    is_array,
    negative,
    walk,
)
from symback.language.names import Role, pack

BOUND = f"2^-{BITS - 16}"
"""The chance that two different sides agree at a secret point, for degrees below 2^16."""


@dataclass(frozen=True, slots=True)
class Printed:
    """What decimal numbers stand for, by how many significant digits they have.

    From ``rounded`` digits on all numbers that round to it, from ``cut`` on those that it is cut
    from as well, and from ``near`` on those less than one in its last place away: 0.137 is then
    anything between 0.1365 and 0.1375, up to 0.138, and from 0.136.
    """

    rounded: int
    cut: int = 99
    near: int = 99
    known: frozenset[Fraction] = frozenset()
    """Numbers, without their signs, that are known to be rounded, however few digits they have."""

    def ends(self, value: Fraction, decimals: int) -> tuple[Fraction, Fraction] | None:
        """Between which numbers a decimal number stands; None where it is what it says."""
        digits = len(str(abs(int(value * 10**decimals))))
        if digits < self.rounded and abs(value) not in self.known:
            return None
        unit, half = Fraction(1, 10**decimals), Fraction(1, 2 * 10**decimals)
        towards = unit if digits >= self.near else half
        away = unit if digits >= min(self.near, self.cut) else half
        return (value - away, value + towards) if value < 0 else (value - towards, value + away)


EXACT, AS_PRINTED, ABOUT = Printed(99), Printed(1, cut=3), Printed(1, near=2)
ROUNDED, COARSE = Printed(3, cut=3), Printed(2, cut=2)

SHALLOW = 2
"""The level at which most lines can be compared; deeper ones are compared again at the last."""

LONGEST = 2  # seconds that a comparison may take
LARGEST = 400  # networks with more weights are checked at smaller widths of the same kind
MOST_PATTERNS = 64  # combinations of cases at which a diagnosis looks mistakes up
MOST_CELLS = 512  # cells that are gone through one by one
MOST_SAMPLES = 8  # of a batch whose number of samples a line may name as a number
PROBES = 6  # cells that are taken at random first, where there are many
MOST_DIFFERING = 3  # cells in which sides differ; one with a point in it is enough
ROOTED_POINTS = 24  # where sides with square roots must agree: each root has one of two signs
MOST_POINTS = 600  # tried for those: at every second one a residue has no root
MOST_OPERATIONS = 400  # of a difference that is expanded for a proof without chance
MOST_INSTANCES = 300  # values of the free indices that are tried; beyond, as many are drawn
MOST_VISITED = 4_000  # nodes (some 100 layers): beyond, the first witness found is taken

_PLAIN = Assumptions()
_MAY_BE_ARRAYS = (Array, Matrix, Named, OneHot, Ones)


class Relationship(enum.Enum):
    """How two sides compare."""

    EQUAL = "equal"
    WITH_FACT = "equal by a declared fact"
    ONE_HOT = "equal for one-hot targets only"
    DIFFERENT = "different"
    ON_DOMAIN = "equal where both have a value, which one has in fewer places"
    MISSHAPEN = "arrays that do not fit"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a comparison found.

    ``at`` are the indices at which the sides differ and ``cells`` some of the conditions under
    which they do; ``one_hot`` is the same for one-hot targets, where targets can be that;
    ``domain`` is what must hold for both sides to have a value.
    """

    relationship: Relationship
    reason: str = ""
    at: tuple[tuple[str, int], ...] = ()
    cells: tuple[tuple[Condition, ...], ...] = ()
    domain: tuple[Node, ...] = ()
    one_hot: Outcome | None = None

    @property
    def is_equal(self) -> bool:
        """Whether the sides are the same function, a declared fact allowed."""
        return self.relationship in (Relationship.EQUAL, Relationship.WITH_FACT)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two sides compare: ``at`` which indices they differ, in which ``cells``; None if nowhere.

    ``domain`` holds the conditions that only one of the sides needs to have a value;
    ``is_partial`` says that there are such, known or not, and ``but_borders`` that nothing is known
    of points where a condition holds with equality.
    """

    at: tuple[tuple[str, int], ...] | None = None
    cells: tuple[tuple[Condition, ...], ...] = ()
    domain: tuple[Node, ...] = ()
    is_partial: bool = False
    but_borders: bool = False

    def joined(self, other: Agreement) -> Agreement:
        """What holds if this agreement is that of some indices and ``other`` that of others."""
        domain = tuple(dict.fromkeys((*self.domain, *other.domain)))
        return replace(
            other,
            domain=domain,
            is_partial=self.is_partial or other.is_partial,
            but_borders=self.but_borders or other.but_borders,
        )


@dataclass(frozen=True, slots=True)
class Bounds:
    """A value between bounds; ``is_rounded`` where a decimal stands for all that round to it."""

    value: Value
    is_rounded: bool = False

    def holds(self, number: float) -> bool:
        """Whether a number lies between the bounds of a scalar, as far as a float can tell."""
        entry = entries(self.value)[0]
        with ctx.workprec(PRECISION):
            ball = arb(entry)
            return abs(number - float(ball.mid())) <= float(ball.rad()) + 1e-12 * abs(number)

    def times(self, factor: Fraction) -> Bounds:
        """A multiple."""
        number = Balls(_nowhere).number(factor)
        with ctx.workprec(PRECISION):
            return replace(self, value=mapped(self.value, lambda entry: entry * number))

    @property
    def middle(self) -> Fraction:
        """A number between the bounds; of an array, of its first entry."""
        return middle(entries(self.value)[0])

    def __str__(self) -> str:
        return ", ".join(decimal(entry, 6) for entry in entries(self.value))


class Undefined(Undecided):
    """A side has no value in this cell."""


class Restricted(Undecided):
    """A side may have no value somewhere; only the cells can tell."""


# ------------------------------------------------------------------------------------------ judge


class Judge:
    """Compares sides of claims about one network.

    ``least`` is the largest index on the page; widths that are replaced stay above it.  Claims that
    speak of samples go to a second judge (`of_batch`), of the same network with a batch of so many
    ``samples``, which writes its sides out entry by entry (`symback.checking.batches`).
    """

    def __init__(self, work: Work, least: int = 0, samples: int | None = None) -> None:
        self.work, self.least, self.samples = work, least, samples
        self.graph, self.sizes = _twin(work, least, samples)
        layers = work.spec.layers if isinstance(work.spec, NetworkSpec) else ()
        own = {layer.activation.name: layer.activation for layer in layers}
        self.equations = Equations(self.graph, own)
        self.scope = Scope.of(work.graph)
        self.space = Space()
        self._secret = secrets.token_bytes(32)
        self._evaluators: dict[Any, Evaluator] = {}
        self._deadline = float("inf")
        self._is_dear = False
        """Whether one evaluation at a point takes so long that the first witness will do."""
        self.batches: dict[int, Judge] = {}
        """The judges of batches that were asked for, by the number of samples."""

    # ----------------------------------------------------------------------------- batches

    def of_batch(self, nodes: Sequence[Node], assumptions: Assumptions = _PLAIN) -> Judge | None:
        """The judge of a claim that speaks of samples; None for one about a single sample.

        There are as many samples as the file has where the claim names numbers, which may be that
        one; else so many that no width and no number of the claim is the same.
        """
        definitions = assumptions.definitions
        if self.samples is not None or not self.scope.is_network:
            return None
        if not any(speaks_of_samples(node, definitions) for node in nodes):
            return None
        own, numbers = self.work.graph.samples, numbers_in(nodes, definitions)
        if own is not None and numbers:
            if not own.is_Integer or own > MOST_SAMPLES:
                raise Undecided(f"numbers in a line about a batch of more than {MOST_SAMPLES}")
            return self._batch(int(own))
        widths = {int(width) for width in self.equations.scope.widths}
        return self._batch(next(m for m in itertools.count(3) if m not in widths | numbers))

    def _batch(self, samples: int) -> Judge:
        if samples not in self.batches:
            self.batches[samples] = Judge(self.work, self.least, samples)
        return self.batches[samples]

    def _asked(
        self,
        left: Node,
        right: Node,
        env: Mapping[str, int],
        assumptions: Assumptions,
        level: int = SHALLOW,
    ) -> _Question:
        """The question whether two sides are equal, written out entry by entry where it must be.

        That is of a batch, and where arrays that are no plain quantities are compared with numbers.
        """
        if self.samples is None and not any(map(_compares_arrays, (left, right))):
            return _Question(left, right, env, assumptions, level)
        writer = Batch(self.at(0, assumptions))
        sides = writer.node(left, env), writer.node(right, env)
        return _Question(*sides, {}, assumptions, level)

    def _sharing(self, nodes: Sequence[Node], assumptions: Assumptions) -> Assumptions:
        """The assumptions for a line about a batch: which layers' biases it names."""
        layers = set(biases_named(nodes, assumptions.definitions))
        numbers = {each.offset for each in layers if each.is_number}
        if len(numbers) < len(layers):
            numbers = set(range(1, self.scope.depth + 1))
        return replace(assumptions, shared=frozenset(numbers))

    # ------------------------------------------------------------------------------ residues

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
        if (batch := self.of_batch((node,), assumptions)) is not None:
            return batch.shape(node, env, assumptions)
        if self.samples is not None:
            node, env = self._asked(node, node, env or {}, assumptions).left, {}
        if not any(isinstance(part, _MAY_BE_ARRAYS) for part in walk(node)):
            return ()  # without the value, which takes long in a deep network
        value = self.at(0, assumptions).value(node, env or {}, SHALLOW)
        return value.shape if isinstance(value, Grid) else ()

    def same(self, left: Node, right: Node, assumptions: Assumptions = _PLAIN) -> bool:
        """Whether two nodes are equal for general targets; raises `Undecided`."""
        if (batch := self.of_batch((left, right), assumptions)) is not None:
            return batch.same(left, right, batch._sharing((left, right), assumptions))
        return self._agree(left, right, assumptions).at is None

    def patterns(self, nodes: Sequence[Node]) -> range:
        """The numbers of the points at which a diagnosis looks: one, or one a choice of cases."""
        if self.equations.has_kinks:
            return range(min(2 ** len(self._kinks), MOST_PATTERNS))
        if any(map(self.equations.is_kinked, nodes)):
            return range(16)
        return range(1)

    @cached_property
    def _kinks(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """The free preactivations at which a function changes its formula."""
        kinked = [
            variable
            for variable, node in self.equations.rhs.items()
            if variable.role is not Role.LOSS and self.equations.is_kinked(node)
        ]
        return tuple(
            (a.name, own)
            for a in sorted(self.equations.free, key=lambda variable: variable.name)
            if any(variable.layer == a.layer for variable in kinked)
            for own in _positions(a)
        )

    def at(self, pattern: int, assumptions: Assumptions = _PLAIN) -> Evaluator:
        """The evaluator of one of the secret points, its cases decided at a real point beside it.

        Raises `Undecided` where the comparison that asks has taken too long.
        """

        def made(secret: bytes) -> Evaluator:
            if 2 ** len(self._kinks) <= MOST_PATTERNS:
                signs = {kink: -1 if pattern >> k & 1 else 1 for k, kink in enumerate(self._kinks)}
            else:
                signs = dict.fromkeys(self._kinks, -1 if pattern else 1) if pattern < 2 else {}
            cases = Evaluator(self.equations, Balls(_Point(secret, signs=signs)), assumptions)
            return Evaluator(self.equations, Residues(tower(), secret), assumptions, cases)

        return self._kept((pattern, assumptions), made)

    def _open(
        self, assumptions: Assumptions, redrawn: object = None, *, tells_borders: bool = False
    ) -> Evaluator:
        """The evaluator that leaves conditions open; ``redrawn`` names a switch to draw anew."""

        def made(secret: bytes) -> Evaluator:
            answers = Switches(self.space, tells_borders)
            cases = Evaluator(self.equations, Forms(self.space, answers), assumptions)

            def needs(condition: Comparison, env: Mapping[str, int]) -> None:
                for found in _canonical(cases, condition, env):
                    known = found if isinstance(found, bool) else answers.is_known(found)
                    if known is not True:
                        raise Restricted("a function may have no value somewhere")

            residues = Residues(tower(), secret, redrawn=redrawn)
            return Evaluator(self.equations, residues, assumptions, cases, needs)

        return self._kept(("open", assumptions, redrawn, tells_borders), made)

    def _kept(self, key: Any, made: Callable[[bytes], Evaluator]) -> Evaluator:
        """An evaluator with its budget new; made once, by a secret of its own."""
        self.check_time()
        if key not in self._evaluators:
            if len(self._evaluators) > 400:
                self._evaluators.clear()
            self._evaluators[key] = made(self.derived(key[0]))
        evaluator = self._evaluators[key]
        evaluator.visits = 0
        if evaluator.signs is not None:
            evaluator.signs.visits = 0
        return evaluator

    def check_time(self) -> None:
        """Raise `Undecided` where the comparison that asks has taken too long."""
        if clock() > self._deadline:
            raise Undecided(f"the comparison takes longer than {LONGEST} seconds")

    def derived(self, name: object) -> bytes:
        """The secret of one point."""
        return hashlib.blake2b(str(name).encode(), key=self._secret, digest_size=32).digest()

    @cached_property
    def granted(self) -> frozenset[Condition]:
        """What the network's own equations need to have a value: a page need not say it."""
        found: set[Condition] = set()
        cases = Evaluator(self.equations, Forms(self.space, Switches(self.space)), _PLAIN)

        def needs(condition: Comparison, env: Mapping[str, int]) -> None:
            found.update(each for each in _canonical(cases, condition, env)
                         if isinstance(each, Condition))  # fmt: skip

        residues = Residues(tower(), self._secret)
        evaluator = Evaluator(self.equations, residues, _PLAIN, cases, needs)
        for variable, node in self.equations.rhs.items():
            letters = [letter.name for letter in self.graph.by_variable[variable].free]
            for own in _positions(variable):
                with contextlib.suppress(Undecided, VanishingDenominator):
                    evaluator.value(node, dict(zip(letters, own, strict=True)), SHALLOW)
        return frozenset(found)

    # ------------------------------------------------------------------------------ comparing

    def compare(self, left: Node, right: Node, assumptions: Assumptions = _PLAIN) -> Outcome:
        """How two sides compare, for every value of the indices they leave free."""
        self._deadline = clock() + LONGEST
        while isinstance(left, At):  # what stands at the bar holds for both sides
            assumptions = replace(assumptions, pins=(*assumptions.pins, *left.values))
            left = left.of
        try:
            if (batch := self.of_batch((left, right), assumptions)) is not None:
                return batch.compare(left, right, batch._sharing((left, right), assumptions))
            return self._for_any_numbers(left, right, assumptions)
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

    def _for_any_numbers(self, left: Node, right: Node, assumptions: Assumptions) -> Outcome:
        """How two sides compare; of variables z_i also where there are other many of them."""
        parts = list(with_definitions((left, right), assumptions.definitions))
        if not any(isinstance(part, Free) and part.indices for part in parts):
            return self._compared(left, right, assumptions)
        named = (index for part in parts for index in getattr(part, "indices", ()))
        least = max((index.offset for index in named if index.is_number), default=1)
        found = self._compared(left, right, replace(assumptions, variables=max(3, least)))
        for count in {max(2, least), max(3, least) + 1}:
            other = self._compared(left, right, replace(assumptions, variables=count))
            if other.relationship is not found.relationship:
                return Outcome(
                    Relationship.UNDECIDED, "this depends on how many variables there are"
                )
        return found

    def _compared(self, left: Node, right: Node, assumptions: Assumptions) -> Outcome:
        letters = {*_letters_of(left, right, assumptions)}
        if ELL in letters and self.samples is not None:
            raise Undecided("each sample has its own true class")
        if ELL in letters:
            found = self._for_each_class(left, right, assumptions)
            return _outcome(found, Relationship.EQUAL, "for the one-hot target e(ℓ)")
        general = self._agree(left, right, assumptions)
        if general.at is None:
            return _outcome(general, Relationship.EQUAL)
        fact = next((fact for fact in self.graph.facts if fact.variable.role is Role.TARGET), None)
        if fact is not None:
            known = replace(assumptions, known_sum=fact.total)
            found = self._agree(left, right, known)
            if found.at is None:
                return _outcome(found, Relationship.WITH_FACT, fact.because)
        scope = self.equations.scope
        if scope.is_network and scope.has_target and int(scope.widths[-1]) > 1:
            found = self._for_each_class(left, right, assumptions)  # a target can be one-hot
            if found.at is None:
                return _outcome(found, Relationship.ONE_HOT)
            one_hot = _outcome(found, Relationship.EQUAL)
            return replace(_outcome(general, Relationship.EQUAL), one_hot=one_hot)
        return _outcome(general, Relationship.EQUAL)

    def _for_each_class(self, left: Node, right: Node, assumptions: Assumptions) -> Agreement:
        classes = int(self.equations.scope.widths[-1]) if self.equations.scope.is_network else 0
        made = Agreement()
        numbers: Iterable[int] = range(1, classes + 1)
        if self.samples is not None:  # all samples of one class, and then of different ones
            numbers = (1, *range(classes + 1, 2 * classes + 1))
        for number in numbers:
            found = self._agree(left, right, replace(assumptions, true_class=number))
            if found.at is not None:
                return replace(found, at=((ELL, number), *found.at))
            made = made.joined(found)
        return made

    def _agree(self, left: Node, right: Node, assumptions: Assumptions) -> Agreement:
        """How the sides compare for all values of the letters that they leave free."""
        agreed = 0
        misfit: SymbackError | None = None
        made = Agreement()
        for env in self.instances(left, right, assumptions):
            try:
                try:
                    found = self._agreement(self._asked(left, right, env, assumptions))
                except TooDeep:
                    deep = self._asked(left, right, env, assumptions, LEVELS - 1)
                    found = self._agreement(deep)
            except OutOfRange as error:
                misfit = error
                continue
            if found.at is not None:
                return replace(found, at=tuple(sorted(env.items())))
            made = made.joined(found)
            agreed += 1
        if not agreed:
            raise misfit or Undecided("there are no indices for which the line says anything")
        return made

    def _agreement(self, asked: _Question) -> Agreement:
        """With all conditions left open; where that does not tell, cell by cell."""
        left_open: Collection[tuple[Form, bool]] = ()
        if not any(map(self.equations.divides_by_kinks, asked.sides)):
            strict = self._open(asked.assumptions, tells_borders=True)
            try:
                if _alike(*asked.values(strict)):
                    return Agreement()
                if not _switches(strict):
                    return Agreement(at=(), cells=((),))
                evaluator = self._open(asked.assumptions)
                sides = asked.values(evaluator)
            except (TooDeep, OutOfRange):
                raise
            except Undecided:
                pass
            else:
                if _alike(*sides):
                    return Agreement(but_borders=True)
                if self.samples is not None:  # they have too many cells: only a point refutes it
                    return Agreement(at=(), cells=((),))
                if found := self._in_some_cell(asked):
                    return found
                left_open = self._irrelevant(asked, sides, _switches(evaluator))
        try:
            return self._through_cells(asked, left_open)
        except Nested:
            return self._through_cells(asked, ())

    def _irrelevant(
        self,
        asked: _Question,
        sides: Sequence[Value],
        switches: Mapping[tuple[Form, bool], Switch],
    ) -> set[tuple[Form, bool]]:
        """The conditions on which the difference of the sides does not depend."""

        def difference(sides: Sequence[Value]) -> list[int] | None:
            pairs = _pairs(*sides)
            prime = tower().primes[asked.level]
            return None if pairs is None else [(a - b) % prime for a, b in pairs]

        known = difference(sides)
        return {
            each
            for each, switch in list(switches.items())[:MOST_PATTERNS]
            if difference(asked.values(self._open(asked.assumptions, switch.name))) == known
        }

    def _in_some_cell(self, asked: _Question) -> Agreement | None:
        """A cell, of a few taken at random, in which the sides differ; none where cells are few."""
        for seed in range(PROBES):
            draw = random.Random(seed)
            cell = _Cell(self, asked, Decisions(self.space, draw=draw))
            with contextlib.suppress(EmptyCell, Undefined):
                if not cell.agrees():
                    return Agreement((), (cell.conditions,))
            if cell.decisions.choices <= 3:
                return None
        return None

    def _through_cells(
        self, asked: _Question, left_open: Collection[tuple[Form, bool]]
    ) -> Agreement:
        """Cell by cell, until some are found in which the sides differ."""
        prescribed: Sequence[tuple[bool, bool]] | None = ()
        differing: list[tuple[Condition, ...]] = []
        domain: dict[Node, None] = {}
        defined = partial = borders = False
        for count in itertools.count():
            if prescribed is None or len(differing) == MOST_DIFFERING:
                break
            if count == MOST_CELLS:
                if not differing:
                    raise Undecided(f"its conditions make more than {MOST_CELLS} cells")
                break
            cell = _Cell(self, asked, Decisions(self.space, prescribed, left_open))
            with contextlib.suppress(EmptyCell, Undefined):
                agrees = cell.agrees()
                defined = True
                if not agrees:
                    differing.append(cell.conditions)
                domain.update(dict.fromkeys(cell.needed_once))
            if cell.is_one_sided:
                partial = True
                domain |= cell.violated
            borders = borders or cell.decisions.met_border
            prescribed = cell.decisions.following
        if not defined:
            raise Undecided("neither side has a value anywhere")
        at = () if differing else None
        is_partial = partial or bool(domain)
        return Agreement(at, tuple(differing), tuple(domain), is_partial, borders)

    def instances(
        self, left: Node, right: Node, assumptions: Assumptions = _PLAIN
    ) -> Iterator[dict[str, int]]:
        """Numbers for the free letters, all of them or as many as `MOST_INSTANCES` at random."""
        letters = [*dict.fromkeys(_letters_of(left, right, assumptions))]
        letters = [letter for letter in letters if letter != ELL]
        nodes = left, right
        every = self._assignments(letters, nodes, {}, assumptions)
        found = [env for env in every if not self._names_last_layer(env, nodes)]
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
        self,
        letters: list[str],
        nodes: Sequence[Node],
        env: dict[str, int],
        assumptions: Assumptions,
    ) -> Iterator[dict[str, int]]:
        if not letters:
            yield env
            return
        ordered = sorted(letters, key=lambda letter: not _numbers_layers(letter, nodes))
        letter, rest = ordered[0], ordered[1:]
        evaluator = self.at(0, assumptions)
        for number in range(_extent(evaluator, letter, nodes, env) + 1):
            yield from self._assignments(rest, nodes, {**env, letter: number}, assumptions)

    # ------------------------------------------------------------------------------ conditions

    def can_hold(self, conditions: Sequence[Node], assumptions: Assumptions = _PLAIN) -> bool:
        """Whether conditions are not shown to contradict one another."""
        together = Product(tuple(Indicator(each) for each in conditions))
        return not self.compare(together, Number(Fraction(0)), assumptions).is_equal

    def is_kink(self, condition: Node, node: Node, assumptions: Assumptions = _PLAIN) -> bool:
        """Whether ``node`` itself is given by cases at this condition, whatever its indices are."""

        def asked(node: Node, env: Mapping[str, int]) -> set[tuple[Form, bool]]:
            answers = Switches(self.space)
            cases = Evaluator(self.equations, Forms(self.space, answers), assumptions)
            residues = Residues(tower(), self._secret)
            evaluator = Evaluator(self.equations, residues, assumptions, cases)
            with contextlib.suppress(Undecided, VanishingDenominator, Misshapen):
                evaluator.value(node, env, SHALLOW)
            return set(answers.met)

        alone = Indicator(condition)
        return all(asked(alone, env) <= asked(node, env)
                   for env in self.instances(node, alone, assumptions))  # fmt: skip

    # --------------------------------------------------------------------------------- proofs

    def proves(self, left: Node, right: Node, assumptions: Assumptions = _PLAIN) -> bool:
        """Whether a proof without chance is found in about a second.

        The difference as a quotient of polynomials in the free quantities and the exponentials is
        expanded (`symback.engine.calculus.is_zero`).  Where functions are defined case by case, or
        a sum of many terms would have to be expanded, none is tried.
        """
        sides = left, right
        if self.equations.has_kinks or any(map(self.equations.is_kinked, sides)):
            return False
        if self.of_batch(sides, assumptions) is not None:
            return False
        evaluator = Evaluator(self.equations, Symbols(), assumptions)
        deadline = clock() + 1
        try:
            for env in self.instances(left, right, assumptions):
                difference = evaluator.value(Total((left, negative(right))), env, 0)
                for entry in entries(difference):
                    late = clock() > deadline
                    if late or entry.count_ops() > MOST_OPERATIONS or not is_zero(entry):
                        return False
        except (SymbackError, VanishingDenominator):
            return False
        return True

    # ------------------------------------------------------------------------------ witnesses

    @property
    def _precision(self) -> int:
        """The bits of a ball: each layer of two neurons that it comes through takes half a bit."""
        return PRECISION + len(self.graph.equations)

    def refutation(
        self, left: Node, right: Node, outcome: Outcome, assumptions: Assumptions = _PLAIN
    ) -> Witness | None:
        """Numbers for which the sides differ, whatever is known of the targets; None without.

        Where targets can be one-hot, the sides must differ for such ones too: else the line may be
        right for all targets that there are.
        """
        if (batch := self.of_batch((left, right), assumptions)) is not None:
            assumptions = batch._sharing((left, right), assumptions)
            return batch.refutation(left, right, outcome, assumptions)
        strict = outcome.one_hot
        if strict is not None:
            found = self.witness(left, right, dict(strict.at), assumptions, strict.cells)
            if found is None or self._is_dear:
                return found
        return self.witness(left, right, dict(outcome.at), assumptions, outcome.cells)

    def witness(
        self,
        left: Node,
        right: Node,
        at: Mapping[str, int],
        assumptions: Assumptions = _PLAIN,
        cells: Sequence[Sequence[Condition]] = (),
    ) -> Witness | None:
        """Small numbers for which the sides certainly differ, or None where none were found.

        ``cells`` are conditions under which they do; points are looked for there too.
        """
        known = at.get(ELL)
        if known is not None:
            assumptions = replace(assumptions, true_class=known)
        env = {letter: number for letter, number in at.items() if letter != ELL}
        if self.samples is not None:  # at a point all samples share their biases
            layers = frozenset(range(1, self.scope.depth + 1))
            assumptions = replace(assumptions, shared=layers)
        asked = self._asked(left, right, env, assumptions, 0)
        best: tuple[float, Witness] | None = None
        # plain points first, then some that lie in the cells
        points = [_Point(b"witness %d" % attempt) for attempt in range(24)]
        within = (
            _Point(b"witness %d" % attempt, values=values)
            for cell in cells
            for attempt, values in enumerate(self.space.points(cell))
        )
        with ctx.workprec(self._precision):
            for attempt, point in enumerate(itertools.chain(points, within)):
                spend()
                found = self._witness_at(asked, point)
                if found is not None and (best is None or found[0] > best[0]):
                    best = found
                if best is None:
                    continue
                clear = best[0] > 0.02 and (attempt > 1 or self.samples is not None)
                if self._is_dear or clear or attempt > 24:
                    break
        return best[1] if best is not None else None

    def _witness_at(self, asked: _Question, point: _Point) -> tuple[float, Witness] | None:
        """How far apart the sides are at a point, and the point's numbers."""
        bounds = Evaluator(self.equations, Balls(point), asked.assumptions)
        try:
            values = asked.values(bounds)
            self._is_dear = bounds.visits > MOST_VISITED
            pairs = _pairs(*values)
            if pairs is None:
                gap, told = Fraction(1), [*map(_sized, values)]
            else:
                apart = [pair for pair in pairs if not _overlap(*pair)]
                if not apart:
                    return None
                far = max(apart, key=lambda pair: abs(middle(pair[0]) - middle(pair[1])))
                gap = min(abs(middle(far[0]) - middle(far[1])), Fraction(10**300))
                told = [*_told_apart(*far)]
            return float(gap), Witness(self._read_off(bounds, asked), *told)
        except (Undecided, VanishingDenominator):
            return None

    def _read_off(self, bounds: Evaluator, asked: _Question) -> dict[str, str]:
        """The values of the quantities that the sides name.

        A line of derivatives alone is best told by the targets and outputs.
        """
        named = [one for node in asked.sides for one in _quantities(bounds, node, asked.env)]
        scope = self.equations.scope
        if not named and scope.is_network:
            letters = ("y", "yhat") if scope.has_target else ("yhat",)
            places = range(1, int(scope.widths[-1]) + 1)
            sample = None if self.samples is None else Index("", 1)
            named = [Element(letter, (Index("", k),), sample) for letter in letters for k in places]
        shown: dict[str, str] = {}
        for one in named:
            numbers = [each.offset for each in one.indices]
            letter = one.letter if isinstance(one, Element) else one.name
            name = f"{letter}_{pack(numbers)}" if numbers else letter
            if isinstance(one, Element) and one.sample is not None:
                name += f"^({one.sample.offset})"
            if name not in shown and len(shown) < 12:
                shown[name] = _short(bounds.value(one, {}))
        return shown

    # -------------------------------------------------------------------------------- numbers

    @cached_property
    def file_numbers(self) -> Mapping[str, Any] | None:
        """The numbers of the file by name, where it has all that are needed for the samples."""
        own = self.work.graph.samples
        if not self.work.has_numbers or (None if own is None else int(own)) != self.samples:
            return None
        return self.work.spec.given

    @cached_property
    def _file_point(self) -> _FilePoint | None:
        """The same as a point; None too where other widths are looked at."""
        if self.file_numbers is None or self.sizes:
            return None
        return _FilePoint(self.file_numbers, self.work.learning_rate)

    @cached_property
    def target_numbers(self) -> tuple[tuple[Node, Node], ...]:
        """Each y_i and its number in the file; empty where the file has none for one sample."""
        numbers = self.file_numbers
        if numbers is None or self.sizes or not self.scope.is_network or not numbers.get("y"):
            return ()
        if self.samples is not None:
            return ()
        return tuple(
            (Element("y", (Index("", place),)), Number(Fraction(str(value))))
            for place, value in enumerate(numbers["y"], start=1)
        )

    def numbers(
        self, node: Node, env: Mapping[str, int], assumptions: Assumptions, taken: Printed = EXACT
    ) -> Bounds | None:
        """The bounds of a node at the numbers of the file; None where the file has none.

        ``taken`` says what decimal numbers stand for.
        """
        if (batch := self.of_batch((node,), assumptions)) is not None:
            own = self.work.graph.samples
            judge = batch if own is None or own > MOST_SAMPLES else self._batch(int(own))
            return judge.numbers(node, env, assumptions, taken)
        if self._file_point is None:
            return None
        if self.samples is not None:
            node, env = self._asked(node, node, env, assumptions).left, {}
        assumptions = replace(assumptions, from_leaves=True)
        arithmetic = _Rounded(self._file_point, taken)
        with ctx.workprec(self._precision):
            value = Evaluator(self.equations, arithmetic, assumptions).value(node, env, 0)
        return Bounds(value, arithmetic.has_rounded)

    def at_file(self, assumptions: Assumptions) -> Callable[[Node, Mapping[str, int]], Value]:
        """The values of nodes at the numbers of the file, for many nodes; raises `Undecided`."""
        if self._file_point is None:
            raise Undecided("the network file gives no numbers")
        assumptions = replace(assumptions, from_leaves=True)
        evaluator = Evaluator(self.equations, Balls(self._file_point), assumptions)

        def value(node: Node, env: Mapping[str, int]) -> Value:
            evaluator.visits = 0
            with ctx.workprec(self._precision):
                return evaluator.value(node, env, 0)

        return value

    def same_at_numbers(self, left: Node, right: Node, assumptions: Assumptions) -> bool:
        """Whether two sides are equal, exactly, at the numbers of the file; raises `Undecided`."""
        if self.of_batch((left, right), assumptions) is not None:
            return False
        point = self._file_point
        if point is None:
            return False
        assumptions = replace(assumptions, from_leaves=True)
        cases = Evaluator(self.equations, Balls(point), assumptions)
        residues = _AtNumbers(tower(), self._secret, point=point)
        evaluator = Evaluator(self.equations, residues, assumptions, cases)
        level = LEVELS - 1
        with ctx.workprec(self._precision):
            return _alike(*(evaluator.value(node, {}, level) for node in (left, right)))

    def bounds(self, node: Node, taken: Printed = EXACT) -> Bounds | None:
        """The bounds of a node made of numbers only; None where it has no value."""
        arithmetic = _Rounded(_nowhere, taken)
        try:
            with ctx.workprec(PRECISION):
                value = Evaluator(self.equations, arithmetic, _PLAIN).value(node, {}, 0)
        except (Undecided, Misshapen, VanishingDenominator):
            return None
        return Bounds(value, arithmetic.has_rounded)


@dataclass(frozen=True, slots=True)
class _Question:
    """Two sides, the numbers of their free letters, and what is assumed."""

    left: Node
    right: Node
    env: Mapping[str, int]
    assumptions: Assumptions
    level: int

    @property
    def sides(self) -> tuple[Node, Node]:
        return self.left, self.right

    def values(self, evaluator: Evaluator) -> list[Value]:
        """Both sides at the evaluator's point."""
        return [evaluator.value(node, self.env, self.level) for node in self.sides]


class _Cell:
    """One cell: the answers to conditions in it, and whether the sides agree there."""

    def __init__(self, judge: Judge, asked: _Question, decisions: Decisions) -> None:
        self.judge, self.asked, self.decisions = judge, asked, decisions
        forms = Forms(judge.space, decisions)
        self._cases = Evaluator(judge.equations, forms, asked.assumptions)
        self._needs: tuple[dict[Condition, Node], dict[Condition, Node]] = ({}, {})
        self._side = 0
        self.is_one_sided = False
        """Whether one side has a value here and the other has none."""
        self.violated: dict[Node, None] = {}
        """What a side needs to have a value and does not hold here."""

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What holds in this cell, and what must hold for both sides to have a value."""
        return (*self.decisions.given, *dict.fromkeys((*self._needs[0], *self._needs[1])))

    @property
    def needed_once(self) -> Iterator[Node]:
        """The same as far as one side needs it and the other does not."""
        first, second = self._needs
        for mine, others in ((first, second), (second, first)):
            yield from (
                node
                for condition, node in mine.items()
                if condition not in others and condition not in self.judge.granted
            )

    def agrees(self) -> bool:
        """Whether the sides agree; raises `Undefined` where one of them has no value."""
        agreed, wanted = 0, 1
        for place in range(MOST_POINTS):
            try:
                sides, rooted = self._values(place)
            except NoRoot:
                continue
            if not _alike(*sides):
                return False
            agreed, wanted = agreed + 1, ROOTED_POINTS if rooted else wanted
            if agreed >= wanted:
                return True
        raise Undecided("square roots have no exact values at the points tried")

    def _values(self, place: int) -> tuple[list[Value], bool]:
        """Both sides at one secret point, and whether roots were drawn for them."""
        judge, asked = self.judge, self.asked
        judge.check_time()
        residues = Residues(tower(), judge.derived(f"cell {place}"), [])
        evaluator = Evaluator(judge.equations, residues, asked.assumptions, self._cases, self._note)
        values: dict[int, Value] = {}
        for self._side, node in enumerate(asked.sides):
            with contextlib.suppress(VanishingDenominator, Undefined):
                values[self._side] = evaluator.value(node, asked.env, asked.level)
        sides = [
            value  # the second side may have decided what the first one needs
            for side, value in values.items()
            if all(self.decisions.is_known(each) is not False for each in self._needs[side])
        ]
        self.is_one_sided = len(sides) == 1
        if len(sides) < len(asked.sides):
            raise Undefined("a side has no value here")
        return sides, bool(residues.roots)

    def _note(self, condition: Comparison, env: Mapping[str, int]) -> None:
        """Keep what a side needs to have a value; raises `Undefined`."""
        for found in _canonical(self._cases, condition, env):
            known = found if isinstance(found, bool) else self.decisions.is_known(found)
            if known is False:
                self.violated[condition] = None
                raise Undefined("a function has no value here")
            if known is None and not isinstance(found, bool):
                self._needs[self._side][found] = condition


def _canonical(
    cases: Evaluator, condition: Comparison, env: Mapping[str, int]
) -> Iterator[bool | Condition]:
    """A condition in canonical form, one for each entry where its left side is an array."""
    assert isinstance(cases.arithmetic, Forms)
    left, right = (cases.value(each, env, 0) for each in (condition.left, condition.right))
    for entry in entries(left):
        yield cases.arithmetic.condition(entry, condition.relation, right)


def _nowhere(name: object) -> Fraction:
    raise Undecided(f"{name} has no number")


class _Rounded(Balls):
    """A decimal number of enough digits stands for all numbers that it may be printed for.

    0.5 and 0.15 are as a rule what is meant; 0.1385 has been rounded.
    """

    def __init__(self, point: Callable[[Any], Fraction], taken: Printed) -> None:
        super().__init__(point)
        self.taken = taken
        self.has_rounded = False

    def rounded(self, value: Fraction, decimals: int) -> Any:
        ends = self.taken.ends(value, decimals)
        if ends is None:
            return self.number(value)
        self.has_rounded = True
        low, high = (arb(self.number(end)) for end in ends)
        return low.union(high)


class _Point:
    """Small numbers with one decimal, chosen by a hash of the quantity's name.

    ``values`` are those of quantities that have others, ``signs`` of some that have this sign.
    """

    def __init__(
        self,
        secret: bytes,
        signs: Mapping[Any, int] = MappingProxyType({}),
        values: Mapping[Any, Fraction] = MappingProxyType({}),
    ) -> None:
        self.secret, self.signs, self.values = secret, signs, values

    def __call__(self, name: Any) -> Fraction:
        if name in self.values:
            return self.values[name]
        digest = hashlib.blake2b(repr(name).encode(), key=self.secret, digest_size=4).digest()
        size = Fraction(1 + digest[0] % 19, 10)
        if name == "eta" or (isinstance(name, tuple) and name[0] == "y" and digest[2] % 2):
            return size / 2
        return size * self.signs.get(name, 1 if digest[1] % 2 else -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _AtNumbers(Residues):
    """The residues of what is made of the numbers of the file; e^{0.4} is e^{0.2} squared there."""

    point: _FilePoint

    def drawn(self, name: object) -> int:
        if self.point.has(name):
            return self.number(self.point(name))
        return Residues.drawn(self, name)


class _FilePoint:
    """The numbers of the file; a name of `Evaluator` is the quantity's and its 1-based indices."""

    def __init__(self, given: Mapping[str, Any], rate: Any) -> None:
        self.given, self.rate = given, rate

    def has(self, name: Any) -> bool:
        """Whether it is a quantity of the file."""
        return name == "eta" or (isinstance(name, tuple) and name[0] in self.given)

    def __call__(self, name: Any) -> Fraction:
        if name == "eta":
            if self.rate is None:
                raise Undecided("the file gives no learning rate")
            return Fraction(self.rate)
        if not self.has(name):
            return _nowhere(name)
        array = self.given[name[0]]
        for index in name[1]:
            array = array[index - 1]
        return Fraction(str(array))


# --------------------------------------------------------------------------------------- the twin


def _twin(work: Work, least: int, samples: int | None) -> tuple[Graph, dict[str, int]]:
    """The network of so many samples, or of one, at small widths where its own are large.

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
    batch = None if samples is None else Integer(samples)
    is_own = spec.values.samples is None and samples is None
    own = work.graph if is_own else from_network(plain, batch, own_losses=True)
    if not symbolic and not large:
        return own, {}
    sizes: dict[Any, int] = {}
    for width in dict.fromkeys(spec.widths):
        small = max(least + 1, 2) + len(sizes)
        sizes[width] = min(small, int(width)) if width.is_Integer else small
    if all(width == size for width, size in sizes.items()):
        return own, {}
    layers = tuple(replace(layer, units=Integer(sizes[layer.units])) for layer in spec.layers)
    twin = replace(plain, inputs=Integer(sizes[spec.inputs]), layers=layers)
    return from_network(twin, batch, own_losses=True), {
        str(width): size for width, size in sizes.items()
    }


# ---------------------------------------------------------------------------------------- helpers


def _switches(evaluator: Evaluator) -> Mapping[tuple[Form, bool], Switch]:
    """The conditions that an evaluator has left open so far."""
    cases = evaluator.signs
    assert cases is not None
    assert isinstance(cases.arithmetic, Forms)
    assert isinstance(cases.arithmetic.answers, Switches)
    return cases.arithmetic.answers.met


def _outcome(found: Agreement, kind: Relationship, reason: str = "") -> Outcome:
    """What an agreement means, where without a condition it would mean ``kind``."""
    if found.at is not None:
        return Outcome(Relationship.DIFFERENT, "", found.at, found.cells)
    if found.is_partial and kind is not Relationship.ONE_HOT:
        return Outcome(Relationship.ON_DOMAIN, reason, domain=found.domain)
    return Outcome(kind, "; ".join(filter(None, (reason, BUT_BORDERS * found.but_borders))))


BUT_BORDERS = "but for points at which a condition holds with equality"


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


def _compares_arrays(node: Node) -> bool:
    """Whether a condition, or a function that is defined case by case, is about an array."""
    return any(
        (isinstance(part, Comparison) and (is_array(part.left) or is_array(part.right)))
        or (isinstance(part, Call) and part.function not in _OF_WHOLES and _is_made(part.arguments))
        for part in walk(node)
    )


_OF_WHOLES = frozenset("sum mean norm dot outer diag softmax exp log".split())
"""Functions of a whole array, and those that take each of its entries without a condition."""


def _is_made(arguments: Sequence[Node]) -> bool:
    """Whether an array among arguments is more than a quantity by its name."""
    return any(is_array(each) and not isinstance(each, Array) for each in arguments)


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
    pairs = _pairs(left, right)
    return pairs is not None and all(first == second for first, second in pairs)


def meets(first: Bounds, second: Bounds) -> bool:
    """Whether two values are equal, or equal as far as their decimal numbers are printed.

    Rational numbers are compared exactly.  Raises `Undecided` where the bounds overlap and nothing
    was rounded: then the numbers may be equal or only close.
    """
    pairs = _pairs(first.value, second.value)
    if pairs is None or not all(_overlap(*pair) for pair in pairs):
        return False
    for pair in pairs:
        inexact = any(isinstance(entry, arb) for entry in pair)
        if inexact and not (first.is_rounded or second.is_rounded):
            raise Undecided("these numbers are too close to be told apart")
        for entry, bounds in zip(pair, (first, second), strict=True):
            if not bounds.is_rounded and isinstance(entry, arb) and entry.rel_accuracy_bits() < 60:
                raise Undecided("these numbers cannot be computed precisely enough")
    return True


def _pairs(left: Value, right: Value) -> list[tuple[Any, Any]] | None:
    if isinstance(left, Grid) and isinstance(right, Grid) and left.shape != right.shape:
        return None
    first, second = entries(left), entries(right)
    return list(zip(first, second, strict=True)) if len(first) == len(second) else None


def _sized(value: Value) -> str:
    return f"a {value} array" if isinstance(value, Grid) else "a number"


def _overlap(first: Any, second: Any) -> bool:
    """Whether two numbers between bounds can be equal."""
    with ctx.workprec(PRECISION):
        return not (first < second or first > second)


def _short(bounds: Any) -> str:
    """A number to four digits, without trailing zeros."""
    text = decimal(bounds, 4)
    return text[:-2] if text.endswith(".0") else text


def _told_apart(first: Any, second: Any) -> tuple[str, str]:
    """Two different numbers with four digits, or with as many as it takes to see the difference."""
    shown = _short(first), _short(second)
    digits = 4
    while shown[0] == shown[1] and digits < 40:
        digits += 4
        shown = decimal(first, digits), decimal(second, digits)
    return shown


def _quantities(
    evaluator: Evaluator, node: Node, env: Mapping[str, int]
) -> Iterator[Element | Free]:
    """The scalar quantities that a node names, its sums and arrays written out."""
    if isinstance(node, Derivative):
        if isinstance(node.by, Free):
            yield from _quantities(evaluator, node.of, env)
            yield from _quantities(evaluator, node.by, env)
        return
    if isinstance(node, Sum):
        for number in evaluator.range_of(node, env):
            yield from _quantities(evaluator, node.body, {**env, node.letter: number})
        return
    if isinstance(node, Free) or (isinstance(node, Element) and node.letter != "delta"):
        try:
            numbers = evaluator.indices(node.indices, env)
            made = replace(node, indices=tuple(Index("", each) for each in numbers))
            if isinstance(made, Element) and made.sample is not None:
                made = replace(made, sample=Index("", evaluator.number_of(made.sample, env)))
        except Undecided:
            return
        yield made
    for child in children(node):
        yield from _quantities(evaluator, child, env)


def numbers_in(nodes: Sequence[Node], definitions: Sequence[Definition]) -> set[int]:
    """The whole numbers beyond 2 that a line names, above and below its fraction bars."""
    found: set[int] = set()
    for part in with_definitions(nodes, definitions):
        match part:
            case Number(value):
                found |= {abs(value.numerator), value.denominator}
            case Sum(upper=Index("", last)):
                found.add(last)
    return found - {0, 1, 2}
