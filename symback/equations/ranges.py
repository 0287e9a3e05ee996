"""Over what each letter runs, and the shape of what is computed: `find`.

A letter's range is the size of the places where it stands bare; the shape of a computed array is
that of its general equation, whose letters may have their ranges from other computed arrays.  So
letters and axes are the nodes of a graph, an edge for each place where a letter stands bare in an
axis; sizes go from node to node, and where two meet they must agree.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from symback.equations.formulas import shown_letter
from symback.equations.indices import (
    Affine,
    Moves,
    Range,
    condition_moved,
    letter,
    moved,
)
from symback.equations.places import Site, shown_read, sites
from symback.equations.system import Definition
from symback.equations.terms import (
    Binder,
    Call,
    Given,
    Measure,
    Plus,
    Power,
    Read,
    Term,
    Times,
    Where,
    walk,
)
from symback.language.tables import SpecError

Shapes: TypeAlias = Mapping[str, tuple[Affine, ...]]


@dataclass(frozen=True, slots=True)
class Draft:
    """An equation as read: its bound letters have names of their own, and no ranges yet.

    ``letters`` are those of the left side; what else stands there are numbers and sizes.
    """

    name: str
    at: tuple[Affine, ...]
    letters: tuple[str, ...]
    term: Term
    explicit: Mapping[str, Range]
    written: str
    place: str

    @property
    def is_base(self) -> bool:
        """Whether it is a base case."""
        return len(self.letters) < len(self.at)

    @property
    def read(self) -> Read:
        """The left side."""
        return Read(self.name, self.at)


_Letter: TypeAlias = tuple[int, str]  # the number of the draft, and the letter's own name
_Axis: TypeAlias = tuple[str, int]
_Node: TypeAlias = _Letter | _Axis


@dataclass(frozen=True, slots=True)
class _Edge:
    letter: _Letter
    axis: _Axis
    place: str
    is_guarded: bool


class _Graph:
    """Letters and axes, and where they meet."""

    def __init__(self, drafts: Sequence[Draft], shapes: Shapes, stated: Mapping[str, Affine]):
        self.drafts, self.stated = drafts, stated
        self.axes: dict[_Node, Affine] = {
            (name, k): size for name, sizes in shapes.items() for k, size in enumerate(sizes)
        }
        self.edges = [edge for number in range(len(drafts)) for edge in self._edges(number)]
        self.touching: dict[_Node, list[_Edge]] = {}
        for edge in self.edges:
            self.touching.setdefault(edge.letter, []).append(edge)
            self.touching.setdefault(edge.axis, []).append(edge)
        self.found: dict[_Node, Affine] = dict(self.axes)
        self.because: dict[_Node, str] = {}
        for number, draft in enumerate(drafts):
            for own in _own_letters(draft):
                if shown_letter(own) in stated and own not in draft.explicit:
                    node = (number, own)
                    self.found[node] = stated[shown_letter(own)]
                    self.because[node] = "[ranges]"

    def _edges(self, number: int) -> Iterator[_Edge]:
        draft = self.drafts[number]
        letters = set(_own_letters(draft))
        around = Site(draft.read)
        for site in (around, *sites(draft.term, around)):
            for k, index in enumerate(site.read.indices):
                name = index.bare
                if name is None or name not in letters or name in draft.explicit:
                    continue
                guarded = any(name in each.names for each in site.guards)
                shown = _shown(site.read)
                yield _Edge((number, name), (site.read.array, k), shown, guarded)
        for part in walk(draft.term):  # softmax keeps its letter: inside and outside it is the same
            if isinstance(part, Binder) and part.at is not None and part.at.bare in letters:
                own, outer = part.range.letter, part.at.bare
                shown = f"softmax({shown_letter(own)}, …)"
                within = ("softmax", id(part))
                if own not in draft.explicit:
                    yield _Edge((number, own), within, shown, False)
                elif draft.explicit[own].lower == Affine(1):
                    self.axes[within] = draft.explicit[own].upper
                if outer not in draft.explicit:
                    yield _Edge((number, outer), within, shown, False)

    def spread(self) -> None:
        """Give every node its size, guarded places last."""
        for guarded in (False, True):
            waiting = deque(self.found)
            while waiting:
                node = waiting.popleft()
                for edge in self.touching.get(node, ()):
                    if edge.is_guarded and not guarded:
                        continue
                    other = edge.axis if node == edge.letter else edge.letter
                    if other not in self.found:
                        self.found[other] = self.found[node]
                        self.because[other] = edge.place
                        waiting.append(other)

    def check(self) -> None:
        """Refuse a letter that runs over two sizes."""
        for edge in self.edges:
            one, other = self.found.get(edge.letter), self.found.get(edge.axis)
            if edge.is_guarded or one is None or other is None or one == other:
                continue
            number, own = edge.letter
            because = self.because[edge.letter]
            why = "[ranges] says" if because == "[ranges]" else f"it does in {because}"
            name = shown_letter(own)
            raise SpecError(
                f"{self.drafts[number].place}: {name} runs from 1 to {one}, as {why}, but "
                f"{edge.place} has {other} there; an index has one range in an equation: take "
                "another letter, or shapes that agree"
            )


def _own_letters(draft: Draft) -> tuple[str, ...]:
    bound = (part.range.letter for part in walk(draft.term) if isinstance(part, Binder))
    return (*draft.letters, *bound)


# -------------------------------------------------------------------------------- finding them


def find(
    drafts: Sequence[Draft], shapes: Shapes, stated: Mapping[str, Affine]
) -> tuple[tuple[Definition, ...], dict[str, tuple[Affine, ...]]]:
    """The equations with the ranges of their letters, and the shape of each computed array.

    ``shapes`` are those of parameters and inputs, ``stated`` the ranges of letters that stand in
    affine expressions only.  Raises `SpecError`.
    """
    graph = _Graph(drafts, shapes, stated)
    graph.spread()
    graph.check()
    definitions, computed = [], {}
    for number, draft in enumerate(drafts):
        known = dict(draft.explicit)
        for own in _own_letters(draft):
            if own not in known:
                size = graph.found.get((number, own))
                if size is None:
                    raise _unknown(draft, own)
                known[own] = Range(own, size)
        if not draft.is_base:
            computed[draft.name] = tuple(known[name].upper for name in draft.letters)
        definitions.append(
            Definition(
                draft.name,
                draft.at,
                tuple(known[name] for name in draft.letters),
                _filled(draft.term, known, {own: letter(shown_letter(own)) for own in known}),
                draft.written,
                draft.place,
            )
        )
    return tuple(definitions), computed


def _unknown(draft: Draft, own: str) -> SpecError:
    name = shown_letter(own)
    around = Site(draft.read)
    places = [
        _shown(site.read)
        for site in sites(draft.term, around)
        if any(own in index.names for index in site.read.indices)
    ]
    stands = f"it stands in {', '.join(dict.fromkeys(places))}" if places else "it indexes nothing"
    bound = f', or in the binder, "{name}=1..n"' if own != name else ""
    return SpecError(
        f"{draft.place}: the range of {name} is not known: {stands}, and no bare {name} stands in "
        f'an array of known shape; write it: [ranges] {name} = "n"{bound}'
    )


def _shown(read: Read) -> str:
    names = frozenset().union(*(index.names for index in read.indices))
    moves = {name: letter(shown_letter(name)) for name in names}
    return shown_read(Read(read.array, tuple(moved(index, moves) for index in read.indices)))


def _filled(term: Term, known: Mapping[str, Range], moves: Moves) -> Term:
    """``term`` with the ranges known, and its letters called as they were written."""

    def filled(part: Term) -> Term:
        return _filled(part, known, moves)

    match term:
        case Measure(index):
            return Measure(moved(index, moves))  # type: ignore[arg-type]  # a letter for a letter
        case Read(array, indices):
            return Read(array, tuple(moved(index, moves) for index in indices))
        case Plus(terms):
            return Plus(tuple(map(filled, terms)))
        case Times(factors):
            return Times(tuple(map(filled, factors)))
        case Power(base, exponent):
            return Power(filled(base), filled(exponent))
        case Call(function, arguments):
            return Call(function, tuple(map(filled, arguments)))
        case Where(left, relation, right, yes, no):
            return Where(filled(left), relation, filled(right), filled(yes), filled(no))
        case Given(conditions, body):
            return Given(tuple(condition_moved(c, moves) for c in conditions), filled(body))
        case Binder(kind, range, conditions, body, at):
            own = known[range.letter]
            return Binder(
                kind,
                Range(shown_letter(own.letter), own.upper, own.lower),
                tuple(condition_moved(each, moves) for each in conditions),
                filled(body),
                None if at is None else moved(at, moves),
            )
    return term
