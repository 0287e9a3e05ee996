"""Equations in index notation, in topological order: the only thing the engine knows.

A `Graph` is a tuple of `Equation`s, one a quantity, each with free indices, e.g.
``a_2[i] = b_2[i] + Sum(W_2[i, j]*h_1[j], (j, 1, 4))``.  Nothing in it, nor in what works on it,
knows what a layer is; `from_network` and `from_equations` are two front ends that write equations.

A graph checks itself when it is made (`IllFormed`), since what works on it takes for granted that
every index runs over the whole of what it numbers: a sum over part of an array, an index t-1 or a
quantity that reads itself would be differentiated as if it were not so.  Such equations belong to
a network as equations (`symback.equations`), which has conditions and recurrences.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NoReturn

import sympy
from sympy import Add, Expr, Indexed, Integer, Mul, Piecewise, Pow, Sum, Symbol
from sympy.core.relational import Relational
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import And, BooleanAtom, Or

from symback.engine.spec import EquationsSpec, NetworkSpec
from symback.language import algebra
from symback.language.algebra import (
    Product,
    Sigma,
    Terms,
    activation,
    activation_slope,
    called,
    collapse,
    field_functions,
    value_of,
    written,
)
from symback.language.errors import SymbackError
from symback.language.expressions import Node, operation
from symback.language.functions import ACTIVATIONS, ELEMENTARY
from symback.language.names import (
    PARAMETERS,
    SAMPLE,
    Role,
    Variable,
    index,
    name_indices,
    split_name,
)
from symback.language.writing import Text


class IllFormed(SymbackError):
    """Equations that are no graph; the message names the equation and what is wrong in it."""


@dataclass(frozen=True, slots=True)
class Declared:
    """How ∂lhs/∂parent[indices] is to be written; `symback.engine.calculus` proves it first."""

    parent: Variable
    indices: tuple[Symbol, ...]
    form: Expr


@dataclass(frozen=True, slots=True)
class Equation:
    """``variable[free] = rhs``.

    ``named`` is the same right-hand side with its function named only, e.g. sigmoid(a_1[i]), and
    ``typed`` the same with factors and terms in the order of the formula it came from.
    """

    variable: Variable
    free: tuple[Symbol, ...]
    rhs: Expr
    named: Expr | None = None
    typed: Expr | None = None
    declared: tuple[Declared, ...] = ()

    @property
    def lhs(self) -> Expr:
        """The general element that the equation defines."""
        return self.variable.at(*self.free)

    @property
    def shown(self) -> Expr:
        """The right-hand side as one prints it."""
        return self.rhs if self.typed is None else self.typed


@dataclass(frozen=True, slots=True)
class KnownSum:
    """Σ over all elements of ``variable`` (of one sample) is ``total``, and why one may say so."""

    variable: Variable
    total: int
    because: str


@dataclass(frozen=True)
class Graph:
    """Equations in topological order, the quantities they speak of, and what is known of them.

    ``target`` is the quantity whose derivatives are asked for; ``conventions`` are sentences about
    points where a function has no derivative.
    """

    equations: tuple[Equation, ...]
    variables: tuple[Variable, ...]
    target: Variable
    facts: tuple[KnownSum, ...] = ()
    conventions: tuple[str, ...] = ()
    samples: Expr | None = None

    def __post_init__(self) -> None:
        """Raise `IllFormed` unless what works on a graph may take it at its word."""
        _check_names(self)
        _check_order(self)
        for equation in self.equations:
            _Reader(self, equation).read()

    @cached_property
    def by_base(self) -> dict[str, Variable]:
        """The variables by the name of their SymPy symbol or ``IndexedBase``."""
        return {base_name(variable.element): variable for variable in self.variables}

    @cached_property
    def size_letters(self) -> set[Expr]:
        """The letters in the widths and in the number of samples."""
        sizes = {size for variable in self.variables for size in variable.shape}
        sizes |= set() if self.samples is None else {self.samples}
        return {letter for size in sizes for letter in size.free_symbols}

    @cached_property
    def parents(self) -> dict[Variable, tuple[Variable, ...]]:
        """For each computed quantity, what its equation reads, in the order of `variables`."""
        order = {variable: place for place, variable in enumerate(self.variables)}
        found = {}
        for equation in self.equations:
            names = {base_name(atom) for atom in equation.rhs.atoms(Indexed, Symbol)}
            read = {self.by_base[name] for name in names if name in self.by_base}
            found[equation.variable] = tuple(sorted(read, key=order.__getitem__))
        return found

    @cached_property
    def parameters(self) -> tuple[Variable, ...]:
        """What gradient descent may change: weights and biases.

        In an [equations] file these are the leaves named w…, b… or theta…, if there are any.
        """
        trained = ("w", "b", "theta", "θ")
        return tuple(
            variable
            for variable in self.variables
            if variable.role in PARAMETERS
            or (variable.role is Role.LEAF and variable.name.lower().startswith(trained))
        )

    @cached_property
    def asked(self) -> tuple[Variable, ...]:
        """By what the whole is differentiated: the parameters, else every leaf."""
        leaves = tuple(variable for variable in self.variables if variable.role is Role.LEAF)
        return self.parameters or leaves

    @cached_property
    def by_variable(self) -> dict[Variable, Equation]:
        """The equation that computes a quantity."""
        return {equation.variable: equation for equation in self.equations}

    @cached_property
    def readers(self) -> dict[Variable, tuple[Equation, ...]]:
        """For each quantity, the equations that read it."""
        found: dict[Variable, list[Equation]] = {variable: [] for variable in self.variables}
        for equation in self.equations:
            for parent in self.parents[equation.variable]:
                found[parent].append(equation)
        return {variable: tuple(equations) for variable, equations in found.items()}

    def following(self, variable: Variable, equation: Equation) -> tuple[Variable, ...]:
        """What else the equation reads that is computed from ``variable``."""
        bits, after = self._descendants
        read = self.parents[equation.variable]
        return tuple(parent for parent in read if after[variable] & bits[parent])

    def leads_on(self, variable: Variable) -> bool:
        """Whether the target is computed from ``variable``, or is it."""
        bits, after = self._descendants
        return variable == self.target or bool(after[variable] & bits[self.target])

    @cached_property
    def _descendants(self) -> tuple[dict[Variable, int], dict[Variable, int]]:
        """One bit a quantity, and for each quantity those of all that is computed from it."""
        bits = {variable: 1 << place for place, variable in enumerate(self.variables)}
        after = dict.fromkeys(self.variables, 0)
        for equation in reversed(self.equations):
            onward = after[equation.variable] | bits[equation.variable]
            for parent in self.parents[equation.variable]:
                after[parent] |= onward
        return bits, after

    @cached_property
    def has_numbered(self) -> bool:
        """Whether an index is a number, as in x[2]: then no width may be another."""
        elements = (e for equation in self.equations for e in equation.rhs.atoms(Indexed))
        return any(place.is_Integer for element in elements for place in element.indices)

    @cached_property
    def is_scalar(self) -> bool:
        """Whether all quantities are numbers, as in an [equations] file."""
        return not any(variable.shape for variable in self.variables)

    def is_concrete(self) -> bool:
        """Whether every width is a number (the number of samples need not be)."""
        return all(
            size.is_Integer
            for variable in self.variables
            for size in variable.shape[variable.batched :]
        )


def base_name(element: Expr) -> str:
    """The name under which SymPy knows an element's quantity."""
    if isinstance(element, Indexed):
        return element.base.name
    return str(getattr(element, "name", element))


# ---------------------------------------------------------------------------- what is well formed

_ELSEWHERE = "belong to a network as equations, a file with [sizes] and indices in brackets"


def _check_names(graph: Graph) -> None:
    """No two quantities, nor an index or a size, may be called or printed the same."""
    bases: dict[str, Variable] = {}
    for variable in graph.variables:
        name = base_name(variable.element)
        other = bases.get(name)
        bases[name] = variable
        if other == variable:
            raise IllFormed(
                f"{variable.name} is listed twice among the quantities; expected once, "
                "and one equation for it"
            )
        if other is not None:
            raise IllFormed(
                f"two quantities are called {name}: {other.name} and {variable.name}; "
                "every quantity needs a name of its own"
            )
    letters = {str(letter): "a size" for letter in graph.size_letters}
    for equation in graph.equations:
        limits = [part.limits[0][0] for part in equation.rhs.atoms(Sum)]
        letters |= {str(letter): "an index" for letter in (*equation.free, *limits)}
    for name in letters.keys() & bases.keys():
        raise IllFormed(f"{name} is {letters[name]} and a quantity too; give one another name")
    alike: defaultdict[str, list[_Pattern]] = defaultdict(list)
    for variable in graph.variables:
        pattern = _name_pattern(variable)
        alike[pattern.letter].append(pattern)
    for patterns in alike.values():
        counts, heads = {len(each.places) for each in patterns}, {each.head for each in patterns}
        if len(counts) == 1 and None not in heads and len(heads) == len(patterns):
            continue  # as many numbers each, and the first, a layer, tells them apart
        for first, second in itertools.combinations(patterns, 2):
            if printed := _printed_alike(first, second):
                raise IllFormed(
                    f"an element of {first.name} and one of {second.name} are both printed as "
                    f"{printed}; give one of them another name"
                )


@dataclass(frozen=True, slots=True)
class _Pattern:
    """The letter of the names of a quantity's elements, and what their numbers run over."""

    name: str
    letter: str
    places: list[range | Expr]

    @property
    def head(self) -> int | None:
        """The first number where it is the same for all elements: their layer."""
        first = self.places[0] if self.places else None
        return first.start if isinstance(first, range) and len(first) == 1 else None


def _name_pattern(variable: Variable) -> _Pattern:
    letter, fixed = variable.letter, name_indices(variable, ())
    if variable.batched and not variable.sizes:  # E[s], one number a sample, keeps its own name
        letter = variable.name
    if not variable.shape and not fixed:  # a scalar called x_12 is printed as an element of x
        letter, numbers = split_name(variable.letter)
        fixed = tuple(numbers.split(",")) if numbers else ()
    sizes = [range(1, int(n) + 1) if n.is_Integer else n for n in variable.sizes]
    places = [*(range(int(k), int(k) + 1) for k in fixed), *sizes]
    return _Pattern(variable.name, letter, places)


def _printed_alike(first: _Pattern, second: _Pattern) -> str | None:
    """A name that an element of each of two quantities would have, or None."""
    letter, ones, others = first.letter, first.places, second.places
    if not ones or not others:  # a name without numbers
        return letter if len(ones) == len(others) else None
    if len(ones) == len(others):
        meet = [_in_both(a, b) for a, b in zip(ones, others, strict=True)]
        return f"{letter}_{','.join(map(str, meet))}" if all(meet) else None
    (short, *more), long = sorted((ones, others), key=len)
    if more:  # digits that stand side by side can be counted, and so can commas
        return None
    if isinstance(short, range) and len(short) == 1:  # h_12 by itself, and element (1, 2) of h
        digits = [int(digit) for digit in str(short.start)]
        if len(digits) != len(long):
            return None
        meet = [_in_both(range(k, k + 1), n) for k, n in zip(digits, long, strict=True)]
        return f"{letter}_{short.start}" if all(meet) else None
    lowest = [places.start if isinstance(places, range) else 1 for places in long]
    joined = int("".join(map(str, lowest)))
    inside = not isinstance(short, range) or joined in short
    return f"{letter}_{joined}" if max(lowest) < 10 and inside else None


def _in_both(first: range | Expr, second: range | Expr) -> int | None:
    """The smallest number in both; a size that is a letter reaches any number."""
    starts = [places.start if isinstance(places, range) else 1 for places in (first, second)]
    place = max(starts)
    within = (place in places for places in (first, second) if isinstance(places, range))
    return place if all(within) else None


def _check_order(graph: Graph) -> None:
    """Every quantity is computed once, from what stands before it."""
    places = {variable: place for place, variable in enumerate(graph.variables)}
    known = set(graph.variables) - {equation.variable for equation in graph.equations}
    for equation in graph.equations:
        variable = equation.variable
        if variable not in places:
            raise IllFormed(f"{variable.name} is computed, and is not among the quantities")
        if variable in known:
            raise IllFormed(f"{variable.name} is computed by two equations")
        read = graph.parents[variable]
        if variable in read:
            raise IllFormed(
                f"the equation of {variable.name} reads {variable.name} itself; recurrences, with "
                f"their base cases, {_ELSEWHERE}"
            )
        for parent in read:
            if parent not in known or places[parent] > places[variable]:
                raise IllFormed(
                    f"the equation of {variable.name} reads {parent.name}, which is computed or "
                    f"listed only after it; put {parent.name} first"
                )
        known.add(variable)
    for variable in (graph.target, *(fact.variable for fact in graph.facts)):
        if variable not in places:
            raise IllFormed(f"{variable.name} is not among the quantities of the graph")


class _Reader:
    """Goes through one right-hand side; every index has to run over the whole of its place."""

    PLAIN = (Add, Mul, Pow, Product, Terms, Piecewise, ExprCondPair, Relational, And, Or)
    FUNCTIONS = tuple(
        {
            made
            for made in (
                getattr(sympy, row.sympy or name, None) for name, row in ELEMENTARY.items()
            )
            if isinstance(made, type) and made not in (sympy.sign, sympy.Max, sympy.Min)
        }
    )

    def __init__(self, graph: Graph, equation: Equation) -> None:
        self.graph, self.equation, self.sizes = graph, equation, graph.size_letters

    def refuse(self, why: str) -> NoReturn:
        raise IllFormed(f"the equation of {self.equation.variable.name}: {why}")

    def read(self) -> None:
        """Raise `IllFormed` where the equation is none."""
        variable, free = self.equation.variable, self.equation.free
        if len(free) != len(variable.shape) or len({*free}) < len(free):
            self.refuse(
                f"{variable.name} has {len(variable.shape)} indices, and the equation is given for "
                f"{len(free)} of them: ({', '.join(map(str, free))}); expected one letter for each"
            )
        mixed = [each.name for each in self.graph.parents[variable] if each.batched]
        if mixed and not variable.batched and variable != self.graph.target:
            self.refuse(
                f"it puts the samples of {mixed[0]} together; expected the loss alone to do so; "
                f"what a batch is normalised by {_ELSEWHERE}"
            )
        self.visit(self.equation.rhs, dict(zip(free, variable.shape, strict=True)))

    def visit(self, expr: Any, ranges: Mapping[Symbol, Expr]) -> None:
        if isinstance(expr, Sum):
            self.visit_sum(expr, ranges)
        elif isinstance(expr, Indexed):
            self.visit_element(expr, ranges)
        elif isinstance(expr, Symbol):
            self.visit_name(expr, ranges)
        elif expr.is_Rational or isinstance(expr, (sympy.NumberSymbol, BooleanAtom)):
            return
        elif isinstance(expr, (*self.PLAIN, *self.FUNCTIONS)):
            for part in expr.args:
                self.visit(part, ranges)
        else:
            self.refuse(
                f"{_said(expr)} is a {type(expr).__name__}; expected sums, products, powers, Σ, "
                "cases and the functions of the formula reader"
            )

    def visit_sum(self, expr: Sum, ranges: Mapping[Symbol, Expr]) -> None:
        limits: Any = expr.limits
        if len(limits) > 1:
            letters = ", ".join(str(limit[0]) for limit in limits)
            self.refuse(f"one Σ binds {letters}; expected a Σ of its own for each of them (Sigma)")
        bound, lower, upper = limits[0]
        if bound in ranges:
            self.refuse(f"the index {bound} of a Σ is in use outside it; give it another letter")
        if upper.free_symbols & {*ranges, bound}:
            self.refuse(
                f"Σ over {bound} runs to {upper}, which depends on an index; conditions such as "
                f"sum(u if u <= t, …) {_ELSEWHERE}"
            )
        if stray := upper.free_symbols - self.sizes:
            self.refuse(f"Σ over {bound} runs to {upper}; {min(map(str, stray))} is no size here")
        if lower != 1:
            self.refuse(
                f"Σ over {bound} runs from {lower} to {upper}; expected from 1, over all of what "
                f"{bound} numbers; sums over a part {_ELSEWHERE}"
            )
        self.visit(expr.function, {**ranges, bound: upper})

    def visit_element(self, expr: Indexed, ranges: Mapping[Symbol, Expr]) -> None:
        variable = self.known(expr)
        if len(expr.indices) != len(variable.shape):
            self.refuse(
                f"{_said(expr)} has {len(expr.indices)} indices; expected {len(variable.shape)}"
            )
        if variable.batched and expr.indices[0] != SAMPLE:
            self.refuse(
                f"{_said(expr)} is of the sample {expr.indices[0]}; expected the letter {SAMPLE}"
            )
        for place, size in zip(expr.indices, variable.shape, strict=True):
            if isinstance(place, Integer):
                if place < 1 or not (place == 1 or (size - place).is_nonnegative):
                    self.refuse(f"{_said(expr)} is outside: its index runs from 1 to {size}")
            elif not isinstance(place, Symbol):
                self.refuse(
                    f"{_said(expr)} has the index {place}; expected a letter or a number; "
                    f"indices such as {place} {_ELSEWHERE}"
                )
            elif place not in ranges:
                self.refuse(
                    f"the index {place} of {_said(expr)} is neither one of the left side nor bound "
                    "by a Σ"
                )
            elif ranges[place] != size:
                self.refuse(
                    f"{place} runs from 1 to {ranges[place]}, and in {_said(expr)} it numbers "
                    f"{size}; expected the same; parts of an array {_ELSEWHERE}"
                )

    def visit_name(self, expr: Symbol, ranges: Mapping[Symbol, Expr]) -> None:
        if expr in ranges:
            self.refuse(
                f"the index {expr} stands for a number; expected it in brackets; conditions on "
                f"indices {_ELSEWHERE}"
            )
        if expr not in self.sizes and self.known(expr).shape:
            self.refuse(f"{expr} is an array; expected one of its elements")

    def known(self, element: Expr) -> Variable:
        """The quantity of an element."""
        variable = self.graph.by_base.get(base_name(element))
        if variable is None:
            known = ", ".join(sorted(self.graph.by_base))
            self.refuse(f"{_said(element)} is not a quantity of the graph; it has {known}")
        return variable


def _said(expr: Any) -> str:
    """An expression for a message, printed as symback prints it where that is possible."""
    try:
        return Text().write(expr)
    except TypeError:
        return str(expr)


# --------------------------------------------------------------------------- front end: networks


def from_network(
    spec: NetworkSpec, samples: Expr | None = None, *, own_losses: bool = False
) -> Graph:
    """The equations of a feed-forward network: a_k, h_k (ŷ for the last layer) and the loss.

    ``samples`` makes it one of a batch of so many, also a symbolic number; without it the values
    of ``spec`` say whether they are a batch.  With ``own_losses`` the loss of each sample of a
    batch is a quantity, E, and the loss their mean or sum.
    """
    if samples is None and spec.values.samples is not None:
        samples = Integer(spec.values.samples)
    sample = () if samples is None else (SAMPLE,)
    i, j, q = index("i"), index("j"), index("q")
    variables: list[Variable] = []
    equations: list[Equation] = []
    facts: list[KnownSum] = []

    def declare(name: str, role: Role, layer: int | None, shape: tuple[Expr, ...]) -> Variable:
        variables.append(Variable(name, role, layer, shape))
        return variables[-1]

    def vector(name: str, role: Role, layer: int | None, size: Expr) -> Variable:
        """A quantity of which each sample has its own."""
        shape = (size,) if samples is None else (samples, size)
        variables.append(Variable(name, role, layer, shape, batched=samples is not None))
        return variables[-1]

    h = vector("x", Role.INPUT, None, spec.inputs)
    for k, layer in enumerate(spec.layers, start=1):
        size, units, below = h.shape[-1], layer.units, h
        W = declare(f"W{k}", Role.WEIGHT, k, (units, size))
        terms: list[Expr] = [Sigma(Product(W.at(i, j), below.at(*sample, j)), (j, 1, size))]
        if spec.bias != "none":
            own = spec.bias == "per_neuron"
            b = declare(f"b{k}", Role.BIAS, k, (units,) if own else ())
            terms.insert(0, b.at(i) if own else b.at())
        a = vector(f"a{k}", Role.PREACTIVATION, k, units)
        typed = Terms(*terms)
        equations.append(Equation(a, (*sample, i), collapse(typed), typed=typed))

        is_output = k == len(spec.layers)
        name, role = ("yhat", Role.OUTPUT) if is_output else (f"h{k}", Role.ACTIVATION)
        h = vector(name, role, k, units)
        z, value = partial(a.at, *sample), partial(h.at, *sample)
        g = layer.activation
        form = activation_slope(g, z, value, i, q)
        declared = () if form is None else (Declared(a, (*sample, q), form),)
        rhs, named = activation(g, z, i, units), called(g.name, z(i))
        equations.append(Equation(h, (*sample, i), rhs, named=named, declared=declared))
        facts += [KnownSum(h, fact.total, fact.because) for fact in g.facts]

    y = vector("y", Role.TARGET, None, h.shape[-1]) if spec.loss.uses_target else None
    if own_losses and samples is not None:
        each = Variable("E", Role.LOSS, None, (samples,), batched=True)
        variables.append(each)
        equations.append(_loss_equation(spec, each, y, h))
    target = declare("L", Role.LOSS, None, ())
    equations.append(
        _total_of_losses(spec, target, variables[-2])
        if own_losses and samples is not None
        else _loss_equation(spec, target, y, h)
    )
    if y is not None:
        rows: Any = spec.values.y if spec.values.samples is not None else (spec.values.y,)
        facts += [
            KnownSum(y, fact.total, fact.because)
            for fact in spec.loss.facts
            if spec.values.y is None or all(sum(row) == fact.total for row in rows)
        ]
    sentences = [layer.activation.convention for layer in spec.layers] + [spec.loss.convention]
    return Graph(
        equations=tuple(equations),
        variables=tuple(variables),
        target=target,
        facts=tuple(facts),
        conventions=tuple(dict.fromkeys(sentence for sentence in sentences if sentence)),
        samples=samples,
    )


def _loss_equation(
    spec: NetworkSpec, target: Variable, y: Variable | None, yhat: Variable
) -> Equation:
    """L = scale · Σ_s Σ_i term, the scale 1, 1/n, 1/B or 1/(nB) as the means ask.

    That of a sample, where ``target`` has one for each, is the part of Σ_i, the scale 1 or 1/n.
    """
    i, (*samples, size) = index("i"), yhat.shape
    indices = (SAMPLE, i) if samples else (i,)
    samples = [] if target.batched else samples
    scale = 1 / size if spec.over_outputs == "mean" else Integer(1)
    if samples and spec.over_samples == "mean":
        scale = scale / samples[0]

    def over_all(term: Expr) -> Expr:
        inner = Sigma(term, (i, 1, size))
        return Sigma(inner, (SAMPLE, 1, samples[0])) if samples else inner

    y_i = sympy.S.Zero if y is None else y.at(*indices)
    letters = {"y": y_i, "yhat": yhat.at(*indices)}
    term = written(spec.loss.formula, letters)
    if isinstance(term, Product) and term.args[0] == -1:  # -Σ u rather than Σ (-u)
        typed = Product(-scale, over_all(Product(*term.args[1:])))
    elif isinstance(term, sympy.Mul) and term.could_extract_minus_sign():
        typed = Product(-scale, over_all(-term))
    else:
        typed = Product(scale, over_all(term))
    declared: tuple[Declared, ...] = ()
    if spec.loss.slope:  # the scale goes into a number or a single quantity in front
        form = written(spec.loss.slope, letters)
        if isinstance(form, Product) and form.args[0].is_Number:
            form = Product(scale * form.args[0], *form.args[1:])
        elif isinstance(form, (sympy.Mul, sympy.Symbol)):
            form = scale * form
        else:
            form = Product(scale, form)
        declared = (Declared(yhat, indices, form),)
    rhs = scale * over_all(value_of(spec.loss.formula, letters))
    return Equation(target, indices[: target.batched], rhs, typed=typed, declared=declared)


def _total_of_losses(spec: NetworkSpec, target: Variable, own: Variable) -> Equation:
    """L = Σ_s E_s, or their mean."""
    (samples,) = own.shape
    scale = 1 / samples if spec.over_samples == "mean" else Integer(1)
    total = Sigma(own.at(SAMPLE), (SAMPLE, 1, samples))
    return Equation(target, (), scale * total)


# -------------------------------------------------------------------------- front end: equations


def from_equations(spec: EquationsSpec) -> Graph:
    """The equations of an [equations] file: one scalar a stage, the last one the target."""
    leaves = [Variable(name, Role.LEAF) for name in spec.leaves]
    stages = [Variable(stage.name, Role.STAGE) for stage in spec.stages]
    symbols = {variable.name: variable.at() for variable in (*leaves, *stages)}
    functions = field_functions()
    equations = [
        Equation(
            variable,
            (),
            algebra.to_sympy(stage.node, symbols, functions),
            typed=algebra.as_typed(stage.node, symbols),
        )
        for variable, stage in zip(stages, spec.stages, strict=True)
    ]
    sentences = (each for stage in spec.stages for each in _at_kinks(stage.node, symbols))
    return Graph(
        tuple(equations),
        (*leaves, *stages),
        stages[-1],
        conventions=tuple(dict.fromkeys(sentences)),
    )


def _at_kinks(node: Node, symbols: Mapping[str, Expr]) -> Iterator[str]:
    """What is taken for the slope of a formula where it has none, a sentence a kink."""
    head, arguments = operation(node)
    for argument in arguments:
        yield from _at_kinks(argument, symbols)
    if head == "where":
        yield "Where a condition is about to change, the slope is that of the case that holds."
    row = ELEMENTARY.get(head) or ACTIVATIONS.get(head)
    if row is None or not row.convention:
        return
    slope = ""
    if "{slope}" in row.convention:
        taken = algebra.winner(node, symbols, field_functions())
        slope = f"that of {Text().write(taken)}" if taken.free_symbols else "0"
    yield row.convention.replace("{slope}", slope)
