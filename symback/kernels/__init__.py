"""From the matrix form of a backward pass to one function: forward pass, loss, all gradients.

Here one can

* make a kernel of a graph: `kernel` gives a `Kernel`, which is called with parameters and data;
* read it, or save it: `Kernel.source` is a module that runs with NumPy alone.

Rooms within: `forms` (functions in forms that keep every digit, proved), `spelling` (NumPy's and
Python's words), `arrays` (matrix steps to lines), `helpers` and `source` (the module around them,
and the one place that runs it).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sympy import Symbol

from symback.derivation import BackwardPass
from symback.errors import SymbackError, did_you_mean, printable
from symback.graph import from_network
from symback.kernels.arrays import ArrayWriter, NoKernel
from symback.kernels.source import array_source, run
from symback.kernels.spelling import NUMPY
from symback.matrix import lift, with_samples
from symback.notation import PARAMETERS, Role
from symback.spec import NetworkSpec, Values

__all__ = ["Kernel", "KernelError", "NoKernel", "kernel"]

B = Symbol("B", integer=True, positive=True)
"""The number of samples, which a call decides."""


class KernelError(SymbackError):
    """An argument that a kernel cannot use; the message names it, and what it should be."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A function (params, x, y) → (loss, gradients), and the source it was made of.

    ``inputs`` are the names of what it reads, ``outputs`` of the gradients it gives, ``style`` says
    whether it is written for arrays or for numbers one at a time.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    source: str = field(repr=False)
    style: str
    function: Callable[..., tuple[float, dict[str, np.ndarray]]] = field(repr=False, compare=False)
    predict: Callable[..., np.ndarray] = field(repr=False, compare=False)
    error: type[ValueError] = field(repr=False, compare=False)

    def __call__(
        self, params: Mapping[str, Any], x: Any, y: Any = None
    ) -> tuple[float, dict[str, np.ndarray]]:
        """The loss, and ∂L/∂θ for every parameter by its name, in its shape.

        ``params`` maps names to arrays, W_k of shape (n_k, n_{k-1}); ``x`` has shape (n_0,) or
        (B, n_0), ``y`` (n_L,) or (B, n_L).  Raises `KernelError`.
        """
        try:
            return self.function(params, x, y)
        except self.error as error:
            raise KernelError(str(error)) from None

    def forward(self, params: Mapping[str, Any], x: Any) -> np.ndarray:
        """ŷ, of shape (n_L,) or (B, n_L).  Raises `KernelError`."""
        try:
            return self.predict(params, x)
        except self.error as error:
            raise KernelError(str(error)) from None


def kernel(spec: NetworkSpec, title: str = "") -> Kernel:
    """The kernel of a network, whatever numbers its file holds."""
    graph = from_network(replace(spec, values=Values()))
    graph = with_samples(graph, B, over_samples=spec.over_samples)
    form = lift(BackwardPass(graph))
    form.certify()
    writer = ArrayWriter(form, NUMPY)
    source = array_source(writer, title, "array")
    made = run(source, title)
    outputs = tuple(v.name for v in graph.variables if v.role in PARAMETERS)
    target = ("y",) if spec.loss.uses_target else ()
    return Kernel(
        (*outputs, "x", *target),
        outputs,
        source,
        "array",
        made["loss_and_gradients"],
        made["forward"],
        made["BadArgument"],
    )
