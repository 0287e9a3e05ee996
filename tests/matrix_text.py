"""Reads the text of a matrix form as a person does, and computes it.

`MatrixText` reads one right-hand side.  What its letters stand for are arrays by their printed
names; everything else, signs, parentheses, ⊙, ᵀ, fractions, Σ, comes from the text alone.  A column
of ones is as long as it has to be.  Numbers are doubles.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Lookup = Callable[[str, Mapping[str, int]], np.ndarray]
"""The array that a printed name stands for, given what letters are."""

ONES, ONES_ROW = "ones", "row of ones"
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "tanh": np.tanh, "log": np.log, "sgn": np.sign, "erf": np.vectorize(math.erf),
    "σ": lambda z: 1 / (1 + np.exp(-z)), "ReLU": lambda z: np.maximum(z, 0),
    "SiLU": lambda z: z / (1 + np.exp(-z)), "sin": np.sin, "cos": np.cos,
    "GELU": lambda z: z * (1 + np.vectorize(math.erf)(z / math.sqrt(2))) / 2,
    "max": np.maximum, "min": np.minimum, "softplus": lambda z: np.log(1 + np.exp(z)),
    "ELU": lambda z: np.where(z > 0, z, np.exp(z) - 1),
    "leaky_ReLU": lambda z: np.where(z > 0, z, 0.01 * z),
}  # fmt: skip


INDICES = r"\[([a-z]\d*(?:,[a-z]\d*)*)\]"


class Unreadable(ValueError):
    """Text that this grammar does not have."""


class MatrixText:
    """One right-hand side, read at ``values``; ``names`` are what ``lookup`` knows.

    ``ranges`` says how far the letters of softmax_u and the like run; ``own`` are the letters of
    the left side, in order.
    """

    def __init__(
        self,
        text: str,
        names: list[str],
        lookup: Lookup,
        ranges: Mapping[str, int],
        own: Sequence[str] = (),
    ) -> None:
        self.text, self.lookup, self.ranges, self.own = text, lookup, ranges, own
        self.names = sorted(names, key=len, reverse=True)

    def value(self, values: Mapping[str, int]) -> Any:
        """What it says."""
        self.at, self.values = 0, dict(values)
        found = self.sum()
        if self.at != len(self.text):
            raise Unreadable(f"{self.text[: self.at]} ⟂ {self.text[self.at :]}")
        return found

    # ---------------------------------------------------------------------- reading

    def ahead(self, mark: str) -> bool:
        return self.text.startswith(mark, self.at)

    def take(self, mark: str) -> bool:
        if self.ahead(mark):
            self.at += len(mark)
            return True
        return False

    def need(self, mark: str) -> None:
        if not self.take(mark):
            raise Unreadable(f"{mark!r} expected: {self.text[: self.at]} ⟂ {self.text[self.at :]}")

    def match(self, pattern: str) -> re.Match[str] | None:
        found = re.compile(pattern).match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def sum(self) -> Any:
        sign = -1 if self.take("-") else 1
        total = sign * _plain(self.dots())
        while self.ahead(" + ") or self.ahead(" - "):
            sign = 1 if self.take(" + ") else -1
            self.take(" - ")
            total = total + sign * _plain(self.dots())
        return total

    def dots(self) -> Any:
        found = self.hadamard()
        while self.take("·") or self.take(" · "):
            found = _plain(found) * _plain(self.hadamard())
        return found

    def hadamard(self) -> Any:
        found = self.matmul()
        while self.ahead(" ⊙ ") or self.ahead(" ⊘ "):
            divides = self.take(" ⊘ ")
            self.take(" ⊙ ")
            other = _plain(self.matmul())
            found = _plain(found) / other if divides else _plain(found) * other
        return found

    def matmul(self) -> Any:
        chain = [self.quotient()]
        while self.ahead(" ") and not re.match(r" [-+⊙⊘·=|≤<>≥≠]| and | if | otherwise", self.rest):
            self.need(" ")
            chain.append(self.quotient())
        return chain[0] if len(chain) == 1 else _multiplied(chain)

    @property
    def rest(self) -> str:
        return self.text[self.at :]

    def quotient(self) -> Any:
        found = self.postfix()
        if self.take("/"):
            found = _plain(found) / _plain(self.postfix())
        return found

    def postfix(self) -> Any:
        found = self.atom()
        while True:
            if self.take("ᵀ"):
                found = ONES_ROW if isinstance(found, str) else np.asarray(found).T
            elif self.ahead("[") and (indices := self.match(INDICES)):
                found = np.asarray(_plain(found))
                at = [self.values[letter] - 1 for letter in indices[1].split(",")]
                at += [0] * (found.ndim - len(at))
                found = found[tuple(min(k, n - 1) for k, n in zip(at, found.shape, strict=True))]
            elif self.take("^⊙") or self.take("^"):
                found = _plain(found) ** self.exponent()
            else:
                return found

    def exponent(self) -> Any:
        if number := self.match(r"\d+"):
            return float(number[0])
        return _plain(self.atom())

    def atom(self) -> Any:
        if self.take("("):
            found = _plain(self.sum())
            self.need(")")
            return found
        if self.take("|"):
            found = abs(_plain(self.sum()))
            self.need("|")
            return found
        if self.take("√("):
            found = np.sqrt(_plain(self.sum()))
            self.need(")")
            return found
        if self.take("{"):
            return self.cases()
        if self.take("Σ_{"):
            return self.sigma()
        if self.ahead('einsum("'):
            return self.einsum()
        if (name := self.name()) is not None:
            return self.element(name)
        if self.take("1["):
            found = self.condition() * 1.0
            self.need("]")
            return found
        if self.match(r"1(?=ᵀ|[ )\]]|$)(?!\d)"):
            return ONES
        if number := self.match(r"\d+(\.\d+)?"):
            return float(number[0])
        if self.match(r"e\^"):
            return np.exp(_plain(self.postfix_of_power()))
        if self.match("π"):
            return math.pi
        return self.function()

    def postfix_of_power(self) -> Any:
        return self.atom()

    def name(self) -> str | None:
        for name in self.names:
            follows = self.text[self.at + len(name) : self.at + len(name) + 1]
            is_whole = follows in ("", "ᵀ") or not (follows.isalnum() or follows in "_′")
            if self.ahead(name) and is_whole:
                self.at += len(name)
                return name
        return None

    def element(self, name: str) -> Any:
        return self.lookup(name, self.values)

    def einsum(self) -> Any:
        self.need('einsum("')
        subscripts = self.match(r'[^"]*')
        self.need('"')
        assert subscripts
        operands = []
        while self.take(", "):
            operands.append(_squeezed(_plain(self.sum()), subscripts[0], len(operands)))
        self.need(")")
        found = np.einsum(subscripts[0], *operands)
        if self.ahead("[") or subscripts[0].endswith("->"):
            return found
        return found[tuple(self.values[letter] - 1 for letter in self.own)]

    def sigma(self) -> Any:
        head = self.match(r"(\w+)=([^.]*)\.\.([^}]*)\} ")
        assert head
        letter, lower, upper = head.groups()
        start, total, before = self.at, 0.0, dict(self.values)
        runs = range(_size(lower, before), _size(upper, before) + 1)
        for step in (*runs, *([1] if not runs else [])):
            self.at, self.values = start, {**before, letter: step}
            value = _plain(self.dots())
            total = total + (value if runs else 0 * value)
        self.values = before
        return total

    def cases(self) -> Any:
        found = []
        while True:
            value = _plain(self.sum())
            if self.take(" otherwise}"):
                for condition, own in reversed(found):
                    value = np.where(condition, own, value)
                return value
            self.need(" if ")
            found.append((self.condition(), value))
            self.need("; ")

    def condition(self) -> Any:
        found = True
        while True:
            left = _plain(self.sum())
            mark = self.match(r" (≤|<|≥|>|=|≠) ")
            assert mark
            right = _plain(self.sum())
            compare = {
                "≤": np.less_equal, "<": np.less, "≥": np.greater_equal, ">": np.greater,
                "=": np.equal, "≠": np.not_equal,
            }[mark[1]]  # fmt: skip
            found = found & compare(left, right)
            if not self.take(" and "):
                return found

    def function(self) -> Any:
        head = self.match(r"(\w+?)(_rows|_cols|_[a-z]\d*)?(?:\^(\d))?\(")
        if head is None:
            if letter := self.match(r"[A-Za-z]\w*"):
                return float(self.values[letter[0]])
            raise Unreadable(f"{self.text[: self.at]} ⟂ {self.rest}")
        name, along, power = head.groups()
        if along and along not in ("_rows", "_cols"):
            return self.over(name, along[1:])
        arguments, mask = [_plain(self.sum())], None
        while self.take(", "):
            arguments.append(_plain(self.sum()))
        if self.take(" | "):
            mask = _plain(self.sum())
        self.need(")")
        is_whole = name in ("max", "min") and len(arguments) == 1
        if name in FUNCTIONS and not along and not is_whole:
            found = FUNCTIONS[name](*arguments)
        else:
            axis = {"_rows": 1, "_cols": 0, None: 0}[along]
            found = _along(name, np.asarray(arguments[0]), axis, mask)
        return found ** int(power) if power else found

    def over(self, name: str, letter: str) -> Any:
        start, before, row, mask = self.at, dict(self.values), [], []
        for step in range(1, self.ranges[letter] + 1):
            self.at, self.values = start, {**before, letter: step}
            row.append(_plain(self.sum()))
            mask.append(_plain(self.sum()) if self.take(" | ") else 1.0)
        self.need(")")
        self.values = before
        found = _along(name, np.array(row)[:, None], 0, np.array(mask)[:, None])
        return found[before[letter] - 1, 0] if len(found) > 1 else found[0, 0]


def _size(text: str, values: Mapping[str, int]) -> int:
    total = 0
    for sign, number, name in re.findall(r"([-+]?)(\d*)([A-Za-z]\w*)?", text):
        if number or name:
            size = (int(number) if number else 1) * (values[name] if name else 1)
            total += -size if sign == "-" else size
    return total


def _plain(value: Any) -> Any:
    return 1.0 if isinstance(value, str) else value


def _multiplied(chain: list[Any]) -> Any:
    """A matrix product; ones sum what they meet, and what they only repeat is left to NumPy."""
    chain = list(chain)
    place = 0
    while place < len(chain) - 1:  # A 1 and 1ᵀ A
        left, right = chain[place : place + 2]
        if isinstance(right, str) and right == ONES and not isinstance(left, str):
            chain[place : place + 2] = [left.sum(axis=1, keepdims=True)]
        elif isinstance(left, str) and left == ONES_ROW and not isinstance(right, str):
            chain[place : place + 2] = [right.sum(axis=0, keepdims=True)]
        elif not isinstance(left, str) and not isinstance(right, str):
            chain[place : place + 2] = [np.atleast_2d(left) @ np.atleast_2d(right)]
        else:
            place += 1
            continue
        place = 0
    arrays = [each for each in chain if not isinstance(each, str)]
    found = arrays[0] if arrays else 1.0
    for other in arrays[1:]:
        found = found * other
    return found


def _squeezed(value: Any, subscripts: str, place: int) -> np.ndarray:
    """A column as what einsum takes: an array with as many axes as it has letters."""
    letters = subscripts.split("->", maxsplit=1)[0].split(",")[place]
    array = np.asarray(value, dtype=float)
    return array[:, 0] if array.ndim == 2 and len(letters) == 1 else array


def _along(name: str, array: np.ndarray, axis: int, mask: Any) -> np.ndarray:
    array, kept = np.broadcast_arrays(array, np.ones(array.shape) if mask is None else mask)
    kept = kept > 0
    low = np.where(kept, array, -np.inf)
    match name:
        case "softmax":
            grown = np.exp(low)
            return grown / grown.sum(axis=axis, keepdims=True)
        case "logsumexp":
            return np.log(np.exp(low).sum(axis=axis, keepdims=True))
        case "max":
            return low.max(axis=axis, keepdims=True)
        case "argmax":
            places = np.expand_dims(np.arange(array.shape[axis]), 1 - axis)
            return (places == np.expand_dims(low.argmax(axis=axis), axis)) * 1.0
    raise Unreadable(name)
