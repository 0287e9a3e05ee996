"""The equations of a network and the local derivatives of its backward pass, as nodes.

`Equations` reads them once; everything the checker holds for true comes from there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache

import sympy
from sympy import Expr

from symback.calculus import LocalDerivative, local_derivative
from symback.checking.conversion import to_node
from symback.checking.meaning import Call, Cases, Element, Node, Number, Scope, rebuilt, walk
from symback.derivation import BackwardPass
from symback.functions import ACTIVATIONS, Activation, SoftMax, value_of
from symback.graph import Equation
from symback.notation import Role, Variable

__all__ = ["LAYERED", "Equations", "Link", "key_of"]

LAYERED = ("w", "b", "a", "h", "delta")
"""Letters whose first index is the layer."""


@dataclass(frozen=True, slots=True)
class Link:
    """∂child/∂parent as a node, with the letters of both and which must be equal."""

    local: LocalDerivative
    node: Node
    sizes: tuple[int, ...]

    def children(self, indices: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], dict]]:
        """The elements of the child that read the parent's element, and the letters' values."""
        local = self.local
        at = dict(zip(local.parent_indices, indices, strict=True))
        pins = dict(local.pins)
        ranges = [
            (at[pins[letter]],) if letter in pins else range(1, size + 1)
            for letter, size in zip(local.child_indices, self.sizes, strict=True)
        ]
        names = {letter.name: number for letter, number in at.items()}
        for own in itertools.product(*ranges):
            letters = (letter.name for letter in local.child_indices)
            yield own, names | dict(zip(letters, own, strict=True))


class Equations:
    """A graph whose widths are numbers, without samples, as nodes; made once for all points."""

    def __init__(
        self, backward: BackwardPass, activations: Mapping[str, Activation | SoftMax]
    ) -> None:
        self.backward, self.graph = backward, backward.graph
        graph = backward.graph
        self.scope = Scope.of(graph)
        self.activations = {**ACTIVATIONS, **activations}
        self.order = {variable: place for place, variable in enumerate(graph.variables)}
        self._by_letter = {key_of(variable): variable for variable in graph.variables}

    def variable(self, letter: str, layer: int | None) -> Variable | None:
        """The quantity behind a letter and a layer; h_0 is x and h_L is ŷ."""
        if letter == "h" and layer == 0:
            letter, layer = "x", None
        elif letter == "h" and layer == self.scope.depth:
            letter, layer = "yhat", None
        return self._by_letter.get((letter, layer))

    @cached_property
    def rhs(self) -> dict[Variable, Node]:
        """For each computed quantity the right side of its equation."""
        return {e.variable: to_node(e.rhs, self.graph) for e in self.graph.equations}

    @cached_property
    def links(self) -> dict[Variable, list[Link]]:
        """For each quantity the local derivatives of what is computed directly from it."""
        found: dict[Variable, list[Link]] = {variable: [] for variable in self.graph.variables}
        for (child, parent), local in self.backward.derivatives.items():
            sizes = tuple(int(size) for size in child.shape)
            found[parent].append(Link(local, to_node(local.form, self.graph), sizes))
        return found

    @cached_property
    def solved(self) -> frozenset[Variable]:
        """The biases that are solved for, so that their preactivations are free."""
        return frozenset(
            v for v in self.graph.variables if v.role is Role.BIAS and len(v.shape) == 1
        )

    @cached_property
    def free(self) -> frozenset[Variable]:
        """The preactivations that are drawn."""
        layers = {variable.layer for variable in self.solved}
        return frozenset(
            v for v in self.graph.variables if v.role is Role.PREACTIVATION and v.layer in layers
        )

    @cached_property
    def without_bias(self) -> dict[int | None, Node]:
        """Σ_j w_kij h_{k-1,j}, layer by layer: the right side of a_k with its bias taken as 0."""

        def cleared(node: Node) -> Node:
            if isinstance(node, Element) and node.letter == "b":
                return Number(Fraction(0))
            return rebuilt(node, cleared)

        return {v.layer: cleared(self.rhs[v]) for v in self.free}

    @lru_cache(maxsize=256)  # noqa: B019 (one table lives as long as its network)
    def value_of(self, name: str) -> Node:
        """The function ``name`` of the catalogue in ``z``."""
        return to_node(self._formula(name), None)

    @lru_cache(maxsize=256)  # noqa: B019
    def slope_of(self, name: str) -> Node:
        """Its derivative in ``z``."""
        z = Variable("z", Role.LEAF)
        equation = Equation(Variable("h", Role.STAGE), (), self._formula(name))
        return to_node(local_derivative(equation, z).raw, None)

    def _formula(self, name: str) -> Expr:
        entry = self.activations[name]
        assert isinstance(entry, Activation)
        return value_of(entry.formula, {"z": sympy.Symbol("z", real=True)})

    @cached_property
    def has_kinks(self) -> bool:
        """Whether a function of the network is defined case by case."""
        return any(
            isinstance(part, Cases) or (isinstance(part, Call) and part.function in _KINKED)
            for node in self.rhs.values()
            for part in walk(node)
        )


_KINKED = ("abs", "sign", "max", "min")


def key_of(variable: Variable) -> tuple[str, int | None]:
    """The letter and the layer by which a page names a quantity."""
    if variable.role in (Role.LEAF, Role.STAGE):
        return variable.name, None
    layered = variable.role in (
        Role.WEIGHT,
        Role.BIAS,
        Role.PREACTIVATION,
        Role.ACTIVATION,
    )
    return variable.letter, variable.layer if layered else None
