"""What the right side of a claim is: factor by factor along every path, and as one line.

Here one can

* see the truth of ∂f/∂v as it is made: a `Way` of `Edge`s, each the local derivative of one neuron
  by another with its `Kind` (weight, slope of an activation, input, …), over all paths at once;
  `Way.paths` lists the paths themselves;
* get the right side of any claim in canonical form: `correct_node`.

Nothing is derived here: local derivatives, adjoints and their readable forms are those of
`symback.engine.derivation.BackwardPass`.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import sympy
from sympy import Expr, Indexed

from symback.checking.conversion import Inexpressible, element_of, to_node
from symback.checking.evaluation import Equations
from symback.checking.judge import Judge
from symback.engine.derivation import SUBSTITUTED_TERMS
from symback.engine.matrix import NoMatrixForm, lift
from symback.language.expressions import (
    Array,
    Derivative,
    Element,
    Index,
    Node,
    Number,
    Product,
    Sum,
    Total,
    everywhere,
    negative,
    rebuilt,
    reindexed,
)
from symback.language.names import SIGNS, Role, Variable, index, pack

Neuron = tuple[Variable, tuple[int, ...]]
"""One element of a quantity: the quantity and its own 1-based indices."""

MOST_PATHS = 300
"""So many paths are listed; of more only the sums through single neurons are looked at."""

MOST_STEPS = 60
"""Ways with longer paths (30 layers) are not looked at neuron by neuron."""

MOST_EDGES = 3000
"""A way with more local derivatives is not taken apart."""


class Kind(enum.Enum):
    """What a local derivative is in a network."""

    INPUT = "∂a/∂w"
    BIAS = "∂a/∂b"
    WEIGHT = "∂a/∂h"
    SLOPE = "∂h/∂a"
    OUTPUT = "∂ŷ/∂a"
    LOSS = "∂L/∂ŷ"
    TARGET = "∂L/∂y"
    STAGE = "between two stages of an [equations] file"


@dataclass(frozen=True, slots=True)
class Edge:
    """∂child/∂parent between two neurons: ``node`` with the letters in ``letters``."""

    child: Neuron
    parent: Neuron
    kind: Kind
    node: Node
    letters: Mapping[str, int]


@dataclass(frozen=True)
class Way:
    """All edges that lie on a path from ``by`` to ``of``, in the order of the computation."""

    of: Neuron
    by: Neuron
    edges: tuple[Edge, ...]

    @cached_property
    def neurons(self) -> tuple[Neuron, ...]:
        """The neurons on the way, from ``by`` to ``of``."""
        return tuple(dict.fromkeys((self.by, *(edge.child for edge in self.edges))))

    @cached_property
    def into(self) -> Mapping[Neuron, tuple[Edge, ...]]:
        """The edges that end in each neuron."""
        return _grouped((edge.child, edge) for edge in self.edges)

    @cached_property
    def out_of(self) -> Mapping[Neuron, tuple[Edge, ...]]:
        """The edges that begin in each neuron."""
        return _grouped((edge.parent, edge) for edge in self.edges)

    @cached_property
    def groups(self) -> Mapping[tuple[Variable, Variable], tuple[Edge, ...]]:
        """The edges between the same two quantities; every path has at most one of a group."""
        return _grouped(((edge.child[0], edge.parent[0]), edge) for edge in self.edges)

    @cached_property
    def count(self) -> int:
        """How many paths there are."""
        counts = {self.by: 1}
        for edge in self.edges:
            counts[edge.child] = counts.get(edge.child, 0) + counts[edge.parent]
        return counts.get(self.of, 0)

    def paths(self) -> Iterator[tuple[Edge, ...]]:
        """Every path, as its edges from ``by`` to ``of``."""

        def onwards(neuron: Neuron) -> Iterator[tuple[Edge, ...]]:
            if neuron == self.of:
                yield ()
                return
            for edge in self.out_of.get(neuron, ()):
                yield from ((edge, *rest) for rest in onwards(edge.child))

        return onwards(self.by)


def _grouped(pairs: Iterator) -> dict:
    found: dict = {}
    for key, edge in pairs:
        found.setdefault(key, []).append(edge)
    return {key: tuple(edges) for key, edges in found.items()}


def way_between(equations: Equations, of: Neuron, by: Neuron) -> Way | None:
    """The way from ``by`` to ``of``; None where ``of`` does not depend on it, or it is too long."""
    edges: list[Edge] = []
    reached, frontier, order = {by}, [by], equations.order
    for _ in range(MOST_STEPS):
        following: list[Neuron] = []
        for parent in frontier:
            for link in equations.links(parent[0]):
                child = link.local.child
                for own, letters in link.children(parent[1]):
                    if (child, own) == of or order[child] < order[of[0]]:
                        kind = kind_of(child, parent[0])
                        edges.append(Edge((child, own), parent, kind, link.node, letters))
                        following.append((child, own))
        frontier = [neuron for neuron in dict.fromkeys(following) if neuron not in reached]
        reached.update(frontier)
        if len(edges) > MOST_EDGES:
            return None
        if not frontier:
            break
    else:
        return None
    into = _grouped((edge.child, edge) for edge in edges)
    kept: list[Edge] = []  # those from which ``of`` can be reached
    waiting, seen = [of], {of}
    while waiting:
        for edge in into.get(waiting.pop(), ()):
            kept.append(edge)
            if edge.parent not in seen:
                seen.add(edge.parent)
                waiting.append(edge.parent)
    kept.sort(key=lambda e: (order[e.child[0]], order[e.parent[0]], e.child[1], e.parent[1]))
    return Way(of, by, tuple(kept)) if kept else None


def kind_of(child: Variable, parent: Variable) -> Kind:
    """What the derivative of one quantity by another that it is computed from is."""
    match child.role, parent.role:
        case Role.PREACTIVATION, Role.WEIGHT:
            return Kind.INPUT
        case Role.PREACTIVATION, Role.BIAS:
            return Kind.BIAS
        case Role.LOSS, Role.TARGET:
            return Kind.TARGET
    return _KINDS.get(child.role, Kind.STAGE)


_KINDS = {
    Role.PREACTIVATION: Kind.WEIGHT,
    Role.ACTIVATION: Kind.SLOPE,
    Role.OUTPUT: Kind.OUTPUT,
    Role.LOSS: Kind.LOSS,
}


# ---------------------------------------------------------------------------------------- names


def placed(equations: Equations, element: Element) -> Neuron | None:
    """The neuron that an element with numbers for indices names; None where there is none."""
    if any(not each.is_number for each in element.indices):
        return None
    numbers = tuple(each.offset for each in element.indices)
    for head in (1, 0):
        layer = numbers[0] if head and numbers else None
        variable = equations.variable(element.letter, layer)
        own = numbers[head if layer is not None else 0 :]
        sizes = () if variable is None else tuple(int(size) for size in variable.shape)
        fits = len(own) == len(sizes) and all(1 <= k <= n for k, n in zip(own, sizes, strict=True))
        if variable is not None and fits:
            return variable, own
    return None


def spelled(thing: Neuron | Element) -> str:
    """The name as the lectures write it: w_212, ŷ_1, a_2,11.

    >>> spelled(Element("yhat", (Index("", 1),)))
    'ŷ_1'
    """
    element = thing if isinstance(thing, Element) else element_of(*thing)
    letter = SIGNS.get(element.letter, element.letter)
    numbers = [
        f"{each.letter}{each.offset:+d}"
        if each.letter and each.offset
        else each.letter or each.offset
        for each in element.indices
    ]
    return f"{letter}_{pack(numbers)}" if numbers else letter


def indexed(letter: str, *numbers: int) -> Element:
    """w_212 as a node: ``indexed("w", 2, 1, 2)``."""
    return Element(letter, tuple(Index("", each) for each in numbers))


def number(value: int | Fraction) -> Number:
    """A number as a node."""
    return Number(Fraction(value))


def complement(node: Node) -> Node:
    """1 - node."""
    return Total((number(1), negative(node)))


# -------------------------------------------------------------------------------- the right line


def correct_node(judge: Judge, truth: Node) -> Node | None:
    """The right side of a claim whose left side is ``truth``, in canonical form.

    For ∂L/∂v what the derivation of v ends with; for another derivative the sum over its paths; for
    a quantity the right side of its equation.  None where symback has no single line for it.

    >>> import symback as sb
    >>> from symback.language.expressions import Call
    >>> judge = Judge(sb.Network(2, [(3, "tanh"), (2, "softmax")], loss="squared_error"))
    >>> correct_node(judge, indexed("h", 1, 2)) == Call("tanh", (indexed("a", 1, 2),))
    True
    """
    try:
        match truth:
            case Derivative(Element() as of, Element() as by):
                right = _correct_derivative(judge, of, by)
            case Element("delta", indices):
                loss = element_of(judge.graph.target, ())
                right = _correct_derivative(judge, loss, Element("a", indices))
            case Element():
                right = _correct_value(judge, truth)
            case Array("delta", layer):
                right = _correct_gradient(judge, Array("a", layer))
            case Derivative(Element("L"), Array() as by):
                right = _correct_gradient(judge, by)
            case _:
                return None
    except (Inexpressible, NoMatrixForm, KeyError):
        return None
    return None if right is None else _flat(right)


def _flat(node: Node) -> Node:
    """Products within products dissolved, as one writes them."""
    made = rebuilt(node, _flat)
    if not isinstance(made, Product) or made.elementwise:
        return made
    parts = (
        part.factors if isinstance(part, Product) and not part.elementwise else (part,)
        for part in made.factors
    )
    return Product(tuple(itertools.chain.from_iterable(parts)))


def _correct_value(judge: Judge, element: Element) -> Node | None:
    neuron = placed(judge.equations, element)
    if neuron is None or neuron[0] not in judge.equations.rhs:
        return None
    equation = judge.graph.by_variable[neuron[0]]
    letters = dict(zip((each.name for each in equation.free), neuron[1], strict=True))
    return _unfolded(numbered(to_node(equation.shown, judge.graph), letters))


def _unfolded(node: Node) -> Node:
    """The node with sums of one term written as that term."""
    match node:
        case Sum(letter, body, lower, Index("", upper), None, False) if lower == upper:
            return _unfolded(numbered(body, {letter: lower}))
        case _:
            return rebuilt(node, _unfolded)


def _correct_derivative(judge: Judge, of: Element, by: Element) -> Node | None:
    backward, graph = judge.equations.backward, judge.graph
    if of.letter != element_of(graph.target, ()).letter:
        return _sum_over_paths(judge, of, by)
    neuron = placed(judge.equations, by)
    if neuron is None:
        return None if all(each.is_number for each in by.indices) else _general(judge, by)
    if judge.sizes:  # with Σ, where widths are symbols
        wide = judge.work.backward
        variable = next(v for v in wide.graph.variables if v.name == neuron[0].name)
        if variable.batched:
            return None
        return to_node(wide.folded(variable.at(*neuron[1])), wide.graph)
    is_long = backward.path_counts[neuron[0]] > SUBSTITUTED_TERMS
    if is_long or not backward.is_shallow(neuron[0]):
        return to_node(backward.node_adjoint(neuron).result, graph)
    return to_node(backward.filled(neuron), graph)


def _correct_gradient(judge: Judge, by: Array) -> Node | None:
    """∇ of a whole quantity in matrix form, ∇h and ∇ŷ filled in; δ stays a name."""
    if by.layer is not None and not by.layer.is_number:
        return None
    form = lift(judge.equations.backward)

    def gradient(of: Array) -> Node:
        letter = "w" if of.letter == "W" else of.letter
        variable = judge.equations.variable(letter, None if of.layer is None else of.layer.offset)
        if variable is None or variable.name not in form:
            raise Inexpressible(f"there is no gradient by {of.letter}")
        return filled(to_node(form[variable.name], judge.graph))

    filled = everywhere(
        lambda node: (
            gradient(node.by)
            if isinstance(node, Derivative) and isinstance(node.by, Array)
            else None
        )
    )
    return gradient(by)


def _general(judge: Judge, by: Element) -> Node | None:
    """∂L/∂w_2ij for letters i and j."""
    layer = by.indices[0].offset if by.indices and by.indices[0].is_number else None
    variable = judge.equations.variable(by.letter, layer)
    if variable is None:
        return None
    own = by.indices[len(by.indices) - len(variable.shape) :]
    if any(each.offset and each.letter for each in own):
        return None
    at = [sympy.Integer(each.offset) if each.is_number else index(each.letter) for each in own]
    element: Expr = variable.at(*at)
    assert isinstance(element, Indexed)
    backward = judge.work.backward if judge.sizes else judge.equations.backward
    return to_node(backward.folded(element), backward.graph)


def _sum_over_paths(judge: Judge, of: Element, by: Element) -> Node | None:
    """A local derivative as derived; else the chain rule over the paths, written out."""
    ends = placed(judge.equations, of), placed(judge.equations, by)
    if ends[0] is None or ends[1] is None:
        return None
    way = way_between(judge.equations, ends[0], ends[1])
    if way is None or way.count > SUBSTITUTED_TERMS:
        return None
    backward, graph = judge.equations.backward, judge.graph
    values = [
        [to_node(backward.edge(edge.child, edge.parent)[1], graph) for edge in reversed(path)]
        for path in way.paths()
    ]
    terms = [Product(tuple(each)) if len(each) > 1 else each[0] for each in values]
    return Total(tuple(terms)) if len(terms) > 1 else terms[0]


def numbered(node: Node, letters: Mapping[str, int]) -> Node:
    """``node`` with numbers for its free index letters."""
    return reindexed(node, {letter: Index("", k) for letter, k in letters.items()})
