r"""A page as tokens: LaTeX, Unicode, Markdown and Python-like text in one alphabet, with places.

`lexed` turns a stretch of a page into `Token`s.  What the parser sees is the same however it was
typed: ``w₂₁₂`` and ``w_{212}``, ``ŷ`` and ``\hat y``, ``−`` and ``-``, ``\cdot`` and ``·``, ``≤``
and ``\le``.  A character that mathematics does not use, a look-alike from another alphabet or a
control character is refused with its place: `NotRead`.
"""

from __future__ import annotations

import bisect
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from symback.checking.macros import Macros
from symback.language.budget import spend
from symback.language.errors import SymbackError, printable
from symback.language.functions import WORDS
from symback.language.notations import GREEK, GREEK_NAMES

__all__ = ["FUNCTIONS", "MOST_TOKENS", "NotRead", "Place", "Token", "lexed"]

MOST_TOKENS = 4_000
"""Of one statement."""
MOST_DIGITS = 40


class NotRead(SymbackError):
    """A stretch that is not understood: where, why, and how it may be written instead."""

    def __init__(self, reason: str, place: Place | None = None, suggestion: str = "") -> None:
        super().__init__(reason)
        self.place, self.suggestion = place, suggestion


@dataclass(frozen=True, slots=True)
class Place:
    """A line and a column of the page, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Token:
    """``kind``: number, name, command, or the sign itself; ``text`` as the parser knows it.

    ``spaced`` tells whether white space stands before it, ``start`` and ``end`` are its place in
    the source.
    """

    kind: str
    text: str
    place: Place
    start: int
    end: int
    spaced: bool = False


FUNCTIONS = WORDS | {word: word for word in ("diag", "outer", "dot", "norm")}
"""Names of functions as people type them, and as `symback.language.expressions.Call` knows them."""

_LETTERS = dict(zip("αβγδεζηθικλμνξπρστυφχψω", GREEK, strict=True)) | {
    "ϕ": "phi", "ϵ": "epsilon", "Δ": "Delta", "Γ": "Gamma", "Θ": "Theta", "Λ": "Lambda",
    "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega", "ℓ": "ell", "ℒ": "L", "ŷ": "yhat", "Ŷ": "yhat",
    "Σ": "sum", "∑": "sum", "Π": "prod", "∏": "prod", "𝟙": "indicator", "𝟏": "indicator",
    "√": "sqrt",
}  # fmt: skip

_SIGNS = {
    "−": "-", "–": "-", "—": "-", "·": "·", "∙": "·", "⋅": "·", "•": "·", "×": "×", "∗": "*",
    "⊙": "⊙",
    "∘": "⊙", "≈": "≈", "≃": "≈", "≅": "≈", "←": "←", "≤": "<=", "≥": ">=", "≠": "!=",
    "′": "'", "’": "'", "″": "''", "∂": "∂", "∇": "∇", "→": "→", "⇒": "⇒", "⟹": "⇒", "∴": "⇒",
    "‖": "‖", "∈": "in", "⟦": "⟦", "⟧": "⟧", "…": "...", "⋯": "...", "⊗": "⊗", "÷": "/", "½": "½",
}  # fmt: skip
_ALIKE = {"×": "·"}
"""Signs that mean the same, but that a reader may want to tell apart: × stands in shapes too."""
_SUBSCRIPTS = dict(
    zip("₀₁₂₃₄₅₆₇₈₉ₐₑᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ₊₋₌₍₎", "0123456789aeijklmnoprstuvx+-=()", strict=True)
)
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹ⁱʲᵏˡᵐⁿ⁺⁻⁽⁾ᵀᴸ", "0123456789ijklmn+-()TL", strict=True))

_COMMANDS = {
    "cdot": "·", "times": "×", "ast": "*", "bullet": "·", "odot": "⊙", "circ": "⊙", "otimes": "⊗",
    "approx": "≈", "simeq": "≈", "doteq": "≈", "leftarrow": "←", "gets": "←", "coloneqq": ":=",
    "le": "<=", "leq": "<=", "ge": ">=", "geq": ">=", "ne": "!=", "neq": "!=", "lt": "<", "gt": ">",
    "partial": "∂", "nabla": "∇", "prime": "'", "lbrace": "(", "rbrace": ")", "{": "(", "}": ")",
    "lbrack": "[", "rbrack": "]", "lvert": "|", "rvert": "|", "vert": "|", "mid": "|",
    "lVert": "‖", "rVert": "‖", "Vert": "‖", "|": "‖", "in": "in", "ldots": "...", "cdots": "...",
    "dots": "...", "dotsc": "...", "dotsb": "...", "vdots": "...", "implies": "⇒",
    "Rightarrow": "⇒",
    "therefore": "⇒", "because": "⇒", "to": "→", "rightarrow": "→", "longrightarrow": "→",
    "Longrightarrow": "⇒", "iff": "⇒", "Leftrightarrow": "⇒", "div": "/", "equiv": "=", "%": "%",
    "triangleq": ":=", "defeq": ":=", "colon": ":", "star": "⋆", "hadamard": "⊙", "mapsto": "→",
    "top": "⊤", "intercal": "⊤", "quad": "⏐", "qquad": "⏐", "hspace": "⏐", "hfill": "⏐",
    "sum": "sum",
    "prod": "prod", "int": "int",
}  # fmt: skip
"""What a LaTeX command stands for; ⏐ is a wide space."""

_NO_MEANING = {
    ",", ";", ":", "!", " ", ">", "thinspace", "displaystyle", "textstyle", "limits", "nolimits",
    "left", "right", "big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl", "Bigr", "biggl", "biggr",
    "Biggl", "Biggr", "middle", "nonumber", "notag", "scriptstyle", "mathstrut",
    "allowbreak", "noindent", "centering", "bm", "boldsymbol", "mathbf", "mathrm", "mathit", "vec",
    "mathsf", "mathnormal", "pmb", "bf", "rm", "it", "underline", "cancel", "/",
    "boldmath", "blacksquare", "square", "qed", "checkmark", "Box", "qedsymbol", "protect",
    "mathord",
    "mathbin", "mathrel", "ensuremath", "small", "normalsize", "negthinspace",
    "quad,", "hskip", "medspace", "thickspace", "strut", "bigm", "Bigm", "biggm", "overline_",
}  # fmt: skip
"""Commands that change how something looks and not what it means."""

_DROPPED_WITH_ARGUMENT = {
    "tag", "label", "ref", "eqref", "vspace", "color", "cite", "phantom", "hphantom", "vphantom",
}  # fmt: skip
_WORDS = {"text", "textrm", "mbox", "textbf", "textit", "mathrm_", "intertext", "shortintertext",
          "emph", "textnormal", "textsf", "texttt"}  # fmt: skip
_CALLIGRAPHIC = {"mathscr", "mathcal", "mathfrak", "mathbb", "mathds", "mathbbm"}

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,4}(?![\w.]))?|\.[0-9]+")
_OVER_A_SIGN = re.compile(r"\s*\{[^{}]*\}\s*\{\s*(=|\\approx)\s*\}")
"""A remark over an equals sign, and the sign."""
_WORD = re.compile(r"[A-Za-z]+")
DEEPEST_MACRO = 8
"""Macros within macros."""
_TWO_SIGNS = (":=", "==", "<=", ">=", "!=", "**", "<-", "->", "=>", "''", "..", "~=")
_SPELLINGS = {"==": "=", "**": "^", "<-": "←", "->": "→", "=>": "⇒", "~=": "≈", "..": "..."}
_PLAIN_SIGNS = frozenset("+-*/=<>^_()[]{}|,;:.&'!@~%")


def lexed(
    source: str,
    place: Place,
    *,
    latex: bool,
    macros: Macros | None = None,
    functions: Sequence[str] = (),
) -> list[Token]:
    """The tokens of ``source``, which stands at ``place`` of the page.

    In LaTeX a run of letters is a product of letters, but for names of functions; in text it is one
    name.  ``functions`` are names of the network's own, such as swish2.  Raises `NotRead`.

    >>> [token.text for token in lexed("w₂₁₂ − ŷ_1", Place(1, 1), latex=False)]
    ['w', '_', '{', '2', '1', '2', '}', '-', 'yhat', '_', '1']
    """
    lexer = _Lexer(source, place, latex, macros or Macros({}), tuple(functions))
    return list(lexer.tokens())


class _Lexer:
    def __init__(
        self,
        source: str,
        place: Place,
        latex: bool,
        macros: Macros,
        functions: tuple[str, ...],
        depth: int = 0,
    ) -> None:
        self.source, self.latex = source, latex
        self.macros, self.functions, self.depth = macros, functions, depth
        self.first, self.at, self.spaced = place, 0, False
        self._lines = [0] + [m.end() for m in re.finditer("\n", source)]

    def place(self, position: int) -> Place:
        """The place of a position of the source."""
        row = bisect.bisect_right(self._lines, position) - 1
        column = position - self._lines[row] + (self.first.column if row == 0 else 1)
        return Place(self.first.line + row, column)

    def token(self, kind: str, text: str, start: int) -> Token:
        made = Token(kind, text, self.place(start), start, self.at, self.spaced)
        self.spaced = False
        return made

    def refuse(self, reason: str, position: int, suggestion: str = "") -> NotRead:
        return NotRead(reason, self.place(position), suggestion)

    def tokens(self) -> Iterator[Token]:
        """All of them."""
        while self.at < len(self.source):
            spend()
            yield from self._next()

    def _next(self) -> Iterator[Token]:
        source, start = self.source, self.at
        mark = source[start]
        if mark.isspace() or mark in "\u200b\u00a0\u2009\u202f\u2061\u2062":
            self.at, self.spaced = start + 1, True
            return
        if mark == "%" and self.latex:
            end = source.find("\n", start)
            self.at, self.spaced = len(source) if end < 0 else end, True
            return
        if mark == "\\":
            yield from self._command()
        elif mark in _SUBSCRIPTS or mark in _SUPERSCRIPTS:
            yield from self._script()
        elif match := _NUMBER.match(source, start):
            yield from self._number(match)
        elif (own := self._own_function()) is not None:
            self.at = start + len(own)
            yield self.token("name", own, start)
        elif match := _WORD.match(source, start):
            yield from self._word(match[0])
        else:
            yield from self._sign(mark)

    def _own_function(self) -> str | None:
        """The longest name of a function of the network's own that begins here."""
        begun = [name for name in self.functions if self.source.startswith(name, self.at)]
        ends = (name for name in sorted(begun, key=len, reverse=True) if self._ends(len(name)))
        return next(ends, None)

    def _ends(self, size: int) -> bool:
        """Whether a word of that many characters ends where it does."""
        following = self.source[self.at + size : self.at + size + 1]
        return not (following.isalnum() or following == "_")

    def _number(self, match: re.Match[str]) -> Iterator[Token]:
        if sum(mark.isdigit() for mark in match[0]) > MOST_DIGITS:
            raise self.refuse(f"a number of more than {MOST_DIGITS} digits", self.at)
        start = self.at
        self.at = match.end()
        yield self.token("number", match[0], start)

    def _word(self, word: str) -> Iterator[Token]:
        start = self.at
        following = self.source[start + len(word) : start + len(word) + 1]
        if following == "\u0302":  # a combining hat
            word, hat = word[:-1], word[-1] + "hat"
            for letter in word:
                self.at += 1
                yield self.token("name", letter, self.at - 1)
            self.at += 2
            yield self.token("name", hat, self.at - 2)
        elif self.latex:
            yield from self._letters(word)
        elif word == "y" and self.source.startswith("y_hat", start):
            self.at = start + len("y_hat")
            yield self.token("name", "yhat", start)
        else:
            word = "learning_rate" if self.source.startswith("learning_rate", start) else word
            self.at = start + len(word)
            yield self.token("name", word, start)

    def _letters(self, word: str) -> Iterator[Token]:
        """In LaTeX: the name of a function, or letter by letter."""
        start = self.at
        if word in FUNCTIONS or (len(word) > 1 and word in _LATEX_WORDS):
            self.at = start + len(word)
            yield self.token("name", word, start)
            return
        for letter in word:
            self.at += 1
            yield self.token("name", letter, self.at - 1)

    def _script(self) -> Iterator[Token]:
        """A run of raised or lowered characters as a braced script."""
        start = self.at
        table = _SUBSCRIPTS if self.source[start] in _SUBSCRIPTS else _SUPERSCRIPTS
        yield self.token(
            "_" if table is _SUBSCRIPTS else "^", "_" if table is _SUBSCRIPTS else "^", start
        )
        yield self.token("{", "{", start)
        while self.at < len(self.source) and self.source[self.at] in table:
            mark = table[self.source[self.at]]
            self.at += 1
            kind = "number" if mark.isdigit() else "name" if mark.isalpha() else mark
            yield self.token(kind, mark, self.at - 1)
        yield self.token("}", "}", self.at - 1)

    def _sign(self, mark: str) -> Iterator[Token]:
        start = self.at
        pair = self.source[start : start + 2]
        if pair in _TWO_SIGNS:
            self.at = start + (3 if self.source.startswith("...", start) else 2)
            text = _SPELLINGS.get(pair, pair)
            yield self.token(text, text, start)
            return
        self.at = start + 1
        if mark in _SIGNS:
            text = _SIGNS[mark]
            yield self.token(_ALIKE.get(text, text), text, start)
        elif mark in _LETTERS:
            yield self.token("name", _LETTERS[mark], start)
        elif mark in _PLAIN_SIGNS:
            yield self.token(mark, mark, start)
        elif mark in ("⊤", "⊺", "ᵀ"):
            yield self.token("⊤", "⊤", start)
        elif (plain := _mathematical_letter(mark)) is not None:
            yield self.token(
                "number" if plain.isdigit() else "name", _LETTERS.get(plain, plain), start
            )
        else:
            raise self._unknown(mark, start)

    def _unknown(self, mark: str, start: int) -> NotRead:
        name = unicodedata.name(mark, f"U+{ord(mark):04X}")
        shown = printable(mark)
        if "CYRILLIC" in name or "FULLWIDTH" in name or "ARMENIAN" in name:
            return self.refuse(f"{shown} is a letter of another alphabet ({name.lower()})", start,
                               "type the Latin letter")  # fmt: skip
        return self.refuse(f"the character {shown} ({name.lower()}) is not read", start)

    # --------------------------------------------------------------------------- LaTeX commands

    def _command(self) -> Iterator[Token]:
        start = self.at
        match = re.compile(r"\\([A-Za-z]+\*?|.)", re.S).match(self.source, start)
        if match is None:
            raise self.refuse("a backslash at the end", start)
        name = match[1].rstrip("*") if match[1][:1].isalpha() else match[1]
        self.at = match.end()
        if name in self.macros.named:
            if _has_meaning(name) and not self._is_kept(name):
                raise self.refuse(f"the page gives \\{name} another meaning", start,
                                  "choose a new name for the macro")  # fmt: skip
            yield from self._written_out(name, start)
        elif name == "\\":
            self._skip_optional()
            yield self.token("\\\\", "\\\\", start)
        elif name in ("begin", "end"):
            yield self.token(name, self._argument(start).strip().rstrip("*"), start)
        elif name in _WORDS:
            yield self._text(self._argument(start), start)
        elif name in ("operatorname", "mathrm", "mathop"):
            yield from self._upright(start)
        elif name in _CALLIGRAPHIC:
            yield self._calligraphic(start)
        elif name in _DROPPED_WITH_ARGUMENT:
            self._argument(start)
            self.spaced = True
        elif name == "textcolor":
            self._argument(start)
        elif name in ("stackrel", "overset") and (
            match := _OVER_A_SIGN.match(self.source, self.at)
        ):
            self.at = match.end()
            sign = "=" if match[1] == "=" else "≈"
            yield self.token(sign, sign, start)
        elif name in ("hspace", "hskip"):
            self._argument(start)
            yield self.token("⏐", "⏐", start)
        elif name in _NO_MEANING:
            self.spaced = True
            if name in ("left", "right") and self.source.startswith(".", self.at):
                self.at += 1
        elif name == "forall":
            yield self.token("text", "for all", start)
        elif name in _COMMANDS:
            text = _COMMANDS[name]
            kind = "name" if text.isalpha() and text != "in" else _ALIKE.get(text, text)
            yield self.token(kind, text, start)
        elif name in _STRUCTURE:
            yield self.token("command", name, start)
        elif name in FUNCTIONS or name in GREEK_NAMES or name.startswith("var"):
            yield self.token("name", name.removeprefix("var"), start)
        else:
            raise self.refuse(f"the command \\{printable(name)} is not read", start)

    def _is_kept(self, name: str) -> bool:
        r"""Whether a macro only spells its command otherwise, as \epsilon by \varepsilon."""
        macro = self.macros.named[name]
        if macro.arguments:
            return False
        place = self.place(self.at)
        try:
            first, second = (lexed(text, place, latex=True) for text in (f"\\{name}", macro.body))
        except NotRead:
            return False
        return [(t.kind, t.text) for t in first] == [(t.kind, t.text) for t in second]

    def _written_out(self, name: str, start: int) -> Iterator[Token]:
        """The tokens of a macro of the page, all of them where it is used."""
        spaced, count = self.spaced, self.macros.named[name].arguments
        text = self.macros.written(name, [self._braced_or_single(start) for _ in range(count)])
        if text is None or self.depth >= DEEPEST_MACRO:
            raise self.refuse(f"the macro \\{name} grows without end", start)
        inner = _Lexer(
            text, self.place(start), self.latex, self.macros, self.functions, self.depth + 1
        )
        place, end = self.place(start), self.at
        for token in inner.tokens():  # made anew, not replaced: a page may hold thousands
            yield Token(token.kind, token.text, place, start, end, token.spaced or spaced)
            spaced = False
        self.spaced = False

    def _braced_or_single(self, start: int) -> str:
        """The argument of a macro: a group, a command or a single sign."""
        match = re.compile(r"\s*(\\[A-Za-z]+|\\.|[^\s{}\\])").match(self.source, self.at)
        if match is None:
            return self._argument(start)
        self.at = match.end()
        return match[1]

    def _skip_optional(self) -> None:
        r"""The [2pt] after \\."""
        match = re.compile(r"\*?\s*\[[^\]\n]{0,12}(?:pt|em|ex|mm|cm)\]").match(self.source, self.at)
        if match:
            self.at = match.end()

    def _argument(self, start: int) -> str:
        """The braced argument that follows, as text."""
        match = re.compile(r"\s*(?:\*\s*)?\{").match(self.source, self.at)
        if match is None:
            raise self.refuse("a { is missing after the command", start)
        depth, position = 1, match.end()
        while depth and position < len(self.source):
            mark = self.source[position]
            depth += (mark == "{") - (mark == "}")
            position += 2 if mark == "\\" else 1
        if depth:
            raise self.refuse("a } is missing", start)
        self.at = position
        return self.source[match.end() : position - 1]

    def _text(self, words: str, start: int) -> Token:
        plain = words.strip()
        if plain in FUNCTIONS or plain.replace("\\_", "_") in self.functions:
            return self.token("name", plain.replace("\\_", "_"), start)
        return self.token("text", plain, start)

    def _upright(self, start: int) -> Iterator[Token]:
        r"""\mathrm{…}: the name of a function, an upright d or T, or an ordinary group."""
        if not re.compile(r"\s*(?:\*\s*)?\{").match(self.source, self.at):
            self.spaced = True
            return
        before = self.at
        word = self._argument(start).strip().replace("\\,", "").replace("\\_", "_")
        if word in FUNCTIONS or word in self.functions or word in ("d", "T", "new", "old"):
            yield self.token("name", word, start)
        elif word.isalpha() and len(word) > 1:
            yield self.token("text", word, start)
        else:
            self.at = before

    def _calligraphic(self, start: int) -> Token:
        match = re.compile(r"\s*(?:\{\s*([A-Za-z1])\s*\}|([A-Za-z1]))").match(self.source, self.at)
        if match is None:
            raise self.refuse("a single letter is expected here", start)
        self.at = match.end()
        letter = match[1] or match[2]
        return self.token("name", "indicator" if letter in "1I" else letter, start)


_STRUCTURE = {
    "frac", "dfrac", "tfrac", "cfrac", "nicefrac", "sfrac", "hat", "widehat", "tilde", "bar",
    "sqrt",
    "boxed", "fbox", "underbrace", "overbrace", "overset", "underset", "stackrel", "overline",
    "dot",
    "substack", "limits", "not", "binom", "color", "ddot", "widetilde", "underline", "cancel",
    "mathcolor",
}  # fmt: skip


def _has_meaning(name: str) -> bool:
    """Whether a command means something by itself, so that a page may not define it anew."""
    structure = name in _STRUCTURE or name in _WORDS or name in _CALLIGRAPHIC
    letter = name in FUNCTIONS or name.removeprefix("var") in GREEK_NAMES
    reads = name in ("begin", "end", "\\", "operatorname", "mathop", "forall", "over")
    return structure or letter or reads or name in _COMMANDS


_LATEX_WORDS = {"lr", "yhat", "eta", "sum", "prod"}


@lru_cache(maxsize=512)
def _mathematical_letter(mark: str) -> str | None:
    """The plain letter behind 𝐖, 𝑎, 𝒽 and the like."""
    if not (0x1D400 <= ord(mark) <= 0x1D7FF or mark in "ℎℬℰℱℋℐℳℛℯℊℴ"):
        return None
    plain = unicodedata.normalize("NFKC", mark)
    return plain if len(plain) == 1 else None
