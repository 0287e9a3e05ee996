r"""A formula set for a page: `in_latex`.

This is what `symback.language.echo` says, in LaTeX: quotients as fractions, derivatives in ∂, and
brackets that grow.  KaTeX sets it in its strict mode, and the checker reads the same formula from
it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from symback.language.budget import spend
from symback.language.echo import shown_index
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
from symback.language.writing import latex_letter

# How tightly a node holds together: what is below its neighbours' need is put in brackets.
_SUM, _HADAMARD, _PRODUCT, _FACTOR, _ATOM = range(5)

_RELATIONS = {"!=": r"\neq", "<=": r"\leq", ">=": r"\geq"}


def in_latex(node: Node, need: int = _SUM) -> str:
    r"""``node`` in LaTeX, in brackets where it holds together less than ``need``.

    >>> w, h = (Element(letter, (Index("", 1), Index("", 2))) for letter in ("w", "h"))
    >>> print(in_latex(Quotient(Total((w, Product((MINUS_ONE, h)))), h)))
    \frac{w_{12} - h_{12}}{h_{12}}
    """
    spend()
    text, tightness = _written(node)
    return text if tightness >= need else _in_brackets(text)


def _in_brackets(text: str) -> str:
    """Brackets that grow where something is tall; a line may end within the others."""
    is_tall = any(each in text for each in (r"\frac", r"\sum", r"\prod", r"\begin", r"\left"))
    return rf"\left({text}\right)" if is_tall else f"({text})"


def _written(node: Node) -> tuple[str, int]:
    """The LaTeX of a node, and how tightly it holds together."""
    match node:
        case Number(value):
            return _number(node), _SUM if value < 0 else _ATOM
        case Total(terms):
            text = in_latex(terms[0], _HADAMARD if isinstance(terms[0], Total) else _SUM)
            for term in terms[1:]:
                size = _without_minus(term)
                if size is not None:
                    text += f" - {_negated(size)}"
                else:
                    need = _HADAMARD if isinstance(term, (Total, Number)) else _SUM
                    text += " + " + in_latex(term, need)
            return text, _SUM
        case Product(factors, True):
            return r" \odot ".join(in_latex(part, _PRODUCT) for part in factors), _HADAMARD
        case Product(factors):
            size = _without_minus(node)
            return (_joined(factors), _PRODUCT) if size is None else (f"-{_negated(size)}", _SUM)
        case Quotient(above, below):
            return rf"\frac{{{in_latex(above)}}}{{{in_latex(below)}}}", _FACTOR
        case Power(base, exponent):
            bare = isinstance(base, (Element, Free, Number)) and base != LOSS
            text = in_latex(base, _ATOM)
            is_open = not text.startswith(("(", r"\left("))
            if is_open and not (bare and isinstance(exponent, Number)):
                text = _in_brackets(text)
            return rf"{text}^{{{in_latex(exponent)}}}", _FACTOR
        case Element(letter, indices, sample):
            return _letter(letter) + _subscript(indices) + _of_sample(sample), _ATOM
        case Named(letter, indices) | Free(letter, indices):
            return _letter(letter) + _subscript(indices, listed=True), _ATOM
        case Array(letter, layer, sample):
            below = _subscript(() if layer is None else (layer,))
            return _letter(letter) + below + _of_sample(sample), _ATOM
        case Letter(index):
            return _index(index), _ATOM
        case OneHot(index):
            return f"e({_index(index)})", _ATOM
        case Ones():
            return r"\mathbf{1}", _ATOM
        case Derivative(of, Array() as by) if of == LOSS:
            return rf"\nabla_{{{in_latex(by)}}} L", _FACTOR
        case Derivative(Element() | Array() | Named() as of, by):
            return rf"\frac{{\partial {in_latex(of)}}}{{\partial {in_latex(by)}}}", _FACTOR
        case Derivative(of, by):
            return (
                rf"\frac{{\partial}}{{\partial {in_latex(by)}}} \left[{in_latex(of)}\right]",
                _FACTOR,
            )
        case Transpose(of):
            return in_latex(of, _ATOM) + r"^\top", _FACTOR
        case Matrix(rows):
            text = r" \\ ".join(" & ".join(map(in_latex, row)) for row in rows)
            return rf"\begin{{bmatrix}} {text} \end{{bmatrix}}", _ATOM
        case Component(of, indices):
            simple = isinstance(of, Call) and not of.primes
            body = in_latex(of, _ATOM) if simple else _in_brackets(in_latex(of))
            return body + _subscript(indices, listed=True), _FACTOR
        case Call():
            return _call(node), _ATOM
        case Sum():
            return _sum(node), _HADAMARD
        case Indicator(condition):
            return rf"\mathbf{{1}}[{in_latex(condition)}]", _ATOM
        case Comparison(left, relation, right):
            return f"{in_latex(left)} {_RELATIONS.get(relation, relation)} {in_latex(right)}", _SUM
        case Cases(branches):
            rows = (
                in_latex(value)
                + (r" & \text{otherwise}" if condition is None else f" & {in_latex(condition)}")
                for value, condition in branches
            )
            return r"\begin{cases} " + r" \\ ".join(rows) + r" \end{cases}", _ATOM
        case At(of, values):
            texts = ", ".join(f"{in_latex(left)}={in_latex(right)}" for left, right in values)
            return rf"\left.{in_latex(of, _FACTOR)}\right|_{{{texts}}}", _FACTOR
        case _:
            raise TypeError(f"no way to write {type(node).__name__}")


def _number(node: Number) -> str:
    value, sign = abs(node.value), "-" * (node.value < 0)
    if node.decimals is not None:
        digits = str(int(value * 10**node.decimals)).rjust(node.decimals + 1, "0")
        whole = len(digits) - node.decimals
        return f"{sign}{digits[:whole]}.{digits[whole:] or 0}"
    if value.denominator == 1:
        return f"{sign}{value}"
    return rf"{sign}\frac{{{value.numerator}}}{{{value.denominator}}}"


def _sum(node: Sum) -> str:
    below = node.letter
    if node.lower != 1 or node.upper is not None:
        below += f"={node.lower}"
    if node.without is not None:
        below += rf",\, {node.letter} \neq {_index(node.without)}"
    above = "" if node.upper is None else f"^{{{_index(node.upper)}}}"
    tight = isinstance(node.body, Product) and _without_minus(node.body) is None
    need = _FACTOR if node.product else _SUM if tight else _PRODUCT
    sign = r"\prod" if node.product else r"\sum"
    return rf"{sign}_{{{below}}}{above} {in_latex(node.body, need)}"


def _call(node: Call) -> str:
    function, arguments, primes = node.function, node.arguments, "'" * node.primes
    match function, arguments:
        case "pi", ():
            return r"\pi"
        case "exp", (of,) if not primes:
            return f"e^{{{in_latex(of)}}}"
        case "sqrt", (of,) if not primes:
            return rf"\sqrt{{{in_latex(of)}}}"
        case "abs", (of,) if not primes:
            return rf"\left|{in_latex(of)}\right|"
    row = {**ACTIVATIONS, **ELEMENTARY}.get(function)
    name = getattr(row, "latex", "") or (
        function if len(function) == 1 else rf"\operatorname{{{function}}}"
    )
    return f"{name}{primes}" + _in_brackets(", ".join(map(in_latex, arguments)))


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
    return in_latex(factors[0], _HADAMARD if bare else _FACTOR)


def _joined(factors: Sequence[Node]) -> str:
    r"""Factors side by side, with \cdot where one might take them for something else."""
    text = in_latex(factors[0], _FACTOR)
    for before, factor in itertools.pairwise(factors):
        written = in_latex(factor, _FACTOR)
        apart = isinstance(factor, Number) or isinstance(before, Derivative) or (
            written.startswith(("(", r"\left(", "g", "O")) and not isinstance(before, Number)
        )  # fmt: skip
        is_dotted = apart and not (is_array(before) and is_array(factor))
        text += (r" \cdot " if is_dotted else r" \, ") + written
    return text


def _letter(letter: str) -> str:
    return r"\hat{y}" if letter == "yhat" else latex_letter(letter)


def _of_sample(sample: Index | None) -> str:
    if sample is None:
        return ""
    return r"^{(\cdot)}" if sample == EVERY else f"^{{({_index(sample)})}}"


def _index(index: Index) -> str:
    return shown_index(index).replace("ℓ", r"\ell ") if index.letter == ELL else shown_index(index)


def _subscript(indices: Sequence[Index], *, listed: bool = False) -> str:
    if not indices:
        return ""
    texts = [_index(index) for index in indices]
    packed = all(text.isdigit() and len(text) == 1 for text in texts) and not listed
    return f"_{{{('' if packed else ',').join(texts)}}}"
