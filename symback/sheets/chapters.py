"""Whole pages: what is said of one derivation, or of a network, in which order.

Here one can

* make the page of one weight: `sheet`; of a whole network, forward, backward, every parameter and
  the update of θ: `overview`; of a parameter of any layer: `any_layer_page`;
* show a derivation in a line, as an aligned block, as text or as data: `one_line`, `latex`,
  `text`, `as_data`;
* take a function apart into elementary operations, as one does it at the board: `take_apart`,
  `softmax_apart`.

Decisions live here, words in ``templates/words.toml``, layout in ``templates/sheet.*``.  Whatever
is shown was derived before: nothing here differentiates, composes or rewrites a formula.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from sympy import Expr, Integer, KroneckerDelta, S, Sum, Symbol, exp

from symback.engine import spec
from symback.engine.arithmetics import number
from symback.engine.calculus import LocalDerivative, instantiate, local_derivative
from symback.engine.derivation import (
    BackwardPass,
    Deduction,
    Derivation,
    Path,
    Rule,
    derive,
    local_steps,
)
from symback.engine.evaluation import Kink, flattened, restored
from symback.engine.graph import Equation, Graph, from_equations
from symback.engine.matrix import MatrixStep, Phase
from symback.engine.spec import EquationsSpec, NetworkSpec
from symback.engine.work import Work
from symback.language.algebra import Partial, Product, Sigma, Terms, collapse, product
from symback.language.functions import Activation, Loss, spoken
from symback.language.names import (
    EQUATIONS,
    ONE_VARIABLE,
    PARAMETERS,
    Lettering,
    Reference,
    Role,
    Spelling,
    Variable,
    elements,
    index,
    read_reference,
)
from symback.language.typesetting import width
from symback.language.writing import signed
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
    joined,
    lines,
    literal,
)
from symback.sheets.passages import (
    SHOWN_ENDS,
    GeneralPen,
    Passages,
    array_formula,
    certified,
    depth_of,
    describe,
    entries,
    figure,
    listed_paths,
    pen_for,
    plain_pen,
    stable_section,
    told_apart,
)

BRIEF_PATHS = 4
COLOURED_PATHS = 16
MOST_FORMULAS = 40
"""A layer with more parameters than this shows the general formula and the numbers only."""


def sheet(
    work: Work, derivation: Derivation, detail: str = "normal", *, stable: bool = False
) -> Page:
    """The page of one derivation; ``detail`` is brief (one screen), normal or full.

    With ``stable`` it says how a program computes the functions without losing digits.
    """
    pen = pen_for(work, derivation)
    picture = figure(work, derivation, pen)
    told = _Chapters(work, pen, derivation, detail)
    if detail == "brief":  # one screen: the picture and its paths, the result, its number
        chain = told.chain()
        parts: list[Section | None] = [
            replace(chain, blocks=(Picture(picture), *chain.blocks)),
            told.brief_result(),
        ]
    else:
        parts = [
            told.network_section(picture),
            told.forward_section(detail),
            told.chain(),
            told.locals(),
            told.adjoints(),
            told.apart() if detail == "full" else None,
            told.result(),
            told.bridge(),
            told.check(),
            told.shared(),
        ]
    parts.append(stable_section(work) if stable else None)
    name = pen.inline(derivation.conclusion.lhs)
    own = Say("title.one", {"derivative": name})
    return Page(
        title=told.title(own),
        tab=told.title(own, derivative=name),
        subtitle=describe(work),
        sections=tuple(part for part in parts if part is not None and part.blocks),
        notes=tuple(told.footnotes(derivation.facts, with_digits=detail != "brief")),
        styles=tuple(picture.styles),
    )


class _Chapters(Passages):
    """The sections of one derivation's page."""

    def __init__(
        self, work: Work, pen: Pen, derivation: Derivation, detail: str = "normal"
    ) -> None:
        super().__init__(work, pen)
        self.derivation, self.detail = derivation, detail

    # ------------------------------------------------------------------------------- the paths

    def chain(self) -> Section:
        """The derivative as the sum over its paths."""
        derivation, pen = self.derivation, self.pen
        name, count = derivation.conclusion.lhs, derivation.paths.count
        concrete, samples = self.graph.is_concrete(), self.graph.samples is not None
        brief = self.detail == "brief"
        facts = {
            "derivative": pen.inline(name),
            "start": pen.formula(name.by),
            "target": pen.formula(self.work.backward.scalar(self.graph.target, ())),
            "count": count if isinstance(count, int) else pen.formula(count),
            "one": count == 1,
            "samples": samples,
            "summed": not derivation.target.variable.batched,
        }
        # the caption of the figure says so already
        blocks: list[Block] = (
            [] if brief and concrete and not samples else [Say("chain.paths", facts)]
        )
        if concrete:
            rows = self.path_rows(lambda path: path.factors, BRIEF_PATHS if brief else None)
            blocks.append(Display(tuple(rows)))
            if not derivation.unrolled:
                blocks.append(Say("chain.shortened", {"shown": 2 * SHOWN_ENDS, "count": count}))
        grouped = [step for step in derivation.steps if step.rule is Rule.GROUP]
        if grouped and not brief:
            blocks += [Say("chain.grouped"), Display((pen.row(name, grouped[0].rhs),))]
        return Section(Say("section.chain"), tuple(blocks))

    def path_rows(
        self, factors: Callable[[Path], tuple[Expr, ...]], limit: int | None = None
    ) -> Iterator[Row]:
        """One path a row, the sign between them, in the colours of the figure.

        In a batch a bracket around all paths holds the sum over the samples.
        """
        derivation, samples = self.derivation, self.graph.samples
        summed = samples is not None and not derivation.target.variable.batched
        paths = listed_paths(derivation)
        end = r" \Bigr]" if summed else ""
        for position, path in enumerate(paths):
            if position == limit and len(paths) > position + 1:
                more = Say("chain.more", {"count": len(paths) - position})
                yield Row(None, "+", (r"\cdots" + end,), "…]" if summed else "…", more)
                return
            if not derivation.unrolled and position == SHOWN_ENDS:
                yield Row(None, "+", (r"\cdots",), "…")
            written = map(self.work.backward.unroll, factors(path))
            # factors made of single quantities only, -ŷ_1·ŷ_2, as one
            share = Product(*(product(f.args) if isinstance(f, Product) else f for f in written))
            if position == 0:
                row = self.pen.row(derivation.conclusion.lhs, share)
                if summed:
                    first = rf"\sum_{{s=1}}^{{{samples}}} \Bigl[ {row.lines[0]}"
                    words = f"Σ_{{s=1..{samples}}} [{row.text}"
                    row = replace(row, lines=(first, *row.lines[1:]), text=words)
            else:
                negative, size = signed(share)
                row = replace(self.pen.row(None, size), relation="-" if negative else "+")
            if summed and position == len(paths) - 1:
                row = replace(
                    row, lines=(*row.lines[:-1], row.lines[-1] + end), text=row.text + "]"
                )
            is_early = derivation.unrolled or position < SHOWN_ENDS
            place = position + 1 + (0 if is_early else int(derivation.paths.count) - len(paths))
            coloured = position if len(paths) <= COLOURED_PATHS else None
            yield replace(row, reason=self._path_reason(path, place, row), path=coloured)

    def _path_reason(self, path: Path, place: int, row: Row) -> Say:
        """The number of the path, the neurons it runs through where there is room, its share."""
        names = [self.pen.formula(Symbol(name)) for name in path.neurons[1:-1]]
        through = joined(names, r" \to ", " → ")
        share = None
        if self.pen.literals:
            share = equal_to(literal(self.work.numbers.value_of(Product(*path.values))))
        long = width(row.lines[-1]) + 0.8 * width(through.latex) + (70 if share else 25)
        fits = names and long < 395  # a path of one step runs through nothing
        return Say(
            "reason.path", {"number": place, "through": through if fits else None, "share": share}
        )

    # ------------------------------------------------------------------------- the derivatives

    def locals(self) -> Section:
        """Each local derivative by itself, then all of them put into the paths."""
        derivation = self.derivation
        rows = [row for local in derivation.derivatives for row in self.local_rows(local)]
        blocks: list[Block] = [self.locals_intro(), Display(tuple(rows))]
        if derivation.unrolled and 1 < len(derivation.paths) <= COLOURED_PATHS:
            put_in = tuple(self.path_rows(lambda path: path.values))
            blocks += [Say("locals.put_in"), Display(put_in)]
        return Section(Say("section.locals"), tuple(blocks))

    def adjoints(self) -> Section | None:
        """∂L/∂v of every quantity between the loss and the weight, each from those before it."""
        derivation, found = self.derivation, self.derivation.adjoints
        if not found:
            return None
        blocks: Iterable[Block]
        if derivation.unrolled or isinstance(self.work.spec, EquationsSpec):
            blocks = [Display(tuple(self.deduction_rows(entry))) for entry in found]
        else:
            on_the_way, _ = derivation.backward.route(derivation.target.variable)
            blocks = self.responsibilities(on_the_way)
        intro = Say("adjoints.intro", {"one": len(found) == 1})
        return Section(Say("section.adjoints"), (intro, *blocks))

    def apart(self) -> Section | None:
        """Each function of the network taken apart as in S2, the softmax with its two ways."""
        if isinstance(self.work.spec, EquationsSpec):
            return None
        blocks: list[Block] = []
        functions = dict.fromkeys(layer.activation for layer in self.work.spec.layers)
        for row in (*functions, self.work.spec.loss):
            if getattr(row, "coupled", False):
                blocks += self._softmax_blocks(row.name)
            elif (derivation := take_apart(row)) is not None:
                blocks += self._apart_blocks(spoken(row), derivation)
        return Section(Say("section.apart"), tuple(blocks))

    def _apart_blocks(self, name: str, derivation: Derivation) -> list[Block]:
        plain = ONE_VARIABLE if derivation.paths.count == 1 else EQUATIONS
        pen = Pen(_formula_lettering(self.work, plain))
        backward = derivation.backward
        unroll = backward.unroll
        stages = [pen.row(unroll(e.lhs), unroll(e.shown)) for e in backward.graph.equations]
        slopes = [pen.row(unroll(d.name), unroll(d.form)) for d in derivation.derivatives]
        rows = _Chapters(self.work, pen, derivation).conclusion_rows()
        intro = Say("apart.intro", {"name": Words(name)})
        return [intro, *(Display(tuple(each)) for each in (stages, slopes, rows))]

    def _softmax_blocks(self, name: str) -> list[Block]:
        pen, derivatives = self.pen, self.work.backward.derivatives
        equation, local = next(
            (equation, local)
            for equation in self.graph.equations
            for (child, _), local in derivatives.items()
            if child == equation.variable
            and equation.named is not None
            and equation.named.func.__name__ == name
        )
        parts = softmax_apart(equation, local)
        stages = [pen.row(stage.lhs, stage.rhs) for stage in parts.graph.equations]
        slopes = [pen.row(slope.name, slope.form) for slope in parts.derivatives]
        last = local_steps(local, equation)[-1]
        rows = [
            pen.row(local.name, parts.along, Say("rule.paths", {})),
            pen.row(None, last.rhs, self.reason(last)),
        ]
        intro = Say("apart.softmax", {"name": Words(name)})
        return [intro, *(Display(tuple(each)) for each in (stages, slopes, rows))]

    # ------------------------------------------------------------------------------ the result

    def conclusion_rows(self, *, without: tuple[Rule, ...] = ()) -> list[Row]:
        """The conclusion, one equality a row; its last step stands whatever its rule is."""
        rows, steps = [], self.derivation.steps
        lhs: Expr | None = self.derivation.conclusion.lhs
        for step in steps:
            if step.rule not in without or step is steps[-1]:
                rows.append(self.pen.row(lhs, step.rhs, self.reason(step, step is steps[0])))
                lhs = None
        return rows

    def result(self) -> Section:
        """The conclusion with its numbers, and the formula with its sums not written out."""
        derivation, pen = self.derivation, self.pen
        rows = self.conclusion_rows(without=(Rule.PATHS, Rule.GROUP))
        rows[-1] = replace(rows[-1], is_result=True)
        rows += self.number_rows(derivation.conclusion.lhs, derivation.conclusion.result)
        blocks: list[Block] = [Display(tuple(rows))]
        has_sums = derivation.folded.has(Sum) and derivation.paths.count > 1
        if derivation.unrolled and has_sums:
            name = derivation.backward.adjoint_name(derivation.target.element)
            blocks += [Say("result.folded"), Display((pen.row(name, derivation.folded),))]
        return Section(Say("section.result"), tuple(blocks))

    def brief_result(self) -> Section:
        """The shortest form of the result, its number, and what its sign says."""
        rows = self.conclusion_rows(without=(Rule.PATHS, Rule.GROUP))
        shortest = min(reversed(rows), key=lambda row: len(row.lines))
        name, reference = self.derivation.conclusion.lhs, self.derivation.target
        result = replace(shortest, lhs=self.pen.formula(name), reason=None, is_result=True)
        blocks: list[Block] = [Display((result, *self.number_rows(name, None)))]
        checked = self.work.checked(reference)
        if checked is not None and not isinstance(checked.difference, Kink):
            blocks.append(Say("check.brief", {"target": self.target, "digits": checked.digits}))
            if reference.variable in self.graph.parameters:
                blocks += self._advice(reference, checked.derived)[:1]
        return Section(Say("section.result"), tuple(blocks))

    def bridge(self) -> Section | None:
        """The formula for one weight beside that for its whole matrix, and why they agree."""
        variable, work = self.derivation.target.variable, self.work
        if variable.role not in PARAMETERS or f"∇{variable.name}" in work.matrices.missing:
            return None
        form = work.matrices
        step, general = form.step(variable.name), work.backward.adjoints[variable]
        rows = (self.pen.row(general.lhs, general.result), self.matrix_row(step, shapes=True))
        block = self.block(variable)
        intro = Say("matrix.bridge", {"block": block, "matrix": len(variable.shape) == 2})
        turned = []  # where the transposes come from
        for entry in step.transposes:
            facts = {
                "factor": self.pen.matrix(entry.factor.args[0]),
                "letter": self.pen.formula(entry.letter),
                "element": self.pen.formula(entry.element),
            }
            turned.append(Say(f"matrix.turned_{'summed' if entry.summed else 'columns'}", facts))
        blocks = (intro, Display(rows), *turned, certified(form))
        return Section(Say("section.matrix", {"block": block}), blocks)

    def check(self) -> Section | None:
        """The derived number beside a central difference, what its sign says, and the step."""
        work, reference = self.work, self.derivation.target
        if not work.has_numbers or reference.variable.batched:
            return None
        derived, checked = work.derived_number(reference), work.checked(reference)
        blocks: list[Block] = []
        stands_at_kink = checked is not None and isinstance(checked.difference, Kink)
        if checked is not None and stands_at_kink:
            name = self.pen.formula(Symbol(checked.difference.name))
            blocks.append(Say("check.kink", {"quantity": name}))
        elif checked is not None:
            rows = (
                (Say("check.derived"), literal(checked.derived, 12).formula),
                (Say("check.difference"), literal(checked.difference, 12).formula),
            )
            blocks += [
                Say("check.intro", {"target": self.target}),
                Grid((Say("head.way"), Say("head.value")), rows),
                Say("check.agree", {"digits": checked.digits, "zero": checked.derived == 0}),
            ]
        if reference.variable in self.graph.parameters and not (stands_at_kink and derived == 0):
            blocks += self._advice(reference, derived)
        return Section(Say("section.check"), tuple(blocks))

    def _advice(self, reference: Reference, derived: Any) -> list[Block]:
        """The sign read as advice, and one step of gradient descent on this one number."""
        work, pen = self.work, self.pen
        facts = {"w": pen.formula(Symbol(reference.name)), "loss": self.target}
        sign = "zero" if derived == 0 else "negative" if derived < 0 else "positive"
        advice = Say(f"advice.{sign}", facts)
        if work.learning_rate is None or derived == 0:
            return [advice]
        old = work.numbers.element(work.numbers.forward[reference.variable.name], reference)
        rate = number(work.learning_rate)
        new = old - rate * derived
        eta, w, d = as_written(rate), as_written(old), literal(derived)
        parameter, name = facts["w"], pen.inline(work.backward.adjoint_name(reference.element))

        def bracketed(printed: str) -> str:
            return f"({printed})" if printed.startswith("-") else printed

        rows = (
            Row(
                parameter,
                "←",
                (rf"{parameter.latex} - \eta\,{name.latex}",),
                f"{parameter.text} - η·{name.text}",
            ),
            Row(
                None,
                "=" if d.is_exact else "≈",
                (rf"{w.latex} - {eta.latex} \cdot {bracketed(d.latex)}",),
                f"{w.text} - {eta.text}·{bracketed(d.text)}",
            ),
            pen.value_row(None, new),
        )
        before, after = told_apart(work.numbers.loss, work.numbers.loss_with(reference, new))
        shown = Formula(rf"\eta = {eta.latex}", f"η = {eta.text}")
        return [
            advice,
            Say("advice.step", {"w": parameter, "eta": shown}),
            Display(rows),
            Say("advice.outcome", {**facts, "before": before, "after": after}),
        ]

    # --------------------------------------------------------------- what other weights share

    def shared(self) -> Section | None:
        """Which other parameters reuse the derivatives on the way (S3)."""
        rows = [row for entry in self.derivation.adjoints if (row := self._reused_by(entry))]
        if not rows:
            return None
        table = Grid((Say("head.factor"), Say("head.direct"), Say("head.chain")), tuple(rows[:12]))
        return Section(Say("section.shared"), (Say("shared.intro"), table, *self._boxed()))

    def _reused_by(self, deduction: Deduction) -> tuple[Any, ...] | None:
        """The other parameters right behind ``deduction``, and the short chain of the last one."""
        backward, pen, derivation = self.work.backward, self.pen, self.derivation
        if derivation.unrolled:
            variable, numbers = backward.node_of(deduction.lhs.by)
            own = tuple(map(Integer, numbers))
        else:
            variable = next(v for v, entry in backward.adjoints.items() if entry is deduction)
            own = variable.indices[variable.batched :]
        names, chain = [], None
        for (child, parent), local in backward.derivatives.items():
            if child != variable or parent not in self.graph.parameters:
                continue
            at = dict(zip(local.child_indices[child.batched :], own, strict=True))
            pinned = {q: at[i] for i, q in local.pins if i in at}
            sizes = zip(parent.indices, parent.shape, strict=True)
            pinned |= {letter: S.One for letter, size in sizes if size == 1}
            element = instantiate(parent.element, pinned)
            if element != derivation.target.element:
                names.append(pen.formula(element))
                # ∂L/∂w = ∂L/∂a · ∂a/∂w, the first step of the parameter's own deduction
                deduced = backward.adjoints[parent]
                sides = (instantiate(s, pinned) for s in (deduced.lhs, deduced.steps[0].rhs))
                chain = joined(map(pen.formula, sides), " = ")
        if not names:
            return None
        return pen.formula(deduction.lhs), Say("formulas", {"formulas": names}), chain

    def _boxed(self) -> list[Block]:
        """On one long chain: the part that the next weight's chain begins with too, in a box (S3).

        None in a batch, where there is a chain for each sample.
        """
        derivation, pen, backward = self.derivation, self.pen, self.work.backward
        variable = derivation.target.variable
        is_one = derivation.paths.count == 1 and self.graph.samples is None
        if not is_one or variable.role not in PARAMETERS or variable.layer is None:
            return []
        by_name = {v.name: v for v in self.graph.variables}
        above, after = (by_name.get(f"{letter}{variable.layer + 1}") for letter in "aW")
        if above is None or after is None:
            return []
        factors = [backward.unroll(factor) for factor in derivation.paths[0].factors]
        a, w = (backward.scalar(v, (1,) * len(v.shape)) for v in (above, after))
        cut = next(n for n, factor in enumerate(factors, start=1) if factor.by == a)
        rows = (
            self._boxed_row(derivation.conclusion.lhs, factors[:cut], factors[cut:]),
            self._boxed_row(Partial(factors[0].of, w), factors[:cut], [Partial(a, w)]),
        )
        facts = {"box": pen.inline(Partial(factors[0].of, a)), "w": pen.formula(w)}
        return [Say("shared.box", facts), Display(rows)]

    def _boxed_row(self, lhs: Expr, box: Sequence[Expr], rest: Sequence[Expr]) -> Row:
        """``lhs`` = [box] · rest; a box that is too long is one on each line."""
        pen, boxed = self.pen, Product(*box)
        *before, last = (rf"\boxed{{{line}}}" for line in lines(boxed, pen.latex, LINE - 20))
        after = pen.formula(Product(*rest))
        together = rf"{last} \cdot {after.latex}"
        ends = [together] if width(together) <= LINE else [last, rf"{INDENT}{after.latex}"]
        text_ = f"({pen.text.write(boxed)}) · {after.text}"
        return Row(pen.formula(lhs), "=", (*before, *ends), text_)


# ------------------------------------------------------------------------------ a whole network


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


# --------------------------------------------------------------------- a derivation without a page


def one_line(work: Work, derivation: Derivation) -> str:
    """``∂L/∂w_131 = …`` as text."""
    write, conclusion = plain_pen(work, derivation).text.write, derivation.conclusion
    return f"{write(conclusion.lhs)} = {write(conclusion.result)}"


def latex(work: Work, derivation: Derivation) -> str:
    """The conclusion as an ``aligned`` block, lines broken to fit a page."""
    pieces = []
    for row in _Chapters(work, plain_pen(work, derivation), derivation).conclusion_rows():
        lhs = row.lhs.latex if row.lhs is not None else ""
        pieces.append(f"{lhs} &= " + r" \\ &\quad ".join(row.lines))
    return "\\begin{aligned} " + r" \\ ".join(pieces) + " \\end{aligned}"


def text(work: Work, derivation: Derivation, say: Callable[[Say], str]) -> str:
    """The derivation as text: adjoints from the loss back, then the conclusion, in one's words."""
    found = []
    for deduction in (*derivation.adjoints, derivation.conclusion):
        data = as_data(work, derivation, deduction, say)
        lhs = data["lhs"]
        for step in data["steps"]:
            found.append(f"{lhs} = {step['text']}    [{step['reason']}]")
            lhs = " " * len(lhs)
    return "\n".join(found)


def as_data(
    work: Work, derivation: Derivation, deduction: Deduction, say: Callable[[Say], str]
) -> dict[str, Any]:
    """One deduction as plain data: the left-hand side, then each equality with its rule."""
    told = Passages(work, plain_pen(work, derivation))
    steps = [
        {
            "rule": step.rule.name.lower(),
            "reason": say(told.reason(step, step is deduction.steps[0])),
            "text": told.pen.text.write(step.rhs),
            "latex": told.pen.latex.write(step.rhs),
        }
        for step in deduction.steps
    ]
    lhs = told.pen.formula(deduction.lhs)
    return {"lhs": lhs.text, "latex": lhs.latex, "steps": steps}


# ------------------------------------------------------------------------- functions, taken apart


def _formula_lettering(work: Work, plain: Lettering) -> Lettering:
    """``plain`` with the letters of a catalogue formula, z ↦ h or yhat ↦ l, as the page has them.

    They stand for one number of any layer: no layer is written above them.
    """
    written = work.written
    if written is None:
        return plain

    def spelled(letter: str, indices: tuple[str, ...]) -> Spelling:
        return replace(written.spelling("a" if letter == "z" else letter, indices), superscript="")

    return replace(plain, spelled=spelled)


@cache
def take_apart(row: Activation | Loss) -> Derivation | None:
    """The derivative of a catalogue function along its elementary stages; None if it has only one.

    An activation h is derived by z, one output's term l of a loss by yhat.
    """
    name, by = ("h", "z") if isinstance(row, Activation) else ("l", "yhat")
    graph = from_equations(spec.equations({name: row.formula}))
    if graph.conventions or len(graph.equations) < 2:  # slopes that jump are told, not derived
        return None
    return derive(BackwardPass(graph), read_reference(by, graph.variables))


@dataclass(frozen=True, slots=True)
class SoftMaxApart:
    """e_i = exp(a_i), S = Σ_m e_m, ŷ_i = e_i/S, and ∂ŷ_j/∂a_i along the two ways through them."""

    graph: Graph
    derivatives: tuple[LocalDerivative, ...]
    along: Expr
    result: Expr


def softmax_apart(equation: Equation, whole: LocalDerivative) -> SoftMaxApart:
    """The softmax of ``equation`` (whose derivative is ``whole``) in elementary steps.

    ∂h_j/∂a_i = ∂h_j/∂e_j · ∂e_j/∂a_i [i = j] + ∂h_j/∂S · ∂S/∂e_i · ∂e_i/∂a_i.
    """
    i, m = index("i"), index("m")
    h, a = equation.variable, whole.parent
    size = h.shape[-1]
    sample = a.indices[: a.batched]
    shape = (*a.shape[: a.batched], size)
    e = Variable("e", Role.STAGE, None, shape, a.batched)
    total = Variable("S", Role.STAGE, None, shape[: a.batched], a.batched)
    stages = (
        Equation(e, (*sample, i), exp(a.at(*sample, i))),
        Equation(total, sample, Sigma(e.at(*sample, m), (m, 1, size))),
        Equation(h, (*sample, i), e.at(*sample, i) / total.at(*sample)),
    )
    graph = Graph(stages, (a, e, total, h), h)
    e_by_a = local_derivative(stages[0], a)
    s_by_e = local_derivative(stages[1], e)
    h_by_e = replace(local_derivative(stages[2], e), held=(total,))  # S follows e as well
    h_by_s = local_derivative(stages[2], total)
    (j,) = whole.child_indices[whole.child.batched :]
    own = whole.parent_indices[whole.parent.batched :]
    at_j, at_i = (*sample, j), (*sample, *own)
    along = Terms(
        Product(KroneckerDelta(own[0], j), h_by_e.at(at_i, at_i), e_by_a.at(at_i, at_i)),
        Product(h_by_s.at(at_j, sample), s_by_e.at(sample, at_i), e_by_a.at(at_i, at_i)),
    )
    return SoftMaxApart(graph, (e_by_a, s_by_e, h_by_e, h_by_s), along, collapse(whole.form))
