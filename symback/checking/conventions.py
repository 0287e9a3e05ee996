"""Right after all, in another convention: what is said before a page is called wrong.

Here one can ask under which convention every claim of a page is right: `convention_of`, which
reads the page as if w_kji were w_kij, the loss ½ or 1/n of itself, δ the opposite of ∂L/∂a, the
logarithm one to the base 2 or 10, or arrays in the transposed layout.  A convention counts only if
*all* claims are right under it, and not all of them are right as they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from symback.checking import mistakes
from symback.checking.correct import number, opposite
from symback.checking.evaluation import Assumptions
from symback.checking.exact import Judge
from symback.language.errors import SymbackError
from symback.language.expressions import (
    Array,
    Call,
    Derivative,
    Element,
    Node,
    Product,
    Quotient,
    Transpose,
    rebuilt,
    walk,
)
from symback.language.names import Role

__all__ = ["ORDER", "SCALES", "Convention", "convention_of"]

ORDER, SCALES = mistakes.ORDER.name, "loss-scale"
"""Conventions that reports treat apart: one is a mistake too, the other excuses no page."""

Reading = Callable[[Node], Node]
"""What a node of the page means in a convention, as symback would write it."""


@dataclass(frozen=True, slots=True)
class Convention:
    """A name, and the sentence that is said of a page that is right under it."""

    name: str
    sentence: str


def convention_of(
    judge: Judge, claims: Sequence[tuple[Node, Node]], assumptions: Assumptions | None = None
) -> Convention | None:
    """The convention under which every pair of sides is equal; None where there is none.

    >>> import symback as sb
    >>> from symback.checking.correct import indexed
    >>> from symback.language.expressions import LOSS, Total
    >>> judge = Judge(sb.Network(2, [(3, "tanh"), (2, "softmax")], loss="cross_entropy"))
    >>> error = Total((indexed("yhat", 2), opposite(indexed("y", 2))))
    >>> page = [(Derivative(LOSS, indexed("w", 2, 1, 2)), Product((error, indexed("h", 1, 1))))]
    >>> print(convention_of(judge, page).sentence)
    right if w_kij is the weight from neuron i to neuron j; here it leads into i from j
    """
    assumed = _assumed(judge, assumptions or Assumptions())
    if not claims or all(_is_equal(judge, *sides, assumed) for sides in claims):
        return None
    for convention, read in _conventions(judge):
        if all(_is_equal(judge, read(left), read(right), assumed) for left, right in claims):
            return convention
    return None


def _assumed(judge: Judge, assumptions: Assumptions) -> Assumptions:
    """With what the loss declares of its target."""
    facts = (fact for fact in judge.graph.facts if fact.variable.role is Role.TARGET)
    fact = next(facts, None)
    return assumptions if fact is None else replace(assumptions, known_sum=fact.total)


def _is_equal(judge: Judge, left: Node, right: Node, assumptions: Assumptions) -> bool:
    try:
        return judge.same(left, right, assumptions)
    except (SymbackError, ArithmeticError):
        return False


# ------------------------------------------------------------------------------------ the table


def _conventions(judge: Judge) -> Iterator[tuple[Convention, Reading]]:
    order = "right if w_kij is the weight from neuron i to neuron j; here it leads into i from j"
    yield Convention(ORDER, order), mistakes.swapped
    for factor in _scales(judge):
        sentence = f"right for {factor} of the loss; the loss here has no such factor"
        yield Convention(SCALES, sentence), _scaled(number(factor))
    sign = "right if δ is the opposite of ∂L/∂a; here it is ∂L/∂a"
    yield Convention("delta-sign", sign), _turned_delta
    weights = "right if W is (in, out), the transpose of symback's (out, in)"
    yield Convention("transposed-layout", weights), _in_out
    rows = "right if vectors are rows and W is (in, out); here vectors are columns"
    yield Convention("transposed-layout", rows), _rows
    gradients = "right if gradients are transposed (numerator layout)"
    yield Convention("transposed-layout", gradients), _numerator
    for base in (2, 10):
        sentence = f"right if log is the logarithm to the base {base}; here it is natural"
        yield Convention("log-base", sentence), _to_base(base)


def _scales(judge: Judge) -> Iterator[Fraction]:
    yield Fraction(1, 2)
    yield Fraction(2)
    if judge.scope.is_network:
        n = int(judge.equations.scope.widths[-1])
        yield Fraction(1, n)
        yield Fraction(n)


# ---------------------------------------------------------------------------------- the readings


def _scaled(factor: Node) -> Reading:
    """The page's loss is ``factor`` times symback's."""

    def read(node: Node) -> Node:
        match node:
            case Derivative(Element("L")) | Element("L" | "delta") | Array("delta"):
                return Product((factor, node))
            case _:
                return rebuilt(node, read)

    return read


def _turned_delta(node: Node) -> Node:
    match node:
        case Element("delta") | Array("delta"):
            return opposite(node)
        case _:
            return rebuilt(node, _turned_delta)


def _in_out(node: Node) -> Node:
    """W and its gradient transposed."""
    match node:
        case Array("W") | Derivative(_, Array("W")):
            return Transpose(node)
        case Derivative(_, Array()):
            return node
        case _:
            return rebuilt(node, _in_out)


def _rows(node: Node) -> Node:
    """Every array transposed."""
    match node:
        case Array() | Derivative(_, Array()):
            return Transpose(node)
        case _:
            return rebuilt(node, _rows)


def _numerator(node: Node) -> Node:
    match node:
        case Derivative(_, Array()):
            return Transpose(node)
        case _:
            return rebuilt(node, _numerator)


def _to_base(base: int) -> Reading:
    """The page's logarithms, and with them its loss, are to this base."""
    scaled = _scaled(Quotient(number(1), Call("log", (number(base),))))

    def read(node: Node) -> Node:
        match node:
            case Call("log", arguments) if any(isinstance(part, Element) for part in walk(node)):
                return Call(f"log{base}", tuple(read(each) for each in arguments))
            case Derivative() | Element() | Array():
                return scaled(node)
            case _:
                return rebuilt(node, read)

    return read
