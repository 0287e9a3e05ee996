"""A page as rows: mathematics between its delimiters, lines of text, each as tokens.

Here one can

* get the `Row`s of a page: `Layout.rows`; one that ends in the middle of something is joined with
  the next;
* find the place of a character (`Layout.place`), and the text of some tokens (`Layout.between`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from symback.checking.lexing import FUNCTIONS, NotRead, Place, Token, lexed
from symback.checking.macros import taken
from symback.checking.parsing import RELATIONS
from symback.checking.symbols import Symbols
from symback.language.budget import spend

__all__ = ["ARITHMETIC", "NOTATION", "Layout", "Row"]

_ENVIRONMENTS = (
    "equation align gather eqnarray multline split aligned alignat flalign displaymath math dmath "
    "gathered alignedat"
).split()
_OPENING = re.compile(
    r"\$\$|\\\[|\\\(|\\begin\{(?P<name>(?:" + "|".join(_ENVIRONMENTS) + r")\*?)\}"
    r"|(?<!\\)\$|(?P<fence>```(?:math|latex|tex)?[ \t]*\n)"
)
_CLOSERS = {"$$": "$$", r"\[": r"\]", r"\(": r"\)", "$": "$"}
NOTATION = re.compile(
    r"(?m)^[^\S\n]*(?:(?:[%#>*/-]+|<!--)[^\S\n]*)?"
    r"notation[^\S\n]*:[^\S\n]*([\w.-]+)[^\S\n]*(?:-->[^\S\n]*)?$"
)
_BULLET = re.compile(
    r"\s*(?:\(?\d{1,2}[.)]|\(?[a-hivx]{1,3}\)|[*•>]|#{1,6})(?=\s)"
    r"|\s*(?:Step|Line)\s+\d{1,2}\s*[:.)]"
)
_CODE = re.compile(r"@|\.T\b|\bnp\.|\bdef |\*\*|[-+]= |\bd[A-Zabhx]\w*\s*=")
_CODE_COMMENT = re.compile(r"\s#.*$", re.S)
_SIGN = re.compile(r"\S")
_DASH = re.compile(r"\s*[-–—](?=\s)")

CONNECTING = frozenset(
    """
    so hence thus then therefore since because where with let and we get have from by the of is
    are in as for to be that this it which using use used gives give given find follows follow
    now also next first second third finally here note that's i.e e.g ie eg via into our an at
    on if or when each all chain rule product quotient weight weights bias biases loss output
    outputs hidden layer layers neuron neurons input inputs derivative derivatives gradient
    gradients partial preactivation activation activations target targets error errors unit
    units path paths sum over both only one two three four there their its same before after
    above below result answer final finally know known compute computed computing calculate step
    steps line plug substitute substituting put putting simplify simplifying simplified combine
    combining everything together apply applying recall remember define defined definition
    denote denoted denotes call called where's see just need want must can obtain obtained
    yields yield implies imply means equal equals equation respect wrt w.r.t consider
    considering again similarly likewise analogously respectively network net softmax's
    sigmoid's backpropagation backprop backward forward pass update updates rate learning true
    class one-hot however but not no yes ok okay solution proof check verify hint example
    exercise problem question task part show prove shown proved multiply multiplying multiplied
    add adding added differentiate differentiating cross entropy squared-error jacobian was were
    has had do does did us you they them he she my your his her sample samples numbers
    numerically value values number scalar vector vectors matrix matrices column row entry
    entries every any some these those through along out up down back than more less very well
    most both either neither contribution contributions term terms factor factors expression
    own right left hand side rounded rounding approximately roughly about exact exactly decimal
    decimals digits otherwise else elsewhere together altogether combined general case cases when
    for suppose assume provided
    """.split()
)
"""Words that may stand between formulas without changing them."""

ARITHMETIC = frozenset(
    (
        "times plus minus divided squared cubed transposed transpose per inverse double twice half"
    ).split()
)
"""Words that would change a formula they stand in."""


@dataclass(slots=True)
class Stretch:
    """A stretch of the page: its text, where it starts, and how to take it."""

    text: str
    start: int
    kind: str  # display, inline, lines (LaTeX without delimiters), plain


@dataclass(slots=True)
class Row:
    """The tokens of a row, before it is cut into statements."""

    tokens: list[Token]
    kind: str
    source: str
    start: int
    failed: NotRead | None = None


class Layout:
    """A page without its comments and macros; ``symbols`` tell its words from its names."""

    def __init__(self, text: str, symbols: Symbols) -> None:
        plain = _without_comments(text.replace("\r\n", "\n").replace("\r", "\n"))
        self.text, self.macros = taken(plain)
        self.symbols = symbols
        self.starts = [0] + [match.end() for match in re.finditer("\n", self.text)]
        self.is_code = symbols.notation.rows or _CODE.search(self.text) is not None

    def rows(self) -> Iterator[Row]:
        """The rows of the page, in order."""
        return self._joined(self._rows())

    def place(self, position: int) -> Place:
        """Line and column of a position of the page."""
        low, high = 0, len(self.starts)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.starts[middle] <= position else (low, middle)
        return Place(low + 1, position - self.starts[low] + 1)

    def first_sign(self, position: int) -> Place:
        """The place of the first character from a position on that is no blank."""
        sign = _SIGN.search(self.text, position)
        return self.place(len(self.text) if sign is None else sign.start())

    def between(self, tokens: Sequence[Token]) -> str:
        """The text from the first of some tokens to the last."""
        first, last = tokens[0].place, tokens[-1]
        begin = self.starts[first.line - 1] + first.column - 1
        finish = self.starts[last.place.line - 1] + last.place.column - 1 + (last.end - last.start)
        return self.text[begin:finish].strip()

    def _lexed(self, text: str, place: Place, *, latex: bool) -> list[Token]:
        functions = self.symbols.own_functions
        return lexed(text, place, latex=latex, macros=self.macros, functions=functions)

    # ------------------------------------------------------------------------------ stretches

    def _stretches(self) -> Iterator[Stretch]:
        """Mathematics between delimiters, and the text around it."""
        start, end = 0, len(self.text)
        if (begin := self.text.find(r"\begin{document}")) >= 0:
            start = begin + len(r"\begin{document}")
            stop = self.text.find(r"\end{document}")
            end = stop if stop >= 0 else end
        found = list(_delimited(self.text, start, end))
        if not found and re.search(r"\\[A-Za-z]+", self.text[start:end]):
            yield Stretch(self.text[start:end], start, "lines")
            return
        position = start
        for stretch, opened, closed in found:
            yield Stretch(self.text[position:opened], position, "plain")
            yield stretch
            position = closed
        yield Stretch(self.text[position:end], position, "plain")

    def _rows(self) -> Iterator[Row]:
        for stretch in self._stretches():
            if stretch.kind == "plain":
                yield from self._plain_rows(stretch)
            elif stretch.kind == "lines":
                for text, start in _lines(stretch):
                    for row in self._latex_rows(text, start, "display"):
                        yield replace(row, tokens=_with_spelled_words(row.tokens))
            else:
                yield from self._latex_rows(stretch.text, stretch.start, stretch.kind)

    def _latex_rows(self, text: str, start: int, kind: str) -> Iterator[Row]:
        r"""The rows of a display, cut at \\ outside inner environments."""
        if not text.strip() or (text.lstrip().startswith("%") and "\n" not in text.strip()):
            return
        try:
            tokens = self._lexed(_without_outer(text), self.place(start), latex=True)
        except NotRead as error:
            yield Row([], kind, text, start, error)
            return
        rows: list[list[Token]] = [[]]
        depth = 0
        for place, token in enumerate(tokens):
            depth += (token.kind in ("begin", "{")) - (token.kind in ("end", "}"))
            if token.kind in ("begin", "end") and token.text in _ENVIRONMENTS:
                depth += 1 if token.kind == "end" else -1
                continue
            if token.kind == "\\\\" and depth == 0:
                rows.append([])
            elif not (token.kind == "&" and depth == 0):
                rows[-1].append(token)
            elif rows[-1] and token.end > 1 and tokens[place - 1].kind == "&":
                rows[-1].append(replace(token, kind="⏐"))
        for row in rows:
            if row:
                first, last = row[0].start, row[-1].end
                yield Row(row, kind, text[first:last].strip(), start + first)

    def _plain_rows(self, stretch: Stretch) -> Iterator[Row]:
        """Lines of text: those that hold no formula are prose."""
        for text, start in _lines(stretch):
            if not text.strip() or set(text.strip()) <= set("-=_*~.:;,#|!>"):
                continue
            if NOTATION.match(text):
                continue
            body, offset = _without_stars(*_without_bullet(text))
            body = _CODE_COMMENT.sub("", body)
            if not _looks_like_formula(body):
                yield Row([], "prose", text.strip(), start)
                continue
            try:
                latex = "\\" in body or _is_typed_as_latex(body)
                place = self.place(start + offset)
                tokens = self._lexed(body, place, latex=latex)
            except NotRead as error:
                yield Row([], "plain", text.strip(), start, error)
                continue
            tokens = [t for t in tokens if t.kind != "&"]
            tokens = _with_spelled_words(tokens) if latex else _with_words(tokens, self.symbols)
            yield Row(tokens, "latex" if latex else "plain", text.strip(), start)

    # ------------------------------------------------------------------------------- rows

    def _joined(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Rows that end in the middle of something, or begin there, joined."""
        waiting: Row | None = None
        for row in rows:
            spend()
            if waiting is not None and self._goes_on(waiting, row):
                join = self.text[waiting.start : row.start]
                waiting = replace(
                    waiting,
                    tokens=[*waiting.tokens, *row.tokens],
                    source=join + row.source if len(join) < 4000 else waiting.source,
                    failed=waiting.failed or row.failed,
                )
                continue
            if waiting is not None:
                yield waiting
            waiting = row
        if waiting is not None:
            yield waiting

    @staticmethod
    def _goes_on(before: Row, row: Row) -> bool:
        if not before.tokens or not row.tokens or before.kind == "prose" or row.kind == "prose":
            return False
        visible = [token for token in row.tokens if token.kind not in ("⏐", "{", "}")]
        if not visible:
            return True
        last, first = before.tokens[-1], visible[0]
        if before.kind == "inline" or row.kind == "inline":
            return False
        hanging = last.kind in ("+", "-", "·", "*", "/", "⊙", *RELATIONS)
        leading = first.kind in ("+", "·", "*", "/", "⊙") or (
            first.kind == "-" and row.kind == before.kind == "display"
        )
        open_bracket = _depth(before.tokens) > 0
        return hanging or leading or open_bracket


# ------------------------------------------------------------------------------------- helpers


def _delimited(text: str, start: int, end: int) -> Iterator[tuple[Stretch, int, int]]:
    """The stretches between delimiters of mathematics, and where those open and close."""
    unclosed: set[str] = set()
    position = start
    while (opening := _OPENING.search(text, position, end)) is not None:
        closer = _closer(opening)
        close = -1 if closer in unclosed else text.find(closer, opening.end(), end)
        inline = opening[0] in ("$", r"\(")
        if close < 0 or (inline and "\n\n" in text[opening.end() : close]):
            unclosed.add(closer)
            position = opening.end()
            continue
        body = text[opening.end() : close]
        kind = "inline" if inline else "display"
        if opening["fence"] is not None:
            kind = "lines" if "\\" in body else "plain"
        position = close + len(closer)
        yield Stretch(body, opening.end(), kind), opening.start(), position


def _closer(opening: re.Match[str]) -> str:
    if opening["fence"] is not None:
        return "```"
    name = opening["name"]
    return _CLOSERS[opening[0]] if name is None else rf"\end{{{name}}}"


def _lines(stretch: Stretch) -> Iterator[tuple[str, int]]:
    """Lines with their places; an environment stays in one piece."""
    position = stretch.start
    waiting, begin, depth = "", position, 0
    for line in stretch.text.split("\n"):
        if not waiting:
            begin = position
        waiting += ("\n" if waiting else "") + line
        depth += len(re.findall(r"\\begin\{", line)) - len(re.findall(r"\\end\{", line))
        position += len(line) + 1
        if depth <= 0:
            yield waiting, begin
            waiting, depth = "", 0
    if waiting:
        yield waiting, begin


def _without_comments(text: str) -> str:
    r"""A page of LaTeX with its comments as blanks, so that places stay; \% is no comment."""
    if not re.search(r"\\[A-Za-z(\[]", text):
        return text
    blank = re.compile(r"(?<!\\)((?:\\\\)*)(%[^\n]*)")
    return blank.sub(lambda found: found[1] + " " * len(found[2]), text)


def _without_outer(text: str) -> str:
    """The body with the columns of alignat and array blanked."""
    return re.sub(r"^(\s*)\{\d\}", lambda m: " " * len(m[0]), text)


def _without_bullet(text: str) -> tuple[str, int]:
    """The line without its bullet or number, and how much was taken."""
    match = _BULLET.match(text)
    if match is None and "=" in text:
        match = _DASH.match(text)
    if match is None or not text[match.end() :].strip():
        return text, 0
    return text[match.end() :], match.end()


def _without_stars(text: str, offset: int) -> tuple[str, int]:
    """The line without the ** of bold type around it."""
    bare = text.strip()
    if len(bare) > 4 and bare.startswith("**") and bare.endswith("**"):
        begin = text.index("**") + 2
        return text[begin : text.rindex("**")], offset + begin
    return text, offset


def _looks_like_formula(text: str) -> bool:
    """Whether a line of text holds a formula, rather than words."""
    if re.search(r"[=≈←∂∇Σ∑]|:=", text):
        return True
    words = re.findall(r"[A-Za-z]{3,}", text)
    formula = re.search(r"[*/^+·⊙√]|[)\]]\s*[(\[]|\w_\w|\w\(|\)\w", text)
    return bool(formula) and sum(word.lower() in CONNECTING for word in words) == 0


def _is_typed_as_latex(text: str) -> bool:
    """Whether braces below and above are typed as in LaTeX, and no word is longer than two."""
    words = re.findall(r"[A-Za-z]{3,}", text)
    braced = re.search(r"[_^]\{|\^[A-Za-z]", text)
    signs = re.search(r"[Σ∂∇ŷ·⊙]|_\w\w", text)
    return bool(braced) and not signs and all(word in FUNCTIONS for word in words)


def _with_words(tokens: list[Token], symbols: Symbols) -> list[Token]:
    """Words of English among the names of a line become words."""
    made = []
    for place, token in enumerate(tokens):
        word = token.text.lower()
        english = token.kind == "name" and len(token.text) > 1 and (
            word in CONNECTING or word in ARITHMETIC
        )  # fmt: skip
        following = tokens[place + 1] if place + 1 < len(tokens) else None
        scripted = (
            following is not None
            and following.kind in ("_", "^", "(", "'")
            and not following.spaced
        )
        begins = place == 0 and following is not None and following.kind in RELATIONS
        if begins and word in ("loss", "cost"):
            made.append(replace(token, text=symbols.notation.loss))
            continue
        named = symbols.is_name(tokens, place) or (
            symbols.means_quantity(token.text) and not _among_words(tokens, place)
        )
        if (english and not scripted and not named) or (
            token.kind == "name" and token.text in ("a", "A", "I") and _within_words(tokens, place)
        ):
            made.append(replace(token, kind="text"))
        else:
            made.append(token)
    return made


def _with_spelled_words(tokens: Sequence[Token]) -> list[Token]:
    """Words between formulas of LaTeX that stands without delimiters: letter by letter so far."""
    made: list[Token] = []
    place = 0
    while place < len(tokens):
        end = place
        while end < len(tokens) and _is_letter_of_word(tokens, place, end):
            end += 1
        word = "".join(token.text for token in tokens[place:end]).lower()
        ends = end == len(tokens) or tokens[end].spaced or tokens[end].kind in (":", ",", ".")
        english = word == "so" or (len(word) > 2 and (word in CONNECTING or word in ARITHMETIC))
        if english and ends and (tokens[place].spaced or not place):
            last = tokens[end - 1]
            made.append(replace(tokens[place], kind="text", text=word, end=last.end))
            place = end
        else:
            made += tokens[place : max(end, place + 1)]
            place = max(end, place + 1)
    return made


def _is_letter_of_word(tokens: Sequence[Token], first: int, place: int) -> bool:
    token = tokens[place]
    letter = token.kind == "name" and len(token.text) == 1 and token.text.isascii()
    return letter and (place == first or token.start == tokens[place - 1].end)


def _among_words(tokens: list[Token], place: int) -> bool:
    """Whether a name stands before or behind another name."""
    beside = [*tokens[max(0, place - 1) : place], *tokens[place + 1 : place + 2]]
    return any(token.kind == "name" and len(token.text) > 2 for token in beside)


def _within_words(tokens: list[Token], place: int) -> bool:
    """Whether a letter is the article: the next token is a word of two letters or more."""
    following = tokens[place + 1] if place + 1 < len(tokens) else None
    return (
        following is not None
        and following.kind == "name"
        and following.spaced
        and len(following.text) > 2
        and following.text.lower() in CONNECTING
    )


def _depth(tokens: Sequence[Token]) -> int:
    """How many brackets are left open."""
    return sum((t.kind in ("(", "[", "{")) - (t.kind in (")", "]", "}")) for t in tokens)
