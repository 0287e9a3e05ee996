"""What a file of equations means, against the same network written by hand in NumPy."""

from math import erf

import numpy as np
import pytest

from symback.equations.elements import Elements
from systems import KINDS, system

HAND = {}


def by_hand(function):
    """Note a network by its kind; it takes the arrays of the file and gives the loss."""
    HAND[function.__name__] = function
    return function


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def squares(h, y):
    return np.sum((h - y) ** 2)


def softmax(S):
    E = np.exp(S - S.max(axis=-1, keepdims=True))
    return E / E.sum(axis=-1, keepdims=True)


def states(W, U, b, x, h0, **_):
    found = [h0]
    for row in x:
        found.append(np.tanh(W @ row + U @ found[-1] + b))
    return np.array(found[1:])


@by_hand
def rnn(y, **given):
    return squares(states(**given), y)


@by_hand
def rnn_last(y, **given):
    return squares(states(**given)[-1], y)


@by_hand
def gru(Wz, Uz, bz, Wr, Ur, br, Wc, Uc, bc, x, y, h0):
    h, loss = h0, 0
    for row, target in zip(x, y, strict=True):
        z = sigmoid(Wz @ row + Uz @ h + bz)
        r = sigmoid(Wr @ row + Ur @ h + br)
        c = np.tanh(Wc @ row + Uc @ (r * h) + bc)
        h = (1 - z) * h + z * c
        loss += squares(h, target)
    return loss


@by_hand
def lstm(Wi, Ui, bi, Wf, Uf, bf, Wo, Uo, bo, Wg, Ug, bg, x, y, h0, c0):
    h, c, loss = h0, c0, 0
    for row, target in zip(x, y, strict=True):
        u = sigmoid(Wi @ row + Ui @ h + bi)
        f = sigmoid(Wf @ row + Uf @ h + bf)
        o = sigmoid(Wo @ row + Uo @ h + bo)
        g = np.tanh(Wg @ row + Ug @ h + bg)
        c = f * c + u * g
        h = o * np.tanh(c)
        loss += squares(h, target)
    return loss


def normed(a, eps, axis):
    return (a - a.mean(axis, keepdims=True)) / np.sqrt(a.var(axis, keepdims=True) + eps)


@by_hand
def layer_norm(g, b, x, y, eps):
    return squares(g * normed(x, eps, 1) + b, y)


@by_hand
def layer_norm_inside(W, g, b, x, y, eps):
    return squares(g * normed(x @ W.T, eps, 1) + b, y)


@by_hand
def rms_norm(W, g, x, y):
    a = x @ W.T
    return squares(g * a / np.sqrt((a**2).mean(1, keepdims=True) + 0.01), y)


@by_hand
def batch_norm(W, g, b, x, y, eps):
    return squares(g * normed(x @ W.T, eps, 0) + b, y) / len(x)


@by_hand
def conv1d(K, b, x, y):
    padded = np.concatenate([np.zeros((1, x.shape[1])), x, np.zeros((1, x.shape[1]))])
    a = [np.einsum("kuc,uc->k", K, padded[2 * o : 2 * o + 3]) + b for o in range(len(y))]
    return squares(np.maximum(a, 0), y)


@by_hand
def conv1d_padded_hidden(K, V, x, y):
    h = np.tanh(np.correlate(np.pad(x, 1), K, "valid"))
    return squares(np.correlate(np.pad(h, 1), V, "valid"), y)


@by_hand
def conv2d(K, b, x, y):
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 2), axis=(1, 2))
    return squares(np.tanh(np.einsum("kcuv,cpquv->kpq", K, windows) + b[:, None, None]), y)


@by_hand
def max_pool(W, x, y):
    return squares((W @ x).reshape(-1, 2).max(1), y)


@by_hand
def avg_pool(W, x, y):
    return squares(np.tanh(W @ x).reshape(-1, 2).mean(1), y)


@by_hand
def embedding(E, W, b, tok, lab):
    P = softmax(np.tanh(E[tok]) @ W.T + b)
    return -np.log(P[np.arange(len(lab)), lab]).mean()


@by_hand
def attention(Q, K, V, x, y):
    S = (x @ Q.T) @ (x @ K.T).T / np.sqrt(2)
    S[np.triu_indices(len(x), 1)] = -np.inf
    return squares(softmax(S) @ (x @ V.T), y)


@by_hand
def multi_head(Q, K, V, O, x, y):
    z = [
        softmax((x @ q.T) @ (x @ k.T).T / np.sqrt(2)) @ (x @ v.T)
        for q, k, v in zip(Q, K, V, strict=True)
    ]
    return squares(sum(z[n] @ O[:, n].T for n in range(len(z))) + x, y)


@by_hand
def residual(W, b, U, x, y):
    a = W @ x + b
    z = a * (1 + np.vectorize(erf)(a / np.sqrt(2))) / 2
    return squares(x + U @ z, y) / 2


@by_hand
def logsumexp(W, x, y):
    a = x @ W.T
    return np.sum(np.log(np.exp(a).sum(1))) - np.sum(y * a)


@by_hand
def where_index(w, x):
    return np.sum(np.diff(np.concatenate([[0], w * x])) ** 2)


@by_hand
def where_value(w, x, y):
    r = w * x - y
    return np.sum(np.where(abs(r) <= 1, r**2 / 2, abs(r) - 0.5)) + max(0, w[0])


@by_hand
def scalars(w, b, x, y):
    a = w * x + b
    return (a * sigmoid(a) - y) ** 2


@by_hand
def mean_condition(w, x, y):
    return squares(np.cumsum(x @ w) / np.arange(1, len(x) + 1), y)


@by_hand
def backwards(w, r, g):
    G = 0.0
    for reward in r[::-1]:
        G = w * reward + g * np.tanh(G)
    return G**2


def test_every_kind_is_written_by_hand():
    """No kind is left out, and none is written that there is not."""
    assert set(HAND) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_the_loss_is_that_of_numpy(kind, seed):
    """Two independent readings of the same network give one number."""
    found = system(kind, seed)
    given = {
        name: np.array(value, int) - 1  # from 0 in NumPy
        if found.by_name[name].below
        else np.array(value, float)
        for name, value in found.values.items()
    }
    loss = float(Elements(found, found.values).loss)
    assert loss == pytest.approx(float(HAND[kind](**given)), rel=1e-12)
