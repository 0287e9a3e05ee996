"""The derivation of one element of an array: each of its lines has the value of the derivative."""

import json
from dataclasses import replace
from fractions import Fraction

import pytest

import symback as sb
from symback.cli import main
from symback.equations.derivation import MOST_FILLED, Derivation, told_apart
from symback.equations.elements import Elements
from symback.equations.indices import number
from symback.equations.naming import file_name
from symback.equations.system import Definition, Group, Kind, Quantity
from symback.equations.terms import Number, Read, Slope, Term, Times, walk
from symback.equations.unrolling import leaves
from symback.language.names import UnknownName
from symback.network import EquationNetwork
from tests.systems import KINDS
from tests.systems import system as system_of
from tests.typesetting import katex_errors

VALUES = {
    "W": [[0.1, 0.2], [0.3, -0.4]], "U": [[0.5, -0.6], [0.7, 0.8]], "b": [0.1, -0.1],
    "x": [[1, 2], [0.5, -1], [-0.3, 0.2]], "y": [[0, 1], [1, 0], [0.5, 0.5]], "h0": [0.2, 0.1],
}  # fmt: skip
RNN = """
    a[t,i] = sum(j, W[i,j]*x[t,j]) + sum(j, U[i,j]*h[t-1,j]) + b[i]
    h[0,i] = h0[i]
    h[t,i] = tanh(a[t,i])
    L = sum(t, sum(i, (h[t,i] - y[t,i])**2))
"""
SHAPES = {
    "parameters": {"W": ["n", "d"], "U": ["n", "n"], "b": ["n"]},
    "inputs": {"x": ["T", "d"], "y": ["T", "n"], "h0": ["n"]},
}


def rnn(T: int | str = 3, n: int | str = 2) -> EquationNetwork:
    values = VALUES if (T, n) == (3, 2) else None
    d = 2 if n == 2 else "d"
    net = sb.equations(RNN, values=values, sizes={"T": T, "n": n, "d": d}, **SHAPES)
    assert isinstance(net, EquationNetwork)
    return net


ATTENTION = """
    S[t,u] = sum(i, Q[t,i]*K[u,i])/sqrt(d)
    P[t,u] = softmax(u if u <= t, S[t,u])
    O[t,i] = sum(u if u <= t, P[t,u]*V[u,i])
    L = sum(t, sum(i, (O[t,i] - y[t,i])**2))/T
"""
CONVOLUTION = """
    z[o] = sum(u, k[u]*x[2*o+u-3]) + b
    L = sum(o, exp(z[o]))
"""
EMBEDDING = """
    o[t,v] = sum(i, E[tok[t],i]*F[v,i])
    p[t,v] = softmax(v, o[t,v])
    L = -sum(t, log(p[t,lab[t]]))
"""
GRID = [[0.3, -0.2], [0.5, 0.7], [-0.4, 0.1]]
NETS = {
    "RNN": (rnn(), ("U[1,2]", "W[2,1]", "b[1]", "h0[2]", "h[2,1]", "a[3,2]", "x[1,2]")),
    "attention": (
        sb.equations(
            ATTENTION, sizes={"T": 3, "d": 2},
            parameters={name: ["T", "d"] for name in "QKV"}, inputs={"y": ["T", "d"]},
            values={"Q": GRID, "K": GRID[::-1], "V": GRID, "y": GRID[::-1]},
        ),
        ("Q[2,1]", "K[1,2]", "V[3,1]", "S[2,1]", "P[3,2]"),
    ),
    "convolution": (
        sb.equations(
            CONVOLUTION, sizes={"m": 3, "n": 5, "w": 3}, parameters={"k": ["w"], "b": []},
            inputs={"x": ["n"]}, pad={"x": 0}, ranges={"o": "m"},
            values={"k": [0.2, -0.1, 0.3], "b": 0.1, "x": [1, 2, -1, 0.5, 0.3]},
        ),
        ("k[1]", "k[3]", "b", "x[2]", "x[5]"),
    ),
    "embedding": (
        sb.equations(
            EMBEDDING, sizes={"T": 3, "V": 4, "d": 2},
            parameters={"E": ["V", "d"], "F": ["V", "d"]},
            indices={
                "tok": {"shape": ["T"], "below": "V"}, "lab": {"shape": ["T"], "below": "V"},
            },
            values={"E": [*GRID, [0, 1]], "F": [[1, 0], *GRID], "tok": [2, 4, 2], "lab": [1, 2, 4]},
        ),
        ("E[2,1]", "E[1,1]", "F[3,2]"),
    ),
}  # fmt: skip
ASKED = [(kind, name) for kind, (_, names) in NETS.items() for name in names]


def value_of(derivation: Derivation, term: Term) -> float:
    """A formula without free letters, as a number: one more line of the system."""
    system = derivation.system
    line = Group((Definition("value of", (), (), term),))
    more = replace(
        system,
        groups=(*system.groups, line),
        quantities=(*system.quantities, Quantity("value of", Kind.COMPUTED)),
    )
    return float(Elements(more).element("value of"))


@pytest.mark.parametrize(("kind", "name"), ASKED)
def test_every_line_has_the_value_of_the_derivative(kind: str, name: str):
    """Uses summed, written out, filled in: all are the adjoint, and a central difference."""
    net, _ = NETS[kind]
    derivation = net.derive(name)
    wanted = derivation.value
    for step in derivation.steps:
        if not any(isinstance(part, Slope) for part in walk(step.term)):
            assert value_of(derivation, step.term) == pytest.approx(wanted, rel=1e-14, abs=1e-15)
    if derivation.element.array in net.system.values:
        difference = net.numbers.central_difference(derivation.element.array, derivation.place)
        assert float(difference) == pytest.approx(wanted, rel=1e-13, abs=1e-15)


@pytest.mark.parametrize(("kind", "name"), ASKED)
def test_every_derivative_on_the_way_has_the_value_of_its_name(kind: str, name: str):
    """∂L/∂a[3]_1 as it is written is the number that the name has, and none is read before it."""
    derivation = NETS[kind][0].derive(name)
    known = set()
    for deduction in derivation.elements:
        own = deduction.definition
        found = value_of(derivation, own.term)
        assert found == pytest.approx(value_of(derivation, own.lhs), rel=1e-14, abs=1e-15)
        adjoints = {p for p in walk(own.term) if isinstance(p, Read) and p.array.startswith("∇")}
        assert adjoints <= known
        known.add(own.lhs)


@pytest.mark.parametrize("kind", KINDS)
def test_every_line_of_every_kind_has_the_value_of_its_left_side(kind: str):
    """The last element of each parameter: all lines of its derivation, in one pass."""
    net = EquationNetwork(system_of(kind))
    both = net.backward.system
    lines: list[tuple[Term, Term]] = []
    for quantity in net.system.parameters:
        if quantity.name not in net.backward.adjoints:
            continue
        last = Read(quantity.name, tuple(map(number, net.numbers.shape(quantity.name))))
        derivation = net.derive(file_name(last))
        name = derivation.conclusion.definition.lhs
        lines += [
            (name, step.term)
            for step in derivation.steps
            if not any(isinstance(part, Slope) for part in walk(step.term))
        ]
        lines += [(e.definition.lhs, e.definition.term) for e in derivation.elements]
    sides = [(f"{side} {n}", line[side]) for n, line in enumerate(lines) for side in (0, 1)]
    more = replace(
        both,
        groups=(*both.groups, *(Group((Definition(n, (), (), term),)) for n, term in sides)),
        quantities=(*both.quantities, *(Quantity(n, Kind.COMPUTED) for n, _ in sides)),
    )
    numbers = Elements(more)
    for n in range(len(lines)):
        left, right = (float(numbers.element(f"{side} {n}")) for side in (0, 1))
        assert right == pytest.approx(left, rel=1e-13, abs=1e-15)


def test_a_line_with_another_sign_has_another_value():
    """The comparison above can fail."""
    derivation = rnn().derive("U[1,2]")
    wrong = Times((Number(Fraction(-1)), derivation.result))
    assert value_of(derivation, wrong) != pytest.approx(derivation.value)


def test_shared_weights_are_first_a_sum_over_their_uses():
    """∂L/∂U_12 = Σ_t ∂L/∂a[t]_1 h[t-1]_2, then the three uses."""
    lines = rnn().derive("U[1,2]").text().splitlines()
    assert [line.split("    [")[0].split("= ", 1)[1] for line in lines[-2:]] == [
        "Σ_{t=1..T} ∂L/∂a[t]_1 · h[t-1]_2",
        "∂L/∂a[1]_1 · h[0]_2 + ∂L/∂a[2]_1 · h[1]_2 + ∂L/∂a[3]_1 · h[2]_2",
    ]


def test_a_recurrence_is_told_with_its_end():
    """∂L/∂h[T] first, then ∂L/∂h[t] for t < T; direct derivatives say what they hold."""
    lines = rnn().derive("U[1,2]").text().splitlines()
    assert [line.split("    [")[0].strip() for line in lines[:5]] == [
        "∂L/∂h[T]_i = (∂L/∂h[T]_i)_a",
        "= 2·(h[T]_i - y[T]_i)",
        "∂L/∂h[t]_i = Σ_{j=1..n} ∂L/∂a[t+1]_j · ∂a[t+1]_j/∂h[t]_i + (∂L/∂h[t]_i)_a",
        "= 2·(h[t]_i - y[t]_i) + Σ_{j=1..n} ∂L/∂a[t+1]_j · U_ji",
        "∂L/∂a[t]_i = ∂L/∂h[t]_i · ∂h[t]_i/∂a[t]_i",
    ]
    assert lines[2].endswith("    for t = 1…T-1, i = 1…n")


def test_told_apart_means_the_same():
    """The two parts of ∂L/∂h[t]_i are the whole one, at T and below."""
    net = rnn()
    (whole,) = (d for d in net.backward.adjoints["h"] if not d.definition.is_base)
    parts = tuple(part.definition for part in told_apart(whole))
    assert len(parts) == 2
    system = net.backward.system
    groups = tuple(
        Group(
            tuple(
                each
                for d in group.definitions
                for each in (parts if d == whole.definition else (d,))
            ),
            group.axes,
            group.forward,
        )
        for group in system.groups
    )
    told = Elements(replace(system, groups=groups))
    for name in ("∇h", "∇U"):
        assert told.array(name) == net.numbers.array(name)


def test_symbolic_steps_keep_the_sum_and_the_recurrence():
    """Without a number for T nothing is unrolled: the sum over uses, and no elements."""
    derivation = rnn("T", "n").derive("U[1,2]")
    assert str(derivation) == "∂L/∂U_12 = Σ_{t=1..T} ∂L/∂a[t]_1 · h[t-1]_2"
    assert derivation.elements == ()
    assert len(derivation.text().splitlines()) == 8


def test_many_steps_keep_the_sum():
    """Two thousand steps are told as fast as three, by the recurrence."""
    derivation = rnn(2000).derive("U[1,2]")
    assert str(derivation) == "∂L/∂U_12 = Σ_{t=1..T} ∂L/∂a[t]_1 · h[t-1]_2"
    assert rnn(2000).derive("h[1,1]").elements == ()


@pytest.mark.parametrize(("kind", "name"), ASKED)
def test_what_is_filled_in_is_short(kind: str, name: str):
    """The gate is the length of a line."""
    derivation = NETS[kind][0].derive(name)
    assert all(leaves(step.term) <= MOST_FILLED for step in derivation.steps)


def test_padding_and_excluded_terms_are_not_written_out():
    """x[0] is padding and drops out; what the mask excludes does too."""
    conv, _ = NETS["convolution"]
    shown = str(conv.derive("k[1]"))
    assert "x_2" in shown
    assert "x_0" not in shown
    attention, _ = NETS["attention"]
    assert "P_12" not in str(attention.derive("V[2,1]"))


def test_katex_sets_every_derivation():
    """LaTeX of every line of every derivation above."""
    formulas = []
    for kind, name in ASKED:
        derivation = NETS[kind][0].derive(name)
        formulas.append(derivation.latex())
        for entry in derivation.as_json()["deductions"]:
            formulas += [entry["latex"], *(step["latex"] for step in entry["steps"])]
    assert katex_errors(dict.fromkeys(formulas)) == []


def test_the_expression_is_sympys():
    """Symbols are named as they print, and carry the value."""
    derivation = rnn().derive("h[2,1]")
    elements = rnn().numbers
    numbers = {}
    for symbol in derivation.expr.free_symbols:
        read = rnn().element(symbol.name)
        at = tuple(index.constant for index in read.indices)
        numbers[symbol] = float(elements.element(read.array, at))
    assert float(derivation.expr.subs(numbers)) == pytest.approx(derivation.value)


@pytest.mark.parametrize(
    ("asked", "said"),
    [("L", "is what is differentiated"), ("V[1,1]", "there is no V[1,1]"),
     ("U[3,1]", "out of range"), ("U", "no single element")],
)  # fmt: skip
def test_what_has_no_derivative_is_refused(asked: str, said: str):
    """One message, naming what there is."""
    with pytest.raises(UnknownName) as caught:
        rnn().derive(asked)
    assert said in caught.value.message


def test_the_command_prints_all_three_formats(tmp_path, capsys):
    """``symback derive NET --wrt U[1,2]`` as text, LaTeX and JSON, with eleven paths."""
    file = tmp_path / "rnn.toml"
    head = '[sizes]\nT = 3\nn = 2\nd = 2\n[parameters]\nW = ["n", "d"]\nU = ["n", "n"]\nb = ["n"]\n'
    head += '[inputs]\nx = ["T", "d"]\ny = ["T", "n"]\nh0 = ["n"]\n[equations]\n'
    lines = (line.strip().split(" = ", 1) for line in RNN.strip().splitlines())
    file.write_text(head + "".join(f'"{left}" = "{right}"\n' for left, right in lines), "utf-8")
    assert main(["derive", str(file), "--wrt", "U[1,2]"]) == 0
    assert "∂L/∂U_12 = Σ_{t=1..T}" in capsys.readouterr().out
    assert main(["derive", str(file), "--wrt", "U_12", "--format", "latex"]) == 0
    assert capsys.readouterr().out.startswith(r"\begin{aligned} \frac{\partial L}{\partial U_{12}}")
    assert main(["derive", str(file), "--wrt", "U_{1,2}", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["path_count"] == len(found["paths"]) == 11
    assert found["paths"][-1] == ["U_12", "a[3]_1", "h[3]_1", "L"]
    assert main(["derive", str(file), "--wrt", "U[1,3]"]) == 2
    assert "out of range" in capsys.readouterr().err
