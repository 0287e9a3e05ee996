"""A network as equations in index notation: `System`, the only thing that this room knows.

Here one can

* hold arrays and what computes them: `Quantity`, `Definition` (``h[t,i] = tanh(a[t,i])``, or a base
  case ``h[0,i] = h0[i]``), all together a `System`;
* go through it in an order in which everything is known before it is read: `System.groups`, each
  one definition, or those of a recurrence and the index it runs over: `Group`;
* leave out what is not asked for: `needed`;
* name the adjoint of an array, which is an array like any other: `adjoint_name`.

Sizes stay names, also where they have numbers (`System.sizes`), so that what is derived holds for
all of them.  A `System` is made, and checked, by `symback.equations.reading` or
`symback.equations.layers`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

from symback.equations import functions
from symback.equations.indices import Affine, Range
from symback.equations.terms import Read, Term, reads


class Kind(enum.Enum):
    """What an array is."""

    PARAMETER = "parameter"  # trained
    INPUT = "input"  # given
    DATA = "data"  # given whole numbers that serve as indices
    COMPUTED = "computed"
    ADJOINT = "adjoint"  # computed too: ∂L/∂ an array


@dataclass(frozen=True, slots=True)
class Quantity:
    """An array: its ``shape`` in sizes and numbers, () for a scalar; indices run from 1.

    ``pad`` is what is read outside; None where that is an error.  ``below`` is the largest number
    of an array of indices.  ``of`` is, for an adjoint, the array it belongs to, and ``target`` what
    is differentiated.
    """

    name: str
    kind: Kind
    shape: tuple[Affine, ...] = ()
    pad: Fraction | None = None
    below: Affine | None = None
    of: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """``name[at] = term`` for every letter of ``ranges``.

    ``at`` has a letter for each free index; a base case has numbers, or sizes, among them.
    ``written`` is the line as the user wrote it, and ``place`` where, for messages.
    """

    name: str
    at: tuple[Affine, ...]
    ranges: tuple[Range, ...]
    term: Term
    written: str = field(default="", compare=False)
    place: str = field(default="", compare=False)

    @property
    def lhs(self) -> Read:
        """The general element that it defines."""
        return Read(self.name, self.at)

    @property
    def is_base(self) -> bool:
        """Whether it is a base case: some index is no letter of its own."""
        letters = {each.letter for each in self.ranges}
        return any(index.bare not in letters for index in self.at)


@dataclass(frozen=True, slots=True)
class Group:
    """Definitions that are computed together, in the order within one step.

    Without a recurrence it is one definition and ``axes`` is empty.  With one, ``axes`` says which
    index of each array is the one that the recurrence runs over, counted from 0, and ``forward``
    whether it runs up.
    """

    definitions: tuple[Definition, ...]
    axes: Mapping[str, int] = field(default_factory=dict)
    forward: bool = True

    @property
    def is_recurrence(self) -> bool:
        """Whether its arrays read their own values at other steps."""
        return bool(self.axes)


@dataclass(frozen=True, slots=True)
class KnownSum:
    """Σ over the last index of ``array`` is ``total`` at all other indices, and why."""

    array: str
    total: Fraction
    because: str


@dataclass(frozen=True)
class System:
    """Arrays, and the definitions of those that are computed, in the order written.

    ``sizes`` maps each size to its number, None where it is symbolic; ``groups`` is the order of
    computation; ``target`` the scalar that is differentiated; ``values`` the numbers given, nested
    tuples of `Fraction` by name, whole numbers for arrays of indices.
    """

    sizes: Mapping[str, int | None]
    quantities: tuple[Quantity, ...]
    groups: tuple[Group, ...]
    target: str
    facts: tuple[KnownSum, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    learning_rate: Fraction | None = None
    title: str = ""
    source: str = ""
    goals: tuple[str, ...] = ()

    @cached_property
    def by_name(self) -> dict[str, Quantity]:
        """The arrays by name."""
        return {quantity.name: quantity for quantity in self.quantities}

    @cached_property
    def definitions(self) -> tuple[Definition, ...]:
        """All of them, in the order of computation."""
        return tuple(each for group in self.groups for each in group.definitions)

    @cached_property
    def defining(self) -> dict[str, tuple[Definition, ...]]:
        """The definitions of each computed array, base cases first."""
        found: dict[str, list[Definition]] = {}
        for definition in self.definitions:
            found.setdefault(definition.name, []).append(definition)
        return {
            name: tuple(sorted(each, key=lambda d: not d.is_base)) for name, each in found.items()
        }

    @cached_property
    def parameters(self) -> tuple[Quantity, ...]:
        """What is trained."""
        return tuple(each for each in self.quantities if each.kind is Kind.PARAMETER)

    @cached_property
    def conventions(self) -> tuple[str, ...]:
        """What is taken for a slope where a function has none, a sentence each."""
        said = (line for each in self.definitions for line in functions.conventions(each.term))
        return tuple(dict.fromkeys(said))

    @cached_property
    def known_sizes(self) -> dict[str, int] | None:
        """The numbers of all sizes; None where one is symbolic."""
        numbers = {name: value for name, value in self.sizes.items() if value is not None}
        return numbers if len(numbers) == len(self.sizes) else None


def needed(system: System, names: Iterable[str]) -> System:
    """The same system without the definitions that the arrays ``names`` are not computed from."""
    wanted, frontier = set(names), [*names]
    while frontier:
        for definition in system.defining.get(frontier.pop(), ()):
            for reading in reads(definition.term):
                if reading.read.array not in wanted:
                    wanted.add(reading.read.array)
                    frontier.append(reading.read.array)
    groups = []
    for group in system.groups:
        kept = tuple(each for each in group.definitions if each.name in wanted)
        if kept:
            axes = {name: axis for name, axis in group.axes.items() if name in wanted}
            groups.append(replace(group, definitions=kept, axes=axes))
    computed = {each.name for group in groups for each in group.definitions}
    quantities = (q for q in system.quantities if q.name in computed | wanted or not _made(q))
    return replace(system, quantities=tuple(quantities), groups=tuple(groups))


def _made(quantity: Quantity) -> bool:
    return quantity.kind in (Kind.COMPUTED, Kind.ADJOINT)


ADJOINT = "∇"
"""What the name of an adjoint begins with; those of a second backward pass begin otherwise."""


def adjoint_name(name: str, mark: str = ADJOINT) -> str:
    """The name of the array ∂L/∂name."""
    return f"{mark}{name}"
