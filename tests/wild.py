"""Files of equations drawn from the grammar itself: whatever the contract allows, in any mixture.

`tables(seed)`: sizes of 1 to 3, padding, base cases, guards, conditions, look-ups, recurrences up
and down, binders of every kind.  What is drawn is valid but for a loss without a parameter, since
every letter has its range in [ranges].  `tests/scribbles.py` draws networks that look like such.
"""

import random
import re

LETTERS = {"T": "tuv", "n": "ijp", "m": "qrs"}
SMOOTH = ("tanh", "sigmoid", "sin", "exp", "gelu", "softplus", "silu", "erf", "relu", "abs")
RELATIONS = ("<", "<=", ">", ">=", "==", "!=")
BINDERS = ("sum", "sum", "sum", "mean", "max", "min", "logsumexp")


def tables(seed):
    """The tables of a file."""
    return Wild(random.Random(seed)).tables()


class Wild:
    """One file in the making: ``shapes`` of what there is so far, by name."""

    def __init__(self, source):
        self.source, self.equations, self.pad = source, {}, {}
        self.sizes = {"T": self.number(1, 3), "n": self.number(1, 3), "m": self.number(1, 2)}
        self.parameters = {name: self.shape(0) for name in "WUbc"[: self.number(2, 4)]}
        self.inputs = {name: self.shape(1) for name in "xy"[: self.number(1, 2)]}
        self.shapes = {**self.parameters, **self.inputs}
        self.tok = (self.one("Tnm"), self.one("Tnm")) if self.chance(0.4) else None
        for name, shape in self.shapes.items():
            if shape and self.chance(0.35):
                self.pad[name] = self.one((0, 0, 0, 1))
        for name in "ahzg"[: self.number(1, 4)]:
            self.define(name)
            last = name
        self.equations["L"] = f"{self.total(last)} + {self.formula({}, 2)}"

    def number(self, low, high):
        return self.source.randint(low, high)

    def one(self, choices):
        return self.source.choice(list(choices))

    def chance(self, share):
        return self.source.random() < share

    def shape(self, least):
        return [self.one("Tnm") for _ in range(self.number(least, 2))]

    def letters(self, shape):
        """A letter for each index, no two the same."""
        found = []
        for size in shape:
            found.append(next(each for each in LETTERS[size] if each not in found))
        return found

    def total(self, name):
        letters = self.letters(self.shapes[name])
        body = f"{element(name, letters)}**2"
        for each in letters:
            body = f"sum({each}, {body})"
        return body

    # Definitions.

    def define(self, name):
        shape = self.shape(0)
        letters = self.letters(shape)
        scope = dict(zip(letters, shape, strict=True))
        earlier = self.recurrence(name, letters, scope) if shape and self.chance(0.5) else ""
        right = self.formula(scope, 3)
        if earlier:
            right = self.one(
                (
                    f"tanh({earlier} + {right})",
                    f"{right} + 0.5*{earlier}",
                    f"sigmoid({right})*{earlier}",
                    f"{right} - {earlier}*{self.formula(scope, 1)}",
                )
            )
        self.equations[element(name, letters)] = right
        self.shapes[name] = shape
        if shape and self.chance(0.25):
            self.pad[name] = 0

    def recurrence(self, name, letters, scope):
        """What is read of earlier or later elements, its base cases given, padded or guarded."""
        axis, up = self.number(0, len(letters) - 1), self.chance(0.7)
        own = letters[axis]
        size, sign = scope[own], "-" if up else "+"
        others = {each: scope[each] for each in letters if each != own}

        def at(index):
            return element(name, [index if each == own else each for each in letters])

        def base(*outside):
            for each in outside:
                self.equations[at(each)] = self.formula(others, 1)

        match self.one(("base", "two", "guard", "condition", "pad")):
            case "base":
                base("0" if up else f"{size}+1")
                return at(f"{own}{sign}1")
            case "two":
                base(*(("0", "-1") if up else (f"{size}+1", f"{size}+2")))
                return at(f"{own}{sign}2") + self.one(("", f"*{at(f'{own}{sign}1')}"))
            case "guard":
                first = f"{own} == {1 if up else size}"
                return f"where({first}, {self.formula(scope, 1)}, {at(f'{own}{sign}1')})"
            case "pad":
                self.pad[name] = 0
                return at(f"{own}{sign}1")
        bound = next(each for each in LETTERS[size] if each not in letters)
        return f"sum({bound} if {bound} {'<' if up else '>'} {own}, {at(bound)})"

    # Formulas in the letters of ``scope``, each with its size.

    def formula(self, scope, depth):
        if depth <= 0 or self.chance(0.15):
            return self.leaf(scope)

        def part():
            return self.formula(scope, depth - 1)

        kinds = ["sum", "sum", "product", "product", "quotient", "call", "call", "log", "extreme"]
        kinds += ["values", "binder", "binder", "binder"] + ["indices", "softmax"] * bool(scope)
        match self.one(kinds):
            case "sum":
                return f"({part()} {self.one('+-')} {part()})"
            case "product":
                return f"{part()}*{part()}"
            case "quotient":
                return f"{part()}/(1.5 + ({part()})**2)"
            case "call":
                return f"{self.one(SMOOTH)}({part()}/3)"
            case "log":
                return f"log(2 + ({part()})**2)"
            case "extreme":
                return f"{self.one(('max', 'min'))}({part()}, {part()})"
            case "values":
                return f"where({part()} < {part()}, {part()}, {part()})"
            case "indices":
                return f"where({self.condition(self.one(scope), scope)}, {part()}, {part()})"
            case "softmax":
                own = self.one(scope)
                asked = f" if {self.condition(own, scope)}" if self.chance(0.5) else ""
                return f"softmax({own}{asked}, {part()})"
        size = self.one("Tnm")
        own, kind = self.one(LETTERS[size]), self.one(BINDERS)
        inner = {**scope, own: size}
        asked = ""
        if self.chance(0.4):
            asked = f" if {self.condition(own, inner) if kind == 'sum' else f'{own} >= 1'}"
        return f"{kind}({own}{asked}, {self.formula(inner, depth - 1)})"

    def condition(self, own, scope):
        others = [each for each in scope if each != own]
        other = self.one([*others, scope[own], "1", "2"])
        if self.tok and self.tok[0] == scope[own] and self.chance(0.2):
            return f"tok[{own}] {self.one(('==', '!=', '<='))} {other}"
        return f"{own} {self.one(RELATIONS)} {other}{self.one(('', '', '+1', '-1'))}"

    def leaf(self, scope):
        if self.chance(0.1):
            return self.one(("0.5", "2", "1/3", "T", "sqrt(n)", "1/m", *scope))
        name = self.one(self.shapes)
        indices, guards = [], []
        for size in self.shapes[name]:
            indices.append(self.index(size, scope))
            if name not in self.pad and not indices[-1].isalnum() and "tok" not in indices[-1]:
                guards += [f"{indices[-1]} >= 1", f"{indices[-1]} <= {size}"]
        read = element(name, indices)
        return (
            f"where({' and '.join(guards)}, {read}, {self.one(('0', '0.25'))})" if guards else read
        )

    def index(self, size, scope):
        """A letter, a number, a size, a sum, or a look-up; only sums may fall outside."""
        if self.tok and self.tok[1] == size and self.chance(0.12):
            plain = [each for each, of in scope.items() if of == self.tok[0]]
            return f"tok[{self.one([*plain, '1', self.tok[0]])}]"
        same = [each for each, of in scope.items() if of == size]
        if same and self.chance(0.65):
            return self.one(same)
        if scope and self.chance(0.6):
            own, other = self.one(scope), self.one(scope)
            shift = self.one((-2, -1, 1, 2))
            return self.one(
                (f"{own}{shift:+d}", f"2*{own}{shift:+d}", f"{size}+1-{own}", f"{own}+{other}-1")
            )
        return self.one(("1", size))

    def tables(self):
        words = set(re.findall(r"[a-z]+", " ".join((*self.equations, *self.equations.values()))))
        tok = {"tok": {"shape": [self.tok[0]], "below": self.tok[1]}} if self.tok else {}
        return {
            "sizes": self.sizes,
            "parameters": self.parameters,
            "inputs": self.inputs,
            "indices": tok,
            "pad": self.pad,
            "ranges": {own: size for size in "Tnm" for own in LETTERS[size] if own in words},
            "equations": self.equations,
        }


def element(name, indices):
    """``W[i,j]``, or ``L``."""
    return f"{name}[{','.join(indices)}]" if indices else name
