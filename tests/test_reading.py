r"""What a person typed means what it says, or is refused with its place: the reader of derivations.

The cases are data in ``tests/cases``: lines and their meaning (``reading_dev.json``), lines and
their echo or refusal (``reading.json``), hostile pages (``hostile.json``).
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from meanings import CONTINUES, nodes, plain
from nodes import SCOPES, arrays, scalars
from symback.checking.letters import Scope
from symback.checking.page import Claim, Prose, Relation, read
from symback.language.echo import echo
from symback.language.expressions import (
    LOSS,
    Array,
    Call,
    Element,
    Index,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Total,
    Transpose,
    walk,
)

CASES = Path(__file__).parent / "cases"
BASE = Scope((2, 3, 2), ("sigmoid", "softmax"), (1, 1))

# ------------------------------------------------------------- (a) the lines used in development

DEV = json.loads((CASES / "reading_dev.json").read_text(encoding="utf-8"))["cases"]
MINUS_ONE = Number(Fraction(-1))


@pytest.mark.parametrize("case", DEV, ids=lambda case: case["id"])
def test_a_line_means_what_its_case_says(case):
    """Each of the 68 measured lines is read as the nodes that its meaning says, side by side."""
    claims = [item for item in read(case["input"], BASE).items if not isinstance(item, Prose)]
    lines = nodes(case["meaning"], BASE)
    assert all(isinstance(item, Claim) for item in claims), claims
    assert len(claims) == len(lines)
    for claim, line in zip(claims, lines, strict=True):
        assert claim.continues == (line[0] == CONTINUES)
        wanted = line[1:] if claim.continues else line
        assert [plain(side.node) for side in claim.sides] == [plain(node) for node in wanted]
        assert {"Assign": Relation.BECOMES, "Approx": Relation.ABOUT}.get(
            case["meaning"].split("(")[0], Relation.EQUAL
        ) in claim.relations or not claim.relations


# ----------------------------------------------------------------------- (b) print, then read


def read_side(text: str, lhs: str, scope: Scope) -> Node:
    """The right side of ``lhs = text``, which must be one claim."""
    (claim,) = read(f"{lhs} = {text}", scope).items
    assert isinstance(claim, Claim), (text, claim)
    return claim.sides[1].node


def has_sigma(node: Node) -> bool:
    """Whether σ of a preactivation stands in it: where no layer has the sigmoid, that may be g."""
    calls = (part for part in walk(node) if isinstance(part, Call) and part.function == "sigmoid")
    return any(getattr(call.arguments[0], "letter", "") == "a" for call in calls)


def sums_the_loss(node):
    """Whether there is a sum of losses, which may be those of samples and is refused."""
    sums = [part for part in walk(node) if isinstance(part, Sum)]
    return any(LOSS in walk(part.body) for part in sums)


@pytest.mark.parametrize("name", SCOPES)
@pytest.mark.parametrize("lhs", ["L", "δ_1"])
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_reading_the_echo_gives_the_node(name, lhs, data):
    """`echo` loses nothing: reading it gives the same meaning, and echoing that the same text."""
    scope = SCOPES[name]
    node = data.draw((scalars if lhs == "L" else arrays)(scope))
    assume("sigmoid" in scope.activations or not has_sigma(node))
    assume(not sums_the_loss(node))
    found = read_side(echo(node), lhs, scope)
    assert plain(found) == plain(node)
    assert read_side(echo(found), lhs, scope) == found


def test_a_wrong_echo_would_be_seen():
    """The comparison of the test above tells factors, order, indices and signs apart."""
    one, two = (Element("h", (Index("", 1), Index("", k))) for k in (1, 2))
    for left, right in [
        (Product((one, two)), Product((two, one))),
        (Product((one, two)), Total((one, two))),
        (Product((MINUS_ONE, one)), one),
        (Quotient(one, two), Quotient(two, one)),
        (Power(one, Number(Fraction(2))), Power(one, Number(Fraction(3)))),
        (Product((one, two)), Product((one, two), True)),
        (Transpose(Array("W", Index("", 2))), Array("W", Index("", 2))),
    ]:
        assert plain(left) != plain(right)
