"""Arrays that somebody else saved: an .npz file, opened with care.

`read` gives the arrays of a file by name, without running anything in it.  A file is hostile until
shown otherwise: sizes are read from the headers and added up before anything is decompressed,
pickled objects are never loaded, and the header of each array is checked against the bytes that
follow it before memory is reserved.
"""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from symback.language import files
from symback.language.errors import SymbackError, printable

MOST_ARRAYS = 1000
LONGEST_HEADER = 10_000
MOST_AXES = 32


class NpzError(SymbackError):
    """A file of arrays that cannot be opened; the message does not name the file."""


def read(path: str | Path, most: int) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name, ``most`` bytes of them; raises `NpzError`."""
    found: dict[str, np.ndarray] = {}
    try:
        file = files.opened(path, most)
    except files.CannotRead as error:
        raise NpzError(error.message) from None
    with file:
        try:
            archive = zipfile.ZipFile(file)
        except Exception:  # noqa: BLE001 - zipfile trusts a table of contents: what it raises is its own
            raise NpzError(
                "this is no .npz file: write one with numpy.savez(path, dW1=dW1, db1=db1, …)"
            ) from None
        members = [info for info in archive.infolist() if not info.filename.endswith("/")]
        size = sum(info.file_size for info in members)
        if size > most:
            raise NpzError(f"its arrays take {size:,} bytes; at most {most / 1e6:.0f} MB are read")
        if not 1 <= len(members) <= MOST_ARRAYS:
            raise NpzError(f"it holds {len(members)} arrays; expected 1 to {MOST_ARRAYS}")
        for info in members:
            name = info.filename.removesuffix(".npy")
            if name in found or not name:
                told = f"{printable(name)} twice" if name else "an array without a name"
                raise NpzError(f"it holds {told}")
            try:
                with archive.open(info) as member:
                    content = member.read(info.file_size)  # no more than its header promised
            except Exception as error:  # noqa: BLE001 - each way of compressing has errors of its own
                reason = printable(str(error) or type(error).__name__)
                raise NpzError(f"{printable(info.filename)} cannot be read: {reason}") from None
            found[name] = _array(content, printable(name))
    return found


def _array(content: bytes, name: str) -> np.ndarray:
    """The array behind an .npy header, without unpickling and without copying."""
    stream = io.BytesIO(content)
    try:
        shape, by_columns, dtype = _header(stream)
    except Exception:  # noqa: BLE001 - NumPy reads a header as a literal, after trying to mend it
        raise NpzError(
            f"{name} is no array of numbers: it has no header that numpy.savez writes for them"
        ) from None
    if dtype.hasobject or dtype.names is not None or dtype.kind not in "biufcSU":
        raise NpzError(f"{name} holds {kind_of(dtype)}; expected real numbers (float32 or float64)")
    there = len(content) - stream.tell()
    # whole numbers from 0 on, and not too many: True is none, though NumPy takes it for 1
    is_shape = len(shape) <= MOST_AXES and all(type(n) is int and n >= 0 for n in shape)
    if not is_shape or not dtype.itemsize or math.prod(shape) * dtype.itemsize != there:
        told = printable(str(shape))
        raise NpzError(f"{name} says its shape is {told}, but holds {there} bytes of {dtype}")
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


def kind_of(dtype: np.dtype[Any]) -> str:
    """What an array holds that is no array of real numbers."""
    if dtype.hasobject:
        return "Python objects, which are never loaded"
    return {"c": "complex numbers", "U": "text", "S": "bytes", "V": "records"}.get(
        dtype.kind, f"{dtype} values"
    )
