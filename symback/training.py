"""A descent at the command line: what is said on the way, what is written, how to go on.

`train` runs ``symback descend``.  Results go to standard output, all else to standard error: where
parameters were drawn, and on a terminal one line that counts the epochs.  That line is written here
and not by a library: a counter needs none, and the core would pay for it.

Whatever ends the descent, what was learned is kept: Ctrl-C writes a checkpoint, in ``outputs/``
where none was asked for, and says with which command to go on.
"""

from __future__ import annotations

import json
import shlex
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterable
from pathlib import Path

from symback.engine.spec import NetworkSpec
from symback.language.errors import SymbackError, printable
from symback.language.files import put, shown
from symback.learning import pictures
from symback.learning.descent import Descent, DescentError, Diverged, initially_drawn
from symback.learning.samples import Samples
from symback.network import Network

__all__ = ["Interrupted", "train"]

SECONDS_BETWEEN_LINES = 0.1
MOST_LISTED = 20
HISTORIES = (".csv", ".json")


class Interrupted(SymbackError):
    """Ctrl-C ended a descent; what was learned is in a file."""


def train(network: Network, chosen: Namespace) -> Descent:
    """Run ``symback descend`` with the options ``chosen``, and print what came of it.

    Raises every error of `Network.descend`, and `Interrupted`.
    """
    _check_options(chosen)
    samples = network.samples(chosen.data)
    learned = _learn(network, samples, chosen)
    _tell(_summary(learned), chosen)
    _tell(_write_history(learned, chosen), chosen)
    if learned.interrupted:
        if chosen.checkpoint is None:
            learned.save(_spare_checkpoint(chosen))
        raise Interrupted(_how_to_go_on(learned, chosen))
    _tell(_draw(network, samples, learned, chosen), chosen)
    return learned


def _tell(lines: Iterable[object], chosen: Namespace) -> None:
    """Print, unless standard output is to hold JSON and nothing else."""
    for line in lines:
        if not chosen.json:
            print(shown(line) if isinstance(line, Path) else line)


def _check_options(chosen: Namespace) -> None:
    """What would only fail after the work is done is found before."""
    if chosen.plot is not None:
        pictures.require()
    if chosen.history is not None and chosen.history.suffix.lower() not in HISTORIES:
        raise DescentError(f"{printable(str(chosen.history))}: expected a file *.csv or *.json")
    settings = ("rate", "only", "watch", "batch_size", "seed")
    given = [name for name in settings if getattr(chosen, name) not in (None, [])]
    if chosen.resume is not None and given:
        raise DescentError(
            f"--{given[0].replace('_', '-')}: a checkpoint goes on as it began; leave this out"
        )


def _learn(network: Network, samples: Samples, chosen: Namespace) -> Descent:
    try:
        return _descend(network, samples, chosen)
    except Diverged as error:
        if chosen.checkpoint is None:
            raise
        where = printable(str(chosen.checkpoint), 200)
        told = f"{error.message}; epoch {error.descent.epoch} is kept in {where}"
        raise Diverged(told, error.epoch, error.descent) from None
    finally:
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _descend(network: Network, samples: Samples, chosen: Namespace) -> Descent:
    common = {
        "epochs": chosen.epochs,
        "checkpoint": chosen.checkpoint,
        "progress": _progress(chosen.epochs),
    }
    if chosen.resume is not None:
        return network.resume(chosen.resume, samples.x, samples.y, **common)
    assert isinstance(network.spec, NetworkSpec)  # network.samples has refused anything else
    for name in initially_drawn(network.spec, network.graph.variables):
        print(f"{name} is not in the file: drawn with seed {chosen.seed or 0}", file=sys.stderr)
    return network.descend(
        samples.x,
        samples.y,
        rate=chosen.rate,
        only=chosen.only,
        watch=chosen.watch,
        batch_size=chosen.batch_size,
        seed=chosen.seed or 0,
        **common,
    )


def _progress(epochs: int) -> Callable[[int, float], None] | None:
    """A line that counts the epochs, on a terminal only, a few times a second."""
    if not sys.stderr.isatty():
        return None
    last = [0.0]

    def show(epoch: int, loss: float) -> None:
        if time.monotonic() - last[0] > SECONDS_BETWEEN_LINES:
            last[0] = time.monotonic()
            line = f"\repoch {epoch:,} of {epochs:,}, loss {loss:.6g}\x1b[K"
            print(line, end="", file=sys.stderr, flush=True)

    return show


def _write_history(learned: Descent, chosen: Namespace) -> list[Path]:
    if chosen.history is None:
        return []
    is_csv = chosen.history.suffix.lower() == ".csv"
    text = learned.history.csv() if is_csv else json.dumps(learned.as_data()) + "\n"
    return put({chosen.history.name: text.encode()}, chosen.history.parent)


def _draw(network: Network, samples: Samples, learned: Descent, chosen: Namespace) -> list[Path]:
    if chosen.plot is None:
        return []
    parameters, stem = learned.parameters, Path(chosen.net).stem
    drawn = pictures.portfolio(
        learned, samples, lambda points: network.activations(parameters, points)
    )
    return put({f"{stem}_{name}.png": pictures.png(figure) for name, figure in drawn}, chosen.plot)


def _spare_checkpoint(chosen: Namespace) -> Path:
    return Path("outputs") / f"{Path(chosen.net).stem}_descent.npz"


def _summary(learned: Descent) -> list[str]:
    """The loss and the watched parameters, at the start and at the end."""
    history = learned.history
    if not len(history.loss):
        return []
    last = len(history.loss) - 1
    lines = [f"epoch {epoch}: loss = {float(history.loss[epoch])!r}" for epoch in (0, last)]
    shown = [*history.weights.items()][:MOST_LISTED]
    lines += [f"{name}: {float(row[0])!r} → {float(row[-1])!r}" for name, row in shown]
    more = len(history.names) - len(shown)
    return lines + ([f"… and {more} more (--history FILE writes all)"] if more else [])


def _how_to_go_on(learned: Descent, chosen: Namespace) -> str:
    """What to type after Ctrl-C."""
    path = str(chosen.checkpoint or _spare_checkpoint(chosen))
    data = [] if chosen.data is None else ["--data", chosen.data]
    words = ["symback", "descend", chosen.net, *data, "--epochs", str(chosen.epochs)]
    words += ["--resume", path, "--checkpoint", path]
    command = printable(shlex.join(words), 2000)
    return f"interrupted after epoch {learned.epoch}, which is kept; to go on: {command}"
