"""What the names of arrays say: dW1, nabla_w_0, delta_output, fc1.weight.grad, dense/kernel.

Here one can

* read a name as its author typed it: `spelled` gives a `Spelled`, what kind of quantity it may be,
  whether a derivative by it, and where it stands (a number, from one layer to the next, a word such
  as hidden); None where it is no name of a backward pass.

Nothing here knows a network: which layer a number means is a matter of the whole file
(`symback.checking.array_conventions`).  A name is cut at capitals, digits and signs, what is left
is cut into the `VOCABULARY`, and what has a word that is none of it is not read: `vdW1` is a
momentum, `W1_old` no weight of this pass.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache


class Word(enum.Enum):
    """A kind of quantity; the last four are letters, which mean another kind in each file."""

    WEIGHT = "weight"
    BIAS = "bias"
    PRE = "preactivation"
    ACT = "activation"
    OUTPUT = "output"
    TARGET = "target"
    INPUT = "input"
    LOSS = "loss"
    A = "a"
    Z = "z"
    H = "h"
    O = "o"


PARAMETER_WORDS = (Word.WEIGHT, Word.BIAS)


@dataclass(frozen=True, slots=True)
class Spelled:
    """What one name says.

    ``words`` are the kinds that it may mean, its plain meaning first; ``sure`` says whether it is
    certainly one of them.  ``numbers`` stand in it, two of them for "from layer to layer";
    ``place`` is "hidden", "output", "input" or "", ``module`` the path before ``.weight`` or
    ``/kernel``.  ``below`` is 1 for what enters a module, the activation of the layer before.
    Where it ``is_settled`` the number is symback's own and no other count of layers is tried.
    """

    words: tuple[Word, ...]
    is_gradient: bool = False
    numbers: tuple[int, ...] = ()
    place: str = ""
    module: str = ""
    sure: bool = True
    is_delta: bool = False
    is_capital: bool = False
    below: int = 0
    is_settled: bool = False


# ------------------------------------------------------------------------------------ vocabulary

_MARKS = frozenset("d grad grads gradient gradients nabla deriv derivative derivatives g".split())
_LOSS = frozenset("loss cost l j c e objective".split())
_WEIGHT = frozenset("w weight weights kernel kernels theta thetas syn synapse synapses wts".split())
_BIAS = frozenset("b bias biases biasses intercept intercepts".split())
_PRE = frozenset(
    "z zs net nets pre preact preacts preactivation preactivations sum logit logits score scores "
    "linear".split()
)
_ACT = frozenset("act acts activation activations activated relu sigmoid tanh softmax".split())
_FUNCTIONS = frozenset("relu sigmoid tanh softmax".split())
_HIDDEN = frozenset("h hid hidden".split())
_OUT = frozenset("o out outs output outputs final".split())
_IN = frozenset("i in inp input inputs x".split())
_PREDICTED = frozenset(
    "yhat yh hat pred preds prediction predictions predicted prob probs probabilities p".split()
)
_TARGET = frozenset(
    "t target targets label labels true truth onehot one hot expected desired actual".split()
)
_DATA = frozenset("x input inputs inp data features".split())
_DELTA = frozenset("delta deltas del".split())
_ERROR = frozenset("error errors err diff residual".split())
_RARE = frozenset("v s u n".split())
"""Letters that some give to preactivations, and others to anything: they blame nobody."""
_MODULE = frozenset("dense fc linear lin affine".split())
_LAYER = frozenset("layer layers l lyr".split())
_FILLERS = frozenset(
    "self param params parameter parameters cache model arr array arrays mat matrix vec vector "
    "list value values wrt of np term batch train".split()
)
VOCABULARY = frozenset().union(
    _MARKS, _LOSS, _WEIGHT, _BIAS, _PRE, _ACT, _HIDDEN, _OUT, _IN, _PREDICTED, _TARGET, _DATA,
    _DELTA, _ERROR, _RARE, _MODULE, _LAYER, _FILLERS, "a y".split(),
)  # fmt: skip

_GREEK = str.maketrans(
    {
        "δ": "_delta_", "Δ": "_d_", "∂": "_d_", "∇": "_nabla_", "ŷ": "_yhat_", "Ŷ": "_yhat_",
        "θ": "_theta_", "Θ": "_theta_", "𝓛": "_l_", "ℒ": "_l_", "′": "",
    }
)  # fmt: skip
_CHUNK = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_MODULE_NAME = re.compile(
    r"(?P<module>.+)[./](?P<word>weights?|bias|kernel)(?P<grad>[./_]grad)?(?::0)?", re.IGNORECASE
)
LONGEST_NAME = 200


@cache
def _cut(chunk: str) -> tuple[str, ...] | None:
    """A run of small letters as words of the vocabulary, as few as possible; None where none fit.

    >>> _cut("dhidden"), _cut("wih"), _cut("momentum")
    (('d', 'hidden'), ('w', 'i', 'h'), None)
    """
    if not chunk or chunk in VOCABULARY:
        return (chunk,) if chunk else ()
    best: tuple[str, ...] | None = None
    for end in range(len(chunk) - 1, 0, -1):
        if chunk[:end] in VOCABULARY and (rest := _cut(chunk[end:])) is not None:
            found = (chunk[:end], *rest)
            best = found if best is None or len(found) < len(best) else best
    return best


def _tokens(name: str) -> list[str] | None:
    """The words and numbers of a name; None where a part of it is no word."""
    text = unicodedata.normalize("NFC", name[: LONGEST_NAME + 1]).translate(_GREEK)
    found: list[str] = []
    if len(text) > LONGEST_NAME:
        return None
    for chunk in _CHUNK.findall(unicodedata.normalize("NFKC", text).removesuffix(":0")):
        words = (chunk,) if chunk.isdigit() else _cut(chunk.lower()) if len(chunk) <= 24 else None
        if words is None:
            return None
        found += words
    return found


# --------------------------------------------------------------------------------------- grammar


def spelled(name: str) -> Spelled | None:
    """What a name says, or None where it is no name of a backward pass.

    >>> spelled("nabla_w_0").words[0].value, spelled("nabla_w_0").numbers
    ('weight', (0,))
    >>> spelled("delta_output").place, spelled("fc1.weight.grad").is_gradient
    ('output', True)
    >>> spelled("velocity") is None
    True
    """
    module = _MODULE_NAME.fullmatch(name)
    if module is not None and module["module"].rstrip("./") != "self":
        return _of_module(module)
    tokens = _tokens(name)
    if not tokens:
        return None
    numbers = tuple(int(each) for each in tokens if each.isdigit() and len(each) < 4)
    words = [each for each in tokens if not each.isdigit() and each not in _FILLERS]
    if len(numbers) != sum(each.isdigit() for each in tokens) or len(numbers) > 2:
        return None
    if words == ["d"] and numbers:
        words = ["delta"]
    words, is_gradient = _without_marks(words)
    if words is None:
        return None
    found = _read(words, numbers, is_gradient)
    capital = next((c for c in name if c in "AaHh"), "").isupper()
    return found and _dressed(found, numbers, is_capital=capital)


def _dressed(found: Spelled, numbers: tuple[int, ...], *, is_capital: bool) -> Spelled:
    """The same with the numbers of the name."""
    return Spelled(found.words, found.is_gradient, numbers, found.place, found.module, found.sure,
                   found.is_delta, is_capital, found.below)  # fmt: skip


def _of_module(match: re.Match[str]) -> Spelled | None:
    """A parameter of a module: ``0.weight``, ``fc1.bias.grad``, ``dense_1/kernel:0``."""
    path = match["module"].rstrip("./_")
    marked = path.split(".")[0].split("/")[0].lower() in ("grad", "grads", "gradients")
    word = Word.BIAS if match["word"].lower() == "bias" else Word.WEIGHT
    numbers = re.findall(r"\d+", path)
    last = int(numbers[-1]) if numbers and len(numbers[-1]) < 4 else None
    return Spelled(
        (word,), bool(match["grad"]) or marked, () if last is None else (last,), module=path
    )


def _without_marks(words: list[str]) -> tuple[list[str] | None, bool]:
    """The words without what marks a derivative of the loss; None of another derivative."""
    marked = False
    while len(words) > 1:
        if words[0] == "d" and words[1] in _LOSS and len(words) > 2:
            if words[2] == "d" and len(words) > 3:
                return words[3:], True
            if words[2] not in _LAYER | {"d"} and words[1] != "l":
                return words[2:], True
            if words[1] == "l" and words[2] in _WEIGHT | _BIAS | {"a", "z", "h", "y", "x", "yhat"}:
                return words[2:], True
        if words[0] in _MARKS:
            words, marked = words[1:], True
        elif words[-1] in _MARKS - {"d", "g"}:
            words, marked = words[:-1], True
        else:
            break
    inner = [each for each in words if each in _MARKS - {"g"}]
    if not inner:
        return words, marked
    first = words.index(inner[0])
    if (
        inner[0] != "d"
        or marked
        or len(inner) > 1
        or not set(words[:first]) <= _MODULE | _ACT | _LAYER
    ):
        return None, False  # ∂a/∂z is no derivative of the loss
    return [*words[:first], *words[first + 1 :]], True


def _read(words: list[str], numbers: tuple[int, ...], is_gradient: bool) -> Spelled | None:
    """What is left of a name when its marks and numbers are gone."""
    has = set(words)
    if len(words) == 2 and words[0] in _LOSS - {"l"} and words[1] in ("w", "b") and not is_gradient:
        word = Word.WEIGHT if words[1] == "w" else Word.BIAS  # C_w for the derivative by w
        return Spelled((word,), True, (), sure=False)
    if has & _DELTA:
        rest = [each for each in words if each not in _DELTA | _ERROR]
        return _read_delta(rest, is_gradient)
    if has & _ERROR and not has <= _ERROR | {"y"}:
        rest = [each for each in words if each not in _ERROR]
        place = _place(rest)
        return None if place is None else Spelled((Word.PRE, Word.ACT), True, (), place, sure=False)
    if len(words) > len(has) and has & (_WEIGHT | _BIAS) and not has & {"h", "hidden"}:
        return None  # no parameter has a word twice: BOb
    if words in (["h", "b"], ["o", "b"]):
        return None  # a bias, or what is sent back from o
    if words in (["x", "b"], ["y", "b"], ["t", "b"]):
        return _read(words[:1], numbers, is_gradient)  # of a batch
    if has & _WEIGHT:
        return _read_parameter(Word.WEIGHT, [each for each in words if each not in _WEIGHT],
                               numbers, is_gradient)  # fmt: skip
    if has & _BIAS:
        return _read_parameter(Word.BIAS, [each for each in words if each not in _BIAS], numbers,
                               is_gradient)  # fmt: skip
    return next(_read_layer(words, has, numbers, is_gradient), None)


def _place(words: Sequence[str]) -> str | None:
    """Where a layer stands by its words; None where they say something else."""
    rest = [each for each in words if each not in _LAYER]
    if not rest:
        return ""
    for place, known in (("hidden", _HIDDEN), ("output", _OUT | {"y"}), ("input", _IN)):
        if set(rest) <= known:
            return place
    return None


def _read_delta(rest: list[str], is_gradient: bool) -> Spelled | None:
    """δ is the derivative by a preactivation; a Δw may be a step too."""
    has = set(rest)
    if has & (_WEIGHT | _BIAS) and not is_gradient:
        found = _read_parameter(
            Word.WEIGHT if has & _WEIGHT else Word.BIAS,
            [each for each in rest if each not in _WEIGHT | _BIAS], (), True,
        )  # fmt: skip
        return found and Spelled(found.words, True, (), found.place, sure=False)
    place = _place([each for each in rest if each not in ("z", "a", "net")])
    return None if place is None else Spelled((Word.PRE,), True, (), place, is_delta=True)


def _read_parameter(
    word: Word, rest: list[str], numbers: tuple[int, ...], is_gradient: bool
) -> Spelled | None:
    """W with what it leads from and into: ``W_h``, ``w_ih``, ``weights_hidden_output``."""
    rest = [each for each in rest if each not in _LAYER | _MODULE]
    if len(rest) + 1 + len(numbers) > 4 or (word is Word.WEIGHT and set(rest) & _BIAS):
        return None
    sides = [_side(each) for each in rest]
    if None in sides or len(sides) > 2 or (word is Word.BIAS and len(sides) > 1):
        return None
    place = {
        (): "", ("input",): "hidden" if word is Word.WEIGHT else "", ("hidden",): "hidden",
        ("output",): "output", ("input", "hidden"): "hidden", ("hidden", "input"): "hidden",
        ("hidden", "output"): "output", ("output", "hidden"): "output",
    }.get(tuple(sides))  # fmt: skip
    if place is None:
        return None
    return Spelled((word,), is_gradient, (), "" if len(numbers) == 2 else place)


def _side(word: str) -> str | None:
    sides = (("hidden", _HIDDEN), ("output", _OUT | {"y"}), ("input", _IN))
    return next((place for place, known in sides if word in known), None)


def _read_layer(
    words: list[str], has: set[str], numbers: tuple[int, ...], is_gradient: bool
) -> Iterator[Spelled]:
    """Quantities of a layer, of the data and the loss; the first that fits is meant."""

    def found(*kinds: Word, place: str = "", sure: bool = True, below: int = 0) -> Spelled:
        return Spelled(kinds, is_gradient, (), place, sure=sure, below=below)

    numbered = bool(numbers)
    core = [each for each in words if each not in _LAYER]
    only = set(core)
    if only & _MODULE and numbered and only & (_OUT | _IN):
        into = bool(only & _IN)  # a module takes h of the layer before and gives its a
        yield found(Word.ACT if into else Word.PRE, below=int(into))
    if core == ["a"] and "l" in has and not numbered:
        yield found(Word.OUTPUT)
    if core == ["z"] and "l" in has and not numbered:
        yield found(Word.PRE, place="output")
    known = not (numbered and "h" in only)  # h2in leads from h to in, net_h1 is a neuron
    if only & _HIDDEN and only <= _HIDDEN | _IN | _PRE:
        if only & (_IN | _PRE) - {"x"}:
            yield found(Word.PRE, place="hidden", sure=known)
        first = Word.ACT if only & {"hid", "hidden"} else Word.H
        # dh[h <= 0] = 0, in place, makes it the derivative by the preactivation
        yield found(*((first, Word.PRE) if is_gradient else (first,)),
                    place="hidden" if not numbered else "")  # fmt: skip
    if only & _HIDDEN and only <= _HIDDEN | _OUT | _ACT | {"a"}:
        yield found(Word.ACT, place="hidden", sure=known or bool(only & _ACT))
    if only & _OUT and only <= _OUT | _IN | _PRE and only & (_IN | _PRE) - {"x", "i"}:
        yield found(Word.PRE, place="output")
    if core == ["a"]:
        yield found(Word.A)
    if only & {"z", "zs"} and only <= {"z", "zs"} | _OUT:
        yield found(Word.Z, place="output" if only & _OUT else "")
    if only and only <= _PRE | {"a", "act", "activation", "activations"} and only & _PRE:
        last = only & {"logit", "logits", "score", "scores"} and not numbered
        yield found(Word.PRE, place="output" if last else "")
    if only and only <= _ACT | _IN | _OUT and only & _ACT and (numbered or not only - _ACT):
        either = (Word.ACT, Word.PRE) if is_gradient else (Word.ACT,)
        # relu_grad may be the slope of the function, and no derivative of the loss
        sure = not is_gradient or bool(only - _FUNCTIONS)
        yield found(*((Word.PRE,) if only & _IN else either), sure=sure)
    if only == {"a", "out"} or only == {"a", "output"}:
        yield found(Word.OUTPUT)
    if only <= _OUT and only and numbered:
        yield found(Word.O)
    if len(core) == 1 and only <= _RARE:
        yield found(Word.PRE, place="" if numbered else "output", sure=False)
    # many call ŷ - y, which is ∂L/∂a of the last layer, after the output
    either = (Word.OUTPUT, Word.PRE) if is_gradient and only != {"yhat"} else (Word.OUTPUT,)
    if only and only <= _OUT | _PREDICTED | {"y", "a"} and only & (_OUT | _PREDICTED):
        yield found(*either, place="output" if is_gradient and not numbered else "")
    if only == {"y"}:
        meant = (Word.OUTPUT, Word.PRE, Word.TARGET) if is_gradient else (Word.TARGET,)
        yield found(*meant, place="output" if is_gradient and not numbered else "")
    if only and only <= _TARGET | {"y"}:
        yield found(Word.TARGET)
    if only and only <= _DATA:
        yield found(Word.INPUT)
    if not core and has & _LAYER and numbered:
        yield found(Word.ACT)
    if len(words) == 1 and has <= _LOSS and not numbered:
        yield (
            found(Word.LOSS)
            if not is_gradient
            else found(Word.OUTPUT, Word.PRE, place="output", sure=False)
        )
    if has <= _ERROR | {"y"} and has & _ERROR:
        meant = (Word.PRE, Word.ACT) if numbered else (Word.OUTPUT, Word.PRE)
        yield Spelled(meant, True, place="" if numbered else "output", sure=False)
