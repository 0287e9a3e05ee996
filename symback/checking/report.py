r"""What a check found, and how it is shown: to a terminal, on a page, in a notebook, in an exam.

Here one can

* ask whether a page is right: ``bool(report)``, ``report.first_wrong``; a `Report` holds a
  `LineReport` for each claim, with its `Verdict`, a `Diagnosis` a mistake where it is wrong, and a
  `Witness` in numbers;
* get the JSON of ``symback check --json``: `Report.as_data`; keep only what an examination may
  say: `Report.for_exam`;
* write a report as text, wrapped, with a mark beside each line: `text`, or ``print(report)``; for a
  terminal with its width, its colours and the marks that its encoding can show: `Style.of`;
* write it as one self-contained HTML file with the lines typeset: `page`; as a fragment of HTML for
  a notebook, where a report shows itself: `fragment`; or as a line and right or wrong: `marks`.

Whatever a student wrote is shown, never obeyed: control characters, escape sequences and direction
marks come out as escapes; on the page a line is text for HTML, and KaTeX is given nothing it would
trust and small budgets.  A line that KaTeX cannot set stands as it was typed.  The words are those
of ``templates/check.toml``, the layout of the page is ``templates/check.html``.
"""

from __future__ import annotations

import enum
import os
import re
import shutil
import textwrap
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import IO, Any

from symback.language.errors import printable
from symback.language.files import template_dir
from symback.language.layout import environment, katex
from symback.language.names import SIGNS
from symback.language.typesetting import escape_xml


class Verdict(enum.Enum):
    """What is said of a line, or of a whole page."""

    PROVED = "proved"
    REFUTED = "refuted"
    FOLLOWS = "follows"  # right only given an earlier error
    CONDITIONAL = "conditional"  # right under a condition that the reason states
    UNDECIDED = "undecided"
    UNREAD = "unread"
    TEXT = "text"  # no claim
    NO_CLAIM = "no claim"  # of a page: every line of it is words, or says nothing


ROUNDING = "rounding"
"""The name of what is no mistake in a line that is right but for it."""


class Answer(enum.Enum):
    """How far a page answers what was asked."""

    ANSWERED = "answered"
    PARTLY = "partly"  # right, but derivatives or cases are left
    NOT_ANSWERED = "not answered"


@dataclass(frozen=True, slots=True)
class Goal:
    """What the page was to differentiate by, how far it answers that, where, and what is left."""

    name: str
    answer: Answer
    line: int | None = None
    reason: str = ""

    def as_data(self) -> dict[str, Any]:
        """The goal as ``--json`` prints it."""
        return {"name": self.name, "answer": self.answer.value, "line": self.line,
                "reason": self.reason}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A mistake by name (the names of CHECKING.md), what of it is in the line, and the right line.

    ``detail`` is one sentence without the line number, ``correct`` the right side in canonical
    form.
    """

    name: str
    detail: str
    correct: str = ""

    def as_data(self) -> dict[str, str]:
        """The mistake as ``--json`` prints it."""
        return {"name": self.name, "detail": self.detail, "correct": self.correct}


@dataclass(frozen=True, slots=True)
class Witness:
    """Numbers for which the two sides differ, by certified (interval) arithmetic."""

    values: Mapping[str, str]
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class LineReport:
    """One claim: where it stands (from 1), how it was read, what is said of it and why."""

    line: int
    column: int
    source: str
    read_as: str
    verdict: Verdict
    reason: str = ""
    diagnosis: tuple[Diagnosis, ...] = ()
    witness: Witness | None = None
    correct: str = ""
    """The right side in canonical form, for a line that is wrong."""
    correct_latex: str = ""
    """The same in LaTeX."""
    span: tuple[int, int] | None = None
    """Where in ``source`` the side stands that is wrong, from and up to which character."""
    more: int = 0
    """So many claims below it were not judged either, since the budget was used up."""
    is_charged: bool = True
    """Whether it is wrong on its own account, where it is wrong."""

    @property
    def is_judged(self) -> bool:
        """Whether it is a claim, and said to be right or wrong."""
        return self.verdict not in (Verdict.TEXT, Verdict.UNREAD, Verdict.UNDECIDED)

    @property
    def is_rounded(self) -> bool:
        """Whether it is right, and all there is to say is that it uses rounded numbers."""
        names = {each.name for each in self.diagnosis}
        return self.verdict is Verdict.CONDITIONAL and names == {ROUNDING}

    @property
    def points(self) -> int | None:
        """1 for a claim that is right or only follows from an earlier error, 0 for a wrong one.

        None for what was not judged: somebody has to look.
        """
        if not self.is_judged:
            return None
        return int(self.verdict is not Verdict.REFUTED or not self.is_charged)

    def as_data(self) -> dict[str, Any]:
        """The line as ``--json`` prints it."""
        witness = self.witness
        return {
            "line": self.line,
            "column": self.column,
            "source": self.source,
            "read_as": self.read_as,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "diagnosis": [found.as_data() for found in self.diagnosis],
            "witness": witness
            and {"values": dict(witness.values), "left": witness.left, "right": witness.right},
            "correct": self.correct,
            "correct_latex": self.correct_latex if self.correct else "",
            "span": self.span and list(self.span),
            "points": self.points,
        }

    def for_exam(self) -> LineReport:
        """Where the line stands, how it was read and whether it is right: nothing else leaks out.

        What follows from an error is wrong too, though not charged; a condition is not named.
        """
        verdict = _IN_EXAMS.get(self.verdict, self.verdict)
        return LineReport(self.line, self.column, self.source, self.read_as, verdict,
                          more=self.more, is_charged=self.points == 0)  # fmt: skip


_IN_EXAMS = {Verdict.FOLLOWS: Verdict.REFUTED, Verdict.CONDITIONAL: Verdict.PROVED}


@dataclass(frozen=True, slots=True)
class Points:
    """What the judged claims of a page are worth, and how many are left for somebody to look at."""

    given: int
    of: int
    look_yourself: int

    def as_data(self) -> dict[str, int]:
        """The points as ``--json`` prints them."""
        return {"given": self.given, "of": self.of, "look_yourself": self.look_yourself}


BY_VALUES = "values"


@dataclass(frozen=True, slots=True)
class Report:
    """All lines of a page; ``bound`` is the chance that a "proved" is not so, e.g. ``2^-160``.

    ``rounding`` and `BY_VALUES` stand for what is no chance: numbers that agree as far as their
    rounding tells, and formulas that agree in doubles at random points.
    """

    verdict: Verdict
    lines: tuple[LineReport, ...]
    bound: str
    notes: tuple[str, ...] = ()
    """Sentences about the whole page: conventions it uses, facts assumed, how it was read."""
    reaches: bool = True
    """Whether a line that is right says what the derivative asked for is, or any where none was."""
    convention: str = ""
    """How the page was read and why, in one sentence: "read in Nielsen's letters, because …"."""
    goals: tuple[Goal, ...] = ()
    """How far the page answers each derivative that was asked for."""
    typed: str = ""
    """The page as it was typed."""

    def __bool__(self) -> bool:
        return self.verdict in (Verdict.PROVED, Verdict.CONDITIONAL)

    @property
    def finds_nothing_wrong(self) -> bool:
        """Whether something on the page could be judged, and none of it is wrong."""
        verdicts = {line.verdict for line in self.lines}
        right = {Verdict.PROVED, Verdict.CONDITIONAL} & verdicts
        return bool(right) and verdicts.isdisjoint((Verdict.REFUTED, Verdict.FOLLOWS))

    @property
    def claims(self) -> list[LineReport]:
        """The lines that claim something, read or not."""
        return [line for line in self.lines if line.verdict is not Verdict.TEXT]

    @property
    def judged(self) -> int:
        """How many claims are said to be right or wrong."""
        return sum(line.is_judged for line in self.lines)

    @property
    def not_judged(self) -> int:
        """How many were not read, or neither proved nor refuted."""
        return sum(1 + line.more for line in self.claims if not line.is_judged)

    @property
    def points(self) -> Points:
        """One point a judged claim; an error that is carried on is not charged twice."""
        return Points(sum(line.points or 0 for line in self.lines), self.judged, self.not_judged)

    @property
    def summary(self) -> str:
        """The verdict in words: "wrong at line 7; 2 of 9 formulas were not judged"."""
        return _summary(self)

    @property
    def first_wrong(self) -> int | None:
        """The line of the first refuted claim."""
        wrong = (line.line for line in self.lines if line.verdict is Verdict.REFUTED)
        return next(wrong, None)

    def as_data(self) -> dict[str, Any]:
        """The report as ``--json`` prints it."""
        return {
            "convention": self.convention,
            "verdict": self.verdict.value,
            "first_wrong": self.first_wrong,
            "bound": self.bound,
            "lines": [line.as_data() for line in self.lines],
            "notes": list(self.notes),
            "summary": self.summary,
            "judged": self.judged,
            "not_judged": self.not_judged,
            "goals": [goal.as_data() for goal in self.goals],
            "points": self.points.as_data(),
        }

    def for_exam(self) -> Report:
        """The same with each line's place, how it was read and right or wrong: nothing else.

        Of a goal it says whether and where it is answered.  ``conditional`` counts as right, as it
        does for ``bool(report)``.
        """
        verdict = Verdict.PROVED if self.verdict is Verdict.CONDITIONAL else self.verdict
        lines = tuple(line.for_exam() for line in self.lines)
        goals = tuple(replace(goal, reason="") for goal in self.goals)
        return replace(self, verdict=verdict, lines=lines, notes=(), goals=goals)

    def __str__(self) -> str:
        return text(self)

    def _repr_html_(self) -> str:
        return fragment(self)


# ------------------------------------------------------------------------------------ a terminal

LONGEST_LINE = 2000
"""Characters of one line of a student's text that are shown."""

WIDTH = 100
"""Columns where no terminal says how many it has."""

NARROWEST = 40


# ------------------------------------------------------------------------------------ a terminal


@dataclass(frozen=True, slots=True)
class Style:
    """How text is written: its width in columns, whether in colour, whether in ASCII only."""

    width: int = WIDTH
    is_coloured: bool = False
    is_ascii: bool = False

    @classmethod
    def of(cls, stream: IO[str], environ: Mapping[str, str] = os.environ) -> Style:
        """What ``stream`` can show: colours only on a terminal, and never against NO_COLOR."""
        is_terminal = stream.isatty()
        try:
            "".join(wording()["mark"].values()).encode(getattr(stream, "encoding", None) or "utf-8")
            is_ascii = False
        except (UnicodeEncodeError, LookupError):
            is_ascii = True
        is_coloured = (
            is_terminal and not environ.get("NO_COLOR") and environ.get("TERM", "") != "dumb"
        )
        width = shutil.get_terminal_size((WIDTH, 24)).columns if is_terminal else WIDTH
        return cls(max(width, NARROWEST), is_coloured, is_ascii)

    def mark(self, verdict: Verdict) -> str:
        """The sign beside a line."""
        mark = wording()["mark_in_ascii" if self.is_ascii else "mark"][verdict.value]
        return self.coloured(mark, _COLOURS.get(verdict, ""))

    def coloured(self, word: str, colour: str) -> str:
        """A word in a colour of ANSI: 1 is bold, 2 is faint, 32 is green; "" leaves it plain."""
        return f"\x1b[{colour}m{word}\x1b[0m" if self.is_coloured and colour else word


PLAIN = Style()
"""Text for a file, a log, a notebook."""

_COLOURS = {
    Verdict.PROVED: "32",
    Verdict.CONDITIONAL: "36",
    Verdict.UNDECIDED: "35",
    Verdict.UNREAD: "35",
    Verdict.FOLLOWS: "33",
    Verdict.REFUTED: "1;31",
}
"""What is said of a claim, from good to bad, and its colour."""


@cache
def wording() -> dict[str, dict[str, str]]:
    """The words of ``templates/check.toml``, table by table."""
    return tomllib.loads((template_dir() / "check.toml").read_text("utf-8"))


# ------------------------------------------------------------------------------------------- text


def text(report: Report, style: Style = PLAIN, *, points: bool = False) -> str:
    """The report as text: how it was read, what is said of the whole, the lines, the notes.

    Each line has its mark, its number and what the student wrote, the wrong side underlined; under
    it how it was read where that differs, why, and where it is wrong the mistakes by name, a
    counterexample and the right side.  With ``points`` those of each line stand beside it.
    """
    digits = len(str(max((line.line for line in report.lines), default=1)))
    read = clean(report.convention)
    head = [_wrapped("", read, "", style.width), ""] if read else []
    rows = _wrapped("", report.summary, "  ", style.width).split("\n  ")
    summary = "\n  ".join(style.coloured(row, "1") for row in rows)
    head += [
        f"{style.mark(report.verdict)} {summary}",
        *(_wrapped("  ", each, "  ", style.width) for each in _worth(report, points)),
    ]
    lines = [row for line, _ in _grouped(report) for row in _line(line, digits, style, points)]
    notes = [_wrapped("", note, "", style.width) for note in _notes(report)]
    return "\n".join([*head, "", *lines, *(["", *notes] if notes else [])])


def _worth(report: Report, points: bool) -> Iterator[str]:
    """What of the goals is reached, and the points, one sentence each."""
    for goal in report.goals:
        yield f"{clean(goal.name)}: {_answer(goal)}"
    if points:
        yield _points(report)


def _answer(goal: Goal) -> str:
    """How far a goal is reached, in words."""
    said = wording()["goal"][goal.answer.value].format(line=goal.line)
    return f"{said}: {clean(goal.reason)}" if goal.reason else said


def _points(report: Report) -> str:
    """The points in words, and the lines that somebody has to look at."""
    known, said = wording()["page"], _out_of(report.points.given, report.points.of)
    lines = list(dict.fromkeys(str(line.line) for line in report.claims if not line.is_judged))
    if not lines:
        return said
    look = known["look" if len(lines) == 1 else "looks"].format(lines=", ".join(lines))
    return f"{said}; {look}"


def _out_of(given: int, of: int) -> str:
    """So many points of so many."""
    return wording()["page"]["point" if of == 1 else "points"].format(given=given, of=of)


def _grouped(report: Report) -> list[tuple[LineReport, list[LineReport]]]:
    """The rows that are shown, each with its pieces.

    Words are kept whole: a paragraph is one row, with the formulas that stand in its lines, and the
    claims among those follow it as rows of their own.
    """
    typed, rows = report.typed.split("\n"), []
    worded = _worded(report.lines, typed)
    groups: list[list[LineReport]] = []
    for line in report.lines:
        if groups and _goes_on(groups[-1], line, worded):
            groups[-1].append(line)
        else:
            groups.append([line])
    for group in groups:
        claims = [line for line in group if not _is_words(line)]
        words = [line for line in group if _is_words(line)]
        paragraph = _paragraph(group, typed) if words or len(claims) > 1 else []
        is_bare = paragraph == group and not any(_has_words(each.source) for each in words)
        if len(claims) == 1 and (is_bare or not words):
            pieces = group if words else _with_words(claims[0], typed)
            rows.append((_in_pieces(claims[0], pieces), pieces))
            continue
        if paragraph:
            whole = LineReport(group[0].line, 1, _joined(paragraph), "", Verdict.TEXT)
            rows.append((whole, paragraph))
        rows += [(line, [line]) for line in claims]
    return rows


def _worded(lines: Sequence[LineReport], typed: Sequence[str]) -> frozenset[int]:
    """The lines in which several claims were typed, with words beside them."""
    by_line: dict[int, list[str]] = {}
    for line in lines:
        by_line.setdefault(line.line, []).append(line.source)
    found = set()
    for number, sources in by_line.items():
        left = typed[number - 1] if len(sources) > 1 and number <= len(typed) else ""
        if not 0 < len(left) <= LONGEST_LINE:
            continue
        for source in sources:
            left = left.replace(source, " ", 1)
        if _has_words(left):
            found.add(number)
    return frozenset(found)


def _paragraph(group: Sequence[LineReport], typed: Sequence[str]) -> list[LineReport]:
    """The words and formulas of a paragraph; as typed where the reader has left some words out."""
    first, last = group[0].line, group[-1].line + group[-1].source.count("\n")
    if last > len(typed):
        return list(group)
    whole = " ".join(row.strip() for row in typed[first - 1 : last])
    if _words_of(whole) <= _words_of(_joined(group)):
        return list(group)
    parts = (part.strip() for part in _MATHS.split(whole))
    return [LineReport(first, 1, part, "", Verdict.TEXT) for part in parts if part]


def _words_of(text: str) -> set[str]:
    """The words of a text, and its letters; no commands of LaTeX."""
    return set(re.findall(r"[^\W\d_]+", re.sub(r"\\[A-Za-z]+", " ", text)))


_MATHS = re.compile(
    r"(\$\$[^$]+\$\$|(?<!\\)\$[^$]+\$"
    r"|\\\((?:[^$\\]|\\[^()])+\\\)|\\\[(?:[^$\\]|\\[^\[\]])+\\\]"
    r"|\\begin\{align\*?\}(?:[^$\\]|\\(?!(?:begin|end)\{align))+\\end\{align\*?\})"
)
"""Formulas within words; none begins within another, so that a text is gone over once."""


def _in_pieces(line: LineReport, pieces: Sequence[LineReport]) -> LineReport:
    """A line with what stands before and behind it in its row."""
    start = len(_joined([*pieces[: pieces.index(line)], line])) - len(line.source)
    span = line.span and (line.span[0] + start, line.span[1] + start)
    return replace(line, source=_joined(pieces), span=span)


def _with_words(line: LineReport, typed: Sequence[str]) -> list[LineReport]:
    """A line with the words that were typed before and behind it: "Thus … for all i"."""
    whole = typed[line.line - 1].strip() if line.line <= len(typed) else ""
    if not line.source or len(whole) > LONGEST_LINE or line.source not in whole:
        return [line]
    before, _, after = whole.partition(line.source)
    words = [LineReport(line.line, 1, part.strip(), "", Verdict.TEXT) for part in (before, after)]
    around = [[each] if _has_words(each.source) else [] for each in words]
    return [*around[0], line, *around[1]]


_NO_WORDS = re.compile(r"\\[A-Za-z]+\*?(?:\{[^{}]*\})?|%.*|[^\W_]*[\d_^][\w^]*")


def _has_words(part: str) -> bool:
    """Whether something beside a formula is more than signs, commands and names of quantities."""
    return re.search(r"[^\W\d_]{2}", _NO_WORDS.sub(" ", part)) is not None


def _is_words(line: LineReport) -> bool:
    """Whether a piece is prose, or a formula in it that says nothing."""
    return line.verdict is Verdict.TEXT and not line.read_as


def _goes_on(group: Sequence[LineReport], line: LineReport, worded: frozenset[int]) -> bool:
    """Whether a piece goes on with the paragraph before it, in its last line or the next one."""
    end = group[-1].line + group[-1].source.count("\n")
    is_prose = any(map(_is_words, group))
    if line.line == end:
        return is_prose or _is_words(line) or line.line in worded
    return line.line == end + 1 and is_prose and _is_words(line)


def _joined(pieces: Sequence[LineReport]) -> str:
    """A paragraph in one piece, without a blank before a comma."""
    said = ""
    for piece in pieces:
        blank = "" if not said or piece.source[:1] in _CLOSES else " "
        said += blank + piece.source
    return said


def marks(report: Report, *, points: bool = False) -> str:
    """A line and right or wrong, one a row, and under it how it was read.

    For what was not read also the column; with ``points`` those of the line and of the page.

    >>> from symback.checking.report import LineReport, Report, Verdict
    >>> first = LineReport(1, 1, "dL/dw = 2", "∂L/∂w = 2", Verdict.REFUTED)
    >>> print(marks(Report(Verdict.REFUTED, (first,), "2^-160")))
    line 1: wrong
        read as ∂L/∂w = 2
    """
    words = wording()
    order = list(_COLOURS)  # of several claims in one line the worst is told
    rows = [clean(report.convention)] if report.convention else []
    rows += _worth(report, points)
    by_line: dict[int, list[LineReport]] = {}
    for line in report.claims:
        by_line.setdefault(line.line, []).append(line)
    for number, claims in sorted(by_line.items()):
        worst = max(claims, key=lambda line: order.index(line.verdict))
        row = words["label"]["line"].format(line=number, word=words["word"][worst.verdict.value])
        row += f", {_column(worst)}" if worst.verdict is Verdict.UNREAD else ""
        worth = [line.points for line in claims if line.points is not None]
        if points and worth:
            row += f", {_out_of(sum(worth), len(worth))}"
        rows.append(row)
        rows += [f"    {words['label']['read_as']} {clean(line.read_as)}"
                 for line in claims if line.read_as]  # fmt: skip
    return "\n".join(rows) if by_line else report.summary


def _column(line: LineReport) -> str:
    return wording()["label"]["column"].format(column=line.column)


def _summary(report: Report) -> str:
    """One sentence on the whole: what was not judged stands before what is said of the rest."""
    known = wording()["page"]
    total = report.judged + report.not_judged
    left = known["left" if report.not_judged != 1 else "left_one"].format(
        count=report.not_judged, of=total
    )
    if report.verdict is Verdict.REFUTED and report.first_wrong is not None:
        wrong = known["refuted"].format(line=report.first_wrong)
        return f"{wrong}; {left}" if report.not_judged else wrong
    if not total:
        return known["text"]
    if not any(line.source for line in report.claims):
        return known["unread_page"]
    if not report.judged:
        return known["unjudged" if total != 1 else "unjudged_one"].format(of=total)
    if report.not_judged:
        return f"{left}; {known['unread']}"
    under = [line for line in report.lines if line.verdict is Verdict.CONDITIONAL]
    if report.verdict is Verdict.CONDITIONAL and under and all(line.is_rounded for line in under):
        return known["proved"]
    return known[report.verdict.value]


def _notes(report: Report) -> list[str]:
    """The notes, and how sure a proof is where there is one."""
    known = wording()["page"]
    sure = known[report.bound if report.bound in ("rounding", BY_VALUES) else "bound"]
    proved = any(line.verdict is Verdict.PROVED for line in report.lines)
    return [*map(clean, report.notes), *([sure.format(bound=report.bound)] if proved else [])]


def _line(line: LineReport, digits: int, style: Style, points: bool) -> Iterator[str]:
    """One line of the page, and under it what is said of it."""
    number = f"{line.line:>{digits}}"
    if points:
        worth = "?" if line.points is None else line.points
        number += "    " if line.verdict is Verdict.TEXT else f" [{worth}]"
    margin = f"{style.mark(line.verdict)} {number}  "
    indent = " " * (len(number) + 4)
    first, _, others = clean(line.source).partition("\n")  # less the blanks that all others share
    rows = [first.strip(), *(f"  {row}" for row in textwrap.dedent(others).splitlines())]
    marked = "\n".join(
        _wrapped(indent if number else margin, part, indent, style.width)
        for number, part in enumerate(rows)
    )
    yield _underlined(marked, len(indent), line, style)
    words = wording()
    named = (words["label"][key] for key in ("read_as", "mistake", "example", "correct"))
    column = max(map(len, (*named, *words["head"].values())))
    for label, said in _remarks(line):
        head = f"{indent}{style.coloured(label.ljust(column), '2')}  "
        yield _wrapped(head, said, " " * (len(indent) + column + 2), style.width)


def _underlined(shown: str, indent: int, line: LineReport, style: Style) -> str:
    """The rows of a line with its wrong side in colour, or without colours with ~~~ under it.

    Without colours the only right side of a line has no need of it.
    """
    if line.span is None or line.verdict is not Verdict.REFUTED:
        return shown
    before, side = line.source[: line.span[0]], line.source[slice(*line.span)]
    is_alone = len(_RELATION.findall(before)) < 2 and not line.source[line.span[1] :].strip()
    if is_alone and not style.is_coloured:
        return shown
    start = len("".join(clean(before).split()))
    stop = start + len("".join(clean(side).split()))
    rows, seen = [], 0
    for number, row in enumerate(shown.split("\n")):
        head, body = (row[: len(row) - len(row[indent:])], row[indent:])
        if number == 0:
            head, body = _after_margin(row, indent, style)
        inside = []
        for mark in body:
            inside.append(not mark.isspace() and start <= seen < stop)
            seen += not mark.isspace()
        if True not in inside:
            rows.append(row)
            continue
        first, last = inside.index(True), len(inside) - inside[::-1].index(True)
        if style.is_coloured:
            wrong = style.coloured(body[first:last], _COLOURS[Verdict.REFUTED])
            rows.append(head + body[:first] + wrong + body[last:])
        else:
            rows += [row, " " * (indent + first) + "~" * (last - first)]
    return "\n".join(rows)


_RELATION = re.compile(r"[=≈←]|\\(?:approx|gets|leftarrow|coloneqq)")


def _after_margin(row: str, indent: int, style: Style) -> tuple[str, str]:
    """A first row cut behind its margin, in which a mark may be coloured."""
    extra = len(style.mark(Verdict.REFUTED)) - 1
    return row[: indent + extra], row[indent + extra :]


def _remarks(line: LineReport) -> Iterator[tuple[str, str]]:
    """What is said under a line, each with its label."""
    label = wording()["label"]
    if not _reads_alike(line):
        yield label["read_as"], clean(line.read_as)
    if reason := _reason(line):
        yield wording()["head"][line.verdict.value], reason
    if line.is_rounded:  # what rounding explains is no mistake
        return
    for found in line.diagnosis:
        yield label["mistake"], clean(f"{found.name}: {found.detail}")
    if right := _right(line):
        yield label["correct"], clean(right)
    if line.witness is not None:
        values, sides = _values(line.witness), _sides(line.witness)
        yield label["example"], clean(f"{values}: {sides}" if values else sides)


def _reason(line: LineReport) -> str:
    """Why, and where in the line it could not be read."""
    if line.verdict is Verdict.UNREAD:
        return ": ".join(filter(None, (_column(line), clean(line.reason))))
    return clean(line.reason)


def _values(witness: Witness) -> str:
    """The numbers of an example, named as lines are echoed: ŷ_1 for yhat_1, η for eta."""
    shown = []
    for name, value in witness.values.items():
        letter, mark, numbers = name.partition("_")
        letter = SIGNS.get(letter, letter)
        shown.append(f"{letter}{mark}{numbers} = {value}")
    return ", ".join(shown)


def _sides(witness: Witness) -> str:
    return wording()["label"]["sides"].format(left=witness.left, right=witness.right)


def _right(line: LineReport) -> str:
    """The right side of a wrong line."""
    return line.correct or next((each.correct for each in line.diagnosis if each.correct), "")


def _reads_alike(line: LineReport) -> bool:
    """Whether the echo says nothing that the line itself does not."""
    return "".join(line.read_as.split()) in ("", "".join(line.source.split()))


def clean(said: str) -> str:
    """Text as it may be shown: tabs as spaces, all else that does not print as an escape."""
    return "\n".join(
        printable(row.rstrip("\r").expandtabs(4).rstrip(), LONGEST_LINE)
        for row in said.strip("\r\n").split("\n")
    )


class _Wrapper(textwrap.TextWrapper):
    """Breaks lines at blanks and, in a long formula, after a factor."""

    wordsep_simple_re = re.compile(r"(\s+|(?<=[·}⊙])(?=[^\s_^]))")


def _wrapped(head: str, said: str, indent: str, width: int) -> str:
    """``said`` after ``head``, which is as wide as ``indent``; further rows under ``indent``."""
    room = max(width - len(indent), NARROWEST // 2)
    rows = _Wrapper(room, break_on_hyphens=False).wrap(said) or [""]
    return (head + ("\n" + indent).join(rows)).rstrip(" ")


# ------------------------------------------------------------------------------------------- HTML


def page(report: Report, title: str = "", subtitle: str = "", *, points: bool = False) -> str:
    """The report as one HTML file: KaTeX and its fonts inside, no address outside itself.

    ``title`` and ``subtitle`` are words of a user, e.g. the names of the two files.
    """
    return (
        environment()
        .get_template("check.html")
        .render(
            **facts(report, points=points),
            title=clean(title) or wording()["title"]["untitled"],
            subtitle=clean(subtitle),
            css=(template_dir() / "check.css").read_text("utf-8"),
            **katex(),
        )
    )


def fragment(report: Report) -> str:
    """The report for a notebook: a table of text, without scripts or pictures.

    All that a student wrote stands in ``<code>``, where a notebook looks for no formulas.
    """
    return environment().get_template("check_fragment.html").render(**facts(report))


def facts(report: Report, *, points: bool = False) -> Mapping[str, Any]:
    """What the templates of a page, of a fragment and of a folder ask for."""
    return {
        "words": wording(),
        "convention_html": raised(clean(report.convention)),
        "summary": report.summary,
        "goals": [
            (raised(clean(goal.name)), goal.answer.value, raised(_answer(goal)))
            for goal in report.goals
        ],
        "points": _points(report) if points else "",
        "verdict": report.verdict.value,
        "mark": wording()["mark"][report.verdict.value],
        "rows": [row_facts(line, pieces) for line, pieces in _grouped(report)],
        "notes_html": [raised(note) for note in _notes(report)],
    }


def row_facts(line: LineReport, pieces: Sequence[LineReport]) -> Mapping[str, Any]:
    """One line for the templates; what ends in ``_html`` is escaped already."""
    witness = line.witness
    mistakes = () if line.is_rounded else line.diagnosis
    return {
        "number": line.line,
        "verdict": line.verdict.value,
        "mark": wording()["mark"][line.verdict.value],
        "word": wording()["word"][line.verdict.value],
        "source": clean(line.source),
        "points": "?" if line.points is None else line.points,
        "pieces": _split(line, pieces),
        "read_html": "" if _reads_alike(line) else raised(clean(line.read_as)),
        # a way to write what was not read stays as it must be typed
        "reason_html": (escape_xml if line.verdict is Verdict.UNREAD else raised)(_reason(line)),
        "mistakes": [(found.name, raised(clean(found.detail))) for found in mistakes],
        "values_html": raised(clean(_values(witness))) if witness else "",
        "sides_html": raised(clean(_sides(witness))) if witness else "",
        "correct_html": raised(clean(_right(line))) if mistakes or line.correct else "",
        "correct_latex": formula(line.correct_latex) if line.correct else "",
    }


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a line on the page: as typed, in LaTeX where KaTeX can set it, wrong or not.

    ``glue`` is what stands before it: a blank, but none before a comma.
    """

    source: str
    formula: str
    is_wrong: bool = False
    is_words: bool = False

    @property
    def glue(self) -> str:
        """What stands before it where it is not the first."""
        return "" if self.source[:1] in _CLOSES else " "


_CLOSES = (*",.;:!?)", *"，。；：、）")


def _piece(source: str, *, is_wrong: bool = False) -> Piece:
    return Piece(clean(source), formula(source), is_wrong)


def _split(line: LineReport, pieces: Sequence[LineReport]) -> list[Piece]:
    """A row in pieces: words, formulas among them, and of a wrong line its wrong side."""
    made: list[Piece] = []
    for piece in pieces:
        if piece.verdict is Verdict.TEXT and line.verdict is not Verdict.TEXT:
            made.append(replace(_piece(piece.source), is_words=True))
        else:
            made += _sides_of(piece) or [_piece(piece.source)]
    return made


def _sides_of(line: LineReport) -> list[Piece]:
    """What stands before the wrong side, that side, and what stands behind it; none if whole.

    LaTeX can be cut only where each piece is a formula by itself.
    """
    if line.span is None or line.verdict is not Verdict.REFUTED:
        return []
    start, stop = line.span
    parts = line.source[:start], line.source[start:stop], line.source[stop:]
    is_latex = bool(formula(line.source))
    if is_latex and not all(map(_is_whole, parts)):
        return []
    made = [_piece(part, is_wrong=part is parts[1]) for part in parts if part.strip()]
    if not is_latex:
        return made
    return [replace(each, formula=each.formula or _inside(each.source)) for each in made]


def _is_whole(part: str) -> bool:
    """Whether every bracket and environment of LaTeX that is opened in a piece is closed in it."""
    pairs = (
        ("{", "}"),
        (r"\begin", r"\end"),
        (r"\left", r"\right"),
        (r"\[", r"\]"),
        (r"\(", r"\)"),
    )
    return "$" not in part and r"\\" not in part and all(
        part.count(start) == part.count(end) for start, end in pairs
    )  # fmt: skip


# ------------------------------------------------------------------------- formulas on the page

_LATEX = re.compile(r"\\[A-Za-z]|^(?!.*[_^][0-9A-Za-z]{2})(?s:.*)[_^]\{")
"""Commands make a line LaTeX, and so do braces where no w_12 stands, which TeX sets as w_1 2."""

_OUTSIDE = ("$$", "$$"), ("$", "$"), (r"\[", r"\]"), (r"\(", r"\)")
_NO_FORMULA = re.compile(
    r"\\(?:begin|end)\{(?:align|gather|equation|eqnarray|multline|flalign)\*?\}"
    r"|\\(?:notag|nonumber)(?![A-Za-z])|\\(?:label|tag)\*?\{[^{}]*\}"
)
"""What stands around a formula, and its number: KaTeX has no place for them within a line."""


def formula(source: str) -> str:
    """What of a line KaTeX can set: without its delimiters; empty where it is no LaTeX."""
    inside = _NO_FORMULA.sub("", source).strip()
    for start, end in _OUTSIDE:
        if len(inside) > len(start + end) and inside.startswith(start) and inside.endswith(end):
            inside = inside[len(start) : -len(end)].strip()
    return _inside(inside) if _LATEX.search(inside) else ""


def _inside(inside: str) -> str:
    """A formula without delimiters as KaTeX takes it; empty where it is too long."""
    if len(inside) > LONGEST_LINE:
        return ""
    inside = inside.removesuffix("\\\\").strip()
    if "&" not in inside or r"\begin" in inside:
        return inside
    is_one_row = inside.count("&") == 1
    return inside.replace("&", "") if is_one_row else rf"\begin{{aligned}}{inside}\end{{aligned}}"


_INDEX = re.compile(
    r"([_^])(?:\{([^{}]*)\}|((?<=\^)-\d+|[0-9A-Za-zℓ]+(?:,[0-9]+)*|\([^()]{1,12}\)))"
)


_MINUS = re.compile(r"(?<![^\W_])-(?!-)")
_SHORT_BRACKET = re.compile(r"\([^()]{1,20} [-+] [^()]{1,20}\)")


def raised(said: str) -> str:
    """Canonical text as HTML: indices lowered, exponents raised, a minus that is no hyphen.

    No line ends within a short bracket.

    >>> raised("∂L/∂w_2,11,3 < e^{-a_21}"), raised("pre-image 2^-160")
    ('∂L/∂w<sub>2,11,3</sub> &lt; e<sup>−a<sub>21</sub></sup>', 'pre-image 2<sup>−160</sup>')
    """
    whole = _SHORT_BRACKET.sub(lambda found: found[0].replace(" ", "\u00a0"), said)
    pieces = _INDEX.split(whole)
    found = [_written(pieces[0])]
    for sign, braced, plain, after in zip(*(pieces[k::4] for k in (1, 2, 3, 4)), strict=True):
        tag = "sub" if sign == "_" else "sup"
        inside = plain if braced is None else braced
        found.append(f"<{tag}>{raised(inside)}</{tag}>{_written(after)}")
    return "".join(found)


def _written(words: str) -> str:
    return escape_xml(_MINUS.sub("−", words))
