"""Somebody's backward pass in NumPy as a page: each gradient judged by its value, and why.

Here one can

* judge a program against a system: `check_program`, which gives the `Report` of a page, one line a
  gradient that it assigns.

The program is gone through at random numbers (`symback.checking.system_code`), at the file's sizes.
What it does not compute is supplied by name: inputs, parameters, what the forward pass has
computed, the derivative that arrives (``dout``).  How it lays its arrays out (vectors as columns,
matrices transposed, steps from 0) is chosen once for the page.
A gradient is right where it equals the network's at every point, wrong where it is certainly
different and everything that it uses is understood; else the report says what was not.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from symback.checking.report import BY_VALUES, Diagnosis, LineReport, Report, Verdict, Witness
from symback.checking.system_arrays import (
    Explanation,
    agrees,
    array_of,
    compared,
    explained,
    explains,
    gradient,
    with_numbers,
)
from symback.checking.system_code import Event, Lost, Spent, Walk
from symback.checking.system_names import Meant, meant
from symback.checking.system_numbers import DOUBLES, Rounded
from symback.checking.system_values import (
    OutsideArray,
    Point,
    Stored,
    defined,
    drawn,
    evaluated,
)
from symback.engine.arithmetics import Undefined
from symback.equations.adjoints import Backward
from symback.equations.indices import holds
from symback.equations.system import Definition, Kind, Quantity, System, adjoint_name
from symback.equations.terms import Given, Read, reads

POINTS = 2
SEEDS = (11, 24, 37, 52, 63, 72, 83, 96, 101, 118)
"""Points to draw; more than are used, since not every one lies in the domain of every function."""

LOOSE = 2.0**-44
"""The unit of rounding that a program is allowed: it may compute in another order than symback."""


@dataclass(frozen=True, slots=True)
class Laid:
    """How a program holds its arrays, where that differs from the network's equations."""

    columns: bool = False
    turned: bool = False
    data_turned: bool = False
    first_is_base: bool = False

    def words(self) -> list[str]:
        """What is said of it on the report."""
        return [
            words
            for holds, words in (
                (self.columns, "vectors are columns"),
                (self.turned, "matrices of parameters are transposed"),
                (self.data_turned, "inputs are transposed"),
                (self.first_is_base, "arrays over the steps begin with the initial state"),
            )
            if holds
        ]


class Truth:
    """The network at one point: its arrays and their derivatives, and how a program holds them."""

    def __init__(self, backward: Backward, point: Point) -> None:
        self.backward, self.point = backward, point
        self.system, self.both = backward.forward, backward.system
        self.forward = evaluated(self.system, point)
        self.found = evaluated(self.both, point, known=self.forward)

    @cached_property
    def stepping(self) -> frozenset[str]:
        """Arrays whose first index runs over the steps of a recurrence."""
        own = {
            name
            for group in self.both.groups
            for name, axis in group.axes.items()
            if axis == 0 and not name.startswith("∇")
        }
        steps = {self.system.by_name[name].shape[0] for name in own}
        return frozenset(
            each.name for each in self.system.quantities if each.shape and each.shape[0] in steps
            and each.kind is not Kind.PARAMETER
        )  # fmt: skip

    def values(self, name: str) -> np.ndarray:
        """An array of the network."""
        if name in self.point.data:
            return self.point.data[name]
        return array_of(self.found, self.system, name, self.point).value

    def gradient(self, name: str) -> Rounded:
        """∂L/∂ an array."""
        if name == self.system.target:
            return Rounded(np.ones(()), np.zeros(()))
        return gradient(self.found, self.both, name, self.point)

    def laid(self, name: str, array: np.ndarray, laid: Laid) -> np.ndarray:
        """``array``, of the shape of the network's ``name``, as the program holds it."""
        kind = self.system.by_name[name].kind
        if kind is Kind.DATA:
            return array - 1
        if kind is Kind.PARAMETER and laid.turned and array.ndim == 2:
            array = array.T
        if kind is not Kind.PARAMETER and laid.data_turned and array.ndim == 2:
            array = array.T
        is_vector = array.ndim == 1 or (array.ndim == 2 and name in self.stepping)
        if laid.columns and is_vector and not (array.ndim == 1 and name in self.stepping):
            array = array[..., None]
        return np.array(array)

    def supplied(self, name: str, laid: Laid) -> Any:
        """What a program's own name holds that it does not compute; raises `KeyError`."""
        found = _meaning(name, self.system)
        if found is None:
            size = self.point.sizes.get(name)
            if size is None:
                raise KeyError(name)
            return size
        if found.is_gradient:
            return self.laid(found.array, self.gradient(found.array).value, laid)
        if found.array in self.found or found.array in self.point.data:
            array = self.laid(found.array, self.values(found.array), laid)
            base = self._base(found.array, laid)
            return array if base is None else _with_base(array, base, laid)
        raise KeyError(name)

    def _base(self, name: str, laid: Laid) -> np.ndarray | None:
        """The initial state of an array over the steps, as the program holds it."""
        if name not in self.stepping or name not in self.system.defining:
            return None
        stored = self.found[name]
        if stored.first[0] != 0 or not stored.known[0].all():
            return None
        state = stored.values.value[(0, *(slice(1 - f, None) for f in stored.first[1:]))]
        return state[..., None] if laid.columns and state.ndim == 1 else state


def _with_base(array: np.ndarray, base: np.ndarray, laid: Laid) -> Any:
    """h over the steps with its initial state: at -1, as in most programs, or at 0."""
    if laid.first_is_base:
        return np.concatenate([base[None], array])
    held = {t: np.array(each) for t, each in enumerate(array)}
    return {**held, -1: np.array(base)}


_ARRIVING = ("dout", "d_out", "grad_output", "grad_out", "upstream", "upstream_grad", "dOut")


def _meaning(name: str, system: System) -> Meant | None:
    """What a program's name is: the network's by name, an initial state, what arrives."""
    found = meant(name, system, layered=True)
    if found is not None:
        return found
    if name in _ARRIVING:
        last = _last(system)
        return None if last is None else Meant(last, True)
    for state, initial in _initial(system).items():
        if name.casefold() in {f"{state}{end}".casefold() for end in _ENDINGS}:
            return Meant(initial)
    return None


_ENDINGS = ("prev", "_prev", "init", "_init", "_0", "0", "_start", "start")


def _initial(system: System) -> dict[str, str]:
    """The array that gives the initial state of each state: h[0,i] = h0[i]."""
    return {
        each.name: each.term.array
        for each in system.definitions
        if each.is_base and isinstance(each.term, Read)
    }


def _last(system: System) -> str | None:
    """The computed array that the loss is taken of, where it is one."""
    names: set[str] = set()
    for each in system.defining.get(system.target, ()):
        names |= {
            reading.read.array
            for reading in reads(each.term)
            if system.by_name[reading.read.array].kind is Kind.COMPUTED
        }
    return names.pop() if len(names) == 1 else None


# ------------------------------------------------------------------------------------- the points


def truths(backward: Backward, count: int = POINTS) -> list[Truth]:
    """The network at random points, at the sizes of its file or at any where it gives none."""
    for sizes in _sizes(backward.forward):
        found = _points_at(backward, sizes, count)
        if found:
            return found
    return []


def _points_at(backward: Backward, sizes: Mapping[str, int], count: int) -> list[Truth]:
    """So many points at which everything has a value; none where there are too few."""
    found: list[Truth] = []
    for seed in SEEDS:
        try:
            truth = Truth(backward, drawn(backward.forward, sizes, seed))
        except (OutsideArray, Undefined, ValueError, IndexError, ZeroDivisionError):
            continue
        if _is_finite(truth.found):
            found.append(truth)
        if len(found) == count:
            return found
    return []


def _is_finite(found: Mapping[str, Stored]) -> bool:
    return all(np.isfinite(each.values.value[each.known]).all() for each in found.values())


def _sizes(system: System) -> Iterator[dict[str, int]]:
    """The file's own numbers, since a page may count on them; where it has none, all different."""
    if system.known_sizes is not None:
        yield dict(system.known_sizes)
        return
    names = list(system.sizes)
    literal = {size.constant for each in system.quantities for size in each.shape if size.is_number}
    different = [n for n in (4, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14) if n not in literal]
    fixed = {name: value for name, value in system.sizes.items() if value is not None}
    if len(names) <= len(different):
        yield dict(zip(names, different, strict=False)) | fixed
    yield dict.fromkeys(names, 4) | fixed


# -------------------------------------------------------------------------------------- the check


@dataclass(frozen=True, slots=True, eq=False)
class _Claim:
    """A gradient that the program assigns: its array, line, and values, one a point.

    A value is None where it is lost; then ``reason`` says why.
    """

    name: str
    array: str
    line: int
    values: tuple[np.ndarray | None, ...]
    reason: str = ""
    is_final: bool = True


def check_program(
    tree: ast.Module,
    text: str,
    backward: Backward,
    *,
    rename: Mapping[str, str] | None = None,
) -> Report:
    """Judge every gradient that a program assigns, against the network's own."""
    if len(several := _deriving(tree, backward.forward, rename or {})) > 1:
        said = (
            f"the functions {', '.join(several)} each assign derivatives, perhaps of different "
            "networks; put the one that is about this network in a file of its own"
        )
        line = LineReport(1, 1, text.split("\n", maxsplit=1)[0], "", Verdict.UNREAD, said)
        return Report(Verdict.UNREAD, (line,), "")
    points = truths(backward)
    if not points:
        said = "the network has no value at random numbers, so nothing can be compared"
        line = LineReport(1, 1, text.split("\n", maxsplit=1)[0], "", Verdict.UNDECIDED, said)
        return Report(Verdict.UNDECIDED, (line,), "")
    best: _Reading | None = None
    for laid in _layouts():
        reading = _Reading(tree, text, points, laid, dict(rename or {}))
        if best is None or reading.weight > best.weight:
            best = reading
        if best.is_whole or reading.spent:
            break
    assert best is not None
    return best.report()


def _deriving(tree: ast.Module, system: System, rename: Mapping[str, str]) -> list[str]:
    """The functions that no other calls and that assign derivatives by the network's names."""
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    found = []
    for each in tree.body:
        if isinstance(each, ast.FunctionDef) and each.name not in called:
            names = {
                node.id
                for node in ast.walk(each)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            }
            meanings = (_meaning(rename.get(name, name), system) for name in names)
            if any(meaning is not None and meaning.is_gradient for meaning in meanings):
                found.append(each.name)
    return found


def _layouts() -> Iterator[Laid]:
    flags = itertools.product((False, True), repeat=4)
    for values in sorted(flags, key=sum):
        yield Laid(*values)


class _Reading:
    """A program gone through in one layout, at every point."""

    def __init__(
        self,
        tree: ast.Module,
        text: str,
        points: Sequence[Truth],
        laid: Laid,
        rename: Mapping[str, str],
    ) -> None:
        more = {f"d{old}": f"d{new}" for old, new in rename.items()}
        self.points, self.laid, self.rename = points, laid, more | dict(rename)
        self.rows = text.split("\n")
        self.system = points[0].system
        self.spent = ""
        self.walks: list[Walk] = []
        for truth in points:
            try:
                self.walks.append(
                    Walk(
                        tree,
                        lambda name, truth=truth: self._supplied(truth, name),
                        self._given,
                    )
                )
            except Spent as spent:
                self.spent = spent.message
                break
            except RecursionError:
                self.spent = "the program is nested too deeply to follow"
                break
        self.claims = [] if self.spent else list(self._claims())
        self.right = {claim: self._is_right(claim) for claim in self.claims}

    def _supplied(self, truth: Truth, name: str) -> Any:
        return truth.supplied(self.rename.get(name, name), self.laid)

    def _given(self, name: str) -> bool:
        """Whether a name is a parameter or an input of the network."""
        found = _meaning(self.rename.get(name, name), self.system)
        kinds = (Kind.PARAMETER, Kind.INPUT, Kind.DATA)
        return (
            found is not None
            and not found.is_gradient
            and self.system.by_name[found.array].kind in kinds
        )

    # -------------------------------------------------------------------------------- claims

    def _meant(self, name: str) -> str | None:
        """The array whose derivative a name of the program is."""
        found = _meaning(self.rename.get(name, name), self.system)
        if found is None or not found.is_gradient or found.array not in (
            self.points[0].backward.adjoints
        ):  # fmt: skip
            return None
        return found.array

    def _claims(self) -> Iterator[_Claim]:
        names = dict.fromkeys(event.name for event in self.walks[0].events)
        own = {  # y of the program is no input where it computes one
            found.array: name
            for name in names
            if self._given(name)
            and (found := _meaning(self.rename.get(name, name), self.system)) is not None
            and not self._counts(name, found.array)
        }
        for name in names:
            array = self._meant(name)
            if array is None:
                continue
            events = [[e for e in walk.events if e.name == name] for walk in self.walks]
            if len({len(each) for each in events}) != 1:
                continue
            if array in own and self.system.by_name[array].kind is not Kind.PARAMETER:
                continue
            if array in own:
                reason = f"the program computes {own[array]} itself, so {name} may belong to that"
                nothing = (None,) * len(self.points)
                yield _Claim(name, array, events[0][-1].line, nothing, reason)
                continue
            yield from self._claims_of(name, array, events)

    def _counts(self, name: str, array: str) -> bool:
        """Whether a name holds a whole number, and is no array: N, C, H, W = x.shape."""
        values = [event.value for event in self.walks[0].events if event.name == name]
        return bool(self.system.by_name[array].shape) and all(
            isinstance(value, (int, np.integer)) for value in values
        )

    def _claims_of(
        self, name: str, array: str, events: Sequence[Sequence[Event]]
    ) -> Iterator[_Claim]:
        """The last value of a name; and, of one that a loop makes anew, those of each round."""
        last = [each[-1] for each in events]
        shape = self.points[0].gradient(array).value.shape
        if self.system.by_name[array].kind is Kind.PARAMETER or not last[0].rounds:
            yield self._claim(name, array, last[0].line, [each.value for each in last])
            return
        if _fits(last[0].value, shape):
            yield self._claim(name, array, last[0].line, [each.value for each in last])
            return
        found: list[_Claim] = []
        for line in dict.fromkeys(event.line for event in events[0]):
            values = [_over_rounds([e for e in own if e.line == line]) for own in events]
            if all(value is not None for value in values):
                found.append(self._claim(name, array, line, values, is_final=False))
        right = [claim for claim in found if self._is_right(claim)]
        if right:
            yield right[-1]
        elif found:
            yield found[-1]

    def _claim(
        self, name: str, array: str, line: int, values: Sequence[Any], *, is_final: bool = True
    ) -> _Claim:
        lost = next((each for each in values if isinstance(each, Lost)), None)
        if lost is not None:
            reason = lost.reason if lost.line == line else f"{lost.reason} (line {lost.line})"
            return _Claim(name, array, line, (None,) * len(values), reason)
        made = tuple(
            self._in_shape(_as_array(value), array, truth)
            for value, truth in zip(values, self.points, strict=True)
        )
        reason = ""
        if any(each is None for each in made):
            shape = getattr(_as_array(values[0]), "shape", "of a list")
            wanted = ", ".join(map(str, self.system.by_name[array].shape))
            reason = f"it has the shape {shape}; ∂L/∂{array} has [{wanted}]"
        return _Claim(name, array, line, made, reason, is_final)

    def _in_shape(self, value: np.ndarray | None, array: str, truth: Truth) -> np.ndarray | None:
        """A value of the program in the network's shape; None where it has another."""
        if value is None or value.dtype == object:
            return None
        right = truth.gradient(array).value
        held = truth.laid(array, right, self.laid) if array != self.system.target else right
        if value.shape != held.shape:
            plain = tuple(n for n in value.shape if n != 1)
            if plain != tuple(n for n in held.shape if n != 1):
                return None
            value = value.reshape(held.shape)
        if value.shape == right.shape and held.shape == right.shape:
            turned = not np.array_equal(held, right)
            return value.T if turned else value
        if value.ndim == right.ndim + 1:
            return value[..., 0]
        return value.T if value.T.shape == right.shape else None

    # -------------------------------------------------------------------------------- verdicts

    def _is_right(self, claim: _Claim) -> bool:
        return all(
            value is not None and agrees(value, truth.gradient(claim.array), LOOSE)
            for value, truth in zip(claim.values, self.points, strict=True)
        )

    def _is_wrong(self, claim: _Claim) -> bool:
        """Whether it is certainly different, at one point or more."""
        pairs = list(zip(claim.values, self.points, strict=True))
        return all(value is not None for value, _ in pairs) and any(
            compared(value, truth.gradient(claim.array), LOOSE).verdict is Verdict.REFUTED
            for value, truth in pairs
            if value is not None and value.shape == truth.gradient(claim.array).value.shape
        )

    @property
    def weight(self) -> tuple[int, int, int]:
        """How many gradients are right, how many were worked out, and how plain the layout is."""
        worked = sum(claim.values[0] is not None for claim in self.claims)
        return sum(self.right.values()), worked, -len(self.laid.words())

    @property
    def is_whole(self) -> bool:
        """Whether every gradient is right."""
        return bool(self.claims) and all(self.right.values())

    @cached_property
    def scale(self) -> Diagnosis | None:
        """The number by which all gradients differ, where the program does not say its loss."""
        if len(self.claims) < 2 or any(self.right.values()) or self._computes_loss:
            return None
        found = {None if (p := self._plain(claim)) is None else p.name + p.detail.split()[0]
                 for claim in self.claims}  # fmt: skip
        first = self._plain(self.claims[0])
        return first if len(found) == 1 and first and first.name != "sign-flipped" else None

    @property
    def _computes_loss(self) -> bool:
        return any(
            (found := _meaning(self.rename.get(event.name, event.name), self.system)) is not None
            and found == Meant(self.system.target)
            for event in self.walks[0].events
        )

    @cached_property
    def forward_differs(self) -> str:
        """The name of the program's that is the network's loss or state, but has other numbers."""
        for name in dict.fromkeys(event.name for event in self.walks[0].events):
            found = _meaning(self.rename.get(name, name), self.system)
            if found is None or found.is_gradient:
                continue
            quantity = self.system.by_name[found.array]
            if self._counts(name, found.array):
                continue
            if quantity.kind is Kind.COMPUTED and not self._is_forward(name, quantity):
                return name
        return ""

    def _is_forward(self, name: str, quantity: Quantity) -> bool:
        """Whether what a name holds at the end, or in some round, is the network's array."""
        for walk, truth in zip(self.walks, self.points, strict=True):
            right = array_of(truth.found, self.system, quantity.name, truth.point)
            held = truth.laid(quantity.name, right.value, self.laid)
            events = [each for each in walk.events if each.name == name]
            candidates = [events[-1].value, _over_rounds(events)]
            lines = {each.line for each in events}
            candidates += [_over_rounds([e for e in events if e.line == line]) for line in lines]
            if not any(
                (value := _as_array(each)) is not None
                and value.size == held.size
                and value.dtype != object
                and np.allclose(value.reshape(held.shape), held, rtol=1e-9, atol=1e-12)
                for each in candidates
            ):
                return False
        return True

    def report(self) -> Report:
        """What is said of each gradient, in the order of the lines."""
        if self.spent or not self.claims:
            reason = self.spent or (
                "no derivative of the network's arrays is assigned; a derivative is called dW, or "
                "--rename OLD=dW says so"
            )
            line = LineReport(1, 1, self.rows[0] if self.rows else "", "", Verdict.UNREAD, reason)
            return Report(Verdict.UNREAD, (line,), "")
        causes = self._causes()
        lines = sorted(
            (self._judged(claim, causes) for claim in self.claims), key=lambda each: each.line
        )
        lines = _with_one_blame(lines, self.claims, causes)
        said = self.laid.words()
        convention = f"read so: {'; '.join(said)}" if said else ""
        notes = tuple(dict.fromkeys(self.walks[0].notes))
        order = (Verdict.REFUTED, Verdict.UNREAD, Verdict.UNDECIDED, Verdict.CONDITIONAL)
        verdicts = {line.verdict for line in lines}
        judged = verdicts & {Verdict.PROVED, Verdict.CONDITIONAL, Verdict.REFUTED}
        if not judged:
            overall = Verdict.UNREAD if Verdict.UNREAD in verdicts else Verdict.UNDECIDED
        else:
            overall = next((each for each in order if each in verdicts), Verdict.PROVED)
        reaches = any(line.verdict is Verdict.PROVED for line in lines)
        return Report(
            overall, tuple(lines), BY_VALUES, notes, reaches, convention, typed="\n".join(self.rows)
        )

    def _causes(self) -> dict[str, Explanation]:
        """The mistake behind each wrong gradient, the same at the first two points."""
        wrong = [claim for claim in self.claims if self._is_wrong(claim)]
        wanted = {claim.array: claim.values[0] for claim in wrong}
        if not wanted:
            return {}
        first = self.points[0]
        units = dict.fromkeys(wanted, LOOSE)
        found = explained(first.both, first.point, first.forward, wanted, units)  # type: ignore[arg-type]

        def holds(claim: _Claim) -> bool:
            return all(
                value is not None
                and explains(
                    found[claim.array], t.both, t.point, t.found, claim.array, value, LOOSE
                )
                for value, t in zip(claim.values[1:], self.points[1:], strict=True)
            )

        return {
            claim.array: found[claim.array]
            for claim in wrong
            if claim.array in found and holds(claim)
        }

    def _judged(self, claim: _Claim, causes: Mapping[str, Explanation]) -> LineReport:
        source = self.rows[claim.line - 1].strip() if claim.line <= len(self.rows) else ""
        read_as = f"∂L/∂{claim.array}"

        def said(
            verdict: Verdict, reason: str = "", *found: Diagnosis, witness: Witness | None = None
        ) -> LineReport:
            return LineReport(
                claim.line, 1, source, read_as, verdict, reason, tuple(found), witness
            )

        if self.right[claim]:
            return said(Verdict.PROVED)
        if self.scale is not None:
            return said(Verdict.CONDITIONAL,
                        f"right if the loss is {self.scale.detail.split()[0]} times that of the "
                        "network", self.scale)  # fmt: skip
        if any(value is None for value in claim.values):
            unsummed = self._unsummed(claim)
            if unsummed is not None:
                return said(Verdict.REFUTED, "", unsummed)
            return said(Verdict.UNREAD, claim.reason)
        if not self._is_wrong(claim):
            return said(Verdict.UNDECIDED, "too close to the right value to be sure")
        if self._is_right_where_read(claim):
            return said(
                Verdict.UNDECIDED, "right wherever the equations read it; of the entries that a "
                "condition leaves out, the program may make its own use",
            )  # fmt: skip
        if (source_of := self._carried(claim)) is not None:
            reason = f"follows from the error in ∂L/∂{source_of.array}, line {source_of.line}"
            return replace(said(Verdict.FOLLOWS, reason), is_charged=False)
        cause = causes.get(claim.array)
        if cause is not None:
            where = "" if cause.made_in == claim.array else f"in ∂L/∂{cause.made_in}, "
            found = Diagnosis(cause.told.name, where + cause.told.text)
            return said(Verdict.REFUTED, "", found, witness=self._witness(claim))
        plain = self._plain(claim)
        if plain is not None:
            return said(Verdict.REFUTED, "", plain, witness=self._witness(claim))
        if not claim.is_final or self.system.by_name[claim.array].kind is Kind.COMPUTED:
            return said(
                Verdict.UNDECIDED, f"{claim.name} is not ∂L/∂{claim.array} of the network, unless "
                "it is wrong: the name may be the program's own",
            )  # fmt: skip
        if self.forward_differs:
            return said(
                Verdict.UNDECIDED, f"{self.forward_differs} of the program is not that of the "
                "network, so its derivatives are not either",
            )  # fmt: skip
        return said(Verdict.REFUTED, "not equal to the derivative at random numbers",
                    witness=self._witness(claim))  # fmt: skip

    def _is_right_where_read(self, claim: _Claim) -> bool:
        """Whether all differences lie at entries that no equation reads, such as masked ones.

        In a program that multiplies by a whole softmax, which is 0 outside its mask, the derivative
        by such an entry is something else than in equations that leave it out; both are right.
        """
        if self.system.by_name[claim.array].kind is not Kind.COMPUTED:
            return False
        own = [d for d in self.points[0].both.defining[adjoint_name(claim.array)] if not d.is_base]
        if len(own) != 1 or not isinstance(own[0].term, Given) or not own[0].ranges:
            return False
        for value, truth in zip(claim.values, self.points, strict=True):
            right = truth.gradient(claim.array)
            if value is None or value.shape != right.shape:
                return False
            read = _holding(own[0], truth.point)
            apart = compared(np.where(read, value, 0), Rounded(right.value * read, right.error))
            if apart.verdict is Verdict.REFUTED:
                return False
        return True

    def _carried(self, claim: _Claim) -> _Claim | None:
        """The wrong gradient that, as the program has it, makes this one: then it only follows."""
        own = [d for d in self.points[0].both.defining[adjoint_name(claim.array)] if not d.is_base]
        if len(own) != 1:
            return None
        read = {reading.read.array for reading in reads(own[0].term)}
        for other in self.claims:
            name = adjoint_name(other.array)
            if other is claim or name not in read or not self._is_wrong(other):
                continue
            if all(self._is_made_of(claim, other, own[0], k) for k in range(len(self.points))):
                return other
        return None

    def _is_made_of(self, claim: _Claim, other: _Claim, own: Definition, k: int) -> bool:
        """Whether the equation of one adjoint gives the program's value with its other one."""
        truth, value, given = self.points[k], claim.values[k], other.values[k]
        name = adjoint_name(other.array)
        if value is None or given is None or given.shape != truth.gradient(other.array).shape:
            return False
        known = {**truth.found, name: with_numbers(truth.found[name], given, LOOSE)}
        try:
            again = defined(own, own.term, truth.both, truth.point, DOUBLES, known)
        except (OutsideArray, Undefined):
            return False
        return agrees(value, again.main(value.shape, DOUBLES), LOOSE)

    def _plain(self, claim: _Claim) -> Diagnosis | None:
        """A number that the gradient is too large by, the same at every point."""
        for name, words, factor in (
            ("sign-flipped", "-1", lambda _: -1.0),
            ("constant-factor", "½", lambda _: 0.5),
            ("constant-factor", "2", lambda _: 2.0),
            *(("average-for-sum", f"1/{size}", lambda p, s=size: 1 / p.sizes[s])
              for size in self.system.sizes),
            *(("sum-for-average", size, lambda p, s=size: float(p.sizes[s]))
              for size in self.system.sizes),
        ):  # fmt: skip
            if all(
                value is not None
                and agrees(value, _scaled(t.gradient(claim.array), factor(t.point)), LOOSE)
                for value, t in zip(claim.values, self.points, strict=True)
            ):
                if name == "sign-flipped":
                    return Diagnosis(name, "the sign is wrong")
                return Diagnosis(name, f"{words} times ∂L/∂{claim.array}")
        return None

    def _unsummed(self, claim: _Claim) -> Diagnosis | None:
        """Where the sum over an axis is missing."""
        last = [[e for e in walk.events if e.name == claim.name][-1].value for walk in self.walks]
        for axis in range(3):
            if all(
                (array := _as_array(value)) is not None
                and array.dtype != object
                and array.ndim > axis
                and agrees(
                    self._squeezed(array.sum(axis=axis), truth.gradient(claim.array)),
                    truth.gradient(claim.array),
                    LOOSE,
                )
                for value, truth in zip(last, self.points, strict=True)
            ):
                return Diagnosis(
                    "unsummed-samples", f"∂L/∂{claim.array} is a sum; here it is not summed"
                )
        return None

    def _squeezed(self, value: np.ndarray, like: Rounded) -> np.ndarray:
        return value.reshape(like.shape) if value.size == like.value.size else value

    def _witness(self, claim: _Claim) -> Witness | None:
        value, truth = claim.values[0], self.points[0].gradient(claim.array)
        if value is None:
            return None
        apart = np.where(np.isfinite(value), abs(value - truth.value), np.inf)
        at = np.unravel_index(int(np.argmax(apart)), apart.shape) if apart.ndim else ()
        inside = ",".join(str(k + 1) for k in at)
        entry = f"∂L/∂{claim.array}[{inside}]" if inside else f"∂L/∂{claim.array}"
        return Witness({"entry": entry}, f"{truth.value[at]:.9g}", f"{value[at]:.9g}")


def _holding(definition: Definition, point: Point) -> np.ndarray:
    """Where the conditions around the whole right side of a definition hold, as 0 and 1."""
    assert isinstance(definition.term, Given)
    spans = [(r.letter, r.lower.value(point.sizes), r.upper.value(point.sizes))
             for r in definition.ranges]  # fmt: skip
    found = np.zeros([high - low + 1 for _, low, high in spans])

    def looked_up(array: str, at: tuple[int, ...]) -> int:
        return int(point.data[array][tuple(index - 1 for index in at)])

    for at in np.ndindex(found.shape):
        letters = {name: low + k for (name, low, _), k in zip(spans, at, strict=True)}
        values = {**point.sizes, **letters}
        found[at] = all(holds(each, values, looked_up) for each in definition.term.conditions)
    return found


def _with_one_blame(
    lines: Sequence[LineReport], claims: Sequence[_Claim], causes: Mapping[str, Explanation]
) -> list[LineReport]:
    """Where the array in which a mistake was made has a line, the others only follow from it."""
    by_line = {(claim.line, f"∂L/∂{claim.array}"): claim for claim in claims}
    made = {}
    for claim in claims:
        cause = causes.get(claim.array)
        if cause is not None and cause.made_in == claim.array:
            made[claim.array] = claim.line
    found = []
    for line in lines:
        claim = by_line[line.line, line.read_as]
        cause = causes.get(claim.array)
        if (
            line.verdict is Verdict.REFUTED
            and cause is not None
            and cause.made_in != claim.array
            and cause.made_in in made
        ):
            reason = f"follows from the error in ∂L/∂{cause.made_in}, line {made[cause.made_in]}"
            line = replace(line, verdict=Verdict.FOLLOWS, reason=reason, diagnosis=(),
                           witness=None, is_charged=False)  # fmt: skip
        found.append(line)
    return found


def _scaled(truth: Rounded, factor: float) -> Rounded:
    return Rounded(factor * truth.value, abs(factor) * truth.error)


def _as_array(value: Any) -> np.ndarray | None:
    """What a name holds as an array; dicts and lists over the steps in their order."""
    if isinstance(value, dict):
        keys = [key for key in value if isinstance(key, int) and key >= 0]
        if not keys or sorted(keys) != list(range(len(keys))):
            return None
        value = [value[key] for key in sorted(keys)]
    try:
        found = np.asarray(value, dtype=float)
    except (ValueError, TypeError):
        return None
    return found


def _fits(value: Any, shape: tuple[int, ...]) -> bool:
    found = _as_array(value)
    return found is not None and tuple(n for n in found.shape if n != 1) == tuple(
        n for n in shape if n != 1
    )


def _over_rounds(events: Sequence[Event]) -> np.ndarray | None:
    """The values of a name in each round of the innermost loop, by its number, as one array."""
    by_round: dict[int, Any] = {}
    for event in events:
        if not event.rounds or event.rounds[-1][1] is None:
            return None
        if isinstance(event.value, Lost):
            return None
        by_round[event.rounds[-1][1]] = event.value
    keys = sorted(by_round)
    if not keys or keys != list(range(keys[0], keys[0] + len(keys))):
        return None
    try:
        return np.asarray([np.asarray(by_round[key], dtype=float) for key in keys])
    except (ValueError, TypeError):
        return None
