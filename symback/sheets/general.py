"""Formulas for any layer k: what several layers have alike is written once, with the letter k.

Nothing is claimed to be alike: the formulas of each layer are printed with its number replaced by
k, the next one by k+1 and the one before by k-1 (and x as h of layer 0), and only layers whose
lines then agree to the letter are told together.

* `tells_layers`: whether a network is told so;
* `told`: the displays of several layers, those alike under one heading;
* `responsibilities`, `by_layer`: the backward pass in the lectures' order, from the loss back, each
  formula for one element with that for the whole array under it;
* `GeneralPen`: a pen that writes the formulas of one layer so.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

import sympy
from sympy import Expr, Indexed, Integer, KroneckerDelta, MatAdd, MatMul, Sum, Symbol

from symback.engine.graph import Graph, base_name
from symback.engine.matrix import Array, MatrixLatex, MatrixText, Phase
from symback.engine.spec import NetworkSpec
from symback.language.algebra import Sigma
from symback.language.names import Lettering, Role, Spelling, UnknownName, Variable, element_name
from symback.language.writing import Latex, Text
from symback.sheets.page import Block, Display, Formula, Pen, Row, Say
from symback.sheets.passages import block_formula, deduction_rows, matrix_row
from symback.sheets.work import Work, lettering

__all__ = [
    "GeneralPen",
    "Lines",
    "any_layer",
    "both",
    "by_layer",
    "depth_of",
    "numbers_of_layers",
    "responsibilities",
    "tells_layers",
    "told",
]

Lines = Callable[[Pen], Sequence[Row]]
"""What writes the lines of one layer with a pen."""

MOST_LAYERS_APART = 3
"""A network of more layers than this, or of symbolic widths, is told for any layer k."""

_LAYERED = frozenset("wWbahn")
"""The letters whose first index is the layer; n_k is the number of neurons in layer k."""


def tells_layers(work: Work) -> bool:
    """Whether what its layers have alike is written once."""
    if not isinstance(work.spec, NetworkSpec):
        return False
    return len(work.spec.layers) > MOST_LAYERS_APART or not work.graph.is_concrete()


def told(work: Work, pen: Pen, layers: Sequence[tuple[int, Lines]]) -> Iterator[Block]:
    """The lines of each layer in the order given, those of layers that are alike only once."""
    if not tells_layers(work):
        yield Display(tuple(row for _, lines in layers for row in lines(pen)))
        return
    general = [(k, tuple(lines(GeneralPen(work, k))), lines) for k, lines in layers]
    single: list[Row] = []
    for _, run in itertools.groupby(general, key=lambda one: one[1]):
        alike = list(run)
        _, rows, lines = alike[0]
        if len(alike) == 1:
            single += lines(pen)
            continue
        if single:
            yield Display(tuple(single))
            single = []
        numbers = numbers_of_layers(work, [k for k, _, _ in alike])
        named = any(k == 1 and _reads_inputs(work, rows, lines) for k, _, lines in alike)
        inputs = _inputs_as_layer(work) if named else None
        yield Say("general.layers", {"layers": numbers, "inputs": inputs})
        yield Display(rows)
    if single:
        yield Display(tuple(single))


def numbers_of_layers(work: Work, layers: Sequence[int]) -> Formula:
    """``k = 9, 8, …, 2``, as the notation counts the layers."""
    counted = [str(k + lettering(work).input_layer) for k in layers]
    if len(counted) > 3:
        in_latex, in_text = ([*counted[:2], dots, counted[-1]] for dots in (r"\ldots", "…"))
    else:
        in_latex = in_text = counted
    return Formula("k = " + ", ".join(in_latex), "k = " + ", ".join(in_text))


def _reads_inputs(work: Work, rows: Sequence[Row], lines: Lines) -> bool:
    """Whether x stands in the lines of layer 1, where ``rows`` have h of layer 0."""
    return tuple(lines(GeneralPen(work, 1, x_is_h=False))) != tuple(rows)


def _inputs_as_layer(work: Work) -> Formula:
    """h_0 = x."""
    letters, pen = lettering(work), Pen(lettering(work))
    names = [letters.spelling("h", ("0",)), letters.spelling("x", ())]
    if work.graph.samples is not None:
        names = [replace(one, letter=one.letter.upper()) for one in names]
    return Formula(
        " = ".join(pen.latex.spelled(one) for one in names),
        " = ".join(pen.text.spelled(one) for one in names),
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
    if found and not tells_layers(work):
        one = element_name(found[-1], (1,) * len(found[-1].shape))
        raise UnknownName(
            f"{name} names any layer, and this network is told layer by layer; name one, e.g. {one}"
        )
    return found


def depth_of(work: Work) -> int:
    """The number of layers; 0 for [equations]."""
    return len(work.spec.layers) if isinstance(work.spec, NetworkSpec) else 0


# ------------------------------------------------------------------------------ from the loss back


def responsibilities(work: Work, pen: Pen, among: Collection[Variable]) -> Iterator[Block]:
    """∂L/∂h and ∂L/∂a of every layer from the loss back: of one neuron, and of all at once."""
    depth = depth_of(work)
    yield Say("backward.output")
    for variable in work.backward.adjoints:
        if variable in among and variable.layer == depth and _is_neuron(variable):
            yield Display(tuple(both(work, variable)(pen)))
    yield from _with_label(work, pen)
    hidden = [v for v in among if _is_neuron(v) and v.layer != depth]
    yield from by_layer(work, pen, "backward.hidden", hidden)


def _is_neuron(variable: Variable) -> bool:
    return variable.role in (Role.PREACTIVATION, Role.ACTIVATION, Role.OUTPUT)


def by_layer(work: Work, pen: Pen, key: str, variables: Collection[Variable]) -> Iterator[Block]:
    """The derivatives by some quantities, from the last layer back, what is alike told once.

    h_{k-1} and a_{k-1} go with layer k, from which they are reached.
    """
    parameters = work.graph.parameters
    of_layer: defaultdict[int, list[Variable]] = defaultdict(list)
    for variable in sorted(work.backward.adjoints, key=lambda v: v.role is Role.BIAS):
        if variable in variables:
            own = variable.layer or 0
            of_layer[own if variable in parameters else own + 1].append(variable)
    if of_layer:
        rounds = [(k, both(work, *of_layer[k])) for k in sorted(of_layer, reverse=True)]
        yield Say(key)
        yield from told(work, pen, rounds)


def both(work: Work, *variables: Variable) -> Lines:
    """What writes the derivation of ∂L/∂v for one element, and the formula for all at once."""
    known = {step.variable: step for step in work.matrices.steps if step.phase is Phase.BACKWARD}

    def lines(pen: Pen) -> tuple[Row, ...]:
        rows: list[Row] = []
        for variable in variables:
            rows += deduction_rows(work, pen, work.backward.adjoints[variable])
            step = known.get(variable)
            if step is not None and step.shown is not None:
                shapes = not (isinstance(pen, GeneralPen) and work.graph.is_concrete())
                row = matrix_row(pen, step, shapes=shapes)
                rows.append(replace(row, reason=Say("reason.matrix")))
        return tuple(rows)

    return lines


def _with_label(work: Work, pen: Pen) -> Iterator[Block]:
    """The responsibility of the output layer where the target is e(ℓ), one-hot for a class."""
    depth = depth_of(work)
    last = next(v for v in work.backward.adjoints if v.name == f"a{depth}")
    deduction = work.backward.adjoints[last]
    target = next((f.variable for f in deduction.facts if f.variable.role is Role.TARGET), None)
    if target is None or work.graph.samples is not None:
        return
    letters, ell = pen.latex.lettering, Symbol("l", integer=True)  # after i, so that 1[i = ℓ]
    (i,) = deduction.free
    one_hot = deduction.result.xreplace({target.at(i): KroneckerDelta(i, ell)})
    row = Row(
        pen.formula(deduction.lhs),
        "=",
        (Latex(letters, {ell: r"\ell"}).write(one_hot),),
        Text(letters, {ell: "ℓ"}).write(one_hot),
    )
    y = block_formula(target, pen)
    label = Formula(rf"{y.latex} = e(\ell)", f"{y.text} = e(ℓ)")
    yield Say("backward.label", {"label": label, "class": Formula(r"\ell", "ℓ")})
    yield Display((row, *_label_rows(work, letters, last, target)))


def _label_rows(work: Work, letters: Lettering, last: Variable, target: Variable) -> Iterator[Row]:
    """∇_a L = ŷ - e(ℓ) = -(e(ℓ) - ŷ)."""
    step = work.matrices.step(last.name)
    difference = step.expr
    if difference is None or not isinstance(difference, MatAdd):
        return
    (y,) = (a for a in difference.atoms(Array) if a.name == target.name)
    turned = MatMul(-1, MatAdd(*(-term for term in difference.args[::-1]), evaluate=False))
    in_latex, in_text = MatrixLatex(letters, {y: r"e(\ell)"}), MatrixText(letters, {y: "e(ℓ)"})
    lhs: Formula | None = Formula(in_latex.write(step.symbol), in_text.write(step.symbol))
    for form in (difference, turned):
        yield Row(lhs, "=", (in_latex.write(form),), in_text.write(form))
        lhs = None


# ------------------------------------------------------------------- the letters of a general layer


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
    joined = "nb" if isinstance(work.spec, NetworkSpec) and work.spec.bias == "per_layer" else "n"
    # a width that the file names keeps its number, also where the inputs are counted as layer 1
    named = 0 if work.graph.is_concrete() else letters.input_layer

    def spelled(letter: str, indices: tuple[str, ...]) -> Spelling:
        if letter == "x" and k == 1 and x_is_h:
            letter, indices = "h", ("0", *indices)
        if letter in joined:  # their only index is the layer, of several digits perhaps
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
        return Sigma(body, (bound, lower, _size(upper, _owner(graph, body, bound))))
    return expr.func(*(_sized(graph, argument) for argument in expr.args))


def _size(size: Expr, layer: int | None) -> Expr:
    return Symbol(f"n_{layer}") if isinstance(size, Integer) and layer is not None else size


def _owner(graph: Graph, body: Expr, bound: Symbol) -> int | None:
    """The layer whose neurons the letter ``bound`` numbers in ``body``."""
    for element in sorted(body.atoms(Indexed), key=sympy.default_sort_key):
        if bound in element.indices:
            variable = graph.by_base[base_name(element)]
            return _owners(graph, variable)[element.indices.index(bound)]
    return None


def _owners(graph: Graph, variable: Variable) -> tuple[int | None, ...]:
    """For each index of a quantity, the layer whose neurons it numbers; None for samples."""
    last = max(v.layer for v in graph.variables if v.layer is not None)
    of = {Role.INPUT: 0, Role.TARGET: last}.get(variable.role, variable.layer)
    own: tuple[int | None, ...] = (of,) * (len(variable.shape) - variable.batched)
    if variable.role is Role.WEIGHT and of is not None:
        own = (of, of - 1)
    return ((None,) if variable.batched else ()) + own
