"""Every symbol, index and name symback uses, and the reading of names such as ``w_212``.

Here one can

* declare a quantity of a network: `Variable`, and take one of its elements: `Variable.at`;
* name an element the way the lectures do: `element_name` (``w_212``, and ``w_2,11,3`` where an
  index has two digits);
* read such a name back against the quantities that exist: `read_reference`.

Indices start at 1, as in mathematics; `symback.engine.evaluation` is the one place that shifts them
to NumPy's 0.  ``W`` is (out, in): ``w_kij`` leads from neuron j of layer k-1 into neuron i of layer
k.
"""

from __future__ import annotations

import enum
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import sympy
from sympy import Expr, IndexedBase, Symbol

from symback.language.errors import SymbackError, printable

__all__ = [
    "SAMPLE",
    "Reference",
    "Role",
    "UnknownName",
    "Variable",
    "element_name",
    "elements",
    "fresh_index",
    "index",
    "name_indices",
    "read_reference",
    "whole_name",
]


class UnknownName(SymbackError):
    """A name that no quantity of the network answers to, or that two answer to."""


class Role(enum.Enum):
    """What a quantity is in a network; decides its letter, nothing else."""

    INPUT = "input"
    TARGET = "target"
    WEIGHT = "weight"
    BIAS = "bias"
    PREACTIVATION = "preactivation"
    ACTIVATION = "activation"
    OUTPUT = "output"
    LOSS = "loss"
    STAGE = "stage"  # a named line of an [equations] file
    LEAF = "leaf"  # a name an [equations] file uses and does not compute


LETTERS = {
    Role.INPUT: "x",
    Role.TARGET: "y",
    Role.WEIGHT: "w",
    Role.BIAS: "b",
    Role.PREACTIVATION: "a",
    Role.ACTIVATION: "h",
    Role.OUTPUT: "yhat",
    Role.LOSS: "L",
}
PARAMETERS = (Role.WEIGHT, Role.BIAS)


@lru_cache(maxsize=4096)
def index(letter: str) -> Symbol:
    """The index called ``letter``: an integer from 1 to the size of what it numbers."""
    return Symbol(letter, integer=True)


SAMPLE = index("s")
"""The index that numbers the samples of a batch."""

INDEX_LETTERS = ("i", "j", "m", "p", "q", "r", "t", "u", "v")


def fresh_index(used: Iterable[Symbol]) -> Symbol:
    """The first of the letters i, j, m, p, … that is not among ``used``."""
    taken = {symbol.name for symbol in used}
    for letter in _endless_letters():
        if letter not in taken:
            return index(letter)
    raise AssertionError("the letters have no end")


def _endless_letters() -> Iterator[str]:
    yield from INDEX_LETTERS
    number = 1
    while True:
        yield f"i{number}"
        number += 1


@dataclass(frozen=True, slots=True)
class Variable:
    """One quantity of a network: a scalar (``shape == ()``), a vector or a matrix.

    ``shape`` holds the upper limits of its indices as SymPy integers or symbols, the number of
    samples first where ``batched``.  ``name`` is the contract's: ``W1``, ``b1``, ``a1``, ``yhat``.

    >>> W = Variable("W1", Role.WEIGHT, 1, (sympy.Integer(4), sympy.Integer(3)))
    >>> W.at(index("i"), index("j"))
    W_1[i, j]
    """

    name: str
    role: Role
    layer: int | None = None
    shape: tuple[Expr, ...] = ()
    batched: bool = False

    def __hash__(self) -> int:
        """The name is enough; the generated hash asks every SymPy number of the shape anew."""
        return hash(self.name)

    @property
    def letter(self) -> str:
        """The lectures' letter, or the name itself for a quantity of an [equations] file."""
        return LETTERS.get(self.role, self.name)

    @property
    def indices(self) -> tuple[Symbol, ...]:
        """The letters of a general element: (i,) or (i, j), with the sample s in front."""
        plain = len(self.shape) - self.batched
        first = 1 if self.role in (Role.INPUT, Role.ACTIVATION) else 0
        letters = tuple(index(letter) for letter in INDEX_LETTERS[first : first + plain])
        return (SAMPLE, *letters) if self.batched else letters

    def at(self, *indices: Expr | int) -> Expr:
        """The element at 1-based ``indices`` (none for a scalar), real by assumption."""
        if len(indices) != len(self.shape):
            raise ValueError(f"{self.name} has {len(self.shape)} indices, {len(indices)} given")
        if not indices:
            return Symbol(_base_name(self), real=True)
        return _element(
            _base_name(self), *(sympy.Integer(i) if isinstance(i, int) else i for i in indices)
        )

    @property
    def element(self) -> Expr:
        """The general element, e.g. ``W_1[i, j]``."""
        return self.at(*self.indices)


def _base_name(variable: Variable) -> str:
    if variable.layer is None or variable.role in (Role.OUTPUT, Role.LOSS):
        return variable.name
    letter = variable.letter.upper() if variable.role is Role.WEIGHT else variable.letter
    return f"{letter}_{variable.layer}"


@cache
def _base(name: str) -> IndexedBase:
    return IndexedBase(name, real=True)


@lru_cache(maxsize=4096)
def _element(name: str, *indices: Expr) -> Expr:
    """An element; SymPy would work out all it assumes of it anew each time."""
    return _base(name)[indices]


def pack(numbers: Sequence[int | str]) -> str:
    """Indices as one writes them: ``(2, 1, 2)`` → ``212``, ``(2, 11, 3)`` → ``2,11,3``."""
    texts = [str(number) for number in numbers]
    return "".join(texts) if all(len(text) == 1 for text in texts) else ",".join(texts)


def unpack(numbers: str) -> tuple[str, ...]:
    """The indices that `pack` joined: ``212`` → ("2", "1", "2"), ``2,11,3`` → ("2", "11", "3")."""
    return tuple(numbers.split(",") if "," in numbers else numbers)


def _layer_prefix(variable: Variable) -> tuple[int, ...]:
    """The layer, where the name carries it: w_2ij, but yhat_i."""
    if variable.layer is None or variable.role in (Role.OUTPUT, Role.LOSS):
        return ()
    return (variable.layer,)


def whole_name(variable: Variable) -> tuple[str, tuple[str, ...]]:
    """The letter of a whole quantity and the layer it carries: ("W", ("2",)), ("yhat", ())."""
    letter = variable.letter.upper() if variable.role is Role.WEIGHT else variable.letter
    return letter, name_indices(variable, ())


def name_indices(variable: Variable, indices: Sequence[int | str]) -> tuple[str, ...]:
    """The indices in the name of an element, the layer first: ("1", "3") of h_13, ("2",) of ŷ_2."""
    return tuple(map(str, (*_layer_prefix(variable), *indices)))


def element_name(variable: Variable, indices: Sequence[int | str] = ()) -> str:
    """The printable name of one element: ``w_212``, ``w_2,11,3``, ``yhat_1``, ``b_1``, ``L``.

    ``indices`` are 1-based and leave out the sample of a batch.
    """
    numbers = name_indices(variable, indices)
    return f"{variable.letter}_{pack(numbers)}" if numbers else variable.letter


# ------------------------------------------------------------------------------ reading names


@dataclass(frozen=True, slots=True)
class Reference:
    """One element that a person named: the variable and its 1-based indices."""

    variable: Variable
    indices: tuple[int, ...]

    @property
    def name(self) -> str:
        """The name in symback's spelling."""
        return element_name(self.variable, self.indices)

    @property
    def element(self) -> Expr:
        """The element as an expression; the sample index of a batch stays free."""
        sample = (SAMPLE,) if self.variable.batched else ()
        return self.variable.at(*sample, *self.indices)


def elements(variable: Variable) -> Iterator[Reference]:
    """Every element of a quantity whose widths are numbers, row by row, samples left out."""
    sizes = (int(size) for size in variable.shape[variable.batched :])
    for indices in itertools.product(*(range(1, size + 1) for size in sizes)):
        yield Reference(variable, indices)


MOST_RANGES = 4
"""A message lists the elements of so many quantities; of more, the first and the last."""

_DIGITS = "[0-9]*(?:[,; ][,; 0-9]*)?"
_SPELLING = re.compile(
    rf"(?P<letter>\w*?[^\W\d_])_?(?:\{{(?P<braced>{_DIGITS})\}}|\((?P<called>{_DIGITS})\)|(?P<bare>{_DIGITS}))"
)


def read_reference(text: str, variables: Sequence[Variable]) -> Reference:
    """The element that ``text`` names: ``w_212``, ``w212``, ``w_{2,11,3}``, ``yhat_1``, ``s``.

    Packed digits are split with the sizes of the network; where two splits fit, neither is
    taken.  ``h`` of the last layer is ``yhat`` and ``h`` of layer 0 is ``x``.

    Raises `UnknownName` with what there is, or with the readings that compete.

    >>> W = Variable("W1", Role.WEIGHT, 1, (sympy.Integer(4), sympy.Integer(3)))
    >>> read_reference("w_{1,4,2}", [W]).name
    'w_142'
    >>> read_reference("w_153", [W])
    Traceback (most recent call last):
    symback.language.names.UnknownName: there is no w_153; the network has layer 1: w_1ij with \
i = 1…4 and j = 1…3 (into neuron i from neuron j)
    """
    name = text.strip().replace("ŷ", "yhat").replace(r"\hat{y}", "yhat").replace(r"\hat y", "yhat")
    if (scalar := _scalar(name, variables)) is not None:
        return Reference(scalar, ())
    match = _SPELLING.fullmatch(name)
    if match is None:
        shown = printable(text.strip()) or "an empty name"
        raise UnknownName(f"{shown} is not the name of a quantity; {_what_there_is(variables)}")
    candidates = _same_letter(match["letter"], variables)
    if not candidates:
        raise UnknownName(f"there is no {printable(name)} here; {_what_there_is(variables)}")
    digits = match["braced"] or match["called"] or match["bare"] or ""
    readings = list(_readings(digits, candidates))
    if len(readings) == 1:
        return readings[0]
    if readings:
        both = " or ".join(
            f"{_spell_out(reading)} (write {_unpacked(reading)})" for reading in readings
        )
        raise UnknownName(f"{printable(name)} can be read in {len(readings)} ways: {both}")
    block = [(variable, layer) for variable, layer in candidates if name == variable.name]
    if block or not digits:
        ranges = _ranges(block or candidates)
        raise UnknownName(f"{printable(name)} is no single element; name one: {ranges}")
    raise UnknownName(f"there is no {printable(name)}; {_in_layers(candidates)}")


def _scalar(name: str, variables: Sequence[Variable]) -> Variable | None:
    """The scalar of exactly this name; else the only one that is written so but for a _."""
    scalars = [variable for variable in variables if variable.shape[variable.batched :] == ()]
    exact = [variable for variable in scalars if element_name(variable) == name]
    alike = [v for v in scalars if element_name(v).replace("_", "") == name.replace("_", "")]
    return (exact or [*(alike if len(alike) == 1 else ()), None])[0]


def _same_letter(letter: str, variables: Sequence[Variable]) -> list[tuple[Variable, int | None]]:
    """Variables written with ``letter``, each with the layer number its name carries."""
    found: list[tuple[Variable, int | None]] = []
    for variable in variables:
        named = None if variable.role in (Role.OUTPUT, Role.LOSS) else variable.layer
        if letter in (
            variable.letter,
            variable.letter.upper() if variable.role is Role.WEIGHT else "",
        ):
            found.append((variable, named))
        elif letter == "h" and variable.role is Role.OUTPUT:
            found.append((variable, variable.layer))
        elif letter == "h" and variable.role is Role.INPUT:
            found.append((variable, 0))
    return found


def _readings(
    digits: str, candidates: Sequence[tuple[Variable, int | None]]
) -> Iterator[Reference]:
    for variable, layer in candidates:
        sizes = variable.shape[variable.batched :]
        wanted = len(sizes) + (layer is not None)
        for numbers in _splits(digits, wanted):
            own = numbers if layer is None else numbers[1:]
            if layer is not None and numbers[0] != layer:
                continue
            if all(_fits(number, size) for number, size in zip(own, sizes, strict=True)):
                yield Reference(variable, own)


def _fits(number: int, size: Expr) -> bool:
    return number >= 1 and (not size.is_Integer or number <= int(size))


def _splits(digits: str, parts: int) -> Iterator[tuple[int, ...]]:
    """Every way to read ``digits`` as that many numbers; separators leave one way."""
    if re.search(r"[,; ]", digits):
        pieces = re.split(r" *[,; ] *", digits)
        if len(pieces) == parts and all(1 <= len(piece) <= 9 for piece in pieces):
            yield tuple(int(piece) for piece in pieces)
        return
    if len(digits) <= 9 * parts:
        yield from _packed(digits, parts)


def _packed(digits: str, parts: int) -> Iterator[tuple[int, ...]]:
    if parts == 0:
        if not digits:
            yield ()
        return
    for cut in range(1, min(9, len(digits) - parts + 1) + 1):
        if digits[0] == "0" and cut > 1:
            return
        for rest in _packed(digits[cut:], parts - 1):
            yield (int(digits[:cut]), *rest)


def _unpacked(reading: Reference) -> str:
    numbers = (*_layer_prefix(reading.variable), *reading.indices)
    return f"{reading.variable.letter}_" + ",".join(map(str, numbers))


def _spell_out(reading: Reference) -> str:
    layer = reading.variable.layer
    if reading.variable.role is Role.WEIGHT and layer is not None:
        into, source = reading.indices
        return f"layer {layer}, into neuron {into} from neuron {source}"
    return f"layer {layer}, neuron {', '.join(map(str, reading.indices))}"


def _in_layers(candidates: Sequence[tuple[Variable, int | None]]) -> str:
    layers = sorted({layer for _, layer in candidates if layer})
    if not layers:
        return f"there is {_ranges(candidates)}"
    noun = "layer" if len(layers) == 1 else "layers"
    return f"the network has {noun} {_listing(layers)}: {_ranges(candidates)}"


def _ranges(candidates: Sequence[tuple[Variable, int | None]]) -> str:
    """The general element of each with its ranges: ``h_1j with j = 1…4; yhat_i (= h_2i)``."""
    parts = []
    for variable, layer in candidates:
        letters = [letter.name for letter in variable.indices[variable.batched :]]
        general = element_name(variable, letters)
        if layer is not None and not _layer_prefix(variable):
            general += f" (= h_{pack([layer, *letters])})"
        sizes = zip(letters, variable.shape[variable.batched :], strict=True)
        ranges = " and ".join(f"{letter} = 1…{size}" for letter, size in sizes)
        parts.append(f"{general} with {ranges}" if ranges else general)
    weights = any(variable.role is Role.WEIGHT for variable, _ in candidates)
    shown = parts if len(parts) <= MOST_RANGES else [*parts[: MOST_RANGES - 1], "…", parts[-1]]
    return "; ".join(shown) + (" (into neuron i from neuron j)" if weights else "")


def _listing(numbers: Sequence[int]) -> str:
    return f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 2 else " and ".join(map(str, numbers))


def _what_there_is(variables: Sequence[Variable]) -> str:
    examples: dict[str, str] = {}
    for variable in variables:
        ones = [1] * (len(variable.shape) - variable.batched)
        examples.setdefault(variable.letter, element_name(variable, ones))
    return "there are " + ", ".join(examples.values())
