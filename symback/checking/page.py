"""A page as claims: prose and mathematics apart, rows joined and cut, each statement read.

`read` takes a page as it was typed (LaTeX with or without its environments, Markdown with maths,
Unicode or Python-like text) and gives a `Document`, which is made of `Claim`, `Definition`, `Prose`
and `Unread`.  It is a list of passes, and each takes the records that the one before returns:

* the text without comments and macros (`Page`);
* its rows as tokens (`Row`), and these cut at commas, words and wide spaces (`Statement`);
* what the page defines itself, as `Letters`;
* what each statement is said to hold for (`Condition`): "for i = j", "if a_11 > 0", "with y_1 = 1";
* the sides of each statement as nodes, and these as items.

A stretch that is not understood becomes an `Unread` item with line, column, the reason and a way to
write it; the rest of the page is read.
"""

from __future__ import annotations

import bisect
import dataclasses
import enum
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from symback.checking.letters import Letters, Scope
from symback.checking.parsing import (
    COMPARISONS,
    RELATIONS,
    Line,
    is_total,
    reading,
)
from symback.checking.tokens import (
    CLOSES,
    FUNCTIONS,
    MOST_TOKENS,
    OPENS,
    Macros,
    NotRead,
    Place,
    Token,
    lexed,
    split,
    without_macros,
)
from symback.language.budget import Spent, allow, spend
from symback.language.echo import echo
from symback.language.errors import SymbackError, did_you_mean, printable
from symback.language.expressions import (
    ELL,
    LOSS,
    Array,
    At,
    Call,
    Comparison,
    Derivative,
    Element,
    Index,
    Indicator,
    Letter,
    Named,
    Node,
    Number,
    Product,
    Sum,
    Total,
    children,
    free_letters,
    is_array,
    negative,
    rebuilt,
    walk,
)
from symback.language.names import GREEK_NAMES, NOTATIONS, Notation, UnknownNotation

__all__ = [
    "LARGEST_PAGE",
    "Claim",
    "Definition",
    "Document",
    "Item",
    "Prose",
    "Relation",
    "Side",
    "TooLarge",
    "Unread",
    "notation_of",
    "read",
]

LARGEST_PAGE = 200_000
"""Bytes."""
MOST_SUMMANDS = 20_000
"""Terms of nested sums, multiplied."""
CUT, SUPPOSED, READ, NAMED = 0.25, 0.35, 0.5, 0.6
"""The shares of the page's budget that are used up at most when its rows are cut, its conditions
found, its claims read, and its names known; what is left is for the judge."""


class TooLarge(SymbackError):
    """A page that is too large to be checked."""


# -------------------------------------------------------------------------------- what a page says


class Relation(enum.Enum):
    """What stands between two sides."""

    EQUAL = "="
    ABOUT = "≈"
    BECOMES = "←"
    DEFINES = ":="


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a claim and where it stands in the file (line and column from 1)."""

    node: Node
    source: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Claim:
    """``sides`` joined by ``relations`` (one fewer than the sides).

    ``continues``: the line begins with "=", so it goes on from the last side before it; its
    relations are then as many as its sides.  A claim of one side and no relation is an answer
    alone.  An update ``w ← w - η ∂L/∂w`` is a claim whose relation is BECOMES.  ``given`` are the
    conditions on quantities that it stands under ("if a_11 > 0"); its sides are 0 where they fail.
    ``read_as`` is the canonical echo of the whole line; reading it gives the same.  ``unknown``
    says why the line means nothing definite, where a name in it does not.
    """

    line: int
    column: int
    source: str
    sides: tuple[Side, ...]
    relations: tuple[Relation, ...]
    continues: bool = False
    read_as: str = ""
    given: tuple[Comparison, ...] = ()
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """A name of the page's own: ``name_{letters} = node``; ``indices`` are letters or numbers.

    ``explicit``: it is called a definition, by a word such as "let" or by :=.
    """

    line: int
    column: int
    source: str
    name: str
    indices: tuple[Index, ...]
    node: Node
    read_as: str = ""
    explicit: bool = False


@dataclass(frozen=True, slots=True)
class Prose:
    """Words: no claim."""

    line: int
    column: int
    source: str

    @property
    def supposes(self) -> bool:
        """Whether the words suppose something of a quantity: "at the kink a_11 = 0"."""
        return bool(_SUPPOSES.search(self.source) and _COMPARED.search(self.source))


@dataclass(frozen=True, slots=True)
class Unread:
    """What was not understood: where, why, and a way to write it.

    ``defines`` is the name that it may give a meaning to, or ""; ``begins`` is set where it begins
    a chain, so that a line "= …" below it goes on from what was not understood.
    """

    line: int
    column: int
    source: str
    reason: str
    suggestion: str = ""
    defines: str = ""
    begins: bool = True

    @property
    def supposes(self) -> bool:
        """Whether something is supposed of a quantity, in words or by a condition."""
        said = "suppos" in self.reason or _SUPPOSES.search(self.source)
        return bool(said and _COMPARED.search(self.source))

    @property
    def function(self) -> str:
        """The function that it may define, as f in f(z) = z^2, or ""."""
        found = _FUNCTION.search(self.source)
        return "" if found is None else found[1]


_SUPPOSES = re.compile(
    r"\b(?:assum|suppos|given|provided|if|when|where|since|let|set|at|target|ignor)", re.I
)
_COMPARED = re.compile(r"[=<>≤≥≠]|\\(?:leq?|geq?|neq?)\b")
_FUNCTION = re.compile(r"(\\?[^\W\d_]+)\s*\(\s*\\?[^\W\d_]\s*\)\s*:?=")

Item = Claim | Definition | Prose | Unread


@dataclass(frozen=True, slots=True)
class Document:
    """A page, item by item in the order of the text."""

    items: tuple[Item, ...] = field(default=())


# ----------------------------------------------------------------------------------------- passes


def read(text: str, scope: Scope, notation: Notation = NOTATIONS["lectures"]) -> Document:
    r"""The page ``text`` about the network of ``scope``, in a ``notation``.

    Raises `TooLarge`, and `Spent` where a budget is used up before anything is read.

    >>> scope = Scope((2, 3, 2), ("sigmoid", "softmax"), (1, 1))
    >>> page = read("since $h_{12} = \\sigma(a_{12})$ we get", scope)
    >>> [type(item).__name__ for item in page.items], page.items[1].read_as
    (['Prose', 'Claim', 'Prose'], 'h_12 = σ(a_12)')
    """
    if len(text.encode("utf-8", "replace")) > LARGEST_PAGE:
        raise TooLarge(f"the page is larger than {LARGEST_PAGE:,} bytes")
    page = Page.of(text, Letters(scope, notation))
    allow(CUT)
    statements, left = _statements(page)
    page = page.knowing(statements)
    allow(SUPPOSED)
    statements, named = _supposed(statements, page)
    allow(READ)
    items: list[Item] = []
    chain = Chain()
    for each in statements:
        try:
            found, chain = _items(each, page, chain)
        except Spent as spent:
            left = [_unread_from(each, spent)]
            break
        items += found
        named += chain.named
    allow(NAMED)
    return Document(tuple(_with_names_known([*items, *left], named)))


_NOTATION = re.compile(
    r"(?m)^[^\S\n]*(?:(?:[%#>*/-]+|<!--)[^\S\n]*)?"
    r"notation[^\S\n]*:[^\S\n]*([\w.-]+)[^\S\n]*(?:-->[^\S\n]*)?$"
)


def notation_of(text: str) -> Notation | None:
    """The notation that a comment in the page names, if one does.

    Raises `UnknownNotation` where it is none, or a file: no page says which files are opened.

    >>> found = notation_of("% notation: nielsen")
    >>> found and found.name
    'nielsen'
    """
    found = _NOTATION.search(text[:5000])
    if found is not None and found[1] not in NOTATIONS:
        hint = did_you_mean(found[1], NOTATIONS)
        hint = "; a file is given by --notation" if found[1].endswith(".toml") else hint
        raise UnknownNotation(
            f"the page asks for the notation {printable(found[1])}{hint}; "
            f"a page may choose {', '.join(NOTATIONS)}"
        )
    return None if found is None else NOTATIONS[found[1]]


# --------------------------------------------------------------------------------------- the text

_CODE = re.compile(r"@|\.T\b|\bnp\.|\bdef |\*\*|[-+]= |\bd[A-Zabhx]\w*\s*=")
_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)(%[^\n]*)")
r"""A comment of LaTeX; \% is none."""
_EMPTY_LINE = re.compile(r"\n[ \t]*\n")
_SIGN = re.compile(r"\S")


@dataclass(frozen=True, slots=True)
class Page:
    """The text without comments and macros, where its lines start, and what its letters mean.

    ``is_code``: it holds lines of a program, in which * between arrays goes entry by entry;
    ``numbering`` are the letters that stand in its subscripts.
    """

    text: str
    macros: Macros
    letters: Letters
    starts: tuple[int, ...]
    is_code: bool
    numbering: frozenset[str] = frozenset()

    @classmethod
    def of(cls, text: str, letters: Letters) -> Page:
        """A page as it was typed; comments and macros become blanks, so that places stay."""
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if re.search(r"\\[A-Za-z(\[]", text):
            text = _COMMENT.sub(lambda found: found[1] + " " * len(found[2]), text)
        text, macros = without_macros(text)
        starts = (0, *(match.end() for match in re.finditer("\n", text)))
        is_code = letters.notation.rows or _CODE.search(text) is not None
        return cls(text, macros, letters, starts, is_code)

    def knowing(self, statements: Sequence[Statement]) -> Page:
        """The page with the names that its statements define, and the letters that they number."""
        numbering = {letter for each in statements for letter in _letters_below(each.tokens)}
        # "for i = 1" defines no i, unless the page goes on to calculate with it
        numbering |= {*"ijkm"} - {t.text for each in statements for t in each.tokens[1:]}
        page = replace(self, numbering=frozenset(numbering))
        letters = Letters(
            self.letters.scope,
            self.letters.notation,
            frozenset(filter(None, (_defined_by(each, page) for each in statements))),
            own_errors=any(map(_defines_errors, statements)),
        )
        return replace(page, letters=letters)

    def place(self, position: int) -> Place:
        """Line and column of a position of the page."""
        line = bisect.bisect_right(self.starts, position)
        return Place(line, position - self.starts[line - 1] + 1)

    def between(self, tokens: Sequence[Token]) -> str:
        """The text from the first of some tokens to the last."""
        first, last = tokens[0].place, tokens[-1]
        begin = self.starts[first.line - 1] + first.column - 1
        finish = self.starts[last.place.line - 1] + last.place.column - 1 + (last.end - last.start)
        return self.text[begin:finish].strip()

    def lexed(self, text: str, start: int, *, latex: bool) -> list[Token]:
        """The tokens of a stretch that stands at a position of the page."""
        functions = self.letters.own_functions
        place = self.place(start)
        return lexed(text, place, latex=latex, macros=self.macros, functions=functions)


# ------------------------------------------------------------------------------------------- rows

_ENVIRONMENTS = (
    "equation align gather eqnarray multline split aligned alignat flalign displaymath math dmath "
    "gathered alignedat"
).split()
_OPENING = re.compile(
    r"\$\$|\\\[|\\\(|\\begin\{(?P<name>(?:" + "|".join(_ENVIRONMENTS) + r")\*?)\}"
    r"|(?<!\\)\$|(?P<fence>```(?:math|latex|tex)?[ \t]*\n)"
)
_CLOSERS = {"$$": "$$", r"\[": r"\]", r"\(": r"\)", "$": "$"}
_BULLET = re.compile(
    r"\s*(?:\(?\d{1,2}[.)]|\(?[a-hivx]{1,3}\)|[*•>]|#{1,6})(?=\s)"
    r"|\s*(?:Step|Line)\s+\d{1,2}\s*[:.)]"
)
_DASH = re.compile(r"\s*[-–—](?=\s)")
_CODE_COMMENT = re.compile(r"\s#.*$", re.S)

_CONNECTING = frozenset(
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
_ARITHMETIC = frozenset(
    """
    times plus minus divided squared cubed transposed transpose per inverse double twice half
    """.split()
)
"""Words that would change a formula they stand in."""


@dataclass(frozen=True, slots=True)
class Row:
    """The tokens of a row of the page; ``kind``: display, inline, latex, plain or prose."""

    tokens: list[Token]
    kind: str
    source: str
    start: int
    failed: NotRead | None = None


def _rows(page: Page) -> Iterator[Row]:
    """The rows of the page, in order; one that ends in the middle of something has the next too."""
    waiting: Row | None = None
    for row in _single_rows(page):
        spend()
        if waiting is None or not _goes_on(waiting, row):
            if waiting is not None:
                yield waiting
            waiting = row
            continue
        join = page.text[waiting.start : row.start]
        waiting = replace(
            waiting,
            tokens=[*waiting.tokens, *row.tokens],
            source=join + row.source if len(join) < 4000 else waiting.source,
            failed=waiting.failed or row.failed,
        )
    if waiting is not None:
        yield waiting


def _goes_on(before: Row, row: Row) -> bool:
    """Whether a row ends in the middle of something that the next goes on with."""
    if not before.tokens or not row.tokens or "prose" in (before.kind, row.kind):
        return False
    visible = [token for token in row.tokens if token.kind not in ("⏐", "{", "}")]
    if not visible:
        return True
    if "inline" in (before.kind, row.kind):
        return False
    last, first = before.tokens[-1].kind, visible[0].kind
    operators = ("+", "·", "*", "/", "⊙")
    leading = first in operators or (first == "-" and row.kind == before.kind == "display")
    kinds = [token.kind for token in before.tokens]
    is_open = sum(map(kinds.count, "([{")) > sum(map(kinds.count, ")]}"))
    return leading or is_open or last in (*operators, "-", *RELATIONS)


def _single_rows(page: Page) -> Iterator[Row]:
    """Mathematics between delimiters and the text around it, cut at line breaks."""
    text, start, end = page.text, 0, len(page.text)
    if (begin := text.find(r"\begin{document}")) >= 0:
        start = begin + len(r"\begin{document}")
        stop = text.find(r"\end{document}")
        end = stop if stop >= 0 else end
    unclosed: set[str] = set()
    position = search = start
    while (opening := _OPENING.search(text, search, end)) is not None:
        fenced, name, begin = opening["fence"] is not None, opening["name"], opening.end()
        closer = "```" if fenced else rf"\end{{{name}}}" if name else _CLOSERS[opening[0]]
        close = -1 if closer in unclosed else text.find(closer, begin, end)
        inline = opening[0] in ("$", r"\(")
        if close < 0 or (inline and "\n\n" in text[begin:close]):
            unclosed.add(closer)
            search = begin
            continue
        yield from _plain_rows(page, position, opening.start())
        if not fenced:
            kind = "inline" if inline else "display"
            yield from _latex_rows(page, text[begin:close], begin, kind)
        elif "\\" in text[begin:close]:
            yield from _lines_of_latex(page, begin, close)
        else:
            yield from _plain_rows(page, begin, close)
        position = search = close + len(closer)
    if position == start and re.search(r"\\[A-Za-z]+", text[start:end]):
        yield from _lines_of_latex(page, start, end)
    else:
        yield from _plain_rows(page, position, end)


def _lines(page: Page, start: int, end: int) -> Iterator[tuple[str, int]]:
    """Lines with their places; an environment stays in one piece."""
    position = begin = start
    waiting: list[str] = []
    depth = 0
    for line in page.text[start:end].split("\n"):
        waiting.append(line)
        depth += line.count(r"\begin{") - line.count(r"\end{")
        position += len(line) + 1
        if depth <= 0:
            yield "\n".join(waiting), begin
            waiting, depth, begin = [], 0, position
    if waiting:
        yield "\n".join(waiting), begin


def _lines_of_latex(page: Page, start: int, end: int) -> Iterator[Row]:
    """The rows of LaTeX without delimiters, in which words are spelled out."""
    for text, begin in _lines(page, start, end):
        for row in _latex_rows(page, text, begin, "display"):
            yield replace(row, tokens=_with_spelled_words(row.tokens))


def _latex_rows(page: Page, text: str, start: int, kind: str) -> Iterator[Row]:
    r"""The rows of a display, cut at \\ outside inner environments."""
    if not text.strip() or (text.lstrip().startswith("%") and "\n" not in text.strip()):
        return
    columns = re.match(r"\s*\{\d\}", text)  # of alignat and array
    body = text if columns is None else " " * columns.end() + text[columns.end() :]
    try:
        tokens = page.lexed(body, start, latex=True)
    except NotRead as error:
        yield Row([], kind, text, start, error)
        return
    rows: list[list[Token]] = [[]]
    depth = 0
    for place, token in enumerate(tokens):
        if token.kind in ("begin", "end") and token.text in _ENVIRONMENTS:
            continue
        depth += (token.kind in ("begin", "{")) - (token.kind in ("end", "}"))
        if token.kind == "\\\\" and depth == 0:
            rows.append([])
        elif token.kind != "&" or depth:
            rows[-1].append(token)
        elif rows[-1] and token.end > 1 and tokens[place - 1].kind == "&":
            rows[-1].append(replace(token, kind="⏐"))
    for row in filter(None, rows):
        first, last = row[0].start, row[-1].end
        yield Row(row, kind, text[first:last].strip(), start + first)


def _plain_rows(page: Page, begin: int, end: int) -> Iterator[Row]:
    """Lines of text: those that hold no formula are prose."""
    for line, start in _lines(page, begin, end):
        text = line.strip()
        if set(text) <= set("-=_*~.:;,#|!>") or _NOTATION.match(line):
            continue
        body, offset = line, 0
        bullet = _BULLET.match(line) or (_DASH.match(line) if "=" in line else None)
        if bullet is not None and line[bullet.end() :].strip():
            body, offset = line[bullet.end() :], bullet.end()
        bare = body.strip()
        if len(bare) > 4 and bare.startswith("**") and bare.endswith("**"):  # bold type
            stars = body.index("**") + 2
            body, offset = body[stars : body.rindex("**")], offset + stars
        body = _CODE_COMMENT.sub("", body)
        if not _looks_like_formula(body):
            yield Row([], "prose", text, start)
            continue
        latex = "\\" in body or _is_typed_as_latex(body)
        try:
            tokens = page.lexed(body, start + offset, latex=latex)
        except NotRead as error:
            yield Row([], "plain", text, start, error)
            continue
        tokens = [token for token in tokens if token.kind != "&"]
        tokens = _with_spelled_words(tokens) if latex else _with_words(tokens, page.letters)
        yield Row(tokens, "latex" if latex else "plain", text, start)


def _looks_like_formula(text: str) -> bool:
    """Whether a line of text holds a formula, rather than words."""
    if re.search(r"[=≈←∂∇Σ∑]|:=", text):
        return True
    words = re.findall(r"[A-Za-z]{3,}", text)
    formula = re.search(r"[*/^+·⊙√]|[)\]]\s*[(\[]|\w_\w|\w\(|\)\w", text)
    return bool(formula) and not any(word.lower() in _CONNECTING for word in words)


def _is_typed_as_latex(text: str) -> bool:
    """Whether braces below and above are typed as in LaTeX, and no word is longer than two."""
    words = re.findall(r"[A-Za-z]{3,}", text)
    braced = re.search(r"[_^]\{|\^[A-Za-z]", text)
    signs = re.search(r"[Σ∂∇ŷ·⊙]|_\w\w", text)
    return bool(braced) and not signs and all(word in FUNCTIONS for word in words)


def _with_words(tokens: list[Token], letters: Letters) -> list[Token]:
    """Words of English among the names of a line become words."""
    made = []
    for place, token in enumerate(tokens):
        text, word = token.text, token.text.lower()
        before, behind = tokens[max(0, place - 1) : place], tokens[place + 1 : place + 2]
        follows = behind[0] if behind else token
        if place == 0 and follows.kind in RELATIONS and word in ("loss", "cost"):
            made.append(replace(token, text=letters.notation.loss))
            continue
        english = len(text) > 1 and (word in _CONNECTING or word in _ARITHMETIC)
        scripted = follows.kind in ("_", "^", "(", "'") and not follows.spaced
        among = any(each.kind == "name" and len(each.text) > 2 for each in (*before, *behind))
        named = letters.is_name(text) or (letters.means_quantity(text) and not among)
        article = text in ("a", "A", "I") and follows.kind == "name" and follows.spaced
        article = article and len(follows.text) > 2 and follows.text.lower() in _CONNECTING
        is_word = article or (english and not scripted and not named)
        made.append(replace(token, kind="text") if is_word and token.kind == "name" else token)
    return made


def _with_spelled_words(tokens: Sequence[Token]) -> list[Token]:
    """Words between formulas of LaTeX that stands without delimiters: letter by letter so far."""
    made: list[Token] = []
    place = 0
    while place < len(tokens):
        first, end = tokens[place], place
        while end < len(tokens):
            token = tokens[end]
            letter = token.kind == "name" and len(token.text) == 1 and token.text.isascii()
            if not letter or (end > place and token.start != tokens[end - 1].end):
                break
            end += 1
        word = "".join(token.text for token in tokens[place:end]).lower()
        ends = end == len(tokens) or tokens[end].spaced or tokens[end].kind in (":", ",", ".")
        english = word == "so" or (len(word) > 2 and (word in _CONNECTING or word in _ARITHMETIC))
        if english and ends and (first.spaced or not place):
            made.append(replace(first, kind="text", text=word, end=tokens[end - 1].end))
        else:
            end = max(end, place + 1)
            made += tokens[place:end]
        place = end
    return made


# ------------------------------------------------------------------------------------- statements


@dataclass(frozen=True, slots=True)
class Statement:
    """A stretch of a row that may be a claim, and what stands around it.

    ``words`` are those of its row, ``before`` those between the statement before and this one.  The
    pass on conditions adds ``led_by``, all words since the statement before, those of a paragraph
    among them; ``paragraph``, whether an empty line stands before it; the ``condition`` that it
    states, if it is none, and ``holds_for``, the conditions that it stands under.
    """

    tokens: list[Token]
    kind: str
    source: str
    place: Place
    failed: NotRead | None = None
    words: tuple[Token, ...] = ()
    before: str = ""
    row: int = 0
    led_by: tuple[str, ...] = ()
    paragraph: bool = False
    condition: Condition | None = None
    holds_for: tuple[Condition, ...] = ()

    @property
    def latex(self) -> bool:
        """Whether it is typed as LaTeX."""
        return self.kind in ("display", "inline", "latex")

    @property
    def has_relation(self) -> bool:
        """Whether it says that something is equal to something."""
        return any(token.kind in RELATIONS for token in self.tokens)


def _statements(page: Page) -> tuple[list[Statement], list[Item]]:
    """The statements of the page, and what the budget leaves of it.

    Where it leaves something, the paragraph that lost its end is left too: conditions and halves of
    lines reach back, but over no empty line.
    """
    found: list[Statement] = []
    try:
        for number, row in enumerate(_rows(page)):
            found += [replace(each, row=number) for each in _cut(row, page)]
    except Spent as spent:
        if not found:
            raise
        starts = (page.starts[each.place.line - 1] for each in found)
        gaps = [page.text[a:b] for a, b in itertools.pairwise((0, *starts))]
        ends = [k for k, gap in enumerate(gaps) if _EMPTY_LINE.search(gap)]
        kept = ends[-1] if ends else 0
        return found[:kept], [_unread_from(found[kept], spent)]
    return found, []


def _unread_from(statement: Statement, spent: Spent) -> Item:
    """What is said of the rest of a page."""
    place, reason = statement.place, f"from here on nothing is read: {spent}"
    return Unread(place.line, place.column, statement.source, reason)


def _cut(row: Row, page: Page) -> Iterator[Statement]:
    """A row cut at commas, wide spaces, words and arrows, without numbers and remarks."""
    sign = _SIGN.search(page.text, row.start)
    place = page.place(len(page.text) if sign is None else sign.start())
    if row.failed is not None or row.kind == "prose":
        yield Statement([], row.kind, row.source, place, row.failed)
        return
    tokens = _without_remark(_without_number(_unboxed(row.tokens)), page.letters)
    tokens = _with_condition_apart(_without_spacing(_with_step(tokens)), page.letters)
    comma = _decimal_comma(tokens)
    if comma is not None:
        failed = NotRead("a comma between digits has two readings", comma.place,
                         "write 0.5, or a space behind the comma")  # fmt: skip
        yield Statement([], row.kind, row.source, place, failed)
        return
    words = tuple(token for token in tokens if token.kind == "text")
    whole = Statement([], row.kind, row.source, place, words=words)
    pieces = _pieces(tokens, latex=whole.latex)
    for piece, before in pieces:
        spend()
        source, place = page.between(piece) or row.source, piece[0].place
        if len(piece) > MOST_TOKENS:
            failed = NotRead(f"the statement has more than {MOST_TOKENS:,} signs", place)
            yield Statement([], row.kind, source, place, failed)
        else:
            yield replace(whole, tokens=piece, source=source, place=place, before=before)
    if not pieces:
        yield Statement([], "prose", row.source, place)


def _pieces(tokens: Sequence[Token], *, latex: bool) -> list[tuple[list[Token], str]]:
    """The pieces between commas, words, wide spaces and arrows, and the words before each.

    A range such as i = 1, 2, …, n is one piece.
    """
    pieces: list[tuple[list[Token], str]] = []
    piece: list[Token] = []
    said: list[str] = []
    before, depth = "", 0
    for place, token in enumerate(tokens):
        closes = token.kind in CLOSES
        depth += (token.kind in OPENS) - closes
        ends = depth <= 0 and token.kind in (",", ";", "⏐", "text", "⇒", "→", ":", ".")
        if token.kind == "." and place + 1 < len(tokens):
            following = tokens[place + 1]
            ends = ends and (following.spaced or following.kind != "name")
        elif token.kind == "," and ends and not latex:
            ends = not _lists_indices(tokens, place)
        if not ends:
            before = before if piece else " ".join(said)
            piece.append(token)
        elif piece:
            pieces.append((piece, before))
            piece = []
        if token.kind == "text":
            said.append(token.text)
        elif token.kind not in (",", ";", ":", ".", "⏐", "⇒", "→", "⇔"):
            said = []
    if piece:
        pieces.append((piece, before))
    made: list[tuple[list[Token], str]] = []
    for piece, before in pieces:
        last = made[-1][0] if made else []
        begun = len(last) > 2 and last[0].kind == "name" and len(last[0].text) == 1
        listed = len(piece) == 1 and piece[0].kind in ("number", "...", "name")
        if listed and begun and last[1].kind in ("=", "in"):
            last += piece
        else:
            made.append((piece, before))
    return made


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


def _letters_below(tokens: Sequence[Token]) -> Iterator[str]:
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


# ----------------------------------------------------------------- what a row does not say in signs

_OPERATORS = frozenset(("+", "-", "·", "*", "/", "⊙", "=", "≈", "←", ":="))
_REASONS = frozenset(("since", "because", "using", "by", "from", "as"))
"""A bracket behind a formula that begins with one of them says why the formula holds."""


def _unboxed(tokens: list[Token]) -> list[Token]:
    """The row without boxes."""
    made: list[Token] = []
    closing: list[int] = []  # how deep each box stands that is open; -1: its brace is to come
    depth = 0
    for place, token in enumerate(tokens):
        if token.kind == "command" and token.text in ("boxed", "fbox") and place + 1 < len(tokens):
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
    """The row without (1) in front; one behind has two readings."""

    def numbered(part: Sequence[Token]) -> bool:
        return [t.kind for t in part] == ["(", "number", ")"] and part[1].text.isdigit()

    if len(tokens) > 4 and numbered(tokens[:3]):
        after = tokens[3]
        if after.spaced and after.kind in ("∂", "name", "command", "∇"):
            return tokens[3:]
    if len(tokens) > 5 and numbered(tokens[-3:]):
        before, opening = tokens[-4], tokens[-3]
        if before.kind == "⏐":
            return tokens[:-4]
        if opening.spaced and before.kind not in ("+", "-", "·", "*", "/", "=", ")"):
            text = "a number in brackets at the end"
            return [*tokens[:-3], Token("bad-number", text, opening.place, 0, 0)]
    return tokens


def _without_remark(tokens: list[Token], letters: Letters) -> list[Token]:
    """The row without a remark behind it in brackets: [i = 1…4], [by the chain rule].

    A reason with a formula, [since Σ_i ŷ_i = 1] as symback gives them, is one too.
    """
    if not tokens or tokens[-1].kind not in ("]", ")"):
        return tokens
    depth, place = 0, len(tokens)
    while place:
        place -= 1
        depth += (tokens[place].kind in CLOSES) - (tokens[place].kind in OPENS)
        if not depth:
            break
    # (as a_11 > 0) says when, and not only why
    compares = any(token.kind in ("<", ">", "<=", ">=") for token in tokens[place:])
    says_why = tokens[place].spaced and tokens[place + 1 : place + 2] and not depth
    if place and says_why and not compares and tokens[place + 1].text.lower() in _REASONS:
        return tokens[:place]
    opening = "[" if tokens[-1].kind == "]" else "("
    start = max((k for k, token in enumerate(tokens) if token.kind == opening), default=0)
    inner = tokens[start + 1 : -1]
    if not start:
        return tokens
    if any(t.kind == "=" for t in inner) and any(t.kind == "..." for t in inner):
        return tokens[:start]
    named = any(t.text in FUNCTIONS and len(t.text) > 3 for t in inner)
    words = all(_is_word(t, letters) or (named and _is_abbreviation(t)) for t in inner)
    apart = tokens[start].start - tokens[start - 1].end
    said = named or any(token.kind == "text" for token in inner)
    is_remark = inner and words and (apart > 1 or (apart and said))
    return tokens[:start] if is_remark else tokens


def _is_abbreviation(token: Token) -> bool:
    """In (softmax + CE): the function, which has no argument, the sign, and the loss."""
    function = token.text in FUNCTIONS and len(token.text) > 3
    return function or token.kind in ("+", "/") or (token.kind == "name" and token.text.isupper())


def _is_word(token: Token, letters: Letters) -> bool:
    """Whether a token is a word that is no quantity, function or sign spelled out."""
    text = token.text.lower()
    if token.kind == "text":
        return text not in _ARITHMETIC
    known = text in GREEK_NAMES or text in FUNCTIONS or text in _ARITHMETIC or text[-3:] == "hat"
    known = known or letters.means_quantity(token.text) or token.text in letters.defined
    begins = any(map(letters.begins_quantity, (token.text, token.text[1:])))
    return token.kind == "name" and len(text) > 3 and not (known or begins)


def _with_step(tokens: list[Token]) -> list[Token]:
    """w → w - η ∂L/∂w, as Nielsen writes a step, with the arrow of a step."""
    place = next((k for k, token in enumerate(tokens) if token.kind == "→"), None)
    if not place or any(token.kind in RELATIONS for token in tokens[:place]):
        return tokens
    if not any(token.text == "eta" for token in tokens[place:]):
        return tokens
    return [*tokens[:place], replace(tokens[place], kind="←", text="←"), *tokens[place + 1 :]]


def _without_spacing(tokens: list[Token]) -> list[Token]:
    """The row without empty braces and without wide spaces beside an operator."""
    empty: set[int] = set()
    for place, (first, second) in enumerate(itertools.pairwise(tokens)):
        scripted = place and tokens[place - 1].kind in ("_", "^")
        if first.kind == "{" and second.kind == "}" and not scripted:
            empty |= {place, place + 1}
    solid: list[Token] = []
    depth = 0
    for place, token in enumerate(tokens):
        depth += (token.kind in OPENS) - (token.kind in CLOSES)
        again = bool(solid) and solid[-1].kind == "⏐"
        if place not in empty and not (token.kind == "⏐" and (again or depth > 0)):
            solid.append(token)
    kinds = ["", *(token.kind for token in solid), ""]
    return [
        token
        for token, before, after in zip(solid, kinds, kinds[2:], strict=False)
        if token.kind != "⏐" or not {before, after} & _OPERATORS
    ]


def _with_condition_apart(tokens: list[Token], letters: Letters) -> list[Token]:
    """Indices compared in brackets at the end of a row, as in … (i ≠ j), say when it holds."""
    if len(tokens) < 6 or tokens[-1].kind != ")" or tokens[-5].kind != "(":
        return tokens
    opening, left, relation, right = tokens[-5:-1]
    indices = letters.is_index([left], number=True) and letters.is_index([right], number=True)
    if relation.kind not in ("=", "!=") or not indices or not opening.spaced:
        return tokens
    return [*tokens[:-5], replace(opening, kind="⏐", text="⏐"), left, relation, right]


# ----------------------------------------------------------------------------- what a page defines

_DEFINING = frozenset(("let", "define", "where", "with", "denote", "call", "write"))
_DEFINED = re.compile(r"([A-Za-z]+)(?:_\w+|_\{\w*\})?\s*:?=")
"""The name before the first equals sign of a row that has no tokens."""


def _defined_by(statement: Statement, page: Page) -> str:
    """The name that a statement may define, or "": a letter on its left that the network lacks."""
    tokens, letters = statement.tokens, page.letters
    place = next((k for k, t in enumerate(tokens) if t.kind in ("=", ":=")), 0)
    if not place or tokens[0].kind != "name":
        return ""
    name = tokens[0].text
    if tokens[1].kind == "_" and is_total(tokens[2:place]):
        return ""
    numbers = place == 1 and name in page.numbering
    if numbers or letters.means_quantity(name) or name in ("L", "d"):
        return ""
    if name.startswith("d") and letters.begins_quantity(name[1:]):
        return ""
    return name if place == 1 or tokens[1].kind in ("_", "number") else ""


def _defines_errors(statement: Statement) -> bool:
    """Whether a statement says what δ_i, with one index, is on this page."""
    tokens = statement.tokens
    place = next((k for k, t in enumerate(tokens) if t.kind in RELATIONS), 0)
    texts = [t.text for t in tokens[:place] if t.kind not in ("{", "}")]
    named = len(texts) == 3 and texts[:2] == ["delta", "_"] and len(texts[2]) == 1
    return named and (tokens[place].kind == ":=" or _is_told(statement))


def _is_told(statement: Statement) -> bool:
    """Whether a word before a statement, or in its row, says that it is a definition."""
    words = (*statement.led_by, *(word.text.lower() for word in statement.words))
    return not _DEFINING.isdisjoint(words)


# ------------------------------------------------------------------------------------- conditions

_SUPPOSING = frozenset("if when for case suppose supposing assume assuming unless provided".split())
_OTHERWISE = frozenset(("otherwise", "else", "elsewhere"))
_ANEW = frozenset(
    "together altogether both general generally combined combining overall summary all".split()
)
_INDEX_LETTERS = frozenset((*"ijklmnpqrstuv", "ell"))
_OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


@dataclass(frozen=True, slots=True)
class Condition:
    """``left relation right``; indices are `Letter` nodes."""

    left: Node
    relation: str
    right: Node
    place: Place


def _supposed(
    statements: Sequence[Statement], page: Page
) -> tuple[list[Statement], list[tuple[Named, Place]]]:
    """The statements with the conditions that they state and stand under, and names in those."""
    made: list[Statement] = []
    named: list[tuple[Named, Place]] = []
    prose, last, before = "", 0, None
    for each in statements:
        if not each.tokens:
            prose += f" {each.source}"
            made.append(each)
            continue
        spend(1 + len(each.words))
        words = re.findall(r"[a-z]+", f"{prose} {each.before}".lower())
        begin = page.starts[each.place.line - 1]
        paragraph = _EMPTY_LINE.search(page.text[last:begin]) is not None
        prose, last = "", begin
        # behind a condition and "and", or a comma, another one may follow
        word = words[-1] if words else ""
        after = before is not None and before.condition is not None and before.row == each.row
        listed = word in ("", "and") and after
        failed, condition = each.failed, None
        try:
            condition = _condition(each, page, named, supposing=listed or word in _SUPPOSING)
        except NotRead as error:
            failed = None if listed else error
        said = " ".join(token.text.lower() for token in each.words).split()
        if not each.has_relation and condition is None and not _OTHERWISE.isdisjoint(said):
            failed = NotRead("what holds otherwise stands without a left side", each.place,
                             "write cases, as in {1 if a_11 > 0; 0 otherwise}")  # fmt: skip
        before = replace(
            each, led_by=tuple(words), paragraph=paragraph, condition=condition, failed=failed
        )
        made.append(before)
    places = [k for k, each in enumerate(made) if each.tokens]
    found = _assigned([made[k] for k in places])
    used = {condition.place for conditions in found for condition in conditions}
    for k, conditions in zip(places, found, strict=True):
        stated, failed = made[k].condition, made[k].failed
        if stated and stated.place not in used and not isinstance(stated.left, Letter):
            idle = "a comparison is no claim that symback checks, and no claim stands under it"
            failed = NotRead(idle, made[k].place)
        made[k] = replace(made[k], holds_for=conditions, failed=failed)
    return made, named


def _condition(
    statement: Statement, page: Page, named: list[tuple[Named, Place]], *, supposing: bool
) -> Condition | None:
    """The condition that a statement states; None where it is a claim or a range (i = 1, …, n).

    An equation is one where it is supposed, or compares indices.  Names in it go into ``named``.
    Raises `NotRead` where something is supposed that has no node.
    """
    tokens, letters, place = statement.tokens, page.letters, statement.tokens[0].place
    marks = [k for k, token in enumerate(tokens) if token.kind in COMPARISONS]
    if len(marks) != 1 or not 0 < marks[0] < len(tokens) - 1:
        return None
    left, right = tokens[: marks[0]], tokens[marks[0] + 1 :]
    relation = tokens[marks[0]].kind
    free = len(left) == 1 and letters.is_index(left) and left[0].text in _INDEX_LETTERS
    if free and left[0].kind == "name" and not letters.is_name(left[0].text):
        one_index = letters.is_index(right, number=True) and "." not in right[0].text
        if not one_index or relation not in ("=", "!="):
            return None
        first, second = (Letter(letters.index(part, place)) for part in (left, right))
        return Condition(first, relation, second, place)
    if relation == "=" and not supposing:
        return None
    line = Line(letters, statement.latex, page.is_code and not statement.latex)
    readings = [reading(part, line) for part in (left, right)]
    named += [name for each in readings for name in each.named]
    one, other = (each.node for each in readings)
    if relation == "=":
        leaf = isinstance(one, Element) and one.letter in ("x", "y", "w", "b")
        if not leaf or any(isinstance(part, (Element, Array)) for part in walk(other)):
            way = "suppose a value of an input, a target or a weight, as in y_1 = 1"
            raise NotRead("what is supposed here has no form that symback reads", place, way)
    return Condition(one, relation, other, place)


def _assigned(statements: Sequence[Statement]) -> list[tuple[Condition, ...]]:
    """For each statement the conditions it stands under.

    A condition that stands behind a claim of its row is about that claim, and the chain it ends;
    one that stands first is about the claims behind it, up to the next condition, to "otherwise",
    or to words or a paragraph that begin something new.
    """
    found: list[tuple[Condition, ...]] = [()] * len(statements)
    supposed: tuple[Condition, ...] = ()
    chain: list[int] = []
    qualified: list[int] = []
    for place, each in enumerate(statements):
        if chain and (each.paragraph or not _ANEW.isdisjoint(each.led_by)):
            supposed, chain = (), []
        if not _OTHERWISE.isdisjoint(each.led_by) and len(supposed) == 1:
            (one,) = supposed
            supposed, chain = (replace(one, relation=_OPPOSITE[one.relation]),), []
        condition = each.condition
        if condition is None:
            if each.has_relation:
                found[place] = supposed
                chain = [*chain, place] if each.tokens[0].kind in RELATIONS else [place]
        elif chain and not supposed and statements[chain[-1]].row == each.row:  # behind its claim
            qualified = [k for k in chain if not found[k]]
            for k in qualified:
                found[k] = (condition,)
            following = statements[place + 1].led_by if place + 1 < len(statements) else ()
            supposed, chain = (() if _OTHERWISE.isdisjoint(following) else (condition,)), []
        elif place and statements[place - 1].condition is not None:
            for k in qualified:
                found[k] = (*found[k], condition)
            supposed = () if qualified else (*supposed, condition)
        else:
            supposed, chain, qualified = (condition,), [], []
    return found


def _under(sides: Sequence[Side], conditions: Sequence[Condition]) -> list[Side]:
    """The sides of the claim that says the same without its conditions.

    For i = j the one letter is put for the other; for i ≠ j or a > 0 both sides are multiplied by
    1[i ≠ j] or 1[a > 0]; for x_1 = 2 there is an evaluation bar.  Raises `NotRead` where there is
    no such claim, or the conditions contradict one another.
    """
    values: dict[Node, Node] = {}
    for each in conditions:
        is_value = each.relation == "=" and not isinstance(each.left, Letter)
        if is_value and values.setdefault(each.left, each.right) != each.right:
            raise NotRead("what is supposed here contradicts itself", each.place)
    nodes = [side.node for side in sides]
    for each in conditions:
        nodes = _under_one(nodes, each)
    return [replace(side, node=node) for side, node in zip(sides, nodes, strict=True)]


def _under_one(sides: list[Node], condition: Condition) -> list[Node]:
    letters = {letter for side in sides for letter in free_letters(side)}
    left, right, place = condition.left, condition.right, condition.place
    if isinstance(left, Letter) and isinstance(right, Letter):
        if condition.relation == "=":
            if left.index.letter == ELL and right.index.letter:
                left, right = right, left
            if left.index.letter not in letters:
                return sides
            if left.index.letter == ELL:
                raise NotRead("a true class that is a number has no form that symback reads",
                              place, "write y_1 = 1 as numbers, or ℓ")  # fmt: skip
            return [_put(side, left.index.letter, right.index, place) for side in sides]
        if not {each.index.letter for each in (left, right)} - {"", ELL} <= letters:
            return sides
    elif condition.relation == "=":
        return [At(sides[0], ((left, right),)), *sides[1:]]
    if any(map(is_array, sides)):
        raise NotRead("a condition on a line of arrays", place,
                      "write the line for single neurons")  # fmt: skip
    factor = Indicator(Comparison(left, condition.relation, right))
    made: list[Node] = []
    for side in sides:
        if side == Number(Fraction(1)):
            made.append(factor)
        elif isinstance(side, Product) and not side.elementwise:
            made.append(Product((factor, *side.factors)))
        else:
            made.append(Product((factor, side)))
    return made


def _put(value: object, letter: str, index: Index, place: Place) -> Any:
    """``value``, a node or a part of one, with ``index`` for ``letter`` where that is free."""
    match value:
        case Index(own, offset):
            return Index(index.letter, index.offset + offset) if own == letter else value
        case tuple():
            return tuple(_put(part, letter, index, place) for part in value)
        case Sum() if value.letter == letter:
            return value
        case Sum() if value.letter == index.letter:
            raise NotRead("the letter of the condition is that of a sum", place,
                          "use another letter in the sum")  # fmt: skip
        case Node():
            names = [each.name for each in dataclasses.fields(value)]
            return replace(
                value, **{n: _put(getattr(value, n), letter, index, place) for n in names}
            )
        case _:
            return value


# ------------------------------------------------------------------------------------------- items

_RELATION = {each.value: each for each in Relation}
_TWO_DELTAS = "δ with two letters may be Kronecker's or the error ∂L/∂a"
_OTHER_DELTAS = "write 1[i=j], or ∂L/∂a_{ki}"


@dataclass(frozen=True, slots=True)
class Chain:
    """The claims that lines which begin with "=" go on from.

    ``head`` is what the chain begins with, ``holds_for`` the conditions it stands under; ``named``
    are the page's own names in its last line, with their places.
    """

    head: Side | None = None
    holds_for: tuple[Condition, ...] = ()
    named: tuple[tuple[Named, Place], ...] = ()


@dataclass(frozen=True, slots=True)
class Sides:
    """A statement as its sides and what stands between them; see `Claim`.

    ``minus`` says that the relation is -=, ``steps`` that a quantity is called "new".
    """

    sides: list[Side]
    relations: list[Relation]
    continues: bool
    minus: bool
    steps: bool
    named: tuple[tuple[Named, Place], ...]


def _items(statement: Statement, page: Page, chain: Chain) -> tuple[list[Item], Chain]:
    """What a statement says, and the chain as it goes on behind it."""
    place, source = statement.place, statement.source
    chain = replace(chain, named=())
    prose: list[Item] = [Prose(place.line, place.column, source)]
    if statement.failed is None and (not statement.tokens or statement.kind == "prose"):
        return prose, chain
    try:
        if statement.failed is not None:
            raise statement.failed
        spend(1 + len(statement.words))
        if statement.condition is not None or _is_range(statement.tokens, page.letters):
            return prose, chain
        line = _sides(statement, page)
        sides, continues = line.sides, line.continues
        chain = replace(chain, named=line.named)
        if not continues:
            chain = Chain(sides[0] if len(sides) > 1 else None, statement.holds_for, line.named)
        elif statement.holds_for != chain.holds_for:  # under a condition of its own: starts anew
            if chain.head is None:
                raise NotRead("the lines before it stand under another condition", place,
                              "begin the line with its left side")  # fmt: skip
            chain = replace(chain, holds_for=statement.holds_for)
            sides, continues = [chain.head, *sides], False
        if statement.holds_for:
            sides = _under(sides, statement.holds_for)
        return _claimed(statement, replace(line, sides=sides, continues=continues)), chain
    except RecursionError:
        error = NotRead("the statement is nested too deeply", place)
    except NotRead as found:
        # something without a relation that stands within words is a mention, no claim
        within = statement.kind == "inline" or bool(statement.words)
        if within and not statement.has_relation and statement.failed is None:
            return prose, chain
        error = found
    return [_unread(statement, page, error)], chain


def _unread(statement: Statement, page: Page, error: NotRead) -> Unread:
    place = error.place or statement.place
    if statement.tokens:
        first, defines = statement.tokens[0].kind, _defined_by(statement, page)
    else:
        first, found = statement.source.lstrip("& ")[:1], _DEFINED.search(statement.source)
        known = found is None or page.letters.means_quantity(found[1])
        defines = "" if known or found is None else found[1]
    begins = first not in RELATIONS
    source, reason, suggestion = statement.source, error.message, error.suggestion
    return Unread(place.line, place.column, source, reason, suggestion, defines, begins)


def _is_range(tokens: Sequence[Token], letters: Letters) -> bool:
    """Whether a statement only says what an index runs over: i = 1, …, n; i ≠ j."""
    if len(tokens) < 3 or tokens[1].kind not in (*COMPARISONS, "in"):
        return len(tokens) == 1 and tokens[0].kind in ("...", "number")
    first = tokens[0].text
    if tokens[0].kind != "name" or first not in ("ell", *"ijklmnpqrst"):
        return False
    if letters.means_quantity(first) or first in letters.names:
        return False
    kinds = {token.kind for token in tokens[2:]}
    if first in letters.defined and kinds.isdisjoint(("...", ",", "in")) and tokens[1].kind != "in":
        return False
    return kinds <= {"number", "name", "...", "+", "-", ",", "{", "}", "(", ")"}


def _sides(statement: Statement, page: Page) -> Sides:
    """The sides of a statement as nodes.  Raises `NotRead`."""
    tokens, place, letters = statement.tokens, statement.place, page.letters
    changing = next((w for w in statement.words if w.text.lower() in _ARITHMETIC), None)
    if changing is not None:
        raise NotRead(f"the word “{changing.text}” stands within a formula", changing.place,
                      "write it as a sign")  # fmt: skip
    parts = split(tokens, RELATIONS)
    ends = itertools.accumulate(len(part) + 1 for part in parts[:-1])
    relations = [_RELATION[tokens[end - 1].kind] for end in ends]
    continues = bool(relations) and not parts[0]
    parts = parts[1:] if continues else parts
    if not all(parts):
        raise NotRead("nothing stands on one side of the relation", place)
    # w -= lr * dw
    minus = relations == [Relation.EQUAL] and len(parts) == 2 and len(parts[0]) > 1
    minus = minus and parts[0][-1].kind == "-"
    if minus:
        parts, relations = [parts[0][:-1], parts[1]], [Relation.BECOMES]
    names = [token.text for token in tokens if token.kind == "name"]
    learned = bool(names) and (
        not letters.scope.is_network
        or letters.meaning(names[0]) in ("w", "b")
        or names[0].lower() == "theta"
    )
    again = learned and names.count(names[0]) > 1 and bool(relations)
    updating = again or Relation.BECOMES in relations
    line = Line(letters, statement.latex, page.is_code and not statement.latex, updating)
    readings = [reading(part, line) for part in parts]
    uncertain = {node for each in readings for node in each.uncertain}
    nodes = _settled([each.node for each in readings], uncertain, tokens)
    if any(_summands(node, letters.scope) > MOST_SUMMANDS for node in nodes):
        raise NotRead(f"nested sums of more than {MOST_SUMMANDS:,} terms", place)
    sides = [
        Side(node, page.between(part) or statement.source, part[0].place.line, part[0].place.column)
        for part, node in zip(parts, nodes, strict=True)
    ]
    if uncertain and len(sides) > 1:  # δ_ij alone on a side may be the error just as well
        for side in sides:
            if isinstance(side.node, Indicator):
                raise NotRead(_TWO_DELTAS, Place(side.line, side.column), _OTHER_DELTAS)
    if any(token.text == "sigma" for token in tokens):
        _check_sigma(nodes, letters.scope, place)
    if nodes[0] == LOSS:
        _check_class(nodes[1:], place)
    steps = any(each.steps for each in readings)
    named = tuple(name for each in readings for name in each.named)
    return Sides(sides, relations, continues, minus, steps, named)


def _check_sigma(nodes: Sequence[Node], scope: Scope, place: Place) -> None:
    """σ of a preactivation may be whatever its layer has, where no layer has the sigmoid."""
    if not scope.is_network or "sigmoid" in scope.activations:
        return
    for part in (part for node in nodes for part in walk(node)):
        match part:
            case Call("sigmoid", (Element("a") | Array("a"),)):
                raise NotRead("σ is the sigmoid, which no layer of this network has", place,
                              "write g for a layer's activation")  # fmt: skip


def _check_class(nodes: Sequence[Node], place: Place) -> None:
    """L = -log ŷ_c: nothing says which class c is."""
    for part in (part for node in nodes for part in walk(node)):
        match part:
            case Call("log", (Element("yhat") as of,)):
                others = {letter for node in nodes for letter in _letters_beside(node, part)}
                unknown = {*free_letters(of)} - {ELL} - others
                if unknown:
                    raise NotRead(f"which class {min(unknown)} is does not follow from L", place,
                                  "write ℓ for the true class, or a sum")  # fmt: skip


def _letters_beside(node: Node, left_out: Node) -> Iterator[str]:
    """The index letters of a node, a part of it left out; those that sums bind as well."""
    if node == left_out:
        return
    yield from (index.letter for index in getattr(node, "indices", ()))
    if isinstance(node, Sum):
        yield node.letter
    for child in children(node):
        yield from _letters_beside(child, left_out)


def _settled(nodes: list[Node], uncertain: set[Element], tokens: Sequence[Token]) -> list[Node]:
    """Limits that are no index of the line are whole ranges; δ_ij is Kronecker's or ∂L/∂a."""

    def without_limits(node: Node) -> Node:
        node = rebuilt(node, without_limits)
        return replace(node, upper=None) if isinstance(node, Sum) else node

    bare = [without_limits(node) for node in nodes]
    used = {letter for node in bare for letter in free_letters(node)}
    used |= {part.letter for node in bare for part in walk(node) if isinstance(part, Sum)}
    roles = _letter_roles(nodes)

    def settle(node: Node) -> Node:
        node = rebuilt(node, settle)
        limit = node.upper if isinstance(node, Sum) else None
        if isinstance(node, Sum) and limit and limit.letter and limit.letter not in used:
            return replace(node, upper=None)
        if not isinstance(node, Element) or node not in uncertain:
            return node
        first, second = node.indices
        found = roles.get(first.letter, set())
        if found == {"neuron"}:
            return Indicator(Comparison(Letter(first), "=", Letter(second)))
        if found == {"layer"} or (not found and first.letter in ("k", "l")):
            return node
        place = next((t.place for t in tokens if t.text == "delta"), tokens[0].place)
        raise NotRead(_TWO_DELTAS, place, _OTHER_DELTAS)

    return [settle(node) for node in nodes]


def _letter_roles(nodes: Sequence[Node]) -> dict[str, set[str]]:
    """For each index letter whether it numbers layers or neurons, δ_ij left out."""
    roles: dict[str, set[str]] = {}
    for part in (part for node in nodes for part in walk(node)):
        if isinstance(part, Array) and part.layer is not None and part.layer.letter:
            roles.setdefault(part.layer.letter, set()).add("layer")
        if not isinstance(part, Element) or part.letter == "delta":
            continue
        for position, index in enumerate(part.indices):
            layered = part.letter in ("w", "b", "a", "h")
            role = "layer" if layered and position == 0 else "neuron"
            if index.letter:
                roles.setdefault(index.letter, set()).add(role)
    return roles


def _summands(node: Node, scope: Scope) -> int:
    """How often the innermost body of nested sums is evaluated, at most."""
    inner = max((_summands(child, scope) for child in children(node)), default=1)
    if not isinstance(node, Sum):
        return inner
    widths = [width for width in scope.widths if isinstance(width, int) and width <= 64]
    upper = max(widths, default=6)
    if node.upper is not None and node.upper.is_number:
        upper = node.upper.offset
    return min(inner * max(1, upper), MOST_SUMMANDS + 1)


def _claimed(statement: Statement, line: Sides) -> list[Item]:
    """The claim or the definition that a statement is; what says nothing to check is prose."""
    place, source, sides, relations = statement.place, statement.source, line.sides, line.relations
    first = sides[0].node
    if line.minus:
        step = Total((first, negative(sides[1].node)))
        sides = [sides[0], replace(sides[1], node=step)]
    if not relations:
        mention = isinstance(first, (Element, Array, Derivative, Named, Number))
        if mention or statement.kind == "inline" or statement.words:
            return [Prose(place.line, place.column, source)]
    relations = _as_updates([side.node for side in sides], relations)
    if line.steps and relations and isinstance(first, (Element, Array)):
        relations = [Relation.BECOMES, *relations[1:]]
    starts = not line.continues and bool(relations)
    own = isinstance(first, Named) and first.name != "theta"
    if isinstance(first, Named) and own and starts and relations[0] is not Relation.BECOMES:
        node = sides[1].node
        shown = f"{echo(first)} := {echo(node)}"
        explicit = relations[0] is Relation.DEFINES or _is_told(statement)
        items: list[Item] = [
            Definition(
                place.line, place.column, source, first.name, first.indices, node, shown, explicit
            )
        ]
        if len(sides) == 2:
            return items
        sides, relations, given = [sides[0], *sides[2:]], relations[1:], ()
    else:
        vector = isinstance(first, Array) and first.letter == "delta" and starts
        if vector and not any(is_array(side.node) for side in sides[1:]):
            raise NotRead(
                "δ with one index is the vector ∂L/∂a of a layer, and the other side is a number",
                Place(sides[0].line, sides[0].column),
                "write δ_{21} for neuron 1 of layer 2, or another letter",
            )
        items = []
        given = tuple(
            Comparison(each.left, each.relation, each.right)
            for each in statement.holds_for
            if not isinstance(each.left, Letter)  # those on indices are cases of one claim
        )
    texts = [echo(side.node) for side in sides]
    marks = [relation.value for relation in relations]
    pairs = itertools.zip_longest(*((marks, texts) if line.continues else (texts, marks)))
    shown = " ".join(word for pair in pairs for word in pair if word is not None)
    claim = Claim(
        place.line, place.column, source, tuple(sides), tuple(relations), line.continues, shown,
        given,
    )  # fmt: skip
    return [*items, claim]


def _as_updates(nodes: Sequence[Node], relations: Sequence[Relation]) -> list[Relation]:
    """w = w - η ∂L/∂w and w := … are steps; := of another quantity is an equality.

    Without a rate only a sum is a step: w = 2w/2 is an equation.
    """
    first = nodes[0]
    quantity = isinstance(first, (Element, Array))
    learned = isinstance(first, (Element, Array)) and first.letter[:1] in ("w", "W", "b", "θ")
    found = []
    for k, relation in enumerate(relations):
        right = nodes[min(k + 1, len(nodes) - 1)]
        again = quantity and k == 0 and any(part == first for part in walk(right))
        has_rate = any(part == Element("eta") for part in walk(right))
        step = again and (has_rate or (learned and isinstance(right, Total)))
        defined = relation is Relation.DEFINES and learned and k == 0
        if defined or (step and relation is not Relation.ABOUT):
            found.append(Relation.BECOMES)
        elif relation is Relation.DEFINES and not isinstance(first, Named):
            found.append(Relation.EQUAL)
        else:
            found.append(relation)
    return found


def _with_names_known(
    items: Sequence[Item], named: Sequence[tuple[Named, Place]]
) -> Iterator[Item]:
    """The items; claims about names that nothing on the page defines are not read."""
    known = {(d.name, len(d.indices)) for d in items if isinstance(d, Definition)}
    unread = {item.defines for item in items if isinstance(item, Unread)}
    for item in items:
        match item:
            case Claim(sides=sides):
                nodes = [side.node for side in sides]
            case Definition(node=node):
                nodes = [node]
            case _:
                nodes = []
        names = (part for node in nodes for part in walk(node) if isinstance(part, Named))
        strange = next(
            (n for n in names if n.name not in unread and (n.name, len(n.indices)) not in known),
            None,
        )
        if strange is None or isinstance(item, (Prose, Unread)):
            yield item
            continue
        places = [(place.line, place.column) for name, place in named if name == strange]
        here = (item.line, item.column)
        line, column = next((place for place in places if place >= here), here)
        shown = echo(strange)
        reason = f"{shown} is no quantity of this network, and the page does not define it"
        way = "define it on a line of its own, or write the network's letter"
        yield Unread(line, column, item.source, reason, way)
