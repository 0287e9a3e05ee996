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
import keyword
import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from numbers import Integral
from pathlib import Path
from typing import Any, NoReturn

import sympy
from sympy import Expr

from symback.language import files, functions, reading
from symback.language.algebra import field_functions, to_sympy
from symback.language.errors import SymbackError, did_you_mean, printable
from symback.language.expressions import Node
from symback.language.functions import Activation, Loss, SoftMax
from symback.language.names import INDEX_LETTERS, LETTERS, SAMPLE
from symback.language.writing import Latex, Text

LARGEST_FILE = 2_000_000  # bytes
LARGEST_WIDTH = 10**7
MOST_LAYERS = 1_000
LONGEST_COUNT = 4_000  # digits of a number of paths; Python writes no longer one
LARGEST_TARGET = 5_000_000  # numbers that labels may be turned into
MOST_EQUATIONS = 500
MOST_DIGITS = 100  # of one number
LARGEST_EXPONENT = 1_000  # of a zero, such as 0e999999, whose power of ten SymPy would compute
LONGEST_TITLE = 200
LONGEST_NAME = 100
MOST_GOALS = 200

TOP_KEYS = ("title", "network", "equations", "values", "activations", "losses", "goals")
NETWORK_KEYS = ("inputs", "layers", "loss", "bias", "over_outputs", "over_samples", "title")
LAYER_KEYS = ("units", "activation")
BIASES = ("per_neuron", "per_layer", "none")  # the first of each is the default
OVER_OUTPUTS = ("sum", "mean")
OVER_SAMPLES = ("mean", "sum")
OWN_LETTERS = frozenset({*LETTERS.values(), "W", "B", "e"})  # no symbolic width is called so
COUNTING_LETTERS = frozenset({*INDEX_LETTERS, SAMPLE.name, "k"})

Row = tuple[Decimal, ...]
Rows = tuple[Row, ...]


class SpecError(SymbackError):
    """A network file, or the same in Python, that says something symback cannot use."""


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
    place = _Place(_one_line(str(path)))
    return _checked(_toml(path, place), place)


def from_mapping(mapping: Mapping[str, Any], source: str) -> Any:
    """Return the same from a nested dict in the file's schema; errors begin with ``source``."""
    return _checked(mapping, _Place(_one_line(source)))


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
    if _is_list(layers):
        pairs = [_is_list(layer) and len(layer) == 2 for layer in layers]
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


# tomllib takes time quadratic in the parts of a dotted key (8,000 parts: 1 s).
_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_-]){_PART}(?:[ \t]*\.[ \t]*{_PART}){{20}}")


def _toml(path: str | Path, place: _Place) -> dict[str, Any]:
    """Return what a file holds; every way in which there is nothing has its sentence."""
    try:
        data = files.content(path, LARGEST_FILE)
        text = data.decode("utf-8").removeprefix("\ufeff")
    except files.CannotRead as error:
        wrong_kind = error.message.startswith("this is")
        place.fail(error.message + ", expected a network file (TOML)" * wrong_kind)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        place.fail(f"the file is not UTF-8: byte {byte:#04x} at offset {error.start}")
    if _LONG_KEY.search(text):
        place.fail("a key of more than 20 parts joined by dots")
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except RecursionError:
        place.fail("the file's brackets are nested too deeply")
    except tomllib.TOMLDecodeError as error:
        place.fail(f"not TOML: {_one_line(str(error))}")
    except (ValueError, InvalidOperation):  # an int too long, an exponent beyond even Decimal's
        place.fail("it holds a number far too long or too large to be read")


# ------------------------------------------------------------------------ places and what is there


@dataclass(frozen=True, slots=True)
class _Place:
    """Where something stands: source, table, and the path in the table."""

    source: str
    table: str = ""
    path: str = ""

    def within(self, table: str) -> _Place:
        return _Place(self.source, f"[{table}]")

    def key(self, key: object) -> _Place:
        plain = isinstance(key, str) and re.fullmatch(r"\w{1,40}", key)
        name = key if plain else _shown(key)
        return _Place(self.source, self.table, f"{self.path}.{name}" if self.path else f"{name}")

    def item(self, *numbers: int) -> _Place:
        return _Place(self.source, self.table, self.path + "".join(f"[{n}]" for n in numbers))

    def __str__(self) -> str:
        where = " ".join(part for part in (self.table, self.path) if part)
        return f"{self.source}: {where}" if where else self.source

    def fail(self, problem: str) -> NoReturn:
        raise SpecError(f"{self}: {problem}") from None

    def expected(self, expected: str, given: object) -> NoReturn:
        self.fail(f"{_shown(given)} given, expected {expected}")


def _shown(value: object) -> str:
    """Return what was given, safe to print: short, on one line."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{printable(value)}"'
        case int():
            bits = value.bit_length()
            return str(value) if bits < 100 else f"a number of {bits} bits"
        case float() | Decimal():
            return _one_line(str(value))
        case Mapping():
            return "a table"
        case list() | tuple():
            return f"a list of {len(value)}" if value else "an empty list"
    return "nothing" if value is None else _one_line(f"a {type(value).__name__}")


def _one_line(text: str) -> str:
    """Return ``text`` escaped; of a long one both ends, since tomllib says the line at the end."""
    if len(text) <= 200:
        return printable(text, limit=1_000)
    return f"{printable(text[:100], limit=500)}…{printable(text[-80:], limit=500)}"


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _plain(value: Any) -> Any:
    """Return NumPy's arrays and numbers as Python's."""
    if type(value) is Decimal or not hasattr(value, "tolist") or isinstance(value, type):
        return value
    return value.tolist()


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _whole(value: Any) -> int | None:
    """Return ``value`` where it is a whole number and not a truth value."""
    value = value if type(value) is int else _plain(value)
    return int(value) if isinstance(value, Integral) and not isinstance(value, bool) else None


def _table(value: Any, known: Sequence[str], place: _Place) -> Mapping[str, Any]:
    """Return a table whose keys are all known."""
    if not isinstance(value, Mapping):
        place.expected(f"a table with the keys {', '.join(known)}", value)
    for key in value:
        if key not in known:
            _unknown(key, known, place, "unknown key, expected one of")
    return value


def _unknown(key: object, known: Sequence[str], place: _Place, problem: str) -> NoReturn:
    place.key(key).fail(f"{problem} {', '.join(known)}{_nearest(key, known)}")


def _nearest(word: object, known: Iterable[str]) -> str:
    return did_you_mean(word, known) if isinstance(word, str) else ""


def _required(table: Mapping[str, Any], key: str, expected: str, place: _Place) -> Any:
    if key not in table:
        place.fail(f"{key} is missing, expected {expected}")
    return table[key]


def _one_of(value: Any, known: Iterable[str], place: _Place) -> str:
    """Return a word that has to be one of those known."""
    known = tuple(known)
    if not isinstance(value, str) or value not in known:
        place.expected(f"one of {_quoted(known)}{_nearest(value, known)}", value)
    return value


def _title(mapping: Mapping[str, Any], table: Mapping[str, Any], place: _Place) -> str:
    if "title" in mapping and "title" in table:
        place.key("title").fail("given twice, here and in [network]; expected one title")
    title = table.get("title", mapping.get("title", ""))
    if not isinstance(title, str) or not title.isprintable() or len(title) > LONGEST_TITLE:
        here = place.within("network") if "title" in table else place
        here.key("title").expected(f"one line of at most {LONGEST_TITLE} characters", title)
    return title


def _goals(mapping: Mapping[str, Any], place: _Place) -> tuple[str, ...]:
    """Return the names of ``[goals] wrt``; whether the network has them, `work.Work` says."""
    here = place.within("goals")
    if "goals" not in mapping:
        return ()
    table = _table(mapping["goals"], ("wrt",), here)
    names = _required(table, "wrt", _GOALS, here)
    here = here.key("wrt")
    if not _is_list(names) or not names:
        here.expected(_GOALS, names)
    if len(names) > MOST_GOALS:
        here.fail(f"{len(names):,} names given, expected at most {MOST_GOALS}")
    for n, name in enumerate(names, 1):
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
            here.item(n).expected('a name such as "w_212"', name)
    return tuple(names)


_GOALS = 'a list of names such as ["w_212", "b_21"]'


# ---------------------------------------------------------------------------------------- networks


def _checked(mapping: Any, place: _Place) -> NetworkSpec | EquationsSpec:
    mapping = _table(mapping, TOP_KEYS, place)
    if ("network" in mapping) == ("equations" in mapping):
        both = "both given" if "network" in mapping else "neither given"
        place.fail(f"[network] and [equations]: {both}, expected exactly one of the two")
    return _network(mapping, place) if "network" in mapping else _equations(mapping, place)


def _network(mapping: Mapping[str, Any], place: _Place) -> NetworkSpec:
    here = place.within("network")
    table = _table(mapping["network"], NETWORK_KEYS, here)
    activations = _functions(_ACTIVATION, mapping.get("activations", {}), place)
    losses = _functions(_LOSS, mapping.get("losses", {}), place)
    inputs = _width(_required(table, "inputs", "the number of inputs", here), here.key("inputs"))
    layers = _layers(
        _required(table, "layers", "a list of layers", here), activations, here.key("layers")
    )
    loss = _required(table, "loss", f"one of {_quoted(losses)}", here)

    def choice(key: str, choices: Sequence[str]) -> str:
        return _one_of(table.get(key, choices[0]), choices, here.key(key))

    spec = NetworkSpec(
        inputs=inputs,
        layers=layers,
        loss=_pick(_LOSS, loss, losses, here.key("loss")),
        bias=choice("bias", BIASES),
        over_outputs=choice("over_outputs", OVER_OUTPUTS),
        over_samples=choice("over_samples", OVER_SAMPLES),
        title=_title(mapping, table, place),
        source=place.source,
        goals=_goals(mapping, place),
    )
    values = _network_values(mapping.get("values", {}), spec, place.within("values"))
    return replace(spec, values=values)


def _layers(value: Any, activations: dict[str, Any], place: _Place) -> tuple[LayerSpec, ...]:
    if not _is_list(value) or not value:
        place.expected('a list of tables such as { units = 4, activation = "sigmoid" }', value)
    if len(value) > MOST_LAYERS:
        place.fail(f"{len(value):,} layers given, expected at most {MOST_LAYERS:,}")
    layers = []
    for k, layer in enumerate(value, 1):
        here = place.item(k)
        table = _table(layer, LAYER_KEYS, here)
        units = _required(table, "units", "the number of neurons", here)
        activation = _required(table, "activation", f"one of {_quoted(activations)}", here)
        width = _width(units, here.key("units"))
        picked = _pick(_ACTIVATION, activation, activations, here.key("activation"))
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


def _width(value: Any, place: _Place) -> Expr:
    """Return a width: a whole number, or a symbol that stands for one."""
    number = _whole(value)
    if number is not None:
        if not 1 <= number <= LARGEST_WIDTH:
            place.expected(f"a whole number from 1 to {LARGEST_WIDTH:,}", number)
        return sympy.Integer(number)
    match = _SYMBOL.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        place.expected('a positive whole number, or a symbolic width such as "n_0"', value)
    if match[1] in OWN_LETTERS | COUNTING_LETTERS:
        use = "a quantity" if match[1] in OWN_LETTERS else "an index"
        place.fail(f"{_shown(value)} given, but {match[1]} is {use} here; write n, n_0, n_1 …")
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


def _functions(kind: _Kind, value: Any, place: _Place) -> dict[str, Any]:
    """Return the catalogue and the user's own, by name."""
    if not isinstance(value, Mapping):
        place.within(kind.table).expected(f"tables [{kind.table}.NAME]", value)
    found = dict(kind.catalogue)
    for name, entry in value.items():
        _check_function_name(kind, name, place.within(kind.table).key(name))
        found[name] = _function(kind, name, entry, place.within(f"{kind.table}.{name}"))
    return found


def _function(kind: _Kind, name: str, entry: Any, place: _Place) -> Any:
    if isinstance(entry, kind.types):
        if entry.name != name:
            place.fail(f"the {kind.noun} given here calls itself {_shown(entry.name)}")
        return _ready(kind, entry, place)
    table = _table(
        {"formula": entry} if isinstance(entry, str) else entry, ("formula", "slope"), place
    )
    text = _required(table, "formula", f"a formula in {' and '.join(kind.formula)}", place)
    slope = table.get("slope", "")
    node = _formulas(kind, text, slope, place)
    if kind is _LOSS:
        return Loss(name, text, slope, uses_target="y" in reading.names(node))
    return Activation(name, text, slope)


def _pick(kind: _Kind, value: Any, known: dict[str, Any], place: _Place) -> Any:
    """Return the entry that a name, or a ready object, means."""
    if not isinstance(value, kind.types):
        return known[_one_of(value, known, place)]
    _ready(kind, value, place)
    if known.setdefault(value.name, value) != value:
        place.fail(f"two {kind.table} are called {_shown(value.name)}")
    return value


def _ready(kind: _Kind, entry: Any, place: _Place) -> Any:
    """Return a ready `Activation` or `Loss`, its name and formulas looked at like a file's."""
    if entry not in kind.catalogue.values():
        _check_function_name(kind, entry.name, place)
        if isinstance(entry, (Activation, Loss)):
            _formulas(kind, entry.formula, entry.slope, place)
    return entry


def _check_function_name(kind: _Kind, name: Any, place: _Place) -> None:
    if isinstance(name, str) and name in kind.catalogue:
        place.fail(f"this {kind.noun} is in the catalogue and keeps its meaning; choose a new name")
    _check_name(name, place)


def _check_name(name: Any, place: _Place) -> None:
    """Refuse what is no name, or a name that formulas or kernels know otherwise."""
    if not isinstance(name, str) or re.fullmatch(r"[^\W\d_]\w{,39}", name) is None:
        place.fail("expected a name: a letter, then letters, digits or _, at most 40")
    if name in {*reading.FUNCTIONS, *reading.ALIASES, *reading.CONSTANTS, *functions.ACTIVATIONS}:
        place.fail("formulas know this word as a function or a constant; choose a new name")
    if not reading.is_name(name):
        place.fail("formulas read Latin and Greek letters only; choose a new name")
    if keyword.iskeyword(name):
        place.fail("this is a word of Python, and kernels are Python; choose a new name")


def _formulas(kind: _Kind, text: Any, slope: Any, place: _Place) -> Node:
    """Read a function's formula, and its slope where it has one; return the tree of the formula."""
    node = _formula(text, kind.formula, place.key("formula"))
    if slope != "":
        _formula(slope, kind.slope, place.key("slope"))
    return node


def _formula(text: Any, names: Sequence[str] | None, place: _Place) -> Node:
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


def _number(value: Any, place: _Place, *numbers: int) -> Decimal:
    """Return a number as written, a float by its shortest spelling.

    ``numbers`` are its indices at ``place``, for the message.
    """
    exact = _plain(value)
    if isinstance(exact, float):
        exact = Decimal(float.__repr__(exact))
    elif isinstance(exact, Integral) and not isinstance(exact, bool):
        number = int(exact)  # Decimal takes time quadratic in the digits
        exact = Decimal(number if number.bit_length() < 1_100 else "Infinity")
    elif not isinstance(exact, Decimal):
        place.item(*numbers).expected("a number", value)
    if not exact.is_finite():
        place.item(*numbers).expected("a finite number", value)
    if len(exact.as_tuple().digits) > MOST_DIGITS:
        place.item(*numbers).expected(f"at most {MOST_DIGITS} digits", exact)
    double = float(exact)
    lost = math.isinf(double) or (double == 0) != (exact == 0)
    if lost or abs(exact.adjusted()) > LARGEST_EXPONENT:
        place.item(*numbers).expected("0 or a double, from 5e-324 to 1.8e308 in size", exact)
    return exact


def _row(value: Any, size: int, place: _Place, *numbers: int) -> Row:
    """Return ``size`` numbers."""
    if not _is_list(value) or len(value) != size:
        place.item(*numbers).expected(_count(size, "number"), value)
    return tuple(_number(number, place, *numbers, n) for n, number in enumerate(value, 1))


def _rows(value: Any, size: int, place: _Place) -> Rows:
    return tuple(_row(row, size, place, n) for n, row in enumerate(value, 1))


def _samples(value: Any, size: int, place: _Place) -> Row | Rows:
    """Return one sample, or a batch where the first entry is a list itself."""
    value = _plain(value)
    if not _is_list(value) or not value:
        place.expected(f"a list of {_count(size, 'number')}, or for a batch a list of rows", value)
    if _is_list(_plain(value[0])):
        return _rows([_plain(row) for row in value], size, place)
    return _row(value, size, place)


def _learning_rate(table: Mapping[str, Any], place: _Place) -> Decimal | None:
    if "learning_rate" not in table:
        return None
    rate = _number(table["learning_rate"], place.key("learning_rate"))
    if rate <= 0:
        place.key("learning_rate").expected("a number above 0", rate)
    return rate


# ------------------------------------------------------------------------------ a network's values


def _network_values(table: Any, spec: NetworkSpec, place: _Place) -> Values:
    _check_value_keys(table, spec, place)
    rate = _learning_rate(table, place)
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
            "one sample" if n is None else f"a batch of {_count(n, 'row')}" for n in (of_y, of_x)
        )
        place.key("label" if "label" in table else "y").fail(f"{here} given, but x is {there}")
    parameters: list[tuple[str, Rows | Row | Decimal]] = []
    for k, (size, units) in enumerate(itertools.pairwise(widths), 1):
        if (W := f"W{k}") in table:
            parameters.append((W, _weights(table[W], units, size, W, place.key(W))))
        if (b := f"b{k}") in table:
            parameters.append((b, _biases(table[b], units, spec.bias, place.key(b))))
    return Values(x, y, tuple(parameters), rate)


def _check_value_keys(table: Any, spec: NetworkSpec, place: _Place) -> None:
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
            near = [f"{kind}{k}" for k in range(1, min(last, 50) + 1) for kind in kinds]
            ranges = [f"{kind}1" if last == 1 else f"{kind}1 to {kind}{last}" for kind in kinds]
            place.key(key).fail(
                f"unknown key, expected one of {', '.join((*fixed, *ranges))} "
                f"(the network has {_count(last, 'layer')}){_nearest(key, (*fixed, *near))}"
            )


def _one_hot(value: Any, size: int, place: _Place) -> Row | Rows:
    """Return rows with a 1 at each label and 0 elsewhere; equal labels share one row."""
    value = _plain(value)
    labels = value if _is_list(value) else (value,)
    if not labels:
        place.expected("a label, or for a batch a list of labels", value)
    if len(labels) * size > LARGEST_TARGET:
        place.fail(f"these labels stand for more than {LARGEST_TARGET:,} numbers of y")
    made: dict[int, Row] = {}
    rows = []
    for n, label in enumerate(labels, 1):
        number = _whole(label)
        if number is None or not 1 <= number <= size:
            here = place.item(n) if _is_list(value) else place
            here.expected(f"the true class, a whole number from 1 to {size}", label)
        if number not in made:
            made[number] = tuple(Decimal(int(k == number)) for k in range(1, size + 1))
        rows.append(made[number])
    return tuple(rows) if _is_list(value) else rows[0]


def _weights(value: Any, units: int, size: int, name: str, place: _Place) -> Rows:
    rows = _plain(value)
    if not _is_list(rows):
        place.expected(f"{_count(units, 'row')} of {_count(size, 'number')}", value)
    rows = [_plain(row) for row in rows]
    needs = f"{name} needs {_count(units, 'row')} of {_count(size, 'number')}"
    lengths = {len(row) if _is_list(row) else None for row in rows}
    if len(rows) == size != units and lengths == {units}:
        place.fail(f"W is (out, in): {needs}; it looks transposed")
    if len(rows) != units:
        place.fail(f"{_count(len(rows), 'row')} given, but W is (out, in): {needs}")
    return _rows(rows, size, place)


def _biases(value: Any, units: int, bias: str, place: _Place) -> Row | Decimal:
    value = _plain(value)
    if bias == "per_layer":
        if _is_list(value):
            place.expected('one number, which the layer shares (bias = "per_layer")', value)
        return _number(value, place)
    if not _is_list(value):
        place.expected(f'a list of {_count(units, "number")} (bias = "per_neuron")', value)
    return _row(value, units, place)


# ---------------------------------------------------------------------------------------- equations


def _equations(mapping: Mapping[str, Any], place: _Place) -> EquationsSpec:
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
    for printer in (Text(), Latex()):  # h1 and h_1, alpha and α are written alike on a page
        seen: dict[str, str] = {}
        for name in (*leaves, *(stage.name for stage in stages)):
            shown = printer.write(sympy.Symbol(name))
            other = seen.setdefault(shown, name)
            if other != name:
                here.fail(f"{other} and {name} are both written {shown}; rename one of them")
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
            _unknown(key, known, within, "no formula uses this, expected one of")
    return EquationsSpec(
        stages=stages,
        leaves=leaves,
        values=tuple((n, _number(given[n], within.key(n))) for n in leaves if n in given),
        learning_rate=_learning_rate(given, within),
        taken_apart=len(stages) > len(written),
        title=_title(mapping, {}, place),
        source=place.source,
        goals=_goals(mapping, place),
    )


def _stages(
    table: Mapping[str, Any], place: _Place
) -> tuple[tuple[reading.Stage, ...], tuple[str, ...]]:
    """Return the stages as written, and the leaves in the order of their first use."""

    def check_name(name: Any, place: _Place) -> None:
        _check_name(name, place)
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
