"""The examples in README, docs and docstrings run as tests, and in CI nothing is skipped."""

import os

import pytest
from sybil import Sybil
from sybil.parsers.doctest import DocTestParser
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser
from sybil.sybil import SybilCollection

NOTHING_SKIPS = "SYMBACK_NOTHING_SKIPS"

# In Markdown, ```python blocks run: as a session where they hold `>>>`, as plain statements where
# not; `<!-- skip: next -->` leaves one out.
pytest_collect_file = SybilCollection(
    [
        Sybil(
            parsers=[PythonCodeBlockParser(), SkipParser()],
            patterns=["README.md", "docs/*.md"],
        ),
        Sybil(parsers=[DocTestParser()], patterns=["symback/**/*.py", "symback/*.py"]),
    ]
).pytest()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Turn a skip into a failure where the environment says that nothing may be skipped."""
    report = yield
    if report.skipped and os.environ.get(NOTHING_SKIPS) and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{NOTHING_SKIPS} is set, but: {call.excinfo and call.excinfo.value}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):
    """As above, for a whole module that is skipped when it is read."""
    report = yield
    if report.skipped and os.environ.get(NOTHING_SKIPS):
        report.outcome = "failed"
    return report
