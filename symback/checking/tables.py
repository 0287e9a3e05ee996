"""What every mistake makes of one derivative, as residues to be looked up.

Here one can

* list the mistakes that are possible on a `Way`: `changes_of`;
* work out at a `Point` what each makes of the derivative: `Table.singles`, a residue for each key,
  and what two of them make together: `Table.pairs`; `Table.told` says a key in words.

The derivative is Σ over paths Π of local derivatives, so it is linear in the local derivatives
between any two quantities: another value v for ∂c/∂p adds ∂f/∂c · (v - ∂c/∂p) · ∂p/∂v.  Two
mistakes together are one such sum after another.  That makes a mistake a few multiplications.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from symback.checking.conversion import element_of
from symback.checking.correct import MOST_PATHS, Edge, Kind, Neuron, Way, spelled, way_between
from symback.checking.mistakes import Told, rank
from symback.checking.points import Ground, Point
from symback.checking.variants import STEPPED, ErrorVariant, Variant
from symback.language.errors import SymbackError
from symback.language.expressions import Derivative
from symback.language.names import PARAMETERS, Role, Variable, elements

__all__ = ["Change", "Key", "Plan", "Table", "in_words"]

Key = tuple[Hashable, ...]
"""Tells the mistakes of one way apart, the same at every point."""

MOST_SINGLE_EDGES = 1500
"""So many replacements of a single local derivative are looked at; beyond, whole layers only."""

MOST_PAIRS = 20_000
"""So many pairs of mistakes are looked at."""

MOST_PAIRED_PATHS = 40
"""Of so many paths any two may be missing."""


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Other values for some local derivatives: one, those of a layer, or all of a kind."""

    told: Told
    put: tuple[tuple[Edge, Variant], ...]
    groups: frozenset[tuple[Variable, Variable]]

    @classmethod
    def of(cls, put: Sequence[tuple[Edge, Variant]]) -> Change:
        """The change that puts a variant for each of some edges."""
        variant = put[0][1]
        text = variant.general if len(put) > 1 and variant.general else variant.text
        groups = frozenset((edge.child[0], edge.parent[0]) for edge, _ in put)
        return cls(Told(variant.name, text), tuple(put), groups)


class Plan:
    """The mistakes that are possible on one way; what does not depend on the point."""

    def __init__(self, ground: Ground, way: Way) -> None:
        self.ground, self.way = ground, way
        self.edges = {(edge.child, edge.parent): place for place, edge in enumerate(way.edges)}

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """Every replacement of local derivatives: throughout, in a layer, or in one place."""
        return tuple(_changes(self))

    @cached_property
    def errors(self) -> tuple[ErrorVariant, ...]:
        """What may stand for ∂L/∂a of the last layer, where the way leads through it."""
        return self.ground.errors if self.last_layer else ()

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
    def cuts(self) -> tuple[tuple[Neuron, ...], ...]:
        """The quantities of which every path runs through one of several neurons."""
        layers: dict[Variable, list[Neuron]] = defaultdict(list)
        for neuron in self.way.neurons:
            layers[neuron[0]].append(neuron)
        return tuple(
            tuple(neurons)
            for neurons in layers.values()
            if len(neurons) > 1 and sum(self.through[n] for n in neurons) == self.way.count
        )

    @cached_property
    def through(self) -> Mapping[Neuron, int]:
        """How many paths run through each neuron."""
        before, after = {self.way.by: 1}, {self.way.of: 1}
        for edge in self.way.edges:
            before[edge.child] = before.get(edge.child, 0) + before[edge.parent]
        for edge in reversed(self.way.edges):
            after[edge.parent] = after.get(edge.parent, 0) + after.get(edge.child, 0)
        return {n: before[n] * after[n] for n in self.way.neurons}

    @cached_property
    def order(self) -> Mapping[tuple[Variable, Variable], int]:
        """How far on a group of edges begins: the place of its parent."""
        return {group: self.height[group[1]] for group in self.way.groups}

    @cached_property
    def height(self) -> Mapping[Variable, int]:
        """The quantities on the way in the order of the computation, from 0."""
        return {v: k for k, v in enumerate(dict.fromkeys(n[0] for n in self.way.neurons))}

    @cached_property
    def pairs(self) -> tuple[tuple[Key, Key], ...]:
        """Two mistakes in different places, the first before the second; likelier ones first."""
        seconds: list[Key] = [("error", place) for place in range(len(self.errors))]
        seconds += [("change", k) for k, c in enumerate(self.changes) if len(c.groups) == 1]
        seconds += [(kind, n) for kind in _PATH_NAMES for n in self.parting]
        begins = [(self.lowest(key), self._rank(key), key) for key in seconds]
        ranked: dict[tuple[int, int], list[tuple[Key, Key]]] = {}
        for place in range(len(self.changes)):
            first: Key = ("change", place)
            end, own = self.highest(place), self._rank(first)
            for begin, other, key in begins:
                if begin > end:
                    ranks = (own, other) if own < other else (other, own)
                    ranked.setdefault(ranks, []).append((first, key))
        for first, key in self._errors_and_paths():
            low, high = sorted((self._rank(first), self._rank(key)))
            ranked.setdefault((low, high), []).append((first, key))
        found = itertools.chain.from_iterable(ranked[ranks] for ranks in sorted(ranked))
        return tuple(itertools.islice(found, MOST_PAIRS))

    def _errors_and_paths(self) -> Iterator[tuple[Key, Key]]:
        if len(self.last_layer) > 1:
            every = itertools.product(range(len(self.errors)), _PATH_NAMES, self.last_layer)
            yield from ((("error", place), (kind, neuron)) for place, kind, neuron in every)

    def _rank(self, key: Key) -> int:
        """How likely a mistake is, the likelier the smaller."""
        name = _PATH_NAMES.get(str(key[0]))  # in words, a path is long to write
        return rank(name or in_words(self, key).name)

    def is_stepped(self, key: Key) -> bool:
        """Whether a mistake puts 0 or 1 for a slope, which at one point could be by chance."""
        if key[0] != "change":
            return False
        _, variant = self.changes[key[1]].put[0]  # pyright: ignore[reportArgumentType, reportCallIssue]
        return variant.name == "wrong-activation-derivative" and variant.key in STEPPED

    def highest(self, place: int) -> int:
        """How far on the last local derivative of a change begins."""
        return self._highest[place]

    @cached_property
    def _highest(self) -> list[int]:
        return [max(self.order[group] for group in change.groups) for change in self.changes]

    def lowest(self, key: Key) -> int:
        """How far on a mistake begins; nothing before it matters to it."""
        kind, place = key[0], key[1]
        if kind == "error":
            return self.height[self.last_layer[0][0]]
        if kind == "change":
            return min(self.order[group] for group in self.changes[place].groups)  # pyright: ignore[reportArgumentType, reportCallIssue]
        return self.height[place[0]]  # pyright: ignore[reportIndexIssue]

    @cached_property
    def parting(self) -> tuple[Neuron, ...]:
        """The neurons that some paths run through and others do not."""
        return tuple(n for n in self.way.neurons if 0 < self.through[n] < self.way.count)

    @cached_property
    def paths(self) -> tuple[tuple[Edge, ...], ...]:
        """All paths, where there are not too many."""
        return tuple(self.way.paths()) if 1 < self.way.count <= MOST_PATHS else ()

    @cached_property
    def others(self) -> tuple[Neuron, ...]:
        """The other weights, or biases, that one might have differentiated by."""
        if self.way.by[0].role not in PARAMETERS:
            return ()
        variables = [v for v in self.ground.judge.graph.variables if v.role is self.way.by[0].role]
        every = [(ref.variable, ref.indices) for v in variables for ref in elements(v)]
        return (
            tuple(neuron for neuron in every if neuron != self.way.by) if len(every) < 500 else ()
        )

    @cached_property
    def swapped(self) -> tuple[Plan, Change] | None:
        """The derivative by w_kji with every other weight swapped too, where all that exists."""
        variable, own = self.way.by
        if variable.role is not Role.WEIGHT:
            return None
        rows, columns = (int(size) for size in variable.shape)
        if own[1] > rows or own[0] > columns:
            return None
        way = way_between(self.ground.judge.equations, self.way.of, (variable, own[::-1]))
        if way is None:
            return None
        plan = Plan(self.ground, way)
        return _all_turned(plan)


def _all_turned(plan: Plan) -> tuple[Plan, Change] | None:
    """All weights of a way swapped; None where one has no counterpart, or nothing is swapped."""
    weights = [edge for edge in plan.way.edges if edge.kind is Kind.WEIGHT]
    put = [
        (edge, variant)
        for edge in weights
        for variant in plan.ground.variants(edge)
        if variant.name == "transposed-weight"
    ]
    straight = [edge for edge in weights if edge.child[1] == edge.parent[1]]
    if len(put) + len(straight) < len(weights):
        return None
    told = Told(
        "index-order", "w_kij is read as w_kji; the first index is the neuron it leads into"
    )
    groups = frozenset((edge.child[0], edge.parent[0]) for edge, _ in put)
    return plan, Change(told, tuple(put), groups)


def _changes(plan: Plan) -> Iterator[Change]:
    throughout: dict[tuple[Kind, str, str], list[list[tuple[Edge, Variant]]]] = defaultdict(list)
    singles: list[Change] = []
    for edges in plan.way.groups.values():
        alike: dict[tuple[str, str], list[tuple[Edge, Variant]]] = defaultdict(list)
        for edge in edges:
            for variant in plan.ground.variants(edge):
                alike[variant.name, variant.key].append((edge, variant))
        for (name, key), put in alike.items():
            yield Change.of(put)
            throughout[edges[0].kind, name, key].append(put)
            if len(put) > 1:
                singles += [Change.of([each]) for each in put]
    for layers in throughout.values():
        if len(layers) > 1:
            yield Change.of([each for put in layers for each in put])
    if len(singles) <= MOST_SINGLE_EDGES:
        yield from singles


# ---------------------------------------------------------------------------------------- table


class Table:
    """One way at one point: the truth, and what each mistake makes of it."""

    def __init__(self, plan: Plan, point: Point) -> None:
        self.plan, self.point, self.prime = plan, point, point.prime
        way = plan.way
        self.slopes = {(e.child, e.parent): point.edge(e) for e in way.edges}
        self.up = self._upwards(self.slopes)
        self.down = self._downwards()
        self.truth = self.up.get(way.of, 0)
        self._ups: dict[Hashable, dict[Neuron, int] | None] = {}
        self._shifts: dict[Key, tuple[tuple[Neuron, int], ...] | None] = {}

    def _upwards(self, slopes: Mapping) -> dict[Neuron, int]:
        """∂neuron/∂by for every neuron on the way."""
        up, p = {self.plan.way.by: 1}, self.prime
        for edge in self.plan.way.edges:
            share = slopes[edge.child, edge.parent] * up[edge.parent]
            up[edge.child] = (up.get(edge.child, 0) + share) % p
        return up

    def _downwards(self) -> dict[Neuron, int]:
        """∂of/∂neuron."""
        down, p = {self.plan.way.of: 1}, self.prime
        for edge in reversed(self.plan.way.edges):
            share = self.slopes[edge.child, edge.parent] * down[edge.child]
            down[edge.parent] = (down.get(edge.parent, 0) + share) % p
        return down

    # --------------------------------------------------------------------------- one mistake

    @cached_property
    def singles(self) -> dict[Key, int]:
        """The derivative under every single mistake that is not a number or a factor."""
        found: dict[Key, int] = {}
        for entries in (self._changed, self._in_error, self._without_paths, self._elsewhere):
            found.update(entries())
        return found

    def _put(self, edge: Edge, variant: Variant) -> int | None:
        """The residue of a variant; None where it has none."""
        key = (edge.child, edge.parent, variant.name, variant.key)
        try:
            return self.point.known(key, variant.node, variant.letters)
        except (SymbackError, ArithmeticError):
            return None

    def _changed(self) -> Iterator[tuple[Key, int]]:
        for place in range(len(self.plan.changes)):
            value = self.changed(place)
            if value is not None:
                yield ("change", place), value

    def changed(self, place: int) -> int | None:
        """The derivative under one change of local derivatives."""
        change = self.plan.changes[place]
        if len(change.groups) == 1:
            more = self._shift(change, self.up)
            return None if more is None else (self.truth + more) % self.prime
        up = self._risen(place)
        return None if up is None else up[self.plan.way.of]

    def _shift(self, change: Change, up: Mapping[Neuron, int]) -> int | None:
        """What a change of one group adds, given ∂neuron/∂by below it."""
        more = 0
        for edge, variant in change.put:
            value = self._put(edge, variant)
            if value is None:
                return None
            wrong = value - self.slopes[edge.child, edge.parent]
            more += self.down[edge.child] * wrong % self.prime * up[edge.parent]
        return more % self.prime

    def _risen_by(self, change: Change) -> dict[Neuron, int] | None:
        slopes = dict(self.slopes)
        for edge, variant in change.put:
            value = self._put(edge, variant)
            if value is None:
                return None
            slopes[edge.child, edge.parent] = value
        return self._upwards(slopes)

    def _in_error(self) -> Iterator[tuple[Key, int]]:
        for place in range(len(self.plan.errors)):
            error = self.error(place)
            if error is not None:
                yield ("error", place), self._closed(error, self.up)

    def error(self, place: int) -> dict[Neuron, int] | None:
        """What stands for ∂L/∂a of the last layer."""
        variant = self.plan.errors[place]
        try:
            return {
                neuron: self.point.known(
                    (variant.name, variant.key, neuron), variant.nodes[neuron[1][0] - 1], {}
                )
                for neuron in self.plan.last_layer
            }
        except (SymbackError, ArithmeticError):
            return None

    def _closed(self, error: Mapping[Neuron, int], up: Mapping[Neuron, int]) -> int:
        return sum(value * up[neuron] for neuron, value in error.items()) % self.prime

    # --------------------------------------------------------------------------------- paths

    def share(self, neuron: Neuron) -> int:
        """The sum over the paths through a neuron."""
        return self.down[neuron] * self.up[neuron] % self.prime

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

    def _without_paths(self) -> Iterator[tuple[Key, int]]:
        for neuron in self.plan.parting:
            share = self.share(neuron)
            yield ("without", neuron), (self.truth - share) % self.prime
            yield ("only", neuron), share
            yield ("minus", neuron), (self.truth - 2 * share) % self.prime
        for k, value in enumerate(self.path_values):
            yield ("without path", k), (self.truth - value) % self.prime
            yield ("only path", k), value
            yield ("minus path", k), (self.truth - 2 * value) % self.prime
        if len(self.path_values) <= MOST_PAIRED_PATHS:
            for (k, one), (m, two) in itertools.combinations(enumerate(self.path_values), 2):
                yield ("without path", k, m), (self.truth - one - two) % self.prime
                yield ("only path", k, m), (one + two) % self.prime
            if len(self.path_values) > 1:
                yield ("multiplied paths", 0), self._product(self.path_values)
        yield from self._combined()

    def _combined(self) -> Iterator[tuple[Key, int]]:
        """The contributions of a layer multiplied, or their mean."""
        for neurons in self.plan.cuts:
            shares = [self.share(neuron) for neuron in neurons]
            yield ("mean", len(neurons)), self.truth * self.point.inverse(len(neurons)) % self.prime
            yield ("multiplied", neurons[0][0]), self._product(shares)
            common = self.up[self._trunk]
            if common:
                inverse = self.point.inverse(common)
                bracket = [share * inverse % self.prime for share in shares]
                yield ("multiplied in", neurons[0][0]), self._product([*bracket, common])
            downs = [self.down[neuron] for neuron in neurons]
            yield ("multiplied above", neurons[0][0]), self._product([*downs, common])

    @property
    def _trunk(self) -> Neuron:
        """The neuron at which the paths part first."""
        neuron = self.plan.way.by
        while len(edges := self.plan.way.out_of.get(neuron, ())) == 1:
            neuron = edges[0].child
        return neuron

    def _product(self, factors: Sequence[int]) -> int:
        made = 1
        for factor in factors:
            made = made * factor % self.prime
        return made

    # ----------------------------------------------------------------------- other derivatives

    def _elsewhere(self) -> Iterator[tuple[Key, int]]:
        of = element_of(*self.plan.way.of)
        for neuron in self.plan.others:
            node = Derivative(of, element_of(*neuron))
            yield ("another", neuron), self.point.known(("by", of, neuron), node, {})
        if self.plan.swapped is not None:
            plan, change = self.plan.swapped
            up = Table(plan, self.point)._risen_by(change)
            if up is not None:
                yield ("swapped",), up[plan.way.of]

    def value_of(self, key: Key) -> int | None:
        """The derivative under one mistake."""
        match key:
            case ("change", int(place)):
                return self.changed(place)
            case ("error", int(place)):
                error = self.error(place)
                return None if error is None else self._closed(error, self.up)
            case _:
                return self._rest.get(key)

    @cached_property
    def _rest(self) -> dict[Key, int]:
        return {**dict(self._without_paths()), **dict(self._elsewhere())}

    def substituted(self, edge: Edge, value: int) -> int:
        """The derivative with another residue for one local derivative."""
        wrong = value - self.slopes[edge.child, edge.parent]
        return (self.truth + self.down[edge.child] * wrong * self.up[edge.parent]) % self.prime

    # --------------------------------------------------------------------------- two mistakes

    @cached_property
    def doubles(self) -> dict[int, tuple[Key, Key]]:
        """What two mistakes in different places make of it; the first pair for each residue."""
        found: dict[int, tuple[Key, Key]] = {}
        for first, second in self.plan.pairs:
            value = self.pair(first, second)
            if value is not None:
                found.setdefault(value, (first, second))
        return found

    def pair(self, first: Key, second: Key) -> int | None:
        """The derivative under two mistakes."""
        if first[0] == "error":
            return self._error_and_path(first, second)
        up = self._risen(first[1])
        if up is None:
            return None
        whole = up[self.plan.way.of]
        if second[0] in ("change", "error"):
            shift = self._shift_above(second)
            return None if shift is None else (whole + _dot(shift, up)) % self.prime
        neuron: Neuron = second[1]  # pyright: ignore[reportAssignmentType]
        return self._left(second[0], whole, self.down[neuron] * up[neuron])

    def _risen(self, place: Hashable) -> dict[Neuron, int] | None:
        if place not in self._ups:
            self._ups[place] = self._risen_by(self.plan.changes[place])  # pyright: ignore[reportArgumentType, reportCallIssue]
        return self._ups[place]

    def _shift_above(self, key: Key) -> tuple[tuple[Neuron, int], ...] | None:
        """What a mistake adds to ∂of/∂(each neuron below it)."""
        if key not in self._shifts:
            self._shifts[key] = self._shifted(key)
        return self._shifts[key]

    def _shifted(self, key: Key) -> tuple[tuple[Neuron, int], ...] | None:
        place: int = key[1]  # pyright: ignore[reportAssignmentType]
        if key[0] == "error":
            error = self.error(place)
            if error is None:
                return None
            return tuple((n, value - self.down[n]) for n, value in error.items())
        more: dict[Neuron, int] = defaultdict(int)
        for edge, variant in self.plan.changes[place].put:
            value = self._put(edge, variant)
            if value is None:
                return None
            wrong = value - self.slopes[edge.child, edge.parent]
            more[edge.parent] += self.down[edge.child] * wrong % self.prime
        return tuple(more.items())

    def _error_and_path(self, first: Key, second: Key) -> int | None:
        error = self.error(first[1])  # pyright: ignore[reportArgumentType]
        if error is None:
            return None
        neuron: Neuron = second[1]  # pyright: ignore[reportAssignmentType]
        share = error[neuron] * self.up[neuron]
        return self._left(second[0], self._closed(error, self.up), share)

    def _left(self, kind: Hashable, whole: int, share: int) -> int:
        """What is left of a sum without a share, of it alone, or with its sign turned."""
        if kind == "only":
            return share % self.prime
        return (whole - (2 if kind == "minus" else 1) * share) % self.prime


def _dot(shift: tuple[tuple[Neuron, int], ...], up: Mapping[Neuron, int]) -> int:
    return sum(more * up[neuron] for neuron, more in shift)


# ---------------------------------------------------------------------------------------- words


def in_words(plan: Plan, key: Key) -> Told:
    """A mistake of a way by name and in words."""
    match key:
        case ("change", int(place)):
            return plan.changes[place].told
        case ("error", int(place)):
            return Told(plan.errors[place].name, plan.errors[place].text)
        case ("mean", number):
            return Told("average-for-sum", f"the mean of {number} contributions, not their sum")
        case (str(kind), _) if kind.startswith("multiplied"):
            return Told(
                "paths-multiplied", "the contributions of the paths are multiplied; they are added"
            )
        case ("another", neuron):
            of, right = spelled(plan.way.of), spelled(plan.way.by)
            other = spelled(neuron)  # pyright: ignore[reportArgumentType]
            return Told("another-weights-gradient", f"this is ∂{of}/∂{other}, not ∂{of}/∂{right}")
        case ("swapped",):
            assert plan.swapped is not None
            return plan.swapped[1].told
        case _:
            return _told_of_paths(plan, key)


_PATH_NAMES = {"without": "missing-path", "only": "single-path", "minus": "path-sign"}


def _told_of_paths(plan: Plan, key: Key) -> Told:
    kind, *which = key
    assert isinstance(kind, str)
    verb, _, listed = kind.partition(" ")
    if listed:
        paths = [plan.paths[k] for k in which]  # pyright: ignore[reportCallIssue, reportArgumentType]
    else:
        paths = [path for path in plan.paths if _runs_through(path, which[0])]
    name = _PATH_NAMES[verb]
    if verb == "only" and len(which) > 1:
        name = "missing-path"
    return Told(name, _path_text(plan, verb, paths, which[0]))


def _runs_through(path: Sequence[Edge], neuron: Hashable) -> bool:
    return any(edge.child == neuron for edge in path)


def _path_text(plan: Plan, verb: str, paths: Sequence, neuron: Hashable) -> str:
    count = plan.way.count
    if not paths:
        through = plan.through[neuron]  # pyright: ignore[reportArgumentType]
        which = f"those through {spelled(neuron)}"  # pyright: ignore[reportArgumentType]
    else:
        through = len(paths)
        which = " and ".join(path_text(path) for path in paths[:3]) + " and more" * (len(paths) > 3)
    if verb == "without":
        return f"{count - through} of {count} paths; missing {which}"
    if verb == "only":
        return f"{through} of {count} paths; only {which}"
    return f"{through} of {count} paths with the wrong sign: {which}"


def path_text(path: Sequence[Edge]) -> str:
    """w_131 → a_13 → h_13 → a_22 → ŷ_1; the loss at the end goes without saying.

    The names are those of the neurons in the order of the computation.
    """
    neurons = [path[0].parent, *(edge.child for edge in path)]
    if neurons[-1][0].role is Role.LOSS:
        neurons.pop()
    return " → ".join(spelled(neuron) for neuron in neurons)
