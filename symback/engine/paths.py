"""Every path from one quantity to the loss, as a lazy view: counted without being listed.

A path leads from an element (a weight, say) through the elements computed from it, each from the
one before, up to the loss; its `factors` are the local derivatives along it, and their product is
the path's share of ∂L/∂w.  Which elements follow one another is read off the pins of the local
derivatives: a sigmoid leads from a_21 to yhat_1 only, a softmax to every output.

* `Paths.count` is exact for any width, also a symbolic one;
* iteration, indexing from both ends and `reversed` list as many paths as are asked for;
* what the paths of all starts share, the elements that follow one another and the counts, is read
  once: `Web`.

For a batch these are the paths of one sample; the sum over the samples stays outside.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import overload

import sympy
from sympy import Expr, Integer, Symbol

from symback.engine.calculus import LocalDerivative
from symback.engine.graph import Graph
from symback.language.algebra import Partial
from symback.language.names import SAMPLE, Reference, Variable, element_name

__all__ = ["LocalDerivatives", "Node", "Path", "Paths", "Web"]

LocalDerivatives = Mapping[tuple[Variable, Variable], LocalDerivative]
"""(child, parent) → ∂child/∂parent."""

Node = tuple[Variable, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Path:
    """One way from a weight to the loss.

    ``nodes`` are elements, from the weight to the loss, ``neurons`` their names; ``factors`` the
    local derivatives by name, from the loss back to the weight, as the chain rule writes them;
    ``values`` the same derived.
    """

    nodes: tuple[Node, ...]
    factors: tuple[Partial, ...]
    values: tuple[Expr, ...]

    @property
    def neurons(self) -> tuple[str, ...]:
        """The names of the nodes."""
        return tuple(element_name(*node) for node in self.nodes)

    def __str__(self) -> str:
        return " → ".join(self.neurons)


@dataclass(frozen=True, slots=True)
class _Link:
    """From the elements of a quantity to those of one computed from it.

    For each index of the latter: its size, and which index of the former pins it, if one does.
    """

    local: LocalDerivative
    axes: tuple[tuple[Expr, int | None], ...]

    @property
    def fan_out(self) -> Expr:
        """How many elements follow one."""
        return sympy.Mul(*(size for size, pin in self.axes if pin is None))

    def following(self, indices: tuple[int, ...], *, reverse: bool) -> Iterator[Node]:
        """The elements that follow the one at ``indices``."""
        ranges = [
            range(1, int(size) + 1) if pin is None else (indices[pin],) for size, pin in self.axes
        ]
        ordered = [each[::-1] if reverse else each for each in ranges]
        return ((self.local.child, choice) for choice in _choices(ordered))


def _choices(ranges: Sequence[Sequence[int]]) -> Iterator[tuple[int, ...]]:
    """One of each; `itertools.product` would hold every number of every range."""
    if not ranges:
        yield ()
        return
    for first in ranges[0]:
        for rest in _choices(ranges[1:]):
            yield (first, *rest)


class Web:
    """Which elements of ``graph`` are computed from which, and in how many ways they reach L."""

    def __init__(self, graph: Graph, derivatives: LocalDerivatives) -> None:
        self.graph = graph
        self.links: dict[Variable, list[_Link]] = {variable: [] for variable in graph.variables}
        for equation in graph.equations:
            for parent in graph.parents[equation.variable]:
                if (equation.variable, parent) in derivatives:
                    self.links[parent].append(_link(derivatives[equation.variable, parent]))

    @cached_property
    def counts(self) -> dict[Variable, Expr]:
        """The number of paths from an element of each quantity to the loss."""
        counts: dict[Variable, Expr] = {self.graph.target: Integer(1)}
        for variable in reversed(self.graph.variables):
            if variable not in counts:
                counts[variable] = sympy.Add(
                    *(link.fan_out * counts[link.local.child] for link in self.links[variable])
                )
        return counts

    @cached_property
    def lengths(self) -> dict[Variable, int]:
        """The most steps of a path from an element of each quantity to the loss."""
        lengths: dict[Variable, int] = {}
        for variable in reversed(self.graph.variables):
            onward = (1 + lengths[link.local.child] for link in self.links[variable])
            lengths[variable] = max(onward, default=0)
        return lengths

    def branches(self, node: Node, *, reverse: bool = False) -> Iterator[Node]:
        """The elements computed directly from ``node``."""
        variable, indices = node
        links = self.links[variable]
        for link in reversed(links) if reverse else links:
            yield from link.following(indices, reverse=reverse)

    def local(self, child: Variable, parent: Variable) -> LocalDerivative:
        """∂child/∂parent, where the one is computed directly from the other."""
        return next(link.local for link in self.links[parent] if link.local.child == child)


def _link(local: LocalDerivative) -> _Link:
    pins = dict(local.pins)
    positions = {letter: position for position, letter in enumerate(_own(local.parent_indices))}
    axes = zip(local.child_indices, local.child.shape, strict=True)
    return _Link(
        local,
        tuple(
            (size, positions[pins[letter]] if letter in pins else None)
            for letter, size in itertools.islice(axes, int(local.child.batched), None)
        ),
    )


class Paths:
    """The paths from ``start`` to the target of the graph, in the order of the indices.

    A sequence in all but its ``count``, which is how many there are.  Whoever asks for the paths of
    many elements hands the same ``web`` to all.
    """

    def __init__(
        self,
        graph: Graph,
        derivatives: LocalDerivatives,
        start: Reference,
        web: Web | None = None,
    ) -> None:
        self._web = Web(graph, derivatives) if web is None else web
        self._start = start

    @property
    def count(self) -> int | Expr:
        """How many there are: an ``int``, or an expression in the symbolic widths."""
        total = self._web.counts[self._start.variable]
        return int(total) if total.is_Integer else total

    def __len__(self) -> int:
        if not isinstance(self.count, int):
            raise TypeError(f"the number of paths is {self.count}; a symbolic width has no length")
        return self.count

    def __iter__(self) -> Iterator[Path]:
        return self._walk(reverse=False)

    def __reversed__(self) -> Iterator[Path]:
        return self._walk(reverse=True)

    @overload
    def __getitem__(self, position: int) -> Path: ...

    @overload
    def __getitem__(self, position: slice) -> tuple[Path, ...]: ...

    def __getitem__(self, position: int | slice) -> Path | tuple[Path, ...]:
        """One path, or a tuple of them for a slice; the end is reached from the end."""
        if isinstance(position, slice):
            return tuple(self[i] for i in range(*position.indices(len(self))))
        steps = position if position >= 0 else -1 - position
        walk = iter(self) if position >= 0 else reversed(self)
        found = next(itertools.islice(walk, steps, None), None)
        if found is None:
            raise IndexError(f"path {position} of {self.count}")
        return found

    def __repr__(self) -> str:
        target = element_name(self._web.graph.target)
        return f"<{self.count} paths from {self._start.name} to {target}>"

    def _walk(self, *, reverse: bool) -> Iterator[Path]:
        graph = self._web.graph
        if not graph.is_concrete():
            raise TypeError("paths can be listed only where every width is a number")
        start: Node = (self._start.variable, self._start.indices)
        trail = [_Stop(start, self._web.branches(start, reverse=reverse))]
        while trail:
            last = trail[-1]
            if last.node[0] == graph.target:
                yield _path(trail)
                trail.pop()
                continue
            step = next(last.following, None)
            if step is None:
                trail.pop()
            else:
                edge = _edge(self._web.local(step[0], last.node[0]), step[1], last.node[1])
                trail.append(_Stop(step, self._web.branches(step, reverse=reverse), *edge))


@dataclass(frozen=True, slots=True)
class _Stop:
    """An element on the trail, its branches not yet walked, and its slope by the one before."""

    node: Node
    following: Iterator[Node]
    factor: Partial | None = None
    value: Expr | None = None


def _path(trail: list[_Stop]) -> Path:
    return Path(
        tuple(stop.node for stop in trail),
        tuple(stop.factor for stop in reversed(trail) if stop.factor is not None),
        tuple(stop.value for stop in reversed(trail) if stop.value is not None),
    )


@lru_cache(maxsize=4096)
def _edge(
    local: LocalDerivative, child: tuple[int, ...], parent: tuple[int, ...]
) -> tuple[Partial, Expr]:
    """∂child/∂parent between two elements, by name and derived; most edges lie on many paths."""
    i, q = _sampled(local.child, child), _sampled(local.parent, parent)
    return local.name_at(i, q), local.at(i, q)


def _own(letters: tuple[Symbol, ...]) -> tuple[Symbol, ...]:
    return tuple(letter for letter in letters if letter != SAMPLE)


def _sampled(variable: Variable, indices: tuple[int, ...]) -> tuple[Expr, ...]:
    own = tuple(Integer(i) for i in indices)
    return (SAMPLE, *own) if variable.batched else own
