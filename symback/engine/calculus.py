"""Local derivatives of one equation, with their Kronecker deltas contracted.

Here one can

* differentiate one equation by one of the quantities it reads: `local_derivative`.  The result
  says which indices must be equal for the derivative not to vanish (its *pins*: ∂h_i/∂a_q needs
  i = q for a sigmoid, and has no pins for a softmax), the raw derivative, and the same in the
  form that the catalogue declares, which is proved here and refused if it is not the derivative;
* put other indices, or numbers, for the indices of an expression without capturing bound ones:
  `instantiate` (SymPy's ``subs`` turns Σ_j w_ij h_j into Σ_j w_jj h_j when asked for i → j);
* decide exactly whether a small expression is zero: `is_zero`.

This is the only room that calls SymPy's ``diff``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sympy
from sympy import Add, Expr, Indexed, KroneckerDelta, Mul, Piecewise, Pow, Sum, Symbol
from sympy.core.relational import Relational

from symback.engine.graph import Equation, base_name
from symback.engine.slopes import hand_written
from symback.language.algebra import Partial, Sigma, collapse
from symback.language.errors import SymbackError
from symback.language.names import Role, Variable, fresh_index, index

_BOUND = "_bound"
"""Ends the letters of the sums that are being differentiated."""


class WrongSlope(SymbackError):
    """A declared derivative that is not the derivative."""


@dataclass(frozen=True, slots=True)
class LocalDerivative:
    """∂child[child_indices]/∂parent[parent_indices].

    It vanishes unless the two indices of every pair in ``pins`` are equal; where they are, it is
    ``raw``, as differentiated, and ``form``, as one wants to read it (the two are equal).
    ``held`` are the other quantities that the child reads and that follow the parent: this is the
    derivative by the parent itself, so its name says that they are held, each as a whole.
    """

    child: Variable
    parent: Variable
    child_indices: tuple[Symbol, ...]
    parent_indices: tuple[Symbol, ...]
    pins: tuple[tuple[Symbol, Symbol], ...]
    raw: Expr
    form: Expr
    held: tuple[Variable, ...] = ()

    @property
    def is_rewritten(self) -> bool:
        """Whether ``form`` says something ``raw`` does not."""
        return collapse(self.form) != collapse(self.raw)

    @property
    def name(self) -> Partial:
        """∂child/∂parent with the pinned indices already equal."""
        equal = dict(self.pins)
        child = [equal.get(letter, letter) for letter in self.child_indices]
        return self.name_at(child, self.parent_indices)

    def name_at(self, child: Iterable[Expr], parent: Iterable[Expr]) -> Partial:
        """∂child/∂parent of two elements."""
        held = (variable.whole for variable in self.held)
        return Partial(self.child.at(*child), self.parent.at(*parent), *held)

    def free_child_indices(self) -> tuple[Symbol, ...]:
        """The indices of the child that the parent does not pin: the chain rule sums over them."""
        pinned = {child for child, _ in self.pins}
        return tuple(letter for letter in self.child_indices if letter not in pinned)

    def at(self, child: Iterable[Expr], parent: Iterable[Expr]) -> Expr:
        """The derivative between two elements; 0 where the pins say so."""
        own = dict(zip(self.child_indices, child, strict=True))
        other = dict(zip(self.parent_indices, parent, strict=True))
        if any((own[i] - other[q]).is_nonzero for i, q in self.pins):
            return sympy.S.Zero
        return instantiate(self.form, {**own, **other})


# ------------------------------------------------------------------------------- differentiation


@dataclass(frozen=True, slots=True)
class _Term:
    """coefficient · Π δ(i, q), summed over ``sums``: one contribution to a derivative."""

    coefficient: Expr
    deltas: tuple[tuple[Expr, Symbol], ...]
    sums: tuple[tuple[Symbol, Expr], ...] = ()


def local_derivative(equation: Equation, parent: Variable) -> LocalDerivative:
    """∂lhs/∂parent of one equation, for a general element of ``parent``.

    Raises `WrongSlope` where the catalogue declares a form that is not the derivative.
    """
    apart = {letter: Symbol(f"{letter.name}_child", integer=True) for letter in equation.free}
    lhs, rhs = instantiate(equation.lhs, apart), instantiate(equation.rhs, apart)
    terms = [_contract(term) for term in _differentiate(rhs, parent, parent.indices)]
    pinned: dict[Symbol, Symbol] = {}  # the equalities of indices without which every term is 0
    for i, q in terms[0].deltas if terms else ():
        if (
            isinstance(i, Symbol)
            and i in apart.values()
            and all((i, q) in term.deltas for term in terms)
        ):
            pinned.setdefault(i, q)  # of u[i, i] the second stays a delta
    pins = tuple(pinned.items())
    names, used = {**pinned}, {*parent.indices}
    for letter, temporary in apart.items():  # printable letters for what the parent does not pin
        if temporary not in pinned:
            names[temporary] = letter if letter not in used else fresh_index(used)
            used.add(names[temporary])
    raw = instantiate(Add(*(_assemble(term, pins) for term in terms)), names)
    letters = (apart[letter] for letter in equation.free)
    return LocalDerivative(
        child=equation.variable,
        parent=parent,
        child_indices=tuple(i if i in pinned else names[i] for i in letters),
        parent_indices=parent.indices,
        pins=pins,
        raw=raw,
        form=_form(equation, parent, raw, _Meaning(lhs, rhs, names), apart),
    )


def _differentiate(expr: Expr, parent: Variable, at: tuple[Symbol, ...]) -> list[_Term]:
    """The derivative of ``expr`` by ``parent[at]`` as terms with deltas, one an occurrence."""
    base = base_name(parent.element)
    occurrences = _occurrences(expr, base)
    stand_ins = {part: Symbol(f"_u{number}", real=True) for number, part in enumerate(occurrences)}
    back = {symbol: part for part, symbol in stand_ins.items()}
    outer = expr.xreplace(stand_ins)
    slopes = ((part, sympy.diff(outer, u).xreplace(back)) for part, u in stand_ins.items())
    return [
        _Term(slope * inner.coefficient, inner.deltas, inner.sums)
        for part, slope in slopes
        for inner in _inner(part, parent, at)
    ]


def _inner(part: Expr, parent: Variable, at: tuple[Symbol, ...]) -> list[_Term]:
    """The derivative of one occurrence: 1 for the element itself, term by term for a sum."""
    if not isinstance(part, Sum):
        indices = part.indices if isinstance(part, Indexed) else ()
        return [_Term(sympy.S.One, tuple(zip(indices, at, strict=True)))]
    (bound, _, upper), body = part.limits[0], part.function
    renamed = Symbol(bound.name + _BOUND, integer=True)
    body = instantiate(body, {bound: renamed})
    return [
        _Term(term.coefficient, term.deltas, (*term.sums, (renamed, upper)))
        for term in _differentiate(body, parent, at)
    ]


def _occurrences(expr: Expr, base: str) -> list[Expr]:
    """The outermost sums and elements in which the quantity called ``base`` occurs, in order."""
    found: dict[Expr, None] = {}

    def visit(node: Expr) -> None:
        if isinstance(node, Sum):
            if any(base_name(atom) == base for atom in node.function.atoms(Indexed, Symbol)):
                found[node] = None
        elif isinstance(node, (Indexed, Symbol)):
            if base_name(node) == base:
                found[node] = None
        else:
            for argument in node.args:
                visit(argument)

    visit(expr)
    return list(found)


def _contract(term: _Term) -> _Term:
    """Σ_m f(m) δ(m, q) = f(q), for every delta that names an index that is summed over."""
    for position, (left, right) in enumerate(term.deltas):
        bound = next((pair for pair in term.sums if pair[0] == left), None)
        if bound is not None:
            deltas = term.deltas[:position] + term.deltas[position + 1 :]
            sums = tuple(pair for pair in term.sums if pair != bound)
            moved = tuple((instantiate(i, {left: right}), q) for i, q in deltas)
            return _contract(_Term(instantiate(term.coefficient, {left: right}), moved, sums))
    return term


def _assemble(term: _Term, pins: tuple[tuple[Symbol, Symbol], ...]) -> Expr:
    """A term as an expression, without the deltas that are pins."""
    deltas = (KroneckerDelta(i, q) for i, q in term.deltas if (i, q) not in pins)
    body = Mul(term.coefficient, *deltas)
    for bound, upper in term.sums:  # by its own letter again, where that is not in use
        own = index(bound.name.removesuffix(_BOUND))
        letter = fresh_index(body.free_symbols) if own in body.free_symbols else own
        body = Sigma(instantiate(body, {bound: letter}), (letter, 1, upper))
    return body


# ------------------------------------------------------------------------------ forms worth reading


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What the child stands for while its derivative is being rewritten."""

    lhs: Expr
    rhs: Expr
    names: Mapping[Symbol, Symbol]

    def spelled_out(self, expr: Expr) -> Expr:
        """``expr`` with every element of the child replaced by the child's formula."""
        known = {}
        for element in expr.atoms(type(self.lhs)):
            if base_name(element) == base_name(self.lhs):
                indices = (getattr(each, "indices", ()) for each in (self.lhs, element))
                known[element] = instantiate(self.rhs, dict(zip(*indices, strict=True)))
        return collapse(expr).xreplace(known)


def _form(
    equation: Equation,
    parent: Variable,
    raw: Expr,
    meaning: _Meaning,
    apart: Mapping[Symbol, Symbol],
) -> Expr:
    """The declared form; else one in terms of the child's own value; both proved; else raw."""
    declared = next((entry for entry in equation.declared if entry.parent == parent), None)
    if declared is not None:
        to_parent = dict(zip(declared.indices, parent.indices, strict=True))
        form = instantiate(instantiate(declared.form, {**apart, **to_parent}), meaning.names)
        if not is_zero(meaning.spelled_out(form) - meaning.spelled_out(raw)):
            raise WrongSlope(
                f"the derivative declared for {equation.variable.name} by {parent.name}, {form}, "
                f"is not the derivative of its formula, {raw}"
            )
        return form
    if equation.variable.role is Role.STAGE and equation.typed is not None:
        form = hand_written(equation.typed, parent.element, equation.lhs, _slope_in_value)
        if form is not None and is_zero(meaning.spelled_out(form) - raw):
            return form
    if not raw.atoms(sympy.Function) or raw.has(KroneckerDelta) or meaning.rhs.has(Sum):
        return raw
    value, function = (instantiate(side, meaning.names) for side in (meaning.lhs, meaning.rhs))
    form = slope_by_value(function, raw, value)
    return raw if form is None else form


def _slope_in_value(function: Expr, by: Expr, value: Expr) -> Expr | None:
    return slope_by_value(function, sympy.diff(function, by), value)


def slope_by_value(function: Expr, slope: Expr, value: Expr) -> Expr | None:
    """``slope`` as a polynomial of degree ≤ 2 in ``value`` (= ``function``), where one is provable.

    >>> x, y = sympy.symbols("x y", real=True)
    >>> f = 1 / (1 + sympy.exp(-x))
    >>> slope_by_value(f, sympy.diff(f, x), y)
    y*(1 - y)
    """
    unknowns = sympy.symbols("_c0:3")
    ansatz = sum(c * function**power for power, c in enumerate(unknowns))
    numerator = _numerator(slope - ansatz)
    generators = sorted(numerator.free_symbols - set(unknowns), key=sympy.default_sort_key)
    equations = sympy.Poly(numerator, *generators).coeffs() if generators else [numerator]
    solutions = sympy.solve(equations, unknowns, dict=True)
    if not solutions:
        return None
    c0, c1, c2 = found = [solutions[0].get(c, sympy.S.Zero) for c in unknowns]
    if any(not c.is_Rational for c in found):
        return None
    if c0 == 0 and c1 and c2:  # v (1 - v) stays a product
        return Mul(c1, value, 1 + c2 / c1 * value)
    return c0 + c1 * value + c2 * value**2


# ---------------------------------------------------------------------------------- exact zero


def is_zero(expr: Expr) -> bool:
    """Whether a small expression is identically 0: every case of it, as a rational function.

    Exponentials are made independent variables (e^{2z} the square of e^z), and so are roots and
    other functions; so True is a proof, and False means "not proved".  The slope of a row of the
    catalogue is proved once a process, whatever the layers are called that use it.

    >>> z = sympy.Symbol("z", real=True)
    >>> is_zero(sympy.exp(2 * z) - sympy.exp(z) ** 2), is_zero(sympy.exp(z) - z)
    (True, False)
    """
    expr = collapse(expr)
    elements = sorted(expr.atoms(Indexed), key=sympy.default_sort_key)
    names = {element: Symbol(f"_z{k}", real=True) for k, element in enumerate(elements)}
    return _vanishes(expr.xreplace(names))


@lru_cache(maxsize=1024)
def _vanishes(expr: Expr) -> bool:
    """Whether an expression is 0 whichever of the comparisons in its conditions hold."""

    def odd(u: Expr) -> Expr:
        return -sympy.sign(-u) if u.could_extract_minus_sign() else sympy.sign(u)

    expr = expr.replace(sympy.sign, odd)
    comparisons = sorted(expr.atoms(Relational), key=sympy.default_sort_key)
    return all(
        _numerator(_decide(expr, dict(zip(comparisons, truth, strict=True)))) == 0
        for truth in itertools.product((sympy.true, sympy.false), repeat=len(comparisons))
    )


def _decide(expr: Expr, truth: Mapping[Expr, Expr]) -> Expr:
    if isinstance(expr, Piecewise):
        return next(
            _decide(value, truth)
            for value, condition in expr.args
            if condition.xreplace(truth) == sympy.true
        )
    if not expr.has(Piecewise):
        return expr
    return expr.func(*(_decide(argument, truth) for argument in expr.args))


def _numerator(expr: Expr) -> Expr:
    """The expanded numerator over variables of which none is a function of the others."""
    rational = _with_independent_exponentials(expr)
    others = rational.atoms(sympy.Function, Sum, Indexed)
    names = {
        part: Symbol(f"_f{number}")
        for number, part in enumerate(sorted(others, key=sympy.default_sort_key))
    }
    plain, roots = _with_named_roots(rational.xreplace(names))
    numerator = sympy.expand(sympy.fraction(sympy.together(plain))[0])
    for root, (degree, base) in reversed(roots.items()):
        numerator = _reduced(numerator, root, degree, base)
    return numerator


def _with_named_roots(expr: Expr) -> tuple[Expr, dict[Symbol, tuple[int, Expr]]]:
    """b^{p/q} as the p-th power of a variable r with r^q = b; innermost roots come first."""
    roots: dict[Symbol, tuple[int, Expr]] = {}
    while True:
        powers = [power for power in expr.atoms(Pow) if not power.exp.is_Integer]
        innermost = [p for p in powers if not any(o in p.base.atoms(Pow) for o in powers)]
        if not innermost:
            return expr, roots
        base = min((power.base for power in innermost), key=sympy.default_sort_key)
        alike = [power for power in innermost if power.base == base]
        degree = int(sympy.ilcm(*(power.exp.q for power in alike), 1))
        root = Symbol(f"_r{len(roots)}")
        roots[root] = degree, base
        expr = expr.xreplace({power: root ** (power.exp * degree) for power in alike})


def _reduced(numerator: Expr, root: Symbol, degree: int, base: Expr) -> Expr:
    """The numerator with every root^degree replaced by what it is the root of."""
    if root not in numerator.free_symbols:
        return numerator
    terms = (
        coefficient * base ** (power // degree) * root ** (power % degree)
        for (power,), coefficient in sympy.Poly(numerator, root).terms()
    )
    return sympy.expand(sympy.fraction(sympy.together(Add(*terms)))[0])


def _with_independent_exponentials(expr: Expr) -> Expr:
    """e^{c t} as the c-th power of one variable a base t, split over the terms of its exponent."""

    def exponent(power: Expr) -> Expr:  # t where the power is e^t; b^t is e^{t log b}
        base, exponent = power.as_base_exp()
        return exponent if base is sympy.E else exponent * sympy.log(base)

    symbolic = {power for power in expr.atoms(Pow) if not power.exp.is_Rational}
    parts = {
        atom: [term.as_coeff_Mul() for term in Add.make_args(sympy.expand(exponent(atom)))]
        for atom in expr.atoms(sympy.exp, type(sympy.E)) | symbolic
    }
    denominators: dict[Expr, int] = {}
    for coefficient, base in itertools.chain.from_iterable(parts.values()):
        denominators[base] = sympy.ilcm(denominators.get(base, 1), sympy.Rational(coefficient).q)
    names = {
        base: Symbol(f"_e{number}", positive=True)
        for number, base in enumerate(sorted(denominators, key=sympy.default_sort_key))
    }
    powers = {
        atom: Mul(
            *(Pow(names[base], coefficient * denominators[base]) for coefficient, base in terms)
        )
        for atom, terms in parts.items()
    }
    return expr.xreplace(powers)


# --------------------------------------------------------------------------------- instantiation


def instantiate(expr: Expr, values: Mapping[Any, Expr]) -> Expr:
    """``expr`` with the free indices in ``values`` replaced; bound indices are never captured.

    >>> i, j, n = sympy.symbols("i j n", integer=True)
    >>> w, h = sympy.IndexedBase("w"), sympy.IndexedBase("h")
    >>> instantiate(Sum(w[i, j] * h[j], (j, 1, n)), {i: j})
    Sum(h[m]*w[j, m], (m, 1, n))
    """
    wanted = {old: new for old, new in values.items() if old != new}
    return _instantiate(expr, wanted) if wanted else expr


def _instantiate(expr: Expr, values: Mapping[Any, Expr]) -> Expr:
    if expr in values:
        return values[expr]
    if isinstance(expr, Sum):
        if not expr.free_symbols & values.keys():
            return expr
        bound, lower, upper = expr.limits[0]
        inside = {old: new for old, new in values.items() if old != bound}
        arriving = set().union(*(new.free_symbols for new in inside.values()))
        letter = bound
        if bound in arriving:
            letter = fresh_index({*arriving, *expr.function.free_symbols, *inside})
            inside[bound] = letter
        body = _instantiate(expr.function, inside)
        return Sigma(body, (letter, lower, _instantiate(upper, values)))
    arguments = [_instantiate(argument, values) for argument in expr.args]
    if all(new is old for new, old in zip(arguments, expr.args, strict=True)):
        return expr
    return _element(*arguments) if isinstance(expr, Indexed) else expr.func(*arguments)


@lru_cache(maxsize=4096)
def _element(base: Expr, *indices: Expr) -> Indexed:
    """An element; whenever SymPy makes an ``Indexed``, it works out all it assumes of it anew."""
    return Indexed(base, *indices)
