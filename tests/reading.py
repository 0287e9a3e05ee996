r"""Reads back what the printers write, with eyes of its own: two small evaluators.

`text_value` and `latex_value` take a printed formula and what its names stand for, and give the
number that a reader would compute by the rules one learns at school: powers before products,
products before sums, a Σ over the product that follows it.  They share no code with the printers,
so a lost parenthesis changes the number.  Anything a strict reader would not expect raises
`Unreadable`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from referee import COMPARISONS, FUNCTIONS, mp

Letters = Mapping[str, int]
Value = Callable[[Letters], Any]
"""A number, given the values of the index letters."""

WORDS = {name: name for name in FUNCTIONS} | {
    "abs": "Abs", "sgn": "sign", "arcsin": "asin", "arccos": "acos", "arctan": "atan",
}  # fmt: skip


class Unreadable(ValueError):
    """A printed formula that breaks the rules of its own notation."""


class _Reader:
    """A reader by descent: sum, product, power, thing."""

    def __init__(self, text: str, names: Mapping[str, Value]) -> None:
        self.text, self.at = text, 0
        self.names = names
        self.longest_first = sorted(names, key=len, reverse=True)

    # ------------------------------------------------------------------------------ marks

    def read(self) -> Value:
        found = self.sum()
        if self.rest():
            raise Unreadable(f"cannot read on at {self.rest()!r} of {self.text!r}")
        return found

    def rest(self) -> str:
        return self.text[self.at :]

    def skip(self) -> None:
        while self.rest().startswith(" "):
            self.at += 1

    def take(self, pattern: str) -> re.Match[str] | None:
        """Take what comes next if it is that, spaces before it left out."""
        self.skip()
        match = re.compile(pattern).match(self.text, self.at)
        if match is not None:
            self.at = match.end()
        return match

    def need(self, pattern: str) -> re.Match[str]:
        found = self.take(pattern)
        if found is None:
            raise Unreadable(f"expected {pattern} at {self.rest()!r} of {self.text!r}")
        return found

    # ---------------------------------------------------------------------------- grammar

    def sum(self) -> Value:
        sign = -1 if self.take("-") else 1
        terms = [(sign, self.product())]
        while mark := self.take(r"[-+]"):
            terms.append((1 if mark[0] == "+" else -1, self.product()))
        return lambda letters: mp.fsum(sign * term(letters) for sign, term in terms)

    def product(self) -> Value:
        raise NotImplementedError

    def power(self) -> Value:
        base = self.thing()
        if not self.take(r"\^"):
            return base
        exponent = self.exponent()
        if self.take(r"\^"):
            raise Unreadable(f"two exponents in a row in {self.text!r}")
        return lambda letters: mp.power(base(letters), exponent(letters))

    def exponent(self) -> Value:
        raise NotImplementedError

    def thing(self) -> Value:
        raise NotImplementedError

    def name(self) -> Value | None:
        self.skip()
        for name in self.longest_first:
            after = self.text[self.at + len(name) :][:1]
            if self.rest().startswith(name) and not re.match(r"[\w]", after):
                self.at += len(name)
                return self.names[name]
        return None

    def number(self) -> Value | None:
        match = self.take(r"\d+(\.\d+)?(e-?\d+)?")
        if match is None:
            return None
        found = mp.mpf(match[0])
        return lambda _: found

    def index(self) -> Callable[[Letters], int]:
        """Read a letter or a number that counts."""
        word = self.need(r"[A-Za-z]\w*|\d+")[0]
        return (lambda _: int(word)) if word.isdigit() else (lambda letters: letters[word])

    def condition(self) -> Value:
        """Read comparisons with "and" between them, or with "or", but not with both."""
        parts, words = [self.joined_part()], set()
        while word := self.joining():
            words.add(word)
            parts.append(self.joined_part())
        if len(words) > 1:
            raise Unreadable(f"both and and or in {self.text!r}")
        every = any if words == {"or"} else all
        return lambda letters: every(part(letters) for part in parts)

    def joined_part(self) -> Value:
        """Read a comparison, or conditions in parentheses."""
        start = self.at
        try:
            return self.comparison()
        except Unreadable:
            self.at = start
            self.need(r"(\\left)?\(")
            found = self.condition()
            self.need(r"(\\right)?\)")
            return found

    def joining(self) -> str | None:
        raise NotImplementedError

    def comparison(self) -> Value:
        raise NotImplementedError

    def summed(self, letter: str, last: str) -> Value:
        """Read what a Σ runs over: the product that follows."""
        body = self.product()
        steps = range(1, int(last) + 1)
        return lambda letters: mp.fsum(body({**letters, letter: k}) for k in steps)

    def applied(self, word: str, close: Callable[[], Value]) -> Value:
        """Read the exponent and the argument of a function."""
        function = FUNCTIONS[WORDS[word]]
        exponent = self.exponent() if self.take(r"\^") else None
        argument = close()
        if exponent is None:
            return lambda letters: function(argument(letters))
        return lambda letters: mp.power(function(argument(letters)), exponent(letters))


def _cases(cases: list[tuple[Value, Value | None]]) -> Value:
    def value(letters: Letters) -> Any:
        return next(
            then(letters) for then, holds in cases if holds is None or holds(letters)
        )  # only the branch that is taken has to have a value

    return value


class _TextReader(_Reader):
    def product(self) -> Value:
        found = self.power()
        while mark := self.take("[·/]"):
            found = self.combined(found, mark[0], self.power())
        return found

    def combined(self, left: Value, mark: str, right: Value) -> Value:
        if mark == "·":
            return lambda letters: left(letters) * right(letters)
        return lambda letters: left(letters) / right(letters)

    def exponent(self) -> Value:
        return self.thing()

    def thing(self) -> Value:
        if sigma := self.take(r"Σ_\{(\w+)=1\.\.(\d+)\} "):
            return self.summed(sigma[1], sigma[2])
        if self.take(r"1\["):
            return self.indicator()
        if self.take(r"\{"):
            return self.piecewise()
        if self.take(r"\|"):
            inner = self.sum()
            self.need(r"\|")
            return lambda letters: abs(inner(letters))
        found = self.name() or self.number()
        if found is not None:
            return found
        if self.take(r"e(?!\w)"):
            return lambda _: +mp.e
        if self.take("π"):
            return lambda _: +mp.pi
        if self.take("√"):
            inner = self.bracketed()
            return lambda letters: mp.sqrt(inner(letters))
        if word := self.take("|".join(sorted(WORDS, key=len, reverse=True))):
            return self.applied(word[0], self.bracketed)
        return self.bracketed()

    def bracketed(self) -> Value:
        self.need(r"\(")
        found = self.sum()
        self.need(r"\)")
        return found

    def indicator(self) -> Value:
        start = self.at
        if self.take(r"\w+=\w+\]"):
            self.at = start
            left = self.index()
            self.need("=")
            right = self.index()
            self.need(r"\]")
            return lambda letters: mp.mpf(left(letters) == right(letters))
        holds = self.condition()
        self.need(r"\]")
        return lambda letters: mp.mpf(holds(letters))

    def joining(self) -> str | None:
        word = self.take("(and|or) ")
        return word and word[1]

    def comparison(self) -> Value:
        left, mark, right = self.sum(), self.need("[≥≤><]")[0], self.sum()
        compare = COMPARISONS[{"≥": ">=", "≤": "<="}.get(mark, mark)]
        return lambda letters: compare(left(letters), right(letters))

    def piecewise(self) -> Value:
        cases: list[tuple[Value, Value | None]] = []
        while True:
            value = self.sum()
            if self.take(r"otherwise\}"):
                return _cases([*cases, (value, None)])
            self.need("if ")
            cases.append((value, self.condition()))
            self.need("; ")


class _LatexReader(_Reader):
    def product(self) -> Value:
        factors = [self.power()]
        while self.take(r"\\,|\\cdot "):
            factors.append(self.power())
        return lambda letters: mp.fprod([factor(letters) for factor in factors])

    def skip(self) -> None:
        while self.rest().startswith(" "):
            self.at += 1

    def number(self) -> Value | None:
        match = self.take(r"\d+(\.\d+)?")
        return None if match is None else (lambda _: mp.mpf(match[0]))

    def exponent(self) -> Value:
        return self.braced()

    def braced(self) -> Value:
        self.need(r"\{")
        found = self.sum()
        self.need(r"\}")
        return found

    def thing(self) -> Value:
        if sigma := self.take(r"\\sum_\{(\w+)=1\}\^\{(\d+)\} "):
            return self.summed(sigma[1], sigma[2])
        if self.take(r"\\mathbf\{1\}_\{\\\{"):
            return self.indicator()
        if self.take(r"\\begin\{cases\} "):
            return self.piecewise()
        if self.take(r"\\left\|"):
            inner = self.sum()
            self.need(r"\\right\|")
            return lambda letters: abs(inner(letters))
        found = self.name() or self.number()
        if found is not None:
            return found
        if self.take(r"\\frac(?=\{)"):
            above, below = self.braced(), self.braced()
            return lambda letters: above(letters) / below(letters)
        if self.take(r"\\sqrt(?=\{)"):
            inner = self.braced()
            return lambda letters: mp.sqrt(inner(letters))
        if self.take(r"e(?![A-Za-z])"):
            return lambda _: +mp.e
        if self.take(r"\\pi(?![A-Za-z])"):
            return lambda _: +mp.pi
        if word := self.take(r"\\operatorname\{(\w+)\}|\\(?!left|right)([a-z]+)"):
            if (word[1] or word[2]) in WORDS:
                return self.applied(word[1] or word[2], self.bracketed)
            raise Unreadable(f"no function is called {word[0]}")
        return self.bracketed()

    def bracketed(self) -> Value:
        opened = self.need(r"(?:\\left)?[(\[]")[0]
        found = self.sum()
        left = r"\\right" if opened.startswith("\\") else ""
        self.need(left + (r"\)" if opened.endswith("(") else r"\]"))
        return found

    def indicator(self) -> Value:
        start = self.at
        if self.take(r"\w+=\w+\\\}\}"):
            self.at = start
            left = self.index()
            self.need("=")
            right = self.index()
            self.need(r"\\\}\}")
            return lambda letters: mp.mpf(left(letters) == right(letters))
        holds = self.condition()
        self.need(r"\\\}\}")
        return lambda letters: mp.mpf(holds(letters))

    def joining(self) -> str | None:
        word = self.take(r"\\text\{ (and|or) \}")
        return word and word[1]

    def comparison(self) -> Value:
        left = self.sum()
        mark = self.need(r"\\geq|\\leq|>|<")[0]
        right = self.sum()
        compare = COMPARISONS[{r"\geq": ">=", r"\leq": "<="}.get(mark, mark)]
        return lambda letters: compare(left(letters), right(letters))

    def piecewise(self) -> Value:
        cases: list[tuple[Value, Value | None]] = []
        while True:
            value = self.sum()
            self.need("&")
            if self.take(r"\\text\{otherwise\} \\end\{cases\}"):
                return _cases([*cases, (value, None)])
            self.need(r"\\text\{if \}")
            cases.append((value, self.condition()))
            self.need(r"\\\\")


def text_value(text: str, names: Mapping[str, Value], letters: Letters | None = None) -> Any:
    """Compute a formula in Unicode text."""
    return _TextReader(text, names).read()(letters or {})


def latex_value(latex: str, names: Mapping[str, Value], letters: Letters | None = None) -> Any:
    """Compute a formula in LaTeX."""
    return _LatexReader(latex, names).read()(letters or {})
