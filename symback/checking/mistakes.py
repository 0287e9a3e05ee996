"""The mistakes that symback knows by name: what they are, and which is said first.

Here one can read what each name means: `MISTAKES`, a `Mistake` a name, with its identity and an
example (base case: 2-3-2, sigmoid, softmax, cross entropy; the target is ∂L/∂w_112 or ∂L/∂w_212
where nothing else is said).  The names are those of ``symback check --json``.

The order is that of a report, the most specific first: a rule of calculus or of softmax before a
factor that was mistaken for another, that before a choice of paths, and a sign or a number last.
`rank` gives the place of a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["MISTAKES", "Mistake", "Told", "rank"]


@dataclass(frozen=True, slots=True)
class Mistake:
    """A name, what is done wrong, and what a student writes (in the base case)."""

    name: str
    identity: str
    example: str


@dataclass(frozen=True, slots=True)
class Told:
    """A mistake by name and in words."""

    name: str
    text: str


_B = "[(ŷ_1 - y_1)·w_211 + (ŷ_2 - y_2)·w_221]"

_ROWS: tuple[tuple[str, str, str], ...] = (
    (
        "descent-direction",
        "the step of gradient descent goes up: w + η ∂L/∂w for w - η ∂L/∂w",
        "w_212 ← w_212 + η·∂L/∂w_212",
    ),
    (
        "stale-weights",
        "new weights are used in the pass that computes them",
        f"∂L/∂w_112 = {_B.replace('w_211', '(w_211 - η·∂L/∂w_211)')}·h_11·(1 - h_11)·x_2",
    ),
    (
        "softmax-diagonal-only",
        "only ∂ŷ_i/∂a_i of the softmax is used, not ∂ŷ_m/∂a_i",
        "∂L/∂w_212 = -y_1·(1 - ŷ_1)·h_12",
    ),
    (
        "softmax-off-diagonal-sign",
        "∂ŷ_m/∂a_i = -ŷ_m ŷ_i for m ≠ i, not +ŷ_m ŷ_i",
        "∂ŷ_1/∂a_22 = ŷ_1·ŷ_2",
    ),
    ("exponent-rule", "e^u e^v = e^(u+v), not e^(uv)", "e^(a_22)·e^(-a_21) = e^(-a_21·a_22)"),
    (
        "quotient-rule",
        "(u/v)′ = (u′v - uv′)/v², so (1/v)′ = -v′/v²",
        "d/da [1/(1 + e^(-a))] = -e^(-a)/(1 + e^(-a))²",
    ),
    (
        "lost-inner-derivative",
        "f(g(x))′ = f′(g(x))·g′(x): the g′(x) is missing",
        "d/dx log(1 - x) = 1/(1 - x)",
    ),
    (
        "product-rule",
        "(u v)′ = u′v + u v′, not u′v′",
        "d/dw (w²·e^w) = 2·w·e^w",
    ),
    (
        "missing-forward-term",
        "a term of the forward pass is left out",
        "a_21 = w_211·h_11 + w_212·h_12 + w_213·h_13",
    ),
    (
        "wrong-activation",
        "another function than the layer's",
        "h_11 = tanh(a_11)",
    ),
    (
        "missing-activation",
        "the function of the layer is not applied",
        "h_11 = a_11",
    ),
    (
        "wrong-bias-index",
        "another bias of the same layer",
        "a_21 = b_22 + w_211·h_11 + w_212·h_12 + w_213·h_13",
    ),
    (
        "matrix-layout",
        "a transpose too many or too few, or ⊙ for a matrix product",
        "∇_{W_2} L = h_1 δ_2ᵀ",
    ),
    (
        "missing-log-derivative",
        "the derivative of log ŷ is 1/ŷ; it was left out",
        "∂L/∂w_212 = [-y_1·ŷ_1·(1 - ŷ_1) + y_2·ŷ_1·ŷ_2]·h_12",
    ),
    (
        "spurious-output-derivative",
        "∂L/∂a already holds the output function's derivative; it is multiplied in again",
        "∂L/∂w_212 = (ŷ_1 - y_1)·ŷ_1·(1 - ŷ_1)·h_12",
    ),
    (
        "stopped-at-output",
        "∂L/∂ŷ stands where ∂L/∂a belongs: the output function's derivative is missing",
        "∂L/∂w_212 = -y_1/ŷ_1·h_12",
    ),
    (
        "missing-target-or-output",
        "of ŷ - y only one is there",
        "∂L/∂w_212 = ŷ_1·h_12",
    ),
    (
        "derivative-of-another-neuron",
        "g′ is taken at the preactivation of another neuron",
        f"∂L/∂w_112 = {_B}·h_12·(1 - h_12)·x_2",
    ),
    (
        "derivative-at-activation",
        "g′ is taken at h, not at a",
        f"∂L/∂w_112 = {_B}·σ′(h_11)·x_2",
    ),
    (
        "repeated-activation-derivative",
        "g′ is multiplied in twice",
        f"∂L/∂w_112 = {_B}·(h_11·(1 - h_11))²·x_2",
    ),
    (
        "activation-derivative-sign",
        "a sign within g′ is wrong",
        f"∂L/∂w_112 = {_B}·h_11·(1 + h_11)·x_2",
    ),
    (
        "missing-activation-derivative",
        "g′(a) is missing",
        f"∂L/∂w_112 = {_B}·x_2",
    ),
    (
        "activation-for-derivative",
        "h stands where g′(a) belongs",
        f"∂L/∂w_112 = {_B}·h_11·x_2",
    ),
    (
        "partial-activation-derivative",
        "only a part of g′(a) is there",
        f"∂L/∂w_112 = {_B}·(1 - h_11)·x_2",
    ),
    (
        "wrong-activation-derivative",
        "g′ of another activation",
        f"∂L/∂w_112 = {_B}·(1 - h_11²)·x_2",
    ),
    (
        "transposed-weight",
        "w_kji stands where w_kij belongs",
        f"∂L/∂w_112 = {_B.replace('w_221', 'w_212')}·h_11·(1 - h_11)·x_2",
    ),
    (
        "weight-of-wrong-layer",
        "the weight of another layer",
        f"∂L/∂w_112 = {_B.replace('w_221', 'w_121')}·h_11·(1 - h_11)·x_2",
    ),
    (
        "missing-weight",
        "∂a/∂h = w is missing",
        "∂L/∂w_112 = [(ŷ_1 - y_1) + (ŷ_2 - y_2)]·h_11·(1 - h_11)·x_2",
    ),
    (
        "activation-for-weight",
        "∂a/∂h is taken for h; it is w",
        f"∂L/∂w_112 = {_B.replace('w_211', 'h_11').replace('w_221', 'h_11')}·h_11·(1 - h_11)·x_2",
    ),
    (
        "wrong-weight-index",
        "another weight of the same layer",
        f"∂L/∂w_112 = {_B.replace('w_221', 'w_222')}·h_11·(1 - h_11)·x_2",
    ),
    (
        "weight-for-activation",
        "∂a/∂w is taken for w; it is h of the layer before",
        "∂L/∂w_212 = (ŷ_1 - y_1)·w_212",
    ),
    (
        "missing-input-factor",
        "∂a/∂w = h is missing: this is the gradient of the bias",
        "∂L/∂w_212 = ŷ_1 - y_1",
    ),
    (
        "preactivation-for-activation",
        "a stands where h belongs",
        "∂L/∂w_212 = (ŷ_1 - y_1)·a_12",
    ),
    (
        "wrong-input-index",
        "h of another neuron of the right layer",
        "∂L/∂w_212 = (ŷ_1 - y_1)·h_13",
    ),
    (
        "activation-of-wrong-layer",
        "h of another layer",
        "∂L/∂w_212 = (ŷ_1 - y_1)·h_21",
    ),
    (
        "sign-flipped",
        "the sign is wrong, or y and ŷ are swapped",
        "∂L/∂w_212 = (y_1 - ŷ_1)·h_12",
    ),
    (
        "paths-multiplied",
        "contributions are multiplied that should be added",
        "∂L/∂w_112 = (ŷ_1 - y_1)·w_211·(ŷ_2 - y_2)·w_221·h_11·(1 - h_11)·x_2",
    ),
    (
        "average-for-sum",
        "the mean of the contributions stands where their sum belongs",
        f"∂L/∂w_112 = ½·{_B}·h_11·(1 - h_11)·x_2",
    ),
    (
        "missing-path",
        "one or more paths are left out",
        "∂L/∂w_112 = (ŷ_1 - y_1)·w_211·h_11·(1 - h_11)·x_2",
    ),
    (
        "single-path",
        "of a sum over paths only one is there",
        "∂L/∂w_112 = (ŷ_1 - y_1)·w_211·h_11·(1 - h_11)·x_2",
    ),
    (
        "path-sign",
        "a path is subtracted that should be added",
        "∂L/∂w_112 = [(ŷ_1 - y_1)·w_211 - (ŷ_2 - y_2)·w_221]·h_11·(1 - h_11)·x_2",
    ),
    (
        "constant-factor",
        "a number too many or too few: 2, ½, n, 1/n",
        "∂L/∂w_212 = 2·(ŷ_1 - y_1)·h_12",
    ),
    (
        "wrong-loss",
        "the derivative of another loss",
        "∂L/∂w_212 = 2·(ŷ_1 - y_1)·h_12",
    ),
    (
        "another-weights-gradient",
        "the right derivative, but by another weight",
        "∂L/∂w_212 = (ŷ_2 - y_2)·h_11",
    ),
    (
        "index-order",
        "every w_kij is read as w_kji: from neuron i into neuron j",
        "∂L/∂w_212 = (ŷ_2 - y_2)·h_11",
    ),
    (
        "missing-factor",
        "a factor is missing, found by the ratio to the right side",
        "∂ŷ_1/∂a_21 = 1 - ŷ_1",
    ),
    (
        "spurious-factor",
        "a factor too many, found by the ratio to the right side",
        "∂ŷ_1/∂a_21 = ŷ_1·(1 - ŷ_1)·(-a_22)",
    ),
    (
        "missing-term",
        "a term is missing, found by the difference from the right side",
        "s = -y",
    ),
    (
        "spurious-term",
        "a term too many, found by the difference from the right side",
        "∂L/∂w_212 = (ŷ_1 - y_1)·h_12 + w_212",
    ),
    ("rounding", "a rounded number is carried on", "0.138 carried on as 0.14"),
    (
        "arithmetic",
        "a number that does not follow from the line's own numbers",
        "0.5·0.3 = 0.18",
    ),
)

MISTAKES: Mapping[str, Mistake] = {row[0]: Mistake(*row) for row in _ROWS}
"""Every mistake by its name, the most specific first."""

_RANKS = {name: place for place, name in enumerate(MISTAKES)}


def rank(name: str) -> int:
    """The place of a name in a report."""
    return _RANKS[name]
