"""Pictures of a descent: what the loss, the weights and the neurons did, as matplotlib figures.

Here one can draw

* the loss over the epochs, and single weights over the epochs: `loss_curve`, `weight_curves`;
* all weights over all epochs as one heat map, and the matrices (W_k | b_k) themselves every so many
  epochs: `heat_map`, `matrices`;
* for a network of two inputs, what each neuron makes of the plane, and which class it gives each
  point of it, misclassified samples larger: `surfaces`, `regions`;

and turn a figure into a file: `png`, or several into a film: `gif`.  `portfolio` makes all that fit
a descent, by file name.

The functions take a `History`, arrays, or functions from points to numbers, and know no network.
matplotlib is the extra ``plot``; it is imported when the first picture is drawn.  Letters are the
lectures', colours are Okabe and Ito's and cividis, so that nearly everyone can tell them apart; the
same input gives the same bytes.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from sympy import Symbol

from symback.engine.evaluation import restored
from symback.language.errors import SymbackError
from symback.language.layout import PATH_STYLES
from symback.language.names import Variable, pack, split_name, unpack
from symback.language.writing import Latex
from symback.learning.descent import Descent, History
from symback.learning.samples import Samples

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 160
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10.0,
    "axes.titlesize": 12.0,
    "axes.labelsize": 11.0,
    "mathtext.fontset": "cm",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
}
COLOURS = tuple(f"#{style.hex}" for style in PATH_STYLES[:6])
INK = "#333333"
CLASS_COLOURS = (COLOURS[0], COLOURS[3], COLOURS[1], COLOURS[2], COLOURS[4], COLOURS[5])
MARKERS = ("o", "s", "^", "D", "v", "P")
LOSS = r"$\mathcal{L}(\theta)$"
FINENESS = 401  # points along each side of a plane
MOST_CURVES = 12
MOST_ROWS = 40
MOST_SURFACES = 12
MOST_CELLS = 60
CROWD = 100  # misclassified samples, above which their marks would hide one another
SHOWN_EPOCHS = 5


class MissingLibrary(SymbackError):
    """A picture is wanted, and matplotlib is not installed."""


def require() -> None:
    """Raise `MissingLibrary` where there is no matplotlib, before an hour of work is lost."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        told = "pictures need matplotlib, which is not installed: pip install 'symback[plot]'"
        raise MissingLibrary(told) from None


@contextmanager
def _style() -> Iterator[None]:
    """matplotlib's own defaults and `STYLE`, whatever the user's settings are."""
    require()
    import matplotlib as mpl

    # rc_context would not put the backend back, and a figure of its own needs none.
    settings: dict[Any, Any] = {
        key: value
        for key, value in mpl.rcParamsDefault.items()
        if not key.startswith(("backend", "interactive"))
    }
    settings |= STYLE
    with mpl.rc_context(settings):
        yield


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def _letter(name: str) -> str:
    """A name as mathematics: ``w_111`` → ``$w_{111}$``."""
    return f"${Latex().write(Symbol(name))}$"


def _bare(axes: Axes) -> None:
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _colour_bar(figure: Figure, drawn: Any, axes: Any, **words: Any) -> None:
    figure.colorbar(drawn, ax=axes, pad=0.02, **words).outline.set_visible(False)


# ------------------------------------------------------------------------------------- over epochs


@_style()
def loss_curve(history: History) -> Figure:
    """The loss over the epochs."""
    figure, axes = _over_epochs(history)
    axes.plot(history.epochs, history.loss, color=COLOURS[0], linewidth=1.8)
    axes.set_ylabel(LOSS)
    if 0 <= history.loss.min() < 0.5 * history.loss.max():
        axes.set_ylim(bottom=0)
    return figure


@_style()
def weight_curves(history: History) -> Figure:
    """The watched parameters over the epochs, each named at its end; at most `MOST_CURVES`."""
    figure, axes = _over_epochs(history)
    shown = dict([*history.weights.items()][:MOST_CURVES])
    styles = dict(zip(shown, itertools.cycle(PATH_STYLES)))
    for name, style in styles.items():
        dashes = (0, style.dash) if style.dash else "-"
        look = {"color": f"#{style.hex}", "linewidth": 1.8, "linestyle": dashes}
        axes.plot(history.epochs, shown[name], **look)
    axes.set_ylabel(_letter(next(iter(shown))) if len(shown) == 1 else "value")
    if len(shown) < len(history.names):
        told = f"the first {len(shown)} of {len(history.names)} watched parameters"
        axes.set_title(told, fontsize=10)
    if len(shown) == 1:
        return figure
    low, high = axes.get_ylim()
    ends = [float(values[-1]) for values in shown.values()]
    heights = apart(ends, 0.062 * (high - low))
    for (name, style), end, height in zip(styles.items(), ends, heights, strict=True):
        axes.annotate(
            _letter(name),
            (max(1, len(history.loss) - 1), end),
            xytext=(1.015, height),
            textcoords=("axes fraction", "data"),
            color=f"#{style.ink}",
            va="center",
            annotation_clip=False,
        )
    return figure


def _over_epochs(history: History) -> tuple[Figure, Axes]:
    from matplotlib.ticker import MaxNLocator

    figure = _figure(6.0, 3.6)
    axes = figure.add_subplot()
    axes.set_xlabel("epoch")
    axes.set_xlim(0, max(1, len(history.loss) - 1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure, axes


def apart(heights: Sequence[float], least: float) -> list[float]:
    """The heights, moved as little as a sweep up and its middle need to be ``least`` apart.

    >>> apart([0.0, 1.0, 1.0], 0.5)
    [0.0, 0.75, 1.25]
    """
    order = sorted(range(len(heights)), key=heights.__getitem__)
    moved = list(heights)
    for below, above in itertools.pairwise(order):
        moved[above] = max(moved[above], moved[below] + least)
    groups: list[list[int]] = []  # those that now touch
    for i in order:
        if groups and moved[i] - moved[groups[-1][-1]] <= least * 1.000001:
            groups[-1].append(i)
        else:
            groups.append([i])
    for group in groups:
        shift = sum(moved[i] - heights[i] for i in group) / len(group)
        for i in group:
            moved[i] -= shift
    return moved


@_style()
def heat_map(history: History) -> Figure:
    """Every watched parameter (rows) at every epoch (columns), layer by layer, 0 being white."""
    layers: dict[tuple[str, ...], list[int]] = {}
    for place, name in enumerate(history.names):
        layers.setdefault(unpack(split_name(name)[1])[:1], []).append(place)
    rows, parts = len(history.names), [*layers.values()]
    figure = _figure(7.0, 1.2 + min(0.28 * rows, 9.0))
    every = figure.subplots(
        len(parts), 1, sharex=True, squeeze=False, height_ratios=[*map(len, parts)]
    )[:, 0]
    image = None
    for axes, places in zip(every, parts, strict=True):
        image = axes.imshow(
            history.values[:, places].T,
            aspect="auto",
            interpolation="nearest",
            extent=(-0.5, len(history.loss) - 0.5, len(places) - 0.5, -0.5),
            **_scale(history.values),
        )
        names = [_letter(history.names[place]) for place in places]
        axes.set_yticks(range(len(names)), names) if rows <= MOST_ROWS else axes.set_yticks([])
        _bare(axes)
    every[-1].set_xlabel("epoch")
    _colour_bar(figure, image, [*every], label="value")
    return figure


def _scale(values: np.ndarray) -> dict[str, Any]:
    """Colours for numbers of both signs: purple above 0, orange below."""
    most = float(np.abs(values).max()) or 1.0
    return {"cmap": "PuOr", "vmin": -most, "vmax": most}


@_style()
def matrices(history: History, blocks: Sequence[Variable], epochs: Sequence[int] = ()) -> Figure:
    """(W_k | b_k) with its numbers, one row of tables a layer, one column an epoch.

    The history must watch every parameter of ``blocks``, in their order.  Without ``epochs``,
    `SHOWN_EPOCHS` of them evenly spaced.
    """
    last, steps = len(history.loss) - 1, SHOWN_EPOCHS - 1
    at = [*epochs] or sorted({round(part * last / steps) for part in range(SHOWN_EPOCHS)})
    tables = {epoch: _tables(history.values[epoch], blocks) for epoch in at}
    shapes = {layer: table.shape for layer, table in tables[at[0]].items()}
    widest = max(columns for _, columns in shapes.values())
    heights = [rows for rows, _ in shapes.values()]
    figure = _figure(
        0.6 + 0.62 * widest * len(at), 0.7 + sum(0.42 * rows + 0.5 for rows in heights)
    )
    grid = figure.subplots(len(shapes), len(at), squeeze=False, height_ratios=heights)
    for row, layer in enumerate(shapes):
        for column, epoch in enumerate(at):
            _draw_table(grid[row, column], tables[epoch][layer], _scale(history.values))
        grid[row, 0].set_ylabel(f"${layer}$", rotation=0, ha="right", va="center", labelpad=8)
    for column, epoch in enumerate(at):
        grid[0, column].set_title(f"epoch {epoch:,}", fontsize=10)
    return figure


def _tables(theta: np.ndarray, blocks: Sequence[Variable]) -> dict[str, np.ndarray]:
    """(W_k | b_k) by its name in mathematics."""
    arrays = restored(theta, blocks)
    found = {}
    for name, array in arrays.items():
        if name.startswith("W"):
            layer = name[1:]
            bias = arrays.get(f"b{layer}")
            column = [] if bias is None else [np.broadcast_to(bias, len(array))[:, None]]
            title = f"W_{{{layer}}}" + (rf"\,|\,b_{{{layer}}}" if column else "")
            found[title] = np.hstack([array, *column])
    return found


def _draw_table(axes: Axes, table: np.ndarray, scale: Mapping[str, Any]) -> None:
    image = axes.imshow(table, aspect="auto", **scale)
    _bare(axes)
    axes.set(xticks=[], yticks=[])
    for row, column in np.ndindex(table.shape):
        number = table[row, column]
        red, green, blue, _ = image.cmap(image.norm(number))
        is_dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
        shown = f"{number:.2f}".replace("-", "−")
        ink = "white" if is_dark else INK
        axes.text(column, row, shown, color=ink, ha="center", va="center", fontsize=8.5)


# -------------------------------------------------------------------------------------- the plane

Function = Callable[[np.ndarray], np.ndarray]


def classes(y: np.ndarray) -> np.ndarray | None:
    """The class of each row of targets; None where targets are no classes.

    One-hot rows give 1 … n_L, single numbers 0 and 1 themselves.

    >>> classes(np.array([[0.0, 1.0], [1.0, 0.0]]))
    array([2, 1])
    """
    if y.shape[1] == 1:
        return y[:, 0].astype(int) if np.isin(y, (0.0, 1.0)).all() else None
    one_hot = np.isin(y, (0.0, 1.0)).all() and (y.sum(axis=1) == 1).all()
    return chosen(y) if one_hot else None


def chosen(yhat: np.ndarray) -> np.ndarray:
    """The class that outputs speak for: the greatest, or for a single one whether it is ≥ ½."""
    if yhat.shape[1] == 1:
        return (yhat[:, 0] >= 0.5).astype(int)
    return yhat.argmax(axis=1) + 1


@_style()
def surfaces(neurons: Mapping[str, Function], x: np.ndarray, labels: np.ndarray | None) -> Figure:
    """What each neuron makes of the plane: contours of h, with the samples on top.

    ``neurons`` maps a name such as ``h_11`` to a function of points (M, 2) to numbers (M,); ``x``
    has shape (N, 2), ``labels`` (N,).  One scale serves all where all values lie in [0, 1].
    """
    import matplotlib as mpl
    from matplotlib.colors import ListedColormap

    across, up, points = _plane(x)
    values = {name: f(points).reshape(across.shape) for name, f in neurons.items()}
    levels = {name: _levels(surface) for name, surface in values.items()}
    is_shared = all(own[0] == 0 and own[-1] == 1 for own in levels.values())
    count = len(neurons)
    rows = -(-count // 4)
    columns = -(-count // rows)
    figure = _figure(0.9 + (2.7 if is_shared else 3.1) * columns, 0.5 + 2.8 * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    # pale enough for the samples to stand out from
    colours = 0.55 + 0.45 * mpl.colormaps["cividis"](np.linspace(0, 1, 256))[:, :3]
    drawn = None
    for axes, (name, surface) in zip(grid.flat, values.items(), strict=False):
        looks = {"levels": levels[name]}
        drawn = axes.contourf(across, up, surface, cmap=ListedColormap(colours), **looks)
        axes.contour(across, up, surface, colors="white", linewidths=0.5, **looks)
        axes.set_box_aspect(1)
        _bare(axes)
        _samples(axes, x, labels, s=8, edgecolors="#222222", linewidths=0.35)
        axes.set_title(_letter(name))
        if not is_shared:
            _colour_bar(figure, drawn, axes, shrink=0.9)
    if is_shared and drawn is not None:
        _colour_bar(figure, drawn, [*grid.flat])
    for axes in grid.flat[count:]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel("$x_2$")
    for column in range(columns):
        lowest = grid[(count - 1 - column) // columns, column]
        lowest.set_xlabel("$x_1$")
        lowest.xaxis.set_tick_params(labelbottom=True)
    return figure


def _levels(values: np.ndarray) -> np.ndarray:
    """Tenths where all values lie between 0 and 1, else ten even steps."""
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        return np.linspace(0.0, 1.0, 11)
    return np.linspace(low, high if high > low else low + 1.0, 11)


@_style()
def regions(
    outputs: Function, x: np.ndarray, labels: np.ndarray, yhat: np.ndarray, count: int
) -> Figure:
    """The class of each point of the plane; misclassified samples larger, ringed in black.

    ``outputs`` maps points (M, 2) to ŷ (M, n_L), ``yhat`` is ŷ at the samples; ``count`` classes.
    """
    from matplotlib.colors import ListedColormap, to_rgb
    from matplotlib.lines import Line2D

    figure = _figure(6.2, 5.0)
    axes = figure.add_subplot()
    across, up, points = _plane(x)
    names = [0, 1] if count == 1 else [*range(1, count + 1)]  # 0 and 1 of a single output
    looks = [_look(place) for place in range(len(names))]
    tints = [0.72 + 0.28 * np.array(to_rgb(look["color"])) for look in looks]
    given = chosen(outputs(points)).reshape(across.shape) - names[0]
    colours, most = ListedColormap(tints), len(names) - 0.5
    axes.pcolormesh(
        across, up, given, cmap=colours, shading="nearest", rasterized=True, vmin=-0.5, vmax=most
    )
    wrong = chosen(yhat) != labels
    for which, looks_so in (
        (~wrong, {"s": 9, "edgecolors": "white", "linewidths": 0.3}),
        (
            wrong,
            {"s": 52 if wrong.sum() <= CROWD else 24, "edgecolors": "black", "linewidths": 1.0},
        ),
    ):
        _samples(axes, x[which], labels[which], first=names[0], **looks_so)
    axes.set(xlabel="$x_1$", ylabel="$x_2$")
    axes.set_title(f"{int(wrong.sum()):,} of {len(x):,} misclassified", fontsize=11)
    _bare(axes)
    letter = "y" if count == 1 else r"\ell"
    marks = [
        Line2D([], [], linestyle="", label=f"${letter} = {name}$", mec="white", **look)
        for name, look in zip(names, looks, strict=True)
    ]
    look = {"marker": "o", "color": "#BBBBBB", "mec": "black", "ms": 8}
    marks.append(Line2D([], [], linestyle="", label="misclassified", **look))
    axes.legend(handles=marks, loc="center left", bbox_to_anchor=(1.0, 0.5), handletextpad=0.2)
    return figure


def _look(place: int) -> dict[str, Any]:
    """The mark and the colour of a class."""
    colour, marker = CLASS_COLOURS[place % len(CLASS_COLOURS)], MARKERS[place % len(MARKERS)]
    return {"color": colour, "marker": marker}


def _samples(
    axes: Axes, x: np.ndarray, labels: np.ndarray | None, first: int | None = None, **looks: Any
) -> None:
    """The samples, a colour and a mark for each class."""
    kinds = np.zeros(len(x), dtype=int) if labels is None else labels
    lowest = int(kinds.min(initial=0 if labels is None else 10**9)) if first is None else first
    for kind in np.unique(kinds):
        own = x[kinds == kind]
        axes.scatter(own[:, 0], own[:, 1], zorder=3, **_look(int(kind) - lowest), **looks)


def _plane(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A grid over the samples and a margin: two arrays of coordinates, and its points (M, 2)."""
    low, high = x.min(axis=0), x.max(axis=0)
    margin = 0.06 * np.where(high > low, high - low, 1.0)
    sides = [np.linspace(low[j] - margin[j], high[j] + margin[j], FINENESS) for j in range(2)]
    across, up = np.meshgrid(*sides)
    return across, up, np.column_stack([across.ravel(), up.ravel()])


# ------------------------------------------------------------------------------------------ files


@_style()
def png(figure: Figure) -> bytes:
    """The figure as PNG, without a date or a program's name in it."""
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def gif(figures: Sequence[Figure], milliseconds: int = 250) -> bytes:
    """The figures one after another as an animated GIF, the last one held for two seconds."""
    from PIL import Image  # Pillow comes with matplotlib

    frames = [
        Image.open(io.BytesIO(png(figure))).convert("RGB").quantize(96, dither=Image.Dither.NONE)
        for figure in figures
    ]
    file = io.BytesIO()
    times = [milliseconds] * (len(frames) - 1) + [2000]
    frames[0].save(
        file, format="GIF", save_all=True, append_images=frames[1:], duration=times, loop=0
    )
    return file.getvalue()


Layers = Callable[[np.ndarray], Mapping[str, np.ndarray]]


def portfolio(run: Descent, samples: Samples, layers: Layers) -> Iterator[tuple[str, Figure]]:
    """Every picture that fits a descent, with its name: loss, weights, heat_map, matrices, ….

    ``layers`` maps points (M, n_0) to the activations of each layer by name, ``h1`` … ``yhat``, as
    `symback.Network.activations` gives them; what each neuron makes of the plane is drawn where
    there are two inputs, and regions where the targets are classes.
    """
    history, x = run.history, samples.x
    yield "loss", loss_curve(history)
    if history.names:
        yield "weights", weight_curves(history)
    if len(history.names) > 1:
        yield "heat_map", heat_map(history)
    if len(history.names) == len(run.theta) <= MOST_CELLS:
        yield "matrices", matrices(history, run.blocks)
    if x.shape[1] != 2:
        return
    labels, yhat = classes(samples.y), layers(x)["yhat"]
    yield "neurons", surfaces(dict([*neurons_of(layers, x)][:MOST_SURFACES]), x, labels)
    if labels is not None:
        outputs = partial(_values_of, layers, "yhat", slice(None))
        yield "regions", regions(outputs, x, labels, yhat, yhat.shape[1])


def neurons_of(layers: Layers, x: np.ndarray) -> Iterator[tuple[str, Function]]:
    """Each neuron by name (``h_11`` … ``yhat_1``) as a function of points."""
    for layer, values in layers(x[:1]).items():
        for place in range(values.shape[1]):
            is_output = layer == "yhat"
            own = [place + 1] if is_output else [int(layer[1:]), place + 1]
            name = f"{layer if is_output else 'h'}_{pack(own)}"
            yield name, partial(_values_of, layers, layer, place)


def _values_of(layers: Layers, layer: str, place: int | slice, points: np.ndarray) -> np.ndarray:
    return layers(points)[layer][:, place]
