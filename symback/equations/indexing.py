"""Indices and conditions as functions of letters, and the order in which elements are computed.

Here one can

* turn an index, or conditions, into a function of the numbers that the letters are, once, since it
  is called for each of many elements: `Indexing`;
* go through the elements of a definition, and through a group step by step: `Loops`, `in_steps`;
* tell whether a definition has an element: `covers`; write one as it is asked for: `bracketed`.

`symback.equations.elements` computes with these, `symback.equations.paths` sees what is read.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from symback.equations.indices import Condition, Index, Lookup
from symback.equations.system import Definition, Group

At: TypeAlias = tuple[int, ...]
"""The 1-based indices of an element, () of a scalar."""

Code: TypeAlias = Callable[[list[Any]], Any]
"""What computes a part of a formula from the numbers that its letters are, one slot a letter."""


def bracketed(name: str, at: At) -> str:
    """An element as it is asked for.

    >>> bracketed("U", (1, 2)), bracketed("L", ())
    ('U[1,2]', 'L')
    """
    return f"{name}[{','.join(map(str, at))}]" if at else name


def places_of(shape: Sequence[int]) -> Iterator[At]:
    """All indices of an array of that shape, in their order."""
    return itertools.product(*(range(1, size + 1) for size in shape))


def covers(definition: Definition, at: At, sizes: Mapping[str, int]) -> bool:
    """Whether a definition defines the element at these indices."""
    ranges = {each.letter: each for each in definition.ranges}
    for index, value in zip(definition.at, at, strict=True):
        own = ranges.get(index.bare or "")
        if own is None:
            if index.value(sizes) != value:
                return False
        elif not own.lower.value(sizes) <= value <= own.upper.value(sizes):
            return False
    return True


class Indexing:
    """Turns indices into functions of an environment; ``sizes`` are numbers by then.

    ``looked_up`` gives the number that an array of indices holds.
    """

    def __init__(self, sizes: Mapping[str, int], looked_up: Callable[[str, At], int]) -> None:
        self.sizes, self.looked_up = sizes, looked_up
        self.count = 0

    def slot(self) -> int:
        """A new place in the environment."""
        self.count += 1
        return self.count - 1

    def place(self, index: Index, letters: Mapping[str, int]) -> Code:
        """The number that an index is."""
        if isinstance(index, Lookup):
            read, at = partial(self.looked_up, index.array), self.places(index.indices, letters)
            return lambda env: read(at(env))
        constant, parts = index.constant, []
        for name, coefficient in index.parts:
            if name in letters:
                parts.append((letters[name], coefficient))
            else:
                constant += coefficient * self.sizes[name]
        if not parts:
            return lambda _: constant
        if len(parts) == 1:
            slot, coefficient = parts[0]
            if coefficient == 1:
                return (lambda env: env[slot] + constant) if constant else (lambda env: env[slot])
            return lambda env: coefficient * env[slot] + constant
        return lambda env: constant + sum(c * env[slot] for slot, c in parts)

    def places(self, indices: Sequence[Index], letters: Mapping[str, int]) -> Code:
        """The numbers that indices are, as a tuple."""
        codes = [self.place(index, letters) for index in indices]
        match codes:
            case []:
                return lambda _: ()
            case [first]:
                return lambda env: (first(env),)
            case [first, second]:
                return lambda env: (first(env), second(env))
        return lambda env: tuple([code(env) for code in codes])

    def condition(self, conditions: Sequence[Condition], letters: Mapping[str, int]) -> Code:
        """Whether all conditions hold; data are looked up only where those without hold."""
        ordered = sorted(
            conditions, key=lambda c: isinstance(c.left, Lookup) or isinstance(c.right, Lookup)
        )
        tests = [self._one_condition(each, letters) for each in ordered]
        if len(tests) == 1:
            return tests[0]
        return lambda env: all(test(env) for test in tests)

    def _one_condition(self, condition: Condition, letters: Mapping[str, int]) -> Code:
        left, right = (self.place(s, letters) for s in (condition.left, condition.right))
        match condition.relation:
            case "==":
                return lambda env: left(env) == right(env)
            case "!=":
                return lambda env: left(env) != right(env)
            case "<":
                return lambda env: left(env) < right(env)
            case "<=":
                return lambda env: left(env) <= right(env)
        raise TypeError(f"no relation {condition.relation}")


class Loops:
    """The letters of one definition and what they run over, in one step of its group or in all."""

    def __init__(self, definition: Definition, group: Group, indexing: Indexing) -> None:
        self.slots = {each.letter: indexing.slot() for each in definition.ranges}
        sizes = indexing.sizes
        self.values: dict[str, Sequence[int]] = {
            each.letter: range(each.lower.value(sizes), each.upper.value(sizes) + 1)
            for each in definition.ranges
        }
        self.runner: str | None = None
        self.steps: Sequence[int] = ()
        """At which steps of a recurrence it has elements; ``runner`` is the letter of the step."""
        if group.is_recurrence:
            own = definition.at[group.axes[definition.name]]
            self.runner = own.bare if own.bare in self.slots else None
            self.steps = self.values[self.runner] if self.runner else (own.value(sizes),)

    def over(self, env: list[Any], step: int | None) -> Iterator[None]:
        """Set the letters to all their numbers in turn; of a recurrence, those of one step."""
        if step is not None and step not in self.steps:
            return
        slots = list(self.slots.values())
        runs = [
            (step,) if step is not None and name == self.runner else values
            for name, values in self.values.items()
        ]
        for values in itertools.product(*runs):
            for slot, value in zip(slots, values, strict=True):
                env[slot] = value
            yield


def in_steps(group: Group, loops: Sequence[Loops]) -> Iterator[tuple[int, int | None]]:
    """Which definition of a group is computed next, and for which step of the recurrence."""
    if not group.is_recurrence:
        yield from ((position, None) for position in range(len(loops)))
        return
    steps = sorted(set().union(*(each.steps for each in loops)))
    for step in steps if group.forward else reversed(steps):
        yield from ((position, step) for position in range(len(loops)))
