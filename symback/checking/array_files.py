"""Arrays that somebody else saved: opened with care, and taken as numbers or refused.

Here one can open an .npz file without running anything in it, `read_npz`, and take one array of a
mapping as doubles together with the precision it was computed in, `Given.of`.

A submission is hostile until shown otherwise: sizes are read from the headers and added up before
anything is decompressed, pickled objects are never loaded, and the header of each array is checked
against the bytes that follow it before memory is reserved.
"""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from symback.checking.array_rounding import DOUBLE, HALF, SINGLE, Precision
from symback.errors import SymbackError, printable

__all__ = ["MOST_ARRAYS", "MOST_BYTES", "ArrayError", "Given", "all_given", "read_npz"]

MOST_BYTES = 64_000_000
MOST_ARRAYS = 1000
LONGEST_HEADER = 10_000
MOST_AXES = 4
LONGEST_PATH = 400
EXACT_INTEGERS = 2**53

_UNREADABLE = (
    *(ValueError, TypeError, SyntaxError, EOFError, RecursionError, MemoryError),
    tokenize.TokenError,  # NumPy reads a header as a literal, after trying to mend it
)

_PRECISIONS = {"float16": HALF, "float32": SINGLE}


class ArrayError(SymbackError):
    """A file of arrays that cannot be opened, or an array that holds no real numbers."""


def read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name; raises `ArrayError`.

    At most 64 MB in all, uncompressed, and no pickled objects.
    """
    where = printable(str(path), LONGEST_PATH)
    try:
        with zipfile.ZipFile(_opened(Path(path), where)) as archive:
            return dict(_members(archive, where))
    except zipfile.BadZipFile:
        raise ArrayError(
            f"{where} is no .npz file: write one with numpy.savez(path, dW1=dW1, db1=db1, …)"
        ) from None


def _opened(path: Path, where: str) -> io.BytesIO:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise _too_large(where, path.stat().st_size)
        return io.BytesIO(path.read_bytes())
    except OSError as error:
        raise ArrayError(f"{where}: {error.strerror or 'cannot be read'}") from None


def _too_large(where: str, size: int) -> ArrayError:
    return ArrayError(
        f"{where} holds {size / 1e6:,.1f} MB of arrays; at most {MOST_BYTES / 1e6:.0f} MB are read"
    )


def _members(archive: zipfile.ZipFile, where: str) -> Iterator[tuple[str, np.ndarray]]:
    members = [info for info in archive.infolist() if not info.is_dir()]
    if sum(info.file_size for info in members) > MOST_BYTES:
        raise _too_large(where, sum(info.file_size for info in members))
    if not 1 <= len(members) <= MOST_ARRAYS:
        raise ArrayError(f"{where} holds {len(members)} arrays; expected 1 to {MOST_ARRAYS}")
    names = [info.filename.removesuffix(".npy") for info in members]
    for name, info in zip(names, members, strict=True):
        if names.count(name) > 1:
            raise ArrayError(f"{where} holds {printable(name)} twice")
        yield name, _array(_content(archive, info, where), f"{printable(name)} in {where}")


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> bytes:
    """The bytes of one member, no more than its header promised."""
    try:
        with archive.open(info) as member:
            return member.read(info.file_size)
    except (RuntimeError, NotImplementedError, EOFError, OSError, zlib.error, ValueError) as error:
        reason = printable(str(error) or type(error).__name__)
        raise ArrayError(
            f"{printable(info.filename)} in {where} cannot be read: {reason}"
        ) from None


def _array(content: bytes, what: str) -> np.ndarray:
    """The array behind an .npy header, without unpickling and without copying."""
    stream = io.BytesIO(content)
    try:
        shape, by_columns, dtype = _header(stream)
    except _UNREADABLE:
        raise ArrayError(
            f"{what} is no array of numbers: it has no header that numpy.savez writes for them"
        ) from None
    if dtype.hasobject or dtype.names is not None:
        raise ArrayError(f"{what} holds {_kind(dtype)}; expected real numbers (float32 or float64)")
    there = len(content) - stream.tell()
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != there:
        raise ArrayError(f"{what} says its shape is {shape}, but holds {there} bytes of {dtype}")
    flat = np.frombuffer(content, dtype, offset=stream.tell()) if there else np.zeros(0, dtype)
    return flat.reshape(shape, order="F" if by_columns else "C")


def _header(stream: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"version {version} of the format is not for plain numbers")
    return readers[version](stream, max_header_size=LONGEST_HEADER)


def _kind(dtype: np.dtype[Any]) -> str:
    if dtype.hasobject:
        return "Python objects, which are never loaded"
    return {"c": "complex numbers", "U": "text", "S": "bytes", "V": "records"}.get(
        dtype.kind, f"{dtype} values"
    )


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
                f"{printable(name)} holds {_kind(array.dtype)}; expected real numbers "
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
        raise _too_large("the mapping", size)
    return found
