"""The matrix forms: what the lectures write is what comes out, and every lift is proved.

Two readings of each lift must agree: symback's own lowering with the index form
(`matrix.certify`), SymPy's entries with the index form, and NumPy's arrays with
`Numbers.gradients`.  And the certification is shown to be able to fail.
"""

import itertools
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from functools import cache

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from sympy import (
    Add,
    Expr,
    HadamardProduct,
    Integer,
    KroneckerDelta,
    MatAdd,
    MatMul,
    MatrixExpr,
    OneMatrix,
    Piecewise,
    Symbol,
    Transpose,
)
from sympy.matrices.exceptions import ShapeError
from sympy.matrices.expressions.hadamard import HadamardPower
from sympy.matrices.expressions.matexpr import MatrixElement

from referee import mp
from strategies import OWN_ACTIVATIONS, OWN_LOSSES, Case, build, cases, from_lines
from symback.engine import matrix, spec
from symback.engine.certificate import WrongAdjoint
from symback.engine.derivation import BackwardPass, Deduction, Rule, Step
from symback.engine.evaluation import Numbers
from symback.engine.graph import Equation, Graph, from_equations, from_network
from symback.engine.matrix import (
    Certificate,
    Layout,
    Lowered,
    MatrixForm,
    NoMatrixForm,
    Phase,
    Uncertified,
    certify,
    lift,
)
from symback.language.algebra import (
    Array,
    Elementwise,
    Gradient,
    Partial,
    Product,
    SampleArray,
    Scalar,
    Sigma,
    Terms,
    Where,
    collapse,
)
from symback.language.functions import ACTIVATIONS, LOSSES
from symback.language.names import Role, Variable, index
from symback.language.writing import MatrixLatex, Text
from typesetting import katex_errors

B = Symbol("B", integer=True, positive=True)
i, j, p, q, r = (index(letter) for letter in "ijpqr")


def symbolic(layers, loss, *, batch="", **options) -> BackwardPass:
    """Derive a network of widths n_0 … n_L, for one sample or for a batch of B samples."""
    functions = {name: OWN_ACTIVATIONS[name] for name in layers if name in OWN_ACTIVATIONS}
    losses = {loss: OWN_LOSSES[loss]} if loss in OWN_LOSSES else None
    widths = [(f"n_{k}", name) for k, name in enumerate(layers, start=1)]
    if batch:
        options["over_samples"] = batch
    checked = spec.network(
        "n_0", widths, loss=loss, activations=functions or None, losses=losses, **options
    )
    return BackwardPass(from_network(checked, samples=B if batch else None))


@cache
def lectures(batch: str = "") -> MatrixForm:
    return lift(symbolic(["sigmoid", "tanh", "softmax"], "cross_entropy", batch=batch))


# ------------------------------------------------------------------------- what the lectures write


def test_the_six_formulas_of_the_lectures_come_out():
    """S6, derived: one formula a matrix, for one sample."""
    backward = [step for step in lectures().steps if step.phase is Phase.BACKWARD]
    assert [step.written(Text()) for step in backward] == [
        "∇a_3 = ŷ - y",
        "∇W_3 = ∇a_3 h_2ᵀ",
        "∇b_3 = ∇a_3",
        "∇h_2 = W_3ᵀ ∇a_3",
        "∇a_2 = ∇h_2 ⊙ (1 - h_2 ⊙ h_2)",
        "∇W_2 = ∇a_2 h_1ᵀ",
        "∇b_2 = ∇a_2",
        "∇h_1 = W_2ᵀ ∇a_2",
        "∇a_1 = ∇h_1 ⊙ h_1 ⊙ (1 - h_1)",
        "∇W_1 = ∇a_1 xᵀ",
        "∇b_1 = ∇a_1",
    ]


def test_the_same_in_latex():
    """The letters of the lectures: ∇ with its array below, ⊙, a bold 1."""
    form = lectures()
    assert form.latex("a3") == r"\nabla_{a_{3}}\mathscr{L} = \hat{y} - y"
    assert (
        form.latex("h1") == r"\nabla_{h_{1}}\mathscr{L} = W_{2}^{\top}\,\nabla_{a_{2}}\mathscr{L}"
    )
    assert form.latex("a2") == (
        r"\nabla_{a_{2}}\mathscr{L} = "
        r"\nabla_{h_{2}}\mathscr{L} \odot (\mathbf{1} - h_{2} \odot h_{2})"
    )
    assert lectures("mean").latex("W2") == (
        r"\nabla_{W_{2}}\mathscr{L} = (\nabla_{A_{2}}\mathscr{L})^{\top}\,H_{1}"
    )


def test_a_batch_has_one_row_a_sample():
    """A_k = 1 b_kᵀ + H_{k-1} W_kᵀ, and the gradient of W_k is (∇A_k)ᵀ H_{k-1}."""
    form = lectures("mean")
    assert form.layout is Layout.ROWS
    assert form.text().splitlines() == [
        "A_1 = 1 b_1ᵀ + X W_1ᵀ",
        "H_1 = σ(A_1)",
        "A_2 = 1 b_2ᵀ + H_1 W_2ᵀ",
        "H_2 = tanh(A_2)",
        "A_3 = 1 b_3ᵀ + H_2 W_3ᵀ",
        "Ŷ = softmax(A_3)",
        "L = -1/B·1ᵀ (Y ⊙ log(Ŷ)) 1",
        "∇A_3 = 1/B·(Ŷ - Y)",
        "∇W_3 = (∇A_3)ᵀ H_2",
        "∇b_3 = (∇A_3)ᵀ 1",
        "∇H_2 = ∇A_3 W_3",
        "∇A_2 = ∇H_2 ⊙ (1 - H_2 ⊙ H_2)",
        "∇W_2 = (∇A_2)ᵀ H_1",
        "∇b_2 = (∇A_2)ᵀ 1",
        "∇H_1 = ∇A_2 W_2",
        "∇A_1 = ∇H_1 ⊙ H_1 ⊙ (1 - H_1)",
        "∇W_1 = (∇A_1)ᵀ X",
        "∇b_1 = (∇A_1)ᵀ 1",
        "W_1 ← W_1 - η·∇W_1",
        "b_1 ← b_1 - η·∇b_1",
        "W_2 ← W_2 - η·∇W_2",
        "b_2 ← b_2 - η·∇b_2",
        "W_3 ← W_3 - η·∇W_3",
        "b_3 ← b_3 - η·∇b_3",
    ]


@pytest.mark.parametrize(
    ("name", "one", "many"),
    [
        ("linear", "∇h_1", "∇H_1"),
        ("relu", "∇h_1 ⊙ 1[a_1 > 0]", "∇H_1 ⊙ 1[A_1 > 0]"),
        (
            "leaky_relu",
            "∇h_1 ⊙ ({1 if a_1 > 0; 1/100·1 otherwise})",
            "∇H_1 ⊙ ({1 if A_1 > 0; 1/100·1 otherwise})",
        ),
        ("softplus", "∇h_1 ⊘ (1 + e^(-a_1))", "∇H_1 ⊘ (1 + e^(-A_1))"),
        ("softmax", "h_1 ⊙ (∇h_1 - (∇h_1ᵀ h_1)·1)", "H_1 ⊙ (∇H_1 - (∇H_1 ⊙ H_1) 1 1ᵀ)"),
    ],
)
def test_the_slope_of_each_kind_of_activation(name, one, many):
    """Indicators, cases, quotients, and softmax without its Jacobian."""
    one = one.replace("∇h_1ᵀ", "(∇h_1)ᵀ")
    for batch, expected in (("", f"∇a_1 = {one}"), ("sum", f"∇A_1 = {many}")):
        assert lift(symbolic([name, "linear"], "output", batch=batch)).text("a1") == expected


@pytest.mark.parametrize(
    ("bias", "batch", "forward", "gradient"),
    [
        ("per_neuron", "", "a_1 = b_1 + W_1 x", "∇b_1 = ∇a_1"),
        ("per_layer", "", "a_1 = b_1·1 + W_1 x", "∇b_1 = 1ᵀ ∇a_1"),
        ("none", "", "a_1 = W_1 x", None),
        ("per_neuron", "sum", "A_1 = 1 b_1ᵀ + X W_1ᵀ", "∇b_1 = (∇A_1)ᵀ 1"),
        ("per_layer", "sum", "A_1 = b_1·1 + X W_1ᵀ", "∇b_1 = 1ᵀ ∇A_1 1"),
        ("none", "sum", "A_1 = X W_1ᵀ", None),
    ],
)
def test_each_kind_of_bias(bias, batch, forward, gradient):
    """A bias shared by a layer is a sum over it; shared by a batch, a sum over that."""
    form = lift(symbolic(["tanh"], "squared_error", bias=bias, batch=batch))
    assert form.text().splitlines()[0] == forward
    if gradient is None:
        assert "b1" not in form
    else:
        assert form.text("b1") == gradient


def test_losses_as_matrices():
    """(y - ŷ)ᵀ(y - ŷ) for the squared error, yᵀ log ŷ for the cross-entropy."""
    wanted = {
        "squared_error": "L = (y - ŷ)ᵀ (y - ŷ)",
        "cross_entropy": "L = -yᵀ log(ŷ)",
        "binary_cross_entropy": "L = -(yᵀ log(ŷ) + (1 - y)ᵀ log(1 - ŷ))",
        "absolute_error": "L = 1ᵀ |y - ŷ|",
        "output": "L = 1ᵀ ŷ",
    }
    for loss, line in wanted.items():
        assert line in lift(symbolic(["sigmoid"], loss)).text().splitlines()


# --------------------------------------------------------------------------------- certification

EVERYTHING = [*itertools.product([*ACTIVATIONS, *OWN_ACTIVATIONS], [*LOSSES, *OWN_LOSSES])]
BIASES, MEANS = ("per_neuron", "per_layer", "none"), ("sum", "mean")


@pytest.mark.parametrize("activation", [*ACTIVATIONS, *OWN_ACTIVATIONS])
def test_the_whole_catalogue_lifts_and_is_certified(activation):
    """Every activation, hidden and as output, with every loss, for one sample and for a batch.

    Biases and means take turns, so that over the losses each of them meets each activation.
    """
    losses = [*LOSSES, *OWN_LOSSES] if activation in ACTIVATIONS else ["huber", "quotient"]
    for k, loss in enumerate(losses):
        for batch in ("", MEANS[k % 2]):
            form = lift(
                symbolic(
                    [activation, activation], loss, batch=batch,
                    bias=BIASES[k % 3], over_outputs=MEANS[k // 2 % 2],
                )
            )  # fmt: skip
            assert not form.missing
            proved = form.certify()
            assert len(form.certificates) == len(form) + len(form.forward)
            sizes = dict(proved.sizes)
            assert len({*sizes.values()}) == len(sizes) == (4 if batch else 3)


@settings(max_examples=25)
@given(case=cases())
def test_random_networks_are_certified(case):
    """Widths that are numbers, equal ones and ones among them."""
    form = lift(case.backward)
    assert not form.missing
    assert form.certify().entries > 0


def test_a_certificate_names_its_sizes_and_counts_its_entries():
    """Different sizes for different widths, so that no array is square by chance."""
    form = lectures("mean")
    assert [str(size) for size, _ in form.certify().sizes] == ["B", "n_0", "n_1", "n_2", "n_3"]
    assert form.certificates["∇W2"].entries == 5 * 4
    deduction = form.backward.adjoints[_variable(form, "W2")]
    sizes = {size: number for number, size in enumerate(form["W2"].shape, start=2)}
    sizes |= {form.graph.samples: 3}
    assert certify(form["W2"], deduction, sizes) == Certificate(tuple(sizes.items()), 6)


def _variable(form: MatrixForm, name: str) -> Variable:
    return next(variable for variable in form.graph.variables if variable.name == name)


def _deduction(form: MatrixForm, name: str) -> Deduction:
    return form.backward.adjoints[_variable(form, name)]


def mutations(expr: MatrixExpr):
    """List expressions of the same shape with one thing changed somewhere inside."""
    for number, part in enumerate(() if isinstance(expr, (Array, Gradient)) else expr.args):
        for kind, changed in (*_changed_here(part), *mutations(part)):
            arguments = [*expr.args]
            arguments[number] = changed
            try:
                yield kind, expr.func(*arguments)
            except (ValueError, TypeError):  # SymPy's own refusal: shapes that do not fit
                continue


def _changed_here(part: Expr):
    if isinstance(part, Transpose):
        yield "dropped transpose", part.arg
    if isinstance(part, (Array, Gradient)):
        yield "swapped factor", part.func(*_other_name(part))
        yield "transposed", Transpose(part)
    if isinstance(part, HadamardProduct):
        yield "lost factor", part.args[0]
        yield "sum for a product", MatAdd(*part.args)
    if isinstance(part, MatAdd):
        yield "lost term", part.args[0]
        yield "swapped sign", MatAdd(part.args[0], MatMul(-1, *part.args[1:2]), *part.args[2:])
    if isinstance(part, Scalar):
        yield "lost sum", sympy.S.One
    if isinstance(part, OneMatrix):
        yield "doubled", MatMul(2, part)
    if isinstance(part, (sympy.Rational, sympy.Pow)) and part.is_number is not False:
        yield "other number", part + 1


def _other_name(part: Expr):
    name, *others = part.args
    return (f"{name}_other", *others)


def named_mutations(form: MatrixForm):
    """The four mistakes that the issue names, in each formula in which they can be made."""
    for name, expr in form.items():
        if isinstance(expr, MatMul) and len(expr.as_coeff_matrices()[1]) == 2:
            left, right = expr.as_coeff_matrices()[1]
            if isinstance(left, Transpose):
                yield "dropped transpose", name, MatMul(left.arg, right, check=False)
            if isinstance(right, Transpose):
                yield "dropped transpose", name, MatMul(left, right.arg, check=False)
            yield "swapped factor", name, MatMul(right, left, check=False)
            if expr.shape != (1, 1):
                yield "transposed", name, MatMul(Transpose(right), Transpose(left))
        if isinstance(expr, MatMul) and any(isinstance(part, OneMatrix) for part in expr.args):
            kept = [part for part in expr.args if not isinstance(part, OneMatrix)]
            yield "lost sum", name, MatMul(*kept)
        if isinstance(expr, HadamardProduct):
            yield "lost slope", name, expr.args[0]
            yield "product for ⊙", name, MatMul(*expr.args, check=False)


@pytest.mark.parametrize("batch", ["", "sum", "mean"])
@pytest.mark.parametrize("layers", [["sigmoid", "softmax"], ["softmax", "tanh"], ["relu", "gelu"]])
@pytest.mark.parametrize("bias", ["per_neuron", "per_layer"])
@pytest.mark.filterwarnings("ignore::sympy.utilities.exceptions.SymPyDeprecationWarning")
def test_certification_refutes_each_mistake(layers, batch, bias):
    """A dropped transpose, a swapped factor, a lost sum, a product where ⊙ belongs."""
    form = lift(symbolic(layers, "squared_error", batch=batch, bias=bias))
    kinds = set()
    for kind, name, wrong in named_mutations(form):
        kinds.add(kind)
        with pytest.raises((Uncertified, ShapeError)):
            certify(wrong, _deduction(form, name))
    assert {"dropped transpose", "swapped factor", "lost slope", "product for ⊙"} <= kinds
    assert ("lost sum" in kinds) == (batch != "" or bias == "per_layer")


def test_certification_refutes_a_hadamard_for_a_product():
    """At equal sizes W ⊙ V has the shape of W V, and is not it."""
    n = Integer(3)
    left, right = Array("U", n, n), Array("V", n, n)
    u, v, a = (Variable(name, Role.LEAF, None, (n, n)) for name in "UVA")
    form = Sigma(Product(u.at(i, p), v.at(p, j)), (p, 1, n))
    equation = Equation(a, (i, j), form)
    assert certify(MatMul(left, right), equation).entries == 4
    wrong = (
        HadamardProduct(left, right),
        MatMul(right, left),
        MatMul(Transpose(left), right),
        MatMul(left, Transpose(right)),
        MatMul(2, left, right),
    )
    for expr in wrong:
        with pytest.raises(Uncertified, match=r"entry \(1, 1\)"):
            certify(expr, equation)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_certification_refutes_every_small_change(activation):
    """Something changed anywhere inside any of the lifts is seen."""
    form = lift(symbolic([activation, "sigmoid"], "squared_error", batch="mean"))
    seen = 0
    for name, expr in form.items():
        for kind, wrong in (*mutations(expr), *_changed_here(expr)):
            if wrong == expr:
                continue
            assert refuted(wrong, _deduction(form, name)), f"{kind} in {name} unseen: {wrong}"
            seen += 1
    assert seen > 20


def refuted(wrong: MatrixExpr, deduction: Deduction) -> bool:
    try:
        certify(wrong, deduction)
    except Uncertified:
        return True
    return False


def test_a_wrong_deduction_is_refused_by_the_form_itself(monkeypatch):
    """It is not the derivative; nor is a lift of another one certified for it."""
    backward = symbolic(["tanh", "tanh"], "squared_error")
    form = lift(backward)
    variable = _variable(form, "W1")
    other = backward.adjoints[variable].result.xreplace({index("i"): index("j")})
    backward.adjoints[variable] = replace(
        backward.adjoints[variable], steps=(Step(Rule.LOCAL, other),)
    )
    with pytest.raises(WrongAdjoint, match="∂L/∂W1"):
        form.certify()
    monkeypatch.setattr(matrix, "certify_adjoints", lambda _: None)
    with pytest.raises(Uncertified, match="W_1"):
        form.certify()


def test_shapes_are_part_of_the_claim():
    """A row is not a column, and what is not well formed is refused in words."""
    form = lectures()
    with pytest.raises(Uncertified, match=r"a_3\[i\] has 1 indices, and its matrix is 1 × n_3"):
        certify(Transpose(form["a3"]), _deduction(form, "a3"))
    n, m = sympy.symbols("n m", integer=True, positive=True)
    equation = Equation(
        Variable("c", Role.LEAF, None, (n,)), (i,),
        Sigma(Product(Variable("A", Role.LEAF, None, (n, m)).at(i, j),
                      Variable("v", Role.LEAF, None, (m,)).at(j)), (j, 1, m)),
    )  # fmt: skip
    assert certify(MatMul(Array("A", n, m), Array("v", m, 1)), equation).entries == 2


# ------------------------------------------------------------------------- SymPy's own entries


def in_indices(form: MatrixForm, entry: Expr) -> Expr:
    """Write SymPy's entry in symback's index notation, counted from 1."""

    def written(element: MatrixElement) -> Expr:
        array = element.parent.array if isinstance(element.parent, Gradient) else element.parent
        variable = form.graph.by_base[array.name]
        found = variable.at(*(k + 1 for k in element.indices[: len(variable.shape)]))
        if isinstance(element.parent, Gradient):
            return Partial(form.graph.target.element, found)
        return found

    plain = entry.replace(lambda e: isinstance(e, Scalar), lambda e: e.matrix[0, 0])
    plain = plain.replace(lambda e: isinstance(e, sympy.Sum), lambda e: e.doit())
    return plain.replace(lambda e: isinstance(e, MatrixElement), written)


@pytest.mark.parametrize("samples", [None, 3])
@pytest.mark.parametrize(
    ("layers", "loss", "bias"),
    [
        ([(4, "sigmoid"), (2, "softmax")], "squared_error", "per_layer"),
        ([(2, "softmax"), (4, "gelu")], "huber", "per_neuron"),
        ([(4, "relu"), (2, "sigmoid")], "binary_cross_entropy", "none"),
    ],
)
def test_sympy_reads_the_same_entries(layers, loss, bias, samples):
    """``form["W1"][i, j]`` is SymPy's to work out, and it is the index form too."""
    form = lift(build(3, layers, loss, bias=bias, samples=samples).backward)
    for name, expr in form.items():
        variable, deduction = _variable(form, name), _deduction(form, name)
        rows, columns = (int(size) for size in expr.shape)
        assert (rows, columns) == (*map(int, variable.shape), 1, 1)[:2]
        values = Lowered({})
        wanted = values.array(deduction.result, deduction.free, variable.shape)
        wanted = wanted.reshape(rows, columns)
        for k, l in {(0, 0), (rows - 1, columns - 1), (0, columns - 1)}:
            found = values.array(in_indices(form, expr[k, l]), (), ())
            assert found == wanted[k, l], f"{name} {k} {l}"


# ----------------------------------------------------------------------------- NumPy's arrays


class Arrays:
    """Matrix expressions as NumPy arrays of 50-digit numbers, each node by NumPy's operator."""

    def __init__(self, known) -> None:
        self.known = known

    def of(self, expr: Expr):
        match expr:
            case Gradient():
                return self.known["gradient", expr.array.name]
            case Array():
                return self.known["value", expr.name]
            case OneMatrix():
                return np.full([int(size) for size in expr.shape], mp.mpf(1), dtype=object)
            case sympy.ZeroMatrix():
                return np.full([int(size) for size in expr.shape], mp.mpf(0), dtype=object)
            case Transpose():
                return self.of(expr.arg).T
            case MatAdd():
                return sum(self.of(part) for part in expr.args)
            case HadamardProduct():
                return np.multiply.reduce([self.of(part) for part in expr.args])
            case HadamardPower():
                return self.each(lambda entry: mp.power(entry, number(expr.exp)), expr.base)
            case MatMul():
                coefficient, factors = expr.as_coeff_matrices()
                product = self.of(factors[0])
                for factor in factors[1:]:
                    product = product @ self.of(factor)
                return self.scalar(coefficient) * product
            case Elementwise():
                rule = sympy.lambdify(expr.rule.variables, expr.rule.expr, "mpmath")
                return self.each(rule, *expr.arrays)
            case Where():
                condition, yes, no = (self.of(part) for part in expr.args)
                return np.where(condition.astype(bool), yes, no)
        raise TypeError(type(expr))

    def each(self, rule, *arrays: MatrixExpr):
        return np.frompyfunc(rule, len(arrays), 1)(*(self.of(array) for array in arrays))

    def scalar(self, expr: Expr):
        if isinstance(expr, Scalar):
            return self.of(expr.matrix).item()
        if isinstance(expr, (sympy.Add, sympy.Mul, sympy.Pow, Product, Terms)) and expr.args:
            join = {Add: mp.fsum, Terms: mp.fsum, sympy.Pow: lambda pair: mp.power(*pair)}
            return join.get(type(expr), mp.fprod)([self.scalar(part) for part in expr.args])
        return number(expr)


def number(expr: Expr):
    if isinstance(expr, sympy.Rational):
        return mp.mpf(int(expr.p)) / int(expr.q)
    return mp.mpf(str(expr.evalf(60)))


def as_matrix(array):
    """Shape an array of numbers as its matrix: a number 1 × 1, a vector a column."""
    return array.reshape((*array.shape, 1, 1)[:2])


@mpmath.workdps(60)
def worst_difference(arrays: Arrays, expr: MatrixExpr, expected):
    """The largest relative difference; at 60 digits, as lambdified rules use mpmath's own."""
    found, wanted = arrays.of(expr), as_matrix(expected)
    assert found.shape == wanted.shape
    return np.abs(found - wanted).max() / (1 + np.abs(wanted).max())


@settings(max_examples=25)
@given(case=cases())
def test_numpy_agrees_with_the_numbers_of_the_index_form(case: Case):
    """Matrices multiplied by NumPy give the forward pass and all gradients, to 40 digits."""
    form = lift(case.backward)
    forward, gradients = case.numbers.forward, case.numbers.gradients(case.backward)
    bases = {v.name: matrix.base_name(v.element) for v in case.graph.variables}
    known = {("value", bases[name]): as_matrix(array) for name, array in forward.items()}
    known |= {("gradient", bases[name]): as_matrix(array) for name, array in gradients.items()}
    arrays = Arrays(known)
    claims = [(form.forward, forward), (form, gradients)]
    for lifted, expected in claims:
        for name, expr in lifted.items():
            assert worst_difference(arrays, expr, expected[name]) <= mp.mpf(10) ** -40, name


# ------------------------------------------------------------------------- what has no matrix form


n = sympy.symbols("n_1:5", integer=True, positive=True)
U, V, W = (
    Variable(name, Role.LEAF, None, size)
    for name, size in zip("UVW", [(n[0], n[1]), (n[0], n[2]), (n[0], n[3])], strict=True)
)
T = Variable("T", Role.LEAF, None, n[:3])
x = Variable("x", Role.LEAF, None, n[:1])


def lifted(form: Expr, sizes, *variables: Variable) -> MatrixExpr:
    return matrix._Lifter(Graph((), variables, variables[0])).lift(form, tuple(sizes), sizes)


@pytest.mark.parametrize(
    ("form", "sizes", "message"),
    [
        (T.at(i, j, p), {i: n[0], j: n[1], p: n[2]}, "it has 3 indices"),
        (Sigma(T.at(i, j, p), (p, 1, n[2])), {i: n[0], j: n[1]}, "more than two indices|at once"),
        (
            Sigma(
                Product(U.at(p, i), V.at(p, j), Sigma(W.at(p, q), (q, 1, n[3])), W.at(p, r)),
                (p, 1, n[0]),
            ),
            {i: n[1], j: n[2], r: n[3]},
            "it has 3 indices",
        ),
        (
            Sigma(Sigma(Product(U.at(p, i), V.at(p, j), W.at(p, q)), (q, 1, n[3])), (p, 1, n[0])),
            {i: n[1], j: n[2]},
            None,  # the sum over q first leaves a vector: it has one after all
        ),
        (
            Sigma(Sigma(Product(T.at(i, p, q), U.at(p, q)), (q, 1, n[1])), (p, 1, n[0])),
            {i: n[0]},
            "at once|more than two",
        ),
        (U.at(i, i), {i: n[0]}, "one index twice"),
        (x.at(i + 1), {i: n[0]}, "not a letter by itself"),
        (Product(x.at(2), x.at(i)), {i: n[0]}, "one element of an array"),
        (Partial(x.at(i), x.at(i)), {i: n[0]}, "not the derivative of the loss"),
        (Piecewise((x.at(i), x.at(i) > 0)), {i: n[0]}, "no value where none of its conditions"),
        (KroneckerDelta(i, 1) * x.at(i), {i: n[0]}, "picks one element"),
        (KroneckerDelta(i, j), {i: n[0], j: n[1]}, "do not run over the same"),
        (sympy.Derivative(x.at(i), x.at(i), evaluate=False), {i: n[0]}, "is not known here"),
    ],
)  # fmt: skip
def test_what_has_no_matrix_form_is_named(form, sizes, message):
    """The term and the reason; nothing is made up."""
    if message is None:
        found = lifted(form, sizes, T, U, V, W, x)
        at = {size: k + 2 for k, size in enumerate(n)}
        assert matrix._certified(found, form, tuple(sizes), form, at).entries
        return
    with pytest.raises(NoMatrixForm, match=message) as caught:
        lifted(form, sizes, T, U, V, W, x)
    assert caught.value.message.endswith("its index form stands")
    assert caught.value.term.has(*caught.value.term.free_symbols)


@pytest.mark.parametrize(
    ("form", "sizes", "text"),
    [
        (Product(x.at(i), x.at(j)), {i: n[0], j: n[0]}, "x xᵀ"),
        (Product(x.at(i), U.at(i, j)), {i: n[0], j: n[1]}, "(x 1ᵀ) ⊙ U"),
        (Product(U.at(i, j), U.at(i, j)), {i: n[0], j: n[1]}, "U ⊙ U"),
        (x.at(i), {i: n[0], j: n[1]}, "x 1ᵀ"),
        (x.at(j), {i: n[1], j: n[0]}, "1 xᵀ"),
        (Sigma(U.at(i, j), (j, 1, n[1])), {i: n[0]}, "U 1"),
        (Sigma(U.at(i, j), (i, 1, n[0])), {j: n[1]}, "Uᵀ 1"),
        (Sigma(Product(U.at(p, i), V.at(p, j)), (p, 1, n[0])), {i: n[1], j: n[2]}, "Uᵀ V"),
        (Sigma(Product(U.at(p, i), V.at(p, j)), (p, 1, n[0])), {j: n[2], i: n[1]}, "Vᵀ U"),
        (
            Sigma(Product(x.at(p), U.at(p, i), V.at(p, j)), (p, 1, n[0])),
            {i: n[1], j: n[2]},
            "(Uᵀ ⊙ (1 xᵀ)) V",
        ),
        (Sigma(sympy.Integer(3), (p, 1, n[0])), {i: n[1]}, "3·n_1·1"),
        (Sigma(x.at(j), (j, 1, n[0])), {i: n[1], j: n[2]}, "(1ᵀ x)·1"),
        (KroneckerDelta(i, j), {i: n[0], j: n[0]}, "I"),
        (x.at(i) ** 3, {i: n[0]}, "x^⊙3"),
        (1 / x.at(i), {i: n[0]}, "1 ⊘ x"),
        (Sigma(Product(U.at(i, p), U.at(j, p)), (p, 1, n[1])), {i: n[0], j: n[0]}, "U Uᵀ"),
    ],
)  # fmt: skip
def test_each_kind_of_product_by_itself(form, sizes, text):
    """Outer, inner, matrix and elementwise products, sums over an axis, numbers spread."""
    found = lifted(form, sizes, T, U, V, W, x)
    assert Text().write(found) == text
    at = {size: k + 2 for k, size in enumerate(n)}
    assert found.shape == (*sizes.values(), 1)[:2]
    assert matrix._certified(found, form, tuple(sizes), form, at).entries


def test_an_array_of_three_indices_is_no_matrix():
    """Asking for its adjoint raises, and so does asking for the algorithm."""
    target = Variable("L", Role.LOSS)
    w = Variable("w", Role.WEIGHT, None, n[:3])
    v = Variable("v", Role.LEAF, None, n[:1])
    inner = Product(w.at(i, j, p), v.at(i))
    body = Sigma(Sigma(Sigma(inner, (p, 1, n[2])), (j, 1, n[1])), (i, 1, n[0]))
    graph = Graph((Equation(target, (), collapse(body)),), (v, w, target), target)
    form = lift(BackwardPass(graph))
    assert {*form.missing} == {"L", "∇v", "∇w"}
    with pytest.raises(NoMatrixForm, match=r"at once"):
        form["v"]
    with pytest.raises(KeyError):
        form["nothing"]
    with pytest.raises(NoMatrixForm, match="more than two indices"):
        _ = form.steps


def test_a_line_without_a_matrix_form_stands_in_indices():
    """Six factors that link each of four indices to each other: no order of products exists."""
    target = Variable("L", Role.LOSS)
    letters = dict(zip(range(4), (i, j, p, q), strict=True))
    pairs = list(itertools.combinations(range(4), 2))
    factors = [
        Variable(f"W{k}", Role.WEIGHT, k, (n[a], n[b])) for k, (a, b) in enumerate(pairs, start=1)
    ]
    elements = [f.at(letters[a], letters[b]) for f, (a, b) in zip(factors, pairs, strict=True)]
    body = Product(*elements)
    for k, letter in letters.items():
        body = Sigma(body, (letter, 1, n[k]))
    equation = Equation(target, (), collapse(body), typed=body)
    graph = Graph((equation,), (*factors, target), target)
    form = lift(BackwardPass(graph))
    assert len(form) == 0
    assert all(name in form.missing for name in ("L", *(f"∇W{k}" for k in range(1, 7))))
    assert "the indices i, j, p, q meet in one product" in form.missing["L"].message
    lines = form.text().splitlines()
    assert lines[0].startswith("L = Σ_{q=1..n_4} ")
    assert lines[1].startswith("∂L/∂w_")
    assert lines[-1] == "W_6 ← W_6 - η·∇W_6"
    assert form.certify().entries == 0


# ------------------------------------------------------------------------------------- a batch


@pytest.mark.parametrize("over_samples", ["sum", "mean"])
@pytest.mark.parametrize("over_outputs", ["sum", "mean"])
@pytest.mark.parametrize("loss", LOSSES)
def test_one_more_index_is_what_a_batch_is(loss, over_outputs, over_samples):
    """A batch of B samples derives what one of five does, and sums the losses of its samples."""
    layers = [(4, "tanh"), (2, "softmax")]
    means = {"over_outputs": over_outputs, "over_samples": over_samples}
    batch = from_network(spec.network(3, layers, loss=loss, **means), B)
    many = build(3, layers, loss, samples=5, seed=3, **means)
    derived, wanted = BackwardPass(batch), many.backward
    sizes = {Integer(number): number for number in (2, 3, 4, 5)} | {B: 5}
    values = Lowered(sizes)
    for variable, deduction in wanted.adjoints.items():
        same = next(each for each in batch.variables if each.name == variable.name)
        assert tuple(size.subs(B, 5) for size in same.shape) == variable.shape
        results = (derived.adjoints[same].result, deduction.result)
        found = [values.array(form, deduction.free, variable.shape) for form in results]
        assert np.array_equal(*found), variable.name
    assert abs(Numbers(batch, many.given).loss - many.numbers.loss) < mp.mpf(10) ** -40
    one = from_network(spec.network(3, layers, loss=loss, over_outputs=over_outputs))
    total = sum(
        Numbers(
            one, many.given | {name: many.given[name][k] for name in {*"xy"} & {*many.given}}
        ).loss
        for k in range(5)
    ) / (5 if over_samples == "mean" else 1)
    assert abs(total - many.numbers.loss) < mp.mpf(10) ** -40


# ---------------------------------------------------------------------------------- the algorithm


def test_steps_are_data():
    """Phase, name, shape, formula, the index form beside it, and the shape of every factor."""
    data = lectures().steps_as_data()
    assert json.loads(json.dumps(data)) == data
    assert [entry["phase"] for entry in data] == ["forward"] * 7 + ["backward"] * 11 + [
        "update"
    ] * 6
    found = next(entry for entry in data if entry["name"] == "∇W_2")
    assert found == {
        "phase": "backward",
        "variable": "W2",
        "name": "∇W_2",
        "shape": ["n_2", "n_1"],
        "text": "∇W_2 = ∇a_2 h_1ᵀ",
        "latex": r"\nabla_{W_{2}}\mathscr{L} = \nabla_{a_{2}}\mathscr{L}\,h_{1}^{\top}",
        "factors": [
            {"text": "∇a_2", "shape": ["n_2", 1]},
            {"text": "h_1ᵀ", "shape": [1, "n_1"]},
        ],
        "transposes": [{"factor": "h_1ᵀ", "element": "h_1j", "index": "j", "because": "columns"}],
        "index": "∂L/∂w_2ij = ∂L/∂a_2i · h_1j",
        "rules": ["CHAIN", "LOCAL"],
        "no_matrix_form": None,
    }


def test_each_transpose_has_its_reason():
    """An index that is summed, or one that numbers columns, stands first where it must be last."""
    found = {
        (entry["name"], turned["factor"]): (turned["element"], turned["index"], turned["because"])
        for batch in ("", "mean")
        for entry in lectures(batch).steps_as_data()
        for turned in entry["transposes"]
    }
    assert found["∇h_1", "W_2ᵀ"] == ("w_2ij", "i", "summed")
    assert found["∇W_1", "xᵀ"] == ("x_j", "j", "columns")
    assert found["∇W_2", "(∇A_2)ᵀ"] == ("∂L/∂a_2i^(s)", "s", "summed")
    assert found["A_2", "W_2ᵀ"] == ("w_2ij", "i", "columns")
    assert found["A_2", "b_2ᵀ"] == ("b_2i", "i", "columns")
    assert found["L", "yᵀ"] == ("y_i", "i", "summed")
    for batch in ("", "mean"):
        for step in lectures(batch).steps:
            turned = step.expr.atoms(Transpose) if step.source else set()
            assert turned == {entry.factor for entry in step.transposes}


def test_each_step_has_the_shape_of_its_left_side():
    """Both sides of every line of the algorithm, whatever the layout."""
    for batch in ("", "mean"):
        for bias in BIASES:
            form = lift(symbolic(["softmax", "relu"], "huber", bias=bias, batch=batch))
            for step in form.steps:
                assert tuple(step.expr.shape) == tuple(step.shape), step.variable.name


def test_shapes_stand_under_the_factors():
    """One shape a factor, transposes included, none within a factor."""
    assert lectures().latex("W2", shapes=True) == (
        r"\nabla_{W_{2}}\mathscr{L} = "
        r"\underset{n_{2} \times 1}{\nabla_{a_{2}}\mathscr{L}}\,"
        r"\underset{1 \times n_{1}}{h_{1}^{\top}}"
    )


def test_a_step_is_only_what_the_parameters_need():
    """∇ŷ is skipped where softmax and cross-entropy are one step; ∇x and ∇y can be asked for."""
    form = lectures()
    names = [step.variable.name for step in form.steps if step.phase is Phase.BACKWARD]
    assert not {"yhat", "x", "y"} & {*names}
    assert form.step("x").written(Text()) == "∇x = W_1ᵀ ∇a_1"
    assert form.text("yhat") == "∇ŷ = -y ⊘ ŷ"
    forward = {step.variable.name: step for step in form.steps if step.phase is Phase.FORWARD}
    assert forward["h1"].named is not None


def test_equations_without_layers_lift_too():
    """S1 as 1 × 1 matrices: nothing here knows what a network is."""
    case = from_lines({"yhat": "w*x", "s": "yhat-y", "L": "s**2"}, w=1.0, x=1.0, y=2.0)
    form = lift(case.backward)
    assert form.certify().entries == len(form) + len(form.forward)
    assert all(expr.shape == (1, 1) for expr in form.values())
    checked = spec.equations({"y": "sin(cos(x))/(1+exp(-x))"}, values=None)
    assert lift(BackwardPass(from_equations(checked))).certify().entries


# -------------------------------------------------------------------------------------- printing


def test_a_gradient_is_transposed_as_a_whole():
    """(∇L)ᵀ, not the gradient of Lᵀ."""
    array = Array("a_1", *n[:2])
    assert MatrixLatex().write(Transpose(Gradient.of(array))) == (
        r"(\nabla_{a_{1}}\mathscr{L})^{\top}"
    )
    assert Text().write(Transpose(array)) == "a_1ᵀ"
    assert Text().write(SampleArray("yhat", *n[:2])) == "Ŷ"


def test_parentheses_say_what_the_tree_says():
    """⊙ and the matrix product never stand side by side without them."""
    a, b, c = (Array(name, n[0], n[0]) for name in "abc")
    cases_ = {
        MatMul(HadamardProduct(a, b), c): "(a ⊙ b) c",
        HadamardProduct(MatMul(a, b), c): "(a b) ⊙ c",
        HadamardProduct(a, MatMul(-1, b)): "a ⊙ (-b)",
        MatMul(-1, MatAdd(a, b)): "-(a + b)",
        MatAdd(a, MatMul(-2, MatAdd(b, c))): "a - 2·(b + c)",
        MatMul(2, HadamardProduct(a, b)): "2·a ⊙ b",
        Transpose(MatAdd(a, b)): "(a + b)ᵀ",
        HadamardProduct(a, HadamardPower(MatAdd(b, c), -1)): "a ⊘ (b + c)",
        HadamardProduct(HadamardPower(b, -1), a): "1 ⊘ b ⊙ a",
    }
    assert {Text().write(expr): text for expr, text in cases_.items()} == {
        text: text for text in cases_.values()
    }


def test_katex_sets_every_form_of_the_catalogue():
    """KaTeX sets every lift, with and without shapes."""
    formulas = [
        lift(symbolic([activation, "softmax"], loss, batch="mean")).latex(shapes=shapes)
        for activation, loss in EVERYTHING[::9]
        for shapes in (False, True)
    ]
    assert katex_errors(formulas) == []
    assert not any(r"\circ" in formula for formula in formulas)


def test_objects_show_themselves():
    """Notebook and prompt."""
    assert lectures()._repr_latex_().startswith(r"$\displaystyle \begin{aligned}")
    assert "every vector is a column" in repr(lectures())


# ------------------------------------------------------------------------------ order and speed


def test_the_bytes_do_not_depend_on_the_hash_seed():
    """Same text under two seeds."""
    program = (
        "from test_matrix import *;"
        "names = ('gelu', 'relu', 'softmax');"
        "print(*(lift(symbolic([a, 'softmax'], 'huber', batch='mean')).text() + "
        "lift(symbolic([a, 'sigmoid'], 'cross_entropy')).latex() for a in names))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.path.dirname(__file__)},  # noqa: PTH120
            capture_output=True,
            encoding="utf-8",
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert "softmax" in outputs.pop()


def test_it_is_quick_and_does_not_depend_on_the_widths():
    """784-512-512-10 takes no longer than 2-2-2-2: well under a second with certification."""
    lectures().certify()
    layers = [(512, "relu"), (512, "relu"), (10, "softmax")]
    checked = spec.network(784, layers, loss="cross_entropy")
    start = time.perf_counter()
    proved = lift(BackwardPass(from_network(checked))).certify()
    assert time.perf_counter() - start < 2  # about 0.15 s alone; the machine may be busy
    assert dict(proved.sizes)[Integer(784)] == 2
