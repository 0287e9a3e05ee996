"""Writing an expression down: LaTeX for sheets and notebooks, Unicode text for terminals.

`Latex` and `Text` print every node that a derivation or a matrix form can hold, in the order a
person reads it: factors and terms of `Product` and `Terms` as they stand, sums with their positive
terms first, a fraction for what is divided by, ⊙ and ᵀ between and behind matrices.  A node that
neither knows raises; nothing is printed by chance.  What both do is in `Writer`; a dialect is its
marks, so that another dialect is another set of them.

Both take ``numbers``: then names that have a number are printed as that number, which is how a
sheet shows a formula again with the numbers put in.  `symback.language.names.Lettering` says how
letters are written.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import sympy
from sympy import (
    Add,
    Expr,
    HadamardPower,
    HadamardProduct,
    Indexed,
    IndexedBase,
    KroneckerDelta,
    MatAdd,
    MatMul,
    Mul,
    Piecewise,
    Pow,
    Sum,
    Symbol,
)
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational
from sympy.matrices.expressions.matexpr import MatrixExpr
from sympy.matrices.expressions.special import OneMatrix, ZeroMatrix
from sympy.printing.printer import Printer

from symback.language.algebra import (
    Array,
    Elementwise,
    Gradient,
    Partial,
    Product,
    SampleArray,
    Scalar,
    Terms,
    Where,
    matrix_product,
)
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


class Writer(Printer):
    """What the dialects share: signs, order, parentheses.  Subclasses supply the marks."""

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

    def bare(self, expr: Expr) -> str:
        """``expr`` without what a dialect adds to every matrix."""
        return self._print(expr)

    def emptyPrinter(self, expr):
        """Refuse what no method prints."""
        raise TypeError(f"no way to write {type(expr).__name__}: {expr!r}")

    # ------------------------------------------------------------------------------- sums

    def _print_Add(self, expr: Add | Terms | MatAdd) -> str:
        return "".join(mark + body for mark, body in self.signed_terms(self.in_order(expr)))

    def _print_Terms(self, expr: Terms) -> str:
        return self._print_Add(expr)

    def _print_MatAdd(self, expr: MatAdd) -> str:
        return self._print_Add(expr)

    def in_order(self, expr: Add | Terms | MatAdd) -> Sequence[Expr]:
        """The terms of a sum as they are written, first to last."""
        if isinstance(expr, (Terms, MatAdd)):
            return expr.args

        def rank(term: Expr) -> tuple:  # positive ones first: numbers, names, sums with Σ
            negative, size = signed(term)
            return negative, not size.is_Number, size.has(Sum), _KEY(size)

        return sorted(expr.args, key=rank)

    def signed_terms(self, terms: Sequence[Expr]) -> list[tuple[str, str]]:
        """Each term as its sign, with spaces, and its body; no sign before a first term above 0."""
        pieces = []
        for position, term in enumerate(terms):
            negative, size = signed(term)
            body = self._print(size)
            if self._is_sum(size) or (body.startswith("-") and (position or negative)):
                body = self.parenthesised(body)
            mark = (" - " if negative else " + ") if position else ("-" if negative else "")
            pieces.append((mark, body))
        return pieces

    def _is_sum(self, expr: Expr) -> bool:
        """Whether it is written with + or - between its parts: a number as a 1 × 1 matrix too."""
        if isinstance(expr, MatMul):
            number, matrices = expr.as_coeff_matrices()
            return matrices == [OneMatrix(1, 1)] and isinstance(number, _SUMS)
        return isinstance(expr, _SUMS)

    # --------------------------------------------------------------------------- products

    def _print_Mul(self, expr: Mul) -> str:
        number, rest = expr.as_coeff_Mul()
        if number is sympy.S.NegativeOne and isinstance(rest, _SUMS):
            return "-" + self.parenthesised(self._print(rest))
        body = self._fraction([abs(number), *_factors_in_order(rest)])
        return self._negated(body) if number.is_negative else body

    def _negated(self, body: str) -> str:
        """A minus before what may have become a negative number: -(-0.3)."""
        return "-" + (self.parenthesised(body) if body.startswith("-") else body)

    def _print_Product(self, expr: Product) -> str:
        negative, size = signed(expr)
        factors = _with_divisors(size.args) if isinstance(size, Product) else [size]
        body = self._side_by_side(factors)
        if negative and isinstance(size, _SUMS):
            body = self.parenthesised(body)
        return self._negated(body) if negative else body

    def _fraction(self, factors: list[Expr]) -> str:
        """Factors over divisors; a plain rational in front keeps its own fraction."""
        above = [factor for factor in factors if factor != 1 and not _is_divisor(factor)]
        below = [1 / factor for factor in factors if _is_divisor(factor)]
        if below and above and above[0].is_Rational and not above[0].is_Integer:
            over, under = sympy.Integer(above[0].p), sympy.Integer(above[0].q)
            above, below = [*([over] if over != 1 else []), *above[1:]], [under, *below]
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
        negative, size = signed(expr)
        pieces = self._pieces(_with_divisors(size.args) if isinstance(size, Product) else [size])
        first, body = pieces[0]
        if negative and body.startswith("-"):
            pieces[0] = first, self.parenthesised(body)
        return "-" if negative else "", pieces

    # ------------------------------------------------------- parts, where a long line is broken

    def summands(self, expr: Expr) -> list[tuple[str, str, Expr]] | None:
        """The terms of a sum, each as its sign, its body, and what that body is of."""
        if not isinstance(expr, _SUMS) or expr in self.numbers:
            return None
        terms = self.in_order(expr)
        pairs = zip(self.signed_terms(terms), terms, strict=True)
        return [(mark, body, signed(term)[1]) for (mark, body), term in pairs]

    def factors(self, expr: Expr) -> tuple[str, list[tuple[Expr, str]], bool] | None:
        """The minus of a product, its factors with their bodies, and whether one is a ∂L/∂v."""
        if not isinstance(expr, Product) or expr in self.numbers:
            return None
        mark, pieces = self.signed_factors(expr)
        return mark, pieces, self.has_names(pieces)

    def under_sigma(self, expr: Expr) -> tuple[Expr, str] | None:
        """What a Σ sums, and its body."""
        if not isinstance(expr, Sum) or expr in self.numbers:
            return None
        body = self._print(expr.function)
        return expr.function, body if self._print(expr).endswith(body) else self.parenthesised(body)

    def _factor(self, factor: Expr, *, first: bool, last: bool) -> str:
        body = self._print(factor)
        if factor in self.numbers:
            bare = not body.startswith("-")
        elif isinstance(factor, Piecewise):
            bare = is_indicator(factor)
        elif isinstance(factor, _SUMS) or (body.startswith("-") and not first):
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
        row = BY_SYMPY.get(type(expr.base).__name__)
        if expr.base in self.numbers:
            plain = re.fullmatch(r"\d+(\.\d+)?", body) is not None
        elif row is not None and row.arguments == 1 and row.latex:  # sin²(x)
            return self.applied(self.power(self.operator(row.name), exponent), expr.base.args)
        else:
            named = isinstance(expr.base, (Symbol, Indexed)) and "^" not in body
            plain = named or (expr.base.is_Integer and expr.base.is_nonnegative)
        return self.power(body if plain else self.parenthesised(body), exponent)

    # -------------------------------------------------------------------------- functions

    def _print_Function(self, expr: sympy.Function) -> str:
        name = type(expr).__name__
        return self.applied(
            self.operator(BY_SYMPY[name].name if name in BY_SYMPY else name), expr.args
        )

    def applied(self, function: str, arguments: Iterable[Expr]) -> str:
        """A function of its arguments."""
        return function + self.parenthesised(", ".join(map(self._print, arguments)))

    def _print_AppliedUndef(self, expr: AppliedUndef) -> str:
        name, first = type(expr).__name__, expr.args[0]
        row = ACTIVATIONS.get(name)
        if row is None or not row.coupled or not isinstance(first, Indexed):
            return self.applied(self.operator(name), expr.args)
        vector = self.named(*array_name(first.base.name), SAMPLE in first.indices)
        return self.component(f"{self.operator(name)}({vector})", self._print(first.indices[-1]))

    def _print_Abs(self, expr: sympy.Abs) -> str:
        return self.absolute(self._print(expr.args[0]))

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

    def _print_Pi(self, expr: Expr) -> str:
        return self.pi

    def _print_Sum(self, expr: Sum) -> str:
        body = self._print(expr.function)
        if isinstance(expr.function, _SUMS) or body.startswith("-"):
            body = self.parenthesised(body)
        bound, lower, upper = map(self._print, expr.limits[0])
        return self.sigma(bound, lower, upper, body)

    # -------------------------------------------------------------------------- conditions

    def _print_KroneckerDelta(self, expr: KroneckerDelta) -> str:
        return self.indicator("=".join(map(self._print, sorted(expr.args, key=_KEY))))

    def _print_Piecewise(self, expr: Piecewise) -> str:
        if is_indicator(expr):
            return self.indicator(self._print(expr.args[0][1]))
        return self.cases(
            [
                (self._print(value), "" if c == sympy.true else self._print(c))
                for value, c in expr.args
            ]
        )

    def _print_Relational(self, expr: Relational) -> str:
        mark = self.relations.get(expr.rel_op, expr.rel_op)
        return f"{self._print(expr.lhs)} {mark} {self._print(expr.rhs)}"

    def _print_And(self, expr: Expr) -> str:
        return self._joined(" and ", expr)

    def _print_Or(self, expr: Expr) -> str:
        return self._joined(" or ", expr)

    def _joined(self, word: str, expr: Expr) -> str:
        """Conditions with a word between them, those of the other kind in parentheses."""
        return self.word(word).join(
            self._print(part)
            if isinstance(part, Relational)
            else self.parenthesised(self._print(part))
            for part in sorted(expr.args, key=_KEY)
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

    def _print_IndexedBase(self, expr: IndexedBase) -> str:
        return self.named(*array_name(expr.name))

    def _print_Partial(self, expr: Partial) -> str:
        name = type(self)(self.lettering)._print  # numbers may stand for ∂L/∂a, not within it
        body = self.derivative(name(expr.of), name(expr.by))
        return self.held(body, ", ".join(map(name, expr.held))) if expr.held else body

    def named(self, letter: str, indices: tuple[str, ...], sampled: bool = False) -> str:
        """A quantity of the lectures, the layer first among its indices, in the page's letters."""
        return self.spelled(self.lettering.spelling(letter, indices), sampled)

    # ---------------------------------------------------------------------------- matrices

    def _print_Array(self, expr: Array) -> str:
        return self.loss if expr.name == "L" else self.named(*array_name(expr.name))

    def _print_SampleArray(self, expr: SampleArray) -> str:
        spelling = self.lettering.spelling(*array_name(expr.name))
        return self.spelled(replace(spelling, letter=self.capital(spelling.letter)))

    def _print_Gradient(self, expr: Gradient) -> str:
        return self.nabla(self.bare(expr.array))

    def _print_OneMatrix(self, expr: OneMatrix) -> str:
        return self._row_or_column(expr, self.ones)

    def _print_ZeroMatrix(self, expr: ZeroMatrix) -> str:
        return self._row_or_column(expr, self.zeros)

    def _row_or_column(self, expr: MatrixExpr, body: str) -> str:
        return self.transposed(body) if expr.shape[0] == 1 != expr.shape[1] else body

    def _print_Identity(self, expr: MatrixExpr) -> str:
        return self.identity

    def _print_MatMul(self, expr: MatMul) -> str:
        negative, size = signed(expr)
        if negative:
            body = self._print(size)
            return "-" + (self.parenthesised(body) if self._is_sum(size) else body)
        number, matrices = size.as_coeff_matrices()
        if matrices == [OneMatrix(1, 1)]:
            return self._print(number)
        alone = len(matrices) == 1
        joined = self.beside.join(
            self._print(m) if alone and isinstance(m, HadamardProduct) else self._grouped(m)
            for m in matrices
        )
        if number == 1:
            return joined
        factor = self._print(number)
        return (self.parenthesised(factor) if isinstance(number, _SUMS) else factor) + (
            self.times + joined
        )

    def _grouped(self, expr: MatrixExpr) -> str:
        """A factor, in parentheses where it is put together from several things."""
        body = self._print(expr)
        several = isinstance(expr, (MatAdd, MatMul, HadamardProduct))
        reciprocal = isinstance(expr, HadamardPower) and expr.exp == -1
        cases = isinstance(expr, Where) and not expr.is_indicator
        return self.parenthesised(body) if several or reciprocal or cases else body

    def _print_HadamardProduct(self, expr: HadamardProduct) -> str:
        body = ""
        for factor in expr.args:
            divides = isinstance(factor, HadamardPower) and factor.exp == -1
            printed = self._grouped(factor.base if divides else factor)
            if body or divides:
                mark = self.divided if divides else self.hadamard
                body = (body or self.ones) + mark + printed
            else:
                body = printed
        return body

    def _print_HadamardPower(self, expr: HadamardPower) -> str:
        body = self._grouped(expr.base)
        if expr.exp == -1:
            return self.ones + self.divided + body
        if isinstance(expr.base, Array) and not self._takes_a_mark(expr.base):
            body = self.parenthesised(body)
        return self.powered(body, self._print(expr.exp))

    def _print_Transpose(self, expr: sympy.Transpose) -> str:
        body = self.bare(expr.arg)
        return self.transposed(body if self._takes_a_mark(expr.arg) else self.parenthesised(body))

    def _takes_a_mark(self, expr: MatrixExpr) -> bool:
        """Whether Wᵀ is W with a T: not for a gradient (∇Lᵀ), nor where the layer stands above."""
        spelling = self.lettering.spelling
        return isinstance(expr, Array) and not spelling(*array_name(expr.name)).superscript

    def _print_Scalar(self, expr: Scalar) -> str:
        body = self._print(expr.matrix)
        return body if isinstance(expr.matrix, Array) else self.parenthesised(body)

    def _print_Elementwise(self, expr: Elementwise) -> str:
        names = dict(zip(expr.rule.variables, map(self.bare, expr.arrays), strict=True))
        return type(self)(self.lettering, {**self.numbers, **names})._print(expr.rule.expr)

    def _print_Where(self, expr: Where) -> str:
        rows = []
        while isinstance(expr, Where):
            condition, yes, no = expr.args
            if expr.is_indicator:
                return self.indicator(self.bare(condition))
            rows.append((self.bare(yes), self.bare(condition)))
            expr = no
        return self.cases([*rows, (self.bare(expr), "")])

    # -------------------------------------------------------------------- marks of a dialect

    euler = "e"
    pi: ClassVar[str]
    relations: ClassVar[Mapping[str, str]]
    ones, zeros, identity = "1", "0", "I"
    beside, times, hadamard, divided, becomes = " ", "·", " ⊙ ", " ⊘ ", "←"

    word: Callable[[str], str]
    parenthesised: Callable[[str], str]
    quotient: Callable[[str, str], str]
    power: Callable[[str, str], str]
    root: Callable[[str], str]
    absolute: Callable[[str], str]
    operator: Callable[[str], str]
    component: Callable[[str, str], str]
    sigma: Callable[[str, str, str, str], str]
    summed_under: Callable[[str, str], str]
    indicator: Callable[[str], str]
    cases: Callable[[Sequence[tuple[str, str]]], str]
    spelled: Callable[..., str]
    derivative: Callable[[str, str], str]
    held: Callable[[str, str], str]
    transposed: Callable[[str], str]
    nabla: Callable[[str], str]
    powered: Callable[[str, str], str]

    @property
    @abstractmethod
    def loss(self) -> str:
        """The letter of the loss."""

    @abstractmethod
    def multiply(self, factors: list[str], has_partials: bool) -> str:
        """Factors beside each other."""

    def capital(self, letter: str) -> str:
        """The letter of an array with one row a sample."""
        plain = letter.removesuffix("hat")
        return letter[0].upper() + letter[1:] if len(plain) == 1 else letter


_SUMS = (Add, Terms)  # of matrices too: SymPy's MatAdd is an Add
_KEY = sympy.default_sort_key


def is_indicator(expr: Expr) -> bool:
    """Whether ``expr`` is 1 under one condition and 0 otherwise."""
    return isinstance(expr, Piecewise) and [value for value, _ in expr.args] == [1, 0]


def signed(term: Expr) -> tuple[bool, Expr]:
    """Whether ``term`` is written with a minus in front, and what stands behind that minus."""
    if isinstance(term, Product):
        negative, first = signed(term.args[0])
        if negative and not isinstance(term.args[0], _SUMS):
            return True, Product(first, *term.args[1:])
    elif isinstance(term, MatMul):
        number, matrices = term.as_coeff_matrices()
        if number.as_coeff_Mul()[0].is_negative:
            return True, matrix_product(-number, *matrices)
    elif term.is_Number or isinstance(term, Mul):
        number, rest = term.as_coeff_Mul()
        if number.is_negative:
            kept = number == -1 or not isinstance(rest, Add)  # 2 (y - ŷ) would be multiplied out
            return True, (-number) * rest if kept else Mul(-number, rest, evaluate=False)
    return False, term


def _factors_in_order(expr: Expr) -> list[Expr]:
    """Derivatives first; then names, functions, brackets, sums with Σ."""

    def rank(factor: Expr) -> tuple:
        return (
            not isinstance(factor, Partial),
            isinstance(factor, Sum),
            isinstance(factor, (*_SUMS, Product)),
            bool(factor.atoms(sympy.Function)),
            _KEY(factor),
        )

    return sorted(Mul.make_args(expr), key=rank)


def _with_divisors(factors: Sequence[Expr]) -> list[Expr]:
    """Each divisor under the factor before it: (1 - y)·1/(1 - ŷ) is one fraction."""
    merged: list[Expr] = []
    for factor in factors:
        if merged and _is_divisor(factor) and not isinstance(merged[-1], (Product, Terms, Partial)):
            merged[-1] = Mul(merged[-1], factor)
        elif (
            merged
            and isinstance(merged[-1], Terms)
            and _is_divisor(factor)
            and factor.base.is_Number
        ):
            merged[-1] = Mul(merged[-1], factor, evaluate=False)  # (x_1 + x_2)/2, as typed
        else:
            merged.append(factor)
    return merged


def _is_divisor(expr: Expr) -> bool:
    return isinstance(expr, Pow) and expr.exp.is_Rational and expr.exp.is_negative


_SUPERSCRIPT = re.compile(r"\^\{\(?\w*\)?(?:\(s\))?\}")
"""How LaTeX marks a layer, or one sample of a batch: its parentheses are no brackets."""

_BRACKETED_NUMBER = re.compile(
    r"(\\left)?[(\[]([^a-zA-Z\\{}_]|\\cdot |\^\{-?\d+\})*(\\right)?[)\]]"
)
"""A bracket with numbers alone, which would read as an argument: 0.5 (-1), h (-1)."""


class Latex(Writer):
    """LaTeX that TeX (with mathrsfs), KaTeX and MathJax all typeset, with no macros of our own.

    With ``shapes`` a matrix that is not put together from others has its shape beneath it.
    """

    pi = r"\pi"
    relations: ClassVar[Mapping[str, str]] = {
        ">=": r"\geq", "<=": r"\leq", "==": "=", "!=": r"\neq",
    }  # fmt: skip
    ones, zeros, identity = r"\mathbf{1}", r"\mathbf{0}", r"\mathbf{I}"
    beside, times, becomes = r"\,", r"\,", r"\leftarrow"
    hadamard, divided = r" \odot ", r" \oslash "
    word = r" \text{{{}}} ".format
    quotient = r"\frac{{{}}}{{{}}}".format
    power = "{}^{{{}}}".format
    powered = r"{}^{{\odot {}}}".format
    root = r"\sqrt{{{}}}".format
    absolute = r"\left|{}\right|".format
    component = "{}_{{{}}}".format
    sigma = r"\sum_{{{}={}}}^{{{}}} {}".format
    summed_under = r"\sum_{{{}}} {}".format
    indicator = r"\mathbf{{1}}_{{\{{{}\}}}}".format
    held = r"\left.{}\right|_{{{}}}".format
    transposed = r"{}^{{\top}}".format

    def __init__(
        self,
        lettering: Lettering = NETWORK,
        numbers: Mapping[Expr, str] | None = None,
        *,
        shapes: bool = False,
    ) -> None:
        super().__init__(lettering, numbers)
        self.shapes = shapes

    def _print(self, expr, **kwargs):
        composed = (MatMul, MatAdd, HadamardProduct, HadamardPower)
        if not self.shapes or not isinstance(expr, MatrixExpr) or isinstance(expr, composed):
            return super()._print(expr, **kwargs)
        rows, columns = (self._print(size) for size in expr.shape)
        return rf"\underset{{{rows} \times {columns}}}{{{self.bare(expr)}}}"

    def bare(self, expr: Expr) -> str:
        """Without shapes."""
        shapes, self.shapes = self.shapes, False
        try:
            return self._print(expr)
        finally:
            self.shapes = shapes

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

    def operator(self, name: str) -> str:
        """The name of a function."""
        row = ELEMENTARY.get(name) or ACTIVATIONS.get(name)
        if row is not None and row.latex:
            return row.latex
        return rf"\operatorname{{{_tex_word(name)}}}"

    def cases(self, rows: Sequence[tuple[str, str]]) -> str:
        """One of several values, each with its condition; none is "otherwise"."""
        lines = [
            rf"{value} & \text{{if }} {condition}"
            if condition
            else rf"{value} & \text{{otherwise}}"
            for value, condition in rows
        ]
        return r"\begin{cases} " + r" \\ ".join(lines) + r" \end{cases}"

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
        return latex_letter(spelled.letter) + subscript + (f"^{{{above}}}" if above else "")

    def derivative(self, of: str, by: str) -> str:
        """∂of/∂by as a fraction."""
        d = self.lettering.differential + ("" if self.lettering.differential == "d" else " ")
        return rf"\frac{{{d}{of}}}{{{d}{by}}}"

    def nabla(self, body: str) -> str:
        """The gradient by ``body``."""
        return rf"\nabla_{{{body}}}{self.loss}"


class MatrixLatex(Latex):
    """LaTeX in which cases stand in square brackets, as they do among matrices."""

    def parenthesised(self, body: str) -> str:
        """In parentheses as tall as the body asks."""
        cases = r"\begin{cases}" in body
        return rf"\left[{body}\right]" if cases else super().parenthesised(body)


class Text(Writer):
    """Unicode text on one line, in the spelling of symback's names (w_131, ŷ_1)."""

    pi = "π"
    relations: ClassVar[Mapping[str, str]] = {">=": "≥", "<=": "≤", "==": "=", "!=": "≠"}
    word = str
    parenthesised = "({})".format
    root = "√({})".format
    absolute = "|{}|".format
    component = "{}_{}".format
    sigma = "Σ_{{{}={}..{}}} {}".format
    summed_under = "Σ_{{{}}} {}".format
    indicator = "1[{}]".format

    @staticmethod
    def held(body: str, names: str) -> str:
        """(∂a/∂u)_h, and (∂a/∂u)_(h, v) where several are held."""
        return f"({body})_({names})" if ", " in names else f"({body})_{names}"

    transposed = "{}ᵀ".format
    nabla = "∇{}".format

    @property
    def loss(self) -> str:
        """The letter of the loss in text."""
        return self.lettering.loss_text

    def quotient(self, above: str, below: str) -> str:
        """above/below, each in parentheses unless it is one thing."""
        return f"{self._one_thing(above)}/{self._one_thing(below)}"

    def _one_thing(self, body: str) -> str:
        simple = _NAMED.fullmatch(body) or (
            body.startswith(("(", "√(")) and _closes_at_end(body.removeprefix("√"))
        )
        return body if simple else f"({body})"

    def power(self, base: str, exponent: str) -> str:
        """base^exponent."""
        single = f"({exponent})" if "^" in exponent else self._one_thing(exponent)
        return f"{base}^{single}"

    def operator(self, name: str) -> str:
        """The name of a function."""
        row = ELEMENTARY.get(name) or ACTIVATIONS.get(name)
        return row.text if row is not None and row.text else name

    def cases(self, rows: Sequence[tuple[str, str]]) -> str:
        """One of several values, each with its condition; none is "otherwise"."""
        lines = [f"{value} if {when}" if when else f"{value} otherwise" for value, when in rows]
        return "{" + "; ".join(lines) + "}"

    def multiply(self, factors: list[str], has_partials: bool) -> str:
        """A dot, with room around it between derivatives."""
        return (" · " if has_partials else "·").join(factors)

    def spelled(self, spelled: Spelling, sampled: bool = False) -> str:
        """A letter with its indices; a layer may be a superscript, and the sample is one."""
        above = f"^{spelled.superscript}" if spelled.superscript else ""
        if above.startswith("^({"):  # the braces of a layer k-1 are needed without parentheses only
            above = above.replace("({", "(").replace("})", ")")
        below = f"_{spelled.subscript}" if spelled.subscript else ""
        letter = "ŷ" if spelled.letter == "yhat" else spelled.letter
        return letter + above + below + ("^(s)" if sampled else "")

    def derivative(self, of: str, by: str) -> str:
        """∂of/∂by."""
        d = self.lettering.differential_text
        return f"{d}{of}/{d}{by}"

    def powered(self, base: str, exponent: str) -> str:
        """An elementwise power."""
        return f"{base}^⊙{self._one_thing(exponent)}"

    def capital(self, letter: str) -> str:
        """The letter of an array with one row a sample."""
        return "Ŷ" if letter == "yhat" else super().capital(letter)


_NAMED = re.compile(
    r"(?!e\^)[\w,.ŷ]+(\[[^\[\]]*\](_[\w,]+)?)?(_\{[^{}]*\})?(\^\(?\w+\)?_[\w,]+)?(\^\(s\))?"
)
"""One name or number in text: w_212, h[t-1]_j, x_{2o+u-3,i}, z^2_1."""


def _closes_at_end(body: str) -> bool:
    """Whether the parenthesis that opens ``body`` is the one that closes it."""
    depth = 0
    for position, mark in enumerate(body):
        depth += (mark == "(") - (mark == ")")
        if depth == 0:
            return position == len(body) - 1
    return False


def latex_letter(letter: str) -> str:
    r"""A letter or a name in LaTeX: ``\hat{y}`` for yhat, ``\mathrm{net}`` for a word."""
    if letter.endswith("hat") and len(letter) > 3:
        return rf"\hat{{{latex_letter(letter[:-3])}}}"
    if letter in GREEK:
        return rf"\{letter}"
    if letter in GREEK_LETTERS:
        return rf"\{GREEK_LETTERS[letter]}"
    word = _tex_word(letter)
    return word if len(word) == 1 else rf"\mathrm{{{word}}}"


_LOOKALIKES = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΧο", "ABEZHIKMNOPTXo")


def _tex_word(word: str) -> str:
    """A word of Latin and Greek letters, digits and _ in letters that TeX has."""
    named = (rf"\{GREEK_LETTERS[mark]}{{}}" if mark in GREEK_LETTERS else mark for mark in word)
    return "".join(named).translate(_LOOKALIKES).replace("_", r"\_")
