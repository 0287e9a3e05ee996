"""The text of a page as statements: rows as tokens, cut at commas, words and wide spaces.

Here one can

* hold a page without its comments and macros: `Page`, which knows places and what letters mean;
* get its `Statement`s, the stretches that may be claims: `cut`.  Rows stand between the
  delimiters of mathematics or are lines of text; one that ends in the middle of something is joined
  with the next; numbers, boxes and remarks are left out.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from symback.checking.copied import BREAK, FILLER, plain
from symback.checking.layers import known_layers, layers_of
from symback.checking.lemmas import Lemma, function_defined
from symback.checking.letters import Letters, is_total
from symback.checking.naming import WORDS, joined, snake_cased
from symback.checking.shapes import is_only_shape
from symback.checking.tokens import (
    CLOSES,
    COMPARISONS,
    FUNCTIONS,
    MOST_TOKENS,
    OPENS,
    RELATIONS,
    Macros,
    NotRead,
    Place,
    Token,
    lexed,
    split,
    without_macros,
)
from symback.language.budget import Spent, spend
from symback.language.expressions import Index, Node
from symback.language.names import GREEK_NAMES

NOTATION = re.compile(
    r"(?m)^[^\S\n]*(?:(?:[%#>*/-]+|<!--)[^\S\n]*)?"
    r"notation[^\S\n]*:[^\S\n]*([\w.-]+)[^\S\n]*(?:-->[^\S\n]*)?$"
)


# --------------------------------------------------------------------------------------- the text

_CODE = re.compile(r"@|\.T\b|\bnp\.|\bdef |\*\*|[-+]= |\bd[A-Zabhx]\w*\s*=")
_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)(%[^\n]*)")
r"""A comment of LaTeX; \% is none."""
EMPTY_LINE = re.compile(r"\n[ \t]*\n")
_SIGN = re.compile(r"\S")
_NAMED_IN_WORDS = re.compile(
    r"[A-Za-z][,;]?\s+(?!I\b|A\b)([A-Z]\w{0,4}|[a-z]\w?\d)\s*(?:\${1,2}|\\\(|\\\[)\s*$"
)
"""Words, a name such as W1, and the sign that opens a formula."""
_EQUALITY = re.compile(r"[=≈←]")


@dataclass(frozen=True, slots=True)
class Page:
    """The text without comments and macros, where its lines start, and what its letters mean.

    ``typed`` is the text as it was typed, of which ``text`` has the plain signs at the same places;
    ``is_code``: it holds lines of a program, in which * between arrays goes entry by entry;
    ``numbering`` are the letters that stand in its subscripts; ``layers`` say which layer's neurons
    they number, where nothing else does.
    """

    text: str
    macros: Macros
    letters: Letters
    starts: tuple[int, ...]
    is_code: bool
    numbering: frozenset[str] = frozenset()
    layers: Mapping[str, Index] = field(default_factory=dict)
    typed: str = ""
    is_numbered: bool = False
    """Whether numbers in brackets at the ends of rows go up by one from row to row."""

    @classmethod
    def of(cls, text: str, letters: Letters) -> Page:
        """A page as it was typed; comments and macros become blanks, so that places stay."""
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if re.search(r"\\[A-Za-z(\[]", text):
            text = _COMMENT.sub(lambda found: found[1] + " " * len(found[2]), text)
        typed, macros = without_macros(text)
        text = plain(typed)
        starts = (0, *(match.end() for match in re.finditer("\n", text)))
        is_code = letters.notation.rows or _CODE.search(text) is not None
        return cls(
            text, macros, letters, starts, is_code, typed=typed, is_numbered=_is_numbered(text)
        )

    def knowing(self, statements: Sequence[Statement]) -> Page:
        """The page with the names that its statements define, and the letters that they number."""
        numbering = {letter for each in statements for letter in _letters_below(each.tokens)}
        # "for i = 1" defines no i, unless the page goes on to calculate with it
        numbering |= {*"ijkm"} - {t.text for each in statements for t in each.tokens[1:]}
        page = replace(self, numbering=frozenset(numbering))
        if self.is_code and any(map(self._counts_errors_on, statements)):
            own = replace(self.letters.notation, error="")  # delta3 of two layers is a name
            scope, unknown = self.letters.scope, self.letters.unknown
            page = replace(page, letters=Letters(scope, own, unknown=unknown))
        letters, told = page.letters, [each for each in statements if each.has_relation]
        letters = Letters(
            letters.scope,
            letters.notation,
            frozenset(
                name
                for each in statements
                for name in (each.changes, defined_by(each, page))
                if name
            ),
            own_errors=any(map(_defines_errors, statements)),
            marks=_has_marks(statements, page),
            unknown=self.letters.unknown,
            functions=frozenset(filter(None, (function_defined(s.tokens, letters) for s in told))),
        )
        layers = {}
        if letters.tells_layers_by_indices:
            layers = known_layers((each.tokens for each in statements), letters)
        return replace(page, letters=letters, layers=layers)

    def _counts_errors_on(self, statement: Statement) -> bool:
        """Whether a program counts its errors beyond the last layer, as delta3 of two layers."""
        depth = self.letters.scope.depth
        return any(
            name.text == self.letters.notation.error
            and number.text.isdigit()
            and name.end == number.start
            and int(number.text[:6]) > depth > 0
            for name, number in itertools.pairwise(statement.tokens)
        )

    def letters_of(self, tokens: Sequence[Token]) -> Letters:
        """What letters mean in one statement."""
        if not self.letters.tells_layers_by_indices:
            return self.letters
        return self.letters.with_layers(layers_of(tokens, self.letters, self.layers))

    def place(self, position: int) -> Place:
        """Line and column of a position of the page."""
        line = bisect.bisect_right(self.starts, position)
        return Place(line, position - self.starts[line - 1] + 1)

    def named_before(self, place: Place) -> str:
        """The name with which the words on a line end, right before the formula at a place; or "".

        In "the derivative by W1 $= …$" it is W1: the formula goes on from what the words say.
        """
        begin = self.starts[place.line - 1]
        found = _NAMED_IN_WORDS.search(self.text[begin : begin + place.column - 1])
        return "" if found is None else found[1]

    def line_above(self, position: int) -> str:
        """The line above the one of a position, without its end; "" above the first."""
        number = self.place(position).line - 2
        return "" if number < 0 else self.text[self.starts[number] : self.starts[number + 1] - 1]

    def between(self, tokens: Sequence[Token]) -> str:
        """The text from the first of some tokens to the last."""
        return self.typed[self.position(tokens[0]) : self.behind(tokens[-1])].strip()

    def position(self, token: Token) -> int:
        """The position of the page at which a token begins."""
        return self.starts[token.place.line - 1] + token.place.column - 1

    def behind(self, token: Token) -> int:
        """The position of the page behind a token."""
        position = self.position(token) + token.end - token.start
        while self.text[position : position + 1] == FILLER and self.typed[position] not in "`*":
            position += 1
        return position

    def lexed(self, text: str, start: int, *, latex: bool) -> list[Token]:
        """The tokens of a stretch that stands at a position of the page."""
        letters, snakes = self.letters, self.is_code and not latex
        of_names = letters.own_functions, letters.long_names, letters.short_names
        if not self.macros.named:
            return list(_lexed_once(text, self.place(start), latex, snakes, *of_names))
        return _lexed(text, self.place(start), latex, snakes, *of_names, macros=self.macros)


def _lexed(
    text: str,
    place: Place,
    latex: bool,
    snakes: bool,
    functions: tuple[str, ...],
    words: frozenset[str],
    letters: frozenset[str],
    macros: Macros | None = None,
) -> list[Token]:
    """The tokens of a stretch, each name as one; ``snakes``: those of a program too."""
    tokens = lexed(text, place, latex=latex, macros=macros, functions=functions)
    made = joined(tokens, latex=latex, own=words, letters=letters)
    return snake_cased(made) if snakes else made


_lexed_once = lru_cache(maxsize=2_000)(_lexed)
"""A page is read in many notations, and its tokens are the same in all."""


def _is_numbered(text: str) -> bool:
    found = [int(each) for each in _NUMBERED.findall(text)]
    return len(found) > 1 and all(b == a + 1 for a, b in itertools.pairwise(found))


# ------------------------------------------------------------------------------------------- rows

_ENVIRONMENTS = (
    "equation align gather eqnarray multline split aligned alignat flalign displaymath math dmath "
    "gathered alignedat IEEEeqnarray"
).split()
_OPENING = re.compile(
    r"\$\$|\\\[|\\\(|\\begin\{(?P<name>(?:" + "|".join(_ENVIRONMENTS) + r")\*?)\}"
    r"|(?<!\\)\$|(?P<fence>```(?:math|latex|tex)?[ \t]*\n)"
)
_COLUMNS = re.compile(r"\s*\{(?:\d|[rlcRLCsS|@{}\s]*)\}(?!\s*[_^])")
"""The number of columns of alignat, and those of an array."""
_CLOSERS = {"$$": "$$", r"\[": r"\]", r"\(": r"\)", "$": "$"}
_BULLET = re.compile(
    r"\s*(?:\(?\d{1,2}[.)]|\(?[a-hivx]{1,3}\)|[*•>]|#{1,6})(?=\s)"
    r"|\s*(?:Step|Line)\s+\d{1,2}\s*[:.)]"
)
_DASH = re.compile(r"\s*[-–—](?=\s)")
_PLUS = re.compile(r"\s*\+\s+(?:∂|d[A-Z]/|\\frac\{\\partial)[^-+=·*()]*=")
"""A plus before a whole equation about a derivative, which may begin a point of a list."""
_PLUS_MARK = re.compile(r"\s*\+(?=\s)")
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
    for suppose assume provided set setting take taking pick choose fix letting
    """.split()
)
"""Words that may stand between formulas without changing them."""
_RESUMING = frozenset(
    """
    so hence thus therefore then which is are equals equal becomes be and that get gives give yields
    obtain have we again finally now it also simplifies to i.e ie
    """.split()
)
"""Words behind which "= …" goes on from what stands above."""
ARITHMETIC = frozenset(
    """
    times plus minus divided squared cubed transposed transpose per inverse double twice half
    """.split()
)
"""Words that would change a formula they stand in."""
_CHANGING = frozenset("乘除加减減倍方转轉负負根逆非不곱나더빼배제")
"""Signs in such words of Chinese, Japanese and Korean."""


@dataclass(frozen=True, slots=True)
class Tail:
    """The row below another, which may go on with it: a factor, or a term with its minus.

    ``tokens`` are empty where it could not be read; ``is_firm``: its place says so, too.
    """

    tokens: list[Token]
    is_firm: bool


@dataclass(frozen=True, slots=True)
class Row:
    """The tokens of a row of the page; ``kind``: display, inline, latex, plain or prose.

    ``tail`` is the row below, where that may go on with this one; ``goes_on`` is this row, where it
    may go on with the one above.  ``is_bulleted``: it is a point of a list.
    """

    tokens: list[Token]
    kind: str
    source: str
    start: int
    failed: NotRead | None = None
    is_bulleted: bool = False
    tail: Tail | None = None
    goes_on: Tail | None = None


def _rows(page: Page) -> Iterator[Row]:
    """The rows of the page, in order; one that ends in the middle of something has the next too."""
    waiting: Row | None = None
    for row in _single_rows(page):
        spend()
        if waiting is not None and _goes_on(waiting, row):
            join = page.typed[waiting.start : row.start]
            waiting = replace(
                waiting,
                tokens=[*waiting.tokens, *row.tokens],
                source=join + row.source if len(join) < 4000 else waiting.source,
                failed=waiting.failed or row.failed,
            )
            continue
        if waiting is not None:
            tail = _tail(waiting, row, page)
            yield waiting if tail is None else replace(waiting, tail=tail)
            row = replace(row, goes_on=tail)
        waiting = row
    if waiting is not None:
        yield waiting


def _tail(before: Row, row: Row, page: Page) -> Tail | None:
    """``row`` as what may go on with the row ``before``; None where it does not.

    It has no relation of its own, or one behind a minus that may be a bullet, and stands right
    below a row that has one.
    """
    kinds = [token.kind for token in before.tokens]
    if "inline" in (before.kind, row.kind) or "prose" in (before.kind, row.kind):
        return None
    if not set(kinds) & set(RELATIONS) or kinds[-1] in (",", ";", ":", ".", "text"):
        return None
    between = page.text[page.behind(before.tokens[-1]) : row.start]
    displayed = before.kind == "display"
    apart = EMPTY_LINE.search(between) is not None or (row.kind == "display") != displayed
    if apart or (not displayed and before.is_bulleted):
        return None
    if not row.tokens:
        return None if _EQUALITY.search(row.source) else Tail([], is_firm=False)
    start = next((k for k, token in enumerate(row.tokens) if token.kind != "⏐"), 0)
    visible = split(row.tokens[start:], ("⏐",))[0]
    listed = row.tokens[0].kind in ("-", "+") and row.failed is not None
    parts = split(visible, RELATIONS)
    said = {token.kind for token in visible}
    if (len(parts) > 1 and not listed) or said & {"text", "in", *COMPARISONS[1:], ",", ";", ":"}:
        return None
    within = displayed and re.search(r"\\\\|\$\$|\\\]|\\(?:end|begin)\{", between)
    same = displayed and (not within or within[0] == r"\\")
    indented = not displayed and page.text[row.start] in (" ", "\t")
    return Tail(parts[0], same or indented or visible[0].kind in ("-", "+"))


def _goes_on(before: Row, row: Row) -> bool:
    """Whether a row ends in the middle of something that the next goes on with."""
    if not before.tokens or not row.tokens or "prose" in (before.kind, row.kind):
        return False
    if row.failed is not None:
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
            whole = name is not None and name.startswith("multline")
            yield from _latex_rows(page, text[begin:close], begin, kind, whole=whole)
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
    for line in re.split(rf"[\n{BREAK}]", page.text[start:end]):
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


def _latex_rows(
    page: Page, text: str, start: int, kind: str, *, whole: bool = False
) -> Iterator[Row]:
    r"""The rows of a display, cut at \\ outside inner environments; ``whole``: as one formula."""
    if not text.strip() or (text.lstrip().startswith("%") and "\n" not in text.strip()):
        return
    given = _COLUMNS.match(text)
    body = text if given is None else " " * given.end() + text[given.end() :]
    try:
        tokens = page.lexed(body, start, latex=True)
    except NotRead as error:
        yield Row([], kind, page.typed[start : start + len(text)], start, error)
        return
    tokens = _without_array(tokens)
    rows: list[list[Token]] = [[]]
    depth = columns = 0
    for place, token in enumerate(tokens):
        if token.kind in ("begin", "end") and token.text in _ENVIRONMENTS:
            whole = whole or token.text.startswith("multline")
            continue
        depth += (token.kind in ("begin", "{")) - (token.kind in ("end", "}"))
        if token.kind == "\\\\" and depth == 0:
            rows.append([])
            columns = 0
        elif token.kind != "&" or depth:
            rows[-1].append(token)
        elif rows[-1] and token.end > 1 and tokens[place - 1].kind == "&":
            rows[-1].append(replace(token, kind="⏐", text="&&"))
        else:  # the second one stands between two equations: a &= b & c &= d
            columns += 1
            if rows[-1] and columns % 2 == 0:
                rows[-1].append(replace(token, kind="⏐"))
    for row in _in_one(rows) if whole else filter(None, rows):
        first, last = row[0].start, row[-1].end
        yield Row(row, kind, page.typed[start + first : start + last].strip(), start + first)


def _without_array(tokens: list[Token]) -> list[Token]:
    r"""The rows of an array that is all of a display: \begin{array}{rcl} a &=& b \end{array}."""
    ends = [token.text for token in (*tokens[:1], *tokens[-1:]) if token.kind in ("begin", "end")]
    once = sum(token.kind == "begin" and token.text == "array" for token in tokens) == 1
    if ends != ["array", "array"] or not once:
        return tokens
    inner = tokens[1:-1]
    close = next((k for k, token in enumerate(inner) if token.kind == "}"), 0)
    return inner[close + 1 :] if inner and inner[0].kind == "{" else inner


def _in_one(rows: Sequence[list[Token]]) -> Iterator[list[Token]]:
    """The rows of one formula over several lines; one that has a left side stands for itself."""
    waiting: list[Token] = []
    for row in rows:
        if waiting and any(token.kind in RELATIONS for token in row[1:]):
            yield waiting
            waiting = []
        waiting = waiting + row
    if waiting:
        yield waiting


def _plain_rows(page: Page, begin: int, end: int) -> Iterator[Row]:
    """Lines of text: those that hold no formula are prose."""
    above = ""  # the formula right above, unless it is one of a list
    for line, start in _lines(page, begin, end):
        text = page.typed[start : start + len(line)].strip()
        if (cells := _cells(line, page.line_above(start))) is not None:
            above = ""
            for cell, place in cells:
                yield from _plain_rows(page, start + place, start + place + len(cell))
            continue
        blank = not line.strip(f"{FILLER} \t") and text
        if blank or set(text) <= set("-=_*~.:;,#|!>") or NOTATION.match(line):
            above = ""
            continue
        bullet = _bullet(line, above)
        offset = 0 if bullet is None else bullet.end()
        body = line[offset:]
        bare = body.strip()
        if len(bare) > 4 and bare.startswith("**") and bare.endswith("**"):  # bold type
            stars = body.index("**") + 2
            body, offset = body[stars : body.rindex("**")], offset + stars
        body = _CODE_COMMENT.sub("", body)
        if not _looks_like_formula(body):
            above = ""
            yield Row([], "prose", text, start)
            continue
        failed = None
        sign = _DASH.match(body) and _EQUALITY.search(body)
        if above and bullet is None and (sign or _PLUS.match(body)):
            failed = NotRead("the sign in front may be a minus or begin a point of a list",
                             page.place(start + len(body) - len(body.lstrip())),
                             "leave a line empty between")  # fmt: skip
        latex = "\\" in body or _is_typed_as_latex(body)
        try:
            tokens = page.lexed(body, start + offset, latex=latex)
        except NotRead as error:
            yield Row([], "plain", text, start, error, bullet is not None)
            continue
        tokens = [token for token in tokens if token.kind != "&"]
        tokens = _with_spelled_words(tokens) if latex else _with_words(tokens, page.letters)
        kind = "latex" if latex else "plain"
        yield Row(tokens, kind, text, start, failed, bullet is not None)
        above = "" if bullet is not None or text[-1] in ":;,." else text


_TABLE = re.compile(r"\s{0,9}\|.*\|\s{0,9}")
_RULE = re.compile(r"[\s|:-]{3,400}")


def _cells(line: str, above: str) -> list[tuple[str, int]] | None:
    """The cells of a row of a Markdown table and where they begin; None for another line.

    The first rows of a table are its heads and its rule, below which every row is one.
    """
    if not (_TABLE.fullmatch(line) and _TABLE.fullmatch(above)) or _RULE.fullmatch(line):
        return None
    marks = [found.start() for found in re.finditer(r"(?<!\\)\|", line)]
    return [(line[a + 1 : b], a + 1) for a, b in itertools.pairwise(marks)]


def _bullet(line: str, above: str) -> re.Match[str] | None:
    """What marks a line as a point of a list.

    Below a formula a star before something without a relation is a sign, and a dash may be.
    """
    found = _BULLET.match(line)
    if found is None and "=" in line and not above:
        found = _PLUS_MARK.match(line) if _PLUS.match(line) else _DASH.match(line)
    if found is None or not line[found.end() :].strip():
        return None
    is_sign = above and found[0].strip() == "*" and not _EQUALITY.search(line)
    return None if is_sign else found


def _looks_like_formula(text: str) -> bool:
    """Whether a line of text holds a formula, rather than words."""
    if re.search(r"[=≈←∂∇Σ∑]|:=|[\w)}] ?[<>≤≥≠] ?[-\w(\\]", text):
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


def changes_formula(word: str) -> bool:
    """Whether a formula in which ``word`` stands says something else than its signs alone."""
    return word.lower() in ARITHMETIC or not _CHANGING.isdisjoint(word)


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
        english = len(text) > 1 and (word in _CONNECTING or word in ARITHMETIC)
        scripted = follows.kind in ("_", "^", "(", "'") and not follows.spaced
        among = any(each.kind == "name" and len(each.text) > 2 for each in (*before, *behind))
        named = letters.is_name(text) or (letters.means_quantity(text) and not among)
        named = named or text in WORDS  # of which those in a sentence are words already
        numbered = follows.kind == "number" and follows.start == token.end  # do1 / dw5
        named = named or (numbered and text[0] == "d" and letters.begins_quantity(text[1:]))
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
        english = word == "so" or (len(word) > 2 and (word in _CONNECTING or word in ARITHMETIC))
        if english and ends and (first.spaced or not place):
            made.append(replace(first, kind="text", text=word, end=tokens[end - 1].end))
        else:
            end = max(end, place + 1)
            made += tokens[place:end]
        place = end
    return made


# ------------------------------------------------------------------------------------- statements


@dataclass(frozen=True, slots=True)
class Condition:
    """``left relation right``; indices are `Letter` nodes."""

    left: Node
    relation: str
    right: Node
    place: Place


@dataclass(frozen=True, slots=True)
class Statement:
    """A stretch of a row that may be a claim, and what stands around it.

    ``words`` are those of its row, ``before`` those between the statement before and this one;
    ``is_single`` says that nothing else stands in its row, ``is_noted`` that && stands before it;
    ``tail`` and ``goes_on`` are those of its `Row`.  The pass on conditions adds ``led_by``, all
    words since the statement before, those of a paragraph among them; ``paragraph``, whether an
    empty line stands before it; ``is_close``, whether "if" alone does; the ``condition`` that it
    states, where it is one; and ``holds_for``, the conditions that it stands under.  ``lemma`` is
    set where it is about functions of a variable; ``changes`` is the name of a program that it
    gives another value than it had (`symback.checking.programs`).
    """

    tokens: list[Token]
    kind: str
    source: str
    place: Place
    failed: NotRead | None = None
    words: tuple[Token, ...] = ()
    before: str = ""
    is_single: bool = False
    is_noted: bool = False
    tail: Tail | None = None
    goes_on: Tail | None = None
    row: int = 0
    led_by: tuple[str, ...] = ()
    paragraph: bool = False
    is_close: bool = False
    condition: Condition | None = None
    holds_for: tuple[Condition, ...] = ()
    lemma: Lemma | None = None
    changes: str = ""

    @property
    def latex(self) -> bool:
        """Whether it is typed as LaTeX."""
        return self.kind in ("display", "inline", "latex")

    @property
    def where(self) -> tuple[int, int, str]:
        """Line, column and source, with which each item of a page begins."""
        return self.place.line, self.place.column, self.source

    @property
    def has_relation(self) -> bool:
        """Whether it says that something is equal to something."""
        return any(token.kind in RELATIONS for token in self.tokens)


def cut(page: Page) -> tuple[list[Statement], tuple[Statement, Spent] | None]:
    """The statements of the page, and from which one on the budget leaves it.

    Where it does, the paragraph that lost its end is left too: conditions and halves of lines reach
    back, but over no empty line.
    """
    found: list[Statement] = []
    try:
        for number, row in enumerate(_rows(page)):
            found += [replace(each, row=number) for each in _cut_row(row, page)]
    except Spent as spent:
        if not found:
            raise
        starts = (page.starts[each.place.line - 1] for each in found)
        gaps = [page.text[a:b] for a, b in itertools.pairwise((0, *starts))]
        ends = [k for k, gap in enumerate(gaps) if EMPTY_LINE.search(gap)]
        kept = ends[-1] if ends else 0
        return found[:kept], (found[kept], spent)
    found = [_with_plain_ell(each) for each in _without_steps(found)]
    return list(_told_equal(found, page)), None


def _with_plain_ell(statement: Statement) -> Statement:
    r"""Where a sum runs over \ell, that is no true class but a letter like others."""
    texts = [token.text for token in statement.tokens]
    runs = any(
        texts[k : k + 2] == ["Σ", "_"] and "ell" in texts[k + 2 : k + 4] for k in range(len(texts))
    )
    free = next((letter for letter in "lrqs" if letter not in texts), None)
    if not runs or free is None:
        return statement
    tokens = [replace(t, text=free) if t.text == "ell" else t for t in statement.tokens]
    return replace(statement, tokens=tokens)


MOST_STEPS = 4
"""So often (n) stands behind a quantity where it is a mark: e_j(n), at the n-th step."""


def _without_steps(statements: list[Statement]) -> list[Statement]:
    """The statements without the (n) behind each quantity, where n is nothing else on the page."""
    marks = [list(_steps(each.tokens)) for each in statements]
    others = sum(_stands_alone(each.tokens) for each in statements)
    if sum(map(len, marks)) < MOST_STEPS or others != sum(map(len, marks)):
        return statements
    return [
        replace(each, tokens=[t for k, t in enumerate(each.tokens) if not {k, k - 1, k - 2} & here])
        if (here := set(places))
        else each
        for each, places in zip(statements, marks, strict=True)
    ]


def _steps(tokens: Sequence[Token]) -> Iterator[int]:
    """Where (n) stands behind a letter or its scripts."""
    for place in range(1, len(tokens) - 2):
        texts = [token.text for token in tokens[place : place + 3]]
        if texts == ["(", "n", ")"] and tokens[place - 1].kind in ("name", "number", "}"):
            yield place


def _stands_alone(tokens: Sequence[Token]) -> int:
    """How often n stands in a formula, but not in a subscript or above a sum."""
    depth = count = 0
    for place, token in enumerate(tokens):
        before = tokens[place - 1].kind if place else ""
        if depth:
            depth += (token.kind == "{") - (token.kind == "}")
        elif before in ("_", "^"):
            depth = int(token.kind == "{")
        else:
            count += token.text == "n" and token.kind == "name"
    return count


_IS = re.compile(
    r"\s{0,9}\$?\s{0,9}(?:is|equals|becomes)(?: then| thus| just| simply| now| equal to)?"
    r":?\s{0,9}\$?\s{0,9}",
    re.I,
)
"""What stands between two formulas and says that they are equal."""
_ENDS = re.compile(
    r"\s{0,9}\$?\s{0,9}(?:[.;:!?)]|,(?!\s{0,3}\d)|$|\n|(?:for|if|when|where|since|because|which|so|as|by|with)\b)"
)
"""What stands behind an equation in words; behind "is a" there might come "times b"."""
_HARMLESS = frozenset(
    """
    the derivative gradient partial so then hence thus therefore now that we have get find see term
    signal slope value result final finally output layer local first second third next here since
    because this means note remember recall our also answer expression quantity error and
    """.split()
)
"""Words before a formula in its sentence that leave it what it is; "the sum of" does not."""


def _told_equal(statements: Sequence[Statement], page: Page) -> Iterator[Statement]:
    """The statements, in which "∂L/∂a is ŷ - y" is one: an equation said in words."""
    waiting: list[Statement] = []
    for each in statements:
        first = waiting[0] if waiting else None
        if first is not None and each.tokens:
            made = _equation(first, each, page)
            if made is not None:
                yield made
                waiting = []
                continue
        if each.tokens or first is None:
            yield from waiting
            waiting = []
        waiting.append(each)
        if not waiting[0].tokens:
            yield waiting.pop()
    yield from waiting


def _equation(left: Statement, right: Statement, page: Page) -> Statement | None:
    """``left`` = ``right``, where the words between say so and none around them say otherwise."""
    if left.has_relation or right.has_relation or left.failed or right.failed:
        return None
    if left.latex != right.latex or any(
        t.kind in COMPARISONS for t in (*left.tokens, *right.tokens)
    ):
        return None
    start, end = page.behind(left.tokens[-1]), page.position(right.tokens[0])
    if not _IS.fullmatch(page.text[start:end]) or not _ENDS.match(
        page.text, page.behind(right.tokens[-1])
    ):
        return None
    begin = page.position(left.tokens[0])
    sentence = re.split(r"[.;:!?\n,]", page.text[max(0, begin - 200) : begin])[-1]
    words = re.findall(r"[^\s$]+", sentence.lower())
    derivative = any(token.kind in ("∂", "∇") for token in left.tokens[:3])
    if not set(words) <= _HARMLESS or (words and not derivative) or is_only_shape(right.tokens):
        return None
    if any(_is_word(token, page.letters) for token in right.tokens):  # h_12 is positive
        return None
    near = right.tokens[0]
    sign = Token("=", "=", near.place, near.start, near.start, spaced=True)
    tokens = [*left.tokens, sign, *right.tokens]
    return replace(left, tokens=tokens, source=page.between(tokens), words=(), row=right.row)


def _cut_row(row: Row, page: Page) -> Iterator[Statement]:
    """A row cut at commas, wide spaces, words and arrows, without numbers and remarks."""
    sign = _SIGN.search(page.text, row.start)
    place = page.place(len(page.text) if sign is None else sign.start())
    if row.failed is not None or row.kind == "prose":
        yield Statement([], row.kind, row.source, place, row.failed)
        return
    unnumbered = _without_number(_unboxed(row.tokens), is_numbered=page.is_numbered)
    tokens = _without_remark(unnumbered, page.letters)
    tokens = _with_condition_apart(_without_spacing(_with_step(tokens)), page.letters)
    comma = _decimal_comma(tokens)
    if comma is not None:
        failed = NotRead("a comma between digits has two readings", comma.place,
                         "write 0.5, or a space behind the comma")  # fmt: skip
        yield Statement([], row.kind, row.source, place, failed)
        return
    words = tuple(token for token in tokens if token.kind == "text")
    whole = Statement([], row.kind, row.source, place, words=words, goes_on=row.goes_on)
    pieces = _pieces(tokens, latex=whole.latex)
    for number, (bracketed, before) in enumerate(pieces, start=1):
        spend()
        piece = _without_brackets(bracketed)
        source, place = page.between(piece) or row.source, piece[0].place
        word = next((t for t in words if t.end == piece[0].start), None)
        if word is not None and word.text.isalpha() and piece[0].kind == "(" != row.kind:
            unknown = f"{word.text} is no function that symback knows"
            failed = NotRead(unknown, word.place, "write its formula, or g for the activation")
            yield Statement([], row.kind, source, place, failed)
        elif len(piece) > MOST_TOKENS:
            failed = NotRead(f"the statement has more than {MOST_TOKENS:,} signs", place)
            yield Statement([], row.kind, source, place, failed)
        else:
            noted = any(t.text == "&&" for t in tokens if t.end <= piece[0].start)
            yield replace(
                whole,
                tokens=piece,
                source=source,
                place=place,
                before=before,
                is_single=len(pieces) == 1 and not words,
                is_noted=noted,
                tail=row.tail if number == len(pieces) else None,
            )
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
        if token.kind == "text" and _is_part(tokens, place):
            ends = False
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
            last += [replace(piece[0], kind=",", text=","), *piece]
        else:
            made.append((piece, before))
    return made


def _is_part(tokens: Sequence[Token], place: int) -> bool:
    """Whether a word belongs to the formula behind it: Loss(a) = …, cost = …, Err_1 = ….

    Words that only connect, as in "so = …", do not.
    """
    following = tokens[place + 1] if place + 1 < len(tokens) else tokens[place]
    words = tokens[place].text.lower().split()
    if following.kind in ("(", "_", "^"):
        return not following.spaced and bool(words) and words[-1] not in _CONNECTING
    alone = place == 0 or tokens[place - 1].kind in ("⏐", ",", ";", ".", ":", "text")
    return following.kind in RELATIONS and alone and bool(words) and words[-1] not in _RESUMING


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
    """The letters of the subscripts of a statement, but for the names of sets: k ∈ S."""
    depth = 0
    for place, token in enumerate(tokens):
        if depth:
            depth += (token.kind == "{") - (token.kind == "}")
        elif place and tokens[place - 1].kind == "_":
            depth = int(token.kind == "{")
            yield from token.text if token.kind == "name" and len(token.text) < 5 else ""
        elif token.kind == "^":
            yield from (t.text for t in tokens[place + 1 : place + 4] if t.text in ("k", "l"))
        if depth and token.kind == "name" and tokens[place - 1].kind != "in":
            yield from (token.text,) if token.text == "ell" else token.text


# ----------------------------------------------------------------- what a row does not say in signs

_QUOTED = re.compile(
    r"(?<=\S )[(\[] (?:(?:by|from|see|cf|using) (?:\. )?)?(?:eqn?s?|equations?|e q) (?:\. )?"
    r"(?:[(] )?\d+(?: [)])? [)\]]$",
    re.I,
)
"""The number of an equation behind a row, as (eq. 3)."""
_NUMBERED = re.compile(r"(?m)\S[ \t]{1,99}\((\d{1,2})\)[ \t]{0,9}(?:\\\\|\$\$?)?[ \t]{0,9}$")
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


def _without_number(tokens: list[Token], *, is_numbered: bool = False) -> list[Token]:
    """The row without (1) in front or (eq. 1) behind; (1) behind has two readings.

    But for a page whose equations are numbered from row to row.
    """
    if (said := _QUOTED.search(" ".join(token.text for token in tokens))) is not None:
        return tokens[: len(tokens) - len(said[0].split())]

    def numbered(part: Sequence[Token]) -> bool:
        return [t.kind for t in part] == ["(", "number", ")"] and part[1].text.isdigit()

    if len(tokens) > 4 and numbered(tokens[:3]):
        after = tokens[3]
        if after.spaced and after.kind in ("∂", "name", "command", "∇"):
            return tokens[3:]
    if (label := _label(tokens)) is not None:
        return label
    if len(tokens) > 5 and numbered(tokens[-3:]):
        before, opening = tokens[-4], tokens[-3]
        if before.kind == "⏐":
            return tokens[:-4]
        if is_numbered and opening.spaced:
            return tokens[:-3]
        if opening.spaced and before.kind not in ("+", "-", "·", "*", "/", "=", ")"):
            text = "a number in brackets at the end"
            return [*tokens[:-3], Token("bad-number", text, opening.place, 0, 0)]
    return tokens


def _label(tokens: list[Token]) -> list[Token] | None:
    """The row without (BP1) behind it, a name of capitals with a number; None where none stands."""
    opening = next((k for k in range(len(tokens) - 1, 3, -1) if tokens[k].kind == "("), 0)
    label = tokens[opening:]
    if not opening or not label[0].spaced or [t.kind for t in label[-2:]] != ["number", ")"]:
        return None
    capitals = [token.text for token in label[1:-2]]
    is_name = len(capitals) > 1 and all(text.isalpha() and text.isupper() for text in capitals)
    close = not any(token.spaced for token in label[1:])
    return tokens[:opening] if is_name and close else None


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
    # in (softmax + CE): the function, which has no argument, the sign, and the loss
    functions = [t for t in inner if t.text in FUNCTIONS and len(t.text) > 3]
    named = bool(functions)
    short = [t for t in inner if t.kind in ("+", "/") or (t.kind == "name" and t.text.isupper())]
    known = (*functions, *short) if named else ()
    spoken = any(token.kind == "text" for token in inner)  # every sum written with Σ
    words = all(
        t in known or (spoken and t.text in ("sum", "Σ")) or _is_word(t, letters) for t in inner
    )
    apart = tokens[start].start - tokens[start - 1].end
    is_remark = inner and words and (apart > 1 or (apart and (named or spoken)))
    return tokens[:start] if is_remark else tokens


def _is_word(token: Token, letters: Letters) -> bool:
    """Whether a token is a word that is no quantity, function or sign spelled out."""
    text = token.text.lower()
    if token.kind == "text":
        return text not in ARITHMETIC
    known = text in GREEK_NAMES or text in FUNCTIONS or text in ARITHMETIC or text[-3:] == "hat"
    known = known or letters.means_quantity(token.text) or token.text in letters.defined
    begins = any(map(letters.begins_quantity, (token.text, token.text[1:])))
    return token.kind == "name" and len(text) > 3 and not (known or begins)


def _without_brackets(tokens: list[Token]) -> list[Token]:
    """An equation without brackets around all of it, as in: class 2 (y_2 = 1)."""
    inner = tokens[1:-1]
    whole = len(tokens) > 4 and tokens[0].kind == "(" and tokens[-1].kind == ")"
    depths = itertools.accumulate((t.kind in OPENS) - (t.kind in CLOSES) for t in inner)
    if not whole or min(depths) < 0 or not any(t.kind in RELATIONS for t in inner):
        return tokens
    return inner


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
    kept: list[Token] = []
    for token, before, after in zip(solid, kinds, kinds[2:], strict=False):
        # a &= b & &= c: two columns, in each of which something goes on
        column = token.text in ("&", "&&") and after in RELATIONS and before not in _OPERATORS
        column = column and any(each.kind in RELATIONS for each in kept)
        if token.kind != "⏐" or column or not {before, after} & _OPERATORS:
            kept.append(token)
    return kept


def _with_condition_apart(tokens: list[Token], letters: Letters) -> list[Token]:
    """Indices compared in brackets at the end of a row, as in … (i ≠ j), say when it holds.

    So does a comparison behind a word, as in … (as a_11 > 0).
    """
    opened = [k for k, token in enumerate(tokens) if token.kind == "("]
    if opened and tokens[-1].kind == ")" and tokens[opened[-1] :][1].kind == "text":
        inner = tokens[opened[-1] + 1 : -1]
        compares = any(token.kind in COMPARISONS[1:] for token in inner)
        if opened[-1] and compares and sum(token.kind == "text" for token in inner) == 1:
            return [*tokens[: opened[-1]], *inner]
    if len(tokens) < 6 or tokens[-1].kind != ")" or tokens[-5].kind != "(":
        return tokens
    opening, left, relation, right = tokens[-5:-1]
    indices = letters.is_index([left], number=True) and letters.is_index([right], number=True)
    if relation.kind not in ("=", "!=") or not indices or not opening.spaced:
        return tokens
    return [*tokens[:-5], replace(opening, kind="⏐", text="⏐"), left, relation, right]


# ----------------------------------------------------------------------------- what a page defines

_DEFINING = frozenset(("let", "define", "where", "with", "denote", "call", "write"))
DEFINED = re.compile(r"([A-Za-z]+)(?:_\w+|_\{\w*\})?\s*:?=")
"""The name before the first equals sign of a row that has no tokens."""


def defined_by(statement: Statement, page: Page) -> str:
    """The name that a statement may define, or "": a letter on its left that the network lacks."""
    tokens, letters = statement.tokens, page.letters
    place = next((k for k, t in enumerate(tokens) if t.kind in ("=", ":=")), 0)
    if not place or tokens[0].kind != "name":
        return ""
    name = tokens[0].text
    if letters.own_name(tokens[:place]):
        return ""
    if tokens[1].kind == "_" and is_total(tokens[2:place]):
        return ""
    numbers = place == 1 and (name in page.numbering or _counts_samples(tokens, letters))
    if numbers or letters.means_quantity(name) or name in ("L", "d"):
        return ""
    if name.startswith("d") and letters.begins_quantity(name[1:]):
        return ""
    return name if place == 1 or tokens[1].kind in ("_", "number") else ""


def _counts_samples(tokens: Sequence[Token], letters: Letters) -> bool:
    """Whether a statement only says how many samples there are: m = X.shape[1], N = 4."""
    said = {token.text for token in tokens[2:]}
    single = len(tokens) == 3 and tokens[2].kind == "number"
    return letters.is_count(tokens[0].text) and bool(single or {"shape", "len"} & said)


def _has_marks(statements: Sequence[Statement], page: Page) -> bool:
    """Whether the page writes dW or db for a derivative, alone on a left side, and has no dL."""
    left = [
        "".join(token.text for token in each.tokens[:2])
        for each in statements
        if each.tokens
        and "/" not in {token.kind for token in _before_relation(each.tokens)}
        and each.has_relation
    ]
    letters = page.letters.notation.weight, page.letters.notation.bias
    names = {each for letter in letters for each in (letter, letter.upper())}
    return any(text[:1] == "d" and text[1:2] in names for text in left) and not any(
        text[:1] == "d" and text[1:2] in ("L", "J", "C", "E") for text in left
    )


def _before_relation(tokens: Sequence[Token]) -> Sequence[Token]:
    place = next((k for k, token in enumerate(tokens) if token.kind in RELATIONS), 0)
    return tokens[:place]


def _defines_errors(statement: Statement) -> bool:
    """Whether a statement says what δ_i, with one index, is on this page."""
    tokens = statement.tokens
    place = next((k for k, t in enumerate(tokens) if t.kind in RELATIONS), 0)
    texts = [t.text for t in tokens[:place] if t.kind not in ("{", "}")]
    named = len(texts) == 3 and texts[:2] == ["delta", "_"] and len(texts[2]) == 1
    return named and (tokens[place].kind == ":=" or is_told(statement))


def is_told(statement: Statement) -> bool:
    """Whether a word before a statement, or in its row, says that it is a definition."""
    words = (*statement.led_by, *(word.text.lower() for word in statement.words))
    return not _DEFINING.isdisjoint(words)
