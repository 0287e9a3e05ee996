"""What the commands write: sheets and figures, named and made whole, and a file to start from.

`write_sheets` and `write_figure` make every file whole before `symback.language.files.put` puts any
in place, so that an error or an interruption leaves nothing half-written.  PDF is made by latexmk
with shell escape off.

`starter` is a network file for a shape such as 4-4-2.  Hidden layers are sigmoids, the output is a
softmax with cross-entropy (one output alone is a sigmoid: a softmax of one number is always 1).
Small numbers that are the same each time stand in its [values], so that sheet, evaluate and check
run on it at once.  The words and the layout are in ``templates/starter.toml``.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from symback.engine.evaluation import Kink, as_floats
from symback.engine.work import Work
from symback.equations.work import EquationWork
from symback.language.errors import SymbackError, printable
from symback.language.files import CannotWrite, put, shown
from symback.language.functions import ACTIVATIONS, LOSSES
from symback.language.layout import environment
from symback.language.names import Variable
from symback.sheets import chapters, passages, rendering, systems
from symback.sheets.chapters import any_layer_page, overview
from symback.sheets.passages import TooLong, plain_pen
from symback.sheets.unrolled import MOST_ARRAYS, system_figure

APT = (
    "apt-get install --no-install-recommends texlive-latex-extra texlive-fonts-recommended "
    "lmodern latexmk"
)
LONGEST_RUN = 300  # seconds of TeX
AGREED_DIGITS = 12
MOST_NUMBERS = 1000  # a network to start from with more weights is written without numbers
WIDEST = 100_000
DEEPEST = 100


class Disagreement(SymbackError):
    """A derived number that a central difference does not bear out."""


class BadShape(SymbackError):
    """What was given is not the shape of a network, such as 4-4-2."""


def write_sheets(
    work: Work | EquationWork,
    derivations: Sequence[Any],
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
    letters = _letters(work)
    ways = (letters, "" if detail == "normal" else detail, "stable" if stable else "")
    if isinstance(work, EquationWork):
        pages = [(each.name, systems.sheet(work, each, detail)) for each in derivations]
        pages = pages or [("all", systems.overview(work))]
    else:
        pages = [
            (each.target.name, chapters.sheet(work, each, detail, stable=stable))
            for each in derivations
        ]
        pages += [(name, any_layer_page(work, found)) for name, found in any_layer.items()]
        pages = pages or [("all", overview(work, detail, stable=stable))]
    files: dict[str, bytes] = {}
    for chosen, page in pages:
        figure = f"{_joined(stem, chosen, letters, 'figure')}.svg"
        beside = figure if page.has_figure else ""
        texts = {form: rendering.render(page, form, beside) for form in _texts(forms)}
        files |= _in_forms(_joined(stem, chosen, *ways), texts, forms)
        if page.has_figure and any(rendering.FORMS[form].beside for form in texts):
            files[figure] = rendering.render_figure(page.figure, "svg").encode("utf-8")
    checks = [check(work, derivation) for derivation in derivations]
    yield from map(shown, put(files, folder))
    yield from (line for line in checks if line)


def write_figure(
    work: Work | EquationWork, derivation: Any, forms: Sequence[str], folder: Path, stem: str
) -> Iterator[str]:
    """Write the picture of a network, with the paths of ``derivation``, and say where it lies.

    Raises `TooLong` where there would be too much to show.
    """
    if isinstance(work, EquationWork):
        chosen = "" if derivation is None else derivation.name
        picture = system_figure(work.system, derivation and derivation.element.array)
        if picture is None:
            count = len(work.system.quantities)
            raise TooLong(f"a picture has room for {MOST_ARRAYS} arrays; here are {count}")
    else:
        chosen = "" if derivation is None else derivation.target.name
        picture = passages.figure(work, derivation)
    name = _joined(stem, chosen, _letters(work), "figure")
    texts = {form: rendering.render_figure(picture, form) for form in _texts(forms)}
    yield from map(shown, put(_in_forms(name, texts, forms), folder))


def check(work: Work | EquationWork, derivation: Any) -> str:
    """One line on how the number of a sheet was checked; empty where there are no numbers."""
    if isinstance(work, EquationWork):
        checked, own = systems.checked_number(work, derivation), derivation.name
        name = str(derivation).partition(" = ")[0]
    else:
        checked, own = work.checked(derivation.target), derivation.target.name
        name = plain_pen(work, derivation).text.write(derivation.grouped.lhs)
    if checked is None:
        return ""
    if isinstance(checked.difference, Kink):
        return f"not checked by a central difference: {checked.difference.name} stands at a kink"
    if checked.digits < AGREED_DIGITS:
        raise Disagreement(
            f"{own}: {checked.derived} was derived, a central difference gives "
            f"{checked.difference}; a sheet that may be wrong is not written"
        )
    if checked.derived == 0 == checked.difference:
        return f"checked: {name} = 0, and so is a central difference"
    number = f"{name} = {as_floats(checked.derived)!r}"
    return f"checked: {number} agrees with a central difference to {checked.digits} digits"


def _letters(work: Work | EquationWork) -> str:
    """The notation a network was put in, empty for the lectures' or its own."""
    return "" if isinstance(work, EquationWork) or work.written is None else work.written.name


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


def _first_error(log: Path) -> str:
    if not log.is_file():
        return "it wrote no log"
    lines = log.read_text("utf-8", errors="replace").splitlines()
    return next((printable(line, 200) for line in lines if line.startswith("!")), "see its log")


# --------------------------------------------------------------------------- a file to start from


def starter(shape: str, file: str) -> str:
    """The text of a network file of ``shape``, whose comments call it ``file``.

    Raises `BadShape`.

    >>> '"A 2-1 network"' in starter("2-1", "net.toml")
    True
    """
    widths = _widths(shape)
    units = widths[1:]
    pairs = list(itertools.pairwise(widths))
    count = sum(out * (into + 1) for into, out in pairs)
    is_sorted = units[-1] > 1
    layers = [{"units": n, "activation": "sigmoid"} for n in units]
    if is_sorted:
        layers[-1]["activation"] = "softmax"
    numbers = _numbers()
    blocks = [
        (k, [_row(numbers, into) for _ in range(out)], _row(numbers, out))
        for k, (into, out) in enumerate(pairs if count <= MOST_NUMBERS else (), start=1)
    ]
    name = "-".join(map(str, widths))
    facts = {
        "shape": f"{widths[0]} inputs, then layers of " + ", ".join(map(str, units)),
        "file": file,
        "title": f"A {name} network",
        "inputs": widths[0],
        "layers": layers,
        "weight": "w_111" if max(widths) < 10 else "w_1,1,1",
        "classes": is_sorted,
        "loss": "cross_entropy" if is_sorted else "binary_cross_entropy",
        "activations": list(ACTIVATIONS),
        "losses": list(LOSSES),
        "blocks": blocks,
        "count": count,
        "x": _row(numbers, widths[0]),
        "y": [1.0],
        "label": 1,
    }
    return environment().get_template("starter.toml").render(facts)


def _widths(shape: str) -> list[int]:
    """The numbers of neurons from the inputs to the output."""
    parts = re.split(r"[-\u2013x×]", shape.strip())
    if len(parts) < 2 or not all(re.fullmatch(r"[0-9]{1,9}", part) for part in parts):
        raise BadShape(
            f"{printable(shape) or 'an empty text'} is not a shape; expected the inputs and the "
            "neurons of each layer, such as 4-4-2"
        )
    widths = [int(part) for part in parts]
    if 0 in widths:
        raise BadShape(f"{printable(shape)} has a layer without neurons; each needs at least 1")
    if max(widths) > WIDEST or len(widths) > DEEPEST:
        raise BadShape(
            f"{printable(shape)} is too large to start from: at most {DEEPEST - 1} layers "
            f"of at most {WIDEST} neurons"
        )
    return widths


def _numbers() -> Iterator[float]:
    """0.8, -0.35, 0.15, …: hundredths between -0.95 and 0.95, never 0, the same each time.

    They are spread so that no two neurons of a small layer start alike, and so learn alike.
    """
    state = 7
    while True:
        state = 5 * state % 2017  # 5 has order 2016 modulo this prime: each remainder once
        steps = state % 38
        yield (steps - 19 if steps < 19 else steps - 18) / 20


def _row(numbers: Iterator[float], length: int) -> list[float]:
    return list(itertools.islice(numbers, length))
