"""What a matrix form of a system has beside SymPy's matrices, and how it is written.

Here one can

* name an array, or a part of one: `Leaf`, h_{t-1}, W, the window X̃; one with more than two indices:
  `Whole`, its element `Entry`;
* sum over steps: `StepSum`, Σ_t ∇a_t h_{t-1}ᵀ; apply a function to whole rows or columns: `Along`,
  softmax_rows(S | M); contract arrays: `Einsum`;
* say how the arrays of a system are called in print: `Names`;
* write all that, and SymPy's matrices: `MatrixText`, `MatrixTex`.

An array with one index is a column; one with two, in a line in which both are free, is a matrix and
has a capital letter: outside of a loop X holds the rows x_tᵀ.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import sympy
from sympy import Expr, MatrixExpr, Symbol, Tuple
from sympy.core.symbol import Str

from symback.language.algebra import Array, Elementwise, Scalar, Shape
from symback.language.names import EQUATIONS, GREEK, array_name, split_name
from symback.language.writing import MatrixLatex, Text, Writer, latex_letter

FREE = Symbol(":")
"""An index of an array that runs over all its numbers."""

# --------------------------------------------------------------------------------------- nodes


class _AtPlaces:
    """What has the name of an array of the system and what stands for each of its indices first."""

    __slots__ = ()
    args: tuple[Any, ...]

    @property
    def array(self) -> str:
        """The array's name in the system."""
        return self.args[0].name

    @property
    def places(self) -> tuple[Expr, ...]:
        """What stands for each of its indices."""
        return tuple(self.args[1])

    @property
    def is_capital(self) -> bool:
        """Whether two of its indices are free, so that it is a matrix."""
        return self.places.count(FREE) == 2


class Leaf(_AtPlaces, Array):
    """An array at ``places``: `FREE`, or an index that is one number here; h_{t-1} is a column."""

    def __new__(cls, array: Any, places: Any, rows: Expr, columns: Expr) -> Leaf:
        """``array`` is the name that the system gives it."""
        text = array if isinstance(array, Str) else Str(array)
        return sympy.Basic.__new__(cls, text, Tuple(*places), rows, columns)

    @property
    def name(self) -> str:
        """The array with its indices, for SymPy's own printers."""
        fixed = [str(place) for place in self.places]
        return f"{self.array}[{','.join(fixed)}]" if {*self.places} - {FREE} else self.array

    @property
    def shape(self) -> Shape:
        """Rows and columns."""
        return self.args[2], self.args[3]


class Whole(_AtPlaces, Expr):
    """An array of any number of indices at ``places``."""

    is_commutative = True

    def __new__(cls, array: Any, places: Any) -> Whole:
        """``array`` is the name that the system gives it."""
        text = array if isinstance(array, Str) else Str(array)
        return Expr.__new__(cls, text, Tuple(*places))


class Entry(Expr):
    """The element of ``whole``, a `Whole` or an `Einsum`, at letters: P[h,t,u]."""

    is_commutative = True
    is_real = True

    def __new__(cls, whole: Expr, letters: Any) -> Entry:
        """``letters`` for the free indices of ``whole``, in order."""
        return Expr.__new__(cls, whole, Tuple(*letters))

    @property
    def whole(self) -> Expr:
        """The array."""
        return self.args[0]

    @property
    def letters(self) -> tuple[Symbol, ...]:
        """Its indices."""
        return tuple(self.args[1])


class Einsum(Expr):
    """Σ over all letters that are not in ``out`` of the product of `Entry` operands."""

    is_commutative = True
    is_real = True

    def __new__(cls, out: Any, *operands: Entry) -> Einsum:
        """``out`` are the letters of the result, in order."""
        return Expr.__new__(cls, Tuple(*out), *operands)

    @property
    def out(self) -> tuple[Symbol, ...]:
        """The letters of the result."""
        return tuple(self.args[0])

    @property
    def operands(self) -> tuple[Entry, ...]:
        """What is multiplied and summed."""
        return self.args[1:]

    @property
    def subscripts(self) -> str:
        """As NumPy has it: ``thu,uhd->thd``; every letter is one character there."""
        letters = dict.fromkeys(
            letter for part in (*self.operands, self) for letter in _letters_of(part)
        )
        spare = (mark for mark in "abcdefghijklmnopqrstuvwxyz" if Symbol(mark) not in letters)
        short = {
            each: each.name if len(each.name) == 1 and each.name.isascii() else next(spare)
            for each in letters
        }
        sides = ("".join(short[each] for each in _letters_of(part)) for part in self.operands)
        return ",".join(sides) + "->" + "".join(short[each] for each in self.out)


def _letters_of(part: Entry | Einsum) -> tuple[Symbol, ...]:
    return part.letters if isinstance(part, Entry) else part.out


class StepSum(MatrixExpr):
    """Σ of ``body`` for ``letter`` = lower … upper, with one matrix a step."""

    def __new__(cls, letter: Symbol, lower: Expr, upper: Expr, body: MatrixExpr) -> StepSum:
        """The letter stands in the places of the leaves of ``body``."""
        return sympy.Basic.__new__(cls, letter, lower, upper, body)

    @property
    def letter(self) -> Symbol:
        """What runs."""
        return self.args[0]

    @property
    def limits(self) -> tuple[Expr, Expr]:
        """From where to where."""
        return self.args[1], self.args[2]

    @property
    def body(self) -> MatrixExpr:
        """What is summed."""
        return self.args[3]

    @property
    def shape(self) -> Shape:
        """That of the body."""
        return self.body.shape


class Over(Expr):
    """A function over all numbers of a letter, softmax_u(S[a,t,u]): `Along` in index notation."""

    is_commutative = True
    is_real = True

    def __new__(cls, function: Any, letter: Symbol, upper: Expr, body: Expr, mask: Expr) -> Over:
        """The letter runs from 1 to ``upper``; ``mask`` is 1 where it counts, 0 where not."""
        text = function if isinstance(function, Str) else Str(function)
        return Expr.__new__(cls, text, letter, upper, body, mask)

    @property
    def function(self) -> str:
        """Its name, that of a binder."""
        return self.args[0].name

    @property
    def letter(self) -> Symbol:
        """What it runs over."""
        return self.args[1]

    @property
    def upper(self) -> Expr:
        """The last number of the letter."""
        return self.args[2]

    @property
    def body(self) -> Expr:
        """Of what."""
        return self.args[3]

    @property
    def mask(self) -> Expr:
        """1 where an index counts."""
        return self.args[4]


KEEPS = ("softmax", "argmax", "argmin")
"""Functions of a row that give a row; the others give a number."""


class Along(MatrixExpr):
    """A function of each row (``axis`` 1) or column (0) as a whole.

    Entries where the mask is 0 are left out.
    """

    def __new__(cls, function: Any, axis: Any, matrix: MatrixExpr, *mask: MatrixExpr) -> Along:
        """The names are those of binders: softmax, logsumexp, max, min, argmax, argmin."""
        text = function if isinstance(function, Str) else Str(function)
        return sympy.Basic.__new__(cls, text, sympy.Integer(axis), matrix, *mask)

    @property
    def function(self) -> str:
        """Its name."""
        return self.args[0].name

    @property
    def axis(self) -> int:
        """0 down the columns, 1 along the rows."""
        return int(self.args[1])

    @property
    def matrix(self) -> MatrixExpr:
        """Of what."""
        return self.args[2]

    @property
    def mask(self) -> MatrixExpr | None:
        """1 where an entry counts; None where all do."""
        return self.args[3] if len(self.args) > 3 else None

    @property
    def shape(self) -> Shape:
        """That of the matrix, or one number a row or column."""
        rows, columns = self.matrix.shape
        if self.function in KEEPS:
            return rows, columns
        return (rows, sympy.S.One) if self.axis else (sympy.S.One, columns)


# --------------------------------------------------------------------------------------- names


@dataclass(frozen=True)
class Names:
    """How the arrays of a system are called in print.

    ``arrays`` are all their names, ``capitals`` those whose matrices have a capital letter, and
    ``named`` what a lift has named: text and LaTeX.  ``steps`` are the letters of loops: an index
    with one of those is a subscript, h_t, and so is one in the first place.  ``adjoints`` maps the
    name of one to the array that it belongs to and what is differentiated, ``first`` the loss;
    ``times`` the indices of an array that are time.
    """

    arrays: frozenset[str] = frozenset()
    capitals: frozenset[str] = frozenset()
    named: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    steps: frozenset[str] = frozenset()
    adjoints: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    first: str = "L"
    times: Mapping[str, frozenset[int]] = field(default_factory=dict)

    def text(self, array: str, is_capital: bool) -> str:
        """In a terminal."""
        if array in self.named:
            return self.named[array][0]
        base, rest = self._split(array)
        capital = is_capital and array in self.capitals
        letter = base[0].upper() + base[1:] if capital else base
        letter = {"yhat": "ŷ", "Yhat": "Ŷ"}.get(letter, letter)
        return letter + rest

    def latex(self, array: str, is_capital: bool) -> tuple[str, str]:
        """The letter and what stands below it."""
        if array in self.named:
            return self.named[array][1], ""
        base, rest = self._split(array)
        letter, below = base, rest.removeprefix("_")
        if not below and "_" in base:
            letter, _, below = base.partition("_")
        if is_capital and array in self.capitals:
            letter = letter[0].upper() + letter[1:]
        others = {other for other in self.arrays if other != array}
        clear = len(letter.removesuffix("hat")) == 1 or letter.lower() in GREEK
        if below and (not clear or (below.isdigit() and letter in others)):  # h_0 is h at time 0
            return latex_letter(array), ""
        if below and not below.isdigit() and len(below) > 1:
            below = latex_letter(below)
        return latex_letter(letter), below

    @staticmethod
    def _split(array: str) -> tuple[str, str]:
        """The letter, and its number as it is written: ``W1`` is W and 1."""
        letter, number = split_name(array)
        return (letter, array.removeprefix(letter)) if number else (array, "")


def capitals(matrices: frozenset[str], arrays: frozenset[str]) -> frozenset[str]:
    """The matrices with a small letter whose capital nothing else has."""

    def grown(name: str) -> str | None:
        letter, _ = array_name(name)
        plain = letter.removesuffix("hat")
        is_small = len(plain) == 1 and plain.isascii() and plain.islower()
        return name[0].upper() + name[1:] if is_small else None

    return frozenset(name for name in matrices if (big := grown(name)) and big not in arrays)


# ------------------------------------------------------------------------------------- writing


class _Arrays(Writer):
    """What both dialects do with arrays and their parts."""

    names: Names

    def array(self, name: str, is_capital: bool, below: list[str], brackets: list[str]) -> str:
        """An array with indices below the letter or in brackets behind it; ∇ an array."""
        if name not in self.names.adjoints:
            return self.part(name, is_capital, below, brackets)
        of, target = self.names.adjoints[name]
        return self.gradient(self.array(of, is_capital, below, brackets), target)

    def before_indices(self, name: str) -> str:
        """An array whose element is written: in parentheses where it is a gradient in LaTeX."""
        body = self.array(name, False, [], [])
        return self.parenthesised(body) if body.startswith(r"\nabla") else body

    def _print_Leaf(self, expr: Leaf | Whole) -> str:
        return self.array(expr.array, expr.is_capital, *self._places(expr.array, expr.places))

    def _print_Whole(self, expr: Whole) -> str:
        return self._print_Leaf(expr)

    def _indexed(self, expr: Expr) -> str:
        """What is written before indices in brackets: an element has a small letter, a_[t,i]."""
        if not isinstance(expr, Whole):
            body = self._print(expr)
            return body if isinstance(expr, (Einsum, Along, Leaf)) else self.parenthesised(body)
        subscripts, brackets = self._places(expr.array, expr.places)
        if not subscripts and not brackets:
            return self.before_indices(expr.array)
        body = self.array(expr.array, False, subscripts, brackets)
        return self.parenthesised(body) if expr.array in self.names.adjoints else body

    def applied(self, function: str, arguments: Any) -> str:
        """A function of its arguments; what is a number by itself needs no more parentheses."""
        inner = (self._print(a.matrix if isinstance(a, Scalar) else a) for a in arguments)
        return function + self.parenthesised(", ".join(inner))

    def _print_Max(self, expr: Expr) -> str:
        return self.applied(self.operator(type(expr).__name__.lower()), expr.args)

    def _print_Min(self, expr: Expr) -> str:
        return self._print_Max(expr)

    def _print_Pow(self, expr: sympy.Pow) -> str:
        is_element = isinstance(expr.base, Entry) and isinstance(expr.base.whole, Whole)
        if is_element and expr.exp.is_Integer and expr.exp.is_positive:
            return self.power(self._print(expr.base), self._print(expr.exp))
        if expr.exp == sympy.S.Half and isinstance(expr.base, Scalar):
            return self.root(self._print(expr.base.matrix))
        return super()._print_Pow(expr)

    def _places(self, array: str, places: tuple[Expr, ...]) -> tuple[list[str], list[str]]:
        """What is written below the letter, and what in brackets behind it."""
        fixed = [axis for axis, place in enumerate(places) if place != FREE]
        if len(fixed) == 1:
            place = places[fixed[0]]
            is_step = {each.name for each in place.free_symbols} & self.names.steps
            if fixed == [0] or is_step or fixed[0] in self.names.times.get(array, ()):
                return [self._print(place)], []
        if fixed:
            return [], [":" if place == FREE else self._print(place) for place in places]
        return [], []

    def _print_Symbol(self, expr: Symbol) -> str:
        return self.letter(expr.name)

    def in_order(self, expr: Any) -> Any:
        """An index as one writes it: t + 1."""
        if isinstance(expr, sympy.Add) and expr.is_integer and expr.free_symbols:
            return sorted(
                expr.args,
                key=lambda part: (part.is_number, part.could_extract_minus_sign(), str(part)),
            )
        return super().in_order(expr)

    def _print_Elementwise(self, expr: Elementwise) -> str:
        inner = copy(self)
        inner.numbers = dict(
            zip(expr.rule.variables, (self.bare(each) for each in expr.arrays), strict=True)
        )
        return inner._print(expr.rule.expr)

    def _print_StepSum(self, expr: StepSum) -> str:
        lower, upper = (self._print(limit).replace(" ", "") for limit in expr.limits)
        body = self._print(expr.body)
        if isinstance(expr.body, sympy.MatAdd) or body.startswith("-"):
            body = self.parenthesised(body)
        return self.sigma(self._print(expr.letter), lower, upper, body)

    def _grouped(self, expr: MatrixExpr) -> str:
        body = super()._grouped(expr)
        return self.parenthesised(body) if isinstance(expr, StepSum) else body

    def signed_terms(self, terms: Any) -> list[tuple[str, str]]:
        """A Σ that is not the last term stands in parentheses."""
        pieces = super().signed_terms(terms)
        for place, term in enumerate(terms[:-1]):
            if isinstance(term, StepSum):
                pieces[place] = pieces[place][0], self.parenthesised(pieces[place][1])
        return pieces

    def _print_Scalar(self, expr: Scalar) -> str:
        if isinstance(expr.matrix, Along):
            return self._print(expr.matrix)
        return super()._print_Scalar(expr)

    def _takes_a_mark(self, expr: MatrixExpr) -> bool:
        return isinstance(expr, Leaf) and expr.array not in self.names.adjoints


class MatrixText(_Arrays, Text):
    """Matrix forms as Unicode text."""

    def __init__(self, names: Names) -> None:
        super().__init__(EQUATIONS)
        self.names = names

    def part(self, array: str, is_capital: bool, below: list[str], brackets: list[str]) -> str:
        """``h_{t-1}``, ``W[1,:]``."""
        body = self.names.text(array, is_capital)
        if below:
            simple = below[0].isalnum()
            return f"{body}_{below[0]}" if simple else f"{body}_{{{below[0].replace(' ', '')}}}"
        return f"{body}[{','.join(brackets)}]" if brackets else body

    def gradient(self, body: str, target: str) -> str:
        """∇body; ∂target/∂body where a gradient is differentiated again."""
        return f"∇{body}" if target == self.names.first else f"∂{target}/∂{body}"

    def letter(self, name: str) -> str:
        """An index or a size."""
        return name

    def _print_Entry(self, expr: Entry) -> str:
        letters = ",".join(map(self._print, expr.letters))
        return self._indexed(expr.whole) + (f"[{letters}]" if letters else "")

    def _print_Over(self, expr: Over) -> str:
        given = "" if expr.mask == 1 else f" | {self._print(expr.mask)}"
        return f"{expr.function}_{self._print(expr.letter)}({self._print(expr.body)}{given})"

    def _print_Einsum(self, expr: Einsum) -> str:
        operands = ", ".join(self._print(part.whole) for part in expr.operands)
        return f'einsum("{expr.subscripts}", {operands})'

    def _print_Along(self, expr: Along) -> str:
        return f"{expr.function}{_direction(expr)}({self._inside(expr)})"

    def _inside(self, expr: Along) -> str:
        given = "" if expr.mask is None else f" | {self._print(expr.mask)}"
        return self._print(expr.matrix) + given


class MatrixTex(_Arrays, MatrixLatex):
    """Matrix forms as LaTeX."""

    def __init__(self, names: Names, *, shapes: bool = False) -> None:
        super().__init__(EQUATIONS, shapes=shapes)
        self.names = names

    def part(self, array: str, is_capital: bool, below: list[str], brackets: list[str]) -> str:
        """``h_{t-1}``, ``W_{1,:}``."""
        letter, own = self.names.latex(array, is_capital)
        subscript = ",".join(part for part in (own, *below, *brackets) if part)
        return f"{letter}_{{{subscript}}}" if subscript else letter

    def gradient(self, body: str, target: str) -> str:
        """The gradient of ``target`` by ``body``."""
        return rf"\nabla_{{{body}}}{self.array(target, False, [], [])}"

    def letter(self, name: str) -> str:
        """An index or a size."""
        letter, number = array_name(name)
        return latex_letter(letter) + (f"_{{{number[0]}}}" if number else "")

    def _print_Entry(self, expr: Entry) -> str:
        letters = ",".join(map(self._print, expr.letters))
        return self._indexed(expr.whole) + (f"[{letters}]" if letters else "")

    def _print_Over(self, expr: Over) -> str:
        name = _TEX_FUNCTIONS.get(expr.function, rf"\operatorname{{{expr.function}}}")
        given = "" if expr.mask == 1 else rf" \mid {self._print(expr.mask)}"
        body = self.parenthesised(self._print(expr.body) + given)
        return f"{name}_{{{self._print(expr.letter)}}}{body}"

    def _print_Einsum(self, expr: Einsum) -> str:
        operands = r",\ ".join(self._print(part.whole) for part in expr.operands)
        subscripts = expr.subscripts.replace("->", r"\to ")
        return rf"\operatorname{{einsum}}\left(\mathtt{{{subscripts}}};\ {operands}\right)"

    def _print_Along(self, expr: Along) -> str:
        name = _TEX_FUNCTIONS.get(expr.function, rf"\operatorname{{{expr.function}}}")
        direction = _direction(expr).removeprefix("_")
        below = rf"_{{\mathrm{{{direction}}}}}" if direction else ""
        given = "" if expr.mask is None else rf" \mid {self._print(expr.mask)}"
        return f"{name}{below}" + self.parenthesised(self._print(expr.matrix) + given)


_TEX_FUNCTIONS = {"max": r"\max", "min": r"\min"}


def _direction(expr: Along) -> str:
    """Along the rows of a matrix, or down its columns; a vector has but one way."""
    if sympy.S.One in expr.matrix.shape:
        return ""
    return "_rows" if expr.axis else "_cols"
