"""A backward pass written by hand in NumPy, as students write it, with mistakes to switch on.

It shares nothing with symback: every formula is typed here from the textbook, so that the check of
arrays, kernels and descents have something independent to agree and to disagree with.  W is
(out, in), one row a sample.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import symback as sb

RATE = 0.5


@dataclass(frozen=True)
class Net:
    """A network with its numbers; ``batch`` None is one sample, x and y are rows of samples."""

    widths: tuple[int, ...]
    hidden: str
    output: str
    loss: str
    batch: int | None = None
    over_samples: str = "mean"
    size: float = 1.0
    seed: int = 0
    arrays: dict[str, np.ndarray] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        widths = "-".join(map(str, self.widths))
        samples = "one" if self.batch is None else f"{self.batch}-{self.over_samples}"
        return f"{widths}-{self.hidden}-{self.output}-{self.loss}-{samples}-{self.size:g}"

    def drawn(self) -> "Net":
        """The same with weights up to ``size``, inputs and targets drawn."""
        rng = np.random.default_rng(self.seed)
        rows, arrays = self.batch or 1, {}
        arrays["x"] = rng.uniform(-1.5, 1.5, (rows, self.widths[0]))
        arrays["y"] = _targets(rng, self.output, rows, self.widths[-1])
        for k in range(1, len(self.widths)):
            shape = self.widths[k], self.widths[k - 1]
            arrays[f"W{k}"] = self.size * rng.uniform(-1, 1, shape)
            arrays[f"b{k}"] = self.size * rng.uniform(-0.5, 0.5, self.widths[k])
        return replace(self, arrays=arrays)

    def network(self) -> sb.Network:
        """The network as symback is told of it, with the numbers as its [values]."""
        layers = [(n, self.hidden) for n in self.widths[1:-1]] + [(self.widths[-1], self.output)]
        values: dict[str, Any] = {name: array.tolist() for name, array in self.arrays.items()}
        if self.batch is None:
            values |= {name: values[name][0] for name in ("x", "y")}
        values["learning_rate"] = RATE
        return sb.Network(
            self.widths[0], layers, loss=self.loss, over_samples=self.over_samples, values=values
        )


def _targets(rng: np.random.Generator, output: str, rows: int, width: int) -> np.ndarray:
    if output == "softmax":
        return np.eye(width)[rng.integers(width, size=rows)]
    if output == "sigmoid":
        return rng.integers(2, size=(rows, width)).astype(float)
    return rng.normal(size=(rows, width))


def sigmoid(a):
    e = np.exp(-abs(a))
    return np.where(a >= 0, 1 / (1 + e), e / (1 + e)).astype(a.dtype)


def softmax(a):
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


FUNCTIONS = {
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "relu": lambda a: np.maximum(a, 0),
    "linear": lambda a: a,
    "softmax": softmax,
}


def slope(name: str, a, h):
    """g′ as one reads it in a table."""
    return {
        "sigmoid": h * (1 - h),
        "tanh": 1 - h**2,
        "relu": (a > 0).astype(a.dtype),
        "linear": np.ones_like(a),
    }[name]


def loss_value(name: str, y, yhat, scale):
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = {
            "cross_entropy": lambda: -np.where(y > 0, y * np.log(yhat), 0),
            "binary_cross_entropy": lambda: -np.log(np.where(y > 0, yhat, 1 - yhat)),
            "squared_error": lambda: (y - yhat) ** 2,
            "half_squared_error": lambda: (y - yhat) ** 2 / 2,
        }[name]()
    return scale * terms.sum()


def loss_slope(name: str, y, yhat, scale):
    """∂L/∂ŷ."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return (
            scale
            * {
                "cross_entropy": lambda: -y / yhat,
                "binary_cross_entropy": lambda: np.where(y > 0, -1 / yhat, 1 / (1 - yhat)),
                "squared_error": lambda: 2 * (yhat - y),
                "half_squared_error": lambda: yhat - y,
            }[name]()
        )


def jacobian_times(yhat, upstream):
    """Σ_m ∂L/∂ŷ_m ŷ_m (δ_mi - ŷ_i)."""
    return yhat * (upstream - (upstream * yhat).sum(axis=1, keepdims=True))


def output_error(net: Net, a, y, yhat, scale, mistake: str):
    """∂L/∂a of the last layer, by the closed forms of the textbooks."""
    upstream = loss_slope(net.loss, y, yhat, scale)
    error = scale * (yhat - y)
    if net.loss == "squared_error" and net.output == "softmax":
        error = jacobian_times(yhat, 2 * error)
    elif net.loss == "squared_error":
        error = 2 * error * slope(net.output, a, yhat)
    match mistake:
        case "sign-flipped":
            return -error
        case "constant-factor":
            return 2 * error
        case "missing-target-or-output":
            return scale * yhat
        case "spurious-output-derivative":
            return error * yhat * (1 - yhat)
        case "stopped-at-output":
            return upstream
        case "softmax-diagonal-only":
            return upstream * yhat * (1 - yhat)
        case "softmax-off-diagonal-sign":
            return yhat * (upstream * (1 - 2 * yhat) + (upstream * yhat).sum(axis=1, keepdims=True))
        case "wrong-loss":
            return jacobian_times(yhat, scale * (yhat - y))
    return error


def hidden_error(net: Net, h_error, a, h, mistake: str):
    match mistake:
        case "missing-activation-derivative":
            return h_error
        case "activation-for-derivative":
            return h_error * h
        case "wrong-activation-derivative":
            other = "tanh" if net.hidden == "sigmoid" else "sigmoid"
            return h_error * slope(other, a, h)
        case "derivative-at-activation":
            return h_error * slope(net.hidden, h, FUNCTIONS[net.hidden](h))
        case "repeated-activation-derivative":
            return h_error * slope(net.hidden, a, h) ** 2
        case "activation-derivative-sign":
            return h_error * (h * (1 + h) if net.hidden == "sigmoid" else 1 + h**2)
        case "partial-activation-derivative":
            return h_error * (1 - h)
    return h_error * slope(net.hidden, a, h)


def weight_gradient(error, before, before_a, mistake: str):
    """∂L/∂W = Σ_samples error ⊗ h."""
    match mistake:
        case "matrix-layout":
            return before.T @ error
        case "missing-input-factor":
            return error.T @ np.ones_like(before)
        case "preactivation-for-activation":
            return error.T @ before_a
        case "single-sample":
            return np.outer(error[0], before[0])
        case "average-for-sum":
            return error.T @ before / error.dtype.type(len(error))
    return error.T @ before


def bias_gradient(error, mistake: str):
    match mistake:
        case "unsummed-samples":
            return error
        case "single-sample":
            return error[0]
    return error.sum(axis=0)


def backprop(
    net: Net, dtype=np.float64, mistake: str = "", at: str = "", *, own_losses: bool = False
) -> dict[str, np.ndarray]:
    """All arrays by name; ``mistake`` is made in the array called ``at`` (δ_k, dh_k, dW_k, db_k).

    ``own_losses``: the rows are ∂(loss of the sample)/∂a, the mean is taken in dW and db.
    """

    def here(name: str) -> str:
        return mistake if name == at else ""

    given = {name: array.astype(dtype) for name, array in net.arrays.items()}
    rows, depth = len(given["x"]), len(net.widths) - 1
    mean = net.over_samples == "mean" and net.batch is not None
    scale = dtype(1) / dtype(rows) if mean and not own_losses else dtype(1)
    h: dict[int, np.ndarray] = {0: given["x"]}
    a: dict[int, np.ndarray] = {}
    found: dict[str, np.ndarray] = {}
    for k in range(1, depth + 1):
        a[k] = h[k - 1] @ given[f"W{k}"].T + given[f"b{k}"]
        h[k] = FUNCTIONS[net.output if k == depth else net.hidden](a[k])
        found[f"a{k}"], found[f"h{k}" if k < depth else "yhat"] = a[k], h[k]
    loss_scale = dtype(1) / dtype(rows) if mean else dtype(1)
    found["L"] = loss_value(net.loss, given["y"], h[depth], loss_scale)
    found["dyhat"] = loss_slope(net.loss, given["y"], h[depth], scale)
    error = output_error(net, a[depth], given["y"], h[depth], scale, here(f"delta{depth}"))
    share = dtype(1) / dtype(rows) if mean and own_losses else dtype(1)
    for k in range(depth, 0, -1):
        found[f"delta{k}"] = error
        found[f"dW{k}"] = share * weight_gradient(error, h[k - 1], a.get(k - 1), here(f"dW{k}"))
        found[f"db{k}"] = share * bias_gradient(error, here(f"db{k}"))
        W = given[f"W{k}"]
        match here(f"dh{k - 1}" if k > 1 else "dx"):
            case "transposed-weight":
                W = W.T
            case "missing-weight":
                W = np.ones_like(W)
            case "stale-weights":
                W = W - dtype(RATE) * found[f"dW{k}"]
            case "weight-of-wrong-layer":
                W = given[f"W{k - 1}"]
        below = error @ W
        found[f"dh{k - 1}" if k > 1 else "dx"] = below
        if k > 1:
            error = hidden_error(net, below, a[k - 1], h[k - 1], here(f"delta{k - 1}"))
    return found if net.batch is not None else {n: _one(n, array) for n, array in found.items()}


def _one(name: str, array):
    """One sample's vectors without the axis of samples."""
    per_sample = name[0] in "ahy" or name.startswith(("delta", "dh", "dx", "dy"))
    return array[0] if per_sample else array


@dataclass(frozen=True)
class Handwritten:
    """The same as a kernel is called: squared error, or cross-entropy behind a softmax."""

    hidden: str
    output: str
    over_samples: str = "mean"

    def __call__(
        self, parameters: Mapping[str, np.ndarray], x: np.ndarray, y: np.ndarray
    ) -> tuple[float, dict[str, np.ndarray]]:
        """The loss and its gradients, called as the parameters are."""
        found = self._computed(parameters, x, y)
        return float(found["L"]), {name: found[f"d{name}"] for name in parameters}

    def forward(self, parameters: Mapping[str, np.ndarray], x: np.ndarray) -> np.ndarray:
        """The outputs, one row a sample."""
        return self.layers(parameters, x)["yhat"]

    def layers(self, parameters: Mapping[str, np.ndarray], x: np.ndarray) -> dict[str, np.ndarray]:
        """The values of every layer by name, h1 … yhat."""
        width = len(parameters[max(name for name in parameters if name.startswith("b"))])
        found = self._computed(parameters, x, np.zeros((len(x), width)))
        return {name: array for name, array in found.items() if name[0] == "h" or name == "yhat"}

    def _computed(self, parameters, x, y) -> dict[str, np.ndarray]:
        weights = [parameters[name] for name in sorted(parameters) if name.startswith("W")]
        net = Net(
            (x.shape[1], *(len(W) for W in weights)),
            self.hidden,
            self.output,
            "cross_entropy" if self.output == "softmax" else "squared_error",
            batch=len(x),
            over_samples=self.over_samples,
            arrays={**parameters, "x": x, "y": y},
        )
        return backprop(net)
