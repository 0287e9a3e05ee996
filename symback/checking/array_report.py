"""What a check of arrays found, array by array: text, JSON, and the lines of a page's report.

Here one can

* ask whether arrays are right: an `ArraysReport`, true where nothing is wrong, of `ArrayReport`s in
  the order of computation, each with its verdict, its mistakes by name and its `WorstEntry`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from symback.checking.report import Diagnosis, LineReport, Report, Verdict, Witness
from symback.language.errors import printable

MARKS = {
    Verdict.PROVED: "✓",
    Verdict.CONDITIONAL: "✓",
    Verdict.REFUTED: "✗",
    Verdict.FOLLOWS: "↳",
    Verdict.UNDECIDED: "?",
    Verdict.UNREAD: "?",
}


@dataclass(frozen=True, slots=True)
class WorstEntry:
    """The entry that is farthest off: its name, counted from 1, what it is and what is right."""

    name: str
    value: float
    truth: float

    @property
    def ratio(self) -> float | None:
        """value / truth, where there is one."""
        usable = self.truth != 0 and math.isfinite(self.value)
        return self.value / self.truth if usable else None

    def as_data(self) -> dict[str, Any]:
        """As JSON; what is no finite number becomes text."""
        value = self.value if math.isfinite(self.value) else str(self.value)
        return {"entry": self.name, "value": value, "truth": self.truth, "ratio": self.ratio}

    def __str__(self) -> str:
        ratio = "" if self.ratio is None else f", {self.ratio:.6g} times as much"
        return f"{self.name} is {self.value:.9g}; right is {self.truth:.9g}{ratio}"


@dataclass(frozen=True, slots=True)
class ArrayReport:
    """One array: its name, what it is read as, what is said of it and why."""

    name: str
    read_as: str
    shape: tuple[int, ...]
    dtype: str
    verdict: Verdict
    reason: str = ""
    diagnosis: tuple[Diagnosis, ...] = ()
    worst: WorstEntry | None = None

    def as_data(self) -> dict[str, Any]:
        """The array as ``--json`` prints it."""
        return {
            "name": printable(self.name),
            "read_as": self.read_as,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "diagnosis": [each.as_data() for each in self.diagnosis],
            "worst": self.worst and self.worst.as_data(),
        }

    def as_line(self, line: int) -> LineReport:
        """The array as a line of a page."""
        worst = self.worst
        witness = worst and Witness({"entry": worst.name}, repr(worst.truth), repr(worst.value))
        return LineReport(line, 1, printable(self.name), self.read_as, self.verdict, self.reason,
                          self.diagnosis, witness, self.correct)  # fmt: skip

    @property
    def correct(self) -> str:
        """The right formula, for an array that is wrong."""
        return self.diagnosis[0].correct if self.diagnosis else ""

    def __str__(self) -> str:
        shape = "×".join(map(str, self.shape)) or "scalar"
        meant = f" = {self.read_as}" if self.read_as else ""
        name = f"{MARKS[self.verdict]} {printable(self.name)}{meant}"
        lines = [f"{name} ({shape}, {self.dtype}): {self.verdict.value}"]
        lines += [f"    {text}" for text in (self.reason,) if text]
        lines += [f"    {found.name}: {found.detail}" for found in self.diagnosis]
        lines += [f"    {self.worst}"] if self.worst is not None else []
        return "\n".join([*lines, *([f"    right: {self.correct}"] if self.correct else [])])


@dataclass(frozen=True, slots=True)
class ArraysReport:
    """All arrays in the order of computation: the forward pass, then from the loss back.

    ``print(report)`` shows it, `as_data` is the JSON of ``symback check grads.npz --json``.
    """

    verdict: Verdict
    arrays: tuple[ArrayReport, ...]
    notes: tuple[str, ...] = ()
    """Sentences about all arrays: conventions they keep, slopes at kinks."""
    convention: str = ""
    """How the file was read, in one sentence: letters, layouts, from where lists are counted."""

    def __bool__(self) -> bool:
        return self.verdict in (Verdict.PROVED, Verdict.CONDITIONAL)

    @property
    def first_wrong(self) -> str | None:
        """The name of the first array that is wrong on its own account."""
        wrong = (each.name for each in self.arrays if each.verdict is Verdict.REFUTED)
        return next(wrong, None)

    def __getitem__(self, name: str) -> ArrayReport:
        """What is said of the array called ``name``."""
        return next(each for each in self.arrays if each.name == name)

    def as_data(self) -> dict[str, Any]:
        """The report as ``--json`` prints it."""
        first = self.first_wrong
        return {
            "convention": self.convention,
            "verdict": self.verdict.value,
            "first_wrong": None if first is None else printable(first),
            "arrays": [each.as_data() for each in self.arrays],
            "notes": list(self.notes),
        }

    def as_report(self) -> Report:
        """The same as the report of a page, one line an array, for whatever shows pages."""
        lines = tuple(each.as_line(line) for line, each in enumerate(self.arrays, start=1))
        return Report(self.verdict, lines, "rounding", self.notes, convention=self.convention)

    def __str__(self) -> str:
        head = [self.convention] if self.convention else []
        notes = (f"note: {note}" for note in self.notes)
        return "\n".join([*head, *map(str, self.arrays), *notes])
