"""A system in matrix form: forward pass, backward pass and update over whole arrays, certified.

Here one can

* lift a system with its adjoints: `lift` gives a `MatrixForm`, a mapping from an array's name to
  its adjoint as a SymPy matrix expression (`symback.equations.matrix_nodes` has the nodes that
  SymPy lacks), as an index form with einsums where more than two indices meet, or, for an array of
  a recurrence, as a `Recurrence` with a line for each of its definitions;
* read the algorithm: `MatrixForm.steps`, `MatrixForm.text`, `MatrixForm.latex`;
* prove it: `MatrixForm.certify` computes every entry of every line at small sizes, to fifty digits,
  and compares it with `symback.equations.elements`; a line that differs raises `Uncertified`.

A line without a matrix form says why, and its index form stands in its place; all others are lifted
all the same (`MatrixForm.missing`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import sympy
from sympy import Expr, MatrixExpr

from symback.engine.arithmetics import OutOfRange, Undefined
from symback.engine.evaluation import OutOfDomain
from symback.engine.matrix import ETA, Certificate, Layout, Phase, Uncertified, leaves
from symback.equations import writing
from symback.equations.adjoints import Backward
from symback.equations.elements import Elements, ReadTooEarly
from symback.equations.indices import Condition, Range, decided
from symback.equations.lifting import Boundary, Lifter, NoMatrixForm, affine, symbol
from symback.equations.matrix_nodes import (
    FREE,
    Entry,
    Leaf,
    MatrixTex,
    MatrixText,
    Names,
    StepSum,
    Whole,
    capitals,
)
from symback.equations.matrix_values import (
    Entries,
    NotWellFormed,
    drawn,
    places,
    small_sizes,
)
from symback.equations.system import ADJOINT, Definition, Group, Kind, Quantity
from symback.equations.terms import Read, Reading, reads
from symback.language.algebra import Product, matrix_product, matrix_sum
from symback.language.writing import Writer

AGREES = sympy.Float("1e-30", 50)
"""How far two numbers of fifty digits may differ, relative to the larger, or to 1."""


@dataclass(frozen=True, slots=True)
class Loop:
    """Lines that are computed for ``over.letter`` = first … last; ``forward`` counts up.

    Lines of one loop have the same ``number``, that of their group.
    """

    over: Range
    forward: bool
    number: int

    def header(self, text: Writer) -> str:
        """``for t = T … 1:``."""
        ends = [text.write(affine(end)) for end in (self.over.lower, self.over.upper)]
        first, last = ends if self.forward else reversed(ends)
        return f"for {self.over.letter} = {first} … {last}:"


@dataclass(frozen=True, slots=True)
class MatrixStep:
    """``symbol = expr``, one line of the algorithm.

    ``definition`` is what it was lifted from, None in an update.  Where that has no matrix form
    ``expr`` is None and ``missing`` says why.  ``loop`` is the one it stands in, with the
    ``boundaries`` that its right side takes for 0.  ``named`` are the arrays in it that the lift
    has named.
    """

    phase: Phase
    quantity: Quantity
    symbol: Expr
    expr: Expr | None
    definition: Definition | None = None
    missing: NoMatrixForm | None = None
    loop: Loop | None = None
    boundaries: tuple[Boundary, ...] = ()
    named: tuple[Definition, ...] = ()

    @property
    def variable(self) -> str:
        """The array that it is about; for an adjoint, the array of that."""
        return self.quantity.of if self.phase is Phase.BACKWARD else self.quantity.name

    @property
    def is_matrix(self) -> bool:
        """Whether it is an equation of matrices."""
        return isinstance(self.expr, MatrixExpr)


@dataclass(frozen=True, slots=True)
class Recurrence:
    """The adjoint of an array of a recurrence: its lines, base cases included."""

    steps: tuple[MatrixStep, ...]
    form: MatrixForm

    @property
    def text(self) -> str:
        """One line a definition."""
        return "\n".join(self.form.lines(self.steps))

    @property
    def latex(self) -> str:
        """An ``aligned`` environment."""
        return self.form.aligned(self.steps)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"


class Refuted(Uncertified):
    """A line that does not give what its ``definition`` says."""

    def __init__(self, definition: Definition, why: str) -> None:
        super().__init__(why)
        self.definition = definition


Form = MatrixExpr | Expr | Recurrence


class MatrixForm(Mapping[str, Form]):
    """The adjoint of each array by name; ``forward`` holds the lines of the forward pass likewise.

    ``missing`` maps what has no matrix form (adjoints as ∇W) to the reason; to ask for the adjoint
    of such a one raises its `NoMatrixForm`.
    """

    def __init__(self, backward: Backward) -> None:
        self.backward, self.system = backward, backward.system
        self._lifter = Lifter(self.system)
        self._adjoints = {
            each.of: each.name
            for each in self.system.quantities
            if each.kind is Kind.ADJOINT and each.target == self.system.target
        }
        """The name of the adjoint of each array, as an array of the system."""
        self.lifted: dict[Definition, MatrixStep] = {}
        for number, group in enumerate(self.system.groups):
            for definition in group.definitions:
                self.lifted[definition] = self._step(definition, group, number)
        self.names = self._names()
        for definition, step in self.lifted.items():
            if step.expr is not None and not self._can_be_written(step):
                why = NoMatrixForm(definition.term, "its conditions hold conditions")
                self.lifted[definition] = replace(step, expr=None, missing=why)

    def _can_be_written(self, step: MatrixStep) -> bool:
        """Whether the writers know all that is in a line; SymPy makes an ITE of some conditions."""
        try:
            return bool(self.line(step))
        except TypeError:
            return False

    # ----------------------------------------------------------------------------- lifting

    def _step(self, definition: Definition, group: Group, number: int) -> MatrixStep:
        quantity = self.system.by_name[definition.name]
        phase = Phase.BACKWARD if definition.name in self._adjoints.values() else Phase.FORWARD
        loop = None
        if group.is_recurrence and not definition.is_base:
            axis = group.axes[definition.name]
            letter = definition.at[axis].bare
            over = next(each for each in definition.ranges if each.letter == letter)
            loop = Loop(over, group.forward, number)
        self._lifter.boundaries.clear()
        expr, missing = None, None
        try:
            expr = self._lifter.lifted(definition, loop.over if loop else None)
        except NoMatrixForm as error:
            missing = error
        except TypeError as error:  # SymPy refuses to put these together
            missing = NoMatrixForm(definition.term, str(error))
        return MatrixStep(
            phase,
            quantity,
            self._symbol(definition, loop, expr),
            expr,
            definition,
            missing,
            loop,
            tuple(self._lifter.boundaries) if expr is not None else (),
            self._new(expr),
        )

    def _new(self, expr: Expr | None) -> tuple[Definition, ...]:
        """What the lift has named and this line uses."""
        if expr is None:
            return ()
        used = {each.array for each in expr.atoms(Leaf) | expr.atoms(Whole)}
        return tuple(d for name, d in self._lifter.named.items() if name in used)

    def _symbol(self, definition: Definition, loop: Loop | None, expr: Expr | None) -> Expr:
        """The left side: h_t, W, or Q[t,h,d]."""
        quantity = self.system.by_name[definition.name]
        name = quantity.name
        free = {each.letter for each in definition.ranges} - ({loop.over.letter} if loop else set())
        at = [FREE if index.bare in free else affine(index) for index in definition.at]
        letters = [symbol(index.bare) for index in definition.at if index.bare in free]
        if isinstance(expr, MatrixExpr):
            sizes = [
                affine(size)
                for size, place in zip(quantity.shape, at, strict=True)
                if place == FREE
            ]
            return Leaf(name, at, *(*sizes, sympy.S.One, sympy.S.One)[:2])
        tensor = Whole(name, at)
        return Entry(tensor, letters) if letters else tensor

    def _names(self) -> Names:
        arrays = frozenset(each.name for each in self.system.quantities)
        steps = {step.loop.over.letter for step in self.lifted.values() if step.loop}
        exprs = [part for s in self.lifted.values() for part in (s.symbol, s.expr) if part]
        parts = {part for expr in exprs for part in sympy.preorder_traversal(expr)}
        adjoints = {
            each.name: (each.of, each.target)
            for each in self.system.quantities
            if each.kind is Kind.ADJOINT
        }
        matrices = set()
        for part in parts:
            if isinstance(part, (Leaf, Whole)) and part.is_capital:
                name = part.array
                while name in adjoints:
                    name, _ = adjoints[name]
                matrices.add(name)
        steps |= {part.letter.name for part in parts if isinstance(part, StepSum)}
        return Names(
            arrays,
            capitals(frozenset(matrices), arrays),
            dict(self._lifter.spellings),
            frozenset(steps),
            adjoints,
            next(
                (target for name, (_, target) in adjoints.items() if name.startswith(ADJOINT)), ""
            ),
        )

    # ----------------------------------------------------------------------------- the mapping

    @property
    def missing(self) -> dict[str, NoMatrixForm]:
        """What has no matrix form, and why."""
        return {d.name: s.missing for d, s in self.lifted.items() if s.missing is not None}

    @cached_property
    def forward(self) -> dict[str, Form]:
        """The right sides of the forward pass."""
        found: dict[str, Form] = {}
        for name in self.system.defining:
            if self.system.by_name[name].kind is Kind.COMPUTED and name not in self.missing:
                found[name] = self._form(name)
        return found

    def _form(self, name: str) -> Form:
        steps = tuple(self.lifted[each] for each in self.system.defining[name])
        if len(steps) == 1 and steps[0].loop is None and steps[0].expr is not None:
            return steps[0].expr
        return Recurrence(steps, self)

    def __getitem__(self, name: str) -> Form:
        own = self._adjoints[name]
        if own in self.missing:
            raise self.missing[own]
        return self._form(own)

    def __iter__(self) -> Iterator[str]:
        return (of for of, own in self._adjoints.items() if own not in self.missing)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    layout = Layout.INDICES

    # ----------------------------------------------------------------------------- certification

    def certify(self) -> Certificate:
        """Every line proved at small sizes; raises `Uncertified` naming the first that is not."""
        error: Exception = OutOfRange("no small sizes fit the indices")
        for sizes in small_sizes(self.system):
            for sign in (True, False):
                try:
                    return self._certified(sizes, sign)
                except (
                    OutOfRange, OutOfDomain, ReadTooEarly, Undefined, ZeroDivisionError,
                ) as reason:  # fmt: skip
                    error = reason
                    if isinstance(reason, (OutOfRange, ReadTooEarly)):
                        break
        raise Uncertified(f"the lines could not be computed at small sizes: {error}")

    def prove(self) -> Certificate:
        """`certify`, where a refuted line gives way to its index form, and is ``missing``."""
        while True:
            try:
                return self.certify()
            except Refuted as error:
                step = self.lifted[error.definition]
                why = NoMatrixForm(error.definition.term, "the one that was found is not proved")
                self.lifted[error.definition] = replace(step, expr=None, missing=why)

    def _certified(self, sizes: Mapping[str, int], sign: bool) -> Certificate:
        elements = drawn(self.system, self.named, sizes, sign)
        count = 0
        for step in self.lifted.values():
            if step.expr is None:
                continue
            try:
                count += self._proved(step, step.expr, self.entries(step, elements))
            except (KeyError, TypeError) as error:  # SymPy has made something else of a condition
                assert step.definition is not None
                why = f"{step.definition.name} could not be computed: {error}"
                raise Refuted(step.definition, why) from None
        named = tuple((symbol(name), value) for name, value in sizes.items())
        return Certificate(named, count, "to fifty digits")

    @property
    def named(self) -> Mapping[str, Definition]:
        """The arrays that the lift has named: windows, masks, picked rows."""
        return self._lifter.named

    def entries(self, step: MatrixStep, elements: Elements) -> Entries:
        """What computes the right side of a step from numbers of all arrays."""
        return Entries(elements, self.named, _Zero(step.boundaries))

    def _proved(self, step: MatrixStep, expr: Expr, entries: Entries) -> int:
        """Compare a line with its elements; the number of entries."""
        definition = step.definition
        assert definition is not None
        sizes, count = entries.elements.sizes, 0
        outer = [step.loop.over] if step.loop else []
        inner = [each for each in definition.ranges if each not in outer]
        for here in places(outer, sizes):
            values = {**sizes, **here}
            matrix = None
            if isinstance(expr, MatrixExpr):
                try:
                    matrix = entries.matrix(expr, values)
                except NotWellFormed as error:
                    why = f"{self.line(step)} is not well formed: {error}"
                    raise Refuted(definition, why) from None
                wanted_shape = tuple(
                    [each.upper.value(sizes) - each.lower.value(sizes) + 1 for each in inner]
                    + [1, 1]
                )[:2]
                if matrix.shape != wanted_shape:
                    raise Refuted(
                        definition,
                        f"{self.line(step)} is {matrix.shape} and not {wanted_shape}",
                    )
            for at in places(inner, sizes):
                place = tuple(index.value({**values, **at}) for index in definition.at)
                wanted = entries.elements.element(definition.name, place)
                if matrix is None:
                    found = self._entry(step, entries, {**values, **at})
                else:
                    found = matrix[(*(at[each.letter] - 1 for each in inner), 0, 0)[:2]]
                if abs(found - wanted) > AGREES * max(1, abs(wanted)):
                    names = ", ".join(f"{name} = {size}" for name, size in sizes.items())
                    shown = f"{definition.name}[{','.join(map(str, place))}]"
                    raise Refuted(
                        definition,
                        f"{self.line(step)} does not give {shown} as the equations do ({names})",
                    )
                count += 1
        return count

    def _entry(self, step: MatrixStep, entries: Entries, values: Mapping[str, int]) -> Any:
        assert step.expr is not None
        assert step.definition is not None
        try:
            return entries.number(step.expr, values)
        except NotWellFormed as error:
            why = f"{self.line(step)} is not well formed: {error}"
            raise Refuted(step.definition, why) from None

    # ------------------------------------------------------------------------- the whole algorithm

    @cached_property
    def steps(self) -> tuple[MatrixStep, ...]:
        """Forward pass, backward pass as far as the parameters ask, update."""
        steps = [step for step in self.lifted.values() if step.phase is Phase.FORWARD]
        needed = self._needed()
        steps += [step for definition, step in self.lifted.items() if definition in needed]
        for quantity in self.system.parameters:
            if self._adjoints.get(quantity.name, "").startswith(ADJOINT):
                steps.append(self._update(quantity))
        return tuple(steps)

    def _needed(self) -> set[Definition]:
        """The definitions of adjoints from which those of the parameters are computed."""
        defining, own = self.system.defining, {*self._adjoints.values()}
        needed: set[Definition] = set()
        frontier = {
            definition
            for each in self.system.parameters
            for definition in defining.get(self._adjoints.get(each.name, ""), ())
        }
        while frontier:
            needed |= frontier
            read = {
                definition
                for reader in frontier
                for reading in reads(reader.term)
                if reading.read.array in own
                for definition in defining[reading.read.array]
                if _may_be_in(definition, reading, reader)
            }
            frontier = read - needed
        return needed

    def _update(self, quantity: Quantity) -> MatrixStep:
        free = [FREE] * len(quantity.shape)
        if len(quantity.shape) > 2:
            array = Whole(quantity.name, free)
            moved: Expr = array - ETA * Whole(self._adjoints[quantity.name], free)
            return MatrixStep(Phase.UPDATE, quantity, array, moved)
        sizes = (*map(affine, quantity.shape), sympy.S.One, sympy.S.One)[:2]
        leaf = Leaf(quantity.name, free, *sizes)
        slope = Leaf(self._adjoints[quantity.name], free, *sizes)
        moved = matrix_sum([leaf, matrix_product(-ETA, slope)])
        return MatrixStep(Phase.UPDATE, quantity, leaf, moved)

    # ---------------------------------------------------------------------------------- on paper

    def text(self, name: str | None = None) -> str:
        """One adjoint, or the algorithm, a line a step."""
        return "\n".join(self.lines(self.steps if name is None else self._of(name)))

    def latex(self, name: str | None = None, *, shapes: bool = False) -> str:
        """One adjoint as a formula, or the algorithm as an ``aligned`` environment.

        With ``shapes``, every matrix has its shape under it.
        """
        if name is None:
            return self.aligned(self.steps, shapes=shapes)
        steps = self._of(name)
        if len(steps) == 1 and steps[0].loop is None and not steps[0].named:
            return self._written(steps[0], MatrixTex(self.names, shapes=shapes))
        return self.aligned(steps, shapes=shapes)

    def _of(self, name: str) -> tuple[MatrixStep, ...]:
        own = self.system.defining[self._adjoints[name]]
        return tuple(self.lifted[definition] for definition in own)

    def lines(self, steps: tuple[MatrixStep, ...]) -> list[str]:
        """Steps as text; those of one loop under its header, what is named below its first use."""
        writer = MatrixText(self.names)
        lines: list[str] = []
        loop: Loop | None = None
        said: set[str] = set()
        for step in steps:
            if step.loop is not None and (loop is None or step.loop.number != loop.number):
                lines.append(step.loop.header(writer))
            loop = step.loop
            indent = "    " if loop is not None else ""
            notes = self._notes(step, writer, said)
            lines.append(indent + self._written(step, writer))
            lines += [f"{indent}    where {note}" for note in notes]
        return lines

    def aligned(self, steps: tuple[MatrixStep, ...], *, shapes: bool = False) -> str:
        """The same as an ``aligned`` environment."""
        writer = MatrixTex(self.names, shapes=shapes)
        lines: list[str] = []
        loop: Loop | None = None
        said: set[str] = set()
        for step in steps:
            if step.loop is not None and (loop is None or step.loop.number != loop.number):
                lines.append("& " + self._tex_header(step.loop, writer))
            loop = step.loop
            quad = r"\quad " if loop is not None else ""
            lines.append(quad + self._written(step, writer, mark=" &"))
            notes = self._notes(step, writer, said)
            lines += [rf"& \qquad \text{{where }} {note}" for note in notes]
        return r"\begin{aligned} " + r" \\ ".join(lines) + r" \end{aligned}"

    def _tex_header(self, loop: Loop, writer: MatrixTex) -> str:
        ends = [writer.write(affine(end)) for end in (loop.over.lower, loop.over.upper)]
        first, last = ends if loop.forward else reversed(ends)
        letter = writer.letter(loop.over.letter)
        return rf"\text{{for }} {letter} = {first}, \dots, {last}\text{{:}}"

    def _written(self, step: MatrixStep, writer: MatrixText | MatrixTex, mark: str = "") -> str:
        left, sign, right = self.sides(step, writer)
        return f"{left}{mark} {sign} {right}"

    def right(self, step: MatrixStep) -> Expr | None:
        """The right side as it is written; None where it stands in indices."""
        return None if step.expr is None else _plain(step)

    def sides(self, step: MatrixStep, writer: MatrixText | MatrixTex) -> tuple[str, str, str]:
        """The left side of a step, the sign between, and the right side."""
        if step.expr is None:
            assert step.definition is not None
            index = self._index_writer(writer)
            right = index.within(step.definition.ranges).write(step.definition.term)
            return index.write(step.definition.lhs), "=", right
        sign = writer.becomes if step.phase is Phase.UPDATE else "="
        return writer.bare(step.symbol), sign, writer.write(_plain(step))

    def line(self, step: MatrixStep) -> str:
        """A step as text, without what is said beside it."""
        return self._written(step, MatrixText(self.names))

    def _notes(self, step: MatrixStep, writer: MatrixText | MatrixTex, said: set[str]) -> list[str]:
        """What is to be said beside a line, save what has been ``said``, to which it is added."""
        notes = [note for note in self.beside(step, writer) if note not in said]
        said.update(notes)
        return notes

    def beside(self, step: MatrixStep, writer: MatrixText | MatrixTex) -> list[str]:
        """What a step takes for 0 and what it names, as equations: ``M[t,u] = 1[u ≤ t]``."""
        return [*self._zeros(step, writer), *self._said(step, writer)]

    def _zeros(self, step: MatrixStep, writer: MatrixText | MatrixTex) -> list[str]:
        """``∇a_{T+1} = ∇h_{T+1} = 0``."""
        edges = []
        for each in step.boundaries:
            quantity = self.system.by_name[each.array]
            at: list[Expr] = [FREE] * len(quantity.shape)
            at[each.axis] = affine(each.index)
            edges.append(writer.write(Whole(each.array, at)))
        return [" = ".join([*edges, "0"])] if edges else []

    def _said(self, step: MatrixStep, writer: MatrixText | MatrixTex) -> list[str]:
        """What is named: ``M[t,u] = 1[u ≤ t]``."""
        plain = self._index_writer(writer)
        index = _Bracketed(self.system, plain.marks, arrays=writer)
        found = []
        for definition in step.named:
            right = index.within(definition.ranges).write(definition.term)
            pads = {
                quantity.name: quantity.pad
                for reading in reads(definition.term)
                if (quantity := self.system.by_name[reading.read.array]).pad is not None
            }
            outside = r"\text{ outside}" if index.is_latex else " outside"
            pad = "".join(
                f", {index.element(Read(name))} = {value}{outside}" for name, value in pads.items()
            )
            left = index.element(definition.lhs)
            found += [f"{left} = {right}{pad}"] if left != right else []
        return found

    def _index_writer(self, writer: MatrixText | MatrixTex) -> writing.TermWriter:
        make = writing.text if isinstance(writer, MatrixText) else writing.latex
        return make(self.system)

    def steps_as_data(self) -> list[dict[str, Any]]:
        """The steps as plain data; sizes are numbers or, where symbolic, text."""
        text, latex = MatrixText(self.names), MatrixTex(self.names)
        return [self._as_data(step, text, latex) for step in self.steps]

    def _as_data(self, step: MatrixStep, text: MatrixText, latex: MatrixTex) -> dict[str, Any]:
        factors = leaves(step.expr) if isinstance(step.expr, MatrixExpr) else ()
        return {
            "phase": step.phase.value,
            "variable": step.variable,
            "name": text.write(step.symbol),
            "shape": self._shape(step),
            "text": self._written(step, text),
            "latex": self._written(step, latex),
            "loop": step.loop and step.loop.header(text).removesuffix(":"),
            "where": [*self._zeros(step, text), *self._said(step, text)],
            "factors": [
                {"text": text.write(factor), "shape": [_size(size) for size in factor.shape]}
                for factor in factors
            ],
            "transposes": [],
            "index": step.definition and self._index_writer(text).equation(step.definition),
            "rules": self._rules(step),
            "no_matrix_form": None if step.missing is None else step.missing.reason,
        }

    def _shape(self, step: MatrixStep) -> list[int | str]:
        if isinstance(step.symbol, MatrixExpr):
            return [_size(size) for size in step.symbol.shape]
        return [_size(affine(size)) for size in step.quantity.shape]

    def _rules(self, step: MatrixStep) -> list[str]:
        for deduction in self.backward.adjoints.get(step.variable, ()):
            if deduction.definition == step.definition:
                return [each.rule.name for each in deduction.steps]
        return []

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def __repr__(self) -> str:
        return f"<symback.MatrixForm of {', '.join(self)}>"


@dataclass(frozen=True)
class _Bracketed(writing.TermWriter):
    """Index notation in which every element has its indices in brackets, as beside an einsum."""

    arrays: MatrixText | MatrixTex = field(kw_only=True)

    def element(self, read: Read) -> str:
        """``x[2o+u-3,c]``, and ∇a[t] for an adjoint."""
        body = self.arrays.before_indices(read.array)
        return f"{body}[{','.join(map(self.index, read.indices))}]" if read.indices else body


@dataclass(frozen=True, slots=True)
class _Zero:
    """Which elements count as 0 although there are none."""

    boundaries: tuple[Boundary, ...]

    def __call__(self, array: str, at: tuple[int, ...], sizes: Mapping[str, int]) -> bool:
        return any(
            each.array == array and at[each.axis] == each.index.value(sizes)
            for each in self.boundaries
        )


def _may_be_in(definition: Definition, reading: Reading, reader: Definition) -> bool:
    """Whether an element that is read may be one that ``definition`` defines."""
    own = {each.letter for each in definition.ranges}
    ranges = (*reader.ranges, *reading.ranges)
    for index, place in zip(reading.read.indices, definition.at, strict=True):
        if place.bare not in own and decided(Condition(index, "==", place), ranges) is False:
            return False
    return True


def _plain(step: MatrixStep) -> Expr:
    """A right side that is one einsum alone is its whole array: no indices."""
    expr = step.expr
    assert expr is not None
    *numbers, last = expr.args if isinstance(expr, Product) else (expr,)
    own = step.symbol.letters if isinstance(step.symbol, Entry) else ()
    is_whole = isinstance(last, Entry) and last.letters == own and not isinstance(last.whole, Whole)
    return Product(*numbers, last.whole) if is_whole and all(map(_is_number, numbers)) else expr


def _is_number(expr: Expr) -> bool:
    return not expr.has(Entry)


def _size(size: Expr) -> int | str:
    return int(size) if size.is_Integer else str(size)


def lift(backward: Backward) -> MatrixForm:
    r"""The backward pass of a system, and the forward pass, in matrix form.

    Nothing is proved yet: `MatrixForm.certify` does that.

    >>> from symback.equations.adjoints import backward
    >>> from symback.equations.reading import from_text
    >>> lines = "a[t,i] = sum(j, W[i,j]*x[t,j])\nL = sum(t, sum(i, exp(a[t,i])))"
    >>> sizes, shape = {"T": "T", "n": "n", "d": "d"}, {"W": ["n", "d"]}
    >>> system = from_text(lines, sizes=sizes, parameters=shape, inputs={"x": ["T", "d"]})
    >>> form = lift(backward(system))
    >>> print(form.text("a"), form.text("W"), sep="; ")
    ∇A = e^A; ∇W = (∇A)ᵀ X
    >>> form.certify().entries
    33
    """
    return MatrixForm(backward)


__all__ = ["MatrixForm", "NoMatrixForm", "Uncertified", "lift"]
