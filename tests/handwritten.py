"""Backpropagation as people write it by hand in NumPy: the referee of kernels and of descent.

It is made of none of symback's formulas.  W is (out, in), one row a sample, as in symback.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

Arrays = Mapping[str, np.ndarray]


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def softmax(a: np.ndarray) -> np.ndarray:
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


ACTIVATIONS = {"sigmoid": sigmoid, "tanh": np.tanh, "linear": lambda a: a, "softmax": softmax}
SLOPES = {
    "sigmoid": lambda h: h * (1 - h),
    "tanh": lambda h: 1 - h**2,
    "linear": np.ones_like,
}


class Handwritten:
    """Layers of sigmoid, tanh or linear; squared error, or cross-entropy behind a softmax."""

    def __init__(self, activations: Sequence[str], over_samples: str = "mean") -> None:
        self.activations, self.over_samples = activations, over_samples

    def layers(self, parameters: Arrays, x: np.ndarray) -> list[np.ndarray]:
        values = [x]
        for k, name in enumerate(self.activations, 1):
            a = values[-1] @ parameters[f"W{k}"].T + parameters[f"b{k}"]
            values.append(ACTIVATIONS[name](a))
        return values

    def forward(self, parameters: Arrays, x: np.ndarray) -> np.ndarray:
        return self.layers(parameters, x)[-1]

    def __call__(
        self, parameters: Arrays, x: np.ndarray, y: np.ndarray
    ) -> tuple[float, dict[str, np.ndarray]]:
        h = self.layers(parameters, x)
        scale = 1 / len(x) if self.over_samples == "mean" else 1.0
        if self.activations[-1] == "softmax":
            loss = -np.sum(y * np.log(h[-1]))
            delta = h[-1] - y
        else:
            loss = np.sum((h[-1] - y) ** 2)
            delta = 2 * (h[-1] - y) * SLOPES[self.activations[-1]](h[-1])
        gradients = {}
        delta = scale * delta
        for k in range(len(self.activations), 0, -1):
            gradients[f"W{k}"] = delta.T @ h[k - 1]
            gradients[f"b{k}"] = delta.sum(axis=0)
            if k > 1:
                delta = delta @ parameters[f"W{k}"] * SLOPES[self.activations[k - 2]](h[k - 1])
        return float(scale * loss), gradients
