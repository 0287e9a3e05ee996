"""What a sheet needs to know of a network: `Work`, its letters, its numbers as they are printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import sympy
from sympy import Expr

from symback.derivation import BackwardPass, Derivation
from symback.graph import Graph
from symback.notation import (
    Reference,
    Variable,
    elements,
)
from symback.page import (
    Literal,
    Pen,
    as_written,
    literal,
)
from symback.printers import EQUATIONS, NETWORK, ONE_VARIABLE, Lettering
from symback.spec import EquationsSpec, NetworkSpec
from symback.values import Numbers

__all__ = [
    "MOST_LITERALS",
    "Work",
    "entries",
    "lettering",
    "literals",
    "pen_for",
    "plain_pen",
    "shown_target",
]


class Work(Protocol):
    """What a sheet needs to know of a network; `symback.network.Network` is one."""

    @property
    def spec(self) -> NetworkSpec | EquationsSpec:
        """What the user said."""
        ...

    @property
    def graph(self) -> Graph:
        """The equations."""
        ...

    @property
    def backward(self) -> BackwardPass:
        """The backward pass."""
        ...

    @property
    def has_numbers(self) -> bool:
        """Whether every input and parameter has a number."""
        ...

    @property
    def numbers(self) -> Numbers:
        """The numbers."""
        ...

    @property
    def gradients(self) -> Mapping[str, Any]:
        """∂L/∂v by name."""
        ...

    @property
    def learning_rate(self) -> Any:
        """η, or None."""
        ...


def lettering(work: Work, derivation: Derivation | None = None) -> Lettering:
    """∂ and a script L for a network; d where a chain of equations has one path only."""
    if isinstance(work.spec, NetworkSpec):
        return NETWORK
    return ONE_VARIABLE if derivation is not None and derivation.paths.count == 1 else EQUATIONS


def pen_for(work: Work, derivation: Derivation) -> Pen:
    """A pen with the letters and the numbers of one derivation."""
    return Pen(lettering(work, derivation), literals(work, work.backward, derivation))


MOST_LITERALS = 2000
"""Networks with more numbers than this show their formulas without numbers put in."""


def literals(
    work: Work, backward: BackwardPass, derivation: Derivation | None = None
) -> dict[Expr, Literal]:
    """Printed numbers of all quantities of one sample, and of the derivatives on the way."""
    if not work.has_numbers or work.graph.samples is not None or not work.graph.is_concrete():
        return {}
    if sum(entries(variable) for variable in work.graph.variables) > MOST_LITERALS:
        return {}
    found: dict[Expr, Literal] = {}
    for variable in work.graph.variables:
        for reference in elements(variable):
            symbol = backward.scalar(variable, reference.indices)
            found[symbol] = _printed(work, reference, work.numbers.forward)
    if derivation is not None and derivation.unrolled:
        for deduction in derivation.adjoints:
            reference = Reference(*backward.node_of(deduction.lhs.by))
            found[deduction.lhs] = _printed(work, reference, work.gradients)
    return found


def entries(variable: Variable) -> int:
    """How many numbers a quantity holds (its widths are numbers)."""
    return int(sympy.Mul(*variable.shape))


def _printed(work: Work, reference: Reference, arrays: Mapping[str, Any]) -> Literal:
    """A given number with all its digits, a computed one rounded."""
    name = reference.variable.name
    value = work.numbers.element(arrays[name], reference)
    given = arrays is work.numbers.forward and name in work.numbers.given
    return as_written(value) if given else literal(value)


def shown_target(work: Work) -> Expr:
    """What is differentiated, as a symbol."""
    return work.backward.scalar(work.graph.target, ())


def plain_pen(work: Work, derivation: Derivation) -> Pen:
    """A pen that puts no numbers in."""
    return Pen(lettering(work, derivation))
