"""Writing an expression down: LaTeX for sheets and notebooks, Unicode text for terminals.

`Latex` and `Text` print every node that a derivation can hold, in the order a person reads it:
factors and terms of `Product` and `Terms` as they stand, sums with their positive terms first, a
fraction for what is divided by.  A node that neither knows raises; nothing is printed by chance.

Both take ``numbers``: then names that have a number are printed as that number, which is how a
sheet shows a formula again with the numbers put in.  `Lettering` says how letters are written.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence

import sympy
from sympy import Add, Expr, Indexed, KroneckerDelta, Mul, Piecewise, Pow, Sum, Symbol
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational
from sympy.printing.printer import Printer

from symback.language.algebra import Partial, Product, Terms
from symback.language.functions import ACTIVATIONS, BY_SYMPY, ELEMENTARY
from symback.language.names import (
    GREEK,
    GREEK_LETTERS,
    NETWORK,
    SAMPLE,
    Lettering,
    Spelling,
    array_name,
    split_name,
    unpack,
)

__all__ = [
    "Latex",
    "Text",
    "is_indicator",
    "signed",
]


_LOOKALIKES = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΧο", "ABEZHIKMNOPTXo")


def is_indicator(expr: Expr) -> bool:
    """Whether ``expr`` is 1 under one condition and 0 otherwise."""
    return isinstance(expr, Piecewise) and [value for value, _ in expr.args] == [1, 0]


class _Writer(Printer):
    """What the two dialects share: signs, order, parentheses.  Subclasses supply the marks."""

    def __init__(
        self, lettering: Lettering = NETWORK, numbers: Mapping[Expr, str] | None = None
    ) -> None:
        super().__init__()
        self.lettering = lettering
        self.numbers = dict(numbers or {})

    def write(self, expr: Expr) -> str:
        """``expr`` as a string."""
        return self._print(expr)

    def _print(self, expr, **kwargs):  # numbers come before every rule, also for ∂L/∂a
        if expr in self.numbers:
            return self.numbers[expr]
        return super()._print(expr, **kwargs)

    def emptyPrinter(self, expr):
        raise TypeError(f"no way to write {type(expr).__name__}: {expr!r}")

    # ------------------------------------------------------------------------------- sums

    def _print_Add(self, expr: Add) -> str:
        return self._join(self.in_order(expr))

    def _print_Terms(self, expr: Terms) -> str:
        return self._join(self.in_order(expr))

    def in_order(self, expr: Add | Terms) -> Sequence[Expr]:
        """The terms of a sum as they are written, first to last."""
        return expr.args if isinstance(expr, Terms) else sorted(expr.args, key=_reading_order)

    def _join(self, terms: Sequence[Expr]) -> str:
        return "".join(mark + body for mark, body in self.signed_terms(terms))

    def signed_terms(self, terms: Sequence[Expr]) -> list[tuple[str, str]]:
        """Each term as its sign, with spaces, and its body; no sign before a first term above 0."""
        pieces = []
        for position, term in enumerate(terms):
            negative, size = _sign(term)
            body = self._print(size)
            if isinstance(size, (Add, Terms)) or (body.startswith("-") and (position or negative)):
                body = self.parenthesised(body)
            mark = (" - " if negative else " + ") if position else ("-" if negative else "")
            pieces.append((mark, body))
        return pieces

    # --------------------------------------------------------------------------- products

    def _print_Mul(self, expr: Mul) -> str:
        number, rest = expr.as_coeff_Mul()
        if number is sympy.S.NegativeOne and isinstance(rest, (Add, Terms)):
            return "-" + self.parenthesised(self._print(rest))
        if number.is_negative:
            return self._negated(self._fraction([-number, *_factors_in_order(rest)]))
        return self._fraction([number, *_factors_in_order(rest)])

    def _negated(self, body: str) -> str:
        """A minus before what may have become a negative number: -(-0.3)."""
        return "-" + (self.parenthesised(body) if body.startswith("-") else body)

    def _print_Product(self, expr: Product) -> str:
        negative, size = _sign(expr)
        factors = _with_divisors(size.args) if isinstance(size, Product) else [size]
        body = self._side_by_side(factors)
        if negative and isinstance(size, (Add, Terms)):
            body = self.parenthesised(body)
        return self._negated(body) if negative else body

    def _fraction(self, factors: list[Expr]) -> str:
        """Factors over divisors; a plain rational in front keeps its own fraction."""
        above = [factor for factor in factors if factor != 1 and not _is_divisor(factor)]
        below = [1 / factor for factor in factors if _is_divisor(factor)]
        if below and above and above[0].is_Rational and not above[0].is_Integer:
            above, below = [above[0].p, *above[1:]], [above[0].q, *below]
            above = [
                sympy.Integer(part) if isinstance(part, int) else part
                for part in above
                if part != 1
            ]
            below = [sympy.Integer(part) if isinstance(part, int) else part for part in below]
        body = self._side_by_side(above) if above else "1"
        return self.quotient(body, self._side_by_side(below)) if below else body

    def _side_by_side(self, factors: list[Expr]) -> str:
        if len(factors) == 1:
            return self._print(factors[0])
        pieces = self._pieces(factors)
        return self.multiply([body for _, body in pieces], self.has_names(pieces))

    def _pieces(self, factors: list[Expr]) -> list[tuple[Expr, str]]:
        """Each factor, and how it is written among the others."""
        factors = [part for factor in factors[:-1] for part in self._opened(factor)] + factors[-1:]
        last = len(factors) - 1
        return [
            (factor, self._factor(factor, first=i == 0, last=i == last))
            for i, factor in enumerate(factors)
        ]

    def has_names(self, pieces: Sequence[tuple[Expr, str]]) -> bool:
        """Whether a derivative is among the factors by its name."""
        return any(isinstance(part, Partial) and part not in self.numbers for part, _ in pieces)

    def signed_factors(self, expr: Product) -> tuple[str, list[tuple[Expr, str]]]:
        """The minus in front, if any, and each factor with how it is written among the others."""
        negative, size = _sign(expr)
        pieces = self._pieces(_with_divisors(size.args) if isinstance(size, Product) else [size])
        first, body = pieces[0]
        if negative and body.startswith("-"):
            pieces[0] = first, self.parenthesised(body)
        return "-" if negative else "", pieces

    def _factor(self, factor: Expr, *, first: bool, last: bool) -> str:
        body = self._print(factor)
        if factor in self.numbers:
            bare = not body.startswith("-")
        elif isinstance(factor, Piecewise):
            bare = is_indicator(factor)
        elif isinstance(factor, (Add, Terms)) or (body.startswith("-") and not first):
            bare = False
        else:
            bare = last or not self._ends_in_sum(factor)
        return body if bare else self.parenthesised(body)

    def _opened(self, factor: Expr) -> Sequence[Expr]:
        """The factors of a product that ends in a Σ, so that (2 Σ f) g reads 2 (Σ f) g."""
        opened = isinstance(factor, Product) and self._ends_in_sum(factor)
        return factor.args if opened else (factor,)

    def _ends_in_sum(self, factor: Expr) -> bool:
        """Whether a Σ would run over what is written after the factor."""
        if factor in self.numbers:
            return False
        if isinstance(factor, Mul) and not any(map(_is_divisor, factor.args)):
            return self._ends_in_sum(_factors_in_order(factor)[-1])
        if isinstance(factor, Product):
            return self._ends_in_sum(_with_divisors(factor.args)[-1])
        return isinstance(factor, Sum)

    def _print_Pow(self, expr: Pow) -> str:
        if _is_divisor(expr):
            return self.quotient("1", self._print(1 / expr))
        if expr.exp == sympy.Rational(1, 2):
            return self.root(self._print(expr.base))
        body, exponent = self._print(expr.base), self._print(expr.exp)
        if expr.base in self.numbers:
            plain = re.fullmatch(r"\d+(\.\d+)?", body) is not None
        elif self._is_written_sin_2_x(expr.base):
            power = self.power(self._function_name(expr.base), exponent)
            return self.applied(power, expr.base.args)
        else:
            named = isinstance(expr.base, (Symbol, Indexed)) and "^" not in body
            plain = named or (expr.base.is_Integer and expr.base.is_nonnegative)
        return self.power(body if plain else self.parenthesised(body), exponent)

    # -------------------------------------------------------------------------- functions

    def _print_Function(self, expr: sympy.Function) -> str:
        return self.applied(self._function_name(expr), expr.args)

    def _function_name(self, expr: sympy.Function) -> str:
        name = type(expr).__name__
        return self.operator(BY_SYMPY[name].name if name in BY_SYMPY else name)

    @staticmethod
    def _is_written_sin_2_x(base: Expr) -> bool:
        """Whether the exponent stands behind the name of a function: sin²(x)."""
        row = BY_SYMPY.get(type(base).__name__)
        return row is not None and row.arguments == 1 and bool(row.latex)

    def _print_exp(self, expr: sympy.exp) -> str:
        return self.power(self.euler, self._print(expr.args[0]))

    def _print_Exp1(self, expr: Expr) -> str:
        return self.euler

    # ----------------------------------------------------------------------------- numbers

    def _print_Integer(self, expr: sympy.Integer) -> str:
        return str(int(expr))

    def _print_Rational(self, expr: sympy.Rational) -> str:
        mark = "-" if expr.p < 0 else ""
        return mark + self.quotient(str(abs(expr.p)), str(expr.q))

    # -------------------------------------------------------------------------- conditions

    def joined(self, word: str, expr: Expr) -> str:
        """Conditions with "and" or "or" between them, those of the other kind in parentheses."""
        parts = sorted(expr.args, key=sympy.default_sort_key)
        return word.join(
            self._print(part)
            if isinstance(part, Relational)
            else self.parenthesised(self._print(part))
            for part in parts
        )

    # ------------------------------------------------------------------------------- names

    def _print_Symbol(self, expr: Symbol) -> str:
        if expr.name == "L":
            return self.loss
        letter, numbers = split_name(expr.name)
        return self.named(letter, unpack(numbers))

    def _print_Indexed(self, expr: Indexed) -> str:
        letter, layer = array_name(expr.base.name)
        indices = (*layer, *(self._print(i) for i in expr.indices if i != SAMPLE))
        return self.named("w" if letter == "W" else letter, indices, SAMPLE in expr.indices)

    def _print_Partial(self, expr: Partial) -> str:
        name = type(self)(self.lettering)._print  # numbers may stand for ∂L/∂a, not within it
        body = self.derivative(name(expr.of), name(expr.by))
        return self.held(body, ", ".join(map(name, expr.held))) if expr.held else body

    def named(self, letter: str, indices: tuple[str, ...], sampled: bool = False) -> str:
        """A quantity of the lectures, the layer first among its indices, in the page's letters."""
        return self.spelled(self.lettering.spelling(letter, indices), sampled)

    # -------------------------------------------------------------------- marks of a dialect

    euler = "e"
    parenthesised: Callable[[str], str]
    quotient: Callable[[str, str], str]
    power: Callable[[str, str], str]
    root: Callable[[str], str]
    operator: Callable[[str], str]
    spelled: Callable[..., str]
    derivative: Callable[[str, str], str]
    held: Callable[[str, str], str]

    @property
    @abstractmethod
    def loss(self) -> str:
        """The letter of the loss."""

    @abstractmethod
    def multiply(self, factors: list[str], has_partials: bool) -> str:
        """Factors beside each other."""

    def applied(self, function: str, arguments: Iterable[Expr]) -> str:
        """A function of its arguments."""
        return function + self.parenthesised(
            ", ".join(self._print(argument) for argument in arguments)
        )


def _reading_order(term: Expr):
    """Positive terms first; among them numbers, then names, then sums with Σ."""
    negative, size = _sign(term)
    return negative, not size.is_Number, size.has(Sum), sympy.default_sort_key(size)


def signed(term: Expr) -> tuple[bool, Expr]:
    """Whether ``term`` is written with a minus in front, and what stands behind that minus."""
    return _sign(term)


def _sign(term: Expr) -> tuple[bool, Expr]:
    """Whether a term is written with a minus, and the term without it."""
    if isinstance(term, Product):
        negative, first = _sign(term.args[0])
        if negative and not isinstance(term.args[0], (Add, Terms)):
            return True, Product(first, *term.args[1:])
        return False, term
    if term.is_Number or isinstance(term, Mul):
        number, rest = term.as_coeff_Mul()
        if number.is_negative:
            kept = number == -1 or not isinstance(rest, Add)  # 2 (y - ŷ) would be multiplied out
            return True, (-number) * rest if kept else Mul(-number, rest, evaluate=False)
    return False, term


def _factors_in_order(expr: Expr) -> list[Expr]:
    return sorted(Mul.make_args(expr), key=_factor_rank)


def _factor_rank(factor: Expr):
    kind = (
        isinstance(factor, Sum),
        isinstance(factor, (Add, Terms, Product)),
        bool(factor.atoms(sympy.Function)),
    )
    return (isinstance(factor, (Partial,)) is False, *kind, sympy.default_sort_key(factor))


def _with_divisors(factors: Sequence[Expr]) -> list[Expr]:
    """Each divisor under the factor before it: (1 - y)·1/(1 - ŷ) is one fraction."""
    merged: list[Expr] = []
    for factor in factors:
        if merged and _is_divisor(factor) and not isinstance(merged[-1], (Product, Terms, Partial)):
            merged[-1] = Mul(merged[-1], factor)
        else:
            merged.append(factor)
    return merged


def _is_divisor(expr: Expr) -> bool:
    return isinstance(expr, Pow) and expr.exp.is_Rational and expr.exp.is_negative


def _is_sampled(expr: Expr) -> bool:
    return isinstance(expr, Indexed) and SAMPLE in expr.indices


_SUPERSCRIPT = re.compile(r"\^\{\(?\w*\)?(?:\(s\))?\}")
"""How LaTeX marks a layer, or one sample of a batch: its parentheses are no brackets."""

_BRACKETED_NUMBER = re.compile(
    r"(\\left)?[(\[]([^a-zA-Z\\{}_]|\\cdot |\^\{-?\d+\})*(\\right)?[)\]]"
)
"""A bracket with numbers alone, which would read as an argument: 0.5 (-1), h (-1)."""


class Latex(_Writer):
    """LaTeX that TeX (with mathrsfs), KaTeX and MathJax all typeset, with no macros of our own."""

    @property
    def loss(self) -> str:
        """The letter of the loss in LaTeX."""
        return self.lettering.loss

    def parenthesised(self, body: str) -> str:
        """(body), or [body] around other parentheses, as tall as the body asks."""
        plain = _SUPERSCRIPT.sub("", body)
        left, right = ("[", "]") if "(" in plain and "[" not in plain else ("(", ")")
        tall = any(mark in body for mark in (r"\frac", r"\sum", r"\begin"))
        return rf"\left{left}{body}\right{right}" if tall else f"{left}{body}{right}"

    def quotient(self, above: str, below: str) -> str:
        """above/below."""
        return rf"\frac{{{above}}}{{{below}}}"

    def power(self, base: str, exponent: str) -> str:
        """base to the exponent."""
        return f"{base}^{{{exponent}}}"

    def root(self, body: str) -> str:
        """The square root."""
        return rf"\sqrt{{{body}}}"

    def operator(self, name: str) -> str:
        """The name of a function."""
        row = ELEMENTARY.get(name) or ACTIVATIONS.get(name)
        if row is not None and row.latex:
            return row.latex
        return rf"\operatorname{{{_tex_word(name)}}}"

    def multiply(self, factors: list[str], has_partials: bool) -> str:
        """A thin space, or a dot where two numbers would run together and before (-1)."""
        joined = factors[0]
        for factor in factors[1:]:
            runs_together = (
                factor[0].isdigit()
                or (factor.startswith(r"\frac") and not has_partials and joined[-1].isdigit())
                or _BRACKETED_NUMBER.fullmatch(factor) is not None
            )
            joined += (r" \cdot " if runs_together else r"\,") + factor
        return joined

    def spelled(self, spelled: Spelling, sampled: bool = False) -> str:
        """A letter with its indices; a layer may be a superscript, and the sample is one."""
        above = spelled.superscript + ("(s)" if sampled else "")
        subscript = f"_{{{spelled.subscript}}}" if spelled.subscript else ""
        return _latex_letter(spelled.letter) + subscript + (f"^{{{above}}}" if above else "")

    def derivative(self, of: str, by: str) -> str:
        """∂of/∂by as a fraction."""
        d = self.lettering.differential + ("" if self.lettering.differential == "d" else " ")
        return rf"\frac{{{d}{of}}}{{{d}{by}}}"

    def held(self, derivative: str, quantities: str) -> str:
        """A derivative while other quantities do not change."""
        return rf"\left.{derivative}\right|_{{{quantities}}}"

    def _print_AppliedUndef(self, expr: AppliedUndef) -> str:
        name, row = expr.func.__name__, ACTIVATIONS.get(expr.func.__name__)
        if row is not None and row.coupled:
            element = expr.args[0]
            vector = self.named(*array_name(element.base.name), _is_sampled(element))
            return rf"{self.operator(name)}({vector})_{{{self._print(element.indices[-1])}}}"
        return self.applied(self.operator(name), expr.args)

    def _print_Abs(self, expr: sympy.Abs) -> str:
        return rf"\left|{self._print(expr.args[0])}\right|"

    def _print_Sum(self, expr: Sum) -> str:
        bound, lower, upper = expr.limits[0]
        body = self._print(expr.function)
        if isinstance(expr.function, (Add, Terms)) or body.startswith("-"):
            body = self.parenthesised(body)
        return (
            rf"\sum_{{{self._print(bound)}={self._print(lower)}}}^{{{self._print(upper)}}} {body}"
        )

    def _print_KroneckerDelta(self, expr: KroneckerDelta) -> str:
        left, right = sorted(expr.args, key=sympy.default_sort_key)
        return rf"\mathbf{{1}}_{{\{{{self._print(left)}={self._print(right)}\}}}}"

    def _print_Piecewise(self, expr: Piecewise) -> str:
        if is_indicator(expr):
            return rf"\mathbf{{1}}_{{\{{{self._print(expr.args[0][1])}\}}}}"
        rows = [
            rf"{self._print(value)} & {self._condition(condition)}"
            for value, condition in expr.args
        ]
        return r"\begin{cases} " + r" \\ ".join(rows) + r" \end{cases}"

    def _condition(self, condition: Expr) -> str:
        return (
            r"\text{otherwise}"
            if condition == sympy.true
            else rf"\text{{if }} {self._print(condition)}"
        )

    def _print_Relational(self, expr) -> str:
        mark = {">=": r"\geq", "<=": r"\leq", ">": ">", "<": "<", "==": "=", "!=": r"\neq"}[
            expr.rel_op
        ]
        return f"{self._print(expr.lhs)} {mark} {self._print(expr.rhs)}"

    def _print_And(self, expr) -> str:
        return self.joined(r" \text{ and } ", expr)

    def _print_Or(self, expr) -> str:
        return self.joined(r" \text{ or } ", expr)

    def _print_Pi(self, expr: Expr) -> str:
        return r"\pi"


class Text(_Writer):
    """Unicode text on one line, in the spelling of symback's names (w_131, ŷ_1)."""

    @property
    def loss(self) -> str:
        """The letter of the loss in text."""
        return self.lettering.loss_text

    def parenthesised(self, body: str) -> str:
        """(body)."""
        return f"({body})"

    def quotient(self, above: str, below: str) -> str:
        """above/below, each in parentheses unless it is one thing."""
        return f"{self._one_thing(above)}/{self._one_thing(below)}"

    def _one_thing(self, body: str) -> str:
        simple = re.fullmatch(r"(?!e\^)[\w,.ŷ]+(\^\(?\w+\)?_[\w,]+)?(\^\(s\))?", body) or (
            body.startswith(("(", "√(")) and _closes_at_end(body.removeprefix("√"))
        )
        return body if simple else f"({body})"

    def power(self, base: str, exponent: str) -> str:
        """base^exponent."""
        single = f"({exponent})" if "^" in exponent else self._one_thing(exponent)
        return f"{base}^{single}"

    def root(self, body: str) -> str:
        """√(body)."""
        return f"√({body})"

    def operator(self, name: str) -> str:
        """The name of a function."""
        row = ELEMENTARY.get(name) or ACTIVATIONS.get(name)
        return row.text if row is not None and row.text else name

    def multiply(self, factors: list[str], has_partials: bool) -> str:
        """A dot, with room around it between derivatives."""
        return (" · " if has_partials else "·").join(factors)

    def spelled(self, spelled: Spelling, sampled: bool = False) -> str:
        """A letter with its indices; a layer may be a superscript, and the sample is one."""
        above = f"^{spelled.superscript}" if spelled.superscript else ""
        if above.startswith("^({"):  # the braces of a layer k-1 are needed without parentheses only
            above = above.replace("({", "(").replace("})", ")")
        below = f"_{spelled.subscript}" if spelled.subscript else ""
        return _text_letter(spelled.letter) + above + below + ("^(s)" if sampled else "")

    def derivative(self, of: str, by: str) -> str:
        """∂of/∂by."""
        d = self.lettering.differential_text
        return f"{d}{of}/{d}{by}"

    def held(self, derivative: str, quantities: str) -> str:
        """A derivative while other quantities do not change."""
        return f"({derivative})_{quantities}"

    def _print_AppliedUndef(self, expr: AppliedUndef) -> str:
        name, row = expr.func.__name__, ACTIVATIONS.get(expr.func.__name__)
        if row is not None and row.coupled:
            element = expr.args[0]
            vector = self.named(*array_name(element.base.name), _is_sampled(element))
            return f"{self.operator(name)}({vector})_{self._print(element.indices[-1])}"
        return self.applied(self.operator(name), expr.args)

    def _print_Abs(self, expr: sympy.Abs) -> str:
        return f"|{self._print(expr.args[0])}|"

    def _print_Sum(self, expr: Sum) -> str:
        bound, lower, upper = expr.limits[0]
        body = self._print(expr.function)
        if isinstance(expr.function, (Add, Terms)) or body.startswith("-"):
            body = self.parenthesised(body)
        return f"Σ_{{{self._print(bound)}={self._print(lower)}..{self._print(upper)}}} {body}"

    def _print_KroneckerDelta(self, expr: KroneckerDelta) -> str:
        left, right = sorted(expr.args, key=sympy.default_sort_key)
        return f"1[{self._print(left)}={self._print(right)}]"

    def _print_Piecewise(self, expr: Piecewise) -> str:
        if is_indicator(expr):
            return f"1[{self._print(expr.args[0][1])}]"
        rows = [
            f"{self._print(value)} {self._condition(condition)}" for value, condition in expr.args
        ]
        return "{" + "; ".join(rows) + "}"

    def _condition(self, condition: Expr) -> str:
        return "otherwise" if condition == sympy.true else f"if {self._print(condition)}"

    def _print_Relational(self, expr) -> str:
        mark = {">=": "≥", "<=": "≤", "==": "=", "!=": "≠"}.get(expr.rel_op, expr.rel_op)
        return f"{self._print(expr.lhs)} {mark} {self._print(expr.rhs)}"

    def _print_And(self, expr) -> str:
        return self.joined(" and ", expr)

    def _print_Or(self, expr) -> str:
        return self.joined(" or ", expr)

    def _print_Pi(self, expr: Expr) -> str:
        return "π"


def _closes_at_end(body: str) -> bool:
    """Whether the parenthesis that opens ``body`` is the one that closes it."""
    depth = 0
    for position, mark in enumerate(body):
        depth += (mark == "(") - (mark == ")")
        if depth == 0:
            return position == len(body) - 1
    return False


def _latex_letter(letter: str) -> str:
    if letter.endswith("hat") and len(letter) > 3:
        return rf"\hat{{{_latex_letter(letter[:-3])}}}"
    if letter in GREEK:
        return rf"\{letter}"
    if letter in GREEK_LETTERS:
        return rf"\{GREEK_LETTERS[letter]}"
    word = _tex_word(letter)
    return word if len(word) == 1 else rf"\mathrm{{{word}}}"


def _text_letter(letter: str) -> str:
    if letter.endswith("hat") and len(letter) > 3:
        return "ŷ" if letter == "yhat" else letter
    return letter


def _tex_word(word: str) -> str:
    """A word of Latin and Greek letters, digits and _ in letters that TeX has."""
    named = (rf"\{GREEK_LETTERS[mark]}{{}}" if mark in GREEK_LETTERS else mark for mark in word)
    return "".join(named).translate(_LOOKALIKES).replace("_", r"\_")
