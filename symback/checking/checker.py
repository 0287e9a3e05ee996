"""From the text of a page to its report: `check`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from symback.checking.exact import BOUND, Judge
from symback.checking.letters import Scope
from symback.checking.page import Definition, Document, notation_of, read
from symback.checking.report import Diagnosis, LineReport, Report, Verdict
from symback.checking.verdicts import (
    WITHOUT_CHANCE,
    Judgement,
    judged,
    largest_index,
    mistakes_in,
    overall,
)
from symback.language.budget import SECONDS, Budget, Spent, allow, uncounted, within
from symback.language.echo import echo
from symback.language.errors import SymbackError
from symback.language.expressions import Node
from symback.language.names import Reference, read_reference
from symback.language.notations import notation as notation_called
from symback.sheets.work import Work

if TYPE_CHECKING:
    from symback.checking.conventions import Convention

__all__ = ["check"]

UNDERSTOOD = 0.8
"""The share of the budget that is used up at most when a convention has been looked for."""

MOST_DIAGNOSED = 12
"""So many wrong lines of a page are diagnosed; the first is what a student needs."""

_judges: WeakKeyDictionary[Work, dict[int, Judge]] = WeakKeyDictionary()


def check(
    text: str,
    net: Work,
    wrt: str | None = None,
    *,
    notation: str | Path = "lectures",
    prove: bool = False,
    budget: float = SECONDS,
) -> Report:
    """Check a derivation that a person wrote, line by line.

    ``text`` is the page as typed, ``net`` the network it is about, ``wrt`` the weight that a page
    without a left side is about, ``notation`` a name of `symback.language.notations` or the path of
    a TOML file; a comment ``% notation: nielsen`` in the page does the same, for those that have a
    name.  ``prove`` looks for a proof without chance as well.  ``budget`` is how many seconds of
    the processor the page may take (and 512 MB); what it leaves unread or undecided is said so.

    Raises `UnknownName` for ``wrt``, `UnknownNotation`, `TooLarge`.

    >>> import symback as sb
    >>> net = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
    >>> report = check("∂L/∂w_212 = (ŷ_1 - y_1)·h_12", net)
    >>> bool(report), report.lines[0].verdict.value
    (True, 'proved')
    """
    profile = (notation_of(text) if notation == "lectures" else None) or notation_called(notation)
    scope, reference = Scope.of(net.graph), _reference(net, wrt)
    with within(Budget(budget)):
        try:
            document = read(text, scope, profile)
            with uncounted():
                judge = _judge(net, largest_index(document))
            return _reported(document, judge, judged(document, judge, reference, prove=prove))
        except Spent as spent:
            line = LineReport(1, 1, "", "", Verdict.UNREAD, f"nothing is read: {spent}")
            return Report(overall([line]), (line,), _bound([line]))


def _reported(document: Document, judge: Judge, judgement: Judgement) -> Report:
    """The report on a page whose claims are judged."""
    notes: list[str] = []
    allow(UNDERSTOOD)
    try:
        convention = _convention(judge, judgement)
    except Spent as spent:
        convention = None
        notes.append(f"no convention was looked for under which the page is right: {spent}")
    allow(1)
    lines, late = _diagnosed(judge, judgement)
    if late is not None:
        notes.append(f"not every mistake was looked for: {late}")
    if convention is not None:
        lines = _under(convention, lines)
    notes = [*_notes(judge, document.items, convention), *notes]
    return Report(overall(lines), lines, _bound(lines), tuple(notes), judgement.reaches)


def _judge(net: Work, least: int) -> Judge:
    """The judge of a network, made once where its widths are its own."""
    known = _judges.setdefault(net, {})
    if 0 in known and not known[0].sizes:
        return known[0]
    if least not in known:
        known[least] = Judge(net, least)
    return known[least]


def _reference(net: Work, wrt: str | None) -> Reference | None:
    return None if wrt is None else read_reference(wrt, net.graph.variables)


def _bound(lines: Sequence[LineReport]) -> str:
    """The chance that some line called proved is not."""
    proved = [line for line in lines if line.verdict is Verdict.PROVED]
    without = all(WITHOUT_CHANCE in line.reason for line in proved)
    return "0" if proved and without else BOUND


# -------------------------------------------------------------------------------------- diagnosis


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
            correct = _correct(judge, wrong.truth)
            found = wrong.finding.diagnosis or mistakes_in(
                judge, wrong.truth, wrong.side.node, wrong.previous, judgement.assumptions
            )
        except Spent as spent:
            return tuple(lines), spent
        named = tuple(each if each.correct else replace(each, correct=correct) for each in found)
        lines[wrong.place] = replace(lines[wrong.place], diagnosis=named, correct=correct)
    return tuple(lines), None


def _correct(judge: Judge, truth: Node) -> str:
    """The right side in canonical form, where there is one."""
    from symback.checking.correct import correct_node

    try:
        node = correct_node(judge, truth)
        return "" if node is None else echo(node)
    except (SymbackError, ArithmeticError, RecursionError):
        return ""


# ------------------------------------------------------------------------------------- conventions


def _convention(judge: Judge, judgement: Judgement) -> Convention | None:
    """The convention under which all of a page is right that is not right as it stands."""
    if not judgement.refuted:
        return None
    from symback.checking.conventions import convention_of

    return convention_of(judge, judgement.claims, judgement.assumptions)


def _under(convention: Convention, lines: tuple[LineReport, ...]) -> tuple[LineReport, ...]:
    """The lines with the convention said first.

    One line alone, and a loss that is a multiple of the file's, stay wrong: there the convention is
    one way to see the mistake, and the file says which loss is meant.
    """
    from symback.checking.conventions import SCALES

    wrong = (Verdict.REFUTED, Verdict.FOLLOWS)
    failing = [line for line in lines if line.verdict in wrong]
    right = len(failing) > 1 and convention.name != SCALES
    change = _conditional if right else _with_sentence
    return tuple(change(line, convention) if line in failing else line for line in lines)


def _conditional(line: LineReport, convention: Convention) -> LineReport:
    """The line as right under the convention; no other mistake is named."""
    from symback.checking.conventions import ORDER

    named = () if convention.name != ORDER else (Diagnosis(ORDER, convention.sentence),)
    return replace(line, verdict=Verdict.CONDITIONAL, reason=convention.sentence,
                   diagnosis=named, correct="", witness=None)  # fmt: skip


def _with_sentence(line: LineReport, convention: Convention) -> LineReport:
    return replace(line, reason=f"{convention.sentence}; {line.reason}")


def _notes(judge: Judge, items: Sequence[object], convention: Convention | None) -> tuple[str, ...]:
    """Sentences about the whole page."""
    notes = []
    if convention is not None:
        notes.append(f"the whole page is {convention.sentence}")
    sizes = [
        f"{size} for {name}" if name.isdigit() else f"{name} = {size}"
        for name, size in judge.sizes.items()
        if name != str(size)
    ]
    if sizes:
        notes.append(f"compared at small widths of the same kind: {', '.join(sizes)}")
    if judge.scope.is_batch:
        notes.append("each line was read as about one sample of the batch, by itself")
    if any(isinstance(item, Definition) for item in items):
        notes.append("names that the page defines stand for what it says they are")
    return tuple(notes)
