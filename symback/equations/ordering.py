"""In what order equations are computed: `groups`, each one equation or one recurrence.

Equations that need one another are a recurrence where they read strictly earlier values of one
index, or strictly later ones, and what they read at the same value of it has an order; anything
else that needs itself is refused.
"""

from __future__ import annotations

import graphlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from symback.equations.indices import Affine, Moves, number
from symback.equations.places import Site, nonnegative, sites
from symback.equations.ranges import Shapes
from symback.equations.system import Definition, Group
from symback.language.tables import SpecError

POINTS = 20_000
"""Combinations of letters that are gone through for the readings of one recurrence."""


def groups(definitions: Sequence[Definition], shapes: Shapes, sizes: Moves) -> tuple[Group, ...]:
    """The groups in an order in which everything is computed before it is read.

    ``shapes`` are those of computed arrays, ``sizes`` the numbers of sizes.  Raises `SpecError` for
    a cycle.
    """
    reached = _Reached(definitions)
    needs = [
        tuple(dict.fromkeys(n for site in _sites(each) for n in reached.by(site)))
        for each in definitions
    ]
    made = []
    for component in components(needs):
        members = [definitions[n] for n in sorted(component)]
        if len(members) == 1 and component[0] not in needs[component[0]]:
            made.append(Group((members[0],)))
        else:
            made.append(_Recurrence(members, shapes, sizes).group())
    return tuple(made)


def _sites(definition: Definition) -> Iterator[Site]:
    return sites(definition.term, Site(definition.lhs, definition.ranges))


class _Reached:
    """The definitions, by number, that an element which is read may belong to."""

    def __init__(self, definitions: Sequence[Definition]) -> None:
        self.definitions = definitions
        self.of: dict[str, list[int]] = {}
        for n, each in enumerate(definitions):
            self.of.setdefault(each.name, []).append(n)

    def by(self, site: Site) -> Sequence[int]:
        """Those of one reading: the base case that it is, or all of the array."""
        same = self.of.get(site.read.array, ())
        if len(same) < 2:
            return same
        bases = (n for n in same if self.definitions[n].is_base)
        return [n for n in bases if _is_element(site, self.definitions[n])] or same


def _is_element(site: Site, base: Definition) -> bool:
    """Whether what is read is certainly an element of this base case."""
    letters = {each.letter for each in base.ranges}
    fixed = [k for k, index in enumerate(base.at) if index.bare not in letters]
    return all(site.read.indices[k] == base.at[k] for k in fixed)


# ----------------------------------------------------------------------------------- components


def components(needs: Sequence[Sequence[int]]) -> list[list[int]]:
    """The strongly connected parts of a graph, each after those that it needs.

    Tarjan's algorithm, without recursion.

    >>> components([[1], [2, 1], [], [0, 3]])
    [[2], [1], [0], [3]]
    """
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    found: list[list[int]] = []
    for start in range(len(needs)):
        if start in order:
            continue
        work = [(start, iter(needs[start]))]
        order[start] = low[start] = len(order)
        stack.append(start)
        on_stack.add(start)
        while work:
            node, ahead = work[-1]
            following = next((n for n in ahead if n not in order or n in on_stack), None)
            if following is not None and following in order:
                low[node] = min(low[node], order[following])
            elif following is not None:
                order[following] = low[following] = len(order)
                stack.append(following)
                on_stack.add(following)
                work.append((following, iter(needs[following])))
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == order[node]:
                    cut = stack.index(node)
                    found.append(stack[cut:])
                    on_stack.difference_update(stack[cut:])
                    del stack[cut:]
    return found


# ---------------------------------------------------------------------------------- recurrences


@dataclass(frozen=True, slots=True)
class _Step:
    """An element of one member that another, or itself, reads."""

    reader: int
    read: int
    site: Site


class _Recurrence:
    """Definitions that need one another."""

    def __init__(self, members: Sequence[Definition], shapes: Shapes, sizes: Moves) -> None:
        self.members, self.shapes, self.sizes = members, shapes, sizes
        reached = _Reached(members)
        self.steps = [
            _Step(n, m, site)
            for n, each in enumerate(members)
            for site in _sites(each)
            for m in reached.by(site)
        ]
        self.most = POINTS // max(len(self.steps), 1)

    def group(self) -> Group:
        """The recurrence, its definitions in the order within one step."""
        if any(each.is_base for each in self.members) or not all(e.at for e in self.members):
            raise self.cycle()
        for forward in (True, False):
            for axis in range(len(self.members[0].at)):
                axes = self.axes(axis, forward)
                order = None if axes is None else self.order(axes, forward)
                if axes is not None and order is not None:
                    definitions = tuple(self.members[n] for n in order)
                    names = {self.members[n].name: axes[n] for n in order}
                    return Group(definitions, names, forward)
        raise self.cycle()

    def axes(self, first: int, forward: bool) -> dict[int, int] | None:
        """The axis of each definition, where that of the first is given; None if there is none."""
        found, waiting = {0: first}, [0]
        while waiting:
            node = waiting.pop()
            for step in self.steps:
                if step.reader == node and step.read not in found:
                    axis = self.axis_read(step, found[node], forward)
                    if axis is None:
                        return None
                    found[step.read] = axis
                    waiting.append(step.read)
        sizes = {self.shapes[self.members[n].name][axis] for n, axis in found.items()}
        return found if len(sizes) == 1 else None

    def axis_read(self, step: _Step, axis: int, forward: bool) -> int | None:
        """The index of what is read that runs along with the reader's axis."""
        own = self.members[step.reader].at[axis].bare
        indices = step.site.read.indices
        plain = [k for k, index in enumerate(indices) if own in index.names]
        for k in (*plain, *range(len(indices))):
            if self.distance(step.site, indices[k], own, forward) is not None:
                return k
        return None

    def distance(self, site: Site, index: object, own: str | None, forward: bool) -> int | None:
        """1 where what is read lies strictly behind, 0 where it may lie at the same value."""
        if not isinstance(index, Affine) or own is None:
            return None
        here = Affine(0, ((own, 1),))
        behind = here - index if forward else index - here
        for steps in (1, 0):
            goal = behind - number(steps)
            if nonnegative(goal, site.ranges, site.conditions, self.sizes, self.most):
                return steps
        return None

    def order(self, axes: Mapping[int, int], forward: bool) -> list[int] | None:
        """The order within one step; None where a reading runs ahead or in a circle."""
        sorter: graphlib.TopologicalSorter[int] = graphlib.TopologicalSorter(
            dict.fromkeys(range(len(self.members)), ())
        )
        for step in self.steps:
            own = self.members[step.reader].at[axes[step.reader]].bare
            index = step.site.read.indices[axes[step.read]]
            distance = self.distance(step.site, index, own, forward)
            if distance is None:
                return None
            if distance == 0:
                sorter.add(step.reader, step.read)
        try:
            return list(sorter.static_order())
        except graphlib.CycleError:
            return None

    def cycle(self) -> SpecError:
        """What to say: the cycle, and what a recurrence is."""
        first = self.members[0]
        step = next((s for s in self.steps if s.reader == 0), self.steps[0])
        names = " → ".join(self.shortest())
        return SpecError(
            f"{first.place}: {first.name} is computed from itself ({names}); only a recurrence may "
            "be, which reads strictly earlier values of one index, such as h[t-1,i], or strictly "
            f"later ones, and here {step.site} is read"
        )

    def shortest(self) -> list[str]:
        """A shortest cycle through the first definition, by names."""
        came: dict[int, int] = {}
        waiting = [0]
        while waiting:
            node = waiting.pop(0)
            for step in self.steps:
                if step.reader == node and step.read == 0:
                    path = [0, node]
                    while path[-1] != 0:
                        path.append(came[path[-1]])
                    return [self.members[n].name for n in reversed(path)]
                if step.reader == node and step.read not in came:
                    came[step.read] = node
                    waiting.append(step.read)
        return [each.name for each in self.members]
