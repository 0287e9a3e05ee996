r"""The formulas of a sheet as MathML, for readers without JavaScript and for screen readers.

`mathml` turns the LaTeX that symback's own printers write into one ``<math>`` element.  It reads
that LaTeX rather than expressions: a sheet glues formulas from pieces (a line broken within its
bracket, a row of numbers, ``\nabla_{W}\,L``), and only their LaTeX is the whole of what is shown.
The dialect is ours and closed, so a command that is not in the tables below raises `ValueError`:
nothing is left out in silence, as converters of any LaTeX do.

MathML, and not KaTeX's HTML made beforehand: a screen reader speaks it, copying it gives ∂ and ŷ
instead of spans, and no engine for JavaScript is needed to write a page.  Browsers' MathML Core has
no script letters, no boxes and no bold by attribute, so ℒ is a character of its own, the box around
a result is drawn by the page, and a bold 1 says so in its style.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from symback.language.functions import ELEMENTARY
from symback.sheets.figures import escape_xml

__all__ = ["mathml"]


def mathml(latex: str, *, display: bool = False) -> str:
    r"""One ``<math>`` element for ``latex``, which it carries as an annotation.

    ``display`` sets sums and fractions large.  Raises `ValueError` for what it cannot read.

    >>> mathml("x_{1}").partition("<annotation")[0]
    '<math><semantics><msub><mi>x</mi><mn>1</mn></msub>'
    """
    reader = _Reader(latex)
    row = reader.row()
    if reader.peek():
        raise ValueError(f"{reader.peek()} closes nothing in {latex}")
    size = ' displaystyle="true"' if display else ""
    source = f'<annotation encoding="application/x-tex">{escape_xml(latex)}</annotation>'
    return f"<math{size}><semantics>{row}{source}</semantics></math>"


class _Item(NamedTuple):
    """One piece of a row, and whether a minus right behind it is a sign and not a difference."""

    xml: str
    opens: bool = False
    has_limits: bool = False
    is_function: bool = False


_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\s+|.", re.DOTALL)
_LETTERS = {
    rf"\{name}": letter
    for name, letter in zip(
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma "
        "varsigma tau upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi "
        "Psi Omega partial nabla ell".split(),
        "αβγδϵζηθικλμνξπρσςτυϕχψωΓΔΘΛΞΠΣΥΦΨΩ∂∇ℓ",
        strict=True,
    )
} | {r"\varepsilon": "ε", r"\varphi": "φ", r"\infty": "∞", r"\top": "⊤", r"\cdots": "⋯",
     r"\ldots": "…", r"\vdots": "⋮", r"\ddots": "⋱"}  # fmt: skip
_OPERATORS = {
    "+": "+", "-": "−", "=": "=", "<": "&lt;", ">": "&gt;", ",": ",", ";": ";", ":": ":",
    "*": "∗", "!": "!", r"\cdot": "⋅", r"\times": "×", r"\odot": "⊙", r"\oslash": "⊘",
    r"\approx": "≈", r"\leq": "≤", r"\geq": "≥", r"\neq": "≠", r"\to": "→", r"\leftarrow": "←",
    r"\in": "∈", r"\pm": "±",
}  # fmt: skip
_SIGNS = "+-"
_OPENING = {"(": "(", "[": "[", r"\{": "{"}
_CLOSING = {")": ")", "]": "]", r"\}": "}", "|": "|"}
_FENCES = {**_OPENING, **_CLOSING, ".": ""}
_FUNCTIONS = [
    row.latex[1:] for row in ELEMENTARY.values() if row.arguments == 1 and row.latex[1:].isalpha()
] + ["ln", "exp"]
_WITH_LIMITS = {r"\sum": "∑", r"\max": "max", r"\min": "min"}
_SPACES = {r"\,": "0.167em", r"\;": "0.278em", r"\quad": "1em", r"\qquad": "2em"}
_IN_WORDS = {r"\_": "_", r"\,": " "}
_ACCENTS = {r"\hat": "^", r"\tilde": "~", r"\bar": "ˉ"}
_STYLES = {r"\displaystyle": "true", r"\textstyle": "false"}
_SCRIPT = dict(zip("CDEFHJLR", "𝒞𝒟ℰℱℋ𝒥ℒℛ", strict=True))

_LEAVES = {
    **{token: _Item(f"<mi>{mark}</mi>") for token, mark in _LETTERS.items()},
    **{token: _Item(f"<mo>{mark}</mo>", opens=True) for token, mark in _OPERATORS.items()},
    "/": _Item('<mo lspace="0" rspace="0">/</mo>', opens=True),
    **{token: _Item(f'<mo stretchy="false">{m}</mo>', opens=True) for token, m in _OPENING.items()},
    **{token: _Item(f'<mo stretchy="false">{mark}</mo>') for token, mark in _CLOSING.items()},
    **{rf"\{name}": _Item(f"<mi>{name}</mi>", is_function=True) for name in _FUNCTIONS},
    **{token: _Item(f"<mo>{mark}</mo>", has_limits=True) for token, mark in _WITH_LIMITS.items()},
    **{token: _Item(f'<mspace width="{m}"/>', opens=True) for token, m in _SPACES.items()},
}
"""What one token is by itself."""


class _Reader:
    """Reads LaTeX from left to right; every method returns the XML of what it read."""

    def __init__(self, latex: str) -> None:
        self.latex, self.at = latex, 0
        self.tokens: list[str] = _TOKEN.findall(latex)

    def peek(self) -> str:
        """The next token that is no space, or nothing at the end."""
        while self.at < len(self.tokens) and self.tokens[self.at].isspace():
            self.at += 1
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        """The next token, which must be there."""
        token = self.peek()
        if not token or (expected and token != expected):
            raise ValueError(f"{expected or 'more'} is missing in {self.latex}")
        self.at += 1
        return token

    def row(self) -> str:
        """All up to what closes it, as one element."""
        items: list[_Item] = []
        while self.peek() not in _ENDS:
            items.append(self.scripted(not items or items[-1].opens))
            if items[-1].is_function and self.peek() not in _ENDS:
                items.append(_Item("<mo>\u2061</mo>", opens=True))  # applied to what follows
        return items[0].xml if len(items) == 1 else f"<mrow>{''.join(i.xml for i in items)}</mrow>"

    def group(self) -> str:
        """What stands in braces, or the one token."""
        if self.peek() != "{":
            return self.atom(True).xml
        self.take("{")
        row = self.row()
        self.take("}")
        return row

    def scripted(self, leads: bool) -> _Item:
        """An atom with what stands below and above it."""
        base = self.atom(leads)
        below = above = ""
        while self.peek() in _SCRIPTS:
            mark = self.take()
            if mark == "_":
                below = self.group()
            else:
                above = "<mo>′</mo>" if mark == "'" else self.group()
        if not below and not above:
            return base
        tag = ("munder", "mover", "munderover") if base.has_limits else ("msub", "msup", "msubsup")
        name = tag[2 if below and above else 0 if below else 1]
        xml = f"<{name}>{base.xml}{below}{above}</{name}>"
        return _Item(xml, is_function=base.is_function)

    def atom(self, leads: bool) -> _Item:
        """One symbol, or one command with its arguments; ``leads`` where nothing stands before."""
        token = self.take()
        if token == "{":
            self.at -= 1
            return _Item(self.group())
        if leads and token in _SIGNS:
            return _Item(f'<mo form="prefix">{_OPERATORS[token]}</mo>', opens=True)
        if token in _LEAVES:
            return _LEAVES[token]
        if token[0].isdigit():
            return _Item(f"<mn>{token}</mn>")
        if token.isalpha() and len(token) == 1:
            return _Item(f"<mi>{token}</mi>")
        if token in _COMMANDS:
            xml, named = _COMMANDS[token](self), token == r"\operatorname"
            return _Item(xml, opens=token == r"\Bigl", is_function=named)
        if token in _ACCENTS:
            accent = f"<mo>{_ACCENTS[token]}</mo>"
            return _Item(f'<mover accent="true">{self.group()}{accent}</mover>')
        if token in _STYLES:
            return _Item(f'<mstyle displaystyle="{_STYLES[token]}">{self.row()}</mstyle>')
        raise ValueError(f"no way to write {token} of {self.latex}")

    def fraction(self) -> str:
        r"""``\frac{above}{below}``."""
        return f"<mfrac>{self.group()}{self.group()}</mfrac>"

    def root(self) -> str:
        r"""``\sqrt{body}``."""
        return f"<msqrt>{self.group()}</msqrt>"

    def boxed(self) -> str:
        r"""``\boxed{body}``; the sheet's style draws the box."""
        return f'<mrow class="boxed">{self.group()}</mrow>'

    def underset(self) -> str:
        r"""``\underset{below}{base}``."""
        below = self.group()
        return f"<munder>{self.group()}{below}</munder>"

    def script(self) -> str:
        r"""``\mathscr{L}``."""
        letter = self.words()
        if letter not in _SCRIPT:
            raise ValueError(f"no script letter {letter} for {self.latex}")
        return f"<mi>{_SCRIPT[letter]}</mi>"

    def bold(self) -> str:
        r"""``\mathbf{1}``."""
        letter = self.words()
        tag = "mn" if letter.isdigit() else "mi"
        return f'<{tag} style="font-weight:bold">{letter}</{tag}>'

    def name(self) -> str:
        r"""``\mathrm{word}`` and ``\operatorname{word}``."""
        return f'<mi mathvariant="normal">{self.words()}</mi>'

    def text(self) -> str:
        r"""``\text{words}``, spaces kept."""
        words = self.words().replace(" ", "\u00a0")
        return f"<mtext>{words}</mtext>"

    def words(self) -> str:
        r"""The characters in braces; ``\_`` and ``\alpha{}`` are what they stand for."""
        self.take("{")
        found = ""
        while (token := self.tokens[self.at] if self.at < len(self.tokens) else "") != "}":
            if not token:
                raise ValueError(f"a brace is open in {self.latex}")
            self.at += 1
            if token in _LETTERS and self.peek() == "{":
                self.take("{")
                self.take("}")
            found += (_LETTERS | _IN_WORDS).get(token, token)
        self.take("}")
        if "\\" in found or "{" in found:
            raise ValueError(f"no way to write {found} of {self.latex}")
        return escape_xml(found)

    def fenced(self) -> str:
        r"""``\left( … \right)``, as tall as what stands between."""
        left = self.fence()
        body = self.row()
        self.take(r"\right")
        return f"<mrow>{left}{body}{self.fence()}</mrow>"

    def fence(self, size: str = "") -> str:
        """One stretching bracket; nothing for the dot that stands for none."""
        mark = self.take()
        if mark not in _FENCES:
            raise ValueError(f"{mark} is no bracket in {self.latex}")
        form = "prefix" if mark in _OPENING else "postfix"
        return f'<mo fence="true" form="{form}"{size}>{_FENCES[mark]}</mo>' if mark != "." else ""

    def big(self) -> str:
        r"""``\Bigl[`` and ``\Bigr]``, whose other halves stand on another line."""
        return self.fence(' minsize="1.8em" maxsize="1.8em"')

    def table(self) -> str:
        r"""``\begin{bmatrix}`` and ``\begin{cases}``."""
        name = self.words()
        if name not in _TABLES:
            raise ValueError(f"no way to write {name} of {self.latex}")
        left, right, align = _TABLES[name]
        rows, cells = [], [self.row()]
        while (mark := self.take()) != r"\end":
            if mark == "&":
                cells.append(self.row())
            elif mark == r"\\":
                rows.append(cells)
                cells = [self.row()]
            else:
                raise ValueError(f"{mark} closes nothing in {self.latex}")
        if self.words() != name:
            raise ValueError(f"{name} does not end in {self.latex}")
        body = "".join(
            "<mtr>" + "".join(f"<mtd>{cell}</mtd>" for cell in row) + "</mtr>"
            for row in [*rows, cells]
        )
        return f"<mrow>{left}<mtable{align}>{body}</mtable>{right}</mrow>"


_SCRIPTS = ("_", "^", "'")
_ENDS = ("", "}", "&", r"\\", r"\right", r"\end")
_TABLES = {  # what opens, what closes, how the cells stand
    "bmatrix": (
        '<mo fence="true" form="prefix">[</mo>',
        '<mo fence="true" form="postfix">]</mo>',
        "",
    ),
    "cases": ('<mo fence="true" form="prefix">{</mo>', "", ' class="cases" columnalign="left"'),
}
_COMMANDS: dict[str, Callable[[_Reader], str]] = {
    r"\frac": _Reader.fraction,
    r"\sqrt": _Reader.root,
    r"\boxed": _Reader.boxed,
    r"\underset": _Reader.underset,
    r"\mathscr": _Reader.script,
    r"\mathcal": _Reader.script,
    r"\mathbf": _Reader.bold,
    r"\mathrm": _Reader.name,
    r"\operatorname": _Reader.name,
    r"\text": _Reader.text,
    r"\left": _Reader.fenced,
    r"\Bigl": _Reader.big,
    r"\Bigr": _Reader.big,
    r"\begin": _Reader.table,
}
