"""The names under which people save arrays: which quantity of a network ``dW1`` or ``delta_2`` is.

Here one can read such a name, `Names.read`, into a `Quantity`: a quantity of the network or the
derivative of the loss by one, in any usual spelling (``delta1``, ``d1``, ``dz1``, ``dL_da1`` and
``grad_a1`` are all ∂L/∂a_1), and get the canonical name back, `Quantity.text`.

The letters are the lectures' (a preactivation, h activation; z is a preactivation too) unless a
`symback.language.notations` says otherwise: in Nielsen's book a is the activation, in Bishop's z
is.  Layers are counted as the network file counts them in every notation: W1 is its W1.  A spelling
that two quantities answer to is refused, with both.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from symback.engine.graph import Graph
from symback.language.errors import SymbackError, did_you_mean, printable
from symback.language.names import Role, Variable
from symback.language.notations import Notation, notation

__all__ = ["ArrayNameError", "Names", "Quantity"]


class ArrayNameError(SymbackError):
    """An array whose name is that of no quantity, of two, or of one that is there already."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A quantity of a network, or the derivative of the loss by it."""

    variable: Variable
    is_gradient: bool = False

    @property
    def text(self) -> str:
        """As the lectures write it: W_1, ŷ, ∂L/∂a_1."""
        variable = self.variable
        letter = {Role.WEIGHT: "W", Role.OUTPUT: "ŷ"}.get(variable.role, variable.letter)
        layered = variable.layer is not None and variable.role not in (Role.OUTPUT, Role.LOSS)
        name = f"{letter}_{variable.layer}" if layered else letter
        return f"∂L/∂{name}" if self.is_gradient else name

    @property
    def spelling(self) -> str:
        """The spelling that every error message suggests: W1, yhat, dW1."""
        return f"d{self.variable.name}" if self.is_gradient else self.variable.name


@dataclass(frozen=True, slots=True)
class _Letters:
    """What the letters of a notation mean, lower-case and without marks."""

    preactivation: tuple[str, ...]
    activation: tuple[str, ...]
    output: tuple[str, ...]
    target: tuple[str, ...]
    loss: tuple[str, ...]
    words: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, page: Notation) -> _Letters:
        """The letters of a page, and the usual ones that it gives no other meaning."""
        output = tuple(each for each in (page.output, *_OUTPUT) if each)
        return cls(
            _but(("a", "z", "pre", "preact"), page.activation),
            _but((page.activation, "h", "act", "hidden"), page.preactivation),
            output,
            _but((page.target, "y", "t", "target", "targets"), *output),
            tuple(dict.fromkeys((page.loss.lower(), *_LOSS))),
            tuple((word.replace("_", "").lower(), meaning) for word, meaning in page.words),
        )


def _but(letters: tuple[str, ...], *taken: str) -> tuple[str, ...]:
    return tuple(letter for letter in dict.fromkeys(letters) if letter not in taken)


_PLAIN = str.maketrans(
    {
        "δ": "delta", "Δ": "d", "∂": "d", "∇": "grad", "ŷ": "yhat", "Ŷ": "yhat", "η": "eta",
        "θ": "theta", "𝓛": "l", "ℒ": "l", "′": "",
    }
    | dict.fromkeys("_-. /\\^(){}[],:", ""),
)  # fmt: skip

_OUTPUT = (
    "yhat",
    "ypred",
    "ypredicted",
    "prediction",
    "predictions",
    "probs",
    "output",
    "out",
    "o",
)
_LOSS = ("l", "loss", "j", "cost", "c", "e")
_SCORES = ("scores", "logits")


class Names:
    """All spellings of the quantities of one graph.

    >>> import symback as sb
    >>> net = sb.Network(2, [(3, "tanh"), (2, "softmax")], loss="cross_entropy")
    >>> names = Names(net.graph)
    >>> [names.read(name).text for name in ("delta1", "dL_dW2", "b1_grad", "dŷ", "H_1")]
    ['∂L/∂a_1', '∂L/∂W_2', '∂L/∂b_1', '∂L/∂ŷ', 'h_1']
    >>> names.read("dW3")
    Traceback (most recent call last):
    symback.checking.array_names.ArrayNameError: dW3 names no quantity of the network; its arrays \
are x, W1, b1, a1, h1, W2, b2, a2, yhat, y, L, and the derivatives by them, dW1 or delta1; did you \
mean "dW2"?
    """

    def __init__(self, graph: Graph, page: str | Path | None = None) -> None:
        """The spellings of a notation; raises `UnknownNotation`."""
        self.graph, self.notation = graph, notation(page or "lectures")
        letters = _Letters.of(self.notation)
        self.known: dict[str, list[Quantity]] = {}
        for variable in graph.variables:
            for spelling, quantity in _spellings(variable, graph, letters):
                found = self.known.setdefault(spelling, [])
                if quantity not in found:
                    found.append(quantity)

    def read(self, name: str) -> Quantity:
        """The quantity that ``name`` means; raises `ArrayNameError`."""
        found = self.known.get(self._plain(name), [])
        if len(found) == 1:
            return found[0]
        if found:
            both = " or ".join(f"{each.text} (write {_explicit(each)})" for each in found)
            raise ArrayNameError(f"{printable(name)} may mean {both}")
        raise ArrayNameError(
            f"{printable(name)} names no quantity of the network; {self._what_there_is()}"
            f"{did_you_mean(name, self._suggestions())}"
        )

    def read_all(self, names: Iterable[str]) -> dict[str, Quantity]:
        """The quantity of each name; raises `ArrayNameError` where two name the same."""
        found: dict[str, Quantity] = {}
        for name in names:
            quantity = self.read(name)
            twin = next((other for other, known in found.items() if known == quantity), None)
            if twin is not None:
                raise ArrayNameError(
                    f"{printable(twin)} and {printable(name)} both name {quantity.text}; save it "
                    f"once{self._other_letters(twin, name)}"
                )
            found[name] = quantity
        return found

    def _other_letters(self, *names: str) -> str:
        """Where a and z both occur, they are two things in somebody's notation."""
        if {"a", "z"} <= {letter for name in names for letter in self._plain(name)}:
            return ", or say whose letters these are: nielsen (a is g(z)) or bishop (z is g(a))"
        return ""

    def _plain(self, name: str) -> str:
        composed = unicodedata.normalize("NFC", name)
        plain = unicodedata.normalize("NFKC", composed.translate(_PLAIN))
        return plain.lower() if self._is_network else plain

    @property
    def _is_network(self) -> bool:
        return self.graph.target.role is Role.LOSS

    def _what_there_is(self) -> str:
        names = ", ".join(variable.name for variable in self.graph.variables)
        example = "dW1 or delta1" if self._is_network else f"d{self.graph.variables[0].name}"
        return f"its arrays are {names}, and the derivatives by them, {example}"

    def _suggestions(self) -> list[str]:
        names = [variable.name for variable in self.graph.variables]
        deltas = [f"delta{v.layer}" for v in self.graph.variables if v.role is Role.PREACTIVATION]
        return [*names, *(f"d{name}" for name in names[:-1]), *deltas]


def _explicit(quantity: Quantity) -> str:
    return f"dL_d{quantity.variable.name}" if quantity.is_gradient else quantity.variable.name


def _spellings(
    variable: Variable, graph: Graph, letters: _Letters
) -> Iterator[tuple[str, Quantity]]:
    """Every plain spelling of a quantity and of the derivative by it."""
    losses = letters.loss if graph.target.role is Role.LOSS else (graph.target.name,)
    for name in _names_of(variable, graph, letters):
        yield name, Quantity(variable)
        if variable == graph.target:
            continue
        gradient = Quantity(variable, is_gradient=True)
        for mark in ("d", "grad", "gradient", "g", *(f"d{loss}d" for loss in losses)):
            yield f"{mark}{name}", gradient
        for mark in ("grad", "gradient"):
            yield f"{name}{mark}", gradient
    yield from _deltas(variable, graph)
    if variable.role is Role.OUTPUT:  # dy often means this one, but it may mean the target
        yield "dy", Quantity(variable, is_gradient=True)


def _deltas(variable: Variable, graph: Graph) -> Iterator[tuple[str, Quantity]]:
    if variable.role is Role.PREACTIVATION:
        numbers = [str(variable.layer), *([""] if _depth(graph) == 1 else [])]
        for mark, number in itertools.product(("delta", "d"), numbers):
            if mark == "delta" or number:
                yield f"{mark}{number}", Quantity(variable, is_gradient=True)


def _names_of(variable: Variable, graph: Graph, letters: _Letters) -> Iterator[str]:
    depth, layer = _depth(graph), variable.layer
    yield from (word for word, meaning in letters.words if meaning == variable.name)
    numbers = [str(layer), *([""] if depth == 1 else [])]
    match variable.role:
        case Role.INPUT:
            yield from ("x", "input", "inputs", *(f"{letter}0" for letter in letters.activation))
        case Role.TARGET:
            yield from letters.target
        case Role.LOSS:
            yield from letters.loss
        case Role.OUTPUT:
            yield from (
                *_OUTPUT,
                f"yhat{layer}",
                *(f"{each}{layer}" for each in letters.activation),
            )
        case Role.WEIGHT | Role.BIAS | Role.PREACTIVATION | Role.ACTIVATION as role:
            for letter, number in itertools.product(_of_role(role, letters), numbers):
                yield f"{letter}{number}"
            if role is Role.PREACTIVATION and layer == depth:
                yield from _SCORES
        case _:
            yield variable.name.replace("_", "")


def _of_role(role: Role, letters: _Letters) -> tuple[str, ...]:
    return {
        Role.WEIGHT: ("w", "weight", "weights"),
        Role.BIAS: ("b", "bias"),
        Role.PREACTIVATION: letters.preactivation,
        Role.ACTIVATION: letters.activation,
    }[role]


def _depth(graph: Graph) -> int:
    return max((variable.layer or 0 for variable in graph.variables), default=0)
