"""Networks as equations against JAX: the same networks written by hand, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import systems
from symback.equations.adjoints import backward
from symback.equations.elements import Elements
from symback.equations.system import Kind, adjoint_name


@pytest.fixture(autouse=True, scope="module")
def _float64():
    """JAX computes in doubles in these tests only."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def squared(h, y):
    return jnp.sum((h - y) ** 2)


def rnn(p):
    h, states = p["h0"], []
    for x in p["x"]:
        h = jnp.tanh(p["W"] @ x + p["U"] @ h + p["b"])
        states.append(h)
    return jnp.stack(states)


def gru(p):
    h, loss = p["h0"], 0.0
    for x, y in zip(p["x"], p["y"], strict=True):
        z = jax.nn.sigmoid(p["Wz"] @ x + p["Uz"] @ h + p["bz"])
        r = jax.nn.sigmoid(p["Wr"] @ x + p["Ur"] @ h + p["br"])
        c = jnp.tanh(p["Wc"] @ x + p["Uc"] @ (r * h) + p["bc"])
        h = (1 - z) * h + z * c
        loss += squared(h, y)
    return loss


def lstm(p):
    h, c, loss = p["h0"], p["c0"], 0.0
    for x, y in zip(p["x"], p["y"], strict=True):
        u, f, o = (
            jax.nn.sigmoid(p[f"W{k}"] @ x + p[f"U{k}"] @ h + p[f"b{k}"]) for k in ("i", "f", "o")
        )
        c = f * c + u * jnp.tanh(p["Wg"] @ x + p["Ug"] @ h + p["bg"])
        h = o * jnp.tanh(c)
        loss += squared(h, y)
    return loss


def normed(a, axis, eps):
    return (a - a.mean(axis, keepdims=True)) / jnp.sqrt(a.var(axis, keepdims=True) + eps)


def conv1d(p):
    """Stride 2, one zero on the left and as many as needed on the right."""
    n, w = p["x"].shape[0], p["K"].shape[1]
    padded = jnp.pad(p["x"], ((2, w), (0, 0)))
    outputs = p["y"].shape[0]
    rows = [padded[2 * o + 1 : 2 * o + 1 + w] for o in range(outputs)]
    assert 2 * (outputs - 1) + 1 + w <= n + 2 + w
    a = jnp.stack([jnp.einsum("iuj,uj->i", p["K"], row) for row in rows]) + p["b"]
    return squared(jax.nn.relu(a), p["y"])


def conv2d(p):
    a = jax.lax.conv(p["x"][None], p["K"], (1, 1), "VALID")[0] + p["b"][:, None, None]
    return squared(jnp.tanh(a), p["y"])


def attention(p):
    q, k, v = (p["x"] @ p[name].T for name in "QKV")
    scores = jnp.where(jnp.tri(len(q)) > 0, q @ k.T / jnp.sqrt(p["Q"].shape[0]), -jnp.inf)
    return squared(jax.nn.softmax(scores, axis=1) @ v, p["y"])


def multi_head(p):
    q, k, v = (jnp.einsum("aij,tj->ati", p[name], p["x"]) for name in "QKV")
    weights = jax.nn.softmax(jnp.einsum("ati,aui->atu", q, k) / jnp.sqrt(p["Q"].shape[1]), axis=2)
    z = jnp.einsum("atu,aui->ati", weights, v)
    return squared(jnp.einsum("jai,ati->tj", p["O"], z) + p["x"], p["y"])


def embedding(p):
    h = jnp.tanh(p["E"][p["tok"] - 1])
    o = h @ p["W"].T + p["b"]
    picked = jnp.take_along_axis(jax.nn.log_softmax(o, axis=1), p["lab"][:, None] - 1, axis=1)
    return -picked.mean()


def max_pool(p):
    return squared((p["W"] @ p["x"]).reshape(-1, 2).max(axis=1), p["y"])


def mean_condition(p):
    a = p["x"] @ p["w"]
    return squared(jnp.cumsum(a) / jnp.arange(1, len(a) + 1), p["y"])


def where_value(p):
    r = p["w"] * p["x"] - p["y"]
    huber = jnp.where(jnp.abs(r) <= 1, r**2 / 2, jnp.abs(r) - 0.5)
    return huber.sum() + jnp.maximum(0, p["w"][0])


NETWORKS = {
    "rnn": lambda p: squared(rnn(p), p["y"]),
    "rnn_last": lambda p: squared(rnn(p)[-1], p["y"]),
    "gru": gru,
    "lstm": lstm,
    "layer_norm_inside": lambda p: squared(
        p["g"] * normed(p["x"] @ p["W"].T, 1, p["eps"]) + p["b"], p["y"]
    ),
    "batch_norm": lambda p: squared(
        p["g"] * normed(p["x"] @ p["W"].T, 0, p["eps"]) + p["b"], p["y"]
    ) / len(p["x"]),
    "conv1d": conv1d,
    "conv2d": conv2d,
    "max_pool": max_pool,
    "attention": attention,
    "multi_head": multi_head,
    "embedding": embedding,
    "logsumexp": lambda p: (
        jax.nn.logsumexp(p["x"] @ p["W"].T, axis=1).sum() - jnp.sum(p["y"] * (p["x"] @ p["W"].T))
    ),
    "mean_condition": mean_condition,
    "where_value": where_value,
    "residual": lambda p: squared(
        p["x"] + p["U"] @ jax.nn.gelu(p["W"] @ p["x"] + p["b"], approximate=False), p["y"]
    ) / 2,
}  # fmt: skip


@pytest.mark.parametrize("kind", NETWORKS)
def test_loss_and_all_gradients_are_those_of_jax(kind):
    """To 1e-12, of every parameter and every input."""
    system = systems.system(kind, 3)
    found = Elements(backward(system).system, system.values)
    kinds = {quantity.name: quantity.kind for quantity in system.quantities}
    given = {
        name: jnp.array(value, dtype=int if kinds[name] is Kind.DATA else float)
        for name, value in _doubles(system.values).items()
    }
    moving = {name: value for name, value in given.items() if kinds[name] is not Kind.DATA}
    loss, gradients = jax.value_and_grad(lambda p: NETWORKS[kind]({**given, **p}))(moving)
    assert np.isclose(float(found.loss), float(loss), rtol=1e-13)
    for name, gradient in gradients.items():
        own = np.array(found.array(adjoint_name(name)), dtype=float)
        assert own.shape == gradient.shape
        assert np.allclose(own, gradient, rtol=1e-11, atol=1e-13), name


def _doubles(values):
    if isinstance(values, dict):
        return {name: _doubles(value) for name, value in values.items()}
    return [_doubles(v) for v in values] if isinstance(values, tuple) else float(values)
