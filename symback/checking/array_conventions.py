"""How the arrays of one file are written: one convention for all of them, the one that fits best.

Here one can

* read a file: `read` gives a `File`, the network with the file's inputs in place of its [values],
  what every array is (`Read`), what could not be read, and the `Convention`.

A convention says what letters mean (z and a, or a and h), from which end and number lists of layers
count, whether W is (out, in) or (in, out), whether samples are rows or columns, whether y holds
labels, and of which loss the gradients are: of the mean or of the sum over the samples, with or
without ½.  Names and shapes leave few candidates; each is compared with what symback derives, and
the one under which most arrays are right is taken, the network file's own first.  **Numbers never
give a name another meaning**: a dW1 is ∂L/∂W_1 under every convention, and where its letter leaves
two meanings open, what is not its plain one is right under a condition only.  Another scale must
hold of the whole file: it is none where a gradient or the loss is right as the network file has it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from symback.checking.array_inputs import ArrayError, ArrayNameError, Given, fitted, with_inputs
from symback.checking.array_names import PARAMETER_WORDS, Spelled, Word, spelled
from symback.checking.array_rounding import DOUBLE, SINGLE, Bounds, Precision, bounds
from symback.checking.array_search import doubles
from symback.checking.mistakes import named
from symback.engine.evaluation import MissingNumbers
from symback.engine.spec import NetworkSpec
from symback.engine.work import Work
from symback.language.errors import SymbackError, did_you_mean, printable
from symback.language.names import PARAMETERS, Notation, Role, Variable

MOST_PRODUCTS = 200_000
"""Weights times samples; with 50 digits more would take longer than some ten seconds."""

MOST_READINGS = 6
"""So many ways to read the inputs of a file are worked out."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A quantity of a network, or the derivative of the loss by it."""

    variable: Variable
    is_gradient: bool = False

    @property
    def text(self) -> str:
        """As the lectures write it: W_1, ŷ, ∂L/∂a_1."""
        return f"∂L/∂{named(self.variable)}" if self.is_gradient else named(self.variable)


@dataclass(frozen=True, slots=True)
class Scale:
    """Of which loss the gradients are: ``factor`` times the network's, and in words."""

    factor: Fraction = Fraction(1)
    words: str = ""
    takes_mean: bool = False


@dataclass(frozen=True, slots=True)
class Convention:
    """How the arrays of one file are written; `text` says it."""

    letters: tuple[tuple[Word, Word], ...] = ()
    counts: tuple[tuple[str, tuple[tuple[tuple[int, ...], int], ...]], ...] = ()
    in_out: bool = False
    columns: bool = False
    is_flat: bool = False
    inputs: tuple[str, ...] = ()
    scale: Scale = Scale()
    turned_delta: bool = False
    is_downhill: bool = False
    unusual: tuple[str, ...] = ()
    """Families whose numbers are counted in another than the plain way."""
    told: tuple[str, ...] = ()
    """What of it the file shows: "W is (in, out)", "one column is one sample", …"""

    @property
    def text(self) -> str:
        """One sentence for the top of the report; empty where nothing is to be said."""
        return f"read so: {'; '.join(self.told)}" if self.told else ""


@dataclass(frozen=True, slots=True)
class Read:
    """One array under the convention: what it is, in that quantity's shape where it ``fits`` it.

    ``condition`` says under what reading it is right, where that is not its plain meaning.
    """

    given: Given
    quantity: Quantity
    array: np.ndarray
    fits: bool
    condition: str = ""


@dataclass(frozen=True, slots=True)
class Unread:
    """An array that was not judged, and why."""

    given: Given
    reason: str


@dataclass(frozen=True, slots=True)
class File:
    """A file that was read."""

    truth: Truth
    reads: tuple[Read, ...]
    unread: tuple[Unread, ...]
    convention: Convention


# -------------------------------------------------------------------------------------- letters

Letters = Mapping[Word, Word]

_USUAL: Letters = {Word.Z: Word.PRE, Word.A: Word.ACT, Word.H: Word.ACT, Word.O: Word.ACT}


def letters_of(page: Notation) -> Letters:
    """What z, a, h and o mean in a notation: the usual where it says nothing."""
    found = dict(_USUAL)
    if page.activation == "h":  # the lectures: a and z are preactivations
        found |= {Word.A: Word.PRE}
    for letter, meaning in ((page.preactivation, Word.PRE), (page.activation, Word.ACT)):
        found |= {word: meaning for word in _USUAL if word.value == letter}
    return found


def _likely_letters(every: Sequence[Spelled], names: Iterable[str]) -> list[Letters]:
    """What the letters of a file may mean, the likeliest first, by which of them stand together."""
    present = {word for each in every for word in each.words}
    capital = any(each.is_capital for each in every if Word.A in each.words)
    lectures = {**_USUAL, Word.A: Word.PRE}
    if Word.H in present and any("h" in name.lower() and _is_applied(name) for name in names):
        return [{**_USUAL, Word.H: Word.PRE}]
    if Word.H in present and Word.O in present and not present & {Word.A, Word.Z}:
        return [_USUAL, {**_USUAL, Word.H: Word.PRE}]
    if Word.A not in present:
        return [_USUAL, {**_USUAL, Word.Z: Word.ACT}] if Word.Z in present else [_USUAL]
    if Word.Z in present:
        return [_USUAL, {**_USUAL, Word.A: Word.PRE, Word.Z: Word.ACT}]
    if Word.H in present:
        return [lectures]
    return [_USUAL, lectures] if capital else [lectures, _USUAL]


def _is_applied(name: str) -> bool:
    """Whether a name says that a function was applied to h: ``h_relu``."""
    words = ("relu", "act", "sig", "tanh")
    return any(f"h{mark}{word}" in name.lower() for mark in ("", "_", "1_", "2_") for word in words)


# ---------------------------------------------------------------------------------------- counts

Count = Mapping[tuple[int, ...], int]
"""Which layer a number in a name means."""

PARAMETER, GRADIENT, PRE, DELTA, ACT = (
    "weights", "gradients", "preactivations", "deltas", "activations"
)  # fmt: skip


def _family(kind: Word, spelling: Spelled) -> str:
    if kind in PARAMETER_WORDS or spelling.below:
        return GRADIENT if spelling.is_gradient else PARAMETER
    if kind is Word.PRE:
        return DELTA if spelling.is_delta or not spelling.sure else PRE
    return ACT


def _counts(family: str, numbers: set[tuple[int, ...]], depth: int) -> list[Count]:
    """The layers that the numbers of a family may mean, the plain way first.

    As many numbers as there are layers are those layers in their order, from whatever number and
    in whatever steps they are counted: W0 and W1, fc1 and fc2, 0.weight and 2.weight.
    """
    pairs = sorted(each for each in numbers if len(each) == 2)
    singles = sorted(each for each in numbers if len(each) == 1)
    if any(b != a + 1 for a, b in pairs):
        return [{}]
    first = 0 if family == ACT else 1
    wanted = range(first, depth + 1)
    options: list[Count] = []
    if len(singles) == len(wanted):
        options.append(dict(zip(singles, wanted, strict=True)))
    else:
        for shift in (0, 1, -1):
            moved = {each: each[0] + shift for each in singles}
            if all(layer in wanted for layer in moved.values()):
                options.append(moved)
    options = options or [{each: each[0] for each in singles if each[0] in wanted}]
    if family == DELTA and len(singles) > 1:
        options += [{each: depth + 1 - layer for each, layer in option.items()}
                    for option in options[:1]]  # fmt: skip
    ends = [1, 0] if not pairs or pairs[0][0] == 0 or pairs[-1][1] <= depth else [0]
    ends = [1] if pairs and pairs[0][0] == 0 else ends
    found = [
        {**option, **{pair: pair[end] for pair in pairs}}
        for option in options
        for end in (ends if pairs else [1])
    ]
    return [each for each in found if all(layer in wanted for layer in each.values())] or [{}]


# ---------------------------------------------------------------------------------------- scales


_HALF = "those of half the squared error; the network file says squared_error"
_WHOLE = "those of the squared error without ½; the network file says half_squared_error"


def scales(spec: NetworkSpec, samples: int) -> list[Scale]:
    """The losses that gradients may be of, the network's own first: of a sum or mean, with ½.

    The other choice of ``over_samples``, of ½ in a squared error, of ``over_outputs``; and of the
    first two of these at once.
    """
    takes_mean = spec.over_samples == "mean" and samples > 1
    choices: list[tuple[Fraction, str, bool | None]] = []
    if samples > 1:
        choices.append(
            (Fraction(samples), "sums over the samples; the network file says mean", False)
            if takes_mean
            else (Fraction(1, samples), "means over the samples; the network file says sum", True)
        )
    halves = {"squared_error": (Fraction(1, 2), _HALF), "half_squared_error": (Fraction(2), _WHOLE)}
    if spec.loss.name in halves:
        choices.append((*halves[spec.loss.name], None))
    width = spec.widths[-1]
    if width.is_Integer and int(width) > 1 and spec.loss.name != "cross_entropy":
        choices.append(
            (Fraction(1, int(width)), "means over the outputs; the network file says sum", None)
            if spec.over_outputs == "sum"
            else (Fraction(int(width)), "sums over the outputs; the network file says mean", None)
        )
    found = {Fraction(1): Scale(takes_mean=takes_mean)}
    for factor, words, is_mean in choices:
        found.setdefault(factor, Scale(factor, words, takes_mean if is_mean is None else is_mean))
    if samples > 1 and len(choices) > 1:
        (one, first, is_mean), (other, second, _) = choices[:2]
        both = Scale(one * other, f"{first}, and {second}", bool(is_mean))
        found.setdefault(both.factor, both)
    return list(found.values())


# ------------------------------------------------------------------------------------ comparison

_NEAR = {DOUBLE.name: 1e-7, SINGLE.name: 1e-4}
"""How near an array is to what it may be, to choose a convention by it; no verdict rests on it."""


def normal(array: np.ndarray, variable: Variable, *, in_out: bool, columns: bool) -> np.ndarray:
    """An array as symback has it: W (out, in), one row a sample."""
    turned = in_out if variable.role is Role.WEIGHT else columns and variable.role is not Role.LOSS
    if array.ndim != 2 or not turned:
        return array
    is_sum = variable.role is Role.BIAS and 1 in array.shape
    return array if is_sum else array.T


@dataclass
class Truth:
    """What symback derives for one reading of the inputs, in doubles, and how rounding may err."""

    work: Work
    _known: dict[Quantity, np.ndarray | None] = field(default_factory=dict)
    _bounds: dict[str, Bounds] = field(default_factory=dict)

    def of(self, quantity: Quantity) -> np.ndarray | None:
        """The right array; None of what the loss does not depend on."""
        if quantity not in self._known:
            table = self.work.gradients if quantity.is_gradient else self.work.numbers.forward
            found = table.get(quantity.variable.name)
            self._known[quantity] = None if found is None else doubles(found)
        return self._known[quantity]

    def bound(self, quantity: Quantity, precision: Precision) -> np.ndarray:
        """How far correct arithmetic of a precision may be off."""
        if precision.name not in self._bounds:
            found = bounds(self.work.numbers, self.work.backward, precision)
            self._bounds[precision.name] = found
        known = self._bounds[precision.name]
        return (known.gradients if quantity.is_gradient else known.values)[quantity.variable.name]

    def is_near(
        self, array: np.ndarray, quantity: Quantity, factor: float, precision: Precision
    ) -> bool:
        """Whether an array is ``factor`` times what is right, to choose a convention by it."""
        right = self.of(quantity)
        if right is None or array.shape != right.shape or not np.isfinite(array).all():
            return False
        far = abs(array - factor * right)
        size = float(np.max(abs(right), initial=0.0))
        allowed = _NEAR.get(precision.name, 1e-2) * abs(factor) * size
        if np.max(far, initial=0.0) <= allowed:
            return True
        return bool((far <= abs(factor) * self.bound(quantity, precision) + allowed).all())

    @cached_property
    def variables(self) -> dict[str, Variable]:
        """The quantities of the network, whose widths are numbers now."""
        return {variable.name: variable for variable in self.work.graph.variables}

    @property
    def samples(self) -> int:
        """How many there are, 1 of no batch."""
        return int(self.work.graph.samples or 1)


@dataclass(frozen=True, slots=True)
class _Match:
    """One array under one candidate: its meaning, by which of its ``place``s, and if it is near.

    ``turn`` is what of the quantity it is near to: 1, -1 where the sign is turned, or a step's -η.
    """

    quantity: Quantity
    place: int
    array: np.ndarray
    fits: bool
    near: bool
    turn: float = 1.0
    is_flipped: bool = False
    """Whether its shape says that samples lie the other way than in the rest of the file."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A convention, the network under it, and how every array fares."""

    truth: Truth
    convention: Convention
    matches: Mapping[str, _Match]
    is_plain: bool

    @property
    def score(self) -> tuple[int, int, int, bool]:
        """How many arrays fit in shape, how many are right, whether nothing unusual is supposed.

        Shapes come first: no number speaks for a layout that the shapes speak against.
        """
        every = self.matches.values()
        misfits, near = sum(not m.fits for m in every), sum(m.near for m in every)
        return -misfits, near, -sum(m.is_flipped for m in every), self.is_plain


# ---------------------------------------------------------------------------------- reading a file


def read(
    given: Mapping[str, Given],
    net: Work,
    page: Notation | None,
    called: Mapping[str, str],
    *,
    strict: bool = False,
) -> File:
    """What every array of a file is, under the convention that fits the file best.

    ``page`` settles letters where it is given, ``called`` is the name that stands for an array's
    own (``--rename``); with ``strict`` only what the network file says is tried.

    Raises `ArrayError` for inputs that do not fit, `ArrayNameError` where nothing can be checked.
    """
    return _Reader(given, net, page, called, strict).file()


class _Reader:
    """All candidates for one file, and the best."""

    def __init__(
        self,
        given: Mapping[str, Given],
        net: Work,
        page: Notation | None,
        called: Mapping[str, str],
        strict: bool,
    ) -> None:
        self.given, self.net, self.page, self.strict = given, net, page, strict
        self.called = {name: called.get(name, name) for name in given}
        self.depth = max((v.layer or 0 for v in net.graph.variables), default=0)
        self.is_network = net.graph.target.role is Role.LOSS
        self.by_role = {(v.role, v.layer): v for v in net.graph.variables}
        self.by_name = {v.name: v for v in net.graph.variables}
        self.computed = {equation.variable.name for equation in net.graph.equations}
        self.spellings = self._spellings() if self.is_network else {}
        self._truths: dict[tuple[Any, ...], Truth] = {}
        self._refusal: SymbackError | None = None

    def _spellings(self) -> dict[str, Spelled]:
        """What the names say; modules without numbers are numbered as they stand in the file."""
        words = {w.replace("_", "").lower(): m for w, m in self.page.words} if self.page else {}
        found: dict[str, Spelled] = {}
        for name, called in self.called.items():
            meant = self.by_name.get(words.get(called.replace("_", "").lower(), ""))
            each = spelled(meant.name if meant is not None else called)
            if each is not None:
                settled = name != called and bool(each.numbers)
                found[name] = replace(self._split(each), is_settled=settled)
        self._leave_out_what_clashes(found)
        modules = list(dict.fromkeys(each.module for each in found.values() if each.module))
        numbers = {each.module: each.numbers for each in found.values() if each.module}
        if len({numbers[module] for module in modules}) < len(modules) or () in numbers.values():
            stems = {module.rstrip("0123456789_") for module in modules}
            if len(stems) == 1:  # Keras: dense, dense_1, …
                modules.sort(key=lambda module: (numbers[module] or (-1,))[0])
            places = {module: (place,) for place, module in enumerate(modules)}
            found = {
                name: replace(each, numbers=places[each.module]) if each.module else each
                for name, each in found.items()
            }
        return found

    def _leave_out_what_clashes(self, found: dict[str, Spelled]) -> None:
        """Beside W a theta is no weight; beside a target t, y is an output or a layer."""
        thetas = [name for name in found if "theta" in self.called[name].lower()]
        weights = [n for n, each in found.items() if each.words[0] is Word.WEIGHT]
        if set(weights) - set(thetas):
            for name in thetas:
                del found[name]
        called = {self.called[name].lower(): name for name in found}
        if called.keys() & {"t", "target", "targets"} and "y" in called:
            found[called["y"]] = Spelled((Word.OUTPUT,), sure=False)

    def _split(self, each: Spelled) -> Spelled:
        """W12 leads from layer 1 into layer 2, where there is no layer 12."""
        if len(each.numbers) == 1 and self.depth + 1 < each.numbers[0] < 100:
            a, b = divmod(each.numbers[0], 10)
            if b == a + 1 and each.words[0] in PARAMETER_WORDS:
                return replace(each, numbers=(a, b), place="")
        return each

    # ------------------------------------------------------------------------------- meanings

    def _quantity(
        self, each: Spelled, word: Word, letters: Letters, counts: Mapping[str, Count], flat: bool
    ) -> Quantity | None:
        kind = letters.get(word, word)
        is_gradient = each.is_gradient or (flat and kind in PARAMETER_WORDS)
        if kind in (Word.TARGET, Word.LOSS, Word.INPUT) or (
            kind is Word.OUTPUT and not each.numbers
        ):
            role = Role[kind.name]
            no_number = not each.numbers or (kind is Word.INPUT and each.numbers == (0,))
            variable = next((v for v in self.by_role.values() if v.role is role), None)
            return Quantity(variable, is_gradient) if variable and no_number else None
        layer = self._layer(each, kind, counts)
        if word is Word.PRE and Word.H in each.words and not self._is_relu(layer):
            return None
        variable = None if layer is None else self._variable(kind, layer - each.below)
        return Quantity(variable, is_gradient) if variable is not None else None

    def _is_relu(self, layer: int | None) -> bool:
        """Whether ∂L/∂h may be made ∂L/∂a in place: a slope of 0 or 1, or the outputs' own."""
        spec = self.net.spec
        if layer is None or not isinstance(spec, NetworkSpec):
            return False
        if layer == self.depth:
            return True
        return 1 <= layer < self.depth and spec.layers[layer - 1].activation.name == "relu"

    def _layer(self, each: Spelled, kind: Word, counts: Mapping[str, Count]) -> int | None:
        if each.place == "output":
            return None if each.numbers else self.depth
        if each.is_settled:
            return each.numbers[-1] if each.numbers else None
        if each.numbers:
            return counts.get(_family(kind, each), {}).get(each.numbers)
        if each.place == "hidden":
            return 1 if self.depth == 2 else None
        return 1 if self.depth == 1 and not each.place else None

    def _variable(self, kind: Word, layer: int) -> Variable | None:
        if kind in (Word.ACT, Word.OUTPUT):
            if layer in (0, self.depth):
                role = Role.INPUT if layer == 0 else Role.OUTPUT
                return next((v for v in self.by_role.values() if v.role is role), None)
            return self.by_role.get((Role.ACTIVATION, layer))
        roles = {Word.WEIGHT: Role.WEIGHT, Word.BIAS: Role.BIAS, Word.PRE: Role.PREACTIVATION}
        return self.by_role.get((roles[kind], layer))

    def _numbers(self, family: str, letters: Letters) -> set[tuple[int, ...]]:
        return {
            each.numbers
            for each in self.spellings.values()
            for word in each.words
            if each.numbers
            and not each.is_settled
            and letters.get(word, word) in (*PARAMETER_WORDS, Word.PRE, Word.ACT, Word.OUTPUT)
            and _family(letters.get(word, word), each) == family
        }  # fmt: skip

    # ------------------------------------------------------------------------------ candidates

    def file(self) -> File:
        """The best candidate as a `File`."""
        if not self.is_network:
            return self._stages()
        best: _Candidate | None = None
        for candidate in self._candidates():
            if best is None or candidate.score > best.score:
                best = candidate
            if best.matches and best.score == (0, len(best.matches), 0, True):
                break
        if best is None:
            raise self._refusal or self._nothing()
        return self._chosen(best)

    def _candidates(self) -> Iterator[_Candidate]:
        options = [letters_of(self.page)] if self.page else self._likely_letters()
        for flat, (place, letters) in itertools.product(self._flats(), enumerate(options)):
            every = {
                family: _counts(family, self._numbers(family, letters), self.depth)
                for family in (PARAMETER, GRADIENT, PRE, DELTA, ACT)
            }
            for counted, in_out in itertools.product(every[PARAMETER], self._orientations()):
                counts = {**every, PARAMETER: [counted]}
                unusual = () if counted is every[PARAMETER][0] else (PARAMETER,)
                plain = place == 0 and not unusual
                for truth, inputs in self._readings(letters, counts, in_out, flat):
                    for columns in (False,) if self.strict else (False, True):
                        made = Convention(
                            tuple(letters.items()), (), in_out, columns, flat, inputs,
                            unusual=unusual,
                        )  # fmt: skip
                        found = self._compared(truth, made, counts, is_plain=plain)
                        if place == 0 or self._is_shown(found, letters):
                            yield found

    def _is_shown(self, found: _Candidate, letters: Letters) -> bool:
        """Whether the forward pass shows other letters than the usual; a derivative never does.

        A dZ1 that is ∂L/∂h_1 has forgotten the slope; only an a without z may be either.
        """
        usual = self._likely_letters()[0]
        other = {word for word, kind in letters.items() if usual[word] != kind}
        present = {word for each in self.spellings.values() for word in each.words}
        return not present & {Word.Z, Word.O} or any(
            match.near
            and not match.quantity.is_gradient
            and self.spellings[name].words[match.place] in other
            for name, match in found.matches.items()
        )

    def _likely_letters(self) -> list[Letters]:
        return _likely_letters(list(self.spellings.values()), self.called.values())

    def _flats(self) -> tuple[bool, ...]:
        """Whether bare W1, b1 may be gradients: a saved dict of them, and no dW1 beside them.

        The network has to have parameters of its own then, and those of the file are not these.
        """
        every = self.spellings
        bare = [
            name
            for name, each in every.items()
            if each.words[0] in PARAMETER_WORDS and not each.is_gradient
        ]
        marked = any(e.is_gradient and e.words[0] in PARAMETER_WORDS for e in every.values())
        values = self.net.spec.values.parameters if isinstance(self.net.spec, NetworkSpec) else ()
        known = [sorted(np.asarray(value, dtype=float).ravel()) for _, value in values]
        own = any(sorted(self.given[name].array.ravel()) in known for name in bare)
        return (False, True) if bare and known and not marked and not own else (False,)

    def _orientations(self) -> tuple[bool, ...]:
        """Whether W may be (in, out); weights that are the network file's own settle it."""
        if self.page is not None and self.page.rows:
            return (True,)
        if self.strict:
            return (False,)
        values = self.net.spec.values.parameters if isinstance(self.net.spec, NetworkSpec) else ()
        known = [np.asarray(value, dtype=float) for _, value in values]
        bare = [
            self.given[name].array
            for name, each in self.spellings.items()
            if each.words[0] is Word.WEIGHT and not each.is_gradient
        ]
        same = any(np.array_equal(array, value) for array in bare for value in known)
        turned = any(np.array_equal(array.T, value) for array in bare for value in known)
        return (turned,) if same != turned else (False, True)

    def _readings(
        self, letters: Letters, every: Mapping[str, list[Count]], in_out: bool, flat: bool
    ) -> Iterator[tuple[Truth, tuple[str, ...]]]:
        """The network with the file's inputs, for each way to read them."""
        counts = {family: options[0] for family, options in every.items()}
        inputs: dict[str, list[tuple[Given, str]]] = {}
        for name, each in self.spellings.items():
            quantity = self._quantity(each, each.words[0], letters, counts, flat)
            if (
                quantity
                and not quantity.is_gradient
                and quantity.variable.name not in self.computed
            ):
                own = self._as_inputs(self.given[name], quantity.variable, in_out=in_out)
                known = inputs.get(quantity.variable.name)
                size = self.given[name].array.size
                if known is None or known[0][0].array.size < size:  # one-hot rows, not labels
                    inputs[quantity.variable.name] = own
        choices = [
            dict(zip(inputs, choice, strict=True)) for choice in itertools.product(*inputs.values())
        ]
        works = [(each, self._work({n: g for n, (g, _) in each.items()})) for each in choices]
        usable = [(each, work) for each, work in works if work is not None]
        own = [(each, work) for each, work in usable if self._has_own_values(work)]
        has_weights = any(self.by_name[name].role is Role.WEIGHT for name in inputs)
        for chosen, work in (own[:1] or usable)[:MOST_READINGS]:
            key = (in_out and has_weights, *((n, given.name, given.array.shape, how)
                                             for n, (given, how) in chosen.items()))  # fmt: skip
            if key not in self._truths:
                self._truths[key] = Truth(work)
            yield self._truths[key], tuple(how for _, how in chosen.values() if how)

    def _has_own_values(self, work: Work) -> bool:
        """Whether the inputs of a file are the network file's own."""
        mine, theirs = self.net.spec, work.spec
        if not isinstance(mine, NetworkSpec) or not isinstance(theirs, NetworkSpec):
            return False
        if mine.values.x is None or mine.values.y is None:
            return False
        pairs = [(mine.values.x, theirs.values.x), (mine.values.y, theirs.values.y)]
        known = dict(mine.values.parameters)
        pairs += [(known.get(name), value) for name, value in theirs.values.parameters]
        return all(
            one is not None
            and np.array_equal(np.asarray(one, dtype=float), np.asarray(other, dtype=float))
            for one, other in pairs
        )

    def _as_inputs(
        self, given: Given, variable: Variable, *, in_out: bool
    ) -> list[tuple[Given, str]]:
        """The ways to read an input: turned, with samples in columns, labels as one-hot rows."""
        array = given.array
        if variable.role is Role.WEIGHT:
            turned = array.T if in_out and array.ndim == 2 else array
            return [(replace(given, array=turned), "")]
        found = [(given, "")]
        if self.strict:
            return found
        if variable.role in (Role.INPUT, Role.TARGET) and array.ndim == 2:
            own = variable.sizes[0]
            if array.shape[0] == own or not own.is_Integer:
                turned = (replace(given, array=array.T), f"{given.name} has a column a sample")
                found = [turned, *found] if array.shape[1] != own else [*found, turned]
        one_wide = variable.sizes[:1] == (1,) and array.ndim == 1 and array.size > 1
        if variable.role in (Role.INPUT, Role.TARGET) and one_wide:
            return [(replace(given, array=array.reshape(-1, 1)), "")]
        if variable.role is Role.TARGET:
            found = [*self._one_hot(given, variable), *found]
        return found

    def _one_hot(self, given: Given, variable: Variable) -> Iterator[tuple[Given, str]]:
        width = variable.sizes[0]
        flat = given.array.reshape(-1)
        many = [size for size in given.array.shape if size != 1]
        if not width.is_Integer or int(width) < 2 or len(many) > 1:
            return
        if flat.size == int(width) and {*flat.tolist()} <= {0.0, 1.0} and flat.sum() == 1:
            return  # one sample, one-hot already
        for first in (0, 1):
            places = flat - first
            if (
                (places == np.round(places)).all()
                and (places >= 0).all()
                and (places < width).all()
            ):
                rows = np.eye(int(width))[places.astype(int)]
                x = self._samples_hint()
                rows = rows[0] if len(flat) == 1 and x is None else rows
                yield replace(given, array=rows), f"{given.name} holds labels from {first}"

    def _is_given(self, quantity: Quantity) -> bool:
        """Whether it is an input of the network."""
        return not quantity.is_gradient and quantity.variable.name not in self.computed

    def _samples_hint(self) -> int | None:
        """How many samples the network's own values have; None for one."""
        return self.net.spec.values.samples if isinstance(self.net.spec, NetworkSpec) else None

    def _work(self, inputs: Mapping[str, Given]) -> Work | None:
        """The network with these inputs; None where they do not fit it, which is kept."""
        for each in inputs.values():
            if not np.isfinite(each.array).all():
                with_inputs(self.net, inputs)  # says where
        try:
            work = with_inputs(self.net, inputs)
            check_size(work)
        except MissingNumbers as error:
            raise ArrayError(f"{error.message}, or in the arrays under these names") from None
        except ArrayError as error:
            self._refusal = self._refusal or error
            return None
        return work

    # ------------------------------------------------------------------------------ comparison

    def _compared(
        self,
        truth: Truth,
        convention: Convention,
        every: Mapping[str, list[Count]],
        *,
        is_plain: bool,
    ) -> _Candidate:
        """How every array fares: the best count of each family, the scale under which most hold."""
        assert isinstance(truth.work.spec, NetworkSpec)
        known = scales(truth.work.spec, truth.samples)[: 1 if self.strict else None]
        own = known[0]
        best: tuple[int, Scale, dict[str, _Match], dict[str, Count]] | None = None
        plain: dict[str, _Match] = {}
        for scale in known:
            counts = {family: options[0] for family, options in every.items()}
            matches = self._matches(truth, convention, counts, scale)
            for family in (GRADIENT, PRE, DELTA, ACT):
                for option in every[family][1:]:
                    if self.strict:
                        break
                    other = {**counts, family: option}
                    tried = self._matches(truth, convention, other, scale)
                    if _rights(tried) > _rights(matches):
                        matches, counts = tried, other
            if scale is own:
                plain = matches
            elif any(
                match.near and not matches[name].near and _is_scaled(match.quantity)
                for name, match in plain.items()
                if name in matches
            ):
                continue  # not of the whole file
            if best is None or _rights(matches) > best[0]:
                best = _rights(matches), scale, matches, counts
        assert best is not None
        _, scale, matches, counts = best
        chosen = replace(
            convention,
            scale=scale,
            counts=tuple((family, tuple(count.items())) for family, count in counts.items()),
            unusual=(
                *convention.unusual,
                *(family for family, options in every.items() if counts[family] is not options[0]),
            ),
        )
        return _Candidate(truth, chosen, matches, is_plain and not chosen.unusual and scale is own)

    def _matches(
        self, truth: Truth, convention: Convention, counts: Mapping[str, Count], scale: Scale
    ) -> dict[str, _Match]:
        found: dict[str, _Match] = {}
        letters = dict(convention.letters)
        for name, each in self.spellings.items():
            best: _Match | None = None
            for place, word in enumerate(each.words):
                quantity = self._quantity(each, word, letters, counts, convention.is_flat)
                if quantity is None or not (
                    quantity.is_gradient or quantity.variable.name in self.computed
                ):
                    continue
                match = self._match(name, quantity, truth, convention, scale, place)
                if match and (best is None or _nearness(match) > _nearness(best)):
                    best = match
            if best is not None:
                found[name] = best
        return found

    def _match(
        self, name: str, quantity: Quantity, truth: Truth, convention: Convention, scale: Scale,
        place: int,
    ) -> _Match | None:  # fmt: skip
        given, variable = self.given[name], truth.variables[quantity.variable.name]
        quantity = Quantity(variable, quantity.is_gradient)
        right = truth.of(quantity)
        if right is None or (variable.role is Role.LOSS and given.array.size > 1):
            return None
        turned = normal(given.array, variable, in_out=convention.in_out, columns=convention.columns)
        array = fitted(turned, right.shape)
        is_flipped = array is None and variable.batched and turned.ndim == 2 and not self.strict
        array = fitted(turned.T, right.shape) if is_flipped else array
        if array is None:
            return _Match(quantity, place, turned, fits=False, near=False)
        factor = float(scale.factor) if _is_scaled(quantity) else 1.0
        own = scale.takes_mean and quantity.is_gradient and variable.batched
        sizes = (factor, factor * truth.samples) if own else (factor,)
        turn = next(
            (
                turn
                for turn in self._turns(name, quantity)
                if any(
                    truth.is_near(array, quantity, turn * size, given.precision) for size in sizes
                )
            ),
            0.0,
        )
        each = self.spellings[name]
        near = turn == 1.0 or bool(turn and (each.is_delta or not each.sure))
        return _Match(quantity, place, array / factor, True, near, turn, is_flipped)

    def _turns(self, name: str, quantity: Quantity) -> Iterator[float]:
        """What of a derivative an array may be: it, its negative, and of a Δw a step of descent."""
        yield 1.0
        if quantity.is_gradient and not self.strict:
            yield -1.0
            rate = self.net.learning_rate
            if quantity.variable.role in PARAMETERS and not self.spellings[name].sure and rate:
                yield -float(rate)
                yield float(rate)

    # -------------------------------------------------------------------------------- the choice

    def _chosen(self, best: _Candidate) -> File:
        convention = replace(
            best.convention,
            turned_delta=self._turns_delta(best),
            is_downhill=self._is_downhill(best),
        )
        reads, unread, inputs = [], [], []
        for name, given in self.given.items():
            each, match = self.spellings.get(name), best.matches.get(name)
            if match is not None and each is not None:
                if not each.sure and not match.near:
                    unread.append(Unread(given, self._loose(match)))
                    continue
                is_turned = convention.turned_delta if each.is_delta else not each.sure
                turn = match.turn if is_turned and match.turn else 1.0
                condition = self._condition(given, each, match, convention, turn)
                array = match.array / turn
                reads.append(Read(given, match.quantity, array, match.fits, condition))
            elif each is not None and self._is_input(each, convention):
                inputs.append(name)
            else:
                unread.append(Unread(given, self._unknown(given)))
        if not reads:
            raise self._nothing([each.given.name for each in unread])
        told = tuple(self._told(best, convention, reads, inputs))
        return File(best.truth, tuple(reads), tuple(unread), replace(convention, told=told))

    def _is_input(self, each: Spelled, convention: Convention) -> bool:
        counts = {family: dict(count) for family, count in convention.counts}
        quantity = self._quantity(
            each, each.words[0], dict(convention.letters), counts, convention.is_flat
        )
        return quantity is not None and not quantity.is_gradient

    def _turns_delta(self, best: _Candidate) -> bool:
        """Whether δ is -∂L/∂a here: every δ is, and no other derivative has its sign turned."""
        deltas = [m for name, m in best.matches.items() if self.spellings[name].is_delta]
        others = [
            match
            for name, match in best.matches.items()
            if self.spellings[name].sure and not self.spellings[name].is_delta
        ]
        return (
            any(match.turn < 0 for match in deltas)
            and all(match.turn < 0 or not match.array.any() for match in deltas)
            and not any(match.turn < 0 for match in others)
        )

    def _is_downhill(self, best: _Candidate) -> bool:
        """Whether all derivatives of the file have the opposite sign."""
        every = [
            match
            for name, match in best.matches.items()
            if match.quantity.is_gradient and self.spellings[name].sure
        ]
        return len(every) > 1 and all(match.turn == -1 for match in every)

    # ------------------------------------------------------------------------------------- words

    def _condition(
        self, given: Given, each: Spelled, match: _Match, convention: Convention, turn: float
    ) -> str:
        """Under what reading an array is right, where that is not its plain one."""
        what = match.quantity.text
        if abs(turn) != 1:
            return f"right as the step {'-' * (turn < 0)}η {what}"
        if turn < 0:
            return f"right as -{what}: {printable(given.name)} points downhill"
        if match.near and (match.place > 0 or not each.sure):
            return f"right as {what}, which {printable(given.name)} may mean"
        letters = dict(convention.letters)
        usual = self._usual_letters()
        word = each.words[match.place]
        if letters.get(word, word) != usual.get(word, word):
            return f"right where {word.value} is the {letters[word].value}"
        family = _family(letters.get(word, word), each)
        if family in convention.unusual and each.numbers and not each.is_settled:
            numbers = "→".join(map(str, each.numbers))
            return f"right where {numbers} of the {family} is layer {match.quantity.variable.layer}"
        if convention.scale.words and _is_scaled(match.quantity):
            return f"the file's gradients are {convention.scale.words}"
        return ""

    def _usual_letters(self) -> Letters:
        if self.page is not None:
            return letters_of(self.page)
        return self._likely_letters()[0]

    def _loose(self, match: _Match) -> str:
        return f"its name may mean {match.quantity.text}, which it is not; so it is not judged"

    def _told(
        self, best: _Candidate, convention: Convention, reads: Sequence[Read], inputs: Sequence[str]
    ) -> Iterator[str]:
        """What of the convention the file shows."""
        used = {word for each in self.spellings.values() for word in each.words}
        letters = [
            f"{word.value} is the {kind.value}"
            for word, kind in convention.letters
            if word in used and word is not Word.O
        ]
        if letters:
            yield ", ".join(letters)
        weights = [read for read in reads if read.quantity.variable.role is Role.WEIGHT]
        given_weights = any(self.spellings[name].words[0] is Word.WEIGHT for name in inputs)
        if weights or given_weights:
            yield "W is (in, out), as in x @ W" if convention.in_out else "W is (out, in)"
        if any(read.quantity.variable.batched and read.given.array.ndim == 2 for read in reads):
            yield "one column is one sample" if convention.columns else "one row is one sample"
        yield from convention.inputs
        for family, count in convention.counts:
            moved = [(numbers, layer) for numbers, layer in count if numbers[-1] != layer]
            if moved:
                shown = ", ".join(
                    f"{'→'.join(map(str, numbers))} is layer {layer}" for numbers, layer in count
                )
                yield f"{family}: {shown}"
        if convention.is_flat:
            yield "W and b are the gradients, since no array is called a derivative"
        if convention.scale.words:
            yield f"all gradients are {convention.scale.words}"
        if convention.turned_delta:
            yield "δ is -∂L/∂a"

    # ------------------------------------------------------------------------- what has no meaning

    def _unknown(self, given: Given) -> str:
        return self._no_quantity(given.name).message

    def _no_quantity(self, name: str) -> ArrayNameError:
        variables = self.net.graph.variables
        names = [variable.name for variable in variables]
        deltas = [f"delta{v.layer}" for v in variables if v.role is Role.PREACTIVATION]
        suggestions = [*names, *(f"d{each}" for each in names[:-1]), *deltas]
        example = "dW1 or delta1" if self.is_network else f"d{names[0]}"
        return ArrayNameError(
            f"{printable(name)} names no quantity of the network; its arrays are "
            f"{', '.join(names)}, and the derivatives by them, {example}"
            f"{did_you_mean(self.called.get(name, name), suggestions)}"
        )

    def _nothing(self, unread: Sequence[str] | None = None) -> SymbackError:
        """Why nothing can be checked."""
        strange = (
            unread if unread is not None else [n for n in self.given if n not in self.spellings]
        )
        if strange:
            return self._no_quantity(strange[0])
        return ArrayError(
            "there is nothing to check: the arrays are inputs only; add dW1, db1, …, or say what "
            "they are by --rename W1=dW1"
        )

    # ------------------------------------------------------------------------- files of equations

    def _stages(self) -> File:
        """The arrays of an [equations] file, by the names of its stages."""
        known: dict[str, Quantity] = {}
        target = self.net.graph.target
        for variable in self.net.graph.variables:
            plain = variable.name.replace("_", "")
            known.setdefault(plain, Quantity(variable))
            if variable != target:
                for mark in ("d", "grad", "gradient", "g", f"d{target.name}d"):
                    known.setdefault(f"{mark}{plain}", Quantity(variable, is_gradient=True))
                known.setdefault(f"{plain}grad", Quantity(variable, is_gradient=True))
        meant = {name: known.get(_stage_name(called)) for name, called in self.called.items()}
        inputs = {
            q.variable.name: self.given[name] for name, q in meant.items()
            if q and not q.is_gradient and q.variable.name not in self.computed
        }  # fmt: skip
        work = self._work(inputs)
        if work is None:
            raise self._refusal or self._nothing([])
        truth = Truth(work)
        reads, unread = [], []
        for name, quantity in meant.items():
            given = self.given[name]
            if quantity is None:
                unread.append(Unread(given, self._unknown(given)))
            elif quantity.variable.name not in inputs or quantity.is_gradient:
                own = Quantity(truth.variables[quantity.variable.name], quantity.is_gradient)
                right = truth.of(own)
                if right is None:
                    raise ArrayError(f"{printable(name)}: L does not depend on {own.text[5:]}")
                array = fitted(given.array, right.shape)
                shown = given.array if array is None else array
                reads.append(Read(given, own, shown, array is not None))
        if not reads:
            raise self._nothing([each.given.name for each in unread])
        return File(truth, tuple(reads), tuple(unread), Convention())


def _stage_name(name: str) -> str:
    return name.translate(str.maketrans({"∂": "d", "∇": "grad"} | dict.fromkeys("_-. /", "")))


def _nearness(match: _Match) -> tuple[bool, bool, bool]:
    """The order of the meanings of a name: what it is, what it is the negative of, what it fits."""
    return match.near, match.turn != 0, match.fits


def _rights(matches: Mapping[str, _Match]) -> int:
    return sum(match.near for match in matches.values())


def _is_scaled(quantity: Quantity) -> bool:
    return quantity.is_gradient or quantity.variable.role is Role.LOSS


def check_size(work: Work) -> None:
    """Raise `ArrayError` where there is too much to work out to 50 digits."""
    given = work.numbers.given
    weights = sum(given[v.name].size for v in work.numbers.inputs if v.role in PARAMETERS)
    samples = 1 if work.graph.samples is None else int(work.graph.samples)
    if weights * samples > MOST_PRODUCTS:
        raise ArrayError(
            f"{weights:,} parameters times {samples:,} samples are {weights * samples:,} products; "
            f"at most {MOST_PRODUCTS:,} are worked out to 50 digits: save fewer samples"
        )
