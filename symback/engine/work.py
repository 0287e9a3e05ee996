"""A network as said, and everything made from it once: `Work`; the letters it is written in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from symback.engine.derivation import BackwardPass, Derivation
from symback.engine.evaluation import Gradients, MissingNumbers, Numbers, agreement
from symback.engine.graph import Graph, from_equations, from_network
from symback.engine.matrix import MatrixForm, lift
from symback.engine.spec import EquationsSpec, NetworkSpec, SpecError
from symback.language.errors import printable
from symback.language.names import (
    EQUATIONS,
    NETWORK,
    ONE_VARIABLE,
    Lettering,
    Reference,
    UnknownName,
    read_reference,
)


class Work:
    """A network as said, and everything made from it once: equations, derivatives, numbers.

    `symback.network.Network` is one, with the ways in and out for users.
    """

    def __init__(self, spec: NetworkSpec | EquationsSpec, written: Lettering | None = None) -> None:
        self.spec, self.written = spec, written

    def goal(self, name: str) -> Reference:
        """What a derivation by hand differentiates by: one element, or all of ``W2`` or ``b1``.

        Raises `UnknownName`.
        """
        variables = self.graph.variables
        whole = next((each for each in variables if each.name == name.strip() and each.sizes), None)
        found = read_reference(name, variables) if whole is None else Reference(whole, ())
        if found.variable == self.graph.target:
            raise UnknownName(f"{printable(name)} is what is differentiated; name a weight")
        return found

    def check_goals(self) -> None:
        """Raise `SpecError` where ``[goals]`` of the network file names what it does not have."""
        for n, name in enumerate(self.spec.goals, 1):
            try:
                self.goal(name)
            except UnknownName as error:
                where = f"{self.spec.source}: [goals] wrt[{n}]"
                raise SpecError(f"{where}: {error.message}") from None

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
        return Numbers(self.graph, self.spec.given)

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
        return self.spec.learning_rate


def goal_name(goal: Reference) -> str:
    """w_212, or W2 for all of them."""
    is_whole = goal.variable.sizes and not goal.indices
    return goal.variable.name if is_whole else goal.name


@dataclass(frozen=True, slots=True)
class Checked:
    """A derived number beside the central difference, or the `Kink` that forbids one."""

    derived: Any
    difference: Any

    @property
    def digits(self) -> int:
        """To how many digits the two agree (not to be asked at a kink)."""
        return agreement(self.derived, self.difference)


def lettering(work: Work, derivation: Derivation | None = None) -> Lettering:
    """∂ and a script L for a network; d where a chain of equations has one path only.

    A network that was put `in_notation` is written as that says.
    """
    if isinstance(work.spec, NetworkSpec):
        return work.written or NETWORK
    return ONE_VARIABLE if derivation is not None and derivation.paths.count == 1 else EQUATIONS
