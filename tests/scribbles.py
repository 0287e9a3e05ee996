"""Random networks as equations: lines drawn from patterns that meet every rule of the contract.

`tables(seed)` are those of a file, `system(seed)` the same, read, with numbers.
"""

import random
from dataclasses import replace
from functools import cache

from symback.equations.reading import from_tables
from symback.equations.system import System
from systems import drawn

LINES = (
    "tanh(sum(j, W[i,j]*{a}[j]) + {b}[i])",
    "sum(j, V[j,i]*{a}[j])",
    "{a}[i]*{b}[i] + w[i]",
    "sum(j if j <= i, {a}[j]*{b}[i])",
    "sum(j if j != i, {a}[j]**2)",
    "mean(j if j >= i, {a}[j])",
    "mean(j, ({a}[j] - {b}[i])**2)",
    "softmax(i, {a}[i])*{b}[i]",
    "sum(j, softmax(j if j <= i, W[i,j]*{a}[j])*{b}[j])",
    "sum(j, softmax(i, W[i,j]*{a}[i])*{b}[j])",
    "logsumexp(j if j != i, {a}[j] - {b}[i])",
    "max(j, {a}[j]*w[j]) + {b}[i]",
    "min(j if j <= i, {a}[j])*{b}[i]",
    "where(i == 1, {a}[i], {a}[i]*{b}[i-1])",
    "where(i < n, {a}[i+1], w[1]*{b}[n])",
    "{p}[i-1] - 2*{p}[i+1] + {a}[i]",
    "sum(u=1..3, k[u]*{p}[i+u-2])",
    "sum(j, W[j,j]*{a}[j])*{b}[i]",
    "{a}[tok[i]]*{b}[i]",
    "sum(j if tok[j] == i, {a}[j])",
    "W[tok[i],i]*{a}[i]",
    "relu({a}[i]) - abs({b}[i])",
    "max({a}[i], {b}[i], 0.5)",
    "where({a}[i] < {b}[i], {a}[i]**3, sigmoid({b}[i]))",
    "{a}[n]*{b}[1] + i*{a}[i]/n",
    "{a}[i]/(1 + {b}[i]**2) + 0*w[i]",
    "sqrt(1 + {a}[i]**2)*exp({b}[i]/4)",
    "{a}[i]**(-2) + gelu({b}[i])",
)

RECURRENCES = (
    ("{new}[0]", "w[1]", "tanh({new}[i-1]*w[i] + {a}[i])"),
    ("{new}[n+1]", "0", "{a}[i]*{new}[i+1] + {b}[i]"),
    ("{new}[0]", "{b}[n]", "{new}[i-1] + sum(j, W[i,j]*{a}[j])"),
)


def tables(seed: int) -> dict:
    """The tables of a file."""
    rng = random.Random(seed)
    known, padded, equations = ["x", "w"], ["x"], {}
    for k in range(rng.randint(1, 4)):
        new = "abcd"[k]
        names = {
            "a": rng.choice(known), "b": rng.choice(known), "p": rng.choice(padded), "new": new,
        }  # fmt: skip
        if rng.random() < 0.2:
            base, start, step = rng.choice(RECURRENCES)
            equations[base.format(**names)] = start.format(**names)
            equations[f"{new}[i]"] = step.format(**names)
        else:
            equations[f"{new}[i]"] = rng.choice(LINES).format(**names)
            if rng.random() < 0.5:
                padded.append(new)
        known.append(new)
    equations["L"] = rng.choice(
        (
            f"sum(i, ({known[-1]}[i] - y[i])**2)",
            f"mean(i, {known[-1]}[i]*{rng.choice(known)}[i])",
            f"logsumexp(i if i < n, {known[-1]}[i]) + {known[-1]}[1]",
        )
    )
    equations["L"] += " + sum(i, w[i]**2)"
    text = " ".join(equations.values())
    used = {"x": ["n"], "y": ["n"]}
    return {
        "sizes": {"n": rng.choice((2, 3, 4))},
        "parameters": {
            name: shape
            for name, shape in {"W": ["n", "n"], "V": ["n", "n"], "w": ["n"], "k": [3]}.items()
            if f"{name}[" in text
        },
        "inputs": {name: shape for name, shape in used.items() if f"{name}[" in text},
        "indices": {"tok": {"shape": ["n"], "below": "n"}} if "tok[" in text else {},
        "pad": {name: 0 for name in padded if f"{name}[i-1] - 2" in text or f"{name}[i+u" in text},
        "ranges": {"i": "n"},
        "equations": equations,
    }  # fmt: skip


@cache
def system(seed: int) -> System:
    """A system with numbers."""
    read = from_tables({k: v for k, v in tables(seed).items() if v}, f"scribble {seed}")
    return replace(read, values=drawn(read, seed))
