"""What symback derives of an [equations] file reads as one writes it, and is right.

The files are those one finds in courses: a network neuron by neuron, a softmax by hand, layer norm
of three numbers, a GRU cell, logistic regression, attention over two positions.
"""

from __future__ import annotations

import itertools
import random

import mpmath
import numpy as np
import pytest
import sympy

from symback.engine import calculus, spec
from symback.engine.arithmetics import FLOATS
from symback.engine.calculus import is_zero, local_derivative
from symback.engine.derivation import BackwardPass, Rule, derive
from symback.engine.evaluation import Evaluator, Numbers
from symback.engine.graph import Graph, from_equations
from symback.engine.slopes import hand_written, multiplied_in, tidied, times, with_value
from symback.language.algebra import Partial, Product, Terms, as_typed, collapse
from symback.language.names import Reference
from symback.language.reading import read
from symback.language.writing import Text

SIGMOID = "1/(1 + exp(-{}))"
FILES = {
    "2-2-2": {
        "a_1": "w_1*x_1 + w_2*x_2 + b_1", "a_2": "w_3*x_1 + w_4*x_2 + b_1",
        "h_1": SIGMOID.format("a_1"), "h_2": SIGMOID.format("a_2"),
        "c_1": "w_5*h_1 + w_6*h_2 + b_2", "c_2": "w_7*h_1 + w_8*h_2 + b_2",
        "o_1": SIGMOID.format("c_1"), "o_2": SIGMOID.format("c_2"),
        "E": "(o_1 - y_1)**2 + (o_2 - y_2)**2",
    },
    "softmax": {
        "e_1": "exp(z_1)", "e_2": "exp(z_2)", "e_3": "exp(z_3)", "S": "e_1 + e_2 + e_3",
        "p_1": "e_1/S", "p_2": "e_2/S", "p_3": "e_3/S",
        "L": "-(y_1*log(p_1) + y_2*log(p_2) + y_3*log(p_3))",
    },
    "softmax of two": {
        "z_1": "w_1*x", "z_2": "w_2*x", "p": "exp(z_1)/(exp(z_1) + exp(z_2))", "L": "-log(p)",
    },
    "layer norm": {
        "m": "(x_1 + x_2 + x_3)/3",
        "v": "((x_1 - m)**2 + (x_2 - m)**2 + (x_3 - m)**2)/3", "s": "1/sqrt(v + eps)",
        "n_1": "(x_1 - m)*s", "n_2": "(x_2 - m)*s", "n_3": "(x_3 - m)*s",
        "o_1": "g_1*n_1 + b_1", "o_2": "g_2*n_2 + b_2", "o_3": "g_3*n_3 + b_3",
        "L": "(o_1 - y_1)**2 + (o_2 - y_2)**2 + (o_3 - y_3)**2",
    },
    "GRU": {
        "z": "sigmoid(w_z*x + u_z*h)", "r": "sigmoid(w_r*x + u_r*h)",
        "c": "tanh(w_c*x + u_c*(r*h))", "k": "(1 - z)*h + z*c", "L": "(k - y)**2",
    },
    "LSTM": {
        "f": "sigmoid(w_f*x + u_f*h + b_f)", "i": "sigmoid(w_i*x + u_i*h + b_i)",
        "g": "tanh(w_g*x + u_g*h + b_g)", "o": "sigmoid(w_o*x + u_o*h + b_o)",
        "c": "f*m + i*g", "k": "o*tanh(c)", "L": "(k - y)**2/2",
    },
    "logistic regression": {
        "z": "w_1*x_1 + w_2*x_2 + b", "p": SIGMOID.format("z"),
        "L": "-(y*log(p) + (1 - y)*log(1 - p))",
    },
    "attention": {
        "s_1": "q*k_1/sqrt(d)", "s_2": "q*k_2/sqrt(d)", "e_1": "exp(s_1)", "e_2": "exp(s_2)",
        "a_1": "e_1/(e_1 + e_2)", "a_2": "e_2/(e_1 + e_2)", "o": "a_1*v_1 + a_2*v_2",
        "L": "(o - y)**2",
    },
    "tanh": {"h": "tanh(w*x + b)", "o": "v*h + c", "L": "(y - o)**2"},
    "recurrence": {
        "h_1": "tanh(w*x_1)", "h_2": "tanh(w*x_2 + u*h_1)", "h_3": "tanh(w*x_3 + u*h_2)",
        "L": "(h_3 - y)**2",
    },
    "ridge": {
        "r_1": "y_1 - (w*x_1 + b)", "r_2": "y_2 - (w*x_2 + b)", "L": "(r_1**2 + r_2**2)/2 + l*w**2",
    },
    "residual": {"a": "w*x", "h": "tanh(a)", "r": "a + h", "L": "(r - y)**2"},
    "relu": {"a": "w*x + b", "h": "max(0, a)", "o": "v*h", "L": "(y - o)**2"},
    "margin": {"u": "x*2", "v": "tanh(u)", "p": "v*u*w", "L": "log(1 + exp(-y*p))"},
    "powers": {"u": "x**3 + a**x", "v": "sqrt(u)*x/y", "L": "sin(v)**2 + erf(v) + atan(x*v)"},
}  # fmt: skip

CONCLUSIONS = {
    ("2-2-2", "w_5"): "2·(o_1 - y_1)·o_1·(1 - o_1)·h_1",
    ("2-2-2", "w_1"): "2·((o_1 - y_1)·o_1·(1 - o_1)·w_5 + (o_2 - y_2)·o_2·(1 - o_2)·w_7)"
    "·h_1·(1 - h_1)·x_1",
    ("softmax", "z_1"): "p_1·(y_1 + y_2 + y_3) - y_1",
    ("softmax of two", "w_1"): "(p - 1)·x",
    ("GRU", "w_z"): "2·(k - y)·(c - h)·z·(1 - z)·x",
    ("LSTM", "w_f"): "(k - y)·o·(1 - tanh^2(c))·m·f·(1 - f)·x",
    ("logistic regression", "w_1"): "(p - y)·x_1",
    ("attention", "k_1"): "2·a_1·(o - y)·(v_1·(1 - a_1) - a_2·v_2)·q/√(d)",
    ("tanh", "w"): "-2·(y - o)·v·(1 - h^2)·x",
    ("recurrence", "w"): "2·(h_3 - y)·(1 - h_3^2)·(u·(1 - h_2^2)·u·(1 - h_1^2)·x_1"
    " + u·(1 - h_2^2)·x_2 + x_3)",
    ("residual", "w"): "2·(r - y)·(2 - h^2)·x",
}

LOCAL = {
    ("layer norm", "s", "v"): "-1/2·s^3",
    ("layer norm", "v", "m"): "-2/3·(x_1 - m + x_2 - m + x_3 - m)",
    ("layer norm", "v", "x_1"): "2/3·(x_1 - m)",
    ("softmax", "p_1", "S"): "-p_1/S",
    ("softmax", "e_1", "z_1"): "e_1",
    ("attention", "a_1", "e_1"): "(1 - a_1)/(e_1 + e_2)",
    ("GRU", "c", "r"): "(1 - c^2)·u_c·h",
    ("GRU", "k", "z"): "c - h",
    ("LSTM", "k", "c"): "o·(1 - tanh^2(c))",
    ("margin", "p", "v"): "u·w",
    ("margin", "u", "x"): "2",
    ("tanh", "L", "o"): "-2·(y - o)",
    ("relu", "h", "a"): "1[a > 0]",
}

TYPED = {
    "x*2": "x·2",
    "v + eps": "v + eps",
    "-p + y": "-p + y",
    "u_c*(r*h) + w*x": "u_c·r·h + w·x",
    "tanh(z*a + b)": "tanh(z·a + b)",
    "(x_2 + x_1)/3": "(x_2 + x_1)/3",
    "1/sqrt(v + eps)": "1/√(v + eps)",
}


def graph(lines: dict[str, str]) -> Graph:
    return from_equations(spec.equations(lines))


def numbers(made: Graph) -> Numbers:
    draw = random.Random("written")
    leaves = [variable for variable in made.variables if variable not in made.by_variable]
    return Numbers(made, {leaf.name: draw.randrange(300, 1200) / 1000 for leaf in leaves})


@pytest.mark.parametrize("name", FILES)
def test_every_line_is_the_derivative(name):
    """Each right-hand side of each derivation = central difference at 50 digits."""
    made = graph(FILES[name])
    backward, known = BackwardPass(made), numbers(made)
    values = {v.name: np.array(known.forward[v.name].item(), dtype=object) for v in made.variables}

    def value(expr: sympy.Expr):
        derived = {}
        for each in expr.atoms(Partial):
            child, parent = (backward.node_of(part) for part in (each.of, each.by))
            own = each == backward._adjoint_of(parent)
            derived[each] = backward.filled(parent) if own else backward.edge(child, parent)[1]
        return Evaluator(FLOATS, values, {}).value(expr.xreplace(derived), {})[0].item()

    for variable in (each for each in made.variables if each in backward.adjoints):
        found = derive(backward, Reference(variable, ()))
        if variable in made.by_variable:
            continue
        wanted = known.central_difference(found.target)
        for step in (*found.conclusion.steps,):
            gap = abs(value(step.rhs) - wanted)
            assert gap < mpmath.mpf(10) ** -35 * (1 + abs(wanted)), (variable.name, step.rule)


@pytest.mark.parametrize(("name", "by"), CONCLUSIONS)
def test_the_result_is_what_one_writes(name, by):
    """Own values, factors in the order of the chain, nothing left to cancel."""
    made = graph(FILES[name])
    variable = next(each for each in made.variables if each.name == by)
    found = derive(BackwardPass(made), Reference(variable, ()))
    assert Text().write(found.conclusion.result) == CONCLUSIONS[name, by]


@pytest.mark.parametrize(("name", "child", "parent"), LOCAL)
def test_a_slope_is_what_one_writes(name, child, parent):
    made = graph(FILES[name])
    by_name = {variable.name: variable for variable in made.variables}
    local = local_derivative(made.by_variable[by_name[child]], by_name[parent])
    assert Text().write(local.form) == LOCAL[name, child, parent]


@pytest.mark.parametrize("formula", TYPED)
def test_a_formula_keeps_the_order_it_was_typed_in(formula):
    made = graph({"u": formula, "L": "u**2"})
    assert Text().write(made.equations[0].shown) == TYPED[formula]
    assert is_zero(collapse(made.equations[0].shown) - made.equations[0].rhs)


@pytest.mark.parametrize("name", FILES)
def test_no_factored_line_is_longer(name):
    """What is factored is no longer than what it came from."""
    made = graph(FILES[name])
    backward = BackwardPass(made)
    for variable in (each for each in made.variables if each not in made.by_variable):
        steps = derive(backward, Reference(variable, ())).conclusion.steps
        for before, after in itertools.pairwise(steps):
            if after.rule is Rule.FACTOR:
                assert len(Text().write(after.rhs)) <= len(Text().write(before.rhs))


def test_a_form_that_is_not_the_derivative_is_not_used(monkeypatch):
    """SymPy's own stands where the hand-written one cannot be proved."""
    monkeypatch.setattr(calculus, "hand_written", lambda *_: sympy.Integer(7))
    made = graph(FILES["tanh"])
    by_name = {variable.name: variable for variable in made.variables}
    local = local_derivative(made.by_variable[by_name["L"]], by_name["o"])
    assert local.form != 7
    assert sympy.expand(local.form - local.raw) == 0


x, y, z, p = sympy.symbols("x y z p", real=True)
TWO = sympy.Integer(2)


def test_a_part_without_a_rule_is_left_to_sympy():
    """Of |x| and of cases there is no slope to write without saying where."""
    assert hand_written(sympy.Abs(x), x, y, lambda *_: None) is None
    assert hand_written(Product(x, sympy.Abs(x)), x, y, lambda *_: None) is None


@pytest.mark.parametrize(
    ("rewritten", "before"),
    [
        (tidied, Product(-y / p, -p, 1 - p)),
        (tidied, Product(TWO, Terms(Product(x, y / x), z), -z, 1 / z**2)),
        (tidied, Product(x, -TWO, Terms(y, -z), sympy.Rational(1, 2))),
        (multiplied_in, Product(p, Terms(x, -y / p))),
        (multiplied_in, Product(z, x + y / z, p)),
        (lambda u: times([u]), Product(x, Terms(Product(TWO, y), Product(-2 * TWO, z)), -TWO)),
        (lambda u: times([u]), Product(-TWO / 2, Terms(Product(y, 1 / p), Product(-TWO, z)))),
    ],
)
def test_a_rewriting_changes_the_writing_alone(rewritten, before):
    after = rewritten(before)
    assert after != before
    assert is_zero(collapse(after) - collapse(before))


def test_a_value_stands_for_all_factors_of_its_formula_or_none():
    """e/S is p, and neither e alone nor 1/S."""
    formula = Product(x, 1 / z)
    assert with_value(Product(1 / z, y, x), formula, p) == Product(p, y)
    assert with_value(Product(1 / z, y), formula, p) == Product(1 / z, y)
    assert with_value(x + y, formula, p) == x + y


def test_typed_formulas_read_their_names():
    """`as_typed` and SymPy's reading are one value."""
    node = read("2*x - (y + z)**2/(x*y) + exp(-(x - y))", names=("x", "y", "z"))
    typed = as_typed(node, {"x": x, "y": y, "z": z})
    assert is_zero(collapse(typed) - (2 * x - (y + z) ** 2 / (x * y) + sympy.exp(y - x)))
    assert Text().write(typed) == "2·x - ((y + z)^2)/(x·y) + e^(-(x - y))"
