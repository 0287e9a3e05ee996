"""The backward pass costs what the depth of a network asks, whatever its widths."""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from symback.engine import spec
from symback.engine.derivation import BackwardPass
from symback.engine.graph import Graph, from_network

ROOT = Path(__file__).resolve().parents[1]
NARROW, WIDE = (4, 4, 4, 2), (784, 512, 512, 10)
FRESH_PROCESSES = 7

# What a process pays that derives for the first time.
COLD = """
import json, time
marks = [time.perf_counter()]
import sympy
marks.append(time.perf_counter())
from symback.engine import spec
from symback.engine.graph import from_network
from symback.engine.derivation import BackwardPass
marks.append(time.perf_counter())
for _ in range(2):
    graph = from_network(
        spec.network(4, [(4, "sigmoid"), (4, "sigmoid"), (2, "softmax")], loss="cross_entropy")
    )
    marks.append(time.perf_counter())
    BackwardPass(graph)
    marks.append(time.perf_counter())
print(json.dumps([later - sooner for sooner, later in zip(marks, marks[1:])]))
"""
COLD_PARTS = (
    "import sympy",
    "import symback's engine",
    "first equations",
    "first backward pass",
    "second equations",
    "second backward pass",
)


def network_graph(widths: tuple[int, ...]) -> Graph:
    hidden = [(width, "sigmoid") for width in widths[1:-1]]
    layers = [*hidden, (widths[-1], "softmax")]
    return from_network(spec.network(widths[0], layers, loss="cross_entropy"))


def prepared(widths: tuple[int, ...]) -> Callable[[], Callable[[], BackwardPass]]:
    def prepare() -> Callable[[], BackwardPass]:
        graph = network_graph(widths)
        return lambda: BackwardPass(graph)

    return prepare


def spelled(widths: tuple[int, ...]) -> str:
    return "-".join(map(str, widths))


def test_width_costs_nothing(benchmark, contest, table):
    """4-4-4-2 and 784-512-512-10 within 1.5 times of each other."""
    times = contest({spelled(w): prepared(w) for w in (NARROW, WIDE)}, 25)
    narrow, wide = times[spelled(NARROW)], times[spelled(WIDE)]
    ratio = wide.best / narrow.best
    table(
        "Backward pass, same depth, 42 and 669,706 parameters",
        ("", "best", "median", "best : first"),
        [(n, t.best, t.median, f"{t.best / narrow.best:.2f}") for n, t in times.items()],
    )
    benchmark.extra_info["wide_of_narrow"] = ratio
    benchmark.pedantic(BackwardPass, setup=_fresh_wide_graph, rounds=10)
    assert 1 / 1.5 < ratio < 1.5


def _fresh_wide_graph() -> tuple[tuple[Graph], dict[str, object]]:
    return (network_graph(WIDE),), {}


def test_depth_costs_in_proportion(benchmark, contest, table):
    """Twice the layers, about twice the time."""
    depths = (2, 4, 8, 16)
    times = contest({str(d): prepared((8,) * (d + 1)) for d in depths}, 7)
    table(
        "Backward pass by number of layers, 8 neurons each",
        ("layers", "best", "median", "best a layer"),
        [(n, t.best, t.median, t.best / int(n)) for n, t in times.items()],
    )
    benchmark.pedantic(prepared((8,) * 5)(), rounds=5)
    assert times["16"].best < 3 * 8 * times["2"].best


def test_first_pass_of_a_process(benchmark, table):
    """What a process pays once: SymPy's import, its first sum, its first assumptions."""
    runs = benchmark.pedantic(lambda: [_cold() for _ in range(FRESH_PROCESSES)], rounds=1)
    columns = list(zip(*runs, strict=True))
    table(
        f"The first derivation of a process, 4-4-4-2, {FRESH_PROCESSES} processes",
        ("", "best", "median"),
        [
            (part, min(column), statistics.median(column))
            for part, column in zip(COLD_PARTS, columns, strict=True)
        ],
    )
    by_part = dict(zip(COLD_PARTS, map(min, columns), strict=True))
    assert by_part["first backward pass"] < by_part["import sympy"]


def _cold() -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", COLD], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)
