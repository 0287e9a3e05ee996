"""Sheets and figures as files: named, made whole, then put in place.

`write_sheets` and `write_figure` write every file under a temporary name and rename it only when
all of them are complete, so that an error or an interruption leaves nothing half-written.  PDF is
made by latexmk with shell escape off.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from symback import drawing, rendering, sheets
from symback.errors import SymbackError, printable
from symback.overview import overview
from symback.values import Kink, agreement, as_floats

if TYPE_CHECKING:
    from symback.network import Derivation, Network

__all__ = ["CannotWrite", "write_figure", "write_sheets"]

APT = "apt-get install --no-install-recommends texlive-latex-extra texlive-fonts-recommended lmodern latexmk"


class CannotWrite(SymbackError):
    """A file that cannot be made: no right to write there, no TeX, or TeX refused."""


def write_sheets(
    network: Network,
    derivations: Sequence[Derivation],
    forms: Sequence[str],
    detail: str,
    folder: Path,
    stem: str,
) -> Iterator[str]:
    """Write one sheet a derivation (none: one for the whole network) and say where they lie."""
    pages = {f"{stem}_{_safe(d.name)}": sheets.sheet(network, d.core, detail) for d in derivations}
    if not derivations:
        pages = {f"{stem}_all": overview(network, detail)}
    files: dict[str, bytes] = {}
    for name, page in pages.items():
        files |= _in_forms(
            name, {form: rendering.render(page, form) for form in _texts(forms)}, forms
        )
    checks = [check(derivation) for derivation in derivations]
    yield from (str(path) for path in put(files, folder))
    yield from (line for line in checks if line)


def write_figure(
    network: Network, derivation: Derivation | None, forms: Sequence[str], folder: Path, stem: str
) -> Iterator[str]:
    """Write the picture of a network, with the paths of ``derivation``, and say where it lies."""
    picture = drawing.figure(network, None if derivation is None else derivation.core)
    name = f"{stem}_figure" if derivation is None else f"{stem}_{_safe(derivation.name)}_figure"
    texts = {form: rendering.render_figure(picture, form) for form in _texts(forms)}
    yield from (str(path) for path in put(_in_forms(name, texts, forms), folder))


def check(derivation: Derivation) -> str:
    """One line on how the number of a sheet was checked; empty where there are no numbers."""
    network, reference = derivation.network, derivation.core.target
    if (
        not network.has_numbers
        or reference.variable not in network.numbers.inputs
        or reference.variable.batched
    ):
        return ""
    difference = network.numbers.central_difference(reference)
    if isinstance(difference, Kink):
        return f"not checked by a central difference: {difference.name} stands at a kink"
    derived = network.numbers.element(network.gradients[reference.variable.name], reference)
    digits = agreement(derived, difference)
    if digits < AGREED_DIGITS:
        raise AssertionError(
            f"{derivation.name}: derived {derived}, central difference {difference}"
        )
    target = derivation.target_name
    return f"checked: ∂{target}/∂{derivation.name} = {as_floats(derived)!r} agrees with a central difference to {digits} digits"


AGREED_DIGITS = 12


def _safe(name: str) -> str:
    """A name as part of a file's: w_2,11,3 → w_2-11-3."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", name)


def _texts(forms: Sequence[str]) -> list[str]:
    """The forms to render as text: a PDF is made from LaTeX."""
    return [form for form in dict.fromkeys("tex" if form == "pdf" else form for form in forms)]


def _in_forms(name: str, texts: Mapping[str, str], forms: Sequence[str]) -> dict[str, bytes]:
    files = {
        f"{name}.{form}": text.encode("utf-8") for form, text in texts.items() if form in forms
    }
    if "pdf" in forms:
        files[f"{name}.pdf"] = pdf(texts["tex"], name)
    return files


def pdf(source: str, name: str) -> bytes:
    """The PDF of a LaTeX document; raises `CannotWrite` where latexmk is missing or TeX refuses."""
    if shutil.which("latexmk") is None or shutil.which("pdflatex") is None:
        raise CannotWrite(f"a PDF needs latexmk and pdflatex, which are not installed: {APT}")
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, f"{name}.tex").write_text(source, "utf-8")
        command = [
            "latexmk",
            "-pdf",
            "-interaction=nonstopmode",
            "-halt-on-error",
            "-no-shell-escape",
            f"{name}.tex",
        ]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1"}
        done = subprocess.run(
            command,
            cwd=scratch,
            env=environment,
            capture_output=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
        )
        made = Path(scratch, f"{name}.pdf")
        if done.returncode or not made.is_file():
            log = Path(scratch, f"{name}.log")
            raise CannotWrite(f"TeX refused {name}.tex: {_first_error(log)}")
        return made.read_bytes()


def _first_error(log: Path) -> str:
    if not log.is_file():
        return "it wrote no log"
    lines = log.read_text("utf-8", errors="replace").splitlines()
    return next((printable(line, 200) for line in lines if line.startswith("!")), "see its log")


def put(files: Mapping[str, bytes], folder: Path) -> list[Path]:
    """Write all of ``files`` into ``folder``, or none; raises `CannotWrite`."""
    written: list[tuple[Path, Path]] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
            written.append((Path(temporary), folder / name))
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(temporary).chmod(0o666 & ~_umask())
        for temporary_path, final in written:
            temporary_path.replace(final)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CannotWrite(f"cannot write to {printable(str(folder), 200)}: {reason}") from None
    finally:
        for temporary_path, _ in written:
            temporary_path.unlink(missing_ok=True)
    return [final for _, final in written]


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
