"""symback derives backpropagation: for any weight of a network, ∂L/∂w with every step and why.

>>> import symback as sb
>>> net = sb.Network(4, [(4, "sigmoid"), (2, "softmax")], loss="squared_error")
>>> d = net.derive("w_131")
>>> d.path_count
4

`load` reads a network file, `Network` takes the same in Python, `equations` takes named stages, or
equations in index notation of any network.  Folders, each importing only from those before it:
language, engine, equations, kernels, checking, learning, sheets; then `network` and `cli`.  Names
are loaded when first used, so that ``symback --help`` needs no SymPy.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symback.checking import check
    from symback.checking.arrays import check_arrays
    from symback.checking.grading import assert_derivation
    from symback.language.errors import SymbackError
    from symback.language.functions import Activation, Loss
    from symback.learning.descent import Descent, Diverged
    from symback.network import Derivation, EquationNetwork, Network, equations, load

__version__ = "0.1.0"

_ROOMS = {
    "Activation": "language.functions",
    "Derivation": "network",
    "Descent": "learning.descent",
    "Diverged": "learning.descent",
    "EquationNetwork": "network",
    "Loss": "language.functions",
    "Network": "network",
    "SymbackError": "language.errors",
    "assert_derivation": "checking.grading",
    "check": "checking",
    "check_arrays": "checking.arrays",
    "equations": "network",
    "load": "network",
}

__all__ = [
    "Activation",
    "Derivation",
    "Descent",
    "Diverged",
    "EquationNetwork",
    "Loss",
    "Network",
    "SymbackError",
    "assert_derivation",
    "check",
    "check_arrays",
    "equations",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'symback' has no attribute {name!r}")
    value = getattr(import_module(f"symback.{_ROOMS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keeps `symback.equations` the function: importing the folder of that name would hide it."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _ROOMS and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
