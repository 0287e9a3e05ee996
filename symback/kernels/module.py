"""A program as a module of Python that needs one engine alone, and the one place that runs it.

Here one can

* make a kernel of a network, or of a single derivative: `kernel`, `element_kernel`;
* have the source alone: `kernel_source`; `ENGINES` lists what it can be written for besides NumPy;
* see what is computed instead of plain forms: `identities`.

A source is a head that says what the module computes, the lines of `symback.kernels.lines`, the
functions that they call, and the checks of the arguments.  `run` makes functions of it.

What differs from NumPy on JAX and PyTorch: the loss is the engine's number, so that nothing waits
for a device; shapes and types are checked, but not whether numbers are finite, which `jax.jit`
could not look at and a graphics card would have to send; whatever floating type the arrays have is
computed in.  JAX's module is pure, so `jax.jit`, `jax.vmap` and sharded arrays go through it.
PyTorch's computes on the device where the tensors are and keeps no graph.  Neither adds digits to
an engine's own matrix products or functions: JAX on a TPU or a graphics card multiplies in fewer
unless ``jax.default_matmul_precision("highest")`` is set.
"""

from __future__ import annotations

import hashlib
import linecache
import math
import re
import textwrap
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import accumulate
from typing import Any

import numpy as np
from sympy import Symbol

from symback.engine.derivation import BackwardPass
from symback.engine.graph import Graph, from_network
from symback.engine.matrix import MatrixForm, lift
from symback.engine.spec import NetworkSpec, Values
from symback.kernels.forms import Identity
from symback.kernels.lines import (
    JAX,
    MATH,
    NUMPY,
    NUMPY_PLAIN,
    TORCH,
    Block,
    Call,
    Line,
    Named,
    NoKernel,
    Program,
    Spelling,
    array_program,
    element,
    heads_of,
    identities_of,
    in_memory,
    names_in,
    needed,
    number,
    scalar_program,
)
from symback.language.errors import SymbackError, did_you_mean, printable
from symback.language.expressions import Node
from symback.language.files import template_dir
from symback.language.names import PARAMETERS, Reference, Role, Variable, elements

WIDTH = 100
STYLES = ("scalar", "array")
MOST_SCALARS = 100
"""A network of so many weights takes as long number by number as in arrays, some 10 µs."""

B = Symbol("B", integer=True, positive=True)
"""The number of samples, which a call decides."""


@cache
def templates() -> dict[str, dict[str, str]]:
    """The functions of ``templates/kernel.toml``: helpers, and the checks of arguments."""
    return tomllib.loads((template_dir() / "kernel.toml").read_text("utf-8"))


def _helpers(blocks: Iterable[Block], spelling: Spelling) -> list[str]:
    """The functions that lines call, in an engine's words; a softmax calls one more."""
    texts = templates()
    known = texts["helpers"] | texts.get(spelling.name, {})
    called = [head for head in heads_of(blocks) if spelling.functions.get(head, "")[:1] == "_"]
    if "softmax" in called:
        called.insert(called.index("softmax") + 1, "others")
    return [spelling.write(known[head]).strip("\n") for head in dict.fromkeys(called)]


def _checks(spelling: Spelling) -> tuple[str, str]:
    """What makes the arguments arrays that fit, or says which does not."""
    texts = templates()
    return spelling.write(texts["checks"]["checked"]), texts["array"][spelling.name]


# ------------------------------------------------------------------------------------------ engines


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine: its words, its imports, and what it is called; symback's extra has its name.

    ``decorator`` stands above the two functions.
    """

    title: str
    spelling: Spelling
    imports: str
    promise: str
    decorator: str = ""


ENGINES: Mapping[str, Engine] = {
    "jax": Engine(
        title="JAX",
        spelling=JAX,
        imports="import jax\nimport jax.numpy as jnp",
        promise=(
            "Both functions are pure: jax.jit(loss_and_gradients) compiles the whole, also for "
            "arrays that are spread over devices."
        ),
    ),
    "torch": Engine(
        title="PyTorch",
        spelling=TORCH,
        imports="import torch",
        promise=(
            "It runs on the device where the tensors are, and PyTorch keeps no graph of it: these "
            "are the derivatives."
        ),
        decorator="@torch.no_grad()",
    ),
}
BACKENDS = ("numpy", *ENGINES)


# --------------------------------------------------------------------------------- pieces of a text


def folded(line: str) -> list[str]:
    """A line as lines of at most `WIDTH` - 4 columns; within brackets any space may be an end."""
    if len(line) <= WIDTH - 4:
        return [line]
    if line.lstrip().startswith("#"):
        return textwrap.wrap(line, WIDTH - 4, subsequent_indent="#     ", break_long_words=False)
    match = re.fullmatch(r"( *(?:\w[\w, ]*(?:\[[^]=]*\])? [-+*/]?= |and |return ))(.+)", line)
    if match is None:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()))
    inner = textwrap.wrap(match[2], WIDTH - 8 - len(indent), break_long_words=False)
    return [f"{match[1]}(", *(f"{indent}    {part}" for part in inner), f"{indent})"]


def _written(blocks: Iterable[Block]) -> list[str | Line]:
    """Lines below their comments."""
    return [
        part
        for block in blocks
        for part in (*(f"# {comment}" for comment in block.comments), *block.lines)
    ]


def _mentioned(blocks: Iterable[Block]) -> set[str]:
    """The names that lines read or write."""
    return {name for block in blocks for line in block.lines for name in line.reads | line.writes}


def _tidy(results: Iterable[str], *passes: Sequence[Block]) -> list[list[Block]]:
    """The lines of each pass that ``results`` need, and ``_`` for what is unpacked and not used."""
    wanted, used = {*results}, {*results}
    kept: list[list[Block]] = []
    for blocks in reversed(passes):
        kept.append(needed(blocks, wanted))
        wanted |= _mentioned(kept[-1])
        used = used.union(*(line.reads for block in kept[-1] for line in block.lines))

    def without_unused(line: Line) -> Line:
        names = line.names
        few = tuple(name if name in used or len(names) == 1 else "_" for name in names)
        return line if few == names else replace(line, names=few)

    return [
        [replace(block, lines=tuple(map(without_unused, block.lines))) for block in blocks]
        for blocks in reversed(kept)
    ]


def _listed(names: Iterable[str]) -> str:
    """Names as targets or as values: one alone has a comma."""
    listed = list(names)
    return ", ".join(listed) + ("," if len(listed) == 1 else "")


def _shape(variable: Variable) -> str:
    return f"({_listed(map(str, variable.shape))})"


def _literal(size: Any) -> str:
    return str(size) if size.is_Integer else f'"{size}"'


# --------------------------------------------------------------------------------------- a module

ARRAY_STYLE = "array: every line computes with all samples at once"
SCALAR_STYLE = "scalar: one sample is computed number by number, a batch in arrays"
BEFORE_STAR = 255
"""So many names Python allows before the starred one."""


class _Module:
    """A program and the text around it: each method but `text` writes a function, or its head."""

    def __init__(self, program: Program, title: str, spelling: Spelling = NUMPY) -> None:
        self.program, self.title, self.spelling = program, title, spelling
        variables = program.graph.variables
        self.parameters = [v for v in variables if v.role in PARAMETERS]
        self.names = [v.name for v in self.parameters]
        self.has_target = any(v.role is Role.TARGET for v in variables)
        self.given = "params, x, y" if self.has_target else "params, x"
        self.arrays = ", ".join([*self.names, *(["x", "y"] if self.has_target else ["x"])])
        widths = {v.role: v.shape[-1] for v in variables if v.shape}
        self.inputs, self.outputs = widths[Role.INPUT], widths[Role.OUTPUT]
        shapes = program.memory.values()
        self.memory_sizes = [n for n in program.sizes if any(n in shape for shape in shapes)]

    def head(
        self,
        blocks: Iterable[Block],
        style: str = ARRAY_STYLE,
        *,
        call: str = "loss, gradients = loss_and_gradients(params, x, y)",
        result: str = "gradients has the names and shapes of params; its arrays are new and "
        "nobody else's.",
        types: str = "What is computed is float64 or float32, as the parameters are; integers "
        "become float64.",
        runs: str = "runs with NumPy alone",
    ) -> str:
        """The docstring: how to call, with what shapes, how to read the lines, which identities."""
        shapes = ", ".join(f"{v.name} {_shape(v)}" for v in self.parameters)
        arguments = (
            f"params: {shapes}, by name; W is (out, in).  x is one sample, ({self.inputs},), or a "
            f"batch with one row a sample, (B, {self.inputs}), and y likewise, ({self.outputs},) "
            f"or (B, {self.outputs}).  {result}  {types}  No argument is changed."
        )
        if self.program.memory:
            kept = "Hidden layers are computed in memory kept from call to call in each thread."
            arguments += f"  {kept}"
        notation = (
            "Above each line stands the deduction it is, as on the sheet (`symback matrix`): ∇v is "
            "∂L/∂v for all elements of v, ⊙ the elementwise product, and in code dv.  "
            f"Style: {style}.  Made by symback; {runs}."
        )
        # a user's words, which can neither end the docstring nor escape in it
        title = printable(self.title, WIDTH).replace("\\", "/").replace('"', "'")
        lines = [title, "", f"    {call}", "    yhat = forward(params, x)", ""]
        lines += [*textwrap.wrap(arguments, WIDTH), "", *textwrap.wrap(notation, WIDTH)]
        found = dict.fromkeys(each.text for each in identities_of(self.program, blocks))
        if found:
            said = "Where a plain form would lose digits, these stand for it (each is proved):"
            lines += ["", said, *(f"    {line}" for line in found)]
        return '"""' + "\n".join(lines) + '\n"""'

    def constants(self) -> list[str]:
        """The shapes that arguments are compared with."""
        return [
            "SHAPES = {",
            *(f'    "{v.name}": ({_listed(map(_literal, v.shape))}),' for v in self.parameters),
            "}",
            f"INPUTS, OUTPUTS = {_literal(self.inputs)}, {_literal(self.outputs)}",
            "NO_TARGET = object()",
        ]

    def text(self, head: str, functions: Iterable[str], imports: Sequence[str] = ()) -> str:
        """The whole module for NumPy: the functions, and what they call."""
        called = _helpers(self.program.blocks, self.spelling)
        words = ["import functools"] if any("functools." in each for each in called) else []
        words += ["import math", *(["import threading"] if self.program.memory else []), *imports]
        types = "FLOAT64, FLOAT32 = np.dtype(np.float64), np.dtype(np.float32)"
        opening = [head, "", *words, "", "import numpy as np", "", *self.constants(), types]
        forward = self.forward("np.ndim(x) == 1", "_arguments")
        memory = [self.memory_function()] if self.program.memory else []
        checks = [self.arguments(), *_checks(self.spelling)]
        blocks = ["\n".join(opening), *functions, forward, *called, *memory, *checks]
        return "\n\n\n".join(block.strip("\n") for block in blocks) + "\n"

    def function(self, head: str, words: str, body: Iterable[str | Line]) -> str:
        """A function: its head, its docstring, its lines."""
        texts = (line if isinstance(line, str) else self.spelling.text(line) for line in body)
        lines = [f"def {head}:", f'    """{words}"""']
        lines += [f"    {part}".rstrip() for text in texts for part in folded(text)]
        return "\n".join(lines)

    def main_function(self, name: str, words: str, body: Iterable[str | Line]) -> str:
        """A function of params, x and, where the loss has a target, y."""
        head = f"{name}({self.given})" if self.has_target else f"{name}({self.given}, y=None)"
        return self.function(head, words, body)

    def gradients(self, name: str, checks: str, ending: Sequence[str] = ()) -> str:
        """The function that gives the loss, and ∂L/∂θ for every parameter."""
        results = ["loss", *(f"d{name}" for name in self.names)]
        forward, backward = _tidy(results, self.program.forward, self.program.backward)
        names = _mentioned([*forward, *backward])
        is_numpy = bool(ending)
        # in NumPy a single number becomes an array too
        values = (
            f'"{v.name}": ' + (f"np.array(d{v.name})" if is_numpy and not v.shape else f"d{v.name}")
            for v in self.parameters
        )
        body = [
            f"{self.arrays} = {checks}({self.given})",
            *self.size_lines(names.union(self.memory_sizes)),
            *self.memory_line(names),
            "",
            *_written(forward),
            "",
            *_written(backward),
            "",
            *ending,
            f"return {'float(loss)' if is_numpy else 'loss'}, {{{', '.join(values)}}}",
        ]
        return self.main_function(name, "The loss, and its derivatives by all parameters.", body)

    def numpy_gradients(self, name: str) -> str:
        """The same with a look at the loss, which is finite where all arguments are."""
        said = f"    _checked({self.given})  # says which argument is not finite"
        return self.gradients(name, "_arguments", ["if not math.isfinite(loss):", said])

    def forward(self, is_one: str, checks: str) -> str:
        """The function that gives ŷ."""
        yhat = self.program.output.h.name
        (blocks,) = _tidy([yhat], self.program.forward)
        names = _mentioned(blocks)
        memory = self.memory_line(names)
        body = [
            f"one = {is_one}",
            f"{', '.join([*self.names, 'x'])} = {checks}(params, x)",
            *self.size_lines(names.union(self.memory_sizes) if memory else names),
            *memory,
            "",
            *_written(blocks),
            "",
            f"return {yhat}[0] if one else {yhat}",
        ]
        return self.function("forward(params, x)", "ŷ, shaped as y is.", body)

    def size_lines(self, names: set[str]) -> list[str]:
        """The sizes among the names, taken from the arrays."""
        return [f"{n} = {text}" for n, text in self.program.sizes.items() if n in names]

    def memory_line(self, mentioned: set[str]) -> list[str]:
        """The arrays that the lines compute in, by their names."""
        memory = self.program.memory
        names = [name if name in mentioned else "_" for name in memory]
        while names and names[-1] == "_":
            names.pop()
        if not names:
            return []
        kept = f"_memory({', '.join([*self.memory_sizes, 'x.dtype'])})"
        if len(names) == len(memory):
            return [f"{_listed(names)} = {kept}"]
        if len(names) > BEFORE_STAR:
            return [f"{_listed(names)} = {kept}[:{len(names)}]"]
        return [f"{_listed([*names, '*_'])} = {kept}"]

    def memory_function(self) -> str:
        """The function that gives that memory."""
        shapes = {
            name: shape[0] if name == "ones" else f"({', '.join(shape)})"
            for name, shape in self.program.memory.items()
        }
        arrays = "\n".join(
            f"            np.{'ones' if name == 'ones' else 'empty'}({shape}, dtype),  # {name}"
            for name, shape in shapes.items()
        )
        return templates()["checks"]["memory"].format(
            sizes=", ".join(self.memory_sizes), arrays=arrays
        )

    def unpacked(self) -> str:
        """The line that takes the parameters out of params."""
        return f"{_listed(self.names)} = " + _listed(f'params["{name}"]' for name in self.names)

    def arguments(self) -> str:
        """The checks that every call pays for: names, types, shapes, and that data are finite."""
        sizes = [f"{n} = {text}" for n, text in self.program.sizes.items() if text != "len(x)"]
        types = " is ".join(f"{name}.dtype" for name in [*self.names, "X"])
        found = ", ".join(self.names)
        target = [
            "Y = y[None, :] if y.ndim == 1 else y",
            f"if fits and Y.dtype is X.dtype and Y.shape == (len(X), {self.outputs}):",
            "    if math.isfinite(np.vdot(Y, Y)):",
            f"        return {found}, X, Y",
        ]
        lines = [
            self.unpacked(),
            *sizes,
            "X = x[None, :] if x.ndim == 1 else x",
            "fits = (",
            f"    len(params) == {len(self.names)}",
            f"    and {types} in (FLOAT64, FLOAT32)",
            *(f"    and {v.name}.shape == {_shape(v)}" for v in self.parameters),
            f"    and X.shape == (len(X) or 1, {self.inputs})",
            "    and math.isfinite(np.vdot(X, X))",
            ")",
            "if fits and y is NO_TARGET:",
            f"    return {found}, X",
            *(target if self.has_target else []),
        ]
        body = [
            "try:",
            *(f"    {line}" for line in lines),
            "except (AttributeError, IndexError, KeyError, TypeError, ValueError):",
            "    pass",
            "return _checked(params, x, y)  # lists, integers, or something wrong",
        ]
        head = "_arguments(params, x, y=NO_TARGET)"
        return self.function(head, "The arguments as arrays that fit.", body)


def _array_source(program: Program, title: str) -> str:
    """The whole module in arrays; ``title`` says which network it is of, in a line."""
    module = _Module(program, title)
    return module.text(module.head(program.blocks), [module.numpy_gradients("loss_and_gradients")])


def _engine_source(program: Program, engine: Engine, title: str) -> str:
    """The whole module for another engine."""
    module = _Module(program, title, engine.spelling)
    head = module.head(
        program.blocks,
        result="gradients has the names and shapes of params.",
        types=f"What is computed has the floating type of the parameters.  {engine.promise}",
        runs=f"runs with {engine.title} alone",
    )
    called = _helpers(program.blocks, engine.spelling)
    maths = "import math\n\n" if any("math." in text for text in called) else ""
    opening = [f"{head}\n\n{maths}{engine.imports}\n", *module.constants()]
    functions = (
        module.gradients("loss_and_gradients", "_checked"),
        module.forward('_array("x", x).ndim == 1', "_checked"),
    )
    decorated = (f"{engine.decorator}\n{text}".lstrip() for text in functions)
    checks = _checks(engine.spelling)
    blocks = ("\n".join(opening), *decorated, *called, *checks)
    return "\n\n\n".join(block.strip("\n") for block in blocks) + "\n"


def _scalar_source(program: Program, scalars: Sequence[Block], graph: Graph, title: str) -> str:
    """The whole module, one sample of ``graph`` neuron by neuron, more than one in arrays."""
    module = _Module(program, title)
    words = (MATH.functions.get(head, "") for head in heads_of(scalars))
    called = {word for word in words if word.isidentifier() and word[0] != "_"}
    called -= {"abs", "max", "min"}
    imports = f"from math import {', '.join(sorted([*called, 'isfinite']))}"
    either = [
        "try:",
        "    return _one_sample(params, x, y)",
        "except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):",
        "    # a batch, lists, a number out of range, something wrong: arrays do it, or say what",
        "    return _batch(params, x, y)",
    ]
    said = "The loss, and its derivatives by all parameters."
    functions = [
        module.main_function("loss_and_gradients", said, either),
        _one_sample(module, scalars, graph),
        *_helpers(scalars, MATH),
        module.numpy_gradients("_batch"),
    ]
    head = module.head([*program.blocks, *scalars], SCALAR_STYLE)
    return module.text(head, functions, [imports])


def _one_sample(module: _Module, scalars: Sequence[Block], graph: Graph) -> str:
    parameters, names = module.parameters, module.names
    data = [v for v in graph.variables if v.role in (Role.INPUT, Role.TARGET)]
    given = [*parameters, *data]
    types = " is ".join(f"{v.name}.dtype" for v in given)
    numbers = " + ".join(name for v in data for name in _elements(v))
    gradients = [f"d{name}" for v in parameters for name in _elements(v)]
    body = [
        module.unpacked(),
        f"alike = {types} in (FLOAT64, FLOAT32)",
        f"if not alike or len(params) != {len(names)}:",
        '    raise TypeError("not arrays of one floating type")',
        *(line for v in given for line in _unpacking(v)),
        "",
        *(line if isinstance(line, str) else MATH.text(line) for line in _written(scalars)),
        "",
        f"if not isfinite(loss + {numbers}):",
        '    raise ValueError("a number that is not finite")',
        # one array of all derivatives, and the gradients as its parts: an array costs 0.5 µs
        "theta = np.array(",
        "    [",
        *(f"        {row}" for row in textwrap.wrap(", ".join(gradients), WIDTH - 12)),
        "    ],",
        f"    {names[0]}.dtype,",
        ")",
        "return loss, {",
    ]
    counts = [math.prod(map(int, v.shape)) for v in parameters]
    for variable, count, end in zip(parameters, counts, accumulate(counts), strict=True):
        part = f"theta[{end - count}:{end}]"
        reshaped = part if len(variable.shape) == 1 else f"{part}.reshape({_shape(variable)})"
        body.append(f'    "{variable.name}": {reshaped},')
    said = "The same of one sample; raises one of Python's errors where it cannot."
    return module.function("_one_sample(params, x, y)", said, [*body, "}"])


def _elements(variable: Variable) -> list[str]:
    """The names of all elements, row by row."""
    return [element(variable, *each.indices).name for each in elements(variable)]


def _unpacking(variable: Variable) -> list[str]:
    """The lines that take the numbers out of an array, a row a line."""
    names, source = _elements(variable), f"{variable.name}.tolist()"
    if not variable.shape:
        return [f"{names[0]} = {source}"]
    width = int(variable.shape[-1])
    rows = [f"({_listed(names[k : k + width])})" for k in range(0, len(names), width)]
    if len(variable.shape) == 1:
        return [f"{rows[0]} = {source}"]
    return ["(", *(f"    {row}," for row in rows), f") = {source}"]


def _element_source(program: Program, asked: Reference, title: str) -> str:
    """The module of one derivative: the lines it needs and no others, and its entry alone."""
    variable, module = asked.variable, _Module(program, title, NUMPY_PLAIN)
    steps = [block.variable for block in program.backward]
    places = [k for k, step in enumerate(steps) if step and step.name == variable.name]
    if not places or variable.role not in (*PARAMETERS, Role.PREACTIVATION, Role.ACTIVATION):
        raise NoKernel(
            f"no kernel for {asked.name}: kernels are made for weights, biases, and the a and h "
            "of hidden layers"
        )
    place, own = places[-1], program.backward[places[-1]]
    *before, last = own.lines
    name = f"d{variable.name}"
    if any(name in line.writes for line in before) or last.out:  # it is changed: all lines of it
        before, last = own.lines, Line((name,), Named(name))
    entry = _entry(last.expr, [number(k - 1) for k in asked.indices])
    blocks = [*program.forward, *program.backward[:place], replace(own, lines=tuple(before))]
    lines = needed(blocks, names_in(entry))
    comment = [] if before else [f"# {each}, of which one entry" for each in own.comments[-1:]]
    one = variable.role not in PARAMETERS
    body = [
        *(["one = np.ndim(x) == 1"] if one else []),
        f"{module.arrays} = _arguments({module.given})",
        *module.size_lines(_mentioned(lines) | names_in(entry)),
        "",
        *_written(lines),
        *comment,
        Line(("derivative",), entry),
        "return derivative[0] if one else derivative" if one else "return float(derivative)",
    ]
    head = module.head(
        lines,
        call=f"derivative(params, x, y)  # ∂L/∂{asked.name}",
        result="The derivative by a weight or bias is a number, by an a or h one a sample.",
    )
    return module.text(head, [module.main_function("derivative", f"∂L/∂{asked.name}.", body)])


def _entry(node: Node, places: Sequence[Node]) -> Node:
    """One entry of a product (aᵀ b)_ij = a_i · b_j, of a sum over samples, or of an array."""
    match node, places:
        case Call("@", (Call("T", (Named() as a,)), Named() as b)), (i, j):
            return Call("@", (Call("column", (a, i)), Call("column", (b, j))))
        case Call("sample_sum", (Named() as a,)), (i,):
            return Call("total", (Call("column", (a, i)),))
        case _, ():
            return node
    return Call("column_of", (node, places[0]))


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


# ---------------------------------------------------------------------------------------- kernels


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
    with engine_needed(backend):
        return _made(source, title, "loss_and_gradients", found, spec, backend)


@contextmanager
def engine_needed(backend: str) -> Iterator[None]:
    """Raise `KernelError`, which says what to install, where a backend's package is not there."""
    try:
        yield
    except ModuleNotFoundError as missing:
        engine = ENGINES.get(backend)
        if engine is None or missing.name != backend:
            raise
        raise KernelError(
            f"backend {backend!r} needs {engine.title}, which is not installed: "
            f"pip install 'symback[{backend}]'"
        ) from None


def element_kernel(spec: NetworkSpec, asked: Reference, title: str = "") -> Kernel:
    """The function (params, x, y) → ∂L/∂(one element): a number for a weight or bias.

    For an a or h of a hidden layer it is one number a sample.  Only the lines that the element
    needs are computed.  Raises `NoKernel`.
    """
    source = _element_source(_in_arrays(spec), asked, title)
    return _made(source, title, "derivative", "array", spec, outputs=(asked.name,))


def kernel_source(
    spec: NetworkSpec, title: str = "", style: str = "", backend: str = "numpy"
) -> tuple[str, str]:
    """The source of `kernel`, and its style; nothing is run, so no engine need be installed."""
    for what, word, known in (("style", style, STYLES), ("backend", backend, BACKENDS)):
        if word not in known and (what, word) != ("style", ""):
            meant = did_you_mean(word, known)
            raise KernelError(f"{what} {printable(word)!r}: expected {' or '.join(known)}{meant}")
    if backend != "numpy" and style == "scalar":
        raise KernelError(f"style 'scalar' is for backend 'numpy'; {backend!r} computes in arrays")
    if backend != "numpy":
        engine = ENGINES[backend]
        return _engine_source(_in_arrays(spec), engine, title), "array"
    graph, program = from_network(replace(spec, values=Values())), in_memory(_in_arrays(spec))
    if style != "array" and (style or _is_small(graph)):
        if not graph.is_concrete():
            raise NoKernel("scalar code needs widths that are numbers; use style='array'")
        try:
            scalars = scalar_program(_certified(graph), program)
            return _scalar_source(program, scalars, graph, title), "scalar"
        except NoKernel:
            if style:
                raise
    return _array_source(program, title), "array"


def identities(spec: NetworkSpec) -> tuple[Identity, ...]:
    """What the kernel of a network computes instead of plain forms, so that it keeps its digits."""
    program = _in_arrays(spec)
    return tuple(dict.fromkeys(identities_of(program, program.blocks)))


def _is_small(graph: Graph) -> bool:
    weights = [v.shape for v in graph.variables if v.role is Role.WEIGHT]
    return graph.is_concrete() and sum(int(n * m) for n, m in weights) <= MOST_SCALARS


def _in_arrays(spec: NetworkSpec) -> Program:
    """The lines for a batch, of steps that are certified."""
    batch = from_network(replace(spec, values=Values()), samples=B)
    return array_program(_certified(batch))


def _certified(graph: Graph) -> MatrixForm:
    form = lift(BackwardPass(graph))
    form.certify()
    return form


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
