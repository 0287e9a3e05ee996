"""How one engine spells what a kernel computes: the only place that knows NumPy's words.

A `Spelling` has a word for every function and for the few things that engines do differently, and
prints forms of `symback.kernels.forms` (trees of `symback.language.reading`) as code.  `NUMPY`,
`JAX` and `TORCH` work on arrays, `MATH` on Python's numbers, one at a time.  `Code` is a piece of
Python with the binding of its outermost operator; it is put together with its own operators: ``a +
b``, ``-a``, ``a ** 2``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from string import Template

from symback.language import algebra, reading
from symback.language.expressions import Named, Node, operation

__all__ = ["JAX", "MATH", "NUMPY", "NUMPY_PLAIN", "TORCH", "Code", "Spelling", "number"]

ATOM, POWER, SIGN, TIMES, PLUS, COMPARISON, CHOICE = 7, 6, 5, 4, 3, 2, 1
"""How tightly Python's operators bind."""


@dataclass(frozen=True, slots=True)
class Code:
    """An expression in Python, and how tightly its outermost operator binds."""

    text: str
    binding: int = ATOM

    def within(self, binding: int) -> str:
        """The text as an operand of an operator that binds so tightly."""
        return self.text if self.binding >= binding else f"({self.text})"

    def __add__(self, other: Code) -> Code:
        if other.text.startswith("-") and other.binding >= TIMES:
            return Code(f"{self.within(PLUS)} - {other.text[1:]}", PLUS)
        return Code(f"{self.within(PLUS)} + {other.within(TIMES)}", PLUS)

    def __sub__(self, other: Code) -> Code:
        return Code(f"{self.within(PLUS)} - {other.within(TIMES)}", PLUS)

    def __mul__(self, other: Code) -> Code:
        if "1" in (self.text, other.text):
            return other if self.text == "1" else self
        return Code(f"{self.within(TIMES)} * {other.within(SIGN)}", TIMES)

    def __truediv__(self, other: Code) -> Code:
        return Code(f"{self.within(TIMES)} / {other.within(SIGN)}", TIMES)

    def __matmul__(self, other: Code) -> Code:
        return Code(f"{self.within(TIMES)} @ {other.within(SIGN)}", TIMES)

    def __pow__(self, other: Code) -> Code:
        if other.text == "2" and self.text.isidentifier():
            return self * self
        return Code(f"{self.within(ATOM)} ** {other.within(SIGN)}", POWER)

    def __neg__(self) -> Code:
        return Code(f"-{self.within(SIGN)}", SIGN) if self.text != "0" else self

    def compared(self, relation: str, other: Code) -> Code:
        """A comparison; an indicator is one that is used as a number."""
        return Code(f"{self.within(PLUS)} {relation} {other.within(PLUS)}", COMPARISON)


def number(value: float) -> Code:
    """A constant with all its digits, whole ones without a point."""
    whole = int(value) if float(value).is_integer() and abs(value) < 2**53 else float(value)
    return Code(repr(whole), SIGN if value < 0 else ATOM)


_OPERATORS = {
    "+": Code.__add__,
    "-": Code.__sub__,
    "*": Code.__mul__,
    "/": Code.__truediv__,
    "**": Code.__pow__,
}


@dataclass(frozen=True, slots=True)
class Spelling:
    """The words of one engine.

    ``functions`` maps names of functions to what is called, or to a template of an expression;
    ``max_number`` and ``min_number`` are for an array and a number, where an engine has words of
    their own for that.  ``words`` are those that lines and helpers call $np, $max, ….
    ``choice`` is a template for "if condition, then yes, else no", ``choice_binding`` how tightly
    it binds, and ``product`` one for a product in the memory of its first factor, if there is such
    a call; ``in_place`` says whether hidden layers are computed in memory that is kept.
    """

    name: str
    functions: Mapping[str, str] = field(repr=False)
    choice: str
    choice_binding: int = ATOM
    product: str = ""
    words: Mapping[str, str] = field(default_factory=dict, repr=False)
    choice_of_numbers: str = ""
    in_place: bool = False

    def write(self, text: str) -> str:
        """A template with its words filled in: ``$np.exp(a)`` as ``np.exp(a)``."""
        return Template(text).substitute(self.words)

    def call(self, function: str, *arguments: Code) -> Code:
        """function(arguments …); of a function that has no word here, its argument alone."""
        numbers = [a for a in arguments if not _NAME.search(a.text)]
        if numbers and f"{function}_number" in self.functions:
            function, arguments = f"{function}_number", (*_without(arguments, numbers), *numbers)
        word = self.functions[function]
        if not word:
            return arguments[0]
        if "{" in word:
            return Code(word.format(*(a.within(SIGN) for a in arguments)))
        return Code(f"{word}({', '.join(a.text for a in arguments)})")

    def where(self, condition: Code, yes: Code, no: Code) -> Code:
        """One where the condition holds, the other elsewhere; a bare condition counts 1 or 0."""
        if (yes.text, no.text) == ("1", "0"):
            return condition
        choice = self.choice
        if self.choice_of_numbers and not any(_NAME.search(code.text) for code in (yes, no)):
            choice = self.choice_of_numbers
        return Code(choice.format(condition.text, yes.text, no.text), self.choice_binding)

    def product_into(self, first: Code, second: Code) -> Code:
        """first · second, in the memory of the first where the engine has such a call."""
        if not self.product:
            return first * second
        return Code(self.product.format(first.text, second.text))

    def into(
        self, node: Node, letters: Mapping[str, Code], name: str, memory: str
    ) -> list[str] | None:
        """The lines that compute a form into ``memory`` and call it ``name``.

        None where some operation has no such line, or would need what is overwritten.
        """
        head, arguments = operation(node)
        word, operator = _IN_PLACE.get(head, (self.functions.get(head, ""), ""))
        if not word.startswith("np.") and head != "capped":
            return None
        parts = [self.form(part, letters) for part in arguments]
        inner = next((k for k, part in enumerate(arguments) if _is_compound(part)), None)
        if inner is None:
            return [_line(word, operator, parts, name, memory)]
        lines = self.into(arguments[inner], letters, name, memory)
        parts[inner] = Code("")
        if lines is None or any(_reads(part, name, memory) for part in parts):
            return None
        parts[inner] = Code(name)
        return [*lines, _line(word, operator, parts, name, name)]

    def form(self, node: Node, letters: Mapping[str, Code]) -> Code:
        """A form as code, each of its names as ``letters`` say; constants are folded."""
        if isinstance(node, Named) and node.name in letters:
            return letters[node.name]
        head, arguments = operation(node)
        if not head or not reading.names(node):
            return number(float(algebra.to_sympy(node, {})))
        parts = [self.form(part, letters) for part in arguments]
        if head in _OPERATORS:
            return _OPERATORS[head](*parts)
        if head == "neg":
            return -parts[0]
        if head in reading.COMPARISONS:
            return parts[0].compared(head, parts[1])
        return self.where(*parts) if head == "where" else self.call(head, *parts)


_NAME = re.compile(r"(?<![\w.])[^\W\d]")


# What computes into given memory: a function, and the operator that changes its first operand.
_IN_PLACE = {
    "+": ("np.add", "+"),
    "-": ("np.subtract", "-"),
    "*": ("np.multiply", "*"),
    "/": ("np.divide", "/"),
    "neg": ("np.negative", ""),
}


def _is_compound(node: Node) -> bool:
    return bool(operation(node)[0]) and bool(reading.names(node))


def _line(word: str, operator: str, parts: Sequence[Code], name: str, memory: str) -> str:
    first, *others = [part.text for part in parts]
    if operator in ("+", "*") and others == [memory]:
        first, others = memory, [first]
    if operator and first == name == memory:
        return f"{name} {operator}= {others[0]}"
    if (word, first) == ("np.divide", "1"):
        word, first, others = "np.reciprocal", others[0], []
    named = "" if name == memory else f"{name} = "
    return f"{named}{word}({', '.join([first, *others])}, out={memory})"


def _reads(code: Code, *names: str) -> bool:
    return bool({*re.findall(r"\w+", code.text)} & {*names})


def _without(arguments: Sequence[Code], left_out: Sequence[Code]) -> list[Code]:
    return [a for a in arguments if a not in left_out]


_SAME = "sqrt sin cos tan sinh cosh tanh exp log log1p expm1".split()

_NUMPY_WORDS = (
    {word: f"np.{word}" for word in _SAME}
    | {"asin": "np.arcsin", "acos": "np.arccos", "atan": "np.arctan"}
    | {"vdot": "np.vdot", "and": "np.logical_and", "or": "np.logical_or"}
    | {"abs": "np.abs", "sign": "np.sign", "max": "np.maximum", "min": "np.minimum"}
    | {word: f"_{word}" for word in ("erf", "normal", "coarse", "nonzero", "capped", "near")}
)

NUMPY = Spelling(
    "numpy",
    _NUMPY_WORDS,
    "np.where({}, {}, {})",
    product="np.multiply({0}, {1}, out={0})",
    words={
        "np": "np",
        "where": "",
        "max": "max",
        "min": "min",
        "take": "take_along_axis",
        "cast": "astype(dtype, copy=False)",
        "astype": "astype",
    },
    in_place=True,
)
NUMPY_PLAIN = replace(NUMPY, in_place=False, product="")

# e^u that is too large is an error of Python's, and the kernel turns to arrays: nothing is capped.
MATH = Spelling(
    "math",
    {word: word for word in [*_SAME, "asin", "acos", "atan", "erf", "erfc"]}
    | {"abs": "abs", "max": "max", "min": "min", "capped": "", "normal": "_normal_of_one"}
    | {word: f"_{word}" for word in ("sign", "coarse", "nonzero", "near")},
    "{1} if {0} else {2}",
    CHOICE,
)


def _of_module(module: str) -> dict[str, str]:
    """The words of an engine that calls its functions as NumPy does, in a module of its own."""
    return {function: word.replace("np.", f"{module}.") for function, word in _NUMPY_WORDS.items()}


# A scalar product by hand: `vdot` and `@` may be computed with fewer digits on some devices.
JAX = Spelling(
    "jax",
    _of_module("jnp")
    | {"vdot": "({0} * {1}).sum()"}
    | {"erf": "jax.scipy.special.erf", "normal": "jax.scipy.special.ndtr"},
    "jnp.where({}, {}, {})",
    words={**NUMPY.words, "np": "jnp"},
)

TORCH = Spelling(
    "torch",
    _of_module("torch")
    | {"vdot": "({0} * {1}).sum()", "erf": "torch.erf", "normal": "torch.special.ndtr"}
    | {"max_number": "torch.clamp({0}, min={1})", "min_number": "torch.clamp({0}, max={1})"},
    "torch.where({}, {}, {})",
    words={
        "np": "torch",
        "where": ", device=v.device",
        "max": "amax",
        "min": "amin",
        "take": "take_along_dim",
        "cast": "to(dtype)",
        "astype": "to",
    },
    # of two plain numbers `where` makes float32, whatever they are
    choice_of_numbers="torch.where({}, *torch.tensor([{}, {}], dtype=torch.float64))",
)
