"""A page about a network of equations: a program or formulas, read and judged.

`check_system` is what `symback.checking.pipeline.check` calls for such networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from symback.checking.report import Report, Verdict
from symback.checking.system_code import program_in, without_programs
from symback.checking.system_formulas import check_formulas
from symback.checking.system_goals import asked, goals_of
from symback.checking.system_names import backward_of
from symback.checking.system_programs import check_program


def check_system(
    text: str,
    net: Any,
    wrt: str | None = None,
    *,
    goals: Sequence[str] | None = None,
    rename: Mapping[str, str] | None = None,
) -> Report:
    """The report on a page, a program in NumPy or a derivation in formulas.

    Raises `UnknownElement` for ``wrt`` and ``goals`` that are no array or element of the network.
    """
    backward = backward_of(net)
    assert backward is not None
    about = None if wrt is None else asked(wrt, backward)
    for goal in backward.forward.goals if goals is None else goals:
        asked(goal, backward)
    tree = program_in(text)
    if tree is None:
        report = check_formulas(text, backward, about, rename=rename)
    else:
        report = check_program(tree, text, backward, rename=rename)
        words = without_programs(text)
        if "=" in words:
            report = _together(report, check_formulas(words, backward, about, rename=rename))
    reached = tuple(goals_of(report, net, goals))
    return replace(report, goals=reached, typed=text)


def _together(program: Report, formulas: Report) -> Report:
    """One report on a page of formulas with a program among them."""
    if not formulas.lines:
        return program
    lines = tuple(sorted((*program.lines, *formulas.lines), key=lambda each: each.line))
    order = (Verdict.REFUTED, Verdict.UNREAD, Verdict.UNDECIDED, Verdict.CONDITIONAL)
    verdicts = {program.verdict, formulas.verdict}
    overall = next((each for each in order if each in verdicts), Verdict.PROVED)
    reaches = program.reaches or formulas.reaches
    return replace(program, verdict=overall, lines=lines, reaches=reaches)
