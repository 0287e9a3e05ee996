"""The same kernel for other engines: JAX and PyTorch, from the same steps, lines and helpers.

Here one can

* write a kernel in another engine's words: `engine_source` gives a module that imports that engine
  and nothing else; `ENGINES` lists them.

What differs from NumPy: the loss is the engine's number, so that nothing waits for a device; shapes
and types are checked, but not whether numbers are finite, which `jax.jit` could not look at and a
graphics card would have to send; whatever floating type the arrays have is computed in.  JAX's
module is pure, so `jax.jit`, `jax.vmap` and sharded arrays go through it.  PyTorch's computes on
the device where the tensors are and keeps no graph.  Neither adds digits to an engine's own matrix
products or functions: JAX on a TPU or a graphics card multiplies in fewer unless
``jax.default_matmul_precision("highest")`` is set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from symback.kernels.arrays import ArrayWriter
from symback.kernels.source import (
    Heading,
    checked,
    constants,
    definition,
    has_target,
    module_head,
    parameters_of,
    signature,
    size_lines,
    tidy,
    written_helpers,
)
from symback.kernels.spelling import JAX, TORCH, Spelling

__all__ = ["ENGINES", "Engine", "engine_source"]


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine: its words, its imports, and what it is called.

    ``package`` is what Python imports and also symback's extra; ``array`` is the source of the
    function that makes an argument an array, and ``decorator`` stands above the two functions.
    """

    title: str
    package: str
    spelling: Spelling
    imports: str
    array: str = field(repr=False)
    promise: str
    decorator: str = ""


_JAX_ARRAY = '''
def _array(name, given):
    """A floating array; its numbers are not looked at, for under jax.jit there are none."""
    array = jnp.asarray(given)
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise BadArgument(f"{name} holds {array.dtype}; expected floating-point numbers")
    return array
'''

_TORCH_ARRAY = '''
def _array(name, given):
    """A tensor of floating-point numbers, on the device where it is; they are not looked at."""
    array = torch.as_tensor(given)
    if not array.dtype.is_floating_point:
        raise BadArgument(f"{name} holds {array.dtype}; expected floating-point numbers")
    return array
'''

ENGINES: Mapping[str, Engine] = {
    "jax": Engine(
        title="JAX",
        package="jax",
        spelling=JAX,
        imports="import jax\nimport jax.numpy as jnp",
        array=_JAX_ARRAY,
        promise=(
            "Both functions are pure: jax.jit(loss_and_gradients) compiles the whole, also for "
            "arrays that are spread over devices."
        ),
    ),
    "torch": Engine(
        title="PyTorch",
        package="torch",
        spelling=TORCH,
        imports="import torch",
        array=_TORCH_ARRAY,
        promise=(
            "It runs on the device where the tensors are, and PyTorch keeps no graph of it: these "
            "are the derivatives."
        ),
        decorator="@torch.no_grad()",
    ),
}


def engine_source(writer: ArrayWriter, engine: Engine, title: str) -> str:
    """The whole module; ``title`` says which network it is of, in a line."""
    heading = Heading(
        title,
        "array: every line computes with all samples at once",
        result="gradients has the names and shapes of params.",
        types=f"What is computed has the floating type of the parameters.  {engine.promise}",
        runs=f"runs with {engine.title} alone",
        lines=(*writer.forward, *writer.backward),
    )
    helpers = written_helpers(writer)
    maths = "import math\n\n" if any("math." in text for text in helpers) else ""
    opening = [f"{module_head(writer, heading)}\n\n{maths}{engine.imports}\n", *constants(writer)]
    blocks = [
        "\n".join(opening),
        _decorated(engine, _gradients(writer)),
        _decorated(engine, _forward(writer)),
        *helpers,
        checked(engine.spelling),
        engine.array.strip("\n"),
    ]
    return "\n\n\n".join(blocks) + "\n"


def _decorated(engine: Engine, text: str) -> str:
    return f"{engine.decorator}\n{text}" if engine.decorator else text


def _gradients(writer: ArrayWriter) -> str:
    names = [variable.name for variable in parameters_of(writer)]
    given = ["x", "y"] if has_target(writer.graph) else ["x"]
    returned = ", ".join(f'"{name}": d{name}' for name in names)
    forward, backward = tidy(f"loss, {returned}", writer.forward, writer.backward)
    body = [
        f"{', '.join([*names, *given])} = _checked({', '.join(['params', *given])})",
        *size_lines(writer, [*forward, *backward]),
        "",
        *forward,
        "",
        *backward,
        "",
        f"return loss, {{{returned}}}",
    ]
    words = "The loss, and its derivatives by all parameters."
    return definition(signature(writer, "loss_and_gradients"), words, body)


def _forward(writer: ArrayWriter) -> str:
    names = [variable.name for variable in parameters_of(writer)]
    yhat = writer.output.name
    (forward,) = tidy(yhat, writer.forward)
    body = [
        'one = _array("x", x).ndim == 1',
        f"{', '.join([*names, 'x'])} = _checked(params, x)",
        *size_lines(writer, forward),
        "",
        *forward,
        "",
        f"return {yhat}[0] if one else {yhat}",
    ]
    return definition("forward(params, x)", "ŷ, shaped as y is.", body)
