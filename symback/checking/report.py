"""What a check found: a `Report` of `LineReport`s, with `Diagnosis` and `Witness` where wrong.

Here one can

* ask whether a page is right: ``bool(report)``, ``report.first_wrong``;
* read the report: ``print(report)``, and in a notebook it shows itself;
* get the JSON of ``symback check --json``: `Report.as_data`;
* keep only what an examination may say: `Report.for_exam`.

`symback.checking.showing` writes a report for a terminal and as a page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from symback.checking import showing
from symback.checking.findings import Diagnosis, LineReport, Verdict, Witness

__all__ = ["Diagnosis", "LineReport", "Report", "Verdict", "Witness"]


@dataclass(frozen=True, slots=True)
class Report:
    """All lines of a page; ``bound`` is the chance that a "proved" is not so, e.g. ``2^-160``."""

    verdict: Verdict
    lines: tuple[LineReport, ...]
    bound: str
    notes: tuple[str, ...] = field(default=())
    """Sentences about the whole page: conventions it uses, facts assumed, how it was read."""
    reaches: bool = True
    """Whether a line that is right says what the derivative asked for is, or any where none was."""

    def __bool__(self) -> bool:
        return self.verdict in (Verdict.PROVED, Verdict.CONDITIONAL)

    @property
    def finds_nothing_wrong(self) -> bool:
        """Whether something on the page could be judged, and none of it is wrong."""
        verdicts = {line.verdict for line in self.lines}
        right = {Verdict.PROVED, Verdict.CONDITIONAL} & verdicts
        return bool(right) and verdicts.isdisjoint((Verdict.REFUTED, Verdict.FOLLOWS))

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

    def for_exam(self) -> Report:
        """The same with only the place of each line and right or wrong: nothing leaks the answer.

        ``conditional`` counts as right, as it does for ``bool(report)``.
        """
        verdict = Verdict.PROVED if self.verdict is Verdict.CONDITIONAL else self.verdict
        lines = tuple(line.for_exam() for line in self.lines)
        return Report(verdict, lines, self.bound, reaches=self.reaches)

    def __str__(self) -> str:
        return showing.text(self)

    def _repr_html_(self) -> str:
        return showing.fragment(self)
