"""Whatever a page, a file or a name holds, the answer comes within a budget, and in its place."""

from __future__ import annotations

import time

import pytest

import symback as sb

NET = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")


# ------------------------------------------------------------------------------------------ blanks


@pytest.mark.parametrize("sign", ["\n", " \t\n", " ", "-", "$", r"\left*", r"\newcommand "])
def test_a_page_of_one_sign_is_read_at_once(sign):
    """A page of nothing but blanks or of one sign is read in a time that grows with its length."""
    start = time.monotonic()
    sb.check(sign * (20_000 // len(sign)), NET)
    assert time.monotonic() - start < 2
