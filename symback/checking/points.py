"""Residues at one secret point, and the simple factors that a residue can be recognised as.

Here one can evaluate nodes at a `Point` (`Point.value`, `Point.edge`), and ask which simple
quantity has a given residue: `Point.words`, e.g. w_211, 1 - h_12, g′(a_11) or 2/3.  A diagnosis
looks factors and terms up there instead of trying them one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from symback.checking.conversion import element_of
from symback.checking.correct import Edge, Neuron, complement, number, opposite, spelled
from symback.checking.evaluation import Assumptions
from symback.checking.exact import SHALLOW, Judge
from symback.checking.variants import ErrorVariant, Variant, error_variants, variants
from symback.engine.arithmetics import Grid, Misshapen, entries, tower
from symback.language.errors import SymbackError
from symback.language.expressions import (
    Derivative,
    Element,
    Node,
    Power,
    Product,
    Total,
)
from symback.language.names import Role, elements

__all__ = ["Ground", "Point", "Word"]

MOST_WORDS = 600
"""In networks with more quantities only numbers are recognised."""


@dataclass(frozen=True, slots=True)
class Word:
    """A simple factor: how it is written, what kind of thing it is and where it belongs."""

    text: str
    kind: str
    neuron: Neuron | None = None


class Ground:
    """What the points of one network share."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self._variants: dict[tuple[Neuron, Neuron], tuple[Variant, ...]] = {}

    def variants(self, edge: Edge) -> tuple[Variant, ...]:
        """What may stand for one local derivative; made once."""
        key = edge.child, edge.parent
        if key not in self._variants:
            self._variants[key] = variants(self.judge, edge)
        return self._variants[key]

    @cached_property
    def errors(self) -> tuple[ErrorVariant, ...]:
        """What may stand for ∂L/∂a of the last layer."""
        return error_variants(self.judge)

    @cached_property
    def vocabulary(self) -> tuple[tuple[Word, Node], ...]:
        """The simple quantities of the network; empty for a large one."""
        plain = [each for v in self.judge.graph.variables for each in elements(v)]
        return tuple(_vocabulary(self.judge, plain)) if len(plain) <= MOST_WORDS else ()


class Point:
    """One point, under some assumptions."""

    def __init__(
        self, ground: Ground, pattern: int, assumptions: Assumptions, level: int = SHALLOW
    ) -> None:
        self.ground, self.level = ground, level
        self.prime = tower().primes[level]
        self._evaluator = ground.judge.at(pattern, assumptions)
        self._known: dict[object, int] = {}

    def value(self, node: Node, letters: Mapping[str, int] | None = None) -> int:
        """The residue of a scalar node; raises `Undecided` or `Misshapen`."""
        self._evaluator.visits = 0
        found = self._evaluator.value(node, letters or {}, self.level)
        if isinstance(found, Grid):
            if len(entries(found)) != 1:
                raise Misshapen("an array where a number is expected")
            return entries(found)[0]
        return found

    def known(self, key: object, node: Node, letters: Mapping[str, int]) -> int:
        """The residue of ``node``, computed once for each ``key``."""
        if key not in self._known:
            self._known[key] = self.value(node, letters)
        return self._known[key]

    def edge(self, edge: Edge) -> int:
        """The residue of a local derivative."""
        return self.known((edge.child, edge.parent), edge.node, edge.letters)

    def inverse(self, residue: int) -> int:
        """1/residue."""
        return pow(residue, -1, self.prime)

    @cached_property
    def numbers(self) -> Mapping[int, Fraction]:
        """Small fractions by their residues, without 0 and 1."""
        values = {
            Fraction(sign * above, below)
            for above in range(1, 13)
            for below in range(1, 13)
            for sign in (1, -1)
        }
        values |= {Fraction(k) for k in range(13, 65)} | {Fraction(1, k) for k in range(13, 65)}
        return {
            value.numerator * pow(value.denominator, -1, self.prime) % self.prime: value
            for value in sorted(values, key=lambda v: (abs(v), v < 0))
            if value != 1
        }

    @cached_property
    def inverses(self) -> tuple[tuple[int, Fraction], ...]:
        """1/c and c for every small number c."""
        return tuple((self.inverse(residue), number) for residue, number in self.numbers.items())

    @cached_property
    def words(self) -> Mapping[int, tuple[Word, ...]]:
        """Simple quantities by their residues; the plainest first."""
        found: dict[int, list[Word]] = {}
        for word, node in self.ground.vocabulary:
            try:
                residue = self.known(word, node, {})
            except (SymbackError, ArithmeticError):
                continue
            if residue not in (0, 1, self.prime - 1):
                found.setdefault(residue, []).append(word)
        return {residue: tuple(words) for residue, words in found.items()}

    @cached_property
    def factors(self) -> tuple[tuple[Word, int, int], ...]:
        """Every word with its residue and the inverse of it."""
        return tuple(
            (word, residue, self.inverse(residue))
            for residue, words in self.words.items()
            for word in words[:1]
        )

    def word(self, word: Word) -> int:
        """The residue of a word; 0 for one that has none here."""
        return self._known.get(word, 0) if self.words else 0

    def named(self, residue: int) -> Iterator[tuple[bool, Word]]:
        """The words of this residue, and those of its opposite (then True)."""
        for is_opposite, value in ((False, residue), (True, -residue % self.prime)):
            for word in self.words.get(value, ()):
                yield is_opposite, word


_KINDS = {
    Role.WEIGHT: "weight",
    Role.BIAS: "bias",
    Role.PREACTIVATION: "preactivation",
    Role.ACTIVATION: "activation",
    Role.INPUT: "input",
    Role.OUTPUT: "output",
    Role.TARGET: "target",
    Role.LOSS: "loss",
    Role.STAGE: "stage",
    Role.LEAF: "leaf",
}


def _vocabulary(judge: Judge, plain: list) -> Iterator[tuple[Word, Node]]:
    neurons: list[tuple[Neuron, Element]] = [
        ((ref.variable, ref.indices), element_of(ref.variable, ref.indices)) for ref in plain
    ]
    yield Word("η", "rate"), Element("eta")
    for neuron, element in neurons:
        yield Word(spelled(element), _KINDS[neuron[0].role], neuron), element
    for neuron, element in neurons:
        if neuron[0].role in (Role.LEAF, Role.STAGE) and neuron[0] != judge.graph.target:
            target = element_of(judge.graph.target, ())
            text = f"d{spelled(target)}/d{spelled(element)}"
            yield Word(text, "derivative", neuron), Derivative(target, element)
    for neuron, element in neurons:
        if neuron[0].role in (Role.ACTIVATION, Role.OUTPUT):
            yield from _around(neuron, element)
    for neuron, element in neurons:
        if neuron[0].role is Role.PREACTIVATION:
            yield from _about_preactivation(judge, neuron, element)
        if neuron[0].role is Role.OUTPUT and any(
            v.role is Role.TARGET for v in judge.graph.variables
        ):
            target = Element("y", element.indices)
            text = f"({spelled(element)} - {spelled(target)})"
            yield Word(text, "error", neuron), Total((element, opposite(target)))


def _around(neuron: Neuron, h: Element) -> Iterator[tuple[Word, Node]]:
    """1 - h, h(1 - h), 1 - h²."""
    name = spelled(h)
    yield Word(f"(1 - {name})", "complement", neuron), complement(h)
    yield Word(f"{name}·(1 - {name})", "slope", neuron), Product((h, complement(h)))
    yield Word(f"(1 - {name}²)", "slope", neuron), complement(Power(h, number(2)))


def _about_preactivation(judge: Judge, neuron: Neuron, a: Element) -> Iterator[tuple[Word, Node]]:
    """The slope of its activation, and δ."""
    layer = neuron[0].layer or 0
    last = layer == judge.scope.depth
    h = Element("yhat", a.indices[1:]) if last else Element("h", a.indices)
    own = Derivative(h, a)
    yield Word(f"∂{spelled(h)}/∂{spelled(a)}", "slope", neuron), own
    loss = element_of(judge.graph.target, ())
    yield Word(f"∂{spelled(loss)}/∂{spelled(a)}", "delta", neuron), Derivative(loss, a)
