"""What the benchmarks share: a contest in which rivals take turns, and plain tables at the end.

Machines are noisy, so nothing here is compared with a time measured yesterday: every figure that
matters is a ratio of two times taken in turns in one run.
"""

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytest

Prepared = Callable[[], object]
"""Something to be timed."""

_tables: list[str] = []


@dataclass(frozen=True, slots=True)
class Times:
    """The seconds that the rounds of one contender took."""

    seconds: tuple[float, ...]

    @property
    def best(self) -> float:
        """The least disturbed round."""
        return min(self.seconds)

    @property
    def median(self) -> float:
        """What one sees who does it once."""
        return statistics.median(self.seconds)


def take_turns(contenders: Mapping[str, Callable[[], Prepared]], rounds: int) -> dict[str, Times]:
    """Time each contender ``rounds`` times, one after the other within a round.

    A contender prepares what is not to be timed and returns what is.  Garbage is collected before
    each timing, so that nobody sweeps up after somebody else; within it the collector is on.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, prepare in contenders.items():
            run = prepare()
            gc.collect()
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: Times(tuple(taken)) for name, taken in seconds.items()}


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds with three digits, e.g. ``12.3 ms``."""
    return f"{seconds * 1000:,.{1 if seconds < 0.1 else 0}f} ms"


@pytest.fixture(scope="session")
def contest() -> Callable[[Mapping[str, Callable[[], Prepared]], int], dict[str, Times]]:
    """`take_turns`."""
    return take_turns


@pytest.fixture(scope="session")
def table() -> Callable[[str, Sequence[str], Sequence[Sequence[object]]], None]:
    """Keep a table for the end of the run: a title, column heads, rows; seconds become ms."""

    def keep(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        cells = [
            list(heads),
            *([milliseconds(c) if isinstance(c, float) else str(c) for c in row] for row in rows),
        ]
        widths = [max(len(row[k]) for row in cells) for k in range(len(heads))]
        lines = [
            "  ".join(
                cell.ljust(width) if k == 0 else cell.rjust(width)
                for k, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in cells
        ]
        _tables.append("\n".join([title, "-" * len(title), *lines]))

    return keep


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables after everything else."""
    for text in _tables:
        terminalreporter.write_line("")
        terminalreporter.write_line(text)
