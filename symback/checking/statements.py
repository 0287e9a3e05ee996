"""Rows as statements: cut at commas, words and wide spaces, without numbers and remarks.

Here one can

* cut a row: `cut`;
* look at the letters of a statement's subscripts: `letters_below`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from symback.checking.conditions import Condition
from symback.checking.lexing import FUNCTIONS, NotRead, Place, Token
from symback.checking.parsing import RELATIONS
from symback.checking.rows import ARITHMETIC, Layout, Row
from symback.checking.symbols import Symbols
from symback.language.budget import spend
from symback.language.notations import GREEK_NAMES

__all__ = ["CLOSES", "OPENS", "Statement", "cut", "letters_below"]


@dataclass(slots=True)
class Statement:
    """A stretch of a row that may be a claim, and what stands around it."""

    tokens: list[Token]
    kind: str
    latex: bool
    source: str
    place: Place
    failed: NotRead | None = None
    words: list[Token] = field(default_factory=list)
    before: str = ""
    """The words between the statement before and this one."""
    led_by: tuple[str, ...] = ()
    """All words since the statement before, those of a paragraph among them."""
    row: int = 0
    condition: Condition | None = None
    holds_for: tuple[Condition, ...] = ()
    """The conditions that the statement stands under."""


def cut(row: Row, layout: Layout, symbols: Symbols) -> Iterator[Statement]:
    """A row cut at commas, wide spaces, words and arrows."""
    latex = row.kind in ("display", "inline", "latex")
    place = layout.first_sign(row.start)
    if row.failed is not None or row.kind == "prose":
        yield Statement([], row.kind, latex, row.source, place, row.failed)
        return
    tokens = _without_spacing(
        _with_steps(_without_remark(_without_number(_unboxed(row.tokens)), symbols))
    )
    tokens = _with_condition_apart(tokens, symbols)
    comma = _decimal_comma(tokens)
    if comma is not None:
        failed = NotRead("a comma between digits has two readings", comma.place,
                         "write 0.5, or a space behind the comma")  # fmt: skip
        yield Statement([], row.kind, latex, row.source, place, failed)
        return
    words = [token for token in tokens if token.kind == "text"]
    pieces = [piece for piece in _cut(tokens, latex=latex) if piece]
    pieces = _with_lists_whole(pieces)
    before = _words_before(tokens, [piece[0] for piece in pieces])
    for piece in pieces:
        spend()
        source = layout.between(piece) or row.source
        said = before[id(piece[0])]
        yield Statement(piece, row.kind, latex, source, piece[0].place, words=words, before=said)
    if not pieces:
        yield Statement([], "prose", latex, row.source, place)


def _with_condition_apart(tokens: list[Token], symbols: Symbols) -> list[Token]:
    """Indices compared in brackets at the end of a row, as in … (i ≠ j), say when it holds."""
    if len(tokens) < 6 or tokens[-1].kind != ")" or tokens[-5].kind != "(":
        return tokens
    left, relation, right = tokens[-4:-1]
    compared = relation.kind in ("=", "!=") and symbols.is_index([left], number=True)
    if not compared or not symbols.is_index([right], number=True) or not tokens[-5].spaced:
        return tokens
    space = replace(tokens[-5], kind="⏐", text="⏐")
    return [*tokens[:-5], space, left, relation, right]


def _lists_indices(tokens: Sequence[Token], place: int) -> bool:
    """Whether the comma stands within indices typed close together, as in w_2,11,3."""
    if place + 1 == len(tokens) or tokens[place + 1].spaced or not tokens[place + 1].text.isdigit():
        return False
    for before in reversed(tokens[: place + 1]):
        if before.kind == "_":
            return True
        if before.spaced or before.kind not in ("number", "name", ","):
            return False
    return False


def _cut(tokens: Sequence[Token], *, latex: bool) -> Iterator[list[Token]]:
    """The pieces between commas, words, wide spaces and arrows that are in no bracket."""
    piece: list[Token] = []
    depth = 0
    for place, token in enumerate(tokens):
        closes = token.kind in CLOSES
        depth += (token.kind in OPENS) - closes
        ends = token.kind in (",", ";", "⏐", "text", "⇒", "→", ":") and depth <= 0
        if token.kind == "." and depth <= 0:
            following = tokens[place + 1] if place + 1 < len(tokens) else None
            attached = following is not None and not following.spaced and following.kind == "name"
            ends = not attached
        elif token.kind == "," and ends and not latex:
            ends = not _lists_indices(tokens, place)
        if ends and not closes:
            yield piece
            piece = []
        else:
            piece.append(token)
    yield piece


def _decimal_comma(tokens: Sequence[Token]) -> Token | None:
    """The comma of 0,56, which is no list such as i = 1,2."""
    depth = 0
    for place, token in enumerate(tokens):
        depth += (token.kind in OPENS) - (token.kind in CLOSES)
        if token.kind != "," or depth or not 0 < place < len(tokens) - 1:
            continue
        before, after = tokens[place - 1], tokens[place + 1]
        numbers = before.text.isdigit() and after.kind == "number"
        close = before.end == token.start and token.end == after.start
        listed = place > 1 and tokens[place - 2].kind in (",", "_", "in", "...")
        ranged = place > 2 and tokens[place - 2].kind == "=" and tokens[place - 3].text in "ijklmn"
        if numbers and close and not (listed or ranged or _lists_indices(tokens, place)):
            return token
    return None


def letters_below(tokens: Sequence[Token]) -> Iterator[str]:
    """The letters of the subscripts of a statement."""
    depth = 0
    for place, token in enumerate(tokens):
        if depth:
            depth += (token.kind == "{") - (token.kind == "}")
        elif place and tokens[place - 1].kind == "_":
            depth = int(token.kind == "{")
            yield from token.text if token.kind == "name" and len(token.text) < 5 else ""
        elif token.kind == "^":
            yield from (t.text for t in tokens[place + 1 : place + 4] if t.text in ("k", "l"))
        if depth and token.kind == "name":
            yield from (token.text,) if token.text == "ell" else token.text


def _words_before(tokens: Sequence[Token], firsts: Sequence[Token]) -> dict[int, str]:
    """The words that stand directly before some of the tokens, by the identity of those."""
    made = dict.fromkeys(map(id, firsts), "")
    found: list[str] = []
    for token in tokens:
        if id(token) in made:
            made[id(token)] = " ".join(found)
        if token.kind == "text":
            found.append(token.text)
        elif token.kind not in (",", ";", ":", ".", "⏐", "⇒", "→", "⇔"):
            found = []
    return made


def _with_lists_whole(pieces: list[list[Token]]) -> list[list[Token]]:
    """A range such as i = 1, 2, …, n is one piece again."""
    made: list[list[Token]] = []
    for piece in pieces:
        listed = all(t.kind in ("number", "...", "name") for t in piece) and len(piece) == 1
        begun = (
            made
            and len(made[-1]) >= 3
            and made[-1][0].kind == "name"
            and made[-1][1].kind in ("=", "in")
        )
        if listed and begun and len(made[-1][0].text) == 1:
            made[-1] = [*made[-1], *piece]
        else:
            made.append(piece)
    return made


def _unboxed(tokens: list[Token]) -> list[Token]:
    """The statement without a box around a whole relation."""
    made: list[Token] = []
    closing: list[int] = []
    depth = 0
    for place, token in enumerate(tokens):
        following = tokens[place + 1] if place + 1 < len(tokens) else None
        if token.kind == "command" and token.text in ("boxed", "fbox") and following is not None:
            closing.append(-1)
            continue
        depth += (token.kind == "{") - (token.kind == "}")
        if token.kind == "{" and closing and closing[-1] == -1:
            closing[-1] = depth
        elif token.kind == "}" and closing and closing[-1] == depth + 1:
            closing.pop()
        else:
            made.append(token)
    return made


def _without_number(tokens: list[Token]) -> list[Token]:
    """The statement without (1) in front; one behind has two readings."""
    if len(tokens) > 4 and [t.kind for t in tokens[:3]] == ["(", "number", ")"]:
        after = tokens[3]
        if (
            after.spaced
            and after.kind in ("∂", "name", "command", "∇")
            and tokens[1].text.isdigit()
        ):
            return tokens[3:]
    if len(tokens) > 5 and [t.kind for t in tokens[-3:]] == ["(", "number", ")"]:
        before = tokens[-4]
        if before.kind == "⏐" and tokens[-2].text.isdigit():
            return tokens[:-4]
        if tokens[-3].spaced and tokens[-2].text.isdigit() and before.kind not in (
            "+", "-", "·", "*", "/", "="
        ) and before.kind != ")":  # fmt: skip
            raise_place = tokens[-3].place
            tokens = tokens[:-3]
            marker = Token("bad-number", "a number in brackets at the end", raise_place, 0, 0)
            return [*tokens, marker]
    return tokens


def _without_remark(tokens: list[Token], symbols: Symbols) -> list[Token]:
    """The statement without a remark behind it in brackets: [i = 1…4], [by the chain rule].

    A reason with a formula, [since Σ_i ŷ_i = 1] as symback gives them, is one too.
    """
    if not tokens or tokens[-1].kind not in ("]", ")"):
        return tokens
    place = _opening(tokens)
    says_why = place and tokens[place + 1].text.lower() in REASONS and tokens[place].spaced
    if says_why and not any(t.kind in ("<", ">", "<=", ">=") for t in tokens[place:]):
        return tokens[:place]  # (as a_11 > 0) says when, and not only why
    opening = {"]": "[", ")": "("}[tokens[-1].kind]
    start = max((k for k, token in enumerate(tokens) if token.kind == opening), default=0)
    inner = tokens[start + 1 : -1]
    ranged = any(t.kind == "=" for t in inner) and any(t.kind == "..." for t in inner)
    named = any(t.text in FUNCTIONS and len(t.text) > 3 for t in inner)
    words = all(_is_word(t, symbols) or (named and _is_abbreviation(t)) for t in inner)
    if not start or not (ranged or (inner and words)):
        return tokens
    apart = tokens[start].start - tokens[start - 1].end
    said = named or any(t.kind == "text" for t in inner)
    return tokens[:start] if ranged or apart > 1 or (apart and said) else tokens


def _opening(tokens: list[Token]) -> int:
    """Where the bracket opens that the last token closes; 0 where it does not."""
    depth = 0
    for place in range(len(tokens) - 1, 0, -1):
        depth += (tokens[place].kind in CLOSES) - (tokens[place].kind in OPENS)
        if not depth:
            return place
    return 0


REASONS = frozenset(("since", "because", "using", "by", "from", "as"))
"""A bracket behind a formula that begins with one of them says why the formula holds."""


def _is_abbreviation(token: Token) -> bool:
    """In (softmax + CE): the function, which has no argument, the sign, and the loss."""
    function = token.text in FUNCTIONS and len(token.text) > 3
    return function or token.kind in ("+", "/") or (token.kind == "name" and token.text.isupper())


def _is_word(token: Token, symbols: Symbols) -> bool:
    """Whether a token is a word that is no quantity, function or sign spelled out."""
    text = token.text.lower()
    if token.kind == "text":
        return text not in ARITHMETIC
    known = text in GREEK_NAMES or text in FUNCTIONS or text in ARITHMETIC or text[-3:] == "hat"
    quantity = symbols.means_quantity(token.text) or symbols.begins_quantity(token.text[1:])
    named = symbols.is_defined(token.text) or symbols.begins_quantity(token.text)
    return token.kind == "name" and len(text) > 3 and not (known or quantity or named)


def _with_steps(tokens: list[Token]) -> list[Token]:
    """w → w - η ∂L/∂w, as Nielsen writes a step, with the arrow of a step."""
    place = next((k for k, token in enumerate(tokens) if token.kind == "→"), None)
    if not place or any(token.kind in RELATIONS for token in tokens[:place]):
        return tokens
    if not any(token.text == "eta" for token in tokens[place:]):
        return tokens
    return [*tokens[:place], replace(tokens[place], kind="←", text="←"), *tokens[place + 1 :]]


def _without_spacing(tokens: list[Token]) -> list[Token]:
    """The statement without empty braces and without wide spaces beside an operator."""
    empty = {
        place
        for place, (first, second) in enumerate(itertools.pairwise(tokens))
        if first.kind == "{" and second.kind == "}"
        if not place or tokens[place - 1].kind not in ("_", "^")
    }
    solid: list[Token] = []
    depth = 0
    for place, token in enumerate(tokens):
        depth += (token.kind in OPENS) - (token.kind in CLOSES)
        again = bool(solid) and solid[-1].kind == "⏐"
        if place in empty or place - 1 in empty or (token.kind == "⏐" and (again or depth > 0)):
            continue
        solid.append(token)
    kinds = ["", *(token.kind for token in solid), ""]
    return [
        token
        for place, token in enumerate(solid, start=1)
        if token.kind != "⏐" or not {kinds[place - 1], kinds[place + 1]} & _OPERATORS
    ]


OPENS = frozenset(("(", "[", "{", "begin", "⟦"))
CLOSES = frozenset((")", "]", "}", "end", "⟧"))
_OPERATORS = frozenset(("+", "-", "·", "*", "/", "⊙", "=", "≈", "←", ":="))
