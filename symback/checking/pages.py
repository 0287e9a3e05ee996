"""A page as statements: prose and mathematics apart, rows joined and cut, each claim read.

`read` takes a page as it was typed (LaTeX with or without its environments, Markdown with maths,
Unicode or Python-like text) and gives a `Document`.  A stretch that is not understood becomes an
`Unread` item with line, column, the reason and a way to write it; the rest of the page is read.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from symback.checking.conditions import OTHERWISE, Condition, Piece, assigned, condition_of, under
from symback.checking.echo import echo, echo_claim
from symback.checking.exact import free_letters
from symback.checking.lexing import (
    FUNCTIONS,
    GREEK_NAMES,
    MOST_TOKENS,
    NotRead,
    Place,
    Token,
    lexed,
)
from symback.checking.macros import taken
from symback.checking.meaning import (
    ELL,
    LOSS,
    Array,
    Call,
    Claim,
    Comparison,
    Definition,
    Derivative,
    Document,
    Element,
    Indicator,
    Letter,
    Named,
    Node,
    Number,
    Prose,
    Relation,
    Scope,
    Side,
    Sum,
    Total,
    Unread,
    children,
    rebuilt,
    walk,
)
from symback.checking.notations import NOTATIONS, Notation, notation
from symback.checking.parsing import RELATIONS, Parser, is_total, negative
from symback.checking.symbols import Symbols, is_array
from symback.errors import SymbackError

__all__ = ["LARGEST_PAGE", "TooLarge", "notation_of", "read"]

LARGEST_PAGE = 200_000
"""Bytes."""

MOST_SUMMANDS = 20_000
"""Terms of nested sums, multiplied."""

_ENVIRONMENTS = (
    "equation align gather eqnarray multline split aligned alignat flalign displaymath math dmath "
    "gathered alignedat"
).split()
_OPENING = re.compile(
    r"\$\$|\\\[|\\\(|\\begin\{(?P<name>(?:" + "|".join(_ENVIRONMENTS) + r")\*?)\}"
    r"|(?<!\\)\$|(?P<fence>```(?:math|latex|tex)?[ \t]*\n)"
)
_CLOSERS = {"$$": "$$", r"\[": r"\]", r"\(": r"\)", "$": "$"}
_NOTATION = re.compile(r"(?m)^\s*(?:[%#>*/-]+|<!--)?\s*notation\s*:\s*([\w.-]+)\s*(?:-->)?\s*$")
_BULLET = re.compile(
    r"\s*(?:\(?\d{1,2}[.)]|\(?[a-hivx]{1,3}\)|[*•>]|#{1,6})(?=\s)"
    r"|\s*(?:Step|Line)\s+\d{1,2}\s*[:.)]"
)
_CODE = re.compile(r"@|\.T\b|\bnp\.|\bdef |\*\*|[-+]= |\bd[A-Zabhx]\w*\s*=")
_CODE_COMMENT = re.compile(r"\s#.*$", re.S)
_DASH = re.compile(r"\s*[-–—](?=\s)")

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
    (
        "times plus minus divided squared cubed transposed transpose per inverse double twice half"
    ).split()
)
"""Words that would change a formula they stand in."""


_TWO_DELTAS = "δ with two letters may be Kronecker's or the error ∂L/∂a"
_OTHER_DELTAS = "write 1[i=j], or ∂L/∂a_{ki}"


class TooLarge(SymbackError):
    """A page that is too large to be checked."""


def notation_of(text: str) -> Notation | None:
    """The notation that a comment in the page names, if one does.

    Raises `UnknownNotation` where it is none.

    >>> found = notation_of("% notation: nielsen")
    >>> found and found.name
    'nielsen'
    """
    found = _NOTATION.search(text[:5000])
    return None if found is None else notation(found[1])


def read(text: str, scope: Scope, profile: Notation = NOTATIONS["lectures"]) -> Document:
    r"""The page ``text`` about the network of ``scope``, in the notation ``profile``.

    Raises `TooLarge`.

    >>> scope = Scope((2, 3, 2), ("sigmoid", "softmax"), (1, 1))
    >>> page = read("since $h_{12} = \\sigma(a_{12})$ we get", scope)
    >>> [type(item).__name__ for item in page.items], page.items[1].read_as
    (['Prose', 'Claim', 'Prose'], 'h_12 = σ(a_12)')
    """
    if len(text.encode("utf-8", "replace")) > LARGEST_PAGE:
        raise TooLarge(f"the page is larger than {LARGEST_PAGE:,} bytes")
    reader = _Reader(text, scope, profile)
    return Document(tuple(reader.items()))


@dataclass(slots=True)
class _Stretch:
    """A stretch of the page: its text, where it starts, and how to take it."""

    text: str
    start: int
    kind: str  # display, inline, lines (LaTeX without delimiters), plain


@dataclass(slots=True)
class _Row:
    """The tokens of a row, before it is cut into statements."""

    tokens: list[Token]
    kind: str
    source: str
    start: int
    failed: NotRead | None = None


@dataclass(slots=True)
class _Statement:
    tokens: list[Token]
    kind: str
    latex: bool
    source: str
    place: Place
    failed: NotRead | None = None
    words: list[Token] = field(default_factory=list)
    before: str = ""
    """The words between the statement before and this one."""
    row: int = 0
    condition: Condition | None = None
    holds_for: tuple[Condition, ...] = ()
    """The conditions that the statement stands under."""


class _Reader:
    def __init__(self, text: str, scope: Scope, profile: Notation) -> None:
        plain = _without_comments(text.replace("\r\n", "\n").replace("\r", "\n"))
        self.text, self.macros = taken(plain)
        self.scope, self.profile = scope, profile
        self.starts = [0] + [match.end() for match in re.finditer("\n", self.text)]
        self.symbols = Symbols(scope, profile, latex=False)
        self.indices: set[str] = set()
        """The letters that stand in subscripts on this page."""
        self.chained: tuple[Condition, ...] = ()
        """The conditions of the chain that is being read."""
        self.head: Side | None = None
        """What it begins with."""
        self.code = profile.rows or _CODE.search(self.text) is not None

    def place(self, position: int) -> Place:
        """Line and column of a position of the page."""
        low, high = 0, len(self.starts)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.starts[middle] <= position else (low, middle)
        return Place(low + 1, position - self.starts[low] + 1)

    def items(self) -> list[Claim | Definition | Prose | Unread]:
        """Everything on the page, in order."""
        statements = [
            replace(part, row=number)
            for number, row in enumerate(self._joined(self._rows()))
            for part in self._statements(row)
        ]
        self.indices = {letter for each in statements for letter in _letters_below(each.tokens)}
        self.indices |= {*"ijkm"} - {t.text for each in statements for t in each.tokens[1:]}
        self.symbols.defined = {name for each in statements for name in self._defines(each)}
        self.symbols.own_errors = any(map(_defines_errors, statements))
        self._find_conditions(statements)
        items = [item for each in statements for item in self._item(each)]
        return self._with_names_known(items)

    # ------------------------------------------------------------------------------ stretches

    def _stretches(self) -> Iterator[_Stretch]:
        """Mathematics between delimiters, and the text around it."""
        start, end = 0, len(self.text)
        if (begin := self.text.find(r"\begin{document}")) >= 0:
            start = begin + len(r"\begin{document}")
            stop = self.text.find(r"\end{document}")
            end = stop if stop >= 0 else end
        found = list(_delimited(self.text, start, end))
        if not found and re.search(r"\\[A-Za-z]+", self.text[start:end]):
            yield _Stretch(self.text[start:end], start, "lines")
            return
        position = start
        for stretch, opened, closed in found:
            yield _Stretch(self.text[position:opened], position, "plain")
            yield stretch
            position = closed
        yield _Stretch(self.text[position:end], position, "plain")

    def _rows(self) -> Iterator[_Row]:
        for stretch in self._stretches():
            if stretch.kind == "plain":
                yield from self._plain_rows(stretch)
            elif stretch.kind == "lines":
                for text, start in _lines(stretch):
                    yield from self._latex_rows(text, start, "display")
            else:
                yield from self._latex_rows(stretch.text, stretch.start, stretch.kind)

    def _latex_rows(self, text: str, start: int, kind: str) -> Iterator[_Row]:
        r"""The rows of a display, cut at \\ outside inner environments."""
        if not text.strip() or (text.lstrip().startswith("%") and "\n" not in text.strip()):
            return
        try:
            place, body = self.place(start), _without_outer(text)
            tokens = lexed(body, place, latex=True, macros=self.macros)
        except NotRead as error:
            yield _Row([], kind, text, start, error)
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
                yield _Row(row, kind, text[first:last].strip(), start + first)

    def _plain_rows(self, stretch: _Stretch) -> Iterator[_Row]:
        """Lines of text: those that hold no formula are prose."""
        for text, start in _lines(stretch):
            if not text.strip() or set(text.strip()) <= set("-=_*~.:;,#|!>"):
                continue
            if _NOTATION.match(text):
                continue
            body, offset = _without_stars(*_without_bullet(text))
            body = _CODE_COMMENT.sub("", body)
            if not _looks_like_formula(body):
                yield _Row([], "prose", text.strip(), start)
                continue
            try:
                latex = "\\" in body or _is_typed_as_latex(body)
                place = self.place(start + offset)
                tokens = lexed(body, place, latex=latex, macros=self.macros)
            except NotRead as error:
                yield _Row([], "plain", text.strip(), start, error)
                continue
            tokens = [t for t in tokens if t.kind != "&"]
            if not latex:
                tokens = _with_words(tokens, self.symbols)
            yield _Row(tokens, "latex" if latex else "plain", text.strip(), start)

    # ------------------------------------------------------------------------------- rows

    def _joined(self, rows: Iterable[_Row]) -> Iterator[_Row]:
        """Rows that end in the middle of something, or begin there, joined."""
        waiting: _Row | None = None
        for row in rows:
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
    def _goes_on(before: _Row, row: _Row) -> bool:
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

    def _statements(self, row: _Row) -> Iterator[_Statement]:
        """A row cut at commas, wide spaces, words and arrows."""
        latex = row.kind in ("display", "inline", "latex")
        place = self.place(
            row.start + len(self.text[row.start :]) - len(self.text[row.start :].lstrip())
        )
        if row.failed is not None or row.kind == "prose":
            yield _Statement([], row.kind, latex, row.source, place, row.failed)
            return
        tokens = _without_spacing(
            _with_steps(_without_remark(_without_number(_unboxed(row.tokens)), self.symbols))
        )
        comma = _decimal_comma(tokens)
        if comma is not None:
            failed = NotRead("a comma between digits has two readings", comma.place,
                             "write 0.5, or a space behind the comma")  # fmt: skip
            yield _Statement([], row.kind, latex, row.source, place, failed)
            return
        words = [token for token in tokens if token.kind == "text"]
        pieces = [piece for piece in _cut(tokens, latex=latex) if piece]
        pieces = _with_lists_whole(pieces)
        for piece in pieces:
            source = self._source(piece, row)
            before = _words_before(tokens, piece[0])
            yield _Statement(
                piece, row.kind, latex, source, piece[0].place, words=words, before=before
            )
        if not pieces:
            yield _Statement([], "prose", latex, row.source, place)

    def _source(self, tokens: Sequence[Token], row: _Row) -> str:
        """The text of a statement, from its first token to its last."""
        first, last = tokens[0].place, tokens[-1]
        begin = self.starts[first.line - 1] + first.column - 1
        finish = self.starts[last.place.line - 1] + last.place.column - 1 + (last.end - last.start)
        return self.text[begin:finish].strip() or row.source

    def _defines(self, statement: _Statement) -> Iterator[str]:
        """The name that a statement may define: a letter on its left that the network lacks."""
        tokens = statement.tokens
        if not tokens or tokens[0].kind != "name":
            return
        place = next((k for k, t in enumerate(tokens) if t.kind in ("=", ":=")), None)
        name = tokens[0].text
        if place is not None and tokens[1].kind == "_" and is_total(tokens[2:place]):
            return
        if place is None or self.symbols.means_quantity(name) or name in ("L", "d"):
            return
        if place == 1 and name in self.indices:
            return
        if name.startswith("d") and self.symbols.begins_quantity(name[1:]):
            return
        if place == 1 or tokens[1].kind in ("_", "number"):
            yield name

    # -------------------------------------------------------------------------- conditions

    def _find_conditions(self, statements: Sequence[_Statement]) -> None:
        """Says of each statement whether it is a condition, and which ones it stands under."""
        prose, last = "", 0
        pieces: list[Piece] = []
        places: list[_Statement] = []
        for statement in statements:
            if not statement.tokens:
                prose += f" {statement.source}"
                continue
            words = re.findall(r"[a-z]+", f"{prose} {statement.before}".lower())
            begin = self.starts[statement.place.line - 1]
            prose, gap, last = "", self.text[last:begin], begin
            self._find_condition(statement, words[-1] if words else "", places[-1:])
            relations = [token.kind for token in statement.tokens if token.kind in RELATIONS]
            said = " ".join(token.text.lower() for token in statement.words).split()
            if not relations and not statement.condition and not OTHERWISE.isdisjoint(said):
                statement.failed = NotRead("what holds otherwise stands without a left side",
                    statement.place, "write cases, as in {1 if a_11 > 0; 0 otherwise}")  # fmt: skip
            pieces.append(
                Piece(
                    statement.condition,
                    statement.row,
                    bool(relations) and statement.condition is None,
                    statement.tokens[0].kind in RELATIONS,
                    tuple(words),
                    re.search(r"\n[ \t]*\n", gap) is not None,
                )
            )
            places.append(statement)
        found = assigned(pieces)
        used = {condition.place for conditions in found for condition in conditions}
        for statement, conditions in zip(places, found, strict=True):
            statement.holds_for = conditions
            stated = statement.condition
            if stated and stated.place not in used and not isinstance(stated.left, Letter):
                statement.failed = NotRead(
                    "a comparison is no claim that symback checks, and no claim stands under it",
                    statement.place,
                )

    def _find_condition(
        self, statement: _Statement, word: str, before: Sequence[_Statement]
    ) -> None:
        """Behind a condition and "and", or a comma, another one may follow."""
        listed = word in ("", "and") and any(
            each.condition is not None and each.row == statement.row for each in before
        )
        self._prepare(statement, [])
        try:
            statement.condition = condition_of(
                statement.tokens,
                "if" if listed else word,
                self.symbols,
                lambda tokens: self._side(statement, tokens).node,
            )
        except NotRead as error:
            statement.failed = None if listed else error

    # -------------------------------------------------------------------------- statements

    def _item(self, statement: _Statement) -> Iterator[Claim | Definition | Prose | Unread]:
        place = statement.place
        if statement.failed is not None:
            yield self._unread(statement, statement.failed)
            return
        if len(statement.tokens) > MOST_TOKENS:
            long = f"the statement has more than {MOST_TOKENS:,} signs"
            yield self._unread(statement, NotRead(long, place))
            return
        if not statement.tokens or statement.kind == "prose":
            yield Prose(place.line, place.column, statement.source)
            return
        try:
            yield from self._understood(statement)
        except NotRead as error:
            if self._is_remark(statement):
                yield Prose(place.line, place.column, statement.source)
            else:
                yield self._unread(statement, error)
        except RecursionError:
            yield self._unread(statement, NotRead("the statement is nested too deeply", place))

    def _unread(self, statement: _Statement, error: NotRead) -> Unread:
        place = error.place or statement.place
        return Unread(place.line, place.column, statement.source, error.message, error.suggestion)

    def _is_remark(self, statement: _Statement) -> bool:
        """Whether something without a relation stands within words: a mention, no claim."""
        has_relation = any(token.kind in RELATIONS for token in statement.tokens)
        return not has_relation and (statement.kind == "inline" or bool(statement.words))

    def _understood(self, statement: _Statement) -> Iterator[Claim | Definition | Prose | Unread]:
        tokens, place = statement.tokens, statement.place
        if statement.condition is not None or _is_range(tokens, self.symbols):
            yield Prose(place.line, place.column, statement.source)
            return
        changing = next((w for w in statement.words if w.text.lower() in _ARITHMETIC), None)
        if changing is not None:
            raise NotRead(f"the word “{changing.text}” stands within a formula", changing.place,
                          "write it as a sign")  # fmt: skip
        parts, relations = _sides(tokens)
        continues = bool(relations) and not parts[0]
        parts = parts[1:] if continues else parts
        if any(not part for part in parts):
            raise NotRead("nothing stands on one side of the relation", place)
        step = _in_place_step(parts, relations)
        self._prepare(statement, [Relation.BECOMES] if step else relations)
        sides = [self._side(statement, part) for part in (step or parts)]
        nodes = self._settled([side.node for side in sides], tokens)
        if any(_summands(node, self.scope) > MOST_SUMMANDS for node in nodes):
            raise NotRead(f"nested sums of more than {MOST_SUMMANDS:,} terms", place)
        sides = [replace(side, node=node) for side, node in zip(sides, nodes, strict=True)]
        self._check_kronecker(sides)
        self._check_sigma(statement, nodes)
        self._check_class(nodes, place)
        sides, continues = self._chained(statement, sides, continues=continues)
        if statement.holds_for:
            nodes = under([side.node for side in sides], statement.holds_for)
            sides = [replace(side, node=node) for side, node in zip(sides, nodes, strict=True)]
        if step is not None:
            sides[1] = replace(sides[1], node=Total((sides[0].node, negative((sides[1].node,)))))
            relations = [Relation.BECOMES]
        yield from self._claimed(statement, sides, relations, continues=continues)

    def _prepare(self, statement: _Statement, relations: Sequence[Relation]) -> None:
        self.symbols.latex = statement.latex
        self.symbols.uncertain = []
        self.symbols.stepping = False
        names = [token.text for token in statement.tokens if token.kind == "name"]
        again = bool(names) and names.count(names[0]) > 1
        self.symbols.updating = Relation.BECOMES in relations or (again and bool(relations))

    def _side(self, statement: _Statement, tokens: list[Token]) -> Side:
        parser = Parser(
            tokens, self.symbols, tokens[-1].place, code=self.code and not statement.latex
        )
        node = parser.side()
        place = tokens[0].place
        source = self._source(tokens, _Row([], "", statement.source, 0))
        return Side(node, source, place.line, place.column)

    def _claimed(
        self,
        statement: _Statement,
        sides: list[Side],
        relations: list[Relation],
        *,
        continues: bool,
    ) -> Iterator[Claim | Definition | Prose | Unread]:
        place, source = statement.place, statement.source
        if not relations:
            node = sides[0].node
            if isinstance(node, (Element, Array, Derivative, Named, Number)) or (
                statement.kind == "inline" or statement.words
            ):
                yield Prose(place.line, place.column, source)
                return
        relations = _as_updates(sides, relations)
        if self.symbols.stepping and relations and isinstance(sides[0].node, (Element, Array)):
            relations = [Relation.BECOMES, *relations[1:]]
        first = sides[0].node
        named = isinstance(first, Named) and first.name != "theta" and not continues
        if named and relations and relations[0] is not Relation.BECOMES:
            yield from self._defined(statement, sides, relations)
            return
        self._check_error_name(sides, relations, continues=continues)
        claim = Claim(place.line, place.column, source, tuple(sides), tuple(relations), continues)
        yield replace(claim, read_as=echo_claim(claim, self.scope))

    def _chained(
        self, statement: _Statement, sides: list[Side], *, continues: bool
    ) -> tuple[list[Side], bool]:
        """A line that begins with "=" and stands under a condition of its own starts anew."""
        if not continues:
            self.head, self.chained = (sides[0] if len(sides) > 1 else None), statement.holds_for
        elif statement.holds_for != self.chained:
            if self.head is None:
                raise NotRead("the lines before it stand under another condition",
                              statement.place, "begin the line with its left side")  # fmt: skip
            self.chained = statement.holds_for
            return [self.head, *sides], False
        return sides, continues

    def _check_sigma(self, statement: _Statement, nodes: Sequence[Node]) -> None:
        """σ of a preactivation may be whatever its layer has, where no layer has the sigmoid."""
        spelled = any(token.text == "sigma" for token in statement.tokens)
        if not spelled or not self.scope.is_network or "sigmoid" in self.scope.activations:
            return
        for part in (part for node in nodes for part in walk(node)):
            if isinstance(part, Call) and part.function == "sigmoid":
                (of,) = part.arguments
                if isinstance(of, (Element, Array)) and of.letter == "a":
                    raise NotRead("σ is the sigmoid, which no layer of this network has",
                                  statement.place, "write g for a layer's activation")  # fmt: skip

    def _check_class(self, nodes: Sequence[Node], place: Place) -> None:
        """-log ŷ_c: nothing says which class c is."""
        first = {letter for node in nodes[:1] for letter in free_letters(node)}
        if len(nodes) < 2 or nodes[0] != LOSS:
            return
        for part in (part for node in nodes[1:] for part in walk(node)):
            if isinstance(part, Call) and part.function == "log":
                (of,) = part.arguments
                letters = {*free_letters(of)} - first - {ELL}
                others = {letter for node in nodes[1:] for letter in _letters_beside(node, part)}
                if isinstance(of, Element) and of.letter == "yhat" and letters - others:
                    raise NotRead(f"which class {min(letters)} is does not follow from L", place,
                                  "write ℓ for the true class, or a sum")  # fmt: skip

    def _check_kronecker(self, sides: Sequence[Side]) -> None:
        """δ_ij alone on a side may be the error just as well."""
        for side in sides:
            if isinstance(side.node, Indicator) and self.symbols.uncertain and len(sides) > 1:
                raise NotRead(_TWO_DELTAS, Place(side.line, side.column), _OTHER_DELTAS)

    def _check_error_name(
        self, sides: list[Side], relations: list[Relation], *, continues: bool
    ) -> None:
        """δ_1 = (a number) may be a name of the page's own: that has two readings."""
        first = sides[0].node
        if continues or not relations or not isinstance(first, Array) or first.letter != "delta":
            return
        if not any(is_array(side.node) for side in sides[1:]):
            raise NotRead(
                "δ with one index is the vector ∂L/∂a of a layer, and the other side is a number",
                Place(sides[0].line, sides[0].column),
                "write δ_{21} for neuron 1 of layer 2, or another letter",
            )

    def _defined(
        self, statement: _Statement, sides: list[Side], relations: list[Relation]
    ) -> Iterator[Claim | Definition | Prose | Unread]:
        name = sides[0].node
        assert isinstance(name, Named)
        place = statement.place
        made = Definition(
            place.line, place.column, statement.source, name.name, name.indices, sides[1].node
        )
        shown = f"{echo(name, self.scope)} := {echo(sides[1].node, self.scope)}"
        yield replace(made, read_as=shown)
        if len(sides) > 2:
            rest = Claim(place.line, place.column, statement.source,
                         (sides[0], *sides[2:]), tuple(relations[1:]))  # fmt: skip
            yield replace(rest, read_as=echo_claim(rest, self.scope))

    def _settled(self, nodes: list[Node], tokens: Sequence[Token]) -> list[Node]:
        """Limits that are no index of the line are whole ranges; δ_ij is Kronecker's or ∂L/∂a."""
        used = {letter for node in nodes for letter in _letters_but_limits(node)}
        roles = _letter_roles(nodes)
        uncertain = set(self.symbols.uncertain)

        def settle(node: Node) -> Node:
            node = rebuilt(node, settle)
            limit = node.upper if isinstance(node, Sum) else None
            if isinstance(node, Sum) and limit and limit.letter and limit.letter not in used:
                return replace(node, upper=None)
            if isinstance(node, Element) and node in uncertain:
                return self._kronecker_or_error(node, roles, tokens)
            return node

        return [settle(node) for node in nodes]

    def _kronecker_or_error(
        self, node: Element, roles: dict[str, set[str]], tokens: Sequence[Token]
    ) -> Node:
        first, second = node.indices
        found = roles.get(first.letter, set())
        if "neuron" in found and "layer" not in found:
            return Indicator(Comparison(Letter(first), "=", Letter(second)))
        if "layer" in found and "neuron" not in found:
            return node
        if not found and first.letter in ("k", "l"):
            return node
        place = next((t.place for t in tokens if t.text == "delta"), tokens[0].place)
        raise NotRead(_TWO_DELTAS, place, _OTHER_DELTAS)

    # ------------------------------------------------------------------------------- names

    def _with_names_known(
        self, items: list[Claim | Definition | Prose | Unread]
    ) -> list[Claim | Definition | Prose | Unread]:
        """Claims about names that nothing on the page defines are not read."""
        known = {(d.name, len(d.indices)) for d in items if isinstance(d, Definition)}
        return [self._checked(item, known) for item in items]

    def _checked(
        self, item: Claim | Definition | Prose | Unread, known: set[tuple[str, int]]
    ) -> Claim | Definition | Prose | Unread:
        if isinstance(item, Claim):
            nodes = [side.node for side in item.sides]
        elif isinstance(item, Definition):
            nodes = [item.node]
        else:
            return item
        for node in nodes:
            for part in walk(node):
                if isinstance(part, Named) and (part.name, len(part.indices)) not in known:
                    shown = echo(part, self.scope)
                    reason = (
                        f"{shown} is no quantity of this network, and the page does not define it"
                    )
                    way = "define it on a line of its own, or write the network's letter"
                    place = self._place_of(part, item)
                    return Unread(place.line, place.column, item.source, reason, way)
        return item

    def _place_of(self, name: Named, item: Claim | Definition) -> Place:
        """Where the name stands first in the item."""
        found = self.symbols.places.get(name, [])
        here = (place for place in found if (place.line, place.column) >= (item.line, item.column))
        return next(here, Place(item.line, item.column))


# ------------------------------------------------------------------------------------- helpers


def _delimited(text: str, start: int, end: int) -> Iterator[tuple[_Stretch, int, int]]:
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
        yield _Stretch(body, opening.end(), kind), opening.start(), position


def _closer(opening: re.Match[str]) -> str:
    if opening["fence"] is not None:
        return "```"
    name = opening["name"]
    return _CLOSERS[opening[0]] if name is None else rf"\end{{{name}}}"


def _lines(stretch: _Stretch) -> Iterator[tuple[str, int]]:
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
    return bool(formula) and sum(word.lower() in _CONNECTING for word in words) == 0


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
            word in _CONNECTING or word in _ARITHMETIC
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
        and following.text.lower() in _CONNECTING
    )


def _depth(tokens: Sequence[Token]) -> int:
    return sum((t.kind in ("(", "[", "{")) - (t.kind in (")", "]", "}")) for t in tokens)


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
        closes = token.kind in _CLOSES
        depth += (token.kind in _OPENS) - closes
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
        depth += (token.kind in _OPENS) - (token.kind in _CLOSES)
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


def _words_before(tokens: Sequence[Token], first: Token) -> str:
    """The words that stand directly before a token of the row."""
    found: list[str] = []
    for token in tokens:
        if token is first:
            break
        if token.kind == "text":
            found.append(token.text)
        elif token.kind not in (",", ";", ":", ".", "⏐", "⇒", "→", "⇔"):
            found = []
    return " ".join(found)


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
    """The statement without a remark behind it in brackets: [i = 1…4], [by the chain rule]."""
    if not tokens or tokens[-1].kind not in ("]", ")"):
        return tokens
    opening = {"]": "[", ")": "("}[tokens[-1].kind]
    start = max((k for k, token in enumerate(tokens) if token.kind == opening), default=0)
    inner = tokens[start + 1 : -1]
    ranged = any(t.kind == "=" for t in inner) and any(t.kind == "..." for t in inner)
    if not start or not (ranged or (inner and all(_is_word(t, symbols) for t in inner))):
        return tokens
    apart = tokens[start].start - tokens[start - 1].end
    said = any(t.kind == "text" for t in inner)
    return tokens[:start] if ranged or apart > 1 or (apart and said) else tokens


def _is_word(token: Token, symbols: Symbols) -> bool:
    """Whether a token is a word that is no quantity, function or sign spelled out."""
    text = token.text.lower()
    if token.kind == "text":
        return text not in _ARITHMETIC
    known = text in GREEK_NAMES or text in FUNCTIONS or text in _ARITHMETIC or text[-3:] == "hat"
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
        depth += (token.kind in _OPENS) - (token.kind in _CLOSES)
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


_OPENS = frozenset(("(", "[", "{", "begin", "⟦"))
_CLOSES = frozenset((")", "]", "}", "end", "⟧"))
_OPERATORS = frozenset(("+", "-", "·", "*", "/", "⊙", "=", "≈", "←", ":="))


def _is_range(tokens: Sequence[Token], symbols: Symbols) -> bool:
    """Whether a statement only says what an index runs over: i = 1, …, n; i ≠ j."""
    if len(tokens) < 3 or tokens[1].kind not in ("=", "in", "!=", "<", "<=", ">", ">="):
        return len(tokens) == 1 and tokens[0].kind in ("...", "number")
    first = tokens[0]
    letter = first.kind == "name" and (len(first.text) == 1 or first.text == "ell")
    if not letter or symbols.means_quantity(first.text) or first.text in symbols.names:
        return False
    if first.text in symbols.defined and not any(t.kind in ("...", ",", "in") for t in tokens):
        return False
    plain = all(
        t.kind in ("number", "name", "...", "+", "-", ",", "{", "}", "(", ")") for t in tokens[2:]
    )
    return plain and (first.text in ("ell", *"ijklmnpqrst"))


def _defines_errors(statement: _Statement) -> bool:
    """Whether a statement says what δ_i, with one index, is on this page."""
    tokens = statement.tokens
    place = next((k for k, t in enumerate(tokens) if t.kind in RELATIONS), 0)
    kinds = [t.text for t in tokens[:place] if t.kind not in ("{", "}")]
    named = len(kinds) == 3 and kinds[:2] == ["delta", "_"] and len(kinds[2]) == 1
    told = any(word.text.lower() in _DEFINING for word in statement.words)
    return named and (tokens[place].kind == ":=" or told)


_DEFINING = ("let", "define", "where", "with", "denote", "call", "write")

_RELATION = {
    "=": Relation.EQUAL,
    "≈": Relation.ABOUT,
    "←": Relation.BECOMES,
    ":=": Relation.DEFINES,
}


def _sides(tokens: Sequence[Token]) -> tuple[list[list[Token]], list[Relation]]:
    """The stretches between relations that are in no bracket, and the relations."""
    parts: list[list[Token]] = [[]]
    relations: list[Relation] = []
    depth = 0
    for token in tokens:
        depth += (token.kind in _OPENS) - (token.kind in _CLOSES)
        if token.kind in RELATIONS and depth == 0:
            relations.append(_RELATION[token.kind])
            parts.append([])
        else:
            parts[-1].append(token)
    return parts, relations


def _in_place_step(parts: list[list[Token]], relations: list[Relation]) -> list[list[Token]] | None:
    """w -= lr * dw: the sides without the minus."""
    if relations != [Relation.EQUAL] or len(parts) != 2:
        return None
    if len(parts[0]) > 1 and parts[0][-1].kind == "-":
        return [parts[0][:-1], parts[1]]
    return None


def _as_updates(sides: list[Side], relations: list[Relation]) -> list[Relation]:
    """w = w - η ∂L/∂w is a step; := of a quantity of the network is an equality."""
    first = sides[0].node
    quantity = isinstance(first, (Element, Array))
    found = []
    for k, relation in enumerate(relations):
        right = sides[k + 1].node if k + 1 < len(sides) else sides[-1].node
        again = quantity and k == 0 and any(part == first for part in walk(right))
        has_rate = any(part == Element("eta") for part in walk(right))
        if relation in (Relation.EQUAL, Relation.DEFINES, Relation.BECOMES) and again and has_rate:
            found.append(Relation.BECOMES)
        elif relation is Relation.DEFINES and not isinstance(first, Named):
            found.append(Relation.EQUAL)
        else:
            found.append(relation)
    return found


def _summands(node: Node, scope: Scope) -> int:
    """How often the innermost body of nested sums is evaluated, at most."""
    inner = max((_summands(child, scope) for child in children(node)), default=1)
    if not isinstance(node, Sum):
        return inner
    widths = [width for width in scope.widths if isinstance(width, int) and width <= 64]
    number = node.upper is not None and node.upper.is_number
    upper = node.upper.offset if number and node.upper is not None else max(widths, default=6)
    return min(inner * max(1, upper), MOST_SUMMANDS + 1)


def _letters_beside(node: Node, left_out: Node) -> Iterator[str]:
    """The index letters of a node, a part of it left out; those that sums bind as well."""
    if node == left_out:
        return
    yield from (index.letter for index in getattr(node, "indices", ()))
    if isinstance(node, Sum):
        yield node.letter
    for child in children(node):
        yield from _letters_beside(child, left_out)


def _letters_but_limits(node: Node) -> Iterator[str]:
    """The index letters of a node, the upper limits of sums left out."""
    bare = _without_limits(node)
    yield from free_letters(bare)
    yield from (part.letter for part in walk(bare) if isinstance(part, Sum))


def _without_limits(node: Node) -> Node:
    node = rebuilt(node, _without_limits)
    return replace(node, upper=None) if isinstance(node, Sum) else node


def _letter_roles(nodes: Sequence[Node]) -> dict[str, set[str]]:
    """For each index letter whether it numbers layers or neurons, δ_ij left out."""
    roles: dict[str, set[str]] = {}
    for node in nodes:
        for part in walk(node):
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
