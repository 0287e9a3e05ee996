"""Arrays of hand-written backward passes: right ones are never blamed, wrong ones found and named.

The passes are those of `backprop`, typed from the textbook and sharing nothing with symback.
"""

import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import symback as sb
from backprop import RATE, Net, backprop
from symback.checking.arrays import check_arrays, check_arrays_file
from symback.checking.mistakes import ADDED, MISTAKES
from symback.checking.report import Verdict
from symback.language.errors import SymbackError

SIGMOID = Net((3, 4, 2), "sigmoid", "softmax", "cross_entropy")
TANH = Net((3, 3, 3), "tanh", "softmax", "squared_error")
RELU = Net((3, 4, 2), "relu", "linear", "half_squared_error")
DEEP = Net((2, 3, 3, 2), "tanh", "sigmoid", "binary_cross_entropy")
NETS = [
    replace(net, batch=batch, over_samples=over, seed=3)
    for net in (SIGMOID, TANH, RELU, DEEP)
    for batch, over in ((None, "mean"), (4, "mean"), (4, "sum"))
]
each_net = pytest.mark.parametrize("net", NETS, ids=str)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["single", "double"])


def finite(arrays):
    return {name: array for name, array in arrays.items() if np.isfinite(array).all()}


def parameters_only(arrays):
    return {name: array for name, array in arrays.items() if name[:2] in ("dW", "db")}


def names(report, name):
    return [found.name for found in report[name].diagnosis]


# -------------------------------------------------------------------------------- right arrays


@each_net
@each_dtype
def test_right_arrays_are_proved(net, dtype):
    """Every array of a right pass is proved, forward and backward, in either precision."""
    net = net.drawn()
    report = check_arrays(backprop(net, dtype), net.network())
    assert {each.verdict for each in report.arrays} == {Verdict.PROVED}, str(report)
    assert report
    assert report.first_wrong is None


@each_net
@each_dtype
@pytest.mark.parametrize("seed", range(3))
def test_saturated_weights_raise_no_false_alarm(net, dtype, seed):
    """At weights up to ±30, where most digits are lost, right arrays are still not blamed."""
    net = replace(net, size=30.0, seed=seed).drawn()
    arrays = finite(backprop(net, dtype))
    report = check_arrays(arrays, net.network())
    assert report, str(report)
    assert len(report.arrays) == len(arrays)


def test_what_is_lost_in_rounding_is_said_to_prove_nothing():
    """An array of which no digit can be told is right under a condition, not proved."""
    net = replace(SIGMOID, size=60.0, seed=1).drawn()
    report = check_arrays(finite(backprop(net, np.float32)), net.network())
    lost = [each for each in report.arrays if each.verdict is Verdict.CONDITIONAL]
    assert lost
    assert all("lost in its rounding" in each.reason for each in lost)


@pytest.mark.parametrize("net", [n for n in NETS if n.batch and n.over_samples == "mean"], ids=str)
def test_derivatives_of_each_samples_own_loss_are_a_convention(net):
    """δ without the 1/B of the mean is right, and said; what is made of it is proved."""
    net = net.drawn()
    report = check_arrays(backprop(net, own_losses=True), net.network())
    said = {each.name: each.verdict for each in report.arrays}
    for name, verdict in said.items():
        batched = name.startswith(("delta", "dh", "dx", "dyhat"))
        assert verdict is (Verdict.CONDITIONAL if batched else Verdict.PROVED), name
    assert report
    assert "each sample's own loss" in " ".join(report.notes)


def test_float32_digits_in_a_double_array_are_said():
    """float32 work saved as float64 is right under that condition; a thousandth off is not."""
    net = SIGMOID.drawn()
    right = backprop(net, np.float32)["dW1"].astype(np.float64)
    report = check_arrays({"dW1": right}, net.network())
    assert report["dW1"].verdict is Verdict.CONDITIONAL
    assert "float32" in report["dW1"].reason
    assert not check_arrays({"dW1": right * 1.001}, net.network())


# -------------------------------------------------------------------------------- wrong arrays


def slope_mistakes(net):
    yield from ("missing-activation-derivative", "activation-for-derivative")
    yield "wrong-activation-derivative"
    if net.hidden != "relu":
        yield from ("derivative-at-activation", "repeated-activation-derivative")
        yield "activation-derivative-sign"
    if net.hidden == "sigmoid":
        yield "partial-activation-derivative"


def output_mistakes(net):
    yield from ("sign-flipped", "constant-factor")
    if net.loss != "squared_error":
        yield "missing-target-or-output"
    if net.output != "linear":
        yield from ("spurious-output-derivative", "stopped-at-output")
    if net.output == "softmax":
        yield from ("softmax-diagonal-only", "softmax-off-diagonal-sign")


def weight_mistakes(net, layer):
    yield from ("missing-weight", "stale-weights")
    if net.widths[layer] == net.widths[layer - 1]:
        yield "transposed-weight"
        if net.widths[layer - 1] == net.widths[layer - 2]:
            yield "weight-of-wrong-layer"


def error_mistakes(net):
    """(mistake, array) where the mistake shows in δ or dh, and in all that follows."""
    depth = len(net.widths) - 1
    yield from ((mistake, f"delta{depth}") for mistake in output_mistakes(net))
    for layer in range(1, depth):
        yield from ((mistake, f"delta{layer}") for mistake in slope_mistakes(net))
        yield from ((mistake, f"dh{layer}") for mistake in weight_mistakes(net, layer + 1))


def gradient_mistakes(net):
    """(mistake, array) where only one dW or db is wrong."""
    for layer in range(1, len(net.widths)):
        kinds = ["matrix-layout", "missing-input-factor"]
        kinds += ["preactivation-for-activation"] if layer > 1 else []
        kinds += ["single-sample", "average-for-sum"] if net.batch else []
        yield from ((mistake, f"dW{layer}") for mistake in kinds)
        if net.batch:
            yield from ((kind, f"db{layer}") for kind in ("unsummed-samples", "single-sample"))


def expected(net, mistake):
    """An average where the loss takes the mean already is one 1/B too many."""
    divided_twice = mistake == "average-for-sum" and net.over_samples == "mean"
    return "constant-factor" if divided_twice else mistake


@each_net
def test_each_mistake_is_found_at_its_array_and_named(net):
    """The array with the mistake is the first wrong one and its mistake named, δ or dW or db."""
    net = net.drawn()
    network, right = net.network(), backprop(net)
    for mistake, at in [*error_mistakes(net), *gradient_mistakes(net)]:
        arrays = backprop(net, np.float64, mistake, at)
        same = arrays[at].shape == right[at].shape and np.allclose(arrays[at], right[at])
        assert not same, f"{mistake} makes no difference to {at}"
        report = check_arrays(arrays, network)
        assert report.first_wrong == at, f"{mistake} in {at}:\n{report}"
        assert expected(net, mistake) in names(report, at), f"{mistake} in {at}:\n{report}"
        wrong = [each.name for each in report.arrays if each.verdict is Verdict.REFUTED]
        assert wrong == [at], f"{mistake} in {at}: what follows from it is blamed\n{report}"


@pytest.mark.parametrize("net", [n for n in NETS if n.over_samples == "mean"], ids=str)
def test_a_mistake_in_an_array_that_was_not_saved_shows_in_the_gradients(net):
    """From dW and db alone the mistake in δ or dh is named once; the others follow from it.

    Only in single precision may two formulas be too close to tell, so doubles are taken.
    """
    net = net.drawn()
    network, right = net.network(), parameters_only(backprop(net))
    for mistake, at in error_mistakes(net):
        arrays = parameters_only(backprop(net, np.float64, mistake, at))
        if all(np.allclose(arrays[name], right[name], atol=1e-12) for name in right):
            continue  # Σ_i δ_i = 0 of a softmax, so that without the weights dh_1 is 0 with 0
        report = check_arrays(arrays, network, strict=True)
        blamed = [each for each in report.arrays if each.verdict is Verdict.REFUTED]
        assert mistake in names(report, blamed[0].name), f"{mistake} in {at}:\n{report}"
        assert len(blamed) == 1, f"{mistake} in {at}:\n{report}"


@each_net
def test_single_precision_hides_no_mistake(net):
    """The same in float32: refuted at the right array; every name but for coincidences."""
    net = net.drawn()
    network = net.network()
    for mistake, at in error_mistakes(net):
        arrays = backprop(net, np.float32, mistake, at)
        report = check_arrays({name: arrays[name] for name in arrays if name[0] == "d"}, network)
        assert report.first_wrong == at, f"{mistake} in {at}:\n{report}"
        assert mistake in names(report, at), f"{mistake} in {at}:\n{report}"


@pytest.mark.parametrize("net", [SIGMOID, TANH, DEEP], ids=str)
def test_saturated_weights_hide_no_mistake_that_shows(net):
    """At ±30 no wrong array is proved that is off by more than rounding in its largest entry."""
    drawn = replace(net, size=30.0).drawn()
    network, right = drawn.network(), backprop(drawn)
    seen = 0
    for mistake, at in error_mistakes(drawn):
        wrong = backprop(drawn, np.float64, mistake, at)[at]
        largest = np.max(abs(right[at]))
        if np.isfinite(wrong).all() and np.max(abs(wrong - right[at])) > 1e-3 * largest:
            seen += 1
            assert check_arrays({at: wrong}, network)[at].verdict is not Verdict.PROVED
    assert seen > 5


def test_two_mistakes_at_once_are_both_named():
    """A slope left out and a factor 2: both names, in either order of the search."""
    net = replace(TANH, batch=4).drawn()
    wrong = 2 * backprop(net, np.float64, "missing-activation-derivative", "delta1")["delta1"]
    assert names(check_arrays({"delta1": wrong}, net.network()), "delta1") == [
        "missing-activation-derivative",
        "constant-factor",
    ]


def test_summed_where_the_loss_takes_the_mean():
    """All gradients B times too large are those of the sum, said once; strictly one mistake."""
    net = replace(DEEP, batch=4).drawn()
    arrays = {n: 4 * a for n, a in parameters_only(backprop(net)).items()}
    report = check_arrays(arrays, net.network())
    assert {each.verdict for each in report.arrays} == {Verdict.CONDITIONAL}
    assert report.notes[0].startswith("all your gradients are sums over the samples")
    strictly = check_arrays(arrays, net.network(), strict=True)
    blamed = [each for each in strictly.arrays if each.verdict is Verdict.REFUTED]
    assert [found.name for found in blamed[0].diagnosis] == ["constant-factor"]
    assert "summed over the samples" in blamed[0].diagnosis[0].detail
    assert len(blamed) == 1


def test_averaged_where_the_loss_takes_the_sum():
    """1/B where over_samples is "sum" is another convention; strictly average-for-sum."""
    net = replace(DEEP, batch=4, over_samples="sum").drawn()
    arrays = {n: a / 4 for n, a in parameters_only(backprop(net)).items()}
    report = check_arrays(arrays, net.network())
    assert report.verdict is Verdict.CONDITIONAL
    assert "means over the samples" in report.convention
    strictly = check_arrays(arrays, net.network(), strict=True)
    assert "average-for-sum" in names(strictly, strictly.first_wrong)


@pytest.mark.parametrize("summed", [("dW1", "dW2", "dW3"), ("db3",), ("dW1", "db1", "db2", "db3")])
def test_another_scale_is_that_of_the_whole_file(summed):
    """Some gradients summed and some averaged are no convention: those summed are wrong."""
    net = replace(DEEP, batch=4).drawn()
    right = parameters_only(backprop(net))
    arrays = {n: 4 * a if n in summed else a for n, a in right.items()}
    report = check_arrays(arrays, net.network())
    accepted = (Verdict.PROVED, Verdict.CONDITIONAL)
    assert {each.name for each in report.arrays if each.verdict not in accepted} == set(summed)


def test_a_wrong_array_without_a_known_formula_is_left_unnamed():
    """Never more than is known: the worst entry alone, by its name counted from 1."""
    net = TANH.drawn()
    wrong = backprop(net)["dW1"].copy()
    wrong[1, 2] += 0.125
    report = check_arrays({"dW1": wrong}, net.network())
    assert report["dW1"].diagnosis == ()
    assert "1 of 9 entries are wrong" in report["dW1"].reason
    worst = report["dW1"].worst
    assert worst.name == "∂L/∂w_123"
    assert worst.value - worst.truth == pytest.approx(0.125)


def forward_mistake(mistake, f, net):
    """An array of the forward pass with one mistake in it."""
    x, y, W1, b1 = (net.arrays[name] for name in ("x", "y", "W1", "b1"))
    return {
        "missing-forward-term": f["a1"] - b1,
        "matrix-layout": x @ W1 + b1,
        "preactivation-for-activation": f["a1"],
        "wrong-activation": 1 / (1 + np.exp(-f["a1"])),
        "constant-factor": f["L"] / 2,
        "wrong-loss": -(y * np.log(f["yhat"])).sum() / len(y),
    }[mistake]


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        ("a1", "missing-forward-term"),
        ("a1", "matrix-layout"),
        ("h1", "preactivation-for-activation"),
        ("h1", "wrong-activation"),
        ("L", "constant-factor"),
        ("L", "wrong-loss"),
    ],
)
def test_mistakes_of_the_forward_pass(name, mistake):
    """A wrong forward array comes first, is named, and what was computed from it follows."""
    net = replace(TANH, batch=4).drawn()
    right = backprop(net)
    arrays = {**right, name: forward_mistake(mistake, right, net)}
    report = check_arrays(arrays, net.network())
    assert report.first_wrong == name
    assert mistake in names(report, name)
    assert [each.name for each in report.arrays if each.verdict is Verdict.REFUTED] == [name]


def test_what_follows_from_a_wrong_forward_pass_is_not_blamed():
    """With a bias forgotten in a_1, everything after it is wrong and only a_1 is blamed."""
    net = replace(TANH, batch=4).drawn()
    forgotten = replace(net, arrays={**net.arrays, "b1": 0 * net.arrays["b1"]})
    report = check_arrays(backprop(forgotten), net.network())
    verdicts = {each.name: each.verdict for each in report.arrays}
    assert verdicts.pop("a1") is Verdict.REFUTED
    assert set(verdicts.values()) == {Verdict.FOLLOWS}


def test_the_negative_of_an_array_lost_in_rounding_is_still_refuted():
    """Rounding loses digits but turns no sign."""
    net = sb.Network(
        1,
        [(3, "sigmoid"), (1, "linear")],
        loss="half_squared_error",
        values={"x": [1.0], "y": [0.0], "W1": [[40.0], [41.0], [42.0]], "b1": [0.0] * 3,
                "W2": [[1.0, 2.0, 3.0]], "b2": [0.0]},
    )  # fmt: skip
    right = np.array(net.evaluate()["gradients"]["a1"])
    assert check_arrays({"delta1": right}, net)["delta1"].verdict is Verdict.PROVED
    assert check_arrays({"delta1": 0 * right}, net)["delta1"].verdict is Verdict.CONDITIONAL
    assert check_arrays({"delta1": -right}, net)["delta1"].verdict is Verdict.REFUTED


def test_every_name_is_a_name_of_the_contract():
    """Diagnoses of arrays use the names of lines, and two that are documented beside them."""
    assert not set(ADDED) & set(MISTAKES)
    for net in (SIGMOID, TANH, RELU, DEEP):
        for mistake, _ in [*error_mistakes(net), *gradient_mistakes(replace(net, batch=2))]:
            assert mistake in MISTAKES or mistake in ADDED


# ------------------------------------------------------------------------------ names and shapes


@pytest.mark.parametrize(
    "spelling",
    ["delta1", "δ1", "δ_1", "d1", "da1", "dz1", "grad_a1", "a1_grad", "dL_da1", "∂L/∂a_1", "ga1"],
)
def test_spellings_of_one_array(spelling):
    """Every usual spelling names ∂L/∂a_1."""
    net = SIGMOID.drawn()
    report = check_arrays({spelling: backprop(net)["delta1"]}, net.network())
    assert report
    assert report.arrays[0].read_as == "∂L/∂a_1"


def test_letters_follow_the_notation():
    """a_1 is the activation in Nielsen's book; as the preactivation of the lectures it is wrong."""
    net = SIGMOID.drawn()
    arrays = {"a1": backprop(net)["h1"]}
    assert check_arrays(arrays, net.network(), notation="nielsen")
    assert check_arrays({"z1": backprop(net)["h1"]}, net.network(), notation="bishop")
    assert check_arrays({"hidden": backprop(net)["h1"]}, net.network(), notation="cs231n")
    assert not check_arrays(arrays, net.network(), notation="lectures")
    with pytest.raises(SymbackError, match="there is no notation nielson"):
        check_arrays(arrays, net.network(), notation="nielson")


def test_weights_of_cs231n_are_in_out():
    """With that notation W and dW are read turned; strictly a turned dW is a transpose."""
    net = SIGMOID.drawn()
    turned = {"W1": net.arrays["W1"].T, "dW1": backprop(net)["dW1"].T}
    assert check_arrays(turned, net.network(), notation="cs231n")
    report = check_arrays({"dW1": turned["dW1"]}, net.network(), strict=True)
    assert names(report, "dW1") == ["matrix-layout"]


@pytest.mark.parametrize("shape", [(4, 1), (1, 4), (1, 1, 4)])
def test_columns_and_rows_are_vectors(shape):
    """A vector may be a column or a row, and the report says how it was read."""
    net = SIGMOID.drawn()
    report = check_arrays({"delta1": backprop(net)["delta1"].reshape(shape)}, net.network())
    assert report["delta1"].verdict is Verdict.PROVED
    assert f"{shape} is read as (4,)" in report["delta1"].reason


def test_inputs_in_the_file_replace_the_values():
    """x, y, W and b of the same mapping are what is computed with, a batch instead of one too."""
    mine = replace(SIGMOID, batch=5, seed=9).drawn()
    report = check_arrays({**mine.arrays, **backprop(mine)}, SIGMOID.drawn().network())
    assert report, str(report)
    assert not check_arrays(backprop(mine), SIGMOID.drawn().network())


def test_widths_may_be_symbols():
    """A network of symbolic widths takes its sizes from the arrays."""
    net = SIGMOID.drawn()
    symbolic = sb.Network("n_0", [("n_1", "sigmoid"), ("n_2", "softmax")], loss="cross_entropy")
    inputs = {**net.arrays, "x": net.arrays["x"][0], "y": net.arrays["y"][0]}
    assert check_arrays({**inputs, **backprop(net)}, symbolic)


def test_integers_are_exact():
    """Whole gradients saved as integers are compared as they are."""
    net = sb.equations({"s": "w*x - y", "L": "s**2"}, values={"w": 3, "x": 2, "y": 1})
    assert check_arrays({"dw": np.array(20), "ds": 10, "s": 5, "L": 25}, net)
    report = check_arrays({"dw": np.array(10)}, net)
    assert report["dw"].verdict is Verdict.REFUTED
    assert "constant-factor" in names(report, "dw")


@pytest.mark.parametrize("formula", ["a**b", "a*b*exp(a)", "where(a>b,a*b,b**2)", "log(a)/b"])
def test_named_stages_are_rounded_as_layers_are(formula):
    """Scalars too, and powers whose exponent is a quantity itself."""
    net = sb.equations({"s": formula, "L": "(s-y)**2"}, values={"a": 2, "b": 1.5, "y": 0.3})
    right = {f"d{name}": np.array(net.evaluate()["gradients"][name]) for name in "ab"}
    assert check_arrays(right, net)
    assert not check_arrays({**right, "db": right["db"] * 1.001}, net)


def test_a_kink_is_said():
    """Where a preactivation of a relu is exactly 0 the slope taken there is stated."""
    net = sb.Network(
        1, [(2, "relu"), (1, "linear")], loss="half_squared_error",
        values={"x": [1.0], "y": [0.0], "W1": [[1.0], [0.0]], "b1": [0.0, 0.0],
                "W2": [[1.0, 1.0]], "b2": [0.0]},
    )  # fmt: skip
    report = check_arrays({"delta1": np.array([1.0, 0.0])}, net)
    assert report
    assert "a_12 is exactly 0" in report.notes[0]
    assert "slope of ReLU at 0" in report.notes[0]


# ------------------------------------------------------------------------------------- bad input


def error_of(arrays, net=None):
    with pytest.raises(SymbackError) as caught:
        check_arrays(arrays, net or SIGMOID.drawn().network())
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"dW9": np.zeros(2)}, ["dW9 names no quantity", "did you mean"]),
        ({"dW1": np.zeros((4, 3), dtype=complex)}, ["dW1 holds complex numbers"]),
        ({"dW1": np.array([None, 1])}, ["dW1 holds Python objects"]),
        ({"dW1": np.array(["1"])}, ["dW1 holds text"]),
        ({"dW1": [[1], [2, 3]]}, ["dW1 is no array of numbers"]),
        ({"dW1": np.zeros((0, 3))}, ["dW1 has shape (0, 3)"]),
        ({"dW1": np.ma.masked_equal([1.0, 2.0], 2.0)}, ["masked"]),
        ({"dW1": np.array([2**60])}, ["beyond 2^53"]),
        ({1: np.zeros(2)}, ["the names of arrays are text"]),
        ({"x": np.zeros(3)}, ["nothing to check"]),
        ({"W1": np.zeros((3, 5)), "db1": np.zeros(4)}, ["(3, 5); expected (4, 3)"]),
        ({"x": np.zeros(5), "db1": np.zeros(4)}, ["x has shape (5,); expected (3,)"]),
        ({"x": np.zeros((6, 3)), "db1": np.zeros(4)}, ["6 samples", "one sample"]),
        ({"y": np.array([1, 0, 1]), "db1": np.zeros(4)}, ["y in the arrays has 3 samples"]),
        ({"x": np.array([1.0, np.nan, 0.0]), "db1": np.zeros(4)}, ["x holds nan at (2)"]),
        ({"\x1b[31m": np.zeros(2)}, ["\\x1b[31m names no quantity"]),
        ({"dL": np.zeros(2)}, ["dL names no quantity"]),
    ],
)  # fmt: skip
def test_bad_arrays_are_refused_with_the_reason(arrays, words):
    """One line that says what was given and what was expected."""
    message = error_of(arrays)
    assert all(word in message for word in words), message
    assert message.isprintable()


def test_missing_inputs_are_named():
    """Without numbers there is nothing to compare with."""
    net = sb.Network(2, [(2, "tanh")], loss="squared_error")
    message = error_of({"db1": np.zeros(2)}, net)
    assert "no numbers are given for x, W1, b1, y" in message
    assert "or in the arrays" in message


def test_too_much_work_is_refused():
    """A bound on the products keeps the time in bounds."""
    net = sb.Network(100, [(100, "tanh")], loss="squared_error")
    arrays = {"x": np.ones((50, 100)), "y": np.ones((50, 100)), "W1": np.ones((100, 100)),
              "b1": np.ones(100), "db1": np.ones(100)}  # fmt: skip
    assert "save fewer samples" in error_of(arrays, net)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refuted_by_its_place(value):
    """NaN and infinity are wrong, never an error of the check, and JSON can hold them."""
    net = SIGMOID.drawn()
    wrong = backprop(net)["dW2"].copy()
    wrong[1, 2] = value
    report = check_arrays({"dW2": wrong}, net.network())
    assert report["dW2"].verdict is Verdict.REFUTED
    assert "∂L/∂w_223 is " in report["dW2"].reason
    json.dumps(report.as_data(), allow_nan=False)


def test_a_wrong_shape_is_refuted_with_both_shapes():
    """A gradient of a shape that nothing explains is wrong, and says so."""
    report = check_arrays({"db1": np.zeros((2, 2))}, SIGMOID.drawn().network())
    assert report["db1"].verdict is Verdict.REFUTED
    assert report["db1"].reason == "its shape is (2, 2); ∂L/∂b_1 has (4,)"


# ----------------------------------------------------------------------------------------- files


def saved(tmp_path, **arrays):
    path = tmp_path / "grads.npz"
    np.savez(path, allow_pickle=True, **arrays)
    return path


def member(name, content, compression=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def test_a_file_is_checked_as_the_mapping_is(tmp_path):
    """Plain and compressed archives, either memory order, give the same report."""
    net = SIGMOID.drawn()
    arrays = backprop(net)
    arrays["dW1"] = np.asfortranarray(arrays["dW1"])
    np.savez_compressed(tmp_path / "small.npz", **arrays)
    network = net.network()
    first = check_arrays_file(saved(tmp_path, **arrays), network)
    assert first
    assert first.as_data() == check_arrays_file(tmp_path / "small.npz", network).as_data()
    assert first.as_data() == check_arrays(arrays, network).as_data()


def header(text):
    body = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body


def described(dtype, shape):
    """A member that claims a dtype and a shape, and holds nothing."""
    claim = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}"
    return member("dW1.npy", header(claim))


BOMB = member("dW1.npy", b"\0" * 65_000_000, zipfile.ZIP_DEFLATED)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no .npz file"),
        (b"PK\x03\x04 not a zip", "is no .npz file"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }"), "is no .npz file"),
        (BOMB, "at most 64 MB"),
        (member("dW1.npy", b"no array"), "dW1 is no array"),
        (member("dW1.npy", b"\x93NUMPY\x09\x00"), "is no array of numbers"),
        (member("dW1.npy", header("__import__('os').system('true')")), "is no array of numbers"),
        (member("dW1.npy", header("(" * 9000)), "is no array of numbers"),
        (described("'|O'", "(1,)"), "Python objects, which are never loaded"),
        (described("'<f8'", "(10**9,)"), "is no array of numbers"),
        (described("'<f8'", "(999999999,)"), "says its shape is"),
        (described("'<f8'", "(-1,)"), "says its shape is"),
        (described("[('a', '<f8')]", "()"), "holds records"),
    ],
)
def test_hostile_files_are_refused(tmp_path, content, words):
    """Nothing is unpickled, evaluated or decompressed beyond the limit; one line says why."""
    path = tmp_path / "grads.npz"
    path.write_bytes(content)
    with pytest.raises(SymbackError, match=r"grads\.npz") as caught:
        check_arrays_file(path, SIGMOID.drawn().network())
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_member_is_refused(tmp_path):
    """A checksum that does not fit, and an archive cut short."""
    net = SIGMOID.drawn()
    whole = saved(tmp_path, **backprop(net)).read_bytes()
    for damaged in (whole[:200] + bytes([whole[200] ^ 255]) + whole[201:], whole[:-30]):
        path = tmp_path / "damaged.npz"
        path.write_bytes(damaged)
        with pytest.raises(SymbackError):
            check_arrays_file(path, net.network())


def test_a_missing_file_and_a_folder(tmp_path):
    """Said in the system's words, with the name."""
    network = SIGMOID.drawn().network()
    for path in (tmp_path / "none.npz", tmp_path):
        with pytest.raises(SymbackError, match=str(path.name)):
            check_arrays_file(path, network)


# ---------------------------------------------------------------------------------------- report


def test_the_report_reads_as_text_as_data_and_as_a_page():
    """The first wrong array, its mistake, the worst entry and the right formula are all there."""
    net = replace(SIGMOID, batch=4).drawn()
    arrays = backprop(net, np.float64, "missing-activation-derivative", "delta1")
    report = check_arrays({k: arrays[k] for k in ("delta2", "delta1", "dW1")}, net.network())
    text = str(report)
    assert "✗ delta1 = ∂L/∂a_1 (4×4, float64): refuted" in text
    assert "missing-activation-derivative: g′(a_1) is missing" in text
    assert "right: ∇A_1 = ∇H_1 ⊙ H_1 ⊙ (1 - H_1)" in text
    assert "↳ dW1" in text
    assert "right given your delta1" in text
    data = report.as_data()
    assert data["verdict"] == "refuted"
    assert data["first_wrong"] == "delta1"
    assert [each["verdict"] for each in data["arrays"]] == ["proved", "refuted", "follows"]
    assert set(data["arrays"][1]["worst"]) == {"entry", "value", "truth", "ratio"}
    page = report.as_report()
    assert page.first_wrong == 2
    assert page.lines[1].diagnosis == report["delta1"].diagnosis


def test_the_rate_of_the_network_is_the_one_of_stale_weights():
    """The helper's η is the network's: else stale weights would go by another name."""
    assert float(SIGMOID.drawn().network().learning_rate) == RATE


def test_the_example_runs_and_its_mistake_is_found(tmp_path):
    """examples/arrays/backward.py saves a right pass and one that forgets g′(a_1)."""
    root = Path(__file__).resolve().parent.parent
    script = root / "examples" / "arrays" / "backward.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True, timeout=60)
    net = sb.load(root / "examples" / "batch.toml")
    assert check_arrays_file(tmp_path / "right.npz", net).verdict is Verdict.PROVED
    report = check_arrays_file(tmp_path / "wrong.npz", net)
    assert report.first_wrong == "delta1"
    assert names(report, "delta1") == ["missing-activation-derivative"]
