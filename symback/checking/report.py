"""What a check found: a `Report` of `LineReport`s, with `Diagnosis` and `Witness` where wrong.

A report is true where nothing is wrong.  `Report.as_data` is the JSON of ``symback check --json``;
`symback.checking.showing` writes it for a terminal and as a page.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Diagnosis", "LineReport", "Report", "Verdict", "Witness"]


class Verdict(enum.Enum):
    """What is said of a line, or of a whole page."""

    PROVED = "proved"
    REFUTED = "refuted"
    FOLLOWS = "follows"  # right only given an earlier error
    CONDITIONAL = "conditional"  # right under a condition that the reason states
    UNDECIDED = "undecided"
    UNREAD = "unread"
    TEXT = "text"  # no claim


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


@dataclass(frozen=True, slots=True)
class Report:
    """All lines of a page; ``bound`` is the chance that a "proved" is not so, e.g. ``2^-160``."""

    verdict: Verdict
    lines: tuple[LineReport, ...]
    bound: str
    notes: tuple[str, ...] = field(default=())
    """Sentences about the whole page: conventions it uses, facts assumed, how it was read."""

    def __bool__(self) -> bool:
        return self.verdict in (Verdict.PROVED, Verdict.CONDITIONAL)

    @property
    def first_wrong(self) -> int | None:
        """The line of the first refuted claim."""
        wrong = (line.line for line in self.lines if line.verdict is Verdict.REFUTED)
        return next(wrong, None)

    def as_data(self) -> dict[str, Any]:
        """The report as ``--json`` prints it."""
        return {
            "verdict": self.verdict.value,
            "first_wrong": self.first_wrong,
            "bound": self.bound,
            "lines": [line.as_data() for line in self.lines],
            "notes": list(self.notes),
        }
