"""The mistakes that symback knows: **one row each**, with all that is known of it.

Here one can

* read what a name means: `MISTAKES`, a `Mistake` a name with its identity and an example (base
  case: 2-3-2, sigmoid, softmax, cross entropy; the target is ∂L/∂w_112 or ∂L/∂w_212 where nothing
  else is said); the names are those of ``symback check --json``, the docs print this table;
* ask what may go wrong at one place and how: `made`, which goes through the `Making`s of all rows
  there;
* make every mistake in one local derivative: `wrongs`, from a `Factor`.

Adding a mistake means adding one row.  A row may have several makings; each says

* **where** it may happen: a local derivative (`Kind`: ∂a/∂w, ∂h/∂a, ∂L/∂ŷ, …), or another `Place`:
  ∂L/∂a of the last layer, the paths, the sum over a layer, a line, a rule of calculus, a number;
* **how** it is made: a function from what is right there to what is written instead.  Of a local
  derivative both are expressions of the engine in the letters of its indices, so one making serves
  single neurons on a page (`symback.checking.diagnosis` puts numbers for the letters) and whole
  arrays (`symback.checking.array_search` evaluates all entries at once);
* **what is said**: of one neuron (``says``), of a layer alike (``throughout``), of a forward line
  (``forward``), of whole arrays (``whole``).  Without a sentence it is not looked for there.

The order of the rows is that of a report, the most specific first: a rule of calculus or of softmax
before a factor that was mistaken for another, that before a choice of paths, and a sign or a number
last.  `rank` gives the place of a name.
"""

from __future__ import annotations

import enum
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from typing import Any

import sympy
from sympy import Expr, Indexed, Symbol

from symback.checking.correct import Kind, number, spelled
from symback.checking.evaluation import differentiated
from symback.engine.calculus import LocalDerivative, local_derivative
from symback.engine.derivation import BackwardPass
from symback.engine.graph import Equation, Graph, base_name
from symback.engine.spec import EquationsSpec, NetworkSpec
from symback.language.algebra import Partial, activation, collapse, value_of, written
from symback.language.expressions import (
    Array,
    Call,
    Derivative,
    Element,
    Index,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Total,
    Transpose,
    children,
    negative,
    rebuilt,
    replaced,
    walk,
)
from symback.language.functions import ACTIVATIONS, LOSSES, Activation, Loss, SoftMax
from symback.language.names import SAMPLE, SIGNS, Role, Variable


class Place(enum.Enum):
    """Where a mistake may happen, beside the local derivatives (`Kind`); and what makes it there.

    A making is called with what is right at its place and gives what is written instead, with the
    words that its sentence needs.
    """

    SOFTMAX = "an entry of a softmax's Jacobian: a factor ↦ expressions"
    ERROR = "∂L/∂a of the last layer: the factor ∂ŷ/∂a ↦ expressions for ∂L/∂a"
    FUNCTION = "the function of a layer in h = g(a): the factor ∂h/∂a ↦ expressions for h"
    PATHS = "the sum over all paths: the whole and a share of it ↦ what is left"
    LAYER = "the sum over the neurons of a layer: their shares ↦ a number"
    NUMBER = "a side that is c times what is right: c ↦ words, None where it is not this mistake"
    RULE = "a rule of calculus: a node, its derivative and which parts move ↦ nodes"
    LINE = "a node of the right side of a forward line ↦ nodes"
    STEP = "a rule of algebra: a node of the side before ↦ nodes"
    UNDONE = "a node of a wrong side by a rule of algebra ↦ nodes as they were before"
    REPAIR = "a node of a wrong side ↦ nodes without the slip"
    LAYOUT = "an array or a product of a wrong side ↦ nodes with another layout"
    ARRAY = "a whole quantity of a wrong side ↦ others that may belong there"


@dataclass(frozen=True, slots=True)
class Told:
    """A mistake by name and in words."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Making:
    """One way to make a mistake: where, how, and what is said of it; see the module."""

    at: tuple[Kind | Place, ...]
    make: Callable[..., Any]
    says: str = ""
    throughout: str = ""
    forward: str = ""
    whole: str = ""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A name, what is done wrong, what a student writes (in the base case), how it is made."""

    name: str
    identity: str
    example: str
    makings: tuple[Making, ...] = field(default=(), repr=False)
    sentences: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What is said where it is recognised by other means than its makings."""

    def told(self, sentence: str, /, **words: object) -> Told:
        """The mistake in a sentence of its row, with words for what stands in braces there."""
        return Told(self.name, sentence.format(**words))

    def found(self, sentence: str = "found", /, **words: object) -> Told:
        """The mistake in one of its ``sentences``."""
        return self.told(self.sentences[sentence], **words)


def made(place: Kind | Place) -> Iterator[tuple[Mistake, Making]]:
    """Every mistake that may happen at a place and how, the most specific first."""
    for mistake in (*MISTAKES.values(), *ADDED.values()):
        for making in mistake.makings:
            if place in making.at:
                yield mistake, making


def rank(name: str) -> int:
    """The place of a name in a report."""
    return list(MISTAKES).index("matrix-layout" if name in ADDED else name)


def named(variable: Variable) -> str:
    """W_1, h_1, ŷ, as the lectures write a whole quantity."""
    letter = {Role.WEIGHT: "W", Role.OUTPUT: "ŷ"}.get(variable.role, variable.letter)
    layered = variable.layer is not None and variable.role not in (Role.OUTPUT, Role.LOSS)
    return f"{letter}_{variable.layer}" if layered else letter


# ---------------------------------------------------------------------------- local derivatives

PAGE, LINE, ARRAYS = "page", "line", "arrays"
EVERYWHERE = (PAGE, LINE, ARRAYS)
ONE = sympy.S.One
ETA = Symbol("eta", real=True)
"""The learning rate in what is written instead of a factor."""
Z, H = Symbol("z", real=True), Symbol("h", real=True)
"""What a function of the catalogue is taken of, and its value."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """What stands in place of a factor: ``expr`` in the letters of the factor's indices.

    ``key`` tells what is written for one mistake apart: the same key on every edge of a layer is
    one mistake made throughout.  ``other`` is the element that stands where another belongs; there
    is no mistake where it is that one, or one of ``unless``, or where there is no such element.
    With ``apart`` it is written for ∂h_m/∂a_i, m ≠ i, only; ``seen`` says where it is looked for.
    """

    expr: Expr
    key: str = ""
    other: Expr | None = None
    words: Mapping[str, object] = field(default_factory=dict)
    apart: bool = False
    unless: tuple[Expr, ...] = ()
    seen: Sequence[str] = EVERYWHERE


@dataclass(frozen=True)
class Factor:
    """One local derivative ∂child/∂parent of a network, in the letters of its indices.

    ``backward`` is given for arrays only.
    """

    graph: Graph
    spec: NetworkSpec | EquationsSpec
    local: LocalDerivative
    kind: Kind
    backward: BackwardPass | None = None

    @property
    def place(self) -> Kind | Place:
        """Where its mistakes stand in the table."""
        is_slope = self.kind in (Kind.SLOPE, Kind.OUTPUT)
        return Place.SOFTMAX if is_slope and self.function is None else self.kind

    @property
    def functions(self) -> dict[str, Activation | SoftMax]:
        """The activations by name: those of the catalogue and the network's own."""
        own = self.spec.layers if isinstance(self.spec, NetworkSpec) else ()
        return {**ACTIVATIONS, **{layer.activation.name: layer.activation for layer in own}}

    @property
    def child(self) -> Expr:
        """What is differentiated."""
        return self.local.child.at(*child_letters(self.local))

    @property
    def parent(self) -> Expr:
        """What it is differentiated by."""
        return self.local.parent.at(*self.local.parent_indices)

    @property
    def right(self) -> Expr:
        """What is right, in the form that one reads."""
        return collapse(self.local.form)

    @property
    def layer(self) -> int:
        """The layer of the child."""
        return self.local.child.layer or 0

    @property
    def function(self) -> Activation | None:
        """g of the child's layer, where it works neuron by neuron."""
        if not isinstance(self.spec, NetworkSpec):
            return None
        g = self.spec.layers[(self.layer or 1) - 1].activation
        return g if isinstance(g, Activation) else None

    @property
    def network(self) -> NetworkSpec:
        """What is declared, of a factor whose child is no stage."""
        assert isinstance(self.spec, NetworkSpec)
        return self.spec

    def variable(self, role: Role, layer: int | None = None) -> Variable:
        """The quantity of a role that the graph has, of any layer or of one."""
        every = (v for v in self.graph.variables if v.role is role)
        return next(v for v in every if layer is None or v.layer == layer)

    def at(self, variable: Variable, *own: Expr | int) -> Expr:
        """An element of a quantity, of the factor's sample where there are samples."""
        return variable.at(*((SAMPLE,) if variable.batched else ()), *own)

    def words(self, wrong: Wrong, shown: Callable[[Expr], str]) -> dict[str, object]:
        """What may stand in braces in a sentence."""
        found = {"child": shown(self.child), "parent": shown(self.parent), "layer": self.layer}
        found["factor"] = f"∂{found['child']}/∂{found['parent']}"
        if isinstance(self.right, Indexed):
            found["right"] = shown(self.right)
        if wrong.other is not None:
            found["other"] = shown(wrong.other)
        part = str(wrong.words.get("part", "")).format(found["child"])
        return found | dict(wrong.words) | {"part": part}


def child_letters(local: LocalDerivative) -> tuple[Symbol, ...]:
    """The child's indices, those that must equal one of the parent's by its name."""
    equal = dict(local.pins)
    return tuple(equal.get(letter, letter) for letter in local.child_indices)


def wrongs(
    factor: Factor, place: Kind | Place, seen: str
) -> Iterator[tuple[Mistake, Making, Wrong]]:
    """All that may be written by mistake for a factor: on a `PAGE`, on a `LINE`, in `ARRAYS`.

    Only makings that have a sentence for that are asked.
    """
    for mistake, making in made(place):
        if {PAGE: making.says, LINE: making.forward, ARRAYS: making.whole}[seen]:
            found = making.make(factor)
            for wrong in (Wrong(found),) if isinstance(found, Expr) else found:
                if seen in wrong.seen:
                    yield mistake, making, wrong


def _activations(f: Factor) -> Iterator[Variable]:
    """x, h_1, …, ŷ in the order of the layers."""
    every = [v for v in f.graph.variables if v.role in (Role.INPUT, Role.ACTIVATION, Role.OUTPUT)]
    return iter(sorted(every, key=_layer_of))


def _layer_of(variable: Variable) -> int:
    return 0 if variable.role is Role.INPUT else variable.layer or 0


def _neurons(variable: Variable) -> Iterator[tuple[int, ...]]:
    """The indices of every element, where the widths are numbers."""
    own = variable.shape[variable.batched :]
    if all(size.is_Integer for size in own):
        yield from itertools.product(*(range(1, int(size) + 1) for size in own))


def _siblings(f: Factor) -> Iterator[Wrong]:
    """Every other element of the quantity that belongs here, on a forward line."""
    belongs = f.right if isinstance(f.right, Indexed) else f.parent
    if not isinstance(belongs, Indexed):
        return  # a bias that its layer shares has none
    variable = f.graph.by_base[base_name(belongs)]
    turned = (variable.at(*belongs.indices[::-1]),)  # which has a name of its own
    for own in _neurons(variable):
        yield Wrong(other := f.at(variable, *own), str(own), other, unless=turned, seen=(LINE,))


def _other_inputs(f: Factor) -> Iterator[Wrong]:
    """h of another neuron of the right layer."""
    right = f.graph.by_base[base_name(f.right)]
    for (k,) in _neurons(right):
        yield Wrong(other := f.at(right, k), f"{_layer_of(right)},{k}", other, seen=(PAGE, LINE))


def _other_layers(f: Factor) -> Iterator[Wrong]:
    """h of another layer: of any neuron on a page, of the same one on a line and in arrays."""
    right, j = f.graph.by_base[base_name(f.right)], f.local.parent_indices[-1]
    for variable in _activations(f):
        if variable == right:
            continue
        for (k,) in _neurons(variable):
            key = f"{_layer_of(variable)},{k}"
            yield Wrong(other := f.at(variable, k), key, other, seen=(PAGE,))
        same, on_lines = f.at(variable, j), f.layer > 1 and variable.role is not Role.OUTPUT
        if variable != f.local.child:
            yield Wrong(same, other=same, seen=(LINE, ARRAYS) if on_lines else (ARRAYS,))


def _before(f: Factor) -> Iterator[Wrong]:
    """a where h of the layer before belongs."""
    if f.layer > 1:
        a = f.variable(Role.PREACTIVATION, f.layer - 1)
        other = f.at(a, f.local.parent_indices[-1])
        yield Wrong(other, other=other)


def _turned(f: Factor) -> Iterator[Wrong]:
    """w_kji for w_kij."""
    i, j = f.right.indices
    other = f.graph.by_base[base_name(f.right)].at(j, i)
    yield Wrong(other, other=other)


def _weights_of_other_layers(f: Factor) -> Iterator[Wrong]:
    for variable in f.graph.variables:
        if variable.role is Role.WEIGHT and variable.layer != f.layer:
            other = variable.at(*f.right.indices)
            yield Wrong(other, str(variable.layer), other, {"k": variable.layer})


def _updated(f: Factor) -> Expr:
    """w - η ∂L/∂w."""
    return f.right - ETA * Partial(f.graph.target.element, f.right)


def _unless_output(f: Factor, expr: Expr) -> Iterator[Wrong]:
    """Of arrays ŷ has a mistake of its own where the slope is left out: `stopped-at-output`."""
    yield Wrong(expr, seen=(PAGE,) if f.kind is Kind.OUTPUT else EVERYWHERE)


def _at_value(f: Factor) -> Iterator[Wrong]:
    """g′(h) for g′(a)."""
    if f.function is not None:
        value = _value(f.function).xreplace({Z: f.child})
        yield Wrong(f.right.xreplace({f.parent: f.child, f.child: value}))


@cache
def _value(g: Activation) -> Expr:
    """g(z)."""
    return value_of(g.formula, {"z": Z})


@cache
def _slope(g: Activation) -> Expr:
    """g′ as its row declares it, in z and in h = g(z); 1 where it declares none."""
    return collapse(written(g.slope, {"z": Z, "h": H})) if g.slope else ONE


def _twice(f: Factor) -> Iterator[Wrong]:
    seen = EVERYWHERE if f.right.free_symbols & {*f.local.parent_indices} else (PAGE,)
    yield Wrong(f.right * f.right, seen=seen)


def _parts(f: Factor) -> Iterator[Wrong]:
    """Factors and terms of h(1 - h) and of 1 - h² = (1 - h)(1 + h), and how they are written."""
    h, form = f.child, f.right
    if not form.is_polynomial(h) or f.parent in form.atoms(Indexed):
        return
    terms = [abs_ for term in form.args for abs_ in (term, -term)] if form.is_Add else []
    for shown, part in (("(1 - {})", 1 - h), ("{}²", h**2), ("(1 + {})", 1 + h), ("{}", h)):
        if part != form and (part in terms or sympy.rem(form, part, h) == 0):
            seen = (ARRAYS,) if part == h else EVERYWHERE  # on a page h alone has its own name
            yield Wrong(part, shown, h, {"part": shown}, seen=seen)


OFTEN_MISTAKEN = ("sigmoid", "tanh", "relu", "leaky_relu")
"""The activations whose slopes are taken for one another on a page; in arrays any may be."""


def _other_slopes(f: Factor) -> Iterator[Wrong]:
    """The slope of another activation in this layer's a and h, and in a alone."""
    own = f.function.name if f.function else ""
    for name, g in f.functions.items():
        unlikely = f.backward is None and name not in OFTEN_MISTAKEN  # on a page
        if name == own or not isinstance(g, Activation) or _slope(g) == 1 or unlikely:
            continue
        words = {"name": name, "own": own}
        slope = _slope(g).xreplace({Z: f.parent, H: f.child})
        exact = _slope(g).xreplace({Z: f.parent, H: _value(g).xreplace({Z: f.parent})})
        yield Wrong(exact, name, None, words)
        if slope != exact:
            yield Wrong(slope, f"{name} in h", None, words)


def _flipped(f: Factor) -> Iterator[Wrong]:
    """The slope with the sign of one term of one of its sums turned."""
    sums = [part for part in sympy.preorder_traversal(f.right) if part.is_Add]
    for place, (part, term) in enumerate((s, t) for s in dict.fromkeys(sums) for t in s.args):
        yield Wrong(f.right.xreplace({part: part - 2 * term}), str(place))


def _remembered(f: Factor) -> Iterator[Wrong]:
    """a(1 - a) for h(1 - h)."""
    if f.right.has(f.child) and not f.right.has(f.parent):
        yield Wrong(f.right.xreplace({f.child: f.parent}))


def _elsewhere(f: Factor) -> Iterator[Wrong]:
    """g′ at every other preactivation: of that neuron's activation, and of the right one."""
    for a in f.graph.variables:
        if a.role is not Role.PREACTIVATION:
            continue
        h = next(v for v in _activations(f) if _layer_of(v) == a.layer)
        for (k,) in _neurons(a):
            there = f.at(a, k)
            yield Wrong(Partial(f.at(h, k), there), f"{a.layer},{k}", there, seen=(PAGE,))
            own = f.network.layers[_layer_of(a) - 1].activation
            if f.function is not None and own != f.function:
                value = _value(f.function).xreplace({Z: there})
                slope = f.right.xreplace({f.parent: there, f.child: value})
                yield Wrong(slope, f"own {a.layer},{k}", there, seen=(PAGE,))


def _of_another_layer(f: Factor) -> Iterator[Wrong]:
    """g′ at the preactivations of another layer as wide, of this layer's function and of that's."""
    i, own = f.local.parent_indices[-1], f.function
    for a in f.graph.variables:
        if a.role is not Role.PREACTIVATION or a == f.local.parent or own is None:
            continue
        h = next(v for v in _activations(f) if _layer_of(v) == a.layer)
        there, value = f.at(a, i), _value(own).xreplace({Z: f.at(a, i)})
        slope = f.right.xreplace({f.parent: there, f.child: value})
        yield Wrong(slope, f"own {a.layer}", there, seen=(ARRAYS,))
        theirs = f.network.layers[_layer_of(a) - 1].activation
        if isinstance(theirs, Activation) and theirs != own and _slope(theirs) != 1:
            slope = _slope(theirs).xreplace({Z: there, H: f.at(h, i)})
            yield Wrong(slope, str(a.layer), there, seen=(ARRAYS,))


def _off_diagonal(sign: int) -> Callable[[Factor], Iterator[Wrong]]:
    """∂h_m/∂a_i = -h_m h_i for m ≠ i left out (0), or with the other sign (-1)."""

    def make(f: Factor) -> Iterator[Wrong]:
        other = f.at(f.local.child, f.local.parent_indices[-1])
        yield Wrong(sign * f.right, other=other, apart=True)

    return make


# ------------------------------------------------------------------------------ loss and output


def _loss_slope(f: Factor, loss: Loss, *, without_log: bool = False) -> Expr:
    """∂loss/∂ŷ of one output with the network's 1/n: as declared, or by calculus.

    ``without_log`` takes log u for u, so that every log u is differentiated to u′.
    """
    if loss.slope and not without_log:
        slope = written(loss.slope, {"y": _target(f), "yhat": _output(f)})
        return _share(f) * slope
    y, yhat = (Variable(name, Role.LEAF) for name in ("y", "yhat"))
    term = value_of(loss.formula, {"y": y.element, "yhat": yhat.element})
    term = term.replace(sympy.log, lambda u: u) if without_log else term
    raw = local_derivative(Equation(Variable("l", Role.STAGE), (), term), yhat).raw
    return _share(f) * raw.xreplace({y.element: _target(f), yhat.element: _output(f)})


def _share(f: Factor) -> Expr:
    """1, or 1/n for a mean over the outputs, over the samples too."""
    outputs, samples = f.variable(Role.OUTPUT), f.graph.samples
    share = 1 / outputs.shape[-1] if f.network.over_outputs == "mean" else ONE
    return share / samples if samples is not None and f.network.over_samples == "mean" else share


def _output(f: Factor) -> Expr:
    """ŷ_i for the last index of the parent, ŷ or a of the last layer."""
    return f.at(f.variable(Role.OUTPUT), f.local.parent_indices[-1])


def _target(f: Factor) -> Expr:
    return f.at(f.variable(Role.TARGET), f.local.parent_indices[-1])


def _other_losses(f: Factor, seen: Sequence[str] = EVERYWHERE) -> Iterator[Wrong]:
    """∂L/∂ŷ of every other loss of the catalogue."""
    has_target = any(v.role is Role.TARGET for v in f.graph.variables)
    if not isinstance(f.spec, NetworkSpec) or not has_target:
        return
    for loss in LOSSES.values():
        if loss.name == f.spec.loss.name or not loss.uses_target:
            continue
        name, own = (each.name.replace("_", " ") for each in (loss, f.spec.loss))
        yield Wrong(_loss_slope(f, loss), loss.name, None, {"name": name, "own": own}, seen=seen)


def _without_log(f: Factor) -> Iterator[Wrong]:
    """Every log u of the loss differentiated to u′."""
    if isinstance(f.spec, NetworkSpec) and _takes_log(f):
        yield Wrong(_loss_slope(f, f.spec.loss, without_log=True))


def _takes_log(f: Factor) -> bool:
    return f.graph.by_variable[f.local.child].rhs.has(sympy.log)


def _one_of_two(f: Factor, right: Expr, seen: Sequence[str] = EVERYWHERE) -> Iterator[Wrong]:
    """What is right without y, or without ŷ."""
    for role, gone, kept in ((Role.TARGET, "y", "ŷ"), (Role.OUTPUT, "ŷ", "y")):
        base = f.variable(role)
        every = [each for each in right.atoms(Indexed) if base and each.base == base.element.base]
        expr = right.xreplace(dict.fromkeys(every, sympy.S.Zero))
        if every and expr.free_symbols and not expr.has(sympy.zoo, sympy.nan, sympy.oo):
            yield Wrong(expr, gone, None, {"gone": gone, "kept": kept}, seen=seen)


def _slope_of_two(f: Factor) -> Iterator[Wrong]:
    """Of ∂L/∂ŷ only a part; on a page without logarithms, where ŷ - y says it better."""
    return _one_of_two(f, f.right, (ARRAYS,) if _takes_log(f) else EVERYWHERE)


def _error_of_two(f: Factor) -> Iterator[Wrong]:
    """Of ŷ - y only one; of arrays, of what was derived for ∂L/∂a."""
    if f.backward is not None:
        yield from _one_of_two(f, collapse(f.backward.folded(f.parent)), (ARRAYS,))
        return
    for expr, gone in ((_output(f), "y"), (-_target(f), "ŷ"), (_target(f), "ŷ")):
        yield Wrong(expr, f"{gone} {expr.could_extract_minus_sign()}", None, {"gone": gone})


def _error_name(f: Factor, of: Expr) -> Partial:
    return Partial(f.graph.target.element, of)


def _stopped(f: Factor) -> Iterator[Wrong]:
    linear = f.function is not None and f.function.name == "linear"
    yield Wrong(_error_name(f, _output(f)), seen=(PAGE,) if linear else EVERYWHERE)


def _output_again(f: Factor) -> Iterator[Wrong]:
    """∂L/∂a times ∂ŷ/∂a; in arrays also times the slope of sigmoid or tanh."""
    yield Wrong(_error_name(f, f.parent) * Partial(_output(f), f.parent), seen=(PAGE,))
    own = () if f.function is None else (f.function.name,)
    for name in dict.fromkeys(("sigmoid", "tanh", *own)):
        g = f.functions[name]
        slope = _slope(g).xreplace({Z: f.parent, H: _output(f)})
        if slope != 1:
            words = {"name": name.replace("_", " ")}
            again = _error_name(f, f.parent) * slope
            yield Wrong(again, name, None, words, seen=(ARRAYS,))


def _error_of_cross_entropy(f: Factor) -> Iterator[Wrong]:
    """ŷ - y whatever the loss."""
    if f.network.loss.name != "cross_entropy":
        own = f.network.loss.name.replace("_", " ")
        yield Wrong(_output(f) - _target(f), "ŷ-y", None, {"own": own}, seen=(PAGE,))


def _other_functions(f: Factor) -> Iterator[Wrong]:
    """Another function of the preactivations of the layer."""
    i, a = f.local.parent_indices[-1], f.local.parent
    for name, g in f.functions.items():
        seen = (ARRAYS,) if g.coupled or name == "linear" else (LINE, ARRAYS)
        expr = activation(g, lambda position: f.at(a, position), i, a.shape[-1])
        yield Wrong(expr, name, None, {"name": name}, seen=seen)


# ------------------------------------------------------------------------- numbers, paths, layers


def _many(c: Fraction) -> Mapping[str, object] | None:
    return {"number": abs(c)} if abs(c).numerator > 1 else None


def _few(c: Fraction) -> Mapping[str, object] | None:
    return {"number": 1 / abs(c)} if abs(c).numerator == 1 and abs(c) < 1 else None


# --------------------------------------------------------------------------------- calculus


Made = Iterator[tuple[Mapping[str, object], Node]]
"""The words of a sentence and what is written."""


def calculus_slips(
    node: Node, by: Element, moving: Sequence[Element] = ()
) -> Iterator[tuple[Told, Node]]:
    """∂node/∂by with one rule of differentiation misapplied, wherever it is applied.

    ``moving`` are the elements that depend on ``by``.

    >>> x = Element("x")
    >>> [
    ...     told.name
    ...     for told, _ in calculus_slips(Call("log", (Total((number(1), negative(x))),)), x)
    ... ]
    ['lost-inner-derivative', 'missing-log-derivative']
    """

    def moves(part: Node) -> bool:
        return any(each == by or each in moving for each in walk(part))

    right = differentiated(node, by)
    for part in children(node):
        if moves(part) and not isinstance(part, Element):
            inner = differentiated(part, by)
            for told, slipped in calculus_slips(part, by, moving):
                yield told, replaced(right, inner, slipped)
    for mistake, making in made(Place.RULE):
        for words, slipped in making.make(node, right, [moves(part) for part in children(node)]):
            yield mistake.told(making.says, **words), slipped


def _lost_inner(node: Node, right: Node, _moves: Sequence[bool]) -> Made:
    """f′(u) for f′(u)·u′."""
    match node, right:
        case Call(name, (inner,)), Product((outer, _)) if not isinstance(inner, Element):
            yield {"what": f"{name} is taken of"}, outer
        case Power(base), Product((*outer, _)) if not isinstance(base, Element):
            yield {"what": "is raised to a power"}, Product(tuple(outer))


def _lost_log(node: Node, right: Node, _moves: Sequence[bool]) -> Made:
    """u′ for u′/u."""
    match node, right:
        case Call("log", (inner,)), Product((_, slope)) if not isinstance(inner, Element):
            yield {}, slope


def _quotients(node: Node, right: Node, _moves: Sequence[bool]) -> Made:
    """(uv′ - u′v)/v² and the like."""
    match node, right:
        case Quotient(), Quotient(Total((first, second)), Power(below)):
            turned = Total((negative(first), negative(second)))
            yield {}, Quotient(turned, Power(below, number(2)))
            yield {}, Quotient(Total((first, negative(second))), Power(below, number(2)))
            yield {}, Quotient(Total((first, second)), below)
            yield {}, Quotient(Total((first, second)), number(1))
            yield {}, Quotient(turned, below)


def _products(node: Node, right: Node, moves: Sequence[bool]) -> Made:
    """u′v′."""
    match node, right:
        case Product(factors), Total(terms) if sum(moves) > 1:
            slopes = (
                term.factors[place]
                for place, term in enumerate(terms)
                if moves[place] and isinstance(term, Product)
            )
            still = (factor for factor, does in zip(factors, moves, strict=True) if not does)
            yield {}, Product((*slopes, *still))


# ------------------------------------------------------------------------------- forward lines


def swapped(node: Node) -> Node:
    """Every w_kji for w_kij."""
    match node:
        case Element("w", (layer, i, j)):
            return Element("w", (layer, j, i))
        case _:
            return rebuilt(node, swapped)


def shown(term: Node) -> str:
    """The quantities of a term, for a sentence."""
    match term:
        case Element():
            return spelled(term)
        case Number(value):
            return str(value)
        case Product(factors):
            signs = [each for each in factors if each == number(-1)]
            rest = [shown(each) for each in factors if each != number(-1)]
            return "-" * (len(signs) % 2) + "·".join(rest)
        case Call("exp", (inner,)):
            return f"e^({shown(inner)})"
        case Call(name, (inner,)):
            return f"{name}({shown(inner)})"
        case Power(base, exponent):
            return f"({shown(base)})^{shown(exponent)}"
        case Total(terms):
            return " + ".join(shown(each) for each in terms).replace("+ -", "- ")
        case Quotient(above, below):
            return f"({shown(above)})/({shown(below)})"
        case _:
            return "with " + ", ".join(spelled(e) for e in walk(term) if isinstance(e, Element))


# ------------------------------------------------------------------- algebra, repairs of a side


def _exponents_multiplied(part: Node) -> Made:
    """e^{uv} for e^u e^v, e^{u/v} or e^{-uv} for e^u/e^v."""
    match part:
        case Product(factors):
            powers = [each for each in factors if isinstance(each, Call) and each.function == "exp"]
            for first, second in itertools.combinations(powers, 2):
                wrong = Call("exp", (Product((*first.arguments, *second.arguments)),))
                rest = tuple(each for each in factors if each not in (first, second))
                yield {}, Product((*rest, wrong))
        case Quotient(Call("exp", (u,), primes=0), Call("exp", (v,), primes=0)):
            for wrong in (Quotient(u, v), negative(Product((u, v)))):
                yield {}, Call("exp", (wrong,))


def _exponents_added(part: Node) -> Made:
    """e^{u+v}, with all choices of signs, for e^{uv}."""
    match part:
        case Call("exp", (Product(factors),), primes=0):
            plain = [each for each in flattened(factors) if not isinstance(each, Number)]
            if 2 <= len(plain) <= 3:
                for signs in itertools.product((False, True), repeat=len(plain)):
                    terms = (negative(u) if s else u for u, s in zip(plain, signs, strict=True))
                    yield {}, Call("exp", (Total(tuple(terms)),))


def flattened(factors: Sequence[Node]) -> list[Node]:
    """The factors, those of products among them too."""
    parts = ((flattened(f.factors) if isinstance(f, Product) else [f]) for f in factors)
    return list(itertools.chain.from_iterable(parts))


def _sign_turned(part: Node) -> Made:
    terms = part.terms if isinstance(part, Total) else ()
    for k, term in enumerate(terms):
        yield {"term": shown(term)}, Total((*terms[:k], negative(term), *terms[k + 1 :]))


def _sign_turned_within(part: Node) -> Made:
    """e^a for the e^{-a} in a term."""
    for term in part.terms if isinstance(part, Total) else ():
        for call in walk(term):
            match call:
                case Call(_, (Product((Number(sign), inner)),)) if sign == -1:
                    turned = replaced(term, call, replace(call, arguments=(inner,)))
                    yield {"term": shown(term)}, replaced(part, term, turned)
                    break


def _term_dropped(part: Node) -> Made:
    terms = part.terms if isinstance(part, Total) else ()
    for k, term in enumerate(terms):
        rest = (*terms[:k], *terms[k + 1 :])
        yield {"term": shown(term)}, rest[0] if len(rest) == 1 else Total(rest)


def _factor_dropped(part: Node) -> Made:
    if isinstance(part, Product):
        for k, factor in enumerate(part.factors):
            rest = (*part.factors[:k], *part.factors[k + 1 :])
            left = rest[0] if len(rest) == 1 else Product(rest, part.elementwise)
            yield {"factor": shown(factor)}, left


# -------------------------------------------------------------------------------- whole arrays


def _other_layout(part: Node, wrong: Node) -> Made:
    """A transpose put in or taken out, ⊙ and the matrix product exchanged, factors turned."""
    match part:
        case Transpose(inner):
            yield {"what": f"{array_text(inner)} is not to be transposed"}, inner
        case Array() | Derivative(_, Array()):
            if Transpose(part) not in walk(wrong):
                yield {"what": f"{array_text(part)} is to be transposed"}, Transpose(part)
        case Product(factors, elementwise=True):
            yield {"what": "a matrix product belongs where ⊙ stands"}, Product(factors)
        case Product(factors):
            yield {"what": "⊙ belongs here"}, Product(factors, True)
            if len(factors) == 2:
                yield {"what": "the factors stand in the wrong order"}, Product(factors[::-1])
            else:
                joined = Product((Product(factors[:-1]), factors[-1]), True)
                yield {"what": "⊙ belongs before the last factor"}, joined
                yield {"what": "the product is to be transposed"}, Transpose(part)


def _arrays(letters: str, *others: tuple[str, int | None]) -> Callable[[Array], Made]:
    """Other quantities for those of some letters: their letter, and how many layers further on."""

    def make(array: Array) -> Made:
        layer = array.layer or Index("", 0)
        for letter, step in others if array.letter in letters.split() else ():
            at = None if step is None else replace(layer, offset=layer.offset + step)
            other = Array(letter, at)
            if other != array:
                yield {"this": array_text(array), "other": array_text(other)}, other

    return make


def array_text(node: Node) -> str:
    """W_2, h_(k-1), ŷ."""
    if not isinstance(node, Array):
        return "an array"
    letter = SIGNS.get(node.letter, node.letter)
    return letter if node.layer is None else f"{letter}_{layer_text(node.layer)}"


def layer_text(layer: Index) -> str:
    """2, k or (k-1)."""
    if layer.is_number:
        return str(layer.offset)
    return f"({layer.letter}{layer.offset:+d})" if layer.offset else layer.letter


# -------------------------------------------------------------------------------------- the table

_B = "[(ŷ_1 - y_1)·w_211 + (ŷ_2 - y_2)·w_221]"
_SLOPES = (Kind.SLOPE, Kind.OUTPUT)
_STANDS = "{other} stands where {right} belongs"
_PARENT_STANDS = "{parent} stands where {right} belongs"
_TURNED = "{right}ᵀ stands where {right} belongs, or the reverse: ∇h = Wᵀ δ"
_ARRAY_STANDS = "{this} stands where {other} belongs"
_NOT_LOG = "the derivative of log u is u′/u"
_ADDED_EXPONENTS = "e^u·e^v = e^(u+v): exponents are added, not multiplied"


def _row(name: str, identity: str, example: str, *makings: Making, **sentences: str) -> Mistake:
    return Mistake(name, identity, example, makings, sentences)


def _at(at: Any, make: Callable[..., Any], *said: str, **more: str) -> Making:
    return Making(at if isinstance(at, tuple) else (at,), make, *said, **more)


_ROWS = (
    _row("descent-direction", "the step of gradient descent goes up: w + η ∂L/∂w for w - η ∂L/∂w",
        "w_212 ← w_212 + η·∂L/∂w_212",
        found="the step goes up: gradient descent subtracts η·∂L/∂w"),
    _row("stale-weights", "new weights are used in the pass that computes them",
        f"∂L/∂w_112 = {_B.replace('w_211', '(w_211 - η·∂L/∂w_211)')}·h_11·(1 - h_11)·x_2",
        _at(Kind.WEIGHT, _updated, "the new {right} is used: the backward pass needs the old one",
            "the new weights of layer {layer} are used: the backward pass needs the old ones",
            whole="the new {right} is used: the backward pass needs the one of the forward pass")),
    _row("softmax-diagonal-only", "only ∂ŷ_i/∂a_i of the softmax is used, not ∂ŷ_m/∂a_i",
        "∂L/∂w_212 = -y_1·(1 - ŷ_1)·h_12",
        _at(Place.SOFTMAX, _off_diagonal(0), "{factor} = -{child}·{other} is left out",
            "only ∂ŷ_i/∂a_i is used; with softmax every other ŷ_m depends on a_i too",
            whole="only ∂ŷ_i/∂a_i of the softmax is in {factor}, not ∂ŷ_m/∂a_i for m ≠ i")),
    _row("softmax-off-diagonal-sign", "∂ŷ_m/∂a_i = -ŷ_m ŷ_i for m ≠ i, not +ŷ_m ŷ_i",
        "∂ŷ_1/∂a_22 = ŷ_1·ŷ_2",
        _at(Place.SOFTMAX, _off_diagonal(-1), "the sign of {factor} = -{child}·{other} is wrong",
            "the sign of ∂ŷ_m/∂a_i = -ŷ_m·ŷ_i (m ≠ i) is wrong",
            whole="{factor}: ∂ŷ_m/∂a_i = -ŷ_m ŷ_i for m ≠ i, not +ŷ_m ŷ_i")),
    _row("exponent-rule", "e^u e^v = e^(u+v), not e^(uv)", "e^(a_22)·e^(-a_21) = e^(-a_21·a_22)",
        _at(Place.STEP, _exponents_multiplied, _ADDED_EXPONENTS),
        _at(Place.UNDONE, _exponents_added, _ADDED_EXPONENTS)),
    _row("quotient-rule", "(u/v)′ = (u′v - uv′)/v², so (1/v)′ = -v′/v²",
        "d/da [1/(1 + e^(-a))] = -e^(-a)/(1 + e^(-a))²",
        _at(Place.RULE, _quotients, "(u/v)′ = (u′v - u v′)/v²; for 1/v that is -v′/v²")),
    _row("lost-inner-derivative", "f(g(x))′ = f′(g(x))·g′(x): the g′(x) is missing",
        "d/dx log(1 - x) = 1/(1 - x)",
        _at(Place.RULE, _lost_inner, "the derivative of what {what} is lost"),
        _at(Kind.STAGE, lambda _: ONE, "the factor d{child}/d{parent} is missing")),
    _row("product-rule", "(u v)′ = u′v + u v′, not u′v′", "d/dw (w²·e^w) = 2·w·e^w",
        _at(Place.RULE, _products, "(u v)′ = u′v + u v′, not u′v′")),
    _row("missing-forward-term", "a term of the forward pass is left out",
        "a_21 = w_211·h_11 + w_212·h_12 + w_213·h_13",
        _at(Place.LINE, _term_dropped, "the term {term} is missing"),
        found="{term} is left out"),
    _row("wrong-activation", "another function than the layer's", "h_11 = tanh(a_11)",
        _at(Place.FUNCTION, _other_functions, forward="this is {name}, another function",
            whole="{name} is applied where another function belongs")),
    _row("missing-activation", "the function of the layer is not applied", "h_11 = a_11",
        _at(Place.FUNCTION, lambda f: f.parent,
            forward="the function applied to {parent} is missing")),
    _row("wrong-bias-index", "another bias of the same layer",
        "a_21 = b_22 + w_211·h_11 + w_212·h_12 + w_213·h_13",
        _at(Kind.BIAS, _siblings, forward="{other} stands where {parent} belongs")),
    _row("matrix-layout", "a transpose too many or too few, or ⊙ for a matrix product",
        "∇_{W_2} L = h_1 δ_2ᵀ",
        _at(Place.LAYOUT, _other_layout, "{what}"),
        _at(Kind.WEIGHT, _turned, whole=_TURNED),
        turned="the whole is transposed", both="{first}; {second}",
        transpose="this is the transpose of {what}: {words}",
        forward="{weight}ᵀ stands where {weight} belongs"),
    _row("missing-log-derivative", "the derivative of log ŷ is 1/ŷ; it was left out",
        "∂L/∂w_212 = [-y_1·ŷ_1·(1 - ŷ_1) + y_2·ŷ_1·ŷ_2]·h_12",
        _at(Kind.LOSS, _without_log, "the derivative of log is missing in ∂L/∂ŷ: (log u)′ = 1/u",
            whole="the derivative of log ŷ is 1/ŷ; it was left out"),
        _at(Place.RULE, _lost_log, _NOT_LOG)),
    _row("spurious-output-derivative",
        "∂L/∂a already holds the output function's derivative; it is multiplied in again",
        "∂L/∂w_212 = (ŷ_1 - y_1)·ŷ_1·(1 - ŷ_1)·h_12",
        _at(Place.ERROR, _output_again, "∂ŷ/∂a is multiplied in, though ∂L/∂a holds it already",
            whole="∂L/∂{parent} already holds the output function's derivative; that of {name} "
            "is multiplied in on top")),
    _row("stopped-at-output",
        "∂L/∂ŷ stands where ∂L/∂a belongs: the output function's derivative is missing",
        "∂L/∂w_212 = -y_1/ŷ_1·h_12",
        _at(Place.ERROR, _stopped,
            "∂L/∂ŷ stands where ∂L/∂a belongs: the derivative of the output function is missing",
            whole="∂L/∂ŷ stands where ∂L/∂{parent} belongs: {factor} is missing")),
    _row("missing-target-or-output", "of ŷ - y only one is there", "∂L/∂w_212 = ŷ_1·h_12",
        _at(Kind.LOSS, _slope_of_two, "{gone} is missing in ∂L/∂{parent}",
            "{gone} is missing in ∂L/∂ŷ", whole="of y and ŷ only {kept} is in ∂L/∂{parent}"),
        _at(Place.ERROR, _error_of_two, "of ŷ - y the {gone} is missing",
            whole="of y and ŷ only {kept} is in ∂L/∂{parent}")),
    _row("derivative-of-another-neuron", "g′ is taken at the preactivation of another neuron",
        f"∂L/∂w_112 = {_B}·h_12·(1 - h_12)·x_2",
        _at(_SLOPES, _elsewhere, "g′ is taken at {other}; it belongs at {parent}"),
        _at(_SLOPES, _of_another_layer,
            whole="g′ is taken at {other}, of another layer; it belongs at {parent}")),
    _row("derivative-at-activation", "g′ is taken at h, not at a",
        f"∂L/∂w_112 = {_B}·σ′(h_11)·x_2",
        _at(_SLOPES, _at_value, "g′ is taken at {child}; it belongs at {parent}",
            whole="g′ is taken at {child}, not at {parent}")),
    _row("repeated-activation-derivative", "g′ is multiplied in twice",
        f"∂L/∂w_112 = {_B}·(h_11·(1 - h_11))²·x_2",
        _at(_SLOPES, _twice, "{factor} is multiplied in twice",
            whole="g′({parent}) is multiplied in twice")),
    _row("activation-derivative-sign", "a sign within g′ is wrong",
        f"∂L/∂w_112 = {_B}·h_11·(1 + h_11)·x_2",
        _at(_SLOPES, _flipped, "a sign within {factor} = g′({parent}) is wrong",
            whole="a sign within g′({parent}) is wrong")),
    _row("missing-activation-derivative", "g′(a) is missing", f"∂L/∂w_112 = {_B}·x_2",
        _at(_SLOPES, lambda f: _unless_output(f, ONE),
            "the factor {factor} = g′({parent}) is missing",
            whole="g′({parent}) is missing: {factor} is left out")),
    _row("activation-for-derivative", "h stands where g′(a) belongs", f"∂L/∂w_112 = {_B}·h_11·x_2",
        _at(_SLOPES, lambda f: _unless_output(f, f.child),
            "{child} stands where {factor} = g′({parent}) belongs",
            whole="{child} stands where g′({parent}) belongs")),
    _row("partial-activation-derivative", "only a part of g′(a) is there",
        f"∂L/∂w_112 = {_B}·(1 - h_11)·x_2",
        _at(_SLOPES, _parts, "of {factor} = g′({parent}) only {part} is there",
            whole="only a part of g′({parent}) is there")),
    _row("wrong-activation-derivative", "g′ of another activation",
        f"∂L/∂w_112 = {_B}·(1 - h_11²)·x_2",
        _at(_SLOPES, _other_slopes,
            "in {factor} the derivative of {name} stands for that of {own}",
            whole="the derivative of {name} stands where that of {own} belongs")),
    _row("transposed-weight", "w_kji stands where w_kij belongs",
        f"∂L/∂w_112 = {_B.replace('w_221', 'w_212')}·h_11·(1 - h_11)·x_2",
        _at(Kind.WEIGHT, _turned, f"{_STANDS}: {{factor}} = {{right}}",
            "the indices are swapped: w_kij leads into neuron i from neuron j",
            f"{_STANDS}: w_kij leads into neuron i", _TURNED)),
    _row("weight-of-wrong-layer", "the weight of another layer",
        f"∂L/∂w_112 = {_B.replace('w_221', 'w_121')}·h_11·(1 - h_11)·x_2",
        _at(Kind.WEIGHT, _weights_of_other_layers,
            "{other}, of layer {k}, stands where {right} belongs",
            "weights of layer {k} stand where those of layer {layer} belong", _STANDS, _STANDS),
        _at(Place.ARRAY, _arrays("W", ("W", -1), ("W", 1)), _ARRAY_STANDS),
        found=_STANDS,
        with_error="W_{this} stands where W_{other} belongs, with the error of its layer"),
    _row("missing-weight", "∂a/∂h = w is missing",
        "∂L/∂w_112 = [(ŷ_1 - y_1) + (ŷ_2 - y_2)]·h_11·(1 - h_11)·x_2",
        _at(Kind.WEIGHT, lambda _: ONE, "the weight {right} is missing: {factor} = {right}",
            "the weights of layer {layer} are missing: ∂a/∂h = w", "the weight {right} is missing",
            "the weights {right} are missing: ∂a/∂h = w")),
    _row("activation-for-weight", "∂a/∂h is taken for h; it is w",
        f"∂L/∂w_112 = {_B.replace('w_211', 'h_11').replace('w_221', 'h_11')}·h_11·(1 - h_11)·x_2",
        _at(Kind.WEIGHT, lambda f: f.parent, f"{_PARENT_STANDS}: {{factor}} = {{right}}",
            whole=_PARENT_STANDS)),
    _row("wrong-weight-index", "another weight of the same layer",
        f"∂L/∂w_112 = {_B.replace('w_221', 'w_222')}·h_11·(1 - h_11)·x_2",
        _at(Kind.WEIGHT, _siblings, forward=_STANDS),
        found=_STANDS),
    _row("weight-for-activation", "∂a/∂w is taken for w; it is h of the layer before",
        "∂L/∂w_212 = (ŷ_1 - y_1)·w_212",
        _at(Kind.INPUT, lambda f: f.parent, f"{_PARENT_STANDS}: {{factor}} = {{right}}",
            whole=_PARENT_STANDS)),
    _row("missing-input-factor", "∂a/∂w = h is missing: this is the gradient of the bias",
        "∂L/∂w_212 = ŷ_1 - y_1",
        _at(Kind.INPUT, lambda _: ONE,
            "the factor {right} is missing: {factor} = {right}; without it this is the "
            "gradient of the bias",
            whole="the factor {right} is missing: {factor} = {right}; without it every column "
            "is the gradient of the bias")),
    _row("preactivation-for-activation", "a stands where h belongs",
        "∂L/∂w_212 = (ŷ_1 - y_1)·a_12",
        _at(Kind.INPUT, _before,
            "the preactivation {other} stands where the activation {right} belongs",
            forward=_STANDS, whole=_STANDS),
        _at(_SLOPES, _remembered, "{parent} stands where {child} belongs in {factor}"),
        _at(Place.FUNCTION, lambda f: f.parent,
            whole="{parent} stands where {child} belongs: no function is applied"),
        _at(Place.ARRAY, _arrays("a", ("h", 0)), _ARRAY_STANDS),
        found="{this} stands where {other} belongs"),
    _row("wrong-input-index", "h of another neuron of the right layer",
        "∂L/∂w_212 = (ŷ_1 - y_1)·h_13",
        _at(Kind.INPUT, _other_inputs, _STANDS, forward=_STANDS)),
    _row("activation-of-wrong-layer", "h of another layer", "∂L/∂w_212 = (ŷ_1 - y_1)·h_21",
        _at(Kind.INPUT, _other_layers, _STANDS, forward=_STANDS, whole=_STANDS),
        _at(Place.ARRAY, _arrays("h x yhat", ("x", None), ("h", -1), ("h", 1), ("yhat", None)),
            _ARRAY_STANDS)),
    _row("sign-flipped", "the sign is wrong, or y and ŷ are swapped",
        "∂L/∂w_212 = (y_1 - ŷ_1)·h_12",
        _at(Place.NUMBER, lambda c: {} if c < 0 else None, "the sign is wrong"),
        _at(Place.LINE, _sign_turned, "the sign of the term {term} is wrong"),
        _at(Place.LINE, _sign_turned_within, "a sign in the term {term} is wrong"),
        _at(Place.REPAIR, _sign_turned, "the sign of {term} is wrong"),
        of_loss="{what} has the wrong sign, or y and ŷ are swapped",
        found="{what} has the wrong sign"),
    _row("paths-multiplied", "contributions are multiplied that should be added",
        "∂L/∂w_112 = (ŷ_1 - y_1)·w_211·(ŷ_2 - y_2)·w_221·h_11·(1 - h_11)·x_2",
        _at(Place.LAYER, math.prod,
            "the contributions of the paths are multiplied; they are added"),
        found="multiplied by {factor}, another derivative"),
    _row("average-for-sum", "the mean of the contributions stands where their sum belongs",
        f"∂L/∂w_112 = ½·{_B}·h_11·(1 - h_11)·x_2",
        found="the mean of {number} contributions, not their sum",
        samples='{what} is averaged over the {things}, where the loss sums them ({key} = "sum")'),
    _row("missing-path", "one or more paths are left out",
        "∂L/∂w_112 = (ŷ_1 - y_1)·w_211·h_11·(1 - h_11)·x_2",
        _at(Place.PATHS, lambda whole, share: whole - share,
            "{left} of {count} paths; missing {which}",
            whole="the paths through {neuron} are missing from ∂L/∂{parent}"),
        _at((Kind.STAGE, Kind.TARGET), lambda _: sympy.S.Zero,
            whole="the way through {factor} is missing"),
        found="{some} of {count} paths; only {which}"),
    _row("single-path", "of a sum over paths only one is there",
        "∂L/∂w_112 = (ŷ_1 - y_1)·w_211·h_11·(1 - h_11)·x_2",
        _at(Place.PATHS, lambda _, share: share, "{some} of {count} paths; only {which}",
            whole="of the sum over the neurons of layer {layer} only {neuron} is there")),
    _row("path-sign", "a path is subtracted that should be added",
        "∂L/∂w_112 = [(ŷ_1 - y_1)·w_211 - (ŷ_2 - y_2)·w_221]·h_11·(1 - h_11)·x_2",
        _at(Place.PATHS, lambda whole, share: whole - 2 * share,
            "{some} of {count} paths with the wrong sign: {which}")),
    _row("constant-factor", "a number too many or too few: 2, ½, n, 1/n",
        "∂L/∂w_212 = 2·(ŷ_1 - y_1)·h_12",
        _at(Place.NUMBER, _many, "a factor {number} too many"),
        _at(Place.NUMBER, _few, "a factor {number} is missing"),
        found="{what} is {number} times what it should be{why}"),
    _row("wrong-loss", "the derivative of another loss", "∂L/∂w_212 = 2·(ŷ_1 - y_1)·h_12",
        _at(Kind.LOSS, _other_losses, "this is ∂L/∂ŷ of {name}; the loss is {own}",
            whole="the derivative of {name} stands where that of {own} belongs"),
        _at(Place.ERROR, lambda f: _other_losses(f, (PAGE,)),
            "this is the derivative of {name}; the loss is {own}"),
        _at(Place.ERROR, _error_of_cross_entropy,
            "ŷ - y is ∂L/∂a for cross entropy with softmax; the loss is {own}"),
        found="this is the {name}"),
    _row("another-weights-gradient", "the right derivative, but by another weight",
        "∂L/∂w_212 = (ŷ_2 - y_2)·h_11", found="this is ∂{of}/∂{other}, not ∂{of}/∂{by}"),
    _row("index-order", "every w_kij is read as w_kji: from neuron i into neuron j",
        "∂L/∂w_212 = (ŷ_2 - y_2)·h_11",
        found="w_kij is read as w_kji; the first index is the neuron it leads into"),
    _row("missing-factor", "a factor is missing, found by the ratio to the right side",
        "∂ŷ_1/∂a_21 = 1 - ŷ_1",
        _at((Kind.STAGE, Kind.TARGET), lambda _: ONE, whole="the factor {factor} is missing"),
        found="missing factor {factor}", chain="the factor ∂{of}/∂{by} is missing in the chain"),
    _row("spurious-factor", "a factor too many, found by the ratio to the right side",
        "∂ŷ_1/∂a_21 = ŷ_1·(1 - ŷ_1)·(-a_22)",
        _at(Place.REPAIR, _factor_dropped, "spurious factor {factor}"),
        found="spurious factor {factor}"),
    _row("missing-term", "a term is missing, found by the difference from the right side",
        "s = -y", found="missing term {term}", step="the step is missing: nothing is subtracted"),
    _row("spurious-term", "a term too many, found by the difference from the right side",
        "∂L/∂w_212 = (ŷ_1 - y_1)·h_12 + w_212",
        _at(Place.REPAIR, _term_dropped, "spurious term {term}"),
        found="spurious term {term}"),
    _row("rounding", "a rounded number is carried on", "0.138 carried on as 0.14"),
    _row("arithmetic", "a number that does not follow from the line's own numbers",
        "0.5·0.3 = 0.18"),
)  # fmt: skip

MISTAKES: dict[str, Mistake] = {row.name: row for row in _ROWS}
"""Every mistake by its name, the most specific first."""

_ADDED_ROWS = (
    _row("unsummed-samples",
        "the sum over the samples is missing, so the array has an axis too many",
        "db1 of shape (samples, n)",
        found="{what} sums over the samples; here each sample has its own"),
    _row("single-sample", "of the sum over the samples only one term is there",
        "dW1 of the first sample",
        found="of the sum over the samples in {what} only sample {sample} is there"),
    _row("summed-over-neurons", "a bias gradient is summed over the neurons too, or instead",
        "db1 = np.sum(dZ1), one number",
        found="{what} has one number a neuron; here all are summed to one (np.sum without axis)",
        instead="{what} is a sum over the samples; here it is one over the neurons"),
    _row("weight-decay", "λ times the weights is added, which the network's loss does not have",
        "dW1 + 0.01·W1",
        found="{number}·{weight} is added to {what}; the network's loss has no such term"),
    _row("saturation-epsilon", "an ε that keeps a logarithm finite changes the number",
        "-y/(ŷ + 0.001)",
        found="{what} is that of log(ŷ + ε) with ε = {number}",
        quotient="{what} is divided by ŷ(1 - ŷ) + ε with ε = {number}",
        clipped="{what} is that of ŷ kept between ε and 1 - ε, ε = {number}"),
)  # fmt: skip

ADDED: dict[str, Mistake] = {row.name: row for row in _ADDED_ROWS}
"""Names that lines of algebra have no use for: those of arrays alone."""

ARITHMETIC = MISTAKES["arithmetic"]
ANOTHER = MISTAKES["another-weights-gradient"]
AVERAGE = MISTAKES["average-for-sum"]
CONSTANT = MISTAKES["constant-factor"]
DESCENT = MISTAKES["descent-direction"]
LAYOUT = MISTAKES["matrix-layout"]
MISSING_FACTOR = MISTAKES["missing-factor"]
MISSING_FORWARD = MISTAKES["missing-forward-term"]
MISSING_PATH = MISTAKES["missing-path"]
MISSING_TERM = MISTAKES["missing-term"]
ORDER = MISTAKES["index-order"]
PATH_SIGN = MISTAKES["path-sign"]
PATHS_MULTIPLIED = MISTAKES["paths-multiplied"]
PREACTIVATION = MISTAKES["preactivation-for-activation"]
ROUNDING = MISTAKES["rounding"]
SIGN = MISTAKES["sign-flipped"]
SINGLE_PATH = MISTAKES["single-path"]
SPURIOUS_FACTOR = MISTAKES["spurious-factor"]
SPURIOUS_TERM = MISTAKES["spurious-term"]
TRANSPOSED = MISTAKES["transposed-weight"]
WEIGHT_INDEX = MISTAKES["wrong-weight-index"]
WEIGHT_LAYER = MISTAKES["weight-of-wrong-layer"]
WRONG_LOSS = MISTAKES["wrong-loss"]
DECAY, EPSILON = ADDED["weight-decay"], ADDED["saturation-epsilon"]
ONE_SAMPLE, UNSUMMED = ADDED["single-sample"], ADDED["unsummed-samples"]
SUMMED = ADDED["summed-over-neurons"]
"""The rows that are recognised by other means too."""

OF_PATHS = {m.name for m, _ in made(Place.PATHS)} | {MISSING_FACTOR.name}
"""What a chain of derivatives says before all else."""
