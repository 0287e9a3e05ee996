"""What a whole page may have otherwise than the network file, so that it is right after all.

Here one can ask for the deviation under which every claim of a page is right: `deviation_of`.  The
file fixes the order of the indices of w, the factor of the loss, the sign of δ, the layout of
arrays and the base of the logarithm; a page that has one of them otherwise, in all its lines, is
told so, and only a page of which not every claim is right as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from symback.checking.correct import number
from symback.checking.evaluation import Assumptions
from symback.checking.judge import Judge
from symback.checking.mistakes import ORDER, swapped
from symback.engine.spec import NetworkSpec
from symback.language.errors import SymbackError
from symback.language.expressions import (
    COUNT,
    Array,
    Call,
    Derivative,
    Element,
    Node,
    Product,
    Quotient,
    Transpose,
    everywhere,
    negative,
    walk,
)
from symback.language.names import Role

SCALES = "loss-scale"
"""The deviation that excuses a page only where the page states its loss."""

Reading = Callable[[Node], Node]
"""What a node of the page means with a deviation, as symback would write it."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """A name, and the sentence that is said of a page that is right under it."""

    name: str
    sentence: str


def deviation_of(
    judge: Judge, claims: Sequence[tuple[Node, Node]], assumptions: Assumptions | None = None
) -> tuple[Deviation, frozenset[int]] | None:
    """The deviation under which a page is right, and the places of the claims that are right then.

    The page is read as if w_kji were w_kij, the loss ½ or 1/n of itself, δ the opposite of ∂L/∂a,
    the logarithm one to the base 2 or 10, or arrays in the transposed layout.  No claim that is
    right as it stands may be wrong then, and more than one must gain, or all be right.

    >>> import symback as sb
    >>> from symback.checking.judge import Judge
    >>> from symback.language.expressions import LOSS, Total
    >>> from symback.checking.correct import indexed
    >>> judge = Judge(sb.Network(2, [(3, "tanh"), (2, "softmax")], loss="cross_entropy"))
    >>> error = Total((indexed("yhat", 2), negative(indexed("y", 2))))
    >>> page = [(Derivative(LOSS, indexed("w", 2, 1, 2)), Product((error, indexed("h", 1, 1))))]
    >>> print(deviation_of(judge, page)[0].sentence)
    right if w_kij is the weight from neuron i to neuron j; here it leads into i from j
    """
    assumed = assumptions or Assumptions()
    for fact in [each for each in judge.graph.facts if each.variable.role is Role.TARGET][:1]:
        assumed = replace(assumed, known_sum=fact.total)

    def right(read: Reading) -> frozenset[int]:
        found = (_is_right(judge, pair, read, assumed) for pair in claims)
        return frozenset(k for k, holds in enumerate(found) if holds)

    plain, everything = right(lambda node: node), frozenset(range(len(claims)))
    if plain == everything:
        return None
    for deviation, read in _deviations(judge):
        under = right(read)
        if plain < under and (len(under - plain) > 1 or under == everything):
            return deviation, under
    return None


def _is_right(
    judge: Judge, pair: tuple[Node, Node], read: Reading, assumptions: Assumptions
) -> bool:
    left, right = pair
    try:
        return judge.same(read(left), read(right), assumptions)
    except (SymbackError, ArithmeticError):
        return False


def _deviations(judge: Judge) -> Iterator[tuple[Deviation, Reading]]:
    order = "right if w_kij is the weight from neuron i to neuron j; here it leads into i from j"
    yield Deviation(ORDER.name, order), swapped
    n = int(judge.equations.scope.widths[-1]) if judge.scope.is_network else 2
    for factor in dict.fromkeys((Fraction(1, 2), Fraction(2), Fraction(1, n), Fraction(n))):
        sentence = f"right for {factor} of the loss; the loss here has no such factor"
        yield Deviation(SCALES, sentence), everywhere(_times_loss(number(factor)))
    spec = judge.work.spec
    if judge.batches and isinstance(spec, NetworkSpec):
        is_mean = spec.over_samples == "mean"
        kinds = ("sum", "mean") if is_mean else ("mean", "sum")
        sentence = "right for the {} over the samples; the loss here is their {}".format(*kinds)
        factor = COUNT if is_mean else Quotient(number(1), COUNT)
        yield Deviation(SCALES, sentence), everywhere(_times_total(factor))
    sign = "right if δ is the opposite of ∂L/∂a; here it is ∂L/∂a"
    yield (
        Deviation("delta-sign", sign),
        everywhere(lambda node: negative(node) if getattr(node, "letter", "") == "delta" else None),
    )
    weights = "right if W is (in, out), the transpose of symback's (out, in)"
    rows = "right if vectors are rows and W is (in, out); here vectors are columns"
    gradients = "right if gradients are transposed (numerator layout)"
    for sentence, turns in (
        (weights, lambda array, _: array.letter == "W"),
        (rows, lambda *_: True),
        (gradients, lambda _, is_gradient: is_gradient),
    ):
        yield Deviation("transposed-layout", sentence), everywhere(_transposing(turns))
    for base in (2, 10):
        sentence = f"right if log is the logarithm to the base {base}; here it is natural"
        yield Deviation("log-base", sentence), _to_base(base)


def _times_loss(factor: Node) -> Callable[[Node], Node | None]:
    """The page's loss is ``factor`` times symback's."""

    def change(node: Node) -> Node | None:
        match node:
            case Derivative(Element("L")) | Element("L" | "delta") | Array("delta"):
                return Product((factor, node))
        return None

    return change


def _times_total(factor: Node) -> Callable[[Node], Node | None]:
    """The page's loss of a batch is ``factor`` times symback's; that of a sample is the same."""

    def change(node: Node) -> Node | None:
        match node:
            case Derivative(Element("L", sample=None)) | Element("L", sample=None):
                return Product((factor, node))
        return None

    return change


def _transposing(turns: Callable[[Array, bool], bool]) -> Callable[[Node], Node | None]:
    """Those arrays, and derivatives by arrays, for which ``turns`` says so are transposed."""

    def change(node: Node) -> Node | None:
        match node:
            case Array():
                return Transpose(node) if turns(node, False) else node
            case Derivative(_, Array() as by):
                return Transpose(node) if turns(by, True) else node
        return None

    return change


def _to_base(base: int) -> Reading:
    """The page's logarithms, and with them its loss, are to this base."""
    scaled = everywhere(_times_loss(Quotient(number(1), Call("log", (number(base),)))))

    def change(node: Node) -> Node | None:
        match node:
            case Call("log", arguments) if any(isinstance(part, Element) for part in walk(node)):
                return Call(f"log{base}", tuple(map(read, arguments)))
            case Derivative() | Element() | Array():
                return scaled(node)
        return None

    read = everywhere(change)
    return read
