"""Lines in styles of many people are read as what they mean, or refused.

``cases/lines.json`` holds each line, the network it is about, the notation it is written in, and
its meaning, in the language of `meanings`; "unread" where it must be refused, "prose" where it says
nothing, "noclaim" where it says nothing to check.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meanings import CONTINUES, nodes, plain
from symback.checking.letters import Scope
from symback.checking.page import Claim, Definition, Document, Prose, Unread, read
from symback.language.expressions import Named, Node
from symback.language.names import NOTATIONS

CASES = Path(__file__).parent / "cases"
LINES = json.loads((CASES / "lines.json").read_text(encoding="utf-8"))
SCOPES = {
    "A": Scope((4, 4, 2), ("sigmoid", "softmax"), (1, 1)),
    "B": Scope((2, 3, 2), ("sigmoid", "softmax"), (1, 1)),
    "T": Scope((3, 4, 3), ("tanh", "softmax"), (1, 1)),
    "R": Scope((2, 3, 1), ("relu", "sigmoid"), (1, 1)),
    "3": Scope((3, 3, 3), ("sigmoid", "softmax"), (1, 1)),
    "W": Scope((12, 14, 11), ("sigmoid", "softmax"), (1, 1)),
    "thin": Scope((1, 1, 1, 1), ("sigmoid", "sigmoid", "sigmoid"), (1, 1, 1)),
    "sym": Scope(("n_0", "n_1", "n_2"), ("sigmoid", "softmax"), (1, 1)),
    "S1": Scope(stages=("yhat", "s", "L"), leaves=("w", "x", "y")),
    "S2": Scope(stages=("A1", "A2", "A3", "y"), leaves=("x",)),
}


def items(page: Document) -> list[Claim | Definition | Unread]:
    """What a page says, its words left out."""
    return [item for item in page.items if not isinstance(item, Prose)]


def said(item: Claim | Definition | Unread) -> list[Node | str]:
    """The sides of a line, in one spelling."""
    if isinstance(item, Definition):
        return [plain(Named(item.name, item.indices)), plain(item.node)]
    assert isinstance(item, Claim), item
    start = [CONTINUES] if item.continues else []
    return [*start, *(plain(side.node) for side in item.sides)]


@pytest.mark.parametrize("case", LINES, ids=[str(k) for k in range(len(LINES))])
def test_a_line_is_read_as_what_it_means(case):
    scope = SCOPES[case["net"]]
    found = items(read(case["text"], scope, NOTATIONS[case["notation"]]))
    match case["meaning"]:
        case "unread":
            assert any(isinstance(item, Unread) for item in found), found
        case "prose":
            assert not found
        case "noclaim":
            assert not any(isinstance(item, Claim) for item in found), found
        case meaning:
            wanted = [
                [side if isinstance(side, str) else plain(side) for side in line]
                for line in nodes(meaning, scope)
            ]
            assert [said(item) for item in found] == wanted


@pytest.mark.parametrize("case", LINES, ids=[str(k) for k in range(len(LINES))])
def test_a_refusal_says_where_and_why(case):
    """Line and column lie on the page, and the reason is a sentence for a person."""
    page = case["text"].split("\n")
    for item in read(case["text"], SCOPES[case["net"]], NOTATIONS[case["notation"]]).items:
        if isinstance(item, Unread):
            assert 1 <= item.line <= len(page)
            assert 1 <= item.column <= len(page[item.line - 1]) + 1
            assert item.reason
