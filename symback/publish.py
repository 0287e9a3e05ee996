"""Sheets and figures as files: named, made whole, then put in place.

`write_sheets` and `write_figure` make every file whole before `symback.files.put` puts any in
place, so that an error or an interruption leaves nothing half-written.  PDF is made by latexmk with
shell escape off.
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
from symback.files import CannotWrite, put, shown
from symback.overview import overview
from symback.values import Kink, as_floats

if TYPE_CHECKING:
    from symback.network import Derivation, Network

__all__ = ["CannotWrite", "Disagreement", "write_figure", "write_sheets"]

APT = (
    "apt-get install --no-install-recommends texlive-latex-extra texlive-fonts-recommended "
    "lmodern latexmk"
)


class Disagreement(SymbackError):
    """A derived number that a central difference does not bear out."""


def write_sheets(
    network: Network,
    derivations: Sequence[Derivation],
    forms: Sequence[str],
    detail: str,
    folder: Path,
    stem: str,
    *,
    stable: bool = False,
) -> Iterator[str]:
    """Write one sheet a derivation (none: one for the whole network) and say where they lie."""
    pages = {
        f"{stem}_{_safe(d.name)}": sheets.sheet(network, d.core, detail, stable=stable)
        for d in derivations
    }
    if not derivations:
        pages = {f"{stem}_all": overview(network, detail, stable=stable)}
    files: dict[str, bytes] = {}
    for name, page in pages.items():
        files |= _in_forms(
            name, {form: rendering.render(page, form) for form in _texts(forms)}, forms
        )
    checks = [check(derivation) for derivation in derivations]
    yield from map(shown, put(files, folder))
    yield from (line for line in checks if line)


def write_figure(
    network: Network, derivation: Derivation | None, forms: Sequence[str], folder: Path, stem: str
) -> Iterator[str]:
    """Write the picture of a network, with the paths of ``derivation``, and say where it lies."""
    picture = drawing.figure(network, None if derivation is None else derivation.core)
    name = f"{stem}_figure" if derivation is None else f"{stem}_{_safe(derivation.name)}_figure"
    texts = {form: rendering.render_figure(picture, form) for form in _texts(forms)}
    yield from map(shown, put(_in_forms(name, texts, forms), folder))


def check(derivation: Derivation) -> str:
    """One line on how the number of a sheet was checked; empty where there are no numbers."""
    checked = derivation.network.checked(derivation.core.target)
    if checked is None:
        return ""
    if isinstance(checked.difference, Kink):
        return f"not checked by a central difference: {checked.difference.name} stands at a kink"
    if checked.digits < AGREED_DIGITS:
        raise Disagreement(
            f"{derivation.name}: {checked.derived} was derived, a central difference gives "
            f"{checked.difference}; a sheet that may be wrong is not written"
        )
    target = derivation.target_name
    number = f"∂{target}/∂{derivation.name} = {as_floats(checked.derived)!r}"
    return f"checked: {number} agrees with a central difference to {checked.digits} digits"


AGREED_DIGITS = 12


def _safe(name: str) -> str:
    """A name as part of a file's: w_2,11,3 → w_2-11-3."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", name)


def _texts(forms: Sequence[str]) -> list[str]:
    """The forms to render as text: a PDF is made from LaTeX."""
    return list(dict.fromkeys("tex" if form == "pdf" else form for form in forms))


def _in_forms(name: str, texts: Mapping[str, str], forms: Sequence[str]) -> dict[str, bytes]:
    files = {
        f"{name}.{form}": text.encode("utf-8") for form, text in texts.items() if form in forms
    }
    if "pdf" in forms:
        files[f"{name}.pdf"] = pdf(texts["tex"], name)
    return files


def pdf(source: str, name: str) -> bytes:
    """The PDF of a LaTeX document; raises `CannotWrite` where latexmk is missing or TeX refuses.

    TeX sees neither ``name``, which may begin with a dash, nor any file outside its own folder.
    """
    if shutil.which("latexmk") is None or shutil.which("pdflatex") is None:
        raise CannotWrite(f"a PDF needs latexmk and pdflatex, which are not installed: {APT}")
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, "sheet.tex").write_text(source, "utf-8")
        command = ["latexmk", "-norc", "-pdf", "-interaction=nonstopmode", "-halt-on-error"]
        command += ["-no-shell-escape", "sheet.tex"]
        fixed = {"SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1"}
        locked = {"openin_any": "p", "openout_any": "p"}
        try:
            done = subprocess.run(
                command,
                cwd=scratch,
                env={**os.environ, **fixed, **locked},
                capture_output=True,
                timeout=LONGEST_RUN,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            raise CannotWrite(f"TeX took longer than {LONGEST_RUN} s over {name}") from None
        made = Path(scratch, "sheet.pdf")
        if done.returncode or not made.is_file():
            raise CannotWrite(f"TeX refused {name}: {_first_error(Path(scratch, 'sheet.log'))}")
        return made.read_bytes()


LONGEST_RUN = 300


def _first_error(log: Path) -> str:
    if not log.is_file():
        return "it wrote no log"
    lines = log.read_text("utf-8", errors="replace").splitlines()
    return next((printable(line, 200) for line in lines if line.startswith("!")), "see its log")
