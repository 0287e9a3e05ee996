"""A hand-written backward pass in arrays, compared with the truth: the first wrong one, and why.

Here one can

* check arrays in memory: `check_arrays`, a mapping of names to arrays such as ``delta1``, ``dW1``,
  ``db1``, in any usual spelling, or a model of PyTorch whose ``.grad`` is filled;
* check an .npz file, whose code is never run and whose sizes are looked at first:
  `check_arrays_file`;
* read the report: `ArraysReport`, true where nothing is wrong, of `ArrayReport`s.

The truth is what symback derived, worked out to 50 digits.  An entry is right where it differs by
no more than correct arithmetic of its own precision may (`symback.checking.array_rounding`): no
fixed tolerance would do, since at saturated weights most wrong entries are small.  Arrays are gone
through in the order of computation, the forward pass first, then from the loss back.  One that is
wrong is compared again with what follows from the student's own earlier arrays; if it is that, it
"follows" and is not blamed.  Else the formula that it does equal is looked for
(`symback.checking.array_search`).

**Names and layouts** are those of the file's author: one convention for the whole file is found
before anything is judged (`symback.checking.array_conventions`) and said first in the report.  A
`symback.language.names.Notation` settles what its letters mean; with ``strict`` W is (out, in),
one row is one sample and the gradients are of the loss that the network file says.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from symback.checking.array_conventions import File, Quantity, Unread, read
from symback.checking.array_inputs import (
    MOST_BYTES,
    ArrayError,
    ArrayNameError,
    Given,
    all_given,
)
from symback.checking.array_report import ArrayReport, ArraysReport, WorstEntry
from symback.checking.array_rounding import DOUBLE, SINGLE, Precision
from symback.checking.array_search import (
    Search,
    Seen,
    Slip,
    Steps,
    doubles,
    explain_forward,
    matches,
)
from symback.checking.mistakes import EPSILON, LAYOUT, SIGN, Told, named
from symback.checking.report import Diagnosis, Verdict
from symback.checking.system_arrays import check_system_arrays
from symback.checking.system_names import backward_of
from symback.engine.arithmetics import number
from symback.engine.evaluation import Numbers
from symback.engine.work import Work
from symback.language import npz
from symback.language.errors import SymbackError, did_you_mean, printable
from symback.language.names import PARAMETERS, Role, Variable, element_name
from symback.language.names import notation as notation_called

LAST_PLACES = 16
"""An entry within so many units in the last place of the truth is right whatever the bound."""

LARGEST_GUARD = 1e-3
"""An ε in a logarithm is a guard where it changes no more of the largest entry than this."""

LONGEST_PATH = 400


def check_arrays(
    mapping: Mapping[str, Any] | Any,
    net: Work,
    *,
    notation: str | Path | None = None,
    rename: Mapping[str, str] | None = None,
    strict: bool = False,
) -> ArraysReport:
    """Compare the arrays of a hand-written backward pass with what symback derives.

    ``mapping`` holds arrays by name, float32 or float64: ∂L/∂v as ``dW1``, ``db1``, ``delta1``,
    ``nabla_w_0``, ``dh1``, ``dx``, …, the forward pass as ``a1``, ``h1``, ``z1``, ``A2``, ``yhat``,
    ``L``, and inputs ``x``, ``y``, ``W1``, ``b1`` in place of the network's [values]; or it is a
    torch module whose ``.grad`` is filled, whose parameters are then the inputs.  Whether W is
    (out, in) or (in, out), samples rows or columns, y labels or one-hot rows, is read off the
    whole file and said first.  ``notation`` settles letters, as in `symback.language.names`;
    ``rename`` maps a name of the file to one that symback knows; with ``strict`` another layout,
    sum for mean, or ½ is wrong.

    A network of equations in index notation is asked for its own arrays: dU, grad_W, dL_dh.

    What has a name that means nothing is reported and not judged.  Raises `SymbackError` where
    nothing is left to judge, and for arrays that hold no real numbers.

    >>> import symback as sb
    >>> net = sb.load("examples/s4.toml")
    >>> right = net.evaluate()["gradients"]
    >>> bool(check_arrays({"dW2": right["W2"], "db2": right["b2"]}, net))
    True
    >>> report = check_arrays({"db2": [-g for g in right["b2"]]}, net)
    >>> report.first_wrong, report["db2"].diagnosis[0].name
    ('db2', 'sign-flipped')
    """
    backward = backward_of(net)
    if backward is not None:
        return check_system_arrays(of_module(mapping), backward, rename=rename, strict=strict)
    given = all_given(of_module(mapping))
    called = dict(rename or {})
    strange = next((name for name in called if name not in given), None)
    if strange is not None:
        raise ArrayNameError(
            f"there is no array {printable(strange)} to rename{did_you_mean(strange, given)}"
        )
    page = None if notation in (None, "auto") else notation_called(notation)
    return _Check(read(given, net, page, called, strict=strict)).report()


def check_arrays_file(
    path: str | Path,
    net: Work,
    *,
    notation: str | Path | None = None,
    rename: Mapping[str, str] | None = None,
    strict: bool = False,
) -> ArraysReport:
    """`check_arrays` for an .npz file of at most 64 MB, opened without unpickling anything."""
    try:
        arrays = npz.read(path, MOST_BYTES)
    except npz.NpzError as error:
        raise ArrayError(f"{printable(str(path), LONGEST_PATH)}: {error.message}") from None
    return check_arrays(arrays, net, notation=notation, rename=rename, strict=strict)


def of_module(model: Any) -> Any:
    """The parameters of a torch module and their gradients, by name; anything else as it is.

    PyTorch is not imported: whatever has ``named_parameters`` and gradients is taken.
    """
    if isinstance(model, Mapping) or not hasattr(model, "named_parameters"):
        return model
    found: dict[str, Any] = {}
    for name, parameter in model.named_parameters():
        found[name] = _as_array(parameter)
        if parameter.grad is not None:
            found[f"{name}.grad"] = _as_array(parameter.grad)
    if not any(name.endswith(".grad") for name in found):
        raise ArrayError("the model has no gradients yet: call loss.backward() first")
    return found


def _as_array(tensor: Any) -> np.ndarray:
    """A tensor as NumPy's, off the graph and off the device."""
    for way in ("detach", "cpu", "numpy"):
        tensor = getattr(tensor, way, lambda own=tensor: own)()
    return np.asarray(tensor)


# ------------------------------------------------------------------------------------- the check


@dataclass(frozen=True, slots=True)
class _Entry:
    """One array to check, in its quantity's shape, or as it was given where it ``fits`` none.

    ``raw`` is the same before it was made a share of the mean over the samples.
    """

    given: Given
    quantity: Quantity
    precision: Precision
    array: np.ndarray
    fits: bool
    raw: np.ndarray
    condition: str = ""

    @property
    def variable(self) -> Variable:
        return self.quantity.variable

    @property
    def is_usable(self) -> bool:
        """Whether later arrays can be worked out from it."""
        return self.fits and bool(np.isfinite(self.array).all())

    @property
    def seen(self) -> Seen:
        return Seen(self.variable, self.array, self.precision)


@dataclass(frozen=True, slots=True)
class _Comparison:
    """An array beside the truth: how many entries are wrong, lost in rounding, plainly right."""

    wrong: int
    lost: int
    told: int

    @property
    def says_nothing(self) -> bool:
        """Whether every entry is too small beside its rounding to tell right from wrong."""
        return self.lost > 0 and self.told == 0


class _Check:
    """One run through all arrays, in the order of computation."""

    def __init__(self, file: File) -> None:
        self.work, self.file = file.truth.work, file
        self.wrong: dict[Quantity, str] = {}
        self.hinted = ""  # the array that shows a slip in one that was not given
        samples = self.work.graph.samples
        self.samples = 1 if samples is None else int(samples)
        self.takes_mean = file.convention.scale.takes_mean
        saved = self._in_order()
        self.own_losses = any(map(self._is_own_loss, saved))
        self.entries = [self._rescaled(entry) for entry in saved] if self.own_losses else saved
        self.own = self.work.numbers
        self.search = self._search(self.work.numbers, {})

    def report(self) -> ArraysReport:
        """Every verdict, and the one on the whole."""
        judged = tuple(self._judged(entry) for entry in self.entries)
        verdicts = {each.verdict for each in judged}
        bad = (v for v in (Verdict.REFUTED, Verdict.CONDITIONAL) if v in verdicts)
        unread = tuple(map(_of_unread, self.file.unread))
        return ArraysReport(next(bad, Verdict.PROVED), (*judged, *unread), tuple(self._notes()),
                            self.file.convention.text)  # fmt: skip

    # ------------------------------------------------------------------------- what is given

    def _in_order(self) -> list[_Entry]:
        """The forward pass, then from the loss back; precision once lost stays lost."""
        order = [Quantity(equation.variable) for equation in self.work.graph.equations]
        order += [Quantity(v, is_gradient=True) for v in self.work.backward.adjoints]
        places = {quantity: place for place, quantity in enumerate(order)}
        entries: list[_Entry] = []
        coarsest = DOUBLE
        for each in sorted(self.file.reads, key=lambda each: places[each.quantity]):
            coarsest = max(coarsest, each.given.precision, key=lambda known: known.unit)
            entries.append(_Entry(each.given, each.quantity, coarsest, each.array, each.fits,
                                  each.array, each.condition))  # fmt: skip
        return entries

    def _truth(self, quantity: Quantity) -> np.ndarray:
        """The right array, of 50-digit numbers."""
        table = self.work.gradients if quantity.is_gradient else self.work.numbers.forward
        return table[quantity.variable.name]

    def _bound(self, quantity: Quantity, precision: Precision) -> np.ndarray:
        return self.file.truth.bound(quantity, precision)

    def _search(self, numbers: Numbers, known: dict[Variable, np.ndarray]) -> Search:
        rate = self.work.learning_rate
        steps = Steps(numbers, self.work.backward, None if rate is None else float(rate))
        others = [e.seen for e in self.entries if e.quantity.is_gradient and e.is_usable]
        return Search(steps, self.work, known, [], others)

    # ---------------------------------------------------------------------------- judgement

    def _judged(self, entry: _Entry) -> ArrayReport:
        if not entry.fits:
            return self._misshapen(entry)
        if not entry.is_usable:
            worst = self._at(entry, tuple(np.argwhere(~np.isfinite(entry.array))[0]))
            reason = f"{worst.name} is {worst.value}: the arithmetic left the range of"
            return self._report(
                entry, Verdict.REFUTED, f"{reason} {entry.given.dtype}", worst=worst
            )
        comparison = self._compared(entry.array, entry)
        return (self._wrong if comparison.wrong else self._right)(entry, comparison)

    def _compared(self, array: np.ndarray, entry: _Entry) -> _Comparison:
        """Each entry within the bounds of rounding is right, or lost in rounding."""
        truth, bound = self._truth(entry.quantity), self._bound(entry.quantity, entry.precision)
        exact = np.vectorize(number, otypes=[object])(array) if array.size else array
        difference, size = doubles(abs(exact - truth)), abs(doubles(truth))
        tight = difference <= LAST_PLACES * entry.precision.unit * size
        right = tight | (difference <= bound)
        lost = right & ~tight & (bound >= size / 2)
        told = ~lost & (size > 0)
        return _Comparison(*(int(np.count_nonzero(each)) for each in (~right, lost, told)))

    def _right(self, entry: _Entry, comparison: _Comparison) -> ArrayReport:
        if comparison.says_nothing and (disguised := self._disguised(entry)):
            self._adopt(entry, [])
            return self._report(entry, Verdict.REFUTED, "", disguised, self._worst(entry))
        self._adopt(entry, [], right=True)
        name, lost = entry.precision.name, ""
        if comparison.lost:
            lost = f"; {comparison.lost} of {entry.array.size} are lost in rounding"
        reason = f"every entry agrees to {name}'s rounding{lost}{_reshaped(entry)}"
        verdict = Verdict.PROVED
        if comparison.says_nothing:
            verdict = Verdict.CONDITIONAL
            reason = (
                f"right as far as {name} can tell: every entry is lost in its rounding here, so "
                "take weights that saturate less to be sure"
            )
        if entry.condition:
            verdict = Verdict.CONDITIONAL
            reason = f"{entry.condition}; {reason}"
        if self._is_own_loss(entry):
            verdict = Verdict.CONDITIONAL
            reason = (
                f"right as the derivative of each sample's own loss, {self.samples} times "
                f"{entry.quantity.text}: the mean is left to dW and db; {reason}"
            )
        return self._report(entry, verdict, reason)

    def _wrong(self, entry: _Entry, comparison: _Comparison) -> ArrayReport:
        if self._follows(entry):
            self._adopt(entry, [])
            reason = f"not {entry.quantity.text}, but right given {self._culprits(entry)}"
            return self._report(entry, Verdict.FOLLOWS, reason, worst=self._worst(entry))
        if entry.precision is DOUBLE and self._is_single(entry):
            self._adopt(entry, [], right=True)
            reason = "right to the digits of float32 only; was it computed in float32?"
            return self._report(entry, Verdict.CONDITIONAL, reason)
        diagnosis = self._diagnosed(entry)
        if self._is_guarded(entry, diagnosis):
            reason = f"right but for an ε: {diagnosis[0].detail}"
            return self._report(entry, Verdict.CONDITIONAL, reason)
        reason = f"{comparison.wrong} of {entry.array.size} entries are wrong{_reshaped(entry)}"
        return self._report(entry, Verdict.REFUTED, reason, diagnosis, self._worst(entry))

    def _is_guarded(self, entry: _Entry, diagnosis: tuple[Diagnosis, ...]) -> bool:
        """Whether an ε that keeps a logarithm finite is all that is wrong, and changes little."""
        if not diagnosis or diagnosis[0].name != EPSILON.name:
            return False
        truth = doubles(self._truth(entry.quantity))
        far = float(np.max(abs(entry.array - truth)))
        return far <= LARGEST_GUARD * float(np.max(abs(truth)))

    def _report(
        self,
        entry: _Entry,
        verdict: Verdict,
        reason: str,
        diagnosis: tuple[Diagnosis, ...] = (),
        worst: WorstEntry | None = None,
    ) -> ArrayReport:
        given = entry.given
        if verdict in (Verdict.REFUTED, Verdict.FOLLOWS):
            self.wrong[entry.quantity] = given.name
        return ArrayReport(given.name, entry.quantity.text, given.array.shape, given.dtype, verdict,
                           reason, diagnosis, worst)  # fmt: skip

    def _misshapen(self, entry: _Entry) -> ArrayReport:
        """Refuted by its shape; a transpose or a sum left out may be what it is."""
        given, truth = entry.given, self._truth(entry.quantity)
        reason = f"its shape is {given.array.shape}; {entry.quantity.text} has {truth.shape}"
        diagnosis: tuple[Diagnosis, ...] = ()
        if entry.quantity.is_gradient and np.isfinite(given.array).all():
            diagnosis = self._diagnosed(entry)
        elif given.array.shape == truth.shape[::-1]:
            turned = doubles(truth).T
            sizes = abs(turned) + np.max(abs(turned))
            if matches(given.array, turned, sizes, entry.precision):
                told = LAYOUT.found(
                    "transpose", what=entry.quantity.text, words="one row is one sample"
                )
                diagnosis = self._in_words([told], entry)
        return self._report(entry, Verdict.REFUTED, reason, diagnosis)

    # ---------------------------------------------------------------- what follows, and what is

    def _follows(self, entry: _Entry) -> bool:
        if not self.wrong:
            return False
        if entry.quantity.is_gradient:
            formula = self.search.formula(entry.variable)
            sizes = self.search.sizes(entry.variable)
        else:
            formula = doubles(self.own.forward[entry.variable.name])
            sizes = np.maximum(abs(formula), np.max(abs(formula)))
        return matches(entry.array, formula, sizes, entry.precision)

    def _culprits(self, entry: _Entry) -> str:
        """The wrong arrays that this one is computed from, the nearest first."""
        edges = self.search.steps.leading_to(entry.variable, self.search.known)
        near = {child for child, _ in edges}
        found = [n for q, n in self.wrong.items() if q.is_gradient and q.variable in near]
        if not found and self.search.made:
            sites = dict.fromkeys(f"∂L/∂{named(slip.site)}" for slip in self.search.made)
            return f"the {' and the '.join(sites)} that {printable(self.hinted)} shows"
        found = found or [next(iter(self.wrong.values()))]
        return "your " + " and ".join(map(printable, found))

    def _adopt(self, entry: _Entry, made: list[Slip], *, right: bool = False) -> None:
        """Later arrays are worked out from this one, as it is."""
        self.search.made += made
        variable, truth = entry.variable, self._truth(entry.quantity)
        if not entry.fits:
            return
        array = doubles(truth) if right else entry.array
        if entry.quantity.is_gradient:
            if variable.role not in PARAMETERS:
                self.search.known[variable] = array
        elif self.wrong or not right:
            try:  # the student's own forward pass from here on, where it has values
                own = Numbers(self.work.graph, {**self.own.given, variable.name: array})
                self.search, self.own = self._search(own, self.search.known), own
            except (ArithmeticError, SymbackError):
                return  # such as the logarithm of a wrong, negative output

    def _diagnosed(self, entry: _Entry) -> tuple[Diagnosis, ...]:
        """The mistakes that the array shows; they are taken to have been made from here on."""
        if not entry.quantity.is_gradient:
            found = explain_forward(self.own, self.search.steps, self.work, entry.seen)
            self._adopt(entry, [])
            return self._in_words(found, entry)
        explanations = self.search.explain(entry.seen)
        hidden = explanations[0] if explanations else ()
        made = [slip for slip in hidden if slip.site != entry.variable]
        self.hinted = entry.given.name if made else self.hinted
        self._adopt(entry, made)
        first: dict[str, Diagnosis] = {}
        for slip in itertools.chain.from_iterable(explanations):
            right = self._formula("backward", slip.site) or self._correct(entry)
            name, text = slip.told.name, slip.told.text
            first.setdefault(name, Diagnosis(name, text, right))
        return tuple(first.values())

    def _in_words(self, told: Iterable[Told], entry: _Entry) -> tuple[Diagnosis, ...]:
        return tuple(Diagnosis(each.name, each.text, self._correct(entry)) for each in told)

    def _disguised(self, entry: _Entry) -> tuple[Diagnosis, ...]:
        """Whether an array of entries all lost in rounding is nevertheless exactly the negative.

        Rounding itself drops terms and halves sums there, but it does not turn signs.
        """
        truth = doubles(self._truth(entry.quantity))
        allowed = LAST_PLACES * entry.precision.unit * abs(truth)
        opposite = bool((abs(entry.array + truth) <= allowed).all())
        if not opposite or np.count_nonzero(entry.array) < 2:
            return ()
        return self._in_words([SIGN.found(what=entry.quantity.text)], entry)

    def _is_single(self, entry: _Entry) -> bool:
        """Whether an array of doubles has the digits of float32, and holds numbers of float32."""
        with np.errstate(over="ignore"):
            if not (entry.given.array == entry.given.array.astype(np.float32)).all():
                return False
        truth = doubles(self._truth(entry.quantity))
        loose = np.minimum(self._bound(entry.quantity, SINGLE), abs(truth) / 1000)
        allowed = np.maximum(4 * LAST_PLACES * SINGLE.unit * abs(truth), loose)
        return bool((abs(entry.array - truth) <= allowed).all())

    # --------------------------------------------------------------- the samples' own losses

    def _is_own_loss(self, entry: _Entry) -> bool:
        """Whether an array is right as the derivative of each sample's own loss."""
        if not self._per_sample(entry) or not entry.fits or not np.isfinite(entry.raw).all():
            return False
        shares = entry.raw / self.samples, entry.raw
        own, mean = (self._compared(each, entry) for each in shares)
        return not own.wrong and not own.says_nothing and mean.wrong > 0

    def _per_sample(self, entry: _Entry) -> bool:
        return self.takes_mean and entry.quantity.is_gradient and bool(entry.variable.batched)

    def _rescaled(self, entry: _Entry) -> _Entry:
        """An array of the samples' own losses as a share of the mean, unless it is one already."""
        if not (self._per_sample(entry) and entry.is_usable):
            return entry
        right = not self._compared(entry.array, entry).wrong
        return entry if right else replace(entry, array=entry.array / self.samples)

    # ------------------------------------------------------------------------------- words

    def _worst(self, entry: _Entry) -> WorstEntry:
        difference = abs(entry.array - doubles(self._truth(entry.quantity)))
        return self._at(entry, np.unravel_index(int(np.argmax(difference)), difference.shape))

    def _at(self, entry: _Entry, at: tuple[Any, ...]) -> WorstEntry:
        variable = entry.variable
        numbers = [int(k) + 1 for k in at]
        name = element_name(variable, numbers[variable.batched :])
        name = f"∂L/∂{name}" if entry.quantity.is_gradient else name
        name += f" of sample {numbers[0]}" if variable.batched else ""
        return WorstEntry(name, float(entry.array[at]), float(self._truth(entry.quantity)[at]))

    def _correct(self, entry: _Entry) -> str:
        phase = "backward" if entry.quantity.is_gradient else "forward"
        return self._formula(phase, entry.variable)

    def _formula(self, phase: str, variable: Variable) -> str:
        """A step in matrix form, where the network has one."""
        return self._matrix_steps.get((phase, variable.name), "")

    @cached_property
    def _matrix_steps(self) -> dict[tuple[str, str], str]:
        try:
            steps = self.work.matrices.steps_as_data()
        except SymbackError:
            return {}
        return {(step["phase"], step["variable"]): step["text"] for step in steps}

    def _notes(self) -> Iterator[str]:
        """What holds of all arrays; where a slope is a matter of convention, and was."""
        scale = self.file.convention.scale
        if scale.words:
            yield f"all your gradients are {scale.words}; they are right as that"
        if self.file.convention.is_downhill:
            yield (
                "all your derivatives have the opposite sign: they are steps of descent, to be "
                "added to the weights"
            )
        if not any(each.quantity.is_gradient for each in self.file.reads):
            yield "only the forward pass was judged: no array is read as a derivative of the loss"
        if self.file.unread:
            names = ", ".join(printable(each.given.name) for each in self.file.unread)
            yield f"not judged: {names}; --rename OLD=NEW says what an array is"
        if self.own_losses:
            yield (
                "arrays with a row a sample are read as derivatives of each sample's own loss, "
                f"{self.samples} times those of the mean"
            )
        conventions = " ".join(self.work.graph.conventions)
        for equation in self.work.graph.equations if conventions else ():
            variable = equation.variable
            zero = np.argwhere(self.work.numbers.forward[variable.name] == number(0))
            if variable.role is Role.PREACTIVATION and len(zero):
                name = element_name(variable, [int(k) + 1 for k in zero[0][variable.batched :]])
                yield f"{name} is exactly 0. {conventions}"


def _reshaped(entry: _Entry) -> str:
    """How a shape was read, where it was not the quantity's own."""
    if entry.given.array.shape == entry.array.shape:
        return ""
    return f"; its shape {entry.given.array.shape} is read as {entry.array.shape}"


def _of_unread(each: Unread) -> ArrayReport:
    """An array that was not judged."""
    given = each.given
    return ArrayReport(given.name, "", given.array.shape, given.dtype, Verdict.UNREAD, each.reason)
