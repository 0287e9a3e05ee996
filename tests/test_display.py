r"""A formula in LaTeX is read back as the same formula, and KaTeX sets it."""

from __future__ import annotations

import pytest

from symback.checking.letters import Scope
from symback.checking.page import Claim, read
from symback.language.budget import Budget, within
from symback.language.display import in_latex
from symback.language.echo import echo
from symback.language.names import NOTATIONS
from test_checked import CASES, CHECKED, NETS
from typesetting import katex_errors

SIDES = 400
"""So many sides of the checked pages, spread over all of them, are written and read."""


def sides():
    """Every side of every claim that is read on the pages of others, with its network."""
    for case in CHECKED:
        text = case.get("text") or (CASES / "pages" / case["page"]).read_text(encoding="utf-8")
        scope = Scope.of(NETS[case["net"]].graph)
        for item in read(text, scope, NOTATIONS[case["notation"]]).items:
            if isinstance(item, Claim):
                yield from ((scope, side.node) for side in item.sides)


def said(text, scope):
    """What is read of a text: its echo, or why not."""
    items = read(text, scope, NOTATIONS["lectures"]).items
    return [getattr(i, "read_as", "") or getattr(i, "reason", "") or i.source for i in items]


@pytest.fixture(scope="module")
def written():
    """Sides with their LaTeX."""
    with within(Budget(120)):
        every = list(sides())
        return [(s, node, in_latex(node)) for s, node in every[:: len(every) // SIDES]]


def test_what_is_set_is_read_back(written):
    """The LaTeX of a side means what its echo means."""
    with within(Budget(120)):
        for scope, node, latex in written:
            typed = said(rf"\[ z = {latex} \]", scope)
            assert typed == said(f"z = {echo(node)}", scope), latex


def test_katex_sets_all_of_it(written):
    """Nothing is left as it was typed."""
    assert katex_errors(latex for _, _, latex in written) == []
