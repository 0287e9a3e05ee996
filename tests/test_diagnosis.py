"""A wrong line is named: each mistake by its own name, two at once, and never more than is known.

The wrong lines are closed forms written out in `hand`, independently of the rules that recognise
them.
"""

from __future__ import annotations

from functools import cache

import pytest

import symback as sb
from hand import SLOPES, F, Sheet, add, call, multiply, positive, q
from symback.checking.diagnosis import diagnose
from symback.checking.evaluation import Assumptions
from symback.checking.judge import Judge
from symback.checking.mistakes import MISTAKES, rank
from symback.checking.page import Definition
from symback.language.errors import SymbackError
from symback.language.expressions import (
    ELL,
    LOSS,
    Array,
    Comparison,
    Derivative,
    Element,
    Index,
    Indicator,
    Letter,
    Named,
    Product,
    Sum,
    Transpose,
)
from symback.language.functions import LOSSES, Loss


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


# ----------------------------------------------------------------- every weight of many networks

NETS = {
    "2-3-2 sigmoid": ((2, 3, 2), ("sigmoid", "softmax"), "cross_entropy"),
    "4-4-2 sigmoid": ((4, 4, 2), ("sigmoid", "softmax"), "squared_error"),
    "3-4-3 tanh": ((3, 4, 3), ("tanh", "softmax"), "cross_entropy"),
    "2-3-2 relu": ((2, 3, 2), ("relu", "softmax"), "cross_entropy"),
    "thin": ((1, 1, 1, 1), ("sigmoid",) * 3, "squared_error"),
    "2-2-2-2 sigmoid tanh": ((2, 2, 2, 2), ("sigmoid", "tanh", "softmax"), "cross_entropy"),
    "3-2-2 sigmoid": ((3, 2, 2), ("sigmoid", "sigmoid"), "binary_cross_entropy"),
}


def hidden(sheet, k):
    """Whether the weight is not of the last layer."""
    return k < sheet.depth


def last_hidden(sheet, k):
    return k == sheet.depth - 1


def smooth(sheet, k):
    return last_hidden(sheet, k) and sheet.activations[k - 1] in ("sigmoid", "tanh")


def softmax(sheet, _k):
    return sheet.activations[-1] == "softmax"


def fused(sheet, _k):
    return sheet.is_fused()


def always(_sheet, _k):
    return True


class MissingPath(Sheet):
    def contributions(self, k, j):
        every = super().contributions(k, j)
        return every[:-1] or every


class SinglePath(Sheet):
    def contributions(self, k, j):
        return super().contributions(k, j)[:1]


class PathSign(Sheet):
    def contributions(self, k, j):
        *others, last = super().contributions(k, j)
        return [*others, -last] if others else [last]


class MissingSlope(Sheet):
    def slope(self, k, i):
        return F(1) if k < self.depth else super().slope(k, i)


class ActivationForSlope(Sheet):
    def slope(self, k, i):
        return self.h(k, i) if k < self.depth else super().slope(k, i)


class PartialSlope(Sheet):
    def slope(self, k, i):
        return 1 - self.h(k, i) if k < self.depth else super().slope(k, i)


class OtherSlope(Sheet):
    def slope(self, k, i):
        other = {"sigmoid": "tanh", "tanh": "sigmoid", "relu": "sigmoid"}[self.activations[k - 1]]
        return SLOPES[other](self.a(k, i), self.h(k, i)) if k < self.depth else super().slope(k, i)


class SlopeAtActivation(Sheet):
    def slope(self, k, i):
        if k == self.depth:
            return super().slope(k, i)
        return call(self.activations[k - 1], self.h(k, i), 1)


class RepeatedSlope(Sheet):
    def slope(self, k, i):
        return super().slope(k, i) ** (2 if k < self.depth else 1)


class SlopeSign(Sheet):
    def slope(self, k, i):
        h = self.h(k, i)
        wrong = {"sigmoid": h * (1 + h), "tanh": 1 + h**2}
        return wrong[self.activations[k - 1]] if k < self.depth else super().slope(k, i)


class SlopeOfNeighbour(Sheet):
    def slope(self, k, i):
        return super().slope(k, i % self.widths[k] + 1 if k < self.depth else i)


class SlopeOfNextLayer(Sheet):
    def slope(self, k, i):
        if k == self.depth:
            return super().slope(k, i)
        name, a = self.activations[k - 1], self.a(k + 1, 1)
        return SLOPES[name](a, call(name, a))


class Transposed(Sheet):
    def w(self, k, i, j):
        return q("w", k, j, i)


class WeightOfLayerBelow(Sheet):
    def w(self, k, i, j):
        return q("w", k - 1, i, j)


class NoWeight(Sheet):
    def weight(self, k, i, j):
        return F(1)


class WeightForInput(Sheet):
    def gradient(self, k, i, j):
        return self.back(k, i) * self.w(k, i, j)


class Mean(Sheet):
    def bracket(self, k, j):
        return super().bracket(k, j) / self.widths[k + 1]


class NoInput(Sheet):
    def input(self, k, j):
        return F(1)


class PreactivationAsInput(Sheet):
    def input(self, k, j):
        return self.a(k - 1, j)


class InputOfThisLayer(Sheet):
    def input(self, k, j):
        return self.h(k, j)


class NeighbourAsInput(Sheet):
    def input(self, k, j):
        return super().input(k, j % self.widths[k - 1] + 1)


class OtherWeight(Sheet):
    def gradient(self, k, i, j):
        return super().gradient(k, i % self.widths[k] + 1, j)


class DiagonalOnly(Sheet):
    def error(self, i):
        return self.loss_slope(i) * self.jacobian(i, i)


class OffDiagonalSign(Sheet):
    error = Sheet.error_in_full

    def jacobian(self, m, i):
        return super().jacobian(m, i) if m == i else self.h(self.depth, m) * self.h(self.depth, i)


class NoLogarithm(Sheet):
    error = Sheet.error_in_full

    def loss_slope(self, m):
        return -q("y", m)


class OutputSlopeTwice(Sheet):
    def error(self, i):
        yhat = self.h(self.depth, i)
        return super().error(i) * yhat * (1 - yhat)


class StoppedAtOutput(Sheet):
    def error(self, i):
        return self.loss_slope(i)


class ErrorOfOtherLoss(Sheet):
    def error(self, i):
        return (2 if self.is_fused() else 1) * (self.h(self.depth, i) - q("y", i))


class NoTarget(Sheet):
    def error(self, i):
        return self.h(self.depth, i)


class NoOutput(Sheet):
    def error(self, i):
        return -q("y", i)


class SwappedError(Sheet):
    def error(self, i):
        return q("y", i) - self.h(self.depth, i)


class Multiplied(Sheet):
    def bracket(self, k, j):
        return multiply(self.contributions(k, j))


class Flipped(Sheet):
    def gradient(self, k, i, j):
        return -super().gradient(k, i, j)


class Doubled(Sheet):
    def gradient(self, k, i, j):
        return 2 * super().gradient(k, i, j)


class Seventh(Sheet):
    def gradient(self, k, i, j):
        return super().gradient(k, i, j) / 7


RULES = [
    ("sign-flipped", Flipped, always),
    ("sign-flipped", SwappedError, fused),
    ("constant-factor", Doubled, always),
    ("constant-factor", Seventh, always),
    ("missing-path", MissingPath, last_hidden),
    ("single-path", SinglePath, last_hidden),
    ("path-sign", PathSign, last_hidden),
    ("missing-activation-derivative", MissingSlope, hidden),
    ("activation-for-derivative", ActivationForSlope, hidden),
    ("partial-activation-derivative", PartialSlope, smooth),
    ("wrong-activation-derivative", OtherSlope, last_hidden),
    ("derivative-at-activation", SlopeAtActivation, smooth),
    ("repeated-activation-derivative", RepeatedSlope, smooth),
    ("activation-derivative-sign", SlopeSign, smooth),
    ("derivative-of-another-neuron", SlopeOfNeighbour, last_hidden),
    ("derivative-of-another-neuron", SlopeOfNextLayer, last_hidden),
    ("transposed-weight", Transposed, hidden),
    ("weight-of-wrong-layer", WeightOfLayerBelow, last_hidden),
    ("missing-weight", NoWeight, hidden),
    ("weight-for-activation", WeightForInput, always),
    ("average-for-sum", Mean, last_hidden),
    ("missing-input-factor", NoInput, always),
    ("preactivation-for-activation", PreactivationAsInput, lambda _sheet, k: k > 1),
    ("activation-of-wrong-layer", InputOfThisLayer, always),
    ("wrong-input-index", NeighbourAsInput, always),
    ("another-weights-gradient", OtherWeight, always),
    ("softmax-diagonal-only", DiagonalOnly, softmax),
    ("softmax-off-diagonal-sign", OffDiagonalSign, softmax),
    ("missing-log-derivative", NoLogarithm, lambda s, _k: s.loss == "cross_entropy"),
    ("spurious-output-derivative", OutputSlopeTwice, always),
    ("stopped-at-output", StoppedAtOutput, always),
    ("wrong-loss", ErrorOfOtherLoss, always),
    ("missing-target-or-output", NoTarget, fused),
    ("missing-target-or-output", NoOutput, fused),
    ("paths-multiplied", Multiplied, last_hidden),
]


def exists(judge, node):
    """Whether a wrong formula names only quantities that there are."""
    try:
        return bool(judge.value(node))
    except SymbackError:
        return False


def mutants(net):
    """Every wrong formula for every weight of a network that differs from the right one."""
    widths, activations, loss = NETS[net]
    layers = list(zip(widths[1:], activations, strict=True))
    judge = Judge(sb.Network(widths[0], layers, loss=loss))
    known = Assumptions(known_sum=1) if loss == "cross_entropy" else Assumptions()
    right = Sheet(widths, activations, loss)
    for k, i, j in right.targets():
        truth = Derivative(LOSS, q("w", k, i, j).node)
        assert judge.same(truth, right.gradient(k, i, j).node, known)
        for name, kind, applies in RULES:
            if not applies(right, k):
                continue
            wrong = kind(widths, activations, loss).gradient(k, i, j).node
            if exists(judge, wrong) and not judge.same(truth, wrong, known):
                yield judge, name, truth, wrong


@cache
def named(net):
    """For every mutant its own name and the names that are found."""
    return [
        (name, [each.name for each in diagnose(judge, truth, wrong)])
        for judge, name, truth, wrong in mutants(net)
    ]


@pytest.mark.parametrize("net", NETS)
def test_every_mistake_at_every_weight_is_called_by_its_name(net):
    """The name of the mistake is among those found, which coincide with it, everywhere."""
    assert len(named(net)) >= 30
    assert [each for each in named(net) if each[0] not in each[1]] == []


def test_nine_in_ten_come_first():
    """Most mistakes are told from all others: their own name is the first."""
    every = [each for net in NETS for each in named(net)]
    assert len(every) > 2000
    assert sum(found[0] == name for name, found in every) >= 0.9 * len(every)


# --------------------------------------------------------------------------- two mistakes at once

PAIRS = [
    ({"missing-input-factor", "sign-flipped"}, w212, y1 - p1),
    ({"constant-factor", "missing-input-factor"}, w112, 3 * bracket * slope),
    ({"missing-activation-derivative", "transposed-weight"}, w112,
     (first + (p2 - y2) * w212) * x2),
    ({"missing-path", "activation-for-derivative"}, w112, first * h11 * x2),
    ({"softmax-diagonal-only", "spurious-factor"}, w212, -y1 * (1 - p1) * -a22 * h12),
    ({"missing-weight", "preactivation-for-activation"}, q("w", 1, 1, 2),
     ((p1 - y1) * 1 + (p2 - y2) * w221) * slope * -a22),
    ({"spurious-output-derivative", "wrong-input-index"}, w212, (p1 - y1) * p1 * (1 - p1) * h13),
    ({"missing-target-or-output", "missing-activation-derivative"}, w112,
     (p1 * w211 + p2 * w221) * x2),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "target", "wrong"), PAIRS[:5] + PAIRS[6:])
def test_two_mistakes_at_once_are_both_named(base, expected, target, wrong):
    """Neither alone accounts for the line; both are said, each with the other's name."""
    truth = Derivative(LOSS, target.node)
    found = diagnose(base, truth, wrong.node)
    assert {each.name for each in found} == expected
    assert all("together with" in each.detail for each in found)


# ------------------------------------------------------------------------ the lecturers' mistakes


@pytest.fixture(scope="module")
def s4():
    """4-4-2, sigmoid, softmax, squared error."""
    return Judge(sb.Network(4, [(4, "sigmoid"), (2, "softmax")], loss="squared_error"))


def d(of, by):
    """∂of/∂by as a factor of a chain."""
    return F(Derivative(of.node, by.node))


L, a21, w131, w213, w223 = q("L"), q("a", 2, 1), q("w", 1, 3, 1), q("w", 2, 1, 3), q("w", 2, 2, 3)


def test_lecture_1_only_one_output_is_followed(s4):
    """The path through ŷ_2 is missing, in a chain and in closed form."""
    chain = d(L, p1) * d(p1, a21) * d(a21, w212)
    found = diagnose(s4, Derivative(LOSS, w212.node), chain.node)
    assert found[0].name == "missing-path"
    assert found[0].detail == "1 of 2 paths; missing w_212 → a_21 → ŷ_2"
    closed = -2 * (y1 - p1) * p1 * (1 - p1) * h12
    assert {"missing-path", "softmax-diagonal-only"} <= set(names(s4, w212, closed))


def test_lecture_2_exponents_are_multiplied(s4):
    """e^{a_22} e^{-a_21} = e^{-a_22 a_21}, alone, in a formula, and what it makes of ∂ŷ_1/∂a_21."""
    e22, e21 = call("exp", a22), call("exp", -a21)
    wrong = call("exp", -(a22 * a21))
    step = diagnose(s4, (e22 * e21).node, wrong.node, (e22 * e21).node)
    assert [found.name for found in step] == ["exponent-rule"]
    forward = diagnose(s4, p1.node, (1 / (1 + wrong)).node)
    assert [found.name for found in forward] == ["exponent-rule"]
    (slope,) = diagnose(s4, Derivative(p1.node, a21.node), (p1 * (1 - p1) * -a22).node)
    assert (slope.name, slope.detail) == ("spurious-factor", "spurious factor -a_22")
    both = -2 * (y1 - p1) * p1 * (1 - p1) * -a22 * h12
    assert names(s4, w212, both) == ["softmax-diagonal-only", "spurious-factor"]


def test_lecture_3_cross_terms_are_missing(s4):
    """∂ŷ_2/∂a_21 and ∂ŷ_1/∂a_22 are left out."""
    outer = [-2 * (q("y", i) - q("yhat", i)) * q("yhat", i) * (1 - q("yhat", i)) for i in (1, 2)]
    h13 = q("h", 1, 3)
    wrong = (outer[0] * w213 + outer[1] * w223) * h13 * (1 - h13) * q("x", 1)
    found = diagnose(s4, Derivative(LOSS, w131.node), wrong.node)
    assert [each.name for each in found] == ["softmax-diagonal-only", "missing-path"]
    assert found[1].detail.startswith("2 of 4 paths; only w_131 → a_13 → h_13 → a_21 → ŷ_1")


def test_lecture_4_the_sign_of_a_reciprocal():
    """d(1/x)/dx = +1/x²."""
    judge = Judge(sb.equations({"A1": "-x", "A2": "exp(A1)", "A3": "1+A2", "A4": "1/A3"}))
    a3, a4, x = q("A3"), q("A4"), q("x")
    assert names(judge, a3, 1 / a3**2, of=a4) == ["quotient-rule", "sign-flipped"]
    e = call("exp", -x)
    assert names(judge, x, -e / (1 + e) ** 2, of=a4)[0] == "quotient-rule"
    assert names(judge, q("A1"), -q("A2"), of=q("A2")) == ["sign-flipped"]


def test_lecture_5_partial_derivatives_multiplied_or_added():
    """∂(x² + y²)/∂x is neither 2x·2y nor 2x + 2y."""
    judge = Judge(sb.equations({"f": "x**2 + y**2"}))
    f, x, y = q("f"), q("x"), q("y")
    assert names(judge, x, 2 * x * (2 * y), of=f) == ["paths-multiplied"]
    assert names(judge, x, 2 * x + 2 * y, of=f) == ["spurious-term"]


def test_lecture_7_the_indices_of_a_weight_are_swapped(s4):
    """w_212 taken to lead from neuron 1 into neuron 2."""
    outer = -2 * p1 * p2 * ((y1 - p1) - (y2 - p2))
    assert "index-order" in names(s4, w212, -outer * q("h", 1, 1))


# ------------------------------------------------------------------------------- other lines


def test_rules_of_calculus_are_named():
    """A lost inner derivative, with and without stages."""
    judge = Judge(sb.equations({"yhat": "w*x", "s": "yhat - y", "L": "s**2"}))
    x, s = q("x"), q("s")
    assert names(judge, q("w"), 2 * s, of=L) == ["lost-inner-derivative"]
    assert names(judge, x, 1 / (1 - x), of=call("log", 1 - x))[0] == "lost-inner-derivative"
    assert names(judge, x, 1 / (1 - x), of=call("exp", x) * x) == []


FORWARD = [
    ("missing-forward-term", q("a", 2, 1),
     w211 * h11 + w212 * h12 + w213 * h13),
    ("missing-forward-term", q("a", 2, 1),
     q("b", 2, 1) + w211 * h11 + w213 * h13),
    ("sign-flipped", q("a", 2, 1),
     w211 * h11 + w212 * h12 + w213 * h13 - q("b", 2, 1)),
    ("transposed-weight", q("a", 2, 2),
     q("b", 2, 2) + w212 * h11 + q("w", 2, 2, 2) * h12 + w223 * h13),
    ("preactivation-for-activation", q("a", 2, 1),
     q("b", 2, 1) + w211 * h11 + w212 * a12 + w213 * h13),
    ("wrong-bias-index", q("a", 2, 1),
     q("b", 2, 2) + w211 * h11 + w212 * h12 + w213 * h13),
    ("wrong-activation", h11, call("tanh", q("a", 1, 1))),
    ("missing-activation", h11, q("a", 1, 1)),
    ("sign-flipped", h11, 1 / (1 + call("exp", q("a", 1, 1)))),
    ("missing-forward-term", p1, call("exp", a21) / call("exp", a22)),
    ("missing-forward-term", L, -(y1 * call("log", p1))),
]  # fmt: skip


@pytest.mark.parametrize(("name", "left", "right"), FORWARD, ids=range(len(FORWARD)))
def test_slips_of_forward_lines_are_named(base, name, left, right):
    """A bias or a term left out, a wrong index, a wrong function."""
    assert diagnose(base, left.node, right.node)[0].name == name


def array(letter, layer=None):
    """W_2 and the like."""
    return F(Array(letter, None if layer is None else Index("", layer)))


def turned(formula):
    """The transpose."""
    return F(Transpose(formula.node))


def entrywise(*formulas):
    """⊙."""
    return F(Product(tuple(formula.node for formula in formulas), True))


W2, delta1, delta2 = array("W", 2), array("delta", 1), array("delta", 2)
hs, a1 = array("h", 1), array("a", 1)
slopes = call("sigmoid", a1, 1)

MATRICES = [
    ("matrix-layout", d(L, W2), hs * turned(delta2)),
    ("matrix-layout", d(L, W2), entrywise(delta2, turned(hs))),
    ("matrix-layout", delta1, entrywise(W2 * delta2, slopes)),
    ("missing-activation-derivative", delta1, turned(W2) * delta2),
    ("derivative-at-activation", delta1, entrywise(turned(W2) * delta2, call("sigmoid", hs, 1))),
    ("activation-for-derivative", delta1, entrywise(turned(W2) * delta2, hs)),
    ("preactivation-for-activation", d(L, W2), delta2 * turned(a1)),
    ("activation-of-wrong-layer", d(L, array("W", 1)), delta1 * turned(hs)),
    ("sign-flipped", delta2, array("y") - array("yhat")),
]


@pytest.mark.parametrize(("name", "left", "right"), MATRICES, ids=range(len(MATRICES)))
def test_matrix_lines_are_named(base, name, left, right):
    """A transpose, ⊙ for a product, and what goes wrong entry by entry."""
    assert diagnose(base, left.node, right.node)[0].name == name


def test_a_square_matrix_that_is_not_transposed_is_named():
    """Where the shapes fit all the same."""
    judge = Judge(sb.Network(3, [(3, "tanh"), (3, "softmax")], loss="cross_entropy"))
    wrong = entrywise(W2 * delta2, call("tanh", a1, 1))
    assert [each.name for each in diagnose(judge, delta1.node, wrong.node)] == [
        "matrix-layout",
        "transposed-weight",
    ]


def test_a_step_uphill_is_named(base):
    """w ← w + η ∂L/∂w, by name and in closed form; for a matrix; and without η."""
    eta, gradient = q("eta"), d(L, w212)
    step = (w212 - eta * gradient).node
    for wrong in (w212 + eta * gradient, w212 - eta * (y1 - p1) * h12):
        assert diagnose(base, step, wrong.node)[0].name == "descent-direction"
    matrix = (W2 - eta * d(L, W2)).node
    assert diagnose(base, matrix, (W2 + eta * d(L, W2)).node)[0].name == "descent-direction"
    (found,) = diagnose(base, step, (w212 - gradient).node)
    assert (found.name, found.detail) == ("missing-factor", "missing factor η")


def test_a_chain_without_a_link_is_named(base):
    """∂L/∂a_21 · ∂h_11/∂a_11 · … lacks ∂a_21/∂h_11, and follows one path."""
    chain = d(L, a21) * d(h11, q("a", 1, 1)) * d(q("a", 1, 1), w112)
    found = diagnose(base, Derivative(LOSS, w112.node), chain.node)
    assert {each.name for each in found} == {"missing-factor", "single-path"}
    assert any("∂a_21/∂h_11 is missing" in each.detail for each in found)


def test_free_indices_are_all_looked_at(base):
    """∂L/∂w_2ij = δ_2i a_1j and ∂L/∂a_2i = [i = ℓ] - ŷ_i, for all i and j."""
    i, j = Index("i"), Index("j")
    w, delta = Element("w", (Index("", 2), i, j)), Element("delta", (Index("", 2), i))
    wrong = Product((delta, Element("a", (Index("", 1), j))))
    found = diagnose(base, Derivative(LOSS, w), wrong)
    assert [each.name for each in found] == ["preactivation-for-activation"]
    indicator = Indicator(Comparison(Letter(i), "=", Letter(Index(ELL))))
    wrong = F(indicator) - F(Element("yhat", (i,)))
    assert diagnose(base, Derivative(LOSS, Element("a", delta.indices)), wrong.node)[0].name == (
        "sign-flipped"
    )


# --------------------------------------------------------------------------------- the contract

CONTRACT = """
sign-flipped constant-factor missing-path single-path path-sign missing-activation-derivative
activation-for-derivative partial-activation-derivative wrong-activation-derivative
derivative-at-activation repeated-activation-derivative activation-derivative-sign
derivative-of-another-neuron transposed-weight weight-of-wrong-layer missing-weight
weight-for-activation average-for-sum missing-input-factor preactivation-for-activation
activation-of-wrong-layer wrong-input-index another-weights-gradient softmax-diagonal-only
softmax-off-diagonal-sign missing-log-derivative spurious-output-derivative stopped-at-output
wrong-loss missing-target-or-output quotient-rule exponent-rule lost-inner-derivative
missing-forward-term matrix-layout descent-direction stale-weights index-order paths-multiplied
rounding missing-factor spurious-factor missing-term spurious-term arithmetic
"""


def test_every_name_of_the_contract_is_explained():
    """Each has an identity and an example, and each is said in an order that is fixed."""
    assert set(CONTRACT.split()) <= MISTAKES.keys()
    for name, mistake in MISTAKES.items():
        assert mistake.name == name
        assert len(mistake.identity) > 10
        assert len(mistake.example) > 5
        assert mistake.identity != mistake.example
    assert [rank(name) for name in MISTAKES] == list(range(len(MISTAKES)))


def test_the_right_side_stands_beside_the_mistake(base):
    """In the canonical spelling, for a weight, a forward line and an array."""
    (first, *_) = diagnose(base, Derivative(LOSS, w212.node), ((y1 - p1) * h12).node)
    assert first.correct == "(ŷ_1 - y_1)·h_12"
    (forward, *_) = diagnose(base, h11.node, q("a", 1, 1).node)
    assert "a_11" in forward.correct
    (matrix, *_) = diagnose(base, d(L, W2).node, (hs * turned(delta2)).node)
    assert matrix.correct == "δ_2 h_1ᵀ"
    (hidden, *_) = diagnose(base, delta1.node, (turned(W2) * delta2).node)
    assert hidden.correct == "W_2ᵀ δ_2 ⊙ h_1 ⊙ (1 - h_1)"


def test_weights_with_swapped_indices_are_named_out_of_range_too(s4):
    """a_21 = b_21 + Σ_j w_2j1 h_1j, though there is no w_231."""
    j = Index("j")
    term = Product((Element("w", (Index("", 2), j, Index("", 1))), Element("h", (Index("", 1), j))))
    wrong = q("b", 2, 1) + F(Sum("j", term, 1, Index("", 4)))
    (found,) = diagnose(s4, a21.node, wrong.node)
    assert found.name == "index-order"
    assert found.correct == "b_21 + Σ_{j=1}^{4} w_{2,1,j}·h_{1,j}"


def test_a_name_of_the_page_is_looked_into(base):
    """A line that uses Δ_1 = ŷ_1 - y_1 is compared by what Δ_1 is."""
    definition = Definition(1, 1, "", "Δ", (Index("", 1),), (p1 - y1).node)
    known = Assumptions(definitions=(definition,))
    wrong = Product((Named("Δ", (Index("", 1),)), q("a", 1, 2).node))
    found = diagnose(base, Derivative(LOSS, w212.node), wrong, assumptions=known)
    assert [each.name for each in found] == ["preactivation-for-activation"]


def test_what_has_no_value_is_not_explained(base):
    """A division by zero, an index that numbers nothing, an array that does not fit."""
    truth = Derivative(LOSS, w212.node)
    for wrong in (h12 / (p1 - p1), q("h", 1, 7), W2 * delta1, call("nothing", h12)):
        assert diagnose(base, truth, wrong.node) == ()


def test_a_side_that_takes_too_long_is_not_explained(base):
    """Nested sums: 10⁵ visits are not made for each mistake."""
    node = h12.node
    for letter in "uvstr":
        node = Sum(letter, Product((node, Letter(Index(letter)))), 1, Index("", 12))
    assert diagnose(base, Derivative(LOSS, w212.node), node) == ()


def test_of_a_wide_network_the_paths_are_named():
    """10-8-8-3: 24·3 paths; one neuron's are missing."""
    layers = [(8, "sigmoid"), (8, "tanh"), (3, "softmax")]
    judge = Judge(sb.Network(10, layers, loss="cross_entropy"))
    sheet = Sheet((10, 8, 8, 3), ("sigmoid", "tanh", "softmax"), "cross_entropy")
    whole = sheet.contributions(1, 5)
    wrong = add(whole[:3] + whole[4:]) * sheet.slope(1, 5) * q("x", 2)
    (found,) = diagnose(judge, Derivative(LOSS, q("w", 1, 5, 2).node), wrong.node)
    assert found.name == "missing-path"
    assert found.detail.startswith("63 of 72 paths; missing w_152 → a_15 → h_15 → a_24 → h_24")


def test_a_loss_that_declares_no_slope_is_told_apart_all_the_same(base, monkeypatch):
    """Its derivative is found by calculus; no wrong line becomes an error of symback's."""
    monkeypatch.setitem(LOSSES, "cubic", Loss("cubic", "(y - yhat)**3"))
    own = Judge(sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy"))
    told = diagnose(own, Derivative(LOSS, p1.node), (F(-3) * (y1 - p1) ** 2).node)
    assert ("wrong-loss", "cubic" in told[0].detail) == (told[0].name, True)
    assert names(own, w212, (y1 - p1) * h12)[0] == "sign-flipped"
