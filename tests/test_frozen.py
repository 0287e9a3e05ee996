"""What symback says of 200 random networks and of every page in ``cases/`` is what it said.

The digests in ``cases/frozen.json`` do not say that it is right (other tests do), but that a change
which was meant to move walls moved nothing else.  Where a difference is meant,
``python tests/frozen.py OLD`` and ``python tests/frozen.py NEW`` write both to be compared, and
``python tests/frozen.py`` renews the digests.
"""

import json

import pytest

import frozen

DIGESTS = json.loads(frozen.DIGESTS.read_text(encoding="utf-8"))
PAGES = json.loads((frozen.CASES / "checked.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("seed", range(0, 200, 4))
def test_a_network_is_told_as_before(seed):
    """Steps, sum, paths, matrix form, kernel and numbers, byte for byte; every fourth network."""
    assert frozen.digest(frozen.of_network(seed)) == DIGESTS[f"network {seed:03d}"]


@pytest.mark.parametrize("case", PAGES[::4], ids=lambda case: case["id"])
def test_a_page_is_judged_as_before(case):
    """Verdict, reason, mistake and place of every line; every fourth page."""
    assert frozen.digest(frozen.of_page(case)) == DIGESTS[f"page {case['id']}"]
