"""Derivations as data: every equality with the rule that gave it, nothing derived twice.

Here one can

* run the backward pass of a graph in index notation, one `Deduction` a quantity, at the cost of
  its depth whatever its widths: `BackwardPass`;
* take the derivation of one element, say w_131, out of it: `derive`, which gives a `Derivation`.
  Where all widths are numbers and the paths are not too many, its sums are written out neuron by
  neuron; else they stay Σ.

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
from functools import cached_property, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

import sympy
from sympy import Add, Expr, Indexed, Integer, KroneckerDelta, Mul, Pow, Rational, Sum, Symbol

from symback.engine.calculus import (
    LocalDerivative,
    instantiate,
    is_zero,
    local_derivative,
    slope_by_value,
)
from symback.engine.graph import Equation, Graph, KnownSum, base_name
from symback.engine.paths import Node, Paths, Web
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

__all__ = ["BackwardPass", "Deduction", "Derivation", "Rule", "Step", "derive", "local_steps"]

UNROLLED_PATHS = 300
"""Up to this many paths the sums are written out neuron by neuron."""

SUBSTITUTED_TERMS = 24
"""Up to this many paths the result is also shown with every adjoint filled in."""

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

    lhs: Expr
    free: tuple[Symbol, ...]
    steps: Sequence[Step]

    @property
    def result(self) -> Expr:
        """The last right-hand side."""
        return self.steps[-1].rhs

    @property
    def facts(self) -> tuple[KnownSum, ...]:
        """What its steps assumed."""
        return tuple(step.fact for step in self.steps if step.fact is not None)


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


class BackwardPass:
    """One adjoint ∂L/∂v a quantity v, in index notation, from the loss back; shared by everyone."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._answers: defaultdict[str, dict[Any, Any]] = defaultdict(dict)
        self._element_nodes: dict[Expr, Node] = {}
        self.derivatives: dict[tuple[Variable, Variable], LocalDerivative] = {}
        self.adjoints: dict[Variable, Deduction] = {}
        for variable in reversed(graph.variables):
            if variable != graph.target:
                self._differentiate(variable)

    @cached_property
    def web(self) -> Web:
        """Which elements are computed from which."""
        return Web(self.graph, self.derivatives)

    def _differentiate(self, variable: Variable) -> None:
        children = [
            equation
            for equation in self.graph.readers[variable]
            if self.graph.leads_on(equation.variable)
        ]
        for equation in children:
            local = local_derivative(equation, variable)
            held = self.graph.following(variable, equation)
            self.derivatives[equation.variable, variable] = replace(local, held=held)
        if children:
            self.adjoints[variable] = _adjoint(
                self, variable, [equation.variable for equation in children]
            )

    def adjoint_name(self, element: Expr) -> Partial:
        """∂L/∂element."""
        return Partial(self.graph.target.element, element)

    def adjoint_at(self, element: Expr) -> Expr:
        """What was derived for ∂L/∂element, in index notation, at the indices of ``element``."""
        variable = self.graph.by_base[base_name(element)]
        deduction = self.adjoints[variable]
        indices = element.indices if isinstance(element, Indexed) else ()
        return instantiate(deduction.result, dict(zip(deduction.free, indices, strict=True)))

    def is_shallow(self, variable: Variable) -> bool:
        """Whether adjoints may be filled in on the way from ``variable`` to the loss."""
        return self.web.lengths[variable] <= DEEPEST

    def folded(self, element: Expr) -> Expr:
        """∂L/∂element with every adjoint filled in and every sum over neurons left as Σ.

        On a way that is not `is_shallow` adjoints stay names.
        """
        known = self.adjoint_at(element)
        if not self.is_shallow(self.graph.by_base[base_name(element)]):
            return known
        return _number_first(self._fill(known, element.free_symbols))

    def _fill(self, expr: Expr, used: set[Symbol]) -> Expr:
        if isinstance(expr, Partial):
            return self._fill(_apart(self.adjoint_at(expr.by), used), used)
        if not expr.has(Partial):
            return expr
        if isinstance(expr, Sum):
            inner = used | {expr.limits[0][0]} | expr.function.free_symbols
            return _number_in_front(Sigma(self._fill(expr.function, inner), *expr.limits))
        filled = expr.func(
            *(self._fill(argument, used | expr.free_symbols) for argument in expr.args)
        )
        return factored(filled) if isinstance(filled, Terms) else filled

    # ------------------------------------------------------------------ one neuron at a time

    @_once
    def node_adjoint(self, node: Node) -> Deduction:
        """∂L/∂(one element), its sums written out neuron by neuron."""
        return _node_adjoint(self, node)

    @_once
    def filled(self, node: Node) -> Expr:
        """∂L/∂(one element) with the adjoints it uses filled in, down to names of quantities."""
        return self.fill_names(self.node_adjoint(node).result)

    @_once
    def collapsed(self, node: Node) -> Expr:
        """`filled` in SymPy's own nodes; each adjoint is collapsed once, for all that use it."""
        return collapse(self._fill_with(self.collapsed, self.node_adjoint(node).result))

    def fill_names(self, expr: Expr) -> Expr:
        """``expr`` with each adjoint of one element replaced by `filled`."""
        return self._fill_with(self.filled, expr)

    def _fill_with(self, known: Callable[[Node], Expr], expr: Expr) -> Expr:
        if isinstance(expr, Partial):
            return known(self.node_of(expr.by))
        if not expr.args or not expr.has(Partial):
            return expr
        return expr.func(*(self._fill_with(known, argument) for argument in expr.args))

    def node_of(self, element: Expr) -> Node:
        """The quantity and the indices behind a symbol that `scalar` gave."""
        return self._element_nodes[element]

    @_once
    def scalar(self, variable: Variable, indices: tuple[int, ...]) -> Expr:
        """The element as a plain symbol named as the lectures do (``h_13``), samples left free."""
        if variable.batched:
            element = variable.at(SAMPLE, *indices)
        else:
            element = Symbol(element_name(variable, indices))
        self._element_nodes[element] = (variable, indices)
        return element

    @_once
    def branches(self, node: Node) -> tuple[Node, ...]:
        """The elements computed directly from one element."""
        return tuple(self.web.branches(node))

    @_once
    def edge(self, child: Node, parent: Node) -> tuple[Partial, Expr]:
        """∂child/∂parent between an element and one of its branches, by name and derived."""
        local = self.derivatives[child[0], parent[0]]
        held = (self.unroll(variable.element) for variable in local.held)
        name = Partial(self.scalar(*child), self.scalar(*parent), *held)
        return name, self.unroll(local.at(_full(child), _full(parent)))

    @_once
    def tails(self, node: Node) -> list[tuple[Partial, ...]]:
        """For every path from one element to the loss its factors, from the loss back."""
        if node[0] == self.graph.target:
            return [()]
        named = [(self.edge(child, node)[0], self.tails(child)) for child in self.branches(node)]
        return [(*tail, name) for name, tails in named for tail in tails]

    @_once
    def route(self, start: Variable) -> tuple[list[Variable], tuple[LocalDerivative, ...]]:
        """The quantities between ``start`` and the loss, and the local derivatives on the way."""
        variables = _on_the_way(self, start)
        within = {start, *variables}
        pairs = (
            (child, parent)
            for child in reversed([*variables, self.graph.target])
            for parent in reversed(self.graph.parents[child])
            if parent in within
        )
        return variables, tuple(self.derivatives[p] for p in pairs if p in self.derivatives)

    @_once
    def cone(self, first: tuple[Node, ...]) -> tuple[Deduction, ...]:
        """The deductions of the elements from ``first`` to the loss, from the loss back."""
        nodes = _cone(self, first)
        for node in nodes:  # in this order each finds what it needs, however long the way is
            self.filled(node)
            self.collapsed(node)
        return tuple(self.node_adjoint(node) for node in nodes)

    def children(self, variable: Variable) -> list[Variable]:
        """The quantities computed directly from ``variable`` on which the loss depends."""
        readers = (equation.variable for equation in self.graph.readers[variable])
        return [child for child in readers if (child, variable) in self.derivatives]

    @_once
    def closing(self, variable: Variable) -> list[Variable]:
        """What is computed from a quantity, where all of it has adjoints that can be filled in."""
        children = self.children(variable)
        known = self.graph.target not in children and not any(
            self.adjoints[child].result.has(Partial, Sum) for child in children
        )
        return children if known else []

    def unroll(self, expr: Expr, values: Mapping[Expr, Expr] | None = None) -> Expr:
        """``expr`` with every sum over neurons written out and every element named."""
        return _unroll(self, expr, dict(values or {}))


def _number_first(expr: Expr) -> Expr:
    """-2 ŷ (y - …), where filling in has left ŷ·(-2 (y - …))."""
    if not isinstance(expr, Product):
        return expr
    number, factors = _factors(expr)
    return expr if number == 1 else Product(number, *factors)


def _number_in_front(expr: Expr) -> Expr:
    """Σ c f = c Σ f for a number c, so that -Σ -2(y - ŷ) reads 2 Σ (y - ŷ)."""
    if not isinstance(expr.function, Product):
        return expr
    number, factors = _factors(expr.function)
    return expr if number == 1 else Product(number, Sigma(product(factors), *expr.limits))


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


# ------------------------------------------------------------------------ adjoints, index by index


def _adjoint(backward: BackwardPass, variable: Variable, children: list[Variable]) -> Deduction:
    locals_ = [backward.derivatives[child, variable] for child in children]
    lhs = backward.adjoint_name(variable.element)
    chain = Terms(*(_chain_term(backward, local, local.name) for local in locals_))
    filled = Terms(*(_chain_term(backward, local, local.form) for local in locals_))
    steps = [] if chain == lhs else [Step(Rule.CHAIN, chain)]
    steps.append(Step(Rule.LOCAL, filled))
    if len(locals_) == 1:
        steps += _fused(backward, locals_[0]) or _contracted(backward, locals_[0])
    return Deduction(lhs, variable.indices, tuple(_without_repeats(steps)))


def _without_repeats(steps: list[Step]) -> Iterator[Step]:
    previous = None
    for step in steps:
        if step.rhs != previous:
            yield step
        previous = step.rhs


def _child_element(local: LocalDerivative) -> Expr:
    return local.name.of


def _chain_term(backward: BackwardPass, local: LocalDerivative, factor: Expr) -> Expr:
    """Σ ∂L/∂child · factor over the indices of the child that are not pinned."""
    if local.child == backward.graph.target:
        return factor
    return _sum_over_child(local, Product(backward.adjoint_name(_child_element(local)), factor))


def _sum_over_child(local: LocalDerivative, body: Expr) -> Expr:
    sizes = dict(zip(local.child_indices, local.child.shape, strict=True))
    for letter in reversed(local.free_child_indices()):
        body = Sigma(body, (letter, 1, sizes[letter]))
    return body


def _coupled_pair(local: LocalDerivative) -> tuple[Symbol, KroneckerDelta] | None:
    """The summed index of the child and the delta that ties it to the parent (softmax)."""
    for delta in sorted(local.form.atoms(KroneckerDelta), key=sympy.default_sort_key):
        for letter in local.free_child_indices():
            if letter in delta.args:
                return letter, delta
    return None


def _contracted(backward: BackwardPass, local: LocalDerivative) -> list[Step]:
    """Σ_j v_j f_j(δ_ij - g_i) as f_i(v_i - …): the sum without its delta, then factored."""
    pair = _coupled_pair(local)
    if pair is None or local.child == backward.graph.target:
        return []
    body = Product(backward.adjoint_name(_child_element(local)), local.form)
    contracted = _take_out(body, local, *pair)
    return [Step(Rule.CONTRACT, contracted), Step(Rule.FACTOR, factored(contracted))]


def _take_out(body: Expr, local: LocalDerivative, letter: Symbol, delta: KroneckerDelta) -> Expr:
    """Σ_letter body = (what the delta picks) + Σ_letter (the rest)."""
    other = next(argument for argument in delta.args if argument != letter)
    rest = body.xreplace({delta: Integer(0)})
    with_delta = body.xreplace({delta: Integer(1)})
    picked = collapse(with_delta) - collapse(rest)
    picked = instantiate(sympy.factor_terms(picked) if picked.is_Add else picked, {letter: other})
    size = dict(zip(local.child_indices, local.child.shape, strict=True))[letter]
    return Terms(_ordered(sympy.expand(picked)), _pulled(collapse(rest), letter, size))


def _ordered(expr: Expr) -> Expr:
    """A ``Mul`` with its adjoint in front, as one reads it."""
    factors = Mul.make_args(expr)
    names = [factor for factor in factors if isinstance(factor, Partial)]
    others = [factor for factor in factors if not isinstance(factor, Partial)]
    return Product(*names, Mul(*others)) if names and others else expr


def _pulled(body: Expr, letter: Symbol, size: Expr) -> Expr:
    """Σ_letter body with the factors that do not depend on the letter in front."""
    factors = Mul.make_args(body)
    outside = [factor for factor in factors if letter not in factor.free_symbols]
    inside = [factor for factor in factors if letter in factor.free_symbols]
    if not inside:
        return Mul(*outside) * size
    return Product(Mul(*outside), Sigma(_ordered(Mul(*inside)), (letter, 1, size)))


def _fused(backward: BackwardPass, local: LocalDerivative) -> list[Step]:
    """The steps of a derivative that cancels against the next one (cross-entropy after softmax).

    Empty where nothing cancels: then the adjoint stays a name.
    """
    if local.child == backward.graph.target:
        return []
    element = _child_element(local)
    known = backward.adjoint_at(element)
    if known.has(Partial) or known.has(Sum) or not _divided_by(known):
        return []
    cancelled = total(collapse(term) * collapse(local.form) for term in _distributed(known))
    if _divided_by(cancelled):
        return []
    uses = (backward.adjoint_name(element),)
    steps = [
        Step(Rule.SUBSTITUTE, _sum_over_child(local, Product(known, local.form)), uses),
        Step(Rule.CANCEL, _sum_over_child(local, cancelled)),
        *_after_cancelling(backward, local, cancelled),
    ]
    plain = sympy.count_ops(collapse(local.form)) + 1
    return steps if sympy.count_ops(collapse(steps[-1].rhs)) <= plain else []


def _after_cancelling(backward: BackwardPass, local: LocalDerivative, body: Expr) -> list[Step]:
    pair = _coupled_pair(local)
    if pair is None:
        return _multiplied_out(body)
    contracted = _take_out(body, local, *pair)
    steps = [Step(Rule.CONTRACT, contracted)]
    for fact in backward.graph.facts:
        known = _with_fact(steps[-1].rhs, fact)
        if known != steps[-1].rhs:
            steps.append(Step(Rule.FACT, known, fact=fact))
    return [*steps, Step(Rule.FACTOR, factored(steps[-1].rhs))]


def _multiplied_out(body: Expr) -> list[Step]:
    """A shorter form of a small sum of products, if multiplying it out gives one."""
    expanded = sympy.expand(collapse(body))
    if sympy.count_ops(expanded) >= sympy.count_ops(collapse(body)):
        return []
    return [Step(Rule.EXPAND, expanded), Step(Rule.FACTOR, factored(expanded))]


def _with_fact(expr: Expr, fact: KnownSum) -> Expr:
    """``expr`` with Σ_j (element j of the fact's quantity) replaced by its total."""
    for known in expr.atoms(Sum):
        (bound, _, upper) = known.limits[0]
        wanted = fact.variable.at(*fact.variable.indices[: fact.variable.batched], bound)
        if known.function == wanted and upper == fact.variable.shape[-1]:
            terms = (_replace_factor(term, known, Integer(fact.total)) for term in _terms(expr))
            return total(terms)
    return expr


def _replace_factor(term: Expr, old: Expr, new: Expr) -> Expr:
    if term == old:
        return new
    if isinstance(term, Product):
        return product(new if factor == old else factor for factor in term.args)
    return term


def _terms(expr: Expr) -> tuple[Expr, ...]:
    return expr.args if isinstance(expr, (Terms, Add)) else (expr,)


def _distributed(expr: Expr) -> tuple[Expr, ...]:
    """The terms of a sum, also of one that stands behind a number: ½ (u + v)."""
    if isinstance(expr, Product) and sum(isinstance(part, (Terms, Add)) for part in expr.args) == 1:
        inner = next(part for part in expr.args if isinstance(part, (Terms, Add)))
        others = [part for part in expr.args if part is not inner]
        return tuple(Product(*others, term) for term in inner.args)
    return _terms(expr)


def _divided_by(expr: Expr) -> set[Expr]:
    """The elements that stand in a denominator."""
    powers = (power for power in collapse(expr).atoms(Pow) if power.exp.could_extract_minus_sign())
    return set().union(*(power.base.atoms(Indexed) for power in powers))


# ------------------------------------------------------------------------------------ factoring


def factored(expr: Expr) -> Expr:
    """Σ of products with what all of them share in front: u v + u w = u (v + w)."""
    terms = expr.args if isinstance(expr, Terms) else _positive_first(_terms(expr))
    if len(terms) < 2:
        return expr
    parts = [_factors(term) for term in terms]
    shared = _shared([factors for _, factors in parts])
    number = _common_number([coefficient for coefficient, _ in parts])
    if not shared and abs(number) == 1:
        return expr
    rests = [_rest(coefficient / number, factors, shared) for coefficient, factors in parts]
    return Product(*_merged(number, shared), total(rests))


def _positive_first(terms: tuple[Expr, ...]) -> list[Expr]:
    """ŷ - y, not -y + ŷ: the order in which a sum without one of its own is read."""
    return sorted(
        terms, key=lambda term: (term.could_extract_minus_sign(), sympy.default_sort_key(term))
    )


def _merged(number: Expr, shared: list[Expr]) -> list[Expr]:
    """The common factors; the number and single quantities together, sums after them."""
    single = [factor for factor in shared if not isinstance(factor, (Add, Terms, Partial))]
    others = [factor for factor in shared if isinstance(factor, (Add, Terms, Partial))]
    return [Mul(number, *single), *others] if number != 1 or single else others


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


def _shared(lists: list[list[Expr]]) -> list[Expr]:
    common = Counter(lists[0])
    for factors in lists[1:]:
        common &= Counter(factors)
    ordered = []
    for factor in lists[0]:
        if common[factor]:
            ordered.append(factor)
            common[factor] -= 1
    return ordered


def _common_number(numbers: list[Expr]) -> Expr:
    size = sympy.Rational(
        sympy.igcd(*(number.p for number in numbers)),
        sympy.ilcm(*(number.q for number in numbers), 1),
    )
    return -size if numbers[0] < 0 else size


def _rest(number: Expr, factors: list[Expr], shared: list[Expr]) -> Expr:
    left = list(factors)
    for factor in shared:
        left.remove(factor)
    if number == -1 and len(left) == 1:
        return negative(left[0])
    return product([number, *left]) if number != 1 or not left else product(left)


# ----------------------------------------------------------------------- adjoints, neuron by neuron


def _node_adjoint(backward: BackwardPass, node: Node) -> Deduction:
    variable, indices = node
    general = backward.adjoints[variable]
    lhs = Partial(_target(backward), backward.scalar(variable, indices))
    fused = any(step.rule in (Rule.SUBSTITUTE, Rule.CANCEL) for step in general.steps)
    kept = [step for step in general.steps if fused or step.rule in (Rule.CHAIN, Rule.LOCAL)]
    known = {} if fused else _single_terms(backward, node)
    at = dict(zip(general.free, _full(node), strict=True))
    steps: list[Step] = []
    for step in kept:
        rhs = known.get(step.rule) or backward.unroll(step.rhs, at)
        uses = _names_in(steps[-1].rhs) if step.uses else ()
        steps.append(Step(step.rule, rhs, uses, step.fact))
    if not fused:
        steps += _closed(backward, variable, steps[-1].rhs)
    return Deduction(lhs, (), tuple(_without_repeats(steps)))


def _single_terms(backward: BackwardPass, node: Node) -> dict[Rule, Expr]:
    """The chain rule by name and derived, where it has one term: what `edge` knows need no sum."""
    branches = backward.branches(node)
    if len(branches) != 1 or branches[0][0] == backward.graph.target:
        return {}
    if backward.derivatives[branches[0][0], node[0]].free_child_indices():
        return {}
    name, value = backward.edge(branches[0], node)
    adjoint = Partial(_target(backward), backward.scalar(*branches[0]))
    return {Rule.CHAIN: Product(adjoint, name), Rule.LOCAL: Product(adjoint, value)}


def _names_in(expr: Expr) -> tuple[Expr, ...]:
    """The derivatives that stand in an expression by their names, in a fixed order."""
    return tuple(sorted(expr.atoms(Partial), key=sympy.default_sort_key))


def _target(backward: BackwardPass) -> Expr:
    return backward.scalar(backward.graph.target, ())


def _closed(backward: BackwardPass, variable: Variable, expr: Expr) -> list[Step]:
    """At the output layer: ∂L/∂ŷ filled in, two outputs that sum to one, common factors."""
    children = backward.closing(variable)
    if not children:
        return []
    uses = _names_in(expr)
    steps = [Step(Rule.SUBSTITUTE, backward.fill_names(expr), uses)]
    for fact in backward.graph.facts:
        if fact.variable in children:
            complement = _with_complement(backward, steps[-1].rhs, fact)
            if complement != steps[-1].rhs:
                steps.append(Step(Rule.COMPLEMENT, complement, fact=fact))
    factor = factored(steps[-1].rhs)
    return steps if factor == steps[-1].rhs else [*steps, Step(Rule.FACTOR, factor)]


def _with_complement(backward: BackwardPass, expr: Expr, fact: KnownSum) -> Expr:
    """1 - ŷ_1 → ŷ_2 where the two are all there are and sum to one."""
    if fact.total != 1 or fact.variable.shape[-1] != 2:
        return expr
    first, second = (backward.scalar(fact.variable, (number,)) for number in (1, 2))
    return _rebuild(expr, {1 - first: second, 1 - second: first})


def _rebuild(expr: Expr, values: Mapping[Expr, Expr]) -> Expr:
    """``expr`` with parts replaced and products of single quantities multiplied."""
    if expr in values:
        return values[expr]
    if not isinstance(expr, (Product, Terms, Mul, Add, Pow)):
        return expr
    arguments = [_rebuild(argument, values) for argument in expr.args]
    if isinstance(expr, Product) and expr.args != tuple(arguments):
        return product(arguments)
    return expr.func(*arguments) if expr.args != tuple(arguments) else expr


def _unroll(backward: BackwardPass, expr: Expr, values: dict[Expr, Expr]) -> Expr:
    if isinstance(expr, Indexed) or (
        isinstance(expr, Symbol) and expr.name in backward.graph.by_base
    ):
        return _unroll_element(backward, expr, values)
    if not expr.args:
        return values.get(expr, expr)
    if isinstance(expr, Sum):
        return _unroll_sum(backward, expr, values)
    arguments = [_unroll(backward, argument, values) for argument in expr.args]
    if isinstance(expr, Product) and _is_tied(expr):
        return product(arguments)
    return expr.func(*arguments)


def _is_tied(expr: Product) -> bool:
    """Whether a factor holds a delta, which two numbers decide: ŷ_2·(0 - ŷ_1) is -ŷ_1·ŷ_2."""
    return expr.has(KroneckerDelta) and any(
        factor.has(KroneckerDelta) for factor in expr.args if not isinstance(factor, Product)
    )


def _unroll_sum(backward: BackwardPass, expr: Sum, values: dict[Expr, Expr]) -> Expr:
    bound, _, upper = expr.limits[0]
    if bound == SAMPLE:
        return Sigma(_unroll(backward, expr.function, values), (bound, 1, upper))
    return total(
        _unroll(backward, expr.function, {**values, bound: Integer(k)})
        for k in range(1, int(upper) + 1)
    )


def _unroll_element(backward: BackwardPass, expr: Expr, values: dict[Expr, Expr]) -> Expr:
    variable = backward.graph.by_base[base_name(expr)]
    own = expr.args[1 + variable.batched :]  # for a scalar there are none
    return backward.scalar(variable, tuple(int(values.get(letter, letter)) for letter in own))


# -------------------------------------------------- local derivatives, in the form that one reads


def local_steps(local: LocalDerivative, equation: Equation) -> tuple[Step, ...]:
    """∂child/∂parent as it comes from ``equation``, and each line from there to `local.form`.

    Every line is proved equal to the derivative; one that cannot be proved is left out.
    """
    values = {e: _formula_at(equation, e) for e in _elements(local.form, local.child)}
    if not local.is_rewritten or (not values and _is_rearranged(local)):
        return (Step(_rule_of_calculus(equation, local.parent), local.form),)
    first = Step(_rule_of_calculus(equation, local.parent), local.raw)
    if not values:
        return (first, _shortened(local))
    value = local.name.of
    named = instantiate(
        equation.named if equation.named is not None else equation.shown,
        dict(zip(equation.free, getattr(value, "indices", ()), strict=True)),
    )
    own = _Own(values, (value, named), lambda expr: collapse(expr).xreplace(values))
    return (first, *_by_own_value(local.raw, local.form, own))


def _elements(expr: Expr, variable: Variable) -> list[Expr]:
    """The elements of ``variable`` in ``expr``, in a fixed order."""
    kind, name = type(variable.element), base_name(variable.element)
    found = (element for element in expr.atoms(kind) if base_name(element) == name)
    return sorted(found, key=sympy.default_sort_key)


def _formula_at(equation: Equation, element: Expr) -> Expr:
    """What ``element`` is by its equation."""
    return instantiate(
        equation.rhs, dict(zip(equation.free, getattr(element, "indices", ()), strict=True))
    )


def _rule_of_calculus(equation: Equation, parent: Variable) -> Rule:
    """The rule by which one differentiates the right-hand side as it stands."""

    def moves(part: Expr) -> bool:
        return bool(_elements(part, parent))

    rhs = collapse(equation.rhs)
    if isinstance(rhs, sympy.Function) and not isinstance(rhs, sympy.Piecewise):
        plain = all(isinstance(part, (Indexed, Symbol)) for part in rhs.args)
        return Rule.DIFFERENTIATE if plain else Rule.COMPOSED
    if moves(sympy.fraction(rhs, exact=True)[1]):
        return Rule.QUOTIENT
    return Rule.PRODUCT if sum(map(moves, Mul.make_args(rhs))) > 1 else Rule.DIFFERENTIATE


def _is_rearranged(local: LocalDerivative) -> bool:
    """Whether form and derivative are the same but for order, brackets and a sign taken out."""
    if local.child.role is Role.LOSS:
        return True
    return sympy.expand(collapse(local.form)) == sympy.expand(collapse(local.raw))


def _shortened(local: LocalDerivative) -> Step:
    """e^z/(1 + e^z) = 1/(1 + e^-z): divided above and below by the numerator."""
    above, below = sympy.fraction(collapse(local.raw), exact=True)
    if sympy.expand(below / above) == 1 / collapse(local.form):
        return Step(Rule.SHORTEN, local.form, since=(above,))
    return Step(Rule.REARRANGE, local.form)


@dataclass(frozen=True, slots=True)
class _Own:
    """A function's values by what they are, the equation that says so, and the proof's reading."""

    formulas: Mapping[Expr, Expr]
    equation: tuple[Expr, Expr]
    meaning: Callable[[Expr], Expr]


def _by_own_value(raw: Expr, form: Expr, own: _Own) -> list[Step]:
    """The lines from a derivative as it comes to ``form``, in which the function's value stands.

    e^-z/(1+e^-z)² = 1/(1+e^-z) · e^-z/(1+e^-z) = 1/(1+e^-z) · (1 - 1/(1+e^-z)) = h (1 - h).
    """
    value = own.equation[0]
    form = Product(value, form / value) if isinstance(form, Mul) and value in form.args else form
    spelled = form.xreplace(dict(own.formulas))
    lines = []
    if not spelled.has(sympy.Piecewise) and collapse(spelled) != raw:
        pair = _differ_by_a_number(raw, own)
        if isinstance(form, Product) and form.args[0] == value:
            lines += _split(raw, own.formulas[value])
        if pair:
            lines.append(Step(Rule.DIVIDE, spelled, since=pair))
        else:
            rule = Rule.FACTOR if isinstance(form, Product) and raw.is_Add else Rule.REARRANGE
            lines.append(Step(rule, spelled))
    lines.append(Step(Rule.REWRITE, form, since=own.equation))
    return [line for line in lines if is_zero(own.meaning(line.rhs) - own.meaning(raw))]


def _split(raw: Expr, factor: Expr) -> list[Step]:
    """u/(v·w) = 1/v · u/w, where the first factor is the function itself."""
    rest = raw / factor
    shorter = sympy.count_ops(rest) < sympy.count_ops(raw)
    return [Step(Rule.SPLIT, Product(factor, rest))] if shorter else []


def _differ_by_a_number(raw: Expr, own: _Own) -> tuple[Expr, ...]:
    """The two sides of e^-z = (1 + e^-z) - 1, where both stand in ``raw``, one as a divisor."""
    powers = sorted(raw.atoms(Pow), key=sympy.default_sort_key)
    divisors = [power.base for power in powers if power.exp.could_extract_minus_sign()]
    others = sorted(raw.atoms(sympy.exp, Indexed, Symbol), key=sympy.default_sort_key)
    for divisor, other in itertools.product(divisors, others):
        number = sympy.expand(own.meaning(divisor) - own.meaning(other))
        if number.is_Rational and number:
            return other, Terms(divisor, -number)
    return ()


# -------------------------------------------------------------------------- one weight's derivation


@dataclass(frozen=True)
class Derivation:
    """∂L/∂(one element): everything a sheet prints, a checker compares with, a kernel emits.

    ``derivatives`` are the local derivatives on the way and ``adjoints`` the deductions of the
    quantities on the way, both from the loss back; ``conclusion`` is the deduction asked for.
    """

    backward: BackwardPass = field(repr=False)
    target: Reference
    paths: Paths
    derivatives: tuple[LocalDerivative, ...] = field(repr=False)
    adjoints: tuple[Deduction, ...] = field(repr=False)
    conclusion: Deduction
    unrolled: bool

    @property
    def expr(self) -> Expr:
        """∂L/∂(the element) as a SymPy expression in the names of quantities only.

        Plain symbols named as the lectures do (``h_13``, ``yhat_1``) where ``unrolled``; else
        elements such as ``h_1[3]`` under ``Sum``.
        """
        if self.unrolled:
            return self.backward.collapsed((self.target.variable, self.target.indices))
        return collapse(self.folded)

    @cached_property
    def folded(self) -> Expr:
        """The same with every sum over neurons left as Σ, whatever the widths."""
        return self.backward.folded(self.target.element)

    @property
    def steps(self) -> Sequence[Step]:
        """The steps of the conclusion."""
        return self.conclusion.steps

    @property
    def facts(self) -> tuple[KnownSum, ...]:
        """Every fact that a step on the way assumed."""
        found = (
            fact for deduction in (*self.adjoints, self.conclusion) for fact in deduction.facts
        )
        return tuple(dict.fromkeys(found))


def derive(backward: BackwardPass, target: Reference) -> Derivation:
    """The derivation of ∂L/∂target.

    Raises `KeyError` where the loss does not depend on the target (the caller says so in words).
    """
    if target.variable not in backward.adjoints:
        raise KeyError(target.name)
    graph = backward.graph
    paths = Paths(graph, backward.derivatives, target, backward.web)
    unrolled = (
        graph.is_concrete()
        and isinstance(paths.count, int)
        and paths.count <= UNROLLED_PATHS
        and backward.is_shallow(target.variable)
    )
    variables, derivatives = backward.route(target.variable)
    if unrolled:
        adjoints = backward.cone(backward.branches((target.variable, target.indices)))
        conclusion = _conclusion(backward, paths, target)
    else:
        adjoints = tuple(backward.adjoints[variable] for variable in reversed(variables))
        conclusion = _general_conclusion(backward, target)
    return Derivation(backward, target, paths, derivatives, adjoints, conclusion, unrolled)


def _on_the_way(backward: BackwardPass, start: Variable) -> list[Variable]:
    """The quantities between ``start`` and the loss, in topological order, both ends left out."""
    reached = {start}
    for equation in backward.graph.equations:
        if any(
            parent in reached and (equation.variable, parent) in backward.derivatives
            for parent in backward.graph.parents[equation.variable]
        ):
            reached.add(equation.variable)
    return [
        v
        for v in backward.graph.variables
        if v in reached and v not in (start, backward.graph.target)
    ]


def _cone(backward: BackwardPass, first: tuple[Node, ...]) -> list[Node]:
    """The elements from ``first`` to the loss, which is left out, from the loss back."""
    found = dict.fromkeys(first)
    frontier = first
    while frontier:
        following = dict.fromkeys(child for node in frontier for child in backward.branches(node))
        frontier = tuple(node for node in following if node not in found)
        found.update(dict.fromkeys(frontier))
    places = {variable: place for place, variable in enumerate(backward.graph.variables)}
    inner = [node for node in found if node[0] != backward.graph.target]
    return sorted(inner, key=lambda node: (-places[node[0]], node[1]))


def _conclusion(backward: BackwardPass, paths: Paths, target: Reference) -> Deduction:
    """All paths, what they share taken out, the local derivatives, the adjoints filled in."""
    start = (target.variable, target.indices)
    if paths.count == 1:
        steps = _along_the_path(backward, paths, target)
    elif len(trunk := _trunk(backward, start)) == 1:
        steps = list(backward.node_adjoint(start).steps)
    else:
        steps = _along_the_trunk(backward, target, trunk)
    if paths.count <= SUBSTITUTED_TERMS and steps[-1].rhs.has(Partial):
        steps += _filled_in(backward, steps[-1].rhs)
    steps += _known_in_full(backward, steps[-1].rhs)
    name = Partial(_target(backward), backward.scalar(*start))
    grouped = tuple(_without_repeats(steps))
    return Deduction(name, (), _AfterPaths(backward, target, name, grouped))


class _AfterPaths(Sequence[Step]):
    """The steps of a conclusion: all paths, then ``grouped``.

    The paths are listed when a step other than the last is read.  They are by far the most of what
    is derived (41,488 in a network of 484 weights), and nothing else needs the list.
    """

    def __init__(
        self, backward: BackwardPass, target: Reference, name: Partial, grouped: tuple[Step, ...]
    ) -> None:
        self._backward, self._target, self._name = backward, target, name
        self._grouped = grouped

    @cached_property
    def _steps(self) -> tuple[Step, ...]:
        start = (self._target.variable, self._target.indices)
        listed = _over_samples(self._backward, self._target, _all_paths(self._backward, start))
        if listed == self._name:
            return self._grouped
        return tuple(_without_repeats([Step(Rule.PATHS, listed), *self._grouped]))

    @overload
    def __getitem__(self, position: int) -> Step: ...

    @overload
    def __getitem__(self, position: slice) -> tuple[Step, ...]: ...

    def __getitem__(self, position: int | slice) -> Step | tuple[Step, ...]:
        if position == -1 and len(self._grouped) > 1:
            return self._grouped[-1]
        return self._steps[position]

    def __len__(self) -> int:
        return len(self._steps)

    def __eq__(self, other: object) -> bool:
        return tuple(self) == (tuple(other) if isinstance(other, _AfterPaths) else other)

    def __hash__(self) -> int:
        return hash(self._steps)

    def __repr__(self) -> str:
        return repr(self._steps)


def _all_paths(backward: BackwardPass, start: Node) -> Expr:
    """Σ over all paths of the product of their local derivatives, by name."""
    children = backward.branches(start)
    named = [(backward.edge(child, start)[0], backward.tails(child)) for child in children]
    return Terms(*(Product(*tail, name) for name, tails in named for tail in tails))


def _along_the_path(backward: BackwardPass, paths: Paths, target: Reference) -> list[Step]:
    """One path: its local derivatives multiplied, or the better form derived on the way."""
    values = Product(*(backward.unroll(value) for value in paths[0].values))
    steps = [Step(Rule.LOCAL, _over_samples(backward, target, values))]
    derived = backward.filled((target.variable, target.indices))
    if backward.collapsed((target.variable, target.indices)) != collapse(steps[0].rhs):
        steps.append(Step(Rule.SUBSTITUTE, derived))
    elif isinstance(values, Product):
        steps.append(Step(Rule.MULTIPLY, _over_samples(backward, target, _multiplied(values))))
    return [*steps, *_folded_back(backward, target)]


def _multiplied(expr: Product) -> Expr:
    """The numbers among the factors multiplied, the others left in their order."""
    number, factors = _factors(expr)
    if sum(_factors(part)[0] != 1 for part in expr.args) < 2:
        return expr
    return product([number, *factors]) if number != 1 else product(factors)


def _folded_back(backward: BackwardPass, target: Reference) -> list[Step]:
    """dy/dx in terms of y, where y is a function of x alone and such a form can be proved."""
    graph = backward.graph
    leaves = [variable for variable in graph.variables if variable not in graph.by_variable]
    if len(leaves) != 1 or target.variable != leaves[0] or leaves[0].shape:
        return []
    composed: dict[Expr, Expr] = {}
    for equation in graph.equations:
        composed[equation.lhs] = equation.rhs.xreplace(composed)
    way = {target.variable, *_on_the_way(backward, target.variable)}
    along = (local.raw for (_, parent), local in backward.derivatives.items() if parent in way)
    slope = Mul(*along).xreplace(composed)
    value = graph.target.element
    form = slope_by_value(composed[value], slope, value)
    if form is None:
        return []
    last = graph.by_variable[graph.target]
    raw = Mul(*(local.form for (_, v), local in backward.derivatives.items() if v in way))
    steps = _by_own_value(
        collapse(raw),
        form,
        _Own(
            {value: last.rhs}, (value, last.shown), lambda expr: collapse(expr).xreplace(composed)
        ),
    )
    return [
        replace(step, rhs=backward.unroll(step.rhs), since=tuple(map(backward.unroll, step.since)))
        for step in steps
    ]


def _filled_in(backward: BackwardPass, expr: Expr) -> list[Step]:
    uses = _names_in(expr)
    filled = backward.fill_names(expr)
    return [Step(Rule.SUBSTITUTE, filled, uses), Step(Rule.FACTOR, _factored_inside(filled))]


def _known_in_full(backward: BackwardPass, expr: Expr) -> list[Step]:
    """ŷ_1 + ŷ_2 - y_1 - y_2 = 1 - y_1 - y_2 = 0: a sum of which the facts know every term."""
    steps: list[Step] = []
    left = collapse(expr)
    for fact in backward.graph.facts:
        parts = [backward.scalar(*_node(part)) for part in elements(fact.variable)]
        counted = left.as_coefficients_dict()
        number = counted[parts[0]]
        if left.is_Add and number and all(counted[part] == number for part in parts):
            left = Add(left, *(-number * part for part in parts), number * fact.total)
            steps.append(Step(Rule.FACT, left, fact=fact))
    return steps if left.is_Number else []


def _node(reference: Reference) -> Node:
    return reference.variable, reference.indices


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


def _trunk(backward: BackwardPass, start: Node) -> list[Node]:
    """The elements that every path runs through before the paths part."""
    trunk = [start]
    while True:
        following = backward.branches(trunk[-1])
        if len(following) != 1:
            return trunk
        trunk.append(following[0])


def _along_the_trunk(backward: BackwardPass, target: Reference, trunk: list[Node]) -> list[Step]:
    edges = [backward.edge(child, parent) for parent, child in itertools.pairwise(trunk)]
    names, values = ([edge[k] for edge in edges] for k in (0, 1))
    head = backward.node_adjoint(trunk[-1])
    chained, derived = (
        next(step.rhs for step in head.steps if step.rule is rule)
        for rule in (Rule.CHAIN, Rule.LOCAL)
    )

    def along(first: Expr, rest: list[Expr]) -> Expr:
        return _over_samples(backward, target, Product(first, *reversed(rest)))

    steps = [Step(Rule.GROUP, along(chained, names)), Step(Rule.LOCAL, along(derived, values))]
    closing = [step for step in head.steps if step.rule not in (Rule.CHAIN, Rule.LOCAL)]
    if closing:
        steps.append(Step(Rule.SUBSTITUTE, along(head.result, values), (head.lhs,)))
    return steps


def _full(node: Node) -> tuple[Expr, ...]:
    own = tuple(map(Integer, node[1]))
    return (SAMPLE, *own) if node[0].batched else own


def _over_samples(backward: BackwardPass, target: Reference, expr: Expr) -> Expr:
    """Σ_s expr where a batch shares the target."""
    if backward.graph.samples is None or target.variable.batched:
        return expr
    return Sigma(expr, (SAMPLE, 1, backward.graph.samples))


def _general_conclusion(backward: BackwardPass, target: Reference) -> Deduction:
    """The index-form deduction at the chosen indices, then with Σ all the way to the loss."""
    general = backward.adjoints[target.variable]
    element = target.element
    indices = element.indices if isinstance(element, Indexed) else ()
    at = dict(zip(general.free, indices, strict=True))
    steps = [
        Step(
            step.rule,
            instantiate(step.rhs, at),
            tuple(instantiate(name, at) for name in step.uses),
            step.fact,
        )
        for step in general.steps
    ]
    if steps[-1].rhs.has(Partial):
        steps.append(Step(Rule.FOLD, backward.folded(element)))
    return Deduction(backward.adjoint_name(element), (), tuple(_without_repeats(steps)))
