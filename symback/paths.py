"""Every path from one quantity to the loss, as a lazy view: counted without being listed.

A path leads from an element (a weight, say) through the elements computed from it, each from the
one before, up to the loss; its `factors` are the local derivatives along it, and their product is
the path's share of ∂L/∂w.  Which elements follow one another is read off the pins of the local
derivatives: a sigmoid leads from a_21 to yhat_1 only, a softmax to every output.

* `Paths.count` is exact for any width, also a symbolic one;
* iteration, indexing from both ends and `reversed` list as many paths as are asked for.

For a batch these are the paths of one sample; the sum over the samples stays outside.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import sympy
from sympy import Expr, Integer, Symbol

from symback.calculus import LocalDerivative
from symback.graph import Graph
from symback.notation import SAMPLE, Partial, Reference, Variable, element_name

__all__ = ["LocalDerivatives", "Path", "Paths"]

LocalDerivatives = Mapping[tuple[Variable, Variable], LocalDerivative]
"""(child, parent) → ∂child/∂parent."""

Node = tuple[Variable, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Path:
    """One way from a weight to the loss.

    ``neurons`` are names, from the weight to the loss; ``factors`` the local derivatives by name,
    from the loss back to the weight, as the chain rule writes them; ``values`` the same derived.
    """

    neurons: tuple[str, ...]
    factors: tuple[Partial, ...]
    values: tuple[Expr, ...]

    def __str__(self) -> str:
        return " → ".join(self.neurons)


class Paths:
    """The paths from ``start`` to the target of ``graph``, in the order of the indices.

    A sequence in all but its ``count``, which is how many there are.
    """

    def __init__(self, graph: Graph, derivatives: LocalDerivatives, start: Reference) -> None:
        self.graph, self._derivatives, self._start = graph, derivatives, start

    @cached_property
    def count(self) -> int | Expr:
        """How many there are: an ``int``, or an expression in the symbolic widths."""
        counts: dict[Variable, Expr] = {self.graph.target: Integer(1)}
        for variable in reversed(self.graph.variables):
            if variable not in counts:
                counts[variable] = sympy.Add(
                    *(
                        self._fan_out(child, variable) * counts[child]
                        for child in self._children(variable)
                    )
                )
        total = counts[self._start.variable]
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
        return f"<{self.count} paths from {self._start.name} to {element_name(self.graph.target)}>"

    # ------------------------------------------------------------------------------- walking

    def branches(self, node: Node) -> Iterator[Node]:
        """The elements computed directly from ``node``."""
        return self._next(node, reverse=False)

    def _walk(self, *, reverse: bool) -> Iterator[Path]:
        if not self.graph.is_concrete():
            raise TypeError("paths can be listed only where every width is a number")
        start: Node = (self._start.variable, self._start.indices)
        stack: list[tuple[Node, Iterator[Node]]] = [(start, self._next(start, reverse))]
        while stack:
            node, following = stack[-1]
            if node[0] == self.graph.target:
                yield self._path([entry for entry, _ in stack])
                stack.pop()
                continue
            step = next(following, None)
            if step is None:
                stack.pop()
            else:
                stack.append((step, self._next(step, reverse)))

    def _next(self, node: Node, reverse: bool) -> Iterator[Node]:
        variable, indices = node
        children = list(self._children(variable))
        for child in reversed(children) if reverse else children:
            local = self._derivatives[child, variable]
            at = dict(zip(_own(local.parent_indices), indices, strict=True))
            choices = [_choices(local, letter, at, size) for letter, size in _child_axes(local)]
            combinations = itertools.product(
                *(reversed(range_) if reverse else range_ for range_ in choices)
            )
            yield from ((child, combination) for combination in combinations)

    def _children(self, variable: Variable) -> list[Variable]:
        return [equation.variable for equation in self.graph.children(variable)]

    def _fan_out(self, child: Variable, parent: Variable) -> Expr:
        local = self._derivatives[child, parent]
        free = set(local.free_child_indices())
        return sympy.Mul(*(size for letter, size in _child_axes(local) if letter in free))

    def _path(self, nodes: list[Node]) -> Path:
        names = tuple(element_name(variable, indices) for variable, indices in nodes)
        factors, values = [], []
        for (parent, q), (child, i) in itertools.pairwise(nodes):
            local = self._derivatives[child, parent]
            factors.append(local.name_at(_sampled(child, i), _sampled(parent, q)))
            values.append(local.at(_sampled(child, i), _sampled(parent, q)))
        return Path(names, tuple(reversed(factors)), tuple(reversed(values)))


def _own(letters: tuple[Symbol, ...]) -> tuple[Symbol, ...]:
    return tuple(letter for letter in letters if letter != SAMPLE)


def _sampled(variable: Variable, indices: tuple[Expr, ...]) -> tuple[Expr, ...]:
    own = tuple(Integer(i) for i in indices)
    return (SAMPLE, *own) if variable.batched else own


def _child_axes(local: LocalDerivative) -> list[tuple[Symbol, Expr]]:
    """The child's indices and sizes, the sample left out."""
    pairs = list(zip(local.child_indices, local.child.shape, strict=True))
    return pairs[1:] if local.child.batched else pairs


def _choices(
    local: LocalDerivative, letter: Symbol, at: Mapping[Symbol, int], size: Expr
) -> Sequence[int]:
    pinned = dict(local.pins).get(letter)
    return range(1, int(size) + 1) if pinned is None else [at[pinned]]
