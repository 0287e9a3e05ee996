"""The derivation of one element of an array: ∂L/∂U_12, from the loss back.

Here one can

* derive it: `Derivation`, whose ``general`` deductions are one a kind of equation (∂L/∂h[t]_i,
  ∂L/∂a[t]_i), whose ``conclusion`` is about the element (first the sum over its uses, then that sum
  term by term, then filled in), and whose ``elements`` are the derivatives that the conclusion
  reads, with numbers for indices, where they are few;
* tell a recurrence from its end: `told_apart`, ∂L/∂h[T]_i and ∂L/∂h[t]_i for t < T.

What is filled in is decided by how long the result is, and by nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from sympy import Expr

from symback.engine.derivation import Rule
from symback.equations import writing
from symback.equations.adjoints import Backward, Deduction, Step, says_nothing
from symback.equations.algebra import tidy
from symback.equations.conversion import as_sympy
from symback.equations.indices import (
    Affine,
    Condition,
    Index,
    Range,
    decided,
    letter,
    number,
)
from symback.equations.naming import file_name
from symback.equations.system import Definition, System, needed
from symback.equations.terms import (
    ZERO,
    Given,
    Plus,
    Read,
    Term,
    given,
    moved_term,
    reads,
    rebuilt,
    walk,
)
from symback.equations.unrolling import Unrolling, leaves
from symback.language.names import UnknownName

MOST_WRITTEN = 40
"""A line with more names and numbers than this keeps its sums, but the first."""
MOST_FILLED = 80
"""A line that would have more keeps the derivatives in it by name."""
MOST_ELEMENTS = 24
"""Of so many derivatives each is shown with its indices; of more only the general line."""


@dataclass(frozen=True)
class Derivation:
    """The derivation of ∂L/∂element; the indices of the element are numbers.

    >>> from symback.equations.adjoints import backward
    >>> from symback.equations.indices import number
    >>> from symback.equations.reading import from_text
    >>> line = "L = sum(t, (w[t] - 1)**2)"
    >>> system = from_text(line, sizes={"T": 3}, parameters={"w": ["T"]})
    >>> print(Derivation(backward(system), Read("w", (number(2),))))
    ∂L/∂w_2 = 2·(w_2 - 1)
    """

    backward: Backward
    element: Read

    @property
    def system(self) -> System:
        """The forward and the adjoint definitions."""
        return self.backward.system

    @property
    def name(self) -> str:
        """The element as it prints: ``U_12``, ``h[2]_1``."""
        return writing.text(self.system).element(self.element)

    @cached_property
    def general(self) -> tuple[Deduction, ...]:
        """The deductions between, for every index, from the loss back."""
        return tuple(
            replace(each, steps=_telling(each.steps))
            for each in _between(self.backward, self.element)
        )

    @cached_property
    def _elements(self) -> _Elements:
        return _Elements(self.backward, Unrolling(self.system))

    @cached_property
    def conclusion(self) -> Deduction:
        """That of the element: its uses, then those one by one, then filled in where short."""
        return self._elements.conclusion(self.element)

    @cached_property
    def elements(self) -> tuple[Deduction, ...]:
        """The derivatives that the conclusion reads, each after those it reads itself.

        Empty where they are too many, or a size among them is symbolic.
        """
        return tuple(self._elements.read_by(self.conclusion))

    @property
    def steps(self) -> tuple[Step, ...]:
        """The chain of equal right-hand sides."""
        return self.conclusion.steps

    @property
    def deductions(self) -> tuple[Deduction, ...]:
        """All of them, from the loss back, the conclusion last."""
        return (*self.general, *self.elements, self.conclusion)

    @property
    def result(self) -> Term:
        """The last line."""
        return self.steps[-1].term

    @property
    def expr(self) -> Expr:
        """The result as a SymPy expression, in symbols named as they print and ∂L/∂a by name."""
        return as_sympy(self.result, self.system)

    @property
    def place(self) -> tuple[int, ...]:
        """The indices of the element."""
        return places(self.element)

    def __str__(self) -> str:
        writer = writing.text(self.system)
        return f"{writer.element(self.conclusion.definition.lhs)} = {writer.write(self.result)}"


def places(read: Read) -> tuple[int, ...]:
    """The indices of an element, which are numbers."""
    found = [index.constant for index in read.indices if isinstance(index, Affine)]
    assert len(found) == len(read.indices)
    return tuple(found)


def _between(backward: Backward, element: Read) -> tuple[Deduction, ...]:
    """The deductions of the arrays whose derivatives lead to that of the element."""
    own = backward.adjoints[element.array][0].definition.name
    system = needed(backward.system, [own])
    read = [
        (reading.read, (*each.ranges, *reading.ranges))
        for each in system.definitions
        for reading in reads(each.term)
    ]

    def is_read(definition: Definition) -> bool:
        return any(
            one.array == definition.name and _may_be(one, definition, ranges)
            for one, ranges in read
        )

    deductions = {
        (deduction.definition.name, deduction.definition.at): deduction
        for each in backward.adjoints.values()
        for deduction in each
    }
    wanted = (each for each in system.definitions if is_read(each))
    return tuple(deductions[d.name, d.at] for d in wanted if (d.name, d.at) in deductions)


def _may_be(read: Read, definition: Definition, ranges: tuple[Range, ...]) -> bool:
    """Whether what is read may be an element that a definition is about."""
    letters = {each.letter for each in definition.ranges}
    return all(
        own.bare in letters or decided(Condition(index, "==", own), ranges) is not False
        for index, own in zip(read.indices, definition.at, strict=True)
    )


class _Elements:
    """Deductions with numbers for indices, each made once."""

    def __init__(self, backward: Backward, unrolling: Unrolling) -> None:
        self.backward, self.unrolling = backward, unrolling
        self.of = {  # ∇a: a
            deduction.definition.name: name
            for name, deductions in backward.adjoints.items()
            for deduction in deductions
        }
        self.lines: dict[Read, Term | None] = {}
        self.lengths: dict[Read, int] = {}

    def conclusion(self, element: Read) -> Deduction:
        """The deduction of an element: the general lines at its indices, written out, filled in."""
        general, moves = self._general(element)
        steps = [
            replace(
                step,
                term=self.unrolling.written_out(moved_term(step.term, moves), 0),
                uses=(),
            )
            for step in general.steps
        ]
        last = moved_term(general.definition.term, moves)
        steps += [Step(Rule.UNROLL, line) for line in self._written_out(last)]
        filled = self._filled(steps[-1].term)
        if filled is not None:
            steps.append(Step(Rule.SUBSTITUTE, filled))
        kept = _telling(steps)
        own = replace(general.definition, at=_numbers(element), ranges=(), term=kept[-1].term)
        return Deduction(element, own, kept)

    def read_by(self, conclusion: Deduction) -> Iterator[Deduction]:
        """The derivatives that a conclusion reads, those first that are read by others.

        None where they are too many, or have no numbers for indices.
        """
        lines = (s.term for s in reversed(conclusion.steps) if s.rule is not Rule.SUBSTITUTE)
        for read in self._order(next(lines)) or ():
            of = Read(self.of[read.array], read.indices)
            general, _ = self._general(of)
            line = self._line(read)
            assert line is not None
            if not general.definition.ranges:
                continue  # it has one index only, and was told
            own = replace(general.definition, at=_numbers(read), ranges=(), term=line)
            yield Deduction(of, own, (Step(Rule.INSTANTIATE, line),))

    def _general(self, element: Read) -> tuple[Deduction, dict[str, Index]]:
        """The deduction for every index, and what its letters are here."""
        for deduction in self.backward.adjoints[element.array]:
            letters = {each.letter for each in deduction.definition.ranges}
            pairs = [*zip(deduction.definition.at, element.indices, strict=True)]
            if all(
                own.bare in letters or self.unrolling.index(own) == index for own, index in pairs
            ):
                return deduction, {own.bare: index for own, index in pairs if own.bare in letters}
        raise UnknownName(f"{file_name(element)} is no element that leads to the loss")

    def _written_out(self, term: Term) -> list[Term]:
        """The line with its sums written out, all of them or the outermost; none where too long."""
        if self.unrolling.length(term) <= MOST_WRITTEN:
            return [self.unrolling.written_out(term)]
        outermost = self.unrolling.written_out(term, 1)
        return [outermost] if leaves(outermost) <= MOST_WRITTEN else []

    # ------------------------------------------------------------- derivatives that are read

    def _line(self, read: Read) -> Term | None:
        """The derivative ``read`` at its indices, sums written out; None where that is too long."""
        if read not in self.lines:
            general, moves = self._general(Read(self.of[read.array], read.indices))
            last = moved_term(general.definition.term, moves)
            is_short = self.unrolling.length(last) <= MOST_WRITTEN
            self.lines[read] = self.unrolling.written_out(last) if is_short else None
        return self.lines[read]

    def _reads(self, term: Term) -> list[Read]:
        """The derivatives that a formula reads."""
        found = (part for part in walk(term) if isinstance(part, Read) and part.array in self.of)
        return list(dict.fromkeys(found))

    def _order(self, term: Term) -> list[Read] | None:
        """All derivatives behind a formula, each after those it reads; None where too many."""
        found: dict[Read, None] = {}
        entered: set[Read] = set()
        waiting = [(read, False) for read in reversed(self._reads(term))]
        while waiting:
            read, is_done = waiting.pop()
            if is_done:
                found[read] = None
                continue
            if read in entered:
                continue
            entered.add(read)
            is_one = all(index.is_number for index in read.indices)
            line = self._line(read) if is_one and len(entered) <= MOST_ELEMENTS else None
            if line is None:
                return None
            waiting.append((read, True))
            waiting += [(each, False) for each in reversed(self._reads(line))]
        return list(found)

    def _filled(self, term: Term) -> Term | None:
        """``term`` with all derivatives in it filled in; None where that is too long."""
        order = self._order(term)
        if order is None:
            return None
        full: dict[Term, Term] = {}
        for read in order:
            line = self._line(read)
            assert line is not None
            full[read] = _replaced(line, full)
            if leaves(full[read]) > MOST_FILLED:
                return None
        whole = tidy(_replaced(term, full))
        return whole if leaves(whole) <= MOST_FILLED else None


def _telling(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps that change a line by more than the order of its terms; the later one is kept."""
    found: list[Step] = []
    for step in steps:
        if found and _alike(found[-1].term, step.term):
            found[-1] = replace(found[-1], term=step.term)
        else:
            found.append(step)
    return tuple(found)


def _alike(one: Term, other: Term) -> bool:
    """Whether two lines have the same terms."""
    if isinstance(one, Plus) and isinstance(other, Plus):
        return Counter(one.terms) == Counter(other.terms)
    return one == other


def _replaced(term: Term, known: dict[Term, Term]) -> Term:
    return known[term] if term in known else rebuilt(term, lambda part: _replaced(part, known))


def _numbers(read: Read) -> tuple[Affine, ...]:
    return tuple(map(number, places(read)))


# ---------------------------------------------------------------------------- a recurrence's end


def told_apart(deduction: Deduction) -> tuple[Deduction, ...]:
    r"""A deduction whose last line has terms for t < T only, as one at T and one for t < T.

    >>> from symback.equations.reading import from_text
    >>> from symback.equations.adjoints import backward
    >>> system = from_text(
    ...     "h[0] = 1\nh[t] = w*h[t-1]\nL = sum(t, h[t])",
    ...     sizes={"T": "T"},
    ...     parameters={"w": []},
    ...     ranges={"t": "T"},
    ... )
    >>> [str(each.definition.at[0]) for each in told_apart(backward(system).adjoints["h"][-1])]
    ['T', 't']
    """
    for over in deduction.definition.ranges:
        t = letter(over.letter)
        ends = (
            (over.upper, t + number(1), over.upper, replace(over, upper=over.upper - number(1))),
            (over.lower, over.lower, t - number(1), replace(over, lower=over.lower + number(1))),
        )
        for end, low, high, shorter in ends:
            if not _has_condition(deduction.definition.term, low, high):
                continue
            others = tuple(each for each in deduction.definition.ranges if each is not over)
            rest = tuple(shorter if each is over else each for each in deduction.definition.ranges)
            last = _changed(deduction, others, {over.letter: end})
            return last, _changed(deduction, rest, {})
    return (deduction,)


def _has_condition(term: Term, low: Affine, high: Affine) -> bool:
    """Whether something in ``term`` counts only where low ≤ high."""
    return any(
        isinstance(part, Given)
        and any(
            each.relation == "<="
            and isinstance(each.left, Affine)
            and isinstance(each.right, Affine)
            and each.right - each.left == high - low
            for each in part.conditions
        )
        for part in walk(term)
    )


def _changed(deduction: Deduction, ranges: tuple[Range, ...], moves: dict[str, Index]) -> Deduction:
    """The deduction for other ranges, with letters replaced and conditions decided."""
    old = deduction.definition
    at = tuple(moves.get(index.bare or "", index) for index in old.at)

    def changed(term: Term) -> Term:
        return _decided(moved_term(term, moves), ranges)

    steps = [replace(step, term=changed(step.term)) for step in deduction.steps]
    kept = _telling([step for step in steps if not says_nothing(step.term)] or steps)
    own = Definition(old.name, at, ranges, changed(old.term))  # type: ignore[arg-type]
    return Deduction(Read(deduction.of.array, at), own, kept)


def _decided(term: Term, ranges: tuple[Range, ...]) -> Term:
    """Conditions outside of binders that hold for all indices, or for none, left out."""
    match term:
        case Given(conditions, body):
            truths = {each: decided(each, ranges) for each in conditions}
            if False in truths.values():
                return ZERO
            kept = [each for each, truth in truths.items() if truth is None]
            return given(kept, _decided(body, ranges))
    return rebuilt(term, lambda part: _decided(part, ranges))
