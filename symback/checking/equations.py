"""The equations of a network and the local derivatives of its backward pass, as nodes.

`Equations` reads them once; everything the checker holds for true comes from there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, lru_cache

import sympy
from sympy import Expr

from symback.checking.conversion import element_of, to_node
from symback.checking.letters import Scope
from symback.engine.arithmetics import OutOfRange, Undecided
from symback.engine.calculus import LocalDerivative, local_derivative
from symback.engine.derivation import BackwardPass
from symback.engine.graph import Equation, Graph
from symback.language.algebra import value_of
from symback.language.budget import uncounted
from symback.language.expressions import (
    LAYERED,
    LOSS,
    Array,
    Call,
    Cases,
    Comparison,
    Derivative,
    Element,
    Letter,
    Named,
    Node,
    Number,
    Power,
    Quotient,
    rebuilt,
    walk,
)
from symback.language.functions import ACTIVATIONS, ELEMENTARY, Activation, SoftMax
from symback.language.names import Role, Variable


@dataclass(frozen=True, slots=True)
class Link:
    """∂child/∂parent as a node, with the letters of both and which must be equal."""

    local: LocalDerivative
    node: Node
    sizes: tuple[int, ...]
    _known: dict = field(default_factory=dict, compare=False, repr=False)

    def children(
        self, indices: tuple[int, ...]
    ) -> tuple[tuple[tuple[int, ...], dict[str, int]], ...]:
        """The elements of the child that read the parent's element, and the letters' values.

        Found once for all points at which the derivative is evaluated.
        """
        if indices not in self._known:
            local = self.local
            at = dict(zip(local.parent_indices, indices, strict=True))
            pins = dict(local.pins)
            ranges = [
                (at[pins[letter]],) if letter in pins else range(1, size + 1)
                for letter, size in zip(local.child_indices, self.sizes, strict=True)
            ]
            names = {letter.name: number for letter, number in at.items()}
            own_names = [letter.name for letter in local.child_indices]
            self._known[indices] = tuple(
                (own, names | dict(zip(own_names, own, strict=True)))
                for own in itertools.product(*ranges)
            )
        return self._known[indices]


class Equations:
    """A graph whose widths and samples are numbers, as nodes; made once for all points."""

    def __init__(self, graph: Graph, activations: Mapping[str, Activation | SoftMax]) -> None:
        self.graph = graph
        self.scope = Scope.of(graph)
        self.activations = {**ACTIVATIONS, **activations}
        self.order = {variable: place for place, variable in enumerate(graph.variables)}
        self._by_letter: dict[tuple[str, int | None], Variable] = {}
        self.own_loss: Variable | None = None
        """Of a batch the losses of the samples, one each."""
        for variable in graph.variables:
            if variable.role is Role.LOSS and variable.batched:
                self.own_loss = variable
                continue
            general = element_of(variable, ())
            layer = general.indices[0].offset if general.indices else None
            self._by_letter[general.letter, layer] = variable
        self._links: dict[Variable, list[Link]] = {}
        self._places: dict[object, tuple[Variable, tuple[int, ...]]] = {}

    @cached_property
    def samples(self) -> int | None:
        """How many samples a batch has; None where there is one sample, by itself."""
        return None if self.graph.samples is None else int(self.graph.samples)

    def variable(self, letter: str, layer: int | None) -> Variable | None:
        """The quantity behind a letter and a layer; h_0 is x and h_L is ŷ."""
        if letter == "h" and layer == 0:
            letter, layer = "x", None
        elif letter == "h" and layer == self.scope.depth:
            letter, layer = "yhat", None
        return self._by_letter.get((letter, layer))

    def place(
        self, letter: str, numbers: tuple[int, ...], sample: int | None = None
    ) -> tuple[Variable, tuple[int, ...]]:
        """The quantity of an element and its own indices, in a batch the sample first.

        Raises `OutOfRange`, and `Undecided` where it is not said which sample is meant.
        """
        key = letter, numbers, sample
        if key in self._places:
            return self._places[key]
        layer, own = (numbers[0], numbers[1:]) if letter in LAYERED and numbers else (None, numbers)
        variable = self.variable(letter, layer)
        if variable is None and not numbers:
            variable = self.variable(letter, None)
        if letter == LOSS.letter and sample is not None:
            variable = self.own_loss
        if variable is not None and variable.batched != (sample is not None):
            shown = f"{letter}_{','.join(map(str, numbers))}" if numbers else letter
            which = f"each sample has its own {shown}, and nothing says which is meant"
            raise Undecided(which if sample is None else f"{shown} is the same for all samples")
        own = own if sample is None else (sample, *own)
        sizes = () if variable is None else tuple(int(size) for size in variable.shape)
        fits = len(own) == len(sizes) and all(1 <= k <= n for k, n in zip(own, sizes, strict=True))
        if variable is None or not fits:
            shown = ",".join(map(str, numbers))
            of = "" if sample is None else f" of sample {sample}"
            name = f"{letter}_{shown}" if shown else letter
            raise OutOfRange(f"there is no {name}{of}")
        self._places[key] = variable, own
        return variable, own

    @cached_property
    def rhs(self) -> dict[Variable, Node]:
        """For each computed quantity the right side of its equation."""
        with uncounted():
            return {e.variable: to_node(e.rhs, self.graph) for e in self.graph.equations}

    @cached_property
    def backward(self) -> BackwardPass:
        """Every deduction, for whoever shows one; what is right is judged without it."""
        with uncounted():
            return BackwardPass(self.graph)

    def links(self, variable: Variable) -> list[Link]:
        """The local derivatives of what is computed directly from a quantity and leads to the loss.

        They are derived when they are asked for: a line is about few of a deep network.
        """
        if variable not in self._links:
            with uncounted():
                found = []
                for equation in self.graph.readers[variable]:
                    if self.graph.leads_on(equation.variable):
                        local = local_derivative(equation, variable)
                        sizes = tuple(int(size) for size in equation.variable.shape)
                        found.append(Link(local, to_node(local.form, self.graph), sizes))
                self._links[variable] = found
        return self._links[variable]

    @cached_property
    def solved(self) -> frozenset[Variable]:
        """The biases that are solved for, so that their preactivations are free.

        None of a batch, whose samples share them.
        """
        return self._own_biases if self.samples is None else frozenset()

    @cached_property
    def _own_biases(self) -> frozenset[Variable]:
        """The biases of layers in which each neuron has one of its own."""
        return frozenset(
            v for v in self.graph.variables if v.role is Role.BIAS and len(v.shape) == 1
        )

    @cached_property
    def free(self) -> frozenset[Variable]:
        """The preactivations that are drawn.

        In a batch as if each sample had biases of its own: what is equal then is equal too where
        they are shared.  `Assumptions.shared` are the layers for which that will not do.
        """
        layers = {variable.layer for variable in self._own_biases}
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
        return any(map(self.is_kinked, self.rhs.values()))

    def is_kinked(self, node: Node) -> bool:
        """Whether a node, or a function of the catalogue that it calls, is defined case by case."""
        return any(
            isinstance(part, Cases)
            or (isinstance(part, Comparison) and not isinstance(part.left, Letter))
            or (isinstance(part, Call) and self._is_kinked_function(part.function))
            for part in walk(node)
        )

    @lru_cache(maxsize=256)  # noqa: B019
    def _is_kinked_function(self, name: str) -> bool:
        if name in BY_CASES or name in ("g", "O"):
            return name in BY_CASES or self.has_kinks
        entry = self.activations.get(name)
        value = self.value_of(name) if isinstance(entry, Activation) else None
        if value is None or value == Call(name, (Element("z"),)):  # tanh is elementary itself
            return False
        return self.is_kinked(value)

    @cached_property
    def _varying(self) -> frozenset[Variable]:
        """The quantities computed through a function that is defined case by case."""
        found: set[Variable] = set()
        for equation in self.graph.equations:
            parents = {self._named(part) for part in walk(self.rhs[equation.variable])}
            kinked = self.is_kinked(self.rhs[equation.variable]) or parents & found
            if kinked and equation.variable not in self.free:
                found.add(equation.variable)
        return frozenset(found)

    def _named(self, node: Node) -> Variable | None:
        if not isinstance(node, Element):
            return None
        layer = node.indices[0].offset if node.letter in LAYERED and node.indices else None
        return self.variable(node.letter, layer)

    def divides_by_kinks(self, node: Node) -> bool:
        """Whether something may be divided by 0 in some cases only."""
        if not self.has_kinks and not self.is_kinked(node):
            return False
        if self._divides_within:
            return True
        return any(map(self._may_vanish, _denominators(node)))

    @cached_property
    def _divides_within(self) -> bool:
        """The same of the equations and local derivatives of the network."""
        links = (link.node for variable in self.graph.variables for link in self.links(variable))
        nodes = (*self.rhs.values(), *links)
        return any(self._may_vanish(below) for node in nodes for below in _denominators(node))

    def _may_vanish(self, node: Node) -> bool:
        return self.is_kinked(node) or any(
            isinstance(part, (Named, Derivative))
            or (isinstance(part, (Element, Array)) and self._may_vary(part))
            for part in walk(node)
        )

    def _may_vary(self, part: Element | Array) -> bool:
        letter = part.letter.lower() if part.letter == "W" else part.letter
        index = part.layer if isinstance(part, Array) else (*part.indices, None)[0]
        if letter not in LAYERED or index is None:
            return self.variable(letter, None) in self._varying
        if not index.is_number:
            return bool(self._varying)
        return letter == "delta" or self.variable(letter, index.offset) in self._varying


BY_CASES = frozenset(name for name, row in ELEMENTARY.items() if row.convention)
"""Functions that `symback.checking.evaluation` evaluates case by case, as it does `Cases`."""


def _denominators(node: Node) -> Iterator[Node]:
    """What a node divides by."""
    for part in walk(node):
        if isinstance(part, Quotient):
            yield part.below
        elif isinstance(part, Power) and part.exponent != Number(Fraction(2)):
            yield part.base
