r"""What stands on a page, for those who do not set LaTeX: formulas, and the words of a user.

symback's printers write LaTeX, and sheets glue it from pieces (a line broken within its bracket, a
row of numbers, ``\nabla_{W}\,L``), so only the LaTeX is the whole of what is shown.  It is read
here once, as a row of `Piece`s, and four walks over that row say it otherwise:

* `mathml`: one ``<math>`` element, for browsers without JavaScript and for screen readers;
* `label`: boxes with widths, for the labels of an SVG, which has no mathematics of its own;
* `spoken`: one line of words, ``w^2_31``, for those who do not see a picture;
* `width`: how wide TeX sets it, to know where a line must be broken.

The dialect is ours and closed: a command that is not in the tables raises `ValueError`, so nothing
is left out in silence, as converters of any LaTeX do.  A label knows less of it than MathML (no
roots, no tables); what it cannot set stands as words.  `escape_tex` and `escape_xml` make a user's
words safe.
"""

from __future__ import annotations

import functools
import itertools
import re
import string
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from symback.language.functions import ELEMENTARY
from symback.language.names import GREEK_LETTERS

# --------------------------------------------------------------------------------------- reading


@dataclass(frozen=True, slots=True)
class Piece:
    r"""One thing in a row of a formula: a mark, words, or a command with the rows it holds.

    ``kind`` is the name of a command (``frac``, ``text``, ``left`` for a whole bracket, ``bmatrix``
    with a ``row`` in each part), or one of: letter, number, bin, rel, punct, sign, slash, open,
    close, vertical, prime, function, limits, space, group, script (its parts: base, below, above),
    substack (a line in each part).

    >>> [piece.kind for piece in read("a_{1} + b")]
    ['script', 'bin', 'letter']
    """

    kind: str
    text: str = ""
    parts: tuple[tuple[Piece, ...], ...] = ()


Pieces = tuple[Piece, ...]

_WORDS = ("text", "mathrm", "operatorname", "mathbf", "mathscr", "mathcal", "mathtt")
_TOKEN = re.compile(
    rf"\\(?:{'|'.join(_WORDS)}|operatorname\*|begin|end)"
    r"\{(?:[^{}]|\{\})*\}"  # a command with its words
    r"|\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\S"
)
_GREEK = {name: letter for letter, name in GREEK_LETTERS.items()} | {
    "epsilon": "ϵ", "varepsilon": "ε", "phi": "ϕ", "varphi": "φ",
}  # fmt: skip
"""TeX's commands; it has two forms of ε and φ."""
_NAMED = {
    "letter": _GREEK | {"partial": "∂", "nabla": "∇", "ell": "ℓ", "infty": "∞", "top": "⊤",
                        "cdots": "⋯", "ldots": "…", "vdots": "⋮", "ddots": "⋱"},
    "bin": {"cdot": "⋅", "times": "×", "odot": "⊙", "oslash": "⊘", "pm": "±"},
    "rel": {"approx": "≈", "leq": "≤", "geq": "≥", "neq": "≠", "to": "→", "leftarrow": "←",
            "in": "∈", "mid": "∣"},
    "limits": {"sum": "∑", "prod": "∏", "max": "max", "min": "min"},
    "space": {" ": "0.333em", ",": "0.167em", ";": "0.278em", "quad": "1em", "qquad": "2em"},
    "open": {"{": "{"},
    "close": {"}": "}"},
}  # fmt: skip
_NAMED["function"] = {
    row.latex[1:]: row.latex[1:]
    for row in ELEMENTARY.values()
    if row.arguments == 1 and row.latex[1:].isalpha()
} | {"ln": "ln", "exp": "exp", "arg": "arg"}
_TYPED = {"bin": "+-*", "rel": "=<>", "punct": ",;", "sign": ":!", "slash": "/", "open": "([",
          "close": ")]", "vertical": "|"}  # fmt: skip
_MINUS = {"-": "−", "*": "∗"}
_LEAVES = (
    {letter: Piece("letter", letter) for letter in string.ascii_letters}
    | {rf"\{name}": Piece(kind, mark) for kind, row in _NAMED.items() for name, mark in row.items()}
    | {mark: Piece(kind, _MINUS.get(mark, mark)) for kind, row in _TYPED.items() for mark in row}
)
"""What one token is by itself."""

_GROUPS = {"frac": 2, "sqrt": 1, "boxed": 1, "underset": 2, "hat": 1, "tilde": 1, "widetilde": 1,
           "bar": 1}  # fmt: skip
"""How many groups a command takes."""

_IN_WORDS = {r"\_": "_", r"\,": " ", r"\to": "→"} | {
    rf"\{name}": mark for name, mark in _GREEK.items()
}
_ESCAPE = re.compile(r"(\\[A-Za-z]+|\\.)(?:\{\})?")
_STYLES = ("displaystyle", "textstyle")
_TABLES = ("bmatrix", "cases")
_ENDS = ("", "}", "&", r"\\", r"\right", *(rf"\end{{{name}}}" for name in _TABLES))


class _Reader:
    """Reads LaTeX from left to right; spaces count in words only."""

    def __init__(self, latex: str) -> None:
        self.latex, self.at = latex, 0
        self.tokens = [*_TOKEN.findall(latex), ""]

    def take(self, expected: str = "") -> str:
        """The next token, which must be there."""
        token = self.tokens[self.at]
        if not token or (expected and token != expected):
            raise ValueError(f"{expected or 'more'} is missing in {self.latex}")
        self.at += 1
        return token

    def row(self) -> Pieces:
        """All up to what closes it, each thing with what stands below and above it."""
        pieces = []
        while self.tokens[self.at] not in _ENDS:
            base = self.atom()
            if self.tokens[self.at] not in ("_", "^", "'"):
                pieces.append(base)
                continue
            scripts: dict[str, Pieces] = {}
            while (mark := self.tokens[self.at]) in ("_", "^", "'"):
                self.at += 1
                place = "_" if mark == "_" else "^"
                if place in scripts:
                    raise ValueError(f"no way to write two scripts in one place of {self.latex}")
                scripts[place] = (Piece("prime", "′"),) if mark == "'" else self.group()
            parts = ((base,), scripts.get("_", ()), scripts.get("^", ()))
            pieces.append(Piece("script", "", parts))
        return tuple(pieces)

    def group(self) -> Pieces:
        """What stands in braces, or the one thing without."""
        if self.tokens[self.at] != "{":
            return (self.atom(),)
        self.at += 1
        row = self.row()
        self.take("}")
        return row

    def atom(self) -> Piece:
        """One mark, or one command with what it holds."""
        token = self.take()
        if token in _LEAVES:
            return _LEAVES[token]
        if token[0].isdigit():
            return Piece("number", token)
        if token.isalpha() and len(token) == 1:
            return Piece("letter", token)
        if token == "{":
            self.at -= 1
            return Piece("group", "", (self.group(),))
        name, _, words = token.removeprefix("\\").removesuffix("}").partition("{")
        if name in _GROUPS:
            return Piece(name, "", tuple(self.group() for _ in range(_GROUPS[name])))
        if name in _WORDS and words:
            return Piece(name, self.words(words))
        if name == "operatorname*":
            return Piece("limits", self.words(words))
        if name == "substack":
            return self.stack()
        if name in _STYLES:
            return Piece(name, "", (self.row(),))
        if name in ("Bigl", "Bigr"):  # the other half stands on another line
            return Piece(name, "", (self.fence(),))
        if name == "left":
            opening, body = self.fence(), self.row()
            self.take(r"\right")
            return Piece(name, "", (opening, body, self.fence()))
        if name == "begin" and words in _TABLES:
            return self.table(words)
        raise ValueError(f"no way to write {token} of {self.latex}")

    def words(self, written: str) -> str:
        r"""Words without their escapes: ``\_`` and ``\alpha{}`` are what they stand for."""
        found = _ESCAPE.sub(lambda escape: _IN_WORDS.get(escape[1], escape[0]), written)
        if "\\" in found or "{" in found:
            raise ValueError(f"no way to write {found} of {self.latex}")
        return found

    def fence(self) -> Pieces:
        """One stretching bracket, or the dot that stands for none."""
        mark = self.take()
        if mark == ".":
            return ()
        if mark not in _LEAVES or _LEAVES[mark].kind not in ("open", "close", "vertical"):
            raise ValueError(f"{mark} is no bracket in {self.latex}")
        return (_LEAVES[mark],)

    def stack(self) -> Piece:
        r"""``\substack{a \\ b}``: what stands under a Σ in two lines, one in each part."""
        self.take("{")
        rows = [self.row()]
        while self.take() == r"\\":
            rows.append(self.row())
        return Piece("substack", "", tuple(rows))

    def table(self, name: str) -> Piece:
        r"""``\begin{bmatrix}`` and ``\begin{cases}``: a row of cells in each part."""
        rows = [[self.row()]]
        while (mark := self.take()) != rf"\end{{{name}}}":
            if mark not in ("&", r"\\"):
                raise ValueError(f"{mark} closes nothing in {self.latex}")
            if mark == r"\\":
                rows.append([])
            rows[-1].append(self.row())
        return Piece(name, "", tuple((Piece("row", "", tuple(row)),) for row in rows))


@functools.lru_cache(maxsize=4096)
def read(latex: str) -> Pieces:
    """A formula of ours as a row of pieces; raises `ValueError` for what is none of ours."""
    reader = _Reader(latex)
    row = reader.row()
    if end := reader.tokens[reader.at]:
        raise ValueError(f"{end} closes nothing in {latex}")
    return row


# --------------------------------------------------------------------------------------- MathML
#
# MathML, and not KaTeX's HTML made beforehand: a screen reader speaks it, copying it gives ∂ and ŷ
# instead of spans, and no engine for JavaScript is needed to write a page.  Browsers' MathML Core
# has no script letters, no boxes and no bold by attribute, so ℒ is a character of its own, the box
# around a result is drawn by the page, and a bold 1 says so in its style.


def mathml(latex: str, *, display: bool = False) -> str:
    r"""One ``<math>`` element for ``latex``, which it carries as an annotation.

    ``display`` sets sums and fractions large.  Raises `ValueError` for what it cannot read.

    >>> mathml("x_{1}").partition("<annotation")[0]
    '<math><semantics><msub><mi>x</mi><mn>1</mn></msub>'
    """
    size = ' displaystyle="true"' if display else ""
    source = f'<annotation encoding="application/x-tex">{escape_xml(latex)}</annotation>'
    return f"<math{size}><semantics>{_row_element(read(latex))}{source}</semantics></math>"


_ELEMENTS = {
    **dict.fromkeys(("letter", "function"), "<mi>{}</mi>"),
    **dict.fromkeys(("bin", "rel", "punct", "sign", "limits", "prime"), "<mo>{}</mo>"),
    **dict.fromkeys(("open", "close", "vertical"), '<mo stretchy="false">{}</mo>'),
    **dict.fromkeys(("mathrm", "operatorname"), '<mi mathvariant="normal">{}</mi>'),
    "number": "<mn>{}</mn>",
    "text": "<mtext>{}</mtext>",
    "slash": '<mo lspace="0" rspace="0">{}</mo>',
    "space": '<mspace width="{}"/>',
    "group": "{}",
    "frac": "<mfrac>{}{}</mfrac>",
    "sqrt": "<msqrt>{}</msqrt>",
    "boxed": '<mrow class="boxed">{}</mrow>',
    "underset": "<munder>{1}{0}</munder>",
    "hat": '<mover accent="true">{}<mo>^</mo></mover>',
    **dict.fromkeys(("tilde", "widetilde"), '<mover accent="true">{}<mo>~</mo></mover>'),
    "mathtt": '<mtext style="font-family:monospace">{}</mtext>',
    "bar": '<mover accent="true">{}<mo>ˉ</mo></mover>',
    "displaystyle": '<mstyle displaystyle="true">{}</mstyle>',
    "textstyle": '<mstyle displaystyle="false">{}</mstyle>',
}
_OPENING = ("bin", "rel", "punct", "sign", "slash", "open", "space", "Bigl")
"""Right behind these a minus is a sign and not a difference."""

_SCRIPT_LETTERS = dict(zip("CDEFHJLR", "𝒞𝒟ℰℱℋ𝒥ℒℛ", strict=True))
_BIG = ' minsize="1.8em" maxsize="1.8em"'


def _row_element(row: Pieces) -> str:
    items, leads = [], True
    for position, piece in enumerate(row, start=1):
        items.append(_element(piece, leads))
        leads = piece.kind in _OPENING
        named = piece.parts[0][0] if piece.kind == "script" else piece
        if named.kind in ("function", "operatorname") and position < len(row):
            items.append("<mo>\u2061</mo>")  # applied to what follows
            leads = True
    return items[0] if len(items) == 1 else f"<mrow>{''.join(items)}</mrow>"


def _element(piece: Piece, leads: bool = False) -> str:
    """The XML of one piece; ``leads`` where nothing stands before it."""
    if not piece.parts:
        return _leaf_element(piece.kind, piece.text, leads)
    match piece:
        case Piece("script", _, (base, below, above)):
            limits = base[0].kind == "limits"
            tags = ("munder", "mover", "munderover") if limits else ("msub", "msup", "msubsup")
            name = tags[2 if below and above else 0 if below else 1]
            inside = "".join(_row_element(row) for row in (below, above) if row)
            return f"<{name}>{_element(base[0], leads)}{inside}</{name}>"
        case Piece("left", _, (opening, body, closing)):
            return f"<mrow>{_fence(opening)}{_row_element(body)}{_fence(closing)}</mrow>"
        case Piece("Bigl" | "Bigr", _, (bracket,)):
            return _fence(bracket, _BIG)
        case Piece("bmatrix" | "cases" as name, _, rows):
            matrix = name == "bmatrix"
            align = "" if matrix else ' class="cases" columnalign="left"'
            body = "".join(
                "<mtr>"
                + "".join(f"<mtd>{_row_element(cell)}</mtd>" for cell in row.parts)
                + "</mtr>"
                for (row,) in rows
            )
            left = _fence((Piece("open", "[" if matrix else "{"),))
            right = _fence((Piece("close", "]"),)) if matrix else ""
            return f"<mrow>{left}<mtable{align}>{body}</mtable>{right}</mrow>"
        case Piece("substack", _, parts):
            rows = "".join(f"<mtr><mtd>{_row_element(row)}</mtd></mtr>" for row in parts)
            return f'<mtable rowspacing="0">{rows}</mtable>'
        case Piece(kind, _, parts):
            return _ELEMENTS[kind].format(*map(_row_element, parts))


@functools.lru_cache(maxsize=4096)
def _leaf_element(kind: str, text: str, leads: bool) -> str:
    if leads and kind == "bin" and text in "+−":
        return f'<mo form="prefix">{text}</mo>'
    if kind in ("mathscr", "mathcal"):
        if text not in _SCRIPT_LETTERS:
            raise ValueError(f"no script letter {text}")
        return f"<mi>{_SCRIPT_LETTERS[text]}</mi>"
    if kind == "mathbf":
        tag = "mn" if text.isdigit() else "mi"
        return f'<{tag} style="font-weight:bold">{escape_xml(text)}</{tag}>'
    words = escape_xml(text)
    return _ELEMENTS[kind].format(words.replace(" ", "\u00a0") if kind == "text" else words)


def _fence(bracket: Pieces, size: str = "") -> str:
    """One stretching bracket; nothing for the dot that stands for none."""
    form = "prefix" if bracket and bracket[0].kind == "open" else "postfix"
    return "".join(f'<mo fence="true" form="{form}"{size}>{mark.text}</mo>' for mark in bracket)


# ---------------------------------------------------------------------------------- TeX's widths

_POINTS = {
    "+": 13.0, "−": 13.0, "-": 13.0, "=": 14.0, "<": 14.0, ">": 14.0, "(": 4.3, ")": 4.3,
    "[": 3.1, "]": 3.1, "|": 3.1, "{": 5.5, "}": 5.5, ",": 4.9, ".": 3.1, "w": 7.9, "W": 10.5,
    "m": 9.7, "i": 3.8, "j": 4.6, "l": 3.5, " ": 1.9, "_": 7.0, "∗": 5.6, "×": 7.0, "±": 7.0,
    "∂": 6.3, "⋅": 8.0, "→": 17.0, "←": 17.0, "≈": 14.0, "…": 12.0, "log": 16.0, "tanh": 24.0,
    "∑": 16.0, "sin": 15.0, "cos": 17.0, "tan": 18.0, "0.167em": 1.9, "0.278em": 3.1, "1em": 11.0,
    "2em": 22.0,
}  # fmt: skip
_BESIDE = {"operatorname": 2.0, "boxed": 7.0, "bar": 7.0, "tilde": 7.0, "underset": 7.0}
"""What a command takes beside what it holds."""


def width(latex: str) -> float:
    r"""The estimated width of ``latex`` in points, set by TeX at 11 pt in display style.

    >>> width("x") < width("xx") < width(r"\frac{xxxx}{x}")
    True
    """
    try:
        return _row_points(read(latex))
    except ValueError:  # a function of the user's may be written in any LaTeX
        return 6.0 * len(_TOKEN.findall(latex))


def _row_points(row: Iterable[Piece]) -> float:
    return sum(map(_points, row))


def _points(piece: Piece) -> float:
    if not piece.parts:
        return _leaf_points(piece.kind, piece.text)
    match piece:
        case Piece("script", _, (base, below, above)):
            primes = sum(5.6 for mark in above if mark.kind == "prime")
            wide = max(_row_points(below), 0.0 if primes else _row_points(above))
            return _row_points(base) + primes + 0.74 * wide
        case Piece("frac", _, (above, below)):
            return max(_row_points(above), _row_points(below)) + 2.6
        case Piece("sqrt", _, (body,)):
            return _row_points(body) + 10.0
        case Piece("left", _, (opening, body, closing)):
            fences = sum(3.0 + (_row_points(fence) or 3.1) for fence in (opening, closing))
            return fences + _row_points(body)
        case Piece("Bigl" | "Bigr", _, (bracket,)):
            return 4.0 + _row_points(bracket)
        case Piece("bmatrix" | "cases", _, rows):  # as wide as the widest cells of its columns
            cells = [[_row_points(cell) for cell in row.parts] for (row,) in rows]
            columns = [max(column) for column in itertools.zip_longest(*cells, fillvalue=0.0)]
            return sum(columns) + 11.0 * (len(columns) - 1) + 16.0
        case Piece("substack", _, parts):
            return max(map(_row_points, parts))
        case Piece(kind, _, parts):
            return _BESIDE.get(kind, 0.0) + sum(map(_row_points, parts))


@functools.lru_cache(maxsize=4096)
def _leaf_points(kind: str, text: str) -> float:
    """A mark, or words letter by letter; marks that TeX names are wider than those one types."""
    if kind in ("function", "limits", "space"):
        return _POINTS.get(text, 7.0)
    marks = text.replace(" ", "") if kind == "text" else text
    usual = (7.0 if ord(c) >= 0x370 else 8.5 if c.isupper() else 5.6 for c in marks)
    return _BESIDE.get(kind, 0.0) + sum(map(_POINTS.get, marks, usual))


# --------------------------------------------------------------------------- labels of a picture


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of text in one size and shape; ``shift`` is down, ``dx`` the space before it."""

    text: str
    size: float
    shift: float
    italic: bool
    dx: float
    width: float


@dataclass(frozen=True, slots=True)
class Mark:
    """What is drawn of a label: ``kind`` is run, rule (the bar of a fraction) or script (an L).

    A run is spans that follow one another, anchored at the middle of x … x + width, baseline y.
    """

    kind: str
    x: float
    y: float
    width: float
    size: float = 0.0
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """A label that is set: its pieces, x from 0, the baseline at y = 0, and how far they reach."""

    width: float
    up: float
    down: float
    pieces: tuple[Mark, ...]


@functools.lru_cache(maxsize=4096)
def label(text: str, size: float, math: bool = True) -> Block:
    """A label set at a size in points: a formula where ``math``, else a user's plain words."""
    row = _label_row(text) if math else (Piece("text", one_line(text)),)
    return _row_block((Piece("text", in_words(text)),) if row is None else row, size)


def spoken(latex: str) -> str:
    r"""A formula as one line of text, for those who cannot see it.

    >>> spoken(r"\frac{\partial \mathscr{L}}{\partial w^{2}_{31}}")
    '(∂L)/(∂w^2_31)'
    """
    row = _label_row(latex)
    return in_words(latex) if row is None else _in_a_line(row)


def is_label(latex: str) -> bool:
    """Whether `label` can set a formula as one."""
    return _label_row(latex) is not None


def one_line(text: str) -> str:
    """A user's words without control characters and runs of blanks."""
    shown = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    return " ".join(shown.split())


def in_words(latex: str) -> str:
    """LaTeX that no label can hold as words a person can still read."""
    return one_line(re.sub(r"[\\{}$]+", " ", latex))


_DEEPEST = 20
_COMBINING = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303"}
_LABEL_SPACES = {"0.167em": "", "0.278em": "", "1em": "\u2003"}
_PLACED = {
    "bin": (0.22, 0.22),
    "rel": (0.28, 0.28),
    **dict.fromkeys(("punct", "space"), (0.0, 0.17)),
    **dict.fromkeys(("function", "limits", "operatorname"), (0.1, 0.17)),
    **dict.fromkeys("letter number sign slash open close vertical prime".split(), (0.0, 0.0)),
}
"""The marks of a label, and the space before and behind each, in em."""


@functools.lru_cache(maxsize=4096)
def _label_row(latex: str) -> Pieces | None:
    """The pieces of a label, or None for what a label cannot hold."""
    depths = itertools.accumulate((t == "{") - (t == "}") for t in _TOKEN.findall(latex))
    try:
        readable = latex.isascii() and max(depths, default=0) < _DEEPEST
        return tuple(_label_pieces(read(latex))) if readable else None
    except ValueError:
        return None


def _label_pieces(row: Iterable[Piece]) -> Iterator[Piece]:
    """The row without groups and tall brackets, a letter with its accent as one: ŷ.

    An index behind a bracket is the index of its last half.
    """
    for piece in row:
        match piece:
            case Piece("number", digits):
                yield from (Piece("number", digit) for digit in digits)
            case Piece("space", size) if size in _LABEL_SPACES:
                yield Piece("space", _LABEL_SPACES[size])
            case Piece("bin", "⋅"):
                yield Piece("bin", "·")
            case Piece("group" | "left", _, parts):
                yield from _label_pieces(itertools.chain(*parts))
            case Piece("script", _, ((Piece("left", _, (opening, body, closing)),), below, above)):
                last = Piece("script", "", (closing, below, above))
                yield from _label_pieces((*opening, *body, last))
            case Piece("script" | "frac", _, parts):
                yield replace(piece, parts=tuple(tuple(_label_pieces(part)) for part in parts))
            case Piece("hat" | "tilde" | "bar" as accent, _, (part,)):
                (base,) = _label_pieces(part)  # raises ValueError where there is more than a letter
                if base.parts:
                    raise ValueError("an accent on more than a letter")
                composed = unicodedata.normalize("NFC", base.text + _COMBINING[accent])
                yield replace(base, text=composed)  # fonts place a loose accent badly
            case Piece("text" | "mathrm" | "operatorname" | "mathbf", words):
                if not re.fullmatch(r"[A-Za-z0-9 .,:()+_-]*", words):
                    raise ValueError(f"no label holds {words}")
                yield piece
            case Piece("mathscr" | "mathcal", "L"):
                yield Piece("mathscr", "ℒ")
            case Piece(kind) if kind in _PLACED:
                yield piece
            case _:
                raise ValueError(f"no label holds {piece.kind} {piece.text}")


def _signed(row: Pieces) -> list[Piece]:
    """A minus at the start, or after an operator or bracket, is a sign and needs no space."""
    pieces: list[Piece] = []
    for piece in row:
        opens = not pieces or pieces[-1].kind in _BEFORE_A_SIGN
        pieces.append(replace(piece, kind="sign") if piece.kind == "bin" and opens else piece)
    return pieces


_BEFORE_A_SIGN = ("bin", "rel", "open", "punct", "function", "limits", "operatorname")


def _in_a_line(row: Pieces) -> str:
    said = ""
    for piece in _signed(row):
        match piece:
            case Piece("frac", _, (above, below)):
                said += f"{_one_thing(above)}/{_one_thing(below)}"
            case Piece("script", _, (base, below, above)):
                said += _in_a_line(base) + (f"^{_one_thing(above)}" if above else "")
                said += f"_{_in_a_line(below)}" if below else ""
            case Piece("bin" | "rel", mark):
                said += f" {mark} "
            case Piece(kind, text):
                said += "L" if kind == "mathscr" else text or " "
    return " ".join(said.split())


def _one_thing(row: Pieces) -> str:
    """In parentheses where it is more than one thing and has none of its own."""
    single = len(row) == 1 or (row[0].kind, row[-1].kind) == ("open", "close")
    return _in_a_line(row) if single else f"({_in_a_line(row)})"


# Widths are those of Computer Modern; runs are anchored at their middle, so that another font
# shifts nothing far.
_LETTER_WIDTHS = (
    0.53, 0.43, 0.43, 0.52, 0.47, 0.49, 0.48, 0.58, 0.35, 0.41, 0.52, 0.30, 0.88,
    0.60, 0.49, 0.50, 0.45, 0.45, 0.47, 0.36, 0.57, 0.49, 0.72, 0.57, 0.49, 0.47,
    0.75, 0.76, 0.71, 0.83, 0.74, 0.64, 0.79, 0.83, 0.44, 0.55, 0.85, 0.68, 0.97,
    0.80, 0.76, 0.64, 0.79, 0.76, 0.61, 0.58, 0.68, 0.58, 0.94, 0.83, 0.58, 0.68,
)  # fmt: skip
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_EMS = dict(zip(_LETTERS, _LETTER_WIDTHS, strict=True))
_EMS |= dict.fromkeys(".,;:!|'′ ·", 0.28) | dict.fromkeys("()[]", 0.39)
_EMS |= dict.fromkeys("+−=<>×±∗⊙≤≥≠≈", 0.78) | dict.fromkeys("→∞∑∏…⋯\u2003", 1.0)

SMALLEST = 6.8
"""No letter is smaller, in points, where the figure is not shrunk: 9 pixels of a screen."""


def _script_size(size: float) -> float:
    return min(size, max(0.7 * size, SMALLEST))


def _row_block(row: Pieces, size: float) -> Block:
    """Set a row from left to right: stretches of text, fractions, script letters."""
    x, pieces, ups, downs = 0.0, [], [0.66 * size], [0.1 * size]
    for tall, same in itertools.groupby(_signed(row), key=_stands_alone):
        group = tuple(same)
        blocks = [_tall_block(piece, size) for piece in group] if tall else [_flat(group, size)]
        for block in blocks:
            pieces += [replace(piece, x=piece.x + x) for piece in block.pieces]
            x += block.width
            ups.append(block.up)
            downs.append(block.down)
    return Block(x, max(ups), max(downs), tuple(pieces))


def _stands_alone(piece: Piece) -> bool:
    if piece.kind == "script":  # an index under an exponent is placed, not typed after it
        base, below, above = piece.parts
        return bool(below and above) or any(map(_stands_alone, base))
    return piece.kind in ("frac", "mathscr")


def _tall_block(piece: Piece, size: float) -> Block:
    """A fraction, a letter with an index under its exponent, or a script L."""
    if piece.kind == "mathscr":
        letter = Mark("script", 0.0, 0.0, 0.95 * size, size)
        return Block(0.95 * size, 0.72 * size, 0.02 * size, (letter,))
    if piece.kind == "frac":
        top, bottom = (_row_block(part, size) for part in piece.parts)
        wide, axis, air = max(top.width, bottom.width) + 0.2 * size, -0.25 * size, 0.16 * size
        above, below = axis - air - top.down, axis + air + bottom.up
        bar = Mark("rule", 0.05 * size, axis, wide - 0.1 * size, 0.045 * size)
        pieces = (
            *_placed(top, (wide - top.width) / 2, above),
            *_placed(bottom, (wide - bottom.width) / 2, below),
            bar,
        )
        return Block(wide, top.up - above, bottom.down + below, pieces)
    base = _row_block(piece.parts[0], size)
    below, above = (_row_block(part, _script_size(size)) for part in piece.parts[1:])
    pieces = (
        *base.pieces,
        *_placed(below, base.width, 0.24 * size),
        *_placed(above, base.width, -0.2 * size - 0.25 * base.up),
    )
    wide = base.width + max(below.width, above.width)
    return Block(wide, base.up + 0.2 * size, base.down + 0.15 * size, pieces)


def _placed(block: Block, dx: float, dy: float) -> Iterator[Mark]:
    return (replace(piece, x=piece.x + dx, y=piece.y + dy) for piece in block.pieces)


def _flat(row: Pieces, size: float) -> Block:
    """A stretch in which nothing stands on top of anything: one run of text."""
    spans = tuple(_flow(row, size, 0.0, tight=False))
    lead = _PLACED.get(row[0].kind, (0.0, 0.0))[0] * size
    trail = _PLACED.get(row[-1].kind, (0.0, 0.0))[1] * size
    wide = sum(span.dx + span.width for span in spans) + trail
    up = max((0.7 * span.size - span.shift for span in spans), default=0.0)
    down = max((0.2 * span.size + span.shift for span in spans), default=0.0)
    if not spans:
        return Block(wide, up, down, ())
    spans = (replace(spans[0], dx=0.0), *spans[1:])
    return Block(wide, up, down, (Mark("run", lead, 0.0, wide - lead - trail, spans=spans),))


def _flow(row: Pieces, size: float, shift: float, *, tight: bool) -> Iterator[Span]:
    """The spans of a row, each with the space before it; there is none where it is ``tight``."""
    carry = 0.0
    for piece in _signed(row):
        before, after = (0.0, 0.0) if tight else _PLACED.get(piece.kind, (0.0, 0.0))
        carry += before * size
        for span in _spans(piece, size, shift, tight=tight):
            yield replace(span, dx=span.dx + carry)
            carry = 0.0
        carry += after * size


def _spans(piece: Piece, size: float, shift: float, *, tight: bool) -> list[Span]:
    if piece.kind == "frac":
        above, below = piece.parts
        return list(_flow((*above, Piece("slash", "/"), *below), size, shift, tight=True))
    if piece.kind == "script":
        base, below, above = piece.parts
        small = _script_size(size)
        sub = list(_flow(below, small, shift + 0.2 * size, tight=True))
        sup = list(_flow(above, small, shift - 0.36 * size, tight=True))
        if sub and sup:  # only within another script
            sup[0] = replace(sup[0], dx=sup[0].dx - sum(span.dx + span.width for span in sub))
        return [*_flow(base, size, shift, tight=tight), *sub, *sup]
    if not piece.text:
        return []
    base = [c for c in unicodedata.normalize("NFD", piece.text) if not unicodedata.combining(c)]
    italic = piece.kind == "letter" and (base[0].isascii() or "α" <= base[0] <= "ϵ")
    ems = sum(_EMS.get(c, 0.55 if ord(c) < 0x2E80 else 1.0) for c in base)  # Chinese is square
    # TeX's small letters are drawn wider, 36 % at 5 points
    wide = size * ems * (1.0 + 0.36 * (max(10.0 - size, 0.0) / 5.0) ** 1.6)
    return [Span(piece.text, size, shift, italic, 0.0, wide)]


# ------------------------------------------------------------------------------- a user's words

_TEX = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "…": r"\ldots{}",
    "–": "--",
    "—": "---",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "`": r"\textasciigrave{}",
    "\u00a0": "~",
    "·": r"\textperiodcentered{}",
    "×": r"$\times$",
    "ŷ": r"\^{y}",
} | {character: f"\\{character}" for character in "{}$&#_%"}


def escape_tex(text: str) -> str:
    r"""A user's words for TeX, on one line; what no TeX font has is named by its code.

    >>> print(escape_tex("50% of x_1 \\input{y}"))
    50\% of x\_1 \textbackslash{}input\{y\}
    >>> escape_tex("\u65e5")
    '[U+65E5]'
    """

    def escaped(character: str) -> str:
        if " " <= character <= "~" or ("\u00c0" <= character <= "\u00ff" and character.isalpha()):
            return character
        return " " if character.isspace() else f"[U+{ord(character):04X}]"

    return "".join(_TEX.get(character) or escaped(character) for character in text)


_XML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}


def escape_xml(text: str) -> str:
    """A user's words for XML and HTML, in text and in attributes; what XML forbids becomes �.

    >>> escape_xml('<script>"&')
    '&lt;script&gt;&quot;&amp;'
    """
    return "".join(
        _XML.get(c, c) if c.isprintable() or c in "\n\t\u00a0" else "\ufffd" for c in text
    )


def for_github(latex: str) -> str:
    r"""GitHub allows no ``\operatorname``, since that can redefine an operator."""
    return latex.replace(r"\operatorname{", r"\mathrm{").replace(r"\operatorname*{", r"\mathrm{")
