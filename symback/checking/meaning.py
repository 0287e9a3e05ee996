"""What a page says, item by item, and what the letters of a network mean on it.

Here one can

* say what a whole page says: `Document`, made of `Claim`, `Definition`, `Prose` and `Unread`;
* know what the letters of a network mean and how many neurons there are: `Scope`.

What stands on the sides of a claim are the nodes of `symback.language.expressions`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from symback.engine.graph import Graph
from symback.language.expressions import Comparison, Index, Node
from symback.language.names import Role

__all__ = [
    "Claim",
    "Definition",
    "Document",
    "Item",
    "Prose",
    "Relation",
    "Scope",
    "Side",
    "Unread",
]

# -------------------------------------------------------------------------------------- documents


class Relation(enum.Enum):
    """What stands between two sides."""

    EQUAL = "="
    ABOUT = "≈"
    BECOMES = "←"
    DEFINES = ":="


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a claim and where it stands in the file (line and column from 1)."""

    node: Node
    source: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Claim:
    """``sides`` joined by ``relations`` (one fewer than the sides).

    ``continues``: the line begins with "=", so it goes on from the last side before it; its
    relations are then as many as its sides.  A claim of one side and no relation is an answer
    alone.  An update ``w ← w - η ∂L/∂w`` is a claim whose relation is BECOMES.  ``given`` are the
    conditions on quantities that it stands under ("if a_11 > 0"); its sides are 0 where they fail.
    ``read_as`` is the canonical echo of the whole line; reading it gives the same.  ``unknown``
    says why the line means nothing definite, where a name in it does not.
    """

    line: int
    column: int
    source: str
    sides: tuple[Side, ...]
    relations: tuple[Relation, ...]
    continues: bool = False
    read_as: str = ""
    given: tuple[Comparison, ...] = ()
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """A name of the page's own: ``name_{letters} = node``; ``indices`` are letters or numbers.

    ``explicit``: it is called a definition, by a word such as "let" or by :=.
    """

    line: int
    column: int
    source: str
    name: str
    indices: tuple[Index, ...]
    node: Node
    read_as: str = ""
    explicit: bool = False


@dataclass(frozen=True, slots=True)
class Prose:
    """Words: no claim."""

    line: int
    column: int
    source: str


@dataclass(frozen=True, slots=True)
class Unread:
    """What was not understood: where, why, and a way to write it.

    ``defines`` is the name that it may give a meaning to, or ""; ``begins`` is set where it begins
    a chain, so that a line "= …" below it goes on from what was not understood.
    """

    line: int
    column: int
    source: str
    reason: str
    suggestion: str = ""
    defines: str = ""
    begins: bool = True


Item = Claim | Definition | Prose | Unread


@dataclass(frozen=True, slots=True)
class Document:
    """A page, item by item in the order of the text."""

    items: tuple[Item, ...] = field(default=())


# ------------------------------------------------------------------------------------------ scope


@dataclass(frozen=True, slots=True)
class Scope:
    """What the letters of a page can mean in one network.

    ``widths`` are n_0 … n_L (a number, or the name of a symbolic width); ``activations`` the names
    of layers 1 … L, the last of them the output function; ``stages`` the names an [equations]
    file computes and ``leaves`` those it only uses (both empty for a network).
    """

    widths: tuple[int | str, ...] = ()
    activations: tuple[str, ...] = ()
    biases: tuple[int, ...] = ()
    """For each layer how many indices its bias has beside the layer: 1, 0, or -1 for none."""
    has_target: bool = True
    stages: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    is_batch: bool = False
    """Whether the network's values are those of several samples."""

    @property
    def depth(self) -> int:
        """L, the number of layers."""
        return len(self.activations)

    @property
    def is_network(self) -> bool:
        """Whether there are layers (and not only named stages)."""
        return bool(self.activations)

    @classmethod
    def of(cls, graph: Graph) -> Scope:
        """The scope of a network or of named stages."""
        preactivations = [v for v in graph.variables if v.role is Role.PREACTIVATION]
        if not preactivations:
            named = {
                role: tuple(v.name for v in graph.variables if v.role is role) for role in Role
            }
            return cls(stages=named[Role.STAGE], leaves=named[Role.LEAF])
        x = next(v for v in graph.variables if v.role is Role.INPUT)
        biases = {v.layer: len(v.shape) for v in graph.variables if v.role is Role.BIAS}
        computed = [v for v in graph.variables if v.role in (Role.ACTIVATION, Role.OUTPUT)]
        return cls(
            widths=tuple(_width(v.shape[-1]) for v in (x, *preactivations)),
            activations=tuple(_function(graph, v) for v in computed),
            biases=tuple(biases.get(v.layer, -1) for v in preactivations),
            has_target=any(v.role is Role.TARGET for v in graph.variables),
            is_batch=graph.samples is not None,
        )


def _width(size: object) -> int | str:
    text = str(size)
    return int(text) if text.isdigit() else text


def _function(graph: Graph, variable: object) -> str:
    named = graph.by_variable[variable].named  # pyright: ignore[reportArgumentType]
    return type(named).__name__ if named is not None else ""
