"""A page as statements: prose and mathematics apart, rows joined and cut, each claim read.

`read` takes a page as it was typed (LaTeX with or without its environments, Markdown with maths,
Unicode or Python-like text) and gives a `Document`.  A stretch that is not understood becomes an
`Unread` item with line, column, the reason and a way to write it; the rest of the page is read.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from symback.checking.conditions import (
    OTHERWISE,
    Condition,
    Piece,
    assigned,
    condition_of,
    given,
    under,
)
from symback.checking.echo import echo, echo_claim
from symback.checking.lexing import (
    MOST_TOKENS,
    NotRead,
    Place,
    Token,
)
from symback.checking.meaning import (
    Claim,
    Definition,
    Document,
    Prose,
    Relation,
    Scope,
    Side,
    Unread,
)
from symback.checking.parsing import RELATIONS, Parser, is_total, negative
from symback.checking.rows import ARITHMETIC, NOTATION, Layout
from symback.checking.statements import CLOSES, OPENS, Statement, cut, letters_below
from symback.checking.symbols import Symbols
from symback.language.budget import Spent, allow, spend
from symback.language.errors import SymbackError, did_you_mean, printable
from symback.language.expressions import (
    ELL,
    LOSS,
    Array,
    Call,
    Comparison,
    Derivative,
    Element,
    Indicator,
    Letter,
    Named,
    Node,
    Number,
    Sum,
    Total,
    children,
    free_letters,
    is_array,
    rebuilt,
    walk,
)
from symback.language.notations import NOTATIONS, Notation, UnknownNotation

__all__ = ["LARGEST_PAGE", "TooLarge", "notation_of", "read"]

LARGEST_PAGE = 200_000
"""Bytes."""

MOST_SUMMANDS = 20_000
"""Terms of nested sums, multiplied."""

CUT, SUPPOSED, READ, NAMED = 0.25, 0.35, 0.5, 0.6
"""The shares of the page's budget that are used up at most when its rows are cut, its conditions
found, its claims read, and its names known; what is left is for the judge."""

_EMPTY_LINE = re.compile(r"\n[ \t]*\n")
_TWO_DELTAS = "δ with two letters may be Kronecker's or the error ∂L/∂a"
_OTHER_DELTAS = "write 1[i=j], or ∂L/∂a_{ki}"


class TooLarge(SymbackError):
    """A page that is too large to be checked."""


def notation_of(text: str) -> Notation | None:
    """The notation that a comment in the page names, if one does.

    Raises `UnknownNotation` where it is none, or a file: no page says which files are opened.

    >>> found = notation_of("% notation: nielsen")
    >>> found and found.name
    'nielsen'
    """
    found = NOTATION.search(text[:5000])
    if found is not None and found[1] not in NOTATIONS:
        hint = did_you_mean(found[1], NOTATIONS)
        hint = "; a file is given by --notation" if found[1].endswith(".toml") else hint
        raise UnknownNotation(
            f"the page asks for the notation {printable(found[1])}{hint}; "
            f"a page may choose {', '.join(NOTATIONS)}"
        )
    return None if found is None else NOTATIONS[found[1]]


def read(text: str, scope: Scope, profile: Notation = NOTATIONS["lectures"]) -> Document:
    r"""The page ``text`` about the network of ``scope``, in the notation ``profile``.

    Raises `TooLarge`, and `Spent` where a budget is used up before anything is read.

    >>> scope = Scope((2, 3, 2), ("sigmoid", "softmax"), (1, 1))
    >>> page = read("since $h_{12} = \\sigma(a_{12})$ we get", scope)
    >>> [type(item).__name__ for item in page.items], page.items[1].read_as
    (['Prose', 'Claim', 'Prose'], 'h_12 = σ(a_12)')
    """
    if len(text.encode("utf-8", "replace")) > LARGEST_PAGE:
        raise TooLarge(f"the page is larger than {LARGEST_PAGE:,} bytes")
    reader = _Reader(text, scope, profile)
    return Document(tuple(reader.items()))


class _Reader:
    def __init__(self, text: str, scope: Scope, profile: Notation) -> None:
        self.scope, self.profile = scope, profile
        self.symbols = Symbols(scope, profile, latex=False)
        self.layout = Layout(text, self.symbols)
        self.indices: set[str] = set()
        """The letters that stand in subscripts on this page."""
        self.chained: tuple[Condition, ...] = ()
        """The conditions of the chain that is being read."""
        self.head: Side | None = None
        """What it begins with."""

    def items(self) -> list[Claim | Definition | Prose | Unread]:
        """Everything on the page, in order; the last item is what the budget leaves unread."""
        statements, left = self._statements()
        self.indices = {letter for each in statements for letter in letters_below(each.tokens)}
        # "for i = 1" defines no i, unless the page goes on to calculate with it
        self.indices |= {*"ijkm"} - {t.text for each in statements for t in each.tokens[1:]}
        self.symbols.defined = {name for each in statements for name in self._defines(each)}
        self.symbols.own_errors = any(map(_defines_errors, statements))
        allow(SUPPOSED)
        self._find_conditions(statements)
        allow(READ)
        items: list[Claim | Definition | Prose | Unread] = []
        for each in statements:
            try:
                items += self._item(each)
            except Spent as spent:
                left = [_unread_from(each, spent)]
                break
        allow(NAMED)
        return self._with_names_known([*items, *left])

    def _statements(self) -> tuple[list[Statement], list[Unread]]:
        """The statements of the page, and what the budget leaves of it.

        Where it leaves something, the paragraph that lost its end is left too: conditions and
        halves of lines reach back, but over no empty line.
        """
        allow(CUT)
        found: list[Statement] = []
        try:
            for number, row in enumerate(self.layout.rows()):
                parts = cut(row, self.layout, self.symbols)
                found += [replace(part, row=number) for part in parts]
        except Spent as spent:
            if not found:
                raise
            starts = (self.layout.starts[each.place.line - 1] for each in found)
            gaps = [self.layout.text[a:b] for a, b in itertools.pairwise((0, *starts))]
            ends = [k for k, gap in enumerate(gaps) if _EMPTY_LINE.search(gap)]
            kept = ends[-1] if ends else 0
            return found[:kept], [_unread_from(found[kept], spent)]
        return found, []

    def _defines(self, statement: Statement) -> Iterator[str]:
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

    def _find_conditions(self, statements: Sequence[Statement]) -> None:
        """Says of each statement whether it is a condition, and which ones it stands under."""
        prose, last = "", 0
        pieces: list[Piece] = []
        places: list[Statement] = []
        for statement in statements:
            if not statement.tokens or len(statement.tokens) > MOST_TOKENS:
                prose += f" {statement.source}"
                continue
            spend(1 + len(statement.words))
            words = re.findall(r"[a-z]+", f"{prose} {statement.before}".lower())
            statement.led_by = tuple(words)
            begin = self.layout.starts[statement.place.line - 1]
            prose, gap, last = "", self.layout.text[last:begin], begin
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
                    _EMPTY_LINE.search(gap) is not None,
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

    def _find_condition(self, statement: Statement, word: str, before: Sequence[Statement]) -> None:
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

    def _item(self, statement: Statement) -> Iterator[Claim | Definition | Prose | Unread]:
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

    def _unread(self, statement: Statement, error: NotRead) -> Unread:
        place = error.place or statement.place
        first = statement.tokens[0].kind if statement.tokens else statement.source.lstrip("& ")[:1]
        return Unread(
            place.line,
            place.column,
            statement.source,
            error.message,
            error.suggestion,
            self._may_define(statement),
            first not in RELATIONS,
        )

    def _may_define(self, statement: Statement) -> str:
        """The name that a statement gives a meaning to, as far as can be told."""
        if statement.tokens:
            return next(self._defines(statement), "")
        found = _DEFINED.search(statement.source)
        return "" if found is None or self.symbols.means_quantity(found[1]) else found[1]

    def _is_remark(self, statement: Statement) -> bool:
        """Whether something without a relation stands within words: a mention, no claim."""
        has_relation = any(token.kind in RELATIONS for token in statement.tokens)
        return not has_relation and (statement.kind == "inline" or bool(statement.words))

    def _understood(self, statement: Statement) -> Iterator[Claim | Definition | Prose | Unread]:
        tokens, place = statement.tokens, statement.place
        spend(1 + len(statement.words))
        if statement.condition is not None or _is_range(tokens, self.symbols):
            yield Prose(place.line, place.column, statement.source)
            return
        changing = next((w for w in statement.words if w.text.lower() in ARITHMETIC), None)
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

    def _prepare(self, statement: Statement, relations: Sequence[Relation]) -> None:
        self.symbols.latex = statement.latex
        self.symbols.uncertain = []
        self.symbols.stepping = False
        names = [token.text for token in statement.tokens if token.kind == "name"]
        again = names.count(names[0]) > 1 and self._is_learned(names[0]) if names else False
        self.symbols.updating = Relation.BECOMES in relations or (again and bool(relations))

    def _is_learned(self, name: str) -> bool:
        """Whether a letter is a parameter of the network; of stages any may be."""
        network = self.scope.is_network
        return not network or self.symbols.meaning(name) in ("w", "b") or name.lower() == "theta"

    def _side(self, statement: Statement, tokens: list[Token]) -> Side:
        parser = Parser(
            tokens, self.symbols, tokens[-1].place, code=self.layout.is_code and not statement.latex
        )
        node = parser.side()
        place = tokens[0].place
        source = self.layout.between(tokens) or statement.source
        return Side(node, source, place.line, place.column)

    def _claimed(
        self,
        statement: Statement,
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
        claim = Claim(
            place.line, place.column, source, tuple(sides), tuple(relations), continues,
            given=given(statement.holds_for),
        )  # fmt: skip
        yield replace(claim, read_as=echo_claim(claim, self.scope))

    def _chained(
        self, statement: Statement, sides: list[Side], *, continues: bool
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

    def _check_sigma(self, statement: Statement, nodes: Sequence[Node]) -> None:
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
        self, statement: Statement, sides: list[Side], relations: list[Relation]
    ) -> Iterator[Claim | Definition | Prose | Unread]:
        name = sides[0].node
        assert isinstance(name, Named)
        place = statement.place
        made = Definition(
            place.line, place.column, statement.source, name.name, name.indices, sides[1].node
        )
        explicit = relations[0] is Relation.DEFINES or _is_told(statement)
        shown = f"{echo(name, self.scope)} := {echo(sides[1].node, self.scope)}"
        yield replace(made, read_as=shown, explicit=explicit)
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
        unread = {item.defines for item in items if isinstance(item, Unread)}
        return [self._checked(item, known, unread) for item in items]

    def _checked(
        self,
        item: Claim | Definition | Prose | Unread,
        known: set[tuple[str, int]],
        unread: set[str],
    ) -> Claim | Definition | Prose | Unread:
        if isinstance(item, Claim):
            nodes = [side.node for side in item.sides]
        elif isinstance(item, Definition):
            nodes = [item.node]
        else:
            return item
        for node in nodes:
            for part in walk(node):
                if not isinstance(part, Named) or part.name in unread:
                    continue
                if (part.name, len(part.indices)) not in known:
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


def _unread_from(statement: Statement, spent: Spent) -> Unread:
    """What is said of the rest of a page."""
    place, reason = statement.place, f"from here on nothing is read: {spent}"
    return Unread(place.line, place.column, statement.source, reason)


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


def _defines_errors(statement: Statement) -> bool:
    """Whether a statement says what δ_i, with one index, is on this page."""
    tokens = statement.tokens
    place = next((k for k, t in enumerate(tokens) if t.kind in RELATIONS), 0)
    kinds = [t.text for t in tokens[:place] if t.kind not in ("{", "}")]
    named = len(kinds) == 3 and kinds[:2] == ["delta", "_"] and len(kinds[2]) == 1
    return named and (tokens[place].kind == ":=" or _is_told(statement))


def _is_told(statement: Statement) -> bool:
    """Whether a word before a statement, or in its row, says that it is a definition."""
    words = (*statement.led_by, *(word.text.lower() for word in statement.words))
    return not _DEFINING.isdisjoint(words)


_DEFINING = frozenset(("let", "define", "where", "with", "denote", "call", "write"))
_DEFINED = re.compile(r"([A-Za-z]+)(?:_\w+|_\{\w*\})?\s*:?=")
"""The name before the first equals sign of a row that has no tokens."""

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
        depth += (token.kind in OPENS) - (token.kind in CLOSES)
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


_EQUALS = (Relation.EQUAL, Relation.DEFINES, Relation.BECOMES)


def _as_updates(sides: list[Side], relations: list[Relation]) -> list[Relation]:
    """w = w - η ∂L/∂w and w := … are steps; := of another quantity is an equality.

    Without a rate only a sum is a step: w = 2w/2 is an equation.
    """
    first = sides[0].node
    quantity = isinstance(first, (Element, Array))
    learned = isinstance(first, (Element, Array)) and first.letter[:1] in ("w", "W", "b", "θ")
    found = []
    for k, relation in enumerate(relations):
        right = sides[k + 1].node if k + 1 < len(sides) else sides[-1].node
        again = quantity and k == 0 and any(part == first for part in walk(right))
        has_rate = any(part == Element("eta") for part in walk(right))
        adds = learned and isinstance(right, Total)
        defined = relation is Relation.DEFINES and learned and k == 0
        if defined or (relation in _EQUALS and again and (has_rate or adds)):
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
