"""The mistakes that one can make in an adjoint of a system: **one row each**, made on its terms.

Here one can

* read the table: `ROWS`, a `Row` a mistake with what is done wrong and how it is made of the right
  term;
* go through all that may have gone wrong in the definition of one adjoint: `slips`, the most
  specific first.  Each `Slip` has the term that somebody wrote instead, to be evaluated and
  compared; pages and arrays use the same table.

A row's making takes one part of the right side and what is around it (`Place`) and gives what
stands there instead, with the words of its sentence.  Names that a dense network has too are those
of `symback.checking.mistakes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

from symback.checking.mistakes import Told
from symback.equations.indices import Affine, Condition, Lookup, Range, number
from symback.equations.system import Definition, Kind, System, adjoint_name
from symback.equations.terms import (
    MINUS,
    UNIT,
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
    children,
    given,
    moved_term,
    negative,
    product,
    rebuilt,
    total,
    walk,
)

Made = Iterator[tuple[Term, str]]
"""What is written instead, and the words that go into the row's sentence for {}."""


@dataclass(frozen=True)
class Place:
    """Where a part of a right side stands: the definition, and the ranges around the part."""

    system: System
    definition: Definition
    ranges: tuple[Range, ...]
    conditions: tuple[Condition, ...] = ()
    is_top: bool = True
    """Whether the part is a contribution: no product or function stands around it."""

    @cached_property
    def stepping(self) -> dict[str, int]:
        """The axis of time of each array of a recurrence, and of those that it reads."""
        return {name: axis for group in self.system.groups for name, axis in group.axes.items()}

    @cached_property
    def uppers(self) -> dict[str, Affine]:
        """How far each letter runs."""
        return {each.letter: each.upper for each in self.ranges}

    @property
    def own(self) -> str:
        """The array whose adjoint is defined."""
        return self.definition.name.removeprefix("∇")

    def is_shifted(self, read: Read) -> bool:
        """Whether it is an adjoint at another step than the one that is defined."""
        axis = self.stepping.get(read.array)
        if axis is None or not read.array.startswith("∇"):
            return False
        return read.indices[axis] not in self.definition.at or not isinstance(
            read.indices[axis], Affine
        )


Make = Callable[[Term, Place], Made]


@dataclass(frozen=True, slots=True)
class Row:
    """A mistake: its name, what is done wrong, the sentence, and how it is made at a place."""

    name: str
    identity: str
    says: str
    make: Make
    everywhere: bool = True
    """Whether at each part, or of the right side as a whole only."""


@dataclass(frozen=True, slots=True)
class Slip:
    """One way to get one definition wrong: ``term`` is written instead of its right side."""

    told: Told
    definition: Definition
    term: Term


def slips(definition: Definition, system: System) -> Iterator[Slip]:
    """All that the table can get wrong in a definition, each other right side once."""
    seen: set[Term] = {definition.term}
    start = Place(system, definition, definition.ranges)
    for row in ROWS:
        made = _everywhere(definition.term, start, row.make) if row.everywhere else row.make(
            definition.term, start
        )  # fmt: skip
        for term, words in made:
            if term not in seen:
                seen.add(term)
                yield Slip(Told(row.name, row.says.format(words)), definition, term)


def _everywhere(term: Term, place: Place, make: Make) -> Made:
    yield from make(term, place)
    inner = _inside(term, place)
    for k, part in enumerate(children(term)):
        for new, words in _everywhere(part, inner, make):
            yield _with(term, k, new), words


def _inside(term: Term, place: Place) -> Place:
    match term:
        case Binder(kind, range, conditions):
            is_sum = place.is_top and kind in ("sum", "mean")
            return replace(place, ranges=(*place.ranges, range), is_top=is_sum,
                           conditions=(*place.conditions, *conditions))  # fmt: skip
        case Given(conditions):
            return replace(place, conditions=(*place.conditions, *conditions))
        case Plus():
            return place
    return replace(place, is_top=False)


def _with(term: Term, k: int, new: Term) -> Term:
    """``term`` with ``new`` for its part number ``k``."""
    counted = iter(range(len(children(term))))
    return rebuilt(term, lambda part: new if next(counted) == k else part)


# ------------------------------------------------------------------------------------- helpers


def _reads(term: Term) -> list[Read]:
    return [part for part in walk(term) if isinstance(part, Read)]


def shown(read: Read) -> str:
    """An element as a sentence names it: ∇a[t+1,j]."""
    inside = ",".join(map(str, read.indices))
    return f"{read.array}[{inside}]" if inside else read.array


def _adjoints(term: Term) -> list[Read]:
    return [read for read in _reads(term) if read.array.startswith("∇")]


def _without(terms: tuple[Term, ...], k: int) -> tuple[Term, ...]:
    return terms[:k] + terms[k + 1 :]


def _own_function(name: str, system: System) -> Call | None:
    """The function that an array is of another: h[t,i] = tanh(a[t,i])."""
    for each in system.defining.get(name, ()):
        if isinstance(each.term, Call) and len(each.term.arguments) == 1:
            return each.term
    return None


def _is_softmax(name: str, system: System) -> bool:
    return any(
        isinstance(part, Binder) and part.kind == "softmax"
        for each in system.defining.get(name, ())
        for part in walk(each.term)
    )


def _is_slope(factor: Term, place: Place) -> bool:
    """Whether a factor is, by its look, the slope of a function: made of its value, no adjoint."""
    if isinstance(factor, (Number, Measure)) or _adjoints(factor):
        return False
    return any(_own_function(read.array, place.system) for read in _reads(factor)) and not any(
        isinstance(part, Binder) for part in walk(factor)
    )


# ------------------------------------------------------------------------- the sums and the terms


def _truncated(term: Term, place: Place) -> Made:
    """What comes back from another step of the recurrence is left out."""
    if isinstance(term, Plus) and place.is_top:
        back = [any(map(place.is_shifted, _adjoints(each))) for each in term.terms]
        if any(back) and not all(back):
            kept = total(
                each for each, is_back in zip(term.terms, back, strict=True) if not is_back
            )
            lost = next(
                read for each in term.terms for read in _adjoints(each) if place.is_shifted(read)
            )
            yield kept, shown(lost)
            if sum(back) > 1:
                for k, is_back in enumerate(back):
                    if is_back:
                        read = next(filter(place.is_shifted, _adjoints(term.terms[k])))
                        yield total(_without(term.terms, k)), shown(read)


def _no_direct(term: Term, place: Place) -> Made:
    """Only what comes back from another step is left."""
    if isinstance(term, Plus) and place.is_top:
        back = [any(map(place.is_shifted, _adjoints(each))) for each in term.terms]
        if any(back) and not all(back):
            kept = [each for each, is_back in zip(term.terms, back, strict=True) if is_back]
            yield total(kept), place.own
            edges = [c.negated for each in kept if isinstance(each, Given) for c in each.conditions]
            if edges:  # hardly anybody forgets it at the step where nothing comes back
                direct = (e for e, is_back in zip(term.terms, back, strict=True) if not is_back)
                yield total((*kept, given(edges[:1], total(direct)))), place.own


def _missing_path(term: Term, place: Place) -> Made:
    if isinstance(term, Plus) and place.is_top and len(term.terms) > 1:
        for k, each in enumerate(term.terms):
            read = next(iter(_adjoints(each)), None)
            through = read.array.removeprefix("∇") if read else "the loss itself"
            yield total(_without(term.terms, k)), through
        if len(term.terms) > 2:
            for k, each in enumerate(term.terms):
                read = next(iter(_adjoints(each)), None)
                others = [
                    r.array.removeprefix("∇")
                    for m, other in enumerate(term.terms)
                    for r in _adjoints(other)[:1]
                    if m != k
                ]
                if read is not None:
                    yield each, " and ".join(dict.fromkeys(others)) or "the others"


def _softmax_diagonal(term: Term, place: Place) -> Made:
    """P (∇P - Σ P ∇P): without the sum, or with its own entry alone."""
    if not isinstance(term, Times):
        return
    is_softmax = any(
        isinstance(factor, Read) and _is_softmax(factor.array, place.system)
        for factor in term.factors
    )
    if is_softmax:
        for k, factor in enumerate(term.factors):
            if isinstance(factor, Plus):
                for m, each in enumerate(factor.terms):
                    if any(isinstance(part, Binder) for part in walk(each)):
                        yield _with(term, k, total(_without(factor.terms, m))), ""
                        for alone in _alone(each, place):
                            yield _with(term, k, _with(factor, m, alone)), ""


def _alone(term: Term, place: Place) -> Iterator[Term]:
    """A sum in ``term`` replaced by the entry at a free letter with the same range."""
    if isinstance(term, Binder) and term.kind == "sum":
        for each in place.ranges:
            if each.upper == term.range.upper and each.letter != term.range.letter:
                body = moved_term(term.body, {term.range.letter: Affine(0, ((each.letter, 1),))})
                yield body
        return
    for k, part in enumerate(children(term)):
        for new in _alone(part, place):
            yield _with(term, k, new)


def _missing_term(term: Term, place: Place) -> Made:
    if isinstance(term, Plus) and not place.is_top:
        for k, each in enumerate(term.terms):
            reads = _reads(each)
            what = f"the term with {shown(reads[-1])}" if reads else "a number"
            yield total(_without(term.terms, k)), what


def _missing_step(term: Term, place: Place) -> Made:
    if isinstance(term, Binder) and term.kind == "sum" and _is_time(term, place):
        name, run = term.range.letter, term.range
        yield (
            replace(term, range=replace(run, lower=run.lower + number(1))),
            f"{name} = {run.lower}",
        )
        yield (
            replace(term, range=replace(run, upper=run.upper - number(1))),
            f"{name} = {run.upper}",
        )


def _is_time(term: Binder, place: Place) -> bool:
    """Whether a sum runs over the steps of a recurrence."""
    return any(
        (axis := place.stepping.get(read.array)) is not None
        and term.range.letter in read.indices[axis].names
        for read in _reads(term.body)
    )


def _single(term: Term, place: Place) -> Made:
    """Only the first or the last term of a sum."""
    if isinstance(term, Binder) and term.kind == "sum" and not term.conditions:
        name, run = term.range.letter, term.range
        if place.is_top:
            yield moved_term(term.body, {name: run.upper}), f"{name} = {run.upper}"
            yield moved_term(term.body, {name: run.lower}), f"{name} = {run.lower}"


def _average(term: Term, _place: Place) -> Made:
    if isinstance(term, Binder) and term.kind == "sum":
        yield replace(term, kind="mean"), f"the sum over {term.range.letter}"
        if isinstance(term.body, Binder) and term.body.kind == "sum":
            inner = replace(term.body, kind="mean")
            both = f"the sum over {term.range.letter} and {inner.range.letter}"
            yield replace(term, kind="mean", body=inner), both


def _sum_for_average(term: Term, _place: Place) -> Made:
    if isinstance(term, Binder) and term.kind == "mean":
        yield replace(term, kind="sum"), f"the mean over {term.range.letter}"


def _overwritten(term: Term, place: Place) -> Made:
    if isinstance(term, Binder) and term.kind == "sum":
        conditions = [*term.conditions]
        for part in walk(term.body):
            if isinstance(part, Given):
                conditions += part.conditions
            if isinstance(part, Binder):
                conditions += part.conditions
        if any(each.relation == "==" for each in conditions) and isinstance(term.body, Given):
            inner = term.body
            yield replace(term, kind="last", body=inner.body,
                          conditions=(*term.conditions, *inner.conditions)), place.own  # fmt: skip
        elif any(each.relation == "==" for each in term.conditions):
            yield replace(term, kind="last"), place.own


def _mask_forgotten(term: Term, _place: Place) -> Made:
    def is_order(each: Condition) -> bool:
        return each.relation in ("<", "<=") and not any(
            isinstance(side, Lookup) for side in (each.left, each.right)
        )

    match term:
        case Given(conditions, body) if any(map(is_order, conditions)):
            yield given((c for c in conditions if not is_order(c)), body), str(conditions[0])
        case Binder(conditions=conditions) if any(map(is_order, conditions)):
            kept = tuple(c for c in conditions if not is_order(c))
            yield replace(term, conditions=kept), str(conditions[0])


# -------------------------------------------------------------------------------- the factors


def _missing_slope(term: Term, place: Place) -> Made:
    if isinstance(term, Times):
        slopes = [k for k, factor in enumerate(term.factors) if _is_slope(factor, place)]
        whole = [f for k, f in enumerate(term.factors) if k not in slopes]
        by_array: dict[str, list[int]] = {}
        for k in slopes:
            for read in _reads(term.factors[k]):
                by_array.setdefault(read.array, []).append(k)
        for name, at in by_array.items():
            if any(not isinstance(term.factors[k], Read) for k in at):
                kept = [f for k, f in enumerate(term.factors) if k not in at]
                yield product(kept), f"of {name}"
        if len(slopes) > 1 and whole:
            yield product(whole), ""
    if isinstance(term, Read) and term.array.startswith("∇"):
        own = term.array.removeprefix("∇")
        for other in place.system.by_name:
            function = _own_function(other, place.system)
            if function is not None and _reads(function)[:1] and _reads(function)[0].array == own:
                yield Read(adjoint_name(other), term.indices), f"of {other}"


def _part_of_slope(term: Term, place: Place) -> Made:
    if isinstance(term, Times):
        for k, factor in enumerate(term.factors):
            if _is_slope(factor, place):
                read = _reads(factor)[0]
                yield product(_without(term.factors, k)), f"of {read.array}"


def _other_slope(term: Term, place: Place) -> Made:
    """1 - h² for h (1 - h), and the other way round."""
    if isinstance(term, Plus) and len(term.terms) == 2 and _is_slope(term, place):
        h = _reads(term)[0]
        function = _own_function(h.array, place.system)
        if function is not None and len({*_reads(term)}) == 1:
            squared = total((UNIT, negative(Power(h, Number(Fraction(2))))))
            plain = total((UNIT, negative(h)))
            if term == squared:
                yield product((h, plain)), h.array
                yield plain, h.array
            elif term == plain:
                yield squared, h.array


def _activation_for_slope(term: Term, place: Place) -> Made:
    if isinstance(term, Plus) and _is_slope(term, place):
        yield _reads(term)[0], _reads(term)[0].array


def _before_function(term: Term, place: Place) -> Made:
    """The argument of a function where its value belongs, and the other way round."""
    if isinstance(term, Read):
        function = _own_function(term.array, place.system)
        if function is not None and isinstance(function.arguments[0], Read):
            other = function.arguments[0].array
            yield Read(other, term.indices), f"{other} stands where {term.array} belongs"
        for other in place.system.by_name:
            function = _own_function(other, place.system)
            if function is not None and function.arguments[0:1] and isinstance(
                function.arguments[0], Read
            ) and function.arguments[0].array == term.array:  # fmt: skip
                yield Read(other, term.indices), f"{other} stands where {term.array} belongs"


def _missing_weight(term: Term, place: Place) -> Made:
    if isinstance(term, Times):
        for k, factor in enumerate(term.factors):
            quantity = place.system.by_name.get(factor.array) if isinstance(factor, Read) else None
            if quantity is not None and quantity.kind is Kind.PARAMETER:
                yield product(_without(term.factors, k)), quantity.name


def _missing_factor(term: Term, _place: Place) -> Made:
    if isinstance(term, Times):
        for k, factor in enumerate(term.factors):
            if _adjoints(factor) or isinstance(factor, Number):
                continue
            reads = _reads(factor)
            what = shown(reads[0]) if reads else " ".join(
                str(part.index) for part in walk(factor) if isinstance(part, Measure)
            )  # fmt: skip
            yield product(_without(term.factors, k)), what or "a number"


def _transposed(term: Term, place: Place) -> Made:
    if isinstance(term, Read) and len(term.indices) == 2:
        first, second = term.indices
        quantity = place.system.by_name.get(term.array)
        if first != second and quantity is not None and quantity.kind is Kind.PARAMETER:
            yield Read(term.array, (second, first)), term.array


def _layout(term: Term, place: Place) -> Made:
    """The right side transposed as a whole."""
    at = place.definition.at
    names = [index.bare for index in at]
    if len(at) == 2 and None not in names:
        first, second = at
        yield moved_term(term, {names[0]: second, names[1]: first}), place.own  # type: ignore[dict-item]


def _other_step(term: Term, place: Place) -> Made:
    if isinstance(term, Read):
        axis = place.stepping.get(term.array)
        if axis is not None and isinstance(term.indices[axis], Affine):
            for by in (1, -1):
                new = list(term.indices)
                new[axis] = term.indices[axis] + number(by)  # type: ignore[operator]
                read = Read(term.array, tuple(new))
                yield read, f"{shown(read)} stands where {shown(term)} belongs"


def _sign(term: Term, _place: Place) -> Made:
    yield negative(term), ""


def _term_sign(term: Term, _place: Place) -> Made:
    if isinstance(term, Plus):
        for k, each in enumerate(term.terms):
            reads = _adjoints(each) or _reads(each)
            what = f"with {shown(reads[0])}" if reads else "that is a number"
            yield _with(term, k, negative(each)), what


def _constant(term: Term, _place: Place) -> Made:
    for value, words in ((Fraction(2), "2"), (Fraction(1, 2), "½")):
        yield product((Number(value), term)), words


def _divided(term: Term, place: Place) -> Made:
    for size in place.system.sizes:
        measure = Measure(Affine(0, ((size, 1),)))
        yield product((term, Power(measure, MINUS))), f"divided by {size}"
        yield product((measure, term)), f"multiplied by {size}"


ROWS: tuple[Row, ...] = (
    Row("softmax-diagonal-only", "of softmax's Jacobian only the diagonal is used",
        "the softmax couples all its entries; the sum over the others is left out",
        _softmax_diagonal),
    Row("truncated-through-time", "what comes back from the next step is left out",
        "what comes back through {}, from another step, is left out", _truncated),
    Row("missing-direct-term", "only what comes back from the next step is there",
        "only what comes back from the other step is there; how {} enters what is computed from it "
        "at its own step is left out", _no_direct),
    Row("missing-time-step", "the sum over the steps lacks the first or the last",
        "the sum over the steps leaves out {}", _missing_step),
    Row("single-time-step", "of the sum only one term is there",
        "of the sum only the term {} is there", _single),
    Row("wrong-time-step", "an array of another step", "{}", _other_step),
    Row("overwritten-scatter", "entries that meet at one index are overwritten, not added",
        "where several entries meet at one element of {}, only the last is kept; they add up (+=)",
        _overwritten),
    Row("mask-forgotten", "a condition on the indices is forgotten",
        "the condition {} is forgotten", _mask_forgotten),
    Row("missing-activation-derivative", "the slope of a function is left out",
        "the slope {} is missing", _missing_slope),
    Row("wrong-activation-derivative", "the slope of another function",
        "the slope of another function stands for that of {}", _other_slope),
    Row("partial-activation-derivative", "part of a slope is left out",
        "part of the slope {} is missing", _part_of_slope),
    Row("activation-for-derivative", "the value of a function stands for its slope",
        "{} itself stands where its slope belongs", _activation_for_slope),
    Row("preactivation-for-activation", "the argument of a function stands for its value",
        "{}", _before_function),
    Row("missing-path", "what goes through one array is left out",
        "what goes through {} is left out", _missing_path),
    Row("transposed-weight", "the indices of a matrix are exchanged",
        "the indices of {} are exchanged", _transposed),
    Row("matrix-layout", "an array is transposed", "this is the transpose of ∂L/∂{}",
        _layout, everywhere=False),
    Row("missing-weight", "a weight is left out", "the factor {} is missing", _missing_weight),
    Row("average-for-sum", "a mean stands for a sum", "{} is divided by its number of terms",
        _average),
    Row("sum-for-average", "a sum stands for a mean", "{} is not divided by its number of terms",
        _sum_for_average),
    Row("missing-factor", "a factor is left out", "the factor {} is missing", _missing_factor),
    Row("missing-term", "a term is left out", "{} is missing", _missing_term),
    Row("sign-flipped", "the whole sign", "the sign is wrong", _sign, everywhere=False),
    Row("path-sign", "one term is subtracted", "the term {} has the wrong sign", _term_sign),
    Row("constant-factor", "a number too many", "{} times as much as it should be", _constant,
        everywhere=False),
    Row("average-for-sum", "divided by a size", "{}", _divided, everywhere=False),
)  # fmt: skip
"""The most specific first: what two rows both explain is told by the first."""
