r"""A page as tokens: LaTeX, Unicode, Markdown and Python-like text in one alphabet, with places.

Here one can

* turn a stretch of a page into `Token`s: `lexed`.  What the parser sees is the same however it was
  typed: ``w₂₁₂`` and ``w_{212}``, ``ŷ`` and ``\hat y``, ``−`` and ``-``, ``\cdot`` and ``·``;
* take the page's own macros off it (``\newcommand{\yh}{\hat y}``): `without_macros`.  Blanks stand
  in their place, so that all places stay; the uses are written out by `lexed`;
* cut tokens at signs that stand in no bracket: `split`.

A character that mathematics does not use, a look-alike from another alphabet or a control character
is refused with its place: `NotRead`.
"""

from __future__ import annotations

import bisect
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from symback.language.budget import spend
from symback.language.errors import SymbackError, printable
from symback.language.functions import WORDS
from symback.language.names import GREEK, GREEK_NAMES

MOST_TOKENS = 4_000
"""Of one statement."""
MOST_DIGITS = 40
LARGEST_KEPT = 2_000
"""The characters of a stretch whose tokens are kept for the next reading of its page."""
DEEPEST_MACRO = 8
"""Macros within macros."""
MOST_WRITTEN = 30_000
"""The characters that all uses of macros on a page may come to."""


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


CLOSING = {"(": ")", "[": "]", "{": "}", "⟦": "⟧"}
OPENS = frozenset((*CLOSING, "begin"))
CLOSES = frozenset((*CLOSING.values(), "end"))
RELATIONS = ("=", "≈", "←", ":=")
"""What stands between two sides of a claim."""
COMPARISONS = ("=", "!=", "<", ">", "<=", ">=")


def split(tokens: Sequence[Token], kinds: Collection[str]) -> list[list[Token]]:
    """The stretches between tokens of ``kinds`` that are in no bracket."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        closes = token.kind in CLOSES
        depth += (token.kind in OPENS) - closes
        if depth == 0 and token.kind in kinds and not closes:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


# ----------------------------------------------------------------------------------- the alphabet

FUNCTIONS = WORDS | {word: word for word in ("diag", "outer", "dot", "norm")}
"""Names of functions as people type them, and as `symback.language.expressions.Call` knows them."""

_LETTERS = {letter: name for name, letter in GREEK.items() if name in GREEK_NAMES} | {
    "ϕ": "phi", "ϵ": "epsilon", "ℓ": "ell", "ℒ": "L", "ŷ": "yhat", "Ŷ": "Yhat", "ℝ": "R",
    "Σ": "Σ", "∑": "Σ", "Π": "Π", "∏": "Π", "𝟙": "indicator", "𝟏": "indicator",
    "√": "sqrt",
}  # fmt: skip
_SIGNS = {
    "−": "-", "–": "-", "—": "-", "·": "·", "∙": "·", "⋅": "·", "•": "·", "×": "×", "∗": "*",
    "⊙": "⊙", "∘": "⊙", "≈": "≈", "≃": "≈", "≅": "≈", "←": "←", "≤": "<=", "≥": ">=", "≠": "!=",
    "′": "'", "’": "'", "″": "''", "∂": "∂", "∇": "∇", "→": "→", "⇒": "⇒", "⟹": "⇒", "∴": "⇒",
    "‖": "‖", "∈": "in", "⟦": "⟦", "⟧": "⟧", "…": "...", "⋯": "...", "⊗": "⊗", "÷": "/", "½": "½",
    "⊤": "⊤", "⊺": "⊤", "∝": "∝", "⁄": "/", "∕": "/", "∣": "|", "‐": "-", "‑": "-",
    "≔": ":=", "≜": ":=", "⇔": "⇒",
    "：": ":", "，": ",", "；": ";", "。": ".", "、": ",", "（": "(", "）": ")",
    **{mark: mark for mark in "+-*/=<>^_()[]{}|,;:.&'!@~%"},
}  # fmt: skip
_TWO_SIGNS = {
    ":=": ":=", "==": "=", "<=": "<=", ">=": ">=", "!=": "!=", "**": "^", "<-": "←", "->": "→",
    "=>": "⇒", ".*": "⊙", ".^": "^", "''": "''", "..": "...", "~=": "≈",
}  # fmt: skip
_ALIKE = {"×": "·"}
"""Signs that mean the same, but that a reader may want to tell apart: × stands in shapes too."""
_SUBSCRIPTS = dict(
    zip("₀₁₂₃₄₅₆₇₈₉ₐₑᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ₊₋₌₍₎", "0123456789aeijklmnoprstuvx+-=()", strict=True)
)
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹ⁱʲᵏˡᵐⁿ⁺⁻⁽⁾ᵀᴸ", "0123456789ijklmn+-()TL", strict=True))
_BLANKS = "\u00a0\u2009\u202f\u2061\u2062"
_WIDTHLESS = frozenset("\u200b\u200c\u200d\u2060\ufeff\u00ad")
"""What a copied page may hold between any two signs, and nobody sees."""

_COMMANDS = {
    "cdot": "·", "times": "×", "ast": "*", "bullet": "·", "odot": "⊙", "circ": "⊙", "otimes": "⊗",
    "approx": "≈", "simeq": "≈", "doteq": "≈", "leftarrow": "←", "gets": "←", "coloneqq": ":=",
    "le": "<=", "leq": "<=", "ge": ">=", "geq": ">=", "ne": "!=", "neq": "!=", "lt": "<", "gt": ">",
    "partial": "∂", "nabla": "∇", "prime": "'", "lbrace": "(", "rbrace": ")", "{": "(", "}": ")",
    "lbrack": "[", "rbrack": "]", "lvert": "|", "rvert": "|", "vert": "|", "mid": "|",
    "lVert": "‖", "rVert": "‖", "Vert": "‖", "|": "‖", "in": "in", "ldots": "...", "cdots": "...",
    "dots": "...", "dotsc": "...", "dotsb": "...", "vdots": "...", "implies": "⇒",
    "Rightarrow": "⇒", "therefore": "⇒", "because": "⇒", "to": "→", "rightarrow": "→",
    "longrightarrow": "→", "Longrightarrow": "⇒", "iff": "⇒", "Leftrightarrow": "⇒", "div": "/",
    "equiv": "=", "%": "%", "triangleq": ":=", "defeq": ":=", "colon": ":", "star": "⋆",
    "hadamard": "⊙", "bigodot": "⊙", "mapsto": "→", "top": "⊤", "intercal": "⊤", "quad": "⏐",
    "qquad": "⏐", "hfill": "⏐", "_": "_", "sum": "Σ", "prod": "Π", "int": "int", "propto": "∝",
    "*": "*",
}  # fmt: skip
"""What a LaTeX command stands for; ⏐ is a wide space."""

_NO_MEANING = set(
    r""", ; : ! > / thinspace displaystyle textstyle limits nolimits left right big Big bigg Bigg
    bigl bigr Bigl Bigr biggl biggr Biggl Biggr middle nonumber notag scriptstyle mathstrut
    allowbreak noindent centering bm boldsymbol mathbf mathit vec mathsf mathnormal pmb bf rm it
    underline cancel bcancel xcancel IEEEyesnumber IEEEnonumber IEEEeqnarraynumspace
    boldmath blacksquare square qed checkmark Box qedsymbol protect mathord
    mathbin mathrel ensuremath small normalsize negthinspace medspace thickspace strut bigm Bigm
    biggm tiny footnotesize large Large LARGE huge Huge cal space nobreakspace displaylimits
    """.split()
) | {" "}
"""Commands that change how something looks and not what it means."""

_DROPPED = set("tag label ref eqref vspace color cite phantom hphantom vphantom".split())
"""Commands that are dropped with their argument."""
_COLOURED = {"textcolor": 1, "colorbox": 1, "fcolorbox": 2}
"""Commands with so many arguments for a colour before the formula."""
_DIFFERENTIALS = frozenset("pdv dv odv partialderivative derivative pderiv diffp diff pd".split())
r"""What \pdv{L}{w} and its like are called by packages; a page may define them anew."""
_WORDS = set(
    "text textrm mbox textbf textit intertext shortintertext emph textnormal textsf texttt".split()
)
_CALLIGRAPHIC = set("mathscr mathcal mathfrak mathbb mathds mathbbm".split())
_STRUCTURE = set(
    """frac dfrac tfrac cfrac nicefrac sfrac hat widehat tilde bar sqrt boxed fbox underbrace
    overbrace overset underset stackrel overline dot substack limits not binom color ddot widetilde
    underline cancel mathcolor over""".split()
)
"""Commands that the parser reads."""
_MEANINGFUL = {
    *_STRUCTURE, *_WORDS, *_CALLIGRAPHIC, *FUNCTIONS, *GREEK_NAMES, *_COMMANDS, "hspace",
    *(f"var{letter}" for letter in GREEK_NAMES),
    "begin", "end", "\\", "operatorname", "mathop", "forall",
}  # fmt: skip
"""Commands that mean something by themselves, so that a page may not define them anew."""
_LATEX_WORDS = {"lr", "yhat", "eta", "sum", "prod"}

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,4}(?![\w.]))?|\.[0-9]+")
_WORD = re.compile(r"[A-Za-z]+")
_COMMAND = re.compile(r"\\([A-Za-z]+\*?|.)", re.S)
_FOREIGN = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3]+"
    r"|(?=[A-Za-z]*[À-ÁÃ-ÉË-ÍÏ-ÓÕ-ÖØ-ÚÜ-áã-éë-íï-óõ-öø-úü-ÿ])[A-Za-zÀ-ÖØ-öø-ÿ]{3,}"
)
"""A word of a language that has other letters; one with a hat may be ŷ."""
_ENGLISH = {
    "若": "if", "如果": "if", "当": "when", "當": "when", "否则": "otherwise", "其他": "otherwise",
    "其它": "otherwise", "假设": "suppose", "假設": "suppose", "만약": "if", "もし": "if",
}  # fmt: skip
"""What a word begins with that makes a condition."""
_OPENED = re.compile(r"\s*(?:\*\s*)?\{")
_OVER_A_SIGN = re.compile(r"\s*\{[^{}]*\}\s*\{\s*(=|\\approx)\s*\}")
"""A remark over an equals sign, and the sign."""
_SKIP = re.compile(r"\*?\s*\[[^\]\n]{0,12}(?:pt|em|ex|mm|cm)\]")
r"""The [2pt] after \\."""
_SINGLE = re.compile(r"\s*(\\[A-Za-z]+|\\.|[^\s{}\\])")
"""The argument of a macro without braces: a command or a single sign."""
_NARROW = re.compile(r"-.*|0?\.\d+\s*(?:em|cm|in)|\.?[0-9](?:\.\d+)?\s*(?:pt|mu|ex|mm|px)")
_ONE_LETTER = re.compile(r"\s*(?:\{\s*([A-Za-z1])\s*\}|([A-Za-z1]))")


def _function(word: str) -> str:
    """The name of a function as it is known, however it is capitalised; any other word as it is."""
    return word.lower() if word not in FUNCTIONS and word.lower() in FUNCTIONS else word


@lru_cache(maxsize=512)
def _mathematical_letter(mark: str) -> str | None:
    """The plain letter behind 𝐖, 𝑎, 𝒽 and the like."""
    if not (0x1D400 <= ord(mark) <= 0x1D7FF or mark in "ℎℬℰℱℋℐℳℛℯℊℴ"):
        return None
    plain = unicodedata.normalize("NFKC", mark)
    return plain if len(plain) == 1 else None


# ------------------------------------------------------------------------------------------ macros

_DEFINING = re.compile(
    r"\\(?:re|provide)?newcommand\*?\s*(?:\{\s*\\([A-Za-z]+)\s*\}|\\([A-Za-z]+))\s*(?:\[(\d)\]\s*)?\{"
    r"|\\def\s*\\([A-Za-z]+)((?:#\d)*)\s*\{"
    r"|\\DeclareMathOperator\*?\s*\{\s*\\([A-Za-z]+)\s*\}\s*\{"
)


@dataclass(slots=True)
class Macros:
    """The macros of a page by name, each as the number of its arguments and its body.

    ``left`` is how many characters their uses may still come to.
    """

    named: dict[str, tuple[int, str]]
    left: int = MOST_WRITTEN

    def written(self, name: str, arguments: Sequence[str]) -> str | None:
        r"""One use written out; None where the page has used up what it may.

        >>> Macros({"d": (2, r"\frac{#1}{#2}")}).written("d", ["L", "w_{212}"])
        '\\frac{L}{w_{212}}'
        """
        given = {str(number): text for number, text in enumerate(arguments, start=1)}
        text = re.sub(r"#([1-9])", lambda mark: given.get(mark[1], ""), self.named[name][1])
        self.left -= len(text) + 1
        return text if self.left >= 0 else None


def without_macros(text: str) -> tuple[str, Macros]:
    r"""The page without its definitions, and what they define.

    >>> page, macros = without_macros(r"\newcommand{\yh}{\hat y} $\yh_1$")
    >>> page.strip(), macros.named["yh"]
    ('$\\yh_1$', (0, '\\hat y'))
    """
    found: dict[str, tuple[int, str]] = {}
    while (opening := _DEFINING.search(text)) is not None:
        spend(1 + len(text) // 1000)  # the text is written anew
        end = _closing(text, opening.end())
        if end is None:
            break
        braced, bare, count, plain, parameters, operator = opening.groups()
        body = text[opening.end() : end - 1]
        if operator:
            found[operator] = 0, rf"\operatorname{{{body}}}"
        elif plain:
            found[plain] = parameters.count("#"), body
        else:
            found[braced or bare] = int(count or 0), body
        blank = re.sub(r"[^\n]", " ", text[opening.start() : end])
        text = text[: opening.start()] + blank + text[end:]
    return text, Macros(found)


def _closing(text: str, start: int) -> int | None:
    """The position behind the brace that closes the one which is open at ``start``."""
    depth, position = 1, start
    while depth and position < len(text):
        mark = text[position]
        depth += (mark == "{") - (mark == "}")
        position += 2 if mark == "\\" else 1
    return None if depth else position


# ------------------------------------------------------------------------------------------ lexing


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
    if len(source) > LARGEST_KEPT or (macros is not None and macros.named):
        return list(_Lexer(source, place, latex, macros or Macros({}), functions).tokens())
    return list(_lexed(source, place, latex, tuple(functions)))


@lru_cache(maxsize=1024)
def _lexed(source: str, place: Place, latex: bool, functions: tuple[str, ...]) -> tuple[Token, ...]:
    """The tokens of a stretch without macros, kept: a page is read in many notations."""
    return tuple(_Lexer(source, place, latex, Macros({}), functions).tokens())


class _Lexer:
    def __init__(
        self,
        source: str,
        place: Place,
        latex: bool,
        macros: Macros,
        functions: Sequence[str],
        depth: int = 0,
    ) -> None:
        self.source, self.latex, self.macros, self.depth = source, latex, macros, depth
        self.functions = sorted(functions, key=len, reverse=True)
        self.first, self.at, self.spaced = place, 0, False
        self._lines = [0] + [match.end() for match in re.finditer("\n", source)]

    def place(self, position: int) -> Place:
        """The place of a position of the source."""
        row = bisect.bisect_right(self._lines, position) - 1
        column = position - self._lines[row] + (self.first.column if row == 0 else 1)
        return Place(self.first.line + row, column)

    def token(self, kind: str, text: str, start: int, end: int | None = None) -> Token:
        """A token up to ``end``, or up to where the lexer has come."""
        self.at = self.at if end is None else end
        spaced, self.spaced = self.spaced, False
        return Token(kind, text, self.place(start), start, self.at, spaced)

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
        if mark.isspace() or mark in _BLANKS or (mark == "~" and self.latex):
            self.at, self.spaced = start + 1, True
        elif mark in _WIDTHLESS or (mark == "$" and self.latex):  # of \colorbox{yellow}{$…$}
            self.at = start + 1
        elif mark == "%" and self.latex:
            end = source.find("\n", start)
            self.at, self.spaced = len(source) if end < 0 else end, True
        elif mark == "\\":
            yield from self._command()
        elif mark in _SUBSCRIPTS or mark in _SUPERSCRIPTS:
            yield from self._script("_" if mark in _SUBSCRIPTS else "^")
        elif match := _NUMBER.match(source, start):
            if sum(mark.isdigit() for mark in match[0]) > MOST_DIGITS:
                raise self.refuse(f"a number of more than {MOST_DIGITS} digits", start)
            yield self.token("number", match[0], start, match.end())
        elif own := next(filter(self._stands_here, self.functions), None):
            yield self.token("name", own, start, start + len(own))
        elif match := _FOREIGN.match(source, start):
            word = next(filter(match[0].startswith, _ENGLISH), match[0])
            yield self.token("text", _ENGLISH.get(word, word), start, match.end())
        elif match := _WORD.match(source, start):
            yield from self._word(match[0])
        else:
            yield self._sign(mark)

    def _stands_here(self, name: str) -> bool:
        """Whether a word is ``name``, to its end."""
        following = self.source[self.at + len(name) : self.at + len(name) + 1]
        ends = not (following.isalnum() or following == "_")
        return ends and self.source.startswith(name, self.at)

    def _word(self, word: str) -> Iterator[Token]:
        """A name; in LaTeX the name of a function, or letter by letter."""
        start, end = self.at, self.at + len(word)
        longer = ("y_hat", "learning_rate")
        spelled = next((name for name in longer if self.source.startswith(name, start)), "")
        if self.source.startswith("\u0302", end):  # a combining hat
            for position in range(start, end - 1):
                yield self.token("name", self.source[position], position, position + 1)
            yield self.token("name", word[-1] + "hat", end - 1, end + 1)
        elif self.latex and word == "np" and self.source.startswith(".", end):
            yield self.token("name", word, start, end)
        elif word.lower() in FUNCTIONS and self.source.startswith("(", end):  # Sigmoid(z)
            yield self.token("name", _function(word), start, end)
        elif self.latex and word not in FUNCTIONS and word not in _LATEX_WORDS:
            for position in range(start, end):
                yield self.token("name", self.source[position], position, position + 1)
        elif spelled and not self.latex:
            yield self.token("name", spelled.replace("y_hat", "yhat"), start, start + len(spelled))
        else:
            yield self.token("name", word, start, end)

    def _script(self, mark: str) -> Iterator[Token]:
        """A run of raised or lowered characters as a braced script."""
        start = self.at
        table = _SUBSCRIPTS if mark == "_" else _SUPERSCRIPTS
        yield self.token(mark, mark, start)
        yield self.token("{", "{", start)
        while self.at < len(self.source) and self.source[self.at] in table:
            plain = table[self.source[self.at]]
            kind = "number" if plain.isdigit() else "name" if plain.isalpha() else plain
            yield self.token(kind, plain, self.at, self.at + 1)
        yield self.token("}", "}", self.at - 1)

    def _sign(self, mark: str) -> Token:
        start = self.at
        if (text := _TWO_SIGNS.get(self.source[start : start + 2])) is not None:
            size = 3 if self.source.startswith("...", start) else 2
            return self.token(text, text, start, start + size)
        if (text := _SIGNS.get(mark)) is not None:
            return self.token(_ALIKE.get(text, text), text, start, start + 1)
        if (text := _LETTERS.get(mark) or _mathematical_letter(mark)) is not None:
            if text in _SIGNS:  # 𝜕
                return self.token(_SIGNS[text], _SIGNS[text], start, start + 1)
            kind = "number" if text.isdigit() else "name"
            hatted = kind == "name" and self.source.startswith("\u0302", start + 1)
            name = _LETTERS.get(text, text) + "hat" * hatted
            return self.token(kind, name, start, start + 1 + hatted)
        name = unicodedata.name(mark, f"U+{ord(mark):04X}")
        shown = printable(mark)
        if "CYRILLIC" in name or "FULLWIDTH" in name or "ARMENIAN" in name:
            raise self.refuse(f"{shown} is a letter of another alphabet ({name.lower()})", start,
                              "type the Latin letter")  # fmt: skip
        raise self.refuse(f"the character {shown} ({name.lower()}) is not read", start)

    # --------------------------------------------------------------------------- LaTeX commands

    def _command(self) -> Iterator[Token]:
        start = self.at
        match = _COMMAND.match(self.source, start)
        if match is None:
            raise self.refuse("a backslash at the end", start)
        name = match[1].rstrip("*") if match[1][0].isalpha() else match[1]
        self.at = match.end()
        if name in self.macros.named:
            yield from self._written_out(name, start)
        elif name == "\\":
            if skip := _SKIP.match(self.source, self.at):
                self.at = skip.end()
            yield self.token("\\\\", "\\\\", start)
        elif name in ("begin", "end"):
            yield self.token(name, self._argument(start).strip().rstrip("*"), start)
        elif name in _WORDS:
            words = self._argument(start).strip()
            words = _function(words)  # \text{Sigmoid}
            own = words.replace("\\_", "_")
            if (sign := words.removeprefix("\\")) in ("*", "+", "-", "−", "="):  # \text{+}
                sign = _SIGNS[sign]
                yield self.token(sign, sign, start)
            elif words in FUNCTIONS or own in self.functions:
                yield self.token("name", own, start)
            else:
                yield self.token("text", words, start)
        elif name in ("operatorname", "mathrm", "mathop"):
            yield from self._upright(start)
        elif name in _CALLIGRAPHIC:
            letter = _ONE_LETTER.match(self.source, self.at)
            if letter is None:
                raise self.refuse("a single letter is expected here", start)
            text = letter[1] or letter[2]
            text = "indicator" if text in "1I" else text
            yield self.token("name", text, start, letter.end())
        elif name in _DROPPED:
            self._argument(start)
            self.spaced = True
        elif name in _COLOURED:
            for _ in range(_COLOURED[name]):
                self._argument(start)
        elif name in ("stackrel", "overset") and (sign := _OVER_A_SIGN.match(self.source, self.at)):
            text = "=" if sign[1] == "=" else "≈"
            yield self.token(text, text, start, sign.end())
        elif name == "hspace":
            if _NARROW.fullmatch(self._argument(start).strip()):
                self.spaced = True
            else:
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
        elif name in _DIFFERENTIALS:
            yield self.token("command", "pdv", start)
        elif name in _STRUCTURE:
            yield self.token("command", name, start)
        elif name in FUNCTIONS or name in GREEK_NAMES or name.startswith("var"):
            yield self.token("name", name.removeprefix("var"), start)
        else:
            raise self.refuse(f"the command \\{printable(name)} is not read", start)

    def _written_out(self, name: str, start: int) -> Iterator[Token]:
        """The tokens of a macro of the page, all of them where it is used."""
        count, body = self.macros.named[name]
        if name in _MEANINGFUL and (count or not self._is_same(f"\\{name}", body)):
            raise self.refuse(f"the page gives \\{name} another meaning", start,
                              "choose a new name for the macro")  # fmt: skip
        spaced, arguments = self.spaced, []
        for _ in range(count):
            if single := _SINGLE.match(self.source, self.at):
                self.at = single.end()
            arguments.append(single[1] if single else self._argument(start))
        text = self.macros.written(name, arguments)
        if text is None or self.depth >= DEEPEST_MACRO:
            raise self.refuse(f"the macro \\{name} grows without end", start)
        place, end = self.place(start), self.at
        inner = _Lexer(text, place, self.latex, self.macros, self.functions, self.depth + 1)
        for token in inner.tokens():  # made anew, not replaced: a page may hold thousands
            yield Token(token.kind, token.text, place, start, end, token.spaced or spaced)
            spaced = False
        self.spaced = False

    def _is_same(self, first: str, second: str) -> bool:
        r"""Whether a macro only spells its command otherwise, as \epsilon by \varepsilon."""
        try:
            one, other = (lexed(text, self.first, latex=True) for text in (first, second))
        except NotRead:
            return False
        return [(t.kind, t.text) for t in one] == [(t.kind, t.text) for t in other]

    def _argument(self, start: int) -> str:
        """The braced argument that follows, as text."""
        opened = _OPENED.match(self.source, self.at)
        if opened is None:
            raise self.refuse("a { is missing after the command", start)
        end = _closing(self.source, opened.end())
        if end is None:
            raise self.refuse("a } is missing", start)
        self.at = end
        return self.source[opened.end() : end - 1]

    def _upright(self, start: int) -> Iterator[Token]:
        r"""\mathrm{…}: the name of a function, an upright d or T, or an ordinary group."""
        if not _OPENED.match(self.source, self.at):
            self.spaced = True
            return
        before = self.at
        word = self._argument(start).strip().replace("\\,", "").replace("\\_", "_")
        word = _function(word)
        if word in FUNCTIONS or word in self.functions or word in ("d", "T", "new", "old"):
            yield self.token("name", word, start)
        elif word.isalpha() and len(word) > 1:
            yield self.token("text", word, start)
        else:
            self.at = before
