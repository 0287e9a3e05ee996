"""An activation or a loss taken apart into elementary operations, as one does it at the board.

`take_apart` gives the stages of a catalogue formula (A1 = -z, A2 = e^{A1}, …) as equations, with
the derivation of its derivative along them.  `softmax_apart` does the same in index notation for
the one function of the catalogue that couples its values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from sympy import Expr, KroneckerDelta, exp

from symback.engine import spec
from symback.engine.calculus import LocalDerivative, local_derivative
from symback.engine.derivation import BackwardPass, Derivation, derive
from symback.engine.graph import Equation, Graph, from_equations
from symback.language.algebra import Product, Sigma, Terms, collapse
from symback.language.functions import Activation, Loss
from symback.language.names import Role, Variable, index, read_reference

__all__ = ["SoftMaxApart", "softmax_apart", "take_apart"]


@cache
def take_apart(row: Activation | Loss) -> Derivation | None:
    """The derivative of a catalogue function along its elementary stages; None if it has only one.

    An activation h is derived by z, one output's term l of a loss by yhat.
    """
    name, by = ("h", "z") if isinstance(row, Activation) else ("l", "yhat")
    if "where" in row.formula or "max" in row.formula or "abs" in row.formula:
        return None
    equations = spec.equations({name: row.formula})
    graph = from_equations(equations)
    if len(graph.equations) < 2:
        return None
    return derive(BackwardPass(graph), read_reference(by, graph.variables))


@dataclass(frozen=True, slots=True)
class SoftMaxApart:
    """e_i = exp(a_i), S = Σ_m e_m, ŷ_i = e_i/S, and ∂ŷ_j/∂a_i along the two ways through them."""

    graph: Graph
    derivatives: tuple[LocalDerivative, ...]
    along: Expr
    result: Expr


def softmax_apart(equation: Equation, whole: LocalDerivative) -> SoftMaxApart:
    """The softmax of ``equation`` (whose derivative is ``whole``) in elementary steps.

    ∂h_j/∂a_i = ∂h_j/∂e_j · ∂e_j/∂a_i [i = j] + ∂h_j/∂S · ∂S/∂e_i · ∂e_i/∂a_i.
    """
    i, m = index("i"), index("m")
    h, a = equation.variable, whole.parent
    size = h.shape[-1]
    sample = a.indices[: a.batched]
    shape = (*a.shape[: a.batched], size)
    e = Variable("e", Role.STAGE, None, shape, a.batched)
    total = Variable("S", Role.STAGE, None, shape[: a.batched], a.batched)
    stages = (
        Equation(e, (*sample, i), exp(a.at(*sample, i))),
        Equation(total, sample, Sigma(e.at(*sample, m), (m, 1, size))),
        Equation(h, (*sample, i), e.at(*sample, i) / total.at(*sample)),
    )
    graph = Graph(stages, (a, e, total, h), h)
    e_by_a = local_derivative(stages[0], a)
    s_by_e = local_derivative(stages[1], e)
    h_by_e = replace(local_derivative(stages[2], e), held=(total,))  # S follows e as well
    h_by_s = local_derivative(stages[2], total)
    (j,) = whole.child_indices[whole.child.batched :]
    own = whole.parent_indices[whole.parent.batched :]
    at_j, at_i = (*sample, j), (*sample, *own)
    along = Terms(
        Product(KroneckerDelta(own[0], j), h_by_e.at(at_i, at_i), e_by_a.at(at_i, at_i)),
        Product(h_by_s.at(at_j, sample), s_by_e.at(sample, at_i), e_by_a.at(at_i, at_i)),
    )
    return SoftMaxApart(graph, (e_by_a, s_by_e, h_by_e, h_by_s), along, collapse(whole.form))
