"""Tokens of one statement as nodes, bound to the network: a parser that never guesses.

`Parser.side` reads one side of a claim.  What stands between two relations is parsed by
precedence: sums, then ⊙, then products (written side by side, or with ·, *, × or @) and slashes,
then powers, primes and transposes.  Letters are looked up in the network
(`symback.checking.symbols`), so h_{13}(1 - h_{13}) is a product and σ'(a_{13}) an application.
What has two readings, or none, raises `NotRead` with its place and a way to write it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

from symback.checking.dots import between
from symback.checking.lexing import FUNCTIONS, NotRead, Place, Token
from symback.checking.symbols import Script, Symbols
from symback.language.budget import spend
from symback.language.expressions import (
    LAYERED,
    LOSS,
    Array,
    At,
    Call,
    Cases,
    Comparison,
    Component,
    Derivative,
    Element,
    Index,
    Indicator,
    Letter,
    Matrix,
    Named,
    Node,
    Number,
    OneHot,
    Power,
    Product,
    Quotient,
    Sum,
    Total,
    Transpose,
    is_array,
)
from symback.language.functions import ABBREVIATIONS, ELEMENTARY

__all__ = ["RELATIONS", "Parser", "negative"]

MOST_DEPTH = 60
LARGEST_EXPONENT = 64
MOST_TERMS = 256

RELATIONS = ("=", "≈", "←", ":=")
COMPARISONS = ("=", "!=", "<", ">", "<=", ">=")
_CLOSING = {"(": ")", "[": "]", "{": "}", "⟦": "⟧"}
_WIDTH_LETTERS = ("n", "N", "K", "C", "m", "M", "k", "D", "d", "H", "J", "c", "p", "q", "r")
_LOSS_LETTERS = ("L", "J", "C", "E")
_INDEX_LETTERS = frozenset("ijklmnpqrstuvL")
_MINUS = Number(Fraction(-1))
_INEQUALITIES = ("<", ">", "<=", ">=", "!=")
ARGUMENTS = {"dot": (2, 2), "outer": (2, 2)} | {
    name: (2, 9) for name, row in ELEMENTARY.items() if row.arguments > 1
}
"""The fewest and the most arguments of functions that have more than one."""
_BASES = {"e": "log", "2": "log2", "10": "log10"}
_JOINING = frozenset(("+", "-", "·", "*", "/", "⊙", "@", "^", "_", "∂", "∇"))
"""What stands before a bracket that is an operand, and no remark."""
_RECIPROCALS = {
    name: formula[2 : formula.index("(")]
    for name, formula in ABBREVIATIONS.items()
    if formula.startswith("1/")
}
"""Functions that are read as one over another."""


def negative(factors: Sequence[Node]) -> Node:
    """-1 times a product."""
    return Product((_MINUS, *factors))


class Parser:
    """Reads the tokens of one statement from left to right."""

    def __init__(
        self, tokens: Sequence[Token], symbols: Symbols, end: Place, *, code: bool
    ) -> None:
        self.tokens, self.symbols, self.end, self.code = tokens, symbols, end, code
        self.position = 0
        self.depth = 0

    # ------------------------------------------------------------------------------- tokens

    def peek(self, ahead: int = 0) -> Token | None:
        """The token to come."""
        place = self.position + ahead
        return self.tokens[place] if place < len(self.tokens) else None

    def at(self, *kinds: str, ahead: int = 0) -> bool:
        """Whether the token to come is one of ``kinds``."""
        token = self.peek(ahead)
        return token is not None and token.kind in kinds

    def at_name(self, *names: str, ahead: int = 0) -> bool:
        """Whether the token to come is one of these names."""
        token = self.peek(ahead)
        return token is not None and token.kind == "name" and token.text in names

    def take(self, kind: str | None = None) -> Token:
        """The next token."""
        spend()
        token = self.peek()
        if token is None:
            raise self.refuse("the line ends where something is missing")
        if kind is not None and token.kind != kind:
            raise self.refuse(f"{_shown(kind)} is expected before {_shown(token.text)}")
        self.position += 1
        return token

    def refuse(self, reason: str, suggestion: str = "", at: Token | None = None) -> NotRead:
        """Why the statement is not read, at ``at`` or at the token to come."""
        token = at or self.peek()
        return NotRead(reason, self.end if token is None else token.place, suggestion)

    def inside(self, tokens: Sequence[Token]) -> Parser:
        """A parser of a part of the statement."""
        end = tokens[-1].place if tokens else self.end
        made = Parser(tokens, self.symbols, end, code=self.code)
        made.depth = self.depth + 1
        if made.depth > MOST_DEPTH:
            raise self.refuse(f"brackets are nested more than {MOST_DEPTH} deep")
        return made

    def group(self) -> list[Token]:
        """The tokens of a bracketed group, without its brackets."""
        opening = self.take()
        closing = _CLOSING[opening.kind]
        depth, start = [closing], self.position
        while depth:
            token = self.peek()
            if token is None:
                raise self.refuse(f"the {opening.text} is never closed", at=opening)
            self.position += 1
            if token.kind in _CLOSING:
                depth.append(_CLOSING[token.kind])
                if len(depth) + self.depth > MOST_DEPTH:
                    raise self.refuse(
                        f"brackets are nested more than {MOST_DEPTH} deep", at=opening
                    )
            elif token.kind == depth[-1]:
                depth.pop()
            elif token.kind in _CLOSING.values():
                raise self.refuse(f"{token.text} closes nothing", at=token)
        return list(self.tokens[start : self.position - 1])

    def argument(self) -> list[Token]:
        """A braced group, or the one token that TeX takes instead."""
        if self.at("{"):
            return self.group()
        token = self.take()
        if token.kind == "number" and len(token.text) > 1 and token.text.isdigit():
            first, rest = token.text[0], token.text[1:]  # TeX takes one digit
            left = Token("number", rest, token.place, token.start + 1, token.end)
            self.tokens = [*self.tokens[: self.position], left, *self.tokens[self.position :]]
            return [Token("number", first, token.place, token.start, token.start + 1)]
        return [token]

    # -------------------------------------------------------------------------- expressions

    def side(self) -> Node:
        """One whole side."""
        node = self.expression()
        if self.peek() is not None:
            token = self.take()
            raise self.refuse(f"{_shown(token.text)} is not understood here", at=token)
        return node

    def expression(self) -> Node:
        """A sum."""
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise self.refuse(f"the expression is nested more than {MOST_DEPTH} deep")
        terms = [self.signed_term()]
        while self.at("+", "-"):
            if self.at("...", ahead=1):
                terms += self._behind_dots(terms)
            else:
                terms.append(self.signed_term())
        self.depth -= 1
        return terms[0] if len(terms) == 1 else Total(tuple(terms))

    def _behind_dots(self, terms: Sequence[Node]) -> list[Node]:
        """The terms that + … stands for, and the one behind."""
        self.take()
        dots = self.take("...")
        last = self.signed_term() if self.at("+") else None
        found = None if last is None else between(terms, last)
        if last is None or found is None:
            raise self.refuse("dots leave open what stands there", "write a Σ with its limits",
                              dots)  # fmt: skip
        return [*found, last]

    def signed_term(self) -> Node:
        """A term with the signs before it."""
        signs = 0
        while self.at("+", "-"):
            signs += self.take().kind == "-"
        node = self.product()
        for _ in range(signs):
            plain = isinstance(node, Product) and not node.elementwise and not self._bracketed
            node = negative(node.factors if plain and isinstance(node, Product) else (node,))
        return node

    _bracketed = False
    """Whether the product just read was a single factor in brackets, which keeps its own minus."""

    def product(self) -> Node:
        """Products joined by ⊙, which binds less than juxtaposition."""
        first = self.peek()
        parts = [self.juxtaposed()]
        single = self._bracketed
        while self.at("⊙"):
            self.take()
            parts.append(self.juxtaposed())
        self._bracketed = single and len(parts) == 1
        if len(parts) == 1:
            return parts[0]
        if not any(map(is_array, parts)) and not any(isinstance(p, Named) for p in parts):
            raise self.refuse("⊙ joins arrays; numbers are multiplied with ·", at=first)
        return Product(tuple(parts), True)

    def juxtaposed(self) -> Node:
        """Factors side by side, with · * @ or / between them."""
        factors = [self.factor()]
        alone = self._bracketed
        while True:
            if self.at("·", "*", "@"):
                sign = self.take()
                self._times(factors, sign)
            elif self.at("/"):
                self._slash(factors)
            elif self.starts_factor():
                self._beside(factors)
            else:
                break
            alone = False
        self._bracketed = alone and len(factors) == 1
        return factors[0] if len(factors) == 1 else Product(tuple(factors))

    def _times(self, factors: list[Node], sign: Token) -> None:
        minus = bool(self.at("-"))
        if minus:
            self.take()
        following = self.factor()
        if minus:
            following = negative((following,))
        both = is_array(factors[-1]) and is_array(following)
        if sign.kind == "*" and both:
            if not self.code:
                way = "write ⊙ for entry by entry, or nothing for a matrix product"
                raise self.refuse("* between arrays has two readings", way, sign)
            left = factors[0] if len(factors) == 1 else Product(tuple(factors))
            factors[:] = [Product((left, following), True)]
        else:
            factors.append(following)

    def _slash(self, factors: list[Node]) -> None:
        slash = self.take()
        below = self.factor()
        closed = self._bracketed
        above = factors[0] if len(factors) == 1 else Product(tuple(factors))
        factors[:] = [Quotient(above, below)]
        numbers = isinstance(above, Number) and isinstance(below, Number)
        if self.starts_factor() and not numbers and not closed:
            raise self.refuse("what stands under the slash has two readings",
                              "put brackets around it, or a fraction", slash)  # fmt: skip

    def _beside(self, factors: list[Node]) -> None:
        token = self.peek()
        following = self.factor()
        if isinstance(following, Number) and token is not None and token.kind == "number":
            raise self.refuse("a number stands directly after a factor",
                              "write · between them", token)  # fmt: skip
        factors.append(following)

    def starts_factor(self) -> bool:
        """Whether the token to come begins a factor."""
        token = self.peek()
        if token is None:
            return False
        if token.kind == "|":
            return False
        return token.kind in (
            "number", "name", "command", "(", "[", "{", "∂", "∇", "⟦", "begin", "½", "‖",
        )  # fmt: skip

    # ------------------------------------------------------------------------------ factors

    def factor(self) -> Node:
        """A primary with its powers, transposes, components and evaluation bars."""
        self._bracketed = bracketed = self.at("(", "[", "{")
        node = self.primary()
        while True:
            if self.at("^"):
                if isinstance(node, Power) and not bracketed:
                    raise self.refuse("a power of a power has two readings", "put brackets")
                node, bracketed = self._raised(node), False
            elif self.at("⊤"):
                self.take()
                node = self._transposed(node)
            elif self.at(".") and self.at_name("T", ahead=1):
                self.position += 2
                node = self._transposed(node)
            elif self.at(".") and self.at_name("dot", ahead=1) and self.at("(", ahead=2):
                self.position += 2
                node = Product((node, self.inside(self.group()).side()))
            elif self.at("_") and is_array(node):
                node = self._component(node)
            elif self.at("|") and self.at("_", ahead=1):
                node = self._evaluated(node)
            elif self.at("'"):
                raise self.refuse("a prime belongs to a function", "write ᵀ for a transpose")
            else:
                return node

    def _transposed(self, node: Node) -> Node:
        if not is_array(node) and not isinstance(node, Named):
            raise self.refuse("the transpose of a number")
        return Transpose(node)

    def _raised(self, node: Node) -> Node:
        mark = self.take("^")
        tokens = self._script_tokens()
        if _is_transpose(tokens):
            return self._transposed(node)
        if len(tokens) == 1 and tokens[0].kind == "'":
            raise self.refuse("a prime belongs to a function", at=mark)
        exponent = self.inside(tokens).side()
        return self.power(node, exponent, mark)

    def power(self, node: Node, exponent: Node, mark: Token) -> Node:
        """node ** exponent, small enough to be computed."""
        number = _plain_number(exponent)
        if number is not None and abs(number) > LARGEST_EXPONENT:
            raise self.refuse(f"an exponent beyond {LARGEST_EXPONENT}", at=mark)
        if isinstance(node, Call) and node.function == "norm" and number == 2:
            return Call("dot", (node.arguments[0], node.arguments[0]))
        return Power(node, exponent)

    def _script_tokens(self) -> list[Token]:
        """What stands above or below: a group, or one sign; brackets of text are kept."""
        if self.at("{"):
            return self.group()
        if self.at("(", "["):
            start = self.position
            self.group()
            return list(self.tokens[start : self.position])
        if self.at("-", "+"):
            return [self.take(), self.take()]
        return [self.take()]

    def _component(self, node: Node) -> Node:
        self.take("_")
        tokens = self._script_tokens()
        return Component(node, self.symbols.indices(tokens, self.end))

    def _evaluated(self, node: Node) -> Node:
        self.take("|")
        self.take("_")
        tokens = self._script_tokens()
        values = []
        for part in _split(tokens, (",", ";")):
            sides = _split(part, ("=",))
            if len(sides) != 2:
                raise self.refuse("an evaluation bar names what is put for what, as in w = 1")
            left, right = (self.inside(each).side() for each in sides)
            if not isinstance(left, Element):
                raise self.refuse("only single quantities are given other values")
            values.append((left, right))
        return At(node, tuple(values))

    # ---------------------------------------------------------------------------- primaries

    def primary(self) -> Node:
        """A number, a bracket, a derivative, a sum, a function or a quantity."""
        token = self.peek()
        if token is None:
            raise self.refuse("the line ends where something is missing")
        read: dict[str, Callable[[], Node]] = {
            "number": self._number, "½": self._half, "(": self._bracket, "[": self._bracket,
            "{": self._bracket, "⟦": self._iverson, "∂": self._derivative, "∇": self._gradient,
            "|": self._absolute, "‖": self._norm, "begin": self._environment, "name": self._name,
            "command": self._command,
        }  # fmt: skip
        if token.kind not in read:
            raise self._unexpected(token)
        return read[token.kind]()

    def _unexpected(self, token: Token) -> NotRead:
        if token.kind == "...":
            return self.refuse("dots leave open what stands there", "write a Σ with its limits")
        if token.kind == "⊗":
            return self.refuse("⊗ has two readings", "write h δᵀ for an outer product, or ⊙")
        if token.kind == "text":
            return self.refuse(f"the words “{token.text}” stand within a formula")
        return self.refuse(f"{_shown(token.text)} is not understood here")

    def _number(self) -> Node:
        token = self.take()
        if token.text == "1" and self.at("_"):
            self.take()
            return self._indicated(self._script_tokens())
        if token.text == "1" and self._iverson_follows():
            return self._indicated(self.group())
        value = _decimal(token, self)
        if self._scientific():
            self.position += 2
            mark = self.take("^")
            exponent = _plain_number(self.inside(self._script_tokens()).side())
            if exponent is None or abs(exponent) > LARGEST_EXPONENT:
                raise self.refuse("a power of ten that is no small whole number", at=mark)
            scale = Fraction(10) ** int(exponent)
            decimals = None if value.decimals is None else max(0, value.decimals - int(exponent))
            if value.decimals is None and exponent < 0:
                decimals = -int(exponent)
            return Number(value.value * scale, decimals)
        return value

    def _iverson_follows(self) -> bool:
        r"""Whether a bracket with a comparison stands close behind: 1[i = j], 1\\{i = j\\}."""
        following = self.peek()
        if following is None or following.kind not in ("[", "(") or following.spaced:
            return False
        start = self.position
        tokens = self.group()
        self.position = start
        return all(len(_split(part, COMPARISONS)) == 2 for part in _both(tokens))

    def _indicated(self, tokens: list[Token]) -> Node:
        """1 where a condition holds; where two joined by "and" both hold, the product of both."""
        parts = tuple(Indicator(self.condition(part)) for part in _both(tokens))
        return parts[0] if len(parts) == 1 else Product(parts)

    def _scientific(self) -> bool:
        """Whether × 10^ follows."""
        ten = self.peek(1)
        times = self.at("·", "*") and ten is not None and ten.text == "10"
        return bool(times and self.at("^", ahead=2))

    def _half(self) -> Node:
        self.take()
        return Quotient(Number(Fraction(1)), Number(Fraction(2)))

    def _bracket(self) -> Node:
        opening, begin = self.peek(), self.position
        assert opening is not None
        before = self.peek(-1) if self.position else None
        close_before = before is not None and before.end == opening.start and before.kind == "name"
        tokens = self.group()
        if opening.kind == "[" and len(_split(tokens, COMPARISONS)) == 2:
            if self.code and close_before:
                raise self.refuse("entries chosen by a comparison are not read",
                                  "multiply, as in dh1 * (h1 > 0)", opening)  # fmt: skip
            return Indicator(self.condition(tokens))
        if opening.kind == "(" and self._counts(_split(tokens, _INEQUALITIES)):
            return Indicator(self.condition(tokens))
        if opening.kind == "{" and any(token.text.lower() == "if" for token in tokens):
            return self._inline_cases(tokens, opening)
        scripted = self.at("_", "^") or self._iverson_follows()
        if opening.kind == "{" and scripted and _is_single_symbol(tokens):
            self._put_back(tokens, begin)
            return self.primary()
        if not tokens:
            raise self.refuse("there is nothing between the brackets", at=opening)
        if before is not None and before.kind not in _JOINING and _is_shape(tokens):
            way = "leave a shape out, or write the product with ·"
            raise self.refuse("this may be the shape of an array or a factor", way, opening)
        return self.inside(tokens).side()

    def _counts(self, parts: Sequence[list[Token]]) -> bool:
        """Whether a bracket is a comparison of numbers, which counts 1 or 0 as in code."""
        return len(parts) == 2 and (self.code or not self._compares_indices(*parts))

    def _inline_cases(self, tokens: list[Token], opening: Token) -> Node:
        """{1 if a > 0; 0 otherwise}, as symback writes it in text."""
        branches: list[tuple[Node, Node | None]] = []
        for part in _split(tokens, (";",)):
            if part and part[-1].text.lower() in ("otherwise", "else"):
                branches.append((self.inside(part[:-1]).side(), None))
                continue
            marks = [k for k, token in enumerate(part) if token.text.lower() == "if"]
            if len(marks) != 1 or (branches and branches[-1][1] is None):
                raise self.refuse("cases are written {… if …; … otherwise}", at=opening)
            value = self.inside(part[: marks[0]]).side()
            branches.append((value, self.condition(part[marks[0] + 1 :])))
        return Cases(tuple(branches))

    def _iverson(self) -> Node:
        return self._indicated(self.group())

    def _until(self, kind: str) -> list[Token]:
        """The tokens up to the closing bar."""
        opening = self.take(kind)
        depth, start = 0, self.position
        while (token := self.peek()) is not None:
            if token.kind == kind and depth == 0:
                self.position += 1
                return list(self.tokens[start : self.position - 1])
            depth += (token.kind in _CLOSING) - (token.kind in _CLOSING.values())
            self.position += 1
        raise self.refuse("the bar is never closed", at=opening)

    def _absolute(self) -> Node:
        return Call("abs", (self.inside(self._until("|")).side(),))

    def _norm(self) -> Node:
        node = self.inside(self._until("‖")).side()
        if self.at("_"):
            self.take()
            if [token.text for token in self._script_tokens()] != ["2"]:
                raise self.refuse("only the Euclidean norm is known")
        return Call("norm", (node,))

    # -------------------------------------------------------------------------- derivatives

    def _derivative(self) -> Node:
        """∂f/∂v, and ∂/∂v of what follows."""
        mark = self.take("∂")
        if self.at("^"):
            raise self.refuse("symback reads first derivatives only", at=mark)
        if self.at("_"):
            return self._subscripted(mark)
        if self.at("/"):
            self.take()
            self.take("∂")
            return self._applied(self._variable(), mark)
        of = self._differentiated()
        if not self.at("/"):
            raise self.refuse("∂ of something must be divided by ∂ of a quantity", at=mark)
        self.take()
        self.take("∂")
        return self._by(of, self._variable())

    def _subscripted(self, mark: Token) -> Node:
        """∂_v f."""
        self.take("_")
        inner = self.inside(self._script_tokens())
        return self._applied(inner._only_variable(), mark)

    def _differentiated(self) -> Node:
        """What stands behind a ∂: the loss, a quantity, or an expression in brackets."""
        token = self.peek()
        if token is not None and token.kind == "name" and token.text in _LOSS_LETTERS:
            loss = self._loss()
            if loss is not None:
                return loss
        return self.factor()

    def _loss(self) -> Node | None:
        """L, or another letter where it can be nothing but the loss; with its arguments, if any."""
        token = self.peek()
        assert token is not None
        symbols = self.symbols
        if not symbols.scope.is_network or symbols.means_quantity(token.text):
            return None
        if token.text != symbols.notation.loss and symbols.is_defined(token.text):
            return None
        start = self.position
        self.take()
        if self.at("_", "^") and not self._is_total():
            self.position = start
            return None
        self._loss_arguments()
        return LOSS

    def _total_follows(self) -> bool:
        start = self.position
        self.take()
        found = self._is_total()
        self.position = start
        return found

    def _is_total(self) -> bool:
        """E_total, as some pages write the loss, and Bishop's E_n, that of one sample."""
        if not self.at("_"):
            return False
        self.take()
        tokens = self._script_tokens()
        of_one_sample = self.symbols.notation.loss == "E" and [t.text for t in tokens] == ["n"]
        return is_total(tokens) or of_one_sample

    def _loss_arguments(self) -> None:
        """(θ), (W, b), (ŷ, y): of what the loss is a function is known."""
        if not self.at("("):
            return
        start = self.position
        tokens = self.group()
        plain = all(
            token.kind in ("name", "_", ",", ";", "number", "{", "}", "^", "command")
            for token in tokens
        )
        commas = any(token.kind in (",", ";") for token in tokens)
        theta = bool(tokens) and tokens[0].text in ("theta", "Theta")
        single = sum(token.kind not in ("{", "}") for token in tokens) == 1
        if not (plain and (commas or theta or single)):
            self.position = start

    def _variable(self) -> Node:
        """The quantity behind a lower ∂."""
        token = self.peek()
        node = self._scripted_only()
        inner = node.of if isinstance(node, Transpose) else node
        if not isinstance(inner, (Element, Array, Named)):
            raise self.refuse("one differentiates by a quantity of the network", at=token)
        return node

    def _only_variable(self) -> Node:
        node = self._variable()
        if self.peek() is not None:
            raise self.refuse("one differentiates by a single quantity")
        return node

    def _scripted_only(self) -> Node:
        """A quantity without powers."""
        if self.at("{") and not self._symbol_in_braces():
            return self.inside(self.group())._only_variable()
        if self.at("("):
            return self.inside(self.group())._only_variable()
        return self.primary()

    def _symbol_in_braces(self) -> bool:
        """{W}^{(2)}: a letter in braces that has its scripts outside."""
        return self.at("name", ahead=1) and self.at("}", ahead=2) and self.at("_", "^", ahead=3)

    def _by(self, of: Node, by: Node) -> Node:
        """∂of/∂by; of an array that the page lays out the other way the transpose."""
        if isinstance(by, Transpose):
            return Transpose(Derivative(of, by.of))
        return Derivative(of, by)

    def _applied(self, by: Node, mark: Token) -> Node:
        """The operator ∂/∂by applied to what follows."""
        bracketed = self.at("(", "[", "{", "|")
        if not self.starts_factor() and not bracketed:
            raise self.refuse("∂/∂… is applied to nothing", at=mark)
        of = self._differentiated()
        if self.starts_factor() and not bracketed:
            raise self.refuse("what ∂/∂… is applied to has two readings",
                              "put brackets around it", mark)  # fmt: skip
        return self._by(of, by)

    def _gradient(self) -> Node:
        """∇_v L; the loss may be left out."""
        mark = self.take("∇")
        if not self.at("_"):
            following = self.peek()
            if following is not None and following.kind == "name" and not following.spaced:
                return self._of_loss(self._variable())
            raise self.refuse("∇ without a quantity below", "write ∇_{W_2} L", mark)
        self.take()
        if self.at("{", "("):
            return self._of_loss(self.inside(self._script_tokens())._only_variable())
        if self.symbols.names_output(self.tokens, self.position):
            self.take()
            return self._of_loss(Array("yhat"))
        return self._of_loss(self._variable())

    def _of_loss(self, by: Node) -> Node:
        """∂L/∂by; the L that is differentiated may be typed behind."""
        token = self.peek()
        if token is not None and token.kind == "name" and token.text in _LOSS_LETTERS:
            if self._loss() is None and self.symbols.is_defined(token.text):
                return self._by(self._quantity(), by)
        elif self.at("("):
            start = self.position
            of = self.inside(self.group()).side()
            if of == LOSS:
                return self._by(LOSS, by)
            self.position = start
        return self._by(LOSS, by)

    # -------------------------------------------------------------------------------- names

    def _name(self) -> Node:
        token = self.peek()
        assert token is not None
        text = token.text
        if len(text) > 1 and self.symbols.is_run_of_names(text):
            self._split_name(token)
            return self._name()
        if text in ("sum", "prod") and not self.at("(", ahead=1):
            return self._sum()
        if text == "indicator":
            return self._indicator()
        if text == "np" and self.at(".", ahead=1):
            self.position += 2
            if not self.at("name"):
                raise self.refuse("np. is followed by the name of a function", at=token)
            return self._name()
        if text in ("Derivative", "diff", "grad") and self.at("(", ahead=1):
            return self._code_derivative()
        if text == "grad" and self.at("_", ahead=1) and self.at("name", ahead=2):
            self.position += 2
            return self._by(LOSS, self._variable())
        found = self._differential()
        if found is not None:
            return found
        if text == "e" and self.at("^", ahead=1):
            return self._euler()
        function = self._function_name()
        if function is not None:
            return self._function(function)
        own = text in (self.symbols.notation.loss, "L")
        if own or (text in _LOSS_LETTERS and self._total_follows()):
            loss = self._loss()
            if loss is not None:
                return loss
        return self._quantity()

    def _split_name(self, token: Token) -> None:
        """wx as w x, where w and x are names of the file."""
        letters = [
            Token("name", letter, token.place, token.start + k, token.start + k + 1)
            for k, letter in enumerate(token.text)
        ]
        before, after = self.tokens[: self.position], self.tokens[self.position + 1 :]
        self.tokens = [*before, *letters, *after]

    def _code_derivative(self) -> Node:
        """Derivative(L, w212)."""
        self.take()
        parts = _split(self.group(), (",",))
        if len(parts) != 2:
            raise self.refuse("a derivative of one thing by one other is expected")
        of = self.inside(parts[0])
        node = of._differentiated()
        if of.peek() is not None:
            raise of.refuse("a single quantity is expected")
        return self._by(node, self.inside(parts[1])._only_variable())

    def _differential(self) -> Node | None:
        """dL/dw, dL_dw212, and in code dW2 for ∂L/∂W_2."""
        token = self.peek()
        assert token is not None
        text = token.text
        if not text.startswith("d") or self.symbols.is_name(self.tokens, self.position):
            return None
        if text == "d":
            return self._upright_differential()
        rest = text[1:]
        if text in FUNCTIONS or text == "delta" or not self.symbols.begins_quantity(rest):
            return None
        both = self._joined_differential(token, rest)
        if both is not None:
            return both
        start = self.position
        of = self._behind_d(token, rest)
        if self.at("/"):
            lower = self.peek(1)
            if lower is not None and lower.kind == "name" and lower.text.startswith("d"):
                self.take()
                return self._by(of, self._behind_d(lower, lower.text[1:]))
            if self.at("∂", ahead=1):
                raise self.refuse("d above and ∂ below")
        if of == LOSS or not self.code:
            self.position = start
            raise self.refuse(f"{_shown(text)} alone is no derivative", "write dL/dw", token)
        return self._by(LOSS, of)

    def _joined_differential(self, token: Token, rest: str) -> Node | None:
        """dL_dw212 and dLdw212."""
        lower = self.peek(2)
        if rest in _LOSS_LETTERS and self.at("_", ahead=1):
            if lower is None or not lower.text.startswith("d"):
                return None
            self.position += 2
            return self._by(LOSS, self._behind_d(lower, lower.text[1:]))
        if rest[:1] in _LOSS_LETTERS and rest[1:2] == "d" and len(rest) > 2:
            return self._by(LOSS, self._behind_d(token, rest[2:]))
        return None

    def _behind_d(self, token: Token, rest: str) -> Node:
        """The quantity that a name such as dw starts."""
        if not rest:
            self.take()
            return self._differentiated()
        split = Token("name", rest, token.place, token.start, token.end, False)
        self.tokens = [*self.tokens[: self.position], split, *self.tokens[self.position + 1 :]]
        if rest in _LOSS_LETTERS:
            loss = self._loss()
            if loss is not None:
                return loss
        return self._quantity()

    def _upright_differential(self) -> Node | None:
        """d L / d w and d/dw [ … ], typed with a d of its own."""
        start, mark = self.position, self.take()
        if self.at("/") and self._d_follows(1):
            self.take()
            return self._applied(self._behind(), mark)
        if not self.at("name", "command", "(", "{"):
            self.position = start
            return None
        of = self._differentiated()
        if self.at("/") and self._d_follows(1):
            self.take()
            return self._by(of, self._behind())
        self.position = start
        return None

    def _d_follows(self, ahead: int) -> bool:
        token = self.peek(ahead)
        return token is not None and token.kind == "name" and token.text.startswith("d")

    def _behind(self) -> Node:
        """The quantity behind a lower d."""
        token = self.peek()
        assert token is not None
        if token.text == "d":
            self.take()
            return self._variable()
        return self._behind_d(token, token.text[1:])

    def _euler(self) -> Node:
        self.take()
        mark = self.take("^")
        if self.at("name") or (self.at("-") and self.at("name", ahead=1)):
            minus = self.at("-")  # e^a_21 in text: the whole quantity is the exponent
            if minus:
                self.take()
            exponent = self._scripted_only()
            return Call("exp", (negative((exponent,)) if minus else exponent,))
        tokens = self._script_tokens()
        if not tokens:
            raise self.refuse("e to the power of nothing", at=mark)
        return Call("exp", (self.inside(tokens).side(),))

    def _function_name(self) -> str | None:
        """The function that the name to come stands for, if it does."""
        token = self.peek()
        assert token is not None
        return self.symbols.function(token.text, self.tokens, self.position)

    def _function(self, name: str) -> Node:
        token = self.take()
        if token.text == "g" and self.at("number") and self.at("_", ahead=1):
            return self._code_prime(name)
        if token.text == "g" and self.at("_") and self.at_name("prime", ahead=1):
            self.position += 2
            return self._applied_to(name, 1, None, token)
        name = self._lowered(name, token)
        primes, exponent = self._between_name_and_argument()
        return self._applied_to(name, primes, exponent, token)

    def _lowered(self, name: str, token: Token) -> str:
        """The function, after what stands below its name: a base, or the layer of g_1(a_1)."""
        if not self.at("_"):
            return name
        self.take()
        tokens = self._script_tokens()
        text = "".join(part.text for part in tokens if part.kind not in ("{", "}", "(", ")"))
        if name == "log":
            if text not in _BASES:
                raise self.refuse("logarithms are read to the bases e, 2 and 10",
                                  "divide by the logarithm of the base", token)  # fmt: skip
            return _BASES[text]
        if name not in ("g", "O", *self.symbols.scope.activations) or name == "softmax":
            raise self.refuse(f"what stands below {_shown(token.text)} is not read", at=token)
        self.symbols.indices(tokens, self.end)
        return name

    def _code_prime(self, name: str) -> Node:
        """g1_prime: g′ at a_1."""
        layer = int(self.take().text)
        self.take("_")
        word = self.take("name")
        if word.text != "prime":
            raise self.refuse(f"{_shown(word.text)} is not understood here", at=word)
        return Call(name, (Array("a", Index("", layer)),), 1)

    def _between_name_and_argument(self) -> tuple[int, Node | None]:
        """Primes and a power, as in σ'(a) and tanh²(a); the layer of g^{(1)}(a_1) is dropped."""
        primes, exponent = 0, None
        while self.at("'", "''", "^"):
            token = self.take()
            if token.kind in ("'", "''"):
                primes += len(token.kind)
                continue
            tokens = self._script_tokens()
            if all(part.kind in ("'", "''") for part in tokens):
                primes += sum(len(part.kind) for part in tokens)
            elif any(part.kind == "(" for part in tokens):
                self.symbols.indices(tokens[1:-1], self.end)
            else:
                exponent = self.inside(tokens).side()
                if _plain_number(exponent) == -1:
                    raise self.refuse("f⁻¹ has two readings", "write 1/f(x)", token)
        return primes, exponent

    def _applied_to(self, name: str, primes: int, exponent: Node | None, token: Token) -> Node:
        arguments = self._arguments(name, token)
        node: Node = Call(name, arguments, primes)
        if name in _RECIPROCALS:
            if primes:
                raise self.refuse(f"the derivative of {name} is not known", at=token)
            node = Quotient(Number(Fraction(1)), Call(_RECIPROCALS[name], arguments))
        if name == "dot" and len(arguments) == 2 and any(map(_is_matrix, arguments)):
            node = Product(arguments)
        return node if exponent is None else self.power(node, exponent, token)

    def _arguments(self, name: str, token: Token) -> tuple[Node, ...]:
        if self.at("(", "[", "{"):
            tokens = self.group()
            if self.at("(") and not tokens:
                raise self.refuse("a function of nothing", at=token)
            parts = _split(tokens, (",", ";"))
            least, most = ARGUMENTS.get(name, (1, 1))
            if not least <= len(parts) <= most:
                count = "1 argument" if len(parts) == 1 else f"{len(parts)} arguments"
                raise self.refuse(f"{_shown(token.text)} of {count}", at=token)
            return tuple(self.inside(part).side() for part in parts)
        if name == "sqrt" and self.at("number"):
            return (self.primary(),)
        if not self.at("name", "command", "number"):
            raise self.refuse(f"{token.text} of nothing", "put its argument in brackets", token)
        argument = self.primary()
        if self.at("^", "/") or self.starts_factor():
            raise self.refuse(f"it is not clear where the argument of {token.text} ends",
                              "put it in brackets", token)  # fmt: skip
        return (argument,)

    def _indicator(self) -> Node:
        self.take()
        if self.at("_"):
            self.take()
            return self._indicated(self._script_tokens())
        if self.at("(", "[", "{"):
            return self._indicated(self.group())
        raise self.refuse("an indicator without a condition", "write 1[i = ℓ]")

    def condition(self, tokens: list[Token]) -> Node:
        """A comparison of indices or of expressions."""
        while len(tokens) > 1 and tokens[0].kind in ("(", "{", "[") and _wraps(tokens):
            tokens = tokens[1:-1]
        parts = _split(tokens, COMPARISONS)
        if len(parts) != 2:
            raise self.refuse("a condition with one comparison is expected, as in 1[i = ℓ]")
        left, right = parts
        relation = tokens[len(left)].kind
        if self._compares_indices(left, right):
            sides = [Letter(self.symbols.index(part, self.end)) for part in (left, right)]
            return Comparison(sides[0], relation, sides[1])
        first, second = (self.inside(part).side() for part in (left, right))
        return Comparison(first, relation, second)

    def _compares_indices(self, left: list[Token], right: list[Token]) -> bool:
        """Whether both sides are indices; L is the last layer only beside an index letter."""
        symbols = self.symbols
        if not (symbols.is_index(left) and symbols.is_index(right, number=True)):
            return False
        texts = [part[0].text for part in (left, right)]
        return texts.count("L") < 2 and not (
            texts[0] == "L" and texts[1].replace(".", "").isdigit()
        )

    # --------------------------------------------------------------------------------- sums

    def _sum(self) -> Node:
        mark = self.take()
        scripts: dict[str, list[Token]] = {}
        while self.at("_", "^"):
            kind = self.take().kind
            scripts[kind] = self._limit_tokens(kind)
        if "_" not in scripts:
            raise self.refuse("a sum without an index", "write Σ_i", mark)
        letters, lower, without = self._below(scripts["_"], mark)
        upper = self._above(scripts.get("^"), scripts["_"], mark)
        body = self._summand(mark)
        for letter in reversed(letters):
            body = Sum(letter, body, lower, upper, without, mark.text == "prod")
            self._check_limits(body, mark)
        return self.symbols.natural_width(body, scripts.get("^"), mark.place)

    def _summand(self, mark: Token) -> Node:
        """What a Σ runs over: all factors that follow; a Π over the bracket that follows."""
        if mark.text == "sum":
            return self.product()
        bracketed = self.at("(", "[", "{")
        body = self.factor()
        if not bracketed and (self.starts_factor() or self.at("·", "*")):
            raise self.refuse("it is not clear where the product ends", "put it in brackets", mark)
        return body

    def _limit_tokens(self, kind: str) -> list[Token]:
        """A limit; in text Σ_i and Σ_{i=1}^n and Σ_{i=1..n}."""
        if self.at("(") and kind == "_":
            return self.group()
        tokens = self._script_tokens()
        if kind == "^" and self.at("_") and len(tokens) == 1:  # Σ_{i=1}^n_2 in text
            start = self.position
            self.take()
            tokens += [self.tokens[start], *self._script_tokens()]
        return tokens

    def _below(self, tokens: list[Token], mark: Token) -> tuple[list[str], int, Index | None]:
        """The letters, where they begin, and what is left out."""
        letters: list[str] = []
        lower, without = 1, None
        for part in _split(tokens, (",",)):
            equal = _split(part, ("=",))
            unequal = _split(part, ("!=",))
            if len(unequal) == 2:
                letter = self._index_letter(unequal[0], mark)
                letters += [letter] if letter not in letters else []
                without = self.symbols.index(unequal[1], mark.place)
            elif len(equal) == 2:
                letters.append(self._index_letter(equal[0], mark))
                start = [token for token in equal[1] if token.kind != "..."]
                lower = self._lower(start[:1], mark)
            else:
                letters.append(self._index_letter(part, mark))
        return letters, lower, without

    def _lower(self, tokens: list[Token], mark: Token) -> int:
        if len(tokens) != 1 or not tokens[0].text.isdigit():
            raise self.refuse("a sum begins at a number", at=mark)
        return int(tokens[0].text) + (1 - self.symbols.notation.first_index)

    def _index_letter(self, tokens: list[Token], mark: Token) -> str:
        if len(tokens) == 1 and tokens[0].kind == "name" and len(tokens[0].text) == 1:
            return tokens[0].text
        raise self.refuse("a sum runs over a letter, as in Σ_i", at=mark)

    def _above(self, tokens: list[Token] | None, below: list[Token], mark: Token) -> Index | None:
        if tokens is None:
            dots = [k for k, token in enumerate(below) if token.kind == "..."]
            if not dots:
                return None
            tokens = below[dots[0] + 1 :]
        if len(tokens) == 1 and tokens[0].text.isdigit():
            return Index("", int(tokens[0].text) + (1 - self.symbols.notation.first_index))
        if len(tokens) == 1 and tokens[0].text in _WIDTH_LETTERS:
            return Index(tokens[0].text)  # the whole range, unless it is an index of the line
        if tokens and tokens[0].text in ("n", "N", "m", "d"):
            return None  # n_k: `Symbols.natural_width` compares it with what the letter numbers
        return self.symbols.index(tokens, mark.place)

    def _check_limits(self, node: Node, mark: Token) -> None:
        assert isinstance(node, Sum)
        if node.upper is not None and node.upper.is_number:
            if node.upper.offset - node.lower >= MOST_TERMS:
                raise self.refuse(f"a sum of more than {MOST_TERMS} terms", at=mark)
            if node.upper.offset < node.lower:
                raise self.refuse("a sum that ends before it begins", at=mark)

    # ----------------------------------------------------------------------- LaTeX structure

    def _command(self) -> Node:
        token = self.take()
        name = token.text
        if name in ("frac", "dfrac", "tfrac", "cfrac", "nicefrac", "sfrac"):
            return self._fraction(token)
        if name in ("boxed", "fbox", "underline", "cancel", "overline"):
            return self.inside(self.argument()).side()
        if name in ("underbrace", "overbrace"):
            node = self.inside(self.argument()).side()
            while self.at("_", "^"):
                self.take()
                self._script_tokens()
            return node
        if name == "sqrt":
            return Call("sqrt", (self.inside(self.argument()).side(),))
        if name in ("hat", "widehat"):
            return self._hat(token)
        raise self.refuse(f"\\{name} is not read here", at=token)

    def _hat(self, token: Token) -> Node:
        begin = self.position - 1
        tokens = self.argument()
        inner = [part for part in tokens if part.kind not in ("{", "}")]
        if not inner or inner[0].kind != "name":
            raise self.refuse("a hat over something that is no letter", at=token)
        made = Token("name", inner[0].text + "hat", token.place, token.start, token.end, True)
        self._put_back([made, *inner[1:]], begin)
        return self.primary()

    def _put_back(self, tokens: Sequence[Token], begin: int) -> None:
        """Read ``tokens`` next, in place of all that was taken from ``begin`` on."""
        self.tokens = [*self.tokens[:begin], *tokens, *self.tokens[self.position :]]
        self.position = begin

    def _fraction(self, token: Token) -> Node:
        above, below = self.argument(), self.argument()
        if _is_differential(above) and _is_differential(below):
            return self._derivative_fraction(above, below, token)
        if _is_differential(below) and below[0].kind == "∂":
            raise self.refuse("∂ below and none above", at=token)
        if not above or not below:
            raise self.refuse("a fraction with nothing above or below", at=token)
        return Quotient(self.inside(above).side(), self.inside(below).side())

    def _derivative_fraction(self, above: list[Token], below: list[Token], token: Token) -> Node:
        if any(part.kind == "^" for part in above[1:2]):
            raise self.refuse("symback reads first derivatives only", at=token)
        by = self.inside(_behind_differential(below))._only_variable()
        rest = _behind_differential(above)
        if not rest:
            return self._applied(by, token)
        inner = self.inside(rest)
        of = inner._differentiated()
        if inner.peek() is not None:
            extra = inner.take()
            raise self.refuse(f"{_shown(extra.text)} stands behind what is differentiated",
                              "put brackets around it", extra)  # fmt: skip
        return self._by(of, by)

    def _environment(self) -> Node:
        opening = self.take("begin")
        start, depth = self.position, 1
        while depth:
            token = self.take()
            depth += (token.kind == "begin") - (token.kind == "end")
        tokens = self.tokens[start : self.position - 1]
        rows = [row for row in _split(tokens, ("\\\\",)) if row]
        if opening.text == "cases":
            return self._cases(rows, opening)
        if opening.text not in ("bmatrix", "pmatrix", "matrix", "Bmatrix", "smallmatrix"):
            raise self.refuse(f"\\begin{{{opening.text}}} is not read here", at=opening)
        cells = [_split(row, ("&",)) for row in rows]
        if not cells or len({len(row) for row in cells}) != 1:
            raise self.refuse("the rows of the matrix have different lengths", at=opening)
        return Matrix(tuple(tuple(self.inside(cell).side() for cell in row) for row in cells))

    def _cases(self, rows: Sequence[list[Token]], opening: Token) -> Node:
        branches: list[tuple[Node, Node | None]] = []
        for row in rows:
            cells = _split(row, ("&", "text", ",", ".", ";"))
            words = " ".join(token.text for token in row if token.kind == "text").lower()
            cells = [cell for cell in cells if cell]
            value = self.inside(cells[0]).side()
            if len(cells) == 1:
                if not any(word in words for word in ("otherwise", "else", "sonst")):
                    raise self.refuse("a case without a condition", at=opening)
                branches.append((value, None))
            else:
                branches.append((value, self.condition(cells[1])))
        return Cases(tuple(branches))

    # --------------------------------------------------------------------------- quantities

    def _quantity(self) -> Node:
        """A letter with what stands below and above it, looked up in the network."""
        token = self.take()
        script = self._script(token)
        node = self.symbols.quantity(script)
        if isinstance(node, OneHot) or not self.at("("):
            return node
        return node

    def _script(self, token: Token) -> Script:
        script = Script(token)
        if token.text in ("e", "ehat") and self.at("("):
            tokens = self.group()
            script.below = tokens
            return script
        self._attached_digits(script)
        while self.at("_", "^"):
            mark = self.peek()
            assert mark is not None
            if mark.kind == "_":
                if script.below is not None and not self._goes_on(script):
                    break
                self.take()
                script.add_below(self._below_tokens(script))
            elif not self._above_belongs(script):
                break
        return script

    def _goes_on(self, script: Script) -> bool:
        """a_1_3 in code: a second index."""
        following = self.peek(1)
        return (
            following is not None and following.kind in ("number", "name") and not following.spaced
        )

    def _attached_digits(self, script: Script) -> None:
        token = self.peek()
        name = script.token
        if token is None or token.spaced or token.start != name.end:
            return
        digits = token.kind == "number" and token.text.isdigit()
        if digits and self.symbols.takes_digits(name.text):
            script.add_below([self.take()])

    def _below_tokens(self, script: Script) -> list[Token]:
        """A subscript: a group, or what is typed close together, as in w_2ij and w_2,11,3."""
        if self.at("{", "("):
            return self.group()
        tokens = [self.take()]
        if tokens[0].kind not in ("number", "name"):
            raise self.refuse("an index is expected here", at=tokens[0])
        while (token := self.peek()) is not None and not token.spaced:
            following = self.peek(1)
            letters = token.kind == "name" and {*token.text} <= _INDEX_LETTERS
            index = (token.kind == "number" or letters) and token.start == tokens[-1].end
            listed = (
                token.kind == "," and following is not None and not following.spaced
                and following.kind in ("number", "name")
            )  # fmt: skip
            if index and not self._latex_product(tokens, token):
                tokens.append(self.take())
            elif listed and following is not None and following.text.isdigit():
                tokens += [self.take(), self.take()]
            else:
                break
        self._check_offset(script, tokens)
        return tokens

    def _check_offset(self, script: Script, tokens: list[Token]) -> None:
        """h_k-1 may be h_{k-1}, or h_k less 1."""
        sign, one = self.peek(), self.peek(1)
        if len(tokens) != 1 or tokens[0].text not in ("k", "l") or sign is None or one is None:
            return
        close = sign.kind in ("-", "+") and one.text == "1" and not (sign.spaced or one.spaced)
        if close and self.symbols.meaning(script.token.text) in LAYERED:
            name, letter = script.token.text, tokens[0].text
            raise self.refuse(
                f"{name}_{letter}{sign.kind}1 has two readings",
                f"write {name}_{{{letter}{sign.kind}1}}, or {name}_{letter} {sign.kind} 1",
                script.token,
            )

    def _latex_product(self, tokens: list[Token], token: Token) -> bool:
        """In LaTeX only one sign belongs to a subscript without braces."""
        return self.symbols.latex

    def _above_belongs(self, script: Script) -> bool:
        """Take a layer or a transpose above a letter; leave a power to `factor`."""
        start = self.position
        self.take("^")
        tokens = self._script_tokens()
        tokens = _without_braces_behind(tokens)
        turned = len(tokens) > 1 and _is_transpose(tokens[-1:])
        taken = script.add_above(tokens[:-1] if turned else tokens, self.symbols)
        if not taken:
            self.position = start
        elif turned:  # h^{(1)⊤}: the layer is the letter's, the transpose comes after it
            mark = replace(tokens[-1], kind="⊤", text="⊤")
            self.tokens = [*self.tokens[: self.position], mark, *self.tokens[self.position :]]
        return taken


# ------------------------------------------------------------------------------------- helpers


def is_total(tokens: Sequence[Token]) -> bool:
    """Whether a subscript is the word "total"."""
    return "".join(token.text for token in tokens if token.kind not in "{}") in ("total", "tot")


def _both(tokens: Sequence[Token]) -> list[list[Token]]:
    """Two conditions, or more, that a bracket joins by "and"."""
    while len(tokens) > 1 and tokens[0].kind in ("(", "{", "[") and _wraps(tokens):
        tokens = tokens[1:-1]
    return _split([_and(token) for token in tokens], ("and",))


def _and(token: Token) -> Token:
    return replace(token, kind="and") if token.text.lower() == "and" else token


def _is_shape(tokens: Sequence[Token]) -> bool:
    """Whether a bracket holds two whole numbers and ×, or 2x1 typed close together."""
    if len(tokens) != 3 or not (tokens[0].text.isdigit() and tokens[2].text.isdigit()):
        return False
    sign = tokens[1]
    close = not sign.spaced and not tokens[2].spaced
    return sign.text == "×" or (sign.text in ("x", "X") and close)


def _shown(text: str) -> str:
    return {"\\\\": "a new line", "⏐": "a wide space", "text": "words"}.get(text, text)


def _split(tokens: Sequence[Token], kinds: tuple[str, ...]) -> list[list[Token]]:
    """The stretches between tokens of ``kinds`` that are in no bracket."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        opens = token.kind in _CLOSING or token.kind == "begin"
        closes = token.kind in _CLOSING.values() or token.kind == "end"
        depth += opens - closes
        if depth == 0 and token.kind in kinds and not closes:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _wraps(tokens: Sequence[Token]) -> bool:
    """Whether the first bracket is closed by the last token."""
    depth = 0
    for place, token in enumerate(tokens):
        depth += (token.kind in _CLOSING) - (token.kind in _CLOSING.values())
        if depth == 0:
            return place == len(tokens) - 1
    return False


def _is_matrix(node: Node) -> bool:
    """Whether np.dot multiplies matrices here, and is no scalar product."""
    return isinstance(node, (Transpose, Matrix)) or (isinstance(node, Array) and node.letter == "W")


def _without_braces_behind(tokens: list[Token]) -> list[Token]:
    """(1){T} as (1)T."""
    if len(tokens) > 3 and tokens[-1].kind == "}" and tokens[-3].kind == "{":
        return [*tokens[:-3], tokens[-2]]
    return tokens


def _is_transpose(tokens: Sequence[Token]) -> bool:
    while len(tokens) > 2 and tokens[0].kind == "{" and tokens[-1].kind == "}":
        tokens = tokens[1:-1]
    return len(tokens) == 1 and (tokens[0].kind == "⊤" or tokens[0].text == "T")


def _is_single_symbol(tokens: Sequence[Token]) -> bool:
    """Whether a letter, or the 1 of an indicator, stands alone in braces."""
    return len(tokens) == 1 and (tokens[0].kind == "name" or tokens[0].text == "1")


def _is_differential(tokens: Sequence[Token]) -> bool:
    if not tokens:
        return False
    first = tokens[0]
    return first.kind == "∂" or (
        first.kind == "name" and first.text.startswith("d") and first.text not in ("delta", "diag")
    )


def _behind_differential(tokens: list[Token]) -> list[Token]:
    """What stands behind the ∂ or d."""
    first = tokens[0]
    if first.kind == "∂" or first.text == "d":
        return tokens[1:]
    rest = Token("name", first.text[1:], first.place, first.start, first.end, True)
    return [rest, *tokens[1:]]


def _plain_number(node: Node) -> Fraction | None:
    match node:
        case Number(value):
            return value
        case Product((Number(sign), Number(value))):
            return sign * value
        case _:
            return None


def _decimal(token: Token, parser: Parser) -> Number:
    text = token.text
    mantissa, _, exponent = text.lower().partition("e")
    if exponent and abs(int(exponent)) > LARGEST_EXPONENT:
        raise parser.refuse(f"a power of ten beyond {LARGEST_EXPONENT}", at=token)
    if not exponent and "." not in mantissa:
        return Number(Fraction(int(mantissa)))
    decimals = len(mantissa.partition(".")[2]) - int(exponent or 0)
    return Number(Fraction(text), max(0, decimals))
