"""How far a page or a file of arrays answers what a system's author asks for.

Here one can

* read what is asked for, an array or an element of one, U or U[1,2]: `Asked`, `asked`;
* say of each goal whether a line that is right gives its derivative: `goals_of`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from symback.checking.report import Answer, Goal, Report, Verdict
from symback.checking.system_names import array_called, backward_of
from symback.equations.adjoints import Backward
from symback.language.errors import SymbackError, did_you_mean, printable


class UnknownElement(SymbackError):
    """What is asked for is no array of the network, or no element of one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An array and, where one element is asked for, its indices."""

    array: str
    at: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.array}[{','.join(map(str, self.at))}]" if self.at else self.array


def asked(text: str, backward: Backward) -> Asked:
    """What ``U``, ``U[1,2]`` or ``U_12`` asks for; raises `UnknownElement`."""
    system = backward.forward
    name, bracket, inside = (part.strip() for part in text.strip().rstrip("]").partition("["))
    array = array_called(name, system)
    if array is None and not bracket:
        split = re.fullmatch(r"(.+)_(\d+)", name)
        array = split and array_called(split[1], system)
        inside = ",".join(split[2]) if split else ""
    if array is None or array not in backward.adjoints:
        raise UnknownElement(
            f"there is no array {printable(name)} that leads to the loss"
            f"{did_you_mean(name, backward.adjoints)}"
        )
    numbers = [each.strip() for each in inside.split(",")] if inside else []
    if not all(each.isdecimal() for each in numbers):
        raise UnknownElement(f"{printable(text)}: expected numbers for indices, as in U[1,2]")
    at = tuple(map(int, numbers))
    shape = system.by_name[array].shape
    if at and len(at) != len(shape):
        raise UnknownElement(
            f"{array} has {len(shape)} indices, [{', '.join(map(str, shape))}]; "
            f"{printable(text)} gives {len(at)}"
        )
    return Asked(array, at)


def goals_of(report: Report, net: Any, goals: Sequence[str] | None) -> Iterator[Goal]:
    """Each goal, and the first line that is right and says what its derivative is."""
    backward = backward_of(net)
    assert backward is not None
    for text in backward.forward.goals if goals is None else goals:
        goal = asked(text, backward)
        wanted = {f"∂L/∂{goal.array}", f"∂L/∂{goal}"}
        line = next(
            (
                each.line
                for each in report.lines
                if each.points
                and each.verdict is not Verdict.FOLLOWS
                and each.read_as.split(" = ")[0].split("[t")[0] in wanted
            ),
            None,
        )
        yield Goal(str(goal), Answer.NOT_ANSWERED if line is None else Answer.ANSWERED, line)
