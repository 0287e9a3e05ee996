"""Paths from an element to the loss: chains of elements, each read by the equation of the next.

Here one can

* count the paths from an element, list them as far as one looks, and name one by its position:
  `Paths`, a sequence in all but its ``count``;
* count them where sizes are symbolic: `symback.equations.counting`, which ``count`` asks.

An edge is an element that is read in the right side of another's equation, written out for its
indices, once however often it is read.  What a condition leaves out, padding, and what is
multiplied by a literal 0 are no edges; an index that data give is looked up in the data.  Elements
from which nothing leads to the loss are on no path.

Nothing is recursive, and numbers are Python's: 2000 steps with 10^600 paths are counted at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, overload

from symback.engine.arithmetics import OutOfRange
from symback.engine.evaluation import MissingNumbers
from symback.equations.counting import count
from symback.equations.elements import rational
from symback.equations.indexing import At, Code, Indexing, Loops, bracketed, covers, in_steps
from symback.equations.system import Definition, System
from symback.equations.terms import Binder, Given, Read, Term, Times, children, reads

Node: TypeAlias = tuple[str, At]
"""One element: the name of its array, and its indices."""


@dataclass(frozen=True, slots=True)
class Path:
    """The elements of one path, from the one asked for to the loss, and their names."""

    nodes: tuple[Node, ...]
    names: tuple[str, ...]

    def __str__(self) -> str:
        return " → ".join(self.names)


class Paths:
    """The paths from ``element`` of ``system`` to its target, in the order of the equations.

    ``given`` are the numbers of arrays of indices, by name, without it those of the file; ``sizes``
    numbers of symbolic sizes; ``named`` says how an element is written.

    Raises `OutOfRange` where there is no such element, `MissingNumbers` where an index is looked up
    in data that are not given.

    >>> from symback.equations.indices import Range, letter
    >>> from symback.equations.system import Group, Kind, Quantity
    >>> i, n = letter("i"), letter("n")
    >>> square = Times((Read("w", (i,)), Read("w", (i,))))
    >>> total = Binder("sum", Range("i", n), (), Read("h", (i,)))
    >>> system = System(
    ...     {"n": 2},
    ...     (
    ...         Quantity("w", Kind.PARAMETER, (n,)),
    ...         Quantity("h", Kind.COMPUTED, (n,)),
    ...         Quantity("L", Kind.COMPUTED),
    ...     ),
    ...     (
    ...         Group((Definition("h", (i,), (Range("i", n),), square),)),
    ...         Group((Definition("L", (), (), total),)),
    ...     ),
    ...     "L",
    ... )
    >>> Paths(system, ("w", (2,)))[0].names
    ('w[2]', 'h[2]', 'L')
    """

    def __init__(
        self,
        system: System,
        element: Node,
        given: Mapping[str, Any] | None = None,
        sizes: Mapping[str, int] | None = None,
        named: Callable[[str, At], str] = bracketed,
    ) -> None:
        self.system, self.start, self.named = system, element, named
        self._given = system.values if given is None else given
        known = {name: value for name, value in system.sizes.items() if value is not None}
        self._sizes = {**known, **(sizes or {})}

    # ------------------------------------------------------------------------- a sequence

    @property
    def count(self) -> Any:
        """How many there are: an `int`, or a SymPy expression in the symbolic sizes."""
        if self._is_symbolic:
            return count(self.system, self.start, self._sizes)
        return self._counts.get(self.start, 0)

    def __len__(self) -> int:
        return self._total()  # more than `sys.maxsize` have no len, but a count

    def __iter__(self) -> Iterator[Path]:
        return self._walk(reverse=False)

    def __reversed__(self) -> Iterator[Path]:
        return self._walk(reverse=True)

    @overload
    def __getitem__(self, position: int) -> Path: ...

    @overload
    def __getitem__(self, position: slice) -> tuple[Path, ...]: ...

    def __getitem__(self, position: int | slice) -> Path | tuple[Path, ...]:
        """One path, found by counting without listing those before it, or a tuple of them."""
        total = self._total()
        if isinstance(position, slice):
            return tuple(self._at(k) for k in range(*position.indices(total)))
        place = position + total if position < 0 else position
        if not 0 <= place < total:
            raise IndexError(f"path {position} of {total}")
        return self._at(place)

    def __repr__(self) -> str:
        ends = self.named(*self.start), self.named(self.system.target, ())
        return f"<{self.count} paths from {ends[0]} to {ends[1]}>"

    def following(self, node: Node) -> tuple[Node, ...]:
        """The elements computed directly from one on a path, on the way to the loss."""
        return tuple(self._children.get(node, ()))

    def count_from(self, node: Node) -> int:
        """How many paths lead from an element that can be reached on to the loss."""
        return self._counts.get(node, 0)

    # ----------------------------------------------------------------------------- inside

    @property
    def _is_symbolic(self) -> bool:
        return any(name not in self._sizes for name in self.system.sizes)

    def _total(self) -> int:
        if self._is_symbolic:
            raise TypeError(f"the number of paths is {self.count}; a symbolic size has no length")
        return self.count

    def _path(self, nodes: Sequence[Node]) -> Path:
        return Path(tuple(nodes), tuple(self.named(*node) for node in nodes))

    def _at(self, place: int) -> Path:
        nodes = [self.start]
        while nodes[-1] != (self.system.target, ()):
            for child in self._children[nodes[-1]]:
                if place < self._counts[child]:
                    nodes.append(child)
                    break
                place -= self._counts[child]
        return self._path(nodes)

    def _walk(self, *, reverse: bool) -> Iterator[Path]:
        if not self._counts.get(self.start):
            return
        turned = reversed if reverse else iter
        nodes = [self.start]  # the elements on the trail, and the branches of each still to walk
        waiting = [turned(self._children.get(self.start, ()))]
        while nodes:
            if nodes[-1] == (self.system.target, ()):
                yield self._path(nodes)
            elif (step := next(waiting[-1], None)) is not None:
                nodes.append(step)
                waiting.append(turned(self._children.get(step, ())))
                continue
            del nodes[-1], waiting[-1]

    @cached_property
    def _counts(self) -> dict[Node, int]:
        """How many paths lead on from each element that can be reached; 0 is left out."""
        counts: dict[Node, int] = {(self.system.target, ()): 1}
        for node, read in reversed(self._reads.items()):  # all that reads a node comes after it
            if number := counts.get(node):
                for parent in read:
                    counts[parent] = counts.get(parent, 0) + number
        return counts

    @cached_property
    def _children(self) -> dict[Node, list[Node]]:
        """The elements that read each, in the order of the equations and of their indices."""
        found: dict[Node, list[Node]] = {}
        for node, read in self._reads.items():
            if node in self._counts:
                for parent in read:
                    found.setdefault(parent, []).append(node)
        order = {name: k for k, name in enumerate(dict.fromkeys(d.name for d in self._behind))}
        for children_ in found.values():
            children_.sort(key=lambda node: (order[node[0]], node[1]))
        return found

    @cached_property
    def _behind(self) -> list[Definition]:
        """The definitions that are computed from the array asked for, in the order of computation.

        Recurrences may read what stands after them, so this is repeated until nothing is new.
        """
        reached, size = {self.start[0]}, 0
        while len(reached) > size:
            size = len(reached)
            for definition in self.system.definitions:
                if any(reading.read.array in reached for reading in reads(definition.term)):
                    reached.add(definition.name)
        return [
            definition
            for definition in self.system.definitions
            if any(reading.read.array in reached for reading in reads(definition.term))
        ]

    @cached_property
    def _reads(self) -> dict[Node, tuple[Node, ...]]:
        """What each element reads of those reached from the start, in the order of computation."""
        sizes, system = self._sizes, self.system
        if self._is_symbolic:
            raise TypeError("paths can be listed only where every size is a number")
        self._check_start(sizes)
        behind = {id(definition) for definition in self._behind}
        interesting = {self.start[0], *(definition.name for definition in self._behind)}
        found: dict[Node, tuple[Node, ...]] = {self.start: ()}
        for group in system.groups:
            definitions = [each for each in group.definitions if id(each) in behind]
            readers = [_Reader(each, sizes, self._looked_up, interesting) for each in definitions]
            loops = [
                Loops(each, group, reader)
                for each, reader in zip(definitions, readers, strict=True)
            ]
            codes = [reader.built(each.slots) for reader, each in zip(readers, loops, strict=True)]
            for position, step in in_steps(group, loops):
                at, visit, env = codes[position]
                name = definitions[position].name
                for _ in loops[position].over(env, step):
                    seen: dict[Node, None] = {}
                    visit(env, seen)
                    if read := tuple(node for node in seen if node in found):
                        found.setdefault((name, at(env)), read)
        return found

    def _looked_up(self, name: str, at: At) -> int:
        value = self._given.get(name)
        if value is None:
            raise MissingNumbers(
                f"which elements are read depends on {name}: give its numbers under [values]"
            )
        try:
            for index in at:
                if index < 1:
                    raise IndexError
                value = value[index - 1]
        except IndexError:
            raise OutOfRange(f"there is no {bracketed(name, at)}") from None
        return int(value)

    def _check_start(self, sizes: Mapping[str, int]) -> None:
        name, at = self.start
        quantity = self.system.by_name[name]
        shape = tuple(size.value(sizes) for size in quantity.shape)
        fits = len(at) == len(shape)
        is_inside = fits and all(1 <= k <= size for k, size in zip(at, shape, strict=True))
        if not is_inside and not (
            fits and any(covers(d, at, sizes) for d in self.system.defining.get(name, ()))
        ):
            ranges = ", ".join(f"1..{size}" for size in shape) or "nothing: it has none"
            raise OutOfRange(
                f"there is no {bracketed(name, at)}: the indices of {name} run over {ranges}"
            )


_Visit: TypeAlias = Callable[[list[Any], dict[Node, None]], None]
"""Adds what is read to a set that keeps its order."""


class _Reader(Indexing):
    """What the equation of ``definition`` reads of the ``interesting`` arrays."""

    def __init__(
        self,
        definition: Definition,
        sizes: Mapping[str, int],
        looked_up: Callable[[str, At], int],
        interesting: set[str],
    ) -> None:
        super().__init__(sizes, looked_up)
        self.definition, self.interesting = definition, interesting

    def built(self, slots: Mapping[str, int]) -> tuple[Code, _Visit, list[Any]]:
        """The indices of an element, what it reads, and the environment of both."""
        at = self.places(self.definition.at, slots)
        visit = self._visit(self.definition.term, slots)
        return at, visit or (lambda _env, _seen: None), [0] * self.count

    def _visit(self, term: Term, letters: Mapping[str, int]) -> _Visit | None:
        """None where nothing is read."""
        match term:
            case Read(array, indices):
                if array not in self.interesting:
                    return None
                at = self.places(indices, letters)

                def read(env: list[Any], seen: dict[Node, None]) -> None:
                    seen[array, at(env)] = None

                return read
            case Times(factors) if any(rational(factor) == 0 for factor in factors):
                return None
            case Given(conditions, body):
                inner = self._visit(body, letters)
                if inner is None:
                    return None
                holds = self.condition(conditions, letters)

                def guarded(env: list[Any], seen: dict[Node, None]) -> None:
                    if holds(env):
                        inner(env, seen)

                return guarded
            case Binder():
                return self._binder(term, letters)
        parts = [v for part in children(term) if (v := self._visit(part, letters)) is not None]
        if len(parts) < 2:
            return parts[0] if parts else None

        def every(env: list[Any], seen: dict[Node, None]) -> None:
            for part in parts:
                part(env, seen)

        return every

    def _binder(self, binder: Binder, letters: Mapping[str, int]) -> _Visit | None:
        slot = self.slot()
        inside = {**letters, binder.range.letter: slot}
        body = self._visit(binder.body, inside)
        if body is None:
            return None
        lower, upper = (self.place(e, letters) for e in (binder.range.lower, binder.range.upper))
        keeps = self.condition(binder.conditions, inside) if binder.conditions else None
        at = None if binder.at is None else self.place(binder.at, letters)

        def over(env: list[Any], seen: dict[Node, None]) -> None:
            low, high = lower(env), upper(env)
            if at is not None:  # what is left out is 0 and reads nothing
                env[slot] = place = at(env)
                if not low <= place <= high or not (keeps is None or keeps(env)):
                    return
            for value in range(low, high + 1):
                env[slot] = value
                if keeps is None or keeps(env):
                    body(env, seen)

        return over
