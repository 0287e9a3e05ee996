"""Files read with care, and files put in place whole: all of them or none.

Here one can

* read a file that somebody else made: `content` gives its bytes, `opened` the file; it is a regular
  file of at most so many bytes, or `CannotRead` says what it is.  A pipe or a device is not waited
  for;
* write files: `put` writes every one under a temporary name and renames it only when all of them
  are complete, so that an error or an interruption leaves nothing half-written, and no moment at
  which a file that was there is not;
* find the templates: `template_dir`.

Network files, pages, notations, samples, arrays and checkpoints are all read here; sheets, figures,
kernels, pictures and checkpoints all end here.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from symback.language.errors import SymbackError, printable

LONGEST_PATH = 4096


class CannotRead(SymbackError):
    """A file that is not there, is no regular file or too large; the message does not name it."""


class CannotWrite(SymbackError):
    """A file that cannot be made: no right to write there, no TeX, or TeX refused."""


def template_dir() -> Path:
    """The folder of templates: the installed one, else the one of the checkout."""
    installed = Path(__file__).parent.parent / "templates"
    if installed.is_dir():
        return installed
    checkout = installed.parent.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "templates").is_dir():
        return checkout / "templates"
    raise FileNotFoundError(f"symback's templates are missing: expected the folder {installed}")


def shown(path: Path) -> str:
    """The name of a file as it may be printed: nobody writes to a terminal by naming a file."""
    return printable(str(path), LONGEST_PATH)


# ----------------------------------------------------------------------------------------- reading


def content(path: str | Path, most: int) -> bytes:
    """The bytes of a regular file of at most ``most`` bytes; raises `CannotRead`.

    >>> content("/dev/zero", 100)
    Traceback (most recent call last):
    symback.language.files.CannotRead: this is not a regular file
    """
    with opened(path, most) as file:
        found = file.read(most + 1)
    if len(found) > most:  # it has grown, or its size was a lie, as in /proc
        raise _too_large(most)
    return found


def opened(path: str | Path, most: int) -> BinaryIO:
    """A regular file of at most ``most`` bytes, open for reading; raises `CannotRead`."""
    try:
        handle = os.open(path, os.O_RDONLY | _AT_ONCE)
    except (FileNotFoundError, NotADirectoryError):
        raise CannotRead("there is no such file") from None
    except OSError as error:
        raise CannotRead(f"the file cannot be read: {printable(error.strerror or '')}") from None
    except ValueError:  # a null character
        raise CannotRead("the file cannot be read: no file has such a name") from None
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode) or status.st_size > most:
        os.close(handle)
        if stat.S_ISDIR(status.st_mode):
            raise CannotRead("this is a directory")
        regular = stat.S_ISREG(status.st_mode)
        raise _too_large(most) if regular else CannotRead("this is not a regular file")
    return os.fdopen(handle, "rb")


_AT_ONCE = (
    getattr(os, "O_NONBLOCK", 0)  # a pipe that nobody writes to is opened, and refused
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


def _too_large(most: int) -> CannotRead:
    units = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))
    size, unit = next((pair for pair in units if most >= pair[0]), (1, "bytes"))
    return CannotRead(f"the file is larger than {most // size} {unit}")


# ----------------------------------------------------------------------------------------- writing


def put(files: Mapping[str, bytes], folder: Path, *, durable: bool = False) -> list[Path]:
    """Write all of ``files`` into ``folder``, or none; raises `CannotWrite`.

    What was there under the same names stays until the new one takes its place, and is put back
    where not all are placed.  With ``durable`` they are on the disk, not only on their way, when
    this returns: a power cut leaves the old or the new.
    """
    temporary: dict[Path, Path] = {}
    kept: dict[Path, Path] = {}
    placed: list[Path] = []
    spare: list[Path] = []
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            temporary[folder / name] = _temporary(folder, data, durable=durable)
        for final, written in temporary.items():
            if len(files) > 1 and final.is_file():
                spare.append(written.with_name(f"{written.name}.old"))
                try:  # a second name for what is about to be replaced; it stays where it is
                    os.link(final, spare[-1], follow_symlinks=False)
                except OSError:  # a file system without links
                    shutil.copy2(final, spare[-1])
                kept[final] = spare[-1]  # only now is it whole
            written.replace(final)
            placed.append(final)
        if durable:
            with suppress(OSError):  # where the system can be asked for the names in a folder
                handle = os.open(folder, os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
    except BaseException as error:
        for final in placed:
            if final not in kept:
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


def _temporary(folder: Path, data: bytes, *, durable: bool) -> Path:
    """A new file in ``folder``, with the rights that the user gives to new files."""
    handle, name = tempfile.mkstemp(prefix=".symback-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        usual = os.umask(0)
        os.umask(usual)
        Path(name).chmod(0o666 & ~usual)
    except BaseException:  # a full disk has room again without it
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)
