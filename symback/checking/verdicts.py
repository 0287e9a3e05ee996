"""A page line by line: what is proved, what is wrong first, and what merely follows from it.

`judged` takes what the reader made of a page and a `Judge`, and gives one `LineReport` an item.

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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from symback.checking.claims import bare, reaches, says_nothing
from symback.checking.echo import echo
from symback.checking.evaluation import Assumptions
from symback.checking.exact import (
    AS_PRINTED,
    COARSE,
    EXACT,
    ROUNDED,
    Bounds,
    Judge,
    Outcome,
    Relationship,
    meets,
)
from symback.checking.meaning import (
    Claim,
    Definition,
    Document,
    Item,
    Prose,
    Relation,
    Side,
    Unread,
)
from symback.checking.names import in_order
from symback.checking.report import Diagnosis, LineReport, Verdict, Witness
from symback.engine.arithmetics import Grid, Misshapen, Undecided, VanishingDenominator
from symback.language.budget import Spent, allow
from symback.language.errors import SymbackError, printable
from symback.language.expressions import (
    ELL,
    LOSS,
    Array,
    At,
    Comparison,
    Derivative,
    Element,
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
    Total,
    children,
    free_letters,
    rebuilt,
    walk,
)
from symback.language.names import Reference

__all__ = [
    "WITHOUT_CHANCE",
    "Finding",
    "Judgement",
    "Wrong",
    "judged",
    "largest_index",
    "mistakes_in",
    "overall",
]

JUDGED, REACHED = 0.7, 0.75
"""The shares of the page's budget that are used up at most when its claims are judged, and when it
is known what they reach."""


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


@dataclass(slots=True)
class _Page:
    """What has been read so far."""

    judge: Judge
    wrt: Node | None
    definitions: tuple[Definition, ...]
    prove: bool
    again: frozenset[int] = frozenset()
    """The places of the items that give a name its second meaning."""
    losses: frozenset[str] = frozenset()
    """Names of the page's own that it differentiates as its loss."""
    agreed: frozenset[str] = frozenset()
    """Those that have turned out to be the network's loss."""
    anchor: Node | None = None
    previous: Node | None = None
    orphaned: bool = False
    """Whether what a line "= …" would go on from could not be read."""
    wrongs: list[tuple[Node, Node, int]] = field(default_factory=list)
    """False claims, the latest first: truth, side, line."""
    slips: list[tuple[Fraction, Fraction, int]] = field(default_factory=list)
    """Wrong numbers, what they should be, and their lines."""
    refuted: list[Wrong] = field(default_factory=list)
    claims: list[tuple[Node, Node]] = field(default_factory=list)
    right: list[tuple[Node, Node]] = field(default_factory=list)
    """The claims that hold."""
    given: dict[Node, Node] = field(default_factory=dict)
    """Numbers that the page gives to quantities and the file does not: y_1 = 1."""
    unread: list[str] = field(default_factory=list)
    """Functions of the page's own whose definitions were not understood."""
    unused: tuple[int, str] | None = None
    """The last line of a stretch that stands under something supposed which was not understood."""

    @property
    def assumptions(self) -> Assumptions:
        return Assumptions(definitions=self.definitions)

    @property
    def mistaken(self) -> Assumptions:
        """As if the page's false claims were true."""
        return replace(
            self.assumptions, overrides=tuple((truth, side) for truth, side, _ in self.wrongs)
        )


_MINUS = Number(Fraction(-1))

WITHOUT_CHANCE = "proved without chance"
"""Said of a line for which a deterministic proof was asked for and found."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One report an item, the refuted sides in order, and every pair of sides that was compared."""

    lines: tuple[LineReport, ...]
    refuted: tuple[Wrong, ...]
    claims: tuple[tuple[Node, Node], ...]
    assumptions: Assumptions
    reaches: bool
    """Whether a claim that holds says what the derivative asked for is, or any where none was."""


def judged(
    document: Document, judge: Judge, wrt: Reference | None = None, *, prove: bool = False
) -> Judgement:
    """What is said of a page, line by line."""
    allow(JUDGED)
    about = None if wrt is None else _derivative(judge, wrt)
    read = in_order(document.items)
    page = _Page(judge, about, read.definitions, prove, read.again, _losses(judge, read.items))
    lines = tuple(_lines(page, read.items))
    allow(REACHED)
    reached = reaches(page.right, about, page.definitions)
    return Judgement(lines, tuple(page.refuted), tuple(page.claims), page.assumptions, reached)


def _lines(page: _Page, items: Sequence[object]) -> Iterator[LineReport]:
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
            yield LineReport(item.line, item.column, item.source, item.read_as, Verdict.UNDECIDED,
                             f"not judged{rest}: {spent}")  # fmt: skip


def _given_behind(items: Sequence[object], place: int) -> dict[Node, Node]:
    """Numbers given behind a claim in its own line, as in … = 1/4 at a_11 = 0."""
    found: dict[Node, Node] = {}
    item = items[place]
    for later in items[place + 1 :]:
        if not (isinstance(item, Claim) and isinstance(later, Claim) and later.line == item.line):
            break
        match [side.node for side in later.sides]:
            case [Element(letter) as left, right] if letter in PINNED and _literal(right):
                found[left] = right
    return found


def overall(lines: Sequence[LineReport]) -> Verdict:
    """The verdict of a page: the worst of its lines."""
    found = {line.verdict for line in lines}
    order = (Verdict.REFUTED, Verdict.UNREAD, Verdict.UNDECIDED, Verdict.CONDITIONAL)
    worst = next((verdict for verdict in order if verdict in found), None)
    if worst is not None:
        return worst
    return Verdict.PROVED if Verdict.PROVED in found else Verdict.NO_CLAIM


def largest_index(document: Document) -> int:
    """The largest number that stands as an index on the page."""
    nodes = [side.node for item in document.items if isinstance(item, Claim) for side in item.sides]
    nodes += [item.node for item in document.items if isinstance(item, Definition)]
    found = [
        index.offset
        for node in nodes
        for part in walk(node)
        for index in getattr(part, "indices", ())
        if index.is_number
    ]
    return max(found, default=0)


def _derivative(judge: Judge, wrt: Reference) -> Node:
    """∂L/∂wrt as a node."""
    variable = wrt.variable
    target = judge.graph.target
    of = LOSS if judge.scope.is_network else Element(target.name)
    layer = () if not judge.scope.is_network or variable.layer is None else (variable.layer,)
    letter = variable.letter
    head = () if letter in ("yhat", "L") else layer
    return Derivative(of, Element(letter, tuple(Index("", k) for k in (*head, *wrt.indices))))


# -------------------------------------------------------------------------------------- one line


def _line(page: _Page, item: object, place: int) -> LineReport:
    _suppose(page, item)
    match item:
        case Unread():
            page.orphaned |= item.begins
            reason = item.reason + (f"; {item.suggestion}" if item.suggestion else "")
            return LineReport(item.line, item.column, item.source, "", Verdict.UNREAD, reason)
        case Prose():
            return LineReport(item.line, item.column, item.source, "", Verdict.TEXT)
        case Definition() if item.name in page.losses:
            return _loss_defined(page, item, place)
        case Definition():
            page.anchor, page.previous, page.orphaned = item.node, item.node, False
            reason = ANOTHER_MEANING if place in page.again else A_NAME
            return LineReport(
                item.line, item.column, item.source, item.read_as, Verdict.TEXT, reason
            )
        case Claim():
            return _claim(page, item, place)
        case _:
            raise TypeError(f"no way to judge {type(item).__name__}")


_SUPPOSING = re.compile(
    r"\b(?:assum|suppos|given|provided|if|when|where|since|let|set|at|target|ignor)", re.I
)
_FUNCTION = re.compile(r"(\\?[^\W\d_]+)\s*\(\s*\\?[^\W\d_]\s*\)\s*:?=")
_COMPARED = re.compile(r"[=<>≤≥≠]|\\(?:leq?|geq?|neq?)\b")


def _calls(source: str, name: str) -> bool:
    """Whether a function, or its derivative, stands in a line."""
    return re.search(rf"(?<![^\W\d_]){re.escape(name)}\s*(?:'|\^\\prime|\()", source) is not None


def _suppose(page: _Page, item: object) -> None:
    """Remember what is supposed in words that were not understood, for the lines next to it."""
    if page.unused is not None and isinstance(item, (Claim, Unread, Prose)):
        last, said = page.unused
        page.unused = (item.line, said) if item.line <= last + 1 else None
    if not isinstance(item, (Unread, Prose)):
        return
    if isinstance(item, Unread) and (defined := _FUNCTION.search(item.source)):
        page.unread.append(defined[1])
    refused = isinstance(item, Unread) and "suppos" in item.reason
    if (refused or _SUPPOSING.search(item.source)) and _COMPARED.search(item.source):
        page.unused = (item.line, printable(item.source, 80))


def _claim(page: _Page, claim: Claim, place: int) -> LineReport:
    sides = [replace(side, node=_with_loss(page, side.node)) for side in claim.sides]
    starts = not claim.continues and bool(claim.relations)
    if starts:
        first = sides.pop(0).node
        first = bare(first, page.definitions) if isinstance(first, Named) else first
        page.anchor, page.previous = _meant(first, claim.relations[0]), None
    elif claim.continues and page.orphaned:
        return _as_it_is(claim, Verdict.UNDECIDED, ORPHANED)
    elif page.anchor is None or (not claim.continues and page.wrt is not None):
        page.anchor, page.previous = page.wrt, None
    elif not claim.continues:
        return _as_it_is(claim, Verdict.UNDECIDED, NO_LEFT_SIDE)
    page.orphaned = False
    if claim.unknown:
        return _as_it_is(claim, Verdict.UNDECIDED, claim.unknown)
    relations = claim.relations or (Relation.EQUAL,)
    findings, judged_sides = [], []
    for side, relation in zip(sides, relations, strict=True):
        if not _is_vacuous(page, side, relation):
            finding = _given(page, claim.given, side, _side(page, side, relation, place))
            findings.append(finding)
            judged_sides.append(side)
            in_general = finding.verdict is Verdict.CONDITIONAL and not claim.given
            if page.anchor is not None and (finding.verdict is Verdict.PROVED or in_general):
                page.right.append((page.anchor, side.node))
        page.previous = side.node
    if not findings:
        return _as_it_is(claim, Verdict.TEXT, SAYS_NOTHING)
    return _reported(claim, judged_sides, findings)


def _as_it_is(claim: Claim, verdict: Verdict, reason: str) -> LineReport:
    """A line that is not compared with anything."""
    return LineReport(claim.line, claim.column, claim.source, claim.read_as, verdict, reason)


def _is_vacuous(page: _Page, side: Side, relation: Relation) -> bool:
    """Whether a side is what it is said to equal, word for word; a step of w ← … is a claim."""
    if page.anchor is None or relation is Relation.BECOMES:
        return False
    return says_nothing(page.anchor, side.node, page.definitions)


A_NAME = "a name that the page gives to an expression"
SAYS_NOTHING = "both sides are the same: no claim"
ANOTHER_MEANING = "the name has had another meaning so far; from here on it means this"
ORPHANED = "what this goes on from could not be read; begin the line with its left side"
NO_LEFT_SIDE = "nothing says what this should equal; begin the line with ∂L/∂w… =, or give --wrt"


def _meant(node: Node, relation: Relation) -> Node:
    """What the right sides should equal: for w ← … the step of gradient descent."""
    if relation is not Relation.BECOMES or not isinstance(node, (Element, Array)):
        return node
    step = Product((Number(Fraction(-1)), Element("eta"), Derivative(LOSS, node)))
    return Total((node, step))


def _reported(claim: Claim, sides: Sequence[Side], findings: Sequence[Finding]) -> LineReport:
    """A line is as bad as its worst side; the first of those is the one reported."""
    order = (
        Verdict.REFUTED,
        Verdict.FOLLOWS,
        Verdict.UNDECIDED,
        Verdict.CONDITIONAL,
        Verdict.PROVED,
    )
    worst = next(verdict for verdict in order if any(f.verdict is verdict for f in findings))
    place = next(k for k, finding in enumerate(findings) if finding.verdict is worst)
    finding, side = findings[place], sides[place]
    reasons = [finding.reason]
    if worst is not Verdict.PROVED and len(sides) > 1:
        reasons.insert(0, f"side {place + 1 + (not claim.continues)} of the line")
    if worst is Verdict.PROVED:
        reasons = list(dict.fromkeys(f.reason for f in findings if f.reason))
    wrong = worst is Verdict.REFUTED
    return LineReport(
        side.line if wrong else claim.line,
        side.column if wrong else claim.column,
        claim.source,
        claim.read_as,
        worst,
        ": ".join(part for part in reasons if part) if wrong else "; ".join(filter(None, reasons)),
        finding.diagnosis,
        finding.witness,
    )


# ------------------------------------------------------------------------- a loss of the page's own


LOSS_LETTERS = ("J", "C", "E")


def _losses(judge: Judge, items: Sequence[Item]) -> frozenset[str]:
    """The letters for a loss that the page defines itself and differentiates."""
    if not judge.scope.is_network:
        return frozenset()
    claimed = (side.node for item in items if isinstance(item, Claim) for side in item.sides)
    return frozenset(
        part.of.name
        for node in claimed
        for part in walk(node)
        if isinstance(part, Derivative) and isinstance(part.of, Named)
        if part.of.name in LOSS_LETTERS and not part.of.indices
    )


def _loss_defined(page: _Page, item: Definition, place: int) -> LineReport:
    """E = …, where E is differentiated: compared with the network's loss, which E is if they agree.

    Where they do not, that is said here, and E goes on to mean what the page says it is.
    """
    at = item.source, item.line, item.column
    sides = Side(LOSS, *at), Side(item.node, *at)
    claim = Claim(item.line, item.column, item.source, sides, (Relation.EQUAL,),
                  read_as=item.read_as.replace(" := ", " = ", 1))  # fmt: skip
    report = _claim(page, claim, place)
    if report.verdict in (Verdict.PROVED, Verdict.CONDITIONAL):
        page.agreed |= {item.name}
    return report


def _with_loss(page: _Page, node: Node) -> Node:
    """``node`` with the network's loss for the names that have turned out to be it."""
    if isinstance(node, Named) and node.name in page.agreed and not node.indices:
        return LOSS
    return rebuilt(node, lambda part: _with_loss(page, part)) if page.agreed else node


# -------------------------------------------------------------------------------------- one side


def _side(page: _Page, side: Side, relation: Relation, place: int) -> Finding:
    truth = page.anchor
    if truth is None:
        return Finding(Verdict.UNDECIDED, NO_LEFT_SIDE)
    whole = (bare(node, page.definitions) for node in (truth, side.node))
    if page.judge.scope.is_batch and any(map(_holds_samples, whole)):
        return Finding(Verdict.UNDECIDED, WHOLE_BATCH)
    page.claims.append((truth, side.node))
    if _is_numeric(side.node) or relation is Relation.ABOUT:
        found = _as_numbers(page, truth, side)
    else:
        found = _as_symbols(page, truth, side)
    if found.verdict is Verdict.REFUTED:
        page.refuted.append(Wrong(place, truth, side, page.previous, found))
    if found.verdict in (Verdict.REFUTED, Verdict.FOLLOWS):
        page.wrongs.insert(0, (truth, side.node, side.line))
    return found


WHOLE_BATCH = (
    "the network file gives a batch, and an array may hold one sample of it or all; write the line "
    "for single neurons, or check it with a file that gives one sample"
)


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


def _share(page: _Page, truth: Node, node: Node) -> str:
    """Why a side may be right of a batch: it is the truth for one sample, times or by their number.

    (ŷ_1 - y_1) h_12/3 is what one of three samples gives to the gradient of their mean.
    """
    samples = page.judge.work.graph.samples
    if samples is None or not samples.is_Integer:
        return ""
    for factor in (Fraction(1, int(samples)), Fraction(int(samples))):
        if page.judge.compare(_scaled(truth, factor), node, page.assumptions).is_equal:
            return f"this is {factor} of what it is for one sample; the batch has {samples}"
    return ""


def _scaled(truth: Node, factor: Fraction) -> Node:
    """A factor times what a side should equal; of w - η ∂L/∂w the step."""
    match truth:
        case Total((start, Product(parts) as step)) if Element("eta") in parts:
            return Total((start, Product((Number(factor), step))))
        case _:
            return Product((Number(factor), truth))


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
    needed = [each for each in given if not _is_of_target(each)]
    if not needed:
        targets = " and ".join(echo(each, judge.scope) for each in given)
        return replace(found, reason="; ".join(filter(None, (f"for {targets}", found.reason))))
    shown = " and ".join(echo(each, judge.scope) for each in needed)
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
    except (Undecided, Misshapen, VanishingDenominator):
        pass  # then only what was proved is known: that it is right under the conditions
    return Finding(Verdict.CONDITIONAL, f"right only if {shown}")


def _is_of_target(condition: Comparison) -> bool:
    left = condition.left
    return condition.relation == "=" and isinstance(left, Element) and left.letter == "y"


def _is_computed(judge: Judge, condition: Comparison) -> bool:
    """Whether a condition speaks of quantities that the network computes, and of targets, only."""
    parts = [part for part in walk(condition) if isinstance(part, (Element, Array))]
    return all(part.letter in ("a", "h", "y", "yhat", *judge.scope.stages) for part in parts)


def _without(node: Node, given: Sequence[Comparison]) -> Node:
    """The side of a claim before its conditions were put into it (`conditions.under`)."""
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
    outcome = page.judge.compare(truth, side.node, page.assumptions)
    if outcome.relationship is not Relationship.DIFFERENT:
        return _said(page, truth, side, outcome)
    if share := _share(page, truth, side.node):
        return Finding(Verdict.UNDECIDED, share, outcome.at)
    if unbound := _unbound(page, truth, side.node):
        return Finding(Verdict.UNDECIDED, unbound, outcome.at)
    if misfit := _misshapen(page, truth, side.node, outcome):
        return _misfit(page, truth, side, replace(outcome, reason=misfit))
    followed = _follows(page, truth, side)
    if followed is not None:
        return followed
    if _mixes_numbers(side.node) or _puts_numbers(page, side):
        found = _at_the_numbers(page, truth, side)
        if found is not None:
            return found
    found = _for_the_target(page, truth, side) or _for_what_is_given(page, truth, side)
    if found is not None:
        return found
    if name := next((n for n in page.unread if _calls(side.source, n)), None):
        return Finding(Verdict.UNDECIDED, f"what the page says {name} is could not be read")
    if page.unused is not None:
        reason = f"this is not so in general, and what is supposed was not used: {page.unused[1]}"
        return Finding(Verdict.UNDECIDED, reason, outcome.at)
    witness = page.judge.refutation(truth, side.node, outcome, page.assumptions)
    if witness is None:
        return Finding(
            Verdict.UNDECIDED,
            "symback can neither prove this nor find numbers that refute it",
            outcome.at,
        )
    return Finding(Verdict.REFUTED, _refuted_because(page), outcome.at, witness)


def _for_the_target(page: _Page, truth: Node, side: Side) -> Finding | None:
    """A side that is right for the target that the file gives, as ŷ_2 - 1 is for y_2 = 1.

    A side that names targets, or derivatives, is meant for all targets: a path that is missing is
    often hidden by a 0 among them.
    """
    targets = page.judge.target_numbers
    parts = list(walk(bare(side.node, page.definitions)))
    general = any(
        isinstance(p, Derivative) or getattr(p, "letter", "") in ("y", "delta") for p in parts
    )
    if general:
        return None
    return _right_with(page, truth, side, targets, "right only for the target of the file, ")


def _for_what_is_given(page: _Page, truth: Node, side: Side) -> Finding | None:
    """A side that is right for the numbers that the page gives to quantities."""
    given = tuple(page.given.items())
    return _right_with(page, truth, side, given, "right for the numbers that the page gives: ")


def _right_with(
    page: _Page, truth: Node, side: Side, numbers: Sequence[tuple[Node, Node]], reason: str
) -> Finding | None:
    """`conditional` where the side is right with these numbers put for quantities."""
    if not numbers:
        return None
    known = replace(page.assumptions, pins=(*page.assumptions.pins, *numbers))
    if not page.judge.compare(truth, side.node, known).is_equal:
        return None
    scope = page.judge.scope
    shown = ", ".join(f"{echo(left, scope)} = {echo(right, scope)}" for left, right in numbers)
    return Finding(Verdict.CONDITIONAL, f"{reason}{shown}")


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
            return Finding(Verdict.CONDITIONAL, _on_domain(page, outcome))
        case Relationship.ONE_HOT:
            return Finding(
                Verdict.CONDITIONAL, "right only if y is one-hot, not for a general target"
            )
        case Relationship.MISSHAPEN:
            return _misfit(page, truth, side, outcome)
        case _:
            return Finding(Verdict.UNDECIDED, outcome.reason)


def _misfit(page: _Page, truth: Node, side: Side, outcome: Outcome) -> Finding:
    """What does not fit is wrong only by a mistake with a name: else it may have been misread."""
    followed = _follows(page, truth, side)
    if followed is not None:
        return followed
    named = mistakes_in(page.judge, truth, side.node, page.previous, page.assumptions)
    if not named:
        return Finding(Verdict.UNDECIDED, f"this does not fit: {outcome.reason}", outcome.at)
    return Finding(Verdict.REFUTED, f"this is not possible: {outcome.reason}", outcome.at,
                   diagnosis=named)  # fmt: skip


def _unbound(page: _Page, truth: Node, node: Node) -> str:
    """Why an index letter of a side means nothing, where neither a sum nor the left side binds it.

    Such a side can be right for every number, but not wrong: it may stand for a sum, or for one.
    """
    known = {ELL, *free_letters(bare(truth, page.definitions))}
    loose = sorted({*free_letters(bare(node, page.definitions))} - known)
    return f"nothing says what {loose[0]} on the right side is" if loose else ""


def _misshapen(page: _Page, truth: Node, node: Node, outcome: Outcome) -> str:
    """Why a side cannot be what it should equal: an array of another shape, or a number for one."""
    at = dict(outcome.at)
    assumptions = replace(page.assumptions, true_class=at.pop(ELL, None))
    try:
        shapes = [page.judge.shape(each, at, assumptions) for each in (truth, node)]
    except (SymbackError, VanishingDenominator):
        return ""
    left, right = ("" if shape in ((), (1, 1)) else "{}×{}".format(*shape) for shape in shapes)
    if left == right:
        return ""
    return f"{_sized(left)} on the left and {_sized(right)} on the right"


def _sized(shape: str) -> str:
    return f"a {shape} array" if shape else "a number"


def mistakes_in(
    judge: Judge, truth: Node, wrong: Node, previous: Node | None, assumptions: Assumptions
) -> tuple[Diagnosis, ...]:
    """The mistakes of a side by name; none where it is too strange to be explained."""
    from symback.checking.diagnosis import diagnose  # a tenth of a second that right pages save

    try:
        return diagnose(judge, truth, wrong, previous, assumptions)
    except (SymbackError, ArithmeticError, RecursionError):
        return ()


def _on_domain(page: _Page, outcome: Outcome) -> str:
    """What must hold for both sides to have a value, in words."""
    shown = [echo(condition, page.judge.scope) for condition in outcome.domain]
    where = f": {', '.join(shown)}" if shown else ""
    return f"right only where both sides have a value{where}"


def _lucky(page: _Page) -> str:
    """What is said of a true side that stands after a false one."""
    if not page.wrongs or page.wrongs[0][0] != page.anchor or page.previous != page.wrongs[0][1]:
        return ""
    return (
        f"true, but it does not follow from line {page.wrongs[0][2]}, which is wrong: "
        "a second error takes the first one back"
    )


def _refuted_because(page: _Page) -> str:
    chain = page.previous is not None
    return "not equal to what the chain begins with" if chain else "not equal to the left side"


def _follows(page: _Page, truth: Node, side: Side) -> Finding | None:
    """Whether the side agrees if the page's earlier false claims are taken for true."""
    if not page.wrongs:
        return None
    outcome = page.judge.compare(truth, side.node, page.mistaken)
    direct = None
    if not outcome.is_equal and page.previous is not None and page.wrongs[0][1] == page.previous:
        direct = page.judge.compare(page.previous, side.node, page.mistaken)
    if outcome.is_equal or (direct is not None and direct.is_equal):
        line = page.wrongs[0][2]
        return Finding(Verdict.FOLLOWS, f"follows from the error in line {line}")
    return None


# ---------------------------------------------------------------------------------------- numbers


def _quantities(node: Node) -> bool:
    """Whether a side names anything but numbers."""
    return any(isinstance(part, (Element, Array, Derivative, Named, Letter)) for part in walk(node))


def _decimals(node: Node) -> bool:
    return any(isinstance(part, Number) and part.decimals is not None for part in walk(node))


def _is_numeric(node: Node) -> bool:
    """Whether a side is made of numbers only."""
    return not _quantities(node)


def _mixes_numbers(node: Node) -> bool:
    """Whether decimal numbers were put for some of the quantities of a side."""
    return _quantities(node) and _decimals(node)


def _puts_numbers(page: _Page, side: Side) -> bool:
    """Whether the side is the one before it with whole numbers put for some quantities."""
    before = page.previous
    return before is not None and before != side.node and _is_filled_in(before, side.node)


def _is_filled_in(before: Node, after: Node) -> bool:
    """Whether the nodes are the same but for numbers in the place of quantities."""
    if before == after:
        return True
    if isinstance(before, (Element, Derivative)):
        return not _quantities(after)
    first, second = list(children(before)), list(children(after))
    return (
        type(before) is type(after)
        and len(first) == len(second) > 0
        and all(map(_is_filled_in, first, second))
    )


def _as_numbers(page: _Page, truth: Node, side: Side) -> Finding:
    """A side of numbers: exactly true, or true at the numbers of the file as far as printed."""
    try:
        return _number_judged(page, truth, side)
    except (Undecided, Misshapen, VanishingDenominator) as error:
        return Finding(Verdict.UNDECIDED, str(error) or "a denominator vanishes")


def _number_judged(page: _Page, truth: Node, side: Side) -> Finding:
    outcome = page.judge.compare(truth, side.node, page.assumptions)
    if outcome.is_equal or outcome.relationship is Relationship.ON_DOMAIN:
        return _said(page, truth, side, outcome)
    if page.previous is None and _is_numeric(truth):
        return _calculated(page, truth, side)
    exact = page.judge.numbers(truth, {}, page.assumptions)
    printed = page.judge.numbers(side.node, {}, page.assumptions, _precision(side.node))
    if exact is None or printed is None:
        return _without_numbers(page, truth, side, outcome)
    is_exact = not (exact.is_rounded or printed.is_rounded)
    if is_exact and page.judge.same_at_numbers(truth, side.node, page.assumptions):
        return Finding(Verdict.PROVED, "at the numbers of the file")
    if meets(exact, printed):
        return Finding(Verdict.PROVED, "at the numbers of the file, as far as printed")
    return _number_is_off(page, side, exact, printed)


def _precision(node: Node) -> int:
    """A number alone is compared as printed; within a calculation, short ones are exact."""
    return ROUNDED if _literal(node) is None else AS_PRINTED


def _literal(node: Node) -> Number | None:
    """The number that a side is, with its sign; None where it is more than one."""
    match node:
        case Number():
            return node
        case Product((sign, Number() as number)) if sign == _MINUS:
            return replace(number, value=-number.value)
    return None


def _without_numbers(page: _Page, truth: Node, side: Side, outcome: Outcome) -> Finding:
    """No numbers in the file: only the arithmetic of two sides of numbers can be looked at."""
    if page.previous is not None and _is_numeric(page.previous):
        return _calculated(page, page.previous, side)
    if isinstance(truth, (Element, Array)) and truth.letter in GIVEN:
        if isinstance(truth, Array):
            page.unused = (side.line, side.source)
        elif truth.letter in PINNED and _literal(side.node) is not None:
            page.given[truth] = side.node
        return Finding(Verdict.UNDECIDED, "a number that the network file does not give")
    if outcome.relationship is Relationship.DIFFERENT and not _decimals(side.node):
        return _as_symbols(page, truth, side)
    if outcome.relationship is Relationship.UNDECIDED:
        return Finding(Verdict.UNDECIDED, outcome.reason)
    return Finding(Verdict.UNDECIDED, "the network file gives no numbers to compare with")


PINNED = ("x", "y", "w", "b", "a")
"""What can have any number; the others follow from it."""

GIVEN = (*PINNED, "h", "yhat")
"""What a page may give numbers for, as in y_1 = 1."""


def _calculated(page: _Page, before: Node, side: Side) -> Finding:
    """Whether a number follows from the numbers before it, whatever the network."""
    judge = page.judge
    value, printed = judge.bounds(before), judge.bounds(side.node, _precision(side.node))
    if value is None or printed is None:
        return Finding(Verdict.UNDECIDED, "one of the two has no value, or none that symback knows")
    is_exact = not (value.is_rounded or printed.is_rounded)
    if is_exact and judge.compare(before, side.node).is_equal:
        return Finding(Verdict.PROVED, "as arithmetic")
    if meets(value, printed):
        return Finding(Verdict.PROVED, "as arithmetic, as far as printed")
    reach = judge.bounds(before, ROUNDED)
    if reach is not None and meets(reach, printed) and _is_nearly(value, side.node):
        return Finding(
            Verdict.CONDITIONAL,
            f"right only if its numbers are rounded ones; as they stand they give {value}",
        )
    return _arithmetic(judge, before)


def _arithmetic(judge: Judge, before: Node) -> Finding:
    value = judge.bounds(before)
    shown = "" if value is None else f"; they give {value}"
    detail = f"the number does not follow from the line's own numbers{shown}"
    return Finding(
        Verdict.REFUTED, detail, diagnosis=(Diagnosis("arithmetic", detail.partition(";")[0]),)
    )


def _number_is_off(page: _Page, side: Side, exact: Bounds, printed: Bounds) -> Finding:
    """A number that is not the truth: rounded before, following from an error, or wrong."""
    judge, before = page.judge, page.previous
    shown = str(exact)
    if before is not None and not isinstance(side.node, At):
        carried = _carried(page, before, exact, printed)
        if carried is not None and carried.verdict is Verdict.FOLLOWS:
            _remember(page, side, exact)
        if carried is not None:
            return carried
    if _literal(side.node) is None:
        return _calculation_is_off(page, side, exact)
    _remember(page, side, exact)
    witness = Witness({}, shown, str(judge.bounds(side.node) or printed))
    if before is not None and _is_numeric(before):
        near = _is_nearly(judge.bounds(before) or exact, side.node)
        found = _arithmetic(judge, before)
        return replace(found, witness=witness) if not near else _misrounded(shown, witness)
    if _is_nearly(exact, side.node):
        return _misrounded(shown, witness)
    detail = f"at the numbers of the file it is {shown}"
    named = _in_numbers(page, side, exact) or (Diagnosis("arithmetic", detail, shown),)
    return Finding(Verdict.REFUTED, detail, witness=witness, diagnosis=named)


def _remember(page: _Page, side: Side, exact: Bounds) -> None:
    """A wrong number, in case that it is used again."""
    literal = _literal(side.node)
    if literal is not None and not isinstance(exact.value, Grid):
        right = exact.middle.limit_denominator(10**30)
        page.slips.append((abs(literal.value), abs(right), side.line))


def _misrounded(shown: str, witness: Witness) -> Finding:
    detail = f"not correctly rounded: {shown}"
    named = (Diagnosis("rounding", detail, shown),)
    return Finding(Verdict.REFUTED, detail, witness=witness, diagnosis=named)


def _calculation_is_off(page: _Page, side: Side, exact: Bounds) -> Finding:
    """Numbers put for quantities that do not give the truth: rounded too much, or wrong ones."""
    judge = page.judge
    shown = str(exact)
    mended = _with_numbers(side.node, {value: right for value, right, _ in page.slips})
    if mended != side.node:
        reach = _bounds_or_none(judge, mended, page, COARSE)
        if reach is not None and meets(exact, reach):
            line = next(line for value, _, line in page.slips if _names(side.node, value))
            return Finding(Verdict.FOLLOWS, f"follows from the error in line {line}")
    reach = _bounds_or_none(judge, side.node, page, COARSE)
    if reach is not None and meets(exact, reach):
        return _rounded_before(shown)
    witness = Witness({}, shown, str(judge.bounds(side.node) or exact))
    detail = f"at the numbers of the file it is {shown}"
    named = _in_numbers(page, side, exact)
    return Finding(Verdict.REFUTED, detail, witness=witness, diagnosis=named)


def _in_numbers(page: _Page, side: Side, exact: Bounds) -> tuple[Diagnosis, ...]:
    """The mistakes that numbers alone betray: a sign, a step uphill, a factor of two."""
    reach = _bounds_or_none(page.judge, side.node, page, _precision(side.node))
    if reach is None or isinstance(exact.value, Grid) or isinstance(reach.value, Grid):
        return ()
    shown = str(exact)
    uphill = None if page.anchor is None else _uphill(page.anchor)
    if uphill is not None:
        other = _bounds_or_none(page.judge, uphill, page)
        found = other is not None and meets(other, reach)
        detail = "the step goes uphill: the gradient is added"
        return (Diagnosis("descent-direction", detail, shown),) if found else ()
    if meets(exact.times(Fraction(-1)), reach):
        return (Diagnosis("sign-flipped", "the negative of the right number", shown),)
    for factor, name in ((2, "2"), (Fraction(1, 2), "1/2")):
        if meets(exact.times(Fraction(factor)), reach):
            return (Diagnosis("constant-factor", f"{name} times the right number", shown),)
    return ()


def _uphill(truth: Node) -> Node | None:
    """The step of `_meant` with the gradient added."""
    match truth:
        case Total((start, Product((sign, *rest)))) if sign == _MINUS and Element("eta") in rest:
            return Total((start, Product(tuple(rest))))
    return None


def _with_numbers(node: Node, values: Mapping[Fraction, Fraction]) -> Node:
    """A node with other numbers for some."""
    if isinstance(node, Number):
        return Number(values[node.value]) if node.value in values else node
    return rebuilt(node, lambda part: _with_numbers(part, values))


def _names(node: Node, value: Fraction) -> bool:
    return any(isinstance(part, Number) and part.value == value for part in walk(node))


def _carried(page: _Page, before: Node, exact: Bounds, printed: Bounds) -> Finding | None:
    """A number that follows from the rounded, or the wrong, numbers before it."""
    value = _bounds_or_none(page.judge, before, page)
    if value is None or not meets(value, printed):
        return None
    wrong = next((line for _, side, line in page.wrongs if side == before), None)
    if wrong is not None:
        return Finding(Verdict.FOLLOWS, f"follows from the error in line {wrong}")
    reach = _bounds_or_none(page.judge, before, page, COARSE)
    if reach is None or not meets(reach, exact):
        return None
    return _rounded_before(str(exact))


def _rounded_before(shown: str) -> Finding:
    return Finding(
        Verdict.CONDITIONAL,
        f"right from the rounded numbers before it; unrounded it is {shown}",
        diagnosis=(Diagnosis("rounding", "rounded numbers were carried along", shown),),
    )


def _bounds_or_none(judge: Judge, node: Node, page: _Page, digits: int = EXACT) -> Bounds | None:
    try:
        return judge.numbers(node, {}, page.assumptions, digits)
    except (Undecided, Misshapen, VanishingDenominator):
        return None


def _at_the_numbers(page: _Page, truth: Node, side: Side) -> Finding | None:
    """A side in which numbers were put for some quantities."""
    exact = _bounds_or_none(page.judge, truth, page)
    printed = _bounds_or_none(page.judge, side.node, page, COARSE)
    if exact is None or printed is None or not meets(exact, printed):
        return None
    return Finding(Verdict.CONDITIONAL, "right at the numbers of the file only")


def _is_nearly(exact: Bounds, node: Node) -> bool:
    """Whether a single decimal number misses by less than one in its last place."""
    literal = _literal(node)
    if literal is None or literal.decimals is None or isinstance(exact.value, Grid):
        return False
    return abs(exact.middle - literal.value) < Fraction(999, 1000) / 10**literal.decimals
