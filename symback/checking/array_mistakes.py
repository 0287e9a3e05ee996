"""What may go wrong in a backward pass written by hand in arrays, step by step.

Here one can list every `Mistake` that may have been made on the way to one array: `mistakes_of`.
Each is another value for one of symback's own local derivatives (a slope left out, a weight matrix
transposed, the derivative of another loss), evaluated with the network's numbers; nothing is
derived here.  The names and their order are those of `symback.checking.mistakes` (`place`), and
`ADDED`, which only arrays know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import sympy
from sympy import Expr, Integer, Symbol

from symback.checking.array_steps import Edge, Mistake, Steps, Tensor
from symback.checking.mistakes import rank
from symback.engine.arithmetics import Undefined
from symback.engine.calculus import local_derivative
from symback.engine.graph import from_network
from symback.engine.spec import NetworkSpec
from symback.language.algebra import activation, activation_slope, collapse
from symback.language.errors import SymbackError
from symback.language.functions import ACTIVATIONS, LOSSES, Activation, SoftMax
from symback.language.names import SAMPLE, Role, Variable

__all__ = ["ADDED", "mistakes_of", "named", "place"]

ADDED = {
    "unsummed-samples": "the sum over the samples is missing, so the array has an axis too many",
    "single-sample": "of the sum over the samples only one term is there",
}
"""Names that lines of algebra have no use for, and what they mean."""

_NO_NUMBERS = (sympy.zoo, sympy.nan, sympy.oo)

MOST_NEURONS = 32
"""In wider layers no single neuron's path is tried."""


def named(variable: Variable) -> str:
    """W_1, h_1, ŷ, as the lectures write the whole array."""
    letter = {Role.WEIGHT: "W", Role.OUTPUT: "ŷ"}.get(variable.role, variable.letter)
    layered = variable.layer is not None and variable.role not in (Role.OUTPUT, Role.LOSS)
    return f"{letter}_{variable.layer}" if layered else letter


def place(name: str) -> int:
    """Where a name stands in a report, the most specific first."""
    return rank("matrix-layout") if name in ADDED else rank(name)


def mistakes_of(
    steps: Steps, spec: object, edges: Iterable[Edge], rate: float | None
) -> list[Mistake]:
    """Every single mistake in the local derivatives ``edges``, and in what they are summed to.

    ``spec`` is the network's specification, ``rate`` the learning rate if there is one.
    """
    found: list[Mistake] = []
    for edge in sorted(edges, key=lambda e: (steps.order.index(e[1]), e[0].name)):
        found += _Site(steps, spec, edge, rate).mistakes()
    return found


class _Site:
    """One local derivative, and what may stand in its place."""

    def __init__(self, steps: Steps, spec: object, edge: Edge, rate: float | None) -> None:
        self.steps, self.spec, self.edge, self.rate = steps, spec, edge, rate
        self.child, self.parent = edge
        self.right = steps.tensors[edge]
        self.local = steps.backward.derivatives[edge]

    def mistakes(self) -> Iterator[Mistake]:
        for make in self._makers():
            try:
                yield from make()
            except (Undefined, ZeroDivisionError, SymbackError):
                continue  # the wrong formula has no value here, so nobody can have computed it

    def _makers(self) -> tuple[Callable[[], Iterator[Mistake]], ...]:
        match self.child.role, self.parent.role:
            case Role.LOSS, Role.OUTPUT:
                return (self._other_losses, self._one_of_two, self._no_logarithm)
            case Role.OUTPUT, _:
                return (*self._of_output(), self._output_again, self._one_of_two)
            case Role.ACTIVATION, _:
                return self._slopes() if self._function is not None else self._coupled()
            case Role.PREACTIVATION, Role.WEIGHT:
                return (self._of_input, self._layout, self._samples)
            case Role.PREACTIVATION, Role.BIAS:
                return (self._samples,)
            case Role.PREACTIVATION, _:
                return (self._of_weight, self._paths, self._layout)
            case _:
                return (self._left_out,)

    def _instead(self, name: str, tensor: Tensor, detail: str) -> Mistake:
        return Mistake(name, detail, self.parent, {self.edge: tensor})

    def _expr(self, name: str, expr: Expr, detail: str) -> Mistake:
        return self._instead(name, self.steps.local(expr, self.edge), detail)

    def _value(self, variable: Variable, letters: tuple[Symbol, ...]) -> Tensor:
        return Tensor(self.steps.values[variable.name], letters)

    def _variable(self, role: Role, layer: int | None) -> Variable | None:
        found = (v for v in self.steps.graph.variables if v.role is role and v.layer == layer)
        return next(found, None)

    @property
    def _name(self) -> str:
        return f"∂{named(self.child)}/∂{named(self.parent)}"

    # ------------------------------------------------------------------------------- the loss

    def _other_losses(self) -> Iterator[Mistake]:
        """∂L/∂ŷ of another loss of the catalogue, derived by symback for the same network."""
        if not isinstance(self.spec, NetworkSpec):
            return
        for name, loss in LOSSES.items():
            if name == self.spec.loss.name or not loss.uses_target:
                continue
            graph = from_network(replace(self.spec, loss=loss))
            local = local_derivative(graph.by_variable[graph.target], self.parent)
            try:
                yield self._expr(
                    "wrong-loss",
                    local.form,
                    f"the derivative of {_words(name)} stands where that of "
                    f"{_words(self.spec.loss.name)} belongs",
                )
            except (Undefined, ZeroDivisionError):
                continue

    def _one_of_two(self) -> Iterator[Mistake]:
        """∂L/∂ŷ, or ∂L/∂a of the last layer, as derived, without y or without ŷ."""
        variable = self.parent
        deduction = self.steps.backward.adjoints[variable]
        for role, kept in ((Role.TARGET, "ŷ"), (Role.OUTPUT, "y")):
            gone = next((v for v in self.steps.graph.variables if v.role is role), None)
            if gone is None:
                continue
            right = self.steps.backward.folded(variable.at(*deduction.free))
            expr = _with(right, gone, lambda *_: sympy.S.Zero)
            limits = dict(zip(deduction.free, variable.shape, strict=True))
            if not expr.free_symbols or expr == right or expr.has(*_NO_NUMBERS):
                continue
            try:
                array = self.steps.numbers.array(expr, limits)
            except (Undefined, ZeroDivisionError, KeyError):
                continue  # KeyError: it is made of another derivative
            detail = f"of y and ŷ only {kept} is in ∂L/∂{named(variable)}"
            instead = np.vectorize(float, otypes=[float])(array)
            yield Mistake("missing-target-or-output", detail, variable, instead=instead)

    def _no_logarithm(self) -> Iterator[Mistake]:
        """-y where -y/ŷ belongs."""
        if self.steps.graph.by_variable[self.child].rhs.has(sympy.log):
            output = self._value(self.parent, self.local.parent_indices)
            yield self._instead(
                "missing-log-derivative",
                self.right.times(output),
                "the derivative of log ŷ is 1/ŷ; it was left out",
            )

    # ----------------------------------------------------------------------- the output function

    def _of_output(self) -> tuple[Callable[[], Iterator[Mistake]], ...]:
        if self._function is None:
            return (self._stopped, *self._coupled())
        linear = self._function.name == "linear"
        return self._slopes() if linear else (self._stopped, *self._slopes())

    def _stopped(self) -> Iterator[Mistake]:
        detail = f"∂L/∂ŷ stands where ∂L/∂{named(self.parent)} belongs: {self._name} is missing"
        yield self._instead("stopped-at-output", self._identity(), detail)

    def _output_again(self) -> Iterator[Mistake]:
        """A slope on top of an error that holds it already."""
        i = self.local.parent_indices[-1]
        for name in ("sigmoid", "tanh", *([self._function.name] if self._function else [])):
            slope = self._slope_of(ACTIVATIONS.get(name, self._function), i)
            if slope is not None and collapse(slope) != 1:
                tensor = self.right.times(self.steps.local(slope, self.edge))
                yield self._instead(
                    "spurious-output-derivative",
                    tensor,
                    f"∂L/∂{named(self.parent)} already holds the output function's derivative; "
                    f"that of {_words(name)} is multiplied in on top",
                )

    def _identity(self) -> Tensor:
        """1 where the two elements are the same neuron, else 0."""
        own, other = self.local.child_indices[-1], self.local.parent_indices[-1]
        if own in dict(self.local.pins):
            return Tensor(np.ones(()), ())
        return Tensor(np.eye(self.steps.values[self.parent.name].shape[-1]), (own, other))

    def _coupled(self) -> tuple[Callable[[], Iterator[Mistake]], ...]:
        return (self._softmax,)

    def _softmax(self) -> Iterator[Mistake]:
        identity = self._identity()
        mask = identity.array
        yield self._instead(
            "softmax-diagonal-only",
            self.right.times(identity),
            f"only ∂ŷ_i/∂a_i of the softmax is in {self._name}, not ∂ŷ_m/∂a_i for m ≠ i",
        )
        yield self._instead(
            "softmax-off-diagonal-sign",
            self.right.times(Tensor(2 * mask - 1, identity.letters)),
            f"{self._name}: ∂ŷ_m/∂a_i = -ŷ_m ŷ_i for m ≠ i, not +ŷ_m ŷ_i",
        )

    # ------------------------------------------------------------------------ slopes of activations

    @property
    def _function(self) -> Activation | None:
        """g, where it works neuron by neuron."""
        if not isinstance(self.spec, NetworkSpec):
            return None
        g = self.spec.layers[(self.child.layer or 1) - 1].activation
        return None if g.coupled else g  # type: ignore[return-value]

    def _slopes(self) -> tuple[Callable[[], Iterator[Mistake]], ...]:
        return (self._no_slope, self._twice, self._parts, self._signs, self._at_value, self._others)

    def _no_slope(self) -> Iterator[Mistake]:
        if self.child.role is Role.OUTPUT:
            return
        yield self._instead(
            "missing-activation-derivative",
            Tensor(np.ones(()), ()),
            f"g′({named(self.parent)}) is missing: {self._name} is left out",
        )
        yield self._instead(
            "activation-for-derivative",
            self._value(self.child, self.local.parent_indices),
            f"{named(self.child)} stands where g′({named(self.parent)}) belongs",
        )

    def _twice(self) -> Iterator[Mistake]:
        if self.right.letters:
            detail = f"g′({named(self.parent)}) is multiplied in twice"
            again = self.right.times(self.right)
            yield self._instead("repeated-activation-derivative", again, detail)

    def _parts(self) -> Iterator[Mistake]:
        form = collapse(self.local.form)
        if form.is_Mul:
            for part in form.args:
                if not part.is_Number:
                    rest = sympy.Mul(*(each for each in form.args if each is not part))
                    detail = f"only a part of g′({named(self.parent)}) is there"
                    yield self._expr("partial-activation-derivative", rest, detail)

    def _signs(self) -> Iterator[Mistake]:
        form = collapse(self.local.form)
        turned = _all_added(form)
        if turned != form:
            detail = f"a sign within g′({named(self.parent)}) is wrong"
            yield self._expr("activation-derivative-sign", turned, detail)

    def _at_value(self) -> Iterator[Mistake]:
        """g′(h) where g′(a) belongs."""
        g, letters = self._function, self.local.parent_indices
        if g is None:
            return
        i = letters[-1]
        width = self.child.shape[-1]

        def value(position: Expr) -> Expr:
            return activation(g, self._h, position, width)

        slope = activation_slope(g, self._h, value, i, i)
        if slope is not None:
            detail = f"g′ is taken at {named(self.child)}, not at {named(self.parent)}"
            yield self._expr("derivative-at-activation", slope, detail)

    def _others(self) -> Iterator[Mistake]:
        i = self.local.parent_indices[-1]
        own = self._function.name if self._function else ""
        for name, g in ACTIVATIONS.items():
            slope = self._slope_of(g, i)
            if name == own or slope is None or collapse(slope) == 1:
                continue
            if isinstance(g, Activation):
                detail = f"the derivative of {_words(name)} stands where that of {own} belongs"
                yield self._expr("wrong-activation-derivative", slope, detail)
                exact = activation_slope(
                    g, self._a, lambda p, g=g: activation(g, self._a, p, Integer(1)), i, i
                )
                if exact is not None and exact != slope:
                    yield self._expr("wrong-activation-derivative", exact, detail)

    def _slope_of(self, g: Activation | SoftMax | None, i: Symbol) -> Expr | None:
        """g′ in this layer's own a and h."""
        if not isinstance(g, Activation):
            return None
        return activation_slope(g, self._a, self._h, i, i)

    def _a(self, position: Expr) -> Expr:
        return self.parent.at(*self.local.parent_indices[:-1], position)

    def _h(self, position: Expr) -> Expr:
        return self.child.at(*self.local.parent_indices[:-1], position)

    # ----------------------------------------------------------------------------- the weights

    def _of_weight(self) -> Iterator[Mistake]:
        """∂a_k/∂h_{k-1} = W_k."""
        layer, letters = self.child.layer or 0, self.right.letters
        right = f"W_{layer}"
        turned = self.right.array.T
        if self.right.array.shape == turned.shape and turned.ndim == 2:
            detail = f"{right}ᵀ stands where {right} belongs, or the reverse: ∇h = Wᵀ δ"
            for name in ("matrix-layout", "transposed-weight"):
                yield self._instead(name, Tensor(turned, letters), detail)
        ones = Tensor(np.ones(()), ())
        yield self._instead("missing-weight", ones, f"the weights {right} are missing: ∂a/∂h = w")
        value = self._value(self.parent, self.local.parent_indices)
        yield self._instead(
            "activation-for-weight", value, f"{named(self.parent)} stands where {right} belongs"
        )
        yield from self._other_weights(layer, right)
        yield from self._new_weights(right)

    def _other_weights(self, layer: int, right: str) -> Iterator[Mistake]:
        for other in (v for v in self.steps.graph.variables if v.role is Role.WEIGHT):
            array = self.steps.values[other.name]
            if other.layer != layer and array.shape == self.right.array.shape:
                yield self._instead(
                    "weight-of-wrong-layer",
                    Tensor(array, self.right.letters),
                    f"{named(other)} stands where {right} belongs",
                )

    def _new_weights(self, right: str) -> Iterator[Mistake]:
        """W - η ∂L/∂W, updated before it is used."""
        weight = self._variable(Role.WEIGHT, self.child.layer)
        if self.rate is None or weight is None:
            return
        new = self.right.array - self.rate * self.steps.run({})[weight]
        yield self._instead(
            "stale-weights",
            Tensor(new, self.right.letters),
            f"the new {right} is used: the backward pass needs the one of the forward pass",
        )

    def _paths(self) -> Iterator[Mistake]:
        """Σ over the neurons of the layer, some of them left out."""
        i = self.right.letters[0] if self.right.array.ndim == 2 else None
        count = self.right.array.shape[0] if i is not None else 0
        if i is None or not 2 <= count <= MOST_NEURONS:
            return
        for neuron in range(count):
            one = np.eye(count)[neuron]
            name = (
                f"a_{self.child.layer},{neuron + 1}"
                if count > 9
                else f"a_{self.child.layer}{neuron + 1}"
            )
            yield self._instead(
                "missing-path",
                self.right.times(Tensor(1 - one, (i,))),
                f"the paths through {name} are missing from ∂L/∂{named(self.parent)}",
            )
            yield self._instead(
                "single-path",
                self.right.times(Tensor(one, (i,))),
                f"of the sum over the neurons of layer {self.child.layer} only {name} is there",
            )

    # ------------------------------------------------------------------------------ the gradients

    def _of_input(self) -> Iterator[Mistake]:
        """∂a_k/∂W_k = h_{k-1}."""
        layer, letters = self.child.layer or 0, self.right.letters
        before = self._before(layer)
        yield self._instead(
            "missing-input-factor",
            Tensor(np.ones(()), ()),
            f"the factor {named(before)} is missing: ∂{named(self.child)}/∂W_{layer} = "
            f"{named(before)}; without it every column is the gradient of the bias",
        )
        weight = self._value(self.parent, self.local.parent_indices)
        yield self._instead(
            "weight-for-activation", weight, f"W_{layer} stands where {named(before)} belongs"
        )
        for other in self.steps.graph.variables:
            if other in (before, self.child) or other.role in (Role.TARGET, Role.BIAS):
                continue
            if self.steps.values[other.name].shape != self.right.array.shape:
                continue
            own = other.role is Role.PREACTIVATION and other.layer == layer - 1
            name = "preactivation-for-activation" if own else "activation-of-wrong-layer"
            if own or other.role in (Role.INPUT, Role.ACTIVATION, Role.OUTPUT):
                detail = f"{named(other)} stands where {named(before)} belongs"
                yield self._instead(name, self._value(other, letters), detail)

    def _before(self, layer: int) -> Variable:
        if layer <= 1:
            return next(v for v in self.steps.graph.variables if v.role is Role.INPUT)
        found = self._variable(Role.ACTIVATION, layer - 1)
        assert found is not None
        return found

    def _layout(self) -> Iterator[Mistake]:
        if self.steps.values[self.parent.name].ndim == 2:
            of = f"∂L/∂{named(self.parent)}"
            words = (
                f"W_{self.parent.layer} is (out, in), as in W x"
                if self.parent.role is Role.WEIGHT
                else "one row is one sample"
            )
            detail = f"this is the transpose of {of}: {words}"
            yield Mistake("matrix-layout", detail, self.parent, transposed=True)

    def _samples(self) -> Iterator[Mistake]:
        """Σ over the samples: left out, or cut to one."""
        samples = self.steps.graph.samples
        if samples is None:
            return
        of, count = f"∂L/∂{named(self.parent)}", int(samples)
        detail = f"{of} sums over the samples; here each sample has its own"
        yield Mistake("unsummed-samples", detail, self.parent, kept=(SAMPLE,))
        if count == 1:
            return
        for sample in range(count):
            one = Tensor(np.eye(count)[sample], (SAMPLE,))
            detail = f"of the sum over the samples in {of} only sample {sample + 1} is there"
            yield self._instead("single-sample", self.right.times(one), detail)

    # -------------------------------------------------------------------------------- [equations]

    def _left_out(self) -> Iterator[Mistake]:
        yield self._instead(
            "missing-factor", Tensor(np.ones(()), ()), f"the factor {self._name} is missing"
        )
        yield self._instead(
            "missing-path", Tensor(np.zeros(()), ()), f"the way through {self._name} is missing"
        )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _with(expr: Expr, variable: Variable, value: Callable[..., Expr]) -> Expr:
    """``expr`` with every element of ``variable`` replaced."""
    base = getattr(variable.element, "base", None)
    elements = [atom for atom in expr.atoms(sympy.Indexed) if atom.base == base]
    return expr.xreplace({element: value(*element.indices) for element in elements})


def _all_added(expr: Expr) -> Expr:
    """1 + h² for 1 - h²."""
    if not expr.args:
        return expr
    args = [_all_added(argument) for argument in expr.args]
    if expr.is_Add:
        args = [-part if part.could_extract_minus_sign() else part for part in args]
    return expr.func(*args)
