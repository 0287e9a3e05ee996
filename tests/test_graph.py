"""A graph says of itself what it cannot be; what it accepts is differentiated rightly.

Each of the equations that are refused here was once differentiated as if it were another, without a
word.  The graphs are built by hand, since no front end writes such equations.
"""

from __future__ import annotations

import random

import mpmath
import numpy as np
import pytest
import sympy
from sympy import Expr, Integer, Symbol, exp, sqrt, tanh

from symback.engine.arithmetics import FLOATS
from symback.engine.derivation import BackwardPass, derive
from symback.engine.evaluation import Evaluator, Numbers
from symback.engine.graph import Equation, Graph, IllFormed
from symback.language.algebra import Partial, Product, Sigma
from symback.language.names import SAMPLE, Reference, Role, Variable, elements, index
from symback.language.writing import Latex, Text

i, j, t, u = map(index, "ijtu")
N = Integer(3)
n = Symbol("n", integer=True, positive=True)
w = Variable("w", Role.LEAF)
x, v = (Variable(name, Role.LEAF, None, (N,)) for name in "xv")
S = Variable("S", Role.LEAF, None, (N, N))
z, h, r = (Variable(name, Role.STAGE, None, (N,)) for name in "zhr")
P = Variable("P", Role.STAGE, None, (N, N))
q = Variable("q", Role.STAGE)
L = Variable("L", Role.LOSS)


def graph(*equations: Equation, target: Variable = L, **known) -> Graph:
    """Put equations together; what they read and do not compute comes first."""
    computed = [equation.variable for equation in equations]
    leaves = [w, x, v, S]
    return Graph(equations, (*leaves, *computed), target, **known)


def loss(body: Expr) -> Equation:
    return Equation(L, (), body)


def total(body: Expr, letter: Symbol = i, upper: Expr = N) -> Expr:
    return Sigma(body, (letter, 1, upper))


# ------------------------------------------------------------------------------ what is refused

REFUSED = {
    # ∂L/∂x_1 = 2 v_1 x_1 came out, and a certificate
    "a part of a sum": ([loss(Sigma(v.at(i) * x.at(i) ** 2, (i, 2, N)))], "Σ over i runs from 2"),
    "a sum cut short": ([loss(total(x.at(i), upper=Integer(2)))], "i runs from 1 to 2.*numbers 3"),
    "a sum too long": ([loss(total(x.at(i), upper=Integer(4)))], "i runs from 1 to 4.*numbers 3"),
    "a sum to a letter": ([loss(total(x.at(i), upper=n))], "n is no size here"),
    # every S[t, u] had a slope, also those above the diagonal
    "a causal softmax": (
        [
            Equation(P, (t, u), exp(S.at(t, u)) / Sigma(exp(S.at(t, j)), (j, 1, t))),
            loss(total(total(P.at(t, u), t), u)),
        ],
        r"j runs to t, which depends on an index.*if u <= t.*network as equations",
    ),
    # the recurrence was lost, and h "certified"
    "a recurrence": (
        [Equation(h, (t,), tanh(w.at() * h.at(t - 1) + x.at(t))), loss(total(h.at(i)))],
        "reads h itself; recurrences.*network as equations",
    ),
    "a quantity in its own equation": ([Equation(q, (), q.at() * w.at()), loss(q.at())], "itself"),
    "a shifted index": ([loss(total(x.at(i) * v.at(i + 1)))], r"index i \+ 1; expected a letter"),
    "twice an index": ([loss(total(x.at(2 * i)))], r"has the index 2\*i"),
    "an index above its range": ([loss(x.at(4))], "outside: its index runs from 1 to 3"),
    "index 0": ([loss(x.at(0))], "outside: its index runs from 1 to 3"),
    "a stray index": ([loss(x.at(j))], "neither one of the left side nor bound"),
    "an index bound twice": (
        # Σ_i (x_i Σ_i v_i) lost the outer sum
        [loss(total(x.at(i) * total(v.at(i))))],
        "i of a Σ is in use outside it",
    ),
    "two limits in one Σ": (
        # all but the first were forgotten
        [loss(sympy.Sum(S.at(i, j), (i, 1, N), (j, 1, N)))],
        "one Σ binds i, j",
    ),
    "an index as a number": ([loss(total(i * x.at(i)))], "i stands for a number"),
    "a condition on an index": (
        [loss(total(sympy.Piecewise((x.at(i), i < 2), (0, True))))],
        "i stands for a number",
    ),
    "an unknown name": ([loss(w.at() * Symbol("W", real=True))], "W is not a quantity.*it has"),
    "an array by its name alone": ([loss(Symbol("x", real=True) * w.at())], "x is an array"),
    "a missing index": (
        [loss(total(sympy.IndexedBase("S", real=True)[i]))],
        "has 1 indices; expected 2",
    ),
    "an equation for too few indices": (
        [Equation(z, (), w.at()), loss(total(z.at(i)))],
        "z has 1 indices, and the equation is given for 0",
    ),
    "a slope that is not carried out": ([loss(sympy.Derivative(x.at(1), x.at(1)))], "Derivative"),
    "a slope by its name": ([loss(Partial(x.at(1), x.at(1)))], "is a Partial; expected sums"),
    "a function that is only a name": ([loss(sympy.Function("f")(w.at()))], r"f\(w\) is a f"),
    "a maximum with half a slope": ([loss(sympy.Max(0, w.at()))], "is a Max"),
    "a sign": ([loss(sympy.sign(w.at()))], "is a sign"),
    "an integral": ([loss(sympy.Integral(w.at(), (w.at(), 0, 1)))], "is a Integral"),
    "an equation before its time": ([loss(q.at()), Equation(q, (), w.at())], "reads q, which is"),
    "two equations for one": (
        [Equation(q, (), w.at()), Equation(q, (), w.at()), loss(q.at())],
        "q is listed twice among the quantities",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_be_differentiated_as_something_else_is_refused(case):
    """The message names the equation, what was given and what was expected."""
    equations, message = REFUSED[case]
    with pytest.raises(IllFormed, match=message) as caught:
        graph(*equations)
    assert equations[0].variable.name in caught.value.message


def test_a_symbolic_width_has_a_first_element_and_no_certain_second():
    """Whether x[2] is there, nobody knows of x[1..n]; x[1] is."""
    wide = Variable("x", Role.LEAF, None, (n,))
    Graph((loss(wide.at(1)),), (wide, L), L)
    with pytest.raises(IllFormed, match="outside: its index runs from 1 to n"):
        Graph((loss(wide.at(2)),), (wide, L), L)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ((w, w), "w is listed twice among the quantities"),
        ((Variable("W1", Role.WEIGHT, 1, (N, N)), Variable("W_1", Role.LEAF)), "are called W_1"),
        ((x, Variable("x_2", Role.LEAF)), "both printed as x_2"),
        ((x, Variable("x2", Role.LEAF)), "both printed as x_2"),
        ((Variable("a1", Role.PREACTIVATION, 1, (N,)), Variable("a", Role.LEAF, None, (N, N))),
         "both printed as a_1,1"),
        ((S, Variable("S_13", Role.LEAF)), "both printed as S_13"),
        ((Variable("n", Role.LEAF), Variable("x", Role.LEAF, None, (n,))), "n is a size and"),
    ],
)  # fmt: skip
def test_no_two_things_are_called_or_printed_alike(variables, message):
    """w_112 must be one thing."""
    with pytest.raises(IllFormed, match=message):
        Graph((), variables, variables[0])


@pytest.mark.parametrize(
    "variables",
    [
        (x, Variable("x_4", Role.LEAF)),
        (S, Variable("S_14", Role.LEAF), Variable("S_1", Role.LEAF)),
        (Variable("a1", Role.PREACTIVATION, 1, (N,)), Variable("a2", Role.PREACTIVATION, 2, (N,))),
        (Variable("b1", Role.BIAS, 1), Variable("b2", Role.BIAS, 2)),
        (Variable("E", Role.LOSS, None, (N,), batched=True), L),
    ],
)
def test_names_that_only_look_alike_are_accepted(variables):
    """There is no x_4 among x_1, x_2, x_3."""
    Graph((), variables, variables[0])


def test_an_index_and_a_quantity_have_different_names():
    """Else every equation with the index would read the quantity."""
    with pytest.raises(IllFormed, match="i is an index and a quantity too"):
        Graph((loss(total(x.at(i))),), (x, Variable("i", Role.LEAF), L), L)


def test_samples_are_put_together_by_the_loss_alone():
    """The mean of a batch inside a network would need two samples on one path."""
    B = Integer(4)
    rows = Variable("x", Role.INPUT, None, (B, N), batched=True)
    mean = Variable("mu", Role.STAGE, None, (N,))
    equation = Equation(mean, (j,), Sigma(rows.at(SAMPLE, j), (SAMPLE, 1, B)) / B)
    with pytest.raises(IllFormed, match="puts the samples of x together"):
        Graph((equation, loss(total(mean.at(i)))), (rows, mean, L), L, samples=B)
    with pytest.raises(IllFormed, match="is of the sample 1; expected the letter s"):
        Graph((loss(rows.at(1, 2)),), (rows, L), L, samples=B)


def test_an_array_has_no_derivative_by_elements():
    """Its elements would be added up without being asked for."""
    made = graph(Equation(z, (i,), w.at() * x.at(i)), target=z)
    with pytest.raises(IllFormed, match=r"z is an array.*expected a target such as L = Σ z"):
        BackwardPass(made)


# ------------------------------------------------------------------------- what is held, and paths


def residual() -> Graph:
    """r = z + tanh(z), and the loss reads r and z."""
    return graph(
        Equation(z, (i,), total(S.at(i, j) * x.at(j), j)),
        Equation(h, (i,), tanh(z.at(i))),
        Equation(r, (i,), z.at(i) + h.at(i)),
        loss(total((r.at(i) - v.at(i)) ** 2 * (1 + z.at(i)))),
    )


def shared() -> Graph:
    """S is used twice, z = S x and h = tanh(S z), with a bias that is one of the inputs."""
    return graph(
        Equation(z, (i,), total(S.at(i, j) * x.at(j), j) + x.at(1)),
        Equation(h, (i,), tanh(total(S.at(i, j) * z.at(j), j))),
        loss(total(v.at(i) * h.at(i)) ** 2),
    )


def normalised() -> Graph:
    """Batch norm over the rows of S: mean, variance, and what is left."""
    mean, var = (Variable(name, Role.STAGE, None, (N,)) for name in ("mu", "sig"))
    centred = S.at(i, j) - mean.at(j)
    equations = (
        Equation(mean, (j,), total(S.at(i, j)) / N),
        Equation(var, (j,), total(centred**2) / N),
        Equation(P, (i, j), centred / sqrt(var.at(j) + w.at() ** 2)),
        loss(total(total(x.at(i) * v.at(j) * P.at(i, j) ** 3, j))),
    )
    return graph(*equations)


def diagonal() -> Graph:
    """h_i = S_ii x_i + x_1: deltas decide what follows what."""
    return graph(
        Equation(h, (i,), S.at(i, i) * tanh(x.at(i)) + x.at(1)),
        Equation(P, (i, j), h.at(i) + h.at(j) ** 2),
        loss(total(total(P.at(i, j) ** 2 * P.at(1, 2), j))),
    )


def tied() -> Graph:
    """An autoencoder whose decoder is its encoder turned."""
    return graph(
        Equation(h, (i,), tanh(total(S.at(i, j) * x.at(j), j))),
        Equation(r, (j,), total(S.at(i, j) * h.at(i))),
        loss(total((r.at(i) - x.at(i)) ** 2)),
    )


BUILT = {made.__name__: made for made in (residual, shared, normalised, diagonal, tied)}


def numbers(made: Graph) -> Numbers:
    source = random.Random("numbers")

    def drawn(shape: tuple[Expr, ...]) -> object:
        if not shape:
            return source.randrange(300, 1500) / 1000
        return [drawn(shape[1:]) for _ in range(int(shape[0]))]

    return Numbers(made, {each.name: drawn(each.shape) for each in (w, x, v, S)})


class Elements:
    """Every element of a graph by name, and what expressions in them come to, in 50 digits."""

    def __init__(self, made: Graph) -> None:
        self.known = numbers(made)
        self.values = {
            reference.name: np.array(self.known.element(array, reference), dtype=object)
            for variable in made.variables
            for reference in elements(variable)
            if (array := self.known.forward[variable.name]) is not None
        }

    def of(self, expr: Expr):
        return Evaluator(FLOATS, self.values, {}).value(expr, {})[0].item()


@pytest.mark.parametrize("name", BUILT)
def test_paths_adjoints_and_differences_agree(name):
    """Sum over the paths = every step = index form = central difference, element by element."""
    made = BUILT[name]()
    backward, at = BackwardPass(made), Elements(made)
    gradients = at.known.gradients(backward)
    for variable in (each for each in (w, x, v, S) if each in backward.adjoints):
        for reference in elements(variable):
            found, wanted = derive(backward, reference), at.known.central_difference(reference)
            close = mpmath.mpf(10) ** -35 * (1 + abs(wanted))
            paths = [*found.paths]
            assert len(paths) == found.paths.count == len({path.neurons for path in paths})
            assert not any(factor == 0 for path in paths for factor in path.values)
            along = (Product(*map(backward.unroll, path.values)) for path in paths)
            claims = {
                "index form": at.known.element(gradients[variable.name], reference),
                "expression": at.of(found.expr),
                "paths": sum(map(at.of, along)),
            }
            for step in found.conclusion.steps:
                known = {each: _value_of_name(backward, each) for each in step.rhs.atoms(Partial)}
                claims[step.rule.name] = at.of(backward.unroll(step.rhs.xreplace(known)))
                assert Text().write(step.rhs)
                assert Latex().write(step.rhs)
            wrong = [claim for claim, value in claims.items() if abs(value - wanted) > close]
            assert not wrong, reference.name


def _value_of_name(backward: BackwardPass, name: Partial) -> Expr:
    """What was derived for ∂L/∂v or ∂c/∂v of two elements."""
    child, parent = (backward.node_of(each) for each in (name.of, name.by))
    if name == backward._adjoint_of(parent):
        return backward.filled(parent)
    assert name == backward.edge(child, parent)[0]
    return backward.edge(child, parent)[1]


def said(made: Graph, name: str) -> list[str]:
    backward = BackwardPass(made)
    (reference,) = (
        each for variable in made.variables for each in elements(variable) if each.name == name
    )
    return [Text().write(step.rhs) for step in derive(backward, reference).conclusion.steps]


def test_what_is_held_is_held_as_a_whole():
    """Where r = z + h and h = tanh z, ∂r/∂z with all of h held is 1."""
    backward = BackwardPass(residual())
    name, slope = backward.edge((r, (1,)), (z, (1,)))
    assert Text().write(name) == "(∂r_1/∂z_1)_h"
    assert Latex().write(name).replace("tfrac", "frac") == (
        r"\left.\frac{\partial r_{1}}{\partial z_{1}}\right|_{h}"
    )
    assert slope == 1
    chain = Text().write(backward.adjoints[z].steps[0].rhs)
    assert chain == "∂L/∂h_i · ∂h_i/∂z_i + ∂L/∂r_i · (∂r_i/∂z_i)_h + (∂L/∂z_i)_r"


def test_what_deltas_exclude_is_no_path():
    """h_i = S_ii tanh x_i + x_1: S_12 leads nowhere, x_2 to h_2 only, x_1 to all."""
    backward = BackwardPass(diagonal())
    assert derive(backward, Reference(S, (1, 2))).paths.count == 0
    assert said(diagonal(), "S_12")[-1] == "0"
    direct = [backward.branches((x, (place,))) for place in (1, 2)]
    assert direct == [((h, (1,)), (h, (2,)), (h, (3,))), ((h, (2,)),)]
    assert derive(backward, Reference(x, (2,))).paths.count == 5  # P_12, P_21, P_22, P_23, P_32
    assert derive(backward, Reference(x, (1,))).paths.count == 3 * 5


def test_a_count_that_differs_by_element_needs_numbers():
    """Of a symbolic width nobody says how many paths x[i] has where only x[1] is read twice."""
    wide, also = (
        Variable(name, role, None, (n,)) for name, role in (("x", Role.LEAF), ("z", Role.STAGE))
    )
    body = Sigma(also.at(i) ** 2, (i, 1, n))
    made = Graph((Equation(also, (i,), wide.at(i) * wide.at(1)), loss(body)), (wide, also, L), L)
    found = derive(BackwardPass(made), Reference(wide, (1,)))
    with pytest.raises(IllFormed, match="depends on which element of x it is"):
        _ = found.paths.count
