"""Pictures of networks as equations: a recurrence unrolled, or which array leads to which.

`system_figure` gives the one that fits.  A recurrence is drawn step by step, one cell a step with
what goes in below it and what comes out above, and a weight has one colour wherever it is used,
since it is the same at every step; the arrays of other networks are a graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from symback.equations import writing
from symback.equations.indices import Affine, Index, Lookup, number
from symback.equations.naming import time_axes
from symback.equations.system import Group, Kind, System
from symback.equations.terms import Read, Reading, Term, Times, children, reads
from symback.language import typesetting
from symback.language.layout import PATH_STYLES
from symback.sheets.figure import (
    EdgeSketch,
    Figure,
    Item,
    Part,
    Pill,
    Point,
    StageSketch,
    arrow,
    centred,
    finished,
    graph_figure,
)

MOST_ARRAYS = 40
"""A graph of more arrays is no picture."""
SHOWN_STEPS = 4
"""Of more steps the first two and the last are drawn."""
FONT = 10.0
ROW, GAP = 44.0, 30.0
"""From row to row, and between the boxes of two steps where nothing is written, in points."""


def system_figure(system: System, chosen: str | None = None) -> Figure | None:
    """The picture of a system; ``chosen`` is an array; None where there would be too much."""
    if len(system.quantities) > MOST_ARRAYS:
        return None
    if any(group.is_recurrence for group in system.groups):
        return _Unrolled(system, chosen).figure()
    return arrays_figure(system, chosen)


def arrays_figure(system: System, chosen: str | None = None) -> Figure:
    """Every array, and an arrow to each that is computed directly from it."""
    write = writing.latex(system).element
    stages = []
    for quantity in system.quantities:
        own = system.defining.get(quantity.name)
        at = own[-1].at if own else ()
        stages.append(StageSketch(quantity.name, write(Read(quantity.name, at))))
    pairs = dict.fromkeys(
        (name, definition.name)
        for definition in system.definitions
        for reading in reads(definition.term)
        for name in (*_looked_up(reading), reading.read.array)
    )
    leading = chosen if any(source == chosen for source, _ in pairs) else None
    figure = graph_figure(stages, [EdgeSketch(*pair, "") for pair in pairs], leading)
    return replace(figure, kind="arrays")


def _looked_up(reading: Reading) -> Iterator[str]:
    """The arrays of indices by which an element is read."""
    sides = (side for each in reading.conditions for side in (each.left, each.right))
    for index in (*reading.read.indices, *sides):
        if isinstance(index, Lookup):
            yield index.array


# ------------------------------------------------------------------------------ a recurrence


@dataclass(frozen=True, slots=True)
class _Unit:
    """A row of boxes: the arrays of a recurrence, or one array, one box a step if ``timed``."""

    arrays: tuple[str, ...]
    timed: bool
    group: Group | None = None


@dataclass(slots=True)
class _Box:
    x: float
    y: float
    half_width: float
    half_height: float = 11.0

    @property
    def top(self) -> Point:
        return self.x, self.y - self.half_height

    @property
    def bottom(self) -> Point:
        return self.x, self.y + self.half_height


@dataclass(frozen=True, slots=True)
class _Use:
    """A reading of ``array`` at ``index`` by ``unit``, multiplied with ``weights``."""

    unit: _Unit
    array: str
    own: Affine | None
    index: Index | None
    weights: tuple[str, ...]


class _Unrolled:
    """One picture: where each box stands, and what leads from box to box."""

    def __init__(self, system: System, chosen: str | None) -> None:
        self.system, self.chosen = system, chosen
        self.axes = {name: min(axes) for name, axes in time_axes(system).items()}
        self.writer = writing.latex(system)
        self.units = list(self._units())
        self.of = {name: unit for unit in self.units for name in unit.arrays}
        self.uses = [use for unit in self.units for use in self._uses(unit)]
        arrows: dict[tuple[str, str], list[str]] = {}
        for use in self.uses:
            inside = self.of.get(use.array) is use.unit
            between = use.unit.arrays[0], "" if inside else use.array
            arrows.setdefault(between, []).extend(use.weights)
        families = dict.fromkeys(tuple(dict.fromkeys(each)) for each in arrows.values() if each)
        self.colours = {
            weights: PATH_STYLES[n % len(PATH_STYLES)].name for n, weights in enumerate(families)
        }
        group = next(group for group in system.groups if group.is_recurrence)
        self.forward = group.forward
        self.steps = self._steps(group)

    # --------------------------------------------------------------------------- what there is

    def _units(self) -> Iterator[_Unit]:
        for group in self.system.groups:
            names = tuple(dict.fromkeys(definition.name for definition in group.definitions))
            if group.is_recurrence:
                yield _Unit(names, True, group)
            elif any(not definition.is_base for definition in group.definitions):
                yield _Unit(names, names[0] in self.axes)

    def _uses(self, unit: _Unit) -> Iterator[_Use]:
        for name in unit.arrays:
            for definition in self.system.defining[name]:
                if definition.is_base and unit.timed:
                    continue
                own = definition.at[self.axes[name]] if unit.timed else None
                for read, weights in _weighted(definition.term, self.system, ()):
                    if read.array in self.axes:
                        index = read.indices[self.axes[read.array]]
                        yield _Use(unit, read.array, own, index, weights)
                    elif read.array in self.of and self.of[read.array] != unit:
                        yield _Use(unit, read.array, own, None, weights)

    def _steps(self, group: Group) -> list[Affine | None]:
        """The steps that are drawn; None is dots between them."""
        main = next(d for d in group.definitions if not d.is_base)
        own = main.at[group.axes[main.name]].bare
        over = next(each for each in main.ranges if each.letter == own)
        sizes = {name: value for name, value in self.system.sizes.items() if value is not None}
        if (over.upper.names | over.lower.names) <= sizes.keys():
            first, last = over.lower.value(sizes), over.upper.value(sizes)
            if last - first < SHOWN_STEPS:
                return [number(step) for step in range(first, last + 1)]
            return [number(first), number(first + 1), None, number(last)]
        return [over.lower, over.lower + number(1), None, over.upper]

    # ------------------------------------------------------------------------------- layout

    def figure(self) -> Figure:
        """The finished picture."""
        self.places: dict[tuple[str, int], _Box] = {}
        self.boxes: list[tuple[_Box, str, str]] = []
        spacing = self._spacing()
        self.columns = [n * spacing for n in range(len(self.steps))]
        lines = max((len(self._lines_of(weights)) for weights in self.colours), default=0)
        row = ROW + 13.0 * max(lines - 1, 0)
        y = 0.0
        given: set[str] = set()
        for unit in self.units:
            fresh = [
                name
                for name in dict.fromkeys(use.array for use in self.uses if use.unit is unit)
                if name in self.axes and name not in self.of and name not in given
            ]
            given.update(fresh)
            if fresh:
                y = self._row_of_given(fresh, y, beside=bool(self.boxes)) - row
            y = self._row_of_unit(unit, y) - row
        items = [*self._arrows(), *self._drawn()]
        return finished(
            items, kind="unrolled", chosen=None, total=0, mode="none", styles=(),
            parts=tuple(Part(typesetting.spoken(label)) for _, label, _ in self.boxes),
        )  # fmt: skip

    def _spacing(self) -> float:
        """From step to step: room for a cell and for the weights on the arrow between two."""
        cells = max(self._width(label) for label in self._cell_labels())
        between = [self._width(text) for w in self.colours for text in self._lines_of(w)]
        return cells + max([GAP, *(width + 16.0 for width in between)])

    def _cell_labels(self) -> Iterator[str]:
        for unit in self.units:
            for step in self.steps:
                if unit.timed and step is not None:
                    yield self._label(unit.arrays, step)

    def _width(self, label: str) -> float:
        return typesetting.label(label, FONT).width + 12.0

    def _label(self, arrays: Sequence[str], step: Affine) -> str:
        """``a[2], h[2]``; of many arrays those that other steps or other arrays read."""
        shown = list(arrays)
        if len(shown) > 3:
            unit = self.of[arrays[0]]
            shown = [
                name
                for name in arrays
                if any(
                    use.array == name and (use.unit != unit or use.index != use.own)
                    for use in self.uses
                )
            ]
        return ",\\,".join(self._whole(name, step) for name in shown)

    def _whole(self, name: str, step: Affine) -> str:
        """``h[2]``: an array at one step, without its other indices."""
        spelled = self.writer.element(Read(name))
        return f"{spelled}[{self.writer.index(step)}]"

    def _row_of_given(self, names: Sequence[str], y: float, *, beside: bool) -> float:
        for n, step in enumerate(self.steps):
            if step is None:
                self._dots(n, y)
                continue
            widths = [self._width(self._whole(name, step)) for name in names]
            x = self.columns[n] - (sum(widths) + 6.0 * (len(widths) - 1)) / 2
            x += 34.0 if beside else 0.0
            for name, width in zip(names, widths, strict=True):
                self._put(name, n, _Box(x + width / 2, y, width / 2), self._whole(name, step), "")
                x += width + 6.0
        return y

    def _row_of_unit(self, unit: _Unit, y: float) -> float:
        if not unit.timed:
            over = [box for box, _, role in self.boxes if role != "base"]
            left = min([self.columns[0] - 20.0, *(box.x - box.half_width for box in over)])
            right = max([self.columns[-1] + 20.0, *(box.x + box.half_width for box in over)])
            name = unit.arrays[0]
            box = _Box((left + right) / 2, y, (right - left) / 2)
            label = self.writer.element(Read(name))
            for n in range(len(self.steps)):
                self.places[name, n] = box
            self.boxes.append((box, label, "node"))
            return y
        for n, step in enumerate(self.steps):
            if step is None:
                self._dots(n, y)
                continue
            label = self._label(unit.arrays, step)
            box = _Box(self.columns[n], y, self._width(label) / 2)
            for name in unit.arrays:
                self.places[name, n] = box
            self.boxes.append((box, label, "cell" if unit.group else "node"))
        self._row_of_bases(unit, y)
        return y

    def _row_of_bases(self, unit: _Unit, y: float) -> None:
        """What a recurrence starts from, one step before the first."""
        if unit.group is None:
            return
        found = [
            definition
            for name in unit.arrays
            for definition in self.system.defining[name]
            if definition.is_base
        ]
        if not found:
            return
        labels = []
        for definition in found:
            index = definition.at[self.axes[definition.name]]
            labels.append(self._whole(definition.name, index))
        label = ",\\,".join(dict.fromkeys(labels))
        spacing = self.columns[1] - self.columns[0] if self.columns[1:] else 2 * GAP
        x = self.columns[0] - spacing if unit.group.forward else self.columns[-1] + spacing
        self._put("", -1, _Box(x, y, self._width(label) / 2), label, "base")

    def _put(self, name: str, n: int, box: _Box, label: str, role: str) -> None:
        self.places[name, n] = box
        self.boxes.append((box, label, role))

    def _dots(self, n: int, y: float) -> None:
        self.boxes.append((_Box(self.columns[n], y, 8.0), r"\cdots", "dots"))

    # ------------------------------------------------------------------------------ drawing

    def _drawn(self) -> Iterator[Item]:
        for box, label, role in self.boxes:
            if role != "dots":
                line = "figink" if role in ("cell", "node") else "figline"
                width = 0.9 if role == "cell" else 0.6
                yield Pill(
                    box.x, box.y, box.half_width, box.half_height, 4.0, "figfill", line, width
                )
            yield centred(box.x, box.y, label, FONT, "figink")

    def _arrows(self) -> Iterator[Item]:
        drawn: dict[tuple[Point, Point], tuple[str, ...]] = {}
        for use in self.uses:
            for source, target, sideways in self._pairs(use):
                ends = _ends(source, target, sideways=sideways)
                before = drawn.get(ends, ())
                drawn[ends] = (*before, *(w for w in use.weights if w not in before))
        for (start, stop), weights in drawn.items():
            yield from self._arrow(start, stop, weights)

    def _pairs(self, use: _Use) -> Iterator[tuple[_Box, _Box, bool]]:
        """The boxes between which a use leads, at every step that is drawn."""
        source_unit = self.of.get(use.array)
        same = source_unit is use.unit
        for n, step in enumerate(self.steps):
            target = self.places.get((use.unit.arrays[0], n))
            if target is None or step is None:
                continue
            if same and use.index == use.own:
                return  # inside a cell
            if use.index is None or use.own is None or not use.own.names <= use.index.names:
                yield from self._from_other_letters(use, n, step, target)
                continue
            assert isinstance(use.index, Affine)
            shift = (use.index - use.own).constant
            place = n + shift
            between = range(min(n, place), max(n, place) + 1)
            if not 0 <= place < len(self.steps):
                base = self.places.get(("", -1))
                if base is not None and same:
                    yield base, target, True
            elif all(self.steps[k] is not None for k in between):
                yield self.places[use.array, place], target, same and shift != 0
            elif same:  # from the dots
                dots = _Box(self.columns[place], target.y, 8.0)
                yield dots, target, True

    def _from_other_letters(
        self, use: _Use, n: int, step: Affine, target: _Box
    ) -> Iterator[tuple[_Box, _Box, bool]]:
        """What a Σ over the steps reads, h[T], or an array without steps."""
        if use.index is not None and not (use.index.names - self.system.sizes.keys()):
            sizes = {name: v for name, v in self.system.sizes.items() if v is not None}
            wanted = use.index
            if isinstance(wanted, Affine) and wanted.names <= sizes.keys():
                wanted = number(wanted.value(sizes))
            if use.unit.timed or wanted == step:
                for k, other in enumerate(self.steps):
                    if other == wanted:
                        yield self.places[use.array, k], target, False
            return
        if use.unit.timed and use.index is not None:
            for k, other in enumerate(self.steps):
                if other is not None:
                    yield self.places[use.array, k], target, False
            return
        found = self.places.get((use.array, n))
        if found is not None:
            yield found, target, False

    def _arrow(self, start: Point, stop: Point, weights: tuple[str, ...]) -> Iterator[Item]:
        family = next((w for w in self.colours if set(weights) & set(w)), ())
        colour = self.colours.get(family, "figedge")
        is_chosen = self.chosen in weights
        width = 1.6 if is_chosen else 1.0 if weights else 0.7
        yield from arrow((start, stop), colour, width)
        flat = start[1] == stop[1]
        x, y = (start[0] + stop[0]) / 2, (start[1] + stop[1]) / 2
        texts = self._lines_of(weights)
        for k, text in enumerate(texts):
            wide = typesetting.label(text, FONT).width
            if flat:
                yield centred(x, y - 9.0 - 12.0 * (len(texts) - 1 - k), text, FONT, colour)
            else:
                shift = 12.0 * (k - (len(texts) - 1) / 2)
                yield centred(x + 5.0 + wide / 2, y + shift, text, FONT, colour)

    def _lines_of(self, weights: Sequence[str]) -> list[str]:
        """Two weights a line."""
        names = [self.writer.element(Read(name)) for name in weights]
        pairs = [names[n : n + 2] for n in range(0, len(names), 2)]
        return [",\\,".join(pair) for pair in pairs]


def _weighted(
    term: Term, system: System, weights: tuple[str, ...]
) -> Iterator[tuple[Read, tuple[str, ...]]]:
    """Each reading of what is no parameter, and the parameters that multiply it."""
    match term:
        case Read(array):
            if system.by_name[array].kind is not Kind.PARAMETER:
                yield term, weights
        case Times(factors):
            own = tuple(
                part.array
                for part in factors
                if isinstance(part, Read) and system.by_name[part.array].kind is Kind.PARAMETER
            )
            for factor in factors:
                yield from _weighted(factor, system, (*weights, *own))
        case _:
            for part in children(term):
                yield from _weighted(part, system, weights)


def _ends(source: _Box, target: _Box, *, sideways: bool) -> tuple[Point, Point]:
    """Where an arrow leaves one box and reaches the other."""
    if sideways and source.y == target.y:
        right = 1.0 if target.x > source.x else -1.0
        start = source.x + right * source.half_width, source.y
        return start, (target.x - right * target.half_width, target.y)
    up = target.y < source.y
    start = source.top if up else source.bottom
    stop = target.bottom if up else target.top
    inside = abs(start[0] - target.x) <= target.half_width
    return start, ((start[0], stop[1]) if inside else stop)
