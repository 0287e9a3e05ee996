"""What a person waits for: whole processes, from the shell and back, beside what Python asks."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHEET = ("-m", "symback", "sheet", str(ROOT / "examples" / "s5.toml"), "--wrt", "w_131")
HELP = ("-m", "symback", "--help")
SYMPY = ("-c", "import sympy")
NOTHING = ("-c", "pass")
ROUNDS = 11


def process(arguments: tuple[str, ...], folder: Path) -> Callable[[], Callable[[], None]]:
    """Run Python with ``arguments`` in ``folder``; whatever fails, fails the benchmark."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def run() -> None:
        subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            check=True,
        )

    return lambda: run


def test_whole_processes(benchmark, contest, table, tmp_path):
    """A sheet in a few times SymPy's import; help in a fraction of it."""
    commands = {
        "symback sheet s5.toml --wrt w_131": SHEET,
        "symback --help": HELP,
        'python -c "import sympy"': SYMPY,
        'python -c "pass"': NOTHING,
    }
    contenders = {name: process(arguments, tmp_path) for name, arguments in commands.items()}
    for prepare in contenders.values():  # compiled once, and read into the page cache
        prepare()()
    assert list(tmp_path.rglob("*w_131*.html"))
    times = contest(contenders, ROUNDS)
    sheet, help_, rival, nothing = times.values()
    table(
        f"Whole processes, {ROUNDS} of each in turn",
        ("", "best", "median", "best : import sympy", "best : pass"),
        [
            (n, t.best, t.median, f"{t.best / rival.best:.2f}", f"{t.best / nothing.best:.1f}")
            for n, t in times.items()
        ],
    )
    benchmark.extra_info["sheet_of_import_sympy"] = sheet.best / rival.best
    benchmark.extra_info["help_of_import_sympy"] = help_.best / rival.best
    benchmark.pedantic(contenders["symback --help"](), rounds=5)
    assert sheet.best < 6 * rival.best
    assert help_.best < rival.best / 3
