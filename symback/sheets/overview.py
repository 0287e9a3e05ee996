"""One page for a whole network: `overview`; forward, backward, every parameter, the update of θ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sympy import Symbol

from symback.engine.arithmetics import number
from symback.engine.calculus import LocalDerivative
from symback.engine.evaluation import flattened, restored
from symback.engine.graph import Equation
from symback.engine.matrix import MatrixStep, Phase
from symback.engine.spec import NetworkSpec
from symback.language.names import PARAMETERS, Reference, Role, Variable, elements
from symback.sheets.drawing import figure
from symback.sheets.general import (
    GeneralPen,
    Lines,
    both,
    by_layer,
    depth_of,
    responsibilities,
    tells_layers,
    told,
)
from symback.sheets.page import (
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
    equal_to,
    literal,
)
from symback.sheets.passages import (
    array_formula,
    array_grid,
    block_formula,
    certified,
    deduction_rows,
    describe,
    equation_rows,
    footnotes,
    forward_section,
    local_rows,
    locals_intro,
    matrix_row,
    network_section,
    stable_section,
    title,
    told_apart,
)
from symback.sheets.work import Work, entries, lettering, literals, shown_target

__all__ = ["MOST_FORMULAS", "any_layer_page", "overview"]


def overview(work: Work, detail: str = "normal", *, stable: bool = False) -> Page:
    """One page for the whole network: forward, backward, every parameter, the update.

    With ``stable`` it says how a program computes the functions without losing digits.
    """
    pen = Pen(lettering(work), literals(work, work.backward))
    parts = [
        network_section(work, pen, figure(work, None)),
        forward_section(work, pen, detail, _forward(work, pen)),
        _all_locals(work, pen, _not_by_target(work)),
        _backward(work, pen),
        _matrices(work, pen),
        *_parameter_sections(work, pen),
        _update(work, pen),
        stable_section(work) if stable else None,
    ]
    facts = (fact for deduction in work.backward.adjoints.values() for fact in deduction.facts)
    return Page(
        title=title(work, Say("title.all")),
        tab=title(work, Say("title.all")),
        subtitle=describe(work),
        sections=tuple(part for part in parts if part is not None and part.blocks),
        notes=tuple(footnotes(work, pen, tuple(dict.fromkeys(facts)))),
        has_contents=True,
    )


def any_layer_page(work: Work, variables: Sequence[Variable]) -> Page:
    """The derivative by one kind of parameter in any layer k, from the loss back to it."""
    pen, first = Pen(lettering(work)), variables[0]
    general = GeneralPen(work, depth_of(work))
    last = next(v for v in variables if v.layer == depth_of(work))
    name = general.inline(work.backward.adjoint_name(last.element))
    on_the_way, locals_ = work.backward.route(min(variables, key=lambda v: v.layer or 0))
    adjoints = [work.backward.adjoints[v] for v in (*on_the_way, first)]
    parts = (
        network_section(work, pen, figure(work, None)),
        forward_section(work, pen, "normal", _forward(work, pen)),
        _all_locals(work, pen, [*locals_, *_own_locals(work, variables[:-1])]),
        Section(
            Say("section.backward_to", {"derivative": name}),
            (
                Say("backward.intro"),
                *responsibilities(work, pen, on_the_way),
                *by_layer(work, pen, "backward.parameters", variables),
            ),
        ),
    )
    facts = (fact for deduction in adjoints for fact in deduction.facts)
    own = Say("title.any_layer", {"derivative": name})
    return Page(
        title=title(work, own),
        tab=title(work, own, derivative=name),
        subtitle=describe(work),
        sections=parts,
        notes=tuple(footnotes(work, pen, tuple(dict.fromkeys(facts)))),
    )


def _own_locals(work: Work, variables: Sequence[Variable]) -> list[LocalDerivative]:
    return [
        local for (_, parent), local in work.backward.derivatives.items() if parent in variables
    ]


def _forward(work: Work, pen: Pen) -> list[Block] | None:
    """The equations, those of layers that are alike once; None where nothing is told so."""
    if not tells_layers(work):
        return None
    depth, of_layer = depth_of(work), defaultdict(list)
    for equation in work.graph.equations:
        layer = equation.variable.layer
        of_layer[depth + 1 if layer is None else layer].append(equation)

    def lines(equations: list[Equation]) -> Lines:
        return lambda pen: tuple(equation_rows(work, pen, equations))

    said = [Say("general.sizes", {"n": _widths(work)})] if work.graph.is_concrete() else []
    return [*said, *told(work, pen, [(k, lines(entry)) for k, entry in of_layer.items()])]


def _widths(work: Work) -> Formula:
    """n_k, by which the widths are told."""
    return GeneralPen(work, 1).formula(Symbol("n_1"))


def _not_by_target(work: Work) -> list[LocalDerivative]:
    every = work.backward.derivatives.values()
    return [local for local in every if local.parent.role is not Role.TARGET]


def _all_locals(work: Work, pen: Pen, wanted: Sequence[LocalDerivative]) -> Section:
    """The local derivatives ``wanted``, in the order of the backward pass."""
    chosen = {(local.child, local.parent) for local in wanted}
    wanted = [local for pair, local in work.backward.derivatives.items() if pair in chosen]

    def lines(of: Sequence[LocalDerivative]) -> Lines:
        return lambda pen: tuple(row for local in of for row in local_rows(work, pen, local))

    blocks: list[Block] = []
    if not tells_layers(work):
        blocks.append(Display(tuple(lines(wanted)(pen))))
    else:
        for roles in ((Role.LOSS, Role.OUTPUT), (Role.PREACTIVATION,), (Role.ACTIVATION,)):
            for alike in _alike([local for local in wanted if local.child.role in roles]):
                of_layer = defaultdict(list)
                for local in alike:
                    of_layer[local.child.layer or depth_of(work) + 1].append(local)
                blocks += told(work, pen, [(k, lines(entry)) for k, entry in of_layer.items()])
    return Section(Say("section.locals"), (locals_intro(work, pen), *blocks))


def _alike(found: Sequence[LocalDerivative]) -> list[list[LocalDerivative]]:
    """The derivatives by parameters apart where not all layers have the others too.

    On the way to w_kij no layer goes on to its inputs but those above the first: told with the
    others, ∂a_1/∂w_1 would be a layer by itself.
    """
    by_parameters = [local for local in found if local.parent.role in PARAMETERS]
    others = [local for local in found if local.parent.role not in PARAMETERS]
    layers = [{local.child.layer for local in part} for part in (others, by_parameters)]
    return [list(found)] if layers[0] == layers[1] else [others, by_parameters]


# --------------------------------------------------------------------------------- backward


def _backward(work: Work, pen: Pen) -> Section:
    """From the loss back: the output layer, the hidden layers, the inputs, the parameters."""
    parameters = work.graph.parameters
    wanted = [
        v for v in work.backward.adjoints if v.role is not Role.TARGET and v not in parameters
    ]
    blocks: list[Block] = [Say("backward.intro")]
    if isinstance(work.spec, NetworkSpec):
        found = work.backward.adjoints
        blocks += responsibilities(work, pen, found)
        if tells_layers(work):  # else each has a section of its own
            learned = [v for v in found if v in parameters]
            blocks += by_layer(work, pen, "backward.parameters", learned)
        inputs = [v for v in found if v.role is Role.INPUT]
        blocks += by_layer(work, pen, "backward.inputs", inputs)
    else:
        blocks += [
            Display(tuple(deduction_rows(work, pen, work.backward.adjoints[v]))) for v in wanted
        ]
    return Section(Say("section.backward"), tuple(blocks))


MOST_FORMULAS = 40
"""A layer with more parameters than this shows the general formula and the numbers only."""


def _matrices(work: Work, pen: Pen) -> Section | None:
    """The whole algorithm, one line a matrix: forward, backward, update."""
    if not isinstance(work.spec, NetworkSpec):
        return None
    form = work.matrices
    blocks: list[Block] = [Say(f"matrix.{form.layout.name.lower()}")]
    for phase in Phase:
        of_layer: defaultdict[int, list[MatrixStep]] = defaultdict(list)
        for step in form.steps:
            if step.phase is phase and step.shown is not None:
                of_layer[_round(step, depth_of(work))].append(step)
        entries_ = [(k, _matrix_lines(steps)) for k, steps in of_layer.items()]
        blocks += [Say(f"matrix.{phase.value}"), *told(work, pen, entries_)]
    return Section(Say("section.matrices"), (*blocks, certified(form)))


def _round(step: MatrixStep, depth: int) -> int:
    """In which round of its loop over the layers a line of the algorithm stands.

    Going back, round k gives the gradients of W_k and b_k, and from there those of h_{k-1} and
    a_{k-1}.
    """
    variable = step.variable
    if variable.layer is None:
        return depth + 2
    goes_on = step.phase is Phase.BACKWARD and variable.role not in PARAMETERS
    return variable.layer + goes_on


def _matrix_lines(steps: Sequence[MatrixStep]) -> Lines:
    return lambda pen: [matrix_row(pen, step) for step in steps]


def _parameter_sections(work: Work, pen: Pen) -> Iterator[Section]:
    wanted = [v for v in work.graph.parameters if v in work.backward.adjoints]
    if not tells_layers(work):
        yield from (_parameter_section(work, pen, variable) for variable in wanted)
    elif work.has_numbers:
        rows = [row for variable in wanted for row in _in_numbers(work, pen, variable)]
        grid = Grid((Say("head.quantity"), Say("head.numbers")), tuple(rows))
        yield Section(Say("section.gradients"), (grid,))


def _parameter_section(work: Work, pen: Pen, variable: Variable) -> Section:
    name = block_formula(variable, pen)
    is_layered = isinstance(work.spec, NetworkSpec)
    rows = (
        both(work, variable)(pen)
        if is_layered
        else deduction_rows(work, pen, work.backward.adjoints[variable])
    )
    blocks: list[Block] = [Display(tuple(rows))]
    if work.graph.is_concrete() and 1 < entries(variable) <= MOST_FORMULAS:
        rows = [_short_row(work, pen, reference) for reference in elements(variable)]
        blocks += [Say("parameters.each", {"block": name}), Display(tuple(rows))]
    if work.has_numbers:
        rows = _in_numbers(work, pen, variable)
        blocks.append(Grid((Say("head.quantity"), Say("head.numbers")), rows))
    return Section(Say("section.parameter", {"block": name}), tuple(blocks))


def _in_numbers(work: Work, pen: Pen, variable: Variable) -> tuple[tuple[Formula, Formula], ...]:
    """A block of parameters and its gradient, as rows of a table."""
    name = block_formula(variable, pen)
    derivative = Formula(
        rf"\nabla_{{{name.latex}}}\,{pen.latex.write(work.graph.target.element)}",
        f"∇{name.text}",
    )
    return (
        (name, array_formula(work.numbers.forward[variable.name])),
        (derivative, array_formula(work.gradients[variable.name])),
    )


def _short_row(work: Work, pen: Pen, reference: Reference) -> Row:
    """∂L/∂w_kij = ∂L/∂a_ki · h_k-1,j, with its number."""
    deduction = work.backward.node_adjoint((reference.variable, reference.indices))
    reason = None
    if work.has_numbers:
        value = work.numbers.element(work.gradients[reference.variable.name], reference)
        reason = Say("formula", {"formula": equal_to(literal(value))})
    return pen.row(deduction.lhs, deduction.result, reason)


def _update(work: Work, pen: Pen) -> Section | None:
    """θ ← θ - η ∇θ for every block, and θ as one vector; None where nothing is learned."""
    blocks_ = [v for v in work.graph.parameters if v in work.backward.adjoints]
    if not blocks_ or not work.graph.is_concrete():
        return None  # at symbolic widths the algorithm in matrix form has it
    target = pen.latex.write(work.graph.target.element)
    rows = []
    for variable in blocks_:
        name = block_formula(variable, pen)
        rows.append(
            Row(
                name,
                "←",
                (rf"{name.latex} - \eta\,\nabla_{{{name.latex}}}\,{target}",),
                f"{name.text} - η·∇{name.text}",
            )
        )
    blocks: list[Block] = [Say("update.intro"), Display(tuple(rows))]
    if tells_layers(work):
        blocks = []  # the algorithm in matrix form has them
    return Section(Say("section.update"), (*blocks, *_flattened(work, pen, blocks_)))


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
    vectors = [flattened(one, moved) for one in (work.numbers.forward, work.gradients, updated)]
    before, step, after = map(array_formula, vectors)
    is_exact = all(literal(entry).is_exact for vector in vectors for entry in vector)
    latex, mark = ("=", "=") if is_exact else (r"\approx", "≈")
    row = Row(
        Formula(r"\theta_{t+1}", "θ_{t+1}"),
        mark,
        (rf"{before.latex} - {eta.latex} {step.latex} {latex} {after.latex}",),
        f"{before.text} - {eta.text}·{step.text} {mark} {after.text}",
    )
    cut_again = restored(flattened(updated, moved), moved)
    losses = work.numbers.loss, work.numbers.loss_at(updated)
    before, after = told_apart(*losses)
    return [
        Say("update.numbers", {"eta": Formula(rf"\eta = {eta.latex}", f"η = {eta.text}")}),
        Display((row,)),
        Say("update.restored"),
        array_grid(pen, moved, cut_again),
        Say(
            "update.outcome",
            {"loss": target, "before": before, "after": after, "change": losses[1] - losses[0]},
        ),
    ]
