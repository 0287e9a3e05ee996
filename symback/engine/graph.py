"""Equations in index notation, in topological order: the only thing the engine knows.

A `Graph` is a tuple of `Equation`s, one a quantity, each with free indices, e.g.
``a_2[i] = b_2[i] + Sum(W_2[i, j]*h_1[j], (j, 1, 4))``.  Nothing in it, nor in what works on it,
knows what a layer is; `from_network` and `from_equations` are two front ends that write equations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sympy
from sympy import Expr, Indexed, Integer, Symbol

from symback.engine.spec import EquationsSpec, LayerSpec, NetworkSpec
from symback.language import algebra
from symback.language.expressions import Node, operation
from symback.language.functions import (
    ACTIVATIONS,
    Activation,
    Fact,
    Loss,
    SoftMax,
    called,
    field_functions,
)
from symback.language.notation import (
    PARAMETERS,
    SAMPLE,
    Product,
    Role,
    Sigma,
    Terms,
    Variable,
    collapse,
    index,
)
from symback.language.printers import Text

__all__ = ["Declared", "Equation", "Graph", "KnownSum", "from_equations", "from_network"]


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
        return {
            equation.variable: tuple(sorted(self._read_by(equation), key=order.__getitem__))
            for equation in self.equations
        }

    @cached_property
    def parameters(self) -> tuple[Variable, ...]:
        """What gradient descent may change: weights and biases.

        In an [equations] file these are the leaves named w…, b… or theta…, if there are any.
        """
        return tuple(variable for variable in self.variables if _is_parameter(variable))

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
        after = self._descendants[variable]
        read = self.parents[equation.variable]
        return tuple(parent for parent in read if after & self._bits[parent])

    def leads_on(self, variable: Variable) -> bool:
        """Whether the target is computed from ``variable``, or is it."""
        if variable == self.target:
            return True
        return bool(self._descendants[variable] & self._bits[self.target])

    @cached_property
    def _bits(self) -> dict[Variable, int]:
        """One bit a quantity."""
        return {variable: 1 << place for place, variable in enumerate(self.variables)}

    @cached_property
    def _descendants(self) -> dict[Variable, int]:
        """For each quantity, the bits of all that is computed from it, near and far."""
        found = dict.fromkeys(self.variables, 0)
        for equation in reversed(self.equations):
            onward = found[equation.variable] | self._bits[equation.variable]
            for parent in self.parents[equation.variable]:
                found[parent] |= onward
        return found

    def is_concrete(self) -> bool:
        """Whether every width is a number (the number of samples need not be)."""
        return all(
            size.is_Integer
            for variable in self.variables
            for size in variable.shape[variable.batched :]
        )

    def _read_by(self, equation: Equation) -> set[Variable]:
        names = {base_name(atom) for atom in equation.rhs.atoms(Indexed, Symbol)}
        return {self.by_base[name] for name in names if name in self.by_base}


def _is_parameter(variable: Variable) -> bool:
    if variable.role is Role.LEAF:
        return variable.name.lower().startswith(("w", "b", "theta", "θ"))
    return variable.role in PARAMETERS


def base_name(element: Expr) -> str:
    """The name under which SymPy knows an element's quantity."""
    return (
        element.base.name
        if isinstance(element, Indexed)
        else str(getattr(element, "name", element))
    )


# --------------------------------------------------------------------------- front end: networks


def from_network(spec: NetworkSpec) -> Graph:
    """The equations of a feed-forward network: a_k, h_k (ŷ for the last layer) and the loss."""
    samples = None if spec.values.samples is None else Integer(spec.values.samples)
    writer = _Writer(samples, spec.bias)
    previous = writer.vector("x", Role.INPUT, None, spec.inputs)
    last = len(spec.layers)
    for k, layer in enumerate(spec.layers, start=1):
        previous = writer.layer(k, layer, previous, is_output=k == last)
    target = writer.loss(spec, previous)
    return Graph(
        equations=tuple(writer.equations),
        variables=tuple(writer.variables),
        target=target,
        facts=tuple(writer.facts),
        conventions=_conventions(spec),
        samples=samples,
    )


def _conventions(spec: NetworkSpec) -> tuple[str, ...]:
    sentences = [layer.activation.convention for layer in spec.layers] + [spec.loss.convention]
    return tuple(dict.fromkeys(sentence for sentence in sentences if sentence))


class _Writer:
    """Collects the equations of a network, layer by layer."""

    def __init__(self, samples: Expr | None, bias: str) -> None:
        self.samples, self.bias = samples, bias
        self.variables: list[Variable] = []
        self.equations: list[Equation] = []
        self.facts: list[KnownSum] = []

    def declare(self, *arguments, **named) -> Variable:
        self.variables.append(Variable(*arguments, **named))
        return self.variables[-1]

    def vector(self, name: str, role: Role, layer: int | None, size: Expr) -> Variable:
        batched = self.samples is not None
        shape = (self.samples, size) if batched else (size,)
        return self.declare(name, role, layer, shape, batched)

    def layer(self, k: int, layer: LayerSpec, previous: Variable, *, is_output: bool) -> Variable:
        a = self._preactivation(k, layer.units, previous)
        name, role = ("yhat", Role.OUTPUT) if is_output else (f"h{k}", Role.ACTIVATION)
        h = self.vector(name, role, k, layer.units)
        self._apply(layer.activation, a, h, layer.units)
        return h

    def _preactivation(self, k: int, units: Expr, previous: Variable) -> Variable:
        i, j = index("i"), index("j")
        sample = (SAMPLE,) if self.samples is not None else ()
        W = self.declare(f"W{k}", Role.WEIGHT, k, (units, previous.shape[-1]))
        weighted = Product(W.at(i, j), previous.at(*sample, j))
        terms = [Sigma(weighted, (j, 1, previous.shape[-1]))]
        if self.bias != "none":
            shape = (units,) if self.bias == "per_neuron" else ()
            b = self.declare(f"b{k}", Role.BIAS, k, shape)
            terms.insert(0, b.at(*((i,) if shape else ())))
        a = self.vector(f"a{k}", Role.PREACTIVATION, k, units)
        typed = Terms(*terms)
        self.equations.append(Equation(a, (*sample, i), collapse(typed), typed=typed))
        return a

    def _apply(self, g: Activation | SoftMax, a: Variable, h: Variable, units: Expr) -> None:
        i, q = index("i"), index("q")
        sample = (SAMPLE,) if self.samples is not None else ()

        def z(position: Expr) -> Expr:
            return a.at(*sample, position)

        def value(position: Expr) -> Expr:
            return h.at(*sample, position)

        form = g.derivative(z, value, i, q)
        declared = () if form is None else (Declared(a, (*sample, q), form),)
        self.equations.append(
            Equation(
                h,
                (*sample, i),
                g.expression(z, i, units),
                named=called(g.name, z(i)),
                declared=declared,
            )
        )
        self.facts += [_known(fact, h) for fact in g.facts]

    def loss(self, spec: NetworkSpec, yhat: Variable) -> Variable:
        i = index("i")
        size = yhat.shape[-1]
        sample = (SAMPLE,) if self.samples is not None else ()
        y = self.vector("y", Role.TARGET, None, size) if spec.loss.uses_target else None
        target = self.declare("L", Role.LOSS)
        scale = _scale(spec, size, self.samples)

        def of(term: Expr) -> Expr:
            inner = Sigma(term, (i, 1, size))
            return Sigma(inner, (SAMPLE, 1, self.samples)) if sample else inner

        y_i = sympy.S.Zero if y is None else y.at(*sample, i)
        yhat_i = yhat.at(*sample, i)
        self.equations.append(
            Equation(
                target,
                (),
                scale * of(spec.loss.term(y_i, yhat_i)),
                typed=_summed(scale, spec.loss.written_term(y_i, yhat_i), of),
                declared=_declared_loss(spec.loss, scale, y_i, yhat, (*sample, i)),
            )
        )
        if y is not None:
            self.facts += [_known(fact, y) for fact in spec.loss.facts if _holds(fact, spec)]
        return target


def _summed(scale: Expr, term: Expr, of: Callable[[Expr], Expr]) -> Expr:
    """The sum of a written term, -Σ u rather than Σ (-u)."""
    if isinstance(term, Product) and term.args[0] == -1:
        return Product(-scale, of(Product(*term.args[1:])))
    if isinstance(term, sympy.Mul) and term.could_extract_minus_sign():
        return Product(-scale, of(-term))
    return Product(scale, of(term))


def _scale(spec: NetworkSpec, size: Expr, samples: Expr | None) -> Expr:
    """1, 1/n, 1/B or 1/(nB), as the means over outputs and samples ask."""
    scale = Integer(1)
    if spec.over_outputs == "mean":
        scale = scale / size
    if samples is not None and spec.over_samples == "mean":
        scale = scale / samples
    return scale


def _declared_loss(
    loss: Loss, scale: Expr, y_i: Expr, yhat: Variable, indices: tuple[Symbol, ...]
) -> tuple[Declared, ...]:
    form = loss.derivative(y_i, yhat.at(*indices))
    return () if form is None else (Declared(yhat, indices, _scaled(scale, form)),)


def _scaled(scale: Expr, form: Expr) -> Expr:
    """scale · form, the scale multiplied into a number or a single quantity in front of it."""
    if isinstance(form, Product) and form.args[0].is_Number:
        return Product(scale * form.args[0], *form.args[1:])
    return scale * form if isinstance(form, (sympy.Mul, sympy.Symbol)) else Product(scale, form)


def _known(fact: Fact, variable: Variable) -> KnownSum:
    return KnownSum(variable, fact.total, fact.because)


def _holds(fact: Fact, spec: NetworkSpec) -> bool:
    """Whether the given targets, if there are any, agree with ``fact``."""
    y: Any = spec.values.y
    if y is None:
        return True
    rows = y if spec.values.samples is not None else (y,)
    return all(sum(row) == fact.total for row in rows)


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
    if head in ("max", "min"):
        taken = algebra.winner(node, symbols, field_functions())
        slope = f"that of {Text().write(taken)}" if taken.free_symbols else "0"
        yield f"Where the arguments of {head} are equal, its slope is taken to be {slope}."
    elif head in _SENTENCES:
        yield _SENTENCES[head]
    elif head in ACTIVATIONS and ACTIVATIONS[head].convention:
        yield ACTIVATIONS[head].convention


_SENTENCES = {
    "abs": "The slope of |u| where u = 0, where it has none, is taken to be 0.",
    "sign": "The slope of sign u where u = 0, where it has none, is taken to be 0.",
    "where": "Where a condition is about to change, the slope is that of the case that holds.",
}
