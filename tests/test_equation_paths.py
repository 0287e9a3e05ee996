"""Paths through equations: against a walk over the equations written out, element by element."""

import itertools
import random
import time

import pytest
import sympy

import scribbles
import systems
from symback.engine.arithmetics import OutOfRange
from symback.engine.evaluation import MissingNumbers
from symback.equations.counting import Uncounted
from symback.equations.indices import holds, place
from symback.equations.paths import Paths
from symback.equations.reading import from_tables
from symback.equations.system import Kind
from symback.equations.terms import Binder, Given, Number, Read, Times, children

# ----------------------------------------------------------------- a walk that shares no code


def read_by(term, letters, data):
    """Every element that a right side reads, as often as it reads it."""
    if isinstance(term, Read):
        yield term.array, tuple(place(index, letters, data) for index in term.indices)
    elif isinstance(term, Given):
        if all(holds(each, letters, data) for each in term.conditions):
            yield from read_by(term.body, letters, data)
    elif isinstance(term, Binder):

        def kept(value):
            inside = {**letters, term.range.letter: value}
            return inside if all(holds(c, inside, data) for c in term.conditions) else None

        low, high = (edge.value(letters) for edge in (term.range.lower, term.range.upper))
        inside = [kept(value) for value in range(low, high + 1)]
        at = None if term.at is None else place(term.at, letters, data)
        if at is None or (low <= at <= high and kept(at)):
            for each in inside:
                if each:
                    yield from read_by(term.body, each, data)
    elif not (
        isinstance(term, Times) and any(isinstance(f, Number) and not f.value for f in term.factors)
    ):
        for part in children(term):
            yield from read_by(part, letters, data)


def written_out(system):
    """The elements that each computed element reads, as a dictionary of sets."""
    sizes = system.known_sizes

    def data(array, at):
        found = system.values[array]
        for index in at:
            found = found[index - 1]
        return int(found)

    found = {}
    for definition in system.definitions:
        runs = [range(r.lower.value(sizes), r.upper.value(sizes) + 1) for r in definition.ranges]
        for values in itertools.product(*runs):
            letters = {
                **sizes,
                **{r.letter: v for r, v in zip(definition.ranges, values, strict=True)},
            }
            at = tuple(index.value(letters) for index in definition.at)
            found[definition.name, at] = set(read_by(definition.term, letters, data))
    return found


def elements_of(system):
    """All elements of what is given, data left out."""
    for quantity in system.quantities:
        if quantity.kind in (Kind.PARAMETER, Kind.INPUT):
            shape = [size.value(system.known_sizes) for size in quantity.shape]
            for at in itertools.product(*(range(1, size + 1) for size in shape)):
                yield quantity.name, at


def by_brute_force(system, start):
    """All paths, by walking."""
    reads = written_out(system)

    def walk(node):
        if node == (system.target, ()):
            yield (node,)
        for child, read in reads.items():
            if node in read:
                yield from ((node, *rest) for rest in walk(child))

    return set(walk(start))


@pytest.mark.parametrize("kind", systems.KINDS)
def test_paths_are_those_of_brute_force(kind):
    """For some elements of each kind of network: the same paths, each once, in every order."""
    system = systems.system(kind)
    every = list(elements_of(system))
    for start in random.Random(kind).sample(every, min(3, len(every))):
        found = Paths(system, start)
        expected = by_brute_force(system, start)
        if found.count > 3000:
            continue
        listed = [path.nodes for path in found]
        assert len(listed) == len(set(listed)) == found.count == len(found)
        assert set(listed) == expected
        assert [path.nodes for path in reversed(found)] == listed[::-1]
        assert [found[k].nodes for k in range(len(found))] == listed
        assert [path.nodes for path in found[1::2]] == listed[1::2]
        if listed:
            assert found[-1].nodes == listed[-1]
        with pytest.raises(IndexError):
            found[len(listed)]


@pytest.mark.parametrize("seed", range(40))
def test_paths_of_random_networks(seed):
    """The same, for lines drawn at random from patterns with every construct."""
    system = scribbles.system(seed)
    every = list(elements_of(system))
    for start in random.Random(seed).sample(every, 2):
        found = Paths(system, start)
        if found.count < 3000:
            assert {path.nodes for path in found} == by_brute_force(system, start)
            assert len(list(found)) == found.count


def test_the_paths_of_the_contract():
    """DESIGN: 11 from U[1,2] at n = 2, T = 3; 7 where only h[3] enters the loss."""
    every = Paths(systems.system("rnn", None), ("U", (1, 2)))
    assert every.count == 11
    assert repr(every) == "<11 paths from U[1,2] to L>"
    assert every[0].names == (
        "U[1,2]", "a[1,1]", "h[1,1]", "a[2,1]", "h[2,1]", "a[3,1]", "h[3,1]", "L",
    )  # fmt: skip
    last = Paths(systems.system("rnn_last", None), ("U", (1, 2)))
    assert last.count == 7
    assert {path.nodes[-2][1] for path in last} == {(3, 1), (3, 2)}


def test_elements_are_named_as_one_likes():
    """The namer is asked for each element."""
    system = systems.system("rnn", None)
    found = Paths(system, ("h0", (1,)), named=lambda name, at: f"{name}_{at}")
    assert found[0].names[:2] == ("h0_(1,)", "h_(0, 1)")


def test_computed_elements_and_base_cases_have_paths_too():
    """From a[3,1] there is one; h[0,1] has those of h0[1]; the loss itself is one."""
    system = systems.system("rnn", None)
    assert [path.names for path in Paths(system, ("a", (3, 1)))] == [("a[3,1]", "h[3,1]", "L")]
    assert Paths(system, ("h", (0, 1))).count == Paths(system, ("h0", (1,))).count == 14
    assert [path.names for path in Paths(system, ("L", ()))] == [("L",)]


def test_masked_and_padded_edges_are_no_paths():
    """Causal attention: the first key has T queries, the last one; a padded read is none."""
    system = systems.system("attention", None)
    assert [Paths(system, ("S", (2, u))).count for u in (1, 2, 3)] == [4, 4, 0]
    assert Paths(system, ("P", (1, 2))).count == 2  # it is 0, and read as such
    padded = systems.system("conv1d_padded_hidden", None)
    assert [Paths(padded, ("x", (k,))).count for k in (1, 2)] == [5, 8]
    assert Paths(padded, ("V", (1,))).count == 4  # itself it is read there, times the pad


def test_labels_are_looked_up():
    """A row of the embedding that no token has leads nowhere; without tokens nothing is said."""
    system = systems.system("embedding")
    read = set(system.values["tok"])
    for v in (1, 2, 3):
        assert bool(Paths(system, ("E", (v, 1))).count) == (v in read)
    with pytest.raises(MissingNumbers, match="depends on tok: give its numbers under"):
        _ = Paths(systems.system("embedding", None), ("E", (1, 1))).count


def test_two_thousand_steps():
    """Counted in a second, an integer of 600 digits, and found by position without a walk."""
    tables = systems.tables("rnn")
    system = from_tables({**tables, "sizes": {"T": 2000, "n": 2, "d": 2}}, "long")
    began = time.perf_counter()
    found = Paths(system, ("U", (1, 2)))
    assert len(str(found.count)) == 603
    middle = found[found.count // 2]
    assert middle.names[0] == "U[1,2]"
    assert middle.names[-1] == "L"
    assert len(next(iter(found)).nodes) == 4002
    assert time.perf_counter() - began < 20


def test_literal_zeros_are_no_edges():
    """0·w is read by nobody, and w to the first power once, however often it stands there."""
    tables = {
        "sizes": {"n": 2},
        "parameters": {"w": ["n"], "v": ["n"]},
        "equations": {"h[i]": "0*w[i] + v[i]*v[i] + v[i]", "L": "sum(i, h[i])"},
    }
    system = from_tables(tables, "zero")
    assert Paths(system, ("w", (1,))).count == 0
    assert list(Paths(system, ("w", (1,)))) == []
    assert Paths(system, ("v", (1,))).count == 1


def test_an_element_that_is_not_there():
    """The message says over what the indices run."""
    with pytest.raises(OutOfRange, match=r"no U\[3,1\]: the indices of U run over 1\.\.2, 1\.\.2"):
        _ = Paths(systems.system("rnn", None), ("U", (3, 1))).count


# ------------------------------------------------------------------------------ symbolic sizes


def count_at(kind, start, sizes):
    tables = systems.tables(kind)
    system = from_tables({**tables, "sizes": sizes}, kind)
    return Paths(system, start, systems.system(kind).values).count


COUNTED = (
    "layer_norm", "layer_norm_inside", "rms_norm", "batch_norm", "attention", "multi_head",
    "residual", "logsumexp", "mean_condition",
)  # fmt: skip


@pytest.mark.parametrize("kind", COUNTED)
def test_symbolic_counts_are_those_of_numbers(kind):
    """At three choices of sizes, for the first and another element of each array."""
    system = systems.symbolic(kind)
    numbers = systems.system(kind)
    choices = [{name: 2 + (k + 2 * p) % 3 for p, name in enumerate(system.sizes)} for k in range(3)]
    asked = {name: (name, at) for name, at in elements_of(numbers)} | {
        f"{name} first": (name, tuple(1 for _ in at)) for name, at in elements_of(numbers)
    }
    for start in asked.values():
        found = sympy.sympify(0) + Paths(system, start).count
        for sizes in choices:
            try:
                expected = count_at(kind, start, sizes)
            except OutOfRange:
                continue
            assert found.subs({s: sizes[s.name] for s in found.free_symbols}) == expected, start


def test_symbolic_counts_as_one_writes_them():
    """Causal attention: the scores that a row reads, and the row that reads each of them."""
    system = systems.symbolic("attention")
    length, width = (sympy.Symbol(name, integer=True, positive=True) for name in ("T", "m"))
    assert Paths(system, ("V", (1, 1))).count == length**2
    assert Paths(system, ("q", (1, 1))).count == width
    assert sympy.expand(
        Paths(system, ("Q", (1, 1))).count - width * sum_of_squares(length)
    ) == 0  # fmt: skip
    with pytest.raises(TypeError, match="a symbolic size has no length"):
        len(Paths(system, ("V", (1, 1))))
    with pytest.raises(TypeError, match="listed only where every size is a number"):
        next(iter(Paths(system, ("V", (1, 1)))))


def sum_of_squares(length):
    return length * (length + 1) * (2 * length + 1) / 6


@pytest.mark.parametrize(
    ("kind", "start", "message"),
    [
        (
            "rnn",
            ("U", (1, 2)),
            r"paths from U for all sizes: . is a recurrence; give T, n and d numbers",
        ),
        ("conv1d", ("x", (1, 1)), "conv1d|not solved|differs"),
        ("embedding", ("E", (1, 1)), "depends on the data lab"),
    ],
)
def test_what_has_no_formula_is_refused(kind, start, message):
    """Recurrences, strides, data: no number is guessed."""
    with pytest.raises(Uncounted, match=message):
        _ = Paths(systems.symbolic(kind), start).count
