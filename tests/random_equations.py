"""Random networks as equations: sums, means, maxima, conditions and functions of random arrays."""

import random
from typing import Any

SIZES = {"i": "n", "j": "m", "k": "n", "t": "T", "u": "T"}
TWINS = {"t": "u", "u": "t", "i": "k", "k": "i"}
FUNCTIONS = (
    "tanh({})", "sigmoid({})", "max(0, {})", "({})**2", "-({})", "sin({})", "abs({})",
    "sqrt(1 + ({})**2)",
)  # fmt: skip
NAMES = "ABCDEFGHKMNPQRUVWXY"


class RandomEquations:
    """``text`` and ``tables`` for `symback.equations`, the same for the same ``seed``."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.arrays: dict[str, list[str]] = {}
        free = self.random.sample(["i", "j", "t", "u", "k"], self.random.choice([0, 1, 1, 2, 2, 3]))
        left = f"z[{','.join(free)}]" if free else "z"
        body = self.term(free, self.random.randint(2, 4))
        body += "".join(f" + {self.array([letter])}" for letter in free)
        loss = f"({left})**2"
        for letter in free:
            loss = f"sum({letter}, {loss})"
        self.text = f"{left} = {body}\nL = {loss}"

    @property
    def tables(self) -> dict[str, Any]:
        """Symbolic sizes, and every array a parameter."""
        sizes = {size: size for size in SIZES.values()}
        return {"sizes": sizes, "parameters": self.arrays, "inputs": {}}

    def array(self, letters: list[str]) -> str:
        """An element of a new array, or of one with that shape."""
        shape = [SIZES[letter] for letter in letters]
        same = [name for name, own in self.arrays.items() if own == shape]
        name = self.random.choice(same) if same and self.random.random() < 0.3 else self.new()
        self.arrays[name] = shape
        return f"{name}[{','.join(letters)}]" if letters else name

    def new(self) -> str:
        count = len(self.arrays)
        name = NAMES[count] if count < len(NAMES) else f"w{count}"
        free = name.lower() not in {*self.arrays, "e", *SIZES, *SIZES.values()}
        return name.lower() if free and self.random.random() < 0.4 else name

    def element(self, letters: list[str]) -> str:
        """Some of the letters, in any order."""
        mixed = self.random.sample(letters, len(letters))
        least = 0 if self.random.random() < 0.2 else 1
        most = min(len(letters), 3 if self.random.random() < 0.15 else 2)
        return self.array(mixed[: self.random.randint(min(least, most), most)])

    def term(self, letters: list[str], depth: int) -> str:
        """A formula over ``letters``."""
        kind = self.random.random()
        if depth == 0 or kind < 0.15:
            return self.element(letters)
        if kind < 0.35:
            sign = self.random.choice("+-")
            return f"({self.term(letters, depth - 1)} {sign} {self.term(letters, depth - 1)})"
        if kind < 0.55:
            return f"{self.term(letters, depth - 1)}*{self.term(letters, depth - 1)}"
        if kind < 0.6:
            return f"{self.term(letters, depth - 1)}/(2 + {self.term(letters, depth - 1)}**2)"
        if kind < 0.7:
            return self.random.choice(FUNCTIONS).format(self.term(letters, depth - 1))
        return self.bound(letters, depth)

    def bound(self, letters: list[str], depth: int) -> str:
        """A sum, a mean, a maximum or logsumexp over one more letter, perhaps under a condition."""
        new = [letter for letter in SIZES if letter not in letters]
        if not new:
            return self.element(letters)
        letter = self.random.choice(new)
        body = f"{self.term([*letters, letter], depth - 1)}*{self.array([letter])}"
        kind = self.random.choice(("sum", "sum", "sum", "mean", "logsumexp", "max"))
        twin = TWINS.get(letter)
        condition = ""
        if twin in letters and self.random.random() < 0.5:  # a mean of nothing has no value
            relations = ("<=", "<", "!=", "==") if kind == "sum" else ("<=", "==")
            condition = f" if {letter} {self.random.choice(relations)} {twin}"
        return f"{kind}({letter}{condition}, {body})"
