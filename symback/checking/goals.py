"""What a page answers of what was asked: which derivatives it gives, and whether to the end.

Here one can

* ask how far a page answers each derivative: `Answers.goal`;
* ask whether anything on it says what a derivative is: `reaches`.

A derivative is **answered** where a right line says what it is in quantities alone, or in
derivatives that the page itself answers: ∂L/∂w_212 = δ_21 h_12 beside δ_21 = ŷ_1 - y_1.  It is
answered **partly** where a right line still holds derivatives that nothing on the page says.  A
line with the derivative itself on the right says nothing, ∂L/∂w = ∂L/∂w among them.  The last word
on a derivative counts: what is right and then goes on wrong is not answered.  g′(a) is a function,
and no derivative that is left over.  Lines for single cases ("if a_11 > 0") answer together, where
their cases are all there are.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from symback.checking.claims import bare, subject
from symback.checking.page import Definition
from symback.checking.report import Answer, Goal, Verdict
from symback.language.budget import spend
from symback.language.expressions import (
    LAYERED,
    Array,
    Comparison,
    Derivative,
    Element,
    Free,
    Index,
    Named,
    Node,
    children,
    free_letters,
    reindexed,
    walk,
)

MOST_WANTED = 500
"""So many derivatives are followed from one that was asked for."""

MOST_INSTANCES = 64
"""Neurons that a sum may run over for its derivatives to be looked up one by one."""


@dataclass(frozen=True, slots=True)
class Said:
    """One side that was compared: what it is about, on which line, and what came of it.

    ``place`` is that of its line in the report.  ``left`` and ``right`` are without the conditions
    ``given``, under which alone they are said.
    """

    place: int
    left: Node
    right: Node
    line: int
    verdict: Verdict
    given: tuple[Comparison, ...] = ()

    @property
    def is_right(self) -> bool:
        """Whether it holds, under a condition perhaps."""
        return self.verdict in (Verdict.PROVED, Verdict.CONDITIONAL)

    @property
    def is_wrong(self) -> bool:
        """Whether it is false, by its own fault or not."""
        return self.verdict in (Verdict.REFUTED, Verdict.FOLLOWS)


def reaches(
    said: Iterable[Said], wanted: Node | None, definitions: Sequence[Definition] = ()
) -> bool:
    """Whether a right line says what ``wanted`` is, or without it what any derivative is.

    ``wanted`` is ∂L/∂w for one weight; a claim about all of them, by letters or as an array, will
    do.  A right side that holds the derivative itself does not say what it is.
    """
    for each in said:
        about = subject(each.left, definitions)
        in_general = all(one.relation == "=" for one in each.given)
        if not (each.is_right and in_general and isinstance(about, Derivative)):
            continue
        if isinstance(about.by, Free):
            continue
        asked = wanted if isinstance(wanted, Derivative) else about
        right = bare(each.right, definitions)
        if _letters(about, asked) is not None and not _says_nothing(right, asked):
            return True
    return False


# ------------------------------------------------------------------------------- how far it goes


@dataclass(frozen=True, slots=True)
class _Way:
    """One right line about a derivative: what must be known besides, and for which case it is."""

    needs: tuple[Derivative, ...]
    given: tuple[Comparison, ...]


class Answers:
    """The derivatives that a page answers.

    ``sizes`` gives the number of values of each own index of a letter in a layer, where they are
    numbers; ``are_all`` whether some cases, each a conjunction, leave nothing out.
    """

    def __init__(
        self,
        said: Sequence[Said],
        definitions: Sequence[Definition],
        sizes: Callable[[str, int | None], Sequence[int]],
        are_all: Callable[[Sequence[Sequence[Comparison]]], bool],
    ) -> None:
        self._said = [
            (each, about, bare(each.right, definitions))
            for each in said
            if isinstance(about := subject(each.left, definitions), Derivative)
        ]
        self._sizes, self._are_all = sizes, are_all
        self._answered: dict[Derivative, bool] = {}

    def goal(self, name: str, wanted: Derivative) -> Goal:
        """How far the page answers a derivative, and on which line."""
        found, cases = Goal(name, Answer.NOT_ANSWERED), []
        half: Goal | None = None
        for said, right in self._about(wanted):
            if said.is_wrong:
                found = half or Goal(name, Answer.NOT_ANSWERED)
                found = replace(found, reason=f"what line {said.line} says of it is wrong")
                cases.clear()
            elif said.is_right:
                if _needs(right) != ():
                    half = Goal(name, Answer.PARTLY, said.line, "derivatives are left in it")
                if not self._is_closed(right):
                    found = half or found if found.answer is Answer.NOT_ANSWERED else found
                    continue
                cases.append(said.given)
                if not said.given or self._are_all(cases):
                    found = Goal(name, Answer.ANSWERED, said.line)
                elif found.answer is not Answer.ANSWERED:
                    found = half = Goal(name, Answer.PARTLY, said.line, "not for all cases")
        return found

    def _about(self, wanted: Derivative) -> Iterator[tuple[Said, Node]]:
        """The lines that say what a derivative is, and their right sides for its indices."""
        for said, about, right in self._said:
            spend()
            letters = _letters(about, wanted)
            if letters is not None and not _says_nothing(own := reindexed(right, letters), wanted):
                yield said, own

    def _is_closed(self, right: Node) -> bool:
        """Whether a right side is in quantities, and in derivatives that the page answers."""
        needs = _needs(right)
        if needs is None:
            return False
        self._follow(needs)
        return all(map(self._is_answered, needs))

    def _follow(self, needs: Sequence[Derivative]) -> None:
        """Find out which of some derivatives, and of all that they lead to, are answered.

        What is answered grows from the lines without derivatives, so that no circle counts.
        """
        ways: dict[Derivative, list[_Way]] = {}
        waiting = [each for each in needs if each not in self._answered]
        while waiting and len(ways) < MOST_WANTED:
            wanted = waiting.pop()
            if wanted in ways or wanted in self._answered:
                continue
            ways[wanted] = [
                _Way(found, said.given)
                for said, right in self._about(wanted)
                if said.is_right and (found := _needs(right)) is not None
            ]
            waiting += [need for way in ways[wanted] for need in way.needs]
            waiting += self._instances(wanted)
        self._answered |= dict.fromkeys(ways, False)
        grows = True
        while grows:
            grows = False
            for wanted in [each for each in ways if not self._answered[each]]:
                known = [way.given for way in ways[wanted]
                         if all(map(self._is_answered, way.needs))]  # fmt: skip
                if known and (not all(known) or self._are_all(known)):
                    self._answered[wanted] = grows = True

    def _is_answered(self, wanted: Derivative) -> bool:
        """Whether it is known to be answered, by itself or for every neuron."""
        instances = self._instances(wanted)
        each = (self._answered.get(one, False) for one in instances)
        return self._answered.get(wanted, False) or (bool(instances) and all(each))

    def _instances(self, wanted: Derivative) -> list[Derivative]:
        """A derivative with letters, as in a sum over neurons, for each of their numbers."""
        runs: dict[str, int] = {}
        for part in (wanted.of, wanted.by):
            if not isinstance(part, Element):
                return []
            head = 1 if part.letter in LAYERED and part.indices else 0
            if head and not part.indices[0].is_number:
                return []
            layer = part.indices[0].offset if head else None
            for index, size in zip(
                part.indices[head:], self._sizes(part.letter, layer), strict=False
            ):
                if index.letter:
                    runs[index.letter] = size - index.offset
        letters = {*free_letters(wanted)}
        count = 1
        for letter in letters:
            count *= runs.get(letter, 0)
        if not letters or not 0 < count <= MOST_INSTANCES:
            return []
        names = sorted(letters)
        ranges = (range(1, runs[letter] + 1) for letter in names)
        made = []
        for numbers in itertools.product(*ranges):
            own = {a: Index("", n) for a, n in zip(names, numbers, strict=True)}
            one = reindexed(wanted, own)
            assert isinstance(one, Derivative)
            made.append(one)
        return made


def _needs(right: Node) -> tuple[Derivative, ...] | None:
    """The derivatives in a right side; None where a name in it is not known."""
    found: dict[Derivative, None] = {}

    def look(node: Node) -> bool:
        if isinstance(node, Derivative):
            found[node] = None
            return True
        return not isinstance(node, Named) and all(map(look, children(node)))

    return tuple(found) if look(right) else None


def _says_nothing(right: Node, wanted: Derivative) -> bool:
    """Whether a right side only asks again: it holds the derivative, or is one by the same."""
    if isinstance(right, Derivative) and right.by == wanted.by:
        return True
    return any(
        isinstance(part, Derivative)
        and (
            _letters(part, wanted) is not None
            or (part.by == wanted.by and any(each == wanted.of for each in walk(part.of)))
        )
        for part in walk(right)
    )


# ------------------------------------------------------------------- which derivative is which


def _letters(claimed: Derivative, wanted: Derivative) -> Mapping[str, Index] | None:
    """What the letters of a derivative are, where it is the one that is wanted; None elsewhere.

    ∂L/∂w_{2ij} is ∂L/∂w_212 for i = 1 and j = 2, and ∇_{W_k} L holds it for k = 2.
    """
    found: dict[str, Index] = {}
    same = _matches(claimed.of, wanted.of, found) and _matches(claimed.by, wanted.by, found)
    return found if same else None


def _matches(claimed: Node, wanted: Node, found: dict[str, Index]) -> bool:
    """Whether two quantities are one, or the claimed one is an array that holds the other."""
    if claimed == wanted:
        return True
    mine, its = _parts(claimed), _parts(wanted)
    if mine is None or its is None or mine[0] != its[0]:
        return False
    of_samples = getattr(claimed, "sample", None), getattr(wanted, "sample", None)
    if None not in of_samples:
        if not _index_matches(*of_samples, found):  # pyright: ignore[reportArgumentType]
            return False
    elif of_samples[0] != of_samples[1]:
        return False
    (_, own, is_array), (_, given, is_whole) = mine, its
    if is_array:
        given = given[: len(own)]
    elif is_whole:  # all of W_2, of which w_{2ij} with letters says each
        letters = [index.letter for index in own[len(given) :]]
        if not all(letters) or len({*letters}) < len(letters) or len(own) < len(given):
            return False
        own = own[: len(given)]
    return len(own) == len(given) and all(
        _index_matches(mine, its, found) for mine, its in zip(own, given, strict=True)
    )


def _parts(node: Node) -> tuple[str, tuple[Index, ...], bool] | None:
    """The letter of a quantity, its indices, and whether it is an array."""
    match node:
        case Element(letter, indices):
            return letter, indices, False
        case Array(letter, layer):
            return letter.lower(), () if layer is None else (layer,), True
    return None


def _index_matches(mine: Index, its: Index, found: dict[str, Index]) -> bool:
    if not mine.letter:
        return mine == its
    means = Index(its.letter, its.offset - mine.offset)
    return found.setdefault(mine.letter, means) == means
