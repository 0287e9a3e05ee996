"""From the text of a page to its report: what is proved, wrong first, or merely follows from it.

`judged` goes through a page that has been read, from the top.

A side is compared with the **truth**, which is the value of what the chain began with (its left
side, or ∂L/∂wrt for a page that begins with "="), not only with its neighbour: so a step that is
true is accepted even where it does not follow, and an error is found even where a second one
cancels it.  A side that is false is compared again as if the page's earlier false claims were true:
if it agrees then, it **follows** from them and is not blamed a second time.

Decimal numbers are compared with the numbers of the file at the precision printed, each decimal
standing for all numbers that round to it.  They never decide about a line of symbols.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from symback.checking.batches import with_definitions
from symback.checking.claims import LOSS_LETTERS, bare, in_order, names_decimals, says_nothing
from symback.checking.evaluation import Assumptions
from symback.checking.givens import Values, plain_number, values
from symback.checking.goals import Said
from symback.checking.judge import (
    ABOUT,
    AS_PRINTED,
    COARSE,
    EXACT,
    ROUNDED,
    Bounds,
    Judge,
    Outcome,
    Printed,
    Relationship,
    meets,
)
from symback.checking.layouts import layouts
from symback.checking.letters import GENERIC, RATES
from symback.checking.mistakes import (
    ARITHMETIC,
    CONSTANT,
    DESCENT,
    ROUNDING,
    SIGN,
)
from symback.checking.naming import names_loss
from symback.checking.page import (
    ORPHANED,
    PARAMETER,
    Claim,
    Definition,
    Document,
    Given,
    Item,
    Joined,
    Prose,
    Relation,
    Shaped,
    Side,
    Unread,
)
from symback.checking.report import Diagnosis, LineReport, Verdict, Witness
from symback.engine.arithmetics import (
    Grid,
    Misshapen,
    Undecided,
    VanishingDenominator,
    entries,
    middle,
)
from symback.language.budget import (
    Spent,
    allow,
)
from symback.language.echo import echo
from symback.language.errors import SymbackError, printable
from symback.language.expressions import (
    ELL,
    LOSS,
    MINUS_ONE,
    ZERO,
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
    Ones,
    Product,
    Sum,
    Total,
    Transpose,
    children,
    free_letters,
    is_array,
    rebuilt,
    replaced,
    walk,
)
from symback.language.functions import ACTIVATIONS
from symback.language.names import Reference, Role

JUDGED = 0.7
"""The share of the page's budget that is used up at most when its claims are judged."""

WITHOUT_CHANCE = "proved without chance"
"""Said of a line for which a deterministic proof was asked for and found."""

WRONG = frozenset((Verdict.REFUTED, Verdict.FOLLOWS))

MISFIT = "this does not fit"
"""How the reason begins where sides cannot be compared."""

NO_VALUE = (Undecided, Misshapen, VanishingDenominator)
"""What is raised where a side cannot be computed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is said of one side."""

    verdict: Verdict
    reason: str = ""
    at: tuple[tuple[str, int], ...] = ()
    witness: Witness | None = None
    diagnosis: tuple[Diagnosis, ...] = ()


@dataclass(frozen=True, slots=True)
class Wrong:
    """A refuted side: what it should equal, what stood before it, and on which line of a report."""

    place: int
    truth: Node
    side: Side
    previous: Node | None
    finding: Finding


@dataclass(frozen=True, slots=True)
class Compared:
    """A side and what it should equal, and on which line of a report."""

    place: int
    truth: Node
    side: Node


@dataclass(frozen=True, slots=True)
class Judgement:
    """One report an item, the refuted sides in order, and every pair of sides that was compared."""

    lines: tuple[LineReport, ...]
    refuted: tuple[Wrong, ...]
    claims: tuple[Compared, ...]
    assumptions: Assumptions
    said: tuple[Said, ...]
    """Every side that was compared, and what came of it."""


# ----------------------------------------------------------------------------------- line by line


@dataclass(slots=True)
class _Page:
    """What has been read so far."""

    judge: Judge
    wrt: Node | None
    definitions: tuple[Definition, ...]
    prove: bool
    hasty: bool = False
    """Whether no mistake is looked for in what does not fit."""
    again: frozenset[int] = frozenset()
    """The places of the items that give a name its second meaning."""
    losses: frozenset[str] = frozenset()
    """Names of the page's own that it differentiates as its loss."""
    agreed: frozenset[str] = frozenset()
    """Those that have turned out to be the network's loss."""
    doubtful: bool = False
    """Whether that is taken to be so of a name whose definition could not be read."""
    words: str = ""
    """All that stands on the page, for the functions that it speaks of."""
    strict: bool = True
    """Whether products of arrays must fit as they stand (`symback.checking.layouts`)."""
    source: str = ""
    """What has been written of the chain so far."""
    anchor: Node | None = None
    previous: Node | None = None
    orphaned: bool = False
    """Whether what a line "= …" would go on from could not be read."""
    wrongs: list[tuple[Node, Node, int]] = field(default_factory=list)
    """False claims, the latest first: truth, side, line."""
    printed: dict[Node, Node] = field(default_factory=dict)
    """Quantities and derivatives with the numbers that the page has found for them."""
    stepped: dict[Node, Node] = field(default_factory=dict)
    """Weights with their new values, behind a step of gradient descent on the page."""
    renewed: dict[Node, Node] = field(default_factory=dict)
    """What the page has found with those."""
    slips: list[tuple[Fraction, Fraction, int]] = field(default_factory=list)
    """Wrong numbers, what they should be, and their lines."""
    refuted: list[Wrong] = field(default_factory=list)
    claims: list[Compared] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    """What it says, right and wrong; what holds only under a condition of its own is left out."""
    given: dict[Node, Node] = field(default_factory=dict)
    """Numbers that the page gives to quantities and the file does not: y_1 = 1."""
    unread: list[str] = field(default_factory=list)
    """Functions of the page's own whose definitions were not understood."""
    unused: tuple[int, str] | None = None
    """The last line of a stretch that stands under something supposed which was not understood."""

    @property
    def assumptions(self) -> Assumptions:
        return Assumptions(definitions=self.definitions)

    def bare(self, node: Node) -> Node:
        return bare(node, self.definitions)

    def completed(self, found: Values) -> Values:
        """The values with 0 for the other targets where one is 1 and all add up to 1."""
        ones = [each for each, value in found.items() if each.letter == "y" and value.value == 1]
        facts = [fact.variable.role for fact in self.judge.graph.facts if fact.total == 1]
        if len(ones) != 1 or Role.TARGET not in facts or self.judge.sizes:
            return found
        size = int(self.judge.scope.widths[-1])
        others = {replace(ones[0], indices=_indices(k)): ZERO for k in range(1, size + 1)}
        return others | found

    def give(self, found: Values) -> bool:
        """Remember values that the page gives; a target that is given anew replaces the old one."""
        found = self.completed(found)
        old = [each for each in found if self.given.get(each, found[each]) != found[each]]
        if any(each.letter == "y" for each in old):
            self.given = {k: v for k, v in self.given.items() if getattr(k, "letter", "") != "y"}
        self.given |= found
        return bool(found)

    def compare(self, left: Node, right: Node, **known: object) -> Outcome:
        """How two sides compare, with what else is assumed."""
        return self.judge.compare(left, right, replace(self.assumptions, **known))

    @property
    def coarse(self) -> Printed:
        """What numbers stand for in a calculation that may have begun with rounded ones."""
        found = filter(None, map(plain_number, self.printed.values()))
        return replace(COARSE, known=frozenset(abs(each.value) for each in found))

    def numbers(self, node: Node, taken: Printed = EXACT, **known: object) -> Bounds | None:
        """A side at the numbers of the file; None where it has no value there."""
        try:
            return self.judge.numbers(node, {}, replace(self.assumptions, **known), taken)
        except NO_VALUE:
            return None


def judged(
    document: Document,
    judge: Judge,
    wrt: Reference | None = None,
    *,
    prove: bool = False,
    strict: bool = True,
    hasty: bool = False,
) -> Judgement:
    """What is said of a page, line by line; ``hasty`` names no mistake in what does not fit."""
    allow(JUDGED)
    about = None if wrt is None else derivative_by(judge, wrt)
    read = in_order(document.items)
    losses, words = _losses(judge, read.items), " ".join(item.source for item in read.items)
    page = _Page(
        judge, about, read.definitions, prove, again=read.again, losses=losses,
        words=words, strict=strict, hasty=hasty,
    )  # fmt: skip
    page.agreed, page.doubtful = _known_losses(page, read.items)
    lines = tuple(_lines(page, read.items))
    claims, said = tuple(page.claims), tuple(page.said)
    return Judgement(lines, tuple(page.refuted), claims, page.assumptions, said)


def derivative_by(judge: Judge, wrt: Reference) -> Derivative:
    """∂L/∂wrt as a node; of a whole quantity where ``wrt`` has no indices."""
    variable = wrt.variable
    if not judge.scope.is_network:
        target = Element(judge.graph.target.name)
        return Derivative(target, Element(variable.letter, _indices(*wrt.indices)))
    layered = variable.letter not in ("yhat", "L")
    layer = () if variable.layer is None or not layered else (variable.layer,)
    if variable.sizes and not wrt.indices:
        of_all = variable.letter.upper() if variable.role is Role.WEIGHT else variable.letter
        return Derivative(LOSS, Array(of_all, *_indices(*layer)))
    numbers = (*layer, *wrt.indices)
    return Derivative(LOSS, Element(variable.letter, _indices(*numbers)))


def _indices(*numbers: int) -> tuple[Index, ...]:
    return tuple(Index("", each) for each in numbers)


def _losses(judge: Judge, items: Sequence[Item]) -> frozenset[str]:
    """The letters for a loss that the page defines itself and differentiates."""
    if not judge.scope.is_network:
        return frozenset()
    claimed = (side.node for item in items if isinstance(item, Claim) for side in item.sides)
    parts = (part for node in claimed for part in walk(node))
    return frozenset(
        part.of.name
        for part in parts
        if isinstance(part, Derivative) and isinstance(part.of, Named)
        if part.of.name in LOSS_LETTERS or names_loss(part.of.name, judge.scope)
        if not part.of.indices
    )


def _known_losses(page: _Page, items: Sequence[Item]) -> tuple[frozenset[str], bool]:
    """The names that are the network's loss from the top, and whether that is not sure of one."""
    defined = {each.name: each for each in items if isinstance(each, Definition)}
    agreed = {
        name
        for name in page.losses & defined.keys()
        if not defined[name].indices and page.compare(LOSS, defined[name].node).is_equal
    }
    unread = {each.defines for each in items if isinstance(each, Unread)} & {*LOSS_LETTERS}
    return frozenset(agreed | unread - defined.keys()), bool(unread - defined.keys())


def _lines(page: _Page, items: Sequence[Item]) -> Iterator[LineReport]:
    """A report an item; when the budget is used up, one for all claims that are left."""
    late: Spent | None = None
    for place, item in enumerate(items):
        if late is not None and isinstance(item, Claim):
            continue
        if page.judge.file_numbers is None:
            page.given |= _given_behind(items, place)
        try:
            yield _line(page, item, place)
        except Spent as spent:
            assert isinstance(item, (Claim, Definition))
            late = spent
            many = sum(isinstance(each, Claim) for each in items[place + 1 :])
            rest = f", nor are the {many} claims below it" if many else ""
            line = _as_it_is(item, Verdict.UNDECIDED, f"not judged{rest}: {spent}")
            yield replace(line, more=many)


def _given_behind(items: Sequence[Item], place: int) -> dict[Node, Node]:
    """Numbers given behind a claim in its own line, as in … = 1/4 at a_11 = 0."""
    found: dict[Node, Node] = {}
    item = items[place]
    for later in items[place + 1 :]:
        if not (isinstance(item, Claim) and isinstance(later, Claim) and later.line == item.line):
            break
        match [side.node for side in later.sides]:
            case [Element(letter) as left, right] if letter in PINNED and plain_number(right):
                found[left] = right
    return found


SHAPE_FITS = "a shape that fits"
CLOSE_BY = 3
"""So many lines below something supposed a line is taken to stand under it."""
LAST = 10**9
"""A line behind the last one of every page."""

A_NAME = "a name that the page gives to an expression"
A_FUNCTION = "a function that the page defines"
SAYS_NOTHING = "both sides are the same: no claim"
ANOTHER_MEANING = "the name has had another meaning so far; from here on it means this"
NO_LEFT_SIDE = "nothing says what this should equal; begin the line with ∂L/∂w… =, or give --wrt"


def _line(page: _Page, item: Item, place: int) -> LineReport:
    _suppose(page, item)
    match item:
        case Unread():
            page.orphaned |= item.begins
            reason = item.reason + (f"; {item.suggestion}" if item.suggestion else "")
            return _as_it_is(item, Verdict.UNREAD, reason)
        case Prose():
            return _as_it_is(item, Verdict.TEXT, "")
        case Shaped():
            return _shape_told(page, item)
        case Given(values=found):
            return _as_it_is(item, Verdict.TEXT, SUPPOSED if page.give(dict(found)) else "")
        case Definition() if item.name in page.losses:
            return _loss_defined(page, item, place)
        case Definition(is_function=True):
            page.anchor, page.previous = Call(item.name, (PARAMETER,)), None
            page.orphaned = False
            return _as_it_is(item, Verdict.TEXT, A_FUNCTION)
        case Definition():
            if item.name in RATES and (rate := plain_number(item.node)) is not None:
                page.give({Element("eta"): rate})
            page.anchor, page.previous, page.orphaned = item.node, item.node, False
            return _as_it_is(item, Verdict.TEXT, ANOTHER_MEANING if place in page.again else A_NAME)
        case Claim():
            return _claim(page, item, place)
        case _:
            raise TypeError(f"no way to judge {type(item).__name__}")


def _as_it_is(item: Item, verdict: Verdict, reason: str) -> LineReport:
    """A line that is not compared with anything."""
    read_as = getattr(item, "read_as", "")
    return LineReport(item.line, item.column, item.source, read_as, verdict, reason)


def _shape_told(page: _Page, item: Shaped) -> LineReport:
    """What a page says about a shape is checked: what does not fit may have been misread."""
    misfit = "" if item.shape is None else _misfit_of_shape(page, item.node, item.shape)
    verdict = Verdict.UNDECIDED if misfit else Verdict.TEXT
    return _as_it_is(item, verdict, misfit or SHAPE_FITS * (item.shape is not None))


def _misfit_of_shape(page: _Page, node: Node | None, shape: tuple[int, int]) -> str:
    """Why a node has not the shape that the page says; "" where it has, or nothing is known."""
    if node is None or page.judge.scope.is_batch or page.judge.sizes:
        return ""
    try:
        found = page.judge.shape(node, {}, page.assumptions) or (1, 1)
    except (*NO_VALUE, SymbackError):
        return ""
    if tuple(found) == shape:
        return ""
    real, said = ("{}×{}".format(*each) for each in (found, shape))
    return f"{MISFIT}: {echo(node)} is {real} here, and the page says {said}"


def _suppose(page: _Page, item: Item) -> None:
    """Remember what is supposed in words that were not understood, for the lines next to it."""
    if page.unused is not None and isinstance(item, (Claim, Unread, Prose)):
        last, said = page.unused
        page.unused = (max(last, item.line), said) if item.line <= last + CLOSE_BY else None
    if not isinstance(item, (Given, Unread, Prose)):
        return
    if isinstance(item, Unread) and item.function:
        page.unread.append(item.function)
    if item.supposes:
        everywhere = isinstance(item, Given) or (isinstance(item, Unread) and item.gives)
        page.unused = (LAST if everywhere else item.line, printable(item.source, 80))


def _loss_defined(page: _Page, item: Definition, place: int) -> LineReport:
    """E = …, where E is differentiated: compared with the network's loss, which E is if they agree.

    Where they do not, that is said here, and E goes on to mean what the page says it is.
    """
    at = item.source, item.line, item.column
    sides = Side(LOSS, *at), Side(item.node, *at)
    read_as = item.read_as.replace(" := ", " = ", 1)
    claim = Claim(item.line, item.column, item.source, sides, (Relation.EQUAL,), read_as=read_as)
    report = _claim(page, claim, place)
    if report.verdict in (Verdict.PROVED, Verdict.CONDITIONAL):
        page.agreed |= {item.name}
    return report


def _with_loss(page: _Page, node: Node) -> Node:
    """``node`` with the network's loss for the names that have turned out to be it."""
    if isinstance(node, Named) and node.name in page.agreed and not node.indices:
        return LOSS
    return rebuilt(node, lambda part: _with_loss(page, part)) if page.agreed else node


def _claim(page: _Page, claim: Claim, place: int) -> LineReport:
    sides = [replace(side, node=_with_loss(page, side.node)) for side in claim.sides]
    page.source = f"{page.source} {claim.source}" if claim.continues else claim.source
    claim, sides = _quantity_first(claim, sides)
    if not claim.continues and claim.relations:  # it begins a chain, with its left side
        first = sides.pop(0).node
        first = page.bare(first) if isinstance(first, Named) else first
        page.anchor, page.previous = _meant(first, claim.relations[0]), claim.after
    elif claim.continues and page.orphaned:
        return _as_it_is(claim, Verdict.UNDECIDED, ORPHANED)
    elif page.anchor is None or (not claim.continues and page.wrt is not None):
        page.anchor, page.previous = page.wrt, None
    elif not claim.continues:
        return _as_it_is(claim, Verdict.UNDECIDED, NO_LEFT_SIDE)
    page.orphaned = False
    if claim.unknown:
        return _as_it_is(claim, Verdict.UNDECIDED, claim.unknown)
    told = claim.shape
    if told is not None and (misfit := _misfit_of_shape(page, page.anchor, told)):
        return _as_it_is(claim, Verdict.UNDECIDED, misfit)
    if claim.joined is not None and page.anchor is not None:
        alone = sides[-1].node
        sides[-1], unclear = _with_row_below(page, page.anchor, sides[-1], claim.joined)
        if unclear:
            return _as_it_is(claim, Verdict.UNDECIDED, unclear)
        if sides[-1].node != alone:
            claim = replace(claim, read_as=claim.joined.read_as)
    found: list[tuple[Side, Finding]] = []
    for side, relation in zip(sides, claim.relations or (Relation.EQUAL,), strict=True):
        # what equals itself word for word says nothing, but a step of w ← … does
        known = page.anchor if relation is not Relation.BECOMES else None
        if known is None or not says_nothing(known, side.node, page.definitions):
            judged_so = _side(page, side, relation, place, claim.instead)
            finding = _given(page, claim.given, side, judged_so)
            found.append((side, finding))
            if page.anchor is not None and not (
                claim.given and finding.verdict is Verdict.CONDITIONAL
            ):
                left, right = (_without(node, claim.given) for node in (page.anchor, side.node))
                said = Said(place, left, right, side.line, finding.verdict, claim.given)
                page.said.append(said)
        page.previous = side.node
    return _reported(claim, found) if found else _as_it_is(claim, Verdict.TEXT, SAYS_NOTHING)


def _quantity_first(claim: Claim, sides: list[Side]) -> tuple[Claim, list[Side]]:
    """0.1219 = L says what L is, as L = 0.1219 does: what is no number comes first."""
    first = sides[0].node
    plain = {*claim.relations} <= {Relation.EQUAL, Relation.ABOUT} and not claim.continues
    if not plain or len(sides) < 2 or _names_quantities(first) or not _has_decimals(first):
        return claim, sides
    place = next((k for k, side in enumerate(sides) if _names_quantities(side.node)), 0)
    if not place:
        return claim, sides
    about = Relation.ABOUT if Relation.ABOUT in claim.relations else Relation.EQUAL
    order = [sides[place], *sides[:place], *sides[place + 1 :]]
    return replace(claim, relations=(about,) * len(claim.relations)), order


def _meant(node: Node, relation: Relation) -> Node:
    """What the right sides should equal: for w ← … the step of gradient descent."""
    inner = node.of if isinstance(node, Transpose) else node
    if relation is not Relation.BECOMES or not isinstance(inner, (Element, Array)):
        return node
    gradient: Node = Derivative(LOSS, inner)
    gradient = Transpose(gradient) if isinstance(node, Transpose) else gradient
    return Total((node, Product((MINUS_ONE, Element("eta"), gradient))))


def _reported(claim: Claim, found: Sequence[tuple[Side, Finding]]) -> LineReport:
    """A line is as bad as its worst side; the first of those is the one reported."""
    order = (
        Verdict.REFUTED,
        Verdict.FOLLOWS,
        Verdict.UNDECIDED,
        Verdict.CONDITIONAL,
        Verdict.PROVED,
        Verdict.TEXT,
    )
    place = min(range(len(found)), key=lambda k: order.index(found[k][1].verdict))
    side, finding = found[place]
    wrong = finding.verdict is Verdict.REFUTED
    if finding.verdict is Verdict.PROVED:
        reasons = list(dict.fromkeys(each.reason for _, each in found))
    elif len(found) > 1:
        reasons = [f"side {place + 1 + (not claim.continues)} of the line", finding.reason]
    else:
        reasons = [finding.reason]
    return LineReport(
        side.line if wrong else claim.line,
        side.column if wrong else claim.column,
        claim.source,
        claim.read_as,
        finding.verdict,
        (": " if wrong else "; ").join(filter(None, reasons)),
        finding.diagnosis,
        finding.witness,
        span=_span(claim, side) if wrong else None,
    )


def _span(claim: Claim, side: Side) -> tuple[int, int] | None:
    """Where a side stands in the source of its claim; None where it does not stand there as typed.

    A macro, or words between the two halves of a formula, are why it may not.
    """
    rows = claim.source.split("\n")[: side.line - claim.line]
    start = sum(len(row) + 1 for row in rows) + side.column - 1
    start -= 0 if rows else claim.column - 1
    if start < 0 or not claim.source.startswith(side.source, start):
        if claim.source.count(side.source) != 1:
            return None
        start = claim.source.index(side.source)
    grows = _GROWS.search(claim.source, 0, start)  # of "\\left(" the reader keeps the bracket alone
    return (grows.start() if grows else start), start + len(side.source)


_GROWS = re.compile(r"\\(?:left|[bB]igg?l?)\s*\Z")


# -------------------------------------------------------------------------------------- one side


ADDED = "right if the loss of all samples is the sum of theirs, and not the mean"
NO_NUMBERS = "the network file gives no numbers to compare with"
WHOLE_LAYER = "this is a whole layer, and the number on the other side one neuron's"
WHOLE_BATCH = (
    "the network file gives a batch, and an array may hold one sample of it or all; write the line "
    "for single neurons, or check it with a file that gives one sample"
)


def _side(
    page: _Page, side: Side, relation: Relation, place: int, instead: Sequence[Node | None] = ()
) -> Finding:
    """What is said of a side; ``instead`` are other left sides that it may go on from."""
    truth = page.anchor
    if truth is None:
        return Finding(Verdict.UNDECIDED, NO_LEFT_SIDE)
    sides = truth, side.node
    single = page.judge.scope.is_batch and page.judge.of_batch(sides, page.assumptions) is None
    if single and any(map(_holds_samples, map(page.bare, sides))):
        return Finding(Verdict.UNDECIDED, WHOLE_BATCH)
    page.claims.append(Compared(place, truth, side.node))
    if not _names_quantities(side.node) or relation is Relation.ABOUT:
        try:
            found = _as_numbers(page, truth, side, relation)
        except NO_VALUE as error:
            found = Finding(Verdict.UNDECIDED, str(error) or "a denominator vanishes")
    else:
        found = _as_symbols(page, truth, side)
        if found.verdict is Verdict.REFUTED and _measures(page, truth, side.node):
            found = Finding(Verdict.UNDECIDED, NO_NUMBERS)
        if found.verdict is Verdict.REFUTED and _adds_losses(truth, side.node):
            found = Finding(Verdict.CONDITIONAL, ADDED)
    if found.verdict is Verdict.REFUTED and _counts_layers(page, truth, side.node):
        return Finding(Verdict.UNDECIDED, "L may be the number of layers here")
    if found.verdict in (Verdict.REFUTED, Verdict.FOLLOWS):
        possible = [each for each in instead if _may_be(page, each, side.node)]
        if possible:
            ways = " or from ".join(map(_shown_left, (truth, *possible)))
            reason = f"this may go on from {ways}; begin the line with its left side"
            return Finding(Verdict.UNDECIDED, reason)
    literal = plain_number(side.node)
    if literal is not None and found.verdict in (Verdict.PROVED, Verdict.CONDITIONAL):
        page.printed[truth] = side.node
    if weight := _stepping(page.anchor):
        page.stepped[weight] = side.node if literal is not None else _new_value(page, weight)
    if found.verdict is Verdict.REFUTED:
        page.refuted.append(Wrong(place, truth, side, page.previous, found))
    if found.verdict in (Verdict.REFUTED, Verdict.FOLLOWS):
        page.wrongs.insert(0, (truth, side.node, side.line))
    return found


def _adds_losses(truth: Node, node: Node) -> bool:
    """Whether a line says that the loss of all samples is the sum of theirs: E = Σ_n E_n."""
    match truth, node:
        case Element(letter), Sum(_, Element(body)):
            return letter == body == LOSS.letter
        case _:
            return False


def _counts_layers(page: _Page, truth: Node, node: Node) -> bool:
    """Whether L = 3 may say how many layers there are, those of the inputs counted or not."""
    literal, depth = plain_number(node), page.judge.scope.depth
    counted = literal is not None and literal.value in (depth, depth + 1)
    return bool(depth) and truth == LOSS and counted


def _measures(page: _Page, truth: Node, node: Node) -> bool:
    """Whether a side may hold a value that somebody worked out, -0.442, where the file has none.

    A decimal stands for quantities that are gone.  Where the left side is a formula, and each of
    its quantities stands on the right as often, none is gone.
    """
    if page.judge.file_numbers is not None or not any(map(_is_measured, walk(node))):
        return False
    names = [part for part in walk(truth) if isinstance(part, _NAMING)]
    is_formula = truth not in names and all(isinstance(part, Element) for part in names)
    left = Counter[Node](part for part in walk(node) if isinstance(part, Element))
    gone = Counter[Node](names) - left
    return not is_formula or bool(gone)


def _with_row_below(page: _Page, truth: Node, side: Side, joined: Joined) -> tuple[Side, str]:
    """A last side, alone or with the row below it, or why it is not clear which is meant."""
    alone = _may_be(page, truth, side.node)
    if joined.node is None:
        unread = "the row below could not be read, and may go on with this one"
        return side, "" if alone else unread
    together = _may_be(page, truth, joined.node)
    if alone and not together and joined.is_firm:
        return (
            side,
            "this is right without the row below, which may go on with it, and wrong with it",
        )
    is_meant = together if alone != together else joined.is_firm and not alone
    return (replace(side, node=joined.node) if is_meant else side), ""


def _may_be(page: _Page, truth: Node | None, node: Node) -> bool:
    """Whether a side is not certainly different from ``truth``, which None says is not known."""
    if truth is None:
        return True
    try:
        outcome = page.compare(truth, node)
        if outcome.relationship not in (Relationship.DIFFERENT, Relationship.MISSHAPEN):
            return True
        exact, printed = page.numbers(truth), page.numbers(node, COARSE)
    except NO_VALUE:
        return True
    return exact is not None and printed is not None and meets(exact, printed)


def _shown_left(node: Node | None) -> str:
    return "what could not be read" if node is None else echo(node)


def _holds_samples(node: Node) -> bool:
    """Whether a side names an array that in a batch has an entry a sample; W and b have none."""
    match node:
        case Array(letter):
            return letter not in ("W", "b")
        case OneHot() | Ones() | Matrix():
            return True
        case Derivative(of, Array() as by):
            return _holds_samples(of) or _holds_samples(by)
        case _:
            return any(map(_holds_samples, children(node)))


def _given(page: _Page, given: Sequence[Comparison], side: Side, found: Finding) -> Finding:
    """What a side that is right under conditions on quantities is worth.

    It is right where it holds without them, or where the left side itself has those cases of
    computed quantities (the slope of ReLU, if a_11 > 0), or where they give the target.  Else, and
    where they restrict inputs or weights, it is right only if they hold.
    """
    truth = page.anchor
    if not given or found.verdict is not Verdict.PROVED or truth is None:
        return found
    judge, assumptions = page.judge, page.assumptions
    needed = [
        each
        for each in given
        if each.relation != "=" or not isinstance(each.left, Element) or each.left.letter != "y"
    ]
    shown = " and ".join(echo(each) for each in needed or given)
    if not needed:
        return replace(found, reason="; ".join(filter(None, (f"for {shown}", found.reason))))
    cases = [each for each in needed if each.relation != "="]
    try:
        if cases and not judge.can_hold(cases, assumptions):
            reason = f"it says nothing, since this can never hold: {shown}"
            return Finding(Verdict.CONDITIONAL, reason)
        plain = _without(truth, needed), _without(side.node, needed)
        if judge.compare(*plain, assumptions).is_equal:
            return found
        kinks = (each in cases and _is_computed(judge, each) for each in needed)
        if all(kinks) and all(judge.is_kink(each, plain[0], assumptions) for each in needed):
            return found
    except NO_VALUE:
        pass  # then only what was proved is known: that it is right under the conditions
    return Finding(Verdict.CONDITIONAL, f"right only if {shown}")


def _is_computed(judge: Judge, condition: Comparison) -> bool:
    """Whether a condition speaks of quantities that the network computes, and of targets, only."""
    parts = [part for part in walk(condition) if isinstance(part, (Element, Array))]
    return all(part.letter in ("a", "h", "y", "yhat", *judge.scope.stages) for part in parts)


def _without(node: Node, given: Sequence[Comparison]) -> Node:
    """The side of a claim before its conditions were put into it by the reader."""
    for condition in reversed(given):  # the last one stands outermost
        factor = Indicator(condition)
        match node:
            case At(of, values) if (condition.left, condition.right) in values:
                node = of
            case Indicator() if node == factor:
                node = Number(Fraction(1))
            case Product((first, *rest)) if first == factor:
                node = rest[0] if len(rest) == 1 else replace(node, factors=tuple(rest))
    return node


def _as_symbols(page: _Page, truth: Node, side: Side) -> Finding:
    """A side that names quantities.

    Different from the truth is not yet wrong: first whatever else the page may mean is tried, and
    only numbers for which the sides certainly differ refute it.
    """
    judge, outcome = page.judge, page.compare(truth, side.node)
    if outcome.relationship is not Relationship.DIFFERENT:
        return _said(page, truth, side, outcome)
    if reason := _share(page, truth, side.node) or _unbound(page, truth, side.node):
        return Finding(Verdict.UNDECIDED, reason, outcome.at)
    if misfit := _misshapen(page, truth, side.node, outcome):
        return _misfit(page, truth, side, replace(outcome, reason=misfit))
    if followed := _follows(page, truth, side):
        return followed
    before = page.previous
    filled = before is not None and before != side.node and _is_filled_in(before, side.node)
    measured = names_decimals(side.node, page.definitions)
    if filled or measured or _has_decimals(side.node):
        exact, printed = page.numbers(truth), page.numbers(side.node, COARSE)
        if exact is not None and printed is not None and meets(exact, printed):
            return Finding(Verdict.CONDITIONAL, "right at the numbers of the file only")
        if measured and exact is None:
            reason = "a name in it is given as a number, and the network file gives none to compare"
            return Finding(Verdict.UNDECIDED, reason)
    if found := _for_some_numbers(page, truth, side):
        return found
    for name in page.unread:  # a function of the page's own, or its derivative
        if re.search(rf"(?<![^\W\d_]){re.escape(name)}\s*(?:['′]|\^\\prime|\()", page.source):
            return Finding(Verdict.UNDECIDED, f"what the page says {name} is could not be read")
    if page.doubtful and any(isinstance(part, Derivative) for part in walk(truth)):
        return Finding(Verdict.UNDECIDED, LOSS_UNREAD)
    if page.unused is not None:
        reason = f"this is not so in general, and what is supposed was not used: {page.unused[1]}"
        return Finding(Verdict.UNDECIDED, reason, outcome.at)
    if _measures(page, truth, side.node):
        return Finding(Verdict.UNDECIDED, NO_NUMBERS, outcome.at)
    if reason := _of_another_function(page, truth, side.node):
        return Finding(Verdict.UNDECIDED, reason, outcome.at)
    witness = judge.refutation(truth, side.node, outcome, page.assumptions)
    if witness is None:
        reason = "symback can neither prove this nor find numbers that refute it"
        return Finding(Verdict.UNDECIDED, reason, outcome.at)
    against = "the left side" if before is None else "what the chain begins with"
    return Finding(Verdict.REFUTED, f"not equal to {against}", outcome.at, witness)


LOSS_UNREAD = "this is not so for the loss of the file, and what the page's loss is was not read"


def _is_lemma(page: _Page, *nodes: Node) -> bool:
    """Whether sides are about a variable that stands for any number."""
    parts = with_definitions(nodes, [d for d in page.definitions if not d.is_function])
    return any(isinstance(part, Free) for part in parts)


def _of_another_function(page: _Page, truth: Node, node: Node) -> str:
    """Why a lemma that is false of the functions it was read with may be right of others.

    f may be any function; g the one that the page speaks of; and σ is whatever the layers have,
    where none has the sigmoid.
    """
    if not _is_lemma(page, truth, node):
        return ""
    if any(isinstance(part, (Element, Array)) for side in (truth, node) for part in walk(side)):
        return "one side is about a variable that is any number, the other about the network"
    called = {part.function for side in (truth, node) for part in walk(side)
              if isinstance(part, Call)}  # fmt: skip
    strange = sorted(called & {*GENERIC} - {"g"} - {d.name for d in page.definitions})
    if strange:
        return f"nothing says what function {strange[0]} is"
    scope = page.judge.scope
    if not scope.is_network:
        return ""

    def is_right_of(name: str, other: str) -> bool:
        def renamed(part: Node) -> Node:
            part = rebuilt(part, renamed)
            is_it = isinstance(part, Call) and part.function == name
            return replace(part, function=other) if is_it else part

        return page.compare(renamed(truth), renamed(node)).is_equal

    if "sigmoid" in called and "sigmoid" not in scope.activations and is_right_of("sigmoid", "g"):
        return "σ is the sigmoid, which no layer of this network has; of its activation this is so"
    for row in ACTIVATIONS.values() if "g" in called else ():
        spoken = any(re.search(rf"(?i){re.escape(word)}", page.words)
                     for word in (row.name, *row.words))  # fmt: skip
        if spoken and row.name not in scope.activations and is_right_of("g", row.name):
            return f"this is so of {row.title or row.name}, and g is not that in this network"
    return ""


def _said(page: _Page, truth: Node, side: Side, outcome: Outcome) -> Finding:
    """What any outcome but "different" means for a line."""
    match outcome.relationship:
        case Relationship.EQUAL:
            reason = _lucky(page) or outcome.reason
            if page.prove and page.judge.proves(truth, side.node, page.assumptions):
                reason = reason or WITHOUT_CHANCE
            return Finding(Verdict.PROVED, reason)
        case Relationship.WITH_FACT:
            by_fact = f"using Σy = 1: {outcome.reason}"
            return Finding(Verdict.PROVED, "; ".join(filter(None, (_lucky(page), by_fact))))
        case Relationship.ON_DOMAIN:
            shown = ", ".join(echo(condition) for condition in outcome.domain)
            reason = "right only where both sides have a value" + (f": {shown}" if shown else "")
            return Finding(Verdict.CONDITIONAL, reason)
        case Relationship.ONE_HOT:
            reason = "right only if y is one-hot, not for a general target"
            return Finding(Verdict.CONDITIONAL, reason)
        case Relationship.MISSHAPEN:
            return _misfit(page, truth, side, outcome)
        case _:
            return Finding(Verdict.UNDECIDED, outcome.reason)


def _lucky(page: _Page) -> str:
    """What is said of a true side that stands after a false one."""
    if not page.wrongs or page.wrongs[0][0] != page.anchor or page.previous != page.wrongs[0][1]:
        return ""
    return (
        f"true, but it does not follow from line {page.wrongs[0][2]}, which is wrong: "
        "a second error takes the first one back"
    )


def _follows(page: _Page, truth: Node, side: Side) -> Finding | None:
    """Whether the side agrees if the page's earlier false claims are taken for true."""
    if not page.wrongs:
        return None
    _, last, line = page.wrongs[0]
    mistaken = tuple((truth, wrong) for truth, wrong, _ in page.wrongs)
    starts = [truth] if page.previous != last else [truth, page.previous]
    if any(page.compare(start, side.node, overrides=mistaken).is_equal for start in starts):
        return Finding(Verdict.FOLLOWS, f"follows from the error in line {line}")
    return None


def _misfit(page: _Page, truth: Node, side: Side, outcome: Outcome) -> Finding:
    """What does not fit is wrong only by a mistake with a name: else it may have been misread."""
    if followed := _follows(page, truth, side):
        return followed
    if not page.strict and _is_turned_vector(page, truth, side.node, outcome):
        reason = "right but for its layout: one side is a row, the other a column"
        return Finding(Verdict.CONDITIONAL, reason)
    for layout in () if page.strict else layouts(truth, side.node):
        if page.compare(layout.left, layout.right).is_equal:
            return Finding(Verdict.CONDITIONAL, layout.sentence)
    if page.hasty:
        return Finding(Verdict.UNDECIDED, f"{MISFIT}: {outcome.reason}", outcome.at)
    named = mistakes_of(page.judge, truth, side.node, page.previous, page.assumptions)
    if not named:
        return Finding(Verdict.UNDECIDED, f"{MISFIT}: {outcome.reason}", outcome.at)
    reason = f"this is not possible: {outcome.reason}"
    return Finding(Verdict.REFUTED, reason, outcome.at, diagnosis=named)


def _share(page: _Page, truth: Node, node: Node) -> str:
    """Why a side may be right of a batch: it is the truth for one sample, times or by their number.

    (ŷ_1 - y_1) h_12/3 is what one of three samples gives to the gradient of their mean.  Of
    w - η ∂L/∂w it is the step that is scaled.
    """
    samples = page.judge.work.graph.samples
    if samples is None or not samples.is_Integer:
        return ""
    for factor in (Fraction(1, int(samples)), Fraction(int(samples))):
        match truth:
            case Total((start, Product(parts) as step)) if Element("eta") in parts:
                scaled: Node = Total((start, Product((Number(factor), step))))
            case _:
                scaled = Product((Number(factor), truth))
        if page.compare(scaled, node).is_equal:
            return f"this is {factor} of what it is for one sample; the batch has {samples}"
    return ""


def _unbound(page: _Page, truth: Node, node: Node) -> str:
    """Why an index letter of a side means nothing, where neither a sum nor the left side binds it.

    Such a side can be right for every number, but not wrong: it may stand for a sum, or for one.
    """
    known = {ELL, *free_letters(page.bare(truth))}
    loose = sorted({*free_letters(page.bare(node))} - known)
    return f"nothing says what {loose[0]} on the right side is" if loose else ""


def _is_turned_vector(page: _Page, truth: Node, node: Node, outcome: Outcome) -> bool:
    """Whether two sides are equal but for one being the row that the other is as a column."""
    try:
        at = {letter: number for letter, number in outcome.at if letter != ELL}
        first, second = (page.judge.shape(each, at, page.assumptions) for each in (truth, node))
    except (SymbackError, VanishingDenominator):
        return False
    if first == second or first != second[::-1] or 1 not in first:
        return False
    return page.compare(Transpose(truth), node).is_equal


def _misshapen(page: _Page, truth: Node, node: Node, outcome: Outcome) -> str:
    """Why a side cannot be what it should equal: an array of another shape, or a number for one."""
    at = dict(outcome.at)
    assumptions = replace(page.assumptions, true_class=at.pop(ELL, None))
    try:
        shapes = [page.judge.shape(each, at, assumptions) for each in (truth, node)]
    except (SymbackError, VanishingDenominator):
        return ""
    left, right = (
        "a number" if shape in ((), (1, 1)) else "a {}×{} array".format(*shape) for shape in shapes
    )
    return "" if left == right else f"{left} on the left and {right} on the right"


def _with_rate(node: Node, rate: Node) -> Node:
    """``node`` with a number for the learning rate."""
    if node == Element("eta"):
        return rate
    return rebuilt(node, lambda part: _with_rate(part, rate))


def _for_some_numbers(page: _Page, truth: Node, side: Side) -> Finding | None:
    """A side that is right for the target of the file (ŷ_2 - 1 for y_2 = 1), or for given numbers.

    A side that names targets, or derivatives, is meant for all targets: a path that is missing is
    often hidden by a 0 among them.
    """
    match truth:  # at a bar the other targets follow from Σy = 1
        case At(of, bar) if all(getattr(left, "letter", "") == "y" for left, _ in bar):
            known = {
                left: right
                for left, right in bar
                if isinstance(left, Element) and isinstance(right, Number)
            }
            pins = (*page.assumptions.pins, *bar, *page.completed(known).items())
            if page.compare(of, side.node, pins=pins).is_equal:
                return Finding(Verdict.PROVED)
    parts = list(walk(page.bare(side.node)))
    general = any(
        isinstance(p, Derivative) or getattr(p, "letter", "") in ("y", "delta") for p in parts
    )
    targets = () if general else page.judge.target_numbers
    for numbers, reason in (
        (targets, "right only for the target of the file, "),
        (tuple(page.given.items()), "right for the numbers that the page gives: "),
    ):
        if not numbers:
            continue
        shown = ", ".join(f"{echo(left)} = {echo(right)}" for left, right in numbers)
        rate = next((value for quantity, value in numbers if quantity == Element("eta")), None)
        pins = [pair for pair in numbers if pair[0] != Element("eta")]
        sides = truth, side.node
        if rate is not None:
            sides = _with_rate(truth, rate), _with_rate(side.node, rate)
        try:
            outcome = page.compare(*sides, pins=(*page.assumptions.pins, *pins))
        except NO_VALUE:
            return Finding(Verdict.UNDECIDED, f"nothing is known for {shown}")
        if outcome.is_equal or outcome.relationship is Relationship.ON_DOMAIN:
            return Finding(Verdict.CONDITIONAL, reason + shown)
        if outcome.relationship is Relationship.UNDECIDED:
            return Finding(Verdict.UNDECIDED, f"for {shown}: {outcome.reason}")
    return None


# ---------------------------------------------------------------------------------------- numbers


PINNED = ("x", "y", "w", "b", "a")
"""What can have any number; the others follow from it."""

GIVEN = (*PINNED, "h", "yhat")
"""What a page may give numbers for, as in y_1 = 1."""


def _names_quantities(node: Node) -> bool:
    """Whether a side names anything but numbers."""
    return any(isinstance(part, _NAMING) for part in walk(node))


_NAMING = (Element, Array, Derivative, Free, Named, Letter)


def _is_measured(node: Node) -> bool:
    """Whether a decimal number has so many digits that it has been calculated, as 0.442."""
    return (
        isinstance(node, Number)
        and node.decimals is not None
        and ROUNDED.ends(node.value, node.decimals) is not None
    )


def _has_decimals(node: Node) -> bool:
    return any(isinstance(part, Number) and part.decimals is not None for part in walk(node))


def _is_filled_in(before: Node, after: Node) -> bool:
    """Whether the nodes are the same but for numbers in the place of quantities."""
    if before == after:
        return True
    if isinstance(before, (Element, Derivative)):
        return not _names_quantities(after)
    first, second = list(children(before)), list(children(after))
    return (
        type(before) is type(after)
        and len(first) == len(second) > 0
        and all(map(_is_filled_in, first, second))
    )


def _taken(node: Node, relation: Relation) -> Printed:
    """A number alone is compared as printed; within a calculation, short ones are exact."""
    if plain_number(node) is None:
        return ROUNDED
    return ABOUT if relation is Relation.ABOUT else AS_PRINTED


def _is_nearly(exact: Bounds, node: Node, units: Fraction = Fraction(999, 1000)) -> bool:
    """Whether a single decimal number misses by less than so many ``units`` of its last place."""
    literal = plain_number(node)
    if literal is None or literal.decimals is None or isinstance(exact.value, Grid):
        return False
    return abs(exact.middle - literal.value) < units / 10**literal.decimals


def _is_short(node: Node) -> bool:
    """Whether a number has one significant digit, of which one more or less is much."""
    literal = plain_number(node)
    return literal is not None and abs(literal.value) * 10 ** (literal.decimals or 0) < 10


def _as_numbers(page: _Page, truth: Node, side: Side, relation: Relation) -> Finding:
    """A side of numbers: exactly true, or true at the numbers of the file as far as printed."""
    judge, outcome = page.judge, page.compare(truth, side.node)
    if outcome.is_equal or outcome.relationship is Relationship.ON_DOMAIN:
        return _said(page, truth, side, outcome)
    if _is_lemma(page, truth):
        return Finding(Verdict.UNDECIDED, "if this is so, then for some numbers only")
    if page.previous is None and not _names_quantities(truth):
        return _calculated(page, truth, side, relation)
    exact, taken = judge.numbers(truth, {}, page.assumptions), _taken(side.node, relation)
    printed = judge.numbers(side.node, {}, page.assumptions, taken)
    if exact is None or printed is None:
        return _without_numbers(page, truth, side, outcome, relation)
    if (misfit := _unlike(exact, printed)) and not _follows(page, truth, side):
        return Finding(Verdict.UNDECIDED, f"{MISFIT}: {misfit}")
    given = values(truth, side.node, judge.scope)
    if given and meets(exact, printed):
        page.give(given)
    is_exact = not (exact.is_rounded or printed.is_rounded)
    if is_exact and judge.same_at_numbers(truth, side.node, page.assumptions):
        return Finding(Verdict.PROVED, "at the numbers of the file")
    if meets(exact, printed):
        return Finding(Verdict.PROVED, "at the numbers of the file, as far as printed")
    if found := _as_step(page, truth, side, printed):
        return found
    is_error = isinstance(truth, (Element, Array)) and truth.letter == "delta"
    if is_error and not page.strict and meets(exact.times(Fraction(-1)), printed):
        return Finding(Verdict.CONDITIONAL, "right if δ is the opposite of ∂L/∂a")
    if (
        relation is Relation.ABOUT
        and not _is_short(side.node)
        and _is_nearly(exact, side.node, NEAR)
    ):
        return Finding(Verdict.CONDITIONAL, f"one off in the last place: {exact}")
    return _number_is_off(page, truth, side, exact, printed)


def _unlike(exact: Bounds, printed: Bounds) -> str:
    """Why numbers cannot be compared: a number for an array, or arrays of two shapes."""
    shapes = [each.value.shape if isinstance(each.value, Grid) else (1, 1)
              for each in (exact, printed)]  # fmt: skip
    left, right = (
        "a number" if shape == (1, 1) else "a {}×{} array".format(*shape) for shape in shapes
    )
    return "" if left == right else f"{left} on the left and {right} on the right"


SUPPOSED = "a value that the page gives; what stands below is judged with it"

NEAR = Fraction(3, 2)
"""How many units of its last place a number that is "about" another may be away."""


def _as_step(page: _Page, truth: Node, side: Side, printed: Bounds) -> Finding | None:
    """w = 0.4 - 0.5·0.0822: a new value that goes by the letter of the weight.

    What looks like a step is judged as one; None where the numbers do not say that it is right.
    """
    letters = ("w", "b", *page.judge.scope.leaves)
    if not isinstance(truth, Element) or truth.letter not in letters:
        return None
    step = _meant(truth, Relation.BECOMES)
    exact = page.numbers(step)
    if exact is not None and meets(exact, printed):
        page.anchor = step
        return Finding(
            Verdict.PROVED, "the new value at the numbers of the file, as far as printed"
        )
    if exact is not None and (found := _from_numbers_of_page(page, step, exact, printed)):
        page.anchor = step
        return found
    rates = _rates(page, truth, side.node)
    for rate in rates:
        own = page.numbers(replaced(step, Element("eta"), rate))
        if own is not None and meets(own, printed):
            page.anchor = step if exact is not None else page.anchor
            reason = f"the new value for a learning rate of {echo(rate)}, not that of the file"
            return Finding(Verdict.CONDITIONAL, reason)
    if not rates or exact is None:
        return None
    page.anchor = step
    own_rate = page.numbers(Element("eta"))
    known = [each for each in rates if own_rate is not None and own_rate.holds(float(each.value))]
    old = [each for each in walk(next(children(side.node))) if isinstance(each, Number)]
    plain = {each.value: each.value for each in (*old, *known[:1])}
    return _number_is_off(
        page, step, replace(side, node=_with_numbers(side.node, plain)), exact, printed
    )


def _stepping(node: Node | None) -> Node | None:
    """w, where a chain says what w - η ∂L/∂w is."""
    match node:
        case Total((Element() | Array() as weight, Product((_, rate, Derivative(_, by))))):
            return weight if by == weight and rate == Element("eta") else None
    return None


def _new_value(page: _Page, weight: Node) -> Node:
    """A weight behind a step, as numbers where the file has them."""
    if weight in page.stepped:
        return page.stepped[weight]
    found = page.numbers(_meant(weight, Relation.BECOMES))
    if found is None:
        return weight
    if not isinstance(found.value, Grid):
        return Number(found.middle.limit_denominator(10**30))
    rows = found.value.rows
    return Matrix(
        tuple(tuple(Number(middle(e).limit_denominator(10**30)) for e in row) for row in rows)
    )


def _rates(page: _Page, weight: Node, node: Node) -> list[Number]:
    """The two factors, one of which is the rate, in the old value ± rate · gradient."""
    match node:
        case Total((old, Product() as move)) if plain_number(old) is not None:
            value, taken = page.numbers(weight), page.numbers(old, AS_PRINTED)
            factors = [part for part in walk(move) if isinstance(part, Number)]
            factors = [part for part in factors if part != MINUS_ONE]
            if value is not None and taken is not None and meets(value, taken):
                return factors if len(factors) == 2 else []
    return []


def _without_numbers(
    page: _Page, truth: Node, side: Side, outcome: Outcome, relation: Relation
) -> Finding:
    """No numbers in the file: only the arithmetic of two sides of numbers can be looked at."""
    judge = page.judge
    if page.previous is not None and not _names_quantities(page.previous):
        return _calculated(page, page.previous, side, relation)
    given = truth.of if isinstance(truth, Transpose) else truth
    if isinstance(given, (Element, Array)) and given.letter.lower() in (*GIVEN, "eta"):
        if page.give(values(truth, side.node, judge.scope)):
            return Finding(Verdict.TEXT, SUPPOSED)
        if isinstance(given, Array):
            page.unused = (side.line, side.source)
        elif given.letter in PINNED and plain_number(side.node) is not None:
            page.given[given] = side.node
        return Finding(Verdict.UNDECIDED, "a number that the network file does not give")
    if outcome.relationship is Relationship.DIFFERENT and not _has_decimals(side.node):
        return _as_symbols(page, truth, side)
    if outcome.relationship is Relationship.UNDECIDED:
        return Finding(Verdict.UNDECIDED, outcome.reason)
    return Finding(Verdict.UNDECIDED, NO_NUMBERS)


def _calculated(page: _Page, before: Node, side: Side, relation: Relation) -> Finding:
    """Whether a number follows from the numbers before it, whatever the network."""
    judge, taken = page.judge, _taken(side.node, relation)
    value, printed = judge.bounds(before), judge.bounds(side.node, taken)
    if value is None or printed is None:
        return Finding(Verdict.UNDECIDED, "one of the two has no value, or none that symback knows")
    is_exact = not (value.is_rounded or printed.is_rounded)
    if is_exact and judge.compare(before, side.node).is_equal:
        return Finding(Verdict.PROVED, "as arithmetic")
    if meets(value, printed):
        return Finding(Verdict.PROVED, "as arithmetic, as far as printed")
    reach = judge.bounds(before, ROUNDED)
    if reach is not None and meets(reach, printed) and _is_nearly(value, side.node):
        reason = f"right only if its numbers are rounded ones; as they stand they give {value}"
        return Finding(Verdict.CONDITIONAL, reason)
    return _arithmetic(value)


def _arithmetic(value: Bounds | None, witness: Witness | None = None) -> Finding:
    detail = "the number does not follow from the line's own numbers"
    reason = detail if value is None else f"{detail}; they give {value}"
    named = (Diagnosis(ARITHMETIC.name, detail),)
    return Finding(Verdict.REFUTED, reason, witness=witness, diagnosis=named)


def _number_is_off(page: _Page, truth: Node, side: Side, exact: Bounds, printed: Bounds) -> Finding:
    """A number that is not the truth: rounded before, following from an error, or wrong."""
    judge, before, shown = page.judge, page.previous, str(exact)
    if is_array(truth) and not is_array(side.node) and len(entries(exact.value)) > 1:
        return Finding(Verdict.UNDECIDED, WHOLE_LAYER)
    literal = plain_number(side.node)
    carried = None
    if before is not None and not isinstance(side.node, At):
        carried = _carried(page, before, exact, printed)
    if carried is not None and carried.verdict is not Verdict.FOLLOWS:
        return carried
    if found := _from_numbers_of_page(page, truth, exact, printed):
        return found
    if found := _behind_step(page, truth, side, printed):
        return found
    page.slips += _slips(side, exact)  # they may be used again
    if carried is not None:
        return carried
    detail = f"at the numbers of the file it is {shown}"
    if literal is None:
        if found := _from_rounded_or_wrong(page, side, exact):
            return found
        witness = Witness({}, shown, str(judge.bounds(side.node) or exact))
        named = _in_numbers(page, truth, side, exact)
        return Finding(Verdict.REFUTED, detail, witness=witness, diagnosis=named)
    witness = Witness({}, shown, str(judge.bounds(side.node) or printed))
    calculated = before is not None and not _names_quantities(before)
    value = judge.bounds(before) if before is not None and calculated else None
    if _is_nearly(value or exact, side.node):
        detail = f"not correctly rounded: {shown}"
        if not _is_short(side.node):
            return Finding(Verdict.CONDITIONAL, detail)
        named = (Diagnosis(ROUNDING.name, detail, shown),)
    elif calculated and value is not None and meets(value, printed):
        reason = f"this follows from the numbers before it; at those of the file it is {shown}"
        return Finding(Verdict.UNDECIDED, reason)
    elif calculated:
        return _arithmetic(value, witness)
    else:
        named = _in_numbers(page, truth, side, exact) or (
            Diagnosis(ARITHMETIC.name, detail, shown),
        )
    return Finding(Verdict.REFUTED, detail, witness=witness, diagnosis=named)


def _carried(page: _Page, before: Node, exact: Bounds, printed: Bounds) -> Finding | None:
    """A number that follows from the rounded, or the wrong, numbers before it."""
    value = page.numbers(before)
    if value is None or not meets(value, printed):
        return None
    wrong = next((line for _, side, line in page.wrongs if side == before), None)
    if wrong is not None:
        return Finding(Verdict.FOLLOWS, f"follows from the error in line {wrong}")
    return _from_rounded(exact, page.numbers(before, page.coarse))


MOST_CARRIED = Fraction(1, 100)
"""How far off, of its size, a number may be that comes from rounded ones further up."""


def _known_mistakes(page: _Page, truth: Node, side: Side, reach: Bounds) -> tuple[Diagnosis, ...]:
    """The mistakes of the table that give this number at the numbers of the file.

    Of two digits or fewer too many fit by chance.
    """
    literal = plain_number(side.node)
    if literal is not None and abs(literal.value) * 10 ** (literal.decimals or 0) < 100:
        return ()
    from symback.checking.diagnosis import diagnose_number  # as in `_mistakes`

    try:
        return diagnose_number(page.judge, truth, reach, page.assumptions)
    except (SymbackError, ArithmeticError, RecursionError):
        return ()


def _slips(side: Side, exact: Bounds) -> list[tuple[Fraction, Fraction, int]]:
    """The wrong numbers of a side, alone or in an array, and what they should be."""
    entered = side.node.rows if isinstance(side.node, Matrix) else ((side.node,),)
    literals = [plain_number(each) for row in entered for each in row]
    right = [middle(entry).limit_denominator(10**30) for entry in entries(exact.value)]
    if None in literals or len(literals) != len(right):
        return []
    pairs = zip(filter(None, literals), right, strict=True)
    return [(abs(literal.value), abs(number), side.line) for literal, number in pairs]


def _behind_step(page: _Page, truth: Node, side: Side, printed: Bounds) -> Finding | None:
    """A number that is right with the new values of weights that were changed further up."""
    if not page.stepped or _stepping(page.anchor) is not None:
        return None
    known = {**page.stepped, **page.renewed}
    known.pop(truth, None)
    value = page.numbers(truth, overrides=tuple(map(_laid_out, known.items())))
    near = value is not None and (meets(value, printed) or _is_nearly(value, side.node))
    if not near:
        return None
    page.renewed[truth] = side.node
    shown = ", ".join(map(echo, page.stepped))
    return Finding(Verdict.CONDITIONAL, f"right with the new values of {shown}")


def _laid_out(pair: tuple[Node, Node]) -> tuple[Node, Node]:
    """A quantity and its value, both as columns where the page writes rows."""
    node, value = pair
    return (node.of, Transpose(value)) if isinstance(node, Transpose) else pair


def _from_numbers_of_page(
    page: _Page, truth: Node, exact: Bounds, printed: Bounds
) -> Finding | None:
    """A number that follows from those that the page has found for other quantities."""
    known = tuple((node, value) for node, value in page.printed.items() if node != truth)
    is_near = abs(exact.middle - printed.middle) <= MOST_CARRIED * abs(exact.middle)
    known = () if isinstance(exact.value, Grid) else known
    for taken in ((EXACT, AS_PRINTED) if is_near else (EXACT,)) if known else ():
        reach = page.numbers(truth, taken, overrides=known)
        if reach is not None and meets(reach, printed):
            return _rounded_before(exact)
    wrong = [(n, v) for n, v, _ in page.wrongs if plain_number(v) or isinstance(v, Matrix)]
    if wrong and truth not in dict(wrong):
        reach = page.numbers(truth, AS_PRINTED, overrides=tuple(map(_laid_out, (*wrong, *known))))
        if reach is not None and meets(reach, printed):
            return Finding(Verdict.FOLLOWS, f"follows from the error in line {page.wrongs[0][2]}")
    return None


def _from_rounded(exact: Bounds, reach: Bounds | None) -> Finding | None:
    """A result that rounded numbers allow, where ``reach`` is what they may stand for."""
    return None if reach is None or not meets(reach, exact) else _rounded_before(exact)


def _rounded_before(exact: Bounds) -> Finding:
    """What is said of a result of rounded numbers."""
    named = Diagnosis(ROUNDING.name, "rounded numbers were carried along", str(exact))
    reason = f"right from the rounded numbers before it; unrounded it is {exact}"
    return Finding(Verdict.CONDITIONAL, reason, diagnosis=(named,))


def _from_rounded_or_wrong(page: _Page, side: Side, exact: Bounds) -> Finding | None:
    """Numbers put for quantities: too much rounded ones, or wrong ones of an earlier line."""
    mended = _with_numbers(side.node, {value: right for value, right, _ in page.slips})
    if mended != side.node:
        reach = page.numbers(mended, page.coarse)
        if reach is not None and meets(exact, reach):
            used = {part.value for part in walk(side.node) if isinstance(part, Number)}
            line = next(line for value, _, line in page.slips if value in used)
            return Finding(Verdict.FOLLOWS, f"follows from the error in line {line}")
    return _from_rounded(exact, page.numbers(side.node, page.coarse))


def _with_numbers(node: Node, values: Mapping[Fraction, Fraction]) -> Node:
    """A node with other numbers for some."""
    if isinstance(node, Number):
        return Number(values[node.value]) if node.value in values else node
    return rebuilt(node, lambda part: _with_numbers(part, values))


def _in_numbers(page: _Page, truth: Node, side: Side, exact: Bounds) -> tuple[Diagnosis, ...]:
    """The mistakes that numbers alone betray: a sign, a step uphill, a factor of two."""
    reach = page.numbers(side.node, _taken(side.node, Relation.EQUAL))
    if reach is None or isinstance(exact.value, Grid) or isinstance(reach.value, Grid):
        return ()
    shown = str(exact)
    match truth:  # the step of `_meant` with the gradient added
        case Total((start, Product((sign, *rest)))) if sign == MINUS_ONE and Element("eta") in rest:
            other = page.numbers(Total((start, Product(tuple(rest)))))
            found = other is not None and meets(other, reach)
            detail = "the step goes uphill: the gradient is added"
            if found:
                return (Diagnosis(DESCENT.name, detail, shown),)
            return _known_mistakes(page, truth, side, reach)
    plain = tuple(
        Diagnosis(mistake.name, detail, shown)
        for factor, mistake, detail in (
            (Fraction(-1), SIGN, "the negative of the right number"),
            (Fraction(2), CONSTANT, "2 times the right number"),
            (Fraction(1, 2), CONSTANT, "1/2 times the right number"),
        )
        if meets(exact.times(factor), reach)
    )
    return plain[:1] or _known_mistakes(page, truth, side, reach)


def mistakes_of(
    judge: Judge, truth: Node, wrong: Node, previous: Node | None, assumptions: Assumptions
) -> tuple[Diagnosis, ...]:
    """The mistakes of a side by name; none where it is too strange to be explained."""
    from symback.checking.diagnosis import diagnose  # a tenth of a second that right pages save

    try:
        return diagnose(judge, truth, wrong, previous, assumptions)
    except (SymbackError, ArithmeticError, RecursionError):
        return ()
