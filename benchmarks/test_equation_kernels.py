"""The kernel of an LSTM written as equations against backpropagation through time by hand.

By hand the four gates are one product, and slopes are h (1 - h); the kernel has a line an equation,
checks its arguments and keeps the last digits of slopes.
"""

import statistics
import time

import numpy as np

import symback as sb

STEPS, UNITS, INPUTS = 50, 64, 32
ROUNDS = 25
LIMIT, NOISE = 1.5, 1.25
GATES = "fiog"
LINES = [
    *(
        f"a{g}[t,k] = sum(j, W{g}[k,j]*x[t,j]) + sum(j, U{g}[k,j]*h[t-1,j]) + b{g}[k]"
        for g in GATES
    ),
    *(f"{g}[t,k] = {'tanh' if g == 'g' else 'sigmoid'}(a{g}[t,k])" for g in GATES),
    "c[0,k] = 0",
    "h[0,k] = 0",
    "c[t,k] = f[t,k]*c[t-1,k] + i[t,k]*g[t,k]",
    "h[t,k] = o[t,k]*tanh(c[t,k])",
    "L = sum(t, sum(k, (h[t,k] - y[t,k])**2))",
]


def network() -> sb.EquationNetwork:
    shapes = {"W": ["n", "d"], "U": ["n", "n"], "b": ["n"]}
    return sb.equations(
        "\n".join(LINES),
        sizes={"T": "T", "n": "n", "d": "d"},
        parameters={letter + g: shape for letter, shape in shapes.items() for g in GATES},
        inputs={"x": ["T", "d"], "y": ["T", "n"]},
    )


def by_hand(params, x, y):
    """The loss and all gradients, as one writes them."""
    n = UNITS
    w, u, b = (np.concatenate([params[letter + g] for g in GATES]) for letter in "WUb")
    before, gates = x @ w.T + b, np.empty((STEPS, 4 * n))
    h, c, tanh_c = np.zeros((STEPS + 1, n)), np.zeros((STEPS + 1, n)), np.empty((STEPS, n))
    for t in range(STEPS):
        z = before[t] + u @ h[t]
        gates[t, : 3 * n] = 1 / (1 + np.exp(-z[: 3 * n]))
        gates[t, 3 * n :] = np.tanh(z[3 * n :])
        f, i, o, g = np.split(gates[t], 4)
        c[t + 1] = f * c[t] + i * g
        tanh_c[t] = np.tanh(c[t + 1])
        h[t + 1] = o * tanh_c[t]
    dh, dc, dz = np.zeros(n), np.zeros(n), np.empty((STEPS, 4 * n))
    for t in reversed(range(STEPS)):
        f, i, o, g = np.split(gates[t], 4)
        dh = dh + 2 * (h[t + 1] - y[t])
        dc = dc + dh * o * (1 - tanh_c[t] ** 2)
        dz[t, :n] = dc * c[t] * f * (1 - f)
        dz[t, n : 2 * n] = dc * g * i * (1 - i)
        dz[t, 2 * n : 3 * n] = dh * tanh_c[t] * o * (1 - o)
        dz[t, 3 * n :] = dc * i * (1 - g**2)
        dc, dh = dc * f, dz[t] @ u
    whole = {"W": dz.T @ x, "U": dz.T @ h[:-1], "b": dz.sum(axis=0)}
    parts = {letter: np.split(array, 4) for letter, array in whole.items()}
    gradients = {letter + g: parts[letter][k] for letter in "WUb" for k, g in enumerate(GATES)}
    return ((h[1:] - y) ** 2).sum(), gradients


def seconds(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def test_lstm_over_fifty_steps():
    """Equal numbers, in at most so many times the time of NumPy by hand."""
    chance = np.random.default_rng(0)
    net = network()
    kernel = net.kernel()
    params = {
        q.name: chance.normal(size=[size.value({"n": UNITS, "d": INPUTS}) for size in q.shape]) / 8
        for q in net.system.parameters
    }
    x, y = chance.normal(size=(STEPS, INPUTS)), chance.normal(size=(STEPS, UNITS))
    loss, gradients = kernel(params, x, y)
    loss_by_hand, wanted = by_hand(params, x, y)
    assert abs(loss - loss_by_hand) < 1e-9
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, wanted[name], rtol=1e-9, atol=1e-11)
    ratios = [
        seconds(lambda: kernel(params, x, y)) / seconds(lambda: by_hand(params, x, y))
        for _ in range(ROUNDS)
    ]
    ratio = statistics.median(ratios)
    print(f"\nLSTM, {STEPS} steps, {UNITS} units: {ratio:.2f} times NumPy by hand")
    assert ratio < LIMIT * NOISE
