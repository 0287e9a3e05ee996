"""The content of a sheet: what is said of a derivation, in which order, with which numbers.

Here one can

* make the page of one weight, or of a whole network: `sheet`, `overview`;
* draw the network or the computation graph with its paths: `figure`;
* show a derivation in a line, as an aligned block or as text: `one_line`, `latex`, `text`.

Decisions live here, words in ``templates/words.toml``, layout in ``templates/sheet.*``.  Whatever
is shown was derived before: nothing here differentiates, composes or rewrites a formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import sympy
from sympy import Expr, Symbol

from symback import figures
from symback.calculus import LocalDerivative, instantiate
from symback.derivation import BackwardPass, Deduction, Derivation, Rule, Step
from symback.elementary import softmax_apart, take_apart
from symback.functions import product
from symback.graph import Equation, Graph
from symback.layout import LINE, width
from symback.notation import (
    SAMPLE,
    Partial,
    Product,
    Reference,
    Role,
    Variable,
    element_name,
    elements,
)
from symback.page import (
    Block,
    Display,
    Formula,
    Grid,
    Literal,
    Page,
    Pen,
    Picture,
    Row,
    Say,
    Section,
    Words,
    as_written,
    literal,
)
from symback.paths import Path
from symback.printers import EQUATIONS, NETWORK, ONE_VARIABLE, Lettering, signed
from symback.spec import EquationsSpec, NetworkSpec
from symback.values import Kink, Numbers, agreement, flattened, is_parameter, number, restored

__all__ = [
    "as_data",
    "describe",
    "figure",
    "latex",
    "lettering",
    "one_line",
    "overview",
    "sheet",
    "text",
]

SHOWN_ENDS = 4
"""Where the paths are too many to list, so many of the first and of the last are shown."""

BRIEF_PATHS = 8
COLOURED_PATHS = 16

NEURONS_WRITTEN_OUT = 14
"""Up to this many neurons the forward pass is written out neuron by neuron."""


class Work(Protocol):
    """What a sheet needs to know of a network; `symback.network.Network` is one."""

    @property
    def spec(self) -> NetworkSpec | EquationsSpec:
        """What the user said."""
        ...

    @property
    def graph(self) -> Graph:
        """The equations."""
        ...

    @property
    def backward(self) -> BackwardPass:
        """The backward pass."""
        ...

    @property
    def has_numbers(self) -> bool:
        """Whether every input and parameter has a number."""
        ...

    @property
    def numbers(self) -> Numbers:
        """The numbers."""
        ...

    @property
    def gradients(self) -> Mapping[str, Any]:
        """∂L/∂v by name."""
        ...

    @property
    def learning_rate(self) -> Any:
        """η, or None."""
        ...


# --------------------------------------------------------------------------------- whole pages


def sheet(work: Work, derivation: Derivation, detail: str = "normal") -> Page:
    """The page of one derivation; ``detail`` is brief (one screen), normal or full."""
    pen = _pen(work, derivation)
    drawing = figure(work, derivation)
    parts = [_picture(drawing) if detail == "brief" else _network(work, pen, drawing)]
    if detail != "brief":
        parts.append(_forward(work, pen, detail))
    parts.append(_chain(work, pen, derivation, detail))
    if detail != "brief":
        parts += [_locals(work, pen, derivation), _adjoints(work, pen, derivation)]
    if detail == "full":
        parts.append(_apart(work, pen))
    parts.append(_result(work, pen, derivation, detail))
    parts.append(_check(work, pen, derivation))
    if detail != "brief":
        parts.append(_shared(work, pen, derivation))
    name = pen.inline(derivation.conclusion.lhs)
    return Page(
        title=_title(work, Say("title.one", {"derivative": name})),
        subtitle=describe(work),
        sections=tuple(part for part in parts if part is not None and part.blocks),
        notes=tuple(_notes(work, pen, derivation.facts)),
        styles=tuple(drawing.styles),
    )


def overview(work: Work, detail: str = "normal") -> Page:
    """One page for the whole network: forward, backward, every parameter, the update."""
    pen = Pen(lettering(work), _literals(work, work.backward))
    parts = [
        _network(work, pen, figure(work, None)),
        _forward(work, pen, detail),
        _all_locals(work, pen),
        _backward(work, pen),
        *_parameter_sections(work, pen),
        _update(work, pen),
    ]
    facts = (fact for deduction in work.backward.adjoints.values() for fact in deduction.facts)
    return Page(
        title=_title(work, Say("title.all")),
        subtitle=describe(work),
        sections=tuple(part for part in parts if part is not None and part.blocks),
        notes=tuple(_notes(work, pen, tuple(dict.fromkeys(facts)))),
        has_contents=True,
    )


def lettering(work: Work, derivation: Derivation | None = None) -> Lettering:
    """∂ and a script L for a network; d where a chain of equations has one path only."""
    if isinstance(work.spec, NetworkSpec):
        return NETWORK
    return ONE_VARIABLE if derivation is not None and derivation.paths.count == 1 else EQUATIONS


def _title(work: Work, otherwise: Say) -> Say:
    return Say("title.own", {"title": Words(work.spec.title)}) if work.spec.title else otherwise


def _pen(work: Work, derivation: Derivation) -> Pen:
    return Pen(lettering(work, derivation), _literals(work, work.backward, derivation))


def describe(work: Work) -> Say:
    """The network in a sentence."""
    if isinstance(work.spec, EquationsSpec):
        return Say(
            "describe.equations", {"count": len(work.spec.stages), "apart": work.spec.taken_apart}
        )
    sizes = "–".join(str(size) for size in work.spec.widths)
    hidden = tuple(dict.fromkeys(layer.activation.name for layer in work.spec.layers[:-1]))
    return Say(
        "describe.network",
        {
            "sizes": Words(sizes),
            "hidden": [Words(name) for name in hidden],
            "output": Words(work.spec.layers[-1].activation.name),
            "loss": Words(work.spec.loss.name.replace("_", " ")),
            "samples": work.spec.values.samples,
        },
    )


# -------------------------------------------------------------------------------------- numbers


MOST_LITERALS = 2000
"""Networks with more numbers than this show their formulas without numbers put in."""


def _literals(
    work: Work, backward: BackwardPass, derivation: Derivation | None = None
) -> dict[Expr, Literal]:
    """Printed numbers of all quantities of one sample, and of the derivatives on the way."""
    if not work.has_numbers or work.graph.samples is not None or not work.graph.is_concrete():
        return {}
    if sum(_size(variable) for variable in work.graph.variables) > MOST_LITERALS:
        return {}
    found: dict[Expr, Literal] = {}
    for variable in work.graph.variables:
        for reference in elements(variable):
            symbol = backward.scalar(variable, reference.indices)
            found[symbol] = _printed(work, reference, work.numbers.forward)
    if derivation is not None and derivation.unrolled:
        for deduction in derivation.adjoints:
            reference = Reference(*backward.node_of(deduction.lhs.by))
            found[deduction.lhs] = _printed(work, reference, work.gradients)
    return found


def _size(variable: Variable) -> int:
    return int(sympy.Mul(*variable.shape))


def _printed(work: Work, reference: Reference, arrays: Mapping[str, Any]) -> Literal:
    """A given number with all its digits, a computed one rounded."""
    name = reference.variable.name
    value = work.numbers.element(arrays[name], reference)
    given = arrays is work.numbers.forward and name in work.numbers.given
    return as_written(value) if given else literal(value)


# ---------------------------------------------------------------------------- the network, drawn


def figure(work: Work, derivation: Derivation | None) -> figures.Figure:
    """The network, or the computation graph, with the paths of ``derivation``."""
    pen = Pen(lettering(work, derivation), _literals(work, work.backward, derivation))
    if isinstance(work.spec, EquationsSpec):
        return _graph_figure(work, pen, derivation)
    layers = [figures.LayerSketch(_units(work.spec.inputs, pen), "input")]
    for k, layer in enumerate(work.spec.layers, start=1):
        key = "output" if k == len(work.spec.layers) else f"layer {k}"
        name = f"{key} ({layer.activation.name})"
        layers.append(figures.LayerSketch(_units(layer.units, pen), name, layer.activation.coupled))
    if derivation is None:
        return figures.network_figure(layers, None, [], 0, _label, loss=_loss_words(work.spec))
    total = derivation.paths.count
    listed = _listed(derivation) if isinstance(total, int) and work.graph.is_concrete() else []
    return figures.network_figure(
        layers,
        derivation.target.name,
        [path.neurons for path in listed],
        total if isinstance(total, int) else pen.latex.write(total),
        _label,
        loss=_loss_words(work.spec),
    )


def _units(units: Expr, pen: Pen) -> int | str:
    return int(units) if units.is_Integer else pen.latex.write(units)


def _loss_words(spec: NetworkSpec) -> str:
    return spec.loss.name.replace("_", " ")


_labels = Pen(NETWORK)


def _label(name: str) -> str:
    """The LaTeX of a node's name."""
    return _labels.latex.write(Symbol(name))


def _listed(derivation: Derivation) -> Sequence[Path]:
    """All paths where they are few enough, else the first and the last."""
    paths = derivation.paths
    if derivation.unrolled:
        return list(paths)
    return [*(paths[i] for i in range(SHOWN_ENDS)), *(paths[i] for i in range(-SHOWN_ENDS, 0))]


def _graph_figure(work: Work, pen: Pen, derivation: Derivation | None) -> figures.Figure:
    """Named stages with values above and derivatives below the edges."""
    graph, backward = work.graph, work.backward
    formulas = {equation.variable: equation.shown for equation in graph.equations}
    stages = []
    for variable in graph.variables:
        symbol = backward.scalar(variable, ())
        value = pen.literals[symbol].latex if symbol in pen.literals else None
        shown = formulas.get(variable)
        rhs = None if shown is None else pen.latex.write(backward.unroll(shown))
        stages.append(figures.StageSketch(variable.name, pen.latex.write(symbol), rhs, value))
    edges = []
    for (child, parent), local in sorted(
        backward.derivatives.items(), key=lambda pair: _edge_order(graph, pair[0])
    ):
        form = backward.unroll(local.form)
        edges.append(
            figures.EdgeSketch(
                parent.name,
                child.name,
                pen.latex.write(backward.unroll(local.name)),
                pen.latex.write(form),
                _edge_number(work, pen, local),
            )
        )
    chosen = None if derivation is None else derivation.target.name
    return figures.graph_figure(stages, edges, chosen)


def _edge_order(graph: Graph, pair: tuple[Variable, Variable]) -> tuple[int, int]:
    child, parent = pair
    return graph.variables.index(child), graph.variables.index(parent)


def _edge_number(work: Work, pen: Pen, local: LocalDerivative) -> str | None:
    if not pen.literals or local.form.is_number:
        return None
    return literal(work.numbers.value_of(local.form)).latex


def _picture(drawing: figures.Figure) -> Section:
    return Section(Say("section.network"), (Picture(drawing),))


def _network(work: Work, pen: Pen, drawing: figures.Figure) -> Section:
    if isinstance(work.spec, EquationsSpec):
        say = Say("network.equations", {"apart": work.spec.taken_apart})
        return Section(Say("section.graph"), (say, Picture(drawing)))
    spec, rows = work.spec, []
    for k, layer in enumerate(spec.layers, start=1):
        W = next(v for v in work.graph.variables if v.name == f"W{k}")
        rows.append(
            (
                Say("plain", {"value": k}),
                pen.formula(layer.units),
                Words(layer.activation.name),
                Formula(rf"W_{{{k}}}", f"W_{k}"),
                Formula(
                    rf"{pen.latex.write(W.shape[0])} \times {pen.latex.write(W.shape[1])}",
                    f"{W.shape[0]} × {W.shape[1]}",
                ),
            )
        )
    head = tuple(
        Say(f"head.{key}") for key in ("layer", "neurons", "activation", "weights", "shape")
    )
    legend = Say(
        "network.legend",
        {
            "w": Formula("w_{kij}", "w_kij"),
            "a": Formula("a_{ki}", "a_ki"),
            "h": Formula("h_{ki}", "h_ki"),
        },
    )
    return Section(Say("section.network"), (Picture(drawing), legend, Grid(head, tuple(rows))))


# -------------------------------------------------------------------------------- the forward pass


def _forward(work: Work, pen: Pen, detail: str) -> Section:
    blocks: list[Block] = [Display(tuple(_equation_rows(work, pen)))]
    if work.has_numbers:
        blocks += _forward_numbers(work, pen, detail)
    return Section(Say("section.forward"), tuple(blocks))


def _equation_rows(work: Work, pen: Pen) -> Iterator[Row]:
    thin = _is_thin(work)
    for equation in work.graph.equations:
        at = dict.fromkeys(equation.free, sympy.S.One) if thin else {}
        show = (lambda part, at=at: work.backward.unroll(part, at)) if thin else _as_it_is
        lhs, rhs = show(equation.lhs), show(equation.shown)
        reason = None if thin else _range(equation, pen)
        named = None if equation.named is None else show(equation.named)
        if named is not None and not _same_print(named, rhs, pen):
            yield pen.row(lhs, named, None)
            yield pen.row(None, rhs, reason)
        else:
            yield pen.row(lhs, rhs, reason)


def _is_thin(work: Work) -> bool:
    """Whether there is only one element of everything, so that indices would only be in the way."""
    return work.graph.samples is None and all(_size_is_one(v) for v in work.graph.variables)


def _size_is_one(variable: Variable) -> bool:
    return all(size == 1 for size in variable.shape)


def _as_it_is(expr: Expr) -> Expr:
    return expr


def _same_print(named: Expr, rhs: Expr, pen: Pen) -> bool:
    return pen.latex.write(named) == pen.latex.write(rhs)


def _range(equation: Equation, pen: Pen) -> Say | None:
    """For which indices an equation holds."""
    pairs = zip(equation.free, equation.variable.shape, strict=True)
    ranges = [
        (
            pen.latex.write(letter),
            pen.latex.write(size),
            pen.text.write(letter),
            pen.text.write(size),
        )
        for letter, size in pairs
    ]
    if not ranges:
        return None
    in_latex = r",\; ".join(rf"{letter} = 1, \ldots, {size}" for letter, size, _, _ in ranges)
    in_text = ", ".join(f"{letter} = 1…{size}" for _, _, letter, size in ranges)
    return Say("formula", {"formula": Formula(in_latex, in_text)})


def _forward_numbers(work: Work, pen: Pen, detail: str) -> list[Block]:
    graph = work.graph
    computed = list(graph.equations)
    neurons = (
        sum(_size(e.variable) for e in computed) if graph.is_concrete() else NEURONS_WRITTEN_OUT + 1
    )
    if pen.literals and (neurons <= NEURONS_WRITTEN_OUT or (detail == "full" and neurons <= 60)):
        rows = [
            row
            for e in computed
            for reference in elements(e.variable)
            for row in _neuron_rows(work, pen, e, reference, detail)
        ]
        return [Say("forward.numbers"), Display(tuple(rows))]
    return [
        Say("forward.arrays"),
        _array_grid(pen, [e.variable for e in computed], work.numbers.forward),
    ]


def _neuron_rows(
    work: Work, pen: Pen, equation: Equation, reference: Reference, detail: str
) -> Iterator[Row]:
    """a_13 = formula, = formula with numbers, = number."""
    backward = work.backward
    at = dict(zip(equation.free, map(sympy.Integer, reference.indices), strict=True))
    lhs = backward.scalar(reference.variable, reference.indices)
    formula = backward.unroll(equation.shown, at)
    value = work.numbers.element(work.numbers.forward[reference.variable.name], reference)
    numbers = pen.with_numbers(formula)
    if detail == "full":
        yield pen.row(lhs, formula)
        lhs = None
    for row in _numbers_and_value(pen, numbers, lhs, value):
        yield replace(row, reason=None)


def _numbers_and_value(pen: Pen, numbers: Row | None, lhs: Expr | None, value: Any) -> list[Row]:
    """``= formula with numbers = value``, on one line where there is room."""
    if numbers is None:
        return [pen.value_row(lhs, value)]
    shown = pen.value_row(None, value)
    if numbers.relation == "≈" and value:  # e^(-1.386) is not 0.25, though what it stands for is
        shown = replace(shown, relation="≈")
    led = replace(numbers, lhs=None if lhs is None else pen.formula(lhs))
    if numbers.text == shown.text:
        return [replace(led, relation=shown.relation)]
    joined = numbers.lines[-1] + (r" \approx " if shown.relation == "≈" else " = ") + shown.lines[0]
    if len(numbers.lines) > 1 or width(joined) > LINE:
        return [led, shown]
    return [replace(led, lines=(joined,), text=f"{numbers.text} {shown.relation} {shown.text}")]


def _array_grid(pen: Pen, variables: Iterable[Variable], arrays: Mapping[str, Any]) -> Grid:
    rows = [(_variable_formula(v, pen), _array_formula(arrays[v.name])) for v in variables]
    return Grid((Say("head.quantity"), Say("head.numbers")), tuple(rows))


def _variable_formula(variable: Variable, pen: Pen) -> Formula:
    if not variable.shape:
        return pen.formula(variable.element)
    name = element_name(variable)
    upper = name.replace("w_", "W_")
    return Formula(pen.latex.named(*_split(upper)), pen.text.named(*_split(upper)))


def _split(name: str) -> tuple[str, str]:
    letter, _, number_ = name.partition("_")
    return letter, number_


MOST_ENTRIES = 8


def _array_formula(array: Any) -> Formula:
    """An array as a matrix; long rows and columns shortened in the middle."""
    rows = (
        array.tolist()
        if array.ndim == 2
        else [array.tolist()]
        if array.ndim == 1
        else [[array.item()]]
    )
    cells = [[literal(entry) for entry in _ends(row)] for row in _ends(rows)]
    gaps = array.ndim and array.shape[-1] > MOST_ENTRIES
    in_latex, in_text = [], []
    for row in cells:
        left, right = [c.latex for c in row], [c.text for c in row]
        if gaps:
            left.insert(MOST_ENTRIES // 2, r"\cdots")
            right.insert(MOST_ENTRIES // 2, "…")
        in_latex.append(" & ".join(left))
        in_text.append(", ".join(right))
    if array.ndim == 2 and len(rows) > MOST_ENTRIES:
        in_latex.insert(MOST_ENTRIES // 2, r"\vdots")
        in_text.insert(MOST_ENTRIES // 2, "⋮")
    body = r" \\ ".join(in_latex)
    text_ = "[" + "; ".join(in_text) + "]" if array.ndim else in_text[0]
    return Formula(rf"\begin{{bmatrix}} {body} \end{{bmatrix}}" if array.ndim else body, text_)


def _ends(entries: list[Any]) -> list[Any]:
    half = MOST_ENTRIES // 2
    return entries if len(entries) <= MOST_ENTRIES else [*entries[:half], *entries[-half:]]


# ---------------------------------------------------------------------------------- the chain rule


def _chain(work: Work, pen: Pen, derivation: Derivation, detail: str) -> Section:
    name = derivation.conclusion.lhs
    count = derivation.paths.count
    facts = {
        "derivative": pen.inline(name),
        "target": pen.formula(_shown_target(work)),
        "count": count if isinstance(count, int) else pen.formula(count),
        "one": count == 1,
        "samples": work.graph.samples is not None,
        "summed": not derivation.target.variable.batched,
    }
    blocks: list[Block] = [Say("chain.paths", facts)]
    if work.graph.is_concrete():
        limit = BRIEF_PATHS if detail == "brief" else None
        blocks.append(
            Display(tuple(_path_rows(work, pen, derivation, lambda path: path.factors, limit)))
        )
        if not derivation.unrolled:
            blocks.append(Say("chain.shortened", {"shown": 2 * SHOWN_ENDS, "count": count}))
    grouped = [step for step in derivation.steps if step.rule is Rule.GROUP]
    if grouped:
        blocks += [Say("chain.grouped"), Display((pen.row(name, grouped[0].rhs),))]
    return Section(Say("section.chain"), tuple(blocks))


def _shown_target(work: Work) -> Expr:
    return work.backward.scalar(work.graph.target, ())


def _path_rows(
    work: Work,
    pen: Pen,
    derivation: Derivation,
    factors: Callable[[Path], tuple[Expr, ...]],
    limit: int | None = None,
) -> Iterator[Row]:
    """One path a row, the sign between them, in the colours of the figure."""
    paths = _listed(derivation)
    for position, path in enumerate(paths):
        if position == limit and len(paths) > position + 1:
            yield _dots(work, derivation, Say("chain.more", {"count": len(paths) - position}))
            return
        if not derivation.unrolled and position == SHOWN_ENDS:
            yield _dots(work, None, None)
        row = _path_row(pen, derivation, _multiplied(work, factors(path)), position)
        row = _over_samples(work, derivation, row, position == 0, position == len(paths) - 1)
        is_early = derivation.unrolled or position < SHOWN_ENDS
        number_ = position + 1 + (0 if is_early else len(derivation.paths) - len(paths))
        coloured = position if len(paths) <= COLOURED_PATHS else None
        yield replace(row, reason=_path_reason(work, pen, path, number_, row), path=coloured)


def _path_row(pen: Pen, derivation: Derivation, share: Expr, position: int) -> Row:
    """One path's product, led by the derivative or by its sign."""
    if position == 0:
        return pen.row(derivation.conclusion.lhs, share)
    is_negative, size = signed(share)
    return replace(pen.row(None, size), relation="-" if is_negative else "+")


def _multiplied(work: Work, factors: Iterable[Expr]) -> Expr:
    """Factors in order; those made of single quantities only, -ŷ_1·ŷ_2, as one."""
    written = (work.backward.unroll(factor) for factor in factors)
    return Product(*(product(f.args) if isinstance(f, Product) else f for f in written))


def _over_samples(work: Work, derivation: Derivation, row: Row, opens: bool, closes: bool) -> Row:
    """The sum over the samples of a batch, as a bracket around all paths."""
    if work.graph.samples is None or derivation.target.variable.batched:
        return row
    first, *rest = row.lines
    text_ = row.text
    if opens:
        first = rf"\sum_{{s=1}}^{{{work.graph.samples}}} \Bigl[ {first}"
        text_ = f"Σ_{{s=1..{work.graph.samples}}} [{text_}"
    found = [first, *rest]
    if closes:
        found[-1] += r" \Bigr]"
        text_ += "]"
    return replace(row, lines=tuple(found), text=text_)


def _dots(work: Work, closing: Derivation | None, reason: Say | None) -> Row:
    """A row for what is not listed; where nothing follows, it closes the bracket of ``closing``."""
    row = Row(None, "+", (r"\cdots",), "…", reason)
    return row if closing is None else _over_samples(work, closing, row, False, True)


def _path_reason(work: Work, pen: Pen, path: Path, position: int, row: Row) -> Say:
    """The number of the path, the neurons it runs through where there is room, its share."""
    names = path.neurons[1:-1]
    through = Formula(
        r" \to ".join(_label(name) for name in names),
        " → ".join(pen.text.write(Symbol(name)) for name in names),
    )
    share = None
    if pen.literals:
        shown = literal(work.numbers.value_of(Product(*path.values)))
        share = Formula(("=" if shown.is_exact else r"\approx ") + shown.latex, shown.text)
    fits = width(row.lines[-1]) + 0.8 * width(through.latex) + (70 if share else 25) < 395
    return Say(
        "reason.path", {"number": position, "through": through if fits else None, "share": share}
    )


# ----------------------------------------------------------------------------- local derivatives


def _locals(work: Work, pen: Pen, derivation: Derivation) -> Section:
    """Each local derivative by itself, then all of them put into the paths."""
    rows: list[Row] = []
    for local in derivation.derivatives:
        rows += _local_rows(work, pen, local)
    intro = Say("locals.intro", {"scalar": isinstance(work.spec, EquationsSpec)})
    blocks: list[Block] = [intro, Display(tuple(rows))]
    if derivation.unrolled and 1 < len(derivation.paths) <= COLOURED_PATHS:
        put_in = _path_rows(work, pen, derivation, lambda path: path.values)
        blocks += [Say("locals.put_in"), Display(tuple(put_in))]
    return Section(Say("section.locals"), tuple(blocks))


def _all_locals(work: Work, pen: Pen) -> Section:
    wanted = [
        local
        for local in work.backward.derivatives.values()
        if local.parent.role is not Role.TARGET
    ]
    rows = [row for local in wanted for row in _local_rows(work, pen, local)]
    return Section(
        Say("section.locals"),
        (
            Say("locals.intro", {"scalar": isinstance(work.spec, EquationsSpec)}),
            Display(tuple(rows)),
        ),
    )


def _local_rows(work: Work, pen: Pen, local: LocalDerivative) -> Iterator[Row]:
    """The derivative as it comes, in the form one wants, and as a number where it is one."""
    scalar = not local.child.shape and not local.parent.shape
    show = _as_it_is
    if scalar or _is_thin(work):
        at = dict.fromkeys((*local.child_indices, *local.parent_indices), sympy.S.One)
        show = lambda part: work.backward.unroll(part, at)  # noqa: E731
    name = show(local.name)
    if local.is_rewritten and not _is_obvious(local):
        yield pen.row(name, show(local.raw), Say("reason.differentiate"))
        yield pen.row(
            None,
            show(local.form),
            Say("reason.rewrite", {"value": pen.formula(show(local.name.of))}),
        )
    else:
        yield pen.row(name, show(local.form))
    if scalar and pen.literals and not local.form.is_number:
        numbers = pen.with_numbers(show(local.form))
        yield from _numbers_and_value(pen, numbers, None, work.numbers.value_of(local.form))


def _is_obvious(local: LocalDerivative) -> bool:
    """Whether the two forms differ only by a factor taken out: -2y + 2ŷ and -2(y - ŷ)."""
    return not local.raw.atoms(sympy.Function, sympy.Sum)


# ------------------------------------------------------------------------------- from the loss back


def _adjoints(work: Work, pen: Pen, derivation: Derivation) -> Section:
    """∂L/∂v of every quantity between the loss and the weight, each from those before it."""
    blocks: list[Block] = [Say("adjoints.intro", {"one": len(derivation.adjoints) == 1})]
    if derivation.adjoints:
        blocks += [
            Display(tuple(_deduction_rows(work, pen, entry))) for entry in derivation.adjoints
        ]
        return Section(Say("section.adjoints"), tuple(blocks))
    return Section(Say("section.adjoints"), ())


def _backward(work: Work, pen: Pen) -> Section:
    wanted = [
        v for v in work.backward.adjoints if v.role is not Role.TARGET and not is_parameter(v)
    ]
    displays = [
        Display(tuple(_deduction_rows(work, pen, work.backward.adjoints[v]))) for v in wanted
    ]
    return Section(Say("section.backward"), (Say("backward.intro"), *displays))


def _deduction_rows(work: Work, pen: Pen, deduction: Deduction) -> Iterator[Row]:
    lhs: Expr | None = deduction.lhs
    scalar = isinstance(work.spec, EquationsSpec)
    for step in deduction.steps:
        rhs = work.backward.unroll(step.rhs) if scalar else step.rhs
        yield pen.row(
            work.backward.unroll(lhs) if scalar and lhs is not None else lhs,
            rhs,
            _why(step, pen),
        )
        lhs = None
    yield from _number_rows(work, pen, deduction.lhs, deduction.result)


def _number_rows(work: Work, pen: Pen, name: Expr, formula: Expr) -> Iterator[Row]:
    """The formula with its numbers, and the number."""
    if not pen.literals or not _is_named(name):
        return
    reference = Reference(*work.backward.node_of(name.by))
    value = work.numbers.element(work.gradients[reference.variable.name], reference)
    yield from _numbers_and_value(pen, pen.with_numbers(formula), None, value)


def _is_named(name: Expr) -> bool:
    """Whether ∂L/∂v speaks of one neuron (a plain symbol), not of a general element."""
    return isinstance(name.by, Symbol) and not name.by.is_real


def _why(step: Step, pen: Pen) -> Say:
    """The rule of a step in words, with the fact it assumes."""
    fact = step.fact
    facts = {} if fact is None else {"sum": _sum_formula(fact.variable, fact.total, pen)}
    return Say(f"rule.{step.rule.name.lower()}", facts)


def _sum_formula(variable: Variable, total: int, pen: Pen) -> Formula:
    letter = variable.indices[-1]
    one = pen.formula(variable.element)
    index_ = pen.latex.write(letter)
    return Formula(
        rf"\textstyle\sum_{{{index_}}} {one.latex} = {total}", f"Σ_{index_} {one.text} = {total}"
    )


# --------------------------------------------------------------------------- elementary operations


def _apart(work: Work, pen: Pen) -> Section:
    """Each function of the network taken apart as in S2, the softmax with its two ways."""
    if isinstance(work.spec, EquationsSpec):
        return Section(Say("section.apart"), ())
    blocks: list[Block] = []
    functions = dict.fromkeys(layer.activation for layer in work.spec.layers)
    for row in (*functions, work.spec.loss):
        if getattr(row, "coupled", False):
            blocks += _softmax_blocks(work, pen, row.name)
            continue
        derivation = take_apart(row)
        if derivation is not None:
            blocks += _apart_blocks(row.name, derivation)
    return Section(Say("section.apart"), tuple(blocks))


def _apart_blocks(name: str, derivation: Derivation) -> list[Block]:
    backward = derivation.backward
    pen = Pen(ONE_VARIABLE if derivation.paths.count == 1 else EQUATIONS)
    stages = [
        pen.row(backward.unroll(e.lhs), backward.unroll(e.shown)) for e in backward.graph.equations
    ]
    slopes = [
        pen.row(backward.unroll(d.name), backward.unroll(d.form)) for d in derivation.derivatives
    ]
    rows = _conclusion_rows(pen, derivation)
    intro = Say("apart.intro", {"name": Words(name.replace("_", " "))})
    return [intro, Display(tuple(stages)), Display(tuple(slopes)), Display(tuple(rows))]


def _softmax_blocks(work: Work, pen: Pen, name: str) -> list[Block]:
    pairs = (
        (equation, local)
        for equation in work.graph.equations
        for (child, parent), local in work.backward.derivatives.items()
        if child == equation.variable
        and equation.named is not None
        and equation.named.func.__name__ == name
    )
    equation, local = next(pairs)
    parts = softmax_apart(equation, local)
    stages = [pen.row(stage.lhs, stage.rhs) for stage in parts.graph.equations]
    slopes = [pen.row(slope.name, slope.form) for slope in parts.derivatives]
    rows = [
        pen.row(local.name, parts.along, Say("rule.paths", {})),
        pen.row(None, local.form, Say("reason.rewrite", {"value": pen.formula(local.name.of)})),
    ]
    intro = Say("apart.softmax", {"name": Words(name)})
    return [intro, Display(tuple(stages)), Display(tuple(slopes)), Display(tuple(rows))]


def _conclusion_rows(
    pen: Pen, derivation: Derivation, *, without: tuple[Rule, ...] = ()
) -> list[Row]:
    lhs: Expr | None = derivation.conclusion.lhs
    rows = []
    for step in derivation.steps:
        if step.rule in without and step is not derivation.steps[-1]:
            continue
        rows.append(pen.row(lhs, step.rhs, _why(step, pen)))
        lhs = None
    return rows


# ----------------------------------------------------------------------------------- the result


def _result(work: Work, pen: Pen, derivation: Derivation, detail: str) -> Section:
    rows = _conclusion_rows(pen, derivation, without=(Rule.PATHS, Rule.GROUP))
    rows[-1] = replace(rows[-1], is_result=True)
    formula = _formula_for_numbers(derivation)
    rows += _number_rows(work, pen, derivation.conclusion.lhs, formula)
    blocks: list[Block] = [Display(tuple(rows))]
    has_sums = derivation.folded.has(sympy.Sum) and derivation.paths.count > 1
    if derivation.unrolled and has_sums and detail != "brief":
        blocks += [
            Say("result.folded"),
            Display(
                (
                    pen.row(
                        derivation.backward.adjoint_name(derivation.target.element),
                        derivation.folded,
                    ),
                )
            ),
        ]
    return Section(Say("section.result"), tuple(blocks))


def _formula_for_numbers(derivation: Derivation) -> Expr:
    """The shortest right-hand side whose names are known: with adjoints, where it has some."""
    with_names = [
        step.rhs for step in derivation.steps if step.rule is Rule.LOCAL and step.rhs.has(Partial)
    ]
    return with_names[-1] if with_names else derivation.conclusion.result


def _check(work: Work, pen: Pen, derivation: Derivation) -> Section | None:
    """The derived number beside a central difference, what its sign says, and the step."""
    if not work.has_numbers or derivation.target.variable.batched:
        return None
    reference = derivation.target
    array = work.gradients[reference.variable.name]
    derived = work.numbers.element(array, reference)
    name = pen.inline(work.backward.adjoint_name(reference.element))
    blocks: list[Block] = []
    if reference.variable in work.numbers.inputs:
        blocks += _difference(work, reference, derived, name)
    if is_parameter(reference.variable):
        blocks += _advice(work, pen, reference, derived)
    return Section(Say("section.check"), tuple(blocks))


def _difference(work: Work, reference: Reference, derived: Any, name: Formula) -> list[Block]:
    difference = work.numbers.central_difference(reference)
    if isinstance(difference, Kink):
        return [Say("check.kink", {"quantity": Words(difference.name)})]
    shown = [literal(value, 12) for value in (derived, difference)]
    rows = tuple(
        (Say(key), Formula(entry.latex, entry.text))
        for key, entry in zip(("check.derived", "check.difference"), shown, strict=True)
    )
    return [
        Say("check.intro", {"derivative": name}),
        Grid((Say("head.way"), Say("head.value")), rows),
        Say("check.agree", {"digits": agreement(derived, difference)}),
    ]


def _advice(work: Work, pen: Pen, reference: Reference, derived: Any) -> list[Block]:
    """The sign read as advice, and one step of gradient descent on this one number."""
    parameter = pen.formula(Symbol(reference.name))
    target = pen.formula(work.graph.target.element)
    sign = "zero" if derived == 0 else "negative" if derived < 0 else "positive"
    found: list[Block] = [Say(f"advice.{sign}", {"w": parameter, "loss": target})]
    if work.learning_rate is None or derived == 0:
        return found
    old = work.numbers.element(work.numbers.forward[reference.variable.name], reference)
    rate = number(work.learning_rate)
    new = old - rate * derived
    eta = as_written(rate)
    w, d = as_written(old), literal(derived)
    name = pen.inline(work.backward.adjoint_name(reference.element))
    step = Row(
        parameter,
        "←",
        (rf"{parameter.latex} - \eta\,{name.latex}",),
        f"{parameter.text} - η·{name.text}",
    )
    numbers = Row(
        None,
        "=" if d.is_exact else "≈",
        (rf"{w.latex} - {eta.latex} \cdot {_bracketed(d.latex)}",),
        f"{w.text} - {eta.text}·{_bracketed(d.text)}",
    )
    before, after = _told_apart(work.numbers.loss, work.numbers.loss_with(reference, new))
    rows = (step, numbers, pen.value_row(None, new))
    outcome = Say(
        "advice.outcome",
        {"w": parameter, "loss": target, "before": before, "after": after},
    )
    return [
        *found,
        Say("advice.step", {"eta": Formula(rf"\eta = {eta.latex}", f"η = {eta.text}")}),
        Display(rows),
        outcome,
    ]


def _bracketed(printed: str) -> str:
    return f"({printed})" if printed.startswith("-") else printed


def _told_apart(first: Any, second: Any) -> tuple[Formula, Formula]:
    """Two numbers with as many digits as it takes to see that they differ."""
    for digits in (4, 6, 8, 12):
        shown = [literal(value, digits) for value in (first, second)]
        if shown[0].text != shown[1].text:
            break
    return Formula(shown[0].latex, shown[0].text), Formula(shown[1].latex, shown[1].text)


# ----------------------------------------------------------------------- shared with other weights


def _shared(work: Work, pen: Pen, derivation: Derivation) -> Section | None:
    """Which other parameters reuse the derivatives on the way (S3)."""
    rows = []
    for deduction in derivation.adjoints:
        entry = _reused_by(work, pen, derivation, deduction)
        if entry is not None:
            rows.append(entry)
    if not rows:
        return None
    head = (Say("head.factor"), Say("head.direct"), Say("head.chain"))
    return Section(Say("section.shared"), (Say("shared.intro"), Grid(head, tuple(rows[:12]))))


def _reused_by(
    work: Work, pen: Pen, derivation: Derivation, deduction: Deduction
) -> tuple[Any, ...] | None:
    """The parameters that enter right behind ``deduction``, and the short chain of the last one."""
    backward = work.backward
    variable, numbers = _behind(backward, derivation, deduction)
    names, chain = [], None
    for (child, parent), local in backward.derivatives.items():
        if child == variable and is_parameter(parent):
            at = dict(zip(_own(local.child_indices), numbers, strict=True))
            pinned = {q: at[i] for i, q in local.pins if i in at}
            names.append(pen.formula(instantiate(parent.element, pinned)))
            chain = _short_chain(work, pen, parent, pinned)
    if not names:
        return None
    return pen.formula(deduction.lhs), Say("formulas", {"formulas": names}), chain


def _own(letters: tuple[Symbol, ...]) -> tuple[Symbol, ...]:
    return tuple(letter for letter in letters if letter != SAMPLE and letter.name != "s_child")


def _short_chain(work: Work, pen: Pen, parent: Variable, at: Mapping[Expr, Expr]) -> Formula:
    """∂L/∂w = ∂L/∂a · ∂a/∂w, the first step of the parameter's own deduction."""
    deduction = work.backward.adjoints[parent]
    lhs, rhs = (
        pen.formula(instantiate(part, at)) for part in (deduction.lhs, deduction.steps[0].rhs)
    )
    return Formula(f"{lhs.latex} = {rhs.latex}", f"{lhs.text} = {rhs.text}")


def _behind(
    backward: BackwardPass, derivation: Derivation, deduction: Deduction
) -> tuple[Variable, tuple[Expr, ...]]:
    """The quantity of an adjoint, and the indices of its element, samples left out."""
    if derivation.unrolled:
        variable, indices = backward.node_of(deduction.lhs.by)
        return variable, tuple(map(sympy.Integer, indices))
    variable = next(v for v, entry in backward.adjoints.items() if entry is deduction)
    return variable, variable.indices[variable.batched :]


# ------------------------------------------------------------------------------- the whole network


MOST_FORMULAS = 40
"""A layer with more parameters than this shows the general formula and the numbers only."""


def _parameter_sections(work: Work, pen: Pen) -> Iterator[Section]:
    for variable in work.graph.variables:
        if is_parameter(variable) and variable in work.backward.adjoints:
            yield _parameter_section(work, pen, variable)


def _parameter_section(work: Work, pen: Pen, variable: Variable) -> Section:
    name = _variable_formula(variable, pen)
    blocks: list[Block] = [
        Display(tuple(_deduction_rows(work, pen, work.backward.adjoints[variable])))
    ]
    if work.graph.is_concrete() and 1 < _size(variable) <= MOST_FORMULAS:
        rows = [_short_row(work, pen, reference) for reference in elements(variable)]
        blocks += [Say("parameters.each", {"block": name}), Display(tuple(rows))]
    if work.has_numbers:
        derivative = Formula(
            rf"\nabla_{{{name.latex}}}\,{pen.latex.write(work.graph.target.element)}",
            f"∂L/∂{name.text}",
        )
        rows = [
            (name, _array_formula(work.numbers.forward[variable.name])),
            (derivative, _array_formula(work.gradients[variable.name])),
        ]
        blocks.append(Grid((Say("head.quantity"), Say("head.numbers")), tuple(rows)))
    return Section(Say("section.parameter", {"block": name}), tuple(blocks))


def _short_row(work: Work, pen: Pen, reference: Reference) -> Row:
    """∂L/∂w_kij = ∂L/∂a_ki · h_k-1,j, with its number."""
    deduction = work.backward.node_adjoint((reference.variable, reference.indices))
    reason = None
    if work.has_numbers:
        shown = literal(work.numbers.element(work.gradients[reference.variable.name], reference))
        mark = "=" if shown.is_exact else r"\approx "
        reason = Say("formula", {"formula": Formula(mark + shown.latex, shown.text)})
    return pen.row(deduction.lhs, deduction.result, reason)


def _update(work: Work, pen: Pen) -> Section:
    """θ ← θ - η ∇θ for every block, and θ as one vector."""
    blocks_ = [v for v in work.graph.variables if is_parameter(v) and v in work.backward.adjoints]
    target = pen.latex.write(work.graph.target.element)
    rows = []
    for variable in blocks_:
        name = _variable_formula(variable, pen)
        rows.append(
            Row(
                name,
                "←",
                (rf"{name.latex} - \eta\,\nabla_{{{name.latex}}}\,{target}",),
                f"{name.text} - η·∂L/∂{name.text}",
            )
        )
    blocks: list[Block] = [Say("update.intro"), Display(tuple(rows))]
    if work.graph.is_concrete():
        blocks += _flattened(work, pen, blocks_)
    return Section(Say("section.update"), tuple(blocks))


def _flattened(work: Work, pen: Pen, blocks_: list[Variable]) -> list[Block]:
    """θ as one vector: which block stands where, and the step as one formula."""
    places, first = [], 1
    for variable in blocks_:
        last = first + _size(variable) - 1
        shape = " × ".join(str(size) for size in variable.shape) or "1"
        place = f"{first} – {last}" if last > first else f"{first}"
        places.append((_variable_formula(variable, pen), Words(shape), Words(place)))
        first = last + 1
    target = pen.formula(_shown_target(work))
    step = Row(
        Formula(r"\theta_{t+1}", "θ_{t+1}"),
        "=",
        (rf"\theta_t - \eta\,\nabla_{{\theta_t}}\,{target.latex}",),
        f"θ_t - η·∇_θ_t {target.text}",
    )
    head = (Say("head.block"), Say("head.block_shape"), Say("head.place"))
    found: list[Block] = [
        Say("update.theta", {"count": first - 1}),
        Grid(head, tuple(places)),
        Display((step,)),
    ]
    if work.has_numbers and work.learning_rate is not None:
        found += _theta_in_numbers(work, pen, blocks_)
    return found


def _theta_in_numbers(work: Work, pen: Pen, blocks_: list[Variable]) -> list[Block]:
    """θ, its gradient and θ after the step as vectors, and the new blocks cut out of it."""
    updated = work.numbers.updated(work.gradients, work.learning_rate)
    moved = [v for v in blocks_ if v.name in updated]
    eta = as_written(number(work.learning_rate))
    target = pen.formula(_shown_target(work))
    vectors = [(Formula(r"\theta_t", "θ_t"), work.numbers.forward)]
    vectors.append(
        (Formula(rf"\nabla_{{\theta_t}}\,{target.latex}", f"∇_θ_t {target.text}"), work.gradients)
    )
    vectors.append((Formula(r"\theta_{t+1}", "θ_{t+1}"), updated))
    rows = [(name, _array_formula(flattened(arrays, moved))) for name, arrays in vectors]
    cut_again = restored(flattened(updated, moved), moved)
    head = (Say("head.quantity"), Say("head.numbers"))
    return [
        Say("update.numbers", {"eta": Formula(rf"\eta = {eta.latex}", f"η = {eta.text}")}),
        Grid(head, tuple(rows)),
        Say("update.restored"),
        _array_grid(pen, moved, cut_again),
    ]


# ------------------------------------------------------------------------------------- footnotes


def _notes(work: Work, pen: Pen, facts: Iterable[Any]) -> Iterator[Say]:
    for fact in facts:
        yield Say(
            "note.fact",
            {"sum": _sum_formula(fact.variable, fact.total, pen), "because": Words(fact.because)},
        )
    for convention in work.graph.conventions:
        yield Say("note.convention", {"convention": Words(convention)})
    if work.has_numbers:
        yield Say("note.numbers", {"digits": 4})


# ----------------------------------------------------------------------------------- in one place


def one_line(work: Work, derivation: Derivation) -> str:
    """``∂L/∂w_131 = …`` as text."""
    pen = _plain_pen(work, derivation)
    conclusion = derivation.conclusion
    return f"{pen.text.write(conclusion.lhs)} = {pen.text.write(conclusion.result)}"


def latex(work: Work, derivation: Derivation) -> str:
    """The conclusion as an ``aligned`` block, lines broken to fit a page."""
    pen = _plain_pen(work, derivation)
    pieces = []
    for row in _conclusion_rows(pen, derivation):
        lhs = row.lhs.latex if row.lhs is not None else ""
        body = r" \\ &\quad ".join(row.lines)
        pieces.append(f"{lhs} &= {body}")
    return "\\begin{aligned} " + r" \\ ".join(pieces) + " \\end{aligned}"


def text(work: Work, derivation: Derivation) -> str:
    """The derivation as text: local derivatives, adjoints from the loss back, the conclusion."""
    pen = _plain_pen(work, derivation)
    found = []
    for deduction in (*derivation.adjoints, derivation.conclusion):
        lhs = pen.text.write(deduction.lhs)
        for step in deduction.steps:
            found.append(f"{lhs} = {pen.text.write(step.rhs)}    [{step.rule.title}]")
            lhs = " " * len(lhs)
    return "\n".join(found)


def as_data(work: Work, derivation: Derivation, deduction: Deduction) -> dict[str, Any]:
    """One deduction as plain data: the left-hand side, then each equality with its rule."""
    pen = _plain_pen(work, derivation)
    steps = [
        {
            "rule": step.rule.name.lower(),
            "reason": step.rule.title,
            "text": pen.text.write(step.rhs),
            "latex": pen.latex.write(step.rhs),
        }
        for step in deduction.steps
    ]
    lhs = pen.formula(deduction.lhs)
    return {"lhs": lhs.text, "latex": lhs.latex, "steps": steps}


def _plain_pen(work: Work, derivation: Derivation) -> Pen:
    return Pen(lettering(work, derivation))
