"""Throw-away rows of the catalogue, smooth and kinked, with a slope and without, in every consumer.

A row added to the catalogue is all that a new function needs: sheets, matrix form, kernel, check of
lines and of arrays, and diagnosis take it from there.  The referee is a forward pass typed here and
its central differences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

import symback as sb
from symback.language.functions import ACTIVATIONS, LOSSES, Activation, Loss

STEP = 1e-6
NEAR = 1e-3
"""No number of a test lies nearer to a kink than this."""


@dataclass(frozen=True)
class Row:
    """A row, what it computes in NumPy, and where its slope jumps."""

    formula: str
    slope: str
    computed: Callable[..., Any]
    kinks: tuple[float, ...] = ()

    def __str__(self) -> str:
        return f"{self.formula}{' without' * (not self.slope)}"


ROWS = [
    Row("max(z,0)", "where(z>0,1,0)", lambda z: np.maximum(z, 0), (0,)),
    Row("where(z>2.7,z-2.7,0)", "where(z>2.7,1,0)", lambda z: np.maximum(z - 2.7, 0), (2.7,)),
    Row("min(max(z,0),6)", "", lambda z: np.clip(z, 0, 6), (0, 6)),
    Row("where(z>0,where(z<2.7,z,2.7),0)", "", lambda z: np.clip(z, 0, 2.7), (0, 2.7)),
    Row("abs(z-2.7)", "sign(z-2.7)", lambda z: np.abs(z - 2.7), (2.7,)),
    Row("where(z<2.7,z**2,5.4*z-7.29)", "where(z<2.7,2*z,5.4)",
        lambda z: np.where(z < 2.7, z**2, 5.4 * z - 7.29), (2.7,)),
    Row("max(z,0)*min(z,2.7)", "", lambda z: np.maximum(z, 0) * np.minimum(z, 2.7), (0, 2.7)),
    Row("sin(z)+z/2", "cos(z)+1/2", lambda z: np.sin(z) + z / 2),
    Row("atan(z)", "1/(1+z**2)", np.arctan),
]  # fmt: skip

LOSS_ROWS = [
    Row("(y-yhat)**4", "-4*(y-yhat)**3", lambda y, p: (y - p) ** 4),
    Row("abs(y-yhat)", "-sign(y-yhat)", lambda y, p: np.abs(y - p), (0,)),
    Row("max(abs(y-yhat)-2.7,0)", "", lambda y, p: np.maximum(np.abs(y - p) - 2.7, 0),
        (0, 2.7, -2.7)),
    Row("where(abs(y-yhat)<=2.7,(y-yhat)**2/2,2.7*abs(y-yhat)-3.645)",
        "where(abs(y-yhat)<=2.7,-(y-yhat),-2.7*sign(y-yhat))",
        lambda y, p: np.where(np.abs(y - p) <= 2.7, (y - p) ** 2 / 2, 2.7 * np.abs(y - p) - 3.645),
        (0, 2.7, -2.7)),
]  # fmt: skip

PLAIN = Row("1/(1+exp(-z))", "h*(1-h)", lambda z: 1 / (1 + np.exp(-z)))
SQUARED = Row("(y-yhat)**2", "-2*(y-yhat)", lambda y, p: (y - p) ** 2)


@dataclass(frozen=True)
class Thrown:
    """A network with a row of its own, and its numbers."""

    net: sb.Network
    numbers: dict[str, Any]
    hidden: Row
    loss: Row

    def value(self, params: dict[str, np.ndarray]) -> float:
        """The loss, typed from the textbook."""
        a1 = params["W1"] @ np.array(self.numbers["x"]) + params["b1"]
        output = params["W2"] @ self.hidden.computed(a1) + params["b2"]
        return float(np.sum(self.loss.computed(np.array(self.numbers["y"]), output)))

    @property
    def params(self) -> dict[str, np.ndarray]:
        return {name: np.array(self.numbers[name]) for name in ("W1", "b1", "W2", "b2")}

    def gradients(self) -> dict[str, np.ndarray]:
        """Central differences, one number after the other."""
        found = {}
        for name, array in self.params.items():
            found[name] = np.zeros(array.shape)
            for place in np.ndindex(array.shape):
                ends = []
                for move in (STEP, -STEP):
                    moved = {other: each.copy() for other, each in self.params.items()}
                    moved[name][place] += move
                    ends.append(self.value(moved))
                found[name][place] = (ends[0] - ends[1]) / (2 * STEP)
        return found


def numbers(hidden: Row, loss: Row, seed: int) -> dict[str, Any]:
    """Numbers on both sides of the kinks, and not near them."""
    for attempt in range(1000):
        rng = np.random.default_rng([seed, attempt])
        drawn = {
            "x": rng.uniform(-1.5, 1.5, 2), "y": rng.uniform(-6, 6, 2),
            "W1": rng.uniform(-3, 3, (3, 2)), "b1": rng.uniform(-2, 4, 3),
            "W2": rng.uniform(-1.5, 1.5, (2, 3)), "b2": rng.uniform(-1, 1, 2),
        }  # fmt: skip
        a1 = drawn["W1"] @ drawn["x"] + drawn["b1"]
        gaps = drawn["y"] - drawn["W2"] @ hidden.computed(a1) - drawn["b2"]
        sides = {tuple(np.sign(a - np.array(hidden.kinks))) for a in a1}
        far = all(abs(a - k) > NEAR for a in a1 for k in hidden.kinks)
        far = far and all(abs(gap - k) > NEAR for gap in gaps for k in loss.kinks)
        if far and (not hidden.kinks or len(sides) > 1):
            return {name: np.round(array, 4).tolist() for name, array in drawn.items()}
    raise AssertionError("no numbers on both sides")


def with_and_without(hidden: Row, loss: Row) -> Iterator[tuple[Row, Row]]:
    """The rows with their slopes, and without."""
    if hidden.slope and loss.slope:
        yield hidden, loss
    yield replace(hidden, slope=""), replace(loss, slope="")


THROWN = [
    *(pair for row in ROWS for pair in with_and_without(row, SQUARED)),
    *(pair for row in LOSS_ROWS for pair in with_and_without(PLAIN, row)),
    *((ROWS[k], LOSS_ROWS[k]) for k in (1, 2, 3)),
]


@cache
def made(hidden: Row, loss: Row) -> Thrown:
    """The network of two rows that stand in the catalogue."""
    values = numbers(hidden, loss, len(hidden.formula))
    net = sb.Network(2, [(3, "thrown"), (2, "linear")], loss="away", values=values)
    return Thrown(net, values, hidden, loss)


@pytest.fixture(params=THROWN, ids=lambda rows: " ".join(map(str, rows)))
def thrown(request, monkeypatch) -> Thrown:
    """Every row, in the catalogue for the time of one test."""
    hidden, loss = request.param
    monkeypatch.setitem(ACTIVATIONS, "thrown", Activation("thrown", hidden.formula, hidden.slope))
    monkeypatch.setitem(LOSSES, "away", Loss("away", loss.formula, loss.slope))
    return made(hidden, loss)


WEIGHTS = ("w_112", "w_131", "w_212", "b_12", "a_11", "h_12")


@pytest.mark.parametrize("style", ["scalar", "array"])
def test_kernel(thrown, style):
    """Loss and gradients of both kernels are those of the forward pass typed here."""
    kernel = thrown.net.kernel(style)
    loss, gradients = kernel(thrown.params, thrown.numbers["x"], thrown.numbers["y"])
    assert loss == pytest.approx(thrown.value(thrown.params), rel=1e-12, abs=1e-12)
    for name, wanted in thrown.gradients().items():
        np.testing.assert_allclose(gradients[name], wanted, rtol=1e-6, atol=1e-6)


def test_numbers(thrown):
    """What `evaluate` and a derivation say is the central difference too."""
    wanted = thrown.gradients()
    assert thrown.net.derive("w_112").value == pytest.approx(wanted["W1"][0][1], rel=1e-6, abs=1e-6)
    found = thrown.net.evaluate()["gradients"]
    np.testing.assert_allclose(np.array(found["W2"], float), wanted["W2"], rtol=1e-6, atol=1e-6)


def test_sheet(thrown):
    """The sheet of the network and of a derivation is made in every form."""
    for form in ("html", "tex", "md", "txt"):
        assert "thrown" in thrown.net.sheet(form)
        assert thrown.net.derive("w_112").sheet(form)


def test_matrix(thrown):
    """The matrix form is proved and printed."""
    form = thrown.net.matrix_form()
    assert "∇W_1 = " in form.text()
    assert form.latex()


def test_check(thrown):
    """What symback derives is right line by line, read back from its own text and LaTeX."""
    for name in WEIGHTS:
        derivation = thrown.net.derive(name)
        for page in (derivation.text(), derivation.latex()):
            report = sb.check(page, thrown.net)
            bad = [line for line in report.lines if line.verdict.value not in ("proved", "text")]
            assert not bad, str(report)


WRONG = [
    "∂L/∂w_112 = -({truth})",
    "∂L/∂w_112 = 2·({truth})",
    "∂L/∂w_112 = ({truth}) + 1",
    "∂L/∂w_112 = (∂L/∂a_21·w_211)·∂h_11/∂a_11·x_2",
    "∂L/∂w_112 = (∂L/∂a_21·w_211 + ∂L/∂a_22·w_221)·x_2 + 3",
    "∂L/∂w_112 = (∂L/∂a_21·w_211 + ∂L/∂a_22·w_221)·∂h_11/∂a_11·x_1",
    "∂L/∂w_112 = (∂L/∂a_21·w_211 + ∂L/∂a_22·w_221)·∂h_12/∂a_12·x_2",
    "∂L/∂w_212 = (ŷ_1 - y_1)^2·h_12",
    "∂L/∂a_21 = (y_1 - ŷ_1)·ŷ_1·(1 - ŷ_1)",
    "∂h_11/∂a_11 = h_11·(1 - h_11) + 7",
]
TRUTH = "(∂L/∂a_21·w_211 + ∂L/∂a_22·w_221)·∂h_11/∂a_11·x_2"


def test_diagnosis(thrown):
    """A wrong line is refuted, and looked into without an exception."""
    for line in WRONG:
        report = sb.check(line.format(truth=TRUTH), thrown.net)
        assert report.verdict.value == "refuted", str(report)
        assert report.lines[0].correct
        assert str(report)


def test_its_name_on_a_page(thrown):
    """A user's activation is called by its name; so is its derivative."""
    assert sb.check("h_11 = thrown(a_11)", thrown.net).verdict.value == "proved"
    assert sb.check("h_11 = thrown(a_12)", thrown.net).verdict.value == "refuted"
    assert sb.check("∂h_11/∂a_11 = thrown'(a_11)", thrown.net).verdict.value == "proved"
    assert sb.check("∂h_11/∂a_11 = g'(a_11)", thrown.net).verdict.value == "proved"


def test_other_networks_are_not_disturbed(thrown):
    """With the row in the catalogue, wrong lines of other networks are diagnosed as before."""
    net = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
    for line in ("∂L/∂w_212 = (y_1 - ŷ_1)·h_12", "∂L/∂w_112 = 5", "∂L/∂a_21 = -(y_1 - ŷ_1)·2"):
        assert sb.check(line, net).verdict.value == "refuted"


def arrays(thrown: Thrown) -> dict[str, np.ndarray]:
    """What a student's program hands in: central differences are too coarse, so the kernel's."""
    _, gradients = thrown.net.kernel()(thrown.params, thrown.numbers["x"], thrown.numbers["y"])
    return {f"d{name}": np.array(array) for name, array in gradients.items()}


def test_arrays(thrown):
    """Right arrays are not blamed, an array with another sign is refuted and looked into."""
    right = arrays(thrown)
    assert sb.check_arrays(right, thrown.net), "right arrays"
    for name in ("dW1", "db2"):
        if np.abs(right[name]).max() > 1e-9:
            report = sb.check_arrays({**right, name: -right[name]}, thrown.net)
            assert report[name].verdict.value == "refuted", str(report)


def test_descent(thrown):
    """One step of gradient descent follows the central differences."""
    path = thrown.net.descend(epochs=1, rate=1e-3)
    moved = thrown.params["W1"] - 1e-3 * thrown.gradients()["W1"]
    np.testing.assert_allclose(path.parameters["W1"], moved, rtol=1e-6, atol=1e-8)


def test_figure(thrown):
    """The picture is drawn, and calls the function by its name."""
    assert any("thrown" in repr(item) for item in thrown.net.figure("w_112").items)
