"""What the user says, validated: a network file, the same in Python, or a list of equations.

Here one can

* read a file: `load`;
* say the same in Python: `network`, `equations`;
* hand over a nested dict in the file's schema: `from_mapping`, which the other three end in, so
  that there is one validator and one set of messages.

The answer is a `NetworkSpec` or an `EquationsSpec`.  Anything wrong raises one `SpecError`, which
names the source, the place (``[network] layers[2].units``, counted from 1), what was given, what
was expected, and the nearest valid word.

Numbers stay as written, as `decimal.Decimal`: sheets print 0.10 for 0.10, and nothing is rounded
before the kernel rounds it.  A user's formula is read by `symback.language.reading`, never
evaluated.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import sympy
from sympy import Expr

from symback.language import functions, reading, tables
from symback.language.algebra import field_functions, to_sympy
from symback.language.errors import SymbackError
from symback.language.expressions import Node
from symback.language.functions import Activation, Loss, SoftMax
from symback.language.names import INDEX_LETTERS, LETTERS, SAMPLE
from symback.language.tables import Place, Row, Rows, SpecError
from symback.language.writing import Latex, Text

LARGEST_WIDTH = 10**7
MOST_LAYERS = 1_000
LONGEST_COUNT = 4_000  # digits of a number of paths; Python writes no longer one
LARGEST_TARGET = 5_000_000  # numbers that labels may be turned into
MOST_EQUATIONS = 500

TOP_KEYS = ("title", "network", "equations", "values", "activations", "losses", "goals")
NETWORK_KEYS = ("inputs", "layers", "loss", "bias", "over_outputs", "over_samples", "title")
LAYER_KEYS = ("units", "activation")
BIASES = ("per_neuron", "per_layer", "none")  # the first of each is the default
OVER_OUTPUTS = ("sum", "mean")
OVER_SAMPLES = ("mean", "sum")
OWN_LETTERS = frozenset({*LETTERS.values(), "W", "B", "e"})  # no symbolic width is called so
COUNTING_LETTERS = frozenset({*INDEX_LETTERS, SAMPLE.name, "k"})


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One layer: its width, an integer or a symbol, and the function its neurons apply."""

    units: Expr
    activation: Activation | SoftMax


@dataclass(frozen=True, slots=True)
class Values:
    """The numbers given for a network, as written; None or absent where none were given.

    ``x`` is a row of n_0 numbers, or a tuple of rows for a batch, and ``y`` likewise with n_L;
    labels have become one-hot rows.  ``parameters`` holds (name, value) for those of W1, b1, W2 …
    that were given, in that order: rows (out, in) for a W, a row for a b, one number for the b of
    ``bias = "per_layer"``.
    """

    x: Row | Rows | None = None
    y: Row | Rows | None = None
    parameters: tuple[tuple[str, Rows | Row | Decimal], ...] = ()
    learning_rate: Decimal | None = None

    @property
    def samples(self) -> int | None:
        """The number of rows of a batch; None for one sample, or where neither x nor y is given."""
        given = self.x if self.x is not None else self.y
        return len(given) if given is not None and isinstance(given[0], tuple) else None


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A feed-forward network: widths n_0 and n_1 … n_L, functions, loss, and numbers if given."""

    inputs: Expr
    layers: tuple[LayerSpec, ...]
    loss: Loss
    bias: str = BIASES[0]
    over_outputs: str = OVER_OUTPUTS[0]
    over_samples: str = OVER_SAMPLES[0]
    values: Values = field(default_factory=Values)
    title: str = ""
    source: str = ""
    goals: tuple[str, ...] = ()
    """What a derivation by hand is to differentiate by, as written: ``("w_212",)``."""

    @property
    def widths(self) -> tuple[Expr, ...]:
        """n_0 … n_L."""
        return (self.inputs, *(layer.units for layer in self.layers))

    @property
    def given(self) -> dict[str, Any]:
        """The numbers by the names of the contract; x and y are None where none were given."""
        return {"x": self.values.x, "y": self.values.y, **dict(self.values.parameters)}

    @property
    def learning_rate(self) -> Decimal | None:
        """η as given, or None."""
        return self.values.learning_rate


@dataclass(frozen=True, slots=True)
class EquationsSpec:
    """Named stages in order, each a formula in earlier stages and in leaves.

    ``leaves`` are in the order of their first use.  ``taken_apart`` says that the user wrote one
    composed formula and that the stages are symback's.
    """

    stages: tuple[reading.Stage, ...]
    leaves: tuple[str, ...]
    values: tuple[tuple[str, Decimal], ...] = ()
    learning_rate: Decimal | None = None
    taken_apart: bool = False
    title: str = ""
    source: str = ""
    goals: tuple[str, ...] = ()

    @property
    def given(self) -> dict[str, Any]:
        """The numbers by the names of the leaves."""
        return dict(self.values)


# ------------------------------------------------------------------------------ the four ways in


def load(path: str | Path) -> NetworkSpec | EquationsSpec:
    """Return the network or the equations of a TOML file."""
    place = Place(tables.one_line(str(path)))
    return _checked(tables.read_toml(path, place), place)


def from_mapping(mapping: Mapping[str, Any], source: str) -> Any:
    """Return the same from a nested dict in the file's schema; errors begin with ``source``."""
    return _checked(mapping, Place(tables.one_line(source)))


def network(
    inputs: Any, layers: Any, *, source: str = "Network(...)", **settings: Any
) -> NetworkSpec:
    """Return a network as in a file; a layer may also be a pair (units, activation).

    ``settings`` are the other keys of [network] and the tables beside it: loss, bias, over_outputs,
    over_samples, title; values, activations, losses (None: not given).  The latter two map a name
    to a formula, to a table with formula and slope, or to a ready `Activation` or `Loss`; ready
    ones may also be used in place of a name.  Numbers in ``values`` may be Python's or NumPy's.

    >>> network(4, [(4, "sigmoid"), (2, "softmax")], loss="squared_error").widths
    (4, 4, 2)
    """
    if tables.is_list(layers):
        pairs = [tables.is_list(layer) and len(layer) == 2 for layer in layers]
        layers = [
            dict(zip(LAYER_KEYS, layer, strict=True)) if is_pair else layer
            for layer, is_pair in zip(layers, pairs, strict=True)
        ]
    beside = {key: settings.pop(key, None) for key in ("values", "activations", "losses")}
    given = {key: table for key, table in beside.items() if table is not None}
    return from_mapping(
        {"network": {"inputs": inputs, "layers": layers, **settings}, **given}, source
    )


def equations(
    stages: Mapping[str, str],
    *,
    values: Mapping[str, Any] | None = None,
    title: str = "",
    source: str = "Equations(...)",
) -> EquationsSpec:
    """Return named formulas in order, as in a file.

    >>> equations({"s": "w*x - y", "L": "s**2"}, values={"w": 1}).leaves
    ('w', 'x', 'y')
    """
    given = {} if values is None else {"values": values}
    return from_mapping({"title": title, "equations": stages, **given}, source)


# ---------------------------------------------------------------------------------------- networks


def _checked(mapping: Any, place: Place) -> NetworkSpec | EquationsSpec:
    mapping = tables.table_of(mapping, TOP_KEYS, place)
    if ("network" in mapping) == ("equations" in mapping):
        both = "both given" if "network" in mapping else "neither given"
        place.fail(f"[network] and [equations]: {both}, expected exactly one of the two")
    return _network(mapping, place) if "network" in mapping else _equations(mapping, place)


def _network(mapping: Mapping[str, Any], place: Place) -> NetworkSpec:
    here = place.within("network")
    table = tables.table_of(mapping["network"], NETWORK_KEYS, here)
    activations, losses = known_functions(mapping, place)
    inputs = _width(
        tables.required(table, "inputs", "the number of inputs", here), here.key("inputs")
    )
    layers = _layers(
        tables.required(table, "layers", "a list of layers", here), activations, here.key("layers")
    )
    loss = tables.required(table, "loss", f"one of {tables.quoted(losses)}", here)

    def choice(key: str, choices: Sequence[str]) -> str:
        return tables.one_of(table.get(key, choices[0]), choices, here.key(key))

    spec = NetworkSpec(
        inputs=inputs,
        layers=layers,
        loss=picked_loss(loss, losses, here.key("loss")),
        bias=choice("bias", BIASES),
        over_outputs=choice("over_outputs", OVER_OUTPUTS),
        over_samples=choice("over_samples", OVER_SAMPLES),
        title=tables.title_of(mapping, table, place),
        source=place.source,
        goals=tables.goals_of(mapping, place),
    )
    values = _network_values(mapping.get("values", {}), spec, place.within("values"))
    return replace(spec, values=values)


def _layers(value: Any, activations: dict[str, Any], place: Place) -> tuple[LayerSpec, ...]:
    if not tables.is_list(value) or not value:
        place.expected('a list of tables such as { units = 4, activation = "sigmoid" }', value)
    if len(value) > MOST_LAYERS:
        place.fail(f"{len(value):,} layers given, expected at most {MOST_LAYERS:,}")
    layers = []
    for k, layer in enumerate(value, 1):
        here = place.item(k)
        table = tables.table_of(layer, LAYER_KEYS, here)
        units = tables.required(table, "units", "the number of neurons", here)
        activation = tables.required(
            table, "activation", f"one of {tables.quoted(activations)}", here
        )
        width = _width(units, here.key("units"))
        picked = picked_activation(activation, activations, here.key("activation"))
        layers.append(LayerSpec(width, picked))
    # Each neuron leads on to all of the next layer, and a softmax from every a to every h.
    digits = sum(
        (2 if layer.activation.coupled else 1) * math.log10(int(layer.units))
        for layer in layers
        if layer.units.is_Integer
    )
    if digits > LONGEST_COUNT:
        place.fail(
            f"the paths through these layers are counted by a number of {digits:,.0f} digits, "
            f"expected at most {LONGEST_COUNT:,}; take fewer or narrower layers"
        )
    return tuple(layers)


_SYMBOL = re.compile(r"([A-Za-z])(_[0-9]{1,4})?")


def _width(value: Any, place: Place) -> Expr:
    """Return a width: a whole number, or a symbol that stands for one."""
    number = tables.whole(value)
    if number is not None:
        if not 1 <= number <= LARGEST_WIDTH:
            place.expected(f"a whole number from 1 to {LARGEST_WIDTH:,}", number)
        return sympy.Integer(number)
    match = _SYMBOL.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        place.expected('a positive whole number, or a symbolic width such as "n_0"', value)
    if match[1] in OWN_LETTERS | COUNTING_LETTERS:
        use = "a quantity" if match[1] in OWN_LETTERS else "an index"
        place.fail(
            f"{tables.shown(value)} given, but {match[1]} is {use} here; write n, n_0, n_1 …"
        )
    return sympy.Symbol(value, integer=True, positive=True)


# --------------------------------------------------------------------- activations and losses


@dataclass(frozen=True, slots=True)
class _Kind:
    """What activations and losses differ in: words, classes, and the names in their formulas."""

    noun: str
    table: str
    types: tuple[type, ...]
    formula: tuple[str, ...]
    slope: tuple[str, ...]
    catalogue: Mapping[str, Any]


_ACTIVATION = _Kind(
    "activation", "activations", (Activation, SoftMax), ("z",), ("z", "h"), functions.ACTIVATIONS
)
_LOSS = _Kind("loss", "losses", (Loss,), ("y", "yhat"), ("y", "yhat"), functions.LOSSES)


def known_functions(
    mapping: Mapping[str, Any], place: Place
) -> tuple[dict[str, Activation | SoftMax], dict[str, Loss]]:
    """The activations and the losses, the catalogue's and the file's own, by name."""
    activations = _functions(_ACTIVATION, mapping.get("activations", {}), place)
    return activations, _functions(_LOSS, mapping.get("losses", {}), place)


def picked_activation(
    value: Any, known: dict[str, Activation | SoftMax], place: Place
) -> Activation | SoftMax:
    """The activation that a name, or a ready object, means."""
    return _pick(_ACTIVATION, value, known, place)


def picked_loss(value: Any, known: dict[str, Loss], place: Place) -> Loss:
    """The loss that a name, or a ready object, means."""
    return _pick(_LOSS, value, known, place)


def _functions(kind: _Kind, value: Any, place: Place) -> dict[str, Any]:
    """Return the catalogue and the user's own, by name."""
    if not isinstance(value, Mapping):
        place.within(kind.table).expected(f"tables [{kind.table}.NAME]", value)
    found = dict(kind.catalogue)
    for name, entry in value.items():
        _check_function_name(kind, name, place.within(kind.table).key(name))
        found[name] = _function(kind, name, entry, place.within(f"{kind.table}.{name}"))
    return found


def _function(kind: _Kind, name: str, entry: Any, place: Place) -> Any:
    if isinstance(entry, kind.types):
        if entry.name != name:
            place.fail(f"the {kind.noun} given here calls itself {tables.shown(entry.name)}")
        return _ready(kind, entry, place)
    table = tables.table_of(
        {"formula": entry} if isinstance(entry, str) else entry, ("formula", "slope"), place
    )
    text = tables.required(table, "formula", f"a formula in {' and '.join(kind.formula)}", place)
    slope = table.get("slope", "")
    node = _formulas(kind, text, slope, place)
    if kind is _LOSS:
        return Loss(name, text, slope, uses_target="y" in reading.names(node))
    return Activation(name, text, slope)


def _pick(kind: _Kind, value: Any, known: dict[str, Any], place: Place) -> Any:
    """Return the entry that a name, or a ready object, means."""
    if not isinstance(value, kind.types):
        return known[tables.one_of(value, known, place)]
    _ready(kind, value, place)
    if known.setdefault(value.name, value) != value:
        place.fail(f"two {kind.table} are called {tables.shown(value.name)}")
    return value


def _ready(kind: _Kind, entry: Any, place: Place) -> Any:
    """Return a ready `Activation` or `Loss`, its name and formulas looked at like a file's."""
    if entry not in kind.catalogue.values():
        _check_function_name(kind, entry.name, place)
        if isinstance(entry, (Activation, Loss)):
            _formulas(kind, entry.formula, entry.slope, place)
    return entry


def _check_function_name(kind: _Kind, name: Any, place: Place) -> None:
    if isinstance(name, str) and name in kind.catalogue:
        place.fail(f"this {kind.noun} is in the catalogue and keeps its meaning; choose a new name")
    tables.check_name(name, place)


def _formulas(kind: _Kind, text: Any, slope: Any, place: Place) -> Node:
    """Read a function's formula, and its slope where it has one; return the tree of the formula."""
    node = _formula(text, kind.formula, place.key("formula"))
    if slope != "":
        _formula(slope, kind.slope, place.key("slope"))
    return node


def _formula(text: Any, names: Sequence[str] | None, place: Place) -> Node:
    """Read a formula, or pass on its first mistake with the file's place in front.

    ``names`` are those it may use; None allows any.  It is converted once, so that 1/0 is found
    here too.
    """
    if not isinstance(text, str):
        place.expected('a formula in quotes such as "w*x"', text)
    known = field_functions()  # not softmax, which needs a whole layer
    try:
        node = reading.read(text, names=names, functions=tuple(known), where=str(place))
        symbols = {name: sympy.Symbol(name, real=True) for name in reading.names(node)}
        to_sympy(node, symbols, known, where=str(place))
    except SymbackError as error:
        raise SpecError(error.message) from error
    return node


# ------------------------------------------------------------------------------------------ numbers


def _samples(value: Any, size: int, place: Place) -> Row | Rows:
    """Return one sample, or a batch where the first entry is a list itself."""
    value = tables.plain(value)
    if not tables.is_list(value) or not value:
        place.expected(
            f"a list of {tables.counted(size, 'number')}, or for a batch a list of rows", value
        )
    if tables.is_list(tables.plain(value[0])):
        return tables.number_rows([tables.plain(row) for row in value], size, place)
    return tables.number_row(value, size, place)


# ------------------------------------------------------------------------------ a network's values


def _network_values(table: Any, spec: NetworkSpec, place: Place) -> Values:
    _check_value_keys(table, spec, place)
    rate = tables.learning_rate_of(table, place)
    numbered = [key for key in table if key != "learning_rate"]
    if not numbered:
        return Values(learning_rate=rate)
    symbols = sorted({str(width) for width in spec.widths if not width.is_Integer})
    if symbols:
        place.key(numbered[0]).fail(
            f"numbers need widths, and {', '.join(symbols)} of [network] "
            f"{'is' if len(symbols) == 1 else 'are'} symbolic; write whole numbers there, or "
            "leave the values out"
        )
    widths = [int(width) for width in spec.widths]
    x = _samples(table["x"], widths[0], place.key("x")) if "x" in table else None
    y = None
    if "label" in table:
        if "y" in table:
            place.fail("y and label both given, expected one of the two")
        y = _one_hot(table["label"], widths[-1], place.key("label"))
    elif "y" in table:
        y = _samples(table["y"], widths[-1], place.key("y"))
    if (
        x is not None
        and y is not None
        and (of_x := Values(x).samples) != (of_y := Values(y).samples)
    ):
        here, there = (
            "one sample" if n is None else f"a batch of {tables.counted(n, 'row')}"
            for n in (of_y, of_x)
        )
        place.key("label" if "label" in table else "y").fail(f"{here} given, but x is {there}")
    parameters: list[tuple[str, Rows | Row | Decimal]] = []
    for k, (size, units) in enumerate(itertools.pairwise(widths), 1):
        if (W := f"W{k}") in table:
            parameters.append((W, _weights(table[W], units, size, W, place.key(W))))
        if (b := f"b{k}") in table:
            parameters.append((b, _biases(table[b], units, spec.bias, place.key(b))))
    return Values(x, y, tuple(parameters), rate)


def _check_value_keys(table: Any, spec: NetworkSpec, place: Place) -> None:
    """Refuse a key that is none of x, y, label, W1, b1 …; messages list the parameters briefly."""
    if not isinstance(table, Mapping):
        place.expected("a table of numbers", table)
    kinds = ("W",) if spec.bias == "none" else ("W", "b")
    last = len(spec.layers)
    fixed = ("x", "y", "label", "learning_rate")
    for key in table:
        match = re.fullmatch(r"([Wb])([1-9][0-9]{0,8})", key) if isinstance(key, str) else None
        if match and match[1] not in kinds:
            place.key(key).fail('given, but the network has no biases (bias = "none")')
        if not (match and int(match[2]) <= last) and key not in fixed:
            layers = tables.counted(last, "layer")
            near = [f"{kind}{k}" for k in range(1, min(last, 50) + 1) for kind in kinds]
            ranges = [f"{kind}1" if last == 1 else f"{kind}1 to {kind}{last}" for kind in kinds]
            place.key(key).fail(
                f"unknown key, expected one of {', '.join((*fixed, *ranges))} "
                f"(the network has {layers}){tables.nearest_of(key, (*fixed, *near))}"
            )


def _one_hot(value: Any, size: int, place: Place) -> Row | Rows:
    """Return rows with a 1 at each label and 0 elsewhere; equal labels share one row."""
    value = tables.plain(value)
    labels = value if tables.is_list(value) else (value,)
    if not labels:
        place.expected("a label, or for a batch a list of labels", value)
    if len(labels) * size > LARGEST_TARGET:
        place.fail(f"these labels stand for more than {LARGEST_TARGET:,} numbers of y")
    made: dict[int, Row] = {}
    rows = []
    for n, label in enumerate(labels, 1):
        number = tables.whole(label)
        if number is None or not 1 <= number <= size:
            here = place.item(n) if tables.is_list(value) else place
            here.expected(f"the true class, a whole number from 1 to {size}", label)
        if number not in made:
            made[number] = tuple(Decimal(int(k == number)) for k in range(1, size + 1))
        rows.append(made[number])
    return tuple(rows) if tables.is_list(value) else rows[0]


def _weights(value: Any, units: int, size: int, name: str, place: Place) -> Rows:
    rows = tables.plain(value)
    if not tables.is_list(rows):
        place.expected(f"{tables.counted(units, 'row')} of {tables.counted(size, 'number')}", value)
    rows = [tables.plain(row) for row in rows]
    needs = f"{name} needs {tables.counted(units, 'row')} of {tables.counted(size, 'number')}"
    lengths = {len(row) if tables.is_list(row) else None for row in rows}
    if len(rows) == size != units and lengths == {units}:
        place.fail(f"W is (out, in): {needs}; it looks transposed")
    if len(rows) != units:
        place.fail(f"{tables.counted(len(rows), 'row')} given, but W is (out, in): {needs}")
    return tables.number_rows(rows, size, place)


def _biases(value: Any, units: int, bias: str, place: Place) -> Row | Decimal:
    value = tables.plain(value)
    if bias == "per_layer":
        if tables.is_list(value):
            place.expected('one number, which the layer shares (bias = "per_layer")', value)
        return tables.exact_number(value, place)
    if not tables.is_list(value):
        place.expected(f'a list of {tables.counted(units, "number")} (bias = "per_neuron")', value)
    return tables.number_row(value, units, place)


# ---------------------------------------------------------------------------------------- equations


def _equations(mapping: Mapping[str, Any], place: Place) -> EquationsSpec:
    here = place.within("equations")
    for key in ("activations", "losses"):
        if key in mapping:
            place.within(key).fail("belongs to [network]; write the formula in [equations]")
    table = mapping["equations"]
    if not isinstance(table, Mapping) or not 1 <= len(table) <= MOST_EQUATIONS:
        here.expected(f'1 to {MOST_EQUATIONS:,} lines such as s = "yhat - y"', table)
    written, leaves = _stages(table, here)
    stages = written
    if len(written) == 1:
        stages = reading.stages(written[0].node, last=written[0].name)
    check_printed((*leaves, *(stage.name for stage in stages)), here)
    within, given = place.within("values"), mapping.get("values", {})
    if not isinstance(given, Mapping):
        within.expected("a table of numbers", given)
    known = (*leaves, "learning_rate")
    for key in given:
        if any(key == stage.name for stage in written):
            within.key(key).fail(
                f"this is computed, so it takes no value; only {', '.join(leaves)}"
            )
        if key not in known:
            tables.unknown_key(key, known, within, "no formula uses this, expected one of")
    return EquationsSpec(
        stages=stages,
        leaves=leaves,
        values=tuple(
            (n, tables.exact_number(given[n], within.key(n))) for n in leaves if n in given
        ),
        learning_rate=tables.learning_rate_of(given, within),
        taken_apart=len(stages) > len(written),
        title=tables.title_of(mapping, {}, place),
        source=place.source,
        goals=tables.goals_of(mapping, place),
    )


def check_printed(names: Iterable[str], place: Place) -> None:
    """Refuse names that a page writes alike, as it does h1 and h_1, alpha and α."""
    for printer in (Text(), Latex()):
        seen: dict[str, str] = {}
        for name in names:
            shown = printer.write(sympy.Symbol(name))
            other = seen.setdefault(shown, name)
            if other != name:
                place.fail(f"{other} and {name} are both written {shown}; rename one of them")


def _stages(
    table: Mapping[str, Any], place: Place
) -> tuple[tuple[reading.Stage, ...], tuple[str, ...]]:
    """Return the stages as written, and the leaves in the order of their first use."""

    def check_name(name: Any, place: Place) -> None:
        tables.check_name(name, place)
        if name == "learning_rate":
            place.fail("learning_rate is a setting in [values]; choose a new name")

    stages: dict[str, reading.Stage] = {}
    leaves: dict[str, None] = {}
    for name, text in table.items():
        here = place.key(name)
        check_name(name, here)
        node = _formula(text, None, here)
        for used in reading.names(node):
            if used == name:
                here.fail(f"{name} is computed from itself")
            if used in table and used not in stages:
                here.fail(f"uses {used}, which is computed only later; move it up")
            if used not in stages:
                check_name(used, here.key(used))
                leaves[used] = None
        stages[name] = reading.Stage(name, node)
    if not leaves:
        place.fail("the formulas use no variable, so there is nothing to differentiate by")
    return tuple(stages.values()), tuple(leaves)
