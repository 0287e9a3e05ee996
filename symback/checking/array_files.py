"""Arrays that somebody else saved: opened with care, and taken as numbers or refused.

Here one can open an .npz file without running anything in it, `read_npz`, and take one array of a
mapping as doubles together with the precision it was computed in, `Given.of`.

`symback.language.npz` opens the file, which is hostile until shown otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from symback.checking.array_rounding import DOUBLE, HALF, SINGLE, Precision
from symback.language import npz
from symback.language.errors import SymbackError, printable

__all__ = ["MOST_BYTES", "ArrayError", "Given", "all_given", "read_npz"]

MOST_BYTES = 64_000_000
MOST_AXES = 4
LONGEST_PATH = 400
EXACT_INTEGERS = 2**53

_PRECISIONS = {"float16": HALF, "float32": SINGLE}


class ArrayError(SymbackError):
    """A file of arrays that cannot be opened, or an array that holds no real numbers."""


def read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name; raises `ArrayError`.

    At most 64 MB in all, uncompressed, and no pickled objects.
    """
    try:
        return npz.read(path, MOST_BYTES)
    except npz.NpzError as error:
        raise ArrayError(f"{printable(str(path), LONGEST_PATH)}: {error.message}") from None


@dataclass(frozen=True, slots=True)
class Given:
    """One array as saved: doubles in the shape it had, and the precision it was computed in."""

    name: str
    array: np.ndarray
    dtype: str
    precision: Precision

    @classmethod
    def of(cls, name: str, raw: Any) -> Given:
        """``raw`` as numbers; integers are taken as exact.  Raises `ArrayError`."""
        array = _plain(name, raw)
        if array.dtype.kind not in "fiub":
            raise ArrayError(
                f"{printable(name)} holds {npz.kind_of(array.dtype)}; expected real numbers "
                "(float32 or float64)"
            )
        if array.size == 0 or array.ndim > MOST_AXES:
            raise ArrayError(
                f"{printable(name)} has shape {array.shape}; there is nothing to compare"
            )
        if array.dtype.kind in "iu" and int(np.max(np.abs(array.astype(float)))) > EXACT_INTEGERS:
            raise ArrayError(f"{printable(name)} holds integers beyond 2^53; save floats")
        precision = _PRECISIONS.get(array.dtype.name, DOUBLE)
        with np.errstate(over="ignore"):
            return cls(name, array.astype(float), array.dtype.name, precision)


def _plain(name: str, raw: Any) -> np.ndarray:
    if isinstance(raw, np.ma.MaskedArray):
        raise ArrayError(f"{printable(name)} is a masked array; expected one without a mask")
    try:
        return np.asarray(raw)
    except (ValueError, TypeError) as error:
        reason = printable(str(error))
        raise ArrayError(f"{printable(name)} is no array of numbers: {reason}") from None


def all_given(mapping: Mapping[str, Any]) -> dict[str, Given]:
    """Every array of a mapping by name; raises `ArrayError`."""
    if not isinstance(mapping, Mapping):
        raise ArrayError(f"expected a mapping of names to arrays, not {type(mapping).__name__}")
    for name in mapping:
        if not isinstance(name, str):
            raise ArrayError(f"the names of arrays are text; {printable(repr(name))} is none")
    found = {name: Given.of(name, raw) for name, raw in mapping.items()}
    size = sum(given.array.nbytes for given in found.values())
    if size > 2 * MOST_BYTES:  # float32 arrays have become twice as large
        raise ArrayError(
            f"the mapping holds {size / 1e6:,.1f} MB of arrays; "
            f"at most {MOST_BYTES / 1e6:.0f} MB are read"
        )
    return found
