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
    """A place where a letter stands bare; ``read`` is None for that of a softmax.

    From when on a size goes from the axis to the letter, and from the letter to the axis, in turns:
    0 at once, 1 where nothing else says it, 2 where even then nothing does, 3 never.
    """

    letter: _Letter
    axis: _Axis
    read: Read | None
    to_letter: int
    to_axis: int

    @property
    def place(self) -> str:
        """What a message calls it."""
        name = shown_letter(self.letter[1])
        return f"softmax({name}, …)" if self.read is None else _shown(self.read)


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
        self.because: dict[_Node, _Edge] = {}
        for number, draft in enumerate(drafts):
            for own in own_letters(draft):
                if shown_letter(own) in stated and own not in draft.explicit:
                    node = (number, own)
                    self.found[node] = stated[shown_letter(own)]

    def _edges(self, number: int) -> Iterator[_Edge]:
        draft = self.drafts[number]
        letters = set(own_letters(draft))
        around = Site(draft.read)
        for k, index in enumerate(draft.at):
            if index.bare in draft.letters:
                turns = (0, 2) if draft.is_base else (3, 0)
                yield _Edge((number, index.bare), (draft.name, k), draft.read, *turns)
        for site in sites(draft.term, around):
            for k, index in enumerate(site.read.indices):
                name = index.bare
                if name in letters and name not in draft.explicit:
                    is_guarded = any(name in each.names for each in site.guards)
                    axis = (site.read.array, k)
                    yield _Edge((number, name), axis, site.read, 1 if is_guarded else 0, 3)
        for part in walk(draft.term):  # softmax keeps its letter: inside and outside it is the same
            if isinstance(part, Binder) and part.at is not None and part.at.bare in letters:
                own, outer = part.range.letter, part.at.bare
                within = ("softmax", id(part))
                if own not in draft.explicit:
                    yield _Edge((number, own), within, None, 0, 0)
                elif draft.explicit[own].lower == Affine(1):
                    self.axes[within] = draft.explicit[own].upper
                if outer not in draft.explicit:
                    yield _Edge((number, outer), within, None, 0, 0)

    def spread(self) -> None:
        """Give every node its size."""
        for turn in range(3):
            waiting = deque(self.found)
            while waiting:
                node = waiting.popleft()
                for edge in self.touching.get(node, ()):
                    is_letter = node == edge.letter
                    other = edge.axis if is_letter else edge.letter
                    since = edge.to_axis if is_letter else edge.to_letter
                    if since <= turn and other not in self.found:
                        self.found[other] = self.found[node]
                        self.because[other] = edge
                        waiting.append(other)

    def check(self, sizes: Moves) -> None:
        """Refuse a letter that runs over two sizes, even if both are the same number."""
        for edge in self.edges:
            one, other = self.found.get(edge.letter), self.found.get(edge.axis)
            if edge.to_letter == 1 or one is None or other is None or one == other:
                continue
            number, own = edge.letter
            because = self.because.get(edge.letter)
            why = "[ranges] says" if because is None else f"it does in {because.place}"
            advice = "take another letter, or shapes that agree"
            if moved(one, sizes) == moved(other, sizes):
                advice = f"here both are {moved(one, sizes)}: write one of them in both shapes"
            raise SpecError(
                f"{self.drafts[number].place}: {shown_letter(own)} runs from 1 to {one}, as {why}, "
                f"but {edge.place} has {other} there; an index has one range in an equation: "
                f"{advice}"
            )


def own_letters(draft: Draft) -> tuple[str, ...]:
    """The letters of an equation, by their own names: those of the left side and the bound ones."""
    bound = (part.range.letter for part in walk(draft.term) if isinstance(part, Binder))
    return (*draft.letters, *bound)


# -------------------------------------------------------------------------------- finding them


def find(
    drafts: Sequence[Draft], shapes: Shapes, stated: Mapping[str, Affine], sizes: Moves
) -> tuple[tuple[Definition, ...], dict[str, tuple[Affine, ...]]]:
    """The equations with the ranges of their letters, and the shape of each computed array.

    ``shapes`` are those of parameters and inputs, ``stated`` the ranges of letters that stand in
    affine expressions only, ``sizes`` the numbers of sizes.  Raises `SpecError`.
    """
    graph = _Graph(drafts, shapes, stated)
    graph.spread()
    graph.check(sizes)
    definitions, computed = [], {}
    for number, draft in enumerate(drafts):
        known = dict(draft.explicit)
        for own in own_letters(draft):
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
    stands = (
        f"it stands in {', '.join(dict.fromkeys(places))}, and nowhere by itself in an array whose "
        "shape is known"
        if places
        else "no array on the right side has it as an index"
    )
    bound = f", or here: {name}=1..n" if own != name else ""
    return SpecError(
        f"{draft.place}: over what does {name} run? {stands[0].upper()}{stands[1:]}; write its "
        f'last value, such as {name} = "n" in [ranges]{bound}'
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
