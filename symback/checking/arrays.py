"""A hand-written backward pass in arrays, compared with the truth: the first wrong one, and why.

Here one can

* check arrays in memory: `check_arrays`, a mapping of names to arrays such as ``delta1``, ``dW1``,
  ``db1``, in any usual spelling (`symback.checking.array_names`);
* check an .npz file, whose code is never run and whose sizes are looked at first:
  `check_arrays_file`.

The truth is what symback derived, worked out to 50 digits.  An entry is right where it differs by
no more than correct arithmetic of its own precision may (`symback.checking.array_rounding`): no
fixed tolerance would do, since at saturated weights most wrong entries are small.  Arrays are gone
through in the order of computation, the forward pass first, then from the loss back.  One that is
wrong is compared again with what follows from the student's own earlier arrays; if it is that, it
"follows" and is not blamed.  Else the formula that it does equal is looked for
(`symback.checking.array_diagnosis`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from symback.checking.array_diagnosis import Explanation, Search, Seen, explain_forward, matches
from symback.checking.array_files import ArrayError, Given, all_given, read_npz
from symback.checking.array_inputs import fitted, with_inputs
from symback.checking.array_mistakes import named
from symback.checking.array_names import Names, Quantity
from symback.checking.array_report import ArrayReport, ArraysReport, WorstEntry
from symback.checking.array_rounding import DOUBLE, SINGLE, Bounds, Precision, bounds
from symback.checking.array_steps import Mistake, Steps, doubles
from symback.checking.report import Diagnosis, Verdict
from symback.engine.arithmetics import number
from symback.engine.evaluation import MissingNumbers, Numbers
from symback.engine.spec import NetworkSpec
from symback.engine.work import Work
from symback.language.errors import SymbackError, printable
from symback.language.names import PARAMETERS, Role, Variable, element_name

__all__ = ["ArrayReport", "ArraysReport", "WorstEntry", "check_arrays", "check_arrays_file"]

MOST_PRODUCTS = 200_000
"""Weights times samples; with 50 digits more would take longer than some ten seconds."""

LAST_PLACES = 16
"""An entry within so many units in the last place of the truth is right whatever the bound."""


def check_arrays(
    mapping: Mapping[str, Any], net: Work, *, notation: str | Path | None = None
) -> ArraysReport:
    """Compare the arrays of a hand-written backward pass with what symback derives.

    ``mapping`` holds arrays by name, float32 or float64: ∂L/∂v as ``dW1``, ``db1``, ``delta1``,
    ``dh1``, ``dx``, ``dyhat``, …, the forward pass as ``a1``, ``h1``, ``yhat``, ``L``, and inputs
    ``x``, ``y``, ``W1``, ``b1`` in place of the network's [values].  W is (out, in); of a batch one
    row is one sample, and ∂L/∂a is that of the whole loss, or of each sample's own, which is said.
    ``notation`` settles letters, as in `symback.language.notations`: nielsen (a is g(z)), bishop
    (z is g(a)), cs231n (W is (in, out)), …

    Raises `SymbackError` for names that mean nothing and for arrays that hold no real numbers.

    >>> import symback as sb
    >>> net = sb.load("examples/s4.toml")
    >>> right = net.evaluate()["gradients"]
    >>> bool(check_arrays({"dW2": right["W2"], "db2": right["b2"]}, net))
    True
    >>> report = check_arrays({"db2": [-g for g in right["b2"]]}, net)
    >>> report.first_wrong, report["db2"].diagnosis[0].name
    ('db2', 'sign-flipped')
    """
    given = all_given(mapping)
    names = Names(net.graph, notation)
    quantities = names.read_all(given)
    computed = {equation.variable for equation in net.graph.equations}
    inputs = {
        quantity.variable.name: given[name]
        for name, quantity in quantities.items()
        if not quantity.is_gradient and quantity.variable not in computed
    }
    in_out = names.notation.rows
    work = with_inputs(net, inputs, weights_are_in_out=in_out)
    _check_size(work)
    checked = {
        name: (given[name], quantity)
        for name, quantity in quantities.items()
        if quantity.is_gradient or quantity.variable in computed
    }
    if not checked:
        raise ArrayError("there is nothing to check: the arrays are inputs only; add dW1, db1, …")
    return _Check(work, checked, weights_are_in_out=in_out).report()


def check_arrays_file(
    path: str | Path, net: Work, *, notation: str | Path | None = None
) -> ArraysReport:
    """`check_arrays` for an .npz file of at most 64 MB, opened without unpickling anything."""
    return check_arrays(read_npz(path), net, notation=notation)


def _check_size(work: Work) -> None:
    """Raise `ArrayError` where numbers are missing or there is too much to work out."""
    try:
        given = work.numbers.given
    except MissingNumbers as error:
        raise ArrayError(f"{error.message}, or in the arrays under these names") from None
    weights = sum(given[v.name].size for v in work.numbers.inputs if v.role in PARAMETERS)
    samples = 1 if work.graph.samples is None else int(work.graph.samples)
    if weights * samples > MOST_PRODUCTS:
        raise ArrayError(
            f"{weights:,} parameters times {samples:,} samples are {weights * samples:,} products; "
            f"at most {MOST_PRODUCTS:,} are worked out to 50 digits: save fewer samples"
        )


@dataclass(frozen=True, slots=True)
class _Entry:
    """One array to check; ``array`` is in its quantity's shape, or None where it cannot be."""

    given: Given
    quantity: Quantity
    precision: Precision
    array: np.ndarray | None

    @property
    def usable(self) -> bool:
        """Whether later arrays can be worked out from it."""
        return self.array is not None and bool(np.isfinite(self.array).all())

    def with_array(self, array: np.ndarray) -> _Entry:
        return _Entry(self.given, self.quantity, self.precision, array)


class _Check:
    """One run through all arrays, in the order of computation."""

    def __init__(
        self,
        work: Work,
        checked: Mapping[str, tuple[Given, Quantity]],
        *,
        weights_are_in_out: bool,
    ) -> None:
        self.work, self.in_out = work, weights_are_in_out
        self.variables = {variable.name: variable for variable in work.graph.variables}
        self._bounds: dict[str, Bounds] = {}
        self.wrong: dict[Quantity, str] = {}
        self.hinted = ""  # the array that shows a mistake in one that was not given
        saved = self._in_order(checked)
        self.own_losses = any(map(self._is_own_loss, saved))
        self.entries = list(map(self._rescaled, saved))
        self.own = work.numbers
        self.search = self._search(work.numbers, {})

    def report(self) -> ArraysReport:
        """Every verdict, and the one on the whole."""
        reports = tuple(self._judged(entry) for entry in self.entries)
        verdicts = {each.verdict for each in reports}
        worst = next(
            (v for v in (Verdict.REFUTED, Verdict.CONDITIONAL) if v in verdicts), Verdict.PROVED
        )
        return ArraysReport(worst, reports, tuple(self._notes()))

    # ------------------------------------------------------------------------- what is given

    def _in_order(self, checked: Mapping[str, tuple[Given, Quantity]]) -> list[_Entry]:
        """The forward pass, then from the loss back; precision once lost stays lost."""
        order = [Quantity(equation.variable) for equation in self.work.graph.equations]
        order += [Quantity(v, is_gradient=True) for v in self.work.backward.adjoints]
        by_quantity = {
            Quantity(self.variables[q.variable.name], is_gradient=q.is_gradient): given
            for given, q in checked.values()
        }
        entries: list[_Entry] = []
        coarsest = DOUBLE
        for quantity in order:
            given = by_quantity.pop(quantity, None)
            if given is not None:
                coarsest = max(coarsest, given.precision, key=lambda each: each.unit)
                entries.append(_Entry(given, quantity, coarsest, self._shaped(given, quantity)))
        if by_quantity:
            nothing, given = next(iter(by_quantity.items()))
            raise ArrayError(f"{printable(given.name)}: L does not depend on {nothing.text[5:]}")
        return entries

    def _shaped(self, given: Given, quantity: Quantity) -> np.ndarray | None:
        array = given.array
        if self.in_out and quantity.variable.role is Role.WEIGHT and array.ndim == 2:
            array = array.T
        return fitted(array, self._truth(quantity).shape)

    def _truth(self, quantity: Quantity) -> np.ndarray:
        """The right array, of 50-digit numbers."""
        table = self.work.gradients if quantity.is_gradient else self.work.numbers.forward
        return table[quantity.variable.name]

    def _bound(self, quantity: Quantity, precision: Precision) -> np.ndarray:
        known = self._bounds.get(precision.name)
        if known is None:
            known = bounds(self.work.numbers, self.work.backward, precision)
            self._bounds[precision.name] = known
        return (known.gradients if quantity.is_gradient else known.values)[quantity.variable.name]

    def _search(self, numbers: Numbers, known: dict[Variable, np.ndarray]) -> Search:
        others = [
            Seen(entry.quantity.variable, entry.array, entry.precision)
            for entry in self.entries
            if entry.quantity.is_gradient and entry.array is not None and entry.usable
        ]
        return Search(Steps(numbers, self.work.backward), self.work, known, [], others)

    # ---------------------------------------------------------------------------- judgement

    def _judged(self, entry: _Entry) -> ArrayReport:
        if entry.array is None:
            return self._misshapen(entry)
        if not entry.usable:
            return self._not_finite(entry)
        comparison = self._compared(entry.array, entry)
        if comparison.is_right:
            return self._right(entry, comparison)
        return self._wrong(entry, comparison)

    def _compared(self, array: np.ndarray, entry: _Entry) -> _Comparison:
        bound = self._bound(entry.quantity, entry.precision)
        return _Comparison.of(array, self._truth(entry.quantity), bound, entry.precision)

    def _right(self, entry: _Entry, comparison: _Comparison) -> ArrayReport:
        if comparison.says_nothing and (disguised := self._disguised(entry)):
            self._adopt(entry, [])
            return self._report(entry, Verdict.REFUTED, "", disguised, self._worst(entry))
        self._adopt(entry, [], right=True)
        reason = self._agreement(entry, comparison)
        if self._is_own_loss(entry):
            reason = (
                f"right as the derivative of each sample's own loss, {self._samples} times "
                f"{entry.quantity.text}: the mean is left to dW and db; {reason}"
            )
            return self._report(entry, Verdict.CONDITIONAL, reason)
        return self._report(entry, comparison.verdict, reason)

    def _agreement(self, entry: _Entry, comparison: _Comparison) -> str:
        name, count = entry.precision.name, comparison.lost_count
        if comparison.says_nothing:
            return (
                f"right as far as {name} can tell: every entry is lost in its rounding here, so "
                "take weights that saturate less to be sure"
            )
        lost = f"; {count} of {entry.array.size} are lost in rounding" if count else ""  # type: ignore[union-attr]
        return f"every entry agrees to {name}'s rounding{lost}{_reshaped(entry)}"

    def _wrong(self, entry: _Entry, comparison: _Comparison) -> ArrayReport:
        assert entry.array is not None
        if self._follows(entry):
            self._adopt(entry, [])
            reason = f"not {entry.quantity.text}, but right given {self._culprits(entry)}"
            return self._report(entry, Verdict.FOLLOWS, reason, worst=self._worst(entry))
        if entry.precision is DOUBLE and self._is_single(entry):
            self._adopt(entry, [], right=True)
            reason = "right to the digits of float32 only; was it computed in float32?"
            return self._report(entry, Verdict.CONDITIONAL, reason)
        diagnosis = self._diagnosed(entry)
        reason = (
            f"{comparison.wrong_count} of {entry.array.size} entries are wrong{_reshaped(entry)}"
        )
        return self._report(entry, Verdict.REFUTED, reason, diagnosis, self._worst(entry))

    def _report(
        self,
        entry: _Entry,
        verdict: Verdict,
        reason: str,
        diagnosis: tuple[Diagnosis, ...] = (),
        worst: WorstEntry | None = None,
    ) -> ArrayReport:
        if verdict in (Verdict.REFUTED, Verdict.FOLLOWS):
            self.wrong[entry.quantity] = entry.given.name
        given = entry.given
        return ArrayReport(
            given.name, entry.quantity.text, given.array.shape, given.dtype, verdict, reason,
            diagnosis, worst,
        )  # fmt: skip

    def _misshapen(self, entry: _Entry) -> ArrayReport:
        """Refuted by its shape; a transpose or a sum left out may be what it is."""
        given, wanted = entry.given, self._truth(entry.quantity).shape
        reason = f"its shape is {given.array.shape}; {entry.quantity.text} has {wanted}"
        diagnosis: tuple[Diagnosis, ...] = ()
        if entry.quantity.is_gradient and np.isfinite(given.array).all():
            diagnosis = self._diagnosed(entry.with_array(given.array))
        elif given.array.shape == wanted[::-1]:
            diagnosis = self._turned(entry)
        return self._report(entry, Verdict.REFUTED, reason, diagnosis)

    def _turned(self, entry: _Entry) -> tuple[Diagnosis, ...]:
        truth = doubles(self._truth(entry.quantity)).T
        if not matches(entry.given.array, truth, abs(truth) + np.max(abs(truth)), entry.precision):
            return ()
        detail = f"this is the transpose of {entry.quantity.text}: one row is one sample"
        return (Diagnosis("matrix-layout", detail, self._correct(entry)),)

    def _not_finite(self, entry: _Entry) -> ArrayReport:
        assert entry.array is not None
        at = tuple(np.argwhere(~np.isfinite(entry.array))[0])
        worst = self._at(entry, at)
        reason = (
            f"{worst.name} is {worst.value}: the arithmetic left the range of {entry.given.dtype}"
        )
        return self._report(entry, Verdict.REFUTED, reason, worst=worst)

    # ---------------------------------------------------------------- what follows, and what is

    def _follows(self, entry: _Entry) -> bool:
        assert entry.array is not None
        if not self.wrong:
            return False
        variable = entry.quantity.variable
        if entry.quantity.is_gradient:
            formula, sizes = self.search.expected(variable)
        else:
            formula = doubles(self.own.forward[variable.name])
            sizes = np.maximum(abs(formula), np.max(abs(formula)))
        return matches(entry.array, formula, sizes, entry.precision)

    def _culprits(self, entry: _Entry) -> str:
        """The wrong arrays that this one is computed from, the nearest first."""
        edges = self.search.steps.leading_to(entry.quantity.variable, self.search.known)
        near = {child for child, _ in edges}
        found = [
            name
            for quantity, name in self.wrong.items()
            if quantity.is_gradient and quantity.variable in near
        ]
        if not found and self.search.made:
            sites = dict.fromkeys(f"∂L/∂{named(made.site)}" for made in self.search.made)
            return f"the {' and the '.join(sites)} that {printable(self.hinted)} shows"
        found = found or [next(iter(self.wrong.values()))]
        return "your " + " and ".join(map(printable, found))

    def _adopt(self, entry: _Entry, made: list[Mistake], *, right: bool = False) -> None:
        """Later arrays are worked out from this one, as it is."""
        self.search.made += made
        variable = entry.quantity.variable
        if entry.array is None or entry.array.shape != self._truth(entry.quantity).shape:
            return
        array = doubles(self._truth(entry.quantity)) if right else entry.array
        if entry.quantity.is_gradient:
            if variable.role not in PARAMETERS:
                self.search.known[variable] = array
        elif self.wrong or not right:
            self._go_on_from(variable, array)

    def _go_on_from(self, variable: Variable, array: np.ndarray) -> None:
        """What follows is worked out from the student's own forward pass, where it has values."""
        try:
            own = Numbers(self.work.graph, {**self.own.given, variable.name: array})
            self.search, self.own = self._search(own, self.search.known), own
        except (ArithmeticError, SymbackError):
            return  # such as the logarithm of a wrong, negative output

    def _diagnosed(self, entry: _Entry) -> tuple[Diagnosis, ...]:
        """The mistakes that the array shows; they are taken to have been made from here on."""
        assert entry.array is not None
        seen = Seen(entry.quantity.variable, entry.array, entry.precision)
        correct = self._correct(entry)
        if not entry.quantity.is_gradient:
            found = explain_forward(self.own, self.work, seen)
            self._adopt(entry, [])
            return tuple(Diagnosis(name, detail, correct) for name, detail in found)
        explanations = self.search.explain(seen)
        hidden = explanations[0].mistakes if explanations else ()
        made = [each for each in hidden if each.site != entry.quantity.variable]
        self.hinted = entry.given.name if made else self.hinted
        self._adopt(entry, made)
        first: dict[str, Diagnosis] = {}
        for each in _flat(explanations):
            right = self._formula("backward", each.site) or correct
            first.setdefault(each.name, Diagnosis(each.name, each.detail, right))
        return tuple(first.values())

    def _disguised(self, entry: _Entry) -> tuple[Diagnosis, ...]:
        """Whether an array of entries all lost in rounding is nevertheless exactly the negative.

        Rounding itself drops terms and halves sums there, but it does not turn signs.
        """
        assert entry.array is not None
        truth = doubles(self._truth(entry.quantity))
        allowed = LAST_PLACES * entry.precision.unit * abs(truth)
        opposite = bool((abs(entry.array + truth) <= allowed).all())
        if not opposite or np.count_nonzero(entry.array) < 2:
            return ()
        detail = f"{entry.quantity.text} has the wrong sign"
        return (Diagnosis("sign-flipped", detail, self._correct(entry)),)

    def _is_single(self, entry: _Entry) -> bool:
        """Whether an array of doubles has the digits of float32."""
        assert entry.array is not None
        truth = abs(doubles(self._truth(entry.quantity)))
        loose = np.minimum(self._bound(entry.quantity, SINGLE), truth / 1000)
        allowed = np.maximum(4 * LAST_PLACES * SINGLE.unit * truth, loose)
        difference = abs(entry.array - doubles(self._truth(entry.quantity)))
        return bool((difference <= allowed).all())

    # --------------------------------------------------------------- the samples' own losses

    @property
    def _samples(self) -> int:
        return 1 if self.work.graph.samples is None else int(self.work.graph.samples)

    @property
    def _takes_mean(self) -> bool:
        spec = self.work.spec
        mean = isinstance(spec, NetworkSpec) and spec.over_samples == "mean"
        return mean and self._samples > 1

    def _is_own_loss(self, entry: _Entry) -> bool:
        """Whether an array is right as the derivative of each sample's own loss."""
        raw = fitted(entry.given.array, self._truth(entry.quantity).shape)
        if not self._per_sample(entry) or raw is None or not np.isfinite(raw).all():
            return False
        own, mean = (self._compared(each, entry) for each in (raw / self._samples, raw))
        return own.is_right and not own.says_nothing and not mean.is_right

    def _per_sample(self, entry: _Entry) -> bool:
        return self._takes_mean and entry.quantity.is_gradient and entry.quantity.variable.batched

    def _rescaled(self, entry: _Entry) -> _Entry:
        """An array of the samples' own losses as a share of the mean, unless it is one already."""
        if not (self.own_losses and self._per_sample(entry) and entry.usable):
            return entry
        assert entry.array is not None
        right = self._compared(entry.array, entry).is_right
        return entry if right else entry.with_array(entry.array / self._samples)

    # ------------------------------------------------------------------------------- words

    def _worst(self, entry: _Entry) -> WorstEntry:
        assert entry.array is not None
        difference = abs(entry.array - doubles(self._truth(entry.quantity)))
        return self._at(entry, np.unravel_index(int(np.argmax(difference)), difference.shape))

    def _at(self, entry: _Entry, at: tuple[Any, ...]) -> WorstEntry:
        assert entry.array is not None
        variable = entry.quantity.variable
        numbers = [int(k) + 1 for k in at]
        name = element_name(variable, numbers[variable.batched :])
        name = f"∂L/∂{name}" if entry.quantity.is_gradient else name
        name += f" of sample {numbers[0]}" if variable.batched else ""
        value, truth = float(entry.array[at]), float(self._truth(entry.quantity)[at])
        return WorstEntry(name, value, truth)

    def _correct(self, entry: _Entry) -> str:
        phase = "backward" if entry.quantity.is_gradient else "forward"
        return self._formula(phase, entry.quantity.variable)

    def _formula(self, phase: str, variable: Variable) -> str:
        """A step in matrix form, where the network has one."""
        try:
            return self._matrix_steps.get((phase, variable.name), "")
        except SymbackError:
            return ""

    @cached_property
    def _matrix_steps(self) -> dict[tuple[str, str], str]:
        steps = self.work.matrices.steps_as_data()
        return {(step["phase"], step["variable"]): step["text"] for step in steps}

    def _notes(self) -> Iterator[str]:
        if self.own_losses:
            yield (
                "arrays with a row a sample are read as derivatives of each sample's own loss, "
                f"{self._samples} times those of the mean"
            )
        yield from self._kinks()

    def _kinks(self) -> Iterator[str]:
        """Where a slope is a matter of convention, and was."""
        if not self.work.graph.conventions:
            return
        for equation in self.work.graph.equations:
            variable = equation.variable
            if variable.role is not Role.PREACTIVATION:
                continue
            zero = np.argwhere(self.work.numbers.forward[variable.name] == number(0))
            if len(zero):
                name = element_name(variable, [int(k) + 1 for k in zero[0][variable.batched :]])
                yield f"{name} is exactly 0. {' '.join(self.work.graph.conventions)}"


def _flat(explanations: list[Explanation]) -> Iterator[Mistake]:
    for explanation in explanations:
        yield from explanation.mistakes


def _reshaped(entry: _Entry) -> str:
    """How a shape was read, where it was not the quantity's own."""
    assert entry.array is not None
    if entry.given.array.shape == entry.array.shape:
        return ""
    return f"; its shape {entry.given.array.shape} is read as {entry.array.shape}"


@dataclass(frozen=True, slots=True)
class _Comparison:
    """An array beside the truth, entry by entry."""

    wrong_count: int
    lost_count: int
    told_count: int

    @classmethod
    def of(
        cls, array: np.ndarray | None, truth: np.ndarray, bound: np.ndarray, precision: Precision
    ) -> _Comparison:
        """Compare with the bounds of rounding: an entry is right, wrong, or lost in rounding."""
        assert array is not None
        exact = np.vectorize(number, otypes=[object])(array) if array.size else array
        difference = doubles(abs(exact - truth))
        size = abs(doubles(truth))
        tight = difference <= LAST_PLACES * precision.unit * size
        right = tight | (difference <= bound)
        lost = right & ~tight & (bound >= size / 2)
        told = ~lost & (size > 0)
        return cls(*(int(np.count_nonzero(each)) for each in (~right, lost, told)))

    @property
    def is_right(self) -> bool:
        return self.wrong_count == 0

    @property
    def says_nothing(self) -> bool:
        """Whether every entry is too small beside its rounding to tell right from wrong."""
        return self.lost_count > 0 and self.told_count == 0

    @property
    def verdict(self) -> Verdict:
        return Verdict.CONDITIONAL if self.says_nothing else Verdict.PROVED
