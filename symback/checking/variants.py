"""What a student writes for a factor of the chain rule by mistake, as nodes.

Here one can get

* what may stand in place of one local derivative, e.g. h_11 for ∂h_11/∂a_11: `variants`;
* what may stand in place of ∂L/∂a of the last layer, e.g. ∂L/∂ŷ: `error_variants`.

A derivative is a sum over paths of products of local derivatives (`symback.checking.correct.Way`).
`symback.checking.tables` puts these nodes in place of the right ones and works out what becomes of
the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from symback.checking.conversion import element_of, to_node
from symback.checking.correct import (
    Edge,
    Kind,
    complement,
    indexed,
    number,
    numbered,
    opposite,
    placed,
    replaced,
    spelled,
)
from symback.checking.exact import Judge
from symback.checking.slips import calculus_slips, held
from symback.engine.spec import NetworkSpec
from symback.language.algebra import value_of, written
from symback.language.expressions import (
    LOSS,
    Call,
    Cases,
    Comparison,
    Derivative,
    Element,
    Node,
    Number,
    Power,
    Product,
    Total,
    walk,
)
from symback.language.functions import LOSSES, Loss, SoftMax
from symback.language.names import Role, Variable

__all__ = ["STEPPED", "ErrorVariant", "Variant", "error_variants", "variants"]


@dataclass(frozen=True, slots=True)
class Variant:
    """What stands in place of a local derivative: ``node``, with the letters in ``letters``.

    ``key`` tells the variants of one mistake apart; the same key on every edge of a layer is one
    mistake made throughout.  ``text`` is what is said where one edge has it, ``general`` where
    several have.
    """

    name: str
    key: str
    node: Node
    letters: Mapping[str, int]
    text: str
    general: str = ""


_NOTHING: Mapping[str, int] = {}


def variants(judge: Judge, edge: Edge) -> tuple[Variant, ...]:
    """What may be written by mistake for one local derivative."""
    return tuple(_VARIANTS[edge.kind](judge, edge))


def _none(_judge: Judge, _edge: Edge) -> Iterator[Variant]:
    """Nothing is known to stand for ∂a/∂b = 1, or for a derivative of an [equations] file."""
    yield from ()


def _of_input(judge: Judge, edge: Edge) -> Iterator[Variant]:
    """∂a_ki/∂w_kij = h_{k-1,j}."""
    layer, j = edge.parent[0].layer or 0, edge.parent[1][1]
    right = _activation(judge, layer - 1, j)
    name = spelled(right)
    yield _variant(
        "missing-input-factor",
        number(1),
        f"the factor {name} is missing: ∂{spelled(edge.child)}/"
        f"∂{spelled(edge.parent)} = {name}; without it this is the gradient of the bias",
    )
    weight = element_of(*edge.parent)
    yield _variant(
        "weight-for-activation",
        weight,
        f"{spelled(weight)} stands where {name} belongs: ∂{spelled(edge.child)}/"
        f"∂{spelled(edge.parent)} = {name}",
    )
    if layer > 1:
        a = indexed("a", layer - 1, j)
        yield _variant(
            "preactivation-for-activation",
            a,
            f"the preactivation {spelled(a)} stands where the activation {name} belongs",
        )
    for other in _all_activations(judge):
        if other[0] == layer - 1 and other[1] != j:
            yield _instead("wrong-input-index", other, right)
        elif other[0] != layer - 1:
            yield _instead("activation-of-wrong-layer", other, right)


def _instead(name: str, other: tuple[int, int, Element], right: Element) -> Variant:
    text = f"{spelled(other[2])} stands where {spelled(right)} belongs"
    return _variant(name, other[2], text, f"{other[0]},{other[1]}")


def _variant(name: str, node: Node, text: str, key: str = "", general: str = "") -> Variant:
    return Variant(name, key, node, _NOTHING, text, general)


def _activation(judge: Judge, layer: int, neuron: int) -> Element:
    if layer == 0:
        return indexed("x", neuron)
    if layer == judge.scope.depth:
        return indexed("yhat", neuron)
    return indexed("h", layer, neuron)


def _all_activations(judge: Judge) -> Iterator[tuple[int, int, Element]]:
    for layer, width in enumerate(judge.equations.scope.widths):
        for neuron in range(1, int(width) + 1):
            yield layer, neuron, _activation(judge, layer, neuron)


def _of_weight(judge: Judge, edge: Edge) -> Iterator[Variant]:
    """∂a_ki/∂h_{k-1,j} = w_kij."""
    layer, i, j = edge.child[0].layer or 0, edge.child[1][0], edge.parent[1][0]
    right = indexed("w", layer, i, j)
    below = f"∂{spelled(edge.child)}/∂{spelled(edge.parent)} = {spelled(right)}"
    turned = indexed("w", layer, j, i)
    if i != j and placed(judge.equations, turned) is not None:
        yield _variant(
            "transposed-weight",
            turned,
            f"{spelled(turned)} stands where {spelled(right)} belongs: {below}",
            general="the indices are swapped: w_kij leads into neuron i from neuron j",
        )
    yield _variant(
        "missing-weight",
        number(1),
        f"the weight {spelled(right)} is missing: {below}",
        general=f"the weights of layer {layer} are missing: ∂a/∂h = w",
    )
    for other in range(1, judge.scope.depth + 1):
        weight = indexed("w", other, i, j)
        if other != layer and placed(judge.equations, weight) is not None:
            yield _variant(
                "weight-of-wrong-layer",
                weight,
                f"{spelled(weight)}, of layer {other}, stands where {spelled(right)} belongs",
                str(other),
                f"weights of layer {other} stand where those of layer {layer} belong",
            )
    h = _activation(judge, layer - 1, j)
    yield _variant(
        "activation-for-weight", h, f"{spelled(h)} stands where {spelled(right)} belongs: {below}"
    )
    new = Total((right, opposite(Product((Element("eta"), Derivative(LOSS, right))))))
    yield _variant(
        "stale-weights",
        new,
        f"the new {spelled(right)} is used: the backward pass needs the old one",
        general=f"the new weights of layer {layer} are used: the backward pass needs the old ones",
    )


# ------------------------------------------------------------------------- slopes of activations


def _of_slope(judge: Judge, edge: Edge) -> Iterator[Variant]:
    """∂h/∂a = g′(a) of an activation that works neuron by neuron, or an entry of a Jacobian."""
    activation = judge.scope.activations[(edge.parent[0].layer or 1) - 1]
    if isinstance(judge.equations.activations.get(activation), SoftMax):
        yield from _of_softmax(edge)
        return
    a, h = element_of(*edge.parent), element_of(*edge.child)
    words = {"a": spelled(a), "h": spelled(h), "right": f"∂{spelled(h)}/∂{spelled(a)}"}
    for name, key, node, text in _slopes(activation, a, h, edge.node):
        yield Variant(name, key, node, edge.letters, text.format(**words))
    yield from _of_another_neuron(judge, edge, activation)


def _slopes(
    activation: str, a: Element, h: Element, form: Node
) -> Iterator[tuple[str, str, Node, str]]:
    """Name, key, what is written, and the sentence; ``form`` is what is right."""
    one, inside = number(1), _slope_at(activation, h)
    twice = "{right} is multiplied in twice"
    yield "missing-activation-derivative", "", one, "the factor {right} = g′({a}) is missing"
    yield "activation-for-derivative", "", h, "{h} stands where {right} = g′({a}) belongs"
    yield "derivative-at-activation", "", inside, "g′ is taken at {h}; it belongs at {a}"
    yield "repeated-activation-derivative", "", Product((form, form)), twice
    for shown, node in _parts(activation, h):
        text = "of {right} = g′({a}) only " + shown + " is there"
        yield "partial-activation-derivative", shown, node, text
    for other, node in _other_slopes(activation, a, h):
        name = other.removesuffix(" in h")
        text = f"in {{right}} the derivative of {name} stands for that of {activation}"
        yield "wrong-activation-derivative", other, node, text
    for place, node in enumerate(_flipped(form)):
        text = "a sign within {right} = g′({a}) is wrong"
        yield "activation-derivative-sign", str(place), node, text
    if activation in _REMEMBERED:
        node = _REMEMBERED[activation](a)
        yield "preactivation-for-activation", "", node, "{a} stands where {h} belongs in {right}"


def _parts(activation: str, h: Element) -> Iterator[tuple[str, Node]]:
    """Factors and terms of h(1 - h) and of 1 - h² = (1 - h)(1 + h), and how they are written."""
    if activation in _REMEMBERED:
        yield "(1 - {h})", complement(h)
    if activation == "tanh":
        yield "{h}²", Power(h, number(2))
        yield "(1 + {h})", Total((number(1), h))


_REMEMBERED: Mapping[str, Callable[[Node], Node]] = {
    "sigmoid": lambda h: Product((h, complement(h))),
    "tanh": lambda h: complement(Power(h, number(2))),
}
"""Slopes as one remembers them, in h."""

STEPPED: Mapping[str, Fraction] = {"relu": Fraction(0), "leaky_relu": Fraction(1, 100)}
"""Slopes that are 1 right of 0 and this left of it: at one point they could be so by chance."""


def _slope_at(activation: str, argument: Node) -> Node:
    """g′ of anything."""
    if activation in _REMEMBERED:
        return _REMEMBERED[activation](Call(activation, (argument,)))
    if activation in STEPPED:
        is_right = Comparison(argument, ">", number(0))
        return Cases(((number(1), is_right), (number(STEPPED[activation]), None)))
    return Call(activation, (argument,), primes=1)


def _other_slopes(activation: str, a: Element, h: Element) -> Iterator[tuple[str, Node]]:
    for other, form in _REMEMBERED.items():
        if other != activation:
            yield f"{other} in h", form(h)
            yield other, _slope_at(other, a)
    for other in STEPPED:
        if other != activation:
            yield other, _slope_at(other, a)


def _flipped(node: Node) -> Iterator[Node]:
    """The node with the sign of one term of one of its sums turned."""
    for total in dict.fromkeys(part for part in walk(node) if isinstance(part, Total)):
        for place, term in enumerate(total.terms):
            terms = (*total.terms[:place], opposite(term), *total.terms[place + 1 :])
            yield replaced(node, total, Total(terms))


def _of_another_neuron(judge: Judge, edge: Edge, activation: str) -> Iterator[Variant]:
    """g′ at every other preactivation: of that neuron's activation, and of the right one."""
    own = edge.parent
    for variable in _preactivations(judge):
        for k in range(1, int(variable.shape[0]) + 1):
            if (variable, (k,)) == own:
                continue
            a = element_of(variable, (k,))
            slope = Derivative(_activation(judge, variable.layer or 0, k), a)
            text = f"g′ is taken at {spelled(a)}; it belongs at {spelled(own)}"
            yield _variant("derivative-of-another-neuron", slope, text, spelled(a))
            if judge.scope.activations[(variable.layer or 1) - 1] != activation:
                node = _slope_at(activation, a)
                yield _variant("derivative-of-another-neuron", node, text, f"g′({spelled(a)})")


def _preactivations(judge: Judge) -> Iterator[Variable]:
    return (v for v in judge.graph.variables if v.role is Role.PREACTIVATION)


def _of_softmax(edge: Edge) -> Iterator[Variant]:
    """∂h_m/∂a_i = h_m (δ_mi - h_i)."""
    if edge.child[1] == edge.parent[1]:
        return
    child = spelled(edge.child)
    other = spelled((edge.child[0], edge.parent[1]))
    entry = f"∂{child}/∂{spelled(edge.parent)} = -{child}·{other}"
    yield _variant(
        "softmax-diagonal-only",
        number(0),
        f"{entry} is left out",
        general="only ∂ŷ_i/∂a_i is used; with softmax every other ŷ_m depends on a_i too",
    )
    yield Variant(
        "softmax-off-diagonal-sign",
        "",
        opposite(edge.node),
        edge.letters,
        f"the sign of {entry} is wrong",
        "the sign of ∂ŷ_m/∂a_i = -ŷ_m·ŷ_i (m ≠ i) is wrong",
    )


# --------------------------------------------------------------------------------------- losses


def _of_loss(judge: Judge, edge: Edge) -> Iterator[Variant]:
    """∂L/∂ŷ_m."""
    own = _loss(judge)
    y, yhat = indexed("y", *edge.parent[1]), element_of(*edge.parent)
    for loss in _other_losses(own):
        text = f"this is ∂L/∂ŷ of {_worded(loss.name)}; the loss is {_worded(own.name)}"
        yield _variant("wrong-loss", loss_slope(judge, loss, y), text, loss.name)
    if own.name in _WITHOUT_LOG:
        text = "the derivative of log is missing in ∂L/∂ŷ: (log u)′ = 1/u"
        yield _variant("missing-log-derivative", _WITHOUT_LOG[own.name](y), text)
        return
    for gone, shown in ((y, "y"), (yhat, "ŷ")):
        node = replaced(numbered(edge.node, edge.letters), gone, number(0))
        text = f"{shown} is missing in ∂L/∂{spelled(yhat)}"
        yield _variant(
            "missing-target-or-output", node, text, shown, f"{shown} is missing in ∂L/∂ŷ"
        )


_WITHOUT_LOG: Mapping[str, Callable[[Node], Node]] = {
    "cross_entropy": opposite,
    "binary_cross_entropy": lambda y: Total((opposite(y), complement(y))),
}
"""∂L/∂ŷ with log u differentiated to 1."""


def _loss(judge: Judge) -> Loss:
    assert isinstance(judge.work.spec, NetworkSpec)
    return judge.work.spec.loss


def _other_losses(own: Loss) -> Iterator[Loss]:
    return (loss for loss in LOSSES.values() if loss.name != own.name and loss.uses_target)


def _worded(loss: str) -> str:
    return loss.replace("_", " ")


def loss_slope(judge: Judge, loss: Loss, y: Element) -> Node:
    """∂loss/∂ŷ of one output, as the row declares it, or by calculus where it declares none."""
    output, target = (judge.graph.by_base[name] for name in ("yhat", "y"))
    place = y.indices[0].offset
    here = {"y": target.at(place), "yhat": output.at(place)}
    if loss.slope:
        slope = to_node(written(loss.slope, here), judge.graph)
    else:
        term = to_node(value_of(loss.formula, here), judge.graph)
        slope = Derivative(term, element_of(output, (place,)))
    return Product((_share(judge), slope))


def _share(judge: Judge) -> Number:
    """1, or 1/n for a mean over the outputs."""
    assert isinstance(judge.work.spec, NetworkSpec)
    is_mean = judge.work.spec.over_outputs == "mean"
    return number(Fraction(1, int(judge.equations.scope.widths[-1])) if is_mean else 1)


def _of_stage(judge: Judge, edge: Edge) -> Iterator[Variant]:
    """∂stage/∂(what it is computed from), all else that it is computed from held."""
    by = element_of(*edge.parent)
    right = judge.equations.rhs[edge.child[0]]
    for place, (told, node) in enumerate(calculus_slips(right, by)):
        text = f"in d{spelled(edge.child)}/d{spelled(by)}: {told.text}"
        yield Variant(told.name, str(place), held(node, by), edge.letters, text)
    name = f"d{spelled(edge.child)}/d{spelled(by)}"
    yield _variant("lost-inner-derivative", number(1), f"the factor {name} is missing", "lost")


_VARIANTS: Mapping[Kind, Callable[[Judge, Edge], Iterator[Variant]]] = {
    Kind.INPUT: _of_input,
    Kind.BIAS: _none,
    Kind.WEIGHT: _of_weight,
    Kind.SLOPE: _of_slope,
    Kind.OUTPUT: _of_slope,
    Kind.LOSS: _of_loss,
    Kind.TARGET: _none,
    Kind.STAGE: _of_stage,
}


# ------------------------------------------------------------- what stands in place of ∂L/∂a_L


@dataclass(frozen=True, slots=True)
class ErrorVariant:
    """For every neuron of the last layer what stands in place of ∂L/∂a."""

    name: str
    key: str
    nodes: tuple[Node, ...]
    text: str


def error_variants(judge: Judge) -> tuple[ErrorVariant, ...]:
    """What may be written by mistake for ∂L/∂a of the last layer, all neurons at once."""
    if not judge.scope.is_network or not judge.scope.has_target:
        return ()
    return tuple(_of_error(judge))


def _of_error(judge: Judge) -> Iterator[ErrorVariant]:
    depth = judge.scope.depth
    width = int(judge.equations.scope.widths[-1])
    a = [indexed("a", depth, i) for i in range(1, width + 1)]
    y = [indexed("y", i) for i in range(1, width + 1)]
    yhat = [indexed("yhat", i) for i in range(1, width + 1)]
    pairs = list(zip(y, yhat, a, strict=True))
    yield ErrorVariant(
        "stopped-at-output",
        "",
        tuple(Derivative(LOSS, each) for each in yhat),
        "∂L/∂ŷ stands where ∂L/∂a belongs: the derivative of the output function is missing",
    )
    yield ErrorVariant(
        "spurious-output-derivative",
        "",
        tuple(Product((Derivative(LOSS, ai), Derivative(oi, ai))) for _, oi, ai in pairs),
        "∂ŷ/∂a is multiplied in, though ∂L/∂a holds it already",
    )
    own = _loss(judge).name
    for loss in _other_losses(_loss(judge)):
        yield ErrorVariant(
            "wrong-loss",
            loss.name,
            tuple(loss_slope(judge, loss, each) for each in y),
            f"this is the derivative of {_worded(loss.name)}; the loss is {_worded(own)}",
        )
    if own != "cross_entropy":
        yield ErrorVariant(
            "wrong-loss",
            "ŷ-y",
            tuple(Total((oi, opposite(yi))) for yi, oi, _ in pairs),
            f"ŷ - y is ∂L/∂a for cross entropy with softmax; the loss is {_worded(own)}",
        )
    for sign, kept, gone in ((1, yhat, "y"), (-1, y, "ŷ"), (1, y, "ŷ")):
        nodes = tuple(each if sign > 0 else opposite(each) for each in kept)
        text = f"of ŷ - y the {gone} is missing"
        yield ErrorVariant("missing-target-or-output", f"{gone}{sign}", nodes, text)
