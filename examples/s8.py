"""S8, the lectures' notebook: learn from 1,000 points in the plane, and look at what happens.

``make s8``, or ``python examples/s8.py [DIR]`` (default: outputs/s8), writes

* two.csv, four.csv: the points in two classes and in four, as ``symback descend --data`` reads;
* alone_…: only w_111 moves, for 500 epochs;
* two_…: everything moves, for 2,000 epochs, from the same start;
* four_…: four classes, softmax and cross-entropy, for 2,000 epochs;
* two_learning.gif: the regions of the two classes while they are learned.

The networks are s8_two.toml and s8_four.toml beside this file; symback derives their gradients,
makes kernels of them, and descends.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import symback as sb
from symback.language.files import put
from symback.learning import pictures
from symback.learning.descent import Descent
from symback.learning.samples import Samples
from symback.network import Network

HERE = Path(__file__).resolve().parent
CENTRES = np.array([(-1.5, 3.0), (1.4, 3.6), (2.6, 0.6), (-0.6, 0.2)])
SPREAD = 0.72  # standard deviation of a blob: they touch, so that no network gets all points right
COUNT = 1000
FRAMES = (*range(0, 60, 6), *range(60, 300, 15), 400, 600, 1000, 2000)


def blobs(seed: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Points x (1000, 2) around four centres, and the blob of each, 1 to 4."""
    label = np.repeat(np.arange(1, 5), COUNT // 4)
    noise = np.random.default_rng(seed).normal(0.0, SPREAD, (COUNT, 2))
    return np.round(CENTRES[label - 1] + noise, 6), label


def merged(label: np.ndarray) -> np.ndarray:
    """Two classes of the four blobs, opposite ones together: y_1 is 1 for the first and third."""
    return (label % 2 == 1).astype(float)[:, None]


def csv(x: np.ndarray, target: np.ndarray, name: str) -> bytes:
    pairs = zip(x.tolist(), target, strict=True)
    rows = [f"{first!r},{second!r},{last}" for (first, second), last in pairs]
    return "\n".join([f"x1,x2,{name}", *rows, ""]).encode()


def draw(name: str, net: Network, run: Descent, samples: Samples) -> Iterator[tuple[str, bytes]]:
    """All pictures of a descent, by file name."""

    def layers(points: np.ndarray) -> dict[str, np.ndarray]:
        return net.activations(run.parameters, points)

    for kind, figure in pictures.portfolio(run, samples, layers):
        yield f"{name}_{kind}.png", pictures.png(figure)


def film(net: Network, samples: Samples) -> bytes:
    """The decision regions after more and more epochs."""
    labels = pictures.classes(samples.y)
    frames = []
    run = net.descend(samples.x, samples.y, epochs=0)
    for epoch in FRAMES:
        run = net.resume(run, samples.x, samples.y, epochs=epoch)
        theta = run.parameters

        def outputs(points: np.ndarray, theta=theta) -> np.ndarray:
            return net.activations(theta, points)["yhat"]

        figure = pictures.regions(outputs, samples.x, labels, outputs(samples.x), 1)
        axes = figure.axes[0]
        axes.set_title(f"epoch {epoch:,}: {axes.get_title()}", fontsize=11)
        frames.append(figure)
    return pictures.gif(frames)


def main(folder: Path) -> None:
    """Run the three descents, and write everything into ``folder``."""
    x, label = blobs()
    two, four = sb.load(HERE / "s8_two.toml"), sb.load(HERE / "s8_four.toml")
    in_two, in_four = two.samples(x, merged(label)), four.samples(x, label=label)

    alone = two.descend(in_two.x, in_two.y, only="w_111", epochs=500)
    together = two.descend(in_two.x, in_two.y, epochs=2000)
    classes = four.descend(in_four.x, in_four.y, epochs=2000, seed=1)

    files = {"two.csv": csv(x, merged(label)[:, 0].astype(int), "y1")}
    files |= {"four.csv": csv(x, label, "label")}
    for name, net, run, samples in (
        ("alone", two, alone, in_two),
        ("two", two, together, in_two),
        ("four", four, classes, in_four),
    ):
        loss = run.history.loss
        print(f"{name}: {run.epoch:,} epochs, loss {loss[0]:.4f} → {loss[-1]:.4f}")
        files |= dict(draw(name, net, run, samples))
    files["two_learning.gif"] = film(two, in_two)
    for path in put(files, folder):
        print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "outputs/s8"))
