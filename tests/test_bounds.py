"""Whatever a page, a file or a name holds, the answer comes within a budget, and in its place."""

from __future__ import annotations

import time

import pytest

import symback as sb
from symback.checking.budget import Budget, Spent, spend, within
from symback.cli import main

TOML = """[network]
inputs = 2
layers = [{ units = 3, activation = "sigmoid" }, { units = 2, activation = "softmax" }]
loss = "cross_entropy"
"""
NET = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")


# ------------------------------------------------------------------------------------------ blanks


@pytest.mark.parametrize("sign", ["\n", " \t\n", " ", "-", "$", r"\left*", r"\newcommand "])
def test_a_page_of_one_sign_is_read_at_once(sign):
    """A page of nothing but blanks or of one sign is read in a time that grows with its length."""
    start = time.monotonic()
    sb.check(sign * (20_000 // len(sign)), NET)
    assert time.monotonic() - start < 2


# ------------------------------------------------------------------------------------- the budget

CLAIM = "∂L/∂w_212 = (ŷ_1 - y_1)·h_12"
SUMS = r"\sum_{i=1}^{9}\sum_{j=1}^{9}\sum_{k=1}^{9}\sum_{m=1}^{9} h_{12}"
LONG = {
    "nested sums": "\n".join(f"{SUMS} = 6561 h_{{12}} + {n} - {n}" for n in range(300)),
    "conditions": "x_1=1 if x_1>0 otherwise " * 8000,
    "a list": "x_1," * 50_000,
    "lines": f"{CLAIM}\n= ∂L/∂a_21 · h_12\n\n" * 3000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_whatever_a_page_contains_it_is_answered_within_its_budget(text):
    """Each of these took 10 to 60 seconds; what the budget leaves is said, and never refuted."""
    start = time.thread_time()
    report = sb.check(text, NET, budget=1)
    assert time.thread_time() - start < 1.5
    assert not report
    assert report.first_wrong is None
    left = [line for line in report.lines if "budget of 1 s" in line.reason]
    assert [line.verdict.value for line in left] in (
        ["unread"],
        ["undecided"],
        ["undecided", "unread"],
    )


def test_what_comes_before_the_end_of_the_budget_is_judged():
    """Of a page that is too long the lines up to there have verdicts, and wrong ones names."""
    report = sb.check("∂L/∂w_212 = (y_1 - ŷ_1)·h_12\n\n" + f"{CLAIM}\n\n" * 5000, NET, budget=1)
    assert report.lines[0].diagnosis[0].name == "sign-flipped"
    assert report.lines[1].verdict.value == "proved"
    assert "budget" in report.lines[-1].reason
    assert report.verdict.value == "refuted"


def test_a_larger_budget_leaves_nothing():
    """What a small budget leaves unread, a larger one does not."""
    page = f"{CLAIM}\n" * 20
    assert not sb.check(page, NET, budget=0.001)
    assert sb.check(page, NET, budget=60)


def test_an_ordinary_page_uses_a_small_part_of_its_budget():
    """200 lines take a fraction of the two seconds, so that no verdict hangs on the machine."""
    sb.check(CLAIM, NET)
    start = time.thread_time()
    assert sb.check(f"{CLAIM}\n= ∂L/∂a_21 · h_12\n" * 100, NET)
    assert time.thread_time() - start < 1.2


def test_memory_is_counted():
    """A page that makes the process grow beyond its megabytes ends there."""

    def grow(megabytes):
        kept = []
        for _ in range(megabytes):
            kept.append(bytearray(1_000_000))
            spend(1000)

    with within(Budget(60, 50)):
        grow(20)
        with pytest.raises(Spent, match="50 MB"):
            grow(500)


def test_nothing_is_counted_outside_of_a_budget():
    """The rooms of the checker work alone, and one page's budget is not another's."""
    with within(Budget(0)), pytest.raises(Spent):
        spend(1000)
    spend(10**9)


@pytest.mark.parametrize("given", ["0", "-1", "nan", "inf", "1e9", "", "two"])
def test_a_budget_is_a_number_of_seconds(given, capsys):
    """Anything else is refused."""
    with pytest.raises(SystemExit) as end:
        main(["check", "page.txt", "--net", "examples/s4.toml", "--budget", given])
    assert end.value.code == 2
    assert "seconds" in capsys.readouterr().err


def test_the_budget_of_a_folder_is_each_page_s(tmp_path, capsys):
    """A page that takes all of its budget takes nothing of the next one's."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text(LONG["a list"], "utf-8")
    (tmp_path / "in" / "b.txt").write_text(f"{CLAIM}\n", "utf-8")
    (tmp_path / "net.toml").write_text(TOML, "utf-8")
    status = main(["check", str(tmp_path / "in"), "--net", str(tmp_path / "net.toml"),
                   "--budget", "0.5"])  # fmt: skip
    first, second = capsys.readouterr().out.splitlines()[1:]
    assert status == 1
    assert first.startswith("a.txt,unread")
    assert "budget of 0.5 s" in first
    assert second.startswith("b.txt,proved")
