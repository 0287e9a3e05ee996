"""Which layer's neurons each index letter numbers, where the letters carry no layer themselves.

Bishop's i, j, k and Rumelhart's say it by where they stand: x_i numbers the inputs, y_k and t_k the
outputs, and w_kj leads into a neuron of one layer from one of the layer before.  Here one can

* find it for one statement: `layers_of`.  What nothing ties to the inputs or the outputs is said of
  every layer: δ_j = h'(a_j) Σ_k w_kj δ_k gets a letter for the layer of j, and one more for k;
* find what the whole page says of its letters: `known_layers`, which then holds where a statement
  by itself leaves it open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from symback.checking.letters import Letters, spelled
from symback.checking.tokens import Token
from symback.language.expressions import LAYERED, Index

_LAYER_LETTERS = ("l", "k", "q", "r", "p", "v", "u")
"""What a layer that is left open is called; the first that the statement does not use."""


@dataclass(frozen=True, slots=True)
class _Tie:
    """The layer of ``letter`` is that of ``other`` plus ``offset``; without other, ``offset``."""

    letter: str
    other: str
    offset: int


def layers_of(
    tokens: Sequence[Token], letters: Letters, known: Mapping[str, Index]
) -> dict[str, Index]:
    """For each index letter of a statement the layer that it numbers; {} where they contradict."""
    found = _solved(_ties(tokens, letters))
    if found is None:
        return {}
    used = {token.text for token in tokens}
    open_letter = next((each for each in _LAYER_LETTERS if each not in used), _LAYER_LETTERS[0])
    made = {letter: Index("", layer) for letter, (group, layer) in found.items() if not group}
    for group in dict.fromkeys(group for group, _ in found.values() if group):
        members = {letter: offset for letter, (own, offset) in found.items() if own == group}
        bases = {known[m].offset - offset for m, offset in members.items() if m in known}
        base = Index("", bases.pop()) if len(bases) == 1 else Index(open_letter)
        if group.startswith("^"):  # the letter of a layer that stands above
            base = Index(group[1:])
        elif not all(
            0 <= base.offset + offset <= letters.scope.depth for offset in members.values()
        ):
            base = Index(open_letter)  # j may be an output on one line and hidden on the next
        for letter, offset in members.items():
            made[letter] = Index(base.letter, base.offset + offset)
    return made


def known_layers(statements: Iterable[Sequence[Token]], letters: Letters) -> dict[str, Index]:
    """What the statements of a page together say; of letters that contradict themselves nothing."""
    ties = [tie for tokens in statements for tie in _ties(tokens, letters)]
    found = _solved(ties)
    if found is None:  # only what is tied to the inputs and outputs directly, and without doubt
        direct: dict[str, set[int]] = {}
        for tie in ties:
            if not tie.other:
                direct.setdefault(tie.letter, set()).add(tie.offset)
        return {k: Index("", min(layers)) for k, layers in direct.items() if len(layers) == 1}
    return {letter: Index("", layer) for letter, (group, layer) in found.items() if not group}


def _solved(ties: Iterable[_Tie]) -> dict[str, tuple[str, int]] | None:
    """For each letter its group and its layer in it; the group "" has absolute layers."""
    place: dict[str, tuple[str, int]] = {"": ("", 0)}
    for tie in ties:
        mine = place.setdefault(tie.letter, (tie.letter, 0))
        other = place.setdefault(tie.other, (tie.other, 0))
        difference = other[1] + tie.offset - mine[1]
        if mine[0] == other[0]:
            if difference:
                return None
            continue
        moved, kept, by = (mine[0], other[0], difference)
        if not moved or (moved.startswith("^") and kept):  # what is known of a layer is kept
            moved, kept, by = other[0], mine[0], -difference
        for letter, (group, layer) in place.items():
            if group == moved:
                place[letter] = kept, layer + by
    return {letter: found for letter, found in place.items() if letter}


def _ties(tokens: Sequence[Token], letters: Letters) -> Iterator[_Tie]:
    """What each quantity of a statement says of its index letters."""
    depth = letters.scope.depth
    for place, token in enumerate(tokens[:-2]):
        meaning = letters.meaning(token.text)
        if token.kind != "name" or not meaning or tokens[place + 1].kind != "_":
            continue
        above = _letter_above(tokens, place + 2)
        below = spelled(_below(tokens, place + 2))
        names = [text for text in below if text.isalpha() and len(text) == 1]
        counted = len(below)
        if not names or any(map(letters.meaning, names)):
            continue
        placed = letters.placed.get(token.text)
        if meaning == "w":
            if counted != 2:
                continue
            into_first = letters.notation.weight_order == "into,from"
            if len(names) == 2:
                into, source = names if into_first else reversed(names)
                yield _Tie(into, source, 1)
                if above:
                    yield _Tie(into, f"^{above}", 0)
                if placed is not None:
                    yield _Tie(into, "", placed.offset)
            elif placed is not None:
                is_into = (below[0] == names[0]) == into_first
                yield _Tie(names[0], "", placed.offset - (not is_into))
            else:
                yield _Tie(names[0], names[0], 0)
        elif counted == 1:
            if placed is not None:
                yield _Tie(names[0], "", placed.offset)
            elif above and meaning in LAYERED:
                yield _Tie(names[0], f"^{above}", 0)
            elif meaning not in LAYERED:
                yield _Tie(names[0], "", 0 if meaning == "x" else depth)
            else:
                yield _Tie(names[0], names[0], 0)


def _letter_above(tokens: Sequence[Token], place: int) -> str:
    """The letter of the layer that stands above in brackets, behind a subscript at ``place``."""
    end = place + len(_below(tokens, place)) + 2 * (tokens[place].kind == "{")
    above = [each.text for each in tokens[end : end + 6] if each.kind not in ("{", "}")]
    match above:
        case ["^", "(" | "[", letter, ")" | "]", *_] if len(letter) == 1 and letter.isalpha():
            return letter
    return ""


def _below(tokens: Sequence[Token], place: int) -> Sequence[Token]:
    """The tokens of a subscript that begins at ``place``, without braces."""
    if tokens[place].kind != "{":
        return tokens[place : place + 1]
    end = next((k for k in range(place, len(tokens)) if tokens[k].kind == "}"), place)
    return tokens[place + 1 : end]
