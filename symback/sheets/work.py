"""A network and all that is made from it once: `Work`; its letters, its numbers as printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import sympy
from sympy import Expr

from symback.engine.derivation import BackwardPass, Derivation
from symback.engine.evaluation import Gradients, MissingNumbers, Numbers, agreement
from symback.engine.graph import Graph, from_equations, from_network
from symback.engine.matrix import MatrixForm, lift
from symback.engine.spec import EquationsSpec, NetworkSpec
from symback.language.errors import SymbackError
from symback.language.names import (
    EQUATIONS,
    NETWORK,
    ONE_VARIABLE,
    Lettering,
    Reference,
    Spelling,
    Variable,
    elements,
)
from symback.sheets.page import (
    Literal,
    Pen,
    as_written,
    literal,
)

__all__ = [
    "MOST_LITERALS",
    "MOST_SHOWN",
    "Checked",
    "TooLong",
    "Work",
    "check_length",
    "entries",
    "formula_lettering",
    "given_values",
    "lettering",
    "literals",
    "pen_for",
    "plain_pen",
    "shown_target",
]


class Work:
    """A network as said, and everything made from it once: equations, derivatives, numbers.

    `symback.network.Network` is one, with the ways in and out for users.
    """

    def __init__(self, spec: NetworkSpec | EquationsSpec, written: Lettering | None = None) -> None:
        self.spec, self.written = spec, written

    @cached_property
    def graph(self) -> Graph:
        """The equations in index notation."""
        if isinstance(self.spec, NetworkSpec):
            return from_network(self.spec)
        return from_equations(self.spec)

    @cached_property
    def backward(self) -> BackwardPass:
        """The backward pass: one adjoint a quantity, shared by every derivation."""
        return BackwardPass(self.graph)

    @cached_property
    def matrices(self) -> MatrixForm:
        """The backward pass in matrix form, certified; raises `Uncertified`."""
        form = lift(self.backward, lettering(self))
        form.certify()
        return form

    @cached_property
    def numbers(self) -> Numbers:
        """The numbers of every quantity; raises `MissingNumbers` where [values] lacks some."""
        return Numbers(self.graph, given_values(self.spec))

    @cached_property
    def gradients(self) -> Gradients:
        """∂L/∂v for every quantity v as an array of 50-digit numbers."""
        return self.numbers.gradients(self.backward)

    def derived_number(self, reference: Reference) -> Any:
        """∂L/∂(one element) as a 50-digit number, where a batch does not have it once a sample."""
        return self.numbers.element(self.gradients[reference.variable.name], reference)

    def checked(self, reference: Reference) -> Checked | None:
        """The number beside a central difference; None where nothing can be moved on its own.

        Only inputs and parameters can be, and in a batch only what all samples share.
        """
        movable = self.has_numbers and reference.variable in self.numbers.inputs
        if not movable or reference.variable.batched:
            return None
        if reference not in self._checks:
            difference = self.numbers.central_difference(reference)
            self._checks[reference] = Checked(self.derived_number(reference), difference)
        return self._checks[reference]

    @cached_property
    def _checks(self) -> dict[Reference, Checked]:
        return {}

    @property
    def has_numbers(self) -> bool:
        """Whether every input and parameter has a number."""
        try:
            return self.numbers is not None
        except MissingNumbers:
            return False

    @property
    def learning_rate(self) -> Any:
        """η as given, or None."""
        if isinstance(self.spec, EquationsSpec):
            return self.spec.learning_rate
        return self.spec.values.learning_rate


@dataclass(frozen=True, slots=True)
class Checked:
    """A derived number beside the central difference, or the `Kink` that forbids one."""

    derived: Any
    difference: Any

    @property
    def digits(self) -> int:
        """To how many digits the two agree (not to be asked at a kink)."""
        return agreement(self.derived, self.difference)


def given_values(checked: NetworkSpec | EquationsSpec) -> dict[str, Any]:
    """The numbers of a specification by the names of the contract."""
    if isinstance(checked, EquationsSpec):
        return dict(checked.values)
    named = dict(checked.values.parameters)
    return {"x": checked.values.x, "y": checked.values.y, **named}


def lettering(work: Work, derivation: Derivation | None = None) -> Lettering:
    """∂ and a script L for a network; d where a chain of equations has one path only.

    A network that was put `in_notation` is written as that says.
    """
    if isinstance(work.spec, NetworkSpec):
        return work.written or NETWORK
    return ONE_VARIABLE if derivation is not None and derivation.paths.count == 1 else EQUATIONS


def formula_lettering(work: Work, plain: Lettering) -> Lettering:
    """``plain`` with the letters of a catalogue formula, z ↦ h or yhat ↦ l, as the page has them.

    They stand for one number of any layer: no layer is written above them.
    """
    written = work.written
    if written is None:
        return plain

    def spelled(letter: str, indices: tuple[str, ...]) -> Spelling:
        return replace(written.spelling("a" if letter == "z" else letter, indices), superscript="")

    return replace(plain, spelled=spelled)


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


MOST_SHOWN = 201
"""A sheet or a picture shows at most so many equations, those of 100 layers."""


class TooLong(SymbackError):
    """A sheet, or the picture of a computation, that nobody would read."""


def check_length(work: Work) -> None:
    """Raise `TooLong` where a page would have to show more equations than anybody reads."""
    count = len(work.graph.equations)
    if count > MOST_SHOWN:
        raise TooLong(
            f"a sheet shows every equation, and here are {count:,}; it has room for {MOST_SHOWN} "
            "(100 layers). derive, paths, matrix, evaluate, kernel and check take longer ones"
        )


def shown_target(work: Work) -> Expr:
    """What is differentiated, as a symbol."""
    return work.backward.scalar(work.graph.target, ())


def plain_pen(work: Work, derivation: Derivation) -> Pen:
    """A pen that puts no numbers in."""
    return Pen(lettering(work, derivation))
