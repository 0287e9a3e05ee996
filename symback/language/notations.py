"""How a page writes things: the letters, the order of indices and the place of the layer.

`NOTATIONS` holds the lectures' way and those of four well-known texts; `notation` finds one by
name, or reads a small TOML file of one's own:

    base = "nielsen"          # optional; what is not said is taken from there
    preactivation = "z"       # letters, or names of Greek ones: preactivation, activation, weight,
    activation = "a"          #   bias, output, target, input, error, loss, function
    layer = "superscript"     # w^k_{ij}; "subscript" w_{kij}, "bracketed" w^{(k)}_{ij}
    weight_order = "into,from"  # or "from,into"
    first_index = 1           # or 0, of the neurons
    input_layer = 0           # or 1, where the inputs are layer 1
    output_is_activation = true   # the outputs are a^L, no letter of their own
    rows = false              # true: a layer is a row and W is (in, out), as in x @ W

Sources: M. Nielsen, *Neural Networks and Deep Learning* (2015), ch. 2; C. Bishop, *Pattern
Recognition and Machine Learning* (2006), ch. 5; Goodfellow, Bengio and Courville, *Deep Learning*
(2016), ch. 6; Stanford CS231n, course notes and assignments 1 and 2 (W is (in, out), scores,
probs).
"""

from __future__ import annotations

import string
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path

from symback.language import files
from symback.language.errors import SymbackError, did_you_mean, printable
from symback.language.names import pack
from symback.language.writing import Lettering, Spelling

__all__ = ["GREEK", "GREEK_NAMES", "NOTATIONS", "Notation", "UnknownNotation", "notation"]

LARGEST_FILE = 20_000

GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
    "upsilon phi chi psi omega"
).split()
"""The small letters, in the order of the alphabet."""
GREEK_NAMES = {*GREEK, "Delta", "Gamma", "Theta", "Lambda", "Phi", "Psi", "Omega", "ell"}
"""Names of letters as commands of LaTeX have them."""


class UnknownNotation(SymbackError):
    """A notation that does not exist, or a file that does not describe one."""


@dataclass(frozen=True, slots=True)
class Notation:
    """A page's way of writing.  Letters are as typed in text; yhat is ŷ.

    ``layer``: "subscript" (w_{kij}; a layer in brackets above is understood too), "bracketed"
    (w^{(k)}_{ij}) or "superscript" (w^k_{ij}).  ``words`` are whole names, as in code: scores.
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

    @property
    def letters(self) -> dict[str, str]:
        """The page's letters and the lectures' for them; w also in capitals."""
        found = {
            self.input: "x", self.target: "y", self.output: "yhat", self.error: "delta",
            self.bias: "b", self.activation: "h", self.preactivation: "a", self.weight: "w",
            self.weight.upper(): "w",
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
        if self.first_index != 1:
            raise UnknownNotation(
                f"sheets count neurons from 1; {self.name} has first_index = {self.first_index}"
            )
        loss = rf"\mathscr{{{self.loss}}}" if self.loss == "L" else self.loss
        loss = rf"\{loss}" if loss in GREEK_NAMES else loss

        backwards = {meaning: letter for letter, meaning in self.letters.items()}
        backwards |= {"w": self.weight, "W": self.weight.upper()}

        def spelled(letter: str, indices: tuple[str, ...]) -> Spelling:
            """A quantity of the lectures, the layer first among its indices, as it is written."""
            if letter == "yhat" and self.output_is_activation:
                letter, indices = "h", (str(layers), *indices)
            elif letter == "b" and one_bias:
                indices = ("".join(indices),)
            written = backwards.get(letter, letter)
            if letter not in _LAYERED or not indices:
                return Spelling(written, pack(indices))
            layer, *rest = indices
            layer = str(int(layer) + self.input_layer) if layer.isdigit() else layer
            rest = rest[::-1] if self.weight_order == "from,into" else rest
            if self.layer == "subscript":
                return Spelling(written, pack((layer, *rest)))
            return Spelling(
                written, pack(rest), f"({layer})" if self.layer == "bracketed" else layer
            )

        name = "" if self == _LECTURES else self.name
        return Lettering(loss, self.loss, spelled=spelled, input_layer=self.input_layer, name=name)


_LAYERED = frozenset("wWbah")
"""The letters of the lectures whose first index is the layer."""

_LECTURES = Notation()
NOTATIONS: dict[str, Notation] = {
    each.name: each
    for each in (
        _LECTURES,
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
            "cs231n", preactivation="z", rows=True,
            words=(("scores", "a"), ("probs", "yhat"), ("hidden_layer", "h1"), ("hidden", "h1"),
                   ("X", "x"), ("loss", "L")),
        ),
    )
}  # fmt: skip

_LETTERS = (
    "preactivation", "activation", "weight", "bias", "output", "target", "input", "error", "loss",
    "function",
)  # fmt: skip
_NAMES = frozenset((*string.ascii_letters, *GREEK_NAMES, "yhat"))
"""What may stand for a quantity: it is printed as TeX, as HTML and on terminals."""


def notation(name: str | Path) -> Notation:
    """The notation called ``name``, or the one that a TOML file describes.

    Raises `UnknownNotation`.

    >>> notation("nielsen").preactivation
    'z'
    >>> notation("nielson")
    Traceback (most recent call last):
    symback.language.notations.UnknownNotation: there is no notation nielson; did you mean \
"nielsen"? There are lectures, nielsen, bishop, goodfellow, cs231n, or a file ending in .toml
    """
    text = str(name)
    if text in NOTATIONS:
        return NOTATIONS[text]
    if text.endswith(".toml"):
        return _from_file(Path(text))
    hint = did_you_mean(text, NOTATIONS)
    raise UnknownNotation(
        f"there is no notation {printable(text)}{hint or '.'} "
        f"There are {', '.join(NOTATIONS)}, or a file ending in .toml"
    )


def _from_file(path: Path) -> Notation:
    place = printable(str(path), 200)

    def refused(reason: str) -> UnknownNotation:
        return UnknownNotation(f"{place}: {reason}")

    try:
        said = tomllib.loads(files.content(path, LARGEST_FILE).decode("utf-8"))
    except files.CannotRead as error:
        raise refused(error.message) from None
    except RecursionError:
        raise refused("the file's brackets are nested too deeply") from None
    except ValueError as error:  # TOML's, UTF-8's, and that of a number without end
        raise refused(f"not TOML: {printable(str(error))}") from None
    wanted = said.pop("base", "lectures")
    base = NOTATIONS.get(wanted) if isinstance(wanted, str) else None
    if base is None:
        raise refused(f"base must be one of {', '.join(NOTATIONS)}")
    kinds = {each.name: type(getattr(base, each.name)) for each in fields(base)}
    kinds = {key: kind for key, kind in kinds.items() if key not in ("words", "name")}
    for key, value in said.items():
        if key not in kinds:
            raise refused(f"there is no key {printable(key)}{did_you_mean(key, kinds)}")
        if type(value) is not kinds[key]:
            raise refused(f"{key} must be a {kinds[key].__name__}")
    made = replace(base, name=printable(path.stem), **said)
    if made.layer not in ("subscript", "bracketed", "superscript"):
        raise refused("layer must be one of subscript, bracketed, superscript")
    if made.weight_order not in ("into,from", "from,into"):
        raise refused("weight_order must be one of into,from or from,into")
    if not {made.first_index, made.input_layer} <= {0, 1}:
        raise refused("first_index and input_layer must be 0 or 1")
    for key in _LETTERS:
        letter = getattr(made, key)
        if letter not in _NAMES and not (key == "output" and not letter):
            raise refused(
                f"{key} must be a letter or the name of a Greek one, such as z or delta; "
                f"{printable(repr(letter))} is neither"
            )
    apart = [getattr(made, key) for key in _LETTERS[:7] if key != "output"]
    if len(set(apart)) < len(apart):
        raise refused("two quantities have the same letter")
    return made
