"""Read a formula as a user types it, safely; print it, take it apart into stages.

`read` turns text such as ``z/(1 + exp(-2*z))`` into a tree of `symback.language.expressions`:
`names` lists its free names, `to_text` prints it so that `read` gives the same tree again, and
`stages` takes a composed formula apart as a lecturer does at the board, one elementary operation a
stage.  `symback.language.algebra` gives its exact SymPy expression.

The grammar: numbers; names of Latin and Greek letters, digits and ``_``; ``+ - * /`` and ``**`` or
``^`` (to the right, and ``-x**2`` is ``-(x**2)``, as in Python); round and square brackets; calls
of `FUNCTIONS`; ``pi`` and ``e``; comparisons inside ``where(condition, a, b)`` only. There is no
implicit multiplication: ``2x`` and ``x(1-x)`` are refused with the spelling that is meant.

Text from a file is hostile until proved otherwise, and SymPy's own readers are `eval`. So this is
a tokenizer and a Pratt parser by hand, with a budget on everything: what is refused is refused
with a column and in milliseconds. It is not the reader of pages (`symback.checking.parsing`): there
factors stand side by side, and what a letter is decides how the next one is read.
"""

from __future__ import annotations

import operator
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, count
from types import MappingProxyType
from typing import Any

from symback.language.errors import FormulaError, did_you_mean, printable
from symback.language.expressions import Named, Node, Number, applied, operation
from symback.language.functions import ELEMENTARY

# The budgets of reading.
LONGEST_TEXT = 10_000
DEEPEST_NESTING = 60
TALLEST_TREE = 150  # a sum of 150 terms; what walks formulas recurses, and Python allows 1,000
MOST_DIGITS = 40
LARGEST_DECIMAL_EXPONENT = 300
LARGEST_EXPONENT = 64
MOST_ARGUMENTS = 16  # max of n arguments has n²/2 comparisons
MOST_BITS = 1_400  # of one exact number: 421 digits


@dataclass(frozen=True, slots=True)
class Stage:
    """One named step of a formula taken apart: ``name = node``."""

    name: str
    node: Node


# --- The words ------------------------------------------------------------------------------

FUNCTIONS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        name: (row.arguments, 1 if row.arguments == 1 else MOST_ARGUMENTS)
        for name, row in ELEMENTARY.items()
    }
    | {"where": (3, 3)}
)
"""The functions that every formula may call, each with its least and its most arguments."""

ALIASES: Mapping[str, str] = MappingProxyType(
    {alias: name for name, row in ELEMENTARY.items() for alias in row.aliases}
)
CONSTANTS: Mapping[str, str] = MappingProxyType({"pi": "the number π", "e": "Euler's number"})
"""The two names that no user may give away, with what they mean."""

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
    >>> read("w/x", names={"w", "x"})
    Quotient(above=Named(name='w', indices=()), below=Named(name='x', indices=()))
    >>> read("w*x1", names={"w", "x_1"}, where="L")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    symback.language.errors.FormulaError: L, column 3: unknown name "x1"; did you mean "x_1"? ...
    """
    text, tokens = tokenized(text, where)
    for word in sorted(CONSTANTS.keys() & set(names or ())):
        meaning = CONSTANTS[word]
        raise FormulaError(f'{where}: "{word}" is {meaning} and cannot name a quantity; rename it')
    arities = {**dict.fromkeys(functions, (1, 1)), **FUNCTIONS}
    return Parser(text, tokens, None if names is None else frozenset(names), arities, where).read()


def tokenized(
    text: str, where: str, pattern: re.Pattern[str] = TOKEN
) -> tuple[str, Sequence[Token]]:
    """The text in plain letters, and its tokens, closed by one of kind "end".

    ``pattern`` is `TOKEN`, or has more operators than that.  Raises `FormulaError`.
    """
    if not isinstance(text, str):
        given = type(text).__name__
        raise FormulaError(f'{where}: a formula is text in quotes such as "w*x", not {given}')
    if len(text) > LONGEST_TEXT:
        size = f"{len(text):,} characters"
        raise FormulaError(f"{where}: {size}; a formula has at most {LONGEST_TEXT:,}")
    if not text.isascii():
        text = "".join(map(_plain, unicodedata.normalize("NFC", text)))
    return text, list(_tokens(text, where, pattern))


def _plain(character: str) -> str:
    """Return the letter that another font or variant of it (𝜃, ϑ, µ) stands for."""
    if unicodedata.decomposition(character).startswith(("<font>", "<compat>")):
        letter = unicodedata.normalize("NFKC", character)
        return letter if NAME.fullmatch(letter) and len(letter) == 1 else character
    return character


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a formula's text."""

    kind: str  # "number", "name", "end", or the operator itself
    text: str
    start: int

    @property
    def column(self) -> int:
        """Where it begins, counted from 1."""
        return self.start + 1


def _failure(where: str, column: int, message: str) -> FormulaError:
    return FormulaError(f"{where}, column {column}: {message}", column)


def _tokens(text: str, where: str, pattern: re.Pattern[str]) -> Iterator[Token]:
    start = 0
    while start < len(text):
        match = pattern.match(text, start)
        if match is None:
            hint = HINTS.get(text[start])
            stray = f'"{printable(text[start])}" has no meaning here'
            raise _failure(where, start + 1, stray + (f"; {hint}" if hint else ""))
        kind, found = str(match.lastgroup), match.group()
        if kind == "operator":
            kind = SPELLINGS.get(found, found)
        elif kind == "number":
            digits, _, exponent = found.lower().partition("e")
            size, shown = exponent.lstrip("+-0"), f'the number "{printable(found, 20)}"'
            if len(digits.replace(".", "")) > MOST_DIGITS:
                raise _failure(where, start + 1, f"{shown} has more than {MOST_DIGITS} digits")
            if len(size) > 3 or (size and int(size) > LARGEST_DECIMAL_EXPONENT):
                limits = f"1e-{LARGEST_DECIMAL_EXPONENT} to 1e{LARGEST_DECIMAL_EXPONENT}"
                raise _failure(where, start + 1, f"{shown} is outside {limits}")
        if kind != "space":
            yield Token(kind, "pi" if found == "π" else found, start)
        start = match.end()
    yield Token("end", "", len(text))


@dataclass(frozen=True, slots=True)
class Part:
    """A tree and its height, a sum of n terms counted as n - 1 operations on one another.

    The tree is a `Node`, or what a reader derived from `Parser` makes.
    """

    node: Any
    height: int = 1


@dataclass(slots=True)
class Parser:
    """A Pratt parser; every bracket, sign and power goes one level deeper, and levels are few.

    `symback.equations.formulas` derives one that knows indices: it has words of its own (`word`)
    and makes another tree (`node_of`, `number`, `value`).
    """

    text: str
    tokens: Sequence[Token]
    names: frozenset[str] | None
    arities: Mapping[str, tuple[int, int]]
    where: str
    position: int = 0
    depth: int = 0

    @property
    def token(self) -> Token:
        """The next token."""
        return self.tokens[self.position]

    def advance(self) -> Token:
        """Take the next token; the end stays."""
        token = self.token
        self.position += token.kind != "end"
        return token

    def read(self) -> Node:
        """Read the whole text."""
        if self.token.kind == "end":
            raise self.fail(self.token, "the formula is empty; write one such as w*x")
        part = self.expression(0)
        if self.token.kind != "end":
            raise self.misplaced(self.token)
        return part.node

    def nested(self, binding: int) -> Part:
        """Read an expression one level deeper: in a bracket, after a sign, in an exponent."""
        self.depth += 1
        if self.depth > DEEPEST_NESTING:
            raise self.fail(self.token, f"nested more than {DEEPEST_NESTING} deep; name some parts")
        part = self.expression(binding)
        self.depth -= 1
        return part

    def expression(self, binding: int) -> Part:
        """Read operands joined by operators that bind more strongly than `binding`."""
        left = self.operand()
        while BINDING.get(self.token.kind, 0) > binding:
            sign = self.advance()
            if sign.kind == "**":
                right = self.nested(NEGATION - 1)
                number, power = self.value(left.node), self.value(right.node)
                if power is not None and abs(power) > LARGEST_EXPONENT:
                    raise self.fail(sign, f"an exponent is at most {LARGEST_EXPONENT} in size")
                if power and number is not None and bits(number) * abs(power) > MOST_BITS:
                    raise self.fail(sign, "this power of a number has hundreds of digits")
            else:
                right = self.expression(BINDING[sign.kind])
            left = self.apply(sign.kind, (left, right), sign)
        if self.token.kind in {"number", "name", *OPENING}:
            raise self.implied_product()
        return left

    def operand(self) -> Part:
        """Read one operand, its sign included."""
        token = self.advance()
        match token.kind:
            case "number":
                return Part(self.number(token))
            case "name":
                return self.word(token)
            case "(" | "[":
                inner = self.nested(0)
                self.close(token)
                return inner
            case "-":
                return self.apply("neg", (self.nested(NEGATION - 1),), token)
            case "+":
                return self.nested(NEGATION - 1)
        found = f'not "{token.text}"' if token.text else "but the formula ends"
        raise self.fail(token, f"expected a number, a name or a bracket here, {found}")

    def word(self, token: Token) -> Part:
        """Read what begins with a name."""
        return self.call(token) if self.token.kind in OPENING else self.name(token)

    def name(self, token: Token) -> Part:
        """Read a name that stands for a value."""
        word = token.text
        if word not in CONSTANTS and (self.names is None or word not in self.names):
            if ALIASES.get(word, word) in self.arities:
                raise self.fail(token, f'"{word}" is a function; write {word}(…)')
            if self.names is not None:
                known = sorted(self.names)
                cuts = [(word[:cut], word[cut:]) for cut in range(1, min(len(word), 60))]
                product = next((f"{a}*{b}" for a, b in cuts if a in known and b in known), None)
                meant = did_you_mean(_spelled(word), known) or "."
                if product:
                    meant = f"; for a product write {product}."
                message = f'unknown name "{printable(word)}"{meant} {known_words(known)}'
                raise self.fail(token, message)
        return Part(Named(word, column=token.column))

    def call(self, token: Token) -> Part:
        """Read the arguments of a function."""
        head = ALIASES.get(token.text, token.text)
        if head not in self.arities:
            raise self.fail(token, self.not_a_function(token))
        opening = self.advance()
        arguments = [self.condition() if head == "where" else self.nested(0)]
        while self.token.kind == ",":
            self.advance()
            arguments.append(self.nested(0))
        self.close(opening)
        least, most = self.arities[head]
        if not least <= len(arguments) <= most:
            wanted = f"{least}" if least == most else f"{least} to {most}"
            noun = "argument" if most == 1 else "arguments"
            shape = {"where": ": where(x < 0, a, b)", "log": "; it is the natural one"}
            given = f"{token.text} takes {wanted} {noun}, not {len(arguments)}"
            raise self.fail(token, given + shape.get(head, ""))
        return self.apply(head, tuple(arguments), token)

    def condition(self) -> Part:
        """Read the comparison that `where` begins with."""
        left = self.nested(0)
        sign = self.token
        if sign.kind not in COMPARISONS:
            raise self.fail(sign, "where(…) begins with a comparison such as x < 0")
        self.advance()
        right = self.nested(0)
        if self.token.kind in COMPARISONS:
            raise self.fail(self.token, "compare two values at a time; nest where(…) for more")
        return self.apply(sign.kind, (left, right), sign)

    def apply(self, head: str, parts: tuple[Part, ...], token: Token) -> Part:
        """One operation on what was read, if that does not become too tall."""
        height = 1 + max(part.height for part in parts)
        if height > TALLEST_TREE:
            message = f"more than {TALLEST_TREE} operations on top of each other"
            raise self.fail(token, f"{message}; split the formula into equations")
        return Part(self.node_of(head, tuple(part.node for part in parts), token), height)

    # What the tree is made of.

    def node_of(self, head: str, arguments: tuple[Any, ...], token: Token) -> Any:
        """The tree of one operation."""
        return applied(head, *arguments, column=token.column)

    def number(self, token: Token) -> Any:
        """The tree of a number."""
        return _number(token)

    def value(self, node: Any) -> Fraction | None:
        """What arithmetic on numbers comes to; None where it is no rational."""
        return _rational(node)

    def close(self, opening: Token) -> None:
        """Take the bracket that closes the one given."""
        if self.token.kind == "end":
            raise self.fail(opening, f'this "{opening.text}" is never closed')
        if self.token.kind != OPENING[opening.kind]:
            raise self.misplaced(self.token, opening)
        self.advance()

    # What to say.

    def fail(self, token: Token, message: str) -> FormulaError:
        """The error that points at a token."""
        return _failure(self.where, token.column, message)

    def misplaced(self, token: Token, opening: Token | None = None) -> FormulaError:
        """The error for a token that cannot stand here."""
        if token.kind in COMPARISONS:
            return self.fail(token, "compare inside where(condition, a, b) only")
        if token.kind == ",":
            advice = "a decimal point is written ., and only a function has several arguments"
            return self.fail(token, f'unexpected ","; {advice}')
        if opening is None:
            return self.fail(token, f'this "{token.text}" closes nothing')
        wanted = f'"{OPENING[opening.kind]}" for the "{opening.text}" of column {opening.column}'
        return self.fail(token, f'expected {wanted}, not "{token.text}"')

    def implied_product(self) -> FormulaError:
        """What to write where an operand follows another with nothing between: ``2x``, ``(a)(b)``.

        The operand before it is found backwards, as far as its opening bracket and the function's
        name before that.
        """
        token, last = self.token, self.position - 1
        first, level = last, 0
        while first > 0:
            kind = self.tokens[first].kind
            level += (kind in OPENING.values()) - (kind in OPENING)
            if level == 0:
                break
            first -= 1
        called = self.tokens[first].kind in OPENING and self.tokens[first - 1].kind == "name"
        before = self.source(first - called, last)
        message = f'"{token.text}" follows "{self.tokens[last].text}" with nothing between them'
        product = f"{before}*{self.operand_from(self.position)}"
        return self.fail(token, f"{message}; for a product write {product}")

    def operand_from(self, first: int) -> str:
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
        """The text of some tokens, short enough for a message."""
        end = self.tokens[last].start + len(self.tokens[last].text)
        return printable(self.text[self.tokens[first].start : end], 30)

    def not_a_function(self, token: Token) -> str:
        """What to say of a word that is called and is no function."""
        word = token.text
        meant = did_you_mean(word, [*sorted(self.arities), *ALIASES])
        is_quantity = word in CONSTANTS or (self.names and word in self.names)
        if is_quantity or (self.names is None and not meant):
            product = f"{word}*{self.operand_from(self.position)}"
            return f'"{printable(word)}" is not a function; for a product write {product}'
        known = known_words(sorted(self.arities))
        return f'unknown function "{printable(word)}"{meant or "."} {known}'


def known_words(words: Sequence[str]) -> str:
    """A sentence that lists the words that are known, the first two dozen of them."""
    shown = ", ".join(printable(word, 30) for word in words[:24])
    return f"Known: {shown}{', …' if len(words) > 24 else ''}." if words else "No names are known."


def _spelled(word: str) -> str:
    """Return the word with its Greek letters written out, the better to compare it."""
    return "".join(
        character if character.isascii() else unicodedata.name(character, "").split(" ")[-1].lower()
        for character in word
    ).replace("lamda", "lambda")


def _number(token: Token) -> Number:
    digits, _, exponent = token.text.lower().partition("e")
    decimals = len(digits.partition(".")[2]) - int(exponent or 0)
    value = Fraction(token.text)
    return Number(value, max(decimals, 0) or None, text=token.text, column=token.column)


def bits(value: Fraction) -> int:
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


def _rational(node: Node) -> Fraction | None:
    """Return the value of arithmetic on numbers, or None where it is no rational, or a huge one."""
    if isinstance(node, Number):
        return node.value
    head, arguments = operation(node)
    if head not in ARITHMETIC:
        return None
    known = [value for value in map(_rational, arguments) if value is not None]
    if len(known) < len(arguments) or (head in {"/", "**"} and 0 in known):
        return None
    if head == "**" and (known[1].denominator != 1 or bits(known[0]) * abs(known[1]) > MOST_BITS):
        return None
    value = ARITHMETIC[head](*known)
    return value if bits(value) <= MOST_BITS else None


# --- Walking --------------------------------------------------------------------------------


def names(node: Node) -> tuple[str, ...]:
    """Return the free names of a tree in order of first appearance; constants are not free.

    >>> names(read("w*x + w*pi", names=None))
    ('w', 'x')
    """
    return tuple(dict.fromkeys(_free(node)))


def _free(node: Node) -> Iterator[str]:
    if isinstance(node, Named) and node.name not in CONSTANTS:
        yield node.name
    for part in operation(node)[1]:
        yield from _free(part)


def to_text(node: Node) -> str:
    """Return a formula that `read` reads as the same tree, with no bracket that could be missing.

    Only a sign inside a sum, a product or another sign keeps brackets for the reader's sake.

    >>> print(to_text(read("((z)/(1+(exp((-2)*z))))-(-z)^2", names=None)))
    z/(1 + exp(-2*z)) - (-z)**2
    """
    head, arguments = operation(node)
    match head:
        case "":
            assert isinstance(node, (Named, Number))
            return node.name if isinstance(node, Named) else node.text or str(node.value)
        case "neg":
            return "-" + _operand_text(arguments[0], NEGATION, signed=False)
        case "**":
            base, exponent = arguments
            return f"{_operand_text(base, ATOM)}**{_operand_text(exponent, NEGATION)}"
        case "+" | "-" | "*" | "/":
            binding = BINDING[head]
            left = _operand_text(arguments[0], binding)
            right = _operand_text(arguments[1], binding + 1, signed=False)
            return f"{left} {head} {right}" if binding == SUM else f"{left}{head}{right}"
        case "<" | "<=" | ">" | ">=":
            return f" {head} ".join(map(to_text, arguments))
    return f"{head}({', '.join(map(to_text, arguments))})"


def _operand_text(node: Node, binding: int, *, signed: bool = True) -> str:
    """Return the text, in brackets if it binds too weakly or begins with an unwanted sign."""
    text, head = to_text(node), operation(node)[0]
    too_weak = (NEGATION if head == "neg" else BINDING.get(head, ATOM)) < binding
    return f"({text})" if too_weak or (text.startswith("-") and not signed) else text


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
    words = {*used, *taken, last}
    longer = (prefix + "_" * length for length in count(1))
    free = (
        candidate
        for candidate in chain((prefix,), string.ascii_uppercase, longer)
        if not any(re.fullmatch(rf"{re.escape(candidate)}\d+", word) for word in words)
    )
    apart = _Apart(node, next(free))
    apart.stages.append(Stage(last, apart.operation(node)))
    return tuple(apart.stages)


class _Apart:
    """The stages made so far, and which part of the formula each one holds."""

    def __init__(self, node: Node, prefix: str) -> None:
        self.prefix = prefix
        self.stages: list[Stage] = []
        self.named: dict[Node, Named] = {}
        self.constant: dict[Node, bool] = {}
        self.uses: Counter[Node] = Counter()
        self.survey(node)

    def survey(self, node: Node) -> bool:
        """Count how often each part is used, and find the parts without free names."""
        self.uses[node] += 1
        if node not in self.constant:
            if isinstance(node, Named):
                self.constant[node] = node.name in CONSTANTS
            else:
                surveyed = [self.survey(part) for part in operation(node)[1]]
                self.constant[node] = all(surveyed)
        return self.constant[node]

    def operand(self, node: Node) -> Node:
        """Return what stands for a part inside a stage, making a stage of its own if it needs."""
        if isinstance(node, Named) or self.constant[node]:
            return node
        if node not in self.named:
            stage = self.operation(node)
            name = f"{self.prefix}{len(self.stages) + 1}"
            self.named[node] = Named(name, column=node.column)
            self.stages.append(Stage(name, stage))
        return self.named[node]

    def operation(self, node: Node) -> Node:
        """Return the one operation that a part ends with, on operands."""
        if isinstance(node, Named) or self.constant[node]:
            return node
        head, arguments = operation(node)
        if head in {"+", "-"}:
            joined = self.joins(arguments[0], "+", "-")
            ways = [self.operation if joined else self.signed, self.signed]
        elif self.is_product(node):
            ways = [self.product_so_far, self.signed]
        elif head == "/":
            ways = [self.signed, self.operand]
        elif head == "neg":
            ways = [self.product_so_far]
        elif head == "where":
            ways = [self.comparison, self.operand, self.operand]
        else:
            ways = [self.operand] * len(arguments)
        parts = [way(part) for way, part in zip(ways, arguments, strict=True)]
        return applied(head, *parts, column=node.column)

    def comparison(self, node: Node) -> Node:
        head, arguments = operation(node)
        return applied(head, *map(self.operand, arguments), column=node.column)

    def joins(self, node: Node, *heads: str) -> bool:
        """Tell whether a part may lie inside its parent's stage: nothing else uses it."""
        once = self.uses[node] == 1 and not self.constant[node]
        return once and operation(node)[0] in heads

    def is_product(self, node: Node) -> bool:
        """Tell whether a part is a product, or a quotient by a constant."""
        head, arguments = operation(node)
        return head == "*" or (head == "/" and self.constant[arguments[1]])

    def product_so_far(self, node: Node) -> Node:
        if self.joins(node, "*", "/") and self.is_product(node):
            return self.operation(node)
        return self.signed(node)

    def signed(self, node: Node) -> Node:
        if self.joins(node, "neg"):
            (part,) = operation(node)[1]
            return applied("neg", self.operand(part), column=node.column)
        return self.operand(node)
