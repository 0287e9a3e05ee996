"""What the letters of a page mean in one network: `Symbols` looks up a letter with its indices.

Packed indices are split with the sizes of the network, w_{2112} is refused where two splits fit; a
number beyond the last neuron is refused with the range there is.  A letter that the network does
not have is a name of the page's own (`Named`), which the page must define somewhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from symback.checking.lexing import FUNCTIONS, NotRead, Place, Token
from symback.checking.meaning import Scope
from symback.language.expressions import (
    ELL,
    LAYERED,
    LOSS,
    Array,
    Call,
    Element,
    Index,
    Named,
    Node,
    OneHot,
    Sum,
    Transpose,
    walk,
)
from symback.language.notations import Notation

__all__ = ["Script", "Symbols", "numbered_layer"]

LARGEST_INDEX = 20
"""Of a neuron in a layer whose width is a symbol: a page there names the first few neurons."""

_ELEMENT_INDICES = {"w": 3, "b": 2, "a": 2, "h": 2, "delta": 2, "x": 1, "y": 1, "yhat": 1}
_LAYERS = ("k", "l", "ell", "L")
"""Letters that number layers, where others may number samples."""
_GENERIC = ("g", "f", "phi", "psi", "varphi")
_WORDS_FOR_RATE = ("alpha", "lr", "learning_rate", "epsilon", "mu", "gamma", "lambda")


@dataclass(slots=True)
class Script:
    """A letter and what stands below and above it."""

    token: Token
    below: list[Token] | None = None
    layer: list[Token] | None = None

    def add_below(self, tokens: list[Token]) -> None:
        """Another subscript: a_1_3 is a_{1,3}."""
        if self.below is None:
            self.below = tokens
        else:
            place = tokens[0] if tokens else self.token
            comma = Token(",", ",", place.place, place.start, place.start)
            self.below = [*self.below, comma, *tokens]

    def add_above(self, tokens: list[Token], symbols: Symbols) -> bool:
        """Take ``tokens`` as the layer; False where they are a power or a transpose."""
        word = "".join(token.text for token in tokens)
        if word in ("new", "old"):
            symbols.stepping |= word == "new"
            return True
        if symbols.meaning(self.token.text) not in LAYERED:
            return False
        bracketed = (
            len(tokens) > 2 and tokens[0].kind in ("(", "[") and tokens[-1].kind in (")", "]")
        )
        inner = tokens[1:-1] if bracketed else tokens
        if not symbols.is_index(inner, number=True):
            return False
        if symbols.scope.is_batch and bracketed and inner[0].text not in _LAYERS:
            why = "what stands above in brackets may be a sample or a layer"
            raise NotRead(why, tokens[0].place, "write the line for one sample, without its number")
        last = len(inner) == 1 and inner[0].text == "L"
        if not bracketed and not last and symbols.notation.layer != "superscript":
            return False
        if self.layer is not None:
            return False
        subscripts = symbols.notation.layer == "subscript"
        if bracketed and subscripts and self.below is not None and symbols.is_complete(self):
            raise NotRead(
                "what stands above in brackets may be a layer or a power", tokens[0].place,
                "write the layer below, as in h_{12}^2, or the neuron alone, as in h^{(1)}_2",
            )  # fmt: skip
        self.layer = inner
        return True


class Symbols:
    """The letters of one page."""

    def __init__(self, scope: Scope, notation: Notation, *, latex: bool) -> None:
        self.scope, self.notation, self.latex = scope, notation, latex
        self.letters = notation.letters if scope.is_network else {}
        self.words = dict(notation.words) if scope.is_network else {}
        self.names = {_flat(name): name for name in (*scope.stages, *scope.leaves)}
        self.own_functions = tuple(filter(self._is_own_function, scope.activations))
        """Names of activations that the lexer would take apart, such as swish2 and leaky_relu."""
        self.defined: set[str] = set()
        self.places: dict[Named, list[Place]] = {}
        """Where names of the page's own stand."""
        self.updating = False
        self.stepping = False
        """Whether a quantity with "new" above it was read: the line is a step."""
        self.own_errors = False
        """Whether the page calls something of its own δ_i, with one index."""
        self.uncertain: list[Element] = []
        """δ_{ij} read so far that may be Kronecker's."""

    # ------------------------------------------------------------------------------- words

    def meaning(self, text: str) -> str:
        """The lectures' letter for one of the page, or ""."""
        return self.letters.get(text, "")

    def means_quantity(self, text: str) -> bool:
        """Whether the letter is a quantity of the network."""
        return text in self.letters or text in self.words

    def _is_own_function(self, name: str) -> bool:
        """Whether an activation is none of the usual words, and no quantity's name, as h1 is."""
        usual = "_" not in name and name in {*FUNCTIONS, *FUNCTIONS.values()}
        return not usual and name.rstrip("0123456789") not in self.letters

    def is_defined(self, text: str) -> bool:
        """Whether the page defines the name itself."""
        return text in self.defined

    def takes_digits(self, text: str) -> bool:
        """Whether digits typed close to a name are its index."""
        return text not in FUNCTIONS and (text != "e" or self.is_defined("e"))

    def begins_quantity(self, text: str) -> bool:
        """Whether dX can be the differential of ``text``."""
        if not text:
            return False
        known = self.means_quantity(text) or text in ("L", "J", "C", "E", "yhat")
        joined = text[:1] in ("L", "J", "C", "E") and text[1:2] == "d"
        return (
            known
            or joined
            or _flat(text) in self.names
            or any(name.startswith(_flat(text)) for name in self.names)
        )

    def is_name(self, tokens: Sequence[Token], position: int) -> bool:
        """Whether the name at ``position`` is one of an [equations] file, or of the page."""
        text = tokens[position].text
        return _flat(text) in self.names or text in self.defined

    def is_run_of_names(self, text: str) -> bool:
        """Whether a word of an [equations] page is a product of names of one letter."""
        known = _flat(text) in self.names or text in FUNCTIONS or text in self.defined
        return not known and bool(self.names) and all(letter in self.names for letter in text)

    def function(self, text: str, tokens: Sequence[Token], position: int) -> str | None:
        """The function that a name stands for where it is followed by an argument."""
        if text in self.names or text in self.defined:
            return None
        following = tokens[position + 1] if position + 1 < len(tokens) else None
        kind = "" if following is None else following.kind
        if text in self.own_functions:
            return text
        if text == "sum" or (text in FUNCTIONS and text != "id"):
            return "sum" if text == "sum" else FUNCTIONS[text]
        applied = kind in ("(", "'", "''", "[") or (kind == "^" and text in ("sigma",))
        prime_above = kind == "^" and _prime_follows(tokens, position + 2)
        if text == "sigma" and (applied or prime_above or kind == "{"):
            return "g" if self.notation.generic_sigma else "sigmoid"
        if text == "O" and kind == "(":
            return "O"
        generic = text == self.notation.function or (text in _GENERIC and text not in self.letters)
        if generic and (kind in ("(", "'", "''") or prime_above):
            return "g"
        if text == "g" and (self._code_prime(tokens, position) or self._lowered(tokens, position)):
            return "g"
        return None

    @staticmethod
    def _code_prime(tokens: Sequence[Token], position: int) -> bool:
        """g1_prime, g_prime."""
        return any(token.text == "prime" for token in tokens[position + 1 : position + 4])

    @staticmethod
    def _lowered(tokens: Sequence[Token], position: int) -> bool:
        """g_1(a_1), g_1'(a_1)."""
        kinds = [token.kind for token in tokens[position + 1 : position + 8]]
        return kinds[:1] == ["_"] and any(kind in ("(", "'") for kind in kinds[1:])

    # ------------------------------------------------------------------------------ indices

    def names_output(self, tokens: Sequence[Token], position: int) -> bool:
        """Whether a letter is the whole output: Nielsen's ∇_a C is the gradient by a^L."""
        following = tokens[position + 1] if position + 1 < len(tokens) else None
        alone = following is None or following.kind not in ("_", "^")
        own = self.notation.output_is_activation and self.notation.activation
        return alone and position < len(tokens) and tokens[position].text == own

    def is_index(self, tokens: Sequence[Token], *, number: bool = False) -> bool:
        """Whether tokens are one index: a letter, a letter and an offset, a number if allowed."""
        if len(tokens) == 1:
            token = tokens[0]
            letter = token.kind == "name" and (len(token.text) == 1 or token.text == "ell")
            known = self.meaning(token.text) and token.text not in ("L",)
            return (letter and not known) or (number and token.kind == "number")
        return (
            len(tokens) == 3
            and self.is_index(tokens[:1], number=number)
            and tokens[1].kind in ("+", "-")
            and tokens[2].text.isdigit()
        ) or (len(tokens) == 2 and self.is_index(tokens[:1]) and tokens[1].kind in ("'", "''"))

    def index(self, tokens: Sequence[Token], place: Place, *, layer: bool = False) -> Index:
        """One index; numbers are moved where the page counts from 0."""
        if not tokens:
            raise NotRead("an index is missing", place)
        first = tokens[0]
        if not self.is_index(tokens, number=True) and first.kind != "name":
            raise NotRead(f"{first.text} is no index", first.place)
        if first.kind == "number":
            if not first.text.isdigit() or len(first.text) > 6:
                raise NotRead(f"{first.text} is no index", first.place)
            offset = int(first.text) + self._shift(layer=layer)
            return Index("", offset + self._offset(tokens[1:], first))
        if first.text == "L" and self.scope.is_network:
            return Index("", self.scope.depth + self._offset(tokens[1:], first))
        letter = ELL if first.text == "ell" else first.text
        if len(letter) > 1 or (self.meaning(letter) and not layer and letter not in "hnk"):
            raise NotRead(f"{first.text} is no index", first.place)
        if len(tokens) == 2:
            return Index(letter + "'" * len(tokens[1].kind))
        return Index(letter, self._offset(tokens[1:], first))

    def _offset(self, tokens: Sequence[Token], first: Token) -> int:
        if not tokens:
            return 0
        if len(tokens) == 2 and tokens[0].kind in ("+", "-") and tokens[1].text.isdigit():
            return int(tokens[1].text) * (1 if tokens[0].kind == "+" else -1)
        raise NotRead("an index is a letter or a number, or a letter and an offset", first.place,
                      "separate indices by commas")  # fmt: skip

    def _shift(self, *, layer: bool) -> int:
        if layer:
            return -self.notation.input_layer
        return 1 - self.notation.first_index

    def indices(self, tokens: Sequence[Token], place: Place) -> tuple[Index, ...]:
        """All indices of a name of the page, or of a component; each digit is one."""
        if not tokens:
            raise NotRead("an index is missing", place)
        if any(token.kind == "," for token in tokens):
            return tuple(self.index(part, place) for part in _commas(tokens))
        if self.is_index(tokens, number=True) and len(tokens[0].text) == 1:
            return (self.index(tokens, place),)
        units = self._units(tokens)
        return tuple(
            unit if isinstance(unit, Index) else Index("", int(digit) + self._shift(layer=False))
            for unit in units
            for digit in (unit if isinstance(unit, str) else "?")
        )

    def _units(self, tokens: Sequence[Token]) -> list[str | Index]:
        """Packed indices: runs of digits, and letters."""
        units: list[str | Index] = []
        for token in tokens:
            if token.kind == "number" and token.text.isdigit():
                units.append(token.text)
            elif token.kind == "name":
                units += self._letters_of(token)
            elif token.kind == "'" and units and isinstance(units[-1], Index):
                units[-1] = Index(units[-1].letter + "'", units[-1].offset)
            else:
                raise NotRead(f"{token.text} is not understood among indices", token.place,
                              "separate indices by commas, as in h_{k-1,j}")  # fmt: skip
        return units

    def _letters_of(self, token: Token) -> list[str | Index]:
        text = token.text
        if text == "ell":
            return [Index(ELL)]
        if len(text) > 4 or not text.isalpha():
            raise NotRead(f"{text} is no index", token.place)
        return [
            Index("", self.scope.depth) if mark == "L" and self.scope.is_network else Index(mark)
            for mark in text
        ]

    # --------------------------------------------------------------------------- quantities

    def quantity(self, script: Script) -> Node:
        """What a letter with its scripts is."""
        text = script.token.text
        if not self.scope.is_network:
            return self._stage(script)
        if text in ("e", "ehat") and script.below is not None and not self.is_defined("e"):
            return OneHot(self._class_index(script))
        if text == "eta" or (self.updating and text in _WORDS_FOR_RATE):
            return Element("eta")
        if text == "pi" and script.below is None:
            return Call("pi", ())
        if text in self.words and script.below is None:
            return self._laid_out(self._word(self.words[text]))
        meaning = self.meaning(text)
        if meaning == "delta" and self.own_errors and self._has_one_index(script):
            return self._named(script)
        if not meaning or (self.is_defined(text) and text not in self.letters):
            return self._named(script)
        return self._laid_out(self._looked_up(script, meaning))

    def _laid_out(self, node: Node) -> Node:
        """An array as the page lays it out: a row, and W as (in, out), are symback's transposed."""
        return Transpose(node) if self.notation.rows and isinstance(node, Array) else node

    def _has_one_index(self, script: Script) -> bool:
        below = script.below or []
        return script.layer is None and len(below) == 1 and len(below[0].text) == 1

    def _stage(self, script: Script) -> Node:
        below = "" if script.below is None else "".join(t.text for t in script.below)
        name = self.names.get(_flat(script.token.text + below))
        if name is not None:
            return Element(name)
        if script.token.text == "pi":
            return Call("pi", ())
        if script.token.text == "eta":
            return Element("eta")
        return self._named(script)

    def _named(self, script: Script) -> Node:
        text = script.token.text
        if len(text) > 12:
            raise NotRead(f"{text} is no name of the network", script.token.place)
        if script.layer is not None:
            raise NotRead(f"{text} has no layer", script.token.place)
        below = () if script.below is None else self.indices(script.below, script.token.place)
        made = Named(text, below)
        self.places.setdefault(made, []).append(script.token.place)
        return made

    def _class_index(self, script: Script) -> Index:
        tokens = [t for t in script.below or [] if t.kind not in ("(", ")")]
        if len(tokens) == 1 and tokens[0].text in ("ell", "y", "l"):
            return Index(ELL)
        return self.index(tokens, script.token.place)

    def _word(self, meaning: str) -> Node:
        if meaning == "a":
            return Array("a", Index("", self.scope.depth))
        if meaning == "h1":
            return Array("h", Index("", 1))
        return LOSS if meaning == "L" else Array(meaning)

    def is_complete(self, script: Script) -> bool:
        """Whether a letter has all the indices of an element below already."""
        plain = Script(script.token, script.below)
        try:
            found = list(self._readings(plain, self.meaning(script.token.text), ()))
        except NotRead:
            return False
        return any(isinstance(node, Element) and node.indices[0].is_number for node in found)

    def _looked_up(self, script: Script, meaning: str) -> Node:
        token = script.token
        layered = meaning in LAYERED
        if layered and script.layer is None and self.notation.layer == "superscript":
            raise NotRead(f"{token.text} has no layer above it, as {self.notation.name} writes it",
                          token.place)  # fmt: skip
        head = () if script.layer is None else (self.index(script.layer, token.place, layer=True),)
        found = list(dict.fromkeys(self._readings(script, meaning, head)))
        if len(found) == 1:
            return found[0]
        if found:
            ways = " or ".join(_spelled(node) for node in found)
            raise NotRead(f"{self._typed(script)} has {len(found)} readings: {ways}", token.place,
                          "separate the indices by commas")  # fmt: skip
        raise self._no_such(script, meaning, head)

    def _readings(
        self, script: Script, meaning: str, head: tuple[Index, ...]
    ) -> Iterator[Element | Array]:
        """The elements and arrays that a letter with these indices can be."""
        capital = script.token.text == self.notation.weight.upper() and meaning == "w"
        wanted = _ELEMENT_INDICES[meaning]
        if meaning == "b" and set(self.scope.biases) == {0}:
            wanted = 1
        for indices in self._splits(script.below, wanted - len(head), meaning, bool(head)):
            whole = (*head, *self._ordered(meaning, indices, bool(head)))
            if self._exists(meaning, whole):
                yield self._element(meaning, whole, script)
        if meaning == "w" and not capital and self.notation.layer != "superscript":
            return
        layered = meaning in LAYERED
        for indices in self._splits(script.below, int(layered) - len(head), meaning, bool(head)):
            whole = (*head, *indices)
            if wanted > 1 or not layered:
                yield from self._array(meaning, whole)

    def _ordered(
        self, meaning: str, indices: tuple[Index, ...], has_layer: bool
    ) -> tuple[Index, ...]:
        """Weights as w_{k,into,from}."""
        if meaning != "w" or self.notation.weight_order == "into,from":
            return indices
        *layer, first, second = indices
        return (*layer, second, first)

    def _splits(
        self, tokens: list[Token] | None, wanted: int, meaning: str, has_layer: bool
    ) -> Iterator[tuple[Index, ...]]:
        """The ways to take a subscript for ``wanted`` indices."""
        if not tokens or wanted <= 0:
            if tokens is None and wanted == 0:
                yield ()
            return
        place = tokens[0].place
        leads = meaning in LAYERED and not has_layer
        listed = self._listed(tokens)
        if listed is not None:
            if len(listed) == wanted:
                yield tuple(
                    self.index(part, place, layer=leads and k == 0) for k, part in enumerate(listed)
                )
            return
        units = self._units(tokens)
        for texts in _packed(units, wanted):
            yield tuple(
                unit
                if isinstance(unit, Index)
                else Index("", int(unit) + self._shift(layer=leads and k == 0))
                for k, unit in enumerate(texts)
            )

    def _listed(self, tokens: list[Token]) -> list[list[Token]] | None:
        """Indices that commas or spaces separate, or a single one; None where they are packed."""
        if any(token.kind == "," for token in tokens):
            return _commas(tokens)
        if any(token.kind in ("+", "-") for token in tokens):
            return [tokens]
        if len(tokens) > 1 and all(token.spaced for token in tokens[1:]):
            return [[token] for token in tokens]
        return None

    def _exists(self, meaning: str, indices: tuple[Index, ...]) -> bool:
        """Whether numbers among the indices are within the network."""
        if meaning not in LAYERED:
            width = self.scope.widths[0 if meaning == "x" else -1]
            return _within(indices[0], 1, width)
        layer, rest = indices[0], indices[1:]
        if not layer.is_number:
            return all(not index.is_number or index.offset >= 1 for index in rest)
        if not (0 if meaning == "h" else 1) <= layer.offset <= self.scope.depth:
            return False
        widths = [self.scope.widths[layer.offset], self.scope.widths[layer.offset - 1]]
        return all(_within(i, 1, width) for i, width in zip(rest, widths, strict=False))

    def _element(self, meaning: str, indices: tuple[Index, ...], script: Script) -> Element:
        made = Element(meaning, indices)
        if meaning == "h" and indices[0] == Index("", 0):
            made = Element("x", indices[1:])
        elif meaning == "h" and indices[0] == Index("", self.scope.depth):
            made = Element("yhat", indices[1:])
        if meaning == "delta" and not any(i.is_number for i in indices) and script.layer is None:
            self.uncertain.append(made)
        return made

    def _array(self, meaning: str, indices: tuple[Index, ...]) -> Iterator[Element | Array]:
        letter = "W" if meaning == "w" else meaning
        if meaning not in LAYERED:
            width = self.scope.widths[0 if meaning == "x" else -1]
            yield Element(meaning, (Index("", 1),)) if width == 1 else Array(meaning)
            return
        layer = indices[0]
        if layer.is_number and not (0 if meaning == "h" else 1) <= layer.offset <= self.scope.depth:
            return
        if meaning == "h" and layer == Index("", 0):
            yield from self._array("x", ())
        elif meaning == "h" and layer == Index("", self.scope.depth):
            yield from self._array("yhat", ())
        else:
            yield Array(letter, layer)

    # ------------------------------------------------------------------------------- refusals

    def _typed(self, script: Script) -> str:
        below = "" if script.below is None else "".join(token.text for token in script.below)
        above = "" if script.layer is None else "".join(token.text for token in script.layer)
        return script.token.text + (f"^({above})" if above else "") + (f"_{below}" if below else "")

    def _no_such(self, script: Script, meaning: str, head: tuple[Index, ...]) -> NotRead:
        typed, widths = self._typed(script), self.scope.widths
        given = script.token.place
        if script.below is None and not head and meaning in LAYERED:
            return NotRead(f"{typed} names no layer", given, f"write {typed}_1 for layer 1")
        if meaning not in LAYERED:
            width = widths[0 if meaning == "x" else -1]
            return NotRead(f"there is no {typed}; its indices go from 1 to {width}", given)
        form = {"w": "w_kij", "b": "b_ki", "a": "a_ki", "h": "h_ki", "delta": "δ_ki"}[meaning]
        sizes = ", ".join(str(width) for width in widths)
        return NotRead(
            f"there is no {typed}: {form} has the layer k = 1…{self.scope.depth} and neurons "
            f"within the widths {sizes}",
            given,
        )

    # ------------------------------------------------------------------------------------ sums

    def natural_width(self, node: Node, above: list[Token] | None, place: Place) -> Node:
        """Compare a limit n_k with the layer that the letter numbers."""
        if not above or len(above) < 3 or above[0].text not in ("n", "N", "m", "d"):
            return node
        assert isinstance(node, Sum)
        inner = [token for token in above[2:] if token.kind not in ("{", "}")]
        named = f"{above[0].text}_{''.join(token.text for token in inner)}"
        if named in self.scope.widths:  # the file's own name of a width
            said = Index("", self.scope.widths.index(named))
        else:
            said = self.index(inner, place, layer=True)
        layer = numbered_layer(node.letter, node.body, self.scope.depth)
        if layer is not None and layer != said:
            raise NotRead(
                f"the sum over {node.letter} ends at the width of another layer than it runs over",
                place,
            )
        return node


def _prime_follows(tokens: Sequence[Token], position: int) -> bool:
    inner = tokens[position : position + 2]
    return any(token.kind in ("'", "''") for token in inner)


def _flat(name: str) -> str:
    return name.replace("_", "")


def _commas(tokens: Sequence[Token]) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token.kind == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _packed(units: list[str | Index], wanted: int) -> Iterator[tuple[str | Index, ...]]:
    """Every way to cut the runs of digits so that there are ``wanted`` indices."""
    if sum(len(unit) if isinstance(unit, str) else 1 for unit in units) > 12:
        return
    ways = [list(_cuts(unit)) if isinstance(unit, str) else [(unit,)] for unit in units]
    for choice in itertools.product(*ways):
        flat = tuple(itertools.chain.from_iterable(choice))
        if len(flat) == wanted:
            yield flat


def _cuts(digits: str) -> Iterator[tuple[str, ...]]:
    """Every way to cut a run of digits into numbers without leading zeros."""
    if not digits:
        yield ()
    for end in range(1, len(digits) + 1):
        if end == 1 or digits[0] != "0":
            for rest in _cuts(digits[end:]):
                yield (digits[:end], *rest)


def _within(index: Index, low: int, width: int | str) -> bool:
    if not index.is_number:
        return True
    return low <= index.offset <= (LARGEST_INDEX if isinstance(width, str) else width)


def _spelled(node: Element | Array) -> str:
    if isinstance(node, Array):
        return f"{node.letter}_{node.layer.offset}" if node.layer is not None else node.letter
    numbers = ",".join(index.letter or str(index.offset) for index in node.indices)
    return f"{node.letter}_{{{numbers}}}"


def numbered_layer(letter: str, node: Node, depth: int) -> Index | None:
    """The layer whose neurons an index letter numbers, from the first place where it stands."""
    for part in walk(node):
        if not isinstance(part, Element):
            continue
        for position, index in enumerate(part.indices):
            if index.letter != letter:
                continue
            if part.letter in ("x", "y", "yhat"):
                return Index("", 0 if part.letter == "x" else depth)
            if part.letter in LAYERED and position:
                back = part.letter == "w" and position == 2
                layer = part.indices[0]
                return Index(layer.letter, layer.offset - back)
    return None
