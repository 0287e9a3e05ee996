"""The text of a kernel as a module that needs NumPy alone, and the one place that runs it.

`array_source` puts the lines of `symback.kernels.arrays` between a head that says what the module
computes and the checks of its arguments.  `run` makes functions of the text.
"""

from __future__ import annotations

import hashlib
import linecache
import math
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from symback.engine.graph import Graph
from symback.kernels.arrays import ArrayWriter, NoKernel
from symback.kernels.helpers import ARRAY_HELPERS, OTHER_HELPERS, SCALAR_HELPERS
from symback.kernels.scalars import ScalarWriter
from symback.kernels.spelling import Spelling
from symback.language.errors import printable
from symback.language.names import PARAMETERS, Reference, Role, Variable

__all__ = [
    "Heading",
    "array_source",
    "checked",
    "constants",
    "definition",
    "element_source",
    "has_target",
    "module_head",
    "parameters_of",
    "run",
    "scalar_source",
    "signature",
    "size_lines",
    "tidy",
    "written_helpers",
]

WIDTH = 100
FLOATS = "FLOAT64, FLOAT32 = np.dtype(np.float64), np.dtype(np.float32)"

NUMPY_ARRAY = '''
def _array(name, given):
    """A float32 or float64 array; whole numbers become float64."""
    try:
        array = np.asarray(given)
    except ValueError:
        raise BadArgument(f"{name} is ragged: its rows are not of one length") from None
    if array.dtype.kind in "iu":
        array = array.astype(float)
    if array.dtype not in (np.float32, np.float64):
        raise BadArgument(f"{name} holds {array.dtype}; expected float32, float64 or integers")
    if not np.isfinite(array).all():
        place = tuple(int(k) for k in np.argwhere(~np.isfinite(array))[0])
        raise BadArgument(f"{name} holds {array[place]} at {place}, which is not finite")
    return array
'''

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
        shapes = f"shape {tuple(x.shape)}, and y {len(y)}, {tuple(y.shape)}"
        raise BadArgument(f"x has {len(x)} samples, {shapes}")
    return [*arrays.values(), x, y]


def _rows(name, given, dtype, width, sizes):
    """x or y with one row a sample, in the type of the parameters."""
    array = _array(name, given)
    rows = array[None, :] if array.ndim == 1 else array
    if isinstance(width, str):
        width = sizes.setdefault(width, rows.shape[-1] if rows.ndim else 0)
    if rows.ndim != 2 or rows.shape[1] != width or not len(rows):
        raise BadArgument(
            f"{name} has shape {tuple(array.shape)}; expected ({width},) for one sample, "
            f"or (B, {width}) with one row a sample and at least one"
        )
    return rows.$cast


def _fit(name, array, shape, sizes):
    """Compare a shape with what is expected; a width with a name is what is met first."""
    if array.ndim == len(shape):
        for width, found in zip(shape, array.shape):
            sizes.setdefault(width, found if isinstance(width, str) else width)
    expected = tuple(sizes.get(width, width) for width in shape)
    if array.shape != expected:
        raise BadArgument(f"{name} has shape {tuple(array.shape)}; expected {expected}")
'''


def array_source(writer: ArrayWriter, title: str) -> str:
    """The whole module in arrays; ``title`` says which network it is of, in a line."""
    style = "array: every line computes with all samples at once"
    lines = (*writer.forward, *writer.backward)
    blocks = [
        *_opening(writer, Heading(title, style, lines=lines)),
        _gradient_function(writer, "loss_and_gradients"),
        *_closing(writer),
    ]
    return "\n\n\n".join(blocks) + "\n"


def scalar_source(writer: ArrayWriter, scalars: ScalarWriter, title: str) -> str:
    """The whole module, one sample neuron by neuron, more than one in arrays."""
    style = "scalar: one sample is computed number by number, a batch in arrays"
    words = f"from math import {', '.join(sorted([*scalars.functions, 'isfinite']))}"
    lines = (*writer.forward, *writer.backward, *scalars.lines)
    blocks = [
        *_opening(writer, Heading(title, style, imports=words, lines=lines)),
        _either_function(writer),
        _one_sample_function(writer, scalars),
        *(SCALAR_HELPERS[name].strip("\n") for name in scalars.helpers),
        _gradient_function(writer, "_batch"),
        *_closing(writer),
    ]
    return "\n\n\n".join(blocks) + "\n"


def element_source(writer: ArrayWriter, element: Reference, title: str) -> str:
    """The module of one derivative: the lines it needs and no others, and its entry alone."""
    name = f"d{element.variable.name}"
    lines = [*writer.forward, *writer.backward]
    last = max((k for k, line in enumerate(lines) if _assigned(line) == {name}), default=None)
    if last is None or element.variable.role is Role.OUTPUT:
        raise NoKernel(
            f"no kernel for {element.name}: kernels are made for weights, biases, and the a and h "
            "of hidden layers"
        )
    head, tail = lines[:last], lines[last].removeprefix(f"{name} = ")
    entry = _entry(tail, element)
    names = [v.name for v in parameters_of(writer)]
    given = ["x", "y"] if has_target(writer.graph) else ["x"]
    needed = _needed(head, entry)
    one = [] if element.variable.role in PARAMETERS else ["one = np.ndim(x) == 1"]
    body = [
        *one,
        f"{', '.join([*names, *given])} = _arguments({', '.join(['params', *given])})",
        *size_lines(writer, [*needed, entry]),
        "",
        *needed,
        *(f"{line}, of which one entry" for line in head[-1:] if line.startswith("#")),
        f"derivative = {entry}",
        "return derivative[0] if one else derivative" if one else "return float(derivative)",
    ]
    heading = Heading(
        title,
        "array: every line computes with all samples at once",
        call=f"derivative(params, x, y)  # ∂L/∂{element.name}",
        result="The derivative by a weight or bias is a number, by an a or h one a sample.",
        lines=tuple(needed),
    )
    blocks = [
        *_opening(writer, heading),
        definition(signature(writer, "derivative"), f"∂L/∂{element.name}.", body),
        *_closing(writer),
    ]
    return "\n\n\n".join(blocks) + "\n"


def _entry(code: str, element: Reference) -> str:
    """One entry of a product (aᵀ b)_ij = a_i · b_j, of a sum over samples, or of an array."""
    places = [index - 1 for index in element.indices]
    product = re.fullmatch(r"(\w+)\.T @ (\w+)", code)
    if product is not None:
        i, j = places
        return f"{product[1]}[:, {i}] @ {product[2]}[:, {j}]"
    total = re.fullmatch(r"(\w+)\.sum\(axis=0\)", code)
    if total is not None:
        return f"{total[1]}[:, {places[0]}].sum()"
    if not places:
        return code
    return f"({code})[:, {places[0]}]"


def _kept(writer: ArrayWriter, lines: Sequence[str]) -> list[str]:
    code = "\n".join(line for line in lines if not line.startswith("#"))
    return [name for name in writer.memory if _names(code, name)]


BEFORE_STAR = 255
"""So many names Python allows before the starred one."""


def _memory_line(writer: ArrayWriter, lines: Sequence[str]) -> list[str]:
    """The arrays that the lines compute in, by their names."""
    used = _kept(writer, lines)
    names = [name if name in used else "_" for name in writer.memory]
    while names and names[-1] == "_":
        names.pop()
    if not names:
        return []
    memory = f"_memory({_memory_arguments(writer)})"
    if len(names) == len(writer.memory):
        return [f"{_targets(names)} = {memory}"]
    if len(names) > BEFORE_STAR:
        return [f"{_targets(names)} = {memory}[:{len(names)}]"]
    return [f"{_targets([*names, '*_'])} = {memory}"]


def _memory_arguments(writer: ArrayWriter) -> str:
    sizes = [name for name in writer.sizes if any(_names(s, name) for s in writer.memory.values())]
    return ", ".join([*sizes, "x.dtype"])


MEMORY = '''
class _Memory(threading.local):
    key = arrays = None


def _memory({sizes}, dtype):
    """What hidden layers are computed in, kept for the next call in this thread.

    Memory that is given back to the system costs more to get again than to compute in.
    """
    if _KEPT.key != ({sizes}, dtype):
        _KEPT.arrays = (
{arrays}
        )
        _KEPT.key = {sizes}, dtype
    return _KEPT.arrays


_KEPT = _Memory()
'''


def _memory_function(writer: ArrayWriter) -> list[str]:
    if not writer.memory:
        return []
    arrays = "\n".join(
        f"            np.{'ones' if name == 'ones' else 'empty'}({shape}, dtype),  # {name}"
        for name, shape in writer.memory.items()
    )
    sizes = _memory_arguments(writer).removesuffix(", x.dtype")
    return [MEMORY.format(sizes=sizes, arrays=arrays).strip("\n")]


def tidy(result: str, *passes: Sequence[str]) -> list[list[str]]:
    """The lines of some passes that ``result`` needs, and ``_`` for what it does not."""
    lines = [line for each in passes for line in each]
    kept = _needed(lines, result)
    words = Counter(w for line in [*kept, result] if line[0] != "#" for w in _WORD.findall(line))
    found, rest = [], [_without_unused(line, words) for line in kept]
    for each in passes[:-1]:
        own = sum(line in {*kept} for line in each)
        found.append(rest[:own])
        rest = rest[own:]
    return [*found, rest]


def _without_unused(line: str, words: Mapping[str, int]) -> str:
    target = re.match(r"\w+(, \w+)+(?= = )", line)
    if target is None:
        return line
    names = (name if words[name] > 1 else "_" for name in target[0].split(", "))
    return ", ".join(names) + line.removeprefix(target[0])


def _needed(lines: Sequence[str], result: str) -> list[str]:
    """The lines that ``result`` depends on, in their order, each with its comment."""
    wanted, kept, used = {*_WORD.findall(result)}, [], False
    for k, line in reversed([*enumerate(lines)]):
        if line.startswith("#"):
            kept += [line] if used else []
            used = used and lines[max(k - 1, 0)].startswith("#")
        elif _assigned(line) & wanted:
            kept.append(line)
            wanted |= {*_WORD.findall(line)}
            used = True
    return kept[::-1]


_WORD = re.compile(r"[^\W\d]\w*")


def _assigned(line: str) -> set[str]:
    """The names that a line gives a value."""
    target = re.match(r"([\w, ]+?) [-+*/]?= ", line)
    memory = re.search(r", out=(\w+)\)$", line)
    return {*(target[1].split(", ") if target else ()), *(memory.groups() if memory else ())}


@dataclass(frozen=True, slots=True)
class Heading:
    """What the docstring of a module says of it, a line it imports, and the lines it explains."""

    title: str
    style: str
    call: str = "loss, gradients = loss_and_gradients(params, x, y)"
    result: str = (
        "gradients has the names and shapes of params; its arrays are new and nobody else's."
    )
    imports: str = ""
    types: str = (
        "What is computed is float64 or float32, as the parameters are; integers become float64."
    )
    runs: str = "runs with NumPy alone"
    lines: tuple[str, ...] = ()


def _opening(writer: ArrayWriter, heading: Heading) -> list[str]:
    imports = ["import functools"] if "others" in writer.helpers else []
    imports += ["import math", *(["import threading"] if writer.memory else [])]
    imports += [*filter(None, [heading.imports]), "", "import numpy as np", ""]
    return [
        module_head(writer, heading) + "\n\n" + "\n".join([*imports, *constants(writer), FLOATS])
    ]


def _closing(writer: ArrayWriter) -> list[str]:
    checks = [_arguments(writer), checked(writer.spelling), NUMPY_ARRAY.strip("\n")]
    return [
        _forward_function(writer),
        *written_helpers(writer),
        *_memory_function(writer),
        *checks,
    ]


def checked(spelling: Spelling) -> str:
    """The checks that any engine can make."""
    return spelling.write(CHECKED).strip("\n")


def written_helpers(writer: ArrayWriter) -> list[str]:
    """The functions that the lines call, in the engine's words."""
    own = OTHER_HELPERS.get(writer.spelling.name, {})
    texts = (own.get(name, ARRAY_HELPERS[name]) for name in writer.helpers)
    return [writer.spelling.write(text).strip("\n") for text in texts if text]


def parameters_of(writer: ArrayWriter) -> list[Variable]:
    """W_k and b_k, in their order."""
    return [v for v in writer.graph.variables if v.role in PARAMETERS]


def signature(writer: ArrayWriter, name: str) -> str:
    """The head of a function of params, x and, where the loss has a target, y."""
    return f"{name}(params, x, y)" if has_target(writer.graph) else f"{name}(params, x, y=None)"


def _either_function(writer: ArrayWriter) -> str:
    body = [
        "try:",
        "    return _one_sample(params, x, y)",
        "except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):",
        "    # a batch, lists, a number out of range, something wrong: arrays do it, or say what",
        "    return _batch(params, x, y)",
    ]
    words = "The loss, and its derivatives by all parameters."
    return definition(signature(writer, "loss_and_gradients"), words, body)


def _one_sample_function(writer: ArrayWriter, scalars: ScalarWriter) -> str:
    parameters = parameters_of(writer)
    names = [v.name for v in parameters]
    data = [v for v in scalars.graph.variables if v.role in (Role.INPUT, Role.TARGET)]
    types = " is ".join(f"{v.name}.dtype" for v in [*parameters, *data])
    numbers = " + ".join(name for v in data for name in scalars.names(v))
    body = [
        f"{_targets(names)} = " + _targets(f'params["{name}"]' for name in names),
        f"alike = {types} in (FLOAT64, FLOAT32)",
        f"if not alike or len(params) != {len(names)}:",
        '    raise TypeError("not arrays of one floating type")',
        *(line for v in [*parameters, *data] for line in scalars.unpacking(v)),
        "",
        *scalars.lines,
        "",
        f"if not isfinite(loss + {numbers}):",
        '    raise ValueError("a number that is not finite")',
        *_packed(scalars, parameters),
    ]
    words = "The same of one sample; raises one of Python's errors where it cannot."
    return definition("_one_sample(params, x, y)", words, body)


def _packed(scalars: ScalarWriter, parameters: Sequence[Variable]) -> list[str]:
    """One array of all derivatives, and the gradients as its parts: an array costs 0.5 µs."""
    names = [f"d{name}" for v in parameters for name in scalars.names(v)]
    rows = textwrap.wrap(", ".join(names), WIDTH - 12)
    lines = ["theta = np.array(", "    [", *(f"        {row}" for row in rows), "    ],"]
    lines += [f"    {parameters[0].name}.dtype,", ")", "return loss, {"]
    first = 0
    for variable in parameters:
        count = math.prod(int(size) for size in variable.shape)
        part = f"theta[{first}:{first + count}]"
        reshaped = part if len(variable.shape) == 1 else f"{part}.reshape({_shape(variable)})"
        lines.append(f'    "{variable.name}": {reshaped},')
        first += count
    return [*lines, "}"]


def _targets(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed) + ("," if len(listed) == 1 else "")


def module_head(writer: ArrayWriter, heading: Heading) -> str:
    """The docstring: how to call, with what shapes, how to read the lines, which identities."""
    shapes = ", ".join(f"{v.name} {_shape(v)}" for v in parameters_of(writer))
    inputs, outputs = _widths(writer.graph)
    arguments = (
        f"params: {shapes}, by name; W is (out, in).  x is one sample, ({inputs},), or a batch "
        f"with one row a sample, (B, {inputs}), and y likewise, ({outputs},) or (B, {outputs}).  "
        f"{heading.result}  {heading.types}  No argument is changed."
    )
    if writer.memory:
        arguments += "  Hidden layers are computed in memory kept from call to call in each thread."
    notation = (
        "Above each line stands the deduction it is, as on the sheet (`symback matrix`): ∇v is "
        "∂L/∂v for all elements of v, ⊙ the elementwise product, and in code dv.  "
        f"Style: {heading.style}.  Made by symback; {heading.runs}."
    )
    lines = [
        _harmless(heading.title),
        "",
        f"    {heading.call}",
        "    yhat = forward(params, x)",
        "",
    ]
    lines += [*textwrap.wrap(arguments, WIDTH), "", *textwrap.wrap(notation, WIDTH)]
    identities = writer.identities(heading.lines)
    if identities:
        lines += ["", "Where a plain form would lose digits, these stand for it (each is proved):"]
        lines += [f"    {line}" for line in dict.fromkeys(each.text for each in identities)]
    return '"""' + "\n".join(lines) + '\n"""'


def _harmless(title: str) -> str:
    """A user's words, which can neither end the docstring nor escape in it."""
    return printable(title, WIDTH).replace("\\", "/").replace('"', "'")


def _shape(variable: Variable) -> str:
    sizes = [str(size) for size in variable.shape]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def _widths(graph: Graph) -> tuple[str, str]:
    found = {v.role: str(v.shape[-1]) for v in graph.variables if v.shape}
    return found[Role.INPUT], found[Role.OUTPUT]


def _literal(size: Any) -> str:
    return str(size) if size.is_Integer else f'"{size}"'


def constants(writer: ArrayWriter) -> list[str]:
    """The shapes that arguments are compared with."""
    parameters = parameters_of(writer)
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


def _gradient_function(writer: ArrayWriter, function: str) -> str:
    parameters = parameters_of(writer)
    names = [v.name for v in parameters]
    gradients = ", ".join(f'"{v.name}": {_gradient(v)}' for v in parameters)
    given = ["x", "y"] if has_target(writer.graph) else ["x"]
    forward, backward = tidy(f"loss, {gradients}", writer.forward, writer.backward)
    body = [
        f"{', '.join([*names, *given])} = _arguments({', '.join(['params', *given])})",
        *size_lines(writer, [*forward, *backward, *writer.memory.values()]),
        *_memory_line(writer, [*forward, *backward]),
        "",
        *forward,
        "",
        *backward,
        "",
        "if not math.isfinite(loss):",
        f"    _checked({', '.join(['params', *given])})  # says which argument is not finite",
        f"return float(loss), {{{gradients}}}",
    ]
    words = "The loss, and its derivatives by all parameters."
    return definition(signature(writer, function), words, body)


def has_target(graph: Graph) -> bool:
    """Whether the loss compares with a y."""
    return any(variable.role is Role.TARGET for variable in graph.variables)


def _gradient(variable: Variable) -> str:
    """The name of a gradient; a single number becomes an array too."""
    return f"d{variable.name}" if variable.shape else f"np.array(d{variable.name})"


def _forward_function(writer: ArrayWriter) -> str:
    parameters = parameters_of(writer)
    names = [v.name for v in parameters]
    (forward,) = tidy(writer.output.name, writer.forward)
    memory = _memory_line(writer, forward)
    body = [
        "one = np.ndim(x) == 1",
        f"{', '.join([*names, 'x'])} = _arguments(params, x)",
        *size_lines(writer, [*forward, *memory]),
        *memory,
        "",
        *forward,
        "",
        f"return {writer.output.name}[0] if one else {writer.output.name}",
    ]
    return definition("forward(params, x)", "ŷ, shaped as y is.", body)


def definition(head: str, words: str, body: Iterable[str]) -> str:
    """A function of the source: its head, its docstring, its lines."""
    lines = [f"def {head}:", f'    """{words}"""']
    lines += [f"    {part}".rstrip() for line in body for part in _folded(line)]
    return "\n".join(lines)


def _folded(line: str) -> list[str]:
    """A line as lines of at most `WIDTH` - 4 columns; within brackets any space may be an end."""
    if len(line) <= WIDTH - 4:
        return [line]
    if line.lstrip().startswith("#"):
        return textwrap.wrap(line, WIDTH - 4, subsequent_indent="#     ", break_long_words=False)
    match = re.fullmatch(r"( *(?:\w[\w, ]* [-+*/]?= |and |return ))(.+)", line)
    if match is None:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()))
    inner = textwrap.wrap(match[2], WIDTH - 8 - len(indent), break_long_words=False)
    return [f"{match[1]}(", *(f"{indent}    {part}" for part in inner), f"{indent})"]


def size_lines(writer: ArrayWriter, lines: Sequence[str]) -> list[str]:
    """The sizes that the lines name, taken from the arrays."""
    code = "\n".join(line for line in lines if not line.startswith("#"))
    return [f"{name} = {text}" for name, text in writer.sizes.items() if _names(code, name)]


def _names(code: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", code) is not None


def _arguments(writer: ArrayWriter) -> str:
    """The checks that every call pays for: names, types, shapes, and that the data are finite."""
    parameters = parameters_of(writer)
    names = [v.name for v in parameters]
    inputs, outputs = _widths(writer.graph)
    sizes = [f"{n} = {text}" for n, text in writer.sizes.items() if text != "len(x)"]
    types = " is ".join(f"{name}.dtype" for name in [*names, "X"])
    found = ", ".join(names)
    target = [
        "Y = y[None, :] if y.ndim == 1 else y",
        f"if fits and Y.dtype is X.dtype and Y.shape == (len(X), {outputs}):",
        "    if math.isfinite(np.vdot(Y, Y)):",
        f"        return {found}, X, Y",
    ]
    lines = [
        f"{_targets(names)} = " + _targets(f'params["{name}"]' for name in names),
        *sizes,
        "X = x[None, :] if x.ndim == 1 else x",
        "fits = (",
        f"    len(params) == {len(names)}",
        f"    and {types} in (FLOAT64, FLOAT32)",
        *(f"    and {v.name}.shape == {_shape(v)}" for v in parameters),
        f"    and X.shape == (len(X) or 1, {inputs})",
        "    and math.isfinite(np.vdot(X, X))",
        ")",
        "if fits and y is NO_TARGET:",
        f"    return {found}, X",
        *(target if has_target(writer.graph) else []),
    ]
    body = [
        "try:",
        *(f"    {line}" for line in lines),
        "except (AttributeError, IndexError, KeyError, TypeError, ValueError):",
        "    pass",
        "return _checked(params, x, y)  # lists, integers, or something wrong",
    ]
    return definition(
        "_arguments(params, x, y=NO_TARGET)", "The arguments as arrays that fit.", body
    )


# -------------------------------------------------------------------------------------- running


def run(source: str, name: str) -> dict[str, Any]:
    """The names that the module ``source`` defines; tracebacks show its lines.

    This is the one place in symback where text becomes a program.  The text is symback's own: it
    is made of numbers, of names that `symback.language.names` makes, and of formulas of the
    catalogue or of a user that `symback.language.reading` has read into a tree and
    `symback.kernels` has printed.
    """
    # Two kernels of one title are two files: else a traceback shows the lines of the later one.
    digest = hashlib.blake2b(source.encode(), digest_size=4).hexdigest()
    file = f"<symback kernel {digest} {name}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    space: dict[str, Any] = {"__name__": "symback_kernel"}
    exec(compile(source, file, "exec"), space)  # noqa: S102
    return space
