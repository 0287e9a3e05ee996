"""Random rewritings and mutations of what symback derives, judged and refereed: no false verdict.

``python benchmarks/checking_fuzz.py [PAIRS] [SEED]`` draws so many pairs (100,000 if nothing is
said) over the networks of ``tests/rewriting.py``, asks `symback.checking.judge.Judge` and a referee
with its own forward pass in 100 digits, and prints a table.  A false verdict is printed and makes
the exit status 1.  Where 60 digits cannot tell a kink that was never met, more points are drawn
before the referee is believed.
"""

from __future__ import annotations

import collections
import itertools
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from rewriting import NETWORKS, Referee, mp, pairs
from symback.checking.judge import Judge, Relationship

CLOSE = mp.mpf("1e-40")
ROUND = 200
"""Pairs before the points of the judge and of the referee are drawn anew."""


def agree(referees, truth, side) -> bool | None:
    """Whether the referees find both sides equal at every point; None where one has no value."""
    try:
        return all(abs(r.value(truth) - r.value(side)) < CLOSE for r in referees)
    except (ZeroDivisionError, ValueError, TypeError):
        return None  # a division by zero, or the logarithm of a negative number


def judge_round(make, seed: int, found: collections.Counter) -> None:
    """One network, new secret primes' points, `ROUND` pairs."""
    net = make()
    judge = Judge(net)
    kinked = judge.equations.has_kinks
    referees = [Referee(net, seed + k) for k in range(2)]
    more = [Referee(net, seed + 100 + k) for k in range(40)] if kinked else []
    for truth, side in itertools.islice(pairs(net, seed), ROUND):
        outcome = judge.compare(truth, side).relationship
        equal = agree(referees, truth, side)
        if equal and kinked:
            equal = agree(more, truth, side)
        false = equal is not None and outcome is not Relationship.UNDECIDED
        if false and (outcome is Relationship.EQUAL) != equal:
            found["FALSE VERDICT"] += 1
            print(f"false verdict, seed {seed}: {outcome}\n  {truth}\n  {side}", flush=True)
        found[f"{outcome.value}; referee: {equal}"] += 1


def main() -> int:
    """Run as many rounds as asked for."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    found: collections.Counter = collections.Counter()
    started = time.perf_counter()
    networks = itertools.cycle(NETWORKS)
    while (done := sum(found.values()) - found["FALSE VERDICT"]) < wanted:
        judge_round(next(networks), seed + done, found)
    seconds = time.perf_counter() - started
    for outcome, count in sorted(found.items()):
        print(f"{count:>9,}  {outcome}")
    print(f"{done:>9,}  pairs in {seconds:,.0f} s")
    return int(found["FALSE VERDICT"] > 0)


if __name__ == "__main__":
    raise SystemExit(main())
