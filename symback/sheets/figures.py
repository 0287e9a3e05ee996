r"""Pictures of a network with one quantity chosen, and of a computation graph with its numbers.

Here one can

* lay out a network, the chosen weight and every path from it to the loss: `network_figure`;
* lay out named stages with values above and derivatives below the edges: `graph_figure`;
* print either as TikZ (`tikz`, its colours once a document: `preamble`) or as a self-contained
  SVG (`svg`), and say in words what it shows (`caption`);
* colour text like the paths of the picture: `PATH_STYLES`, `Figure.styles`.

A `Figure` is finished geometry in TeX points, y pointing down: `Stroke`, `Pill`, `Area` and
`Label` in drawing order.  Both templates only spell it out, so the two pictures cannot differ.
What goes in is plain data: a node of a path is a `Name`, its letter and its indices; whoever asks
for the figure says how a name is written.

A neuron is one circle ``a | h``.  Where the activation couples the neurons of a layer (softmax)
that would hide the paths that cross from a_21 to ŷ_2, so there a and h are two columns, all joined.

Sheets use `environment` and `template_dir`, so that templates are found in one place only.
"""

from __future__ import annotations

import functools
import itertools
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

__all__ = [
    "BUNDLE_STYLE",
    "CHOSEN_STYLE",
    "COLOURS",
    "DARK_COLOURS",
    "PATH_STYLES",
    "TEXT_WIDTH",
    "Area",
    "EdgeSketch",
    "Figure",
    "Label",
    "LayerSketch",
    "Name",
    "PathStyle",
    "Pill",
    "StageSketch",
    "Stroke",
    "caption",
    "described",
    "environment",
    "escape_tex",
    "escape_xml",
    "graph_figure",
    "network_figure",
    "preamble",
    "svg",
    "template_dir",
    "tikz",
]

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


# --------------------------------------------------------------------------- colours and dashes


@dataclass(frozen=True, slots=True)
class PathStyle:
    """How one path is drawn: ``name`` is a LaTeX colour and a CSS class, ``hex`` its colour.

    ``ink`` is the same hue, dark enough for text on white (LaTeX colour ``<name>ink``), ``dark``
    the hue for lines and text on a dark page; ``dash`` is on, off, … in points, empty for a solid
    line, so that grey print differs too.
    """

    name: str
    hex: str
    ink: str
    dark: str
    dash: tuple[float, ...] = ()

    @property
    def ink_name(self) -> str:
        """The LaTeX colour of text in this style."""
        return f"{self.name}ink"


# Okabe and Ito's palette, told apart by nearly everyone; without yellow, which is lost on white,
# and without vermillion, which marks the chosen quantity.  Orange, sky blue and purple are darkened
# until a line has a contrast of 3 to 1 with the page.
_HUES = (
    ("0072B2", "005F96", "5AAEE8"),  # blue
    ("009E73", "00775A", "2DBE93"),  # bluish green
    ("C66E9F", "A8447C", "DB8FB8"),  # reddish purple
    ("C27C00", "946600", "E6A117"),  # orange
    ("3A93C9", "1F78AE", "A5D8F5"),  # sky blue
    ("4D4D4D", "4D4D4D", "C4C4C4"),  # grey, for black
)
_DASHES = ((), (5.0, 1.8), (5.0, 1.6, 1.2, 1.6), (2.4, 1.4), (8.0, 2.0), (1.3, 1.3))

PATH_STYLES = tuple(
    PathStyle(f"path{turn * len(_HUES) + i + 1}", *hue, _DASHES[(i + 3 * turn) % len(_DASHES)])
    for turn in range(2)
    for i, hue in enumerate(_HUES)
)
"""One style a path; the second half repeats the colours with other dashes, so no two are alike."""

CHOSEN_STYLE = PathStyle("chosen", "D55E00", "B34F00", "F5894A")
BUNDLE_STYLE = PathStyle("bundle", "4A90BF", "2F6F9F", "7FB3D5")

_GREYS = {  # on a light page, on a dark one
    "figink": ("1C1C1C", "E8EAED"),
    "figquiet": ("6A6A6A", "B4BAC2"),
    "figline": ("888888", "8F959D"),
    "figedge": ("8C8C8C", "868C94"),
    "figgroup": ("F4F2EC", "242A31"),
    "figfill": ("FFFFFF", "171B21"),
    "chosentint": ("FBE3D1", "4B2B17"),
}
_STYLES = (*PATH_STYLES, CHOSEN_STYLE, BUNDLE_STYLE)
COLOURS: Mapping[str, str] = {name: light for name, (light, _) in _GREYS.items()} | {
    name: value
    for style in _STYLES
    for name, value in ((style.name, style.hex), (style.ink_name, style.ink))
}
"""Every colour of every figure: LaTeX name → RRGGBB."""

DARK_COLOURS: Mapping[str, str] = {name: dark for name, (_, dark) in _GREYS.items()} | {
    name: style.dark for style in _STYLES for name in (style.name, style.ink_name)
}
"""The same on a dark page; an SVG takes each colour from the CSS variable of its name."""


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
        half = self.width / 2
        return _grown(_hull(self.points), half)


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
    def box(self) -> Box:
        """What it covers by the font's usual widths, as left, top, right, bottom."""
        block = _set_label(self.text, self.size, self.math)
        half = block.width / 2
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


def _hull(points: Iterable[Point]) -> Box:
    xs, ys = zip(*points, strict=True)
    return (min(xs), min(ys), max(xs), max(ys))


def _grown(box: Box, by: float) -> Box:
    return (box[0] - by, box[1] - by, box[2] + by, box[3] + by)


def _overlap(one: Box, other: Box) -> float:
    """Return the area that two boxes share."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0.0) * max(high, 0.0)


def _moved(item: Item, dx: float, dy: float, scale: float) -> Item:
    if isinstance(item, Stroke | Area):
        points = tuple(((x + dx) * scale, (y + dy) * scale) for x, y in item.points)
        return replace(item, points=points)
    sized = {"x": (item.x + dx) * scale, "y": (item.y + dy) * scale}
    names = {field.name for field in fields(item)} & {"half_width", "half_height", "radius", "size"}
    return replace(item, **sized, **{name: getattr(item, name) * scale for name in names})


MARGIN = 3.0


def _finished(items: Sequence[Item], **what) -> Figure:
    """Move everything into the first quadrant; shrink what no font size could make fit."""
    left, top, right, bottom = _hull(
        point for item in items for point in (item.box[:2], item.box[2:])
    )
    scale = min(1.0, (TEXT_WIDTH - 2 * MARGIN) / (right - left))
    dx, dy = MARGIN / scale - left, MARGIN / scale - top
    return Figure(
        width=(right - left) * scale + 2 * MARGIN,
        height=(bottom - top) * scale + 2 * MARGIN,
        items=tuple(_moved(item, dx, dy, scale) for item in items),
        **what,
    )


# --------------------------------------------------------------------------- names of the nodes


def _name(letter: str, *indices: int | str) -> Name:
    return Name(letter, tuple(map(str, indices)))


@dataclass(frozen=True, slots=True)
class _Start:
    """Where the paths begin: the kind of the chosen quantity and the nodes it touches."""

    kind: str  # "none", "weight", "bias" or "node"
    name: Name | None = None
    source: Name | None = None
    targets: tuple[Name, ...] = ()
    layer: int | None = None


def _start(chosen: Name | None, layers: Sequence[LayerSketch]) -> _Start:
    if chosen is None:
        return _Start("none")
    reader = {"w": _weight_start, "b": _bias_start}.get(chosen.letter, _node_start)
    start = reader(chosen, layers)
    if start is None:
        raise ValueError(
            f"the figure has no place for {str(chosen)!r}: expected None or the name of a weight, "
            f"bias, input or neuron of a network with {len(layers) - 1} layers, such as w_111"
        )
    return start


def _layer_number(text: str, layers: Sequence[LayerSketch]) -> int | None:
    return int(text) if text.isdecimal() and 1 <= int(text) < len(layers) else None


def _weight_start(name: Name, layers: Sequence[LayerSketch]) -> _Start | None:
    layer = _layer_number(name.indices[0], layers) if len(name.indices) == 3 else None
    if layer is None:
        return None
    source = _leaving(layer - 1, name.indices[2], len(layers) - 1)
    return _Start("weight", name, source, (_name("a", layer, name.indices[1]),), layer)


def _bias_start(name: Name, layers: Sequence[LayerSketch]) -> _Start | None:
    """A bias of one neuron (layer and neuron), or one for the whole layer (the layer alone)."""
    layer = _layer_number(name.indices[0], layers) if len(name.indices) in (1, 2) else None
    if layer is None:
        return None
    own = (Name("a", name.indices),) if len(name.indices) == 2 else ()
    return _Start("bias", name, None, own, layer)


def _node_start(name: Name, layers: Sequence[LayerSketch]) -> _Start | None:
    last = len(layers) - 1
    if name.letter in ("x", "yhat") and len(name.indices) == 1:
        return _Start("node", name, name, (), 0 if name.letter == "x" else last)
    if name.letter not in ("a", "h") or len(name.indices) != 2:
        return None
    layer = _layer_number(name.indices[0], layers)
    return None if layer is None else _Start("node", name, name, (), layer)


def _leaving(layer: int, unit: int | str, last: int) -> Name:
    """Name what leaves a unit: the input, an activation, or an output."""
    if layer == 0:
        return _name("x", unit)
    return _name("yhat", unit) if layer == last else _name("h", layer, unit)


Written = Callable[[Name], str]
"""The LaTeX of a name."""

# ------------------------------------------------------------------------ what of it is to show


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of nodes: ``units`` are index texts, None for vertical dots."""

    kind: str  # "input", "neuron", "a", "h", "gap" or "loss"
    layer: int
    units: tuple[str | None, ...]
    last: bool = False

    def entry(self, unit: str) -> Name:
        """Name what arrows into this node reach."""
        if self.kind in ("neuron", "a"):
            return _name("a", self.layer, unit)
        return self.exit(unit)

    def exit(self, unit: str) -> Name:
        """Name what arrows out of this node leave."""
        if self.kind in ("loss", "gap"):
            return Name("L") if self.kind == "loss" else _gap_name(self.layer)
        if self.kind == "a":
            return _name("a", self.layer, unit)
        if self.kind == "input":
            return _name("x", unit)
        return _name("yhat", unit) if self.last else _name("h", self.layer, unit)

    def names(self, unit: str) -> tuple[Name, ...]:
        """Name all path nodes of one circle."""
        return tuple(dict.fromkeys((self.entry(unit), self.exit(unit))))

    @property
    def shown(self) -> tuple[str, ...]:
        """The units that are drawn."""
        return tuple(unit for unit in self.units if unit is not None)


def _gap_name(layer: int) -> Name:
    """Name the dots that stand for hidden layers, of which this is the first."""
    return _name("gap", layer)


MOST_UNITS = 8  # a layer with more shows its first, its last and what the paths touch


def _units_shown(units: int | str, touched: Iterable[str]) -> tuple[str | None, ...]:
    """Choose the units to draw, in order, with None where some are left out."""
    if isinstance(units, int) and units <= MOST_UNITS:
        return tuple(str(i) for i in range(1, units + 1))
    kept = {"1", "2", str(units), *touched}
    if isinstance(units, int) and len(kept) < 4:
        kept |= {"3"}
    kept |= {str(int(unit) - 1) for unit in kept if _alone(unit, kept)}
    order = sorted(kept, key=lambda unit: _rank(unit, units))
    shown: list[str | None] = [order[0]]
    for before, unit in itertools.pairwise(order):
        if not _adjacent(before, unit):
            shown.append(None)
        shown.append(unit)
    return tuple(shown)


def _rank(unit: str, units: int | str) -> tuple[int, int, str]:
    if unit == str(units):
        return (2, 0, unit)
    return (0, int(unit), "") if unit.isdecimal() else (1, 0, unit)


def _adjacent(before: str, unit: str) -> bool:
    return before.isdecimal() and unit.isdecimal() and int(unit) - int(before) == 1


def _alone(unit: str, kept: set[str]) -> bool:
    """Say whether dots before this unit would stand for one single unit."""
    if not unit.isdecimal() or int(unit) < 3:
        return False
    return str(int(unit) - 1) not in kept and str(int(unit) - 2) in kept


def _columns(layers: Sequence[LayerSketch], touched: set[Name], hidden: set[int]) -> list[_Column]:
    last = len(layers) - 1
    columns = [_Column("input", 0, _touched_units(0, layers, touched))]
    for k in range(1, last + 1):
        if k in hidden:
            if columns[-1].kind != "gap":
                columns.append(_Column("gap", k, ("",)))
            continue
        units = _touched_units(k, layers, touched)
        kinds = ("a", "h") if layers[k].coupled else ("neuron",)
        columns += [_Column(kind, k, units, last=k == last) for kind in kinds]
    return [*columns, _Column("loss", last + 1, ("",))]


def _touched_units(
    layer: int, layers: Sequence[LayerSketch], touched: set[Name]
) -> tuple[str | None, ...]:
    """The units to show in a layer: any that a touched name belongs to, and the usual few."""
    last = len(layers) - 1
    units = layers[layer].units
    found = []
    for name in sorted(touched):
        own = name.letter in ("a", "h") and name.indices[0] == str(layer)
        if own or (name.letter == "x" and layer == 0) or (name.letter == "yhat" and layer == last):
            found.append(name.indices[-1])
    return _units_shown(units, found)


# --------------------------------------------------------------------------------- how to colour


@dataclass(frozen=True, slots=True)
class _Route:
    """One coloured way through the picture: nodes in order, and the style it is drawn in."""

    names: tuple[Name, ...]
    style: int  # an index of PATH_STYLES, or -1 for the bundle


MOST_PATHS = len(PATH_STYLES)
MOST_FAMILIES = len(_HUES)


def _mode(paths: Sequence[Sequence[Node]], total: int | str) -> str:
    """Decide on a colour a path, a colour a first fork, or one bundle; or no paths at all."""
    if not paths and total in (0, "0", ""):
        return "none"
    if total != len(paths):
        return "bundle"
    if len(paths) <= MOST_PATHS:
        return "each"
    families = set(_families(paths))
    small = len(families) <= MOST_FAMILIES and len({n for path in paths for n in path}) <= 40
    return "family" if small and len(paths) > len(families) > 1 else "bundle"


def _families(paths: Sequence[Sequence[Node]]) -> list[Node]:
    """For each path, the node at which it leaves the way that all have in common."""
    depth = next((i for i, names in enumerate(zip(*paths, strict=False)) if len(set(names)) > 1), 0)
    return [path[depth] for path in paths]


def _style_indices(paths: Sequence[Sequence[Node]], mode: str) -> list[int]:
    if mode == "each":
        return list(range(len(paths)))
    if mode != "family":
        return [-1] * len(paths)
    order = list(dict.fromkeys(families := _families(paths)))
    return [order.index(family) for family in families]


def _style(index: int) -> PathStyle:
    return BUNDLE_STYLE if index < 0 else PATH_STYLES[index]


# -------------------------------------------------------------------------------- where it stands


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
class _Grid:
    """Sizes that fit the page; ``bands`` says in which band, from above, each column stands."""

    font: float
    gap: float
    half_widths: tuple[float, ...]
    radii: tuple[float, ...]
    bands: tuple[int, ...]

    def centres(self) -> list[float]:
        """The x of each column; a new band starts at the left again."""
        found, x = [], 0.0
        for i, half in enumerate(self.half_widths):
            x = 0.0 if i and self.bands[i] > self.bands[i - 1] else x
            found.append(x + half)
            x += 2 * half + self.gap
        return found

    @property
    def band_pitch(self) -> float:
        """From one band to the next: the neurons, the captions and the way back between them."""
        return 2 * max(self.radii) + 4.2 * CAPTION + 10.0


FONTS = (10.0, 9.0)
OVERHANG = 14.0  # what captions and the way to the next band may stand out at the sides
CAPTION = 8.0
TALLEST = 330.0
MOST_BANDS = 4


def _grid(columns: Sequence[_Column], labels: Written) -> _Grid | None:
    """Return the largest sizes at which the columns fit the page, or None."""
    rows = max(len(column.units) for column in columns)
    if rows == 1:
        return _thin_grid(columns, labels)
    for font in FONTS:
        grid = _sized(columns, labels, font, 1)
        high = rows * (2 * max(grid.radii) + 0.9 * font) <= TALLEST or font == FONTS[-1]
        if grid.gap >= 3.4 * font and high:
            return grid
    return None


def _thin_grid(columns: Sequence[_Column], labels: Written) -> _Grid | None:
    """A net of one neuron a layer is folded into bands before its letters become small."""
    for bands, font in itertools.product(range(1, MOST_BANDS + 1), FONTS[:2]):
        grid = _sized(columns, labels, font, bands)
        if grid.gap >= 1.6 * font:
            return grid
    return None


def _sized(columns: Sequence[_Column], labels: Written, font: float, bands: int) -> _Grid:
    halves, radii = _sizes(columns, labels, font)
    length = math.ceil(len(columns) / bands)
    rows = max(len(column.units) for column in columns)
    gap = font * (4.2 if rows == 1 else 5.5 if rows == 2 else 7.0 + 0.9 * max(0, min(rows, 12) - 4))
    for i in range(0, len(columns), length):
        band = halves[i : i + length]
        free = TEXT_WIDTH - 2 * (MARGIN + OVERHANG) - 2 * sum(band)
        gap = min(gap, free / max(len(band) - 1, 1))
    return _Grid(font, gap, halves, radii, tuple(i // length for i in range(len(columns))))


def _sizes(
    columns: Sequence[_Column], labels: Written, font: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Half width and radius of the nodes of each column; nearly round ones become round."""
    wanted = [_needed(column, labels, font) for column in columns]
    rounds = {}
    for double in (False, True):
        least = font * (1.6 if double else 1.3)
        near = [w for w, c in zip(wanted, columns, strict=True) if (c.kind == "neuron") == double]
        rounds[double] = max([least, *(w for w in near if w <= 1.35 * least)])
    radii = [rounds[column.kind == "neuron"] for column in columns]
    return tuple(max(w, r) for w, r in zip(wanted, radii, strict=True)), tuple(radii)


def _needed(column: _Column, labels: Written, font: float) -> float:
    names = [name for unit in column.shown for name in column.names(unit)]
    if column.kind == "gap":
        return font
    widest = max(_set_label(labels(name), font, math=True).width for name in names)
    return widest + 0.62 * font if column.kind == "neuron" else widest / 2 + 0.6 * font


def _fit(
    layers: Sequence[LayerSketch], touched: set[Name], start: _Start, labels: Written
) -> tuple[list[_Column], _Grid]:
    """Leave out middle layers, far from the chosen one, until the picture fits the page."""
    last = len(layers) - 1
    chosen = start.layer or 1
    needed, wished = {0, chosen - 1, chosen, last}, {1, chosen + 1, last - 1}
    middle = (chosen + last) / 2
    spare = set(range(1, last + 1)) - needed
    spare = sorted(spare, key=lambda k: (k in wished, abs(k - middle), k))
    columns = _columns(layers, touched, set())
    if grid := _grid(columns, labels):
        return columns, grid
    for count in range(2, len(spare) + 1):  # dots in place of a single layer would save nothing
        columns = _columns(layers, touched, set(spare[:count]))
        if grid := _grid(columns, labels):
            return columns, grid
    grid = _sized(columns, labels, FONTS[-1], 1)  # too wide: shrunk in the end
    return columns, replace(grid, gap=max(grid.gap, 3 * FONTS[-1]))


def _row_pitch(grid: _Grid, start: _Start) -> float:
    air = 0.9 if start.kind != "bias" else 1.5
    return 2 * max(grid.radii) + air * grid.font


def _nodes(columns: Sequence[_Column], grid: _Grid, pitch: float) -> Iterator[_Node]:
    sizes = zip(columns, grid.centres(), grid.half_widths, grid.radii, grid.bands, strict=True)
    for column, x, half, radius, band in sizes:
        for row, unit in enumerate(column.units):
            y = (row - (len(column.units) - 1) / 2) * pitch + band * grid.band_pitch
            if unit is None:
                yield _Node((), x, y, 1.0, 1.0, "dots")
            else:
                yield _Node(column.names(unit), x, y, half, radius, column.kind)


# ------------------------------------------------------------------------------ the whole picture


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
    start = _start(chosen, layers)
    mode = _mode(paths, path_total)
    touched = _touched(start, paths, mode)
    columns, grid = _fit(layers, touched, start, labels)
    nodes = list(_nodes(columns, grid, _row_pitch(grid, start)))
    scene = _Scene(columns, nodes, {name: node for node in nodes for name in node.names}, grid)
    routes = _routes(scene, start, paths, mode)
    items = _network_items(scene, start, routes, mode, labels)
    items += _captions(scene, layers, loss, items)
    return _finished(
        items,
        kind="network",
        chosen=None if chosen is None else labels(chosen),
        total=path_total,
        mode=mode,
        styles=tuple(_style(index) for index in _style_indices(paths, mode)),
        parts=(*map(_layer_part, layers), Part(loss)),
    )


def _layer_part(layer: LayerSketch) -> Part:
    return Part(_one_line(layer.label), _spoken(str(layer.units)))


@dataclass(frozen=True, slots=True)
class _Scene:
    """Everything that has a place, and by which names it is found."""

    columns: Sequence[_Column]
    nodes: Sequence[_Node]
    by_name: Mapping[Name, _Node]
    grid: _Grid

    def host(self, name: Name) -> Name | None:
        """The node a name is drawn at: itself, the dots of a hidden layer, or None."""
        if name in self.by_name:
            return name
        return self._gap(int(name.indices[0])) if name.letter in ("a", "h") else None

    def _gap(self, layer: int) -> Name | None:
        gaps = [column.layer for column in self.columns if column.kind == "gap"]
        shown = {column.layer for column in self.columns if column.kind != "gap"}
        if layer in shown:
            return None
        before = [gap for gap in gaps if gap <= layer]
        return _gap_name(before[-1]) if before else None


def _touched(start: _Start, paths: Sequence[Sequence[Name]], mode: str) -> set[Name]:
    """Names whose nodes must be shown even in a wide layer."""
    names = {name for name in (start.source, *start.targets) if name}
    if mode != "bundle":
        names |= {name for path in paths for name in path}
    return {name for name in names if name.letter in ("x", "a", "h", "yhat")}


def _network_items(
    scene: _Scene, start: _Start, routes: Sequence[_Route], mode: str, labels: Written
) -> list[Item]:
    lit = {node for route in routes for node in map(scene.by_name.get, route.names)}
    lit |= {scene.by_name.get(name) for name in (start.source, *start.targets) if name}
    lit |= set(scene.nodes) if start.kind == "none" else set()
    lanes = list(_lanes(scene, routes))
    items: list[Item] = [*_groups(scene), *_links(scene, start), *lanes]
    items += _chosen_strokes(scene, start)
    for node in scene.nodes:
        items += _node_items(node, node in lit, start.name, labels, scene.grid.font)
    if mode == "each" and len(routes) > 1:
        items += _tags(scene, [item for item in lanes if item.role == "path"], len(routes))
    return items + _chosen_labels(scene, start, items, labels)


def _connections(scene: _Scene) -> Iterator[tuple[Name, Name, str]]:
    """Every (from, to, role) between neighbouring columns, whether or not a path uses it."""
    for left, right in itertools.pairwise(scene.columns):
        role = "coupling" if (left.kind, right.kind) == ("a", "h") else "edge"
        for source, target in itertools.product(left.shown, right.shown):
            yield left.exit(source), right.entry(target), role


def _links(scene: _Scene, start: _Start) -> Iterator[Stroke]:
    colour = "figline" if start.kind == "none" else "figedge"
    for source, target, role in _connections(scene):
        dash = (1.2, 1.2) if role == "coupling" else ()
        ends = (source, target)
        points = _line(scene.by_name[source], scene.by_name[target], 0.0)
        yield Stroke(points, colour, 0.45, dash, len(points) > 2, role, ends)


def _line(one: _Node, other: _Node, offset: float) -> tuple[Point, ...]:
    """Return the line from cap to cap, shifted sideways by ``offset`` (up is positive)."""
    (x0, y0), (x1, y1) = one.port(1), other.port(-1)
    if x1 < x0:
        start, stop = (x0 + one.radius, y0 - offset), (x1 - other.radius, y1 - offset)
        return _way_back(start, stop, y1 - other.radius - 7.0 - offset)
    length = math.hypot(x1 - x0, y1 - y0)
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    nx, ny = uy * offset, -ux * offset
    out = math.sqrt(max(one.radius**2 - offset**2, 0.0))
    into = math.sqrt(max(other.radius**2 - offset**2, 0.0))
    return (
        (x0 + nx + ux * out, y0 + ny + uy * out),
        (x1 + nx - ux * into, y1 + ny - uy * into),
    )


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


def _straight(stroke: Stroke) -> tuple[Point, Point]:
    """The long straight part of a stroke: all of it, or the way back between two bands."""
    return (
        (stroke.points[6], stroke.points[3])
        if stroke.curved
        else (stroke.points[0], stroke.points[-1])
    )


def _groups(scene: _Scene) -> Iterator[Pill]:
    """A tinted box behind the two columns of a coupled layer."""
    font = scene.grid.font
    for left, right in itertools.pairwise(scene.columns):
        if (left.kind, right.kind) == ("a", "h"):
            inside = [n for c in (left, right) for u in c.shown for n in [scene.by_name[c.exit(u)]]]
            box = _hull(point for node in inside for point in (node.box[:2], node.box[2:]))
            x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            half_width, half_height = x - box[0] + 0.45 * font, y - box[1] + 0.45 * font
            yield Pill(x, y, half_width, half_height, font, "figgroup", None, role="group")


# ------------------------------------------------------------------------------ paths, side by side


def _routes(
    scene: _Scene, start: _Start, paths: Sequence[Sequence[Name]], mode: str
) -> list[_Route]:
    if mode == "bundle":
        return [_Route(pair, -1) for pair in _reached(scene, start)]
    routes = []
    for path, style in zip(paths, _style_indices(paths, mode), strict=True):
        names = [host for name in path if (host := scene.host(name))]
        routes.append(_Route(tuple(name for name, _ in itertools.groupby(names)), style))
    return routes


def _reached(scene: _Scene, start: _Start) -> Iterator[tuple[Name, Name]]:
    """Every shown connection that some path uses, found from the wiring: layers are dense.

    A sample of the paths would not do: the first thousand may all leave through one neuron.
    """
    alive = {scene.by_name[name] for name in _first_nodes(scene, start)}
    start_column = min((node.x for node in alive), default=math.inf)
    for source, target, _ in _connections(scene):
        if scene.by_name[source] in alive and scene.by_name[source].x >= start_column:
            alive.add(scene.by_name[target])
            yield source, target


def _first_nodes(scene: _Scene, start: _Start) -> tuple[Name, ...]:
    if start.kind == "node" and start.name:
        return (start.name,)
    if start.targets:
        return start.targets
    columns = [c for c in scene.columns if c.layer == start.layer and c.kind in ("a", "neuron")]
    return tuple(column.entry(unit) for column in columns for unit in column.shown)


Hop = tuple[Name, Name]
Place = tuple[tuple[float, ...], tuple[float, ...]]


def _hops(scene: _Scene, routes: Sequence[_Route]) -> dict[Hop, dict[int, list[Place]]]:
    """For each connection and each style on it: how high the paths go on, and whence they come."""
    hops: dict[Hop, dict[int, list[Place]]] = defaultdict(lambda: defaultdict(list))
    for route in routes:
        heights = [scene.by_name[name].y for name in route.names]
        for i, hop in enumerate(itertools.pairwise(route.names)):
            if scene.by_name[hop[0]] is not scene.by_name[hop[1]]:
                place = (tuple(heights[i + 2 :]), tuple(reversed(heights[:i])))
                hops[hop][route.style].append(place)
    return hops


def _lanes(scene: _Scene, routes: Sequence[_Route]) -> Iterator[Stroke]:
    """The paths as strokes: on a shared connection in the order that avoids crossings."""
    thin = any(route.style < 0 for route in routes)
    for hop, styles in _hops(scene, routes).items():
        order = sorted(styles, key=lambda style: (_mean_place(styles[style]), style))
        one, other = scene.by_name[hop[0]], scene.by_name[hop[1]]
        gap = _lane_gap(len(order), min(one.radius, other.radius))
        if not thin:
            wide = len(order) * gap + 1.6
            middle = _line(one, other, 0.0)
            yield Stroke(middle, "figfill", wide, (), len(middle) > 2, "casing", hop)
        for lane, style in enumerate(order):
            offset = ((len(order) - 1) / 2 - lane) * gap
            width = 0.7 if thin else min(1.35, 0.7 * gap)
            look, points = _style(style), _line(one, other, offset)
            dash = look.dash if len(order) <= MOST_FAMILIES else ()  # narrow lanes need no pattern
            path = None if thin else style
            yield Stroke(points, look.name, width, dash, len(points) > 2, "path", hop, path)


def _lane_gap(count: int, radius: float) -> float:
    return 2.6 if count < 2 else min(2.6, 1.5 * radius / (count - 1))


def _mean_place(places: Sequence[Place]) -> Place:
    """Average the heights of a family's paths, so that one path is its own average."""
    forward, backward = zip(*places, strict=True)
    return tuple(_mean_rows(forward)), tuple(_mean_rows(backward))


def _mean_rows(rows: Sequence[tuple[float, ...]]) -> Iterator[float]:
    for column in zip(*rows, strict=True):
        yield round(sum(column) / len(column), 6)


# ------------------------------------------------------------------------------- nodes and labels


def _node_items(
    node: _Node, lit: bool, chosen: Name | None, labels: Written, font: float
) -> list[Item]:
    if node.kind in ("dots", "gap"):
        return list(_dots(node, font))
    colour, line = ("figink", "figink") if lit else ("figquiet", "figline")
    width = 0.9 if lit else 0.5
    shape = Pill(
        node.x,
        node.y,
        node.half_width,
        node.radius,
        node.radius,
        "figfill",
        line,
        width,
        names=node.names,
    )
    items: list[Item] = [shape]
    if chosen in node.names:
        items += _chosen_half(node, chosen)
    if node.kind == "neuron":
        top, bottom = (node.x, node.y - node.radius), (node.x, node.y + node.radius)
        items.append(Stroke((top, bottom), line, 0.75 * width, role="bar"))
    for x, name in zip(_label_centres(node), node.names, strict=True):
        tone = "chosenink" if name == chosen else colour
        items.append(_centred(x, node.y, labels(name), font, tone))
    return items


def _label_centres(node: _Node) -> tuple[float, ...]:
    if node.kind != "neuron":
        return (node.x,)
    shift = 0.48 * node.half_width
    return (node.x - shift, node.x + shift)


def _centred(x: float, y: float, text: str, size: float, colour: str) -> Label:
    """A label whose small letters, not whose box, stand centred: rows keep one baseline."""
    return Label(x, y + 0.22 * size, text, size, colour)


def _dots(node: _Node, font: float) -> Iterator[Pill]:
    """Three dots: downwards for units, to the right for layers left out."""
    step, size = 0.42 * font, 0.085 * font
    for i in (-1, 0, 1):
        dx, dy = (0.0, i * step) if node.kind == "dots" else (i * step, 0.0)
        yield Pill(
            node.x + dx,
            node.y + dy,
            size,
            size,
            size,
            "figquiet",
            None,
            0.0,
            role="dots",
            names=node.names if i == 0 else (),
        )


def _chosen_half(node: _Node, chosen: Name | None) -> Iterator[Item]:
    """Tint the part of the node that stands for the chosen quantity and draw its rim strong."""
    sides = (-1, 1) if len(node.names) == 1 else ((-1,) if node.names[0] == chosen else (1,))
    for side in sides:
        rim = _half_rim(node, side)
        yield Area(rim, "chosentint", role="tint")
        yield Stroke(rim, "chosen", 1.6, role="chosen")


def _half_rim(node: _Node, side: int) -> tuple[Point, ...]:
    cx, cy = node.port(side)
    angles = [math.pi * (i / 24 - 0.5) for i in range(25)]
    arc = [(cx + side * node.radius * math.cos(t), cy + node.radius * math.sin(t)) for t in angles]
    return ((node.x, node.y - node.radius), *arc, (node.x, node.y + node.radius))


def _chosen_strokes(scene: _Scene, start: _Start) -> list[Item]:
    """The chosen weight as a strong line, or the chosen bias as arrows into its neurons."""
    if start.kind == "weight" and start.source:
        ends = (start.source, start.targets[0])
        points = _line(scene.by_name[ends[0]], scene.by_name[ends[1]], 0.0)
        return [
            Stroke(points, "figfill", 4.4, (), len(points) > 2, "casing", ends),
            Stroke(points, "chosen", 2.4, (), len(points) > 2, "chosen", ends),
        ]
    if start.kind != "bias":
        return []
    nodes = [scene.by_name[name] for name in _first_nodes(scene, start)]
    return [item for node in nodes for item in _bias_arrow(node, scene.grid.font)]


_BIAS_DIRECTION = (-0.62, 0.785)  # from the centre of a neuron, to where its bias arrow starts


def _bias_arrow(node: _Node, font: float) -> list[Item]:
    (x, y), (ux, uy) = node.port(-1), _BIAS_DIRECTION
    near, far = node.radius + 0.5, node.radius + 1.05 * font
    tip, tail = (x + ux * near, y + uy * near), (x + ux * far, y + uy * far)
    return _arrow((tail, tip), "chosen", 1.8, role="chosen", ends=(None, node.names[0]))


def _arrow(
    points: tuple[Point, ...],
    colour: str,
    width: float,
    *,
    role: str,
    ends=None,
    curved=False,
    dash=(),
    path=None,
) -> list[Item]:
    """A stroke that ends in a filled head; the stroke stops inside the head."""
    (x0, y0), (x1, y1) = points[-2:]
    length = math.hypot(x1 - x0, y1 - y0) or 1.0
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    long, wide = 2.2 + 2.4 * width, 1.1 + 1.0 * width
    base = (x1 - ux * long, y1 - uy * long)
    head = (
        (x1, y1),
        (base[0] - uy * wide, base[1] + ux * wide),
        (base[0] + uy * wide, base[1] - ux * wide),
    )
    shaft = (*points[:-1], (x1 - ux * long * 0.8, y1 - uy * long * 0.8))
    return [
        Stroke(shaft, colour, width, dash, curved, role, ends, path),
        Area(head, colour),
    ]


# ------------------------------------------------------------------------------------ free places


def _chosen_labels(
    scene: _Scene, start: _Start, items: Sequence[Item], labels: Written
) -> list[Item]:
    if start.kind not in ("weight", "bias") or start.name is None:
        return []
    text, font = labels(start.name), scene.grid.font
    strokes = [item for item in items if isinstance(item, Stroke) and item.role == "chosen"]
    if start.kind == "bias":
        return [item for stroke in strokes for item in _bias_label(stroke, text, font)]
    level = _straight(strokes[0])[0][1] if len({y for _, y in _straight(strokes[0])}) == 1 else None
    spots = _spots_beside(strokes[0], text, font)
    prices = (
        (_crowding(spot, items) + _below(spot, level) + 6.0 * away, i, spot)
        for i, (away, spot) in enumerate(spots)
    )
    return _backed(min(prices, key=lambda price: price[:2])[2], font)


def _bias_label(stroke: Stroke, text: str, font: float) -> list[Item]:
    x, y = stroke.points[0]
    block = _set_label(text, font, math=True)
    label = Label(x - block.width / 2 - 1.6, y + 0.5 * font, text, font, "chosenink")
    return _backed(label, font)


def _spots_beside(stroke: Stroke, text: str, font: float) -> Iterator[tuple[float, Label]]:
    """Places for the label of a line: on either side, near the middle first, then farther off."""
    (x0, y0), (x1, y1) = _straight(stroke)
    length = math.hypot(x1 - x0, y1 - y0)
    nx, ny = (y1 - y0) / length, -(x1 - x0) / length
    block = _set_label(text, font, math=True)
    for away, t, side in itertools.product(
        (0.0, 2.0, 5.0, 9.0, 13.0, 17.0), (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74), (1, -1)
    ):
        reach = abs(nx) * block.width / 2 + abs(ny) * font * 0.5 + 2.6 + away
        x, y = x0 + (x1 - x0) * t + side * nx * reach, y0 + (y1 - y0) * t + side * ny * reach
        yield away, _centred(x, y, text, font, "chosenink")


def _below(label: Label, level: float | None) -> float:
    """The price of a place below a level line: above is where a reader looks first."""
    return 0.0 if level is None or label.y < level else 25.0


def _crowding(label: Label, items: Sequence[Item]) -> float:
    """How badly a label would stand: on nodes worst, on coloured lines bad, on faint ones a bit."""
    box = _grown(label.box, 1.0)
    cost = 0.0
    for item in items:
        if isinstance(item, Pill) and item.role in ("node", "dots"):
            cost += 20.0 * _overlap(box, item.box)
        elif isinstance(item, Stroke) and item.role != "casing":
            weight = 12.0 if item.role in ("path", "chosen") else 0.5
            cost += weight * _length_inside(_straight(item), box)
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


def _backed(label: Label, font: float) -> list[Item]:
    """The label, on white that covers the faint lines under it."""
    x0, y0, x1, y1 = label.box
    size = ((x1 - x0) / 2 + 0.8, (y1 - y0) / 2 + 0.4)
    back = Pill(
        (x0 + x1) / 2, (y0 + y1) / 2, *size, min(2.0, 0.2 * font), "figfill", None, 0.0, role="back"
    )
    return [back, label]


TAG_RADIUS, TAG = 4.4, 6.8


def _tags(scene: _Scene, strokes: Sequence[Stroke], count: int) -> list[Item]:
    """A small number on each path, where it runs alone and farthest from everything else."""
    together = defaultdict(int)
    for stroke in strokes:
        together[stroke.ends] += 1
    taken: list[tuple[float, Point]] = [(node.radius, node.port(0)) for node in scene.nodes]
    items: list[Item] = []
    for path in range(count):
        own = [stroke for stroke in strokes if stroke.path == path]
        fewest = min(together[stroke.ends] for stroke in own)
        spots = [
            spot for stroke in own if together[stroke.ends] == fewest for spot in _tag_spots(stroke)
        ]
        others = [stroke for stroke in strokes if stroke.path != path]
        x, y = max(spots, key=lambda spot: _clearance(spot, taken, others))
        taken.append((TAG_RADIUS, (x, y)))
        items += _tag(x, y, path)
    return items


def _tag_spots(stroke: Stroke) -> Iterator[Point]:
    (x0, y0), (x1, y1) = _straight(stroke)
    for t in (0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78, 0.15, 0.85):
        yield (x0 + (x1 - x0) * t, y0 + (y1 - y0) * t)


def _clearance(
    spot: Point, taken: Sequence[tuple[float, Point]], others: Sequence[Stroke]
) -> float:
    """Distance to the nearest tag, node or other path; beyond some points more is no better."""
    nearest = min(math.dist(spot, centre) - radius - TAG_RADIUS for radius, centre in taken)
    lines = min((_distance(spot, stroke) for stroke in others), default=math.inf)
    return round(min(nearest, 3.0) * 4 + min(lines, 12.0), 6)


def _distance(point: Point, stroke: Stroke) -> float:
    (x0, y0), (x1, y1) = _straight(stroke)
    along = ((point[0] - x0) * (x1 - x0) + (point[1] - y0) * (y1 - y0)) / (
        (x1 - x0) ** 2 + (y1 - y0) ** 2
    )
    t = min(max(along, 0.0), 1.0)
    return math.dist(point, (x0 + (x1 - x0) * t, y0 + (y1 - y0) * t))


def _tag(x: float, y: float, path: int) -> list[Item]:
    style = PATH_STYLES[path]
    wide = TAG_RADIUS + (1.8 if path > 8 else 0.0)  # for a second digit
    disc = Pill(x, y, wide, TAG_RADIUS, TAG_RADIUS, "figfill", style.name, 0.7, role="tag")
    return [disc, Label(x, y + 0.33 * TAG, str(path + 1), TAG, style.ink_name, role="tag")]


# --------------------------------------------------------------------------------------- captions


def _captions(
    scene: _Scene, layers: Sequence[LayerSketch], loss: str, items: Sequence[Item]
) -> list[Item]:
    """The words under the columns, broken into lines, as large as their places allow."""
    places = _caption_places(scene, layers, loss)
    for size, stagger in ((CAPTION, 1), (7.0, 1), (7.0, 2)):
        rooms = _rooms(places, stagger)
        lines = [
            _wrapped(place.text, room, size) for place, room in zip(places, rooms, strict=True)
        ]
        if all(
            _words_width(line, size) <= room
            for ls, room in zip(lines, rooms, strict=True)
            for line in ls
        ):
            break
    tallest = max(len(ls) for ls in lines)
    base = max(item.box[3] for item in items) - scene.grid.band_pitch * scene.grid.bands[-1]
    return [
        Label(
            place.x,
            base
            + place.band * scene.grid.band_pitch
            + (1.6 + 1.2 * (row + (i % stagger) * tallest)) * size,
            _cut(line, room, size),
            size,
            "figquiet",
            math=False,
            role="caption",
        )
        for i, (place, ls, room) in enumerate(zip(places, lines, rooms, strict=True))
        for row, line in enumerate(ls)
    ]


@dataclass(frozen=True, slots=True)
class _CaptionPlace:
    x: float
    band: int
    text: str


def _caption_places(scene: _Scene, layers: Sequence[LayerSketch], loss: str) -> list[_CaptionPlace]:
    """Under each layer, in the middle of its columns, in the band where it begins."""
    spots: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for column, x, band in zip(scene.columns, scene.grid.centres(), scene.grid.bands, strict=True):
        if column.kind != "gap":
            spots[column.layer].append((x, band))
    texts = [_one_line(layer.label) for layer in layers] + [_one_line(loss)]
    places = []
    for layer, found in spots.items():
        xs = [x for x, band in found if band == found[0][1]]
        places.append(_CaptionPlace(sum(xs) / len(xs), found[0][1], texts[layer]))
    return places


def _rooms(places: Sequence[_CaptionPlace], stagger: int) -> list[float]:
    """How wide each caption may be, its neighbours having as much; the page is the limit."""
    left, right = min(place.x for place in places), max(place.x for place in places)
    spare = (TEXT_WIDTH - 2 * MARGIN - (right - left)) / 2
    rooms = []
    for i, place in enumerate(places):
        others = [places[j] for j in (i - stagger, i + stagger) if 0 <= j < len(places)]
        near = [abs(place.x - other.x) for other in others if other.band == place.band]
        edge = 2 * (min(place.x - left, right - place.x) + spare)
        rooms.append(min([*near, edge, 90.0]) - 4.0)
    return rooms


def _one_line(text: str) -> str:
    """A user's words without control characters and runs of blanks."""
    shown = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    return " ".join(shown.split())


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


def _cut(line: str, room: float, size: float) -> str:
    while len(line) > 1 and _words_width(line, size) > room:
        line = line.removesuffix("…")[:-1] + "…"
    return line


def _words_width(text: str, size: float) -> float:
    return _set_label(text, size, math=False).width


# ------------------------------------------------------------ the graph of an [equations] file


@dataclass(frozen=True, slots=True)
class _Spot:
    """A place in one column of the graph: a stage, the label of an edge, or a bend of a long edge.

    ``up`` and ``down`` are what it needs above and below its y; ``before`` and ``after`` are the
    positions, in the list of all spots, of its neighbours to the left and to the right.
    """

    column: int
    half_width: float
    up: float
    down: float
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    bend: bool = False


@dataclass(frozen=True, slots=True)
class _Look:
    """How large the graph is set, and whether a derivative is broken into lines."""

    font: float
    stacked: bool


LOOKS = tuple(
    _Look(font, stacked)
    for font, stacked in (
        (10.0, False),
        (9.0, False),
        (10.0, True),
        (9.0, True),
    )
)
BAND_LIMIT = TEXT_WIDTH - 2 * (MARGIN + 13.0)  # the way to the next band needs room at both sides


def graph_figure(
    nodes: Sequence[StageSketch],
    edges: Sequence[EdgeSketch],
    chosen: str | None = None,
    paths: Sequence[Sequence[str]] | None = None,
    path_total: int | str | None = None,
) -> Figure:
    """Lay out named stages from left to right, the chain of the chosen one in colour.

    Above each edge stands the value of its source, below it the local derivative in symbols and in
    numbers.  ``paths`` are names from ``chosen`` to the last stage; left out, they are found here.
    Raises `ValueError` for an edge or a choice that is no stage, and for a circle of stages.
    """
    depths = _depths(nodes, edges, chosen)
    found = _graph_paths(edges, chosen) if paths is None else paths
    total = len(found) if path_total is None else path_total
    mode = "none" if chosen is None else _mode(found, total)
    mode = "bundle" if mode == "family" else mode
    drawing = _fitting_drawing(nodes, edges, depths)
    by_name = {node.name: node for node in nodes}
    return _finished(
        _graph_items(drawing, chosen, found, mode),
        kind="graph",
        chosen=None if chosen is None else by_name[chosen].label,
        total=total,
        mode=mode,
        styles=tuple(_style(index) for index in _style_indices(found, mode)),
        parts=tuple(Part(_spoken(node.label), _spoken(node.formula or "")) for node in nodes),
    )


def _fitting_drawing(
    nodes: Sequence[StageSketch], edges: Sequence[EdgeSketch], depths: Mapping[str, int]
) -> _Drawing:
    """Set the graph as large as fits; a chain is folded into bands rather than set small."""
    chain = len(set(depths.values())) == len(nodes) == len(edges) + 1
    drawings = [_graph_drawing(nodes, edges, depths, look) for look in LOOKS]
    fitting = (d for d in drawings if d.width <= TEXT_WIDTH - 2 * MARGIN)
    return next(fitting, _folded(drawings[0]) if chain else drawings[-1])


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


@dataclass(frozen=True, slots=True)
class _Drawing:
    """The graph with every place found: spots, their x and y, the chain of spots of each edge."""

    nodes: tuple[StageSketch, ...]
    edges: tuple[EdgeSketch, ...]
    look: _Look
    spots: tuple[_Spot, ...]
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    chains: tuple[tuple[int, ...], ...]

    @property
    def width(self) -> float:
        """From the left of the first stage to the tip of the arrow with the result."""
        left = min(x - spot.half_width for x, spot in zip(self.xs, self.spots, strict=True))
        return max(map(self.right, range(len(self.spots)))) - left + 2.0

    def right(self, i: int) -> float:
        """Where a spot ends; the last stage with its value."""
        end = self.xs[i] + self.spots[i].half_width
        value = self.nodes[i].value if i < len(self.nodes) else None
        if value is None or self.spots[i].after:
            return end
        return end + _result_length(value, self.look.font)


def _graph_drawing(
    nodes: Sequence[StageSketch],
    edges: Sequence[EdgeSketch],
    depths: Mapping[str, int],
    look: _Look,
) -> _Drawing:
    spots, chains = _spots(nodes, edges, depths, look)
    columns = _ordered_columns(spots)
    ys = _heights(spots, columns, look)
    xs = _column_centres(spots, columns, ys, look)
    return _Drawing(
        tuple(nodes),
        tuple(edges),
        look,
        spots,
        tuple(xs[spot.column] for spot in spots),
        ys,
        chains,
    )


def _spots(
    nodes: Sequence[StageSketch],
    edges: Sequence[EdgeSketch],
    depths: Mapping[str, int],
    look: _Look,
) -> tuple[tuple[_Spot, ...], tuple[tuple[int, ...], ...]]:
    """Stages stand in the even columns; an edge has a spot in every column that it crosses."""
    spots = [_stage_spot(node, 2 * depths[node.name], look) for node in nodes]
    position = {node.name: i for i, node in enumerate(nodes)}
    values = {node.name: node.value for node in nodes}
    chains = []
    for edge in edges:
        start, stop = 2 * depths[edge.source], 2 * depths[edge.target]
        chain = [position[edge.source]]
        for column in range(start + 1, stop):
            label = column == start + 1
            chain.append(len(spots))
            spots.append(
                _edge_spot(edge, values[edge.source], column, look)
                if label
                else _Spot(column, 0.0, 3.0, 3.0, bend=True)
            )
        chains.append((*chain, position[edge.target]))
    for chain in chains:
        for left, right in itertools.pairwise(chain):
            spots[left] = replace(spots[left], after=(*spots[left].after, right))
            spots[right] = replace(spots[right], before=(*spots[right].before, left))
    return tuple(spots), tuple(chains)


def _stage_spot(node: StageSketch, column: int, look: _Look) -> _Spot:
    half_width, half_height, _ = _stage_size(node, look)
    return _Spot(column, half_width, half_height + 2.0, half_height + 2.0)


def _stage_size(node: StageSketch, look: _Look) -> tuple[float, float, float]:
    """Half width, half height and corner radius of a stage."""
    label = _set_label(node.label, look.font, math=True)
    if node.formula is None:
        round_ = max(1.2 * look.font, label.width / 2 + 0.5 * look.font)
        return round_, 1.2 * look.font, 1.2 * look.font
    formula = _set_label(node.formula, 0.9 * look.font, math=True)
    half_width = max(label.width, formula.width) / 2 + 0.5 * look.font
    return (
        half_width,
        (1.45 * look.font + formula.up + formula.down) / 2 + 0.3 * look.font,
        0.45 * look.font,
    )


def _edge_spot(edge: EdgeSketch, value: str | None, column: int, look: _Look) -> _Spot:
    below = [_set_label(line, look.font, math=True) for line in _edge_lines(edge, look)]
    above = _set_label(value, look.font, math=True) if value else None
    width = max([block.width for block in below] + ([above.width] if above else []), default=0.0)
    down = sum(block.up + block.down + 2.0 for block in below) + 5.0
    up = (above.up + above.down if above else 0.0) + 5.0
    return _Spot(column, width / 2 + 2.0, up, down)


def _edge_lines(edge: EdgeSketch, look: _Look) -> list[str]:
    """What stands below an edge: one line, or one for each expression."""
    parts = [edge.partial]
    parts += [part for part in (edge.derivative,) if part]
    parts += [edge.number] if edge.number and edge.number != edge.derivative else []
    if not look.stacked:
        return [" = ".join(parts)]
    return [parts[0], *(f"= {part}" for part in parts[1:])]


def _ordered_columns(spots: Sequence[_Spot]) -> list[list[int]]:
    """Order each column so that edges cross little: by the mean rank of the neighbours."""
    columns = [[] for _ in range(max(spot.column for spot in spots) + 1)]
    for i, spot in enumerate(spots):
        columns[spot.column].append(i)
    ranks = {i: rank / len(column) for column in columns for rank, i in enumerate(column)}
    for sweep in range(6):
        forward = sweep % 2 == 0
        for column in columns if forward else reversed(columns):
            column.sort(key=functools.partial(_mean_rank, spots, ranks, forward))
            ranks.update((i, rank / len(column)) for rank, i in enumerate(column))
    return columns


def _mean_rank(spots: Sequence[_Spot], ranks: Mapping[int, float], forward: bool, i: int) -> float:
    near = spots[i].before if forward else spots[i].after
    return sum(ranks[j] for j in near) / len(near) if near else ranks[i]


def _heights(
    spots: Sequence[_Spot], columns: Sequence[Sequence[int]], look: _Look
) -> tuple[float, ...]:
    """Pull every spot to the middle of its neighbours, as far as the spots beside it allow."""
    ys = [0.0] * len(spots)
    for sweep in range(40):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            wants = [_mean_height(spots[i], ys) for i in column]
            gaps = [
                spots[i].down + spots[j].up + 0.3 * look.font for i, j in itertools.pairwise(column)
            ]
            for i, y in zip(column, _settled(wants, gaps), strict=True):
                ys[i] = y
    return tuple(round(y, 6) for y in ys)


def _mean_height(spot: _Spot, ys: Sequence[float]) -> float:
    near = [ys[j] for j in (spot.before if spot.bend else (*spot.before, *spot.after))]
    return sum(near) / len(near) if near else 0.0


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


def _column_centres(
    spots: Sequence[_Spot], columns: Sequence[Sequence[int]], ys: Sequence[float], look: _Look
) -> list[float]:
    """The x of each column; where edges bend between two columns there is more room."""
    centres, x = [], 0.0
    for k, column in enumerate(columns):
        half = max(spots[i].half_width for i in column)
        if k:
            bends = (
                max(abs(ys[i] - ys[j]) for i in column for j in spots[i].before)
                if any(spots[i].before for i in column)
                else 0.0
            )
            x += 0.6 * look.font + min(0.5 * bends, 1.6 * look.font)
        centres.append(x + half)
        x += 2 * half
    return centres


def _folded(drawing: _Drawing) -> _Drawing:
    """Break a chain that is too long into bands of about the same length, one below the other."""
    order = [drawing.chains[0][0], *(i for chain in _in_order(drawing) for i in chain[1:])]
    breaks = _breaks(drawing, order, BAND_LIMIT)
    tries = (_breaks(drawing, order, BAND_LIMIT * k / 20) for k in range(8, 20))
    breaks = next((found for found in tries if len(found) == len(breaks)), breaks)
    pitch = max(s.up for s in drawing.spots) + max(s.down for s in drawing.spots) + 16.0
    xs, ys, shift, band = list(drawing.xs), list(drawing.ys), 0.0, 0
    for i in order:
        if i in breaks:
            shift, band = drawing.spots[i].half_width - drawing.xs[i], band + 1
        xs[i], ys[i] = drawing.xs[i] + shift, band * pitch
    left = drawing.xs[order[0]] - drawing.spots[order[0]].half_width
    xs = [x + (left if y else 0.0) for x, y in zip(xs, ys, strict=True)]
    return replace(drawing, xs=tuple(xs), ys=tuple(ys))


def _in_order(drawing: _Drawing) -> list[tuple[int, ...]]:
    return sorted(drawing.chains, key=lambda chain: drawing.spots[chain[0]].column)


def _breaks(drawing: _Drawing, order: Sequence[int], limit: float) -> list[int]:
    """The edge labels with which a new band begins when no band is longer than ``limit``."""
    start = drawing.xs[order[0]] - drawing.spots[order[0]].half_width
    found = []
    for label, stage in zip(order[1::2], order[2::2], strict=True):
        if drawing.right(stage) - start > limit:
            found.append(label)
            start = drawing.xs[label] - drawing.spots[label].half_width
    return found


def _graph_items(
    drawing: _Drawing, chosen: str | None, paths: Sequence[Sequence[str]], mode: str
) -> list[Item]:
    used = _edge_styles(paths, mode)
    items: list[Item] = []
    for number, edge in enumerate(drawing.edges):
        styles = used.get((edge.source, edge.target), [])
        items += _edge_strokes(drawing, number, styles)
        items += _edge_labels(drawing, number, styles, quiet=chosen is not None)
    lit = {name for path in paths for name in path}
    for i, node in enumerate(drawing.nodes):
        items += _stage_items(drawing, i, node.name == chosen, chosen is None or node.name in lit)
    return items


def _edge_styles(paths: Sequence[Sequence[str]], mode: str) -> dict[tuple[str, str], list[int]]:
    used: dict[tuple[str, str], list[int]] = defaultdict(list)
    for path, style in zip(paths, _style_indices(paths, mode), strict=True):
        for hop in itertools.pairwise(path):
            if style not in used[hop]:
                used[hop].append(style)
    return used


def _edge_strokes(drawing: _Drawing, number: int, styles: Sequence[int]) -> list[Item]:
    edge = drawing.edges[number]
    ends = (edge.source, edge.target)
    if not styles:
        points = _edge_points(drawing, number, 0.0)
        return _arrow(points, "figline", 0.7, role="edge", ends=ends, curved=True)
    items: list[Item] = []
    for lane, style in enumerate(styles):
        points = _edge_points(drawing, number, (lane - (len(styles) - 1) / 2) * 2.8)
        look, more = _style(style), {"ends": ends, "curved": True, "path": max(style, 0)}
        items += _arrow(points, look.name, 1.3, role="path", dash=look.dash, **more)
    return items


def _edge_points(drawing: _Drawing, number: int, lane: float) -> tuple[Point, ...]:
    """Bézier curves that leave and arrive level, and run level past the labels.

    A lane lies ``lane`` lower; where the edge falls it bends later, so that lanes stay apart.
    """
    stops = _edge_stops(drawing, number)
    points = [(stops[0][0], stops[0][1] + lane)]
    for (x0, y0), (x1, y1) in itertools.pairwise(stops):
        if x1 < x0:
            between = y1 - max(spot.up for spot in drawing.spots) - 6.0
            points += _way_back((x0, y0 + lane), (x1, y1 + lane), between + lane)[1:]
            continue
        middle = (x0 + x1) / 2 - lane * (y1 > y0) + lane * (y1 < y0)
        points += [(middle, y0 + lane), (middle, y1 + lane), (x1, y1 + lane)]
    return tuple(points)


def _edge_stops(drawing: _Drawing, number: int) -> list[Point]:
    """Where an edge leaves, passes its labels, and arrives."""
    chain = drawing.chains[number]
    stops: list[Point] = []
    for i in chain:
        x, y, half = drawing.xs[i], drawing.ys[i], drawing.spots[i].half_width
        if i == chain[0]:
            stops.append((x + half, y + _fan(drawing, number, i, 0)))
        elif i == chain[-1]:
            stops.append((x - half - 0.8, y + _fan(drawing, number, i, -1)))
        else:
            stops += [(x - half, y), (x + half, y)] if half else [(x, y)]
    return stops


def _fan(drawing: _Drawing, number: int, stage: int, end: int) -> float:
    """Where on the side of a stage an edge ends, so that several do not meet in a point."""
    sharing = [k for k, chain in enumerate(drawing.chains) if chain[end] == stage]
    inner = {k: drawing.ys[drawing.chains[k][1 if end == 0 else -2]] for k in sharing}
    order = sorted(sharing, key=lambda k: (inner[k], k))
    step = min(0.55 * drawing.look.font, 1.4 * drawing.spots[stage].up / max(len(order), 1))
    return (order.index(number) - (len(order) - 1) / 2) * step


def _edge_labels(
    drawing: _Drawing, number: int, styles: Sequence[int], *, quiet: bool
) -> Iterator[Label]:
    edge, spot = drawing.edges[number], drawing.chains[number][1]
    x, y, font = drawing.xs[spot], drawing.ys[spot], drawing.look.font
    value = next(node.value for node in drawing.nodes if node.name == edge.source)
    if value:
        block = _set_label(value, font, math=True)
        yield Label(x, y - 3.5 - block.down, value, font, "figink", role="value")
    colour = "figquiet" if quiet and not styles else "figink"
    colour = _style(styles[0]).ink_name if len(styles) == 1 else colour
    y += 3.5
    for line in _edge_lines(edge, drawing.look):
        block = _set_label(line, font, math=True)
        yield Label(x, y + block.up, line, font, colour, role="derivative")
        y += block.up + block.down + 2.0


def _stage_items(drawing: _Drawing, i: int, chosen: bool, lit: bool) -> Iterator[Item]:
    node, look = drawing.nodes[i], drawing.look
    x, y = drawing.xs[i], drawing.ys[i]
    half_width, half_height, radius = _stage_size(node, look)
    line, tone, width = ("figink", "figink", 0.9) if lit else ("figline", "figquiet", 0.6)
    if chosen:
        line, tone, width = "chosen", "chosenink", 1.6
    fill = "chosentint" if chosen else "figfill"
    yield Pill(x, y, half_width, half_height, radius, fill, line, width, names=(node.name,))
    if node.formula is None:
        yield _centred(x, y, node.label, look.font, tone)
    else:
        top = y - half_height + 1.15 * look.font
        block = _set_label(node.formula, 0.9 * look.font, math=True)
        yield Label(x, top, node.label, look.font, tone)
        yield Label(x, top + 0.5 * look.font + block.up, node.formula, 0.9 * look.font, "figquiet")
    if node.value and not drawing.spots[i].after:
        yield from _result(node.value, x + half_width, y, look.font)


def _result_length(value: str, font: float) -> float:
    return _set_label(value, font, math=True).width + 1.4 * font


def _result(value: str, x: float, y: float, font: float) -> Iterator[Item]:
    """The value of the last stage, on an arrow that leads out of the graph."""
    block, length = _set_label(value, font, math=True), _result_length(value, font)
    yield from _arrow(((x, y), (x + length, y)), "figline", 0.7, role="result")
    yield Label(x + 0.45 * length, y - 3.5 - block.down, value, font, "figink", role="value")


# ----------------------------------------------------------------------- labels: a little of LaTeX
#
# SVG has no mathematics and the page may have no script, so the few forms that names and
# derivatives need are set here: letters, accents, sub- and superscripts, fractions.  Widths are
# those of Computer Modern; runs are anchored at their middle, so another font shifts nothing far.


@dataclass(frozen=True, slots=True)
class _Glyph:
    text: str
    italic: bool = False
    kind: str = "ord"  # "ord", "op", "bin", "rel", "open", "close", "punct", "space", "script"


@dataclass(frozen=True, slots=True)
class _Script:
    base: tuple[_Atom, ...]
    sub: tuple[_Atom, ...] = ()
    sup: tuple[_Atom, ...] = ()
    kind: str = "ord"


@dataclass(frozen=True, slots=True)
class _Fraction:
    top: tuple[_Atom, ...]
    bottom: tuple[_Atom, ...]
    kind: str = "ord"


_Atom = _Glyph | _Script | _Fraction


class _Unreadable(ValueError):
    """LaTeX outside the little language of labels."""


@dataclass(frozen=True, slots=True)
class _Span:
    """A stretch of text in one size and shape; ``shift`` is down, ``dx`` the space before it."""

    text: str
    size: float
    shift: float
    italic: bool
    dx: float
    width: float


@dataclass(frozen=True, slots=True)
class _Run:
    """Spans that follow one another, anchored at the middle of x … x + width, baseline y."""

    x: float
    y: float
    width: float
    spans: tuple[_Span, ...]
    kind: str = "run"


@dataclass(frozen=True, slots=True)
class _Rule:
    """The bar of a fraction (``kind`` rule), or a script L of that size (``kind`` script)."""

    x: float
    y: float
    width: float
    size: float
    kind: str = "rule"


@dataclass(frozen=True, slots=True)
class _Block:
    width: float
    up: float
    down: float
    pieces: tuple[_Run | _Rule, ...]


_GREEK = dict(
    zip(
        "alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi pi "
        "rho sigma tau upsilon phi varphi chi psi omega".split(),
        "αβγδϵεζηθικλμνξπρστυϕφχψω",
        strict=True,
    )
)
_CAPITALS = dict(
    zip("Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega".split(), "ΓΔΘΛΞΠΣΦΨΩ", strict=True)
)
_SYMBOLS = {
    "partial": _Glyph("∂"),
    "nabla": _Glyph("∇"),
    "ell": _Glyph("ℓ"),
    "infty": _Glyph("∞"),
    "top": _Glyph("⊤"),
    "ldots": _Glyph("…"),
    "dots": _Glyph("…"),
    "cdots": _Glyph("⋯"),
    "vdots": _Glyph("⋮"),
    "sum": _Glyph("∑", kind="op"),
    "prod": _Glyph("∏", kind="op"),
    "cdot": _Glyph("·", kind="bin"),
    "times": _Glyph("×", kind="bin"),
    "pm": _Glyph("±", kind="bin"),
    "odot": _Glyph("⊙", kind="bin"),
    "le": _Glyph("≤", kind="rel"),
    "leq": _Glyph("≤", kind="rel"),
    "ge": _Glyph("≥", kind="rel"),
    "geq": _Glyph("≥", kind="rel"),
    "ne": _Glyph("≠", kind="rel"),
    "approx": _Glyph("≈", kind="rel"),
    "to": _Glyph("→", kind="rel"),
    "lvert": _Glyph("|", kind="open"),
    "rvert": _Glyph("|", kind="close"),
    "quad": _Glyph("\u2003", kind="space"),
    "prime": _Glyph("′"),
} | {name: _Glyph(text, italic=True) for name, text in _GREEK.items()}
_SYMBOLS |= {name: _Glyph(text) for name, text in _CAPITALS.items()}
_FUNCTIONS = frozenset(
    (
        "sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan log ln exp max min "
        "sgn erf"
    ).split()
)
_ACCENTS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303", "dot": "\u0307"}
_WORDS = frozenset(("text", "mathrm", "operatorname", "mathbf", "mathit", "mathsf", "texttt"))
_CHARACTERS = {
    "+": _Glyph("+", kind="bin"),
    "-": _Glyph("−", kind="bin"),
    "*": _Glyph("∗", kind="bin"),
    "=": _Glyph("=", kind="rel"),
    "<": _Glyph("<", kind="rel"),
    ">": _Glyph(">", kind="rel"),
    "(": _Glyph("(", kind="open"),
    "[": _Glyph("[", kind="open"),
    ")": _Glyph(")", kind="close"),
    "]": _Glyph("]", kind="close"),
    ",": _Glyph(",", kind="punct"),
    ";": _Glyph(";", kind="punct"),
    "'": _Glyph("′"),
} | {character: _Glyph(character) for character in ".:/|!?0123456789"}
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|.", re.DOTALL)


class _Reader:
    """Recursive descent over the tokens of one label."""

    def __init__(self, latex: str) -> None:
        self.tokens = _TOKEN.findall(latex)
        self.at = 0
        self.depth = 0

    def peek(self) -> str:
        while self.at < len(self.tokens) and self.tokens[self.at].isspace():
            self.at += 1
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def row(self, stop: str) -> tuple[_Atom, ...]:
        self.depth += 1
        if self.depth > 20:
            raise _Unreadable("too deep")
        nodes: list[_Atom] = []
        while (token := self.peek()) != stop:
            if token == "":
                raise _Unreadable("an open brace")
            nodes += self.scripted()
        self.at += 1
        self.depth -= 1
        return tuple(nodes)

    def scripted(self) -> tuple[_Atom, ...]:
        base = self.atom()
        scripts: dict[str, tuple[_Atom, ...]] = {}
        while (mark := self.peek()) in ("_", "^"):
            self.at += 1
            if mark in scripts:
                raise _Unreadable("a double script")
            scripts[mark] = self.atom()
        if not scripts:
            return base
        return (_Script(base, scripts.get("_", ()), scripts.get("^", ())),)

    def atom(self) -> tuple[_Atom, ...]:
        token = self.take()
        if token == "{":
            return self.row("}")
        if token.startswith("\\"):
            return self.command(token[1:])
        if token.isascii() and token.isalpha():
            return (_Glyph(token, italic=True),)
        if token in _CHARACTERS:
            return (_CHARACTERS[token],)
        raise _Unreadable(token)

    def command(self, name: str) -> tuple[_Atom, ...]:
        if name in _SYMBOLS:
            return (_SYMBOLS[name],)
        if name in _FUNCTIONS:
            return (_Glyph(name, kind="op"),)
        if name in _WORDS:
            return (_Glyph(self.words(), kind="op" if name == "operatorname" else "ord"),)
        if name in ("frac", "dfrac", "tfrac"):
            return (_Fraction(self.atom(), self.atom()),)
        if name in ("mathscr", "mathcal"):
            return self.script_letter()
        if name in _ACCENTS:
            return self.accented(_ACCENTS[name])
        if name in ("left", "right"):
            return () if self.peek() == "." and self.take() else self.atom()
        if name in (",", ":", ";", "!", " "):
            return (_Glyph("", kind="space"),)
        if name in ("{", "}"):
            return (_Glyph(name, kind="open" if name == "{" else "close"),)
        raise _Unreadable(name)

    def words(self) -> str:
        if self.take() != "{":
            raise _Unreadable("words without braces")
        text = ""
        while self.at < len(self.tokens) and self.tokens[self.at] != "}":
            text += self.tokens[self.at].replace("\\_", "_")
            self.at += 1
        self.at += 1
        if not re.fullmatch(r"[A-Za-z0-9 .,:()+_-]*", text):
            raise _Unreadable(text)
        return text

    def script_letter(self) -> tuple[_Atom, ...]:
        if self.atom() != (_Glyph("L", italic=True),):
            raise _Unreadable("a script letter other than L")
        return (_Glyph("ℒ", kind="script"),)

    def accented(self, accent: str) -> tuple[_Atom, ...]:
        """A composed letter (ŷ) where there is one: fonts place a loose accent badly."""
        base = self.atom()
        if len(base) != 1 or not isinstance(base[0], _Glyph):
            raise _Unreadable("an accent on more than a letter")
        return (replace(base[0], text=unicodedata.normalize("NFC", base[0].text + accent)),)


def _read_label(latex: str) -> tuple[_Atom, ...]:
    reader = _Reader(latex + "}")
    row = reader.row("}")
    if reader.at != len(reader.tokens):
        raise _Unreadable("a brace too many")
    return row


def _is_readable(latex: str) -> bool:
    try:
        _read_label(latex)
    except _Unreadable:
        return False
    return True


def _plain(latex: str) -> str:
    """Return LaTeX that cannot be set as words a person can still read."""
    return _one_line(re.sub(r"[\\{}$]+", " ", latex))


@functools.lru_cache(maxsize=4096)
def _set_label(text: str, size: float, math: bool) -> _Block:
    """Set a label at a size: its box and its pieces, x from 0, the baseline at y = 0."""
    try:
        row = _read_label(text) if math else (_Glyph(_one_line(text)),)
    except _Unreadable:
        row = (_Glyph(_plain(text)),)
    return _row_block(row, size)


_LETTER_WIDTHS = (
    0.53, 0.43, 0.43, 0.52, 0.47, 0.49, 0.48, 0.58, 0.35, 0.41, 0.52, 0.30, 0.88,
    0.60, 0.49, 0.50, 0.45, 0.45, 0.47, 0.36, 0.57, 0.49, 0.72, 0.57, 0.49, 0.47,
    0.75, 0.76, 0.71, 0.83, 0.74, 0.64, 0.79, 0.83, 0.44, 0.55, 0.85, 0.68, 0.97,
    0.80, 0.76, 0.64, 0.79, 0.76, 0.61, 0.58, 0.68, 0.58, 0.94, 0.83, 0.58, 0.68,
)  # fmt: skip
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WIDTHS = dict(zip(_LETTERS, _LETTER_WIDTHS, strict=True))
_WIDTHS |= dict.fromkeys(".,;:!|'′ ·", 0.28) | dict.fromkeys("()[]", 0.39)
_WIDTHS |= dict.fromkeys("+−=<>×±∗⊙≤≥≠≈", 0.78) | dict.fromkeys("→∞∑∏…⋯\u2003", 1.0)


def _text_width(text: str, size: float) -> float:
    """How wide a stretch of text is; TeX's small letters are drawn wider, 36 % at 5 points."""
    base = unicodedata.normalize("NFD", text)
    ems = (0.55 if ord(c) < 0x2E80 else 1.0 for c in base)  # Chinese and the like are square
    widths = (
        _WIDTHS.get(c, em) for c, em in zip(base, ems, strict=True) if not unicodedata.combining(c)
    )
    return size * sum(widths) * (1.0 + 0.36 * (max(10.0 - size, 0.0) / 5.0) ** 1.6)


_SPACES = {
    "bin": (0.22, 0.22),
    "rel": (0.28, 0.28),
    "punct": (0.0, 0.17),
    "op": (0.1, 0.17),
    "space": (0.0, 0.17),
}


def _row_block(row: Sequence[_Atom], size: float) -> _Block:
    """Set a row from left to right: stretches of text, fractions, script letters."""
    x, pieces, ups, downs = 0.0, [], [0.66 * size], [0.1 * size]
    for tall, same in itertools.groupby(_signed(row), key=_stands_alone):
        group = tuple(same)
        blocks = [_tall_block(node, size) for node in group] if tall else [_run_block(group, size)]
        for block in blocks:
            pieces += [replace(piece, x=piece.x + x) for piece in block.pieces]
            x += block.width
            ups.append(block.up)
            downs.append(block.down)
    return _Block(x, max(ups), max(downs), tuple(pieces))


def _signed(row: Sequence[_Atom]) -> list[_Atom]:
    """A minus at the start, or after an operator or bracket, is a sign and needs no space."""
    nodes: list[_Atom] = []
    for node in row:
        opens = not nodes or nodes[-1].kind in ("bin", "rel", "open", "punct", "op")
        nodes.append(replace(node, kind="ord") if node.kind == "bin" and opens else node)
    return nodes


def _stands_alone(node: _Atom) -> bool:
    if isinstance(node, _Script):  # an index under an exponent is placed, not typed after it
        return bool(node.sub and node.sup) or any(map(_stands_alone, node.base))
    return isinstance(node, _Fraction) or node.kind == "script"


def _tall_block(node: _Atom, size: float) -> _Block:
    if isinstance(node, _Fraction):
        return _fraction_block(node, size)
    if isinstance(node, _Script):
        return _tall_script_block(node, size)
    return _Block(
        0.95 * size, 0.72 * size, 0.02 * size, (_Rule(0.0, 0.0, 0.95 * size, size, "script"),)
    )


def _fraction_block(node: _Fraction, size: float) -> _Block:
    top, bottom = _row_block(node.top, size), _row_block(node.bottom, size)
    width, axis, air = max(top.width, bottom.width) + 0.2 * size, -0.25 * size, 0.16 * size
    above, below = axis - air - top.down, axis + air + bottom.up
    pieces = [_piece_at(piece, (width - top.width) / 2, above) for piece in top.pieces]
    pieces += [_piece_at(piece, (width - bottom.width) / 2, below) for piece in bottom.pieces]
    pieces.append(_Rule(0.05 * size, axis, width - 0.1 * size, 0.045 * size))
    return _Block(width, top.up - above, bottom.down + below, tuple(pieces))


SMALLEST = 6.8
"""No letter is smaller, in points, where the figure is not shrunk: 9 pixels of a screen."""


def _script_size(size: float) -> float:
    return min(size, max(0.7 * size, SMALLEST))


def _tall_script_block(node: _Script, size: float) -> _Block:
    base = _row_block(node.base, size)
    pieces, extra = list(base.pieces), 0.0
    for row, y in ((node.sub, 0.24 * size), (node.sup, -0.2 * size - 0.25 * base.up)):
        block = _row_block(row, _script_size(size))
        pieces += [_piece_at(piece, base.width, y) for piece in block.pieces]
        extra = max(extra, block.width)
    return _Block(base.width + extra, base.up + 0.2 * size, base.down + 0.15 * size, tuple(pieces))


def _piece_at(piece: _Run | _Rule, dx: float, dy: float) -> _Run | _Rule:
    return replace(piece, x=piece.x + dx, y=piece.y + dy)


def _run_block(row: tuple[_Atom, ...], size: float) -> _Block:
    spans = tuple(_flow(row, size, 0.0, tight=False))
    lead = _SPACES.get(row[0].kind, (0.0, 0.0))[0] * size if row else 0.0
    trail = _SPACES.get(row[-1].kind, (0.0, 0.0))[1] * size if row else 0.0
    width = sum(span.dx + span.width for span in spans) + trail
    up = max((0.7 * span.size - span.shift for span in spans), default=0.0)
    down = max((0.2 * span.size + span.shift for span in spans), default=0.0)
    if spans:
        spans = (replace(spans[0], dx=0.0), *spans[1:])
    return _Block(width, up, down, (_Run(lead, 0.0, width - lead - trail, spans),) if spans else ())


def _flow(row: Sequence[_Atom], size: float, shift: float, *, tight: bool) -> Iterator[_Span]:
    """The spans of a row in which nothing stands on top of anything."""
    carry = 0.0
    for node in _signed(row):
        before, after = (0.0, 0.0) if tight else _SPACES.get(node.kind, (0.0, 0.0))
        carry += before * size
        for span in _node_spans(node, size, shift, tight=tight):
            yield replace(span, dx=span.dx + carry)
            carry = 0.0
        carry += after * size


def _node_spans(node: _Atom, size: float, shift: float, *, tight: bool) -> list[_Span]:
    if isinstance(node, _Glyph):
        return (
            [_Span(node.text, size, shift, node.italic, 0.0, _text_width(node.text, size))]
            if node.text
            else []
        )
    if isinstance(node, _Fraction):
        bars = (*node.top, _Glyph("/"), *node.bottom)
        return list(_flow(bars, size, shift, tight=True))
    spans = list(_flow(node.base, size, shift, tight=tight))
    small = _script_size(size)
    sub = list(_flow(node.sub, small, shift + 0.2 * size, tight=True))
    sup = list(_flow(node.sup, small, shift - 0.36 * size, tight=True))
    if sub and sup:  # only within another script
        sup[0] = replace(sup[0], dx=sup[0].dx - sum(span.dx + span.width for span in sub))
    return [*spans, *sub, *sup]


# ------------------------------------------------------------------------------- templates and text


def template_dir() -> Path:
    """The folder of templates: the installed one, else the one of the checkout."""
    installed = Path(__file__).parent.parent / "templates"
    if installed.is_dir():
        return installed
    checkout = installed.parent.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "templates").is_dir():
        return checkout / "templates"
    raise FileNotFoundError(f"symback's templates are missing: expected the folder {installed}")


@functools.cache
def environment() -> Environment:
    """The one Jinja environment: ``<% %>``, ``<< >>``, ``<# #>``, nothing undefined passes.

    Nothing is escaped by itself: filters ``tex`` and ``xml`` make a user's text safe, ``num``
    writes a coordinate with two digits.
    """
    made = Environment(
        loader=FileSystemLoader(template_dir()),
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        comment_start_string="<#",
        comment_end_string="#>",
        undefined=StrictUndefined,
        autoescape=False,  # TeX and SVG need different escapes: the filters below
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"tex": escape_tex, "xml": escape_xml, "num": _number}
    return made


def _number(value: float) -> str:
    """A coordinate with two digits, and no minus before zero."""
    return f"{value + 0.0:.2f}".replace("-0.00", "0.00")


_TEX = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "…": r"\ldots{}",
    "–": "--",
    "—": "---",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "`": r"\textasciigrave{}",
    "\u00a0": "~",
    "·": r"\textperiodcentered{}",
    "×": r"$\times$",
    "ŷ": r"\^{y}",
} | {character: f"\\{character}" for character in "{}$&#_%"}


def escape_tex(text: str) -> str:
    r"""A user's words for TeX, on one line; what no TeX font has is named by its code.

    >>> print(escape_tex("50% of x_1 \\input{y}"))
    50\% of x\_1 \textbackslash{}input\{y\}
    >>> escape_tex("\u65e5")
    '[U+65E5]'
    """
    return "".join(map(_tex_character, text))


def _tex_character(character: str) -> str:
    if character in _TEX:
        return _TEX[character]
    if " " <= character <= "~" or ("\u00c0" <= character <= "\u00ff" and character.isalpha()):
        return character
    return " " if character.isspace() else f"[U+{ord(character):04X}]"


_XML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}


def escape_xml(text: str) -> str:
    """A user's words for XML and HTML, in text and in attributes; what XML forbids becomes �.

    >>> escape_xml('<script>"&')
    '&lt;script&gt;&quot;&amp;'
    """
    return "".join(
        _XML.get(c, c) if c.isprintable() or c in "\n\t\u00a0" else "\ufffd" for c in text
    )


def tikz(figure: Figure) -> str:
    """The figure as a ``tikzpicture``; the document needs tikz, xcolor and `preamble` once."""
    return _rendered("figure.tikz", figure, label=_tex_label)


def svg(figure: Figure, *, alone: bool = False) -> str:
    """The figure as an ``<svg>`` element that needs nothing from outside; it is valid XML.

    Its colours are CSS variables with a value beside each, so that a page with a dark mode sets
    them (`DARK_COLOURS`), and the page shows through; one that stands ``alone`` in a file has a
    ground of its own and turns dark by itself.  It is never shown so small that a letter has less
    than 9 pixels: on a phone it is wider than the page.
    """
    widths = _pixels(figure)
    used = {name for item in figure.items for name in _colours_of(item)} | {"figfill"}
    facts = {"block": _label_block, "colours": COLOURS, "dark": DARK_COLOURS, "widths": widths}
    return _rendered("figure.svg", figure, used=sorted(used), alone=alone, **facts)


PIXELS = 4 / 3
"""Pixels of a screen to a point."""


def _pixels(figure: Figure) -> tuple[float, float]:
    """How wide the figure is on a screen, and how wide it is at least: letters keep 9 pixels."""
    sizes = (
        span.size
        for label in figure.of(Label)
        for piece in _label_block(label).pieces
        if isinstance(piece, _Run)
        for span in piece.spans
    )
    least = figure.width * 9.0 / min(sizes, default=10.0)
    return max(figure.width * PIXELS, least), least


def _colours_of(item: Item) -> tuple[str, ...]:
    if isinstance(item, Pill):
        return (item.fill, *([item.stroke] if item.stroke else []))
    return (item.colour,)


def preamble() -> str:
    r"""The ``\definecolor`` lines that every document with such a figure needs once."""
    return _macro("preamble")(COLOURS)


def caption(figure: Figure, form: str = "tex", *, drawn: bool = True) -> str:
    """One sentence on the paths, for ``form`` "tex" or "text"; empty where nothing is chosen.

    Where the figure is not ``drawn`` beside it, it speaks of no colours and no arrows.
    """
    facts = {**_caption_facts(figure, form), "drawn": drawn}
    return " ".join(_macro("caption")(facts).split("\n")).strip()


def described(figure: Figure) -> str:
    """What the figure shows and what its caption says, for those who do not see it."""
    parts = _macro("described")(figure).strip()
    return f"{parts} {caption(figure, 'text') or 'Nothing is chosen.'}"


def _macro(name: str) -> Callable[[object], str]:
    """One of the macros of figure.tikz, by itself."""
    return getattr(environment().get_template("figure.tikz").module, name)


def _caption_facts(figure: Figure, form: str) -> dict[str, object]:
    tex = form == "tex"
    total = figure.total
    say = _tex_math if tex else _spoken
    return {
        "mode": figure.mode,
        "kind": figure.kind,
        "one": total == 1,
        "few": isinstance(total, int) and total <= len(_HUES),
        "total": say(total) if isinstance(total, str) else str(total),
        "chosen": None if figure.chosen is None else say(figure.chosen),
    }


def _spoken(latex: str) -> str:
    """A label as one line of text, ``w^2_31``: what `svg` says to those who cannot see it."""
    return _in_a_line(_read_label(latex)) if _is_readable(latex) else _plain(latex)


def _in_a_line(row: Sequence[_Atom]) -> str:
    return " ".join("".join(map(_atom_in_a_line, _signed(row))).split())


def _atom_in_a_line(node: _Atom) -> str:
    if isinstance(node, _Fraction):
        return f"{_one_thing(node.top)}/{_one_thing(node.bottom)}"
    if isinstance(node, _Script):
        above = f"^{_one_thing(node.sup)}" if node.sup else ""
        below = f"_{_in_a_line(node.sub)}" if node.sub else ""
        return _in_a_line(node.base) + above + below
    if node.kind in ("bin", "rel"):
        return f" {node.text} "
    return "L" if node.kind == "script" else node.text or " "


def _one_thing(row: Sequence[_Atom]) -> str:
    """In parentheses where it is more than one thing and has none of its own."""
    single = len(row) == 1 or (row[0].kind, row[-1].kind) == ("open", "close")
    return _in_a_line(row) if single else f"({_in_a_line(row)})"


def _rendered(template: str, figure: Figure, **more: object) -> str:
    words = {"described": described(figure), "spoken": _spoken}
    return environment().get_template(template).render(figure=figure, **words, **more)


def _tex_label(label: Label) -> str:
    return (
        _tex_math(label.text, r"\displaystyle ")
        if label.math
        else escape_tex(_one_line(label.text))
    )


def _tex_math(latex: str, style: str = "") -> str:
    """LaTeX that the little language of labels knows, between dollars; anything else as words."""
    return f"${style}{latex}$" if _is_readable(latex) else escape_tex(_plain(latex))


def _label_block(label: Label) -> _Block:
    return _set_label(label.text, label.size, label.math)
