"""A hand-written backward pass in arrays, compared with the truth: the first wrong one, and why.

Here one can

* check arrays in memory: `check_arrays`, a mapping of names to arrays such as ``delta1``, ``dW1``,
  ``db1``, in any usual spelling (`Names`);
* check an .npz file, whose code is never run and whose sizes are looked at first:
  `check_arrays_file`;
* read the report: `ArraysReport`, true where nothing is wrong, of `ArrayReport`s.

The truth is what symback derived, worked out to 50 digits.  An entry is right where it differs by
no more than correct arithmetic of its own precision may (`symback.checking.array_rounding`): no
fixed tolerance would do, since at saturated weights most wrong entries are small.  Arrays are gone
through in the order of computation, the forward pass first, then from the loss back.  One that is
wrong is compared again with what follows from the student's own earlier arrays; if it is that, it
"follows" and is not blamed.  Else the formula that it does equal is looked for
(`symback.checking.array_search`).

**Names.**  The letters are the lectures' (a preactivation, h activation; z is a preactivation too)
unless a `symback.language.names.Notation` says otherwise: in Nielsen's book a is the activation, in
Bishop's z is.  Layers are counted as the network file counts them in every notation: W1 is its W1.
A spelling that two quantities answer to is refused, with both.
"""

from __future__ import annotations

import itertools
import math
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from sympy import Expr

from symback.checking.array_rounding import DOUBLE, HALF, SINGLE, Bounds, Precision, bounds
from symback.checking.array_search import (
    Search,
    Seen,
    Slip,
    Steps,
    doubles,
    explain_forward,
    matches,
)
from symback.checking.mistakes import LAYOUT, SIGN, Told, named
from symback.checking.report import Diagnosis, LineReport, Report, Verdict, Witness
from symback.engine.arithmetics import number
from symback.engine.evaluation import MissingNumbers, Numbers
from symback.engine.graph import Graph
from symback.engine.spec import EquationsSpec, NetworkSpec
from symback.engine.work import Work
from symback.language import npz
from symback.language.errors import SymbackError, did_you_mean, printable
from symback.language.names import PARAMETERS, Notation, Role, Variable, element_name, notation

MOST_PRODUCTS = 200_000
"""Weights times samples; with 50 digits more would take longer than some ten seconds."""

LAST_PLACES = 16
"""An entry within so many units in the last place of the truth is right whatever the bound."""

MOST_BYTES = 64_000_000
MOST_AXES = 4
LONGEST_PATH = 400
EXACT_INTEGERS = 2**53


class ArrayError(SymbackError):
    """A file of arrays that cannot be opened, or an array that holds no real numbers."""


class ArrayNameError(SymbackError):
    """An array whose name is that of no quantity, of two, or of one that is there already."""


def check_arrays(
    mapping: Mapping[str, Any], net: Work, *, notation: str | Path | None = None
) -> ArraysReport:
    """Compare the arrays of a hand-written backward pass with what symback derives.

    ``mapping`` holds arrays by name, float32 or float64: ∂L/∂v as ``dW1``, ``db1``, ``delta1``,
    ``dh1``, ``dx``, ``dyhat``, …, the forward pass as ``a1``, ``h1``, ``yhat``, ``L``, and inputs
    ``x``, ``y``, ``W1``, ``b1`` in place of the network's [values].  W is (out, in); of a batch one
    row is one sample, and ∂L/∂a is that of the whole loss, or of each sample's own, which is said.
    ``notation`` settles letters, as in `symback.language.names`: nielsen (a is g(z)), bishop
    (z is g(a)), cs231n (W is (in, out)), …

    Raises `SymbackError` for names that mean nothing and for arrays that hold no real numbers.

    >>> import symback as sb
    >>> net = sb.load("examples/s4.toml")
    >>> right = net.evaluate()["gradients"]
    >>> bool(check_arrays({"dW2": right["W2"], "db2": right["b2"]}, net))
    True
    >>> report = check_arrays({"db2": [-g for g in right["b2"]]}, net)
    >>> report.first_wrong, report["db2"].diagnosis[0].name
    ('db2', 'sign-flipped')
    """
    given = all_given(mapping)
    names = Names(net.graph, notation)
    quantities = names.read_all(given)
    computed = {equation.variable for equation in net.graph.equations}
    inputs, checked = {}, {}
    for name, quantity in quantities.items():
        if quantity.is_gradient or quantity.variable in computed:
            checked[name] = given[name], quantity
        else:
            inputs[quantity.variable.name] = given[name]
    in_out = names.notation.rows
    work = with_inputs(net, inputs, weights_are_in_out=in_out)
    _check_size(work)
    if not checked:
        raise ArrayError("there is nothing to check: the arrays are inputs only; add dW1, db1, …")
    return _Check(work, checked, weights_are_in_out=in_out).report()


def check_arrays_file(
    path: str | Path, net: Work, *, notation: str | Path | None = None
) -> ArraysReport:
    """`check_arrays` for an .npz file of at most 64 MB, opened without unpickling anything."""
    try:
        arrays = npz.read(path, MOST_BYTES)
    except npz.NpzError as error:
        raise ArrayError(f"{printable(str(path), LONGEST_PATH)}: {error.message}") from None
    return check_arrays(arrays, net, notation=notation)


def _check_size(work: Work) -> None:
    """Raise `ArrayError` where numbers are missing or there is too much to work out."""
    try:
        given = work.numbers.given
    except MissingNumbers as error:
        raise ArrayError(f"{error.message}, or in the arrays under these names") from None
    weights = sum(given[v.name].size for v in work.numbers.inputs if v.role in PARAMETERS)
    samples = 1 if work.graph.samples is None else int(work.graph.samples)
    if weights * samples > MOST_PRODUCTS:
        raise ArrayError(
            f"{weights:,} parameters times {samples:,} samples are {weights * samples:,} products; "
            f"at most {MOST_PRODUCTS:,} are worked out to 50 digits: save fewer samples"
        )


# --------------------------------------------------------------------------- arrays as they are


@dataclass(frozen=True, slots=True)
class Given:
    """One array as saved: doubles in the shape it had, and the precision it was computed in."""

    name: str
    array: np.ndarray
    dtype: str
    precision: Precision

    @classmethod
    def of(cls, name: str, raw: Any) -> Given:
        """``raw`` as numbers; integers are taken as exact.  Raises `ArrayError`."""
        shown = printable(name)
        if isinstance(raw, np.ma.MaskedArray):
            raise ArrayError(f"{shown} is a masked array; expected one without a mask")
        try:
            array = np.asarray(raw)
        except (ValueError, TypeError) as error:
            reason = printable(str(error))
            raise ArrayError(f"{shown} is no array of numbers: {reason}") from None
        if array.dtype.kind not in "fiub":
            raise ArrayError(
                f"{shown} holds {npz.kind_of(array.dtype)}; expected real numbers (float32 or "
                "float64)"
            )
        if array.size == 0 or array.ndim > MOST_AXES:
            raise ArrayError(f"{shown} has shape {array.shape}; there is nothing to compare")
        if array.dtype.kind in "iu" and int(np.max(np.abs(array.astype(float)))) > EXACT_INTEGERS:
            raise ArrayError(f"{shown} holds integers beyond 2^53; save floats")
        precision = {"float16": HALF, "float32": SINGLE}.get(array.dtype.name, DOUBLE)
        with np.errstate(over="ignore"):
            return cls(name, array.astype(float), array.dtype.name, precision)


def all_given(mapping: Mapping[str, Any]) -> dict[str, Given]:
    """Every array of a mapping by name; raises `ArrayError`."""
    if not isinstance(mapping, Mapping):
        raise ArrayError(f"expected a mapping of names to arrays, not {type(mapping).__name__}")
    for name in mapping:
        if not isinstance(name, str):
            raise ArrayError(f"the names of arrays are text; {printable(repr(name))} is none")
    found = {name: Given.of(name, raw) for name, raw in mapping.items()}
    size = sum(given.array.nbytes for given in found.values())
    if size > 2 * MOST_BYTES:  # float32 arrays have become twice as large
        raise ArrayError(
            f"the mapping holds {size / 1e6:,.1f} MB of arrays; "
            f"at most {MOST_BYTES / 1e6:.0f} MB are read"
        )
    return found


def fitted(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """``array`` in ``shape``, or None where it is another thing.

    A vector may be saved as a column or a row, a matrix with one row or column as a vector, and a
    scalar as an array of one number; a matrix is never turned.

    >>> fitted(np.zeros((3, 1)), (3,)).shape, fitted(np.zeros((4, 2)), (2, 4)) is None
    ((3,), True)
    """
    if array.shape == shape:
        return array
    long, wanted = ([size for size in each if size != 1] for each in (array.shape, shape))
    if (array.ndim == 2 and len(shape) == 2) or long != wanted:
        return None
    return array.reshape(shape)


# ------------------------------------------------------------------------------------ their names


@dataclass(frozen=True, slots=True)
class Quantity:
    """A quantity of a network, or the derivative of the loss by it."""

    variable: Variable
    is_gradient: bool = False

    @property
    def text(self) -> str:
        """As the lectures write it: W_1, ŷ, ∂L/∂a_1."""
        return f"∂L/∂{named(self.variable)}" if self.is_gradient else named(self.variable)


_PLAIN = str.maketrans(
    {
        "δ": "delta", "Δ": "d", "∂": "d", "∇": "grad", "ŷ": "yhat", "Ŷ": "yhat", "η": "eta",
        "θ": "theta", "𝓛": "l", "ℒ": "l", "′": "",
    }
    | dict.fromkeys("_-. /\\^(){}[],:", ""),
)  # fmt: skip

_OUTPUT = "yhat ypred ypredicted prediction predictions probs output out o".split()
_LOSS = "l loss j cost c e".split()


class Names:
    """All spellings of the quantities of one graph.

    ``delta1``, ``d1``, ``dz1``, ``dL_da1`` and ``grad_a1`` are all ∂L/∂a_1.

    >>> import symback as sb
    >>> net = sb.Network(2, [(3, "tanh"), (2, "softmax")], loss="cross_entropy")
    >>> names = Names(net.graph)
    >>> [names.read(name).text for name in ("delta1", "dL_dW2", "b1_grad", "dŷ", "H_1")]
    ['∂L/∂a_1', '∂L/∂W_2', '∂L/∂b_1', '∂L/∂ŷ', 'h_1']
    >>> names.read("dW3")
    Traceback (most recent call last):
    symback.checking.arrays.ArrayNameError: dW3 names no quantity of the network; its arrays \
are x, W1, b1, a1, h1, W2, b2, a2, yhat, y, L, and the derivatives by them, dW1 or delta1; did you \
mean "dW2"?
    """

    def __init__(self, graph: Graph, page: str | Path | None = None) -> None:
        """The spellings of a notation; raises `UnknownNotation`."""
        self.graph, self.notation = graph, notation(page or "lectures")
        self._is_network = graph.target.role is Role.LOSS
        self._letters = _letters(self.notation)
        self.known: dict[str, dict[Quantity, None]] = {}
        for variable in graph.variables:
            for spelling, is_gradient in self._spellings(variable):
                self.known.setdefault(spelling, {})[Quantity(variable, is_gradient)] = None

    def read(self, name: str) -> Quantity:
        """The quantity that ``name`` means; raises `ArrayNameError`."""
        found = list(self.known.get(self._plain(name), ()))
        if len(found) == 1:
            return found[0]
        if found:
            both = " or ".join(
                f"{q.text} (write {'dL_d' if q.is_gradient else ''}{q.variable.name})"
                for q in found
            )
            raise ArrayNameError(f"{printable(name)} may mean {both}")
        names = [variable.name for variable in self.graph.variables]
        deltas = [f"delta{v.layer}" for v in self.graph.variables if v.role is Role.PREACTIVATION]
        suggestions = [*names, *(f"d{each}" for each in names[:-1]), *deltas]
        example = "dW1 or delta1" if self._is_network else f"d{names[0]}"
        raise ArrayNameError(
            f"{printable(name)} names no quantity of the network; its arrays are "
            f"{', '.join(names)}, and the derivatives by them, {example}"
            f"{did_you_mean(name, suggestions)}"
        )

    def read_all(self, names: Iterable[str]) -> dict[str, Quantity]:
        """The quantity of each name; raises `ArrayNameError` where two name the same."""
        found: dict[str, Quantity] = {}
        for name in names:
            quantity = self.read(name)
            twin = next((other for other, known in found.items() if known == quantity), None)
            if twin is not None:
                letters = {letter for each in (twin, name) for letter in self._plain(each)}
                both = ", or say whose letters these are: nielsen (a is g(z)) or bishop (z is g(a))"
                raise ArrayNameError(
                    f"{printable(twin)} and {printable(name)} both name {quantity.text}; save it "
                    f"once{both if {'a', 'z'} <= letters else ''}"
                )
            found[name] = quantity
        return found

    def _plain(self, name: str) -> str:
        composed = unicodedata.normalize("NFC", name)
        plain = unicodedata.normalize("NFKC", composed.translate(_PLAIN))
        return plain.lower() if self._is_network else plain

    def _spellings(self, v: Variable) -> Iterator[tuple[str, bool]]:
        """Every plain spelling of a quantity, and of the derivative by it (then True)."""
        target = self.graph.target
        losses = self._letters[Role.LOSS] if self._is_network else (target.name,)
        depth = max((each.layer or 0 for each in self.graph.variables), default=0)
        numbers = [str(v.layer), *([""] if depth == 1 else [])]
        for name in self._names(v, numbers, is_last=v.layer == depth):
            yield name, False
            if v != target:
                for mark in ("d", "grad", "gradient", "g", *(f"d{loss}d" for loss in losses)):
                    yield f"{mark}{name}", True
                yield from ((f"{name}{mark}", True) for mark in ("grad", "gradient"))
        if v.role is Role.PREACTIVATION:
            yield from ((f"delta{number}", True) for number in numbers)
            yield f"d{v.layer}", True
        if v.role is Role.OUTPUT:  # dy often means this one, but it may mean the target
            yield "dy", True

    def _names(self, v: Variable, numbers: list[str], *, is_last: bool) -> Iterator[str]:
        page = self._letters
        for word, meaning in self.notation.words:
            if meaning == v.name:
                yield word.replace("_", "").lower()
        match v.role:
            case Role.INPUT:
                yield from (*page[v.role], *(f"{each}0" for each in page[Role.ACTIVATION]))
            case Role.TARGET | Role.LOSS:
                yield from page[v.role]
            case Role.OUTPUT:
                yield from (*_OUTPUT, f"yhat{v.layer}")
                yield from (f"{each}{v.layer}" for each in page[Role.ACTIVATION])
            case Role.WEIGHT | Role.BIAS | Role.PREACTIVATION | Role.ACTIVATION:
                yield from map("".join, itertools.product(page[v.role], numbers))
                if v.role is Role.PREACTIVATION and is_last:
                    yield from ("scores", "logits")
            case _:
                yield v.name.replace("_", "")


def _letters(page: Notation) -> dict[Role, Sequence[str]]:
    """The letters of a page, and the usual ones that it gives no other meaning."""
    output = [each for each in (page.output, *_OUTPUT) if each]

    def but(letters: Sequence[str], *taken: str) -> list[str]:
        return [letter for letter in dict.fromkeys(letters) if letter not in taken]

    return {
        Role.INPUT: ("x", "input", "inputs"),
        Role.WEIGHT: ("w", "weight", "weights"),
        Role.BIAS: ("b", "bias"),
        Role.PREACTIVATION: but(("a", "z", "pre", "preact"), page.activation),
        Role.ACTIVATION: but((page.activation, "h", "act", "hidden"), page.preactivation),
        Role.TARGET: but((page.target, "y", "t", "target", "targets"), *output),
        Role.LOSS: but((page.loss.lower(), *_LOSS)),
    }


# -------------------------------------------------------------------------------- their inputs

_FIRST = (Role.WEIGHT, Role.BIAS, Role.INPUT, Role.TARGET, Role.LEAF)
"""Weights first: they fix the widths that a file leaves as symbols."""


def with_inputs(work: Work, given: Mapping[str, Given], *, weights_are_in_out: bool) -> Work:
    """``work`` with the arrays ``given`` (by the names of the contract) for its [values].

    Raises `ArrayError` naming both shapes, or the place of a number that is not finite.
    """
    if not given:
        return work
    for array in given.values():
        bad = np.argwhere(~np.isfinite(array.array))
        if len(bad):
            at = ", ".join(str(int(k) + 1) for k in bad[0])
            place = f" at ({at}), counted from 1" if at else ""
            value = float(array.array[tuple(bad[0])])
            raise ArrayError(f"{printable(array.name)} holds {value}{place}; an input is finite")
    if isinstance(work.spec, EquationsSpec):
        return Work(_equations(work.spec, given))
    if weights_are_in_out:
        weights = {v.name for v in work.graph.variables if v.role is Role.WEIGHT}
        given = {n: replace(g, array=g.array.T) if n in weights else g for n, g in given.items()}
    return Work(_network(work.spec, work.graph, given))


def _equations(spec: EquationsSpec, given: Mapping[str, Given]) -> EquationsSpec:
    for array in given.values():
        if array.array.size != 1:
            raise ArrayError(
                f"{printable(array.name)} has shape {array.array.shape}; expected one number"
            )
    mine = {name: _decimals(array.array.reshape(())) for name, array in given.items()}
    return replace(spec, values=tuple((dict(spec.values) | mine).items()))


def _network(spec: NetworkSpec, graph: Graph, given: Mapping[str, Given]) -> NetworkSpec:
    sizes: dict[Expr, int] = {}
    values = dict(spec.values.parameters)
    data: dict[str, Any] = {"x": spec.values.x, "y": spec.values.y}
    for variable in (v for role in _FIRST for v in graph.variables if v.role is role):
        if variable.name in given:
            array = _input(given[variable.name], variable, sizes)
            (data if variable.name in data else values)[variable.name] = _decimals(array)
    if data["x"] is not None and data["y"] is not None:
        counts = [len(each) if isinstance(each[0], tuple) else None for each in data.values()]
        if counts[0] != counts[1]:
            said = ["one sample" if count is None else f"{count} samples" for count in counts]
            where = ["in the arrays" if name in given else "under [values]" for name in data]
            raise ArrayError(
                f"x {where[0]} has {said[0]}, but y {where[1]} has {said[1]}; save both x and y"
            )
    parameters = tuple((v.name, values[v.name]) for v in graph.variables if v.name in values)
    return replace(spec, values=replace(spec.values, **data, parameters=parameters))


def _input(given: Given, variable: Variable, sizes: dict[Expr, int]) -> np.ndarray:
    """An input in its shape; widths that are symbols are what the first array makes them."""
    own, array = variable.shape[variable.batched :], given.array
    is_data = variable.role in (Role.INPUT, Role.TARGET)
    widths = [int(size) if size.is_Integer else sizes.get(size) for size in own]
    if None in widths and array.ndim >= len(widths):
        tail = array.shape[array.ndim - len(widths) :]
        widths = [each if each is not None else got for each, got in zip(widths, tail, strict=True)]
    shape = tuple(each for each in widths if each is not None)
    found = fitted(array, shape)
    if found is None and is_data and array.ndim == 2 and array.shape[1:] == shape:
        found = array
    if found is None:
        wanted = f"expected {shape}"
        if is_data:
            wanted += f", or (samples, {shape[0]}) for a batch, one row a sample"
        if variable.role is Role.TARGET and array.ndim == 1:
            wanted += "; write class labels as one-hot rows"
        if variable.role is Role.WEIGHT and array.shape == shape[::-1]:
            wanted += ", (out, in); this is its transpose, as in x @ W (--notation cs231n)"
        raise ArrayError(f"{printable(given.name)} has shape {array.shape}; {wanted}")
    sizes |= {size: got for size, got in zip(own, found.shape[-len(own) :], strict=True) if own}
    return found


def _decimals(array: np.ndarray) -> Any:
    """Nested tuples of exact numbers, as a specification holds them."""
    if array.ndim == 0:
        return Decimal(float(array))
    return tuple(_decimals(each) for each in array)


# -------------------------------------------------------------------------------------- reports

MARKS = {
    Verdict.PROVED: "✓",
    Verdict.CONDITIONAL: "✓",
    Verdict.REFUTED: "✗",
    Verdict.FOLLOWS: "↳",
    Verdict.UNDECIDED: "?",
}


@dataclass(frozen=True, slots=True)
class WorstEntry:
    """The entry that is farthest off: its name, counted from 1, what it is and what is right."""

    name: str
    value: float
    truth: float

    @property
    def ratio(self) -> float | None:
        """value / truth, where there is one."""
        usable = self.truth != 0 and math.isfinite(self.value)
        return self.value / self.truth if usable else None

    def as_data(self) -> dict[str, Any]:
        """As JSON; what is no finite number becomes text."""
        value = self.value if math.isfinite(self.value) else str(self.value)
        return {"entry": self.name, "value": value, "truth": self.truth, "ratio": self.ratio}

    def __str__(self) -> str:
        ratio = "" if self.ratio is None else f", {self.ratio:.6g} times as much"
        return f"{self.name} is {self.value:.9g}; right is {self.truth:.9g}{ratio}"


@dataclass(frozen=True, slots=True)
class ArrayReport:
    """One array: its name, what it is read as, what is said of it and why."""

    name: str
    read_as: str
    shape: tuple[int, ...]
    dtype: str
    verdict: Verdict
    reason: str = ""
    diagnosis: tuple[Diagnosis, ...] = ()
    worst: WorstEntry | None = None

    def as_data(self) -> dict[str, Any]:
        """The array as ``--json`` prints it."""
        return {
            "name": printable(self.name),
            "read_as": self.read_as,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "diagnosis": [each.as_data() for each in self.diagnosis],
            "worst": self.worst and self.worst.as_data(),
        }

    def as_line(self, line: int) -> LineReport:
        """The array as a line of a page."""
        worst = self.worst
        witness = worst and Witness({"entry": worst.name}, repr(worst.truth), repr(worst.value))
        return LineReport(line, 1, printable(self.name), self.read_as, self.verdict, self.reason,
                          self.diagnosis, witness, self.correct)  # fmt: skip

    @property
    def correct(self) -> str:
        """The right formula, for an array that is wrong."""
        return self.diagnosis[0].correct if self.diagnosis else ""

    def __str__(self) -> str:
        shape = "×".join(map(str, self.shape)) or "scalar"
        name = f"{MARKS[self.verdict]} {printable(self.name)} = {self.read_as}"
        lines = [f"{name} ({shape}, {self.dtype}): {self.verdict.value}"]
        lines += [f"    {text}" for text in (self.reason,) if text]
        lines += [f"    {found.name}: {found.detail}" for found in self.diagnosis]
        lines += [f"    {self.worst}"] if self.worst is not None else []
        return "\n".join([*lines, *([f"    right: {self.correct}"] if self.correct else [])])


@dataclass(frozen=True, slots=True)
class ArraysReport:
    """All arrays in the order of computation: the forward pass, then from the loss back.

    ``print(report)`` shows it, `as_data` is the JSON of ``symback check grads.npz --json``.
    """

    verdict: Verdict
    arrays: tuple[ArrayReport, ...]
    notes: tuple[str, ...] = ()
    """Sentences about all arrays: conventions they keep, how they were read."""

    def __bool__(self) -> bool:
        return self.verdict in (Verdict.PROVED, Verdict.CONDITIONAL)

    @property
    def first_wrong(self) -> str | None:
        """The name of the first array that is wrong on its own account."""
        wrong = (each.name for each in self.arrays if each.verdict is Verdict.REFUTED)
        return next(wrong, None)

    def __getitem__(self, name: str) -> ArrayReport:
        """What is said of the array called ``name``."""
        return next(each for each in self.arrays if each.name == name)

    def as_data(self) -> dict[str, Any]:
        """The report as ``--json`` prints it."""
        first = self.first_wrong
        return {
            "verdict": self.verdict.value,
            "first_wrong": None if first is None else printable(first),
            "arrays": [each.as_data() for each in self.arrays],
            "notes": list(self.notes),
        }

    def as_report(self) -> Report:
        """The same as the report of a page, one line an array, for whatever shows pages."""
        lines = tuple(each.as_line(line) for line, each in enumerate(self.arrays, start=1))
        return Report(self.verdict, lines, "rounding", self.notes)

    def __str__(self) -> str:
        return "\n".join([*map(str, self.arrays), *(f"note: {note}" for note in self.notes)])


# ------------------------------------------------------------------------------------- the check


@dataclass(frozen=True, slots=True)
class _Entry:
    """One array to check, in its quantity's shape, or as it was given where it ``fits`` none."""

    given: Given
    quantity: Quantity
    precision: Precision
    array: np.ndarray
    fits: bool

    @property
    def variable(self) -> Variable:
        return self.quantity.variable

    @property
    def is_usable(self) -> bool:
        """Whether later arrays can be worked out from it."""
        return self.fits and bool(np.isfinite(self.array).all())

    @property
    def seen(self) -> Seen:
        return Seen(self.variable, self.array, self.precision)


@dataclass(frozen=True, slots=True)
class _Comparison:
    """An array beside the truth: how many entries are wrong, lost in rounding, plainly right."""

    wrong: int
    lost: int
    told: int

    @property
    def says_nothing(self) -> bool:
        """Whether every entry is too small beside its rounding to tell right from wrong."""
        return self.lost > 0 and self.told == 0


class _Check:
    """One run through all arrays, in the order of computation."""

    def __init__(
        self,
        work: Work,
        checked: Mapping[str, tuple[Given, Quantity]],
        *,
        weights_are_in_out: bool,
    ) -> None:
        self.work, self.in_out = work, weights_are_in_out
        self._bounds: dict[str, Bounds] = {}
        self.wrong: dict[Quantity, str] = {}
        self.hinted = ""  # the array that shows a slip in one that was not given
        spec, samples = work.spec, work.graph.samples
        self.samples = 1 if samples is None else int(samples)
        self.takes_mean = self.samples > 1 and (
            isinstance(spec, NetworkSpec) and spec.over_samples == "mean"
        )
        saved = self._in_order(checked)
        self.own_losses = any(map(self._is_own_loss, saved))
        self.entries = [self._rescaled(entry) for entry in saved] if self.own_losses else saved
        self.own = work.numbers
        self.search = self._search(work.numbers, {})

    def report(self) -> ArraysReport:
        """Every verdict, and the one on the whole."""
        reports = tuple(self._judged(entry) for entry in self.entries)
        verdicts = {each.verdict for each in reports}
        bad = (v for v in (Verdict.REFUTED, Verdict.CONDITIONAL) if v in verdicts)
        return ArraysReport(next(bad, Verdict.PROVED), reports, tuple(self._notes()))

    # ------------------------------------------------------------------------- what is given

    def _in_order(self, checked: Mapping[str, tuple[Given, Quantity]]) -> list[_Entry]:
        """The forward pass, then from the loss back; precision once lost stays lost."""
        variables = {variable.name: variable for variable in self.work.graph.variables}
        order = [Quantity(equation.variable) for equation in self.work.graph.equations]
        order += [Quantity(v, is_gradient=True) for v in self.work.backward.adjoints]
        by_quantity = {
            Quantity(variables[q.variable.name], q.is_gradient): given
            for given, q in checked.values()
        }
        entries: list[_Entry] = []
        coarsest = DOUBLE
        for quantity in order:
            given = by_quantity.pop(quantity, None)
            if given is None:
                continue
            coarsest = max(coarsest, given.precision, key=lambda each: each.unit)
            turned = self.in_out and quantity.variable.role is Role.WEIGHT and given.array.ndim == 2
            array = fitted(given.array.T if turned else given.array, self._truth(quantity).shape)
            shown = given.array if array is None else array
            entries.append(_Entry(given, quantity, coarsest, shown, array is not None))
        if by_quantity:
            nothing, given = next(iter(by_quantity.items()))
            raise ArrayError(f"{printable(given.name)}: L does not depend on {nothing.text[5:]}")
        return entries

    def _truth(self, quantity: Quantity) -> np.ndarray:
        """The right array, of 50-digit numbers."""
        table = self.work.gradients if quantity.is_gradient else self.work.numbers.forward
        return table[quantity.variable.name]

    def _bound(self, quantity: Quantity, precision: Precision) -> np.ndarray:
        if precision.name not in self._bounds:
            found = bounds(self.work.numbers, self.work.backward, precision)
            self._bounds[precision.name] = found
        known = self._bounds[precision.name]
        return (known.gradients if quantity.is_gradient else known.values)[quantity.variable.name]

    def _search(self, numbers: Numbers, known: dict[Variable, np.ndarray]) -> Search:
        rate = self.work.learning_rate
        steps = Steps(numbers, self.work.backward, None if rate is None else float(rate))
        others = [e.seen for e in self.entries if e.quantity.is_gradient and e.is_usable]
        return Search(steps, self.work, known, [], others)

    # ---------------------------------------------------------------------------- judgement

    def _judged(self, entry: _Entry) -> ArrayReport:
        if not entry.fits:
            return self._misshapen(entry)
        if not entry.is_usable:
            worst = self._at(entry, tuple(np.argwhere(~np.isfinite(entry.array))[0]))
            reason = f"{worst.name} is {worst.value}: the arithmetic left the range of"
            return self._report(
                entry, Verdict.REFUTED, f"{reason} {entry.given.dtype}", worst=worst
            )
        comparison = self._compared(entry.array, entry)
        return (self._wrong if comparison.wrong else self._right)(entry, comparison)

    def _compared(self, array: np.ndarray, entry: _Entry) -> _Comparison:
        """Each entry within the bounds of rounding is right, or lost in rounding."""
        truth, bound = self._truth(entry.quantity), self._bound(entry.quantity, entry.precision)
        exact = np.vectorize(number, otypes=[object])(array) if array.size else array
        difference, size = doubles(abs(exact - truth)), abs(doubles(truth))
        tight = difference <= LAST_PLACES * entry.precision.unit * size
        right = tight | (difference <= bound)
        lost = right & ~tight & (bound >= size / 2)
        told = ~lost & (size > 0)
        return _Comparison(*(int(np.count_nonzero(each)) for each in (~right, lost, told)))

    def _right(self, entry: _Entry, comparison: _Comparison) -> ArrayReport:
        if comparison.says_nothing and (disguised := self._disguised(entry)):
            self._adopt(entry, [])
            return self._report(entry, Verdict.REFUTED, "", disguised, self._worst(entry))
        self._adopt(entry, [], right=True)
        name, lost = entry.precision.name, ""
        if comparison.lost:
            lost = f"; {comparison.lost} of {entry.array.size} are lost in rounding"
        reason = f"every entry agrees to {name}'s rounding{lost}{_reshaped(entry)}"
        verdict = Verdict.PROVED
        if comparison.says_nothing:
            verdict = Verdict.CONDITIONAL
            reason = (
                f"right as far as {name} can tell: every entry is lost in its rounding here, so "
                "take weights that saturate less to be sure"
            )
        if self._is_own_loss(entry):
            verdict = Verdict.CONDITIONAL
            reason = (
                f"right as the derivative of each sample's own loss, {self.samples} times "
                f"{entry.quantity.text}: the mean is left to dW and db; {reason}"
            )
        return self._report(entry, verdict, reason)

    def _wrong(self, entry: _Entry, comparison: _Comparison) -> ArrayReport:
        if self._follows(entry):
            self._adopt(entry, [])
            reason = f"not {entry.quantity.text}, but right given {self._culprits(entry)}"
            return self._report(entry, Verdict.FOLLOWS, reason, worst=self._worst(entry))
        if entry.precision is DOUBLE and self._is_single(entry):
            self._adopt(entry, [], right=True)
            reason = "right to the digits of float32 only; was it computed in float32?"
            return self._report(entry, Verdict.CONDITIONAL, reason)
        diagnosis = self._diagnosed(entry)
        reason = f"{comparison.wrong} of {entry.array.size} entries are wrong{_reshaped(entry)}"
        return self._report(entry, Verdict.REFUTED, reason, diagnosis, self._worst(entry))

    def _report(
        self,
        entry: _Entry,
        verdict: Verdict,
        reason: str,
        diagnosis: tuple[Diagnosis, ...] = (),
        worst: WorstEntry | None = None,
    ) -> ArrayReport:
        given = entry.given
        if verdict in (Verdict.REFUTED, Verdict.FOLLOWS):
            self.wrong[entry.quantity] = given.name
        return ArrayReport(given.name, entry.quantity.text, given.array.shape, given.dtype, verdict,
                           reason, diagnosis, worst)  # fmt: skip

    def _misshapen(self, entry: _Entry) -> ArrayReport:
        """Refuted by its shape; a transpose or a sum left out may be what it is."""
        given, truth = entry.given, self._truth(entry.quantity)
        reason = f"its shape is {given.array.shape}; {entry.quantity.text} has {truth.shape}"
        diagnosis: tuple[Diagnosis, ...] = ()
        if entry.quantity.is_gradient and np.isfinite(given.array).all():
            diagnosis = self._diagnosed(entry)
        elif given.array.shape == truth.shape[::-1]:
            turned = doubles(truth).T
            sizes = abs(turned) + np.max(abs(turned))
            if matches(given.array, turned, sizes, entry.precision):
                told = LAYOUT.found(
                    "transpose", what=entry.quantity.text, words="one row is one sample"
                )
                diagnosis = self._in_words([told], entry)
        return self._report(entry, Verdict.REFUTED, reason, diagnosis)

    # ---------------------------------------------------------------- what follows, and what is

    def _follows(self, entry: _Entry) -> bool:
        if not self.wrong:
            return False
        if entry.quantity.is_gradient:
            formula = self.search.formula(entry.variable)
            sizes = self.search.sizes(entry.variable)
        else:
            formula = doubles(self.own.forward[entry.variable.name])
            sizes = np.maximum(abs(formula), np.max(abs(formula)))
        return matches(entry.array, formula, sizes, entry.precision)

    def _culprits(self, entry: _Entry) -> str:
        """The wrong arrays that this one is computed from, the nearest first."""
        edges = self.search.steps.leading_to(entry.variable, self.search.known)
        near = {child for child, _ in edges}
        found = [n for q, n in self.wrong.items() if q.is_gradient and q.variable in near]
        if not found and self.search.made:
            sites = dict.fromkeys(f"∂L/∂{named(slip.site)}" for slip in self.search.made)
            return f"the {' and the '.join(sites)} that {printable(self.hinted)} shows"
        found = found or [next(iter(self.wrong.values()))]
        return "your " + " and ".join(map(printable, found))

    def _adopt(self, entry: _Entry, made: list[Slip], *, right: bool = False) -> None:
        """Later arrays are worked out from this one, as it is."""
        self.search.made += made
        variable, truth = entry.variable, self._truth(entry.quantity)
        if not entry.fits:
            return
        array = doubles(truth) if right else entry.array
        if entry.quantity.is_gradient:
            if variable.role not in PARAMETERS:
                self.search.known[variable] = array
        elif self.wrong or not right:
            try:  # the student's own forward pass from here on, where it has values
                own = Numbers(self.work.graph, {**self.own.given, variable.name: array})
                self.search, self.own = self._search(own, self.search.known), own
            except (ArithmeticError, SymbackError):
                return  # such as the logarithm of a wrong, negative output

    def _diagnosed(self, entry: _Entry) -> tuple[Diagnosis, ...]:
        """The mistakes that the array shows; they are taken to have been made from here on."""
        if not entry.quantity.is_gradient:
            found = explain_forward(self.own, self.search.steps, self.work, entry.seen)
            self._adopt(entry, [])
            return self._in_words(found, entry)
        explanations = self.search.explain(entry.seen)
        hidden = explanations[0] if explanations else ()
        made = [slip for slip in hidden if slip.site != entry.variable]
        self.hinted = entry.given.name if made else self.hinted
        self._adopt(entry, made)
        first: dict[str, Diagnosis] = {}
        for slip in itertools.chain.from_iterable(explanations):
            right = self._formula("backward", slip.site) or self._correct(entry)
            name, text = slip.told.name, slip.told.text
            first.setdefault(name, Diagnosis(name, text, right))
        return tuple(first.values())

    def _in_words(self, told: Iterable[Told], entry: _Entry) -> tuple[Diagnosis, ...]:
        return tuple(Diagnosis(each.name, each.text, self._correct(entry)) for each in told)

    def _disguised(self, entry: _Entry) -> tuple[Diagnosis, ...]:
        """Whether an array of entries all lost in rounding is nevertheless exactly the negative.

        Rounding itself drops terms and halves sums there, but it does not turn signs.
        """
        truth = doubles(self._truth(entry.quantity))
        allowed = LAST_PLACES * entry.precision.unit * abs(truth)
        opposite = bool((abs(entry.array + truth) <= allowed).all())
        if not opposite or np.count_nonzero(entry.array) < 2:
            return ()
        return self._in_words([SIGN.found(what=entry.quantity.text)], entry)

    def _is_single(self, entry: _Entry) -> bool:
        """Whether an array of doubles has the digits of float32."""
        truth = doubles(self._truth(entry.quantity))
        loose = np.minimum(self._bound(entry.quantity, SINGLE), abs(truth) / 1000)
        allowed = np.maximum(4 * LAST_PLACES * SINGLE.unit * abs(truth), loose)
        return bool((abs(entry.array - truth) <= allowed).all())

    # --------------------------------------------------------------- the samples' own losses

    def _is_own_loss(self, entry: _Entry) -> bool:
        """Whether an array is right as the derivative of each sample's own loss."""
        raw = fitted(entry.given.array, self._truth(entry.quantity).shape)
        if not self._per_sample(entry) or raw is None or not np.isfinite(raw).all():
            return False
        own, mean = (self._compared(each, entry) for each in (raw / self.samples, raw))
        return not own.wrong and not own.says_nothing and mean.wrong > 0

    def _per_sample(self, entry: _Entry) -> bool:
        return self.takes_mean and entry.quantity.is_gradient and bool(entry.variable.batched)

    def _rescaled(self, entry: _Entry) -> _Entry:
        """An array of the samples' own losses as a share of the mean, unless it is one already."""
        if not (self._per_sample(entry) and entry.is_usable):
            return entry
        right = not self._compared(entry.array, entry).wrong
        return entry if right else replace(entry, array=entry.array / self.samples)

    # ------------------------------------------------------------------------------- words

    def _worst(self, entry: _Entry) -> WorstEntry:
        difference = abs(entry.array - doubles(self._truth(entry.quantity)))
        return self._at(entry, np.unravel_index(int(np.argmax(difference)), difference.shape))

    def _at(self, entry: _Entry, at: tuple[Any, ...]) -> WorstEntry:
        variable = entry.variable
        numbers = [int(k) + 1 for k in at]
        name = element_name(variable, numbers[variable.batched :])
        name = f"∂L/∂{name}" if entry.quantity.is_gradient else name
        name += f" of sample {numbers[0]}" if variable.batched else ""
        return WorstEntry(name, float(entry.array[at]), float(self._truth(entry.quantity)[at]))

    def _correct(self, entry: _Entry) -> str:
        phase = "backward" if entry.quantity.is_gradient else "forward"
        return self._formula(phase, entry.variable)

    def _formula(self, phase: str, variable: Variable) -> str:
        """A step in matrix form, where the network has one."""
        return self._matrix_steps.get((phase, variable.name), "")

    @cached_property
    def _matrix_steps(self) -> dict[tuple[str, str], str]:
        try:
            steps = self.work.matrices.steps_as_data()
        except SymbackError:
            return {}
        return {(step["phase"], step["variable"]): step["text"] for step in steps}

    def _notes(self) -> Iterator[str]:
        """What holds of all arrays; where a slope is a matter of convention, and was."""
        if self.own_losses:
            yield (
                "arrays with a row a sample are read as derivatives of each sample's own loss, "
                f"{self.samples} times those of the mean"
            )
        conventions = " ".join(self.work.graph.conventions)
        for equation in self.work.graph.equations if conventions else ():
            variable = equation.variable
            zero = np.argwhere(self.work.numbers.forward[variable.name] == number(0))
            if variable.role is Role.PREACTIVATION and len(zero):
                name = element_name(variable, [int(k) + 1 for k in zero[0][variable.batched :]])
                yield f"{name} is exactly 0. {conventions}"


def _reshaped(entry: _Entry) -> str:
    """How a shape was read, where it was not the quantity's own."""
    if entry.given.array.shape == entry.array.shape:
        return ""
    return f"; its shape {entry.given.array.shape} is read as {entry.array.shape}"
