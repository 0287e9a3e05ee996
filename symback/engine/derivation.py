"""Derivations as data: every equality with the rule that gave it, nothing derived twice.

Here one can

* run the backward pass of a graph in index notation, one `Deduction` a quantity, at the cost of
  its depth whatever its widths: `BackwardPass`;
* take the derivation of one element, say w_131, out of it: `derive`, which gives a `Derivation`.
  Where all widths are numbers and the paths are not too many, its sums are written out neuron by
  neuron; else they stay Σ;
* go through the paths from an element to the loss, `Paths`: counted for any width, also a
  symbolic one, and listed only as far as one looks;
* have the lines from a local derivative as it comes to the form one reads: `local_steps`.

A `Deduction` is ``lhs = rhs_1 = rhs_2 = …``, each equality a `Step` with its `Rule`.  The adjoint
∂L/∂v of a quantity is a name (`Partial`) in every step but its own deduction, so nothing is ever
composed; `Derivation.expr` is the one place where the names are filled in, for whoever asks.
"""

from __future__ import annotations

import enum
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, wraps
from types import MappingProxyType
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

import sympy
from sympy import (
    Add,
    Expr,
    Indexed,
    IndexedBase,
    Integer,
    KroneckerDelta,
    Mul,
    Pow,
    Rational,
    Sum,
    Symbol,
)

from symback.engine.calculus import (
    LocalDerivative,
    instantiate,
    is_zero,
    local_derivative,
    slope_by_value,
)
from symback.engine.graph import Equation, Graph, IllFormed, KnownSum, base_name
from symback.engine.slopes import multiplied_in, numbers_in, tidied, with_value
from symback.language.algebra import (
    Partial,
    Product,
    Sigma,
    Terms,
    collapse,
    negative,
    product,
    total,
)
from symback.language.names import (
    SAMPLE,
    Reference,
    Role,
    Variable,
    element_name,
    elements,
    fresh_index,
)
from symback.language.writing import Text

Node = tuple[Variable, tuple[int, ...]]
"""One element: a quantity and its 1-based indices, the sample of a batch left out."""

UNROLLED_PATHS = 300
"""Up to this many paths the sums are written out neuron by neuron."""

SUBSTITUTED_TERMS = 24
"""Up to this many paths the result is also shown with every adjoint filled in."""

MOST_OPERATIONS = 60
"""Of scalar equations the result is shown with every adjoint filled in up to this length."""

DEEPEST = 60
"""Adjoints are filled in where at most so many quantities, one computed from the other, lie between
an element and the loss (30 layers).  Deeper, each stays the name that its own deduction has: a
formula of a hundred nested brackets is one that nobody reads and no recursive program walks."""


class Rule(enum.Enum):
    """Why one right-hand side equals the one before; the value is the identity."""

    PATHS = "∂L/∂w = Σ over the paths from w to L of the product of the local derivatives along it"
    CHAIN = "∂L/∂v = Σ_c ∂L/∂c · ∂c/∂v, over every c computed directly from v"
    GROUP = "f·r + g·r = (f + g)·r: what all paths share is written once"
    MULTIPLY = "the numbers among the factors multiplied"
    LOCAL = "∂c/∂v, as derived from the equation of c"
    SUBSTITUTE = "∂L/∂c, as derived before"
    CANCEL = "(u/v)·v = u"
    CONTRACT = "Σ_j f_j δ_ij = f_i"
    EXPAND = "u·(v + w) = u·v + u·w"
    FACT = "a sum known from what its terms mean"
    COMPLEMENT = "p_1 + p_2 = 1, so 1 - p_1 = p_2"
    FACTOR = "u·v + u·w = u·(v + w)"
    DIFFERENTIATE = "the derivative of an elementary function"
    COMPOSED = "f(g)' = f'(g)·g'"
    PRODUCT = "(u·v)' = u'·v + u·v'"
    QUOTIENT = "(u/v)' = (u'·v - u·v')/v²"
    SPLIT = "u/(v·w) = 1/v · u/w"
    DIVIDE = "u/(u + c) = 1 - c/(u + c)"
    SHORTEN = "u/v = 1/(v/u)"
    REARRANGE = "the same rational function, written otherwise"
    REWRITE = "the function's value in place of its formula"
    FOLD = "the sums over the neurons written as Σ"
    INSTANTIATE = "what holds for every index, at one"
    UNROLL = "Σ_{t=1}^{2} f_t = f_1 + f_2"


@dataclass(frozen=True, slots=True)
class Step:
    """``= rhs``, by ``rule``; ``uses``: the derivatives it filled in, ``fact``: what it assumed.

    ``since`` holds the two sides of an equation it goes back to, such as h = σ(a).
    """

    rule: Rule
    rhs: Expr
    uses: tuple[Expr, ...] = ()
    fact: KnownSum | None = None
    since: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Deduction:
    """``lhs = step = step = …``, for every value of the indices in ``free``."""

    lhs: Partial
    free: tuple[Symbol, ...]
    steps: tuple[Step, ...]

    @property
    def result(self) -> Expr:
        """The last right-hand side."""
        return self.steps[-1].rhs

    @property
    def facts(self) -> tuple[KnownSum, ...]:
        """What its steps assumed."""
        return tuple(step.fact for step in self.steps if step.fact is not None)


def _without_repeats(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps that change the right-hand side."""
    sides = [None, *(step.rhs for step in steps)]
    return tuple(step for step, before in zip(steps, sides, strict=False) if step.rhs != before)


# ---------------------------------------------------------------------------- the backward pass


P = ParamSpec("P")
T = TypeVar("T")


def _once(
    work: Callable[Concatenate[BackwardPass, P], T],
) -> Callable[Concatenate[BackwardPass, P], T]:
    """A method that answers the same question once; the backward pass keeps the answer."""

    @wraps(work)
    def answer(self: BackwardPass, *question: P.args, **named: P.kwargs) -> T:
        known = self._answers[work.__name__]
        try:
            return known[question]
        except KeyError:
            found = known[question] = work(self, *question, **named)
            return found

    return answer


@dataclass(frozen=True, slots=True)
class _Link:
    """From the elements of a quantity to those of one computed from it.

    For each index of the latter: its size, and which index of the former pins it, if one does.  A
    sigmoid leads from a_21 to yhat_1 only, a softmax to every output.  Where the link is
    ``sparse``, deltas decide which of the rest follow: r_i = x_i + x_1 leads from x_2 to r_2 only.
    """

    local: LocalDerivative
    axes: tuple[tuple[Expr, int | None], ...]
    sparse: bool

    @classmethod
    def of(cls, local: LocalDerivative) -> _Link:
        """Read off the pins of a local derivative; for a batch the links are those of a sample."""
        pins = dict(local.pins)
        place = {q: k for k, q in enumerate(local.parent_indices[local.parent.batched :])}
        axes = [*zip(local.child.shape, local.child_indices, strict=True)][local.child.batched :]
        deltas = dict.fromkeys(local.form.atoms(KroneckerDelta), Integer(0))
        sparse = bool(deltas) and _vanishes(local.form.xreplace(deltas))
        axes = tuple((n, place[pins[i]] if i in pins else None) for n, i in axes)
        return cls(local, axes, sparse)

    @property
    def fan_out(self) -> Expr:
        """How many elements follow one."""
        return Mul(*(size for size, pin in self.axes if pin is None))

    def following(self, indices: tuple[int, ...], *, reverse: bool) -> Iterator[Node]:
        """The elements that follow the one at ``indices``."""
        ranges = [
            range(1, int(size) + 1) if pin is None else (indices[pin],) for size, pin in self.axes
        ]
        choices = _choices([each[::-1] for each in ranges] if reverse else ranges)
        nodes = ((self.local.child, choice) for choice in choices)
        if not self.sparse:
            return nodes
        here = _at((self.local.parent, indices))
        return (node for node in nodes if not _vanishes(self.local.at(_at(node), here)))


def _choices(ranges: Sequence[Sequence[int]]) -> Iterator[tuple[int, ...]]:
    """One of each; `itertools.product` would hold every number of every range."""
    if not ranges:
        yield ()
        return
    for first in ranges[0]:
        for rest in _choices(ranges[1:]):
            yield (first, *rest)


def _vanishes(expr: Expr) -> bool:
    """Whether an expression whose deltas have been decided is 0 as it stands."""
    if isinstance(expr, Sum):
        return _vanishes(expr.function)
    if isinstance(expr, (Mul, Product)):
        return any(map(_vanishes, expr.args))
    return expr == 0 or (isinstance(expr, (Add, Terms)) and all(map(_vanishes, expr.args)))


class BackwardPass:
    """One adjoint ∂L/∂v a quantity v, in index notation, from the loss back; shared by everyone.

    ``derivatives`` holds ∂child/∂parent by (child, parent), ``adjoints`` a deduction a quantity.
    """

    def __init__(self, graph: Graph) -> None:
        if graph.target.shape:
            raise IllFormed(
                f"{graph.target.name} is an array, and only a number has derivatives by elements; "
                f"expected a target such as L = Σ {graph.target.name}"
            )
        self.graph = graph
        self._answers: defaultdict[str, dict[Any, Any]] = defaultdict(dict)
        self._element_nodes: dict[Expr, Node] = {}
        self.derivatives: dict[tuple[Variable, Variable], LocalDerivative] = {}
        self.adjoints: dict[Variable, Deduction] = {}
        for variable in reversed(graph.variables):
            if variable == graph.target:
                continue
            found = []
            for equation in graph.readers[variable]:
                if graph.leads_on(equation.variable):
                    held = graph.following(variable, equation)
                    found.append(replace(local_derivative(equation, variable), held=held))
                    self.derivatives[equation.variable, variable] = found[-1]
            if found:
                self.adjoints[variable] = _adjoint(self, variable, found)

    def adjoint_name(self, element: Expr) -> Partial:
        """∂L/∂element."""
        return Partial(self.graph.target.element, element)

    def adjoint_at(self, element: Expr) -> Expr:
        """What was derived for ∂L/∂element, in index notation, at the indices of ``element``."""
        deduction = self.adjoints[self.graph.by_base[base_name(element)]]
        indices = element.indices if isinstance(element, Indexed) else ()
        return instantiate(deduction.result, dict(zip(deduction.free, indices, strict=True)))

    def is_shallow(self, variable: Variable) -> bool:
        """Whether adjoints may be filled in on the way from ``variable`` to the loss."""
        return self._lengths[variable] <= DEEPEST

    def folded(self, element: Expr) -> Expr:
        """∂L/∂element with every adjoint filled in and every sum over neurons left as Σ.

        On a way that is not `is_shallow` adjoints stay names.
        """
        known = self.adjoint_at(element)
        if not self.is_shallow(self.graph.by_base[base_name(element)]):
            return known
        filled = self._fill(known, element.free_symbols)
        if isinstance(filled, Product):  # -2 ŷ (y - …), where filling in left ŷ·(-2 (y - …))
            number, factors = _factors(filled)
            return filled if number == 1 else Product(number, *factors)
        return filled

    def _fill(self, expr: Expr, used: set[Symbol]) -> Expr:
        if isinstance(expr, Partial):
            return self._fill(_apart(self.adjoint_at(expr.by), used), used)
        if not expr.has(Partial):
            return expr
        if isinstance(expr, Sum):
            inner = used | {expr.limits[0][0]} | expr.function.free_symbols
            body = self._fill(expr.function, inner)
            if isinstance(body, Product):  # Σ c f = c Σ f: -Σ -2(y - ŷ) reads 2 Σ (y - ŷ)
                number, factors = _factors(body)
                if number != 1:
                    return Product(number, Sigma(product(factors), *expr.limits))
            return Sigma(body, *expr.limits)
        filled = expr.func(
            *(self._fill(argument, used | expr.free_symbols) for argument in expr.args)
        )
        return factored(filled) if isinstance(filled, Terms) else filled

    # ------------------------------------------------------------------ which follows which

    @cached_property
    def _links(self) -> dict[Variable, list[_Link]]:
        links: dict[Variable, list[_Link]] = {variable: [] for variable in self.graph.variables}
        for equation in self.graph.equations:
            for parent in self.graph.parents[equation.variable]:
                if (equation.variable, parent) in self.derivatives:
                    links[parent].append(_Link.of(self.derivatives[equation.variable, parent]))
        return links

    @cached_property
    def path_counts(self) -> dict[Variable, Expr]:
        """The number of paths from an element of each quantity to the loss."""
        counts: dict[Variable, Expr] = {self.graph.target: Integer(1)}
        for variable in reversed(self.graph.variables):
            if variable not in counts:
                links = self._links[variable]
                counts[variable] = Add(*(link.fan_out * counts[link.local.child] for link in links))
        return counts

    @cached_property
    def _sparse(self) -> set[Variable]:
        """The quantities whose elements do not all have equally many paths to the loss."""
        found: set[Variable] = set()
        for variable in reversed(self.graph.variables):
            if any(link.sparse or link.local.child in found for link in self._links[variable]):
                found.add(variable)
        return found

    @_once
    def paths_from(self, node: Node) -> Expr:
        """The number of paths from one element to the loss.

        Raises `IllFormed` where a width is a letter and the number differs by element.
        """
        if node[0] not in self._sparse:
            return self.path_counts[node[0]]
        if not self.graph.is_concrete():
            raise IllFormed(
                f"how many paths lead from {element_name(*node)} to the loss depends on which "
                f"element of {node[0].name} it is; expected numbers for all widths"
            )
        return Add(*(self.paths_from(child) for child in self.following(node)))

    @cached_property
    def _lengths(self) -> dict[Variable, int]:
        """The most steps of a path from an element of each quantity to the loss."""
        lengths: dict[Variable, int] = {}
        for variable in reversed(self.graph.variables):
            onward = (1 + lengths[link.local.child] for link in self._links[variable])
            lengths[variable] = max(onward, default=0)
        return lengths

    def following(self, node: Node, *, reverse: bool = False) -> Iterator[Node]:
        """The elements computed directly from one element, one after another."""
        links = self._links[node[0]]
        for link in reversed(links) if reverse else links:
            yield from link.following(node[1], reverse=reverse)

    @_once
    def branches(self, node: Node) -> tuple[Node, ...]:
        """The elements computed directly from one element, at once."""
        return tuple(self.following(node))

    @_once
    def route(self, start: Variable) -> tuple[list[Variable], tuple[LocalDerivative, ...]]:
        """The quantities between ``start`` and the loss, and the local derivatives on the way.

        The quantities are in topological order, both ends left out; the derivatives go back.
        """
        graph, known = self.graph, self.derivatives
        reached = {start}
        for child in (equation.variable for equation in graph.equations):
            if any(
                parent in reached and (child, parent) in known for parent in graph.parents[child]
            ):
                reached.add(child)
        between = [v for v in graph.variables if v in reached and v not in (start, graph.target)]
        within = {start, *between}
        pairs = (
            (child, parent)
            for child in reversed([*between, graph.target])
            for parent in reversed(graph.parents[child])
            if parent in within
        )
        return between, tuple(known[pair] for pair in pairs if pair in known)

    # ------------------------------------------------------------------ one neuron at a time

    @_once
    def scalar(self, variable: Variable, indices: tuple[int, ...]) -> Expr:
        """The element as a plain symbol named as the lectures do (``h_13``), samples left free."""
        if variable.batched:
            element = variable.at(SAMPLE, *indices)
        else:
            element = Symbol(element_name(variable, indices))
        self._element_nodes[element] = (variable, indices)
        return element

    def node_of(self, element: Expr) -> Node:
        """The quantity and the indices behind a symbol that `scalar` gave."""
        return self._element_nodes[element]

    def unroll(self, expr: Expr, values: Mapping[Any, Any] | None = None) -> Expr:
        """``expr`` with every sum over neurons written out and every element named."""
        values = values or {}
        if isinstance(expr, Indexed) or (
            isinstance(expr, Symbol) and expr.name in self.graph.by_base
        ):
            variable = self.graph.by_base[base_name(expr)]
            own = expr.args[1 + variable.batched :]  # for a scalar there are none
            return self.scalar(variable, tuple(int(values.get(i, i)) for i in own))
        if not expr.args:
            return values.get(expr, expr)
        if isinstance(expr, IndexedBase):  # a whole array that is held
            return expr
        if isinstance(expr, Sum):
            bound, _, upper = expr.limits[0]
            if bound == SAMPLE:
                return Sigma(self.unroll(expr.function, values), (bound, 1, upper))
            return total(
                self.unroll(expr.function, {**values, bound: Integer(k)})
                for k in range(1, int(upper) + 1)
            )
        arguments = [self.unroll(argument, values) for argument in expr.args]
        # Two numbers decide a delta: ŷ_2·(0 - ŷ_1) is -ŷ_1·ŷ_2.
        if isinstance(expr, Product) and any(
            part.has(KroneckerDelta) for part in expr.args if not isinstance(part, Product)
        ):
            return product(arguments)
        if all(new == old for new, old in zip(arguments, expr.args, strict=True)):
            return expr
        if isinstance(expr, (Pow, sympy.Function)) and expr.has(Product, Terms):
            kind: Any = expr.func
            return kind(*arguments, evaluate=False)  # SymPy would look into what is typed
        return expr.func(*arguments)

    @_once
    def edge(self, child: Node, parent: Node) -> tuple[Partial, Expr]:
        """∂child/∂parent between an element and one of its branches, by name and derived."""
        local = self.derivatives[child[0], parent[0]]
        held = (self.unroll(variable.whole) for variable in local.held)
        name = Partial(self.scalar(*child), self.scalar(*parent), *held)
        return name, self.unroll(local.at(_at(child), _at(parent)))

    @_once
    def tails(self, node: Node) -> list[tuple[Partial, ...]]:
        """For every path from one element to the loss its factors, from the loss back."""
        if node[0] == self.graph.target:
            return [()]
        named = [(self.edge(child, node)[0], self.tails(child)) for child in self.branches(node)]
        return [(*tail, name) for name, tails in named for tail in tails]

    @_once
    def node_adjoint(self, node: Node) -> Deduction:
        """∂L/∂(one element), its sums written out neuron by neuron."""
        general = self.adjoints[node[0]]
        fused = any(step.rule in (Rule.SUBSTITUTE, Rule.CANCEL) for step in general.steps)
        known = {} if fused else _terms_by_branches(self, node)
        at = dict(zip(general.free, _at(node), strict=True))
        steps: list[Step] = []
        for step in general.steps:
            if fused or step.rule in (Rule.CHAIN, Rule.LOCAL):
                known_rhs = known.get(step.rule)
                rhs = self.unroll(step.rhs, at) if known_rhs is None else known_rhs
                uses = _names_in(steps[-1].rhs) if step.uses else ()
                steps.append(Step(step.rule, rhs, uses, step.fact))
        if not fused:
            steps += _closed(self, node[0], steps[-1].rhs)
        return Deduction(self._adjoint_of(node), (), _without_repeats(steps))

    def _adjoint_of(self, node: Node) -> Partial:
        """∂L/∂(one element) as a name."""
        return Partial(self.scalar(self.graph.target, ()), self.scalar(*node))

    @_once
    def filled(self, node: Node) -> Expr:
        """∂L/∂(one element) with the adjoints it uses filled in, down to names of quantities."""
        return self.fill_names(self.node_adjoint(node).result)

    @_once
    def collapsed(self, node: Node) -> Expr:
        """`filled` in SymPy's own nodes; each adjoint is collapsed once, for all that use it."""
        return collapse(self.fill_names(self.node_adjoint(node).result, self.collapsed))

    def fill_names(self, expr: Expr, known: Callable[[Node], Expr] | None = None) -> Expr:
        """``expr`` with each adjoint of one element replaced by `filled`, or what is ``known``."""
        if isinstance(expr, Partial):
            return (known or self.filled)(self.node_of(expr.by))
        if not expr.args or not expr.has(Partial):
            return expr
        return expr.func(*(self.fill_names(argument, known) for argument in expr.args))

    @_once
    def cone(self, first: tuple[Node, ...]) -> tuple[Deduction, ...]:
        """The deductions of the elements from ``first`` to the loss, from the loss back."""
        found = dict.fromkeys(first)
        frontier = first
        while frontier:
            following = dict.fromkeys(child for node in frontier for child in self.branches(node))
            frontier = tuple(node for node in following if node not in found)
            found.update(dict.fromkeys(frontier))
        places = {variable: place for place, variable in enumerate(self.graph.variables)}
        nodes = [node for node in found if node[0] != self.graph.target]
        nodes.sort(key=lambda node: (-places[node[0]], node[1]))
        for node in nodes:  # in this order each finds what it needs, however long the way is
            self.filled(node)
            self.collapsed(node)
        return tuple(self.node_adjoint(node) for node in nodes)

    @_once
    def closing(self, variable: Variable) -> list[Variable]:
        """What is computed from a quantity, where all of it has adjoints that can be filled in."""
        readers = (equation.variable for equation in self.graph.readers[variable])
        children = [child for child in readers if (child, variable) in self.derivatives]
        known = self.graph.target not in children and not any(
            self.adjoints[child].result.has(Partial, Sum) for child in children
        )
        return children if known else []

    def over_samples(self, variable: Variable, expr: Expr) -> Expr:
        """Σ_s expr where a batch shares the quantity that one differentiates by."""
        if self.graph.samples is None or variable.batched:
            return expr
        return Sigma(expr, (SAMPLE, 1, self.graph.samples))


def _apart(expr: Expr, used: set[Symbol]) -> Expr:
    """``expr`` with bound indices that are not among ``used``, so that nested sums read well."""
    if isinstance(expr, Sum):
        bound, lower, upper = expr.limits[0]
        letter = fresh_index({*used, *expr.function.free_symbols}) if bound in used else bound
        body = instantiate(expr.function, {bound: letter})
        return Sigma(_apart(body, used | {letter}), (letter, lower, upper))
    if not expr.has(Sum):
        return expr
    return expr.func(*(_apart(argument, used) for argument in expr.args))


def _at(node: Node) -> tuple[Expr, ...]:
    """The indices of an element as SymPy has them, the sample of a batch left free."""
    own = tuple(map(Integer, node[1]))
    return (SAMPLE, *own) if node[0].batched else own


# ----------------------------------------------------------------------------------- the paths


@dataclass(frozen=True, slots=True)
class Path:
    """One way from a weight to the loss.

    ``nodes`` are elements, from the weight to the loss, ``neurons`` their names; ``factors`` the
    local derivatives by name, from the loss back to the weight, as the chain rule writes them;
    ``values`` the same derived: their product is the path's share of ∂L/∂w.
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


class Paths:
    """The paths from ``start`` to the target of the graph, in the order of the indices.

    A sequence in all but its ``count``, which is how many there are; for a batch the paths of one
    sample.  Which elements follow one another is read off the backward pass, once for all starts.
    """

    def __init__(self, backward: BackwardPass, start: Reference) -> None:
        self._backward, self._start = backward, start

    @property
    def count(self) -> int | Expr:
        """How many there are: an ``int``, or an expression in the symbolic widths."""
        number = self._backward.paths_from((self._start.variable, self._start.indices))
        return int(number) if number.is_Integer else number

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
        found = next(itertools.islice(self._walk(reverse=position < 0), steps, None), None)
        if found is None:
            raise IndexError(f"path {position} of {self.count}")
        return found

    def __repr__(self) -> str:
        target = element_name(self._backward.graph.target)
        return f"<{self.count} paths from {self._start.name} to {target}>"

    def _walk(self, *, reverse: bool) -> Iterator[Path]:
        backward = self._backward
        if not backward.graph.is_concrete():
            raise TypeError("paths can be listed only where every width is a number")
        # The elements on the trail, the branches of each not yet walked, the slopes between them.
        nodes: list[Node] = [(self._start.variable, self._start.indices)]
        waiting = [backward.following(nodes[0], reverse=reverse)]
        slopes: list[tuple[Partial, Expr]] = []
        while nodes:
            here = nodes[-1]
            if here[0] == backward.graph.target:
                names, values = zip(*reversed(slopes), strict=True)
                yield Path(tuple(nodes), names, values)
            elif (step := next(waiting[-1], None)) is not None:
                slopes.append(_slope(backward.derivatives[step[0], here[0]], step, here))
                nodes.append(step)
                waiting.append(backward.following(step, reverse=reverse))
                continue
            del nodes[-1], waiting[-1], slopes[-1:]


@lru_cache(maxsize=4096)
def _slope(local: LocalDerivative, child: Node, parent: Node) -> tuple[Partial, Expr]:
    """∂child/∂parent between two elements, by name and derived; most edges lie on many paths."""
    return local.name_at(_at(child), _at(parent)), local.at(_at(child), _at(parent))


# ------------------------------------------------------------------------ adjoints, index by index


def _adjoint(
    backward: BackwardPass, variable: Variable, locals_: Sequence[LocalDerivative]
) -> Deduction:
    """∂L/∂variable = Σ over what is computed from it, then worked out where there is one such."""
    target, lhs = backward.graph.target, backward.adjoint_name(variable.element)

    def term(local: LocalDerivative, factor: Expr) -> Expr:
        """Σ ∂L/∂child · factor over the indices of the child that are not pinned."""
        if local.child == target:
            return factor
        return _sum_over_child(local, Product(backward.adjoint_name(local.name.of), factor))

    chain = Terms(*(term(local, local.name) for local in locals_))
    steps = [] if chain == lhs else [Step(Rule.CHAIN, chain)]
    steps.append(Step(Rule.LOCAL, Terms(*(term(local, local.form) for local in locals_))))
    if len(locals_) == 1 and (local := locals_[0]).child != target:
        more = _fused(backward, local)
        if not more and (pair := _coupled_pair(local)):
            # Σ_j v_j f_j(δ_ij - g_i) as f_i(v_i - …): the sum without its delta, then factored
            body = Product(backward.adjoint_name(local.name.of), local.form)
            contracted = _take_out(body, local, *pair)
            more = [Step(Rule.CONTRACT, contracted), Step(Rule.FACTOR, factored(contracted))]
        steps += more
    return Deduction(lhs, variable.indices, _without_repeats(steps))


def _sum_over_child(local: LocalDerivative, body: Expr) -> Expr:
    sizes = dict(zip(local.child_indices, local.child.shape, strict=True))
    for letter in reversed(local.free_child_indices()):
        body = Sigma(body, (letter, 1, sizes[letter]))
    return body


def _coupled_pair(local: LocalDerivative) -> tuple[Symbol, KroneckerDelta] | None:
    """The one summed index of the child and the delta that ties it to the parent (softmax)."""
    letters, deltas = local.free_child_indices(), local.form.atoms(KroneckerDelta)
    if len(letters) != 1 or len(deltas) != 1 or local.form.has(Sum):
        return None
    (letter,), (delta,) = letters, deltas
    return (letter, delta) if letter in delta.args else None


def _take_out(body: Expr, local: LocalDerivative, letter: Symbol, delta: KroneckerDelta) -> Expr:
    """Σ_letter body = (what the delta picks) + Σ_letter (the rest)."""
    other = next(argument for argument in delta.args if argument != letter)
    rest = collapse(body.xreplace({delta: Integer(0)}))
    picked = collapse(body.xreplace({delta: Integer(1)})) - rest
    picked = instantiate(sympy.factor_terms(picked) if picked.is_Add else picked, {letter: other})
    size = dict(zip(local.child_indices, local.child.shape, strict=True))[letter]
    outside, inside = (  # of the sum over the letter
        [factor for factor in Mul.make_args(rest) if (letter in factor.free_symbols) == within]
        for within in (False, True)
    )
    left = Mul(*outside) * size
    if inside:
        left = Product(Mul(*outside), Sigma(_adjoint_first(Mul(*inside)), (letter, 1, size)))
    return Terms(_adjoint_first(sympy.expand(picked)), left)


def _adjoint_first(expr: Expr) -> Expr:
    """A ``Mul`` with its adjoint in front, as one reads it."""
    factors = Mul.make_args(expr)
    names = [factor for factor in factors if isinstance(factor, Partial)]
    others = [factor for factor in factors if not isinstance(factor, Partial)]
    return Product(*names, Mul(*others)) if names and others else expr


def _fused(backward: BackwardPass, local: LocalDerivative) -> list[Step]:
    """The steps of a derivative that cancels against the next one (cross-entropy after softmax).

    Empty where nothing cancels: then the adjoint stays a name.
    """
    element = local.name.of
    known = backward.adjoint_at(element)
    if known.has(Partial, Sum) or not _divided_by(known):
        return []
    form = collapse(local.form)
    cancelled = total(collapse(term) * form for term in _distributed(known))
    if _divided_by(cancelled):
        return []
    uses = (backward.adjoint_name(element),)
    steps = [
        Step(Rule.SUBSTITUTE, _sum_over_child(local, Product(known, local.form)), uses),
        Step(Rule.CANCEL, _sum_over_child(local, cancelled)),
    ]
    if pair := _coupled_pair(local):
        steps.append(Step(Rule.CONTRACT, _take_out(cancelled, local, *pair)))
        for fact in backward.graph.facts:
            told = _with_fact(steps[-1].rhs, fact)
            if told != steps[-1].rhs:
                steps.append(Step(Rule.FACT, told, fact=fact))
        steps.append(Step(Rule.FACTOR, factored(steps[-1].rhs)))
    else:  # a small sum of products may be shorter when it is multiplied out
        expanded = sympy.expand(collapse(cancelled))
        if sympy.count_ops(expanded) < sympy.count_ops(collapse(cancelled)):
            steps += [Step(Rule.EXPAND, expanded), Step(Rule.FACTOR, factored(expanded))]
    is_short = sympy.count_ops(collapse(steps[-1].rhs)) <= sympy.count_ops(form) + 1
    return steps if is_short else []


def _with_fact(expr: Expr, fact: KnownSum) -> Expr:
    """``expr`` with Σ_j (element j of the fact's quantity) replaced by its total."""

    def told(term: Expr, known: Expr) -> Expr:
        if isinstance(term, Product):
            return product(Integer(fact.total) if part == known else part for part in term.args)
        return Integer(fact.total) if term == known else term

    variable = fact.variable
    for known in expr.atoms(Sum):
        (bound, _, upper) = known.limits[0]
        wanted = variable.at(*variable.indices[: variable.batched], bound)
        if known.function == wanted and upper == variable.shape[-1]:
            return total(told(term, known) for term in _terms(expr))
    return expr


def _terms(expr: Expr) -> tuple[Expr, ...]:
    return expr.args if isinstance(expr, (Terms, Add)) else (expr,)


def _distributed(expr: Expr) -> tuple[Expr, ...]:
    """The terms of a sum, also of one that stands behind a number: ½ (u + v)."""
    sums = [part for part in expr.args if isinstance(part, (Terms, Add))]
    if isinstance(expr, Product) and len(sums) == 1:
        others = [part for part in expr.args if part is not sums[0]]
        return tuple(Product(*others, term) for term in sums[0].args)
    return _terms(expr)


def _divided_by(expr: Expr) -> set[Expr]:
    """The elements that stand in a denominator."""
    powers = (power for power in collapse(expr).atoms(Pow) if power.exp.could_extract_minus_sign())
    elements = set().union(*(power.base.atoms(Indexed, Symbol) for power in powers))
    return {each for each in elements if isinstance(each, Indexed) or not each.is_integer}


# ------------------------------------------------------------------------------------ factoring


def factored(expr: Expr) -> Expr:
    """Σ of products with what all of them share in front: u v + u w = u (v + w)."""
    terms = list(_terms(expr))
    if not isinstance(expr, Terms):  # a sum without an order of its own is read ŷ - y, not -y + ŷ
        terms.sort(key=lambda u: (u.could_extract_minus_sign(), sympy.default_sort_key(u)))
    if len(terms) < 2:
        return expr
    parts = [_factors(term) for term in terms]
    common = Counter(parts[0][1])
    for _, factors in parts[1:]:
        common &= Counter(factors)
    shared, left = [], common.copy()
    for factor in parts[0][1]:
        if left[factor]:
            shared.append(factor)
            left[factor] -= 1
    numbers = [number for number, _ in parts]
    number = Rational(sympy.igcd(*(n.p for n in numbers)), sympy.ilcm(*(n.q for n in numbers), 1))
    number = -number if numbers[0] < 0 else number
    if not shared and abs(number) == 1:
        return expr
    rests = []
    for own, factors in parts:
        own, rest = own / number, list(factors)
        for factor in shared:
            rest.remove(factor)
        if own == -1 and len(rest) == 1:
            rests.append(negative(rest[0]))
        else:
            rests.append(product([own, *rest] if own != 1 or not rest else rest))
    # The number and single quantities in one factor, sums after them.
    single = [factor for factor in shared if not isinstance(factor, (Add, Terms, Partial))]
    others = [factor for factor in shared if isinstance(factor, (Add, Terms, Partial))]
    front = [Mul(number, *single)] if number != 1 or single else []
    return Product(*front, *others, total(rests))


def _factors(expr: Expr) -> tuple[Expr, list[Expr]]:
    """A term as its number and its factors, each power as often as it counts."""
    number, factors = Rational(1), []
    for part in expr.args if isinstance(expr, (Product, Mul)) else (expr,):
        if part.is_Rational:
            number *= part
        elif isinstance(part, (Product, Mul)):
            inner, more = _factors(part)
            number *= inner
            factors += more
        elif isinstance(part, Pow) and part.exp.is_Integer:
            once = part.base if part.exp > 0 else 1 / part.base
            factors += [once] * abs(int(part.exp))
        else:
            factors.append(part)
    return number, factors


def _factored_inside(expr: Expr) -> Expr:
    """``expr`` with what the terms of its bracket share taken out of the bracket."""
    if isinstance(expr, Sum):
        return Sigma(_factored_inside(expr.function), *expr.limits)
    if not isinstance(expr, Product):
        return factored(expr)
    parts: list[Expr] = []
    for part in expr.args:
        taken = factored(part) if isinstance(part, Terms) else part
        parts += taken.args if isinstance(taken, Product) and taken != part else [taken]
    return Product(*parts)


# ----------------------------------------------------------------------- adjoints, neuron by neuron


def _terms_by_branches(backward: BackwardPass, node: Node) -> dict[Rule, Expr]:
    """The chain rule by name and derived, where no sum over all neurons says it.

    It has one term, or deltas leave only some of the elements that might follow.
    """
    branches = backward.branches(node)
    if any(link.sparse for link in backward._links[node[0]]):
        sides: dict[Rule, list[Expr]] = {Rule.CHAIN: [], Rule.LOCAL: []}
        for child in branches:
            for rule, factor in zip(sides, backward.edge(child, node), strict=True):
                at_end = child[0] == backward.graph.target
                term = factor if at_end else Product(backward._adjoint_of(child), factor)
                shared = child[0].batched and not node[0].batched
                sides[rule].append(backward.over_samples(node[0], term) if shared else term)
        return {rule: Terms(*terms) for rule, terms in sides.items()}
    if len(branches) != 1 or branches[0][0] == backward.graph.target:
        return {}
    if backward.derivatives[branches[0][0], node[0]].free_child_indices():
        return {}
    name, value = backward.edge(branches[0], node)
    adjoint = backward._adjoint_of(branches[0])
    return {Rule.CHAIN: Product(adjoint, name), Rule.LOCAL: Product(adjoint, value)}


def _names_in(expr: Expr) -> tuple[Expr, ...]:
    """The derivatives that stand in an expression by their names, in a fixed order."""
    return tuple(sorted(expr.atoms(Partial), key=sympy.default_sort_key))


def _closed(backward: BackwardPass, variable: Variable, expr: Expr) -> list[Step]:
    """At the output layer: ∂L/∂ŷ filled in, two outputs that sum to one, common factors."""
    children = backward.closing(variable)
    if not children:
        return []
    steps = [Step(Rule.SUBSTITUTE, backward.fill_names(expr), _names_in(expr))]
    for fact in backward.graph.facts:
        if fact.variable in children and (fact.total, fact.variable.shape[-1]) == (1, 2):
            first, second = (backward.scalar(fact.variable, (k,)) for k in (1, 2))
            known = _rebuild(steps[-1].rhs, {1 - first: second, 1 - second: first})
            if known != steps[-1].rhs:
                steps.append(Step(Rule.COMPLEMENT, known, fact=fact))
    steps += _tidied(backward, steps[-1].rhs)
    factor = factored(steps[-1].rhs)
    if factor == steps[-1].rhs or not _worth(backward, factor, steps[-1].rhs):
        return steps
    return [*steps, Step(Rule.FACTOR, factor)]


def _tidied(backward: BackwardPass, expr: Expr) -> list[Step]:
    """What is both multiplied and divided by taken out; in layers `_fused` does that as a whole."""
    if not backward.graph.is_scalar:
        return []
    found = tidied(expr)
    fewer, many = (sum(map(_is_divisor, sympy.preorder_traversal(side))) for side in (found, expr))
    rule = Rule.CANCEL if fewer < many else Rule.MULTIPLY
    changes = fewer < many or numbers_in(found) < numbers_in(expr)
    return [Step(rule, found)] if changes and _are_equal(found, expr) else []


def _are_equal(
    first: Expr, second: Expr, known: Mapping[Expr, Expr] = MappingProxyType({})
) -> bool:
    """Whether two sides are proved equal, with what is ``known`` filled in."""
    gap = collapse(first).xreplace(dict(known)) - collapse(second).xreplace(dict(known))
    names = {name: Symbol(f"_d{k}") for k, name in enumerate(_names_in(gap))}
    return is_zero(gap.xreplace(names))


def _with_stages(backward: BackwardPass, expr: Expr) -> list[Step]:
    """The names of quotients that were computed on the way, e_1/S = p_1, in their place."""
    steps: list[Step] = []
    for equation in backward.graph.equations if backward.graph.is_scalar else ():
        formula = equation.typed
        if isinstance(formula, Product) and any(map(_is_divisor, formula.args)):
            formula, value = (backward.unroll(side) for side in (formula, equation.lhs))
            before = steps[-1].rhs if steps else expr
            known = with_value(before, formula, value)
            if known != before and _are_equal(known, before, {value: collapse(formula)}):
                steps.append(Step(Rule.REWRITE, known, since=(value, formula)))
    if steps:
        opened = multiplied_in(steps[-1].rhs)
        if opened != steps[-1].rhs and _are_equal(opened, steps[-1].rhs):
            steps.append(Step(Rule.CANCEL, opened))
    return steps


def _is_divisor(part: Expr) -> bool:
    return isinstance(part, Pow) and part.exp.could_extract_minus_sign()


def _worth(backward: BackwardPass, factor: Expr, before: Expr) -> bool:
    """Whether a sum is shorter with its common factors in front; of layers it always is."""
    if not backward.graph.is_scalar:
        return True
    return len(Text().write(factor)) <= len(Text().write(before))


def _rebuild(expr: Expr, values: Mapping[Expr, Expr]) -> Expr:
    """``expr`` with parts replaced and products of single quantities multiplied."""
    if expr in values:
        return values[expr]
    if not isinstance(expr, (Product, Terms, Mul, Add, Pow)):
        return expr
    arguments = tuple(_rebuild(argument, values) for argument in expr.args)
    if arguments == expr.args:
        return expr
    return product(arguments) if isinstance(expr, Product) else expr.func(*arguments)


# -------------------------------------------------- local derivatives, in the form that one reads


def local_steps(local: LocalDerivative, equation: Equation) -> tuple[Step, ...]:
    """∂child/∂parent as it comes from ``equation``, and each line from there to `local.form`.

    Every line is proved equal to the derivative; one that cannot be proved is left out.
    """

    def at(element: Expr, side: Expr) -> Expr:
        indices = getattr(element, "indices", ())
        return instantiate(side, dict(zip(equation.free, indices, strict=True)))

    own = {e: at(e, equation.rhs) for e in _elements(local.form, local.child)}
    rule = _rule_of_calculus(equation, local.parent)
    is_rearranged = not own and (  # the same but for order, brackets and a sign taken out
        local.child.role is Role.LOSS
        or sympy.expand(collapse(local.form)) == sympy.expand(collapse(local.raw))
    )
    if not local.is_rewritten or is_rearranged:
        return (Step(rule, local.form),)
    first = Step(rule, local.raw)
    if not own:  # e^z/(1 + e^z) = 1/(1 + e^-z): divided above and below by the numerator
        above, below = sympy.fraction(collapse(local.raw), exact=True)
        if sympy.expand(below / above) == 1 / collapse(local.form):
            return first, Step(Rule.SHORTEN, local.form, since=(above,))
        return first, Step(Rule.REARRANGE, local.form)
    value = local.name.of
    named = at(value, equation.named if equation.named is not None else equation.shown)
    return (first, *_by_own_value(local.raw, local.form, (value, named), own, own))


def _elements(expr: Expr, variable: Variable) -> list[Expr]:
    """The elements of ``variable`` in ``expr``, in a fixed order."""
    kind, name = type(variable.element), base_name(variable.element)
    found = (element for element in expr.atoms(kind) if base_name(element) == name)
    return sorted(found, key=sympy.default_sort_key)


def _rule_of_calculus(equation: Equation, parent: Variable) -> Rule:
    """The rule by which one differentiates the right-hand side as it stands."""
    rhs = collapse(equation.rhs)
    if isinstance(rhs, sympy.Function) and not isinstance(rhs, sympy.Piecewise):
        plain = all(isinstance(part, (Indexed, Symbol)) for part in rhs.args)
        return Rule.DIFFERENTIATE if plain else Rule.COMPOSED
    if _elements(sympy.fraction(rhs, exact=True)[1], parent):
        return Rule.QUOTIENT
    moving = [part for part in Mul.make_args(rhs) if _elements(part, parent)]
    return Rule.PRODUCT if len(moving) > 1 else Rule.DIFFERENTIATE


def _by_own_value(
    raw: Expr,
    form: Expr,
    equation: tuple[Expr, Expr],
    formulas: Mapping[Expr, Expr],
    known: Mapping[Expr, Expr],
) -> list[Step]:
    """The lines from a derivative as it comes to ``form``, in which the function's value stands.

    e^-z/(1+e^-z)² = 1/(1+e^-z) · e^-z/(1+e^-z) = 1/(1+e^-z) · (1 - 1/(1+e^-z)) = h (1 - h).

    ``equation`` says what the value is, h = σ(z), and ``formulas`` likewise by formulas; a line is
    proved with what is ``known`` filled in.
    """
    value = equation[0]
    form = Product(value, form / value) if isinstance(form, Mul) and value in form.args else form
    spelled = form.xreplace(dict(formulas))

    def meaning(expr: Expr) -> Expr:
        return collapse(expr).xreplace(dict(known))

    lines = []
    if not spelled.has(sympy.Piecewise) and collapse(spelled) != raw:
        if isinstance(form, Product) and form.args[0] == value:
            rest = raw / formulas[value]  # u/(v·w) = 1/v · u/w
            if sympy.count_ops(rest) < sympy.count_ops(raw):
                lines.append(Step(Rule.SPLIT, Product(formulas[value], rest)))
        if pair := _differ_by_a_number(raw, meaning):
            lines.append(Step(Rule.DIVIDE, spelled, since=pair))
        else:
            rule = Rule.FACTOR if isinstance(form, Product) and raw.is_Add else Rule.REARRANGE
            lines.append(Step(rule, spelled))
    lines.append(Step(Rule.REWRITE, form, since=equation))
    return [line for line in lines if is_zero(meaning(line.rhs) - meaning(raw))]


def _differ_by_a_number(raw: Expr, meaning: Callable[[Expr], Expr]) -> tuple[Expr, ...]:
    """The two sides of e^-z = (1 + e^-z) - 1, where both stand in ``raw``, one as a divisor."""
    powers = sorted(raw.atoms(Pow), key=sympy.default_sort_key)
    divisors = [power.base for power in powers if power.exp.could_extract_minus_sign()]
    others = sorted(raw.atoms(sympy.exp, Indexed, Symbol), key=sympy.default_sort_key)
    for divisor, other in itertools.product(divisors, others):
        number = sympy.expand(meaning(divisor) - meaning(other))
        if number.is_Rational and number:
            return other, Terms(divisor, -number)
    return ()


# -------------------------------------------------------------------------- one weight's derivation


@dataclass(frozen=True)
class Derivation:
    """∂L/∂(one element): everything a sheet prints, a checker compares with, a kernel emits.

    All of it is read off the backward pass when it is asked for, and kept.
    """

    backward: BackwardPass = field(repr=False)
    target: Reference

    @cached_property
    def paths(self) -> Paths:
        """The paths from the element to the loss, lazily."""
        return Paths(self.backward, self.target)

    @cached_property
    def unrolled(self) -> bool:
        """Whether its sums are written out neuron by neuron."""
        return (
            self.backward.graph.is_concrete()
            and isinstance(self.paths.count, int)
            and self.paths.count <= UNROLLED_PATHS
            and self.backward.is_shallow(self.target.variable)
        )

    @property
    def derivatives(self) -> tuple[LocalDerivative, ...]:
        """The local derivatives on the way, from the loss back."""
        return self.backward.route(self.target.variable)[1]

    @cached_property
    def adjoints(self) -> tuple[Deduction, ...]:
        """The deductions of the quantities on the way, from the loss back.

        Derived in this order, none has to look far down for another: `grouped` and `expr` ask for
        these first.
        """
        if self.unrolled:
            return self.backward.cone(self.backward.branches(self._node))
        between, _ = self.backward.route(self.target.variable)
        return tuple(self.backward.adjoints[variable] for variable in reversed(between))

    @cached_property
    def grouped(self) -> Deduction:
        """The deduction asked for without the list of all paths, with which `conclusion` begins."""
        if not self.unrolled:
            return _in_indices(self.backward, self.target)
        _ = self.adjoints
        return _grouped(self.backward, self.paths, self.target)

    @cached_property
    def conclusion(self) -> Deduction:
        """The deduction asked for: all paths, what they share taken out, and so on.

        The paths are listed only when this is read: they are by far the most of what is derived
        (41,488 in a network of 484 weights).
        """
        if not self.unrolled:
            return self.grouped
        children = self.backward.branches(self._node)
        named = ((self.backward.edge(c, self._node)[0], self.backward.tails(c)) for c in children)
        every = Terms(*(Product(*tail, name) for name, tails in named for tail in tails))
        listed = self.backward.over_samples(self.target.variable, every)
        if listed == self.grouped.lhs:
            return self.grouped
        steps = [Step(Rule.PATHS, listed), *self.grouped.steps]
        return replace(self.grouped, steps=_without_repeats(steps))

    @property
    def _node(self) -> Node:
        return self.target.variable, self.target.indices

    @property
    def expr(self) -> Expr:
        """∂L/∂(the element) as a SymPy expression in the names of quantities only.

        Plain symbols named as the lectures do (``h_13``, ``yhat_1``) where ``unrolled``; else
        elements such as ``h_1[3]`` under ``Sum``.
        """
        if not self.unrolled:
            return collapse(self.folded)
        _ = self.adjoints
        return self.backward.collapsed(self._node)

    @cached_property
    def folded(self) -> Expr:
        """The same with every sum over neurons left as Σ, whatever the widths."""
        return self.backward.folded(self.target.element)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the conclusion."""
        return self.conclusion.steps

    @property
    def facts(self) -> tuple[KnownSum, ...]:
        """Every fact that a step on the way assumed."""
        deductions = (*self.adjoints, self.grouped)
        return tuple(dict.fromkeys(fact for each in deductions for fact in each.facts))


def derive(backward: BackwardPass, target: Reference) -> Derivation:
    """The derivation of ∂L/∂target.

    Raises `KeyError` where the loss does not depend on the target (the caller says so in words).
    """
    if target.variable not in backward.adjoints:
        raise KeyError(target.name)
    return Derivation(backward, target)


def _grouped(backward: BackwardPass, paths: Paths, target: Reference) -> Deduction:
    """What all paths share taken out, the local derivatives, the adjoints filled in."""
    start = (target.variable, target.indices)
    trunk = [start]  # the elements that every path runs through before the paths part
    while paths.count != 1 and len(following := backward.branches(trunk[-1])) == 1:
        trunk += following
    if paths.count == 1:
        steps = _along_the_path(backward, paths, target)
    elif len(trunk) == 1:
        steps = list(backward.node_adjoint(start).steps)
    else:
        steps = _along_the_trunk(backward, target, trunk)
    if paths.count <= SUBSTITUTED_TERMS and (last := steps[-1].rhs).has(Partial):
        filled = backward.fill_names(last)
        if not backward.graph.is_scalar or sympy.count_ops(collapse(filled)) <= MOST_OPERATIONS:
            steps.append(Step(Rule.SUBSTITUTE, filled, _names_in(last)))
            steps += _tidied(backward, filled)
            factor = _factored_inside(steps[-1].rhs)
            if _worth(backward, factor, steps[-1].rhs):
                steps.append(Step(Rule.FACTOR, factor))
            steps += _with_stages(backward, steps[-1].rhs)
    # ŷ_1 + ŷ_2 - y_1 - y_2 = 1 - y_1 - y_2 = 0: a sum of which the facts know every term
    known: list[Step] = []
    left = collapse(steps[-1].rhs)
    for fact in backward.graph.facts:
        parts = [backward.scalar(part.variable, part.indices) for part in elements(fact.variable)]
        counted = left.as_coefficients_dict()
        number = counted[parts[0]]
        if left.is_Add and number and all(counted[part] == number for part in parts):
            left = Add(left, *(-number * part for part in parts), number * fact.total)
            known.append(Step(Rule.FACT, left, fact=fact))
    if left.is_Number:
        steps += known
    return Deduction(backward._adjoint_of(start), (), _without_repeats(steps))


def _along_the_path(backward: BackwardPass, paths: Paths, target: Reference) -> list[Step]:
    """One path: its local derivatives multiplied, or the better form derived on the way."""
    node = (target.variable, target.indices)
    values = Product(*(backward.unroll(value) for value in paths[0].values))
    steps = [Step(Rule.LOCAL, backward.over_samples(target.variable, values))]
    if backward.collapsed(node) != collapse(steps[0].rhs):
        steps.append(Step(Rule.SUBSTITUTE, backward.filled(node)))
    elif cancelled := [s for s in _tidied(backward, values) if s.rule is Rule.CANCEL]:
        steps += cancelled
    elif isinstance(values, Product) and sum(_factors(part)[0] != 1 for part in values.args) > 1:
        number, factors = _factors(values)
        multiplied = product([number, *factors] if number != 1 else factors)
        steps.append(Step(Rule.MULTIPLY, backward.over_samples(target.variable, multiplied)))
    return [*steps, *_folded_back(backward, target)]


def _folded_back(backward: BackwardPass, target: Reference) -> list[Step]:
    """dy/dx in terms of y, where y is a function of x alone and such a form can be proved."""
    graph = backward.graph
    leaves = [variable for variable in graph.variables if variable not in graph.by_variable]
    if len(leaves) != 1 or target.variable != leaves[0] or leaves[0].shape:
        return []
    composed: dict[Expr, Expr] = {}
    for equation in graph.equations:
        composed[equation.lhs] = equation.rhs.xreplace(composed)
    way = {target.variable, *backward.route(target.variable)[0]}
    along = [local for (_, parent), local in backward.derivatives.items() if parent in way]
    value, last = graph.target.element, graph.by_variable[graph.target]
    slope = Mul(*(local.raw for local in along)).xreplace(composed)
    form = slope_by_value(composed[value], slope, value)
    if form is None:
        return []
    raw = collapse(Mul(*(local.form for local in along)))
    lines = _by_own_value(raw, form, (value, last.shown), {value: last.rhs}, composed)
    return [
        replace(line, rhs=backward.unroll(line.rhs), since=tuple(map(backward.unroll, line.since)))
        for line in lines
    ]


def _along_the_trunk(backward: BackwardPass, target: Reference, trunk: list[Node]) -> list[Step]:
    """The adjoint at the end of the trunk, times the derivatives along it."""
    edges = [backward.edge(child, parent) for parent, child in itertools.pairwise(trunk)]
    names, values = ([edge[k] for edge in reversed(edges)] for k in (0, 1))
    head = backward.node_adjoint(trunk[-1])
    by_rule = {step.rule: step.rhs for step in reversed(head.steps)}

    def along(first: Expr, rest: list[Expr]) -> Expr:
        return backward.over_samples(target.variable, Product(first, *rest))

    steps = [
        Step(Rule.GROUP, along(by_rule[Rule.CHAIN], names)),
        Step(Rule.LOCAL, along(by_rule[Rule.LOCAL], values)),
    ]
    if by_rule.keys() > {Rule.CHAIN, Rule.LOCAL}:
        steps.append(Step(Rule.SUBSTITUTE, along(head.result, values), (head.lhs,)))
    return steps


def _in_indices(backward: BackwardPass, target: Reference) -> Deduction:
    """The index-form deduction at the chosen indices, then with Σ all the way to the loss."""
    general, element = backward.adjoints[target.variable], target.element
    at = dict(zip(general.free, getattr(element, "indices", ()), strict=True))
    steps = [
        replace(
            step,
            rhs=instantiate(step.rhs, at),
            uses=tuple(instantiate(name, at) for name in step.uses),
        )
        for step in general.steps
    ]
    if steps[-1].rhs.has(Partial):
        steps.append(Step(Rule.FOLD, backward.folded(element)))
    return Deduction(backward.adjoint_name(element), (), _without_repeats(steps))
