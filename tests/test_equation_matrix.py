"""The matrix form of equations in index notation: what one writes at the board, and certified."""

from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import sympy
from sympy import Expr, MatAdd, MatMul, Transpose
from sympy.matrices.expressions.hadamard import HadamardProduct

import symback as sb
from matrix_text import MatrixText
from random_equations import RandomEquations
from symback.engine.arithmetics import Undefined
from symback.engine.evaluation import OutOfDomain
from symback.equations.adjoints import backward
from symback.equations.elements import Elements
from symback.equations.lifting import symbol
from symback.equations.matrix import MatrixForm, MatrixStep, Recurrence, Uncertified, lift
from symback.equations.matrix_nodes import FREE, Einsum, Entry, Leaf, Over, StepSum, Whole
from symback.equations.matrix_nodes import MatrixText as Written
from symback.equations.matrix_values import drawn, places, small_sizes
from symback.equations.second import hessian_product
from systems import KINDS, SYMBOLIC, symbolic, system
from typesetting import katex_errors

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@cache
def form(kind: str) -> MatrixForm:
    """The matrix form of a kind, at symbolic sizes where its file allows them."""
    return lift(backward(symbolic(kind) if kind in SYMBOLIC else system(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_line_gives_what_the_equations_say(kind: str):
    """Entry by entry, the lifted lines are the elements that `elements` computes."""
    found = form(kind)
    assert found.certify().entries >= len(found.lifted)
    assert not found.missing, "all kinds have a matrix form or an einsum"


@pytest.mark.parametrize("kind", KINDS)
def test_every_formula_can_be_typeset(kind: str):
    """KaTeX sets the algorithm, and an adjoint with its shapes."""
    found = form(kind)
    shaped = found.latex(next(iter(found)), shapes=True)
    assert katex_errors([found.latex(), shaped]) == []


BOARD = {
    "rnn": """
h_0 = h0
for t = 1 … T:
    a_t = W x_t + U h_{t-1} + b
    h_t = tanh(a_t)
L = 1ᵀ (H - Y)^⊙2 1
for t = T … 1:
    ∇h_t = 2·(h_t - y_t) + Uᵀ ∇a_{t+1}
        where ∇a_{T+1} = 0
    ∇a_t = ∇h_t ⊙ (1 - h_t^⊙2)
∇W = (∇A)ᵀ X
∇U = Σ_{t=1..T} ∇a_t h_{t-1}ᵀ
∇b = (∇A)ᵀ 1
W ← W - η·∇W
U ← U - η·∇U
b ← b - η·∇b
""",
    "rnn_last": """
    ∇h_t = Uᵀ ∇a_{t+1} + 2·1[t = T]·(h_t - y)
        where ∇a_{T+1} = 0
""",
    "lstm": """
    c_t = f_t ⊙ c_{t-1} + u_t ⊙ g_t
    h_t = o_t ⊙ tanh(c_t)
    ∇g_t = ∇c_t ⊙ u_t
    ∇f_t = ∇c_t ⊙ c_{t-1}
∇Wi = (∇U ⊙ U ⊙ (1 - U))ᵀ X
∇Ui = Σ_{t=1..T} (∇u_t ⊙ u_t ⊙ (1 - u_t)) h_{t-1}ᵀ
""",
    "gru": """
    ∇c_t = ∇h_t ⊙ z_t
        where ∇z_{T+1} = ∇r_{T+1} = ∇c_{T+1} = ∇h_{T+1} = 0
""",
    "layer_norm_inside": """
mu = 1/n·A 1
v = 1/n·(A - mu 1ᵀ)^⊙2 1
H = (1 gᵀ) ⊙ Z + 1 bᵀ
∇g = (∇H ⊙ Z)ᵀ 1
∇Z = ∇H ⊙ (1 gᵀ)
∇v = -1/2·∇r ⊙ r^⊙3
∇A = 1/n·∇mu 1ᵀ + 2/n·(∇v 1ᵀ) ⊙ (A - mu 1ᵀ) + ∇Z ⊙ (r 1ᵀ)
""",
    "batch_norm": """
mu = 1/B·Aᵀ 1
Z = (A - 1 muᵀ) ⊘ (1 (√(v + eps·1))ᵀ)
∇b = (∇H)ᵀ 1
""",
    "attention": """
S = 1/√(m)·q kᵀ
P = softmax_rows(S | M)
    where M[t,u] = 1[u ≤ t]
∇P = ∇Z vᵀ
∇S = P ⊙ (∇P - (∇P ⊙ P) 1 1ᵀ)
∇q = 1/√(m)·∇S k
∇k = 1/√(m)·(∇S)ᵀ q
""",
    "multi_head": """
P[a,t,u] = softmax_u(S[a,t,u])
∇S[a,t,u] = P[a,t,u]·(∇P[a,t,u] - einsum("atv,atv->at", ∇P, P)[a,t])
∇q[a,t,i] = 1/√(m)·einsum("atu,aui->ati", ∇S, k)
""",
    "embedding": """
H = tanh(E[tok])
    where E[tok][t,i] = E[tok[t],i]
P = softmax_rows(O)
L = -1/T·1ᵀ log(p_lab)
    where p_lab[t] = p[t,lab[t]]
∇E = 1_tokᵀ (∇H ⊙ (1 - H^⊙2))
    where 1_tok[t,i] = 1[tok[t] = i]
""",
    "conv1d": """
a[o,i] = einsum("iuj,ouj->oi", K, X̃)[o,i] + b[i]
    where X̃[o,u,j] = x[2o+u-3,j], x = 0 outside
∇A = ∇H ⊙ 1[A > 0]
∇K[i,u,j] = einsum("oi,ouj->iuj", ∇A, X̃)
∇b = (∇A)ᵀ 1
""",
    "conv1d_padded_hidden": """
h = tanh(X̃ K)
∇V = H̃ᵀ ∇a
""",
    "conv2d": """
∇K[i,j,u,v] = einsum("ipq,jpuqv->ijuv", ∇a, X̃)
""",
    "max_pool": """
h = max_rows(Ã)
    where Ã[o,u] = a[2o+u-2]
∇a[i] = einsum("iou,o,ou->i", M, ∇h, argmax_rows(Ã))
    where M[i,o,u] = 1[u = i-2o+2]
""",
    "mean_condition": """
m = (M a) ⊘ (M 1)
    where M[t,u] = 1[u ≤ t]
""",
    "logsumexp": """
∇A = softmax_rows(A) - Y
""",
}


@pytest.mark.parametrize("kind", BOARD)
def test_the_lines_are_what_one_writes_at_the_board(kind: str):
    """The lines of each kind that a lecturer would look for, in that order where all are given."""
    lines = form(kind).text().splitlines()
    wanted = BOARD[kind].strip("\n").splitlines()
    assert [line for line in wanted if line not in lines] == []
    if kind == "rnn":
        assert lines == wanted


# ---------------------------------------------------------------- what is printed is what is proved


def _misprinted(found: MatrixForm) -> list[str]:
    """The lines whose text, read as a person does, does not say what was certified."""
    elements = next(filter(None, map(partial(_elements, found), small_sizes(found.system))))
    return [
        line
        for step in found.lifted.values()
        if step.expr is not None and (line := _misread(found, step, elements))
    ]


def _elements(found: MatrixForm, sizes: dict[str, int]) -> Elements | None:
    for sign in (True, False):
        elements = drawn(found.system, found.named, sizes, sign)
        try:
            for name in found.system.defining:
                elements.array(name)
        except (OutOfDomain, Undefined, ZeroDivisionError):
            continue
        return elements
    return None


def _misread(found: MatrixForm, step: MatrixStep, elements: Elements) -> str:
    """The line of a step where its text says something else; empty where it does not."""
    expr, definition, sizes = step.expr, step.definition, elements.sizes
    assert expr is not None
    assert definition is not None
    entries = found.entries(step, elements)
    line = found.line(step)
    nodes = _printed(found, expr)

    def array(name: str, values: dict[str, int]) -> np.ndarray:
        node = nodes[name]
        whole = entries.part(node.array, node.places, values).astype(float)
        return whole.reshape((*whole.shape, 1, 1)[:2]) if whole.ndim < 2 else whole

    letters = {each.letter.name: int(each.upper.xreplace(_numbers(sizes))) for each in _overs(expr)}
    own = [letter.name for letter in getattr(step.symbol, "letters", ())]
    reader = MatrixText(line.partition(" = ")[2], list(nodes), array, letters, own)
    outer = [step.loop.over] if step.loop else []
    inner = [each for each in definition.ranges if each not in outer]
    is_matrix = isinstance(expr, sympy.MatrixExpr)
    for here in places(outer, sizes):
        for at in [{}] if is_matrix else places(inner, sizes):
            values = {**sizes, **here, **at}
            wanted = entries.matrix(expr, values) if is_matrix else entries.number(expr, values)
            wanted = np.asarray(wanted).astype(float)
            read = np.asarray(reader.value(values), dtype=float)
            read = np.broadcast_to(read, wanted.shape) if is_matrix else read.reshape(())
            if not np.allclose(wanted, read, rtol=1e-9, atol=1e-9):
                return line
    return ""


def _numbers(sizes: dict[str, int]) -> dict[Expr, Expr]:
    return {symbol(name): sympy.Integer(size) for name, size in sizes.items()}


def _overs(expr: Expr) -> set[Over]:
    return expr.atoms(Over)


def _printed(found: MatrixForm, expr: Expr) -> dict[str, Leaf | Whole]:
    """The arrays in a line by their names in it; no two have one name."""
    writer = Written(found.names)
    nodes: dict[str, Leaf | Whole] = {}
    for node in expr.atoms(Leaf) | expr.atoms(Whole):
        for name in {writer.bare(node), writer.write(Entry(node, ()))}:
            known = nodes.setdefault(name, node)
            assert (known.array, known.places) == (node.array, node.places), name
    return nodes


@pytest.mark.parametrize("kind", KINDS)
def test_the_text_of_every_line_says_what_was_certified(kind: str):
    """A reader of the text that knows nothing of the nodes computes the same numbers."""
    assert _misprinted(form(kind)) == []


@pytest.mark.parametrize("name", ["conv", "gpt"])
def test_the_networks_of_the_examples_are_lifted(name: str):
    """A convolutional network and a whole GPT: no line is missing, all are proved and printed."""
    net = sb.load(EXAMPLES / f"{name}.toml")
    found = net.matrix_form()
    assert not found.missing
    assert _misprinted(found) == []
    assert katex_errors([found.latex()]) == []


@pytest.mark.parametrize("seed", range(12, 24))
def test_random_equations_are_lifted_certified_and_printed_right(seed: int):
    """Sums, means, maxima, conditions and functions of arrays with up to three indices."""
    drawn_at_random = RandomEquations(seed)
    net = sb.equations(drawn_at_random.text, **drawn_at_random.tables)
    found = lift(net.backward)
    assert found.certify().entries
    assert _misprinted(found) == []
    assert katex_errors([found.latex()]) == []


def test_the_reader_of_texts_sees_a_lost_parenthesis():
    """-(1 - p) and -1 - p are read as what they are; so are fractions, ⊙ and ᵀ."""
    arrays = {"p": np.array([[2.0]]), "A": np.array([[1.0, 2.0], [3.0, 4.0]])}

    def read(text: str) -> list:
        reader = MatrixText(text, list(arrays), lambda name, _: arrays[name], {})
        return np.asarray(reader.value({})).tolist()

    assert (read("-(1 - p)"), read("-1 - p")) == ([[1.0]], [[-3.0]])
    assert read("Aᵀ ⊙ (A 1)") == [[3.0, 9.0], [14.0, 28.0]]
    assert read("(Aᵀ A) ⊘ A") == [[10.0, 7.0], [14 / 3, 5.0]]
    assert read("1/2·1ᵀ A^⊙2 1") == [[15.0]]


# ------------------------------------------------------------------------- a wrong lift is refuted


def _places(expr: Expr) -> Iterator[Expr]:
    yield from dict.fromkeys(sympy.preorder_traversal(expr))


def _with(expr: Expr, old: Expr, new: Expr) -> Expr:
    return new if expr == old else _rebuilt(expr, old, new)


def _rebuilt(expr: Expr, old: Expr, new: Expr) -> Expr:
    if not expr.args or not expr.has(old):
        return expr
    arguments = [_with(part, old, new) for part in expr.args]
    if isinstance(expr, (MatMul, MatAdd, HadamardProduct)):
        return expr.func(*arguments, evaluate=False)
    return expr.func(*arguments)


def _mutants(expr: Expr) -> Iterator[tuple[str, Expr, Expr]]:
    """What goes wrong at the board: a lost ᵀ, a lost term or sum, operands swapped, t for t - 1."""
    for part in _places(expr):
        match part:
            case Transpose():
                yield "a lost transpose", part, part.arg
            case MatAdd():
                yield "a lost term", part, part.args[0]
            case HadamardProduct():
                yield "a lost factor", part, part.args[0]
            case MatMul() if part.args[-1].shape[0] != 1 and len(part.args) == 2:
                left, right = part.args
                if isinstance(left, sympy.MatrixExpr) and left.shape[0] == right.shape[1]:
                    yield "operands swapped", part, MatMul(right, left, evaluate=False)
            case StepSum(letter=letter, limits=(lower, upper), body=body):
                yield "a lost step", part, StepSum(letter, lower + 1, upper, body)
            case Leaf() if any(place.free_symbols - {FREE} for place in part.places):
                moved = [place if place == FREE else place + 1 for place in part.places]
                yield "the next step", part, Leaf(part.array, moved, *part.shape)
            case Einsum() if len(part.operands) > 1:
                yield "a lost operand", part, Einsum(part.out, *part.operands[:-1])
            case Entry() if len({*part.letters}) > 1 and isinstance(part.whole, Whole):
                yield "indices swapped", part, Entry(part.whole, part.letters[::-1])


def _is_refuted(found: MatrixForm) -> bool:
    try:
        found.certify()
    except Uncertified:
        return True
    return False


MUTATED = ("rnn", "layer_norm_inside", "attention", "multi_head", "conv1d", "embedding", "max_pool")


@pytest.mark.parametrize("kind", MUTATED)
def test_a_wrong_lift_is_refuted(kind: str):
    """Every mutation of every line of the backward pass raises `Uncertified`."""
    good = form(kind)
    tried = 0
    for definition, step in good.lifted.items():
        if step.expr is None or not definition.name.startswith("∇"):
            continue
        for what, old, new in _mutants(step.expr):
            try:
                mutant = _with(step.expr, old, new)
            except sympy.matrices.exceptions.ShapeError:
                continue  # SymPy refuses to put it together
            wrong = copy(good)
            wrong.lifted = {definition: replace(step, expr=mutant)}
            tried += 1
            assert _is_refuted(wrong), f"{what} in {good.text(step.variable)}: {mutant}"
    assert tried >= 6


def test_a_refuted_line_gives_way_to_its_index_form():
    """What a user sees of a lift that is wrong: the index form, and that it has no matrix form."""
    good = form("rnn")
    definition = next(each for each in good.lifted if each.name == "∇W")
    wrong = copy(good)
    wrong.lifted = {**good.lifted, definition: replace(good.lifted[definition], expr=good["b"])}
    assert wrong.prove().entries > 50
    assert wrong.lifted[definition].expr is None
    assert wrong.line(wrong.lifted[definition]) == "∂L/∂W_ij = Σ_{t=1..T} ∂L/∂a[t]_i · x[t]_j"
    assert [each for each, step in wrong.lifted.items() if step.missing] == [definition]


def test_a_boundary_that_does_not_hold_is_refuted():
    """∇a_{T+1} = 0 is part of the claim: without it the line of ∇h_t is wrong at t = T."""
    good = form("rnn")
    definition = next(each for each in good.lifted if each.name == "∇h" and not each.is_base)
    wrong = copy(good)
    wrong.lifted = {definition: replace(good.lifted[definition], boundaries=())}
    with pytest.raises(Uncertified, match=r"does not give ∇h\[3,1\]"):
        wrong.certify()


def test_second_derivatives_have_a_matrix_form_too():
    """Hessian times vector: a second backward pass is lifted as the first, and certified."""
    found = lift(hessian_product(backward(symbolic("rnn"))))
    assert not found.missing
    assert found.certify().entries > 100
    lines = found.text().splitlines()
    assert "∂G/∂W = (∂G/∂A)ᵀ X" in lines
    assert "    ∂G/∂∇h_t = ∂G/∂∇a_t ⊙ (1 - h_t^⊙2)" in lines
    assert not any("←" in line for line in lines)


# ---------------------------------------------------------------------------------- the object


def test_adjoints_are_matrix_expressions_by_name():
    """The mapping of the contract: SymPy matrices where they are matrices, at symbolic sizes."""
    found = form("attention")
    assert isinstance(found["Q"], sympy.MatrixExpr)
    assert found["Q"].shape == (symbol("m"), symbol("d"))
    assert {"Q", "K", "V", "S", "P"} <= {*found}
    with pytest.raises(KeyError):
        found["nothing"]


def test_an_adjoint_of_a_recurrence_is_its_lines():
    """``∇h`` is a loop and its base case."""
    found = form("rnn")["h"]
    assert isinstance(found, Recurrence)
    assert found.text.splitlines() == [
        "∇h_0 = Uᵀ ∇a_1",
        "for t = T … 1:",
        "    ∇h_t = 2·(h_t - y_t) + Uᵀ ∇a_{t+1}",
        "        where ∇a_{T+1} = 0",
    ]


def test_steps_are_plain_data():
    """The JSON of ``symback matrix`` has the keys that a network of layers has, and its loops."""
    steps = {step["name"]: step for step in form("rnn").steps_as_data()}
    own = steps["∇h_t"]
    assert (own["loop"], own["where"]) == ("for t = T … 1", ["∇a_{T+1} = 0"])
    assert (own["shape"], own["no_matrix_form"]) == (["n", 1], None)
    assert own["rules"] == ["CHAIN", "LOCAL", "FACTOR"]
    weights = steps["∇W"]
    assert (weights["text"], weights["variable"]) == ("∇W = (∇A)ᵀ X", "W")
    assert weights["factors"] == [
        {"text": "(∇A)ᵀ", "shape": ["n", "T"]},
        {"text": "X", "shape": ["T", "d"]},
    ]


def test_a_column_is_not_written_like_a_row():
    """In a loop S_t is row t; a line that needs column t stands in indices."""
    text = "c[t] = sum(u if u < t, S[t,u]*c[u]) + v[t]\nL = sum(t, (c[t] - y[t])**2)"
    shapes = {"parameters": {"S": ["T", "T"], "v": ["T"]}, "inputs": {"y": ["T"]}}
    form = sb.equations(text, sizes={"T": 4}, **shapes).matrix_form()
    lines = form.text().splitlines()
    assert "    c_t = M_tᵀ (S_t ⊙ c) + v_t" in lines
    assert any("S[u,t]" in line and line.startswith("    ∂L/∂c[t]") for line in lines)
