"""Every element of every array, one by one: what equations in index notation mean, as numbers.

Here one can

* evaluate an array, or an element, of a system, forward or backward, since adjoints are arrays like
  any other: `Elements.array`, `Elements.element`, `Elements.loss`;
* take a central difference of the loss, which knows nothing of any derivation:
  `Elements.central_difference`;
* take one step of gradient descent: `Elements.updated`.

This is the reference that matrices, kernels and certificates are compared with, so it does what the
equations say and nothing clever: each definition becomes a function of its letters, called for one
element after another in the order of `System.groups`, a recurrence step by step.  Nothing is
recursive, so that 2000 steps are as good as 3, and what a condition excludes is not touched.

The numbers are those of an arithmetic of `symback.engine.arithmetics`: fifty digits, or residues
whose comparisons are decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import cached_property, partial
from typing import Any, TypeAlias

import numpy as np
import sympy

from symback.engine.arithmetics import (
    CONTEXT,
    FLOATS,
    Floats,
    Misshapen,
    OutOfRange,
    Undefined,
    without_noise,
)
from symback.engine.evaluation import STEP, Kink, MissingNumbers, OutOfDomain
from symback.equations import functions
from symback.equations.indexing import (
    At,
    Code,
    Indexing,
    Loops,
    bracketed,
    covers,
    in_steps,
    places_of,
)
from symback.equations.indices import Affine, Index
from symback.equations.system import Definition, Group, Kind, Quantity, System, adjoint_name
from symback.equations.terms import (
    Binder,
    Call,
    Given,
    Measure,
    Number,
    Plus,
    Power,
    Read,
    Term,
    Times,
    Where,
    free_letters,
    reads,
)
from symback.language.errors import SymbackError
from symback.language.functions import ELEMENTARY

Nested: TypeAlias = Any
"""A number, or a tuple of those."""


class ReadTooEarly(SymbackError):
    """An element that its own equation, or one computed before it, reads."""


class Elements:
    """The elements of ``system``'s arrays, computed when asked for and kept.

    ``given`` maps each parameter, input and array of indices to numbers, or nested sequences of
    them in its shape; without it the values of the file.  ``sizes`` are numbers of symbolic sizes,
    which are also seen from the shapes of what is given.

    Raises `MissingNumbers` naming what has no number, `Misshapen` where a shape is another.

    >>> from symback.equations.indices import Range, letter
    >>> i, n = letter("i"), letter("n")
    >>> line = Binder("sum", Range("i", n), (), Times((Read("w", (i,)), Read("w", (i,)))))
    >>> system = System(
    ...     {"n": None},
    ...     (Quantity("w", Kind.PARAMETER, (n,)), Quantity("L", Kind.COMPUTED)),
    ...     (Group((Definition("L", (), (), line),)),),
    ...     "L",
    ... )
    >>> float(Elements(system, {"w": [3, 4]}).loss)
    25.0
    """

    def __init__(
        self,
        system: System,
        given: Mapping[str, Any] | None = None,
        arithmetic: Any = FLOATS,
        sizes: Mapping[str, int] | None = None,
        *,
        watched: bool = False,
    ) -> None:
        self.system, self.numbers = system, arithmetic
        given = system.values if given is None else given
        self.given = [q for q in system.quantities if q.name not in system.defining]
        if missing := [q.name for q in self.given if given.get(q.name) is None]:
            raise MissingNumbers(
                f"no numbers are given for {', '.join(missing)}; they belong under [values]"
            )
        known = {name: value for name, value in system.sizes.items() if value is not None}
        nested = {q.name: _nested(given[q.name]) for q in self.given}
        self.sizes = _sizes(system, nested, {**known, **(sizes or {})}, self.given)
        self._shapes: dict[str, At] = {}
        self.stored: dict[str, dict[At, Any]] = {q.name: {} for q in system.quantities}
        for quantity in self.given:
            self._take(quantity, nested[quantity.name])
        self.decisions: dict[tuple[str, At], tuple[Any, ...]] | None = {} if watched else None
        self._computed: set[int] = set()
        self._pads = {
            q.pad: arithmetic.number(q.pad) for q in system.quantities if q.pad is not None
        }
        self._codes: dict[int, list[_Compiled]] = {}

    # ----------------------------------------------------------------------------- asking

    def element(self, name: str, at: At = ()) -> Any:
        """One element, 1-based; base cases such as h[0,1] are elements too.

        Raises `OutOfDomain` where a function has no value, `OutOfRange` where there is no element.
        """
        self._compute(name)
        found = self.stored[name].get(at)
        return self._outside(name, at) if found is None else found

    def array(self, name: str) -> Nested:
        """All elements of an array in its shape, base cases left out."""
        self._compute(name)
        shape = self.shape(name)
        return grown(lambda at: self.element(name, at), shape)

    def shape(self, name: str) -> At:
        """How long an array is in each index."""
        if name not in self._shapes:
            sizes = self.system.by_name[name].shape
            self._shapes[name] = tuple(size.value(self.sizes) for size in sizes)
        return self._shapes[name]

    def forward(self, names: Iterable[str] | None = None) -> dict[str, Nested]:
        """Arrays by name; without ``names`` all that are given or computed forward."""
        if names is None:
            kinds = (Kind.DATA, Kind.ADJOINT)
            names = [q.name for q in self.system.quantities if q.kind not in kinds]
        return {name: self.array(name) for name in names}

    @property
    def loss(self) -> Any:
        """The value of the target."""
        return self.element(self.system.target)

    def updated(self, rate: Any) -> dict[str, Nested]:
        """θ - η ∂L/∂θ for every parameter θ whose adjoint the system has."""
        eta = self._number(rate)
        found = {}
        for quantity in self.system.parameters:
            own = adjoint_name(quantity.name)
            if own in self.system.by_name:
                found[quantity.name] = grown(
                    lambda at, name=quantity.name, own=own: (
                        self.element(name, at) - eta * self.element(own, at)
                    ),
                    self.shape(quantity.name),
                )
        return found

    def central_difference(
        self, name: str, at: At = (), named: Callable[[str, At], str] = bracketed
    ) -> Any:
        """(L(v + ε) - L(v - ε)) / 2ε for an element of what is given, or the `Kink` there.

        ``named`` names the element at whose kink the loss stands.
        """
        probe, step = self._probe, CONTEXT.mpf(STEP)
        middle = probe.element(name, at)
        ends, passes = [], []
        for value in (middle + step, middle - step, middle):
            probe.put(name, at, value)
            ends.append(probe.loss)
            assert probe.decisions is not None
            passes.append(dict(probe.decisions))
        above, below, here = passes
        for element, decided in here.items():
            if not decided == above.get(element) == below.get(element):
                return Kink(named(*element))
        pair = (ends[0], -ends[1])
        return without_noise(sum(pair), pair) / (2 * step)

    def put(self, name: str, at: At, value: Any) -> None:
        """Give one element of what is given another number; what is computed from it follows."""
        self.stored[name][at] = value
        for number in sorted(self._computed):
            if name in self._behind(number):
                self._computed.discard(number)
                for code in self._codes[number]:
                    code.undo()

    # ----------------------------------------------------------------------------- inside

    @cached_property
    def _probe(self) -> Elements:
        """The same numbers once more, in which an element may be moved and decisions are seen."""
        given = {
            q.name: grown(partial(self._given, q.name), self.shape(q.name)) for q in self.given
        }
        return Elements(self.system, given, self.numbers, self.sizes, watched=True)

    def _given(self, name: str, at: At) -> Any:
        return self.stored[name][at]

    def _take(self, quantity: Quantity, nested: Any) -> None:
        stored, shape = self.stored[quantity.name], self.shape(quantity.name)
        for at in places_of(shape):
            value = nested
            for index in at:
                value = value[index - 1]
            is_index = quantity.kind is Kind.DATA
            stored[at] = self._index(quantity, at, value) if is_index else self._number(value)

    def _index(self, quantity: Quantity, at: At, value: Any) -> int:
        """A whole number from 1 to ``below``."""
        below = None if quantity.below is None else quantity.below.value(self.sizes)
        if int(value) != value or value < 1 or (below is not None and value > below):
            most = "" if below is None else f" to {below}"
            raise OutOfRange(
                f"{bracketed(quantity.name, at)} is {value}, but it serves as an index: "
                f"a whole number from 1{most}"
            )
        return int(value)

    def _number(self, value: Any) -> Any:
        if isinstance(value, (float, np.floating)):
            value = Fraction(Decimal(repr(float(value))))
        elif isinstance(value, (int, np.integer, str, Decimal)):
            value = Fraction(str(value))
        return self.numbers.number(value) if isinstance(value, Fraction) else value

    @cached_property
    def _readers(self) -> list[set[str]]:
        """The arrays that each group reads."""
        return [
            {reading.read.array for d in group.definitions for reading in reads(d.term)}
            for group in self.system.groups
        ]

    @cached_property
    def _makers(self) -> dict[str, list[int]]:
        """The groups that compute each array."""
        found: dict[str, list[int]] = {}
        for number, group in enumerate(self.system.groups):
            for definition in group.definitions:
                if number not in found.setdefault(definition.name, []):
                    found[definition.name].append(number)
        return found

    def _groups_for(self, names: Iterable[str]) -> set[int]:
        """The groups from which these arrays are computed, their own included."""
        waiting, found = list(names), set()
        while waiting:
            for number in self._makers.get(waiting.pop(), ()):
                if number not in found:
                    found.add(number)
                    waiting += self._readers[number]
        return found

    def _behind(self, number: int) -> set[str]:
        """The arrays from which a group is computed."""
        groups = {*self._groups_for(self._readers[number]), number}
        return set().union(*(self._readers[each] for each in groups))

    def _compute(self, name: str) -> None:
        own = self._makers.get(name, ())
        if all(number in self._computed for number in own):
            return
        for number in sorted(self._groups_for([name]) - self._computed):
            group = self.system.groups[number]
            if number not in self._codes:
                self._codes[number] = [_Compiled(self, each, group) for each in group.definitions]
            codes = self._codes[number]
            try:
                for position, step in in_steps(group, [code.loops for code in codes]):
                    codes[position].run(step)
            except BaseException:
                for code in codes:  # the next time it fails again, rather than find half of it
                    code.undo()
                raise
            self._computed.add(number)

    def looked_up(self, name: str, at: At) -> int:
        """A number of an array of indices."""
        found = self.stored[name].get(at)
        return self._outside(name, at) if found is None else found

    def _outside(self, name: str, at: At) -> Any:
        """What is read where an array has no element: its pad."""
        quantity, shape = self.system.by_name[name], self.shape(name)
        is_inside = all(1 <= index <= size for index, size in zip(at, shape, strict=True))
        is_defined = any(covers(d, at, self.sizes) for d in self.system.defining.get(name, ()))
        if is_inside or is_defined:
            raise ReadTooEarly(f"{bracketed(name, at)} is read before it is computed")
        if quantity.pad is not None:
            return self._pads[quantity.pad]
        ranges = ", ".join(f"1..{size}" for size in shape)
        raise OutOfRange(
            f"there is no {bracketed(name, at)}: the indices of {name} run over {ranges}; let a "
            f"condition leave it out, or put {name} under [pad], such as {name} = 0"
        )


# ------------------------------------------------------------------------------ nested numbers


def grown(value: Callable[[At], Any], shape: At, at: At = ()) -> Nested:
    """``value`` of all indices, as nested tuples."""
    if len(at) == len(shape):
        return value(at)
    return tuple(grown(value, shape, (*at, k)) for k in range(1, shape[len(at)] + 1))


def _nested(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _shape_of(name: str, value: Any, rank: int) -> At:
    """The shape of nested sequences; raises `Misshapen` where rows differ in length."""
    if not rank:
        if isinstance(value, (list, tuple)):
            raise Misshapen(f"{name} is given as a list, but there it is one number")
        return ()
    if not isinstance(value, (list, tuple)):
        raise Misshapen(f"{name} has {rank} more indices than the numbers given for it")
    shapes = {_shape_of(name, part, rank - 1) for part in value}
    if len(shapes) != 1:
        raise Misshapen(f"the rows given for {name} differ in length, or there are none")
    return (len(value), *shapes.pop())


def _sizes(
    system: System, nested: Mapping[str, Any], known: dict[str, int], given: Iterable[Quantity]
) -> dict[str, int]:
    """All sizes: those known, and those that shapes give."""
    shapes = [(q, _shape_of(q.name, nested[q.name], len(q.shape))) for q in given]
    waiting = [(q, k, found) for q, shape in shapes for k, found in enumerate(shape)]
    while True:
        left = []
        for quantity, axis, found in waiting:
            size = quantity.shape[axis]
            unknown = [name for name in size.names if name not in known]
            if len(unknown) == 1:
                (name,) = unknown
                rest = sum(known[n] * c for n, c in size.parts if n != name) + size.constant
                known[name], unknown = (found - rest) // size.coefficient(name), []
            if unknown:
                left.append((quantity, axis, found))
            elif size.value(known) != found:
                raise Misshapen(
                    f"{quantity.name} has {found} entries along index {axis + 1}, but its shape "
                    f"says {size} = {size.value(known)}"
                )
        if len(left) == len(waiting):
            break
        waiting = left
    if missing := [name for name in system.sizes if name not in known]:
        raise MissingNumbers(f"the size {missing[0]} has no number; give it one under [sizes]")
    return known


# -------------------------------------------------------------------- a definition as a function


class _Compiled:
    """One definition of ``elements``, as a function of its letters."""

    def __init__(self, elements: Elements, definition: Definition, group: Group) -> None:
        self.definition, self.elements = definition, elements
        self.stored, self.made = elements.stored[definition.name], list[At]()
        compiler = _Compiler(elements)
        self.loops = Loops(definition, group, compiler)
        self.at = compiler.places(definition.at, self.loops.slots)
        self.value = compiler.code(definition.term, self.loops.slots)
        self.env: list[Any] = [0] * compiler.count
        self.memos, self.notes = compiler.memos, compiler.notes

    def run(self, step: int | None) -> None:
        """Compute all elements, or those of one step of the recurrence."""
        env, stored, decisions = self.env, self.stored, self.elements.decisions
        for _ in self.loops.over(env, step):
            at = self.at(env)
            if at in stored:
                raise AssertionError(f"{bracketed(self.definition.name, at)} is defined twice")
            try:
                stored[at] = self.value(env)
            except (ZeroDivisionError, Undefined) as error:
                raise OutOfDomain(self._why(at, error)) from None
            self.made.append(at)
            if decisions is not None and self.notes:
                decisions[self.definition.name, at] = tuple(self.notes)
                self.notes.clear()

    def undo(self) -> None:
        """Take back what `run` stored."""
        for at in self.made:
            del self.stored[at]
            if self.elements.decisions is not None:
                self.elements.decisions.pop((self.definition.name, at), None)
        self.made.clear()
        self.notes.clear()
        for memo in self.memos:
            memo.clear()

    def _why(self, at: At, error: Exception) -> str:
        what = "a division by zero" if isinstance(error, ZeroDivisionError) else str(error)
        read = dict.fromkeys(reading.read.array for reading in reads(self.definition.term))
        source = f" (it is computed from {', '.join(read)})" if read else ""
        return f"{bracketed(self.definition.name, at)} has no value here: {what}{source}"


class _Compiler(Indexing):
    """Turns the formula of one definition into functions of an environment."""

    def __init__(self, elements: Elements) -> None:
        super().__init__(elements.sizes, elements.looked_up)
        self.elements, self.numbers = elements, elements.numbers
        self.memos: list[dict[Any, Any]] = []
        self.notes: list[Any] = []
        self.arguments: dict[Term, int] = {}
        """The slots of the numbers that formulas of the catalogue are applied to."""
        self.zero, self.one = (self.numbers.number(Fraction(k)) for k in (0, 1))

    # ---------------------------------------------------------------------------- terms

    def code(self, term: Term, letters: Mapping[str, int]) -> Code:
        """The value of a formula."""
        numbers = self.numbers
        if term in self.arguments:
            slot = self.arguments[term]
            return lambda env: env[slot]
        match term:
            case Number(value):
                constant = numbers.number(value)
                return lambda _: constant
            case Measure(index):
                place, whole = self.place(index, letters), _Wholes(numbers)
                return lambda env: whole[place(env)]
            case Read(array, indices):
                return self._read(array, indices, letters)
            case Plus(terms):
                codes = [self.code(part, letters) for part in terms]
                return lambda env: numbers.total([code(env) for code in codes])
            case Times(factors):
                codes = [self.code(part, letters) for part in factors]
                return lambda env: numbers.product([code(env) for code in codes])
            case Power(base, exponent):
                return self._power(base, exponent, letters)
            case Call(function, arguments):
                return self._call(function, arguments, letters)
            case Where(left, relation, right, yes, no):
                first, second, then, other = (self.code(t, letters) for t in (left, right, yes, no))
                decide = self._comparison(relation)
                return lambda env: (then if decide(first(env), second(env)) else other)(env)
            case Given(conditions, body):
                holds, value, zero = (
                    self.condition(conditions, letters), self.code(body, letters), self.zero,
                )  # fmt: skip
                return lambda env: value(env) if holds(env) else zero
            case Binder():
                return self._binder(term, letters)
        raise TypeError(f"no way to evaluate {type(term).__name__}")

    def _read(self, array: str, indices: Sequence[Index], letters: Mapping[str, int]) -> Code:
        at, stored = self.places(indices, letters), self.elements.stored[array]
        outside = partial(self.elements._outside, array)

        def value(env: list[Any]) -> Any:
            place = at(env)
            try:
                return stored[place]
            except KeyError:
                return outside(place)

        if self.elements.system.by_name[array].kind is not Kind.DATA:
            return value
        whole = _Wholes(self.numbers)
        return lambda env: whole[value(env)]

    def _power(self, base: Term, exponent: Term, letters: Mapping[str, int]) -> Code:
        code, numbers, fixed = self.code(base, letters), self.numbers, rational(exponent)
        if fixed is not None:
            plain = fixed.numerator if fixed.denominator == 1 else fixed
            return lambda env: numbers.power(code(env), plain)
        other = self.code(exponent, letters)
        return lambda env: numbers.power(code(env), other(env))

    def _call(
        self, function: str, arguments: Sequence[Term], letters: Mapping[str, int]
    ) -> Code:  # fmt: skip
        numbers = self.numbers
        codes = [self.code(argument, letters) for argument in arguments]
        if function == "pi":
            constant = numbers.constant(sympy.pi)
            return lambda _: constant
        if function in ("max", "min"):
            order = sorted(range(len(codes)), key=lambda k: functions.rank(arguments[k]))
            codes, last = [codes[k] for k in order], self._winners(function, strictly=False)

            def extreme(env: list[Any]) -> Any:
                values = [code(env) for code in codes]
                return values[last(values)]

            return extreme
        (code,) = codes
        if function not in ELEMENTARY:  # an activation, which its formula says
            argument = Call(f"argument {self.count}", ())
            slot = self.arguments[argument] = self.slot()
            formula = self.code(functions.formula(function, argument), letters)

            def applied(env: list[Any]) -> Any:
                env[slot] = code(env)
                return formula(env)

            return applied
        name = ELEMENTARY[function].sympy or function
        if self.elements.decisions is not None and ELEMENTARY[function].convention:
            notes = self.notes

            def noted(env: list[Any]) -> Any:
                value = code(env)
                notes.append(_sign(value, 0))
                return numbers.function(name, value)

            return noted
        return lambda env: numbers.function(name, code(env))

    # ------------------------------------------------------------------------- decisions

    def _comparison(self, relation: str) -> Callable[[Any, Any], bool]:
        compared, notes = self.numbers.compared, self.notes
        if self.elements.decisions is None:
            return lambda left, right: bool(compared(left, relation, right))

        def noted(left: Any, right: Any) -> bool:
            notes.append(_sign(left, right))
            return bool(compared(left, relation, right))

        return noted

    def _winners(
        self, kind: str, *, strictly: bool = True
    ) -> Callable[[Sequence[Any]], int]:  # fmt: skip
        """The place of the largest, or of the least: of the first of them, or of the last."""
        compared, notes = self.numbers.compared, self.notes
        relation = ("<" if kind.endswith("max") else ">") + ("" if strictly else "=")
        watched = self.elements.decisions is not None

        def first(values: Sequence[Any]) -> int:
            if not values:
                raise Undefined(f"the {kind} of no number")
            best = 0
            for place in range(1, len(values)):
                if compared(values[best], relation, values[place]):
                    best = place
            if watched:
                notes.append(tuple(k for k, v in enumerate(values) if v == values[best]))
            return best

        return first

    # --------------------------------------------------------------------------- binders

    def _binder(self, binder: Binder, letters: Mapping[str, int]) -> Code:
        slot, numbers = self.slot(), self.numbers
        inside = {**letters, binder.range.letter: slot}
        lower, upper = (self.place(e, letters) for e in (binder.range.lower, binder.range.upper))
        keeps = self.condition(binder.conditions, inside) if binder.conditions else None
        body = self.code(binder.body, inside)

        def kept(env: list[Any]) -> list[int]:
            found = []
            for value in range(lower(env), upper(env) + 1):
                env[slot] = value
                if keeps is None or keeps(env):
                    found.append(value)
            return found

        def values(env: list[Any]) -> list[Any]:
            found = []
            for value in range(lower(env), upper(env) + 1):
                env[slot] = value
                if keeps is None or keeps(env):
                    found.append(body(env))
            return found

        match binder.kind:
            case "sum":
                zero = self.zero

                def summed(env: list[Any]) -> Any:
                    terms = values(env)
                    return numbers.total(terms) if terms else zero

                return summed
            case "count":
                whole = _Wholes(numbers)
                return lambda env: whole[len(kept(env))]
            case "mean":

                def mean(env: list[Any]) -> Any:
                    terms = values(env)
                    if not terms:
                        raise Undefined("the mean of no number")
                    size = numbers.number(Fraction(1, len(terms)))
                    return numbers.product([size, numbers.total(terms)])

                return mean
            case "max" | "min":
                first = self._winners(binder.kind)

                def extreme(env: list[Any]) -> Any:
                    found = values(env)
                    return found[first(found)]

                return extreme
            case "logsumexp":

                def logsumexp(env: list[Any]) -> Any:
                    shift, _, total = self._exponentials(values(env))
                    found = numbers.function("log", total)
                    return found if shift is None else numbers.total([found, shift])

                return logsumexp
        return self._at_one_index(binder, letters, slot, keeps, kept, values)

    def _at_one_index(
        self,
        binder: Binder,
        letters: Mapping[str, int],
        slot: int,
        keeps: Code | None,
        kept: Code,
        values: Code,
    ) -> Code:
        """What a binder that keeps its letter is at the index ``at``; all indices at once."""
        if binder.at is None or binder.kind not in ("softmax", "argmax", "argmin"):
            raise TypeError(f"no way to evaluate {binder.kind}")
        numbers, one, zero = self.numbers, self.one, self.zero
        first = self._winners(binder.kind)

        def softmax(env: list[Any]) -> dict[int, Any]:
            indices = kept(env)
            _, powers, total = self._exponentials(values(env))
            inverse = numbers.power(total, -1)
            parts = [numbers.product([power, inverse]) for power in powers]
            return dict(zip(indices, parts, strict=True))

        def winner(env: list[Any]) -> dict[int, Any]:
            return {kept(env)[first(values(env))]: one}

        computed = softmax if binder.kind == "softmax" else winner
        at, lower, upper = (
            self.place(e, letters) for e in (binder.at, binder.range.lower, binder.range.upper)
        )
        known: dict[Any, dict[int, Any]] = {}
        self.memos.append(known)
        outside = free_letters(Binder("sum", binder.range, binder.conditions, binder.body))
        slots = [letters[name] for name in sorted(outside) if name in letters]
        watched = self.elements.decisions is not None

        def picked(env: list[Any]) -> Any:
            place = at(env)
            env[slot] = place
            if not lower(env) <= place <= upper(env) or not (keeps is None or keeps(env)):
                return zero
            key = tuple([env[each] for each in slots])
            found = known.get(key)
            if found is None or watched:  # what is decided is noted for every element
                found = known[key] = computed(env)
            return found.get(place, zero)

        return picked

    def _exponentials(self, values: Sequence[Any]) -> tuple[Any, list[Any], Any]:
        """What all exponents are lessened by (None: nothing), the e^u, and their sum."""
        numbers, shift = self.numbers, None
        if not values:
            raise Undefined("the logarithm of an empty sum")
        if isinstance(numbers, Floats):  # no number is too large for an exact one
            shift = max(values)
            values = [value - shift for value in values]
        powers = [numbers.function("exp", value) for value in values]
        return shift, powers, numbers.total(powers)


class _Wholes(dict[int, Any]):
    """Whole numbers in an arithmetic."""

    def __init__(self, numbers: Any) -> None:
        super().__init__()
        self.numbers = numbers

    def __missing__(self, value: int) -> Any:
        found = self[value] = self.numbers.number(Fraction(value))
        return found


def _sign(left: Any, right: Any) -> int:
    return (left > right) - (left < right)


def rational(term: Term) -> Fraction | None:
    """The number that a formula is by its form; None where it has any other part.

    >>> rational(Times((Number(Fraction(-1)), Power(Number(Fraction(2)), Number(Fraction(-1))))))
    Fraction(-1, 2)
    """
    match term:
        case Number(value):
            return value
        case Measure(Affine() as index) if index.is_number:
            return Fraction(index.constant)
        case Plus(terms):
            parts = [rational(part) for part in terms]
            return None if None in parts else sum((p for p in parts if p is not None), Fraction(0))
        case Times(factors):
            found = Fraction(1)
            for part in map(rational, factors):
                if part is None:
                    return None
                found *= part
            return found
        case Power(base, exponent):
            below, above = rational(base), rational(exponent)
            if below is None or above is None or above.denominator != 1 or not below:
                return None
            return below**above.numerator
    return None
