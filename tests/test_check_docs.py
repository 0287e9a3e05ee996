"""The page of the docs on checking shows what the program says today."""

import re

import pytest

from reports import PAGE, ROOT, SESSION, TABLE, renewed
from symback.checking.mistakes import MISTAKES
from symback.checking.report import Verdict

TEXT = PAGE.read_text("utf-8")


def test_the_page_is_fresh():
    """Every report, and the table of mistakes, is what the program prints: to the letter."""
    assert renewed(TEXT) == TEXT, "make it anew: python tests/reports.py"


def test_there_is_something_to_hold_fresh():
    """The patterns find the sessions and the table, and a stale one would be seen."""
    assert len(SESSION.findall(TEXT)) >= 9
    assert len(TABLE.findall(TEXT)) == 1
    session = SESSION.search(TEXT)
    assert session is not None
    stale = TEXT.replace(session[0], session[0].replace("\n```", "\nstale\n```"))
    assert stale != TEXT
    assert SESSION.sub("", stale) == SESSION.sub("", TEXT)


@pytest.mark.parametrize("number", range(1, 8))
def test_every_mistake_of_the_lectures_is_shown(number):
    """The report on each of the seven mistakes stands on the page."""
    assert re.search(rf"\$ symback check examples/mistakes/{number}_(?!right)", TEXT)


def test_every_verdict_and_every_name_is_explained():
    """No verdict and no name of a mistake is missing."""
    for word in (*(verdict.value for verdict in Verdict), *MISTAKES):
        assert f"`{word}`" in TEXT, word


def test_every_link_leads_somewhere():
    """No link or picture points at a file that is not there."""
    targets = re.findall(r"\]\(([^)#:]*[./][^)#:]*)\)", TEXT)  # z^{[1](i)} is no link
    assert targets
    assert [target for target in targets if not (ROOT / "docs" / target).exists()] == []
