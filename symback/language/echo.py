"""A formula written back in one spelling: `echo`.

The echo is text in the lectures' letters, ``∂L/∂w_212 = (ŷ_1 - y_1)·h_12``; the checker reads the
same formula from it.  Brackets stand wherever they are needed for that, products are written with
·, matrix products with a blank, and indices are packed only where each has one digit.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from symback.language.budget import spend
from symback.language.expressions import (
    ELL,
    EVERY,
    LOSS,
    MINUS_ONE,
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
    Ones,
    Power,
    Product,
    Quotient,
    Sum,
    Total,
    Transpose,
    is_array,
)
from symback.language.functions import ACTIVATIONS, ELEMENTARY
from symback.language.names import GREEK, SIGNS

_NAMED = GREEK | SIGNS

# How tightly a node holds together: what is below its neighbours' need is put in brackets.
_SUM, _HADAMARD, _PRODUCT, _FACTOR, _ATOM = range(5)


def echo(node: Node, need: int = _SUM) -> str:
    """``node`` as text, in brackets where it holds together less than ``need``.

    >>> w, h = (Element(letter, (Index("", 1), Index("", 2))) for letter in ("w", "h"))
    >>> echo(Product((Total((w, Product((MINUS_ONE, h)))), h)))
    '(w_12 - h_12)·h_12'
    """
    spend()
    text, tightness = _written(node)
    return text if tightness >= need else f"({text})"


def _written(node: Node) -> tuple[str, int]:
    """The text of a node, and how tightly it holds together."""
    match node:
        case Number(value, decimals):
            if decimals is not None:
                digits = str(int(abs(value) * 10**decimals)).rjust(decimals + 1, "0")
                whole, part = digits[: len(digits) - decimals], digits[len(digits) - decimals :]
                return "-" * (value < 0) + f"{whole}.{part or 0}", _ATOM if value >= 0 else _SUM
            whole_number = value.denominator == 1
            return str(value), _SUM if value < 0 else _ATOM if whole_number else _PRODUCT
        case Total(terms):
            text = echo(terms[0], _HADAMARD if isinstance(terms[0], Total) else _SUM)
            for term in terms[1:]:
                size = _without_minus(term)
                if size is not None:
                    text += f" - {_negated(size)}"
                else:
                    text += " + " + echo(term, _HADAMARD if isinstance(term, Total) else _SUM)
            return text, _SUM
        case Product(factors, True):
            return " ⊙ ".join(echo(part, _PRODUCT) for part in factors), _HADAMARD
        case Product(factors):
            size = _without_minus(node)
            if size is not None:
                return f"-{_negated(size)}", _SUM
            return _joined(factors), _PRODUCT
        case Quotient(above, below):
            return f"{echo(above, _FACTOR)}/{echo(below, _ATOM)}", _PRODUCT
        case Power(base, exponent):
            # without brackets what stands above might be a layer, a transpose or an argument
            bare = isinstance(base, (Element, Free, Number)) and base != LOSS
            text = echo(base, _ATOM)
            if not (bare and isinstance(exponent, Number)) and not text.startswith("("):
                text = f"({text})"
            return f"{text}^{{{echo(exponent)}}}", _FACTOR
        case Element(letter, indices, sample):
            return SIGNS.get(letter, letter) + _subscript(indices) + _sample(sample), _ATOM
        case Array(letter, layer, sample):
            below = "" if layer is None else _subscript((layer,))
            name = SIGNS.get(letter, letter)
            if sample == EVERY:  # all samples of a batch: X, Ŷ, H_1
                return name.upper() + below, _ATOM
            return name + below + _sample(sample), _ATOM
        case Named(name, indices) | Free(name, indices):
            return _NAMED.get(name, name) + _subscript(indices, listed=True), _ATOM
        case Letter(index):
            return shown_index(index), _ATOM
        case OneHot(index):
            return f"e({shown_index(index)})", _ATOM
        case Ones(like) if like == LOSS:
            return "1", _ATOM
        case Ones(like):
            return f"ones({echo(like)})", _ATOM
        case Derivative(of, Array() as by) if of == LOSS:
            return f"∇_{{{echo(by)}}} L", _FACTOR
        case Derivative(Element() | Array() | Named() as of, by):
            return f"∂{echo(of)}/∂{echo(by)}", _FACTOR
        case Derivative(of, by):
            return f"∂/∂{echo(by)} [{echo(of)}]", _FACTOR
        case Transpose(of):
            return echo(of, _ATOM) + "ᵀ", _FACTOR
        case Matrix(rows):
            text = r" \\ ".join(" & ".join(map(echo, row)) for row in rows)
            return rf"\begin{{bmatrix}} {text} \end{{bmatrix}}", _ATOM
        case Component(of, indices):
            simple = isinstance(of, Call) and not of.primes
            body = echo(of, _ATOM) if simple else f"({echo(of)})"
            return body + _subscript(indices, listed=True), _FACTOR
        case Call("pi"):
            return "π", _ATOM
        case Call("m", ()):
            return "m", _ATOM
        case Call("sum" | "mean" as function, (of, axis)):
            return f"{function}({echo(of)}, axis={echo(axis)})", _ATOM
        case Call(function, arguments, primes):
            name = _called(function) + "′" * primes
            return f"{name}({', '.join(map(echo, arguments))})", _ATOM
        case Sum(letter, body, lower, upper, without, product):
            below = letter if lower == 1 and upper is None else f"{letter}={lower}"
            if without is not None:
                below += f", {letter}≠{shown_index(without)}"
            above = "" if upper is None else f"^{{{shown_index(upper)}}}"
            tight = isinstance(body, Product) and _without_minus(body) is None
            need = _FACTOR if product else _SUM if tight else _PRODUCT
            return f"{'Π' if product else 'Σ'}_{{{below}}}{above} {echo(body, need)}", _HADAMARD
        case Indicator(condition):
            return f"⟦{echo(condition)}⟧", _ATOM
        case Comparison(left, relation, right):
            mark = {"!=": "≠", "<=": "≤", ">=": "≥"}.get(relation, relation)
            return f"{echo(left)} {mark} {echo(right)}", _SUM
        case Cases(branches):
            rows = (
                echo(value)
                + (r" & \text{otherwise}" if condition is None else f" & {echo(condition)}")
                for value, condition in branches
            )
            return r"\begin{cases} " + r" \\ ".join(rows) + r" \end{cases}", _ATOM
        case At(of, values):
            texts = ", ".join(f"{echo(left)}={echo(right)}" for left, right in values)
            return f"({echo(of)})|_{{{texts}}}", _FACTOR
        case _:
            raise TypeError(f"no way to write {type(node).__name__}")


def _without_minus(node: Node) -> tuple[Node, ...] | None:
    """The factors behind a leading -1, where there is one."""
    match node:
        case Product((first, *rest), False) if first == MINUS_ONE and rest:
            return tuple(rest)
        case _:
            return None


def _negated(factors: Sequence[Node]) -> str:
    """What stands behind a minus."""
    if len(factors) > 1:
        return _joined(factors)
    bare = isinstance(factors[0], Product) and factors[0].elementwise
    return echo(factors[0], _HADAMARD if bare else _FACTOR)


def _joined(factors: Sequence[Node]) -> str:
    """Factors with · between them, arrays side by side."""
    text = echo(factors[0], _FACTOR)
    for before, factor in itertools.pairwise(factors):
        text += (" " if is_array(before) and is_array(factor) else "·") + echo(factor, _FACTOR)
    return text


def _called(function: str) -> str:
    """σ, and what the writers print where formulas read it too: arcsin, but sign, relu."""
    row = {**ACTIVATIONS, **ELEMENTARY}.get(function)
    if row is not None and (len(row.text) == 1 or row.text in getattr(row, "aliases", ())):
        return row.text
    return _NAMED.get(function, function)


def shown_index(index: Index) -> str:
    """An index as it is written: 2, i, k+1, ℓ."""
    if index.is_number:
        return str(index.offset)
    letter = "ℓ" if index.letter == ELL else index.letter
    return letter + (f"{index.offset:+d}" if index.offset else "")


def _sample(sample: Index | None) -> str:
    """The sample above a quantity; a dot for each of them."""
    if sample is None:
        return ""
    return "^{(·)}" if sample == EVERY else f"^{{({shown_index(sample)})}}"


def _subscript(indices: Sequence[Index], *, listed: bool = False) -> str:
    if not indices:
        return ""
    texts = [shown_index(index) for index in indices]
    if all(text.isdigit() and len(text) == 1 for text in texts) and not listed:
        return "_" + "".join(texts)
    return "_{" + ",".join(texts) + "}"
