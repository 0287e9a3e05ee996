"""Sheets and figures as files: named, made whole, then put in place.

`write_sheets` and `write_figure` make every file whole before `symback.language.files.put` puts any
in place, so that an error or an interruption leaves nothing half-written.  PDF is made by latexmk
with shell escape off.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from symback.engine.evaluation import Kink, as_floats
from symback.language.errors import SymbackError, printable
from symback.language.files import CannotWrite, put, shown
from symback.sheets import chapters, passages, rendering
from symback.sheets.overview import any_layer_page, overview
from symback.sheets.passages import plain_pen

if TYPE_CHECKING:
    from symback.language.names import Variable
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
    any_layer: Mapping[str, Sequence[Variable]] = MappingProxyType({}),
) -> Iterator[str]:
    """Write one sheet a derivation (none: one for the whole network) and say where they lie.

    ``any_layer`` holds the parameters that names such as w_k,i,j stand for; each has a sheet.
    """
    letters = _letters(network)
    ways = (letters, "" if detail == "normal" else detail, "stable" if stable else "")
    pages = [(d.name, chapters.sheet(network, d.core, detail, stable=stable)) for d in derivations]
    pages += [(name, any_layer_page(network, found)) for name, found in any_layer.items()]
    if not pages:
        pages = [("all", overview(network, detail, stable=stable))]
    files: dict[str, bytes] = {}
    for chosen, page in pages:
        figure = f"{_joined(stem, chosen, letters, 'figure')}.svg"
        texts = {form: rendering.render(page, form, figure) for form in _texts(forms)}
        files |= _in_forms(_joined(stem, chosen, *ways), texts, forms)
        if "md" in forms:
            files[figure] = rendering.render_figure(page.figure, "svg").encode("utf-8")
    checks = [check(derivation) for derivation in derivations]
    yield from map(shown, put(files, folder))
    yield from (line for line in checks if line)


def write_figure(
    network: Network, derivation: Derivation | None, forms: Sequence[str], folder: Path, stem: str
) -> Iterator[str]:
    """Write the picture of a network, with the paths of ``derivation``, and say where it lies."""
    picture = passages.figure(network, None if derivation is None else derivation.core)
    chosen = "" if derivation is None else derivation.name
    name = _joined(stem, chosen, _letters(network), "figure")
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
    core = derivation.core
    name = plain_pen(derivation.network, core).text.write(core.conclusion.lhs)
    if checked.derived == 0 == checked.difference:
        return f"checked: {name} = 0, and so is a central difference"
    number = f"{name} = {as_floats(checked.derived)!r}"
    return f"checked: {number} agrees with a central difference to {checked.digits} digits"


AGREED_DIGITS = 12


def _letters(network: Network) -> str:
    """The notation a network was put in, empty for the lectures'."""
    return "" if network.written is None else network.written.name


def _joined(stem: str, *parts: str) -> str:
    """The name of a file: s5, w_2,11,3, bishop → s5_w_2-11-3_bishop; what is empty is left out."""
    return "_".join([stem, *(re.sub(r"[^A-Za-z0-9_-]", "-", part) for part in parts if part)])


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
