"""Submissions: a file, a folder of them, and a line for an autograder.

Here one can

* check a file of hand derivation, or of arrays: `Exercise.check_file`;
* check a whole folder, one `Row` and one report a file: `checked`; write the rows as CSV: `HEAD`,
  `as_csv`; the page of a folder is made of both (`symback.checking.overview`);
* assert in a test that a derivation is right: `assert_derivation`.

A folder is read as it is handed in: links are not followed, a file that is no text, too large, or
that breaks symback itself gets a row that says so, and the next one is read.  A cell that a
spreadsheet would take for a formula is made text.
"""

from __future__ import annotations

import csv
import enum
import io
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from symback.checking import check
from symback.checking.report import Answer, Goal, LineReport, Report, Verdict, marks
from symback.checking.system_goals import goals_of
from symback.checking.system_names import backward_of
from symback.engine.work import Work, goal_name
from symback.language import files
from symback.language.budget import SECONDS
from symback.language.errors import SymbackError, printable
from symback.language.names import SIGNS

MOST_BYTES = 200_000
"""A page of derivation is smaller."""

LONGEST_CELL = 500


class BadSubmission(SymbackError):
    """A file that is no text that could be read, or too large."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """What submissions are checked against: a network, and by what they differentiate.

    ``wrt`` is the name of a weight where a page begins with its right side, ``notation`` how the
    pages write, ``strict`` whether what the network file fixes is wrong where a page has another
    convention, ``goals`` what the pages should answer (None: those of the network file), ``rename``
    what symback calls the arrays of a file, ``budget`` how many seconds of the processor each page
    may take.
    """

    net: Work
    wrt: str | None = None
    notation: str = "auto"
    strict: bool = False
    goals: Sequence[str] | None = None
    rename: tuple[tuple[str, str], ...] = ()
    prove: bool = False
    budget: float = SECONDS

    def check_text(self, text: str) -> Report:
        """The report on one page."""
        return check(text, self.net, self.wrt, notation=self.notation, strict=self.strict,
                     goals=self.goals, prove=self.prove, budget=self.budget,
                     rename=dict(self.rename))  # fmt: skip

    def check_file(self, path: Path) -> Report:
        """The report on a file, of arrays one line an array.

        Raises `BadSubmission` where it cannot be read at all.
        """
        if path.suffix == ".npz":
            from symback.checking.arrays import check_arrays_file  # 0.1 s that a page need not wait

            report = check_arrays_file(
                path, self.net, notation=self.notation, rename=dict(self.rename),
                strict=self.strict,
            ).as_report()  # fmt: skip
            return replace(report, goals=tuple(self._in_arrays(report)))
        try:
            content = files.content(path, MOST_BYTES)
        except files.CannotRead as error:
            raise BadSubmission(f"{printable(str(path), 200)}: {error.message}") from None
        return self.check_text(decoded(content, str(path)))

    def _in_arrays(self, report: Report) -> Iterator[Goal]:
        """How far a file of arrays answers the goals: an array holds all derivatives of a layer."""
        if backward_of(self.net) is not None:
            yield from goals_of(report, self.net, self.goals)
            return
        names = self.net.spec.goals if self.goals is None else self.goals
        for goal in map(self.net.goal, names):
            head, layer, _ = re.split(r"(\d*)$", goal.variable.name, maxsplit=1)
            shown = f"∂L/∂{SIGNS.get(head, head)}" + (f"_{layer}" if layer else "")
            right = (line for line in report.lines if line.read_as == shown and line.points)
            line = next((each.line for each in right if each.verdict is not Verdict.FOLLOWS), None)
            answer = Answer.NOT_ANSWERED if line is None else Answer.ANSWERED
            yield Goal(goal_name(goal), answer, line)


def decoded(content: bytes, name: str) -> str:
    r"""The text of a submission; raises `BadSubmission` where it is too large or not UTF-8.

    >>> decoded(b"\xef\xbb\xbf= 2 w\r\n", "page.txt")
    '= 2 w\n'
    """
    shown = printable(name, 200)
    if len(content) > MOST_BYTES:
        raise BadSubmission(f"{shown} is larger than {MOST_BYTES // 1000} kB; split it into pages")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = content.count(b"\n", 0, error.start) + 1
        raise BadSubmission(f"{shown} is not UTF-8 text (line {where}); save it as UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


# ----------------------------------------------------------------------------------------- a folder


class Triage(enum.Enum):
    """What somebody who grades has to do with a submission: nothing, or look at it."""

    RIGHT = "sure-right"
    WRONG = "sure-wrong"
    LOOK = "look-yourself"

    @classmethod
    def of(cls, report: Report) -> Triage:
        """Where a report belongs.

        It is surely wrong where a line is; surely right where every line was judged and is right,
        without a condition, and all that was asked for is answered.
        """
        if report.first_wrong is not None:
            return cls.WRONG
        is_sure = not report.not_judged and all(map(_is_plain, report.claims))
        answers = {goal.answer for goal in report.goals}
        return cls.RIGHT if report and is_sure and answers <= {Answer.ANSWERED} else cls.LOOK


def _is_plain(line: LineReport) -> bool:
    """Whether a line is right, and nothing need be said against it."""
    return line.verdict is Verdict.PROVED or line.is_rounded


@dataclass(frozen=True, slots=True)
class Row:
    """What the table says of one file; ``verdict`` is "error" for one that was not checked.

    ``goals`` are as "w_212 answered;b_21 partly", ``not_judged`` the lines that were not,
    ``points`` those given ``of`` so many.
    """

    file: str
    verdict: str
    first_wrong: int | str = ""
    lines: int = 0
    proved: int = 0
    refuted: int = 0
    conditional: int = 0
    undecided: int = 0
    unread: int = 0
    mistakes: str = ""
    message: str = ""
    triage: str = Triage.LOOK.value
    goals: str = ""
    not_judged: str = ""
    points: int = 0
    of: int = 0
    finds_nothing_wrong: bool = False
    is_defect: bool = False
    """Whether symback itself failed on the file."""

    @classmethod
    def made(cls, file: str, report: Report, *, exam: bool = False) -> Row:
        """The row of a report; with ``exam`` it says right or wrong, and not why."""
        triage = Triage.of(report)
        report = report.for_exam() if exam else report
        claims = report.claims
        count = Counter(line.verdict.value for line in claims)
        names = dict.fromkeys(
            found.name for line in claims if not line.is_rounded for found in line.diagnosis
        )
        unjudged = dict.fromkeys(str(line.line) for line in claims if not line.is_judged)
        worst = next((line for line in claims if line.verdict is report.verdict), None)
        message = ""
        if worst is None:
            message = "" if report else "no claim was found"
        elif not report:
            place = f"line {worst.line}"
            if worst.verdict is Verdict.UNREAD:
                place += f", column {worst.column}"
            said = filter(None, [worst.reason, *(each.detail for each in worst.diagnosis[:1])])
            message = ": ".join(filter(None, [place, "; ".join(said)]))
        return cls(
            file,
            report.verdict.value,
            report.first_wrong or "",
            len(claims),
            proved=count["proved"],
            refuted=count["refuted"],
            conditional=count["conditional"],
            undecided=count["undecided"],
            unread=count["unread"],
            mistakes=";".join(names),
            message=message,
            triage=triage.value,
            goals=";".join(f"{goal.name} {goal.answer.value}" for goal in report.goals),
            not_judged=";".join(unjudged),
            points=report.points.given,
            of=report.points.of,
            finds_nothing_wrong=report.finds_nothing_wrong,
        )


def submissions(folder: Path) -> list[Path]:
    """Every file of a folder and of those in it, sorted by name; hidden ones are left out."""
    found = []
    for here, inner, names in os.walk(folder):
        inner[:] = [name for name in inner if not name.startswith(".")]
        found += [Path(here, name) for name in names if not name.startswith(".")]
    return sorted(found, key=lambda path: path.relative_to(folder).parts)


def checked(
    exercise: Exercise, folder: Path, *, exam: bool = False
) -> Iterator[tuple[Row, Report | None]]:
    """One row a file of ``folder``, whatever the files are, and its report where there is one.

    With ``exam`` neither says why.
    """
    for path in submissions(folder):
        name = path.relative_to(folder).as_posix()
        try:
            if path.is_symlink():
                raise BadSubmission("a link, which is not followed")
            report = exercise.check_file(path)
            row = Row.made(name, report, exam=exam)
            yield row, report.for_exam() if exam else report
        except SymbackError as error:
            here = printable(str(path), 200)  # of the folder everybody knows where it lies
            yield Row(name, "error", message=error.message.replace(here, name)), None
        except Exception as error:  # noqa: BLE001 - a defect met in one file must not stop the rest
            said = "" if exam else f": {type(error).__name__}: {error}"
            yield Row(name, "error", message=f"symback failed{said}", is_defect=True), None


_COLUMNS = tuple(
    each.name for each in fields(Row) if each.name not in ("finds_nothing_wrong", "is_defect")
)

HEAD = ",".join(_COLUMNS)
"""The first line of a table."""


def as_csv(row: Row) -> str:
    """A row as a line of CSV, without its end.

    >>> as_csv(Row("=1+1.txt", "proved", lines=2, proved=2))
    "'=1+1.txt,proved,,2,2,0,0,0,0,,,look-yourself,,,0,0"
    """
    written = io.StringIO()
    cells = (_cell(getattr(row, column)) for column in _COLUMNS)
    csv.writer(written, lineterminator="").writerow(cells)
    return written.getvalue()


def _cell(value: int | str) -> int | str:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(value, int):
        return value
    shown = printable(value, LONGEST_CELL)
    begins = (value.lstrip()[:1], value[:1])  # a tab or a line end is enough for some
    return f"'{shown}" if {"=", "+", "-", "@", "\t", "\r", "\n"}.intersection(begins) else shown


# ------------------------------------------------------------------------------------ an autograder


def assert_derivation(
    text: str,
    net: Work,
    wrt: str | None = None,
    *,
    notation: str = "auto",
    strict: bool = False,
    goals: Sequence[str] | None = None,
    exam: bool = False,
) -> None:
    """Raise `AssertionError` with the report unless all is right and the derivative is reached.

    That is: all was read, nothing is wrong, and a line says what ∂L/∂wrt is; without ``wrt``, what
    some derivative is.  All ``goals`` (default: those of the network file) are answered.
    ``exam`` names only the line and right or wrong.
    """
    report = check(text, net, wrt, notation=notation, strict=strict, goals=goals)
    if not report:
        raise AssertionError(marks(report.for_exam()) if exam else f"\n{report}")
    if not report.reaches:
        wanted = "a derivative" if wrt is None else f"the derivative by {wrt}"
        raise AssertionError(f"no line says what {wanted} is")
    for goal in report.goals:
        if goal.answer is not Answer.ANSWERED:
            raise AssertionError(f"the derivative by {goal.name} is {goal.answer.value}")
