"""The picture of a network or of a computation, with the paths of a derivation: `figure`."""

from __future__ import annotations

from collections.abc import Sequence

from sympy import Expr, Symbol

from symback import figures
from symback.calculus import LocalDerivative
from symback.derivation import Derivation
from symback.page import (
    Pen,
    literal,
)
from symback.paths import Path
from symback.printers import NETWORK
from symback.spec import EquationsSpec, NetworkSpec
from symback.values import OutOfDomain
from symback.work import Work, check_length, lettering, literals

__all__ = ["SHOWN_ENDS", "figure", "label", "listed_paths"]


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
    layers = [figures.LayerSketch(_units(work.spec.inputs, pen), "input")]
    for k, layer in enumerate(work.spec.layers, start=1):
        key = "output" if k == len(work.spec.layers) else f"layer {k}"
        name = f"{key} ({layer.activation.name})"
        layers.append(figures.LayerSketch(_units(layer.units, pen), name, layer.activation.coupled))
    if derivation is None:
        return figures.network_figure(layers, None, [], 0, label, loss=_loss_words(work.spec))
    total = derivation.paths.count
    listed = listed_paths(derivation) if isinstance(total, int) and work.graph.is_concrete() else []
    return figures.network_figure(
        layers,
        derivation.target.name,
        [path.neurons for path in listed],
        total if isinstance(total, int) else pen.latex.write(total),
        label,
        loss=_loss_words(work.spec),
    )


def _units(units: Expr, pen: Pen) -> int | str:
    return int(units) if units.is_Integer else pen.latex.write(units)


def _loss_words(spec: NetworkSpec) -> str:
    return spec.loss.name.replace("_", " ")


_labels = Pen(NETWORK)


def label(name: str) -> str:
    """The LaTeX of a node's name."""
    return _labels.latex.write(Symbol(name))


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
