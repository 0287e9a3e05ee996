"""Reads a printed sheet as its reader does, and computes whether what it says is true.

`Formula` reads one formula of a text sheet; it knows the signs of mathematics and nothing of the
rooms of symback.  `Sheet` takes the forward equations off the page, computes them from the numbers
of the network file, makes every ∂/∂ by a difference of those equations, and lists with
`Sheet.untrue` the printed equalities that do not hold.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import mpmath

mp = mpmath.mp.clone()
mp.dps = 34
STEP = mp.mpf("1e-11")

Name = tuple[str, tuple[Any, ...], Any]
"""A letter, its indices (numbers or letters), and the sample or None."""
Tree = tuple[Any, ...]

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "log": mp.log, "tanh": mp.tanh, "sin": mp.sin, "cos": mp.cos, "tan": mp.tan, "erf": mp.erf,
    "arctan": mp.atan, "sinh": mp.sinh, "cosh": mp.cosh, "sgn": mp.sign, "√": mp.sqrt,
    "σ": lambda z: 1 / (1 + mp.exp(-z)), "abs": abs, "softplus": lambda z: mp.log1p(mp.exp(z)),
}  # fmt: skip
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:e-?\d+)?(?![\w\[]))"
    r"|(?P<indicator>1\[)"
    r"|(?P<sum>Σ_\{(?P<bound>\w)=1\.\.(?P<limit>[^}]+)\})"
    r"|(?P<partial>(?P<d>[∂d])(?P<of>[^\W\d_]+(?:_[\w,]+)?(?:\^\(s\))?)/(?P=d)"
    r"(?P<by>[^\W\d_]+(?:_[\w,]+)?(?:\^\(s\))?))"
    r"|(?P<name>√|[^\W_]\w*(?=\()|[^\W\d_]+(?:_[\w,]*\w)?(?:\^\(s\))?)"
    r"|(?P<held>(?<=\))_(?:\w+|\(\w+(?:, \w+)*\)))"
    r"|(?P<mark>[-+·/^(){}\[\]|;<>≥≤=]))"
)
_RELATION = re.compile(r" (=|≈|←) ")


class Unreadable(Exception):
    """A formula that means nothing to this reader."""


def name_of(text: str) -> Name:
    """``w_213`` → ("w", (2, 1, 3), None); ``h_1i^(s)`` → ("h", (1, "i"), "s")."""
    body, sampled, _ = text.partition("^(s)")
    letter, _, subscript = body.partition("_")
    pieces = subscript.split(",") if "," in subscript else list(subscript)
    if subscript.isdigit() and letter not in ("w", "b", "a", "h"):
        pieces = [subscript]  # one index: ŷ_10
    indices = tuple(int(piece) if piece.isdigit() else piece for piece in pieces)
    return letter, indices, "s" if sampled else None


class Formula:
    """One formula as a tree."""

    def __init__(self, text: str) -> None:
        self.text, self.tokens, position = text, [], 0
        while position < len(text.rstrip()):
            match = _TOKEN.match(text, position)
            if match is None:
                raise Unreadable(f"{text[position : position + 20]!r} in {text!r}")
            self.tokens.append(match)
            position = match.end()
        self.at = 0
        self.tree = self.sum()
        if self.at != len(self.tokens):
            raise Unreadable(f"{self.tokens[self.at][0]!r} is left over in {text!r}")

    def peek(self) -> str:
        return self.tokens[self.at][0].strip() if self.at < len(self.tokens) else ""

    def take(self, expected: str | None = None) -> re.Match[str]:
        if self.at >= len(self.tokens) or expected not in (None, self.peek()):
            raise Unreadable(f"expected {expected!r} and found {self.peek()!r} in {self.text!r}")
        self.at += 1
        return self.tokens[self.at - 1]

    def sum(self) -> Tree:
        terms: list[Tree] = []
        while not terms or self.peek() in ("+", "-"):
            mark = self.take()[0].strip() if self.peek() in ("+", "-") else "+"
            term = self.product()
            terms.append(term if mark == "+" else ("neg", term))
        return ("add", *terms)

    def product(self) -> Tree:
        found = self.power()
        while self.peek() in ("·", "/"):
            mark = self.take()[0].strip()
            found = ("mul" if mark == "·" else "div", found, self.power())
        return found

    def power(self) -> Tree:
        base = self.atom()
        if self.peek() == "^":
            self.take()
            base = ("pow", base, self.atom())
        return base

    def atom(self) -> Tree:
        token = self.take()
        if token["number"]:
            return ("number", mp.mpf(token["number"]))
        if token["partial"]:
            return ("partial", name_of(token["of"]), name_of(token["by"]))
        if token["sum"]:
            return ("sum", token["bound"], Formula(token["limit"]).tree, self.product())
        if token["indicator"]:
            condition = self.condition()
            self.take("]")
            return ("if", condition, ("number", mp.mpf(1)), ("number", mp.mpf(0)))
        if token["name"]:
            return self.named(token["name"])
        match token[0].strip():
            case "(":
                inside = self.sum()
                self.take(")")
                if self.peek().startswith("_"):  # (∂h/∂z)_A, with A held
                    self.take()
                    ((_, child, parent),) = inside[1:]
                    return ("held", child, parent)
                return inside
            case "|":
                inside = self.sum()
                self.take("|")
                return ("call", "abs", inside)
            case "{":
                return self.cases()
        raise Unreadable(f"{token[0]!r} in {self.text!r}")

    def named(self, name: str) -> Tree:
        if name == "softmax":
            self.take("(")
            letter, (layer,), sample = name_of(self.take()["name"])
            self.take(")")
            index = self.take()["name"]  # pragma: no cover - printed as softmax(a_2)_i
            return ("softmax", letter, layer, index, sample)
        if name in FUNCTIONS and self.peek() in ("(", "^"):
            exponent = None
            if self.peek() == "^":
                self.take()
                exponent = self.atom()
            self.take("(")
            inside = ("call", name, self.sum())
            self.take(")")
            return inside if exponent is None else ("pow", inside, exponent)
        if self.peek() == "(":
            raise Unreadable(f"unknown function {name}")
        return ("e",) if name == "e" else ("π",) if name == "π" else ("name", name_of(name))

    def cases(self) -> Tree:
        value = self.sum()
        if self.peek() == "otherwise":
            self.take()
            self.take("}")
            return value
        self.take("if")
        condition = self.condition()
        self.take(";")
        return ("if", condition, value, self.cases())

    def condition(self) -> Tree:
        left = self.sum()
        mark = self.take()[0].strip()
        return ("compare", mark, left, self.sum())


@dataclass(frozen=True)
class Line:
    """``lhs relation formula relation formula …`` as printed; ``reason`` from its brackets."""

    lhs: str
    parts: tuple[tuple[str, str], ...]
    reason: str
    samples: int = 0


def lines_of(block: Iterable[str]) -> Iterator[Line]:
    """The printed lines of a block; a path after the first has the relation +.

    A list of paths may stand in a bracket that is summed over samples: Σ_{s=1..3} [… + …].
    """
    for raw in block:
        body, _, reason = raw.partition("    [")
        reason = reason.rstrip().removesuffix("]")
        around = re.search(r" Σ_\{s=1\.\.(\d+)\} \[", body)
        samples = int(around[1]) if around else 0
        if around:
            body = body.replace(around[0], " ")
        if body.endswith("]") and body.count("]") > body.count("["):
            body = body[:-1]
        if body.lstrip()[:2] in ("+ ", "- "):
            mark, rest = body.lstrip()[0], body.lstrip()[2:]
            yield Line("", (("+", rest if mark == "+" else f"-{rest}"),), reason)
            continue
        pieces = _RELATION.split(" " + body + " " if body.lstrip()[:1] in "=≈" else body)
        if len(pieces) > 2 and pieces[2].strip():
            pairs = zip(pieces[1::2], pieces[2::2], strict=True)
            yield Line(pieces[0].strip(), tuple((m, p.strip()) for m, p in pairs), reason, samples)


class Sheet:
    """A text sheet, its sections, and what its forward equations compute from ``given``.

    A brief sheet has none; they are then taken off ``forward``, another sheet of the network.
    """

    def __init__(self, text: str, given: Mapping[Name, Any], forward: str = "") -> None:
        self.sections = _sections(forward or text)
        self.values: dict[Name, Any] = {key: mp.mpf(str(v)) for key, v in given.items()}
        self.equations: dict[Name, tuple[Tree, dict[str, int]]] = {}
        self.reads: dict[Name, set[Name]] = {}
        self.slopes: dict[Any, Any] = {}
        self._define()
        self.sections = _sections(text)
        self.widest = max(
            (i for name in self.values for i in (*name[1], name[2]) if isinstance(i, int)),
            default=1,
        )

    # -------------------------------------------------------------------------- the forward pass

    def _define(self) -> None:
        lines = list(lines_of(self.section("Forward")))
        lhs, ranges = "", ""
        for position, line in enumerate(lines):
            lhs = line.lhs or lhs
            following = lines[position + 1] if position + 1 < len(lines) else None
            last = following is None or following.lhs
            name = name_of(lhs)
            if not last or name in self.equations:
                continue
            ranges = line.reason
            try:
                tree = Formula(line.parts[0][1]).tree
            except Unreadable:
                continue
            if not _names(tree):
                continue  # the same with numbers
            for letters in self._assignments(ranges):
                node = _at(name, letters)
                if node not in self.equations:
                    reading = _Reading(self.values)
                    self.equations[node] = tree, letters
                    self.values[node] = self.value(tree, letters, reading)
                    self.reads[node] = reading.names

    def _assignments(self, ranges: str) -> Iterator[dict[str, int]]:
        """``s = 1…3, i = 1`` as all choices of the letters."""
        found = re.findall(r"(\w) = 1(?:…(\w+))?", ranges)
        sizes = [int(self.value(Formula(limit or "1").tree, {})) for _, limit in found]
        for choice in itertools.product(*(range(1, size + 1) for size in sizes)):
            yield dict(zip((letter for letter, _ in found), choice, strict=True))

    @property
    def target(self) -> Name:
        return next(reversed(self.equations))

    def run(self, held: Mapping[Name, Any], child: Name) -> Any:
        """``child`` where some quantities are held at other values."""
        values = {**self.values, **held}
        changed = {*held}
        for node, (tree, letters) in self.equations.items():
            if node not in held and changed & self.reads[node]:
                changed.add(node)
                values[node] = self.value(tree, letters, values)
            if node == child:
                break
        return values[child]

    # ---------------------------------------------------------------------------------- formulas

    def value(self, tree: Tree, letters: Mapping[str, int], values: Any = None) -> Any:
        """A tree's number."""

        def of(part: Tree) -> Any:
            return self.value(part, letters, values)

        match tree:
            case ("number", number):
                return number
            case ("e",):
                return mp.e
            case ("π",):
                return +mp.pi
            case ("name", (letter, (), None)) if letter in letters:
                return mp.mpf(letters[letter])
            case ("name", name):
                return (self.values if values is None else values)[_at(name, letters)]
            case ("add", *terms):
                return mp.fsum(of(term) for term in terms)
            case ("neg", term):
                return -of(term)
            case ("mul", left, right):
                return of(left) * of(right)
            case ("div", above, below):
                return of(above) / of(below)
            case ("pow", base, exponent):
                return of(base) ** of(exponent)
            case ("call", function, argument):
                return FUNCTIONS[function](of(argument))
            case ("sum", bound, limit, body):
                steps = range(1, int(of(limit)) + 1)
                return mp.fsum(self.value(body, {**letters, bound: k}, values) for k in steps)
            case ("if", condition, then, otherwise):
                return of(then) if of(condition) else of(otherwise)
            case ("compare", mark, left, right):
                difference = of(left) - of(right)
                return {
                    ">": difference > 0, "<": difference < 0, "≥": difference >= 0,
                    "≤": difference <= 0, "=": difference == 0,
                }[mark]  # fmt: skip
            case ("partial", child, parent):
                return self.slope(_at(child, letters), _at(parent, letters))
            case ("held", child, parent):
                return self.slope(_at(child, letters), _at(parent, letters), directly=True)
        raise Unreadable(str(tree))

    def slope(self, child: Name, parent: Name, *, directly: bool = False) -> Any:
        """∂child/∂parent by a difference; directly: by the child's own equation alone."""
        key = child, parent, directly
        if key not in self.slopes:
            up, down = (self.values[parent] + sign * STEP for sign in (1, -1))
            if directly:
                tree, letters = self.equations[child]
                high, low = (
                    self.value(tree, letters, {**self.values, parent: end}) for end in (up, down)
                )
            else:
                high, low = (self.run({parent: end}, child) for end in (up, down))
            self.slopes[key] = (high - low) / (2 * STEP)
        return self.slopes[key]

    # ---------------------------------------------------------------------------------- the claims

    def section(self, *words: str) -> list[str]:
        """The lines of the sections whose title begins with one of ``words``."""
        return [line for title, block in self.sections if title.startswith(words) for line in block]

    def untrue(self) -> list[str]:
        """Every printed equality that does not hold, with the two numbers."""
        found: list[str] = []
        for title, block in self.sections:
            if "apart" not in title:  # that has names of its own
                found += [f"{title}: {complaint}" for complaint in self._untrue(block)]
        return found

    def claims(self) -> int:
        """How many equalities there are on the page."""
        return sum(len(line.parts) for _, block in self.sections for line in lines_of(block))

    def _untrue(self, block: list[str]) -> Iterator[str]:
        lhs, paths = "", []
        for line in lines_of(block):
            if line.lhs:
                yield from self._short(lhs, paths)
                lhs, paths = line.lhs, []
            if lhs.startswith("∇"):  # of a whole matrix: tests/test_matrix.py
                continue
            if line.parts[0][0] == "←":  # w becomes …, so what follows is no equality with w
                lhs = line.parts[0][1]
                continue
            if line.parts[0][0] == "+" or line.reason.startswith("path "):
                paths.append(line)
                yield from self._share(line)
            else:
                yield from self._row(lhs, line)
        yield from self._short(lhs, paths)

    def _row(self, lhs: str, line: Line) -> Iterator[str]:
        for letters in self._choices(lhs):
            before = self._read(lhs, letters)
            for mark, part in line.parts:
                now = self._read(part, letters)
                if before is not None and now is not None and not _agree(mark, before, now):
                    yield f"{lhs} {mark} {part}: {mp.nstr(before, 8)} against {mp.nstr(now, 8)}"
                if now is not None:
                    before = now

    def _read(self, text: str, letters: Mapping[str, int]) -> Any:
        """The number of a printed formula; None for one in functions only named."""
        try:
            return self.value(Formula(text).tree, letters)
        except KeyError as error:
            raise Unreadable(f"{text} names {error}, which there is not") from None
        except Unreadable as error:
            if "unknown function" in str(error) or text.startswith("softmax"):
                return None
            raise

    def _choices(self, lhs: str) -> Iterator[dict[str, int]]:
        """The letters in ``lhs``, at every place where all its names are quantities."""
        names = _names(Formula(lhs).tree)
        loose = sorted({i for n in names for i in (*n[1], n[2]) if isinstance(i, str)})
        for choice in itertools.product(range(1, self.widest + 1), repeat=len(loose)):
            letters = dict(zip(loose, choice, strict=True))
            if all(_at(name, letters) in self.values for name in names):
                yield letters

    def _share(self, line: Line) -> Iterator[str]:
        """A path's number in its reason: path 3: a_13 → …, -0.01434."""
        share = re.search(r"(?:^|, )([-\d.e]+)$", line.reason)
        if share and "," in line.reason and "…" not in line.parts[0][1]:
            value = self._read(line.parts[-1][1], {})
            if not _agree("≈", value, mp.mpf(share[1])):
                yield f"{line.reason}: {mp.nstr(value, 8)}"

    def _short(self, lhs: str, paths: list[Line]) -> Iterator[str]:
        """The sum of the listed paths is the left-hand side, where all are listed."""
        if not lhs or not paths or any("…" in part for line in paths for _, part in line.parts):
            return
        samples = [{"s": s} for s in range(1, paths[0].samples + 1)] or [{}]
        for at in self._choices(lhs):
            total = mp.fsum(
                self._read(path.parts[-1][1], {**at, **one}) for path in paths for one in samples
            )
            if not _agree("=", self._read(lhs, at), total):
                yield f"the paths of {lhs} add up to {mp.nstr(total, 8)}"


class _Reading(dict[Name, Any]):
    """Remembers what was looked up."""

    def __init__(self, values: Mapping[Name, Any]) -> None:
        super().__init__(values)
        self.names: set[Name] = set()

    def __getitem__(self, name: Name) -> Any:
        self.names.add(name)
        return super().__getitem__(name)


def _agree(mark: str, first: Any, second: Any) -> bool:
    """Equal: to the accuracy of a difference; about equal: as far as four digits go."""
    scale = max(abs(first), abs(second))
    if mark == "=":
        return abs(first - second) <= scale * mp.mpf("1e-17") + mp.mpf("1e-17")
    return abs(first - second) <= scale * mp.mpf("4e-3") + mp.mpf("2e-4")


def _at(name: Name, letters: Mapping[str, int]) -> Name:
    letter, indices, sample = name
    return letter, tuple(letters.get(i, i) for i in indices), letters.get(sample, sample)


def _names(tree: Tree) -> list[Name]:
    if tree[0] == "name":
        return [tree[1]]
    if tree[0] in ("partial", "held"):
        return [tree[1], tree[2]]
    return [name for part in tree[1:] if isinstance(part, tuple) for name in _names(part)]


def _sections(text: str) -> list[tuple[str, list[str]]]:
    """Titles (without number) and the displayed lines, which are indented."""
    found: list[tuple[str, list[str]]] = []
    lines = text.splitlines()
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        title = re.match(r"\d+\. (.*)", line)
        if title and below and set(below) == {"-"}:
            found.append((title[1], []))
        elif found and line.startswith("  "):
            short = "share" in found[-1][0]  # a table, whose last column is a formula
            last = line.split("  ")[-1]
            in_table = short and not last.startswith("= ")
            found[-1][1].append("  " + last if in_table else line)
    return found


def given_by(values: Mapping[str, Any]) -> dict[Name, Any]:
    """The numbers of ``[values]`` of a network file by the names that a sheet uses."""
    found: dict[Name, Any] = {}
    values = dict(values)
    if "label" in values:
        values["y"] = _one_hot(values.pop("label"), values)
    found["η", (), None] = values.pop("learning_rate", 0)
    for name, numbers in values.items():
        letter, layer = re.match(r"([A-Za-z]+?)(\d*)$", name).groups()
        batched = letter in "xy" and isinstance(numbers, list) and isinstance(numbers[0], list)
        first = (int(layer),) if layer else ()
        for at, number in _entries(numbers):
            sample, rest = (at[0], at[1:]) if batched else (None, at)
            found[letter.replace("W", "w"), (*first, *rest), sample] = number
    return found


def _one_hot(label: Any, values: Mapping[str, Any]) -> list[Any]:
    last = max(name for name in values if name.startswith("b"))
    classes = range(1, len(values[last]) + 1)
    if isinstance(label, list):
        return [[int(k == one) for k in classes] for one in label]
    return [int(k == label) for k in classes]


def _entries(numbers: Any, at: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Any]]:
    if isinstance(numbers, list):
        for i, entry in enumerate(numbers, start=1):
            yield from _entries(entry, (*at, i))
    else:
        yield at, numbers
