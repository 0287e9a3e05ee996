"""The meanings of the lines in `cases/` as nodes: a reader of its own small language.

The files say of each line what it means, ``Chain(D(L,w(2,1,2)), D(L,a(2,1))*h(1,2))``.  Python's
own parser takes that text apart (it is never run), and `nodes` builds from it what the reader of
pages should build.  `plain` takes the freedom of spelling out of nodes, so that both can be
compared: products and sums within products and sums, and minus signs.
"""

from __future__ import annotations

import ast
import itertools
import math
from collections.abc import Callable, Mapping
from fractions import Fraction

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
    Free,
    Index,
    Indicator,
    Letter,
    Matrix,
    Named,
    Node,
    Number,
    OneHot,
    Power,
    Product,
    Quotient,
    Sum,
    Total,
    Transpose,
    rebuilt,
)

CONTINUES = "…"
"""What a line begins with that goes on from the one before it."""


def nodes(meaning: str, scope: Scope) -> list[list[Node | str]]:
    """The lines that a meaning tells, each as its sides; `CONTINUES` for the side before."""
    return _Meaning(scope).lines(ast.parse(meaning, mode="eval").body)


class _Meaning:
    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def lines(self, tree: ast.expr) -> list[list[Node | str]]:
        name = tree.func.id if isinstance(tree, ast.Call) else ""
        if name == "Lines":
            return [self.sides(each) for each in tree.args]
        return [self.sides(tree)]

    def sides(self, tree: ast.expr) -> list[Node | str]:
        name = tree.func.id if isinstance(tree, ast.Call) else ""
        if name in ("Chain", "Approx", "Assign"):
            return [CONTINUES if _is(each, "Cont") else self.node(each) for each in tree.args]
        return [self.node(tree)]

    def node(self, tree: ast.expr) -> Node:
        match tree:
            case ast.Constant(int(value)):
                return Number(Fraction(value))
            case ast.UnaryOp(ast.USub(), operand):
                return Product((Number(Fraction(-1)), self.node(operand)))
            case ast.BinOp(left, operator, right):
                return self.operation(self.node(left), operator, self.node(right))
            case ast.Name("L"):
                return LOSS
            case ast.Name("eta"):
                return Element("eta")
            case ast.Name("yhvec"):
                return Array("yhat")
            case ast.Name("yvec"):
                return Array("y")
            case ast.Name("xvec"):
                return Array("x")
            case ast.Name("pi"):
                return Call("pi", ())
            case ast.Name("Half"):
                return Quotient(Number(Fraction(1)), Number(Fraction(2)))
            case ast.Call(ast.Name(name), arguments):
                return self.call(name, arguments)
        raise ValueError(ast.dump(tree))

    def operation(self, left: Node, operator: ast.operator, right: Node) -> Node:
        match operator:
            case ast.Add():
                return Total((left, right))
            case ast.Sub():
                return Total((left, Product((Number(Fraction(-1)), right))))
            case ast.Mult():
                return Product((left, right))
            case ast.Div():
                return Quotient(left, right)
            case ast.Pow():
                return Power(left, right)
        raise ValueError(operator)

    def call(self, name: str, arguments: list[ast.expr]) -> Node:
        if name in _ELEMENTS:
            return Element(_ELEMENTS[name], tuple(map(self.index, arguments)))
        if name in _ARRAYS:
            return Array(_ARRAYS[name], self.index(arguments[0]))
        return _CALLS[name](self, arguments)

    def index(self, tree: ast.expr) -> Index:
        match tree:
            case ast.Constant(int(value)):
                return Index("", value)
            case ast.Name("Lyr"):
                return Index("", self.scope.depth)
            case ast.Name("ell"):
                return Index(ELL)
            case ast.Name(letter):
                return Index(letter)
            case ast.BinOp(ast.Name(letter), operator, ast.Constant(int(value))):
                return Index(letter, value if isinstance(operator, ast.Add) else -value)
        raise ValueError(ast.dump(tree))

    def sum(self, arguments: list[ast.expr]) -> Node:
        body, letter, lower, upper = arguments
        assert isinstance(letter, ast.Name)
        assert isinstance(lower, ast.Constant)
        whole = isinstance(upper, ast.Name)
        last = None if whole else self.index(upper)
        return Sum(letter.id, self.node(body), int(lower.value), last)


def _is(tree: ast.expr, name: str) -> bool:
    return isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id == name


def _rows(self: _Meaning, tree: ast.expr) -> tuple[tuple[Node, ...], ...]:
    assert isinstance(tree, ast.List)
    return tuple(tuple(map(self.node, row.elts)) for row in tree.elts if isinstance(row, ast.List))


def _float(text: str) -> Number:
    return Number(Fraction(text), len(text.partition(".")[2]))


def _letter(self: _Meaning, tree: ast.expr) -> Letter:
    return Letter(self.index(tree))


def _relation(tree: ast.expr) -> str:
    assert isinstance(tree, ast.Constant)
    return str(tree.value)


def _cases(self: _Meaning, args: list[ast.expr]) -> Cases:
    conditions = [self.node(each) for each in args[1::2]]
    values = [self.node(each) for each in args[::2]]
    return Cases(tuple(itertools.zip_longest(values, conditions)))


def _named(self: _Meaning, args: list[ast.expr]) -> Named:
    return Named(_relation(args[0]), tuple(map(self.index, args[1:])))


def _name(tree: ast.expr) -> str:
    assert isinstance(tree, ast.Name)
    return tree.id


def _pairs(self: _Meaning, args: list[ast.expr]) -> tuple[tuple[Node, Node], ...]:
    found = [self.node(each) for each in args]
    return tuple(zip(found[::2], found[1::2], strict=True))


def _function(name: str, primes: int = 0) -> Callable[[_Meaning, list[ast.expr]], Node]:
    return lambda m, args: Call(name, tuple(map(m.node, args)), primes)


_ELEMENTS = {"w": "w", "a": "a", "h": "h", "b": "b", "yh": "yhat", "y": "y", "x": "x"}
_ARRAYS = {"Avec": "a", "Hvec": "h", "bvec": "b", "W": "W", "delta": "delta"}
_CALLS: Mapping[str, Callable[[_Meaning, list[ast.expr]], Node]] = {
    "D": lambda m, args: Derivative(*map(m.node, args)),
    "Grad": lambda m, args: Derivative(*map(m.node, args)),
    "MM": lambda m, args: Product(tuple(map(m.node, args))),
    "Had": lambda m, args: Product(tuple(map(m.node, args)), elementwise=True),
    "T": lambda m, args: Transpose(m.node(args[0])),
    **{
        name: _function(function)
        for name, function in {
            "sigma": "sigmoid",
            "Max": "max",
            "relu": "relu",
            "softmax": "softmax",
            "O": "O",
            "g": "g",
            "exp": "exp",
            "log": "log",
            "tanh": "tanh",
            "sqrt": "sqrt",
            "abs": "abs",
            "norm": "norm",
            "dot": "dot",
            "outer": "outer",
            "diag": "diag",
            "sum": "sum",
        }.items()
    },
    "sigmap": _function("sigmoid", 1),
    "gp": _function("g", 1),
    "reluprime": _function("relu", 1),
    "tanhp": _function("tanh", 1),
    "IndN": lambda m, args: Indicator(Comparison(_letter(m, args[0]), "=", _letter(m, args[1]))),
    "IndE": lambda m, args: Indicator(
        Comparison(m.node(args[0]), _relation(args[1]), m.node(args[2]))
    ),
    "Cmp": lambda m, args: Comparison(_letter(m, args[0]), _relation(args[1]), _letter(m, args[2])),
    "CmpE": lambda m, args: Comparison(m.node(args[0]), _relation(args[1]), m.node(args[2])),
    "Cases": _cases,
    "At": lambda m, args: At(m.node(args[0]), _pairs(m, args[1:])),
    "del_": lambda m, args: Element("delta", tuple(map(m.index, args))),
    "SumNot": lambda m, args: Sum(_name(args[1]), m.node(args[0]), 1, None, m.index(args[2])),
    "Prod": lambda m, args: Sum(
        _name(args[1]), m.node(args[0]), 1, m.index(args[2]) if len(args) > 2 else None, None, True
    ),
    "N_": _named,
    "Any": lambda _, args: Free(_relation(args[0])),
    "E": lambda _, args: Element(_relation(args[0])),
    "Comp": lambda m, args: Component(m.node(args[0]), tuple(map(m.index, args[1:]))),
    "Onehot": lambda m, args: OneHot(m.index(args[0])),
    "evec": lambda m, args: OneHot(m.index(args[0])),
    "Ind": lambda m, args: Indicator(
        Comparison(Letter(m.index(args[0])), "=", Letter(m.index(args[1])))
    ),
    "SumOver": lambda m, args: m.sum(args),
    "SoftmaxComp": lambda m, args: Component(
        Call("softmax", (m.node(args[0]),)), (m.index(args[1]),)
    ),
    "Matrix": lambda m, args: Matrix(_rows(m, args[0])),
    "Float": lambda _, args: _float(ast.literal_eval(args[0])),
    "Rational": lambda m, args: Quotient(m.node(args[0]), m.node(args[1])),
}


# ------------------------------------------------------------------------------- without spelling


def plain(node: Node) -> Node:
    """The node with sums and products flat, one sign in front, and one fraction behind."""
    match node:
        case Total(terms):
            inner = [plain(term) for term in terms]
            return Total(
                tuple(p for t in inner for p in (t.terms if isinstance(t, Total) else (t,)))
            )
        case Product(factors, elementwise=True):
            inner = [plain(factor) for factor in factors]
            return Product(tuple(p for f in inner for p in _entrywise(f)), elementwise=True)
        case Number(value) if value >= 0:
            return node
        case Number() | Product(elementwise=False) | Quotient():
            return _fraction(node)
        case _:
            return rebuilt(node, plain)


def _entrywise(node: Node) -> tuple[Node, ...]:
    return node.factors if isinstance(node, Product) and node.elementwise else (node,)


def _fraction(node: Node) -> Node:
    sign, above, below = _parts(node)
    ones = Number(Fraction(1))
    above = [part for part in above if part != ones]
    below = [part for part in below if part != ones]
    factors = ([] if sign > 0 else [Number(Fraction(-1))]) + above or [ones]
    top = factors[0] if len(factors) == 1 else Product(tuple(factors))
    if not below:
        return top
    return Quotient(top, below[0] if len(below) == 1 else Product(tuple(below)))


def _parts(node: Node) -> tuple[int, list[Node], list[Node]]:
    """The sign, what is above and what is below."""
    match node:
        case Number(value, decimals) if value < 0:
            return -1, [Number(-value, decimals)], []
        case Product(factors, elementwise=False):
            parts = [_parts(factor) for factor in factors]
            above = [part for _, tops, _ in parts for part in tops]
            below = [part for _, _, bottoms in parts for part in bottoms]
            return math.prod(sign for sign, _, _ in parts), above, below
        case Quotient(top, bottom):
            sign, above, below = _parts(top)
            other, bottoms, tops = _parts(bottom)
            return sign * other, [*above, *tops], [*below, *bottoms]
        case _:
            return 1, [plain(node)], []
