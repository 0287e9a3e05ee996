"""Networks as equations, one file a kind: shared by the tests of everything that takes a `System`.

* `FILES`: the text of a file by kind, with small sizes and without numbers;
* `system`: one of them, read, with numbers drawn from a seed; `symbolic`: with every size a letter;
* `text`: the file with those numbers in [values]; `drawn`: the numbers by themselves.
"""

import itertools
import random
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any

from symback.equations.bounds import number_of
from symback.equations.indices import number
from symback.equations.reading import from_tables
from symback.equations.system import Kind, System

FILES: dict[str, str] = {
    "rnn": """
[sizes]
T = 3
n = 2
d = 2
[parameters]
W = ["n", "d"]
U = ["n", "n"]
b = ["n"]
[inputs]
x = ["T", "d"]
y = ["T", "n"]
h0 = ["n"]
[equations]
"a[t,i]" = "sum(j, W[i,j]*x[t,j]) + sum(j, U[i,j]*h[t-1,j]) + b[i]"
"h[0,i]" = "h0[i]"
"h[t,i]" = "tanh(a[t,i])"
"L" = "sum(t, sum(i, (h[t,i] - y[t,i])**2))"
""",
    "rnn_last": """
[sizes]
T = 3
n = 2
d = 2
[parameters]
W = ["n", "d"]
U = ["n", "n"]
b = ["n"]
[inputs]
x = ["T", "d"]
y = ["n"]
h0 = ["n"]
[equations]
"a[t,i]" = "sum(j, W[i,j]*x[t,j]) + sum(j, U[i,j]*h[t-1,j]) + b[i]"
"h[0,i]" = "h0[i]"
"h[t,i]" = "tanh(a[t,i])"
"L" = "sum(i, (h[T,i] - y[i])**2)"
""",
    "gru": """
[sizes]
T = 2
n = 2
d = 2
[parameters]
Wz = ["n", "d"]
Uz = ["n", "n"]
bz = ["n"]
Wr = ["n", "d"]
Ur = ["n", "n"]
br = ["n"]
Wc = ["n", "d"]
Uc = ["n", "n"]
bc = ["n"]
[inputs]
x = ["T", "d"]
y = ["T", "n"]
h0 = ["n"]
[equations]
"z[t,i]" = "sigmoid(sum(j, Wz[i,j]*x[t,j]) + sum(j, Uz[i,j]*h[t-1,j]) + bz[i])"
"r[t,i]" = "sigmoid(sum(j, Wr[i,j]*x[t,j]) + sum(j, Ur[i,j]*h[t-1,j]) + br[i])"
"c[t,i]" = "tanh(sum(j, Wc[i,j]*x[t,j]) + sum(j, Uc[i,j]*(r[t,j]*h[t-1,j])) + bc[i])"
"h[0,i]" = "h0[i]"
"h[t,i]" = "(1 - z[t,i])*h[t-1,i] + z[t,i]*c[t,i]"
"L" = "sum(t, sum(i, (h[t,i] - y[t,i])**2))"
""",
    "lstm": """
[sizes]
T = 2
n = 2
d = 2
[parameters]
Wi = ["n", "d"]
Ui = ["n", "n"]
bi = ["n"]
Wf = ["n", "d"]
Uf = ["n", "n"]
bf = ["n"]
Wo = ["n", "d"]
Uo = ["n", "n"]
bo = ["n"]
Wg = ["n", "d"]
Ug = ["n", "n"]
bg = ["n"]
[inputs]
x = ["T", "d"]
y = ["T", "n"]
h0 = ["n"]
c0 = ["n"]
[equations]
"u[t,i]" = "sigmoid(sum(j, Wi[i,j]*x[t,j]) + sum(j, Ui[i,j]*h[t-1,j]) + bi[i])"
"f[t,i]" = "sigmoid(sum(j, Wf[i,j]*x[t,j]) + sum(j, Uf[i,j]*h[t-1,j]) + bf[i])"
"o[t,i]" = "sigmoid(sum(j, Wo[i,j]*x[t,j]) + sum(j, Uo[i,j]*h[t-1,j]) + bo[i])"
"g[t,i]" = "tanh(sum(j, Wg[i,j]*x[t,j]) + sum(j, Ug[i,j]*h[t-1,j]) + bg[i])"
"c[0,i]" = "c0[i]"
"c[t,i]" = "f[t,i]*c[t-1,i] + u[t,i]*g[t,i]"
"h[0,i]" = "h0[i]"
"h[t,i]" = "o[t,i]*tanh(c[t,i])"
"L" = "sum(t, sum(i, (h[t,i] - y[t,i])**2))"
""",
    "layer_norm": """
[sizes]
B = 2
n = 3
[parameters]
g = ["n"]
b = ["n"]
[inputs]
x = ["B", "n"]
y = ["B", "n"]
eps = []
[equations]
"mu[s]" = "mean(j, x[s,j])"
"v[s]" = "mean(j, (x[s,j] - mu[s])**2)"
"r[s]" = "1/sqrt(v[s] + eps)"
"z[s,i]" = "(x[s,i] - mu[s])*r[s]"
"h[s,i]" = "g[i]*z[s,i] + b[i]"
"L" = "sum(s, sum(i, (h[s,i] - y[s,i])**2))"
""",
    "layer_norm_inside": """
[sizes]
B = 2
n = 3
d = 2
[parameters]
W = ["n", "d"]
g = ["n"]
b = ["n"]
[inputs]
x = ["B", "d"]
y = ["B", "n"]
eps = []
[equations]
"a[s,i]" = "sum(j, W[i,j]*x[s,j])"
"mu[s]" = "mean(j, a[s,j])"
"v[s]" = "mean(j, (a[s,j] - mu[s])**2)"
"r[s]" = "1/sqrt(v[s] + eps)"
"z[s,i]" = "(a[s,i] - mu[s])*r[s]"
"h[s,i]" = "g[i]*z[s,i] + b[i]"
"L" = "sum(s, sum(i, (h[s,i] - y[s,i])**2))"
""",
    "rms_norm": """
[sizes]
B = 2
n = 3
d = 2
[parameters]
W = ["n", "d"]
g = ["n"]
[inputs]
x = ["B", "d"]
y = ["B", "n"]
[equations]
"a[s,i]" = "sum(j, W[i,j]*x[s,j])"
"r[s]" = "sqrt(mean(j, a[s,j]**2) + 0.01)"
"h[s,i]" = "g[i]*a[s,i]/r[s]"
"L" = "sum(s, sum(i, (h[s,i] - y[s,i])**2))"
""",
    "batch_norm": """
[sizes]
B = 3
n = 2
d = 2
[parameters]
W = ["n", "d"]
g = ["n"]
b = ["n"]
[inputs]
x = ["B", "d"]
y = ["B", "n"]
eps = []
[equations]
"a[s,i]" = "sum(j, W[i,j]*x[s,j])"
"mu[i]" = "mean(s, a[s,i])"
"v[i]" = "mean(s, (a[s,i] - mu[i])**2)"
"z[s,i]" = "(a[s,i] - mu[i])/sqrt(v[i] + eps)"
"h[s,i]" = "g[i]*z[s,i] + b[i]"
"L" = "mean(s, sum(i, (h[s,i] - y[s,i])**2))"
""",
    "conv1d": """
[sizes]
n = 6
m = 3
w = 3
c = 2
k = 2
[parameters]
K = ["k", "w", "c"]
b = ["k"]
[inputs]
x = ["n", "c"]
y = ["m", "k"]
[ranges]
o = "m"
[pad]
x = 0
[equations]
"a[o,i]" = "sum(u, sum(j, K[i,u,j]*x[2*o+u-3,j])) + b[i]"
"h[o,i]" = "relu(a[o,i])"
"L" = "sum(o, sum(i, (h[o,i] - y[o,i])**2))"
""",
    "conv1d_padded_hidden": """
[sizes]
n = 4
c = 2
[parameters]
K = [3]
V = [3]
[inputs]
x = ["n"]
y = ["n"]
[ranges]
p = "n"
[pad]
x = 0
h = 0
[equations]
"h[p]" = "tanh(sum(u, K[u]*x[p+u-2]))"
"a[p]" = "sum(u, V[u]*h[p+u-2])"
"L" = "sum(p, (a[p] - y[p])**2)"
""",
    "conv2d": """
[sizes]
H = 3
W = 3
c = 2
k = 2
[parameters]
K = ["k", "c", 2, 2]
b = ["k"]
[inputs]
x = ["c", "H", "W"]
y = ["k", 2, 2]
[equations]
"a[i,p,q]" = "sum(j, sum(u, sum(v, K[i,j,u,v]*x[j,p+u-1,q+v-1]))) + b[i]"
"h[i,p,q]" = "tanh(a[i,p,q])"
"L" = "sum(i, sum(p, sum(q, (h[i,p,q] - y[i,p,q])**2)))"
[ranges]
p = 2
q = 2
""",
    "max_pool": """
[sizes]
n = 4
m = 2
d = 3
[parameters]
W = ["n", "d"]
[inputs]
x = ["d"]
y = ["m"]
[ranges]
o = "m"
[equations]
"a[i]" = "sum(j, W[i,j]*x[j])"
"h[o]" = "max(u=1..2, a[2*o+u-2])"
"L" = "sum(o, (h[o] - y[o])**2)"
""",
    "avg_pool": """
[sizes]
m = 2
d = 3
[parameters]
W = ["2*m", "d"]
[inputs]
x = ["d"]
y = ["m"]
[ranges]
o = "m"
[equations]
"a[i]" = "sum(j, W[i,j]*x[j])"
"h[o]" = "mean(u=1..2, tanh(a[2*o+u-2]))"
"L" = "sum(o, (h[o] - y[o])**2)"
""",
    "embedding": """
[sizes]
T = 3
V = 3
n = 2
[parameters]
E = ["V", "n"]
W = ["V", "n"]
b = ["V"]
[indices]
tok = { shape = ["T"], below = "V" }
lab = { shape = ["T"], below = "V" }
[equations]
"h[t,i]" = "tanh(E[tok[t],i])"
"o[t,k]" = "sum(i, W[k,i]*h[t,i]) + b[k]"
"p[t,k]" = "softmax(k, o[t,k])"
"L" = "-mean(t, log(p[t,lab[t]]))"
""",
    "attention": """
[sizes]
T = 3
d = 2
m = 2
[parameters]
Q = ["m", "d"]
K = ["m", "d"]
V = ["m", "d"]
[inputs]
x = ["T", "d"]
y = ["T", "m"]
[equations]
"q[t,i]" = "sum(j, Q[i,j]*x[t,j])"
"k[t,i]" = "sum(j, K[i,j]*x[t,j])"
"v[t,i]" = "sum(j, V[i,j]*x[t,j])"
"S[t,u]" = "sum(i, q[t,i]*k[u,i])/sqrt(m)"
"P[t,u]" = "softmax(u if u <= t, S[t,u])"
"z[t,i]" = "sum(u, P[t,u]*v[u,i])"
"L" = "sum(t, sum(i, (z[t,i] - y[t,i])**2))"
""",
    "multi_head": """
[sizes]
T = 2
d = 2
m = 2
A = 2
[parameters]
Q = ["A", "m", "d"]
K = ["A", "m", "d"]
V = ["A", "m", "d"]
O = ["d", "A", "m"]
[inputs]
x = ["T", "d"]
y = ["T", "d"]
[equations]
"q[a,t,i]" = "sum(j, Q[a,i,j]*x[t,j])"
"k[a,t,i]" = "sum(j, K[a,i,j]*x[t,j])"
"v[a,t,i]" = "sum(j, V[a,i,j]*x[t,j])"
"S[a,t,u]" = "sum(i, q[a,t,i]*k[a,u,i])/sqrt(m)"
"P[a,t,u]" = "softmax(u, S[a,t,u])"
"z[a,t,i]" = "sum(u, P[a,t,u]*v[a,u,i])"
"h[t,j]" = "sum(a, sum(i, O[j,a,i]*z[a,t,i])) + x[t,j]"
"L" = "sum(t, sum(j, (h[t,j] - y[t,j])**2))"
""",
    "residual": """
[sizes]
n = 3
[parameters]
W = ["n", "n"]
b = ["n"]
U = ["n", "n"]
[inputs]
x = ["n"]
y = ["n"]
[equations]
"z[i]" = "gelu(sum(j, W[i,j]*x[j]) + b[i])"
"h[i]" = "x[i] + sum(j, U[i,j]*z[j])"
"L" = "sum(i, (h[i] - y[i])**2)/2"
""",
    "logsumexp": """
[sizes]
B = 2
n = 3
d = 2
[parameters]
W = ["n", "d"]
[inputs]
x = ["B", "d"]
y = ["B", "n"]
[equations]
"a[s,i]" = "sum(j, W[i,j]*x[s,j])"
"L" = "sum(s, logsumexp(i, a[s,i]) - sum(i, y[s,i]*a[s,i]))"
""",
    "where_index": """
[sizes]
T = 4
[parameters]
w = ["T"]
[inputs]
x = ["T"]
[equations]
"s[t]" = "where(t == 1, w[t]*x[t], w[t]*x[t] - w[t-1]*x[t-1])"
"L" = "sum(t, s[t]**2)"
""",
    "where_value": """
[sizes]
n = 3
[parameters]
w = ["n"]
[inputs]
x = ["n"]
y = ["n"]
[equations]
"r[i]" = "w[i]*x[i] - y[i]"
"L" = "sum(i, where(abs(r[i]) <= 1, r[i]**2/2, abs(r[i]) - 1/2)) + max(0, w[1])"
""",
    "scalars": """
[parameters]
w = []
b = []
[inputs]
x = []
y = []
[equations]
"a" = "w*x + b"
"h" = "silu(a)"
"L" = "(h - y)**2"
""",
    "mean_condition": """
[sizes]
T = 3
n = 2
[parameters]
w = ["n"]
[inputs]
x = ["T", "n"]
y = ["T"]
[ranges]
t = "T"
[equations]
"a[t]" = "sum(i, w[i]*x[t,i])"
"m[t]" = "mean(u if u <= t, a[u])"
"L" = "sum(t, (m[t] - y[t])**2)"
""",
    "backwards": """
[sizes]
T = 3
[parameters]
w = []
[inputs]
r = ["T"]
g = []
[equations]
"G[T+1]" = "0"
"G[t]" = "w*r[t] + g*tanh(G[t+1])"
"L" = "G[1]**2"
""",
}  # fmt: skip

KINDS = tuple(FILES)


def tables(kind: str) -> dict[str, Any]:
    """The tables of a file."""
    return tomllib.loads(FILES[kind], parse_float=Decimal)


@cache
def system(kind: str, seed: int | None = 0) -> System:
    """The system of a kind, with numbers where there is a seed."""
    read = from_tables(tables(kind), f"{kind}.toml")
    return read if seed is None else replace(read, values=drawn(read, seed))


@cache
def symbolic(kind: str) -> System:
    """The system with every size a letter; only for the kinds of `SYMBOLIC`."""
    given = tables(kind)
    return from_tables({**given, "sizes": {name: name for name in given.get("sizes", {})}}, kind)


SYMBOLIC = tuple(
    kind for kind in KINDS if kind not in ("max_pool", "avg_pool", "conv2d", "where_value")
)
"""Those that need no number for a size: what they read is inside whatever the sizes are."""


def drawn(read: System, seed: int) -> dict[str, Any]:
    """Numbers with one decimal for everything that is given, none twice; labels in range.

    The inputs of layer norms are made different enough, since nothing is 0 and no two are equal.
    """
    source = random.Random(seed)
    numbers = [Fraction(n, 40) for n in range(-60, 61) if n]
    source.shuffle(numbers)
    endless = itertools.cycle(numbers)
    moves = {name: number(value) for name, value in (read.known_sizes or {}).items()}
    found: dict[str, Any] = {}
    for quantity in read.quantities:
        shape = [number_of(size, moves).constant for size in quantity.shape]
        if quantity.kind is Kind.DATA:
            assert quantity.below is not None
            below = number_of(quantity.below, moves).constant
            found[quantity.name] = _nested(shape, lambda top=below: source.randint(1, top))
        elif quantity.name == "eps":
            found[quantity.name] = Fraction(1, 100)
        elif quantity.kind in (Kind.PARAMETER, Kind.INPUT):
            found[quantity.name] = _nested(shape, lambda: next(endless))
    return found


def _nested(shape: list[int], draw: Any) -> Any:
    return tuple(_nested(shape[1:], draw) for _ in range(shape[0])) if shape else draw()


def text(kind: str, seed: int = 0) -> str:
    """The file with its numbers."""
    values: Mapping[str, Any] = system(kind, seed).values
    lines = [f"{name} = {_written(value)}" for name, value in values.items()]
    return FILES[kind] + "[values]\n" + "\n".join(lines) + "\n"


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_written, value))}]"
    return str(value) if value.denominator == 1 else re.sub(r"0+$", "", f"{float(value):.6f}")
