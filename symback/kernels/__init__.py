"""From the matrix form of a backward pass to one function: forward pass, loss, all gradients.

Here one can

* make a kernel of a graph: `kernel` gives a `Kernel`, which is called with parameters and data;
* make one of a single derivative: `element_kernel`;
* read it, or save it: `Kernel.source` is a module that runs with NumPy alone.

Rooms within: `forms` (functions in forms that keep every digit, proved), `spelling` (NumPy's,
Python's and other engines' words), `arrays` (matrix steps to lines), `scalars` (the same neuron by
neuron), `helpers` and `source` (the module around them, and the one place that runs it), `engines`
(the same for JAX and PyTorch).

Measured on two shared cores, against NumPy by hand that is as accurate: 0.3 times its time on
2-3-2, 1.4 on 4-8-8-3 at B = 32 (some 60 calls of NumPy of 0.7 µs; 3 to 7 µs are the arguments'
checks, 4 a softmax's last digits), 1.05 to 1.2 on 784-128-10 (up to 3 % of it the look for what is
not finite), 1.0 on 784-512-512-10.  `make bench-kernels` measures it anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sympy import Symbol

from symback.engine.derivation import BackwardPass
from symback.engine.graph import Graph, from_network
from symback.engine.matrix import MatrixForm, lift
from symback.engine.spec import NetworkSpec, Values
from symback.kernels.arrays import ArrayWriter, NoKernel
from symback.kernels.engines import ENGINES, engine_source
from symback.kernels.forms import Identity
from symback.kernels.scalars import ScalarWriter
from symback.kernels.source import array_source, element_source, run, scalar_source
from symback.kernels.spelling import NUMPY, NUMPY_PLAIN, Spelling
from symback.language.errors import SymbackError, did_you_mean, printable
from symback.language.names import Reference, Role

__all__ = [
    "Identity",
    "Kernel",
    "KernelError",
    "NoKernel",
    "element_kernel",
    "identities",
    "kernel",
    "kernel_source",
]

STYLES = ("scalar", "array")
BACKENDS = ("numpy", *ENGINES)
MOST_SCALARS = 100
"""A network of so many weights takes as long number by number as in arrays, some 10 µs."""

B = Symbol("B", integer=True, positive=True)
"""The number of samples, which a call decides."""


class KernelError(SymbackError):
    """An argument that a kernel cannot use; the message names it, and what it should be."""


@dataclass(frozen=True, slots=True, weakref_slot=True)  # jax.jit refers to it weakly
class Kernel:
    """A function (params, x, y) → (loss, gradients), and the source it was made of.

    ``inputs`` are the names of what it reads, ``outputs`` of the gradients it gives, ``style`` says
    whether it is written for arrays or for numbers one at a time.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    source: str = field(repr=False)
    style: str
    backend: str
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


def kernel(spec: NetworkSpec, title: str = "", style: str = "", backend: str = "numpy") -> Kernel:
    """The kernel of a network, whatever numbers its file holds.

    ``style`` is ``"scalar"`` or ``"array"``; without it, a network of at most `MOST_SCALARS`
    weights is written number by number.  ``backend`` is ``"numpy"``, ``"jax"`` or ``"torch"``, and
    only NumPy has a scalar style.  Raises `NoKernel`; `KernelError`, also where the backend's
    package is not installed.
    """
    source, found = kernel_source(spec, title, style, backend)
    try:
        return _made(source, title, "loss_and_gradients", found, spec, backend)
    except ModuleNotFoundError as missing:
        engine = ENGINES.get(backend)
        if engine is None or missing.name != engine.package:
            raise
        raise KernelError(
            f"backend {backend!r} needs {engine.title}, which is not installed: "
            f"pip install 'symback[{backend}]'"
        ) from None


def kernel_source(
    spec: NetworkSpec, title: str = "", style: str = "", backend: str = "numpy"
) -> tuple[str, str]:
    """The source of `kernel`, and its style; nothing is run, so no engine need be installed."""
    _check("style", style, ("", *STYLES))
    _check("backend", backend, BACKENDS)
    if backend != "numpy" and style == "scalar":
        raise KernelError(f"style 'scalar' is for backend 'numpy'; {backend!r} computes in arrays")
    if backend != "numpy":
        engine = ENGINES[backend]
        return engine_source(_in_arrays(spec, engine.spelling), engine, title), "array"
    return _written(_in_arrays(spec, NUMPY), _without_numbers(spec), title, style)


def identities(spec: NetworkSpec) -> tuple[Identity, ...]:
    """What the kernel of a network computes instead of plain forms, so that it keeps its digits."""
    writer = _in_arrays(spec, NUMPY)
    return tuple(dict.fromkeys(writer.identities([*writer.forward, *writer.backward])))


def _without_numbers(spec: NetworkSpec) -> Graph:
    return from_network(replace(spec, values=Values()))


def _in_arrays(spec: NetworkSpec, spelling: Spelling) -> ArrayWriter:
    """The lines for a batch, of steps that are certified."""
    batch = from_network(replace(spec, values=Values()), samples=B)
    return ArrayWriter(_certified(batch), spelling)


def _check(what: str, word: str, known: Sequence[str]) -> None:
    if word not in known:
        words = [each for each in known if each]
        meant = did_you_mean(word, words)
        raise KernelError(f"{what} {printable(word)!r}: expected {' or '.join(words)}{meant}")


def _made(
    source: str,
    title: str,
    function: str,
    style: str,
    spec: NetworkSpec,
    backend: str = "numpy",
    outputs: tuple[str, ...] = (),
) -> Kernel:
    """The functions of a source; where nothing is said, all parameters have gradients."""
    made = run(source, title)
    target = ("y",) if spec.loss.uses_target else ()
    return Kernel(
        inputs=(*made["SHAPES"], "x", *target),
        outputs=outputs or tuple(made["SHAPES"]),
        source=source,
        style=style,
        backend=backend,
        function=made[function],
        predict=made["forward"],
        error=made["BadArgument"],
    )


def element_kernel(spec: NetworkSpec, element: Reference, title: str = "") -> Kernel:
    """The function (params, x, y) → ∂L/∂(one element): a number for a weight or bias.

    For an a or h of a hidden layer it is one number a sample.  Only the lines that the element
    needs are computed.  Raises `NoKernel`.
    """
    source = element_source(_in_arrays(spec, NUMPY_PLAIN), element, title)
    return _made(source, title, "derivative", "array", spec, outputs=(element.name,))


def _certified(graph: Graph) -> MatrixForm:
    form = lift(BackwardPass(graph))
    form.certify()
    return form


def _written(writer: ArrayWriter, one: Graph, title: str, style: str) -> tuple[str, str]:
    """The source, and its style: scalar where that is asked for, or is faster and possible."""
    if style == "array" or (not style and not _is_small(one)):
        return array_source(writer, title), "array"
    if not one.is_concrete():
        raise NoKernel("scalar code needs widths that are numbers; use style='array'")
    try:
        scalars = ScalarWriter(_certified(one), writer)
    except NoKernel:
        if style:
            raise
        return array_source(writer, title), "array"
    return scalar_source(writer, scalars, title), "scalar"


def _is_small(graph: Graph) -> bool:
    weights = [v for v in graph.variables if v.role is Role.WEIGHT]
    if not graph.is_concrete():
        return False
    return sum(int(v.shape[0] * v.shape[1]) for v in weights) <= MOST_SCALARS
