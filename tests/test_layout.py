"""Long formulas are broken where one may break them, and say the same as before."""

from __future__ import annotations

import re

import pytest
from sympy import S, Symbol, exp, symbols

from pages import CASES, network
from symback.language.algebra import Product, Sigma, Terms
from symback.language.typesetting import width
from symback.language.writing import Latex
from symback.sheets.page import LINE, lines
from typesetting import compile_tex, katex_errors, needs_tex

a, b, c, y, z = symbols("a b c y z")
i = Symbol("i", integer=True)
LONG = Terms(*(Product(Symbol(f"w_{k}"), Symbol(f"h_{k}")) for k in range(1, 60)))


def bare(latex: str) -> str:
    """A formula without spaces, dots and the shapes of its brackets."""
    for mark in (r"\left", r"\right", r"\Bigl", r"\Bigr", r"\quad", r"\,", r"\cdot", "{}", " "):
        latex = latex.replace(mark, "")
    return latex.replace("[", "(").replace("]", ")")


def expressions():
    """Every right-hand side of the derivations that the tests read."""
    for name, wrt in CASES:
        derivation = network(name).derive(wrt)
        for deduction in derivation.deductions:
            yield from (step.rhs for step in deduction.steps)
        yield derivation.folded


@pytest.mark.parametrize("room", [60.0, 150.0, LINE])
def test_broken_lines_say_the_same(room):
    """Whatever the room, the lines after one another are the whole formula, brackets and all."""
    printer, broken = Latex(), 0
    for expr in expressions():
        found = lines(expr, printer, room)
        broken += len(found) > 1
        assert bare("".join(found)) == bare(printer.write(expr))
    assert broken > 20


def test_a_lost_bracket_is_found():
    """The comparison tells (a + b) c from a + b c."""
    assert bare(r"\left(a + b\right)\,c") == bare(r"\Bigl[a + b\Bigr]{}\cdot c")
    assert bare("(a + b) c") != bare("a + b c")


@pytest.mark.parametrize(
    "expr",
    [
        LONG,
        Product(a, LONG),
        Product(LONG, a),
        Product(S(-2), LONG, b),
        Product(S(-1), LONG),
        Product(LONG, Terms(a, -b), LONG),
        Terms(a, Product(S(-1), LONG)),
        Sigma(LONG, (i, 1, 3)),
        Product(a, Sigma(LONG, (i, 1, 3)), b),
        Product(*(Terms(S(1), Product(S(-1), Symbol(f"h_{k}"))) for k in range(60))),
        Product(S(-1), *(exp(-Symbol(f"a_{k}")) for k in range(60))),
    ],
    ids=range(11),
)
def test_every_shape_fits(expr):
    """Sums, products, brackets in products and sums under Σ come out in lines that fit."""
    printer = Latex()
    found = lines(expr, printer)
    assert len(found) > 1
    assert max(map(width, found)) <= LINE + 1
    assert bare("".join(found)) == bare(printer.write(expr))
    assert katex_errors([line.replace(r"\Bigl", "").replace(r"\Bigr", "") for line in found]) == []


def test_brackets_balance_over_lines():
    """As many brackets close as open, and none closes before it opens."""
    for expr in expressions():
        depth = 0
        for mark in re.findall(r"\\Bigl|\\Bigr", "".join(lines(expr, Latex(), 120.0))):
            depth += 1 if mark == r"\Bigl" else -1
            assert depth >= 0
        assert depth == 0


def test_what_fits_stays_on_one_line():
    """No line is broken without need."""
    assert lines(a + b, Latex()) == ["a + b"]
    assert len(lines(LONG, Latex())) < len(lines(LONG, Latex(), LINE / 2))


def test_latex_of_a_users_own_has_a_width():
    """A function may be written in any LaTeX, which must not stop a sheet."""
    assert 0 < width(r"\mathbb{S}") < width(r"\mathbb{S}(a_{1} + a_{2})") < LINE


def test_numbers_stay_whole():
    """A name with a number is that number, however its own formula would be broken."""
    printer = Latex(numbers={LONG: "0.25"})
    assert lines(LONG, printer, 1.0) == ["0.25"]


@needs_tex
def test_the_estimate_is_close(tmp_path):
    """The estimated width is never far under TeX's own, for formulas of every kind."""
    formulas = sorted({Latex().write(expr) for expr in expressions()}, key=lambda f: (len(f), f))
    formulas = [f for f in formulas if width(f) > 60][::5][:150]
    body = "\n".join(
        rf"\setbox0=\hbox{{$\displaystyle {formula}$}}\typeout{{WIDTH \the\wd0}}"
        for formula in formulas
    )
    log = compile_tex(
        "\\documentclass[11pt]{article}\\usepackage[T1]{fontenc}\n"
        "\\usepackage{lmodern,amsmath,amssymb,mathrsfs}\n"
        f"\\begin{{document}}\n{body}\nx\\end{{document}}",
        tmp_path,
    )
    real = [float(found) for found in re.findall(r"^WIDTH ([\d.]+)pt", log, re.MULTILINE)]
    assert len(real) == len(formulas) > 30
    ratios = [measured / width(formula) for measured, formula in zip(real, formulas, strict=True)]
    assert max(ratios) < 1.1, formulas[ratios.index(max(ratios))]
    assert min(ratios) > 0.6
