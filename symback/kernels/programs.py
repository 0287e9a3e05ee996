"""A system of equations as a module of Python: forward pass, loss, and all gradients.

Here one can

* make the kernel of a backward pass: `system_kernel`, a `SystemKernel`, called with parameters and
  inputs by name: ``loss, gradients = kernel(params, inputs)``;
* have the source alone, for NumPy, JAX or PyTorch: `system_source`;
* multiply the Hessian by a direction: `hessian_kernel`, a `HessianProduct`.

The lines are those of `symback.kernels.arrays`; around them stand the checks of the arguments and
the functions that lines call (``templates/kernel.toml``).  Sizes are read off the arrays, unless
the file gives their numbers.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from symback.equations.adjoints import Backward
from symback.equations.indices import Affine
from symback.equations.second import DIRECTION, hessian_product
from symback.equations.system import Definition, Kind, Quantity
from symback.equations.writing import text
from symback.kernels.arrays import (
    SPELLINGS,
    Arrays,
    If,
    Let,
    Line,
    Note,
    Put,
    Step,
    Zeros,
    helper_name,
    needed_arrays,
)
from symback.kernels.forms import Form, proved
from symback.kernels.lines import NoKernel, Spelling, computed
from symback.kernels.module import (
    BACKENDS,
    ENGINES,
    KernelError,
    engine_needed,
    folded,
    run,
    templates,
)
from symback.kernels.stable import SLOPE, SOFTMAX_REST, stable
from symback.language import reading
from symback.language.errors import did_you_mean, printable
from symback.language.expressions import Call, Named, walk
from symback.language.functions import ACTIVATIONS, Activation

WIDTH = 100


@dataclass(frozen=True, slots=True, weakref_slot=True)  # jax.jit refers to it weakly
class SystemKernel:
    """A function (params, inputs) → (loss, gradients), and the source it was made of.

    ``inputs`` are the names of what it reads: parameters, then inputs; ``outputs`` those of the
    gradients it gives.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    source: str = field(repr=False)
    backend: str
    function: Callable[..., tuple[Any, dict[str, Any]]] = field(repr=False, compare=False)
    computed: Callable[..., dict[str, Any]] = field(repr=False, compare=False)
    error: type[ValueError] = field(repr=False, compare=False)

    def __call__(self, params: Mapping[str, Any], *inputs: Any) -> tuple[Any, dict[str, Any]]:
        """The loss, and ∂L/∂θ for every parameter by its name, in its shape.

        ``params`` maps names to arrays, in the shapes of the file.  ``inputs`` is a mapping too, or
        the arrays one by one, in the order of the file: ``kernel(params, x, y)``.  Numbers of
        ``[indices]`` count from 1.  Raises `KernelError`.
        """
        try:
            return self.function(params, *inputs)
        except self.error as error:
            raise KernelError(str(error)) from None

    def forward(self, params: Mapping[str, Any], *inputs: Any) -> dict[str, Any]:
        """Every array that the forward pass computes, by name.  Raises `KernelError`."""
        try:
            return self.computed(params, *inputs)
        except self.error as error:
            raise KernelError(str(error)) from None


def system_kernel(derived: Backward, title: str = "", backend: str = "numpy") -> SystemKernel:
    """The kernel of a backward pass.

    ``backend`` is ``"numpy"``, ``"jax"`` or ``"torch"``.  Raises `NoKernel`; `KernelError`, also
    where the backend's package is not installed.
    """
    source = system_source(derived, title, backend)
    with engine_needed(backend):
        made = run(source, title)
    return SystemKernel(
        inputs=(*made["PARAMETERS"], *made["INPUTS"]),
        outputs=tuple(made["PARAMETERS"]),
        source=source,
        backend=backend,
        function=made["loss_and_gradients"],
        computed=made["forward"],
        error=made["BadArgument"],
    )


def system_source(derived: Backward, title: str = "", backend: str = "numpy") -> str:
    """The source of `system_kernel`; nothing is run, so no engine need be installed."""
    if backend not in BACKENDS:
        meant = did_you_mean(backend, BACKENDS)
        raise KernelError(
            f"backend {printable(backend)!r}: expected {' or '.join(BACKENDS)}{meant}"
        )
    return _Module(derived, title or derived.forward.title, backend).text()


@dataclass(frozen=True, slots=True)
class HessianProduct:
    """A function (params, inputs, direction) → H v, and the kernel of the second backward pass.

    That kernel's loss is Σ ∂L/∂θ · v, and each v an input, ``v_W`` for W.
    """

    kernel: SystemKernel
    directions: Mapping[str, str]

    def __call__(
        self, params: Mapping[str, Any], inputs: Mapping[str, Any], direction: Mapping[str, Any]
    ) -> dict[str, Any]:
        """(H v)_θ for every parameter by its name, in its shape; raises `KernelError`."""
        missing = [name for name in self.directions if name not in direction]
        if missing:
            raise KernelError(f"direction: {', '.join(missing)} missing")
        along = {name: direction[of] for of, name in self.directions.items()}
        _, found = self.kernel(params, {**inputs, **along})
        return found


def hessian_kernel(derived: Backward, title: str = "", backend: str = "numpy") -> HessianProduct:
    """The Hessian by the parameters times any direction; raises as `system_kernel`."""
    second = hessian_product(derived)
    own = (q.name for q in second.forward.quantities if q.kind is Kind.INPUT)
    known = {q.name for q in derived.forward.quantities}
    names = {DIRECTION.format(q.name): q.name for q in derived.forward.parameters}
    directions = {names[name]: name for name in own if name not in known}
    return HessianProduct(system_kernel(second, title, backend), directions)


class _Module:
    """A system's module: each method writes a part of it."""

    def __init__(self, derived: Backward, title: str, backend: str) -> None:
        self.system = system = stable(derived.system)
        self.title, self.backend = title, backend
        self.engine = ENGINES.get(backend)
        self.spelling: Spelling = SPELLINGS[backend]
        self.arrays = Arrays(system, self.spelling)
        writer = text(derived.system)
        self.equations = {(d.name, d.at): writer.equation(d) for d in derived.system.definitions}
        quantities = system.quantities
        self.parameters = [q for q in quantities if q.kind is Kind.PARAMETER]
        self.inputs = [q for q in quantities if q.kind in (Kind.INPUT, Kind.DATA)]
        self.given = [*self.parameters, *self.inputs]
        self.computed = [q for q in derived.forward.quantities if q.kind is Kind.COMPUTED]
        self.adjoints = {name: each[0].definition.name for name, each in derived.adjoints.items()}
        shown = {name for q in self.given for size in q.shape for name in size.names}
        self.sizes = {name: n for name, n in system.sizes.items() if n is not None or name in shown}

    def said(self, definition: Definition) -> str:
        """A definition as it was before `stable`."""
        return self.equations[definition.name, definition.at]

    # ------------------------------------------------------------------------------- functions

    def text(self) -> str:
        """The whole module."""
        functions = [self.gradients(), self.forward()]
        checks = templates()["system"]
        called = self.helpers()
        texts = [
            self.head(),
            *functions,
            *called,
            self.spelling.write(checks["checked"]),
            self.spelling.write(checks[f"array_{self.backend}"]),
        ]
        return "\n\n\n".join(text.strip("\n") for text in texts) + "\n"

    def gradients(self) -> str:
        """The function that gives the loss and every gradient."""
        wanted = [self.system.target]
        wanted += [self.adjoints[q.name] for q in self.parameters if q.name in self.adjoints]
        lines = self.arrays.lines(self.system.groups, self.said, wanted)
        loss = self.arrays.kept[self.system.target].name
        gradients = [f'"{q.name}": {self.gradient(q)}' for q in self.parameters]
        ending = _mapping(
            f"return {f'float({loss})' if self.backend == 'numpy' else loss}, ", gradients
        )
        said = "The loss, and its derivatives by all parameters."
        return self.function("loss_and_gradients", said, wanted, lines, ending)

    def gradient(self, quantity: Quantity) -> str:
        """What is returned for a parameter: a new array."""
        np_ = self.spelling.words["np"]
        if quantity.name not in self.adjoints:
            shape = self.arrays.shape(quantity.shape)
            return f"{np_}.zeros({shape})"
        return self.result(self.adjoints[quantity.name])

    def result(self, name: str) -> str:
        """An array as it is returned: nobody else's."""
        text = self.arrays.result(name)
        return f"np.array({text}, dtype)" if self.backend == "numpy" else text

    def forward(self) -> str:
        """The function that gives all computed arrays."""
        wanted = [q.name for q in self.computed]
        groups = [g for g in self.system.groups if {d.name for d in g.definitions} <= {*wanted}]
        lines = self.arrays.lines(groups, self.said, wanted)
        results = [f'"{q.name}": {self.result(q.name)}' for q in self.computed]
        said = "Every array that is computed, by name."
        return self.function("forward", said, wanted, lines, _mapping("return ", results))

    def function(
        self, name: str, said: str, wanted: Sequence[str], lines: Sequence[Line], ending: list[str]
    ) -> str:
        """A function of params and inputs."""
        needed = needed_arrays(self.system.groups, wanted)
        given = [self.arrays.kept[q.name].name if q.name in needed else "_" for q in self.given]
        sizes = [self.arrays.sizes[size] for size in self.sizes]
        code = [line for line in self.written(lines) if not line.lstrip().startswith("#")]
        mentioned = set(_words("\n".join([*code, *ending])))
        for size in self.system.sizes:
            is_used = self.arrays.sizes[size] in mentioned or any(
                size in q.below.names for q in self.inputs if q.below is not None
            )
            if size not in self.sizes and is_used:
                raise NoKernel(f"no array has an axis of size {size}: give it a number in [sizes]")
        kept = [size if size in mentioned else "_" for size in sizes]
        arrays = f"({_listed(given)})"
        body = [f"{arrays}, ({_listed(kept)}), dtype = _arguments(params, inputs)"]
        if not any(size != "_" for size in kept):
            body = [f"{arrays}, _, dtype = _arguments(params, inputs)"]
        if "device" in mentioned:
            body.append(f"device = {next(n for n in given if n != '_')}.device")
        body = [part for each in body for part in _spread(each)]
        body += ["", *self.written(lines), "", *ending]
        inner = [f"    {line}".rstrip() for line in body]
        decorator = ['@np.errstate(all="ignore")'] if self.backend == "numpy" else []
        if self.engine and self.engine.decorator:
            decorator = [self.engine.decorator]
        return "\n".join([*decorator, f"def {name}(params, *inputs):", f'    """{said}"""', *inner])

    def written(self, lines: Iterable[Line], depth: int = 0) -> list[str]:
        """Lines of Python."""
        found: list[str] = []
        for line in lines:
            found += self.one(line, depth)
        return found

    def one(self, line: Line, depth: int) -> list[str]:
        """The text of one line, a loop with all that is in it."""
        indent = "    " * depth
        np_ = self.spelling.words["np"]
        match line:
            case Note(text):
                texts = [f"# {text}"]
            case Let(name, code):
                texts = [f"{name} = {code}"]
            case Zeros(name, shape):
                device = ", device=device" if self.backend == "torch" else ""
                texts = [f"{name} = {np_}.zeros({shape}, dtype=dtype{device})"]
            case Put(name, place, code, add):
                texts = [self.put(name, place, code, add)]
            case If(code, inside):
                return [f"{indent}if {code}:", *self.written(inside, depth + 1)]
            case Step() if self.backend == "jax":
                return [f"{indent}{part}" for part in self.traced(line)]
            case Step(letter, first, last, down, inside):
                bounds = last if first == "0" else f"{first}, {last}"
                numbers = f"reversed(range({bounds}))" if down else f"range({bounds})"
                head = f"{indent}for {letter} in {numbers}:"
                return [head, *self.written(inside, depth + 1)]
        return [f"{indent}{part}" for text in texts for part in folded(text)]

    def traced(self, loop: Step) -> list[str]:
        """A loop that JAX compiles once, however many steps it has."""
        arrays = _listed(loop.arrays)
        before = f"{loop.last} - 1" if loop.first == "0" else f"{loop.first} + {loop.last} - 1"
        head = [f"{loop.letter} = {before} - back"] if loop.down else []
        body = [f"{arrays} = arrays", *head, *self.written(loop.lines), f"return {arrays}"]
        bounds = f"{loop.first}, {loop.last}"
        return [
            f"def step({'back' if loop.down else loop.letter}, arrays):",
            *(f"    {part}" for part in body),
            "",
            f"{arrays} = jax.lax.fori_loop({bounds}, step, ({arrays}))",
        ]

    def put(self, name: str, place: Sequence[str], code: str, add: bool) -> str:
        """A part of an array filled, or added to."""
        where = ", ".join(place)
        if self.backend == "jax":
            return f"{name} = {name}.at[{where}].{'add' if add else 'set'}({code})"
        if not add:
            return f"{name}[{where}] = {code}"
        if ":" in place:
            where = ", ".join("slice(None)" if part == ":" else part for part in place)
        if self.backend == "torch":
            return f"{name}.index_put_(({where},), {code}, accumulate=True)"
        return f"np.add.at({name}, {where if len(place) == 1 else f'({where})'}, {code})"

    # --------------------------------------------------------------------------------- around

    def head(self) -> str:
        """The docstring, the imports and what arguments are compared with."""
        title = printable(self.title, WIDTH).replace("\\", "/").replace('"', "'")
        opening = [title, ""] if title else []
        opening += ["    loss, gradients = loss_and_gradients(params, inputs)", ""]
        of_parameters = ", ".join(f"{q.name} {_shape(q)}" for q in self.parameters)
        of_inputs = ", ".join(f"{q.name} {_shape(q)}" for q in self.inputs)
        said = (
            f"params, by name: {of_parameters or 'none'}.  inputs, by name, or one by one in this "
            f"order: {of_inputs or 'none'}.  gradients has the names and shapes of params; "
            "forward(params, inputs) gives every array that is computed.  No argument is changed."
        )
        read = (
            "Above each line stands the equation it is: ∇h is ∂L/∂h for all elements of h, in code "
            "dh.  Equations count from 1, code from 0: h[t] there is h[t - 1] here, unless h has a "
            "base case h[0], which is row 0.  Made by symback; runs with "
            f"{self.engine.title if self.engine else 'NumPy'} alone."
        )
        opening += [*textwrap.wrap(said, WIDTH), "", *textwrap.wrap(read, WIDTH)]
        imports = self.engine.imports if self.engine else "import numpy as np"
        below = [q for q in self.inputs if q.below is not None]
        sizes = ", ".join(f'"{name}": {value}' for name, value in self.sizes.items())
        constants = [
            f"PARAMETERS = {_texts(q.name for q in self.parameters)}",
            f"INPUTS = {_texts(q.name for q in self.inputs)}",
            f"SIZES = {{{sizes}}}  # None: as the arrays have it",
            "SHAPES = {",
            *(f'    "{q.name}": ({_listed(map(_entry, q.shape))}),' for q in self.given),
            "}",
            "BELOW = {"
            + ", ".join(f'"{q.name}": {_entry(q.below)}' for q in below if q.below is not None)
            + "}",
        ]
        docstring = '"""' + "\n".join(opening) + '\n"""'
        return "\n".join([docstring, "", "import math", "", imports, "", *constants])

    def helpers(self) -> list[str]:
        """The functions that the lines call."""
        texts = templates()
        named = texts["helpers"] | texts.get(self.spelling.name, {}) | texts["reductions"]
        named |= texts.get(f"reductions_{self.spelling.name}", {})
        wanted = sorted(self.arrays.called)
        if {"softmax", SOFTMAX_REST} & {*wanted}:
            wanted.append("exponentials")
        found = {}
        for name in wanted:
            row = ACTIVATIONS.get(name.removesuffix(SLOPE))
            if isinstance(row, Activation) and name not in self.spelling.functions:
                text, more = _activation(row, name, self.spelling)
                found[name] = text
                for each in more:
                    found.setdefault(each, self.spelling.write(named[each]))
            else:
                found.setdefault(name, self.spelling.write(named[name]))
        return [text.strip("\n") for text in found.values()]


def _activation(row: Activation, name: str, spelling: Spelling) -> tuple[str, list[str]]:
    """The function of an activation or its slope, in a form that keeps every digit.

    Also what that calls.
    """
    if row.stable is None:
        raise NoKernel(f"the catalogue has no form of {row.name} for kernels")
    form = proved(Form(row.name, row.stable))
    called: dict[str, None] = {}

    def code(part: str) -> str:
        node = form.node(part)
        node = computed(node, {name: Named(name) for name in reading.names(node)})
        heads = (inner.function for inner in walk(node) if isinstance(inner, Call))
        called.update(
            dict.fromkeys(h for h in heads if spelling.functions.get(h, "").startswith("_"))
        )
        return spelling.code(node).text

    part = "slope" if name.endswith(SLOPE) else "value"
    reads_value = part == "slope" and "h" in reading.names(form.node("slope"))
    needed = _lets_of(form, (part, "value") if reads_value else (part,))
    said = f"{row.name}(z) = {row.formula}" if part == "value" else f"The slope of {row.name} at z."
    lines = [f"def {helper_name(name)}(z):", f'    """{said}"""']
    lines += [f"    {let} = {code(let)}" for let, _ in row.stable.lets if let in needed]
    if reads_value:
        lines.append(f"    h = {code('value')}")
    lines.append(f"    return {code(part)}")
    return "\n".join(lines), list(called)


def _lets_of(form: Form, parts: Iterable[str]) -> set[str]:
    """The lets that parts of a form need."""
    wanted, frontier = set[str](), {*parts}
    while frontier:
        frontier = {name for part in frontier for name in form.named(part)} - wanted
        wanted |= frontier
    return wanted


def _spread(line: str) -> list[str]:
    """A line of targets that is too long, over several."""
    if len(line) <= WIDTH - 4:
        return [line]
    targets, _, call = line.rpartition(" = ")
    first, rest = targets[1:].split("), ", 1)
    wrapped = textwrap.wrap(first, WIDTH - 12)
    return ["(", *(f"    {part}" for part in wrapped), f"), {rest} = {call}"]


def _mapping(start: str, items: Sequence[str]) -> list[str]:
    """A mapping, in one line or one item a line."""
    line = f"{start}{{{', '.join(items)}}}"
    if len(line) <= WIDTH - 4:
        return [line]
    return [f"{start}{{", *(f"    {item}," for item in items), "}"]


def _entry(size: Affine) -> str:
    if size.is_number:
        return str(size.constant)
    if size.bare is not None:
        return f'"{size.bare}"'
    parts = [f'"{name}": {count}' for name, count in size.parts]
    return "{" + ", ".join([f'"": {size.constant}', *parts]) + "}"


def _shape(quantity: Quantity) -> str:
    return f"({_listed(map(str, quantity.shape))})"


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed) + ("," if len(listed) == 1 else "")


def _texts(names: Iterable[str]) -> str:
    return f"({_listed(f'{chr(34)}{name}{chr(34)}' for name in names)})"


def _words(text: str) -> Iterable[str]:
    word = ""
    for character in text:
        if character.isidentifier() or (word and character.isalnum()):
            word += character
        else:
            if word:
                yield word
            word = ""
    if word:
        yield word
