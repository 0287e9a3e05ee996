"""A page as claims: each statement read, with what it is said to hold for.

`read` takes a page as it was typed (LaTeX with or without its environments, Markdown with maths,
Unicode or Python-like text) and gives a `Document`, which is made of `Claim`, `Definition`, `Prose`
and `Unread`.  It is a list of passes, and each takes the records that the one before returns:

* the text without comments and macros, a `Page`;
* its stretches that may be claims, as tokens, the `Statement`s (`symback.checking.statements`);
* what the page defines itself, as `Letters`;
* what each statement is said to hold for (`Condition`): "for i = j", "if a_11 > 0", "with y_1 = 1";
* the sides of each statement as nodes, and these as items.

A stretch that is not understood becomes an `Unread` item with line, column, the reason and a way to
write it; the rest of the page is read.
"""

from __future__ import annotations

import enum
import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from symback.checking.chains import Flow
from symback.checking.givens import given_in_words
from symback.checking.lemmas import Lemma, function_defined, goes_on, lemma_of
from symback.checking.letters import Letters, Scope
from symback.checking.naming import numbered_names, told
from symback.checking.parsing import Line, reading
from symback.checking.programs import folded
from symback.checking.shapes import Shape, is_only_shape
from symback.checking.shapes import told as told_shape
from symback.checking.statements import (
    DEFINED,
    EMPTY_LINE,
    NOTATION,
    Condition,
    Page,
    Statement,
    changes_formula,
    cut,
    defined_by,
    is_told,
)
from symback.checking.tokens import (
    COMPARISONS,
    RELATIONS,
    NotRead,
    Place,
    Token,
    split,
)
from symback.language.budget import Spent, allow, spend
from symback.language.echo import echo
from symback.language.errors import SymbackError, did_you_mean, printable
from symback.language.expressions import (
    ELL,
    EVERY,
    LOSS,
    Array,
    At,
    Call,
    Comparison,
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
    OneHot,
    Product,
    Sum,
    Total,
    Transpose,
    children,
    everywhere,
    free_letters,
    is_array,
    negative,
    rebuilt,
    reindexed,
    replaced,
    walk,
)
from symback.language.names import NOTATIONS, Notation, UnknownNotation, plain_name

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
class Joined:
    """A last side with the row below it, and the claim so read; None where that is not read.

    ``is_firm``: the place of the row says so, too.
    """

    node: Node | None
    read_as: str
    is_firm: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """``sides`` joined by ``relations`` (one fewer than the sides).

    ``continues``: the line begins with "=", so it goes on from the last side before it; its
    relations are then as many as its sides.  A claim of one side and no relation is an answer
    alone.  An update ``w ← w - η ∂L/∂w`` is a claim whose relation is BECOMES.  ``given`` are the
    conditions on quantities that it stands under ("if a_11 > 0"); its sides are 0 where they fail.
    ``read_as`` is the canonical echo of the whole line; reading it gives the same.  ``unknown``
    says why the line means nothing definite, where a name in it does not.

    A line "= …" that goes on from a chain further up has the left side of that; ``after`` is the
    side it goes on from, ``instead`` the left sides of other chains that it may go on from as well,
    None for one that could not be read.  ``joined`` is the last side together with the row below,
    where that may go on with it.  ``shape`` is the one that the line says its sides have.
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
    after: Node | None = None
    instead: tuple[Node | None, ...] = ()
    joined: Joined | None = None
    shape: Shape | None = None

    @property
    def steps(self) -> bool:
        """Whether it is a step of gradient descent, which gives the left side a new value."""
        return self.relations[:1] == (Relation.BECOMES,)


@dataclass(frozen=True, slots=True)
class Definition:
    """A name of the page's own: ``name_{letters} = node``; ``indices`` are letters or numbers.

    ``explicit``: it is called a definition, by a word such as "let" or by :=.  Of a function,
    ``name(PARAMETER) = node``.
    """

    line: int
    column: int
    source: str
    name: str
    indices: tuple[Index, ...]
    node: Node
    read_as: str = ""
    explicit: bool = False
    is_function: bool = False


PARAMETER = Free("·")
"""The variable of each function that a page defines, whatever the page calls it."""


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
class Given:
    """Words that give values: "the true class is 1"; none where it is not clear which."""

    line: int
    column: int
    source: str
    values: tuple[tuple[Element, Number], ...]

    @property
    def supposes(self) -> bool:
        """Whether something is supposed that is not understood."""
        return not self.values


@dataclass(frozen=True, slots=True)
class Shaped:
    """The shape that a page says a quantity has: W_1 ∈ ℝ^{3×2}; None where it is not in numbers."""

    line: int
    column: int
    source: str
    node: Node
    shape: Shape | None
    read_as: str = ""


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
        return self.gives or bool(said and _COMPARED.search(self.source))

    @property
    def gives(self) -> bool:
        """Whether it looks like a value that is given: y = [1, 0]."""
        return bool(_GIVES.search(self.source))

    @property
    def function(self) -> str:
        """The function that it may define, as f in f(z) = z^2, or ""."""
        found = _FUNCTION.search(self.source)
        return "" if found is None else found[1]


_SUPPOSES = re.compile(
    r"\b(?:assum|suppos|given|provided|if|when|where|since|let|set|at|target|ignor)", re.I
)
_COMPARED = re.compile(r"[=<>≤≥≠]|\\(?:leq?|geq?|neq?)\b")
_GIVES = re.compile(
    r"(?:^|[\s,;:(&$])(?:\\(?:vec|mathbf|bm|boldsymbol)\s{0,2}\{?)?[xytXYTbwW]"
    r"(?:\}|_\{[^{}\s]{1,9}\}|_[0-9A-Za-z]{1,6}|\^[^\s=]{1,9}){0,3}"
    r"[\s&]{0,4}=[\s&]{0,4}(?:[\[(]?\s{0,2}-?[\d.]|\\begin\{[bp]matrix|\\left[\[(])"
)
_EQUALS = re.compile(r"(?<![<>!:])=")
_FUNCTION = re.compile(r"(\\?[^\W\d_]+)\s*\(\s*\\?[^\W\d_]\s*\)\s*:?=")

Item = Claim | Definition | Given | Prose | Shaped | Unread


@dataclass(frozen=True, slots=True)
class Document:
    """A page, item by item in the order of the text.

    ``numbered`` are names such as w_5, of weights that have a number of their own.
    """

    items: tuple[Item, ...] = field(default=())
    numbered: tuple[str, ...] = ()


# ----------------------------------------------------------------------------------------- passes


def read(
    text: str,
    scope: Scope,
    notation: Notation = NOTATIONS["lectures"],
    *,
    unknown: Sequence[str] = (),
) -> Document:
    r"""The page ``text`` about the network of ``scope``, in a ``notation``.

    ``unknown`` are names that are read as the page's own, whatever else they might mean.

    Raises `TooLarge`, and `Spent` where a budget is used up before anything is read.

    >>> scope = Scope((2, 3, 2), ("sigmoid", "softmax"), (1, 1))
    >>> page = read("since $h_{12} = \\sigma(a_{12})$ we get", scope)
    >>> [type(item).__name__ for item in page.items], page.items[1].read_as
    (['Prose', 'Claim', 'Prose'], 'h_12 = σ(a_12)')
    """
    if len(text.encode("utf-8", "replace")) > LARGEST_PAGE:
        raise TooLarge(f"the page is larger than {LARGEST_PAGE:,} bytes")
    page = Page.of(text, Letters(scope, notation, unknown=unknown))
    page, given = _without_given(page, scope, notation)
    allow(CUT)
    statements, left = cut(page)
    said = told(((each.tokens, each.latex) for each in statements), scope, notation)
    if said:
        notation = replace(notation, names=(*said, *notation.names))
        page = replace(page, letters=Letters(scope, notation, unknown=unknown))
    statements = folded(statements, page)
    page = page.knowing(statements)
    statements = list(_with_lemmas(statements, page))
    allow(SUPPOSED)
    statements, named = _supposed(statements, page)
    allow(READ)
    items: list[Item] = []
    flow = Flow()
    for each in statements:
        try:
            while given and (given[0].line, given[0].column) <= each.where[:2]:
                items.append(given.pop(0))
            found, flow, names = _items(each, page, flow)
        except Spent as spent:
            left = each, spent
            break
        items += found
        named += names
    items += given
    allow(NAMED)
    if left is not None:
        each, spent = left
        reason = f"from here on nothing is read: {spent}"
        items.append(Unread(*each.where, reason))
    known = {plain_name(name) for name in unknown}
    left_open = numbered_names(((each.tokens, each.latex) for each in statements), page.letters)
    items = with_variables(items)
    return Document(tuple(_with_names_known(items, named, known)), left_open)


def _without_given(page: Page, scope: Scope, notation: Notation) -> tuple[Page, list[Given]]:
    """The page without the words that give values, which become blanks, and those values."""
    text, given = page.text, []
    for each in given_in_words(page.text, scope, notation.first_index):
        source = page.text[each.start : each.end]
        place = page.place(each.start)
        given.append(Given(place.line, place.column, source.strip(), tuple(each.values.items())))
        text = text[: each.start] + re.sub(r"[^\n$]", " ", source) + text[each.end :]
    return replace(page, text=text), given


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


# ----------------------------------------------------------------------------------------- lemmas


def _with_lemmas(statements: Sequence[Statement], page: Page) -> Iterator[Statement]:
    """The statements, those about functions of a variable with what that is.

    A line "= …" is about the same as what it goes on from, and so is a condition on the variable.
    """
    last: Lemma | None = None
    for place, each in enumerate(statements):
        letters, tokens = page.letters_of(each.tokens), each.tokens
        failed, lemma = each.failed, None
        if tokens and tokens[0].kind in RELATIONS:
            lemma = last and goes_on(tokens, letters, last)
        elif each.has_relation:
            last = lemma = lemma_of(tokens, letters)
            if function_defined(tokens, letters) and lemma is None and failed is None:
                failed = NotRead("a function of the page's own is read where its variable is the "
                                 "only letter in it", each.place)  # fmt: skip
        elif any(token.kind in COMPARISONS for token in tokens):
            ahead = statements[place + 1].tokens if place + 1 < len(statements) else []
            near = last or lemma_of(ahead, letters)
            lemma = near and goes_on(tokens, letters, near)
        yield replace(each, lemma=lemma, failed=failed)


# ------------------------------------------------------------------------------------- conditions

_SUPPOSING = frozenset("if when for case suppose supposing assume assuming unless provided".split())
_OTHERWISE = frozenset(("otherwise", "else", "elsewhere"))
_ANEW = frozenset(
    "together altogether both general generally combined combining overall summary all".split()
)
_INDEX_LETTERS = frozenset((*"ijklmnpqrstuv", "ell"))
_PUNCTUATION = re.compile(r"[.;:]")
_OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


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
        paragraph = EMPTY_LINE.search(page.text[last:begin]) is not None
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
        is_close = before is not None and _is_close(before, each, words, page)
        before = replace(
            each,
            led_by=tuple(words),
            paragraph=paragraph,
            condition=condition,
            failed=failed,
            is_close=is_close,
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


def _is_close(before: Statement, each: Statement, words: Sequence[str], page: Page) -> bool:
    """Whether nothing but "if", "for" or the like stands between two statements.

    "If" begins a sentence of its own, which is about what comes.
    """
    if len(words) != 1 or words[0] not in _SUPPOSING:
        return False
    place = each.tokens[0].place
    start = page.starts[place.line - 1] + place.column - 1
    between = page.text[page.behind(before.tokens[-1]) : start]
    begins = re.search(rf"\b{words[0].capitalize()}\b", between)
    return not (begins or _PUNCTUATION.search(between) or EMPTY_LINE.search(between))


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
    code = page.is_code and not statement.latex
    line = Line(page.letters_of(tokens), statement.latex, code, lemma=statement.lemma)
    readings = [reading(part, line) for part in (left, right)]
    named += [name for each in readings for name in each.named]
    one, other = (each.node for each in readings)
    if relation == "=":
        leaf = isinstance(one, Element) and one.letter in ("x", "y", "w", "b", "a")
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
        elif place and each.is_close and _is_mentioned(statements[place - 1]):
            pass  # -ŷ_i ŷ_j if i ≠ j: a second case without a left side, which is no claim
        elif chain and not supposed and (statements[chain[-1]].row == each.row or each.is_close):
            # behind its claim
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


def _is_mentioned(statement: Statement) -> bool:
    return not statement.has_relation and statement.condition is None


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
            for side in sides:
                _check_capture(side, left.index.letter, right.index, place)
            return [reindexed(side, {left.index.letter: right.index}) for side in sides]
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


def _check_capture(node: Node, letter: str, index: Index, place: Place) -> None:
    """Refuses to put an index for a letter within a sum over the letter of that index."""
    if isinstance(node, Sum) and node.letter == index.letter != letter:
        raise NotRead("the letter of the condition is that of a sum", place,
                      "use another letter in the sum")  # fmt: skip
    if not isinstance(node, Sum) or node.letter != letter:
        for child in children(node):
            _check_capture(child, letter, index, place)


# ------------------------------------------------------------------------------------------- items

_RELATION = {each.value: each for each in Relation}
Name = tuple[Named, Place]
ORPHANED = "what this goes on from could not be read; begin the line with its left side"
_TWO_DELTAS = "δ with two letters may be Kronecker's or the error ∂L/∂a"
_OTHER_DELTAS = "write 1[i=j], or ∂L/∂a_{ki}"


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


def _items(statement: Statement, page: Page, flow: Flow) -> tuple[list[Item], Flow, list[Name]]:
    """What a statement says, the flow behind it, and the page's own names in it."""
    place = statement.place
    prose: list[Item] = [Prose(*statement.where)]
    if statement.failed is None and (not statement.tokens or statement.kind == "prose"):
        return prose, flow, []
    try:
        if statement.failed is not None:
            raise statement.failed
        spend(1 + len(statement.words))
        if statement.condition is not None or _is_range(statement.tokens, page.letters):
            return prose, flow, []
        shape, remark = None, told_shape(statement.tokens)
        if remark is not None:
            statement, shape = replace(statement, tokens=remark.tokens), remark.shape
            if not statement.has_relation:
                return [_shaped(statement, page, shape)], flow, []
        elif is_only_shape(statement.tokens):
            return prose, flow, []
        line = _sides(statement, page)
        if line.continues and (said := page.named_before(place)):
            raise NotRead(f"what this equals stands in words before it: “{said}”", place,
                          "write it within the formula")  # fmt: skip
        items, after = _said(statement, line, flow)
        if statement.tail is not None and isinstance(items[-1], Claim):
            items[-1] = replace(items[-1], joined=_joined(statement, page, flow, items[-1]))
        if shape is not None and isinstance(items[-1], Claim):
            items[-1] = replace(items[-1], shape=shape)
        return items, after, list(line.named)
    except RecursionError:
        error = NotRead("the statement is nested too deeply", place)
    except NotRead as found:
        # something without a relation that stands within words is a mention, no claim
        within = statement.kind == "inline" or bool(statement.words)
        if within and not statement.has_relation and statement.failed is None:
            return prose, flow, []
        error = found
    unread = _unread(statement, page, error)
    if not unread.begins:
        return [unread], flow, []
    left = _left_alone(statement, page)
    if left is None:
        return [unread], flow.lost(statement), []
    # what stands below is about the left side all the same, whatever the right one is
    return [unread], replace(flow.begun(statement, [left]), current=None), []


def _left_alone(statement: Statement, page: Page) -> Node | None:
    """The quantity on the left of a statement that could not be read as a whole."""
    parts = split(statement.tokens, RELATIONS)
    if statement.failed is not None or len(parts) < 2 or not parts[0]:
        return None
    line = Line(page.letters_of(statement.tokens), statement.latex)
    try:
        found = reading(parts[0], line)
    except (NotRead, RecursionError):
        return None
    known = all(name.name in page.letters.defined for name, _ in found.named)
    is_quantity = isinstance(found.node, (Element, Array, Derivative))
    return found.node if is_quantity and known and not found.uncertain else None


def _shaped(statement: Statement, page: Page, shape: Shape | None) -> Shaped:
    """What a page says about the shape of one quantity."""
    letters = page.letters_of(statement.tokens)
    node = reading(statement.tokens, Line(letters, statement.latex)).node
    shown = "" if shape is None else f"{echo(node)} ∈ ℝ^{{{shape[0]}×{shape[1]}}}"
    return Shaped(*statement.where, node, shape, shown)


def _said(statement: Statement, line: Sides, flow: Flow) -> tuple[list[Item], Flow]:
    """What a statement with these sides says, and the flow behind it."""
    if line.continues:
        return _gone_on(statement, line, flow)
    sides, nodes = line.sides, [side.node for side in line.sides]
    if statement.holds_for:
        sides = _under(sides, statement.holds_for)
    items = _claimed(statement, replace(line, sides=sides))
    behind = flow.begun if len(sides) > 1 else flow.mentioned
    steps = any(isinstance(item, Claim) and item.steps for item in items)
    return items, behind(statement, nodes, steps=steps)


def _joined(statement: Statement, page: Page, flow: Flow, alone: Claim) -> Joined:
    """The last side of a claim together with the row below."""
    tail = statement.tail
    assert tail is not None
    unknown = Joined(None, "", tail.is_firm)
    if not tail.tokens:
        return unknown
    whole = replace(statement, tokens=[*statement.tokens, *tail.tokens], tail=None)
    try:
        line = _sides(whole, page)
        *_, claim = _said(whole, line, flow)[0]
    except (NotRead, RecursionError):
        return unknown
    known = [part for side in alone.sides for part in walk(side.node)]
    if not isinstance(claim, Claim) or any(name not in known for name, _ in line.named):
        return unknown
    return Joined(claim.sides[-1].node, claim.read_as, tail.is_firm)


def _gone_on(statement: Statement, line: Sides, flow: Flow) -> tuple[list[Item], Flow]:
    """The claim that a line "= …" is, which has the left side of the chain that it goes on from."""
    found, flow = flow.resumed(statement)
    chain, sides, last = found.chain, line.sides, line.sides[-1].node
    anew = chain.holds_for != statement.holds_for  # under a condition of its own
    if chain.is_lost or (chain.head is None and not anew) or (found.is_next and not anew):
        if statement.holds_for and chain.head is not None:  # its sides are 0 where the head is
            whole = _under([replace(sides[0], node=chain.head), *sides], statement.holds_for)
            line = replace(line, sides=whole[1:])
        if statement.holds_for:
            line = replace(line, sides=_under(sides, statement.holds_for))
        items: list[Item] = [*_claimed(statement, line)]
        if chain.is_lost:
            items = [replace(each, unknown=ORPHANED) for each in items if isinstance(each, Claim)]
        return items, flow.at(statement, last)
    if chain.head is None:
        raise NotRead("the lines before it stand under another condition", statement.place,
                      "begin the line with its left side")  # fmt: skip
    sides = [replace(sides[0], node=chain.head), *sides]
    if statement.holds_for:
        sides = _under(sides, statement.holds_for)
    relations = line.relations
    if chain.steps:
        relations = [Relation.BECOMES, *relations[1:]]
    line = replace(line, sides=sides, relations=relations, continues=False)
    before = None if statement.holds_for or chain.holds_for else chain.last
    items = [
        replace(each, after=before, instead=found.others) if isinstance(each, Claim) else each
        for each in _claimed(statement, line, resumes=True)
    ]
    return items, flow.at(statement, last)


def _unread(statement: Statement, page: Page, error: NotRead) -> Unread:
    place = error.place or statement.place
    if statement.tokens:
        first = statement.tokens[0].kind
        defines = statement.changes or defined_by(statement, page)
    else:
        first, found = statement.source.lstrip("& ")[:1], DEFINED.search(statement.source)
        known = found is None or page.letters.means_quantity(found[1])
        defines = "" if known or found is None else found[1]
    where = place.line, place.column, statement.source
    several = not statement.tokens and len(_EQUALS.findall(statement.source)) > 1
    begins = first not in RELATIONS or several
    return Unread(*where, error.message, error.suggestion, defines, begins)


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
    tokens, place = statement.tokens, statement.place
    letters = page.letters_of(tokens)
    changing = next((w for w in statement.words if changes_formula(w.text)), None)
    if changing is not None:
        raise NotRead(f"the word “{changing.text}” stands within a formula", changing.place,
                      "write it as a sign")  # fmt: skip
    if (sign := next((token for token in tokens if token.kind == "∝"), None)) is not None:
        raise NotRead("a proportion leaves its factor open and is not judged", sign.place,
                      "write = and the factor")  # fmt: skip
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
    code = page.is_code and not statement.latex
    line = Line(letters, statement.latex, code, updating, statement.lemma)
    readings = [reading(part, line) for part in parts]
    uncertain = {node for each in readings for node in each.uncertain}
    nodes = _settled(_of_one_sample([each.node for each in readings]), uncertain, tokens)
    dotted = next(filter(None, (each.dotted for each in readings)), None)
    if dotted is not None and not all(map(is_array, nodes)):
        raise NotRead("· between two columns has two readings", dotted,
                      "write ⊙ for entry by entry, or aᵀ b")  # fmt: skip
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
    """Limits that are no index of the line are whole ranges; δ_ij is Kronecker's or ∂L/∂a.

    A Σ that says no letter runs over the one of its terms that stands nowhere else.
    """
    if any(isinstance(part, Sum) and not part.letter for node in nodes for part in walk(node)):
        place = next((t.place for t in tokens if t.text in ("Σ", "sum")), tokens[0].place)
        nodes = _with_letters_of_sums(nodes, place)

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


def _with_letters_of_sums(nodes: Sequence[Node], place: Place) -> list[Node]:
    """The sides, in which each Σ without a letter has the only one that it can run over.

    That is a letter of its terms which stands nowhere else in the line; without letters it adds up
    the entries of an array, as in Σ (y - ŷ)².  Raises `NotRead`.
    """
    free = Counter(letter for node in nodes for letter in _letters_said(node))

    def settle(node: Node) -> Node:
        node = rebuilt(node, settle)
        if not isinstance(node, Sum) or node.letter:
            return node
        inside = Counter(_letters_said(node.body))
        own = sorted(set(free_letters(node.body)))
        only = [letter for letter in own if inside[letter] == free[letter]]
        if len(own) == 1 and isinstance(node.body, Call) and node.body.function == "exp":
            only = own  # ŷ_i = e^{a_i} / Σ e^{a_i}: nothing else varies
        if len(only) == 1:
            return replace(node, letter=only[0])
        if not own and is_array(node.body):
            body = _entry_by_entry(node.body)
            if not _multiplies_arrays(body):
                return Call("sum", (body,))
        raise NotRead("a sum without an index", place, "write Σ_i")

    return [settle(node) for node in nodes]


def _letters_said(node: Node) -> Iterator[str]:
    """The index letters of a node, one for each time that it is written; those bound as well."""
    yield from (index.letter for index in getattr(node, "indices", ()) if index.letter)
    for index in (getattr(node, name, None) for name in ("index", "layer", "upper", "without")):
        if isinstance(index, Index) and index.letter:
            yield index.letter
    for child in children(node):
        yield from _letters_said(child)


def _entry_by_entry(node: Node) -> Node:
    """The node, in which columns side by side are multiplied entry by entry: -Σ y log ŷ.

    As matrices they could not be.
    """
    node = rebuilt(node, _entry_by_entry)
    if not isinstance(node, Product) or node.elementwise:
        return node
    columns = [part for part in node.factors if is_array(part)]
    matrices = (Transpose, Matrix, Derivative)
    plain = not any(
        isinstance(part, matrices) or (isinstance(part, Array) and part.letter == "W")
        for column in columns
        for part in walk(column)
    )
    if len(columns) < 2 or not plain:
        return node
    numbers = [part for part in node.factors if not is_array(part)]
    joined = Product(tuple(columns), True)
    return Product((*numbers, joined)) if numbers else joined


def _multiplies_arrays(node: Node) -> bool:
    """Whether a product of arrays stands in it that is none entry by entry."""
    return any(
        isinstance(part, Product) and not part.elementwise and sum(map(is_array, part.factors)) > 1
        for part in walk(node)
    )


def _of_one_sample(nodes: list[Node]) -> list[Node]:
    """E_n beside quantities without a mark of their sample: all are of that one sample.

    Of E = Σ_n E_n, and beside x_n, the mark is kept.
    """
    parts = [part for node in nodes for part in walk(node)]
    marked = [part for part in parts if getattr(part, "sample", None) is not None]
    bound = {part.letter for part in parts if isinstance(part, Sum)}
    alone = all(
        isinstance(part, Element) and part.letter == LOSS.letter and part.sample != EVERY
        and part.sample is not None and part.sample.letter not in (*bound, "")
        for part in marked
    )  # fmt: skip
    if not marked or not alone or LOSS in parts:
        return nodes
    change = everywhere(lambda part: LOSS if part in marked else None)
    return [change(node) for node in nodes]


def _letter_roles(nodes: Sequence[Node]) -> dict[str, set[str]]:
    """For each index letter whether it numbers layers or neurons, δ_ij left out."""
    roles: dict[str, set[str]] = {}
    for part in (part for node in nodes for part in walk(node)):
        if isinstance(part, Array) and part.layer is not None and part.layer.letter:
            roles.setdefault(part.layer.letter, set()).add("layer")
        if isinstance(part, Derivative) and isinstance(part.by, Named):  # ∂p_i/∂z_j
            for named in (each for each in walk(part) if isinstance(each, Named)):
                for index in named.indices if len(named.indices) == 1 else ():
                    roles.setdefault(index.letter, set()).add("neuron")
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


def _claimed(statement: Statement, line: Sides, *, resumes: bool = False) -> list[Item]:
    """The claim or the definition that a statement is; what says nothing to check is prose.

    ``resumes``: its left side is that of a chain further up, and gets no meaning here.
    """
    sides, first = line.sides, line.sides[0].node
    if line.minus:
        step = Total((first, negative(sides[1].node)))
        sides = [sides[0], replace(sides[1], node=step)]
    mention = statement.goes_on is not None or isinstance(
        first, (Element, Array, Derivative, Named, Number)
    )
    if not line.relations and (mention or statement.kind == "inline" or statement.words):
        return [Prose(*statement.where)]
    relations = _as_updates([side.node for side in sides], line.relations)
    if line.steps and relations and isinstance(first, (Element, Array)):
        relations = [Relation.BECOMES, *relations[1:]]
    starts = not line.continues and bool(relations) and not resumes
    items: list[Item] = []
    given = tuple(
        Comparison(each.left, each.relation, each.right)
        for each in statement.holds_for
        if not isinstance(each.left, Letter)  # those on indices are cases of one claim
    )
    match first:
        case Call(name, (Free() as variable,), primes=0) if (
            starts and statement.lemma is not None and statement.lemma.defines == name
        ):
            node, shown = sides[1].node, f"{echo(first)} := {echo(sides[1].node)}"
            if any(isinstance(part, Call) and part.function == name for part in walk(node)):
                raise NotRead("a function that is defined by itself", statement.place)
            node = replaced(node, variable, PARAMETER)
            made = Definition(*statement.where, name, (), node, shown, is_function=True)
            items.append(made)
            if len(sides) == 2:
                return items
            sides, relations, given = [sides[0], *sides[2:]], relations[1:], ()
        case Named(name, indices) if (
            name != "theta" and starts and relations[0] is not Relation.BECOMES
        ):
            node, shown = sides[1].node, f"{echo(first)} := {echo(sides[1].node)}"
            explicit = relations[0] is Relation.DEFINES or is_told(statement)
            items.append(Definition(*statement.where, name, indices, node, shown, explicit))
            if len(sides) == 2:
                return items
            sides, relations, given = [sides[0], *sides[2:]], relations[1:], ()
        case Array("delta") if starts and not any(is_array(side.node) for side in sides[1:]):
            raise NotRead(
                "δ with one index is the vector ∂L/∂a of a layer, and the other side is a number",
                Place(sides[0].line, sides[0].column),
                "write δ_{21} for neuron 1 of layer 2, or another letter",
            )
    texts = [echo(side.node) for side in sides]
    marks = [relation.value for relation in relations]
    pairs = itertools.zip_longest(*((marks, texts) if line.continues else (texts, marks)))
    shown = " ".join(word for pair in pairs for word in pair if word is not None)
    said = (tuple(sides), tuple(relations), line.continues, shown, given)
    return [*items, Claim(*statement.where, *said)]


def _as_updates(nodes: Sequence[Node], relations: Sequence[Relation]) -> list[Relation]:
    """w = w - η ∂L/∂w and w := … are steps; := of another quantity is an equality.

    Without a rate only a sum is a step: w = 2w/2 is an equation.
    """
    first = nodes[0].of if isinstance(nodes[0], Transpose) else nodes[0]
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


def with_variables(items: Sequence[Item]) -> list[Item]:
    """The items, in which z_i may be any numbers: where p_i is defined by them, and ∂p_i/∂z_j said.

    That is so of a name with one index that the page does not define, where all that is said of it
    names nothing of the network.
    """
    definitions = [item for item in items if isinstance(item, Definition)]
    defined = {each.name for each in definitions}
    defined |= {item.defines for item in items if isinstance(item, Unread)}
    nodes = {k: _nodes_of(item) for k, item in enumerate(items)}
    said = (part for each in nodes.values() for node in each for part in walk(node))
    candidates = dict.fromkeys(
        part.by.name
        for part in said
        if isinstance(part, Derivative) and isinstance(part.by, Named)
        if len(part.by.indices) == 1 and part.by.name not in defined
    )
    made = list(items)
    for name in candidates:
        places = [k for k in nodes if any(_names(node, name) for node in nodes[k])]
        if not all(_is_about(nodes[k], name, defined) for k in places):
            continue
        for k in places:
            made[k] = _with_variable(made[k], name)
    return made


def _nodes_of(item: Item) -> list[Node]:
    match item:
        case Claim(sides=sides):
            return [side.node for side in sides]
        case Definition(node=node):
            return [node]
    return []


def _names(node: Node, name: str) -> bool:
    return any(isinstance(part, Named) and part.name == name for part in walk(node))


def _is_about(nodes: Sequence[Node], name: str, defined: Collection[str]) -> bool:
    """Whether sides name nothing but z_i with one index, and what the page defines."""
    return not any(
        isinstance(part, (Element, Array, OneHot))
        or (isinstance(part, Named) and part.name not in defined and part.name != name)
        or (isinstance(part, Named) and part.name == name and len(part.indices) != 1)
        for node in nodes
        for part in walk(node)
    )


def _with_variable(item: Item, name: str) -> Item:
    """An item with a variable for each z_i."""

    def put(node: Node) -> Node:
        if isinstance(node, Named) and node.name == name:
            return Free(name, node.indices)
        return rebuilt(node, put)

    match item:
        case Claim(sides=sides):
            return replace(item, sides=tuple(replace(s, node=put(s.node)) for s in sides))
        case Definition(node=node):
            return replace(item, node=put(node))
    return item


def _with_names_known(
    items: Sequence[Item], named: Sequence[tuple[Named, Place]], unknown: Collection[str]
) -> Iterator[Item]:
    """The items; claims about names that nothing on the page defines are not read.

    But for those ``unknown`` ones that somebody is looking for.
    """
    known = {(d.name, len(d.indices)) for d in items if isinstance(d, Definition)}
    known |= {(name, 0) for name in unknown}
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
