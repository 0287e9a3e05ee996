"""What is found of one line: its `Verdict`, the `Diagnosis` where wrong, a `Witness` in numbers.

A `LineReport` holds all that is said of a claim.  `symback.checking.report.Report` is a page of
them, `symback.checking.showing` writes them for a reader.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Diagnosis", "LineReport", "Verdict", "Witness"]


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


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A mistake by name (the names of CHECKING.md), what of it is in the line, and the right line.

    ``detail`` is one sentence without the line number, ``correct`` the right side in canonical
    form.
    """

    name: str
    detail: str
    correct: str = ""


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
            "diagnosis": [
                {"name": found.name, "detail": found.detail, "correct": found.correct}
                for found in self.diagnosis
            ],
            "witness": witness
            and {"values": dict(witness.values), "left": witness.left, "right": witness.right},
        }

    def for_exam(self) -> LineReport:
        """Only where the line stands and whether it is right: nothing that leaks the answer.

        What follows from an error is wrong too, and a condition is not named.
        """
        return LineReport(
            self.line, self.column, self.source, "", _IN_EXAMS.get(self.verdict, self.verdict)
        )


_IN_EXAMS = {Verdict.FOLLOWS: Verdict.REFUTED, Verdict.CONDITIONAL: Verdict.PROVED}
