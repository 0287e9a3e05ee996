"""Gradient descent, θ ← θ - η ∇θ, on the kernel of a network written as equations.

Here one can

* carry parameters downhill for some epochs: `descend` gives a `Descended`, with what was learned
  and the loss on the way;
* draw parameters to begin with: `drawn`.

A kernel is any function ``kernel(parameters, inputs) -> (loss, gradients)``, all three by the
names of arrays: `symback.network.EquationNetwork.kernel`'s.  As in `symback.learning.descent` there
is one η, no momentum, no schedule.  The inputs may be others in every epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from symback.equations.system import Kind, System
from symback.learning.descent import DescentError

Arrays: TypeAlias = Mapping[str, Any]
Kernel: TypeAlias = Callable[[Arrays, Arrays], tuple[Any, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, eq=False)
class Descended:
    """What was learned, by name, and the loss before each epoch and after the last."""

    parameters: dict[str, np.ndarray]
    loss: np.ndarray

    @property
    def epochs(self) -> int:
        """How many there were."""
        return len(self.loss) - 1

    def __repr__(self) -> str:
        ends = f"loss {self.loss[0]:.6g} → {self.loss[-1]:.6g}"
        return f"<symback.Descended: {self.epochs} epochs; {ends}>"


class DescentDiverged(DescentError):
    """The loss is no longer a finite number.  ``descended`` is what there was one epoch before."""

    def __init__(self, message: str, descended: Descended) -> None:
        super().__init__(message)
        self.descended = descended


def descend(
    kernel: Kernel,
    parameters: Arrays,
    inputs: Arrays | Callable[[int], Arrays],
    *,
    epochs: int,
    rate: float,
    callback: Callable[[int, float, Mapping[str, np.ndarray]], None] | None = None,
) -> Descended:
    """Gradient descent for so many epochs.

    ``inputs`` are arrays by name, or a function that gives those of an epoch, counted from 0.
    ``callback(epoch, loss, parameters)`` is called before each epoch and after the last.  No array
    is changed.  Raises `DescentError`, `DescentDiverged`.

    >>> def square(parameters, inputs):
    ...     error = parameters["w"] - inputs["y"]
    ...     return float(error @ error), {"w": 2 * error}
    >>> run = descend(square, {"w": [0.0]}, {"y": np.array([2.0])}, epochs=3, rate=0.25)
    >>> run.loss.tolist(), run.parameters["w"].tolist()
    ([4.0, 1.0, 0.25, 0.0625], [1.75])
    """
    if epochs < 0:
        raise DescentError(f"epochs is {epochs}; expected 0 or more")
    if not (rate > 0 and math.isfinite(rate)):
        raise DescentError(f"the learning rate is {rate}; expected a number above 0")
    theta = {name: np.array(array, dtype=float) for name, array in parameters.items()}
    before, losses = theta, []
    for epoch in range(epochs + 1):
        data = inputs(epoch) if callable(inputs) else inputs
        loss, gradients = kernel(theta, data)
        if not math.isfinite(loss):
            found = Descended(before, np.array(losses))
            raise DescentDiverged(
                f"the loss is {loss} after {epoch} epochs at learning rate {rate}: try a smaller "
                "one",
                found,
            )
        losses.append(float(loss))
        if callback is not None:
            callback(epoch, float(loss), theta)
        if epoch < epochs:
            before = theta
            theta = {name: array - rate * gradients[name] for name, array in theta.items()}
    return Descended(theta, np.array(losses))


def drawn(system: System, seed: int = 0) -> dict[str, np.ndarray]:
    """Parameters to begin with: those that the file gives, and the others at random.

    An array of two axes or more is drawn from a normal distribution with mean 0 and variance one
    over its last axis (LeCun and others, 1998); vectors and scalars begin at 0.  Each has a stream
    of its own.  Raises `DescentError` where a size of one has no number.
    """
    sizes = {name: number for name, number in system.sizes.items() if number is not None}
    found = {}
    for place, quantity in enumerate(system.parameters):
        if quantity.name in system.values:
            found[quantity.name] = _floats(system.values[quantity.name])
            continue
        for name in sorted(frozenset().union(*(size.names for size in quantity.shape))):
            if name not in sizes:
                raise DescentError(f"{quantity.name} has the size {name}, which has no number")
        shape = tuple(size.value(sizes) for size in quantity.shape)
        scale = 1 / math.sqrt(shape[-1]) if len(shape) > 1 else 0.0
        found[quantity.name] = scale * np.random.default_rng((seed, place)).normal(size=shape)
    return found


def inputs_of(system: System) -> dict[str, np.ndarray]:
    """The inputs that a file gives; raises `DescentError` naming what it lacks."""
    found = {}
    for quantity in system.quantities:
        if quantity.kind in (Kind.INPUT, Kind.DATA):
            if quantity.name not in system.values:
                raise DescentError(f"no numbers are given for {quantity.name}")
            array = _floats(system.values[quantity.name])
            found[quantity.name] = array.astype(int) if quantity.kind is Kind.DATA else array
    return found


def _floats(nested: Any) -> np.ndarray:
    return np.array(nested, dtype=object).astype(float)
