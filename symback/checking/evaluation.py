"""What a node is worth at a point: exactly, modulo secret primes, or as real numbers.

An `Evaluator` has the `Equations` of a network, an arithmetic (`symback.checking.arithmetics`) and
`Assumptions`, and gives the value of any node of `symback.language.expressions`: `Evaluator.value`.

∂f/∂v is computed as the lectures mean it: v alone is varied and everything computed from v
follows.  It is the sum over the ways from v to f of the local derivatives that the backward pass
derived; nothing is differentiated a second time.  An expression of the page's own is
differentiated by the rules of calculus (`differentiated`).

**Coordinates.** Where each neuron has its own bias, the preactivations a_ki are drawn freely and
the biases solved for, b_k = a_k - W_k h_{k-1}; every other quantity follows by its equation.  So
the e^{a_ki} are independent variables, and equality of functions is equality of residues.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction

from symback.checking.arithmetics import (
    RELATIONS,
    Balls,
    Logarithms,
    OutOfRange,
    Residues,
    Undecided,
)
from symback.checking.cells import Forms, Switch
from symback.checking.equations import Equations, key_of
from symback.checking.grids import (
    Arithmetic,
    Grid,
    Misshapen,
    Value,
    column,
    divided,
    elementwise,
    entries,
    mapped,
    multiplied,
    summed,
)
from symback.checking.meaning import Definition
from symback.checking.rules import (
    AS_EXPONENTIALS,
    DOMAINS,
    SLOPES,
    differentiated,
    kind,
    with_z,
)
from symback.language.budget import spend
from symback.language.expressions import (
    ELL,
    LAYERED,
    LOSS,
    Array,
    At,
    Call,
    Cases,
    Comparison,
    Component,
    Derivative,
    Element,
    Index,
    Indicator,
    Letter,
    Matrix,
    Named,
    Node,
    Number,
    OneHot,
    Ones,
    Power,
    Product,
    Quotient,
    Sum,
    Total,
    Transpose,
    walk,
)
from symback.language.functions import ELEMENTARY, SoftMax
from symback.language.names import Role, Variable

__all__ = ["Assumptions", "Environment", "Evaluator"]

Environment = Mapping[str, int]
"""The numbers that index letters stand for."""

MOST_VISITS = 300_000
"""Nodes that one evaluation may visit, nested sums counted; about half a second."""

_one, _two = Number(Fraction(1)), Number(Fraction(2))
_minus, _zero = Number(Fraction(-1)), Number(Fraction(0))


def _exp(node: Node) -> Node:
    return Call("exp", (node,))


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is taken to hold beside the equations.

    ``true_class`` makes y the one-hot vector e(ℓ); ``known_sum`` makes Σ y_i that number;
    ``definitions`` are the page's own names; ``overrides`` are claims of the page that are taken
    for true though they are not (to see what merely follows from them); ``pins`` are numbers put
    for quantities (the evaluation bar); ``from_leaves`` computes every preactivation from weights
    and biases instead of drawing it, as the numbers of a file need it.
    """

    true_class: int | None = None
    known_sum: int | None = None
    definitions: tuple[Definition, ...] = ()
    overrides: tuple[tuple[Node, Node], ...] = ()
    pins: tuple[tuple[Node, Node], ...] = ()
    from_leaves: bool = False


DEEP = 60
"""Quantities further apart are computed one after another; recursion would not reach."""


class Evaluator:
    """Values of nodes in one arithmetic at one point, under some assumptions.

    ``signs`` evaluates conditions where the arithmetic cannot compare (residues have no order): the
    same equations in `Forms`, or at a real point.  ``needs`` is called with each condition that
    must hold for a function of the page to have a value: log u needs u > 0.
    """

    def __init__(
        self,
        equations: Equations,
        arithmetic: Arithmetic,
        assumptions: Assumptions = Assumptions(),
        signs: Evaluator | None = None,
        needs: Callable[[Comparison, Environment], None] | None = None,
    ) -> None:
        self.equations, self.arithmetic, self.assumptions = equations, arithmetic, assumptions
        self.signs, self.needs = signs, needs
        self.visits = 0
        self._within = 0
        """How many equations of the network, or parts of logarithms, are being evaluated."""
        self._elements: dict[tuple, Value] = {}
        self._gradients: dict[tuple, Value] = {}
        self._logarithms: dict[int, Logarithms] = {}
        self._exponents: dict[int, dict[int, tuple[Node, Environment, int]]] = {}
        self._standing_in: set[tuple] = set()
        self._looking: set[int] = set()
        self._prepared: set[tuple[Variable, int]] = set()
        self._pins = {self._pinned(left): right for left, right in assumptions.pins}
        biased = any(variable in equations.solved for variable, _ in self._pins)
        self._from_leaves = assumptions.from_leaves or biased

    def under(self, assumptions: Assumptions) -> Evaluator:
        """The same point under other assumptions."""
        signs = self.signs.under(assumptions) if self.signs is not None else None
        return Evaluator(self.equations, self.arithmetic, assumptions, signs, self.needs)

    # ------------------------------------------------------------------------------ any node

    def value(self, node: Node, env: Environment, level: int) -> Value:
        """The value of ``node``; index letters stand for the numbers in ``env``."""
        spend()
        self.visits += 1
        if self.visits > MOST_VISITS:
            raise Undecided("the line is too long to evaluate: its nested sums have too many terms")
        return getattr(self, f"_{kind(node)}")(node, env, level)

    def _values(self, nodes: Sequence[Node], env: Environment, level: int) -> list[Value]:
        return [self.value(node, env, level) for node in nodes]

    def _number(self, node: Number, env: Environment, level: int) -> Value:
        if node.decimals is not None:
            return self.arithmetic.rounded(node.value, node.decimals, level)
        return self.arithmetic.number(node.value, level)

    def _letter(self, node: Letter, env: Environment, level: int) -> Value:
        number = self._index(node.index, env)
        if node.width:
            number = self._width(number)
        return self.arithmetic.number(Fraction(number), level)

    def _width(self, layer: int) -> int:
        widths = self.equations.scope.widths
        if not 0 <= layer < len(widths):
            raise OutOfRange(f"there is no layer {layer}")
        return int(widths[layer])

    def _total(self, node: Total, env: Environment, level: int) -> Value:
        return summed(self._values(node.terms, env, level), self.arithmetic, level)

    def _product(self, node: Product, env: Environment, level: int) -> Value:
        combine = elementwise if node.elementwise else multiplied
        return combine(self._values(node.factors, env, level), self.arithmetic, level)

    def _quotient(self, node: Quotient, env: Environment, level: int) -> Value:
        above, below = self._values((node.above, node.below), env, level)
        return divided(above, below, self.arithmetic, level)

    def _power(self, node: Power, env: Environment, level: int) -> Value:
        exponent = self._whole(node.exponent, env)
        if exponent is not None:
            base = self.value(node.base, env, level)
            return mapped(base, lambda entry: self.arithmetic.power(entry, exponent, level))
        halves = self._halves(node.exponent)
        if halves is not None:
            return self.value(Power(Call("sqrt", (node.base,)), Number(halves)), env, level)
        log = Product((node.exponent, Call("log", (node.base,))), True)
        return self.value(_exp(log), env, level)

    def _whole(self, node: Node, env: Environment) -> int | None:
        """A whole exponent of at most 64, where it is one by its form."""
        match node:
            case Number(value) if value.denominator == 1 and abs(value) <= 64:
                return int(value)
            case Product((Number(sign), Number(value))) if (sign * value).denominator == 1:
                return self._whole(Number(sign * value), env)
            case Letter(index, width=False):
                return self._index(index, env)
            case Total(terms):
                parts = [self._whole(term, env) for term in terms]
                return None if None in parts else sum(part for part in parts if part is not None)
            case _:
                return None

    @staticmethod
    def _halves(node: Node) -> Fraction | None:
        """n where the exponent is n/2 by its form."""
        match node:
            case Number(value):
                twice = 2 * value
            case Quotient(Number(above), Number(below)) if below:
                twice = 2 * above / below
            case Product((Number(sign), Number(value))):
                twice = 2 * sign * value
            case _:
                return None
        return twice if twice.denominator == 1 and abs(twice) <= 64 else None

    def _transpose(self, node: Transpose, env: Environment, level: int) -> Value:
        value = self.value(node.of, env, level)
        return value.turned if isinstance(value, Grid) else value

    def _matrix(self, node: Matrix, env: Environment, level: int) -> Value:
        rows = tuple(tuple(self._values(row, env, level)) for row in node.rows)
        if any(isinstance(entry, Grid) for row in rows for entry in row):
            raise Misshapen("an array within an array is not read")
        return Grid(rows)

    def _component(self, node: Component, env: Environment, level: int) -> Value:
        value = self.value(node.of, env, level)
        numbers = [self._index(index, env) for index in node.indices]
        if not isinstance(value, Grid):
            raise Misshapen("a component of a number")
        rows, columns = value.shape
        if len(numbers) == 1:
            numbers = [numbers[0], 1] if columns == 1 else [1, numbers[0]]
        if not (1 <= numbers[0] <= rows and 1 <= numbers[1] <= columns):
            raise OutOfRange(f"a {value} array has no component {numbers}")
        return value.rows[numbers[0] - 1][numbers[1] - 1]

    def _sum(self, node: Sum, env: Environment, level: int) -> Value:
        numbers = self.range_of(node, env)
        if len(numbers) > 100_000:
            raise Undecided("a sum has more than 100,000 terms")
        values = [self.value(node.body, {**env, node.letter: k}, level) for k in numbers]
        if node.product:
            return multiplied(values, self.arithmetic, level)
        if not values:
            return self.arithmetic.number(Fraction(0), level)
        return summed(values, self.arithmetic, level)

    def range_of(self, node: Sum, env: Environment) -> list[int]:
        """The numbers that the letter of a sum runs over."""
        upper = None if node.upper is None else self._index(node.upper, env)
        if upper is None:
            upper = self.extent(node.letter, node.body, env)
        without = None if node.without is None else self._index(node.without, env)
        return [k for k in range(node.lower, upper + 1) if k != without]

    def extent(self, letter: str, body: Node, env: Environment) -> int:
        """How many values an index letter has, from the first place where it stands."""
        for part in walk(body):
            for position, index in enumerate(getattr(part, "indices", ())):
                if index.letter == letter:
                    size = self._size_at(part, position, env)
                    if size is not None:
                        return size - index.offset
        raise Undecided(f"nothing says how far the sum over {letter} goes")

    def _size_at(self, node: Node, position: int, env: Environment) -> int | None:
        """How many neurons an index numbers; None where it is not an index of the network."""
        scope = self.equations.scope
        if isinstance(node, Component):
            of = node.of if not isinstance(node.of, Call) else node.of.arguments[0]
            return self._length(of, env) if isinstance(of, Array) else None
        if not isinstance(node, Element) or not scope.is_network:
            return None
        if node.letter in ("x", "y", "yhat"):
            return self._width(0 if node.letter == "x" else scope.depth)
        if node.letter not in LAYERED:
            return None
        if position == 0:
            return scope.depth
        layer = self._index(node.indices[0], env)
        return self._width(layer - (node.letter == "w" and position == 2))

    def _length(self, array: Array, env: Environment) -> int:
        if array.layer is None:
            return self._width(0 if array.letter == "x" else self.equations.scope.depth)
        return self._width(self._index(array.layer, env))

    def _indicator(self, node: Indicator, env: Environment, level: int) -> Value:
        condition = node.condition
        if isinstance(condition, Comparison) and isinstance(condition.left, Array):
            entry = Indicator(Comparison(Element("z"), condition.relation, condition.right))
            return self._each(entry, condition.left, env, level)
        return self._either(condition, _one, _zero, env, level)

    def _comparison(self, node: Comparison, env: Environment, level: int) -> Value:
        return self._either(node, _one, _zero, env, level)

    def _cases(self, node: Cases, env: Environment, level: int) -> Value:
        if not node.branches:
            raise Undecided("no case of a function given by cases holds")
        (value, condition), *rest = node.branches
        if condition is None:
            return self.value(value, env, level)
        return self._either(condition, value, Cases(tuple(rest)), env, level)

    def _either(
        self, condition: Node, first: Node, second: Node, env: Environment, level: int
    ) -> Value:
        """``first`` where the condition holds, else ``second``; under a switch e, e·u + (1-e)·v."""
        found = self.holds(condition, env)
        if not isinstance(found, Switch):
            return self.value(first if found else second, env, level)
        on = self.arithmetic.drawn(found.name, level)
        minus = self.arithmetic.number(Fraction(-1), level)
        opposite = self.arithmetic.product([minus, on], level)
        off = self.arithmetic.total([self.arithmetic.number(Fraction(1), level), opposite], level)
        shares = (on, off) if found.positive else (off, on)
        parts = [
            elementwise([share, self.value(node, env, level)], self.arithmetic, level)
            for share, node in zip(shares, (first, second), strict=True)
        ]
        return summed(parts, self.arithmetic, level)

    def holds(self, condition: Node, env: Environment) -> bool | Switch:
        """Whether a condition holds at this point, or the switch that stands for it."""
        if not isinstance(condition, Comparison):
            raise Undecided("a condition that is no comparison")
        left, right = condition.left, condition.right
        if isinstance(left, Letter) and isinstance(right, (Letter, Number)):
            numbers = (self._plain(each, env) for each in (left, right))
            return RELATIONS[condition.relation](*numbers)
        if self.signs is not None:
            return self.signs.holds(condition, env)
        if not isinstance(self.arithmetic, (Balls, Forms)):
            raise Undecided("a condition on quantities")
        first, second = self._values((left, right), env, 0)
        if isinstance(first, Grid) or isinstance(second, Grid):
            raise Undecided("a comparison of arrays")
        return self.arithmetic.holds(first, condition.relation, second)

    def _need(self, function: str, argument: Node, env: Environment) -> None:
        """A function of the page has a value only where its argument is in its domain."""
        domain = DOMAINS.get(function)
        if domain is not None and self.needs is not None and not self._within:
            needed = with_z(domain, argument)
            assert isinstance(needed, Comparison)
            self.needs(needed, env)

    @contextmanager
    def _inside(self) -> Iterator[None]:
        """What is evaluated here is no expression of the page's own."""
        self._within += 1
        try:
            yield
        finally:
            self._within -= 1

    def _plain(self, node: Letter | Number, env: Environment) -> int | Fraction:
        return node.value if isinstance(node, Number) else self._index(node.index, env)

    def _at(self, node: At, env: Environment, level: int) -> Value:
        pins = (*self.assumptions.pins, *node.values)
        return self.under(replace(self.assumptions, pins=pins)).value(node.of, env, level)

    def _named(self, node: Named, env: Environment, level: int) -> Value:
        definition, letters = self._definition(node, env)
        if len(self._standing_in) > 40:
            raise Undecided(f"the definition of {node.name} leads back to itself")
        key = ("definition", len(self._standing_in), node)
        self._standing_in.add(key)
        try:
            return self.value(definition.node, letters, level)
        finally:
            self._standing_in.discard(key)

    def _definition(self, node: Named, env: Environment) -> tuple[Definition, dict[str, int]]:
        numbers = tuple(self._index(index, env) for index in node.indices)
        for definition in reversed(self.assumptions.definitions):
            if definition.name == node.name and len(definition.indices) == len(numbers):
                letters = _matched(definition.indices, numbers)
                if letters is not None:
                    return definition, {**env, **letters}
        raise Undecided(f"nothing on the page says what {node.name} is")

    # ---------------------------------------------------------------------------- quantities

    def _index(self, index: Index, env: Environment) -> int:
        if index.is_number:
            return index.offset
        if index.letter == ELL and self.assumptions.true_class is not None:
            return self.assumptions.true_class + index.offset
        if index.letter not in env:
            raise Undecided(f"nothing says what {index.letter} is")
        return env[index.letter] + index.offset

    def _element(self, node: Element, env: Environment, level: int) -> Value:
        numbers = tuple(self._index(index, env) for index in node.indices)
        return self.element(node.letter, numbers, level)

    def element(self, letter: str, numbers: tuple[int, ...], level: int) -> Value:
        """The value of one scalar quantity, e.g. ("w", (2, 1, 2))."""
        if letter == "eta":
            return self.arithmetic.drawn("eta", level)
        if letter == "delta":
            return self.derivative(LOSS, Element("a", _fixed(numbers)), {}, level)
        variable, own = self.equations.place(letter, numbers)
        key = (variable, own, level)
        if key not in self._elements:
            self._prepare(variable, level)
            with self._inside():
                self._elements[key] = self._computed(variable, own, level)
        return self._elements[key]

    def _prepare(self, variable: Variable, level: int) -> None:
        """Compute what a quantity far down is made of, from the inputs on, without recursion."""
        graph, order = self.equations.graph, self.equations.order
        if order[variable] < DEEP or (variable, level) in self._prepared:
            return
        drawn = frozenset() if self._from_leaves else self.equations.free
        found, frontier = {variable}, [variable]
        while frontier:
            parent = frontier.pop()
            parents = () if parent in drawn else graph.parents.get(parent, ())
            frontier += [parent for parent in parents if parent not in found]
            found.update(parents)
        self._prepared |= {(each, level) for each in found}
        for before in sorted(found - {variable}, key=order.__getitem__):
            sizes = (range(1, int(size) + 1) for size in before.shape)
            for own in itertools.product(*sizes) if before in graph.by_variable else ():
                if (before, own, level) not in self._elements:
                    with self._inside():
                        self._elements[before, own, level] = self._computed(before, own, level)

    def _computed(self, variable: Variable, own: tuple[int, ...], level: int) -> Value:
        if (pinned := self._pins.get((variable, own))) is not None:
            return self.value(pinned, {}, level)
        overridden = self.assumptions.overrides
        claimed = self._override(Element(*_letters(variable, own)), level) if overridden else None
        if claimed is not None:
            return claimed
        equations = self.equations
        names = [letter.name for letter in variable.indices]
        env = dict(zip(names, own, strict=True))
        if not self._from_leaves:
            if variable in equations.free:
                return self.arithmetic.drawn((variable.name, own), level)
            if variable in equations.solved:
                a = self.element("a", (variable.layer or 0, *own), level)
                rest = self.value(equations.without_bias[variable.layer], env, level)
                minus = self.arithmetic.number(Fraction(-1), level)
                return self.arithmetic.total(
                    [a, self.arithmetic.product([minus, rest], level)], level
                )
        if variable in equations.rhs:
            equation = equations.graph.by_variable[variable]
            names = [letter.name for letter in equation.free]
            return self.value(equations.rhs[variable], dict(zip(names, own, strict=True)), level)
        if variable.role is Role.TARGET:
            return self._target(variable, own, level)
        return self.arithmetic.drawn((variable.name, own), level)

    def _target(self, variable: Variable, own: tuple[int, ...], level: int) -> Value:
        known = self.assumptions
        if known.true_class is not None:
            return self.arithmetic.number(Fraction(int(own[0] == known.true_class)), level)
        if known.known_sum is not None and own[0] == int(variable.shape[0]):
            minus = self.arithmetic.number(Fraction(-1), level)
            others = [
                self.arithmetic.product([minus, self.element("y", (k,), level)], level)
                for k in range(1, own[0])
            ]
            whole = self.arithmetic.number(Fraction(known.known_sum), level)
            return self.arithmetic.total([whole, *others], level)
        return self.arithmetic.drawn((variable.name, own), level)

    def _pinned(self, node: Node) -> tuple[Variable, tuple[int, ...]]:
        if not isinstance(node, Element):
            raise Undecided("only single quantities are given other values")
        return self.equations.place(
            node.letter, tuple(self._index(index, {}) for index in node.indices)
        )

    def _array(self, node: Array, env: Environment, level: int) -> Value:
        layer = None if node.layer is None else self._index(node.layer, env)
        if node.letter == "delta":
            return self.derivative(LOSS, Array("a", _at(layer)), env, level)
        cells = self._cells(node.letter, layer)
        value = [[self.element(letter, own, level) for letter, own in row] for row in cells]
        return Grid(tuple(map(tuple, value)))

    def _cells(self, letter: str, layer: int | None) -> list[list[tuple[str, tuple[int, ...]]]]:
        """The elements of an array, row by row."""
        letter = "w" if letter == "W" else letter
        variable = self.equations.variable(letter, layer)
        if variable is None:
            raise OutOfRange(f"there is no {letter}" + (f"_{layer}" if layer is not None else ""))
        head = () if layer is None else (layer,)
        if variable.role in (Role.INPUT, Role.OUTPUT) and letter == "h":
            letter, head = variable.letter, ()
        sizes = [range(1, int(size) + 1) for size in variable.shape]
        if not sizes:
            return [[(letter, head)]]
        if len(sizes) == 1:
            return [[(letter, (*head, i))] for i in sizes[0]]
        return [[(letter, (*head, i, j)) for j in sizes[1]] for i in sizes[0]]

    def _onehot(self, node: OneHot, env: Environment, level: int) -> Value:
        place = self._index(node.index, env)
        size = self._width(self.equations.scope.depth)
        return column(
            [self.arithmetic.number(Fraction(int(k == place)), level) for k in range(1, size + 1)]
        )

    def _ones(self, node: Ones, env: Environment, level: int) -> Value:
        one = self.arithmetic.number(Fraction(1), level)
        return mapped(self.value(node.like, env, level), lambda _: one)

    # ---------------------------------------------------------------------------- derivatives

    def _derivative(self, node: Derivative, env: Environment, level: int) -> Value:
        return self.derivative(node.of, node.by, env, level)

    def derivative(self, of: Node, by: Node, env: Environment, level: int) -> Value:
        """∂of/∂by."""
        if isinstance(by, Array):
            return self._derivative_by_array(of, by, env, level)
        if not isinstance(by, Element) or by.letter in ("delta", "eta"):
            raise Undecided("symback differentiates by quantities of the network only")
        at = tuple(self._index(index, env) for index in by.indices)
        if isinstance(of, Element):
            own = tuple(self._index(index, env) for index in of.indices)
            return self._between(of.letter, own, by.letter, at, level)
        if isinstance(of, Array):
            layer = None if of.layer is None else self._index(of.layer, env)
            cells = self._cells(of.letter, layer)
            return Grid(
                tuple(
                    tuple(self._between(*cell, by.letter, at, level) for cell in row)
                    for row in cells
                )
            )
        if isinstance(of, Named):
            definition, letters = self._definition(of, env)
            return self.derivative(definition.node, Element(by.letter, _fixed(at)), letters, level)
        return self.value(differentiated(of, Element(by.letter, _fixed(at))), env, level)

    def _derivative_by_array(self, of: Node, by: Array, env: Environment, level: int) -> Value:
        layer = None if by.layer is None else self._index(by.layer, env)
        cells = self._cells(by.letter, layer)
        values = [
            [self.derivative(of, Element(letter, _fixed(own)), env, level) for letter, own in row]
            for row in cells
        ]
        if not isinstance(values[0][0], Grid):
            return Grid(tuple(map(tuple, values)))
        if len(cells[0]) > 1 or any(row[0].shape[1] != 1 for row in values):
            raise Undecided("the derivative of an array by a matrix has more than two indices")
        columns = [entries(row[0]) for row in values]
        return Grid(tuple(zip(*columns, strict=True)))

    def _between(
        self, of: str, own: tuple[int, ...], by: str, at: tuple[int, ...], level: int
    ) -> Value:
        if of == "delta":
            raise Undecided("symback does not differentiate a derivative again")
        return self._gradient(self.equations.place(of, own), self.equations.place(by, at), level)

    def _gradient(self, of: tuple, by: tuple, level: int) -> Value:
        key = (of, by, level)
        if key not in self._gradients:
            with self._inside():
                order = self.equations.order
                is_far = order[of[0]] - order[by[0]] > DEEP
                for node in reversed(self._between_them(of, by, level)) if is_far else ():
                    self._gradients[of, node, level] = self._summed_over_ways(of, node, level)
                if not is_far:
                    self._gradients[key] = self._summed_over_ways(of, by, level)
        return self._gradients[key]

    def _between_them(self, of: tuple, by: tuple, level: int) -> list[tuple]:
        """``by`` and what leads on from it to ``of`` and is not known, each before its branches."""
        order, last = self.equations.order, self.equations.order[of[0]]
        found, frontier = {by}, [by]
        while frontier:
            variable, indices = frontier.pop()
            for link in self.equations.links(variable):
                child = link.local.child
                if order[child] > last or (order[child] == last and child != of[0]):
                    continue
                nodes = {(child, own) for own, _ in link.children(indices)} - found
                found |= nodes
                frontier += [n for n in nodes if n != of and (of, n, level) not in self._gradients]
        unknown = [node for node in found if (of, node, level) not in self._gradients]
        return sorted(unknown, key=lambda node: (order[node[0]], node[1]))

    def _summed_over_ways(self, of: tuple, by: tuple, level: int) -> Value:
        """∂of/∂by = Σ_c ∂of/∂c ∂c/∂by over the c computed directly from by."""
        if of == by:
            return self.arithmetic.number(Fraction(1), level)
        if self.assumptions.overrides:
            claim = Derivative(Element(*_letters(*of)), Element(*_letters(*by)))
            claimed = self._override(claim, level)
            if claimed is not None:
                return claimed
        order, last = self.equations.order, self.equations.order[of[0]]
        terms = []
        for link in self.equations.links(by[0]):
            child = link.local.child
            if order[child] > last or (order[child] == last and child != of[0]):
                continue
            for own, letters in link.children(by[1]):
                outer = self._gradient(of, (child, own), level)
                if outer:
                    inner = self.value(link.node, letters, level)
                    terms.append(self.arithmetic.product([outer, inner], level))
        return self.arithmetic.total(terms, level)

    def _override(self, truth: Node, level: int) -> Value | None:
        """What the page claims instead of ``truth`` (an element, or a derivative), if it does."""
        for place, (claimed, value) in enumerate(self.assumptions.overrides):
            if (place, truth) in self._standing_in:
                continue
            letters = _unified(claimed, truth)
            if letters is None:
                continue
            self._standing_in.add((place, truth))
            try:
                found = self.value(value, letters[0], level)
                return _entry(found) if letters[1] is None else _picked(found, letters[1])
            finally:
                self._standing_in.discard((place, truth))
        return None

    # ---------------------------------------------------------------------------- functions

    def _call(self, node: Call, env: Environment, level: int) -> Value:
        name = node.function
        if name == "O":
            node = replace(node, function=self.equations.scope.activations[-1])
        elif name == "g":
            node = replace(node, function=self._hidden_activation(node.arguments[0], env))
        if node.primes:
            return self._slope(node, env, level)
        own = getattr(self, f"_call_{node.function}", None)
        if own is not None:
            return own(node.arguments, env, level)
        return self._elementary(node, env, level)

    def _hidden_activation(self, argument: Node, env: Environment) -> str:
        """The function that g names: that of the layer its argument is the preactivation of."""
        activations = self.equations.scope.activations
        named = (_layer_of(part) for part in walk(argument) if getattr(part, "letter", "") == "a")
        layers = [self._index(layer, env) for layer in named if layer is not None]
        if len(set(layers)) == 1:
            if not 1 <= layers[0] <= len(activations):
                raise OutOfRange(f"there is no layer {layers[0]}")
            if layers[0] == len(activations) > 1 and activations[-1] not in activations[:-1]:
                raise OutOfRange("g is the activation of the hidden layers, not of the last one")
            return activations[layers[0] - 1]
        if len(set(activations[:-1] or activations)) == 1:
            return activations[0]
        raise Undecided("g could be the activation of several layers; write its name")

    def _slope(self, node: Call, env: Environment, level: int) -> Value:
        name = node.function
        if node.primes > 1 or len(node.arguments) != 1:
            raise Undecided("symback knows first derivatives of functions of one variable")
        if name in self.equations.activations:
            if isinstance(self.equations.activations[name], SoftMax):
                raise Undecided("softmax has no derivative g′: each output depends on every input")
            template = self.equations.slope_of(name)
        elif name in SLOPES:
            template = SLOPES[name]
        else:
            raise Undecided(f"symback has no derivative of {name}")
        return self._each(template, node.arguments[0], env, level)

    def _each(self, template: Node, argument: Node, env: Environment, level: int) -> Value:
        """``template`` with ``argument`` for z; for an array entry by entry."""
        if isinstance(argument, Array) and argument.letter != "delta":
            layer = None if argument.layer is None else self._index(argument.layer, env)
            cells = self._cells(argument.letter, layer)
            return Grid(
                tuple(
                    tuple(
                        self.value(with_z(template, Element(letter, _fixed(own))), {}, level)
                        for letter, own in row
                    )
                    for row in cells
                )
            )
        return self.value(with_z(template, argument), env, level)

    def _elementary(self, node: Call, env: Environment, level: int) -> Value:
        name, activations = node.function, self.equations.activations
        self._need(name, node.arguments[0], env)
        undone = ELEMENTARY[name].inner if name in ELEMENTARY else ""
        match node.arguments:
            case (Call(inverse, (inner,), primes=0),) if undone == inverse:
                self._need(inverse, inner, env)
                return self.value(inner, env, level)
        if name in self.arithmetic.direct:
            value = self.value(node.arguments[0], env, level)
            return mapped(value, lambda entry: self.arithmetic.function(name, entry, level))
        if name in AS_EXPONENTIALS:
            return self._each(AS_EXPONENTIALS[name], node.arguments[0], env, level)
        if name in activations:
            return self._each(self.equations.value_of(name), node.arguments[0], env, level)
        if name in ELEMENTARY:
            value = self.value(node.arguments[0], env, level)
            return mapped(value, lambda entry: self.arithmetic.function(name, entry, level))
        raise Undecided(f"symback does not know the function {name}")

    def _call_exp(self, arguments: Sequence[Node], env: Environment, level: int) -> Value:
        (argument,) = arguments
        power = self._power_of_logarithm(argument)
        if power is not None:
            inner, value = power
            self._need("log", inner, env)
            return self.value(value, env, level)
        below = self.arithmetic.below(level)
        exponents = self.value(argument, env, below)
        made = mapped(exponents, lambda entry: self.arithmetic.exponential(entry, level))
        if isinstance(self.arithmetic, Residues):
            self._exponents.setdefault(level, {}).update(
                (value, (argument, dict(env), place)) for place, value in enumerate(entries(made))
            )
        return made

    @classmethod
    def _power_of_logarithm(cls, argument: Node) -> tuple[Node, Node] | None:
        """u and u^c where the exponent is c log u and c is made of halves (no residue else)."""
        match argument:
            case Call("log", (inner,), primes=0):
                return inner, inner
            case Product((Number() as factor, Call("log", (inner,), primes=0))):
                return (inner, Power(inner, factor)) if cls._halves(factor) is not None else None
            case _:
                return None

    def _call_pi(self, arguments: Sequence[Node], env: Environment, level: int) -> Value:
        return self.arithmetic.pi(level)

    def _call_i(self, arguments: Sequence[Node], env: Environment, level: int) -> Value:
        return self.arithmetic.imaginary(level)

    def _call_sqrt(self, arguments: Sequence[Node], env: Environment, level: int) -> Value:
        (argument,) = arguments
        self._need("sqrt", argument, env)
        apart = None
        if isinstance(self.arithmetic, Residues):
            apart = _root_apart(argument)
            if isinstance(argument, Number) and argument.value >= 0:
                return self.arithmetic.root_of_number(argument.value, level)
        if apart is not None:
            with self._inside():
                return self.value(apart, env, level)
        if argument == Call("pi", ()):
            return self.arithmetic.root_of_pi(level)
        value = self.value(argument, env, level)
        return mapped(value, lambda entry: self.arithmetic.function("sqrt", entry, level))

    def _call_abs(self, arguments: Sequence[Node], env: Environment, level: int) -> Value:
        (argument,) = arguments
        above = Comparison(argument, ">?", _zero)
        return self._either(above, argument, Product((_minus, argument)), env, level)

    def _call_sign(self, arguments: Sequence[Node], env: Environment, level: int) -> Value:
        (argument,) = arguments
        above, below = (Comparison(argument, relation, _zero) for relation in (">", "<"))
        other: Node = Cases(((_minus, below), (_zero, None)))
        if isinstance(self.holds(above, env), Switch) and not self._tells_borders:
            other = _minus  # the argument is not 0 everywhere
        return self._either(above, _one, other, env, level)

    @property
    def _tells_borders(self) -> bool:
        cases = (self.signs or self).arithmetic
        return isinstance(cases, Forms) and cases.answers.tells_borders

    def _call_max(self, arguments: Sequence[Node], env: Environment, level: int) -> Value:
        return self._extreme("max", arguments, env, level)

    def _call_min(self, arguments: Sequence[Node], env: Environment, level: int) -> Value:
        return self._extreme("min", arguments, env, level)

    def _extreme(self, name: str, arguments: Sequence[Node], env: Environment, level: int) -> Value:
        arrays = [part for part in arguments if isinstance(part, Array)]
        if len(arrays) == 1 and len(arguments) == 2:
            other = next(part for part in arguments if part is not arrays[0])
            return self._each(Call(name, (other, Element("z"))), arrays[0], env, level)
        *most, last = arguments
        if not most:
            return self.value(last, env, level)
        best = most[0] if len(most) == 1 else Call(name, tuple(most))
        first, second = (best, last) if name == "max" else (last, best)
        return self._either(Comparison(best, ">?", last), first, second, env, level)

    def _call_softmax(self, arguments: Sequence[Node], env: Environment, level: int) -> Value:
        powers = self.value(_exp(arguments[0]), env, level)
        if not isinstance(powers, Grid):
            raise Misshapen("softmax of a number; it is a function of a whole layer")
        inverse = self.arithmetic.inverse(self.arithmetic.total(list(powers), level), level)
        return mapped(powers, lambda entry: self.arithmetic.product([entry, inverse], level))

    def _call_diag(self, arguments: Sequence[Node], env: Environment, level: int) -> Value:
        value = self.value(arguments[0], env, level)
        zero = self.arithmetic.number(Fraction(0), level)
        listed = entries(value)
        return Grid(
            tuple(
                tuple(entry if i == j else zero for j in range(len(listed)))
                for i, entry in enumerate(listed)
            )
        )

    def _call_sum(self, arguments: Sequence[Node], env: Environment, level: int) -> Value:
        return self.arithmetic.total(entries(self.value(arguments[0], env, level)), level)

    def _call_norm(self, arguments: Sequence[Node], env: Environment, level: int) -> Value:
        return self.value(Call("sqrt", (Call("sum", (Power(arguments[0], _two),)),)), env, level)

    def _call_dot(self, arguments: Sequence[Node], env: Environment, level: int) -> Value:
        return self.value(Call("sum", (Product(tuple(arguments), True),)), env, level)

    def _call_outer(self, arguments: Sequence[Node], env: Environment, level: int) -> Value:
        first, second = arguments
        return self.value(Product((first, Transpose(second))), env, level)

    # ---------------------------------------------------------------------------- logarithms

    def _call_log10(self, arguments: Sequence[Node], env: Environment, level: int) -> Value:
        return self._logarithm_to(10, arguments, env, level)

    def _call_log2(self, arguments: Sequence[Node], env: Environment, level: int) -> Value:
        return self._logarithm_to(2, arguments, env, level)

    def _logarithm_to(
        self, base: int, arguments: Sequence[Node], env: Environment, level: int
    ) -> Value:
        whole = Call("log", (Number(Fraction(base)),))
        return self.value(Quotient(Call("log", tuple(arguments)), whole), env, level)

    def _call_log(self, arguments: Sequence[Node], env: Environment, level: int) -> Value:
        (argument,) = arguments
        self._need("log", argument, env)
        if "log" in self.arithmetic.direct:
            value = self.value(argument, env, level)
            return mapped(value, lambda entry: self.arithmetic.function("log", entry, level))
        apart = self._logarithm_apart(argument, env)
        if apart is not None:
            node, letters = apart
            with self._inside():
                found = self.value(node, letters, level)
            value = self.value(argument, env, level)
            for entry, logarithm in zip(entries(value), entries(found), strict=True):
                self._logarithms_at(level).learn(entry, logarithm)
            return found
        if isinstance(argument, Number):
            return self._logarithms_at(level).of_number(argument.value)
        value = self.value(argument, env, level)
        return mapped(value, self._logarithms_at(level).of)

    def _logarithm_apart(self, argument: Node, env: Environment) -> tuple[Node, Environment] | None:
        """log(uv) = log u + log v and the like, with the letters that the parts need."""
        match argument:
            case Product(factors) if not any(_is_array(part) for part in factors):
                return Total(tuple(Call("log", (factor,)) for factor in factors)), env
            case Quotient(above, below) if not _is_array(above):
                minus = Product((_minus, Call("log", (below,))))
                return Total((Call("log", (above,)), minus)), env
            case Power(base, exponent) if not _is_array(base):
                return Product((exponent, Call("log", (base,)))), env
            case Call("exp", (inner,), primes=0):
                return inner, env
            case Call("sqrt", (inner,)):
                return Quotient(Call("log", (inner,)), _two), env
            case Element(letter, indices) if letter not in ("eta", "delta"):
                return self._logarithm_of_element(letter, indices, env)
            case Call(function, (inner,), primes=0) if function in self.equations.activations:
                if isinstance(self.equations.activations[function], SoftMax):
                    return None
                template = self.equations.value_of(function)
                return Call("log", (with_z(template, inner),)), env
            case _:
                return None

    def _logarithm_of_element(
        self, letter: str, indices: tuple[Index, ...], env: Environment
    ) -> tuple[Node, Environment] | None:
        variable, own = self.equations.place(
            letter, tuple(self._index(index, env) for index in indices)
        )
        rhs = self.equations.rhs.get(variable)
        known = variable in self.equations.free or (variable, own) in self._pins
        if known or not isinstance(rhs, (Product, Quotient, Power, Call)):
            return None
        free = self.equations.graph.by_variable[variable].free
        letters = dict(zip((each.name for each in free), own, strict=True))
        return Call("log", (rhs,)), letters

    def _logarithms_at(self, level: int) -> Logarithms:
        if level not in self._logarithms:
            assert isinstance(self.arithmetic, Residues)
            self._logarithms[level] = Logarithms(
                self.arithmetic, level, lambda: self._met_exponents(level)
            )
        return self._logarithms[level]

    def _met_exponents(self, level: int) -> dict[int, int]:
        """e^u ↦ u for the exponentials met so far."""
        if level in self._looking:  # an exponent that itself holds a logarithm
            return {}
        self._looking.add(level)
        met = list(self._exponents.get(level, {}).items())
        try:
            return {
                power: entries(self.value(argument, env, level))[place]
                for power, (argument, env, place) in met
            }
        finally:  # a judge lives longer than the page whose budget ends here
            self._looking.discard(level)


def _root_apart(argument: Node) -> Node | None:
    """√(u v) = √|u| √|v|, √(u²) = |u| and the like, where the root is of something not negative.

    The same of |argument|; None where nothing is known.
    """
    match argument:
        case Product(factors) if len(factors) > 1 and not any(map(_is_array, factors)):
            return _root_of_product(factors)
        case Quotient(above, below) if not _is_array(above) and not _is_array(below):
            return _root_of_product((above, Power(below, _minus)))
        case Power(base, Number(power)) if power.denominator == 1 and not _is_array(base):
            size = Call("abs", (base,))
            whole = Power(size, Number(Fraction(power // 2)))
            if power % 2 == 0:
                return whole
            return Product((Call("sqrt", (size,)), whole), True) if power != 1 else None
        case Call("exp", (inner,), primes=0):
            return _exp(Quotient(inner, _two))
        case Call("abs", (inner,)):
            return _root_apart(inner)
        case _:
            return None


def _root_of_product(factors: Sequence[Node]) -> Node | None:
    """|u| for what stands twice, √|u| for what stands once; numbers with their signs together."""
    numbers = [factor.value for factor in factors if isinstance(factor, Number)]
    number = abs(math.prod(numbers, start=Fraction(1)))
    rest = [factor for factor in factors if not isinstance(factor, Number)]
    made: list[Node] = [] if number == 1 else [Call("sqrt", (Number(number),))]
    for factor in dict.fromkeys(rest):
        pairs, single = divmod(rest.count(factor), 2)
        size = Call("abs", (factor,))
        made += [Power(size, Number(Fraction(pairs)))] if pairs else []
        made += [Call("sqrt", (size,))] if single else []
    return Product(tuple(made), True) if len(made) > 1 else made[0] if made else _one


def _layer_of(node: Node) -> Index | None:
    """The layer of a quantity that has one."""
    if isinstance(node, Array):
        return node.layer
    return node.indices[0] if isinstance(node, Element) and node.indices else None


def _is_array(node: Node) -> bool:
    return any(
        isinstance(part, (Array, Matrix, OneHot, Ones))
        or (isinstance(part, Derivative) and isinstance(part.by, Array))
        for part in walk(node)
    )


def _fixed(numbers: Sequence[int]) -> tuple[Index, ...]:
    return tuple(Index("", number) for number in numbers)


def _at(layer: int | None) -> Index | None:
    return None if layer is None else Index("", layer)


def _letters(variable: Variable, own: tuple[int, ...]) -> tuple[str, tuple[Index, ...]]:
    """The letter and the indices by which a page names an element."""
    letter, layer = key_of(variable)
    return letter, _fixed(own if layer is None else (layer, *own))


def _matched(indices: Sequence[Index], numbers: Sequence[int]) -> dict[str, int] | None:
    """The numbers for the letters among ``indices`` that make them ``numbers``."""
    letters: dict[str, int] = {}
    for index, number in zip(indices, numbers, strict=True):
        value = number - index.offset
        if index.is_number and value:
            return None
        if not index.is_number and letters.setdefault(index.letter, value) != value:
            return None
    return letters


def _unified(claimed: Node, truth: Node) -> tuple[dict[str, int], tuple[int, ...] | None] | None:
    """The letters that make ``claimed`` speak of ``truth``; and the entry, if it is an array."""
    match claimed, truth:
        case Element("delta", own), Derivative(Element("L"), Element("a", at)):
            letters = _matched(own, [index.offset for index in at]) if len(own) == len(at) else None
            return None if letters is None else (letters, None)
        case Element(first, own), Element(second, at) if first == second and len(own) == len(at):
            letters = _matched(own, [index.offset for index in at])
            return None if letters is None else (letters, None)
        case Derivative(Element(a, u) as of, Element(b, v)), Derivative(
            Element(c, s), Element(d, t)
        ):
            if (a, b, len(u), len(v)) != (c, d, len(s), len(t)):
                return None
            letters = _matched((*u, *v), [index.offset for index in (*s, *t)])
            return None if letters is None else (letters, None)
        case Derivative(Element() as of, Array() as by), Derivative(
            Element() as loss, Element() as at
        ):
            return _entry_of(by, at) if of == loss else None
        case Array("delta", layer), Derivative(Element("L"), Element("a") as at):
            return _entry_of(Array("a", layer), at)
        case Array() as by, Element() as at:
            return _entry_of(by, at)
        case _:
            return None


def _entry_of(by: Array, at: Element) -> tuple[dict[str, int], tuple[int, ...]] | None:
    if (by.letter.lower() if by.letter == "W" else by.letter) != at.letter:
        return None
    numbers = [index.offset for index in at.indices]
    if by.layer is None:
        return {}, tuple(numbers)
    if at.letter not in LAYERED:
        return None
    letters = _matched((by.layer,), numbers[:1])
    return None if letters is None else (letters, tuple(numbers[1:]))


def _entry(value: Value) -> Value:
    """The number that a page claims for a quantity."""
    if isinstance(value, Grid) and value.shape != (1, 1):
        raise Misshapen(f"a {value} array stands for a number")
    return entries(value)[0]


def _picked(value: Value, own: tuple[int, ...]) -> Value:
    if not isinstance(value, Grid):
        return value
    i, j = (*own, 1)[:2] if own else (1, 1)
    rows, columns = value.shape
    if i > rows or j > columns:
        raise Misshapen(f"a {value} array has no entry {own}")
    return value.rows[i - 1][j - 1]
