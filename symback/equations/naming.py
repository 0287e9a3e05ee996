"""Names of elements of arrays: h[2]_1, U_12; and the reading of names that a person asks for.

Here one can

* find the indices that are time, of every array: `time_axes`;
* read a name such as ``U[1,2]``, ``U_12``, ``U_{1,2}``, ``h[2,1]`` or ``h[2]_1``: `read_element`;
* write one as a file does: `file_name`, ``h[2,1]``; as paths do: `plain_name`, ``h[2]_1``.

Time is the index over which a recurrence runs, and every index that shares a letter with it: in
``a[t,i] = Σ_j W[i,j] x[t,j] + Σ_j U[i,j] h[t-1,j]`` the first of a, x and h.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from symback.equations.indices import ONE, Affine, Lookup, Range, number
from symback.equations.system import Definition, Kind, Quantity, System
from symback.equations.terms import Binder, Read, Slope, Term, children
from symback.language.errors import did_you_mean, printable
from symback.language.names import GREEK_LETTERS, LONGEST_NUMBER, UnknownName, cuts, pack

# ------------------------------------------------------------------------------------------- time


def time_axes(system: System) -> dict[str, frozenset[int]]:
    """For each array the positions of its indices, from 0, that are time; others are left out."""
    found: dict[str, set[int]] = {}
    for group in system.groups:
        for name, axis in group.axes.items():
            found.setdefault(name, set()).add(axis)
    if not found:
        return {}
    shared = [slots for definition in system.definitions for slots in _shared(definition)]
    grown = True
    while grown:
        grown = False
        for slots in shared:
            if any(axis in found.get(name, ()) for name, axis in slots):
                for name, axis in slots:
                    axes = found.setdefault(name, set())
                    grown |= axis not in axes
                    axes.add(axis)
    return {name: frozenset(axes) for name, axes in found.items()}


_Slot = tuple[str, int]
"""An index of an array: the name, and which of its indices, from 0."""


def _shared(definition: Definition) -> list[list[_Slot]]:
    """For each letter of a definition, free or bound, the indices in which it stands alone."""
    found: list[list[_Slot]] = []
    scope = _opened(definition.ranges, {}, found)
    _gather(Read(definition.name, definition.at), scope)
    _go_through(definition.term, scope, found)
    return found


_Scope = Mapping[str, list[_Slot]]


def _opened(ranges: Sequence[Range], scope: _Scope, found: list[list[_Slot]]) -> _Scope:
    own: dict[str, list[_Slot]] = {each.letter: [] for each in ranges}
    found.extend(own.values())
    return {**scope, **own}


def _gather(read: Read, scope: _Scope) -> None:
    for axis, index in enumerate(read.indices):
        if isinstance(index, Lookup):
            _gather(Read(index.array, index.indices), scope)
            continue
        letters = index.names & scope.keys()
        if len(letters) == 1:
            (name,) = letters
            if abs(index.coefficient(name)) == 1:
                scope[name].append((read.array, axis))


def _go_through(term: Term, scope: _Scope, found: list[list[_Slot]]) -> None:
    match term:
        case Read():
            _gather(term, scope)
        case Slope(of, by):
            _gather(of, scope)
            _gather(by, scope)
        case Binder(range=range):
            scope = _opened((range,), scope, found)
    for part in children(term):
        _go_through(part, scope, found)


# ------------------------------------------------------------------------------------- reading


def file_name(read: Read) -> str:
    """An element as a file writes it: ``h[2,1]``, ``L``."""
    return f"{read.array}[{','.join(map(str, read.indices))}]" if read.indices else read.array


def plain_name(read: Read, times: Mapping[str, frozenset[int]]) -> str:
    """An element as paths name it, in the letters of the file: ``U_12``, ``yhat[3]_1``, ``L``.

    ``times`` are the `time_axes` of the system.

    >>> plain_name(Read("yhat", (number(3), number(1))), {"yhat": frozenset({0})})
    'yhat[3]_1'
    """
    own = times.get(read.array, frozenset())
    steps = [str(index) for axis, index in enumerate(read.indices) if axis in own]
    others = [str(index) for axis, index in enumerate(read.indices) if axis not in own]
    behind = f"[{','.join(steps)}]" if steps else ""
    return read.array + behind + (f"_{pack(others)}" if others else "")


def read_element(text: str, system: System) -> Read:
    """The element of an array that ``text`` names; its indices are numbers.

    ``U[1,2]``, ``U_12``, ``U12``, ``U_{1,2}`` are the same, and ``h[2,1]`` and ``h[2]_1``.  Digits
    without separators are cut so that they fit the shape; where two cuts fit, neither is taken.

    Raises `UnknownName` with what there is, with the range that an index is out of, or with the
    readings that compete.
    """
    name = text.strip().replace("ŷ", "yhat").replace(r"\hat{y}", "yhat").replace(" ", "")
    name = "".join(GREEK_LETTERS.get(mark, mark) for mark in name).replace("\\", "")
    asked = [quantity for quantity in system.quantities if quantity.kind is not Kind.ADJOINT]
    # Longest name first: with W and W1 in the network, W1_2 is an element of W1 where there is one.
    candidates = sorted(
        ((q, rest) for q in asked if (rest := _after(name, q.name)) is not None),
        key=lambda pair: -len(pair[0].name),
    )
    if not candidates:
        word = re.split(r"[\[_{]", name)[0]
        known = [quantity.name for quantity in asked]
        raise UnknownName(
            f"there is no {printable(text.strip()) or 'empty name'} here; there are "
            f"{', '.join(map(_general, asked))}{did_you_mean(word, known)}"
        )
    for quantity, rest in candidates:
        readings = [
            Read(quantity.name, tuple(map(number, numbers)))
            for numbers in _readings(rest, len(quantity.shape))
            if is_element(system, quantity, numbers)
        ]
        if len(readings) == 1:
            return readings[0]
        if readings:
            both = " or ".join(map(file_name, readings))
            raise UnknownName(f"{printable(text)} can be read as {both}; write which")
    quantity, rest = candidates[0]
    raise UnknownName(_why_none(text, system, quantity, rest))


def _after(text: str, name: str) -> str | None:
    """What follows ``name`` in ``text``, where that can be indices."""
    rest = text[len(name) :] if text.startswith(name) else None
    return rest if rest is not None and re.match(r"$|[\d_\[{]", rest) else None


_INDICES = re.compile(
    r"(?:\[(?P<inside>\d+(?:[,;]\d+)*)\])?(?:_?\{(?P<braced>\d+(?:[,;]\d+)*)\}|_?(?P<bare>\d+(?:,\d+)*))?"
)


def _readings(rest: str, rank: int) -> Iterator[tuple[int, ...]]:
    """Every way to read ``[2]_1``, ``_12``, ``_{1,2}`` as that many numbers."""
    match = _INDICES.fullmatch(rest)
    if match is None or len(rest) > LONGEST_NUMBER * (rank + 1):
        return
    front = tuple(map(int, re.split("[,;]", match["inside"]))) if match["inside"] else ()
    digits, left = match["braced"] or match["bare"] or "", rank - len(front)
    if re.search("[,;]", digits):
        behind = tuple(map(int, re.split("[,;]", digits)))
        if len(behind) == left:
            yield (*front, *behind)
    else:
        for cut in cuts([digits] if digits else [], left):
            yield (*front, *map(int, cut))


def is_element(system: System, quantity: Quantity, numbers: Sequence[int]) -> bool:
    """Whether an array has an element there: in its shape, or by a base case."""
    if len(numbers) != len(quantity.shape):
        return False
    if all(_inside(system, n, size) for n, size in zip(numbers, quantity.shape, strict=True)):
        return True
    return any(
        definition.is_base and _matches(system, definition, numbers)
        for definition in system.defining.get(quantity.name, ())
    )


def _inside(system: System, value: int, upper: Affine, lower: Affine = ONE) -> bool:
    """Whether lower ≤ value ≤ upper; a symbolic size is as large as one likes."""
    return _known(system, lower, value) <= value <= _known(system, upper, value)


def _known(system: System, size: Affine, otherwise: int) -> int:
    numbers = {name: system.sizes.get(name) for name in size.names}
    known = {name: value for name, value in numbers.items() if value is not None}
    return size.value(known) if len(known) == len(numbers) else otherwise


def _matches(system: System, definition: Definition, numbers: Sequence[int]) -> bool:
    ranges = {each.letter: each for each in definition.ranges}
    for value, index in zip(numbers, definition.at, strict=True):
        if index.bare in ranges:
            over = ranges[index.bare]
            if not _inside(system, value, over.upper, over.lower):
                return False
        elif value != _known(system, index, value + 1):
            return False
    return True


def _general(quantity: Quantity) -> str:
    """``U[i,j]``, for a list of what there is."""
    letters = ("i", "j", "m", "p", "q", "r")[: len(quantity.shape)]
    return f"{quantity.name}[{','.join(letters)}]" if letters else quantity.name


def _why_none(text: str, system: System, quantity: Quantity, rest: str) -> str:
    """Why ``rest`` behind the name of an array names no element of it."""
    shown, general = printable(text.strip()), _general(quantity)
    if not quantity.shape:
        return f"there is no {shown}: {quantity.name} is a number and has no indices"
    letters = ("i", "j", "m", "p", "q", "r")
    sizes = " and ".join(
        f"{name} = 1…{_with_number(system, size)}"
        for name, size in zip(letters, quantity.shape, strict=False)
    )
    bases = [file_name(d.lhs) for d in system.defining.get(quantity.name, ()) if d.is_base]
    there = f"{general} with {sizes}" + (f", and {', '.join(bases)}" if bases else "")
    if not rest:
        return (
            f"{shown} is no single element; name one, such as "
            + file_name(Read(quantity.name, (number(1),) * len(quantity.shape)))
            + f": there is {there}"
        )
    tried = [*_readings(rest, len(quantity.shape))]
    if tried:
        return f"{shown} is out of range: there is {there}"
    rank = len(quantity.shape)
    count = f"{rank} {'index' if rank == 1 else 'indices'}"
    return f"{shown} does not name an element: {quantity.name} has {count}; there is {there}"


def _with_number(system: System, size: Affine) -> str:
    value = _known(system, size, -1)
    return str(size) if size.is_number or value < 0 else f"{size} = {value}"
