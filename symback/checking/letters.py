"""What the letters of a page mean in one network: `Letters` looks up a letter with its indices.

`Scope` says what there is: the widths, the activations, or the names of an [equations] file.
Packed indices are split with those sizes, w_{2112} is refused where two splits fit; a number beyond
the last neuron is refused with the range there is.  A letter that the network does not have is a
name of the page's own (`Named`), which the page must define somewhere.
"""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import sympy

from symback.checking.tokens import FUNCTIONS, NotRead, Place, Token, lexed
from symback.engine.graph import Graph
from symback.language.errors import printable
from symback.language.expressions import (
    COUNT,
    ELL,
    EVERY,
    LAYERED,
    LOSS,
    Array,
    Call,
    Comparison,
    Derivative,
    Element,
    Index,
    Indicator,
    Letter,
    Named,
    Node,
    OneHot,
    Sum,
    Transpose,
    reindexed,
    walk,
)
from symback.language.names import (
    NOTATIONS,
    Notation,
    Role,
    UnknownNotation,
    cuts,
    plain_name,
)

LARGEST_INDEX = 20
"""Of a neuron in a layer whose width is a symbol: a page there names the first few neurons."""

LONGEST_NAME = 24
"""Characters of a name of the page's own."""

PRIMES = ("'", "''")
_LOSSES = ("L", "J", "C", "E")
_ELEMENT_INDICES = {"w": 3, "b": 2, "a": 2, "h": 2, "delta": 2, "x": 1, "y": 1, "yhat": 1}
OF_A_SAMPLE = ("x", "y", "yhat", "a", "h", "delta")
"""The lectures' letters of what each sample has its own of."""
QUANTITIES = {
    **dict.fromkeys(("output", "outputs", "prediction", "predictions"), "yhat"),
    **dict.fromkeys(("ypred", "ypredicted"), "yhat"),
    **dict.fromkeys(("target", "targets", "label", "labels"), "y"),
    **dict.fromkeys(("ytrue", "yactual", "ytarget", "ylabel"), "y"),
    **dict.fromkeys(("input", "inputs"), "x"),
}
"""Words that are a quantity wherever they stand in a formula, with the lectures' letter for it."""
LOSS_WORDS = ("loss", "Loss", "cost", "Cost")
GENERIC = ("g", "f", "phi", "psi", "varphi")
"""Letters that pages call the activation by."""
RATES = ("alpha", "lr", "learning_rate", "step_size", "epsilon", "mu", "gamma", "lambda")


@dataclass(frozen=True, slots=True)
class Scope:
    """What the letters of a page can mean in one network.

    ``widths`` are n_0 … n_L (a number, or the name of a symbolic width); ``activations`` the names
    of layers 1 … L, the last of them the output function; ``stages`` the names an [equations]
    file computes and ``leaves`` those it only uses (both empty for a network).
    """

    widths: tuple[int | str, ...] = ()
    activations: tuple[str, ...] = ()
    biases: tuple[int, ...] = ()
    """For each layer how many indices its bias has beside the layer: 1, 0, or -1 for none."""
    has_target: bool = True
    stages: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    loss: str = ""
    """"entropy" where the loss holds a logarithm, "squared" where it squares differences."""
    is_batch: bool = False
    """Whether the network's values are those of several samples."""

    @property
    def depth(self) -> int:
        """L, the number of layers."""
        return len(self.activations)

    @property
    def is_network(self) -> bool:
        """Whether there are layers (and not only named stages)."""
        return bool(self.activations)

    @classmethod
    def of(cls, graph: Graph) -> Scope:
        """The scope of a network or of named stages."""
        by_role = {role: [v for v in graph.variables if v.role is role] for role in Role}
        preactivations = by_role[Role.PREACTIVATION]
        if not preactivations:
            stages, leaves = (tuple(v.name for v in by_role[r]) for r in (Role.STAGE, Role.LEAF))
            return cls(stages=stages, leaves=leaves)
        sizes = [str(v.shape[-1]) for v in (by_role[Role.INPUT][0], *preactivations)]
        biases = {v.layer: len(v.shape) for v in by_role[Role.BIAS]}
        computed = [v for v in graph.variables if v.role in (Role.ACTIVATION, Role.OUTPUT)]
        functions = [graph.by_variable[variable].named for variable in computed]
        loss = graph.by_variable[graph.target].rhs
        return cls(
            widths=tuple(int(size) if size.isdigit() else size for size in sizes),
            activations=tuple("" if f is None else type(f).__name__ for f in functions),
            biases=tuple(biases.get(v.layer, -1) for v in preactivations),
            has_target=bool(by_role[Role.TARGET]),
            loss="entropy" if loss.has(sympy.log) else "squared" if loss.has(sympy.Pow) else "",
            is_batch=graph.samples is not None,
        )


@dataclass(frozen=True, slots=True)
class Scripted:
    """A letter as it is typed, with its indices ``below``, the ``layer`` above and the ``sample``.

    Each is None where there is none.
    """

    token: Token
    below: Sequence[Token] | None = None
    layer: Sequence[Token] | None = None
    sample: Sequence[Token] | None = None

    def __str__(self) -> str:
        below = "" if self.below is None else "_" + "".join(token.text for token in self.below)
        above = "" if self.layer is None else "".join(token.text for token in self.layer)
        return self.token.text + (f"^({above})" if above else "") + (below if below != "_" else "")


class Letters:
    """The letters of one page; ``defined`` are names that it gives a meaning to itself.

    ``own_errors`` says that the page calls something of its own δ_i, with one index.  ``layers``
    says which layer's neurons an index letter numbers, where the letters carry no layer themselves
    (`symback.checking.layers`); ``functions`` are those that the page defines, as f(u) = u(1 - u).
    ``unknown`` are names such as w_5 that are taken for the page's own while one looks for what
    they are.  ``marks`` says that dz stands for ∂L/∂z, dW for ∂L/∂W.
    """

    def __init__(
        self,
        scope: Scope,
        notation: Notation,
        defined: frozenset[str] = frozenset(),
        *,
        own_errors: bool = False,
        layers: Mapping[str, Index] = MappingProxyType({}),
        marks: bool = False,
        unknown: Sequence[str] = (),
        functions: frozenset[str] = frozenset(),
    ) -> None:
        self.scope, self.notation, self.functions = scope, notation, functions
        self.defined, self.own_errors, self.layers = defined, own_errors, layers
        self.marks = marks
        self.placed = {
            letter: Index("", layer if layer > 0 else scope.depth + layer)
            for letter, _, layer in notation.placed
        }
        self.letters = QUANTITIES | notation.letters if scope.is_network else {}
        if "yhat" in self.letters:
            self.letters.setdefault("Yhat", self.letters["yhat"])
        self.batches: frozenset[str] = frozenset()
        """Letters that stand for an array of all samples."""
        if scope.is_network and notation.samples.are_in_arrays:
            self._add_arrays()
        self.words = dict(notation.words) if scope.is_network else {}
        self.names = {_flat(name): name for name in (*scope.stages, *scope.leaves)}
        usual = {name for name in (*FUNCTIONS, *FUNCTIONS.values()) if "_" not in name}
        self.own_functions = tuple(
            name
            for name in scope.activations
            if name not in usual and name.rstrip("0123456789") not in self.letters
        )
        """Names of activations that the lexer would take apart, such as swish2 and leaky_relu."""
        self.unknown = unknown
        self.own: dict[str, Node] = {plain_name(name): Named(plain_name(name)) for name in unknown}
        """What the notation says of single names, such as w_5, as nodes."""
        self.patterns: dict[str, tuple[str, Node]] = {}
        """Names with an index letter, such as s_i, by what stands before it."""
        for own, meant in notation.names:
            node = self.own[plain_name(own)] = self.meant(own, meant)
            general = re.fullmatch(r"(.+)_\{([a-z])\}", own)
            if general and any(i.letter == general[2] for i in getattr(node, "indices", ())):
                self.patterns[plain_name(general[1])] = general[2], node
        written = (*self.names.values(), *(own for own, _ in notation.names))
        self.long_names = frozenset(
            word for name in written for word in re.findall(r"[A-Za-z]{2,}", name)
        )
        """Words among the names of the file and of the notation."""
        self.short_names = frozenset(name for name in self.names if len(name) == 1)

    @property
    def tells_layers_by_indices(self) -> bool:
        """Whether letters carry no layer, and there are several."""
        return self.notation.layer == "nowhere" and self.scope.depth > 1

    def with_layers(self, layers: Mapping[str, Index]) -> Letters:
        """The same letters in a statement in which its indices number these layers."""
        made = copy.copy(self)
        made.layers = layers
        return made

    # ------------------------------------------------------------------- names of the notation

    def meant(self, own: str, meant: str) -> Node:
        """What a notation says that a name is: a quantity in the lectures' letters.

        Raises `UnknownNotation`, with the quantities that there are.
        """
        letters = Letters(self.scope, NOTATIONS["lectures"])
        try:
            token, *rest = lexed(meant, Place(1, 1), latex=False)
            below = [each for each in rest if each.kind not in ("_", "{", "}")]
            found = letters.quantity(Scripted(token, below or None))
            if meant == "L" and self.scope.is_network:
                found = LOSS
            if isinstance(found, (Element, Array)):
                # a row, and W as (in, out), are symback's transposed
                turned = self.notation.rows and isinstance(found, Array)
                return Transpose(found) if turned else found
            reason = f"there is no {printable(meant)}"
        except NotRead as error:
            reason = error.message
        raise UnknownNotation(
            f"[names] says {printable(own)} = {printable(meant)}, but {reason}; "
            f"{letters.what_there_is()}"
        )

    def what_there_is(self) -> str:
        """A sentence on the quantities that a name can be given."""
        if not self.scope.is_network:
            return f"there are {', '.join((*self.scope.stages, *self.scope.leaves))}"
        widths = ", ".join(map(str, self.scope.widths))
        return (
            "there are w_kij, b_ki, a_ki, h_ki, delta_ki, x_j, y_i, yhat_i and L, and the arrays "
            f"W_k, b_k, a_k, h_k, x, y, yhat; the layers have {widths} neurons"
        )

    def own_name(self, tokens: Sequence[Token]) -> str:
        """The name that tokens spell, as it is looked up, if the notation knows it; or ""."""
        name = plain_name("".join(token.text for token in tokens))
        return name if name in self.own else ""

    # ----------------------------------------------------------------------------- samples

    def _add_arrays(self) -> None:
        """Take in the letters of arrays of all samples: X, A, Z and H for x, a, z and h."""
        own = {letter: meaning for letter, meaning in self.letters.items()
               if meaning in OF_A_SAMPLE}  # fmt: skip
        for letter, meaning in own.items():
            capital = letter[:1].upper() + letter[1:]
            self.letters.setdefault(capital, meaning)
            if letter in self.placed:
                self.placed.setdefault(capital, self.placed[letter])
        capitals = self.notation.samples.capitals
        self.batches = frozenset(
            letter
            for letter, meaning in self.letters.items()
            if meaning in OF_A_SAMPLE and not (capitals and letter[:1].islower())
        )

    def is_count(self, text: str) -> bool:
        """Whether a letter is the number of samples."""
        samples = self.notation.samples
        known = text in self.defined or text in self.letters or not self.scope.is_network
        return samples.are_named and text in samples.counts and not known

    def takes_sample(self, typed: Scripted, inner: Sequence[Token]) -> bool:
        """Whether what stands in round brackets above a letter, an index, is a sample."""
        samples, text = self.notation.samples, typed.token.text
        meaning, letter = self.meaning(text), inner[0].text
        if not self.scope.is_network or meaning not in OF_A_SAMPLE or typed.sample is not None:
            return False
        if letter == "s" and len(inner) == 1:
            return True
        if not samples.are_named or letter in ("k", "l", "ell", "L"):
            return False
        if meaning not in LAYERED or typed.layer is not None:
            return True
        return self.notation.layer == "nowhere" or (
            self.notation.layer == "subscript" and bool(typed.below)
        )

    def sample(self, tokens: Sequence[Token] | None, place: Place) -> Index | None:
        """Which sample is meant."""
        if tokens is None:
            return None
        if len(tokens) == 1 and tokens[0].kind == "name" and len(tokens[0].text) == 1:
            return Index(tokens[0].text)
        return self.index(tokens, place)

    def error(self, by: Node) -> Node:
        """What d stands for before a quantity, and δ: the derivative of a loss by it."""
        inner = by.of if isinstance(by, Transpose) else by
        sample = getattr(inner, "sample", None)
        own = sample is not None and self.notation.samples.derivatives == "sample"
        loss = Element(LOSS.letter, (), sample) if own else LOSS
        made = Derivative(loss, inner)
        return Transpose(made) if isinstance(by, Transpose) else made

    # ------------------------------------------------------------------------------- words

    def meaning(self, text: str) -> str:
        """The lectures' letter for one of the page, or ""."""
        return self.letters.get(text, "")

    def means_quantity(self, text: str) -> bool:
        """Whether the letter is a quantity of the network."""
        return text in self.letters or text in self.words or text in self.own

    def takes_digits(self, text: str) -> bool:
        """Whether digits typed close to a name are its index."""
        return text not in FUNCTIONS and (text != "e" or "e" in self.defined)

    def begins_quantity(self, text: str) -> bool:
        """Whether dX can be the differential of ``text``."""
        if not text or text[0] == "_":
            return False
        known = self.means_quantity(text) or text in (*_LOSSES, *LOSS_WORDS, "yhat")
        known = known or (text.isupper() and text in self.defined)  # MSE
        joined = text[0] in _LOSSES and text[1:2] == "d"
        begun = (*self.names, *self.own)
        return known or joined or any(name.startswith(_flat(text)) for name in begun)

    def is_name(self, text: str) -> bool:
        """Whether a name is one of an [equations] file, or of the page."""
        return _flat(text) in self.names or text in self.defined

    def is_run_of_names(self, text: str) -> bool:
        """Whether a word of an [equations] page is a product of names of one letter."""
        known = self.is_name(text) or text in FUNCTIONS
        return not known and bool(self.names) and all(letter in self.names for letter in text)

    def is_generic(self, text: str) -> bool:
        """Whether a letter before an argument is the activation, whatever that is."""
        return text == self.notation.function or (text in GENERIC and text not in self.letters)

    def function(self, tokens: Sequence[Token], position: int) -> str | None:
        """The function that a name stands for where it is followed by an argument."""
        text = tokens[position].text
        if text in self.functions:
            return text
        if text in self.names or text in self.defined:
            return None
        if text in self.own_functions or text == "sum":
            return text
        if text == "mean" and [token.kind for token in tokens[position + 1 : position + 2]] == [
            "("
        ]:
            return text
        if text in FUNCTIONS and text != "id":
            return FUNCTIONS[text]
        ahead = tokens[position + 1 : position + 8]
        kind = ahead[0].kind if ahead else ""
        if text == "sigma" and kind in ("(", "[", "{", "^", *PRIMES):
            return "g" if self.notation.generic_sigma else "sigmoid"
        if text == "O" and kind == "(":
            return "O"
        generic = self.is_generic(text)
        primed = kind == "^" and any(token.kind in PRIMES for token in ahead[1:3])
        primed = primed or (text == "g" and _has_layer_above(tokens[position + 1 :]))
        if generic and (kind in ("(", *PRIMES) or primed):
            return "g"
        in_code = any(token.text == "prime" for token in ahead[:3])  # g1_prime, g_prime
        lowered = kind == "_" and any(token.kind in ("(", "'") for token in ahead[1:])  # g_1(a_1)
        numbered = generic and _has_number_below(tokens[position + 1 :])  # f_2(z_2)
        of_unit = numbered or (generic and is_of_unit(tokens[position + 1 :]))
        return "g" if of_unit or (text == "g" and (in_code or lowered)) else None

    def function_alone(self, text: str) -> str | None:
        """The function that a name stands for in a lemma, with or without an argument.

        f keeps its name there: what is wrong of the network's g may be right of the page's f.
        """
        if text in self.functions:
            return text
        if text in self.names or text in self.defined:
            return None
        if text == "sigma":
            return "g" if self.notation.generic_sigma else "sigmoid"
        if text in self.own_functions:
            return text
        if self.is_generic(text):
            return "g" if text == self.notation.function else text
        return FUNCTIONS.get(text)

    def is_output(self, tokens: Sequence[Token], position: int) -> bool:
        """Whether a letter is the whole output: Nielsen's ∇_a C is the gradient by a^L."""
        own = self.notation.output_is_activation and self.notation.activation
        here = [token.text for token in tokens[position : position + 2]]
        return here[:1] == [own] and here[1:] not in (["_"], ["^"])

    # ------------------------------------------------------------------------------ indices

    def is_index(self, tokens: Sequence[Token], *, number: bool = False) -> bool:
        """Whether tokens are one index: a letter, a letter and an offset, a number if allowed."""
        match tokens:
            case [token]:
                letter = token.kind == "name" and (len(token.text) == 1 or token.text == "ell")
                free = letter and (token.text == "L" or not self.meaning(token.text))
                return free or (number and token.kind == "number")
            case [_, mark]:
                return mark.kind in PRIMES and self.is_index(tokens[:1])
            case [_, sign, offset]:
                shifted = sign.kind in ("+", "-") and offset.text.isdigit()
                return shifted and self.is_index(tokens[:1], number=number)
            case _:
                return False

    def index(self, tokens: Sequence[Token], place: Place, *, layer: bool = False) -> Index:
        """One index; numbers are moved where the page counts from 0."""
        if not tokens:
            raise NotRead("an index is missing", place)
        first, text = tokens[0], tokens[0].text
        none = NotRead(f"{text} is no index", first.place)
        if first.kind != "name" and not self.is_index(tokens, number=True):
            raise none
        if first.kind == "number":
            if not text.isdigit() or len(text) > 6:
                raise none
            return Index("", int(text) + self._shift(layer=layer) + _offset(tokens))
        if text == "L" and self.scope.is_network:
            return Index("", self.scope.depth + _offset(tokens))
        letter = ELL if text == "ell" else text
        if len(letter) > 1 or (self.meaning(letter) and not layer and letter not in "hnk"):
            raise none
        if len(tokens) == 2:
            return Index(letter + "'" * len(tokens[1].kind))
        return Index(letter, _offset(tokens))

    def _shift(self, *, layer: bool) -> int:
        return -self.notation.input_layer if layer else 1 - self.notation.first_index

    def indices(self, tokens: Sequence[Token], place: Place) -> tuple[Index, ...]:
        """All indices of a name of the page, or of a component; each digit is one."""
        if any(token.kind == "," for token in tokens):
            return tuple(self.index(part, place) for part in _at_commas(tokens))
        if not tokens or (self.is_index(tokens, number=True) and len(tokens[0].text) == 1):
            return (self.index(tokens, place),)
        shift = self._shift(layer=False)
        return tuple(
            unit if isinstance(unit, Index) else Index("", int(unit) + shift)
            for run in self._units(tokens)
            for unit in ([run] if isinstance(run, Index) else run)
        )

    def _units(self, tokens: Sequence[Token]) -> list[str | Index]:
        """Packed indices: runs of digits, and letters."""
        units: list[str | Index] = []
        for token in tokens:
            text = token.text
            if token.kind == "number" and text.isdigit():
                units.append(text)
            elif text == "ell" and token.kind == "name":
                units.append(Index(ELL))
            elif token.kind == "name":
                if len(text) > 4 or not text.isalpha():
                    raise NotRead(f"{text} is no index", token.place)
                last = Index("", self.scope.depth) if self.scope.is_network else Index("L")
                units += [last if mark == "L" else Index(mark) for mark in text]
            elif token.kind == "'" and units and isinstance(units[-1], Index):
                units[-1] = Index(units[-1].letter + "'", units[-1].offset)
            else:
                raise NotRead(f"{text} is not understood among indices", token.place,
                              "separate indices by commas, as in h_{k-1,j}")  # fmt: skip
        return units

    # --------------------------------------------------------------------------- quantities

    def quantity(self, typed: Scripted, *, updating: bool = False) -> Node:
        """What a letter with its scripts is; in an update, α and its like are the rate η."""
        text, below, defined = typed.token.text, typed.below, self.defined
        if self.own and (name := self.own_name((typed.token, *(below or ())))):
            return self.own[name]
        if text in self.patterns and below is not None and typed.layer is None:
            return self._instance(typed, *self.patterns[text])
        if not self.scope.is_network:
            whole = text if below is None else text + "".join(token.text for token in below)
            name = self.names.get(_flat(whole))
            constants = {"pi": Call("pi", ()), "eta": Element("eta")}
            return Element(name) if name is not None else constants.get(text) or self._named(typed)
        if text in ("e", "ehat") and below is not None and "e" not in defined:
            inner = [token for token in below if token.kind not in ("(", ")")]
            of_class = len(inner) == 1 and inner[0].text in ("ell", "y", "l")
            return OneHot(Index(ELL) if of_class else self.index(inner, typed.token.place))
        if text == "eta" or (updating and text in RATES):
            return Element("eta")
        if text == "pi" and below is None:
            return Call("pi", ())
        if below is None and typed.layer is None and self.is_count(text):
            return COUNT
        if text in self.words and below is None:
            meaning = self.words[text]
            layers = {"a": Index("", self.scope.depth), "h1": Index("", 1)}
            every = EVERY if self.batches else None
            letter = meaning[0] if meaning in layers else meaning
            node: Node = Array(letter, layers.get(meaning), every)
            node = LOSS if meaning == "L" else node
        else:
            meaning = self.meaning(text)
            one_index = below is not None and len(below) == 1 and len(below[0].text) == 1
            own = meaning == "delta" and self.own_errors and typed.layer is None and one_index
            if own or not meaning:
                return self._named(typed)
            pair = self._kronecker(typed) if meaning == "delta" else None
            node = pair or self._of_samples(typed, self._looked_up(typed, meaning))
        return Transpose(node) if self._is_column(typed, node) else self.turned(node)

    def turned(self, node: Node) -> Node:
        """What symback would call a quantity of the page: a row, and W as (in, out), transposed."""
        return Transpose(node) if self._is_turned(node) else node

    def _is_column(self, typed: Scripted, node: Node) -> bool:
        """Whether a small w is all weights of the one neuron of its layer, as in wᵀx."""
        notation = self.notation
        match node:
            case Array("W", Index("", layer)) if notation.layer == "nowhere" and not notation.rows:
                return typed.token.text == notation.weight and self.scope.widths[layer] == 1
        return False

    def _is_turned(self, node: Node) -> bool:
        """Whether the page has the transpose of what symback calls by the same letter."""
        inner = node.by if isinstance(node, Derivative) else node
        if not isinstance(inner, Array):
            return False
        samples = self.notation.samples
        if inner.sample == EVERY:
            return samples.axis == "rows"
        if inner.letter == "b" and samples.axis == "rows" and not samples.capitals:
            return True  # one that NumPy adds to each row
        return self.notation.rows

    def _of_samples(self, typed: Scripted, node: Node) -> Node:
        """A quantity as that of its sample, or of all samples."""
        sample = self.sample(typed.sample, typed.token.place)
        if sample is None and isinstance(node, Array) and typed.token.text in self.batches:
            sample = EVERY
        if sample is None or not isinstance(node, (Element, Array)):
            return node
        if node.letter == "delta":
            return self.error(replace(node, letter="a", sample=sample))
        return replace(node, sample=sample)

    def _instance(self, typed: Scripted, letter: str, general: Node) -> Node:
        """s_2 or s_j, where the page says what s_i is."""
        index = self.index(list(typed.below or ()), typed.token.place)
        found = reindexed(general, {letter: index})
        if isinstance(found, Element) and not self._exists(found.letter, found.indices):
            raise NotRead(f"there is no {typed}", typed.token.place)
        return found

    def output(self) -> Node:
        """The output of the network, however the page calls it."""
        if self._width("yhat") == 1:
            return Element("yhat", (Index("", 1),))
        return Transpose(Array("yhat")) if self.notation.rows else Array("yhat")

    def _kronecker(self, typed: Scripted) -> Node | None:
        """δ_ij where an error has one index: 1 for i = j, else 0."""
        if self.notation.layer != "nowhere" or typed.layer is not None or typed.below is None:
            return None
        found = self.indices(typed.below, typed.token.place)
        if len(found) != 2:
            return None
        first, second = map(Letter, found)
        return Indicator(Comparison(first, "=", second))

    def _named(self, typed: Scripted) -> Named:
        text, place = typed.token.text, typed.token.place
        if len(text) > LONGEST_NAME:
            raise NotRead(f"{text} is no name of the network", place)
        if typed.layer is not None:
            raise NotRead(f"{text} has no layer", place)
        return Named(text, () if typed.below is None else self.indices(typed.below, place))

    def is_complete(self, typed: Scripted) -> bool:
        """Whether a letter has all the indices of an element below already."""
        meaning = self.meaning(typed.token.text)
        try:
            found = list(self._readings(Scripted(typed.token, typed.below), meaning, ()))
        except NotRead:
            return False
        return any(isinstance(node, Element) and node.indices[0].is_number for node in found)

    def _looked_up(self, typed: Scripted, meaning: str) -> Element | Array:
        """The one element or array of the network that is meant."""
        text, place = typed.token.text, typed.token.place
        layered = meaning in LAYERED
        if layered and typed.layer is None and self.notation.layer == "superscript":
            raise NotRead(f"{text} has no layer above it, as {self.notation.name} writes it", place)
        head = self._head(typed, meaning)
        if self._is_numbered(typed, meaning):
            typed = replace(typed, below=None)
        found = list(dict.fromkeys(self._readings(typed, meaning, head)))
        if len(found) == 1:
            return found[0]
        if found:
            ways = " or ".join(map(_spelled, found))
            raise NotRead(f"{typed} has {len(found)} readings: {ways}", place,
                          "separate the indices by commas")  # fmt: skip
        if typed.below is None and not head and layered:
            raise NotRead(f"{typed} names no layer", place, f"write {typed}_1 for layer 1")
        if not layered:
            width = self._width(meaning)
            raise NotRead(f"there is no {typed}; its indices go from 1 to {width}", place)
        form = {"w": "w_kij", "b": "b_ki", "a": "a_ki", "h": "h_ki", "delta": "δ_ki"}[meaning]
        sizes = ", ".join(map(str, self.scope.widths))
        raise NotRead(
            f"there is no {typed}: {form} has the layer k = 1…{self.scope.depth} and neurons "
            f"within the widths {sizes}",
            place,
        )

    def _is_numbered(self, typed: Scripted, meaning: str) -> bool:
        """Whether a number below is the layer of a whole array, as in z_2."""
        below = typed.below or ()
        return (
            self.notation.numbered
            and meaning in LAYERED
            and len(below) == 1
            and below[0].kind == "number"
        )

    def _head(self, typed: Scripted, meaning: str) -> tuple[Index, ...]:
        """The layer of a quantity where something else than its first index says it; else ()."""
        if typed.layer is not None:
            found = self.index(typed.layer, typed.token.place, layer=True)
            later = self.notation.weights_lead_on and meaning in ("w", "b")
            return (Index(found.letter, found.offset + later),)
        if typed.token.text in self.placed:
            return (self.placed[typed.token.text],)
        if self._is_numbered(typed, meaning):
            return (self.index(typed.below or (), typed.token.place, layer=True),)
        if meaning not in LAYERED or self.notation.layer != "nowhere":
            return ()
        if self.scope.depth == 1:
            return (Index("", 1),)
        into_first = self.notation.weight_order == "into,from"
        counted = spelled(typed.below or ())
        names = [text for text in counted if text in self.layers]
        if not names:
            raise NotRead(f"nothing says which layer {typed} is of", typed.token.place,
                          "write the layer, as in a^{(2)}_1, or letters that tell it")  # fmt: skip
        layer = self.layers[names[0]]
        if meaning == "w" and (counted[0] == names[0]) != into_first:
            layer = Index(layer.letter, layer.offset + 1)
        return (layer,)

    def _readings(
        self, typed: Scripted, meaning: str, head: tuple[Index, ...]
    ) -> Iterator[Element | Array]:
        """The elements and arrays that a letter with these indices can be."""
        notation, layered = self.notation, meaning in LAYERED
        leads = layered and not head
        one_bias = meaning == "b" and set(self.scope.biases) == {0}
        wanted = 1 if one_bias else _ELEMENT_INDICES[meaning]
        for found in (
            *self._splits(typed.below, wanted - len(head), leads=leads),
            *self._only_index(typed.below, meaning, head),
        ):
            indices = (*head, *found)
            if meaning == "w" and notation.weight_order != "into,from":
                layer, first, second = indices
                indices = (layer, second, first)
            if self._exists(meaning, indices):
                letter = self._renamed(meaning, indices[0])
                yield Element(letter, indices if letter == meaning else indices[1:])
        capital = typed.token.text == notation.weight.upper()
        above = notation.layer != "subscript"
        scalars_only = meaning == "w" and not capital and not above
        if scalars_only or (layered and wanted == 1):
            return
        for found in self._splits(typed.below, int(layered) - len(head), leads=leads):
            array = self._array(typed, meaning, *head, *found)
            if array is not None:
                yield array

    def _only_index(
        self, tokens: Sequence[Token] | None, meaning: str, head: tuple[Index, ...]
    ) -> Iterator[tuple[Index, ...]]:
        """Both indices of w_j, a weight of the only neuron, and of w_i, that of the only input."""
        if meaning != "w" or self.notation.layer != "nowhere" or not head[0].is_number:
            return
        one, (found, *others) = Index("", 1), [*self._splits(tokens, 1, leads=False), ()][:1]
        if not found or others:
            return
        into, source = self.scope.widths[head[0].offset], self.scope.widths[head[0].offset - 1]
        pair = (one, *found) if into == 1 else (*found, one) if source == 1 else ()
        if pair:
            yield pair if self.notation.weight_order == "into,from" else pair[::-1]

    def _splits(
        self, tokens: Sequence[Token] | None, wanted: int, *, leads: bool
    ) -> Iterator[tuple[Index, ...]]:
        """The ways to take a subscript for ``wanted`` indices; the first is a layer if it leads."""
        if not tokens or wanted <= 0:
            if tokens is None and wanted == 0:
                yield ()
            return
        listed: list[Sequence[Token]] = []  # by commas or spaces, or a single one
        if any(token.kind == "," for token in tokens):
            listed = _at_commas(tokens)
        elif any(token.kind in ("+", "-") for token in tokens):
            listed = [tokens]
        elif len(tokens) > 1 and all(token.spaced for token in tokens[1:]):
            listed = [[token] for token in tokens]
        if listed:
            if len(listed) == wanted:
                place = tokens[0].place
                yield tuple(
                    self.index(part, place, layer=leads and k == 0) for k, part in enumerate(listed)
                )
            return
        units = self._units(tokens)
        if sum(len(unit) if isinstance(unit, str) else 1 for unit in units) > 12:
            return
        for cut in cuts(units, wanted):
            yield tuple(
                unit
                if isinstance(unit, Index)
                else Index("", int(unit) + self._shift(layer=leads and k == 0))
                for k, unit in enumerate(cut)
            )

    def _width(self, meaning: str) -> int | str:
        """How many x, y or ŷ there are."""
        return self.scope.widths[0 if meaning == "x" else -1]

    def _exists(self, meaning: str, indices: tuple[Index, ...]) -> bool:
        """Whether numbers among the indices are within the network."""
        if meaning not in LAYERED:
            return _within(indices[0], self._width(meaning))
        layer, rest = indices[0], indices[1:]
        if not layer.is_number:
            return all(not index.is_number or index.offset >= 1 for index in rest)
        if not self._has_layer(meaning, layer):
            return False
        widths = [self.scope.widths[layer.offset], self.scope.widths[layer.offset - 1]]
        return all(itertools.starmap(_within, zip(rest, widths, strict=False)))

    def _has_layer(self, meaning: str, layer: Index) -> bool:
        first = 0 if meaning == "h" else 1
        return not layer.is_number or first <= layer.offset <= self.scope.depth

    def _renamed(self, meaning: str, layer: Index) -> str:
        """x for h of layer 0, and ŷ for that of the last layer."""
        if meaning != "h" or not layer.is_number:
            return meaning
        return {0: "x", self.scope.depth: "yhat"}.get(layer.offset, "h")

    def _array(
        self, typed: Scripted, meaning: str, layer: Index | None = None
    ) -> Element | Array | None:
        """The whole quantity of a layer; of one neuron alone its element."""
        if layer is not None and not self._has_layer(meaning, layer):
            return None
        if layer is not None:
            meaning = self._renamed(meaning, layer)
        single = layer is not None and typed.token.text not in self.batches
        if meaning in LAYERED and layer and single and (one := self._single(meaning, layer)):
            return one
        if meaning in LAYERED:
            return Array("W" if meaning == "w" else meaning, layer)
        alone = self._width(meaning) == 1 and typed.token.text not in self.batches
        return Element(meaning, (Index("", 1),)) if alone else Array(meaning)

    def _single(self, meaning: str, layer: Index) -> Element | None:
        """The element of a layer of one neuron, w if it has one weight, where it stands above."""
        if self.notation.layer == "subscript" or not layer.is_number:
            return None
        widths = self.scope.widths
        sizes = [widths[layer.offset], widths[layer.offset - 1] if meaning == "w" else 1]
        if set(sizes) != {1}:
            return None
        one_bias = meaning == "b" and set(self.scope.biases) == {0}
        ones = (Index("", 1),) * (2 if meaning == "w" else 1 - one_bias)
        return Element(meaning, (layer, *ones))

    # ------------------------------------------------------------------------------------ sums

    def check_width(self, node: Sum, above: Sequence[Token], place: Place) -> None:
        """Whether a limit n_k is the width of the layer that the sum's letter numbers."""
        inner = [token for token in above[2:] if token.kind not in ("{", "}")]
        named = f"{above[0].text}_{''.join(token.text for token in inner)}"
        if named in self.scope.widths:  # the file's own name of a width
            said = Index("", self.scope.widths.index(named))
        else:
            said = self.index(inner, place, layer=True)
        layer = self._numbered_layer(node)
        if layer is not None and layer != said:
            raise NotRead(
                f"the sum over {node.letter} ends at the width of another layer than it runs over",
                place,
            )

    def _numbered_layer(self, node: Sum) -> Index | None:
        """The layer whose neurons a sum's letter numbers, from the first place where it stands."""
        for part in walk(node.body):
            for position, index in enumerate(part.indices if isinstance(part, Element) else ()):
                if index.letter != node.letter or not isinstance(part, Element):
                    continue
                if part.letter in ("x", "y", "yhat"):
                    return Index("", 0 if part.letter == "x" else self.scope.depth)
                if part.letter in LAYERED and position:
                    back = part.letter == "w" and position == 2
                    layer = part.indices[0]
                    return Index(layer.letter, layer.offset - back)
        return None


# ------------------------------------------------------------------------------------- helpers


def _has_number_below(tokens: Sequence[Token]) -> bool:
    """Whether a number stands below and an argument, or a prime, right behind it: f_2(z_2)."""
    kinds = [token.kind for token in tokens[:5]]
    behind = 4 if kinds[1:2] == ["{"] else 2
    number = kinds[:behind] in (["_", "number"], ["_", "{", "number", "}"])
    return number and kinds[behind : behind + 1] in (["("], ["'"], ["^"])


def _has_layer_above(tokens: Sequence[Token]) -> bool:
    """Whether a layer in brackets, perhaps with a prime, and an argument follow: g^{[1]'}(Z)."""
    kinds = [token.kind for token in tokens[:9] if token.kind not in ("{", "}")]
    if kinds[:2] != ["^", "["] or "]" not in kinds:
        return False
    rest = [kind for kind in kinds[kinds.index("]") + 1 :] if kind not in (*PRIMES, "^")]
    return rest[:1] == ["("]


def is_of_unit(tokens: Sequence[Token]) -> bool:
    """Whether a letter stands below, and an argument close behind: φ_j'(v_j), f_k(a_k)."""
    kinds = [token.kind for token in tokens[:7] if token.kind not in ("{", "}")]
    named = kinds[:2] == ["_", "name"]
    rest = [kind for kind in kinds[2:] if kind not in (*PRIMES, "^")]
    return named and rest[:1] == ["("]


def spelled(tokens: Sequence[Token]) -> list[str]:
    """The indices in a subscript, letters that are typed close together one by one: w_kj."""
    return [
        unit
        for token in tokens
        if token.kind in ("name", "number")
        for unit in (token.text if token.kind == "name" and token.text != "ell" else (token.text,))
    ]


def is_total(tokens: Sequence[Token]) -> bool:
    """Whether a subscript is the word "total"."""
    return "".join(token.text for token in tokens if token.kind not in "{}") in ("total", "tot")


def _flat(name: str) -> str:
    return name.replace("_", "")


def _offset(tokens: Sequence[Token]) -> int:
    """What is added to the first of the tokens, as in k-1."""
    if len(tokens) == 1:
        return 0
    if len(tokens) == 3 and tokens[1].kind in ("+", "-") and tokens[2].text.isdigit():
        return int(tokens[2].text) * (1 if tokens[1].kind == "+" else -1)
    raise NotRead("an index is a letter or a number, or a letter and an offset", tokens[0].place,
                  "separate indices by commas")  # fmt: skip


def _at_commas(tokens: Sequence[Token]) -> list[Sequence[Token]]:
    """The stretches between commas, those in brackets among them."""
    commas = [k for k, token in enumerate(tokens) if token.kind == ","]
    edges = itertools.pairwise((-1, *commas, len(tokens)))
    return [tokens[before + 1 : behind] for before, behind in edges]


def _within(index: Index, width: int | str) -> bool:
    largest = LARGEST_INDEX if isinstance(width, str) else width
    return not index.is_number or 1 <= index.offset <= largest


def _spelled(node: Element | Array) -> str:
    if isinstance(node, Array):
        return f"{node.letter}_{node.layer.offset}" if node.layer is not None else node.letter
    numbers = ",".join(index.letter or str(index.offset) for index in node.indices)
    return f"{node.letter}_{{{numbers}}}"
