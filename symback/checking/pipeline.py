"""From the text of a page to its report: read, judged, and mistakes by name.

`check` reads the page in the letters that explain it best (`symback.checking.conventions` makes
them), judges it line by line (`symback.checking.verdicts`), looks for a deviation under which it is
right after all (`symback.checking.deviations`), and names the mistakes of wrong lines.  A line is
wrong only where it fits the convention of its page and is false; what may be read otherwise is not
blamed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple
from weakref import WeakKeyDictionary

from symback.checking.claims import bare
from symback.checking.conventions import (
    MOST_JUDGED,
    Signs,
    candidates,
    described,
    has_other_derivatives,
    is_turned,
    listed,
    refined,
    signs_of,
    unread,
    weight,
)
from symback.checking.correct import correct_node
from symback.checking.deviations import SCALES, Deviation, deviation_of
from symback.checking.goals import Answers, reaches
from symback.checking.guessing import Guess, read_with_names
from symback.checking.judge import (
    BOUND,
    Judge,
)
from symback.checking.letters import Scope
from symback.checking.mistakes import (
    LAYOUT,
    ORDER,
)
from symback.checking.page import (
    Claim,
    Definition,
    Document,
    notation_of,
    read,
)
from symback.checking.report import Answer, Diagnosis, Goal, LineReport, Report, Verdict
from symback.checking.system_names import backward_of
from symback.checking.system_pages import check_system
from symback.checking.verdicts import (
    MISFIT,
    NO_VALUE,
    WITHOUT_CHANCE,
    WRONG,
    Judgement,
    derivative_by,
    judged,
    mistakes_of,
)
from symback.engine.work import Work, goal_name
from symback.language.budget import (
    SECONDS,
    STEPS,
    Budget,
    Spent,
    allow,
    begin_again,
    spend,
    uncounted,
    within,
)
from symback.language.display import in_latex
from symback.language.echo import echo
from symback.language.errors import SymbackError
from symback.language.expressions import (
    LOSS,
    ONE,
    Comparison,
    Indicator,
    Node,
    Number,
    Product,
    Total,
    negative,
    walk,
)
from symback.language.names import NOTATIONS, Notation, Reference, read_reference
from symback.language.names import notation as notation_called

LOOKED_AT, UNDERSTOOD, ANSWERED = 0.15, 0.8, 0.85
"""The shares of the page's budget that are used up at most when its letters have been looked at,
when a convention has been looked for, and when it is known what its claims answer."""

MOST_DIAGNOSED = 12
"""So many wrong lines of a page are diagnosed; the first is what a student needs."""

_judges: WeakKeyDictionary[Work, dict[int, Judge]] = WeakKeyDictionary()


def check(
    text: str,
    net: Work,
    wrt: str | None = None,
    *,
    notation: str | Path = "auto",
    strict: bool = False,
    goals: Sequence[str] | None = None,
    prove: bool = False,
    budget: float = SECONDS,
    rename: Mapping[str, str] | None = None,
) -> Report:
    """Check a derivation that a person wrote, line by line.

    ``text`` is the page as typed, ``net`` the network it is about, ``wrt`` the weight that a page
    without a left side is about, ``notation`` one of `symback.language.names.NOTATIONS` or the path
    of a TOML file; a comment ``% notation: nielsen`` in the page does the same, for those with a
    name.  ``strict``: what the network file fixes (layout, factor ½, mean, sign of δ) counts as
    wrong where the page has another.  ``goals`` are what the page should differentiate by
    (``"w_212"``, or ``"W2"`` for all of it; default: those of the network file): the report says of
    each how far it is answered.  ``prove`` looks for a proof without chance as well.  ``budget`` is
    how many seconds of the processor the page may take (and 512 MB); what it leaves unread or
    undecided is said so.  ``rename`` says what a page about a network of equations in index
    notation calls the network's arrays.

    Raises `UnknownName` for ``wrt`` and ``goals``, `UnknownNotation`, `TooLarge`.

    >>> import symback as sb
    >>> net = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
    >>> report = check("∂L/∂w_212 = (ŷ_1 - y_1)·h_12", net)
    >>> bool(report), report.lines[0].verdict.value
    (True, 'proved')
    """
    if backward_of(net) is not None:
        return check_system(text, net, wrt, goals=goals, rename=rename)
    fixed = notation_of(text) if notation == "auto" else notation_called(notation)
    about = None if wrt is None else read_reference(wrt, net.graph.variables)
    wanted = tuple(map(net.goal, net.spec.goals if goals is None else goals))
    late: list[str] = []
    with within(Budget(budget)):
        try:
            with uncounted():
                scope = Scope.of(net.graph)
            search = _Search(text, net, scope, about, prove, strict or fixed is not None)
            attempts, said = ([search.judged_in(fixed)], "") if fixed else search.readings()
        except Spent as spent:
            line = LineReport(1, 1, "", "", Verdict.UNREAD, f"nothing is read: {spent}")
            reached = tuple(Goal(goal_name(each), Answer.NOT_ANSWERED) for each in wanted)
            return Report(overall([line]), (line,), _bound([line]), goals=reached)
        (document, judge, judgement, names, _), *equals = attempts
        deviation = None
        allow(UNDERSTOOD)
        try:
            if judgement.refuted:
                pairs = [(each.truth, each.side) for each in judgement.claims]
                deviation = deviation_of(judge, pairs, judgement.assumptions)
        except Spent as spent:
            late.append(f"no convention was looked for under which the page is right: {spent}")

        def settled(lines: tuple[LineReport, ...]) -> tuple[LineReport, ...]:
            if deviation is not None:
                excused = frozenset() if strict else _excused(judgement, *deviation)
                lines = _under(deviation[0], excused, lines)
            if fixed is None:
                others = [each.judgement.lines for each in equals]
                lines = _as_far_as_clear(lines, others, search.left, is_foreign=bool(said))
            return lines

        allow(ANSWERED)
        verdicts = [line.verdict for line in settled(judgement.lines)]
        reaches_it, reached = _answers(judge, judgement, verdicts, about, wanted)
        allow(1)
        lines, spent = _diagnosed(judge, judgement)
        if spent is not None:
            late.append(f"not every mistake was looked for: {spent}")
    lines = settled(lines)
    notes = (*names, *_notes(judge, document, deviation and deviation[0]), *late)
    return Report(overall(lines), lines, _bound(lines), notes, reaches_it, said, reached, text)


class Attempt(NamedTuple):
    """A page as it is read in one notation, and what is said of it then."""

    document: Document
    judge: Judge
    judgement: Judgement
    names: tuple[str, ...] = ()
    """Sentences on what its own equations say of its names."""
    weights: Guess = Guess()
    """Names of weights that have numbers, and which they are."""

    @property
    def is_settled(self) -> bool:
        """Whether nothing of the page is left open, or wrong."""
        settled = (Verdict.PROVED, Verdict.CONDITIONAL, Verdict.TEXT)
        return all(line.verdict in settled for line in self.judgement.lines)

    @property
    def has_misfits(self) -> bool:
        """Whether a line is undecided because its arrays or ranges do not fit."""
        return any(MISFIT in line.reason for line in self.judgement.lines)


@dataclass(slots=True)
class _Search:
    """The readings of a page, the lectures' first, until one of them explains it all."""

    text: str
    net: Work
    scope: Scope
    about: Reference | None
    prove: bool
    strict: bool
    found: list[tuple[Notation, Attempt]] = field(default_factory=list)
    left: Spent | None = None
    """Why not all readings were tried, where the budget did not allow it."""

    @property
    def first(self) -> Attempt:
        return self.found[0][1]

    def judged_in(
        self,
        notation: Notation,
        document: Document | None = None,
        *,
        hasty: bool = False,
        again: bool = False,
    ) -> Attempt:
        """What is said of the page in a notation, which may have been read already."""
        document = document or read(self.text, self.scope, notation)
        with uncounted():
            judge = _judge(self.net, largest_index(document))
        found = read_with_names(self.text, judge, notation, document, again=again)
        said = judged(
            found.document, judge, self.about, prove=self.prove, strict=self.strict, hasty=hasty
        )
        return Attempt(found.document, judge, said, found.notes, found.weights)

    def knowing(self, notation: Notation) -> Notation:
        """With the weights that have numbers on the page, whatever its letters are."""
        return replace(notation, names=(*self.first.weights.names, *notation.names))

    def tries(self, notation: Notation, document: Document | None = None) -> bool:
        """Judge another reading; whether it leaves nothing open."""
        begin_again()
        attempt = self.judged_in(self.knowing(notation), document, hasty=True, again=True)
        notes = dict.fromkeys((self.first.weights.note, *attempt.names))
        attempt = attempt._replace(names=tuple(filter(None, notes)))
        spend(STEPS)  # what is judged in part is not weighed
        self.found.append((notation, attempt))
        return attempt.is_settled

    def tries_all(self, notations: Sequence[Notation]) -> bool:
        """Try the notations in which most is read; whether one of them leaves nothing open."""
        waiting, judged_at_once = [], 0
        for each in notations:
            begin_again()
            document = read(self.text, self.scope, self.knowing(each))
            left_out = unread(document)
            if left_out or judged_at_once >= MOST_JUDGED:
                waiting.append((left_out, each, document))
                continue
            judged_at_once += 1
            if self.tries(each, document):
                return True
        waiting.sort(key=lambda each: each[0])
        most = max(MOST_JUDGED - judged_at_once, 0)
        return any(self.tries(each, document) for _, each, document in waiting[:most])

    def refine(self, signs: Signs) -> None:
        """What else may be so of the page in the notation that explains it best so far."""
        _, notation, base = self.best
        count = len(self.found)
        fits = not any(line.verdict in WRONG for line in base.judgement.lines)
        others = refined(notation, signs, self.scope, own_errors=fits)
        any(map(self.tries, others))
        self.found[count:] = [each for each in self.found[count:] if _explains_more(each[1], base)]

    @property
    def weighed(self) -> list[tuple[float, Notation, Attempt]]:
        """The readings with their weights, but for those that explain no more than the first."""
        return [
            (weight(each.document.items, each.judgement.lines), notation, each)
            for notation, each in self.found
            if each is self.first or _explains_more(each, self.first)
        ]

    @property
    def best(self) -> tuple[float, Notation, Attempt]:
        """The reading that explains most; of equals the first."""
        return max(self.weighed, key=lambda each: each[0])

    def signs(self) -> Signs | None:
        """What the letters of the page look like; None where the budget does not allow it."""
        allow(LOOKED_AT)
        try:
            return signs_of(self.text, self.scope)
        except Spent as spent:
            self.left = spent
            return None

    def readings(self) -> tuple[list[Attempt], str]:
        """The readings that explain the page best, and what the report says of the first."""
        lectures = NOTATIONS["lectures"]
        signs = self.signs()
        begin_again()
        if signs is None or len(candidates(signs, self.scope)) == 1:
            return [self.judged_in(lectures)], ""
        self.found.append((lectures, self.judged_in(lectures, hasty=True)))
        if self.first.is_settled:
            return [self.first], ""
        try:
            begin_again()
            signs = signs_of(self.text, self.scope, self.first.weights.names)
            if not self.tries_all(candidates(signs, self.scope)[1:]):
                self.refine(signs)
        except Spent as spent:
            self.left = spent
        most, notation, chosen = self.best
        others = [
            each
            for value, other, each in self.weighed
            if value == most or (2 * value >= most > 0 and is_turned(other, notation))
            if each is not chosen and not has_other_derivatives(other, notation)
        ]
        if notation == lectures:
            with suppress(Spent):  # what does not fit may be a mistake with a name
                chosen = self.judged_in(lectures) if chosen.has_misfits else chosen
            return [chosen, *others], ""
        right = [line.line for line in chosen.judgement.lines if line.verdict is Verdict.PROVED]
        said = described(notation, signs)
        if right:
            said += f", since line{'s' * (len(set(right)) > 1)} {listed(right)} hold so"
        return [chosen, *others], said


def _explains_more(attempt: Attempt, other: Attempt) -> bool:
    """Whether more is right, or less unread, than in another reading: not just less is wrong."""
    counts, before = (
        Counter(line.verdict for line in each.judgement.lines) for each in (attempt, other)
    )
    right, right_before = (
        each[Verdict.PROVED] + each[Verdict.CONDITIONAL] for each in (counts, before)
    )
    return right > right_before or counts[Verdict.UNREAD] < before[Verdict.UNREAD]


def _as_far_as_clear(
    lines: tuple[LineReport, ...],
    others: Sequence[Sequence[LineReport]],
    left: Spent | None,
    *,
    is_foreign: bool,
) -> tuple[LineReport, ...]:
    """The lines, none of them blamed where the page may be read otherwise.

    What another reading that explains the page as well judges differently is right only in one of
    the two; and where more is wrong than right, or beyond the network, and some of it not read,
    nothing is known, nor is it where ``left`` says that not all readings were tried.
    ``is_foreign``: the letters were found from the page, so that arrays which do not go together
    may be laid out otherwise.
    """
    counts = Counter(line.verdict for line in lines)
    right = counts[Verdict.PROVED] + counts[Verdict.CONDITIONAL]
    misfits = sum(line.reason.startswith("there is no ") for line in lines)
    lost = counts[Verdict.UNREAD] and right < max(counts[Verdict.REFUTED], misfits)
    sure = {Verdict.PROVED, Verdict.CONDITIONAL}, WRONG
    made = []
    for line in lines:
        same_place = [
            each
            for other in others
            for each in other
            if each.source == line.source and each.line == line.line
        ]
        opposite = [
            each
            for each in same_place
            if (line.verdict in sure[0] and each.verdict in sure[1])
            or (line.verdict in sure[0] and "there is no " in each.reason)
            or (line.verdict in (*sure[1], Verdict.UNDECIDED) and each.verdict in sure[0])
        ]
        if opposite:
            ways = [line, opposite[0]] if line.verdict in sure[0] else [opposite[0], line]
            reason = f"right if it is read as {ways[0].read_as}, not as {ways[1].read_as}"
            line = replace(line, verdict=Verdict.CONDITIONAL, reason=reason, diagnosis=(),
                           correct="", witness=None, span=None)  # fmt: skip
        elif is_foreign and _is_misfit(line):
            reason = line.reason.replace("this is not possible", "this does not fit")
            line = replace(line, verdict=Verdict.UNDECIDED, reason=reason, diagnosis=(),
                           correct="", span=None)  # fmt: skip
        elif (lost or left) and line.verdict in sure[1]:
            reason = f"not all ways to read this page were tried: {left}" if left else UNCLEAR
            line = replace(line, verdict=Verdict.UNDECIDED, reason=reason, diagnosis=(),
                           correct="", witness=None, span=None)  # fmt: skip
        made.append(line)
    return tuple(made)


def _is_misfit(line: LineReport) -> bool:
    """Whether a line is called wrong only because its arrays do not go together."""
    layout = any(found.name == LAYOUT.name for found in line.diagnosis)
    return line.verdict is Verdict.REFUTED and line.witness is None and layout


UNCLEAR = "it is not clear how the letters of this page are to be read; --notation … says it"


def _judge(net: Work, least: int) -> Judge:
    """The judge of a network, made once where its widths are its own."""
    known = _judges.setdefault(net, {})
    if 0 in known and not known[0].sizes:
        return known[0]
    if least not in known:
        known[least] = Judge(net, least)
    return known[least]


def largest_index(document: Document) -> int:
    """The largest number that stands as an index on the page."""
    nodes = [side.node for item in document.items if isinstance(item, Claim) for side in item.sides]
    nodes += [item.node for item in document.items if isinstance(item, Definition)]
    indices = (
        each for node in nodes for part in walk(node) for each in getattr(part, "indices", ())
    )
    return max((each.offset for each in indices if each.is_number), default=0)


def overall(lines: Sequence[LineReport]) -> Verdict:
    """The verdict of a page: the worst of its lines."""
    found = {line.verdict for line in lines}
    order = (
        Verdict.REFUTED,
        Verdict.UNREAD,
        Verdict.UNDECIDED,
        Verdict.CONDITIONAL,
        Verdict.PROVED,
    )
    return next((verdict for verdict in order if verdict in found), Verdict.NO_CLAIM)


def _bound(lines: Sequence[LineReport]) -> str:
    """The chance that some line called proved is not."""
    proved = [line for line in lines if line.verdict is Verdict.PROVED]
    without = all(WITHOUT_CHANCE in line.reason for line in proved)
    return "0" if proved and without else BOUND


def _diagnosed(judge: Judge, judgement: Judgement) -> tuple[tuple[LineReport, ...], Spent | None]:
    """The lines, those that are wrong with their mistakes by name and the right side.

    Also what of the budget was used up before all were looked at.
    """
    lines = list(judgement.lines)
    reported: set[int] = set()
    for wrong in judgement.refuted[:MOST_DIAGNOSED]:
        if wrong.place in reported:
            continue
        reported.add(wrong.place)
        try:
            sides = wrong.truth, wrong.side.node
            of_batch = judge.of_batch(sides, judgement.assumptions) is not None
            correct, latex = ("", "") if of_batch else _correct(judge, wrong.truth)
            found = wrong.finding.diagnosis or mistakes_of(
                judge, wrong.truth, wrong.side.node, wrong.previous, judgement.assumptions
            )
        except Spent as spent:
            return tuple(lines), spent
        named = tuple(each if each.correct else replace(each, correct=correct) for each in found)
        lines[wrong.place] = replace(
            lines[wrong.place], diagnosis=named, correct=correct, correct_latex=latex
        )
    return tuple(lines), None


def _correct(judge: Judge, truth: Node) -> tuple[str, str]:
    """The right side in canonical form and in LaTeX, where there is one."""
    try:
        node = correct_node(judge, truth)
        return ("", "") if node is None else (echo(node), in_latex(node))
    except (SymbackError, ArithmeticError, RecursionError):
        return "", ""


def _answers(
    judge: Judge,
    judgement: Judgement,
    verdicts: Sequence[Verdict],
    about: Reference | None,
    wanted: Sequence[Reference],
) -> tuple[bool, tuple[Goal, ...]]:
    """Whether a line says what ∂L/∂about is, and how far each goal is answered.

    ``verdicts`` are those that the report gives the lines: a wrong side of a line that is excused
    counts as the line does.
    """
    said = tuple(
        replace(each, verdict=verdicts[each.place])
        if verdicts[each.place] is not judgement.lines[each.place].verdict
        else each
        for each in judgement.said
    )
    definitions = judgement.assumptions.definitions

    def sizes(letter: str, layer: int | None) -> Sequence[int]:
        variable = None if judge.sizes else judge.equations.variable(letter, layer)
        return () if variable is None else [int(size) for size in variable.shape]

    def are_all(cases: Sequence[Sequence[Comparison]]) -> bool:
        left = [Total((ONE, negative(Product(tuple(map(Indicator, case)))))) for case in cases]
        none = Number(Fraction(0))
        try:
            return judge.compare(Product(tuple(left)), none, judgement.assumptions).is_equal
        except NO_VALUE:
            return False

    answers = Answers(said, definitions, sizes, are_all)
    goals: list[Goal] = []
    try:
        asked = None if about is None else derivative_by(judge, about)
        reached = reaches(said, asked, definitions)
        goals += (answers.goal(goal_name(each), derivative_by(judge, each)) for each in wanted)
    except Spent as spent:
        left = wanted[len(goals) :]
        goals += (Goal(goal_name(each), Answer.NOT_ANSWERED, reason=f"{spent}") for each in left)
        reached = False
    return reached, tuple(goals)


def _notes(judge: Judge, document: Document, deviation: Deviation | None) -> Iterator[str]:
    """Sentences about the whole page."""
    if deviation is not None:
        yield f"the whole page is {deviation.sentence}"
    if judge.sizes:
        yield "compared on a small network of the same kind"
    if judge.batches:
        yield "lines about all samples were compared on a small batch"
    elif judge.scope.is_batch:
        yield "each line was read as about one sample of the batch, by itself"
    if any(isinstance(item, Definition) for item in document.items):
        yield "names that the page defines stand for what it says they are"


# ------------------------------------------------------------------------------------ deviations


def _under(
    deviation: Deviation, excused: frozenset[int], lines: tuple[LineReport, ...]
) -> tuple[LineReport, ...]:
    """The wrong lines with the deviation said first; those that are right under it are excused."""
    named = (Diagnosis(ORDER.name, deviation.sentence),) if deviation.name == ORDER.name else ()
    made = []
    for place, line in enumerate(lines):
        if line.verdict not in (Verdict.REFUTED, Verdict.FOLLOWS):
            made.append(line)
        elif place in excused:
            made.append(replace(line, verdict=Verdict.CONDITIONAL, reason=deviation.sentence,
                                diagnosis=named, correct="", witness=None,
                                span=None))  # fmt: skip
        else:
            made.append(replace(line, reason=f"{deviation.sentence}; {line.reason}"))
    return tuple(made)


def _excused(judgement: Judgement, deviation: Deviation, right: frozenset[int]) -> frozenset[int]:
    """The places of the lines that a deviation excuses.

    One line alone stays wrong: there the deviation is one way to see the mistake.  A multiple of
    the file's loss excuses a page only where the page itself says that this is its loss.
    """
    claims = judgement.claims
    states_loss = any(bare(claims[k].truth) == LOSS for k in right)
    if deviation.name == SCALES and not states_loss:
        return frozenset()
    wrong = {claim.place for k, claim in enumerate(claims) if k not in right}
    failing = {
        place
        for place, line in enumerate(judgement.lines)
        if line.verdict in (Verdict.REFUTED, Verdict.FOLLOWS)
    }
    found = {claims[k].place for k in right} & failing - wrong
    return frozenset(found) if len(found) > 1 else frozenset()
