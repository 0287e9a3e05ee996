"""One page for a whole network: `overview`; forward, backward, every parameter, the update of θ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sympy import Symbol

from symback.engine.arithmetics import number
from symback.engine.calculus import LocalDerivative
from symback.engine.evaluation import flattened, restored
from symback.engine.matrix import MatrixStep, Phase
from symback.engine.spec import NetworkSpec
from symback.engine.work import Work
from symback.language.names import PARAMETERS, Role, Variable, elements
from symback.sheets.page import (
    Block,
    Display,
    Formula,
    Grid,
    Page,
    Row,
    Say,
    Section,
    Words,
    as_written,
    equal_to,
    literal,
)
from symback.sheets.passages import (
    GeneralPen,
    Passages,
    array_formula,
    certified,
    depth_of,
    describe,
    entries,
    figure,
    pen_for,
    plain_pen,
    stable_section,
    told_apart,
)

__all__ = ["MOST_FORMULAS", "any_layer_page", "overview"]

MOST_FORMULAS = 40
"""A layer with more parameters than this shows the general formula and the numbers only."""


def overview(work: Work, detail: str = "normal", *, stable: bool = False) -> Page:
    """One page for the whole network: forward, backward, every parameter, the update.

    With ``stable`` it says how a program computes the functions without losing digits.
    """
    told, every = _Overview(work, pen_for(work)), work.backward.derivatives.values()
    parts = [
        told.network_section(figure(work, None, told.pen)),
        told.forward_section(detail, told.forward()),
        told.all_locals([local for local in every if local.parent.role is not Role.TARGET]),
        told.backward(),
        told.matrices(),
        *told.parameters(),
        told.update(),
        stable_section(work) if stable else None,
    ]
    title = told.title(Say("title.all"))
    facts = (fact for deduction in work.backward.adjoints.values() for fact in deduction.facts)
    return Page(
        title=title,
        tab=title,
        subtitle=describe(work),
        sections=tuple(part for part in parts if part is not None and part.blocks),
        notes=tuple(told.footnotes(facts)),
        has_contents=True,
    )


def any_layer_page(work: Work, variables: Sequence[Variable]) -> Page:
    """The derivative by one kind of parameter in any layer k, from the loss back to it."""
    told, backward = _Overview(work, plain_pen(work)), work.backward
    last = next(v for v in variables if v.layer == depth_of(work))
    name = GeneralPen(work, depth_of(work)).inline(backward.adjoint_name(last.element))
    on_the_way, locals_ = backward.route(min(variables, key=lambda v: v.layer or 0))
    own = [d for (_, parent), d in backward.derivatives.items() if parent in variables[:-1]]
    back = (
        Say("backward.intro"),
        *told.responsibilities(on_the_way),
        *told.by_layer("backward.parameters", variables),
    )
    parts = (
        told.network_section(figure(work, None, told.pen)),
        told.forward_section("normal", told.forward()),
        told.all_locals([*locals_, *own]),
        Section(Say("section.backward_to", {"derivative": name}), back),
    )
    adjoints = (backward.adjoints[v] for v in (*on_the_way, variables[0]))
    title = Say("title.any_layer", {"derivative": name})
    return Page(
        title=told.title(title),
        tab=told.title(title, derivative=name),
        subtitle=describe(work),
        sections=parts,
        notes=tuple(told.footnotes(fact for deduction in adjoints for fact in deduction.facts)),
    )


class _Overview(Passages):
    """The sections of a whole network's page."""

    def forward(self) -> list[Block] | None:
        """The equations, those of layers that are alike once; None where nothing is told so."""
        if not self.tells_layers:
            return None
        of_layer = defaultdict(list)
        for equation in self.graph.equations:
            layer = equation.variable.layer
            of_layer[depth_of(self.work) + 1 if layer is None else layer].append(equation)
        said: list[Block] = []
        if self.graph.is_concrete():  # n_k, by which the widths are told
            width = GeneralPen(self.work, 1).formula(Symbol("n_1"))
            said = [Say("general.sizes", {"n": width})]
        return [*said, *self.told(of_layer, lambda told, *own: told.equation_rows(own))]

    def all_locals(self, wanted: Sequence[LocalDerivative]) -> Section:
        """The local derivatives ``wanted``, in the order of the backward pass."""
        chosen = {(local.child, local.parent) for local in wanted}
        found = [d for pair, d in self.work.backward.derivatives.items() if pair in chosen]

        def lines(told: Passages, *own: LocalDerivative) -> Iterator[Row]:
            return (row for local in own for row in told.local_rows(local))

        blocks: list[Block] = []
        if not self.tells_layers:
            blocks.append(Display(tuple(lines(self, *found))))
        else:
            for roles in ((Role.LOSS, Role.OUTPUT), (Role.PREACTIVATION,), (Role.ACTIVATION,)):
                for alike in _alike([local for local in found if local.child.role in roles]):
                    of_layer = defaultdict(list)
                    for local in alike:
                        of_layer[local.child.layer or depth_of(self.work) + 1].append(local)
                    blocks += self.told(of_layer, lines)
        return Section(Say("section.locals"), (self.locals_intro(), *blocks))

    def backward(self) -> Section:
        """From the loss back: the output layer, the hidden layers, the inputs, the parameters."""
        found, parameters = self.work.backward.adjoints, self.graph.parameters
        blocks: list[Block] = [Say("backward.intro")]
        if isinstance(self.work.spec, NetworkSpec):
            blocks += self.responsibilities(found)
            if self.tells_layers:  # else each has a section of its own
                learned = [v for v in found if v in parameters]
                blocks += self.by_layer("backward.parameters", learned)
            inputs = [v for v in found if v.role is Role.INPUT]
            blocks += self.by_layer("backward.inputs", inputs)
        else:
            for variable, deduction in found.items():
                if variable.role is not Role.TARGET and variable not in parameters:
                    blocks.append(Display(tuple(self.deduction_rows(deduction))))
        return Section(Say("section.backward"), tuple(blocks))

    def matrices(self) -> Section | None:
        """The whole algorithm, one line a matrix: forward, backward, update.

        Going back, round k of the loop over the layers gives the gradients of W_k and b_k, and
        from there those of h_{k-1} and a_{k-1}.
        """
        if not isinstance(self.work.spec, NetworkSpec):
            return None
        form = self.work.matrices
        blocks: list[Block] = [Say(f"matrix.{form.layout.name.lower()}")]
        for phase in Phase:
            of_round: defaultdict[int, list[MatrixStep]] = defaultdict(list)
            for step in form.steps:
                if step.phase is phase and step.shown is not None:
                    goes_on = phase is Phase.BACKWARD and step.variable.role not in PARAMETERS
                    layer = step.variable.layer
                    own = depth_of(self.work) + 2 if layer is None else layer + goes_on
                    of_round[own].append(step)
            rows = self.told(of_round, lambda told, *own: map(told.matrix_row, own))
            blocks += [Say(f"matrix.{phase.value}"), *rows]
        return Section(Say("section.matrices"), (*blocks, certified(form)))

    def parameters(self) -> Iterator[Section]:
        """A section for each block of parameters, or one table where layers are told together."""
        wanted = self._learned()
        if not self.tells_layers:
            yield from map(self._parameter_section, wanted)
        elif self.work.has_numbers:
            grid = self.numbers_grid(row for v in wanted for row in self._in_numbers(v))
            yield Section(Say("section.gradients"), (grid,))

    def _learned(self) -> list[Variable]:
        return [v for v in self.graph.parameters if v in self.work.backward.adjoints]

    def _parameter_section(self, variable: Variable) -> Section:
        work, pen, name = self.work, self.pen, self.block(variable)
        rows: Iterable[Row] = (
            self.both(variable)
            if isinstance(work.spec, NetworkSpec)
            else self.deduction_rows(work.backward.adjoints[variable])
        )
        blocks: list[Block] = [Display(tuple(rows))]
        if self.graph.is_concrete() and 1 < entries(variable) <= MOST_FORMULAS:
            short = []  # ∂L/∂w_kij = ∂L/∂a_ki · h_k-1,j, with its number
            for reference in elements(variable):
                deduction = work.backward.node_adjoint((variable, reference.indices))
                reason = None
                if work.has_numbers:
                    shown = equal_to(literal(work.derived_number(reference)))
                    reason = Say("formula", {"formula": shown})
                short.append(pen.row(deduction.lhs, deduction.result, reason))
            blocks += [Say("parameters.each", {"block": name}), Display(tuple(short))]
        if work.has_numbers:
            blocks.append(self.numbers_grid(self._in_numbers(variable)))
        return Section(Say("section.parameter", {"block": name}), tuple(blocks))

    def _in_numbers(self, variable: Variable) -> tuple[tuple[Formula, Any], ...]:
        """A block of parameters and its gradient, as rows of a table."""
        name = self.block(variable)
        slope = Formula(rf"\nabla_{{{name.latex}}}\,{self.target.latex}", f"∇{name.text}")
        arrays = self.work.numbers.forward, self.work.gradients
        return (name, arrays[0][variable.name]), (slope, arrays[1][variable.name])

    def update(self) -> Section | None:
        """θ ← θ - η ∇θ for every block, and θ as one vector; None where nothing is learned.

        At symbolic widths, and where layers are told together, the algorithm in matrix form has
        the blocks.
        """
        learned = self._learned()
        if not learned or not self.graph.is_concrete():
            return None
        target, rows, places, first = self.target.latex, [], [], 1
        for variable in learned:
            name, last = self.block(variable), first + entries(variable) - 1
            step = rf"{name.latex} - \eta\,\nabla_{{{name.latex}}}\,{target}"
            rows.append(Row(name, "←", (step,), f"{name.text} - η·∇{name.text}"))
            shape = " × ".join(str(size) for size in variable.shape) or "1"
            place = f"{first} – {last}" if last > first else f"{first}"
            places.append((name, Words(shape), Words(place)))
            first = last + 1
        blocks: list[Block] = [Say("update.intro"), Display(tuple(rows))]
        head = (Say("head.block"), Say("head.block_shape"), Say("head.place"))
        whole = self.pen.formula(self.work.backward.scalar(self.graph.target, ()))
        step = rf"\theta_t - \eta\,\nabla_{{\theta_t}}\,{whole.latex}"
        blocks = [
            *([] if self.tells_layers else blocks),
            Say("update.theta", {"count": first - 1}),
            Grid(head, tuple(places)),
            Display((Row(_NEXT_THETA, "=", (step,), f"θ_t - η·∇_θ_t {whole.text}"),)),
        ]
        if self.work.has_numbers and self.work.learning_rate is not None:
            blocks += self._theta_in_numbers(learned, whole)
        return Section(Say("section.update"), tuple(blocks))

    def _theta_in_numbers(self, learned: Sequence[Variable], loss: Formula) -> list[Block]:
        """θ, its gradient and θ after the step as vectors, and the new blocks cut out of it."""
        work = self.work
        updated = work.numbers.updated(work.gradients, work.learning_rate)
        moved = [v for v in learned if v.name in updated]
        if not moved:
            return []
        eta = as_written(number(work.learning_rate))
        vectors = [flattened(one, moved) for one in (work.numbers.forward, work.gradients, updated)]
        before, step, after = map(array_formula, vectors)
        is_exact = all(literal(entry).is_exact for vector in vectors for entry in vector)
        latex, mark = ("=", "=") if is_exact else (r"\approx", "≈")
        row = Row(
            _NEXT_THETA,
            mark,
            (rf"{before.latex} - {eta.latex} {step.latex} {latex} {after.latex}",),
            f"{before.text} - {eta.text}·{step.text} {mark} {after.text}",
        )
        losses = work.numbers.loss, work.numbers.loss_at(updated)
        before, after = told_apart(*losses)
        change = {"before": before, "after": after, "change": losses[1] - losses[0]}
        return [
            Say("update.numbers", {"eta": Formula(rf"\eta = {eta.latex}", f"η = {eta.text}")}),
            Display((row,)),
            Say("update.restored"),
            self.array_grid(moved, restored(flattened(updated, moved), moved)),
            Say("update.outcome", {"loss": loss, **change}),
        ]


_NEXT_THETA = Formula(r"\theta_{t+1}", "θ_{t+1}")


def _alike(found: Sequence[LocalDerivative]) -> list[list[LocalDerivative]]:
    """The derivatives by parameters apart where not all layers have the others too.

    On the way to w_kij no layer goes on to its inputs but those above the first: told with the
    others, ∂a_1/∂w_1 would be a layer by itself.
    """
    by_parameters = [local for local in found if local.parent.role in PARAMETERS]
    others = [local for local in found if local.parent.role not in PARAMETERS]
    layers = [{local.child.layer for local in part} for part in (others, by_parameters)]
    return [list(found)] if layers[0] == layers[1] else [others, by_parameters]
