"""The equations that layers stand for, as a file that a person would be glad to have written.

Here one can

* hold what one layer writes: `Part`, its equations as text, the arrays and sizes they bring, and
  the `Array` that the next layer reads;
* hold all of a network: `Expansion`; `Expansion.tables` is the nested dict of an equations file,
  which `symback.equations.reading` reads, and `Expansion.text` the file itself (TOML).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from symback.equations.indices import Affine
from symback.equations.system import KnownSum
from symback.language.tables import is_list, plain

Shape = tuple[Affine, ...]
LINE = 100  # characters; longer lists of numbers are broken
BANNER = "The equations that the layers stand for, written by symback expand."


@dataclass(frozen=True, slots=True)
class Array:
    """An array that a layer reads or gives, its shape without the index of the samples.

    ``below`` is, for whole numbers that serve as indices, the largest of them.  ``is_recurrent``
    says that it has values before its first step, so that it cannot be 0 there.
    """

    name: str
    shape: Shape
    below: Affine | None = None
    is_recurrent: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """An array that is trained; ``is_weight`` says that ``l2`` counts it (biases it does not)."""

    name: str
    shape: Shape
    is_weight: bool = True


@dataclass(frozen=True, slots=True)
class Part:
    """What one layer, or the loss, writes.

    ``title`` is the comment above it; ``lines`` are equations, left side and right side;
    ``ranges`` the letters that stand bare nowhere; ``pad`` the arrays that are 0 outside;
    ``output`` what the layer gives.
    """

    title: str
    output: Array
    lines: tuple[tuple[str, str], ...] = ()
    parameters: tuple[Parameter, ...] = ()
    inputs: tuple[Array, ...] = ()
    ranges: tuple[tuple[str, Affine], ...] = ()
    pad: tuple[str, ...] = ()
    facts: tuple[KnownSum, ...] = ()


@dataclass(frozen=True, slots=True)
class Expansion:
    """A network as equations: its sizes, its parts in order, and the numbers given.

    ``sizes`` maps each size to its number, None where it is symbolic.  Shapes of ``inputs`` and
    ``labels`` are whole ones, with the samples.
    """

    sizes: Mapping[str, int | None]
    parts: tuple[Part, ...]
    inputs: tuple[Array, ...]
    loss: str
    values: Mapping[str, Any]
    title: str = ""
    goals: Mapping[str, Any] | None = None
    facts: tuple[KnownSum, ...] = ()

    @property
    def parameters(self) -> dict[str, Parameter]:
        """What is trained, each once, however many layers share it."""
        return {each.name: each for part in self.parts for each in part.parameters}

    def tables(self) -> dict[str, Any]:
        """The nested dict of an equations file; tables that would be empty are left out."""
        pairs = [pair for part in self.parts for pair in part.lines]
        made: dict[str, Any] = {
            "title": self.title,
            "loss": self.loss,
            "sizes": {name: name if n is None else n for name, n in self.sizes.items()},
            "parameters": {name: _shape(each) for name, each in self.parameters.items()},
            "inputs": {each.name: _shape(each) for each in self.inputs if each.below is None},
            "indices": {
                each.name: {"shape": _shape(each), "below": written(each.below)}
                for each in self.inputs
                if each.below is not None
            },
            "pad": {name: 0 for part in self.parts for name in part.pad},
            "ranges": {letter: written(n) for part in self.parts for letter, n in part.ranges},
            "equations": dict(pairs),
            "goals": self.goals,
            "values": dict(self.values),
        }
        return {name: table for name, table in made.items() if table}

    def text(self) -> str:
        """The file, with a comment above the lines of each layer."""
        tables = self.tables()
        lines = [f"# {BANNER}"]
        lines += [
            f"{name} = {_value(tables[name])}" for name in ("title", "loss") if name in tables
        ]
        for name, table in tables.items():
            if name in ("title", "loss"):
                continue
            lines += ["", f"[{name}]"]
            if name == "equations":
                lines += self._equations()
            else:
                lines += [f"{key} = {_value(value)}" for key, value in table.items()]
        return "\n".join(lines) + "\n"

    def _equations(self) -> Iterable[str]:
        for part in self.parts:
            if part.lines:
                yield f"# {part.title}"
            for left, right in part.lines:
                yield f"{_string(left)} = {_string(right)}"


def written(index: Affine) -> str:
    """An index or a size as files write it: ``2*o+u-3``.

    >>> from symback.equations.indices import letter, number
    >>> written(letter("o").times(2) + letter("u") - number(3))
    '2*o+u-3'
    """
    text = ""
    for name, count in sorted(index.parts, key=lambda part: part[1] < 0):
        sign = "-" if count < 0 else "+" if text else ""
        text += sign + (f"{abs(count)}*" if abs(count) != 1 else "") + name
    if index.constant or not text:
        text += f"{index.constant:+d}" if text else str(index.constant)
    return text


def _shape(array: Array | Parameter) -> list[str | int]:
    return [n.constant if n.is_number else written(n) for n in array.shape]


# ---------------------------------------------------------------------------------- TOML values


def _string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _value(value: Any, indent: int = 0) -> str:
    """A value as TOML; lists that are too long for a line are broken, numbers stay as written."""
    value = plain(value)
    match value:
        case bool():
            return str(value).lower()
        case str():
            return _string(value)
        case Mapping():
            return "{ " + ", ".join(f"{k} = {_value(v)}" for k, v in value.items()) + " }"
        case Decimal():
            return _decimal(value)
    if not is_list(value):
        return _decimal(Decimal(repr(value))) if isinstance(value, float) else str(value)
    flat = "[" + ", ".join(_value(each) for each in value) + "]"
    nested = any(is_list(plain(each)) for each in value)
    if len(flat) + indent <= (LINE if not nested else LINE // 2):
        return flat
    room = " " * (indent + 4)
    if nested:
        rows = "".join(f"{room}{_value(each, indent + 4)},\n" for each in value)
    else:
        rows = "".join(f"{room}{row}\n" for row in _wrapped([_value(v) for v in value], len(room)))
    return f"[\n{rows}{' ' * indent}]"


def _wrapped(words: list[str], indent: int) -> Iterable[str]:
    row = ""
    for word in words:
        if row and indent + len(row) + len(word) + 2 > LINE:
            yield row
            row = ""
        row += f"{' ' if row else ''}{word},"
    if row:
        yield row


def _decimal(value: Decimal) -> str:
    """A number as TOML writes it: 1E-5 is 1e-5, and 1e5 needs no point."""
    text = str(value).lower()
    return text.replace("e+", "e")
