"""Random networks of all kinds of layers: every gradient is JAX's, at double precision.

`Net` draws a [network] and runs it in JAX layer by layer, by its own count of layers and its own
formulas (`test_layers`), so that letters, ties, numbering, residuals and shapes are compared too.
``SYMBACK_NETWORKS=300`` draws as many.
"""

import os
import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import test_layers as by_hand
from symback.equations import layers, reading
from symback.equations.adjoints import backward
from symback.equations.elements import Elements
from symback.equations.system import adjoint_name

MANY = int(os.environ.get("SYMBACK_NETWORKS", "12"))
POINTWISE = {
    "linear": lambda z: z,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "softplus": jax.nn.softplus,
    "gelu": lambda z: jax.nn.gelu(z, approximate=False),
    "silu": jax.nn.silu,
    "elu": jax.nn.elu,
}
BY_RANK = {
    1: ("dense", "activation", "layer_norm", "rms_norm", "dropout", "residual", "concat",
        "batch_norm", "from"),
    2: ("dense", "rnn", "lstm", "gru", "layer_norm", "rms_norm", "conv1d", "max_pool", "avg_pool",
        "attention", "block", "residual", "concat", "last", "flatten", "dropout", "batch_norm",
        "activation", "from"),
    3: ("conv2d", "max_pool", "avg_pool", "flatten", "activation", "dropout", "batch_norm"),
}  # fmt: skip


class Net:
    """A network drawn by a seed: ``mapping`` is its file, ``loss`` its loss in JAX."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.has_samples = self.random.random() < 0.4
        self.tables: list[dict] = []
        self.steps: list = []  # (outputs, g) -> output, one a layer as symback counts them
        rank = self.random.choice((1, 2, 2, 2, 3, "tokens"))
        if rank == "tokens":
            self.inputs, self.shape = {"tokens": 3, "below": 4}, (3,)
            self.shapes = [(3,)]
            self.embedding()
        else:
            self.shape = {1: (3,), 2: (4, 2), 3: (2, 4, 3)}[rank]
            self.inputs = self.shape[0] if rank == 1 else list(self.shape)
            self.shapes = [self.shape]
        for _ in range(self.random.randint(1, 4)):
            self.tables += self.layer(self.random.choice(BY_RANK[len(self.shape)]))
        if len(self.shape) == 3:
            self.tables += self.layer("flatten")
        self.tables.append(self.dense())
        self.has_labels = self.random.random() < 0.4
        self.l2 = self.random.choice((0, 0.25))

    # ---------------------------------------------------------------------- layers, one by one

    def add(self, shape, run, whole=False):
        """One layer: its output's shape, and a function of the outputs so far and the numbers.

        ``whole`` means that it sees all samples at once.
        """
        k = len(self.steps) + 1
        before = len(self.shapes) - 1

        def step(outputs, g):
            if whole or not self.has_samples:
                return run(outputs[before], outputs, g, k)
            return jax.vmap(lambda *each: run(each[before], each, g, k))(*outputs)

        self.steps.append(step)
        self.shapes.append(shape)
        self.shape = shape
        return k

    def embedding(self):
        k = self.add((3, 2), lambda x, _, g, k: g[f"E{k}"][x - 1] + g[f"P{k}"])
        assert k == 1
        self.tables.append({"kind": "embedding", "units": 2, "positions": True})

    def dense(self, units=None, name=None):
        units, name = units or self.random.randint(2, 3), name or self.random.choice([*POINTWISE])
        g = POINTWISE[name]
        self.add((*self.shape[:-1], units), lambda x, _, n, k: g(by_hand.dense(x, n, k)))
        return {"units": units, "activation": name}

    def layer(self, kind) -> list[dict]:
        """Tables of a layer of some kind, drawn; ``run`` and ``shape`` go with it."""
        table = getattr(self, f"_{kind}")()
        return [table] if table else []

    def _dense(self):
        return self.dense()

    def _activation(self):
        name = self.random.choice([*POINTWISE])
        self.add(self.shape, lambda x, *_: POINTWISE[name](x))
        return {"kind": "activation", "activation": name}

    def _recurrent(self, kind, run, **more):
        units = self.random.randint(1, 3)
        self.add((self.shape[0], units), lambda x, _, g, k: run(g, k)(x))
        return {"kind": kind, "units": units, **more}

    def _rnn(self):
        return self._recurrent("rnn", by_hand.rnn)

    def _lstm(self):
        return self._recurrent("lstm", by_hand.lstm)

    def _gru(self):
        after = self.random.random() < 0.5
        more = {"reset": "after" if after else "before"}
        return self._recurrent("gru", lambda g, k: by_hand.gru(g, k, after=after), **more)

    def _layer_norm(self):
        self.add(self.shape, lambda x, _, g, k: by_hand.norm(x, k, g, 0.5))
        return {"kind": "layer_norm", "eps": 0.5}

    def _rms_norm(self):
        def run(x, _, g, k):
            return g[f"gamma{k}"] * x / jnp.sqrt((x**2).mean(-1, keepdims=True) + 0.25)

        self.add(self.shape, run)
        return {"kind": "rms_norm", "eps": 0.25}

    def _batch_norm(self):
        if not self.has_samples:
            return None

        def run(x, _, g, k):
            if len(self_shape) == 3:
                gamma, beta = g[f"gamma{k}"][:, None, None], g[f"beta{k}"][:, None, None]
                axes = (0, 2, 3)
            else:
                gamma, beta = g[f"gamma{k}"], g[f"beta{k}"]
                axes = tuple(range(x.ndim - 1))
            hat = (x - x.mean(axes, keepdims=True)) / jnp.sqrt(x.var(axes, keepdims=True) + 0.5)
            return gamma * hat + beta

        self_shape = self.shape
        self.add(self.shape, run, whole=True)
        return {"kind": "batch_norm", "eps": 0.5}

    def _conv1d(self):
        T, _ = self.shape
        kernel = self.random.randint(1, min(3, T))
        padding = 0 if self.tables and self.tables[-1].get("kind") in ("rnn", "lstm", "gru") else 1
        stride, channels = self.random.randint(1, 2), self.random.randint(1, 2)
        count = (T + 2 * padding - kernel) // stride + 1

        def run(x, _, g, k):
            return by_hand.conv(x.T, g[f"K{k}"], g[f"b{k}"], (stride,), (padding,)).T

        self.add((count, channels), run)
        return {"kind": "conv1d", "channels": channels, "kernel": kernel, "stride": stride,
                "padding": padding}  # fmt: skip

    def _conv2d(self):
        _, rows, cols = self.shape
        kernel = [self.random.randint(1, min(3, n)) for n in (rows, cols)]
        padding = [self.random.randint(0, 1) for _ in range(2)]
        stride = [self.random.randint(1, 2) for _ in range(2)]
        windows = zip((rows, cols), padding, kernel, stride, strict=True)
        counts = [(n + 2 * zeros - k) // step + 1 for n, zeros, k, step in windows]

        def run(x, _, g, k):
            return by_hand.conv(x, g[f"K{k}"], g[f"b{k}"], tuple(stride), tuple(padding))

        self.add((2, *counts), run)
        return {"kind": "conv2d", "channels": 2, "kernel": kernel, "stride": stride,
                "padding": padding}  # fmt: skip

    def _pool(self, kind):
        lengths = self.shape[:1] if len(self.shape) == 2 else self.shape[1:]
        window = [self.random.randint(1, min(2, n)) for n in lengths]
        stride = [self.random.randint(1, 2) for _ in lengths]
        counts = [(n - w) // s + 1 for n, w, s in zip(lengths, window, stride, strict=True)]
        is_sequence = len(self.shape) == 2

        def run(x, *_):
            x = x.T if is_sequence else x
            made = by_hand.pooled(x, tuple(window), tuple(stride), kind == "max_pool")
            return made.T if is_sequence else made

        shape = (*counts, self.shape[1]) if is_sequence else (self.shape[0], *counts)
        self.add(shape, run)
        both = (window[0], stride[0]) if is_sequence else (window, stride)
        return {"kind": kind, "window": both[0], "stride": both[1]}

    def _max_pool(self):
        return self._pool("max_pool")

    def _avg_pool(self):
        return self._pool("avg_pool")

    def _attention(self):
        heads, causal = self.random.choice((1, 2)), self.random.random() < 0.5
        self.add(self.shape, lambda x, _, g, k: by_hand.attention(x, g, k, causal))
        more = {"heads": heads, "head_size": self.random.randint(1, 2)} if heads > 1 else {}
        return {"kind": "attention", "causal": causal, **more}

    def _block(self):
        """Seven layers, of which JAX computes all in the last."""
        before = len(self.shapes) - 1
        first = len(self.steps) + 1
        for _ in range(6):
            self.add(self.shape, lambda x, *_: x)

        def run(_, outputs, g, k):
            assert k == first + 6
            return by_hand.block(outputs[before], g, first, causal=True)

        self.add(self.shape, run)
        return {"kind": "block", "causal": True, "hidden": 3}

    def _residual(self):
        before = len(self.shapes) - 1
        shape = self.shape
        inner = [self.dense(), self.dense(shape[-1], "tanh")]
        self.add(shape, lambda x, outputs, *_: outputs[before] + x)
        return {"kind": "residual", "layers": inner}

    def _from(self):
        """A residual from any earlier layer of the same shape."""
        same = [n for n, shape in enumerate(self.shapes) if shape == self.shape and n]
        if not same:
            return None
        other = self.random.choice(same)
        self.add(self.shape, lambda x, outputs, *_: x + outputs[other])
        return {"kind": "residual", "from": other}

    def _concat(self):
        first = 1 if isinstance(self.inputs, dict) else 0
        alike = [n for n, shape in enumerate(self.shapes)
                 if n >= first and shape[:-1] == self.shape[:-1]]  # fmt: skip
        chosen = self.random.choices(alike, k=self.random.randint(2, 3))
        size = sum(self.shapes[n][-1] for n in chosen)

        def run(_, outputs, *__):
            return jnp.concatenate([outputs[n] for n in chosen], -1)

        self.add((*self.shape[:-1], size), run)
        return {"kind": "concat", "from": chosen}

    def _last(self):
        self.add(self.shape[1:], lambda x, *_: x[-1])
        return {"kind": "last"}

    def _flatten(self):
        self.add((int(np.prod(self.shape)),), lambda x, *_: x.ravel())
        return {"kind": "flatten"}

    def _dropout(self):
        k = len(self.steps) + 1
        before = len(self.shapes) - 1
        self.steps.append(lambda outputs, g: outputs[before] * g[f"mask{k}"] / 0.5)
        self.shapes.append(self.shape)
        return {"kind": "dropout", "rate": 0.5}

    # ------------------------------------------------------------------------------- the whole

    @property
    def mapping(self) -> dict:
        """The file."""
        network = {"inputs": self.inputs, "layers": self.tables, "loss": "squared_error"}
        if self.has_labels:
            last = {"kind": "activation", "activation": "softmax"}
            network |= {"layers": [*self.tables, last], "loss": "cross_entropy", "labels": True}
        network |= {"samples": 2} if self.has_samples else {}
        network |= {"l2": self.l2} if self.l2 else {}
        return {"network": network}

    def loss(self, g):
        """The same in JAX."""
        outputs = [g["tok"] if isinstance(self.inputs, dict) else g["x"]]
        for step in self.steps:
            outputs.append(step(outputs, g))
        made, share = outputs[-1], 2 if self.has_samples else 1
        weights = [v for n, v in g.items() if n[0] in "WUKEP" and jnp.issubdtype(v.dtype, float)]
        penalty = self.l2 / 2 * sum(jnp.sum(w**2) for w in weights)
        if self.has_labels:
            return -jnp.sum(by_hand.chosen(made, g["label"])) / share + penalty
        return by_hand.square(made, g["y"]) / share + penalty


@pytest.mark.parametrize("seed", range(MANY))
def test_a_random_network_is_as_in_jax(seed):
    """Loss and gradients of every parameter and input agree to 1e-10."""
    net = Net(seed)
    made = reading.from_tables(layers.expand(net.mapping, "net.toml").tables(), "net.toml")
    given = by_hand.drawn(made, seed)
    floats = {n: jnp.asarray(v) for n, v in given.items() if v.dtype.kind == "f"}
    fixed = {n: v for n, v in given.items() if v.dtype.kind != "f"}
    run = jax.jit(jax.value_and_grad(lambda g: net.loss({**g, **fixed})))
    loss, gradients = run(floats)
    elements = Elements(backward(made).system, given)
    assert float(elements.loss) == pytest.approx(float(loss), rel=1e-11)
    names = {quantity.name for quantity in elements.system.quantities}
    for name, expected in gradients.items():
        own = adjoint_name(name)
        if own not in names:
            assert not np.any(expected), f"{name} has no adjoint"
            continue
        found = np.array(elements.array(own), dtype=object).astype(float)
        scale = 1 + np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-11 * scale, err_msg=name)
