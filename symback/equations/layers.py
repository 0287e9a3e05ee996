"""Ready layers as macros: a ``[network]`` whose layers have a kind, written as equations.

Here one can

* ask whether a file's [network] is one of the old engine's, dense and nothing else: `is_plain`;
* write any [network] as equations: `expand` gives an `Expansion`, whose ``text()`` is a file that
  loads again and whose ``tables()`` is what `symback.equations.reading` reads;
* have the `System` at once: `system`; of a dense network that the old engine has read: `of_spec`.

A file has ``[network]``, and where sizes are named ``[sizes]``, beside the tables of every network
file.  Keys of ``[network]``:

=================== ================================================================================
inputs              4 or "n": a vector x; ["T", "d"]: a sequence; ["C", "R", "S"]: an image,
                    channels first; { tokens = "T", below = "V" }: tokens ``tok`` from 1 to V
layers              a list of tables, ``kind`` and its keys (`symback.equations.kinds`)
loss                one of the catalogue or of [losses]; or a list of tables { loss, weight, from,
                    target, labels, label_smoothing, over_outputs, over_steps }
target              what the output is compared with: "y", or the name of another input such as "x"
labels              true: the target is the true class, ``label``; default where [values] has label
label_smoothing     ε: the target is (1 - ε) y + ε/n (Szegedy et al. 2016)
l2                  λ: λ/2 Σ w² is added for all weights (not biases); a layer's own l2 goes first
samples             "B" or a number: everything has one more index s in front; default where x of
                    [values] is a list of rows
bias                per_neuron, per_layer, none: the default of the layers
over_outputs        sum or mean, over the last index of the output
over_steps          sum or mean, over its other indices
over_samples        mean or sum
=================== ================================================================================

Layers are counted as they compute, from 1; what stands inside a residual counts before it, and a
block counts as the seven layers that it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from symback.engine import spec
from symback.engine.spec import NetworkSpec, known_functions, picked_loss
from symback.equations import reading
from symback.equations.expansion import Array, Expansion, Parameter, Part, written
from symback.equations.indices import Affine
from symback.equations.kinds import BLOCK, KINDS
from symback.equations.spots import (
    AXES,
    BIASES,
    Like,
    SameSize,
    Sizes,
    Spot,
    check_no_index,
    element,
    filled,
    is_negative,
)
from symback.equations.system import KnownSum, System
from symback.language.functions import LOSSES, Loss
from symback.language.tables import (
    Place,
    check_name,
    exact_number,
    goals_of,
    is_list,
    nearest_of,
    one_line,
    one_of,
    plain,
    required,
    table_of,
    title_of,
    whole,
)

TOP_KEYS = ("title", "network", "sizes", "values", "activations", "losses", "goals")
TERM_KEYS = (
    *("loss", "weight", "from", "target", "labels", "label_smoothing"),
    *("over_outputs", "over_steps"),
)
NETWORK_KEYS = (
    *("inputs", "layers", "loss", "target", "labels", "label_smoothing", "l2", "samples"),
    *("bias", "over_outputs", "over_steps", "over_samples", "title"),
)
NEW_KEYS = frozenset(NETWORK_KEYS) - frozenset(spec.NETWORK_KEYS)
NAMES = {1: ("n0",), 2: ("T", "n0"), 3: ("n0", "rows0", "cols0")}
SMOOTHED = "only cross_entropy has labels and label_smoothing"
MOST_LAYERS = 1_000


def is_plain(mapping: Mapping[str, Any]) -> bool:
    """Whether [network] is dense and nothing else, as the old engine reads it.

    >>> is_plain({"network": {"inputs": 2, "layers": [{"units": 1, "activation": "tanh"}]}})
    True
    >>> is_plain({"network": {"inputs": 2, "layers": [{"kind": "layer_norm"}]}})
    False
    """
    network = mapping.get("network")
    if not isinstance(network, Mapping):
        return True
    layers: Any = network.get("layers")
    tables = [each for each in layers if isinstance(each, Mapping)] if is_list(layers) else []
    dense = KINDS["dense"].known
    return not (
        "sizes" in mapping
        or NEW_KEYS & network.keys()
        or is_list(network.get("loss"))
        or is_list(network.get("inputs"))
        or isinstance(network.get("inputs"), Mapping)
        or any(
            "kind" in each or set(dense[1:]) & (each.keys() - spec.LAYER_KEYS) for each in tables
        )
    )


def system(mapping: Mapping[str, Any], source: str) -> System:
    """The system of a file with layers; raises `SpecError`."""
    expansion = expand(mapping, source)
    read = reading.from_tables(expansion.tables(), source)
    return replace(read, facts=(*read.facts, *expansion.facts))


def of_spec(given: NetworkSpec) -> System:
    """The system of a dense network that the old engine has read: W1, b1, a1, h1, … yhat, L.

    Goals are left out, since the old engine's names (w_212) are not the equations' (W2[1,2]).
    Raises `SpecError` where a symbolic width is called as an index is here.

    >>> made = spec.network(2, [(1, "tanh")], loss="squared_error")
    >>> [quantity.name for quantity in of_spec(made).quantities]
    ['W1', 'b1', 'x', 'y', 'a1', 'yhat', 'L']
    """
    network = {
        "inputs": _width(given.inputs),
        "layers": [
            {"units": _width(each.units), "activation": each.activation} for each in given.layers
        ],
        "loss": given.loss,
        "bias": given.bias,
        "over_outputs": given.over_outputs,
        "over_samples": given.over_samples,
        "title": given.title,
    }
    values = {name: each for name, each in given.given.items() if each is not None}
    if given.learning_rate is not None:
        values["learning_rate"] = given.learning_rate
    return system({"network": network, "values": values}, given.source)


def _width(units: Any) -> int | str:
    return int(units) if units.is_Integer else str(units)


def expand(mapping: Mapping[str, Any], source: str) -> Expansion:
    """The equations that a [network] stands for; raises `SpecError`.

    >>> made = expand(
    ...     {
    ...         "network": {
    ...             "inputs": 2,
    ...             "layers": [{"units": 1, "activation": "tanh"}],
    ...             "loss": "squared_error",
    ...         }
    ...     },
    ...     "Network",
    ... )
    >>> made.tables()["equations"]["L"]
    'sum(i, (y[i] - yhat[i])**2)'
    """
    place = Place(one_line(source))
    if is_plain(mapping):
        spec.from_mapping(mapping, source)  # what it refuses is refused here too
    merged: dict[str, str] = {}
    while True:
        try:
            return _Network(mapping, place, merged).expansion()
        except SameSize as same:  # two names for one size: written again with one
            merged[same.other] = same.kept


@dataclass(frozen=True, slots=True)
class _Term:
    """One summand of the loss."""

    name: str
    weight: Decimal
    part: Part
    targets: tuple[Array, ...]
    facts: tuple[KnownSum, ...]


class _Network:
    """A [network] while it is read."""

    def __init__(self, mapping: Mapping[str, Any], place: Place, merged: Mapping[str, str]) -> None:
        self.mapping = table_of(mapping, TOP_KEYS, place)
        self.place, self.here = place, place.within("network")
        self.table = table_of(
            required(mapping, "network", "a table", place), NETWORK_KEYS, self.here
        )
        self.values = dict(self._values())
        for key in ("over_outputs", "over_steps"):
            self._over(key, {}, ("sum", "mean"))
        self.sizes = Sizes(self._given_sizes(), merged)
        self.activations, self.losses = known_functions(mapping, place)
        self.source = self._inputs()
        self.samples = self._samples()

    def expansion(self) -> Expansion:
        """The equations: layer by layer, then the loss."""
        parts, outputs = self._layers()
        terms = self._terms(outputs)
        penalty = self._penalty(parts)
        losses = self._losses(terms, penalty)
        inputs = {each.name: each for part in parts for each in part.inputs}
        inputs = {self.source.name: self.source, **inputs}
        for term in terms:
            for target in term.targets:
                self._same_target(inputs.setdefault(target.name, target), target)
        values = self._with_one_hot(inputs)
        facts = [fact for part in parts for fact in part.facts]
        facts += [f for term in terms for f in term.facts if _holds(f, values)]
        made = Expansion(
            self.sizes.numbers,
            (*parts, *losses),
            tuple(replace(each, shape=(*self.samples, *each.shape)) for each in inputs.values()),
            losses[-1].output.name,
            values,
            title_of(self.mapping, self.table, self.place),
            self.mapping.get("goals") if goals_of(self.mapping, self.place) else None,
            tuple(dict.fromkeys(facts)),
        )
        self._check_names(made)
        return made

    # ---------------------------------------------------------------------- sizes and inputs

    def _values(self) -> Mapping[str, Any]:
        given = self.mapping.get("values", {})
        if not isinstance(given, Mapping):
            self.place.within("values").expected("a table of numbers", given)
        return given

    def _given_sizes(self) -> dict[str, int | None]:
        given, place = self.mapping.get("sizes", {}), self.place.within("sizes")
        if not isinstance(given, Mapping):
            place.expected('a table such as T = 3, or T = "T" where it is symbolic', given)
        found: dict[str, int | None] = {}
        for name, value in given.items():
            here = place.key(name)
            check_name(name, here)
            Sizes({}, {}).check_name(name, here)
            n = whole(value)
            if value != name and (n is None or n < 1):
                here.expected(f'a whole number from 1 on, or "{name}" where it is symbolic', value)
            found[name] = n
        return found

    def _inputs(self) -> Array:
        given = required(self.table, "inputs", "the sizes of the input", self.here)
        place = self.here.key("inputs")
        if isinstance(given, Mapping):
            table = table_of(given, ("tokens", "below"), place)
            tokens = required(table, "tokens", "how many tokens there are", place)
            below = required(table, "below", "how many different tokens there are", place)
            if is_list(tokens) and tokens:
                place.key("tokens").expected("one size, or [] for a single token", tokens)
            shape = () if is_list(tokens) else (self.sizes.named(tokens, "T", place.key("tokens")),)
            return Array("tok", shape, self.sizes.named(below, "V", place.key("below")))
        sizes = given if is_list(given) else [given]
        if len(sizes) not in NAMES:
            place.expected("one size, or a list of at most three: steps and features, or channels, "
                           "rows and columns", given)  # fmt: skip
        shape = tuple(
            self.sizes.named(size, name, place.item(n) if is_list(given) else place)
            for n, (size, name) in enumerate(zip(sizes, NAMES[len(sizes)], strict=True), 1)
        )
        return Array("x", shape)

    def _samples(self) -> tuple[Affine, ...]:
        """The size of the index of the samples, where there is one."""
        rows, depth = self.values.get(self.source.name), len(self.source.shape)
        given = self.table.get("samples")
        if given is None and _depth(rows) == depth + 1:
            given = len(plain(rows))
        if given is None:
            return ()
        return (self.sizes.named(given, "B", self.here.key("samples")),)

    # -------------------------------------------------------------------------------- layers

    def _layers(self) -> tuple[list[Part], list[Array]]:
        given = required(self.table, "layers", "a list of layers", self.here)
        flat = list(_flat(given, self.here.key("layers"), 0))
        if len(flat) > MOST_LAYERS:
            self.here.key("layers").fail(f"{len(flat):,} layers, expected at most {MOST_LAYERS:,}")
        bias = one_of(self.table.get("bias", BIASES[0]), BIASES, self.here.key("bias"))
        parts: list[Part] = []
        outputs, names = [self.source], dict[str, int]()
        known: dict[str, Parameter] = {}
        for k, (place, table) in enumerate(flat, 1):
            spot = Spot(k, table, place, tuple(outputs), dict(names), self.sizes,
                        bool(self.samples), bias, self.activations, k == len(flat))  # fmt: skip
            part = KINDS[spot.kind].write(spot)
            parts.append(replace(part, title=f"layer {k}: {spot.kind}, {part.title}"))
            outputs.append(part.output)
            self._tie(spot, part, known)
            if "name" in table:
                names[self._name(table["name"], names, place.key("name"))] = k
        return parts, outputs

    def _name(self, name: Any, names: Mapping[str, int], place: Place) -> str:
        check_name(name, place)
        if name in names:
            place.fail(f"layer {names[name]} has this name already; choose another")
        return name

    def _tie(self, spot: Spot, part: Part, known: dict[str, Parameter]) -> None:
        """Refuse a parameter of two shapes; what has the same name is the same."""
        for each in part.parameters:
            other = known.setdefault(each.name, each)
            same = len(other.shape) == len(each.shape)
            if not (same and all(map(self.sizes.agree, other.shape, each.shape))):
                spot.fail(
                    f"{each.name} is tied to a parameter of shape {_listed(other.shape)}, and here "
                    f"it would be {_listed(each.shape)}; expected the same shape"
                )

    def _penalty(self, parts: Sequence[Part]) -> str:
        """λ/2 Σ w², for all weights that have a λ; empty where none has."""
        general = self.table.get("l2", 0)
        rates: dict[str, tuple[Decimal, Parameter]] = {}
        flat = _flat(self.table["layers"], self.here.key("layers"), 0)
        for (place, table), part in zip(flat, parts, strict=True):
            here = place.key("l2") if "l2" in table else self.here.key("l2")
            rate = exact_number(table.get("l2", general), here)
            if rate < 0:
                here.expected("a number from 0 on", rate)
            for each in part.parameters:
                if each.is_weight and rates.setdefault(each.name, (rate, each))[0] != rate:
                    here.fail(f"{each.name} is shared, and its other layer has another l2")
        summands: dict[Decimal, list[str]] = {}
        for rate, each in rates.values():
            if rate:
                summands.setdefault(rate, []).append(_squares(each))
        return " + ".join(
            f"{rate:f}/2*({' + '.join(each)})" if len(each) > 1 else f"{rate:f}/2*{each[0]}"
            for rate, each in summands.items()
        )

    # ---------------------------------------------------------------------------------- loss

    def _terms(self, outputs: Sequence[Array]) -> list[_Term]:
        given = required(self.table, "loss", f"one of {', '.join(self.losses)}", self.here)
        place = self.here.key("loss")
        if not is_list(given):
            settings = {key: self.table[key] for key in TERM_KEYS if key in self.table}
            return [self._term("L", settings, outputs, self.here)]
        if not given:
            place.expected('a list of tables such as { loss = "squared_error", weight = 1 }', given)
        for key in ("target", "labels", "label_smoothing"):
            if key in self.table:
                self.here.key(key).fail(
                    "there are several losses; write it in the table of its own"
                )
        return [
            self._term(f"L{n}", table_of(each, TERM_KEYS, place.item(n)), outputs, place.item(n))
            for n, each in enumerate(given, 1)
        ]

    def _term(
        self, name: str, table: Mapping[str, Any], outputs: Sequence[Array], place: Place
    ) -> _Term:
        given = required(table, "loss", f"one of {', '.join(self.losses)}", place)
        row = picked_loss(given, self.losses, place.key("loss"))
        weight = exact_number(table.get("weight", 1), place.key("weight"))
        if weight <= 0:
            place.key("weight").expected("a number above 0", weight)
        array = self._compared(table, outputs, place)
        axes = AXES[len(array.shape)]
        smoothing = self._smoothing(table, row, place)
        if self._has_labels(table, row, array, place):
            body, targets = self._label_loss(table, array, smoothing, place)
            is_mean = self._over("over_outputs", table, ("sum", "mean")) == "mean"
            size = written(array.shape[-1])
            right = self._over_all(f"{body}{f'/{size}' if is_mean else ''}", axes[:-1], table)
            title = f"{_spoken(row)} of {array.name} and the true class"
            return _Term(name, weight, self._loss_part(name, f"-{right}", title), targets, ())
        target = self._target(table, row, array, place)
        y = self._at(target.name, axes)
        if smoothing:
            y = f"((1 - {smoothing:f})*{y} + {smoothing:f}/{written(array.shape[-1])})"
        body = filled(row.formula, {"y": y, "yhat": self._at(array.name, axes)})
        sign = "-" if is_negative(row.formula, ("y", "yhat")) else ""
        over = self._over("over_outputs", table, ("sum", "mean"))
        right = self._over_all(f"{over}({axes[-1]}, {body.removeprefix(sign)})", axes[:-1], table)
        targets = (target,) if row.uses_target else ()
        facts = tuple(
            KnownSum(target.name, Fraction(fact.total), fact.because)
            for fact in row.facts
            if fact.of == "y" and row.uses_target
        )
        title = f"{_spoken(row)} of {array.name}"
        title += f" and {target.name}" if row.uses_target else ""
        return _Term(name, weight, self._loss_part(name, sign + right, title), targets, facts)

    def _loss_part(self, name: str, right: str, title: str) -> Part:
        return Part(f"the loss: {title}", Array(name, ()), ((name, right),))

    def _compared(self, table: Mapping[str, Any], outputs: Sequence[Array], place: Place) -> Array:
        """The output that a loss reads: the last, or that of another layer."""
        array = outputs[-1]
        if "from" in table:
            k = whole(table["from"])
            names = {each.get("name"): n for n, (_, each) in enumerate(
                _flat(self.table["layers"], self.here.key("layers"), 0), 1)}  # fmt: skip
            k = names.get(table["from"]) if isinstance(table["from"], str) else k
            if k is None or not 0 < k < len(outputs):
                expected = f"a layer, from 1 to {len(outputs) - 1}, or its name"
                place.key("from").expected(expected, table["from"])
            array = outputs[k]
        if array.below is not None:
            place.fail("the loss reads numbers, and the network gives tokens")
        return array

    def _smoothing(self, table: Mapping[str, Any], row: Loss, place: Place) -> Decimal:
        here = place.key("label_smoothing")
        smoothing = exact_number(table.get("label_smoothing", 0), here)
        if not 0 <= smoothing < 1:
            here.expected("a number from 0 to below 1", smoothing)
        if smoothing and row != LOSSES["cross_entropy"]:
            here.fail(f"{SMOOTHED}; the loss is {row.name}")
        return smoothing

    def _has_labels(self, table: Mapping[str, Any], row: Loss, array: Array, place: Place) -> bool:
        is_entropy = row == LOSSES["cross_entropy"]
        default = is_entropy and "label" in self.values and not is_list(self.table["loss"])
        here = place.key("labels")
        labels = table.get("labels", default)
        if not isinstance(labels, bool):
            here.expected("true or false", labels)
        if labels and not is_entropy:
            here.fail(f"{SMOOTHED}; the loss is {row.name}")
        if labels and len(array.shape) == 3:
            here.fail(f"{array.name} is an image; labels are of a vector or a sequence")
        return labels

    def _label_loss(
        self, table: Mapping[str, Any], array: Array, smoothing: Decimal, place: Place
    ) -> tuple[str, tuple[Array, ...]]:
        """log ŷ of the true class, without the sign, and the labels."""
        axes = AXES[len(array.shape)]
        name = self._target_name(table, "label", place)
        label = Array(name, array.shape[:-1], array.shape[-1])
        chosen = self._at(array.name, (*axes[:-1], self._at(name, axes[:-1])))
        if not smoothing:
            return f"log({chosen})", (label,)
        rest = f"mean({axes[-1]}, log({self._at(array.name, axes)}))"
        return f"((1 - {smoothing:f})*log({chosen}) + {smoothing:f}*{rest})", (label,)

    def _target(self, table: Mapping[str, Any], row: Loss, array: Array, place: Place) -> Array:
        name, here = self._target_name(table, "y", place), place.key("target")
        if not row.uses_target and "target" in table:
            here.fail(f"{row.name} compares with nothing")
        if name == self.source.name and self.source.below is not None:
            here.fail(f"{name} holds tokens; the loss compares numbers")
        return Array(name, array.shape)

    def _target_name(self, table: Mapping[str, Any], default: str, place: Place) -> str:
        name, here = table.get("target", default), place.key("target")
        check_name(name, here)
        check_no_index(name, here, "y, y2 …")
        return name

    def _same_target(self, one: Array, other: Array) -> None:
        same = len(one.shape) == len(other.shape) and (one.below is None) == (other.below is None)
        if not (same and all(map(self.sizes.agree, one.shape, other.shape))):
            self.here.key("loss").fail(
                f"{one.name} has shape {_listed(one.shape)}, and a loss compares it with an output "
                f"of shape {_listed(other.shape)}"
            )

    def _over(self, key: str, table: Mapping[str, Any], known: Sequence[str]) -> str:
        return one_of(table.get(key, self.table.get(key, known[0])), known, self.here.key(key))

    def _over_all(self, body: str, axes: Sequence[str], table: Mapping[str, Any]) -> str:
        """``body`` over the other indices of the output and over the samples."""
        for axis in reversed(axes):
            body = f"{self._over('over_steps', table, ('sum', 'mean'))}({axis}, {body})"
        over = self._over("over_samples", {}, ("mean", "sum"))
        return f"{over}(s, {body})" if self.samples else body

    def _at(self, name: str, axes: Iterable[str]) -> str:
        return element(name, *(("s",) if self.samples else ()), *axes)

    def _losses(self, terms: Sequence[_Term], penalty: str) -> list[Part]:
        """The lines of the loss: L by itself, or L1, L2, … and the penalty R, and their sum."""
        if len(terms) == 1 and not penalty and terms[0].weight == 1:
            return [_called("L", terms[0].part)]
        parts, summands = [], []
        for n, term in enumerate(terms, 1):
            parts.append(_called(f"L{n}", term.part))
            summands.append(f"L{n}" if term.weight == 1 else f"{term.weight:f}*L{n}")
        if penalty:
            parts.append(Part("the weights' squares", Array("R", ()), (("R", penalty),)))
            summands.append("R")
        return [*parts, Part("all together", Array("L", ()), (("L", " + ".join(summands)),))]

    # ------------------------------------------------------------------------------- at the end

    def _with_one_hot(self, inputs: Mapping[str, Array]) -> dict[str, Any]:
        """The values; a label becomes a row of zeros and a one where the loss compares with y."""
        values = dict(self.values)
        if "label" not in values or "label" in inputs or "y" not in inputs:
            return values
        place = self.place.within("values").key("label")
        if "y" in values:
            self.place.within("values").fail("y and label both given, expected one of the two")
        n = self.sizes.value(inputs["y"].shape[-1])
        if n is None:
            place.fail("a label needs the number of classes, which is symbolic")
        values["y"] = _one_hot(plain(values.pop("label")), n, place)
        return values

    def _check_names(self, made: Expansion) -> None:
        """Refuse two things of one name, which only a parameter that the file names can be."""
        computed = {left.partition("[")[0] for part in made.parts for left, _ in part.lines}
        seen = {each.name: "an input" for each in made.inputs}
        seen |= dict.fromkeys(computed, "computed")
        for name in made.parameters:
            if name in seen:
                self.here.key("layers").fail(
                    f"{name} is {seen[name]}; choose another name for the parameter"
                )
        for name in made.sizes:
            if name in seen or name in made.parameters:
                self.here.fail(
                    f"{name} is both a size and an array; choose another name for the size"
                )


def _called(name: str, part: Part) -> Part:
    """A loss under another name."""
    return replace(part, output=Array(name, ()), lines=((name, part.lines[0][1]),))


def _depth(value: Any) -> int:
    """How many lists are nested in one another."""
    value, depth = plain(value), 0
    while is_list(value) and value:
        value, depth = plain(value[0]), depth + 1
    return depth


def _one_hot(label: Any, n: int, place: Place) -> Any:
    if is_list(label):
        return [_one_hot(plain(each), n, place) for each in label]
    k = whole(label)
    if k is None or not 1 <= k <= n:
        place.expected(f"the true class, a whole number from 1 to {n}", label)
    return [int(k == place_of) for place_of in range(1, n + 1)]


def _holds(fact: KnownSum, values: Mapping[str, Any]) -> bool:
    """Whether the numbers given, if any, have the sum."""
    return fact.array not in values or _sums_to(plain(values[fact.array]), fact.total)


def _sums_to(value: Any, total: Fraction) -> bool:
    if not is_list(value):
        return True
    rows = [plain(each) for each in value]
    if any(is_list(each) for each in rows):
        return all(_sums_to(each, total) for each in rows)
    try:
        return sum(Fraction(str(each)) for each in rows) == total
    except ValueError:
        return True  # no numbers: the reader of values says so


def _listed(shape: Sequence[Affine]) -> str:
    return f"[{', '.join(map(written, shape))}]"


def _spoken(row: Loss) -> str:
    from symback.language.functions import spoken

    return spoken(row)


def _squares(parameter: Parameter) -> str:
    letters = ("i", "j", "u", "v")[: len(parameter.shape)]
    body = f"{element(parameter.name, *letters)}**2"
    for each in reversed(letters):
        body = f"sum({each}, {body})"
    return body


# ---------------------------------------------------------------------------- layers within layers


def _flat(value: Any, place: Place, before: int) -> Iterable[tuple[Place, Mapping[str, Any]]]:
    """The layers one after another; ``before`` is how many there are already.

    A residual's inner layers stand before it, and it reads what came in; a block is written as the
    layers that it is.
    """
    if not is_list(value) or not value:
        place.expected('a list of tables such as { kind = "lstm", units = 4 }', value)
    for n, table in enumerate(value, 1):
        for each in _flat_layer(table, place.item(n), before):
            yield each
            before += 1


def _flat_layer(table: Any, place: Place, before: int) -> Iterable[tuple[Place, Mapping[str, Any]]]:
    if not isinstance(table, Mapping):
        place.expected('a table such as { kind = "lstm", units = 4 }', table)
    known = (*KINDS, BLOCK.name)
    kind = one_of(table.get("kind", "dense"), known, place.key("kind"))
    entry = BLOCK if kind == BLOCK.name else KINDS[kind]
    for key in table:
        if key not in entry.known:
            place.key(key).fail(
                f"unknown key of {kind}, expected one of {', '.join(entry.known)}"
                f"{nearest_of(key, entry.known)}"
            )
    if kind == BLOCK.name:
        for inner in _block(table, before):
            made = list(_flat_layer(inner, place, before))
            yield from made
            before += len(made)
    elif kind == "residual":
        yield from _residual(table, place, before)
    else:
        yield place, table


def _residual(
    table: Mapping[str, Any], place: Place, before: int
) -> Iterable[tuple[Place, Mapping[str, Any]]]:
    if ("layers" in table) == ("from" in table):
        both = "both given" if "from" in table else "neither given"
        place.fail(f"residual: layers and from: {both}, expected exactly one of the two")
    if "layers" not in table:
        yield place, table
        return
    inner = list(_flat(table["layers"], place.key("layers"), before))
    yield from inner
    own = {key: table[key] for key in ("kind", "name") if key in table}
    yield place, {**own, "from": before}


def _block(table: Mapping[str, Any], before: int) -> tuple[Mapping[str, Any], ...]:
    """x + attention(norm x), then x + dense(dense(norm x)); layer ``before`` gives x."""
    norm: dict[str, Any] = {"kind": table.get("norm", "layer_norm")}
    norm |= {"eps": table["eps"]} if "eps" in table else {}
    own = {key: table[key] for key in ("heads", "head_size", "causal") if key in table}
    weights = {key: table[key] for key in ("bias", "l2") if key in table}
    attention = {"kind": "attention", "bias": "per_neuron", **own, **weights}
    hidden = table.get("hidden", Like(before, 4))
    wide = {"units": hidden, "activation": table.get("activation", "gelu"), **weights}
    narrow = {"units": Like(before, 1), "activation": "linear", **weights}
    name = {"name": table["name"]} if "name" in table else {}
    return (
        {"kind": "residual", "layers": [norm, attention]},
        {"kind": "residual", "layers": [norm, wide, narrow], **name},
    )
