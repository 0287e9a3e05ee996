"""A page in another convention is told so, and only if all of it is right there."""

from __future__ import annotations

import pytest

import symback as sb
from hand import F, call, q
from symback.checking.deviations import deviation_of
from symback.checking.judge import Judge
from symback.language.expressions import (
    LOSS,
    Array,
    Derivative,
    Index,
    Transpose,
)

y1, y2, p1, p2 = q("y", 1), q("y", 2), q("yhat", 1), q("yhat", 2)
h11, h12, x2 = q("h", 1, 1), q("h", 1, 2), q("x", 2)


def d(by):
    """∂L/∂by."""
    return F(Derivative(LOSS, by.node))


def array(letter, layer=None):
    """W_2 and the like."""
    return F(Array(letter, None if layer is None else Index("", layer)))


def turned(formula):
    """The transpose."""
    return F(Transpose(formula.node))


def found(judge, *page):
    """The name of the convention under which a page of pairs is right."""
    claims = [(left.node, right.node) for left, right in page]
    deviation = deviation_of(judge, claims)
    return deviation and deviation[0].name


@pytest.fixture(scope="module")
def base():
    """2-3-2, sigmoid, softmax, cross entropy."""
    return Judge(sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy"))


def swapped_page():
    """Two lines in which w_kij leads from neuron i to neuron j."""
    hidden = ((p1 - y1) * q("w", 2, 2, 1) + (p2 - y2) * q("w", 2, 2, 2)) * h12 * (1 - h12)
    return [(d(q("w", 2, 2, 1)), (p1 - y1) * h12), (d(q("w", 1, 1, 2)), hidden * q("x", 1))]


def test_swapped_indices_are_a_convention(base):
    """Every w_kij read as w_kji."""
    assert found(base, *swapped_page()) == "index-order"


def test_a_line_that_is_wrong_either_way_is_not_excused(base):
    """A page that is right otherwise deviates all the same; a right line may not become wrong."""
    wrong = (d(q("w", 1, 1, 1)), (p1 - y1) * h11)
    claims = [(left.node, right.node) for left, right in (*swapped_page(), wrong)]
    deviation = deviation_of(base, claims)
    assert deviation is not None
    assert (deviation[0].name, deviation[1]) == ("index-order", {0, 1})
    assert found(base, swapped_page()[1], (d(q("w", 2, 1, 2)), (p1 - y1) * h12)) is None


def test_a_right_page_needs_no_convention(base):
    """Nor does an empty one."""
    assert found(base, (d(q("w", 2, 1, 2)), (p1 - y1) * h12)) is None
    assert found(base) is None


@pytest.mark.parametrize("factor", [2, 3])
def test_the_scale_of_the_loss_is_a_convention(factor):
    """½ and 1/n before the loss."""
    layers = [(3, "sigmoid"), (3, "linear")]
    judge = Judge(sb.Network(2, layers, loss="squared_error"))
    outer = 2 * (p1 - y1) / factor
    page = [(d(q("b", 2, 1)), outer), (d(q("w", 2, 1, 2)), d(q("b", 2, 1)) * h12)]
    assert found(judge, *page) == "loss-scale"
    assert found(judge, page[0], (d(q("w", 2, 1, 2)), 2 * outer * h12)) is None


def test_the_sign_of_delta_is_a_convention(base):
    """δ_2 = y - ŷ and ∂L/∂w = -δ h."""
    delta = q("delta", 2, 1)
    page = [(delta, y1 - p1), (d(q("w", 2, 1, 2)), -delta * h12)]
    assert found(base, *page) == "delta-sign"


def test_the_layout_of_arrays_is_a_convention(base):
    """W as (in, out); vectors as rows; gradients transposed."""
    W, delta, x = array("W", 2), array("delta", 2), array("h", 1)
    columns = [(d(W), x * turned(delta)), (array("a", 2), turned(W) * x + array("b", 2))]
    assert found(base, *columns) == "transposed-layout"
    rows = [(d(W), turned(x) * delta), (array("a", 2), x * W + array("b", 2))]
    assert found(base, *rows) == "transposed-layout"
    assert found(base, (d(W), x * turned(delta))) == "transposed-layout"
    assert found(base, columns[0], (array("a", 2), W * x + array("b", 2))) == "transposed-layout"
    assert found(base, columns[1], (d(W), delta * turned(x))) is None


@pytest.mark.parametrize("base_number", [2, 10])
def test_the_base_of_the_logarithm_is_a_convention(base, base_number):
    """Entropy in bits: the gradients are those of the natural loss over log 2."""
    natural = call("log", F(base_number))
    loss = -(y1 * call("log", p1) + y2 * call("log", p2))
    page = [(q("L"), loss), (d(q("w", 2, 1, 2)), (p1 - y1) * h12 / natural)]
    assert found(base, (q("L"), loss)) is None
    assert found(base, page[1]) == "log-base"


def test_what_is_strict_excuses_nothing():
    """∇W = h δᵀ is right for W as (in, out), and wrong by the network file."""
    net = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
    page = "∇_{W_2} L = h_1 δ_2^T\n\n∇_{W_1} L = x δ_1^T\n"
    lenient, strict = (sb.check(page, net, strict=each) for each in (False, True))
    assert [line.verdict.value for line in lenient.lines] == ["conditional", "conditional"]
    assert [line.verdict.value for line in strict.lines] == ["refuted", "refuted"]
    assert "right if W is (in, out)" in strict.lines[0].reason
