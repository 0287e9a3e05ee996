"""Which mistake an array shows: the wrong formula that it does equal, by name.

Here one can

* carry out the backward pass that symback derived, from whatever arrays are known already, such as
  a student's own δ_2, and with any `Slip` made on the way: `Steps.run`;
* list every slip that the table of `symback.checking.mistakes` knows of on the way to one array:
  `slips_of`.  Each is another value for one of symback's own local derivatives, for all entries at
  once; nothing is derived here;
* find those that, single, made throughout, times a constant factor, or two at once, turn the right
  pass into the array that was given: `Search.explain`; of the forward pass: `explain_forward`.

An array is said to equal a formula where all its entries agree to what rounding allows; where
several places on the way could hold the mistake, the one that explains most of the other arrays is
taken.

Each step is ∂L/∂v = Σ_c ∂L/∂c · ∂c/∂v with the local derivatives of the backward pass, right or
wrong.  Their values are those of `symback.engine.evaluation`, to 50 digits, so that 1 - h keeps its
digits; they are contracted in doubles, since thousands of wrong passes are carried out.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
from sympy import Expr, S, Symbol

from symback.checking import mistakes
from symback.checking.array_inputs import fitted
from symback.checking.array_rounding import Precision
from symback.checking.correct import Kind, kind_of, spelled
from symback.checking.mistakes import (
    Factor,
    Place,
    Told,
    Wrong,
    child_letters,
    made,
    named,
    rank,
    wrongs,
)
from symback.engine.arithmetics import Undefined
from symback.engine.calculus import LocalDerivative
from symback.engine.derivation import BackwardPass
from symback.engine.evaluation import Numbers
from symback.engine.graph import base_name, from_network
from symback.engine.spec import NetworkSpec
from symback.engine.work import Work
from symback.language.algebra import Partial
from symback.language.errors import SymbackError
from symback.language.functions import LOSSES
from symback.language.names import SAMPLE, Role, Variable

Edge = tuple[Variable, Variable]
"""What is computed, and from what: (child, parent)."""

ROUNDINGS = 2**12
"""A formula is matched to so many units in the last place of its largest terms."""

MOST_NEURONS = 32
"""In wider layers no single neuron's path is tried."""

FEWEST_ENTRIES = 3
"""With fewer, some number makes nearly any array a multiple of any other."""

MOST_PAIRS = 1500
LARGEST_NUMBER = 100_000
LARGEST_DENOMINATOR = 12
"""A factor such as 2, 3/4 or 1/32 is named as a fraction: it or its inverse is one of these."""

NO_VALUE = (Undefined, ZeroDivisionError, SymbackError)
"""Raised where a wrong formula has no value, so nobody can have computed it."""


def doubles(array: Any) -> np.ndarray:
    """An array of 50-digit numbers as doubles."""
    return np.vectorize(float, otypes=[float])(array) if np.size(array) else np.asarray(array)


# -------------------------------------------------------------------------------- wrong passes


@dataclass(frozen=True, slots=True)
class Tensor:
    """An array and the index that each of its axes stands for."""

    array: np.ndarray
    letters: tuple[Symbol, ...]

    def times(self, other: Tensor) -> Tensor:
        """The product over the union of the indices."""
        letters = tuple(dict.fromkeys((*self.letters, *other.letters)))
        return Tensor(_contracted([self, other], letters), letters)

    @property
    def positive(self) -> Tensor:
        """Its absolute values."""
        return Tensor(abs(self.array), self.letters)


def _contracted(factors: Sequence[Tensor], left: Sequence[Symbol]) -> np.ndarray:
    """The product of the factors, summed over every index that is not ``left``."""
    every = dict.fromkeys(letter for factor in factors for letter in factor.letters)
    numbers = {letter: k for k, letter in enumerate(every)}
    operands: list[Any] = []
    for factor in factors:
        operands += [factor.array, [numbers[letter] for letter in factor.letters]]
    return np.einsum(*operands, [numbers[letter] for letter in left])


@dataclass(frozen=True, slots=True)
class Slip:
    """A wrong backward pass: what is written instead of something, and what is said of it.

    ``site`` is the first quantity whose derivative is wrong.  ``tensors`` are other local
    derivatives; ``instead`` stands for ∂L/∂site, times ∂L/∂of where there is one; ``factor`` and
    ``transposed`` change ∂L/∂site, ``kept`` are indices that ought to be summed over and are not,
    ``summed`` is how many of the last axes are summed over and ought not to be; ``added`` is added.
    """

    told: Told
    site: Variable
    tensors: Mapping[Edge, Tensor] = field(default_factory=dict)
    instead: Tensor | None = None
    of: Variable | None = None
    factor: float = 1.0
    transposed: bool = False
    kept: tuple[Symbol, ...] = ()
    summed: int = 0
    added: np.ndarray | None = None

    @property
    def is_alone(self) -> bool:
        """Whether the array alone has another form, and nothing is made of that."""
        return self.transposed or bool(self.kept) or bool(self.summed)

    @property
    def positive(self) -> Slip:
        """The slip among the sizes of terms."""
        return replace(
            self,
            tensors={edge: tensor.positive for edge, tensor in self.tensors.items()},
            instead=None if self.instead is None else self.instead.positive,
            factor=abs(self.factor),
            added=None if self.added is None else abs(self.added),
        )


Arrays = Mapping[Variable, np.ndarray]


class Steps:
    """The steps of one backward pass; ``numbers`` says what the local derivatives are."""

    def __init__(self, numbers: Numbers, backward: BackwardPass, rate: float | None) -> None:
        self.backward, self.graph = backward, backward.graph
        self.order = list(backward.adjoints)
        self.shapes = {v: numbers.forward[v.name].shape for v in self.graph.variables}
        self._evaluator = numbers.evaluator(numbers.forward)
        self.tensors = {
            edge: self.tensor(local.form, local) for edge, local in backward.derivatives.items()
        }
        self._positive = {edge: tensor.positive for edge, tensor in self.tensors.items()}
        gradients = self.run({})
        names = {v: f"∇{base_name(v.element)}" for v in gradients}
        self._evaluator.known |= {names[v]: array for v, array in gradients.items()}
        self.slips: dict[Edge, list[Slip]] = {}  # by local derivative, made when they are asked for
        self.values = {v.name: doubles(numbers.forward[v.name]) for v in self.graph.variables}
        # without a rate it is 1, and the one that was used is found by the array
        self._evaluator.known["eta"] = np.array(1.0 if rate is None else rate, dtype=object)

    def tensor(self, expr: Expr, local: LocalDerivative) -> Tensor:
        """An expression in the indices of a local derivative, over those that occur in it."""
        limits = dict(zip(child_letters(local), local.child.shape, strict=True))
        limits |= dict(zip(local.parent_indices, local.parent.shape, strict=True))
        letters = tuple(letter for letter in limits if letter in expr.free_symbols)
        shape = [limits[letter] for letter in letters]
        return Tensor(doubles(self._evaluator.array(expr, letters, shape)), letters)

    def run(
        self,
        known: Arrays,
        slips: Sequence[Slip] = (),
        *,
        upto: Variable | None = None,
        positive: bool = False,
    ) -> dict[Variable, np.ndarray]:
        """∂L/∂v of every quantity (as far as ``upto``) from the ``known``, with slips made.

        ``positive`` takes every term as positive: what rounding errors are measured by.
        """
        tensors, found = dict(self._positive if positive else self.tensors), dict(known)
        if positive:
            slips = [slip.positive for slip in slips]
            found = {v: abs(array) for v, array in found.items()}
        for slip in slips:
            tensors |= slip.tensors
        for variable in self.order:
            if variable not in found:
                own = [slip for slip in slips if slip.site == variable]
                found[variable] = self._step(variable, found, tensors, own)
            if variable == upto:
                break
        return found

    def _step(
        self, v: Variable, found: Arrays, tensors: Mapping[Edge, Tensor], own: Sequence[Slip]
    ) -> np.ndarray:
        kept = tuple(letter for slip in own for letter in slip.kept)
        ones, terms, letters = np.ones(self.shapes[v]), [], ()
        for edge, local in self.backward.derivatives.items():
            child, parent = edge
            if parent != v or (child != self.graph.target and child not in found):
                continue
            factors = [Tensor(ones, local.parent_indices), tensors[edge]]
            if child != self.graph.target:
                factors.append(Tensor(found[child], child_letters(local)))
            terms.append(_contracted(factors, (*kept, *local.parent_indices)))
            letters = local.parent_indices
        array = sum(terms[1:], terms[0])
        for slip in own:
            if slip.instead is not None:
                base = ones if slip.of is None else array if slip.of == v else found[slip.of]
                array = _contracted([Tensor(base, letters), slip.instead], letters)
            array = array * slip.factor
            array = array if slip.added is None else array + slip.added
            array = array.T if slip.transposed else array
            array = array.sum(axis=tuple(range(-slip.summed, 0))) if slip.summed else array
        return array

    def leading_to(self, variable: Variable, known: Mapping[Variable, Any]) -> set[Edge]:
        """The local derivatives that ∂L/∂variable is made of, back to what is known."""
        found: set[Edge] = set()
        waiting = [variable]
        while waiting:
            parent = waiting.pop()
            for edge in self.backward.derivatives:
                if edge[1] == parent and edge not in found:
                    found.add(edge)
                    if edge[0] not in known and edge[0] != self.graph.target:
                        waiting.append(edge[0])
        return found


# ---------------------------------------------------------------------------- the table in arrays


def slips_of(steps: Steps, work: Work, edges: Iterable[Edge]) -> Iterator[Slip]:
    """Every single slip in the local derivatives ``edges``, and in what they are summed to."""
    for edge in sorted(edges, key=lambda e: (steps.order.index(e[1]), e[0].name)):
        if edge not in steps.slips:
            factor = _factor(steps, work, edge)
            found = list(_of_table(steps, factor, factor.place))
            found += _of_table(steps, factor, Place.ERROR) if factor.kind is Kind.OUTPUT else ()
            steps.slips[edge] = [*found, *_of_sums(steps, factor)]
        yield from steps.slips[edge]


def _factor(steps: Steps, work: Work, edge: Edge) -> Factor:
    local = steps.backward.derivatives[edge]
    return Factor(steps.graph, work.spec, local, kind_of(*edge), steps.backward)


def _of_table(steps: Steps, factor: Factor, place: Kind | Place) -> Iterator[Slip]:
    """The rows of a place, evaluated for all entries at once."""
    local = factor.local
    edge = local.child, local.parent
    for mistake, making, wrong in wrongs(factor, place, mistakes.ARRAYS):
        if not _fits(steps, factor, wrong):
            continue
        told = mistake.told(making.whole, **_words(factor, wrong))
        names = [each for each in wrong.expr.atoms(Partial) if place is Place.ERROR]
        try:
            if names and (len(names) > 1 or not (wrong.expr.is_Mul or wrong.expr == names[0])):
                continue  # it is made of other derivatives than a multiple of one
            tensor = steps.tensor(wrong.expr.xreplace(dict.fromkeys(names, S.One)), local)
        except NO_VALUE:
            continue
        if place is Place.ERROR:
            of = factor.graph.by_base[base_name(names[0].by)] if names else None
            yield Slip(told, local.parent, instead=tensor, of=of)
        else:
            if wrong.apart:
                tensor = _apart(steps.tensors[edge], tensor, factor)
            yield Slip(told, local.parent, {edge: tensor})


def epsilons(steps: Steps, work: Work) -> Iterator[Slip]:
    """∂L/∂ŷ of log(ŷ + ε) for log ŷ, and of a quotient with + ε below, for the usual ε."""
    if not isinstance(work.spec, NetworkSpec) or work.spec.loss.name not in LOGARITHMIC:
        return
    yhat = next(v for v in steps.graph.variables if v.role is Role.OUTPUT)
    edge = steps.graph.target, yhat
    y = next(steps.values[v.name] for v in steps.graph.variables if v.role is Role.TARGET)
    p, right = steps.values[yhat.name], steps.tensors[edge]
    own = _slope_of_log(work.spec.loss.name, y, p, 0.0)
    usable = np.isfinite(own) & (own != 0)
    if right.letters != steps.backward.derivatives[edge].parent_indices or not usable.any():
        return
    share = float(np.median(right.array[usable] / own[usable]))
    for epsilon in EPSILONS:
        number, what = f"{epsilon:g}", "∂L/∂ŷ"
        array = share * _slope_of_log(work.spec.loss.name, y, p, epsilon)
        told = mistakes.EPSILON.found(what=what, number=number)
        yield Slip(told, yhat, {edge: Tensor(array, right.letters)})
        if work.spec.loss.name == "binary_cross_entropy":
            told = mistakes.EPSILON.found("quotient", what=what, number=number)
            array = share * (p - y) / (p * (1 - p) + epsilon)
            yield Slip(told, yhat, {edge: Tensor(array, right.letters)})


LOGARITHMIC = ("cross_entropy", "binary_cross_entropy")
EPSILONS = (*(10.0**-k for k in range(3, 17)), float(np.finfo(float).eps))


def _slope_of_log(loss: str, y: np.ndarray, p: np.ndarray, epsilon: float) -> np.ndarray:
    """-y/(ŷ + ε), and + (1 - y)/(1 - ŷ + ε) of the binary cross-entropy."""
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(y != 0, -y / (p + epsilon), 0.0)
        if loss == "binary_cross_entropy":
            slope = slope + np.where(y != 1, (1 - y) / (1 - p + epsilon), 0.0)
    return slope


def _apart(right: Tensor, wrong: Tensor, factor: Factor) -> Tensor:
    """The right tensor on the diagonal of the layer, the wrong one beside it."""
    m, i = child_letters(factor.local)[-1], factor.local.parent_indices[-1]
    size = right.array.shape[right.letters.index(m)]
    on, off = Tensor(np.eye(size), (m, i)), Tensor(1 - np.eye(size), (m, i))
    kept = right.times(on)
    ones = Tensor(np.ones(kept.array.shape), kept.letters)
    put = _contracted([ones, wrong, off], kept.letters)
    return Tensor(kept.array + put, kept.letters)


def _fits(steps: Steps, factor: Factor, wrong: Wrong) -> bool:
    """Whether the quantity that is put in has the shape of the one that belongs."""
    if wrong.other is None:
        return True
    local = factor.local
    sizes = dict(zip(child_letters(local), steps.shapes[local.child], strict=True))
    sizes |= dict(zip(local.parent_indices, steps.shapes[local.parent], strict=True))
    shape = steps.shapes[factor.graph.by_base[base_name(wrong.other)]]
    return shape == tuple(sizes.get(letter) for letter in wrong.other.indices)


def _words(factor: Factor, wrong: Wrong) -> dict[str, Any]:
    """The words of a sentence, with the names of whole quantities; functions without "_"."""
    words = factor.words(wrong, lambda expr: named(factor.graph.by_base[base_name(expr)]))
    return {
        key: str(word).replace("_", " ") if key in ("name", "own") else word
        for key, word in words.items()
    }


def _of_sums(steps: Steps, factor: Factor) -> Iterator[Slip]:
    """What goes wrong in what the products are summed to: paths, samples, the layout."""
    local, v = factor.local, factor.local.parent
    edge, right, of = (local.child, v), steps.tensors[local.child, v], f"∂L/∂{named(v)}"
    if factor.kind is Kind.WEIGHT and 2 <= right.array.shape[0] <= MOST_NEURONS:
        for neuron, one in enumerate(np.eye(right.array.shape[0]), start=1):
            words = {"neuron": spelled((local.child, (neuron,))), "layer": factor.layer}
            for mistake, making in made(Place.PATHS):
                if making.whole:
                    told = mistake.told(making.whole, parent=named(v), **words)
                    mask = Tensor(making.make(1, one), right.letters[:1])
                    yield Slip(told, v, {edge: right.times(mask)})
    if factor.kind in (Kind.INPUT, Kind.WEIGHT) and len(steps.shapes[v]) == 2:
        turned = "one row is one sample"
        if v.role is Role.WEIGHT:
            turned = f"W_{v.layer} is (out, in), as in W x"
        yield Slip(mistakes.LAYOUT.found("transpose", what=of, words=turned), v, transposed=True)
    if factor.kind is Kind.BIAS and steps.shapes[v] not in ((), (1,)):
        yield Slip(mistakes.SUMMED.found(what=of), v, summed=1)
    if factor.kind in (Kind.INPUT, Kind.BIAS) and steps.graph.samples is not None:
        yield Slip(mistakes.UNSUMMED.found(what=of), v, kept=(SAMPLE,))
        if factor.kind is Kind.BIAS and steps.shapes[v] not in ((), (1,)):
            instead = mistakes.SUMMED.found("instead", what=of)
            yield Slip(instead, v, kept=(SAMPLE,), summed=1)
        count = int(steps.graph.samples)
        for sample, one in enumerate(np.eye(count) if count > 1 else (), start=1):
            told = mistakes.ONE_SAMPLE.found(what=of, sample=sample)
            yield Slip(told, v, {edge: right.times(Tensor(one, (SAMPLE,)))})


# --------------------------------------------------------------------------------------- search


@dataclass(frozen=True, slots=True)
class Seen:
    """An array that was given: what it is, and how exactly."""

    variable: Variable
    array: np.ndarray
    precision: Precision


def matches(
    array: np.ndarray, formula: np.ndarray, sizes: np.ndarray, precision: Precision
) -> bool:
    """Whether every entry agrees with the formula to what rounding allows."""
    if array.shape != formula.shape or not np.isfinite(formula).all():
        return False
    allowed = ROUNDINGS * (precision.unit * np.broadcast_to(sizes, formula.shape) + precision.tiny)
    return bool((abs(array - formula) <= allowed).all())


@dataclass
class Search:
    """What has been accepted of a submission so far, and what a wrong array may be made of.

    ``known`` are derivatives to start from, the student's own where they are given; ``made`` the
    slips that are taken to have been made on the way to arrays that were not given.
    """

    steps: Steps
    work: Work
    known: dict[Variable, np.ndarray]
    made: list[Slip]
    others: Sequence[Seen]

    def formula(self, variable: Variable, slips: Sequence[Slip] = ()) -> np.ndarray:
        """∂L/∂variable as it follows from what is known."""
        known = self._upstream(variable)
        return self.steps.run(known, [*self.made, *slips], upto=variable)[variable]

    def sizes(self, variable: Variable, slips: Sequence[Slip] = ()) -> np.ndarray:
        """The size of its terms."""
        known, made = self._upstream(variable), [*self.made, *slips]
        return self.steps.run(known, made, upto=variable, positive=True)[variable]

    def _upstream(self, variable: Variable) -> dict[Variable, np.ndarray]:
        return {known: array for known, array in self.known.items() if known != variable}

    def explain(self, seen: Seen) -> list[Sequence[Slip]]:
        """The slips that, made together, give a wrong array: all ways that explain most others.

        The simplest kind of explanation is taken, the most specific first.
        """
        edges = self.steps.leading_to(seen.variable, self._upstream(seen.variable))
        singles = [
            slip
            for slip in slips_of(self.steps, self.work, edges)
            if slip.site == seen.variable or not slip.is_alone
        ]
        parents = {parent for _, parent in edges}
        sites = [variable for variable in reversed(self.steps.order) if variable in parents]
        by_name: dict[str, dict[Variable, Slip]] = {}
        for slip in reversed(singles):  # the first of a site is kept
            by_name.setdefault(slip.told.name, {})[slip.site] = slip
        throughout = [list(each.values()) for each in by_name.values() if len(each) > 1]
        every = itertools.combinations(singles, 2)
        pairs = (pair for pair in every if pair[0].site != pair[1].site)
        stale = [slip for slip in singles if slip.told.name == "stale-weights"]
        ways: tuple[Callable[[], Iterable[Sequence[Slip]]], ...] = (
            lambda: self._fitting(seen, ([slip] for slip in epsilons(self.steps, self.work))),
            lambda: [
                *self._fitting(seen, ([slip] for slip in singles)),
                *self._factors(seen, sites, []),
            ],
            lambda: self._fitting(seen, self._decays(seen)),
            lambda: self._fitting(seen, self._at_any_rate(seen, stale)),
            lambda: self._fitting(seen, throughout),
            lambda: [each for slip in singles for each in self._factors(seen, sites, [slip])],
            lambda: self._fitting(seen, itertools.islice(pairs, MOST_PAIRS)),
            lambda: self._factors(seen, sites, [], simple=False),
        )
        found = next(filter(None, (list(way()) for way in ways)), [])
        scores = [self._score(slips, seen) for slips in found]
        best = [each for each, score in zip(found, scores, strict=True) if score == max(scores)]
        return sorted(best, key=lambda slips: [rank(slip.told.name) for slip in slips])

    def _fitting(self, seen: Seen, several: Iterable[Sequence[Slip]]) -> Iterator[Sequence[Slip]]:
        usual = float(np.max(self.sizes(seen.variable)))
        near = 1e-2 * max(usual, float(np.max(abs(seen.array))))
        for slips in several:
            formula = self.formula(seen.variable, slips)
            array = fitted(seen.array, formula.shape)
            if array is None or np.max(abs(formula - array)) > near:
                continue  # most formulas are far off, and need no exact measure
            if matches(array, formula, self.sizes(seen.variable, slips), seen.precision):
                yield slips

    def _decays(self, seen: Seen) -> Iterator[Sequence[Slip]]:
        """λ W added to ∂L/∂W, with the λ that fits best."""
        formula = self.formula(seen.variable)
        if seen.variable.role is not Role.WEIGHT or formula.size < FEWEST_ENTRIES:
            return
        if formula.shape == seen.array.shape and np.isfinite(seen.array).all():
            weight = self.steps.values[seen.variable.name]
            share = _share(seen.array - formula, weight)
            if share:
                what, name = f"∂L/∂{named(seen.variable)}", named(seen.variable)
                told = mistakes.DECAY.found(what=what, weight=name, number=f"{share:.6g}")
                yield [Slip(told, seen.variable, added=share * weight)]

    def _at_any_rate(self, seen: Seen, stale: Sequence[Slip]) -> Iterator[Sequence[Slip]]:
        """New weights in the pass, whatever the learning rate was: the one that fits best."""
        formula = self.formula(seen.variable)
        if formula.shape != seen.array.shape or formula.size < FEWEST_ENTRIES:
            return
        for slip in stale:
            (edge, wrong), *_ = slip.tensors.items()
            right = self.steps.tensors[edge]
            if right.letters != wrong.letters:
                continue
            times = _share(seen.array - formula, self.formula(seen.variable, [slip]) - formula)
            if times > 0:
                array = right.array + times * (wrong.array - right.array)
                yield [replace(slip, tensors={edge: Tensor(array, right.letters)})]

    def _factors(
        self, seen: Seen, sites: Sequence[Variable], slips: list[Slip], *, simple: bool = True
    ) -> Iterator[Sequence[Slip]]:
        """A constant factor beside ``slips``, wherever on the way it may have come in."""
        formula = self.formula(seen.variable, slips)
        factor = _ratio(seen, formula)
        if factor is None or factor == 1 or (simple and _simple(factor) is None):
            return
        if not simple and np.count_nonzero(abs(formula) > 1e-3 * np.max(abs(formula))) < 2:
            return  # any one number is a multiple of any other
        for site in sites:
            for told in told_of_factor(factor, f"∂L/∂{named(site)}", self.work):
                yield from self._fitting(seen, [[*slips, Slip(told, site, factor=factor)]])

    def _score(self, slips: Sequence[Slip], seen: Seen) -> int:
        """How many of the other arrays would be as they are, less those that would not."""
        if any(slip.is_alone for slip in slips):
            return 0  # the array alone was saved in another form
        known, made = self._upstream(seen.variable), [*self.made, *slips]
        formulas, sizes = self.steps.run(known, made), self.steps.run(known, made, positive=True)
        score = 0
        for other in self.others:
            v = other.variable
            if v != seen.variable and v not in known:
                score += 1 if matches(other.array, formulas[v], sizes[v], other.precision) else -1
        return score


def _share(array: np.ndarray, direction: np.ndarray) -> float:
    """How many times ``direction`` comes nearest to an array; 0 where it is nothing."""
    size = float(np.sum(direction * direction))
    times = float(np.sum(array * direction)) / size if size else 0.0
    return times if np.isfinite(times) else 0.0


def _ratio(seen: Seen, formula: np.ndarray) -> float | None:
    """array / formula where the formula is largest, as a simple fraction where it is near one."""
    if formula.shape != seen.array.shape or not np.isfinite(formula).all() or not formula.any():
        return None
    at = np.unravel_index(np.argmax(abs(formula)), formula.shape)
    ratio = float(seen.array[at] / formula[at])
    if ratio == 0 or not np.isfinite(ratio) or not np.isfinite(1 / ratio):
        return None
    simple = _simple(ratio, ROUNDINGS * seen.precision.unit)
    return ratio if simple is None else float(simple)


def _simple(ratio: float, tolerance: float = 1e-9) -> Fraction | None:
    """The fraction with small numbers that ``ratio`` or its inverse is near, if any."""
    near = Fraction(ratio).limit_denominator(LARGEST_DENOMINATOR)
    inverse = Fraction(1 / ratio).limit_denominator(LARGEST_DENOMINATOR)
    for each in (near, 1 / inverse if inverse else Fraction(0)):
        if max(abs(each.numerator), each.denominator) > LARGEST_NUMBER:
            continue  # a sum that is 0 but for rounding is any multiple
        if abs(float(each) / ratio - 1) < tolerance:
            return each
    return None


def told_of_factor(
    factor: float, what: str, work: Work, *, forward: bool = False
) -> Iterator[Told]:
    """What a constant factor of ``what``, e.g. ∂L/∂W_1, is called, and in words."""
    if factor == -1:
        yield mistakes.SIGN.found("found" if forward else "of_loss", what=what)
        return
    why, spec = "", work.spec
    counts = []  # how many there are of what is summed or averaged, and the key that says which
    if isinstance(spec, NetworkSpec) and spec.values.samples is not None:
        counts.append((spec.values.samples, "samples", spec.over_samples, "over_samples"))
    if isinstance(spec, NetworkSpec) and spec.widths[-1].is_Integer:
        counts.append((int(spec.widths[-1]), "outputs", spec.over_outputs, "over_outputs"))
    for count, things, said, key in counts:
        divided = count > 1 and abs(factor * count - 1) < 1e-9
        if divided and said == "sum":
            yield mistakes.AVERAGE.found("samples", what=what, things=things, key=key)
        elif divided and not why:
            why = f": divided by the number of {things} once more"
        elif count > 1 and said == "mean" and abs(factor - count) < 1e-9 * count and not why:
            why = f': summed over the {things}, where the loss takes their mean ({key} = "mean")'
    simple = _simple(factor)
    shown = f"{factor:.6g}" if simple is None else str(simple)
    yield mistakes.CONSTANT.found(what=what, number=shown, why=why)


# ------------------------------------------------------------------------------ the forward pass


def explain_forward(numbers: Numbers, steps: Steps, work: Work, seen: Seen) -> list[Told]:
    """The wrong formulas that an array of the forward pass equals, the most specific first."""
    found: list[Told] = []
    for told, array in _forward_formulas(numbers, steps, work, seen.variable):
        sizes = np.maximum(abs(array), np.max(abs(array), initial=0.0))
        if matches(seen.array, array, sizes, seen.precision):
            found.append(told)
    right = doubles(numbers.forward[seen.variable.name])
    factor = _ratio(seen, right)
    told = factor is not None and (right.size > 1 or _simple(factor) is not None)
    if factor is not None and factor != 1 and told:  # any number is a multiple of another
        scaled, sizes = factor * right, abs(factor * right) + np.max(abs(right))
        if matches(seen.array, scaled, sizes, seen.precision):
            found += told_of_factor(factor, named(seen.variable), work, forward=True)
    return sorted(dict.fromkeys(found), key=lambda told: rank(told.name))


def _forward_formulas(
    numbers: Numbers, steps: Steps, work: Work, variable: Variable
) -> Iterator[tuple[Told, np.ndarray]]:
    graph = numbers.graph
    match variable.role:
        case Role.PREACTIVATION:
            for told, changed, array in _changes(numbers, variable):
                given = {v.name: numbers.forward[v.name] for v in graph.parents[variable]}
                other = Numbers(graph, {**numbers.given, **given, changed.name: array})
                yield told, doubles(other.forward[variable.name])
        case Role.ACTIVATION | Role.OUTPUT:
            factor = _factor(steps, work, (variable, graph.parents[variable][0]))
            local = factor.local
            letters = dict(zip(local.parent_indices, variable.shape, strict=True))
            for mistake, making, wrong in wrongs(factor, Place.FUNCTION, mistakes.ARRAYS):
                try:
                    array = doubles(numbers.array(wrong.expr, letters))
                except (ArithmeticError, SymbackError):
                    continue
                yield mistake.told(making.whole, **_words(factor, wrong)), array
        case Role.LOSS if isinstance(work.spec, NetworkSpec):
            yield from _guarded_losses(steps, work)
            for name, loss in LOSSES.items():
                if name == work.spec.loss.name or not loss.uses_target:
                    continue
                other = from_network(replace(work.spec, loss=loss))
                try:
                    array = doubles(numbers.array(other.by_variable[other.target].rhs, {}))
                except (ArithmeticError, SymbackError):
                    continue
                yield mistakes.WRONG_LOSS.found(name=name.replace("_", " ")), array


def _guarded_losses(steps: Steps, work: Work) -> Iterator[tuple[Told, np.ndarray]]:
    """The loss with ε in its logarithms, or of outputs kept away from 0 and 1."""
    assert isinstance(work.spec, NetworkSpec)
    name = work.spec.loss.name
    if name not in LOGARITHMIC:
        return
    y, p = (
        next(steps.values[v.name] for v in steps.graph.variables if v.role is role)
        for role in (Role.TARGET, Role.OUTPUT)
    )

    def loss(p: np.ndarray, above: float = 0.0, beside: float = 0.0) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(y != 0, y * np.log(p + above), 0.0)
            if name == "binary_cross_entropy":
                terms = terms + np.where(y != 1, (1 - y) * np.log(1 - p + beside), 0.0)
        return float(-terms.sum())

    own = loss(p)
    if not own or not np.isfinite(own):
        return
    share = float(steps.values[steps.graph.target.name]) / own
    for epsilon in EPSILONS:
        number, what = f"{epsilon:g}", named(steps.graph.target)
        for above, beside in ((epsilon, epsilon), (0.0, epsilon)):
            told = mistakes.EPSILON.found(what=what, number=number)
            yield told, np.array(share * loss(p, above, beside))
        clipped = loss(np.clip(p, epsilon, 1 - epsilon))
        told = mistakes.EPSILON.found("clipped", what=what, number=number)
        yield told, np.array(share * clipped)


def _changes(numbers: Numbers, a: Variable) -> Iterator[tuple[Told, Variable, np.ndarray]]:
    """What is put for b, W or h in a = W h + b by mistake: 0, Wᵀ, the preactivation."""
    values = numbers.forward
    for v in numbers.graph.parents[a]:
        if v.role is Role.BIAS:
            yield mistakes.MISSING_FORWARD.found(term=named(v)), v, 0 * values[v.name]
        elif v.role is Role.WEIGHT and values[v.name].shape == values[v.name].T.shape:
            yield mistakes.LAYOUT.found("forward", weight=named(v)), v, values[v.name].T
        elif v.role is Role.ACTIVATION:
            parents = numbers.graph.parents[v]
            below = next(each for each in parents if each.role is Role.PREACTIVATION)
            told = mistakes.PREACTIVATION.found(this=named(below), other=named(v))
            yield told, v, values[below.name]
