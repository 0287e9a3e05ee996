"""Whatever the grammar of equations allows: read, evaluated two ways, differentiated two ways."""

from dataclasses import replace

import pytest

import plain
import wild
from symback.equations.adjoints import backward
from symback.equations.elements import Elements
from symback.equations.reading import from_tables
from symback.equations.system import adjoint_name
from symback.language.tables import SpecError
from symback.network import EquationNetwork
from systems import drawn

STEP = 1e-5
CHECKED = 3  # elements of each parameter


def read(seed):
    """The system of a seed with its numbers; None where the loss has no parameter."""
    try:
        found = from_tables(wild.tables(seed), f"{seed}.toml")
    except SpecError as error:
        if "depends on no parameter" not in error.message:
            raise
        return None
    values = drawn(found, seed)
    plain_ones = {
        name: value if found.by_name[name].below else as_floats(value)
        for name, value in values.items()
    }
    return replace(found, values=plain_ones)


def as_floats(nested):
    """Nested tuples of floats: a comparison of 1.05 with 21/20 would not be that of one kind."""
    return tuple(map(as_floats, nested)) if isinstance(nested, tuple) else float(nested)


def elements(nested, at=()):
    """The places of nested tuples, from 0, and what stands there."""
    if not isinstance(nested, tuple):
        yield at, nested
        return
    for k, each in enumerate(nested):
        yield from elements(each, (*at, k))


def changed(nested, at, by):
    """The same with one number changed."""
    if not at:
        return nested + by
    first, *rest = at
    return (*nested[:first], changed(nested[first], rest, by), *nested[first + 1 :])


def slopes(found, name, at):
    """The difference quotients of the loss: to the left, to the right, and a finer central one."""
    loss = [
        plain.Values(
            found, {**found.values, name: changed(found.values[name], at, by * STEP)}
        ).element("L")
        for by in (-1, -0.5, 0, 0.5, 1)
    ]
    return (loss[2] - loss[0]) / STEP, (loss[4] - loss[2]) / STEP, (loss[3] - loss[1]) / STEP


@pytest.mark.parametrize("start", range(0, 60, 10))
def test_gradients_are_difference_quotients(start):
    """The loss by two evaluators, and its adjoints against differences, save at kinks."""
    compared = 0
    for seed in range(start, start + 10):
        found = read(seed)
        if found is None:
            continue
        loss = float(Elements(found).loss)
        assert plain.Values(found, found.values).element("L") == pytest.approx(loss, rel=1e-9)
        both = backward(found).system
        numbers = Elements(both, found.values)
        for quantity in found.parameters:
            if adjoint_name(quantity.name) not in both.by_name:
                continue
            gradient = numbers.array(adjoint_name(quantity.name))
            for at, value in list(elements(gradient))[:CHECKED]:
                left, right, central = slopes(found, quantity.name, at)
                tolerance = 1e-5 * (1 + abs(central) + abs(loss))
                if abs(left - right) < 100 * tolerance:
                    compared += 1
                    assert value == pytest.approx(central, abs=tolerance), (seed, quantity.name, at)
    assert compared > 20


def test_each_construct_is_drawn():
    """The files hold padding, look-ups, both directions, base cases, and every binder."""
    systems = [each for each in map(read, range(60)) if each is not None]
    text = str([each.definitions for each in systems])
    for word in ("softmax", "logsumexp", "mean", "max", "min", "Lookup", "Given", "Where"):
        assert word in text
    recurrences = [g for each in systems for g in each.groups if g.is_recurrence]
    assert {group.forward for group in recurrences} == {True, False}
    assert any(each.is_base for found in systems for each in found.definitions)
    assert any(quantity.pad is not None for found in systems for quantity in found.quantities)


@pytest.mark.parametrize("seed", [17, 23, 25, 26, 36])
def test_wild_equations_have_a_matrix_form_a_kernel_and_a_sheet(seed):
    """What has no matrix form says so; nothing that a file may say crashes a printer."""
    network = EquationNetwork(read(seed))
    form = network.matrix_form()
    assert form.text()
    assert all(error.reason for error in form.missing.values())
    assert network.kernel().source
    assert network.sheet("md")
