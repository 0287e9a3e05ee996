"""Every symbol, index and name that symback uses, how books write them, and the reading of names.

Here one can

* declare a quantity of a network: `Variable`, and take one of its elements: `Variable.at`;
* name an element the way the lectures do: `element_name` (``w_212``, and ``w_2,11,3`` where an
  index has two digits), and read such a name back: `read_reference`;
* join indices and take them apart: `pack`, `unpack`, `cuts`; name a Greek letter: `GREEK`;
* write as another book does: `notation` finds one of `NOTATIONS` by name, or reads a small file;
  `Notation.lettering` is what its sheets are written in.

Indices start at 1, as in mathematics; `symback.engine.evaluation` is the one place that shifts them
to NumPy's 0.  ``W`` is (out, in): ``w_kij`` leads from neuron j of layer k-1 into neuron i of layer
k.

A notation's file is TOML; what it does not say is taken from ``base``, or from the lectures:

    base = "nielsen"
    preactivation = "z"       # letters, or names of Greek ones: preactivation, activation, weight,
    activation = "a"          #   bias, output, target, input, error, loss, function
    layer = "superscript"     # w^k_{ij}; "subscript" w_{kij}, "bracketed" w^{(k)}_{ij}, "nowhere"
    weight_order = "into,from"  # or "from,into"
    first_index = 1           # or 0, of the neurons
    input_layer = 0           # or 1, where the inputs are layer 1
    output_is_activation = true   # the outputs are a^L, no letter of their own
    rows = false              # true: a layer is a row and W is (in, out), as in x @ W

    [names]                   # names of the page's own, and the quantities of the network they are
    w_5 = "w_211"
    net_h1 = "a_11"           # net_{h1} as well, in text and in LaTeX
    W_out = "W_2"

    [samples]                 # how a batch is written
    axis = "columns"          # or "rows", of the arrays; "numbered": x^{(i)} only; "none"
    capitals = true           # only capital letters are arrays of all samples
    derivatives = "sample"    # dZ is that of each sample's own loss; "batch": ∂J/∂Z

Sources: M. Nielsen, *Neural Networks and Deep Learning* (2015), ch. 2; C. Bishop, *Pattern
Recognition and Machine Learning* (2006), ch. 5; Goodfellow, Bengio and Courville, *Deep Learning*
(2016), ch. 6; A. Ng, *Neural Networks and Deep Learning* (Coursera, 2017), weeks 2-4; Stanford
CS231n, course notes and assignments 1 and 2 (W is (in, out), scores, probs).
"""

from __future__ import annotations

import enum
import itertools
import re
import string
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TypeVar

import sympy
from sympy import Expr, IndexedBase, Symbol

from symback.language import files
from symback.language.errors import SymbackError, did_you_mean, printable


class UnknownName(SymbackError):
    """A name that no quantity of the network answers to, or that two answer to."""


class UnknownNotation(SymbackError):
    """A notation that does not exist, or a file that does not describe one."""


# ---------------------------------------------------------------------------------------- letters

GREEK: dict[str, str] = dict(
    zip(
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
        "upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi "
        "Omega".split(),
        "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ",
        strict=True,
    )
)
"""Greek letters by their names, which are TeX's commands too."""
GREEK_LETTERS = {letter: name for name, letter in GREEK.items()} | {"ς": "varsigma"}
GREEK_NAMES = GREEK.keys() - {"Xi", "Pi", "Sigma", "Upsilon"} | {"ell"}
"""Names of letters that may stand for a quantity; Σ and Π are sums and products."""
SIGNS = {"yhat": "ŷ", "delta": "δ", "eta": "η"}
"""How the lectures' letters are written in text, where it is not as they are called."""


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


# ---------------------------------------------------------------------------------------- indices


@lru_cache(maxsize=4096)
def index(letter: str) -> Symbol:
    """The index called ``letter``: an integer from 1 to the size of what it numbers."""
    return Symbol(letter, integer=True)


SAMPLE = index("s")
"""The index that numbers the samples of a batch."""

INDEX_LETTERS = ("i", "j", "m", "p", "q", "r", "t", "u", "v")


def fresh_index(used: Iterable[Symbol]) -> Symbol:
    """The first of the letters i, j, m, p, … and then of i1, i2, … that is not among ``used``."""
    taken = {symbol.name for symbol in used}
    endless = itertools.chain(INDEX_LETTERS, (f"i{number}" for number in itertools.count(1)))
    return index(next(letter for letter in endless if letter not in taken))


def pack(numbers: Sequence[int | str]) -> str:
    """Indices as one writes them: ``(2, 1, 2)`` → ``212``, ``(2, 11, 3)`` → ``2,11,3``."""
    texts = [str(number) for number in numbers]
    return "".join(texts) if all(len(text) == 1 for text in texts) else ",".join(texts)


def unpack(numbers: str, count: int = 0) -> tuple[str, ...]:
    """The indices that `pack` joined; where there was one (``count``), all digits are its own.

    >>> unpack("212"), unpack("2,11,3"), unpack("12", 1)
    (('2', '1', '2'), ('2', '11', '3'), ('12',))
    """
    return tuple(numbers.split(",") if "," in numbers or count == 1 else numbers)


_Unit = TypeVar("_Unit")


def cuts(units: Sequence[str | _Unit], parts: int) -> Iterator[tuple[str | _Unit, ...]]:
    """Every way to cut runs of digits so that there are ``parts`` indices; no number begins with 0.

    What is no text, such as a letter among the digits, stays whole.

    >>> list(cuts(["1203"], 3))
    [('1', '20', '3'), ('12', '0', '3')]
    """
    if not units or parts <= 0:
        if not units and parts == 0:
            yield ()
        return
    first, *rest = units
    if not isinstance(first, str):
        yield from ((first, *others) for others in cuts(rest, parts - 1))
        return
    for end in range(1, 2 if first.startswith("0") else min(len(first), LONGEST_NUMBER) + 1):
        left = [first[end:], *rest] if first[end:] else rest
        yield from ((first[:end], *others) for others in cuts(left, parts - 1))


LONGEST_NUMBER = 9
"""Digits of one index."""


# ------------------------------------------------------------------------------------- quantities


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
    def capital(self) -> str:
        """The letter of the whole quantity: W."""
        return self.letter.upper() if self.role is Role.WEIGHT else self.letter

    @property
    def head(self) -> tuple[int, ...]:
        """The layer, where a name carries it: (2,) of w_2ij, () of yhat_i."""
        is_plain = self.layer is None or self.role in (Role.OUTPUT, Role.LOSS)
        return () if is_plain or self.layer is None else (self.layer,)

    @property
    def sizes(self) -> tuple[Expr, ...]:
        """The upper limits of the indices of one sample."""
        return self.shape[self.batched :]

    @property
    def indices(self) -> tuple[Symbol, ...]:
        """The letters of a general element: (i,) or (i, j), with the sample s in front."""
        first = 1 if self.role in (Role.INPUT, Role.ACTIVATION) else 0
        letters = INDEX_LETTERS[first : first + len(self.sizes)]
        return (*[SAMPLE] * self.batched, *map(index, letters))

    def at(self, *indices: Expr | int) -> Expr:
        """The element at 1-based ``indices`` (none for a scalar), real by assumption."""
        if len(indices) != len(self.shape):
            raise ValueError(f"{self.name} has {len(self.shape)} indices, {len(indices)} given")
        base = f"{self.capital}_{self.layer}" if self.head else self.name
        if not indices:
            return Symbol(base, real=True)
        return _element(base, *(sympy.Integer(i) if isinstance(i, int) else i for i in indices))

    @property
    def element(self) -> Expr:
        """The general element, e.g. ``W_1[i, j]``."""
        return self.at(*self.indices)

    @property
    def whole(self) -> Expr:
        """All elements of a sample by one name, e.g. ``W_1``; a number is its own."""
        return self.element.base if self.sizes else self.element


@cache
def _base(name: str) -> IndexedBase:
    return IndexedBase(name, real=True)


@lru_cache(maxsize=4096)
def _element(name: str, *indices: Expr) -> Expr:
    """An element; SymPy would work out all it assumes of it anew each time."""
    return _base(name)[indices]


def whole_name(variable: Variable) -> tuple[str, tuple[str, ...]]:
    """The letter of a whole quantity and the layer it carries: ("W", ("2",)), ("yhat", ())."""
    return variable.capital, name_indices(variable, ())


def name_indices(variable: Variable, indices: Sequence[int | str]) -> tuple[str, ...]:
    """The indices in the name of an element, the layer first: ("1", "3") of h_13, ("2",) of ŷ_2."""
    return tuple(map(str, (*variable.head, *indices)))


def element_name(variable: Variable, indices: Sequence[int | str] = ()) -> str:
    """The printable name of one element: ``w_212``, ``w_2,11,3``, ``yhat_1``, ``b_1``, ``L``.

    ``indices`` are 1-based and leave out the sample of a batch.
    """
    numbers = name_indices(variable, indices)
    return f"{variable.letter}_{pack(numbers)}" if numbers else variable.letter


_NAME = re.compile(r"^(?P<letter>[^\W\d_]+)_?(?P<numbers>\d+(?:,\d+)*)?$")


def split_name(name: str) -> tuple[str, str]:
    """The letter and the indices of a name: ``w_2,11,3`` → ("w", "2,11,3"); others → (name, "")."""
    match = _NAME.match(name)
    return (match["letter"], match["numbers"] or "") if match else (name, "")


def array_name(name: str) -> tuple[str, tuple[str, ...]]:
    """The letter and the layer of a whole quantity: ``a_12`` is layer 12, ``yhat`` has none."""
    letter, layer = split_name(name)
    return letter, (layer,) if layer else ()


# ---------------------------------------------------------------------------------- reading names


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
    for indices in itertools.product(*(range(1, int(size) + 1) for size in variable.sizes)):
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
    scalars = {element_name(variable): variable for variable in variables if not variable.sizes}
    alike = [v for known, v in scalars.items() if known.replace("_", "") == name.replace("_", "")]
    if name in scalars or len(alike) == 1:  # but for a _, a name may be written as one likes
        return Reference(scalars.get(name, alike[0]), ())
    match = _SPELLING.fullmatch(name)
    if match is None:
        shown = printable(text.strip()) or "an empty name"
        raise UnknownName(f"{shown} is not the name of a quantity; {_what_there_is(variables)}")
    candidates = [(v, layer) for v in variables for layer in _layers_called(match["letter"], v)]
    if not candidates:
        raise UnknownName(f"there is no {printable(name)} here; {_what_there_is(variables)}")
    digits = match["braced"] or match["called"] or match["bare"] or ""
    readings = [
        Reference(variable, numbers[len(layer) :])
        for variable, layer in candidates
        for numbers in _splits(digits, len(layer) + len(variable.sizes))
        if numbers[: len(layer)] == layer and _fits(variable, numbers[len(layer) :])
    ]
    if len(readings) == 1:
        return readings[0]
    if readings:
        both = " or ".join(map(_spell_out, readings))
        raise UnknownName(f"{printable(name)} can be read in {len(readings)} ways: {both}")
    block = [(variable, layer) for variable, layer in candidates if name == variable.name]
    if block or not digits:
        ranges = _ranges(block or candidates)
        raise UnknownName(f"{printable(name)} is no single element; name one: {ranges}")
    layers = sorted({number for _, layer in candidates for number in layer if number})
    listed = f"{layers[0]} to {layers[-1]}" if layers[2:] else " and ".join(map(str, layers))
    network = f"the network has layer{'s' * (len(layers) > 1)} {listed}:" if layers else "there is"
    raise UnknownName(f"there is no {printable(name)}; {network} {_ranges(candidates)}")


def _layers_called(letter: str, variable: Variable) -> Iterator[tuple[int, ...]]:
    """The layer in a name of ``variable`` with this letter; none where it has no such name."""
    if letter in (variable.letter, variable.capital):
        yield variable.head
    elif letter == "h" and variable.role in (Role.OUTPUT, Role.INPUT):
        yield (0 if variable.role is Role.INPUT else variable.layer or 0,)


def _fits(variable: Variable, indices: tuple[int, ...]) -> bool:
    pairs = zip(indices, variable.sizes, strict=True)
    return all(k >= 1 and (not size.is_Integer or k <= int(size)) for k, size in pairs)


def _splits(digits: str, parts: int) -> Iterator[tuple[int, ...]]:
    """Every way to read ``digits`` as that many numbers; separators leave one way."""
    if re.search(r"[,; ]", digits):
        pieces = re.split(r" *[,; ] *", digits)
        if len(pieces) == parts and all(1 <= len(piece) <= LONGEST_NUMBER for piece in pieces):
            yield tuple(map(int, pieces))
    elif len(digits) <= LONGEST_NUMBER * parts:
        yield from (tuple(map(int, cut)) for cut in cuts([digits] if digits else [], parts))


def _spell_out(reading: Reference) -> str:
    """``layer 1, into neuron 1 from neuron 11 (write w_1,1,11)``."""
    variable, neurons = reading.variable, ", ".join(map(str, reading.indices))
    place = f"neuron {neurons}"
    if variable.role is Role.WEIGHT and variable.layer is not None:
        into, source = reading.indices
        place = f"into neuron {into} from neuron {source}"
    name = f"{variable.letter}_{','.join(name_indices(variable, reading.indices))}"
    return f"layer {variable.layer}, {place} (write {name})"


def _ranges(candidates: Sequence[tuple[Variable, tuple[int, ...]]]) -> str:
    """The general element of each with its ranges: ``h_1j with j = 1…4; yhat_i (= h_2i)``."""
    parts = []
    for variable, layer in candidates:
        letters = [letter.name for letter in variable.indices[variable.batched :]]
        general = element_name(variable, letters)
        if layer != variable.head:
            general += f" (= h_{pack([*layer, *letters])})"
        ranges = [f"{k} = 1…{size}" for k, size in zip(letters, variable.sizes, strict=True)]
        parts.append(" with ".join([general, *filter(None, [" and ".join(ranges)])]))
    weights = any(variable.role is Role.WEIGHT for variable, _ in candidates)
    shown = parts if len(parts) <= MOST_RANGES else [*parts[: MOST_RANGES - 1], "…", parts[-1]]
    return "; ".join(shown) + (" (into neuron i from neuron j)" if weights else "")


def _what_there_is(variables: Sequence[Variable]) -> str:
    examples: dict[str, str] = {}
    for variable in variables:
        examples.setdefault(variable.letter, element_name(variable, [1] * len(variable.sizes)))
    return "there are " + ", ".join(examples.values())


# ------------------------------------------------------------------------- letterings of the books


@dataclass(frozen=True, slots=True)
class Spelling:
    """A quantity as a page writes it, e.g. Nielsen's z^2_1: letter, subscript, superscript."""

    letter: str
    subscript: str = ""
    superscript: str = ""


@dataclass(frozen=True, slots=True)
class Lettering:
    """How a page writes the loss, a derivative, and the quantities.

    ``loss`` is the letter of a network's loss (the lectures' script L), ``differential`` is ∂, or
    d where everything depends on one variable only.  ``spelled`` turns a letter of the lectures and
    its indices, the layer first, into another page's; without it they stay.  The inputs are layer
    ``input_layer``.  ``name`` is what the notation is called, empty for the lectures'.
    """

    loss: str = r"\mathscr{L}"
    loss_text: str = "L"
    differential: str = r"\partial"
    differential_text: str = "∂"
    spelled: Callable[[str, tuple[str, ...]], Spelling] | None = None
    input_layer: int = 0
    name: str = ""

    def spelling(self, letter: str, indices: tuple[str, ...]) -> Spelling:
        """The quantity that the lectures write with this letter and these indices."""
        if self.spelled is None:
            return Spelling(letter, pack(indices))
        return self.spelled(letter, indices)


NETWORK = Lettering()
ONE_VARIABLE = Lettering(loss="L", differential="d", differential_text="d")
EQUATIONS = Lettering(loss="L")


@dataclass(frozen=True, slots=True)
class Samples:
    """How a page writes the samples of a batch; a page about one sample needs none of it.

    ``axis``: what the arrays of inputs, targets, preactivations, activations and outputs are:
    "none": those of one sample; "numbered": the same, and x^{(i)} is that of sample i; "columns":
    matrices with a sample in each column (Ng); "rows": with a sample in each row (NumPy, PyTorch,
    cs231n, d2l; with it `Notation.rows` where W is (in, out) too).  ``capitals``: only capital
    letters are such matrices, and small ones belong to one sample (Ng's Z^{[1]} and z^{[1]}).

    ``derivatives``: what dZ and δ are: "batch": ∂J/∂Z, of the loss of the batch; "sample": in each
    column the derivative of that sample's own loss, so that dW = 1/m·dZ Aᵀ (Ng, where J is the
    mean).  dW and db are always those of the batch.  ``loss``: the letter of one sample's loss,
    where it is not that of the batch's (Ng's L beside J).  ``counts`` may stand for the number of
    samples.  Whether the batch's loss is the sum or the mean, the network file says.

    >>> notation("ng").samples.axis
    'columns'
    """

    axis: str = "none"
    capitals: bool = False
    derivatives: str = "batch"
    loss: str = ""
    counts: tuple[str, ...] = ("m", "N", "n", "M")

    @property
    def are_named(self) -> bool:
        """Whether the page may speak of samples at all."""
        return self.axis != "none"

    @property
    def are_in_arrays(self) -> bool:
        """Whether there are arrays of all samples."""
        return self.axis in ("columns", "rows")


@dataclass(frozen=True, slots=True)
class Notation:
    """A page's way of writing.  Letters are as typed in text; yhat is ŷ.

    ``layer``: "subscript" (w_{kij}; a layer in brackets above is understood too), "bracketed"
    (w^{(k)}_{ij}), "superscript" (w^k_{ij}) or "nowhere" (w_{ij}: what the indices number elsewhere
    in the line tells the layer).  ``words`` are whole names, as in code: scores.  ``placed`` are
    letters that name one layer's quantity: its own letter, the lectures' and the layer, counted
    from the end where it is not positive (0 is the last).  ``numbered``: with the layer nowhere, a
    number alone below is it all the same (W_2, z_2).  ``weights_lead_on`` says that W^(l) leads on
    from layer l, and not into it.  ``samples`` is how a batch is written.  ``names`` are single
    names and what each is in the lectures' letters, ("w_5", "w_211"); they are looked up before
    anything else.  One with an index letter in braces, ("s_{i}", "a_1,i"), holds for every index.
    """

    name: str = "lectures"
    preactivation: str = "a"
    activation: str = "h"
    weight: str = "w"
    bias: str = "b"
    output: str = "yhat"
    target: str = "y"
    input: str = "x"
    error: str = "delta"
    loss: str = "L"
    function: str = "g"
    layer: str = "subscript"
    weight_order: str = "into,from"
    first_index: int = 1
    input_layer: int = 0
    output_is_activation: bool = False
    generic_sigma: bool = False
    rows: bool = False
    words: tuple[tuple[str, str], ...] = ()
    placed: tuple[tuple[str, str, int], ...] = ()
    numbered: bool = False
    weights_lead_on: bool = False
    samples: Samples = Samples()
    names: tuple[tuple[str, str], ...] = ()

    @property
    def letters(self) -> dict[str, str]:
        """The page's letters and the lectures' for them; w also in capitals."""
        found = {
            self.input: "x", self.target: "y", self.output: "yhat", self.error: "delta",
            self.bias: "b", self.activation: "h", self.preactivation: "a", self.weight: "w",
            (self.weight.upper() if len(self.weight) == 1 else self.weight.capitalize()): "w",
            **{letter: meaning for letter, meaning, _ in self.placed},
        }  # fmt: skip
        return {letter: meaning for letter, meaning in found.items() if letter}

    def lettering(self, layers: int, *, one_bias: bool = False) -> Lettering:
        """How sheets on a network of so many layers write in this notation.

        ``one_bias`` says that a layer shares its bias, so that b_12 is that of layer 12.  Raises
        `UnknownNotation` where rows are samples, or neurons are counted from 0: symback writes
        columns, and counts from 1.
        """
        if self.rows:
            raise UnknownNotation(f"sheets are written with columns; {self.name} writes rows")
        if self.layer == "nowhere" or self.weights_lead_on:
            raise UnknownNotation(
                f"a sheet's letters say which layer they are of; {self.name} is for reading pages"
            )
        if self.first_index != 1:
            raise UnknownNotation(
                f"sheets count neurons from 1; {self.name} has first_index = {self.first_index}"
            )
        loss = rf"\mathscr{{{self.loss}}}" if self.loss == "L" else self.loss
        written = {meaning: letter for letter, meaning in self.letters.items()}
        written |= {"w": self.weight, "W": self.weight.upper()}

        def spelled(letter: str, indices: tuple[str, ...]) -> Spelling:
            if letter == "yhat" and self.output_is_activation:
                letter, indices = "h", (str(layers), *indices)
            elif letter == "b" and one_bias:
                indices = ("".join(indices),)
            own = written.get(letter, letter)
            if letter not in _LAYERED or not indices:
                return Spelling(own, pack(indices))
            layer, *rest = indices
            if layer.isdigit():
                layer = str(int(layer) + self.input_layer)
            if self.weight_order == "from,into":
                rest.reverse()
            if self.layer == "subscript":
                return Spelling(own, pack((layer, *rest)))
            return Spelling(own, pack(rest), layer if self.layer == "superscript" else f"({layer})")

        return Lettering(
            loss=rf"\{loss}" if loss in GREEK_NAMES else loss,
            loss_text=self.loss,
            spelled=spelled,
            input_layer=self.input_layer,
            name="" if self == NOTATIONS["lectures"] else self.name,
        )


_LAYERED = frozenset("wWbah")
"""The letters of the lectures whose first index is the layer."""

NOTATIONS: dict[str, Notation] = {
    each.name: each
    for each in (
        Notation(),
        Notation(
            "nielsen", preactivation="z", activation="a", output="", loss="C", layer="superscript",
            function="sigma", input_layer=1, output_is_activation=True, generic_sigma=True,
        ),
        Notation(
            "bishop", preactivation="a", activation="z", output="y", target="t", loss="E",
            layer="bracketed", function="h",
        ),
        Notation("goodfellow", loss="J", layer="bracketed"),
        Notation(
            "ng", preactivation="z", activation="a", loss="J", layer="bracketed",
            samples=Samples("columns", capitals=True, derivatives="sample", loss="L"),
        ),
        Notation(
            "cs231n", preactivation="z", rows=True,
            words=(("scores", "a"), ("probs", "yhat"), ("hidden_layer", "h1"), ("hidden", "h1"),
                   ("X", "x"), ("loss", "L")),
        ),
    )
}  # fmt: skip

LARGEST_FILE = 20_000  # bytes of a notation
MOST_NAMES = 500
"""Names that a notation gives."""
_LETTER_KEYS = ("preactivation", "activation", "weight", "bias", "output", "target", "input",
                "error", "loss", "function")  # fmt: skip
_QUANTITIES = frozenset((*string.ascii_letters, *GREEK_NAMES, "yhat"))
"""What may stand for a quantity: it is printed as TeX, as HTML and on terminals."""
_CHOICES = (
    (("layer",), ("subscript", "bracketed", "superscript", "nowhere"),
     "one of subscript, bracketed, superscript, nowhere"),
    (("weight_order",), ("into,from", "from,into"), "one of into,from or from,into"),
    (("first_index", "input_layer"), (0, 1), "0 or 1"),
)  # fmt: skip


def notation(name: str | Path | Notation) -> Notation:
    """The notation called ``name``, or the one that a TOML file describes; one itself stays.

    Raises `UnknownNotation`.

    >>> notation("nielsen").preactivation
    'z'
    >>> notation("nielson")
    Traceback (most recent call last):
    symback.language.names.UnknownNotation: there is no notation nielson; did you mean \
"nielsen"? There are lectures, nielsen, bishop, goodfellow, ng, cs231n, or a file ending in .toml
    """
    if isinstance(name, Notation):
        return name
    text = str(name)
    if text in NOTATIONS:
        return NOTATIONS[text]
    if not text.endswith(".toml"):
        hint = did_you_mean(text, NOTATIONS)
        raise UnknownNotation(
            f"there is no notation {printable(text)}{hint or '.'} "
            f"There are {', '.join(NOTATIONS)}, or a file ending in .toml"
        )
    path = Path(text)
    try:
        return _described(tomllib.loads(files.content(path, LARGEST_FILE).decode("utf-8")), path)
    except files.CannotRead as error:
        reason = error.message
    except RecursionError:
        reason = "the file's brackets are nested too deeply"
    except ValueError as error:  # TOML's, UTF-8's, that of a number without end, and our own
        reason = str(error) if isinstance(error, _Wrong) else f"not TOML: {printable(str(error))}"
    raise UnknownNotation(f"{printable(str(path), 200)}: {reason}") from None


_NOT_KEYS = ("name", "words", "placed", "names", "samples")
"""Fields of a notation that its file does not give as keys of their own."""
_OWN_NAME = re.compile(r"\\?[^\W\d](?:\w|[\\{}, ]){0,59}")
_MEANT = re.compile(r"[^\W\d_]\w*(?:\{\w+(?:,\w+){0,3}\}|(?:,\w+){1,3})?")


def _names(said: object) -> Iterator[tuple[str, str]]:
    """The names of a [names] table and what they are; raises `_Wrong`.

    >>> list(_names({"net_h1": "a_11"}))
    [('net_h1', 'a_11')]
    """
    form = 'in [names] a name of the page is given a quantity of the network, as in w_5 = "w_211"'
    if not isinstance(said, dict):
        raise _Wrong(f"names must be a table; {form}")
    if len(said) > MOST_NAMES:
        raise _Wrong(f"[names] has more than {MOST_NAMES} names")
    known: dict[str, str] = {}
    for written, meant in said.items():
        if not _OWN_NAME.fullmatch(written):
            raise _Wrong(f"{printable(repr(written))} is no name; {form}")
        if not isinstance(meant, str) or not _MEANT.fullmatch(meant):
            shown = printable(repr(meant))
            raise _Wrong(f"{written} = {shown} names no quantity; {form}")
        before = known.setdefault(plain_name(written), written)
        if before != written:
            raise _Wrong(f"{before} and {written} are the same name")
        yield written, meant


_OF_SAMPLES = {"axis": ("none", "numbered", "columns", "rows"), "derivatives": ("batch", "sample"),
               "capitals": (False, True)}  # fmt: skip


def _samples(said: object, base: Samples) -> Samples:
    """How a batch is written, by a [samples] table; raises `_Wrong`."""
    if not isinstance(said, dict):
        raise _Wrong('samples must be a table, as in [samples] with axis = "columns"')
    for key, value in said.items():
        if key not in _OF_SAMPLES:
            hint = did_you_mean(key, _OF_SAMPLES)
            raise _Wrong(f"[samples] has no key {printable(key)}{hint}")
        if value not in _OF_SAMPLES[key] or isinstance(value, bool) != (key == "capitals"):
            choices = ", ".join(str(each).lower() for each in _OF_SAMPLES[key])
            raise _Wrong(f"[samples] {key} must be one of {choices}")
    return replace(base, **said)


_LOOK = re.compile(r"\\(?:text|textrm|textit|mathrm|mathit|mathbf|operatorname)\b|[\s_{}()\\]")


def plain_name(written: str) -> str:
    r"""A name without what only says how it looks: by this one spelling names are looked up.

    >>> plain_name(r"\text{net}_{h1}"), plain_name("net_h1"), plain_name("w_{2,11,3}")
    ('neth1', 'neth1', 'w2,11,3')
    """
    return _LOOK.sub("", written)


class _Wrong(ValueError):
    """What a notation's file says is none."""


def _described(said: dict[str, object], path: Path) -> Notation:
    """The notation of a file's keys; raises `_Wrong`."""
    wanted, own = said.pop("base", "lectures"), said.pop("names", {})
    samples = said.pop("samples", {})
    base = NOTATIONS.get(wanted) if isinstance(wanted, str) else None
    if base is None:
        raise _Wrong(f"base must be one of {', '.join(NOTATIONS)}")
    kinds = {each.name: type(getattr(base, each.name)) for each in fields(base)}
    kinds = {key: kind for key, kind in kinds.items() if key not in _NOT_KEYS}
    for key, value in said.items():
        if key not in kinds:
            hint = did_you_mean(key, (*kinds, "base", "names", "samples"))
            raise _Wrong(f"there is no key {printable(key)}{hint}")
        if type(value) is not kinds[key]:
            raise _Wrong(f"{key} must be a {kinds[key].__name__}")
    given = {"name": printable(path.stem), "names": (*base.names, *_names(own)), **said}
    given["samples"] = _samples(samples, base.samples)
    made = replace(base, **given)  # pyright: ignore[reportArgumentType]
    for keys, choices, told in _CHOICES:
        if any(getattr(made, key) not in choices for key in keys):
            raise _Wrong(f"{' and '.join(keys)} must be {told}")
    for key in _LETTER_KEYS:
        letter = getattr(made, key)
        if letter not in _QUANTITIES and not (key == "output" and not letter):
            raise _Wrong(
                f"{key} must be a letter or the name of a Greek one, such as z or delta; "
                f"{printable(repr(letter))} is neither"
            )
    letters = [made.preactivation, made.activation, made.weight, made.bias, made.target, made.input]
    if len(set(letters)) < len(letters):
        raise _Wrong("two quantities have the same letter")
    return made
