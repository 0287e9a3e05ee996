"""Equations in index notation, in topological order: the only thing the engine knows.

A `Graph` is a tuple of `Equation`s, one a quantity, each with free indices, e.g.
``a_2[i] = b_2[i] + Sum(W_2[i, j]*h_1[j], (j, 1, 4))``.  Nothing in it, nor in what works on it,
knows what a layer is; `from_network` and `from_equations` are two front ends that write equations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import sympy
from sympy import Expr, Indexed, Integer, Symbol

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
from symback.language.expressions import Node, operation
from symback.language.functions import ACTIVATIONS, ELEMENTARY
from symback.language.names import PARAMETERS, SAMPLE, Role, Variable, index
from symback.language.writing import Text


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

    @cached_property
    def by_base(self) -> dict[str, Variable]:
        """The variables by the name of their SymPy symbol or ``IndexedBase``."""
        return {base_name(variable.element): variable for variable in self.variables}

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
        Equation(variable, (), algebra.to_sympy(stage.node, symbols, functions))
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
