"""Certificates: what is right is proved at every point, and a mutated adjoint never is."""

import itertools
import random
from dataclasses import replace
from fractions import Fraction

import pytest

import scribbles
import systems
from symback.engine.arithmetics import CONTEXT, FLOATS
from symback.engine.matrix import Uncertified
from symback.equations.adjoints import backward
from symback.equations.certificate import certify
from symback.equations.elements import Elements
from symback.equations.indices import number
from symback.equations.reading import from_tables
from symback.equations.residues import Decided, Dual, Duals
from symback.equations.second import mixed
from symback.equations.terms import (
    MINUS,
    ZERO,
    Binder,
    Call,
    Given,
    Number,
    Plus,
    Power,
    Read,
    Times,
    Where,
    children,
    walk,
)
from symback.language.errors import SymbackError
from symback.language.functions import ELEMENTARY


@pytest.mark.parametrize("kind", systems.KINDS)
def test_every_kind_is_certified(kind):
    """With the numbers of the file and, where it can do without, with symbolic sizes."""
    found = certify(backward(systems.system(kind, None)))
    assert found.entries > 5
    assert dict(found.sizes[0]) == systems.system(kind, None).sizes
    if kind in systems.SYMBOLIC:
        assert certify(backward(systems.symbolic(kind))).entries > 5


# -------------------------------------------------------------------------------- mutations


def exchanged(term, old, new):
    """``term`` with one part replaced, by identity, and nothing tidied."""
    if term is old:
        return new
    parts = [exchanged(part, old, new) for part in children(term)]
    if all(a is b for a, b in zip(parts, children(term), strict=True)):
        return term
    match term:
        case Plus():
            return Plus(tuple(parts))
        case Times():
            return Times(tuple(parts))
        case Power():
            return Power(*parts)
        case Call(function):
            return Call(function, tuple(parts))
        case Where(_, relation):
            return Where(parts[0], relation, *parts[1:])
        case Given(conditions):
            return Given(conditions, parts[0])
        case Binder():
            return replace(term, body=parts[0])
    raise TypeError(term)


def looser(conditions):
    """The conditions with one less, and with one that is moved by 1."""
    for k, condition in enumerate(conditions):
        rest = conditions[:k], conditions[k + 1 :]
        yield rest[0] + rest[1]
        if condition.relation == "<=":
            yield (*rest[0], replace(condition, relation="<"), *rest[1])


def mutations(term):
    """A formula with one mistake: a sign, a lost term, factor or condition, an index."""
    for part in walk(term):
        match part:
            case Plus(terms):
                for k in range(len(terms)):
                    yield exchanged(term, part, Plus(terms[:k] + terms[k + 1 :]))
            case Times(factors):
                yield exchanged(term, part, Times((MINUS, *factors)))
                for k in range(len(factors)):
                    yield exchanged(term, part, Times(factors[:k] + factors[k + 1 :]))
            case Read(array, indices):
                if len(indices) > 1:
                    yield exchanged(term, part, Read(array, indices[::-1]))
                for k, index in enumerate(indices):
                    if hasattr(index, "parts"):
                        moved = (*indices[:k], index - number(1), *indices[k + 1 :])
                        yield exchanged(term, part, Read(array, moved))
            case Given(conditions, body):
                for fewer in looser(conditions):
                    yield exchanged(term, part, Given(fewer, body))
            case Binder(kind="sum", conditions=conditions):
                yield exchanged(term, part, replace(part, kind="mean"))
                for fewer in looser(conditions):
                    yield exchanged(term, part, replace(part, conditions=fewer))
            case Where(left, relation, right, yes, no):
                yield exchanged(term, part, Where(left, relation, right, no, yes))
                raised = Plus((right, Number(Fraction(1))))
                yield exchanged(term, part, Where(left, relation, raised, yes, no))
            case Power(base, Number(value)):
                yield exchanged(term, part, Power(base, Number(value + 1)))
    yield ZERO
    yield Times((MINUS, term))


def with_term(both, old, term):
    """A backward pass in which one adjoint is defined otherwise."""
    groups = tuple(
        replace(
            group,
            definitions=tuple(replace(d, term=term) if d is old else d for d in group.definitions),
        )
        for group in both.system.groups
    )
    return replace(both, system=replace(both.system, groups=groups))


def numbers_of(both, given):
    """All adjoints, or None where one cannot be computed."""
    found = Elements(both.system, given)
    try:
        for name in both.adjoints:
            found.array(f"∇{name}")
    except (SymbackError, ArithmeticError):  # a mistake may make it fail
        return None
    return [found.stored[f"∇{name}"] for name in both.adjoints]


def is_another(both, mutated, given):
    """Whether some adjoint has another value, so that the mutation is a mistake."""
    before, after = numbers_of(both, given), numbers_of(mutated, given)
    if after is None or before is None:
        return True
    for old, new in zip(before, after, strict=True):
        if old.keys() != new.keys():
            return True
        if any(abs(old[at] - new[at]) > CONTEXT.mpf("1e-40") for at in old):
            return True
    return False


@pytest.mark.parametrize("kind", systems.KINDS)
def test_a_mutated_adjoint_is_refuted(kind):
    """Whatever the mistake; the array is named that is wrong, or the reason it cannot be."""
    system = systems.system(kind)
    both = backward(system)
    every = [
        (definition, term)
        for name in both.adjoints
        for definition in both.system.defining[f"∇{name}"]
        for term in mutations(definition.term)
    ]
    chosen = random.Random(kind).sample(every, min(9, len(every)))
    refuted = 0
    for definition, term in chosen:
        mutated = with_term(both, definition, term)
        if is_another(both, mutated, system.values):
            with pytest.raises(Uncertified):
                certify(mutated)
            refuted += 1
    assert refuted > 2


def test_the_first_wrong_array_is_named():
    """A sign lost in ∇h: it is named, not what is computed from it."""
    both = backward(systems.system("attention", None))
    (definition,) = both.system.defining["∇S"]
    mutated = with_term(both, definition, Times((MINUS, definition.term)))
    with pytest.raises(Uncertified, match=r"∂L/∂S\[t,u\] as derived is not the derivative of L"):
        certify(mutated)


def test_an_adjoint_that_was_forgotten_is_missed():
    """A parameter of which nothing was derived, though the loss depends on it."""
    both = backward(systems.system("residual", None))
    system = both.system
    groups = tuple(g for g in system.groups if g.definitions[0].name != "∇b")
    fewer = replace(
        both,
        adjoints={name: each for name, each in both.adjoints.items() if name != "b"},
        system=replace(
            system,
            groups=groups,
            quantities=tuple(q for q in system.quantities if q.name != "∇b"),
        ),
    )
    with pytest.raises(Uncertified, match="∂L/∂b"):
        certify(fewer)


def test_a_threshold_that_is_another_is_seen():
    """where(z > 0, …) and where(z > 1, …) differ, though no residue lies between."""
    tables = {
        "sizes": {"n": 5},
        "parameters": {"w": ["n"]},
        "equations": {"L": "sum(i, relu(w[i]))"},
    }
    both = backward(from_tables(tables, "relu"))
    certify(both)
    (definition,) = both.system.defining["∇w"]
    where = next(part for part in walk(definition.term) if isinstance(part, Where))
    other = replace(where, left=Number(Fraction(1)))
    if where.left != ZERO:
        other = replace(where, right=Number(Fraction(1)))
    mutated = with_term(both, definition, exchanged(definition.term, where, other))
    with pytest.raises(Uncertified):
        _ = [certify(mutated) for _ in range(5)]


def test_a_size_that_stands_for_another_is_seen_where_both_are_equal():
    """Σ over d in place of n, at n = d = 2: other sizes tell them apart."""
    both = backward(systems.system("rnn", None))
    (definition,) = both.system.defining["∇h0"]
    (final,) = (d for d in both.system.defining["∇h"] if d.is_base)
    part = next(p for p in walk(final.term) if isinstance(p, Binder))
    over = replace(part.range, upper=number(0) + both.system.by_name["W"].shape[1])
    mutated = with_term(both, final, exchanged(final.term, part, replace(part, range=over)))
    with pytest.raises(Uncertified):
        certify(mutated)
    assert certify(both).entries
    assert definition.name == "∇h0"


def test_facts_are_taken_at_their_word():
    """A target that sums to one: ∇S = P - Y is certified where it does."""
    tables = {
        "sizes": {"B": 2, "n": 3},
        "parameters": {"S": ["B", "n"]},
        "inputs": {"y": ["B", "n"]},
        "equations": {
            "p[s,k]": "softmax(k, S[s,k])",
            "L": "-sum(s, sum(k, y[s,k]*log(p[s,k])))",
        },
    }
    certify(backward(from_tables(tables, "softmax")))


def test_large_sizes_are_cut_down():
    """A file with T = 300 and n = 100 is certified at small sizes, in no time."""
    tables = systems.tables("rnn")
    system = from_tables({**tables, "sizes": {"T": 300, "n": 100, "d": 50}}, "large")
    found = certify(backward(system))
    assert max(dict(found.sizes[0]).values()) < 10


def test_roots_are_roots():
    """√v·√v is v, and v^(-1/2)·v^(1/2) is 1: also where a residue has no root at first."""
    tables = {
        "sizes": {"n": 2},
        "parameters": {"w": ["n"], "v": ["n"]},
        "equations": {
            "r[i]": "sqrt(w[i])",
            "s[i]": "r[i]*r[i]*r[i] + w[i]**0.5*v[i]**(1/3) + sqrt(17)*v[i]",
            "L": "sum(i, s[i]**2)",
        },
    }
    both = backward(from_tables(tables, "roots"))
    certify(both)
    (definition,) = both.system.defining["∇r"]
    # 3 r² written as 3 w, which only holds for roots.
    threefold = Times((Number(Fraction(3)), Read("w", definition.at), Read("∇s", definition.at)))
    certify(with_term(both, definition, threefold))


def test_what_divides_by_zero_is_not_certified():
    """1/(w - w) has no value anywhere."""
    tables = {"parameters": {"w": []}, "equations": {"L": "1/(w - w)"}}
    with pytest.raises(Uncertified, match="divides by 0"):
        certify(backward(from_tables(tables, "zero")))


# ------------------------------------------------------------------------------------ numbers


@pytest.mark.parametrize("name", [n for n, row in ELEMENTARY.items() if row.arguments == 1])
def test_dual_numbers_over_floats_are_derivatives(name):
    """Each function's tangent is its central difference, to forty digits."""
    at, step = CONTEXT.mpf("0.37"), CONTEXT.mpf("1e-30")
    duals, row = Duals(FLOATS), ELEMENTARY[name]
    word = row.sympy or name
    found = duals.function(word, Dual(at, CONTEXT.mpf(2)))
    above, below = (FLOATS.function(word, at + s) for s in (step, -step))
    assert abs(found.tangent - (above - below) / step) < CONTEXT.mpf("1e-40")


def test_powers_of_dual_numbers():
    """u^c and u^v against the slope of e^{v log u}."""
    duals, one = Duals(FLOATS), CONTEXT.mpf(1)
    u, v = Dual(CONTEXT.mpf("1.7"), one), Dual(CONTEXT.mpf("0.3"), CONTEXT.mpf(2))
    log = CONTEXT.log(u.value)
    whole = duals.power(u, -2)
    assert abs(whole.tangent + 2 * u.value**-3) < CONTEXT.mpf("1e-50")
    broken = duals.power(u, Fraction(3, 2))
    assert abs(broken.tangent - 3 * CONTEXT.sqrt(u.value) / 2) < CONTEXT.mpf("1e-50")
    both = duals.power(u, v)
    expected = both.value * (2 * log + v.value / u.value)
    assert abs(both.tangent - expected) < CONTEXT.mpf("1e-50")


def test_residues_obey_what_functions_obey():
    """Inverses, signs, roots and the order that is drawn."""
    numbers = Decided()
    some = [numbers.drawn(k) for k in range(20)]
    opposite = [-v % numbers.prime for v in some]
    for value, other in zip(some, opposite, strict=True):
        product = numbers.product([numbers.function("exp", v) for v in (value, other)])
        assert product == 1
        assert (
            numbers.function("tanh", value) + numbers.function("tanh", other)
        ) % numbers.prime == 0
        assert numbers.function("Abs", value) == numbers.function("Abs", other)
        assert numbers.compared(0, "<", value) != numbers.compared(0, "<", other)
        cube = numbers.power(value, Fraction(1, 3))
        assert numbers.power(cube, 3) == value
        square = numbers.power(numbers.product([value, value]), Fraction(1, 2))
        assert square in (value, other)
    for k in (2, 3, 5, 7, 11, 13):
        assert numbers.power(numbers.power(k, Fraction(1, 2)), 2) == k
    for a, b, c in itertools.permutations(some[:5], 3):
        if numbers.compared(a, "<", b) and numbers.compared(b, "<", c):
            assert numbers.compared(a, "<", c)
    between = [v for v in some if numbers.compared(0, "<", v) and numbers.compared(v, "<=", 1)]
    assert len(between) < len(some)


@pytest.mark.parametrize("seed", range(40))
def test_random_networks_are_certified(seed):
    """Lines drawn at random from patterns with every construct."""
    both = backward(scribbles.system(seed))
    assert certify(both).entries
    rng = random.Random(seed)
    name = rng.choice([n for n in both.adjoints if f"∇{n}" in both.system.defining])
    definition = rng.choice(both.system.defining[f"∇{name}"])
    mutated = with_term(both, definition, rng.choice(list(mutations(definition.term))))
    if is_another(both, mutated, both.forward.values):
        with pytest.raises(Uncertified):
            certify(mutated)


def test_an_argument_that_stands_twice_in_a_maximum_counts_once():
    """The slope of max(x, x, 1/2) by x is 1 where x is larger, not 2."""
    tables = {"parameters": {"x": []}, "equations": {"L": "max(x, x, 0.5)"}}
    both = backward(from_tables(tables, "twice"))
    certify(both)
    assert Elements(both.system, {"x": 3}).element("∇x") == 1


@pytest.mark.parametrize("kind", ["rnn", "layer_norm_inside", "attention", "max_pool", "backwards"])
def test_second_derivatives_are_certified_too(kind):
    """A second backward pass is one: of G, an element of a gradient."""
    first = backward(systems.system(kind, None))
    parameter = first.forward.parameters[0]
    assert certify(mixed(first, parameter.name, tuple(1 for _ in parameter.shape))).entries


def test_equal_arguments_of_a_maximum_go_by_the_convention():
    """max(b, c, 1/2) of two that are 1/2: the constant one wins, in adjoints and dual numbers."""
    for seed in (577, 1351):
        certify(backward(scribbles.system(seed)))
