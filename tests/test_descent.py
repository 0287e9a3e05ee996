"""Gradient descent: what it computes, what moves, stopping and going on, and what it refuses."""

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symback as sb
from backprop import Handwritten
from pages import EXAMPLES
from symback.cli import main
from symback.engine.evaluation import flattened, restored
from symback.language import files
from symback.language.files import CannotWrite
from symback.language.names import UnknownName
from symback.learning import descent, samples
from symback.learning.descent import DescentError, Diverged, Settings
from symback.learning.samples import DataError
from symback.network import Network

RNG = np.random.default_rng(1)
X = RNG.normal(size=(23, 2))
LABEL = RNG.integers(1, 4, size=23)
Y = np.eye(3)[LABEL - 1]
SHAPES = {"W1": (4, 2), "b1": (4,), "W2": (3, 4), "b2": (3,)}
START = {name: RNG.normal(size=shape) for name, shape in SHAPES.items()}


def make(over_samples="mean", rate=None, loss="cross_entropy", output="softmax", **values):
    values = {} if rate is None else {"learning_rate": rate}
    return Network(
        2, [(4, "tanh"), (3, output)], loss=loss, over_samples=over_samples, values=values
    )


HAND = Handwritten("tanh", "softmax")
NET = make()
DATA = samples.check(X, Y, inputs=2, outputs=3)


def begin(settings=None, data=DATA, net=NET, start=START):
    return descent.begin(
        net.spec, net.graph.variables, data, settings or Settings(0.3), start
    )  # fmt: skip


def walk(epochs, settings=None, kernel=HAND, **more):
    return descent.descend(kernel, begin(settings), DATA, epochs, **more)


def loop(kernel, epochs, rate, moving=None, batches=None):
    """The lectures' algorithm on the arrays themselves, written down anew."""
    theta = {name: array.copy() for name, array in START.items()}
    moving = moving or {name: np.ones(shape, bool) for name, shape in SHAPES.items()}
    losses = []
    for epoch in range(epochs):
        losses.append(kernel(theta, X, Y)[0])
        for rows in [slice(None)] if batches is None else batches[epoch]:
            gradients = kernel(theta, X[rows], Y[rows])[1]
            for name, array in theta.items():
                array[moving[name]] -= rate * gradients[name][moving[name]]
    return theta, [*losses, kernel(theta, X, Y)[0]]


def same_run(first, second):
    """Whether two descents are the same to the last bit."""
    return (
        first.theta.tobytes() == second.theta.tobytes()
        and first.epoch == second.epoch
        and first.history.loss.tobytes() == second.history.loss.tobytes()
        and first.history.values.tobytes() == second.history.values.tobytes()
        and first.history.names == second.history.names
        and first.settings == second.settings
    )


class Batches:
    """A kernel that notes which samples it was given."""

    def __init__(self):
        self.rows = []

    def __call__(self, parameters, x, y):
        self.rows.append([int(np.flatnonzero((row == X).all(axis=1))[0]) for row in x])
        return HAND(parameters, x, y)

    def epochs(self):
        """The mini-batches of each epoch; the calls with all samples in order stand between."""
        found = []
        for rows in self.rows:
            if rows == [*range(len(X))]:
                found.append([])
            else:
                found[-1].append(rows)
        return found[:-1]


class Stops:
    """A kernel that Ctrl-C breaks off in one call."""

    def __init__(self, call):
        self.left = call

    def __call__(self, parameters, x, y):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return HAND(parameters, x, y)


# --------------------------------------------------------------------------------- what it computes


def test_descent_is_the_loop_that_people_write():
    """θ ← θ - η ∇θ, bit for bit, and the loss at every epoch, the last one included."""
    theta, losses = loop(HAND, 40, 0.3)
    run = walk(40)
    assert run.epoch == 40
    assert run.history.loss.tolist() == losses
    assert all(run.parameters[name].tolist() == array.tolist() for name, array in theta.items())


@pytest.mark.parametrize(
    ("activations", "loss"),
    [
        (("tanh", "softmax"), "cross_entropy"),
        (("sigmoid", "sigmoid"), "squared_error"),
        (("tanh", "linear"), "squared_error"),
    ],
)
@pytest.mark.parametrize("over_samples", ["mean", "sum"])
def test_the_derived_kernel_descends_like_backpropagation_by_hand(activations, loss, over_samples):
    """To 1e-12 after 60 epochs, against a backpropagation made of none of symback's formulas."""
    net = Network(2, [*zip((4, 3), activations, strict=True)], loss=loss, over_samples=over_samples)
    rate = 0.2 if over_samples == "mean" else 0.2 / len(X)
    run = net.descend(X, Y, epochs=60, rate=rate, parameters=START)
    theta, losses = loop(Handwritten(*activations, over_samples), 60, rate)
    np.testing.assert_allclose(run.history.loss, losses, rtol=1e-12)
    for name, array in theta.items():
        np.testing.assert_allclose(run.parameters[name], array, rtol=1e-11, atol=1e-12)


def test_a_sum_over_samples_takes_steps_as_many_times_longer():
    """The kernel's loss is the file's: a sum with η/N is a mean with η."""
    mean = make("mean").descend(X, Y, epochs=20, rate=0.3, parameters=START)
    total = make("sum").descend(X, Y, epochs=20, rate=0.3 / len(X), parameters=START)
    np.testing.assert_allclose(total.theta, mean.theta, rtol=1e-10)
    np.testing.assert_allclose(total.history.loss, len(X) * mean.history.loss, rtol=1e-10)


def test_no_epoch_is_only_looking():
    """With 0 epochs nothing moves, and the loss at the start is told."""
    run = walk(0)
    assert run.theta.tobytes() == flattened(START, run.blocks).tobytes()
    assert run.history.loss.tolist() == [HAND(START, X, Y)[0]]


def test_what_was_given_is_not_touched():
    """Neither the start, nor the samples, nor a finished descent change with a later one."""
    before = {name: array.copy() for name, array in START.items()}
    first = walk(3)
    kept = first.theta.copy()
    descent.descend(HAND, first, DATA, 9)
    first.parameters["W1"][:] = 0
    assert first.theta.tolist() == kept.tolist()
    assert all((START[name] == array).all() for name, array in before.items())


@settings(max_examples=30)
@given(
    widths=st.lists(st.integers(1, 4), min_size=2, max_size=4),
    bias=st.sampled_from(["per_neuron", "per_layer", "none"]),
)
def test_theta_is_flattened_and_restored(widths, bias):
    """Whatever the shapes of the blocks, none is lost and each comes back as it was."""
    net = Network(widths[0], [(n, "tanh") for n in widths[1:]], loss="squared_error", bias=bias)
    blocks = descent.parameter_blocks(net.graph.variables)
    start = {b.name: RNG.normal(size=tuple(map(int, b.shape))) for b in blocks}
    theta = flattened(start, blocks)
    assert theta.shape == (sum(array.size for array in start.values()),)
    back = restored(theta, blocks)
    assert all(back[name].tolist() == array.tolist() for name, array in start.items())
    for place, reference in enumerate(net.parameters()):
        assert descent.positions([reference.name], blocks, net.graph.variables) == {
            reference.name: place
        }


# --------------------------------------------------------------------------------------- what moves


@pytest.mark.parametrize(
    ("only", "moving"),
    [
        (["w_111"], [("W1", (0, 0))]),
        (["w_{2,3,4}", "b12"], [("W2", (2, 3)), ("b1", (1,))]),
        (["b2"], [("b2", (0,)), ("b2", (1,)), ("b2", (2,))]),
        (["W1"], [("W1", index) for index in np.ndindex(4, 2)]),
        (["W1", "w_111", "b_23"], [("W1", i) for i in np.ndindex(4, 2)] + [("b2", (2,))]),
    ],
)
@pytest.mark.parametrize("batch_size", [None, 5])
def test_only_what_is_chosen_moves(only, moving, batch_size):
    """All else keeps every bit, and what moves goes where the loop takes it."""
    masks = {name: np.zeros(shape, bool) for name, shape in SHAPES.items()}
    for name, place in moving:
        masks[name][place] = True
    kernel = Batches()
    run = walk(12, Settings(0.3, tuple(only), batch_size=batch_size), kernel)
    theta, losses = loop(HAND, 12, 0.3, masks, kernel.epochs() if batch_size else None)
    assert run.history.loss.tolist() == losses
    for name, mask in masks.items():
        assert run.parameters[name][~mask].tolist() == START[name][~mask].tolist()
        assert run.parameters[name].tolist() == theta[name].tolist()
        assert not (run.parameters[name][mask] == START[name][mask]).any()


def test_what_moves_alone_is_watched():
    """history.weights holds the chosen weight at every epoch, the start and the end included."""
    run = walk(7, Settings(0.3, only=("w_111",), watch=("b_21", "w_111")))
    assert run.history.names == ("w_111", "b_21")
    weights = run.history.weights
    assert weights["w_111"].shape == (8,)
    assert weights["w_111"][0] == START["W1"][0, 0]
    assert weights["w_111"][-1] == run.parameters["W1"][0, 0]
    assert set(weights["b_21"]) == {START["b2"][0]}
    every = [walk(t, Settings(0.3, only=("w_111",))).parameters["W1"][0, 0] for t in range(8)]
    assert weights["w_111"].tolist() == every


def test_everything_is_watched_while_it_is_little():
    """Without a word, all of a small network is watched; of a large one only what is asked for."""
    assert walk(1).history.names[:3] == ("w_111", "w_112", "w_121")
    assert len(walk(1).history.names) == 27
    assert walk(1, Settings(0.3, watch=("b2",))).history.names == ("b_21", "b_22", "b_23")
    large = Network(20, [(20, "tanh")], loss="squared_error")
    data = samples.check(np.ones((1, 20)), np.ones((1, 20)), inputs=20, outputs=20)

    def names(settings):
        return begin(settings, data, large, None).history.names

    assert names(Settings(0.1)) == ()
    assert names(Settings(0.1, only=("W1",))) == ()
    assert names(Settings(0.1, only=("W1",), watch=("b_17",))) == ("b_17",)
    assert len(names(Settings(0.1, only=("b1",)))) == 20


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("w_191", ("w_191", "1…4")),
        ("h_11", ("h_11", "W1, b1, W2, b2")),
        ("x_1", ("x_1", "no parameter")),
        ("W3", ("W3",)),
        ("", ("empty name",)),
        ("__import__('os')", ("there are",)),
    ],
)
def test_names_that_do_not_move(name, words):
    """What is no parameter is refused, in `only` and in `watch`, with what there is."""
    for chosen in (Settings(0.3, only=(name,)), Settings(0.3, watch=(name,))):
        with pytest.raises(UnknownName) as caught:
            begin(chosen)
        assert all(word in caught.value.message for word in words), caught.value.message


# ------------------------------------------------------------------------------------- mini-batches


def test_an_epoch_uses_every_sample_once():
    """Batches of 5 of 23 samples: four of 5 and one of 3, and the loop over them agrees."""
    kernel = Batches()
    run = walk(6, Settings(0.2, batch_size=5, seed=3), kernel)
    epochs = kernel.epochs()
    assert len(epochs) == 6
    for batches in epochs:
        assert [len(rows) for rows in batches] == [5, 5, 5, 5, 3]
        assert sorted(row for rows in batches for row in rows) == [*range(23)]
    assert len({str(batches) for batches in epochs}) == 6
    theta, losses = loop(HAND, 6, 0.2, batches=epochs)
    assert run.history.loss.tolist() == losses
    assert run.parameters["W1"].tolist() == theta["W1"].tolist()


def test_the_seed_decides_the_order():
    """The same seed gives the same bits, another seed another way."""
    first, again = (walk(5, Settings(0.2, batch_size=4, seed=9)) for _ in range(2))
    assert same_run(first, again)
    other = walk(5, Settings(0.2, batch_size=4, seed=10))
    assert first.theta.tolist() != other.theta.tolist()


def test_a_batch_of_all_samples_is_the_full_batch():
    """But for the order of the sum."""
    np.testing.assert_allclose(
        walk(5, Settings(0.2, batch_size=23)).theta, walk(5, Settings(0.2)).theta, rtol=1e-12
    )


# ---------------------------------------------------------------------------- stopping and going on

BOTH = pytest.mark.parametrize("batch_size", [None, 5])


@BOTH
def test_going_on_is_bit_equal(tmp_path, batch_size):
    """12 epochs, a checkpoint, and 18 more are 30 epochs, to the last bit."""
    chosen = Settings(0.3, watch=("w_111", "W2"), batch_size=batch_size, seed=4)
    whole = walk(30, chosen)
    path = tmp_path / "run.npz"
    walk(12, chosen, checkpoint=path)
    loaded = descent.load_checkpoint(path, NET.graph.variables)
    assert same_run(loaded, walk(12, chosen))
    assert same_run(descent.descend(HAND, loaded, DATA, 30), whole)
    assert same_run(descent.descend(HAND, walk(12, chosen), DATA, 30), whole)


@BOTH
@pytest.mark.parametrize("call", range(1, 20))
def test_an_interruption_anywhere_costs_nothing(tmp_path, batch_size, call):
    """Ctrl-C within any call of the kernel: what was learned is kept, and the end is the same."""
    chosen = Settings(0.3, batch_size=batch_size, seed=4)
    path = tmp_path / "run.npz"
    run = walk(20, chosen, Stops(call), checkpoint=path)
    assert run.interrupted
    done = (call - 1) if batch_size is None else (call - 1) // 6
    assert run.epoch == done
    assert run.theta.tobytes() == walk(done, chosen).theta.tobytes()
    loaded = descent.load_checkpoint(path, NET.graph.variables)
    ended = descent.descend(HAND, loaded, DATA, 20)
    assert same_run(ended, walk(20, chosen))
    assert not ended.interrupted


def test_an_interruption_while_the_epoch_is_told(tmp_path):
    """Ctrl-C outside the kernel is caught as well."""

    def stop(epoch, loss):
        if epoch == 3:
            raise KeyboardInterrupt

    run = walk(9, progress=stop)
    assert (run.interrupted, run.epoch, len(run.history.loss)) == (True, 3, 4)
    assert same_run(descent.descend(HAND, run, DATA, 9), walk(9))


def test_an_interruption_while_a_checkpoint_is_written(tmp_path, monkeypatch):
    """The old checkpoint or the new one is there, whole."""
    monkeypatch.setattr(descent, "SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    real, calls = files._temporary, []

    def stop(folder, content, *, durable):
        calls.append(content)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(folder, content, durable=durable)

    monkeypatch.setattr(files, "_temporary", stop)
    run = walk(9, checkpoint=tmp_path / "run.npz")
    assert run.interrupted
    assert same_run(descent.load_checkpoint(tmp_path / "run.npz", NET.graph.variables), run)


def test_progress_is_told_every_epoch():
    """Each epoch with the loss of the history."""
    told = []
    run = walk(4, progress=lambda epoch, loss: told.append((epoch, loss)))
    assert told == [*enumerate(run.history.loss.tolist())]


def test_a_checkpoint_is_whole_or_the_old_one(tmp_path, monkeypatch):
    """A full disk leaves the old checkpoint as it was, and says so."""
    path = tmp_path / "run.npz"
    walk(3, checkpoint=path)
    before = path.read_bytes()

    def full(folder, content, *, durable):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_temporary", full)
    with pytest.raises(CannotWrite, match="No space left"):
        walk(5).save(path)
    assert path.read_bytes() == before
    assert [*tmp_path.iterdir()] == [path]


def test_a_checkpoint_that_cannot_be_written_is_found_at_the_start(tmp_path):
    """Before an hour of work is lost."""
    (tmp_path / "file").write_text("mine")
    kernel = Batches()
    with pytest.raises(CannotWrite):
        walk(5, kernel=kernel, checkpoint=tmp_path / "file" / "run.npz")
    assert kernel.rows == []


def test_a_checkpoint_is_plain_arrays(tmp_path):
    """numpy.load(path)["W1"] is W1, without pickles; the same descent gives the same bytes."""
    run = walk(3)
    run.save(tmp_path / "a.npz")
    walk(3).save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert arrays["W1"].tolist() == run.parameters["W1"].tolist()


def test_going_on_needs_the_same_network_and_samples(tmp_path):
    """Other samples, another network, fewer epochs: each is said."""
    run = walk(3)
    run.save(tmp_path / "run.npz")
    with pytest.raises(DescentError, match="other samples"):
        NET.resume(run, X + 1, Y, epochs=5)
    with pytest.raises(DescentError, match="another network"):
        make("sum").resume(run, X, Y, epochs=5)
    with pytest.raises(DescentError, match="3 are done already"):
        NET.resume(run, X, Y, epochs=2)
    narrow = Network(2, [(3, "tanh"), (3, "softmax")], loss="cross_entropy")
    with pytest.raises(DescentError, match=r"W1 has shape \(4, 2\).*\(3, 2\)"):
        narrow.resume(tmp_path / "run.npz", X, Y, epochs=5)


def test_a_network_is_the_same_with_other_words_and_numbers():
    """A title, or values written into the file since, do not make it another network."""
    run = walk(3)
    values = {"learning_rate": 9, "b1": [1, 2, 3, 4]}
    layers = [(4, "tanh"), (3, "softmax")]
    again = Network(2, layers, loss="cross_entropy", values=values, title="Again")
    assert descent.resume(run, again.spec, DATA) is run


@pytest.mark.parametrize("spoil", ["text", "cut", "other", "version", "about", "history", "none"])
def test_what_is_no_checkpoint(tmp_path, spoil):
    """Any other file is refused in one line that names it."""
    path = tmp_path / "run.npz"
    walk(3, checkpoint=path)
    with np.load(path) as opened:
        arrays = dict(opened)
    about = json.loads(str(arrays["about"]))
    if spoil == "text":
        path.write_text("hello")
    elif spoil == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif spoil == "none":
        path.unlink()
    else:
        if spoil == "version":
            arrays["about"] = np.array(json.dumps(about | {"version": 99}))
        elif spoil == "about":
            arrays["about"] = np.array(json.dumps(about | {"settings": {"rate": "fast"}}))
        elif spoil == "history":
            arrays["loss"], arrays["watched"] = arrays["loss"][:1], arrays["watched"][:1]
        else:
            del arrays["about"]
        np.savez(path, **arrays)
    with pytest.raises(DescentError) as caught:
        descent.load_checkpoint(path, NET.graph.variables)
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message


# --------------------------------------------------------------------------------------- divergence


@BOTH
def test_divergence_stops_and_says_where(tmp_path, batch_size):
    """A rate far too large: the epoch is named, and the last sound parameters are kept."""
    net = Network(2, [(3, "linear"), (3, "linear")], loss="squared_error")
    kernel = Handwritten("linear", "linear")
    start = begin(Settings(50.0, batch_size=batch_size), net=net, start=None)
    path = tmp_path / "run.npz"
    with pytest.raises(Diverged) as caught:
        descent.descend(kernel, start, DATA, 1000, checkpoint=path)
    error = caught.value
    assert f"diverged at epoch {error.epoch}:" in error.message
    assert "below 50.0" in error.message
    assert 0 <= error.descent.epoch == error.epoch - 1 < 100
    assert np.isfinite(error.descent.theta).all()
    assert np.isfinite(error.descent.history.loss).all()
    assert len(error.descent.history.loss) == error.descent.epoch + 1
    loaded = descent.load_checkpoint(path, net.graph.variables)
    assert same_run(loaded, error.descent)


@BOTH
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_gradient_that_is_no_number(batch_size, value):
    """Though the loss is still finite: the kernel is not asked about such parameters."""

    def kernel(parameters, x, y):
        assert all(np.isfinite(array).all() for array in parameters.values())
        loss, gradients = HAND(parameters, x, y)
        return loss, gradients | {"b1": np.full(4, value) if loss < limit else gradients["b1"]}

    chosen = Settings(0.3, batch_size=batch_size)
    limit = walk(4, chosen).history.loss[3] if batch_size is None else math.inf
    shown = math.nan if math.isnan(value) else -value
    with pytest.raises(Diverged, match=f"a parameter is {shown}") as caught:
        walk(99, chosen, kernel)
    kept = caught.value.descent
    assert same_run(kept, walk(kept.epoch, chosen))
    assert caught.value.epoch == kept.epoch + 1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number(value):
    """Though the parameters are still finite."""
    calls = []

    def kernel(parameters, x, y):
        calls.append(0)
        loss, gradients = HAND(parameters, x, y)
        return (value if len(calls) == 4 else loss), gradients

    with pytest.raises(Diverged, match=rf"epoch 3: the loss is {value}") as caught:
        walk(9, kernel=kernel)
    assert same_run(caught.value.descent, walk(2))


# ---------------------------------------------------------------------------------- where it starts


def test_the_start_is_the_file_s():
    """[values] decides; what it leaves out is drawn, one stream a block."""
    given = {"W1": [[0.5, -0.25], [1.0, 2.0]], "b1": [0.125, 3.0]}
    net = Network(2, [(2, "tanh"), (3, "softmax")], loss="cross_entropy", values=given)
    blocks = descent.parameter_blocks(net.graph.variables)
    start = descent.initial(net.spec, blocks, 7)
    assert start["W1"].tolist() == given["W1"]
    assert start["b1"].tolist() == given["b1"]
    assert start["b2"].tolist() == [0, 0, 0]
    bare = Network(2, [(2, "tanh"), (3, "softmax")], loss="cross_entropy")
    drawn = descent.initial(bare.spec, blocks, 7)
    assert drawn["W2"].tolist() == start["W2"].tolist()
    assert drawn["W2"].tolist() != descent.initial(bare.spec, blocks, 8)["W2"].tolist()
    scaled = [drawn[name].ravel()[:4].tolist() for name in ("W1", "W2")]
    assert scaled[0] != scaled[1]  # both have variance 1/2, and streams of their own


@pytest.mark.parametrize("inputs", [4, 400])
def test_drawn_weights_have_the_variance_that_is_stated(inputs):
    """Normal with mean 0 and variance 1/n_{k-1}: 40,000 of them, to 5 standard errors."""
    net = Network(inputs, [(40_000 // inputs, "tanh")], loss="squared_error")
    blocks = descent.parameter_blocks(net.graph.variables)
    drawn = descent.initial(net.spec, blocks, 0)["W1"] * math.sqrt(inputs)
    assert abs(drawn.mean()) < 5 / 200
    assert abs(drawn.var() - 1) < 5 * math.sqrt(2) / 200
    assert abs((np.abs(drawn) < 1).mean() - 0.6827) < 5 * 0.466 / 200


def test_a_bias_shared_by_a_layer_moves():
    """A scalar block is a block like the others."""
    net = Network(2, [(3, "tanh"), (3, "linear")], loss="squared_error", bias="per_layer")
    run = net.descend(X, Y, epochs=3, rate=0.1, only="b1")
    assert run.parameters["b1"].shape == ()
    assert run.parameters["b1"] != 0
    assert run.parameters["b2"] == 0


def test_the_numbers_of_the_file_will_do():
    """S7: without data, the x and y of [values], and one epoch is `evaluate`'s update."""
    net = sb.load(EXAMPLES / "s7.toml")
    run = net.descend(epochs=1)
    for name, block in net.evaluate()["updated"].items():
        np.testing.assert_allclose(run.parameters[name], block, rtol=1e-14)


# ---------------------------------------------------------------------------------- what it refuses


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"rate": 0.0}, ("learning rate", "0.0", "above 0")),
        ({"rate": -1.0}, ("learning rate", "-1.0")),
        ({"rate": math.nan}, ("learning rate", "nan")),
        ({"rate": math.inf}, ("learning rate", "inf")),
        ({"batch_size": 0}, ("batch size", "1 to 23")),
        ({"batch_size": 24}, ("batch size", "24", "1 to 23")),
        ({"batch_size": 2.5}, ("batch size", "2.5")),
        ({"seed": -1}, ("seed", "-1")),
        ({"epochs": -1}, ("-1 epochs",)),
        ({"parameters": {"W1": START["W1"]}}, ("W1 given", "W1, b1, W2, b2")),
        ({"parameters": START | {"W1": START["W1"].T}}, ("W1", "(2, 4)", "(4, 2)")),
        ({"parameters": START | {"b1": np.full(4, math.nan)}}, ("b1", "not finite")),
        ({"parameters": START | {"b1": np.array(["a"] * 4)}}, ("b1", "<U1")),
    ],
    ids=str,
)  # fmt: skip
def test_bad_settings(given, words):
    """Each is one line that says what was given and what was expected."""
    with pytest.raises(DescentError) as caught:
        NET.descend(X, Y, **{"epochs": 1, "rate": 0.1, **given})
    assert all(word in caught.value.message for word in words), caught.value.message


def test_no_learning_rate():
    """Neither given nor in the file: the message says both places; the file's is used."""
    with pytest.raises(DescentError, match="no learning rate"):
        NET.descend(X, Y, epochs=1)
    by_file = make(rate=0.25).descend(X, Y, epochs=2, parameters=START)
    assert same_run(by_file, NET.descend(X, Y, epochs=2, rate=0.25, parameters=START))


def test_networks_that_cannot_descend():
    """Symbolic widths, equations, a loss without a target."""
    symbolic = sb.Network("n_0", [("n_1", "softmax")], loss="cross_entropy")
    with pytest.raises(DescentError, match="n_0"):
        symbolic.descend(X, Y, epochs=1, rate=0.1)
    stages = sb.equations({"yhat": "w*x", "L": "(yhat - y)**2"})
    with pytest.raises(DescentError, match="equations"):
        stages.descend(X, Y, epochs=1, rate=0.1)
    with pytest.raises(DescentError, match="output"):
        make(loss="output", output="linear").descend(X, Y, epochs=1, rate=0.1)
    with pytest.raises(DataError, match="no samples"):
        NET.descend(epochs=1, rate=0.1)


# ------------------------------------------------------------------------------ the history as text


def test_the_history_as_csv_and_data():
    """All digits: reading it back gives every number."""
    history = walk(5, Settings(0.3, only=("w_111", "b_12"))).history
    header, *rows = history.csv().splitlines()
    assert header == "epoch,loss,w_111,b_12"
    table = np.array([[float(cell) for cell in row.split(",")] for row in rows])
    assert table[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert table[:, 1].tolist() == history.loss.tolist()
    assert table[:, 2:].tolist() == history.values.tolist()
    data = json.loads(json.dumps(history.as_data()))
    assert data["loss"] == history.loss.tolist()
    assert data["weights"]["b_12"] == history.weights["b_12"].tolist()


# --------------------------------------------------------------------------------- the command line


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with a network and its samples."""
    monkeypatch.chdir(tmp_path)
    rows = [f"{a!r},{b!r},{label}" for (a, b), label in zip(X.tolist(), LABEL, strict=True)]
    (tmp_path / "points.csv").write_text("\n".join(["x1,x2,label", *rows]))
    (tmp_path / "net.toml").write_text(
        '[network]\ninputs = 2\nloss = "cross_entropy"\nlayers = [ { units = 4, activation = '
        '"tanh" }, { units = 3, activation = "softmax" } ]\n[values]\nlearning_rate = 0.25\n'
    )
    return tmp_path


ARGUMENTS = ["descend", "net.toml", "--data", "points.csv"]


def test_the_command_writes_what_python_gives(desk, capsys):
    """symback descend: the loss at both ends, the watched weights, the history as CSV and JSON."""
    options = ["--only", "w_111", "--epochs", "5", "--seed", "3"]
    assert main([*ARGUMENTS, *options, "--history", "h.csv"]) == 0
    out, err = capsys.readouterr()
    run = sb.load("net.toml").descend("points.csv", epochs=5, only="w_111", seed=3)
    loss, weight = run.history.loss.tolist(), run.history.weights["w_111"].tolist()
    assert out.splitlines() == [
        f"epoch 0: loss = {loss[0]!r}",
        f"epoch 5: loss = {loss[5]!r}",
        f"w_111: {weight[0]!r} → {weight[5]!r}",
        "h.csv",
    ]
    assert err.splitlines() == [f"{n} is not in the file: drawn with seed 3" for n in ("W1", "W2")]
    assert (desk / "h.csv").read_text() == run.history.csv()
    assert main([*ARGUMENTS, *options, "--history", "h.json", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((desk / "h.json").read_text()) == run.as_data()
    assert printed["parameters"]["W2"] == run.parameters["W2"].tolist()


def test_after_ctrl_c_the_command_that_is_told_goes_on(desk, capsys, monkeypatch):
    """Status 2, what was learned in a file, and the command on the screen ends as if unbroken."""
    whole = ["--epochs", "12", "--batch-size", "7", "--checkpoint", "whole.npz"]
    assert main([*ARGUMENTS, *whole]) == 0
    real, calls = Network.kernel, []

    def kernel(self):
        made = real(self)

        def stops(parameters, x, y):
            calls.append(0)
            if len(calls) == 20:
                raise KeyboardInterrupt
            return made(parameters, x, y)

        return stops

    monkeypatch.setattr(Network, "kernel", kernel)
    capsys.readouterr()
    assert main([*ARGUMENTS, *whole[:-2]]) == 2
    out, err = capsys.readouterr()
    assert out.startswith("epoch 0: loss")
    told = re.search(r"interrupted after epoch (\d+), which is kept; to go on: symback (.*)", err)
    assert told is not None
    assert told[1] == "3"
    assert main(told[2].split()) == 0
    kept = (desk / "outputs" / "net_descent.npz").read_bytes()
    assert kept == (desk / "whole.npz").read_bytes()


def test_the_counter_is_for_terminals_only(desk, capsys, monkeypatch):
    """No control characters in a log; on a terminal the line is cleared at the end."""
    assert main([*ARGUMENTS, "--epochs", "3"]) == 0
    assert "\r" not in capsys.readouterr().err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main([*ARGUMENTS, "--epochs", "3"]) == 0
    err = capsys.readouterr().err
    assert "\repoch 0 of 3, loss" in err
    assert err.endswith("\r\x1b[K")


def test_divergence_at_the_command_line(desk, capsys):
    """Status 2, one line with the epoch; with a checkpoint, where the last sound epoch is."""
    (desk / "wild.toml").write_text(
        '[network]\ninputs = 2\nloss = "squared_error"\nlayers = [ { units = 3, activation = '
        '"linear" } ]\n[values]\nW1 = [[1, 2], [3, 4], [5, 6]]\n'
    )
    wild = ["descend", "wild.toml", "--data", "points.csv", "--epochs", "9999", "--rate", "1e9"]
    assert main(wild) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"symback: diverged at epoch \d+: .*\n", err)
    assert main([*wild, "--checkpoint", "kept.npz"]) == 2
    assert "is kept in kept.npz" in capsys.readouterr().err
    assert (desk / "kept.npz").is_file()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--epochs", "3", "--only", "w_991"], ("w_991", "1…4")),
        (["--epochs", "3", "--rate", "-1"], ("learning rate", "-1.0")),
        (["--epochs", "3", "--rate", "nan"], ("learning rate", "nan")),
        (["--epochs", "3", "--batch-size", "99"], ("batch size", "1 to 23")),
        (["--epochs", "3", "--history", "h.xlsx"], ("h.xlsx", "*.csv")),
        (["--epochs", "3", "--resume", "none.npz"], ("none.npz", "no such file")),
        (["--epochs", "3", "--resume", "points.csv"], ("points.csv",)),
        (["--epochs", "3", "--resume", "c.npz", "--batch-size", "3"], ("--batch-size",)),
        (["--epochs", "3", "--resume", "c.npz", "--only", "W1"], ("--only",)),
        (["--epochs", "3", "--data", "none.csv"], ("none.csv", "no such file")),
        (["--epochs", "3", "--data", "net.toml"], ("net.toml", "*.csv or *.npz")),
        (["--epochs", "3", "--checkpoint", "points.csv/c.npz"], ("points.csv",)),
    ],
)
def test_bad_options_end_in_one_line(desk, capsys, options, words):
    """Status 2, one line on standard error, nothing on standard output, nothing written."""
    before = {path: path.read_bytes() for path in desk.iterdir()}
    try:
        status = main([*ARGUMENTS, *options])
    except SystemExit as end:
        status = end.code
    out, err = capsys.readouterr()
    line = [text for text in err.splitlines() if "drawn with seed" not in text]
    assert (status, out, len(line)) == (2, "", 1)
    assert line[0].startswith("symback: ")
    assert all(word in line[0] for word in words), line
    assert {path: path.read_bytes() for path in desk.iterdir()} == before


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ([], "--epochs"),
        (["--epochs", "many"], "many"),
        (["--epochs", "-3"], "-3"),
        (["--epochs", "9" * 5000], "epochs"),
        (["--epochs", "3", "--rate", "fast"], "fast"),
        (["--epochs", "3", "--only"], "--only"),
    ],
)
def test_bad_usage(desk, capsys, options, word):
    """What argparse refuses, with status 2."""
    with pytest.raises(SystemExit) as end:
        main([*ARGUMENTS, *options])
    assert end.value.code == 2
    assert word in capsys.readouterr().err
