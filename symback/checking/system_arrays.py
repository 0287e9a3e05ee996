"""Arrays of somebody's backward pass through a system, compared with what symback derives.

Here one can

* check arrays by name, with the numbers they were computed from beside them or in the network's
  [values]: `check_system_arrays`, which gives the `ArraysReport` of dense networks;
* ask which mistake of the table explains wrong numbers: `Explanation`, `explained`; the checker of
  programs asks it too (`symback.checking.system_programs`).

The truth is every definition of the system evaluated in doubles with a bound on its rounding error
(`symback.checking.system_values`).  An entry is right within a small multiple of that bound and
wrong beyond a large one; between the two nothing is said.  A wrong array is computed again from the
author's own other arrays; where that gives what he has, it follows and is not blamed.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from symback.checking.array_inputs import ArrayError, ArrayNameError, Given, all_given
from symback.checking.array_report import ArrayReport, ArraysReport, WorstEntry
from symback.checking.mistakes import Told
from symback.checking.report import Diagnosis, Verdict
from symback.checking.system_mistakes import Slip, slips
from symback.checking.system_names import Meant, meant
from symback.checking.system_numbers import DOUBLES, EPS, Rounded
from symback.checking.system_values import OutsideArray, Point, Stored, defined, evaluated
from symback.engine.arithmetics import Undefined
from symback.equations.adjoints import Backward
from symback.equations.system import Definition, Kind, Quantity, System, adjoint_name
from symback.equations.terms import Term, reads
from symback.language.errors import did_you_mean, printable

RIGHT, WRONG = 64, 4096
"""An entry within so many of its rounding bounds is right, one beyond the other is wrong."""

SECONDS = 2.0
"""How long mistakes are looked for."""


# ------------------------------------------------------------------------------------ comparing


@dataclass(frozen=True, slots=True)
class Compared:
    """An array beside the truth: entries that are wrong, and those that rounding may explain."""

    wrong: np.ndarray
    unclear: np.ndarray

    @property
    def verdict(self) -> Verdict:
        """Refuted where an entry is wrong, undecided where one is unclear, else proved."""
        if self.wrong.any():
            return Verdict.REFUTED
        return Verdict.UNDECIDED if self.unclear.any() else Verdict.PROVED


def compared(value: np.ndarray, truth: Rounded, unit: float = EPS) -> Compared:
    """``value`` beside ``truth``, of the same shape; ``unit`` is the rounding of its precision."""
    finite, known = np.isfinite(value), np.isfinite(truth.value) & np.isfinite(truth.error)
    right = np.where(known, truth.value, 0)
    apart = np.where(finite, abs(np.where(finite, value, 0) - right), np.inf)
    largest = float(abs(right).max(initial=0.0))
    bound = np.where(known, truth.error, 0) * unit + 4 * unit * abs(right) + unit * unit * largest
    wrong = known & (apart > WRONG * bound)  # beside what has no value, nothing is right or wrong
    return Compared(wrong, ~known | ((apart > RIGHT * bound) & ~wrong))


def agrees(value: np.ndarray, truth: Rounded, unit: float = EPS) -> bool:
    """Whether every entry is right."""
    if value.shape != truth.shape:
        return False
    found = compared(value, truth, unit)
    return not (found.wrong.any() or found.unclear.any())


# ------------------------------------------------------------------------------------ explaining


@dataclass(frozen=True, slots=True)
class Explanation:
    """A mistake that gives the numbers found, and the array in whose adjoint it was made."""

    told: Told
    made_in: str
    slip: Slip


def explained(
    both: System,
    point: Point,
    forward: Mapping[str, Stored],
    wanted: Mapping[str, np.ndarray],
    units: Mapping[str, float] | None = None,
    *,
    seconds: float = SECONDS,
) -> dict[str, Explanation]:
    """For adjoints by array, as somebody computed them, the mistake of the table that gives them.

    ``forward`` is everything but the adjoints.  A mistake that explains several arrays at once
    comes before one that explains one; made in the array itself before made further from it.
    """
    units = units or {}
    wanted = {name: value for name, value in wanted.items() if np.any(value)}  # 0 has no one cause
    stop = time.process_time() + seconds
    truth = evaluated(both, point, known=forward)
    found: dict[str, Explanation] = {}
    shares: dict[str, int] = {}
    for definition in _ranked(both, point, truth, wanted):
        own = definition.name.removeprefix("∇")
        for slip in slips(definition, both):
            if time.process_time() > stop:
                return found
            numbers = changed_at(both, point, truth, definition, slip.term)
            if numbers is None:
                continue
            hit = [
                name
                for name, value in wanted.items()
                if _is(value, numbers, truth, both, name, point, units.get(name, EPS))
            ]
            for name in hit:
                if len(hit) > shares.get(name, 0):
                    shares[name] = len(hit)
                    found[name] = Explanation(slip.told, own, slip)
            if len(hit) == len(wanted):
                return found
        if len(found) == len(wanted) and all(n == len(wanted) for n in shares.values()):
            return found
    return found


def _ranked(
    both: System,
    point: Point,
    truth: Mapping[str, Stored],
    wanted: Mapping[str, np.ndarray],
) -> list[Definition]:
    """The suspects: first those that do not follow from other wrong ones, then by what they reach.

    One mistake reaches everything that is wrong; among equals the nearest comes first.
    """
    culprits = {name for name in wanted if _follows(both, point, truth, wanted, name) is False}
    keys = {adjoint_name(name) for name in wanted}
    found = list(suspects(both, wanted))
    reached = {each.name: len(_later(both, each.name) & keys) for each in found}
    return sorted(
        found,
        key=lambda each: (each.name.removeprefix("∇") not in culprits, -reached[each.name]),
    )


def explains(
    explanation: Explanation,
    both: System,
    point: Point,
    truth: Mapping[str, Stored],
    name: str,
    value: np.ndarray,
    unit: float = EPS,
) -> bool:
    """Whether a mistake found at one point gives a value at another as well."""
    slip = explanation.slip
    numbers = changed_at(both, point, truth, slip.definition, slip.term)
    return numbers is not None and agrees(value, gradient(numbers, both, name, point), unit)


def _follows(
    both: System,
    point: Point,
    truth: Mapping[str, Stored],
    wanted: Mapping[str, np.ndarray],
    name: str,
) -> bool | None:
    """Whether a wrong adjoint is what its definition gives from the other wrong ones.

    None where it reads none of them.
    """
    known, used = dict(truth), False
    main = [each for each in both.defining.get(adjoint_name(name), ()) if not each.is_base]
    for definition in main:
        for other, value in wanted.items():
            key = adjoint_name(other)
            if other != name and any(r.read.array == key for r in reads(definition.term)):
                known[key] = with_numbers(truth[key], value)
                used = True
        if not used:
            return None
        try:
            again = defined(definition, definition.term, both, point, DOUBLES, known)
        except (OutsideArray, Undefined):
            return False
        shape = point.shape(both.by_name[name])
        if wanted[name].shape == shape and agrees(wanted[name], again.main(shape, DOUBLES), 2**-44):
            return True
    return False


def with_numbers(truth: Stored, value: np.ndarray, unit: float = EPS) -> Stored:
    """Somebody's numbers in place of an array's, base cases left as they are."""
    values = Rounded(truth.values.value.copy(), truth.values.error.copy())
    cut = tuple(slice(1 - f, 1 - f + n) for f, n in zip(truth.first, value.shape, strict=True))
    if values.value[cut].shape != value.shape:
        return truth
    values.value[cut] = value
    values.error[cut] = np.maximum(values.error[cut], abs(value) * unit / EPS)
    return replace(truth, values=values)


def suspects(both: System, wanted: Iterable[str]) -> Iterator[Definition]:
    """The definitions that the wrong adjoints depend on, the nearest first."""
    frontier = [adjoint_name(name) for name in wanted]
    seen: set[str] = set()
    while frontier:
        following: list[str] = []
        for name in frontier:
            if name in seen or name not in both.defining:
                continue
            seen.add(name)
            for definition in sorted(both.defining[name], key=lambda each: each.is_base):
                yield definition
                following += [
                    each.read.array
                    for each in reads(definition.term)
                    if each.read.array.startswith("∇")
                ]
        frontier = following


def changed_at(
    both: System,
    point: Point,
    truth: Mapping[str, Stored],
    definition: Definition,
    term: Term,
) -> dict[str, Stored] | None:
    """All arrays where one definition has another right side; None where it has no value."""
    try:
        later = _later(both, definition.name)
        known = {name: each for name, each in truth.items() if name not in later}
        return evaluated(both, point, known=known, changed={definition: term})
    except (OutsideArray, Undefined, TypeError, ValueError, IndexError):
        return None


def _later(both: System, name: str) -> set[str]:
    """An array and all that is computed from it."""
    found, grew = {name}, True
    while grew:
        more = {
            each.name
            for each in both.definitions
            if each.name not in found and any(r.read.array in found for r in reads(each.term))
        }
        found |= more
        grew = bool(more)
    return found


def _is(
    value: np.ndarray,
    numbers: Mapping[str, Stored],
    truth: Mapping[str, Stored],
    both: System,
    name: str,
    point: Point,
    unit: float,
) -> bool:
    """Whether a mistake gives a value, and another than the truth."""
    key = adjoint_name(name)
    if key not in numbers:
        return False
    made, right = (gradient(each, both, name, point) for each in (numbers, truth))
    return agrees(value, made, unit) and not agrees(value, right, unit)


def gradient(found: Mapping[str, Stored], both: System, name: str, point: Point) -> Rounded:
    """∂L/∂name in the shape of the array."""
    return found[adjoint_name(name)].main(point.shape(both.by_name[name]), DOUBLES)


def array_of(found: Mapping[str, Stored], system: System, name: str, point: Point) -> Rounded:
    """An array in its own shape."""
    return found[name].main(point.shape(system.by_name[name]), DOUBLES)


# ---------------------------------------------------------------------------------- the numbers


@dataclass(frozen=True, slots=True)
class Laid:
    """How the file holds its arrays: matrices turned, indices counted from 0."""

    turned: bool = False
    from_zero: bool = False


def _point(system: System, values: Mapping[str, Given], laid: Laid) -> Point:
    """The numbers of a file, and where it has none the network's [values]."""
    arrays: dict[str, np.ndarray] = {}
    for each in system.quantities:
        if each.kind in (Kind.COMPUTED, Kind.ADJOINT):
            continue
        if each.name in values:
            array = np.squeeze(values[each.name].array) if (
                values[each.name].array.ndim > len(each.shape)
            ) else values[each.name].array  # fmt: skip
            turned = laid.turned and each.kind is Kind.PARAMETER and array.ndim == 2
            arrays[each.name] = array.T if turned else array
        elif each.name in system.values:
            arrays[each.name] = np.array(_doubles(system.values[each.name]), dtype=float)
    sizes = _sizes(system, arrays)
    needed = [
        each.name
        for each in system.quantities
        if each.kind not in (Kind.COMPUTED, Kind.ADJOINT) and each.name not in arrays
    ]
    if needed:
        raise ArrayError(
            f"there are no numbers for {', '.join(needed)}: save them in the file beside the "
            "gradients, or give them under [values] in the network's file"
        )
    given, data = {}, {}
    for each in system.quantities:
        if each.name not in arrays:
            continue
        array, shape = arrays[each.name], tuple(s.value(sizes) for s in each.shape)
        if array.shape != shape:
            if array.size == 1 and not shape:
                array = array.reshape(())
            else:
                raise ArrayError(
                    f"{each.name} has shape {array.shape}; expected {shape}, "
                    f"[{', '.join(map(str, each.shape))}]"
                )
        if each.kind is Kind.DATA:
            data[each.name] = _indices(each, array, sizes, from_zero=laid.from_zero)
        else:
            given[each.name] = array
    return Point(sizes, given, data)


def _doubles(value: Any) -> Any:
    return [_doubles(each) for each in value] if isinstance(value, (tuple, list)) else float(value)


def _indices(
    quantity: Quantity, array: np.ndarray, sizes: Mapping[str, int], *, from_zero: bool
) -> np.ndarray:
    whole = np.round(array).astype(int) + from_zero
    below = quantity.below.value(sizes) if quantity.below is not None else int(whole.max())
    if (whole != array + from_zero).any() or whole.min() < 1 or whole.max() > below:
        raise ArrayError(f"{quantity.name} must hold whole numbers from 1 to {below}")
    return whole


def _sizes(system: System, arrays: Mapping[str, np.ndarray]) -> dict[str, int]:
    """The numbers of all sizes: those of the file, else those that the arrays show."""
    sizes = {name: value for name, value in system.sizes.items() if value is not None}
    for each in system.quantities:
        if each.name in arrays and arrays[each.name].ndim == len(each.shape):
            for size, length in zip(each.shape, arrays[each.name].shape, strict=True):
                if size.bare is not None and size.bare in system.sizes:
                    sizes.setdefault(size.bare, length)
    unknown = [name for name in system.sizes if name not in sizes]
    if unknown:
        raise ArrayError(
            f"the size {unknown[0]} has no number: give it under [sizes], or save an array that "
            "shows it"
        )
    return sizes


# ------------------------------------------------------------------------------------ the check


def check_system_arrays(
    mapping: Mapping[str, Any],
    backward: Backward,
    *,
    rename: Mapping[str, str] | None = None,
    strict: bool = False,
) -> ArraysReport:
    """Compare arrays by name with the system's own: dW, grad_U, dL_dh, and values such as W, x, h.

    ``rename`` maps a name of the file to an array's, or to its derivative as ``dU``; with
    ``strict`` transposed files and another scale of all gradients are wrong.  Raises `ArrayError`
    and `ArrayNameError` where numbers are missing, of another shape, or nothing can be judged.
    """
    given = all_given(mapping)
    called = dict(rename or {})
    strange = next((name for name in called if name not in given), None)
    if strange is not None:
        raise ArrayNameError(
            f"there is no array {printable(strange)} to rename{did_you_mean(strange, given)}"
        )
    system = backward.forward
    meanings = {name: meant(called.get(name, name), system, layered=True) for name in given}
    for name, new in called.items():
        if meanings[name] is None:
            raise ArrayNameError(
                f"{printable(new)} is no array of the network{did_you_mean(new, system.by_name)}"
            )
    values = {
        m.array: given[name]
        for name, m in meanings.items()
        if m is not None
        and not m.is_gradient
        and system.by_name[m.array].kind not in (Kind.COMPUTED, Kind.ADJOINT)
    }
    best: _Check | None = None
    errors: list[ArrayError] = []
    for laid in _layouts(system, values, meanings, strict=strict):
        try:
            check = _Check(backward, given, meanings, _point(system, values, laid), laid)
        except ArrayError as error:
            errors.append(error)
            continue
        if best is None or check.weight > best.weight:
            best = check
    if best is None:
        raise errors[0]
    return best.report(strict=strict)


def _layouts(
    system: System,
    values: Mapping[str, Given],
    meanings: Mapping[str, Meant | None],
    *,
    strict: bool,
) -> Iterator[Laid]:
    """The ways in which the file may hold its arrays, the network's own first."""
    has_data = any(each.kind is Kind.DATA and each.name in values for each in system.quantities)
    has_matrix = any(
        m is not None and len(system.by_name[m.array].shape) == 2
        and system.by_name[m.array].kind is Kind.PARAMETER
        for m in meanings.values()
    )  # fmt: skip
    for from_zero in (False, True) if has_data else (False,):
        yield Laid(False, from_zero)
        if has_matrix and not strict:
            yield Laid(True, from_zero)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One array of the file that is judged: what it is, its numbers, the truth, its precision."""

    given: Given
    meant: Meant
    value: np.ndarray
    truth: Rounded
    unit: float

    @property
    def fits(self) -> bool:
        return self.value.shape == self.truth.shape

    @property
    def is_right(self) -> bool:
        return self.fits and agrees(self.value, self.truth, self.unit)


class _Check:
    """One reading of a file: all that is derived at its numbers, beside its arrays."""

    def __init__(
        self,
        backward: Backward,
        given: Mapping[str, Given],
        meanings: Mapping[str, Meant | None],
        point: Point,
        laid: Laid,
    ) -> None:
        self.backward, self.system, self.both = backward, backward.forward, backward.system
        self.given, self.meanings, self.point, self.laid = given, meanings, point, laid
        try:
            self.forward = evaluated(self.system, point)
            self.found = evaluated(self.both, point, known=self.forward)
        except OutsideArray as error:
            raise ArrayError(error.message) from None
        self.entries = list(self._entries())

    def _entries(self) -> Iterator[_Entry]:
        for name, meaning in self.meanings.items():
            if meaning is None:
                continue
            quantity = self.system.by_name[meaning.array]
            if meaning.is_gradient:
                if meaning.array not in self.backward.adjoints:
                    continue
                truth = gradient(self.found, self.both, meaning.array, self.point)
            elif quantity.kind is Kind.COMPUTED:
                truth = array_of(self.found, self.system, meaning.array, self.point)
            else:
                continue
            one = self.given[name]
            value = self._laid(one.array, quantity, truth.shape)
            yield _Entry(one, meaning, value, truth, one.precision.unit)

    def _laid(self, array: np.ndarray, quantity: Quantity, shape: tuple[int, ...]) -> np.ndarray:
        if self.laid.turned and quantity.kind is Kind.PARAMETER and array.ndim == 2:
            array = array.T
        if array.shape != shape and array.size == int(np.prod(shape)):
            plain = tuple(n for n in array.shape if n != 1)
            if plain == tuple(n for n in shape if n != 1):
                return array.reshape(shape)
        return array

    @property
    def weight(self) -> tuple[int, int, int]:
        """How much of the file is right, or at least fits, when it is read so."""
        right = sum(each.is_right for each in self.entries)
        return right, sum(each.fits for each in self.entries), not self.laid.turned

    # ------------------------------------------------------------------------------- verdicts

    def report(self, *, strict: bool) -> ArraysReport:
        """The verdict on every array, in the order of computation."""
        if not self.entries:
            names = ", ".join(printable(name) for name in self.given)
            raise ArrayError(
                f"none of the arrays ({names}) is a derivative or a computed array of the network; "
                "a derivative is called dW, or --rename OLD=dW says so"
            )
        scale = None if strict else self._scale()
        order = {each.name: k for k, each in enumerate(self.both.definitions)}
        entries = sorted(
            self.entries,
            key=lambda e: order.get(
                adjoint_name(e.meant.array) if e.meant.is_gradient else e.meant.array, 0
            ),
        )
        wrong = {e.meant.array: e for e in entries if e.meant.is_gradient and not e.is_right}
        causes = {} if scale else self._causes(wrong)
        reports = [self._judged(each, scale, causes) for each in entries]
        done = {each.given.name for each in entries}
        reports += [r for n in self.given if n not in done for r in self._unjudged(n)]
        verdicts = {each.verdict for each in reports}
        order_of = (Verdict.REFUTED, Verdict.FOLLOWS, Verdict.UNDECIDED, Verdict.CONDITIONAL)
        overall = next((v for v in order_of if v in verdicts), Verdict.PROVED)
        said = []
        if self.laid.turned:
            said.append("matrices of parameters are held transposed")
        if self.laid.from_zero:
            said.append("indices are counted from 0")
        convention = f"read so: {'; '.join(said)}" if said else ""
        return ArraysReport(overall, tuple(reports), (), convention)

    def _scale(self) -> tuple[Fraction, str] | None:
        """The number that all gradients of the file, two or more, are times the right ones."""
        gradients = [each for each in self.entries if each.meant.is_gradient]
        if len(gradients) < 2 or all(each.is_right for each in gradients):
            return None
        for factor, words in self._factors():
            if all(
                each.fits and agrees(each.value, _times(each.truth, factor), each.unit)
                for each in gradients
            ):
                return factor, words
        return None

    def _factors(self) -> Iterator[tuple[Fraction, str]]:
        yield Fraction(1, 2), "½"
        yield Fraction(2), "2"
        for name, size in self.point.sizes.items():
            if size > 1:
                yield Fraction(1, size), f"1/{name}"
                yield Fraction(size), name

    def _judged(
        self,
        entry: _Entry,
        scale: tuple[Fraction, str] | None,
        causes: Mapping[str, Explanation | None],
    ) -> ArrayReport:
        name, array = entry.given.name, entry.meant.array
        read_as = f"∂L/∂{array}" if entry.meant.is_gradient else array
        shape, dtype = entry.given.array.shape, entry.given.dtype

        def said(verdict: Verdict, reason: str = "", *found: Diagnosis) -> ArrayReport:
            worst = _worst(entry, read_as) if verdict is Verdict.REFUTED else None
            return ArrayReport(name, read_as, shape, dtype, verdict, reason, tuple(found), worst)

        if not entry.fits:
            return said(*self._misshapen(entry, read_as))
        found = compared(entry.value, entry.truth, entry.unit).verdict
        if found is Verdict.UNDECIDED:
            if not np.isfinite(entry.truth.value).all():
                return said(
                    found, f"{read_as} has no value at these numbers, or one beyond doubles"
                )
            return said(found, "too close to the truth for rounding to be ruled out")
        if found is Verdict.PROVED:
            return said(found)
        if scale is not None and entry.meant.is_gradient:
            name = "average-for-sum" if scale[1].startswith("1/") else "constant-factor"
            return said(
                Verdict.CONDITIONAL,
                f"right if the loss is {scale[1]} times that of the network",
                Diagnosis(name, f"all gradients are {scale[1]} times those of the network's loss"),
            )
        if self._follows(entry):
            return said(Verdict.FOLLOWS, "follows from another array that is wrong")
        cause = causes.get(array) if entry.meant.is_gradient else None
        plain = self._plain(entry)
        if plain is not None:
            return said(Verdict.REFUTED, "", plain)
        if cause is None:
            return said(Verdict.REFUTED, "")
        where = "" if cause.made_in == array else f"in ∂L/∂{cause.made_in}, "
        return said(Verdict.REFUTED, "", Diagnosis(cause.told.name, where + cause.told.text))

    def _plain(self, entry: _Entry) -> Diagnosis | None:
        """A sign, a number or a transposition that can be read off the array itself."""
        what = f"∂L/∂{entry.meant.array}" if entry.meant.is_gradient else entry.meant.array
        if agrees(entry.value, _times(entry.truth, Fraction(-1)), entry.unit):
            return Diagnosis("sign-flipped", "the sign is wrong")
        if entry.value.ndim == 2 and agrees(entry.value.T, entry.truth, entry.unit):
            return Diagnosis("matrix-layout", f"this is the transpose of {what}")
        for factor, words in self._factors():
            for sign in (1, -1):
                if agrees(entry.value, _times(entry.truth, sign * factor), entry.unit):
                    name = "average-for-sum" if words.startswith("1/") else "constant-factor"
                    mark = "-" if sign < 0 else ""
                    return Diagnosis(name, f"{what} is {mark}{words} times what it should be")
        return None

    def _misshapen(self, entry: _Entry, read_as: str) -> Any:
        """The verdict on an array of another shape: what sums to the truth is not summed."""
        value, truth = entry.value, entry.truth
        extra = value.ndim - truth.value.ndim
        if extra > 0:
            for axes in itertools.combinations(range(value.ndim), extra):
                if agrees(value.sum(axis=axes), truth, entry.unit):
                    detail = f"{read_as} sums over {extra} more ax{'is' if extra == 1 else 'es'}; "
                    return (Verdict.REFUTED, "", Diagnosis(
                        "unsummed-samples", detail + "here the sum is missing"))  # fmt: skip
        if value.ndim == 2 and agrees(value.T, truth, entry.unit):
            has_own = any(
                m is not None and not m.is_gradient and m.array == entry.meant.array
                for m in self.meanings.values()
            )
            if has_own:
                found = Diagnosis("matrix-layout", f"this is the transpose of {read_as}")
                return Verdict.REFUTED, "", found
            return Verdict.CONDITIONAL, "right, transposed"
        wanted = ", ".join(map(str, self.system.by_name[entry.meant.array].shape))
        return (
            Verdict.UNDECIDED,
            f"of shape {value.shape}; {read_as} is of shape {truth.shape}, [{wanted}]",
        )

    def _follows(self, entry: _Entry) -> bool:
        """Whether the array is right given the author's own other arrays, wrong ones among them."""
        key = adjoint_name(entry.meant.array) if entry.meant.is_gradient else entry.meant.array
        own = {
            adjoint_name(e.meant.array) if e.meant.is_gradient else e.meant.array: e
            for e in self.entries
            if e is not entry and e.fits and not e.is_right and np.isfinite(e.value).all()
        }
        if not own:
            return False
        main = [e for e in self.both.defining.get(key, ()) if not e.is_base]
        for definition in main:
            known = dict(self.found)
            used = False
            for name, other in own.items():
                if any(r.read.array == name for r in reads(definition.term)):
                    known[name] = with_numbers(known[name], other.value, other.unit)
                    used = True
            if not used:
                return False
            try:
                again = defined(definition, definition.term, self.both, self.point, DOUBLES, known)
            except (OutsideArray, Undefined):
                return False
            shape = self.point.shape(self.both.by_name[entry.meant.array])
            if agrees(entry.value, again.main(shape, DOUBLES), entry.unit):
                return True
        return False

    def _causes(self, wrong: Mapping[str, _Entry]) -> dict[str, Explanation | None]:
        fitting = {name: e for name, e in wrong.items() if e.fits}
        if not fitting:
            return {}
        return dict(
            explained(
                self.both, self.point, self.forward,
                {name: e.value for name, e in fitting.items()},
                {name: e.unit for name, e in fitting.items()},
            )
        )  # fmt: skip

    def _unjudged(self, name: str) -> Iterator[ArrayReport]:
        one, meaning = self.given[name], self.meanings[name]
        read_as, reason = "", "not an array of the network; --rename OLD=NEW says what it is"
        if meaning is not None:
            if not meaning.is_gradient:
                return  # the rest is computed from it
            read_as, reason = f"∂L/∂{meaning.array}", f"{meaning.array} does not lead to the loss"
        yield ArrayReport(name, read_as, one.array.shape, one.dtype, Verdict.UNREAD, reason)


def _times(truth: Rounded, factor: Fraction) -> Rounded:
    return Rounded(float(factor) * truth.value, abs(float(factor)) * truth.error)


def _worst(entry: _Entry, read_as: str) -> WorstEntry | None:
    if not entry.fits or not entry.value.size:
        return None
    finite, known = np.isfinite(entry.value), np.isfinite(entry.truth.value)
    right = np.where(known, entry.truth.value, 0)
    apart = np.where(finite, abs(np.where(finite, entry.value, 0) - right), np.inf)
    apart = np.where(known, apart, -1)  # where there is no value, none is the worst
    at = np.unravel_index(int(np.argmax(apart)), apart.shape) if apart.ndim else ()
    inside = ",".join(str(k + 1) for k in at)
    name = f"{read_as}[{inside}]" if inside else read_as
    return WorstEntry(name, float(entry.value[at]), float(entry.truth.value[at]))
