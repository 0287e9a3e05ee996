"""The backward pass of a network step by step in arrays, with other steps put in where one likes.

Here one can carry out the backward pass that symback derived, `Steps.run`, from whatever arrays are
known already, such as a student's own δ_2, and with any `Mistake` made on the way.  Each step is
∂L/∂v = Σ_c ∂L/∂c · ∂c/∂v with the local derivatives of `symback.engine.derivation.BackwardPass`;
their values are worked out to 50 digits, so that 1 - h keeps its digits, and then contracted in
doubles.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sympy import Expr, Symbol

from symback.engine.calculus import LocalDerivative
from symback.engine.derivation import BackwardPass
from symback.engine.evaluation import Numbers
from symback.language.names import Variable

__all__ = ["Edge", "Mistake", "Steps", "Tensor", "doubles"]

Edge = tuple[Variable, Variable]
"""What is computed, and from what: (child, parent)."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """An array and the index that each of its axes stands for."""

    array: np.ndarray
    letters: tuple[Symbol, ...]

    def times(self, other: Tensor) -> Tensor:
        """The product over the union of the indices."""
        letters = tuple(dict.fromkeys((*self.letters, *other.letters)))
        return Tensor(_contracted([self, other], letters), letters)


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong backward pass: other local derivatives, another array or a factor for ∂L/∂site.

    ``name`` is the name in the report, ``detail`` a sentence; ``site`` is the first quantity whose
    derivative is wrong.  ``kept`` are indices that ought to be summed over and are not.
    """

    name: str
    detail: str
    site: Variable
    tensors: Mapping[Edge, Tensor] = field(default_factory=dict)
    instead: np.ndarray | None = None
    factor: float = 1.0
    transposed: bool = False
    kept: tuple[Symbol, ...] = ()


class Steps:
    """The steps of one backward pass; ``numbers`` says what the local derivatives are."""

    def __init__(self, numbers: Numbers, backward: BackwardPass) -> None:
        self.numbers, self.backward = numbers, backward
        self.graph = backward.graph
        self.order = list(backward.adjoints)
        self.values = {name: doubles(array) for name, array in numbers.forward.items()}
        self.tensors = {edge: self._tensor(local) for edge, local in backward.derivatives.items()}
        self._into: dict[Variable, list[tuple[Edge, LocalDerivative]]] = {}
        for edge, local in backward.derivatives.items():
            self._into.setdefault(edge[1], []).append((edge, local))

    def run(
        self,
        known: Mapping[Variable, np.ndarray],
        mistakes: Sequence[Mistake] = (),
        *,
        upto: Variable | None = None,
    ) -> dict[Variable, np.ndarray]:
        """∂L/∂v of every quantity (as far as ``upto``) from the ``known``, with mistakes made."""
        return self._run(dict(known), self.tensors, mistakes, upto)

    def sizes(
        self,
        known: Mapping[Variable, np.ndarray],
        mistakes: Sequence[Mistake] = (),
        *,
        upto: Variable | None = None,
    ) -> dict[Variable, np.ndarray]:
        """The same with every term taken as positive: what rounding errors are measured by."""
        tensors = {edge: _positive(tensor) for edge, tensor in self.tensors.items()}
        made = [
            replace(
                mistake,
                tensors={edge: _positive(tensor) for edge, tensor in mistake.tensors.items()},
                instead=None if mistake.instead is None else abs(mistake.instead),
                factor=abs(mistake.factor),
            )
            for mistake in mistakes
        ]
        return self._run({v: abs(array) for v, array in known.items()}, tensors, made, upto)

    def local(self, expr: Expr, edge: Edge) -> Tensor:
        """An expression in the indices of a local derivative as a tensor."""
        return self.tensor(expr, self._limits(self.backward.derivatives[edge]))

    def tensor(self, expr: Expr, limits: Mapping[Symbol, Expr]) -> Tensor:
        """An expression over those of the indices in ``limits`` that occur in it."""
        present = {letter: limit for letter, limit in limits.items() if letter in expr.free_symbols}
        return Tensor(doubles(self.numbers.array(expr, present)), tuple(present))

    def leading_to(self, variable: Variable, known: Mapping[Variable, Any]) -> set[Edge]:
        """The local derivatives that ∂L/∂variable is made of, back to what is known."""
        found: set[Edge] = set()
        waiting = [variable]
        while waiting:
            parent = waiting.pop()
            for edge in self.backward.derivatives:
                if edge[1] == parent and edge not in found:
                    found.add(edge)
                    if edge[0] not in known and edge[0] != self.graph.target:
                        waiting.append(edge[0])
        return found

    # ------------------------------------------------------------------------------ inside

    def _run(
        self,
        found: dict[Variable, np.ndarray],
        tensors: Mapping[Edge, Tensor],
        mistakes: Sequence[Mistake],
        upto: Variable | None,
    ) -> dict[Variable, np.ndarray]:
        changed = {edge: tensor for each in mistakes for edge, tensor in each.tensors.items()}
        for variable in self.order:
            if variable not in found:
                own = [each for each in mistakes if each.site == variable]
                found[variable] = self._step(variable, found, {**tensors, **changed}, own)
            if variable == upto:
                break
        return found

    def _step(
        self,
        variable: Variable,
        found: Mapping[Variable, np.ndarray],
        tensors: Mapping[Edge, Tensor],
        own: Sequence[Mistake],
    ) -> np.ndarray:
        instead = next((each.instead for each in own if each.instead is not None), None)
        array = instead if instead is not None else self._summed(variable, found, tensors, own)
        for each in own:
            array = array * each.factor
            array = array.T if each.transposed else array
        return array

    def _summed(
        self,
        variable: Variable,
        found: Mapping[Variable, np.ndarray],
        tensors: Mapping[Edge, Tensor],
        own: Sequence[Mistake],
    ) -> np.ndarray:
        kept = tuple(letter for each in own for letter in each.kept)
        ones = np.ones(self.values[variable.name].shape)
        terms = []
        for edge, local in self._into[variable]:
            factors = [Tensor(ones, local.parent_indices), tensors[edge]]
            if edge[0] != self.graph.target:
                if edge[0] not in found:
                    continue
                factors.append(Tensor(found[edge[0]], _child_letters(local)))
            terms.append(_contracted(factors, (*kept, *local.parent_indices)))
        return sum(terms[1:], terms[0])

    def _tensor(self, local: LocalDerivative) -> Tensor:
        return self.tensor(local.form, self._limits(local))

    def _limits(self, local: LocalDerivative) -> dict[Symbol, Expr]:
        limits = dict(zip(_child_letters(local), local.child.shape, strict=True))
        return limits | dict(zip(local.parent_indices, local.parent.shape, strict=True))


def doubles(array: Any) -> np.ndarray:
    """An array of 50-digit numbers as doubles."""
    return np.vectorize(float, otypes=[float])(array) if np.size(array) else np.asarray(array)


def _child_letters(local: LocalDerivative) -> tuple[Symbol, ...]:
    """The child's indices, those that must equal one of the parent's by its name."""
    equal = dict(local.pins)
    return tuple(equal.get(letter, letter) for letter in local.child_indices)


def _positive(tensor: Tensor) -> Tensor:
    return Tensor(abs(tensor.array), tensor.letters)


def _contracted(factors: Sequence[Tensor], left: Sequence[Symbol]) -> np.ndarray:
    """The product of the factors, summed over every index that is not ``left``."""
    every = dict.fromkeys(letter for factor in factors for letter in factor.letters)
    numbers = dict(zip(every, itertools.count(), strict=False))
    operands: list[Any] = []
    for factor in factors:
        operands += [factor.array, [numbers[letter] for letter in factor.letters]]
    return np.einsum(*operands, [numbers[letter] for letter in left])
