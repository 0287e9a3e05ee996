"""Equality of two sides is decided exactly; a referee with its own arithmetic agrees every time."""

import itertools
from fractions import Fraction

import pytest

import symback as sb
from rewriting import NETWORKS, Referee, mp, numbered, pairs
from symback.checking.conversion import to_node
from symback.checking.judge import Judge, Relationship
from symback.engine.arithmetics import LEVELS, Balls, Residues, Tower
from symback.language.expressions import (
    ELL,
    LOSS,
    Array,
    Call,
    Derivative,
    Element,
    Index,
    Node,
    Number,
    OneHot,
    Power,
    Product,
    Quotient,
    Sum,
    Total,
    Transpose,
)
from symback.language.names import PARAMETERS, elements

ROUNDS = 40
"""Sides a network; benchmarks/checking_fuzz.py tries as many as one has time for."""

EQUAL, FACT, ONE_HOT, DIFFERENT, ON_DOMAIN, MISSHAPEN, UNDECIDED = Relationship


def number(value) -> Number:
    return Number(Fraction(value))


def minus(left: Node, right: Node) -> Node:
    return Total((left, Product((number(-1), right))))


def exp(node: Node) -> Node:
    return Call("exp", (node,))


def log(node: Node) -> Node:
    return Call("log", (node,))


def at(letter: str, *indices) -> Element:
    return Element(letter, tuple(i if isinstance(i, Index) else Index("", i) for i in indices))


@pytest.fixture(scope="module")
def entropy():
    """A judge of the base case of CHECKING.md: 2-3-2, sigmoid, softmax, cross-entropy."""
    return Judge(sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy"))


@pytest.mark.parametrize("place", range(len(NETWORKS)))
def test_no_verdict_differs_from_the_referee(place):
    """Rewritten and mutated sides: "equal" exactly where 60 digits agree, at many points."""
    net = NETWORKS[place]()
    judge = Judge(net)
    referees = [Referee(net, seed) for seed in range(24 if judge.equations.has_kinks else 2)]
    undecided = 0
    for truth, side in itertools.islice(pairs(net, place), ROUNDS):
        found = judge.compare(truth, side).relationship
        if found is UNDECIDED:
            undecided += 1
            continue
        try:
            gaps = [abs(r.value(truth) - r.value(side)) for r in referees]
        except ZeroDivisionError:
            continue
        assert (found is EQUAL) == all(gap < mp.mpf("1e-40") for gap in gaps), (truth, side)
    assert undecided <= ROUNDS / 10


@pytest.mark.parametrize("place", range(len(NETWORKS)))
def test_a_refutation_has_numbers(place):
    """For a side that differs there are numbers at which it certainly differs."""
    net = NETWORKS[place]()
    judge = Judge(net)
    without = 0
    for truth, side in itertools.islice(pairs(net, place + 50), ROUNDS):
        outcome = judge.compare(truth, side)
        if outcome.relationship is DIFFERENT:
            witness = judge.witness(truth, side, dict(outcome.at))
            without += witness is None
            assert witness is None or witness.left != witness.right
    assert without <= 1


def test_a_claim_that_needs_the_sum_of_the_targets_names_it(entropy):
    """ŷ_1 - y_1 is ∂L/∂a_21 only if Σ y = 1; for one-hot targets alone, ŷ_1 - y_1² is it too."""
    truth = Derivative(LOSS, at("a", 2, 1))
    assert entropy.compare(truth, minus(at("yhat", 1), at("y", 1))).relationship is FACT
    whole = Product((Total((at("y", 1), at("y", 2))), at("yhat", 1)))
    assert entropy.compare(truth, minus(whole, at("y", 1))).relationship is EQUAL
    squared = minus(at("yhat", 1), Power(at("y", 1), number(2)))
    assert entropy.compare(truth, squared).relationship is ONE_HOT


def test_a_line_with_the_true_class_is_about_one_hot_targets(entropy):
    """∇_{a_2} L = -(e(ℓ) - ŷ), and L = -log ŷ_ℓ."""
    ell = Index(ELL)
    gradient = Derivative(LOSS, Array("a", Index("", 2)))
    right = Product((number(-1), minus(OneHot(ell), Array("yhat"))))
    assert entropy.compare(gradient, right).is_equal
    assert not entropy.compare(gradient, minus(OneHot(ell), Array("yhat"))).is_equal
    assert entropy.compare(LOSS, Product((number(-1), log(at("yhat", ell))))).is_equal


def test_a_fixed_prime_forges_nothing(entropy):
    """The truth plus 2⁶¹ - 1 times anything is refuted, and so is any number of 40 digits."""
    truth = Derivative(LOSS, at("w", 2, 1, 2))
    right = Product((minus(at("yhat", 1), at("y", 1)), at("h", 1, 2)))
    assert entropy.compare(truth, right).is_equal
    for forged in (2**61 - 1, 10**40 - 17, Fraction(1, 10**40)):
        side = Total((right, Product((number(forged), at("x", 1)))))
        outcome = entropy.compare(truth, side)
        assert outcome.relationship is DIFFERENT
        assert entropy.witness(truth, side, dict(outcome.at)) is not None


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (exp(Total((numbered("a", 1, 1), numbered("a", 1, 2)))),
         Product((exp(numbered("a", 1, 1)), exp(numbered("a", 1, 2)))), True),
        (exp(Product((numbered("a", 1, 1), numbered("a", 1, 2)))),
         Product((exp(numbered("a", 1, 1)), exp(numbered("a", 1, 2)))), False),
        (exp(exp(Product((number(2), numbered("a", 1, 1))))),
         exp(Power(exp(numbered("a", 1, 1)), number(2))), True),
        (log(Product((numbered("yhat", 1), numbered("yhat", 2)))),
         Total((log(numbered("yhat", 1)), log(numbered("yhat", 2)))), True),
        (log(Total((numbered("yhat", 1), numbered("yhat", 2)))), number(0), True),
        (log(minus(number(1), numbered("yhat", 1))), log(numbered("yhat", 2)), True),
        (log(minus(number(1), numbered("h", 1, 1))),
         minus(log(numbered("h", 1, 1)), numbered("a", 1, 1)), True),
        (log(number(4)), Product((number(2), log(number(2)))), True),
        (log(number(6)), Product((log(number(2)), log(number(3)))), False),
        (Call("tanh", (numbered("a", 1, 1),)),
         minus(Product((number(2), Call("sigmoid",
            (Product((number(2), numbered("a", 1, 1))),)))), number(1)), True),
        (Total((Power(Call("sin", (numbered("x", 1),)), number(2)),
                Power(Call("cos", (numbered("x", 1),)), number(2)))), number(1), True),
        (Call("erf", (Product((number(-1), numbered("x", 1))),)),
         Product((number(-1), Call("erf", (numbered("x", 1),)))), True),
        (Product((Call("sqrt", (number(2),)), Call("sqrt", (number(2),)))), number(2), True),
        (Call("abs", (numbered("x", 1),)),
         Call("max", (numbered("x", 1), Product((number(-1), numbered("x", 1))))), True),
        (Call("abs", (numbered("x", 1),)), numbered("x", 1), False),
        (Call("softplus", (numbered("a", 1, 1),)),
         Product((number(-1), log(minus(number(1), numbered("h", 1, 1))))), True),
    ],
)  # fmt: skip
def test_identities_of_functions(entropy, left, right, equal):
    """Exponentials, logarithms, roots, sines and cases obey their laws and no others."""
    assert entropy.compare(left, right).relationship is (EQUAL if equal else DIFFERENT)


def test_matrices_are_not_waved_through(entropy):
    """Outer products, transposes and ⊙ are told from one another, and shapes from values."""
    a2, h1, W2 = Array("a", Index("", 2)), Array("h", Index("", 1)), Array("W", Index("", 2))
    delta = Derivative(LOSS, a2)
    gradient = Derivative(LOSS, W2)
    assert entropy.compare(gradient, Product((delta, Transpose(h1)))).is_equal
    turned = entropy.compare(gradient, Product((h1, Transpose(delta))))
    assert turned.relationship is DIFFERENT
    assert entropy.compare(gradient, Product((delta, h1))).relationship is MISSHAPEN
    back = Derivative(LOSS, h1)
    assert entropy.compare(back, Product((Transpose(W2), delta))).is_equal
    assert entropy.compare(back, Product((W2, delta))).relationship is MISSHAPEN
    slope = Call("g", (Array("a", Index("", 1)),), 1)
    first = Derivative(LOSS, Array("a", Index("", 1)))
    assert entropy.compare(first, Product((back, slope), True)).is_equal
    assert not entropy.compare(first, back).is_equal


def test_free_indices_stand_for_every_number():
    """∂L/∂w_kij = ∂L/∂a_ki h_{k-1,j} in every layer; with h_kj it fails, and where is said."""
    layers = [("n_1", "tanh"), ("n_2", "tanh"), ("n_3", "softmax")]
    judge = Judge(sb.Network("n_0", layers, loss="squared_error"))
    k, i, j = Index("k"), Index("i"), Index("j")
    truth = Derivative(LOSS, at("w", k, i, j))
    adjoint = Derivative(LOSS, at("a", k, i))
    right = Product((adjoint, at("h", Index("k", -1), j)))
    assert judge.compare(truth, right).is_equal
    wrong = judge.compare(truth, Product((adjoint, at("h", k, j))))
    assert wrong.relationship is DIFFERENT
    assert dict(wrong.at)["k"] in (1, 2)
    body = Product((Derivative(LOSS, at("a", Index("i", 1), Index("m"))),
                    at("w", Index("i", 1), Index("m"), j)))  # fmt: skip
    summed = Sum("m", body)
    assert judge.compare(Derivative(LOSS, at("h", i, j)), summed).is_equal
    assert not judge.compare(Derivative(LOSS, at("h", i, j)), summed.body).is_equal


def test_a_vanishing_denominator_is_no_proof(entropy):
    """u/u·0⁻¹ is undecided, not equal and not different."""
    nothing = Quotient(at("x", 1), minus(at("x", 2), at("x", 2)))
    assert entropy.compare(nothing, nothing).relationship is UNDECIDED


def test_a_proof_without_chance_never_contradicts(entropy):
    """What is proved by expanding is equal, most of what is equal is proved, nothing else is."""
    found = {True: 0, False: 0}
    for truth, side in itertools.islice(pairs(entropy.work, 3), 60):
        equal = entropy.compare(truth, side).relationship is EQUAL
        proved = entropy.proves(truth, side)
        assert equal or not proved, (truth, side)
        found[proved] += equal
    assert found[True] > 5 * found[False]


def test_every_process_draws_its_own_primes():
    """The residues of two towers have nothing in common."""
    first, second = Tower.draw(), Tower.draw()
    assert len(first.primes) == LEVELS
    assert not {*first.primes} & {*second.primes}
    assert all((p - 1) % q == 0 for q, p in itertools.pairwise(first.primes))


@pytest.mark.parametrize("name", ["total", "product", "inverse", "power", "exponential", "drawn"])
def test_both_arithmetics_can_do_the_same(name):
    """Real numbers and residues are exchanged for one another without a special case."""
    assert callable(getattr(Residues, name))
    assert callable(getattr(Balls, name))


@pytest.mark.parametrize("place", range(len(NETWORKS)))
def test_what_symback_derives_is_equal(place):
    """Every right side of every step of every weight, in general or by the fact it names."""
    net = NETWORKS[place]()
    judge = Judge(net)
    for variable in net.graph.variables:
        if variable.role not in PARAMETERS:
            continue
        for reference in elements(variable):
            truth = Derivative(LOSS, numbered(variable.letter, variable.layer, *reference.indices))
            for step in net.derive(reference.name).steps:
                outcome = judge.compare(truth, to_node(step.rhs, net.graph))
                assert outcome.is_equal, (reference.name, step.rhs)
