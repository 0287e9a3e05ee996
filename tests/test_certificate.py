"""The backward pass is proved by forward dual numbers, and a wrong one is refuted.

The proof knows the equations and the catalogue's slopes, and nothing of what derived the adjoints.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import sympy
from sympy import Integer, KroneckerDelta, Sum

import frozen
from symback.engine import calculus, spec
from symback.engine.certificate import WrongAdjoint, certify_adjoints
from symback.engine.derivation import BackwardPass
from symback.engine.graph import Equation, Graph, from_equations, from_network
from symback.engine.matrix import lift
from symback.language.algebra import Product, Sigma, Terms
from symback.language.functions import ACTIVATIONS, LOSSES
from symback.language.names import Role, Variable, index
from test_graph import BUILT
from test_written_slopes import FILES

i, j = index("i"), index("j")


def network(activation: str, loss: str = "squared_error", sizes=("n_0", "n_1", 3)) -> Graph:
    last = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}.get(loss, "tanh")
    layers = [(sizes[1], activation), (sizes[2], last)]
    return from_network(spec.network(sizes[0], layers, loss=loss))


def certified(graph: Graph) -> None:
    found = certify_adjoints(BackwardPass(graph))
    assert not found.undecided
    assert len(found.quantities) == len(BackwardPass(graph).adjoints)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_of_the_catalogue_is_proved(activation):
    certified(network(activation))


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_of_the_catalogue_is_proved(loss):
    certified(network("sigmoid", loss))


@pytest.mark.parametrize("seed", range(3, 200, 40))
def test_random_networks_are_proved(seed):
    """Batches, own functions, symbolic widths."""
    certified(frozen.network(seed).backward.graph)


@pytest.mark.parametrize("name", BUILT)
def test_what_is_held_is_proved(name):
    certified(BUILT[name]())


@pytest.mark.parametrize("name", FILES)
def test_scalar_files_are_proved(name):
    certified(from_equations(spec.equations(FILES[name])))


def test_wide_layers_are_proved_at_small_widths():
    """784 inputs become a few, since no index is a number."""
    found = certify_adjoints(BackwardPass(network("relu", sizes=(784, 300, 10))))
    assert not found.undecided
    assert dict(found.sizes)[Integer(784)] < 10


def test_a_width_is_kept_where_an_index_is_a_number():
    """Of x[90] there is no small version; a graph too large for that is said to be undecided."""
    x, L = Variable("x", Role.LEAF, None, (Integer(90),)), Variable("L", Role.LOSS)
    body = Sigma(x.at(i) ** 2, (i, 1, Integer(90))) * x.at(90)
    assert certify_adjoints(BackwardPass(Graph((Equation(L, (), body),), (x, L), L))).sizes == ()
    wide = Variable("x", Role.LEAF, None, (Integer(9000),))
    graph = Graph((Equation(L, (), wide.at(9000) ** 2),), (wide, L), L)
    ((name, why),) = certify_adjoints(BackwardPass(graph)).undecided
    assert name == "x"
    assert "more elements" in why


def changes(result: sympy.Expr) -> dict[str, sympy.Expr]:
    """Some ways of getting a derivative wrong."""
    found = {"sign": Product(Integer(-1), result), "twice": Product(Integer(2), result)}
    found["one more"] = Terms(result, Integer(1))
    parts = result.args if isinstance(result, (Product, sympy.Mul, Terms, sympy.Add)) else ()
    for k, part in enumerate(parts):
        if part != 1:
            found[f"lost {k}"] = type(result)(*parts[:k], *parts[k + 1 :])
    for delta in result.atoms(KroneckerDelta):
        found["lost delta"] = result.xreplace({delta: Integer(1)})
    if isinstance(result, Sum) and result.limits[0][2] != 1:
        found["first term only"] = result.function.xreplace({result.limits[0][0]: Integer(1)})
    squares = {p: p.base for p in result.atoms(sympy.Pow) if p.exp == 2}
    if squares:
        found["lost power"] = result.xreplace(squares)
    return found


@pytest.mark.parametrize(
    "graph",
    [
        network("sigmoid", "cross_entropy"), network("softmax"), network("relu", "huber"),
        from_equations(spec.equations(FILES["LSTM"])),
        from_equations(spec.equations(FILES["layer norm"])),
        BUILT["normalised"](), BUILT["diagonal"](), BUILT["tied"](),
    ],
)  # fmt: skip
def test_every_change_of_an_adjoint_is_refuted(graph):
    """A sign, a number, a lost factor, term, sum, delta or power, in whichever deduction.

    Of a normalisation by its mean a term may be lost: Σ (x - m) is 0.
    """
    backward, missed, count = BackwardPass(graph), set(), 0
    for variable, deduction in [*backward.adjoints.items()]:
        for name, wrong in changes(deduction.result).items():
            step = replace(deduction.steps[-1], rhs=wrong)
            backward.adjoints[variable] = replace(deduction, steps=(*deduction.steps[:-1], step))
            count += 1
            try:
                certify_adjoints(backward)
            except WrongAdjoint:
                pass
            else:
                missed.add((variable.name, name.split()[0]))
        backward.adjoints[variable] = deduction
    assert missed <= {("m", "lost"), ("mu", "lost")}
    assert count > 20


def test_a_wrong_contraction_is_refuted(monkeypatch):
    """Σ_m f(m) δ(m, q) = f(q) made 2 f(q): the matrix form's own certificate says so."""
    right = calculus._contract

    def wrong(term):
        done = right(term)
        return replace(done, coefficient=2 * done.coefficient) if done != term else done

    assert lift(BackwardPass(BUILT["tied"]())).certify().entries
    monkeypatch.setattr(calculus, "_contract", wrong)
    with pytest.raises(WrongAdjoint, match="as derived is not the derivative of L"):
        lift(BackwardPass(BUILT["tied"]())).certify()


def test_a_wrong_local_derivative_is_refuted(monkeypatch):
    """Of an equation that nothing is declared for."""
    right = calculus._differentiate

    def wrong(expr, parent, at):
        return [replace(term, coefficient=-term.coefficient) for term in right(expr, parent, at)]

    monkeypatch.setattr(calculus, "_differentiate", wrong)
    with pytest.raises(WrongAdjoint):
        certify_adjoints(BackwardPass(BUILT["residual"]()))


def test_a_fact_that_does_not_hold_is_not_proved():
    """With Σ y = 1 the adjoint is ŷ - y; without it, that is wrong."""
    graph = network("sigmoid", "cross_entropy")
    backward = BackwardPass(graph)
    certify_adjoints(backward)
    backward.graph = replace(graph, facts=())
    with pytest.raises(WrongAdjoint):
        certify_adjoints(backward)
