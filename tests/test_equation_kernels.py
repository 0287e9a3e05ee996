"""Kernels of networks written as equations: arrays as fast as by hand, equal to the elements.

Referees: every element at 50 digits (`symback.equations.elements`), which shares no line with the
kernels, and JAX's own derivative of the forward pass.
"""

from fractions import Fraction

import jax
import numpy as np
import pytest

from symback.equations.adjoints import backward
from symback.equations.elements import Elements
from symback.equations.indices import Range, letter, number
from symback.equations.system import Definition, Group, Kind, Quantity, System
from symback.equations.terms import (
    Binder,
    Call,
    Number,
    Read,
    negative,
    power,
    product,
    total,
)
from symback.kernels import KernelError
from symback.kernels.programs import system_kernel, system_source

jax.config.update("jax_enable_x64", True)


def recurrence() -> System:
    """The recurrent network of the contract, at symbolic sizes."""
    t, i, j = letter("t"), letter("i"), letter("j")
    steps, units, inputs = letter("T"), letter("n"), letter("d")
    over_t, over_i = Range("t", steps), Range("i", units)

    def summed(over: Range, body):
        return Binder("sum", over, (), body)

    a = total(
        [
            summed(Range("j", inputs), product([Read("W", (i, j)), Read("x", (t, j))])),
            summed(Range("j", units), product([Read("U", (i, j)), Read("h", (t - number(1), j))])),
            Read("b", (i,)),
        ]
    )
    error = total([Read("h", (t, i)), negative(Read("y", (t, i)))])
    loss = summed(over_t, summed(over_i, power(error, Number(Fraction(2)))))
    return System(
        {"T": None, "n": None, "d": None},
        (
            Quantity("W", Kind.PARAMETER, (units, inputs)),
            Quantity("U", Kind.PARAMETER, (units, units)),
            Quantity("b", Kind.PARAMETER, (units,)),
            Quantity("x", Kind.INPUT, (steps, inputs)),
            Quantity("y", Kind.INPUT, (steps, units)),
            Quantity("h0", Kind.INPUT, (units,)),
            Quantity("a", Kind.COMPUTED, (steps, units)),
            Quantity("h", Kind.COMPUTED, (steps, units)),
            Quantity("L", Kind.COMPUTED),
        ),
        (
            Group((Definition("h", (number(0), i), (over_i,), Read("h0", (i,))),)),
            Group(
                (
                    Definition("a", (t, i), (over_t, over_i), a),
                    Definition("h", (t, i), (over_t, over_i), Call("tanh", (Read("a", (t, i)),))),
                ),
                {"a": 0, "h": 0},
            ),
            Group((Definition("L", (), (), loss),)),
        ),
        "L",
    )


def drawn(steps: int, units: int, inputs: int, seed: int = 0):
    """Parameters and inputs of the recurrent network."""
    chance = np.random.default_rng(seed)
    params = {"W": (units, inputs), "U": (units, units), "b": (units,)}
    data = {"x": (steps, inputs), "y": (steps, units), "h0": (units,)}
    return (
        {name: chance.normal(size=shape) for name, shape in params.items()},
        {name: chance.normal(size=shape) for name, shape in data.items()},
    )


@pytest.mark.parametrize("sizes", [(1, 1, 1), (1, 3, 2), (5, 3, 2)])
def test_a_recurrence_is_its_elements(sizes):
    """Loss and gradients are those of the elements at 50 digits, also where T = 1."""
    derived = backward(recurrence())
    params, data = drawn(*sizes)
    loss, gradients = system_kernel(derived)(params, data)
    given = {name: array.tolist() for name, array in (params | data).items()}
    exact = Elements(derived.system, given)
    assert loss == pytest.approx(float(exact.loss), rel=1e-14)
    for name, found in gradients.items():
        wanted = np.array(exact.array(f"∇{name}"), dtype=float)
        np.testing.assert_allclose(found, wanted, rtol=1e-13, atol=1e-14)


def test_jax_compiles_it_and_agrees():
    """JAX's derivative of its own forward pass, its kernel under jit, and NumPy's are equal."""
    derived = backward(recurrence())
    params, data = drawn(5, 3, 2)
    pure = system_kernel(derived, backend="jax")
    loss, gradients = jax.jit(pure.function)(params, data)
    own = jax.grad(lambda given: pure(given, data)[0])(params)
    loss_of_numpy, of_numpy = system_kernel(derived)(params, data)
    assert float(loss) == pytest.approx(loss_of_numpy, rel=1e-14)
    for name in params:
        np.testing.assert_allclose(gradients[name], own[name], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(gradients[name], of_numpy[name], rtol=1e-12, atol=1e-14)


def test_torch_is_written():
    """PyTorch's source is Python, and names no other engine."""
    source = system_source(backward(recurrence()), backend="torch")
    compile(source, "torch", "exec")
    assert "import torch" in source
    assert "np." not in source


def test_arguments_are_said_when_wrong():
    """A missing, unknown or misshapen argument is named, with what was expected."""
    kernel = system_kernel(backward(recurrence()))
    params, data = drawn(5, 3, 2)
    with pytest.raises(KernelError, match=r"params: b missing; expected W, U, b"):
        kernel({"W": params["W"], "U": params["U"]}, data)
    with pytest.raises(KernelError, match=r"U has shape \(3, 2\); expected \(3, 3\)"):
        kernel(params | {"U": params["W"]}, data)
    with pytest.raises(KernelError, match="x holds nan at"):
        kernel(params, data | {"x": np.full((5, 2), np.nan)})
    with pytest.raises(KernelError, match="1 inputs given; expected x, y, h0"):
        kernel(params, data["x"])
