"""Terms that dots leave out: w_211·h_11 + … + w_214·h_14.

Here one can

* write the terms between two that differ in one number among their indices: `between`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from symback.language.expressions import Index, Node

__all__ = ["between"]

MOST_TERMS = 256


class _Unlike(Exception):
    """Two terms that differ in more than the numbers of their indices."""


def between(terms: Sequence[Node], last: Node) -> list[Node] | None:
    """The terms behind the last of ``terms`` and before ``last``; None where they are not clear.

    >>> from symback.language.expressions import Element
    >>> x = [Element("x", (Index("", number),)) for number in (1, 2, 3, 4)]
    >>> between(x[:1], x[3]) == x[1:3], between([x[0], x[2]], x[3])
    (True, None)
    """
    ends = _ends(terms[-1], last)
    if ends is None or not 1 < ends[1] - ends[0] <= MOST_TERMS:
        return None
    if len(terms) > 1:
        step = _ends(terms[-2], terms[-1])
        if step is not None and step[1] - step[0] != 1:
            return None
    return [_merged(terms[-1], last, number, set()) for number in range(ends[0] + 1, ends[1])]


def _ends(first: Node, last: Node) -> tuple[int, int] | None:
    """From where to where the one number runs in which two terms differ."""
    found: set[tuple[int, int]] = set()
    try:
        _merged(first, last, 0, found)
    except _Unlike:
        return None
    return next(iter(found)) if len(found) == 1 else None


def _merged(first: Any, last: Any, number: int, found: set[tuple[int, int]]) -> Any:
    """``first`` with ``number`` where the two have different numbers, which go into ``found``."""
    if first == last:
        return first
    if isinstance(first, Index) and isinstance(last, Index):
        if first.is_number and last.is_number:
            found.add((first.offset, last.offset))
            return Index("", number)
    elif isinstance(first, tuple) and isinstance(last, tuple) and len(first) == len(last):
        pairs = zip(first, last, strict=True)
        return tuple(_merged(one, other, number, found) for one, other in pairs)
    elif isinstance(first, Node) and type(first) is type(last):
        fields = [field.name for field in dataclasses.fields(first)]
        values = {
            name: _merged(getattr(first, name), getattr(last, name), number, found)
            for name in fields
        }
        return dataclasses.replace(first, **values)
    raise _Unlike
