"""What is said of networks as equations: sheets, and one derivation as text, LaTeX or data.

Here one can

* make the page of one element: `sheet`; of a whole network: `overview`;
* show a derivation as an aligned block, as text or as data: `latex`, `text`, `as_data`.

Decisions live here, words in ``templates/words.toml``; nothing is derived here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from symback.engine.evaluation import Kink
from symback.engine.matrix import Phase
from symback.engine.work import Checked
from symback.equations import writing
from symback.equations.adjoints import Deduction, Step
from symback.equations.counting import Uncounted
from symback.equations.derivation import Derivation, places, told_apart
from symback.equations.indices import Range, number
from symback.equations.matrix import Loop, MatrixForm, MatrixStep, lift
from symback.equations.matrix_nodes import MatrixTex, MatrixText
from symback.equations.paths import Paths
from symback.equations.system import Definition, Kind, Quantity, System
from symback.equations.terms import Read, Slope, Term, reads, walk
from symback.equations.work import EquationWork
from symback.language.errors import SymbackError
from symback.language.typesetting import width
from symback.sheets.page import (
    LINE,
    Block,
    Display,
    Formula,
    Grid,
    Page,
    Picture,
    Row,
    Say,
    Section,
    Words,
    equal_to,
    joined,
    lines,
    literal,
)
from symback.sheets.passages import array_formula
from symback.sheets.rendering import plain
from symback.sheets.unrolled import system_figure

MOST_PATHS = 16
"""So many paths are listed one by one."""
MOST_CELLS = 60
"""An array with more numbers is not shown in numbers."""


class SystemPen:
    """Writes the formulas of a system in both dialects, long lines broken."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.latex, self.text = writing.latex(system), writing.text(system)

    def formula(self, term: Term) -> Formula:
        """A formula on one line."""
        return Formula(self.latex.write(term), self.text.write(term))

    def ranges(self, ranges: Iterable[Range]) -> Formula:
        """``t = 1…T, i = 1…n``."""
        ranges = tuple(ranges)
        return Formula(self.latex.ranges(ranges), self.text.ranges(ranges))

    def inline(self, read: Read) -> Formula:
        """∂L/∂w with a slash, for a line of text."""
        quantity = self.system.by_name[read.array]
        of, by = Read(quantity.target), Read(quantity.of, read.indices)
        d = self.latex.marks.lettering.differential + " "
        latex = f"{d}{self.latex.element(of)} / {d}{self.latex.element(by)}"
        return Formula(latex, self.text.element(read))

    def row(
        self,
        lhs: Read | None,
        rhs: Term,
        reason: Say | None = None,
        ranges: tuple[Range, ...] = (),
        *,
        is_result: bool = False,
        room: float = LINE,
    ) -> Row:
        """``lhs = rhs``, for the letters of ``ranges``; without ``lhs`` one more equality."""
        left = None if lhs is None else self.formula(lhs)
        broken = lines(rhs, self.latex.within(ranges), room)
        text = self.text.within(ranges).write(rhs)
        return Row(left, "=", tuple(broken), text, reason, is_result=is_result)


def reason(step: Step, is_first: bool = False) -> Say:
    """The rule of a step in words, with what it assumes; ``is_first`` of its deduction."""
    facts: dict[str, Any] = {"unrolled": False, "is_first": is_first}
    if step.because:
        facts |= {"sum": Words(step.because), "since": Words(step.because)}
    return Say(f"rule.{step.rule.name.lower()}", facts)


def deduction_rows(pen: SystemPen, deduction: Deduction, *, ranged: bool = False) -> Iterator[Row]:
    """A deduction, one equality a row; ``ranged`` says beside the first for which indices."""
    own = deduction.definition
    for position, step in enumerate(deduction.steps):
        why = reason(step, not position)
        if ranged and not position and own.ranges:
            why = Say(
                "reason.ranged", {"rule": Words(plain(why)), "ranges": pen.ranges(own.ranges)}
            )
        yield pen.row(None if position else own.lhs, step.term, why, own.ranges)


def latex(derivation: Derivation) -> str:
    """The conclusion as an ``aligned`` block, lines broken to fit a page."""
    pieces = []
    for row in deduction_rows(SystemPen(derivation.system), derivation.conclusion):
        lhs = row.lhs.latex if row.lhs is not None else ""
        pieces.append(f"{lhs} &= " + r" \\ &\quad ".join(row.lines))
    return "\\begin{aligned} " + r" \\ ".join(pieces) + " \\end{aligned}"


def text(derivation: Derivation, say: Callable[[Say], str]) -> str:
    """The derivation as text, from the loss back, the conclusion last, in one's words."""
    pen, found = SystemPen(derivation.system), []
    for deduction in told(derivation):
        where = pen.ranges(deduction.definition.ranges).text
        lhs, behind = pen.formula(deduction.definition.lhs).text, f"    for {where}" * bool(where)
        for row in deduction_rows(pen, deduction):
            assert row.reason is not None
            found.append(f"{lhs} = {row.text}    [{say(row.reason)}]{behind}")
            lhs, behind = " " * len(lhs), ""
    return "\n".join(found)


def told(derivation: Derivation) -> Iterator[Deduction]:
    """The deductions as they are shown: a recurrence after its end, the conclusion last."""
    for deduction in derivation.general:
        yield from told_apart(deduction)
    yield from derivation.elements
    yield derivation.conclusion


def as_data(derivation: Derivation, deduction: Deduction, say: Callable[[Say], str]) -> Any:
    """One deduction as plain data: the left-hand side, its ranges, each equality with its rule."""
    pen, own = SystemPen(derivation.system), deduction.definition
    lhs = pen.formula(own.lhs)
    steps = [
        {
            "rule": step.rule.name.lower(),
            "reason": say(reason(step, step is deduction.steps[0])),
            "text": pen.text.within(own.ranges).write(step.term),
            "latex": pen.latex.within(own.ranges).write(step.term),
        }
        for step in deduction.steps
    ]
    where = pen.ranges(own.ranges)
    return {"lhs": lhs.text, "latex": lhs.latex, "for": where.text, "steps": steps}


# ------------------------------------------------------------------------------------- the page


def sheet(work: EquationWork, derivation: Derivation, detail: str = "normal") -> Page:
    """The page of one element; ``detail`` is brief (no equations, no paths one by one) or more."""
    told = _Told(work, derivation.system)
    brief = detail == "brief"
    parts = [
        None if brief else told.network(derivation),
        told.backward(told_of(derivation.general)),
        told.uses(derivation),
        None if brief else told.paths(derivation),
        None if brief else told.elements(derivation),
        told.check(derivation),
    ]
    name = told.pen.inline(derivation.conclusion.definition.lhs)
    return told.page(Say("title.one", {"derivative": name}), parts, name)


def overview(work: EquationWork) -> Page:
    """The page of a whole network: equations, the backward pass, every gradient."""
    both = work.backward
    told = _Told(work, both.system)
    learned = [q.name for q in work.system.parameters if q.name in both.adjoints]
    general = [d for name, found in both.adjoints.items() if name in learned for d in found]
    needed = dict.fromkeys(each for d in general for each in Derivation(both, _first(d)).general)
    order = {(d.name, d.at): n for n, d in enumerate(both.system.definitions)}
    way = sorted(needed, key=lambda d: order[d.definition.name, d.definition.at])
    parts = [
        told.network(None),
        told.backward(told_of(way)),
        told.gradients(general),
        told.matrices(),
        told.numbers(learned),
    ]
    return told.page(Say("title.all"), parts, None)


def _first(deduction: Deduction) -> Read:
    """Some element that a deduction is about."""
    return Read(deduction.of.array, tuple(number(1) for _ in deduction.of.indices))


def told_of(deductions: Iterable[Deduction]) -> list[Deduction]:
    """Deductions as they are shown: a recurrence after its end."""
    return [part for deduction in deductions for part in told_apart(deduction)]


class _Told:
    """The sections of a page."""

    def __init__(self, work: EquationWork, system: System) -> None:
        self.work, self.system, self.pen = work, system, SystemPen(system)

    def page(self, title: Say, parts: Iterable[Section | None], derivative: Formula | None) -> Page:
        """Title, subtitle, sections, footnotes."""
        own = Words(self.system.title)
        shown = Say("title.own", {"title": own}) if own.text else title
        tab = shown
        if own.text and derivative is not None:
            tab = Say("title.tab", {"title": own, "derivative": derivative})
        return Page(
            title=shown,
            tab=tab,
            subtitle=self.describe(),
            sections=tuple(part for part in parts if part is not None and part.blocks),
            notes=tuple(self.notes()),
        )

    def describe(self) -> Say:
        """The network in a sentence."""
        known = [(name, value) for name, value in self.system.sizes.items() if value is not None]
        sizes = joined(
            (
                Formula(f"{self.pen.latex.letter(n)} = {value}", f"{n} = {value}")
                for n, value in known
            ),
            ", ",
        )
        count = len(self.work.system.definitions)
        return Say("describe.systems", {"count": count, "sizes": sizes if known else None})

    def notes(self) -> Iterator[Say]:
        """The conventions at kinks, and how numbers are shown."""
        for convention in self.work.system.conventions:
            yield Say("note.convention", {"convention": Words(convention)})
        if self.work.has_numbers:
            yield Say("note.numbers", {"digits": 4})

    # ------------------------------------------------------------------------------- forward

    def network(self, derivation: Derivation | None) -> Section:
        """The picture, the equations with their ranges, and what is given."""
        chosen = None if derivation is None else derivation.element.array
        picture = system_figure(self.work.system, chosen)
        blocks: list[Block] = [] if picture is None else [Picture(picture)]
        rows = [self._equation(each) for each in self.work.system.definitions]
        blocks += [Say("systems.equations"), Display(tuple(rows))]
        given = [q for q in self.work.system.quantities if q.kind is not Kind.COMPUTED]
        head = (Say("head.array"), Say("head.size"), Say("head.kind"))
        cells = tuple((self.array(q), self._shape(q), self._kind(q)) for q in given)
        blocks += [Say("systems.given"), Grid(head, cells)]
        return Section(Say("section.graph"), tuple(blocks))

    def _equation(self, definition: Definition) -> Row:
        ranges = definition.ranges
        why = Say("reason.ranges", {"ranges": self.pen.ranges(ranges)}) if ranges else None
        return self.pen.row(definition.lhs, definition.term, why, ranges)

    def array(self, quantity: Quantity) -> Formula:
        """An array by its name alone."""
        return self.pen.formula(Read(quantity.name))

    def _shape(self, quantity: Quantity) -> Formula:
        sizes = (
            Formula(self.pen.latex.index(size), self.pen.text.index(size))
            for size in quantity.shape
        )
        return joined(sizes, r" \times ", " × ") if quantity.shape else Formula("1", "1")

    def _kind(self, quantity: Quantity) -> Say:
        if quantity.kind is Kind.DATA:
            below = quantity.below
            shown = below and Formula(self.pen.latex.index(below), self.pen.text.index(below))
            return Say("systems.data", {"below": shown})
        if quantity.pad is not None:
            return Say("systems.padded", {"pad": Words(str(quantity.pad))})
        return Say(f"systems.{quantity.kind.value}")

    # ------------------------------------------------------------------------------ backward

    def backward(self, deductions: list[Deduction]) -> Section | None:
        """One derivation a kind of equation, from the loss back."""
        if not deductions:
            return None
        held = any(
            isinstance(part, Slope) and part.held
            for each in deductions
            for step in each.steps
            for part in walk(step.term)
        )
        recurrent = any(group.is_recurrence for group in self.system.groups)
        intro = Say("systems.general", {"held": held, "recurrent": recurrent})
        blocks: list[Block] = [intro]
        blocks += self._displays(deductions)
        return Section(Say("section.general"), tuple(blocks))

    def _displays(self, deductions: Iterable[Deduction]) -> Iterator[Display]:
        for each in deductions:
            yield Display(tuple(deduction_rows(self.pen, each, ranged=True)))

    def uses(self, derivation: Derivation) -> Section:
        """The conclusion: the sum over the uses, written out, filled in, and its number."""
        conclusion = derivation.conclusion
        rows = list(deduction_rows(self.pen, conclusion))
        rows[-1] = _as_result(rows[-1])
        if self.work.has_numbers:
            shown = literal(self._number(conclusion.definition.lhs))
            mark = "=" if shown.is_exact else "≈"
            rows.append(Row(None, mark, (shown.latex,), shown.text, Say("reason.numbers")))
        element = self.pen.formula(derivation.element)
        shared = sum(self._uses(derivation.element.array)) > 1
        name = self.pen.inline(conclusion.definition.lhs)
        blocks = (
            Say("systems.uses", {"element": element, "shared": shared}),
            Display(tuple(rows)),
        )
        return Section(Say("section.uses", {"derivative": name}), blocks)

    def _uses(self, array: str) -> Iterator[int]:
        """For each place where an array is read, 1 if that is once an element, else 2."""
        for definition in self.work.system.definitions:
            for reading in reads(definition.term):
                if reading.read.array == array:
                    letters = frozenset().union(*(i.names for i in reading.read.indices))
                    free = {each.letter for each in definition.ranges}
                    yield 1 if free <= letters else 2

    def elements(self, derivation: Derivation) -> Section | None:
        """The derivatives that the conclusion reads, with numbers for indices."""
        if not derivation.elements:
            return None
        rows = []
        for deduction in derivation.elements:
            why = None
            if self.work.has_numbers:
                shown = equal_to(literal(self._number(deduction.definition.lhs)))
                why = Say("formula", {"formula": shown})
            own = deduction.definition
            rows.append(self.pen.row(own.lhs, own.term, why))
        intro = Say("systems.elements", {"numbers": self.work.has_numbers})
        return Section(Say("section.elements"), (intro, Display(tuple(rows))))

    def _number(self, read: Read) -> Any:
        return self.work.numbers.element(read.array, places(read))

    # --------------------------------------------------------------------------------- paths

    def paths(self, derivation: Derivation) -> Section | None:
        """How many paths there are through each use, and the paths, where they are few."""
        element = derivation.element
        start = element.array, places(element)
        names = self.pen.latex, self.pen.text
        paths = Paths(self.work.system, start)
        try:
            count = paths.count
        except Uncounted as error:
            return Section(Say("section.paths"), (Say("plain", {"value": Words(error.message)}),))
        facts = {
            "element": self.pen.formula(element),
            "target": self.pen.formula(Read(self.system.target)),
            "count": count if isinstance(count, int) else self._counted(count),
            "one": count == 1,
        }
        blocks: list[Block] = [Say("systems.count", facts)]
        if not isinstance(count, int) or not count:
            return Section(Say("section.paths"), tuple(blocks))
        uses = paths.following(start)
        if 1 < len(uses) <= MOST_PATHS and count > len(uses):
            rows = tuple(
                (_node_formula(names, use), Say("plain", {"value": paths.count_from(use)}))
                for use in uses
            )
            blocks.append(Grid((Say("head.use"), Say("head.paths")), rows))
        shown = min(count, MOST_PATHS)
        if count > MOST_PATHS:
            blocks.append(Say("systems.more", {"count": count, "shown": shown}))
        listed = tuple(
            (
                Say("plain", {"value": position}),
                joined((_node_formula(names, n) for n in path.nodes), r" \to ", " → "),
            )
            for position, path in enumerate(itertools.islice(paths, shown), 1)
        )
        blocks.append(Grid((Say("head.number"), Say("head.path")), listed))
        return Section(Say("section.paths"), tuple(blocks))

    def _counted(self, count: Any) -> Formula:
        return Formula(self.pen.latex.marks.write(count), self.pen.text.marks.write(count))

    def matrices(self) -> Section | None:
        """Both passes and the update over whole arrays, a line a step; None without proof."""
        form = lift(self.work.backward)
        try:
            certificate = form.certify()
        except SymbackError:
            return None
        tex, text = MatrixTex(form.names), MatrixText(form.names)
        blocks: list[Block] = [Say("systems.matrices")]
        said: dict[Formula, None] = {}
        for phase in Phase:
            steps = [step for step in form.steps if step.phase is phase]
            loops = itertools.groupby(steps, key=lambda step: step.loop and step.loop.number)
            blocks += [Say(f"matrix.{phase.value}")] * bool(steps)
            for _, group in loops:
                own = list(group)
                if own[0].loop is not None:
                    blocks.append(self._loop(own[0].loop))
                blocks.append(Display(tuple(_matrix_row(form, step, tex, text) for step in own)))
                notes = dict.fromkeys(
                    Formula(*pair)
                    for step in own
                    for pair in zip(form.beside(step, tex), form.beside(step, text), strict=True)
                    if Formula(*pair) not in said
                )
                said |= notes
                blocks += [Say("systems.where", {"notes": tuple(notes)})] * bool(notes)
        proof = {"entries": certificate.entries}
        return Section(Say("section.matrices"), (*blocks, Say("systems.proof", proof)))

    def _loop(self, loop: Loop) -> Say:
        """For t = T, …, 1."""
        ends = (loop.over.lower, loop.over.upper)
        first, last = ends if loop.forward else ends[::-1]
        latex, text = self.pen.latex, self.pen.text
        own = loop.over.letter
        steps = Formula(
            rf"{latex.letter(own)} = {latex.index(first)}, \ldots, {latex.index(last)}",
            f"{own} = {text.index(first)} … {text.index(last)}",
        )
        return Say("systems.loop", {"steps": steps})

    # ------------------------------------------------------------------------------- numbers

    def check(self, derivation: Derivation) -> Section | None:
        """The derived number beside a central difference."""
        checked = checked_number(self.work, derivation)
        if checked is None:
            return None
        target = self.pen.formula(Read(self.system.target))
        if isinstance(checked.difference, Kink):
            kink = Say("check.kink", {"quantity": Words(checked.difference.name)})
            return Section(Say("section.check"), (kink,))
        rows = (
            (Say("check.derived"), literal(checked.derived, 12).formula),
            (Say("check.difference"), literal(checked.difference, 12).formula),
        )
        blocks = (
            Say("check.intro", {"target": target}),
            Grid((Say("head.way"), Say("head.value")), rows),
            Say("check.agree", {"digits": checked.digits, "zero": checked.derived == 0}),
        )
        return Section(Say("section.check"), blocks)

    def gradients(self, deductions: Iterable[Deduction]) -> Section | None:
        """The gradient of every parameter."""
        blocks = tuple(self._displays(deductions))
        return Section(Say("section.gradient"), (Say("systems.parameters"), *blocks))

    def numbers(self, names: list[str]) -> Section | None:
        """The parameters and their gradients in numbers, where they are few."""
        if not self.work.has_numbers:
            return None
        rows: list[tuple[Any, ...]] = []
        for name in names:
            quantity = self.system.by_name[name]
            if len(quantity.shape) > 2:
                continue
            found = self.work.numbers.array(name), self.work.gradients[name]
            if all(_count(each) <= MOST_CELLS for each in found):
                rows.append((self.array(quantity), *map(_matrix, found)))
        loss = equal_to(literal(self.work.numbers.loss))
        target = self.pen.formula(Read(self.system.target))
        said = Formula(f"{target.latex} {loss.latex}", f"{target.text} {loss.text}")
        head = (Say("head.block"), Say("head.numbers"), Say("head.derivative"))
        grids = (Grid(head, tuple(rows)),) if rows else ()
        blocks = (Say("systems.loss", {"loss": said}), *grids)
        return Section(Say("section.gradients"), blocks)


def _matrix_row(form: MatrixForm, step: MatrixStep, tex: MatrixTex, text: MatrixText) -> Row:
    left, sign, right = form.sides(step, text)
    tex_left, _, tex_right = form.sides(step, tex)
    why = None if step.missing is None else Say("systems.index_form")
    expr = form.right(step)
    broken = [tex_right] if expr is None else lines(expr, tex, LINE - width(tex_left))
    return Row(Formula(tex_left, left), sign, tuple(broken), right, why)


def _as_result(row: Row) -> Row:
    return replace(row, is_result=True)


def _node_formula(writers: tuple[writing.TermWriter, writing.TermWriter], node: Any) -> Formula:
    name, at = node
    read = Read(name, tuple(map(number, at)))
    latex, text = writers
    return Formula(latex.element(read), text.element(read))


def checked_number(work: EquationWork, derivation: Derivation) -> Checked | None:
    """The number beside a central difference; None where nothing given can be moved."""
    array, at = derivation.element.array, derivation.place
    if not work.has_numbers or array in work.system.defining:
        return None
    derived = work.numbers.element(derivation.conclusion.definition.name, at)
    return Checked(derived, work.numbers.central_difference(array, at))


def _count(nested: Any) -> int:
    return sum(map(_count, nested)) if isinstance(nested, tuple) else 1


def _matrix(nested: Any) -> Formula:
    """A number, or an array of one or two indices, as a matrix."""
    return array_formula(np.array(nested, dtype=object))
