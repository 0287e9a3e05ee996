"""Paths: counted without being listed, listed only as far as one looks, in one order."""

import itertools
import time
import tracemalloc

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from referee import Referee
from strategies import Case, build, cases, from_lines, references
from symback.engine import derivation as paths_module
from symback.engine import spec
from symback.engine.derivation import Paths
from symback.engine.graph import from_network
from symback.language.names import Reference, element_name, read_reference


def paths_of(case: Case, name: str) -> Paths:
    reference = read_reference(name, case.graph.variables)
    return Paths(case.backward, reference)


def by_brute_force(case: Case, reference: Reference) -> list[tuple[str, ...]]:
    """List the paths from the equations alone: an element leads on where its derivative is not 0.

    The general element of each equation is written out for all indices; which elements it reads
    is seen from the expression itself.
    """
    referee = Referee(case)
    follows: dict = {}
    for equation in case.graph.equations:
        for indices in referee.positions(equation.variable):
            for node in _read_by(referee, equation, indices):
                follows.setdefault(node, []).append((equation.variable, indices))

    def walk(node):
        if node[0] == case.graph.target:
            yield (element_name(*node),)
            return
        name = element_name(node[0], node[1][node[0].batched :])
        for child in follows.get(node, ()):
            yield from ((name, *rest) for rest in walk(child))

    sample = (1,) if reference.variable.batched else ()
    return list(walk((reference.variable, (*sample, *reference.indices))))


def _read_by(referee, equation, indices) -> dict:
    """Collect the elements that one element reads, each once, its sums written out."""
    found: dict = {}

    def visit(expr, letters):
        if isinstance(expr, sympy.Sum):
            bound, _, upper = expr.limits[0]
            for k in range(1, referee.size(upper) + 1):
                visit(expr.function, {**letters, bound: k})
        elif isinstance(expr, (sympy.Indexed, sympy.Symbol)):
            found[referee.node(expr, letters)] = None
        else:
            for part in expr.args:
                visit(part, letters)

    visit(equation.rhs, dict(zip(equation.free, indices, strict=True)))
    return found


@settings(max_examples=40)
@given(case=cases(deepest=3, widest=3), choice=st.integers(0, 10**6))
def test_paths_are_those_of_brute_force(case, choice):
    """Count, list, reverse list and each position, against a walk over the written-out net.

    For a batch the paths are those of one sample; what all samples share starts in each of them.
    """
    every = references(case)
    reference = every[choice % len(every)]
    found = Paths(case.backward, reference)
    expected = list(dict.fromkeys(by_brute_force(case, reference)))  # alike in each sample
    listed = [path.neurons for path in found]
    assert sorted(listed) == sorted(expected)
    assert len(set(listed)) == len(listed) == found.count == len(found)
    assert [path.neurons for path in reversed(found)] == listed[::-1]
    assert [found[k].neurons for k in range(-len(listed), len(listed), 3)] == [
        listed[k] for k in range(-len(listed), len(listed), 3)
    ]


SMALL = build(2, [(3, "tanh"), (4, "softmax")], "squared_error")


@pytest.mark.parametrize(
    "part", [slice(None), slice(2, 5), slice(-3, None), slice(None, None, -1), slice(9, 2, -3)]
)
def test_slices_are_those_of_a_list(part):
    """A slice is what the list's would be."""
    found = paths_of(SMALL, "w_112")
    assert found[part] == tuple(list(found)[part])


def test_positions_beyond_the_end_are_refused():
    """As of a list."""
    found = paths_of(SMALL, "w_112")
    assert (len(found), found.count) == (16, 16)
    for position in (16, -17):
        with pytest.raises(IndexError, match=f"path {position} of 16"):
            found[position]


def test_a_digit_recogniser_is_counted_and_looked_at_at_both_ends_at_once():
    """784-512-512-10 with a softmax: 512·10·10 paths from a first weight, three of them made."""
    layers = [(512, "relu"), (512, "relu"), (10, "softmax")]
    graph = from_network(spec.network(784, layers, loss="cross_entropy"))
    big = Case(graph, {}, "784-512-512-10")
    began = time.perf_counter()
    found = paths_of(big, "w_1,17,300")
    assert found.count == 512 * 10 * 10
    assert str(found[0]).endswith("a_31 → yhat_1 → L")
    assert str(found[-1]) == (
        "w_1,17,300 → a_1,17 → h_1,17 → a_2,512 → h_2,512 → a_3,10 → yhat_10 → L"
    )
    assert len(found[:3]) == 3
    assert time.perf_counter() - began < 2


def test_only_as_many_paths_are_made_as_are_looked_at(monkeypatch):
    """The first and the last of 3^12 paths: two paths are made."""
    case = build(3, [(3, "tanh")] * 11 + [(3, "softmax")], "squared_error")
    made = []
    monkeypatch.setattr(paths_module, "Path", lambda *parts: made.append(parts) or parts)
    found = paths_of(case, "w_111")
    assert found.count == 3**12
    assert (found[0], found[-1]) == (made[0], made[1])
    assert len(made) == 2


def test_the_widest_layers_take_no_memory():
    """2-10⁷-10⁷: the first and the last of 10¹⁴ paths, in a few MB."""
    graph = from_network(spec.network(2, [(10**7, "tanh")] * 3, loss="squared_error"))
    tracemalloc.start()
    found = paths_of(Case(graph, {}, "2-10⁷-10⁷-10⁷"), "w_111")
    assert found[-1].neurons[-2] == "yhat_10000000"
    assert found.count == 10**14
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 50e6


@pytest.mark.parametrize(
    ("output", "count"), [("sigmoid", 3), ("softmax", 9), ("relu", 3), ("linear", 3)]
)
def test_only_a_softmax_couples_its_outputs(output, count):
    """A sigmoid leads from a_21 to ŷ_1 alone, a softmax to every output."""
    case = build(2, [(2, "tanh"), (3, output)], "squared_error")
    found = paths_of(case, "w_112")
    assert found.count == count
    lead = {(path.neurons[3], path.neurons[4]) for path in found}
    coupled = {(f"a_2{i}", f"yhat_{j}") for i, j in itertools.product((1, 2, 3), repeat=2)}
    plain = {(f"a_2{i}", f"yhat_{i}") for i in (1, 2, 3)}
    assert lead == (coupled if output == "softmax" else plain)


def test_symbolic_widths_are_counted_and_not_listed():
    """n_2 n_3² paths from a first weight; no list and no length."""
    case = build(
        "n_0", [("n_1", "softmax"), ("n_2", "tanh"), ("n_3", "softmax")], "squared_error",
        sizes={f"n_{k}": 2 for k in range(4)},
    )  # fmt: skip
    widths = {str(v.shape[-1]): v.shape[-1] for v in case.graph.variables if v.shape}
    found = paths_of(case, "w_112")
    assert found.count == widths["n_1"] * widths["n_2"] * widths["n_3"] ** 2
    assert paths_of(case, "w_312").count == widths["n_3"]
    with pytest.raises(TypeError, match="a symbolic width has no length"):
        len(found)
    with pytest.raises(TypeError, match="every width is a number"):
        next(iter(found))


def test_a_stage_used_twice_gives_two_paths():
    """x → u → y and x → u → v → y and x → v → y: each way once."""
    case = from_lines({"u": "x*x", "v": "u+x", "y": "u*v"}, x=0.4)
    assert [str(path) for path in paths_of(case, "x")] == [
        "x → u → v → y", "x → u → y", "x → v → y",
    ]  # fmt: skip


def test_factors_stand_from_the_loss_back_and_show_themselves():
    """One factor an edge; the repr names both ends."""
    found = paths_of(SMALL, "b_11")
    assert repr(found) == "<16 paths from b_11 to L>"
    for path in found:
        assert len(path.factors) == len(path.values) == len(path.neurons) - 1
        assert path.factors[0].of == SMALL.graph.target.at()
    assert str(found[0]) == "b_11 → a_11 → h_11 → a_21 → yhat_1 → L"
