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
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from weakref import WeakKeyDictionary

from symback.checking.conventions import swapped
from symback.checking.conversion import element_of
from symback.checking.correct import (
    Neuron,
    correct_node,
    numbered,
    opposite,
    placed,
    way_between,
)
from symback.checking.echo import echo
from symback.checking.evaluation import Assumptions
from symback.checking.exact import SHALLOW, Judge
from symback.checking.mistakes import Told, rank
from symback.checking.points import Ground, Point
from symback.checking.report import Diagnosis
from symback.checking.search import Reading, Search, Sides, together
from symback.checking.slips import (
    Slip,
    calculus_slips,
    chain_repairs,
    exponent_repairs,
    flattened,
    forward_slips,
    layout_repairs,
    repairs,
    step_slips,
    unrolled,
)
from symback.checking.tables import Plan, Table
from symback.engine.arithmetics import LEVELS
from symback.language.errors import SymbackError
from symback.language.expressions import (
    ELL,
    LOSS,
    Array,
    Component,
    Derivative,
    Element,
    Index,
    Matrix,
    Node,
    Number,
    Product,
    Quotient,
    Sum,
    Total,
    children,
    free_letters,
    walk,
)
from symback.language.names import Role

__all__ = ["diagnose"]

MOST_POINTS = 5
"""At so many points a mistake must account for the line, where functions have kinks."""

MOST_TRIED = 20
"""So many points are tried for some at which the line is not 0."""

MOST_INSTANCES = 4
"""For so many values of the free indices."""

NOTHING_ASSUMED = Assumptions()

MOST_VISITS = 20_000
"""A side in which more nodes are evaluated is too long to be explained."""

MOST_PARTS = 600
"""A side of more nodes is not taken apart."""

MOST_REPAIRS = 60
"""So many ways to put a side right are tried."""

MOST_SLIPS = 1_000
"""So many slips of one step are tried; the widest layers have more."""

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
    >>> from symback.checking.correct import indexed
    >>> from symback.language.expressions import LOSS, Product, Total
    >>> judge = Judge(sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy"))
    >>> w, h = indexed("w", 2, 1, 2), indexed("h", 1, 2)
    >>> error = Total((indexed("y", 1), opposite(indexed("yhat", 1))))
    >>> diagnose(judge, Derivative(LOSS, w), Product((error, h)))[0].name
    'sign-flipped'
    """
    if _visits(judge, wrong) > MOST_VISITS:
        return ()
    case = _Case(judge, previous, assumptions)
    try:
        told = _distinct(case.explained(_as_derivative(judge, truth), wrong), _is_chain(wrong))
    except (SymbackError, ArithmeticError, RecursionError):  # no value here: nothing is known
        told = []
    correct = case.ground.correct(truth) if told else ""
    return tuple(Diagnosis(each.name, each.text, correct) for each in told)


def _visits(judge: Judge, node: Node) -> int:
    """At most how many nodes an evaluation comes by, each term of a sum on its own."""
    within = 1 + sum(_visits(judge, part) for part in children(node))
    if not isinstance(node, Sum):
        return within
    if node.upper is not None and node.upper.is_number:
        return within * node.upper.offset
    return within * max((int(width) for width in judge.equations.scope.widths), default=1)


def _distinct(told: Iterable[Told], is_chain: bool) -> list[Told]:
    """Each name once, the most specific first; of a chain the paths it follows before all."""
    first: dict[str, Told] = {}
    for each in told:
        first.setdefault(each.name, each)

    def place(each: Told) -> tuple[bool, int]:
        return not (is_chain and each.name in _OF_PATHS), rank(each.name)

    return sorted(first.values(), key=place)[:MOST_TOLD]


_OF_PATHS = ("missing-path", "single-path", "path-sign", "missing-factor")


def _is_chain(wrong: Node) -> bool:
    """Whether a side is written in derivatives only, as in ∂L/∂ŷ_1 · ∂ŷ_1/∂a_21."""
    match wrong:
        case Product(parts) | Total(parts):
            return all(_is_chain(part) for part in parts)
        case _:
            return isinstance(wrong, (Derivative, Number))


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
        self._slips: dict[Node, tuple[Slip, ...]] = {}
        self._correct: dict[Node, str] = {}

    @classmethod
    def of(cls, judge: Judge) -> _Ground:
        """The one of a judge."""
        if judge not in _grounds:
            _grounds[judge] = cls(judge)
        return _grounds[judge]

    def points(self, wrong: Node, assumptions: Assumptions, level: int) -> Iterator[Point]:
        """One point; many, with all signs, where functions are defined case by case."""
        count = len(self.judge.patterns((wrong,)))
        step = max(1, count // MOST_POINTS)
        spread = [count - 1 - step * k for k in range(min(count, MOST_POINTS))]
        more = range(count, count + MOST_TRIED - len(spread)) if count > 1 else ()
        return (self._point(pattern, assumptions, level) for pattern in (*spread, *more))

    def _point(self, pattern: int, assumptions: Assumptions, level: int) -> Point:
        key = pattern, assumptions, level
        if key not in self._points:
            if len(self._points) > 200:
                self._points.clear()
                self._tables.clear()
            self._points[key] = Point(self, pattern, assumptions, level)
        return self._points[key]

    def plan(self, of: Neuron, by: Neuron) -> Plan | None:
        """The mistakes that are possible in ∂of/∂by."""
        if (of, by) not in self._plans:
            way = way_between(self.judge.equations, of, by)
            self._plans[of, by] = None if way is None else Plan(self, way)
        return self._plans[of, by]

    def plan_of(self, of: Element, by: Element) -> Plan | None:
        """The same for two elements with numbers for indices."""
        ends = placed(self.judge.equations, of), placed(self.judge.equations, by)
        return None if ends[0] is None or ends[1] is None else self.plan(ends[0], ends[1])

    def correct(self, truth: Node) -> str:
        """The right side in canonical form; empty where symback has no single line for it."""
        if truth not in self._correct:
            is_step = _step_of_descent(truth) is not None
            right = truth if is_step else correct_node(self.judge, truth)
            self._correct[truth] = "" if right is None else echo(right, self.judge.scope)
        return self._correct[truth]

    def slips(self, truth: Node) -> tuple[Slip, ...]:
        """What a rule misapplied makes of a local derivative, or a slip of a forward line."""
        if truth not in self._slips:
            try:
                found = itertools.islice(self._misapplied(truth), MOST_SLIPS)
                self._slips[truth] = tuple(found)
            except SymbackError:
                self._slips[truth] = ()
        return self._slips[truth]

    def _misapplied(self, truth: Node) -> Iterator[Slip]:
        match truth:
            case Derivative(Element() as of, Element() as by):
                plan = self.plan_of(of, by)
                right = correct_node(self.judge, of)
                if plan is not None and right is not None and len(plan.way.edges) == 1:
                    yield from calculus_slips(unrolled(right), by)
            case Derivative(of, Element() as by):
                elements = dict.fromkeys(each for each in walk(of) if isinstance(each, Element))
                moving = [each for each in elements if self.plan_of(each, by) is not None]
                yield from calculus_slips(of, by, moving)
            case Element():
                right = correct_node(self.judge, truth)
                if right is not None:
                    yield from forward_slips(self.judge, right)
            case _:
                pass

    def table(self, plan: Plan, point: Point) -> Table:
        """What they make of it at a point."""
        key = plan.way.of, plan.way.by, point
        if key not in self._tables:
            if len(self._tables) > 200:
                self._tables.clear()
            self._tables[key] = Table(plan, point)
        return self._tables[key]


_grounds: WeakKeyDictionary[Judge, _Ground] = WeakKeyDictionary()


# ----------------------------------------------------------------------------------- one line


class _Case:
    """One wrong side, with what stood before it."""

    def __init__(self, judge: Judge, previous: Node | None, assumptions: Assumptions) -> None:
        self.judge, self.previous, self.assumptions = judge, previous, assumptions
        self.ground = _Ground.of(judge)

    def explained(self, truth: Node, wrong: Node) -> list[Told]:
        """Every mistake that accounts for the side, for all values of its free indices."""
        step = _step_of_descent(truth)
        if step is not None:
            return self._of_descent(step, wrong)
        found: dict[str, Told] | None = None
        for instance in itertools.islice(self._differing(truth, wrong), MOST_INSTANCES):
            told = {each.name: each for each in reversed(instance.explained())}
            found = told if found is None else {n: t for n, t in found.items() if n in told}
            if not found:
                break
        named = [*self._of_layout(truth, wrong), *(found or {}).values()]
        return named or self._of_order(truth, wrong)

    def _differing(self, truth: Node, wrong: Node) -> Iterator[_Instance]:
        """The values of the free indices, and the entries, for which the sides differ."""
        try:
            envs = list(itertools.islice(self.judge.instances(truth, wrong, self.assumptions), 40))
        except SymbackError:
            return
        for env in envs:
            for assumptions in self._assumed(truth, wrong):
                sides_here = numbered(truth, env), numbered(wrong, env)
                for sides in _entries(self.judge, *sides_here, assumptions):
                    previous = None if self.previous is None else numbered(self.previous, env)
                    instance = _Instance(self, *sides, previous, assumptions)
                    if instance.differs:
                        yield instance

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

    def _of_descent(self, step: Element | Array, wrong: Node) -> list[Told]:
        """The gradient that the step goes along, (w - wrong)/η, compared with ∂L/∂w."""
        if wrong == step:
            return [Told("missing-term", "the step is missing: nothing is subtracted")]
        along = Quotient(Total((step, opposite(wrong))), Element("eta"))
        found = self.explained(Derivative(LOSS, step), along)
        uphill = "the step goes up: gradient descent subtracts η·∂L/∂w"
        return [
            Told("descent-direction", uphill) if each.name == "sign-flipped" else each
            for each in found
        ]

    def _of_layout(self, truth: Node, wrong: Node) -> list[Told]:
        """Which transpose or product of arrays is wrong."""
        if not any(isinstance(part, (Array, Matrix)) for part in walk(wrong)):
            return []
        for told, repaired in itertools.islice(layout_repairs(wrong), MOST_REPAIRS):
            if self._is_right(truth, repaired):
                return [told]
        return []

    def _of_order(self, truth: Node, wrong: Node) -> list[Told]:
        """Whether every weight of the side has its indices swapped, out of range or not."""
        if not any(isinstance(part, Element) and part.letter == "w" for part in walk(wrong)):
            return []
        if not self._is_right(truth, swapped(wrong)):
            return []
        text = "w_kij is read as w_kji; the first index is the neuron it leads into"
        return [Told("index-order", text)]

    def _is_right(self, truth: Node, repaired: Node) -> bool:
        try:
            return all(
                self.judge.same(truth, repaired, assumptions)
                for assumptions in self._assumed(truth, repaired)
            )
        except (SymbackError, ArithmeticError):
            return False


def _step_of_descent(truth: Node) -> Element | Array | None:
    """w, where ``truth`` is w - η ∂L/∂w."""
    match truth:
        case Total((Element() | Array() as step, Product() as move)):
            is_so = flattened((move,))[1:] == [Element("eta"), Derivative(LOSS, step)]
            return step if is_so else None
        case _:
            return None


def _entries(
    judge: Judge, truth: Node, wrong: Node, assumptions: Assumptions
) -> Iterator[tuple[Node, Node]]:
    """The sides where their entries differ, off the diagonal first; scalars as they are."""
    try:
        shape = judge.shape(truth)
        if shape != judge.shape(wrong):
            return
        values = [judge.value(side, None, assumptions) for side in (truth, wrong)] if shape else []
    except (SymbackError, ArithmeticError):
        yield truth, wrong
        return
    if not shape:
        yield truth, wrong
        return
    places = list(itertools.product(range(1, shape[0] + 1), range(1, shape[1] + 1)))
    differing = {
        places[k % len(places)] for k, (u, v) in enumerate(zip(*values, strict=False)) if u != v
    }
    for i, j in sorted(differing, key=lambda place: (place[0] == place[1], place)):
        indices = Index("", i), Index("", j)
        yield _entry(truth, i, j, is_column=shape[1] == 1), Component(wrong, indices)


def _entry(truth: Node, i: int, j: int, *, is_column: bool) -> Node:
    own = (i,) if is_column else (i, j)
    match truth:
        case Derivative(Element() as of, Array() as by):
            return Derivative(of, _element(by, own))
        case Array():
            return _element(truth, own)
        case _:
            return Component(truth, (Index("", i), Index("", j)))


def _element(array: Array, own: tuple[int, ...]) -> Element:
    letter = "w" if array.letter == "W" else array.letter
    head = () if array.layer is None else (array.layer,)
    return Element(letter, (*head, *(Index("", each) for each in own)))


# ------------------------------------------------------------------------------- one choice of it


@dataclass(frozen=True)
class _Instance:
    """One wrong side that is a number, for one choice of the indices."""

    case: _Case
    truth: Node
    wrong: Node
    previous: Node | None
    assumptions: Assumptions

    @cached_property
    def readings(self) -> list[Reading]:
        """The points with the residues of both sides; a point where they differ comes first."""
        for level in (SHALLOW, LEVELS - 1):
            try:
                return sorted(
                    self._telling(level), key=lambda each: (each[1] == each[2], not each[1])
                )
            except (SymbackError, ArithmeticError):
                continue
        return []

    def _telling(self, level: int) -> list[Reading]:
        """A few points, some of them where the side is not 0, and one where it is wrong."""
        found: list[Reading] = []
        for point in self.case.ground.points(self.wrong, self.assumptions, level):
            found.append((point, point.value(self.truth), point.value(self.wrong)))
            is_alive = sum(wrong != 0 for _, _, wrong in found) > 1
            differs = any(truth != wrong for _, truth, wrong in found)
            if len(found) >= MOST_POINTS and is_alive and differs:
                break
        return found

    @property
    def differs(self) -> bool:
        """Whether the sides differ here."""
        return bool(self.readings) and self.readings[0][1] != self.readings[0][2]

    def explained(self) -> list[Told]:
        """One mistake; else a slip in the step; else two; else what the side has too many."""
        sides = self._search or Sides(self.readings)
        for found in (
            lambda: [*sides.one(), *self._written(self._misapplied)],
            lambda: self._mended(exponent_repairs(self.wrong)),
            lambda: self._written(self._steps),
            self._broken_chain,
            sides.several,
            lambda: self._mended(repairs(self.wrong)),
        ):
            told = list(found())
            if told:
                return told
        return []

    @cached_property
    def _search(self) -> Search | None:
        plan = self._plan
        if plan is None:
            return None
        return Search(
            plan,
            [self.case.ground.table(plan, point) for point, _, _ in self.readings],
            self.readings,
        )

    @cached_property
    def _plan(self) -> Plan | None:
        match self.truth:
            case Derivative(Element() as of, Element() as by):
                return self.case.ground.plan_of(of, by)
            case _:
                return None

    # ------------------------------------------------------------------------------ spellings

    @property
    def _misapplied(self) -> tuple[Slip, ...]:
        """What a rule of calculus misapplied, or a slip in a forward line, makes of the truth."""
        return self.case.ground.slips(self.truth)

    @property
    def _steps(self) -> tuple[Slip, ...]:
        """What a rule misapplied makes of the side before."""
        return () if self.previous is None else tuple(step_slips(self.previous))

    def _written(self, slips: Sequence[Slip]) -> Iterator[Told]:
        """The slips that give the side."""
        for told, node in slips:
            if self._agrees(node, 2) and not self._is_by_chance(node):
                yield told

    def _is_by_chance(self, node: Node) -> bool:
        """Whether a node with cases was looked at in one of them only."""
        return len(self.readings) == 1 < len(self.case.judge.patterns((node,)))

    def _mended(self, mended: Iterable[Slip]) -> Iterator[Told]:
        """The first slip without which the side would be right."""
        if sum(1 for _ in itertools.islice(walk(self.wrong), MOST_PARTS + 1)) > MOST_PARTS:
            return
        for told, node in itertools.islice(mended, MOST_REPAIRS):
            if self._agrees(node, 1):
                yield told
                return

    def _agrees(self, node: Node, side: int) -> bool:
        """Whether a node has the value of the truth (1) or of the side (2) at every point."""
        try:
            return all(reading[0].value(node) == reading[side] for reading in self.readings)
        except (SymbackError, ArithmeticError):
            return False

    def _broken_chain(self) -> Iterator[Told]:
        """A chain of derivatives that lacks a link, alone or with one more mistake."""
        if self._plan is None:
            return
        of, by = (element_of(*end) for end in (self._plan.way.of, self._plan.way.by))
        for told, node in chain_repairs(self.wrong, of, by):
            mended = replace(self, wrong=node, previous=None)
            if self._agrees(node, 1):
                yield told
            elif mended.differs and mended._search is not None:
                others = list(mended._search.one())[:1]
                yield from together([told, *others]) if others else ()
