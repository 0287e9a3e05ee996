"""The checker: a line, a page of 200 lines, a wrong line named, a whole process; SymPy's simplify.

Pages are what symback derives on the lectures' 4-4-2 network and on 3-4-3 tanh with cross-entropy,
typed in LaTeX; the rival decides the same equalities by ``simplify(left - right) == 0`` on the
composed expressions.
"""

import itertools
import os
import random
import subprocess
import sys
from pathlib import Path

import sympy

import symback as sb
from symback.checking.evaluation import Evaluator
from symback.checking.judge import Judge
from symback.checking.letters import Scope
from symback.checking.page import Claim, read
from symback.engine.arithmetics import Symbols
from symback.language.names import PARAMETERS, elements

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 9


def network():
    return sb.load(ROOT / "examples" / "s5.toml")


def right_lines(net, count):
    """So many right lines, each with its own left side."""
    lines = []
    for variable in net.graph.variables:
        if variable.role in PARAMETERS:
            for reference in elements(variable):
                derivation = net.derive(reference.name)
                lines += [f"∂L/∂{reference.name} " + line.partition("    [")[0].strip()
                          for line in derivation.text().splitlines()
                          if line.lstrip().startswith("=")][-3:]  # fmt: skip
    return list(itertools.islice(itertools.cycle(lines), count))


def test_lines(benchmark, contest, table):
    """200 right lines in a second, and a wrong one named in a few milliseconds."""
    net = network()
    page = "\n".join(right_lines(net, 200))
    wrong = page.replace("h_12", "a_12", 1)
    reports = [sb.check(text, net) for text in (page, wrong)]
    assert reports[0]
    assert not reports[1]
    single = page.splitlines()[0]
    contenders = {
        "200 right lines": lambda: lambda: sb.check(page, net),
        "the same, one of them wrong": lambda: lambda: sb.check(wrong, net),
        "one right line": lambda: lambda: sb.check(single, net),
    }
    times = contest(contenders, ROUNDS)
    right, mistaken, one = times.values()
    table(
        f"Checking on 4-4-2, after start-up, {ROUNDS} of each in turn",
        ("", "best", "median", "best a line"),
        [
            ("200 right lines", right.best, right.median, f"{right.best / 200 * 1e3:.2f} ms"),
            ("the same, one wrong", mistaken.best, mistaken.median, ""),
            ("one right line", one.best, one.median, ""),
            ("a diagnosis", mistaken.best - right.best, mistaken.median - right.median, ""),
        ],
    )
    benchmark.pedantic(contenders["200 right lines"](), rounds=3)


def pairs(net, count):
    """Left and right sides as nodes, of lines that are right."""
    scope = Scope.of(net.graph)
    items = read("\n".join(right_lines(net, count)), scope).items
    return [tuple(side.node for side in item.sides) for item in items if isinstance(item, Claim)]


def test_equality(benchmark, contest, table):
    """Residues beside ``simplify(left - right) == 0``, on the same pairs of sides."""
    net = network()
    judge = Judge(net)
    drawn = random.Random(1).sample(pairs(net, 90), 6)
    evaluator = Evaluator(judge.equations, Symbols())
    composed = [tuple(evaluator.value(side, {}, 0) for side in pair) for pair in drawn]

    def residues():
        assert all(judge.compare(*pair).is_equal for pair in drawn)

    def simplified():
        sympy.core.cache.clear_cache()
        return [sympy.simplify(left - right) == 0 for left, right in composed]

    times = contest({"residues": lambda: residues, "simplify": lambda: simplified}, 1)
    ours, rival = times.values()
    table(
        f"Deciding {len(drawn)} equalities on 4-4-2 (softmax, squared error)",
        ("", "all", "each", "of simplify"),
        [
            ("residues modulo secret primes", ours.best, ours.best / len(drawn),
             f"{ours.best / rival.best:.5f}"),
            ("simplify(left - right) == 0", rival.best, rival.best / len(drawn), "1"),
        ],
    )  # fmt: skip
    benchmark.extra_info["of_simplify"] = ours.best / rival.best
    benchmark.pedantic(residues, rounds=3)
    assert ours.best < rival.best


def test_process(benchmark, table, tmp_path):
    """A one-line check as a whole process."""
    page = tmp_path / "line.txt"
    page.write_text("∂L/∂w_212 = -2·ŷ_1·ŷ_2·((y_1 - ŷ_1) - (y_2 - ŷ_2))·h_12\n", encoding="utf-8")
    net = str(ROOT / "examples" / "s4.toml")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def run():
        subprocess.run(
            [sys.executable, "-m", "symback", "check", str(page), "--net", net],
            env=environment, capture_output=True, check=True,
        )  # fmt: skip

    benchmark.pedantic(run, rounds=9, warmup_rounds=1)
    table("symback check line.txt --net s4.toml, a whole process", ("", "best", "median"),
          [("", benchmark.stats.stats.min, benchmark.stats.stats.median)])  # fmt: skip
