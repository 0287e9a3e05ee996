"""The text of a kernel as a module that needs NumPy alone, and the one place that runs it.

`array_source` puts the lines of `symback.kernels.arrays` between a head that says what the module
computes and the checks of its arguments.  `run` makes functions of the text.
"""

from __future__ import annotations

import linecache
import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from symback.graph import Graph
from symback.kernels.arrays import ArrayWriter
from symback.kernels.forms import SOFTMAX_IDENTITIES
from symback.kernels.helpers import ARRAY_HELPERS
from symback.notation import PARAMETERS, Role, Variable

__all__ = ["array_source", "run"]

WIDTH = 100

CHECKED = '''
class BadArgument(ValueError):
    """An argument that the kernel cannot use; says which, and what it should be."""


def _checked(params, x, y=NO_TARGET):
    """The parameters, x and y as arrays of one floating type and of the right shapes.

    Raises BadArgument where they cannot be.
    """
    if not hasattr(params, "keys") or {*params} != {*SHAPES}:
        given = ", ".join(map(str, params)) if hasattr(params, "keys") else type(params).__name__
        raise BadArgument(f"params: {given or 'nothing'} given; expected {', '.join(SHAPES)}")
    arrays = {name: _array(name, params[name]) for name in SHAPES}
    types = {array.dtype for array in arrays.values()}
    if len(types) > 1:
        kinds = ", ".join(f"{name} is {array.dtype}" for name, array in arrays.items())
        raise BadArgument(f"the parameters are of different types: {kinds}")
    sizes = {}
    for name, shape in SHAPES.items():
        _fit(name, arrays[name], shape, sizes)
    dtype = types.pop()
    x = _rows("x", x, dtype, INPUTS, sizes)
    if y is NO_TARGET:
        return [*arrays.values(), x]
    y = _rows("y", y, dtype, OUTPUTS, sizes)
    if len(x) != len(y):
        raise BadArgument(f"x has {len(x)} samples, shape {x.shape}, and y {len(y)}, {y.shape}")
    return [*arrays.values(), x, y]


def _array(name, given):
    """A float32 or float64 array; whole numbers become float64."""
    array = np.asarray(given)
    if array.dtype.kind in "iu":
        array = array.astype(float)
    if array.dtype not in (np.float32, np.float64):
        raise BadArgument(f"{name} holds {array.dtype}; expected float32, float64 or integers")
    if not np.isfinite(array).all():
        place = tuple(int(k) for k in np.argwhere(~np.isfinite(array))[0])
        raise BadArgument(f"{name} holds {array[place]} at {place}, which is not finite")
    return array


def _rows(name, given, dtype, width, sizes):
    """x or y with one row a sample, in the type of the parameters."""
    array = _array(name, given)
    rows = array[None, :] if array.ndim == 1 else array
    if isinstance(width, str):
        width = sizes.setdefault(width, rows.shape[-1] if rows.ndim else 0)
    if rows.ndim != 2 or rows.shape[1] != width or not len(rows):
        raise BadArgument(
            f"{name} has shape {array.shape}; expected ({width},) for one sample, "
            f"or (B, {width}) with one row a sample and at least one"
        )
    return rows.astype(dtype, copy=False)


def _fit(name, array, shape, sizes):
    """Compare a shape with what is expected; a width with a name is what is met first."""
    if array.ndim == len(shape):
        for width, found in zip(shape, array.shape):
            sizes.setdefault(width, found if isinstance(width, str) else width)
    expected = tuple(sizes.get(width, width) for width in shape)
    if array.shape != expected:
        raise BadArgument(f"{name} has shape {array.shape}; expected {expected}")
'''


def array_source(writer: ArrayWriter, title: str, style: str) -> str:
    """The whole module; ``title`` says which network it is of, in a line."""
    parameters = [v for v in writer.graph.variables if v.role in PARAMETERS]
    blocks = [
        _head(writer, parameters, title, style),
        "\n".join(["import functools", "import math", "", "import numpy as np", "", *_constants(writer, parameters)]),
        _gradient_function(writer, parameters),
        _forward_function(writer, parameters),
        *(ARRAY_HELPERS[name].strip("\n") for name in writer.helpers),
        _arguments(writer, parameters),
        CHECKED.strip("\n"),
    ]
    return "\n\n\n".join(blocks) + "\n"


def _head(writer: ArrayWriter, parameters: Sequence[Variable], title: str, style: str) -> str:
    shapes = ", ".join(f"{v.name} {_shape(v)}" for v in parameters)
    inputs, outputs = _widths(writer.graph)
    uses = [line for form in writer.used for line in form.identities]
    uses += SOFTMAX_IDENTITIES if "softmax" in writer.helpers else ()
    lines = [
        f"{title}",
        "",
        "    loss, gradients = loss_and_gradients(params, x, y)",
        "    yhat = forward(params, x)",
        "",
        *textwrap.wrap(
            f"params: {shapes}, by name; W is (out, in).  x is one sample, ({inputs},), or a batch "
            f"with one row a sample, (B, {inputs}), and y likewise, ({outputs},) or (B, {outputs})"
            ".  gradients has the names and shapes of params; its arrays are new and nobody "
            "else's.  What is computed is float64 or float32, as the parameters are; integers "
            "become float64.  No argument is changed.",
            WIDTH,
        ),
        "",
        *textwrap.wrap(
            "Above each line stands the deduction it is, as on the sheet (`symback matrix`): "
            "∇v is ∂L/∂v for all elements of v, ⊙ the elementwise product, and in code dv.  "
            f"Style: {style}.  Made by symback; runs with NumPy alone.",
            WIDTH,
        ),
        *(["", "Where a plain form would lose digits, these stand for it (each is proved):"]),
        *(f"    {line}" for line in uses),
    ]
    if not uses:
        lines = lines[:-1]
    return '"""' + "\n".join(lines).rstrip().removesuffix(":").rstrip() + '\n"""'


def _shape(variable: Variable) -> str:
    sizes = [str(size) for size in variable.shape]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def _widths(graph: Graph) -> tuple[str, str]:
    found = {v.role: str(v.shape[-1]) for v in graph.variables if v.shape}
    return found[Role.INPUT], found[Role.OUTPUT]


def _literal(size: Any) -> str:
    return str(size) if size.is_Integer else f'"{size}"'


def _constants(writer: ArrayWriter, parameters: Sequence[Variable]) -> list[str]:
    shapes = [
        f'    "{v.name}": ({"".join(f"{_literal(size)}, " for size in v.shape).rstrip()}),'.replace(
            ",)", ",)" if len(v.shape) == 1 else ")"
        )
        for v in parameters
    ]
    sizes = {v.role: v.shape[-1] for v in writer.graph.variables if v.shape}
    return [
        "SHAPES = {",
        *shapes,
        "}",
        f"INPUTS, OUTPUTS = {_literal(sizes[Role.INPUT])}, {_literal(sizes[Role.OUTPUT])}",
        "NO_TARGET = object()",
    ]


def _gradient_function(writer: ArrayWriter, parameters: Sequence[Variable]) -> str:
    names = [v.name for v in parameters]
    gradients = ", ".join(f'"{v.name}": {_gradient(v)}' for v in parameters)
    given = ["x", "y"] if _has_target(writer.graph) else ["x"]
    body = [
        f"{', '.join([*names, *given])} = _arguments({', '.join(['params', *given])})",
        *_sizes(writer, [*writer.forward, *writer.backward]),
        "",
        *writer.forward,
        "",
        *writer.backward,
        "",
        "if not math.isfinite(loss):",
        f"    _checked({', '.join(['params', *given])})  # says which argument is not finite, if so",
        f"return float(loss), {{{gradients}}}",
    ]
    head = (
        "loss_and_gradients(params, x, y)"
        if "y" in given
        else "loss_and_gradients(params, x, y=None)"
    )
    return _function(head, "The loss, and its derivatives by all parameters.", body)


def _has_target(graph: Graph) -> bool:
    return any(variable.role is Role.TARGET for variable in graph.variables)


def _gradient(variable: Variable) -> str:
    """The name of a gradient; a single number becomes an array too."""
    return f"d{variable.name}" if variable.shape else f"np.array(d{variable.name})"


def _forward_function(writer: ArrayWriter, parameters: Sequence[Variable]) -> str:
    names = [v.name for v in parameters]
    body = [
        "one = np.ndim(x) == 1",
        f"{', '.join([*names, 'x'])} = _arguments(params, x)",
        *_sizes(writer, writer.forward),
        "",
        *writer.forward,
        "",
        f"return {writer.output.name}[0] if one else {writer.output.name}",
    ]
    return _function("forward(params, x)", "ŷ, shaped as y is.", body)


def _function(head: str, words: str, body: Iterable[str]) -> str:
    lines = [f"def {head}:", f'    """{words}"""', *(f"    {line}".rstrip() for line in body)]
    return "\n".join(lines)


def _sizes(writer: ArrayWriter, lines: Sequence[str]) -> list[str]:
    """The sizes that the lines name, taken from the arrays."""
    code = "\n".join(line for line in lines if not line.startswith("#"))
    return [f"{name} = {text}" for name, text in writer.sizes.items() if _names(code, name)]


def _names(code: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", code) is not None


def _arguments(writer: ArrayWriter, parameters: Sequence[Variable]) -> str:
    """The checks that every call pays for: shapes and types, and that no number is infinite."""
    names = [v.name for v in parameters]
    inputs, outputs = _widths(writer.graph)
    symbolic = [v for v in parameters if any(not size.is_Integer for size in v.shape)]
    first = names[0]
    tests = [
        f"{first}.dtype in (np.float32, np.float64)",
        *(f"{v.name}.shape == {_shape(v)}" for v in parameters),
        *(f"{name}.dtype is {first}.dtype" for name in names[1:]),
        f"x.dtype is {first}.dtype and x.ndim == 2 and x.shape[1] == {inputs} and len(x)",
        "math.isfinite(np.vdot(x, x))",
    ]
    target = (
        f"y is NO_TARGET or y.dtype is x.dtype and y.shape == (len(x), {outputs})"
        " and math.isfinite(np.vdot(y, y))"
    )
    widths = [
        f"{', '.join(str(size) for size in v.shape)} = {v.name}.shape"
        for v in symbolic
        if v.role is Role.WEIGHT
    ]
    body = [
        "try:",
        f"    {', '.join(names)}{',' if len(names) == 1 else ''} = "
        + ", ".join(f'params["{name}"]' for name in names)
        + ("," if len(names) == 1 else ""),
        *(f"    {line}" for line in widths),
        "    ready = (",
        f"        {tests[0]}",
        *(f"        and {test}" for test in tests[1:]),
        f"        and ({target})",
        f"        and len(params) == {len(names)}",
        "    )",
        "except (AttributeError, KeyError, TypeError, ValueError):",
        "    ready = False",
        "if not ready:  # lists, one sample, integers, or something wrong",
        "    return _checked(params, x, y)",
        f"return [{', '.join(names)}, x] if y is NO_TARGET else [{', '.join(names)}, x, y]",
    ]
    return _function(
        "_arguments(params, x, y=NO_TARGET)", "The arguments as arrays that fit.", body
    )


# -------------------------------------------------------------------------------------- running


def run(source: str, name: str) -> dict[str, Any]:
    """The names that the module ``source`` defines; tracebacks show its lines.

    This is the one place in symback where text becomes a program.  The text is symback's own: it
    is made of numbers, of names that `symback.notation` makes, and of formulas of the catalogue
    or of a user that `symback.formula` has read into a tree and `symback.kernels` has printed.
    """
    file = f"<symback kernel {name}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    space: dict[str, Any] = {"__name__": "symback_kernel"}
    exec(compile(source, file, "exec"), space)
    return space
