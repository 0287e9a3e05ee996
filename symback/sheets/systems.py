"""What is said of networks as equations: one derivation in a line, as text, as data.

Decisions live here, words in ``templates/words.toml``; nothing is derived here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from symback.equations import writing
from symback.equations.adjoints import Deduction, Step
from symback.equations.derivation import Derivation, told_apart
from symback.equations.indices import Range
from symback.equations.system import System
from symback.equations.terms import Read, Term
from symback.sheets.page import LINE, Formula, Row, Say, Words, lines


class SystemPen:
    """Writes the formulas of a system in both dialects, long lines broken."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.latex, self.text = writing.latex(system), writing.text(system)

    def formula(self, term: Term) -> Formula:
        """A formula on one line."""
        return Formula(self.latex.write(term), self.text.write(term))

    def ranges(self, ranges: Iterable[Range]) -> Formula:
        """``t = 1…T, i = 1…n``."""
        ranges = tuple(ranges)
        return Formula(self.latex.ranges(ranges), self.text.ranges(ranges))

    def row(
        self,
        lhs: Read | None,
        rhs: Term,
        reason: Say | None = None,
        ranges: tuple[Range, ...] = (),
        *,
        is_result: bool = False,
        room: float = LINE,
    ) -> Row:
        """``lhs = rhs``, for the letters of ``ranges``; without ``lhs`` one more equality."""
        left = None if lhs is None else self.formula(lhs)
        broken = lines(rhs, self.latex.within(ranges), room)
        text = self.text.within(ranges).write(rhs)
        return Row(left, "=", tuple(broken), text, reason, is_result=is_result)


def reason(step: Step, is_first: bool = False) -> Say:
    """The rule of a step in words, with what it assumes; ``is_first`` of its deduction."""
    facts: dict[str, Any] = {"unrolled": False, "is_first": is_first}
    if step.because:
        facts |= {"sum": Words(step.because), "since": Words(step.because)}
    return Say(f"rule.{step.rule.name.lower()}", facts)


def deduction_rows(pen: SystemPen, deduction: Deduction) -> Iterator[Row]:
    """A deduction, one equality a row."""
    own = deduction.definition
    for position, step in enumerate(deduction.steps):
        lhs = None if position else own.lhs
        yield pen.row(lhs, step.term, reason(step, not position), own.ranges)


def one_line(derivation: Derivation) -> str:
    """``∂L/∂U_12 = …`` as text."""
    return str(derivation)


def latex(derivation: Derivation) -> str:
    """The conclusion as an ``aligned`` block, lines broken to fit a page."""
    pieces = []
    for row in deduction_rows(SystemPen(derivation.system), derivation.conclusion):
        lhs = row.lhs.latex if row.lhs is not None else ""
        pieces.append(f"{lhs} &= " + r" \\ &\quad ".join(row.lines))
    return "\\begin{aligned} " + r" \\ ".join(pieces) + " \\end{aligned}"


def text(derivation: Derivation, say: Callable[[Say], str]) -> str:
    """The derivation as text, from the loss back, the conclusion last, in one's words."""
    pen, found = SystemPen(derivation.system), []
    for deduction in told(derivation):
        where = pen.ranges(deduction.definition.ranges).text
        lhs, behind = pen.formula(deduction.definition.lhs).text, f"    for {where}" * bool(where)
        for row in deduction_rows(pen, deduction):
            assert row.reason is not None
            found.append(f"{lhs} = {row.text}    [{say(row.reason)}]{behind}")
            lhs, behind = " " * len(lhs), ""
    return "\n".join(found)


def told(derivation: Derivation) -> Iterator[Deduction]:
    """The deductions as they are shown: a recurrence after its end, the conclusion last."""
    for deduction in derivation.general:
        yield from told_apart(deduction)
    yield from derivation.elements
    yield derivation.conclusion


def as_data(derivation: Derivation, deduction: Deduction, say: Callable[[Say], str]) -> Any:
    """One deduction as plain data: the left-hand side, its ranges, each equality with its rule."""
    pen, own = SystemPen(derivation.system), deduction.definition
    lhs = pen.formula(own.lhs)
    steps = [
        {
            "rule": step.rule.name.lower(),
            "reason": say(reason(step, step is deduction.steps[0])),
            "text": pen.text.within(own.ranges).write(step.term),
            "latex": pen.latex.within(own.ranges).write(step.term),
        }
        for step in deduction.steps
    ]
    where = pen.ranges(own.ranges)
    return {"lhs": lhs.text, "latex": lhs.latex, "for": where.text, "steps": steps}
