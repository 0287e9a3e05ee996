"""From a formula over arrays with indices to one over whole arrays: matrices, or einsum.

Here one can

* lift the right side of a definition: `Lifter.lifted` gives a SymPy matrix expression where the
  result has at most two indices and no product needs more, else index notation in which every
  contraction is an `Einsum`; what has neither raises `NoMatrixForm`;
* ask for what the lifts have named: `Lifter.named`, a `Definition` for each window
  X̃[o,u,c] = x[2o+u-3,c], each picked row E[tok[t],i], each mask M[t,u] = 1[u ≤ t].

**How.** A formula is a sum of products under sums.  A letter is an axis of the arrays, or, within a
loop or a sum over steps, a number: h[t-1,j] is the column h_{t-1} there.  A sum over t becomes one
over steps where an array is read at t - 1 and the like; otherwise it contracts its factors
(`symback.engine.matrix.contracted`).  An index that is neither a letter nor a number makes a window
of its own, and takes along the conditions under which it is read; the other conditions are masks.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, TypeAlias

import sympy
from sympy import Expr, Lambda, MatAdd, MatrixExpr, Symbol
from sympy.matrices.expressions.hadamard import HadamardPower
from sympy.matrices.expressions.special import OneMatrix

from symback.engine import matrix as dense
from symback.engine.matrix import Factor, contracted
from symback.equations.adjoints import count
from symback.equations.indices import (
    Affine,
    Condition,
    Index,
    Lookup,
    Range,
    condition_moved,
    decided,
    letter,
    number,
    within,
)
from symback.equations.matrix_nodes import (
    FREE,
    KEEPS,
    Along,
    Einsum,
    Entry,
    Leaf,
    Over,
    StepSum,
    Whole,
)
from symback.equations.system import ADJOINT, Definition, Kind, Quantity, System
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
    Where,
    free_letters,
    fresh,
    given,
    moved_term,
    power,
    product,
    reads,
    rebuilt,
)
from symback.language import algebra
from symback.language.algebra import (
    Elementwise,
    Product,
    Scalar,
    Sigma,
    Terms,
    called,
    matrix_product,
    matrix_sum,
)
from symback.language.errors import SymbackError
from symback.language.functions import ACTIVATIONS, ELEMENTARY
from symback.language.writing import latex_letter

FURTHEST = 4
"""As many steps beyond its last an array may count as 0."""

Rule: TypeAlias = Callable[..., Expr]
"""What makes SymPy's node of its arguments."""


class NoMatrixForm(SymbackError):
    """A part that no matrix expression of this room equals, and the ``reason``."""

    def __init__(self, term: Term, reason: str) -> None:
        super().__init__(f"no matrix form: {reason}; the index form stands")
        self.term, self.reason = term, reason


def _rows_first(places: Iterable[Expr]) -> bool:
    """Whether what is fixed comes before what is free: S_t is row t of S, and no column is."""
    is_free = [place == FREE for place in places]
    return is_free == sorted(is_free)


@dataclass(frozen=True, slots=True)
class Boundary:
    """``array`` is 0 where the index at ``axis`` is ``index``: ∇a_{T+1} = 0."""

    array: str
    axis: int
    index: Affine


@dataclass(frozen=True, slots=True)
class _Scope:
    """What letters are: ``axes`` of arrays, or a number each (``steps``); ``known`` holds here."""

    axes: Mapping[str, Range]
    steps: Mapping[str, Range]
    known: tuple[Condition, ...] = ()

    def stepping(self, over: Range) -> _Scope:
        """With one more letter that is a number."""
        return replace(self, steps={**self.steps, over.letter: over})

    def within(self, ranges: Iterable[Range], conditions: Iterable[Condition]) -> _Scope:
        """With more axes."""
        axes = {**self.axes, **{each.letter: each for each in ranges}}
        return replace(self, axes=axes, known=(*self.known, *conditions))

    @property
    def letters(self) -> frozenset[str]:
        """All of them."""
        return frozenset(self.axes) | frozenset(self.steps)

    def axes_of(self, names: frozenset[str]) -> list[str]:
        """Those of ``names`` that are axes, in order."""
        return [name for name in self.axes if name in names]


@dataclass(slots=True)
class _Product:
    """Σ over ``sums`` of [conditions] Π parts."""

    parts: list[Term]
    sums: dict[str, Range] = field(default_factory=dict)
    conditions: list[Condition] = field(default_factory=list)

    def without(self, name: str) -> _Product:
        """With one sum less."""
        sums = {other: over for other, over in self.sums.items() if other != name}
        return _Product(self.parts, sums, self.conditions)


def symbol(name: str) -> Symbol:
    """A letter or a size in SymPy."""
    return Symbol(name, integer=True, positive=True)


def affine(index: Affine) -> Expr:
    """An index in SymPy."""
    parts = (coefficient * symbol(name) for name, coefficient in index.parts)
    return sympy.Add(*parts, sympy.Integer(index.constant))


class Lifter:
    """Lifts formulas over the arrays of one system, its adjoints included."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.quantities: dict[str, Quantity] = dict(system.by_name)
        self.named: dict[str, Definition] = {}
        """What the lifts have named, in the order in which it was needed."""
        self.spellings: dict[str, tuple[str, str]] = {}
        self._by_content: dict[object, str] = {}
        self.boundaries: dict[Boundary, None] = {}

    def lifted(self, definition: Definition, step: Range | None) -> Expr:
        """The right side over whole arrays; ``step`` is the loop that it stands in."""
        steps = {step.letter: step} if step is not None else {}
        axes = {each.letter: each for each in definition.ranges if each.letter not in steps}
        scope = _Scope(axes, steps)
        for name, over in axes.items():
            size = self._own_size(definition, name)
            if over.lower != number(1) or over.upper != size:
                raise NoMatrixForm(
                    definition.term, f"{over} is not all of 1..{size}, as {name} runs for the array"
                )
        want = [index.bare for index in definition.at if index.bare in axes]
        if len(want) <= 2:
            try:
                return self.matrix(definition.term, [w for w in want if w], scope)
            except NoMatrixForm as error:
                reason = error
            try:
                return self._tensor(definition.term, scope)
            except NoMatrixForm:
                raise reason from None
        return self._tensor(definition.term, scope)

    def _own_size(self, definition: Definition, name: str) -> Affine:
        places = zip(definition.at, self.quantities[definition.name].shape, strict=True)
        return next(size for index, size in places if index.bare == name)

    # ------------------------------------------------------------------------------ matrices

    def matrix(self, term: Term, want: Sequence[str], scope: _Scope) -> MatrixExpr:
        """``term`` as a matrix whose rows and columns are the axes ``want``."""
        if len(want) > 2:
            raise NoMatrixForm(term, f"a part has the indices {', '.join(want)} at once")
        if isinstance(term, Plus):
            parts = [self.matrix(part, want, scope) for part in term.terms]
            return matrix_sum(
                [p for part in parts for p in (part.args if isinstance(part, MatAdd) else [part])]
            )
        flat = _unpicked(_flattened(term, frozenset(scope.axes), scope.letters), scope)
        return self._matrix_of(flat, term, want, scope)

    def _matrix_of(
        self, flat: _Product, term: Term, want: Sequence[str], scope: _Scope
    ) -> MatrixExpr:
        if (over := self._step_letter(flat, scope)) is not None:
            over, rest = _limited(over, flat.without(over.letter), scope)
            body = self._matrix_of(rest, term, want, scope.stepping(over))
            limits = affine(over.lower), affine(over.upper)
            return StepSum(symbol(over.letter), *limits, body)
        inner, parts, numbers = self._ready(flat, scope)
        factors: list[Factor] = []
        for part in parts:
            letters = inner.axes_of(free_letters(part))
            if not letters:
                numbers.append(self._number(part, inner))
            elif _is_square_of(part, letters, flat.sums):
                assert isinstance(part, Power)
                factors += [self._unit(part.base, letters, inner)] * 2
            else:
                factors.append(self._unit(part, letters, inner))
        if not factors and not flat.sums and not want:
            return _one_number(numbers)
        numbers = _in_order(numbers)
        sizes = {symbol(name): affine(over.upper) for name, over in inner.axes.items()}
        try:
            return contracted(
                sympy.S.One,
                tuple(map(symbol, want)),
                sizes,
                [symbol(name) for name in reversed(flat.sums)],
                numbers,
                factors,
            )
        except dense.NoMatrixForm as error:
            raise NoMatrixForm(term, error.reason) from None

    def _unit(self, part: Term, letters: Sequence[str], scope: _Scope) -> Factor:
        """One factor with the axes ``letters``, as a matrix."""
        if len(letters) > 2:
            raise NoMatrixForm(part, f"a factor has the indices {', '.join(letters)} at once")
        if isinstance(part, Read):
            placed = self._place(part, scope)
            return Factor(self._leaf(part.array, placed.places), _symbols(placed.letters))
        letters = self._oriented(part, letters, scope)
        return Factor(self._function(part, letters, scope), _symbols(letters))

    def _function(self, part: Term, letters: Sequence[str], scope: _Scope) -> MatrixExpr:
        match part:
            case Plus() | Times() | Given() | Binder(kind="sum") | Binder(kind="mean"):
                return self.matrix(part, letters, scope)
            case Binder(kind="count"):
                return self.matrix(replace(part, kind="sum"), letters, scope)
            case Power(base, exponent) if not scope.axes_of(free_letters(exponent)):
                return HadamardPower(
                    self.matrix(base, letters, scope), self._number(exponent, scope)
                )
            case Call("max" | "min" as kind, arguments):
                rule = sympy.Max if kind == "max" else sympy.Min
                return self._elementwise(rule, arguments, letters, scope)
            case Call(function, arguments):
                return self._elementwise(_in_sympy(function), arguments, letters, scope)
            case Power(base, exponent):
                return self._elementwise(sympy.Pow, (base, exponent), letters, scope)
            case Where(left, relation, right, yes, no):
                test = self._elementwise(_compared(relation), (left, right), letters, scope)
                both = (self.matrix(case, letters, scope) for case in (yes, no))
                return algebra.Where(test, *both)
            case Binder():
                return self._along(part, letters, scope)
            case Measure():
                raise NoMatrixForm(part, f"it computes with the index {part.index} itself")
        raise NoMatrixForm(part, f"{type(part).__name__} is not known here")

    def _elementwise(
        self, rule: Rule, arguments: Sequence[Term], letters: Sequence[str], scope: _Scope
    ) -> Elementwise:
        """A function, or a comparison, of arrays: each of them once, in the order they are read."""
        arrays: list[MatrixExpr] = []
        placed: list[Expr] = []
        for argument in arguments:
            if isinstance(argument, Number):
                placed.append(_rational(argument))
                continue
            array = self.matrix(argument, letters, scope)
            if array not in arrays:
                arrays.append(array)
            placed.append(_placeholder(arrays.index(array)))
        own = tuple(map(_placeholder, range(len(arrays))))
        return Elementwise(Lambda(own, rule(*placed)), *arrays)

    def _along(self, binder: Binder, letters: Sequence[str], scope: _Scope) -> MatrixExpr:
        """A softmax, a maximum and the like, over rows or columns as a whole."""
        body, conditions, over, inner = self._opened(binder, scope)
        rows = list(letters) if over in letters else [*letters, over]
        matrix = self.matrix(body, rows, inner)
        masks = [self._masked(each, inner) for each in _by_letters(conditions, inner)]
        mask = [] if not masks else [self.matrix(product(masks), rows, inner)]
        return Along(binder.kind, rows.index(over), matrix, *mask)

    def _opened(self, binder: Binder, scope: _Scope) -> tuple[Term, list[Condition], str, _Scope]:
        """Body and conditions of a softmax and the like, the letter it runs over, what is known."""
        binder, own = _renamed(binder, scope.letters)
        if binder.range.lower != number(1):
            raise NoMatrixForm(binder, f"{binder.kind} runs over {binder.range}")
        if binder.kind not in KEEPS:
            inner = scope.within([binder.range], binder.conditions)
            return binder.body, list(binder.conditions), own, inner
        at = binder.at.bare if binder.at is not None else None
        if at is None or at not in scope.axes:
            raise NoMatrixForm(binder, f"{binder.kind} is read at the index {binder.at}")
        if scope.axes[at] != replace(binder.range, letter=at):
            raise NoMatrixForm(binder, f"{binder.kind} runs over {binder.range}, not {at}")
        if at in _free_inside(binder):  # 1[u = argmax_i x[i+t-u]]: another array for each u
            raise NoMatrixForm(binder, f"{binder.kind} over {own} of what depends on {at}")
        moves = {own: letter(at)}
        conditions = [condition_moved(each, moves) for each in binder.conditions]
        # What holds of the index at which it is read does not hold of all that it runs over.
        known = tuple(each for each in scope.known if at not in each.names)
        inner = replace(scope, known=(*known, *conditions))
        return moved_term(binder.body, moves), conditions, at, inner

    # ------------------------------------------------------------------------------- numbers

    def _number(self, part: Term, scope: _Scope) -> Expr:
        """A part without axes as a number."""
        match part:
            case Number():
                return _rational(part)
            case Measure(index):
                return affine(index)
            case Read() if self._placed(part, scope) is None:
                named, _ = self._window(part, (), scope)
                return self._number(named, scope)
            case Read():
                return Scalar(self._leaf(part.array, self._place(part, scope).places))
            case Plus(terms):
                return Terms(*(self._number(term, scope) for term in terms))
            case Times(factors) if not any(isinstance(f, (Binder, Given)) for f in factors):
                return sympy.Mul(*_in_order([self._number(each, scope) for each in factors]))
            case Power(base, exponent):
                numbers = (self._number(each, scope) for each in (base, exponent))
                return sympy.Pow(*numbers, evaluate=False)
            case Call("max" | "min" as kind, arguments):
                rule = sympy.Max if kind == "max" else sympy.Min
                return rule(*(self._number(each, scope) for each in arguments))
            case Call(function, arguments):
                return _in_sympy(function)(*(self._number(each, scope) for each in arguments))
            case Where(left, relation, right, yes, no):
                sides = (self._number(side, scope) for side in (left, right))
                cases = (self._number(case, scope) for case in (yes, no))
                return sympy.Piecewise(
                    (next(cases), _compared(relation)(*sides)), (next(cases), True), evaluate=False
                )
            case Binder() if part.kind in KEEPS:
                raise NoMatrixForm(part, f"{part.kind} is read at the index {part.at}")
            case Binder(kind="count"):
                return self._number(replace(part, kind="sum"), scope)
            case Binder(kind="sum") | Binder(kind="mean") | Times() | Given():
                return Scalar(self.matrix(part, (), scope))
            case Binder():
                return Scalar(self._along(part, (), scope))
        raise NoMatrixForm(part, f"{type(part).__name__} is not known here")

    # ------------------------------------------------------------------- index notation, einsum

    def _tensor(self, term: Term, scope: _Scope) -> Expr:
        """``term`` in index notation, each contraction of arrays an `Einsum`."""
        if isinstance(term, Plus):
            return Terms(*(self._tensor(part, scope) for part in term.terms))
        flat = _unpicked(_flattened(term, frozenset(scope.axes), scope.letters), scope)
        return self._tensor_of(flat, scope)

    def _tensor_of(self, flat: _Product, scope: _Scope) -> Expr:
        if (over := self._step_letter(flat, scope)) is not None:
            over, rest = _limited(over, flat.without(over.letter), scope)
            body = self._tensor_of(rest, scope.stepping(over))
            return Sigma(body, (symbol(over.letter), affine(over.lower), affine(over.upper)))
        inner, parts, numbers = self._ready(flat, scope)
        numbers += [self._entry(p, inner) for p in parts if not inner.axes_of(free_letters(p))]
        numbers = _in_order(numbers)
        parts = [part for part in parts if inner.axes_of(free_letters(part))]
        entries = [self._entry(part, inner) for part in parts]
        summed = {symbol(name) for name in flat.sums}
        joined = [each for each in entries if summed & _axes_in(each, inner)]
        others = [each for each in entries if each not in joined]
        if summed - set().union(*(_axes_in(each, inner) for each in joined)):
            raise NoMatrixForm(product(flat.parts), "it sums over an index that nothing has")
        if not joined:
            return Product(*numbers, *others)
        if all(isinstance(each, Entry) for each in joined):
            met = dict.fromkeys(name for each in joined for name in _ordered(each, inner))
            order = [symbol(name) for name in inner.axes]
            out = sorted((name for name in met if name not in summed), key=order.index)
            einsum: Expr = Einsum(out, *_dissolved(joined))
            return Product(*numbers, *others, Entry(einsum, out))
        body = Product(*joined)
        for name, over in reversed(flat.sums.items()):
            body = Sigma(body, (symbol(name), sympy.S.One, affine(over.upper)))
        return Product(*numbers, *others, body)

    def _entry(self, part: Term, scope: _Scope) -> Expr:
        """One factor in index notation."""
        if not scope.axes_of(free_letters(part)):
            try:
                return self._number(part, scope)
            except NoMatrixForm:
                if not isinstance(part, (Plus, Times, Given, Binder)):
                    raise
        match part:
            case Read(array):
                placed = self._place(part, scope)
                return Entry(Whole(array, placed.places), _symbols(placed.letters))
            case Plus() | Times() | Given() | Binder(kind="sum") | Binder(kind="mean"):
                return self._tensor(part, scope)
            case Power(base, exponent):
                return sympy.Pow(
                    self._tensor(base, scope), self._tensor(exponent, scope), evaluate=False
                )
            case Call("max" | "min" as kind, arguments):
                rule = sympy.Max if kind == "max" else sympy.Min
                return rule(*(self._tensor(each, scope) for each in arguments))
            case Call(function, arguments):
                return _in_sympy(function)(*(self._tensor(each, scope) for each in arguments))
            case Where(left, relation, right, yes, no):
                sides = (self._tensor(side, scope) for side in (left, right))
                yes_, no_ = (self._tensor(case, scope) for case in (yes, no))
                test = _compared(relation)(*sides)
                return sympy.Piecewise((yes_, test), (no_, True), evaluate=False)
            case Binder():
                return self._over(part, scope)
        raise NoMatrixForm(part, f"{type(part).__name__} is not known here")

    def _over(self, binder: Binder, scope: _Scope) -> Expr:
        """A softmax, a maximum and the like in index notation: over a letter, or along an array."""
        letters = scope.axes_of(free_letters(binder))
        try:
            unit = self._unit(binder, letters, scope)
        except NoMatrixForm:
            pass
        else:
            return Entry(unit.matrix, unit.letters)
        body, conditions, over, inner = self._opened(binder, scope)
        masks = [self._masked(each, inner) for each in _by_letters(conditions, inner)]
        mask = [self._entry(each, inner) for each in masks]
        upper = affine(binder.range.upper)
        return Over(binder.kind, symbol(over), upper, self._tensor(body, inner), Product(*mask))

    # -------------------------------------------------------------------- getting a product ready

    def _step_letter(self, flat: _Product, scope: _Scope) -> Range | None:
        """A letter that is summed and has to be a number: h[t-1,j] is a column for each t."""
        numbers = {*self.system.sizes, *scope.steps}
        for name, over in flat.sums.items():
            if over.lower != number(1):
                return over
            for reading in _reads_of(flat.parts):
                for axis, index in enumerate(reading.indices):
                    if not isinstance(index, Affine) or name not in index.names:
                        continue
                    size = self.quantities[reading.array].shape[axis]
                    if index.bare == name and size == over.upper:
                        continue
                    if index.names <= {name, *numbers}:
                        return over
        return None

    def _ready(self, flat: _Product, scope: _Scope) -> tuple[_Scope, list[Term], list[Expr]]:
        """The axes within, the factors with plain indices, and the numbers: guards, for now."""
        inner = scope.within(flat.sums.values(), flat.conditions)
        parts = [_looked_up(part, flat.conditions, inner) for part in flat.parts]
        left = [each for each in flat.conditions if not any(each in self._holds(p) for p in parts)]
        ready: list[Term] = []
        for part in parts:
            if isinstance(part, Read) and self._placed(part, inner) is None:
                part, taken = self._window(part, left, inner)
                left = [each for each in left if each not in taken]
            ready.append(part)
        guards = [each for each in left if not inner.axes_of(each.names)]
        masks = [each for each in left if each not in guards]
        guards = [each for each in guards if not self._is_boundary(each, ready, inner)]
        numbers: list[Expr] = []
        if guards:
            test = sympy.And(*(_condition(each, scope.steps) for each in guards), evaluate=False)
            numbers.append(sympy.Piecewise((1, test), (0, True), evaluate=False))
        ready = [*(self._masked(each, inner) for each in _by_letters(masks, inner)), *ready]
        ready.sort(key=_divides)
        return inner, ready, numbers

    def _holds(self, part: Term) -> set[Condition]:
        """Outside of which ``part`` is 0 anyhow: a softmax where it leaves an index out."""
        if not isinstance(part, Read) or part.array not in self.system.defining:
            return set()
        definition = self.system.defining[part.array][-1]
        term = definition.term
        if not isinstance(term, Binder) or term.kind != "softmax" or definition.is_base:
            return set()
        if term.at is None or term.at.bare is None:
            return set()
        moves = {
            own.bare: index
            for own, index in zip(definition.at, part.indices, strict=True)
            if own.bare is not None
        }
        try:
            at = {term.range.letter: moves[term.at.bare]}
            return {condition_moved(each, {**moves, **at}) for each in term.conditions}
        except TypeError:
            return set()

    def _is_boundary(self, condition: Condition, parts: Sequence[Term], scope: _Scope) -> bool:
        """Whether a guard only says that an array has no element there, where it counts as 0."""
        for part in parts:
            found = self._edges(condition, part, scope)
            if found:
                self.boundaries |= dict.fromkeys(found)
                return True
        return False

    def _edges(self, condition: Condition, part: Term, scope: _Scope) -> list[Boundary]:
        """Elements outside of an array which, taken for 0, make ``part`` 0 as the guard does."""
        match part:
            case Read():
                return self._edge(condition, part, scope)
            case Times(factors):
                return next(filter(None, (self._edges(condition, f, scope) for f in factors)), [])
            case Plus(terms):
                found = [self._edges(condition, term, scope) for term in terms]
                return [each for edges in found for each in edges] if all(found) else []
            case Binder(kind="sum") | Binder(kind="mean") | Given():
                return self._edges(condition, part.body, scope)
        return []

    def _edge(self, condition: Condition, read: Read, scope: _Scope) -> list[Boundary]:
        quantity = self.quantities[read.array]
        if quantity.kind is not Kind.ADJOINT:
            return []
        for axis, index in enumerate(read.indices):
            if not isinstance(index, Affine) or not index.names & scope.steps.keys():
                continue
            size = quantity.shape[axis]
            low, high = within(index, number(1), size)
            if _same(condition, high):
                outside = [size + number(k) for k in range(1, FURTHEST + 1)]
            elif _same(condition, low):
                outside = [number(1 - k) for k in range(1, FURTHEST + 1)]
            else:
                continue
            has_base = any(
                each.at[axis] in outside for each in self.system.defining.get(read.array, ())
            )  # then there is an element, and it need not be 0
            reached = self._reached(index, outside, scope)
            if reached and not has_base:
                return [Boundary(read.array, axis, edge) for edge in reached]
        return []

    def _reached(self, index: Affine, outside: list[Affine], scope: _Scope) -> list[Affine]:
        """The places outside of an array that ``index`` may be at; none where it goes further."""
        steps = scope.steps.values()
        for steps_beyond, edge in enumerate(outside, start=1):
            beyond = (edge - index) if edge.names else (index - edge)
            if decided(Condition(number(0), "<=", beyond), steps) is True:
                return outside[:steps_beyond]
        return []

    def _place(self, read: Read, scope: _Scope) -> _Placed:
        placed = self._placed(read, scope)
        if placed is None:
            raise NoMatrixForm(read, f"an index of {read.array} is no letter by itself")
        return placed

    def _placed(self, read: Read, scope: _Scope) -> _Placed | None:
        """An element's array as a whole; None where an index is neither letter nor number."""
        places: list[Expr] = []
        letters: list[str] = []
        for axis, index in enumerate(read.indices):
            if isinstance(index, Lookup):
                return None
            axes = index.names & scope.axes.keys()
            if not axes:
                places.append(affine(index))
                continue
            name = index.bare
            size = self.quantities[read.array].shape[axis]
            if name is None or name in letters or scope.axes[name] != Range(name, size):
                return None
            places.append(FREE)
            letters.append(name)
        if not _rows_first(places):
            return None
        return _Placed(tuple(places), tuple(letters))

    def _leaf(self, array: str, places: Sequence[Expr]) -> MatrixExpr:
        """An array as a matrix: the first free index counts the rows.

        S_t is row t of S, as h_t is of h.  A column has no name of its own: it would be S_t too.
        """
        if not _rows_first(places):
            raise NoMatrixForm(Read(array), "a column of it has no name, since S_t is row t of S")
        quantity = self.quantities[array]
        sizes = [
            affine(size)
            for size, place in zip(quantity.shape, places, strict=True)
            if place == FREE
        ]
        rows, columns = (*sizes, sympy.S.One, sympy.S.One)[:2]
        return Leaf(array, places, rows, columns)

    def _oriented(self, part: Term, letters: Sequence[str], scope: _Scope) -> list[str]:
        """``letters`` in the order in which the first array that has all of them has them."""
        for reading in reads(part):
            placed = self._placed(reading.read, scope.within(reading.ranges, ()))
            if placed and {*letters} <= {*placed.letters}:
                return [name for name in placed.letters if name in letters]
        return list(letters)

    # ------------------------------------------------------------------------ what gets a name

    def _window(
        self, read: Read, conditions: Sequence[Condition], scope: _Scope
    ) -> tuple[Term, list[Condition]]:
        """A name for elements at indices such as 2o+u-3, and the conditions that it stands for."""
        names = read_letters(read, scope)
        taken = [each for each in conditions if _letters_in(each, scope) <= {*names}]
        known = [each for each in scope.known if _letters_in(each, scope) <= {*names}]
        needed = [] if self._stays_inside(read, scope) else known
        guards = dict.fromkeys([*taken, *needed])
        spelled = _spelled_window(read, scope)
        return self._named(names, given(guards, read), spelled, scope), taken

    def _stays_inside(self, read: Read, scope: _Scope) -> bool:
        """Whether every index of ``read`` is in its array, whatever its letters are."""
        quantity = self.quantities[read.array]
        ranges = [*scope.steps.values(), *scope.axes.values()]
        return quantity.pad is not None or all(
            isinstance(index, Lookup)
            or all(decided(edge, ranges) is True for edge in within(index, number(1), size))
            for index, size in zip(read.indices, quantity.shape, strict=True)
        )

    def _masked(self, conditions: Sequence[Condition], scope: _Scope) -> Term:
        """A name for the array that is 1 where the conditions hold and 0 elsewhere."""
        names = [n for n in scope.letters if any(n in each.names for each in conditions)]
        order = [*scope.steps, *scope.axes]
        names.sort(key=order.index)
        lookup = _looked(conditions)
        if _is_diagonal(conditions):
            spelled = "I", r"\mathbf{I}"
        elif lookup is not None:
            names.sort(key=lambda name: name not in lookup.names)
            word = lookup.array
            spelled = f"1_{word}", rf"\mathbf{{1}}_{{{latex_letter(word)}}}"
        else:
            spelled = "M", "M"
        return self._named(names, given(conditions, UNIT), spelled, scope)

    def _named(
        self, names: Sequence[str], term: Term, spelled: tuple[str, str], scope: _Scope
    ) -> Read:
        """The element of an array that is ``term``, one that is named already where there is."""
        everything = {**scope.steps, **scope.axes}
        alike = (tuple(each.letter for each in known.ranges) for known in self.named.values())
        same = [order for order in alike if {*order} == {*names}]
        others = itertools.permutations(names) if len(names) <= 4 else [tuple(names)]  # 24, not 8!
        for order in (*same, *others):
            known = self._by_content.get(_content(order, term, everything))
            if known is not None:
                return Read(known, tuple(map(letter, order)))
        grown = {name.upper() for name, each in self.quantities.items() if len(each.shape) > 1}
        taken = {*self.quantities, *grown, *self.system.sizes}
        text, latex = spelled
        while text in taken:
            text, latex = f"{text}′", f"{latex}'"
        ranges = tuple(everything[name] for name in names)
        if any(over.lower != number(1) for over in ranges):
            raise NoMatrixForm(term, "an index of it does not start at 1")
        at = tuple(map(letter, names))
        self.named[text] = Definition(text, at, ranges, term)
        self.quantities[text] = Quantity(text, Kind.COMPUTED, tuple(r.upper for r in ranges))
        self.spellings[text] = text, latex
        self._by_content[_content(tuple(names), term, everything)] = text
        return Read(text, at)


@dataclass(frozen=True, slots=True)
class _Placed:
    """What stands for each index of an array, and the letters of those that are free."""

    places: tuple[Expr, ...]
    letters: tuple[str, ...]


# --------------------------------------------------------------------- taking products apart


def _flattened(term: Term, axes: frozenset[str], taken: frozenset[str]) -> _Product:
    """Σ [conditions] Π parts; what is nested in a product of several parts stays one part."""
    match term:
        case Binder(kind="mean"):
            weight = power(count(term.range, term.conditions), MINUS)
            return _flattened(Times((weight, replace(term, kind="sum"))), axes, taken)
        case Binder(kind="sum"):
            binder, name = _renamed(term, taken)
            inner = _flattened(binder.body, axes | {name}, taken | {name})
            return _Product(
                inner.parts,
                {name: binder.range, **inner.sums},
                [*binder.conditions, *inner.conditions],
            )
        case Given(conditions, body):
            inner = _flattened(body, axes, taken)
            return replace(inner, conditions=[*conditions, *inner.conditions])
        case Times(factors):
            return _flattened_product(factors, axes, taken)
    return _Product([term])


def _flattened_product(
    factors: Sequence[Term], axes: frozenset[str], taken: frozenset[str]
) -> _Product:
    lettered = [factor for factor in factors if free_letters(factor) & axes]
    lettered = lettered or [each for each in factors if isinstance(each, (Binder, Given))]
    if len(lettered) == 1 or len(factors) == 1:
        own = lettered[0] if lettered else factors[0]
        inner = _flattened(own, axes, taken)
        position = factors.index(own)
        parts = [*factors[:position], *inner.parts, *factors[position + 1 :]]
        return replace(inner, parts=parts)
    found = _Product([])
    for factor in factors:
        inner = _flattened(factor, axes, taken) if isinstance(factor, (Times, Given)) else None
        if inner is None or inner.sums:
            found.parts.append(factor)
        else:
            found.parts += inner.parts
            found.conditions += inner.conditions
    return found


def _unpicked(flat: _Product, scope: _Scope) -> _Product:
    """An argmax at the index i-2o+2 as a sum over u of that at u where u = i-2o+2."""
    for place, part in enumerate(flat.parts):
        if not isinstance(part, Binder) or part.kind not in KEEPS or part.at is None:
            continue
        axes = part.at.names & (scope.axes.keys() | flat.sums.keys())
        is_own = part.at.bare is not None and part.at.bare not in _free_inside(part)
        if is_own or not axes or not isinstance(part.at, Affine):
            continue
        own = fresh(part.range.letter, scope.letters | flat.sums.keys())
        edges = within(part.at, part.range.lower, part.range.upper)
        conditions = [c for c in flat.conditions if not any(_same(c, edge) for edge in edges)]
        parts = [*flat.parts]
        parts[place] = replace(part, at=letter(own))
        flat = _Product(
            parts,
            {**flat.sums, own: replace(part.range, letter=own)},
            [*conditions, Condition(letter(own), "==", part.at)],
        )
    return flat


def _free_inside(binder: Binder) -> frozenset[str]:
    """The letters that its body and conditions have from outside."""
    inside = free_letters(binder.body).union(*(each.names for each in binder.conditions))
    return inside - {binder.range.letter}


def _renamed(binder: Binder, taken: Iterable[str]) -> tuple[Binder, str]:
    """A binder whose letter is not ``taken``, and that letter."""
    own = binder.range.letter
    name = fresh(own, taken)
    if name == own:
        return binder, own
    moves = {own: letter(name)}
    renamed = replace(
        binder,
        range=replace(binder.range, letter=name),
        conditions=tuple(condition_moved(each, moves) for each in binder.conditions),
        body=moved_term(binder.body, moves),
    )
    return renamed, name


def _limited(over: Range, flat: _Product, scope: _Scope) -> tuple[Range, _Product]:
    """Conditions on the letter alone as the limits of its sum."""
    left = []
    for each in flat.conditions:
        found = None
        if isinstance(each.left, Affine) and isinstance(each.right, Affine):
            found = _limit(over, each.right - each.left, each.relation, scope)
        if found is None:
            left.append(each)
        else:
            over = found
    return over, replace(flat, conditions=left)


def _limit(over: Range, slack: Affine, relation: str, scope: _Scope) -> Range | None:
    """``over`` where 0 ≤ slack (or <); None where that is no limit of its own."""
    name, steps = over.letter, scope.steps.values()
    if relation not in ("<", "<=") or slack.names & scope.axes.keys():
        return None
    slack = slack - number(1) if relation == "<" else slack
    match slack.coefficient(name):
        case 1:
            lower = letter(name) - slack
            is_limit = decided(Condition(over.lower, "<=", lower), steps)
            return replace(over, lower=lower) if is_limit else None
        case -1:
            upper = slack + letter(name)
            is_limit = decided(Condition(upper, "<=", over.upper), steps)
            return replace(over, upper=upper) if is_limit else None
    return None


def _is_square_of(part: Term, letters: Sequence[str], sums: Mapping[str, Range]) -> bool:
    """Whether it is the square of a vector that is summed, which is uᵀu."""
    is_square = isinstance(part, Power) and part.exponent == Number(Fraction(2))
    return is_square and len(letters) == 1 and letters[0] in sums


def _divides(part: Term) -> bool:
    """Whether it is what the others are divided by."""
    return isinstance(part, Power) and isinstance(part.exponent, Number) and part.exponent.value < 0


def _reads_of(parts: Iterable[Term]) -> Iterator[Read]:
    for part in parts:
        for reading in reads(part):
            yield reading.read


def _same(first: Condition, second: Condition) -> bool:
    """Whether two conditions of affine sides say the same."""

    def slack(each: Condition) -> Affine | None:
        if not isinstance(each.left, Affine) or not isinstance(each.right, Affine):
            return None
        apart = each.right - each.left
        return {"<=": apart, "<": apart - number(1)}.get(each.relation)

    own = slack(first)
    return own is not None and own == slack(second)


def _looked_up(part: Term, conditions: Sequence[Condition], scope: _Scope) -> Term:
    """Where tok[t] == v holds, v for tok[t]: p[t,v] and not p[t,tok[t]]."""
    known: dict[Index, Index] = {
        each.left: each.right
        for each in conditions
        if each.relation == "==" and isinstance(each.left, Lookup) and each.right.bare in scope.axes
    }

    def replaced(term: Term) -> Term:
        if isinstance(term, Read):
            return Read(term.array, tuple(known.get(index, index) for index in term.indices))
        if isinstance(term, Binder):  # a letter of its own may stand in the condition
            return term
        return rebuilt(term, replaced)

    return replaced(part) if known else part


def read_letters(read: Read, scope: _Scope) -> list[str]:
    """The letters in the indices of ``read``, in the order in which they count in ``scope``."""
    found: dict[str, None] = {}
    order = [*scope.steps, *scope.axes]
    for index in read.indices:
        found |= dict.fromkeys(name for name in order if name in index.names)
    return list(found)


def _letters_in(condition: Condition, scope: _Scope) -> set[str]:
    return {*condition.names} & scope.letters


def _by_letters(conditions: Sequence[Condition], scope: _Scope) -> list[list[Condition]]:
    """Conditions about the same letters together."""
    groups: dict[frozenset[str], list[Condition]] = {}
    for each in conditions:
        groups.setdefault(frozenset(_letters_in(each, scope)), []).append(each)
    return list(groups.values())


def _looked(conditions: Sequence[Condition]) -> Lookup | None:
    """tok[t] where the conditions are tok[t] == v alone."""
    match conditions:
        case [Condition(Lookup() as left, "==", Affine() as right)] if right.bare:
            return left
        case [Condition(Affine() as left, "==", Lookup() as right)] if left.bare:
            return right
    return None


def _is_diagonal(conditions: Sequence[Condition]) -> bool:
    match conditions:
        case [Condition(left, "==", right)]:
            return left.bare is not None and right.bare is not None
    return False


def _content(order: Sequence[str], term: Term, ranges: Mapping[str, Range]) -> object:
    """What an array holds, whatever its letters are called."""
    moves = {name: letter(f"#{place}") for place, name in enumerate(order)}
    return moved_term(term, moves), tuple((ranges[n].lower, ranges[n].upper) for n in order)


def _spelled_window(read: Read, scope: _Scope) -> tuple[str, str]:
    """E[tok] where rows are picked, X̃ for other windows."""
    array = read.array
    if array.startswith(ADJOINT):
        return _marked(array.removeprefix(ADJOINT), read, scope, ADJOINT)
    looked = [index for index in read.indices if isinstance(index, Lookup)]
    others = [index for index in read.indices if not isinstance(index, Lookup)]
    if len(looked) == 1 and all(i.bare in scope.letters for i in (*looked[0].indices, *others)):
        data = looked[0].array
        latex = rf"{latex_letter(array)}_{{{latex_letter(data)}}}"
        if isinstance(read.indices[0], Lookup):  # rows are picked, as NumPy writes it
            return f"{array}[{data}]", rf"{latex_letter(array)}[{latex_letter(data)}]"
        return f"{'ŷ' if array == 'yhat' else array}_{data}", latex
    return _marked(array, read, scope, "")


def _marked(array: str, read: Read, scope: _Scope, mark: str) -> tuple[str, str]:
    """X̃ for a window of x."""
    first, tail = array[:1], array[1:]
    is_capital = len(read_letters(read, scope)) > 1 and not tail
    capital = first.upper() if is_capital else first
    base = latex_letter(capital + tail)
    base = rf"\nabla_{{{base}}}L" if mark else base
    text = unicodedata.normalize("NFC", f"{mark}{capital}\u0303{tail}")
    return text, rf"\widetilde{{{base}}}"


# --------------------------------------------------------------------------------------- in SymPy


def _symbols(names: Sequence[str]) -> tuple[Symbol, ...]:
    return tuple(map(symbol, names))


def _placeholder(place: int) -> Symbol:
    return Symbol(f"z{place or ''}", real=True)


def _rational(part: Number) -> Expr:
    return sympy.Rational(part.value.numerator, part.value.denominator)


def _in_order(numbers: Sequence[Expr]) -> list[Expr]:
    """Rational numbers and sizes first, as SymPy has them; all others as they stand."""
    plain = [each for each in numbers if each.is_Rational or _is_size(each)]
    others = [each for each in numbers if each not in plain]
    front = sympy.Mul(*(each.doit() for each in plain))
    return [*([front] if front != 1 else []), *([Product(*others)] if others else [])]


def _is_size(expr: Expr) -> bool:
    """Whether it is a product of powers of sizes: 1/n."""
    parts = sympy.preorder_traversal(expr)
    return bool(expr.free_symbols) and all(
        isinstance(part, (Symbol, sympy.Rational, sympy.Mul, sympy.Pow)) for part in parts
    )


def _one_number(numbers: Sequence[Expr]) -> MatrixExpr:
    """A product of numbers as a 1 × 1 matrix: ½ uᵀu, and w·x as it stands."""
    made = [
        each
        for each in numbers
        if isinstance(each, Scalar) and (len(numbers) == 1 or not each.matrix.is_symbol)
    ]
    if len(made) != 1:
        return matrix_product(*_in_order(numbers), OneMatrix(1, 1))
    rest = [each for each in numbers if each is not made[0]]
    return matrix_product(*_in_order(rest), made[0].matrix)


def _in_sympy(function: str) -> Rule:
    """A function of the catalogue: SymPy's, or a name."""
    if function == "pi":
        return lambda: sympy.pi
    if function in ELEMENTARY:
        return getattr(sympy, ELEMENTARY[function].sympy or function)
    if function in ACTIVATIONS:
        return lambda *arguments: called(function, *arguments)
    raise NoMatrixForm(Call(function, ()), f"{function} is not in the catalogue")


def _compared(relation: str) -> Rule:
    """A comparison with its number, if any, on the right."""

    def build(left: Expr, right: Expr) -> Expr:
        if left.is_Number and not right.is_Number:
            flipped = sympy.Gt if relation == "<" else sympy.Ge
            return flipped(right, left)
        return (sympy.Lt if relation == "<" else sympy.Le)(left, right)

    return build


def _condition(condition: Condition, steps: Iterable[str]) -> Expr:
    left, right = condition.left, condition.right
    if isinstance(left, Lookup) or isinstance(right, Lookup):
        raise NoMatrixForm(Given((condition,), UNIT), f"the condition {condition} reads data")
    known = {*steps}
    if condition.relation in ("==", "!=") and right.bare in known and left.bare not in known:
        left, right = right, left  # t = T, not T = t
    relations = {"==": sympy.Eq, "!=": sympy.Ne, "<": sympy.Lt, "<=": sympy.Le}
    return relations[condition.relation](affine(left), affine(right), evaluate=False)


def _dissolved(operands: Sequence[Expr]) -> list[Any]:
    """Einsums among the operands as theirs, where no letter that they sum is used elsewhere."""
    found: list[Expr] = []
    for own in operands:
        inner = own.whole if isinstance(own, Entry) else None
        if not isinstance(inner, Einsum):
            found.append(own)
            continue
        bound = {letter for each in inner.operands for letter in each.letters} - {*inner.out}
        others = [each for each in operands if each is not own]
        used = {letter for each in others for part in each.atoms(Entry) for letter in part.letters}
        found += [own] if bound & used else inner.operands
    return found


def _axes_in(expr: Expr, scope: _Scope) -> set[Symbol]:
    found = {letter for part in expr.atoms(Entry) for letter in part.letters}
    found |= {part.letter for part in expr.atoms(Over) if part.function in KEEPS}
    bound = {part.limits[0][0] for part in expr.atoms(sympy.Sum)}
    return (found - bound) & {symbol(name) for name in scope.axes}


def _ordered(expr: Expr, scope: _Scope) -> list[Symbol]:
    own = _axes_in(expr, scope)
    return [symbol(name) for name in scope.axes if symbol(name) in own]
