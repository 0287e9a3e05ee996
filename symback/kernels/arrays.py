"""Definitions in index notation as lines of a program over whole arrays.

Here one can

* have the lines of the definitions of a `symback.equations.system.System`: `Arrays`, which also
  knows how each array is kept (`Kept`: h from 0 to T where h[0] is a base case) and named;
* read them: `Let`, `Put` and `Gather` compute a quantity, or a part of one, `Step` is a loop over
  the index of a recurrence, `Note` the equation that a line is.

A formula becomes a `Value`: its code, and the letters that the axes of that array are.  Products
under sums are matrix products, or an einsum; an index such as 2o + u - 3 is an array of numbers,
or a slice; what would be read outside is read elsewhere and then left out.  In code indices count
from 0, so a letter t there is t - 1 of the formula.
"""

from __future__ import annotations

import keyword
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

from symback.equations.indices import (
    Affine,
    Condition,
    Index,
    Lookup,
    Range,
    condition_moved,
    decided,
    letter,
    moved,
    number,
    solved,
    within,
)
from symback.equations.system import Definition, Group, System
from symback.equations.terms import (
    Binder,
    Call,
    Given,
    Measure,
    Number,
    Plus,
    Power,
    Read,
    Term,
    Times,
    Where,
    free_letters,
    fresh,
    moved_term,
    product,
    reads,
    walk,
)
from symback.kernels.lines import (
    ATOM,
    CHOICE,
    COMPARISON,
    JAX,
    MATH,
    NUMPY_PLAIN,
    OPERATORS,
    PLUS,
    POWER,
    SIGN,
    TIMES,
    TORCH,
    Code,
    NoKernel,
    Spelling,
)
from symback.kernels.stable import LOG_SOFTMAX, SLOPE
from symback.language.functions import ACTIVATIONS, ELEMENTARY

# ----------------------------------------------------------------------------------------- lines


@dataclass(frozen=True, slots=True)
class Note:
    """A comment."""

    text: str


@dataclass(frozen=True, slots=True)
class Let:
    """``name = code``."""

    name: str
    code: str


@dataclass(frozen=True, slots=True)
class Zeros:
    """``name`` as zeros in a shape, to be filled."""

    name: str
    shape: str


@dataclass(frozen=True, slots=True)
class Put:
    """``name[place] = code``; ``add`` adds it, each time where an index comes several times."""

    name: str
    place: tuple[str, ...]
    code: str
    add: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """``lines`` for a ``letter`` from ``first`` up to before ``last``, or ``down`` from there.

    ``arrays`` are those that the lines fill.
    """

    letter: str
    first: str
    last: str
    down: bool
    lines: tuple[Line, ...]
    arrays: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class If:
    """``lines`` where ``code`` is true."""

    code: str
    lines: tuple[Line, ...]


Line: TypeAlias = Note | Let | Zeros | Put | Step | If

# ---------------------------------------------------------------------------------------- values


@dataclass(frozen=True, slots=True)
class Value:
    """Code, and the letters that its axes are.

    ``is_full`` says that it has all of them for certain (0 may stand for an array of zeros),
    ``is_number`` that it is one of Python's numbers.
    """

    code: Code
    axes: tuple[str, ...] = ()
    is_full: bool = True
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Letter:
    """What a letter runs over; a ``step`` is the number of the loop that one is in."""

    range: Range
    name: str
    step: bool = False


Scope: TypeAlias = Mapping[str, Letter]
"""The letters that stand for axes or for the step of a loop, from the outside in."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How an array is kept: its name in code, and its first and last index on every axis."""

    name: str
    first: tuple[Affine, ...]
    last: tuple[Affine, ...]


RESERVED = frozenset(
    "np jnp jax torch math params inputs dtype device loss_and_gradients forward step back arrays "
    "abs float int len max min range reversed sum slice".split()
)
"""Names that a module needs for itself."""


class Names:
    """Identifiers for arrays, sizes and letters; none is given twice.

    >>> names = Names()
    >>> names.new("h"), names.new("∇h"), names.new("lambda"), names.new("h")
    ('h', 'dh', 'lambda_', 'h_')
    """

    def __init__(self) -> None:
        self.taken: set[str] = {*RESERVED, *keyword.kwlist, *keyword.softkwlist}

    def new(self, wanted: str) -> str:
        """``wanted`` as an identifier that nothing has yet."""
        plain = wanted.replace("∇", "d").replace("∂", "d2").replace("'", "_")
        name, count = plain, 1
        while name in self.taken:
            name = f"{plain}{'_' if count == 1 else f'_{count}'}"
            count += 1
        self.taken.add(name)
        return name


def _code(text: str) -> Code:
    return Code(text)


def binary(operator: str, a: Code, b: Code) -> Code:
    """``a operator b``."""
    own, left, right = OPERATORS[operator]
    return Code(f"{a.within(left)} {operator} {b.within(right)}", own)


def _product(a: Code, b: Code) -> Code:
    """a @ b; an elementwise product has brackets there."""
    return Code(f"{a.within(SIGN)} @ {b.within(SIGN)}", TIMES)


def affine_code(expr: Affine, names: Mapping[str, Code]) -> Code:
    """An affine expression, its letters and sizes as ``names`` say."""
    text, binding = "", ATOM
    for name, coefficient in sorted(expr.parts, key=lambda part: part[1] < 0):
        size = abs(coefficient)
        word = names[name].within(TIMES if size == 1 else SIGN)
        part = word if size == 1 else f"{size} * {word}"
        binding = TIMES if size != 1 else names[name].binding
        if text:
            text, binding = f"{text} {'-' if coefficient < 0 else '+'} {part}", PLUS
        elif coefficient < 0:
            text, binding = f"-{part}", SIGN
        else:
            text = part
    if expr.constant or not text:
        sign = "-" if expr.constant < 0 else "+"
        if text:
            return Code(f"{text} {sign} {abs(expr.constant)}", PLUS)
        return Code(str(expr.constant), SIGN if expr.constant < 0 else ATOM)
    return Code(text, binding)


def _float(code: Code) -> Code:
    """A number of Python's that is no whole one."""
    if " / " in code.text:
        return code
    digits = code.text.lstrip("-").isdigit()
    return replace(code, text=f"{code.text}.0") if digits else Code(f"float({code})")


def _number_code(value: Fraction) -> Code:
    if value.denominator == 1:
        return Code(str(value.numerator), SIGN if value < 0 else ATOM)
    if value.denominator & (value.denominator - 1) and len(str(value.denominator)) < 6:
        return Code(f"{value.numerator} / {value.denominator}", TIMES)
    return Code(repr(float(value)), SIGN if value < 0 else ATOM)


# ---------------------------------------------------------------------------------- the engines


def _spelled(spelling: Spelling, words: Mapping[str, str], calls: Mapping[str, str]) -> Spelling:
    functions, own = {**spelling.functions, **calls}, {**spelling.words, **words}
    return replace(spelling, functions=functions, words=own)


def _calls(np: str) -> dict[str, str]:
    return {
        "arange": f"{np}.arange({{}})",
        "clip": f"{np}.clip({{}}, {{}}, {{}})",
        "at_least": f"{np}.maximum({{}}, {{}})",
        "at_most": f"{np}.minimum({{}}, {{}})",
        "as_array": f"{np}.asarray({{}}, dtype)",
    }


SPELLINGS: Mapping[str, Spelling] = {
    "numpy": _spelled(
        NUMPY_PLAIN,
        {"transpose": "transpose", "optimize": ", optimize=True"},
        _calls("np"),
    ),
    "jax": _spelled(JAX, {"transpose": "transpose", "optimize": ""}, _calls("jnp")),
    "torch": _spelled(
        TORCH,
        {"transpose": "permute", "optimize": ""},
        {
            "arange": "torch.arange({}, device=device)",
            "clip": "torch.clamp({}, {}, {})",
            "at_least": "torch.clamp({}, min={})",
            "at_most": "torch.clamp({}, max={})",
            "as_array": "torch.as_tensor({}, dtype=dtype, device=device)",
        },
    ),
}
"""What each engine says, for arrays with any number of axes."""


# ------------------------------------------------------------------------------------- the arrays


class Arrays:
    """The lines of a system in an engine's words, and how its arrays are kept."""

    def __init__(self, system: System, spelling: Spelling) -> None:
        self.system, self.spelling = system, spelling
        self.np = spelling.words["np"]
        self.is_traced = spelling.name == "jax"
        """Whether the number of a loop is none of Python's, so that no `if` can look at it."""
        self.names = Names()
        self.sizes = {name: self.names.new(name) for name in system.sizes}
        self.fixed = {
            name: number(value) for name, value in system.sizes.items() if value is not None
        }
        self._assumed: tuple[Condition, ...] = ()
        """Conditions on numbers alone, inside of which one is."""
        self.kept = {q.name: self._kept(q.name, q.shape) for q in system.quantities}
        self.called: set[str] = set()
        """The helpers that the lines call."""
        self._letters: dict[str, str] = {}
        self._counted: dict[str, Range] = {}
        """What the arrays of numbers run over that the lines at hand need."""
        self._current: dict[str, Range] = {}
        """The same of those that earlier lines have made."""
        self._before: list[Line] = []
        """Lines that go before the one at hand: arrays seen through windows, made once."""
        self._seen: dict[object, Value] = {}
        self._inside: frozenset[str] = frozenset()
        """The arrays that the loop one is in computes."""

    # ------------------------------------------------------------------------------- how kept

    def _kept(self, name: str, shape: tuple[Affine, ...]) -> Kept:
        first, last = [number(1)] * len(shape), [*shape]
        for definition in self.system.defining.get(name, ()):
            for axis, index in enumerate(definition.at):
                if index.bare in {each.letter for each in definition.ranges}:
                    continue
                if self._is_known(Condition(index, "<", first[axis]), ()):
                    first[axis] = index
                elif self._is_known(Condition(last[axis], "<", index), ()):
                    last[axis] = index
        return Kept(self.names.new(name), tuple(first), tuple(last))

    def _is_known(self, condition: Condition, ranges: Iterable[Range]) -> bool:
        """Whether a condition holds, for all letters or where one is."""
        return self._decided(condition, ranges) is True or any(
            _follows(condition, other) for other in self._assumed
        )

    def _decided(self, condition: Condition, ranges: Iterable[Range]) -> bool | None:
        """Whether a condition holds for all letters, and for the sizes that have numbers."""
        found = decided(condition, ranges)
        if found is not None or not self.fixed:
            return found
        known = (
            Range(
                r.letter, _affine(moved(r.upper, self.fixed)), _affine(moved(r.lower, self.fixed))
            )
            for r in ranges
        )
        return decided(condition_moved(condition, self.fixed), known)

    def extent(self, name: str) -> tuple[Affine, ...]:
        """How many indices each axis of a kept array has."""
        kept = self.kept[name]
        return tuple(b - a + number(1) for a, b in zip(kept.first, kept.last, strict=True))

    def shape(self, affines: Iterable[Affine]) -> str:
        """A shape in code."""
        texts = [self.size_code(each).text for each in affines]
        return f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"

    def size_code(self, expr: Affine, scope: Scope | None = None) -> Code:
        """An expression of sizes, and of the numbers of loops, as it is."""
        return affine_code(*self._from_zero(expr, scope or {}))

    def result(self, name: str) -> str:
        """An array in the shape it has for whoever asks: without base cases."""
        kept, shape = self.kept[name], self.system.by_name[name].shape
        parts = []
        for first, last, size in zip(kept.first, kept.last, shape, strict=True):
            start, stop = number(1) - first, last - size
            low = "" if start == number(0) else str(start)
            high = "" if stop == number(0) else affine_code(stop.times(-1), {}).text
            parts.append(f"{low}:{high}")
        while parts and parts[-1] == ":":
            parts.pop()
        if parts:
            return f"{kept.name}[{', '.join(parts)}]"
        return kept.name

    # ---------------------------------------------------------------------------- definitions

    def lines(
        self, groups: Iterable[Group], said: Callable[[Definition], str], wanted: Iterable[str]
    ) -> list[Line]:
        """The lines of those definitions that the ``wanted`` arrays need."""
        groups = tuple(groups)
        self._current.clear()
        self._seen.clear()
        needed = needed_arrays(groups, wanted)
        found: list[Line] = []
        begun: set[str] = set()
        for group in groups:
            own = tuple(
                each
                for each in group.definitions
                if each.name in needed and (not each.is_base or self._is_read(each, needed))
            )
            if own and group.is_recurrence:
                found += self._recurrence(replace(group, definitions=own), said, begun)
            else:
                for each in own:
                    found += self._plain(each, said, begun)
        return found

    def _is_read(self, base: Definition, needed: set[str]) -> bool:
        """Whether a base case is read for what is needed, as far as indices tell."""
        letters = {each.letter for each in base.ranges}
        return any(
            reading.read.array == base.name
            and not any(
                place.bare not in letters
                and self._is_known(Condition(index, "!=", place), (*other.ranges, *reading.ranges))
                for index, place in zip(reading.read.indices, base.at, strict=True)
            )
            for other in self.system.definitions
            if other.name in needed
            for reading in reads(other.term)
        )

    def _begin(self, name: str, begun: set[str]) -> list[Line]:
        if name in begun:
            return []
        begun.add(name)
        return [Zeros(self.kept[name].name, self.shape(self.extent(name)))]

    def _plain(
        self, definition: Definition, said: Callable[[Definition], str], begun: set[str]
    ) -> list[Line]:
        self._counted.clear()
        kept = self.kept[definition.name]
        scope = self._scope(definition.ranges)
        note = Note(said(definition))
        if self._is_whole(definition):
            scattered = self._scattered(definition, scope)
            if scattered:
                return [note, *self._counting(), *scattered]
            value = self._whole(definition, scope)
            code = value.code.text
            begun.add(definition.name)
            return [note, *self._counting(), Let(kept.name, code)]
        start = self._begin(definition.name, begun)
        put = self._put(definition, scope)
        return [note, *start, *self._counting(), put]

    def _is_whole(self, definition: Definition) -> bool:
        """Whether one definition gives the whole array, letter by letter."""
        kept = self.kept[definition.name]
        ranges = {each.letter: each for each in definition.ranges}
        return len(self.system.defining[definition.name]) == 1 and all(
            index.bare in ranges
            and (ranges[index.bare].lower, ranges[index.bare].upper) == (first, last)
            for index, first, last in zip(definition.at, kept.first, kept.last, strict=True)
        )

    def _whole(self, definition: Definition, scope: Scope) -> Value:
        """The array of a definition, with every axis, in the order of its left side."""
        value = self._floating(self.value(definition.term, scope))
        axes = tuple(index.bare or "" for index in definition.at)
        if {*value.axes} != {*axes} or not value.is_full:
            shape = self.shape(self.extent(definition.name))
            found = self._fitted(value, axes, scope)
            return Value(_code(f"{self.np}.broadcast_to({found}, {shape})"))
        return replace(value, code=self._aligned(value, axes))

    def _put(self, definition: Definition, scope: Scope) -> Put:
        """The line that fills the part of an array that a definition gives."""
        kept = self.kept[definition.name]
        value = self.value(definition.term, scope)
        axes, place = [], []
        for index, first, last in zip(definition.at, kept.first, kept.last, strict=True):
            own = scope.get(index.bare or "")
            if own is None or own.step:
                place.append(self.size_code(index - first, scope).text)
                continue
            axes.append(own.range.letter)
            place.append(self._slice(own.range, index - first, last - first + number(1), scope))
        code = self._fitted(value, tuple(axes), scope).text
        while place and place[-1] == ":":
            place.pop()
        return Put(kept.name, tuple(place) or ("...",), code)

    # ---------------------------------------------------------------------------- recurrences

    def _recurrence(
        self, group: Group, said: Callable[[Definition], str], begun: set[str]
    ) -> list[Line]:
        self._counted.clear()
        own = {each.name for each in group.definitions}
        stepped = [each for each in group.definitions if self._steps(each, group)]
        bases = [each for each in group.definitions if each not in stepped]
        after = [b for b in bases if own & {reading.read.array for reading in reads(b.term)}]
        found: list[Line] = []
        for base in bases:
            if base not in after:
                found += self._plain(base, said, begun)
        for name in dict.fromkeys(each.name for each in stepped):
            found += self._begin(name, begun)
        found += self._loop(stepped, group, said)
        for base in after:
            found += self._plain(base, said, begun)
        return found

    def _steps(self, definition: Definition, group: Group) -> bool:
        index = definition.at[group.axes[definition.name]]
        return index.bare in {each.letter for each in definition.ranges}

    def _loop(
        self, definitions: Sequence[Definition], group: Group, said: Callable[[Definition], str]
    ) -> list[Line]:
        self._counted.clear()
        step = definitions[0].at[group.axes[definitions[0].name]].bare or ""
        turned = [_with_step(each, group.axes[each.name], step) for each in definitions]
        ranges = [next(r for r in each.ranges if r.letter == step) for each in turned]
        lower = self._outermost([each.lower for each in ranges], -1)
        upper = self._outermost([each.upper for each in ranges], 1)
        whole = Range(step, upper, lower)
        loop = Letter(whole, self._name_of(step), step=True)
        self._current.pop(loop.name, None)
        self._inside = frozenset(each.name for each in definitions)
        inside: list[Line] = []
        for definition, original, own in zip(turned, definitions, ranges, strict=True):
            others = self._scope(tuple(r for r in definition.ranges if r.letter != step))
            scope = {step: loop, **others}
            note, put = Note(said(original)), self._put(definition, scope)
            guards = [
                condition
                for condition in within(letter(step), own.lower, own.upper)
                if not self._is_known(condition, (whole,))
            ]
            if guards and self.is_traced:
                inside += [note, self._put_where(guards, put, scope)]
            elif guards:
                inside.append(note)
                inside.append(If(self._python_condition(guards, scope).text, (put,)))
            else:
                inside += [note, put]
        self._inside = frozenset()
        first = self.size_code(lower - number(1)).text
        loop_line = Step(
            loop.name,
            first,
            self.size_code(upper).text,
            not group.forward,
            tuple(inside),
            tuple(dict.fromkeys(self.kept[each.name].name for each in definitions)),
        )
        return [*self._counting(), loop_line]

    def _put_where(self, guards: Sequence[Condition], put: Put, scope: Scope) -> Put:
        """A part filled where conditions on the number of the loop hold, else left as it is."""
        test = self._mask(guards, scope).code
        old = f"{put.name}[{', '.join(put.place)}]"
        return replace(put, code=self.spelling.choice.format(test, put.code, old))

    def _outermost(self, bounds: Sequence[Affine], side: int) -> Affine:
        """The largest of some bounds (``side`` 1) or the least (-1)."""
        found = bounds[0]
        for each in bounds[1:]:
            a, b = (found, each) if side > 0 else (each, found)
            if self._is_known(Condition(a, "<=", b), ()):
                found = each
            elif not self._is_known(Condition(b, "<=", a), ()):
                raise NoKernel(f"the steps of a recurrence end at {found} and {each}: which first?")
        return found

    # --------------------------------------------------------------------------------- letters

    def _name_of(self, name: str) -> str:
        if name not in self._letters:
            self._letters[name] = self.names.new(name)
        return self._letters[name]

    def _scope(self, ranges: Iterable[Range]) -> dict[str, Letter]:
        return {each.letter: Letter(each, each.letter) for each in ranges}

    def _ranges(self, scope: Scope) -> tuple[Range, ...]:
        return tuple(each.range for each in scope.values())

    def _numbers(self, name: str, scope: Scope) -> Code:
        """The array of the numbers of a letter, from 0."""
        own = scope[name].range
        wanted, count = self._name_of(name), 1
        while self._counted.setdefault(wanted, own) != own:
            count += 1
            wanted = self._name_of(f"{name}{count}")
        return Code(wanted)

    def _counting(self) -> list[Line]:
        """The lines that make those arrays."""
        alike: dict[Range, list[str]] = {}
        for name, own in self._counted.items():
            if self._current.get(name) != own:
                alike.setdefault(replace(own, letter=""), []).append(name)
                self._current[name] = own
        self._counted.clear()
        found: list[Line] = []
        for own, names in alike.items():
            first, last = self.size_code(own.lower - number(1)).text, self.size_code(own.upper).text
            bounds = last if first == "0" else f"{first}, {last}"
            code = self.spelling.functions["arange"].format(bounds)
            found.append(Let(" = ".join(names), code))
        found += self._before
        self._before = []
        return found

    def _from_zero(self, expr: Affine, scope: Scope) -> tuple[Affine, dict[str, Code]]:
        """An expression in letters of code, which count from 0, and sizes; and their names."""
        names = {}
        for name, coefficient in expr.parts:
            if name in scope and scope[name].step:
                names[name] = Code(scope[name].name)
                expr += number(coefficient)
            elif name in self.sizes:
                names[name] = Code(self.sizes[name])
            else:
                raise NoKernel(f"{name} in {expr} is no letter here")
        return expr, names

    def _axes_of(self, index: Index, scope: Scope) -> tuple[str, ...]:
        """The letters of an index that are axes, from the outside in."""
        return tuple(n for n, each in scope.items() if n in index.names and not each.step)

    def _place(
        self, index: Affine, scope: Scope, axes: tuple[str, ...], *, from_one: bool = False
    ) -> Code:
        """An affine expression of letters, from 0 up or as the formula has it, over ``axes``."""
        names, constant = {}, index
        for name, coefficient in index.parts:
            if name in scope:
                constant += number(coefficient)
                if scope[name].step:
                    names[name] = Code(scope[name].name)
                else:
                    own = Value(self._numbers(name, scope), (name,))
                    names[name] = self._aligned(own, axes)
            else:
                names[name] = Code(self.sizes[name])
        return affine_code(constant if from_one else constant - number(1), names)

    # ------------------------------------------------------------------------------ alignment

    def _aligned(self, value: Value, axes: tuple[str, ...]) -> Code:
        """The code of an array with its axes where ``axes`` has them, ready to be broadcast."""
        if not value.axes:
            return value.code
        order = tuple(axis for axis in axes if axis in value.axes)
        tail = axes[axes.index(order[0]) :]
        if (order != value.axes or tail != order) and not value.is_full:
            raise _NotFull
        code = value.code
        if order != value.axes:
            code = self._turned(code, [value.axes.index(axis) for axis in order])
        if tail == order:
            return code
        marks = ", ".join(":" if axis in order else "None" for axis in tail)
        return Code(f"{code.within(ATOM)}[{marks}]")

    def _turned(self, code: Code, order: list[int]) -> Code:
        if order == [1, 0]:
            return Code(f"{code.within(ATOM)}.T")
        numbers = ", ".join(map(str, order))
        return Code(f"{code.within(ATOM)}.{self.spelling.words['transpose']}({numbers})")

    def _as_array(self, code: Code) -> Code:
        """A number, or an array of whole numbers, as an array of the type that is computed in."""
        return Code(self.spelling.functions["as_array"].format(code))

    def _floating(self, value: Value) -> Value:
        """A number of Python's as an array: a function of arrays looks at its type."""
        return Value(self._as_array(value.code)) if value.is_number else value

    def _full(self, value: Value, scope: Scope) -> Value:
        """The value as an array that has all its axes."""
        if value.is_full:
            return value
        shape = self.shape(self._length(scope[axis].range) for axis in value.axes)
        return Value(_code(f"{self.np}.broadcast_to({value.code}, {shape})"), value.axes)

    def _fitted(self, value: Value, axes: tuple[str, ...], scope: Scope) -> Code:
        """The same as `_aligned`, of a value that may be a number in place of an array too."""
        try:
            return self._aligned(value, axes)
        except _NotFull:
            return self._aligned(self._full(value, scope), axes)

    def _length(self, own: Range) -> Affine:
        return own.upper - own.lower + number(1)

    def _joined(self, values: Sequence[Value], scope: Scope) -> tuple[tuple[str, ...], list[Code]]:
        """The axes of some values together, and the code of each for them."""
        axes = tuple(n for n in scope if any(n in value.axes for value in values))
        whole = {value.axes for value in values if {*value.axes} == {*axes}}
        if len(whole) == 1:  # as they are: nothing needs to be turned
            (axes,) = whole
        return axes, [self._fitted(value, axes, scope) for value in values]

    def _apply(self, values: Sequence[Value], scope: Scope, write: Callable[..., Code]) -> Value:
        """An operation element by element."""
        axes, codes = self._joined(values, scope)
        full = {axis for value in values if value.is_full for axis in value.axes}
        is_full = full == {*axes}
        is_number = all(value.is_number for value in values)
        return Value(write(*codes), axes, is_full, is_number)

    # ------------------------------------------------------------------------------- formulas

    def value(self, term: Term, scope: Scope) -> Value:
        """A formula as an array over letters of ``scope``."""
        match term:
            case Number(value):
                return Value(_number_code(value), is_number=True)
            case Measure(index):
                axes = self._axes_of(index, scope)
                code = self._place(index, scope, axes, from_one=True)
                if self._is_number(index, axes, scope):
                    return Value(code, is_number=True)
                return Value(self._as_array(code), axes)
            case Read(array, indices):
                return self._read(array, indices, scope)
            case Plus(terms):
                return self._sum_of(terms, scope)
            case Times(factors):
                return self._product_of(factors, scope)
            case Power():
                return self._power(term, scope)
            case Call(function, arguments):
                return self._call(function, [self.value(each, scope) for each in arguments], scope)
            case Where(left, relation, right, yes, no):
                return self._where(left, relation, right, yes, no, scope)
            case Given(conditions, body):
                return self._given(conditions, lambda: self.value(body, scope), scope)
            case Binder(kind="sum"):
                return self._summed(term, scope)
            case Binder():
                return self._bound(term, scope)
        raise NoKernel(f"no line of a program for {type(term).__name__}")

    def _sum_of(self, terms: Sequence[Term], scope: Scope) -> Value:
        found: Value | None = None
        for term in terms:
            sign, rest = _signed(term)
            value = self.value(rest, scope)
            if found is None:
                found = value if sign > 0 else self._negative(value)
                continue
            operator = "+" if sign > 0 else "-"
            found = self._apply([found, value], scope, lambda a, b, o=operator: binary(o, a, b))
        assert found is not None
        return found

    def _negative(self, value: Value) -> Value:
        return replace(value, code=Code(f"-{value.code.within(SIGN)}", SIGN))

    def _product_of(self, factors: Sequence[Term], scope: Scope) -> Value:
        coefficient, above, below = _fraction(factors)
        top: Value | None = None
        if coefficient.numerator not in (1, -1) or not above:
            top = Value(_number_code(Fraction(abs(coefficient.numerator))), is_number=True)
        for factor in above:
            value = self.value(factor, scope)
            top = value if top is None else self._times(top, value, scope)
        assert top is not None
        if coefficient < 0:
            top = self._negative(top)
        under = [self.value(factor, scope) for factor in below]
        if coefficient.denominator != 1:
            under.insert(0, self.value(Number(Fraction(coefficient.denominator)), scope))
        if not under:
            return top
        bottom = under[0]
        for value in under[1:]:
            bottom = self._times(bottom, value, scope)
        return self._apply([top, bottom], scope, lambda a, b: binary("/", a, b))

    def _times(self, a: Value, b: Value, scope: Scope) -> Value:
        return self._apply([a, b], scope, lambda a, b: binary("*", a, b))

    def _power(self, term: Power, scope: Scope) -> Value:
        base, exponent = term.base, term.exponent
        match exponent:
            case Number(value) if value < 0:
                below = self.value(base if value == -1 else Power(base, Number(-value)), scope)
                one = Value(Code("1"), is_number=True)
                return self._apply([one, below], scope, lambda a, b: binary("/", a, b))
            case Number(value) if value == Fraction(1, 2):
                return self._call("sqrt", [self.value(base, scope)], scope)
        values = [self.value(base, scope), self.value(exponent, scope)]
        return self._apply(
            values, scope, lambda a, b: Code(f"{a.within(ATOM)}**{b.within(ATOM)}", POWER)
        )

    def _call(self, function: str, values: list[Value], scope: Scope) -> Value:
        if function == "pi":
            return Value(Code("math.pi"), is_number=True)
        if function in ("max", "min") and len(values) > 2:
            last = values.pop()
            return self._call(function, [self._call(function, values, scope), last], scope)
        if all(value.is_number for value in values) and function in ELEMENTARY:
            word = MATH.functions[function]
            name = word if word in ("abs", "max", "min") else f"math.{word}"
            if not word.startswith("_"):
                texts = ", ".join(value.code.text for value in values)
                return Value(Code(f"{name}({texts})"), is_number=True)
        if function in ("max", "min") and f"{function}_number" in self.spelling.functions:
            values.sort(key=lambda value: value.is_number)
        if self._helps(function):
            values = [self._floating(value) for value in values]
        return self._apply(values, scope, lambda *codes: self._called(function, codes, values))

    def _helps(self, function: str) -> bool:
        """Whether a function is one of those that a module brings along."""
        return self.spelling.functions.get(function, "_").startswith("_")

    def _called(self, function: str, codes: Sequence[Code], values: Sequence[Value]) -> Code:
        head = function
        if function.removesuffix(SLOPE) in ACTIVATIONS and function not in self.spelling.functions:
            self.called.add(function)
            return Code(f"{helper_name(function)}({codes[0]})")
        if f"{function}_number" in self.spelling.functions and values[-1].is_number:
            head = f"{function}_number"
        word = self.spelling.functions[head]
        if word.startswith("_"):
            self.called.add(head)
        if "{" in word:
            return Code(word.format(*codes))
        return Code(f"{word}({', '.join(map(str, (c.text for c in codes)))})")

    def _where(
        self, left: Term, relation: str, right: Term, yes: Term, no: Term, scope: Scope
    ) -> Value:
        a, b = self.value(left, scope), self.value(right, scope)
        compared = self._apply([a, b], scope, lambda a, b: binary(relation, a, b))
        return self._chosen(compared, self.value(yes, scope), self.value(no, scope), scope)

    def _chosen(self, condition: Value, yes: Value, no: Value, scope: Scope) -> Value:
        """One where a condition holds, else the other."""
        if condition.is_number:
            found = self._apply(
                [condition, yes, no],
                scope,
                lambda c, y, n: Code(f"({y:inner} if {c:inner} else {n})"),
            )
            return replace(found, is_full=yes.is_full and no.is_full and yes.axes == no.axes)
        if yes.is_number and no.is_number:  # of two whole numbers NumPy makes whole numbers
            yes, no = (replace(value, code=_float(value.code)) for value in (yes, no))
        words = self.spelling
        text = (yes.is_number and no.is_number and words.choice_of_numbers) or words.choice
        return self._apply([condition, yes, no], scope, lambda c, y, n: Code(text.format(c, y, n)))

    # ------------------------------------------------------------------------------ conditions

    def _split(
        self, conditions: Iterable[Condition], scope: Scope
    ) -> tuple[list[Condition], list[Condition]] | None:
        """The conditions on numbers alone, and those on axes; None where one never holds."""
        plain, masks = [], []
        for condition in conditions:
            known = self._decided(condition, self._ranges(scope))
            if known is False:
                return None
            if known is None:
                of_axes = self._axes_of_condition(condition, scope)
                is_mask = of_axes or self._is_hidden(condition, scope)
                (masks if is_mask else plain).append(condition)
        return plain, masks

    def _is_hidden(self, condition: Condition, scope: Scope) -> bool:
        """Whether Python cannot decide a condition, since it is about numbers that JAX traces."""
        data = any(isinstance(side, Lookup) for side in (condition.left, condition.right))
        return self.is_traced and (data or self._has_step(condition.names, scope))

    def _has_step(self, names: Iterable[str], scope: Scope) -> bool:
        return any(name in scope and scope[name].step for name in names)

    def _is_number(self, index: Affine, axes: tuple[str, ...], scope: Scope) -> bool:
        """Whether an index over ``axes`` is one of Python's numbers."""
        return not axes and not (self.is_traced and self._has_step(index.names, scope))

    def _axes_of_condition(self, condition: Condition, scope: Scope) -> tuple[str, ...]:
        names = condition.names
        return tuple(n for n, each in scope.items() if n in names and not each.step)

    def _python_condition(self, conditions: Iterable[Condition], scope: Scope) -> Code:
        """Conditions on numbers alone."""
        found = [self._compared(each, scope).code for each in conditions]
        if len(found) == 1:
            return found[0]
        return Code(" and ".join(code.within(COMPARISON) for code in found), COMPARISON - 1)

    def _mask(self, conditions: Iterable[Condition], scope: Scope) -> Value:
        """Conditions on axes as an array of truths."""
        found: Value | None = None
        for condition in conditions:
            value = self._compared(condition, scope)
            if found is None:
                found = value
                continue
            found = self._apply(
                [found, value], scope, lambda a, b: Code(f"{a:atom} & {b:atom}", CHOICE)
            )
        assert found is not None
        return replace(found, is_number=found.is_number and not self.is_traced)

    def _compared(self, condition: Condition, scope: Scope) -> Value:
        """A condition: both sides count from 0."""
        left, right, relation = condition.left, condition.right, condition.relation
        if isinstance(left, Affine) and isinstance(right, Affine):
            axes = self._axes_of_condition(condition, scope)
            difference = left - right
            # letters of code are less by 1
            shift = sum(c for name, c in difference.parts if name in scope)
            constant = difference.constant + shift
            above = Affine(0, tuple((n, c) for n, c in difference.parts if c > 0))
            below = Affine(0, tuple((n, -c) for n, c in difference.parts if c < 0))
            if relation == "<=" and constant > 0:
                relation, constant = "<", constant - 1
            elif relation == "<" and constant < 0:
                relation, constant = "<=", constant + 1
            if (constant > 0 and above.parts) or not (below.parts or above.parts):
                above += number(constant)
            else:
                below -= number(constant)
            sides = [self._bare_code(each, scope, axes) for each in (above, below)]
            if not above.parts and below.parts:  # 1 < t reads better as t > 1
                turned = {"<": ">", "<=": ">="}.get(relation, relation)
                return Value(binary(turned, sides[1], sides[0]), axes, is_number=not axes)
            return Value(binary(relation, *sides), axes, is_number=not axes)
        values = [self._index_value(side, scope) for side in (left, right)]
        found = self._apply(values, scope, lambda a, b: binary(relation, a, b))
        return replace(found, is_number=False)

    def _bare_code(self, expr: Affine, scope: Scope, axes: tuple[str, ...]) -> Code:
        """An expression in which letters stand as code has them."""
        names = {}
        for name, _ in expr.parts:
            if name not in scope:
                names[name] = Code(self.sizes[name])
            elif scope[name].step:
                names[name] = Code(scope[name].name)
            else:
                names[name] = self._aligned(Value(self._numbers(name, scope), (name,)), axes)
        return affine_code(expr, names)

    def _index_value(self, index: Index, scope: Scope) -> Value:
        """An index, from 0 up, as an array over its letters."""
        if isinstance(index, Lookup):
            return self._read(index.array, index.indices, scope)
        axes = self._axes_of(index, scope)
        is_number = self._is_number(index, axes, scope)
        return Value(self._place(index, scope, axes), axes, is_number=is_number)

    def _given(
        self, conditions: Sequence[Condition], body: Callable[[], Value], scope: Scope
    ) -> Value:
        """A value where conditions hold, and 0 elsewhere."""
        split = self._split(conditions, scope)
        if split is None:
            return Value(Code("0"), is_number=True)
        plain, masks = split
        before, self._assumed = self._assumed, (*self._assumed, *plain)
        value = body()
        self._assumed = before
        if masks:
            zero = Value(Code("0"), is_number=True)
            value = self._chosen(self._mask(masks, scope), value, zero, scope)
        if plain:
            test = self._python_condition(plain, scope)
            code = Code(f"({value.code:inner} if {test} else 0)")
            value = Value(code, value.axes, not value.axes, value.is_number)
        return value

    # --------------------------------------------------------------------------------- reading

    def _read(self, array: str, indices: Sequence[Index], scope: Scope) -> Value:
        """An element; one seen through windows has a line of its own, once."""
        letters = [name for index in indices for name in self._axes_of(index, scope)]
        is_window = any(
            isinstance(index, Affine) and len(self._axes_of(index, scope)) > 1 for index in indices
        )
        steps = any(scope[n].step for index in indices for n in index.names if n in scope)
        if not is_window or steps or array in self._inside or self._assumed:
            return self._element(array, indices, scope)
        key = (array, tuple(indices), frozenset(scope[name].range for name in letters))
        if key not in self._seen:
            value = self._element(array, indices, scope)
            name = self.names.new(f"{self.kept[array].name}_{''.join(value.axes)}")
            self._before.append(Let(name, value.code.text))
            self._seen[key] = replace(value, code=Code(name))
        return self._seen[key]

    def _element(self, array: str, indices: Sequence[Index], scope: Scope) -> Value:
        kept, quantity = self.kept[array], self.system.by_name[array]
        code = Code(kept.name)
        value = self._subscripted(code, indices, kept.first, kept.last, scope)
        if quantity.pad is None:
            return value
        inside = [
            condition
            for index, first, last in zip(indices, kept.first, kept.last, strict=True)
            if isinstance(index, Affine)
            for condition in within(index, first, last)
            if not self._is_known(condition, self._ranges(scope))
        ]
        if not inside:
            return value
        pad = Value(_number_code(quantity.pad), is_number=True)
        mask = self._mask(inside, scope)
        if mask.is_number:  # a number is chosen, but an array must keep its axes
            mask = replace(mask, is_number=False)
        return self._chosen(mask, value, pad, scope)

    def _subscripted(
        self,
        code: Code,
        indices: Sequence[Index],
        first: Sequence[Affine],
        last: Sequence[Affine],
        scope: Scope,
    ) -> Value:
        """An array at indices: numbers and slices first, then arrays of numbers."""
        used: dict[str, int] = {}
        for index in indices:
            for name in self._axes_of(index, scope):
                used[name] = used.get(name, 0) + 1
        plain: list[str] = []
        remaining: list[Value | str] = []  # what the axes left are: a letter, or an index array
        for index, low, high in zip(indices, first, last, strict=True):
            axes = self._axes_of(index, scope)
            if not axes:
                plain.append(self._scalar_place(index, low, high, scope).text)
                continue
            (name, *more) = axes
            if isinstance(index, Affine) and not more and used[name] == 1:
                part = self._sliced(index, name, low, high, scope)
                if part is not None:
                    plain.append(part)
                    remaining.append(name)
                    continue
            plain.append(":")
            remaining.append(self._clipped(index, low, high, scope))
        while plain and plain[-1] == ":":
            plain.pop()
        if plain:
            code = Code(f"{code.within(ATOM)}[{', '.join(plain)}]")
        arrays = [each for each in remaining if isinstance(each, Value)]
        if not arrays:
            return Value(code, tuple(str(each) for each in remaining))
        letters, codes = self._joined(arrays, scope)
        texts = iter(codes)
        parts = [next(texts).text if isinstance(each, Value) else ":" for each in remaining]
        places = [k for k, each in enumerate(remaining) if isinstance(each, Value)]
        adjacent = places == list(range(places[0], places[-1] + 1))
        rest = [(k, each) for k, each in enumerate(remaining) if isinstance(each, str)]
        before = [each for k, each in rest if adjacent and k < places[0]]
        after = [each for k, each in rest if not adjacent or k > places[-1]]
        while parts[-1] == ":":
            parts.pop()
        made = Code(f"{code.within(ATOM)}[{', '.join(parts)}]")
        return Value(made, (*before, *letters, *after))

    def _scalar_place(self, index: Index, low: Affine, high: Affine, scope: Scope) -> Code:
        """An index that is one number."""
        if isinstance(index, Lookup):
            return self._read(index.array, index.indices, scope).code
        code = self.size_code(index - low, scope)
        below, above = self._outside(index, low, high, scope)
        at_most, at_least = "min({}, {})", "max({}, {})"
        if self.is_traced and self._has_step(index.names, scope):
            functions = self.spelling.functions
            at_most, at_least = functions["at_most"], functions["at_least"]
        if above:
            code = Code(at_most.format(code, self.size_code(high - low)))
        if below:
            code = Code(at_least.format(code, 0))
        return code

    def _outside(self, index: Affine, low: Affine, high: Affine, scope: Scope) -> tuple[bool, bool]:
        """Whether an index may be below the first, and above the last, that an array has."""
        ranges = self._ranges(scope)
        below, above = within(index, low, high)
        return not self._is_known(below, ranges), not self._is_known(above, ranges)

    def _sliced(
        self, index: Affine, name: str, low: Affine, high: Affine, scope: Scope
    ) -> str | None:
        """An index with one letter as a slice, where it never falls outside."""
        if index.coefficient(name) < 1 or any(self._outside(index, low, high, scope)):
            return None
        if self.is_traced and self._has_step(index.names, scope):
            return None
        return self._slice(scope[name].range, index - low, high - low + number(1), scope)

    def _slice(self, own: Range, place: Affine, length: Affine, scope: Scope) -> str:
        """The slice of an axis of ``length`` where a letter puts ``place``, from 0 up."""
        step = place.coefficient(own.letter)
        start = _affine(moved(place, {own.letter: own.lower}))
        stop = _affine(moved(place, {own.letter: own.upper})) + number(1)
        low = "" if start == number(0) else self.size_code(start, scope).text
        beyond = stop - length
        if beyond == number(0):
            high = ""
        elif beyond.is_number and beyond.constant < 0:
            high = str(beyond.constant)
        else:
            high = self.size_code(stop, scope).text
        return f"{low}:{high}" + (f":{step}" if step != 1 else "")

    def _clipped(self, index: Index, low: Affine, high: Affine, scope: Scope) -> Value:
        """An index as an array of places that an axis has."""
        if isinstance(index, Lookup):
            return self._read(index.array, index.indices, scope)
        axes = self._axes_of(index, scope)
        code = self._place(index - low + number(1), scope, axes)
        below, above = self._outside(index, low, high, scope)
        last = self.size_code(high - low)
        functions = self.spelling.functions
        if below and above:
            code = Code(functions["clip"].format(code, 0, last))
        elif below:
            code = Code(functions["at_least"].format(code, 0))
        elif above:
            code = Code(functions["at_most"].format(code, last))
        return Value(code, axes)

    # ----------------------------------------------------------------------------------- sums

    def _entered(self, binder: Binder, scope: Scope) -> tuple[Binder, dict[str, Letter]]:
        """A binder whose letter hides none outside, and the scope within."""
        own = binder.range
        if own.letter in scope or own.letter in self.sizes:
            taken = {*scope, *self.sizes, *free_letters(binder.body)}
            new = fresh(own.letter, taken)
            moves: dict[str, Index] = {own.letter: letter(new)}
            binder = replace(
                binder,
                range=replace(own, letter=new),
                conditions=tuple(condition_moved(each, moves) for each in binder.conditions),
                body=moved_term(binder.body, moves),
            )
            own = binder.range
        return binder, {**scope, own.letter: Letter(own, own.letter)}

    def _summed(self, binder: Binder, scope: Scope) -> Value:
        """Σ of a product: sums within it, and conditions, are taken together."""
        letters: list[str] = []
        conditions: list[Condition] = []
        inside, term = dict(scope), binder
        body: Term = binder
        while True:
            match body:
                case Binder(kind="sum") as term:
                    term, inside = self._entered(term, inside)
                    letters.append(term.range.letter)
                    conditions += term.conditions
                    body = term.body
                case Given(more, within_):
                    conditions += more
                    body = within_
                case _:
                    break
        outer = [c for c in conditions if not c.names & {*letters}]
        inner = [c for c in conditions if c.names & {*letters}]
        split = self._split(inner, inside)
        if split is None:
            return Value(Code("0"), is_number=True)
        plain, masks = split
        factors = body.factors if isinstance(body, Times) else (body,)
        return self._given(
            [*outer, *plain], lambda: self._total(factors, letters, masks, inside), scope
        )

    def _total(
        self, factors: Sequence[Term], letters: list[str], masks: list[Condition], scope: Scope
    ) -> Value:
        """Σ over letters of a product, where conditions hold."""
        coefficient, above, below = _fraction(factors)
        held = {*letters}

        def is_outside(factor: Term) -> bool:
            is_safe = not masks or isinstance(factor, (Read, Measure))
            return is_safe and not held & free_letters(factor)

        outside = [factor for factor in above if is_outside(factor)]
        under = [factor for factor in below if is_outside(factor)]
        inner = [factor for factor in above if factor not in outside]
        inner += [Power(factor, Number(Fraction(-1))) for factor in below if factor not in under]
        found = self._contracted(inner, letters, masks, scope)
        for factor in reversed(outside):
            found = self._times(self.value(factor, scope), found, scope)
        if coefficient.numerator not in (1, -1):
            size = Value(_number_code(Fraction(abs(coefficient.numerator))), is_number=True)
            found = self._times(size, found, scope)
        if coefficient < 0:
            found = self._negative(found)
        divisors = [self.value(factor, scope) for factor in under]
        if coefficient.denominator != 1:
            divisors.insert(0, self.value(Number(Fraction(coefficient.denominator)), scope))
        for divisor in divisors:
            found = self._apply([found, divisor], scope, lambda a, b: binary("/", a, b))
        return found

    def _contracted(
        self, factors: list[Term], letters: list[str], masks: list[Condition], scope: Scope
    ) -> Value:
        """Σ over letters of a product of arrays that have them."""
        values = [self._full(self.value(factor, scope), scope) for factor in factors]
        if masks:
            values = self._masked(factors, values, masks, scope)
        held = {axis for value in values for axis in value.axes}
        counts = [self._length(scope[name].range) for name in letters if name not in held]
        over = [name for name in letters if name in held]
        arrays = [value for value in values if value.axes]
        numbers = [value for value in values if not value.axes]
        found = self._einsum(arrays, over, scope) if arrays else None
        numbers += [Value(self.size_code(size), is_number=True) for size in counts]
        for each in numbers:
            found = each if found is None else self._times(each, found, scope)
        return found if found is not None else Value(Code("1"), is_number=True)

    def _masked(
        self, factors: list[Term], values: list[Value], masks: list[Condition], scope: Scope
    ) -> list[Value]:
        """The factors with 0 for what conditions leave out.

        One factor is masked where the others are arrays that are merely read; else their product,
        since what is left out may be no number at all.
        """
        zero = Value(Code("0"), is_number=True)
        mask = self._mask(masks, scope)
        if not values:
            return [self._chosen(mask, Value(Code("1"), is_number=True), zero, scope)]
        unsafe = [k for k, each in enumerate(factors) if not isinstance(each, (Read, Measure))]
        if len(unsafe) > 1:
            whole = values[0]
            for value in values[1:]:
                whole = self._times(whole, value, scope)
            return [self._chosen(mask, whole, zero, scope)]
        best = max(
            range(len(values)),
            key=lambda k: (
                k in unsafe,
                len({*mask.axes} & {*values[k].axes}),
                -len(values[k].axes),
            ),
        )
        return [
            self._chosen(mask, value, zero, scope) if k == best else value
            for k, value in enumerate(values)
        ]

    def _einsum(self, values: list[Value], over: list[str], scope: Scope) -> Value:
        """Σ over letters of a product of arrays, as it is best written."""
        values = self._merged(values, scope)
        if len(values) == 2:
            found = self._matmul(values[0], values[1], over, scope)
            if found is not None:
                return found
            small, large = sorted(values, key=lambda value: len(value.axes))
            if {*small.axes} <= {*large.axes}:
                values = [self._times(values[0], values[1], scope)]
        if len(values) == 1:
            return self._reduced(values[0], over, "sum")
        axes = tuple(n for n in scope if n not in over and any(n in value.axes for value in values))
        marks = _marks(dict.fromkeys(axis for value in values for axis in value.axes))
        terms = ",".join("".join(marks[axis] for axis in value.axes) for value in values)
        text = ", ".join(value.code.text for value in values)
        result = "".join(marks[axis] for axis in axes)
        rest = self.spelling.words["optimize"]
        return Value(Code(f'{self.np}.einsum("{terms}->{result}", {text}{rest})'), axes)

    def _merged(self, values: list[Value], scope: Scope) -> list[Value]:
        """Of more than two factors, those with the axes of another are multiplied into it."""
        values = list(values)
        while len(values) > 2:
            pairs = [
                (len(b.axes) - len(a.axes), i, j)
                for i, a in enumerate(values)
                for j, b in enumerate(values)
                if i != j and {*a.axes} <= {*b.axes}
            ]
            if not pairs:
                break
            _, i, j = min(pairs)
            i, j = sorted((i, j))
            values[i] = self._times(values[i], values.pop(j), scope)
        return values

    def _matmul(self, a: Value, b: Value, over: list[str], scope: Scope) -> Value | None:
        """Two arrays of one or two axes as a matrix product, or several such products at once."""
        shared = [axis for axis in a.axes if axis in b.axes]
        if len(over) != 1 or over[0] not in shared:
            return None
        (inner,) = over
        batch = [axis for axis in shared if axis != inner]
        rows = [axis for axis in a.axes if axis not in shared]
        columns = [axis for axis in b.axes if axis not in shared]
        if batch:
            return self._matmuls(a, b, inner, batch, rows, columns)
        if len(rows) > 1 or len(columns) > 1:
            return None
        wanted = [axis for axis in scope if axis in (*rows, *columns)]
        if wanted != [*rows, *columns]:
            a, b, rows, columns = b, a, columns, rows
        left = self._aligned(a, (*rows, inner))
        right = self._aligned(b, (inner, *columns))
        return Value(_product(left, right), (*rows, *columns))

    def _matmuls(
        self, a: Value, b: Value, inner: str, batch: list[str], rows: list[str], columns: list[str]
    ) -> Value | None:
        size = len(batch)
        leads = a.axes[:size] == b.axes[:size] == tuple(batch)
        if not leads or len(rows) != 1 or len(columns) != 1:
            return None
        swap = f".swapaxes({size}, {size + 1})"
        left = a.code if a.axes[-1] == inner else Code(a.code.within(ATOM) + swap)
        right = b.code if b.axes[-1] != inner else Code(b.code.within(ATOM) + swap)
        return Value(_product(left, right), (*batch, *rows, *columns))

    def _reduced(self, value: Value, over: Sequence[str], kind: str) -> Value:
        """A sum, a maximum … over some axes."""
        kept = tuple(axis for axis in value.axes if axis not in over)
        word = self.spelling.words.get(kind, kind)
        places = [str(value.axes.index(axis)) for axis in over]
        if not over:
            return value
        if not kept and kind == "sum":
            where = ""
        elif len(places) == 1:
            where = f"axis={places[0]}"
        else:
            where = f"axis=({', '.join(places)})"
        return Value(Code(f"{value.code.within(ATOM)}.{word}({where})"), kept)

    # --------------------------------------------------------------------------- other binders

    def _bound(self, binder: Binder, scope: Scope) -> Value:
        at = binder.at
        binder, inside = self._entered(binder, scope)
        own = binder.range.letter
        split = self._split(binder.conditions, inside)
        if split is None:
            plain, masks, never = [], [], True
        else:
            (plain, masks), never = split, False
        if binder.kind == "count":
            return self._count(binder.range, plain, masks, inside, never)
        if binder.kind == "mean":
            body = self._summed(replace(binder, kind="sum"), scope)
            count = self._count(binder.range, plain, masks, inside, never)
            return self._apply([body, count], scope, lambda a, b: binary("/", a, b))
        if never or plain:
            raise NoKernel(f"{binder.kind} over {own} may have nothing to choose from")
        value = self._full(self.value(binder.body, inside), inside)
        value = self._floating(value)
        if own not in value.axes:  # a constant: as many of it as the letter has numbers
            length = self.shape(self._length(inside[axis].range) for axis in (*value.axes, own))
            spread = self._aligned(value, (*value.axes, own))
            value = Value(_code(f"{self.np}.broadcast_to({spread}, {length})"), (*value.axes, own))
        mask = self._mask(masks, inside) if masks else None
        if binder.kind in ("max", "min"):
            return self._extreme(binder.kind, value, mask, own, inside)
        return self._over_last(binder, at, value, mask, own, scope, inside)

    def _count(
        self,
        own: Range,
        plain: list[Condition],
        masks: list[Condition],
        scope: Scope,
        never: bool,
    ) -> Value:
        if never:
            return Value(Code("0"), is_number=True)
        if not masks:
            code = self.size_code(self._length(own))
            if plain:
                test = self._python_condition(plain, scope)
                return Value(Code(f"({code:inner} if {test} else 0)"), is_number=True)
            return Value(code, is_number=True)
        mask = self._mask(masks, scope)
        if own.letter not in mask.axes:
            size = Value(self.size_code(self._length(own)), is_number=True)
            return self._chosen(mask, size, Value(Code("0"), is_number=True), scope)
        counted = self._reduced(mask, [own.letter], "sum")
        if plain:
            return self._given(plain, lambda: counted, scope)
        return counted

    def _extreme(
        self, kind: str, value: Value, mask: Value | None, own: str, scope: Scope
    ) -> Value:
        if mask is not None:
            least_ = "-math.inf" if kind == "max" else "math.inf"
            value = self._chosen(mask, value, Value(Code(least_), is_number=True), scope)
        return self._reduced(value, [own], kind)

    def _over_last(
        self,
        binder: Binder,
        at: Index | None,
        value: Value,
        mask: Value | None,
        own: str,
        scope: Scope,
        inside: Scope,
    ) -> Value:
        """What a helper computes along the last axis: softmax, logsumexp, argmax, argmin."""
        helper = f"_{binder.kind}"
        self.called.add(binder.kind)
        held = {*value.axes, *(mask.axes if mask else ())}
        order = (*(axis for axis in inside if axis in held and axis != own), own)
        codes = [self._aligned(value, order)]
        if mask is not None:
            codes.append(self._aligned(self._full(mask, inside), order))
            if {*value.axes} != held:
                shape = self.shape(self._length(inside[axis].range) for axis in order)
                codes[0] = _code(f"{self.np}.broadcast_to({codes[0]}, {shape})")
        code = Code(f"{helper}({', '.join(each.text for each in codes)})")
        if at is None:
            return Value(code, order[:-1])
        name = at.bare or ""
        if name in scope and not scope[name].step:
            outer = scope[name].range
            alike = (outer.lower, outer.upper) == (binder.range.lower, binder.range.upper)
            if alike and name not in order:
                return Value(code, (*order[:-1], name))
        indices = [*(letter(axis) for axis in order[:-1]), at]
        ranges = [inside[axis].range for axis in order]
        first, last = [r.lower for r in ranges], [r.upper for r in ranges]
        found = self._subscripted(code, indices, first, last, scope)
        if isinstance(at, Affine) and binder.kind != LOG_SOFTMAX:
            kept = [
                condition
                for condition in within(at, binder.range.lower, binder.range.upper)
                if not self._is_known(condition, self._ranges(scope))
            ]
            if kept:
                return self._given(kept, lambda: found, scope)
        return found

    # --------------------------------------------------------------------------------- scatter

    def _scattered(self, definition: Definition, scope: Scope) -> list[Line]:
        """``name[tok] += body`` for Σ_t [tok[t] = v] body, where that is all of a definition."""
        parts = definition.term.terms if isinstance(definition.term, Plus) else (definition.term,)
        found = [self._scatter(part, definition, scope) for part in parts]
        if not any(found):
            return []
        rest = [part for part, each in zip(parts, found, strict=True) if each is None]
        name = self.kept[definition.name].name
        start: list[Line] = [Zeros(name, self.shape(self.extent(definition.name)))]
        if rest:
            plain = replace(definition, term=Plus(tuple(rest)) if len(rest) > 1 else rest[0])
            value = self._whole(plain, scope)
            start.append(Put(name, ("...",), value.code.text))
        return [*start, *(line for line in found if line)]

    def _scatter(self, term: Term, definition: Definition, scope: Scope) -> Line | None:
        """One term of a sum as a line that adds, or None."""
        letters: list[Range] = []
        conditions: list[Condition] = []
        inside = dict(scope)
        outer: list[Term] = []
        body = term
        while True:
            match body:
                case Binder(kind="sum") as bound:
                    bound, inside = self._entered(bound, inside)
                    letters.append(bound.range)
                    conditions += bound.conditions
                    body = bound.body
                case Given(more, rest):
                    conditions += more
                    body = rest
                case Times(factors) if sum(isinstance(f, (Binder, Given)) for f in factors) == 1:
                    (bound_factor,) = [f for f in factors if isinstance(f, (Binder, Given))]
                    if isinstance(bound_factor, Binder) and bound_factor.kind != "sum":
                        break
                    outer += [f for f in factors if f is not bound_factor]
                    body = bound_factor
                case _:
                    break
        body = product((*outer, body)) if outer else body
        found = self._targets(definition, letters, conditions, inside)
        if found is None:
            return None
        targets, conditions, inside = found
        try:
            body = moved_term(body, targets)
            conditions = [condition_moved(each, targets) for each in conditions]
        except TypeError:
            return None
        return self._added(definition, body, conditions, targets, inside)

    def _targets(
        self,
        definition: Definition,
        letters: list[Range],
        conditions: list[Condition],
        scope: Mapping[str, Letter],
    ) -> tuple[dict[str, Index], list[Condition], dict[str, Letter]] | None:
        """What free letters are that conditions tie to the letters of a sum, and what is left.

        v = tok[t]; or i = 2o + u - 3 of 1 ≤ i - 2o + 3 ≤ k, with u a letter of its own.
        """
        summed = {each.letter for each in letters}
        free = [each.letter for each in definition.ranges]
        inside, left = dict(scope), list(conditions)
        targets: dict[str, Index] = {}
        for condition in conditions:
            sides = (condition.left, condition.right)
            for index, other in (sides, sides[::-1]):
                name = other.bare if isinstance(other, Affine) else None
                is_tied = isinstance(index, Lookup) and index.names and index.names <= summed
                if condition.relation == "==" and is_tied and name in free:
                    targets[name] = index
                    left.remove(condition)
        for low in conditions:
            for high in conditions:
                place = low.right
                is_pair = low.relation == high.relation == "<=" and place == high.left
                if not is_pair or not isinstance(place, Affine) or place.is_number:
                    continue
                if not any(abs(place.coefficient(name)) > 1 for name in summed):
                    continue
                bounds = (low.left, high.right)
                if not all(isinstance(b, Affine) and b.names <= {*self.sizes} for b in bounds):
                    continue
                names = [n for n in free if abs(place.coefficient(n)) == 1 and n not in targets]
                if len(names) != 1 or place.names - {*self.sizes} - {*names} - summed:
                    continue
                new = fresh("u", {*inside, *self.sizes})
                moved_to = solved(place, letter(new), names[0])
                if moved_to is None or names[0] not in inside:
                    continue
                own = inside[names[0]].range
                targets[names[0]] = moved_to
                inside[new] = Letter(Range(new, _affine(high.right), _affine(low.left)), new)
                left = [each for each in left if each not in (low, high)]
                left += within(_affine(moved_to), own.lower, own.upper)
        return (targets, left, inside) if targets else None

    def _added(
        self,
        definition: Definition,
        body: Term,
        conditions: list[Condition],
        targets: Mapping[str, Index],
        scope: Mapping[str, Letter],
    ) -> Line | None:
        """The line that adds ``body`` where ``targets`` say that the free letters are."""
        free = [index.bare or "" for index in definition.at]
        tied = frozenset().union(*(index.names for index in targets.values()))
        inside = {name: each for name, each in scope.items() if name not in targets}
        axes = tuple(name for name in inside if name in tied)
        others = [name for name in inside if name not in tied and name not in free]
        if any(name in tied for name in free):
            return None
        conditions = list(dict.fromkeys(conditions))
        term = body
        for name in others:
            term = Binder("sum", inside[name].range, tuple(conditions), term)
            conditions = []
        if conditions:
            term = Given(tuple(conditions), term)
        around = {name: each for name, each in inside.items() if name not in others}
        value = self._full(self.value(term, around), around)
        kept = self.kept[definition.name]
        places = [k for k, name in enumerate(free) if name in targets]
        rest = [name for name in free if name not in targets]
        if places == list(range(places[0], places[-1] + 1)):
            order = (*free[: places[0]], *axes, *free[places[-1] + 1 :])
        else:  # NumPy puts the axes of places that are apart in front
            order = (*axes, *rest)
        parts = []
        for k, name in enumerate(free):
            if name in targets:
                where = self._clipped(targets[name], kept.first[k], kept.last[k], around)
                parts.append(self._aligned(where, axes).text)
            else:
                parts.append(":")
        while parts[-1] == ":":
            parts.pop()
        if {*value.axes} != {*order}:
            shape = self.shape(self._length(around[axis].range) for axis in order)
            spread = self._aligned(value, order)
            value = Value(_code(f"{self.np}.broadcast_to({spread}, {shape})"), order)
        return Put(kept.name, tuple(parts), self._aligned(value, order).text, add=True)


def helper_name(function: str) -> str:
    """What a module calls an activation, or its slope.

    >>> helper_name("tanh'")
    '_tanh_slope'
    """
    return f"_{function.replace(SLOPE, '_slope')}"


class _NotFull(Exception):
    """A number may stand for an array of zeros, and axes are asked of it."""


def _follows(condition: Condition, known: Condition) -> bool:
    """Whether one ≤ follows from another by their difference alone."""
    sides = (condition.left, condition.right, known.left, known.right)
    if {condition.relation, known.relation} != {"<="}:
        return False
    if not all(isinstance(side, Affine) for side in sides):
        return False
    left, right, below, above = map(_affine, sides)
    rest = (right - left) - (above - below)
    return rest.is_number and rest.constant >= 0


def _affine(index: Index) -> Affine:
    assert isinstance(index, Affine)
    return index


def _with_step(definition: Definition, axis: int, step: str) -> Definition:
    """A definition with ``step`` as its letter on an axis."""
    old = definition.at[axis].bare or ""
    if old == step:
        return definition
    names = {each.letter for each in definition.ranges}
    moves: dict[str, Index] = {old: letter(step)}
    if step in names:
        moves[step] = letter(fresh(step, {*names, step, old}))
    ranges = tuple(
        replace(each, letter=moves[each.letter].bare or "") if each.letter in moves else each
        for each in definition.ranges
    )
    at = tuple(_affine(moved(index, moves)) for index in definition.at)
    return replace(definition, at=at, ranges=ranges, term=moved_term(definition.term, moves))


def _signed(term: Term) -> tuple[int, Term]:
    """A term's sign, and the rest."""
    match term:
        case Number(value) if value < 0:
            return -1, Number(-value)
        case Times((Number(value), *rest)) if value < 0:
            return -1, product((Number(-value), *rest))
    return 1, term


def _fraction(factors: Sequence[Term]) -> tuple[Fraction, list[Term], list[Term]]:
    """A product as a number, the factors above and those below the fraction line."""
    coefficient, above, below = Fraction(1), [], []
    for factor in factors:
        match factor:
            case Number(value):
                coefficient *= value
            case Power(Number(value), Number(exponent)) if value and exponent.denominator == 1:
                coefficient *= value**exponent.numerator
            case Power(base, Number(exponent)) if exponent < 0:
                below.append(base if exponent == -1 else Power(base, Number(-exponent)))
            case _:
                above.append(factor)
    return coefficient, above, below


def _marks(letters: Iterable[str]) -> dict[str, str]:
    """A mark of one character for each letter of an einsum: itself where it is one."""
    names = list(letters)
    found = {name: name for name in names if len(name) == 1 and name in string.ascii_letters}
    free = iter(c for c in string.ascii_letters if c not in found.values())
    for name in names:
        if name not in found:
            found[name] = next(free)
    return found


def needed_arrays(groups: Iterable[Group], wanted: Iterable[str]) -> set[str]:
    """The arrays that the ``wanted`` ones are computed from, and themselves."""
    reading: dict[str, set[str]] = {}
    for group in groups:
        for definition in group.definitions:
            own = reading.setdefault(definition.name, set())
            own |= arrays_in(definition.term)
            own |= {name for each in definition.at for name in ()}
    found, frontier = set(wanted), set(wanted)
    while frontier:
        frontier = set().union(*(reading.get(name, set()) for name in frontier)) - found
        found |= frontier
    return found


def arrays_in(term: Term) -> set[str]:
    """The arrays that a formula reads, those of indices too."""
    found = set()
    for part in walk(term):
        match part:
            case Read(array, indices):
                found.add(array)
                found |= {index.array for index in indices if isinstance(index, Lookup)}
            case Given(conditions) | Binder(conditions=conditions):
                for condition in conditions:
                    sides = (condition.left, condition.right)
                    found |= {side.array for side in sides if isinstance(side, Lookup)}
        if isinstance(part, Binder) and isinstance(part.at, Lookup):
            found.add(part.at.array)
    return found
