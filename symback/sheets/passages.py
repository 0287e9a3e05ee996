"""Sections and rows that every sheet is made of: the network, the forward pass, deductions, notes.

Each takes the network and a `Pen` and gives content (`symback.sheets.page`); words are in
``templates/words.toml``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sympy
from sympy import Expr, Symbol

from symback import kernels
from symback.engine.calculus import LocalDerivative
from symback.engine.derivation import Deduction, Rule, Step, local_steps
from symback.engine.graph import Equation, KnownSum, base_name
from symback.engine.matrix import (
    MatrixForm,
    MatrixLatex,
    MatrixStep,
    MatrixText,
    Phase,
    SampleArray,
)
from symback.engine.spec import EquationsSpec, LayerSpec, NetworkSpec
from symback.language.functions import spoken
from symback.language.names import NETWORK, Reference, Variable, elements, index, whole_name
from symback.language.writing import Latex, Text
from symback.sheets import figure as figures
from symback.sheets.formulas import width
from symback.sheets.page import (
    LINE,
    Block,
    Display,
    Formula,
    Grid,
    Pen,
    Picture,
    Row,
    Say,
    Section,
    Words,
    literal,
)
from symback.sheets.work import Work, entries, lettering

__all__ = [
    "MOST_ENTRIES",
    "NEURONS_WRITTEN_OUT",
    "array_formula",
    "array_grid",
    "as_it_is",
    "block_formula",
    "deduction_rows",
    "describe",
    "equation_rows",
    "footnotes",
    "forward_section",
    "is_thin",
    "local_rows",
    "locals_intro",
    "network_section",
    "number_rows",
    "numbers_and_value",
    "reason",
    "sum_formula",
    "title",
    "told_apart",
]


NEURONS_WRITTEN_OUT = 14
"""Up to this many neurons the forward pass is written out neuron by neuron."""


def title(work: Work, otherwise: Say, derivative: Formula | None = None) -> Say:
    """The title the user gave, led by ``derivative`` to tell pages apart; or another."""
    own = Words(work.spec.title)
    if work.spec.title and derivative is not None:
        return Say("title.tab", {"title": own, "derivative": derivative})
    return Say("title.own", {"title": own}) if work.spec.title else otherwise


def describe(work: Work) -> Say:
    """The network in a sentence."""
    if isinstance(work.spec, EquationsSpec):
        return Say(
            "describe.equations", {"count": len(work.spec.stages), "apart": work.spec.taken_apart}
        )
    hidden = dict.fromkeys(spoken(layer.activation) for layer in work.spec.layers[:-1])
    return Say(
        "describe.network",
        {
            "sizes": _sizes(work, work.spec.widths),
            "hidden": [Words(name) for name in hidden],
            "several": len(work.spec.layers) > 2,
            "output": Words(spoken(work.spec.layers[-1].activation)),
            "loss": Words(spoken(work.spec.loss)),
            "samples": work.spec.values.samples,
        },
    )


def _sizes(work: Work, widths: Sequence[Expr]) -> Formula | Words:
    """The widths of the layers: 4–4–2 in words, symbols as a formula."""
    sizes = [Pen(lettering(work)).formula(width) for width in widths]
    text = "–".join(size.text for size in sizes)
    if all(width.is_Integer for width in widths):
        return Words(text)
    return Formula(r" \to ".join(size.latex for size in sizes), text)


def network_section(work: Work, pen: Pen, drawing: figures.Figure) -> Section:
    """The picture, the notation, and a table of the layers."""
    if isinstance(work.spec, EquationsSpec):
        say = Say("network.equations", {"apart": work.spec.taken_apart})
        return Section(Say("section.graph"), (say, Picture(drawing)))
    rows = [_layer_row(work, pen, k, each) for k, each in enumerate(work.spec.layers, start=1)]
    head = tuple(
        Say(f"head.{key}") for key in ("layer", "neurons", "activation", "weights", "shape")
    )
    general = {"w": ("k", "i", "j"), "a": ("k", "i"), "h": ("k", "i")}
    facts = {letter: pen.quantity(letter, indices) for letter, indices in general.items()}
    legend = Say("network.legend", {**facts, "first": pen.latex.lettering.input_layer})
    return Section(Say("section.network"), (Picture(drawing), legend, Grid(head, tuple(rows))))


def _layer_row(work: Work, pen: Pen, k: int, layer: LayerSpec) -> tuple[Any, ...]:
    """Layer k as the page counts it: its neurons, its function, its weights and their shape."""
    W = next(v for v in work.graph.variables if v.name == f"W{k}")
    out, into = (pen.formula(size) for size in W.shape)
    return (
        Say("plain", {"value": k + pen.latex.lettering.input_layer}),
        pen.formula(layer.units),
        Words(spoken(layer.activation)),
        block_formula(W, pen),
        Formula(rf"{out.latex} \times {into.latex}", f"{out.text} × {into.text}"),
    )


def forward_section(
    work: Work, pen: Pen, detail: str, equations: Iterable[Block] | None = None
) -> Section:
    """Every equation, or the ``equations`` given, then numbers where there are some."""
    blocks: list[Block] = (
        [Display(tuple(equation_rows(work, pen, work.graph.equations)))]
        if equations is None
        else [*equations]
    )
    if work.has_numbers:
        blocks += _forward_numbers(work, pen, detail)
    return Section(Say("section.forward"), tuple(blocks))


def equation_rows(work: Work, pen: Pen, equations: Iterable[Equation]) -> Iterator[Row]:
    """Equations, each by its function's name first where that says something."""
    thin = is_thin(work)
    for equation in equations:
        at = dict.fromkeys(equation.free, sympy.S.One) if thin else {}
        show = (lambda part, at=at: work.backward.unroll(part, at)) if thin else as_it_is
        lhs, rhs = show(equation.lhs), show(equation.shown)
        reason = None if thin else _range(equation, pen)
        named = None if equation.named is None else show(equation.named)
        if named is not None and not _says_nothing(named, rhs, pen):
            yield pen.row(lhs, named, None)
            yield pen.row(None, rhs, reason)
        else:
            yield pen.row(lhs, rhs, reason)


def is_thin(work: Work) -> bool:
    """Whether there is only one element of everything, so that indices would only be in the way."""
    return work.graph.samples is None and all(_size_is_one(v) for v in work.graph.variables)


def _size_is_one(variable: Variable) -> bool:
    return all(size == 1 for size in variable.shape)


def as_it_is(expr: Expr) -> Expr:
    """An expression, unchanged."""
    return expr


def _says_nothing(named: Expr, rhs: Expr, pen: Pen) -> bool:
    """Whether the name of the function adds nothing to its formula, as in id(a) = a."""
    return rhs in named.args or pen.latex.write(named) == pen.latex.write(rhs)


def _range(equation: Equation, pen: Pen) -> Say | None:
    """For which indices an equation holds."""
    pairs = zip(equation.free, pen.sizes(equation.variable), strict=True)
    ranges = [
        (
            pen.latex.write(letter),
            pen.latex.write(size),
            pen.text.write(letter),
            pen.text.write(size),
        )
        for letter, size in pairs
    ]
    if not ranges:
        return None
    in_latex = r",\; ".join(
        rf"{letter} = 1" + (rf", \ldots, {size}" if size != "1" else "")
        for letter, size, _, _ in ranges
    )
    in_text = ", ".join(
        f"{letter} = 1" + (f"…{size}" if size != "1" else "") for _, _, letter, size in ranges
    )
    return Say("formula", {"formula": Formula(in_latex, in_text)})


def _forward_numbers(work: Work, pen: Pen, detail: str) -> list[Block]:
    graph = work.graph
    computed = list(graph.equations)
    neurons = (
        sum(entries(e.variable) for e in computed)
        if graph.is_concrete()
        else NEURONS_WRITTEN_OUT + 1
    )
    if pen.literals and (neurons <= NEURONS_WRITTEN_OUT or (detail == "full" and neurons <= 60)):
        rows = [
            row
            for e in computed
            for reference in elements(e.variable)
            for row in _neuron_rows(work, pen, e, reference, detail)
        ]
        return [Say("forward.numbers"), Display(tuple(rows))]
    return [
        Say("forward.arrays"),
        array_grid(pen, [e.variable for e in computed], work.numbers.forward),
    ]


def _neuron_rows(
    work: Work, pen: Pen, equation: Equation, reference: Reference, detail: str
) -> Iterator[Row]:
    """a_13 = formula, = formula with numbers, = number."""
    backward = work.backward
    at = dict(zip(equation.free, map(sympy.Integer, reference.indices), strict=True))
    lhs = backward.scalar(reference.variable, reference.indices)
    formula = backward.unroll(equation.shown, at)
    value = work.numbers.element(work.numbers.forward[reference.variable.name], reference)
    numbers = pen.with_numbers(formula)
    if detail == "full":
        yield pen.row(lhs, formula)
        lhs = None
    for row in numbers_and_value(pen, numbers, lhs, value):
        yield replace(row, reason=None)


def numbers_and_value(pen: Pen, numbers: Row | None, lhs: Expr | None, value: Any) -> list[Row]:
    """``= formula with numbers = value``, on one line where there is room."""
    if numbers is None:
        return [pen.value_row(lhs, value)]
    shown = pen.value_row(None, value)
    if numbers.relation == "≈" and value:  # e^(-1.386) is not 0.25, though what it stands for is
        shown = replace(shown, relation="≈")
    led = replace(numbers, lhs=None if lhs is None else pen.formula(lhs))
    if numbers.text == shown.text:
        return [replace(led, relation=shown.relation)]
    joined = numbers.lines[-1] + (r" \approx " if shown.relation == "≈" else " = ") + shown.lines[0]
    if len(numbers.lines) > 1 or width(joined) > LINE:
        return [led, shown]
    return [replace(led, lines=(joined,), text=f"{numbers.text} {shown.relation} {shown.text}")]


def told_apart(first: Any, second: Any) -> tuple[Formula, Formula]:
    """Two numbers with as many digits as it takes to see that they differ."""
    for digits in (4, 6, 8, 12):
        shown = [literal(value, digits) for value in (first, second)]
        if shown[0].text != shown[1].text:
            break
    return Formula(shown[0].latex, shown[0].text), Formula(shown[1].latex, shown[1].text)


def array_grid(pen: Pen, variables: Iterable[Variable], arrays: Mapping[str, Any]) -> Grid:
    """A table of quantities and their arrays."""
    rows = [(block_formula(v, pen), array_formula(arrays[v.name])) for v in variables]
    return Grid((Say("head.quantity"), Say("head.numbers")), tuple(rows))


def block_formula(variable: Variable, pen: Pen) -> Formula:
    """The name of a whole quantity: W_1, b_1, ŷ."""
    if not variable.shape:
        return pen.formula(variable.element)
    if variable.batched:  # a matrix with one row a sample, as in the matrix formulas: A_1
        array = SampleArray(base_name(variable.element), *variable.shape)
        letters = pen.latex.lettering
        return Formula(MatrixLatex(letters).write(array), MatrixText(letters).write(array))
    return pen.quantity(*whole_name(variable))


MOST_ENTRIES = 8


def array_formula(array: Any) -> Formula:
    """An array as a matrix, a vector as a column; long ones shortened in the middle."""
    rows = array.reshape(len(array), -1).tolist() if array.ndim else [[array.item()]]
    cells = [[literal(entry) for entry in _ends(row)] for row in _ends(rows)]
    gaps = len(rows[0]) > MOST_ENTRIES
    in_latex, in_text = [], []
    for row in cells:
        left, right = [c.latex for c in row], [c.text for c in row]
        if gaps:
            left.insert(MOST_ENTRIES // 2, r"\cdots")
            right.insert(MOST_ENTRIES // 2, "…")
        in_latex.append(" & ".join(left))
        in_text.append(", ".join(right))
    if len(rows) > MOST_ENTRIES:
        in_latex.insert(MOST_ENTRIES // 2, r"\vdots")
        in_text.insert(MOST_ENTRIES // 2, "⋮")
    body = r" \\ ".join(in_latex)
    text_ = "[" + "; ".join(in_text) + "]" if array.ndim else in_text[0]
    return Formula(rf"\begin{{bmatrix}} {body} \end{{bmatrix}}" if array.ndim else body, text_)


def _ends(entries: list[Any]) -> list[Any]:
    half = MOST_ENTRIES // 2
    return entries if len(entries) <= MOST_ENTRIES else [*entries[:half], *entries[-half:]]


def locals_intro(work: Work, pen: Pen) -> Say:
    """Between which neurons a local derivative is 0, and what 1[i=j] means where it stands."""
    facts: dict[str, Any] = {"scalar": isinstance(work.spec, EquationsSpec)}
    if isinstance(work.spec, NetworkSpec):
        coupled = [layer.activation.coupled for layer in work.spec.layers]
        i, j = index("i"), index("j")
        facts |= {
            "coupled": any(coupled),
            "elementwise": not all(coupled),
            "delta": pen.formula(sympy.KroneckerDelta(i, j)),
            "equal": Formula("i = j", "i = j"),
        }
    return Say("locals.intro", facts)


def local_rows(work: Work, pen: Pen, local: LocalDerivative) -> Iterator[Row]:
    """The derivative as it comes, in the form one wants, and as a number where it is one."""
    scalar = not local.child.shape and not local.parent.shape
    show = as_it_is
    if scalar or is_thin(work):
        at = dict.fromkeys((*local.child_indices, *local.parent_indices), sympy.S.One)
        show = lambda part: work.backward.unroll(part, at)  # noqa: E731
    lhs: Expr | None = show(local.name)
    steps = local_steps(local, work.graph.by_variable[local.child])
    for step in steps:
        shown = replace(step, rhs=show(step.rhs), since=tuple(map(show, step.since)))
        yield pen.row(lhs, shown.rhs, reason(shown, pen) if len(steps) > 1 else None)
        lhs = None
    if scalar and pen.literals and not local.form.is_number:
        numbers = pen.with_numbers(show(local.form))
        yield from numbers_and_value(pen, numbers, None, work.numbers.value_of(local.form))


def deduction_rows(work: Work, pen: Pen, deduction: Deduction) -> Iterator[Row]:
    """A deduction, one equality a row with its reason, and its number at the end."""
    lhs: Expr | None = deduction.lhs
    scalar = isinstance(work.spec, EquationsSpec)
    for step in deduction.steps:
        rhs = work.backward.unroll(step.rhs) if scalar else step.rhs
        yield pen.row(
            work.backward.unroll(lhs) if scalar and lhs is not None else lhs,
            rhs,
            reason(step, pen, lhs is not None),
        )
        lhs = None
    yield from number_rows(work, pen, deduction.lhs, deduction.result)


def number_rows(work: Work, pen: Pen, name: Expr, formula: Expr | None) -> Iterator[Row]:
    """The formula with its numbers, and the number; without a formula, the number alone."""
    if not pen.literals or not _is_named(name) or (formula is not None and formula.is_Integer):
        return
    reference = Reference(*work.backward.node_of(name.by))
    value = work.numbers.element(work.gradients[reference.variable.name], reference)
    numbers = None if formula is None else pen.with_numbers(formula)
    yield from numbers_and_value(pen, numbers, None, value)


def _is_named(name: Expr) -> bool:
    """Whether ∂L/∂v speaks of one neuron (a plain symbol), not of a general element."""
    return isinstance(name.by, Symbol) and not name.by.is_real


def reason(step: Step, pen: Pen, is_first: bool = False) -> Say:
    """The rule of a step in words, with the fact it assumes; ``is_first`` of its deduction."""
    fact = step.fact
    facts: dict[str, Any] = {"unrolled": not step.rhs.has(sympy.Sum), "is_first": is_first}
    if fact is not None:
        written_out = step.rule is Rule.COMPLEMENT
        facts["sum"] = (_two_terms if written_out else sum_formula)(fact, pen)
    if step.since:
        sides = [pen.formula(side) for side in step.since]
        facts["since"] = Formula(
            " = ".join(side.latex for side in sides), " = ".join(side.text for side in sides)
        )
    return Say(f"rule.{step.rule.name.lower()}", facts)


def matrix_row(pen: Pen, step: MatrixStep, *, shapes: bool = False) -> Row:
    """One line of the algorithm in matrices; with ``shapes``, each factor over its shape."""
    letters = pen.latex.lettering
    plain, text_ = MatrixLatex(letters), MatrixText(pen.text.lettering)
    right = MatrixLatex(letters, shapes=shapes).write(step.shown)
    lhs = Formula(plain.write(step.symbol), text_.write(step.symbol))
    relation = "←" if step.phase is Phase.UPDATE else "="
    return Row(lhs, relation, (right,), text_.write(step.shown))


def certified(form: MatrixForm) -> Say:
    """How the matrix forms were proved."""
    proof = form.certify()
    latex, text_ = Latex(NETWORK), Text(NETWORK)
    sizes = [
        Formula(f"{latex.write(size)} = {value}", f"{text_.write(size)} = {value}")
        for size, value in proof.sizes
        if not size.is_Integer
    ]
    smaller = [
        (value, int(size)) for size, value in proof.sizes if size.is_Integer and size != value
    ]
    told = {"entries": proof.entries, "sizes": sizes, "smaller": smaller}
    return Say("matrix.certified", told)


def stable_section(work: Work) -> Section | None:
    """What a program computes instead of plain forms, so that it keeps its digits."""
    if not isinstance(work.spec, NetworkSpec):
        return None
    rows = tuple(map(_identity_row, kernels.identities(work.spec)))
    if not rows:
        return Section(Say("section.stable"), (Say("stable.plain"),))
    return Section(Say("section.stable"), (Say("stable.intro"), Display(rows)))


def _identity_row(identity: kernels.Identity) -> Row:
    left, _, right = identity.latex.partition(" &= ")
    plain_left, _, plain_right = identity.text.strip().removeprefix("with ").partition(" = ")
    return Row(Formula(left, plain_left), "=", (right,), plain_right)


def sum_formula(fact: KnownSum, pen: Pen) -> Formula:
    """Σ_i v_i = total, for a line of text."""
    letter = fact.variable.indices[-1]
    one = pen.formula(fact.variable.element)
    index_ = pen.latex.write(letter)
    return Formula(
        rf"\textstyle\sum_{{{index_}}} {one.latex} = {fact.total}",
        f"Σ_{index_} {one.text} = {fact.total}",
    )


def _two_terms(fact: KnownSum, pen: Pen) -> Formula:
    """ŷ_1 + ŷ_2 = 1, where the two are all there are."""
    variable = fact.variable
    samples = variable.indices[: variable.batched]
    first, second = (pen.formula(variable.at(*samples, number)) for number in (1, 2))
    return Formula(
        f"{first.latex} + {second.latex} = {fact.total}",
        f"{first.text} + {second.text} = {fact.total}",
    )


def footnotes(
    work: Work, pen: Pen, facts: Iterable[KnownSum], *, with_digits: bool = True
) -> Iterator[Say]:
    """What was assumed, the conventions at kinks, and how numbers are shown."""
    for fact in facts:
        yield Say(
            "note.fact",
            {"sum": sum_formula(fact, pen), "because": Words(fact.because)},
        )
    for convention in work.graph.conventions:
        yield Say("note.convention", {"convention": Words(convention)})
    if work.has_numbers and with_digits:
        yield Say("note.numbers", {"digits": 4})
