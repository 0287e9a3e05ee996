"""What symback derived becomes the same thing as nodes."""

from __future__ import annotations

import pytest
import sympy

import symback as sb
from symback.checking.conversion import Inexpressible, element_of, to_node
from symback.checking.judge import Judge
from symback.language.expressions import LOSS, Derivative, Element, Index, walk
from symback.language.functions import ACTIVATIONS, LOSSES
from symback.language.names import elements

LAYERS = [(3, "tanh"), (2, "sigmoid"), (2, "softmax")]


def judged(work, name):
    """The residues of the derivation's expression, and those of the claim ∂L/∂name itself."""
    judge = Judge(work)
    reference = work.reference(name)
    claim = Derivative(LOSS, element_of(reference.variable, reference.indices))
    expr = to_node(work.derive(name).expr, work.graph)
    return judge.value(expr), judge.value(claim)


@pytest.mark.parametrize("name", ["w_132", "b_22", "w_312", "x_1", "h_12", "a_21"])
@pytest.mark.parametrize("loss", ["squared_error", "binary_cross_entropy"])
def test_a_derivation_is_the_same_function_as_a_node(name, loss):
    """`Derivation.expr`, read as nodes, has the residues of ∂L/∂name."""
    left, right = judged(sb.Network(2, LAYERS, loss=loss), name)
    assert left == right


def test_every_step_of_a_derivation_has_the_value_of_its_left_side():
    """Chains, sums with Σ, bracketed forms: each right-hand side is a node of the same value."""
    net = sb.Network(2, [(3, "silu"), (3, "softmax")], loss="squared_error")
    judge = Judge(net)
    claim = judge.value(Derivative(LOSS, Element("w", tuple(Index("", k) for k in (1, 2, 1)))))
    derivation = net.derive("w_121")
    assert len(derivation.steps) >= 3
    for step in derivation.steps:
        assert judge.value(to_node(step.rhs, net.graph)) == claim
    assert judge.value(to_node(derivation.folded, net.graph)) == claim


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("loss", LOSSES)
def test_every_function_of_the_catalogue_has_a_node(activation, loss):
    """Equations and local derivatives, raw and rewritten, all convert."""
    net = sb.Network(2, [(3, activation), (2, "softmax")], loss=loss)
    for equation in net.graph.equations:
        to_node(equation.rhs, net.graph)
    for local in net.backward.derivatives.values():
        for expr in (local.raw, local.form, local.name):
            to_node(expr, net.graph)


def test_names_with_indices_of_two_digits_are_read_back():
    """The plain symbols of an unrolled derivation name the element that they stand for."""
    net = sb.Network(11, [(12, "tanh"), (2, "softmax")], loss="squared_error")
    for variable in net.graph.variables:
        for reference in elements(variable):
            symbol = net.backward.scalar(variable, reference.indices)
            expected = element_of(variable, reference.indices)
            assert to_node(symbol, net.graph) == expected


def test_stages_are_elements_of_their_own_name():
    """S1: dL/dw = 2 s x."""
    net = sb.equations({"yhat": "w*x", "s": "yhat - y", "L": "s**2"})
    judge = Judge(net)
    derived = judge.value(to_node(net.derive("w").expr, net.graph))
    assert derived == judge.value(Derivative(Element("L"), Element("w")))


def test_what_has_no_node_is_said():
    """A function the checker does not know."""
    z = sympy.Symbol("z", real=True)
    with pytest.raises(Inexpressible, match="no node for besselj"):
        to_node(sympy.besselj(1, z), None)


def test_elements_of_a_batch_name_their_sample():
    """a_1i^(s) = b_1i + Σ_j w_1ij x_j^(s): the samples share what has no s."""
    values = {"x": [[1.0], [2.0]], "y": [[0.0], [1.0]]}
    net = sb.Network(1, [(1, "sigmoid")], loss="squared_error", values=values)
    node = to_node(net.graph.equations[0].rhs, net.graph)
    samples = {part.letter: part.sample for part in walk(node) if isinstance(part, Element)}
    assert samples == {"x": Index("s"), "w": None, "b": None}


def test_symbolic_widths_stay_letters():
    """A mean over n outputs divides by the width of the last layer."""
    layers = [("n_1", "tanh"), ("n_2", "softmax")]
    net = sb.Network("n_0", layers, loss="squared_error", over_outputs="mean")
    node = to_node(net.graph.equations[-1].rhs, net.graph)
    assert "width=True" in repr(node)
