"""The committed gallery: which sheets it holds, and how to make it anew.

``python tests/gallery.py`` (``make gallery``) writes it; `tests/test_gallery.py` holds it fresh.
"""

import sys
from pathlib import Path

from symback.cli import main

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "outputs" / "gallery"

SHEETS = (
    # network     what                        forms
    ("s1", ("--wrt", "w"), "html,md,txt"),
    ("s2", ("--wrt", "x"), "md,txt"),
    ("s2_nested", ("--wrt", "x"), "txt"),
    ("s3", ("--wrt", "w_111"), "txt"),
    ("s4", ("--wrt", "w_212"), "tex,txt"),
    ("s5", ("--wrt", "w_131"), "html,tex,md,txt"),
    ("s6", ("--all",), "tex,txt"),
    ("s7", ("--all",), "tex,txt"),
)


def write(folder: Path) -> None:
    """Write every sheet of the gallery, and the figure of S5, into ``folder``."""
    for name, what, forms in SHEETS:
        net = str(ROOT / "examples" / f"{name}.toml")
        assert main(["sheet", net, *what, "--format", forms, "-o", str(folder)]) == 0
    net = str(ROOT / "examples" / "s5.toml")
    assert main(["figure", net, "--wrt", "w_131", "--format", "svg", "-o", str(folder)]) == 0


if __name__ == "__main__":
    write(FOLDER)
    sys.exit(0)
