"""Ready layers: each kind's equations load, evaluate and derive as JAX says, written independently.

A case is a [network] and the same in JAX; `layered` expands it, loads the text again, draws numbers
and compares the loss and every gradient, and with central differences too.
"""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import layer_pages
import symback as sb
from symback.cli import main
from symback.equations import reading
from symback.equations.adjoints import backward
from symback.equations.elements import Elements
from symback.equations.kinds import BLOCK, KINDS
from symback.equations.layers import NETWORK_KEYS, expand, is_plain, of_spec, system
from symback.equations.system import Kind, System, adjoint_name
from symback.language.tables import SpecError

jax.config.update("jax_enable_x64", True)

ROOT = Path(__file__).parent.parent
NEW = [ROOT / "examples" / f"{name}.toml" for name in ("rnn", "lstm", "conv", "attention", "gpt")]
OLD = [
    path
    for path in sorted((ROOT / "examples").glob("*.toml"))
    if path not in NEW and "\nW1 =" in (text := path.read_text("utf-8")) and "\nx =" in text
]


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


def test_every_kind_and_key_has_a_case():
    """No kind is without a test, and no key of a layer or of [network] is never said."""
    said = "\n".join(case.text for case in CASES)
    for kind in (*KINDS.values(), BLOCK):
        assert f'kind = "{kind.name}"' in said or kind.name == "dense"
        for key in kind.known:
            letters = {letter for letter, _, _ in kind.letters}
            assert f"{key} =" in said or key in letters or key in UNSAID, (kind.name, key)
    for key in NETWORK_KEYS:
        assert f"{key} =" in said or key == "title"


UNSAID = {"name", "l2"}


# ------------------------------------------------------------------------------ the file itself


@each_case
def test_the_file_is_what_is_loaded_at_once(case):
    """`system` and the expanded file are the same definitions, sizes and shapes."""
    at_once = system(tables(case.text), "net.toml")
    by_file = loaded(case.text)
    assert at_once.definitions == by_file.definitions
    assert at_once.sizes == by_file.sizes
    assert at_once.quantities == by_file.quantities


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
def test_a_dense_network_expands_to_the_same_numbers(path):
    """Its equations have the old engine's loss and gradients."""
    net, mapping = sb.load(path), tables(path.read_text("utf-8"))
    assert is_plain(mapping)
    made = loaded(path.read_text("utf-8"))
    known = net.evaluate()
    elements = Elements(backward(made).system)
    assert float(elements.loss) == pytest.approx(known["loss"], rel=1e-14)
    assert made.definitions == of_spec(net.spec).definitions or "label" in mapping["values"]
    assert Elements(of_spec(net.spec)).loss == elements.loss
    names = {quantity.name for quantity in made.quantities}
    assert {"W1", "a1", "yhat"} <= known["gradients"].keys() & names
    for name, expected in known["gradients"].items():
        found = np.array(elements.array(adjoint_name(name)), dtype=object).astype(float)
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-16)


def test_there_are_dense_networks_with_numbers():
    """A batch, one bias a layer, a user's function and labels are among them."""
    said = "".join(path.read_text("utf-8") for path in OLD)
    for word in ("per_layer", "over_samples", "[activations", "label"):
        assert word in said


@pytest.mark.parametrize("path", NEW, ids=lambda path: path.stem)
def test_the_examples_say_how_to_run_them(path):
    """Each says on top what it is; its numbers are complete; a step down the slope lowers L."""
    text = path.read_text("utf-8")
    assert text.startswith("# ")
    assert f"examples/{path.name}" in text
    net = sb.load(path)
    assert net.system.title
    loss = net.evaluate()["loss"]
    values = dict(net.system.values)
    for name, value in net.evaluate()["gradients"].items():
        if name in {quantity.name for quantity in net.system.parameters}:
            values[name] = (np.array(values[name], float) - 1e-4 * np.array(value)).tolist()
    assert float(Elements(net.system, values).loss) < loss


def test_a_network_of_symbolic_sizes_expands():
    """Sizes stay letters, and where a convolution takes off some they are what is left."""
    text = net(
        '{kind = "conv1d", channels = "n", kernel = "k"}, {kind = "rnn", units = "m"}',
        '["T", "d"]',
    )
    made = loaded(text)
    assert made.sizes == dict.fromkeys(("T", "d", "n", "k", "m"))
    assert str(made.by_name["h2"].shape[0]) == "T-k+1"


def test_facts_are_brought_along():
    """Rows of a softmax, deviations from a mean, and targets that are distributions."""
    text = net(
        '{kind = "attention", causal = true}, {kind = "layer_norm"}, '
        '{units = 2, activation = "softmax"}',
        loss='"cross_entropy"',
    )
    facts = {(fact.array, int(fact.total)) for fact in system(tables(text), "x").facts}
    assert facts == {("A1", 1), ("xhat2", 0), ("yhat", 1), ("y", 1)}
    one_hot = text + "[values]\ny = [[0.0, 1.0], [0.5, 0.5], [1, 0]]\n"
    assert any(fact.array == "y" for fact in expand(tables(one_hot), "x").facts)
    other = text + "[values]\ny = [[0.0, 1.0], [0.5, 0.6], [1, 0]]\n"
    assert not any(fact.array == "y" for fact in expand(tables(other), "x").facts)


def test_the_command_prints_and_writes_a_file_that_loads(tmp_path, capsys):
    """`symback expand NET` and `-o FILE`: the same text, and the same loss once loaded."""
    example = str(ROOT / "examples" / "lstm.toml")
    assert main(["expand", example]) == 0
    printed = capsys.readouterr().out
    assert main(["expand", example, "-o", str(tmp_path / "out.toml")]) == 0
    assert (tmp_path / "out.toml").read_text("utf-8") == printed
    assert sb.load(tmp_path / "out.toml").evaluate() == sb.load(example).evaluate()


def test_equations_are_not_expanded(tmp_path, capsys):
    """A file with [equations] has none to write."""
    path = tmp_path / "net.toml"
    path.write_text('[equations]\nL = "w*w"\n')
    assert main(["expand", str(path)]) == 2
    assert "has [equations] already" in capsys.readouterr().err


# ------------------------------------------------------------------------------------- refusals


REFUSED = (
    ('{kind = "lstn", units = 2}', "[3, 2]", 'layers[1].kind: "lstn" given', '"lstm"?'),
    ('{kind = "lstm", unit = 2}', "[3, 2]", "layers[1].unit: unknown key of lstm", '"units"?'),
    ('{kind = "lstm"}', "[3, 2]", "layers[1]: lstm: units is missing"),
    ('{kind = "lstm", units = 0}', "[3, 2]", "layers[1].units: 0 given"),
    ('{kind = "lstm", units = 1.5}', "[3, 2]", "layers[1].units: 1.5 given"),
    ('{kind = "lstm", units = "t"}', "[3, 2]", 'layers[1].units: "t" is an index'),
    ('{kind = "lstm", units = 2}', "4", "layers[1]: lstm: it reads a sequence, but x has 1 index"),
    ('{kind = "lstm", units = 2, activation = "softmax"}', "[3, 2]", "couples all neurons"),
    ('{kind = "rnn", units = 2, start = "one"}', "[3, 2]", 'layers[1].start: "one" given'),
    ('{kind = "rnn", units = 2, W = "2"}', "[3, 2]", "the name of the parameter that stands for W"),
    ('{kind = "rnn", units = 2, W = "x"}', "[3, 2]", "x is an input"),
    ('{kind = "rnn", units = 2, W = "h1"}', "[3, 2]", "h1 is computed"),
    ('{kind = "rnn", units = 2, W = "U1"}', "[3, 3]", "U1 is tied to a parameter of shape"),
    ('{kind = "conv2d", channels = 2, kernel = 3}', "[3, 2]", "it reads an image, but x has 2 ind"),
    ('{kind = "conv1d", channels = 2, kernel = 4}', "[3, 2]", "a window of 4 is wider than x"),
    ('{kind = "conv1d", channels = 2, kernel = 2, padding = "same"}', "[3, 2]", "an odd kernel"),
    ('{kind = "conv1d", channels = 2, kernel = 2, stride = 2}', '["T", 2]', "T is symbolic"),
    ('{kind = "max_pool"}', "[3, 2]", "layers[1]: max_pool: window is missing"),
    ('{kind = "flatten"}', '["T", "d"]', "flatten: it needs numbers for all sizes but the first"),
    ('{kind = "batch_norm"}', "4", "its means are over samples"),
    ('{kind = "embedding", units = 2}', "4", "it reads tokens, but x holds numbers"),
    ('{units = 2, activation = "tanh"}', "{tokens = 2, below = 3}", "but tok holds tokens"),
    ('{kind = "attention", heads = 3}', "[3, 4]", "4 features cannot be shared by 3 heads"),
    ('{kind = "attention", heads = 2}', '["T", "d"]', 'write it as head_size = "m"'),
    ('{kind = "attention", causal = 1}', "[3, 4]", "layers[1].causal: 1 given, expected true"),
    ('{kind = "residual"}', "4", "layers and from: neither given"),
    ('{kind = "residual", from = 1}', "4", "layers[1].from: 1 given, expected the number of an"),
    ('{kind = "residual", layers = [{units = 3, activation = "tanh"}]}', "4", "whose sizes differ"),
    ('{kind = "residual", layers = [{units = 3}]}', "4", "layers[1].layers[1]: dense: activation"),
    ('{kind = "concat", from = [0]}', "4", "layers[1].from: a list of 1 given"),
    ('{kind = "dropout", rate = 1}', "4", "layers[1].rate: 1 given, expected a number from 0"),
    ('{kind = "layer_norm", eps = -1}', "4", "layers[1].eps: -1 given"),
    ('{kind = "block", headz = 1}', "[3, 4]", "layers[1].headz: unknown key of block"),
    ('{kind = "layer_norm", name = "a"}, {kind = "rms_norm", name = "a"}', "4", "has this name"),
    ('{kind = "layer_norm"}', "[1, 2, 3, 4]", "a list of 4 given, expected one size, or a list"),
    ('{kind = "layer_norm"}, {units = "t1", activation = "tanh"}', "4", '"t1" is an index'),
    ('{kind = "rnn", units = 2, W = "c1"}', "[3, 2]", 'layers[1].W: "c1" is an index'),
    ('{kind = "rnn", units = 2}, {kind = "conv1d", channels = 1, kernel = 3, padding = 1}',
     "[3, 2]", "layers[2].padding: h1 has a state before its first step"),
    ('{kind = "layer_norm"}', "[]", "an empty list given, expected one size"),
    ('{kind = "layer_norm"}', "{token = 3}", "inputs.token: unknown key"),
)  # fmt: skip


@pytest.mark.parametrize(("layers", "inputs", "said"), [(a, b, c) for a, b, *c in REFUSED])
def test_what_is_wrong_with_a_layer_is_said(layers, inputs, said):
    """One message: the layer, its key, what was given, what was expected."""
    with pytest.raises(SpecError) as caught:
        system(tables(net(layers, inputs)), "net.toml")
    assert caught.value.message.startswith("net.toml: [network] ")
    for words in said:
        assert words in caught.value.message
    assert "\n" not in caught.value.message


DENSE = '{kind = "dense", units = 2, activation = "softmax"}'
WRONG = (
    ("l2 = -1\n", "[network] l2: -1 given"),
    ("labels = true\n", "only cross_entropy has labels"),
    ("label_smoothing = 0.1\n", "only cross_entropy has labels"),
    ("label_smoothing = 1\n", "[network] label_smoothing: 1 given"),
    ('over_steps = "all"\n', '[network] over_steps: "all" given'),
    ('target = "t"\n', '[network] target: "t" is an index'),
    ('target = "x"\n', "x has shape [n0], and a loss compares it with an output of shape [n1]"),
    ("sample = 3\n", '[network] sample: unknown key, expected one of', ),
    ('samples = "s"\n', '[network] samples: "s" is an index'),
    ("[sizes]\nT = 0\n", "[sizes] T: 0 given"),
    ("[sizes]\nt = 2\n", '[sizes] t: "t" is an index'),
    ("[sizes]\nn1 = 3\n", "[sizes] has another n1"),
    ("[sizes]\nW1 = 3\n", "W1 is both a size and an array"),
    ("[values]\nx = [1, 2]\n", "[values] x"),
    ("[values]\nlabel = 3\n", "[values] label: 3 given, expected the true class"),
)  # fmt: skip


@pytest.mark.parametrize(("more", "said"), WRONG)
def test_what_is_wrong_with_the_network_is_said(more, said):
    """The key of [network], of [sizes] or of [values]."""
    with pytest.raises(SpecError) as caught:
        system(tables(net(DENSE, "3") + more), "net.toml")
    assert said in caught.value.message


def test_several_losses_have_their_own_keys():
    """A target for all of them is refused, and so is a layer that is not there."""
    loss = '[{loss = "squared_error"}, {loss = "huber", from = 7}]'
    with pytest.raises(SpecError, match=r"loss\[2\].from: 7 given, expected a layer, from 1 to 1"):
        system(tables(net(DENSE, "3", loss)), "net.toml")
    with pytest.raises(SpecError, match=r"loss\[1\].weight: 0 given, expected a number above 0"):
        system(tables(net(DENSE, "3", '[{loss = "huber", weight = 0}]')), "net.toml")
    with pytest.raises(SpecError, match="there are several losses"):
        system(tables(net(DENSE, "3", loss) + 'target = "y"\n'), "net.toml")


def test_the_page_is_fresh():
    """What docs/layers.md shows of each kind is what is implemented."""
    text = layer_pages.PAGE.read_text("utf-8")
    assert layer_pages.renewed(text) == text, "make it anew: python tests/layer_pages.py"
    for kind in (*KINDS, BLOCK.name):
        assert f"\n### {kind}\n" in text


def test_a_wrong_gradient_would_be_seen():
    """A forget gate that is added instead of multiplied is refuted by the same comparison."""
    made = tables(expand(tables(CASES[5].text), "net.toml").text())
    line = made["equations"]["c1[t,i]"]
    made["equations"]["c1[t,i]"] = line.replace("f1[t,i]*", "f1[t,i]+")
    assert made["equations"]["c1[t,i]"] != line
    _, given, elements = numbers(CASES[5])
    wrong = Elements(reading.from_tables(made, "wrong.toml"), given)
    assert abs(wrong.loss - elements.loss) > 1e-6
