"""What was read, written back in one spelling: `echo` for a node, `echo_claim` for a line.

The echo is text in the lectures' letters, ``∂L/∂w_212 = (ŷ_1 - y_1)·h_12``; reading it gives the
same nodes.  Brackets stand wherever they are needed for that, products are written with ·, matrix
products with a blank, and indices are packed only where each has one digit.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction

from symback.checking.meaning import (
    Claim,
    Scope,
)
from symback.language.budget import spend
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

__all__ = ["echo", "echo_claim"]

_LETTERS = {"yhat": "ŷ", "delta": "δ", "eta": "η"}
_GREEK = {
    "Delta": "Δ", "Gamma": "Γ", "Theta": "Θ", "Lambda": "Λ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
    "alpha": "α", "beta": "β", "gamma": "γ", "epsilon": "ε", "zeta": "ζ", "theta": "θ",
    "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "rho": "ρ", "sigma": "σ",
    "tau": "τ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω", "delta": "δ", "pi": "π",
}  # fmt: skip

# How tightly a node holds together: what is below its neighbours' need is put in brackets.
_SUM, _HADAMARD, _PRODUCT, _FACTOR, _ATOM = range(5)


def echo(node: Node, scope: Scope) -> str:
    """``node`` as text.

    >>> scope = Scope((2, 3, 2), ("sigmoid", "softmax"), (1, 1))
    >>> error = Total(
    ...     (Element("yhat", (Index("", 1),)), Product((Number(Fraction(-1)), Number(Fraction(2)))))
    ... )
    >>> echo(Product((error, Element("h", (Index("", 1), Index("", 2))))), scope)
    '(ŷ_1 - 2)·h_12'
    """
    return _Echo(scope).write(node)


def echo_claim(claim: Claim, scope: Scope) -> str:
    """A whole line as text."""
    sides = [echo(side.node, scope) for side in claim.sides]
    marks = [relation.value for relation in claim.relations]
    if claim.continues:
        return " ".join(f"{mark} {side}" for mark, side in zip(marks, sides, strict=True))
    rest = (f" {mark} {side}" for mark, side in zip(marks, sides[1:], strict=True))
    return sides[0] + "".join(rest)


class _Echo:
    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def write(self, node: Node, need: int = _SUM) -> str:
        """The text, in brackets where ``node`` holds together less than ``need``."""
        spend()
        text, tightness = getattr(self, f"_{type(node).__name__.lower()}")(node)
        return text if tightness >= need else f"({text})"

    # ------------------------------------------------------------------------------- numbers

    def _number(self, node: Number) -> tuple[str, int]:
        value = node.value
        if node.decimals is not None:
            return _decimal(value, node.decimals), _ATOM if value >= 0 else _SUM
        if value.denominator != 1:
            return f"{value.numerator}/{value.denominator}", _PRODUCT if value > 0 else _SUM
        return str(value.numerator), _ATOM if value >= 0 else _SUM

    def _total(self, node: Total) -> tuple[str, int]:
        text = self._term(node.terms[0])
        for term in node.terms[1:]:
            size = _without_minus(term)
            if size is None:
                text += " + " + self._term(term)
            else:
                text += " - " + self._negated(size)
        return text, _SUM

    def _term(self, node: Node) -> str:
        return self.write(node, _HADAMARD) if isinstance(node, Total) else self.write(node)

    def _negated(self, factors: Sequence[Node]) -> str:
        if len(factors) > 1:
            return self._factors(factors)
        (factor,) = factors
        bare = isinstance(factor, Product) and factor.elementwise
        return self.write(factor, _HADAMARD if bare else _FACTOR)

    def _product(self, node: Product) -> tuple[str, int]:
        if node.elementwise:
            return " ⊙ ".join(self.write(part, _PRODUCT) for part in node.factors), _HADAMARD
        size = _without_minus(node)
        if size is not None:
            return "-" + self._negated(size), _SUM
        return self._factors(node.factors), _PRODUCT

    def _factors(self, factors: Sequence[Node]) -> str:
        text = self.write(factors[0], _FACTOR)
        for before, factor in itertools.pairwise(factors):
            joint = " " if is_array(before) and is_array(factor) else "·"
            text += joint + self.write(factor, _FACTOR)
        return text

    def _quotient(self, node: Quotient) -> tuple[str, int]:
        above = self.write(node.above, _FACTOR)
        return f"{above}/{self.write(node.below, _ATOM)}", _PRODUCT

    def _power(self, node: Power) -> tuple[str, int]:
        base = self.write(node.base, _ATOM)
        if not (self._keeps_its_power(node) or base.startswith("(")):
            base = f"({base})"
        return f"{base}^{{{self.write(node.exponent)}}}", _FACTOR

    @staticmethod
    def _keeps_its_power(node: Power) -> bool:
        """Whether what stands above is no layer, transpose or argument to a reader."""
        bare = isinstance(node.base, (Element, Number)) and node.base != LOSS
        return bare and isinstance(node.exponent, Number)

    # ---------------------------------------------------------------------------- quantities

    def _element(self, node: Element) -> tuple[str, int]:
        name = _LETTERS.get(node.letter, node.letter)
        return name + _subscript(node.indices), _ATOM

    def _array(self, node: Array) -> tuple[str, int]:
        name = _LETTERS.get(node.letter, node.letter)
        return name + ("" if node.layer is None else _subscript((node.layer,))), _ATOM

    def _named(self, node: Named) -> tuple[str, int]:
        name = "ŷ" if node.name == "yhat" else _GREEK.get(node.name, node.name)
        return name + _subscript(node.indices, listed=True), _ATOM

    def _letter(self, node: Letter) -> tuple[str, int]:
        return _index(node.index), _ATOM

    def _onehot(self, node: OneHot) -> tuple[str, int]:
        return f"e({_index(node.index)})", _ATOM

    def _ones(self, node: Ones) -> tuple[str, int]:
        return f"ones({self.write(node.like)})", _ATOM

    def _derivative(self, node: Derivative) -> tuple[str, int]:
        if isinstance(node.by, Array) and node.of == LOSS:
            return f"∇_{{{self.write(node.by)}}} L", _FACTOR
        by = self.write(node.by)
        if isinstance(node.of, (Element, Array, Named)):
            return f"∂{self.write(node.of)}/∂{by}", _FACTOR
        return f"∂/∂{by} [{self.write(node.of)}]", _FACTOR

    # ------------------------------------------------------------------------------- arrays

    def _transpose(self, node: Transpose) -> tuple[str, int]:
        return self.write(node.of, _ATOM) + "ᵀ", _FACTOR

    def _matrix(self, node: Matrix) -> tuple[str, int]:
        rows = r" \\ ".join(" & ".join(self.write(cell) for cell in row) for row in node.rows)
        return rf"\begin{{bmatrix}} {rows} \end{{bmatrix}}", _ATOM

    def _component(self, node: Component) -> tuple[str, int]:
        simple = isinstance(node.of, Call) and not node.of.primes
        body = self.write(node.of, _ATOM) if simple else f"({self.write(node.of)})"
        return body + _subscript(node.indices, listed=True), _FACTOR

    # ---------------------------------------------------------------------------- functions

    def _call(self, node: Call) -> tuple[str, int]:
        if node.function == "pi":
            return "π", _ATOM
        name = _called(node.function) + "′" * node.primes
        return f"{name}({', '.join(self.write(each) for each in node.arguments)})", _ATOM

    def _sum(self, node: Sum) -> tuple[str, int]:
        sign = "Π" if node.product else "Σ"
        below = node.letter
        if node.lower != 1 or node.upper is not None:
            below += f"={node.lower}"
        if node.without is not None:
            below += f", {node.letter}≠{_index(node.without)}"
        above = "" if node.upper is None else f"^{{{_index(node.upper)}}}"
        body = self.write(node.body, _FACTOR) if node.product else self._summand(node.body)
        return f"{sign}_{{{below}}}{above} {body}", _HADAMARD

    def _summand(self, body: Node) -> str:
        tight = isinstance(body, Product) and _without_minus(body) is None
        return self.write(body) if tight else self.write(body, _PRODUCT)

    def _indicator(self, node: Indicator) -> tuple[str, int]:
        return f"⟦{self.write(node.condition)}⟧", _ATOM

    def _comparison(self, node: Comparison) -> tuple[str, int]:
        mark = {"!=": "≠", "<=": "≤", ">=": "≥"}.get(node.relation, node.relation)
        return f"{self.write(node.left)} {mark} {self.write(node.right)}", _SUM

    def _cases(self, node: Cases) -> tuple[str, int]:
        rows = (
            self.write(value)
            + (r" & \text{otherwise}" if condition is None else " & " + self.write(condition))
            for value, condition in node.branches
        )
        return r"\begin{cases} " + r" \\ ".join(rows) + r" \end{cases}", _ATOM

    def _at(self, node: At) -> tuple[str, int]:
        values = ", ".join(f"{self.write(left)}={self.write(right)}" for left, right in node.values)
        return f"({self.write(node.of)})|_{{{values}}}", _FACTOR


def _without_minus(node: Node) -> tuple[Node, ...] | None:
    """The factors behind a leading -1, where there is one."""
    if isinstance(node, Product) and not node.elementwise and len(node.factors) > 1:
        first, *rest = node.factors
        if first == Number(Fraction(-1)):
            return tuple(rest)
    return None


def _decimal(value: Fraction, decimals: int) -> str:
    scaled = abs(value) * 10**decimals
    digits = str(scaled.numerator // scaled.denominator).rjust(decimals + 1, "0")
    whole, part = digits[: len(digits) - decimals], digits[len(digits) - decimals :]
    return ("-" if value < 0 else "") + whole + ("." + part if part else ".0")


def _called(function: str) -> str:
    """σ, and what the writers print where formulas read it too: arcsin, but sign, relu."""
    row = {**ACTIVATIONS, **ELEMENTARY}.get(function)
    if row is not None and (len(row.text) == 1 or row.text in getattr(row, "aliases", ())):
        return row.text
    return function


def _index(index: Index) -> str:
    if index.is_number:
        return str(index.offset)
    letter = "ℓ" if index.letter == ELL else index.letter
    return letter + (f"{index.offset:+d}" if index.offset else "")


def _subscript(indices: Sequence[Index], *, listed: bool = False) -> str:
    if not indices:
        return ""
    texts = [_index(index) for index in indices]
    if all(text.isdigit() and len(text) == 1 for text in texts) and not listed:
        return "_" + "".join(texts)
    return "_{" + ",".join(texts) + "}"
