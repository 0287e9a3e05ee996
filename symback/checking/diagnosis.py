"""Which mistake a wrong line holds: by name, and only where it accounts for the line exactly.

Here one can name the mistakes of one wrong side: `diagnose`, which returns every single mistake
that explains it, the most specific first; where none does, a missing or spurious factor (by the
ratio to the truth) or term (by the difference); then two mistakes at once; and nothing at all where
nothing fits.

A mistake is recognised by its value, not by its spelling: the line is compared with what each
mistake makes of the truth (`symback.checking.tables`), modulo a secret prime, at several points.
The structure of the line is used for what values cannot say: which paths a chain of derivatives
follows, which of its own factors or terms is one too many (`symback.checking.slips`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from weakref import WeakKeyDictionary

from symback.checking.conversion import element_of
from symback.checking.correct import (
    Edge,
    Kind,
    Neuron,
    indexed,
    numbered,
    placed,
    spelled,
    way_between,
)
from symback.checking.evaluation import Assumptions
from symback.checking.exact import SHALLOW, Judge, free_letters
from symback.checking.meaning import (
    ELL,
    Array,
    Derivative,
    Element,
    Node,
)
from symback.checking.mistakes import rank
from symback.checking.points import Ground, Point, Word
from symback.checking.report import Diagnosis
from symback.checking.tables import Key, Plan, Table, Told, told
from symback.checking.tower import LEVELS
from symback.errors import SymbackError
from symback.notation import Role

__all__ = ["diagnose"]

MOST_POINTS = 5
"""At so many points a mistake must account for the line, where functions have kinks."""

MOST_INSTANCES = 4
"""For so many values of the free indices."""

NOTHING_ASSUMED = Assumptions()

MOST_TOLD = 6
"""So many explanations are given of one line."""


def diagnose(
    judge: Judge,
    truth: Node,
    wrong: Node,
    previous: Node | None = None,
    assumptions: Assumptions = NOTHING_ASSUMED,
) -> tuple[Diagnosis, ...]:
    """The mistakes that turn ``truth`` into ``wrong``, the most specific first.

    ``truth`` is what the line begins with, e.g. ``Derivative(LOSS, w_212)``; ``previous`` the side
    before ``wrong``, if there is one; ``assumptions`` hold the page's own names.  Empty where no
    mistake that symback knows accounts for the line.

    >>> import symback as sb
    >>> from symback.checking.meaning import LOSS
    >>> judge = Judge(sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy"))
    >>> w, h = indexed("w", 2, 1, 2), indexed("h", 1, 2)
    >>> error = Total((indexed("y", 1), opposite(indexed("yhat", 1))))
    >>> for found in diagnose(judge, Derivative(LOSS, w), Product((error, h))):
    ...     print(found.name)
    sign-flipped
    """
    case = _Case(judge, previous, assumptions)
    told = _distinct(case.explained(_as_derivative(judge, truth), wrong))
    return tuple(Diagnosis(each.name, each.text) for each in told)


def _distinct(told: Iterable[Told]) -> list[Told]:
    """Each name once, the most specific first."""
    first: dict[str, Told] = {}
    for each in told:
        first.setdefault(each.name, each)
    return sorted(first.values(), key=lambda each: rank(each.name))[:MOST_TOLD]


def _as_derivative(judge: Judge, truth: Node) -> Node:
    """δ as the derivative that it is."""
    loss = element_of(judge.graph.target, ())
    match truth:
        case Element("delta", indices):
            return Derivative(loss, Element("a", indices))
        case Array("delta", layer):
            return Derivative(loss, Array("a", layer))
        case _:
            return truth


# --------------------------------------------------------------------------------------- grounds


class _Ground(Ground):
    """What is made once for a network: points, plans and tables."""

    def __init__(self, judge: Judge) -> None:
        super().__init__(judge)
        self._points: dict[object, Point] = {}
        self._plans: dict[tuple[Neuron, Neuron], Plan | None] = {}
        self._tables: dict[object, Table] = {}

    @classmethod
    def of(cls, judge: Judge) -> _Ground:
        """The one of a judge."""
        if judge not in _grounds:
            _grounds[judge] = cls(judge)
        return _grounds[judge]

    def points(self, wrong: Node, assumptions: Assumptions, level: int) -> list[Point]:
        """One point; several where functions are defined case by case."""
        count = len(self.judge.patterns((wrong,)))
        step = max(1, count // MOST_POINTS)
        patterns = [count - 1 - step * k for k in range(min(count, MOST_POINTS))]
        return [self._point(pattern, assumptions, level) for pattern in patterns]

    def _point(self, pattern: int, assumptions: Assumptions, level: int) -> Point:
        key = pattern, assumptions, level
        if key not in self._points:
            self._points[key] = Point(self, pattern, assumptions, level)
        return self._points[key]

    def plan(self, of: Neuron, by: Neuron) -> Plan | None:
        """The mistakes that are possible in ∂of/∂by."""
        if (of, by) not in self._plans:
            way = way_between(self.judge.equations, of, by)
            self._plans[of, by] = None if way is None else Plan(self, way)
        return self._plans[of, by]

    def table(self, plan: Plan, point: Point) -> Table:
        """What they make of it at a point."""
        key = plan.way.of, plan.way.by, point
        if key not in self._tables:
            if len(self._tables) > 1000:
                self._tables.clear()
            self._tables[key] = Table(plan, point)
        return self._tables[key]


_grounds: WeakKeyDictionary[Judge, _Ground] = WeakKeyDictionary()


# ----------------------------------------------------------------------------------- one line


class _Case:
    """One wrong side."""

    def __init__(self, judge: Judge, previous: Node | None, assumptions: Assumptions) -> None:
        self.judge, self.previous, self.assumptions = judge, previous, assumptions
        self.ground = _Ground.of(judge)

    def explained(self, truth: Node, wrong: Node) -> list[Told]:
        """Every mistake that accounts for the side, for all values of its free indices."""
        found: dict[str, Told] | None = None
        for instance in self._instances(truth, wrong):
            told = {each.name: each for each in reversed(instance.explained())}
            if found is None:
                found = told
            else:
                found = {name: each for name, each in found.items() if name in told}
            if not found:
                return []
        return list((found or {}).values())

    def _instances(self, truth: Node, wrong: Node) -> Iterator[_Instance]:
        """The first few values of the free indices for which the sides differ."""
        envs = list(itertools.islice(self.judge.instances(truth, wrong, self.assumptions), 40))
        made = (
            _Instance(self, numbered(truth, env), numbered(wrong, env), assumptions)
            for env in envs
            for assumptions in self._assumed(truth, wrong)
        )
        yield from itertools.islice((each for each in made if each.differs), MOST_INSTANCES)

    def _assumed(self, truth: Node, wrong: Node) -> list[Assumptions]:
        """The target is e(ℓ) for each class ℓ, or general; a declared sum is used."""
        if ELL in (*free_letters(truth), *free_letters(wrong)):
            classes = range(1, int(self.judge.equations.scope.widths[-1]) + 1)
            return [replace(self.assumptions, true_class=number) for number in classes]
        facts = (fact for fact in self.judge.graph.facts if fact.variable.role is Role.TARGET)
        fact = next(facts, None)
        if fact is None:
            return [self.assumptions]
        return [replace(self.assumptions, known_sum=fact.total)]


@dataclass(frozen=True)
class _Instance:
    """One wrong side for one choice of the indices."""

    case: _Case
    truth: Node
    wrong: Node
    assumptions: Assumptions

    @cached_property
    def readings(self) -> list[tuple[Point, int, int]]:
        """The points with the residues of both sides; a point where they differ comes first."""
        for level in (SHALLOW, LEVELS - 1):
            try:
                found = [
                    (point, point.value(self.truth), point.value(self.wrong))
                    for point in self.case.ground.points(self.wrong, self.assumptions, level)
                ]
                return sorted(found, key=lambda each: (each[1] == each[2], not each[1]))
            except (SymbackError, ArithmeticError):
                continue
        return []

    @property
    def differs(self) -> bool:
        """Whether the sides differ here."""
        return bool(self.readings) and self.readings[0][1] != self.readings[0][2]

    def explained(self) -> list[Told]:
        """Every mistake that accounts for the side."""
        plan = self._plan()
        if plan is None:
            return []
        tables = [self.case.ground.table(plan, point) for point, _, _ in self.readings]
        return _Search(plan, tables, [wrong for _, _, wrong in self.readings]).found()

    def _plan(self) -> Plan | None:
        if not isinstance(self.truth, Derivative):
            return None
        of, by = self.truth.of, self.truth.by
        if not isinstance(of, Element) or not isinstance(by, Element):
            return None
        ends = placed(self.case.judge.equations, of), placed(self.case.judge.equations, by)
        if ends[0] is None or ends[1] is None:
            return None
        return self.case.ground.plan(ends[0], ends[1])


# -------------------------------------------------------------------------------------- search


class _Search:
    """The mistakes on one way that give certain residues."""

    def __init__(self, plan: Plan, tables: Sequence[Table], wrong: Sequence[int]) -> None:
        self.plan, self.tables, self.wrong = plan, tables, wrong
        self.table, self.value = tables[0], wrong[0]
        self.point, self.prime = tables[0].point, tables[0].prime

    def found(self) -> list[Told]:
        """One mistake, else two, else a factor or a term."""
        for search in (
            self._one,
            self._one_and_a_number,
            self._factor_or_term,
            self._two,
            self._one_and_a_factor,
        ):
            told = list(search())
            if told:
                return told
        return []

    def _holds(self, value: Callable[[Table], int | None]) -> bool:
        """Whether ``value`` gives the line at every point."""
        return all(
            value(table) == wrong for table, wrong in zip(self.tables, self.wrong, strict=True)
        )

    # --------------------------------------------------------------------------- one mistake

    def _one(self) -> Iterator[Told]:
        for key, value in self.table.singles.items():
            if value == self.value and self._is(key):
                yield told(self.plan, key)
        number = self._ratio(self.table.truth)
        if number is not None and self._is_multiple(number):
            yield from _told_of_number(number)
        yield from self._wrong_weights()

    def _is(self, key: Key) -> bool:
        if len(self.tables) == 1 and self.plan.is_stepped(key):
            return False
        return self._holds(lambda table: table.value_of(key))

    def _ratio(self, value: int) -> Fraction | None:
        """The small number that the line is times ``value``."""
        return self._multiples.get(value)

    @cached_property
    def _multiples(self) -> dict[int, Fraction]:
        """line / c ↦ c for small numbers c."""
        if not self.value:
            return {}
        return {
            self.value * self.point.inverse(residue) % self.prime: number
            for residue, number in self.point.numbers.items()
        }

    def _is_multiple(self, number: Fraction, key: Key | None = None) -> bool:
        def times(table: Table) -> int | None:
            value = table.truth if key is None else table.value_of(key)
            scaled = number.numerator * table.point.inverse(number.denominator % table.prime)
            return None if value is None else value * scaled % table.prime

        return self._holds(times)

    def _wrong_weights(self) -> Iterator[Told]:
        """Another weight in one place."""
        difference = self.value - self.table.truth
        for edge in self.plan.way.edges:
            if edge.kind is not Kind.WEIGHT:
                continue
            share = self.table.down[edge.child] * self.table.up[edge.parent] % self.prime
            if not share:
                continue
            right = self.table.slopes[edge.child, edge.parent]
            needed = (right + difference * self.point.inverse(share)) % self.prime
            for word in self.point.words.get(needed, ()):
                if word.kind == "weight" and self._is_substituted(edge, word):
                    yield _told_of_weight(edge, word)

    def _is_substituted(self, edge: Edge, word: Word) -> bool:
        return self._holds(lambda table: table.substituted(edge, table.point.word(word)))

    # -------------------------------------------------------------------------- two mistakes

    def _one_and_a_number(self) -> Iterator[Told]:
        for key, value in self.table.singles.items():
            number = self._multiples.get(value)
            if number is not None and value and self._is_multiple(number, key):
                yield from _together([told(self.plan, key), *_told_of_number(number)])
                return

    def _two(self) -> Iterator[Told]:
        best: list[Told] = []
        for first, second in self.table.pairs():
            if self.table.pair(first, second) == self.value and self._holds(
                lambda table, pair=(first, second): table.pair(*pair)
            ):
                both = [told(self.plan, first), told(self.plan, second)]
                if not best or _ranks(both) < _ranks(best):
                    best = both
        yield from _together(best)

    # ------------------------------------------------------------------------ factors, terms

    def _factor_or_term(self) -> Iterator[Told]:
        yield from self._factor(None)
        difference = (self.value - self.table.truth) % self.prime
        for is_opposite, word in self.point.named(difference):
            sign = -1 if is_opposite else 1
            if self._holds(
                lambda table, word=word, sign=sign: (
                    (table.truth + sign * table.point.word(word)) % table.prime
                )
            ):
                shown = f"-{word.text}" if is_opposite else word.text
                yield Told("spurious-term", f"spurious term {shown}")
                return

    def _factor(self, key: Key | None) -> Iterator[Told]:
        """The line is the truth, or what a mistake makes of it, times or over a simple factor."""
        value = self.table.truth if key is None else self.table.singles[key]
        found = self._factors.get(value)
        if found is None:
            return
        word, sign, is_spurious = found

        def scaled(table: Table) -> int | None:
            value = table.truth if key is None else table.value_of(key)
            if value is None:
                return None
            factor = sign * table.point.word(word)
            factor = factor if is_spurious else table.point.inverse(factor)
            return value * factor % table.prime

        if self._holds(scaled):
            shown = f"-{word.text}" if sign < 0 else word.text
            name = "spurious-factor" if is_spurious else "missing-factor"
            yield Told(name, f"{name.replace('-', ' ')} {shown}")

    @cached_property
    def _factors(self) -> dict[int, tuple[Word, int, bool]]:
        """What the line is ± a simple factor times or over."""
        found: dict[int, tuple[Word, int, bool]] = {}
        for word, residue, inverse in self.point.factors:
            for sign in (1, -1):
                found.setdefault(sign * self.value * inverse % self.prime, (word, sign, True))
                found.setdefault(sign * self.value * residue % self.prime, (word, sign, False))
        return found

    def _one_and_a_factor(self) -> Iterator[Told]:
        for key, value in self.table.singles.items():
            if value and value in self._factors:
                factor = list(self._factor(key))
                if factor:
                    yield from _together([told(self.plan, key), *factor])
                    return


def _ranks(told: Sequence[Told]) -> list[int]:
    return sorted(rank(each.name) for each in told)


def _together(told: Sequence[Told]) -> Iterator[Told]:
    """Mistakes of which only all together account for the line."""
    for place, each in enumerate(told):
        others = " and ".join(other.name for other in (*told[:place], *told[place + 1 :]))
        yield Told(each.name, f"{each.text} (together with {others})")


def _told_of_number(number: Fraction) -> Iterator[Told]:
    if number < 0:
        yield Told("sign-flipped", "the sign is wrong")
    size = abs(number)
    if size > 1 or size.numerator > 1:
        yield Told("constant-factor", f"a factor {size} too many")
    elif size < 1:
        yield Told("constant-factor", f"a factor {1 / size} is missing")


def _told_of_weight(edge: Edge, word: Word) -> Told:
    assert word.neuron is not None
    layer = edge.child[0].layer
    right = indexed("w", layer or 0, *edge.child[1], *edge.parent[1])
    name = "wrong-weight-index" if word.neuron[0].layer == layer else "weight-of-wrong-layer"
    return Told(name, f"{word.text} stands where {spelled(right)} belongs")
