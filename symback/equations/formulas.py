"""The lines of a file, read: ``a[t,i]`` and ``sum(j, W[i,j]*x[t,j]) + b[i]``.

Here one can

* read a left side: `read_left`; a size, such as ``T`` or ``2*n + 1``: `read_size`;
* read a right side: `read_right`, a term whose bound letters have names of their own (``j#1``), so
  that an inner letter hides an outer one of the same name, and whose ranges are not yet known:
  `symback.equations.ranges` finds them.

It is the formula reader of `symback.language.reading` with brackets as indices, with binders and
their conditions; the budgets are the same.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from symback.equations import functions
from symback.equations.indices import Affine, Condition, Index, Lookup, Range, least, letter, number
from symback.equations.terms import (
    Binder,
    Measure,
    Number,
    Plus,
    Power,
    Read,
    Term,
    Times,
    Where,
    given,
    total,
    walk,
)
from symback.language.errors import FormulaError, did_you_mean, printable
from symback.language.expressions import Named
from symback.language.functions import ACTIVATIONS, ELEMENTARY
from symback.language.reading import (
    ALIASES,
    CONSTANTS,
    FUNCTIONS,
    MOST_BITS,
    NAME,
    Parser,
    Part,
    Token,
    bits,
    known_words,
    read,
    tokenized,
)

BINDERS = ("sum", "mean", "max", "min", "logsumexp", "softmax")
"""The words that bind a letter."""
WORDS = ("if", "and")
RELATIONS = ("<", "<=", ">", ">=", "==", "!=")
LARGEST_INDEX = 10**9
UNKNOWN = letter("?")
"""The upper end of a range that is not yet known."""

TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:[0-9]+(?:\.(?!\.)[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    rf"|(?P<name>{NAME.pattern})"
    r"|(?P<operator>\*\*|<=|>=|==|!=|\.\.|[-+*/^()\[\],<>=−·⋅∗×≤≥≠])"
)

ARITIES = {
    **dict.fromkeys(BINDERS, (1, 1)),  # for suggestions: `_Parser.call` reads them before
    **{name: (1, 1) for name in ACTIVATIONS if functions.is_pointwise(name)},
    **FUNCTIONS,
}
RESERVED = frozenset({*FUNCTIONS, *ALIASES, *CONSTANTS, *ACTIVATIONS, *BINDERS, *WORDS, "π"})
"""What no size, array or letter may be called."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the names of a file mean: sizes, and arrays with how many indices each has."""

    sizes: frozenset[str] = frozenset()
    ranks: Mapping[str, int] = field(default_factory=dict)
    data: frozenset[str] = frozenset()

    def kind(self, name: str) -> str:
        """What a name is, for a message; empty where it is free to be a letter."""
        if name in self.sizes:
            return "a size"
        if name in self.ranks:
            return "an array" if self.ranks[name] else "a scalar"
        if name in CONSTANTS:
            return CONSTANTS[name]
        return "a word of formulas" if name in RESERVED else ""


@dataclass(frozen=True, slots=True)
class Left:
    """A left side: ``name[at]``."""

    name: str
    at: tuple[Affine, ...]


@dataclass(frozen=True, slots=True)
class Right:
    """A right side; ``explicit`` are the ranges that binders state, by the letter's own name."""

    term: Term
    explicit: Mapping[str, Range]


def shown_letter(name: str) -> str:
    """The letter as it was written."""
    return name.partition("#")[0]


def read_left(text: str, names: Names, where: str) -> Left:
    """Read ``h[t,i]``, ``h[0,i]`` or ``L``; letters that are no sizes are indices.

    >>> read_left("h[t, T]", Names(frozenset({"T"})), "h").at[1].bare
    'T'
    """
    return _parser(text, names, where, is_left=True).left()


def read_size(text: str, names: Names, where: str) -> Affine:
    """Read the size of an axis, or the end of a range: sizes and whole numbers.

    >>> print(read_size("2*n + 1", Names(frozenset({"n"})), "[parameters] W"))
    2n+1
    """
    parser = _parser(text, names, where)
    found = parser.index("a size")
    if parser.token.kind != "end":
        raise parser.misplaced(parser.token)
    if isinstance(found, Lookup):
        raise parser.fail(parser.token, "a size is made of sizes and whole numbers")
    return found


def read_right(text: str, free: frozenset[str], names: Names, where: str) -> Right:
    """Read a right side whose left side has the letters ``free``.

    >>> names = Names(ranks={"W": 2, "x": 1})
    >>> read_right("sum(j, W[i,j]*x[j])", frozenset("i"), names, "a").term.range.letter
    'j#1'
    """
    parser = _parser(text, names, where)
    parser.scope = {name: name for name in free}
    term: Any = parser.read()
    for part in walk(term):
        if isinstance(part, Read) and part.array in names.data:
            shown = f"{part.array}[…]" if part.indices else part.array
            raise FormulaError(
                f"{where}: {shown} is an index, not a value; it stands in the brackets of another "
                "array, or in a condition"
            )
    return Right(term, parser.explicit)


def _parser(text: str, names: Names, where: str, *, is_left: bool = False) -> _Parser:
    text, tokens = tokenized(text, where, TOKEN)
    marked = [replace(each, kind=each.text) if each.text in WORDS else each for each in tokens]
    known = frozenset({*names.ranks, *names.sizes})
    return _Parser(text, marked, known, ARITIES, where, known_names=names, is_left=is_left)


@dataclass(slots=True)
class _Parser(Parser):
    """The formula reader, with indices and binders."""

    known_names: Names = field(default_factory=Names)
    is_left: bool = False
    scope: dict[str, str] = field(default_factory=dict)
    explicit: dict[str, Range] = field(default_factory=dict)
    bound: int = 0

    # The two sides.

    def left(self) -> Left:
        """Read a left side."""
        token = self.advance()
        if token.kind != "name":
            raise self.fail(token, 'a left side is a name such as "L", or an element: "a[t,i]"')
        at: tuple[Index, ...] = ()
        if self.token.kind == "[":
            at = self.indices()
        if self.token.kind != "end":
            raise self.fail(self.token, 'the left side ends here; write "a[t,i]", or "L"')
        plain = tuple(index for index in at if isinstance(index, Affine))
        if len(plain) < len(at):
            raise self.fail(token, "a left side has letters, whole numbers and sizes as indices")
        return Left(token.text, plain)

    # Words.

    def word(self, token: Token) -> Part:
        """Read a name, an element, a call or a binder."""
        if self.token.kind == "[":
            return self.element(token)
        if self.token.kind == "(":
            return self.call(token)
        return self.name(token)

    def name(self, token: Token) -> Part:
        """Read a scalar, a size or a letter."""
        word = token.text
        if word in self.scope:
            return Part(Measure(letter(self.scope[word])))
        if word in self.known_names.sizes:
            return Part(Measure(letter(word)))
        if word in CONSTANTS:
            return Part(functions.term_of(Named(word), {}))
        if word in self.known_names.ranks:
            rank = self.known_names.ranks[word]
            if rank:
                raise self.fail(token, f"{word} has {_indices(rank)}; write {_example(word, rank)}")
            return Part(Read(word))
        if self.is_left:
            return Part(Measure(letter(self.letter(token))))
        if ALIASES.get(word, word) in {*self.arities, *BINDERS}:
            raise self.fail(token, f'"{word}" is a function; write {word}(…)')
        raise self.fail(token, self.unknown(word))

    def unknown(self, word: str, noun: str = "name") -> str:
        """What to say of a name that nothing has."""
        names, shown = self.known_names, printable(word)
        known = [*sorted(names.ranks), *sorted(names.sizes), *sorted(self.scope)]
        if noun == "array":
            known = [name for name in known if names.ranks.get(name)]
        elif not names.ranks:
            known = sorted(names.sizes)
        elif len(word) == 1 and not did_you_mean(word, known):
            letters = ", ".join(sorted(self.scope)) or "none"
            return (
                f'"{shown}" is no scalar, no size and no index here (indices here: {letters}); '
                f"bind it, sum({shown}, …), or put it on the left side; a quantity is given in "
                "[parameters] or [inputs]"
            )
        return f'unknown {noun} "{shown}"{did_you_mean(word, known) or "."} {known_words(known)}'

    def element(self, token: Token) -> Part:
        """Read ``W[i,j]``."""
        word, names = token.text, self.known_names
        if word not in names.ranks:
            kind = "an index" if word in self.scope else names.kind(word)
            if kind:
                raise self.fail(token, f"{word} is {kind}, so it has no indices")
            raise self.fail(token, self.unknown(word, "array"))
        indices = self.indices()
        rank = names.ranks[word]
        if len(indices) != rank:
            if not rank:
                raise self.fail(token, f"{word} is a scalar; write it without brackets")
            given_, wanted = f"{len(indices)} given", _example(word, rank)
            raise self.fail(token, f"{word} has {_indices(rank)}, {given_}; write {wanted}")
        return Part(Read(word, indices))

    # Indices.

    def indices(self) -> tuple[Index, ...]:
        """Read ``[t-1, j]``."""
        opening = self.advance()
        if self.token.kind == "]":
            raise self.fail(self.token, "no index stands in these brackets; a scalar has none")
        found = [self.index("an index")]
        while self.token.kind == ",":
            self.advance()
            found.append(self.index("an index"))
        self.close(opening)
        return tuple(found)

    def index(self, noun: str) -> Index:
        """Read one index."""
        token = self.token
        term = self.nested(0).node
        found = _index_of(term, self.known_names.data)
        if isinstance(term, Read) and found is None:
            kind = self.known_names.kind(term.array)
            raise self.fail(token, f"{term.array} is {kind}, not {noun}; take another letter")
        if found is None:
            advice = "is made of letters, sizes and whole numbers, such as 2*o+u-3"
            other = " or looked up, such as tok[t]" if self.known_names.data else ""
            raise self.fail(token, f"{noun} {advice}{other}")
        if isinstance(found, Lookup) and any(isinstance(each, Lookup) for each in found.indices):
            raise self.fail(token, "an index is looked up once, not within another look-up")
        for affine in (found,) if isinstance(found, Affine) else ():
            if max(map(abs, (affine.constant, *dict(affine.parts).values()))) > LARGEST_INDEX:
                raise self.fail(token, f"the numbers of {noun} are at most {LARGEST_INDEX:,}")
        return found

    # Binders, conditions, functions.

    def call(self, token: Token) -> Part:
        """Read a binder, ``where`` or a function."""
        word = token.text
        if word in BINDERS and (word not in FUNCTIONS or self.begins_with_a_letter()):
            return self.binder(token)
        if word == "where":
            return self.where_call(token)
        if word in self.known_names.ranks and word not in self.arities:
            wanted = _example(word, self.known_names.ranks[word])
            raise self.fail(
                token, f"{word} is no function; its indices stand in brackets: {wanted}"
            )
        return Parser.call(self, token)

    def begins_with_a_letter(self) -> bool:
        """Whether the arguments that follow begin with a letter, not with a value."""
        first, after = self.tokens[self.position + 1 : self.position + 3] or (self.token,) * 2
        is_letter = first.kind == "name" and not self.known_names.kind(first.text)
        return is_letter and after.kind in (",", "=", "if")

    def letter(self, token: Token) -> str:
        """The letter that a token is; refused where the word means something else."""
        kind = self.known_names.kind(token.text)
        kind = kind or ("a word of Python" if keyword.iskeyword(token.text) else "")
        if kind:
            raise self.fail(token, f'"{token.text}" is {kind} and no index; take another letter')
        return token.text

    def binder(self, token: Token) -> Part:
        """Read ``sum(j if j < i, e)`` or ``sum(u=1..2, e)``."""
        kind, opening, first = token.text, self.advance(), self.advance()
        if first.kind != "name" or self.token.kind not in (",", "=", "if"):
            raise self.fail(
                first, f"{kind}(…) begins with the letter that it runs over, as {kind}(j, …) does"
            )
        name = self.letter(first)
        outer = self.scope.get(name)
        if kind == "softmax" and outer is None:
            raise self.fail(
                first,
                f"softmax({name}, …) is normalised over {name} and keeps it: {name} stands on the "
                f"left side, or is bound around it",
            )
        self.bound += 1
        own = f"{name}#{self.bound}"
        range_ = self.range(own, name) if self.token.kind == "=" else Range(own, UNKNOWN)
        self.scope[name] = own
        conditions: tuple[Condition, ...] = ()
        if self.token.kind == "if":
            self.advance()
            conditions = self.conditions()
        if self.token.kind != ",":
            raise self.fail(self.token, f"expected a comma and what {kind} is taken of")
        self.advance()
        body = self.nested(0)
        if self.token.kind == ",":
            raise self.fail(self.token, f"{kind} takes a letter and one formula")
        self.close(opening)
        if outer is None:
            del self.scope[name]
        else:
            self.scope[name] = outer
        at = letter(outer) if kind == "softmax" and outer else None
        return self.taller(token, Binder(kind, range_, conditions, body.node, at), body)

    def range(self, own: str, name: str) -> Range:
        """Read ``=1..n``."""
        self.advance()
        token = self.token
        lower = self.index("the first number of a range")
        if self.token.kind != "..":
            raise self.fail(self.token, f"a range has two dots: {name}=1..3")
        self.advance()
        upper = self.index("the last number of a range")
        if isinstance(lower, Lookup) or isinstance(upper, Lookup):
            raise self.fail(token, "a range is made of sizes and whole numbers")
        letters = (lower.names | upper.names) - self.known_names.sizes
        if letters:
            shown = shown_letter(min(letters))
            advice = f"a condition may: sum({name} if {name} <= {shown}, …)"
            raise self.fail(token, f"a range does not depend on an index such as {shown}; {advice}")
        beyond = least(lower - upper, ())
        if beyond is not None and beyond > 0:
            raise self.fail(token, f"there is no number from {lower} to {upper}")
        self.explicit[own] = Range(own, upper, lower)
        return self.explicit[own]

    def conditions(self) -> tuple[Condition, ...]:
        """Read ``1 <= u < t and u != 3``, between indices."""
        token = self.token
        found = self.comparisons()
        plain = self.of_indices(found)
        if plain is None:
            raise self.fail(
                token, "a condition compares indices and sizes; values are compared in where(…)"
            )
        return plain

    def comparisons(self) -> list[tuple[Term, str, Term]]:
        """Read comparisons joined by ``and``."""
        found = []
        while True:
            left = self.nested(0).node
            if self.token.kind not in RELATIONS:
                shown = "= is written == in a condition" if self.token.kind == "=" else ""
                expected = "expected a comparison such as u <= t"
                raise self.fail(self.token, shown or expected)
            while self.token.kind in RELATIONS:
                relation = self.advance().kind
                right = self.nested(0).node
                found.append((left, relation, right))
                left = right
            if self.token.kind != "and":
                return found
            self.advance()

    def of_indices(self, found: list[tuple[Term, str, Term]]) -> tuple[Condition, ...] | None:
        """The comparisons as conditions on indices; None where one is between values."""
        conditions = []
        for left, relation, right in found:
            sides = [_index_of(side, self.known_names.data) for side in (left, right)]
            if sides[0] is None or sides[1] is None:
                return None
            conditions.append(_condition(sides[0], relation, sides[1]))
        return tuple(conditions)

    def where_call(self, token: Token) -> Part:
        """Read ``where(t == 1, a, b)`` on indices, or ``where(z < 0, a, b)`` on values."""
        opening, first = self.advance(), self.token
        found = self.comparisons()
        parts = []
        for _ in range(2):
            if self.token.kind != ",":
                raise self.fail(token, "where takes 3 arguments: where(x < 0, a, b)")
            self.advance()
            parts.append(self.nested(0))
        self.close(opening)
        yes, no = (part.node for part in parts)
        conditions = self.of_indices(found)
        if conditions is not None:
            others = (
                given((*conditions[:count], each.negated), no)
                for count, each in enumerate(conditions)
            )
            return self.taller(token, total((given(conditions, yes), *others)), *parts)
        if len(found) > 1:
            raise self.fail(first, "compare two values at a time; nest where(…) for more")
        ((left, relation, right),) = found
        if relation in ("==", "!="):
            raise self.fail(first, f"values are compared by < <= > >=; {relation} is for indices")
        return self.taller(token, functions.compared(relation, left, right, yes, no), *parts)

    def taller(self, token: Token, term: Term, *parts: Part) -> Part:
        """``term`` with the height of what was made of ``parts``."""
        measured = self.apply("+", (*parts, Part(Number(Fraction(0)))), token)
        return Part(term, measured.height)

    # What the tree is made of.

    def node_of(self, head: str, arguments: tuple[Any, ...], token: Token) -> Any:
        """The term of one operation."""
        match head, [self.value(each) for each in arguments]:
            case "/", [_, below] if below == 0:
                raise self.fail(token, "this divides by 0")
            case "**", [Fraction() as base, Fraction() as power] if _has_no_power(base, power):
                raise self.fail(token, "this power is no real number")
            case _, [Fraction() as value] if not _is_in_domain(head, value):
                raise self.fail(token, f"{head} of {value} is no real number")
        return functions.applied(head, arguments)

    def number(self, token: Token) -> Number:
        """A number, exactly as written."""
        return Number(Fraction(token.text), token.text)

    def value(self, node: Any) -> Fraction | None:
        """What arithmetic on numbers comes to; None where it is no rational, or a huge one."""
        return _rational(node)

    def misplaced(self, token: Token, opening: Token | None = None) -> FormulaError:
        """The error for a token that cannot stand here."""
        if token.kind in RELATIONS:
            where = "compare inside where(condition, a, b), or behind if: sum(u if u <= t, …)"
            return self.fail(token, where)
        if token.kind == "=":
            return self.fail(token, 'only a range has an equals sign inside: "sum(u=1..3, …)"')
        if token.kind in WORDS:
            return self.fail(token, "a condition follows a bound letter: sum(u if u <= t, …)")
        return Parser.misplaced(self, token, opening)


def _indices(rank: int) -> str:
    return "1 index" if rank == 1 else f"{rank} indices"


def _example(name: str, rank: int) -> str:
    return f"{name}[{','.join('ijmpqrtuv'[:rank] or '')}]" if rank else name


def _condition(left: Index, relation: str, right: Index) -> Condition:
    if relation in (">", ">="):
        return Condition(right, {">": "<", ">=": "<="}[relation], left)
    return Condition(left, relation, right)


def _index_of(term: Term, data: frozenset[str]) -> Index | None:
    """The index that a term is; None where it is none."""
    match term:
        case Number(value) if value.denominator == 1:
            return number(int(value))
        case Measure(index):
            return index
        case Read(array, indices) if array in data:
            return Lookup(array, indices)  # type: ignore[arg-type]  # `_Parser.index` says no
        case Plus(terms):
            found = Affine()
            for part in terms:
                index = _index_of(part, data)
                if not isinstance(index, Affine):
                    return None
                found += index
            return found
        case Times(factors):
            return _affine_product(factors, data)
    return None


def _affine_product(factors: tuple[Term, ...], data: frozenset[str]) -> Affine | None:
    found = number(1)
    for part in factors:
        index = _index_of(part, data)
        if not isinstance(index, Affine):
            return None
        if found.is_number:
            found = index.times(found.constant)
        elif index.is_number:
            found = found.times(index.constant)
        else:
            return None
    return found


def _has_no_power(base: Fraction, exponent: Fraction) -> bool:
    return (base == 0 and exponent < 0) or (base < 0 and exponent.denominator > 1)


def _is_in_domain(function: str, value: Fraction) -> bool:
    """Whether a function of the catalogue has a value at a number."""
    row = ELEMENTARY.get(function)
    if row is None or not row.domain:
        return True
    question = read(f"where({row.domain}, 1, 0)", names={"z"})
    asked = functions.term_of(question, {"z": Number(value)})
    assert isinstance(asked, Where)
    left, right = _rational(asked.left), _rational(asked.right)
    assert left is not None
    assert right is not None
    return left < right or (asked.relation == "<=" and left == right)


def _rational(term: Term) -> Fraction | None:
    """What arithmetic on numbers comes to; None where it is no rational, or a huge one."""
    match term:
        case Number(value):
            return value
        case Plus(parts) | Times(parts):
            values = [_rational(part) for part in parts]
            found = Fraction(0) if isinstance(term, Plus) else Fraction(1)
            for value in values:
                if value is None or bits(found) > MOST_BITS:
                    return None
                found = found + value if isinstance(term, Plus) else found * value
            return found
        case Power(base, exponent):
            value, whole = _rational(base), _rational(exponent)
            if value is None or whole is None or whole.denominator != 1:
                return None
            if (value == 0 and whole < 0) or bits(value) * abs(whole) > MOST_BITS:
                return None
            return value ** int(whole)
    return None
