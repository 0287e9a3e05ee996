"""The backward pass of a system: its adjoints, which are equations like any other.

Here one can

* derive every adjoint: `backward` gives a `Backward`, whose ``adjoints`` hold a `Deduction` for
  each definition of an array (h[t,i] and its base case h[0,i] apart), and whose ``system`` has the
  forward and the adjoint definitions in an order of computation.

**How.**  Differentiating c[f] = … v[α] … by v[q] gives a coefficient for each place where v is
read, times δ(α, q), under the sums of that place.  Each δ is solved for an index that is summed:
α = t - 1 and q = t give t + 1, whose range becomes the condition t + 1 ≤ T; what cannot be solved,
such as 2o = q or tok[t] = v, stays as a condition, so that a gather becomes a scatter.  Conditions
that hold for all sizes are left out.  So ∂L/∂v[q] is a sum of terms, each an adjoint of something
computed directly from v times a derivative: an equation in index notation again.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from symback.engine.derivation import Rule
from symback.equations import functions
from symback.equations.algebra import collected, factored, own_values, pulled_out, tidy
from symback.equations.facts import divisions, expanded, with_facts
from symback.equations.indices import (
    Affine,
    Condition,
    Index,
    Range,
    condition_moved,
    contracted,
    decided,
    letter,
    moved,
    number,
)
from symback.equations.system import (
    ADJOINT,
    Definition,
    Group,
    Kind,
    Quantity,
    System,
    adjoint_name,
)
from symback.equations.terms import (
    UNIT,
    ZERO,
    Binder,
    Call,
    Given,
    Measure,
    Number,
    Plus,
    Power,
    Read,
    Slope,
    Term,
    Times,
    Where,
    fresh,
    given,
    moved_term,
    negative,
    power,
    product,
    reads,
    rebuilt,
    summed,
    total,
    walk,
)


@dataclass(frozen=True, slots=True)
class Step:
    """``= term``, by ``rule``; ``uses`` are the adjoints that it filled in."""

    rule: Rule
    term: Term
    uses: tuple[Read, ...] = ()
    because: str = ""


@dataclass(frozen=True, slots=True)
class Deduction:
    """∂L/∂of = step = step = …, for the letters of ``definition``, which holds the last line."""

    of: Read
    definition: Definition
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Backward:
    """Every adjoint of ``forward``, derived: ``system`` computes them after the forward pass.

    ``adjoints`` maps each array that leads to the loss, data left out, to its deductions: one for
    each of its definitions, base cases first, and one for a parameter or an input.
    """

    forward: System
    adjoints: Mapping[str, tuple[Deduction, ...]]
    system: System


def backward(system: System, mark: str = ADJOINT) -> Backward:
    """Derive the adjoint of every array that leads to ``system.target``.

    The adjoints' names begin with ``mark``: a second backward pass, over the adjoints themselves,
    needs another (`symback.equations.second`).
    """
    descendants = _descendants(system)
    leading = [
        quantity
        for quantity in system.quantities
        if quantity.kind is not Kind.DATA
        and (quantity.name == system.target or system.target in descendants[quantity.name])
    ]
    differentiation = _Differentiation(system, {q.name for q in leading}, descendants, mark)
    place = {definition.name: n for n, definition in enumerate(system.definitions)}
    from_the_loss_back = sorted(leading, key=lambda q: place.get(q.name, -1), reverse=True)
    for quantity in (q for q in from_the_loss_back if q.name != system.target):
        differentiation.adjoints[quantity.name] = tuple(
            differentiation.deduction(quantity, at, ranges)
            for at, ranges in _patterns(system, quantity)
        )
    found = differentiation.adjoints
    return Backward(system, found, _both(system, leading, found, mark))


# ------------------------------------------------------------------- which arrays lead to which


def _descendants(system: System) -> dict[str, set[str]]:
    """For each array all that is computed from it."""
    readers: dict[str, set[str]] = {quantity.name: set() for quantity in system.quantities}
    for definition in system.definitions:
        for reading in reads(definition.term):
            readers[reading.read.array].add(definition.name)
    found: dict[str, set[str]] = {}
    for name, first in readers.items():
        reached, frontier = set(first), set(first)
        while frontier:
            frontier = set().union(*(readers[each] for each in frontier)) - reached
            reached |= frontier
        found[name] = reached
    return found


def _patterns(
    system: System, quantity: Quantity
) -> Iterator[tuple[tuple[Affine, ...], tuple[Range, ...]]]:
    """The general elements by which one differentiates: those of its definitions, or its own."""
    for definition in system.defining.get(quantity.name, ()):
        yield definition.at, definition.ranges
    if quantity.name not in system.defining:
        names = _own_letters(system, quantity)
        at = tuple(letter(name) for name in names)
        yield at, tuple(Range(n, size) for n, size in zip(names, quantity.shape, strict=True))


def _own_letters(system: System, quantity: Quantity) -> list[str]:
    """The letters with which the equations read the array, where each is a letter of its own."""
    taken = {*system.sizes, *system.by_name}
    for definition in system.definitions:
        for reading in reads(definition.term):
            names = [index.bare for index in reading.read.indices]
            if (
                reading.read.array == quantity.name
                and None not in names
                and len({*names}) == len(names)
                and not taken & {*names}
            ):
                return [name for name in names if name]
    names = []
    for _ in quantity.shape:
        names.append(fresh("i", {*taken, *names}))
    return names


# ------------------------------------------------------------------------------ differentiation


@dataclass(frozen=True, slots=True)
class _Place:
    """One place where an array is read: Σ_ranges [conditions] coefficient · δ(indices, q)."""

    coefficient: Term
    indices: tuple[Index, ...]
    ranges: tuple[Range, ...] = ()
    conditions: tuple[Condition, ...] = ()

    def times(self, factor: Term) -> _Place:
        return replace(self, coefficient=product((factor, self.coefficient)))


class _Differentiation:
    """The adjoints of one system, whose ``leading`` arrays lead to its target."""

    def __init__(
        self,
        system: System,
        leading: set[str],
        descendants: Mapping[str, set[str]],
        mark: str,
    ) -> None:
        self.system, self.descendants, self.mark = system, descendants, mark
        self.readers: dict[str, list[Definition]] = {}
        """The definitions on the way to the target that read an array."""
        for definition in (d for d in system.definitions if d.name in leading):
            for name in dict.fromkeys(reading.read.array for reading in reads(definition.term)):
                self.readers.setdefault(name, []).append(definition)
        self.axes = {name: axis for group in system.groups for name, axis in group.axes.items()}
        self.apart = itertools.count()
        self.kept = frozenset(system.sizes)
        """Names that no letter may take."""
        self.adjoints: dict[str, tuple[Deduction, ...]] = {}
        """Those derived so far, from the loss back."""

    def deduction(
        self, quantity: Quantity, at: tuple[Affine, ...], ranges: tuple[Range, ...]
    ) -> Deduction:
        """∂L/∂quantity[at], for the letters of ``ranges``."""
        found = [
            share
            for definition in self.readers.get(quantity.name, ())
            for share in self._shares(definition, quantity.name, at, ranges)
        ]
        chain = total(dict.fromkeys(share.chain for share in found))
        local = total(share.local for share in found)
        steps = [Step(Rule.LOCAL, local)]
        if not says_nothing(chain):
            steps.insert(0, Step(Rule.CHAIN, chain))
        steps += self._cancelled(local, ranges) or self._as_known(factored(collected(local)))
        kept = [s for n, s in enumerate(steps) if not n or s.term != steps[n - 1].term]
        of = Read(quantity.name, at)
        own = Definition(adjoint_name(quantity.name, self.mark), at, ranges, kept[-1].term)
        return Deduction(of, own, tuple(kept))

    def _as_known(self, term: Term) -> list[Step]:
        """A line, and another where sums in it are known."""
        known, because = with_facts(term, self.system)
        after = [Step(Rule.FACT, factored(collected(known)), because="; ".join(because))]
        return [Step(Rule.FACTOR, term), *(after if because else [])]

    def _cancelled(self, local: Term, ranges: Sequence[Range]) -> list[Step]:
        """The one adjoint in ``local`` filled in, where it divides by what it is multiplied with.

        As -y/p is by p in a softmax with cross-entropy: then p - y is left.
        """
        own_names = {adjoint_name(name, self.mark): name for name in self.adjoints}
        names = [p for p in walk(local) if isinstance(p, Read) and p.array in own_names]
        children_read = {part.array for part in names}
        if len(children_read) != 1:
            return []
        child = own_names[names[0].array]
        match self.adjoints.get(child):
            case (Deduction(definition=own),) if not any(
                isinstance(part, Read) and part.array in own_names for part in walk(own.term)
            ):
                pass
            case _:
                return []
        if not divisions(own.term, child):
            return []

        def filled(part: Term) -> Term:
            if isinstance(part, Read) and part.array == own.name:
                pairs = zip(own.at, part.indices, strict=True)
                return moved_term(own.term, {old.bare: new for old, new in pairs if old.bare})
            return rebuilt(part, filled)

        substituted = self._pretty(filled(local), ranges)
        plain = expanded(substituted)
        if plain is None or divisions(plain, child):
            return []
        steps = [Step(Rule.SUBSTITUTE, substituted, tuple(names[:1])), Step(Rule.CANCEL, plain)]
        known, because = with_facts(plain, self.system)
        if because:
            steps.append(Step(Rule.FACT, collected(known), because="; ".join(because)))
        return [*steps, Step(Rule.FACTOR, factored(steps[-1].term))]

    def _shares(
        self,
        definition: Definition,
        name: str,
        at: tuple[Affine, ...],
        ranges: tuple[Range, ...],
    ) -> list[_Share]:
        """What the readings of one array in one definition add to its adjoint at ``at``."""
        child, term, free = self._set_apart(definition)
        places = _places(term, name, child, whole=True)
        by = Read(name, at)
        held = self._held(definition, name)
        solutions = []
        for place in places:
            coefficient = tidy(own_values(tidy(place.coefficient), term, child))
            solution = _solved(replace(place, coefficient=coefficient), free, at, ranges)
            if solution is not None:
                solutions.append(solution)
        chain = self._chain(child, Slope(child, by, held), free, solutions)
        return [
            _Share(self._pretty(chain, ranges), self._pretty(self._local(child, each), ranges))
            for each in solutions
        ]

    def _held(self, definition: Definition, name: str) -> tuple[str, ...]:
        """What ∂child/∂v holds fixed: what the child reads and v leads to.

        Where v leads to other elements of its own array, h[t] to h[t+1], and the child reads more
        than one of them, what is between is held: then so are those.
        """
        read = dict.fromkeys(reading.read.array for reading in reads(definition.term))
        held = [each for each in read if each != name and each in self.descendants[name]]
        own = {reading.read for reading in reads(definition.term) if reading.read.array == name}
        letters = {each.letter for each in definition.ranges} | self.kept
        axis = self.axes.get(name)
        is_one = (
            len(own) == 1 and axis is not None and (next(iter(own)).indices[axis].names <= letters)
        )
        if name in self.descendants[name] and not is_one:
            between = dict.fromkeys(each.name for each in self.readers[name])
            held += [each for each in between if name in self.descendants[each]]
        return tuple(
            dict.fromkeys(each for each in held if each != definition.name or each == name)
        )

    def _local(self, child: Read, solution: _Solution) -> Term:
        """∂L/∂child times what was derived for ∂child/∂v."""
        adjoint = moved_term(self._adjoint(child), solution.moves)
        body = product((adjoint, solution.coefficient))
        return _under(body, solution.ranges, solution.conditions)

    def _chain(
        self, child: Read, named: Slope, free: tuple[Range, ...], solutions: Sequence[_Solution]
    ) -> Term:
        """∂L/∂child · ∂child/∂v, summed over the indices of the child that not all places pin."""
        if not solutions:
            return ZERO
        first, *others = solutions
        own = {each.letter for each in free}

        def is_outside(index: Index) -> bool:
            """Whether it is without the letters of a Σ within the child, p - u."""
            return not any("~" in name and name not in own for name in index.names)

        pinned = {
            each.letter: first.moves[each.letter]
            for each in free
            if each.letter in first.moves
            and is_outside(first.moves[each.letter])
            and all(
                each.letter in one.moves and one.moves[each.letter] == first.moves.get(each.letter)
                for one in solutions
            )
        }
        left = tuple(each for each in free if each.letter not in pinned)
        known = {each.letter for each in left}
        conditions = [
            condition
            for condition in first.conditions
            if "~" not in "".join(condition.names - known)
            and all(condition in other.conditions for other in others)
        ]
        body = moved_term(product((self._adjoint(child), named)), pinned)
        return _under(body, left, conditions)

    def _set_apart(self, definition: Definition) -> tuple[Read, Term, tuple[Range, ...]]:
        """The left side, the right side and the free ranges, every letter with a name of its own.

        A letter j is called j~3; `_pretty` gives it a letter again.
        """
        moves = {each.letter: self._own(each.letter) for each in definition.ranges}
        names = {old: letter(new) for old, new in moves.items()}
        free = tuple(replace(each, letter=moves[each.letter]) for each in definition.ranges)
        at = tuple(moved(index, names) for index in definition.at)
        term = self._bound_apart(moved_term(definition.term, names))
        return Read(definition.name, at), term, free

    def _own(self, name: str) -> str:
        return f"{name.partition('~')[0]}~{next(self.apart)}"

    def _bound_apart(self, term: Term) -> Term:
        if isinstance(term, Binder):
            name = self._own(term.range.letter)
            moves = {term.range.letter: letter(name)}
            return Binder(
                term.kind,
                replace(term.range, letter=name),
                tuple(condition_moved(each, moves) for each in term.conditions),
                self._bound_apart(moved_term(term.body, moves)),
                term.at,
            )
        return rebuilt(term, self._bound_apart)

    def _adjoint(self, child: Read) -> Term:
        """∂L/∂child; 1 for the loss itself."""
        if child.array == self.system.target:
            return UNIT
        return Read(adjoint_name(child.array, self.mark), child.indices)

    def _pretty(self, term: Term, ranges: Sequence[Range]) -> Term:
        """Letters in place of the names that `_set_apart` gave."""
        return pretty(term, {each.letter for each in ranges} | self.kept)


def says_nothing(chain: Term) -> bool:
    """Whether a line of names is ∂L/∂v = ∂L/∂v, which the loss itself reads and nothing else."""
    named = chain.body if isinstance(chain, Given) else chain
    return isinstance(named, Slope) and not named.held


@dataclass(frozen=True, slots=True)
class _Share:
    """One term of an adjoint: with the local derivative by name, and as derived."""

    chain: Term
    local: Term


def pretty(term: Term, taken: Iterable[str]) -> Term:
    """Each bound letter j~3 called j, or another letter where j is in use there."""
    taken = frozenset(taken)
    if isinstance(term, Binder):
        own = term.range.letter
        wanted = own.partition("~")[0]
        at = term.at.names if term.at is not None else frozenset()
        name = fresh(wanted, taken | at) if "~" in own or own in taken else own
        moves = {own: letter(name)} if name != own else {}
        return Binder(
            term.kind,
            replace(term.range, letter=name),
            tuple(condition_moved(each, moves) for each in term.conditions),
            pretty(moved_term(term.body, moves), taken | {name}),
            term.at,
        )
    return rebuilt(term, lambda part: pretty(part, taken))


# ------------------------------------------------------------------- solving δ(α, q) for indices


@dataclass(frozen=True, slots=True)
class _Solution:
    """Σ_ranges [conditions] of a place whose deltas are solved: ``moves`` says what letters are."""

    coefficient: Term
    moves: dict[str, Index]
    ranges: tuple[Range, ...]
    conditions: tuple[Condition, ...]


def _solved(
    place: _Place, free: tuple[Range, ...], at: tuple[Affine, ...], ranges: tuple[Range, ...]
) -> _Solution | None:
    """The deltas of one place solved; None where it reads no element of that pattern."""
    found = contracted([*free, *place.ranges], [*zip(place.indices, at, strict=True)])
    conditions = [condition_moved(each, found.moves) for each in place.conditions]
    kept = []
    for condition in dict.fromkeys((*conditions, *found.conditions)):
        truth = decided(condition, (*ranges, *found.ranges))
        if truth is False:
            return None
        if truth is None:
            kept.append(condition)
    looked_up = {c.left: c.right for c in kept if c.relation == "==" and c.right.bare}
    coefficient = _looked_up(moved_term(place.coefficient, found.moves), looked_up)
    return _Solution(coefficient, found.moves, found.ranges, tuple(kept))


def _looked_up(term: Term, known: Mapping[Index, Index]) -> Term:
    """``term`` where tok[t] = v: P[t,tok[t]] is P[t,v]."""
    if isinstance(term, Read):
        return Read(term.array, tuple(known.get(index, index) for index in term.indices))
    if isinstance(term, Binder):  # within it its letter is another, and so is 2q - 1
        own = term.range.letter
        known = {old: new for old, new in known.items() if own not in old.names | new.names}
    return rebuilt(term, lambda part: _looked_up(part, known)) if known else term


def _under(body: Term, ranges: Sequence[Range], conditions: Iterable[Condition]) -> Term:
    """Σ over ``ranges`` of ``body`` where the conditions hold, each as far out as it may stand."""
    waiting = list(conditions)
    layers: list[tuple[Range | None, list[Condition]]] = []
    later = [each.letter for each in ranges]
    for own in (None, *ranges):
        later = later[1:] if own is not None else later
        ready = [each for each in waiting if not each.names & {*later}]
        waiting = [each for each in waiting if each not in ready]
        layers.append((own, ready))
    for own, ready in reversed(layers):
        body = given(ready, body) if own is None else pulled_out(summed(own, ready, body))
    return body


# -------------------------------------------------------------------- the places of one formula


def _places(term: Term, name: str, child: Read, *, whole: bool = False) -> list[_Place]:
    """Where ``term`` reads the array ``name``, each with the derivative of ``term`` by it.

    ``whole`` says that the term is all of what ``child`` stands for, so that a derivative may be
    given in its value.
    """
    if all(reading.read.array != name for reading in reads(term)):
        return []
    match term:
        case Read(_, indices):
            return [_Place(UNIT, indices)]
        case Plus(terms):
            return [place for part in terms for place in _places(part, name, child)]
        case Times(factors):
            return [
                replace(
                    place,
                    coefficient=product(
                        (*factors[:k], place.coefficient, *factors[k + 1 :])
                    ),
                )
                for k, factor in enumerate(factors)
                for place in _places(factor, name, child)
            ]  # fmt: skip
        case Power(base, exponent):
            return _of_power(term, base, exponent, name, child)
        case Call(function, arguments):
            return _of_call(term, function, arguments, name, child, whole=whole)
        case Where(left, relation, right, yes, no):
            return [
                replace(place, coefficient=Where(left, relation, right, place.coefficient, ZERO))
                for place in _places(yes, name, child)
            ] + [
                replace(place, coefficient=Where(left, relation, right, ZERO, place.coefficient))
                for place in _places(no, name, child)
            ]
        case Given(conditions, body):
            return [
                replace(place, conditions=(*conditions, *place.conditions))
                for place in _places(body, name, child)
            ]
        case Binder():
            return _of_binder(term, name, child, whole=whole)
    raise TypeError(f"no way to differentiate {type(term).__name__}")


def _of_power(
    term: Power, base: Term, exponent: Term, name: str, child: Read
) -> list[_Place]:  # fmt: skip
    lower = total((exponent, Number(Fraction(-1))))
    if isinstance(exponent, Number):
        lower = Number(exponent.value - 1)
    found = [
        place.times(product((exponent, power(base, lower)))) for place in _places(base, name, child)
    ]
    grown = product((term, Call("log", (base,))))
    return found + [place.times(grown) for place in _places(exponent, name, child)]


def _of_call(
    term: Call, function: str, arguments: tuple[Term, ...], name: str, child: Read, *, whole: bool
) -> list[_Place]:
    if function in ("max", "min"):
        arguments = tuple(dict.fromkeys(arguments))  # max(u, u, v) is max(u, v)
        return [
            replace(place, coefficient=_where_it_wins(function, arguments, k, place.coefficient))
            for k, argument in enumerate(arguments)
            for place in _places(argument, name, child)
        ]
    if not functions.has_slope(function):
        return _places(functions.formula(function, arguments[0]), name, child)
    slope = functions.slope(term, child if whole else term)
    return [place.times(slope) for place in _places(arguments[0], name, child)]


def _where_it_wins(function: str, arguments: tuple[Term, ...], k: int, slope: Term) -> Term:
    """``slope`` where argument k is the largest (or least).

    Where several are equal a constant one wins, else the last by name, as in the catalogue.
    """
    own = arguments[k]
    for position, other in enumerate(arguments):
        if position == k or other == own:
            continue
        relation = "<=" if functions.rank(own) > functions.rank(other) else "<"
        sides = (other, own) if function == "max" else (own, other)
        slope = Where(sides[0], relation, sides[1], slope, ZERO)
    return slope


def _of_binder(term: Binder, name: str, child: Read, *, whole: bool) -> list[_Place]:
    """Σ' = Σ of the derivative; the others weigh it: 1/count, softmax, 1 for the largest."""
    own = letter(term.range.letter)
    inner = _places(term.body, name, child)
    match term.kind:
        case "sum":
            weight: Term = UNIT
        case "mean":
            weight = power(count(term.range, term.conditions), Number(Fraction(-1)))
        case "logsumexp":
            weight = replace(term, kind="softmax", at=own)
        case "max" | "min":
            weight = replace(term, kind=f"arg{term.kind}", at=own)
        case "softmax":
            return _of_softmax(term, inner, child, whole=whole)
        case "argmax" | "argmin" | "count":
            return []  # steps: their slope is 0 wherever they have one
        case _:
            raise TypeError(f"no way to differentiate {term.kind}")
    return [_inside(term, place.times(weight)) for place in inner]


def _inside(binder: Binder, place: _Place) -> _Place:
    """A place within the body of a binder, as a place of the binder."""
    return replace(
        place,
        ranges=(binder.range, *place.ranges),
        conditions=(*binder.conditions, *place.conditions),
    )


def _of_softmax(term: Binder, inner: list[_Place], child: Read, *, whole: bool) -> list[_Place]:
    """∂p_α/∂z_u = p_α (δ_αu - p_u), with p the value itself where it is all of the child."""
    assert term.at is not None
    own, outer = letter(term.range.letter), term.at

    def value(at: Index) -> Term:
        if whole and outer.bare is not None and outer in child.indices:
            return moved_term(child, {outer.bare: at})
        return replace(term, at=at)

    found = []
    for place in inner:
        here: dict[str, Index] = {term.range.letter: outer}
        try:
            found.append(
                _Place(
                    product((value(outer), moved_term(place.coefficient, here))),
                    tuple(moved(index, here) for index in place.indices),
                    place.ranges,
                    tuple(
                        condition_moved(each, here)
                        for each in (*term.conditions, *place.conditions)
                    ),
                )
            )
        except TypeError:  # a looked-up index in a sum: leave the sum, and one condition
            picked = replace(place, conditions=(Condition(outer, "==", own), *place.conditions))
            found.append(_inside(term, picked.times(value(outer))))
        both = product((value(outer), value(own)))
        found.append(_inside(term, place.times(negative(both))))
    return found


def count(over: Range, conditions: tuple[Condition, ...]) -> Term:
    """How many numbers a letter takes: n, or t where u ≤ t, else a count."""
    if not conditions:
        return Measure(over.upper - over.lower + number(1))
    return Binder("count", over, conditions, UNIT)


# ------------------------------------------------------------------ both passes as one system


def _both(
    system: System,
    leading: Sequence[Quantity],
    adjoints: Mapping[str, tuple[Deduction, ...]],
    mark: str,
) -> System:
    """The forward definitions, then the adjoints in an order in which each is known when read."""
    groups: list[Group] = []
    for group in reversed(system.groups):
        names = dict.fromkeys(each.name for each in reversed(group.definitions))
        definitions = tuple(
            deduction.definition
            for name in names
            for deduction in adjoints.get(name, ())
            if any(deduction.definition.at == d.at for d in group.definitions if d.name == name)
        )
        if definitions:
            axes = {
                adjoint_name(name, mark): axis
                for name, axis in group.axes.items()
                if name in adjoints
            }
            groups.append(Group(definitions, axes, forward=not group.forward))
    # Those of parameters and inputs as soon as what they read is known.
    leaves: dict[int, list[Group]] = {}
    for name, deductions in adjoints.items():
        if name not in system.defining:
            own = tuple(deduction.definition for deduction in deductions)
            needed = {reading.read.array for each in own for reading in reads(each.term)}
            last = max(
                (n for n, g in enumerate(groups) if needed & {d.name for d in g.definitions}),
                default=-1,
            )
            leaves.setdefault(last, []).append(Group(own))
    ordered = leaves.get(-1, [])
    for position, group in enumerate(groups):
        ordered += [group, *leaves.get(position, ())]
    made = tuple(
        Quantity(
            adjoint_name(each.name, mark),
            Kind.ADJOINT,
            each.shape,
            of=each.name,
            target=system.target,
        )
        for each in leading
        if each.name in adjoints
    )
    return replace(
        system, quantities=(*system.quantities, *made), groups=(*system.groups, *ordered)
    )
