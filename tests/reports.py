"""The page of the docs on checking: how to make its reports anew.

``python tests/reports.py`` runs every command that ``docs/checking.md`` shows and puts in what it
prints, and writes the table of mistakes; `tests/test_check_docs.py` holds the page fresh.
"""

import contextlib
import io
import os
import re
import shlex
import sys
from pathlib import Path

from symback.checking.mistakes import MISTAKES
from symback.cli import main

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "checking.md"
SESSION = re.compile(r"(```console\n\$ symback (.*)\n)(?:.*\n)*?(```)")
TABLE = re.compile(r"(<!-- the table of mistakes -->\n)(?:.*\n)*?(<!-- its end -->)")


def printed(command: str) -> str:
    """What a command prints, run where the repository lies; its status may be 0 or 1."""
    out = io.StringIO()
    with contextlib.chdir(ROOT), contextlib.redirect_stdout(out):
        status = main(shlex.split(command))
    assert status in (0, 1), f"{command}: status {status}"
    return out.getvalue()


def table() -> str:
    """Every mistake by name, what is done wrong, and what a student writes."""
    head = "| name | what is wrong | for example |\n|---|---|---|\n"
    rows = (
        f"| `{m.name}` | {_cell(m.identity)} | `{_cell(m.example)}` |" for m in MISTAKES.values()
    )
    return head + "\n".join(rows) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def renewed(page: str) -> str:
    """The page with all that it shows of the program made anew."""
    page = SESSION.sub(lambda found: f"{found[1]}{printed(found[2])}{found[3]}", page)
    return TABLE.sub(lambda found: f"{found[1]}\n{table()}\n{found[2]}", page)


if __name__ == "__main__":
    os.environ.pop("COLUMNS", None)
    PAGE.write_text(renewed(PAGE.read_text("utf-8")), "utf-8")
    sys.exit(0)
