"""Files put in place whole: all of them or none, and what was there is kept until all is done.

`put` writes every file under a temporary name and renames it only when all of them are complete, so
that an error or an interruption leaves nothing half-written.  Sheets, figures, kernels, pictures
and checkpoints all end here.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from symback.errors import SymbackError, printable

__all__ = ["CannotWrite", "put"]


class CannotWrite(SymbackError):
    """A file that cannot be made: no right to write there, no TeX, or TeX refused."""


def put(files: Mapping[str, bytes], folder: Path) -> list[Path]:
    """Write all of ``files`` into ``folder``, or none; raises `CannotWrite`.

    What was there under the same names is kept until all is done, and put back where it is not.
    """
    temporary: dict[Path, Path] = {}
    kept: dict[Path, Path] = {}
    placed: list[Path] = []
    spare: list[Path] = []
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            temporary[folder / name] = _temporary(folder, content)
        for final, written in temporary.items():
            if final.is_file():
                spare.append(_temporary(folder, b""))
                final.replace(spare[-1])
                kept[final] = spare[-1]  # only now: what failed to move is still in its place
            written.replace(final)
            placed.append(final)
    except BaseException as error:
        for final in placed:
            final.unlink(missing_ok=True)
        for final, old in kept.items():
            old.replace(final)
        for written in (*temporary.values(), *spare):
            written.unlink(missing_ok=True)
        if is_new and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        if not isinstance(error, OSError):
            raise
        reason = error.strerror or str(error)
        raise CannotWrite(f"cannot write to {printable(str(folder), 200)}: {reason}") from None
    for old in kept.values():
        old.unlink(missing_ok=True)
    return placed


def _temporary(folder: Path, content: bytes) -> Path:
    """A new file in ``folder``, with the rights that the user gives to new files."""
    handle, name = tempfile.mkstemp(prefix=".symback-", dir=folder)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(name).chmod(0o666 & ~_umask())
    return Path(name)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
