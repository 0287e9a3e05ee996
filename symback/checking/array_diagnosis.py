"""Which mistake an array shows: the wrong formula that it does equal, by name.

Here one can find every `Mistake`, single, made throughout, times a constant factor, or two at once,
that turns symback's own backward pass into the array that was given: `Search.explain`; and the same
for an array of the forward pass: `explain_forward`.

An array is said to equal a formula where all its entries agree to what rounding allows; where
several places on the way could hold the mistake, the one that explains most of the other arrays is
taken.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from symback.checking.array_mistakes import mistakes_of, named, place
from symback.checking.array_rounding import Precision
from symback.checking.array_steps import Edge, Mistake, Steps, doubles
from symback.engine.evaluation import Numbers
from symback.engine.graph import from_network
from symback.engine.spec import NetworkSpec
from symback.engine.work import Work
from symback.language.algebra import activation
from symback.language.errors import SymbackError
from symback.language.functions import ACTIVATIONS, LOSSES
from symback.language.names import Role, Variable

__all__ = ["Explanation", "Search", "Seen", "explain_forward", "matches"]

ROUNDINGS = 2**12
"""A formula is matched to so many units in the last place of its largest terms."""

MOST_PAIRS = 1500
LARGEST_DENOMINATOR = 12
"""A factor such as 2, 3/4 or 1/32 is named as a fraction: it or its inverse is one of these."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Mistakes that, made together, give the array."""

    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """Another array that was given: what it is, and how exactly."""

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
    mistakes that are taken to have been made on the way to arrays that were not given.
    """

    steps: Steps
    work: Work
    known: dict[Variable, np.ndarray]
    made: list[Mistake]
    others: Sequence[Seen]

    def expected(self, variable: Variable) -> tuple[np.ndarray, np.ndarray]:
        """∂L/∂variable as it follows from what is known, and the size of its terms."""
        known = self._upstream(variable)
        return (
            self.steps.run(known, self.made, upto=variable)[variable],
            self.steps.sizes(known, self.made, upto=variable)[variable],
        )

    def explain(self, seen: Seen) -> list[Explanation]:
        """Every explanation of a wrong array, those that explain most others only."""
        return next((self._best(found, seen) for found in self._tried(seen) if found), [])

    def _tried(self, seen: Seen) -> Iterator[list[Explanation]]:
        """Explanations, the simplest kind first."""
        singles = self._singles(seen)
        one = self._fitting(seen, ([each] for each in singles))
        yield [*one, *self._factors(seen, [])]
        yield list(self._fitting(seen, _throughout(singles)))
        yield [each for mistake in singles for each in self._factors(seen, [mistake])]
        yield list(self._fitting(seen, _pairs(singles)))
        yield list(self._factors(seen, [], simple=False))

    # ------------------------------------------------------------------------------ inside

    def _edges(self, seen: Seen) -> set[Edge]:
        """The local derivatives between the array and what is known."""
        return self.steps.leading_to(seen.variable, self._upstream(seen.variable))

    def _singles(self, seen: Seen) -> list[Mistake]:
        rate = self.work.learning_rate
        known_rate = None if rate is None else float(rate)
        found = mistakes_of(self.steps, self.work.spec, self._edges(seen), known_rate)
        return [
            each
            for each in found
            if each.site == seen.variable or not (each.transposed or each.kept)
        ]

    def _upstream(self, variable: Variable) -> dict[Variable, np.ndarray]:
        return {known: array for known, array in self.known.items() if known != variable}

    def _fitting(self, seen: Seen, several) -> Iterator[Explanation]:
        known = self._upstream(seen.variable)
        usual = self.steps.sizes(known, self.made, upto=seen.variable)[seen.variable]
        near = 1e-2 * max(float(np.max(usual)), float(np.max(abs(seen.array))))
        for mistakes in several:
            made = [*self.made, *mistakes]
            formula = self.steps.run(known, made, upto=seen.variable)[seen.variable]
            if formula.shape != seen.array.shape or np.max(abs(formula - seen.array)) > near:
                continue  # most formulas are far off, and need no exact measure
            sizes = self.steps.sizes(known, made, upto=seen.variable)[seen.variable]
            if matches(seen.array, formula, sizes, seen.precision):
                yield Explanation(tuple(mistakes))

    def _factors(
        self, seen: Seen, mistakes: list[Mistake], *, simple: bool = True
    ) -> Iterator[Explanation]:
        """A constant factor, wherever on the way it may have come in."""
        known = self._upstream(seen.variable)
        made = [*self.made, *mistakes]
        formula = self.steps.run(known, made, upto=seen.variable)[seen.variable]
        factor = _ratio(seen, formula)
        if factor is None or factor == 1 or (simple and _simple(factor) is None):
            return
        if not simple and np.count_nonzero(abs(formula) > 1e-3 * np.max(abs(formula))) < 2:
            return  # any one number is a multiple of any other
        parents = {parent for _, parent in self._edges(seen)}
        sites = [variable for variable in self.steps.order if variable in parents]
        for site in reversed(sites):
            for name, detail in factor_names(factor, site, self.work):
                mistake = Mistake(name, detail, site, factor=factor)
                yield from self._fitting(seen, [[*mistakes, mistake]])

    def _best(self, found: list[Explanation], seen: Seen) -> list[Explanation]:
        """Those that explain most of the other arrays, the most specific first."""
        scores = [self._score(each, seen) for each in found]
        best = [each for each, score in zip(found, scores, strict=True) if score == max(scores)]
        best.sort(key=lambda each: [place(mistake.name) for mistake in each.mistakes])
        return best

    def _score(self, explanation: Explanation, seen: Seen) -> int:
        """How many of the other arrays would be as they are, less those that would not."""
        made = [*self.made, *explanation.mistakes]
        if any(mistake.transposed or mistake.kept for mistake in explanation.mistakes):
            return 0  # the array alone was saved in another form
        known = self._upstream(seen.variable)
        formulas = self.steps.run(known, made)
        sizes = self.steps.sizes(known, made)
        score = 0
        for other in self.others:
            if other.variable not in (seen.variable, *known):
                formula, size = formulas[other.variable], sizes[other.variable]
                score += 1 if matches(other.array, formula, size, other.precision) else -1
        return score


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
        if abs(float(each) / ratio - 1) < tolerance:
            return each
    return None


def factor_names(factor: float, site: Variable, work: Work) -> Iterator[tuple[str, str]]:
    """What a constant factor is called, and in words."""
    of = f"∂L/∂{named(site)}"
    if factor == -1:
        yield "sign-flipped", f"{of} has the wrong sign, or y and ŷ are swapped"
        return
    yield from _averages(factor, of, work)
    yield (
        "constant-factor",
        f"{of} is {_text(factor)} times what it should be{_meaning(factor, work)}",
    )


def _text(factor: float) -> str:
    simple = _simple(factor)
    return f"{factor:.6g}" if simple is None else str(simple)


def _counts(work: Work) -> Iterator[tuple[float, str, str, str]]:
    """(count, what is counted, sum or mean as said, the key that says it)."""
    spec = work.spec
    if isinstance(spec, NetworkSpec):
        if spec.values.samples is not None:
            yield float(spec.values.samples), "samples", spec.over_samples, "over_samples"
        width = spec.widths[-1]
        if width.is_Integer:
            yield float(int(width)), "outputs", spec.over_outputs, "over_outputs"


def _averages(factor: float, of: str, work: Work) -> Iterator[tuple[str, str]]:
    for count, things, said, key in _counts(work):
        if count > 1 and said == "sum" and abs(factor * count - 1) < 1e-9:
            yield (
                "average-for-sum",
                f'{of} is averaged over the {things}, where the loss sums them ({key} = "sum")',
            )


def _meaning(factor: float, work: Work) -> str:
    for count, things, said, key in _counts(work):
        if count > 1 and said == "mean" and abs(factor - count) < 1e-9 * count:
            return f': summed over the {things}, where the loss takes their mean ({key} = "mean")'
        if count > 1 and said == "mean" and abs(factor * count - 1) < 1e-9:
            return f": divided by the number of {things} once more"
    return ""


def _throughout(singles: Sequence[Mistake]) -> Iterator[list[Mistake]]:
    """The same mistake at every place where it can be made."""
    by_name: dict[str, list[Mistake]] = {}
    for mistake in singles:
        by_name.setdefault(mistake.name, []).append(mistake)
    for several in by_name.values():
        first = {mistake.site: mistake for mistake in reversed(several)}
        if len(first) > 1:
            yield list(first.values())


def _pairs(singles: Sequence[Mistake]) -> Iterator[list[Mistake]]:
    """Two mistakes at different places."""
    pairs = ([a, b] for a, b in itertools.combinations(singles, 2) if a.site != b.site)
    return itertools.islice(pairs, MOST_PAIRS)


# ------------------------------------------------------------------------------ the forward pass


def explain_forward(numbers: Numbers, work: Work, seen: Seen) -> list[tuple[str, str]]:
    """The names and details of the wrong formulas that an array of the forward pass equals."""
    found: list[tuple[str, str]] = []
    for name, detail, array in _forward_formulas(numbers, work, seen.variable):
        sizes = np.maximum(abs(array), np.max(abs(array), initial=0.0))
        if matches(seen.array, array, sizes, seen.precision):
            found.append((name, detail))
    right = doubles(numbers.forward[seen.variable.name])
    factor = _ratio(seen, right)
    if factor is not None and factor != 1:
        scaled, sizes = factor * right, abs(factor * right) + np.max(abs(right))
        if matches(seen.array, scaled, sizes, seen.precision):
            found += _forward_factor(factor, seen.variable, work)
    return sorted(dict.fromkeys(found), key=lambda pair: place(pair[0]))


def _forward_factor(factor: float, variable: Variable, work: Work) -> Iterator[tuple[str, str]]:
    if factor == -1:
        yield "sign-flipped", f"{named(variable)} has the wrong sign"
        return
    yield from _averages(factor, named(variable), work)
    detail = f"{named(variable)} is {_text(factor)} times what it should be"
    yield "constant-factor", f"{detail}{_meaning(factor, work)}"


def _forward_formulas(
    numbers: Numbers, work: Work, variable: Variable
) -> Iterator[tuple[str, str, np.ndarray]]:
    match variable.role:
        case Role.PREACTIVATION:
            yield from _preactivations(numbers, variable)
        case Role.ACTIVATION | Role.OUTPUT:
            yield from _activations(numbers, variable)
        case Role.LOSS:
            yield from _losses(numbers, work)


def _preactivations(numbers: Numbers, variable: Variable) -> Iterator[tuple[str, str, np.ndarray]]:
    """a without its bias, with Wᵀ, with a for h."""
    graph = numbers.graph
    by_role = {v.role: v for v in graph.parents[variable]}
    changes: list[tuple[str, str, Variable, np.ndarray]] = []
    if (b := by_role.get(Role.BIAS)) is not None:
        zero = 0 * numbers.forward[b.name]
        changes.append(("missing-forward-term", f"{named(b)} is left out", b, zero))
    if (W := by_role.get(Role.WEIGHT)) is not None:
        turned = numbers.forward[W.name].T
        if turned.shape == numbers.forward[W.name].shape:
            changes.append(
                ("matrix-layout", f"{named(W)}ᵀ stands where {named(W)} belongs", W, turned)
            )
    if (h := by_role.get(Role.ACTIVATION)) is not None:
        a = next(v for v in graph.parents[h] if v.role is Role.PREACTIVATION)
        detail = f"{named(a)} stands where {named(h)} belongs"
        changes.append(("preactivation-for-activation", detail, h, numbers.forward[a.name]))
    for name, detail, changed, array in changes:
        given = {v.name: numbers.forward[v.name] for v in graph.parents[variable]}
        everything = {**numbers.given, **given, changed.name: array}
        yield name, detail, doubles(Numbers(graph, everything).forward[variable.name])


def _activations(numbers: Numbers, variable: Variable) -> Iterator[tuple[str, str, np.ndarray]]:
    """h with no function, or with another one."""
    equation = numbers.graph.by_variable[variable]
    a = numbers.graph.parents[variable][0]
    yield (
        "preactivation-for-activation",
        f"{named(a)} stands where {named(variable)} belongs: no function is applied",
        doubles(numbers.forward[a.name]),
    )
    limits = dict(zip(equation.free, variable.shape, strict=True))
    *sample, i = equation.free
    for name, g in ACTIVATIONS.items():
        expr = activation(g, lambda k: a.at(*sample, k), i, variable.shape[-1])
        try:
            array = doubles(numbers.array(expr, limits))
        except (ArithmeticError, SymbackError):
            continue
        detail = f"{name.replace('_', ' ')} is applied where another function belongs"
        yield "wrong-activation", detail, array


def _losses(numbers: Numbers, work: Work) -> Iterator[tuple[str, str, np.ndarray]]:
    """The value of another loss."""
    if not isinstance(work.spec, NetworkSpec):
        return
    for name, loss in LOSSES.items():
        if name == work.spec.loss.name or not loss.uses_target:
            continue
        graph = from_network(replace(work.spec, loss=loss))
        expr = graph.by_variable[graph.target].rhs
        try:
            array = doubles(numbers.array(expr, {}))
        except (ArithmeticError, SymbackError):
            continue
        yield "wrong-loss", f"this is the {name.replace('_', ' ')}", array
