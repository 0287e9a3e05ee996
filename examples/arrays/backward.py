"""A backward pass written by hand in NumPy, for the network of examples/batch.toml.

    python examples/arrays/backward.py DIR

saves DIR/right.npz, and DIR/wrong.npz in which one step is forgotten.  Then

    symback check DIR/wrong.npz --net examples/batch.toml

says which array is the first wrong one, and why.  symback reads the arrays only: this file is not
run by it.
"""

import sys
import tomllib
from pathlib import Path

import numpy as np

NET = Path(__file__).resolve().parent.parent / "batch.toml"


def forward(values):
    """a_1, h_1 and ŷ of all samples, one row a sample."""
    a1 = values["x"] @ values["W1"].T + values["b1"]
    h1 = np.tanh(a1)
    a2 = h1 @ values["W2"].T + values["b2"]
    e = np.exp(a2 - a2.max(axis=1, keepdims=True))
    return a1, h1, e / e.sum(axis=1, keepdims=True)


def backward(values, *, forget_slope):
    """δ_2, δ_1 and the gradients; the loss is the mean over the samples."""
    _, h1, yhat = forward(values)
    delta2 = (yhat - values["y"]) / len(yhat)
    delta1 = delta2 @ values["W2"]
    if not forget_slope:
        delta1 = delta1 * (1 - h1**2)
    return {
        "delta2": delta2,
        "dW2": delta2.T @ h1,
        "db2": delta2.sum(axis=0),
        "delta1": delta1,
        "dW1": delta1.T @ values["x"],
        "db1": delta1.sum(axis=0),
    }


def main(directory):
    given = tomllib.loads(NET.read_text(encoding="utf-8"))["values"]
    values = {name: np.array(given[name]) for name in ("x", "W1", "b1", "W2", "b2")}
    values["y"] = np.eye(2)[np.array(given["label"]) - 1]
    directory.mkdir(parents=True, exist_ok=True)
    np.savez(directory / "right.npz", **backward(values, forget_slope=False))
    np.savez(directory / "wrong.npz", **backward(values, forget_slope=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
