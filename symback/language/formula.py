"""Read a formula as a user types it, safely; convert it, print it, take it apart into stages.

`read` turns text such as ``z/(1 + exp(-2*z))`` into a tree of three kinds of node, `Number`,
`Name` and `Apply`. `names` lists the free names of a tree, `to_sympy` gives its exact SymPy
expression, `to_text` prints it so that `read` gives the same tree again, and `stages` takes a
composed formula apart as a lecturer does at the board, one elementary operation a stage.

The grammar: numbers; names of Latin and Greek letters, digits and ``_``; ``+ - * /`` and ``**`` or
``^`` (to the right, and ``-x**2`` is ``-(x**2)``, as in Python); round and square brackets; calls
of `FUNCTIONS`; ``pi`` and ``e``; comparisons inside ``where(condition, a, b)`` only. There is no
implicit multiplication: ``2x`` and ``x(1-x)`` are refused with the spelling that is meant.

Text from a file is hostile until proved otherwise, and SymPy's own readers are `eval`. So this is
a tokenizer and a Pratt parser by hand, with a budget on everything: what is refused is refused
with a column and in milliseconds. `to_sympy` has budgets of its own, since SymPy's constructors
compute: ``((9*x)**64)**64`` holds a number of four thousand digits, ``2**x*2**(9**20 - x)`` one
that does not fit into memory, each nested ``max`` doubles the expression, and whether
``tanh(sqrt(tanh(sqrt(x))))`` is real keeps SymPy's assumptions busy, longer on every level.
"""

from __future__ import annotations

import operator
import re
import string
import sys
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from inspect import CO_GENERATOR
from itertools import chain, count
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, final

import sympy as sp

from symback.language.errors import FormulaError, did_you_mean, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from types import FrameType

    Relation: TypeAlias = Callable[[sp.Expr, sp.Expr], sp.Basic]

__all__ = [
    "CONSTANTS",
    "FUNCTIONS",
    "Apply",
    "Name",
    "Node",
    "Number",
    "Stage",
    "is_name",
    "names",
    "read",
    "stages",
    "to_sympy",
    "to_text",
    "winner",
]

# The budgets of reading.
LONGEST_TEXT = 10_000
MOST_TOKENS = 4_000
DEEPEST_NESTING = 60
TALLEST_TREE = 150  # a sum of 150 terms; the walks below recurse, and Python allows 1,000 frames
MOST_DIGITS = 40
LARGEST_DECIMAL_EXPONENT = 300
LARGEST_EXPONENT = 64
MOST_ARGUMENTS = 16  # max of n arguments has n²/2 comparisons

# The budgets of conversion.
MOST_BITS = 1_400  # of one exact number: 421 digits
MOST_GROWTH = 100_000  # bits that one power may make before the result is measured
MOST_STEPS = 500_000  # calls of functions inside SymPy, half a second of work
LARGEST_EXPRESSION = 2_000  # nodes, counted as often as they are printed


# --- The tree -------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True)
class Number:
    """A literal as written, without sign: ``2``, ``0.10``, ``1e-3``."""

    text: str
    column: int = field(default=0, compare=False, repr=False)


@final
@dataclass(frozen=True, slots=True)
class Name:
    """A free name, or one of the `CONSTANTS`."""

    name: str
    column: int = field(default=0, compare=False, repr=False)


@final
@dataclass(frozen=True, slots=True)
class Apply:
    """An operation on arguments; ``head`` is ``+ - * / **``, ``neg``, a comparison or a function.

    Operators are binary, to the left as in Python: ``a+b+c`` is ``(a+b)+c``.
    """

    head: str
    arguments: tuple[Node, ...]
    column: int = field(default=0, compare=False, repr=False)


Node: TypeAlias = Number | Name | Apply


@final
@dataclass(frozen=True, slots=True)
class Stage:
    """One named step of a formula taken apart: ``name = node``."""

    name: str
    node: Node


# --- The words ------------------------------------------------------------------------------

FUNCTIONS: Mapping[str, tuple[int, int]] = MappingProxyType(
    dict.fromkeys(
        "exp log sqrt abs sign sin cos tan asin acos atan sinh cosh tanh erf".split(), (1, 1)
    )
    | {"min": (2, MOST_ARGUMENTS), "max": (2, MOST_ARGUMENTS), "where": (3, 3)}
)
"""The functions that every formula may call, each with its least and its most arguments."""

ALIASES: Mapping[str, str] = MappingProxyType(
    {"ln": "log", "arcsin": "asin", "arccos": "acos", "arctan": "atan"}
)
CONSTANTS: Mapping[str, sp.Expr] = MappingProxyType({"pi": sp.pi, "e": sp.E})
"""The two names that no user may give away, with their values."""

SPELLINGS = {"−": "-", "·": "*", "⋅": "*", "∗": "*", "×": "*", "^": "**", "≤": "<=", "≥": ">="}
HINTS = {
    "=": "a formula has no equals sign; conditions are < <= > >= inside where(…)",
    "²": "write **2",
    "³": "write **3",
    "√": "write sqrt(…)",
    "÷": "write /",
    "|": "write abs(…)",
    "!": "there is no factorial",
    "%": "there is no remainder and no percent sign",
    "{": "use round brackets",
    "}": "use round brackets",
    "ŷ": "write yhat",
    "_": "a name begins with a letter",
    "–": "write - for minus",
    ";": "separate arguments with a comma",
    "&": "nest where(…) to combine conditions",
    '"': "a formula has no quotes inside",
    "'": "a formula has no primes and no quotes inside",
    ".": "a decimal point needs digits beside it, and a formula has no attributes",
    "∞": "a formula has finite values only",
}
COMPARISONS = ("<", "<=", ">", ">=")
OPENING = {"(": ")", "[": "]"}

LETTER = "A-Za-zΑ-ΡΣ-Ωα-ω"
NAME = re.compile(rf"[{LETTER}][{LETTER}0-9_]*")
TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    rf"|(?P<name>{NAME.pattern})"
    r"|(?P<operator>\*\*|<=|>=|[-+*/^()\[\],<>−·⋅∗×≤≥])"
)

SUM, PRODUCT, NEGATION, POWER, ATOM = 10, 20, 30, 40, 50
BINDING = {"+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "**": POWER}
"""How strongly each operator binds; ``neg`` stands between the product and the power."""


def is_name(text: str) -> bool:
    """Tell whether a user may give this name to a quantity and then use it in formulas.

    >>> is_name("yhat_1"), is_name("θ"), is_name("e"), is_name("2x"), is_name("exp")
    (True, True, False, False, False)
    """
    reserved = CONSTANTS.keys() | FUNCTIONS.keys() | ALIASES.keys() | {"π"}
    return NAME.fullmatch(text) is not None and text not in reserved


# --- Reading --------------------------------------------------------------------------------


def read(
    text: str,
    *,
    names: Collection[str] | None,
    functions: Collection[str] = (),
    where: str = "formula",
) -> Node:
    """Return the tree of a formula, without evaluating any of it.

    Parameters
    ----------
    text
        The formula as typed.
    names
        The free names that may occur; None allows any.
    functions
        Functions of one argument that may be called besides `FUNCTIONS`.
    where
        What each message begins with: the file and the key.

    Raises
    ------
    FormulaError
        With the column, what was expected and the nearest valid word.

    Examples
    --------
    >>> read("w*x", names={"w", "x"})
    Apply(head='*', arguments=(Name(name='w'), Name(name='x')))
    >>> read("w*x1", names={"w", "x_1"}, where="L")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    symback.language.errors.FormulaError: L, column 3: unknown name "x1"; did you mean "x_1"? ...
    """
    text = _normalised(text, where)
    words = _Words(None if names is None else frozenset(names), frozenset(functions))
    for word in sorted(CONSTANTS.keys() & (words.names or ())):
        meaning = {"e": "Euler's number", "pi": "the number π"}[word]
        raise FormulaError(f'{where}: "{word}" is {meaning} and cannot name a quantity; rename it')
    return _Parser(text, _tokens(text, where), words, where).formula()


@dataclass(frozen=True, slots=True)
class _Words:
    """What may be used: free names (None: any) and further functions."""

    names: frozenset[str] | None
    functions: frozenset[str]

    def is_free(self, word: str) -> bool:
        return self.names is None or word in self.names

    def arity(self, word: str) -> tuple[int, int] | None:
        return FUNCTIONS.get(word) or ((1, 1) if word in self.functions else None)

    def callable(self) -> list[str]:
        return sorted({*FUNCTIONS, *self.functions})


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # "number", "name", "end", or the operator itself
    text: str
    start: int

    @property
    def column(self) -> int:
        return self.start + 1


def _failure(where: str, column: int, message: str) -> FormulaError:
    return FormulaError(f"{where}, column {column}: {message}", column)


def _normalised(text: object, where: str) -> str:
    """Return the text in NFC, letters of other alphabets' fonts (𝜃, ϑ, µ) as plain letters."""
    if not isinstance(text, str):
        given = type(text).__name__
        raise FormulaError(f'{where}: a formula is text in quotes such as "w*x", not {given}')
    if len(text) > LONGEST_TEXT:
        size = f"{len(text):,} characters"
        raise FormulaError(f"{where}: {size}; a formula has at most {LONGEST_TEXT:,}")
    return text if text.isascii() else "".join(map(_plain, unicodedata.normalize("NFC", text)))


def _plain(character: str) -> str:
    """Return the letter that another font or variant of it stands for; superscripts stay."""
    if unicodedata.decomposition(character).startswith(("<font>", "<compat>")):
        letter = unicodedata.normalize("NFKC", character)
        return letter if NAME.fullmatch(letter) and len(letter) == 1 else character
    return character


def _tokens(text: str, where: str) -> list[_Token]:
    """Split a text into tokens, closed by one of kind "end"."""
    tokens: list[_Token] = []
    start = 0
    while start < len(text):
        match = TOKEN.match(text, start)
        if match is None:
            raise _failure(where, start + 1, _stray(text[start]))
        if match.lastgroup != "space":
            tokens.append(_token(match, where))
        start = match.end()
        if len(tokens) > MOST_TOKENS:
            limit = f"a formula has at most {MOST_TOKENS:,} numbers, names and signs"
            raise _failure(where, start, f"{limit}; split it into equations")
    return [*tokens, _Token("end", "", len(text))]


def _stray(character: str) -> str:
    hint = HINTS.get(character)
    return f'"{printable(character)}" has no meaning here' + (f"; {hint}" if hint else "")


def _token(match: re.Match[str], where: str) -> _Token:
    kind, text = str(match.lastgroup), match.group()
    if kind == "operator":
        kind = SPELLINGS.get(text, text)
    elif kind == "number":
        _check_literal(text, match.start() + 1, where)
    elif text == "π":
        text = "pi"
    return _Token(kind, text, match.start())


def _check_literal(text: str, column: int, where: str) -> None:
    """Refuse a literal with too many digits or too large a power of ten."""
    digits, _, exponent = text.lower().partition("e")
    if len(digits.replace(".", "")) > MOST_DIGITS:
        message = f'the number "{printable(text, 20)}" has more than {MOST_DIGITS} digits'
        raise _failure(where, column, message)
    size = exponent.lstrip("+-0")
    if len(size) > 3 or (size and int(size) > LARGEST_DECIMAL_EXPONENT):
        limits = f"1e-{LARGEST_DECIMAL_EXPONENT} to 1e{LARGEST_DECIMAL_EXPONENT}"
        raise _failure(where, column, f'the number "{printable(text, 20)}" is outside {limits}')


@dataclass(frozen=True, slots=True)
class _Part:
    """A tree with what the budgets ask of it: its height, and its value if it is rational."""

    node: Node
    height: int = 1
    value: Fraction | None = None


class _Parser:
    """A Pratt parser; every bracket, sign and power goes one level deeper, and levels are few."""

    def __init__(self, text: str, tokens: Sequence[_Token], words: _Words, where: str) -> None:
        self.text, self.tokens, self.words, self.where = text, tokens, words, where
        self.position = self.depth = 0

    @property
    def token(self) -> _Token:
        return self.tokens[self.position]

    def formula(self) -> Node:
        if self.token.kind == "end":
            raise self.fail(self.token, "the formula is empty; write one such as w*x")
        part = self.expression(0)
        if self.token.kind != "end":
            raise self.misplaced(self.token)
        return part.node

    def nested(self, binding: int) -> _Part:
        """Read an expression one level deeper: in a bracket, after a sign, in an exponent."""
        self.depth += 1
        if self.depth > DEEPEST_NESTING:
            raise self.fail(self.token, f"nested more than {DEEPEST_NESTING} deep; name some parts")
        part = self.expression(binding)
        self.depth -= 1
        return part

    def expression(self, binding: int) -> _Part:
        """Read operands joined by operators that bind more strongly than `binding`."""
        left = self.operand()
        while BINDING.get(self.token.kind, 0) > binding:
            sign = self.advance()
            if sign.kind == "**":
                right = self.nested(NEGATION - 1)
            else:
                right = self.expression(BINDING[sign.kind])
            left = self.apply(sign.kind, (left, right), sign)
        self.refuse_implied_product()
        return left

    def operand(self) -> _Part:
        token = self.advance()
        if token.kind == "number":
            return _Part(Number(token.text, token.column), value=Fraction(token.text))
        if token.kind == "name":
            return self.call(token) if self.token.kind in OPENING else self.name(token)
        if token.kind in OPENING:
            inner = self.nested(0)
            self.close(token)
            return inner
        if token.kind == "-":
            return self.apply("neg", (self.nested(NEGATION - 1),), token)
        if token.kind == "+":
            return self.nested(NEGATION - 1)
        raise self.missing(token)

    def name(self, token: _Token) -> _Part:
        word = token.text
        if word in CONSTANTS or (self.words.names is not None and word in self.words.names):
            return _Part(Name(word, token.column))
        if self.words.arity(ALIASES.get(word, word)):
            raise self.fail(token, f'"{word}" is a function; write {word}(…)')
        if self.words.is_free(word):
            return _Part(Name(word, token.column))
        raise self.fail(token, self.unknown_name(word))

    def call(self, token: _Token) -> _Part:
        head = ALIASES.get(token.text, token.text)
        arity = self.words.arity(head)
        if arity is None:
            raise self.fail(token, self.not_a_function(token))
        opening = self.advance()
        arguments = [self.condition() if head == "where" else self.nested(0)]
        while self.token.kind == ",":
            self.advance()
            arguments.append(self.nested(0))
        self.close(opening)
        least, most = arity
        if not least <= len(arguments) <= most:
            wanted = f"{least}" if least == most else f"{least} to {most}"
            noun = "argument" if most == 1 else "arguments"
            given = f"{token.text} takes {wanted} {noun}, not {len(arguments)}"
            raise self.fail(token, given + self.shape_of(head))
        return self.apply(head, tuple(arguments), token)

    def shape_of(self, head: str) -> str:
        return {"where": ": where(x < 0, a, b)", "log": "; it is the natural one"}.get(head, "")

    def condition(self) -> _Part:
        left = self.nested(0)
        sign = self.token
        if sign.kind not in COMPARISONS:
            raise self.fail(sign, "where(…) begins with a comparison such as x < 0")
        self.advance()
        right = self.nested(0)
        if self.token.kind in COMPARISONS:
            raise self.fail(self.token, "compare two values at a time; nest where(…) for more")
        return self.apply(sign.kind, (left, right), sign)

    def apply(self, head: str, parts: tuple[_Part, ...], token: _Token) -> _Part:
        """Join parts to a tree within the budgets of height and of literal powers."""
        height = 1 + max(part.height for part in parts)
        if height > TALLEST_TREE:
            message = f"more than {TALLEST_TREE} operations on top of each other"
            raise self.fail(token, f"{message}; split the formula into equations")
        values = [part.value for part in parts]
        if head == "**":
            self.check_power(values, token)
        node = Apply(head, tuple(part.node for part in parts), token.column)
        return _Part(node, height, _rational(head, values))

    def check_power(self, values: list[Fraction | None], token: _Token) -> None:
        base, exponent = values
        if exponent is None:
            return
        if abs(exponent) > LARGEST_EXPONENT:
            raise self.fail(token, f"an exponent is at most {LARGEST_EXPONENT} in size")
        if base is not None and _bits(base) * abs(exponent) > MOST_BITS:
            raise self.fail(token, "this power of a number has hundreds of digits")

    # What to say.

    def fail(self, token: _Token, message: str) -> FormulaError:
        return _failure(self.where, token.column, message)

    def advance(self) -> _Token:
        token = self.token
        self.position += token.kind != "end"
        return token

    def close(self, opening: _Token) -> None:
        closing = OPENING[opening.kind]
        if self.token.kind == "end":
            raise self.fail(opening, f'this "{opening.text}" is never closed')
        if self.token.kind != closing:
            raise self.misplaced(self.token, opening)
        self.advance()

    def missing(self, token: _Token) -> FormulaError:
        found = f'not "{token.text}"' if token.text else "but the formula ends"
        return self.fail(token, f"expected a number, a name or a bracket here, {found}")

    def misplaced(self, token: _Token, opening: _Token | None = None) -> FormulaError:
        if token.kind in COMPARISONS:
            return self.fail(token, "compare inside where(condition, a, b) only")
        if token.kind == ",":
            advice = "a decimal point is written ., and only a function has several arguments"
            return self.fail(token, f'unexpected ","; {advice}')
        if opening is None:
            return self.fail(token, f'this "{token.text}" closes nothing')
        wanted = f'"{OPENING[opening.kind]}" for the "{opening.text}" of column {opening.column}'
        return self.fail(token, f'expected {wanted}, not "{token.text}"')

    def refuse_implied_product(self) -> None:
        """Refuse an operand that follows another with nothing between: ``2x``, ``(a)(b)``."""
        token = self.token
        if token.kind in {"number", "name", *OPENING}:
            after = self.tokens[self.position - 1]
            product = f"{self.extent_before()}*{self.extent_after(self.position)}"
            message = f'"{token.text}" follows "{after.text}" with nothing between them'
            raise self.fail(token, f"{message}; for a product write {product}")

    def extent_before(self) -> str:
        """Return the source of the operand that has just been read."""
        first = self.position - 1
        level = 0
        while first > 0:
            kind = self.tokens[first].kind
            level += (kind in OPENING.values()) - (kind in OPENING)
            if level == 0:
                break
            first -= 1
        called = self.tokens[first].kind in OPENING and self.tokens[first - 1].kind == "name"
        return self.source(first - called, self.position - 1)

    def extent_after(self, first: int) -> str:
        """Return the source of the operand that begins at token number `first`."""
        last = first
        if self.tokens[first].kind == "name" and self.tokens[first + 1].kind in OPENING:
            last += 1
        level = 0
        for position in range(last, len(self.tokens) - 1):
            kind = self.tokens[position].kind
            level += (kind in OPENING) - (kind in OPENING.values())
            last = position
            if level == 0:
                break
        return self.source(first, last)

    def source(self, first: int, last: int) -> str:
        end = self.tokens[last].start + len(self.tokens[last].text)
        return printable(self.text[self.tokens[first].start : end], 30)

    def unknown_name(self, word: str) -> str:
        known = sorted(self.words.names or ())
        cuts = [(word[:cut], word[cut:]) for cut in range(1, min(len(word), 60))]
        product = next((f"{a}*{b}" for a, b in cuts if a in known and b in known), None)
        meant = did_you_mean(_spelled(word), known) or "."
        if product:
            meant = f"; for a product write {product}."
        return f'unknown name "{printable(word)}"{meant} {_known(known)}'

    def not_a_function(self, token: _Token) -> str:
        word = token.text
        product = f"for a product write {word}*{self.extent_after(self.position)}"
        meant = did_you_mean(word, [*self.words.callable(), *ALIASES])
        is_quantity = word in CONSTANTS or (self.words.names and word in self.words.names)
        if is_quantity or (self.words.names is None and not meant):
            return f'"{printable(word)}" is not a function; {product}'
        return f'unknown function "{printable(word)}"{meant or "."} {_known(self.words.callable())}'


def _known(words: list[str]) -> str:
    shown = ", ".join(printable(word, 30) for word in words[:24])
    return f"Known: {shown}{', …' if len(words) > 24 else ''}." if words else "No names are known."


def _spelled(word: str) -> str:
    """Return the word with its Greek letters written out, the better to compare it."""
    return "".join(
        character if character.isascii() else unicodedata.name(character, "").split(" ")[-1].lower()
        for character in word
    ).replace("lamda", "lambda")


def _bits(value: Fraction | sp.Rational) -> int:
    """Return the bits of the larger of numerator and denominator; 0 for 0 and ±1."""
    top, bottom = int(value.numerator), int(value.denominator)
    return 0 if abs(top) <= bottom == 1 else max(top.bit_length(), bottom.bit_length())


ARITHMETIC: Mapping[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "neg": operator.neg,
    "**": operator.pow,
}


def _rational(head: str, values: Sequence[Fraction | None]) -> Fraction | None:
    """Return the value of an operation on rational numbers, or None where it is not a small one."""
    known = [value for value in values if value is not None]
    if head not in ARITHMETIC or len(known) < len(values):
        return None
    if head == "**" and known[1].denominator != 1:
        return None
    if head in {"/", "**"} and 0 in known:
        return None
    value = ARITHMETIC[head](*known)
    return value if _bits(value) <= MOST_BITS else None


# --- Walking --------------------------------------------------------------------------------


def names(node: Node) -> tuple[str, ...]:
    """Return the free names of a tree in order of first appearance; constants are not free.

    >>> names(read("w*x + w*pi", names=None))
    ('w', 'x')
    """
    return tuple(dict.fromkeys(_free(node)))


def _free(node: Node) -> Iterator[str]:
    if isinstance(node, Name) and node.name not in CONSTANTS:
        yield node.name
    elif isinstance(node, Apply):
        yield from chain.from_iterable(map(_free, node.arguments))


def to_text(node: Node) -> str:
    """Return a formula that `read` reads as the same tree, with no bracket that could be missing.

    Only a sign inside a sum, a product or another sign keeps brackets for the reader's sake.

    >>> print(to_text(read("((z)/(1+(exp((-2)*z))))-(-z)^2", names=None)))
    z/(1 + exp(-2*z)) - (-z)**2
    """
    if isinstance(node, Number):
        return node.text
    if isinstance(node, Name):
        return node.name
    if node.head == "neg":
        return "-" + _operand_text(node.arguments[0], NEGATION, signed=False)
    if node.head in BINDING:
        return _binary_text(node)
    if node.head in COMPARISONS:
        return f" {node.head} ".join(map(to_text, node.arguments))
    return f"{node.head}({', '.join(map(to_text, node.arguments))})"


def _binary_text(node: Apply) -> str:
    left, right = node.arguments
    if node.head == "**":
        return f"{_operand_text(left, ATOM)}**{_operand_text(right, NEGATION)}"
    binding = BINDING[node.head]
    sign = f" {node.head} " if binding == SUM else node.head
    return f"{_operand_text(left, binding)}{sign}{_operand_text(right, binding + 1, signed=False)}"


def _operand_text(node: Node, binding: int, *, signed: bool = True) -> str:
    """Return the text, in brackets if it binds too weakly or begins with an unwanted sign."""
    text = to_text(node)
    too_weak = isinstance(node, Apply) and _binding(node.head) < binding
    return f"({text})" if too_weak or (text.startswith("-") and not signed) else text


def _binding(head: str) -> int:
    return NEGATION if head == "neg" else BINDING.get(head, ATOM)


# --- Taking apart ---------------------------------------------------------------------------


def stages(
    node: Node, *, prefix: str = "A", last: str, taken: Collection[str] = ()
) -> tuple[Stage, ...]:
    """Take a composed formula apart into stages of one elementary operation each.

    The stages come in order of evaluation; equal parts share one stage. A flat sum, or a flat
    product of names and numbers, is one operation, and so is a sign within it. Numbers, constants
    and what is computed from them alone stay where they are. Put back together, the stages give
    the very same tree.

    Parameters
    ----------
    node
        The formula.
    prefix
        Stages are named A1, A2, …; another letter is taken where such a name is in use.
    last
        The name of the last stage, which is the formula's value.
    taken
        Further names to keep away from.

    Raises
    ------
    FormulaError
        If the formula uses the name `last` itself.

    Examples
    --------
    >>> for stage in stages(read("1/(1 + exp(-x))", names={"x"}), last="y"):
    ...     print(stage.name, "=", to_text(stage.node))
    A1 = -x
    A2 = exp(A1)
    A3 = 1 + A2
    y = 1/A3
    """
    used = names(node)
    if last in used:
        raise FormulaError(f'"{printable(last)}" is defined by a formula that uses it')
    apart = _Apart(node, _free_prefix(prefix, {*used, *taken, last}))
    apart.stages.append(Stage(last, apart.operation(node)))
    return tuple(apart.stages)


def _free_prefix(prefix: str, taken: Collection[str]) -> str:
    longer = (prefix + "_" * length for length in count(1))
    candidates = chain((prefix,), string.ascii_uppercase, longer)
    return next(c for c in candidates if not any(_is_numbered(name, c) for name in taken))


def _is_numbered(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and name[len(prefix) :].isdecimal()


class _Apart:
    """The stages made so far, and which part of the formula each one holds."""

    def __init__(self, node: Node, prefix: str) -> None:
        self.prefix = prefix
        self.stages: list[Stage] = []
        self.named: dict[Node, Name] = {}
        self.constant: dict[Node, bool] = {}
        self.uses: Counter[Node] = Counter()
        self.survey(node)

    def survey(self, node: Node) -> bool:
        """Count how often each part is used, and find the parts without free names."""
        self.uses[node] += 1
        if node not in self.constant:
            if isinstance(node, Apply):
                surveyed = [self.survey(argument) for argument in node.arguments]
                self.constant[node] = all(surveyed)
            else:
                self.constant[node] = isinstance(node, Number) or node.name in CONSTANTS
        return self.constant[node]

    def operand(self, node: Node) -> Node:
        """Return what stands for a part inside a stage, making a stage of its own if it needs."""
        if not isinstance(node, Apply) or self.constant[node]:
            return node
        if node in self.named:
            return self.named[node]
        operation = self.operation(node)
        self.named[node] = Name(f"{self.prefix}{len(self.stages) + 1}", node.column)
        self.stages.append(Stage(self.named[node].name, operation))
        return self.named[node]

    def operation(self, node: Node) -> Node:
        """Return the one operation that a part ends with, on operands."""
        if not isinstance(node, Apply) or self.constant[node]:
            return node
        if node.head in {"+", "-"}:
            return self.rebuilt(node, self.sum_so_far, self.signed)
        if self.is_product(node):
            return self.rebuilt(node, self.product_so_far, self.signed)
        if node.head == "/":
            return self.rebuilt(node, self.signed, self.operand)
        if node.head == "neg":
            return self.rebuilt(node, self.product_so_far)
        if node.head == "where":
            return self.rebuilt(node, self.comparison, self.operand, self.operand)
        return self.rebuilt(node, *[self.operand] * len(node.arguments))

    def rebuilt(self, node: Apply, *ways: Callable[[Node], Node]) -> Apply:
        parts = tuple(way(part) for way, part in zip(ways, node.arguments, strict=True))
        return Apply(node.head, parts, node.column)

    def comparison(self, node: Node) -> Node:
        assert isinstance(node, Apply)
        return self.rebuilt(node, self.operand, self.operand)

    def joins(self, node: Node) -> bool:
        """Tell whether a part may lie inside its parent's stage: nothing else uses it."""
        return isinstance(node, Apply) and self.uses[node] == 1 and not self.constant[node]

    def is_product(self, node: Node) -> bool:
        """Tell whether a part is a product, or a quotient by a constant."""
        return isinstance(node, Apply) and (
            node.head == "*" or (node.head == "/" and self.constant[node.arguments[1]])
        )

    def sum_so_far(self, node: Node) -> Node:
        if self.joins(node) and isinstance(node, Apply) and node.head in {"+", "-"}:
            return self.operation(node)
        return self.signed(node)

    def product_so_far(self, node: Node) -> Node:
        if self.joins(node) and self.is_product(node):
            return self.operation(node)
        return self.signed(node)

    def signed(self, node: Node) -> Node:
        if self.joins(node) and isinstance(node, Apply) and node.head == "neg":
            return self.rebuilt(node, self.operand)
        return self.operand(node)


# --- Converting to SymPy --------------------------------------------------------------------

NOTHING: Mapping[str, Callable[..., sp.Expr]] = MappingProxyType({})


def to_sympy(
    node: Node,
    symbols: Mapping[str, sp.Expr],
    functions: Mapping[str, Callable[..., sp.Expr]] = NOTHING,
    *,
    where: str = "formula",
) -> sp.Expr:
    """Return the exact SymPy expression of a tree.

    Decimals are the rationals they are written as, division is exact, ``max``, ``min``, ``sign``
    and ``where`` become `Piecewise`. Where two arguments of ``max`` are equal, a constant one
    wins, so that ``max(0, z)`` has slope 0 at z = 0, else the last by name, however written.

    Parameters
    ----------
    node
        The tree.
    symbols
        What stands for each free name; real symbols give the nicest forms.
    functions
        The functions that `read` was allowed beyond `FUNCTIONS`.
    where
        What each message begins with: the file and the key.

    Raises
    ------
    FormulaError
        For a name or function that is not given; where a part is infinite, undefined or not real
        (``1/0``, ``log(0)``, ``sqrt(-1)``); where SymPy would compute a number of more than some
        400 digits or an expression of more than some thousand parts.

    Examples
    --------
    >>> x = sp.Symbol("x", real=True)
    >>> to_sympy(read("0.1*x/2", names={"x"}), {"x": x})
    x/20
    >>> to_sympy(read("max(0, x)", names={"x"}), {"x": x})
    Piecewise((x, x > 0), (0, True))
    """
    converter = _Converter(symbols, functions, where)
    try:
        return _within_budget(partial(converter.convert, node))
    except _BudgetSpentError:
        message = f"{_excerpt(converter.current)} takes SymPy too long"
        raise converter.fail(
            converter.current, f"{message}; name its parts in equations of their own"
        ) from None


def _ranked(values: Iterable[sp.Expr]) -> list[sp.Expr]:
    """The arguments of a max or min in an order of their own, constants last.

    The last of those that are equal wins, in whatever order they are written.
    """
    return sorted(values, key=lambda value: (not value.free_symbols, sp.default_sort_key(value)))


def winner(node: Apply, symbols: Mapping[str, Any], functions: Mapping[str, Any]) -> sp.Expr:
    """The argument of a max or min whose slope is taken where all of them are equal."""
    return _ranked(to_sympy(part, symbols, functions) for part in _joined(node))[-1]


def _extreme(beats: Relation, *values: sp.Expr) -> sp.Expr:
    """Each value where it beats all later ones; see `_ranked`."""
    ranked = _ranked(values)
    cases = [
        (value, sp.And(*(beats(value, other) for other in ranked[place:])))
        for place, value in enumerate(ranked[:-1], start=1)
    ]
    return _piecewise(*cases, (ranked[-1], sp.true))


def _maximum(*values: sp.Expr) -> sp.Expr:
    return _by_cases(partial(_extreme, sp.Gt), *values)


def _minimum(*values: sp.Expr) -> sp.Expr:
    return _by_cases(partial(_extreme, sp.Lt), *values)


def _sign(value: sp.Expr) -> sp.Expr:
    """Not SymPy's `sign`, whose derivative is a DiracDelta: flat on both sides, and at 0."""
    cases = (sp.Integer(1), sp.Integer(-1), sp.Integer(0))
    return _by_cases(lambda v: _piecewise(*zip(cases, (v > 0, v < 0, sp.true), strict=True)), value)


def _absolute(value: sp.Expr) -> sp.Expr:
    """`Abs` of what is known to be real; else its cases, for the slope of Abs(log(x)) holds re."""
    if value.is_extended_real:
        return sp.Abs(value)
    return _by_cases(lambda v: _piecewise((v, v > 0), (-v, v < 0), (sp.Integer(0), sp.true)), value)


def _where(
    relation: Relation, left: sp.Expr, right: sp.Expr, chosen: sp.Expr, otherwise: sp.Expr
) -> sp.Expr:
    return _by_cases(
        lambda a, b: _piecewise((chosen, relation(a, b)), (otherwise, sp.true)), left, right
    )


def _by_cases(build: Callable[..., sp.Expr], *values: sp.Expr) -> sp.Expr:
    """Build for each branch of each `Piecewise` inside the values, so that no condition holds one.

    SymPy turns such a condition into an ITE, which neither its printers nor NumPy can show.
    """
    parts = chain.from_iterable(map(sp.preorder_traversal, values))
    piece = next((part for part in parts if isinstance(part, sp.Piecewise)), None)
    if piece is None:
        return build(*values)
    branches = []
    for branch, condition in piece.args:
        chosen = [value.xreplace({piece: branch}) for value in values]
        for part in chain.from_iterable(map(sp.postorder_traversal, chosen)):
            _check_constant(part)  # the branches may be constants where the whole was not
        branches.append((_by_cases(build, *chosen), condition))
    return _piecewise(*branches)


def _check_constant(expression: sp.Basic) -> None:
    """Raise TypeError or OverflowError for a constant that is not a real double.

    Then what is built next from doubles is safe to evaluate, which comparisons do.
    """
    if not isinstance(expression, sp.Expr) or expression.free_symbols or expression.is_Rational:
        return
    value = expression.evalf(15)
    if value.is_real is False or value.has(sp.I, sp.zoo, sp.nan):
        raise TypeError
    if value.is_Float and not abs(value) < sp.Float("1e308"):
        raise OverflowError


def _piecewise(*branches: tuple[sp.Expr, Any]) -> sp.Expr:
    """Return a flat `Piecewise`: a branch that is one itself gives its own branches."""
    flat: list[tuple[sp.Expr, Any]] = []
    for value, condition in branches:
        is_total = isinstance(value, sp.Piecewise) and value.args[-1][1] == sp.true
        inner = value.args if is_total else ((value, sp.true),)
        flat += [(branch, sp.And(condition, where)) for branch, where in inner]
    return sp.Piecewise(*flat)


RELATIONS: Mapping[str, Relation] = {"<": sp.Lt, "<=": sp.Le, ">": sp.Gt, ">=": sp.Ge}
BUILDERS: Mapping[str, Callable[..., Any]] = {
    "+": sp.Add,
    "-": operator.sub,
    "*": sp.Mul,
    "/": operator.truediv,
    "**": sp.Pow,
    "neg": operator.neg,
    "exp": sp.exp,
    "log": sp.log,
    "sqrt": sp.sqrt,
    "abs": _absolute,
    "sign": _sign,
    "sin": sp.sin,
    "cos": sp.cos,
    "tan": sp.tan,
    "asin": sp.asin,
    "acos": sp.acos,
    "atan": sp.atan,
    "sinh": sp.sinh,
    "cosh": sp.cosh,
    "tanh": sp.tanh,
    "erf": sp.erf,
    "max": _maximum,
    "min": _minimum,
}


@dataclass(frozen=True, slots=True)
class _Measure:
    """What the budgets ask of an expression; the numbers are upper bounds over its parts."""

    size: int
    bits: int
    magnitude: float
    has_log: bool


class _Converter:
    """Build from the leaves up; measure every result, and every power before it is computed."""

    def __init__(
        self,
        symbols: Mapping[str, sp.Expr],
        functions: Mapping[str, Callable[..., sp.Expr]],
        where: str,
    ) -> None:
        self.symbols, self.functions, self.where = symbols, functions, where
        self.measures: dict[sp.Basic, _Measure] = {}
        self.current: Node = Name("")  # what is being built, for the message if time runs out

    def fail(self, node: Node, message: str) -> FormulaError:
        return FormulaError(f"{self.where}: {message}", node.column or None)

    def convert(self, node: Node) -> sp.Expr:
        if isinstance(node, Number):
            value = Fraction(node.text)
            return sp.Rational(value.numerator, value.denominator)
        if isinstance(node, Name):
            return self.value_of(node)
        return self.built(node, self.arguments(node))

    def value_of(self, node: Name) -> sp.Expr:
        known = {**self.symbols, **CONSTANTS}
        if node.name not in known:
            meant = did_you_mean(node.name, known) or "."
            raise self.fail(node, f'unknown name "{node.name}"{meant} {_known(sorted(known))}')
        return known[node.name]

    def arguments(self, node: Apply) -> list[sp.Expr]:
        """Return what to build from; max of max is one max, and where takes both sides first."""
        if node.head == "where" and isinstance(node.arguments[0], Apply):
            return [*map(self.convert, (*node.arguments[0].arguments, *node.arguments[1:]))]
        values = [*map(self.convert, _joined(node))]
        return values if node.head not in {"max", "min"} else self.contenders(node, values)

    def contenders(self, node: Apply, values: list[sp.Expr]) -> list[sp.Expr]:
        """Return the values that can win a max or min: each one once, one number at most."""
        best = {"max": max, "min": min}[node.head]
        numbers = [value for value in values if value.is_Rational]
        others = [value for value in values if not value.is_Rational]
        contenders = [*dict.fromkeys(others), *([best(numbers)] if numbers else [])]
        if len(contenders) > MOST_ARGUMENTS:
            raise self.fail(node, f"{_excerpt(node)} compares more than {MOST_ARGUMENTS} values")
        return contenders

    def builder(self, node: Apply) -> Callable[..., sp.Expr]:
        condition = node.arguments[0]
        if node.head == "where" and isinstance(condition, Apply) and condition.head in RELATIONS:
            return partial(_where, RELATIONS[condition.head])
        build = BUILDERS.get(node.head) or self.functions.get(node.head)
        if build is None:
            meant = did_you_mean(node.head, [*BUILDERS, *self.functions]) or "."
            raise self.fail(node, f'unknown function "{printable(node.head)}"{meant}')
        return build

    def built(self, node: Apply, arguments: list[sp.Expr]) -> sp.Expr:
        build = self.builder(node)
        self.current = node
        if node.head in {"**", "sqrt", "exp"}:
            self.check_growth(node, arguments)
        try:
            expression = self.checked(node, build(*arguments))
            _check_constant(expression)
        except OverflowError:
            raise self.fail(node, f"{_excerpt(node)} is larger than 1e308") from None
        except RecursionError:
            raise self.fail(node, f"{_excerpt(node)} is nested too deeply for SymPy") from None
        except (AttributeError, TypeError) as error:
            # SymPy compares real values only; and its cache stumbles over some of its own messages:
            # asin(sin(10**300)) is "'LazyExceptionMessage' object has no attribute 'startswith'".
            raise self.fail(node, f"{_excerpt(node)} is not a real number") from error
        return expression

    def check_growth(self, node: Apply, arguments: list[sp.Expr]) -> None:
        """Refuse a power before SymPy computes it, if it could make a huge number.

        Exponents add and multiply behind one's back, and ``exp(c*log(2))`` becomes ``2**c``, so
        this bounds every number inside the exponent, not its value.
        """
        base, exponent = {
            "**": lambda: arguments,
            "sqrt": lambda: (arguments[0], sp.Rational(1, 2)),
            "exp": lambda: (sp.E, arguments[0]),
        }[node.head]()
        if node.head == "**" and exponent.is_Rational and abs(exponent) > LARGEST_EXPONENT:
            message = f"{_excerpt(node)} has an exponent beyond {LARGEST_EXPONENT}"
            raise self.fail(node, message)
        below, above = self.measure(base), self.measure(exponent)
        growth = below.bits * above.magnitude
        if below.has_log or above.has_log:
            growth = max(below.bits, above.bits) * below.magnitude * above.magnitude
        if growth > MOST_GROWTH:
            raise self.fail(node, f"{_excerpt(node)} could hold a number of hundreds of digits")

    def checked(self, node: Node, expression: sp.Expr) -> sp.Expr:
        """Return the expression if it is finite, real and small enough."""
        if expression.has(sp.zoo, sp.nan, sp.oo, -sp.oo):
            message = "has no finite value; look for a division by zero or log(0)"
            raise self.fail(node, f"{_excerpt(node)} {message}")
        if expression.has(sp.I):
            raise self.fail(node, f"{_excerpt(node)} is not a real number")
        measure = self.measure(expression)
        if measure.bits > MOST_BITS:
            raise self.fail(node, f"{_excerpt(node)} holds a number of hundreds of digits")
        if measure.size > LARGEST_EXPRESSION:
            message = "is too large written out; name its parts in equations of their own"
            raise self.fail(node, f"{_excerpt(node)} {message}")
        return expression

    def measure(self, expression: sp.Basic) -> _Measure:
        if expression not in self.measures:
            self.measures[expression] = self.measured(expression)
        return self.measures[expression]

    def measured(self, expression: sp.Basic) -> _Measure:
        if isinstance(expression, sp.Rational):
            bits = _bits(expression)
            magnitude = float(abs(expression)) if bits < 1_000 else float("inf")
            return _Measure(1, bits, max(1.0, magnitude), has_log=False)
        parts = [self.measure(part) for part in expression.args]
        return _Measure(
            size=1 + sum(part.size for part in parts),
            bits=max((part.bits for part in parts), default=0),
            magnitude=max((part.magnitude for part in parts), default=1.0),
            has_log=any(part.has_log for part in parts) or isinstance(expression, sp.log),
        )


class _BudgetSpentError(BaseException):
    """Not an `Exception`, for SymPy catches some of those itself."""


def _within_budget(work: Callable[[], sp.Expr]) -> sp.Expr:
    """Return the work's result, or stop it after `MOST_STEPS` calls of functions.

    SymPy's constructors ask for the sign or the reality of their arguments, and the answer may take
    hours: each level of ``tanh(sqrt(tanh(sqrt(x))))`` multiplies the time by six. Neither the depth
    nor the size of a formula tells, so the steps are counted, and a step is the same anywhere,
    which a second is not. Where a profiler runs already, nothing is counted.
    """
    if sys.getprofile() is not None:
        return work()
    left = MOST_STEPS

    def step(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal left
        if event == "call":
            left -= 1
            if left < 0 and _may_raise(frame):
                raise _BudgetSpentError

    sys.setprofile(step)
    try:
        return work()
    finally:
        sys.setprofile(None)


def _may_raise(frame: FrameType) -> bool:
    """Only SymPy's own functions may: what closes a generator or calls back swallows errors."""
    is_generator = frame.f_code.co_flags & CO_GENERATOR
    return not is_generator and str(frame.f_globals.get("__name__")).startswith("sympy.")


def _joined(node: Apply) -> Iterator[Node]:
    """Yield the arguments, those of a max directly inside a max among them; likewise min."""
    for argument in node.arguments:
        if isinstance(argument, Apply) and argument.head == node.head in {"max", "min"}:
            yield from _joined(argument)
        else:
            yield argument


def _excerpt(node: Node) -> str:
    return f'"{printable(to_text(node), 40)}"'
