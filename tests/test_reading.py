r"""What a person typed means what it says, or is refused with its place: the reader of derivations.

The cases are data in ``tests/cases``: lines and their meaning (``reading_dev.json``), lines and
their echo or refusal (``reading.json``), hostile pages (``hostile.json``).
"""

from __future__ import annotations

import ast
import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes import SCOPES, arrays, scalars
from symback.checking.echo import echo
from symback.checking.meaning import (
    ELL,
    LOSS,
    Array,
    Call,
    Claim,
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
    Prose,
    Quotient,
    Relation,
    Scope,
    Sum,
    Total,
    Transpose,
    rebuilt,
)
from symback.checking.pages import read

CASES = Path(__file__).parent / "cases"
BASE = Scope((2, 3, 2), ("sigmoid", "softmax"), (1, 1))

# ------------------------------------------------------------- (a) the lines used in development

DEV = json.loads((CASES / "reading_dev.json").read_text(encoding="utf-8"))["cases"]
MINUS_ONE = Number(Fraction(-1))


class Meaning:
    """Nodes from the meaning language of the cases, an arithmetic of its own over Python's syntax.

    The text comes from the repository, and it is parsed, not evaluated.
    """

    def sides(self, text: str) -> list[list[Node | None]]:
        """The lines of a meaning, each as its sides; None is what the line before ended with."""
        tree = ast.parse(text, mode="eval").body
        name = tree.func.id if isinstance(tree, ast.Call) else ""
        if name == "Lines":
            return [self._line(part) for part in tree.args]
        return [self._line(tree)]

    def _line(self, tree: ast.expr) -> list[Node | None]:
        if isinstance(tree, ast.Call) and tree.func.id in ("Chain", "Assign", "Approx"):
            return [self.node(part) for part in tree.args]
        return [self.node(tree)]

    def node(self, tree: ast.expr) -> Node | None:
        match tree:
            case ast.Constant(value):
                return Number(Fraction(value))
            case ast.Name(name):
                return NAMES[name]
            case ast.UnaryOp(ast.USub(), operand):
                return Product((MINUS_ONE, self.node(operand)))
            case ast.BinOp(left, operator, right):
                return self._operation(type(operator), self.node(left), self.node(right))
            case ast.Call(ast.Name(function), arguments):
                return getattr(self, function)(*arguments)
        raise AssertionError(ast.dump(tree))

    @staticmethod
    def _operation(kind: type, left: Node, right: Node) -> Node:
        if kind is ast.Sub:
            return Total((left, Product((MINUS_ONE, right))))
        made = {ast.Add: Total, ast.Mult: Product}.get(kind)
        if made is not None:
            return made((left, right))
        return {ast.Div: Quotient, ast.Pow: Power}[kind](left, right)

    @staticmethod
    def index(tree: ast.expr) -> Index:
        match tree:
            case ast.Constant(value):
                return Index("", value)
            case ast.Name("Lyr"):
                return Index("", 2)
            case ast.Name("ell"):
                return Index(ELL)
            case ast.Name(letter):
                return Index(letter)
            case ast.BinOp(ast.Name(letter), operator, ast.Constant(offset)):
                return Index(letter, offset if isinstance(operator, ast.Add) else -offset)
        raise AssertionError(ast.dump(tree))

    def _element(self, letter: str, indices) -> Element:
        return Element(letter, tuple(map(self.index, indices)))

    def w(self, *indices):
        if len(indices) == 1:
            return Array("W", self.index(*indices))
        return self._element("w", indices)

    def a(self, *indices):
        return self._element("a", indices)

    def h(self, *indices):
        return self._element("h", indices)

    def b(self, *indices):
        return self._element("b", indices)

    def x(self, *indices):
        return self._element("x", indices)

    def y(self, *indices):
        return self._element("y", indices)

    def yh(self, *indices):
        return self._element("yhat", indices)

    W = w

    def Avec(self, layer):
        return Array("a", self.index(layer))

    def Hvec(self, layer):
        return Array("h", self.index(layer))

    def bvec(self, layer):
        return Array("b", self.index(layer))

    def delta(self, layer):
        return Array("delta", self.index(layer))

    def evec(self, index):
        found = self.index(index)
        return OneHot(found)

    def D(self, of, by):
        return Derivative(self.node(of), self.node(by))

    Grad = D

    def Cont(self):
        return None

    def Float(self, text):
        return Number(Fraction(text.value), len(text.value.partition(".")[2]))

    def Rational(self, above, below):
        return Quotient(self.node(above), self.node(below))

    def SumOver(self, body, letter, low, high):
        last = self.index(high)
        upper = last if last.is_number else None  # k and n are widths here: the whole range
        return Sum(letter.id, self.node(body), low.value, upper)

    def Ind(self, left, right):
        sides = (Letter(self.index(left)), Letter(self.index(right)))
        return Indicator(Comparison(sides[0], "=", sides[1]))

    def MM(self, left, right):
        return Product((self.node(left), self.node(right)))

    def Had(self, left, right):
        return Product((self.node(left), self.node(right)), True)

    def T(self, of):
        return Transpose(self.node(of))

    def Matrix(self, rows):
        return Matrix(tuple(tuple(map(self.node, row.elts)) for row in rows.elts))

    def SoftmaxComp(self, argument, index):
        return Component(Call("softmax", (self.node(argument),)), (self.index(index),))

    def _call(self, name, arguments, primes=0):
        return Call(name, tuple(map(self.node, arguments)), primes)

    def sigma(self, *u):
        return self._call("sigmoid", u)

    def sigmap(self, *u):
        return self._call("sigmoid", u, 1)

    def gp(self, *u):
        return self._call("g", u, 1)

    def exp(self, *u):
        return self._call("exp", u)

    def log(self, *u):
        return self._call("log", u)

    def tanh(self, *u):
        return self._call("tanh", u)


NAMES = {
    "L": LOSS,
    "eta": Element("eta"),
    "yhvec": Array("yhat"),
    "yvec": Array("y"),
}


def flat(node: Node) -> Node:
    """The node with products and sums opened, numbers in front and one fraction a product.

    The cases and the reader mean the same by ``-(a·b)`` and ``(-a)·b``, and by ``1/b·a`` and
    ``a/b``; the order of factors stays.
    """
    node = rebuilt(node, flat)
    match node:
        case Total(terms):
            opened = [part for t in terms for part in (t.terms if isinstance(t, Total) else (t,))]
            return Total(tuple(opened))
        case Product(_, True):
            return node
        case Product() | Quotient():
            number, above, below = taken_apart(node)
            return put_together(number, above, below)
    return node


def taken_apart(node: Node) -> tuple[Number, list[Node], list[Node]]:
    """The number in front, and the factors above and below the line."""
    match node:
        case Number(value, decimals):
            return Number(value, decimals), [], []
        case Product(factors, False):
            parts = [taken_apart(factor) for factor in factors]
            places = [n.decimals for n, _, _ in parts if n.decimals is not None]
            whole = Fraction(1)
            for number, _, _ in parts:
                whole *= number.value
            return (
                Number(whole, max(places, default=None)),
                [factor for _, above, _ in parts for factor in above],
                [factor for _, _, below in parts for factor in below],
            )
        case Quotient(above, below):
            number, up, down = taken_apart(above)
            divisor, lifted, lowered = taken_apart(below)
            if divisor.value:
                ratio = Number(number.value / divisor.value, number.decimals)
                return ratio, [*up, *lowered], [*down, *lifted]
    return Number(Fraction(1)), [node], []


def put_together(number: Number, above: list[Node], below: list[Node]) -> Node:
    """The fraction again."""
    if not below and not above:
        return number
    if not below and number == Number(Fraction(1)):
        return above[0] if len(above) == 1 else Product(tuple(above))
    if not below:
        return Product((number, *above))
    return Quotient(Product((number, *above)), Product(tuple(below)))


@pytest.mark.parametrize("case", DEV, ids=lambda case: case["id"])
def test_a_line_means_what_its_case_says(case):
    """Each of the 68 measured lines is read as the nodes that its meaning says, side by side."""
    claims = [item for item in read(case["input"], BASE).items if not isinstance(item, Prose)]
    lines = Meaning().sides(case["meaning"])
    assert all(isinstance(item, Claim) for item in claims), claims
    assert len(claims) == len(lines)
    for claim, line in zip(claims, lines, strict=True):
        assert claim.continues == (line[0] is None)
        assert [flat(side.node) for side in claim.sides] == [flat(n) for n in line if n is not None]
        assert {"Assign": Relation.BECOMES, "Approx": Relation.ABOUT}.get(
            case["meaning"].split("(")[0], Relation.EQUAL
        ) in claim.relations or not claim.relations


# ----------------------------------------------------------------------- (b) print, then read


def read_side(text: str, lhs: str, scope: Scope) -> Node:
    """The right side of ``lhs = text``, which must be one claim."""
    (claim,) = read(f"{lhs} = {text}", scope).items
    assert isinstance(claim, Claim), (text, claim)
    return claim.sides[1].node


@pytest.mark.parametrize("name", SCOPES)
@pytest.mark.parametrize("lhs", ["L", "δ_1"])
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_reading_the_echo_gives_the_node(name, lhs, data):
    """`echo` loses nothing: reading it gives the same meaning, and echoing that the same text."""
    scope = SCOPES[name]
    node = data.draw((scalars if lhs == "L" else arrays)(scope))
    found = read_side(echo(node, scope), lhs, scope)
    assert flat(found) == flat(node)
    assert read_side(echo(found, scope), lhs, scope) == found


def test_a_wrong_echo_would_be_seen():
    """The comparison of the test above tells factors, order, indices and signs apart."""
    one, two = (Element("h", (Index("", 1), Index("", k))) for k in (1, 2))
    for left, right in [
        (Product((one, two)), Product((two, one))),
        (Product((one, two)), Total((one, two))),
        (Product((MINUS_ONE, one)), one),
        (Quotient(one, two), Quotient(two, one)),
        (Power(one, Number(Fraction(2))), Power(one, Number(Fraction(3)))),
        (Product((one, two)), Product((one, two), True)),
        (Transpose(Array("W", Index("", 2))), Array("W", Index("", 2))),
    ]:
        assert flat(left) != flat(right)
