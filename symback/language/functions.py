"""The catalogue: every activation, output function and loss, **one entry each**.

Adding a function means adding one row to `ACTIVATIONS` or `LOSSES` (or handing an `Activation` or
a `Loss` of one's own to `symback.Network`); equations, derivatives, sheets, numbers and checks
follow from the row.  A row gives

* ``formula``: the function itself, in z for an activation, in y and yhat for one output of a loss;
* ``slope``: its derivative as one wants to read it, in z and h (the value itself), or in y and
  yhat.  It is not believed: `symback.engine.calculus` differentiates the formula and refuses a row
  whose slope is not that derivative.  Without a slope, the derivative is printed as it comes, or in
  terms of h where such a form can be proved;
* ``latex``/``text``: how the function is written when it is only named, and ``title`` how a
  sentence calls it (without one, by its name);
* ``convention``: what symback does where the function has no derivative;
* ``facts``: what may be assumed of the quantities, used only in a step that names the fact.

Sources of the formulas: Goodfellow, Bengio, Courville, *Deep Learning* (2016), ch. 6 (sigmoid,
tanh, relu, softplus, softmax, cross-entropy); Clevert et al. 2016 (elu, with alpha = 1); Hendrycks
and Gimpel 2016 (gelu, the exact form with erf; silu); Maas et al. 2013 (leaky relu, slope 0.01);
Huber 1964 (huber, with delta = 1).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ACTIVATIONS",
    "LOSSES",
    "Activation",
    "Fact",
    "Loss",
    "SoftMax",
    "spoken",
]


@dataclass(frozen=True, slots=True)
class Activation:
    """A function applied to each neuron by itself: h_i = g(a_i).

    ``formula`` is text in z; ``slope`` is text in z and h, or empty.
    """

    name: str
    formula: str
    slope: str = ""
    latex: str = ""
    text: str = ""
    convention: str = ""
    facts: tuple[Fact, ...] = ()
    title: str = ""

    coupled = False


@dataclass(frozen=True, slots=True)
class SoftMax:
    """h_i = e^{z_i} / Σ_m e^{z_m}: every value depends on every z of the layer."""

    name: str = "softmax"
    latex: str = r"\operatorname{softmax}"
    text: str = "softmax"
    convention: str = ""
    facts: tuple[Fact, ...] = ()
    title: str = ""

    coupled = True


@dataclass(frozen=True, slots=True)
class Fact:
    """Something true of a vector by what it means, such as Σ_i y_i = 1; ``of`` is y or yhat."""

    of: str
    total: int
    because: str


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss that sums one term an output; ``formula`` and ``slope`` are text in y and yhat."""

    name: str
    formula: str
    slope: str = ""
    convention: str = ""
    facts: tuple[Fact, ...] = ()
    uses_target: bool = True
    title: str = ""


PROBABILITIES = Fact("yhat", 1, "the outputs of a softmax sum to one")
DISTRIBUTION = Fact("y", 1, "the target is a distribution over the classes (one-hot, for a label)")

_AT_ZERO = "The slope of {name} at 0, where it has none, is taken to be {value}."

_ACTIVATION_ROWS: tuple[Activation | SoftMax, ...] = (
    # name          value                                        derivative
    Activation("linear", "z", "1", latex=r"\operatorname{id}", text="id"),
    Activation("sigmoid", "1/(1+exp(-z))", "h*(1-h)", latex=r"\sigma", text="σ"),
    Activation("tanh", "tanh(z)", "1-h**2", latex=r"\tanh", text="tanh"),
    Activation(
        "relu", "max(0,z)", "where(z>0,1,0)",
        latex=r"\operatorname{ReLU}", text="ReLU", title="ReLU",
        convention=_AT_ZERO.format(name="ReLU", value="0"),
    ),
    Activation(
        "leaky_relu", "where(z>0,z,0.01*z)", "where(z>0,1,0.01)",
        latex=r"\operatorname{leaky\,ReLU}", text="leaky_ReLU", title="leaky ReLU",
        convention=_AT_ZERO.format(name="leaky ReLU", value="0.01"),
    ),
    Activation(
        "elu", "where(z>0,z,exp(z)-1)", "where(z>0,1,h+1)",
        latex=r"\operatorname{ELU}", text="ELU", title="ELU",
    ),
    Activation(
        "gelu", "z*(1+erf(z/sqrt(2)))/2", "(1+erf(z/sqrt(2)))/2+z*exp(-z**2/2)/sqrt(2*pi)",
        latex=r"\operatorname{GELU}", text="GELU", title="GELU",
    ),
    Activation(
        "silu", "z/(1+exp(-z))", "h+(1-h)/(1+exp(-z))",
        latex=r"\operatorname{SiLU}", text="SiLU", title="SiLU",
    ),
    Activation("softplus", "log(1+exp(z))", "1/(1+exp(-z))"),
    SoftMax(facts=(PROBABILITIES,)),
)  # fmt: skip

_LOSS_ROWS = (
    # name                  one output's term                       its derivative by yhat
    Loss("squared_error", "(y-yhat)**2", "-2*(y-yhat)"),
    Loss("half_squared_error", "(y-yhat)**2/2", "-(y-yhat)"),
    Loss(
        "cross_entropy", "-y*log(yhat)", "-y/yhat", facts=(DISTRIBUTION,), title="cross-entropy",
    ),
    Loss(
        "binary_cross_entropy", "-(y*log(yhat)+(1-y)*log(1-yhat))", "-y/yhat+(1-y)/(1-yhat)",
        title="binary cross-entropy",
    ),
    Loss(
        "absolute_error", "abs(y-yhat)", "-sign(y-yhat)",
        convention="The slope of |y - yhat| where y = yhat, where it has none, is taken to be 0.",
    ),
    Loss(
        "huber", "where(abs(y-yhat)<=1,(y-yhat)**2/2,abs(y-yhat)-1/2)",
        "where(abs(y-yhat)<=1,-(y-yhat),-sign(y-yhat))", title="Huber loss",
    ),
    Loss("output", "yhat", "1", uses_target=False, title="the output itself"),
)  # fmt: skip

ACTIVATIONS: dict[str, Activation | SoftMax] = {row.name: row for row in _ACTIVATION_ROWS}
LOSSES: dict[str, Loss] = {row.name: row for row in _LOSS_ROWS}


def spoken(row: Activation | SoftMax | Loss) -> str:
    """What a sentence calls the function: ``leaky ReLU``, ``squared error``."""
    return row.title or row.name.replace("_", " ")
