"""The search for mistakes that account for a wrong value: one, or several together.

Here one can relate a wrong value to the right one, at several points at once:

* `Sides` knows only the two values: a sign, a number, a simple factor or term;
* `Search` knows the way they were made, too, and looks in the tables of mistakes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import cached_property

from symback.checking.correct import Edge, Kind, indexed, spelled
from symback.checking.mistakes import Told
from symback.checking.points import Point, Word
from symback.checking.tables import Key, Plan, Table, in_words

__all__ = ["Reading", "Search", "Sides", "together"]

Reading = tuple[Point, int, int]
"""A point, the truth there and the wrong value."""


class Sides:
    """How a wrong value is related to the right one, whatever they are of."""

    def __init__(self, readings: Sequence[tuple[Point, int, int]]) -> None:
        self.readings = readings
        self.point, self.truth, self.value = readings[0]
        self.prime = self.point.prime

    def one(self) -> Iterator[Told]:
        """A sign or a number."""
        number = self._multiples.get(self.truth)
        if number is not None and self._is_multiple(number):
            yield from _told_of_number(number)

    def several(self) -> Iterator[Told]:
        """A factor or a term."""
        yield from self._factor_or_term()

    def _holds(self, value: Callable[[int], int | None]) -> bool:
        """Whether ``value`` of the number of a point gives the side there."""
        return all(value(k) == wrong for k, (_, _, wrong) in enumerate(self.readings))

    def _right(self, k: int) -> int:
        return self.readings[k][1]

    @cached_property
    def _multiples(self) -> dict[int, Fraction]:
        """side / c ↦ c for small numbers c."""
        if not self.value:
            return {}
        return {
            self.value * inverse % self.prime: number for inverse, number in self.point.inverses
        }

    def _is_multiple(self, number: Fraction, key: Key | None = None) -> bool:
        def times(k: int) -> int | None:
            value = self._base(k, key)
            scale = number.numerator * self.point.inverse(number.denominator % self.prime)
            return None if value is None else value * scale % self.prime

        return self._holds(times)

    def _base(self, k: int, key: Key | None) -> int | None:
        """The truth, or what a mistake makes of it."""
        return self._right(k) if key is None else None

    def _factor_or_term(self) -> Iterator[Told]:
        yield from self._factor(self.truth)
        difference = (self.value - self.truth) % self.prime
        for is_opposite, word in self.point.named(difference):
            sign = -1 if is_opposite else 1
            if self._is_more(word, sign):
                yield _told_of_term(word, sign)
                return

    def _is_more(self, word: Word, sign: int) -> bool:
        def added(k: int) -> int:
            return (self._right(k) + sign * self.readings[k][0].word(word)) % self.prime

        return self._holds(added)

    def _factor(self, value: int, key: Key | None = None) -> Iterator[Told]:
        """The side is ``value`` times or over a simple factor."""
        found = self._factors.get(value)
        if found is None:
            return
        word, sign, is_spurious = found

        def scaled(k: int) -> int | None:
            base, factor = self._base(k, key), sign * self.readings[k][0].word(word)
            if base is None or not factor:
                return None
            return base * (factor if is_spurious else self.point.inverse(factor)) % self.prime

        if self._holds(scaled):
            shown = f"-{word.text}" if sign < 0 else word.text
            if word.kind == "derivative" and is_spurious:
                yield Told("paths-multiplied", f"multiplied by {shown}, another derivative")
                return
            name = "spurious-factor" if is_spurious else "missing-factor"
            yield Told(name, f"{name.replace('-', ' ')} {shown}")

    @cached_property
    def _factors(self) -> dict[int, tuple[Word, int, bool]]:
        """What the side is ± a simple factor times or over."""
        found: dict[int, tuple[Word, int, bool]] = {}
        if not self.value:
            return found
        for word, residue, inverse in self.point.factors:
            for sign in (1, -1):
                found.setdefault(sign * self.value * inverse % self.prime, (word, sign, True))
                found.setdefault(sign * self.value * residue % self.prime, (word, sign, False))
        return found


class Search(Sides):
    """The mistakes on one way that give certain residues."""

    def __init__(
        self, plan: Plan, tables: Sequence[Table], readings: Sequence[tuple[Point, int, int]]
    ) -> None:
        super().__init__(readings)
        self.plan, self.tables, self.table = plan, tables, tables[0]

    def one(self) -> Iterator[Told]:
        """Every single mistake."""
        for key, value in self.table.singles.items():
            if value == self.value and self._is(key):
                yield in_words(self.plan, key)
        yield from super().one()
        yield from self._wrong_weights()

    def several(self) -> Iterator[Told]:
        """A mistake and a number; a factor or a term; two mistakes; a mistake and a factor."""
        for search in (
            self._one_and_a_number,
            self._factor_or_term,
            self._two,
            self._one_and_a_factor,
        ):
            found = list(search())
            if found:
                yield from found
                return

    def _base(self, k: int, key: Key | None) -> int | None:
        return self._right(k) if key is None else self.tables[k].value_of(key)

    def _is(self, key: Key) -> bool:
        if len(self.tables) == 1 and self.plan.is_stepped(key):
            return False
        return self._holds(lambda k: self.tables[k].value_of(key))

    def _wrong_weights(self) -> Iterator[Told]:
        """Another weight in one place."""
        difference = self.value - self.table.truth
        for edge in self.plan.way.edges:
            share = self.table.down[edge.child] * self.table.up[edge.parent] % self.prime
            if edge.kind is not Kind.WEIGHT or not share:
                continue
            right = self.table.slopes[edge.child, edge.parent]
            needed = (right + difference * self.point.inverse(share)) % self.prime
            for word in self.point.words.get(needed, ()):
                is_new = word.kind == "weight" and not _is_transposed(edge, word)
                if is_new and self._is_substituted(edge, word):
                    yield _told_of_weight(edge, word)

    def _is_substituted(self, edge: Edge, word: Word) -> bool:
        return self._holds(
            lambda k: self.tables[k].substituted(edge, self.readings[k][0].word(word))
        )

    def _one_and_a_number(self) -> Iterator[Told]:
        for key, value in self.table.singles.items():
            number = self._multiples.get(value)
            if number is not None and value and self._is_multiple(number, key):
                yield from together([in_words(self.plan, key), *_told_of_number(number)])
                return

    def _two(self) -> Iterator[Told]:
        pair = self.table.doubles.get(self.value)
        if pair is None:
            return
        if not self._is_pair(*pair):  # by chance here: each other pair may hold everywhere
            every = (each for each in self.plan.pairs if self.table.pair(*each) == self.value)
            pair = next((each for each in every if self._is_pair(*each)), None)
        if pair is not None:
            yield from together([in_words(self.plan, key) for key in pair])

    def _is_pair(self, first: Key, second: Key) -> bool:
        return self._holds(lambda k: self.tables[k].pair(first, second))

    def _one_and_a_factor(self) -> Iterator[Told]:
        for key, value in self.table.singles.items():
            if value and value in self._factors:
                factor = list(self._factor(value, key))
                if factor:
                    yield from together([in_words(self.plan, key), *factor])
                    return


# --------------------------------------------------------------------------------------- words


def together(told: Sequence[Told]) -> Iterator[Told]:
    """Mistakes of which only all together account for the line."""
    for place, each in enumerate(told):
        others = " and ".join(other.name for other in (*told[:place], *told[place + 1 :]))
        yield Told(each.name, f"{each.text} (together with {others})")


def _told_of_number(number: Fraction) -> Iterator[Told]:
    if number < 0:
        yield Told("sign-flipped", "the sign is wrong")
    size = abs(number)
    if size.numerator > 1:
        yield Told("constant-factor", f"a factor {size} too many")
    elif size < 1:
        yield Told("constant-factor", f"a factor {1 / size} is missing")


def _told_of_term(word: Word, sign: int) -> Told:
    """A term w is too many; where -w is, w is missing."""
    if sign > 0:
        return Told("spurious-term", f"spurious term {word.text}")
    return Told("missing-term", f"missing term {word.text}")


def _is_transposed(edge: Edge, word: Word) -> bool:
    """Whether the weight is that of the edge with its indices swapped, which has its own name."""
    assert word.neuron is not None
    variable, own = word.neuron
    return variable.layer == edge.child[0].layer and own == (*edge.parent[1], *edge.child[1])


def _told_of_weight(edge: Edge, word: Word) -> Told:
    assert word.neuron is not None
    layer = edge.child[0].layer
    right = indexed("w", layer or 0, *edge.child[1], *edge.parent[1])
    name = "wrong-weight-index" if word.neuron[0].layer == layer else "weight-of-wrong-layer"
    return Told(name, f"{word.text} stands where {spelled(right)} belongs")
