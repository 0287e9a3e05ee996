"""The picture of a network with one quantity chosen, and of a computation graph with its numbers.

Here one can

* lay out a network, the chosen weight and every path from it to the loss: `network_figure`;
* lay out named stages with values above and derivatives below the edges: `graph_figure`;
* colour text like the paths of the picture: `PATH_STYLES`, `Figure.styles`.

A `Figure` is finished geometry in TeX points, y pointing down: `Stroke`, `Pill`, `Area` and
`Label` in drawing order.  `symback.sheets.rendering` only spells it out, as TikZ or as SVG, so the
two pictures cannot differ.  What goes in is plain data: a node of a path is a `Name`, its letter
and its indices; whoever asks for the figure says how a name is written.

A neuron is one circle ``a | h``.  Where the activation couples the neurons of a layer (softmax)
that would hide the paths that cross from a_21 to ŷ_2, so there a and h are two columns, all joined.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from symback.language import typesetting
from symback.language.layout import BUNDLE_STYLE, PATH_STYLES, PathStyle
from symback.language.typesetting import one_line, spoken

TEXT_WIDTH = 483.0
"""No figure is wider, in TeX points: a line of the sheets has 483.7."""

Point = tuple[float, float]
Box = tuple[float, float, float, float]


# -------------------------------------------------------------------------------- what goes in


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """A quantity by its parts: the lectures' letter (w b x a h yhat L) and its indices.

    The layer comes first; the last index of a layer of symbolic width is the LaTeX of that width.

    >>> print(Name("h", ("1", "13")), Name("a", ("1", "3")), Name("yhat", ("n_{2}",)))
    h_1,13 a_13 yhat_n_{2}
    """

    letter: str
    indices: tuple[str, ...] = ()

    def __str__(self) -> str:
        packed = all(len(index) == 1 for index in self.indices)
        return "_".join(
            [self.letter, *([("" if packed else ",").join(self.indices)] if self.indices else [])]
        )


Node = Name | str
"""A node of a network, or the name of a stage."""


@dataclass(frozen=True, slots=True)
class LayerSketch:
    """One layer, the input included: how many units, the words under it, whether it is coupled.

    ``units`` is a number or the LaTeX of a symbolic width such as ``n_1``; ``label`` is plain text;
    ``coupled`` says that every h of the layer depends on every a of it.
    """

    units: int | str
    label: str
    coupled: bool = False


@dataclass(frozen=True, slots=True)
class StageSketch:
    """One stage of a computation graph; ``label``, ``formula`` and ``value`` are LaTeX."""

    name: str
    label: str
    formula: str | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class EdgeSketch:
    r"""One local derivative in LaTeX: ``\frac{\partial s}{\partial w}``, what it is, its number."""

    source: str
    target: str
    partial: str
    derivative: str | None = None
    number: str | None = None


# ------------------------------------------------------------------------------- what comes out


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line through ``points``, cubic Béziers where ``curved``; ``ends`` are its nodes."""

    points: tuple[Point, ...]
    colour: str
    width: float
    dash: tuple[float, ...] = ()
    curved: bool = False
    role: str = "edge"
    ends: tuple[Node | None, Node] | None = None
    path: int | None = None

    @property
    def box(self) -> Box:
        """What it covers, as left, top, right, bottom."""
        return _grown(_hull(self.points), self.width / 2)

    @property
    def straight(self) -> tuple[Point, Point]:
        """Its long straight part: all of it, or the way back between two bands."""
        points = self.points
        return (points[6], points[3]) if self.curved else (points[0], points[-1])


@dataclass(frozen=True, slots=True)
class Pill:
    """A circle, a pill or a box with round corners; ``names`` are the path nodes it stands for."""

    x: float
    y: float
    half_width: float
    half_height: float
    radius: float
    fill: str
    stroke: str | None
    width: float = 0.6
    role: str = "node"
    names: tuple[Node, ...] = ()

    @property
    def box(self) -> Box:
        """What it covers, as left, top, right, bottom."""
        x, y = self.half_width, self.half_height
        return _grown((self.x - x, self.y - y, self.x + x, self.y + y), self.width / 2)


@dataclass(frozen=True, slots=True)
class Area:
    """A filled polygon: an arrow head, or the chosen half of a neuron."""

    points: tuple[Point, ...]
    colour: str
    role: str = "arrow"

    @property
    def box(self) -> Box:
        """What it covers, as left, top, right, bottom."""
        return _hull(self.points)


@dataclass(frozen=True, slots=True)
class Label:
    """Text centred on x with its baseline at y: LaTeX where ``math``, else a user's plain words."""

    x: float
    y: float
    text: str
    size: float
    colour: str = "figink"
    math: bool = True
    role: str = "label"

    @property
    def block(self) -> typesetting.Block:
        """How it is set, with the font's usual widths."""
        return typesetting.label(self.text, self.size, self.math)

    @property
    def box(self) -> Box:
        """What it covers, as left, top, right, bottom."""
        block, half = self.block, self.block.width / 2
        return (self.x - half, self.y - block.up, self.x + half, self.y + block.down)


Item = Stroke | Pill | Area | Label


@dataclass(frozen=True, slots=True)
class Part:
    """A layer and how many neurons it has, or a stage and its formula, in words."""

    what: str
    more: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """Finished geometry in points, y down, everything inside (0, 0) … (width, height).

    ``styles`` holds the style of each path that was given, in their order (paths of one family
    share one); ``total`` is how many paths there are, ``chosen`` the LaTeX of the chosen quantity;
    ``parts`` are the layers or the stages in words, for those who cannot see them.
    """

    kind: str
    width: float
    height: float
    items: tuple[Item, ...]
    chosen: str | None
    total: int | str
    mode: str
    styles: tuple[PathStyle, ...]
    parts: tuple[Part, ...] = ()

    def of(self, kind: type) -> tuple:
        """The items of one kind: ``figure.of(Stroke)``."""
        return tuple(item for item in self.items if type(item) is kind)

    def __repr__(self) -> str:
        size = f"{self.width:.0f} x {self.height:.0f} pt"
        return f"<{self.kind} figure, {size}, {len(self.items)} items, paths: {self.mode}>"


MARGIN = 3.0


def finished(items: Sequence[Item], **what) -> Figure:
    """Move everything into the first quadrant; shrink what no font size could make fit."""
    left, top, right, bottom = _hull_of(item.box for item in items)
    scale = min(1.0, (TEXT_WIDTH - 2 * MARGIN) / (right - left))
    dx, dy = MARGIN / scale - left, MARGIN / scale - top

    def moved(item: Item) -> Item:
        if isinstance(item, Stroke | Area):
            points = tuple(((x + dx) * scale, (y + dy) * scale) for x, y in item.points)
            return replace(item, points=points)
        sizes = ("size",) if isinstance(item, Label) else ("half_width", "half_height", "radius")
        sized = {name: getattr(item, name) * scale for name in sizes}
        return replace(item, x=(item.x + dx) * scale, y=(item.y + dy) * scale, **sized)

    width, height = (right - left) * scale + 2 * MARGIN, (bottom - top) * scale + 2 * MARGIN
    return Figure(width=width, height=height, items=tuple(map(moved, items)), **what)


def _hull(points: Iterable[Point]) -> Box:
    xs, ys = zip(*points, strict=True)
    return (min(xs), min(ys), max(xs), max(ys))


def _hull_of(boxes: Iterable[Box]) -> Box:
    return _hull(corner for box in boxes for corner in (box[:2], box[2:]))


def _grown(box: Box, by: float) -> Box:
    return (box[0] - by, box[1] - by, box[2] + by, box[3] + by)


def arrow(points: tuple[Point, ...], colour: str, width: float, **more) -> list[Item]:
    """A stroke that ends in a filled head; the stroke stops inside the head."""
    (x0, y0), (x1, y1) = points[-2:]
    length = math.hypot(x1 - x0, y1 - y0) or 1.0
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    long, wide = 2.2 + 2.4 * width, 1.1 + 1.0 * width
    x, y = x1 - ux * long, y1 - uy * long
    head = ((x1, y1), (x - uy * wide, y + ux * wide), (x + uy * wide, y - ux * wide))
    shaft = (*points[:-1], (x1 - ux * long * 0.8, y1 - uy * long * 0.8))
    return [Stroke(shaft, colour, width, **more), Area(head, colour)]


def _way_back(start: Point, stop: Point, between: float) -> tuple[Point, ...]:
    """Curves from the end of one band, back between the bands, to the start of the next."""
    (x0, y0), (x1, y1) = start, stop
    third = (x0 - x1) / 3
    turn = 13.0
    return (
        *((x0, y0), (x0 + turn, y0), (x0 + turn, between), (x0, between)),
        *((x0 - third, between), (x1 + third, between), (x1, between)),
        *((x1 - turn, between), (x1 - turn, y1), (x1, y1)),
    )


def centred(x: float, y: float, text: str, size: float, colour: str) -> Label:
    """A label whose small letters, not whose box, stand centred: rows keep one baseline."""
    return Label(x, y + 0.22 * size, text, size, colour)


# --------------------------------------------------------------------------------- how to colour

MOST_PATHS = len(PATH_STYLES)
FEW_PATHS = len({style.hex for style in PATH_STYLES})
"""So many paths, or families of paths, have each a colour of their own."""


def _mode(paths: Sequence[Sequence[Node]], total: int | str) -> str:
    """Decide on a colour a path, a colour a first fork, or one bundle; or no paths at all."""
    if not paths and total in (0, "0", ""):
        return "none"
    if total != len(paths):
        return "bundle"
    if len(paths) <= MOST_PATHS:
        return "each"
    families = set(_families(paths))
    small = len(families) <= FEW_PATHS and len({n for path in paths for n in path}) <= 40
    return "family" if small and len(paths) > len(families) > 1 else "bundle"


def _families(paths: Sequence[Sequence[Node]]) -> list[Node]:
    """For each path, the node at which it leaves the way that all have in common."""
    depth = next((i for i, names in enumerate(zip(*paths, strict=False)) if len(set(names)) > 1), 0)
    return [path[depth] for path in paths]


def _style_indices(paths: Sequence[Sequence[Node]], mode: str) -> list[int]:
    """For each path an index of `PATH_STYLES`, or -1 for the bundle."""
    if mode == "each":
        return list(range(len(paths)))
    if mode != "family":
        return [-1] * len(paths)
    order = list(dict.fromkeys(families := _families(paths)))
    return [order.index(family) for family in families]


def _style(index: int) -> PathStyle:
    return BUNDLE_STYLE if index < 0 else PATH_STYLES[index]


# --------------------------------------------------------------- a network: what of it is to show


def _name(letter: str, *indices: int | str) -> Name:
    return Name(letter, tuple(map(str, indices)))


def _leaving(layer: int, unit: str, last: int) -> Name:
    """Name what leaves a unit: the input, an activation, or an output."""
    if layer == 0:
        return _name("x", unit)
    return _name("yhat", unit) if layer == last else _name("h", layer, unit)


@dataclass(frozen=True, slots=True)
class _Start:
    """Where the paths begin: the kind of the chosen quantity and the nodes it touches."""

    kind: str  # "none", "weight", "bias" or "node"
    name: Name | None = None
    source: Name | None = None
    targets: tuple[Name, ...] = ()
    layer: int | None = None


def _start(chosen: Name | None, layers: Sequence[LayerSketch]) -> _Start:
    last = len(layers) - 1
    numbers = [str(k) for k in range(1, len(layers))]
    match chosen:
        case None:
            return _Start("none")
        case Name("w", (layer, out, into)) if layer in numbers:
            source = _leaving(int(layer) - 1, into, last)
            return _Start("weight", chosen, source, (_name("a", layer, out),), int(layer))
        case Name("b", (layer, *own)) if layer in numbers and len(own) <= 1:
            targets = (Name("a", chosen.indices),) if own else ()  # else the whole layer's
            return _Start("bias", chosen, None, targets, int(layer))
        case Name("x" | "yhat" as letter, (_,)):
            return _Start("node", chosen, chosen, (), 0 if letter == "x" else last)
        case Name("a" | "h", (layer, _)) if layer in numbers:
            return _Start("node", chosen, chosen, (), int(layer))
    raise ValueError(
        f"the figure has no place for {str(chosen)!r}: expected None or the name of a weight, "
        f"bias, input or neuron of a network with {last} layers, such as w_111"
    )


@dataclass(slots=True, eq=False)
class _Column:
    """One column of nodes: each the names it stands for, first what arrows into it reach.

    A node without names is vertical dots, for units that are not drawn.  Sizes and places are found
    last; ``band`` says in which band, from above, the column stands.
    """

    kind: str  # "input", "neuron", "a", "h", "gap" or "loss"
    layer: int
    nodes: tuple[tuple[Name, ...], ...]
    half_width: float = 0.0
    radius: float = 0.0
    band: int = 0
    x: float = 0.0

    @property
    def shown(self) -> list[tuple[Name, ...]]:
        """The nodes that are drawn."""
        return [names for names in self.nodes if names]


MOST_UNITS = 8  # a layer with more shows its first, its last and what the paths touch


def _units_shown(units: int | str, touched: Iterable[str]) -> list[str]:
    """Choose the units to draw, in order, with "" where some are left out."""
    if isinstance(units, int) and units <= MOST_UNITS:
        return [str(i) for i in range(1, units + 1)]
    kept = {"1", "2", str(units), *touched}
    if isinstance(units, int) and len(kept) < 4:
        kept |= {"3"}
    numbers = {int(unit) for unit in kept if unit.isdecimal()}
    # dots in place of one single unit would save nothing
    kept |= {str(n - 1) for n in numbers if n - 1 not in numbers and n - 2 in numbers}

    def rank(unit: str) -> tuple[bool, bool, int, str]:
        number = int(unit) if unit.isdecimal() else 0
        return (unit == str(units), not number, number, unit)

    order = sorted(kept, key=rank)
    shown = [order[0]]
    for before, unit in itertools.pairwise(order):
        adjacent = before.isdecimal() and unit.isdecimal() and int(unit) - int(before) == 1
        shown += [unit] if adjacent else ["", unit]
    return shown


def _columns(
    layers: Sequence[LayerSketch], touched: set[Name], hidden: Sequence[int]
) -> list[_Column]:
    """The columns from the inputs to the loss; layers that are ``hidden`` leave one gap."""
    last = len(layers) - 1
    of_layer: dict[int, list[str]] = defaultdict(list)
    for name in touched:
        layer = {"x": 0, "yhat": last}.get(name.letter)
        of_layer[int(name.indices[0]) if layer is None else layer].append(name.indices[-1])
    columns: list[_Column] = []
    for k, layer in enumerate(layers):
        if k in hidden:
            if columns[-1].kind != "gap":
                columns.append(_Column("gap", k, ((_name("gap", k),),)))
            continue
        units = _units_shown(layer.units, of_layer[k])
        into = tuple((_name("a", k, unit),) if unit else () for unit in units)
        out = tuple((_leaving(k, unit, last),) if unit else () for unit in units)
        if k == 0:
            columns.append(_Column("input", 0, out))
        elif layer.coupled:
            columns += [_Column("a", k, into), _Column("h", k, out)]
        else:
            both = tuple(a + h for a, h in zip(into, out, strict=True))
            columns.append(_Column("neuron", k, both))
    return [*columns, _Column("loss", last + 1, ((Name("L"),),))]


# ----------------------------------------------------------------------- a network: where it stands

FONTS = (10.0, 9.0)
OVERHANG = 14.0  # what captions and the way to the next band may stand out at the sides
CAPTION = 8.0
TALLEST = 330.0
MOST_BANDS = 4


def _sized(columns: Sequence[_Column], labels: Written, font: float, bands: int) -> float:
    """Give the columns sizes in one font, in at most so many bands; returns the gap between them.

    It is the largest that the page allows.
    """
    for column in columns:
        names = itertools.chain(*column.nodes)
        widest = max(typesetting.label(labels(name), font).width for name in names)
        double = column.kind == "neuron"
        column.half_width = widest + 0.62 * font if double else widest / 2 + 0.6 * font
        if column.kind == "gap":
            column.half_width = font
    for double in (False, True):
        least = font * (1.6 if double else 1.3)
        alike = [column for column in columns if (column.kind == "neuron") == double]
        near = [c.half_width for c in alike if c.half_width <= 1.35 * least]
        for column in alike:  # nearly round ones become round
            column.radius = max([least, *near])
            column.half_width = max(column.half_width, column.radius)
    rows = max(len(column.nodes) for column in columns)
    gap = font * (4.2 if rows == 1 else 5.5 if rows == 2 else 7.0 + 0.9 * max(0, min(rows, 12) - 4))
    length = math.ceil(len(columns) / bands)
    for i in range(0, len(columns), length):
        band = columns[i : i + length]
        free = TEXT_WIDTH - 2 * (MARGIN + OVERHANG) - 2 * sum(c.half_width for c in band)
        gap = min(gap, free / max(len(band) - 1, 1))
        for column in band:
            column.band = i // length
    return gap


def _fit(
    layers: Sequence[LayerSketch], touched: set[Name], start: _Start, labels: Written
) -> tuple[list[_Column], float, float]:
    """The columns in the largest font, and with the largest gaps, at which they fit the page.

    Middle layers, far from the chosen one, are left out until they do.  A net of one neuron a layer
    is folded into bands before its letters become small; what is too wide is shrunk in the end.
    """
    last, chosen = len(layers) - 1, start.layer or 1
    wished, middle = {1, chosen + 1, last - 1}, (chosen + last) / 2
    spare = sorted(
        set(range(1, last + 1)) - {chosen - 1, chosen, last},
        key=lambda k: (k in wished, abs(k - middle), k),
    )
    columns: list[_Column] = []
    for count in (0, *range(2, len(spare) + 1)):  # dots for a single layer would save nothing
        columns = _columns(layers, touched, spare[:count])
        rows = max(len(column.nodes) for column in columns)
        for bands, font in itertools.product(range(1, MOST_BANDS + 1 if rows == 1 else 2), FONTS):
            gap = _sized(columns, labels, font, bands)
            radius = max(column.radius for column in columns)
            high = rows * (2 * radius + 0.9 * font) <= TALLEST or font == FONTS[-1]
            if gap >= (1.6 if rows == 1 else 3.4) * font and (high or rows == 1):
                return columns, font, gap
    gap = _sized(columns, labels, FONTS[-1], 1)
    return columns, FONTS[-1], max(gap, 3 * FONTS[-1])


@dataclass(frozen=True, slots=True)
class _Node:
    """A circle or pill with its names; lines meet its left cap and leave its right cap."""

    names: tuple[Name, ...]
    x: float
    y: float
    half_width: float
    radius: float
    kind: str

    @property
    def box(self) -> Box:
        """What it covers."""
        x, y = self.half_width, self.radius
        return (self.x - x, self.y - y, self.x + x, self.y + y)

    def port(self, side: int) -> Point:
        """The centre of the left (-1) or right (1) cap."""
        return (self.x + side * (self.half_width - self.radius), self.y)


@dataclass(frozen=True, slots=True)
class _Scene:
    """A network in which everything has a place, and by which names it is found."""

    start: _Start
    labels: Written
    columns: Sequence[_Column]
    font: float
    band_pitch: float  # from one band to the next: neurons, captions and the way back between them
    nodes: Sequence[_Node]
    by_name: Mapping[Name, _Node]

    def host(self, name: Name) -> Name | None:
        """The node a name is drawn at: itself, the dots of a hidden layer, or None."""
        if name in self.by_name:
            return name
        layer = int(name.indices[0]) if name.letter in ("a", "h") else 0
        before = [column for column in self.columns if 0 < column.layer <= layer]
        return before[-1].nodes[0][0] if before and before[-1].kind == "gap" else None

    def connections(self) -> Iterator[tuple[Name, Name, str]]:
        """Every (from, to, role) between neighbouring columns, whether or not a path uses it."""
        for left, right in itertools.pairwise(self.columns):
            role = "coupling" if (left.kind, right.kind) == ("a", "h") else "edge"
            for source, target in itertools.product(left.shown, right.shown):
                yield source[-1], target[0], role

    def first_names(self) -> tuple[Name, ...]:
        """Where the paths enter the network: a bias of a whole layer enters all its neurons."""
        start = self.start
        if start.kind == "node" and start.name:
            return (start.name,)
        columns = [c for c in self.columns if c.layer == start.layer and c.kind in ("a", "neuron")]
        return start.targets or tuple(names[0] for column in columns for names in column.shown)

    def stroke(
        self, ends: Hop, colour: str, width: float, *, offset: float = 0.0, **more
    ) -> Stroke:
        """The line from cap to cap, shifted sideways by ``offset`` (up is positive)."""
        one, other = self.by_name[ends[0]], self.by_name[ends[1]]
        (x0, y0), (x1, y1) = one.port(1), other.port(-1)
        if x1 < x0:
            start, stop = (x0 + one.radius, y0 - offset), (x1 - other.radius, y1 - offset)
            points = _way_back(start, stop, y1 - other.radius - 7.0 - offset)
        else:
            length = math.hypot(x1 - x0, y1 - y0)
            ux, uy = (x1 - x0) / length, (y1 - y0) / length
            nx, ny = uy * offset, -ux * offset
            out = math.sqrt(max(one.radius**2 - offset**2, 0.0))
            into = math.sqrt(max(other.radius**2 - offset**2, 0.0))
            points = (
                (x0 + nx + ux * out, y0 + ny + uy * out),
                (x1 + nx - ux * into, y1 + ny - uy * into),
            )
        return Stroke(points, colour, width, curved=len(points) > 2, ends=ends, **more)


Written = Callable[[Name], str]
"""The LaTeX of a name."""

Hop = tuple[Name, Name]


def _scene(
    layers: Sequence[LayerSketch], start: _Start, paths: Sequence[Sequence[Name]], labels: Written
) -> _Scene:
    """Find a place for each node; those of ``paths`` are shown even in a wide layer."""
    names = {name for name in (start.source, *start.targets) if name}
    names |= {name for path in paths for name in path}
    touched = {name for name in names if name.letter in ("x", "a", "h", "yhat")}
    columns, font, gap = _fit(layers, touched, start, labels)
    radius = max(column.radius for column in columns)
    pitch = 2 * radius + (1.5 if start.kind == "bias" else 0.9) * font
    band_pitch = 2 * radius + 4.2 * CAPTION + 10.0
    nodes, x = [], 0.0
    for i, column in enumerate(columns):
        if i and column.band > columns[i - 1].band:  # a new band starts at the left again
            x = 0.0
        column.x = x + column.half_width
        x += 2 * column.half_width + gap
        for row, own in enumerate(column.nodes):
            y = (row - (len(column.nodes) - 1) / 2) * pitch + column.band * band_pitch
            size = (column.half_width, column.radius, column.kind) if own else (1.0, 1.0, "dots")
            nodes.append(_Node(own, column.x, y, *size))
    by_name = {name: node for node in nodes for name in node.names}
    return _Scene(start, labels, columns, font, band_pitch, nodes, by_name)


# --------------------------------------------------------------------- a network: the whole picture


def network_figure(
    layers: Sequence[LayerSketch],
    chosen: Name | None,
    paths: Sequence[Sequence[Name]],
    path_total: int | str,
    labels: Written,
    *,
    loss: str = "loss",
) -> Figure:
    """Lay out a network, the chosen quantity and its paths to the loss.

    ``layers`` starts with the input.  ``paths`` lead from the chosen quantity to ``L``; where
    they are not all (``path_total`` is larger, or the LaTeX of a symbolic number) or too many for
    colours, they are drawn as one bundle.  ``labels`` gives the LaTeX of a name; ``loss`` is the
    caption of the last column.  Raises `ValueError` for a ``chosen`` that the network cannot have.
    """
    mode = _mode(paths, path_total)
    scene = _scene(layers, _start(chosen, layers), paths if mode != "bundle" else (), labels)
    styles = _style_indices(paths, mode)
    items = _network_items(scene, _routes(scene, paths, styles, mode), mode)
    texts = [one_line(text) for text in (*(layer.label for layer in layers), loss)]
    items += _captions(scene, texts, items)
    counts = [spoken(str(layer.units)) for layer in layers]
    return finished(
        items,
        kind="network",
        chosen=None if chosen is None else labels(chosen),
        total=path_total,
        mode=mode,
        styles=tuple(map(_style, styles)),
        parts=(*map(Part, texts, counts), Part(loss)),
    )


def _network_items(scene: _Scene, routes: Sequence[_Route], mode: str) -> list[Item]:
    """Everything but the captions, from the back to the front."""
    start, font = scene.start, scene.font
    items: list[Item] = []
    for left, right in itertools.pairwise(scene.columns):
        if (left.kind, right.kind) == ("a", "h"):  # a tinted box behind a coupled layer
            inside = [scene.by_name[names[0]].box for names in (*left.shown, *right.shown)]
            box = _hull_of(inside)
            x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            size = (x - box[0] + 0.45 * font, y - box[1] + 0.45 * font)
            items.append(Pill(x, y, *size, font, "figgroup", None, role="group"))
    colour = "figline" if start.kind == "none" else "figedge"
    for source, target, role in scene.connections():
        dash = (1.2, 1.2) if role == "coupling" else ()
        items.append(scene.stroke((source, target), colour, 0.45, dash=dash, role=role))
    lanes = list(_lanes(scene, routes))
    items += lanes
    if start.kind == "weight" and start.source:
        ends = (start.source, start.targets[0])
        items.append(scene.stroke(ends, "figfill", 4.4, role="casing"))
        items.append(scene.stroke(ends, "chosen", 2.4, role="chosen"))
    elif start.kind == "bias":  # arrows into its neurons
        for node in (scene.by_name[name] for name in scene.first_names()):
            (x, y), (ux, uy) = node.port(-1), (-0.62, 0.785)
            near, far = node.radius + 0.5, node.radius + 1.05 * font
            points = ((x + ux * far, y + uy * far), (x + ux * near, y + uy * near))
            items += arrow(points, "chosen", 1.8, role="chosen", ends=(None, node.names[0]))
    lit = {scene.by_name.get(name) for route in routes for name in route.names}
    lit |= {scene.by_name.get(name) for name in (start.source, *start.targets) if name}
    for node in scene.nodes:
        items += _node_items(scene, node, start.kind == "none" or node in lit)
    if mode == "each" and len(routes) > 1:
        items += _tags(scene, [lane for lane in lanes if lane.role == "path"], len(routes))
    return items + _chosen_labels(scene, items)


def _node_items(scene: _Scene, node: _Node, lit: bool) -> Iterator[Item]:
    """A neuron with its names, or three dots: down for units, to the right for layers left out."""
    x, y, radius, font, chosen = node.x, node.y, node.radius, scene.font, scene.start.name
    if node.kind in ("dots", "gap"):
        step, size = 0.42 * font, 0.085 * font
        for i in (-1, 0, 1):
            at = (x, y + i * step) if node.kind == "dots" else (x + i * step, y)
            names = node.names if i == 0 else ()
            yield Pill(*at, size, size, size, "figquiet", None, 0.0, "dots", names)
        return
    tone, line, width = ("figink", "figink", 0.9) if lit else ("figquiet", "figline", 0.5)
    yield Pill(x, y, node.half_width, radius, radius, "figfill", line, width, names=node.names)
    for side in (-1, 1):  # the half of the chosen quantity is tinted, its rim strong
        if chosen in node.names and (len(node.names) == 1 or node.names[side > 0] == chosen):
            cx, cy = node.port(side)
            angles = [math.pi * (i / 24 - 0.5) for i in range(25)]
            arc = [(cx + side * radius * math.cos(t), cy + radius * math.sin(t)) for t in angles]
            rim = ((x, y - radius), *arc, (x, y + radius))
            yield Area(rim, "chosentint", role="tint")
            yield Stroke(rim, "chosen", 1.6, role="chosen")
    centres = (x,)
    if node.kind == "neuron":
        yield Stroke(((x, y - radius), (x, y + radius)), line, 0.75 * width, role="bar")
        shift = 0.48 * node.half_width
        centres = (x - shift, x + shift)
    for centre, name in zip(centres, node.names, strict=True):
        yield centred(centre, y, scene.labels(name), font, "chosenink" if name == chosen else tone)


# ------------------------------------------------------------------ a network: paths, side by side


@dataclass(frozen=True, slots=True)
class _Route:
    """One coloured way through the picture: nodes in order, and the style it is drawn in."""

    names: tuple[Name, ...]
    style: int  # an index of PATH_STYLES, or -1 for the bundle


def _routes(
    scene: _Scene, paths: Sequence[Sequence[Name]], styles: Sequence[int], mode: str
) -> list[_Route]:
    """The paths as far as their nodes are drawn; of a bundle, every connection that is used.

    Those are found from the wiring (layers are dense): a sample of the paths would not do, since
    the first thousand may all leave through one neuron.
    """
    if mode != "bundle":
        hosts = [[host for name in path if (host := scene.host(name))] for path in paths]
        ways = [tuple(name for name, _ in itertools.groupby(names)) for names in hosts]
        return list(map(_Route, ways, styles))
    alive = {scene.by_name[name] for name in scene.first_names()}
    first = min((node.x for node in alive), default=math.inf)
    routes = []
    for source, target, _ in scene.connections():
        if scene.by_name[source] in alive and scene.by_name[source].x >= first:
            alive.add(scene.by_name[target])
            routes.append(_Route((source, target), -1))
    return routes


Place = tuple[tuple[float, ...], tuple[float, ...]]


def _lanes(scene: _Scene, routes: Sequence[_Route]) -> Iterator[Stroke]:
    """The paths as strokes: on a shared connection in the order that avoids crossings."""
    # for each connection and each style on it: how high the paths go on, and whence they come
    hops: dict[Hop, dict[int, list[Place]]] = defaultdict(lambda: defaultdict(list))
    for route in routes:
        heights = [scene.by_name[name].y for name in route.names]
        for i, hop in enumerate(itertools.pairwise(route.names)):
            if scene.by_name[hop[0]] is not scene.by_name[hop[1]]:
                place = (tuple(heights[i + 2 :]), tuple(reversed(heights[:i])))
                hops[hop][route.style].append(place)

    def mean(places: Sequence[Place]) -> Iterator[list[float]]:
        for rows in zip(*places, strict=True):  # a family's paths; one path is its own average
            columns = zip(*rows, strict=True)
            yield [round(sum(column) / len(column), 6) for column in columns]

    thin = any(route.style < 0 for route in routes)
    for hop, styles in hops.items():
        order = sorted(styles, key=lambda style: (*mean(styles[style]), style))
        radius = min(scene.by_name[name].radius for name in hop)
        gap = 2.6 if len(order) < 2 else min(2.6, 1.5 * radius / (len(order) - 1))
        if not thin:
            yield scene.stroke(hop, "figfill", len(order) * gap + 1.6, role="casing")
        for lane, style in enumerate(order):
            look, width = _style(style), 0.7 if thin else min(1.35, 0.7 * gap)
            yield scene.stroke(
                hop,
                look.name,
                width,
                offset=((len(order) - 1) / 2 - lane) * gap,
                dash=look.dash if len(order) <= FEW_PATHS else (),  # narrow lanes need no pattern
                role="path",
                path=None if thin else style,
            )


TAG_RADIUS, TAG = 4.4, 6.8


def _tags(scene: _Scene, strokes: Sequence[Stroke], count: int) -> list[Item]:
    """A small number on each path, where it runs alone and farthest from everything else."""
    together: dict[object, int] = defaultdict(int)
    for stroke in strokes:
        together[stroke.ends] += 1
    taken: list[tuple[float, Point]] = [(node.radius, node.port(0)) for node in scene.nodes]

    def clearance(spot: Point, others: Sequence[Stroke]) -> float:
        """Distance to the nearest tag, node or other path; beyond some points no more counts."""
        nearest = min(math.dist(spot, centre) - radius - TAG_RADIUS for radius, centre in taken)
        lines = math.inf
        for (x0, y0), (x1, y1) in (stroke.straight for stroke in others):
            dx, dy = x1 - x0, y1 - y0
            along = ((spot[0] - x0) * dx + (spot[1] - y0) * dy) / (dx**2 + dy**2)
            t = min(max(along, 0.0), 1.0)
            lines = min(lines, math.dist(spot, (x0 + dx * t, y0 + dy * t)))
        return round(min(nearest, 3.0) * 4 + min(lines, 12.0), 6)

    items: list[Item] = []
    for path in range(count):
        own = [stroke for stroke in strokes if stroke.path == path]
        fewest = min(together[stroke.ends] for stroke in own)
        spots = [
            (x0 + (x1 - x0) * t, y0 + (y1 - y0) * t)
            for stroke in own
            if together[stroke.ends] == fewest
            for (x0, y0), (x1, y1) in [stroke.straight]
            for t in (0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78, 0.15, 0.85)
        ]
        others = [stroke for stroke in strokes if stroke.path != path]
        x, y = max(spots, key=lambda spot: clearance(spot, others))
        taken.append((TAG_RADIUS, (x, y)))
        style = PATH_STYLES[path]
        wide = TAG_RADIUS + (1.8 if path > 8 else 0.0)  # for a second digit
        items += [
            Pill(x, y, wide, TAG_RADIUS, TAG_RADIUS, "figfill", style.name, 0.7, role="tag"),
            Label(x, y + 0.33 * TAG, str(path + 1), TAG, style.ink_name, role="tag"),
        ]
    return items


# ---------------------------------------------------------- a network: the chosen label, captions


def _chosen_labels(scene: _Scene, items: Sequence[Item]) -> list[Item]:
    """The name of the chosen weight or bias beside its line, on white over the faint lines."""
    start, font = scene.start, scene.font
    if start.kind not in ("weight", "bias") or start.name is None:
        return []
    text = scene.labels(start.name)
    block = typesetting.label(text, font)
    strokes = [item for item in items if isinstance(item, Stroke) and item.role == "chosen"]
    labels = []
    if start.kind == "bias":
        for x, y in (stroke.points[0] for stroke in strokes):
            at = (x - block.width / 2 - 1.6, y + 0.5 * font)
            labels.append(Label(*at, text, font, "chosenink"))
    else:
        (x0, y0), (x1, y1) = strokes[0].straight
        length = math.hypot(x1 - x0, y1 - y0)
        nx, ny = (y1 - y0) / length, -(x1 - x0) / length
        spots = []  # on either side, near the middle first, then farther off
        for away, t, side in itertools.product(
            (0.0, 2.0, 5.0, 9.0, 13.0, 17.0), (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74), (1, -1)
        ):
            reach = abs(nx) * block.width / 2 + abs(ny) * font * 0.5 + 2.6 + away
            x, y = x0 + (x1 - x0) * t + side * nx * reach, y0 + (y1 - y0) * t + side * ny * reach
            spot = centred(x, y, text, font, "chosenink")
            below = 0.0 if y0 != y1 or spot.y < y0 else 25.0  # one looks above a level line first
            spots.append((_crowding(spot, items) + below + 6.0 * away, spot))
        labels.append(min(spots, key=lambda spot: spot[0])[1])
    backed: list[Item] = []
    for label in labels:
        left, top, right, bottom = label.box
        size = ((right - left) / 2 + 0.8, (bottom - top) / 2 + 0.4, min(2.0, 0.2 * font))
        middle = ((left + right) / 2, (top + bottom) / 2)
        backed += [Pill(*middle, *size, "figfill", None, 0.0, role="back"), label]
    return backed


def _crowding(label: Label, items: Sequence[Item]) -> float:
    """How badly a label would stand: on nodes worst, on coloured lines bad, on faint ones a bit."""
    box = _grown(label.box, 1.0)
    cost = 0.0
    for item in items:
        if isinstance(item, Pill) and item.role in ("node", "dots"):
            left, top, right, bottom = item.box
            wide = max(min(box[2], right) - max(box[0], left), 0.0)
            cost += 20.0 * (wide * max(min(box[3], bottom) - max(box[1], top), 0.0))
        elif isinstance(item, Stroke) and item.role != "casing":
            weight = 12.0 if item.role in ("path", "chosen") else 0.5
            cost += weight * _length_inside(item.straight, box)
    return cost


def _length_inside(segment: tuple[Point, Point], box: Box) -> float:
    """How much of a segment lies in a box."""
    start, stop = segment
    low, high = 0.0, 1.0
    for axis in (0, 1):
        step = stop[axis] - start[axis]
        near, far = box[axis] - start[axis], box[axis + 2] - start[axis]
        if step == 0:
            low, high = (low, high) if near <= 0 <= far else (1.0, 0.0)
        else:
            first, second = sorted((near / step, far / step))
            low, high = max(low, first), min(high, second)
    return max(high - low, 0.0) * math.dist(start, stop)


def _captions(scene: _Scene, texts: Sequence[str], items: Sequence[Item]) -> list[Item]:
    """The words under the columns, broken into lines, as large as their places allow.

    Each stands in the middle of the columns of its layer, in the band where that begins.
    """
    spots: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for column in scene.columns:
        if column.kind != "gap":
            spots[column.layer].append((column.x, column.band))
    places = []
    for layer, found in spots.items():
        xs = [x for x, band in found if band == found[0][1]]
        places.append((sum(xs) / len(xs), found[0][1], texts[layer]))
    for size, stagger in ((CAPTION, 1), (7.0, 1), (7.0, 2)):
        rooms = _rooms(places, stagger)
        broken = [
            _wrapped(text, room, size) for (_, _, text), room in zip(places, rooms, strict=True)
        ]
        if all(
            _words_width(line, size) <= room
            for lines, room in zip(broken, rooms, strict=True)
            for line in lines
        ):
            break
    tallest = max(map(len, broken))
    base = max(item.box[3] for item in items) - scene.band_pitch * scene.columns[-1].band
    labels: list[Item] = []
    for i, ((x, band, _), lines) in enumerate(zip(places, broken, strict=True)):
        for row, line in enumerate(lines):
            y = (
                base
                + band * scene.band_pitch
                + (1.6 + 1.2 * (row + (i % stagger) * tallest)) * size
            )
            while len(line) > 1 and _words_width(line, size) > rooms[i]:
                line = line.removesuffix("…")[:-1] + "…"
            labels.append(Label(x, y, line, size, "figquiet", math=False, role="caption"))
    return labels


def _rooms(places: Sequence[tuple[float, int, str]], stagger: int) -> list[float]:
    """How wide each caption may be, its neighbours having as much; the page is the limit."""
    left, right = min(x for x, _, _ in places), max(x for x, _, _ in places)
    spare = (TEXT_WIDTH - 2 * MARGIN - (right - left)) / 2
    rooms = []
    for i, (x, band, _) in enumerate(places):
        others = [places[j] for j in (i - stagger, i + stagger) if 0 <= j < len(places)]
        near = [abs(x - other) for other, beside, _ in others if beside == band]
        rooms.append(min([*near, 2 * (min(x - left, right - x) + spare), 90.0]) - 4.0)
    return rooms


def _wrapped(text: str, room: float, size: float) -> list[str]:
    """Break before a bracket always, else where the line is full."""
    lines: list[str] = []
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and not word.startswith("(") and _words_width(joined, size) <= room:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines[:3]


def _words_width(text: str, size: float) -> float:
    return typesetting.label(text, size, math=False).width


# ------------------------------------------------------------ the graph of an [equations] file


@dataclass(slots=True, eq=False)
class _Spot:
    """A place in one column of the graph: a stage, the label of an edge, or a bend of a long edge.

    ``up`` and ``down`` are what it needs above and below its y, ``beyond`` the length of the arrow
    out of the last stage, with its value; ``before`` and ``after`` are its neighbours to the left
    and to the right.  Its x and y are found last.
    """

    column: int
    half_width: float
    up: float
    down: float
    bend: bool = False
    beyond: float = 0.0
    before: list[_Spot] = field(default_factory=list)
    after: list[_Spot] = field(default_factory=list)
    x: float = 0.0
    y: float = 0.0

    @property
    def right(self) -> float:
        """Where it ends; the last stage with its value."""
        return self.x + self.half_width + self.beyond


@dataclass(frozen=True, slots=True)
class _Edge:
    """An edge with the spots it runs through, and what stands above and below the first label."""

    ends: tuple[str, str]
    value: str | None
    lines: list[str]
    chain: tuple[_Spot, ...]


@dataclass(frozen=True, slots=True)
class _Drawing:
    """The graph with every place found; the first spots are those of the stages."""

    font: float
    spots: tuple[_Spot, ...]
    edges: tuple[_Edge, ...]

    @property
    def width(self) -> float:
        """From the left of the first stage to the tip of the arrow with the result."""
        left = min(spot.x - spot.half_width for spot in self.spots)
        return max(spot.right for spot in self.spots) - left + 2.0


BAND_LIMIT = TEXT_WIDTH - 2 * (MARGIN + 13.0)  # the way to the next band needs room at both sides


def graph_figure(
    nodes: Sequence[StageSketch],
    edges: Sequence[EdgeSketch],
    chosen: str | None = None,
) -> Figure:
    """Lay out named stages from left to right, the chain of the chosen one in colour.

    Above each edge stands the value of its source, below it the local derivative in symbols and in
    numbers.  Raises `ValueError` for an edge or a choice that is no stage, and for a circle of
    stages.
    """
    depths = _depths(nodes, edges, chosen)
    found = _graph_paths(edges, chosen)
    mode = "none" if chosen is None else _mode(found, len(found))
    mode = "bundle" if mode == "family" else mode
    styles = _style_indices(found, mode)
    # set as large as fits; a chain is folded into bands rather than set small
    looks = itertools.product((False, True), FONTS)
    drawings = [_drawing(nodes, edges, depths, font, stacked) for stacked, font in looks]
    drawing = next((d for d in drawings if d.width <= TEXT_WIDTH - 2 * MARGIN), drawings[-1])
    is_chain = edges and len(set(depths.values())) == len(nodes) == len(edges) + 1
    if is_chain and drawing.width > TEXT_WIDTH - 2 * MARGIN:
        drawing = drawings[0]
        _fold(drawing)
    return finished(
        _graph_items(drawing, nodes, chosen, found, styles),
        kind="graph",
        chosen=next((node.label for node in nodes if node.name == chosen), None),
        total=len(found),
        mode=mode,
        styles=tuple(map(_style, styles)),
        parts=tuple(Part(spoken(node.label), spoken(node.formula or "")) for node in nodes),
    )


def _depths(
    nodes: Sequence[StageSketch], edges: Sequence[EdgeSketch], chosen: str | None
) -> dict[str, int]:
    """Put each stage right of what it uses, and each leaf just left of its first use."""
    names = [node.name for node in nodes]
    used = {name for edge in edges for name in (edge.source, edge.target)}
    if missing := sorted((used | ({chosen} if chosen is not None else set())) - set(names)):
        listed = ", ".join(names)
        raise ValueError(f"the figure has no stage {missing[0]!r}: its stages are {listed}")
    depths = dict.fromkeys(names, 0)
    for _ in names:
        before = dict(depths)
        for edge in edges:
            depths[edge.target] = max(depths[edge.target], depths[edge.source] + 1)
        if depths == before:
            break
    if max(depths.values(), default=0) >= max(len(names), 1):
        raise ValueError("the stages of the figure use one another in a circle")
    targets = {edge.target for edge in edges}
    for name in names:
        uses = [depths[edge.target] for edge in edges if edge.source == name]
        if name not in targets and uses:
            depths[name] = min(uses) - 1
    return depths


def _graph_paths(edges: Sequence[EdgeSketch], chosen: str | None) -> list[tuple[str, ...]]:
    """All paths from the chosen stage, in the order of the edges; one too many is enough."""
    sources = {edge.source for edge in edges}
    done: list[tuple[str, ...]] = []
    stack = [(chosen,)] if chosen is not None else []
    while stack and len(done) <= MOST_PATHS:
        path = stack.pop()
        if path[-1] not in sources:
            done.append(path)
        stack += [(*path, e.target) for e in reversed(edges) if e.source == path[-1]]
    return done


def _drawing(
    stages: Sequence[StageSketch],
    edges: Sequence[EdgeSketch],
    depths: Mapping[str, int],
    font: float,
    stacked: bool,
) -> _Drawing:
    """Stages stand in the even columns; an edge has a spot in every column that it crosses."""
    spots: list[_Spot] = []
    for stage in stages:
        half_width, half_height, _ = _stage_size(stage, font)
        spots.append(
            _Spot(2 * depths[stage.name], half_width, half_height + 2.0, half_height + 2.0)
        )
    of_stage = {stage.name: (stage, spot) for stage, spot in zip(stages, spots, strict=True)}
    placed = []
    for edge in edges:
        (source, first), (_, last) = of_stage[edge.source], of_stage[edge.target]
        number = edge.number if edge.number != edge.derivative else None
        lines = [edge.partial, *(part for part in (edge.derivative, number) if part)]
        lines = [lines[0], *(f"= {line}" for line in lines[1:])] if stacked else [" = ".join(lines)]
        blocks = [typesetting.label(line, font) for line in lines]
        up, down = 5.0, sum(block.up + block.down + 2.0 for block in blocks) + 5.0
        if source.value:
            blocks.append(above := typesetting.label(source.value, font))
            up = above.up + above.down + 5.0
        half_width = max(block.width for block in blocks) / 2 + 2.0
        bends = range(first.column + 2, last.column)
        between = [_Spot(first.column + 1, half_width, up, down)]
        between += [_Spot(column, 0.0, 3.0, 3.0, bend=True) for column in bends]
        chain = (first, *between, last)
        for left, right in itertools.pairwise(chain):
            left.after.append(right)
            right.before.append(left)
        spots += between
        placed.append(_Edge((edge.source, edge.target), source.value, lines, chain))
    for stage, spot in of_stage.values():
        if stage.value is not None and not spot.after:
            spot.beyond = typesetting.label(stage.value, font).width + 1.4 * font
    columns = _ordered_columns(spots)
    for sweep in range(40):  # pull every spot to the middle of its neighbours, as far as it may go
        for column in columns if sweep % 2 == 0 else reversed(columns):
            wants = []
            for spot in column:
                near = [s.y for s in (spot.before if spot.bend else (*spot.before, *spot.after))]
                wants.append(sum(near) / len(near) if near else 0.0)
            gaps = [one.down + two.up + 0.3 * font for one, two in itertools.pairwise(column)]
            for spot, y in zip(column, _settled(wants, gaps), strict=True):
                spot.y = y
    for spot in spots:
        spot.y = round(spot.y, 6)
    x = 0.0
    for k, column in enumerate(columns):
        half = max(spot.half_width for spot in column)
        if k:  # where edges bend between two columns there is more room
            falls = (abs(spot.y - one.y) for spot in column for one in spot.before)
            x += 0.6 * font + min(0.5 * max(falls, default=0.0), 1.6 * font)
        for spot in column:
            spot.x = x + half
        x += 2 * half
    return _Drawing(font, tuple(spots), tuple(placed))


def _stage_size(stage: StageSketch, font: float) -> tuple[float, float, float]:
    """Half width, half height and corner radius of a stage."""
    label = typesetting.label(stage.label, font)
    if stage.formula is None:
        return max(1.2 * font, label.width / 2 + 0.5 * font), 1.2 * font, 1.2 * font
    formula = typesetting.label(stage.formula, 0.9 * font)
    half_width = max(label.width, formula.width) / 2 + 0.5 * font
    half_height = (1.45 * font + formula.up + formula.down) / 2 + 0.3 * font
    return half_width, half_height, 0.45 * font


def _ordered_columns(spots: Sequence[_Spot]) -> list[list[_Spot]]:
    """Order each column so that edges cross little: by the mean rank of the neighbours."""
    columns: list[list[_Spot]] = [[] for _ in range(max(spot.column for spot in spots) + 1)]
    for spot in spots:
        columns[spot.column].append(spot)
    ranks = {spot: r / len(column) for column in columns for r, spot in enumerate(column)}
    for sweep in range(6):
        forward = sweep % 2 == 0

        def mean_rank(spot: _Spot, forward: bool = forward) -> float:
            near = spot.before if forward else spot.after
            return sum(ranks[s] for s in near) / len(near) if near else ranks[spot]

        for column in columns if forward else reversed(columns):
            column.sort(key=mean_rank)
            ranks.update((spot, r / len(column)) for r, spot in enumerate(column))
    return columns


def _settled(wants: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """The places nearest to ``wants`` (least squares) that keep the ``gaps``: pooled neighbours."""
    shifts = [0.0, *itertools.accumulate(gaps)]
    pools: list[tuple[float, int]] = []
    for want, shift in zip(wants, shifts, strict=True):
        mean, count = want - shift, 1
        while pools and pools[-1][0] > mean:
            before, many = pools.pop()
            mean, count = (before * many + mean * count) / (many + count), many + count
        pools.append((mean, count))
    level = [mean for mean, count in pools for _ in range(count)]
    return [y + shift for y, shift in zip(level, shifts, strict=True)]


def _fold(drawing: _Drawing) -> None:
    """Break a chain that is too long into bands of about the same length, one below the other."""
    chains = sorted((edge.chain for edge in drawing.edges), key=lambda chain: chain[0].column)
    order = [chains[0][0], *(spot for chain in chains for spot in chain[1:])]
    left = order[0].x - order[0].half_width

    def breaks(limit: float) -> list[int]:
        """The edge labels with which a new band begins when no band is longer than ``limit``."""
        start, found = left, []
        for i in range(1, len(order) - 1, 2):
            if order[i + 1].right - start > limit:
                found.append(i)
                start = order[i].x - order[i].half_width
        return found

    few = breaks(BAND_LIMIT)
    tries = (breaks(BAND_LIMIT * k / 20) for k in range(8, 20))
    few = next((found for found in tries if len(found) == len(few)), few)
    pitch = max(s.up for s in drawing.spots) + max(s.down for s in drawing.spots) + 16.0
    shift, band = 0.0, 0
    for i, spot in enumerate(order):
        if i in few:
            shift, band = spot.half_width - spot.x, band + 1
        spot.x, spot.y = spot.x + shift, band * pitch
        spot.x += left if band else 0.0


def _graph_items(
    drawing: _Drawing,
    stages: Sequence[StageSketch],
    chosen: str | None,
    paths: Sequence[Sequence[str]],
    styles: Sequence[int],
) -> list[Item]:
    """The edges with their labels, then the stages; the lanes of the paths side by side."""
    used: dict[tuple[str, str], dict[int, None]] = defaultdict(dict)
    for path, style in zip(paths, styles, strict=True):
        for hop in itertools.pairwise(path):
            used[hop][style] = None
    font, items = drawing.font, []
    for edge in drawing.edges:
        own = list(used[edge.ends])
        for lane, style in enumerate(own):
            points = _edge_points(drawing, edge, (lane - (len(own) - 1) / 2) * 2.8)
            look, more = _style(style), {"ends": edge.ends, "curved": True, "path": max(style, 0)}
            items += arrow(points, look.name, 1.3, role="path", dash=look.dash, **more)
        if not own:
            points = _edge_points(drawing, edge, 0.0)
            items += arrow(points, "figline", 0.7, role="edge", ends=edge.ends, curved=True)
        colour = "figquiet" if chosen is not None and not own else "figink"
        colour = _style(own[0]).ink_name if len(own) == 1 else colour
        label = edge.chain[1]
        if edge.value:
            y = label.y - 3.5 - typesetting.label(edge.value, font).down
            items.append(Label(label.x, y, edge.value, font, "figink", role="value"))
        y = label.y + 3.5
        for line in edge.lines:
            block = typesetting.label(line, font)
            items.append(Label(label.x, y + block.up, line, font, colour, role="derivative"))
            y += block.up + block.down + 2.0
    lit = {name for path in paths for name in path}
    for stage, spot in zip(stages, drawing.spots, strict=False):
        look = ("figfill", "figline", "figquiet", 0.6)
        if stage.name == chosen:
            look = ("chosentint", "chosen", "chosenink", 1.6)
        elif chosen is None or stage.name in lit:
            look = ("figfill", "figink", "figink", 0.9)
        items += _stage_items(stage, spot, font, *look)
    return items


def _edge_points(drawing: _Drawing, edge: _Edge, lane: float) -> tuple[Point, ...]:
    """Bézier curves that leave and arrive level, and run level past the labels.

    A lane lies ``lane`` lower; where the edge falls it bends later, so that lanes stay apart.
    """
    first, *between, last = edge.chain
    stops = [(first.x + first.half_width, first.y + _fan(drawing, edge, 0))]
    for spot in between:
        half = spot.half_width
        stops += [(spot.x - half, spot.y), (spot.x + half, spot.y)] if half else [(spot.x, spot.y)]
    stops.append((last.x - last.half_width - 0.8, last.y + _fan(drawing, edge, -1)))
    points = [(stops[0][0], stops[0][1] + lane)]
    for (x0, y0), (x1, y1) in itertools.pairwise(stops):
        if x1 < x0:
            height = y1 - max(spot.up for spot in drawing.spots) - 6.0
            points += _way_back((x0, y0 + lane), (x1, y1 + lane), height + lane)[1:]
            continue
        middle = (x0 + x1) / 2 - lane * (y1 > y0) + lane * (y1 < y0)
        points += [(middle, y0 + lane), (middle, y1 + lane), (x1, y1 + lane)]
    return tuple(points)


def _fan(drawing: _Drawing, edge: _Edge, end: int) -> float:
    """Where on the side of a stage an edge ends, so that several do not meet in a point."""
    stage = edge.chain[end]
    sharing = [one for one in drawing.edges if one.chain[end] is stage]
    sharing.sort(key=lambda one: one.chain[1 if end == 0 else -2].y)
    step = min(0.55 * drawing.font, 1.4 * stage.up / len(sharing))
    place = next(i for i, one in enumerate(sharing) if one is edge)
    return (place - (len(sharing) - 1) / 2) * step


def _stage_items(
    stage: StageSketch, spot: _Spot, font: float, fill: str, line: str, tone: str, width: float
) -> Iterator[Item]:
    """A stage with its formula; the value of the last one on an arrow out of the graph."""
    x, y = spot.x, spot.y
    half_width, half_height, radius = _stage_size(stage, font)
    yield Pill(x, y, half_width, half_height, radius, fill, line, width, names=(stage.name,))
    if stage.formula is None:
        yield centred(x, y, stage.label, font, tone)
    else:
        top = y - half_height + 1.15 * font
        block = typesetting.label(stage.formula, 0.9 * font)
        yield Label(x, top, stage.label, font, tone)
        yield Label(x, top + 0.5 * font + block.up, stage.formula, 0.9 * font, "figquiet")
    if stage.value and not spot.after:
        start = x + half_width
        yield from arrow(((start, y), (start + spot.beyond, y)), "figline", 0.7, role="result")
        above = y - 3.5 - typesetting.label(stage.value, font).down
        yield Label(start + 0.45 * spot.beyond, above, stage.value, font, "figink", role="value")
