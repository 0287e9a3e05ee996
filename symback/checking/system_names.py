"""What people call the arrays of a system and their derivatives: dW, grad_U, dL/dh, bhs, γ.

Here one can

* ask which array a name means, or which array's derivative: `meant` gives a `Meant`, or None where
  it is neither or may be two;
* ask for the array alone, as a program or a page calls it: `array_called`.

The exact name comes first, then what differs in case, underscores, a spelled-out Greek letter, or a
plural s of a list over time.  A name that fits two arrays means none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from symback.equations.adjoints import Backward
from symback.equations.system import Kind, System
from symback.language.names import GREEK


def backward_of(net: Any) -> Backward | None:
    """The backward pass of a network of equations in index notation; None of any other network."""
    found = getattr(net, "backward", None)
    return found if isinstance(found, Backward) else None


@dataclass(frozen=True, slots=True)
class Meant:
    """The array that a name is about, and whether it is ∂L/∂ that array."""

    array: str
    is_gradient: bool = False


_BEFORE = re.compile(
    r"(?:(?P<word>grads?|gradients?|nabla|deriv|delta|d|D|g)[_.]|∇_?|δ_?|∂[A-Z]?/?∂|"
    r"d_?(?:[LJCE]|loss|cost)_?/?_?d_?|grad(?=[A-Z])|d|Δ)(?=.)"
)
_AFTER = re.compile(r"[_.](?:grads?|gradients?|bar)$|(?<=[a-z])Grad$")
_WRAPPED = re.compile(r"""^(?:self\.)?(?:grads?|gradients?|d?params?|d?parameters?|cache|model)
    (?:\[['"]?|\.|_)(?P<name>[^\]'"]+)['"]?\]?$""", re.VERBOSE)  # fmt: skip
_SPELLED = {letter: name for name, letter in GREEK.items()}


def meant(name: str, system: System, *, layered: bool = False) -> Meant | None:
    """Which array of ``system``, or whose derivative, a name means; None where that is not clear.

    With ``layered`` h may be the only one of h1, h2, …, which ready layers number.
    A derivative's mark is put before or after: dW, d_W, dLdW, grad_W, W_grad, ∇W, W.grad.
    """
    name = unicodedata.normalize("NFKC", name.strip())
    if name in system.by_name:
        return Meant(name)
    wrapped = _WRAPPED.match(name)
    if wrapped and not name.startswith(("cache", "model", "self.param", "param")):
        inner = wrapped["name"]
        found = meant(inner, system, layered=layered)
        if found is not None:
            return Meant(found.array, True)
    candidates = {
        found
        for stem in _stems(name)
        if (found := array_called(stem, system, strict=True)) is not None
    } or {found for stem in _stems(name) if (found := array_called(stem, system)) is not None}
    if layered and not candidates:
        candidates = {found for stem in _stems(name) if (found := _numbered(stem, system))}
    plain = array_called(name, system) or (_numbered(name, system) if layered else None)
    if len(candidates) == 1 and (plain is None or plain in candidates):
        return Meant(candidates.pop(), True)
    return Meant(plain) if plain is not None and not candidates else None


def _stems(name: str) -> Iterable[str]:
    """What is left of a name without the mark of a derivative."""
    for found in (_AFTER.search(name),):
        if found:
            yield name[: found.start()]
    found = _BEFORE.match(name)
    if found:
        yield name[found.end() :]
        if found[0] not in ("d", "Δ") and name.startswith("d"):
            yield name[1:].lstrip("_")


def array_called(name: str, system: System, *, strict: bool = False) -> str | None:
    """The array that a program or a page means by a name; None where none or two would do."""
    if name in system.by_name:
        return name
    if strict:
        return None
    if name.casefold() in ("loss", "cost"):
        return system.target
    for key in (_plain, _folded):
        for asked in (name, name[:-1]) if len(name) > 1 and name[-1] == "s" else (name,):
            found = [
                each.name
                for each in system.quantities
                if each.kind is not Kind.ADJOINT and key(each.name) == key(asked)
            ]
            if len(found) == 1:
                return found[0]
            if found:
                return None
    return None


def _numbered(name: str, system: System) -> str | None:
    """The only array that is called so but for the number of its layer."""
    stems = (name, name[:-1]) if len(name) > 1 and name[-1] == "s" else (name,)
    for stem in stems:
        found = [
            each.name
            for each in system.quantities
            if re.fullmatch(re.escape(stem) + r"\d+", each.name)
        ]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _plain(name: str) -> str:
    """Without underscores and with Greek letters spelled out."""
    spelled = "".join(_SPELLED.get(mark, mark) for mark in name)
    return re.sub(r"[_{}\\ ]", "", spelled)


def _folded(name: str) -> str:
    return _plain(name).casefold()
