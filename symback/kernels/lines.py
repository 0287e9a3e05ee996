"""Steps of the matrix form as lines of a program, and a writer that prints them in Python.

Here one can

* make the program of a batch, one row a sample, of a `symback.engine.matrix.MatrixForm`:
  `array_program`; and of one sample, neuron by neuron: `scalar_program`;
* read a program: it is a forward and a backward pass of `Block`, each with its comments (the step
  as the sheet has it) and its `Line` records: names, an expression, the memory it is computed in;
* compute hidden layers in memory that is kept, for NumPy: `in_memory`, a pass over the lines;
* keep what a result needs: `needed`; see what is computed instead of plain forms: `identities_of`;
* print lines in an engine's words: `Spelling.text`, for `NUMPY`, `JAX`, `TORCH`, and `MATH` for
  Python's own numbers, one at a time.

Expressions are trees of `symback.language.expressions`, written as they are computed, operation by
operation: `Named`, `Number`, and `Call` with heads ``+ - * / ** neg @ T where``, comparisons,
functions, and the rows of `ARRAY_WORDS`.  Nothing is read back from text.  A step whose function
has a form in `symback.kernels.forms` is written in that form; all others node by node, as they were
lifted.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial, reduce
from itertools import product
from string import Template

import sympy
from sympy import (
    Add,
    Expr,
    HadamardProduct,
    Integer,
    MatAdd,
    MatMul,
    MatrixExpr,
    Mul,
    OneMatrix,
    Piecewise,
    Pow,
    Symbol,
    Transpose,
    ZeroMatrix,
)
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, Or
from sympy.matrices.expressions.hadamard import HadamardPower

from symback.engine.derivation import BackwardPass, Deduction, Rule
from symback.engine.graph import Equation, Graph
from symback.engine.matrix import MatrixForm, MatrixStep, Phase, Uncertified, certify
from symback.kernels.forms import SOFTMAX_IDENTITIES, Form, Identity, Z, form_of
from symback.language import reading
from symback.language.algebra import (
    Array,
    Elementwise,
    Gradient,
    Partial,
    Product,
    Scalar,
    Terms,
    Where,
    activation,
    collapse,
    to_sympy,
)
from symback.language.errors import SymbackError
from symback.language.expressions import (
    Call,
    Named,
    Node,
    Number,
    children,
    operation,
    rebuilt,
    walk,
)
from symback.language.functions import BY_SYMPY, ELEMENTARY, SoftMax
from symback.language.names import SAMPLE, Role, Variable, element_name, elements, index
from symback.language.writing import Text


class NoKernel(SymbackError):
    """A graph that no kernel can be written for; the message names the part."""


# ----------------------------------------------------------------------------------------- records


@dataclass(frozen=True, slots=True)
class Line:
    """``names = expr``; more than one name unpacks what a helper returns.

    ``out`` is the array in whose memory the last operation of ``expr`` writes its result, if any:
    a line whose first operand it is reads ``a += b``.  ``note`` stands behind the line, and
    ``stands_for`` names the rows of `SOFTMAX_IDENTITIES` that it uses.
    """

    names: tuple[str, ...]
    expr: Node
    out: str = ""
    note: str = ""
    stands_for: tuple[str, ...] = ()

    @property
    def writes(self) -> set[str]:
        """The names whose value it changes."""
        return {*self.names, self.out} - {""}

    @property
    def reads(self) -> set[str]:
        """The names whose value it needs."""
        return names_in(self.expr)


@dataclass(frozen=True, slots=True)
class Block:
    """The lines that one step becomes, under its comments; ``variable`` is what the step is of."""

    comments: tuple[str, ...]
    lines: tuple[Line, ...]
    variable: Variable | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """``forward`` leads to ŷ, ``backward`` to the loss and all gradients, for a ``graph``.

    ``sizes`` says how widths with names are read off the arrays, ``memory`` which arrays, by their
    shapes, lines compute in that are kept from call to call.  ``parts`` are the parts of forms that
    were used, and ``kept_sums`` the c of every c ((Σy) ŷ - y), by the name of ŷ.
    """

    graph: Graph
    layers: Mapping[Variable, Layer]
    forward: tuple[Block, ...]
    backward: tuple[Block, ...]
    sizes: Mapping[str, str]
    parts: tuple[tuple[Form, str], ...]
    kept_sums: Mapping[str, Expr]
    memory: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All of them, forward first."""
        return (*self.forward, *self.backward)

    @property
    def output(self) -> Layer:
        """The layer of ŷ."""
        return next(layer for layer in self.layers.values() if layer.h.role is Role.OUTPUT)


def names_in(node: Node) -> set[str]:
    """The names of an expression."""
    return {part.name for part in walk(node) if isinstance(part, Named)}


def heads_of(blocks: Iterable[Block]) -> list[str]:
    """The operations and functions of some lines, in order of first appearance."""
    trees = (line.expr for block in blocks for line in block.lines)
    calls = (part.function for tree in trees for part in walk(tree) if isinstance(part, Call))
    return [*dict.fromkeys(calls)]


def needed(blocks: Sequence[Block], wanted: Iterable[str]) -> list[Block]:
    """The lines that the ``wanted`` names depend on, in their order, each with its comments."""
    names, kept = {*wanted}, []
    for block in reversed(blocks):
        own = []
        for line in reversed(block.lines):
            if line.writes & names:
                names |= line.reads | line.writes
                own.append(line)
        if own:
            kept.append(replace(block, lines=tuple(own[::-1])))
    return kept[::-1]


def identities_of(program: Program, blocks: Iterable[Block]) -> list[Identity]:
    """What these lines of a program compute instead of plain forms."""
    parts: dict[Form, list[str]] = {}
    for form, part in program.parts:
        if form.stable.lets:
            parts.setdefault(form, []).append(part)
    found = [identity for form, own in parts.items() for identity in form.identities(own)]
    used = {word for block in blocks for line in block.lines for word in line.stands_for}
    return found + [row for word, row in SOFTMAX_IDENTITIES.items() if word in used]


# ------------------------------------------------------------------------------------- expressions


def number(value: float) -> Number:
    """A constant with all its digits."""
    return Number(Fraction(value))


ZERO, ONE = number(0), number(1)


def call(head: str, *operands: Node) -> Call:
    """An operation on operands."""
    return Call(head, operands)


def plus(*terms: Node) -> Node:
    """a + b + …, from the left; 0 of none."""
    return reduce(lambda a, b: call("+", a, b), terms) if terms else ZERO


def times(a: Node, b: Node) -> Node:
    """a · b; a factor 1 is left out."""
    return b if a == ONE else a if b == ONE else call("*", a, b)


def negative(a: Node) -> Node:
    """-a, and 0 of 0."""
    return a if a == ZERO else call("neg", a)


def choice(condition: Node, yes: Node, no: Node) -> Node:
    """One where the condition holds, the other elsewhere; a bare condition counts 1 or 0."""
    return condition if (yes, no) == (ONE, ZERO) else call("where", condition, yes, no)


def read(text: str, **letters: Node) -> Node:
    """A formula with its names replaced: ``read("y*r - p", y=…, r=…, p=…)``."""
    return computed(reading.read(text, names=[*letters]), letters)


def computed(node: Node, letters: Mapping[str, Node]) -> Node:
    """A formula as it is computed, its names as ``letters`` say; constants are folded."""
    if isinstance(node, Named) and node.name in letters:
        return letters[node.name]
    head, arguments = operation(node)
    if not head or not reading.names(node):
        return number(float(to_sympy(node, {})))
    operands = [computed(part, letters) for part in arguments]
    made = {"*": times, "neg": negative, "where": choice}.get(head)
    return made(*operands) if made else call(head, *operands)


def constant(expr: Expr) -> Node:
    """A number as Python writes it; a fraction stays one."""
    if expr.is_Rational and not expr.is_Integer and expr.q & (expr.q - 1) and expr.q < 10**6:
        return call("/", number(int(expr.p)), number(int(expr.q)))
    return number(float(expr))


def scalar_operation(expr: Expr, code: Callable[[Expr], Node]) -> Node:
    """One SymPy node of numbers; ``code`` writes its parts."""
    match expr:
        case Add():
            terms = sorted(expr.args, key=lambda t: (t.could_extract_minus_sign(), str(t)))
            return plus(*map(code, terms))
        case Mul():
            over, under = expr.as_numer_denom() if expr.is_commutative else (expr, sympy.S.One)
            if under != 1:
                return call("/", code(over), code(under))
            return reduce(times, map(code, Mul.make_args(over)))
        case Pow() if expr.base is not sympy.E:
            if expr.exp.is_negative:
                return call("/", ONE, code(expr.base**-expr.exp))
            if expr.exp == sympy.Rational(1, 2):
                return call("sqrt", code(expr.base))
            return call("**", code(expr.base), code(expr.exp))
        case Relational():
            return call(expr.rel_op, code(expr.lhs), code(expr.rhs))
        case And() | Or():
            return call("and" if isinstance(expr, And) else "or", *map(code, expr.args))
    word = type(expr).__name__
    return call(BY_SYMPY[word].name if word in BY_SYMPY else word, *map(code, expr.args))


# -------------------------------------------------------------------------------------- the layers


@dataclass(frozen=True, slots=True)
class Layer:
    """h = g(a): the quantities, and the form of g; ``coupled`` where g is the softmax."""

    a: Variable
    h: Variable
    form: Form | None
    coupled: bool

    @property
    def is_plain(self) -> bool:
        """Whether g is written node by node."""
        return self.form is None and not self.coupled


def layers(graph: Graph) -> dict[Variable, Layer]:
    """The activations of a graph by the quantity they compute."""
    found = {}
    for equation in graph.equations:
        h = equation.variable
        if h.role in (Role.ACTIVATION, Role.OUTPUT):
            (a,) = graph.parents[h]
            z = partial(a.at, *((SAMPLE,) if a.batched else ()))
            softmax = activation(SoftMax(), z, index("i"), a.shape[-1])
            coupled = equation.rhs == softmax
            function = equation.rhs.xreplace({a.at(*equation.free): Z})
            found[h] = Layer(a, h, None if coupled else form_of(function), coupled)
    return found


WITHOUT_A_LINE = ("value", "slope", "slope_by_value", "slope_by_complement")
"""Parts of a form that are written where they are used, and once."""

SAID_OF_PARTS = {"residual": "residual", "log": "log", "log_complement": "log", "log_total": "log"}
"""Rows of `SOFTMAX_IDENTITIES` that parts of the softmax use."""


class _Writer:
    """Goes through the steps in their order; what arrays and single numbers have in common.

    ``k`` is the number of a neuron in its layer, and 0 where an array holds them all.
    """

    def __init__(self, form: MatrixForm) -> None:
        self.form, self.graph = form, form.graph
        self.layers = layers(self.graph)
        self.by_a = {layer.a: layer for layer in self.layers.values()}
        self.output = next(la for la in self.layers.values() if la.h.role is Role.OUTPUT)
        self.y = next((v for v in self.graph.variables if v.role is Role.TARGET), None)
        self.parts: dict[tuple[Variable, int, str], Node] = {}
        self.blocks: list[tuple[list[str], list[Line], Variable | None]] = [([], [], None)]

    @abstractmethod
    def named(self, variable: Variable, k: int = 0) -> Named:
        """A quantity's name."""

    @abstractmethod
    def line_of(self, layer: Layer, part: str, k: int, node: Node) -> Named:
        """The line of a part of an activation's form."""

    @abstractmethod
    def of_softmax(self, layer: Layer, word: str, k: int = 0) -> Named:
        """A value that the softmax of a layer is made of."""

    @abstractmethod
    def log_total(self, layer: Layer) -> Node:
        """log(1 + the least sum of others), by which log p is less than the shifted a."""

    @abstractmethod
    def argument_of_log(self, expr: Expr) -> Expr | None:
        """u of log u."""

    @abstractmethod
    def meaning(self, expr: Expr) -> tuple[int, str, int]:
        """Whether a value is ŷ, ±(y - ŷ) or ±(1 - ŷ): sign, part, and k."""

    def comment(self, text: str, variable: Variable | None = None) -> None:
        """Begin a block, or say more above one that has no lines yet."""
        if self.blocks[-1][1]:
            self.blocks.append(([], [], variable or self.blocks[-1][2]))
        comments, lines, before = self.blocks[-1]
        self.blocks[-1] = ([*comments, text], lines, variable or before)

    def add(self, *lines: Line) -> None:
        self.blocks[-1][1].extend(lines)

    def let(self, name: Named, node: Node, *stands_for: str) -> Named:
        """The line that gives a value its name, unless it has that already."""
        if node != name:
            self.add(Line((name.name,), node, stands_for=stands_for))
        return name

    def change(self, name: Named, operator: str, node: Node) -> None:
        """The line ``name += node`` or ``name *= node``."""
        self.add(Line((name.name,), call(operator, name, node), name.name))

    def taken(self) -> tuple[Block, ...]:
        """The blocks since the last call."""
        taken = self.blocks
        self.blocks = [([], [], None)]
        return tuple(Block(tuple(c), tuple(ls), v) for c, ls, v in taken if ls)

    def part(self, layer: Layer, part: str, k: int = 0) -> Node:
        """A part of an activation's form: lets and what is used twice have a line of their own."""
        key = (layer.h, k, part)
        if key not in self.parts:
            of = self.softmax_part if layer.coupled else self.formed
            node = of(layer, part, k)
            self.parts[key] = node if part in WITHOUT_A_LINE else self.line_of(layer, part, k, node)
        return self.parts[key]

    def formed(self, layer: Layer, part: str, k: int = 0) -> Node:
        """A part of a form; each name in it that has no line yet gets one."""
        assert layer.form is not None  # else it is plain, or coupled
        letters: dict[str, Node] = {"z": self.named(layer.a, k), "h": self.named(layer.h, k)}
        if self.y is not None:
            letters["y"] = self.named(self.y, k)
        letters |= {name: self.part(layer, name, k) for name in layer.form.named(part)}
        return computed(layer.form.node(part), letters)

    def softmax_part(self, layer: Layer, part: str, k: int) -> Node:
        """1 - p as the sum of the others' p; y - p and log p with nothing taken from 1."""
        match part:
            case "rest":
                total = self.of_softmax(layer, "total")
                return call("/", self.others(layer, k), total)
            case "complement":
                return self.part(layer, "rest", k)
            case "log":
                return call("-", self.of_softmax(layer, "shifted", k), self.log_total(layer))
            case "residual":
                assert self.y is not None  # `meaning` found it
                p, rest = self.named(layer.h, k), self.part(layer, "rest", k)
                return read("y*rest-(1-y)*p", y=self.named(self.y, k), rest=rest, p=p)
        raise NoKernel("softmax with log(1 - ŷ) is written for arrays only; use style='array'")

    def others(self, layer: Layer, k: int) -> Node:
        """The sum of the others' e."""
        return self.of_softmax(layer, "others", k)

    def known(self, expr: Expr) -> Node | None:
        """y - ŷ, 1 - ŷ, log ŷ and log(1 - ŷ), where the output's function has forms for them."""
        if self.output.is_plain:
            return None
        argument = self.argument_of_log(expr)
        sign, part, k = self.meaning(expr if argument is None else argument)
        if argument is not None:
            part = {(1, "value"): "log", (1, "complement"): "log_complement"}.get((sign, part), "")
        if part in ("", "value"):
            return None
        node = self.part(self.output, part, k)
        return node if sign > 0 else negative(node)

    def divisor(self, expr: Expr) -> str:
        """The part that 1/ŷ or 1/(1 - ŷ) makes together with the slope; of others, none."""
        if not isinstance(expr, (Pow, HadamardPower)) or expr.exp != -1:
            return ""
        sign, part, _ = self.meaning(expr.base)
        return f"slope_by_{part}" if sign > 0 and part in ("value", "complement") else ""

    def has_divisor(self, expr: Expr) -> bool:
        return any(map(self.divisor, expr.atoms(Pow, HadamardPower)))


# ------------------------------------------------------------------------------------------ arrays

PART_NAMES = {"residual": "residual", "complement": "one_minus_yhat"}
PART_NAMES |= {"log": "log_yhat", "log_complement": "log_one_minus_yhat"}
"""Parts that only the output has, and their lines."""

ALL_ONES = "one"
Y = Named("y")


def array_program(form: MatrixForm) -> Program:
    """The lines for a batch, one row a sample.  Raises `NoKernel`."""
    writer = _ArrayWriter(form)
    forward, backward = writer.forward(), writer.backward()
    used = ((writer.layers[h].form, part) for h, _, part in writer.parts)
    return Program(
        graph=form.graph,
        layers=writer.layers,
        forward=forward,
        backward=backward,
        sizes=writer.sizes,
        parts=tuple((form, part) for form, part in used if form is not None),
        kept_sums=writer.kept_sums,
    )


class _ArrayWriter(_Writer):
    """Writes each step as operations on arrays, one row a sample."""

    def __init__(self, form: MatrixForm) -> None:
        super().__init__(form)
        self.said, self.kept_sums = Text(form.lettering), dict[str, Expr]()
        self.yhat = next(s.symbol for s in form.steps if s.variable is self.output.h)
        self.target = None if self.y is None else self.yhat.func("y", *self.yhat.shape)
        # how the number of samples and each symbolic width is read off the arrays
        self.sizes = {str(self.graph.samples): "len(x)"}
        for variable, axis in product(self.graph.variables, (1, 0)):
            if variable.role is Role.WEIGHT and not variable.shape[axis].is_Integer:
                text = f"{variable.name}.shape[{axis}]"
                self.sizes.setdefault(str(variable.shape[axis]), text)

    def named(self, variable: Variable, k: int = 0) -> Named:
        return Named(variable.name)

    def forward(self) -> tuple[Block, ...]:
        for step in self.form.steps:
            if step.phase is Phase.FORWARD and step.variable.role is not Role.LOSS:
                self.comment(step.written(self.said), step.variable)
                layer = self.layers.get(step.variable)
                if layer is None or layer.is_plain:
                    self.quantity(step)
                elif layer.coupled:
                    self.softmax(layer)
                else:
                    self.let(self.named(layer.h), self.part(layer, "value"))
        return self.taken()

    def backward(self) -> tuple[Block, ...]:
        for step in self.form.steps:
            if step.variable.role is Role.LOSS:
                self.comment(step.written(self.said), step.variable)
                self.let(Named("loss"), self.code(self.expr(step)))
            elif step.phase is Phase.BACKWARD and not self.is_merged(step):
                self.comment(step.written(self.said), step.variable)
                self.adjoint(step)
        return self.taken()

    def expr(self, step: MatrixStep) -> MatrixExpr:
        if step.expr is None:
            raise NoKernel(f"no kernel: {step.missing}")
        return step.expr

    # --------------------------------------------------------------------- quantities, activations

    def quantity(self, step: MatrixStep) -> None:
        """A quantity node by node; a sum with a bias is added up in place."""
        expr, name = self.expr(step), self.named(step.variable)
        terms = expr.args if isinstance(expr, MatAdd) else (expr,)
        wide = [term for term in terms if isinstance(term, MatMul) and not term.has(OneMatrix)]
        if step.variable.role is not Role.PREACTIVATION or len(wide) != 1:
            self.let(name, self.spread(self.code(expr), step))
            return
        self.let(name, self.code(wide[0]))
        for term in terms:
            if term is not wide[0]:
                self.change(name, "+", self.code(term))

    def line_of(self, layer: Layer, part: str, k: int, node: Node) -> Named:
        name = PART_NAMES.get(part) or f"{part}{layer.h.layer}"
        says = part in SAID_OF_PARTS and layer.coupled  # they hold of a softmax, whose sum is 1
        return self.let(Named(name), node, *([SAID_OF_PARTS[part]] if says else []))

    # -------------------------------------------------------------------------------- the softmax

    def of_softmax(self, layer: Layer, word: str, k: int = 0) -> Named:
        """What `_softmax` gives in each row, e, others, shifted and least, or total = Σ_j e_j."""
        return Named(f"{word}{layer.h.layer}")

    def softmax(self, layer: Layer) -> None:
        names = [self.of_softmax(layer, word) for word in ("e", "others", "shifted", "least")]
        node = call("softmax", self.named(layer.a))
        self.add(Line(tuple(each.name for each in names), node, stands_for=("shift", "rest")))
        total = self.let(self.of_softmax(layer, "total"), plus(ONE, names[-1]))
        self.let(self.named(layer.h), call("/", names[0], total))

    def log_total(self, layer: Layer) -> Node:
        return call("log1p", self.of_softmax(layer, "least"))

    def softmax_part(self, layer: Layer, part: str, k: int) -> Node:
        """log(1 - p) is, for the largest p, the log of the others' sum: a softmax of their own."""
        if part != "log_complement":
            return super().softmax_part(layer, part, k)
        winner, _, log_losers = self.softmax_of_others(layer)
        others = call("-", log_losers, self.log_total(layer))
        log = call("log1p", negative(choice(winner, ZERO, self.named(layer.h))))
        return choice(winner, others, log)

    def softmax_of_others(self, layer: Layer) -> tuple[Named, Named, Named]:
        """Where the largest p stands; without it: the softmax, and log Σ e^{a - max a}."""
        winner, losers, log_losers = map(Named, ("winner", "losers", "log_losers"))
        if (layer.h, 0, "losers") not in self.parts:
            self.parts[layer.h, 0, "losers"] = losers
            a, least = self.named(layer.a), Named("least_losers")
            self.comment("the same without each row's winner")
            self.let(winner, call("winner", a))
            lowest = call("softmax", call("without_winner", winner, a))
            self.add(Line(("losers", "_", "_", "least_losers"), lowest, stands_for=("shift",)))
            self.let(losers, call("/", losers, plus(ONE, least)))
            highest = call("highest_loser", winner, self.of_softmax(layer, "shifted"))
            self.let(log_losers, highest)
            self.let(log_losers, plus(log_losers, call("log1p", least)), "log")
        return winner, losers, log_losers

    # ----------------------------------------------------------------------------------- adjoints

    def adjoint(self, step: MatrixStep) -> None:
        layer, expr, name = self.by_a.get(step.variable), self.expr(step), _d(step.variable)
        if layer is not None and layer.coupled:
            self.through_softmax(layer, step, name)
        elif layer is None or layer.is_plain or not expr.has(Gradient):
            self.let(name, self.spread(self.code(expr), step))
        elif self.divides(layer):
            self.let(name, self.spread(self.times_slope(self.gradient_of_output), step))
        else:
            self.let(name, times(_d(layer.h), self.part(layer, "slope")))

    @property
    def gradient_of_output(self) -> MatrixExpr:
        return self.expr(self.form.step(self.output.h.name))

    def divides(self, layer: Layer) -> bool:
        """Whether ∇ŷ divides by ŷ or 1 - ŷ, which may be 0 in floating point."""
        return layer is self.output and self.has_divisor(self.gradient_of_output)

    def is_merged(self, step: MatrixStep) -> bool:
        """Whether a ∇ŷ is written within the next step, ∇a."""
        layer = self.layers.get(step.variable)
        if layer is None or layer.is_plain or not self.divides(layer):
            return False
        return not layer.coupled or self.binary(layer) is not None

    def times_slope(self, expr: MatrixExpr) -> Node:
        """∇ŷ ⊙ g'(a) with each 1/ŷ and 1/(1 - ŷ) taken together with the slope."""
        if isinstance(expr, MatAdd):
            return plus(*map(self.times_slope, expr.args))
        if isinstance(expr, MatMul):
            scale, body = _scale_and_body(expr)
            return self.scaled(scale, self.times_slope(body))
        factors = [*expr.args] if isinstance(expr, HadamardProduct) else [expr]
        place = next((k for k, factor in enumerate(factors) if self.divisor(factor)), None)
        part = "slope" if place is None else self.divisor(factors.pop(place))
        slope = self.part(self.output, part)
        return times(self.hadamard(factors), slope)

    # ---------------------------------------------------------------- adjoints through the softmax

    def through_softmax(self, layer: Layer, step: MatrixStep, name: Named) -> None:
        expr, p, g = self.expr(step), self.named(layer.h), _d(layer.h)
        scale = self.kept_sum(layer, step)
        if scale is not None:  # c (Σy ŷ - y) by the sums of the others
            self.kept_sums[p.name] = scale
            self.comment("… and, should a row of Y not sum to 1, its sum times Ŷ: Σy is kept")
            e, others, total = (self.of_softmax(layer, w) for w in ("e", "others", "total"))
            node = read("u*s-y*others", u=e, s=call("others", Y), y=Y, others=others)
            self.let(name, node, "cross_entropy")
            self.change(name, "*", call("/", self.scalar(scale), total))
        elif not expr.has(Gradient):
            self.let(name, self.spread(self.code(expr), step))
        elif (scale := self.binary(layer)) is not None:
            self.softmax_with_binary(layer, name, scale)
        else:  # p ⊙ (g - Σ p g) with g less its entry at the largest p: then nothing large cancels
            self.let(g, call("less_winner", g, p), "product")
            self.let(name, read("p*(g-s)", p=p, g=g, s=call("row_sum", times(g, p))))

    def kept_sum(self, layer: Layer, step: MatrixStep) -> Expr | None:
        """c, where softmax and the loss have cancelled to c ((Σy) ŷ - y), Σy = 1 assumed or not.

        A kernel may be given any target, so its line is the deduction before the fact is used;
        that it is c ((Y 1 1ᵀ) ⊙ Ŷ - Y) is certified.
        """
        source, y = step.source, self.target
        assert isinstance(source, Deduction)
        if all(s.rule is not Rule.CANCEL for s in source.steps) or layer is not self.output:
            return None
        if y is None:
            return None
        about_y = (s.fact is not None and s.fact.variable.role is Role.TARGET for s in source.steps)
        fact = next((k for k, is_about_y in enumerate(about_y) if is_about_y), None)
        before = replace(source, steps=source.steps[:fact])
        scale, _ = _scale_and_body(self.expr(step))
        columns = y.shape[1]
        total = MatMul(y, OneMatrix(columns, 1), OneMatrix(1, columns), evaluate=False)
        whole = HadamardProduct(total, self.yhat, evaluate=False)
        body = MatAdd(whole, _minus(y), evaluate=False)
        try:
            certify(body if scale == 1 else MatMul(scale, body, evaluate=False), before)
        except Uncertified:
            return None
        return scale

    def binary(self, layer: Layer) -> Expr | None:
        """c, where ∇ŷ is c (-y/ŷ + (1 - y)/(1 - ŷ))."""
        y, yhat = self.target, self.yhat
        if layer is not self.output or y is None:
            return None
        scale, body = _scale_and_body(self.gradient_of_output)
        one = OneMatrix(*yhat.shape)
        divided = HadamardPower(MatAdd(one, _minus(yhat)), -1)
        wanted = {
            _minus(HadamardProduct(y, HadamardPower(yhat, -1))),
            HadamardProduct(MatAdd(one, _minus(y)), divided),
        }
        return scale if isinstance(body, MatAdd) and {*body.args} == wanted else None

    def softmax_with_binary(self, layer: Layer, name: Named, scale: Expr) -> None:
        """u_k (1 - p_k) - p_k Σ_{j≠k} u_j, u_k = p_k (∇ŷ)_k; p_k/(1 - p_m) = softmax of the others.

        The m-th u may be infinite, and what is computed of it is not.
        """
        top, losers, _ = self.softmax_of_others(layer)
        p, rest = self.named(layer.h), self.part(layer, "rest")
        u, u_sum, from_top = map(Named, ("u", "u_sum", "from_top"))
        self.comment("u_k = B ŷ_k (∇Ŷ)_k, but for the winner's, which may be infinite")
        odds = read("(1-y)*p/rest-y", y=Y, p=p, rest=choice(top, ONE, rest))
        self.let(u, choice(top, ZERO, odds))
        self.let(u_sum, call("row_sum", u))
        self.add(Line(("y_top", "p_top"), call("at_winner", top, Y, p)))
        letters = {"y": Named("y_top"), "q": Named("p_top"), "p": p, "losers": losers}
        self.let(from_top, read("y*p-(1-y)*q*losers", **letters))
        self.let(name, read("(1-y)*p-y*rest", y=Y, p=p, rest=rest))
        others = read("p*(u-s)+t", p=p, u=u, s=u_sum, t=from_top)
        self.change(name, "+", choice(top, times(negative(p), u_sum), others))
        if scale != 1:
            self.change(name, "*", self.scalar(scale))

    # ------------------------------------------------------------------- matrices, node by node

    def spread(self, node: Node, step: MatrixStep) -> Node:
        """What is the same in every entry is spread over an array."""
        if not step.variable.batched or not self.is_number(node):
            return node
        return call("full_like", self.named(self.output.h), node)

    def is_number(self, node: Node) -> bool:
        """Whether a value is a number, the same in every entry."""
        match node:
            case Number() | Call("total" | "vdot"):
                return True
            case Call(_, operands):
                return all(map(self.is_number, operands))
        return isinstance(node, Named) and node.name in self.sizes

    def argument_of_log(self, expr: Expr) -> MatrixExpr | None:
        is_log = isinstance(expr, Elementwise) and isinstance(expr.rule.expr, sympy.log)
        return expr.arrays[0] if is_log else None

    def meaning(self, expr: Expr) -> tuple[int, str, int]:
        """Whether an array is ŷ, ±(y - ŷ) or ±(1 - ŷ), up to order: sign, part, and 0."""
        if expr == self.yhat:
            return 1, "value", 0
        if isinstance(expr, MatAdd):
            pairs = [*map(_scale_and_body, expr.args)]
            terms = {ALL_ONES if isinstance(m, OneMatrix) else m: scale for scale, m in pairs}
            for first, part in ((self.target, "residual"), (ALL_ONES, "complement")):
                if {*terms} == {first, self.yhat} and {*terms.values()} == {1, -1}:
                    return int(terms[first]), part, 0
        return 1, "", 0

    def code(self, expr: Expr) -> Node:
        """The code of a matrix."""
        known = self.known(expr)
        if known is not None:
            return known
        match expr:
            case Gradient():
                return _d(self.graph.by_base[expr.array.name])
            case Array():
                return self.named(self.graph.by_base[expr.name])
            case OneMatrix():
                return ONE
            case ZeroMatrix():
                return ZERO
            case Transpose():
                return call("T", self.code(expr.arg))
            case MatAdd():
                return plus(*map(self.code, expr.args))
            case HadamardProduct():
                return self.hadamard(expr.args)
            case HadamardPower():
                return self.power(self.code(expr.base), expr.exp)
            case Elementwise():
                parts = map(self.code, expr.arrays)
                letters = dict(zip(expr.rule.variables, parts, strict=True))
                return self.scalar(expr.rule.expr, letters)
            case Where():
                condition, yes, no = map(self.code, expr.args)
                node = choice(condition, yes, no)
                if node is not condition and self.is_number(yes) and self.is_number(no):
                    node = call("as_type_of", node, self.code(expr.args[0].arrays[0]))
                return node
            case MatMul():
                scale, matrices = expr.as_coeff_matrices()
                return self.scaled(scale, self.matrix_product(matrices))
        kind = type(expr).__name__
        raise NoKernel(f"no kernel: {kind} is not known in {self.said.write(expr)}")

    def hadamard(self, factors: Iterable[MatrixExpr]) -> Node:
        result: Node = ONE
        for factor in factors:
            if isinstance(factor, HadamardPower) and factor.exp == -1:
                result = call("/", result, self.code(factor.base))
            else:
                result = times(result, self.code(factor))
        return result

    def power(self, base: Node, exponent: Expr) -> Node:
        if exponent.is_negative:
            return call("/", ONE, self.power(base, -exponent))
        if exponent == sympy.Rational(1, 2):
            return call("sqrt", base)
        return base if exponent == 1 else call("**", base, self.scalar(exponent))

    def scaled(self, scale: Expr, node: Node) -> Node:
        over, under = scale.as_numer_denom()
        if scale == -1:
            return negative(node)
        if not under.free_symbols:
            return times(self.scalar(scale), node)
        if over == 1:
            return call("/", node, self.scalar(under))
        return times(call("/", self.scalar(over), self.scalar(under)), node)

    def matrix_product(self, matrices: Sequence[MatrixExpr]) -> Node:
        """A matrix product; ones sum over an axis, or repeat along it, which NumPy does itself."""
        match [isinstance(matrix, OneMatrix) for matrix in matrices]:
            case [_]:
                return self.code(matrices[0])
            case [True, False, True]:
                return self.total(matrices[1])
            case [False, True, True]:
                return call("row_sum", self.code(matrices[0]))
            case [True, False] if matrices[0].shape[1] == 1:
                # the column of a row: a bias is one-dimensional, so NumPy repeats it
                row = matrices[1]
                return self.code(row.arg if isinstance(row, Transpose) else row)
            case [False, True] if isinstance(matrices[0], Transpose):
                return call("sample_sum", self.code(matrices[0].arg))
            case ones if not any(ones):
                return reduce(lambda a, b: call("@", a, b), map(self.code, matrices))
        raise NoKernel(f"no kernel: {self.said.write(MatMul(*matrices, evaluate=False))}")

    def total(self, matrix: MatrixExpr) -> Node:
        """Σ of all entries; of a product of two arrays as one scalar product."""
        if isinstance(matrix, HadamardProduct) and len(matrix.args) == 2:
            factors = [*map(self.code, matrix.args)]
            if not any(map(self.is_number, factors)):
                return call("vdot", *factors)
        node = self.code(matrix)
        if self.is_number(node):
            return reduce(times, map(self.scalar, matrix.shape), node)
        return call("total", node)

    def scalar(self, expr: Expr, letters: Mapping[Expr, Node] | None = None) -> Node:
        """A number, or a function of the entries that ``letters`` stand for."""
        letters = letters or {}
        if expr in letters:
            return letters[expr]
        if isinstance(expr, Scalar):
            return self.code(expr.matrix)
        if not expr.free_symbols and not expr.has(Scalar):
            return constant(expr)
        if isinstance(expr, Symbol):
            return Named(str(expr))
        return scalar_operation(expr, lambda part: self.scalar(part, letters))


def _d(variable: Variable) -> Named:
    return Named(f"d{variable.name}")


def _scale_and_body(expr: MatrixExpr) -> tuple[Expr, MatrixExpr]:
    if not isinstance(expr, MatMul):
        return sympy.S.One, expr
    scale, matrices = expr.as_coeff_matrices()
    return scale, matrices[0] if len(matrices) == 1 else MatMul(*matrices, evaluate=False)


def _minus(matrix: MatrixExpr) -> MatMul:
    return MatMul(sympy.S.NegativeOne, matrix)


# --------------------------------------------------------------------------- one number at a time


def scalar_program(form: MatrixForm, arrays: Program) -> tuple[Block, ...]:
    """Both passes of one sample, every neuron on its own, in Python's numbers.

    A call of NumPy costs some 0.4 µs, which is a dozen multiplications; below a few hundred
    multiplications a network is faster written out.  ``form`` is that of the graph of one sample,
    ``arrays`` the program of a batch.  Raises `NoKernel` for a softmax with binary cross-entropy,
    whose safe form is written for arrays only.
    """
    return _ScalarWriter(form, arrays).written()


def element(variable: Variable, *indices: int) -> Named:
    """An element as the lectures write it: w_212, w_2_11_3."""
    if variable.role is Role.LOSS:
        return Named("loss")
    return Named(element_name(variable, indices).replace(",", "_"))


def _gradient(variable: Variable, *indices: int) -> Named:
    return Named(f"d{element(variable, *indices).name}")


class _ScalarWriter(_Writer):
    """Writes the index form of the deductions that `_ArrayWriter` writes in matrices."""

    def __init__(self, form: MatrixForm, arrays: Program) -> None:
        super().__init__(form)
        self.arrays, self.said = arrays, Text(form.lettering)
        self.backward_pass: BackwardPass = form.backward

    def named(self, variable: Variable, k: int = 0) -> Named:
        return element(variable, k)

    def width(self, layer: Layer) -> range:
        return range(1, int(layer.h.shape[-1]) + 1)

    def written(self) -> tuple[Block, ...]:
        for step in self.form.steps:
            source, variable = step.source, step.variable
            if step.phase is Phase.FORWARD and isinstance(source, Equation):
                self.say(source.lhs, source.shown if source.named is None else source.named)
                self.equation(source)
            elif step.phase is Phase.BACKWARD and isinstance(source, Deduction):
                layer = self.layers.get(variable)
                if layer is None or not self.is_merged(layer):
                    self.say(source.lhs, source.result)
                    self.adjoint(variable, source)
        return self.taken()

    def say(self, lhs: Expr, rhs: Expr) -> None:
        self.comment(f"{self.said.write(lhs)} = {self.said.write(rhs)}")

    def at(self, expr: Expr, free: tuple[Symbol, ...], indices: Sequence[int]) -> Expr:
        return self.backward_pass.unroll(expr, dict(zip(free, map(Integer, indices), strict=True)))

    # ---------------------------------------------------------------------------------- forward

    def equation(self, equation: Equation) -> None:
        layer = self.layers.get(equation.variable)
        if layer is not None and layer.coupled:
            self.softmax(layer)
            return
        for each in elements(equation.variable):
            if layer is not None and layer.form is not None:
                node = self.part(layer, "value", *each.indices)
            else:
                node = self.code(self.at(equation.shown, equation.free, each.indices))
            self.let(element(equation.variable, *each.indices), node)

    def softmax(self, layer: Layer) -> None:
        """e^{a_k - top}, with what the subtraction rounds off; p, and 1 - p as a sum."""
        width, top = self.width(layer), Named(f"top_{layer.h.layer}")
        a = [element(layer.a, k) for k in width]
        e = [self.of_softmax(layer, "e", k) for k in width]
        self.let(top, call("max", *a) if len(a) > 1 else a[0])
        for k, a_k, e_k in zip(width, a, e, strict=True):
            c_k, r_k = self.of_softmax(layer, "shifted", k), Named(f"r_{layer.h.layer}{k}")
            self.let(c_k, call("-", a_k, top))
            self.let(r_k, call("-", c_k, a_k))
            self.let(e_k, call("exp", c_k))
            self.change(e_k, "+", times(e_k, call("rounded_off", a_k, c_k, r_k, top)))
        total = self.let(self.of_softmax(layer, "total"), plus(*e))
        for k, e_k in zip(width, e, strict=True):
            self.let(element(layer.h, k), call("/", e_k, total))

    def of_softmax(self, layer: Layer, word: str, k: int = 0) -> Named:
        """e_k; c_k = a_k - max a, which is shifted; total = Σ_j e_j."""
        return Named(f"{'c' if word == 'shifted' else word}_{layer.h.layer}{k or ''}")

    def others(self, layer: Layer, k: int) -> Node:
        return plus(*(self.of_softmax(layer, "e", j) for j in self.width(layer) if j != k))

    def log_total(self, layer: Layer) -> Node:
        """log(1 + the least sum of others) of the layer, kept under its first neuron."""
        return self.part(layer, "log_total", 1)

    def softmax_part(self, layer: Layer, part: str, k: int) -> Node:
        """log_total besides."""
        if part != "log_total":
            return super().softmax_part(layer, part, k)
        others = [self.others(layer, j) for j in self.width(layer)]
        return call("log1p", call("min", *others) if len(others) > 1 else others[0])

    def line_of(self, layer: Layer, part: str, k: int, node: Node) -> Named:
        said = SAID_OF_PARTS.get(part, "") if layer.coupled else ""
        return self.let(Named(f"{part}_{layer.h.layer}{k}"), node, *([said] if said else []))

    # --------------------------------------------------------------------------------- backward

    def adjoint(self, variable: Variable, source: Deduction) -> None:
        layer, pairs = self.by_a.get(variable), []
        if layer is not None and layer.coupled and layer.h.name not in self.arrays.kept_sums:
            pairs = ["pairs"] if source.result.has(Partial) and len(self.width(layer)) > 1 else []
        for each in elements(variable):
            result = self.at(source.result, source.free, each.indices)
            node = self.derivative(layer, result, *each.indices)
            self.let(_gradient(variable, *each.indices), node, *pairs)

    def derivative(self, layer: Layer | None, result: Expr, *indices: int) -> Node:
        if layer is None or layer.is_plain:
            return self.code(result)
        (k,) = indices
        scale = self.arrays.kept_sums.get(layer.h.name) if layer.coupled else None
        p_k, g_k = element(layer.h, k), _gradient(layer.h, k)
        others = [j for j in self.width(layer) if j != k]
        if scale is not None:
            assert self.y is not None  # c ((Σy) ŷ - y) has one
            factor = self.code(scale.xreplace({self.arrays.graph.samples: sympy.S.One}))
            y = plus(*(element(self.y, j) for j in others))
            rest = times(element(self.y, k), self.part(layer, "rest", k))
            return times(factor, call("-", times(p_k, y), rest))
        if not result.has(Partial):
            return self.code(result)
        if layer.coupled:
            less = {j: call("-", g_k, _gradient(layer.h, j)) for j in others}
            return times(p_k, plus(*(times(element(layer.h, j), d) for j, d in less.items())))
        if self.is_merged(layer):
            return self.times_slope(self.gradient_of_output(k), k)
        return times(g_k, self.part(layer, "slope", k))

    def gradient_of_output(self, k: int) -> Expr:
        source = self.backward_pass.adjoints[self.output.h]
        return self.at(source.result, source.free, (k,))

    def is_merged(self, layer: Layer) -> bool:
        """Whether ∂L/∂ŷ is written within ∂L/∂a, because it divides by what may be 0."""
        is_formed = layer is self.output and layer.form is not None
        return is_formed and self.has_divisor(self.gradient_of_output(1))

    def times_slope(self, expr: Expr, k: int) -> Node:
        """∂L/∂ŷ_k · g'(a_k), each 1/ŷ_k and 1/(1 - ŷ_k) taken together with the slope."""
        if isinstance(expr, (Terms, Add)):
            return plus(*(self.times_slope(term, k) for term in expr.args))
        factors = [*expr.args] if isinstance(expr, (Product, Mul)) else [expr]
        is_negative = factors[0] == -1 and len(factors) > 1
        nodes, slope = [], None
        for factor in factors[is_negative:]:
            if slope is None and isinstance(factor, (Terms, Add)) and self.has_divisor(factor):
                slope = ONE
                nodes.append(self.times_slope(factor, k))
            elif slope is None and self.divisor(factor):
                slope = self.part(self.output, self.divisor(factor), k)
            else:
                nodes.append(self.code(factor))
        slope = self.part(self.output, "slope", k) if slope is None else slope
        product = reduce(times, [*nodes, slope])
        return negative(product) if is_negative else product

    # -------------------------------------------------------------------------------- expressions

    def code(self, expr: Expr) -> Node:
        """The code of a number."""
        if isinstance(expr, Partial):
            variable, indices = self.backward_pass.node_of(expr.by)
            return _gradient(variable, *indices)
        if isinstance(expr, Symbol):
            variable, indices = self.backward_pass.node_of(expr)
            return element(variable, *indices)
        known = self.known(expr)
        if known is not None:
            return known
        if not expr.free_symbols:
            return constant(expr)
        match expr:
            case Terms():
                return plus(*map(self.code, expr.args))
            case Product():
                is_negative = expr.args[0] == -1
                product = reduce(times, map(self.code, expr.args[is_negative:]))
                return negative(product) if is_negative else product
            case Piecewise():
                *cases, (last, _) = expr.args
                node = self.code(last)
                for value, condition in reversed(cases):
                    node = choice(self.code(condition), self.code(value), node)
                return node
        return scalar_operation(expr, self.code)

    def argument_of_log(self, expr: Expr) -> Expr | None:
        return expr.args[0] if isinstance(expr, sympy.log) else None

    def meaning(self, expr: Expr) -> tuple[int, str, int]:
        """Whether a number is ŷ_k, ±(y_k - ŷ_k) or ±(1 - ŷ_k): sign, part, and k."""
        is_sum = isinstance(expr, (Add, Terms)) and len(expr.args) == 2
        if not is_sum and not isinstance(expr, Symbol):
            return 1, "", 0
        found = collapse(expr)
        for k in self.width(self.output):
            h = self.backward_pass.scalar(self.output.h, (k,))
            meanings = {"value": h, "complement": 1 - h}
            if self.y is not None:
                meanings["residual"] = self.backward_pass.scalar(self.y, (k,)) - h
            for part, meaning in meanings.items():
                if found in (meaning, -meaning):
                    return (1 if found == meaning else -1), part, k
        return 1, "", 0


# ----------------------------------------------------------------------------- memory that is kept


def in_memory(program: Program) -> Program:
    """The same for NumPy: hidden layers are computed in memory that is kept from call to call.

    Nobody reads an a after the last line that does, a ∇h after ∇a, or the lets of a form after the
    slope: these lines compute in their memory.  A sum over samples is a product with ones, in half
    the time.  Arrays of the output may become results, and are not kept.
    """
    memory = _Memory(program)
    forward = tuple(map(memory.of_block, program.forward))
    backward = tuple(map(memory.of_block, program.backward))
    if program.output.coupled and any(v.role is Role.TARGET for v in program.graph.variables):
        note = "samples side by side, as Ŷ has them"
        by_columns = Line(("y",), call("by_columns", Named("y")), note=note)
        backward = (Block((), (by_columns,)), *backward)
    return replace(program, forward=forward, backward=backward, memory=memory.kept)


class _Memory:
    def __init__(self, program: Program) -> None:
        self.program, self.kept = program, dict[str, tuple[str, ...]]()
        self.layers = {v: layer for layer in program.layers.values() for v in (layer.a, layer.h)}
        lines = (line for block in program.blocks for line in block.lines)
        self.last_reader = {name: line for line in lines for name in line.reads}

    def of_block(self, block: Block) -> Block:
        layer = self.layers.get(block.variable) if block.variable else None
        lines = (new for line in block.lines for new in self.of_line(line, layer))
        return replace(block, lines=tuple(lines))

    def of_line(self, line: Line, layer: Layer | None) -> list[Line]:
        """The lines that one becomes; ``layer`` is that of its block, where it is of one."""
        name, node = line.names[0], self.summed(line.expr)
        new, first = replace(line, expr=node), next(children(node), node)
        if layer is None or line.out or not isinstance(node, Call):
            return [new]
        is_kept = layer.a.batched and layer is not self.program.output
        a, dh, number_ = layer.a.name, _d(layer.h), layer.h.layer
        if (
            is_kept
            and node.function == "@"
            and not (isinstance(first, Call) and first.function == "@")
        ):
            self.keep(name, layer)
            return [replace(new, out=name)]
        if layer.form is None:
            return [new]
        lets = [f"{let}{number_}" for let, _ in layer.form.stable.lets]
        if name == f"d{a}" and node.function == "*" and first == dh:
            slope, before = node.arguments[1], []
            read = (part.name for part in walk(slope) if isinstance(part, Named)) if is_kept else ()
            for let in dict.fromkeys(read):
                if let in lets and (before := _into(slope, let, let)):
                    slope = Named(let)
                    break
            return [*before, Line((name,), call("*", dh, slope), dh.name)]
        if is_kept and (name in lets or name == layer.h.name):
            is_last = name in lets and self.last_reader.get(a) is line
            lines = _into(node, name, a if is_last else name)
            if lines and not is_last:
                self.keep(name, layer)
            return lines or [new]
        return [new]

    def keep(self, name: str, layer: Layer) -> None:
        self.kept[name] = (str(self.program.graph.samples), str(layer.a.shape[-1]))

    def summed(self, node: Node) -> Node:
        """Sums over samples as products; what is made of a softmax has samples side by side."""
        match rebuilt(node, self.summed):
            case Call("sample_sum", (array,)):
                self.kept["ones"] = (str(self.program.graph.samples),)
                return call("@", Named("ones"), array)
            case Call("vdot", factors) if self.program.output.coupled:
                return call("vdot", *(call("T", factor) for factor in factors))
            case same:
                return same


def _into(node: Node, name: str, memory: str) -> list[Line]:
    """The lines that compute ``node`` into ``memory``, an operation each, and call it ``name``.

    None at all where some operation has no such line, or would need what is overwritten.
    """
    if not isinstance(node, Call) or not NUMPY.writes_into(node.function):
        return []
    operands, before = [*node.arguments], []
    compound = (k for k, part in enumerate(operands) if isinstance(part, Call) and names_in(part))
    inner = next(compound, None)
    if inner is not None:
        before = _into(operands.pop(inner), name, memory)
        if not before or any({name, memory} & names_in(part) for part in operands):
            return []
        operands.insert(inner, Named(name))
        memory = name
    if node.function in ("+", "*") and operands[1] == Named(memory):
        operands.reverse()
    return [*before, Line((name,), call(node.function, *operands), memory)]


# ---------------------------------------------------------------------------- the writer of Python

ATOM, POWER, SIGN, TIMES, PLUS, COMPARISON, CHOICE = 7, 6, 5, 4, 3, 2, 1
"""How tightly Python's operators bind."""

OPERATORS = {
    "+": (PLUS, PLUS, TIMES),
    "-": (PLUS, PLUS, TIMES),
    "*": (TIMES, TIMES, SIGN),
    "/": (TIMES, TIMES, SIGN),
    "@": (TIMES, TIMES, SIGN),
    "**": (POWER, ATOM, SIGN),
} | dict.fromkeys(["<", "<=", ">", ">=", "==", "!="], (COMPARISON, PLUS, PLUS))
"""How each binds, and how its operands must, or stand in brackets."""

INTO = {"+": "np.add", "-": "np.subtract", "*": "np.multiply", "/": "np.divide"}
INTO |= {"neg": "np.negative", "@": "np.dot"}
"""The calls of NumPy that compute an operator into given memory."""


@dataclass(frozen=True, slots=True)
class Code:
    """Python, and how tightly its outermost operator binds; ``f"{code:atom}"`` is an operand."""

    text: str
    binding: int = ATOM

    def within(self, binding: int) -> str:
        """The text as an operand of an operator that binds so tightly."""
        return self.text if self.binding >= binding else f"({self.text})"

    def __format__(self, kind: str) -> str:
        return self.within({"": CHOICE, "inner": COMPARISON, "sign": SIGN, "atom": ATOM}[kind])


@dataclass(frozen=True, slots=True)
class Spelling:
    """The words of one engine: the only place that knows NumPy's.

    ``functions`` maps heads of operations to what is called, or to a template of an expression;
    ``max_number`` and ``min_number`` are for an array and a number, where an engine has words of
    their own for that.  ``words`` are those that templates and helpers call $np, $max, ….
    ``choice`` is a template for "if condition, then yes, else no", ``choice_binding`` how tightly
    it binds, and ``choice_of_numbers`` the same where both are numbers.
    """

    name: str
    functions: Mapping[str, str] = field(repr=False)
    choice: str
    choice_binding: int = ATOM
    words: Mapping[str, str] = field(default_factory=dict, repr=False)
    choice_of_numbers: str = ""

    def write(self, text: str) -> str:
        """A template with its words filled in: ``$np.exp(a)`` as ``np.exp(a)``."""
        return Template(text).substitute(self.words)

    def writes_into(self, head: str) -> bool:
        """Whether an operation can compute into given memory."""
        word = INTO.get(head) or self.functions.get(head, "")
        return word.startswith("np.") or head == "capped"

    def text(self, line: Line) -> str:
        """A line of Python."""
        targets = ", ".join(line.names)
        if not line.out:
            note = f"  # {line.note}" if line.note else ""
            return f"{targets} = {self.code(line.expr).text}{note}"
        assert isinstance(line.expr, Call)
        head, parts = line.expr.function, [self.code(part).text for part in line.expr.arguments]
        if head in ("+", "-", "*", "/") and (targets, parts[0]) == (line.out, line.out):
            return f"{line.out} {head}= {parts[1]}"
        word = INTO.get(head) or self.functions[head]
        if (word, parts[0]) == ("np.divide", "1"):
            word, parts = "np.reciprocal", parts[1:]
        called = f"{word}({', '.join(parts)}, out={line.out})"
        return called if targets == line.out else f"{targets} = {called}"

    def code(self, node: Node) -> Code:
        """An expression in Python."""
        match node:
            case Named(name):
                return Code(name)
            case Number(value):
                is_whole = value.denominator == 1 and abs(value) < 2**53
                text = repr(int(value) if is_whole else float(value))
                return Code(text, SIGN if value < 0 else ATOM)
            case Call("where", operands):
                numbers = not any(map(names_in, operands[1:])) and self.choice_of_numbers
                parts = map(self.code, operands)
                return Code((numbers or self.choice).format(*parts), self.choice_binding)
            case Call(head, operands) if head in self.functions:
                return self._called(head, operands)
            case Call("neg", (operand,)):
                return Code(f"-{self.code(operand).within(SIGN)}", SIGN)
            case Call("and" | "or" as word, operands):
                parts = [self.code(part).within(PLUS) for part in operands]
                return Code(f" {word} ".join(parts), COMPARISON)
            case Call("**", (Named() as base, two)) if two == number(2):
                return self.code(call("*", base, base))
            case Call(head, (first, second)):
                own, left, right = OPERATORS[head]
                a, b = self.code(first), self.code(second)
                if head == "+" and b.text.startswith("-") and b.binding >= TIMES:
                    return Code(f"{a.within(left)} - {b.text[1:]}", own)
                return Code(f"{a.within(left)} {head} {b.within(right)}", own)
        raise TypeError(node)

    def _called(self, head: str, operands: Sequence[Node]) -> Code:
        """A function's call; of a function that has no word here, its operand alone."""
        if head in ("and", "or") and len(operands) > 2:  # a third argument is NumPy's `out`
            return self._called(head, (Call(head, tuple(operands[:-1])), operands[-1]))
        if f"{head}_number" in self.functions:
            arrays = [part for part in operands if names_in(part)]
            numbers = [part for part in operands if not names_in(part)]
            if numbers:
                head, operands = f"{head}_number", [*arrays, *numbers]
        word, parts = self.functions[head], [*map(self.code, operands)]
        if not word:
            return parts[0]
        if "{" in word:
            return Code(word.format(*parts))
        return Code(f"{word}({', '.join(part.text for part in parts)})")


ARRAY_WORDS = {
    "T": "{0:atom}.T",
    "total": "{0:atom}.sum()",
    "row_sum": "{0:atom}.sum(axis=1, keepdims=True)",
    "sample_sum": "{0:atom}.sum(axis=0)",
    "full_like": "$np.full_like({0}, {1})",
    "as_type_of": "{0}.$astype({1:atom}.dtype)",
    "by_columns": "np.asfortranarray({0})",
    "column": "{0}[:, {1}]",
    "column_of": "({0})[:, {1}]",
    "winner": "$np.arange({0}.shape[1]) == {0}.argmax(axis=1)[:, None]",
    "without_winner": "$np.where({0}, $np.finfo({1}.dtype).min / 4, {1})",
    "highest_loser": "$np.where({0}, -$np.inf, {1}).$max(axis=1, keepdims=True)",
    "at_winner": "($np.where({0}, v, 0).sum(axis=1, keepdims=True) for v in ({1}, {2}))",
}
"""What arrays can do that has no call of its own, in every engine's words."""

_HELPERS = "normal coarse nonzero capped near softmax others less_winner".split()

_NUMPY_FUNCTIONS = (
    {name: row.numpy or f"np.{name}" for name, row in ELEMENTARY.items()}
    | {"log1p": "np.log1p", "expm1": "np.expm1", "vdot": "np.vdot"}
    | {"and": "np.logical_and", "or": "np.logical_or"}
    | {word: f"_{word}" for word in _HELPERS}
)


def _arrays(
    name: str, words: Mapping[str, str], own: Mapping[str, str], choice_of_numbers: str = ""
) -> Spelling:
    """The spelling of an engine that calls its functions as NumPy does, in a module of its own."""
    module = words["np"]
    called = {head: word.replace("np.", f"{module}.") for head, word in _NUMPY_FUNCTIONS.items()}
    shapes = {head: Template(word).substitute(words) for head, word in ARRAY_WORDS.items()}
    functions, choice = {**called, **shapes, **own}, f"{module}.where({{}}, {{}}, {{}})"
    return Spelling(name, functions, choice, words=words, choice_of_numbers=choice_of_numbers)


_WORDS = {
    "np": "np",
    "where": "",
    "max": "max",
    "min": "min",
    "take": "take_along_axis",
    "cast": "astype(dtype, copy=False)",
    "astype": "astype",
    "round": "np.round",
    "near": "np.clip(z, -60, 60)",
    "nonzero": "np.maximum(u, 1e-18)",
}
# In NumPy `dot` begins 0.4 µs sooner than @ does.
NUMPY_PLAIN = _arrays("numpy", _WORDS, {})
NUMPY = replace(NUMPY_PLAIN, functions={**NUMPY_PLAIN.functions, "@": "np.dot"})
# A scalar product by hand: `vdot` and `@` may be computed with fewer digits on some devices.
JAX = _arrays(
    "jax",
    {
        **{word: text.replace("np.", "jnp.") for word, text in _WORDS.items()},
        "np": "jnp",
        "capped": "jnp.minimum(u, -jnp.log(jnp.finfo(u.dtype).tiny))",
    },
    {name: row.jax for name, row in ELEMENTARY.items() if row.jax}
    | {"vdot": "({0:sign} * {1:sign}).sum()", "normal": "jax.scipy.special.ndtr"},
)
TORCH = _arrays(
    "torch",
    {
        "np": "torch",
        "where": ", device=v.device",
        "max": "amax",
        "min": "amin",
        "take": "take_along_dim",
        "cast": "to(dtype)",
        "astype": "to",
        "round": "torch.round",
        "near": "torch.clip(z, -60, 60)",
        "nonzero": "torch.clamp(u, min=1e-18)",
        "capped": "torch.clamp(u, max=-math.log(torch.finfo(u.dtype).tiny))",
    },
    {name: row.torch for name, row in ELEMENTARY.items() if row.torch}
    | {"vdot": "({0:sign} * {1:sign}).sum()", "normal": "torch.special.ndtr"}
    | {"max_number": "torch.clamp({0:sign}, min={1:sign})"}
    | {"min_number": "torch.clamp({0:sign}, max={1:sign})"},
    # of two plain numbers `where` makes float32, whatever they are
    choice_of_numbers="torch.where({}, *torch.tensor([{}, {}], dtype=torch.float64))",
)

# e^u that is too large is an error of Python's, and the kernel turns to arrays: nothing is capped.
MATH = Spelling(
    "math",
    {name: row.math or name for name, row in ELEMENTARY.items()}
    | {"log1p": "log1p", "expm1": "expm1", "erfc": "erfc", "capped": "", "normal": "_normal_of_one"}
    | {word: f"_{word}" for word in ("coarse", "nonzero", "near")}
    | {"rounded_off": "(({0} - ({1} - {2})) - ({3} + {2}))"},
    "{1:inner} if {0:inner} else {2}",
    CHOICE,
    {"round": "round", "near": "max(-60.0, min(z, 60.0))", "nonzero": "max(u, 1e-18)"},
)
