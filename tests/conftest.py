"""What holds for every test: Hypothesis profiles, and what the marks `tex` and `browser` need."""

import os

import pytest
from hypothesis import settings

import typesetting

# No deadline: SymPy's first call of a kind takes a hundred times as long as its second.
settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip with a reason where TeX or Chromium is not there; CI fails such skips."""
    for mark, missing in (
        ("tex", typesetting.missing_tex),
        ("browser", typesetting.missing_browser),
    ):
        if item.get_closest_marker(mark) and (reason := missing()):
            pytest.skip(reason)
