"""Kernels of networks written as equations: arrays as fast as by hand, equal to the elements.

Referees: every element at 50 digits (`symback.equations.elements`), which shares no line with the
kernels, and JAX's own derivative of the forward pass.
"""

import re
import runpy
from fractions import Fraction
from pathlib import Path

import jax
import mpmath
import numpy as np
import pytest

import symback as sb
import systems
from symback.equations.adjoints import backward
from symback.equations.elements import Elements
from symback.equations.indices import Range, letter, number
from symback.equations.system import Definition, Group, Kind, Quantity, System
from symback.equations.terms import (
    Binder,
    Call,
    Number,
    Read,
    negative,
    power,
    product,
    total,
)
from symback.kernels import KernelError
from symback.kernels.programs import hessian_kernel, system_kernel, system_source
from symback.learning.descent import DescentError
from symback.learning.equations import DescentDiverged

jax.config.update("jax_enable_x64", True)
EPS = float(np.finfo(float).eps)


def recurrence() -> System:
    """The recurrent network of the contract, at symbolic sizes."""
    t, i, j = letter("t"), letter("i"), letter("j")
    steps, units, inputs = letter("T"), letter("n"), letter("d")
    over_t, over_i = Range("t", steps), Range("i", units)

    def summed(over: Range, body):
        return Binder("sum", over, (), body)

    a = total(
        [
            summed(Range("j", inputs), product([Read("W", (i, j)), Read("x", (t, j))])),
            summed(Range("j", units), product([Read("U", (i, j)), Read("h", (t - number(1), j))])),
            Read("b", (i,)),
        ]
    )
    error = total([Read("h", (t, i)), negative(Read("y", (t, i)))])
    loss = summed(over_t, summed(over_i, power(error, Number(Fraction(2)))))
    return System(
        {"T": None, "n": None, "d": None},
        (
            Quantity("W", Kind.PARAMETER, (units, inputs)),
            Quantity("U", Kind.PARAMETER, (units, units)),
            Quantity("b", Kind.PARAMETER, (units,)),
            Quantity("x", Kind.INPUT, (steps, inputs)),
            Quantity("y", Kind.INPUT, (steps, units)),
            Quantity("h0", Kind.INPUT, (units,)),
            Quantity("a", Kind.COMPUTED, (steps, units)),
            Quantity("h", Kind.COMPUTED, (steps, units)),
            Quantity("L", Kind.COMPUTED),
        ),
        (
            Group((Definition("h", (number(0), i), (over_i,), Read("h0", (i,))),)),
            Group(
                (
                    Definition("a", (t, i), (over_t, over_i), a),
                    Definition("h", (t, i), (over_t, over_i), Call("tanh", (Read("a", (t, i)),))),
                ),
                {"a": 0, "h": 0},
            ),
            Group((Definition("L", (), (), loss),)),
        ),
        "L",
    )


def drawn(steps: int, units: int, inputs: int, seed: int = 0):
    """Parameters and inputs of the recurrent network."""
    chance = np.random.default_rng(seed)
    params = {"W": (units, inputs), "U": (units, units), "b": (units,)}
    data = {"x": (steps, inputs), "y": (steps, units), "h0": (units,)}
    return (
        {name: chance.normal(size=shape) for name, shape in params.items()},
        {name: chance.normal(size=shape) for name, shape in data.items()},
    )


@pytest.mark.parametrize("sizes", [(1, 1, 1), (1, 3, 2), (5, 3, 2)])
def test_a_recurrence_is_its_elements(sizes):
    """Loss and gradients are those of the elements at 50 digits, also where T = 1."""
    derived = backward(recurrence())
    params, data = drawn(*sizes)
    loss, gradients = system_kernel(derived)(params, data)
    given = {name: array.tolist() for name, array in (params | data).items()}
    exact = Elements(derived.system, given)
    assert loss == pytest.approx(float(exact.loss), rel=1e-14)
    for name, found in gradients.items():
        wanted = np.array(exact.array(f"∇{name}"), dtype=float)
        np.testing.assert_allclose(found, wanted, rtol=1e-13, atol=1e-14)


def test_jax_compiles_it_and_agrees():
    """JAX's derivative of its own forward pass, its kernel under jit, and NumPy's are equal."""
    derived = backward(recurrence())
    params, data = drawn(5, 3, 2)
    pure = system_kernel(derived, backend="jax")
    loss, gradients = jax.jit(pure.function)(params, data)
    own = jax.grad(lambda given: pure(given, data)[0])(params)
    loss_of_numpy, of_numpy = system_kernel(derived)(params, data)
    assert float(loss) == pytest.approx(loss_of_numpy, rel=1e-14)
    for name in params:
        np.testing.assert_allclose(gradients[name], own[name], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(gradients[name], of_numpy[name], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", systems.KINDS)
def test_torch_is_written(kind):
    """PyTorch's source is Python, and names no other engine."""
    source = system_source(backward(systems.system(kind, None)), backend="torch")
    compile(source, "torch", "exec")
    assert "import torch" in source
    assert not re.search(r"\b(np|jnp)\.", source)


def test_arguments_are_said_when_wrong():
    """A missing, unknown or misshapen argument is named, with what was expected."""
    kernel = system_kernel(backward(recurrence()))
    params, data = drawn(5, 3, 2)
    with pytest.raises(KernelError, match=r"params: b missing; expected W, U, b"):
        kernel({"W": params["W"], "U": params["U"]}, data)
    with pytest.raises(KernelError, match=r"U has shape \(3, 2\); expected \(3, 3\)"):
        kernel(params | {"U": params["W"]}, data)
    with pytest.raises(KernelError, match="x holds nan at"):
        kernel(params, data | {"x": np.full((5, 2), np.nan)})
    with pytest.raises(KernelError, match="1 inputs given; expected x, y, h0"):
        kernel(params, data["x"])


# ------------------------------------------------------------------------------ every kind of file


def arrays(system: System, sizes=None, seed: int = 0):
    """Random parameters and inputs of a system, by name."""
    chance = np.random.default_rng(seed)
    moves = dict(system.sizes) | (sizes or {})
    params, data = {}, {}
    for quantity in system.quantities:
        shape = tuple(size.value(moves) for size in quantity.shape)
        if quantity.kind is Kind.DATA:
            data[quantity.name] = chance.integers(1, quantity.below.value(moves) + 1, size=shape)
        elif quantity.name == "eps":
            data["eps"] = np.array(0.01)
        elif quantity.kind in (Kind.PARAMETER, Kind.INPUT):
            into = params if quantity.kind is Kind.PARAMETER else data
            into[quantity.name] = chance.normal(size=shape)
    return params, data


def compare(derived, params, data, found, sizes=None):
    """A loss and gradients with those of the elements at 50 digits.

    An error is measured by the largest component: what cancels in one is of that size.
    """
    given = {name: array.tolist() for name, array in (params | data).items()}
    exact = Elements(derived.system, given, sizes=sizes)
    loss, gradients = found
    assert float(loss) == pytest.approx(float(exact.loss), rel=1e-13, abs=1e-13)
    assert {*gradients} == {*params}
    for name, gradient in gradients.items():
        assert gradient.shape == params[name].shape
        if name in derived.adjoints:
            wanted = np.array(exact.array(f"∇{name}"), dtype=float)
        else:
            wanted = np.zeros(gradient.shape)
        scale = max(1e-3, abs(wanted).max(initial=0))
        np.testing.assert_allclose(gradient, wanted, rtol=1e-12, atol=64 * EPS * scale)


@pytest.mark.parametrize("kind", systems.KINDS)
def test_every_kind_is_its_elements(kind):
    """Loss, gradients and every array of the forward pass, for every kind of file."""
    system = systems.system(kind, None)
    derived = backward(system)
    kernel = system_kernel(derived)
    for seed in range(2):
        params, data = arrays(system, seed=seed)
        before = {name: array.copy() for name, array in (params | data).items()}
        compare(derived, params, data, kernel(params, data))
        exact = Elements(system, {name: array.tolist() for name, array in before.items()})
        for name, found in kernel.forward(params, data).items():
            wanted = np.array(exact.array(name), dtype=float)
            np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-13)
        for name, array in (params | data).items():
            np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("kind", systems.SYMBOLIC)
def test_any_sizes(kind):
    """The same source computes any sizes, 1 too, where a file leaves them open."""
    system = systems.symbolic(kind)
    derived = backward(system)
    kernel = system_kernel(derived)
    for seed in range(3):
        chance = np.random.default_rng(seed)
        sizes = {name: 1 if not seed else int(chance.integers(1, 5)) for name in system.sizes}
        params, data = arrays(system, sizes, seed)
        compare(derived, params, data, kernel(params, data), sizes)


@pytest.mark.parametrize("kind", systems.KINDS)
def test_jax_under_jit(kind):
    """JAX's kernel compiles as a whole, and is JAX's own derivative of its forward pass."""
    system = systems.system(kind, None)
    derived = backward(system)
    kernel = system_kernel(derived, backend="jax")
    params, data = arrays(system)

    def both(params):
        return kernel(params, data), jax.grad(lambda given: kernel(given, data)[0])(params)

    found, own = jax.jit(both)(params)
    compare(derived, params, data, found)
    for name in params:
        scale = max(1e-3, abs(own[name]).max(initial=0))
        np.testing.assert_allclose(found[1][name], own[name], rtol=1e-9, atol=1e-11 * scale)


# ------------------------------------------------------------------- second derivatives, descent

TWICE = ("rnn", "gru", "layer_norm", "attention", "conv1d", "embedding")


@pytest.mark.parametrize("kind", TWICE)
def test_hessian_products_are_those_of_jax(kind):
    """H v by a second backward pass is JAX's forward derivative of its reverse one."""
    derived = backward(systems.system(kind, None))
    params, data = arrays(derived.forward)
    direction, _ = arrays(derived.forward, seed=1)
    pure = system_kernel(derived, backend="jax")

    def gradient(given):
        return jax.grad(lambda each: pure(each, data)[0])(given)

    _, wanted = jax.jit(lambda given, v: jax.jvp(gradient, (given,), (v,)))(params, direction)
    found = hessian_kernel(derived)(params, data, direction)
    assert {*found} == {*params}
    for name in params:
        scale = max(1e-3, abs(wanted[name]).max(initial=0))
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-9, atol=1e-11 * scale)


def test_descent_goes_down_and_says_what_is_wrong():
    """An RNN's loss falls; the callback sees every epoch; a rate too large is named."""
    net = sb.equations(
        "h[0,i] = 0\n"
        "h[t,i] = tanh(sum(j, U[i,j]*h[t-1,j]) + x[t,i])\n"
        "L = mean(t, sum(i, (h[t,i] - y[t,i])**2))",
        sizes={"T": 4, "n": 3},
        parameters={"U": ["n", "n"]},
        inputs={"x": ["T", "n"], "y": ["T", "n"]},
    )
    _, data = arrays(net.system)
    seen = []
    run = net.descend(
        data, epochs=20, rate=0.05, callback=lambda epoch, loss, _: seen.append((epoch, loss))
    )
    assert np.all(np.diff(run.loss) < 0)
    assert seen == list(enumerate(run.loss))
    assert net.descend(data, epochs=20, rate=0.05).loss.tolist() == run.loss.tolist()
    with pytest.raises(DescentError, match="no learning rate"):
        net.descend(data, epochs=1)
    with pytest.raises(DescentError, match="no numbers are given for x"):
        net.descend(epochs=1, rate=0.1)
    square = sb.equations("L = w**4", parameters={"w": []})
    with pytest.raises(DescentDiverged, match="try a smaller") as caught:
        square.descend({}, parameters={"w": 3.0}, epochs=9, rate=9.0)
    assert np.isfinite(caught.value.descended.loss).all()


def test_the_examples_learn(capsys):
    """The recurrent network writes its text, the transformer sequences that it has never seen."""
    examples = Path(__file__).parent.parent / "examples"
    letters = runpy.run_path(str(examples / "char_rnn.py"))
    letters["main"]()
    assert capsys.readouterr().out.splitlines()[-1] == letters["TEXT"]
    runpy.run_path(str(examples / "transformer.py"))["main"]()
    last = capsys.readouterr().out.splitlines()[-1]
    share = float(last.partition("%")[0])
    assert share > 95, last


# ------------------------------------------------------------------------------------ every digit

CLASSES = {
    "labels": "L = mean(s, logsumexp(k, o[s,k]) - o[s,lab[s]])",
    "logarithm": "p[s,k] = softmax(k, o[s,k])\nL = -sum(s, log(p[s,lab[s]]))",
    "targets": "p[s,k] = softmax(k, o[s,k])\nL = -sum(s, sum(k, y[s,k]*log(p[s,k])))",
}


@pytest.mark.parametrize("scale", [1, 40, 700])
@pytest.mark.parametrize("name", CLASSES)
def test_extreme_logits_lose_no_digits(name, scale):
    """Softmax with cross-entropy: 8 eps a component, also where a probability is 1 or 0."""
    net = sb.equations(
        CLASSES[name],
        sizes={"S": 6, "K": 5},
        parameters={"o": ["S", "K"]},
        inputs={"y": ["S", "K"]} if name == "targets" else {},
        indices={} if name == "targets" else {"lab": {"shape": ["S"], "below": "K"}},
    )
    chance = np.random.default_rng(scale)
    logits = scale * chance.uniform(-1, 1, size=(6, 5))
    labels = chance.integers(1, 6, size=6)
    data = {"y": np.eye(5)[labels - 1]} if name == "targets" else {"lab": labels}
    loss, gradients = net.kernel()({"o": logits}, data)
    with mpmath.workdps(700):  # e^-1400 is next to 1
        rows = [[mpmath.exp(mpmath.mpf(float(z))) for z in row] for row in logits]
        shares = [[e / mpmath.fsum(row) for e in row] for row in rows]
        weight = mpmath.mpf(1) / 6 if name == "labels" else 1
        exact = [
            [weight * (p - (k == label)) for k, p in enumerate(row, start=1)]
            for row, label in zip(shares, labels, strict=True)
        ]
        logs = [mpmath.log(row[label - 1]) for row, label in zip(shares, labels, strict=True)]
        wanted_loss = float(-weight * mpmath.fsum(logs))
    wanted = np.array(exact, dtype=float)
    normal = abs(wanted) > 1e-300  # below, a number has not all digits
    assert loss == pytest.approx(wanted_loss, rel=8 * EPS)
    np.testing.assert_allclose(gradients["o"][normal], wanted[normal], rtol=8 * EPS)
    np.testing.assert_allclose(gradients["o"][~normal], wanted[~normal], atol=1e-300)


@pytest.mark.parametrize("function", ["tanh", "sigmoid", "silu", "softplus", "gelu", "elu"])
def test_slopes_lose_no_digits(function):
    """The slope of an activation, where h is 1 or 0 to the last digit: 8 eps."""
    net = sb.equations(
        f"h[i] = {function}(a[i])\nL = sum(i, h[i])",
        sizes={"n": "n"},
        parameters={"a": ["n"]},
    )
    far = 8.5 if function == "gelu" else 30.5  # what the elements' 50 digits can tell
    points = np.array([-far, -3.25, -0.5, 1e-9, 0.5, 3.25, far])
    _, gradients = net.kernel()({"a": points}, {})
    wanted = np.array(Elements(net.backward.system, {"a": points.tolist()}).array("∇a"), float)
    np.testing.assert_allclose(gradients["a"], wanted, rtol=8 * EPS)


def test_nothing_outside_is_a_number():
    """What a condition leaves out may be infinite: it is not looked at."""
    net = sb.equations(
        "L = sum(t, sum(u if u < t, exp(s[t,u])*w[u]))",
        sizes={"T": 3},
        parameters={"s": ["T", "T"], "w": ["T"]},
    )
    scores = np.where(np.tri(3, k=-1), 0.5, 800.0)
    loss, gradients = net.kernel()({"s": scores, "w": np.ones(3)}, {})
    assert loss == pytest.approx(3 * np.exp(0.5))
    assert np.isfinite(gradients["s"]).all()
    assert np.isfinite(gradients["w"]).all()


MASKED = """
S[t,u] = q[t]*r[u]
p[t,u] = softmax(u if u <= t, S[t,u])
L = -sum(t, log(p[t,1])) + sum(t, sum(u if u <= t, z[t,u]*(p[t,u] - z[t,u]))) + sum(t, c[t])
c[t] = -sum(u if u <= t, z[t,u]*log(p[t,u]))
"""


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_what_a_softmax_leaves_out_is_not_in_its_rest(steps, backend):
    """p - y and log p of a causal softmax, whose largest score is one that is left out."""
    net = sb.equations(
        MASKED,
        sizes={"T": "T"},
        parameters={"q": ["T"], "r": ["T"], "z": ["T", "T"]},
        ranges={"u": "T", "t": "T"},
        loss="L",
    )
    params, _ = arrays(net.system, {"T": steps}, seed=1)
    params["r"], params["q"] = np.arange(1.0, steps + 1), abs(params["q"])
    compare(net.backward, params, {}, net.kernel(backend=backend)(params, {}), {"T": steps})


def test_whole_numbers_are_computed_with_as_numbers():
    """A function of an index, of a size, of a choice of two numbers, and of a constant."""
    net = sb.equations(
        "a[i] = gelu(i) + gelu(n)*w[i] + gelu(where(w[i] > 0, 1, 2))\n"
        "p[i,j] = softmax(j, i*j)\n"
        "c = 2\n"
        "L = sum(i, sigmoid(a[i])*sum(j, p[i,j]*w[j]))*gelu(c) + logsumexp(i, 3)",
        sizes={"n": "n"},
        parameters={"w": ["n"]},
        ranges={"i": "n", "j": "n"},
    )
    for backend in ("numpy", "jax"):
        params = {"w": np.array([0.5, -0.25, 1.0])}
        compare(net.backward, params, {}, net.kernel(backend=backend)(params, {}))
