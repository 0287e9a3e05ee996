"""The picture of a network or of a computation, with the paths of a derivation: `figure`."""

from __future__ import annotations

from collections.abc import Sequence

from sympy import Expr

from symback.engine.calculus import LocalDerivative
from symback.engine.derivation import Derivation, Node, Path
from symback.engine.evaluation import OutOfDomain
from symback.engine.spec import EquationsSpec, NetworkSpec
from symback.language.functions import spoken
from symback.language.names import name_indices
from symback.sheets import figure as figures
from symback.sheets.page import (
    Pen,
    literal,
)
from symback.sheets.work import Work, check_length, lettering, literals

__all__ = ["SHOWN_ENDS", "figure", "listed_paths"]


SHOWN_ENDS = 4
"""Where the paths are too many to list, so many of the first and of the last are shown."""


def figure(work: Work, derivation: Derivation | None) -> figures.Figure:
    """The network, or the computation graph, with the paths of ``derivation``.

    Raises `TooLong` where there would be too much to show.
    """
    check_length(work)
    pen = Pen(lettering(work, derivation), literals(work, work.backward, derivation))
    if isinstance(work.spec, EquationsSpec):
        return _graph_figure(work, pen, derivation)
    return _network_figure(work, work.spec, pen, derivation)


def _network_figure(
    work: Work, spec: NetworkSpec, pen: Pen, derivation: Derivation | None
) -> figures.Figure:
    """The neurons in the page's letters, the chosen quantity and its paths."""
    total = 0 if derivation is None else derivation.paths.count
    chosen: figures.Name | None = None
    listed: Sequence[Path] = ()
    if derivation is not None:
        chosen = _name((derivation.target.variable, derivation.target.indices))
        if isinstance(total, int) and work.graph.is_concrete():
            listed = listed_paths(derivation)
    return figures.network_figure(
        _layers(spec, pen),
        chosen,
        [[_name(node) for node in path.nodes] for path in listed],
        total if isinstance(total, int) else pen.latex.write(total),
        lambda name: _label(name, pen),
        loss=spoken(spec.loss),
    )


def _layers(spec: NetworkSpec, pen: Pen) -> list[figures.LayerSketch]:
    """The input and the layers, counted as the page counts them."""
    layers = [figures.LayerSketch(_units(spec.inputs, pen), "input")]
    for k, layer in enumerate(spec.layers, start=1):
        number = k + pen.latex.lettering.input_layer
        key = "output" if k == len(spec.layers) else f"layer {number}"
        name = f"{key} ({spoken(layer.activation)})"
        layers.append(figures.LayerSketch(_units(layer.units, pen), name, layer.activation.coupled))
    return layers


def _units(units: Expr, pen: Pen) -> int | str:
    return int(units) if units.is_Integer else pen.latex.write(units)


def _name(node: Node) -> figures.Name:
    """An element as the figure knows it."""
    variable, indices = node
    return figures.Name(variable.letter, name_indices(variable, indices))


def _label(name: figures.Name, pen: Pen) -> str:
    """The LaTeX of an element in the page's letters."""
    return pen.latex.loss if name.letter == "L" else pen.latex.named(name.letter, name.indices)


def listed_paths(derivation: Derivation) -> Sequence[Path]:
    """All paths where they are few enough, else the first and the last."""
    paths = derivation.paths
    if derivation.unrolled or paths.count <= 2 * SHOWN_ENDS:
        return list(paths)
    return [*(paths[i] for i in range(SHOWN_ENDS)), *(paths[i] for i in range(-SHOWN_ENDS, 0))]


def _graph_figure(work: Work, pen: Pen, derivation: Derivation | None) -> figures.Figure:
    """Named stages with values above and derivatives below the edges."""
    graph, backward = work.graph, work.backward
    places = {variable: place for place, variable in enumerate(graph.variables)}
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
        backward.derivatives.items(), key=lambda pair: [places[end] for end in pair[0]]
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


def _edge_number(work: Work, pen: Pen, local: LocalDerivative) -> str | None:
    if not pen.literals or local.form.is_number:
        return None
    try:
        return literal(work.numbers.value_of(local.form)).latex
    except OutOfDomain:  # beside what was asked for: a sheet that needs it says so itself
        return None
