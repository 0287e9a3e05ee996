"""Where a layer stands, and what it may ask: `Spot`; the sizes of a network: `Sizes`.

Here one can

* name sizes and find that two are one: `Sizes`;
* read a layer's table, and refuse what is wrong with the layer and the key named: `Spot`;
* write elements and functions of them as text: `element`, `applied`, `filled`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

from symback.engine.spec import picked_activation
from symback.equations.expansion import Array, Parameter, Shape, written
from symback.equations.indices import Affine, letter
from symback.language import expressions, reading
from symback.language.expressions import Named, Node
from symback.language.functions import ACTIVATIONS, Activation, SoftMax
from symback.language.tables import Place, counted, exact_number, is_list, one_of, whole

INDEX_LETTERS = ("s", "t", "u", "v", "i", "j", "p", "q", "o", "r", "c")
"""The indices of the equations written here; no size and no array may be called so."""

_COUNTED_LETTER = re.compile(r"[trce][0-9]+")

BIASES = ("per_neuron", "per_layer", "none")
AXES = {0: (), 1: ("i",), 2: ("t", "i"), 3: ("o", "r", "c")}
SHAPES = {0: "a scalar", 1: "a vector", 2: "a sequence", 3: "an image"}
LARGEST_SIZE = 10**7


@dataclass(frozen=True, slots=True)
class Like:
    """As many as an earlier layer gives features, so many times."""

    layer: int
    times: int


class SameSize(Exception):
    """Two sizes have to be one: ``kept``, and ``other``, which had a name of its own."""

    def __init__(self, kept: str, other: str) -> None:
        super().__init__(kept, other)
        self.kept, self.other = kept, other


class Sizes:
    """The sizes of a network by name, and which of them were named here.

    ``given`` are those of the file's [sizes]; ``merged`` says which names are written as others.
    """

    def __init__(self, given: Mapping[str, int | None], merged: Mapping[str, str]) -> None:
        self.numbers = dict(given)
        self.own = set(given)
        self.merged = merged

    def named(self, value: Any, name: str, place: Place) -> Affine:
        """The size that a key gives: a whole number, which is called ``name``, or a name."""
        n = whole(value)
        if n is not None:
            if not 1 <= n <= LARGEST_SIZE:
                place.expected(f"a whole number from 1 to {LARGEST_SIZE:,}", value)
            while name in self.merged:
                name = self.merged[name]
            if name in self.own and self.numbers[name] != n:
                place.fail(f"{name} is what this size is called, but [sizes] has another {name}")
            self.numbers[name] = n
            return letter(name)
        if not isinstance(value, str):
            place.expected('a positive whole number, or the name of a size such as "n"', value)
        self.check_name(value, place)
        self.own.add(value)
        self.numbers.setdefault(value, None)
        return letter(value)

    def check_name(self, name: str, place: Place) -> None:
        """Refuse what names no size."""
        if not reading.is_name(name):
            place.expected('a positive whole number, or the name of a size such as "n"', name)
        check_no_index(name, place, "n, d, T, V …")

    def value(self, size: Affine) -> int | None:
        """The number that a size is; None where that is not known."""
        known = {name: n for name, n in self.numbers.items() if n is not None}
        return size.value(known) if size.names <= known.keys() else None

    def agree(self, one: Affine, other: Affine) -> bool:
        """Whether two sizes are the same; raises `SameSize` where only their names differ."""
        if one == other:
            return True
        if self.value(one) is None or self.value(one) != self.value(other):
            return False
        kept, given_up = sorted((one, other), key=lambda size: (size.bare or "") not in self.own)
        if given_up.bare is None or kept.bare is None or given_up.bare in self.own:
            return False
        raise SameSize(kept.bare, given_up.bare)


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a layer stands: its number, its table, what comes in, and what the network says.

    ``outputs`` are what the layers gave so far, the input first; ``bias`` is the default.
    """

    number: int
    table: Mapping[str, Any]
    place: Place
    outputs: Sequence[Array]
    names: Mapping[str, int]
    sizes: Sizes
    has_samples: bool
    bias: str
    activations: dict[str, Activation | SoftMax]
    is_last: bool

    @property
    def kind(self) -> str:
        """What the layer is."""
        return self.table.get("kind", "dense")

    @property
    def before(self) -> Array:
        """What comes in."""
        return self.outputs[-1]

    # ------------------------------------------------------------------------------- letters

    def own(self, name: str) -> str:
        """An array of the layer: the letter and its number."""
        return f"{name}{self.number}"

    @property
    def result(self) -> str:
        """What the layer's output is called."""
        return "yhat" if self.is_last and self.kind in ("dense", "activation") else self.own("h")

    def at(self, name: str, *indices: str) -> str:
        """An element of an array of the network: with the index of the sample, where there is one.

        Parameters have none.
        """
        return element(name, *((("s",) if self.has_samples else ()) + indices))

    def shared(self, name: str) -> str:
        """The parameter that a letter of the layer is, its own or one that the table names."""
        other = self.table.get(name, self.own(name))
        if not isinstance(other, str) or not reading.is_name(other):
            self.place.key(name).expected(
                f'the name of the parameter that stands for {name}, such as "E1"', other
            )
        check_no_index(other, self.place.key(name), "E, W, W1 …")
        return other

    # ------------------------------------------------------------------------------ its table

    def fail(self, problem: str) -> NoReturn:
        """Refuse the layer."""
        self.place.fail(f"{self.kind}: {problem}")

    def size(self, key: str, name: str, default: Any = None) -> Affine:
        """A size that the table gives."""
        value = self.table.get(key, default)
        if value is None:
            self.fail(f"{key} is missing, expected a positive whole number or the name of a size")
        if isinstance(value, Like):
            width = self.outputs[value.layer].shape[-1]
            n = self.sizes.value(width)
            if value.times == 1 or n is None:
                return width.times(value.times)
            value = n * value.times
        return self.sizes.named(value, self.own(name), self.place.key(key))

    def count(self, key: str, default: int | None, least: int = 1) -> int:
        """A whole number that the table gives."""
        value = self.table.get(key, default)
        found = whole(value)
        if value is None:
            self.fail(f"{key} is missing, expected a whole number")
        if found is None or not least <= found <= LARGEST_SIZE:
            self.place.key(key).expected(f"a whole number from {least} on", value)
        return found

    def pair(self, key: str, default: int | None, least: int = 1) -> tuple[int, int]:
        """Two whole numbers, for rows and columns; one number stands for both."""
        value = self.table.get(key, default)
        if not is_list(value):
            both = self.count(key, default, least)
            return both, both
        found = [whole(each) for each in value]
        if len(found) != 2 or any(n is None or n < least for n in found):
            self.place.key(key).expected("one whole number, or two: for rows and columns", value)
        return found[0] or 0, found[1] or 0

    def says(self, key: str, default: bool) -> bool:
        """A truth value that the table gives."""
        value = self.table.get(key, default)
        if not isinstance(value, bool):
            self.place.key(key).expected("true or false", value)
        return value

    def word(self, key: str, known: Sequence[str]) -> str:
        """One of the words known, the first by default."""
        return one_of(self.table.get(key, known[0]), known, self.place.key(key))

    def small(self, key: str, default: Decimal) -> str:
        """A number from 0 on, as the equations write it."""
        value = exact_number(self.table.get(key, default), self.place.key(key))
        if value < 0:
            self.place.key(key).expected("a number from 0 on", value)
        return f"{value:f}"

    def activation(self, default: str | None) -> Activation | SoftMax:
        """The function that the table names."""
        given = self.table.get("activation", default)
        if given is None:
            self.fail("activation is missing, expected a function such as linear, tanh or softmax")
        return picked_activation(given, self.activations, self.place.key("activation"))

    def pointwise(self, key: str, default: str) -> Activation:
        """A function of one number that the table names."""
        found = picked_activation(
            self.table.get(key, default), self.activations, self.place.key(key)
        )
        if not isinstance(found, Activation):
            self.place.key(key).fail(
                f"{found.name} couples all neurons; expected a function of one"
            )
        return found

    def source(self, value: Any, place: Place) -> Array:
        """An earlier output, by the number of its layer (0 is the input) or by its name."""
        k = self.names.get(value) if isinstance(value, str) else whole(value)
        if k is None or not 0 <= k < len(self.outputs):
            named = f", or one of {', '.join(self.names)}" if self.names else ""
            last = len(self.outputs) - 1
            place.expected(
                f"the number of an earlier layer, from 0 (the input) to {last}{named}", value
            )
        return self.outputs[k]

    # ------------------------------------------------------------------------------ what it reads

    def reads(self, *ranks: int) -> Shape:
        """The shape of what comes in, which has one of these numbers of axes."""
        return self.shape_of(self.before, *ranks)

    def shape_of(self, array: Array, *ranks: int) -> Shape:
        """The shape of an earlier output that the layer can read."""
        wanted = " or ".join(SHAPES[rank] for rank in ranks)
        if array.below is not None:
            self.fail(f"it reads {wanted}, but {array.name} holds tokens; an embedding reads those")
        if len(array.shape) not in ranks:
            shape = ", ".join(map(written, array.shape))
            hint = " (flatten makes a vector of an image)" if len(array.shape) == 3 else ""
            hint = hint or (" (last takes the last step)" if len(array.shape) == 2 else "")
            self.fail(
                f"it reads {wanted}, but {array.name} has {counted(len(array.shape), 'index')}"
                f"{'es' if len(array.shape) != 1 else ''}, of sizes [{shape}]{hint}".replace(
                    "indexs", "indices"
                ).replace("indiceses", "indices")
            )
        return array.shape

    def biased(self, name: str, index: str, size: Affine) -> tuple[str, list[Parameter]]:
        """`` + b1[i]``, and the bias; both empty where there is none."""
        chosen = one_of(self.table.get("bias", self.bias), BIASES, self.place.key("bias"))
        if chosen == "none":
            return "", []
        b = self.shared(name)
        if chosen == "per_layer":
            return f" + {b}", [Parameter(b, (), is_weight=False)]
        return f" + {element(b, index)}", [Parameter(b, (size,), is_weight=False)]


def check_no_index(name: str, place: Place, instead: str) -> None:
    """Refuse a name that is an index in the equations written here: t, or t1 of a convolution."""
    if name in INDEX_LETTERS or _COUNTED_LETTER.fullmatch(name):
        place.fail(f'"{name}" is an index in the equations of layers; write {instead}')


def element(name: str, *indices: str) -> str:
    """An element: ``W1[i,j]``, or the name alone for a scalar."""
    return f"{name}[{','.join(indices)}]" if indices else name


def applied(function: Activation | SoftMax, argument: str, over: str) -> str:
    """A function of the catalogue, or the user's formula, of an element; softmax over a letter."""
    if isinstance(function, SoftMax):
        return f"softmax({over}, {argument})"
    if function.name == "linear":
        return argument
    if is_of_catalogue(function):
        return f"{function.name}({argument})"
    return filled(function.formula, {"z": argument})


def is_of_catalogue(function: Activation) -> bool:
    """Whether equations know the function by its name."""
    return ACTIVATIONS.get(function.name) == function


def filled(formula: str, elements: Mapping[str, str]) -> str:
    """A formula of the catalogue, or a user's, with elements in place of its names.

    >>> filled("(y-yhat)**2", {"y": "y[i]", "yhat": "yhat[i]"})
    '(y[i] - yhat[i])**2'
    """
    return reading.to_text(_renamed(read_formula(formula, tuple(elements)), elements))


def read_formula(formula: str, names: Sequence[str]) -> Node:
    """The tree of a formula that has been checked before."""
    pointwise = [name for name, row in ACTIVATIONS.items() if isinstance(row, Activation)]
    return reading.read(formula, names=names, functions=tuple(pointwise))


def is_negative(formula: str, names: Sequence[str]) -> bool:
    """Whether a formula is minus something as a whole; then its sign may stand before a sum.

    >>> is_negative("-y*log(yhat)", ("y", "yhat")), is_negative("-y+1", ("y",))
    (True, False)
    """
    node = read_formula(formula, names)
    is_product = expressions.operation(node)[0] in ("neg", "*", "/")
    return is_product and reading.to_text(node).startswith("-")


def _renamed(node: Node, elements: Mapping[str, str]) -> Node:
    """The same tree with other names; an element is a name that `reading.to_text` writes as is."""
    if isinstance(node, Named):
        return Named(elements.get(node.name, node.name))
    head, parts = expressions.operation(node)
    return (
        expressions.applied(head, *(_renamed(part, elements) for part in parts)) if head else node
    )
