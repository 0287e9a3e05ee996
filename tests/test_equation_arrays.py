"""Arrays of hand-written backward passes through networks of equations: right, wrong, and why."""

import itertools
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from symback.checking.array_inputs import ArrayError, ArrayNameError
from symback.checking.report import Verdict
from symback.checking.system_arrays import agrees, check_system_arrays, compared
from symback.checking.system_mistakes import ROWS, slips
from symback.checking.system_names import meant
from symback.checking.system_numbers import DIGITS, DOUBLES, EPS, Rounded
from symback.checking.system_values import OutsideArray, Point, drawn, evaluated
from symback.equations.adjoints import backward
from symback.equations.indices import Affine, Range, letter, number
from symback.equations.system import Definition, Group, Kind, Quantity, System
from symback.equations.terms import MINUS, Binder, Call, Number, Plus, Power, Read, Term, Times


def _sum(name: str, size: Affine, body: Term) -> Term:
    return Binder("sum", Range(name, size), (), body)


def recurrent(n: int = 4, d: int = 2) -> System:
    """The network of DESIGN: a[t] = W x[t] + U h[t-1] + b, h = tanh a, squared errors."""
    steps, units, width = letter("T"), letter("n"), letter("d")
    t, i, j = letter("t"), letter("i"), letter("j")
    both = (Range("t", steps), Range("i", units))
    a = Plus((
        _sum("j", width, Times((Read("W", (i, j)), Read("x", (t, j))))),
        _sum("j", units, Times((Read("U", (i, j)), Read("h", (t - number(1), j))))),
        Read("b", (i,)),
    ))  # fmt: skip
    error = Plus((Read("h", (t, i)), Times((MINUS, Read("y", (t, i))))))
    loss = _sum("t", steps, _sum("i", units, Power(error, Number(Fraction(2)))))
    return System(
        {"T": 3, "n": n, "d": d},
        (
            Quantity("W", Kind.PARAMETER, (units, width)),
            Quantity("U", Kind.PARAMETER, (units, units)),
            Quantity("b", Kind.PARAMETER, (units,)),
            Quantity("x", Kind.INPUT, (steps, width)),
            Quantity("y", Kind.INPUT, (steps, units)),
            Quantity("h0", Kind.INPUT, (units,)),
            Quantity("a", Kind.COMPUTED, (steps, units)),
            Quantity("h", Kind.COMPUTED, (steps, units)),
            Quantity("L", Kind.COMPUTED),
        ),
        (
            Group((Definition("h", (number(0), i), (both[1],), Read("h0", (i,))),)),
            Group(
                (
                    Definition("a", (t, i), both, a),
                    Definition("h", (t, i), both, Call("tanh", (Read("a", (t, i)),))),
                ),
                {"a": 0, "h": 0},
            ),
            Group((Definition("L", (), (), loss),)),
        ),
        "L",
    )


NET = recurrent()
BACKWARD = backward(NET)
POINT = drawn(NET, {"T": 3, "n": 4, "d": 2}, 1)


def bptt(slip: str = "", dtype: type = float) -> tuple[dict[str, Any], dict[str, Any]]:
    """The loop that everybody writes, with one slip: gradients of parameters, and of h and a."""
    W, U, b, x, y, h0 = (POINT.given[k].astype(dtype) for k in ("W", "U", "b", "x", "y", "h0"))
    hs = {-1: h0}
    for t in range(len(x)):
        hs[t] = np.tanh(W @ x[t] + U @ hs[t - 1] + b)
    dW, dU, db, later = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b), np.zeros_like(h0)
    dhs, das = [], []
    for t in reversed(range(len(x))):
        dh = 2 * (hs[t] - y[t]) + (0 if slip == "truncated" else later)
        if slip == "direct" and t < len(x) - 1:
            dh = later
        da = dh * {"slope": 1, "other slope": hs[t] * (1 - hs[t])}.get(slip, 1 - hs[t] ** 2)
        db += da
        dW += np.outer(da, x[t])
        if not (slip == "first" and t == 0):
            before = hs[t] if slip == "this step" else hs[t - 1]
            dU += np.outer(before, da) if slip == "outer" else np.outer(da, before)
        later = (U if slip == "transposed" else U.T) @ da
        dhs.insert(0, dh)
        das.insert(0, da)
    return {"dW": dW, "dU": dU, "db": db}, {"dh": np.array(dhs), "da": np.array(das)}


def checked(arrays: Mapping[str, Any], **options: Any) -> Any:
    return check_system_arrays({**POINT.given, **arrays}, BACKWARD, **options)


def test_doubles_lie_within_their_bound_of_fifty_digits() -> None:
    """The bound beside each double holds, and is no more than is needed by orders of magnitude."""
    rounded, exact = (evaluated(BACKWARD.system, POINT, kit) for kit in (DOUBLES, DIGITS))
    for name in BACKWARD.system.defining:
        value, error = rounded[name].values.value, rounded[name].values.error
        apart = np.asarray(abs(exact[name].values - value), dtype=float)
        assert (apart <= error * EPS).all(), name
        assert error.max() < 1e4, name


def test_gradients_are_central_differences() -> None:
    """The truth that arrays are compared with is the derivative of the forward pass alone."""
    truth = evaluated(BACKWARD.system, POINT)

    def loss(name: str, array: np.ndarray) -> float:
        return evaluated(NET, Point(POINT.sizes, {**POINT.given, name: array}))["L"].values.value

    for name in ("W", "U", "b", "x", "h0"):
        for at in np.ndindex(POINT.given[name].shape):
            up, down = POINT.given[name].copy(), POINT.given[name].copy()
            up[at] += 1e-5
            down[at] -= 1e-5
            slope = (loss(name, up) - loss(name, down)) / 2e-5
            assert truth[f"∇{name}"].values.value[at] == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("with_states", [False, True])
def test_a_right_pass_is_proved(dtype: type, with_states: bool) -> None:
    """In both precisions, with and without the arrays between."""
    parameters, states = bptt(dtype=dtype)
    report = checked({**parameters, **(states if with_states else {})})
    assert {each.verdict for each in report.arrays} == {Verdict.PROVED}


@pytest.mark.parametrize(
    ("slip", "array", "name"),
    [
        ("truncated", "dh", "truncated-through-time"),
        ("direct", "dh", "missing-direct-term"),
        ("slope", "da", "missing-activation-derivative"),
        ("other slope", "da", "wrong-activation-derivative"),
        ("first", "dU", "missing-time-step"),
        ("this step", "dU", "wrong-time-step"),
        ("outer", "dU", "matrix-layout"),
        ("transposed", "dh", "transposed-weight"),
    ],
)
def test_a_slip_is_named_where_it_is_made(slip: str, array: str, name: str) -> None:
    """With the arrays between the first wrong one is blamed; without them, the mistake is found."""
    parameters, states = bptt(slip)
    whole = checked({**parameters, **states})
    blamed = [each for each in whole.arrays if each.verdict is Verdict.REFUTED]
    assert [(each.name, each.diagnosis[0].name) for each in blamed] == [(array, name)]
    alone = checked(parameters)
    wrong = [each for each in alone.arrays if each.verdict is Verdict.REFUTED]
    assert wrong
    assert {each.diagnosis[0].name for each in wrong} == {name}


def test_signs_numbers_and_shapes() -> None:
    """What can be read off the array: its sign, a number, a missing sum, a transposition."""
    right, _ = bptt()
    report = checked({"dU": -right["dU"], "dW": right["dW"], "db": 2 * right["db"]})
    assert report["dU"].diagnosis[0].name == "sign-flipped"
    assert report["db"].diagnosis[0].name == "constant-factor"
    assert report["dW"].verdict is Verdict.PROVED
    states = bptt()[1]
    unsummed = checked({"db": states["da"], "dW": right["dW"]})
    assert unsummed["db"].diagnosis[0].name == "unsummed-samples"
    turned = checked({"dW": right["dW"].T})
    assert turned["dW"].diagnosis[0].name == "matrix-layout"


def test_one_scale_of_all_gradients_is_a_matter_of_the_loss() -> None:
    """All of them 1/T times as large: right for the mean; strictly it is wrong."""
    right, _ = bptt()
    shared = {name: each / 3 for name, each in right.items()}
    report = checked(shared)
    assert report.verdict is Verdict.CONDITIONAL
    assert {each.diagnosis[0].name for each in report.arrays} == {"average-for-sum"}
    assert checked(shared, strict=True).verdict is Verdict.REFUTED
    assert checked({**right, "dU": right["dU"] / 3})["dU"].diagnosis[0].name == "average-for-sum"


def test_names() -> None:
    """A derivative's mark stands before or after; what fits nothing, or two arrays, is not read."""
    for name in ("dU", "d_U", "dLdU", "dL_dU", "grad_U", "U_grad", "∇U", "gradU", "grads['U']"):
        found = meant(name, NET)
        assert found is not None, name
        assert (found.array, found.is_gradient) == ("U", True), name
    for name in ("dhnext", "mU", "velocity_U", "U_old"):
        assert meant(name, NET) is None, name
    assert meant("hs", NET) == meant("h", NET)


def test_rename_and_what_is_refused() -> None:
    """A name of the author's is renamed; numbers and names that are missing are asked for."""
    right, _ = bptt()
    assert checked({"dWhh": right["dU"]}, rename={"dWhh": "dU"}).verdict is Verdict.PROVED
    with pytest.raises(ArrayError, match="no numbers for"):
        check_system_arrays(right, BACKWARD)
    with pytest.raises(ArrayNameError, match="no array nothing"):
        checked(right, rename={"nothing": "dU"})
    with pytest.raises(ArrayError, match="none of the arrays"):
        checked({"velocity": right["dU"]})
    with pytest.raises(ArrayError, match="expected"):
        check_system_arrays({**POINT.given, "x": np.zeros((3, 5)), **right}, BACKWARD)


@pytest.mark.parametrize("name", ["U", "W", "b", "a", "h"])
def test_no_slip_of_the_table_is_accepted(name: str) -> None:
    """Every slip in a definition gives other numbers, which are refuted, or the truth itself."""
    found = evaluated(BACKWARD.system, POINT)
    definition = BACKWARD.system.defining[f"∇{name}"][-1]
    tried = 0
    for slip in itertools.islice(slips(definition, BACKWARD.system), 0, None, 4):
        try:
            made = evaluated(
                BACKWARD.system, POINT, changed={definition: slip.term}
            )[f"∇{name}"].main(POINT.shape(NET.by_name[name]), DOUBLES).value  # fmt: skip
        except OutsideArray:
            continue
        truth = found[f"∇{name}"].main(made.shape, DOUBLES).value
        verdict = checked({f"d{name}": made})[f"d{name}"].verdict
        assert verdict is (Verdict.PROVED if np.allclose(made, truth, 1e-12) else Verdict.REFUTED)
        tried += 1
    assert tried > 1
    assert len({row.name for row in ROWS}) > 15


@pytest.mark.parametrize("formula", ["sqrt", "exp"])
def test_beside_what_has_no_value_nothing_is_right(formula) -> None:
    """A truth that is NaN or infinite proves no number; the others are judged."""
    truth = Rounded(np.array([0.5, np.nan, 0.25]), np.zeros(3))
    if formula == "exp":
        truth = Rounded(np.array([0.5, np.inf, 0.25]), np.zeros(3))
    assert not agrees(np.array([0.5, 99.0, 0.25]), truth)
    assert compared(np.array([0.5, 99.0, 0.25]), truth).verdict is Verdict.UNDECIDED
    assert compared(np.array([0.5, 99.0, 3.0]), truth).verdict is Verdict.REFUTED
