"""Chains of equations: which left side a line that begins with "=" goes on from.

A page says a left side once and goes on with "= …" on the lines below, between which there are
asides ("where ∂a_21/∂b_21 = 1"), words, and left sides that stand alone.  A `Flow` is where the
reader of a page is:

* `Flow.begun`: a claim with a left side was read; an aside, or a second claim of the same row, does
  not take over the chain;
* `Flow.mentioned`: a quantity, or an expression, stands by itself; lines "= …" may be about it;
* `Flow.lost`: what may begin a chain could not be read;
* `Flow.resumed`: the chain that a line "= …" goes on from, and others it may go on from as well.

A line is wrong only if it is wrong in all of them (`symback.checking.verdicts`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from symback.checking.statements import Condition, Statement
from symback.language.expressions import Array, Derivative, Element, Node, walk

_LISTING = frozenset("where with recall note noting remember".split())
"""Words before an aside that may be a list: where p = … and q = …."""
_REASONS = frozenset("since because using as by used use knowing know for from given".split())
"""Words before an aside that is the reason of what stands beside it."""
_FILLING = frozenset("that we have the fact also again both here of".split())
"""Words that may stand between one of those and the aside."""
_RESUMING = frozenset(
    """
    which substituting substitute plugging plug inserting simplifying simplify simplifies becomes
    equals get gives yields obtain so thus hence therefore expanding rearranging using and finally
    cancel cancelling combining
    """.split()
)
"""Words before a line "= …" that say that it goes on from what stands above."""
_NAMING = frozenset(
    """
    gradient gradients derivative derivatives weight weights bias biases hidden output layer first
    second third other similarly likewise respect
    """.split()
)
"""Words before a line "= …" that may name another left side."""
_CONCLUDING = frozenset("so hence thus therefore then get gives find obtain yields implies".split())


@dataclass(frozen=True, slots=True)
class Chain:
    """A left side and how far it has come.

    ``head`` is what it begins with (None where nothing does), ``last`` its last side, ``holds_for``
    the conditions it stands under, ``line`` where it ends so far, ``aside`` the word that makes it
    an aside, or "".  ``steps``: it is a step of gradient descent; ``is_lost``: what it begins with
    could not be read.
    """

    head: Node | None = None
    last: Node | None = None
    holds_for: tuple[Condition, ...] = ()
    row: int = -1
    line: int = 0
    aside: str = ""
    steps: bool = False
    is_lost: bool = False

    @classmethod
    def of(
        cls, statement: Statement, nodes: Sequence[Node], *, aside: str = "", steps: bool = False
    ) -> Chain:
        """The chain that a statement with these sides begins."""
        line = statement.tokens[-1].place.line if statement.tokens else statement.place.line
        head, last = (nodes[0], nodes[-1]) if nodes else (None, None)
        return cls(
            head, last, statement.holds_for, statement.row, line, aside, steps, is_lost=not nodes
        )

    def uses(self, node: Node | None) -> bool:
        """Whether the last side holds ``node``, so that a line about it may be an aside."""
        return self.last is not None and node is not None and node in walk(self.last)


@dataclass(frozen=True, slots=True)
class Resumed:
    """The chain that a line goes on from, and the left sides of ``others`` it may go on from.

    None among them is one that could not be read.  ``is_next``: the chain is that of the claim
    before, and there are no others.
    """

    chain: Chain
    others: tuple[Node | None, ...]
    is_next: bool


@dataclass(frozen=True, slots=True)
class Flow:
    """The chains that may go on, the most likely first, and the one of the claim before.

    ``mention`` is a quantity or expression that stands by itself right before; ``alone`` says that
    it does so in a row of its own.  ``count`` lines of the row ``row`` went on so far.
    """

    lanes: tuple[Chain, ...] = ()
    current: Chain | None = None
    mention: Chain | None = None
    alone: bool = False
    row: int = -1
    count: int = 0

    def begun(self, statement: Statement, nodes: Sequence[Node], *, steps: bool = False) -> Flow:
        """The flow behind a claim with the sides ``nodes``; none of them where it is unread."""
        word = self.aside(statement)
        chain = Chain.of(statement, nodes, aside=word, steps=steps)
        lanes = (chain,)
        if self.lanes:
            main = self.lanes[0]
            beside = self._is_beside(statement)
            concluded = not _CONCLUDING.isdisjoint(statement.led_by)
            takes_over = concluded or (main.aside and not word)
            if (beside and not takes_over) or (word and not main.is_lost):
                lanes = (*self.lanes, chain)
            elif beside or main.uses(chain.head):
                lanes = (chain, main)
        return Flow(lanes, chain)

    def _is_beside(self, statement: Statement) -> bool:
        """Whether a statement stands in the row, or on the line, in which the chain ends."""
        main = self.lanes[0] if self.lanes else None
        return main is not None and (main.row == statement.row or main.line == statement.place.line)

    def aside(self, statement: Statement) -> str:
        """The word, or sign, by which a statement is an aside; "" where it is none."""
        words = list(statement.led_by)
        if statement.is_noted:
            return "&&"
        before = self.current
        if before is not None and before.aside and before.row == statement.row:
            listed = words == ["and"] or (not words and before.aside in _LISTING)
            if listed:
                return before.aside
        while words and words[-1] in _FILLING:
            words.pop()
        return words[-1] if words and words[-1] in _LISTING | _REASONS else ""

    def mentioned(
        self, statement: Statement, nodes: Sequence[Node], *, steps: bool = False
    ) -> Flow:
        """The flow behind a quantity or an expression that stands by itself."""
        (node,) = nodes
        alone = statement.is_single and statement.kind != "inline"
        named = isinstance(node, Derivative)
        if not (alone or named) and (self.lanes or self.mention is not None):
            return self
        mention = replace(Chain.of(statement, nodes, steps=steps), last=None)
        below = statement.goes_on
        quantity = isinstance(node, (Element, Array, Derivative))
        if below is not None and not (quantity and (named or not below.is_firm)):
            return replace(self, lanes=(*self.lanes, mention))
        return replace(self, mention=mention, alone=alone and named)

    def lost(self, statement: Statement) -> Flow:
        """The flow behind a statement that could not be read and may begin a chain."""
        return replace(self.begun(statement, ()), current=None)

    def resumed(self, statement: Statement) -> tuple[Resumed, Flow]:
        """What a line "= …" goes on from, and the flow at it; `at` tells it the line's last side.

        Where two chains stand side by side, the second "= …" of a row belongs to the second.
        """
        count = self.count if self.row == statement.row else 0
        lanes, place = self.lanes, count if count < len(self.lanes) else 0
        if self.mention is not None:
            lanes, place = (self.mention, *(() if self.alone else self.lanes)), 0
        if not lanes:
            lanes = (Chain(),)
        chain = lanes[place]
        others = tuple(each.head for k, each in enumerate(lanes) if k != place)
        words = set(statement.led_by)
        if words and self.mention is None and (words & _NAMING or not words & _RESUMING):
            others = (*others, None)  # a sentence of its own may say what this equals
        found = Resumed(chain, others, chain == self.current and not others)
        return found, Flow(lanes, chain, row=statement.row, count=place + 1)

    def at(self, statement: Statement, last: Node) -> Flow:
        """The flow behind a line that went on with ``last``."""
        place = self.count - 1
        chain = self.lanes[place]
        line = statement.tokens[-1].place.line
        made = replace(
            chain, last=last, row=statement.row, line=line, holds_for=statement.holds_for
        )
        lanes = (*self.lanes[:place], made, *self.lanes[place + 1 :])
        return replace(self, lanes=lanes, current=made)
