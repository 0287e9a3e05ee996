"""A network as equations, and everything made from it once: `EquationWork`.

`symback.network.EquationNetwork` is one, with the ways in and out for users.  `specified` reads any
network file, and says which of the three kinds it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from symback.engine import spec
from symback.engine.evaluation import MissingNumbers, OutOfDomain
from symback.engine.spec import EquationsSpec, NetworkSpec
from symback.equations import layers, reading
from symback.equations.adjoints import Backward, backward
from symback.equations.certificate import Certificate, certify
from symback.equations.elements import Elements
from symback.equations.naming import read_element
from symback.equations.system import Kind, System, adjoint_name
from symback.equations.terms import Read
from symback.language import tables
from symback.language.names import UnknownName
from symback.language.tables import SpecError


def specified(path: str | Path) -> NetworkSpec | EquationsSpec | System:
    """What a network file says: dense layers, named stages, or equations in index notation.

    Layers of other kinds are written as equations.  Raises `SpecError`.
    """
    source = tables.one_line(str(path))
    mapping = tables.read_toml(path, tables.Place(source))
    if reading.is_system(mapping):
        return reading.from_tables(mapping, source)
    if not layers.is_plain(mapping):
        return layers.system(mapping, source)
    return spec.from_mapping(mapping, source)


class EquationWork:
    """A system, its backward pass and its numbers, each made when first asked for."""

    def __init__(self, system: System) -> None:
        self.system = system

    @cached_property
    def backward(self) -> Backward:
        """Every adjoint, and one system with both passes."""
        return backward(self.system)

    @cached_property
    def certificate(self) -> Certificate:
        """Proof of all adjoints by forward dual numbers; raises `Uncertified` naming one."""
        return certify(self.backward)

    @cached_property
    def numbers(self) -> Elements:
        """Every element of both passes for the file's [values].

        Raises `MissingNumbers` where they lack some.
        """
        return Elements(self.backward.system, self.system.values)

    @property
    def has_numbers(self) -> bool:
        """Whether every input and parameter has a number."""
        try:
            return self.numbers is not None
        except MissingNumbers:
            return False

    @cached_property
    def gradients(self) -> Gradients:
        """∂L/∂v of every array v that leads to the loss, nested as v is, of 50-digit numbers."""
        return Gradients(self.backward, self.numbers)

    @property
    def learning_rate(self) -> Any:
        """η as given, or None."""
        return self.system.learning_rate

    def element(self, name: str) -> Read:
        """The element called ``name``, such as ``U[1,2]``; raises `UnknownName`."""
        found = read_element(name, self.system)
        if found.array == self.system.target:
            raise UnknownName(f"{name} is what is differentiated; name a quantity it depends on")
        if found.array not in self.backward.adjoints:
            raise UnknownName(f"{self.system.target} does not depend on {found.array}")
        return found

    def check_goals(self) -> None:
        """Raise `SpecError` where ``[goals]`` of the file names what the network does not have."""
        for n, name in enumerate(self.system.goals, 1):
            if name in self.system.by_name and name in self.backward.adjoints:
                continue
            try:
                self.element(name)
            except UnknownName as error:
                where = f"{self.system.source}: [goals] wrt[{n}]"
                raise SpecError(f"{where}: {error.message}") from None


class Gradients(Mapping[str, Any]):
    """∂L/∂v by the name of v; ``undefined`` says of some why they have no value here.

    To ask for one of those raises `OutOfDomain`.
    """

    def __init__(self, both: Backward, numbers: Elements) -> None:
        self._known: dict[str, Any] = {}
        self.undefined: dict[str, str] = {}
        kinds = {quantity.name: quantity.kind for quantity in both.forward.quantities}
        for name in both.adjoints:
            if kinds[name] is Kind.DATA:
                continue
            try:
                self._known[name] = numbers.array(adjoint_name(name))
            except OutOfDomain as error:
                self.undefined[name] = error.message

    def __getitem__(self, name: str) -> Any:
        if name in self.undefined:
            raise OutOfDomain(self.undefined[name])
        return self._known[name]

    def __iter__(self):
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)
