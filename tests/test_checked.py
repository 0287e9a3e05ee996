"""Lines and pages that somebody else wrote get the verdicts that a referee gives them.

``cases/checked.json`` was written, and its verdicts found by central differences with 60 digits, by
people who did not see symback's reader: lines of many styles, right and wrong, and whole pages
(``cases/pages``).  ``expect`` is the verdict of each claim; ``found`` stands beside it where
symback falls short of that, and says how.  It never calls a wrong line right, or a right one wrong.
``cases/hostile.json`` holds pages that are meant to break a program, as pieces and how often each
is repeated.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest

import symback as sb
from symback.checking import report as showing

CASES = Path(__file__).parent / "cases"
CHECKED = json.loads((CASES / "checked.json").read_text(encoding="utf-8"))
HOSTILE = json.loads((CASES / "hostile.json").read_text(encoding="utf-8"))
NETS = {path.stem: sb.load(path) for path in sorted((CASES / "nets").glob("*.toml"))}

WORST_FIRST = ["refuted", "follows", "unread", "undecided", "conditional", "proved", "text"]
RIGHT, WRONG = {"proved", "conditional"}, {"refuted", "follows"}


@cache
def _report(place: int) -> sb.Report:
    case = CHECKED[place]
    text = case.get("text") or (CASES / "pages" / case["page"]).read_text(encoding="utf-8")
    return sb.check(text, NETS[case["net"]], wrt=case["wrt"], notation=case["notation"])


def report(case) -> sb.Report:
    """What symback says of a case; two tests ask."""
    return _report(CHECKED.index(case))


def at(found: sb.Report, line: int) -> list:
    """The reports about a line; about the last one before it where a statement runs on."""
    said = [each for each in found.lines if each.verdict.value != "text"] or list(found.lines)
    here = max((each.line for each in said if each.line <= line), default=0)
    exact = [each for each in found.lines if each.line == line]
    return exact or [each for each in found.lines if each.line == here]


def verdict(reports: list) -> str:
    """The worst of them."""
    return min((each.verdict.value for each in reports), key=WORST_FIRST.index, default="text")


@pytest.mark.parametrize("case", CHECKED, ids=lambda case: case["id"])
def test_each_claim_gets_its_verdict(case):
    """As expected, or short of it in the way that is written down; never the opposite."""
    found = report(case)
    for claim in case["claims"]:
        given = verdict(at(found, claim["line"]))
        assert given in claim.get("found", claim["expect"]), claim
        assert not (given == "proved" and WRONG.issuperset(claim["expect"]))
        assert not (given in WRONG and RIGHT.issuperset(claim["expect"]))


@pytest.mark.parametrize(
    "case", [case for case in CHECKED if "mistake" in case], ids=lambda case: case["id"]
)
def test_the_mistake_is_named(case):
    """By one of the names that fit; ``named`` is what symback says instead, where it does not."""
    found = report(case)
    refuted = [each for each in found.lines if each.verdict.value == "refuted"]
    assert refuted or any("found" in claim for claim in case["claims"])
    names = [mistake.name for each in refuted[:1] for mistake in each.diagnosis][:1]
    assert names == case["named"] if "named" in case else set(names) & set(case["mistake"])


def test_most_is_read_and_named():
    """How often the expected is found; the shortfalls are in the file."""
    claims = [claim for case in CHECKED for claim in case["claims"]]
    mistakes = [case for case in CHECKED if "mistake" in case]
    assert len(claims) > 900
    assert sum("found" in claim for claim in claims) <= 0.06 * len(claims)
    assert sum("named" in case for case in mistakes) <= 0.14 * len(mistakes)


CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]")


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case["id"])
def test_a_hostile_page_does_no_harm(case, tmp_path, monkeypatch):
    """It is refused or judged, evaluates nothing, and nothing of it reaches terminal or browser."""
    monkeypatch.chdir(tmp_path)
    text = "".join(piece * times for piece, times in case["recipe"])
    printed, page, verdicts = outcome(text, case)
    assert "proved" not in verdicts or case["may_be_right"]
    assert not CONTROL.search(printed + page)
    assert not re.search(r'<script>alert|<img src=x|<svg/onload|"javascript:', page)
    assert list(tmp_path.iterdir()) == []


def outcome(text: str, case) -> tuple[str, str, set[str]]:
    """What is shown of a page, as text and as HTML, and its verdicts; or the one error."""
    try:
        found = sb.check(text, NETS[case["net"]], wrt=case["wrt"])
    except sb.SymbackError as error:
        return str(error), "", set()
    return str(found), showing.page(found), {line.verdict.value for line in found.lines}
