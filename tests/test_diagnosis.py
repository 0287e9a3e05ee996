"""A wrong line is named: each mistake by its own name, two at once, and never more than is known.

The wrong lines are closed forms written out in `hand`, independently of the rules that recognise
them.
"""

from __future__ import annotations

import pytest

import symback as sb
from hand import call, positive, q
from symback.checking.diagnosis import diagnose
from symback.checking.exact import Judge
from symback.checking.meaning import LOSS, Derivative
from symback.checking.mistakes import MISTAKES


def names(judge, target, wrong, of=None, previous=None):
    """The names that are found for a wrong right side of ∂of/∂target (of L where not said)."""
    truth = Derivative(LOSS if of is None else of.node, target.node)
    return [found.name for found in diagnose(judge, truth, wrong.node, previous)]


# ------------------------------------------------------------------------ the table of mistakes


@pytest.fixture(scope="module")
def base():
    """2-3-2, sigmoid, softmax, cross entropy."""
    return Judge(sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy"))


y1, y2, p1, p2 = q("y", 1), q("y", 2), q("yhat", 1), q("yhat", 2)
w112, w212, w211, w221 = q("w", 1, 1, 2), q("w", 2, 1, 2), q("w", 2, 1, 1), q("w", 2, 2, 1)
h11, h12, h13, a12, a22, x2 = (
    q("h", 1, 1), q("h", 1, 2), q("h", 1, 3), q("a", 1, 2), q("a", 2, 2), q("x", 2),
)  # fmt: skip
first, second = (p1 - y1) * w211, (p2 - y2) * w221
bracket, slope = first + second, h11 * (1 - h11)

TABLE = [
    ("sign-flipped", w212, (y1 - p1) * h12),
    ("sign-flipped", w112, -(bracket * slope * x2)),
    ("constant-factor", w212, 2 * (p1 - y1) * h12),
    ("constant-factor", w112, bracket * slope * x2 / 3),
    ("missing-path", w112, first * slope * x2),
    ("missing-path", w112, second * slope * x2),
    ("single-path", w112, first * slope * x2),
    ("path-sign", w112, (first - second) * slope * x2),
    ("missing-activation-derivative", w112, bracket * x2),
    ("activation-for-derivative", w112, bracket * h11 * x2),
    ("partial-activation-derivative", w112, bracket * (1 - h11) * x2),
    ("wrong-activation-derivative", w112, bracket * (1 - h11**2) * x2),
    ("wrong-activation-derivative", w112, bracket * positive(q("a", 1, 1)) * x2),
    ("derivative-at-activation", w112, bracket * call("sigmoid", h11, 1) * x2),
    ("repeated-activation-derivative", w112, bracket * slope**2 * x2),
    ("activation-derivative-sign", w112, bracket * h11 * (1 + h11) * x2),
    ("derivative-of-another-neuron", w112, bracket * call("sigmoid", q("a", 2, 1), 1) * x2),
    ("derivative-of-another-neuron", w112, bracket * h12 * (1 - h12) * x2),
    ("transposed-weight", w112, (first + (p2 - y2) * w212) * slope * x2),
    ("weight-of-wrong-layer", w112, (first + (p2 - y2) * q("w", 1, 2, 1)) * slope * x2),
    ("wrong-weight-index", w112, (first + (p2 - y2) * q("w", 2, 2, 3)) * slope * x2),
    ("missing-weight", w112, ((p1 - y1) + (p2 - y2)) * slope * x2),
    ("activation-for-weight", w112, (first + (p2 - y2) * h11) * slope * x2),
    ("weight-for-activation", w212, (p1 - y1) * w212),
    ("weight-for-activation", w112, bracket * slope * w112),
    ("average-for-sum", w112, bracket * slope * x2 / 2),
    ("missing-input-factor", w212, p1 - y1),
    ("missing-input-factor", w112, bracket * slope),
    ("preactivation-for-activation", w212, (p1 - y1) * a12),
    ("activation-of-wrong-layer", w212, (p1 - y1) * p1),
    ("wrong-input-index", w212, (p1 - y1) * h13),
    ("another-weights-gradient", w212, (p2 - y2) * h11),
    ("index-order", w212, (p2 - y2) * h11),
    ("softmax-diagonal-only", w212, -y1 * (1 - p1) * h12),
    ("missing-log-derivative", w212, (y2 * p1 * p2 - y1 * p1 * (1 - p1)) * h12),
    ("spurious-output-derivative", w212, (p1 - y1) * p1 * (1 - p1) * h12),
    ("stopped-at-output", w212, -(y1 / p1) * h12),
    ("wrong-loss", w212, 2 * (p1 - y1) * h12),
    ("missing-target-or-output", w212, p1 * h12),
    ("paths-multiplied", w112, first * second * slope * x2),
    ("stale-weights", w112,
     ((p1 - y1) * (w211 - q("eta") * (p1 - y1) * h11)
      + (p2 - y2) * (w221 - q("eta") * (p2 - y2) * h11)) * slope * x2),
    ("spurious-factor", w212, (p1 - y1) * h12 * -a22),
    ("spurious-term", w212, (p1 - y1) * h12 + w212),
]  # fmt: skip


IDS = [f"{name}-{place}" for place, (name, *_) in enumerate(TABLE)]


@pytest.mark.parametrize(("name", "target", "wrong"), TABLE, ids=IDS)
def test_the_examples_of_the_table_are_named(base, name, target, wrong):
    """What `CHECKING.md` gives as an example of a mistake is called by that name."""
    assert name in names(base, target, wrong)
    assert set(names(base, target, wrong)) <= MISTAKES.keys()


def test_a_sign_among_the_softmax_entries_is_named(base):
    """∂ŷ_1/∂a_22 = +ŷ_1 ŷ_2."""
    found = names(base, a22, p1 * p2, of=p1)
    assert found[0] == "softmax-off-diagonal-sign"


def test_a_right_line_has_no_mistake(base):
    """Nothing is said against ∂L/∂w_112 and ∂L/∂w_212 as they should be."""
    assert names(base, w112, bracket * slope * x2) == []
    assert names(base, w212, (p1 - y1) * h12) == []


def test_what_no_rule_explains_is_not_explained(base):
    """Never more than is known."""
    assert names(base, w212, q("b", 1, 1) ** 3 + q("w", 1, 2, 2) * q("a", 1, 1)) == []
