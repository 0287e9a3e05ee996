"""The kernels of `Network.kernel` against what people write and use instead.

Everything in a table was measured in turns in one run.  *Ratio* is the median over the rounds of
symback's time by the rival's in the same round, so a slow moment of the machine meets both.  A
rival that is not installed is left out, and said so.  ``OPENBLAS_CORETYPE`` in the environment caps
NumPy's matrix products and nobody else's: the titles say what it was.
"""

import gc
import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_rivals import INEXACT, RIVALS, Call, Case, Numbers, drawn

import symback as sb

ROOT = Path(__file__).resolve().parents[1]
OURS, HAND, TORCH = "symback", "NumPy by hand", "PyTorch eager"
CASES = [
    Case(widths, samples, dtype)
    for widths, samples in (
        ((2, 3, 2), 0),
        ((4, 8, 8, 3), 32),
        ((784, 128, 10), 32),
        ((784, 128, 10), 256),
        ((784, 512, 512, 10), 256),
    )
    for dtype in ("float32", "float64")
]
# net: at most so many times the time of NumPy by hand, and of PyTorch.  Wanted are 1.0 and 1/4 for
# 4-8-8-3, and 1.05 for 784-128-10: checked arguments and the last digits cost more there.
LIMITS = {
    "2-3-2": (0.5, 1 / 10),
    "4-8-8-3": (1.5, 1 / 3),
    "784-128-10": (1.2, 1.0),
    "784-512-512-10": (1.05, 1.0),
}
NOISE = 1.25  # two cores, shared: the asserts leave so much room
ROUNDS = 25
ROUND_SECONDS = 0.004
REST = 0.02  # PyTorch's and JAX's threads go on spinning, which is not the next one's fault
DIGITS = {"float32": 1e-4, "float64": 1e-10}


def network(widths: tuple[int, ...]) -> sb.Network:
    hidden = [(units, "sigmoid") for units in widths[1:-1]]
    return sb.Network(widths[0], [*hidden, (widths[-1], "softmax")], loss="cross_entropy")


def by_symback(case: Case, numbers: Numbers) -> Call:
    kernel = network(case.widths).kernel()
    return lambda: kernel(numbers.parameters, numbers.x, numbers.y)


def installed(case: Case, numbers: Numbers) -> tuple[dict[str, Call], list[str]]:
    """symback and every rival that can be had for the case; and those that are not installed."""
    calls, missing = {OURS: by_symback(case, numbers)}, []
    for name, make in RIVALS.items():
        try:
            calls[name] = make(case, numbers)
        except NotImplementedError:
            continue
        except ModuleNotFoundError:
            missing.append(name)
    return calls, missing


# --------------------------------------------------------------------------------- that they agree


def as_array(value: Any) -> np.ndarray:
    return np.asarray(value.detach() if hasattr(value, "detach") else value)


def check_that_they_agree(case: Case, calls: Mapping[str, Call]) -> None:
    """Loss and gradients are the same for all, in the same number type, to that type's digits."""
    results = {name: call() for name, call in calls.items() if name not in INEXACT}
    loss, gradients = results[HAND]
    for name, (own_loss, own) in results.items():
        limit = DIGITS[case.dtype]
        assert abs(float(as_array(own_loss)) - float(loss)) < limit * abs(float(loss)), name
        for key, expected in gradients.items():
            found = as_array(own[key])
            assert found.dtype == case.dtype, (name, key, found.dtype)
            off = np.abs(found.reshape(expected.shape) - expected).max()
            assert off < limit * np.abs(expected).max(), (name, key, off)


# ------------------------------------------------------------------------------------- the contest


def many(call: Call) -> tuple[Callable[[], Callable[[], None]], int]:
    """``call`` again and again, so long that the clock can tell; and how often that is."""
    start = time.perf_counter()
    call()
    taken = time.perf_counter() - start
    times = 1
    while taken * times < ROUND_SECONDS:
        times *= 2
        start = time.perf_counter()
        for _ in itertools.repeat(None, times):
            call()
        taken = min(taken, (time.perf_counter() - start) / times)

    def run() -> None:
        for _ in itertools.repeat(None, times):
            call()

    def prepare() -> Callable[[], None]:
        time.sleep(REST)
        call()
        return run

    return prepare, times


def microseconds(seconds: float) -> str:
    """E.g. ``8.31 µs`` or ``1,204 µs``."""
    micro = seconds * 1e6
    return f"{micro:,.{2 if micro < 10 else 1 if micro < 100 else 0}f} µs"


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.net}-B{c.batch}-{c.dtype}")
def test_against_what_people_write(case, benchmark, contest, table):
    """No slower than NumPy by hand at the same accuracy, and faster than PyTorch."""
    calls, missing = installed(case, drawn(case))
    check_that_they_agree(case, calls)
    repeated = {name: many(call) for name, call in calls.items()}
    gc.collect()
    gc.freeze()  # the libraries are not searched for garbage before each timing
    rounds = contest({name: prepare for name, (prepare, _) in repeated.items()}, ROUNDS)
    gc.unfreeze()
    ratios = {
        name: statistics.median(
            ours / theirs * repeated[name][1] / repeated[OURS][1]
            for ours, theirs in zip(rounds[OURS].seconds, rounds[name].seconds, strict=True)
        )
        for name in calls
    }
    rows = [
        (
            name,
            microseconds(rounds[name].best / repeated[name][1]),
            microseconds(rounds[name].median / repeated[name][1]),
            f"{ratios[name]:.2f}",
        )
        for name in calls
    ]
    rows += [(f"{name} (not installed)", "", "", "") for name in missing]
    style = network(case.widths).kernel().style
    core = os.environ.get("OPENBLAS_CORETYPE", "unset")
    title = (
        f"{case.net}, B = {case.batch}, {case.dtype}; kernel: {style}; OPENBLAS_CORETYPE: {core}"
    )
    table(title, ("", "best", "median", "ratio"), rows)
    benchmark.extra_info.update(ratios)
    benchmark.pedantic(calls[OURS], rounds=5)
    by_hand, by_torch = LIMITS[case.net]
    assert ratios[HAND] < by_hand * NOISE
    assert ratios.get(TORCH, 0) < by_torch * NOISE


# --------------------------------------------------------------------- from a network to its kernel

COLD = """
import time
from symback import Network
start = time.perf_counter()
widths = {widths}
layers = [*((n, "sigmoid") for n in widths[1:-1]), (widths[-1], "softmax")]
Network(widths[0], layers, loss="cross_entropy").kernel()
print(time.perf_counter() - start)
"""
COLD_PROCESSES = 5
SECONDS_AT_FIRST = 0.5


def cold(widths: tuple[int, ...]) -> Callable[[], Callable[[], float]]:
    def run() -> float:
        done = subprocess.run(
            [sys.executable, "-c", COLD.format(widths=widths)],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return float(done.stdout)

    return lambda: run


def test_from_a_network_to_its_kernel(benchmark, contest, table):
    """Deriving, lifting, certifying, writing and compiling cost the same at any width."""
    narrow, wide = (4, 4, 4, 2), (784, 512, 512, 10)
    contenders = {
        "-".join(map(str, widths)): lambda widths=widths: lambda: network(widths).kernel()
        for widths in (narrow, wide)
    }
    times = contest(contenders, 15)
    first = {widths: [cold(widths)()() for _ in range(COLD_PROCESSES)] for widths in (narrow, wide)}
    table(
        "From a network to its kernel, array code, and the same as the first thing of a process",
        ("", "best", "median", "first: best", "first: median"),
        [
            (name, t.best, t.median, min(first[w]), statistics.median(first[w]))
            for (name, t), w in zip(times.items(), (narrow, wide), strict=True)
        ],
    )
    small, large = times.values()
    benchmark.extra_info["wide_of_narrow"] = large.best / small.best
    benchmark.pedantic(lambda: network(wide).kernel(), rounds=3)
    assert large.best < 1.5 * small.best
    assert min(first[wide]) < SECONDS_AT_FIRST * NOISE
