"""One page for a whole network: `overview`; forward, backward, every parameter, the update of θ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from symback.drawing import figure
from symback.matrix import Phase
from symback.notation import (
    Reference,
    Role,
    Variable,
    elements,
)
from symback.page import (
    Block,
    Display,
    Formula,
    Grid,
    Page,
    Pen,
    Row,
    Say,
    Section,
    Words,
    as_written,
    literal,
)
from symback.passages import (
    array_formula,
    array_grid,
    block_formula,
    certified,
    deduction_rows,
    describe,
    footnotes,
    forward_section,
    local_rows,
    matrix_row,
    network_section,
    stable_section,
    title,
)
from symback.spec import EquationsSpec, NetworkSpec
from symback.values import flattened, is_parameter, number, restored
from symback.work import Work, entries, lettering, literals, shown_target

__all__ = ["MOST_FORMULAS", "overview"]


def overview(work: Work, detail: str = "normal", *, stable: bool = False) -> Page:
    """One page for the whole network: forward, backward, every parameter, the update.

    With ``stable`` it says how a program computes the functions without losing digits.
    """
    pen = Pen(lettering(work), literals(work, work.backward))
    parts = [
        network_section(work, pen, figure(work, None)),
        forward_section(work, pen, detail),
        _all_locals(work, pen),
        _backward(work, pen),
        _matrices(work),
        *_parameter_sections(work, pen),
        _update(work, pen),
        stable_section(work) if stable else None,
    ]
    facts = (fact for deduction in work.backward.adjoints.values() for fact in deduction.facts)
    return Page(
        title=title(work, Say("title.all")),
        subtitle=describe(work),
        sections=tuple(part for part in parts if part is not None and part.blocks),
        notes=tuple(footnotes(work, pen, tuple(dict.fromkeys(facts)))),
        has_contents=True,
    )


def _all_locals(work: Work, pen: Pen) -> Section:
    wanted = [
        local
        for local in work.backward.derivatives.values()
        if local.parent.role is not Role.TARGET
    ]
    rows = [row for local in wanted for row in local_rows(work, pen, local)]
    return Section(
        Say("section.locals"),
        (
            Say("locals.intro", {"scalar": isinstance(work.spec, EquationsSpec)}),
            Display(tuple(rows)),
        ),
    )


def _backward(work: Work, pen: Pen) -> Section:
    wanted = [
        v for v in work.backward.adjoints if v.role is not Role.TARGET and not is_parameter(v)
    ]
    displays = [
        Display(tuple(deduction_rows(work, pen, work.backward.adjoints[v]))) for v in wanted
    ]
    return Section(Say("section.backward"), (Say("backward.intro"), *displays))


MOST_FORMULAS = 40
"""A layer with more parameters than this shows the general formula and the numbers only."""


def _matrices(work: Work) -> Section | None:
    """The whole algorithm, one line a matrix: forward, backward, update."""
    if not isinstance(work.spec, NetworkSpec):
        return None
    form = work.matrices
    blocks: list[Block] = [Say("matrix.layout", {"layout": Words(form.layout.value)})]
    for phase in Phase:
        rows = [
            matrix_row(work, step)
            for step in form.steps
            if step.phase is phase and step.shown is not None
        ]
        blocks += [Say(f"matrix.{phase.value}"), Display(tuple(rows))]
    return Section(Say("section.matrices"), (*blocks, certified(form)))


def _parameter_sections(work: Work, pen: Pen) -> Iterator[Section]:
    for variable in work.graph.variables:
        if is_parameter(variable) and variable in work.backward.adjoints:
            yield _parameter_section(work, pen, variable)


def _parameter_section(work: Work, pen: Pen, variable: Variable) -> Section:
    name = block_formula(variable, pen)
    blocks: list[Block] = [
        Display(tuple(deduction_rows(work, pen, work.backward.adjoints[variable])))
    ]
    if work.graph.is_concrete() and 1 < entries(variable) <= MOST_FORMULAS:
        rows = [_short_row(work, pen, reference) for reference in elements(variable)]
        blocks += [Say("parameters.each", {"block": name}), Display(tuple(rows))]
    if work.has_numbers:
        derivative = Formula(
            rf"\nabla_{{{name.latex}}}\,{pen.latex.write(work.graph.target.element)}",
            f"∂L/∂{name.text}",
        )
        rows = [
            (name, array_formula(work.numbers.forward[variable.name])),
            (derivative, array_formula(work.gradients[variable.name])),
        ]
        blocks.append(Grid((Say("head.quantity"), Say("head.numbers")), tuple(rows)))
    return Section(Say("section.parameter", {"block": name}), tuple(blocks))


def _short_row(work: Work, pen: Pen, reference: Reference) -> Row:
    """∂L/∂w_kij = ∂L/∂a_ki · h_k-1,j, with its number."""
    deduction = work.backward.node_adjoint((reference.variable, reference.indices))
    reason = None
    if work.has_numbers:
        shown = literal(work.numbers.element(work.gradients[reference.variable.name], reference))
        mark = "=" if shown.is_exact else r"\approx "
        reason = Say("formula", {"formula": Formula(mark + shown.latex, shown.text)})
    return pen.row(deduction.lhs, deduction.result, reason)


def _update(work: Work, pen: Pen) -> Section:
    """θ ← θ - η ∇θ for every block, and θ as one vector."""
    blocks_ = [v for v in work.graph.variables if is_parameter(v) and v in work.backward.adjoints]
    target = pen.latex.write(work.graph.target.element)
    rows = []
    for variable in blocks_:
        name = block_formula(variable, pen)
        rows.append(
            Row(
                name,
                "←",
                (rf"{name.latex} - \eta\,\nabla_{{{name.latex}}}\,{target}",),
                f"{name.text} - η·∂L/∂{name.text}",
            )
        )
    blocks: list[Block] = [Say("update.intro"), Display(tuple(rows))]
    if work.graph.is_concrete():
        blocks += _flattened(work, pen, blocks_)
    return Section(Say("section.update"), tuple(blocks))


def _flattened(work: Work, pen: Pen, blocks_: list[Variable]) -> list[Block]:
    """θ as one vector: which block stands where, and the step as one formula."""
    places, first = [], 1
    for variable in blocks_:
        last = first + entries(variable) - 1
        shape = " × ".join(str(size) for size in variable.shape) or "1"
        place = f"{first} – {last}" if last > first else f"{first}"
        places.append((block_formula(variable, pen), Words(shape), Words(place)))
        first = last + 1
    target = pen.formula(shown_target(work))
    step = Row(
        Formula(r"\theta_{t+1}", "θ_{t+1}"),
        "=",
        (rf"\theta_t - \eta\,\nabla_{{\theta_t}}\,{target.latex}",),
        f"θ_t - η·∇_θ_t {target.text}",
    )
    head = (Say("head.block"), Say("head.block_shape"), Say("head.place"))
    found: list[Block] = [
        Say("update.theta", {"count": first - 1}),
        Grid(head, tuple(places)),
        Display((step,)),
    ]
    if work.has_numbers and work.learning_rate is not None:
        found += _theta_in_numbers(work, pen, blocks_)
    return found


def _theta_in_numbers(work: Work, pen: Pen, blocks_: list[Variable]) -> list[Block]:
    """θ, its gradient and θ after the step as vectors, and the new blocks cut out of it."""
    updated = work.numbers.updated(work.gradients, work.learning_rate)
    moved = [v for v in blocks_ if v.name in updated]
    if not moved:
        return []
    eta = as_written(number(work.learning_rate))
    target = pen.formula(shown_target(work))
    gradient = Formula(rf"\nabla_{{\theta_t}}\,{target.latex}", f"∇_θ_t {target.text}")
    vectors: list[tuple[Formula, Mapping[str, Any]]] = [
        (Formula(r"\theta_t", "θ_t"), work.numbers.forward),
        (gradient, work.gradients),
        (Formula(r"\theta_{t+1}", "θ_{t+1}"), updated),
    ]
    rows = [(name, array_formula(flattened(arrays, moved))) for name, arrays in vectors]
    cut_again = restored(flattened(updated, moved), moved)
    head = (Say("head.quantity"), Say("head.numbers"))
    return [
        Say("update.numbers", {"eta": Formula(rf"\eta = {eta.latex}", f"η = {eta.text}")}),
        Grid(head, tuple(rows)),
        Say("update.restored"),
        array_grid(pen, moved, cut_again),
    ]
