"""Samples to learn from: read from a file or taken from arrays, and checked before anything runs.

Here one can

* read a file: `read` (``.csv`` with a header, or ``.npz`` with arrays);
* take arrays: `check`;
* turn true classes into one-hot rows: `one_hot`.

All end in a `Samples`: x with one row a sample and n_0 columns, y with as many rows and n_L
columns, both float64 and finite.

A ``.csv`` names its columns in its first line: ``x1`` … ``x<n_0>`` for the inputs, and for the
target either ``y1`` … ``y<n_L>`` or ``label``, the true class, a whole number from 1 to n_L; in any
order, and no others.  A ``.npz`` holds the arrays ``x`` of shape (N, n_0) and either ``y`` of shape
(N, n_L), both of floats, or ``label`` of shape (N,), of integers from 1 to n_L.  Rows and columns
count from 1 in messages, without the header.

Nothing is converted in silence: integers where floats belong, an unknown column, a label that
counts from 0 are errors, because each is more often a mistake than a wish.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from symback.language import files, npz
from symback.language.errors import SymbackError, did_you_mean, printable

LARGEST_FILE = 2 * 10**9  # bytes; of a .npz, unpacked
LISTED = 12


class DataError(SymbackError):
    """Data that the network cannot learn from: the message names the array and both shapes."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """N samples: ``x`` of shape (N, n_0), ``y`` of shape (N, n_L), float64, finite, N ≥ 1."""

    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.x)


def read(path: str | Path, inputs: int, outputs: int) -> Samples:
    """The samples of a ``.csv`` or ``.npz`` file for a network of n_0 inputs and n_L outputs.

    Raises `DataError` naming the file, the array or column, what it holds and what was expected.
    """
    place = printable(str(path), 200)
    readers = {".csv": _read_csv, ".npz": _read_npz}
    reader = readers.get(Path(path).suffix.lower())
    if reader is None:
        raise DataError(f"{place}: expected a file called *.csv or *.npz")
    try:
        return reader(Path(path), inputs, outputs)
    except (DataError, files.CannotRead) as error:
        raise DataError(f"{place}: {error.message}") from None


def check(x: Any, y: Any = None, label: Any = None, *, inputs: int, outputs: int) -> Samples:
    """The samples of arrays: ``x`` (N, n_0), and ``y`` (N, n_L) or ``label`` (N,), from 1 to n_L.

    >>> check([[0.5, 1.0], [2.0, 0.0]], label=[2, 1], inputs=2, outputs=2).y.tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    >>> check([[0.5], [2.0], [1.0]], label=[1, 2, 1], inputs=2, outputs=2)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    symback.learning.samples.DataError: x has shape (3, 1); expected (N, 2), one row a sample, ...
    """
    if (y is None) == (label is None):
        both = "neither is" if y is None else "both are"
        raise DataError(f"y and label: {both} given; expected exactly one of the two")
    rows = _matrix("x", x, inputs, "n_0")
    if label is not None:
        target, given = one_hot(label, outputs), np.asarray(label)
    else:
        target = given = _matrix("y", y, outputs, "n_L")
    if len(rows) != len(target):
        name = "y" if label is None else "label"
        raise DataError(
            f"x has shape {rows.shape} and {name} has shape {given.shape}; expected as many rows"
        )
    return Samples(rows, target)


def one_hot(label: Any, outputs: int) -> np.ndarray:
    """e(ℓ) for each label ℓ, a whole number from 1 to ``outputs``: shape (N, outputs)."""
    array = np.asarray(label)
    if array.dtype.kind not in "iu":
        raise DataError(
            f"label holds {array.dtype}; expected integers, the true class from 1 to {outputs}"
        )
    if array.ndim != 1 or not len(array):
        raise DataError(f"label has shape {array.shape}; expected (N,), one label a sample, N ≥ 1")
    wrong = np.flatnonzero((array < 1) | (array > outputs))
    if not len(wrong):
        return np.eye(outputs)[array.astype(int) - 1]
    found = int(array[wrong[0]])
    told = f"label is {found} in row {wrong[0] + 1}; expected a class from 1 to {outputs}"
    if outputs == 1:
        told += "; a network with one output learns y1 (0 or 1), not a label"
    elif found == 0:
        told += " (classes count from 1)"
    raise DataError(told)


def _matrix(name: str, given: Any, columns: int, width: str) -> np.ndarray:
    """A float64 copy of an array of floats, its shape and every number checked."""
    try:
        array = np.asarray(given)
    except ValueError:
        raise DataError(f"{name} has rows of different lengths; expected (N, {columns})") from None
    if array.dtype.kind != "f":
        way_out = "float32 or float64"
        if array.dtype.kind in "iub":
            way_out += f": {name}.astype(float), scaled as is meant"
        held = f"of shape {array.shape} holds {array.dtype}"
        raise DataError(f"{name} {held}; expected floats, {way_out}")
    if array.ndim != 2 or array.shape[1] != columns or not len(array):
        hint = "; it looks transposed" if array.shape[:1] == (columns,) and array.ndim == 2 else ""
        hint = "; there is no sample" if 0 in array.shape[:1] else hint
        raise DataError(
            f"{name} has shape {array.shape}; expected (N, {columns}), one row a sample, "
            f"{width} = {columns}{hint}"
        )
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        row, column = wrong[0]
        raise DataError(
            f"{name} of shape {array.shape} has {float(array[row, column])} in row {row + 1}, "
            f"column {column + 1}; expected finite numbers"
        )
    return np.array(array, dtype=np.float64, order="C")


# ------------------------------------------------------------------------------------------- .npz


def _read_npz(path: Path, inputs: int, outputs: int) -> Samples:
    arrays = open_arrays(path)
    for name in arrays:
        if name not in ("x", "y", "label"):
            meant = did_you_mean(name, ("x", "y", "label"))
            raise DataError(f"array {printable(name)}: expected x, and y or label{meant}")
    if "x" not in arrays:
        raise DataError(f"there is no array x; there is {_listing(arrays)}")
    if not {"y", "label"} & {*arrays}:
        raise DataError(f"there is no array y or label; there is {_listing(arrays)}")
    return check(**dict(arrays), inputs=inputs, outputs=outputs)


def open_arrays(path: str | Path) -> Mapping[str, np.ndarray]:
    """The arrays of a ``.npz`` file by name; objects are refused, and more than 2 GB unpacked."""
    try:
        return npz.read(path, LARGEST_FILE)
    except npz.NpzError as error:
        raise DataError(error.message) from None


# ------------------------------------------------------------------------------------------- .csv


def _read_csv(path: Path, inputs: int, outputs: int) -> Samples:
    try:
        text = files.content(path, LARGEST_FILE).decode("utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except UnicodeDecodeError as error:
        wrong = f"byte {error.object[error.start]:#04x} at offset {error.start}"
        raise DataError(f"the file is not UTF-8: {wrong}") from None
    except csv.Error as error:
        raise DataError(f"not CSV: {printable(str(error))}") from None
    if not rows:
        raise DataError("the file is empty; expected a header such as x1,x2,y1")
    columns = _columns([name.strip() for name in rows[0]], inputs, outputs)
    if len(rows) == 1:
        raise DataError("there is a header and no sample")
    for number, row in enumerate(rows[1:], 1):
        if len(row) != len(rows[0]):
            raise DataError(f"row {number} has {len(row)} fields; the header has {len(rows[0])}")

    def numbers(letter: str, width: int) -> np.ndarray:
        names = [f"{letter}{j}" for j in range(1, width + 1)]
        return np.array(
            [[_number(row[columns[c]], n, c) for c in names] for n, row in enumerate(rows[1:], 1)]
        )

    x = numbers("x", inputs)
    if "label" in columns:
        label = [_label(row[columns["label"]], n) for n, row in enumerate(rows[1:], 1)]
        return check(x, label=label, inputs=inputs, outputs=outputs)
    return check(x, numbers("y", outputs), inputs=inputs, outputs=outputs)


def _columns(header: Sequence[str], inputs: int, outputs: int) -> dict[str, int]:
    """Where each column stands; raises `DataError` unless they are those that are expected."""
    found = {name: place for place, name in enumerate(header)}
    if len(found) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise DataError(f"two columns are called {printable(twice) or 'nothing'}")
    needed = [f"x{j}" for j in range(1, inputs + 1)]
    targets = [f"y{i}" for i in range(1, outputs + 1)]
    needed += ["label"] if "label" in found else targets
    if missing := [name for name in needed if name not in found]:
        instead = " (or label)" if missing[0] == "y1" else ""
        hint = "; fields are separated by commas" if len(header) == 1 else ""
        raise DataError(
            f"there is no column {missing[0]}{instead}; there is {_listing(header)}{hint}"
        )
    if extra := [name for name in header if name not in needed]:
        both = "; label and y are both given" if "label" in found and extra[0] in targets else ""
        raise DataError(
            f"column {printable(extra[0]) or 'without a name'}: expected {_listing(needed)}{both}"
        )
    return found


def _number(text: str, row: int, column: str) -> float:
    try:
        number = float(text) if "_" not in text else None
    except ValueError:
        number = None
    if number is None:
        raise DataError(f"column {column}, row {row}: {_shown(text)} is no number")
    if not np.isfinite(number):
        raise DataError(f"column {column}, row {row}: {_shown(text)}; expected a finite number")
    return number


def _label(text: str, row: int) -> int:
    if re.fullmatch(r"\s*[+-]?[0-9]{1,9}\s*", text, re.ASCII) is None:
        raise DataError(f"column label, row {row}: {_shown(text)}; expected a whole number")
    return int(text)


def _shown(text: str) -> str:
    return printable(text.strip()) or "nothing"


def _listing(names: Sequence[str] | Mapping[str, Any]) -> str:
    shown = [printable(name) or "''" for name in names]
    more = f", … ({len(shown)} in all)" if len(shown) > LISTED else ""
    return ", ".join(shown[:LISTED]) + more if shown else "nothing"
