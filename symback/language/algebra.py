"""SymPy's side of a formula: expressions that keep their order, and the catalogue's formulas.

Here one can

* write what SymPy has no faithful node for: a named derivative `Partial`, a product or a sum that
  keeps its order, `Product` and `Terms`, and a `Sigma` that stays as built; `collapse` turns them
  into SymPy's own;
* multiply, negate and add without multiplying out: `product`, `negative`, `total`;
* read a row's formula: `value_of` as SymPy has it, `written` in the order it was typed,
  `activation` and `activation_slope` for one neuron of a layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import sympy
from sympy import Expr, KroneckerDelta, Piecewise, Symbol

from symback.language import formula
from symback.language.functions import ACTIVATIONS, Activation, SoftMax

__all__ = [
    "Partial",
    "Product",
    "Sigma",
    "Terms",
    "activation",
    "activation_slope",
    "called",
    "collapse",
    "field_functions",
    "negative",
    "product",
    "total",
    "value_of",
    "written",
]

# ------------------------------------------------------------------- nodes SymPy does not have


class Partial(Expr):
    """∂of/∂by as a name: it is never carried out, only replaced by what was derived for it.

    SymPy's own ``Derivative(L, w)`` becomes 0 by ``doit``, since L does not "contain" w.

    Everything computed from ``by`` follows it, save the quantities ``held``: where L = s² + w and
    s = w x, ∂L/∂w is 2 s x + 1, and with s held it is 1.
    """

    is_commutative = True

    def __new__(cls, of: Expr, by: Expr, *held: Expr) -> Partial:
        """∂of/∂by; all are elements."""
        return Expr.__new__(cls, of, by, *held)

    @property
    def of(self) -> Expr:
        """What is differentiated."""
        return self.args[0]

    @property
    def by(self) -> Expr:
        """By what."""
        return self.args[1]

    @property
    def held(self) -> tuple[Expr, ...]:
        """What does not follow."""
        return self.args[2:]


class Product(Expr):
    """Factors in the order a person writes them; SymPy's ``Mul`` would sort them."""

    is_commutative = True

    def __new__(cls, *factors: Expr) -> Expr:
        """The product; without ones, 0 where a factor is 0, and a single factor is itself."""
        kept = tuple(factor for factor in factors if factor is not sympy.S.One)
        if any(factor is sympy.S.Zero for factor in kept):
            return sympy.S.Zero
        if len(kept) < 2:
            return kept[0] if kept else sympy.S.One
        return Expr.__new__(cls, *kept)


class Terms(Expr):
    """Terms in the order a person writes them; SymPy's ``Add`` would sort and collect them."""

    is_commutative = True

    def __new__(cls, *terms: Expr) -> Expr:
        """The sum; sums within it and zeros dissolve, and a single term is itself."""
        flat = tuple(
            part for term in terms for part in (term.args if isinstance(term, cls) else (term,))
        )
        kept = tuple(term for term in flat if term is not sympy.S.Zero)
        if len(kept) < 2:
            return kept[0] if kept else sympy.S.Zero
        return Expr.__new__(cls, *kept)


class Sigma(sympy.Sum):
    """Σ_{index=1}^{upper} body, exactly as built.

    SymPy's ``Sum`` joins nested sums and pulls every ``Piecewise`` out in front of itself, which
    turns Σ_i 1[a_i > 0] w_i into one case for each subset of the neurons.
    """

    def __new__(cls, body: Expr, *limits: tuple[Symbol, Expr, Expr]) -> Sigma:
        """Σ with one triple (index, 1, upper limit)."""
        made = Expr.__new__(cls, body, *(sympy.Tuple(*limit) for limit in limits))
        made.is_commutative = True
        return made


def collapse(expr: Expr) -> Expr:
    """The same value in SymPy's own nodes: every `Product` a ``Mul``, every `Terms` an ``Add``."""
    if not expr.args or not expr.has(Product, Terms):
        return expr
    arguments = [collapse(argument) for argument in expr.args]
    if isinstance(expr, Product):
        return _undistributed(sympy.Mul(*(a for a in arguments if not a.is_Number)), arguments)
    if isinstance(expr, Terms):
        return sympy.Add(*arguments)
    return expr.func(*arguments)


def _undistributed(rest: Expr, factors: Sequence[Expr]) -> Expr:
    """The number among ``factors`` times ``rest``; SymPy would turn -2 (y - ŷ) into -2 y + 2 ŷ."""
    number = sympy.Mul(*(factor for factor in factors if factor.is_Number))
    if number is sympy.S.One:
        return rest
    if isinstance(rest, sympy.Add) and number is not sympy.S.Zero:
        return sympy.Mul(number, rest, evaluate=False)
    return number * rest


# --------------------------------------------------------------------------- the catalogue's rows


def activation(row: Activation | SoftMax, z: Callable[[Expr], Expr], i: Expr, size: Expr) -> Expr:
    """g(z_i), or e^{z_i} / Σ_m e^{z_m} over a layer of ``size`` neurons; ``z`` makes elements."""
    if isinstance(row, Activation):
        return value_of(row.formula, {"z": z(i)})
    m = Symbol("m", integer=True)
    return sympy.exp(z(i)) / Sigma(sympy.exp(z(m)), (m, 1, size))


def activation_slope(
    row: Activation | SoftMax,
    z: Callable[[Expr], Expr],
    h: Callable[[Expr], Expr],
    i: Expr,
    q: Expr,
) -> Expr | None:
    """∂h_i/∂z_q as the row declares it, or None; of softmax h_i (δ_iq - h_q)."""
    if isinstance(row, SoftMax):
        return Product(h(i), KroneckerDelta(i, q) - h(q))
    if not row.slope:
        return None
    return Product(KroneckerDelta(i, q), written(row.slope, {"z": z(i), "h": h(i)}))


def field_functions() -> dict[str, Callable[..., Expr]]:
    """The elementwise activations as functions that a formula may call, by name."""
    return {
        name: _callable(row.formula)
        for name, row in ACTIVATIONS.items()
        if isinstance(row, Activation)
    }


def _callable(text: str) -> Callable[..., Expr]:
    return lambda z: formula.to_sympy(formula.read(text, names=("z",)), {"z": z})


def called(name: str, *arguments: Expr) -> Expr:
    """The function ``name`` applied by name only, e.g. sigmoid(a_1[i]): never evaluated."""
    return sympy.Function(name)(*arguments)


def value_of(text: str, symbols: Mapping[str, Expr]) -> Expr:
    """The formula ``text`` as a SymPy expression in ``symbols``."""
    node = formula.read(text, names=tuple(symbols), functions=tuple(ACTIVATIONS))
    return formula.to_sympy(node, symbols, field_functions())


# --------------------------------------------------------------- a formula in the order it is typed


def written(text: str, symbols: Mapping[str, Expr]) -> Expr:
    """The formula ``text`` with its factors and terms in the order they were typed.

    >>> y, yhat = sympy.symbols("y yhat")
    >>> written("-2*(y-yhat)", {"y": y, "yhat": yhat})
    Product(-2, y - yhat)
    """
    node = formula.read(text, names=tuple(symbols), functions=tuple(ACTIVATIONS))
    return _written(node, symbols)


def _written(node: formula.Node, symbols: Mapping[str, Expr]) -> Expr:
    """Products and sums keep their order; everything below them is SymPy's."""
    if not isinstance(node, formula.Apply):
        return formula.to_sympy(node, symbols, field_functions())
    arguments = node.arguments
    if node.head == "*":
        return product(_written(argument, symbols) for argument in arguments)
    if node.head == "/":
        return product(
            [
                _written(arguments[0], symbols),
                1 / formula.to_sympy(arguments[1], symbols, field_functions()),
            ]
        )
    if node.head == "neg":
        return negative(_written(arguments[0], symbols))
    if node.head in ("+", "-"):
        terms = [_written(argument, symbols) for argument in arguments]
        return total(
            [terms[0], *(negative(term) if node.head == "-" else term for term in terms[1:])]
        )
    if node.head == "sign":  # a slope is not differentiated again, so it may stay a name
        return sympy.sign(formula.to_sympy(arguments[0], symbols, field_functions()))
    if node.head == "where":
        condition = formula.to_sympy(node, symbols, field_functions()).args[0][1]
        return Piecewise(
            (_written(arguments[1], symbols), condition),
            (_written(arguments[2], symbols), True),
            evaluate=False,
        )
    return formula.to_sympy(node, symbols, field_functions())


def product(factors: Iterable[Expr]) -> Expr:
    """Factors in order; atoms multiply as SymPy does, so that 1/2 and -y stay single factors."""
    kept = list(factors)
    if all(_is_single(factor) for factor in kept):
        return sympy.Mul(*kept)
    return Product(*kept)


def negative(expr: Expr) -> Expr:
    """-expr without multiplying a sum out, as SymPy would: -(y - yhat) stays."""
    if isinstance(expr, Product):
        first, *rest = expr.args
        if _is_single(first):
            return Product(-first, *rest)
    if isinstance(expr, (sympy.Add, Terms, Product)):
        return Product(sympy.S.NegativeOne, expr)
    if isinstance(expr, Piecewise):
        return Product(sympy.S.NegativeOne, expr)
    return -expr


def total(terms: Iterable[Expr]) -> Expr:
    """Terms in order; without products among them, SymPy's own sum."""
    kept = list(terms)
    return Terms(*kept) if any(term.has(Product, Terms) for term in kept) else sympy.Add(*kept)


def _is_single(factor: Expr) -> bool:
    return not isinstance(factor, (sympy.Add, Terms, Product, Piecewise))
