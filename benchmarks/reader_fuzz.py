"""Whether any page makes the checker fail, for hours: python benchmarks/reader_fuzz.py [options].

Atheris changes pages, guided by which lines of the reader they reach, and stops at the first
exception that is no `SymbackError`; libFuzzer's options are taken, such as -max_total_time=600.
Atheris is no dependency: pip install atheris, in an environment where symback is installed.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import atheris

import symback as sb

with atheris.instrument_imports(include=["symback.checking"]):
    import symback.checking.page
    import symback.checking.pipeline

LINES = Path(__file__).parents[1] / "tests" / "cases" / "lines.json"
NETS = [
    sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy"),
    sb.Network("n_0", [("n_1", "relu"), ("n_2", "linear")], loss="half_squared_error"),
]


def check(data: bytes) -> None:
    """One page, on one of the networks."""
    text = data[1:].decode("utf-8", "replace")
    try:
        sb.check(text, NETS[data[0] % len(NETS) if data else 0])
    except sb.SymbackError:
        return


def main() -> None:
    """Start from the lines of the tests."""
    with tempfile.TemporaryDirectory() as corpus:
        for number, case in enumerate(json.loads(LINES.read_text(encoding="utf-8"))):
            page = b"0" + case["text"].encode("utf-8", "surrogatepass")
            (Path(corpus) / str(number)).write_bytes(page)
        atheris.Setup([*sys.argv, corpus], check)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
