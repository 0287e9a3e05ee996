"""What a formula of a page is worth at a point: exactly, modulo secret primes, or in real numbers.

An `Evaluator` has the `Equations` of a network, an arithmetic (`symback.engine.arithmetics`) and
`Assumptions`, and gives the value of any node of `symback.language.expressions`: `Evaluator.value`.
It goes from one number to the next and no further than a condition asks; the SymPy expressions of a
graph are evaluated in `symback.engine.evaluation`, which says why there are two.

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
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from symback.checking.cells import Switch
from symback.checking.conversion import element_of
from symback.checking.equations import Equations, Link
from symback.checking.letters import GENERIC
from symback.checking.page import PARAMETER, Definition
from symback.engine.arithmetics import (
    RELATIONS,
    Arithmetic,
    Grid,
    Logarithms,
    Misshapen,
    OutOfRange,
    Residues,
    Undecided,
    Value,
    column,
    divided,
    elementwise,
    entries,
    mapped,
    multiplied,
    summed,
)
from symback.language.budget import spend
from symback.language.expressions import (
    ELL,
    LAYERED,
    LOSS,
    MINUS_ONE,
    ONE,
    TWO,
    ZERO,
    Array,
    At,
    Call,
    Cases,
    Comparison,
    Component,
    Derivative,
    Element,
    Free,
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
    rebuilt,
    replaced,
    walk,
)
from symback.language.functions import ELEMENTARY, SoftMax
from symback.language.names import Role, Variable, pack
from symback.language.reading import read

Environment = Mapping[str, int]
"""The numbers that index letters stand for."""

MOST_VISITS = 300_000
"""Nodes that one evaluation may visit, nested sums counted; about half a second."""

DEEP = 60
"""Quantities further apart are computed one after another; recursion would not reach."""


# ---------------------------------------------------------------------------- rules of calculus


def _template(text: str) -> Any:
    """A formula of the table in ``z``; i is the root of -1."""
    known = {"z": Element("z"), "i": Call("i", ()), "pi": Call("pi", ())}

    def placed(node: Node) -> Node:
        return known[node.name] if isinstance(node, Named) else rebuilt(node, placed)

    return placed(read(text, names=("z", "i")))


_Z = Element("z")
_ROWS = ELEMENTARY.items()
AS_EXPONENTIALS = {name: _template(row.exponentials) for name, row in _ROWS if row.exponentials}
SLOPES = {name: _template(row.slope) for name, row in _ROWS if row.slope}
DOMAINS = {
    name: _template(f"where({row.domain}, 1, 0)").branches[0][1]
    for name, row in _ROWS
    if row.domain
}


def with_z(template: Node, argument: Node) -> Any:
    """The template with its ``z`` replaced (templates bind no letters of their own)."""
    return replaced(template, Element("z"), argument)


def differentiated(node: Node, by: Element | Free) -> Node:
    """∂node/∂by by the rules of calculus; ``by`` has numbers for indices.

    Elements become derivatives by name, so what they depend on follows.
    """
    match node:
        case Number() | Letter() | Indicator() | OneHot() | Ones():
            return ZERO
        case Free(indices=()):
            return ONE if node == by else ZERO
        case Element() | Array() | Named() | Free():
            return Derivative(node, by)
        case Total(terms):
            return Total(tuple(differentiated(term, by) for term in terms))
        case Product(factors, elementwise=flag):
            return Total(
                tuple(
                    Product((*factors[:k], differentiated(part, by), *factors[k + 1 :]), flag)
                    for k, part in enumerate(factors)
                )
            )
        case Quotient(above, below):
            first = Product((differentiated(above, by), below), True)
            second = Product((MINUS_ONE, above, differentiated(below, by)), True)
            return Quotient(Total((first, second)), Power(below, TWO))
        case Power(base, exponent):
            if any(isinstance(part, (Element, Array, Named, Free)) for part in walk(exponent)):
                raise Undecided("symback does not differentiate a power whose exponent varies")
            less = Power(base, Total((exponent, MINUS_ONE)))
            return Product((exponent, less, differentiated(base, by)), True)
        case Sum(product=False):
            return replace(node, body=differentiated(node.body, by))
        case Transpose() | Matrix() | Component():
            return rebuilt(node, lambda part: differentiated(part, by))
        case Cases(branches):
            return Cases(tuple((differentiated(value, by), when) for value, when in branches))
        case Call("max" | "min" as name, (first, second)):
            relation = ">" if name == "max" else "<"
            won = differentiated(first, by), Comparison(first, relation, second)
            return Cases((won, (differentiated(second, by), None)))
        case Call("norm", (inner,), primes=0):
            return Quotient(Call("dot", (inner, differentiated(inner, by))), node)
        case Call("dot", (first, second)):
            parts = (differentiated(first, by), second), (first, differentiated(second, by))
            return Total(tuple(Call("dot", each) for each in parts))
        case Call("sum" | "diag"):
            return rebuilt(node, lambda part: differentiated(part, by))
        case Call(name) if name in ("pi", "i", "m") or SLOPES.get(name) == ZERO:
            return ZERO
        case Call(name, (inner,), primes=0) if name != "softmax":
            return Product((replace(node, primes=1), differentiated(inner, by)), True)
        case Call(name):
            raise Undecided(f"symback does not differentiate {name} in a line")
        case _:
            raise Undecided(f"symback does not differentiate {type(node).__name__.lower()}")


# ----------------------------------------------------------------------------------- evaluation


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is taken to hold beside the equations.

    ``true_class`` makes y the one-hot vector e(ℓ); ``known_sum`` makes Σ y_i that number;
    ``definitions`` are the page's own names; ``overrides`` are claims of the page that are taken
    for true though they are not (to see what merely follows from them); ``pins`` are numbers put
    for quantities (the evaluation bar); ``from_leaves`` computes every preactivation from weights
    and biases instead of drawing it, as the numbers of a file need it; ``shared`` are the layers
    for which a line about a batch needs the same, since it names their biases.
    """

    true_class: int | None = None
    known_sum: int | None = None
    definitions: tuple[Definition, ...] = ()
    overrides: tuple[tuple[Node, Node], ...] = ()
    pins: tuple[tuple[Node, Node], ...] = ()
    from_leaves: bool = False
    variables: int = 3
    """How many z_i there are where the page says of any numbers z_i what holds."""
    shared: frozenset[int] = frozenset()


Quantity = tuple[Variable, tuple[int, ...]]
"""One scalar quantity: an array and the indices in it."""


class Evaluator:
    """Values of nodes in one arithmetic at one point, under some assumptions.

    ``signs`` evaluates conditions where the arithmetic cannot compare (residues have no order): the
    same equations in `symback.checking.cells.Forms`, or at a real point.  ``needs`` is called with
    each condition that must hold for a function of the page to have a value: log u needs u > 0.

    Methods are handed the numbers that index letters stand for (``env``) and the arithmetic
    (``numbers``), which is another one within an exponential.
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
        self._elements: dict[tuple[Variable, tuple[int, ...], int], Value] = {}
        self._gradients: dict[tuple[Quantity, Quantity, int], Value] = {}
        self._logarithms: dict[int, Logarithms] = {}
        self._standing_in: set[tuple] = set()
        self._prepared: set[tuple[Variable, int]] = set()
        self._pins: dict[Quantity, Node] = {}
        for left, right in assumptions.pins:
            if not isinstance(left, Element):
                raise Undecided("only single quantities are given other values")
            self._pins[self.place(left, {})] = right
        biased = any(variable.role is Role.BIAS for variable, _ in self._pins)
        all_drawn = not (assumptions.from_leaves or biased)
        self._drawn = frozenset(
            each for each in equations.free if all_drawn and each.layer not in assumptions.shared
        )

    def under(self, assumptions: Assumptions) -> Evaluator:
        """The same point under other assumptions."""
        signs = self.signs.under(assumptions) if self.signs is not None else None
        return Evaluator(self.equations, self.arithmetic, assumptions, signs, self.needs)

    def value(self, node: Node, env: Environment, level: int = 0) -> Value:
        """The value of ``node``; index letters stand for the numbers in ``env``."""
        return self._value(node, env, self.arithmetic.at(level))

    def element(self, element: Element, level: int = 0) -> Value:
        """The value of one scalar quantity, its indices numbers."""
        return self._element(element, {}, self.arithmetic.at(level))

    def place(self, element: Element, env: Environment) -> Quantity:
        """The quantity that an element is, and its indices in it."""
        sample = None if element.sample is None else self.number_of(element.sample, env)
        return self.equations.place(element.letter, self.indices(element.indices, env), sample)

    # ------------------------------------------------------------------------------ any node

    def _value(self, node: Node, env: Environment, numbers: Arithmetic) -> Value:
        spend()
        self.visits += 1
        if self.visits > MOST_VISITS:
            raise Undecided("the line is too long to evaluate: its nested sums have too many terms")
        match node:
            case Number(value, None):
                return numbers.number(value)
            case Element():
                return self._element(node, env, numbers)
            case Product(factors, is_elementwise):
                values = self._values(factors, env, numbers)
                return (elementwise if is_elementwise else multiplied)(values, numbers)
            case Total(terms):
                return summed(self._values(terms, env, numbers), numbers)
            case Call():
                return self._call(node, env, numbers)
            case Quotient(above, below):
                above, below = self._values((above, below), env, numbers)
                return divided(above, below, numbers)
            case Power(base, exponent):
                return self._power(base, exponent, env, numbers)
            case Sum():
                return self._sum(node, env, numbers)
            case Derivative(of, by):
                return self._derivative(of, by, env, numbers)
            case Number(value, decimals):
                return numbers.rounded(value, decimals or 0)
            case Letter(index, width):
                number = self.number_of(index, env)
                return numbers.number(Fraction(self._width(number) if width else number))
            case Free(name, indices):
                own, count = self.indices(indices, env), self.assumptions.variables
                if not all(1 <= number <= count for number in own):
                    raise OutOfRange(f"there is no {name}_{pack(own)} of {count}")
                return numbers.drawn((f"any {name}", own))
            case Array("delta", layer):
                return self._derivative(LOSS, Array("a", layer), env, numbers)
            case Array():
                return self._grid(node, env, lambda one: self._element(one, {}, numbers))
            case Cases(()):
                raise Undecided("no case of a function given by cases holds")
            case Cases(branches):
                (value, condition), *rest = branches
                if condition is None:
                    return self._value(value, env, numbers)
                return self._either(condition, value, Cases(tuple(rest)), env, numbers)
            case Comparison():
                return self._either(node, ONE, ZERO, env, numbers)
            case Indicator(Comparison(Array() as array, relation, right)):
                entry = Indicator(Comparison(Element("z"), relation, right))
                return self._each(entry, array, env, numbers)
            case Indicator(condition):
                return self._either(condition, ONE, ZERO, env, numbers)
            case Transpose(of):
                value = self._value(of, env, numbers)
                return value.turned if isinstance(value, Grid) else value
            case Matrix(rows):
                grid = Grid(tuple(tuple(self._values(row, env, numbers)) for row in rows))
                if any(isinstance(entry, Grid) for entry in grid):
                    raise Misshapen("an array within an array is not read")
                return grid
            case Component(of, indices):
                return _component(self._value(of, env, numbers), self.indices(indices, env))
            case OneHot(index):
                place, size = self.number_of(index, env), self._width(self.equations.scope.depth)
                ones = (Fraction(int(k == place)) for k in range(1, size + 1))
                return column([numbers.number(one) for one in ones])
            case Ones(like):
                one = numbers.number(Fraction(1))
                return mapped(self._value(like, env, numbers), lambda _: one)
            case Named():
                return self._named(node, env, numbers)
            case At(of, values):
                pins = (*self.assumptions.pins, *values)
                bar = self.under(replace(self.assumptions, pins=pins))
                return bar._value(of, env, numbers)
        raise Undecided(f"{type(node).__name__} has no value")

    def _values(self, nodes: Sequence[Node], env: Environment, numbers: Arithmetic) -> list[Value]:
        return [self._value(node, env, numbers) for node in nodes]

    def _power(self, base: Node, exponent: Node, env: Environment, numbers: Arithmetic) -> Value:
        whole = self._whole(exponent, env)
        if whole is not None:
            value = self._value(base, env, numbers)
            return mapped(value, lambda entry: numbers.power(entry, whole))
        halves = _halves(exponent)
        if halves is not None:
            return self._value(Power(Call("sqrt", (base,)), Number(halves)), env, numbers)
        log = Product((exponent, Call("log", (base,))), True)
        return self._value(Call("exp", (log,)), env, numbers)

    def _whole(self, node: Node, env: Environment) -> int | None:
        """A whole exponent of at most 64, where it is one by its form."""
        match node:
            case Number(value) if value.denominator == 1 and abs(value) <= 64:
                return int(value)
            case Product((Number(sign), Number(value))) if (sign * value).denominator == 1:
                return self._whole(Number(sign * value), env)
            case Letter(index, width=False):
                return self.number_of(index, env)
            case Total(terms):
                parts = [self._whole(term, env) for term in terms]
                return None if None in parts else sum(part for part in parts if part is not None)
            case _:
                return None

    def _sum(self, node: Sum, env: Environment, numbers: Arithmetic) -> Value:
        places = self.range_of(node, env)
        if len(places) > 100_000:
            raise Undecided("a sum has more than 100,000 terms")
        values = [self._value(node.body, {**env, node.letter: k}, numbers) for k in places]
        if node.product:
            return multiplied(values, numbers)
        return summed(values, numbers) if values else numbers.number(Fraction(0))

    def range_of(self, node: Sum, env: Environment) -> list[int]:
        """The numbers that the letter of a sum runs over."""
        if node.upper is None:
            upper = self.extent(node.letter, node.body, env)
        else:
            upper = self.number_of(node.upper, env)
        without = None if node.without is None else self.number_of(node.without, env)
        return [k for k in range(node.lower, upper + 1) if k != without]

    def extent(self, letter: str, body: Node, env: Environment) -> int:
        """How many values an index letter has, from the first place where it stands."""
        for part in walk(body):
            sample = getattr(part, "sample", None)
            if sample is not None and sample.letter == letter and self.equations.samples:
                return self.equations.samples - sample.offset
            for position, index in enumerate(getattr(part, "indices", ())):
                if index.letter == letter:
                    size = self._size_at(part, position, env)
                    if size is not None:
                        return size - index.offset
        raise Undecided(f"nothing says how far the sum over {letter} goes")

    def _size_at(self, node: Node, position: int, env: Environment) -> int | None:
        """How many neurons an index numbers; None where it is not an index of the network."""
        scope = self.equations.scope
        match node:
            case Component(Array() as array) | Component(Call(_, (Array() as array, *_))):
                if array.layer is None:
                    return self._width(0 if array.letter == "x" else scope.depth)
                return self._width(self.number_of(array.layer, env))
            case Element("x" | "y" | "yhat" as letter) if scope.is_network:
                return self._width(0 if letter == "x" else scope.depth)
            case Element(letter, (layer, *_)) if scope.is_network and letter in LAYERED:
                if position == 0:
                    return scope.depth
                before = letter == "w" and position == 2
                return self._width(self.number_of(layer, env) - before)
            case Free():
                return self.assumptions.variables
            case Named(name, indices):
                for each in self.assumptions.definitions:
                    if each.name == name and len(each.indices) == len(indices):
                        own = each.indices[position]
                        with suppress(Undecided):
                            return self.extent(own.letter, each.node, env) if own.letter else None
        return None

    def _width(self, layer: int) -> int:
        widths = self.equations.scope.widths
        if not 0 <= layer < len(widths):
            raise OutOfRange(f"there is no layer {layer}")
        return int(widths[layer])

    def number_of(self, index: Index, env: Environment) -> int:
        """The number of an index."""
        if index.is_number:
            return index.offset
        if index.letter == ELL and self.assumptions.true_class is not None:
            return self.assumptions.true_class + index.offset
        if index.letter not in env:
            raise Undecided(f"nothing says what {index.letter} is")
        return env[index.letter] + index.offset

    def indices(self, indices: Sequence[Index], env: Environment) -> tuple[int, ...]:
        """The numbers of some indices."""
        return tuple(self.number_of(index, env) for index in indices)

    def _named(self, node: Named, env: Environment, numbers: Arithmetic) -> Value:
        definition, letters = self.definition(node, env)
        if len(self._standing_in) > 40:
            raise Undecided(f"the definition of {node.name} leads back to itself")
        key = ("definition", len(self._standing_in), node)
        self._standing_in.add(key)
        try:
            return self._value(definition.node, letters, numbers)
        finally:
            self._standing_in.discard(key)

    def definition(self, node: Named, env: Environment) -> tuple[Definition, dict[str, int]]:
        """What the page says a name is, and the numbers of its letters; raises `Undecided`."""
        own = self.indices(node.indices, env)
        for definition in reversed(self.assumptions.definitions):
            if definition.name == node.name and len(definition.indices) == len(own):
                letters = _matched(definition.indices, own)
                if letters is not None:
                    return definition, {**env, **letters}
        raise Undecided(f"nothing on the page says what {node.name} is")

    # ---------------------------------------------------------------------------- conditions

    def _either(
        self, condition: Node, first: Node, second: Node, env: Environment, numbers: Arithmetic
    ) -> Value:
        """``first`` where the condition holds, else ``second``; under a switch e, e·u + (1-e)·v."""
        found = self.holds(condition, env)
        if not isinstance(found, Switch):
            return self._value(first if found else second, env, numbers)
        on = numbers.drawn(found.name)
        off = _less(numbers.number(Fraction(1)), [on], numbers)
        shares = (on, off) if found.positive else (off, on)
        parts = [
            elementwise([share, self._value(node, env, numbers)], numbers)
            for share, node in zip(shares, (first, second), strict=True)
        ]
        return summed(parts, numbers)

    def holds(self, condition: Node, env: Environment) -> bool | Switch:
        """Whether a condition holds at this point, or the switch that stands for it."""
        match condition:
            case Comparison(Letter(index), relation, Letter() | Number() as right):
                is_letter = isinstance(right, Letter)
                second = self.number_of(right.index, env) if is_letter else right.value
                return RELATIONS[relation](self.number_of(index, env), second)
            case Comparison() if self.signs is not None:
                return self.signs.holds(condition, env)
            case Comparison(left, relation, right):
                first, second = self._values((left, right), env, self.arithmetic)
                if isinstance(first, Grid) or isinstance(second, Grid):
                    raise Undecided("a comparison of arrays")
                return self.arithmetic.holds(first, relation, second)
        raise Undecided("a condition that is no comparison")

    def _need(self, function: str, argument: Node, env: Environment) -> None:
        """A function of the page has a value only where its argument is in its domain."""
        domain = DOMAINS.get(function)
        if domain is not None and self.needs is not None and not self._within:
            self.needs(with_z(domain, argument), env)

    @contextmanager
    def _inside(self) -> Iterator[None]:
        """What is evaluated here is no expression of the page's own."""
        self._within += 1
        try:
            yield
        finally:
            self._within -= 1

    # ---------------------------------------------------------------------------- quantities

    def _element(self, element: Element, env: Environment, numbers: Arithmetic) -> Value:
        if element.letter == "eta":
            return numbers.drawn("eta")
        if element.letter == "delta":
            return self._derivative(LOSS, replace(element, letter="a"), env, numbers)
        variable, own = self.place(element, env)
        key = (variable, own, numbers.level)
        if key not in self._elements:
            self._prepare(variable, numbers)
            with self._inside():
                self._elements[key] = self._computed(variable, own, numbers)
        return self._elements[key]

    def _prepare(self, variable: Variable, numbers: Arithmetic) -> None:
        """Compute what a quantity far down is made of, from the inputs on, without recursion."""
        graph, order, level = self.equations.graph, self.equations.order, numbers.level
        if order[variable] < DEEP or (variable, level) in self._prepared:
            return
        found, frontier = {variable}, [variable]
        while frontier:
            parent = frontier.pop()
            parents = () if parent in self._drawn else graph.parents.get(parent, ())
            frontier += [parent for parent in parents if parent not in found]
            found.update(parents)
        self._prepared |= {(each, level) for each in found}
        for before in sorted(found - {variable}, key=order.__getitem__):
            sizes = (range(1, int(size) + 1) for size in before.shape)
            for own in itertools.product(*sizes) if before in graph.by_variable else ():
                if (before, own, level) not in self._elements:
                    with self._inside():
                        value = self._computed(before, own, numbers)
                    self._elements[before, own, level] = value

    def _computed(self, variable: Variable, own: tuple[int, ...], numbers: Arithmetic) -> Value:
        if (pinned := self._pins.get((variable, own))) is not None:
            return self._value(pinned, {}, numbers)
        if self.assumptions.overrides:
            claimed = self._override(element_of(variable, own), numbers)
            if claimed is not None:
                return claimed
        equations = self.equations
        if variable in self._drawn:
            return numbers.drawn((variable.name, own))
        if self._drawn and variable in equations.solved:
            env = {letter.name: k for letter, k in zip(variable.indices, own, strict=True)}
            a = self._element(Element("a", _fixed((variable.layer or 0, *own))), {}, numbers)
            rest = self._value(equations.without_bias[variable.layer], env, numbers)
            return _less(a, [rest], numbers)
        if variable in equations.rhs:
            free = equations.graph.by_variable[variable].free
            env = {letter.name: k for letter, k in zip(free, own, strict=True)}
            return self._value(equations.rhs[variable], env, numbers)
        if variable.role is Role.TARGET:
            return self._target(variable, own, numbers)
        return numbers.drawn((variable.name, own))

    def _target(self, variable: Variable, own: tuple[int, ...], numbers: Arithmetic) -> Value:
        """What is known of a target: the true class, or Σ y_i.

        A true class beyond the last one is that of the first sample, and the next sample has the
        next.
        """
        known, place = self.assumptions, own[-1]
        width, element = int(variable.shape[-1]), element_of(variable, own)
        if known.true_class is not None:
            later = 0 if element.sample is None else element.sample.offset - 1
            steps, first = divmod(known.true_class - 1, width)
            true_class = (first + later * steps) % width + 1
            return numbers.number(Fraction(int(place == true_class)))
        if known.known_sum is None or place < width:
            return numbers.drawn((variable.name, own))
        others = [
            self._element(replace(element, indices=_fixed((k,))), {}, numbers)
            for k in range(1, width)
        ]
        return _less(numbers.number(Fraction(known.known_sum)), others, numbers)

    def _grid(self, array: Array, env: Environment, entry: Callable[[Element], Value]) -> Grid:
        """What ``entry`` makes of each element of an array."""
        layer = None if array.layer is None else self.number_of(array.layer, env)
        letter = "w" if array.letter == "W" else array.letter
        variable = self.equations.variable(letter, layer)
        if variable is None:
            raise OutOfRange(f"there is no {letter}" + (f"_{layer}" if layer is not None else ""))
        rows, columns = (*(range(1, int(size) + 1) for size in variable.shape), (), ())[:2]
        places = [[(i, j) for j in columns] or [(i,)] for i in rows] or [[()]]
        return Grid(tuple(tuple(entry(element_of(variable, own)) for own in row) for row in places))

    # ---------------------------------------------------------------------------- derivatives

    def _derivative(self, of: Node, by: Node, env: Environment, numbers: Arithmetic) -> Value:
        """∂of/∂by."""
        if isinstance(by, Array):
            made = self._grid(by, env, lambda one: self._derivative(of, one, env, numbers))
            if not isinstance(made.rows[0][0], Grid):
                return made
            if made.shape[1] > 1 or any(entry.shape[1] != 1 for entry in made):
                raise Undecided("the derivative of an array by a matrix has more than two indices")
            return Grid(tuple(zip(*map(entries, made), strict=True)))
        if isinstance(by, Free):
            return self._by_variable(of, by, env, numbers)
        if not isinstance(by, Element) or by.letter in ("delta", "eta"):
            raise Undecided("symback differentiates by quantities of the network only")
        quantity = self.place(by, env)
        sample = None if by.sample is None else Index("", self.number_of(by.sample, env))
        by = Element(by.letter, _fixed(self.indices(by.indices, env)), sample)
        match of:
            case Element("delta"):
                raise Undecided("symback does not differentiate a derivative again")
            case Element():
                return self._gradient(self.place(of, env), quantity, numbers)
            case Array():
                return self._grid(of, env, lambda one: self._derivative(one, by, env, numbers))
            case Named():
                definition, letters = self.definition(of, env)
                return self._derivative(definition.node, by, letters, numbers)
        return self._value(differentiated(of, by), env, numbers)

    def _by_variable(self, of: Node, by: Free, env: Environment, numbers: Arithmetic) -> Value:
        """∂of/∂by for the variable of a lemma, on which no quantity of the network depends."""
        by = Free(by.name, _fixed(self.indices(by.indices, env)))
        match of:
            case Free(name, indices):
                same = Free(name, _fixed(self.indices(indices, env))) == by
                return numbers.number(Fraction(int(same)))
            case Element() | Array():
                raise Undecided(f"whether this depends on {by.name} is not known")
            case Named():
                definition, letters = self.definition(of, env)
                return self._derivative(definition.node, by, letters, numbers)
        return self._value(differentiated(of, by), env, numbers)

    def _gradient(self, of: Quantity, by: Quantity, numbers: Arithmetic) -> Value:
        key = (of, by, numbers.level)
        if key not in self._gradients:
            with self._inside():
                order, nodes = self.equations.order, [by]
                if order[of[0]] - order[by[0]] > DEEP:
                    nodes = self._leading_on(of, by, numbers.level)
                for node in reversed(nodes):
                    value = self._summed_over_ways(of, node, numbers)
                    self._gradients[of, node, numbers.level] = value
        return self._gradients[key]

    def _leading_on(self, of: Quantity, by: Quantity, level: int) -> list[Quantity]:
        """``by`` and what leads on from it to ``of`` and is not known, each before its branches."""
        order, found, frontier = self.equations.order, {by}, [by]
        while frontier:
            variable, indices = frontier.pop()
            for link in self._links(of, variable):
                nodes = {(link.local.child, own) for own, _ in link.children(indices)} - found
                found |= nodes
                frontier += [n for n in nodes if n != of and (of, n, level) not in self._gradients]
        unknown = [node for node in found if (of, node, level) not in self._gradients]
        return sorted(unknown, key=lambda node: (order[node[0]], node[1]))

    def _links(self, of: Quantity, variable: Variable) -> Iterator[Link]:
        """The local derivatives by a quantity of what may lead on to ``of``."""
        order, last = self.equations.order, self.equations.order[of[0]]
        for link in self.equations.links(variable):
            child = link.local.child
            if order[child] < last or child == of[0]:
                yield link

    def _summed_over_ways(self, of: Quantity, by: Quantity, numbers: Arithmetic) -> Value:
        """∂of/∂by = Σ_c ∂of/∂c ∂c/∂by over the c computed directly from by."""
        if of == by:
            return numbers.number(Fraction(1))
        if self.assumptions.overrides:
            asked = Derivative(element_of(*of), element_of(*by))
            claimed = self._override(asked, numbers)
            if claimed is not None:
                return claimed
        terms = []
        for link in self._links(of, by[0]):
            for own, letters in link.children(by[1]):
                outer = self._gradient(of, (link.local.child, own), numbers)
                if outer:
                    inner = self._value(link.node, letters, numbers)
                    terms.append(numbers.product([outer, inner]))
        return numbers.total(terms)

    def _override(self, truth: Node, numbers: Arithmetic) -> Value | None:
        """What the page claims instead of ``truth`` (an element, or a derivative), if it does."""
        for place, (claimed, value) in enumerate(self.assumptions.overrides):
            letters = None if (place, truth) in self._standing_in else _unified(claimed, truth)
            if letters is None:
                continue
            self._standing_in.add((place, truth))
            try:
                found = self._value(value, letters[0], numbers)
                return _picked(found, letters[1])
            finally:
                self._standing_in.discard((place, truth))
        return None

    # ---------------------------------------------------------------------------- functions

    def _call(self, node: Call, env: Environment, numbers: Arithmetic) -> Value:
        defined = self._function(node.function)
        if defined is not None:
            return self._page_function(defined, node, env, numbers)
        if node.function in ("O", *GENERIC):
            if not self.equations.scope.is_network:
                raise Undecided(f"nothing says what {node.function} is")
            is_output, (argument, *_) = node.function == "O", node.arguments
            last = self.equations.scope.activations[-1]
            name = last if is_output else self._hidden_activation(argument, env)
            node = replace(node, function=name)
        if node.primes:
            return self._slope(node, env, numbers)
        match node.function, node.arguments:
            case "exp", (argument,):
                return self._exponential(argument, env, numbers)
            case "log", (argument,):
                return self._logarithm(argument, env, numbers)
            case "log10" | "log2" as name, arguments:
                base = Call("log", (Number(Fraction(name[3:])),))
                return self._value(Quotient(Call("log", arguments), base), env, numbers)
            case "sqrt", (argument,):
                return self._root(argument, env, numbers)
            case "pi", _:
                return numbers.pi()
            case "i", _:
                return numbers.imaginary()
            case "m", _:
                if self.equations.samples is None:
                    raise Undecided("a number of samples, where there is one by itself")
                return numbers.number(Fraction(self.equations.samples))
            case "abs", (argument,):
                above, opposite = Comparison(argument, ">?", ZERO), Product((MINUS_ONE, argument))
                return self._either(above, argument, opposite, env, numbers)
            case "sign", (argument,):
                above, below = (Comparison(argument, relation, ZERO) for relation in (">", "<"))
                other: Node = Cases(((MINUS_ONE, below), (ZERO, None)))
                tells_borders = (self.signs or self).arithmetic.tells_borders
                if isinstance(self.holds(above, env), Switch) and not tells_borders:
                    other = MINUS_ONE  # the argument is not 0 everywhere
                return self._either(above, ONE, other, env, numbers)
            case "max" | "min" as name, arguments:
                return self._extreme(name, arguments, env, numbers)
            case "softmax", (argument, *_):
                powers = self._value(Call("exp", (argument,)), env, numbers)
                if not isinstance(powers, Grid):
                    raise Misshapen("softmax of a number; it is a function of a whole layer")
                inverse = numbers.inverse(numbers.total(list(powers)))
                return mapped(powers, lambda entry: numbers.product([entry, inverse]))
            case "diag", (argument, *_):
                listed = entries(self._value(argument, env, numbers))
                zero = numbers.number(Fraction(0))
                rows = range(len(listed))
                return Grid(tuple(tuple(listed[i] if i == j else zero for j in rows) for i in rows))
            case "sum", (argument, *_):
                return numbers.total(entries(self._value(argument, env, numbers)))
            case "norm", (argument, *_):
                squares = Call("sum", (Power(argument, TWO),))
                return self._value(Call("sqrt", (squares,)), env, numbers)
            case "dot", factors:
                return self._value(Call("sum", (Product(factors, True),)), env, numbers)
            case "outer", (first, second):
                return self._value(Product((first, Transpose(second))), env, numbers)
        return self._elementary(node, env, numbers)

    def _function(self, name: str) -> Definition | None:
        """What the page says a function is."""
        own = (d for d in reversed(self.assumptions.definitions) if d.is_function)
        return next((definition for definition in own if definition.name == name), None)

    def _page_function(
        self, definition: Definition, node: Call, env: Environment, numbers: Arithmetic
    ) -> Value:
        """The value, or with a prime the slope, of a function that the page defines."""
        if node.primes > 1 or len(node.arguments) != 1:
            raise Undecided("symback knows first derivatives of functions of one variable")
        key = ("function", len(self._standing_in), definition.name)
        if len(self._standing_in) > 40:
            raise Undecided(f"the definition of {definition.name} leads back to itself")
        body = differentiated(definition.node, PARAMETER) if node.primes else definition.node
        self._standing_in.add(key)
        try:
            return self._each(body, node.arguments[0], env, numbers, PARAMETER)
        finally:
            self._standing_in.discard(key)

    def _hidden_activation(self, argument: Node, env: Environment) -> str:
        """The function that g names: that of the layer its argument is the preactivation of."""
        activations = self.equations.scope.activations
        layers = []
        for part in walk(argument):
            match part:
                case Array("a", Index() as layer) | Element("a", (layer, *_)):
                    layers.append(self.number_of(layer, env))
        if len(set(layers)) == 1:
            if not 1 <= layers[0] <= len(activations):
                raise OutOfRange(f"there is no layer {layers[0]}")
            if layers[0] == len(activations) > 1 and activations[-1] not in activations[:-1]:
                raise OutOfRange("g is the activation of the hidden layers, not of the last one")
            return activations[layers[0] - 1]
        if len(set(activations[:-1] or activations)) == 1:
            return activations[0]
        raise Undecided("g could be the activation of several layers; write its name")

    def _slope(self, node: Call, env: Environment, numbers: Arithmetic) -> Value:
        name, own = node.function, self.equations.activations.get(node.function)
        if node.primes > 1 or len(node.arguments) != 1:
            raise Undecided("symback knows first derivatives of functions of one variable")
        if isinstance(own, SoftMax):
            raise Undecided("softmax has no derivative g′: each output depends on every input")
        if own is None and name not in SLOPES:
            raise Undecided(f"symback has no derivative of {name}")
        template = SLOPES[name] if own is None else self.equations.slope_of(name)
        return self._each(template, node.arguments[0], env, numbers)

    def _each(
        self,
        template: Node,
        argument: Node,
        env: Environment,
        numbers: Arithmetic,
        variable: Node = _Z,
    ) -> Value:
        """``template`` with ``argument`` for its variable; for an array entry by entry."""
        if not isinstance(argument, Array) or argument.letter == "delta":
            return self._value(replaced(template, variable, argument), env, numbers)
        return self._grid(
            argument, env, lambda one: self._value(replaced(template, variable, one), {}, numbers)
        )

    def _elementary(self, node: Call, env: Environment, numbers: Arithmetic) -> Value:
        name, argument = node.function, node.arguments[0]
        self._need(name, argument, env)
        undone = ELEMENTARY[name].inner if name in ELEMENTARY else ""
        match node.arguments:
            case (Call(inverse, (inner,), primes=0),) if undone == inverse:
                self._need(inverse, inner, env)
                return self._value(inner, env, numbers)
        if name not in numbers.direct and name in AS_EXPONENTIALS:
            return self._each(AS_EXPONENTIALS[name], argument, env, numbers)
        if name not in numbers.direct and name in self.equations.activations:
            return self._each(self.equations.value_of(name), argument, env, numbers)
        if name not in numbers.direct and name not in ELEMENTARY:
            raise Undecided(f"symback does not know the function {name}")
        value = self._value(argument, env, numbers)
        return mapped(value, lambda entry: numbers.function(name, entry))

    def _exponential(self, argument: Node, env: Environment, numbers: Arithmetic) -> Value:
        inner, power = argument, None
        match argument:  # e^{c log u} is u^c, where c is made of halves (no residue else)
            case Call("log", (inner,), primes=0):
                power = inner
            case Product((Number() as factor, Call("log", (inner,), primes=0))):
                power = Power(inner, factor) if _halves(factor) is not None else None
        if power is not None:
            self._need("log", inner, env)
            return self._value(power, env, numbers)
        exponents = self._value(argument, env, numbers.below())
        made = mapped(exponents, numbers.exponential)
        if isinstance(numbers, Residues):
            known = dict(env)
            for place, value in enumerate(entries(made)):
                self._logarithms_at(numbers).exponents[value] = lambda place=place: entries(
                    self._value(argument, known, numbers)
                )[place]
        return made

    def _root(self, argument: Node, env: Environment, numbers: Arithmetic) -> Value:
        self._need("sqrt", argument, env)
        if isinstance(numbers, Residues):
            if isinstance(argument, Number) and argument.value >= 0:
                return numbers.root_of_number(argument.value)
            apart = _root_apart(argument)
            if apart is not None:
                with self._inside():
                    return self._value(apart, env, numbers)
        if argument == Call("pi", ()):
            return numbers.root_of_pi()
        value = self._value(argument, env, numbers)
        return mapped(value, lambda entry: numbers.function("sqrt", entry))

    def _extreme(
        self, name: str, arguments: Sequence[Node], env: Environment, numbers: Arithmetic
    ) -> Value:
        arrays = [part for part in arguments if isinstance(part, Array)]
        if len(arrays) == 1 and len(arguments) == 2:
            other = next(part for part in arguments if part is not arrays[0])
            return self._each(Call(name, (other, Element("z"))), arrays[0], env, numbers)
        *most, last = arguments
        if not most:
            return self._value(last, env, numbers)
        best = most[0] if len(most) == 1 else Call(name, tuple(most))
        first, second = (best, last) if name == "max" else (last, best)
        return self._either(Comparison(best, ">?", last), first, second, env, numbers)

    # ---------------------------------------------------------------------------- logarithms

    def _logarithm(self, argument: Node, env: Environment, numbers: Arithmetic) -> Value:
        self._need("log", argument, env)
        if "log" in numbers.direct:
            value = self._value(argument, env, numbers)
            return mapped(value, lambda entry: numbers.function("log", entry))
        assert isinstance(numbers, Residues)
        logarithms = self._logarithms_at(numbers)
        apart = self._logarithm_apart(argument, env)
        if apart is None and isinstance(argument, Number):
            return logarithms.of_number(argument.value)
        if apart is None:
            return mapped(self._value(argument, env, numbers), logarithms.of)
        with self._inside():
            found = self._value(*apart, numbers)
        value = self._value(argument, env, numbers)
        for entry, logarithm in zip(entries(value), entries(found), strict=True):
            logarithms.learn(entry, logarithm)
        return found

    def _logarithm_apart(self, argument: Node, env: Environment) -> tuple[Node, Environment] | None:
        """log(uv) = log u + log v and the like, with the letters that the parts need."""

        def log(node: Node) -> Node:
            return Call("log", (node,))

        match argument:
            case Product(factors) if not any(map(_has_array, factors)):
                return Total(tuple(map(log, factors))), env
            case Quotient(above, below) if not _has_array(above):
                return Total((log(above), Product((MINUS_ONE, log(below))))), env
            case Power(base, exponent) if not _has_array(base):
                return Product((exponent, log(base))), env
            case Call("exp", (inner,), primes=0):
                return inner, env
            case Call("sqrt", (inner,)):
                return Quotient(log(inner), TWO), env
            case Element(letter) if letter not in ("eta", "delta"):
                variable, own = self.place(argument, env)
                rhs = self.equations.rhs.get(variable)
                known = variable in self.equations.free or (variable, own) in self._pins
                if not known and isinstance(rhs, (Product, Quotient, Power, Call)):
                    free = self.equations.graph.by_variable[variable].free
                    letters = (each.name for each in free)
                    return log(rhs), dict(zip(letters, own, strict=True))
            case Call(function, (inner,), primes=0) if function in self.equations.activations:
                if not isinstance(self.equations.activations[function], SoftMax):
                    return log(with_z(self.equations.value_of(function), inner)), env
        return None

    def _logarithms_at(self, numbers: Residues) -> Logarithms:
        return self._logarithms.setdefault(numbers.level, Logarithms(numbers))


def _halves(node: Node) -> Fraction | None:
    """n where an exponent is n/2 by its form."""
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


def _root_apart(argument: Node) -> Node | None:
    """√(u v) = √|u| √|v|, √(u²) = |u| and the like, where the root is of something not negative.

    The same of |argument|; None where nothing is known.
    """
    match argument:
        case Product(factors) if len(factors) > 1 and not any(map(_has_array, factors)):
            return _root_of_product(factors)
        case Quotient(above, below) if not _has_array(above) and not _has_array(below):
            return _root_of_product((above, Power(below, MINUS_ONE)))
        case Power(base, Number(power)) if power.denominator == 1 and not _has_array(base):
            size = Call("abs", (base,))
            whole = Power(size, Number(Fraction(power // 2)))
            if power % 2 == 0:
                return whole
            return Product((Call("sqrt", (size,)), whole), True) if power != 1 else None
        case Call("exp", (inner,), primes=0):
            return Call("exp", (Quotient(inner, TWO),))
        case Call("abs", (inner,)):
            return _root_apart(inner)
        case _:
            return None


def _root_of_product(factors: Sequence[Node]) -> Node | None:
    """|u| for what stands twice, √|u| for what stands once; numbers with their signs together."""
    values = [factor.value for factor in factors if isinstance(factor, Number)]
    number = abs(math.prod(values, start=Fraction(1)))
    rest = [factor for factor in factors if not isinstance(factor, Number)]
    made: list[Node] = [] if number == 1 else [Call("sqrt", (Number(number),))]
    for factor in dict.fromkeys(rest):
        pairs, single = divmod(rest.count(factor), 2)
        size = Call("abs", (factor,))
        made += [Power(size, Number(Fraction(pairs)))] if pairs else []
        made += [Call("sqrt", (size,))] if single else []
    return Product(tuple(made), True) if len(made) > 1 else made[0] if made else ONE


def _has_array(node: Node) -> bool:
    return any(
        isinstance(part, (Array, Matrix, OneHot, Ones))
        or (isinstance(part, Derivative) and isinstance(part.by, Array))
        for part in walk(node)
    )


def _fixed(own: Sequence[int]) -> tuple[Index, ...]:
    return tuple(Index("", number) for number in own)


def _less(value: Value, others: Sequence[Value], numbers: Arithmetic) -> Value:
    """A number less some others."""
    minus = numbers.number(Fraction(-1))
    return numbers.total([value, *(numbers.product([minus, other]) for other in others)])


def _component(value: Value, own: tuple[int, ...]) -> Value:
    """One entry of an array, by its row and column or by its place in a vector."""
    if not isinstance(value, Grid):
        raise Misshapen("a component of a number")
    rows, columns = value.shape
    if len(own) == 1:
        own = (own[0], 1) if columns == 1 else (1, own[0])
    if not (1 <= own[0] <= rows and 1 <= own[1] <= columns):
        raise OutOfRange(f"a {value} array has no component {list(own)}")
    return value.rows[own[0] - 1][own[1] - 1]


# ------------------------------------------------------------- claims that are taken for true


def _matched(indices: Sequence[Index], own: Sequence[int]) -> dict[str, int] | None:
    """The numbers for the letters among ``indices`` that make them ``own``."""
    letters: dict[str, int] = {}
    if len(indices) != len(own):
        return None
    for index, number in zip(indices, own, strict=True):
        value = number - index.offset
        if index.is_number and value:
            return None
        if not index.is_number and letters.setdefault(index.letter, value) != value:
            return None
    return letters


def _unified(claimed: Node, truth: Node) -> tuple[dict[str, int], tuple[int, ...] | None] | None:
    """The letters that make ``claimed`` speak of ``truth``; and the entry, if it is an array."""
    match claimed, truth:
        case Element("delta"), Derivative(Element("L"), Element("a") as by):
            own, at = _numbering(claimed), _numbering(by)
        case Element(first), Element(second) if first == second:
            own, at = _numbering(claimed), _numbering(truth)
        case Derivative(Element(a) as f, Element(b) as by), Derivative(
            Element(c) as g, Element(d) as one
        ):
            pairs = (_numbering(f), _numbering(g)), (_numbering(by), _numbering(one))
            if (a, b) != (c, d) or any(len(u) != len(v) for u, v in pairs):
                return None
            own, at = ((*first, *second) for first, second in zip(*pairs, strict=True))
        case Derivative(Element() as f, Array() as by), Derivative(
            Element() as g, Element() as one
        ):
            return _entry_of(by, one) if f == g else None
        case Array("delta", layer), Derivative(Element("L"), Element("a") as one):
            return _entry_of(Array("a", layer), one)
        case Array() as by, Element() as one:
            return _entry_of(by, one)
        case _:
            return None
    letters = _matched(own, [index.offset for index in at])
    return None if letters is None else (letters, None)


def _numbering(element: Element) -> tuple[Index, ...]:
    """All indices of an element, that of its sample in front."""
    return (*(() if element.sample is None else (element.sample,)), *element.indices)


def _entry_of(by: Array, at: Element) -> tuple[dict[str, int], tuple[int, ...]] | None:
    if (by.letter.lower() if by.letter == "W" else by.letter) != at.letter:
        return None
    own = tuple(index.offset for index in at.indices)
    if by.layer is None:
        return {}, own
    letters = _matched((by.layer,), own[:1]) if at.letter in LAYERED else None
    return None if letters is None else (letters, own[1:])


def _picked(value: Value, own: tuple[int, ...] | None) -> Value:
    """The number that a page claims for a quantity, at its place where that is in an array."""
    if own is None and isinstance(value, Grid) and value.shape != (1, 1):
        raise Misshapen(f"a {value} array stands for a number")
    if own is None or not isinstance(value, Grid):
        return entries(value)[0]
    i, j = (*own, 1)[:2] if own else (1, 1)
    rows, columns = value.shape
    if i > rows or j > columns:
        raise Misshapen(f"a {value} array has no entry {own}")
    return value.rows[i - 1][j - 1]
