"""The recipes of the house, followed on throw-away examples: one row is all that is added."""

from __future__ import annotations

import pytest

import symback as sb
from backprop import Net, backprop
from reports import table
from symback.checking.correct import Kind
from symback.checking.mistakes import MISTAKES, Making, Mistake, rank

# ------------------------------------------------------------------------------- add a mistake

CUBED = Mistake(
    "cubed-activation",
    "h³ stands where g′(a) belongs",
    "∂L/∂w_112 = [(ŷ_1 - y_1)·w_211 + (ŷ_2 - y_2)·w_221]·h_11³·x_2",
    (
        Making(
            (Kind.SLOPE,),
            lambda factor: factor.child**3,
            says="{child}³ stands where {factor} = g′({parent}) belongs",
            throughout="the cubes of layer {layer} stand where g′(a) belongs",
            whole="{child}³ stands where g′({parent}) belongs",
        ),
    ),
)


@pytest.fixture
def cubed(monkeypatch):
    """The row in the table, for the time of one test."""
    monkeypatch.setitem(MISTAKES, CUBED.name, CUBED)


def on_a_page(line: str) -> list[tuple[str, str]]:
    """What is said of a line, by a network that knows nothing of other tests."""
    net = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
    (found,) = sb.check(line, net).lines
    return [(each.name, each.detail) for each in found.diagnosis]


def in_arrays() -> list[tuple[str, str]]:
    """What is said of δ_1 = ∂L/∂h_1 ⊙ h_1³."""
    net = Net((3, 4, 2), "sigmoid", "softmax", "cross_entropy", batch=4, seed=3).drawn()
    right = backprop(net)
    wrong = right["dh1"] * right["h1"] ** 3
    report = sb.check_arrays({"dh1": right["dh1"], "delta1": wrong}, net.network())
    return [(each.name, each.detail) for each in report["delta1"].diagnosis]


@pytest.mark.usefixtures("cubed")
def test_a_mistake_is_one_row():
    """It is found on a page, for one neuron and throughout, in arrays, and the docs list it."""
    one = CUBED.example
    assert on_a_page(one) == [(CUBED.name, "h_11³ stands where ∂h_11/∂a_11 = g′(a_11) belongs")]
    every = "∂L/∂x_1 = ∂L/∂h_11·h_11³·w_111 + ∂L/∂h_12·h_12³·w_121 + ∂L/∂h_13·h_13³·w_131"
    assert on_a_page(every) == [(CUBED.name, "the cubes of layer 1 stand where g′(a) belongs")]
    assert in_arrays() == [(CUBED.name, "h_1³ stands where g′(a_1) belongs")]
    assert f"| `{CUBED.name}` | {CUBED.identity} | `{CUBED.example}` |" in table()
    assert rank(CUBED.name) == len(MISTAKES) - 1


def test_without_the_row_the_mistake_has_no_name():
    """Nothing else explains those lines and arrays."""
    assert on_a_page(CUBED.example) == []
    assert in_arrays() == []
