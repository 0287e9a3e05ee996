"""Which mistake a wrong line holds: by name, and only where it accounts for the line exactly.

Here one can name the mistakes of one wrong side: `diagnose`, which returns every single mistake
that explains it, the most specific first; where none does, a missing or spurious factor (by the
ratio to the truth) or term (by the difference); then two mistakes at once; and nothing at all where
nothing fits.

A mistake is recognised by its value, not by its spelling: the line is compared with what each
mistake makes of the truth, modulo a secret prime, at several points (`Point`).  The derivative is Σ
over paths Π of local derivatives, so it is linear in the local derivatives between any two
quantities: another value v for ∂c/∂p adds ∂f/∂c · (v - ∂c/∂p) · ∂p/∂v.  Two mistakes together are
one such sum after another.  That makes a mistake a few multiplications: a `Plan` lists what may go
wrong on one way, a `Table` holds what each makes of it at one point, a `Search` looks there.

The structure of the line is used for what values cannot say: which paths a chain of derivatives
follows, which of its own factors or terms is one too many.  What may go wrong, and how it is made,
is the table of `symback.checking.mistakes`.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

from sympy import Expr, Indexed

from symback.checking import mistakes
from symback.checking.conversion import Inexpressible, element_of, to_node
from symback.checking.correct import (
    MOST_PATHS,
    Edge,
    Kind,
    Neuron,
    Way,
    complement,
    correct_node,
    indexed,
    number,
    numbered,
    placed,
    spelled,
    way_between,
)
from symback.checking.evaluation import Assumptions
from symback.checking.judge import SHALLOW, Bounds, Judge
from symback.checking.mistakes import (
    Factor,
    Making,
    Mistake,
    Place,
    Told,
    Wrong,
    calculus_slips,
    flattened,
    layer_text,
    made,
    rank,
    swapped,
    wrongs,
)
from symback.checking.report import Diagnosis
from symback.engine.arithmetics import LEVELS, Grid, Misshapen, entries, middle, tower
from symback.engine.graph import base_name
from symback.engine.spec import NetworkSpec
from symback.language.echo import echo
from symback.language.errors import SymbackError
from symback.language.expressions import (
    COUNT,
    ELL,
    LOSS,
    ONE,
    ZERO,
    Array,
    Call,
    Component,
    Derivative,
    Element,
    Index,
    Matrix,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Total,
    Transpose,
    children,
    free_letters,
    is_array,
    negative,
    rebuilt,
    replaced,
    walk,
)
from symback.language.names import PARAMETERS, Role, Variable, elements

NOTHING_ASSUMED = Assumptions()

# Points at which a mistake must account for the line, where functions have kinks.  A point lies on
# either side of each by chance: at 5, one line in 32 was given a mistake that it does not hold.
MOST_POINTS = 12
MOST_TRIED = 30  # points, to find some at which the line is not 0
MOST_INSTANCES = 4  # values of the free indices
MOST_VISITS = 20_000  # nodes that an evaluation comes by; a longer side is not explained
MOST_PARTS = 600  # nodes of a side that is taken apart
MOST_REPAIRS = 60  # ways to put a side right
MOST_SLIPS = 1_000  # slips of one step; the widest layers have more
MOST_TOLD = 6  # explanations of one line
MOST_WORDS = 600  # quantities of a network in which not only numbers are recognised as factors
MOST_SINGLE_EDGES = 1500  # replacements of a single local derivative; beyond, whole layers only
MOST_PAIRS = 20_000  # pairs of mistakes
MOST_PAIRED_PATHS = 40  # paths of which any two may be missing together
MOST_OTHERS = 500  # weights, the derivative by each of which is looked at
MOST_KEPT = 200  # points, and tables, that are kept for one network
MOST_TERMS = 40  # terms of a sum that is written out


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
    >>> error = Total((indexed("y", 1), negative(indexed("yhat", 1))))
    >>> diagnose(judge, Derivative(LOSS, w), Product((error, h)))[0].name
    'sign-flipped'
    """
    if _visits(judge, wrong) > MOST_VISITS:
        return ()
    case = _Case(Ground.of(judge), previous, assumptions)
    try:
        if judge.of_batch((truth, wrong), assumptions) is not None:
            found = case.explained_of_batch(truth, wrong)
            return tuple(Diagnosis(each.name, each.text) for each in found[:MOST_TOLD])
        told = _distinct(case.explained(_as_derivative(judge, truth), wrong), _is_chain(wrong))
    except (SymbackError, ArithmeticError, RecursionError):  # no value here: nothing is known
        told = []
    correct = case.ground.correct(truth) if told else ""
    return tuple(Diagnosis(each.name, each.text, correct) for each in told)


def diagnose_number(
    judge: Judge, truth: Node, printed: Bounds, assumptions: Assumptions = NOTHING_ASSUMED
) -> tuple[Diagnosis, ...]:
    """The mistakes that make of ``truth``, at the numbers of the file, what was ``printed``.

    Single mistakes only, the most specific first: a number says less than a formula.
    """
    ground = Ground.of(judge)
    point = FilePoint(ground, assumptions)
    step = _step_of_descent(truth)
    if step is not None:  # w - η ∂L/∂w: a mistake in the gradient
        start, rate = point.value(step), point.value(Element("eta"))
        if printed.holds(start + rate * point.value(Derivative(LOSS, step))):
            told = [mistakes.DESCENT.found()]
        else:
            told = _in_table(ground, Derivative(LOSS, step), point,
                             lambda value: printed.holds(start - rate * value))  # fmt: skip
    else:
        told = _in_table(ground, _as_derivative(judge, truth), point, printed.holds)
    correct = ground.correct(truth) if told else ""
    return tuple(Diagnosis(each.name, each.text, correct) for each in _distinct(told, False))


def _in_table(
    ground: Ground, truth: Node, point: FilePoint, fits: Callable[[float], bool]
) -> list[Told]:
    """The mistakes of one value that fits; none where the right value does."""
    if fits(point.value(truth)):
        return []
    found: list[Told] = []
    match truth:
        case Derivative(Element() as of, Element() as by):
            plan = ground.plan(of, by)
            singles = Table(plan, point).singles if plan is not None else {}
            found = [guess.told() for guess, value in singles.items() if fits(value)]
    for told, node in ground.slips(truth):
        try:
            value = point.value(node)
        except (SymbackError, ArithmeticError):
            continue
        found += [told] if fits(value) else []
    return found


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
        return not (is_chain and each.name in mistakes.OF_PATHS), rank(each.name)

    return sorted(first.values(), key=place)[:MOST_TOLD]


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


def unrolled(node: Node) -> Node:
    """Every Σ with numbers for limits written out.

    >>> one = Sum("j", indexed("h", 1, 2), 1, indexed("h", 1, 2).indices[1])
    >>> unrolled(one) == Total((indexed("h", 1, 2), indexed("h", 1, 2)))
    True
    """
    made = rebuilt(node, unrolled)
    if not isinstance(made, Sum) or made.product or made.without is not None:
        return made
    if made.upper is None or not made.upper.is_number or made.upper.offset > MOST_TERMS:
        return made
    numbers = range(made.lower, made.upper.offset + 1)
    terms = tuple(numbered(made.body, {made.letter: each}) for each in numbers)
    return terms[0] if len(terms) == 1 else Total(terms)


# --------------------------------------------------------------- what may stand for a factor


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """What may stand for a local derivative, as a node in the letters of its indices."""

    mistake: Mistake
    making: Making
    wrong: Wrong
    node: Node


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """What stands for one edge: ``node`` with numbers for letters.

    ``key`` tells the variants of one mistake apart; the same key on every edge of a layer is one
    mistake made throughout.
    """

    name: str
    key: str
    node: Node
    letters: Mapping[str, int]
    told: Callable[[bool], Told]
    """What is said where one edge has it (False), or several have (True)."""


@dataclass(frozen=True, slots=True)
class Word:
    """A simple factor: how it is written, what kind of thing it is and where it belongs."""

    text: str
    role: Role | None
    neuron: Neuron | None = None
    is_derivative: bool = False


class Ground:
    """What is made once for a network: what may go wrong, points, plans and tables."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self._candidates: dict[object, tuple[Candidate, ...]] = {}
        self._variants: dict[tuple[Neuron, Neuron], tuple[Variant, ...]] = {}
        self._points: dict[object, Point] = {}
        self._plans: dict[tuple[Neuron, Neuron], Plan | None] = {}
        self._tables: dict[object, Table] = {}
        self._slips: dict[Node, tuple[tuple[Told, Node], ...]] = {}
        self._correct: dict[Node, str] = {}

    @classmethod
    def of(cls, judge: Judge) -> Ground:
        """The ground of a judge, made once."""
        if judge not in _grounds:
            _grounds[judge] = cls(judge)
        return _grounds[judge]

    # ----------------------------------------------------------------------- local derivatives

    def factor(self, edge: Edge) -> Factor:
        """The local derivative of an edge, in letters."""
        links = self.judge.equations.links(edge.parent[0])
        local = next(link.local for link in links if link.local.child == edge.child[0])
        return Factor(self.judge.graph, self.judge.work.spec, local, edge.kind)

    def candidates(
        self, factor: Factor, place: Kind | Place, seen: str = mistakes.PAGE
    ) -> tuple[Candidate, ...]:
        """All that may stand for a local derivative, or for what its place says."""
        key = factor.local.child, factor.local.parent, place, seen
        if key not in self._candidates:
            found = []
            for mistake, making, wrong in wrongs(factor, place, seen):
                try:
                    node = to_node(wrong.expr, self.judge.graph)
                except Inexpressible:
                    continue
                found.append(Candidate(mistake, making, wrong, node))
            self._candidates[key] = tuple(found)
        return self._candidates[key]

    def variants(self, edge: Edge) -> tuple[Variant, ...]:
        """What may stand for one local derivative, what names no other neuron first; made once."""
        key = edge.child, edge.parent
        if key not in self._variants:
            slipped = self._slipped(edge) if edge.kind is Kind.STAGE else ()
            self._variants[key] = (*slipped, *self._made(edge))
        return self._variants[key]

    def _made(self, edge: Edge) -> Iterator[Variant]:
        factor = self.factor(edge)
        candidates = self.candidates(factor, factor.place)
        for each in sorted(candidates, key=lambda each: each.wrong.other is not None):
            if self.fits(factor, each, edge):

                def told(several: bool, each: Candidate = each) -> Told:
                    sentence = (several and each.making.throughout) or each.making.says
                    return self.told(factor, each, edge, sentence)

                yield Variant(each.mistake.name, each.wrong.key, each.node, edge.letters, told)

    def _slipped(self, edge: Edge) -> Iterator[Variant]:
        """∂stage/∂(what it is computed from) by a rule misapplied, all else held."""
        by, name = element_of(*edge.parent), spelled(edge.child)
        right = self.judge.equations.rhs[edge.child[0]]
        for place, (slip, node) in enumerate(calculus_slips(right, by)):
            said = Told(slip.name, f"in d{name}/d{spelled(by)}: {slip.text}")
            yield Variant(
                slip.name, str(place), _held(node, by), edge.letters, lambda _, said=said: said
            )

    def fits(self, factor: Factor, each: Candidate, edge: Edge) -> bool:
        """Whether a candidate is a mistake on this edge: what it names is there and is another."""
        if each.wrong.apart and edge.child[1] == edge.parent[1]:
            return False
        if each.wrong.other is None:
            return True
        belong = [e for e in (factor.right, *each.wrong.unless) if isinstance(e, Indexed)]
        other = self.neuron(each.wrong.other, edge)
        if other in (edge.parent, *(self.neuron(expr, edge) for expr in belong)):
            return False
        sizes = (int(size) for size in other[0].shape)
        return all(1 <= k <= size for k, size in zip(other[1], sizes, strict=True))

    def neuron(self, expr: Expr, edge: Edge) -> Neuron:
        """The neuron that an element in the letters of an edge is there."""
        indices = expr.indices if isinstance(expr, Indexed) else ()
        numbers = (int(i) if i.is_Integer else edge.letters[i.name] for i in indices)
        return self.judge.graph.by_base[base_name(expr)], tuple(numbers)

    def told(self, factor: Factor, each: Candidate, edge: Edge, sentence: str) -> Told:
        """A candidate in words, with the names of the neurons of an edge."""
        words = factor.words(each.wrong, lambda expr: spelled(self.neuron(expr, edge)))
        return each.mistake.told(sentence, **words)

    @cached_property
    def errors(self) -> tuple[Error, ...]:
        """What may stand for ∂L/∂a of the last layer, all neurons at once."""
        scope = self.judge.scope
        if not scope.is_network or not scope.has_target:
            return ()
        output = placed(self.judge.equations, indexed("yhat", 1))
        assert output is not None
        edge = self._edge(output, indexed("a", scope.depth, 1))
        assert edge is not None
        factor = self.factor(edge)
        letter = factor.local.parent_indices[-1].name
        return tuple(
            Error(each.mistake.told(each.making.says, **each.wrong.words), each.node, letter)
            for each in self.candidates(factor, Place.ERROR)
        )

    # ---------------------------------------------------------------- points, plans, tables

    def points(self, wrong: Node, assumptions: Assumptions, level: int) -> Iterator[Point]:
        """One point; many, with all signs, where functions are defined case by case."""
        count = len(self.judge.patterns((wrong,)))
        step = max(1, count // MOST_POINTS)
        spread = [count - 1 - step * k for k in range(min(count, MOST_POINTS))]
        more = range(count, count + MOST_TRIED - len(spread)) if count > 1 else ()
        for pattern in (*spread, *more):
            key = pattern, assumptions, level
            if key not in self._points:
                if len(self._points) > MOST_KEPT:
                    self._points.clear()
                    self._tables.clear()
                self._points[key] = Point(self, pattern, assumptions, level)
            yield self._points[key]

    def plan(self, of: Element, by: Element) -> Plan | None:
        """The mistakes that are possible in ∂of/∂by, elements with numbers for indices."""
        end, begin = placed(self.judge.equations, of), placed(self.judge.equations, by)
        if end is None or begin is None:
            return None
        if (end, begin) not in self._plans:
            way = way_between(self.judge.equations, end, begin)
            self._plans[end, begin] = None if way is None else Plan(self, way)
        return self._plans[end, begin]

    def table(self, plan: Plan, point: Point) -> Table:
        """What they make of it at a point."""
        key = plan.way.of, plan.way.by, point
        if key not in self._tables:
            if len(self._tables) > MOST_KEPT:
                self._tables.clear()
            self._tables[key] = Table(plan, point)
        return self._tables[key]

    def correct(self, truth: Node) -> str:
        """The right side in canonical form; empty where symback has no single line for it."""
        if truth not in self._correct:
            is_step = _step_of_descent(truth) is not None
            right = truth if is_step else correct_node(self.judge, truth)
            self._correct[truth] = "" if right is None else echo(right)
        return self._correct[truth]

    # ------------------------------------------------------------------------- slips of the pen

    def slips(self, truth: Node) -> tuple[tuple[Told, Node], ...]:
        """What a rule misapplied makes of a local derivative, or a slip of a forward line."""
        if truth not in self._slips:
            try:
                found = itertools.islice(self._misapplied(truth), MOST_SLIPS)
                self._slips[truth] = tuple(found)
            except SymbackError:
                self._slips[truth] = ()
        return self._slips[truth]

    def _misapplied(self, truth: Node) -> Iterator[tuple[Told, Node]]:
        match truth:
            case Derivative(Element() as of, Element() as by):
                plan = self.plan(of, by)
                right = correct_node(self.judge, of)
                if plan is not None and right is not None and len(plan.way.edges) == 1:
                    yield from calculus_slips(unrolled(right), by)
            case Derivative(of, Element() as by):
                parts = dict.fromkeys(each for each in walk(of) if isinstance(each, Element))
                moving = [each for each in parts if self.plan(each, by) is not None]
                yield from calculus_slips(of, by, moving)
            case Element():
                right = correct_node(self.judge, truth)
                if right is not None:
                    yield from self._on_a_line(truth, unrolled(right))

    def _on_a_line(self, left: Element, right: Node) -> Iterator[tuple[Told, Node]]:
        """What is written for the right side of a_k, h_k, ŷ or L by mistake."""
        yield from _within(right, Place.LINE)
        if (turned := swapped(right)) != right:
            yield mistakes.ORDER.found(), turned
        neuron = placed(self.judge.equations, left)
        if not self.judge.scope.is_network or neuron is None:
            return  # in equations w, h and a are names like others
        parts = dict.fromkeys(each for each in walk(right) if isinstance(each, Element))
        preactivations = [each for each in parts if each.letter == "a"]
        for part in parts:
            edge = self._edge(neuron, part)
            if edge is None:
                continue
            factor = self.factor(edge)
            belongs = part
            if isinstance(factor.right, Indexed):
                belongs = element_of(*self.neuron(factor.right, edge))
            of_line = edge.kind in (Kind.SLOPE, Kind.OUTPUT) and [part] == preactivations
            place = Place.FUNCTION if of_line else factor.place
            for each in self.candidates(factor, place, mistakes.LINE):
                if self.fits(factor, each, edge):
                    wrong = numbered(each.node, edge.letters)
                    told = self.told(factor, each, edge, each.making.forward)
                    yield told, wrong if of_line else replaced(right, belongs, wrong)

    def _edge(self, child: Neuron, part: Element) -> Edge | None:
        """The edge from a quantity of a forward line to its left side."""
        parent = placed(self.judge.equations, part)
        way = None if parent is None else way_between(self.judge.equations, child, parent)
        return next((e for e in way.edges if e.parent == parent), None) if way else None


_grounds: WeakKeyDictionary[Judge, Ground] = WeakKeyDictionary()


def _held(node: Node, by: Element) -> Node:
    """A derivative by ``by`` alone: ∂v/∂by is 1 for ``by`` itself and 0 for what it is beside."""
    if isinstance(node, Derivative) and isinstance(node.of, Element):
        return number(int(node.of == by))
    return rebuilt(node, lambda part: _held(part, by))


# ----------------------------------------------------------------------------------- points


class Point:
    """Residues at one secret point under some assumptions, and what simple factors they may be.

    Which simple quantity has a given residue is asked of `words`: w_211, 1 - h_12, g′(a_11), 2/3.
    A diagnosis looks factors and terms up there instead of trying them one by one.
    """

    def __init__(
        self, ground: Ground, pattern: int, assumptions: Assumptions, level: int = SHALLOW
    ) -> None:
        self.ground, self.level = ground, level
        self.prime = tower().primes[level]
        self._evaluator = ground.judge.at(pattern, assumptions)
        self._known: dict[object, int] = {}

    def value(self, node: Node, letters: Mapping[str, int] | None = None) -> int:
        """The residue of a scalar node; raises `Undecided` or `Misshapen`."""
        self._evaluator.visits = 0
        found = self._evaluator.value(node, letters or {}, self.level)
        if isinstance(found, Grid):
            if len(entries(found)) != 1:
                raise Misshapen("an array where a number is expected")
            return entries(found)[0]
        return found

    def known(self, key: object, node: Node, letters: Mapping[str, int]) -> int:
        """The residue of ``node``, computed once for each ``key``."""
        if key not in self._known:
            self._known[key] = self.value(node, letters)
        return self._known[key]

    def inverse(self, residue: int) -> int:
        """1/residue."""
        return pow(residue, -1, self.prime)

    @cached_property
    def inverses(self) -> tuple[tuple[int, Fraction], ...]:
        """1/c and c for every small number c, without 0 and 1; the plainest of one residue."""
        values = {Fraction(s * a, b) for a in range(1, 13) for b in range(1, 13) for s in (1, -1)}
        values |= {Fraction(k) for k in range(13, 65)} | {Fraction(1, k) for k in range(13, 65)}
        numbers = {
            value.numerator * pow(value.denominator, -1, self.prime) % self.prime: value
            for value in sorted(values - {1}, key=lambda v: (abs(v), v < 0))
        }
        return tuple((self.inverse(residue), number) for residue, number in numbers.items())

    @cached_property
    def words(self) -> Mapping[int, tuple[Word, ...]]:
        """Simple quantities by their residues; the plainest first."""
        found: dict[int, list[Word]] = {}
        for word, node in _vocabulary(self.ground):
            try:
                residue = self.known(word, node, {})
            except (SymbackError, ArithmeticError):
                continue
            if residue not in (0, 1, self.prime - 1):
                found.setdefault(residue, []).append(word)
        return {residue: tuple(words) for residue, words in found.items()}

    def word(self, word: Word) -> int:
        """The residue of a word; 0 for one that has none here."""
        return self._known.get(word, 0) if self.words else 0


class _Unreduced:
    """What stands for the prime where numbers are not residues: x % it is x."""

    def __rmod__(self, value: Any) -> Any:
        return value


class FilePoint(Point):
    """The numbers of the file, as floats: for looking at numbers of a few digits."""

    def __init__(self, ground: Ground, assumptions: Assumptions) -> None:
        self.ground, self.prime = ground, _Unreduced()
        self._at = ground.judge.at_file(assumptions)
        self._known = {}

    def value(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, node: Node, letters: Mapping[str, int] | None = None
    ) -> float:
        """The number of a scalar node; raises `Undecided` or `Misshapen`."""
        found = self._at(node, letters or {})
        if len(entries(found)) != 1:
            raise Misshapen("an array where a number is expected")
        return float(middle(entries(found)[0]))

    def inverse(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, residue: float
    ) -> float:
        """1/number."""
        return 1 / residue


def _vocabulary(ground: Ground) -> Iterator[tuple[Word, Node]]:
    """The simple quantities of a network, if it is small: elements, 1 - h, slopes, δ, ŷ - y."""
    graph = ground.judge.graph
    plain = [each for v in graph.variables for each in elements(v)]
    if len(plain) > MOST_WORDS:
        return
    neurons = [((r.variable, r.indices), element_of(r.variable, r.indices)) for r in plain]
    target = element_of(graph.target, ())
    yield Word("η", None), Element("eta")
    for neuron, element in neurons:
        yield Word(spelled(element), neuron[0].role, neuron), element
    for neuron, element in neurons:
        if neuron[0].role in (Role.LEAF, Role.STAGE) and neuron[0] != graph.target:
            text = f"d{spelled(target)}/d{spelled(element)}"
            yield Word(text, None, neuron, is_derivative=True), Derivative(target, element)
    for neuron, h in neurons:
        if neuron[0].role in (Role.ACTIVATION, Role.OUTPUT):
            name = spelled(h)
            yield Word(f"(1 - {name})", None, neuron), complement(h)
            yield Word(f"{name}·(1 - {name})", None, neuron), Product((h, complement(h)))
            yield Word(f"(1 - {name}²)", None, neuron), complement(Power(h, number(2)))
    has_target = any(v.role is Role.TARGET for v in graph.variables)
    for neuron, a in neurons:
        if neuron[0].role is Role.PREACTIVATION:
            last = neuron[0].layer == ground.judge.scope.depth
            h = Element("yhat", a.indices[1:]) if last else Element("h", a.indices)
            yield Word(f"∂{spelled(h)}/∂{spelled(a)}", None, neuron), Derivative(h, a)
            yield Word(f"∂{spelled(target)}/∂{spelled(a)}", None, neuron), Derivative(target, a)
        if neuron[0].role is Role.OUTPUT and has_target:
            y = Element("y", a.indices)
            text = f"({spelled(a)} - {spelled(y)})"
            yield Word(text, None, neuron), Total((a, negative(y)))


# ------------------------------------------------------------------- what may go wrong on a way


@dataclass(frozen=True, slots=True)
class State:
    """A derivative ∂of/∂by at one point, with the mistakes that were made in it so far."""

    whole: int
    up: Mapping[Neuron, int]
    """∂neuron/∂by."""
    down: Mapping[Neuron, int]
    """∂of/∂neuron."""


@dataclass(frozen=True, eq=False)
class Change:
    """Other values for some local derivatives: one, those of a layer, or all of a kind."""

    put: tuple[tuple[Edge, Variant], ...]

    @property
    def name(self) -> str:
        """The name of the mistake."""
        return self.put[0][1].name

    @property
    def node(self) -> Node:
        """What is put, in letters."""
        return self.put[0][1].node

    def told(self) -> Told:
        """The mistake and its sentence."""
        return self.put[0][1].told(len(self.put) > 1)

    @cached_property
    def groups(self) -> frozenset[tuple[Variable, Variable]]:
        """The quantities between which the derivatives lie."""
        return frozenset((edge.child[0], edge.parent[0]) for edge, _ in self.put)

    def value(self, table: Table, state: State) -> int | None:
        """What the derivative is with it, at the point of the table."""
        if len(self.groups) == 1:
            return table.shifted(self, state)
        after = table.after(self)
        return None if after is None else after.whole

    def shift(self, table: Table) -> Mapping[Neuron, int]:
        """What it adds to ∂of/∂(each neuron below it), changes being in one group."""
        more: dict[Neuron, int] = defaultdict(int)
        for edge, variant in self.put:
            wrong = table.put(variant) - table.slopes[edge.child, edge.parent]
            more[edge.parent] += table.right.down[edge.child] * wrong % table.prime
        return more

    def after(self, table: Table) -> State:
        """The derivative with it, for a mistake further on."""
        wrong = {(edge.child, edge.parent): table.put(variant) for edge, variant in self.put}
        up = table.upwards({**table.slopes, **wrong})
        return State(up[table.plan.way.of], up, table.right.down)


@dataclass(frozen=True, eq=False)
class _Said:
    """A mistake that is said in one sentence."""

    said: Told

    @property
    def name(self) -> str:
        return self.said.name

    def told(self) -> Told:
        return self.said


@dataclass(frozen=True, eq=False)
class Error(_Said):
    """What stands for ∂L/∂a of every neuron of the last layer: a node in the neuron's letter."""

    node: Node
    letter: str

    def value(self, table: Table, state: State) -> int | None:
        """What the derivative is with it, at the point of the table."""
        return table.shifted(self, state)

    def shift(self, table: Table) -> Mapping[Neuron, int]:
        """What it adds to ∂L/∂a."""
        return {n: value - table.right.down[n] for n, value in self._values(table).items()}

    def after(self, table: Table) -> State:
        """The derivative with it, for a mistake in the paths."""
        values, right = self._values(table), table.right
        whole = sum(value * right.up[n] for n, value in values.items()) % table.prime
        return State(whole, right.up, {**right.down, **values})

    def _values(self, table: Table) -> dict[Neuron, int]:
        known = table.point.known
        neurons = table.plan.last_layer
        return {n: known((self, n), self.node, {self.letter: n[1][0]}) for n in neurons}


@dataclass(frozen=True, eq=False)
class Share:
    """A choice of paths, through a neuron or by their numbers: left out, alone, subtracted."""

    plan: Plan
    mistake: Mistake
    making: Making
    neuron: Neuron | None = None
    paths: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The name of the mistake."""
        return self.mistake.name

    def value(self, table: Table, state: State) -> int | None:
        """What the derivative is with it, at the point of the table."""
        if self.neuron is None:
            share = sum(table.path_values[k] for k in self.paths)
        else:
            share = state.down[self.neuron] * state.up[self.neuron]
        return self.making.make(state.whole, share) % table.prime

    def told(self) -> Told:
        """The mistake and its sentence."""
        plan, count = self.plan, self.plan.way.count
        if self.neuron is None:
            paths = [plan.paths[k] for k in self.paths]
        else:
            paths = [p for p in plan.paths if any(edge.child == self.neuron for edge in p)]
        some, which = len(paths), " and ".join(path_text(path) for path in paths[:3])
        which += " and more" * (len(paths) > 3)
        if self.neuron is not None and not paths:
            some, which = plan.through[self.neuron], f"those through {spelled(self.neuron)}"
        words = {"some": some, "left": count - some, "count": count, "which": which}
        if len(self.paths) > 1 and self.mistake is mistakes.SINGLE_PATH:
            return mistakes.MISSING_PATH.found(**words)
        return self.mistake.told(self.making.says, **words)


@dataclass(frozen=True, eq=False)
class Other(_Said):
    """Another number that stands for the derivative."""

    of: Callable[[Table], int | None]

    def value(self, table: Table, state: State) -> int | None:
        """What the derivative is with it, at the point of the table."""
        return self.of(table)


Guess = Change | Error | Share | Other
"""One mistake on a way, the same at every point: its name, what it makes of a derivative (None
where it has no value), what is said of it."""


class Plan:
    """The mistakes that are possible on one way; what does not depend on the point."""

    def __init__(self, ground: Ground, way: Way) -> None:
        self.ground, self.way = ground, way
        self.height = {v: k for k, v in enumerate(dict.fromkeys(n[0] for n in way.neurons))}
        """The quantities on the way in the order of the computation, from 0."""
        before, after = {way.by: 1}, {way.of: 1}
        for edge in way.edges:
            before[edge.child] = before.get(edge.child, 0) + before[edge.parent]
        for edge in reversed(way.edges):
            after[edge.parent] = after.get(edge.parent, 0) + after.get(edge.child, 0)
        self.through = {n: before[n] * after[n] for n in way.neurons}
        """How many paths run through each neuron."""
        self.paths = tuple(way.paths()) if 1 < way.count <= MOST_PATHS else ()
        """All paths, where there are not too many."""

    @cached_property
    def guesses(self) -> tuple[Guess, ...]:
        """Every single mistake that is not a number or a factor."""
        return (*self.changes, *self.errors, *self.shares, *self._others())

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """Every replacement of local derivatives: throughout, in a layer, or in one place."""
        found: list[Change] = []
        throughout: dict[tuple[Kind, str, str], list] = defaultdict(list)
        singles: list[Change] = []
        for edges in self.way.groups.values():
            alike: dict[tuple[str, str], list[tuple[Edge, Variant]]] = defaultdict(list)
            for edge in edges:
                for variant in self.ground.variants(edge):
                    alike[variant.name, variant.key].append((edge, variant))
            for (name, key), put in alike.items():
                found.append(Change(tuple(put)))
                throughout[edges[0].kind, name, key].append(put)
                singles += [Change((each,)) for each in put] if len(put) > 1 else []
        every = (layers for layers in throughout.values() if len(layers) > 1)
        found += [Change(tuple(itertools.chain.from_iterable(layers))) for layers in every]
        return tuple(found + (singles if len(singles) <= MOST_SINGLE_EDGES else []))

    @cached_property
    def last_layer(self) -> tuple[Neuron, ...]:
        """The preactivations of the last layer on the way, where it ends in the loss."""
        depth = self.ground.judge.scope.depth
        if self.way.of[0].role is not Role.LOSS:
            return ()
        return tuple(
            n for n in self.way.neurons if n[0].role is Role.PREACTIVATION and n[0].layer == depth
        )

    @cached_property
    def errors(self) -> tuple[Error, ...]:
        """What may stand for ∂L/∂a of the last layer, where the way leads through it."""
        return self.ground.errors if self.last_layer else ()

    @cached_property
    def shares(self) -> tuple[Share, ...]:
        """The paths through a neuron that some but not all run through, one path, or two."""
        count, ways = self.way.count, list(made(Place.PATHS))
        parting = [n for n in self.way.neurons if 0 < self.through[n] < count]
        numbers = range(len(self.paths))
        found = [Share(self, *way, neuron) for neuron in parting for way in ways]
        found += [Share(self, *way, paths=(k,)) for k in numbers for way in ways]
        if len(numbers) <= MOST_PAIRED_PATHS:
            kept = [way for way in ways if way[0] is not mistakes.PATH_SIGN]
            two = itertools.combinations(numbers, 2)
            found += [Share(self, *way, paths=pair) for pair in two for way in kept]
        return tuple(found)

    def _others(self) -> Iterator[Other]:
        """Contributions multiplied, or averaged; the derivative by another weight."""
        layers: dict[Variable, list[Neuron]] = defaultdict(list)
        for neuron in self.way.neurons:
            layers[neuron[0]].append(neuron)
        cuts = [  # every path runs through one of several neurons
            neurons
            for neurons in layers.values()
            if len(neurons) > 1 and sum(self.through[n] for n in neurons) == self.way.count
        ]
        for mistake, making in made(Place.LAYER):
            told = mistake.told(making.says)
            if 1 < len(self.paths) <= MOST_PAIRED_PATHS:
                yield Other(told, lambda t, m=making: t.joined(m, t.path_values))
            for neurons, which in itertools.product(cuts, range(3)):
                yield Other(
                    told, lambda t, n=neurons, k=which, m=making: t.joined(m, t.contributions(n)[k])
                )
        for count in dict.fromkeys(map(len, cuts)):
            told = mistakes.AVERAGE.found(number=count)
            yield Other(told, lambda t, n=count: t.right.whole * t.point.inverse(n) % t.prime)
        role, of = self.way.by[0].role, element_of(*self.way.of)
        same = [v for v in self.ground.judge.graph.variables if v.role is role]
        every = [(ref.variable, ref.indices) for v in same for ref in elements(v)]
        for n in every if role in PARAMETERS and len(every) < MOST_OTHERS else ():
            if n != self.way.by:
                words = {"of": spelled(of), "other": spelled(n), "by": spelled(self.way.by)}
                told, node = mistakes.ANOTHER.found(**words), Derivative(of, element_of(*n))
                yield Other(told, lambda t, node=node: t.point.known(node, node, {}))
        turned = self._turned()
        if turned is not None:
            plan, change = turned

            def swapped_way(t: Table) -> int | None:
                after = Table(plan, t.point).after(change)
                return None if after is None else after.whole

            yield Other(mistakes.ORDER.found(), swapped_way)

    def _turned(self) -> tuple[Plan, Change] | None:
        """The derivative by w_kji with every other weight swapped too, where all that exists."""
        variable, own = self.way.by
        if variable.role is not Role.WEIGHT:
            return None
        equations, by = self.ground.judge.equations, (variable, own[::-1])
        there = placed(equations, element_of(*by)) is not None
        way = way_between(equations, self.way.of, by) if there else None
        if way is None:
            return None
        weights = [edge for edge in way.edges if edge.kind is Kind.WEIGHT]
        put = [
            (edge, variant)
            for edge in weights
            for variant in self.ground.variants(edge)
            if variant.name == mistakes.TRANSPOSED.name
        ]
        straight = sum(edge.child[1] == edge.parent[1] for edge in weights)
        if len(put) + straight < len(weights):
            return None
        return Plan(self.ground, way), Change(tuple(put))

    @cached_property
    def pairs(self) -> tuple[tuple[Change | Error, Guess], ...]:
        """Two mistakes in different places, the first before the second; likelier ones first.

        Nothing that is computed before a mistake begins matters to it.
        """
        errors_begin = self.height[self.last_layer[0][0]] if self.errors else 0
        seconds: list[tuple[int, Guess]] = [(errors_begin, error) for error in self.errors]
        for change in self.changes:
            if len(change.groups) == 1:
                seconds += [(self.height[parent], change) for _, parent in change.groups]
        shares = [share for share in self.shares if share.neuron is not None]
        seconds += [(self.height[share.neuron[0]], share) for share in shares if share.neuron]
        ranks = {name: rank(name) for name in {guess.name for guess in self.guesses}}
        ranked: dict[tuple[int, int], list] = defaultdict(list)

        def add(first: Change | Error, second: Guess) -> None:
            own, other = ranks[first.name], ranks[second.name]
            ranked[(own, other) if own < other else (other, own)].append((first, second))

        for first in self.changes:
            end = max(self.height[parent] for _, parent in first.groups)
            for begin, second in seconds:
                if begin > end:
                    add(first, second)
        if len(self.last_layer) > 1:
            for error, share in itertools.product(self.errors, shares):
                if share.neuron in self.last_layer:
                    add(error, share)
        found = itertools.chain.from_iterable(ranked[ranks] for ranks in sorted(ranked))
        return tuple(itertools.islice(found, MOST_PAIRS))


def path_text(path: Sequence[Edge]) -> str:
    """w_131 → a_13 → h_13 → a_22 → ŷ_1; the loss at the end goes without saying.

    The names are those of the neurons in the order of the computation.
    """
    neurons = [path[0].parent, *(edge.child for edge in path)]
    if neurons[-1][0].role is Role.LOSS:
        neurons.pop()
    return " → ".join(spelled(neuron) for neuron in neurons)


class Table:
    """One way at one point: what is right, and what each mistake makes of it."""

    def __init__(self, plan: Plan, point: Point) -> None:
        self.plan, self.point, self.prime = plan, point, point.prime
        way = plan.way
        self.slopes = {
            (e.child, e.parent): point.known((e.child, e.parent), e.node, e.letters)
            for e in way.edges
        }
        up, down = self.upwards(self.slopes), {way.of: 1}
        for edge in reversed(way.edges):
            share = self.slopes[edge.child, edge.parent] * down[edge.child]
            down[edge.parent] = (down.get(edge.parent, 0) + share) % self.prime
        self.right = State(up.get(way.of, 0), up, down)
        self._shifts: dict[Guess, Mapping[Neuron, int] | None] = {}
        self._afters: dict[Guess, State | None] = {}

    def upwards(self, slopes: Mapping[tuple[Neuron, Neuron], int]) -> dict[Neuron, int]:
        """∂neuron/∂by for every neuron on the way."""
        up = {self.plan.way.by: 1}
        for edge in self.plan.way.edges:
            share = slopes[edge.child, edge.parent] * up[edge.parent]
            up[edge.child] = (up.get(edge.child, 0) + share) % self.prime
        return up

    def put(self, variant: Variant) -> int:
        """The residue of what stands for a local derivative."""
        return self.point.known(variant, variant.node, variant.letters)

    def _once(self, known: dict, guess: Guess, work: Callable[[Table], Any]) -> Any:
        """What ``work`` gives for a guess, found once; None where there is no value."""
        if guess not in known:
            try:
                known[guess] = work(self)
            except (SymbackError, ArithmeticError):
                known[guess] = None
        return known[guess]

    def shifted(self, guess: Change | Error, state: State) -> int | None:
        """A derivative with a mistake in one group of local derivatives, or in ∂L/∂a."""
        shift = self._once(self._shifts, guess, guess.shift)
        if shift is None:
            return None
        return (state.whole + sum(d * state.up[n] for n, d in shift.items())) % self.prime

    def after(self, guess: Change | Error) -> State | None:
        """What is left to go on with after a mistake."""
        return self._once(self._afters, guess, guess.after)

    def value(self, guess: Guess) -> int | None:
        """The derivative with one mistake."""
        return guess.value(self, self.right)

    def pair(self, first: Change | Error, second: Guess) -> int | None:
        """The derivative with two mistakes, the second further on than the first."""
        after = self.after(first)
        return None if after is None else second.value(self, after)

    @cached_property
    def singles(self) -> dict[Guess, int]:
        """The derivative under every single mistake."""
        values = ((guess, self.value(guess)) for guess in self.plan.guesses)
        return {guess: value for guess, value in values if value is not None}

    @cached_property
    def doubles(self) -> dict[int, tuple[Change | Error, Guess]]:
        """What two mistakes in different places make of it; the first pair for each residue."""
        values = ((self.pair(*pair), pair) for pair in reversed(self.plan.pairs))
        return {value: pair for value, pair in values if value is not None}

    @cached_property
    def path_values(self) -> list[int]:
        """The product along each path."""
        found = []
        for path in self.plan.paths:
            value = 1
            for edge in path:
                value = value * self.slopes[edge.child, edge.parent] % self.prime
            found.append(value)
        return found

    def contributions(self, neurons: Sequence[Neuron]) -> tuple[list[int], ...]:
        """What is added over a layer; the same, or ∂of/∂neuron, with what is common to all apart.

        An empty list where nothing is common.
        """
        neuron, up, down = self.plan.way.by, self.right.up, self.right.down
        while len(edges := self.plan.way.out_of.get(neuron, ())) == 1:
            neuron = edges[0].child  # the paths part first at the end of this
        common = up[neuron]
        shares = [down[n] * up[n] % self.prime for n in neurons]
        inverse = self.point.inverse(common) if common else 0
        bracket = [*(share * inverse % self.prime for share in shares), common] if common else []
        return shares, bracket, [*(down[n] for n in neurons), common]

    def joined(self, making: Making, shares: Sequence[int]) -> int | None:
        """What a making makes of the contributions of a layer."""
        return making.make(shares) % self.prime if shares else None

    def substituted(self, edge: Edge, value: int) -> int:
        """The derivative with another residue for one local derivative."""
        wrong = value - self.slopes[edge.child, edge.parent]
        right = self.right
        return (right.whole + right.down[edge.child] * wrong * right.up[edge.parent]) % self.prime


# --------------------------------------------------------------------------------------- search


@dataclass(frozen=True, slots=True)
class Reading:
    """A point, the truth there and the wrong value."""

    point: Point
    truth: int
    wrong: int


class Search:
    """The mistakes that account for a wrong value, one or several together.

    ``plan`` is that of the way the right value was made; without one only the two values are
    known: a sign, a number, a simple factor or term.
    """

    def __init__(self, readings: Sequence[Reading], plan: Plan | None) -> None:
        self.readings, self.plan, first = readings, plan, readings[0]
        self.point, self.truth, self.value = first.point, first.truth, first.wrong
        self.prime = self.point.prime
        self.tables = [plan.ground.table(plan, r.point) for r in readings] if plan else []
        self._singles = self.tables[0].singles if plan else {}

    def one(self) -> Iterator[Told]:
        """Every single mistake, a sign or a number, another weight in one place."""
        for guess, value in self._singles.items():
            if value == self.value and self._is(guess):
                yield guess.told()
        yield from self._number(self.truth)
        if self.plan is not None:
            yield from self._wrong_weights()

    def several(self) -> list[Told]:
        """A mistake and a number; a factor or a term; two mistakes; a mistake and a factor."""
        searches = (
            lambda: self._one_and(self._number),
            self._factor_or_term,
            self._two,
            lambda: self._one_and(self._factor),
        )
        return next(filter(None, (list(search()) for search in searches)), [])

    def _holds(self, value: Callable[[int], int | None]) -> bool:
        """Whether ``value`` of the number of a point gives the side there."""
        return all(value(k) == each.wrong for k, each in enumerate(self.readings))

    def _is(self, guess: Guess) -> bool:
        equations = self.point.ground.judge.equations
        is_alone = len(self.tables) == 1
        if is_alone and isinstance(guess, (Change, Error)) and equations.is_kinked(guess.node):
            return False  # the side has one formula, this has several: it is one by chance
        return self._holds(lambda k: self.tables[k].value(guess))

    def _is_times(self, scale: Callable[[int], int | None], guess: Guess | None) -> bool:
        """Whether the side is so many times what is right, or what a mistake makes of it."""

        def times(k: int) -> int | None:
            known = self.readings[k].truth if guess is None else self.tables[k].value(guess)
            number = scale(k)
            return None if known is None or number is None else known * number % self.prime

        return self._holds(times)

    def _number(self, value: int, guess: Guess | None = None) -> Iterator[Told]:
        """The side is ``value`` times a small number."""
        c = self._multiples.get(value) if value else None
        if c is None:
            return
        scale = c.numerator * self.point.inverse(c.denominator % self.prime)
        if self._is_times(lambda _: scale, guess):
            for mistake, making in made(Place.NUMBER):
                words = making.make(c)
                if words is not None:
                    yield mistake.told(making.says, **words)

    @cached_property
    def _multiples(self) -> dict[int, Fraction]:
        """side / c ↦ c for small numbers c."""
        numbers = self.point.inverses if self.value else ()
        return {self.value * inverse % self.prime: c for inverse, c in numbers}

    def _factor(self, value: int, guess: Guess | None = None) -> Iterator[Told]:
        """The side is ``value`` times or over a simple factor."""
        if value not in self._factors:
            return
        word, sign, is_spurious = self._factors[value]

        def scale(k: int) -> int | None:
            factor = sign * self.readings[k].point.word(word)  # 0 where the word has no value
            return (factor if is_spurious else self.point.inverse(factor)) if factor else None

        if self._is_times(scale, guess):
            mistake = mistakes.SPURIOUS_FACTOR if is_spurious else mistakes.MISSING_FACTOR
            if word.is_derivative and is_spurious:
                mistake = mistakes.PATHS_MULTIPLIED
            yield mistake.found(factor=f"-{word.text}" if sign < 0 else word.text)

    @cached_property
    def _factors(self) -> dict[int, tuple[Word, int, bool]]:
        """What the side is ± a simple factor times or over."""
        found: dict[int, tuple[Word, int, bool]] = {}
        for residue, (word, *_) in self.point.words.items() if self.value else ():
            for factor, is_spurious in ((self.point.inverse(residue), True), (residue, False)):
                for sign in (1, -1):
                    key = sign * self.value * factor % self.prime
                    found.setdefault(key, (word, sign, is_spurious))
        return found

    def _factor_or_term(self) -> Iterator[Told]:
        yield from self._factor(self.truth)
        difference = (self.value - self.truth) % self.prime
        for sign, mistake in ((1, mistakes.SPURIOUS_TERM), (-1, mistakes.MISSING_TERM)):
            for word in self.point.words.get(sign * difference % self.prime, ()):
                sums = (r.truth + sign * r.point.word(word) - r.wrong for r in self.readings)
                if not any(each % self.prime for each in sums):
                    yield mistake.found(term=word.text)
                    return

    def _wrong_weights(self) -> Iterator[Told]:
        """Another weight in one place: solved for there, and looked up."""
        table = self.tables[0]
        difference = self.value - table.right.whole
        for edge in table.plan.way.edges:
            share = table.right.down[edge.child] * table.right.up[edge.parent] % self.prime
            if edge.kind is not Kind.WEIGHT or not share:
                continue
            right = table.slopes[edge.child, edge.parent]
            needed = (right + difference * self.point.inverse(share)) % self.prime
            layer, own = edge.child[0].layer, (*edge.child[1], *edge.parent[1])
            for word in self.point.words.get(needed, ()):
                if word.role is not Role.WEIGHT or word.neuron is None:
                    continue
                same = word.neuron[0].layer == layer
                if same and word.neuron[1] == own[::-1]:
                    continue  # its indices are swapped, which has a name of its own
                values = (
                    (table.substituted(edge, r.point.word(word)), r.wrong)
                    for table, r in zip(self.tables, self.readings, strict=True)
                )
                if all(value == wrong for value, wrong in values):
                    belongs = spelled(indexed("w", layer or 0, *own))
                    mistake = mistakes.WEIGHT_INDEX if same else mistakes.WEIGHT_LAYER
                    yield mistake.found(other=word.text, right=belongs)

    def _one_and(self, more: Callable[[int, Guess], Iterator[Told]]) -> Iterator[Told]:
        """A mistake together with a number or a factor."""
        for guess, value in self._singles.items():
            told = list(more(value, guess)) if value else []
            if told:
                yield from together([guess.told(), *told])
                return

    def _two(self) -> Iterator[Told]:
        if self.plan is None:
            return
        table = self.tables[0]

        def holds(pair: tuple[Change | Error, Guess]) -> bool:
            return self._holds(lambda k: self.tables[k].pair(*pair))

        pair = table.doubles.get(self.value)
        if pair is not None and not holds(pair):  # here by chance; each other pair may hold
            every = (each for each in self.plan.pairs if table.pair(*each) == self.value)
            pair = next((each for each in every if holds(each)), None)
        if pair is not None:
            yield from together([guess.told() for guess in pair])


def together(told: Sequence[Told]) -> Iterator[Told]:
    """Mistakes of which only all together account for the line."""
    for place, each in enumerate(told):
        others = " and ".join(other.name for other in (*told[:place], *told[place + 1 :]))
        yield Told(each.name, f"{each.text} (together with {others})")


# ----------------------------------------------------------------------------------- one line


@dataclass(frozen=True, slots=True)
class _Case:
    """One wrong side, with what stood before it."""

    ground: Ground
    previous: Node | None
    assumptions: Assumptions

    @property
    def judge(self) -> Judge:
        return self.ground.judge

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

    def explained_of_batch(self, truth: Node, wrong: Node) -> list[Told]:
        """The number of samples as a factor, a sum over them, a sign, or the layout of arrays."""
        what, mean = "this", ": the loss is the mean over the samples"
        total = ": the loss is the sum over the samples"
        network = self.judge.work.spec
        is_mean = isinstance(network, NetworkSpec) and network.over_samples == "mean"
        sums = [Call("sum", (wrong, axis)) for axis in (ONE, ZERO)] if is_array(wrong) else []
        unsummed = mistakes.UNSUMMED.found(what="the left side")
        tried = [
            (mistakes.CONSTANT.found(what=what, number="m", why=mean if is_mean else ""),
             Quotient(wrong, COUNT)),
            (mistakes.CONSTANT.found(what=what, number="1/m", why="" if is_mean else total),
             Product((COUNT, wrong))),
            (mistakes.SIGN.found(what=what), negative(wrong)),
            *((unsummed, each) for each in sums),
            *((unsummed, Quotient(each, COUNT)) for each in sums),
        ]  # fmt: skip
        found = [told for told, repaired in tried if self._is_right(truth, repaired)]
        return found[:1] or self._of_layout(truth, wrong)

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
                    instance = _Instance(self.ground, *sides, previous, assumptions)
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
            return [mistakes.MISSING_TERM.found("step")]
        along = Quotient(Total((step, negative(wrong))), Element("eta"))
        found = self.explained(Derivative(LOSS, step), along)
        uphill, sign = mistakes.DESCENT.found(), mistakes.SIGN.name
        return [uphill if each.name == sign else each for each in found]

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
        return [mistakes.ORDER.found()] if self._is_right(truth, swapped(wrong)) else []

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
        shape, values = (), []
    if not shape:
        yield truth, wrong
        return
    places = list(itertools.product(range(1, shape[0] + 1), range(1, shape[1] + 1)))
    differing = {
        places[k % len(places)] for k, (u, v) in enumerate(zip(*values, strict=False)) if u != v
    }
    for i, j in sorted(differing, key=lambda place: (place[0] == place[1], place)):
        at, own = (Index("", i), Index("", j)), (i,) if shape[1] == 1 else (i, j)
        match truth:
            case Derivative(Element() as of, Array() as by):
                yield Derivative(of, _element(by, own)), Component(wrong, at)
            case Array():
                yield _element(truth, own), Component(wrong, at)
            case _:
                yield Component(truth, at), Component(wrong, at)


def _element(array: Array, own: tuple[int, ...]) -> Element:
    letter = "w" if array.letter == "W" else array.letter
    head = () if array.layer is None else (array.layer,)
    return Element(letter, (*head, *(Index("", each) for each in own)))


@dataclass(frozen=True)
class _Instance:
    """One wrong side that is a number, for one choice of the indices."""

    ground: Ground
    truth: Node
    wrong: Node
    previous: Node | None
    assumptions: Assumptions

    @cached_property
    def readings(self) -> list[Reading]:
        """A few points, at some of which the side is not 0; one where it is wrong comes first."""
        for level in (SHALLOW, LEVELS - 1):
            found: list[Reading] = []
            try:
                for point in self.ground.points(self.wrong, self.assumptions, level):
                    found.append(Reading(point, point.value(self.truth), point.value(self.wrong)))
                    is_alive = sum(each.wrong != 0 for each in found) > 1
                    differs = any(each.truth != each.wrong for each in found)
                    if len(found) >= MOST_POINTS and is_alive and differs:
                        break
            except (SymbackError, ArithmeticError):
                continue
            return sorted(found, key=lambda each: (each.truth == each.wrong, not each.truth))
        return []

    @property
    def differs(self) -> bool:
        """Whether the sides differ here."""
        return bool(self.readings) and self.readings[0].truth != self.readings[0].wrong

    @cached_property
    def _search(self) -> Search:
        plan = None
        match self.truth:
            case Derivative(Element() as of, Element() as by):
                plan = self.ground.plan(of, by)
        return Search(self.readings, plan)

    def explained(self) -> list[Told]:
        """One mistake; else a slip in the step; else two; else what the side has too many."""
        search = self._search
        steps = () if self.previous is None else step_slips(self.previous)
        for found in (
            lambda: [*search.one(), *self._written(self.ground.slips(self.truth))],
            lambda: self._mended(_within(self.wrong, Place.UNDONE)),
            lambda: self._written(steps),
            self._broken_chain,
            search.several,
            lambda: self._mended(_within(self.wrong, Place.REPAIR)),
        ):
            told = list(found())
            if told:
                return told
        return []

    def _written(self, slips: Iterable[tuple[Told, Node]]) -> Iterator[Told]:
        """The slips that give the side, at points enough to see the cases of a function."""
        for told, node in slips:
            if self._agrees(node, "wrong"):
                by_chance = len(self.readings) == 1 < len(self.ground.judge.patterns((node,)))
                if not by_chance:
                    yield told

    def _mended(self, mended: Iterable[tuple[Told, Node]]) -> Iterator[Told]:
        """The first slip without which the side would be right."""
        if sum(1 for _ in itertools.islice(walk(self.wrong), MOST_PARTS + 1)) > MOST_PARTS:
            return
        for told, node in itertools.islice(mended, MOST_REPAIRS):
            if self._agrees(node, "truth"):
                yield told
                return

    def _agrees(self, node: Node, side: str) -> bool:
        """Whether a node has the value of one of the sides at every point."""
        try:
            return all(each.point.value(node) == getattr(each, side) for each in self.readings)
        except (SymbackError, ArithmeticError):
            return False

    def _broken_chain(self) -> Iterator[Told]:
        """A chain ∂L/∂ŷ · ∂a/∂w that lacks a link, alone or with one more mistake."""
        plan = self._search.plan
        if plan is None:
            return
        of, by = (element_of(*end) for end in (plan.way.of, plan.way.by))
        for term in self.wrong.terms if isinstance(self.wrong, Total) else (self.wrong,):
            factors = flattened((term,))
            gap = _gap([each for each in factors if isinstance(each, Derivative)], of, by)
            if gap is None:
                continue
            told = mistakes.MISSING_FACTOR.found("chain", of=spelled(gap[0]), by=spelled(gap[1]))
            node = replaced(self.wrong, term, Product((*factors, Derivative(*gap))))
            mended = replace(self, wrong=node, previous=None)
            if self._agrees(node, "truth"):
                yield told
            elif mended.differs and mended._search.plan is not None:
                others = list(mended._search.one())[:1]
                yield from together([told, *others]) if others else ()


def _gap(links: Sequence[Derivative], of: Element, by: Element) -> tuple[Element, Element] | None:
    """The only place where a chain from ``of`` to ``by`` is broken."""
    tops = [of, *(link.by for link in links)]
    bottoms = [*(link.of for link in links), by]
    for each in list(tops):
        if each in bottoms:
            tops.remove(each)
            bottoms.remove(each)
    match tops, bottoms:
        case [Element() as above], [Element() as below] if links:
            return above, below
        case _:
            return None


# ------------------------------------------------------------------------- slips and repairs


def _within(node: Node, place: Place) -> Iterator[tuple[Told, Node]]:
    """What the rows make of a node, in one of its parts: a slip, or a repair of one."""
    for part in dict.fromkeys(walk(node)):
        for mistake, making in made(place):
            for words, other in making.make(part):
                yield mistake.told(making.says, **words), replaced(node, part, other)


def step_slips(before: Node) -> Iterator[tuple[Told, Node]]:
    """What a rule of algebra or calculus misapplied makes of the side before."""
    yield from _within(before, Place.STEP)
    for part in dict.fromkeys(walk(before)):
        match part:
            case Derivative(of, Element() as by) if not isinstance(of, (Element, Array)):
                for told, slipped in calculus_slips(of, by):
                    yield told, replaced(before, part, slipped)


def layout_repairs(wrong: Node) -> Iterator[tuple[Told, Node]]:
    """The side with one or two transposes or products put right, or with another array put in."""
    yield mistakes.LAYOUT.found("turned"), Transpose(wrong)
    once = list(_with_another_layout(wrong))
    yield from once
    yield from _with_other_arrays(wrong)
    for first, node in once:
        for second, repaired in _with_another_layout(node):
            if repaired != wrong:
                yield mistakes.LAYOUT.found("both", first=first.text, second=second.text), repaired


def _with_another_layout(wrong: Node) -> Iterator[tuple[Told, Node]]:
    for part in dict.fromkeys(walk(wrong)):
        for mistake, making in made(Place.LAYOUT):
            for words, other in making.make(part, wrong):
                whole = isinstance(part, (Array, Derivative))
                put = _replaced_outside if whole else replaced
                yield mistake.told(making.says, **words), put(wrong, part, other)


def _with_other_arrays(wrong: Node) -> Iterator[tuple[Told, Node]]:
    """W_k and the error behind it one layer further on or back; another activation or weight."""
    arrays = list(dict.fromkeys(part for part in walk(wrong) if isinstance(part, Array)))
    weights = (each.layer for each in arrays if each.letter == "W" and each.layer is not None)
    for layer in dict.fromkeys(weights):
        for step in (-1, 1):
            other = replace(layer, offset=layer.offset + step)
            this, that = (layer_text(each) for each in (layer, other))
            told = mistakes.WEIGHT_LAYER.found("with_error", this=this, other=that)
            yield told, _with_layer(wrong, layer, other)
    for array in arrays:
        for mistake, making in made(Place.ARRAY):
            for words, other in making.make(array):
                told = mistake.told(making.says, **words)
                yield told, _replaced_outside(wrong, array, other)


def _with_layer(node: Node, layer: Index, other: Index) -> Node:
    """``node`` with W, δ and what is differentiated by of another layer."""
    if isinstance(node, Array) and node.letter in ("W", "delta", "a") and node.layer == layer:
        return replace(node, layer=other)
    return rebuilt(node, lambda part: _with_layer(part, layer, other))


def _replaced_outside(node: Node, old: Node, new: Node) -> Node:
    """`replaced`, but not in what is differentiated by."""
    if node == old:
        return new
    if isinstance(node, Derivative):
        return node
    return rebuilt(node, lambda part: _replaced_outside(part, old, new))
