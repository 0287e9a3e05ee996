r"""Written derivations about a network of equations: formulas read, and judged by their values.

Here one can

* judge a page of formulas against a system: `check_formulas`, which gives the `Report` of a page,
  one line a claim.

Read are the network's own names with indices below, in brackets or, for the step, above:
``U_{12}``, ``h[t-1,j]``, ``h_{t-1}^T``, ``h^{(t)}``; ∂L/∂h_t, ``\nabla_U L``, dU; names that the
page defines, δ_t = ∂L/∂a_t or by a recurrence; sums over letters, products of vectors and matrices,
⊙, transposes, slopes such as σ'(a_t).  A letter on the left stands for all its values.  Both sides
are evaluated at random numbers: they are equal at all of them, or different, else nothing is said.
What has two readings, or a name without a meaning, is not read.
"""

from __future__ import annotations

import itertools
import math
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, reduce
from typing import Any, TypeAlias

import numpy as np

from symback.checking.report import BY_VALUES, Diagnosis, LineReport, Report, Verdict, Witness
from symback.checking.system_arrays import SECONDS, changed_at, suspects
from symback.checking.system_goals import Asked
from symback.checking.system_mistakes import slips
from symback.checking.system_names import array_called, meant
from symback.checking.system_numbers import DOUBLES
from symback.checking.system_programs import Truth, truths
from symback.checking.system_values import defined
from symback.checking.tokens import NotRead, Place, Token, lexed, split
from symback.equations.adjoints import Backward
from symback.equations.functions import formula, has_slope, is_pointwise, slope
from symback.equations.indices import Affine, letter, number
from symback.equations.system import Definition, System, adjoint_name
from symback.equations.terms import Call, Number, Plus, Power, Read, Term, Times, Where
from symback.language.errors import SymbackError
from symback.language.functions import ACTIVATIONS, ELEMENTARY, WORDS

SAME, DIFFERENT = 1e-10, 1e-7
"""Of the largest entry: sides that are closer are equal, those farther apart are not."""
MOST_VALUES = 4_000
"""So many instances of a claim are looked at."""
MOST_STEPS = 200_000
MOST_SUMMANDS = 1_000
MOST_DEPTH = 40


# -------------------------------------------------------------------------------------- the tree


@dataclass(frozen=True, slots=True)
class Num:
    """A number."""

    value: float
    text: str


@dataclass(frozen=True, slots=True)
class Ref:
    """An array, its derivative, or a name of the page, with the indices that are given."""

    name: str
    indices: tuple[Affine, ...] = ()
    is_gradient: bool = False
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """A size or a letter as a number."""

    name: str


@dataclass(frozen=True, slots=True)
class Added:
    """A sum: signs and terms."""

    terms: tuple[tuple[int, Node], ...]


@dataclass(frozen=True, slots=True)
class Multiplied:
    """A product: what stands before each factor, "" for nothing."""

    factors: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True)
class Raised:
    """A power, entry by entry."""

    base: Node
    exponent: Node


@dataclass(frozen=True, slots=True)
class Turned:
    """A transpose."""

    of: Node


@dataclass(frozen=True, slots=True)
class Called:
    """A function, or its slope, entry by entry; ``diag`` makes a matrix of a vector."""

    function: str
    argument: Node
    is_slope: bool = False


@dataclass(frozen=True, slots=True)
class Summed:
    """Σ over a letter; bounds that the page does not give are None."""

    name: str
    lower: Affine | None
    upper: Affine | None
    body: Node


Node: TypeAlias = Num | Ref | Measured | Added | Multiplied | Raised | Turned | Called | Summed

_FUNCTIONS = frozenset(
    name
    for name in {*ELEMENTARY, *ACTIVATIONS} - {"linear", "max", "min"}
    if is_pointwise(name) and has_slope(name)
)
"""Functions of one number, by the names of their rows."""
_CALLED = {
    **{word: name for word, name in WORDS.items() if name in _FUNCTIONS},
    "sigma": "sigmoid", "σ": "sigmoid",
}  # fmt: skip


@cache
def _term_of(function: str, is_slope: bool) -> Term:
    """A function of the catalogue, or its slope, of the scalar z."""
    call = Call(function, (Read("z"),))
    return slope(call, call) if is_slope else call


def _at(term: Term, z: Any) -> Any:
    """The value of a formula in z, in doubles, entry by entry."""
    match term:
        case Number(value):
            return float(value)
        case Read():
            return z
        case Plus(terms):
            return sum(_at(each, z) for each in terms)
        case Times(factors):
            return math.prod(_at(each, z) for each in factors)
        case Power(base, exponent):
            return _at(base, z) ** _at(exponent, z)
        case Where(left, relation, right, yes, no):
            sides = _at(left, z), _at(right, z)
            holds = sides[0] < sides[1] if relation == "<" else sides[0] <= sides[1]
            return np.where(holds, _at(yes, z), _at(no, z))
        case Call("pi", ()):
            return math.pi
        case Call("max" | "min" as name, arguments):
            extreme = np.maximum if name == "max" else np.minimum
            return reduce(extreme, (_at(each, z) for each in arguments))
        case Call("erf", (argument,)):
            return np.vectorize(math.erf, otypes=[float])(_at(argument, z))
        case Call(name, (argument,)) if name in ELEMENTARY:
            word = ELEMENTARY[name].numpy or name
            return getattr(np, word.removeprefix("np."))(_at(argument, z))
        case Call(name, (argument,)):
            return _at(formula(name, argument), z)
    raise TypeError(f"no way to compute {type(term).__name__}")


_LOSSES = ("L", "J", "E", "C", "loss", "Loss", "ell", "cost", "l")


# -------------------------------------------------------------------------------------- reading


class _Reader:
    """Reads the tokens of one claim."""

    def __init__(
        self, tokens: Sequence[Token], system: System, own: Mapping[str, _Own],
        rename: Mapping[str, str], stepping: frozenset[str],
    ) -> None:  # fmt: skip
        self.tokens, self.at = list(tokens), 0
        self.system, self.own, self.rename, self.stepping = system, own, rename, stepping
        self.depth = 0

    # tokens

    def kind(self, ahead: int = 0) -> str:
        here = self.at + ahead
        return self.tokens[here].kind if here < len(self.tokens) else ""

    def text(self, ahead: int = 0) -> str:
        here = self.at + ahead
        return self.tokens[here].text if here < len(self.tokens) else ""

    def take(self, kind: str = "") -> Token:
        if self.at >= len(self.tokens) or (kind and self.kind() != kind):
            what = self.text() or "the end"
            raise self.refused(f"expected {kind or 'more'} before {what}")
        self.at += 1
        return self.tokens[self.at - 1]

    def refused(self, reason: str) -> NotRead:
        place = self.tokens[min(self.at, len(self.tokens) - 1)].place if self.tokens else None
        return NotRead(reason, place)

    # expressions

    def whole(self) -> Node:
        found = self.sum()
        if self.at < len(self.tokens):
            raise self.refused(f"{self.text()} is not understood here")
        return found

    def sum(self) -> Node:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise self.refused("the formula is nested too deeply")
        terms: list[tuple[int, Node]] = []
        sign = 1
        if self.kind() in ("+", "-"):
            sign = -1 if self.take().kind == "-" else 1
        terms.append((sign, self.product()))
        while self.kind() in ("+", "-"):
            sign = -1 if self.take().kind == "-" else 1
            terms.append((sign, self.product()))
        self.depth -= 1
        return terms[0][1] if len(terms) == 1 and terms[0][0] == 1 else Added(tuple(terms))

    def product(self) -> Node:
        if self._is_sum_sign():
            return self.summed()
        factors: list[tuple[str, Node]] = [("", self.factor())]
        while True:
            if self.kind() in ("·", "*", "⊙", "/", "×", "@"):
                sign = self.take().kind
                body = self.summed() if self._is_sum_sign() else self.factor()
                factors.append((sign, body))
            elif self._begins_factor():
                factors.append(("", self.summed() if self._is_sum_sign() else self.factor()))
            else:
                break
        return factors[0][1] if len(factors) == 1 else Multiplied(tuple(factors))

    def _is_sum_sign(self) -> bool:
        return self.text() == "Σ" or (self.text() == "sum" and self.kind(1) in ("_", "{"))

    def _begins_factor(self) -> bool:
        return self.kind() in ("name", "number", "command", "(", "[", "∂", "∇", "{", "½")

    def summed(self) -> Node:
        self.take()
        name, lower, upper = "", None, None
        if self.kind() == "_":
            self.take()
            if self.kind() == "{":
                self.take()
                name = self.take("name").text
                if self.kind() == "=":
                    self.take()
                    lower = self.index(("}",))
                    if self.kind() == "...":
                        self.take()
                        upper = self.index(("}",))
                self.take("}")
            else:
                name = self.take("name").text
        else:
            raise self.refused("a sum says over which letter it runs: Σ_t")
        if self.kind() == "^":
            self.take()
            if self.kind() == "{":
                self.take()
                upper = self.index(("}",))
                self.take("}")
            else:
                upper = self.index_part()
        body = self.product()
        low = None if lower is None else _unpacked(lower)
        return Summed(name, low, None if upper is None else _unpacked(upper), body)

    def factor(self) -> Node:
        found = self.primary()
        while self.kind() in ("^", "'", "⊤"):
            if self.kind() == "⊤":
                self.take()
                found = Turned(found)
                continue
            if self.kind() == "'":
                raise self.refused("what is primed here?")
            found = self.raised(found)
        return found

    def raised(self, base: Node) -> Node:
        self.take("^")
        if self.kind() == "⊤" or self.text() == "T":
            self.take()
            return Turned(base)
        if self.kind() == "{" and self.text(1) in ("T", "⊤") and self.kind(2) == "}":
            self.at += 3
            return Turned(base)
        if self.kind() == "number":
            return Raised(base, self._number())
        if self.kind() == "{":
            self.take()
            exponent = self.sum()
            self.take("}")
            return Raised(base, exponent)
        raise self.refused("such an exponent is not read")

    def _number(self) -> Num:
        text = self.take("number").text
        return Num(float(text), text)

    def primary(self) -> Node:
        match self.kind():
            case "number":
                return self._number()
            case "½":
                self.take()
                return Num(0.5, "½")
            case "(" | "[" | "{":
                closing = {"(": ")", "[": "]", "{": "}"}[self.take().kind]
                found = self.sum()
                self.take(closing)
                return found
            case "∂":
                return self.derivative_in_text()
            case "∇":
                return self.nabla()
            case "command":
                return self.command()
            case "name":
                return self.named()
        raise self.refused(f"{self.text() or 'nothing'} is not understood here")

    def command(self) -> Node:
        name = self.take().text
        if name in ("frac", "dfrac", "tfrac"):
            above, below = self.group(), self.group()
            if above and (above[0].kind == "∂" or above[0].text in ("d", "partial")):
                return self.derivative(above, below)
            inside = [self._sub(each).whole() for each in (above, below)]
            return Multiplied((("", inside[0]), ("/", inside[1])))
        if name == "sqrt":
            return Called("sqrt", self._sub(self.group()).whole())
        raise self.refused(f"\\{name} is not read here")

    def group(self) -> list[Token]:
        """The tokens of {…}, or one token."""
        if self.kind() != "{":
            return [self.take()]
        self.take()
        start, depth = self.at, 1
        while depth:
            if self.at >= len(self.tokens):
                raise self.refused("a brace is not closed")
            depth += {"{": 1, "}": -1}.get(self.kind(), 0)
            self.at += 1
        return self.tokens[start : self.at - 1]

    def _sub(self, tokens: Sequence[Token]) -> _Reader:
        return _Reader(tokens, self.system, self.own, self.rename, self.stepping)

    def derivative(self, above: Sequence[Token], below: Sequence[Token]) -> Node:
        """∂L / ∂X from what stands above and below."""
        if len(above) < 2 or not self._is_loss(above[1:]):
            raise self.refused("only derivatives of the loss are read, such as ∂L/∂h_t")
        if not below or (below[0].kind != "∂" and below[0].text != "d"):
            raise self.refused("a derivative has ∂ below as well")
        return self._gradient(self._sub(below[1:]).whole())

    def _is_loss(self, tokens: Sequence[Token]) -> bool:
        names = [each.text for each in tokens if each.kind not in ("{", "}", "(", ")")]
        return len(names) == 1 and (names[0] in _LOSSES or names[0] == self.system.target)

    def _gradient(self, of: Node) -> Node:
        if isinstance(of, Turned) and isinstance(of.of, Ref):
            return Turned(self._gradient(of.of))
        if not isinstance(of, Ref) or of.is_gradient or of.is_own:
            raise self.refused("what is it differentiated by?")
        return replace(of, is_gradient=True)

    def derivative_in_text(self) -> Node:
        self.take("∂")
        if not self._is_loss([self.take()]):
            raise self.refused("only derivatives of the loss are read, such as ∂L/∂h_t")
        self.take("/")
        self.take("∂")
        return self._gradient(self.named())

    def nabla(self) -> Node:
        self.take("∇")
        if self.kind() == "_":
            self.take()
            inside = self.group()
            found = self._gradient(self._sub(inside).whole())
            if self.kind() == "name" and self._is_loss([self.tokens[self.at]]):
                self.take()
            return found
        return self._gradient(self.named())

    def named(self) -> Node:
        name = self.take("name").text
        if name == "d" and self.kind() == "name" and not self.tokens[self.at].spaced:
            inner = self.text()  # dh_t in LaTeX, where a run of letters is a product
            if array_called(self.rename.get(inner, inner), self.system) is not None:
                return self._gradient(self.named())
        if name in ("dL", "dJ", "dE", "dC", "dloss") and self.kind() == "/":
            return self._leibniz()
        called = _CALLED.get(name, name)
        own = self.rename.get(name, name)
        if called in (*_FUNCTIONS, "diag") and own not in self.system.by_name:
            is_slope = self.kind() == "'"
            if is_slope:
                self.take()
            if self.kind() in ("(", "{", "["):
                return Called(called, self.primary(), is_slope)
            raise self.refused(f"{name} of what? write {name}(…)")
        if name == "e" and self.kind() == "^":
            self.take()
            return Called("exp", self._sub(self.group()).whole())
        return self.reference(name)

    def _leibniz(self) -> Node:
        self.take("/")
        name = self.take("name").text
        if not name.startswith("d") or len(name) < 2:
            raise self.refused("what is it differentiated by?")
        return self._gradient(self.reference(name[1:]))

    # names and indices

    def reference(self, name: str) -> Node:
        """An array with its indices; raises `NotRead` where the name has no meaning."""
        joined = self.joined_name(name)
        indices, is_turned = self.indices(joined or name)
        asked = self.rename.get(joined or name, joined or name)
        found: Node
        if asked in self.own and asked not in self.system.by_name:
            found = Ref(asked, tuple(map(_unpacked, indices)), is_own=True)
        else:
            about = meant(asked, self.system)
            if about is None:
                if not indices and (name in self.system.sizes or len(name) == 1):
                    return Measured(name)
                raise self.refused(f"what is {name}?")
            if about.is_gradient and asked in self.system.by_name:
                raise self.refused(f"{name} has two meanings")
            found = Ref(about.array, self._split(about.array, indices), about.is_gradient)
        return Turned(found) if is_turned else found

    def joined_name(self, name: str) -> str | None:
        """W_{xh} where the network has Wxh or W_xh."""
        if self.kind() != "_":
            return None
        if self.kind(1) == "{":
            parts, ahead = [], 2
            while self.kind(ahead) in ("name", "number"):
                parts.append(self.text(ahead))
                ahead += 1
            if self.kind(ahead) != "}":
                return None
            ahead += 1
        elif self.kind(1) in ("name", "number"):
            parts, ahead = [self.text(1)], 2
        else:
            return None
        for glue in ("_", ""):
            whole = f"{name}{glue}{''.join(parts)}"
            if whole in self.system.by_name or whole in self.rename:
                self.at += ahead
                return whole
        return None

    def indices(self, name: str) -> tuple[tuple[Affine, ...], bool]:
        """The indices below, in brackets and, for the step, above; and whether ^T stands among."""
        below: list[Affine] = []
        step: Affine | None = None
        is_turned = False
        while True:
            if self.kind() == "_":
                self.take()
                if self.kind() == "{":
                    inside = self.group()
                    below += self._sub(inside).index_list()
                else:
                    below += self._sub([self.take()]).index_list()
            elif self.kind() == "[" and not self.tokens[self.at].spaced:
                self.take()
                start, depth = self.at, 1
                while depth:
                    if self.at >= len(self.tokens):
                        raise self.refused("a bracket is not closed")
                    depth += {"[": 1, "]": -1}.get(self.kind(), 0)
                    self.at += 1
                below += self._sub(self.tokens[start : self.at - 1]).index_list()
            elif self.kind() == "^" and step is None and self._is_step(name):
                self.take()
                inside = self.group() if self.kind() == "{" else self._bracketed()
                if inside and inside[0].kind in ("(", "[") and inside[-1].kind in (")", "]"):
                    inside = inside[1:-1]
                step = self._sub(inside).index(())
            elif self.kind() == "^" and self._is_turn():
                self.raised(Num(0, ""))
                is_turned = True
            else:
                break
        return (((step,) if step is not None else ()) + tuple(below)), is_turned

    def _bracketed(self) -> list[Token]:
        if self.kind() not in ("(", "["):
            return [self.take()]
        closing = {"(": ")", "[": "]"}[self.kind()]
        start = self.at
        while self.kind() != closing:
            self.take()
        self.take()
        return self.tokens[start : self.at]

    def _is_turn(self) -> bool:
        first, last = self.text(1), self.text(2)
        return first in ("T", "⊤") or (first == "{" and last in ("T", "⊤") and self.kind(3) == "}")

    def _is_step(self, name: str) -> bool:
        """Whether a step stands above: (t), [t], t or t-1, but no T, no number, no -1."""
        ahead = 2 if self.kind(1) == "{" else 1
        if self.kind(ahead) in ("(", "["):
            return self.kind(ahead + 1) in ("name", "number")
        if self.kind(ahead) != "name" or self.text(ahead) == "T":
            return False
        array = array_called(self.rename.get(name, name), self.system)
        return (array in self.stepping or name in self.own) and len(self.text(ahead)) == 1

    def index_list(self) -> list[Affine]:
        found: list[Affine] = []
        while self.at < len(self.tokens):
            if self.kind() == ",":
                self.take()
                continue
            found.append(self.index((",",)))
        return found

    def index(self, stops: Sequence[str]) -> Affine:
        """An index such as t-1 or 2o+u-3; letters side by side are two indices."""
        found = self.index_part()
        while self.kind() in ("+", "-"):
            sign = -1 if self.take().kind == "-" else 1
            found += self.index_part().times(sign)
        if self.at < len(self.tokens) and self.kind() not in (*stops, "name", "number", "...", "}"):
            raise self.refused(f"{self.text()} is not understood in an index")
        return found

    def index_part(self) -> Affine:
        if self.kind() == "-":
            self.take()
            return self.index_part().times(-1)
        if self.kind() == "number":
            text = self.take().text
            if not text.isdecimal():
                raise self.refused("an index is a whole number")
            if self.kind() == "name" and not self.tokens[self.at].spaced and self.kind(1) != "name":
                return letter(self.take().text).times(int(text))
            return (
                Affine(int(text), ((_PACKED, len(text)),)) if len(text) > 1 else number(int(text))
            )
        if self.kind() == "name":
            name = self.take().text
            if len(name) > 1 and name not in self.system.sizes and name.isalpha():
                self.tokens[self.at : self.at] = [
                    replace(self.tokens[self.at - 1], text=mark) for mark in name[1:]
                ]
                name = name[0]
            return letter(name)
        raise self.refused(f"{self.text() or 'nothing'} is not understood in an index")

    def _split(self, array: str, indices: tuple[Affine, ...]) -> tuple[Affine, ...]:
        """Packed digits taken apart, 12 as 1, 2, where the array has so many indices."""
        wanted = len(self.system.by_name[array].shape)
        packed = [each for each in indices if each.coefficient(_PACKED)]
        if packed:
            digits = str(indices[0].constant)
            if len(indices) == 1 and len(digits) == wanted and digits.isdecimal():
                return tuple(number(int(each)) for each in digits)
            if len(indices) != wanted:
                raise self.refused(
                    f"which elements of {array} are these? separate indices by commas"
                )
            indices = tuple(map(_unpacked, indices))
        if len(indices) > wanted:
            raise self.refused(f"{array} has {wanted} indices")
        return indices


_PACKED = "#"


def _unpacked(index: Affine) -> Affine:
    """An index whose digits are those of one number."""
    return Affine(index.constant, tuple(part for part in index.parts if part[0] != _PACKED))


# ------------------------------------------------------------------------------------ evaluating


@dataclass(frozen=True, slots=True)
class _Own:
    """A name that the page defines: the letters of its indices, and what it is."""

    letters: tuple[str, ...]
    body: Node


NOTHING = np.zeros(())
"""What comes back after the last step of a recurrence: 0 in whatever shape."""


class Misfit(SymbackError):
    """Shapes that do not fit, or an element that is not there."""


class _Values:
    """The value of formulas at one point; vectors are columns."""

    def __init__(self, truth: Truth, own: Mapping[str, _Own]) -> None:
        self.truth, self.own = truth, own
        self.system, self.sizes = truth.system, truth.point.sizes
        self.kept: dict[tuple[str, tuple[int, ...]], np.ndarray] = {}
        self.used_edge = False
        self.deep = 0
        self.left = MOST_STEPS

    def value(self, node: Node, env: Mapping[str, int]) -> np.ndarray:
        """The value of a formula where its letters are as ``env`` says; raises `Misfit`."""
        self.left -= 1
        if self.left < 0:
            raise Misfit("it takes too long to evaluate")
        match node:
            case Num(value):
                return np.asarray(value)
            case Measured(name):
                if name in env:
                    return np.asarray(float(env[name]))
                if name in self.sizes:
                    return np.asarray(float(self.sizes[name]))
                raise Misfit(f"what is {name}?")
            case Ref(is_own=True):
                return self._own(node, env)
            case Ref():
                return self._array(node, env)
            case Added(terms):
                found = [
                    sign * each
                    for sign, term in terms
                    if (each := self.value(term, env)) is not NOTHING
                ]
                if not found:
                    return NOTHING
                shapes = {each.shape for each in found if each.ndim}
                if len(shapes) > 1:
                    raise Misfit(f"shapes do not fit in a sum: {_shapes(shapes)}")
                return np.asarray(sum(found[1:], found[0]))
            case Multiplied(factors):
                return self._multiplied(factors, env)
            case Raised(base, exponent):
                with np.errstate(all="ignore"):
                    return np.power(self.value(base, env), self.value(exponent, env))
            case Turned(of):
                found = self.value(of, env)
                return found if found is NOTHING else found.T
            case Called("diag", argument):
                vector = self.value(argument, env)
                if vector.ndim != 2 or vector.shape[1] != 1:
                    raise Misfit("diag is of a vector")
                return np.diag(vector[:, 0])
            case Called(function, argument, is_slope):
                with np.errstate(all="ignore"):
                    of = _term_of(function, is_slope)
                    return np.asarray(_at(of, self.value(argument, env)))
            case Summed(name, lower, upper, body):
                run = self.range(name, lower, upper, body, env)
                summands = [self.value(body, {**env, name: k}) for k in run]
                summands = [each for each in summands if each is not NOTHING]
                return np.asarray(sum(summands[1:], summands[0])) if summands else NOTHING
        raise Misfit("this has no value")

    def _multiplied(
        self, factors: Sequence[tuple[str, Node]], env: Mapping[str, int]
    ) -> np.ndarray:
        """A product; what comes back after the last step is 0, whatever it is multiplied by."""
        found: np.ndarray | None = None
        misfit: Misfit | None = None
        for sign, each in factors:
            try:
                value = self.value(each, env)
            except Misfit as error:
                misfit = error
                continue
            if value is NOTHING:
                return NOTHING
            if misfit is None:
                found = value if found is None else _product(found, sign, value)
        if misfit is not None or found is None:
            raise misfit or Misfit("this has no value")
        return found

    def range(
        self, name: str, lower: Affine | None, upper: Affine | None, body: Node,
        env: Mapping[str, int],
    ) -> range:  # fmt: skip
        known = {**self.sizes, **env}
        try:
            start = 1 if lower is None else lower.value(known)
            stop = self.longest(name, body) if upper is None else upper.value(known)
        except KeyError as error:
            raise Misfit(f"what is {error.args[0]}?") from None
        if stop is None:
            raise Misfit(f"how far does {name} run?")
        if stop - start > MOST_SUMMANDS:
            raise Misfit(f"the sum over {name} has too many terms")
        return range(start, stop + 1)

    def longest(self, name: str, *nodes: Node) -> int | None:
        """How far a letter runs, by the arrays it stands at; raises `Misfit` where they differ."""
        bare: set[int] = set()
        other: set[int] = set()
        for node in nodes:
            for ref in _refs(node, self.own):
                shape = self.truth.point.shape(self.system.by_name[ref.name])
                for index, size in zip(ref.indices, shape, strict=False):
                    if index.bare == name:
                        bare.add(size)
                    elif index.coefficient(name):
                        other.add(size)
        found = bare or other
        if len(found) > 1:
            raise Misfit(f"{name} runs to {' and to '.join(map(str, sorted(found)))}")
        return found.pop() if found else None

    def _indices(self, ref: Ref, env: Mapping[str, int]) -> tuple[int, ...]:
        known = {**self.sizes, **env}
        try:
            return tuple(index.value(known) for index in ref.indices)
        except KeyError as error:
            raise Misfit(f"what is {error.args[0]}?") from None

    def _array(self, ref: Ref, env: Mapping[str, int]) -> np.ndarray:
        quantity = self.system.by_name[ref.name]
        at = self._indices(ref, env)
        rank = len(quantity.shape)
        if at and len(at) != rank and not (len(at) == 1 and ref.name in self.truth.stepping):
            raise Misfit(f"{ref.name} has {rank} indices; {len(at)} are given")
        if rank - len(at) > 2:
            raise Misfit(f"{ref.name} is no vector or matrix without its indices")
        if ref.name in self.truth.point.data:
            raise Misfit(f"{ref.name} holds indices")
        key = adjoint_name(ref.name) if ref.is_gradient else ref.name
        if key == adjoint_name(self.system.target):
            return np.asarray(1.0)
        if key not in self.truth.found:
            raise Misfit(f"{ref.name} does not lead to the loss")
        stored = self.truth.found[key]
        shape = self.truth.point.shape(quantity)
        if not at:
            found = stored.main(shape, DOUBLES).value
            return found[:, None] if found.ndim == 1 else found
        place = tuple(k - f for k, f in zip(at, stored.first, strict=False))
        rest = tuple(slice(1 - f, 1 - f + n) for f, n in
                     zip(stored.first[len(at):], shape[len(at):], strict=True))  # fmt: skip
        inside = all(0 <= k < n for k, n in zip(place, stored.values.value.shape, strict=False))
        if inside and stored.known[(*place, *rest)].all():
            found = stored.values.value[(*place, *rest)]
        elif quantity.pad is not None and not ref.is_gradient:
            found = np.full(shape[len(at) :], float(quantity.pad))
        elif ref.is_gradient and ref.name in self.truth.stepping and at[0] == shape[0] + 1:
            self.used_edge = True
            return NOTHING
        else:
            raise Misfit(f"there is no {ref.name}[{', '.join(map(str, at))}]")
        found = np.asarray(found)
        return found[:, None] if found.ndim == 1 else found

    def _own(self, ref: Ref, env: Mapping[str, int]) -> np.ndarray:
        """A name of the page at its indices, an element of a vector or a vector of elements."""
        own, at = self.own[ref.name], self._indices(ref, env)
        key = (ref.name, at)
        if key in self.kept:
            return self.kept[key]
        self.deep += 1
        if self.deep > MOST_DEPTH:
            raise Misfit(f"{ref.name} leads back to itself")
        bound = dict(zip(own.letters, at, strict=False))
        longest = {name: self.longest(name, own.body) for name in own.letters}
        beyond = [n for n, k in bound.items() if (top := longest[n]) is not None and k > top]
        if beyond:
            self.used_edge = True
            found = NOTHING
        elif len(at) == len(own.letters):
            found = self.value(own.body, bound)
        elif len(at) == len(own.letters) + 1:
            whole = self.value(own.body, bound)
            if whole.ndim != 2 or whole.shape[1] != 1 or not 1 <= at[-1] <= len(whole):
                raise Misfit(f"{ref.name} has no such element")
            found = whole[at[-1] - 1, 0]
        elif len(at) == len(own.letters) - 1:
            last = own.letters[-1]
            top = longest[last]
            if top is None:
                raise Misfit(f"how far does {last} run?")
            entries = [self.value(own.body, {**bound, last: k}) for k in range(1, top + 1)]
            found = np.array([[float(each)] for each in entries])
        else:
            raise Misfit(f"{ref.name} has {len(own.letters)} indices; {len(at)} are given")
        self.deep -= 1
        self.kept[key] = found if found is NOTHING else np.asarray(found)
        return self.kept[key]


def _product(left: np.ndarray, sign: str, right: np.ndarray) -> np.ndarray:
    if sign == "/":
        if right.ndim and right.shape != left.shape:
            raise Misfit("division is by a number, or entry by entry")
        with np.errstate(all="ignore"):
            return left / right
    if not left.ndim or not right.ndim:
        return left * right
    if sign == "⊙" or (sign == "*" and left.shape == right.shape):
        if left.shape != right.shape:
            raise Misfit(f"shapes do not fit in ⊙: {_shapes((left.shape, right.shape))}")
        return left * right
    if left.shape[1] != right.shape[0]:
        if left.shape == right.shape:
            raise Misfit("is this ⊙, or a product with a transpose?")
        raise Misfit(f"shapes do not fit in a product: {_shapes((left.shape, right.shape))}")
    found = left @ right
    return found.reshape(()) if found.shape == (1, 1) else found


def _shapes(shapes: Any) -> str:
    return " and ".join("×".join(map(str, each)) for each in sorted(shapes))


def _refs(node: Node, own: Mapping[str, _Own] | None = None) -> Iterator[Ref]:
    """The arrays in a formula; of the page's own names what they stand for, with its letters."""
    match node:
        case Ref(is_own=True):
            if own is not None and node.name in own:
                yield from _through(node, own)
        case Ref():
            yield node
        case Added(terms):
            for _, each in terms:
                yield from _refs(each, own)
        case Multiplied(factors):
            for _, each in factors:
                yield from _refs(each, own)
        case Raised(base, exponent):
            yield from _refs(base, own)
            yield from _refs(exponent, own)
        case Turned(of) | Called(_, of):
            yield from _refs(of, own)
        case Summed(name, _, _, body):
            for ref in _refs(body, own):
                yield replace(ref, indices=tuple(
                    Affine(i.constant, tuple((n + "'" if n == name else n, c) for n, c in i.parts))
                    for i in ref.indices))  # fmt: skip


def _through(ref: Ref, own: Mapping[str, _Own]) -> Iterator[Ref]:
    """The arrays in the definition of a name, its letters as they are where it stands."""
    definition = own[ref.name]
    moves = dict(zip(definition.letters, ref.indices, strict=False))
    others = {name: each for name, each in own.items() if name != ref.name}
    for inner in _refs(definition.body, others):
        moved = []
        for index in inner.indices:
            bare = index.bare
            moved.append(index if bare is None else moves.get(bare, index))
        yield replace(inner, indices=tuple(moved))


def _letters(node: Node) -> set[str]:
    """The letters of indices that are free in a formula."""
    match node:
        case Ref():
            return {name for index in node.indices for name in index.names if name != _PACKED}
        case Measured(name):
            return {name}
        case Added(terms):
            return set().union(*(_letters(each) for _, each in terms))
        case Multiplied(factors):
            return set().union(*(_letters(each) for _, each in factors))
        case Raised(base, exponent):
            return _letters(base) | _letters(exponent)
        case Turned(of) | Called(_, of):
            return _letters(of)
        case Summed(name, lower, upper, body):
            bounds = set().union(*(each.names for each in (lower, upper) if each is not None))
            return (_letters(body) - {name}) | bounds
    return set()


# -------------------------------------------------------------------------------------- the page


@dataclass(frozen=True, slots=True)
class _Row:
    """A formula as it stands on the page: its line, column and text."""

    line: int
    column: int
    source: str
    is_latex: bool


_OF_NAMES = frozenset(("name", "number", *"_{}^()[],+-"))
"""Tokens of which a name with its indices is made."""
_DOLLARS = re.compile(r"\$\$?([^$]+)\$\$?")
_FRAME = re.compile(r"\\(?:begin|end)\{[a-zA-Z*]+\}|\\(?:notag|nonumber)\b|\\[\[\]]|\$\$|(?<!\\)&")
_BULLET = re.compile(r"^[ \t]*(?:[-*•]|\d+[.)])[ \t]+")
_WORDS = re.compile(r"(?<![\w\\∂∇_.\[])[A-Za-z]{2,}(?=[\s,.:;]|$)")
_BARE_LATEX = re.compile(r"\\[A-Za-z]|[_^]\{")


def _is_prose(row: _Row, system: System, names: Collection[str]) -> bool:
    """Whether it is a sentence with an equation in it: three words that are no names."""
    words = [
        word
        for word in _WORDS.findall(row.source)
        if word not in names
        and word not in {*_FUNCTIONS, *_CALLED, "sum", "diag"}
        and meant(word, system) is None
    ]
    return len(words) >= 3 and not row.is_latex


def _rows(text: str) -> Iterator[_Row]:
    for line, row in enumerate(text.split("\n"), start=1):
        if row.lstrip().startswith("%"):
            continue
        inline = [found for found in _DOLLARS.finditer(row) if "=" in found[1]]
        if inline:
            for found in inline:
                yield _Row(line, found.start(1) + 1, found[1].strip(), is_latex=True)
            continue
        for part in _FRAME.sub(" ", row).split("\\\\"):
            body = _BULLET.sub("", part)
            head, colon, tail = body.rpartition(": ")
            if colon and "=" in tail and "=" not in head:
                body = tail
            body = body.strip().rstrip(".,;").strip()
            if "=" in body:
                is_latex = _BARE_LATEX.search(body) is not None
                column = max(row.find(body[:8]), 0) + 1
                yield _Row(line, column, body, is_latex)


@dataclass(frozen=True, slots=True)
class _Claim:
    """A left side and what it is said to be equal to, with where it stands."""

    row: _Row
    left: Node
    right: Node


class _Page:
    """A page gone through from the top: names, claims, and what was not read."""

    def __init__(
        self, text: str, points: Sequence[Truth], rename: Mapping[str, str], about: Asked | None
    ) -> None:  # fmt: skip
        self.points, self.rename, self.about = points, rename, about
        self.system = points[0].system
        self.own: dict[str, _Own] = {}
        self.unread: list[LineReport] = []
        self.claims: list[_Claim] = []
        self.before: Node | None = None
        self.foreign: set[str] = set()
        """Names that the page gives another meaning than the network."""
        for row in _rows(text):
            if not _is_prose(row, self.system, {*self.own, *self.rename, *self.system.sizes}):
                self._row(row)

    def _row(self, row: _Row) -> None:
        source = row.source.replace(r"\langle", "(").replace(r"\rangle", ")")
        try:
            tokens = list(lexed(source, Place(row.line, row.column), latex=row.is_latex))
            for part in _parts(self._whole_names(tokens) if row.is_latex else tokens):
                self._chain(row, part)
        except NotRead as error:
            reason = error.message + (f"; {error.suggestion}" if error.suggestion else "")
            self.before = None
            self.unread.append(
                LineReport(row.line, row.column, row.source, "", Verdict.UNREAD, reason)
            )

    def _whole_names(self, tokens: Sequence[Token]) -> list[Token]:
        """Letters and digits side by side that are the name of one array or size: h1, WQ1."""
        known = {*self.system.by_name, *self.system.sizes, *self.rename}
        made: list[Token] = []
        at = 0
        while at < len(tokens):
            stop = at + 1
            if tokens[at].kind == "name":
                while (
                    stop < len(tokens)
                    and tokens[stop].kind in ("name", "number")
                    and not tokens[stop].spaced
                ):
                    stop += 1
            texts = [token.text for token in tokens[at:stop]]
            while len(texts) > 1 and "".join(texts) not in known:
                texts.pop()
            if len(texts) > 1 and all(text in known for text in texts):
                whole = "".join(texts)
                raise NotRead(f"is {whole} one name, or {' times '.join(texts)}?", tokens[at].place)
            last = tokens[at + len(texts) - 1]
            made.append(replace(tokens[at], text="".join(texts), end=last.end)
                        if len(texts) > 1 else tokens[at])  # fmt: skip
            at += len(texts)
        return made

    def _reader(self, tokens: Sequence[Token]) -> _Reader:
        return _Reader(tokens, self.system, self.own, self.rename, self.points[0].stepping)

    def _chain(self, row: _Row, tokens: Sequence[Token]) -> None:
        """left = right = right …; a new name on the left is defined by the first."""
        if any(token.kind in ("≈", "←", "∝", "<", ">", "<=", ">=", "⇒") for token in tokens):
            raise NotRead("only equations are judged", tokens[0].place)
        sides = split(tokens, ("=", ":="))
        if len(sides) < 2:
            return
        if not sides[0]:
            if self.before is None:
                if self.about is None:
                    raise NotRead("what is this equal to?", tokens[0].place)
                self.before = self._asked(self.about)
            left = self.before
        else:
            name = self._new_name(sides[0])
            if name is not None:
                left = self._defined(name, sides)
                sides = sides[1:]
            else:
                left = self._reader(sides[0]).whole()
        meant_by = self.own.get(left.name) if isinstance(left, Ref) and left.is_own else None
        if meant_by is not None and isinstance(meant_by.body, Ref) and meant_by.body.is_gradient:
            asked = tuple(str(index) for index in left.indices)  # type: ignore[union-attr]
            if asked == meant_by.letters:  # δ_t = ∂L/∂a_t: the claim is about that
                left = meant_by.body
        for side in sides[1:]:
            right = self._reader(side).whole()
            if not isinstance(left, (Measured, Num)) and left != right:  # T = 3 is no claim
                self.claims.append(_Claim(row, left, right))
        self.before = left

    def _asked(self, about: Asked) -> Node:
        return Ref(about.array, tuple(number(k) for k in about.at), is_gradient=True)

    def _new_name(self, tokens: Sequence[Token]) -> str | None:
        """The name that a left side gives a meaning to: one that means nothing yet."""
        if not tokens or tokens[0].kind != "name":
            return None
        name = tokens[0].text
        if any(token.kind not in _OF_NAMES for token in tokens):
            return None
        asked = self.rename.get(name, name)
        known = asked in self.own or meant(asked, self.system) is not None
        if known or name in self.system.sizes or (name == "d" and len(tokens) > 1):
            return None
        reader = self._reader(tokens)
        reader.take()
        return None if reader.joined_name(name) else name

    def _defined(self, name: str, sides: Sequence[Sequence[Token]]) -> Node:
        """The name with its indices, defined by the side that follows."""
        self.own[name] = _Own((), Num(0, "0"))  # so that it may lead back to itself
        try:
            left = self._reader(sides[0]).whole()
            if not isinstance(left, Ref) or any(i.bare is None for i in left.indices):
                raise NotRead(f"{name} is defined at letters: {name}_t = …", sides[0][0].place)
            letters = tuple(str(index.bare) for index in left.indices)
            self.own[name] = _Own(letters, Num(0, "0"))
            body = self._reader(sides[1]).whole()
        except NotRead:
            del self.own[name]
            raise
        self.own[name] = _Own(letters, body)
        return left

    # ------------------------------------------------------------------------------- verdicts

    def report(self) -> Report:
        lines = [self._judged(claim) for claim in self.claims]
        lines = sorted([*lines, *self.unread], key=lambda each: (each.line, each.column))
        verdicts = {line.verdict for line in lines}
        if Verdict.REFUTED in verdicts:
            overall = Verdict.REFUTED
        elif not lines:
            overall = Verdict.NO_CLAIM
        else:
            order = (Verdict.UNREAD, Verdict.UNDECIDED, Verdict.CONDITIONAL)
            overall = next((each for each in order if each in verdicts), Verdict.PROVED)
        reaches = any(line.verdict is Verdict.PROVED for line in lines)
        return Report(overall, tuple(lines), BY_VALUES, reaches=reaches)

    def _judged(self, claim: _Claim) -> LineReport:
        row = claim.row
        read_as = f"{shown(claim.left)} = {shown(claim.right)}"

        def said(
            verdict: Verdict, reason: str = "", found: tuple[Diagnosis, ...] = (),
            witness: Witness | None = None,
        ) -> LineReport:  # fmt: skip
            return LineReport(row.line, row.column, row.source, read_as, verdict, reason, found,
                              witness)  # fmt: skip

        results = []
        for truth in self.points:
            try:
                results.append(_compared(claim, truth, self.own))
            except Misfit as error:
                return said(Verdict.UNDECIDED, error.message)
            except (ValueError, OverflowError, ZeroDivisionError, RecursionError):
                return said(Verdict.UNDECIDED, "it has no value at random numbers")
        if any(each.is_open for each in results):
            return said(Verdict.UNDECIDED, "too close to decide, or without a value")
        if all(each.is_same for each in results):
            edge = any(each.used_edge for each in results)
            return said(Verdict.PROVED, "with 0 for what comes back after the last step"
                        if edge else "")  # fmt: skip
        if _has_open_sum(claim.right, self.own):
            return said(Verdict.UNDECIDED, "a sum over the steps does not say from where to where")
        theirs = sorted(self.foreign & {ref.name for ref in _named(claim)})
        if theirs:
            return said(Verdict.UNDECIDED, f"{theirs[0]} is not what the network calls so")
        forward = self._forward(claim)
        found = self._diagnosed(claim)
        if forward and not found:
            self.foreign.add(forward)
            return said(Verdict.UNDECIDED, f"this is not the {forward} of the network, which may "
                        "call it otherwise: --rename OLD=NEW says so")  # fmt: skip
        witness = next(each.witness for each in results if not each.is_same)
        return said(Verdict.REFUTED, "not equal to the left side", found, witness)

    def _forward(self, claim: _Claim) -> str:
        """The array of the network whose value, and not derivative, a claim says."""
        left = claim.left.of if isinstance(claim.left, Turned) else claim.left
        is_value = isinstance(left, Ref) and not left.is_gradient and not left.is_own
        return left.name if is_value and isinstance(left, Ref) else ""

    def _diagnosed(self, claim: _Claim) -> tuple[Diagnosis, ...]:
        """The mistake of the table that makes the left side what is written."""
        plain = self._plain(claim)
        if plain is not None and not self._forward(claim):
            return (plain,)
        left = claim.left.of if isinstance(claim.left, Turned) else claim.left
        if not isinstance(left, Ref) or left.is_own:
            return ()
        if not left.is_gradient:
            return self._of_forward(claim, left.name)
        stop = time.process_time() + SECONDS
        both = self.points[0].both
        for definition in suspects(both, [left.name]):
            for slip in slips(definition, both):
                if time.process_time() > stop:
                    return ()
                if all(self._gives(slip.definition, slip.term, claim, t) for t in self.points):
                    own = definition.name.removeprefix("∇")
                    where = "" if own == left.name else f"in ∂L/∂{own}, "
                    return (Diagnosis(slip.told.name, where + slip.told.text),)
        return ()

    def _of_forward(self, claim: _Claim, name: str) -> tuple[Diagnosis, ...]:
        """The mistake in a line of the forward pass."""
        both = self.points[0].both
        for definition in both.defining.get(name, ()):
            for slip in slips(definition, both):
                if all(self._gives(definition, slip.term, claim, t) for t in self.points):
                    is_lost = slip.told.name.startswith("missing-")
                    called = "missing-forward-term" if is_lost else slip.told.name
                    return (Diagnosis(called, slip.told.text),)
        return ()

    def _gives(self, definition: Definition, term: Term, claim: _Claim, truth: Truth) -> bool:
        """Whether a mistake gives what is written: made in this line alone, or all along."""
        try:
            alone = defined(definition, term, truth.both, truth.point, DOUBLES, truth.found)
            made = truth.found | {definition.name: alone}
            if _compared(claim, truth, self.own, _with_numbers(truth, made)).is_same:
                return True
        except (SymbackError, ValueError, KeyError, IndexError, TypeError):
            pass
        if not definition.name.startswith("∇"):
            return False
        numbers = changed_at(truth.both, truth.point, truth.found, definition, term)
        if numbers is None:
            return False
        try:
            return _compared(claim, truth, self.own, _with_numbers(truth, numbers)).is_same
        except (Misfit, ValueError, KeyError):
            return False

    def _plain(self, claim: _Claim) -> Diagnosis | None:
        sizes = list(self.system.sizes)
        tried: list[tuple[str, str, Callable[[Truth], float]]] = [
            ("sign-flipped", "the sign is wrong", lambda _: -1.0),
            ("constant-factor", "½ times as much as it should be", lambda _: 0.5),
            ("constant-factor", "2 times as much as it should be", lambda _: 2.0),
        ]
        for size in sizes:
            tried.append(("average-for-sum", f"divided by {size}",
                          lambda t, s=size: 1 / t.point.sizes[s]))  # fmt: skip
            tried.append(("sum-for-average", f"multiplied by {size}",
                          lambda t, s=size: float(t.point.sizes[s])))  # fmt: skip
        for name, words, factor in tried:
            changed = lambda t, f=factor: replace_left(claim, f(t))  # noqa: E731
            if all(self._same(changed(t), t) for t in self.points):
                return Diagnosis(name, words)
        if isinstance(claim.left, Ref) and self._same_all(replace(claim, left=Turned(claim.left))):
            return Diagnosis("matrix-layout", f"this is the transpose of {shown(claim.left)}")
        return None

    def _same_all(self, claim: _Claim) -> bool:
        return all(self._same(claim, truth) for truth in self.points)

    def _same(self, claim: _Claim, truth: Truth) -> bool:
        try:
            return _compared(claim, truth, self.own).is_same
        except (Misfit, ValueError):
            return False


def _named(claim: _Claim) -> Iterator[Ref]:
    yield from _plain_refs(claim.left)
    yield from _plain_refs(claim.right)


def replace_left(claim: _Claim, factor: float) -> _Claim:
    """The claim with so many times its left side."""
    return replace(claim, left=Multiplied((("", Num(factor, "")), ("", claim.left))))


def _with_numbers(truth: Truth, numbers: Mapping[str, Any]) -> Truth:
    made = object.__new__(Truth)
    made.__dict__.update(truth.__dict__)
    made.found = dict(numbers)
    return made


def _parts(tokens: Sequence[Token]) -> list[list[Token]]:
    """Claims side by side: cut at commas and the like where both pieces are equations."""
    made: list[list[Token]] = []
    for part in split(tokens, (",", ";", "⏐")):
        has_relation = any(token.kind in ("=", ":=") for token in part)
        if has_relation:
            made.append(part)
        elif part and made:
            raise NotRead("what stands behind the comma is not understood", part[0].place)
    return made


def _has_open_sum(node: Node, own: Mapping[str, _Own]) -> bool:
    """Whether a sum without bounds reads an array one step ahead, so that it may begin at 0."""
    match node:
        case Summed(name, None, None, body):
            return any(
                index.coefficient(name) and index.constant > 0
                for ref in _plain_refs(body)
                for index in ref.indices
            ) or _has_open_sum(body, own)
        case Summed(body=body):
            return _has_open_sum(body, own)
        case Added(terms):
            return any(_has_open_sum(each, own) for _, each in terms)
        case Multiplied(factors):
            return any(_has_open_sum(each, own) for _, each in factors)
        case Turned(of):
            return _has_open_sum(of, own)
    return False


def _plain_refs(node: Node) -> Iterator[Ref]:
    match node:
        case Ref():
            yield node
        case Added(terms):
            for _, each in terms:
                yield from _plain_refs(each)
        case Multiplied(factors):
            for _, each in factors:
                yield from _plain_refs(each)
        case Raised(base, exponent):
            yield from _plain_refs(base)
            yield from _plain_refs(exponent)
        case Turned(of) | Called(_, of) | Summed(body=of):
            yield from _plain_refs(of)


@dataclass(frozen=True, slots=True)
class _Result:
    """Both sides at one point, for all values of the letters on the left."""

    is_same: bool
    is_open: bool
    used_edge: bool
    witness: Witness | None = None


def _compared(
    claim: _Claim, truth: Truth, own: Mapping[str, _Own], other: Truth | None = None
) -> _Result:
    """Both sides for every value of the free letters; the left one by ``other`` where given."""
    right_values = _Values(truth, own)
    left_values = right_values if other is None else _Values(other, {})
    names = sorted(_letters(claim.left) - set(truth.point.sizes))
    missing = sorted(_letters(claim.right) - set(truth.point.sizes) - set(names))
    if missing:
        raise Misfit(f"what is {missing[0]}? it stands on one side alone and under no sum")
    runs = []
    for name in names:
        top = right_values.longest(name, claim.left)
        if top is None:
            top = right_values.longest(name, claim.right)
        if top is None:
            raise Misfit(f"how far does {name} run?")
        runs.append(range(1, top + 1))
    count = int(np.prod([len(run) for run in runs], dtype=np.int64)) if runs else 1
    if count > MOST_VALUES:
        raise Misfit("the claim has too many instances")
    apart, largest, witness = 0.0, 0.0, None
    for values in itertools.product(*runs):
        env = dict(zip(names, values, strict=True))
        left, right = left_values.value(claim.left, env), right_values.value(claim.right, env)
        left, right = (np.zeros(o.shape) if e is NOTHING else e
                       for e, o in ((left, right), (right, left)))  # fmt: skip
        if left.shape != right.shape:
            if right.ndim == 0 and float(right) == 0:
                right = np.zeros(left.shape)
            else:
                raise Misfit(
                    f"shapes do not fit: {'×'.join(map(str, left.shape)) or 'a number'} and "
                    f"{'×'.join(map(str, right.shape)) or 'a number'}"
                )
        if not (np.isfinite(left).all() and np.isfinite(right).all()):
            return _Result(False, True, right_values.used_edge)
        here = float(abs(left - right).max(initial=0.0))
        largest = max(largest, float(abs(left).max(initial=0.0)),
                      float(abs(right).max(initial=0.0)))  # fmt: skip
        if here > apart:
            apart = here
            at = np.unravel_index(int(np.argmax(abs(left - right))), left.shape)
            where = {name: str(value) for name, value in env.items()}
            if left.ndim:
                where["entry"] = ",".join(str(k + 1) for k in at)
            witness = Witness(where, f"{float(left[at]):.9g}", f"{float(right[at]):.9g}")
    is_same = apart <= SAME * largest or apart == 0
    is_open = not is_same and apart < DIFFERENT * largest
    return _Result(is_same, is_open, right_values.used_edge, witness)


def shown(node: Node) -> str:
    """A formula as it was read."""
    return _shown(node, 0)


def _shown(node: Node, level: int) -> str:
    """``level`` is 1 within a product, 2 before an exponent: what is looser gets brackets."""
    match node:
        case Num(value, text):
            found, own = text or f"{value:g}", 3
        case Measured(name):
            found, own = name, 3
        case Ref(name, indices, is_gradient):
            inside = f"[{','.join(map(str, indices))}]" if indices else ""
            found, own = ("∂L/∂" if is_gradient else "") + name + inside, 3
        case Added(terms):
            parts = []
            for k, (sign, each) in enumerate(terms):
                mark = ("-" if sign < 0 else "") if not k else (" - " if sign < 0 else " + ")
                parts.append(mark + _shown(each, 1))
            found, own = "".join(parts), 0
        case Multiplied(factors):
            found, own = _shown(factors[0][1], 1), 1
            for sign, each in factors[1:]:
                mark = {"": "·", "×": "·", "*": "·", "⊙": " ⊙ ", "@": "·"}.get(sign, sign)
                found += mark + _shown(each, 2 if sign == "/" else 1)
        case Raised(base, exponent):
            found, own = f"{_shown(base, 3)}^{{{_shown(exponent, 0)}}}", 2
        case Turned(of):
            found, own = f"{_shown(of, 3)}ᵀ", 3
        case Called(function, argument, is_slope):
            found, own = f"{function}{'′' if is_slope else ''}({_shown(argument, 0)})", 3
        case Summed(name, lower, upper, body):
            bounds = f"{name}" if lower is None else f"{name}={lower}"
            top = "" if upper is None else f"^{{{upper}}}"
            found, own = f"Σ_{{{bounds}}}{top} {_shown(body, 1)}", 0
    return f"({found})" if own < level else found


def check_formulas(
    text: str,
    backward: Backward,
    about: Asked | None = None,
    *,
    rename: Mapping[str, str] | None = None,
) -> Report:
    """The report on a page of formulas; a right side alone is the derivative by ``about``."""
    points = truths(backward, 3)
    if not points:
        said = "the network has no value at random numbers, so nothing can be compared"
        return Report(Verdict.UNDECIDED, (LineReport(1, 1, "", "", Verdict.UNDECIDED, said),), "")
    return _Page(text, points, dict(rename or {}), about).report()
