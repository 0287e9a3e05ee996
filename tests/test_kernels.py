"""Kernels: what the matrix form says, computed in floating point without losing digits.

Referees: the index form with 50 digits and more (`symback.engine.evaluation.Numbers`), central
differences, sums over paths, backpropagation written by hand; for the source, a Python without
symback.
"""

import functools
import itertools
import math
import random
import subprocess
import sys
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import symback as sb
from strategies import (
    ALL_ACTIVATIONS,
    OWN_ACTIVATIONS,
    OWN_LOSSES,
    Case,
    build,
    makes_sense,
    pairwise,
)
from symback import kernels
from symback.engine import spec
from symback.engine.arithmetics import CONTEXT
from symback.engine.calculus import is_zero
from symback.engine.derivation import BackwardPass
from symback.engine.evaluation import Kink, Numbers, OutOfDomain, as_floats
from symback.engine.graph import from_network
from symback.engine.matrix import base_name, lift
from symback.kernels import KernelError, NoKernel, forms, lines, module
from symback.kernels.forms import Form, WrongForm, proved
from symback.language.algebra import collapse
from symback.language.functions import ACTIVATIONS, LOSSES
from symback.language.names import Reference, read_reference
from test_matrix import Arrays, as_matrix

STYLES = ("scalar", "array")
EPS = {"float64": float(np.finfo(np.float64).eps), "float32": float(np.finfo(np.float32).eps)}


def network(layers, loss, inputs=3, **options):
    own = {name: OWN_ACTIVATIONS[name] for _, name in layers if name in OWN_ACTIVATIONS}
    losses = {loss: OWN_LOSSES[loss]} if loss in OWN_LOSSES else None
    return spec.network(
        inputs, layers, loss=loss, activations=own or None, losses=losses, **options
    )


@cache
def made(layers, loss, style, inputs=3, **options):
    return kernels.kernel(network(list(layers), loss, inputs, **options), style=style)


def possible(activation, loss, style):
    """A softmax with binary cross-entropy is written for arrays only."""
    return (activation, loss, style) != ("softmax", "binary_cross_entropy", "scalar")


def arguments(case: Case, dtype=float):
    arrays = {name: np.array(value, dtype) for name, value in case.given.items()}
    x, y = arrays.pop("x"), arrays.pop("y", None)
    return arrays, x, y


def assert_right(kernel, case: Case, tolerance=1e-11):
    """The kernel's loss and gradients are those of the index form."""
    params, x, y = arguments(case)
    loss, gradients = kernel(params, x, y)
    expected = case.numbers.gradients(case.backward)
    assert math.isclose(loss, case.numbers.loss, rel_tol=1e-11, abs_tol=1e-12)
    assert list(gradients) == list(params)
    for name, gradient in gradients.items():
        assert isinstance(gradient, np.ndarray)
        assert gradient.shape == params[name].shape
        wanted = np.array(as_floats(expected[name]))
        np.testing.assert_allclose(gradient, wanted, rtol=1e-9, atol=tolerance)
    np.testing.assert_allclose(
        kernel.forward(params, x), np.array(as_floats(case.numbers.forward["yhat"])), rtol=1e-11
    )


# ------------------------------------------------------------------------------ the right numbers

LAYERS = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from(ALL_ACTIVATIONS)), min_size=1, max_size=3
)


@st.composite
def networks(draw):
    """Draw a case and the network file it would stand in."""
    layers, loss = draw(LAYERS), draw(st.sampled_from((*LOSSES, *OWN_LOSSES)))
    width = layers[-1][0]
    last = [name for name in ALL_ACTIVATIONS if makes_sense(name, loss, width)]
    layers[-1] = (width, draw(st.sampled_from(last)))
    options = {
        "bias": draw(st.sampled_from(("per_neuron", "per_layer", "none"))),
        "over_outputs": draw(st.sampled_from(("sum", "mean"))),
        "over_samples": draw(st.sampled_from(("mean", "sum"))),
    }
    inputs = draw(st.integers(1, 4))
    case = build(
        inputs,
        layers,
        loss,
        samples=draw(st.sampled_from((None, 1, 2, 3))),
        distribution=draw(st.booleans()),
        seed=draw(st.integers(0, 10**6)),
        **options,
    )
    return case, network(layers, loss, inputs, **options)


@settings(max_examples=80)
@given(networks(), st.sampled_from(STYLES))
def test_a_kernel_computes_the_index_form(drawn, style):
    """Random networks, one sample or a batch, targets of any sum: what the index form says."""
    case, net = drawn
    try:
        kernel = kernels.kernel(net, style=style)
    except NoKernel:
        assert net.loss.name == "binary_cross_entropy"
        return
    assert kernel.style == style
    assert_right(kernel, case)


CATALOGUE = pairwise(ALL_ACTIVATIONS, [*LOSSES, *OWN_LOSSES], STYLES, (None, 3))


@pytest.mark.parametrize(("activation", "loss", "style", "samples"), CATALOGUE)
def test_every_entry_of_the_catalogue_has_its_kernel(activation, loss, style, samples):
    """Each activation, hidden and at the output, with each loss it makes sense with."""
    last = activation if makes_sense(activation, loss, 2) else "softmax"
    layers = ((3, activation), (2, last))
    if not possible(last, loss, style):
        with pytest.raises(NoKernel):
            made(layers, loss, style, 2)
        style = "array"
    case = build(2, list(layers), loss, samples=samples, distribution=False, seed=5)
    assert_right(made(layers, loss, style, 2), case)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(("activation", "loss"), [("tanh", "huber"), ("softmax", "cross_entropy")])
def test_a_kernel_is_the_central_difference(activation, loss, style):
    """Every single parameter, by differences of the loss that know of no derivation."""
    layers = ((3, "silu"), (2, activation))
    case = build(2, list(layers), loss, samples=2, distribution=False, seed=8)
    _, gradients = made(layers, loss, style, 2)(*arguments(case))
    for name, gradient in gradients.items():
        for place in np.ndindex(gradient.shape):
            indices = ",".join(str(k + 1) for k in place)
            reference = read_reference(
                f"{name[0].lower()}_{name[1]},{indices}", case.graph.variables
            )
            difference = case.numbers.central_difference(reference)
            assert not isinstance(difference, Kink)
            assert math.isclose(gradient[place], difference, rel_tol=1e-12)


@pytest.mark.parametrize("style", STYLES)
def test_a_kernel_is_the_sum_over_paths(style):
    """∂L/∂w_1ij as the derivation of that one weight sums it over its paths."""
    layers = ((3, "sigmoid"), (2, "softmax"))
    case = build(2, list(layers), "squared_error", seed=4)
    _, gradients = made(layers, "squared_error", style, 2)(*arguments(case))
    for i, j in itertools.product(range(1, 4), range(1, 3)):
        node = read_reference(f"w_1{i}{j}", case.graph.variables)
        products = []
        for path in case.backward.tails((node.variable, node.indices)):
            factors = (case.backward.edge(*_nodes(case, name))[1] for name in path)
            products.append(math.prod(_value(case, factor) for factor in factors))
        assert len(products) == 4  # each output, by its own logit and by the other
        assert math.isclose(gradients["W1"][i - 1, j - 1], math.fsum(products), rel_tol=1e-12)


def _nodes(case, name):
    return case.backward.node_of(name.of), case.backward.node_of(name.by)


def _value(case, factor):
    names = factor.free_symbols
    numbers = {}
    for name in names:
        variable, indices = case.backward.node_of(name)
        array = case.numbers.forward[variable.name]
        numbers[name] = sympy.Float(str(array[tuple(k - 1 for k in indices)]), 40)
    return float(sympy.Expr.xreplace(collapse(factor), numbers))


@settings(max_examples=25, deadline=None)
@given(networks(), st.sampled_from(STYLES), st.data())
def test_four_ways_to_one_number(drawn, style, data):
    """Random networks: kernel = matrix form in 50 digits = central difference = sum over paths."""
    case, net = drawn
    try:
        _, gradients = kernels.kernel(net, style=style)(*arguments(case))
    except NoKernel:
        return
    name = data.draw(st.sampled_from(sorted(gradients)))
    place = data.draw(st.sampled_from(list(np.ndindex(gradients[name].shape))))
    found = float(gradients[name][place])

    def is_found(number):
        return math.isclose(found, number, rel_tol=1e-9, abs_tol=1e-11)

    assert is_found(float(lowered(case)[name].reshape(gradients[name].shape)[place]))
    (variable,) = (v for v in case.graph.variables if v.name == name)
    indices = tuple(k + 1 for k in place)
    difference = case.numbers.central_difference(Reference(variable, indices))
    assert isinstance(difference, Kink) or is_found(float(difference))
    if case.graph.samples is None and len(tails := case.backward.tails((variable, indices))) <= 64:
        products = [
            math.prod(_value(case, case.backward.edge(*_nodes(case, edge))[1]) for edge in path)
            for path in tails
        ]
        assert is_found(math.fsum(products))


def lowered(case):
    """The matrix form of every gradient, each of its nodes by NumPy's operator on 50 digits."""
    form = lift(case.backward)
    forward, gradients = case.numbers.forward, case.numbers.gradients(case.backward)
    bases = {v.name: base_name(v.element) for v in case.graph.variables}
    known = {("value", bases[name]): as_matrix(array) for name, array in forward.items()}
    known |= {("gradient", bases[name]): as_matrix(array) for name, array in gradients.items()}
    arrays = Arrays(known)
    with mpmath.workdps(60):
        return {name: arrays.of(expr) for name, expr in form.items() if name[0] in "Wb"}


@pytest.mark.parametrize("samples", [None, 1, 5])
def test_both_styles_are_one_function(samples):
    """Scalar code and array code agree to rounding, one sample or many, forward too."""
    layers = ((3, "elu"), (4, "softmax"), (2, "sigmoid"))
    case = build(2, list(layers), "binary_cross_entropy", samples=samples, seed=3)
    params, x, y = arguments(case)
    (one, many) = (made(layers, "binary_cross_entropy", style, 2) for style in STYLES)
    (loss, gradients), (same, others) = one(params, x, y), many(params, x, y)
    assert math.isclose(loss, same, rel_tol=1e-14)
    for name in gradients:
        np.testing.assert_allclose(gradients[name], others[name], rtol=1e-12, atol=1e-16)
    assert one.forward(params, x).shape == (2,) if samples is None else (samples, 2)


def test_one_sample_is_computed_number_by_number(monkeypatch):
    """The scalar function itself answers, and does not leave it to the arrays."""
    kernel = made(((3, "sigmoid"), (2, "softmax")), "cross_entropy", "scalar", 2)
    case = build(2, [(3, "sigmoid"), (2, "softmax")], "cross_entropy", seed=1)
    space = kernel.function.__globals__
    monkeypatch.setitem(space, "_batch", None)
    assert kernel(*arguments(case))[0] > 0
    assert kernel(*arguments(case, np.float32))[1]["W1"].dtype == np.float32


# --------------------------------------------------------------------------------- the last digit

DIGITS = 800
TABLE = [
    (0.3, -0.4, 1.1), (40.1, -0.4, 3.3), (-40.3, -35.2, 0.5), (100.0, 0.0, -100.0),
    (-300.7, 200.3, -0.1), (700.3, 0.1, -0.2), (20.5, 20.25, -13.0), (-5.1, -6.2, -7.3),
    (1e-9, -1e-12, 3e-5), (0.2, 0.4, 0.6), (1e5, 0.0, -1e5), (-1e5, -99_990.5, -99_999.0),
]  # fmt: skip
TARGETS = [(0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)]


@pytest.fixture
def many_digits():
    """Digits enough for 1 - σ(700), and exact numbers in and out."""
    before = CONTEXT.dps
    CONTEXT.dps = DIGITS
    yield CONTEXT
    CONTEXT.dps = before


@cache
def graph_of(activation, loss):
    graph = from_network(network([(3, activation)], loss, 1, bias="none"))
    return graph, BackwardPass(graph)


def exact(array):
    return np.vectorize(lambda v: sympy.Rational(float(v)), otypes=[object])(array).tolist()


def gradient_by_logits(activation, loss, logits, target):
    """∂L/∂a with many digits: x is 1, so W1 holds the logits and ∇W_1 is ∇a_1."""
    graph, backward = graph_of(activation, loss)
    given = {"x": exact(np.ones(1)), "W1": exact(np.reshape(logits, (3, 1)))}
    if loss != "output":
        given["y"] = exact(np.array(target))
    return Numbers(graph, given).gradients(backward)["W1"][:, 0]


def errors(found, expected, context, dtype):
    """Relative errors in units of eps, of the components that do not underflow."""
    tiny = float(np.finfo(dtype).tiny)
    for number, wanted in zip(found, expected, strict=True):
        if abs(wanted) >= tiny:
            assert np.isfinite(number), (found, expected)
            ratio = abs(context.mpf(float(number)) - wanted) / abs(wanted)
            yield float(ratio) / EPS[np.dtype(dtype).name]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_component_has_its_digits_at_extreme_logits(activation, loss, many_digits):
    """At most 8 eps in each component, logits to ±1e5, both types and styles, no warning.

    Whoever subtracts from 1 what is nearly 1 is 100 % wrong here.
    """
    styles = [style for style in STYLES if possible(activation, loss, style)]
    for logits, target, dtype, style in pairwise(TABLE, TARGETS, [*EPS], styles):
        if _accidental(activation, loss, logits):
            continue
        kernel = made(((3, activation),), loss, style, 1, bias="none")
        a, y = np.array(logits, dtype), np.array(target, dtype)
        try:
            expected = gradient_by_logits(activation, loss, a, target)
        except OutOfDomain:
            continue  # the logarithm of what is not positive, in whatever arithmetic
        _, gradients = kernel({"W1": a[:, None]}, np.ones(1, dtype), y)
        assert gradients["W1"].dtype == dtype
        found = gradients["W1"][:, 0]
        for k in range(3):
            (error,) = [*errors(found[[k]], expected[[k]], many_digits, dtype)] or [0]
            if error > 8:
                error *= 4 / cancellation(activation, loss, a, target, k)
            assert error <= 8, (logits, target, dtype, style, k)


def cancellation(activation, loss, logits, target, k):
    """How many times itself a relative error of the e^{a_j} is in component k; 1 to 4 as a rule.

    More where terms of ordinary size cancel by accident: the k-th component of the squared error
    after softmax passes through 0 where p_k (1 - p_k) + p_m (1 - p_m) = Σ p_j² without k and m, and
    beside that place the last digit of one p is several of the whole, however it is computed.
    """
    exactly = [sympy.Rational(float(a)) for a in logits]
    step, total = sympy.Rational(1, 10**40), 0
    here = _by(activation, loss, exactly, target)[k]
    for j in range(3):
        near = [a + step * int(i == j) for i, a in enumerate(exactly)]
        total += abs(_by(activation, loss, near, target)[k] - here) * 10**40
    return max(4, total / abs(here))


def _accidental(activation, loss, logits):
    """Where terms of ordinary size cancel by accident, or where 800 digits are too few.

    The first is judged by `test_no_worse_than_the_logits_rounded`, the second by
    `test_logarithms_do_not_underflow`.
    """
    huge = max(map(abs, logits)) >= 1e4
    if huge and loss in ("cross_entropy", "binary_cross_entropy"):
        return activation in ("sigmoid", "softmax", "softplus")
    return False


@pytest.mark.parametrize(
    ("activation", "loss", "logits", "target", "expected"),
    [
        ("sigmoid", "cross_entropy", (-1e5, 0, 0), (1, 0, 0), (-1, 0, 0)),
        ("sigmoid", "binary_cross_entropy", (-1e5, 1e5, 1e5), (1, 0, 1), (-1, 1, 0)),
        ("softplus", "cross_entropy", (-1e5, 1, 1), (1, 0, 0), (-1, 0, 0)),
        ("softmax", "cross_entropy", (1e5, 0, -1e5), (0, 1, 0), (1, -1, 0)),
        ("softmax", "cross_entropy", (-1e5, -1e5, 0), (0.5, 0.5, 0), (-0.5, -0.5, 1)),
        ("softmax", "binary_cross_entropy", (1e5, 0, -1e5), (0, 1, 0), (2, -2, 0)),
        ("softmax", "binary_cross_entropy", (1e5, 0, 0), (0, 0, 0), (1, -0.5, -0.5)),
    ],
)
@pytest.mark.parametrize("dtype", EPS)
def test_logarithms_do_not_underflow(activation, loss, logits, target, expected, dtype):
    """At ±1e5 e^a is 0 or infinite, and the derivative of its logarithm is 1: limits by hand."""
    kernel = made(((3, activation),), loss, "array", 1, bias="none")
    arrays = [np.array(part, dtype) for part in (logits, target)]
    loss_found, gradients = kernel({"W1": arrays[0][:, None]}, np.ones(1, dtype), arrays[1])
    assert math.isfinite(loss_found)
    np.testing.assert_allclose(gradients["W1"][:, 0], expected, rtol=8 * EPS[dtype])


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(ACTIVATIONS)),
    st.sampled_from(sorted(set(LOSSES) - {"binary_cross_entropy"})),
    st.integers(0, 10**6),
    st.sampled_from(STYLES),
)
def test_no_worse_than_the_logits_rounded(activation, loss, seed, style):
    """Where terms cancel by accident, the error is what rounding the logits would make of it."""
    source = random.Random(seed)
    logits = np.array([source.choice((-1, 1)) * 10 ** source.uniform(-2, 2.5) for _ in range(3)])
    target = source.choice(TARGETS)
    before, CONTEXT.dps = CONTEXT.dps, DIGITS
    try:
        expected = gradient_by_logits(activation, loss, logits, target)
        moved = []
        for k in range(3):
            near = [sympy.Rational(float(a)) for a in logits]
            near[k] *= 1 + sympy.Rational(1, 2**52)
            moved.append(abs(_by(activation, loss, near, target) - expected))
        kernel = made(((3, activation),), loss, style, 1, bias="none")
        _, gradients = kernel({"W1": logits[:, None]}, np.ones(1), np.array(target))
        for k, wanted in enumerate(expected):
            allowed = 8 * (abs(wanted) * EPS["float64"] + sum(m[k] for m in moved)) + 1e-300
            assert abs(CONTEXT.mpf(float(gradients["W1"][k, 0])) - wanted) <= allowed
    except OutOfDomain:
        return
    finally:
        CONTEXT.dps = before


def _by(activation, loss, logits, target):
    graph, backward = graph_of(activation, loss)
    given = {"x": [1], "W1": [[a] for a in logits]}
    if loss != "output":
        given["y"] = exact(np.array(target))
    return Numbers(graph, given).gradients(backward)["W1"][:, 0]


def test_a_plain_form_would_fail_the_table(many_digits):
    """The table can fail: h(1 - h) and ŷ - y are refused by it."""
    a = np.array([40.1, 100.0, 1.0])
    h = 1 / (1 + np.exp(-a))
    expected = gradient_by_logits("sigmoid", "output", a, (0, 0, 0))
    assert max(errors(h * (1 - h), expected, many_digits, "float64")) > 1e3
    p = np.exp(a - a.max()) / np.exp(a - a.max()).sum()
    wanted = gradient_by_logits("softmax", "cross_entropy", a, TARGETS[0])
    assert max(errors(p - TARGETS[0], wanted, many_digits, "float64")) > 1e3


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_hidden_layers_have_their_digits(activation, many_digits):
    """The slope of a saturated hidden neuron, through a linear output: 8 eps as well."""
    net = network([(1, activation), (1, "linear")], "output", 1, bias="none")
    graph = from_network(net)
    backward = BackwardPass(graph)
    made_of = [kernels.kernel(net, style=style) for style in STYLES]
    for a in (0.5, 1.5, 30.25, -30.25, 250.125, -250.125):
        params = {"W1": np.array([[a]]), "W2": np.array([[3.0]])}
        numbers = Numbers(graph, {"x": [1], "W1": [[exact(a)]], "W2": [[3]]})
        expected = numbers.gradients(backward)["W1"][0]
        for kernel in made_of:
            _, gradients = kernel(params, np.ones(1))
            assert max(errors(gradients["W1"][0], expected, many_digits, "float64"), default=0) <= 8


HALF = np.sort(np.concatenate([np.linspace(0, 1e5, 30_000), np.linspace(0, 800, 20_001)[1:]]))
FAR = np.concatenate([-HALF[:0:-1], HALF])
SMALLEST = {"float64": 1e-300, "float32": 1e-30}
"""What is smaller may be anything smaller: the tail of σ ends at the smallest normal number."""


@pytest.mark.parametrize("backend", ["numpy", "jax"])
@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("activation", sorted(set(ACTIVATIONS) - {"softmax"}))
def test_every_row_has_its_digits_from_one_end_to_the_other(
    activation, dtype, backend, many_digits, x64
):
    """Value and slope at 10⁵ places between ±10⁵: finite, and on a sample of them to 8 eps.

    JAX's own Φ has fewer digits where it is next to 0; GELU's slope has eps of its terms near its
    root at -0.75.
    """
    z = FAR.astype(dtype)
    value, slope = value_and_slope(activation, z, "array", backend)
    assert np.isfinite(value).all()
    assert np.isfinite(slope).all()
    assert_symmetric(activation, z, value, slope)
    sample, expected = exactly(activation, dtype)
    places = z[sample]
    most = 2_000 if (activation, backend) == ("gelu", "jax") else 8
    for found, wanted in zip((value, slope), expected, strict=True):
        assert largest_error(places, found[sample], wanted, many_digits, dtype) <= most
    if backend == "numpy" and dtype == "float64":
        alone = [value_and_slope(activation, z[[k]], "scalar", backend) for k in sample]
        for found, wanted in zip(zip(*alone, strict=True), expected, strict=True):
            assert largest_error(places, np.ravel(found), wanted, many_digits, dtype) <= 8


@pytest.fixture
def x64():
    """JAX with float64."""
    jax = pytest.importorskip("jax")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


@cache
def row_kernel(activation, width, style, backend):
    net = network([(width, activation)], "output", 1, bias="none")
    return kernels.kernel(net, style=style, backend=backend)


def value_and_slope(activation, z, style, backend):
    """g(z) and g'(z) as a kernel computes them: z are the weights of an input 1."""
    kernel = row_kernel(activation, len(z), style, backend)
    one = np.ones(1, z.dtype)
    if backend == "jax":
        import jax.numpy as jnp

        one, z = jnp.asarray(one), jnp.asarray(z)
    _, gradients = kernel({"W1": z[:, None]}, one)
    value = np.asarray(kernel.forward({"W1": z[:, None]}, one))
    return np.reshape(value, -1), np.asarray(gradients["W1"])[:, 0]


@cache
def exactly(activation, dtype):
    """Some places, and the same there with many digits, from the catalogue's own formula."""
    sample = np.random.default_rng(0).choice(len(FAR), 200, replace=False)
    sample[:4] = 0, len(HALF) - 1, len(HALF), -1  # the ends, 0 and beside it
    z = FAR.astype(dtype)[sample]
    graph = from_network(network([(len(z), activation)], "output", 1, bias="none"))
    numbers = Numbers(graph, {"x": [1], "W1": exact(z[:, None])})
    return sample, (numbers.forward["yhat"], numbers.gradients(BackwardPass(graph))["W1"][:, 0])


def largest_error(z, found, expected, context, dtype):
    """In units of eps, of those of which one at least is not next to nothing."""
    sizes = np.where(abs(z + 0.75) < 0.5, np.maximum(abs(expected), 0.2), abs(expected))
    return max(
        float(abs(context.mpf(float(f)) - e) / size) / EPS[dtype] if size else math.inf
        for f, e, size in zip(found, expected, sizes, strict=True)
        if max(abs(float(f)), abs(e)) >= SMALLEST[dtype]
    )


def assert_symmetric(activation, z, value, slope):
    """What g(z) and g(-z) have to do with one another, at all places at once."""
    close = functools.partial(np.testing.assert_allclose, rtol=8 * EPS[z.dtype.name], atol=1e-30)
    if activation == "sigmoid":
        close(value + value[::-1], 1)
        close(slope, slope[::-1])
    elif activation == "tanh":
        close(value, -value[::-1])
        close(slope, slope[::-1])
    elif activation in ("gelu", "silu", "softplus", "relu"):
        close(value - value[::-1], z)
        close((slope + slope[::-1])[z != 0], 1)


@pytest.mark.parametrize("dtype", EPS)
def test_the_normal_distribution_has_its_digits(dtype):
    """Φ(z) to 4 eps down to where it underflows; erfc of z/√2 rounded is 800 eps off."""
    space = made(((2, "gelu"),), "squared_error", "scalar", 2).function.__globals__
    draw = np.random.default_rng(0)
    z = np.concatenate([draw.uniform(-37, 6, 500), -(10 ** draw.uniform(-8, 1.5, 200))])
    z = z.astype(dtype)
    with mpmath.workdps(50):
        expected = [mpmath.erfc(-mpmath.mpf(float(v)) / mpmath.sqrt(2)) / 2 for v in z]
    ways = [space["_normal"](z)]
    if dtype == "float64":
        ways.append([space["_normal_of_one"](float(v)) for v in z])
        plain = [math.erfc(-v / math.sqrt(2)) / 2 for v in z]
        assert max(errors(plain, expected, mpmath, dtype)) > 300
    for found in ways:
        assert max(errors(found, expected, mpmath, dtype)) <= 4
    far = np.array([-1e30, -1e5, 1e5, 1e30], dtype)
    assert space["_normal"](far).tolist() == [0, 0, 1, 1]
    assert [space["_normal_of_one"](float(v)) for v in far] == [0, 0, 1, 1]


@pytest.mark.parametrize("width", [3, 70, 200])
def test_long_rows_have_their_digits_too(width):
    """Past 64 classes the others are summed another way: a confident winner keeps its digits."""
    net = network([(width, "softmax")], "cross_entropy", 1, bias="none")
    logits = np.full(width, -50.0)
    logits[2] = 0.0
    target = np.eye(width)[2]
    _, gradients = kernels.kernel(net)({"W1": logits[:, None]}, np.ones(1), target)
    expected = -(width - 1) * mpmath.exp(-50) / (1 + (width - 1) * mpmath.exp(-50))
    assert abs(gradients["W1"][2, 0] / expected - 1) < 8 * EPS["float64"]
    small = mpmath.exp(-50) / (1 + (width - 1) * mpmath.exp(-50))
    assert abs(gradients["W1"][0, 0] / small - 1) < 8 * EPS["float64"]


# ------------------------------------------------------------------------------------ the proofs


FORMS = [Form(name, row.stable) for name, row in ACTIVATIONS.items() if name != "softmax"]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_every_form_is_proved(form):
    """Each row has a form; it is the catalogue's function, its slope the derivative of that."""
    assert form.stable
    assert proved(form) == form


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("sigmoid", {"slope": "E*h"}),
        ("sigmoid", {"value": "E/(1+E)"}),
        ("sigmoid", {"residual": "where(z>=0,y+E*h,y-h)"}),
        ("sigmoid", {"complement": "h"}),
        ("sigmoid", {"log": "max(z,0)-log1p(t)"}),
        ("sigmoid", {"log_complement": "-min(z,0)-log1p(t)"}),
        ("sigmoid", {"slope_by_value": "h"}),
        ("tanh", {"slope": "2*t/d**2"}),
        ("tanh", {"residual": "where(abs(z)>=1/2,y-sign(z),y-h)"}),
        ("tanh", {"slope_by_complement": "2/d"}),
        ("relu", {"slope": "where(z>0,0,1)"}),
        ("leaky_relu", {"value": "max(z,0.02*z)"}),
        ("elu", {"slope": "1+t"}),
        ("gelu", {"slope": "c+z*exp(-r**2/2)/sqrt(2*pi)"}),
        ("silu", {"slope": "s*(1+z)"}),
        ("softplus", {"value": "max(z,0)+log1p(-t)"}),
        ("softplus", {"slope_by_value": "1/(1+t)"}),
    ],
)
def test_a_wrong_form_is_refused(name, changed):
    """The proof can fail: a sign, a factor, a branch."""
    form = next(form for form in FORMS if form.name == name)
    (part,) = changed
    with pytest.raises(WrongForm, match=f"{name}: {part} = "):
        proved(replace(form, stable=replace(form.stable, **changed)))


def test_forms_belong_to_functions_and_not_to_names():
    """A user's 1/(1+exp(-z)) is computed as the catalogue's sigmoid is, whatever it is called."""
    own = kernels.kernel(network([(2, "logistic")], "squared_error", 2), style="array")
    theirs = kernels.kernel(network([(2, "sigmoid")], "squared_error", 2), style="array")
    assert (
        own.source.split("_arguments(params, x, y)")[1].replace("logistic", "σ")
        == (theirs.source.split("_arguments(params, x, y)")[1])
    )


@pytest.mark.parametrize("n", [2, 3, 4])
def test_the_identities_of_the_softmax(n):
    """Those a source lists, at width n: each side minus the other is 0 where Σ p = 1."""
    a = sympy.symbols(f"a1:{n + 1}", real=True)
    y, g = sympy.symbols(f"y1:{n + 1}", real=True), sympy.symbols(f"g1:{n + 1}", real=True)
    total = sum(map(sympy.exp, a))
    p = [sympy.exp(a_k) / total for a_k in a]
    shifted = sum(sympy.exp(a_k - a[0]) for a_k in a)
    for k in range(n):
        others = [j for j in range(n) if j != k]
        rest = sum(p[j] for j in others)
        assert is_zero(sympy.exp(a[k] - a[0]) / shifted - p[k])
        assert is_zero(1 - p[k] - rest)
        assert is_zero((y[k] - p[k]) - (y[k] * rest - (1 - y[k]) * p[k]))
        assert is_zero((sum(y) * p[k] - y[k]) - (p[k] * sum(y[j] for j in others) - y[k] * rest))
        product = p[k] * (g[k] - sum(p[j] * g[j] for j in range(n)))
        d = [g_j - g[n - 1] for g_j in g]
        assert is_zero(product - p[k] * (d[k] - sum(p[j] * d[j] for j in range(n))))
        assert is_zero(product - p[k] * sum(p[j] * (g[k] - g[j]) for j in others))
    assert len(forms.SOFTMAX_IDENTITIES) == 7


@pytest.mark.parametrize("style", ["array", "scalar"])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_identities_of_a_softmax_are_listed_where_there_is_one(loss, style):
    """Without one the outputs do not sum to 1, and y_k - p_k is not what they say."""
    listed = {
        output: sb.Network(2, [(2, output)], loss=loss).kernel_source(style).count("_{j≠k} p_j")
        for output in ("sigmoid", "softmax")
    }
    assert listed["sigmoid"] == 0 < listed["softmax"]


def test_a_target_that_is_no_distribution():
    """Σy is kept: with y = (2, 1) the derivative is 3ŷ - y, in both styles."""
    for style in STYLES:
        kernel = made(((2, "softmax"),), "cross_entropy", style, 1, bias="none")
        params, x, y = {"W1": np.array([[0.2], [0.7]])}, np.ones(1), np.array([2.0, 1.0])
        p = kernel.forward(params, x)
        np.testing.assert_allclose(kernel(params, x, y)[1]["W1"][:, 0], 3 * p - y, rtol=1e-14)


# ------------------------------------------------------------------------------------- the source

BARE = """
import sys
sys.path[:0] = [{numpy!r}]
import numpy as np
source = {{}}
exec(compile(open({path!r}, encoding="utf-8").read(), {path!r}, "exec"), source)
params = {{name: np.array(value) for name, value in {params!r}.items()}}
loss, gradients = source["loss_and_gradients"](params, np.array({x!r}), np.array({y!r}))
print(repr((float(loss), {{name: array.tolist() for name, array in gradients.items()}})))
print(source["forward"](params, np.array({x!r})).tolist())
assert not [name for name in sys.modules if name.split(".")[0] in ("symback", "sympy")]
"""


@pytest.mark.parametrize("samples", [None, 3])
@pytest.mark.parametrize("style", STYLES)
def test_the_source_runs_with_numpy_alone(style, samples, tmp_path):
    """Saved to a file, in an interpreter without site packages: the same to the last bit."""
    layers = ((3, "gelu"), (2, "softmax"))
    case = build(2, list(layers), "cross_entropy", samples=samples, seed=2)
    kernel = made(layers, "cross_entropy", style, 2)
    path = tmp_path / "kernel.py"
    path.write_text(kernel.source, encoding="utf-8")
    params, x, y = arguments(case)
    plain = {name: array.tolist() for name, array in params.items()}
    program = BARE.format(
        numpy=str(Path(np.__file__).parents[1]), path=str(path), params=plain, x=x.tolist(),
        y=y.tolist(),
    )  # fmt: skip
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "-c", program],
        capture_output=True, encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    loss, gradients = kernel(params, x, y)
    first, second = run.stdout.splitlines()
    expected = (loss, {name: array.tolist() for name, array in gradients.items()})
    assert first == repr(expected)
    assert second == str(kernel.forward(params, x).tolist())


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("activation", ALL_ACTIVATIONS)
def test_the_source_is_fit_to_read(activation, style):
    """At most 100 columns, no trailing blanks, each deduction above its line, no symback inside."""
    kernel = made(((3, activation), (2, "softmax")), "cross_entropy", style)
    lines = kernel.source.splitlines()
    assert all(len(line) <= 100 and line == line.rstrip() for line in lines)
    assert "import symback" not in kernel.source
    assert "eval(" not in kernel.source
    for line in ("# ∇A_2 = 1/B·(Ŷ - Y)", "# ∇W_2 = (∇A_2)ᵀ H_1", "# ∇H_1 = ∇A_2 W_2"):
        assert f"    {line}" in lines
    assert ("# ∂L/∂a_2i = ŷ_i - y_i" in kernel.source) is (style == "scalar")


def test_a_traceback_shows_the_lines_of_the_source():
    """What goes wrong inside is shown with its line, whatever kernel was made since."""
    kernel = made(((3, "sigmoid"), (2, "softmax")), "cross_entropy", "array")
    kernels.kernel(network([(2, "tanh")], "huber", 2))
    with pytest.raises(AttributeError) as caught:
        kernel.function.__globals__["_softmax"](3)
    shown = "".join(traceback.format_exception(caught.value))
    assert "a = a.T.copy()  # samples side by side" in shown


def test_a_title_cannot_end_the_docstring():
    """A user's words stay words."""
    kernel = sb.Network(1, [(1, "linear")], loss="output", title='"""; import os; """\\').kernel()
    assert kernel.source.count('"""') % 2 == 0
    assert "; import os" not in kernel.source


def test_the_style_is_chosen_and_said():
    """Small networks number by number, large and symbolic ones in arrays, or as one says."""
    small = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")
    large = sb.Network(784, [(128, "relu"), (10, "softmax")], loss="cross_entropy")
    assert (small.kernel().style, large.kernel().style) == ("scalar", "array")
    assert small.kernel("array").style == "array"
    assert small.kernel() is small.kernel()
    assert "Style: scalar" in small.kernel().source.replace("\n", " ")
    symbolic = sb.Network("n_0", [("n_1", "tanh"), (2, "softmax")], loss="cross_entropy")
    assert symbolic.kernel().style == "array"
    with pytest.raises(NoKernel, match="widths that are numbers"):
        symbolic.kernel("scalar")
    with pytest.raises(KernelError, match="style 'scaler': expected scalar or array; did you mean"):
        small.kernel("scaler")


def test_symbolic_widths_are_taken_from_the_arrays():
    """One kernel for all widths; a clash of two is an error that names the array and both."""
    net = sb.Network("n_0", [("n_1", "tanh"), ("n_2", "softmax")], loss="squared_error",
                     over_outputs="mean")  # fmt: skip
    for inputs, hidden, outputs in ((2, 3, 2), (4, 1, 5)):
        case = build(
            inputs, [(hidden, "tanh"), (outputs, "softmax")], "squared_error", samples=2,
            over_outputs="mean", seed=6,
        )  # fmt: skip
        assert_right(net.kernel(), case)
    params = {"W1": np.ones((3, 2)), "b1": np.ones(3), "W2": np.ones((2, 4)), "b2": np.ones(2)}
    with pytest.raises(KernelError, match=r"W2 has shape \(2, 4\); expected \(2, 3\)"):
        net.kernel()(params, np.ones(2), np.ones(2))


def test_a_batch_in_the_file_does_not_fix_the_kernel():
    """The numbers of a file, its batch or a target that sums to 2, leave the kernel as it is."""
    values_ = {"x": [[1.0, 2.0], [0.5, 1.0]], "y": [[2.0, 0.0], [0.0, 2.0]]}
    net = sb.Network(2, [(2, "softmax")], loss="cross_entropy", values=values_, over_samples="sum")
    bare = sb.Network(2, [(2, "softmax")], loss="cross_entropy", over_samples="sum")
    code = [one.kernel("array").source.split('"""', 2)[2] for one in (net, bare)]
    assert code[0] == code[1]


# --------------------------------------------------------------------------------------- the lines


def stale_reads(program):
    """Names that lines read before they have a value, or after another took their memory."""
    given = (v.name for v in program.graph.variables if v.name in "xy" or v.name[0] in "Wb")
    place = {name: name for name in (*given, *program.sizes, "ones")}
    for line in (line for block in program.blocks for line in block.lines):
        yield from line.reads - {*place}
        memory = line.out or line.names[0]
        place = {name: own for name, own in place.items() if own != memory}
        place |= {name: line.out or name for name in line.names}


@settings(max_examples=60, deadline=None)
@given(networks())
def test_no_line_reads_what_is_not_there(drawn):
    """Plain or in memory that is kept, each name has its value when it is read."""
    _, net = drawn
    program = module._in_arrays(net)
    for each in (program, lines.in_memory(program)):
        assert [*stale_reads(each)] == []


def test_every_helper_is_called_and_every_call_has_its_helper():
    """The functions in `templates/kernel.toml` are those that some engine's words name."""
    texts, called = module.templates(), set()
    for spelling in (lines.NUMPY, lines.JAX, lines.TORCH, lines.MATH):
        heads = {head for head, word in spelling.functions.items() if word.startswith("_")}
        there = texts["helpers"] | texts.get(spelling.name, {})
        assert heads <= there.keys()
        called |= {(word, spelling.name) for word in heads}
    names = {word for word, _ in called}
    assert texts["helpers"].keys() <= names
    for engine in ("numpy", "math"):
        assert {(word, engine) for word in texts[engine]} <= called


def test_a_stale_read_is_seen():
    """Lines in another order, or two arrays in one memory, are found."""
    program = lines.in_memory(module._in_arrays(network([(3, "sigmoid"), (2, "tanh")], "huber", 2)))
    assert [*stale_reads(replace(program, forward=program.forward[::-1]))]
    first, second, *others = program.forward
    (dot, bias), h = first.lines, second.lines
    both = replace(second, lines=(*h, replace(dot, names=("other",), out="h1")))
    assert [*stale_reads(replace(program, forward=(first, both, *others)))]
    assert bias.out == "a1"


# ---------------------------------------------------------------------------------- one derivative


@pytest.mark.parametrize("name", ["w_131", "w_212", "b_12", "b_21", "a_11", "a_22", "h_13"])
def test_one_derivative_alone(name):
    """`Derivation.kernel` is the entry of the gradient, or one number a sample."""
    net = sb.Network(4, [(4, "sigmoid"), (2, "softmax")], loss="squared_error")
    case = build(4, [(4, "sigmoid"), (2, "softmax")], "squared_error", samples=3, seed=1)
    reference = read_reference(name, case.graph.variables)
    numbers = case.numbers.gradients(case.backward)[reference.variable.name]
    kernel = net.derive(name).kernel()
    own = tuple(k - 1 for k in reference.indices)
    params, x, y = arguments(case)
    if reference.variable.batched:
        np.testing.assert_allclose(
            kernel(params, x, y), as_floats(numbers[(..., *own)]), rtol=1e-12
        )
        assert kernel(params, x[0], y[0]).shape == ()
    else:
        assert isinstance(kernel(params, x, y), float)
        assert math.isclose(kernel(params, x, y), numbers[own], rel_tol=1e-12)
    assert kernel.outputs == (name,)
    assert ("dW2 =" in kernel.source, "loss =" in kernel.source) == (False, False)


@pytest.mark.parametrize(
    ("layers", "loss", "names"),
    [
        ([(3, "softmax"), (2, "linear")], "squared_error", ["h_11", "h_13", "a_12"]),
        ([(3, "softmax"), (2, "softmax")], "huber", ["h_12", "a_11", "a_22"]),
        ([(3, "tanh"), (2, "softmax")], "cross_entropy", ["a_21", "h_12", "b_21"]),
        ([(3, "tanh"), (3, "softmax")], "binary_cross_entropy", ["a_23", "a_12", "w_231"]),
    ],
)
def test_one_derivative_beside_a_softmax(layers, loss, names):
    """What the lines through a softmax change on the way is not taken for the derivative."""
    net = sb.Network(2, layers, loss=loss)
    case = build(2, layers, loss, samples=3, seed=1)
    params, x, y = arguments(case)
    for name in names:
        reference = read_reference(name, case.graph.variables)
        numbers = case.numbers.gradients(case.backward)[reference.variable.name]
        found = net.derive(name).kernel()(params, x, y)
        own = tuple(k - 1 for k in reference.indices)
        np.testing.assert_allclose(found, np.array(as_floats(numbers))[..., *own], rtol=1e-10)


@pytest.mark.parametrize("style", STYLES)
def test_three_conditions_hold_together(style):
    """A where within a where within a where: NumPy's `and` of three took the last as its `out`."""
    formula = "where(z>0, where(z<2, where(z*z<1, z, 5*z), 7*z), 3*z)"
    net = sb.Network(1, [(4, sb.Activation("steps", formula))], loss="output", bias="none")
    params = {"W1": np.array([[0.5], [1.5], [-1.0], [3.0]])}
    kernel = net.kernel(style)
    assert kernel.forward(params, np.ones(1)).tolist() == [0.5, 7.5, -3.0, 21.0]
    assert kernel(params, np.ones(1))[1]["W1"][:, 0].tolist() == [1.0, 5.0, 3.0, 7.0]


def test_what_has_no_kernel_says_so():
    """Inputs, targets, the output of a network, and an [equations] file."""
    net = sb.Network(2, [(2, "softmax")], loss="cross_entropy")
    for name in ("x_1", "yhat_1", "y_1"):
        with pytest.raises(NoKernel, match=f"no kernel for {name}: kernels are made for weights"):
            net.derive(name).kernel()
    with pytest.raises(NoKernel, match=r"this file holds \[equations\]"):
        sb.equations({"yhat": "w*x", "L": "yhat**2"}).kernel()
    with pytest.raises(NoKernel, match="arrays only"):
        sb.Network(2, [(2, "softmax")], loss="binary_cross_entropy").kernel("scalar")


# ---------------------------------------------------------------------------- arguments, results

GOOD = {"W1": np.full((3, 2), 0.5), "b1": np.ones(3), "W2": np.ones((2, 3)), "b2": np.zeros(2)}
X, Y = np.array([[1.0, 2.0], [0.5, -1.0]]), np.eye(2)
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    ("changed", "x", "y", "message"),
    [
        ({"W1": np.ones((2, 3))}, X, Y, r"W1 has shape (2, 3); expected (3, 2)"),
        ({"b1": np.ones((3, 1))}, X, Y, r"b1 has shape (3, 1); expected (3,)"),
        ({"W2": np.ones((2, 3, 1))}, X, Y, r"W2 has shape (2, 3, 1); expected (2, 3)"),
        ({"W1": np.full((3, 2), NAN)}, X, Y, "W1 holds nan at (0, 0), which is not finite"),
        ({"b2": np.array([0, INF])}, X, Y, "b2 holds inf at (1,), which is not finite"),
        ({"b2": None}, X, Y, "b2 holds object; expected float32, float64 or integers"),
        ({"b2": np.zeros(2, np.float32)}, X, Y, "the parameters are of different types: W1 is"),
        ({"b2": np.zeros(2, complex)}, X, Y, "b2 holds complex128"),
        ({"b2": np.zeros(2, np.float16)}, X, Y, "b2 holds float16"),
        ({"W3": np.ones(2)}, X, Y, "params: W1, b1, W2, b2, W3 given; expected W1, b1, W2, b2"),
        ({}, np.ones(3), Y[0], "x has shape (3,); expected (2,) for one sample, or (B, 2)"),
        ({}, np.ones((2, 3)), Y, "x has shape (2, 3); expected (2,)"),
        ({}, np.ones((2, 2, 2)), Y, "x has shape (2, 2, 2); expected (2,)"),
        ({}, 3.0, Y[0], "x has shape (); expected (2,)"),
        ({}, np.ones((0, 2)), np.ones((0, 2)), "with one row a sample and at least one"),
        ({}, X, np.ones((2, 3)), "y has shape (2, 3); expected (2,)"),
        ({}, X, np.ones((3, 2)), "x has 2 samples, shape (2, 2), and y 3, (3, 2)"),
        ({}, X, np.array([1, 2, 1]), "y has shape (3,); expected (2,)"),
        ({}, X[0], Y, "x has 1 samples, shape (1, 2), and y 2, (2, 2)"),
        ({}, np.array([[1, NAN], [0, 0]]), Y, "x holds nan at (0, 1), which is not finite"),
        ({}, np.array([1, -INF]), Y[0], "x holds -inf at (1,), which is not finite"),
        ({}, X, np.array([[INF, 0], [0, 1]]), "y holds inf at (0, 0)"),
        ({}, X[0], np.array([NAN, 0]), "y holds nan at (0,)"),
        ({}, np.array(["a", "b"]), Y[0], "x holds <U1; expected float32, float64 or integers"),
        ({}, np.array([1, None]), Y[0], "x holds object"),
        ({}, [[1.0, 2.0], [3.0]], Y, "x is ragged"),
        ({}, X, None, "y holds object"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(changed, x, y, message, style):
    """One clear error, in either style, that names the array, and both shapes where two clash."""
    kernel = made(((3, "relu"), (2, "softmax")), "cross_entropy", style, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an infinite parameter NumPy speaks first
        with pytest.raises(KernelError) as caught:
            kernel(GOOD | changed, x, y)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", [{}, {"W1": GOOD["W1"]}, None, [1]])
def test_missing_parameters_are_named(missing):
    """What is given, and what was expected."""
    kernel = made(((3, "relu"), (2, "softmax")), "cross_entropy", "array", 2)
    with pytest.raises(KernelError, match=r"params: .*; expected W1, b1, W2, b2"):
        kernel(missing, X, Y)
    with pytest.raises(KernelError, match=r"params: .*; expected W1, b1, W2, b2"):
        kernel.forward(missing, X)


@pytest.mark.parametrize("style", STYLES)
def test_lists_and_whole_numbers_are_taken(style):
    """Lists count as arrays, integers become floats of the parameters' type."""
    kernel = made(((3, "relu"), (2, "softmax")), "cross_entropy", style, 2)
    plain = {name: array.tolist() for name, array in GOOD.items()}
    expected = kernel(GOOD, X[0], Y[0])[1]
    for x, y in ((X[0].tolist(), [1, 0]), (X[0], np.array([1, 0], np.uint8))):
        for params in (plain, GOOD):
            found = kernel(params, x, y)[1]
            assert all(np.array_equal(found[name], expected[name]) for name in GOOD)
    single = {name: array.astype(np.float32) for name, array in GOOD.items()}
    for x in (X, X[0]):
        found = kernel(single, x, Y if x.ndim == 2 else Y[0])[1]
        assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}
    assert kernel.forward(single, X).dtype == np.float32


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("activation", ALL_ACTIVATIONS)
@pytest.mark.parametrize("one", [True, False])
def test_arguments_stay_and_results_are_one_s_own(activation, one, style):
    """No argument is changed, no result shares memory with an argument or an earlier result."""
    kernel = made(((3, activation), (2, "linear")), "squared_error", style, 2)
    x, y = (X[0].copy(), Y[0].copy()) if one else (X.copy(), Y.copy())
    params = {name: array.copy() for name, array in GOOD.items()}
    for array in (x, y, *params.values()):
        array.flags.writeable = False
    first, again = kernel(params, x, y)[1], kernel(params, x, y)[1]
    forward = kernel.forward(params, x)
    given = [x, y, *params.values()]
    results = [*first.values(), *again.values(), forward]
    for result, other in itertools.product(results, given):
        assert not np.shares_memory(result, other)
    for result, other in itertools.combinations(results, 2):
        assert not np.shares_memory(result, other)
    for result in results:
        result += 1  # one's own, to write to
    assert all(np.array_equal(params[name], GOOD[name]) for name in GOOD)


@pytest.mark.parametrize("activation", ALL_ACTIVATIONS)
def test_memory_that_is_kept_is_no_part_of_results(activation):
    """What one call computes in is used again by the next, of other sizes and types in between."""
    kernel = kernels.kernel(
        network([(3, activation), (2, activation)], "squared_error", 2), style="array"
    )
    single = {name: array.astype(np.float32) for name, array in GOOD.items()}
    first = kernel(GOOD, X, Y)
    kept = [array.copy() for array in first[1].values()], kernel.forward(GOOD, X).copy()
    results = [*first[1].values(), kernel.forward(GOOD, X)]
    memory = kernel.function.__globals__["_KEPT"].arrays
    assert not any(np.shares_memory(result, array) for result in results for array in memory)
    kernel(GOOD, X[::-1] + 1, Y)
    kernel(GOOD, X[0], Y[0])
    kernel(single, X, Y)
    for result, before in zip(results, [*kept[0], kept[1]], strict=True):
        assert np.array_equal(result, before)
    loss, again = kernel(GOOD, X, Y)
    assert loss == first[0]
    assert all(np.array_equal(again[name], first[1][name]) for name in again)


def test_threads_do_not_share_memory():
    """Several threads with batches of one size: each gets its own gradients."""
    kernel = kernels.kernel(network([(64, "sigmoid"), (2, "softmax")], "cross_entropy", 2))
    draw = np.random.default_rng(0)
    params = {"W1": draw.normal(size=(64, 2)), "b1": draw.normal(size=64),
              "W2": draw.normal(size=(2, 64)), "b2": np.zeros(2)}  # fmt: skip
    batches = [
        (draw.normal(size=(500, 2)), np.eye(2)[draw.integers(2, size=500)]) for _ in range(8)
    ]
    expected = [kernel(params, x, y) for x, y in batches]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            found = pool.map(lambda batch: kernel(params, *batch), batches)
            for (loss, gradients), (wanted, own) in zip(found, expected, strict=True):
                assert loss == wanted
                assert all(np.array_equal(gradients[name], own[name]) for name in own)


def test_a_loss_that_overflows_is_told_as_it_is():
    """Finite arguments that give no finite loss are no bad arguments: descent says "diverged"."""
    kernel = made(((1, "linear"),), "squared_error", "scalar", 1, bias="none")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loss, _ = kernel({"W1": np.array([[1e200]])}, np.array([1e100]), np.array([0.0]))
    assert loss == INF


def test_a_kernel_is_a_value():
    """Equal networks have equal kernels, and a kernel says what it reads and gives."""
    first, second = (kernels.kernel(network([(2, "tanh")], "huber", 2)) for _ in range(2))
    assert first == second
    assert first.inputs == ("W1", "b1", "x", "y")
    assert first.outputs == ("W1", "b1")
    assert repr(first).startswith("Kernel(inputs=('W1', 'b1', 'x', 'y')")


# ------------------------------------------------------------------------------- the command line


def run_command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "symback", "kernel", *map(str, arguments)],
        capture_output=True, encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip


EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def test_the_command_prints_or_writes_the_source(tmp_path):
    """`symback kernel NET` prints what `net.kernel().source` is; with -o it is in the file."""
    source = sb.load(EXAMPLES / "s5.toml").kernel().source
    assert run_command(EXAMPLES / "s5.toml").stdout == source
    path = tmp_path / "made" / "s5.py"
    run = run_command(EXAMPLES / "s5.toml", "--style", "array", "-o", path)
    assert (run.returncode, run.stdout.strip()) == (0, str(path))
    assert path.read_text(encoding="utf-8") == sb.load(EXAMPLES / "s5.toml").kernel("array").source


def test_the_command_says_what_it_cannot_do(tmp_path):
    """Exit status 2, one message, nothing written."""
    path = tmp_path / "k.py"
    run = run_command(EXAMPLES / "s1.toml", "-o", path)
    assert run.returncode == 2
    assert not path.exists()
    assert "Traceback" not in run.stderr
    assert "a kernel is made of a network of layers" in run.stderr
