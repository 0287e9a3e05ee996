r"""Writing formulas over arrays down: LaTeX for sheets, Unicode text for terminals.

`TermWriter` prints every term, in the order in which it was written, with the marks of a dialect of
`symback.language.writing`, so that a Σ or a ∂ looks the same everywhere:

* elements are ``h[2]_1`` (time in brackets) and ``U_12``; W1 is W₁, its elements ``W_{1,12}``; ŷ
  and Greek letters by their signs; the adjoint of an array is ∂L/∂a[t]_i;
* a factor -1 is a minus, a power -1 a fraction; what is summed under a condition has it under the
  Σ (``\sum_{u \le t}``); what counts under a condition only has it as an indicator in front.

`latex` and `text` make a writer; `TermWriter.equation` is a definition as a line, and
`TermWriter.ranges` what its letters run over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property

from symback.equations.indices import (
    ONE,
    Affine,
    Condition,
    Index,
    Lookup,
    Range,
    decided,
    letter,
    number,
)
from symback.equations.naming import time_axes
from symback.equations.system import Definition, Kind, System
from symback.equations.terms import (
    MINUS,
    UNIT,
    ZERO,
    Binder,
    Call,
    Given,
    Measure,
    Number,
    Plus,
    Power,
    Read,
    Slope,
    Term,
    Times,
    Where,
    power,
    walk,
)
from symback.language.functions import ELEMENTARY
from symback.language.names import EQUATIONS, GREEK, Spelling, array_name, pack
from symback.language.writing import Latex, Text, Writer


@dataclass(frozen=True)
class TermWriter:
    """Writes the terms of ``system`` with the ``marks`` of a dialect.

    ``numbers`` are written in place of the elements that have one, which is how a sheet fills a
    formula in.  ``latex`` and ``text`` make one.
    """

    system: System
    marks: Writer
    numbers: Mapping[Read, str] = field(default_factory=dict)
    ranges_known: tuple[Range, ...] = ()

    # --------------------------------------------------------------------------------- lines

    def equation(self, definition: Definition) -> str:
        """``h[t]_i = tanh(a[t]_i)``."""
        inside = self.within(definition.ranges)
        return f"{self.write(definition.lhs)} = {inside.write(definition.term)}"

    def ranges(self, ranges: Iterable[Range]) -> str:
        """``t = 1…T, i = 1…n``; empty where there is no letter."""
        between = r",\; " if self.is_latex else ", "
        return between.join(self._range(each) for each in ranges)

    def _range(self, over: Range) -> str:
        lower, upper = self.index(over.lower), self.index(over.upper)
        dots = r", \ldots, " if self.is_latex else "…"
        return f"{self.letter(over.letter)} = {lower}{dots}{upper}"

    def within(self, ranges: Iterable[Range]) -> TermWriter:
        """The same where the letters of ``ranges`` are known to run over them."""
        return replace(self, ranges_known=(*self.ranges_known, *ranges))

    def filled(self, numbers: Mapping[Read, str]) -> TermWriter:
        """The same with numbers for elements."""
        return replace(self, numbers=numbers)

    @property
    def is_latex(self) -> bool:
        """Whether it writes LaTeX."""
        return isinstance(self.marks, Latex)

    # --------------------------------------------------------------------------------- terms

    def write(self, term: Term) -> str:
        """``term`` as a string."""
        match term:
            case Number():
                return self._number(term)
            case Measure(index):
                return self.index(index)
            case Read():
                return self.numbers[term] if term in self.numbers else self.element(term)
            case Slope():
                return self._slope(term)
            case Plus(terms):
                return "".join(mark + body for mark, body in self.signed_terms(terms))
            case Given(conditions, body) if body == UNIT:
                return self._indicator(conditions)
            case Times() | Given():
                return self._times(term)
            case Power():
                return self._power(term)
            case Call():
                return self._call(term)
            case Where():
                return self._where(term)
            case Binder():
                return self._binder(term)
        raise TypeError(f"no way to write {type(term).__name__}: {term!r}")

    def signed_terms(self, terms: Sequence[Term]) -> list[tuple[str, str]]:
        """Each term as its sign, with spaces, and its body; no sign before a first term above 0."""
        pieces = []
        for position, term in enumerate(terms):
            negative, size = signed(term)
            body = self.write(size)
            if is_sum(size) or (body.startswith("-") and (position or negative)):
                body = self.marks.parenthesised(body)
            mark = (" - " if negative else " + ") if position else ("-" if negative else "")
            pieces.append((mark, body))
        return pieces

    def _number(self, term: Number) -> str:
        if re.fullmatch(r"-?\d+(\.\d+)?", term.text):
            return term.text
        sign, value = ("-" if term.value < 0 else ""), abs(term.value)
        if value.denominator == 1:
            return f"{sign}{value.numerator}"
        digits = len(str(value.denominator)) - 1
        if value.numerator == 1 and value.denominator == 10**digits and digits > 2:
            return sign + self.marks.power("10", f"-{digits}")
        return sign + self.marks.quotient(str(value.numerator), str(value.denominator))

    # ------------------------------------------------------------------------------ products

    def _times(self, term: Times | Given) -> str:
        negative, size = signed(term)
        first, *more = factors = _opened(size)
        body = self._side_by_side(factors) if more else self.write(first)
        if not negative:
            return body
        if is_sum(size):
            body = self.marks.parenthesised(body)
        return "-" + (self.marks.parenthesised(body) if body.startswith("-") else body)

    def _side_by_side(self, factors: Sequence[Term]) -> str:
        pieces = [body for _, body in self._pieces(factors)]
        return self.multiply(pieces, self._has_names(factors)) if len(pieces) > 1 else pieces[0]

    def _pieces(self, factors: Sequence[Term]) -> list[tuple[Term, str]]:
        """Each factor, or fraction of some, and how it is written among the others."""
        flat = [part for factor in factors for part in _opened(factor)]
        groups = self._fractions([part for part in flat if part != UNIT] or [UNIT])
        found = []
        for position, (above, below) in enumerate(groups):
            first, last = position == 0, position == len(groups) - 1
            if below:
                match above:
                    case [Number(value), *more] if value.denominator != 1:  # ½/x is 1/(2x)
                        whole = [] if value.numerator == 1 else [Number(Fraction(value.numerator))]
                        above = [*whole, *more]
                        below = [Number(Fraction(value.denominator)), *below]
                over = self._side_by_side(above) if above else "1"
                divided = Times((*above, *(Power(each, MINUS) for each in below)))
                found.append((divided, self.marks.quotient(over, self._side_by_side(below))))
            else:
                (one,) = above
                alone = len(groups) == 1
                found.append((one, self.write(one) if alone else self._factor(one, first, last)))
        return found

    def multiply(self, factors: list[str], has_partials: bool) -> str:
        """Factors beside each other."""
        return self.marks.multiply(factors, has_partials)

    def _has_names(self, factors: Sequence[Term]) -> bool:
        return any(self._is_derivative(part) for each in factors for part in _opened(each))

    # ------------------------------------------------------- parts, where a long line is broken

    def summands(self, term: Term) -> list[tuple[str, str, Term]] | None:
        """The terms of a sum, each as its sign, its body, and what that body is of."""
        if not isinstance(term, Plus):
            return None
        pairs = zip(self.signed_terms(term.terms), term.terms, strict=True)
        return [(mark, body, signed(each)[1]) for (mark, body), each in pairs]

    def factors(self, term: Term) -> tuple[str, list[tuple[Term, str]], bool] | None:
        """The minus of a product, its factors with their bodies, and whether one is a ∂L/∂v."""
        negative, size = signed(term)
        own = _opened(size)
        pieces = self._pieces(own) if len(own) > 1 else []
        if len(pieces) < 2:
            return None
        return "-" * negative, pieces, self._has_names(own)

    def under_sigma(self, term: Term) -> tuple[Term, str] | None:
        """What a Σ sums, and its body."""
        if not isinstance(term, Binder) or not _ends_in_sum(term):
            return None
        body = self.within((term.range,)).write(term.body)
        whole = self.write(term)
        return term.body, body if whole.endswith(body) else self.marks.parenthesised(body)

    def _is_derivative(self, term: Term) -> bool:
        named = isinstance(term, Slope) or (isinstance(term, Read) and self._of(term) is not None)
        return named and term not in self.numbers

    def _fractions(self, factors: Sequence[Term]) -> list[_Fraction]:
        """Factors with what divides them: a divisor stands under the factors before it."""
        groups: list[_Fraction] = []
        above: list[Term] = []
        below: list[Term] = []

        def close() -> None:
            groups.extend([([*above], [*below])] if below else [([one], []) for one in above])
            above.clear()
            below.clear()

        for factor in factors:
            divisor = inverted(factor)
            if divisor is not None:
                below.append(divisor)
                continue
            is_apart = isinstance(factor, Given) or self._is_derivative(factor)
            if below or is_apart:
                close()
            above.append(factor)
            if is_apart:
                close()
        close()
        return self._divisors_in_front(groups)

    def _divisors_in_front(self, groups: list[_Fraction]) -> list[_Fraction]:
        """2 · ∂L/∂v · 1/n · x as 2/n · ∂L/∂v · x: what divides a derivative, with the numbers."""
        lone = [below for above, below in groups if not above]
        kept = [group for group in groups if group[0]]
        if not lone or not kept:
            return groups
        below = [divisor for each in lone for divisor in each]
        place = next(
            (n for n, (above, _) in enumerate(kept) if not isinstance(above[0], Given)), len(kept)
        )
        if place < len(kept) and isinstance(kept[place][0][0], Number):
            above, own = kept[place]
            return [*kept[:place], (above, [*own, *below]), *kept[place + 1 :]]
        return [*kept[:place], ([], below), *kept[place:]]

    def _factor(self, factor: Term, first: bool, last: bool) -> str:
        body = self.write(factor)
        if is_sum(factor) or (body.startswith("-") and not first):
            return self.marks.parenthesised(body)
        if isinstance(factor, Where) and not _is_indicator(factor):
            return self.marks.parenthesised(body)
        return body if last or not _ends_in_sum(factor) else self.marks.parenthesised(body)

    def _power(self, term: Power) -> str:
        inverse = inverted(term)
        if inverse is not None:
            return self.marks.quotient("1", self.write(inverse))
        if term.exponent == Number(Fraction(1, 2)):
            return self.marks.root(self.write(term.base))
        match term:
            case Power(Call("sqrt", (inside,)), Number(whole)):  # √x³ is x^(3/2)
                return self.write(power(inside, Number(whole / 2)))
        base, body, exponent = term.base, self.write(term.base), self.write(term.exponent)
        row = ELEMENTARY.get(base.function) if isinstance(base, Call) else None
        if isinstance(base, Call) and row is not None and row.arguments == 1 and row.latex:
            function = self.marks.power(self.marks.operator(base.function), exponent)
            return self._applied(function, base.arguments)
        if base in self.numbers:
            plain = re.fullmatch(r"\d+(\.\d+)?", body) is not None
        else:
            named = isinstance(base, Read) and not self._is_derivative(base)
            whole = isinstance(base, Number) and base.value.denominator == 1 and base.value >= 0
            plain = named or whole or (isinstance(base, Measure) and base.index.bare is not None)
        return self.marks.power(body if plain else self.marks.parenthesised(body), exponent)

    # ----------------------------------------------------------------------------- functions

    def _call(self, term: Call) -> str:
        match term.function:
            case "pi":
                return self.marks.pi
            case "exp" if term.arguments == (UNIT,):
                return self.marks.euler
            case "exp":
                return self.marks.power(self.marks.euler, self.write(term.arguments[0]))
            case "sqrt":
                return self.marks.root(self.write(term.arguments[0]))
            case "abs":
                return self.marks.absolute(self.write(term.arguments[0]))
        return self._applied(self.marks.operator(term.function), term.arguments)

    def _applied(self, function: str, arguments: Iterable[Term]) -> str:
        return function + self.marks.parenthesised(", ".join(map(self.write, arguments)))

    def _where(self, term: Where) -> str:
        if _is_indicator(term):
            return self.marks.indicator(self._compared(term))
        rows: list[tuple[str, str]] = []
        rest: Term = term
        while isinstance(rest, Where) and not _is_indicator(rest):
            rows.append((self.write(rest.yes), self._compared(rest)))
            rest = rest.no
        return self.marks.cases([*rows, (self.write(rest), "")])

    def _compared(self, term: Where) -> str:
        left, right = term.left, term.right
        mark = self.marks.relations.get(term.relation, term.relation)
        if isinstance(left, Number) and not isinstance(right, Number):  # 0 < z is z > 0
            left, right = right, left
            mark = {"<": ">", "<=": self.marks.relations[">="]}.get(term.relation, mark)
        return f"{self.write(left)} {mark} {self.write(right)}"

    # ------------------------------------------------------------------------------- binders

    def _binder(self, term: Binder) -> str:
        inside = self.within((term.range,))
        body = inside.write(term.body)
        if is_sum(term.body) or body.startswith("-"):
            body = self.marks.parenthesised(body)
        own = self.letter(term.range.letter)
        match term.kind:
            case "count" if not (limits := self._limits(term)).rest:
                size = Measure(limits.upper - limits.lower + number(1))
                found = self.write(size)
                return self.marks.parenthesised(found) if is_sum(size) else found
            case "sum" | "count":
                return self._sigma(term, body)
            case "mean" if not term.conditions:
                size = self.index(term.range.upper - term.range.lower + number(1))
                return self.marks.multiply(
                    [self.marks.quotient("1", size), self._sigma(term, body)], False
                )
            case "softmax":
                plain = self._is_plain(term)
                under = own if plain else self._under(term)
                head = self.marks.component(self.marks.operator("softmax"), self._sub(under))
                value = head + self.marks.parenthesised(inside.write(term.body))
                if term.at is None or term.at == letter(term.range.letter):
                    return value
                return self.marks.component(value, self._sub(self.index(term.at)))
            case "argmax" | "argmin":
                assert term.at is not None
                head = self._operator(term.kind, term)
                mark = self.marks.relations["=="]
                return self.marks.indicator(f"{self.index(term.at)} {mark} {head} {body}")
        return f"{self._operator(term.kind, term)} {body}"

    def _operator(self, kind: str, term: Binder) -> str:
        r"""``\max_{u \le t}``."""
        known = {"max": r"\max", "min": r"\min", "argmax": r"\arg\max", "argmin": r"\arg\min"}
        head = known.get(kind, rf"\operatorname*{{{kind}}}") if self.is_latex else kind
        return self.marks.component(head, self._sub(self._under(term)))

    def _sub(self, body: str) -> str:
        """What stands below: in text in braces where it is more than one thing."""
        return body if self.is_latex or re.fullmatch(r"\w+", body) else f"{{{body}}}"

    def _is_plain(self, term: Binder) -> bool:
        """Whether a letter runs over a whole axis of what is read: then its range goes unsaid."""
        own = term.range
        return (
            not term.conditions
            and own.lower == ONE
            and any(
                isinstance(part, Read)
                and any(
                    index.bare == own.letter and size == own.upper
                    for index, size in zip(part.indices, self._shape(part), strict=False)
                )
                for part in walk(term.body)
            )
        )

    def _shape(self, read: Read) -> tuple[Affine, ...]:
        quantity = self.system.by_name.get(read.array)
        return quantity.shape if quantity else ()

    def _sigma(self, term: Binder, body: str) -> str:
        limits = self._limits(term)
        own = self.letter(term.range.letter)
        if limits.under is not None:
            return self.marks.summed_under(limits.under, body)
        lower, upper = self.index(limits.lower), self.index(limits.upper)
        if limits.rest:
            first = f"{own} = {lower}" if self.is_latex else f"{own}={lower}..{upper}"
            rest = self.conditions(limits.rest)
            if self.is_latex:
                under = rf"\substack{{{first} \\ {rest}}}"
                return rf"\sum_{{{under}}}^{{{upper}}} {body}"
            return self.marks.summed_under(f"{first}, {rest}", body)
        return self.marks.sigma(own, lower, upper, body)

    def _under(self, term: Binder) -> str:
        """What stands under max, mean or softmax: the letter with its range and conditions."""
        limits = self._limits(term)
        if limits.under is not None:
            return limits.under
        own, mark = self.letter(term.range.letter), self.marks.relations["<="]
        span = f"{self.index(limits.lower)} {mark} {own} {mark} {self.index(limits.upper)}"
        rest = self.conditions(limits.rest)
        if rest and self.is_latex:
            return rf"\substack{{{span} \\ {rest}}}"
        return span + (f", {rest}" if rest else "")

    def _limits(self, term: Binder) -> _Limits:
        """The range with conditions such as u ≤ t taken into it, where they lie inside it."""
        own = term.range
        lower, upper, rest = own.lower, own.upper, []
        under = None
        for condition in term.conditions:
            bound = _bound(condition, own.letter)
            if bound is None:
                rest.append(condition)
                continue
            side, edge = bound
            if side == "upper" and self._surely(edge, upper):
                upper = edge
            elif side == "lower" and self._surely(lower, edge):
                lower = edge
            elif not (self._surely(upper, edge) if side == "upper" else self._surely(edge, lower)):
                rest.append(condition)
        if not rest and lower == ONE == own.lower and upper != own.upper:
            below = upper - number(-1)
            is_strict = upper.constant == -1
            relation = "<" if is_strict else "<="
            edge = self.index(below if is_strict else upper)
            under = f"{self.letter(own.letter)} {self.marks.relations.get(relation, '<')} {edge}"
        return _Limits(lower, upper, tuple(rest), under)

    def _surely(self, small: Affine, large: Affine) -> bool:
        return decided(Condition(small, "<=", large), self.ranges_known) is True

    # ---------------------------------------------------------------------------- conditions

    def _indicator(self, conditions: Sequence[Condition]) -> str:
        return self.marks.indicator(self.conditions(conditions))

    def conditions(self, conditions: Sequence[Condition]) -> str:
        """``t < T, 1 ≤ q - u ≤ m``: two about the same thing are one chain."""
        left = list(dict.fromkeys(conditions))
        shown = []
        while left:
            first = left.pop(0)
            partner = next((other for other in left if _chains(first, other)), None)
            if partner is not None:
                left.remove(partner)
                low, high = (first, partner) if first.right == partner.left else (partner, first)
                mark = self.marks.relations.get(low.relation, low.relation)
                shown.append(f"{self.index(low.left)} {mark} {self._compared_index(high)}")
            else:
                shown.append(self._condition(_plain(first)))
        return ", ".join(shown)

    def _condition(self, condition: Condition) -> str:
        left, right, relation = condition.left, condition.right, condition.relation
        if (
            isinstance(left, Affine)
            and (left.is_number or not left.names - self.system.sizes.keys())
            and relation in ("==", "!=")
        ):
            left, right = right, left
        elif isinstance(left, Affine) and left.is_number:  # 2 ≤ t is t ≥ 2
            left, relation, right = right, {"<": ">", "<=": ">="}[relation], left
        return self._compared_index(Condition(left, relation, right))

    def _compared_index(self, condition: Condition) -> str:
        mark = self.marks.relations.get(condition.relation, condition.relation)
        return f"{self.index(condition.left)} {mark} {self.index(condition.right)}"

    # --------------------------------------------------------------------------------- names

    def index(self, index: Index) -> str:
        """An index: ``t-1``, ``2o+u-3``, ``tok[t]``."""
        if isinstance(index, Lookup):
            return self.element(Read(index.array, index.indices))
        text = ""
        for name, coefficient in sorted(index.parts, key=lambda part: part[1] < 0):
            sign = "-" if coefficient < 0 else "+" if text else ""
            times = str(abs(coefficient)) if abs(coefficient) != 1 else ""
            text += sign + times + self.letter(name)
        if index.constant or not text:
            text += f"{index.constant:+d}" if text else str(index.constant)
        return text

    def letter(self, name: str) -> str:
        """A letter of an index, or a size."""
        return self.marks.spelled(self._spelling(name))

    def element(self, read: Read) -> str:
        """An element by its name, or ∂L/∂ it."""
        of = self._of(read)
        if of is not None:
            loss = self.element(Read(self.system.by_name[read.array].target or self.system.target))
            return self.marks.derivative(loss, self._one_thing(of))
        if read.array == self.system.target == "L":
            return self.marks.loss
        spelling = self._spelling(read.array)
        axes = self._time.get(read.array, frozenset())
        times = [self.index(i) for axis, i in enumerate(read.indices) if axis in axes]
        plain = [self.index(i) for axis, i in enumerate(read.indices) if axis not in axes]
        inside = pack(plain)
        if times:
            behind = f"[{','.join(times)}]"
            return self.marks.spelled(spelling) + behind + self._below(inside)
        if spelling.subscript and plain and self.is_latex:
            inside, spelling = f"{spelling.subscript},{inside}", Spelling(spelling.letter)
        return self.marks.spelled(spelling) + self._below(inside)

    def _below(self, inside: str) -> str:
        if not inside:
            return ""
        plain = self.is_latex or not re.fullmatch(r"(?:[^\W_]|,)+", inside)
        return f"_{{{inside}}}" if plain else f"_{inside}"

    def _one_thing(self, read: Read) -> str:
        """An element, an adjoint in parentheses: ∂G/∂(∂L/∂h_i)."""
        body = self.element(read)
        return body if self._of(read) is None else self.marks.parenthesised(body)

    def _of(self, read: Read) -> Read | None:
        """The element whose adjoint this is; None for what is no adjoint."""
        quantity = self.system.by_name.get(read.array)
        if quantity is None or quantity.kind is not Kind.ADJOINT:
            return None
        return Read(quantity.of, read.indices)

    def _spelling(self, name: str) -> Spelling:
        if name == "eps" and "epsilon" not in self.system.by_name:
            name = "epsilon"
        if not self.is_latex:
            return Spelling(GREEK.get(name, name))
        head, _, tail = name.partition("_")
        if tail and head.isalpha() and tail.replace("_", "").isalnum():
            return Spelling(head, _words(tail))
        plain, digits = array_name(name)
        return Spelling(plain, "".join(digits)) if self._is_free(plain, name) else Spelling(name)

    def _is_free(self, plain: str, name: str) -> bool:
        """Whether W1 may be W with an index 1: not where that is an element of an array W."""
        other, own = self.system.by_name.get(plain), self.system.by_name.get(name)
        if plain == name or other is None or own is None:
            return True
        axes = self._time.get(plain, frozenset())
        return len(other.shape) - len(axes) != len(own.shape) + 1

    def _slope(self, term: Slope) -> str:
        body = self.marks.derivative(self._one_thing(term.of), self._one_thing(term.by))
        held = ", ".join(self.marks.spelled(self._spelling(name)) for name in term.held)
        return self.marks.held(body, self._sub(held)) if held else body

    @cached_property
    def _time(self) -> dict[str, frozenset[int]]:
        return time_axes(self.system)


def latex(system: System, numbers: Mapping[Read, str] | None = None) -> TermWriter:
    """A writer of LaTeX that TeX, KaTeX and MathJax all typeset."""
    return TermWriter(system, Latex(EQUATIONS), dict(numbers or {}))


def text(system: System, numbers: Mapping[Read, str] | None = None) -> TermWriter:
    """A writer of Unicode text on one line."""
    return TermWriter(system, Text(EQUATIONS), dict(numbers or {}))


# ------------------------------------------------------------------------------- shapes of terms


_Fraction = tuple[list[Term], list[Term]]
"""Factors, and what divides them."""


@dataclass(frozen=True, slots=True)
class _Limits:
    """lower … upper, the conditions left, and what stands under the Σ where that is shorter."""

    lower: Affine
    upper: Affine
    rest: tuple[Condition, ...]
    under: str | None


def signed(term: Term) -> tuple[bool, Term]:
    """Whether ``term`` is written with a minus in front, and what stands behind that minus."""
    match term:
        case Number(value, text) if value < 0:
            return True, Number(-value, text.removeprefix("-"))
        case Times((first, *rest)):
            negative, size = signed(first)
            if negative and not is_sum(first):
                kept = (*([] if size == UNIT else [size]), *rest)
                return True, kept[0] if len(kept) == 1 else Times(kept)
        case Given(conditions, body):
            negative, size = signed(body)
            if negative and not is_sum(body):
                return True, Given(conditions, size)
    return False, term


def is_sum(term: Term) -> bool:
    """Whether it is written with a + or a - between parts."""
    match term:
        case Plus():
            return True
        case Measure(index):
            return len(index.parts) + bool(index.constant) > 1
    return False


def inverted(term: Term) -> Term | None:
    """What a negative power divides by; None for anything else."""
    if isinstance(term, Power) and isinstance(term.exponent, Number) and term.exponent.value < 0:
        return power(term.base, Number(-term.exponent.value))
    return None


def _is_indicator(term: Where) -> bool:
    return (term.yes, term.no) == (UNIT, ZERO)


def _opened(factor: Term) -> tuple[Term, ...]:
    """The factors of a product within a product, and of what holds under a condition."""
    match factor:
        case _ if signed(factor)[0]:
            return (factor,)
        case Times(factors):
            return tuple(part for each in factors for part in _opened(each))
        case Given(conditions, body) if body != UNIT:
            return Given(conditions, UNIT), *_opened(body)
    return (factor,)


def _ends_in_sum(term: Term) -> bool:
    """Whether a Σ would run over what is written after the factor."""
    match term:
        case Binder(kind=kind):
            return kind not in ("softmax", "argmax", "argmin")
        case Times(factors):
            return inverted(factors[-1]) is None and _ends_in_sum(factors[-1])
        case Given(_, body):
            return _ends_in_sum(body)
    return False


def _bound(condition: Condition, name: str) -> tuple[str, Affine] | None:
    """The edge that a condition gives a letter: u ≤ t is ("upper", t); None for another kind."""
    left, right = condition.left, condition.right
    if not isinstance(left, Affine) or not isinstance(right, Affine):
        return None
    if condition.relation not in ("<", "<="):
        return None
    strict = number(1 if condition.relation == "<" else 0)
    if left.bare == name and name not in right.names:
        return "upper", right - strict
    if right.bare == name and name not in left.names:
        return "lower", left + strict
    return None


def _chains(one: Condition, other: Condition) -> bool:
    """Whether a ≤ b and b ≤ c."""
    both = {one.relation, other.relation} <= {"<", "<="}
    return both and (one.right == other.left) != (other.right == one.left)


def _plain(condition: Condition) -> Condition:
    """t + 1 ≤ T as t < T, 1 ≤ t - 1 as 2 ≤ t: constants together, the same for whole numbers."""
    left, right = condition.left, condition.right
    if isinstance(left, Lookup) or isinstance(right, Lookup):
        return condition
    shift = right.constant - left.constant
    bare_left, bare_right = left - number(left.constant), right - number(right.constant)
    if condition.relation == "<=" and shift == -1 and not (left.is_number or right.is_number):
        return Condition(bare_left, "<", bare_right)
    if condition.relation == "<" and shift == 1 and not (left.is_number or right.is_number):
        return Condition(bare_left, "<=", bare_right)
    if left.is_number:
        return Condition(number(-shift), condition.relation, bare_right)
    return Condition(bare_left, condition.relation, bare_right + number(shift))


def _words(tail: str) -> str:
    return tail if len(tail) == 1 or tail.isdigit() else rf"\mathrm{{{tail.replace('_', ' ')}}}"
