"""The claim that matters: whatever symback writes of a derivative has the derivative's value.

For every network tried, the sum over the paths, the backward pass in index notation, the composed
expression with and without Σ and **each right-hand side of each step** equal the difference
quotient to 20 digits (`referee.disagreements`).  And the checker is shown to be able to fail.
"""

import random
from dataclasses import replace
from functools import cache

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Integer, KroneckerDelta, Sum, Symbol

from referee import Referee, composed, disagreements, mp, of_derivation, same, symbol
from strategies import (
    ALL_ACTIVATIONS,
    ALL_LOSSES,
    Case,
    build,
    cases,
    from_lines,
    makes_sense,
    references,
)
from symback.engine import derivation as derivations
from symback.engine.derivation import BackwardPass, Deduction, Derivation, Rule, derive
from symback.language.algebra import Partial, Product, Sigma, Terms, collapse
from symback.language.functions import ACTIVATIONS, LOSSES, Activation, Loss
from symback.language.names import read_reference
from symback.language.writing import Text


def derivation_of(case: Case, name: str) -> Derivation:
    return derive(case.backward, read_reference(name, case.graph.variables))


def some_names(case: Case, seed: int, count: int = 3) -> set[str]:
    names = [reference.name for reference in references(case)]
    return set(random.Random(seed).sample(names, min(count, len(names))))


# ------------------------------------------------------------------------------- all agree

CATALOGUE = [
    (activation, loss)
    for activation in ACTIVATIONS
    for loss in LOSSES
    if makes_sense(activation, loss)
]


@pytest.mark.parametrize(("activation", "loss"), CATALOGUE)
def test_every_activation_agrees_with_every_loss(activation, loss):
    """Each pair of the catalogue that makes sense: one sample, and the hidden layers in turn."""
    seed = CATALOGUE.index((activation, loss))
    hidden = ALL_ACTIVATIONS[seed % len(ALL_ACTIVATIONS)]
    case = build(2, [(2, hidden), (2, activation)], loss, seed=seed)
    assert disagreements(case, names={"w_112", "b_21"}) == []


@settings(max_examples=20)
@given(case=cases(), seed=st.integers(0, 99))
def test_random_networks_agree(case, seed):
    """1 to 3 layers, widths 1 to 4, softmax anywhere, user formulas, all biases, batches."""
    assert disagreements(case, names=some_names(case, seed)) == []


@pytest.mark.parametrize("bias", ["per_neuron", "per_layer", "none"])
@pytest.mark.parametrize("over_outputs", ["sum", "mean"])
@pytest.mark.parametrize("samples", [None, 3])
def test_every_element_of_one_network_agrees(bias, over_outputs, samples):
    """Not a choice of weights: every weight, bias, input, target, pre-activation, activation."""
    case = build(
        2, [(3, "softmax"), (2, "tanh")], "squared_error",
        bias=bias, over_outputs=over_outputs, over_samples="mean", samples=samples, seed=7,
    )  # fmt: skip
    assert disagreements(case, names=None if samples is None else some_names(case, 3, 8)) == []


@settings(max_examples=10)
@given(case=cases(deepest=2, widest=3), seed=st.integers(0, 99))
def test_the_form_with_sums_agrees_too(case, seed):
    """The conclusions that are written with Σ, as where there are too many paths to list."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(derivations, "UNROLLED_PATHS", 0)
        assert disagreements(case, names=some_names(case, seed)) == []


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_symbolic_widths_agree(output, loss):
    """One derivation for all widths gives the numbers of the widths one puts in."""
    sizes = {"n_0": 2, "n_1": 3, "n_2": 2, "n_3": 3}
    layers = [("n_1", "tanh"), ("n_2", "softmax"), ("n_3", output)]
    case = build("n_0", layers, loss, sizes=sizes, seed=5)
    limits = {limit for variable in case.graph.variables for limit in variable.shape}
    referee = Referee(case, {limit: sizes[str(limit)] for limit in limits})
    for name in ("w_122", "w_331", "b_22", "x_1", "h_12"):
        found = derivation_of(case, name)
        assert not found.unrolled
        assert list(of_derivation_without_paths(referee, found)) == []


def of_derivation_without_paths(referee, found):
    """Symbolic widths have no list of paths; all else is checked."""
    expected = referee.value(Partial(referee.graph.target.at(), found.target.element))
    for what in (found.expr, found.folded, *(step.rhs for step in found.steps)):
        if not same(referee.value(what), expected):
            yield f"{found.target.name}: {what}"


TINY = [
    ("sigmoid", "sigmoid", "binary_cross_entropy"),
    ("softmax", "softmax", "cross_entropy"),
    ("tanh", "linear", "huber"),
    ("relu", "softplus", "absolute_error"),
    ("gelu", "elu", "squared_error"),
    ("silu", "leaky_relu", "output"),
]


@pytest.mark.parametrize(("hidden", "output", "loss"), TINY)
def test_the_composed_loss_differentiated_by_sympy_agrees(hidden, output, loss):
    """SymPy differentiates the loss, written out in inputs and weights, to the same number."""
    case = build(2, [(2, hidden), (2, output)], loss, seed=11)
    referee = Referee(case)
    whole = composed(referee, case.backward)
    numbers = {symbol(node): value for node, value in referee.given.items()}
    gradients = case.numbers.gradients(case.backward)
    for name in ("w_112", "w_221", "b_11", "b_22", "x_1"):
        reference = read_reference(name, case.graph.variables)
        slope = sympy.diff(whole, symbol((reference.variable, reference.indices)))
        written = {key: sympy.Float(str(value), 60) for key, value in numbers.items()}
        expected = mp.mpf(str(slope.xreplace(written).evalf(55)))
        assert same(
            mp.mpf(case.numbers.element(gradients[reference.variable.name], reference)), expected
        )


@pytest.mark.parametrize(
    "lines",
    [
        {"y": "1/(1+exp(-x))"},
        {"y": "sin(cos(tan(exp(log(x**2)))))"},
        {"y": "x*exp(-x**2)/(1+x)"},
        {"u": "x*x", "v": "u+x", "y": "u*v/x"},
        {"c": "2", "d": "c*c", "y": "exp(x+d)"},
        {"y": "sqrt(1+x**2)**3"},
        {"y": "max(x, x**2, 1/2)*abs(x-1)"},
        {"y": "x**x"},
        {"y": "log(cosh(x))-2**x"},
        {"yhat": "w*x", "s": "yhat-x", "L": "s**2+w"},
    ],
)
def test_equations_agree(lines):
    """Scalar graphs: chains taken apart, reuse of a stage, constants, powers, away from kinks."""
    values = {"x": 0.37, "w": 1.21} if "yhat" in lines else {"x": 0.37}
    assert disagreements(from_lines(lines, **values)) == []


# ------------------------------------------------------------------------ the lectures, literally


def names_of(*names: str) -> list[Symbol]:
    return [Symbol(name) for name in names]


def factors(expr) -> list:
    """Give the factors of a product in their order, those of products within it too."""
    if not isinstance(expr, Product):
        return [expr]
    return [factor for part in expr.args for factor in factors(part)]


@cache
def lecture_network() -> Case:
    return build(4, [(4, "sigmoid"), (2, "softmax")], "squared_error", seed=1)


def test_s4_the_weight_of_the_output_layer():
    """S4: ∂L/∂w_212 = -2 ŷ_1 ŷ_2 [(y_1 - ŷ_1) - (y_2 - ŷ_2)] h_12: structure and value."""
    found = derivation_of(lecture_network(), "w_212")
    y1, y2, p1, p2, h = names_of("y_1", "y_2", "yhat_1", "yhat_2", "h_12")
    bracket = Terms(y1 - p1, Product(Integer(-1), y2 - p2))
    assert factors(found.steps[-1].rhs) == [-2 * p1 * p2, bracket, h]
    assert Text().write(found.steps[-1].rhs) == "-2·ŷ_1·ŷ_2·((y_1 - ŷ_1) - (y_2 - ŷ_2))·h_12"
    lecture = -2 * p1 * p2 * ((y1 - p1) - (y2 - p2)) * h
    assert sympy.expand(found.expr - lecture) == 0
    rules = [step.rule for step in found.steps]
    assert rules[:4] == [Rule.PATHS, Rule.GROUP, Rule.LOCAL, Rule.SUBSTITUTE]


def test_s4_follows_both_outputs():
    """S4: the softmax couples the outputs, so there are two paths and not the lecturer's one."""
    found = derivation_of(lecture_network(), "w_212")
    assert [list(path.neurons) for path in found.paths] == [
        ["w_212", "a_21", "yhat_1", "L"],
        ["w_212", "a_21", "yhat_2", "L"],
    ]
    assert [fact.because for fact in found.facts] == ["the outputs of a softmax sum to one"]


def test_s5_the_four_paths_of_a_hidden_weight():
    """S5: 2 pre-activations × 2 outputs, in the spelling of the contract."""
    found = derivation_of(lecture_network(), "w_131")
    assert [list(path.neurons) for path in found.paths] == [
        ["w_131", "a_13", "h_13", "a_21", "yhat_1", "L"],
        ["w_131", "a_13", "h_13", "a_21", "yhat_2", "L"],
        ["w_131", "a_13", "h_13", "a_22", "yhat_1", "L"],
        ["w_131", "a_13", "h_13", "a_22", "yhat_2", "L"],
    ]


def test_s5_the_grouping():
    """S5: (∂L/∂a_21 · w_213 + ∂L/∂a_22 · w_223) · h_13 (1 - h_13) · x_1, and names before it."""
    found = derivation_of(lecture_network(), "w_131")
    L, a1, a2, w1, w2, h, x = names_of("L", "a_21", "a_22", "w_213", "w_223", "h_13", "x_1")
    wanted = Product(
        Terms(Product(Partial(L, a1), w1), Product(Partial(L, a2), w2)), Product(h, 1 - h), x
    )
    assert wanted in [step.rhs for step in found.steps]
    rules = [step.rule for step in found.steps]
    assert rules[:4] == [Rule.PATHS, Rule.GROUP, Rule.LOCAL, Rule.SUBSTITUTE]


@pytest.mark.parametrize("outputs", [1, 2, 3, 5])
def test_s5_as_many_summands_as_outputs(outputs):
    """S5: K outputs give K summands in the bracket."""
    case = build(2, [(2, "sigmoid"), (outputs, "sigmoid")], "squared_error")
    found = derivation_of(case, "w_112")
    local = next(step.rhs for step in found.steps if step.rule is Rule.LOCAL)
    bracket = local.args[0]
    assert found.paths.count == outputs
    assert len(bracket.args) == outputs or outputs == 1


@cache
def classifier(*, distribution: bool = True) -> Case:
    sizes = {"n_0": 2, "n_1": 3, "n_2": 3}
    if distribution:
        return build("n_0", [("n_1", "sigmoid"), ("n_2", "softmax")], "cross_entropy", sizes=sizes)
    return build(2, [(3, "sigmoid"), (3, "softmax")], "cross_entropy", distribution=False)


def adjoints_of(case: Case) -> dict[str, Deduction]:
    return {variable.name: deduction for variable, deduction in case.backward.adjoints.items()}


def test_s6_softmax_and_cross_entropy_fuse_to_the_difference():
    """S6: ∂L/∂a_L = ŷ - y, after a step that says that the target sums to one."""
    output = adjoints_of(classifier())["a2"]
    i = Symbol("i", integer=True)
    by_name = {variable.name: variable for variable in classifier().graph.variables}
    assert collapse(output.result) == by_name["yhat"].at(i) - by_name["y"].at(i)
    facts = [step for step in output.steps if step.rule is Rule.FACT]
    assert [step.fact.variable.name for step in facts] == ["y"]
    assert "distribution" in facts[0].fact.because


def test_s6_without_the_fact_the_sum_stays():
    """S6: where the given target is no distribution, (Σ_j y_j) ŷ_i - y_i is all one may say."""
    case = classifier(distribution=False)
    output = adjoints_of(case)["a2"]
    by_name = {variable.name: variable for variable in case.graph.variables}
    i, j = Symbol("i", integer=True), Symbol("j", integer=True)
    y, yhat = by_name["y"], by_name["yhat"]
    wanted = -y.at(i) + yhat.at(i) * Sigma(y.at(j), (j, 1, 3))
    assert collapse(output.result) == wanted
    assert not any(step.rule is Rule.FACT for step in output.steps)
    assert output.result.atoms(Sum)


def test_s6_the_responsibilities_in_index_form():
    """S6: each line of the backward pass for symbolic widths, as the lectures write it."""
    case = classifier()
    results = {name: Text().write(one.result) for name, one in adjoints_of(case).items()}
    assert results == {
        "y": "-log(ŷ_i)",
        "yhat": "-y_i/ŷ_i",
        "a2": "ŷ_i - y_i",
        "b2": "∂L/∂a_2i",
        "W2": "∂L/∂a_2i · h_1j",
        "h1": "Σ_{i=1..n_2} ∂L/∂a_2i · w_2ij",
        "a1": "∂L/∂h_1i · h_1i·(1 - h_1i)",
        "b1": "∂L/∂a_1i",
        "W1": "∂L/∂a_1i · x_j",
        "x": "Σ_{i=1..n_1} ∂L/∂a_1i · w_1ij",
    }


def test_s6_the_other_slope():
    """S6: g' = 1 - g² for tanh."""
    case = build("n_0", [("n_1", "tanh"), ("n_2", "softmax")], "cross_entropy",
                 sizes={"n_0": 2, "n_1": 2, "n_2": 2})  # fmt: skip
    assert Text().write(adjoints_of(case)["a1"].result) == "∂L/∂h_1i · (1 - h_1i^2)"


def test_s1_the_scalar_graph_with_numbers():
    """S1: ŷ = 1, s = -1, L = 1, ∂L/∂s = -2 and ∂L/∂w = -2; at w = 2 the loss is 0."""
    case = from_lines({"yhat": "w*x", "s": "yhat - y", "L": "s**2"}, x=1, y=2, w=1)
    forward, gradients = case.numbers.forward, case.numbers.gradients(case.backward)
    assert [forward[name].item() for name in ("yhat", "s", "L")] == [1, -1, 1]
    assert [gradients[name].item() for name in ("s", "yhat", "w")] == [-2, -2, -2]
    found = derivation_of(case, "w")
    assert [str(path) for path in found.paths] == ["w → yhat → s → L"]
    assert Text().write(found.steps[-1].rhs) == "2·s·x"
    w = read_reference("w", case.graph.variables)
    assert case.numbers.loss_with(w, 2) == 0
    assert disagreements(case) == []


def test_s2_a_composed_function_taken_apart():
    """S2: y = 1/(1+e^-x) has the four stages of the lecture, one derivative each, and y(1 - y)."""
    case = from_lines({"y": "1/(1+exp(-x))"}, x=0.3)
    stages = {equation.variable.name: str(equation.rhs) for equation in case.graph.equations}
    assert stages == {"A1": "-x", "A2": "exp(A1)", "A3": "A2 + 1", "y": "1/A3"}
    slopes = {
        (child.name, parent.name): str(local.raw)
        for (child, parent), local in case.backward.derivatives.items()
    }
    assert slopes == {
        ("A1", "x"): "-1",
        ("A2", "A1"): "exp(A1)",
        ("A3", "A2"): "1",
        ("y", "A3"): "-1/A3**2",
    }
    found = derivation_of(case, "x")
    assert found.steps[-1].rule is Rule.REWRITE
    assert Text().write(found.steps[-1].rhs) == "y·(1 - y)"


def test_s3_the_long_chain_of_a_thin_network():
    """S3: one neuron a layer: one path, one factor a stage, and what two weights share."""
    depth = 6
    case = build(1, [(1, "sigmoid")] * depth, "squared_error")
    chains = {}
    for k in (1, 2):
        found = derivation_of(case, f"w_{k}11")
        assert found.paths.count == 1
        chains[k] = [Text().write(factor) for factor in found.paths[0].factors]
        assert len(chains[k]) == 2 * (depth - k + 1) + 1
    shared = len(chains[2]) - 1
    assert chains[1][:shared] == chains[2][:shared]
    assert chains[1][shared:] == ["∂a_21/∂h_11", "∂h_11/∂a_11", "∂a_11/∂w_111"]


# --------------------------------------------------------------------- the checker can say no


@cache
def wrong_case() -> Case:
    """A net where no mistake hides: three classes, non-square weights, general targets."""
    return build(2, [(3, "sigmoid"), (3, "softmax")], "squared_error", distribution=False, seed=23)


def _mutations(found: Derivation):
    """Give wrong derivations of one weight, each with the name of the mistake."""
    right = found.steps[-1].rhs
    w, w_swapped, h = names_of("w_213", "w_231", "h_13")
    swap = {w: w_swapped}
    final = {
        "sign": Product(Integer(-1), right),
        "factor": Product(Integer(2), right),
        "transposed index": right.xreplace(swap),
        "lost slope": right.xreplace({1 - h: Integer(1)}),
        "wrong neuron": right.xreplace({h: Symbol("h_12")}),
        "swapped factor": right.xreplace({Symbol("x_1"): Symbol("x_2")}),
        "swapped letters": right.xreplace(
            {Symbol("y_1"): Symbol("yhat_1"), Symbol("yhat_1"): Symbol("y_1")}
        ),
        "lost term": _without_a_term(right),
    }
    for name, wrong in final.items():
        assert wrong != right, name
        steps = (*found.conclusion.steps[:-1], replace(found.conclusion.steps[-1], rhs=wrong))
        yield name, _changed(found, conclusion=replace(found.conclusion, steps=steps))
    first = found.conclusion.steps[0]
    lost = replace(first, rhs=Terms(*first.rhs.args[1:]))
    steps = (lost, *found.conclusion.steps[1:])
    yield "lost path", _changed(found, conclusion=replace(found.conclusion, steps=steps))
    yield "lost path in the list", _changed(found, paths=tuple(found.paths)[1:])


def _changed(found, **attributes):
    """Give a copy of the derivation something else to say."""
    changed = replace(found)
    vars(changed).update(attributes)
    return changed


def _without_a_term(expr):
    """Give the product with one term less in its first sum."""
    bracket = next(part for part in expr.args if isinstance(part, Terms))
    return Product(*(Terms(*bracket.args[1:]) if part is bracket else part for part in expr.args))


def test_the_checker_passes_what_the_mutations_start_from():
    """What is to be refuted was right before it was changed."""
    found = derivation_of(wrong_case(), "w_131")
    assert list(of_derivation(Referee(wrong_case()), found)) == []


@pytest.mark.parametrize("number", range(10))
def test_each_mutation_of_a_derivation_is_refuted(number):
    """Sign, factor, index, slope, neuron, input, letters, term and path: each is seen."""
    mutants = list(_mutations(derivation_of(wrong_case(), "w_131")))
    assert len(mutants) == 10
    name, wrong = mutants[number]
    assert list(of_derivation(Referee(wrong_case()), wrong)), f"{name} was accepted"


def _mutated_backward(what: str) -> Case:
    """The case with one adjoint in index form changed."""
    case = build(2, [(3, "sigmoid"), (3, "softmax")], "squared_error", distribution=False, seed=23)
    backward = BackwardPass(case.graph)
    variable = next(v for v in backward.adjoints if v.name == {"lost delta": "a2"}.get(what, "h1"))
    deduction = backward.adjoints[variable]
    last = deduction.steps[-1]
    i, j = Symbol("i", integer=True), Symbol("j", integer=True)
    changed = {
        "sign": lambda rhs: Product(Integer(-1), rhs),
        "transposed index": lambda rhs: rhs.xreplace(
            {atom: atom.base[j, i] for atom in rhs.atoms(sympy.Indexed) if len(atom.indices) == 2}
        ),
        "lost sum": lambda rhs: rhs.function.xreplace({i: Integer(1)}),
        "lost term of the sum": lambda rhs: Terms(rhs, -rhs.function.xreplace({i: Integer(3)})),
        "lost delta": lambda rhs: Product(*rhs.args[:-1], rhs.args[-1].args[0]),
    }[what](last.rhs)
    assert changed != last.rhs
    steps = (*deduction.steps[:-1], replace(last, rhs=changed))
    backward.adjoints[variable] = replace(deduction, steps=steps)
    case.__dict__["backward"] = backward
    return case


@pytest.mark.parametrize(
    "what", ["sign", "transposed index", "lost sum", "lost term of the sum", "lost delta"]
)
def test_each_mutation_of_the_backward_pass_is_refuted(what):
    """A wrong adjoint in index form is seen in the deduction and in every number after it."""
    found = disagreements(_mutated_backward(what), names=set())
    assert any(line.startswith("index form") for line in found)
    assert any(line.startswith("gradients[x]") for line in found)


# -------------------------------------------------------------------- a new row in one place


def test_a_throw_away_row_runs_through_everything(monkeypatch):
    """One row more in each table of the catalogue is all a new function needs."""
    row = Activation(
        "softsign2", "z/sqrt(1+z**2)", "1/sqrt(1+z**2)**3", latex=r"\varsigma", text="ς"
    )
    monkeypatch.setitem(ACTIVATIONS, "softsign2", row)
    monkeypatch.setitem(LOSSES, "sharp", Loss("sharp", "(y-yhat)**6/6", "-(y-yhat)**5"))
    case = build(2, [(2, "softsign2"), (2, "softsign2")], "sharp", seed=2)
    assert disagreements(case) == []
    named = next(e.named for e in case.graph.equations if e.variable.name == "h1")
    assert Text().write(named) == "ς(a_1i)"


def test_a_row_handed_over_in_python_runs_through_everything():
    """A row of one's own in place of a name needs no table at all."""
    from symback.engine import spec
    from symback.engine.graph import from_network

    own = Activation("bent", "(sqrt(z**2+1)-1)/2+z")
    checked = spec.network(
        2, [(2, own), (1, own)], loss=Loss("cube", "abs(y-yhat)**3"),
        values={"x": [0.3, -0.8], "y": [0.4], "W1": [[0.5, -0.7], [1.1, 0.2]], "b1": [0.1, -0.3],
                "W2": [[0.9, -0.6]], "b2": [0.25]},
    )  # fmt: skip
    given = {"x": checked.values.x, "y": checked.values.y, **dict(checked.values.parameters)}
    assert disagreements(Case(from_network(checked), given, "bent and cube")) == []


def test_all_rows_are_known_to_the_random_networks():
    """A row that is added is tried at once."""
    assert set(ALL_ACTIVATIONS) >= set(ACTIVATIONS)
    assert set(ALL_LOSSES) >= set(LOSSES)
    assert KroneckerDelta(1, 2) == 0  # the pins of the local derivatives lean on this
