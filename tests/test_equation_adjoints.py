"""Adjoints of equations in index notation are right, and stand as one would write them."""

from copy import deepcopy
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import plain
import systems
from symback.engine.derivation import Rule
from symback.equations.adjoints import backward
from symback.equations.elements import Elements
from symback.equations.reading import from_text
from symback.equations.second import DIRECTION, FIRST, hessian_product, mixed
from symback.equations.system import Kind, KnownSum, needed
from symback.equations.terms import Read, walk
from symback.equations.writing import text
from symback.network import EquationNetwork

each_kind = pytest.mark.parametrize("kind", systems.KINDS)


def numbers_of(system):
    """The values of a file as nested lists of floats, of whole numbers for indices."""

    def nested(value, kind):
        if isinstance(value, tuple | list):
            return [nested(each, kind) for each in value]
        return int(value) if kind is Kind.DATA else float(value)

    return {name: nested(each, system.by_name[name].kind) for name, each in system.values.items()}


def given_names(system):
    return [q.name for q in system.quantities if q.kind in (Kind.PARAMETER, Kind.INPUT)]


def said(system, name, position=-1):
    """The last line for an adjoint, or another."""
    both = backward(system)
    (*_, deduction) = both.adjoints[name]
    return text(both.system).write(deduction.steps[position].term)


@each_kind
def test_adjoints_are_central_differences(kind):
    """By every element of everything that is given, evaluated by an evaluator of its own."""
    system = systems.system(kind)
    wrong, count = plain.disagreements(
        backward(system), numbers_of(system), given_names(system)
    )  # fmt: skip
    assert count
    assert not wrong


@each_kind
def test_every_line_of_a_derivation_has_the_same_value(kind):
    """Each step but the first, which has names only, at every element."""
    system = systems.system(kind)
    both = backward(system)
    values = plain.Values(both.system, numbers_of(system))
    for deductions in both.adjoints.values():
        for deduction in deductions:
            for letters in values.letters_of(deduction.definition):
                lines = (step.term for step in deduction.steps if step.rule is not Rule.CHAIN)
                first, *others = (values.value(line, letters) for line in lines)
                assert all(other == pytest.approx(first, abs=1e-9) for other in others)


@pytest.mark.parametrize("kind", ["rnn", "gru", "batch_norm", "conv1d", "embedding", "where_index"])
def test_second_derivatives_are_central_differences_of_adjoints(kind):
    system = systems.system(kind)
    first = backward(system)
    parameter = system.parameters[0]
    twice = mixed(first, parameter.name, (1,) * len(parameter.shape))
    names = [each.name for each in system.parameters]
    wrong, count = plain.disagreements(twice, numbers_of(system), names)
    assert count
    assert not wrong


def test_a_hessian_times_a_vector():
    """By central differences of Σ ∇θ·v."""
    system = systems.system("rnn")
    product = hessian_product(backward(system))
    names = [each.name for each in system.parameters]
    given = numbers_of(system)
    given |= {DIRECTION.format(name): deepcopy(given[name]) for name in names}
    wrong, count = plain.disagreements(product, given, names)
    assert count
    assert not wrong
    assert product.forward.target == FIRST


def test_the_rnn_as_a_lecturer_writes_it():
    system = systems.system("rnn")
    assert said(system, "U") == "Σ_{t=1..T} ∂L/∂a[t]_i · h[t-1]_j"
    assert said(system, "a") == "∂L/∂h[t]_i · (1 - h[t]_i^2)"
    both = backward(system)
    base, main = both.adjoints["h"]
    assert text(both.system).equation(base.definition) == (
        "∂L/∂h[0]_i = Σ_{j=1..n} ∂L/∂a[1]_j · U_ji"
    )
    assert "1[t < T]" in text(both.system).equation(main.definition)


LINE = """
S[t,k] = sum(j, W[k,j]*x[t,j])
P[t,k] = softmax(k, S[t,k])
"""
ROWS = {"sizes": {"T": "T", "K": "K", "n": "n"}, "parameters": {"W": ["K", "n"]}}


def test_softmax_with_cross_entropy_leaves_the_difference():
    """By substitution, and by a fact that is named; without the fact the sum stays."""
    inputs = {"x": ["T", "n"], "y": ["T", "K"]}
    system = from_text(
        LINE + "L = -sum(t, sum(k, y[t,k]*log(P[t,k])))", inputs=inputs, **ROWS
    )  # fmt: skip
    assert "Σ" in said(system, "S")
    known = KnownSum("y", Fraction(1), "the target is a distribution")
    deduction = backward(with_facts(system, known)).adjoints["S"][0]
    rules = [step.rule for step in deduction.steps]
    assert Rule.SUBSTITUTE in rules
    assert Rule.CANCEL in rules
    assert Rule.FACT in rules
    final = deduction.steps[-1].term
    assert {part.array for part in walk(final) if isinstance(part, Read)} == {"P", "y"}
    assert any("distribution" in step.because for step in deduction.steps)


def with_facts(system, *facts):
    return replace(system, facts=facts)


def test_labels_need_no_fact():
    """Σ_k [lab_t = k] is 1 since a label is one of the classes."""
    system = from_text(
        LINE + "L = -mean(t, log(P[t,lab[t]]))",
        inputs={"x": ["T", "n"]},
        indices={"lab": {"shape": ["T"], "below": "K"}},
        **ROWS,
    )
    final = backward(system).adjoints["S"][0].steps[-1].term
    assert {part.array for part in walk(final) if isinstance(part, Read)} == {"P"}


def test_a_gather_becomes_a_scatter():
    system = systems.system("embedding")
    assert "tok" in said(system, "E")


def test_only_what_is_needed_is_kept():
    both = backward(systems.system("rnn"))
    kept = needed(both.system, ["∇b"])
    names = {definition.name for definition in kept.definitions}
    assert "∇b" in names
    assert not names & {"∇W", "∇U", "∇x"}


def test_second_derivatives_are_symmetric():
    """∂²L/∂u∂v is ∂²L/∂v∂u, and an entry of H v for a unit vector v."""
    network = EquationNetwork(systems.system("rnn"))
    one, other = network.derive("W[1,2]", "U[2,1]"), network.derive("U[2,1]", "W[1,2]")
    assert one.value == pytest.approx(other.value, rel=1e-14)
    arrays = {name: np.array(each) for name, each in numbers_of(network.system).items()}
    parameters = {name: arrays[name] for name in ("W", "U", "b")}
    unit = {name: np.zeros_like(array) for name, array in parameters.items()}
    unit["U"][1, 0] = 1
    product = network.hvp()(parameters, {name: arrays[name] for name in ("x", "y", "h0")}, unit)
    assert product["W"][0, 1] == pytest.approx(one.value, rel=1e-13)


def test_an_adjoint_of_an_adjoint_is_written_in_parentheses():
    said = EquationNetwork(systems.system("rnn")).derive("W[1,1]", "U[1,2]").text()
    assert "∂G/∂(∂L/∂U_ij)" in said


def test_what_an_index_equals_is_not_put_where_its_letter_is_bound_again():
    """∂L/∂U[i] of max(q, U[2q-1]) has 2q-1 = i, and the largest is still sought among U[2q-1]."""
    found = from_text(
        "L = max(q, U[2*q-1])",
        sizes={"n": 1, "m": 2},
        parameters={"U": ["n"]},
        ranges={"q": "m"},
        pad={"U": 1},
        values={"U": [0.5]},  # the padding is larger
    )
    assert [float(each) for each in Elements(backward(found).system).array("∇U")] == [0.0]
