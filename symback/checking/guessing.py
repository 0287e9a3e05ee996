r"""What a page's names are, from the page's own equations: w_5, s_1, \delta_{o1}.

Here one can

* find which weights w_1 … w_8 are: `numbered_weights`.  In net_{h1} = w_1 i_1 + w_2 i_2 + b_1 the
  coefficient of i_2 is w_112.  All forward equations of the page must agree on one assignment;
  else nothing is assigned, and why is said;
* find the quantity that a name is which the page defines: `defined_quantities`.  Where
  s = w_211 h_11 + … is equal to a_21 and to nothing else, ∂L/∂s is ∂L/∂a_21;
* do both, and read the page with what was found: `read_with_names`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

from symback.checking.claims import in_order
from symback.checking.evaluation import Assumptions
from symback.checking.judge import Judge
from symback.checking.letters import LARGEST_INDEX, Scope
from symback.checking.page import Claim, Definition, Document, read
from symback.engine.arithmetics import Misshapen, OutOfRange, Undecided, VanishingDenominator
from symback.language.echo import echo
from symback.language.expressions import (
    LOSS,
    Array,
    Call,
    Derivative,
    Element,
    Index,
    Named,
    Node,
    Number,
    Product,
    Total,
    walk,
)
from symback.language.names import Notation, pack, plain_name

MOST_CANDIDATES = 300
"""Quantities of the network that a name is compared with."""

MOST_ROUNDS = 4
"""So often a page is read anew with names that were found."""

_NO_VALUE = (Undecided, Misshapen, VanishingDenominator, OutOfRange)
_TABLE = 'say it in the [names] table of a notation file, as in w_5 = "w_211"'

Weight = tuple[int, ...]
"""Layer k, neuron i, neuron j of layer k-1; of a bias k and i."""


@dataclass(frozen=True, slots=True)
class Guess:
    """Names and what they are, and a sentence on why, or on why nothing is known of them."""

    names: tuple[tuple[str, str], ...] = ()
    note: str = ""


class Reading(NamedTuple):
    """A page as it is read with its own names, the sentences on them, and what of weights."""

    document: Document
    notes: tuple[str, ...] = ()
    weights: Guess = Guess()


def read_with_names(
    text: str, judge: Judge, notation: Notation, document: Document, *, again: bool = False
) -> Reading:
    """The page read with what its equations say of its names.

    ``document`` is the page as it was read without; it is given back where nothing was found.
    ``again``: other notations have been tried, so that numbers are not taken for neurons any more.
    """
    scope, notes = judge.scope, []
    weights = Guess()
    if document.numbered:
        weights = _numbered(text, scope, notation, document.numbered, again=again)
        notes.append(weights.note)
        if weights.names:
            notation = replace(notation, names=(*weights.names, *notation.names))
            document = read(text, scope, notation)
    for _ in range(MOST_ROUNDS):  # what is known of one name may tell of the next
        found = defined_quantities(document, judge)
        if not found.names:
            break
        notes.append(found.note)
        notation = replace(notation, names=(*found.names, *notation.names))
        document = read(text, scope, notation)
    return Reading(document, tuple(notes), weights)


# ------------------------------------------------------------------------------- numbered weights


def _numbered(
    text: str, scope: Scope, notation: Notation, names: Sequence[str], *, again: bool
) -> Guess:
    """What numbers of weights say, where need be with other numbers taken for neurons."""
    first = Guess()
    ways: list[tuple[tuple[str, str], ...]] = []
    if not again:
        ways = [_of_letters(scope, each) for each in (_AFTER, _BEFORE)]
        ways.append(_through_layers(text, scope))
    for neurons in ((), *filter(None, ways)):
        given = replace(notation, names=(*notation.names, *neurons))
        found = numbered_weights(read(text, scope, given, unknown=names), names, scope)
        if found.names:
            return replace(found, names=(*found.names, *neurons))
        first = first if first.note else found
    return first


_AFTER = {"h_": ("h_1,", 1), "o_": ("yhat_", 2), "i_": ("x_", 0), "t_": ("y_", 2)}
"""h_2 as what neuron 2 of the one hidden layer gives, o_1 as output 1; how it begins, and where."""
_BEFORE = _AFTER | {
    "h_": ("a_1,", 1), "o_": ("a_2,", 2), "a_h": ("h_1,", 1), "a_o": ("yhat_", 2),
}  # fmt: skip
"""The same letters for what the neurons get, with a_h2 and a_o1 for what they give."""


def _of_letters(
    scope: Scope, meanings: Mapping[str, tuple[str, int]]
) -> tuple[tuple[str, str], ...]:
    """Letters with numbers as neurons of a network with one hidden layer."""
    if scope.depth != 2:
        return ()
    return tuple(
        (f"{letters}{neuron}", f"{meant}{neuron}")
        for letters, (meant, layer) in meanings.items()
        for neuron in _numbers_of(scope.widths[layer])
    )


def _through_layers(text: str, scope: Scope) -> tuple[tuple[str, str], ...]:
    """z_3 and a_3 as neuron 1 of layer 2, where neurons are counted on through the layers.

    It is so only if the largest number of a preactivation is that of all neurons.
    """
    layers = range(1, scope.depth + 1)
    units = [(layer, i) for layer in layers for i in _numbers_of(scope.widths[layer])]
    largest: dict[str, int] = {}
    for letter, number in re.findall(r"([A-Za-z]+)\}?_?\{?(\d)(?!\d)", text):
        largest[letter] = max(largest.get(letter, 0), int(number))
    through = [letter for letter, number in largest.items() if number == len(units)]
    before = next((each for each in ("z", "net", "s", "v", "u", "in") if each in through), "")
    after = next((each for each in ("a", "h", "o", "out") if each in largest), "")
    if not before or len(units) < 2:
        return ()
    pairs: list[tuple[str, str]] = []
    for number, (layer, neuron) in enumerate(units, start=1):
        last = layer == scope.depth
        pairs.append((f"{before}_{number}", f"a_{layer},{neuron}"))
        pairs.append((f"delta_{number}", f"delta_{layer},{neuron}"))
        if after:
            value = f"yhat_{neuron}" if last else f"h_{layer},{neuron}"
            pairs.append((f"{after}_{number}", value))
    return tuple(pairs)


def _numbers_of(width: int | str) -> range:
    return range(1, width + 1 if isinstance(width, int) and width <= LARGEST_INDEX else 1)


@dataclass(frozen=True, slots=True)
class _Forward:
    """A forward equation: the weights that it names, and whether it is whole.

    It is where each neuron of the layer before is there once, and nothing else but a bias.
    """

    line: int
    weights: tuple[tuple[str, Weight], ...]
    is_whole: bool


def numbered_weights(document: Document, names: Sequence[str], scope: Scope) -> Guess:
    """Which weights the numbered ``names`` are, by the forward equations of a page.

    ``document`` is the page read with these names as its own.  Weights in no equation are counted
    on where the others, some in each layer, are counted row by row or column by column.
    """
    known = {plain_name(name): name for name in names}
    shown = f"{names[0]} … {names[-1]}" if len(names) > 2 else " and ".join(names)
    found: dict[str, Weight] = {}
    lines: list[int] = []
    is_whole, reason = False, ""
    for equation in _forward_equations(document, known, scope):
        lines.append(equation.line)
        is_whole |= equation.is_whole
        for name, weight in equation.weights:
            if found.setdefault(name, weight) != weight:
                reason = f"line {equation.line} has {known[name]} where it cannot be as well"
    if not reason and len({*found.values()}) < len(found):
        reason = "two of these names would be one weight"
    if not reason and not is_whole:
        reason = "no forward equation of the page says it of each input"
    if reason:
        return Guess((), f"which weights {shown} are is not known, because {reason}; {_TABLE}")
    rest = [name for name in known if name not in found]
    counted = _counted_on(found, rest, scope)
    every = sorted((found | counted).items(), key=lambda each: (-len(each[1]), each[1]))
    pairs = tuple((known[name], f"{'w' if len(at) == 3 else 'b'}_{pack(at)}") for name, at in every)
    by = ", ".join(map(str, dict.fromkeys(lines)))
    because = f"by the forward equations (line{'s' * (',' in by)} {by})"
    because += ", and counted on" if counted else ""
    said = ", ".join(f"{name} is {meant}" for name, meant in pairs)
    missing = [known[name] for name in rest if name not in counted]
    told = f"; which weight {', '.join(missing)} is is not known" if missing else ""
    return Guess(pairs, f"{said}: {because}{told}")


def _forward_equations(
    document: Document, names: Collection[str], scope: Scope
) -> Iterator[_Forward]:
    """The equations for a_ki, or for h_ki = g(…), that hold some of the names."""
    for item in document.items:
        if not isinstance(item, Claim) or item.continues or len(item.sides) < 2:
            continue
        first, *others = (side.node for side in item.sides)
        place = _place(first, scope)
        for node in others if place is not None else ():
            used = {part.name for part in walk(node) if isinstance(part, Named)} & {*names}
            if not used or place is None:
                continue
            if isinstance(first, Element) and first.letter != "a":
                if not isinstance(node, Call) or len(node.arguments) != 1:
                    continue
                node = node.arguments[0]
            yield _taken_apart(node, place, names, scope, item.line)


def _place(node: Node, scope: Scope) -> tuple[int, int] | None:
    """The layer and the neuron of a_ki, h_ki or ŷ_i."""
    match node:
        case Element("a" | "h", (layer, neuron)) if layer.is_number and neuron.is_number:
            return layer.offset, neuron.offset
        case Element("yhat", (neuron,)) if neuron.is_number:
            return scope.depth, neuron.offset
        case _:
            return None


def _taken_apart(
    node: Node, place: tuple[int, int], names: Collection[str], scope: Scope, line: int
) -> _Forward:
    """Which weight stands with which input in Σ_j w_kij h_j + b, signs and numbers left aside."""
    layer, neuron = place
    weights: list[tuple[str, Weight]] = []
    is_whole, sources, biases = True, [], 0
    for term in _terms(node):
        factors = _factors(term)
        own = [part.name for part in factors if isinstance(part, Named) and part.name in names]
        inputs = [source for part in factors if (source := _source(part, layer))]
        if len(own) == len(inputs) == 1 and len(factors) == 2:
            weights.append((own[0], (layer, neuron, inputs[0])))
            sources.append(inputs[0])
        else:
            bias = [
                part
                for part in factors
                if isinstance(part, (Element, Array)) and part.letter == "b"
            ]
            is_whole &= len(bias) + len(own) == len(factors) == 1
            weights += [(name, (layer, neuron)) for name in own if len(factors) == 1]
            biases += 1
        is_whole &= all(value == 1 for value in _numbers(term))
    width = scope.widths[layer - 1]
    is_whole &= sorted(sources) == [*range(1, int(width) + 1)] if isinstance(width, int) else False
    is_whole &= biases == int(scope.biases[layer - 1] >= 0)
    return _Forward(line, tuple(weights), is_whole)


def _terms(node: Node) -> Iterator[Node]:
    if isinstance(node, Total):
        for term in node.terms:
            yield from _terms(term)
    else:
        yield node


def _factors(node: Node) -> list[Node]:
    """The factors of a term that are no numbers."""
    if isinstance(node, Product) and not node.elementwise:
        return [part for factor in node.factors for part in _factors(factor)]
    return [] if isinstance(node, Number) else [node]


def _numbers(node: Node) -> Iterator[Fraction]:
    if isinstance(node, Product):
        for factor in node.factors:
            yield from _numbers(factor)
    elif isinstance(node, Number):
        yield node.value


def _source(node: Node, layer: int) -> int:
    """The number of an input of a layer, or 0."""
    match node:
        case Element("x", (neuron,)) if layer == 1:
            return neuron.offset if neuron.is_number else 0
        case Element("h", (before, neuron)) if before == Index("", layer - 1):
            return neuron.offset if neuron.is_number else 0
        case _:
            return 0


def _counted_on(
    places: Mapping[str, Weight], names: Sequence[str], scope: Scope
) -> dict[str, Weight]:
    """The other weights by their numbers, where those found tell how it is counted."""
    found = {name: weight for name, weight in places.items() if len(weight) == 3}
    rest = [name for name in names if name[0] == next(iter(found), " ")[0]]
    widths = [width for width in scope.widths if isinstance(width, int)]
    every_layer = {weight[0] for weight in found.values()} == {*range(1, scope.depth + 1)}
    if len(widths) < len(scope.widths) or not every_layer or not rest:
        return {}
    by_rows = [
        (layer, i, j)
        for layer in range(1, scope.depth + 1)
        for i in range(1, widths[layer] + 1)
        for j in range(1, widths[layer - 1] + 1)
    ]
    by_columns = sorted(by_rows, key=lambda weight: (weight[0], weight[2], weight[1]))
    ways = []
    for order, first in itertools.product((by_rows, by_columns), (0, 1)):
        numbered = dict(enumerate(order, start=first))
        if all(numbered.get(_number(name)) == weight for name, weight in found.items()):
            ways.append({name: numbered.get(_number(name)) for name in rest})
    if not ways or any(way != ways[0] for way in ways):
        return {}
    return {name: weight for name, weight in ways[0].items() if weight is not None}


def _number(name: str) -> int:
    return int("".join(mark for mark in name if mark.isdigit()) or -1)


# ---------------------------------------------------------------------------- names of quantities


def defined_quantities(document: Document, judge: Judge) -> Guess:
    """The names that the page differentiates by and defines as one quantity of the network.

    Also δ of a neuron, where the page says what it is and it is ∂L/∂a and not of the other sign.
    """
    if not judge.scope.is_network:
        return Guess()
    nodes = list(_nodes(document))
    wanted = {
        part.by.name
        for part in nodes
        if isinstance(part, Derivative) and isinstance(part.by, Named)
    }
    wanted |= {d.name for d in document.items if isinstance(d, Definition) and _is_error(d)}
    if not wanted:
        return Guess()
    assumptions = Assumptions(definitions=in_order(document.items).definitions)
    given: dict[tuple[str, tuple[Index, ...]], list[Definition]] = {}
    for item in document.items:
        if isinstance(item, Definition) and item.name in wanted:
            given.setdefault((item.name, item.indices), []).append(item)
    pairs, said = [], []
    for (name, indices), meanings in given.items():
        found = _quantity(meanings[0], judge, assumptions)
        others = () if _is_error(meanings[0]) else meanings[1:]
        if found is None or not all(_is_equal(d.node, found, judge, assumptions) for d in others):
            continue
        below = ",".join(index.letter or str(index.offset) for index in indices)
        pairs.append((f"{name}_{{{below}}}" if below else name, _spelled(found)))
        said.append(f"{echo(Named(name, indices))} is {echo(found)} (line {meanings[0].line})")
    return Guess(tuple(pairs), f"by what the page says it is, {', '.join(said)}" if said else "")


def _nodes(document: Document) -> Iterator[Node]:
    """All nodes of claims and definitions."""
    for item in document.items:
        if isinstance(item, Definition):
            yield from walk(item.node)
        elif isinstance(item, Claim):
            for side in item.sides:
                yield from walk(side.node)


def _is_error(definition: Definition) -> bool:
    return definition.name.startswith("delta_")


def _quantity(
    definition: Definition, judge: Judge, assumptions: Assumptions
) -> Element | Array | None:
    """The one quantity of the network that a name is by its definition.

    Of a neuron whose activation is the identity a and h are one, and it is called a.
    """
    found = [
        candidate
        for candidate in _candidates(definition, judge, assumptions)
        if _is_equal(definition.node, candidate, judge, assumptions)
    ]
    neurons = {_place(each, judge.scope) for each in found}
    is_one = len(found) == 1 or (len(neurons) == 1 and None not in neurons)
    return found[0] if is_one else None


def _is_equal(node: Node, candidate: Node, judge: Judge, assumptions: Assumptions) -> bool:
    """Whether two nodes are the same function; at a secret point first, which is cheap."""
    letters = {index.letter: 1 for index in getattr(candidate, "indices", ()) if index.letter}
    is_error = isinstance(candidate, (Element, Array)) and candidate.letter == "delta"
    try:  # ∂L/∂a may be what it is only for targets that add up to 1
        if not is_error and judge.value(node, letters, assumptions) != judge.value(
            candidate, letters, assumptions
        ):
            return False
    except _NO_VALUE:
        return False
    return judge.compare(node, candidate, assumptions).is_equal


def _candidates(
    definition: Definition, judge: Judge, assumptions: Assumptions
) -> Iterator[Element | Array]:
    """The quantities that a name with these indices can be, of the same shape."""
    scope, indices = judge.equations.scope, definition.indices
    layers = range(1, scope.depth + 1)
    free = [index for index in indices if not index.is_number]
    if free:
        if len(indices) == 1 and not free[0].offset:
            for layer in layers:
                yield from _of_layer(layer, free[0], scope, is_error=_is_error(definition))
        return
    try:
        is_array = judge.shape(definition.node, {}, assumptions) != ()
    except _NO_VALUE:
        return
    if is_array:
        for layer in layers:
            here = Index("", layer)
            if _is_error(definition):
                yield Array("delta", here)
                continue
            yield Array("a", here)
            yield Array("h", here) if layer < scope.depth else Array("yhat")
        return
    if not _is_error(definition):
        yield LOSS
    said = re.search(r"\d+$", definition.name)
    neurons = (int(said[0]),) if said and _is_error(definition) else None
    places = ((k, i) for k in layers for i in neurons or range(1, int(scope.widths[k]) + 1))
    for layer, neuron in itertools.islice(places, MOST_CANDIDATES):
        yield from _of_layer(layer, Index("", neuron), scope, is_error=_is_error(definition))


def _of_layer(layer: int, neuron: Index, scope: Scope, *, is_error: bool) -> Iterator[Element]:
    """a and h of one neuron, or its δ."""
    here = Index("", layer)
    if is_error:
        yield Element("delta", (here, neuron))
        return
    yield Element("a", (here, neuron))
    last = layer == scope.depth
    yield Element("yhat", (neuron,)) if last else Element("h", (here, neuron))


def _spelled(node: Element | Array) -> str:
    """A quantity as a notation's names give it: a_2,1."""
    if isinstance(node, Array):
        return node.letter if node.layer is None else f"{node.letter}_{node.layer.offset}"
    below = ",".join(index.letter or str(index.offset) for index in node.indices)
    return f"{node.letter}_{below}" if below else node.letter
