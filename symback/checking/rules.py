"""Rules of calculus for expressions that a page itself differentiates, ∂/∂w [ (y - ŷ)² ].

`differentiated` gives the derivative as a node.  `AS_EXPONENTIALS`, `SLOPES` and `DOMAINS` are what
`symback.language.functions` says of elementary functions, read: formulas in ``z``, for which
`with_z` puts something else.
"""

from __future__ import annotations

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
from symback.language.functions import ELEMENTARY
from symback.language.reading import read

__all__ = ["AS_EXPONENTIALS", "DOMAINS", "SLOPES", "differentiated", "kind", "with_z"]

_two, _minus = Number(Fraction(2)), Number(Fraction(-1))


def _template(text: str) -> Node:
    """A formula of the table in ``z``; i is the root of -1."""
    known = {"z": Element("z"), "i": Call("i", ()), "pi": Call("pi", ())}

    def placed(node: Node) -> Node:
        return known[node.name] if isinstance(node, Named) else rebuilt(node, placed)

    return placed(read(text, names=("z", "i")))


def _domain(text: str) -> Comparison:
    cases = _template(f"where({text}, 1, 0)")
    assert isinstance(cases, Cases)
    (_, condition), _ = cases.branches
    assert isinstance(condition, Comparison)
    return condition


_ROWS = ELEMENTARY.items()
AS_EXPONENTIALS = {name: _template(row.exponentials) for name, row in _ROWS if row.exponentials}
SLOPES = {name: _template(row.slope) for name, row in _ROWS if row.slope}
DOMAINS = {name: _domain(row.domain) for name, row in _ROWS if row.domain}


def with_z(template: Node, argument: Node) -> Node:
    """The template with its ``z`` replaced (templates bind no letters of their own)."""
    if template == Element("z"):
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
    if node.function in ("pi", "i") or SLOPES.get(node.function) == Number(Fraction(0)):
        return Number(Fraction(0))
    if node.function == "softmax" or len(node.arguments) != 1 or node.primes:
        raise Undecided(f"symback does not differentiate {node.function} in a line")
    (inner,) = node.arguments
    return Product((replace(node, primes=1), differentiated(inner, by)), True)


def kind(node: Node) -> str:
    """The name of a node's class, in lower case."""
    return type(node).__name__.lower()
