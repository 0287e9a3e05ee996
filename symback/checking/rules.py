"""Rules of calculus for expressions that a page itself differentiates, ∂/∂w [ (y - ŷ)² ].

`differentiated` gives the derivative as a node; `AS_EXPONENTIALS` and `SLOPES` are the tables of
elementary functions behind it, in ``z`` (`with_z` puts something else for it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from symback.engine.arithmetics import Undecided
from symback.language.expressions import (
    Array,
    Call,
    Cases,
    Comparison,
    Component,
    Derivative,
    Element,
    Indicator,
    Letter,
    Matrix,
    Named,
    Node,
    Number,
    OneHot,
    Ones,
    Power,
    Product,
    Quotient,
    Sum,
    Total,
    Transpose,
    rebuilt,
    walk,
)

__all__ = ["AS_EXPONENTIALS", "DOMAINS", "SLOPES", "UNDONE", "differentiated", "kind", "with_z"]

_z = Element("z")
_one, _two = Number(Fraction(1)), Number(Fraction(2))
_minus = Number(Fraction(-1))


def _exp(node: Node) -> Node:
    return Call("exp", (node,))


def _by_exponentials(plus: Node, sign: Node, below: Node) -> Node:
    """(e^u ± e^{-u}) / below."""
    return Quotient(Total((_exp(plus), Product((sign, _exp(Product((_minus, plus))))))), below)


_i = Call("i", ())
_sine = _by_exponentials(Product((_i, _z)), _minus, Product((_two, _i)))
_cosine = _by_exponentials(Product((_i, _z)), _one, _two)
_double = _exp(Product((_two, _z)))
AS_EXPONENTIALS: Mapping[str, Node] = {
    "sin": _sine,
    "cos": _cosine,
    "tan": Quotient(_sine, _cosine),
    "sinh": _by_exponentials(_z, _minus, _two),
    "cosh": _by_exponentials(_z, _one, _two),
    "tanh": Quotient(Total((_double, _minus)), Total((_double, _one))),
}
"""Functions as exponentials, with i² = -1 (Euler)."""

SLOPES: Mapping[str, Node] = {
    "exp": _exp(_z),
    "log": Quotient(_one, _z),
    "sqrt": Quotient(_one, Product((_two, Call("sqrt", (_z,))))),
    "abs": Call("sign", (_z,)),
    "sin": Call("cos", (_z,)),
    "cos": Product((_minus, Call("sin", (_z,)))),
    "tan": Total((_one, Power(Call("tan", (_z,)), _two))),
    "sinh": Call("cosh", (_z,)),
    "cosh": Call("sinh", (_z,)),
    "tanh": Total((_one, Product((_minus, Power(Call("tanh", (_z,)), _two))))),
    "asin": Quotient(_one, Call("sqrt", (Total((_one, Product((_minus, Power(_z, _two))))),))),
    "acos": Quotient(_minus, Call("sqrt", (Total((_one, Product((_minus, Power(_z, _two))))),))),
    "atan": Quotient(_one, Total((_one, Power(_z, _two)))),
    "erf": Quotient(
        Product((_two, _exp(Product((_minus, Power(_z, _two)))))),
        Call("sqrt", (Call("pi", ()),)),
    ),
}
"""The derivatives of elementary functions, for expressions that a page differentiates itself."""


_within_one = Comparison(Power(_z, _two), "<=", _one)
DOMAINS: Mapping[str, Comparison] = {
    "log": Comparison(_z, ">", Number(Fraction(0))),
    "sqrt": Comparison(_z, ">=", Number(Fraction(0))),
    "asin": _within_one,
    "acos": _within_one,
}
"""Where functions have a value that do not have one everywhere."""


UNDONE: Mapping[str, str] = {"tan": "atan", "sin": "asin", "cos": "acos"}
"""tan(atan u) = u and the like; the other way round it holds on one period only."""


def with_z(template: Node, argument: Node) -> Node:
    """The template with its ``z`` replaced (templates bind no letters of their own)."""
    if template == _z:
        return argument
    return rebuilt(template, lambda part: with_z(part, argument))


def differentiated(node: Node, by: Element) -> Node:
    """∂node/∂by by the rules of calculus; ``by`` has numbers for indices.

    Elements become derivatives by name, so what they depend on follows.
    """
    match node:
        case Number() | Letter() | Indicator() | OneHot() | Ones():
            return Number(Fraction(0))
        case Element() | Array() | Named():
            return Derivative(node, by)
        case Total(terms):
            return Total(tuple(differentiated(term, by) for term in terms))
        case Product(factors, elementwise=flag):
            return Total(
                tuple(
                    Product((*factors[:k], differentiated(part, by), *factors[k + 1 :]), flag)
                    for k, part in enumerate(factors)
                )
            )
        case Quotient(above, below):
            first = Product((differentiated(above, by), below), True)
            second = Product((_minus, above, differentiated(below, by)), True)
            return Quotient(Total((first, second)), Power(below, _two))
        case Power(base, exponent):
            return _differentiated_power(base, exponent, by)
        case Sum(product=False):
            return replace(node, body=differentiated(node.body, by))
        case Transpose() | Matrix() | Component():
            return rebuilt(node, lambda part: differentiated(part, by))
        case Cases(branches):
            return Cases(tuple((differentiated(value, by), when) for value, when in branches))
        case Call():
            return _differentiated_call(node, by)
        case _:
            raise Undecided(f"symback does not differentiate {kind(node)}")


def _differentiated_power(base: Node, exponent: Node, by: Element) -> Node:
    if any(isinstance(part, (Element, Array, Named)) for part in walk(exponent)):
        raise Undecided("symback does not differentiate a power whose exponent varies")
    less = Total((exponent, _minus))
    return Product((exponent, Power(base, less), differentiated(base, by)), True)


def _differentiated_call(node: Call, by: Element) -> Node:
    if node.function in ("max", "min") and len(node.arguments) == 2:
        first, second = node.arguments
        relation = ">" if node.function == "max" else "<"
        return Cases(
            (
                (differentiated(first, by), Comparison(first, relation, second)),
                (differentiated(second, by), None),
            )
        )
    if node.function in ("sum", "diag"):
        return rebuilt(node, lambda part: differentiated(part, by))
    if node.function in ("sign", "pi", "i"):
        return Number(Fraction(0))
    if node.function == "softmax" or len(node.arguments) != 1 or node.primes:
        raise Undecided(f"symback does not differentiate {node.function} in a line")
    (inner,) = node.arguments
    return Product((replace(node, primes=1), differentiated(inner, by)), True)


def kind(node: Node) -> str:
    """The name of a node's class, in lower case."""
    return type(node).__name__.lower()
