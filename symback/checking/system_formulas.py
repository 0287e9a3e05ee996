"""Formulas about a network of equations: not read yet."""

from __future__ import annotations

from collections.abc import Mapping

from symback.checking.report import LineReport, Report, Verdict
from symback.checking.system_goals import Asked
from symback.equations.adjoints import Backward


def check_formulas(
    text: str, backward: Backward, about: Asked | None, *, rename: Mapping[str, str] | None = None
) -> Report:
    """Every formula is left unread."""
    del backward, about, rename
    reason = "formulas about such a network are not read; write the backward pass as a program"
    lines = tuple(
        LineReport(k, 1, row, "", Verdict.UNREAD, reason)
        for k, row in enumerate(text.split("\n"), start=1)
        if "=" in row
    )
    return Report(Verdict.UNREAD if lines else Verdict.NO_CLAIM, lines, "")
