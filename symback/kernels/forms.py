"""Forms of the catalogue's functions that keep every digit, each proved before it is used.

A kernel computes in float64 or float32, where h(1 - h) is 0 from a = 37 on, and log(1 + e^a)
infinite from a = 710.  Here are forms that are right for every a, and the proof that they are the
catalogue's functions.  One can

* look up the forms of an activation: `form_of`, keyed by the function itself and not by
  its name, so that a user's 1/(1+exp(-z)) is as accurate as the catalogue's sigmoid;
* read what is computed instead: `Form.identities`, `SOFTMAX_IDENTITIES`;
* have every form proved: `proved` compares its value with the catalogue's formula, its slope with
  the derivative that `symback.engine.calculus` finds, and the others with what they stand for,
  where z > 0 and where z < 0, exactly.  A form that is not proved raises `WrongForm` and is not
  used.

Forms are formulas in the grammar of `symback.language.reading`, in z, y and what they name
themselves (``lets``), and are printed to code as they stand: nothing is written twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache

import sympy
from sympy import Expr, Symbol

from symback.engine.calculus import is_zero, local_derivative
from symback.engine.graph import Equation
from symback.language import reading
from symback.language.algebra import to_sympy, value_of
from symback.language.errors import SymbackError
from symback.language.expressions import Node
from symback.language.functions import ACTIVATIONS, Activation, Stable
from symback.language.names import Role, Variable
from symback.language.writing import Latex

Z = Symbol("z", real=True)
"""What activations are functions of."""

EXTRA: Mapping[str, Callable[..., Expr]] = {
    "log1p": lambda u: sympy.log(1 + u),
    "expm1": lambda u: sympy.exp(u) - 1,
    "normal": lambda u: (1 + sympy.erf(u / sympy.sqrt(2))) / 2,
    "coarse": lambda _: Symbol("coarse", real=True),
    "nonzero": lambda u: u,
    "capped": lambda u: u,
    "near": lambda u: u,
}
"""What forms may call beyond `symback.language.reading`, and its meaning in a proof.

``coarse(u)`` is u rounded to sixteenths, and a proof must hold whatever it is.  ``nonzero(u)`` is
max(u, 1e-18) for a u ≥ 0 that either enters by u/log(1 + u) only, which is 1 to the last digit
below 1e-18, or is larger wherever the result is used.  ``capped(u)`` is u up to where e^u is the
inverse of the smallest normal number: beyond, 1/(1 + e^u) is less than that.  ``near(u)`` is u
between -60 and 60 and their nearest beyond, where it enters by e^{-u²/2} only, less than any
number.
"""


class WrongForm(SymbackError):
    """A form that is not the function it is said to be."""


@dataclass(frozen=True, slots=True)
class Identity:
    """``left = right`` in text and in LaTeX: what is computed instead of what.

    Or what a letter is that stands in the one before it (``is_letter``).
    """

    left: str
    right: str
    left_latex: str
    right_latex: str
    is_letter: bool = False

    @property
    def text(self) -> str:
        """A line of a source's docstring."""
        return f"{'    with ' if self.is_letter else ''}{self.left} = {self.right}"


@dataclass(frozen=True, slots=True)
class Form:
    """An activation and its formulas that keep every digit."""

    name: str
    stable: Stable

    def node(self, part: str) -> Node:
        """One of the texts above, or one of ``lets``, as a tree."""
        names = ("z", "y", "h", "slope", "complement", *(name for name, _ in self.stable.lets))
        return reading.read(self.text(part), names=names, functions=tuple(EXTRA))

    def named(self, part: str) -> tuple[str, ...]:
        """The other parts and lets that a part names."""
        found = reading.names(self.node(part))
        return tuple(name for name in found if name not in ("z", "y", "h"))

    def text(self, part: str) -> str:
        """A part, or one of the lets, as written."""
        return dict(self.stable.lets).get(part) or getattr(self.stable, part)

    def identities(self, parts: Iterable[str]) -> list[Identity]:
        """What ``parts`` are computed as, and the lets they need."""
        wanted, found = [], []
        for part in parts:
            if part in _MEANINGS and self.text(part) != _DEFAULTS.get(part):
                text = _MEANINGS[part]
                sides = text.format(self.name), self.text(part)
                latex = text.replace("log", r"\log").format(Latex().operator(self.name))
                found.append(Identity(*sides, latex, self._typeset(part)))
                wanted += self.named(part)
        lets = [name for name in dict.fromkeys(wanted) if name in dict(self.stable.lets)]
        return found + [
            Identity(name, self.text(name), name, self._typeset(name), is_letter=True)
            for name in lets
        ]

    def _typeset(self, part: str) -> str:
        letters = ("y", "h", "slope", "complement", *(name for name, _ in self.stable.lets))
        symbols = {name: Symbol(name, real=True) for name in letters} | {"z": Z}
        return Latex().write(to_sympy(self.node(part), symbols, EXTRA))


SOFTMAX_IDENTITIES = {
    "shift": Identity(
        "softmax(a)",
        "softmax(a - max a), so that no exponential is above 1",
        r"\operatorname{softmax}(a)",
        r"\operatorname{softmax}(a - \max_j a_j)",
    ),
    "rest": Identity(
        "1 - p_k",
        "Σ_{j≠k} p_j: the other probabilities are summed, nothing is taken from 1",
        r"1 - p_k",
        r"\sum_{j \neq k} p_j",
    ),
    "residual": Identity(
        "y_k - p_k",
        "y_k Σ_{j≠k} p_j - (1 - y_k) p_k",
        r"y_k - p_k",
        r"y_k \sum_{j \neq k} p_j - (1 - y_k)\,p_k",
    ),
    "cross_entropy": Identity(
        "(Σ_j y_j) p_k - y_k",
        "p_k Σ_{j≠k} y_j - y_k Σ_{j≠k} p_j, whatever Σ_j y_j is",
        r"\Bigl(\sum_j y_j\Bigr) p_k - y_k",
        r"p_k \sum_{j \neq k} y_j - y_k \sum_{j \neq k} p_j",
    ),
    "product": Identity(
        "p_k (g_k - Σ_j p_j g_j)",
        "p_k (d_k - Σ_j p_j d_j) with d = g - g_m for whatever m",
        r"p_k \Bigl(g_k - \sum_j p_j g_j\Bigr)",
        r"p_k \Bigl(d_k - \sum_j p_j d_j\Bigr),"
        r"\quad d = g - g_m",
    ),
    "pairs": Identity(
        "p_k (g_k - Σ_j p_j g_j)",
        "p_k Σ_{j≠k} p_j (g_k - g_j)",
        r"p_k \Bigl(g_k - \sum_j p_j g_j\Bigr)",
        r"p_k \sum_{j \neq k} p_j\,(g_k - g_j)",
    ),
    "log": Identity(
        "log p_k",
        "a_k - max a - log(1 + the sum of e^{a_j - max a} without the largest)",
        r"\log p_k",
        r"a_k - a_m - \log\Bigl(1 + \sum_{j \neq m} e^{a_j - a_m}\Bigr),"
        r"\quad a_m = \max_j a_j",
    ),
}
"""All but the first use Σ_j p_j = 1, the fact that the derivation names."""

_MEANINGS = {
    "value": "{0}(z)",
    "slope": "{0}'(z)",
    "residual": "y - {0}(z)",
    "complement": "1 - {0}(z)",
    "log": "log {0}(z)",
    "log_complement": "log(1 - {0}(z))",
    "slope_by_value": "{0}'(z)/{0}(z)",
    "slope_by_complement": "{0}'(z)/(1 - {0}(z))",
}
"""What each part of the form of {0} is; in LaTeX, log is a command."""

_DEFAULTS = {entry.name: entry.default for entry in fields(Stable) if entry.default is not MISSING}


@cache
def _by_function() -> dict[Expr, Form]:
    return {
        value_of(row.formula, {"z": Z}): Form(row.name, row.stable)
        for row in ACTIVATIONS.values()
        if isinstance(row, Activation) and row.stable
    }


def form_of(function: Expr) -> Form | None:
    """The form of a function of `Z`, proved; None where there is none."""
    form = _by_function().get(function)
    return None if form is None else proved(form)


# --------------------------------------------------------------------------------------- proofs


@cache
def proved(form: Form) -> Form:
    """``form``, if each of its parts is what it stands for; raises `WrongForm` naming the part.

    Where z > 0 and where z < 0 separately, since |z| is no rational function, and on either side
    of every other threshold a part compares with.  Logarithms are compared by their exponentials.
    """
    row = ACTIVATIONS[form.name]
    assert isinstance(row, Activation)
    z, h = Variable("z", Role.LEAF), Variable("h", Role.STAGE)
    value = value_of(row.formula, {"z": z.at()})
    slope = local_derivative(Equation(h, (), value), z).raw
    for side in (Symbol("u", positive=True), -Symbol("u", positive=True)):
        _prove_side(form, side, *(expr.xreplace({z.at(): side}) for expr in (value, slope)))
    return form


def _prove_side(form: Form, z: Expr, h: Expr, slope: Expr) -> None:
    y = Symbol("y", real=True)
    names = {"z": z, "y": y, "h": h, "slope": slope, "complement": 1 - h}
    meanings = {
        "value": h,
        "slope": slope,
        "residual": y - h,
        "complement": 1 - h,
        "log": h,  # of the logarithms, the arguments
        "log_complement": 1 - h,
        "slope_by_value": slope / h,
        "slope_by_complement": slope / (1 - h),
    }
    for name, _ in form.stable.lets:
        names[name] = to_sympy(form.node(name), names, EXTRA)
    for part, expected in meanings.items():
        if form.text(part) == _DEFAULTS.get(part):
            continue  # no form, but its meaning
        found = to_sympy(form.node(part), names, EXTRA)
        if part.startswith("log"):
            found = sympy.exp(sympy.expand_log(found, force=True))
        if not _equal(found, expected):
            raise WrongForm(f"{form.name}: {part} = {form.text(part)} is not {expected}")


def _equal(found: Expr, expected: Expr) -> bool:
    """Whether two real expressions are the same function; if need be, by their exponentials."""
    return any(
        is_zero((of(found) - of(expected)).rewrite(sympy.exp)) for of in (lambda u: u, sympy.exp)
    )
