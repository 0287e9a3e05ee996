"""The functions that symback knows, **one row each**: elementary ones, activations, losses.

Adding a function means adding one row to `ELEMENTARY`, `ACTIVATIONS` or `LOSSES` (or handing an
`Activation` or a `Loss` of one's own to `symback.Network`); equations, derivatives, sheets, matrix
forms, kernels, numbers and checks look up here what they need.  A row gives

* ``formula``: the function itself, in z for an activation, in y and yhat for one output of a loss;
* ``slope``: its derivative as one wants to read it, in z and h (the value itself), or in y and
  yhat.  It is not believed: `symback.engine.calculus` differentiates the formula and refuses a row
  whose slope is not that derivative.  Without a slope, the derivative is printed as it comes, or in
  terms of h where such a form can be proved;
* ``latex``/``text``: how the function is written when it is only named, ``title`` how a sentence
  calls it (without one, by its name), and ``words`` what else a page may call it;
* ``convention``: what symback does where the function has no derivative;
* ``facts``: what may be assumed of the quantities, used only in a step that names the fact;
* ``stable``: formulas that lose no digits, which kernels compute once they are proved.

This file is facts alone.  `symback.language.reading` reads the formulas, `symback.language.algebra`
makes SymPy's expressions of them.

Sources of the formulas: Goodfellow, Bengio, Courville, *Deep Learning* (2016), ch. 6 (sigmoid,
tanh, relu, softplus, softmax, cross-entropy); Clevert et al. 2016 (elu, with alpha = 1); Hendrycks
and Gimpel 2016 (gelu, the exact form with erf; silu); Maas et al. 2013 (leaky relu, slope 0.01);
Huber 1964 (huber, with delta = 1).
"""

from __future__ import annotations

from dataclasses import dataclass

# -------------------------------------------------------------------------- elementary functions


@dataclass(frozen=True, slots=True)
class Function:
    """A function that formulas call and that no other function stands for.

    Formulas are text in z.  ``slope`` is empty for a function of several numbers, whose slope is
    that of the argument that wins.  A function with neither ``exponentials`` nor ``convention`` is
    opaque to the checker's exact arithmetic: equal arguments have equal values, and an ``odd`` one
    changes its sign with its argument.
    """

    name: str
    slope: str = ""
    exponentials: str = ""
    """The function as exponentials, with i² = -1 (Euler)."""
    domain: str = ""
    """Where it has a value, if it has none elsewhere: a comparison of z."""
    bounds: tuple[str, str] = ("", "")
    """Between which numbers its values lie; an empty one is no bound."""
    rises: bool = False
    odd: bool = False
    inner: str = ""
    """The function that it undoes: tan(atan z) = z; the other way round it holds on one period."""
    convention: str = ""
    """What its slope is taken to be where it jumps; {slope} is that of the argument that wins."""
    arguments: int = 1
    """How many it takes; 2 means two or more."""
    aliases: tuple[str, ...] = ()
    """What formulas may call it too."""
    words: tuple[str, ...] = ()
    """What pages may call it besides."""
    latex: str = ""
    text: str = ""
    """Its name in print; both are empty where it has signs of its own: e^z, √z, |z|."""
    sympy: str = ""
    """SymPy's word, where it is another; likewise the words of the engines of a kernel."""
    numpy: str = ""
    jax: str = ""
    torch: str = ""
    math: str = ""


_JUMP = "The slope of {} where u = 0, where it has none, is taken to be 0."
_TIE = "Where the arguments of {} are equal, its slope is taken to be {{slope}}."
_PLUS, _MINUS = "exp({0})+exp(-({0}))", "exp({0})-exp(-({0}))"
_SINE, _COSINE = f"({_MINUS.format('i*z')})/(2*i)", f"({_PLUS.format('i*z')})/2"

_ELEMENTARY_ROWS = (
    # name            slope
    Function("exp", "exp(z)", bounds=("0", ""), rises=True),
    Function(
        "log", "1/z", domain="z>0", rises=True, aliases=("ln",), latex=r"\log", text="log",
    ),
    Function("sqrt", "1/(2*sqrt(z))", domain="z>=0", bounds=("0", ""), rises=True),
    Function(
        "abs", "sign(z)", convention=_JUMP.format("|u|"), sympy="Abs", math="abs",
    ),
    Function(
        "sign", "0", convention=_JUMP.format("sign u"), odd=True, words=("sgn",),
        latex=r"\operatorname{sgn}", text="sgn", math="_sign",
    ),
    Function(
        "sin", "cos(z)", _SINE, bounds=("-1", "1"), odd=True, inner="asin",
        latex=r"\sin", text="sin",
    ),
    Function(
        "cos", "-sin(z)", _COSINE, bounds=("-1", "1"), inner="acos", latex=r"\cos", text="cos",
    ),
    Function(
        "tan", "1+tan(z)**2", f"({_SINE})/({_COSINE})", odd=True, inner="atan",
        latex=r"\tan", text="tan",
    ),
    Function(
        "asin", "1/sqrt(1-z**2)", domain="z**2<=1", bounds=("-pi/2", "pi/2"), rises=True, odd=True,
        aliases=("arcsin",), latex=r"\arcsin", text="arcsin", numpy="np.arcsin",
    ),
    Function(
        "acos", "-1/sqrt(1-z**2)", domain="z**2<=1", bounds=("0", "pi"),
        aliases=("arccos",), latex=r"\arccos", text="arccos", numpy="np.arccos",
    ),
    Function(
        "atan", "1/(1+z**2)", bounds=("-pi/2", "pi/2"), rises=True, odd=True,
        aliases=("arctan",), latex=r"\arctan", text="arctan", numpy="np.arctan",
    ),
    Function(
        "sinh", "cosh(z)", f"({_MINUS.format('z')})/2", rises=True, odd=True,
        latex=r"\sinh", text="sinh",
    ),
    Function(
        "cosh", "sinh(z)", f"({_PLUS.format('z')})/2", bounds=("1", ""),
        latex=r"\cosh", text="cosh",
    ),
    Function(
        "tanh", "1-tanh(z)**2", "(exp(2*z)-1)/(exp(2*z)+1)", bounds=("-1", "1"), rises=True,
        odd=True, latex=r"\tanh", text="tanh",
    ),
    Function(
        "erf", "2*exp(-z**2)/sqrt(pi)", bounds=("-1", "1"), rises=True, odd=True,
        latex=r"\operatorname{erf}", text="erf",
        numpy="_erf", jax="jax.scipy.special.erf", torch="torch.erf",
    ),
    Function(
        "min", arguments=2, convention=_TIE.format("min"), words=("minimum",), latex=r"\min",
        text="min", sympy="Min", numpy="np.minimum", math="min",
    ),
    Function(
        "max", arguments=2, convention=_TIE.format("max"), words=("maximum",), latex=r"\max",
        text="max", sympy="Max", numpy="np.maximum", math="max",
    ),
)  # fmt: skip

ELEMENTARY: dict[str, Function] = {row.name: row for row in _ELEMENTARY_ROWS}

BY_SYMPY: dict[str, Function] = {row.sympy or row.name: row for row in _ELEMENTARY_ROWS}
"""The same by the names of SymPy's classes."""

ABBREVIATIONS = {
    "sech": "1/cosh(z)", "csch": "1/sinh(z)", "coth": "1/tanh(z)",
    "sec": "1/cos(z)", "csc": "1/sin(z)", "cot": "1/tan(z)",
    "log10": "log(z)/log(10)", "log2": "log(z)/log(2)",
}  # fmt: skip
"""What pages, not formulas, may call a quotient of elementary functions."""


# ------------------------------------------------------------------------- activations and losses


@dataclass(frozen=True, slots=True)
class Stable:
    """How an activation h = g(z) is computed without losing digits.

    ``lets`` are shorthands that the other parts use.  ``residual`` is y - h, ``complement`` 1 - h,
    ``log`` log h, ``log_complement`` log(1 - h), ``slope_by_value`` h'/h, ``slope_by_complement``
    h'/(1 - h); all but value and slope may use ``h``.  `symback.kernels.forms` proves each part.
    """

    value: str
    slope: str
    lets: tuple[tuple[str, str], ...] = ()
    residual: str = "y-h"
    complement: str = "1-h"
    log: str = "log(h)"
    log_complement: str = "log1p(-h)"
    slope_by_value: str = "slope/h"
    slope_by_complement: str = "slope/complement"


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
    words: tuple[str, ...] = ()
    stable: Stable | None = None

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
    words: tuple[str, ...] = ("softmax", "Softmax")

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
    Activation(
        "linear", "z", "1", latex=r"\operatorname{id}", text="id", words=("id",),
        stable=Stable("z", "1"),
    ),
    Activation(
        "sigmoid", "1/(1+exp(-z))", "h*(1-h)", latex=r"\sigma", text="σ",
        words=("sigmoid", "logistic", "Sigmoid"),
        stable=Stable(
            lets=(("E", "exp(capped(-z))"), ("t", "exp(-abs(z))")),
            value="1/(1+E)",
            slope="E*h*h",
            residual="where(z>=0,(y-1)+E*h,y-h)",
            complement="E*h",
            log="min(z,0)-log1p(t)",
            log_complement="-max(z,0)-log1p(t)",
            slope_by_value="complement",
            slope_by_complement="h",
        ),
    ),
    Activation(
        "tanh", "tanh(z)", "1-h**2", latex=r"\tanh", text="tanh", words=("tanh", "Tanh"),
        stable=Stable(
            lets=(("t", "exp(-2*abs(z))"), ("d", "1+t")),
            value="tanh(z)",
            slope="4*t/d**2",
            residual="where(abs(z)>=1/2,(y-sign(z))+sign(z)*2*t/d,y-h)",
            complement="where(z>=0,2*t,2)/d",
            log_complement="log(2)-2*max(z,0)-log1p(t)",
            slope_by_complement="where(z>=0,2,2*t)/d",
        ),
    ),
    Activation(
        "relu", "max(0,z)", "where(z>0,1,0)",
        latex=r"\operatorname{ReLU}", text="ReLU", title="ReLU", words=("relu", "ReLU", "RELU"),
        convention=_AT_ZERO.format(name="ReLU", value="0"),
        stable=Stable("max(z,0)", "where(z>0,1,0)"),
    ),
    Activation(
        "leaky_relu", "where(z>0,z,0.01*z)", "where(z>0,1,0.01)",
        latex=r"\operatorname{leaky\,ReLU}", text="leaky_ReLU", title="leaky ReLU",
        words=("leaky_relu",),
        convention=_AT_ZERO.format(name="leaky ReLU", value="0.01"),
        stable=Stable("max(z,0.01*z)", "max(sign(z),0.01)"),
    ),
    Activation(
        "elu", "where(z>0,z,exp(z)-1)", "where(z>0,1,h+1)",
        latex=r"\operatorname{ELU}", text="ELU", title="ELU", words=("elu", "ELU"),
        stable=Stable(
            lets=(("t", "exp(min(z,0))"),),
            value="where(z>0,z,expm1(min(z,0)))",
            slope="t",
            residual="where(z<-1,(y+1)-t,y-h)",
        ),
    ),
    Activation(
        "gelu", "z*(1+erf(z/sqrt(2)))/2", "(1+erf(z/sqrt(2)))/2+z*exp(-z**2/2)/sqrt(2*pi)",
        latex=r"\operatorname{GELU}", text="GELU", title="GELU", words=("gelu", "GELU"),
        stable=Stable(
            lets=(("c", "normal(z)"), ("n", "near(z)"), ("r", "coarse(n)")),
            value="z*c",
            slope="c+n*exp(-r**2/2)*exp(-(n-r)*(n+r)/2)/sqrt(2*pi)",
        ),
    ),
    Activation(
        "silu", "z/(1+exp(-z))", "h+(1-h)/(1+exp(-z))",
        latex=r"\operatorname{SiLU}", text="SiLU", title="SiLU", words=("silu", "SiLU"),
        stable=Stable(
            lets=(("E", "exp(capped(-z))"), ("s", "1/(1+E)")),
            value="z*s",
            slope="s*(1+z*(E*s))",
        ),
    ),
    Activation(
        "softplus", "log(1+exp(z))", "1/(1+exp(-z))", words=("softplus", "Softplus"),
        stable=Stable(
            lets=(("t", "exp(-abs(z))"),),
            value="max(z,0)+log1p(t)",
            slope="where(z>=0,1,t)/(1+t)",
            log="where(z>=0,log(nonzero(h)),z-log(nonzero(t)/log1p(nonzero(t))))",
            slope_by_value="where(z>=0,1/nonzero(h),nonzero(t)/log1p(nonzero(t)))/(1+t)",
        ),
    ),
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

WORDS: dict[str, str] = {
    **{name: name for name in ABBREVIATIONS},
    **{w: row.name for row in _ELEMENTARY_ROWS for w in (row.name, *row.aliases, *row.words)},
    **{word: row.name for row in _ACTIVATION_ROWS for word in row.words or (row.name,)},
}
"""Names of functions as people type them on a page, and the rows they call."""


def spoken(row: Activation | SoftMax | Loss) -> str:
    """What a sentence calls the function: ``leaky ReLU``, ``squared error``."""
    return row.title or row.name.replace("_", " ")
