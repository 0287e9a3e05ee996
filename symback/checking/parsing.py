"""Tokens of one expression as a node, bound to the network: a parser that never guesses.

Here one can

* read one side of a claim: `reading`, which gives the node and what was noticed on the way;
* read a condition, such as a_11 > 0: `reading` with ``condition``.

What stands between two relations is parsed by precedence: sums, then ⊙, then products (written side
by side, or with ·, *, × or @) and slashes, then powers, primes and transposes.  Letters are looked
up in the network (`symback.checking.letters`), so h_{13}(1 - h_{13}) is a product and σ'(a_{13}) an
application.  What has two readings, or none, raises `NotRead` with its place and a way to write it.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from symback.checking.lemmas import Lemma, behind_primes
from symback.checking.letters import PRIMES, Letters, Scripted, is_total
from symback.checking.tokens import (
    CLOSES,
    CLOSING,
    COMPARISONS,
    FUNCTIONS,
    OPENS,
    RELATIONS,
    NotRead,
    Place,
    Token,
    split,
)
from symback.language.budget import spend
from symback.language.expressions import (
    COUNT,
    EVERY,
    LAYERED,
    LOSS,
    ONE,
    TWO,
    ZERO,
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
    Ones,
    Power,
    Product,
    Quotient,
    Sum,
    Total,
    Transpose,
    free_letters,
    is_array,
    is_column,
    negative,
    walk,
)
from symback.language.functions import ABBREVIATIONS, ELEMENTARY

MOST_DEPTH = 60
LARGEST_EXPONENT = 64
MOST_TERMS = 256

_INEQUALITIES = COMPARISONS[1:]
_WIDTH_LETTERS = ("n", "N", "K", "C", "m", "M", "k", "D", "d", "H", "J", "c", "p", "q", "r")
_LOSS_LETTERS = ("L", "J", "C", "E")
_INDEX_LETTERS = frozenset("ijklmnpqrstuvL")
_SAMPLE_LETTERS = ("i", "n", "x", "s", "p", "t", "m", "mu")
_BRACKETS = ("(", "[", "{")
_ARGUMENTS = {"dot": (2, 2), "outer": (2, 2)} | {
    name: (2, 9) for name, row in ELEMENTARY.items() if row.arguments > 1
}
"""The fewest and the most arguments of functions that have more than one."""
_BASES = {"e": "log", "2": "log2", "10": "log10"}
_ONES = Ones(LOSS)
"""The column of ones of a batch, as long as its neighbours ask."""
_REDUCING = ("sum", "mean")
"""Functions that make one number of many, or one of each row or column."""
_OPERATIONS = ("multiply", "matmul", "power", "square", "divide", "where")
"""Functions of NumPy that are operators elsewhere."""
_JOINING = frozenset(("+", "-", "·", "*", "/", "⊙", "@", "^", "_", "∂", "∇"))
"""What stands before a bracket that is an operand, and no remark."""
_BEGINS_FACTOR = ("number", "name", "command", "∂", "∇", "⟦", "begin", "½", "‖", *_BRACKETS)
_BEGINS_ARGUMENT = ("name", "number", "command", *_BRACKETS)
_RECIPROCALS = {
    name: formula[2 : formula.index("(")]
    for name, formula in ABBREVIATIONS.items()
    if formula.startswith("1/")
}
"""Functions that are read as one over another."""


@dataclass(frozen=True, slots=True)
class Line:
    """What holds for the whole line that an expression stands in.

    ``code``: it is a line of a program, in which * between arrays goes entry by entry.
    ``updating``: it is a step of gradient descent, in which α and its like are the rate η.
    ``lemma``: it is about functions of one variable, which stands for any number.
    """

    letters: Letters
    latex: bool = False
    code: bool = False
    updating: bool = False
    lemma: Lemma | None = None

    @property
    def variable(self) -> Free | None:
        """The variable of a lemma."""
        return None if self.lemma is None else Free(self.lemma.letter)


@dataclass(slots=True)
class Reading:
    """An expression, and what was noticed while it was read.

    ``steps``: a quantity with "new" above it was read, so the line is a step.  ``uncertain`` are
    the δ_{ij} that may be Kronecker's, ``dotted`` is the place of a · between two columns, which is
    read entry by entry, ``named`` the page's own names with their places.
    """

    node: Node = LOSS
    steps: bool = False
    uncertain: set[Element] = field(default_factory=set)
    dotted: Place | None = None
    named: list[tuple[Named, Place]] = field(default_factory=list)
    flat: list[Node] = field(default_factory=list)
    """Sums along the second axis that NumPy lays flat, for want of keepdims."""


def reading(tokens: Sequence[Token], line: Line) -> Reading:
    """What ``tokens`` say, one whole side of a claim.  Raises `NotRead`."""
    found = Reading()
    found.node = _Parser(tokens, line, found, tokens[-1].place).side()
    if any(_scaled(found.node) != each for each in found.flat):
        raise NotRead("without keepdims=True this sum is a vector that goes along the other axis",
                      tokens[0].place, "write keepdims=True")  # fmt: skip
    return found


def _scaled(node: Node) -> Node:
    """What is left of a node without the numbers that scale it."""
    match node:
        case Quotient(above, below) if not is_array(below):
            return _scaled(above)
        case Product(factors):
            arrays = [factor for factor in factors if is_array(factor)]
            return _scaled(arrays[0]) if len(arrays) == 1 else node
    return node


class _Parser:
    """Reads tokens from left to right; ``noticed`` is what it tells beside the node.

    ``tokens`` is a list of its own, into which `read_instead` puts what a spelling stands for.
    """

    def __init__(
        self, tokens: Sequence[Token], line: Line, noticed: Reading, end: Place, depth: int = 0
    ) -> None:
        self.tokens, self.line, self.noticed, self.end = list(tokens), line, noticed, end
        self.letters, self.nothing = line.letters, Token("", "", end, 0, 0)
        self.position, self.depth = 0, depth
        self.bracketed = False
        """Whether the product just read was a single factor in brackets: it keeps its minus."""

    # ------------------------------------------------------------------------------- tokens

    def peek(self, ahead: int = 0) -> Token:
        """The token to come; one of no kind at the end."""
        place = self.position + ahead
        return self.tokens[place] if 0 <= place < len(self.tokens) else self.nothing

    def at(self, *kinds: str, ahead: int = 0) -> bool:
        """Whether the token to come is one of ``kinds``."""
        return self.peek(ahead).kind in kinds

    def accept(self, *kinds: str) -> bool:
        """Take the token to come if it is one of ``kinds``."""
        return self.at(*kinds) and bool(self.take())

    def accept_words(self, *words: str) -> bool:
        """Take the tokens to come if they are these signs and names, as in ``.dot``."""
        near = self.tokens[self.position : self.position + len(words)]
        found = [token.text if token.kind == "name" else token.kind for token in near]
        self.position += len(words) if found == list(words) else 0
        return found == list(words)

    def take(self, kind: str | None = None) -> Token:
        """The next token."""
        spend()
        token = self.peek()
        if not token.kind:
            raise self.refuse("the line ends where something is missing")
        if kind is not None and token.kind != kind:
            raise self.refuse(f"{_shown(kind)} is expected before {_shown(token.text)}")
        self.position += 1
        return token

    def refuse(self, reason: str, suggestion: str = "", at: Token | None = None) -> NotRead:
        """Why the statement is not read, at ``at`` or at the token to come."""
        return NotRead(reason, (at or self.peek()).place, suggestion)

    def read_instead(self, begin: int, *tokens: Token) -> None:
        """Read ``tokens`` next, in place of all that was taken from ``begin`` on."""
        self.tokens[begin : self.position] = tokens
        self.position = begin

    def inside(self, tokens: Sequence[Token]) -> _Parser:
        """A parser of a part of the statement."""
        if self.depth >= MOST_DEPTH:
            raise self.refuse(f"brackets are nested more than {MOST_DEPTH} deep")
        end = tokens[-1].place if tokens else self.end
        return _Parser(tokens, self.line, self.noticed, end, self.depth + 1)

    def whole(self, tokens: Sequence[Token]) -> Node:
        """The expression that a part of the statement is."""
        return self.inside(tokens).side()

    def group(self) -> list[Token]:
        """The tokens of a bracketed group, without its brackets."""
        opening = self.take()
        pending, start = [CLOSING[opening.kind]], self.position
        while pending:
            token = self.peek()
            self.position += 1
            if not token.kind:
                raise self.refuse(f"the {opening.text} is never closed", at=opening)
            if token.kind in CLOSING:
                pending.append(CLOSING[token.kind])
                if len(pending) + self.depth > MOST_DEPTH:
                    deep = f"brackets are nested more than {MOST_DEPTH} deep"
                    raise self.refuse(deep, at=opening)
            elif token.kind == pending[-1]:
                pending.pop()
            elif token.kind in CLOSING.values():
                raise self.refuse(f"{token.text} closes nothing", at=token)
        return self.tokens[start : self.position - 1]

    def argument(self) -> list[Token]:
        """A braced group, or the one token that TeX takes instead; of a number one digit."""
        if self.at("{"):
            return self.group()
        token = self.take()
        if token.kind == "number" and len(token.text) > 1 and token.text.isdigit():
            middle = token.start + 1
            rest = Token("number", token.text[1:], token.place, middle, token.end)
            self.read_instead(self.position, rest)
            return [Token("number", token.text[0], token.place, token.start, middle)]
        return [token]

    def script(self) -> list[Token]:
        """What stands above or below: a group, or one sign; brackets of text are kept."""
        if self.at("{"):
            return self.group()
        start = self.position
        if self.at("(", "["):
            self.group()
        elif self.at("+", "-") and not self.at("_", "", *RELATIONS, ahead=1):
            self.position += 2
        else:  # a sign, or the + of w^+
            self.take()
        return self.tokens[start : self.position]

    # -------------------------------------------------------------------------- expressions

    def side(self) -> Node:
        """One whole side."""
        node, token = self.expression(), self.peek()
        if token.kind:
            raise self.refuse(f"{_shown(token.text)} is not understood here")
        return node

    def expression(self) -> Node:
        """A sum; in one with dots, as in x_1 + … + x_4, the terms between are put in."""
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise self.refuse(f"the expression is nested more than {MOST_DEPTH} deep")
        terms = [self.signed_term()]
        while self.at("+", "-"):
            if not self.at("...", ahead=1):
                terms.append(self.signed_term())
                continue
            self.take()
            dots = self.take("...")
            last = self.signed_term() if self.at("+") else None
            found = None if last is None else _between(terms, last)
            if last is None or found is None:
                raise self.refuse("dots leave open what stands there",
                                  "write a Σ with its limits", dots)  # fmt: skip
            terms += [*found, last]
        self.depth -= 1
        return terms[0] if len(terms) == 1 else Total(tuple(terms))

    def signed_term(self) -> Node:
        """A term with the signs before it."""
        signs = 0
        while self.at("+", "-"):
            signs += self.take().kind == "-"
        node = self.product()
        for _ in range(signs):
            plain = isinstance(node, Product) and not node.elementwise and not self.bracketed
            node = negative(*(node.factors if plain and isinstance(node, Product) else (node,)))
        return node

    def product(self) -> Node:
        """Products joined by ⊙, which binds less than juxtaposition."""
        first = self.peek()
        parts = [self.juxtaposed()]
        single = self.bracketed
        while self.accept("⊙"):
            parts.append(self.juxtaposed())
        self.bracketed = single and len(parts) == 1
        if len(parts) == 1:
            return parts[0]
        if not any(is_array(part) or isinstance(part, Named) for part in parts):
            raise self.refuse("⊙ joins arrays; numbers are multiplied with ·", at=first)
        return Product(tuple(parts), True)

    def juxtaposed(self) -> Node:
        """Factors side by side, with · * @ or / between them."""
        factors: list[Node] = [self.factor()]
        alone = self.bracketed
        while (token := self.peek()).kind:
            if token.kind in ("·", "*", "@"):
                self.take()
                minus = self.accept("-")
                following = self.factor()
                following = negative(following) if minus else following
                if token.kind == "·" and _are_alike(_product(factors), following):
                    self.noticed.dotted = token.place
                    factors = [Product((_product(factors), following), True)]
                elif token.kind != "*" or not (is_array(factors[-1]) and is_array(following)):
                    factors.append(following)
                elif self.line.code or self.letters.marks:  # Ng writes so too
                    factors = [Product((_product(factors), following), True)]
                else:
                    way = "write ⊙ for entry by entry, or nothing for a matrix product"
                    raise self.refuse("* between arrays has two readings", way, token)
            elif token.kind == "/":
                self.take()
                above, below = _product(factors), self.factor()
                closed = self.bracketed
                factors = [Quotient(above, below)]
                numbers = isinstance(above, Number) and isinstance(below, Number)
                if self.at(*_BEGINS_FACTOR) and not numbers and not closed:
                    raise self.refuse("what stands under the slash has two readings",
                                      "put brackets around it, or a fraction", token)  # fmt: skip
            elif token.kind in _BEGINS_FACTOR or self.opens_bars():
                self.check_no_argument(factors[-1])
                before, following = self.peek(-1), self.factor()
                if following == ONE and self.letters.batches and is_array(factors[-1]):
                    following = _ONES
                number = isinstance(following, Number) and token.kind == "number"
                if number and before.kind not in (")", "]"):
                    raise self.refuse("a number stands directly after a factor",
                                      "write · between them", token)  # fmt: skip
                factors.append(following)
            else:
                break
            alone = False
        self.bracketed = alone and len(factors) == 1
        return _product(factors)

    def check_no_argument(self, before: Node) -> None:
        """Refuse a(z), where a and z are quantities: a as a function of z is no product."""
        near = self.tokens[self.position : self.position + 3]
        alone = [token.kind for token in near] == ["(", "name", ")"] and not near[0].spaced
        if alone and isinstance(before, (Element, Array, Named)):
            text = near[1].text
            raise self.refuse(f"a quantity of ({text}) may be a function of {text} or a product",
                              f"leave ({text}) out, or write ·", near[0])  # fmt: skip

    # ------------------------------------------------------------------------------ factors

    def factor(self) -> Node:
        """A primary with its powers, transposes, components and evaluation bars."""
        self.bracketed = bracketed = self.at(*_BRACKETS)
        node = self.primary()
        while True:
            if self.at("^"):
                if isinstance(node, Power) and not bracketed:
                    raise self.refuse("a power of a power has two readings", "put brackets")
                mark, tokens, bracketed = self.take(), self.script(), False
                if _is_transpose(tokens):
                    node = self.transposed(node)
                elif len(tokens) == 1 and tokens[0].kind == "'":
                    raise self.refuse("a prime belongs to a function", at=mark)
                else:
                    node = self.power(node, self.whole(tokens), mark)
            elif self.accept("⊤") or self.accept_words(".", "T"):
                node = self.transposed(node)
            elif self.at("(", ahead=2) and self.accept_words(".", "dot"):
                node = Product((node, self.whole(self.group())))
            elif self.at("(", ahead=2) and (method := self.method()):
                parts = [part for part in split(self.group(), (",",)) if part]
                node = Call(method, self.along(method, [node], parts))
            elif self.at("[", ahead=2) and self.accept_words(".", "shape"):
                tokens = self.group()
                axis = tokens[0].text if len(tokens) == 1 else ""
                node = self.extent(node, int(axis) if axis.isdigit() else 2)
            elif self.line.code and (found := self.of_true_class(node)) is not None:
                node = found
            elif self.at("{") and self.at("^", ahead=1):  # W_2{^T}
                begin = self.position
                self.read_instead(begin, *self.group())
            elif self.at("_") and is_array(node):
                self.take("_")
                node = Component(node, self.letters.indices(self.script(), self.end))
            elif self.at("|") and self.at("_", ahead=1):
                node = self.evaluated(node)
            elif self.at("'") and self.line.variable and not isinstance(node, Free):
                self.take("'")
                node = Derivative(node, self.line.variable)
            elif self.at("'"):
                raise self.refuse("a prime belongs to a function", "write ᵀ for a transpose")
            else:
                return node

    def method(self) -> str:
        """Take .sum or .mean of an array; "" where something else follows."""
        return next((name for name in _REDUCING if self.accept_words(".", name)), "")

    def of_true_class(self, node: Node) -> Node | None:
        """probs[range(N), y]: of each sample the entry of its true class; None for other entries.

        It is Σ_j y_j p_j with the rows y as one-hot vectors.
        """
        texts = [token.text for token in self.tokens[self.position : self.position + 9]]
        if texts[:1] != ["["] or self.peek().spaced:
            return None
        start, inner = self.position, self.group()
        parts = split(inner, (",",))
        words = [token.text for token in parts[0]]
        ranges = {"range", "arange"}.intersection(words) and len(parts) == 2
        if not ranges or [self.letters.meaning(t.text) for t in parts[1]] != ["y"]:
            self.position = start
            return None
        target = self.whole(parts[1])
        if not isinstance(target, Transpose):
            raise self.refuse("entries by sample and class are read where rows are samples")
        return Call("sum", (Product((target, node), True), ONE))

    def transposed(self, node: Node) -> Node:
        if node == ONE and self.letters.batches:
            node = _ONES
        if not is_array(node) and not isinstance(node, Named):
            raise self.refuse("the transpose of a number")
        return Transpose(node)

    def power(self, node: Node, exponent: Node, mark: Token) -> Node:
        """node ** exponent, small enough to be computed."""
        number = _plain_number(exponent)
        if number is not None and abs(number) > LARGEST_EXPONENT:
            raise self.refuse(f"an exponent beyond {LARGEST_EXPONENT}", at=mark)
        if isinstance(node, Call) and node.function == "norm" and number == 2:
            return Call("dot", (node.arguments[0], node.arguments[0]))
        return Power(node, exponent)

    def evaluated(self, node: Node) -> Node:
        """f |_{w=1}: what is put for what."""
        self.take("|")
        self.take("_")
        values = []
        for part in split(self.script(), (",", ";")):
            sides = split(part, ("=",))
            if len(sides) != 2:
                raise self.refuse("an evaluation bar names what is put for what, as in w = 1")
            left, right = map(self.whole, sides)
            if not isinstance(left, Element):
                raise self.refuse("only single quantities are given other values")
            values.append((left, right))
        return At(node, tuple(values))

    # ---------------------------------------------------------------------------- primaries

    def primary(self) -> Node:
        """A number, a bracket, a derivative, a sum, a function or a quantity."""
        token = self.peek()
        match token.kind:
            case "":
                raise self.refuse("the line ends where something is missing")
            case "number":
                return self.number()
            case "½":
                self.take()
                return Quotient(ONE, TWO)
            case "(" | "[" | "{":
                return self.bracket(token)
            case "⟦":
                return self.indicated(self.group())
            case "∂":
                return self.derivative()
            case "∇":
                return self.gradient()
            case "|" | "‖":
                return self.between_bars(token)
            case "begin":
                return self.environment()
            case "name":
                return self.name(token)
            case "command":
                return self.command()
            case "...":
                dots = "dots leave open what stands there"
                raise self.refuse(dots, "write a Σ with its limits")
            case "⊗":
                raise self.refuse("⊗ has two readings", "write h δᵀ for an outer product, or ⊙")
            case "text":
                raise self.refuse(f"the words “{token.text}” stand within a formula")
            case _:
                raise self.refuse(f"{_shown(token.text)} is not understood here")

    def between_bars(self, opening: Token) -> Node:
        """|x|, and ‖x‖, also typed ||x||, |x|_2 or, of an array with a square, |x|²."""
        doubled = self.doubled_bar(0)
        if doubled:
            self.take()
        inner = self.until(opening.kind, doubled=doubled)
        node = self.whole(inner)
        squared = self.at("^") and self.peek(1).text == "2" and is_array(node)
        if opening.kind == "|" and not doubled and not squared and not self.at("_"):
            return Call("abs", (node,))
        if self.accept("_") and [each.text for each in self.script()] != ["2"]:
            raise self.refuse("only the Euclidean norm is known")
        return Call("norm", (node,))

    def doubled_bar(self, ahead: int) -> bool:
        """Whether two bars stand close together: ||."""
        second = self.peek(ahead + 1)
        return self.at("|", ahead=ahead) and second.kind == "|" and not second.spaced

    def opens_bars(self) -> bool:
        """Whether a bar opens something here, rather than to say where a value is taken: f|_{w=1}.

        Within bars there is none that could close them: `until` leaves both out.
        """
        if not self.at("|") or self.at("_", ahead=1):
            return False
        depth = 0
        for token in self.tokens[self.position + 1 :]:
            depth += (token.kind in OPENS) - (token.kind in CLOSES)
            if depth < 0:
                return False
            if token.kind == "|" and depth == 0:
                return True
        return False

    def number(self) -> Node:
        """A number, alone or times a power of ten; or the 1 of an indicator."""
        token = self.take()
        if token.text == "1" and self.at("_"):
            self.take()
            return self.indicated(self.script())
        if token.text == "1" and self.compares():
            return self.indicated(self.group())
        value, power = _decimal(token), self.at("^", ahead=2) and self.peek(1).text == "10"
        if not power or not self.at("·", "*"):
            return value
        self.position += 2
        mark = self.take("^")
        exponent = _plain_number(self.whole(self.script()))
        if exponent is None or abs(exponent) > LARGEST_EXPONENT:
            raise self.refuse("a power of ten that is no small whole number", at=mark)
        decimals = None if value.decimals is None else max(0, value.decimals - int(exponent))
        if value.decimals is None and exponent < 0:
            decimals = -int(exponent)
        return Number(value.value * Fraction(10) ** int(exponent), decimals)

    def compares(self) -> bool:
        r"""Whether a bracket with a comparison stands close behind: 1[i = j], 1\\{i = j\\}."""
        if not self.at("[", "(") or self.peek().spaced:
            return False
        start = self.position
        tokens = self.group()
        self.position = start
        return all(len(split(part, COMPARISONS)) == 2 for part in _both(tokens))

    def indicated(self, tokens: list[Token]) -> Node:
        """1 where a condition holds; where two joined by "and" both hold, the product of both."""
        return _product([Indicator(self.condition(part)) for part in _both(tokens)])

    def bracket(self, opening: Token) -> Node:
        """An expression in brackets, or a comparison, which counts 1 or 0; cases in braces."""
        begin, before = self.position, self.peek(-1)
        tokens = self.group()
        if opening.kind == "[" and len(split(tokens, COMPARISONS)) == 2:
            if self.line.code and before.kind == "name" and before.end == opening.start:
                raise self.refuse("entries chosen by a comparison are not read",
                                  "multiply, as in dh1 * (h1 > 0)", opening)  # fmt: skip
            return Indicator(self.condition(tokens))
        if opening.kind == "(":
            compared = split(tokens, _INEQUALITIES)
            if len(compared) == 2 and (self.line.code or not self.compares_indices(*compared)):
                return Indicator(self.condition(tokens))
        if opening.kind == "{" and any(token.text.lower() == "if" for token in tokens):
            return self.inline_cases(tokens, opening)
        if opening.kind == "{" and (above := _above_over(tokens)) is not None:
            over = tokens[len(above)]
            fraction = replace(over, text="frac")
            left, right = replace(over, kind="{", text="{"), replace(over, kind="}", text="}")
            below = tokens[len(above) + 1 :]
            self.read_instead(begin, fraction, left, *above, right, left, *below, right)
            return self.primary()
        if opening.kind == "{" and _is_operator(tokens):  # {\frac{∂}{∂w}} f
            self.read_instead(begin, *tokens)
            return self.primary()
        scripted = self.at("_", "^") or self.compares()
        single = len(tokens) == 1 and (tokens[0].kind == "name" or tokens[0].text == "1")
        if opening.kind == "{" and scripted and single:
            self.read_instead(begin, *tokens)
            return self.primary()
        if not tokens:
            raise self.refuse("there is nothing between the brackets", at=opening)
        parts = split(tokens, (",", ";"))
        if len(parts) > 1 and opening.kind != "{":
            if before.kind and before.kind not in _JOINING:
                way = "write · before a vector, and leave a shape out"
                raise self.refuse("this may be the shape of an array or a vector", way, opening)
            return self.vector(parts)
        if before.kind and before.kind not in _JOINING and _is_shape(tokens):
            way = "leave a shape out, or write the product with ·"
            raise self.refuse("this may be the shape of an array or a factor", way, opening)
        return self.whole(tokens)

    def vector(self, parts: Sequence[Sequence[Token]]) -> Node:
        """[a, b] as a column, with or without a transpose behind it; [[a, b], [c, d]] by rows."""
        cells = [self.whole(part) for part in parts]
        if all(isinstance(cell, Matrix) and len(cell.rows[0]) == 1 for cell in cells):
            rows = [
                tuple(row[0] for row in cell.rows) for cell in cells if isinstance(cell, Matrix)
            ]
            if len({len(row) for row in rows}) != 1:
                raise self.refuse("the rows of the matrix have different lengths")
            return Matrix(tuple(rows))
        if any(map(is_array, cells)):
            raise self.refuse("the entries of a vector are numbers, not arrays")
        column, start = Matrix(tuple((cell,) for cell in cells)), self.position
        if self.accept("⊤") or self.accept_words(".", "T"):
            return column
        if self.accept("^"):
            if _is_transpose(self.script()):
                return column
            self.position = start
        return Transpose(column) if self.letters.notation.rows else column

    def inline_cases(self, tokens: list[Token], opening: Token) -> Node:
        """{1 if a > 0; 0 otherwise}, as symback writes it in text."""
        branches: list[tuple[Node, Node | None]] = []
        for part in split(tokens, (";",)):
            if part and part[-1].text.lower() in ("otherwise", "else"):
                branches.append((self.whole(part[:-1]), None))
                continue
            marks = [k for k, token in enumerate(part) if token.text.lower() == "if"]
            if len(marks) != 1 or (branches and branches[-1][1] is None):
                raise self.refuse("cases are written {… if …; … otherwise}", at=opening)
            value = self.whole(part[: marks[0]])
            branches.append((value, self.condition(part[marks[0] + 1 :])))
        return Cases(tuple(branches))

    def until(self, bar: str, *, doubled: bool = False) -> list[Token]:
        """The tokens up to the closing bar, or where it is doubled up to two of them."""
        opening = self.take(bar)
        depth, start = 0, self.position
        while (token := self.peek()).kind:
            closes = token.kind == bar and depth == 0 and (not doubled or self.doubled_bar(0))
            self.position += 1 + (closes and doubled)
            if closes:
                return self.tokens[start : self.position - 1 - doubled]
            depth += (token.kind in CLOSING) - (token.kind in CLOSING.values())
        raise self.refuse("the bar is never closed", at=opening)

    def condition(self, tokens: list[Token]) -> Node:
        """A comparison of indices or of expressions."""
        tokens = _unwrapped(tokens)
        parts = split(tokens, COMPARISONS)
        if len(parts) != 2:
            raise self.refuse("a condition with one comparison is expected, as in 1[i = ℓ]")
        relation = tokens[len(parts[0])].kind
        left, right = parts = list(map(self.as_class, parts))
        if self.compares_indices(left, right):
            first, second = (Letter(self.letters.index(part, self.end)) for part in parts)
            return Comparison(first, relation, second)
        return Comparison(self.whole(left), relation, self.whole(right))

    def as_class(self, tokens: list[Token]) -> list[Token]:
        """ℓ for a bare y, as in 1[y = k]: there it is the class, and no vector."""
        scope = self.letters.scope
        names = len(tokens) == 1 and self.letters.meaning(tokens[0].text) == "y"
        if not names or not scope.is_network or scope.widths[-1] == 1:
            return tokens
        return [replace(tokens[0], text="ell")]

    def compares_indices(self, left: list[Token], right: list[Token]) -> bool:
        """Whether both sides are indices; L is the last layer only beside an index letter."""
        letters, lemma = self.letters, self.line.lemma
        if not (letters.is_index(left) and letters.is_index(right, number=True)):
            return False
        if lemma is not None and lemma.letter in (left[0].text, right[0].text):
            return False
        others = {left[0].text, right[0].text} - {"L"}
        is_loss = left[0].text == "L" and all(each.replace(".", "").isdigit() for each in others)
        return not is_loss

    # -------------------------------------------------------------------------- derivatives

    def derivative(self) -> Node:
        """∂f/∂v, and ∂/∂v or ∂_v of what follows."""
        mark = self.take("∂")
        if self.at("^"):
            raise self.refuse("symback reads first derivatives only", at=mark)
        if self.accept("_"):
            return self.applied(self.variable_in(self.script()), mark)
        if self.accept("/"):
            self.take("∂")
            return self.applied(self.variable(), mark)
        of = self.differentiated()
        if not self.accept("/"):
            raise self.refuse("∂ of something must be divided by ∂ of a quantity", at=mark)
        self.take("∂")
        return self.by(of, self.variable())

    def differentiated(self) -> Node:
        """What stands behind a ∂: the loss, a quantity, or an expression in brackets."""
        if self.peek().text == "ell" and not self.at("_", "^", ahead=1):
            self.take()  # no index is differentiated
            return LOSS
        return (self.peek().text in _LOSS_LETTERS and self.loss()) or self.factor()

    def loss(self) -> Node | None:
        """L, or another letter where it can be nothing but the loss; with its arguments, if any."""
        start, letters = self.position, self.letters
        token = self.take()
        free = token.text == letters.notation.loss or token.text not in letters.defined
        known = letters.scope.is_network and free and not letters.means_quantity(token.text)
        known = known and token.kind == "name"
        sample = self.sample_of_loss() if known else None
        if not known or (self.at("_", "^") and not self.takes_total()):
            self.position = start
            return None
        if self.at("("):  # (θ), (W, b), (ŷ, y): of what the loss is a function is known
            start = self.position
            tokens = self.group()
            names = ("name", "_", ",", ";", "number", "{", "}", "^", "command", *"()[]")
            plain = all(token.kind in names for token in tokens)
            several = any(token.kind in (",", ";") for token in tokens)
            theta = bool(tokens) and tokens[0].text in ("theta", "Theta")
            single = sum(token.kind not in ("{", "}") for token in tokens) == 1
            if not (plain and (several or theta or single)):
                self.position = start
            elif sample is None:
                sample = self.sample_among(tokens)
        if sample is None and token.text == letters.notation.samples.loss:
            sample = EVERY
        return replace(LOSS, sample=sample)

    def sample_of_loss(self) -> Index | None:
        """Take the sample of L^{(i)}, L_i, E_n or C_x, if it is one."""
        start, named = self.position, self.letters.notation.samples.are_named
        if self.accept("^"):
            groups = _bracketed(self.script())
            if len(groups) == 1 and self.letters.is_index(groups[0], number=named):
                first = groups[0][0].text
                if first == "s" or (named and first not in ("k", "l", "ell", "L")):
                    return self.letters.sample(groups[0], self.end)
        elif named and self.accept("_"):
            tokens = self.script()
            if len(tokens) == 1 and tokens[0].text in _SAMPLE_LETTERS:
                return self.letters.sample(tokens, self.end)
        self.position = start
        return None

    def sample_among(self, tokens: Sequence[Token]) -> Index | None:
        """The one sample that the arguments of a loss are of: L(a^{(i)}, y^{(i)})."""
        found = {
            tokens[k + 1].text: tokens[k + 1 : k + 2]
            for k, token in enumerate(tokens[:-2])
            if token.kind == "(" and tokens[k + 2].kind == ")" and k
            if tokens[k - 1].kind in ("^", "{", "]")
        }
        if len(found) != 1 or not self.letters.notation.samples.are_named:
            return None
        (inner,) = found.values()
        return self.letters.sample(inner, self.end)

    def takes_total(self) -> bool:
        """E_total, as some pages write the loss, and Bishop's E_n, that of one sample."""
        if not self.accept("_"):
            return False
        tokens = self.script()
        one_sample = self.letters.notation.loss == "E" and [t.text for t in tokens] == ["n"]
        return is_total(tokens) or one_sample

    def variable(self) -> Node:
        """The quantity behind a lower ∂, without powers."""
        token = self.peek()
        node = self.unraised()
        inner = node.of if isinstance(node, Transpose) else node
        if not isinstance(inner, (Element, Array, Named, Free)):
            raise self.refuse("one differentiates by a quantity of the network", at=token)
        return node

    def variable_in(self, tokens: Sequence[Token]) -> Node:
        """The quantity that a part of the statement is."""
        inner = self.inside(tokens)
        node = inner.variable()
        if inner.peek().kind:
            raise inner.refuse("one differentiates by a single quantity")
        return node

    def unraised(self) -> Node:
        """A quantity without powers; {W}^{(2)} is a letter in braces that has its layer outside."""
        letter = self.at("name", ahead=1) and self.at("}", ahead=2) and self.at("_", "^", ahead=3)
        if self.at("(") or (self.at("{") and not letter):
            return self.variable_in(self.group())
        return self.primary()

    def by(self, of: Node, by: Node) -> Node:
        """∂of/∂by; of an array that the page lays out the other way the transpose.

        The Jacobian of two rows is that of the columns: ∂L/∂z ∂z/∂h is then a row as well.
        """
        if isinstance(of, Element) and of.sample == EVERY:  # the loss of the sample of ``by``
            inner = by.of if isinstance(by, Transpose) else by
            of = replace(of, sample=getattr(inner, "sample", None))
        if not isinstance(by, Transpose):
            return Derivative(of, by)
        rows = self.letters.notation.rows and getattr(by.of, "letter", "") != "W"
        if rows and isinstance(of, Transpose):
            return Derivative(of.of, by.of)
        return Transpose(Derivative(of, by.of))

    def applied(self, by: Node, mark: Token) -> Node:
        """The operator ∂/∂by applied to what follows."""
        bracketed = self.at(*_BRACKETS, "|")
        if not bracketed and not self.at(*_BEGINS_FACTOR):
            raise self.refuse("∂/∂… is applied to nothing", at=mark)
        of = self.differentiated()
        if self.at(*_BEGINS_FACTOR) and not bracketed:
            raise self.refuse("what ∂/∂… is applied to has two readings",
                              "put brackets around it", mark)  # fmt: skip
        return self.by(of, by)

    def gradient(self) -> Node:
        """∇_v L; the loss may be left out."""
        mark = self.take("∇")
        if not self.accept("_"):
            if not self.at("name") or self.peek().spaced:
                raise self.refuse("∇ without a quantity below", "write ∇_{W_2} L", mark)
            by = self.variable()
        elif self.at("{", "("):
            by = self.variable_in(self.script())
        elif self.letters.is_output(self.tokens, self.position):
            self.take()
            by = self.letters.turned(Array("yhat"))
        else:
            by = self.variable()
        token, start = self.peek(), self.position
        if token.kind == "name" and token.text in _LOSS_LETTERS:
            if self.loss() is None and token.text in self.letters.defined:
                return self.by(self.quantity(), by)
        elif token.kind == "(" and self.whole(self.group()) != LOSS:
            self.position = start
        return self.by(LOSS, by)

    # -------------------------------------------------------------------------------- names

    def name(self, token: Token) -> Node:
        """A sum, a derivative, a function, the loss or a quantity: what begins with a name."""
        text, letters, begin = token.text, self.letters, self.position
        if self.line.lemma is not None and text == self.line.lemma.letter:
            return self.quantity()
        if self.line.lemma and text[0] == "d" and letters.function_alone(text[1:]):  # dg/dz
            self.take()
            middle = token.start + 1
            mark = replace(token, text="d", end=middle)
            self.read_instead(begin, mark, replace(token, text=text[1:], start=middle))
            return self.name(mark)
        if len(text) > 1 and letters.is_run_of_names(text):  # wx is w x
            self.take()
            starts = range(token.start, token.start + len(text))
            singles = [
                Token("name", letter, token.place, k, k + 1)
                for letter, k in zip(text, starts, strict=True)
            ]
            self.read_instead(begin, *singles)
            return self.name(singles[0])
        if text in ("Σ", "Π") or (text in ("sum", "prod") and not self.at("(", ahead=1)):
            return self.sum()
        if text == "indicator":
            self.take()
            if self.at("_", *_BRACKETS):
                return self.indicated(self.script() if self.accept("_") else self.group())
            raise self.refuse("an indicator without a condition", "write 1[i = ℓ]")
        if text == "len" and self.at("(", ahead=1) and self.line.code:
            self.take()
            return self.extent(self.whole(self.group()), 0)
        if text in ("np", "numpy", "torch") and self.at(".", ahead=1):
            self.position += 2
            if not self.at("name"):
                raise self.refuse("np. is followed by the name of a function", at=token)
            if self.at("(", ahead=1) and self.accept_words("array"):
                return self.whole(self.group())
            return self.numpy(self.peek().text) or self.name(self.peek())
        if text in ("Derivative", "diff", "grad") and self.at("(", ahead=1):
            return self.code_derivative()
        if text == "grad" and self.at("_", ahead=1) and self.at("name", ahead=2):
            self.position += 2
            return self.by(LOSS, self.variable())
        if text == "d" and not letters.is_name(text):
            found = self.upright_differential()
        else:
            found = self.differential(token)
        if found is not None:
            return found
        if text == "e" and self.at("^", ahead=1):
            return self.euler()
        output = self.hypothesis() if text in ("h", "f") and letters.scope.is_network else None
        if output is not None:
            return output
        alone = letters.function_alone(text) if self.line.lemma is not None else None
        function = alone or letters.function(self.tokens, self.position)
        if function is not None:
            return self.function(function)
        is_loss = text in (letters.notation.loss, "L")
        if not is_loss and text in _LOSS_LETTERS:
            self.take()
            is_loss = self.takes_total() or self.takes_parameters()
            self.position = begin
        return (is_loss and _of_all(self.loss())) or self.quantity()

    def hypothesis(self) -> Node | None:
        """h_{W,b}(x) or h_Θ(x^{(i)}): the output, by what it depends on."""
        begin, output = self.position, self.letters.output()
        self.take()
        if self.accept("_"):
            below = self.script()
            if {token.text for token in below} <= {"W", "b", "w", "theta", "Theta", ",", "{", "}"}:
                of = self.group() if self.at("(") else []
                if [token.text for token in of] in (["x"], ["X"]):
                    return output
                sample = self.sample_among(of) if of and of[0].text == "x" else None
                if sample is not None and isinstance(output, (Element, Array)):
                    return replace(output, sample=sample)
        self.position = begin
        return None

    def takes_parameters(self) -> bool:
        """Whether a bracket behind a letter of the loss only says what it depends on: E(w)."""
        if not self.at("(") or self.peek().spaced:
            return False
        tokens = [token for token in self.group() if token.kind not in ("{", "}", ",", ";")]
        parameters = {"w", "W", "b", "theta", "Theta"}
        return bool(tokens) and {token.text for token in tokens} <= parameters

    def code_derivative(self) -> Node:
        """Derivative(L, w212)."""
        self.take()
        parts = split(self.group(), (",",))
        if len(parts) != 2:
            raise self.refuse("a derivative of one thing by one other is expected")
        of = self.inside(parts[0])
        node = of.differentiated()
        if of.peek().kind:
            raise of.refuse("a single quantity is expected")
        return self.by(node, self.variable_in(parts[1]))

    def differential(self, token: Token) -> Node | None:
        """dL/dw, dL_dw212, dLdw212, and in code dW2 for ∂L/∂W_2."""
        text, rest, letters = token.text, token.text[1:], self.letters
        known = text in FUNCTIONS or text == "delta" or letters.is_name(text)
        if not text.startswith("d") or known or not letters.begins_quantity(rest):
            return None
        if rest in _LOSS_LETTERS and self.at("_", ahead=1):
            if self.peek(2).text.startswith("d"):
                self.position += 2
                return self.by(LOSS, self.behind_d(self.peek().text[1:]))
        elif rest[0] in _LOSS_LETTERS and rest[1:2] == "d" and len(rest) > 2:
            return self.by(LOSS, self.behind_d(rest[2:]))
        start = self.position
        of = self.behind_d(rest)
        if self.slash_d():
            self.take()
            return self.by(of, self.behind_d(self.peek().text[1:]))
        if self.at("/") and self.at("∂", ahead=1):
            raise self.refuse("d above and ∂ below")
        if of == LOSS or not (self.line.code or letters.marks):
            self.position = start
            raise self.refuse(f"{_shown(text)} alone is no derivative", "write dL/dw", token)
        return letters.error(of)

    def behind_d(self, rest: str) -> Node:
        """The quantity that a name such as dw starts."""
        begin, token = self.position, self.take()
        if not rest:
            return self.differentiated()
        self.read_instead(begin, Token("name", rest, token.place, token.start, token.end))
        return (rest in _LOSS_LETTERS and self.loss()) or self.quantity()

    def upright_differential(self) -> Node | None:
        """d L / d w and d/dw [ … ], typed with a d of its own."""
        start, mark = self.position, self.take()
        of, near = None, self.peek()
        close = near.kind == "name" and near.start == mark.end
        if close and self.letters.marks and self.letters.means_quantity(near.text):
            by = self.variable()
            if not self.at("/"):
                return self.letters.error(by)
            self.position = start + 1
        if not self.slash_d() and self.at("name", "command", "(", "{"):
            of = self.differentiated()
        if not self.slash_d():
            self.position = start
            return None
        self.take()
        rest = self.peek().text[1:]
        if not rest:
            self.take()
        by = self.behind_d(rest) if rest else self.variable()
        return self.applied(by, mark) if of is None else self.by(of, by)

    def slash_d(self) -> bool:
        """Whether / d follows, or / dw."""
        return self.at("/") and self.at("name", ahead=1) and self.peek(1).text.startswith("d")

    def euler(self) -> Node:
        """e^x; in text e^a_21 is the exponential of the whole quantity."""
        self.take()
        mark = self.take("^")
        minus = self.at("-") and self.at("name", ahead=1)
        if self.at("name") or minus:
            if minus:
                self.take()
            exponent = self.unraised()
            return Call("exp", (negative(exponent) if minus else exponent,))
        tokens = self.script()
        if not tokens:
            raise self.refuse("e to the power of nothing", at=mark)
        return Call("exp", (self.whole(tokens),))

    # ---------------------------------------------------------------------------- functions

    def function(self, name: str) -> Node:
        """A function with what stands below and above its name, and its arguments."""
        token = self.take()
        primes, exponent, layer = 0, None, None
        if token.text == "g" and self.at("number") and self.at("_", ahead=1):  # g1_prime: at a_1
            number = int(self.take().text)
            self.take("_")
            word = self.take("name")
            if word.text != "prime":
                raise self.refuse(f"{_shown(word.text)} is not understood here", at=word)
            return Call(name, (Array("a", Index("", number)),), 1)
        if token.text == "g" and self.accept_words("_", "prime"):
            primes = 1
        else:
            name, layer = self.lowered(name, token)
            primes, exponent = self.primes_and_power()
            if layer is None and name == "g" and primes:  # f'_2(z_2)
                name, layer = self.lowered(name, token)
        arguments = self.arguments(name, token)
        name = self.of_layer(name, layer, arguments, token)
        node: Node = Call(name, arguments, primes)
        if name in _RECIPROCALS:
            if primes:
                raise self.refuse(f"the derivative of {name} is not known", at=token)
            node = Quotient(ONE, Call(_RECIPROCALS[name], arguments))
        if name == "dot" and (self.letters.batches or any(map(_is_matrix, arguments))):
            node = Product(arguments)
        return node if exponent is None else self.power(node, exponent, token)

    def of_layer(
        self, name: str, layer: Index | None, arguments: tuple[Node, ...], token: Token
    ) -> str:
        """The function that g of a layer is, where its argument does not say so itself."""
        activations = self.letters.scope.activations
        if name != "g" or layer is None or not layer.is_number or len(set(activations)) < 2:
            return name
        if not 1 <= layer.offset <= len(activations):
            raise self.refuse(f"there is no layer {layer.offset}", at=token)
        match arguments:
            case (Element("a", (own, *_)) | Array("a", own),) if own == layer:
                return name
        return activations[layer.offset - 1] or name

    def lowered(self, name: str, token: Token) -> tuple[str, Index | None]:
        """The function and its layer, after what stands below its name: a base, or the 1 of g_1."""
        if not self.accept("_"):
            return name, None
        tokens = self.script()
        if name == "log":
            text = "".join(part.text for part in tokens if part.kind not in ("{", "}", "(", ")"))
            if text not in _BASES:
                raise self.refuse("logarithms are read to the bases e, 2 and 10",
                                  "divide by the logarithm of the base", token)  # fmt: skip
            return _BASES[text], None
        if name not in ("g", "O", *self.letters.scope.activations) or name == "softmax":
            raise self.refuse(f"what stands below {_shown(token.text)} is not read", at=token)
        found = self.letters.indices(tokens, self.end)
        single = len(tokens) == 1 and len(found) == 1
        return name, self.letters.index(tokens, self.end, layer=True) if single else None

    def primes_and_power(self) -> tuple[int, Node | None]:
        """Primes and a power, as in σ'(a) and tanh²(a); the layer of g^{(1)}(a_1) is dropped."""
        primes, exponent = 0, None
        while self.at("^", *PRIMES):
            token = self.take()
            tokens = [token] if token.kind in PRIMES else self.script()
            if all(part.kind in PRIMES for part in tokens):
                primes += sum(len(part.kind) for part in tokens)
            elif tokens[0].kind in ("(", "["):  # the layer, perhaps with a prime: g^{[1]'}
                rest = [part for part in tokens if part.kind not in PRIMES]
                primes += sum(len(part.kind) for part in tokens if part.kind in PRIMES)
                self.letters.indices(rest[1:-1], self.end)
            else:
                exponent = self.whole(tokens)
                if _plain_number(exponent) == -1:
                    raise self.refuse("f⁻¹ has two readings", "write 1/f(x)", token)
        return primes, exponent

    def arguments(self, name: str, token: Token) -> tuple[Node, ...]:
        """What a function is applied to, in brackets or a single thing; in a lemma it may lack."""
        variable, lemma = self.line.variable, self.line.lemma
        alone = lemma and (lemma.bare or not self.at(*_BEGINS_ARGUMENT) or self.holds_function())
        if variable and alone:
            if self.at("(") and not self.holds_function():
                raise self.refuse(f"the bracket behind {_shown(token.text)} has two readings",
                                  "write its argument, or · before a factor", token)  # fmt: skip
            return (variable,)
        if self.at(*_BRACKETS):
            tokens = self.group()
            if self.at("(") and not tokens:
                raise self.refuse("a function of nothing", at=token)
            parts = split(tokens, (",", ";"))
            if name in _REDUCING:
                return self.along(name, [self.whole(parts[0])], parts[1:])
            least, most = _ARGUMENTS.get(name, (1, 1))
            if not least <= len(parts) <= most:
                count = "1 argument" if len(parts) == 1 else f"{len(parts)} arguments"
                raise self.refuse(f"{_shown(token.text)} of {count}", at=token)
            return tuple(map(self.whole, parts))
        if name == "sqrt" and self.at("number"):
            return (self.primary(),)
        if not self.at("name", "command", "number"):
            raise self.refuse(f"{token.text} of nothing", "put its argument in brackets", token)
        argument = self.primary()
        if self.at("/") and (self.at("∂", ahead=1) or (self.line.lemma and self.slash_d())):
            return (argument,)  # ∂ log x/∂x
        if self.at("^", "/", *_BEGINS_FACTOR):
            raise self.refuse(f"it is not clear where the argument of {token.text} ends",
                              "put it in brackets", token)  # fmt: skip
        return (argument,)

    def holds_function(self) -> bool:
        """Whether a function without argument stands in the bracket to come, as in σ(1-σ)."""
        if not self.at("(", "["):
            return False
        start = self.position
        inner = self.group()
        self.position = start
        return any(
            self.letters.function_alone(token.text) is not None
            and behind_primes(inner, place + 1) not in _BEGINS_ARGUMENT
            for place, token in enumerate(inner)
        )

    def along(
        self, name: str, of: list[Node], parts: Sequence[Sequence[Token]]
    ) -> tuple[Node, ...]:
        """What a sum is taken of, and along which axis: axis=1, keepdims=True."""
        axis: Node | None = None
        keeps = False
        for part in parts:
            word, _, texts = "".join(token.text for token in part).rpartition("=")
            word = word or "axis"
            if word in ("axis", "dim") and texts in ("0", "1", "-1") and axis is None:
                axis = Number(Fraction(abs(int(texts))))
            elif word in ("keepdims", "keepdim") and texts in ("True", "False", "1", "0"):
                keeps = texts in ("True", "1")
            else:
                raise self.refuse(f"what else is said of this {name} is not read")
        if axis is None:  # of all entries, so that it does not matter how a vector lies
            self.noticed.flat[:] = [each for each in self.noticed.flat if _scaled(of[0]) != each]
            return tuple(of)
        if axis == ONE and not keeps:
            self.noticed.flat.append(Call(name, (*of, axis)))
        return (*of, axis)

    def numpy(self, name: str) -> Node | None:
        """np.multiply and the like, which are written as operators elsewhere."""
        if name not in _OPERATIONS or not self.at("(", ahead=1):
            return None
        token = self.take()
        parts = [self.whole(part) for part in split(self.group(), (",",))]
        match name, parts:
            case "multiply", (first, second):
                elementwise = is_array(first) and is_array(second)
                return Product((first, second), elementwise)
            case "matmul", (first, second):
                return Product((first, second))
            case "power", (base, exponent):
                return self.power(base, exponent, token)
            case "square", (base,):
                return self.power(base, TWO, token)
            case "divide", (above, below):
                return Quotient(above, below)
            case "where", (condition, chosen, otherwise):
                if isinstance(condition, Indicator):
                    return Cases(((chosen, condition.condition), (otherwise, None)))
        raise self.refuse(f"np.{name} of these arguments is not read", at=token)

    def extent(self, node: Node, axis: int) -> Node:
        """X.shape[0]: the number of samples, or of neurons."""
        turns = 0
        while isinstance(node, Transpose):
            node, turns = node.of, turns + 1
        if not isinstance(node, Array) or node.sample != EVERY or axis not in (0, 1):
            raise self.refuse("the shape of this is not known")
        if (axis + turns) % 2:
            return COUNT
        last = self.letters.scope.depth
        layer = {"x": Index("", 0), "y": Index("", last), "yhat": Index("", last)}
        return Letter(node.layer or layer[node.letter], width=True)

    # --------------------------------------------------------------------------------- sums

    def sum(self) -> Node:
        """A Σ or Π with its limits and what it runs over; without any it is settled by the line."""
        mark = self.take()
        product = mark.text in ("Π", "prod")
        below: list[Token] | None = None
        above: list[Token] | None = None
        while self.at("_", "^"):
            if self.take().kind == "_":
                below = self.group() if self.at("(") else self.script()
                continue
            above = self.script()
            if self.at("_") and len(above) == 1:  # Σ_{i=1}^n_2 in text
                above.append(self.take())
                above += self.script()
        in_words = all(token.kind in ("text", "{", "}") for token in below or ())
        if in_words and above is None and not product:
            body = self.summand()
            over_samples = self.summed_over_samples(body)
            if over_samples is not None or below is None:
                return over_samples or Sum("", body)
            raise self.refuse("what a sum runs over is a letter, as in Σ_i", at=mark)
        if below is None:
            raise self.refuse("a sum without an index", "write Σ_i", mark)
        letters, lower, without = self.below_sum(below, mark)
        upper = self.above_sum(above, below, mark)
        bracketed = self.at(*_BRACKETS)
        if not product:
            body = self.summand()
        else:
            body = self.factor()
            if not bracketed and self.at("·", "*", *_BEGINS_FACTOR):
                raise self.refuse("it is not clear where the product ends",
                                  "put it in brackets", mark)  # fmt: skip
        if upper is not None and upper.is_number:
            if upper.offset - lower >= MOST_TERMS:
                raise self.refuse(f"a sum of more than {MOST_TERMS} terms", at=mark)
            if upper.offset < lower:
                raise self.refuse("a sum that ends before it begins", at=mark)
        if LOSS in walk(body) and not {*letters} & {*free_letters(body)}:  # Σ_n E_n
            raise self.refuse("nothing says which sample the loss is of", at=mark)
        for letter in reversed(letters):
            body = Sum(letter, body, lower, upper, without, product)
        if above and len(above) > 2 and above[0].text in ("n", "N", "m", "d", "s"):
            assert isinstance(body, Sum)
            self.letters.check_width(body, above, mark.place)
        return body

    def summand(self) -> Node:
        """What a Σ adds up: a product; a minus right behind the Σ is its own."""
        return self.signed_term() if self.at("-") else self.product()

    def summed_over_samples(self, body: Node) -> Node | None:
        """Σ of an array of all samples, without an index: the sum over the samples."""
        arrays = [part for part in walk(body) if isinstance(part, Array)]
        if not is_array(body) or not any(each.sample == EVERY for each in arrays):
            return None
        rows = self.letters.notation.samples.axis == "rows"
        return Call("sum", (body, ZERO if rows else ONE))

    def below_sum(self, tokens: list[Token], mark: Token) -> tuple[list[str], int, Index | None]:
        """The letters of a sum, where they begin, and what is left out."""
        letters: list[str] = []
        lower, without = 1, None
        if tokens and (tokens[0].kind, tokens[0].text) == ("command", "substack"):
            lines = split(_bare(tokens[1:]), ("\\\\",))
            parts = [part for line in lines for part in split(line, (",",)) if part]
        else:
            parts = split(tokens, (",",))
        for part in parts:
            first, *others = split(part, ("=", "!=", "in"))
            if any(token.kind == "in" for token in part):
                others = [] if self.is_whole_range(part[len(first) + 1 :]) else [part, part]
            if len(others) > 1 or [(t.kind, len(t.text)) for t in first] != [("name", 1)]:
                raise self.refuse("a sum runs over a letter, as in Σ_i", at=mark)
            letter = first[0].text
            if others and part[1].kind == "!=":
                letters += [letter] if letter not in letters else []
                without = self.letters.index(others[0], mark.place)
                continue
            letters.append(letter)
            if others:
                start = next((token.text for token in others[0] if token.kind != "..."), "")
                if not start.isdigit():
                    raise self.refuse("a sum begins at a number", at=mark)
                lower = int(start) + 1 - self.letters.notation.first_index
        return letters, lower, without

    def is_whole_range(self, tokens: Sequence[Token]) -> bool:
        """Whether a set is called by a name that the page does not define: outputs, C, Next(j).

        It is all neurons that the letter can number.
        """
        if not tokens or not {token.kind for token in tokens} <= {"name", "text", "(", ")"}:
            return False
        first = tokens[0]
        return first.kind == "text" or first.text not in {*self.letters.defined, "("}

    def above_sum(
        self, tokens: list[Token] | None, below: list[Token], mark: Token
    ) -> Index | None:
        """Where a sum ends; None for the whole range, as n_k says (`Letters.check_width`)."""
        if tokens is None:
            dots = [k for k, token in enumerate(below) if token.kind == "..."]
            if not dots:
                return None
            tokens = below[dots[0] + 1 :]
        if len(tokens) == 1 and tokens[0].text.isdigit():
            return Index("", int(tokens[0].text) + 1 - self.letters.notation.first_index)
        if len(tokens) == 1 and tokens[0].text in _WIDTH_LETTERS:
            return Index(tokens[0].text)  # the whole range, unless it is an index of the line
        if tokens and tokens[0].text in ("n", "N", "m", "d", "s"):
            return None
        return self.letters.index(tokens, mark.place)

    # ----------------------------------------------------------------------- LaTeX structure

    def command(self) -> Node:
        """A command of LaTeX that the lexer leaves to the parser."""
        begin, token = self.position, self.take()
        match token.text:
            case "frac" | "dfrac" | "tfrac" | "cfrac" | "nicefrac" | "sfrac":
                return self.fraction(token)
            case "boxed" | "fbox" | "underline" | "cancel" | "overline":
                return self.whole(self.argument())
            case "underbrace" | "overbrace":
                node = self.whole(self.argument())
                while self.accept("_", "^"):
                    self.script()
                return node
            case "pdv":
                return self.short_derivative(begin, token)
            case "sqrt":
                return Call("sqrt", (self.whole(self.argument()),))
            case "hat" | "widehat":
                inner = [part for part in self.argument() if part.kind not in ("{", "}")]
                if not inner or inner[0].kind != "name":
                    raise self.refuse("a hat over something that is no letter", at=token)
                name = inner[0].text + "hat"
                hat = Token("name", name, token.place, token.start, token.end, True)
                self.read_instead(begin, hat, *inner[1:])
                return self.primary()
            case name:
                raise self.refuse(f"\\{name} is not read here", at=token)

    def short_derivative(self, begin: int, token: Token) -> Node:
        r"""\pdv{L}{w}, or \pdv{w} of what follows, as the fraction that it is short for."""
        if self.at("["):
            raise self.refuse("symback reads first derivatives only", at=token)
        above = self.argument()
        above, below = (above, self.argument()) if self.at("{") else ([], above)
        sign = replace(token, kind="∂", text="∂")
        left, right = replace(token, kind="{", text="{"), replace(token, kind="}", text="}")
        fraction = replace(token, text="frac")
        parts = (left, sign, *above, right, left, sign, *below, right)
        self.read_instead(begin, fraction, *parts)
        return self.command()

    def fraction(self, token: Token) -> Node:
        """A quotient, or a derivative."""
        above, below = _bare(self.argument()), _bare(self.argument())
        if _is_typed_delta(above) and _is_typed_delta(below):  # δE/δw, typed for ∂E/∂w
            above, below = ([replace(part[0], kind="∂", text="∂"), *part[1:]]
                            for part in (above, below))  # fmt: skip
        if not _is_differential(above) or not _is_differential(below):
            if below and below[0].kind == "∂":
                raise self.refuse("∂ below and none above", at=token)
            if not above or not below:
                raise self.refuse("a fraction with nothing above or below", at=token)
            return Quotient(self.whole(above), self.whole(below))
        if any(part.kind == "^" for part in above[1:2]):
            raise self.refuse("symback reads first derivatives only", at=token)
        by = self.variable_in(_behind_differential(below))
        rest = _behind_differential(above)
        if not rest:
            return self.applied(by, token)
        inner = self.inside(rest)
        of, extra = inner.differentiated(), inner.peek()
        chained = any(_is_differential([each]) for each in rest)
        if extra.kind in _BEGINS_FACTOR and of != LOSS and not chained:
            return self.by(self.whole(rest), by)  # ∂(W h)/∂W, typed without brackets
        if extra.kind:
            raise self.refuse(f"{_shown(extra.text)} stands behind what is differentiated",
                              "put brackets around it", extra)  # fmt: skip
        return self.by(of, by)

    def environment(self) -> Node:
        """A matrix, or cases."""
        opening = self.take("begin")
        start, depth = self.position, 1
        while depth:
            token = self.take()
            depth += (token.kind == "begin") - (token.kind == "end")
        rows = [row for row in split(self.tokens[start : self.position - 1], ("\\\\",)) if row]
        if opening.text == "cases":
            return self.cases(rows, opening)
        if opening.text == "array" and rows and rows[0][0].kind == "{":
            close = next(k for k, token in enumerate(rows[0]) if token.kind == "}")
            rows[0] = rows[0][close + 1 :]
        if opening.text not in ("array", "bmatrix", "pmatrix", "matrix", "Bmatrix", "smallmatrix"):
            raise self.refuse(f"\\begin{{{opening.text}}} is not read here", at=opening)
        cells = [split(row, ("&",)) for row in rows]
        if len({len(row) for row in cells}) != 1:
            raise self.refuse("the rows of the matrix have different lengths", at=opening)
        return Matrix(tuple(tuple(map(self.whole, row)) for row in cells))

    def cases(self, rows: Sequence[list[Token]], opening: Token) -> Node:
        branches: list[tuple[Node, Node | None]] = []
        for row in rows:
            cells = [cell for cell in split(row, ("&", "text", ",", ".", ";")) if cell]
            words = " ".join(token.text for token in row if token.kind == "text").lower()
            value = self.whole(cells[0] if cells else ())
            if len(cells) > 1:
                branches.append((value, self.condition(cells[1])))
            elif any(word in words for word in ("otherwise", "else", "sonst")):
                branches.append((value, None))
            else:
                raise self.refuse("a case without a condition", at=opening)
        return Cases(tuple(branches))

    # --------------------------------------------------------------------------- quantities

    def quantity(self) -> Node:
        """A letter with what stands below and above it, looked up in the network."""
        if self.line.variable and self.peek().text == self.line.variable.name:
            self.take()
            return self.line.variable
        typed = self.scripted()
        node = self.letters.quantity(typed, updating=self.line.updating)
        match node:
            case Named():
                self.noticed.named.append((node, typed.token.place))
            case Element("delta", indices) if typed.layer is None:
                if not any(index.is_number for index in indices):
                    self.noticed.uncertain.add(node)
        return node

    def scripted(self) -> Scripted:
        """A letter with its scripts: digits typed close to it, what stands below, a layer above."""
        token = self.take()
        if token.text in ("e", "ehat") and self.at("("):
            return Scripted(token, self.group())
        typed = Scripted(token)
        digits = self.peek()
        close = digits.text.isdigit() and not digits.spaced and digits.start == token.end
        if close and digits.kind == "number" and self.letters.takes_digits(token.text):
            typed = Scripted(token, [self.take()])
        if self.letters.notation.layer == "bracketed" and self.opens_layer(token):  # z[1] in text
            typed = self.with_layer(typed, self.script()) or typed
        while self.at("_", "^"):
            if self.at("^"):
                found = self.layered(typed)
                if found is None:
                    break
                typed = found
                continue
            again = self.at("number", "name", ahead=1) and not self.peek(1).spaced
            if typed.below is not None and not again:  # a_1_3 in code: a second index
                break
            self.take()
            tokens = self.below(typed)
            if typed.below is not None:
                near = tokens[0] if tokens else token
                comma = Token(",", ",", near.place, near.start, near.start)
                tokens = [*typed.below, comma, *tokens]
            typed = replace(typed, below=tokens)
        return typed

    def opens_layer(self, letter: Token) -> bool:
        """Whether a layer stands in square brackets close behind a letter."""
        if not self.at("[") or self.peek().start != letter.end or not self.at("]", ahead=2):
            return False
        return self.peek(1).text.isdigit() or self.peek(1).text in ("l", "L", "k")

    def below(self, typed: Scripted) -> list[Token]:
        """A subscript: a group, or what is typed close together, as in w_2ij and w_2,11,3."""
        if self.at("{", "("):
            return self.without_age(self.group())
        tokens = [self.take()]
        if tokens[0].kind not in ("number", "name"):
            raise self.refuse("an index is expected here", at=tokens[0])
        while (token := self.peek()).kind and not token.spaced:
            following = self.peek(1)
            letters = token.kind == "name" and {*token.text} <= _INDEX_LETTERS
            index = (token.kind == "number" or letters) and token.start == tokens[-1].end
            if index and not self.line.latex:  # in LaTeX one sign belongs to it without braces
                tokens.append(self.take())
            elif token.kind == "," and following.text.isdigit() and not following.spaced:
                tokens += [self.take(), self.take()]
            else:
                break
        match [*tokens, *self.tokens[self.position : self.position + 2]]:
            case [Token(text="k" | "l"), Token("-" | "+"), Token(text="1")] as typed_close:
                texts, name = [token.text for token in typed_close], typed.token.text
                spaced = any(token.spaced for token in typed_close[1:])
                if not spaced and self.letters.meaning(name) in LAYERED:
                    joined, apart = "".join(texts), " ".join(texts)
                    way = f"write {name}_{{{joined}}}, or {name}_{apart}"
                    raise self.refuse(f"{name}_{joined} has two readings", way, typed.token)
        return tokens

    def without_age(self, tokens: list[Token]) -> list[Token]:
        """The subscript of w_{1,new} without what says that it is the new value, or the old."""
        comma = max((k for k, token in enumerate(tokens) if token.kind == ","), default=0)
        word = "".join(token.text for token in tokens[comma + 1 :])
        if not comma or word not in ("new", "old"):
            return tokens
        self.noticed.steps |= word == "new"
        return tokens[:comma]

    def layered(self, typed: Scripted) -> Scripted | None:
        """Take a layer, "new" or "old" above a letter; leave a power or a transpose: None."""
        start = self.position
        self.take("^")
        tokens = self.script()
        if len(tokens) > 3 and tokens[-1].kind == "}" and tokens[-3].kind == "{":  # (1){T} as (1)T
            tokens = [*tokens[:-3], tokens[-2]]
        turned = len(tokens) > 1 and _is_transpose(tokens[-1:])
        found = self.with_layer(typed, tokens[:-1] if turned else tokens)
        if found is None:
            self.position = start
        elif turned:  # h^{(1)⊤}: the layer is the letter's, the transpose comes after it
            self.read_instead(self.position, replace(tokens[-1], kind="⊤", text="⊤"))
        return found

    def with_layer(self, typed: Scripted, tokens: list[Token]) -> Scripted | None:
        letters, word = self.letters, "".join(token.text for token in tokens)
        if word in ("new", "old", "+"):
            self.noticed.steps |= word != "old"
            return typed
        if letters.own_name((typed.token, *(typed.below or ()))):
            return None  # its layer is known: what stands above is a power
        groups = _bracketed(tokens)
        if len(groups) == 2 and letters.meaning(typed.token.text) in LAYERED:  # z^{[1](i)}
            layer, sample = groups if tokens[0].kind == "[" else groups[::-1]
            indices = all(letters.is_index(each, number=True) for each in groups)
            return replace(typed, layer=layer, sample=sample) if indices else None
        ends = [tokens[0].kind, tokens[-1].kind] if len(tokens) > 2 else ["", ""]
        bracketed = ends[0] in ("(", "[") and ends[1] in (")", "]")
        inner = _of_last_layer(tokens[1:-1] if bracketed else tokens)
        is_index = letters.is_index(inner, number=True)
        if ends[0] == "(" and is_index and letters.takes_sample(typed, inner):
            return replace(typed, sample=inner)
        if letters.meaning(typed.token.text) not in LAYERED or not is_index:
            return None
        layer = inner[0].text in ("k", "l", "ell", "L")  # where others may number samples
        known = letters.notation.samples.are_named
        if letters.scope.is_batch and bracketed and not (layer or known):
            why = "what stands above in brackets may be a sample or a layer"
            raise NotRead(why, tokens[0].place, "write the line for one sample, without its number")
        last = len(inner) == 1 and inner[0].text == "L"
        above = bracketed or last or letters.notation.layer == "superscript"
        if not above or typed.layer is not None:
            return None
        subscripts = letters.notation.layer == "subscript" and typed.below is not None
        if bracketed and subscripts and letters.is_complete(typed):
            raise NotRead(
                "what stands above in brackets may be a layer or a power", tokens[0].place,
                "write the layer below, as in h_{12}^2, or the neuron alone, as in h^{(1)}_2",
            )  # fmt: skip
        return replace(typed, layer=inner)


# ------------------------------------------------------------------------------------- helpers


def _bare(tokens: list[Token]) -> list[Token]:
    r"""Tokens without braces around all of them, as \\cancel leaves them."""
    while len(tokens) > 2 and tokens[0].kind == "{" and tokens[-1].kind == "}":
        depths = itertools.accumulate((t.kind == "{") - (t.kind == "}") for t in tokens[1:-1])
        if min(depths) < 0:
            break
        tokens = tokens[1:-1]
    return tokens


def _are_alike(left: Node, right: Node) -> bool:
    """Whether both are columns, or both rows: as matrices they have no product."""
    if isinstance(left, Transpose) and isinstance(right, Transpose):
        left, right = left.of, right.of
    return is_column(left) and is_column(right)


def _product(factors: Sequence[Node]) -> Node:
    return factors[0] if len(factors) == 1 else Product(tuple(factors))


def _bracketed(tokens: Sequence[Token]) -> list[list[Token]]:
    """What stands in each of some brackets side by side, as in [1](i); [] where more is there."""
    found: list[list[Token]] = []
    rest = list(tokens)
    while rest:
        ends = [k for k, token in enumerate(rest) if token.kind == CLOSING.get(rest[0].kind, "")]
        if rest[0].kind not in ("(", "[") or not ends:
            return []
        found.append(rest[1 : ends[0]])
        rest = rest[ends[0] + 1 :]
    return found


def _of_all(loss: Node | None) -> Node | None:
    """The loss by its letter alone: that of one sample where that is all the line speaks of."""
    return LOSS if isinstance(loss, Element) and loss.sample == EVERY else loss


def _unwrapped(tokens: list[Token]) -> list[Token]:
    """The tokens without brackets around all of them."""
    while len(tokens) > 1 and tokens[0].kind in _BRACKETS:
        depth, place = 1, 0
        while depth and place + 1 < len(tokens):
            place += 1
            depth += (tokens[place].kind in CLOSING) - (tokens[place].kind in CLOSING.values())
        if depth or place + 1 < len(tokens):
            break
        tokens = tokens[1:-1]
    return tokens


def _both(tokens: list[Token]) -> list[list[Token]]:
    """Two conditions, or more, that a bracket joins by "and"."""
    marked = [
        replace(token, kind="and") if token.text.lower() == "and" else token
        for token in _unwrapped(tokens)
    ]
    return split(marked, ("and",))


def _of_last_layer(tokens: list[Token]) -> list[Token]:
    """The layer n_l, as Stanford's tutorial calls the last one, as L."""
    plain = [token for token in tokens if token.kind not in ("{", "}")]
    is_last = [token.text for token in plain[:3]] == ["n", "_", "l"]
    return [replace(plain[0], text="L"), *plain[3:]] if is_last else tokens


def _is_operator(tokens: Sequence[Token]) -> bool:
    """Whether braces hold a fraction with nothing but a ∂, or a d, above: an operator."""
    texts = [token.text for token in tokens[:4]]
    if texts[:2] not in (["frac", "{"], ["dfrac", "{"]) or texts[3:] != ["}"]:
        return False
    return texts[2] in ("∂", "d") and _is_group(tokens[4:])


def _is_group(tokens: Sequence[Token]) -> bool:
    """Whether tokens are one group in braces."""
    depth = 0
    for place, token in enumerate(tokens):
        depth += (token.kind == "{") - (token.kind == "}")
        if depth == 0:
            return place == len(tokens) - 1
    return False


def _above_over(tokens: Sequence[Token]) -> Sequence[Token] | None:
    r"""What stands above in {… \over …}; None where there is no such sign, or more than one."""
    depth, found = 0, []
    for place, token in enumerate(tokens):
        depth += (token.kind in OPENS) - (token.kind in CLOSES)
        if depth == 0 and token.kind == "command" and token.text == "over":
            found.append(place)
    return tokens[: found[0]] if len(found) == 1 else None


def _is_shape(tokens: Sequence[Token]) -> bool:
    """Whether a bracket holds two whole numbers and ×, or 2x1 typed close together."""
    if len(tokens) != 3 or not (tokens[0].text.isdigit() and tokens[2].text.isdigit()):
        return False
    sign = tokens[1]
    close = not sign.spaced and not tokens[2].spaced
    return sign.text == "×" or (sign.text in ("x", "X") and close)


def _shown(text: str) -> str:
    return {"\\\\": "a new line", "⏐": "a wide space", "text": "words"}.get(text, text)


def _is_matrix(node: Node) -> bool:
    """Whether np.dot multiplies matrices here, and is no scalar product."""
    return isinstance(node, (Transpose, Matrix)) or (isinstance(node, Array) and node.letter == "W")


def _is_transpose(tokens: Sequence[Token]) -> bool:
    while len(tokens) > 2 and tokens[0].kind == "{" and tokens[-1].kind == "}":
        tokens = tokens[1:-1]
    return len(tokens) == 1 and (tokens[0].kind == "⊤" or tokens[0].text == "T")


def _is_typed_delta(tokens: Sequence[Token]) -> bool:
    """Whether δ stands before a letter, and has no index of its own."""
    return len(tokens) > 1 and tokens[0].text == "delta" and tokens[1].kind in ("name", "command")


def _is_differential(tokens: Sequence[Token]) -> bool:
    if not tokens:
        return False
    first = tokens[0]
    upright = first.kind == "name" and first.text.startswith("d")
    return first.kind == "∂" or (upright and first.text not in ("delta", "diag"))


def _behind_differential(tokens: list[Token]) -> list[Token]:
    """What stands behind the ∂ or d."""
    first = tokens[0]
    if first.kind == "∂" or first.text == "d":
        return tokens[1:]
    return [Token("name", first.text[1:], first.place, first.start, first.end, True), *tokens[1:]]


def _plain_number(node: Node) -> Fraction | None:
    match node:
        case Number(value):
            return value
        case Product((Number(sign), Number(value))):
            return sign * value
        case _:
            return None


def _decimal(token: Token) -> Number:
    mantissa, _, exponent = token.text.lower().partition("e")
    if exponent and abs(int(exponent)) > LARGEST_EXPONENT:
        raise NotRead(f"a power of ten beyond {LARGEST_EXPONENT}", token.place)
    if not exponent and "." not in mantissa:
        return Number(Fraction(int(mantissa)))
    decimals = len(mantissa.partition(".")[2]) - int(exponent or 0)
    return Number(Fraction(token.text), max(0, decimals))


# ----------------------------------------------------------------------------------------- dots


class _Unlike(Exception):
    """Two terms that differ in more than the numbers of their indices."""


def _between(terms: Sequence[Node], last: Node) -> list[Node] | None:
    """The terms that dots stand for, as in w_211·h_11 + … + w_214·h_14; None where not clear.

    >>> x = [Element("x", (Index("", number),)) for number in (1, 2, 3, 4)]
    >>> _between(x[:1], x[3]) == x[1:3], _between([x[0], x[2]], x[3])
    (True, None)
    """
    ends = _ends(terms[-1], last)
    if ends is None or not 1 < ends[1] - ends[0] <= MOST_TERMS:
        return None
    step = _ends(terms[-2], terms[-1]) if len(terms) > 1 else None
    if step is not None and step[1] - step[0] != 1:
        return None
    return [_merged(terms[-1], last, number, set()) for number in range(ends[0] + 1, ends[1])]


def _ends(first: Node, last: Node) -> tuple[int, int] | None:
    """From where to where the one number runs in which two terms differ."""
    found: set[tuple[int, int]] = set()
    try:
        _merged(first, last, 0, found)
    except _Unlike:
        return None
    return next(iter(found)) if len(found) == 1 else None


def _merged(first: Any, last: Any, number: int, found: set[tuple[int, int]]) -> Any:
    """``first`` with ``number`` where the two have different numbers, which go into ``found``."""
    if first == last:
        return first
    if isinstance(first, Index) and isinstance(last, Index):
        if first.is_number and last.is_number:
            found.add((first.offset, last.offset))
            return Index("", number)
    elif isinstance(first, tuple) and isinstance(last, tuple) and len(first) == len(last):
        pairs = zip(first, last, strict=True)
        return tuple(_merged(one, other, number, found) for one, other in pairs)
    elif isinstance(first, Node) and type(first) is type(last):
        names = [each.name for each in dataclasses.fields(first) if each.compare]
        values = {
            name: _merged(getattr(first, name), getattr(last, name), number, found)
            for name in names
        }
        return replace(first, **values)
    raise _Unlike
