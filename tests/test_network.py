"""The Python names of the contract, and numbers that an independent NumPy backprop confirms."""

# ruff: noqa: ARG005

from __future__ import annotations

import itertools
import math
import re

import mpmath
import numpy as np
import pytest

import symback as sb
from pages import network, numbered, numbers_of
from symback.engine.matrix import Phase
from symback.equations.elements import Elements
from symback.language.errors import SymbackError
from symback.language.functions import Activation, Loss
from symback.network import equations
from typesetting import ROOT, katex_errors

# --------------------------------------------------------------- a second backprop, in plain NumPy

ERF = np.vectorize(math.erf)
ACTIVATIONS = {
    # name: value, slope by z and value
    "linear": (lambda z: z, lambda z, h: np.ones_like(z)),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z, h: h * (1 - h)),
    "tanh": (np.tanh, lambda z, h: 1 - h**2),
    "relu": (lambda z: np.maximum(z, 0), lambda z, h: (z > 0) * 1.0),
    "leaky_relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda z, h: np.where(z > 0, 1, 0.01)),
    "elu": (lambda z: np.where(z > 0, z, np.exp(z) - 1), lambda z, h: np.where(z > 0, 1, h + 1)),
    "gelu": (
        lambda z: z * (1 + ERF(z / 2**0.5)) / 2,
        lambda z, h: (1 + ERF(z / 2**0.5)) / 2 + z * np.exp(-(z**2) / 2) / (2 * np.pi) ** 0.5,
    ),
    "silu": (
        lambda z: z / (1 + np.exp(-z)),
        lambda z, h: h + (1 - h) / (1 + np.exp(-z)),
    ),
    "softplus": (lambda z: np.log1p(np.exp(z)), lambda z, h: 1 / (1 + np.exp(-z))),
}
LOSSES = {
    # name: one output's term, its slope by yhat
    "squared_error": (lambda y, p: (y - p) ** 2, lambda y, p: -2 * (y - p)),
    "half_squared_error": (lambda y, p: (y - p) ** 2 / 2, lambda y, p: p - y),
    "cross_entropy": (lambda y, p: -y * np.log(p), lambda y, p: -y / p),
    "binary_cross_entropy": (
        lambda y, p: -(y * np.log(p) + (1 - y) * np.log(1 - p)),
        lambda y, p: (p - y) / (p * (1 - p)),
    ),
    "absolute_error": (lambda y, p: abs(y - p), lambda y, p: -np.sign(y - p)),
    "huber": (
        lambda y, p: np.where(abs(y - p) <= 1, (y - p) ** 2 / 2, abs(y - p) - 0.5),
        lambda y, p: np.where(abs(y - p) <= 1, p - y, -np.sign(y - p)),
    ),
    "output": (lambda y, p: p, lambda y, p: np.ones_like(p)),
}


def backprop(layers, loss, values, over_outputs="sum", over_samples="mean"):
    """Loss, forward and gradients by the algorithm of the lectures, a row a sample."""
    x = np.atleast_2d(np.array(values["x"], float))
    y = np.atleast_2d(np.array(values["y"], float))
    h, forward, kept = x, {}, []
    for k, activation in enumerate(layers, start=1):
        weights, bias = np.array(values[f"W{k}"], float), values.get(f"b{k}", 0.0)
        a = h @ weights.T + np.array(bias, float)
        if activation == "softmax":
            e = np.exp(a)
            out = e / e.sum(axis=1, keepdims=True)
        else:
            out = ACTIVATIONS[activation][0](a)
        kept.append((h, a, out))
        forward[f"a{k}"] = a
        forward["yhat" if k == len(layers) else f"h{k}"] = out
        h = out
    scale = (1 / h.shape[1] if over_outputs == "mean" else 1) * (
        1 / len(x) if over_samples == "mean" else 1
    )
    value, slope = LOSSES[loss]
    gradients, g = {}, slope(y, h) * scale
    for k in range(len(layers), 0, -1):
        before, a, out = kept[k - 1]
        gradients["yhat" if k == len(layers) else f"h{k}"] = g
        if layers[k - 1] == "softmax":
            g = out * (g - (g * out).sum(axis=1, keepdims=True))
        else:
            g = g * ACTIVATIONS[layers[k - 1]][1](a, out)
        gradients[f"a{k}"], gradients[f"W{k}"] = g, g.T @ before
        if f"b{k}" in values:
            shared = np.ndim(values[f"b{k}"]) == 0
            gradients[f"b{k}"] = g.sum() if shared else g.sum(axis=0)
        g = g @ np.array(values[f"W{k}"], float)
    return (value(y, h) * scale).sum(), forward, gradients


def agrees(layers, loss, values, **options):
    """`evaluate` equals the NumPy backprop in every number."""
    sizes = [
        len(values[f"b{k}"]) if np.ndim(values.get(f"b{k}", 0)) else len(values[f"W{k}"])
        for k in range(1, len(layers) + 1)
    ]
    inputs = np.atleast_2d(values["x"]).shape[1]
    net = sb.Network(
        inputs, list(zip(sizes, layers, strict=True)), loss=loss, values=values, **options
    )
    found = net.evaluate()
    options.pop("bias", None)
    total, forward, gradients = backprop(layers, loss, values, **options)
    single = np.ndim(values["x"]) == 1
    assert found["loss"] == pytest.approx(total, rel=1e-12)
    for name, array in forward.items():
        expected = array[0] if single else array
        np.testing.assert_allclose(found["forward"][name], expected, rtol=1e-12, atol=1e-14)
        assert np.shape(found["forward"][name]) == expected.shape
    for name, array in gradients.items():
        parameter = name[0] in "Wb"
        expected = array if parameter or not single else array[0]
        np.testing.assert_allclose(found["gradients"][name], expected, rtol=1e-11, atol=1e-14)
        assert np.shape(found["gradients"][name]) == np.shape(expected)
        if parameter and "learning_rate" in values:
            step = np.array(values[name]) - values["learning_rate"] * np.array(expected)
            np.testing.assert_allclose(found["updated"][name], step, rtol=1e-11, atol=1e-14)
    return found


POSITIVE = ("cross_entropy", "binary_cross_entropy")


@pytest.mark.parametrize(
    ("activation", "loss"), list(itertools.product([*ACTIVATIONS, "softmax"], LOSSES))
)
def test_evaluate_agrees_with_numpy(activation, loss):
    """Every activation with every loss: forward, loss, gradients and step, to twelve digits."""
    last = "sigmoid" if loss in POSITIVE else activation
    values = numbered(2, [3, 2])
    if loss == "output":
        values.pop("y")
        agrees_with = {**values, "y": [0.0, 0.0]}
        net = sb.Network(2, [(3, activation), (2, last)], loss=loss, values=values)
        total, _, gradients = backprop([activation, last], loss, agrees_with)
        assert net.evaluate()["loss"] == pytest.approx(total)
        np.testing.assert_allclose(net.evaluate()["gradients"]["W1"], gradients["W1"], rtol=1e-11)
        return
    if loss == "cross_entropy":
        values["y"] = [0.0, 1.0]
        last = "softmax"
    agrees([activation, last], loss, values)


@pytest.mark.parametrize("over_outputs", ["sum", "mean"])
@pytest.mark.parametrize("over_samples", ["sum", "mean"])
@pytest.mark.parametrize("bias", ["per_neuron", "per_layer", "none"])
def test_batches_and_biases_agree_with_numpy(over_outputs, over_samples, bias):
    """A batch under every mean and sum, with every kind of bias, in the shapes of the contract."""
    values = numbered(
        2, [3, 2], x=[[0.4, -1.1], [0.7, 0.2], [-0.3, 0.9]], y=[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    )
    for k in (1, 2):
        if bias == "per_layer":
            values[f"b{k}"] = 0.1 * k
        elif bias == "none":
            values.pop(f"b{k}")
    found = agrees(
        ["tanh", "softmax"],
        "squared_error",
        values,
        bias=bias,
        over_outputs=over_outputs,
        over_samples=over_samples,
    )
    assert np.shape(found["forward"]["h1"]) == (3, 3)
    assert ("b1" in found["gradients"]) == (bias != "none")


def test_the_comparison_can_fail():
    """A wrong slope or a lost mean is found."""
    values = numbered(2, [3, 2])
    right = backprop(["tanh", "sigmoid"], "squared_error", values)[2]["W1"]
    wrong = backprop(["tanh", "sigmoid"], "half_squared_error", values)[2]["W1"]
    assert not np.allclose(right, wrong)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(right, wrong, rtol=1e-11)


def test_floats_keep_all_their_digits():
    """Each float is the one nearest to the number of fifty digits."""
    net = network("s5")
    exact = net.gradients["W1"]
    assert net.evaluate()["gradients"]["W1"][2][0] == float(exact[2][0])
    assert len(repr(net.evaluate()["loss"])) > 12


# ----------------------------------------------------------------------------- the Python contract


def test_the_names_of_the_contract():
    """What DESIGN.md promises in Python is there, with the types it promises."""
    net = sb.load(ROOT / "examples" / "s5.toml")
    same = sb.Network(4, [(4, "sigmoid"), (2, "softmax")], loss="squared_error")
    d = net.derive("w_131")
    assert isinstance(d, sb.Derivation)
    assert isinstance(same, sb.Network)
    assert d.path_count == len(list(d.paths)) == same.derive("w_131").path_count == 4
    assert {str(symbol) for symbol in d.expr.free_symbols} >= {"w_213", "w_223", "h_13", "x_1"}
    assert [step.rule.name for step in d.steps][:2] == ["PATHS", "GROUP"]
    assert d.latex().startswith(r"\begin{aligned}")
    assert d.sheet("html").startswith("<!DOCTYPE html>")
    assert str(same.derive("w_131")) == str(d)
    assert float(d.expr.subs(_values(net))) == pytest.approx(d.value)


def _values(net):
    """Every quantity by the name that it has in `Derivation.expr`."""
    given = {name: array for name, array in numbers_of("s5").items() if name != "learning_rate"}
    found = {}
    for name, array in {**given, **net.evaluate()["forward"]}.items():
        letter = {"W1": "w_1", "W2": "w_2"}.get(name, name)
        letter = re.sub(r"^([bah])(\d)$", r"\1_\2", letter)
        for at, value in np.ndenumerate(np.array(array)):
            joined = "".join(str(k + 1) for k in at)
            found[letter + ("" if "_" in letter else "_") + joined] = value
    return found


def test_paths_are_lazy():
    """The number of paths of 784-512-512-10 is known without listing them."""
    derivation = network("wide").derive("w_1,2,3")
    assert derivation.path_count == 512 * 10 * 10
    assert next(iter(derivation.paths)).neurons[0] == "w_123"


def test_notebook_display():
    """A derivation shows itself as mathematics, a network as its picture."""
    d = network("s5").derive("w_131")
    latex = d._repr_latex_()
    assert latex.startswith("$")
    assert latex.endswith("$")
    assert katex_errors([latex.strip("$")]) == []
    assert "data:image/svg+xml;base64," in d._repr_html_()
    assert d._repr_html_().rstrip().endswith("$$")
    assert network("s5")._repr_html_().startswith("<img ")
    assert repr(d).startswith("<symback.Derivation ∂L/∂w_131 = ")
    assert repr(d).endswith("; 4 paths>")
    assert repr(network("s5").derive("b_21")).endswith("; 2 paths>")
    assert repr(network("s1").derive("w")).endswith("; 1 path>")
    assert "4–4–2" in repr(network("s5"))


def test_display_in_ipython():
    """A real shell formats a derivation and a network as HTML and LaTeX."""
    from IPython.core.formatters import DisplayFormatter

    formats, _ = DisplayFormatter().format(network("s5").derive("w_131"))
    assert {"text/plain", "text/html", "text/latex"} <= set(formats)
    formats, _ = DisplayFormatter().format(network("s5"))
    assert "text/html" in formats


def test_symbolic_widths_show_themselves():
    """What has no numbers and no concrete paths still has every way to show itself."""
    d = network("s6").derive("w_111")
    assert str(d.path_count) == "n_2*n_3**2"
    assert d._repr_html_()
    assert d.as_json()["paths"] == []
    assert "n_2" in repr(d)
    assert network("s6").has_numbers is False


def test_derive_all():
    """Every weight and bias has a derivation, and they share the backward pass."""
    found = network("s7").derive_all()
    assert len(found) == 2 * 3 + 3 + 3 * 2 + 2
    gradients = network("s7").evaluate()["gradients"]
    assert found["w_112"].value == gradients["W1"][0][1]
    assert found["b_22"].value == gradients["b2"][1]


@pytest.mark.parametrize(
    ("lines", "trained", "asked"),
    [
        ({"yhat": "w*x", "L": "(yhat-y)**2"}, {"w"}, {"w"}),
        ({"z": "theta_1*x + Bias", "L": "z**2"}, {"theta_1", "Bias"}, {"theta_1", "Bias"}),
        ({"y": "1/(1+exp(-x))"}, set(), {"x"}),
    ],
)
def test_what_is_learned_is_the_same_for_every_consumer(lines, trained, asked):
    """Leaves called w…, b… or theta…: `evaluate`, the matrix form, all derivations, the sheet."""
    leaves = equations(lines).spec.leaves
    net = equations(lines, values=dict.fromkeys(leaves, 0.5) | {"learning_rate": 0.5})
    assert set(net.evaluate()["updated"]) == trained
    steps = [(step.phase, step.variable.name) for step in net.matrix_form().steps]
    assert {name for phase, name in steps if phase is Phase.UPDATE} == trained
    assert {name for phase, name in steps if phase is Phase.BACKWARD} & set(leaves) == asked
    assert set(net.derive_all()) == asked
    assert ("One step of gradient descent" in net.sheet("txt")) == bool(trained)


def test_values_of_a_batch_are_one_a_sample():
    """The derivative by an activation of a batch has one number a sample."""
    net = network("batch")
    assert net.derive("a_11").value == [row[0] for row in net.evaluate()["gradients"]["a1"]]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: network("s5").derive("w_531"), ("w_531", "layers 1 and 2", "4")),
        (lambda: network("s5").derive("q"), ("q",)),
        (lambda: network("s5").derive("L"), ("L", "differentiated")),
        (lambda: network("s6").evaluate(), ("W1", "b3", "x", "y")),
        (lambda: network("wide").evaluate(), ("W1", "b1", "x", "y")),
        (lambda: network("s5").sheet("docx"), ("docx", "html")),
        (lambda: network("s5").derive("w_131").sheet("pdf"), ("pdf", "html")),
        (lambda: network("s5").sheet("html", "long"), ("long", "brief")),
        (lambda: equations({"a": "x*c", "L": "x**2"}).derive("c"), ("c", "L")),
    ],
)
def test_errors_name_what_was_expected(make, words):
    """A wrong name, form or level raises an error of symback that names it and what there is."""
    with pytest.raises(SymbackError) as caught:
        make()
    for word in words:
        assert word in str(caught.value)


# ------------------------------------------------------------- one place for something of one's own


def test_a_throw_away_activation_and_loss(tmp_path, monkeypatch):
    """A row added to each catalogue goes through file, derivation, every form and `evaluate`."""
    from symback.language import functions

    bump = Activation("bump", "exp(-z**2)", "-2*z*h", latex=r"\operatorname{bump}", text="bump")
    fourth = Loss("fourth_power", "(y-yhat)**4", "-4*(y-yhat)**3")
    monkeypatch.setitem(functions.ACTIVATIONS, "bump", bump)
    monkeypatch.setitem(functions.LOSSES, "fourth_power", fourth)
    values = numbered(2, [3, 2])
    lines = "\n".join(f"{name} = {value}" for name, value in values.items())
    path = tmp_path / "own.toml"
    path.write_text(
        "[network]\ninputs = 2\nlayers = [ { units = 3, activation = 'bump' },"
        " { units = 2, activation = 'sigmoid' } ]\nloss = 'fourth_power'\n[values]\n" + lines
    )
    net = sb.load(path)
    derivation = net.derive("w_112")
    monkeypatch.setitem(ACTIVATIONS, "bump", (lambda z: np.exp(-(z**2)), lambda z, h: -2 * z * h))
    monkeypatch.setitem(
        LOSSES, "fourth_power", (lambda y, p: (y - p) ** 4, lambda y, p: -4 * (y - p) ** 3)
    )
    _, _, gradients = backprop(["bump", "sigmoid"], "fourth_power", values)
    assert derivation.value == pytest.approx(gradients["W1"][0][1], rel=1e-11)
    for form in ("tex", "html", "md", "txt"):
        text = derivation.sheet(form, "full")
        assert "bump" in text
        assert net.sheet(form)
    assert "bump(a_1i)" in derivation.sheet("txt")
    assert "fourth power" in derivation.sheet("txt")


@pytest.mark.parametrize("name", ["s5", "relu", "s1"])
def test_second_derivatives_are_symmetric_and_central_differences(name):
    """∂²L/∂u∂v = ∂²L/∂v∂u; and by moving v, the change of ∂L/∂u that the first pass gives."""
    net = sb.load(ROOT / "examples" / f"{name}.toml")
    names = [each.name for each in net.parameters()]
    first, other = names[0], names[-1]
    second = net.derive(first, other)
    assert second.value == pytest.approx(net.derive(other, first).value, rel=1e-12, abs=1e-15)
    numbers = second.network.system.values
    equations = net.as_equations
    element, moved = (equations.element(net._in_equations(each)) for each in (first, other))

    def gradient(step):
        probe = Elements(equations.backward.system, numbers)
        place = tuple(index.constant for index in moved.indices)
        probe.put(moved.array, place, probe.element(moved.array, place) + step)
        return probe.element(f"∇{element.array}", tuple(i.constant for i in element.indices))

    step = mpmath.mpf("1e-20")
    measured = (gradient(step) - gradient(-step)) / (2 * step)
    assert second.value == pytest.approx(float(measured), rel=1e-12, abs=1e-15)
