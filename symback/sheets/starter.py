"""A network file to start from: `starter` writes one for a shape such as 4-4-2.

Hidden layers are sigmoids, the output is a softmax with cross-entropy (one output alone is a
sigmoid: a softmax of one number is always 1).  Small numbers that are the same each time stand
in its [values], so that sheet, evaluate and check run on it at once.  The words and the layout
are in ``templates/starter.toml``.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from symback.language.errors import SymbackError, printable
from symback.language.functions import ACTIVATIONS, LOSSES
from symback.sheets.rendering import environment

__all__ = ["BadShape", "starter"]

MOST_NUMBERS = 1000
"""A network with more weights than this is written without numbers."""

WIDEST = 100_000
DEEPEST = 100


class BadShape(SymbackError):
    """What was given is not the shape of a network, such as 4-4-2."""


def starter(shape: str, file: str) -> str:
    """The text of a network file of ``shape``, whose comments call it ``file``.

    Raises `BadShape`.

    >>> '"A 2-1 network"' in starter("2-1", "net.toml")
    True
    """
    widths = _widths(shape)
    units = widths[1:]
    pairs = list(itertools.pairwise(widths))
    count = sum(out * (into + 1) for into, out in pairs)
    is_sorted = units[-1] > 1
    layers = [{"units": n, "activation": "sigmoid"} for n in units]
    if is_sorted:
        layers[-1]["activation"] = "softmax"
    numbers = _numbers()
    blocks = [
        (k, [_row(numbers, into) for _ in range(out)], _row(numbers, out))
        for k, (into, out) in enumerate(pairs if count <= MOST_NUMBERS else (), start=1)
    ]
    name = "-".join(map(str, widths))
    facts = {
        "shape": f"{widths[0]} inputs, then layers of " + ", ".join(map(str, units)),
        "file": file,
        "title": f"A {name} network",
        "inputs": widths[0],
        "layers": layers,
        "weight": "w_111" if max(widths) < 10 else "w_1,1,1",
        "classes": is_sorted,
        "loss": "cross_entropy" if is_sorted else "binary_cross_entropy",
        "activations": list(ACTIVATIONS),
        "losses": list(LOSSES),
        "blocks": blocks,
        "count": count,
        "x": _row(numbers, widths[0]),
        "y": [1.0],
        "label": 1,
    }
    return environment().get_template("starter.toml").render(facts)


def _widths(shape: str) -> list[int]:
    """The numbers of neurons from the inputs to the output."""
    parts = re.split(r"[-\u2013x×]", shape.strip())
    if len(parts) < 2 or not all(re.fullmatch(r"[0-9]{1,9}", part) for part in parts):
        raise BadShape(
            f"{printable(shape) or 'an empty text'} is not a shape; expected the inputs and the "
            "neurons of each layer, such as 4-4-2"
        )
    widths = [int(part) for part in parts]
    if 0 in widths:
        raise BadShape(f"{printable(shape)} has a layer without neurons; each needs at least 1")
    if max(widths) > WIDEST or len(widths) > DEEPEST:
        raise BadShape(
            f"{printable(shape)} is too large to start from: at most {DEEPEST - 1} layers "
            f"of at most {WIDEST} neurons"
        )
    return widths


def _numbers() -> Iterator[float]:
    """0.8, -0.35, 0.15, …: hundredths between -0.95 and 0.95, never 0, the same each time.

    They are spread so that no two neurons of a small layer start alike, and so learn alike.
    """
    state = 7
    while True:
        state = 5 * state % 2017  # 5 has order 2016 modulo this prime: each remainder once
        steps = state % 38
        yield (steps - 19 if steps < 19 else steps - 18) / 20


def _row(numbers: Iterator[float], length: int) -> list[float]:
    return list(itertools.islice(numbers, length))
