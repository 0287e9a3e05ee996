"""The right side that a diagnosis shows is right, for whatever a claim is about."""

from __future__ import annotations

import itertools

import pytest

import symback as sb
from hand import q
from symback.checking.correct import correct_node, indexed, placed, way_between
from symback.checking.evaluation import Assumptions
from symback.checking.judge import Judge
from symback.language.expressions import (
    LOSS,
    Array,
    Derivative,
    Element,
    Index,
    walk,
)

NETS = {
    "softmax": ([(3, "sigmoid"), (2, "softmax")], "cross_entropy", 1),
    "squared": ([(3, "tanh"), (2, "softmax")], "squared_error", None),
    "relu": ([(2, "relu"), (2, "linear")], "half_squared_error", None),
    "deep": ([(2, "sigmoid"), (3, "tanh"), (2, "softmax")], "cross_entropy", 1),
}


@pytest.fixture(scope="module", params=NETS)
def case(request):
    """A judge, and what may be assumed of the target."""
    layers, loss, total = NETS[request.param]
    return Judge(sb.Network(2, layers, loss=loss)), Assumptions(known_sum=total)


NAMES = [
    ("w", 1, 2, 1),
    ("w", 2, 1, 2),
    ("b", 1, 1),
    ("a", 2, 1),
    ("h", 1, 2),
    ("x", 2),
    ("yhat", 1),
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: "".join(map(str, name)))
def test_a_derivative_of_the_loss_has_its_right_side(case, name):
    """By weights, biases, neurons and inputs; without another ∂L in it."""
    judge, known = case
    truth = Derivative(LOSS, q(*name).node)
    right = correct_node(judge, truth)
    assert right is not None
    assert judge.same(truth, right, known)
    assert right != truth


@pytest.mark.parametrize(("of", "by"), [
    (("yhat", 1), ("a", 2, 2)), (("yhat", 2), ("h", 1, 1)), (("a", 2, 1), ("w", 1, 1, 2)),
    (("h", 1, 1), ("a", 1, 1)), (("a", 1, 1), ("w", 1, 1, 1)),
], ids=range(5))  # fmt: skip
def test_another_derivative_is_written_out_over_its_paths(of, by):
    """Local derivatives, and sums over paths."""
    judge = Judge(sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy"))
    truth = Derivative(q(*of).node, q(*by).node)
    right = correct_node(judge, truth)
    assert right is not None
    assert judge.same(truth, right)
    assert not any(isinstance(part, Derivative) for part in walk(right))


@pytest.mark.parametrize("name", [("a", 2, 1), ("h", 1, 2), ("yhat", 2), ("L",)], ids=str)
def test_a_forward_line_has_the_equation(case, name):
    """The right side of a_21, h_12, ŷ_2 and L."""
    judge, _ = case
    right = correct_node(judge, q(*name).node)
    assert right is not None
    assert judge.same(q(*name).node, right)


ARRAYS = [("W", 1), ("W", 2), ("b", 1), ("a", 1), ("h", 1), ("x", None), ("yhat", None)]


@pytest.mark.parametrize(("letter", "layer"), ARRAYS)
def test_a_gradient_of_an_array_has_the_matrix_form(case, letter, layer):
    """∇W_2 = δ_2 h_1ᵀ and the like, where matrices can say it."""
    judge, known = case
    truth = Derivative(LOSS, Array(letter, None if layer is None else Index("", layer)))
    right = correct_node(judge, truth)
    if judge.equations.has_kinks and letter == "a":
        assert right is None  # 1[a > 0] of an array has no node
        return
    assert right is not None
    assert judge.same(truth, right, known)


def test_letters_stay_letters():
    """∂L/∂w_2ij for all i and j."""
    judge = Judge(sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="squared_error"))
    truth = Derivative(LOSS, Element("w", (Index("", 2), Index("i"), Index("j"))))
    right = correct_node(judge, truth)
    assert right is not None
    assert judge.same(truth, right)


def test_what_there_is_not_has_no_right_side():
    """An index out of range, a quantity that does not depend on another."""
    judge = Judge(sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="squared_error"))
    assert correct_node(judge, Derivative(LOSS, q("w", 2, 3, 1).node)) is None
    assert correct_node(judge, Derivative(q("a", 1, 1).node, q("h", 1, 1).node)) is None
    assert placed(judge.equations, Element("a", (Index("", 2), Index("", 3)))) is None


def test_a_way_holds_every_path_once():
    """As many as the derivation counts, each from the weight to the loss."""
    net = sb.Network(2, [(3, "sigmoid"), (4, "tanh"), (2, "softmax")], loss="cross_entropy")
    equations = Judge(net).equations
    ends = placed(equations, LOSS), placed(equations, indexed("w", 1, 2, 1))
    assert ends[0] is not None
    assert ends[1] is not None
    way = way_between(equations, ends[0], ends[1])
    assert way is not None
    paths = list(way.paths())
    assert len(paths) == way.count == net.derive("w_121").path_count
    assert len({tuple(edge.child for edge in path) for path in paths}) == len(paths)
    for path in paths:
        assert path[0].parent == ends[1]
        assert path[-1].child == ends[0]
        assert all(a.child == b.parent for a, b in itertools.pairwise(path))
