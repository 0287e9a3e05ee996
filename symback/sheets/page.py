"""What a sheet is made of, as data: formulas in both dialects, rows, tables, sections.

`symback.sheets.chapters` fills a `Page`, `symback.sheets.rendering` sets it in LaTeX, HTML,
Markdown or text.  A `Pen` writes expressions for both, breaks long lines, and writes a formula
again with its numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Protocol

from sympy import Expr, Indexed, Integer, Sum, Symbol, preorder_traversal

from symback.engine.arithmetics import number
from symback.engine.calculus import instantiate
from symback.language.algebra import Partial, Sigma
from symback.language.layout import PathStyle
from symback.language.names import SAMPLE, Lettering, Variable
from symback.language.typesetting import width
from symback.language.writing import Latex, MatrixLatex, Text
from symback.sheets.figure import Figure

LINE = 390.0
"""Points that the right-hand side of a display may take on a page 483 points wide."""

INDENT = r"{}\cdot "
"""How a line begins that goes on multiplying."""

DIGITS = 4
"""Significant digits of a computed number on a sheet."""


ROUNDING = number("1e-40")
"""A difference this small, relative, is rounding in the fiftieth digit."""


@dataclass(frozen=True, slots=True)
class Formula:
    """One formula, in both dialects."""

    latex: str
    text: str


def joined(formulas: Iterable[Formula], latex: str, text: str | None = None) -> Formula:
    """Several formulas as one, with ``latex`` between them, in text ``text`` (else the same)."""
    found = list(formulas)
    between = latex if text is None else text
    return Formula(latex.join(f.latex for f in found), between.join(f.text for f in found))


@dataclass(frozen=True, slots=True)
class Words:
    """Words a user wrote: a title, the name of an activation; escaped wherever they are shown."""

    text: str


@dataclass(frozen=True, slots=True)
class Say:
    """A sentence of ``templates/words.toml`` by its key, and what is filled into it."""

    key: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """``lhs relation right-hand side`` with its reason; ``path`` numbers a coloured path from 0."""

    lhs: Formula | None
    relation: str
    lines: tuple[str, ...]
    text: str
    reason: Say | None = None
    path: int | None = None
    is_result: bool = False


@dataclass(frozen=True, slots=True)
class Display:
    """Rows set under one another, aligned at their relations."""

    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: sentences as heads; formulas, sentences or words in its cells."""

    head: tuple[Say, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure, with what it shows in a sentence of its own."""

    figure: Figure


Block = Say | Display | Grid | Picture


@dataclass(frozen=True, slots=True)
class Section:
    """A title and what stands under it."""

    title: Say
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A sheet: title, a line on the network, sections, footnotes; ``styles`` colour the paths.

    ``tab`` is the title by which one tells it from other sheets of the same network.
    """

    title: Say
    tab: Say
    subtitle: Say
    sections: tuple[Section, ...]
    notes: tuple[Say, ...]
    styles: tuple[PathStyle, ...] = ()
    has_contents: bool = False

    @property
    def figure(self) -> Figure:
        """The first picture of the page."""
        return self._pictures()[0].figure

    @property
    def has_figure(self) -> bool:
        """Whether there is a picture."""
        return bool(self._pictures())

    def _pictures(self) -> list[Picture]:
        blocks = (block for section in self.sections for block in section.blocks)
        return [block for block in blocks if isinstance(block, Picture)]


@dataclass(frozen=True, slots=True)
class Literal:
    """A number as it is printed, and whether that is the number exactly."""

    latex: str
    text: str
    is_exact: bool

    @property
    def formula(self) -> Formula:
        """The number alone."""
        return Formula(self.latex, self.text)


def literal(value: Any, digits: int = DIGITS) -> Literal:
    r"""A 50-digit number to ``digits`` significant digits, plainly where that is readable.

    A number that is all there ends where it ends; of another every digit asked for is shown.

    >>> literal(number("-0.25"))
    Literal(latex='-0.25', text='-0.25', is_exact=True)
    >>> literal(number("0.0033000012"))
    Literal(latex='0.003300', text='0.003300', is_exact=False)
    >>> literal(number("0.00000012345678"))
    Literal(latex='1.235 \\cdot 10^{-7}', text='1.235e-7', is_exact=False)
    """
    short = format(Decimal(str(value)), f".{digits}g")
    is_exact = abs(number(short) - value) <= abs(value) * ROUNDING
    mantissa, _, exponent = short.partition("e")
    power = int(exponent or 0)
    plain = power == 0 or -5 < power < 7
    digits_ = format(Decimal(short), "f") if plain else mantissa
    if is_exact and "." in digits_:
        digits_ = digits_.rstrip("0").rstrip(".")
    if plain:
        shown = "0" if is_exact and digits_ in ("-0", "") else digits_
        return Literal(shown, shown, is_exact)
    return Literal(rf"{digits_} \cdot 10^{{{power}}}", f"{digits_}e{power}", is_exact)


def equal_to(shown: Literal) -> Formula:
    """``= 0.25``, or ``≈ 0.05736`` where the printed digits are not all of it."""
    latex, mark = ("=", "=") if shown.is_exact else (r"\approx ", "≈")
    return Formula(latex + shown.latex, f"{mark} {shown.text}")


def as_written(value: Any) -> Literal:
    """A given 50-digit number with the digits it was given with, twelve at most."""
    return literal(value, 12)


class Pen:
    """Writes expressions in both dialects, breaks long lines, and puts numbers in."""

    def __init__(
        self, lettering: Lettering, literals: Mapping[Expr, Literal] | None = None
    ) -> None:
        self.literals = dict(literals or {})
        self.latex = Latex(lettering)
        self.text = Text(lettering)
        self._latex_numbers = Latex(
            lettering, {e: entry.latex for e, entry in self.literals.items()}
        )
        self._text_numbers = Text(lettering, {e: entry.text for e, entry in self.literals.items()})

    def formula(self, expr: Expr) -> Formula:
        """An expression on one line."""
        expr = self.as_shown(expr)
        return Formula(self.latex.write(expr), self.text.write(expr))

    def as_shown(self, expr: Expr) -> Expr:
        """What is printed for an expression; its value is the same."""
        return without_lone_sums(expr)

    def sizes(self, variable: Variable) -> tuple[Expr, ...]:
        """How far the indices of a quantity run."""
        return variable.shape

    def quantity(self, letter: str, indices: tuple[str, ...]) -> Formula:
        """A quantity by the lectures' letter and its indices, the layer first."""
        return Formula(self.latex.named(letter, indices), self.text.named(letter, indices))

    def matrix(self, expr: Any) -> Formula:
        """An expression of matrices."""
        in_latex, in_text = MatrixLatex(self.latex.lettering), Text(self.text.lettering)
        return Formula(in_latex.write(expr), in_text.write(expr))

    def inline(self, derivative: Partial) -> Formula:
        """∂L/∂w with a slash, for a line of text."""
        d = self.latex.lettering.differential + " "
        of, by = self.latex.write(derivative.of), self.latex.write(derivative.by)
        return Formula(f"{d}{of} / {d}{by}", self.text.write(derivative))

    def row(
        self,
        lhs: Expr | None,
        rhs: Expr,
        reason: Say | None = None,
        *,
        path: int | None = None,
        is_result: bool = False,
        room: float = LINE,
    ) -> Row:
        """``lhs = rhs``; without ``lhs``, one more equality of the row above."""
        left = None if lhs is None else self.formula(lhs)
        rhs = self.as_shown(rhs)
        broken = tuple(lines(rhs, self.latex, room))
        return Row(left, "=", broken, self.text.write(rhs), reason, path, is_result)

    def with_numbers(self, expr: Expr) -> Row | None:
        """The formula again with the numbers put in; None where a name in it has no number."""
        names = _names(expr)
        if not names or expr in names or not all(name in self.literals for name in names):
            return None
        exact = all(self.literals[name].is_exact for name in names)
        broken = tuple(lines(expr, self._latex_numbers))
        return Row(
            None,
            "=" if exact else "≈",
            broken,
            self._text_numbers.write(expr),
            Say("reason.numbers"),
        )

    def value_row(
        self, lhs: Expr | None, value: Any, reason: Say | None = None, **more: Any
    ) -> Row:
        """``= value``, or ``≈`` where the printed digits are not all of it."""
        shown = literal(value)
        left = None if lhs is None else self.formula(lhs)
        return Row(left, "=" if shown.is_exact else "≈", (shown.latex,), shown.text, reason, **more)

    def numbers_and_value(self, numbers: Row | None, lhs: Expr | None, value: Any) -> list[Row]:
        """``= formula with numbers = value``, on one line where there is room."""
        if numbers is None:
            return [self.value_row(lhs, value)]
        shown = self.value_row(None, value)
        if (
            numbers.relation == "≈" and value
        ):  # e^(-1.386) is not 0.25, though what it stands for is
            shown = replace(shown, relation="≈")
        led = replace(numbers, lhs=None if lhs is None else self.formula(lhs))
        if numbers.text == shown.text:
            return [replace(led, relation=shown.relation)]
        sign = r" \approx " if shown.relation == "≈" else " = "
        together = numbers.lines[-1] + sign + shown.lines[0]
        if len(numbers.lines) > 1 or width(together) > LINE:
            return [led, shown]
        text = f"{numbers.text} {shown.relation} {shown.text}"
        return [replace(led, lines=(together,), text=text)]


def without_lone_sums(expr: Expr) -> Expr:
    """``expr`` with Σ_{i=1}^{1} f_i written f_1, as for a layer of one neuron."""
    if not expr.args or not expr.has(Sum):
        return expr
    if isinstance(expr, Sum):
        bound, _, upper = expr.limits[0]
        body = without_lone_sums(expr.function)
        if upper == 1 and bound != SAMPLE:
            return instantiate(body, {bound: Integer(1)})
        return Sigma(body, *expr.limits)
    return expr.func(*map(without_lone_sums, expr.args))


def _names(expr: Expr) -> list[Expr]:
    """What a formula needs numbers for: symbols, elements, and derivatives as a whole."""
    found: dict[Expr, None] = {}
    walk = preorder_traversal(expr)
    for node in walk:
        if isinstance(node, (Partial, Symbol, Indexed)):
            found[node] = None
            walk.skip()
    return list(found)


# ---------------------------------------------------------------------------------- long formulas
#
# TeX breaks no formula in a display, and the packages that try push terms off the page without an
# error, so the engine, which knows terms from factors, breaks the lines: a sum between its terms, a
# product between its factors, and a factor that is itself a long sum inside its bracket.  A broken
# bracket opens with \Bigl and closes with \Bigr on another line; what was bracketed on one line
# stays so.


class Breakable(Protocol):
    """Who writes formulas that are broken: what each is a sum, a product or a Σ of, with signs."""

    def write(self, expr: Any, /) -> str:
        """A formula on one line."""
        ...

    def summands(self, expr: Any, /) -> list[tuple[str, str, Any]] | None:
        """The terms of a sum, each as its sign, its body, and what that body is of."""
        ...

    def factors(self, expr: Any, /) -> tuple[str, list[tuple[Any, str]], bool] | None:
        """The minus of a product, its factors with their bodies, and whether one is a ∂L/∂v."""
        ...

    def under_sigma(self, expr: Any, /) -> tuple[Any, str] | None:
        """What a Σ sums, and its body."""
        ...

    def multiply(self, factors: list[str], has_partials: bool, /) -> str:
        """Factors beside each other."""
        ...


def lines(expr: Any, printer: Breakable, room: float = LINE) -> list[str]:
    """``expr`` in LaTeX, as lines of at most ``room`` points where that can be done."""
    whole = printer.write(expr)
    if width(whole) <= room:
        return [whole]
    if (terms := printer.summands(expr)) is not None:
        return _broken_sum(terms, printer, room)
    if (product := printer.factors(expr)) is not None:
        return _broken_product(*product, printer, room)
    if (summed := printer.under_sigma(expr)) is not None:
        inner, body = summed
        return _inside(whole.removesuffix(body), inner, body, printer, room)
    return [whole]


def _broken_sum(terms: list[tuple[str, str, Any]], printer: Breakable, room: float) -> list[str]:
    """As many terms a line as fit; a term that does not fit by itself is broken in turn."""
    found: list[str] = []
    for mark, body, size in terms:
        if found and width(found[-1] + mark + body) <= room:
            found[-1] += mark + body
        elif width(mark + body) <= room:
            found.append(mark + body)
        else:
            found += _inside(mark, size, body, printer, room)
    return found


def _broken_product(
    mark: str, pieces: list[tuple[Any, str]], names: bool, printer: Breakable, room: float
) -> list[str]:
    """As many factors a line as fit; a long bracket is broken within, another factor goes down."""
    found = [mark]
    for factor, body in pieces:
        begun = found[-1] not in ("", mark)
        joined = printer.multiply([found[-1], body], names) if begun else found[-1] + body
        if width(joined) <= room:
            found[-1] = joined
        elif width(INDENT + body) <= room and (begun or not _has_parts(factor, printer)):
            found.append(INDENT + body)
        elif begun and width(found[-1]) > room / 3:
            found += _inside(INDENT, factor, body, printer, room)
        else:
            before = found.pop()
            found += _inside(before + r"\," * begun, factor, body, printer, room)
    return found


def _has_parts(expr: Any, printer: Breakable) -> bool:
    found = printer.summands(expr), printer.factors(expr), printer.under_sigma(expr)
    return any(part is not None for part in found)


def _inside(before: str, expr: Any, body: str, printer: Breakable, room: float) -> list[str]:
    """``before`` and then ``expr``, broken; in brackets where ``body`` has them."""
    bracketed = body != printer.write(expr)
    left = max(room - width(before) - 12.0 * bracketed, room / 2)
    first, *more = lines(expr, printer, left)
    if not more:
        return [before + body]
    more = [rf"\quad {line}" for line in more]
    if bracketed:
        first, more[-1] = rf"\Bigl[{first}", rf"{more[-1]}\Bigr]"
    return [before + first, *more]
