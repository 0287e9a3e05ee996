"""Pages about networks of equations: programs and formulas, right and wrong, and why."""

import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

import symback as sb
import systems
from symback.checking.report import Verdict
from symback.checking.system_code import program_in
from symback.checking.system_pages import check_system
from symback.equations.reading import from_tables
from symback.equations.work import EquationWork

CHARACTERS = """
[sizes]
T = 3
n = 4
V = 5
[parameters]
Wxh = ["n", "V"]
Whh = ["n", "n"]
Why = ["V", "n"]
bh = ["n"]
by = ["V"]
[inputs]
hprev = ["n"]
[indices]
inputs = { shape = ["T"], below = "V" }
targets = { shape = ["T"], below = "V" }
[equations]
"a[t,i]" = "Wxh[i,inputs[t]] + sum(j, Whh[i,j]*h[t-1,j]) + bh[i]"
"h[0,i]" = "hprev[i]"
"h[t,i]" = "tanh(a[t,i])"
"y[t,k]" = "sum(i, Why[k,i]*h[t,i]) + by[k]"
"p[t,k]" = "softmax(k, y[t,k])"
"loss" = "-sum(t, log(p[t,targets[t]]))"
"""

BATCH = """
[sizes]
N = 4
D = 3
[parameters]
gamma = ["D"]
beta = ["D"]
[inputs]
x = ["N", "D"]
G = ["N", "D"]
eps = []
[equations]
"mu[i]" = "mean(s, x[s,i])"
"var[i]" = "mean(s, (x[s,i] - mu[i])**2)"
"istd[i]" = "1/sqrt(var[i] + eps)"
"xhat[s,i]" = "(x[s,i] - mu[i])*istd[i]"
"out[s,i]" = "gamma[i]*xhat[s,i] + beta[i]"
"L" = "sum(s, sum(i, G[s,i]*out[s,i]))"
"""

LAYER = BATCH.replace('"mu[i]" = "mean(s, x[s,i])"', '"mu[s]" = "mean(i, x[s,i])"').replace(
    '"var[i]" = "mean(s, (x[s,i] - mu[i])**2)"', '"var[s]" = "mean(i, (x[s,i] - mu[s])**2)"'
).replace('"istd[i]" = "1/sqrt(var[i] + eps)"', '"istd[s]" = "1/sqrt(var[s] + eps)"').replace(
    "(x[s,i] - mu[i])*istd[i]", "(x[s,i] - mu[s])*istd[s]"
)  # fmt: skip

OWN = {"characters": CHARACTERS, "batch": BATCH, "layer": LAYER}


@cache
def net(kind: str) -> EquationWork:
    """A network by its kind: of this file, or of those that all tests share."""
    if kind not in OWN:
        return EquationWork(systems.system(kind))
    return EquationWork(from_tables(tomllib.loads(OWN[kind]), kind))


# A loop over characters as it has been published many times over, written again.
LOOP = '''
import numpy as np

def loss_and_gradients(inputs, targets, hprev):
    """forward, then backward through time"""
    xs, hs, ys, ps = {}, {}, {}, {}
    hs[-1] = np.copy(hprev)
    loss = 0
    for t in range(len(inputs)):
        xs[t] = np.zeros((V, 1))
        xs[t][inputs[t]] = 1
        hs[t] = np.tanh(np.dot(Wxh, xs[t]) + np.dot(Whh, hs[t-1]) + bh)
        ys[t] = np.dot(Why, hs[t]) + by
        ps[t] = np.exp(ys[t]) / np.sum(np.exp(ys[t]))
        loss += -np.log(ps[t][targets[t], 0])
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby = np.zeros_like(bh), np.zeros_like(by)
    dhnext = np.zeros_like(hs[0])
    for t in reversed(range(len(inputs))):
        dy = np.copy(ps[t])
        dy[targets[t]] -= 1
        dWhy += np.dot(dy, hs[t].T)
        dby += dy
        dh = np.dot(Why.T, dy) + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh
        dbh += dhraw
        dWxh += np.dot(dhraw, xs[t].T)
        dWhh += np.dot(dhraw, hs[t-1].T)
        dhnext = np.dot(Whh.T, dhraw)
    for dparam in [dWxh, dWhh, dWhy, dbh, dby]:
        np.clip(dparam, -5, 5, out=dparam)
    return loss, dWxh, dWhh, dWhy, dbh, dby, hs[len(inputs)-1]
'''

BATCH_PAGE = """
def batchnorm_backward(dout, cache):
    x, xhat, mu, istd, gamma, eps = cache
    N, D = x.shape
    dbeta = dout.sum(axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    dvar = np.sum(dxhat * (x - mu) * -0.5 * istd**3, axis=0)
    dmu = np.sum(-dxhat * istd, axis=0) + dvar * np.mean(-2.0 * (x - mu), axis=0)
    dx = dxhat * istd + dvar * 2.0 * (x - mu) / N + dmu / N
    return dx, dgamma, dbeta
"""

COMPACT = """
def batchnorm_backward_alt(dout, cache):
    xhat, gamma, istd = cache
    N = dout.shape[0]
    dbeta = dout.sum(0)
    dgamma = (dout * xhat).sum(0)
    dx = (gamma * istd / N) * (N * dout - dbeta - xhat * dgamma)
"""

LAYER_PAGE = """
def layernorm_backward(dout, cache):
    x, xhat, istd, gamma = cache
    N, D = x.shape
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    g = dout * gamma
    m1 = g.mean(axis=1, keepdims=True)
    m2 = (g * xhat).mean(axis=1, keepdims=True)
    dx = (g - m1 - xhat * m2) * istd[:, None]
    return dx, dgamma, dbeta
"""

LSTM_PAGE = """
hs, cs = {-1: h0}, {-1: c0}
us, fs, os, gs = {}, {}, {}, {}
for t in range(T):
    us[t] = sigmoid(Wi @ x[t] + Ui @ hs[t-1] + bi)
    fs[t] = sigmoid(Wf @ x[t] + Uf @ hs[t-1] + bf)
    os[t] = sigmoid(Wo @ x[t] + Uo @ hs[t-1] + bo)
    gs[t] = np.tanh(Wg @ x[t] + Ug @ hs[t-1] + bg)
    cs[t] = fs[t] * cs[t-1] + us[t] * gs[t]
    hs[t] = os[t] * np.tanh(cs[t])
dWi, dWf, dWo, dWg = [np.zeros_like(w) for w in (Wi, Wf, Wo, Wg)]
dUi, dUf, dUo, dUg = [np.zeros_like(w) for w in (Ui, Uf, Uo, Ug)]
dbi, dbf, dbo, dbg = [np.zeros_like(w) for w in (bi, bf, bo, bg)]
dh_next, dc_next = np.zeros_like(h0), np.zeros_like(c0)
for t in reversed(range(T)):
    dh = 2 * (hs[t] - y[t]) + dh_next
    dc = dc_next + dh * os[t] * (1 - np.tanh(cs[t])**2)
    zo = dh * np.tanh(cs[t]) * os[t] * (1 - os[t])
    zu = dc * gs[t] * us[t] * (1 - us[t])
    zg = dc * us[t] * (1 - gs[t]**2)
    zf = dc * cs[t-1] * fs[t] * (1 - fs[t])
    dWi += np.outer(zu, x[t]); dUi += np.outer(zu, hs[t-1]); dbi += zu
    dWf += np.outer(zf, x[t]); dUf += np.outer(zf, hs[t-1]); dbf += zf
    dWo += np.outer(zo, x[t]); dUo += np.outer(zo, hs[t-1]); dbo += zo
    dWg += np.outer(zg, x[t]); dUg += np.outer(zg, hs[t-1]); dbg += zg
    dh_next = Ui.T @ zu + Uf.T @ zf + Uo.T @ zo + Ug.T @ zg
    dc_next = dc * fs[t]
"""

ATTENTION_PAGE = """
dz = 2 * (z - y)
dP = dz @ v.T
dv = P.T @ dz
dS = P * (dP - np.sum(dP * P, axis=1, keepdims=True))
dq = dS @ k / np.sqrt(m)
dk = dS.T @ q / np.sqrt(m)
dQ, dK, dV = dq.T @ x, dk.T @ x, dv.T @ x
"""

EMBEDDING_PAGE = """
do = p.copy()
do[np.arange(T), lab] -= 1
do /= T
dW = do.T @ h
db = do.sum(axis=0)
dh = do @ W
dx = dh * (1 - h**2)
dE = np.zeros_like(E)
np.add.at(dE, tok, dx)
"""

RIGHT = [
    ("characters", LOOP, 7),
    ("batch", BATCH_PAGE, 6),
    ("batch", COMPACT, 3),
    ("layer", LAYER_PAGE, 3),
    ("lstm", LSTM_PAGE, 14),
    ("attention", ATTENTION_PAGE, 9),
    ("embedding", EMBEDDING_PAGE, 5),
]


@pytest.mark.parametrize(("kind", "page", "count"), RIGHT)
def test_a_right_program_is_proved(kind: str, page: str, count: int) -> None:
    """Every gradient that it assigns, and nothing is left unread."""
    report = check_system(page, net(kind))
    assert {line.verdict for line in report.lines} == {Verdict.PROVED}, str(report)
    assert len(report.lines) >= count
    assert report.verdict is Verdict.PROVED


WRONG = [
    ("characters", LOOP, " + dhnext", "", "truncated-through-time"),
    ("characters", LOOP, "(1 - hs[t] * hs[t]) * dh", "dh", "missing-activation-derivative"),
    ("characters", LOOP, "(1 - hs[t] * hs[t])", "hs[t] * (1 - hs[t])",
     "wrong-activation-derivative"),
    ("characters", LOOP, "np.dot(Whh.T, dhraw)", "np.dot(Whh, dhraw)", "transposed-weight"),
    ("characters", LOOP, "np.dot(dhraw, hs[t-1].T)", "np.dot(dhraw, hs[t].T)", "wrong-time-step"),
    ("characters", LOOP, "dbh += dhraw", "dbh += dh", "missing-activation-derivative"),
    ("characters", LOOP, "dWhh += ", "dWhh = ", "single-time-step"),
    ("characters", LOOP, "np.dot(dhraw, hs[t-1].T)", "np.dot(hs[t-1], dhraw.T)", "matrix-layout"),
    ("characters", LOOP, "-= 1", "+= 1", None),
    ("batch", BATCH_PAGE, " + dmu / N", "", "missing-path"),
    ("batch", BATCH_PAGE, " + dvar * 2.0 * (x - mu) / N", "", "missing-path"),
    ("batch", BATCH_PAGE, "-0.5 *", "0.5 *", "sign-flipped"),
    ("batch", COMPACT, " - xhat * dgamma", "", "missing-path"),
    ("layer", LAYER_PAGE, " - m1", "", None),
    ("layer", LAYER_PAGE, "mean(axis=1", "sum(axis=1", None),
    ("lstm", LSTM_PAGE, "dc_next + dh", "dh", "truncated-through-time"),
    ("lstm", LSTM_PAGE, "dc * fs[t]", "dc", None),
    ("lstm", LSTM_PAGE, "(1 - np.tanh(cs[t])**2)", "(1 - cs[t]**2)", None),
    ("attention", ATTENTION_PAGE, " - np.sum(dP * P, axis=1, keepdims=True)", "",
     "softmax-diagonal-only"),
    ("attention", ATTENTION_PAGE, "(dP - np.sum(dP * P, axis=1, keepdims=True))", "(1 - P) * dP",
     "softmax-diagonal-only"),
    ("attention", ATTENTION_PAGE, "dS.T @ q / np.sqrt(m)", "dS.T @ q", "missing-factor"),
    ("embedding", EMBEDDING_PAGE, "np.add.at(dE, tok, dx)", "dE[tok] = dx",
     "overwritten-scatter"),
    ("embedding", EMBEDDING_PAGE, "np.add.at(dE, tok, dx)", "dE[tok] += dx",
     "overwritten-scatter"),
    ("embedding", EMBEDDING_PAGE, "do.sum(axis=0)", "do", "unsummed-samples"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "page", "right", "wrong", "name"), WRONG)
def test_a_wrong_program_is_refuted(
    kind: str, page: str, right: str, wrong: str, name: str | None
) -> None:
    """Where the mistake has a name of the table, by that name; never is the page right."""
    assert right in page
    report = check_system(page.replace(right, wrong), net(kind))
    assert report.verdict is Verdict.REFUTED, str(report)
    names = {each.name for line in report.lines for each in line.diagnosis}
    assert name is None or name in names, str(report)


def test_what_is_not_known_blames_nobody() -> None:
    """A name, a function or a statement that is not read makes its line unread, with the reason."""
    page = "dh = magic(h)\nda = dh * (1 - h**2)\ndW = da.T @ x\ndb = da.sum(axis=0)\ndU = Q.T @ h"
    report = check_system(page, net("rnn"))
    assert {line.verdict for line in report.lines} == {Verdict.UNREAD}
    assert "magic" in report.lines[0].reason
    assert "what is Q?" in report.lines[-1].reason


@pytest.mark.parametrize(
    "page",
    [
        "dU = __import__('os').system('true')\nfor t in range(3): pass",
        "dU = ().__class__.__bases__[0].__subclasses__()\nfor t in range(3): pass",
        "dU = eval('1')\nfor t in range(3): pass",
        "import os\nfor t in range(3):\n    dU = os.getcwd()",
        "dU = np.load('x.npy', allow_pickle=True)\nfor t in range(3): pass",
        "dU = np.zeros((10**6, 10**6))\nfor t in range(3): pass",
        "dU = 9**9**9**9\nfor t in range(3): pass",
        "dU = U\nfor a in range(9999):\n    for b in range(9999):\n        dU = dU + 1",
        "dU = [[[0]*999]*999]*999\ndU = np.array(dU)",
        "def f(n): return f(n)\ndU = f(1)",
        "dU = " + "-" * 3000 + "1\nfor t in range(3): pass",
    ],
)
def test_a_program_is_never_executed(page: str) -> None:
    """Whatever is outside of the subset is unread, at once."""
    report = check_system(page, net("rnn"))
    assert report.verdict in (Verdict.UNREAD, Verdict.NO_CLAIM), str(report)


def test_first_numbers_and_steps_of_descent_are_passed_over() -> None:
    """Random weights at the top and an update at the foot do not change what is judged."""
    start = "Wxh = np.random.randn(n, V) * 0.01\nWhh = np.random.randn(n, n) * 0.01\n"
    start += "Why = np.random.randn(V, n) * 0.01\nbh = np.zeros((n, 1))\nby = np.zeros((V, 1))\n"
    page = LOOP.replace("import numpy as np\n", f"import numpy as np\n{start}")
    page = page.replace("    return loss", "    Whh += -0.1 * dWhh\n    return loss")
    report = check_system(page, net("characters"))
    assert {line.verdict for line in report.lines} == {Verdict.PROVED}, str(report)


def test_a_name_that_the_program_computes_is_its_own() -> None:
    """Where y is the program's output and the network's target, dy is not judged."""
    page = "y = np.tanh(h)\ndy = 2 * y\ndb = np.zeros_like(b)\nfor t in range(3):\n    db += dy[t]"
    report = check_system(page, net("rnn"))
    assert [line.read_as for line in report.lines] == ["∂L/∂b"]


def test_names_of_a_program_are_renamed() -> None:
    """`rename` says what a name means, and so what its derivative is."""
    page = LSTM_PAGE.replace("Wi", "Win").replace("Ui", "Uin")
    report = check_system(page, net("lstm"), rename={"Win": "Wi", "Uin": "Ui"})
    assert {line.verdict for line in report.lines} == {Verdict.PROVED}, str(report)


def test_what_is_a_program() -> None:
    """A loop, a product @, a step in place or a call of NumPy; a formula is none."""
    assert program_in("for t in range(3):\n    x = t") is not None
    assert program_in("Here:\n```python\ndU = a.T @ h\n```\nDone.") is not None
    assert program_in("dU = h*a") is None
    assert program_in("∂L/∂U = Σ_t δ_t h_{t-1}^T") is None


def test_the_command_line(tmp_path: Path) -> None:
    """`symback check` on a program: exit status, the line and the mistake."""
    (tmp_path / "net.toml").write_text(BATCH)
    (tmp_path / "page.py").write_text(BATCH_PAGE.replace(" + dmu / N", ""))
    words = [sys.executable, "-m", "symback", "check", "page.py", "--net", "net.toml"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "missing-path" in done.stdout
    assert "through mu" in done.stdout


def test_public_names() -> None:
    """`sb.check` takes such a network like any other."""
    assert sb.check(COMPACT, net("batch")).verdict is Verdict.PROVED


# --------------------------------------------------------------------------------------- formulas

THROUGH_TIME = r"""
With $h_t = \tanh(a_t)$ and
$$a_t = W x_t + U h_{t-1} + b$$
\begin{align}
\delta_t &= \frac{\partial L}{\partial a_t} = \frac{\partial L}{\partial h_t} \odot (1 - h_t^2) \\
\frac{\partial L}{\partial h_t} &= 2(h_t - y_t) + U^T \delta_{t+1} \\
\frac{\partial L}{\partial U} &= \sum_{t=1}^{T} \delta_t h_{t-1}^T \\
\frac{\partial L}{\partial W} &= \sum_t \delta_t x_t^\top \\
\frac{\partial L}{\partial b} &= \sum_t \delta_t \\
\frac{\partial L}{\partial U_{12}} &= \sum_t \delta_{t,1} h_{t-1,2}
\end{align}
"""

TYPED = """
dh[t] = 2*(h[t] - y[t]) + U^T da[t+1]
∂L/∂a[t,i] = ∂L/∂h[t,i]·(1 - h[t,i]²)
∂L/∂h[t,i] = 2(h[t,i] - y[t,i]) + Σ_j ∂L/∂a[t+1,j] U[j,i]
∇_U L = Σ_t ∇_{a_t} L h_{t-1}^T
∂L/∂U[1,2] = Σ_t ∂L/∂a[t,1] h[t-1,2]
"""

ABOVE = r"""
$\delta^{(t)} = (2(h^{(t)} - y^{(t)}) + U^T \delta^{(t+1)}) \odot (1 - (h^{(t)})^2)$
$\frac{\partial L}{\partial h^{\langle t\rangle}} = 2(h^{\langle t\rangle} - y^{\langle t\rangle})
 + U^T \mathrm{diag}(1 - h_{t+1}^2) \frac{\partial L}{\partial h_{t+1}}$
$\nabla_U L = \sum_{t=1}^T \delta^{(t)} (h^{(t-1)})^T$
$\frac{\partial L}{\partial b_i} = \sum_t \delta^{(t)}_i$
""".replace("\n +", " +")

ATTENTION = r"""
∂L/∂z[t,i] = 2(z[t,i] - y[t,i])
∂L/∂P[t,u] = Σ_i ∂L/∂z[t,i] v[u,i]
∂L/∂S[t,u] = P[t,u] (∂L/∂P[t,u] - Σ_s P[t,s] ∂L/∂P[t,s])
∂L/∂v[u,i] = Σ_t P[t,u] ∂L/∂z[t,i]
∂L/∂Q[i,j] = Σ_t ∂L/∂q[t,i] x[t,j]
"""

LAYERED = r"""
$\frac{\partial L}{\partial \gamma_i} = \sum_s \frac{\partial L}{\partial out_{s,i}} xhat_{s,i}$
""".replace("out_", r"\mathrm{out}_").replace("xhat_", r"\hat{x}_")

NORMED = """
∂L/∂out[s,i] = G[s,i]
∂L/∂xhat[s,i] = G[s,i] gamma[i]
∂L/∂beta[i] = Σ_s G[s,i]
∂L/∂gamma[i] = Σ_s G[s,i] xhat[s,i]
∂L/∂x[s,i] = istd[i]/N (N ∂L/∂xhat[s,i] - Σ_r ∂L/∂xhat[r,i] - xhat[s,i] Σ_r ∂L/∂xhat[r,i] xhat[r,i])
"""


@pytest.mark.parametrize(
    ("kind", "page", "count"),
    [
        ("rnn", THROUGH_TIME, 8),
        ("rnn", TYPED, 5),
        ("rnn", ABOVE, 3),
        ("attention", ATTENTION, 5),
        ("batch", NORMED, 5),
    ],
)
def test_a_right_page_is_proved(kind: str, page: str, count: int) -> None:
    """Every line of it, in each way to write indices and steps."""
    report = check_system(page, net(kind))
    assert {line.verdict for line in report.lines} == {Verdict.PROVED}, str(report)
    assert len(report.lines) == count


@pytest.mark.parametrize(
    ("kind", "page", "right", "wrong", "name"),
    [
        ("rnn", THROUGH_TIME, r" + U^T \delta_{t+1}", "", "truncated-through-time"),
        ("rnn", THROUGH_TIME, r"U^T \delta", r"U \delta", "transposed-weight"),
        ("rnn", THROUGH_TIME, r" \odot (1 - h_t^2)", "", "missing-activation-derivative"),
        ("rnn", THROUGH_TIME, r"\delta_t h_{t-1}^T", r"\delta_t h_t^T", "wrong-time-step"),
        ("rnn", THROUGH_TIME, r"\delta_t h_{t-1}^T", r"h_{t-1} \delta_t^T", "matrix-layout"),
        ("rnn", THROUGH_TIME, "t=1}", "t=2}", "missing-time-step"),
        ("rnn", THROUGH_TIME, r"&= \sum_t \delta_t \\", r"&= \frac{1}{T}\sum_t \delta_t \\",
         "average-for-sum"),
        ("rnn", THROUGH_TIME, "2(h_t", "(h_t", None),
        ("rnn", THROUGH_TIME, "2(h_t - y_t)", "2(y_t - h_t)", None),
        ("rnn", THROUGH_TIME, " + b$$", "$$", "missing-forward-term"),
        ("rnn", THROUGH_TIME, "h_{t-1,2}", "h_{t-1,1}", None),
        ("rnn", ABOVE, r"U^T \delta", r"U \delta", "transposed-weight"),
        ("attention", ATTENTION, " - Σ_s P[t,s] ∂L/∂P[t,s]", "", "softmax-diagonal-only"),
        ("attention", ATTENTION, "Σ_s P[t,s] ∂L/∂P[t,s]", "P[t,u] ∂L/∂P[t,u]",
         "softmax-diagonal-only"),
        ("batch", NORMED, " - xhat[s,i] Σ_r ∂L/∂xhat[r,i] xhat[r,i]", "", "missing-path"),
        ("batch", NORMED, " - Σ_r ∂L/∂xhat[r,i]", "", "missing-path"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_refuted(
    kind: str, page: str, right: str, wrong: str, name: str | None
) -> None:
    """With a witness, and by the name of the mistake where the table has it."""
    assert right in page
    report = check_system(page.replace(right, wrong), net(kind))
    refuted = [line for line in report.lines if line.verdict is Verdict.REFUTED]
    assert refuted, str(report)
    assert all(line.witness is not None for line in refuted)
    names = {each.name for line in refuted for each in line.diagnosis}
    assert name is None or name in names, str(report)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("∂L/∂a[t] = ∂L/∂h[t] h[t]", "is this ⊙"),
        ("∂L/∂U = Σ_t q[t] h[t-1]^T", "what is q?"),
        ("∂L/∂U[i,j] = Σ_t ∂L/∂a[t,i] h[t-1,k]", "what is k?"),
        (r"$\frac{\partial L}{\partial U} = \frac{\partial h_t}{\partial U}$", "derivatives of"),
        ("∂L/∂h[t] = ∂L/∂a[t+1] + U", "shapes do not fit"),
        ("∂L/∂W = Σ_t ∂L/∂a[t+1] x[t+1]^T", "from where to where"),
        ("∂L/∂U_123 = 0", "separate indices"),
        ("∂L/∂U[1,2,3] = 0", "2 indices"),
        ("y[t] = tanh(h[t])", "not the y of the network"),
        ("∂L/∂b ≈ Σ_t ∂L/∂a[t]", ""),
        ("∂L/∂b = Σ_{t=1}^{999999999} ∂L/∂a[t]", "too many terms"),
        ("∂L/∂b = " + "".join(f"Σ_{{{k}=1}}^{{900}} " for k in "pqrs") + "b", "too long"),
        ("∂L/∂U = " + "(" * 99 + "U" + ")" * 99, "nested"),
    ],
)
def test_what_is_ambiguous_is_refused(line: str, reason: str) -> None:
    """A letter without a meaning, two readings, shapes that do not fit: not judged, with why."""
    report = check_system(line, net("rnn"))
    verdicts = {each.verdict for each in report.lines}
    assert verdicts <= {Verdict.UNREAD, Verdict.UNDECIDED}, str(report)
    assert any(reason in each.reason for each in report.lines) or not reason, str(report)


def test_sentences_are_no_claims() -> None:
    """A sentence with an equation in it is passed over; a formula of names is not."""
    page = "We write the steps as t = 1, 2, 3 here.\n∂L/∂beta[i] = Σ_s ∂L/∂out[s,i]"
    report = check_system(page, net("batch"))
    assert [(line.line, line.verdict) for line in report.lines] == [(2, Verdict.PROVED)]


def test_a_name_with_another_meaning_blames_nobody() -> None:
    """Where the page's a is the network's h, lines about a are not called wrong."""
    report = check_system("a[t] = tanh(b)\n∂L/∂a[t] = 2(a[t] - y[t])", net("rnn"))
    assert {line.verdict for line in report.lines} == {Verdict.UNDECIDED}


def test_elements_that_are_asked_for() -> None:
    """`wrt` is what a right side alone is the derivative by; goals are elements too."""
    right = check_system("= Σ_t ∂L/∂a[t,1] h[t-1,2]", net("rnn"), wrt="U[1,2]", goals=["U[1,2]"])
    assert right.verdict is Verdict.PROVED
    assert right.goals[0].answer.value == "answered"
    other = check_system("= Σ_t ∂L/∂a[t,2] h[t-1,1]", net("rnn"), wrt="U_12")
    assert other.verdict is Verdict.REFUTED
    with pytest.raises(sb.SymbackError, match="no array Q"):
        check_system("", net("rnn"), wrt="Q[1,2]")


def test_pages_in_exams_and_as_json() -> None:
    """The report is that of every page: an exam names no mistake, JSON has every field."""
    report = check_system(TYPED.replace(" + U^T da[t+1]", ""), net("rnn"))
    assert not report
    assert all(not line.diagnosis for line in report.for_exam().lines)
    data = report.as_data()
    assert data["first_wrong"] == 2
    assert data["lines"][0]["diagnosis"][0]["name"] == "truncated-through-time"


EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@pytest.mark.parametrize(
    ("kind", "count", "name"),
    [
        ("lstm", 21, "truncated-through-time"),
        ("conv", 8, "average-for-sum"),
        ("attention", 8, "softmax-diagonal-only"),
    ],
)
def test_the_example_pages(kind: str, count: int, name: str) -> None:
    """The page of the README is right in every line; its twin has one mistake, which has a name."""
    net = sb.load(EXAMPLES / f"{kind}.toml")
    right = sb.check((EXAMPLES / "pages" / f"{kind}.md").read_text("utf-8"), net)
    assert {line.verdict for line in right.lines} == {Verdict.PROVED}, str(right)
    assert len(right.lines) == count
    wrong = sb.check((EXAMPLES / "pages" / f"{kind}_wrong.md").read_text("utf-8"), net)
    refuted = [line for line in wrong.lines if line.verdict is Verdict.REFUTED]
    assert [each.name for line in refuted for each in line.diagnosis] == [name], str(wrong)


# ------------------------------------------------------------------- what strangers' pages did

ROWS = """
[sizes]
N = 3
n = 2
[parameters]
w = ["n"]
b = []
[inputs]
x = ["N", "n"]
y = ["N"]
[equations]
"a[t]" = "sum(i, x[t,i]*w[i]) + b"
"L" = "sum(t, (a[t] - y[t])**2)"
"""


def network_of(text):
    return EquationWork(from_tables(tomllib.loads(text), "net.toml"))


def verdicts(text, page):
    report = check_system(page, network_of(text))
    return report, {line.read_as: line.verdict for line in report.lines}


def test_a_count_is_no_array_whatever_its_letter():
    """N, W = x.shape beside a parameter w: ∂L/∂w is judged all the same."""
    page = "N, W = x.shape\nda = 2*(a - y)\ndb = da.sum()\ndw = {}x.T @ da\n"
    report, found = verdicts(ROWS, page.format(""))
    assert report.verdict is Verdict.PROVED, report
    assert found["∂L/∂w"] is Verdict.PROVED
    assert verdicts(ROWS, page.format("2*"))[1]["∂L/∂w"] is Verdict.REFUTED


def test_what_the_program_computes_itself_is_listed():
    """A derivative that is not judged does not vanish from the report."""
    page = "w = np.array([1.0, 2.0])\nda = 2*(a - y)\ndw = x.T @ da\n"
    found = verdicts(ROWS, page)[1]
    assert found["∂L/∂w"] is not Verdict.REFUTED
    assert "∂L/∂w" in found


def test_several_functions_are_several_programs():
    """A right line of another layer's function is not blamed."""
    page = (
        "def backward(a, x, y):\n    da = 2*(a - y)\n    dw = x.T @ da\n    return dw\n\n"
        "def other_layer(out):\n    db = out.sum(axis=0)\n    return db\n"
    )
    report = check_system(page, network_of(ROWS))
    assert report.verdict is Verdict.UNREAD
    assert "backward, other_layer" in str(report.lines[0].reason)


def test_no_mistake_has_a_name_where_all_is_zero():
    page = "da = 2*(a - y)\ndw = 0 * (x.T @ da)\n"
    report = check_system(page, network_of(ROWS))
    (wrong,) = (line for line in report.lines if line.verdict is Verdict.REFUTED)
    assert wrong.diagnosis == ()


MASKED = """
[sizes]
T = 3
d = 2
[parameters]
K = ["d", "d"]
[inputs]
x = ["T", "d"]
q = ["T", "d"]
y = ["T", "d"]
[equations]
"k[t,i]" = "sum(j, K[i,j]*x[t,j])"
"S[t,u]" = "sum(i, q[t,i]*k[u,i])"
"P[t,u]" = "softmax(u if u <= t, S[t,u])"
"z[t,i]" = "sum(u if u <= t, P[t,u]*x[u,i])"
"L" = "sum(t, sum(i, (z[t,i] - y[t,i])**2))"
"""
ATTENTION = """
dz = 2 * (z - y)
dP = dz @ x.T
dS = P * (dP - (dP * P).sum(axis=1, keepdims=True))
dk = dS{}.T @ q
dK = dk.T @ x
"""


def test_what_a_mask_leaves_out_is_nobodys_mistake():
    """P is 0 there, so a program may take its derivative over all of P; what follows is right."""
    report, found = verdicts(MASKED, ATTENTION.format(""))
    assert Verdict.REFUTED not in found.values(), report
    assert found["∂L/∂K"] is Verdict.PROVED
    assert found["∂L/∂P"] is Verdict.UNDECIDED


def test_a_carried_error_is_charged_once():
    """dk has lost a transpose; dK is what the equations make of it."""
    found = verdicts(MASKED, ATTENTION.format(".T"))[1]
    assert found["∂L/∂k"] is Verdict.REFUTED
    assert found["∂L/∂K"] is Verdict.FOLLOWS


def test_every_function_of_the_catalogue_may_stand_in_a_formula():
    """Named on the page, it is the row's; so softplus of a network may be written as softplus."""
    text = """
[sizes]
n = 2
[parameters]
w = ["n"]
[inputs]
x = ["n"]
y = []
[equations]
"h" = "softplus(sum(i, w[i]*x[i]))"
"L" = "(h - y)**2"
"""
    right = r"\\frac{\\partial L}{\\partial w_i} = 2(\\mathrm{softplus}(\\sum_k w_k x_k) - y)"
    right += r" \\frac{1}{1+e^{-\\sum_k w_k x_k}} x_i"
    page = right.replace("\\\\", "\\")
    assert check_system(f"${page}$", network_of(text)).verdict is Verdict.PROVED
    wrong = page.replace("softplus", "tanh")
    assert check_system(f"${wrong}$", network_of(text)).verdict is Verdict.REFUTED
