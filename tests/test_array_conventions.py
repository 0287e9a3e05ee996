"""Files under their authors' names: right ones are accepted as they are, wrong ones under none.

Every style below saves the same hand-written pass (`backprop`) as another tradition would: letters,
lists from 0, W as (in, out), a column a sample, labels, modules of PyTorch and Keras.
"""

from dataclasses import replace

import numpy as np
import pytest

import symback as sb
from backprop import RATE, Net, backprop
from symback.checking.array_names import spelled
from symback.checking.arrays import check_arrays
from symback.checking.report import Verdict
from symback.language.errors import SymbackError

ACCEPTED = (Verdict.PROVED, Verdict.CONDITIONAL)
WIDE = Net((3, 4, 2), "sigmoid", "softmax", "cross_entropy", batch=5, seed=3)
SQUARE = Net((3, 3, 3), "tanh", "softmax", "squared_error", batch=3, seed=5)
ONE = Net((3, 4, 2), "sigmoid", "linear", "half_squared_error", seed=4)


# ------------------------------------------------------------------------- as others would save it


def ng(net, f):
    """Z and A in columns, dZ of each sample's own loss, W (out, in)."""
    rows = len(net.arrays["x"])
    found = {"X": net.arrays["x"].T, "Y": net.arrays["y"].T}
    for k in (1, 2):
        found |= {f"Z{k}": f[f"a{k}"].T, f"dZ{k}": rows * f[f"delta{k}"].T, f"dW{k}": f[f"dW{k}"]}
        found |= {f"db{k}": f[f"db{k}"][:, None], f"W{k}": net.arrays[f"W{k}"]}
    return found | {"A1": f["h1"].T, "A2": f["yhat"].T, "dA1": rows * f["dh1"].T}


def rows(net, f):
    """scores and probs, W (in, out), labels from 0, a row a sample."""
    found = {"X": net.arrays["x"], "W1": net.arrays["W1"].T, "W2": net.arrays["W2"].T}
    if net.output == "softmax":
        found["y"] = net.arrays["y"].argmax(axis=1)
    found |= {
        "scores": f["a2"],
        "probs": f["yhat"],
        "hidden_layer": f["h1"],
        "dscores": f["delta2"],
    }
    return found | {f"d{n}": f[f"d{n}"].T if n[0] == "W" else f[f"d{n}"] for n in PARAMETERS}


def lists(net, f):
    """Nielsen's lists, counted from 0."""
    found = {"zs_0": f["a1"], "zs_1": f["a2"], "activations_1": f["h1"], "activations_2": f["yhat"]}
    for k in (0, 1):
        found |= {f"nabla_w_{k}": f[f"dW{k + 1}"], f"nabla_b_{k}": f[f"db{k + 1}"]}
    return found


def downhill(net, f):
    """δ points downhill, l1 and l2 are the layers, syn0 and syn1 their weights, (in, out)."""
    found = {"syn0": net.arrays["W1"].T, "syn1": net.arrays["W2"].T, "l1": f["h1"], "l2": f["yhat"]}
    return found | {"l2_delta": -f["delta2"], "l1_delta": -f["delta1"]}


def words(net, f):
    """What leads from where in words, W (in, out)."""
    return {
        "weights_input_hidden": net.arrays["W1"].T, "weights_hidden_output": net.arrays["W2"].T,
        "hidden_input": f["a1"], "hidden_output": f["h1"], "output": f["yhat"],
        "delta_output": f["delta2"], "delta_hidden": f["delta1"], "dW_h": f["dW1"].T,
        "dW_o": f["dW2"].T, "dbh": f["db1"], "dbo": f["db2"],
    }  # fmt: skip


def counted(net, f):
    """Layers counted from 1 at the inputs: a2, a3, δ3, δ2; thetas from 1."""
    return {
        "a2": f["h1"], "a3": f["yhat"], "z2": f["a1"], "z3": f["a2"], "delta3": f["delta2"],
        "delta2": f["delta1"], "Theta1_grad": f["dW1"], "Theta2_grad": f["dW2"],
    }  # fmt: skip


def between(net, f):
    """dweights_0_1 leads from layer 0 into layer 1."""
    found = {"dweights_0_1": f["dW1"].T, "dweights_1_2": f["dW2"].T, "layer_1": f["h1"]}
    return found | {
        "layer_2": f["yhat"],
        "layer_2_delta": f["delta2"],
        "layer_1_delta": f["delta1"],
    }


def torch_names(net, f):
    return {f"fc{n[1]}.{KINDS[n[0]]}.grad": f[f"d{n}"] for n in PARAMETERS}


def sequential(net, f):
    places = {"1": "0", "2": "2"}
    return {f"{places[n[1]]}.{KINDS[n[0]]}.grad": f[f"d{n}"] for n in PARAMETERS}


def keras(net, f):
    layer = {"1": "dense_4", "2": "dense_5"}
    kind = {"W": "kernel:0", "b": "bias:0"}
    arrays = {n: f[f"d{n}"].T if n[0] == "W" else f[f"d{n}"] for n in PARAMETERS}
    return {f"{layer[n[1]]}/{kind[n[0]]}": array for n, array in arrays.items()}


def flat(net, f):
    """A dict of gradients saved as it is: np.savez(path, **grads)."""
    return {n: f[f"d{n}"] for n in PARAMETERS}


def plain(net, f):
    return dict(f)


PARAMETERS = ("W1", "b1", "W2", "b2")
KINDS = {"W": "weight", "b": "bias"}
STYLES = (plain, ng, rows, lists, downhill, words, counted, between, torch_names, sequential, keras,
          flat)  # fmt: skip
each_style = pytest.mark.parametrize("style", STYLES, ids=lambda style: style.__name__)


def styled(style, net):
    net = net.drawn()
    return net, style(net, backprop(net))


NETS = {"wide": WIDE, "square": SQUARE, "one": ONE}
NEED_A_BATCH = (ng, downhill)
written_in = pytest.mark.parametrize(
    ("style", "net"),
    [
        pytest.param(style, net, id=f"{name}-{style.__name__}")
        for name, net in NETS.items()
        for style in STYLES
        if net.batch is not None or style not in NEED_A_BATCH
    ],
)


@written_in
def test_right_files_are_accepted_as_they_are(style, net):
    """No name is changed, no option given; in a square network layouts are found by numbers."""
    net, arrays = styled(style, net)
    report = check_arrays(arrays, net.network())
    assert report, str(report)
    assert {each.verdict for each in report.arrays} <= set(ACCEPTED), str(report)
    assert report.convention.startswith("read so: ")


def is_derivative(name):
    return name not in NOT_DERIVED and not name.startswith(("Z", "A", "z", "a", "W", "X", "Y"))


NOT_DERIVED = ("syn0", "syn1", "l1", "l2", "scores", "probs", "hidden_layer", "X", "y", "layer_1",
               "layer_2", "hidden_input", "hidden_output", "output", "weights_input_hidden",
               "weights_hidden_output", "L", "h1", "yhat")  # fmt: skip


def mutants(arrays, style):
    """(what was done, the array that is wrong, the file)."""
    derived = [n for n in arrays if is_derivative(n) or style is flat]
    for place, name in enumerate(derived):
        array = arrays[name]
        if np.max(abs(array)) < 1e-9:
            continue
        nudged = array.copy()
        nudged.flat[0] += 1e-3 * np.max(abs(array))
        others = (("negative", -array), ("twice", 2 * array), ("nudged", nudged))
        done, wrong = others[place % 3]  # one of the three for each array, and all in each file
        yield done, name, {**arrays, name: wrong}
        if array.ndim == 2 and array.shape[0] == array.shape[1] and array.shape[0] > 1:
            yield "turned", name, {**arrays, name: array.T}
    for one in derived:
        for other in derived:
            same = one < other and arrays[one].shape == arrays[other].shape
            if same and "delta" not in one and not np.allclose(arrays[one], arrays[other]):
                swapped = {**arrays, one: arrays[other], other: arrays[one]}
                yield f"swapped with {other}", one, swapped


@each_style
@pytest.mark.parametrize("net", [WIDE, SQUARE], ids=["wide", "square"])
def test_no_convention_accepts_a_wrong_file(style, net):
    """A derivative negated, doubled, nudged, turned or swapped with another is refuted."""
    net, arrays = styled(style, net)
    network = net.network()
    for done, name, wrong in mutants(arrays, style):
        report = check_arrays(wrong, network)
        assert not report, f"{name} {done}:\n{report}"


@pytest.mark.parametrize("style", [ng, rows, plain], ids=lambda style: style.__name__)
def test_what_the_network_file_says_is_strict(style):
    """With ``strict`` W is (out, in), one row a sample: only the lectures' own layout is right."""
    net, arrays = styled(style, WIDE)
    arrays = {n: a for n, a in arrays.items() if n.startswith("d")}
    assert bool(check_arrays(arrays, net.network(), strict=True)) is (style is plain)


# ----------------------------------------------------------------------------------------- choices


def test_the_convention_is_said_first():
    """What letters mean, which way W and samples lie, what y holds."""
    net, arrays = styled(ng, WIDE)
    text = check_arrays(arrays, net.network()).convention
    assert text == (
        "read so: z is the preactivation, a is the activation; W is (out, in); one column is one "
        "sample; X has a column a sample; Y has a column a sample"
    )
    net, arrays = styled(rows, WIDE)
    assert "W is (in, out), as in x @ W; one row is one sample" in (
        check_arrays(arrays, net.network()).convention
    )
    assert str(check_arrays(arrays, net.network())).startswith("read so: ")
    assert check_arrays(arrays, net.network()).as_report().convention.startswith("read so: ")


def test_a_letter_of_two_meanings_is_right_under_a_condition():
    """a_1 alone may be either; as the activation it is right where a is that, and not proved."""
    net = WIDE.drawn()
    f, network = backprop(net), net.network()
    assert check_arrays({"a1": f["a1"]}, network)["a1"].verdict is Verdict.PROVED
    either = check_arrays({"a1": f["h1"]}, network)["a1"]
    assert either.verdict is Verdict.CONDITIONAL
    assert "right where a is the activation" in either.reason
    assert not check_arrays({"a1": f["h1"], "h1": f["h1"]}, network)
    assert not check_arrays({"Z1": f["a1"], "A1": f["a1"]}, network)
    assert check_arrays({"Z1": f["a1"], "A1": f["h1"]}, network).verdict is Verdict.PROVED


def test_shapes_speak_before_numbers():
    """A dW that only fits as (out, in) settles it for a square one, whatever its numbers."""
    net = Net((4, 3, 3), "tanh", "linear", "squared_error", batch=5, seed=1).drawn()
    f, network = backprop(net), net.network()
    assert check_arrays({"dW1": f["dW1"].T, "dW2": f["dW2"].T}, network)
    report = check_arrays({"dW1": f["dW1"], "dW2": f["dW2"].T}, network)
    assert report["dW2"].verdict is Verdict.REFUTED
    assert [found.name for found in report["dW2"].diagnosis] == ["matrix-layout"]


def test_weights_in_the_file_settle_the_layout_of_their_gradients():
    """W saved as (out, in) beside a turned dW is no (in, out): the gradient is a transpose."""
    net = SQUARE.drawn()
    f, network = backprop(net), net.network()
    given = {name: net.arrays[name] for name in ("W1", "W2")}
    assert check_arrays({**given, "dW1": f["dW1"], "dW2": f["dW2"]}, network)
    assert not check_arrays({**given, "dW1": f["dW1"].T, "dW2": f["dW2"].T}, network)
    turned = {name: array.T for name, array in given.items()}
    assert check_arrays({**turned, "dW1": f["dW1"].T, "dW2": f["dW2"].T}, network)


def test_delta_may_point_downhill_where_all_of_them_do():
    """δ = -∂L/∂a is a convention of all δ; not where dW is turned too, nor of one δ alone."""
    net = WIDE.drawn()
    f, network = backprop(net), net.network()
    both = {"delta1": -f["delta1"], "delta2": -f["delta2"]}
    report = check_arrays({**both, "dW1": f["dW1"]}, network)
    assert report["delta1"].verdict is Verdict.CONDITIONAL
    assert "δ is -∂L/∂a" in report.convention
    assert not check_arrays({**both, "dW1": -f["dW1"]}, network)
    assert not check_arrays({**both, "delta1": f["delta1"]}, network)
    assert not check_arrays(both, network, strict=True)


def test_another_count_of_layers_is_a_condition():
    """delta1 of the outputs, counted from the end; in a square net numbers alone show it."""
    for net in (WIDE.drawn(), SQUARE.drawn()):
        f, network = backprop(net), net.network()
        arrays = {"delta1": f["delta2"], "delta2": f["delta1"]}
        report = check_arrays(arrays, network)
        assert {each.verdict for each in report.arrays} == {Verdict.CONDITIONAL}
        assert "right where 1 of the deltas is layer 2" in report["delta1"].reason
        assert not check_arrays({**arrays, "delta2": f["dh1"]}, network)
        assert not check_arrays({"dW1": f["dW2"], "dW2": f["dW1"]}, network)


def test_derivatives_with_the_opposite_sign_are_said_once():
    """y - ŷ and +=: every gradient is refuted, and one note says why."""
    net = WIDE.drawn()
    arrays = {f"d{n}": -backprop(net)[f"d{n}"] for n in PARAMETERS}
    report = check_arrays(arrays, net.network())
    assert not report
    assert "all your derivatives have the opposite sign" in report.notes[0]


def test_steps_of_descent_are_right_as_that():
    """A Δw may be -η ∂L/∂w with the network's η; another multiple is not judged."""
    net = WIDE.drawn()
    f, network = backprop(net), net.network()
    arrays = {"dW1": f["dW1"], "delta_w_o": -RATE * f["dW2"]}
    step = check_arrays(arrays, network)["delta_w_o"]
    assert (step.verdict, "right as the step -η ∂L/∂W_2" in step.reason) == (
        Verdict.CONDITIONAL,
        True,
    )
    other = check_arrays({**arrays, "delta_w_o": 3 * f["dW2"]}, network)["delta_w_o"]
    assert other.verdict is Verdict.UNREAD


@pytest.mark.parametrize("first", [0, 1])
def test_labels_are_counted_from_0_or_1(first):
    """Class labels in place of one-hot rows, one array of them or both."""
    net = WIDE.drawn()
    f = backprop(net)
    labels = net.arrays["y"].argmax(axis=1) + first
    arrays = {"dW1": f["dW1"], "x": net.arrays["x"], "y": labels}
    assert f"y holds labels from {first}" in check_arrays(arrays, net.network()).convention
    assert check_arrays({**arrays, "Y": net.arrays["y"]}, net.network())
    assert not check_arrays({**arrays, "y": 1 + first - labels}, net.network())


def test_y_is_no_target_beside_t():
    """Where the target is t, y is an output or a layer."""
    net = WIDE.drawn()
    f = backprop(net)
    given = {"x": net.arrays["x"], "y": f["yhat"], "t": net.arrays["y"]}
    assert check_arrays({**given, "dW1": f["dW1"]}, net.network())


def test_what_is_not_known_is_reported_and_not_fatal():
    """Unknown names are listed, the rest is judged; with nothing left it is an error."""
    net = WIDE.drawn()
    f, network = backprop(net), net.network()
    strange = {"velocity_W1": f["dW1"], "lr": 0.1, "mask": f["h1"]}
    report = check_arrays({"dW1": f["dW1"], **strange}, network)
    assert report.verdict is Verdict.PROVED
    assert [e.name for e in report.arrays if e.verdict is Verdict.UNREAD] == list(strange)
    assert "not judged: velocity_W1, lr, mask" in report.notes[0]
    with pytest.raises(SymbackError, match="velocity_W1 names no quantity"):
        check_arrays(strange, network)
    renamed = check_arrays({"velocity_W1": f["dW1"]}, network, rename={"velocity_W1": "dW1"})
    assert renamed["velocity_W1"].read_as == "∂L/∂W_1"
    assert not check_arrays({"mine": f["dW1"]}, network, rename={"mine": "dW2"})


def test_books_whose_z_is_the_activation():
    """a_1, z_1 = g(a_1), y, t and dy for ŷ - t: right where z is that, and said so."""
    net = WIDE.drawn()
    f, network = backprop(net), net.network()
    arrays = {
        "x": net.arrays["x"], "t": net.arrays["y"], "a1": f["a1"], "z1": f["h1"], "y": f["yhat"],
        "dy": f["delta2"], "dz1": f["dh1"], "da1": f["delta1"], "W1_grad": f["dW1"],
    }  # fmt: skip
    report = check_arrays(arrays, network)
    assert report, str(report)
    assert "z is the activation, a is the preactivation" in report.convention
    assert report["dz1"].reason.startswith("right where z is the activation")
    assert report["dy"].reason.startswith("right as ∂L/∂a_2, which dy may mean")
    assert not check_arrays({**arrays, "da1": f["dh1"]}, network)
    assert not check_arrays({**arrays, "dy": f["yhat"]}, network)
    # without z_1 and a_1 a dz1 that forgets the slope is wrong, and no other letter
    assert not check_arrays({"dz1": f["dh1"], "dW2": f["dW2"]}, network)
    assert not check_arrays({"dz1": f["dh1"], "a1": f["h1"], "dW2": f["dW2"]}, network)


def test_samples_may_lie_otherwise_where_the_shape_says_so():
    """Z in columns beside ŷ in rows; in a square file nothing says so, and it is a transpose."""
    net = WIDE.drawn()
    f, network = backprop(net), net.network()
    arrays = {"Z1": f["a1"].T, "dZ1": f["delta1"].T, "A2": f["yhat"], "dW1": f["dW1"]}
    assert check_arrays(arrays, network).verdict is Verdict.PROVED
    assert not check_arrays({**arrays, "A2": f["yhat"][::-1]}, network)
    square = SQUARE.drawn()
    f = backprop(square)
    arrays = {"Z1": f["a1"].T, "dZ1": f["delta1"].T, "A2": f["yhat"], "dW1": f["dW1"]}
    assert not check_arrays(arrays, square.network())


def test_a_derivative_masked_in_place():
    """dh[h <= 0] = 0 makes dh the derivative by a: right as that, of ReLU alone."""
    net = Net((3, 4, 2), "relu", "linear", "half_squared_error", batch=5, seed=8).drawn()
    f = backprop(net)
    report = check_arrays({"dh": f["delta1"], "h": f["h1"]}, net.network())
    assert report["dh"].reason.startswith("right as ∂L/∂a_1, which dh may mean")
    tanh = replace(net, hidden="tanh").drawn()
    assert not check_arrays({"dh": backprop(tanh)["delta1"]}, tanh.network())


def test_weights_and_gradients_may_be_counted_apart():
    """weights[0] is saved beside dW1."""
    net = WIDE.drawn()
    f = backprop(net)
    arrays = {"weights_0": net.arrays["W1"], "weights_1": net.arrays["W2"], "dW1": f["dW1"]}
    assert check_arrays({**arrays, "dW2": f["dW2"]}, net.network())
    assert not check_arrays({**arrays, "dW2": 3 * f["dW2"]}, net.network())


def test_theta_is_no_weight_beside_a_weight():
    """grads_theta2 beside grads_W2 is something else, and is not blamed."""
    net = WIDE.drawn()
    f = backprop(net)
    report = check_arrays({"grads_W2": f["dW2"], "grads_theta2": f["delta2"]}, net.network())
    assert report["grads_theta2"].verdict is Verdict.UNREAD
    assert report


def test_a_batch_of_one_row_is_a_batch():
    """x and y of shape (1, n) are one sample of a network whose file has a batch."""
    net = replace(WIDE, batch=1).drawn()
    f = backprop(net)
    given = {"x": net.arrays["x"], "W1_grad": f["dW1"]}
    assert check_arrays(given, net.network())
    assert check_arrays({**given, "y": net.arrays["y"]}, net.network())


def test_an_error_is_judged_only_where_it_is_a_derivative():
    """output_error may be many things: right as one of them, else not judged, never refuted."""
    net = WIDE.drawn()
    f, network = backprop(net), net.network()
    arrays = {"dW1": f["dW1"], "hidden_error": f["dh1"], "output_error": f["yhat"] * 3}
    report = check_arrays(arrays, network)
    assert report["hidden_error"].verdict is Verdict.CONDITIONAL
    assert report["output_error"].verdict is Verdict.UNREAD


# ------------------------------------------------------------------------------------------ models


class Tensor:
    """What `check_arrays` asks of a tensor of PyTorch, which is no dependency of the tests."""

    def __init__(self, array, grad=None):
        self.array, self.grad = array, None if grad is None else Tensor(grad)

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return self.array


class Model:
    """Its parameters by name, as `torch.nn.Module` gives them."""

    def __init__(self, **parameters):
        self.parameters = {name.replace("__", "."): each for name, each in parameters.items()}

    def named_parameters(self):
        return iter(self.parameters.items())


def test_a_model_of_pytorch_is_checked_as_it_is():
    """Parameters are the inputs, .grad is what is checked; without gradients it is said."""
    net = WIDE.drawn()
    f = backprop(net, np.float32)

    def model(sign=1.0):
        made = {
            f"{layer}__{KINDS[n[0]]}": Tensor(
                net.arrays[n].astype(np.float32), np.float32(sign) * f[f"d{n}"]
            )
            for n in PARAMETERS
            for layer in ("hidden" if n[1] == "1" else "out",)
        }
        return Model(**made)

    report = sb.check_arrays(model(), net.network())
    assert report, str(report)
    assert {each.verdict for each in report.arrays} == {Verdict.PROVED}
    assert not sb.check_arrays(model(-1.0), net.network())
    with pytest.raises(SymbackError, match=r"call loss\.backward\(\) first"):
        sb.check_arrays(Model(fc1__weight=Tensor(net.arrays["W1"])), net.network())


# ---------------------------------------------------------------------------------------- mistakes

DEEP = Net((2, 3, 3, 2), "tanh", "sigmoid", "binary_cross_entropy", batch=4, seed=6)


def diagnosed(report, name):
    return [found.name for found in report[name].diagnosis]


@pytest.mark.parametrize("shape", [(), (1, 1), (1,)])
def test_summed_over_the_neurons(shape):
    """np.sum(dZ) without an axis is one number; with the wrong axis one a sample."""
    net = DEEP.drawn()
    f, network = backprop(net), net.network()
    report = check_arrays({"dW1": f["dW1"], "db1": np.reshape(f["db1"].sum(), shape)}, network)
    assert diagnosed(report, "db1") == ["summed-over-neurons"]
    other = check_arrays({"delta1": f["delta1"], "db1": f["delta1"].sum(axis=1)}, network)
    assert diagnosed(other, "db1") == ["summed-over-neurons"]


def test_weight_decay_is_named_with_its_number():
    """dW + λ W, whatever λ; of a λ that differs in each entry nothing is said."""
    net = DEEP.drawn()
    f, network = backprop(net), net.network()
    report = check_arrays({"dW2": f["dW2"] + 0.03 * net.arrays["W2"]}, network)
    assert diagnosed(report, "dW2") == ["weight-decay"]
    assert "0.03·W_2 is added to ∂L/∂W_2" in report["dW2"].diagnosis[0].detail
    wrong = f["dW2"] + np.linspace(0.01, 0.05, 9).reshape(3, 3) * net.arrays["W2"]
    assert "weight-decay" not in diagnosed(check_arrays({"dW2": wrong}, network), "dW2")


@pytest.mark.parametrize("rate", [0.01, 0.5, 3.0])
def test_new_weights_are_named_whatever_the_rate_was(rate):
    """The pass uses W_3 - η dW_3 with an η that no file says."""
    net = DEEP.drawn()
    f = backprop(net)
    new = net.arrays["W3"] - rate * f["dW3"]
    dh2 = f["delta3"] @ new
    report = check_arrays({"delta3": f["delta3"], "dh2": dh2}, net.network())
    assert diagnosed(report, "dh2")[0] == "stale-weights"


def test_the_slope_of_another_layer():
    """g′(a_2) where g′(a_1) belongs, in layers as wide as each other."""
    net = DEEP.drawn()
    f = backprop(net)
    wrong = f["dh1"] * (1 - f["h2"] ** 2)
    report = check_arrays({"dh1": f["dh1"], "delta1": wrong}, net.network())
    assert diagnosed(report, "delta1")[0] == "derivative-of-another-neuron"
    assert "a_2" in report["delta1"].diagnosis[0].detail


@pytest.mark.parametrize("epsilon", [1e-8, 1e-5])
def test_an_epsilon_in_a_logarithm_is_a_condition_where_it_changes_little(epsilon):
    """log(ŷ + ε): the loss and what is derived from it are right but for that."""
    net = DEEP.drawn()
    f, network = backprop(net), net.network()
    y, p = net.arrays["y"], f["yhat"]
    loss = -(y * np.log(p + epsilon) + (1 - y) * np.log(1 - p + epsilon)).sum() / 4
    dyhat = (-y / (p + epsilon) + (1 - y) / (1 - p + epsilon)) / 4
    report = check_arrays({"L": loss, "dyhat": dyhat, "delta3": dyhat * p * (1 - p)}, network)
    assert {each.verdict for each in report.arrays} == {Verdict.CONDITIONAL}, str(report)
    assert all("ε" in each.reason for each in report.arrays)


def test_an_epsilon_that_changes_much_is_refuted_by_name():
    """At saturated outputs the same ε is another gradient."""
    net = replace(DEEP, size=25.0).drawn()
    f = backprop(net)
    y, p = net.arrays["y"], f["yhat"]
    dyhat = (-y / (p + 1e-3) + (1 - y) / (1 - p + 1e-3)) / 4
    report = check_arrays({"dyhat": dyhat}, net.network())
    assert report["dyhat"].verdict is Verdict.REFUTED
    assert diagnosed(report, "dyhat")[0] == "saturation-epsilon"


def test_seven_digits_are_float32_only_where_the_numbers_are():
    """A relative error of 1e-8 in doubles that no float32 holds is no sign of float32."""
    net = DEEP.drawn()
    right = backprop(net)["dW1"]
    single = right.astype(np.float32).astype(float)
    assert "float32" in check_arrays({"dW1": single}, net.network())["dW1"].reason
    off = right * (1 + 1e-8)
    assert "float32" not in check_arrays({"dW1": off}, net.network())["dW1"].reason


def test_one_number_is_no_multiple_of_another():
    """A wrong loss that is 0.7341 times the right one shows no constant factor."""
    net = DEEP.drawn()
    loss = backprop(net)["L"]
    report = check_arrays({"L": 0.7341 * loss, "dW1": backprop(net)["dW1"]}, net.network())
    assert "constant-factor" not in diagnosed(report, "L")
    twice = check_arrays({"L": 2 * loss, "dW1": backprop(net)["dW1"]}, net.network())
    assert "constant-factor" in diagnosed(twice, "L")


# ------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "word", "is_gradient", "numbers", "place"),
    [
        ("dLoss_dW1", "weight", True, (1,), ""),
        ("grads.W2", "weight", True, (2,), ""),
        ("weights_2_3", "weight", False, (2, 3), ""),
        ("Wxh", "weight", False, (), "hidden"),
        ("d_bias_output", "bias", True, (), "output"),
        ("hidden_layer_input", "preactivation", False, (), "hidden"),
        ("net_output", "preactivation", False, (), "output"),
        ("dense2.dinputs", "activation", True, (2,), ""),
        ("activation1.dinputs", "preactivation", True, (1,), ""),
        ("y_pred", "output", False, (), ""),
        ("y_b", "target", False, (), ""),
        ("dAL", "output", True, (), ""),
        ("one_hot_y", "target", False, (), ""),
        ("encoder.3.bias.grad", "bias", True, (3,), ""),
        ("dense_7/kernel:0", "weight", False, (7,), ""),
    ],
)
def test_names_say_what_they_are(name, word, is_gradient, numbers, place):
    """The first meaning of a name, whether a derivative, its numbers and its place."""
    found = spelled(name)
    assert (found.words[0].value, found.is_gradient, found.numbers, found.place) == (
        word,
        is_gradient,
        numbers,
        place,
    )


@pytest.mark.parametrize(
    "name",
    ["vdW1", "W1_old", "new_weights2", "dA_dZ1", "momentum_b1", "num_grad_W1", "mean_x", "fooW1",
     "best_W1", "W1_update", "sigmoid_derivative_h", "", "_", "d", "١", "dW" * 200],
)  # fmt: skip
def test_names_of_other_things_are_not_read(name):
    """A momentum, an old weight, a local or numerical derivative is no quantity of the pass."""
    assert spelled(name) is None
