"""The content of a sheet: what is said of one derivation, in which order, with which numbers.

Here one can

* make the page of one weight: `sheet` (the whole network: `symback.sheets.overview`);
* show a derivation in a line, as an aligned block, as text or as data: `one_line`, `latex`,
  `text`, `as_data`.

Decisions live here, words in ``templates/words.toml``, layout in ``templates/sheet.*``.  Whatever
is shown was derived before: nothing here differentiates, composes or rewrites a formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sympy
from sympy import Expr, Symbol

from symback.engine.arithmetics import number
from symback.engine.calculus import instantiate
from symback.engine.derivation import BackwardPass, Deduction, Derivation, Path, Rule, local_steps
from symback.engine.evaluation import Kink
from symback.engine.matrix import MatrixLatex, MatrixText, Turned
from symback.engine.spec import EquationsSpec
from symback.language.algebra import Partial, Product, product
from symback.language.functions import spoken
from symback.language.names import EQUATIONS, ONE_VARIABLE, PARAMETERS, Reference, Variable
from symback.language.writing import signed
from symback.sheets.drawing import SHOWN_ENDS, figure, listed_paths
from symback.sheets.elementary import softmax_apart, take_apart
from symback.sheets.figure import Figure
from symback.sheets.formulas import width
from symback.sheets.general import responsibilities
from symback.sheets.page import (
    INDENT,
    LINE,
    Block,
    Display,
    Formula,
    Grid,
    Page,
    Pen,
    Picture,
    Row,
    Say,
    Section,
    Words,
    as_written,
    equal_to,
    lines,
    literal,
)
from symback.sheets.passages import (
    block_formula,
    certified,
    deduction_rows,
    describe,
    footnotes,
    forward_section,
    local_rows,
    locals_intro,
    matrix_row,
    network_section,
    number_rows,
    reason,
    stable_section,
    title,
    told_apart,
)
from symback.sheets.work import (
    Checked,
    Work,
    formula_lettering,
    lettering,
    pen_for,
    plain_pen,
    shown_target,
)

__all__ = ["BRIEF_PATHS", "COLOURED_PATHS", "as_data", "latex", "one_line", "sheet", "text"]


BRIEF_PATHS = 4


COLOURED_PATHS = 16


def sheet(
    work: Work, derivation: Derivation, detail: str = "normal", *, stable: bool = False
) -> Page:
    """The page of one derivation; ``detail`` is brief (one screen), normal or full.

    With ``stable`` it says how a program computes the functions without losing digits.
    """
    pen = pen_for(work, derivation)
    drawing = figure(work, derivation)
    made = _brief if detail == "brief" else _in_full
    parts = made(work, pen, derivation, drawing, detail)
    if stable:
        parts.append(stable_section(work))
    name = pen.inline(derivation.conclusion.lhs)
    return Page(
        title=title(work, Say("title.one", {"derivative": name})),
        tab=title(work, Say("title.one", {"derivative": name}), derivative=name),
        subtitle=describe(work),
        sections=tuple(part for part in parts if part is not None and part.blocks),
        notes=tuple(footnotes(work, pen, derivation.facts, with_digits=detail != "brief")),
        styles=tuple(drawing.styles),
    )


def _in_full(
    work: Work, pen: Pen, derivation: Derivation, drawing: Figure, detail: str
) -> list[Section | None]:
    return [
        network_section(work, pen, drawing),
        forward_section(work, pen, detail),
        _chain(work, pen, derivation, detail),
        _locals(work, pen, derivation),
        _adjoints(work, pen, derivation),
        _apart(work, pen) if detail == "full" else None,
        _result(work, pen, derivation),
        _bridge(work, pen, derivation),
        _check(work, pen, derivation),
        _shared(work, pen, derivation),
    ]


def _brief(
    work: Work, pen: Pen, derivation: Derivation, drawing: Figure, detail: str
) -> list[Section | None]:
    """One screen: the picture and its paths; the result, its number, and what its sign says."""
    chain = _chain(work, pen, derivation, detail)
    rows = _conclusion_rows(pen, derivation, without=(Rule.PATHS, Rule.GROUP))
    shortest = min(reversed(rows), key=lambda row: len(row.lines))
    name = derivation.conclusion.lhs
    result = replace(shortest, lhs=pen.formula(name), reason=None, is_result=True)
    blocks: list[Block] = [Display((result, *number_rows(work, pen, name, None)))]
    reference = derivation.target
    checked = work.checked(reference)
    if checked is not None and not isinstance(checked.difference, Kink):
        target = pen.formula(work.graph.target.element)
        blocks.append(Say("check.brief", {"target": target, "digits": checked.digits}))
        if reference.variable in work.graph.parameters:
            blocks += _advice(work, pen, reference, checked.derived)[:1]
    return [
        replace(chain, blocks=(Picture(drawing), *chain.blocks)),
        Section(Say("section.result"), tuple(blocks)),
    ]


def _chain(work: Work, pen: Pen, derivation: Derivation, detail: str) -> Section:
    name = derivation.conclusion.lhs
    count = derivation.paths.count
    facts = {
        "derivative": pen.inline(name),
        "start": pen.formula(name.by),
        "target": pen.formula(shown_target(work)),
        "count": count if isinstance(count, int) else pen.formula(count),
        "one": count == 1,
        "samples": work.graph.samples is not None,
        "summed": not derivation.target.variable.batched,
    }
    told_by_caption = detail == "brief" and work.graph.is_concrete() and not facts["samples"]
    blocks: list[Block] = [] if told_by_caption else [Say("chain.paths", facts)]
    if work.graph.is_concrete():
        limit = BRIEF_PATHS if detail == "brief" else None
        blocks.append(
            Display(tuple(_path_rows(work, pen, derivation, lambda path: path.factors, limit)))
        )
        if not derivation.unrolled:
            blocks.append(Say("chain.shortened", {"shown": 2 * SHOWN_ENDS, "count": count}))
    grouped = [step for step in derivation.steps if step.rule is Rule.GROUP]
    if grouped and detail != "brief":
        blocks += [Say("chain.grouped"), Display((pen.row(name, grouped[0].rhs),))]
    return Section(Say("section.chain"), tuple(blocks))


def _path_rows(
    work: Work,
    pen: Pen,
    derivation: Derivation,
    factors: Callable[[Path], tuple[Expr, ...]],
    limit: int | None = None,
) -> Iterator[Row]:
    """One path a row, the sign between them, in the colours of the figure."""
    paths = listed_paths(derivation)
    for position, path in enumerate(paths):
        if position == limit and len(paths) > position + 1:
            yield _dots(work, derivation, Say("chain.more", {"count": len(paths) - position}))
            return
        if not derivation.unrolled and position == SHOWN_ENDS:
            yield _dots(work, None, None)
        row = _path_row(pen, derivation, _multiplied(work, factors(path)), position)
        row = _over_samples(work, derivation, row, position == 0, position == len(paths) - 1)
        is_early = derivation.unrolled or position < SHOWN_ENDS
        number_ = position + 1 + (0 if is_early else int(derivation.paths.count) - len(paths))
        coloured = position if len(paths) <= COLOURED_PATHS else None
        yield replace(row, reason=_path_reason(work, pen, path, number_, row), path=coloured)


def _path_row(pen: Pen, derivation: Derivation, share: Expr, position: int) -> Row:
    """One path's product, led by the derivative or by its sign."""
    if position == 0:
        return pen.row(derivation.conclusion.lhs, share)
    is_negative, size = signed(share)
    return replace(pen.row(None, size), relation="-" if is_negative else "+")


def _multiplied(work: Work, factors: Iterable[Expr]) -> Expr:
    """Factors in order; those made of single quantities only, -ŷ_1·ŷ_2, as one."""
    written = (work.backward.unroll(factor) for factor in factors)
    return Product(*(product(f.args) if isinstance(f, Product) else f for f in written))


def _over_samples(work: Work, derivation: Derivation, row: Row, opens: bool, closes: bool) -> Row:
    """The sum over the samples of a batch, as a bracket around all paths."""
    if work.graph.samples is None or derivation.target.variable.batched:
        return row
    first, *rest = row.lines
    text_ = row.text
    if opens:
        first = rf"\sum_{{s=1}}^{{{work.graph.samples}}} \Bigl[ {first}"
        text_ = f"Σ_{{s=1..{work.graph.samples}}} [{text_}"
    found = [first, *rest]
    if closes:
        found[-1] += r" \Bigr]"
        text_ += "]"
    return replace(row, lines=tuple(found), text=text_)


def _dots(work: Work, closing: Derivation | None, reason: Say | None) -> Row:
    """A row for what is not listed; where nothing follows, it closes the bracket of ``closing``."""
    row = Row(None, "+", (r"\cdots",), "…", reason)
    return row if closing is None else _over_samples(work, closing, row, False, True)


def _path_reason(work: Work, pen: Pen, path: Path, position: int, row: Row) -> Say:
    """The number of the path, the neurons it runs through where there is room, its share."""
    names = [pen.formula(Symbol(name)) for name in path.neurons[1:-1]]
    through = Formula(
        r" \to ".join(name.latex for name in names), " → ".join(name.text for name in names)
    )
    share = None
    if pen.literals:
        share = equal_to(literal(work.numbers.value_of(Product(*path.values))))
    fits = width(row.lines[-1]) + 0.8 * width(through.latex) + (70 if share else 25) < 395
    fits = fits and bool(names)  # a path of one step runs through nothing
    return Say(
        "reason.path", {"number": position, "through": through if fits else None, "share": share}
    )


def _locals(work: Work, pen: Pen, derivation: Derivation) -> Section:
    """Each local derivative by itself, then all of them put into the paths."""
    rows: list[Row] = []
    for local in derivation.derivatives:
        rows += local_rows(work, pen, local)
    blocks: list[Block] = [locals_intro(work, pen), Display(tuple(rows))]
    if derivation.unrolled and 1 < len(derivation.paths) <= COLOURED_PATHS:
        put_in = _path_rows(work, pen, derivation, lambda path: path.values)
        blocks += [Say("locals.put_in"), Display(tuple(put_in))]
    return Section(Say("section.locals"), tuple(blocks))


def _adjoints(work: Work, pen: Pen, derivation: Derivation) -> Section:
    """∂L/∂v of every quantity between the loss and the weight, each from those before it."""
    blocks: list[Block] = [Say("adjoints.intro", {"one": len(derivation.adjoints) == 1})]
    if not derivation.adjoints:
        return Section(Say("section.adjoints"), ())
    if derivation.unrolled or isinstance(work.spec, EquationsSpec):
        blocks += [
            Display(tuple(deduction_rows(work, pen, entry))) for entry in derivation.adjoints
        ]
    else:
        on_the_way, _ = derivation.backward.route(derivation.target.variable)
        blocks += responsibilities(work, pen, on_the_way)
    return Section(Say("section.adjoints"), tuple(blocks))


def _apart(work: Work, pen: Pen) -> Section:
    """Each function of the network taken apart as in S2, the softmax with its two ways."""
    if isinstance(work.spec, EquationsSpec):
        return Section(Say("section.apart"), ())
    blocks: list[Block] = []
    functions = dict.fromkeys(layer.activation for layer in work.spec.layers)
    for row in (*functions, work.spec.loss):
        if getattr(row, "coupled", False):
            blocks += _softmax_blocks(work, pen, row.name)
            continue
        derivation = take_apart(row)
        if derivation is not None:
            blocks += _apart_blocks(work, spoken(row), derivation)
    return Section(Say("section.apart"), tuple(blocks))


def _apart_blocks(work: Work, name: str, derivation: Derivation) -> list[Block]:
    backward = derivation.backward
    plain = ONE_VARIABLE if derivation.paths.count == 1 else EQUATIONS
    pen = Pen(formula_lettering(work, plain))
    stages = [
        pen.row(backward.unroll(e.lhs), backward.unroll(e.shown)) for e in backward.graph.equations
    ]
    slopes = [
        pen.row(backward.unroll(d.name), backward.unroll(d.form)) for d in derivation.derivatives
    ]
    rows = _conclusion_rows(pen, derivation)
    intro = Say("apart.intro", {"name": Words(name)})
    return [intro, Display(tuple(stages)), Display(tuple(slopes)), Display(tuple(rows))]


def _softmax_blocks(work: Work, pen: Pen, name: str) -> list[Block]:
    pairs = (
        (equation, local)
        for equation in work.graph.equations
        for (child, parent), local in work.backward.derivatives.items()
        if child == equation.variable
        and equation.named is not None
        and equation.named.func.__name__ == name
    )
    equation, local = next(pairs)
    parts = softmax_apart(equation, local)
    stages = [pen.row(stage.lhs, stage.rhs) for stage in parts.graph.equations]
    slopes = [pen.row(slope.name, slope.form) for slope in parts.derivatives]
    last = local_steps(local, equation)[-1]
    rows = [
        pen.row(local.name, parts.along, Say("rule.paths", {})),
        pen.row(None, last.rhs, reason(last, pen)),
    ]
    intro = Say("apart.softmax", {"name": Words(name)})
    return [intro, Display(tuple(stages)), Display(tuple(slopes)), Display(tuple(rows))]


def _conclusion_rows(
    pen: Pen, derivation: Derivation, *, without: tuple[Rule, ...] = ()
) -> list[Row]:
    lhs: Expr | None = derivation.conclusion.lhs
    rows = []
    for position, step in enumerate(derivation.steps):
        if step.rule in without and step is not derivation.steps[-1]:
            continue
        rows.append(pen.row(lhs, step.rhs, reason(step, pen, position == 0)))
        lhs = None
    return rows


def _result(work: Work, pen: Pen, derivation: Derivation) -> Section:
    rows = _conclusion_rows(pen, derivation, without=(Rule.PATHS, Rule.GROUP))
    rows[-1] = replace(rows[-1], is_result=True)
    rows += number_rows(work, pen, derivation.conclusion.lhs, derivation.conclusion.result)
    blocks: list[Block] = [Display(tuple(rows))]
    has_sums = derivation.folded.has(sympy.Sum) and derivation.paths.count > 1
    if derivation.unrolled and has_sums:
        blocks += [
            Say("result.folded"),
            Display(
                (
                    pen.row(
                        derivation.backward.adjoint_name(derivation.target.element),
                        derivation.folded,
                    ),
                )
            ),
        ]
    return Section(Say("section.result"), tuple(blocks))


def _bridge(work: Work, pen: Pen, derivation: Derivation) -> Section | None:
    """The formula for one weight beside the formula for its whole matrix, and why they agree."""
    variable = derivation.target.variable
    if variable.role not in PARAMETERS or f"∇{variable.name}" in work.matrices.missing:
        return None
    form = work.matrices
    step = form.step(variable.name)
    general = work.backward.adjoints[variable]
    block = block_formula(variable, pen)
    rows = (pen.row(general.lhs, general.result), matrix_row(pen, step, shapes=True))
    turned = [_why_turned(work, pen, entry) for entry in step.transposes]
    intro = Say("matrix.bridge", {"block": block, "matrix": len(variable.shape) == 2})
    blocks = (intro, Display(rows), *turned, certified(form))
    return Section(Say("section.matrix", {"block": block}), blocks)


def _why_turned(work: Work, pen: Pen, turned: Turned) -> Say:
    """Where a transpose comes from."""
    letters, whole = lettering(work), turned.factor.args[0]
    factor = Formula(MatrixLatex(letters).write(whole), MatrixText(letters).write(whole))
    key = "matrix.turned_summed" if turned.summed else "matrix.turned_columns"
    facts = {"factor": factor, "letter": pen.formula(turned.letter)}
    return Say(key, {**facts, "element": pen.formula(turned.element)})


def _check(work: Work, pen: Pen, derivation: Derivation) -> Section | None:
    """The derived number beside a central difference, what its sign says, and the step."""
    if not work.has_numbers or derivation.target.variable.batched:
        return None
    reference = derivation.target
    derived, checked = work.derived_number(reference), work.checked(reference)
    blocks = [] if checked is None else _difference(work, pen, checked)
    stands_at_kink = checked is not None and isinstance(checked.difference, Kink)
    if reference.variable in work.graph.parameters and not (stands_at_kink and derived == 0):
        blocks += _advice(work, pen, reference, derived)
    return Section(Say("section.check"), tuple(blocks))


def _difference(work: Work, pen: Pen, checked: Checked) -> list[Block]:
    if isinstance(checked.difference, Kink):
        return [Say("check.kink", {"quantity": pen.formula(Symbol(checked.difference.name))})]
    target = pen.formula(work.graph.target.element)
    shown = [literal(value, 12) for value in (checked.derived, checked.difference)]
    rows = tuple(
        (Say(key), Formula(entry.latex, entry.text))
        for key, entry in zip(("check.derived", "check.difference"), shown, strict=True)
    )
    return [
        Say("check.intro", {"target": target}),
        Grid((Say("head.way"), Say("head.value")), rows),
        Say("check.agree", {"digits": checked.digits, "zero": checked.derived == 0}),
    ]


def _advice(work: Work, pen: Pen, reference: Reference, derived: Any) -> list[Block]:
    """The sign read as advice, and one step of gradient descent on this one number."""
    parameter = pen.formula(Symbol(reference.name))
    target = pen.formula(work.graph.target.element)
    sign = "zero" if derived == 0 else "negative" if derived < 0 else "positive"
    found: list[Block] = [Say(f"advice.{sign}", {"w": parameter, "loss": target})]
    if work.learning_rate is None or derived == 0:
        return found
    old = work.numbers.element(work.numbers.forward[reference.variable.name], reference)
    rate = number(work.learning_rate)
    new = old - rate * derived
    eta = as_written(rate)
    w, d = as_written(old), literal(derived)
    name = pen.inline(work.backward.adjoint_name(reference.element))
    step = Row(
        parameter,
        "←",
        (rf"{parameter.latex} - \eta\,{name.latex}",),
        f"{parameter.text} - η·{name.text}",
    )
    numbers = Row(
        None,
        "=" if d.is_exact else "≈",
        (rf"{w.latex} - {eta.latex} \cdot {_bracketed(d.latex)}",),
        f"{w.text} - {eta.text}·{_bracketed(d.text)}",
    )
    before, after = told_apart(work.numbers.loss, work.numbers.loss_with(reference, new))
    rows = (step, numbers, pen.value_row(None, new))
    outcome = Say(
        "advice.outcome",
        {"w": parameter, "loss": target, "before": before, "after": after},
    )
    return [
        *found,
        Say(
            "advice.step",
            {"w": parameter, "eta": Formula(rf"\eta = {eta.latex}", f"η = {eta.text}")},
        ),
        Display(rows),
        outcome,
    ]


def _bracketed(printed: str) -> str:
    return f"({printed})" if printed.startswith("-") else printed


def _shared(work: Work, pen: Pen, derivation: Derivation) -> Section | None:
    """Which other parameters reuse the derivatives on the way (S3)."""
    rows = []
    for deduction in derivation.adjoints:
        entry = _reused_by(work, pen, derivation, deduction)
        if entry is not None:
            rows.append(entry)
    if not rows:
        return None
    head = (Say("head.factor"), Say("head.direct"), Say("head.chain"))
    table = Say("shared.intro"), Grid(head, tuple(rows[:12]))
    return Section(Say("section.shared"), (*table, *_boxed(work, pen, derivation)))


def _boxed(work: Work, pen: Pen, derivation: Derivation) -> list[Block]:
    """On one long chain: the part that the next weight's chain begins with too, in a box (S3)."""
    variable, is_one = derivation.target.variable, derivation.paths.count == 1
    if not is_one or variable.role not in PARAMETERS or variable.layer is None:
        return []
    if work.graph.samples is not None:  # a chain for each sample
        return []
    above = next((v for v in work.graph.variables if v.name == f"a{variable.layer + 1}"), None)
    after = next((v for v in work.graph.variables if v.name == f"W{variable.layer + 1}"), None)
    if above is None or after is None:
        return []
    factors = [work.backward.unroll(factor) for factor in derivation.paths[0].factors]
    a, w = (work.backward.scalar(v, (1,) * len(v.shape)) for v in (above, after))
    cut = next(n for n, factor in enumerate(factors, start=1) if factor.by == a)
    chains = (
        (derivation.conclusion.lhs, factors[cut:]),
        (Partial(factors[0].of, w), [Partial(a, w)]),
    )
    rows = tuple(_boxed_row(pen, lhs, factors[:cut], rest) for lhs, rest in chains)
    facts = {"box": pen.inline(Partial(factors[0].of, a)), "w": pen.formula(w)}
    return [Say("shared.box", facts), Display(rows)]


def _boxed_row(pen: Pen, lhs: Expr, box: Sequence[Expr], rest: Sequence[Expr]) -> Row:
    """``lhs`` = [box] · rest; a box that is too long is one on each line."""
    *before, last = (rf"\boxed{{{line}}}" for line in lines(Product(*box), pen.latex, LINE - 20))
    after = pen.formula(Product(*rest))
    together = rf"{last} \cdot {after.latex}"
    ends = [together] if width(together) <= LINE else [last, rf"{INDENT}{after.latex}"]
    text_ = f"({pen.text.write(Product(*box))}) · {after.text}"
    return Row(pen.formula(lhs), "=", (*before, *ends), text_)


def _reused_by(
    work: Work, pen: Pen, derivation: Derivation, deduction: Deduction
) -> tuple[Any, ...] | None:
    """The other parameters right behind ``deduction``, and the short chain of the last one."""
    backward = work.backward
    variable, numbers = _behind(backward, derivation, deduction)
    names, chain = [], None
    for (child, parent), local in backward.derivatives.items():
        if child == variable and parent in work.graph.parameters:
            at = dict(zip(local.child_indices[child.batched :], numbers, strict=True))
            pinned = {q: at[i] for i, q in local.pins if i in at}
            sizes = zip(parent.indices, parent.shape, strict=True)
            pinned |= {letter: sympy.S.One for letter, size in sizes if size == 1}
            element = instantiate(parent.element, pinned)
            if element == derivation.target.element:
                continue
            names.append(pen.formula(element))
            chain = _short_chain(work, pen, parent, pinned)
    if not names:
        return None
    return pen.formula(deduction.lhs), Say("formulas", {"formulas": names}), chain


def _short_chain(work: Work, pen: Pen, parent: Variable, at: Mapping[Expr, Expr]) -> Formula:
    """∂L/∂w = ∂L/∂a · ∂a/∂w, the first step of the parameter's own deduction."""
    deduction = work.backward.adjoints[parent]
    lhs, rhs = (
        pen.formula(instantiate(part, at)) for part in (deduction.lhs, deduction.steps[0].rhs)
    )
    return Formula(f"{lhs.latex} = {rhs.latex}", f"{lhs.text} = {rhs.text}")


def _behind(
    backward: BackwardPass, derivation: Derivation, deduction: Deduction
) -> tuple[Variable, tuple[Expr, ...]]:
    """The quantity of an adjoint, and the indices of its element, samples left out."""
    if derivation.unrolled:
        variable, indices = backward.node_of(deduction.lhs.by)
        return variable, tuple(map(sympy.Integer, indices))
    variable = next(v for v, entry in backward.adjoints.items() if entry is deduction)
    return variable, variable.indices[variable.batched :]


def one_line(work: Work, derivation: Derivation) -> str:
    """``∂L/∂w_131 = …`` as text."""
    pen = plain_pen(work, derivation)
    conclusion = derivation.conclusion
    return f"{pen.text.write(conclusion.lhs)} = {pen.text.write(conclusion.result)}"


def latex(work: Work, derivation: Derivation) -> str:
    """The conclusion as an ``aligned`` block, lines broken to fit a page."""
    pen = plain_pen(work, derivation)
    pieces = []
    for row in _conclusion_rows(pen, derivation):
        lhs = row.lhs.latex if row.lhs is not None else ""
        body = r" \\ &\quad ".join(row.lines)
        pieces.append(f"{lhs} &= {body}")
    return "\\begin{aligned} " + r" \\ ".join(pieces) + " \\end{aligned}"


def text(work: Work, derivation: Derivation, say: Callable[[Say], str]) -> str:
    """The derivation as text: adjoints from the loss back, then the conclusion, in one's words."""
    pen = plain_pen(work, derivation)
    found = []
    for deduction in (*derivation.adjoints, derivation.conclusion):
        lhs = pen.text.write(deduction.lhs)
        for position, step in enumerate(deduction.steps):
            why = say(reason(step, pen, position == 0))
            found.append(f"{lhs} = {pen.text.write(step.rhs)}    [{why}]")
            lhs = " " * len(lhs)
    return "\n".join(found)


def as_data(
    work: Work, derivation: Derivation, deduction: Deduction, say: Callable[[Say], str]
) -> dict[str, Any]:
    """One deduction as plain data: the left-hand side, then each equality with its rule."""
    pen = plain_pen(work, derivation)
    steps = [
        {
            "rule": step.rule.name.lower(),
            "reason": say(reason(step, pen, step is deduction.steps[0])),
            "text": pen.text.write(step.rhs),
            "latex": pen.latex.write(step.rhs),
        }
        for step in deduction.steps
    ]
    lhs = pen.formula(deduction.lhs)
    return {"lhs": lhs.text, "latex": lhs.latex, "steps": steps}
