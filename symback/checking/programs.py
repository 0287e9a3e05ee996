"""Lines of a program that change what an earlier line has computed: dscores /= N.

In a program a name may be given its value in several steps; what the page claims is the value after
the last.  `folded` puts the steps together: ``dscores = probs``, ``dscores[range(N), y] -= 1`` and
``dscores /= N`` become the one statement dscores = (probs - y)/N, which stands where the last of
them does.  Read are ``+=``, ``-=``, ``*=``, ``/=``, a masked assignment of 0 (``dh[h <= 0] = 0``),
the entries of the true classes (``[range(N), y]``), and a derivative that is computed from itself.
Steps of gradient descent, W -= lr * dW, stay what they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from symback.checking.letters import Letters
from symback.checking.statements import Page, Statement
from symback.checking.tokens import COMPARISONS, RELATIONS, NotRead, Token, split

_OPERATORS = ("+", "-", "*", "/")
_OPPOSITE = {"<=": ">", "<": ">=", ">=": "<", ">": "<="}


@dataclass(frozen=True, slots=True)
class _Assignment:
    """``name[entries] operator= right``, as tokens; no ``entries`` is None, no operator ""."""

    name: list[Token]
    entries: list[Token] | None
    operator: str
    equals: Token
    right: list[Token]

    @property
    def key(self) -> tuple[str, ...]:
        """What the name is known by."""
        return tuple(token.text for token in self.name)

    @property
    def is_step(self) -> bool:
        """Whether it changes what the name is already."""
        by_itself = self.name[0].text.startswith("d") and _mentions(self.right, self.key)
        return bool(self.operator) or self.entries is not None or by_itself


def folded(statements: Sequence[Statement], page: Page) -> list[Statement]:
    """The statements of a page, those that change one name step by step as one."""
    made = list(statements)
    if not page.is_code:
        return made
    last: dict[tuple[str, ...], int] = {}
    for place, each in enumerate(statements):
        found = None if each.latex else _assignment(each.tokens)
        if found is None:
            continue
        if _is_learned(found, page.letters):
            if found.operator == "+" and found.entries is None:  # W += -lr * dW
                plus, new = _sign("+", found.equals), _bracketed(found.right, found.equals)
                stepped = [*found.name, found.equals, *found.name, plus, *new]
                made[place] = replace(each, tokens=stepped)
            continue
        if found.is_step:
            before, changes = last.get(found.key), _own_name(found, page.letters)
            try:
                together = _together(made, before, place, found, page.letters)
                made[place] = replace(together, changes=changes)
            except NotRead as error:
                made[place] = replace(each, failed=error, changes=changes)
                continue
            assert before is not None
            made[before] = replace(made[before], tokens=[], kind="prose")
        last[found.key] = place
    return made


def _together(
    statements: Sequence[Statement],
    before: int | None,
    place: int,
    step: _Assignment,
    letters: Letters,
) -> Statement:
    """The step with what the name has been so far put in; raises `NotRead`."""
    statement, at = statements[place], step.name[0].place
    shown = "".join(step.key)
    first = None if before is None else _assignment(statements[before].tokens)
    if before is None or first is None:
        raise NotRead(f"nothing above says what {shown} was before it is changed here", at)
    between = statements[before + 1 : place]
    if any(_mentions(each.tokens, step.key) for each in between):
        raise NotRead(f"{shown} is used before it is changed here", at,
                      "give the value that is changed a name of its own")  # fmt: skip
    old = _bracketed([_moved(token, step.equals) for token in first.right], step.equals)
    new = _bracketed(_put(step.right, step.key, old), step.equals)
    if step.entries is not None:
        right = [*old, *_of_entries(step, letters)]
    elif step.operator:
        right = [*old, _sign(step.operator, step.equals), *new]
    else:
        right = _put(step.right, step.key, old)
    return replace(statement, tokens=[*step.name, step.equals, *right])


def _of_entries(step: _Assignment, letters: Letters) -> list[Token]:
    """What is done to the whole where some entries are changed."""
    entries, equals, at = step.entries or [], step.equals, step.name[0].place
    compared = split(entries, COMPARISONS)
    value = [token.text for token in step.right]
    if len(compared) == 2 and not step.operator and value in (["0"], ["0.0"], ["0."]):
        mark = entries[len(compared[0])]
        if mark.kind in _OPPOSITE:
            opposite = replace(mark, kind=_OPPOSITE[mark.kind], text=_OPPOSITE[mark.kind])
            kept = _bracketed([*compared[0], opposite, *compared[1]], equals)
            return [_sign("*", equals), *kept]
    parts = split(entries, (",",))
    words = {token.text for token in parts[0]} if parts else set()
    of_classes = len(parts) == 2 and words & {"range", "arange"}
    of_targets = of_classes and [letters.meaning(token.text) for token in parts[1]] == ["y"]
    if of_targets and step.operator in ("-", "+") and value in (["1"], ["1.0"], ["1."]):
        return [_sign(step.operator, equals), *parts[1]]
    raise NotRead("such a change of some entries is not read", at)


def _assignment(tokens: Sequence[Token]) -> _Assignment | None:
    """The assignment that a statement is; None where it is something else."""
    outside = split(tokens, RELATIONS)
    if len(outside) != 2 or not all(outside):
        return None
    left, right = outside
    equals, operator = tokens[len(left)], ""
    if left[-1].kind in _OPERATORS and len(left) > 1:
        left, operator = left[:-1], left[-1].kind
    opening = next((k for k, token in enumerate(left) if token.kind == "["), len(left))
    name, behind = left[:opening], left[opening:]
    plain = all(token.kind in ("name", "number", "_") for token in name)
    if not name or name[0].kind != "name" or not plain or equals.kind != "=":
        return None
    if behind and (behind[-1].kind != "]" or len(behind) == 3):  # a[2] is that of layer 2
        return None
    return _Assignment(name, behind[1:-1] if behind else None, operator, equals, right)


def _is_learned(found: _Assignment, letters: Letters) -> bool:
    """Whether a weight or a bias is assigned to, by a step of gradient descent."""
    return letters.meaning(found.name[0].text) in ("w", "b") or not letters.scope.is_network


def _own_name(found: _Assignment, letters: Letters) -> str:
    """The name, where what it is after the step is not said by its letter.

    dZ, and dscores, are ∂L/∂z before and after.  But dh that is multiplied by the slope is no
    longer ∂L/∂h: it is a name of the program's own.
    """
    text = found.name[0].text
    meaning = letters.meaning(text[1:]) or letters.words.get(text[1:], "")
    of_network = letters.means_quantity(text) or (text[:1] == "d" and meaning == "a")
    return "" if of_network else text


def _mentions(tokens: Sequence[Token], key: tuple[str, ...]) -> bool:
    texts = [token.text for token in tokens]
    return any(tuple(texts[k : k + len(key)]) == key for k in range(len(texts)))


def _put(tokens: Sequence[Token], key: tuple[str, ...], old: Sequence[Token]) -> list[Token]:
    """The tokens with ``old`` for each mention of the name."""
    made: list[Token] = []
    position = 0
    while position < len(tokens):
        here = tuple(token.text for token in tokens[position : position + len(key)])
        if here == key:
            made += old
            position += len(key)
        else:
            made.append(tokens[position])
            position += 1
    return made


def _bracketed(tokens: Sequence[Token], near: Token) -> list[Token]:
    return [_sign("(", near), *tokens, _sign(")", near)]


def _sign(kind: str, near: Token) -> Token:
    return Token(kind, kind, near.place, near.end, near.end)


def _moved(token: Token, near: Token) -> Token:
    """A token of another line, as if it stood here."""
    return replace(token, place=near.place)
