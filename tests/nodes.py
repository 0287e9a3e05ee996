"""Random meanings: Hypothesis strategies for the nodes that a line of a page can stand for.

`scalars` and `arrays` draw a number or an array about a network; `SCOPES` are the networks.  Nodes
are drawn with the shapes of their parts in mind, since a product reads as one of matrices only
between arrays, but the widths need not fit: that is for the judge of a line, not for its reader.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache

from hypothesis import strategies as st

from symback.checking.letters import Scope
from symback.language.expressions import (
    ELL,
    LOSS,
    Array,
    At,
    Call,
    Cases,
    Comparison,
    Component,
    Derivative,
    Element,
    Index,
    Indicator,
    Letter,
    Matrix,
    Node,
    Number,
    OneHot,
    Power,
    Product,
    Quotient,
    Sum,
    Total,
    Transpose,
    walk,
)

SCOPES = {
    "2-3-2": Scope((2, 3, 2), ("sigmoid", "softmax"), (1, 1)),
    "4-4-3-2": Scope((4, 4, 3, 2), ("tanh", "relu", "linear"), (1, 1, 1)),
    "12-11-10": Scope((12, 11, 10), ("sigmoid", "softmax"), (1, 1)),
    "one bias a layer": Scope((2, 2, 2), ("sigmoid", "sigmoid"), (0, 0)),
    "symbolic": Scope(("n_0", "n_1", "n_2"), ("sigmoid", "softmax"), (1, 1)),
}
LETTERS = ("i", "j", "m", "p")
MINUS = Number(Fraction(-1))


def neurons(width: int | str) -> st.SearchStrategy[Index]:
    """An index of a neuron: a number within the width, or a letter."""
    last = width if isinstance(width, int) else 4
    numbers = st.integers(1, last).map(lambda n: Index("", n))
    return st.one_of(numbers, numbers, st.sampled_from(LETTERS).map(Index))


@st.composite
def elements_of(draw: st.DrawFn, scope: Scope) -> Element:
    """One scalar quantity of the network."""
    letter = draw(st.sampled_from(("w", "b", "a", "h", "x", "y", "yhat")))
    if letter in ("x", "y", "yhat"):
        width = scope.widths[0 if letter == "x" else -1]
        return Element(letter, (draw(neurons(width)),))
    last = scope.depth - (letter == "h")
    layer = draw(st.integers(1, last))
    head = Index("", layer)
    if letter == "b" and scope.biases[layer - 1] == 0:
        return Element("b", (head,))
    indices = [head, draw(neurons(scope.widths[layer]))]
    if letter == "w":
        indices.append(draw(neurons(scope.widths[layer - 1])))
    elif draw(st.integers(0, 9)) == 0 and scope.depth > 1:
        indices = [Index("k", draw(st.sampled_from((0, -1)))), Index("i")]
    return Element(letter, tuple(indices))


def numbers() -> st.SearchStrategy[Number]:
    """Whole numbers and decimals, none below 0: a minus is a factor."""
    whole = st.integers(0, 300).map(lambda n: Number(Fraction(n)))
    decimal = st.builds(
        lambda n, places: Number(Fraction(n, 10**places), places),
        st.integers(0, 5000),
        st.integers(1, 5),
    )
    return st.one_of(whole, whole, decimal)


def leaves(scope: Scope) -> st.SearchStrategy[Node]:
    """Scalars without parts."""
    element = elements_of(scope)
    return st.one_of(
        numbers(),
        element,
        element,
        st.builds(Derivative, st.one_of(st.just(LOSS), element), element),
        st.just(Element("yhat", (Index(ELL),))),
        st.just(LOSS),
    )


def vectors(scope: Scope) -> st.SearchStrategy[Node]:
    """Arrays without parts; a width of one is a number and is left out."""
    layers = st.integers(1, scope.depth).map(lambda k: Index("", k))
    hidden = st.integers(1, scope.depth - 1).map(lambda k: Index("", k))
    layered = st.one_of(
        st.builds(Array, st.sampled_from(("W", "a", "delta")), layers),
        st.builds(Array, st.just("h"), hidden),
    )
    plain = st.sampled_from([Array("x"), Array("y"), Array("yhat")])
    gradients = st.one_of(layered, plain).map(lambda array: Derivative(LOSS, array))
    return st.one_of(layered, plain, st.just(OneHot(Index(ELL))), gradients)


def _is_small(node: Node) -> bool:
    """Whether a number may be an exponent."""
    return all(part.value <= 60 for part in walk(node) if isinstance(part, Number))


def _negated(node: Node) -> Node:
    return Product((MINUS, node))


def _conditions(parts: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    relations = st.sampled_from(("=", "!=", "<", ">", "<=", ">="))
    letters = st.sampled_from(LETTERS).map(lambda letter: Letter(Index(letter)))
    ends = st.one_of(letters, st.just(Letter(Index(ELL))), st.integers(1, 3).map(
        lambda n: Letter(Index("", n))))  # fmt: skip
    return st.one_of(
        st.builds(Comparison, letters, st.sampled_from(("=", "!=")), ends),
        st.builds(Comparison, parts, relations, parts),
    )


def _sums(parts: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    limits = st.one_of(st.none(), st.integers(1, 4).map(lambda n: Index("", n)))
    return st.builds(
        lambda letter, body, upper, product: Sum(letter, body, 1, upper, None, product),
        st.sampled_from(LETTERS),
        parts,
        limits,
        st.booleans(),
    )


@cache
def scalars(scope: Scope) -> st.SearchStrategy[Node]:
    """Numbers of every form."""
    return st.deferred(
        lambda: st.recursive(leaves(scope), lambda parts: _grown(scope, parts), max_leaves=8)
    )


def _grown(scope: Scope, parts: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    exponents = st.integers(0, 9).map(lambda n: Number(Fraction(n)))
    functions = st.sampled_from(
        ("exp", "log", "sqrt", "abs", "sign", "sigmoid", "tanh", "relu", "sin", "g", "erf")
    )
    return st.one_of(
        st.builds(Total, several),
        st.builds(Product, several),
        parts.map(_negated),
        st.builds(Quotient, parts, parts),
        st.builds(Power, parts, st.one_of(exponents, parts.filter(_is_small))),
        st.builds(lambda f, u: Call(f, (u,)), functions, parts),
        st.builds(lambda f, u: Call(f, (u,), 1), st.sampled_from(("g", "sigmoid", "tanh")), parts),
        st.builds(lambda f, u, v: Call(f, (u, v)), st.sampled_from(("max", "min")), parts, parts),
        st.builds(Derivative, parts, elements_of(scope)),
        _sums(parts),
        _conditions(parts).map(Indicator),
        st.builds(lambda u, c, v: Cases(((u, c), (v, None))), parts, _conditions(parts), parts),
        st.builds(lambda u, e, v: At(u, ((e, v),)), parts, elements_of(scope), parts),
        st.builds(lambda a, i: Component(a, (i,)), vectors(scope), neurons(2)).filter(
            lambda c: not isinstance(c.of, (Array, OneHot, Derivative))
        ),
        st.builds(
            lambda f, u: Call(f, (u,)), st.sampled_from(("norm", "sum")), vectors(scope)
        ),
    )  # fmt: skip


@cache
def arrays(scope: Scope) -> st.SearchStrategy[Node]:
    """Vectors and matrices of every form."""
    small = leaves(scope)

    def grown(parts: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        several = st.lists(parts, min_size=2, max_size=3).map(tuple)
        cells = st.lists(st.lists(small, min_size=2, max_size=2).map(tuple), min_size=1, max_size=2)
        return st.one_of(
            st.builds(Total, several),
            st.builds(Product, several),
            st.builds(lambda u: Product(u, True), several),
            st.builds(lambda u, a: Product((u, a)), small, parts),
            parts.map(_negated),
            st.builds(Quotient, parts, small),
            st.builds(Transpose, parts),
            st.builds(lambda f, u, n: Call(f, (u,), n), st.sampled_from(("g", "sigmoid")), parts,
                      st.integers(0, 1)),
            st.builds(lambda f, u: Call(f, (u,)), st.sampled_from(("exp", "diag", "softmax")),
                      parts),
            st.builds(lambda u, v: Call("outer", (u, v)), parts, parts),
            cells.map(lambda rows: Matrix(tuple(rows))),
            _sums(parts).filter(lambda node: not node.product),
        )  # fmt: skip

    return st.deferred(lambda: st.recursive(vectors(scope), grown, max_leaves=5))
