"""Formulas as a student writes them, for tests: closed forms, built without symback's derivation.

`F` wraps a node so that formulas read like formulas; `Sheet` writes ∂L/∂w_kij of a network in
closed form, in small methods, and a mistake is a subclass that gets one of them wrong.
"""

from __future__ import annotations

from fractions import Fraction

from symback.language.expressions import (
    Call,
    Cases,
    Comparison,
    Element,
    Index,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Total,
)


class F:
    """A node with the operators of arithmetic."""

    def __init__(self, node):
        self.node = node if isinstance(node, Node) else Number(Fraction(node))

    def __add__(self, other):
        return F(Total((self.node, F.of(other).node)))

    def __sub__(self, other):
        return self + (-F.of(other))

    def __neg__(self):
        return F(Product((Number(Fraction(-1)), self.node)))

    def __mul__(self, other):
        return F(Product((self.node, F.of(other).node)))

    def __truediv__(self, other):
        return F(Quotient(self.node, F.of(other).node))

    def __pow__(self, other):
        return F(Power(self.node, F.of(other).node))

    def __rsub__(self, other):
        return F(other) - self

    def __radd__(self, other):
        return F(other) + self

    def __rmul__(self, other):
        return F(other) * self

    def __rtruediv__(self, other):
        return F(other) / self

    @staticmethod
    def of(value):
        return value if isinstance(value, F) else F(value)


def q(letter, *numbers):
    """One quantity: ``q("w", 2, 1, 2)``."""
    return F(Element(letter, tuple(Index("", number) for number in numbers)))


def call(name, argument, primes=0):
    """A function of a formula."""
    return F(Call(name, (argument.node,), primes))


def positive(condition):
    """1 where ``condition`` is positive, else 0."""
    is_so = Comparison(condition.node, ">", Number(Fraction(0)))
    return F(Cases(((Number(Fraction(1)), is_so), (Number(Fraction(0)), None))))


def add(terms):
    """Σ."""
    made, *rest = terms
    for term in rest:
        made = made + term
    return made


def multiply(factors):
    """Π."""
    made, *rest = factors
    for factor in rest:
        made = made * factor
    return made


SLOPES = {
    "sigmoid": lambda _a, h: h * (1 - h),
    "tanh": lambda _a, h: 1 - h**2,
    "relu": lambda a, _h: positive(a),
    "linear": lambda _a, _h: F(1),
}


class Sheet:
    """∂L/∂w_kij in closed form; ``widths`` are n_0 … n_L, ``activations`` those of layers 1 … L."""

    def __init__(self, widths, activations, loss):
        self.widths, self.activations, self.loss = widths, activations, loss
        self.depth = len(activations)

    def neurons(self, k):
        return range(1, self.widths[k] + 1)

    def w(self, k, i, j):
        return q("w", k, i, j)

    def a(self, k, i):
        return q("a", k, i)

    def h(self, k, i):
        if k == 0:
            return q("x", i)
        return q("yhat", i) if k == self.depth else q("h", k, i)

    def slope(self, k, i):
        """g′(a_ki)."""
        return SLOPES[self.activations[k - 1]](self.a(k, i), self.h(k, i))

    def jacobian(self, m, i):
        """∂ŷ_m/∂a_i."""
        if self.activations[-1] != "softmax":
            return self.slope(self.depth, i) if m == i else None
        yhat = self.h(self.depth, m)
        return yhat * (1 - yhat) if m == i else -yhat * self.h(self.depth, i)

    def loss_slope(self, m):
        """∂L/∂ŷ_m."""
        y, yhat = q("y", m), self.h(self.depth, m)
        return {
            "cross_entropy": lambda: -y / yhat,
            "squared_error": lambda: 2 * (yhat - y),
            "binary_cross_entropy": lambda: (1 - y) / (1 - yhat) - y / yhat,
        }[self.loss]()

    def is_fused(self):
        pair = self.activations[-1], self.loss
        return pair in (("softmax", "cross_entropy"), ("sigmoid", "binary_cross_entropy"))

    def error(self, i):
        """∂L/∂a_Li."""
        if self.is_fused():
            return self.h(self.depth, i) - q("y", i)
        return self.error_in_full(i)

    def error_in_full(self, i):
        pairs = [(m, self.jacobian(m, i)) for m in self.neurons(self.depth)]
        return add([self.loss_slope(m) * entry for m, entry in pairs if entry is not None])

    def weight(self, k, i, j):
        """∂a_ki/∂h_{k-1,j}."""
        return self.w(k, i, j)

    def bracket(self, k, j):
        """∂L/∂h_kj."""
        return add(self.contributions(k, j))

    def contributions(self, k, j):
        return [self.back(k + 1, i) * self.weight(k + 1, i, j) for i in self.neurons(k + 1)]

    def back(self, k, i):
        """∂L/∂a_ki."""
        if k == self.depth:
            return self.error(i)
        return self.bracket(k, i) * self.slope(k, i)

    def input(self, k, j):
        """∂a_ki/∂w_kij."""
        return self.h(k - 1, j)

    def gradient(self, k, i, j):
        return self.back(k, i) * self.input(k, j)

    def targets(self):
        for k in range(1, self.depth + 1):
            for i in self.neurons(k):
                for j in self.neurons(k - 1):
                    yield k, i, j
