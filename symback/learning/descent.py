"""Gradient descent, θ ← θ - η ∇θ, on a kernel: which parameters move, and what they learned.

Here one can

* carry parameters downhill: `begin` makes a `Descent` of no epoch yet, `descend` carries it on;
* say which parameters move and which are watched: `positions` reads ``w_111``, ``b_21``, ``W1``;
* look back: `Descent.history` holds the loss and the watched parameters at every epoch;
* stop and go on: `Descent.save`, `load_checkpoint`; what is carried on after a stop is bit for bit
  what would have come without it.

A kernel is any function ``kernel(parameters, x, y) -> (loss, gradients)`` with parameters and
gradients by name ({"W1": (n_1, n_0), "b1": (n_1,), …}) and one row a sample in x and y; it is
`symback.Network.kernel`'s, whose loss is the file's, a mean over the samples or their sum as
``over_samples`` says.  So with a sum the step grows with the number of samples, with a mean it does
not.  All numbers are float64.

This is the lectures' algorithm (S7) and nothing else: one η, no momentum, no schedule.  θ is one
vector, the blocks one after another (`symback.engine.evaluation.flattened`), and the blocks that a
kernel sees are cut out of it (`restored`).  An epoch uses every sample once: all at once, or in
mini-batches of ``batch_size`` in an order drawn anew each epoch.  That order depends on the seed
and on the number of the epoch alone, so the seed and the epoch are all the state of chance there
is, and an epoch that Ctrl-C breaks off is run again as it was.  The loss in the history is always
that over all samples at the parameters that stand beside it; with mini-batches this costs one more
pass an epoch.

Parameters that the network file does not give are drawn: weights W_k from a normal distribution
with mean 0 and variance 1/n_{k-1}, biases 0 (LeCun, Bottou, Orr, Müller, *Efficient BackProp*,
1998, section 4.6).  Each block has a stream of its own, so giving W1 does not change the W2 drawn.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from symback.engine.evaluation import flattened, restored
from symback.engine.spec import NetworkSpec, Values
from symback.language.errors import SymbackError, printable
from symback.language.files import put
from symback.language.names import (
    PARAMETERS,
    Role,
    UnknownName,
    Variable,
    element_name,
    elements,
    read_reference,
)
from symback.learning.samples import DataError, Samples, open_arrays

Kernel = Callable[[Mapping[str, np.ndarray], np.ndarray, np.ndarray], tuple[Any, Mapping[str, Any]]]

MOST_WATCHED = 200
"""Without a word on what to watch, what moves is watched, if it is no more than so many numbers."""
SECONDS_BETWEEN_CHECKPOINTS = 60.0
VERSION = 1  # of the checkpoint's layout


class DescentError(SymbackError):
    """A setting that descent cannot use, or a checkpoint that does not belong here."""


class Diverged(SymbackError):
    """The loss or a parameter is no longer a finite number.

    Attributes
    ----------
    descent
        The `Descent` at the last epoch whose loss and parameters were finite.
    epoch
        The epoch at which they no longer were.
    """

    def __init__(self, message: str, epoch: int, descent: Descent) -> None:
        super().__init__(message)
        self.epoch, self.descent = epoch, descent


@dataclass(frozen=True, slots=True)
class Settings:
    """How to descend: η, what moves, what is watched, the size and the seed of mini-batches.

    ``only`` and ``watch`` hold names as `positions` reads them; an empty ``only`` means all.
    ``batch_size`` None means all samples at once.
    """

    rate: float
    only: tuple[str, ...] = ()
    watch: tuple[str, ...] = ()
    batch_size: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """What was seen on the way: one row an epoch, the first for the parameters at the start.

    ``loss`` has shape (T + 1,), ``values`` (T + 1, number of names): the loss over all samples and
    the parameters called ``names`` after 0, 1, …, T epochs.
    """

    loss: np.ndarray
    names: tuple[str, ...]
    values: np.ndarray

    @property
    def epochs(self) -> np.ndarray:
        """0, 1, …, T."""
        return np.arange(len(self.loss))

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """The watched parameters by name, each of shape (T + 1,)."""
        return {name: self.values[:, place] for place, name in enumerate(self.names)}

    def as_data(self) -> dict[str, Any]:
        """The history as plain lists: epochs, loss, weights by name."""
        weights = {name: column.tolist() for name, column in self.weights.items()}
        return {"epochs": self.epochs.tolist(), "loss": self.loss.tolist(), "weights": weights}

    def csv(self) -> str:
        """The history as CSV, all digits: ``epoch,loss,w_111,…``."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["epoch", "loss", *self.names])
        for epoch, (loss, row) in enumerate(zip(self.loss, self.values, strict=True)):
            writer.writerow([epoch, repr(float(loss)), *map(repr, row.tolist())])
        return text.getvalue()


@dataclass(frozen=True, slots=True, eq=False)
class Descent:
    """A place on the way down: the parameters after ``epoch`` epochs, and the way to there.

    ``theta`` is θ as one vector of ``blocks``; ``belongs_to`` holds the fingerprints of the
    network and of the samples.  After an interruption the history may lack the row of ``epoch``.
    """

    blocks: tuple[Variable, ...]
    settings: Settings
    theta: np.ndarray
    epoch: int
    history: History
    belongs_to: tuple[str, str]
    interrupted: bool = False

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """The parameters by name, copies, W_k of shape (n_k, n_{k-1})."""
        return restored(self.theta.copy(), self.blocks)

    def __repr__(self) -> str:
        losses = self.history.loss
        ends = f"; loss {losses[0]:.6g} → {losses[-1]:.6g}" if len(losses) else ""
        broken = ", interrupted (net.resume goes on)" if self.interrupted else ""
        return f"<symback.Descent: {self.epoch} epochs{broken}{ends}>"

    def as_data(self) -> dict[str, Any]:
        """Everything as plain lists: the history's, and the parameters by name."""
        parameters = {name: array.tolist() for name, array in self.parameters.items()}
        return {"epoch": self.epoch, **self.history.as_data(), "parameters": parameters}

    def save(self, path: str | Path) -> None:
        """Write a checkpoint, a ``.npz`` of plain arrays, whole or not at all.

        ``numpy.load(path)["W1"]`` is W1; `load_checkpoint` reads it all.
        """
        settings = {name: getattr(self.settings, name) for name in Settings.__slots__}
        about = {"version": VERSION, "epoch": self.epoch, "settings": settings}
        about |= {"names": self.history.names, "belongs_to": self.belongs_to}
        packed = io.BytesIO()
        np.savez(
            packed,
            allow_pickle=False,
            about=np.array(json.dumps(about)),
            loss=self.history.loss,
            watched=self.history.values,
            **self.parameters,
        )
        put({Path(path).name: packed.getvalue()}, Path(path).parent, durable=True)


# ------------------------------------------------------------------------------------ parameters


def parameter_blocks(variables: Sequence[Variable]) -> tuple[Variable, ...]:
    """W1, b1, W2, …; raises `DescentError` where a width is a symbol."""
    blocks = tuple(variable for variable in variables if variable.role in PARAMETERS)
    symbols = sorted({str(size) for v in blocks for size in v.shape if not size.is_Integer})
    if symbols:
        raise DescentError(
            f"descent needs widths that are numbers, and {', '.join(symbols)} is symbolic"
        )
    return blocks


def initial(spec: NetworkSpec, blocks: Sequence[Variable], seed: int = 0) -> dict[str, np.ndarray]:
    """The parameters to start from: the file's where it gives them, else drawn with ``seed``.

    N(0, 1/n_{k-1}) for a W_k, from a stream of its own; zeros for a b_k.
    """
    given, found = dict(spec.values.parameters), {}
    for number, block in enumerate(blocks, 1):
        shape = tuple(int(size) for size in block.shape)
        if block.name in given:
            found[block.name] = np.array(given[block.name], dtype=float)
        elif block.role is Role.BIAS:
            found[block.name] = np.zeros(shape)
        else:
            found[block.name] = _chance(seed, number).normal(0.0, 1 / math.sqrt(shape[1]), shape)
    return found


def initially_drawn(spec: NetworkSpec, variables: Sequence[Variable]) -> list[str]:
    """The names of the weight blocks that `initial` would draw, since the file gives none."""
    given = dict(spec.values.parameters)
    blocks = parameter_blocks(variables)
    return [v.name for v in blocks if v.role is Role.WEIGHT and v.name not in given]


def _chance(seed: int, *stream: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=stream))


def positions(
    names: Iterable[str], blocks: Sequence[Variable], variables: Sequence[Variable]
) -> dict[str, int]:
    """Where in θ the parameters called ``names`` stand, by the name of each single one.

    A name is an element's (``w_111``) or a whole block's (``W1``); ``variables`` are all the
    quantities of the network, for the messages.  Raises `UnknownName`.
    """
    whole, places = {block.name: block for block in blocks}, _places(blocks)
    found: dict[str, int] = {}
    for name in names:
        block = whole.get(name.strip())
        for each in [read_reference(name, variables)] if block is None else elements(block):
            if each.variable.name not in places:
                raise UnknownName(
                    f"{each.name} is no parameter; descent moves weights and biases: "
                    f"{', '.join(whole)}, or single ones such as "
                    f"{element_name(blocks[0], [1] * len(blocks[0].shape))}"
                )
            own = tuple(index - 1 for index in each.indices)
            found[each.name] = int(places[each.variable.name][own])
    return found


def _places(blocks: Sequence[Variable]) -> dict[str, np.ndarray]:
    """Where in θ the numbers of each block stand, in its shape."""
    sizes = [math.prod(map(int, block.shape)) for block in blocks]
    ends = itertools.accumulate(sizes)
    return {
        block.name: np.arange(end - size, end).reshape([*map(int, block.shape)])
        for block, size, end in zip(blocks, sizes, ends, strict=True)
    }


def _checked(parameters: Mapping[str, Any], blocks: Sequence[Variable]) -> dict[str, np.ndarray]:
    """The parameters to start from as float64 arrays; names, shapes and numbers are looked at."""
    names = [block.name for block in blocks]
    if {*parameters} != {*names}:
        given = ", ".join(printable(str(name)) for name in parameters) or "nothing"
        raise DescentError(f"parameters: {given} given; expected {', '.join(names)}")
    found = {}
    for block in blocks:
        array = np.asarray(parameters[block.name])
        shape = tuple(int(size) for size in block.shape)
        if array.shape != shape or array.dtype.kind not in "fiu":
            raise DescentError(
                f"{block.name} has shape {array.shape} and holds {array.dtype}; "
                f"expected numbers of shape {shape}"
            )
        found[block.name] = array.astype(float)
        if not np.isfinite(found[block.name]).all():
            raise DescentError(f"{block.name} holds a number that is not finite")
    return found


# --------------------------------------------------------------------------------------- starting


def begin(
    spec: NetworkSpec,
    variables: Sequence[Variable],
    samples: Samples,
    settings: Settings,
    parameters: Mapping[str, Any] | None = None,
) -> Descent:
    """The `Descent` of 0 epochs: settings checked, names read, parameters drawn or taken.

    Raises `DescentError` or `UnknownName` naming the setting, what was given, what was expected.
    """
    if not spec.loss.uses_target:
        raise DescentError(f"the loss {spec.loss.name} has no target, so there is nothing to learn")
    blocks = parameter_blocks(variables)
    _check_settings(settings, len(samples))
    places, only = _places(blocks), []
    for name in settings.only:  # the name of a block, or of an element as symback writes it
        only += [name.strip()] if name.strip() in places else positions([name], blocks, variables)
    # what is asked for, and what moves; of what moves no more than `MOST_WATCHED` numbers
    moving = only if only or settings.watch else [*places]
    few = sum(places[name].size if name in places else 1 for name in moving) <= MOST_WATCHED
    watched = (*(moving if few else ()), *settings.watch)
    names = tuple(positions(watched, blocks, variables))
    start = initial(spec, blocks, settings.seed) if parameters is None else parameters
    return Descent(
        blocks=blocks,
        settings=replace(settings, only=tuple(only), watch=names),
        theta=flattened(_checked(start, blocks), blocks),
        epoch=0,
        history=History(np.empty(0), names, np.empty((0, len(names)))),
        belongs_to=_fingerprints(spec, samples),
    )


def _check_settings(settings: Settings, count: int) -> None:
    rate, size, seed = settings.rate, settings.batch_size, settings.seed
    if not (isinstance(rate, float) and math.isfinite(rate) and rate > 0):
        raise DescentError(f"the learning rate is {rate!r}; expected a number above 0")
    if size is not None and not (isinstance(size, int) and 1 <= size <= count):
        raise DescentError(
            f"the batch size is {size!r}; expected 1 to {count}, the samples' number"
        )
    if not (isinstance(seed, int) and seed >= 0):
        raise DescentError(f"the seed is {seed!r}; expected 0, 1, 2, …")


def _fingerprints(spec: NetworkSpec, samples: Samples) -> tuple[str, str]:
    """A digest of the network, its numbers and words left out, and one of the samples."""
    network = replace(spec, values=Values(), title="", source="")
    data = hashlib.sha256()
    for array in (samples.x, samples.y):
        data.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return hashlib.sha256(repr(network).encode()).hexdigest(), data.hexdigest()


# -------------------------------------------------------------------------------------- going on


def resume(start: Descent, spec: NetworkSpec, samples: Samples) -> Descent:
    """``start``, once it is sure that it belongs to this network and these samples."""
    for what, now, then in zip(
        ("another network", "other samples"),
        _fingerprints(spec, samples),
        start.belongs_to,
        strict=True,
    ):
        if now != then:
            raise DescentError(f"the checkpoint belongs to {what}; go on with what it began with")
    return start


def load_checkpoint(path: str | Path, variables: Sequence[Variable]) -> Descent:
    """The `Descent` that `Descent.save` wrote, for a network of these ``variables``.

    Raises `DescentError` where the file is no checkpoint, or has parameters of other shapes.
    """
    place = printable(str(path), 200)
    blocks = parameter_blocks(variables)
    try:
        arrays = dict(open_arrays(path))
        about = json.loads(str(arrays.pop("about")))
        loss, watched = arrays.pop("loss"), arrays.pop("watched")
        if about["version"] != VERSION:
            raise DescentError(f"{place}: a checkpoint of another version of symback")
        names, epoch = tuple(about["names"]), about["epoch"]
        fits = loss.ndim == 1 and len(loss) in (epoch, epoch + 1) and loss.dtype.kind == "f"
        if not fits or watched.shape != (len(loss), len(names)):
            raise ValueError("no history")
        given = about["settings"]
        given |= {name: tuple(given[name]) for name in ("only", "watch")}
        settings = Settings(**given)
        _check_settings(settings, settings.batch_size or 1)
        theta = flattened(_checked(arrays, blocks), blocks)
        network, data = about["belongs_to"]
    except (DataError, DescentError) as error:
        raise DescentError(f"{place}: {error.message}") from None
    except (KeyError, TypeError, ValueError, RecursionError):
        raise DescentError(f"{place}: this is no checkpoint of symback descend") from None
    history = History(loss, names, watched)
    return Descent(blocks, settings, theta, epoch, history, (network, data))


# ------------------------------------------------------------------------------------- descending


@dataclass(frozen=True, slots=True)
class _Place:
    """θ after so many epochs; replaced as a whole, so that an interruption finds it whole."""

    epoch: int
    theta: np.ndarray


def descend(
    kernel: Kernel,
    start: Descent,
    samples: Samples,
    epochs: int,
    *,
    checkpoint: str | Path | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> Descent:
    """Carry ``start`` on until ``epochs`` epochs are done in all.

    ``checkpoint`` names a file that is written at the start, every minute and at the end, however
    that comes.  ``progress`` is told the epoch and the loss, every epoch.

    Ctrl-C ends it early: the answer has ``interrupted`` set and holds the last whole epoch.
    Raises `Diverged` where the loss or a parameter is not finite, and `DescentError`.
    """
    if epochs < start.epoch:
        raise DescentError(f"{epochs} epochs are wanted, and {start.epoch} are done already")
    walk, saved = _Walk(kernel, start, samples), time.monotonic()

    def save(descent: Descent) -> None:
        nonlocal saved
        if checkpoint is not None:
            descent.save(checkpoint)
        saved = time.monotonic()

    save(start)
    try:
        # What overflows on the way out is found by `_Walk.note`, and said once.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for epoch, loss in walk.epochs(epochs):
                if progress is not None:
                    progress(epoch, loss)
                if time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
                    save(walk.descent())
    except KeyboardInterrupt:
        done = walk.descent(interrupted=True)
    except Diverged as error:
        save(error.descent)
        raise
    else:
        done = walk.descent()
    save(done)
    return done


class _Walk:
    """The steps from a start downhill, and what was seen on the way."""

    def __init__(self, kernel: Kernel, start: Descent, samples: Samples) -> None:
        self.kernel, self.start, self.samples = kernel, start, samples
        self.settings, self.blocks = start.settings, start.blocks
        self.place = self.sound = _Place(start.epoch, start.theta)
        # One append a row, so that an interruption leaves no half of one.
        self.seen = [*zip(start.history.loss.tolist(), start.history.values, strict=True)]
        watched = positions(start.history.names, self.blocks, self.blocks)
        self.watched = np.array([*watched.values()], dtype=int)
        self.moving: np.ndarray | slice = slice(None)
        if only := start.settings.only:  # a whole block is not named element by element
            places = _places(self.blocks)
            single = positions([n for n in only if n not in places], self.blocks, self.blocks)
            found = [[*single.values()], *(places[n].ravel() for n in only if n in places)]
            self.moving = np.unique(np.concatenate(found).astype(int))

    def epochs(self, last: int) -> Iterator[tuple[int, float]]:
        """Run up to epoch ``last``, and tell each with its loss, the start's first."""
        while True:
            theta = self.place.theta
            loss, gradient = self.gradient(theta, self.samples.x, self.samples.y)
            self.note(loss)
            yield self.place.epoch, loss
            if self.place.epoch == last:
                return
            theta = theta.copy()
            if self.settings.batch_size is None:
                self.update(theta, gradient)
            else:
                self.run_batches(theta, self.settings.batch_size)
            self.place = _Place(self.place.epoch + 1, theta)

    def gradient(self, theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss over the given samples, and ∇θ as one vector."""
        loss, gradients = self.kernel(restored(theta, self.blocks), x, y)
        return float(loss), flattened(gradients, self.blocks)

    def update(self, theta: np.ndarray, gradient: np.ndarray) -> None:
        """θ ← θ - η ∇θ in place, for the parameters that move."""
        theta[self.moving] -= self.settings.rate * gradient[self.moving]
        if not np.isfinite(theta).all():
            value = theta[~np.isfinite(theta)][0]
            raise self.diverged(self.place.epoch + 1, f"a parameter is {value}")

    def run_batches(self, theta: np.ndarray, size: int) -> None:
        """One epoch of mini-batches; the last one holds what is left over."""
        order = _chance(self.settings.seed, 0, self.place.epoch).permutation(len(self.samples))
        for first in range(0, len(order), size):
            rows = order[first : first + size]
            _, gradient = self.gradient(theta, self.samples.x[rows], self.samples.y[rows])
            self.update(theta, gradient)

    def note(self, loss: float) -> None:
        """Write the loss and what is watched down; an epoch that is run again has its row."""
        if not math.isfinite(loss):
            raise self.diverged(self.place.epoch, f"the loss is {loss}")
        if len(self.seen) == self.place.epoch:
            self.seen.append((loss, self.place.theta[self.watched]))
        self.sound = self.place

    def descent(self, place: _Place | None = None, *, interrupted: bool = False) -> Descent:
        """Where the walk has got to, or was."""
        place, rows, names = place or self.place, self.seen, self.start.history.names
        values = np.array([row for _, row in rows]).reshape(len(rows), len(names))
        return replace(
            self.start,
            theta=place.theta,
            epoch=place.epoch,
            history=History(np.array([loss for loss, _ in rows]), names, values),
            interrupted=interrupted,
        )

    def diverged(self, epoch: int, what: str) -> Diverged:
        kept = self.descent(self.sound)
        losses = kept.history.loss
        before = f" (the loss was {losses[-1]:.6g} at epoch {kept.epoch})" if len(losses) else ""
        return Diverged(
            f"diverged at epoch {epoch}: {what}{before}; "
            f"try a learning rate below {self.settings.rate!r}",
            epoch,
            kept,
        )
