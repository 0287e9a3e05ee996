"""Passages that every sheet is made of: the picture, the equations, deductions, matrices, notes.

`Passages` holds a network and a `Pen` and gives content (`symback.sheets.page`); words are in
``templates/words.toml``.  `symback.sheets.chapters` puts pages together from them.

What several layers have alike is written once, with the letter k (`Passages.told`).  Nothing is
claimed to be alike: the formulas of each layer are printed with its number replaced by k, the next
one by k+1 and the one before by k-1 (and x as h of layer 0; `GeneralPen`), and only layers whose
lines then agree to the letter are told together.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sympy
from sympy import Expr, Indexed, Integer, KroneckerDelta, MatAdd, MatMul, Sum, Symbol

from symback import kernels
from symback.engine.calculus import LocalDerivative
from symback.engine.derivation import Deduction, Derivation, Node, Path, Rule, Step, local_steps
from symback.engine.evaluation import OutOfDomain
from symback.engine.graph import Equation, Graph, KnownSum, base_name
from symback.engine.matrix import MatrixForm, MatrixStep, Phase
from symback.engine.spec import EquationsSpec, NetworkSpec
from symback.engine.work import Work, lettering
from symback.language.algebra import Array, SampleArray, Sigma
from symback.language.errors import SymbackError
from symback.language.functions import spoken
from symback.language.names import (
    NETWORK,
    Lettering,
    Reference,
    Role,
    Spelling,
    UnknownName,
    Variable,
    element_name,
    elements,
    index,
    name_indices,
    whole_name,
)
from symback.language.writing import Latex, MatrixLatex, Text
from symback.sheets.figure import (
    EdgeSketch,
    Figure,
    LayerSketch,
    Name,
    StageSketch,
    graph_figure,
    network_figure,
)
from symback.sheets.page import (
    Block,
    Display,
    Formula,
    Grid,
    Literal,
    Pen,
    Picture,
    Row,
    Say,
    Section,
    Words,
    as_written,
    joined,
    literal,
)

# ------------------------------------------------------------------------------- what is printed

MOST_LITERALS = 2000
"""Networks with more numbers than this show their formulas without numbers put in."""

MOST_SHOWN = 201
"""A sheet or a picture shows at most so many equations, those of 100 layers."""


class TooLong(SymbackError):
    """A sheet, or the picture of a computation, that nobody would read."""


def check_length(work: Work) -> None:
    """Raise `TooLong` where a page would have to show more equations than anybody reads."""
    count = len(work.graph.equations)
    if count > MOST_SHOWN:
        raise TooLong(
            f"a sheet shows every equation, and here are {count:,}; it has room for {MOST_SHOWN} "
            "(100 layers). derive, paths, matrix, evaluate, kernel and check take longer ones"
        )


def entries(variable: Variable) -> int:
    """How many numbers a quantity holds (its widths are numbers)."""
    return int(sympy.Mul(*variable.shape))


def plain_pen(work: Work, derivation: Derivation | None = None) -> Pen:
    """A pen with the letters of a network, or of one derivation; it puts no numbers in."""
    return Pen(lettering(work, derivation))


def pen_for(work: Work, derivation: Derivation | None = None) -> Pen:
    """A pen that puts in the numbers of one sample, also of the derivatives on the way."""
    graph, numbers = work.graph, {}
    few = graph.samples is None and graph.is_concrete()
    if work.has_numbers and few and sum(map(entries, graph.variables)) <= MOST_LITERALS:
        numbers = _literals(work, derivation)
    return Pen(lettering(work, derivation), numbers)


def _literals(work: Work, derivation: Derivation | None) -> dict[Expr, Literal]:
    """Numbers as they are printed: a given one with all its digits, a computed one rounded."""
    found: dict[Expr, Literal] = {}
    for variable in work.graph.variables:
        show = as_written if variable.name in work.numbers.given else literal
        for reference in elements(variable):
            symbol = work.backward.scalar(variable, reference.indices)
            found[symbol] = show(
                work.numbers.element(work.numbers.forward[variable.name], reference)
            )
    if derivation is not None and derivation.unrolled:
        for deduction in derivation.adjoints:
            reference = Reference(*work.backward.node_of(deduction.lhs.by))
            found[deduction.lhs] = literal(work.derived_number(reference))
    return found


def told_apart(first: Any, second: Any) -> tuple[Formula, Formula]:
    """Two numbers with as many digits as it takes to see that they differ."""
    for digits in (4, 6, 8, 12):
        shown = [literal(value, digits) for value in (first, second)]
        if shown[0].text != shown[1].text:
            break
    return shown[0].formula, shown[1].formula


MOST_ENTRIES = 8


def array_formula(array: Any) -> Formula:
    """An array as a matrix, a vector as a column; long ones shortened in the middle."""

    def shortened(found: list[Any], gap: Any) -> list[Any]:
        half = MOST_ENTRIES // 2
        return found if len(found) <= MOST_ENTRIES else [*found[:half], gap, *found[-half:]]

    if not array.ndim:
        return literal(array.item()).formula
    dots = Formula(r"\cdots", "…")
    rows = shortened(array.reshape(len(array), -1).tolist(), None)
    cells = [
        row and [c if c is dots else literal(c).formula for c in shortened(row, dots)]
        for row in rows
    ]
    in_latex = [" & ".join(c.latex for c in row) if row else r"\vdots" for row in cells]
    in_text = [", ".join(c.text for c in row) if row else "⋮" for row in cells]
    body = r" \\ ".join(in_latex)
    return Formula(rf"\begin{{bmatrix}} {body} \end{{bmatrix}}", "[" + "; ".join(in_text) + "]")


def describe(work: Work) -> Say:
    """The network in a sentence."""
    spec = work.spec
    if isinstance(spec, EquationsSpec):
        return Say("describe.equations", {"count": len(spec.stages), "apart": spec.taken_apart})
    pen = plain_pen(work)
    sizes = joined(map(pen.formula, spec.widths), r" \to ", "–")
    hidden = dict.fromkeys(spoken(layer.activation) for layer in spec.layers[:-1])
    return Say(
        "describe.network",
        {
            "sizes": Words(sizes.text) if all(n.is_Integer for n in spec.widths) else sizes,
            "hidden": [Words(name) for name in hidden],
            "several": len(spec.layers) > 2,
            "output": Words(spoken(spec.layers[-1].activation)),
            "loss": Words(spoken(spec.loss)),
            "samples": spec.values.samples,
        },
    )


# ------------------------------------------------------------------------------------ the picture

SHOWN_ENDS = 4
"""Where the paths are too many to list, so many of the first and of the last are shown."""


def listed_paths(derivation: Derivation) -> Sequence[Path]:
    """All paths where they are few enough, else the first and the last."""
    paths = derivation.paths
    if derivation.unrolled or paths.count <= 2 * SHOWN_ENDS:
        return list(paths)
    return [*(paths[i] for i in range(SHOWN_ENDS)), *(paths[i] for i in range(-SHOWN_ENDS, 0))]


def figure(work: Work, derivation: Derivation | None, pen: Pen | None = None) -> Figure:
    """The network, or the computation graph, with the paths of ``derivation``.

    Raises `TooLong` where there would be too much to show.
    """
    check_length(work)
    pen = pen or pen_for(work, derivation)
    if isinstance(work.spec, EquationsSpec):
        return _graph_figure(work, pen, derivation)
    return _network_figure(work, work.spec, pen, derivation)


def _network_figure(
    work: Work, spec: NetworkSpec, pen: Pen, derivation: Derivation | None
) -> Figure:
    """The neurons in the page's letters, the chosen quantity and its paths."""
    write = pen.latex.write

    def units(size: Expr) -> int | str:
        return int(size) if size.is_Integer else write(size)

    def name(node: Node) -> Name:
        variable, indices = node
        return Name(variable.letter, name_indices(variable, indices))

    layers = [LayerSketch(units(spec.inputs), "input")]
    for k, layer in enumerate(spec.layers, start=1):  # counted as the page counts them
        number = k + pen.latex.lettering.input_layer
        place = "output" if k == len(spec.layers) else f"layer {number}"
        words = f"{place} ({spoken(layer.activation)})"
        layers.append(LayerSketch(units(layer.units), words, layer.activation.coupled))
    total, chosen, listed = 0, None, []
    if derivation is not None:
        total = derivation.paths.count
        chosen = name((derivation.target.variable, derivation.target.indices))
        if isinstance(total, int) and work.graph.is_concrete():
            listed = [list(map(name, path.nodes)) for path in listed_paths(derivation)]
    return network_figure(
        layers,
        chosen,
        listed,
        total if isinstance(total, int) else write(total),
        lambda one: (
            pen.latex.loss if one.letter == "L" else pen.latex.named(one.letter, one.indices)
        ),
        loss=spoken(spec.loss),
    )


def _graph_figure(work: Work, pen: Pen, derivation: Derivation | None) -> Figure:
    """Named stages with values above and derivatives below the edges."""
    graph, backward, write = work.graph, work.backward, pen.latex.write
    formulas = {equation.variable: equation.shown for equation in graph.equations}
    stages = []
    for variable in graph.variables:
        symbol = backward.scalar(variable, ())
        value = pen.literals[symbol].latex if symbol in pen.literals else None
        shown = formulas.get(variable)
        rhs = None if shown is None else write(backward.unroll(shown))
        stages.append(StageSketch(variable.name, write(symbol), rhs, value))
    places = {variable: place for place, variable in enumerate(graph.variables)}
    edges = []
    for child, parent in sorted(backward.derivatives, key=lambda pair: [places[v] for v in pair]):
        local = backward.derivatives[child, parent]
        name, form = (write(backward.unroll(part)) for part in (local.name, local.form))
        number = None
        if pen.literals and not local.form.is_number:
            # an edge beside what was asked for: a sheet that needs its number says so itself
            with contextlib.suppress(OutOfDomain):
                number = literal(work.numbers.value_of(local.form)).latex
        edges.append(EdgeSketch(parent.name, child.name, name, form, number))
    return graph_figure(stages, edges, None if derivation is None else derivation.target.name)


# ----------------------------------------------------------------------------------- any layer k

MOST_LAYERS_APART = 3
"""A network of more layers than this, or of symbolic widths, is told for any layer k."""

NEURONS_WRITTEN_OUT = 14
"""Up to this many neurons the forward pass is written out neuron by neuron."""


def depth_of(work: Work) -> int:
    """The number of layers; 0 for [equations]."""
    return len(work.spec.layers) if isinstance(work.spec, NetworkSpec) else 0


def _tells_layers(work: Work) -> bool:
    return isinstance(work.spec, NetworkSpec) and (
        depth_of(work) > MOST_LAYERS_APART or not work.graph.is_concrete()
    )


def any_layer(work: Work, name: str) -> list[Variable]:
    """The parameters that ``w_k,i,j`` or ``b_k,i`` names, one a layer; none for another name.

    Raises `UnknownName` for a network whose layers are told one by one.
    """
    letters = {"wkij": Role.WEIGHT, "bki": Role.BIAS, "bk": Role.BIAS}
    spelled = re.sub(r"[_,;{}() ]", "", name)
    found = [v for v in work.backward.adjoints if v.role is letters.get(spelled)]
    if found and len(found[0].shape) != len(spelled) - 2:  # b_k is one bias shared by a layer
        return []
    if found and not _tells_layers(work):
        one = element_name(found[-1], (1,) * len(found[-1].shape))
        raise UnknownName(
            f"{name} names any layer, and this network is told layer by layer; name one, e.g. {one}"
        )
    return found


class Passages:
    """What a sheet says of a network, written with one pen."""

    def __init__(self, work: Work, pen: Pen) -> None:
        self.work, self.pen, self.graph = work, pen, work.graph
        self.tells_layers = _tells_layers(work)
        """Whether what the layers have alike is written once, for any layer k."""
        # one element of everything, so that indices would only be in the way
        sizes = [size for variable in self.graph.variables for size in variable.shape]
        self.is_thin = self.graph.samples is None and all(size == 1 for size in sizes)

    @property
    def target(self) -> Formula:
        """What is differentiated."""
        return self.pen.formula(self.graph.target.element)

    def title(self, otherwise: Say, derivative: Formula | None = None) -> Say:
        """The title the user gave, led by ``derivative`` to tell pages apart; or another."""
        own = Words(self.work.spec.title)
        if not own.text:
            return otherwise
        if derivative is not None:
            return Say("title.tab", {"title": own, "derivative": derivative})
        return Say("title.own", {"title": own})

    def footnotes(self, facts: Iterable[KnownSum], *, with_digits: bool = True) -> Iterator[Say]:
        """What was assumed, the conventions at kinks, and how numbers are shown."""
        for fact in dict.fromkeys(facts):
            words = Words(fact.because)
            yield Say("note.fact", {"sum": self.sum_formula(fact), "because": words})
        for convention in self.graph.conventions:
            yield Say("note.convention", {"convention": Words(convention)})
        if self.work.has_numbers and with_digits:
            yield Say("note.numbers", {"digits": 4})

    # ------------------------------------------------------------------ the network, forward

    def network_section(self, picture: Figure) -> Section:
        """The picture, the notation, and a table of the layers as the page counts them."""
        spec, pen = self.work.spec, self.pen
        if isinstance(spec, EquationsSpec):
            say = Say("network.equations", {"apart": spec.taken_apart})
            return Section(Say("section.graph"), (say, Picture(picture)))
        rows = []
        for k, layer in enumerate(spec.layers, start=1):
            W = next(v for v in self.graph.variables if v.name == f"W{k}")
            number = Say("plain", {"value": k + pen.latex.lettering.input_layer})
            name = Words(spoken(layer.activation))
            shape = joined(map(pen.formula, W.shape), r" \times ", " × ")
            rows.append((number, pen.formula(layer.units), name, self.block(W), shape))
        heads = ("layer", "neurons", "activation", "weights", "shape")
        general = {"w": ("k", "i", "j"), "a": ("k", "i"), "h": ("k", "i")}
        facts = {letter: pen.quantity(letter, indices) for letter, indices in general.items()}
        legend = Say("network.legend", {**facts, "first": pen.latex.lettering.input_layer})
        table = Grid(tuple(Say(f"head.{key}") for key in heads), tuple(rows))
        return Section(Say("section.network"), (Picture(picture), legend, table))

    def forward_section(self, detail: str, equations: Iterable[Block] | None = None) -> Section:
        """Every equation, or the ``equations`` given, then numbers where there are some."""
        if equations is None:
            equations = [Display(tuple(self.equation_rows(self.graph.equations)))]
        numbers = self._forward_numbers(detail) if self.work.has_numbers else []
        return Section(Say("section.forward"), (*equations, *numbers))

    def equation_rows(self, equations: Iterable[Equation]) -> Iterator[Row]:
        """Equations, each by its function's name first where that says something."""
        pen = self.pen
        for equation in equations:
            parts = [equation.lhs, equation.shown, equation.named]
            why = None if self.is_thin else self._range(equation)
            if self.is_thin:
                at = dict.fromkeys(equation.free, sympy.S.One)
                parts = [part and self.work.backward.unroll(part, at) for part in parts]
            lhs, rhs, named = parts
            # id(a) = a: there the name of the function adds nothing to its formula
            if named is None or rhs in named.args or pen.latex.write(named) == pen.latex.write(rhs):
                yield pen.row(lhs, rhs, why)
            else:
                yield pen.row(lhs, named)
                yield pen.row(None, rhs, why)

    def _range(self, equation: Equation) -> Say | None:
        """For which indices an equation holds."""
        ranges = []
        for letter, size in zip(equation.free, self.pen.sizes(equation.variable), strict=True):
            i, n = self.pen.formula(letter), self.pen.formula(size)
            more = (rf", \ldots, {n.latex}", f"…{n.text}") if n.latex != "1" else ("", "")
            ranges.append(Formula(f"{i.latex} = 1{more[0]}", f"{i.text} = 1{more[1]}"))
        return Say("formula", {"formula": joined(ranges, r",\; ", ", ")}) if ranges else None

    def _forward_numbers(self, detail: str) -> list[Block]:
        """a_13 = formula with numbers = number, neuron by neuron; where they are many, arrays."""
        work, pen, computed = self.work, self.pen, self.graph.equations
        forward = work.numbers.forward
        concrete = self.graph.is_concrete()
        neurons = sum(entries(e.variable) for e in computed) if concrete else math.inf
        if not pen.literals or neurons > (60 if detail == "full" else NEURONS_WRITTEN_OUT):
            return [Say("forward.arrays"), self.array_grid([e.variable for e in computed], forward)]
        rows = []
        for equation in computed:
            for reference in elements(equation.variable):
                at = dict(zip(equation.free, map(Integer, reference.indices), strict=True))
                lhs: Expr | None = work.backward.scalar(reference.variable, reference.indices)
                formula = work.backward.unroll(equation.shown, at)
                if detail == "full":
                    rows.append(pen.row(lhs, formula))
                    lhs = None
                value = work.numbers.element(forward[reference.variable.name], reference)
                found = pen.numbers_and_value(pen.with_numbers(formula), lhs, value)
                rows += [replace(row, reason=None) for row in found]
        return [Say("forward.numbers"), Display(tuple(rows))]

    def block(self, variable: Variable) -> Formula:
        """The name of a whole quantity: W_1, b_1, ŷ; in a batch a matrix, one row a sample: A_1."""
        if not variable.shape:
            return self.pen.formula(variable.element)
        if variable.batched:
            return self.pen.matrix(SampleArray(base_name(variable.element), *variable.shape))
        return self.pen.quantity(*whole_name(variable))

    def array_grid(self, variables: Iterable[Variable], arrays: Mapping[str, Any]) -> Grid:
        """A table of quantities and their arrays."""
        return self.numbers_grid((self.block(v), arrays[v.name]) for v in variables)

    def numbers_grid(self, rows: Iterable[tuple[Formula, Any]]) -> Grid:
        """A table of names and arrays."""
        head = (Say("head.quantity"), Say("head.numbers"))
        return Grid(head, tuple((name, array_formula(array)) for name, array in rows))

    # ---------------------------------------------------------------- derivatives, step by step

    def locals_intro(self) -> Say:
        """Between which neurons a local derivative is 0, and what 1[i=j] means where it stands."""
        spec = self.work.spec
        if isinstance(spec, EquationsSpec):
            return Say("locals.intro", {"scalar": True})
        coupled = [layer.activation.coupled for layer in spec.layers]
        facts = {
            "scalar": False,
            "coupled": any(coupled),
            "elementwise": not all(coupled),
            "delta": self.pen.formula(KroneckerDelta(index("i"), index("j"))),
            "equal": Formula("i = j", "i = j"),
        }
        return Say("locals.intro", facts)

    def local_rows(self, local: LocalDerivative) -> Iterator[Row]:
        """The derivative as it comes, in the form one wants, and as a number where it is one."""
        pen = self.pen
        scalar = not local.child.shape and not local.parent.shape

        def shown(part: Expr) -> Expr:
            if not scalar and not self.is_thin:
                return part
            at = dict.fromkeys((*local.child_indices, *local.parent_indices), sympy.S.One)
            return self.work.backward.unroll(part, at)

        lhs: Expr | None = shown(local.name)
        steps = local_steps(local, self.graph.by_variable[local.child])
        for step in steps:
            step = replace(step, rhs=shown(step.rhs), since=tuple(map(shown, step.since)))
            yield pen.row(lhs, step.rhs, self.reason(step) if len(steps) > 1 else None)
            lhs = None
        if scalar and pen.literals and not local.form.is_number:
            value = self.work.numbers.value_of(local.form)
            yield from pen.numbers_and_value(pen.with_numbers(shown(local.form)), None, value)

    def deduction_rows(self, deduction: Deduction) -> Iterator[Row]:
        """A deduction, one equality a row with its reason, and its number at the end."""
        scalar = isinstance(self.work.spec, EquationsSpec)
        shown = self.work.backward.unroll if scalar else lambda part: part
        lhs: Expr | None = shown(deduction.lhs)
        for step in deduction.steps:
            yield self.pen.row(lhs, shown(step.rhs), self.reason(step, lhs is not None))
            lhs = None
        yield from self.number_rows(deduction.lhs, deduction.result)

    def number_rows(self, name: Expr, formula: Expr | None) -> Iterator[Row]:
        """The formula with its numbers, and the number; without a formula, the number alone.

        None for ∂L/∂v of a general element: a neuron's is a plain symbol.
        """
        named = isinstance(name.by, Symbol) and not name.by.is_real
        if not self.pen.literals or not named or (formula is not None and formula.is_Integer):
            return
        value = self.work.derived_number(Reference(*self.work.backward.node_of(name.by)))
        numbers = None if formula is None else self.pen.with_numbers(formula)
        yield from self.pen.numbers_and_value(numbers, None, value)

    def reason(self, step: Step, is_first: bool = False) -> Say:
        """The rule of a step in words, with the fact it assumes; ``is_first`` of its deduction."""
        facts: dict[str, Any] = {"unrolled": not step.rhs.has(Sum), "is_first": is_first}
        if step.fact is not None:
            written_out = step.rule is Rule.COMPLEMENT
            facts["sum"] = self.sum_formula(step.fact, written_out=written_out)
        if step.since:
            facts["since"] = joined(map(self.pen.formula, step.since), " = ")
        return Say(f"rule.{step.rule.name.lower()}", facts)

    def sum_formula(self, fact: KnownSum, *, written_out: bool = False) -> Formula:
        """Σ_i v_i = total, for a line of text; ŷ_1 + ŷ_2 = 1 where the two are all there are."""
        pen, variable, total = self.pen, fact.variable, str(fact.total)
        if written_out:
            samples = variable.indices[: variable.batched]
            terms = (pen.formula(variable.at(*samples, number)) for number in (1, 2))
            return joined((joined(terms, " + "), Formula(total, total)), " = ")
        one, letter = pen.formula(variable.element), pen.latex.write(variable.indices[-1])
        summed = rf"\textstyle\sum_{{{letter}}} {one.latex} = {total}"
        return Formula(summed, f"Σ_{letter} {one.text} = {total}")

    def matrix_row(self, step: MatrixStep, *, shapes: bool = False) -> Row:
        """One line of the algorithm in matrices; with ``shapes``, each factor over its shape."""
        assert step.shown is not None  # lines without a matrix form stand in indices
        right = MatrixLatex(self.pen.latex.lettering, shapes=shapes).write(step.shown)
        relation = "←" if step.phase is Phase.UPDATE else "="
        text = self.pen.matrix(step.shown).text
        return Row(self.pen.matrix(step.symbol), relation, (right,), text)

    # ------------------------------------------------------------- from the loss back, by layers

    def responsibilities(self, among: Collection[Variable]) -> Iterator[Block]:
        """∂L/∂h and ∂L/∂a of every layer from the loss back: of one neuron, and of all at once."""
        depth, neurons = depth_of(self.work), (Role.PREACTIVATION, Role.ACTIVATION, Role.OUTPUT)
        found = [v for v in self.work.backward.adjoints if v in among and v.role in neurons]
        yield Say("backward.output")
        for variable in found:
            if variable.layer == depth:
                yield Display(tuple(self.both(variable)))
        yield from self._with_label()
        yield from self.by_layer("backward.hidden", [v for v in found if v.layer != depth])

    def by_layer(self, key: str, variables: Collection[Variable]) -> Iterator[Block]:
        """The derivatives by some quantities, from the last layer back, what is alike told once.

        h_{k-1} and a_{k-1} go with layer k, from which they are reached.
        """
        of_layer: defaultdict[int, list[Variable]] = defaultdict(list)
        for variable in sorted(self.work.backward.adjoints, key=lambda v: v.role is Role.BIAS):
            if variable in variables:
                own = variable.layer or 0
                of_layer[own if variable in self.graph.parameters else own + 1].append(variable)
        if of_layer:
            yield Say(key)
            yield from self.told(of_layer, Passages.both, reverse=True)

    def both(self, *variables: Variable) -> Iterator[Row]:
        """The derivation of ∂L/∂v for one element, and the formula for all at once."""
        known = {s.variable: s for s in self.work.matrices.steps if s.phase is Phase.BACKWARD}
        shapes = not (isinstance(self.pen, GeneralPen) and self.graph.is_concrete())
        for variable in variables:
            yield from self.deduction_rows(self.work.backward.adjoints[variable])
            step = known.get(variable)
            if step is not None and step.shown is not None:
                yield replace(self.matrix_row(step, shapes=shapes), reason=Say("reason.matrix"))

    def _with_label(self) -> Iterator[Block]:
        """The responsibility of the output layer where the target is e(ℓ), one-hot for a class."""
        backward, pen = self.work.backward, self.pen
        last = next(v for v in backward.adjoints if v.name == f"a{depth_of(self.work)}")
        deduction = backward.adjoints[last]
        target = next((f.variable for f in deduction.facts if f.variable.role is Role.TARGET), None)
        if target is None or self.graph.samples is not None:
            return
        letters, ell = pen.latex.lettering, Symbol("l", integer=True)  # after i, so that 1[i = ℓ]
        (i,) = deduction.free
        one_hot = deduction.result.xreplace({target.at(i): KroneckerDelta(i, ell)})
        in_latex = Latex(letters, {ell: r"\ell"}).write(one_hot)
        in_text = Text(letters, {ell: "ℓ"}).write(one_hot)
        rows = [Row(pen.formula(deduction.lhs), "=", (in_latex,), in_text)]
        step = self.work.matrices.step(last.name)
        difference = step.expr
        if difference is not None and isinstance(difference, MatAdd):
            # ∇_a L = ŷ - e(ℓ) = -(e(ℓ) - ŷ)
            (y,) = (a for a in difference.atoms(Array) if a.name == target.name)
            turned = MatAdd(*(-term for term in difference.args[::-1]), evaluate=False)
            tex, plain = MatrixLatex(letters, {y: r"e(\ell)"}), Text(letters, {y: "e(ℓ)"})
            lhs = Formula(tex.write(step.symbol), plain.write(step.symbol))
            for left, form in ((lhs, difference), (None, MatMul(-1, turned))):
                rows.append(Row(left, "=", (tex.write(form),), plain.write(form)))
        label = joined((self.block(target), Formula(r"e(\ell)", "e(ℓ)")), " = ")
        yield Say("backward.label", {"label": label, "class": Formula(r"\ell", "ℓ")})
        yield Display(tuple(rows))

    def told(
        self, of_layer: Mapping[int, Sequence[Any]], lines: Lines, *, reverse: bool = False
    ) -> Iterator[Block]:
        """The ``lines`` of what each layer has, those of layers that are alike only once."""
        layers = sorted(of_layer, reverse=True) if reverse else list(of_layer)
        if not self.tells_layers:
            yield Display(tuple(row for k in layers for row in lines(self, *of_layer[k])))
            return

        def general(k: int, x_is_h: bool = True) -> tuple[Row, ...]:
            pen = GeneralPen(self.work, k, x_is_h=x_is_h)
            return tuple(lines(Passages(self.work, pen), *of_layer[k]))

        single: list[Row] = []
        for rows, run in itertools.groupby(layers, key=general):
            alike = list(run)
            if len(alike) == 1:
                single += lines(self, *of_layer[alike[0]])
                continue
            if single:
                yield Display(tuple(single))
                single = []
            # x stands in the lines of layer 1, where ``rows`` have h of layer 0
            named = 1 in alike and general(1, x_is_h=False) != rows
            inputs = self._inputs_as_layer() if named else None
            yield Say("general.layers", {"layers": self._numbers_of(alike), "inputs": inputs})
            yield Display(rows)
        if single:
            yield Display(tuple(single))

    def _numbers_of(self, layers: Sequence[int]) -> Formula:
        """``k = 9, 8, …, 2``, as the notation counts the layers."""
        first = lettering(self.work).input_layer
        counted = [Formula(str(k + first), str(k + first)) for k in layers]
        if len(counted) > 3:
            counted = [*counted[:2], Formula(r"\ldots", "…"), counted[-1]]
        return joined((Formula("k", "k"), joined(counted, ", ")), " = ")

    def _inputs_as_layer(self) -> Formula:
        """h_0 = x."""
        letters, pen = lettering(self.work), plain_pen(self.work)
        names = [letters.spelling("h", ("0",)), letters.spelling("x", ())]
        if self.graph.samples is not None:
            names = [replace(one, letter=one.letter.upper()) for one in names]
        sides = (Formula(pen.latex.spelled(one), pen.text.spelled(one)) for one in names)
        return joined(sides, " = ")


Lines = Callable[..., Iterable[Row]]
"""What writes the lines of one layer: `Passages.both` and the like, with what the layer has."""


def certified(form: MatrixForm) -> Say:
    """How the matrix forms were proved."""
    proof, pen = form.certify(), Pen(NETWORK)
    sizes, smaller = [], []
    for size, value in proof.sizes:
        if not size.is_Integer:
            sizes.append(joined((pen.formula(size), Formula(str(value), str(value))), " = "))
        elif size != value:
            smaller.append((value, int(size)))
    told = {"entries": proof.entries, "sizes": sizes, "smaller": smaller}
    return Say("matrix.certified", told)


def stable_section(work: Work) -> Section | None:
    """What a program computes instead of plain forms, so that it keeps its digits."""
    if not isinstance(work.spec, NetworkSpec):
        return None
    rows = [
        Row(Formula(one.left_latex, one.left), "=", (one.right_latex,), one.right)
        for one in kernels.identities(work.spec)
    ]
    said = (Say("stable.intro"), Display(tuple(rows))) if rows else (Say("stable.plain"),)
    return Section(Say("section.stable"), said)


# ------------------------------------------------------------------- the letters of a general layer

_LAYERED = frozenset("wWbahn")
"""The letters whose first index is the layer; n_k is the number of neurons in layer k."""


class GeneralPen(Pen):
    """Writes the formulas of layer ``k`` with the letter k for its number, and x as h_{k-1}."""

    def __init__(self, work: Work, k: int, *, x_is_h: bool = True) -> None:
        super().__init__(_relative(work, k, "k{:+d}", x_is_h))
        self.text = Text(_relative(work, k, "{{k{:+d}}}", x_is_h))  # n_k-1 would be n_k - 1
        self.graph = work.graph

    def as_shown(self, expr: Expr) -> Expr:
        """Sums run to n_k."""
        return super().as_shown(_sized(self.graph, expr))

    def sizes(self, variable: Variable) -> tuple[Expr, ...]:
        """The sizes of a quantity, n_k for a number."""
        owners = _owners(self.graph, variable)
        return tuple(map(_size, variable.shape, owners))


def _relative(work: Work, k: int, shifted: str, x_is_h: bool) -> Lettering:
    """The letters of a network with k for the number of layer ``k``, ``shifted`` for others."""
    letters = lettering(work)
    one_bias = isinstance(work.spec, NetworkSpec) and work.spec.bias == "per_layer"
    one_index = "nb" if one_bias else "n"
    # a width that the file names keeps its number, also where the inputs are counted as layer 1
    named = 0 if work.graph.is_concrete() else letters.input_layer

    def spelled(letter: str, indices: tuple[str, ...]) -> Spelling:
        if letter == "x" and k == 1 and x_is_h:
            letter, indices = "h", ("0", *indices)
        if letter in one_index:  # their only index is the layer, of several digits perhaps
            indices = ("".join(indices),)
        if letter in _LAYERED and indices[:1] and indices[0].isdigit():
            ahead = int(indices[0]) - k - (named if letter == "n" else 0)
            indices = (shifted.format(ahead) if ahead else "k", *indices[1:])
        return letters.spelling(letter, indices)

    return replace(letters, spelled=spelled)


def _sized(graph: Graph, expr: Expr) -> Expr:
    """``expr`` with n_2 for the number of neurons of layer 2 where a sum runs over them."""
    if not expr.args or not expr.has(Sum):
        return expr
    if isinstance(expr, Sum):
        bound, lower, upper = expr.limits[0]
        body = _sized(graph, expr.function)
        for element in sorted(body.atoms(Indexed), key=sympy.default_sort_key):
            if bound in element.indices:  # one whose neurons the letter ``bound`` numbers
                owners = _owners(graph, graph.by_base[base_name(element)])
                upper = _size(upper, owners[element.indices.index(bound)])
                break
        return Sigma(body, (bound, lower, upper))
    return expr.func(*(_sized(graph, argument) for argument in expr.args))


def _size(size: Expr, layer: int | None) -> Expr:
    return Symbol(f"n_{layer}") if isinstance(size, Integer) and layer is not None else size


def _owners(graph: Graph, variable: Variable) -> tuple[int | None, ...]:
    """For each index of a quantity, the layer whose neurons it numbers; None for samples."""
    last = max(v.layer for v in graph.variables if v.layer is not None)
    of = {Role.INPUT: 0, Role.TARGET: last}.get(variable.role, variable.layer)
    own: tuple[int | None, ...] = (of,) * (len(variable.shape) - variable.batched)
    if variable.role is Role.WEIGHT and of is not None:
        own = (of, of - 1)
    return ((None,) if variable.batched else ()) + own
