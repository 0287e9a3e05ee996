"""Ready layers: each kind's equations load, evaluate and derive as JAX says, written independently.

A case is a [network] and the same in JAX; `layered` expands it, loads the text again, draws numbers
and compares the loss and every gradient, and with central differences too.
"""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symback.equations import reading
from symback.equations.adjoints import backward
from symback.equations.elements import Elements
from symback.equations.layers import expand
from symback.equations.system import Kind, System, adjoint_name

jax.config.update("jax_enable_x64", True)


def tables(text: str) -> dict:
    """The tables of a file, numbers as they are written."""
    return tomllib.loads(text, parse_float=Decimal)


def loaded(text: str) -> System:
    """The system of a network, through the file that it expands to."""
    return reading.from_tables(tables(expand(tables(text), "net.toml").text()), "expanded.toml")


def drawn(made: System, seed: int, **fixed) -> dict[str, np.ndarray]:
    """Numbers for everything that is given; `fixed` for some."""
    random = np.random.default_rng(seed)
    sizes = {name: n for name, n in made.sizes.items() if n is not None}
    found = {}
    for quantity in made.quantities:
        shape = tuple(size.value(sizes) for size in quantity.shape)
        if quantity.kind is Kind.DATA:
            found[quantity.name] = random.integers(1, quantity.below.value(sizes) + 1, shape)
        elif quantity.kind in (Kind.PARAMETER, Kind.INPUT):
            found[quantity.name] = random.normal(size=shape).round(3)
    return found | fixed


def positive_rows(shape, seed=3) -> np.ndarray:
    """Targets that are distributions over the last index."""
    rows = np.random.default_rng(seed).random(shape) + 0.1
    return rows / rows.sum(-1, keepdims=True)


@dataclass(frozen=True)
class Case:
    """A network, and its loss in JAX as a function of everything that is given."""

    name: str
    text: str
    loss: Callable
    fixed: tuple = ()


# ---------------------------------------------------------------------------------- JAX, by hand


def half(h, y):
    """The half squared error."""
    return jnp.sum((y - h) ** 2) / 2


def square(h, y):
    """The squared error."""
    return jnp.sum((y - h) ** 2)


def recurrent(step, states, x):
    """The first state after each step; `states` is what is before the first."""
    return jax.lax.scan(lambda now, row: (step(now, row),) * 2, tuple(states), x)[1][0]


def rnn(g, k=1, h0=None, g_bias=True):
    """An RNN's states."""

    def run(x):
        W, U = g[f"W{k}"], g[f"U{k}"]
        b = g[f"b{k}"] if g_bias else 0.0
        start = jnp.zeros(U.shape[0]) if h0 is None else h0
        return recurrent(lambda s, row: (jnp.tanh(W @ row + U @ s[0] + b),), (start,), x)

    return run


def lstm(g, k=1, start=None):
    """An LSTM's states."""

    def step(states, row):
        h, c = states
        i, f, o, cand = (
            g[f"W{n}{k}"] @ row + g[f"U{n}{k}"] @ h + g[f"b{n}{k}"] for n in ("i", "f", "o", "g")
        )
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(cand)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c

    zero = jnp.zeros(g[f"Ui{k}"].shape[0])
    return lambda x: recurrent(step, start or (zero, zero), x)


def gru(g, k=1, after=False):
    """A GRU's states, the reset before or after U."""

    def step(states, row):
        (h,) = states
        z = jax.nn.sigmoid(g[f"Wz{k}"] @ row + g[f"Uz{k}"] @ h + g[f"bz{k}"])
        r = jax.nn.sigmoid(g[f"Wr{k}"] @ row + g[f"Ur{k}"] @ h + g[f"br{k}"])
        U = g[f"Ug{k}"]
        again = r * (U @ h + g[f"bu{k}"]) if after else U @ (r * h)
        n = jnp.tanh(g[f"Wg{k}"] @ row + again + g[f"bg{k}"])
        return (z * h + (1 - z) * n,)

    return lambda x: recurrent(step, (jnp.zeros(g[f"Uz{k}"].shape[0]),), x)


def norm(x, k, g, eps=1e-5, axis=-1):
    """Layer norm, or batch norm by another axis."""
    hat = (x - x.mean(axis, keepdims=True)) / jnp.sqrt(x.var(axis, keepdims=True) + eps)
    return g[f"gamma{k}"] * hat + g[f"beta{k}"]


def attention(x, g, k, causal=False, bias=False):
    """Heads in the first index, or none."""
    several = g[f"WQ{k}"].ndim == 3
    form = "peq,tq->pte" if several else "eq,tq->te"
    q, key, v = (
        jnp.einsum(form, g[f"W{n}{k}"], x) + ((g[f"b{n}{k}"][..., None, :]) if bias else 0.0)
        for n in "QKV"
    )
    scores = q @ jnp.swapaxes(key, -1, -2) / np.sqrt(q.shape[-1])
    if causal:
        scores = jnp.where(np.tril(np.ones(scores.shape[-2:], bool)), scores, -jnp.inf)
    z = jax.nn.softmax(scores, -1) @ v
    out = jnp.einsum("ipe,pte->ti", g[f"WO{k}"], z) if several else z @ g[f"WO{k}"].T
    return out + (g[f"bO{k}"] if bias else 0.0)


def block(x, g, k, causal=True):
    """A pre-norm transformer block whose layers are k to k + 6."""
    h = x + attention(norm(x, k, g), g, k + 1, causal, bias=True)
    wide = jax.nn.gelu(norm(h, k + 3, g) @ g[f"W{k + 4}"].T + g[f"b{k + 4}"], approximate=False)
    return h + wide @ g[f"W{k + 5}"].T + g[f"b{k + 5}"]


def conv(x, kernel, bias, stride, padding):
    """`lax.conv_general_dilated` of one image or one sequence, channels first."""
    out = jax.lax.conv_general_dilated(x[None], kernel, stride, [(p, p) for p in padding])[0]
    return out + bias.reshape(-1, *(1 for _ in stride))


def pooled(x, window, stride, largest):
    """`lax.reduce_window` over the last axes of `x`."""
    shape, step = (1,) * (x.ndim - len(window)) + window, (1,) * (x.ndim - len(window)) + stride
    if largest:
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, shape, step, "VALID")
    return jax.lax.reduce_window(x, 0.0, jax.lax.add, shape, step, "VALID") / np.prod(window)


def entropy(logits, y):
    """Cross-entropy with distributions as targets."""
    return -jnp.sum(y * jax.nn.log_softmax(logits, -1))


def chosen(logits, label):
    """log softmax at the true classes."""
    rows = jax.nn.log_softmax(logits, -1)
    return jnp.take_along_axis(rows, jnp.asarray(label)[..., None] - 1, -1)[..., 0]


def dense(x, g, k, name="W"):
    """W x + b."""
    return x @ g[f"{name}{k}"].T + g.get(f"b{k}", 0.0)


# ------------------------------------------------------------------------------------- the cases


def net(layers: str, inputs: str = "[3, 2]", loss: str = '"squared_error"', more: str = "") -> str:
    """A file."""
    return f"{more}\n[network]\ninputs = {inputs}\nlayers = [ {layers} ]\nloss = {loss}\n"


def samples(layers: str, inputs: str, more: str = "", loss: str = '"squared_error"') -> str:
    """A file with a batch of three."""
    return net(layers, inputs, loss) + "samples = 3\n" + more


SQUARE = "squared_error"
CASES = (
    Case(
        "dense", net('{units = 3, activation = "sigmoid"}, {units = 2, activation = "gelu"}', "4"),
        lambda g: square(jax.nn.gelu(dense(jax.nn.sigmoid(dense(g["x"], g, 1)), g, 2),
                                     approximate=False), g["y"]),
    ),
    Case(
        "dense on a sequence, one bias a layer, mean over outputs and steps",
        net('{units = 3, activation = "silu"}, {kind = "dense", units = 2, activation = "linear"}')
        + 'bias = "per_layer"\nover_outputs = "mean"\nover_steps = "mean"\n',
        lambda g: jnp.mean((dense(jax.nn.silu(dense(g["x"], g, 1)), g, 2) - g["y"]) ** 2),
    ),
    Case(
        "activation", net('{units = 3, activation = "linear"}, {kind = "activation", '
                          'activation = "softmax"}', "2", '"half_squared_error"'),
        lambda g: half(jax.nn.softmax(dense(g["x"], g, 1)), g["y"]),
    ),
    Case("rnn", net('{kind = "rnn", units = 2}'), lambda g: square(rnn(g)(g["x"]), g["y"])),
    Case(
        "rnn, relu, given start, last step",
        net('{kind = "rnn", units = 2, start = "given", bias = "none"}, {kind = "last"}'),
        lambda g: square(rnn(g, h0=g["h1_start"], g_bias=False)(g["x"])[-1], g["y"]),
    ),
    Case("lstm", net('{kind = "lstm", units = 2}'), lambda g: square(lstm(g)(g["x"]), g["y"])),
    Case(
        "lstm, two layers, trained start, classes",
        net('{kind = "lstm", units = 2, start = "trained"}, {kind = "lstm", units = 3}, '
            '{kind = "last"}, {units = 4, activation = "softmax"}', loss='"cross_entropy"')
        + "labels = true\n",
        lambda g: -chosen(dense(lstm(g, 2)(lstm(g, 1, (g["h1_start"], g["c1_start"]))(g["x"]))[-1],
                                g, 4), g["label"]),
    ),
    Case(
        "lstm of samples", samples('{kind = "lstm", units = 2}', "[2, 2]"),
        lambda g: square(jax.vmap(lstm(g))(g["x"]), g["y"]) / 3,
    ),
    Case("gru", net('{kind = "gru", units = 2}'), lambda g: square(gru(g)(g["x"]), g["y"])),
    Case(
        "gru, reset after, sigmoid loss of every step",
        net('{kind = "gru", units = 2, reset = "after"}, {units = 1, activation = "sigmoid"}',
            loss='"binary_cross_entropy"'),
        lambda g: -jnp.sum(
            g["y"] * jax.nn.log_sigmoid(dense(gru(g, after=True)(g["x"]), g, 2))
            + (1 - g["y"]) * jax.nn.log_sigmoid(-dense(gru(g, after=True)(g["x"]), g, 2))),
    ),
    Case(
        "layer_norm", net('{kind = "layer_norm"}', "4"),
        lambda g: square(norm(g["x"], 1, g), g["y"]),
    ),
    Case(
        "layer_norm of a sequence, other eps, then dense",
        net('{kind = "layer_norm", eps = 1e-3}, {units = 2, activation = "tanh"}', "[2, 4]"),
        lambda g: square(jnp.tanh(dense(norm(g["x"], 1, g, 1e-3), g, 2)), g["y"]),
    ),
    Case(
        "rms_norm", net('{kind = "rms_norm"}', "[2, 4]"),
        lambda g: square(g["gamma1"] * g["x"]
                         / jnp.sqrt((g["x"] ** 2).mean(-1, keepdims=True) + 1e-5), g["y"]),
    ),
    Case(
        "rms_norm without scale", net('{units = 3, activation = "linear"}, '
                                      '{kind = "rms_norm", affine = false, eps = 0.5}', "2"),
        lambda g: square(dense(g["x"], g, 1)
                         / jnp.sqrt((dense(g["x"], g, 1) ** 2).mean() + 0.5), g["y"]),
    ),
    Case(
        "batch_norm", samples('{units = 2, activation = "linear"}, {kind = "batch_norm"}, '
                              '{kind = "activation", activation = "tanh"}', "3",
                              'over_samples = "sum"\n'),
        lambda g: square(jnp.tanh(norm(dense(g["x"], g, 1), 2, g, axis=0)), g["y"]),
    ),
    Case(
        "batch_norm of images", samples('{kind = "batch_norm"}', "[2, 2, 2]"),
        lambda g: square(
            g["gamma1"][:, None, None] * (g["x"] - g["x"].mean((0, 2, 3), keepdims=True))
            / jnp.sqrt(g["x"].var((0, 2, 3), keepdims=True) + 1e-5)
            + g["beta1"][:, None, None], g["y"]) / 3,
    ),
    Case(
        "conv1d", net('{kind = "conv1d", channels = 2, kernel = 3, padding = 1, '
                      'activation = "tanh"}', "[5, 2]"),
        lambda g: square(jnp.tanh(conv(g["x"].T, g["K1"], g["b1"], (1,), (1,))).T, g["y"]),
    ),
    Case(
        "conv1d, stride 2, then another",
        net('{kind = "conv1d", channels = 3, kernel = 2, stride = 2}, '
            '{kind = "conv1d", channels = 2, kernel = 2, padding = 1, stride = 2}', "[7, 2]"),
        lambda g: square(conv(conv(g["x"].T, g["K1"], g["b1"], (2,), (0,)),
                              g["K2"], g["b2"], (2,), (1,)).T, g["y"]),
    ),
    Case(
        "conv2d", net('{kind = "conv2d", channels = 2, kernel = 3, padding = "same", '
                      'activation = "sigmoid"}', "[2, 3, 4]"),
        lambda g: square(jax.nn.sigmoid(conv(g["x"], g["K1"], g["b1"], (1, 1), (1, 1))), g["y"]),
    ),
    Case(
        "conv2d, max_pool, flatten, dense",
        net('{kind = "conv2d", channels = 2, kernel = [2, 1], stride = [1, 2], padding = [1, 0]}, '
            '{kind = "max_pool", window = [2, 1], stride = 1}, {kind = "flatten"}, '
            '{units = 2, activation = "softmax"}', "[1, 4, 3]", '"cross_entropy"'),
        lambda g: entropy(dense(pooled(conv(g["x"], g["K1"], g["b1"], (1, 2), (1, 0)), (2, 1),
                                       (1, 1), True).ravel(), g, 4), g["y"]),
    ),
    Case(
        "max_pool",
        net('{units = 3, activation = "tanh"}, {kind = "max_pool", window = 2}', "[5, 2]"),
        lambda g: square(pooled(jnp.tanh(dense(g["x"], g, 1)).T, (2,), (2,), True).T, g["y"]),
    ),
    Case(
        "avg_pool",
        net('{units = 3, activation = "tanh"}, {kind = "avg_pool", window = 3, stride = 2}',
            "[5, 2]"),
        lambda g: square(pooled(jnp.tanh(dense(g["x"], g, 1)).T, (3,), (2,), False).T, g["y"]),
    ),
    Case(
        "avg_pool of images", samples('{kind = "avg_pool", window = 2}, {kind = "flatten"}, '
                                    '{units = 1, activation = "linear"}', "[2, 4, 2]"),
        lambda g: square(dense(pooled(g["x"], (2, 2), (2, 2), False).reshape(3, -1), g, 3),
                         g["y"]) / 3,
    ),
    Case(
        "flatten a sequence", net('{kind = "flatten"}, {units = 2, activation = "tanh"}', "[3, 2]"),
        lambda g: square(jnp.tanh(dense(g["x"].ravel(), g, 2)), g["y"]),
    ),
    Case(
        "embedding with positions, tied to the output",
        net('{kind = "embedding", units = 2, positions = true, E = "E"}, '
            '{units = 4, activation = "softmax", W = "E", bias = "none"}',
            "{tokens = 3, below = 4}", '"cross_entropy"') + 'labels = true\nover_steps = "mean"\n',
        lambda g: -jnp.mean(chosen((g["E"][g["tok"] - 1] + g["P1"]) @ g["E"].T, g["label"])),
    ),
    Case(
        "embedding of one token",
        net('{kind = "embedding", units = 3}', "{tokens = [], below = 4}"),
        lambda g: square(g["E1"][g["tok"] - 1], g["y"]),
    ),
    Case(
        "embedding of samples", samples('{kind = "embedding", units = 2}',
                                        "{tokens = 2, below = 3}"),
        lambda g: square(g["E1"][g["tok"] - 1], g["y"]) / 3,
    ),
    Case(
        "attention", net('{kind = "attention"}', "[3, 2]"),
        lambda g: square(attention(g["x"], g, 1), g["y"]),
    ),
    Case(
        "attention, causal, two heads, biased",
        net('{kind = "attention", heads = 2, causal = true, bias = "per_neuron"}', "[3, 4]"),
        lambda g: square(attention(g["x"], g, 1, causal=True, bias=True), g["y"]),
    ),
    Case(
        "attention, causal, size of heads given, samples",
        samples('{kind = "attention", heads = 2, head_size = 3, causal = true}', "[2, 2]"),
        lambda g: square(jax.vmap(lambda x: attention(x, g, 1, causal=True))(g["x"]), g["y"]) / 3,
    ),
    Case(
        "block", net('{kind = "block", heads = 2, causal = true}, {kind = "layer_norm"}', "[3, 4]"),
        lambda g: square(norm(block(g["x"], g, 1), 8, g), g["y"]),
    ),
    Case(
        "block, hidden and activation said",
        net('{kind = "block", hidden = 3, activation = "tanh", norm = "rms_norm", bias = "none"}',
            "[2, 2]"),
        lambda g: square(plain_block(g), g["y"]),
    ),
    Case(
        "residual", net('{kind = "residual", layers = [{units = 3, activation = "relu"}, '
                        '{units = 2, activation = "linear"}]}', "2"),
        lambda g: square(g["x"] + dense(jax.nn.relu(dense(g["x"], g, 1)), g, 2), g["y"]),
    ),
    Case(
        "residual from an earlier layer, by name",
        net('{units = 2, activation = "tanh", name = "first"}, {units = 2, activation = "tanh"}, '
            '{kind = "residual", from = "first"}, {units = 1, activation = "linear"}', "3"),
        lambda g: square(dense(again(jnp.tanh(dense(g["x"], g, 1)), g), g, 4), g["y"]),
    ),
    Case(
        "concat", net('{units = 3, activation = "tanh"}, {kind = "concat", from = [0, 1]}, '
                      '{units = 2, activation = "linear"}', "2"),
        lambda g: square(dense(jnp.concatenate([g["x"], jnp.tanh(dense(g["x"], g, 1))]), g, 3),
                         g["y"]),
    ),
    Case(
        "concat of sequences: both directions' sizes differ",
        net('{kind = "rnn", units = 3}, {units = 1, activation = "tanh"}, '
            '{kind = "concat", from = [2, 1, 2]}'),
        lambda g: square(three(rnn(g)(g["x"]), g), g["y"]),
    ),
    Case(
        "dropout", net('{units = 3, activation = "tanh"}, {kind = "dropout", rate = 0.25}', "2"),
        lambda g: square(g["mask2"] * jnp.tanh(dense(g["x"], g, 1)) / 0.75, g["y"]),
    ),
    Case(
        "dropout without rate, samples of a sequence",
        samples('{kind = "dropout"}, {units = 1, activation = "tanh"}', "[2, 2]"),
        lambda g: square(jnp.tanh(dense(g["mask1"] * g["x"], g, 2)), g["y"]) / 3,
    ),
    Case(
        "l2 on all weights, another on one layer",
        net('{units = 2, activation = "tanh"}, {units = 1, activation = "linear", l2 = 0.5}', "2")
        + "l2 = 0.1\n",
        lambda g: square(dense(jnp.tanh(dense(g["x"], g, 1)), g, 2), g["y"])
        + 0.05 * jnp.sum(g["W1"] ** 2) + 0.25 * jnp.sum(g["W2"] ** 2),
    ),
    Case(
        "two losses with weights, one an autoencoder's",
        net('{units = 2, activation = "tanh"}, {units = 3, activation = "linear"}', "3",
            '[{loss = "squared_error", weight = 0.5, target = "x"}, '
            '{loss = "huber", weight = 2, from = 1}]'),
        lambda g: 0.5 * square(dense(jnp.tanh(dense(g["x"], g, 1)), g, 2), g["x"])
        + 2 * jnp.sum(huber(jnp.tanh(dense(g["x"], g, 1)) - g["y"])),
    ),
    Case(
        "label smoothing of classes",
        net('{units = 4, activation = "softmax"}', "2", '"cross_entropy"')
        + "labels = true\nlabel_smoothing = 0.1\n",
        lambda g: -(0.9 * chosen(dense(g["x"], g, 1), g["label"])
                    + 0.1 * jnp.mean(jax.nn.log_softmax(dense(g["x"], g, 1)))),
    ),
    Case(
        "label smoothing of distributions, of samples, mean over outputs",
        samples('{units = 3, activation = "softmax"}', "2",
                'label_smoothing = 0.2\nover_outputs = "mean"\n', '"cross_entropy"'),
        lambda g: entropy(dense(g["x"], g, 1), 0.8 * g["y"] + 0.2 / 3) / 9,
    ),
    Case(
        "a loss and an activation of the file's own",
        net('{units = 2, activation = "swish2"}', "2", '"quartic"')
        + '[activations]\nswish2 = "z/(1+exp(-2*z))"\n[losses]\nquartic = "(yhat-y)**4"\n',
        lambda g: jnp.sum((dense(g["x"], g, 1) * jax.nn.sigmoid(2 * dense(g["x"], g, 1))
                           - g["y"]) ** 4),
    ),
    Case(
        "a network to the output itself, of two tied layers",
        net('{units = 2, activation = "tanh"}, {units = 2, activation = "tanh", W = "W1", '
            'b = "b1"}', "2", '"output"'),
        lambda g: jnp.sum(jnp.tanh(dense(jnp.tanh(dense(g["x"], g, 1)), g, 1))),
    ),
)  # fmt: skip


def huber(d):
    """Huber's loss with δ = 1."""
    return jnp.where(jnp.abs(d) <= 1, d**2 / 2, jnp.abs(d) - 0.5)


def again(h, g):
    """h + tanh of layer 2."""
    return h + jnp.tanh(dense(h, g, 2))


def three(h, g):
    """Layer 2 of h, h, and layer 2 once more, side by side."""
    small = jnp.tanh(dense(h, g, 2))
    return jnp.concatenate([small, h, small], -1)


def plain_block(g):
    """A block with RMS norms, no biases, one head, tanh."""

    def rms(x, k):
        return g[f"gamma{k}"] * x / jnp.sqrt((x**2).mean(-1, keepdims=True) + 1e-5)

    h = g["x"] + attention(rms(g["x"], 1), g, 2)
    return h + dense(jnp.tanh(dense(rms(h, 4), g, 5)), g, 6)


each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@cache
def numbers(case: Case) -> tuple[System, dict, Elements]:
    """The network's backward pass with numbers."""
    made = loaded(case.text)
    given = drawn(made, seed=len(case.name))
    if "cross_entropy" in case.text and "y" in given:
        rows = positive_rows(given["y"].shape)
        given["y"] = rows if "binary" not in case.text else rows * 0.5
    return made, given, Elements(backward(made).system, given)


@each_case
def test_loss_and_gradients_are_those_of_jax(case):
    """The loss and the gradient of every parameter and input agree to 1e-12."""
    _, given, elements = numbers(case)
    floats = {n: jnp.asarray(v, float) for n, v in given.items() if v.dtype.kind == "f"}
    fixed = {n: v for n, v in given.items() if v.dtype.kind != "f"}
    loss, gradients = jax.jit(jax.value_and_grad(lambda g: case.loss({**g, **fixed})))(floats)
    assert float(elements.loss) == pytest.approx(float(loss), rel=1e-12, abs=1e-12)
    names = {q.name for q in elements.system.quantities}
    for name, expected in gradients.items():
        own = adjoint_name(name)
        if own not in names:
            assert not np.any(expected), f"{name} has no adjoint"
            continue
        found = np.array(elements.array(own), dtype=object).astype(float)
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12, err_msg=name)


@each_case
def test_gradients_are_central_differences(case):
    """An element of every parameter, at fifty digits."""
    made, _, elements = numbers(case)
    for quantity in made.parameters:
        at = tuple((k % n) + 1 for k, n in enumerate(elements.shape(quantity.name), 1))
        difference = elements.central_difference(quantity.name, at)
        own = elements.element(adjoint_name(quantity.name), at)
        assert abs(own - difference) <= 1e-15 * (1 + abs(own)), quantity.name
