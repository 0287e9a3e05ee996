"""What people write instead of `symback kernel`: the same loss and gradients by other means.

Each rival is a function that is given a `Case` and its numbers and returns what is to be timed, a
call without arguments that gives (loss, gradients by name).  All compute the same thing: sigmoid
hidden layers, softmax, cross-entropy averaged over the samples, loss included.

* `by_hand` is the best NumPy we can write: products into buffers kept from call to call,
  elementwise work in place, gradients fresh at every call, each component as accurate as its
  number type allows (the identities stand beside the lines).
* `by_hand_plainly` is the same with the textbook's forms, y(1 - y) and ŷ - y, which lose digits:
  for information, it does less.
* `bare_products` only multiplies the matrices: the floor below which no NumPy gets.
* `torch_eager`, `jax_jit`, `casadi_compiled`, `numba_compiled` are the libraries; one that is not
  installed raises `ModuleNotFoundError`.
"""

import itertools
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Call = Callable[[], tuple[Any, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Case:
    """A network by its widths, the number of samples (0: one sample, vectors) and a number type."""

    widths: tuple[int, ...]
    samples: int
    dtype: str

    @property
    def net(self) -> str:
        """E.g. ``784-128-10``."""
        return "-".join(map(str, self.widths))

    @property
    def batch(self) -> int:
        """B."""
        return max(self.samples, 1)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Parameters by name, W_k (n_k, n_{k-1}) and b_k (n_k,); x and y, one row a sample."""

    parameters: dict[str, np.ndarray]
    x: np.ndarray
    y: np.ndarray


def drawn(case: Case, seed: int = 0) -> Numbers:
    """Random numbers for a case: W_k of variance 1/n_{k-1}, one-hot y."""
    draw = np.random.default_rng(seed)
    parameters = {}
    for k, (wide, units) in enumerate(itertools.pairwise(case.widths), start=1):
        parameters[f"W{k}"] = draw.normal(size=(units, wide)) / np.sqrt(wide)
        parameters[f"b{k}"] = draw.normal(size=units) / 10
    shape = (case.samples,) if case.samples else ()
    x = draw.normal(size=(*shape, case.widths[0]))
    y = np.eye(case.widths[-1])[draw.integers(case.widths[-1], size=shape)]
    typed = {name: array.astype(case.dtype) for name, array in parameters.items()}
    return Numbers(typed, x.astype(case.dtype), y.astype(case.dtype))


# ----------------------------------------------------------------------------------- NumPy, by hand
#
# With E = e^{-a}:  σ(a) = 1/(1 + E),  1 - σ(a) = E σ(a),  σ'(a) = σ(a) · E σ(a): nothing cancels.
# E stays finite where -a is capped at -ln(tiny); beyond it σ(a) underflows anyway.
# With s = z - max z and what the subtraction rounded off (Knuth's two-sum), q = e^s keeps its last
# digits even at s = -700.  With S = Σq:  ∂L/∂z_k = (q_k Σ_{j≠k} y_j - y_k Σ_{j≠k} q_j)/S, where
# (Σy) ŷ_k - y_k would lose the digits of a confident winner; a sum over j ≠ k is a product with
# 1 1ᵀ - I.


def by_hand(case: Case, numbers: Numbers) -> Call:
    """The best NumPy, accurate component by component."""
    write = {(2, False): _one_sample, (2, True): _two_layers, (3, True): _three_layers}
    kernel = write[len(case.widths) - 1, bool(case.samples)](case)
    return lambda: kernel(numbers.parameters, numbers.x, numbers.y)


Kernel = Callable[
    [Mapping[str, np.ndarray], np.ndarray, np.ndarray], tuple[Any, dict[str, np.ndarray]]
]


def _cap(dtype: str) -> np.floating:
    return -np.log(np.finfo(dtype).tiny)


def _limit(case: Case) -> Callable[[np.ndarray], object]:
    """-a not above -ln(tiny), in place: np.clip is Python's, but thrice as fast as np.minimum."""
    cap, minimum, clip = np.array(_cap(case.dtype)), np.minimum, np.clip
    if case.samples * case.widths[1] < 2000:
        return lambda e: minimum(e, cap, out=e)
    return lambda e: clip(e, -cap, cap, out=e)


def _one_sample(case: Case) -> Kernel:
    # A Python number costs an array operation more than an array of the same size does.
    (_, n1, n2), dtype = case.widths, case.dtype
    others = (1 - np.eye(n2)).astype(dtype)
    ones, ones_out, cap = np.ones(n1, dtype), np.ones(n2, dtype), np.full(n1, _cap(dtype), dtype)
    add, divide, exp, minimum, multiply = np.add, np.divide, np.exp, np.minimum, np.multiply
    negative, subtract, log = np.negative, np.subtract, math.log
    e, h, t = (np.empty(n1, dtype) for _ in range(3))
    z, s, r, u, q = (np.empty(n2, dtype) for _ in range(5))

    def kernel(parameters, x, y):
        W2 = parameters["W2"]
        parameters["W1"].dot(x, e)
        add(e, parameters["b1"], e)
        negative(e, e)
        minimum(e, cap, out=e)
        exp(e, e)
        add(e, ones, h)
        divide(ones, h, h)
        W2.dot(h, z)
        add(z, parameters["b2"], z)
        most = max(z.tolist())
        subtract(z, most, s)
        exp(s, q)
        subtract(s, z, r)
        subtract(s, r, u)
        subtract(z, u, z)
        add(r, most, r)
        subtract(z, r, z)
        multiply(z, q, z)
        add(q, z, q)
        total = q.dot(ones_out)
        loss = log(total) * y.dot(ones_out) - y.dot(s)
        d2 = others.dot(y)
        multiply(d2, q, d2)
        others.dot(q, z)
        multiply(z, y, z)
        subtract(d2, z, d2)
        divide(d2, total, d2)
        d1 = d2.dot(W2)
        multiply(d1, h, d1)
        multiply(e, h, t)
        multiply(d1, t, d1)
        return loss, {
            "W1": multiply(d1[:, None], x), "b1": d1, "W2": multiply(d2[:, None], h), "b2": d2,
        }  # fmt: skip

    return kernel


def _two_layers(case: Case) -> Kernel:
    B, (_, n1, n2), dtype = case.samples, case.widths, case.dtype
    e1, h1, g1 = (np.empty((B, n1), dtype) for _ in range(3))
    z, s, r, t, q, d2 = (np.empty((n2, B), dtype) for _ in range(6))
    ones, ones_out = np.ones(B, dtype), np.ones(n2, dtype)
    others = (1 - np.eye(n2)).astype(dtype)
    limit, one = _limit(case), np.ones((), dtype)
    exp, log, negative, reciprocal = np.exp, np.log, np.negative, np.reciprocal
    add, dot, largest, subtract = np.add, np.dot, np.maximum.reduce, np.subtract
    divide, multiply = np.divide, np.multiply

    def kernel(parameters, x, y):
        W1, b1, W2, b2 = (
            parameters["W1"], parameters["b1"], parameters["W2"], parameters["b2"],
        )  # fmt: skip
        dot(x, W1.T, e1)
        subtract(negative(b1), e1, e1)  # -a_1
        limit(e1)
        exp(e1, e1)
        add(e1, one, h1)
        reciprocal(h1, h1)
        dot(W2, h1.T, z)
        add(z, b2[:, None], z)
        most = largest(z)
        subtract(z, most, s)
        exp(s, q)
        subtract(s, z, r)
        subtract(s, r, t)
        subtract(z, t, z)
        add(r, most, r)
        subtract(z, r, z)
        multiply(z, q, z)
        add(q, z, q)
        y = y.T.copy()
        total = ones_out.dot(q)
        loss = (log(total).dot(ones_out.dot(y)) - y.ravel().dot(s.ravel())) / B
        total *= B
        dot(others, q, t)
        multiply(t, y, t)
        dot(others, y, d2)
        multiply(d2, q, d2)
        subtract(d2, t, d2)
        divide(d2, total, d2)
        dot(d2.T, W2, g1)
        multiply(e1, h1, e1)  # 1 - h: first, for h h is 0 where E h h is not
        multiply(e1, h1, e1)
        multiply(g1, e1, g1)
        return loss, {
            "W1": dot(g1.T, x), "b1": ones.dot(g1), "W2": dot(d2, h1), "b2": d2.dot(ones),
        }  # fmt: skip

    return kernel


def _three_layers(case: Case) -> Kernel:
    B, (_, n1, n2, n3), dtype = case.samples, case.widths, case.dtype
    e1, h1, g1 = (np.empty((B, n1), dtype) for _ in range(3))
    e2, h2, g2 = (np.empty((B, n2), dtype) for _ in range(3))
    z, s, r, t, q, d3 = (np.empty((n3, B), dtype) for _ in range(6))
    ones, ones_out = np.ones(B, dtype), np.ones(n3, dtype)
    others = (1 - np.eye(n3)).astype(dtype)
    limit, one = _limit(case), np.ones((), dtype)
    exp, log, negative, reciprocal = np.exp, np.log, np.negative, np.reciprocal
    add, dot, largest, subtract = np.add, np.dot, np.maximum.reduce, np.subtract
    divide, multiply = np.divide, np.multiply

    def kernel(parameters, x, y):
        W1, b1, W2, b2, W3, b3 = (
            parameters["W1"], parameters["b1"], parameters["W2"], parameters["b2"],
            parameters["W3"], parameters["b3"],
        )  # fmt: skip
        dot(x, W1.T, e1)
        subtract(negative(b1), e1, e1)  # -a_1
        limit(e1)
        exp(e1, e1)
        add(e1, one, h1)
        reciprocal(h1, h1)
        dot(h1, W2.T, e2)
        subtract(negative(b2), e2, e2)
        limit(e2)
        exp(e2, e2)
        add(e2, one, h2)
        reciprocal(h2, h2)
        dot(W3, h2.T, z)
        add(z, b3[:, None], z)
        most = largest(z)
        subtract(z, most, s)
        exp(s, q)
        subtract(s, z, r)
        subtract(s, r, t)
        subtract(z, t, z)
        add(r, most, r)
        subtract(z, r, z)
        multiply(z, q, z)
        add(q, z, q)
        y = y.T.copy()
        total = ones_out.dot(q)
        loss = (log(total).dot(ones_out.dot(y)) - y.ravel().dot(s.ravel())) / B
        total *= B
        dot(others, q, t)
        multiply(t, y, t)
        dot(others, y, d3)
        multiply(d3, q, d3)
        subtract(d3, t, d3)
        divide(d3, total, d3)
        dot(d3.T, W3, g2)
        multiply(e2, h2, e2)  # 1 - h: first, for h h is 0 where E h h is not
        multiply(e2, h2, e2)
        multiply(g2, e2, g2)
        dot(g2, W2, g1)
        multiply(e1, h1, e1)  # 1 - h: first, for h h is 0 where E h h is not
        multiply(e1, h1, e1)
        multiply(g1, e1, g1)
        return loss, {
            "W1": dot(g1.T, x), "b1": ones.dot(g1), "W2": dot(g2.T, h1), "b2": ones.dot(g2),
            "W3": dot(d3, h2), "b3": d3.dot(ones),
        }  # fmt: skip

    return kernel


def by_hand_plainly(case: Case, numbers: Numbers) -> Call:
    """The textbook's forms, for however many layers: σ(a) = 1/(1 + e^{-a}), h(1 - h), ŷ - y."""
    last, B, dtype = len(case.widths) - 1, case.batch, case.dtype
    hs = [np.empty((B, n), dtype) for n in case.widths]
    ds = [np.empty((B, n), dtype) for n in case.widths]
    slopes = [np.empty((B, n), dtype) for n in case.widths]
    ones = np.ones(B, dtype)
    x, y = (np.atleast_2d(array) for array in (numbers.x, numbers.y))

    def kernel(parameters, x, y):
        hs[0] = x
        for k in range(1, last + 1):
            a = np.dot(hs[k - 1], parameters[f"W{k}"].T, hs[k])
            np.add(a, parameters[f"b{k}"], a)
            if k < last:
                np.negative(a, a)
                np.exp(a, a)
                np.add(a, 1, a)
                np.reciprocal(a, a)
        yhat, d = hs[last], ds[last]
        np.subtract(yhat, np.maximum.reduce(yhat, 1, keepdims=True), yhat)
        np.exp(yhat, yhat)
        np.divide(yhat, np.add.reduce(yhat, 1, keepdims=True), yhat)
        loss = -y.ravel().dot(np.log(yhat).ravel()) / B
        np.subtract(yhat, y, d)
        np.divide(d, B, d)
        gradients = {}
        for k in range(last, 0, -1):
            gradients[f"W{k}"] = np.dot(ds[k].T, hs[k - 1])
            gradients[f"b{k}"] = ones.dot(ds[k])
            if k > 1:
                d, h = np.dot(ds[k], parameters[f"W{k}"], ds[k - 1]), hs[k - 1]
                slope = np.subtract(1, h, slopes[k - 1])
                np.multiply(slope, h, slope)
                np.multiply(d, slope, d)
        return loss, gradients

    return lambda: kernel(numbers.parameters, x, y)


def bare_products(case: Case, numbers: Numbers) -> Call:
    """The matrix products alone, forward and backward; the loss and the gradients are wrong."""
    last = len(case.widths) - 1
    hs = [np.ones((case.batch, n), case.dtype) for n in case.widths]
    ds = [np.ones((case.batch, n), case.dtype) for n in case.widths]
    hs[0] = np.atleast_2d(numbers.x)
    weights = [numbers.parameters[f"W{k}"] for k in range(1, last + 1)]

    def products():
        for k in range(last):
            np.dot(hs[k], weights[k].T, hs[k + 1])
        gradients = {}
        for k in range(last, 0, -1):
            gradients[f"W{k}"] = np.dot(ds[k].T, hs[k - 1])
            if k > 1:
                np.dot(ds[k], weights[k - 1], ds[k - 1])
        return 0.0, gradients

    return products


# ------------------------------------------------------------------------------------ the libraries


def torch_eager(case: Case, numbers: Numbers) -> Call:
    """PyTorch, forward and backward; labels, for its cross-entropy is faster by class than by y."""
    import torch

    # Two threads only wait for each other where there is little to multiply.
    torch.set_num_threads(os.cpu_count() or 1 if case.batch * case.widths[0] > 1000 else 1)
    parameters = {n: torch.tensor(a, requires_grad=True) for n, a in numbers.parameters.items()}
    x, labels = torch.tensor(numbers.x), torch.tensor(numbers.y.argmax(-1))
    names, leaves = tuple(parameters), tuple(parameters.values())
    layers = [(parameters[f"W{k}"], parameters[f"b{k}"]) for k in range(1, len(case.widths))]
    *hidden, (W, b) = layers
    linear, sigmoid = torch.nn.functional.linear, torch.sigmoid
    cross_entropy = torch.nn.functional.cross_entropy

    def run():
        h = x
        for weights, bias in hidden:
            h = sigmoid(linear(h, weights, bias))
        loss = cross_entropy(linear(h, W, b), labels)
        return loss, dict(zip(names, torch.autograd.grad(loss, leaves), strict=True))

    return run


def jax_jit(case: Case, numbers: Numbers) -> Call:
    """JAX: value and gradient compiled once, and waited for at every call."""
    import jax

    jax.config.update("jax_enable_x64", True)
    last = len(case.widths) - 1

    def loss(parameters, x, y):
        h = x
        for k in range(1, last):
            h = jax.nn.sigmoid(h @ parameters[f"W{k}"].T + parameters[f"b{k}"])
        z = h @ parameters[f"W{last}"].T + parameters[f"b{last}"]
        return -(y * jax.nn.log_softmax(z)).sum() / case.batch

    compiled = jax.jit(jax.value_and_grad(loss))
    parameters = {name: jax.numpy.asarray(array) for name, array in numbers.parameters.items()}
    x, y = jax.numpy.asarray(numbers.x), jax.numpy.asarray(numbers.y)
    return lambda: jax.block_until_ready(compiled(parameters, x, y))


def casadi_compiled(case: Case, numbers: Numbers) -> Call:
    """CasADi's scalar graph through its buffers, one sample, float64; results are not fresh."""
    import casadi

    if case.samples or case.dtype != "float64":
        raise NotImplementedError("only for one sample in float64")
    symbols = {
        name: casadi.SX.sym(name, *array.shape) for name, array in numbers.parameters.items()
    }
    x, y = (casadi.SX.sym(name, len(a)) for name, a in (("x", numbers.x), ("y", numbers.y)))
    h, last = x, len(case.widths) - 1
    for k in range(1, last + 1):
        z = symbols[f"W{k}"] @ h + symbols[f"b{k}"]
        h = 1 / (1 + casadi.exp(-z))
    loss = -casadi.dot(y, z - casadi.logsumexp(z))
    gradients = [casadi.gradient(loss, symbol).T for symbol in symbols.values()]
    function = casadi.Function("kernel", [*symbols.values(), x, y], [loss, *gradients])
    buffer, trigger = function.buffer()
    given = [np.asfortranarray(a) for a in (*numbers.parameters.values(), numbers.x, numbers.y)]
    results = [np.zeros(()), *(np.zeros_like(a) for a in numbers.parameters.values())]
    for position, array in enumerate(given):
        buffer.set_arg(position, memoryview(array.ravel(order="F")).cast("B").cast("d"))
    for position, array in enumerate(results):
        buffer.set_res(position, memoryview(array.reshape(-1)))
    named = dict(zip(symbols, results[1:], strict=True))

    def run():
        trigger()
        return results[0], named

    run.kept = (function, buffer, given)
    return run


def numba_compiled(case: Case, numbers: Numbers) -> Call:
    """Loops compiled by Numba for one sample and two layers; gradients fresh at every call."""
    import numba

    if case.samples or len(case.widths) != 3:
        raise NotImplementedError("only for one sample through two layers")
    compiled = numba.njit(error_model="numpy")(_loops)
    given = (*(numbers.parameters[name] for name in ("W1", "b1", "W2", "b2")), numbers.x, numbers.y)

    def run():
        loss, dW1, db1, dW2, db2 = compiled(*given)
        return loss, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}

    return run


def _loops(W1, b1, W2, b2, x, y):
    """One sample through two layers, element by element; accurate as `by_hand` is."""
    n1, n0 = W1.shape
    n2 = len(b2)
    h, slope, q, d2 = np.empty_like(b1), np.empty_like(b1), np.empty_like(b2), np.empty_like(b2)
    for i in range(n1):
        a = b1[i]
        for j in range(n0):
            a += W1[i, j] * x[j]
        e = np.exp(-abs(a))
        h[i] = (1 if a >= 0 else e) / (1 + e)
        slope[i] = e / ((1 + e) * (1 + e))
    for i in range(n2):
        q[i] = b2[i]
        for j in range(n1):
            q[i] += W2[i, j] * h[j]
    most = q.max()
    total, loss, mass = y[0] * 0, y[0] * 0, y[0] * 0
    for i in range(n2):
        q[i] -= most
        loss -= y[i] * q[i]
        mass += y[i]
        q[i] = np.exp(q[i])
        total += q[i]
    loss += mass * np.log(total)
    dW1, db1, dW2 = np.empty_like(W1), np.zeros_like(b1), np.empty_like(W2)
    for i in range(n2):
        others = y[0] * 0
        for j in range(n2):
            if j != i:
                others += q[j]
        d2[i] = (q[i] * (1 - y[i]) - y[i] * others) / total
        for j in range(n1):
            dW2[i, j] = d2[i] * h[j]
            db1[j] += d2[i] * W2[i, j]
    for i in range(n1):
        db1[i] *= slope[i]
        for j in range(n0):
            dW1[i, j] = db1[i] * x[j]
    return loss, dW1, db1, dW2, d2


RIVALS: dict[str, Callable[[Case, Numbers], Call]] = {
    "NumPy by hand": by_hand,
    "NumPy by hand, textbook forms": by_hand_plainly,
    "matrix products alone": bare_products,
    "PyTorch eager": torch_eager,
    "JAX jit": jax_jit,
    "CasADi": casadi_compiled,
    "Numba": numba_compiled,
}
INEXACT = frozenset({"matrix products alone"})
"""What does not compute the gradients at all."""
