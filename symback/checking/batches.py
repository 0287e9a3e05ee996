"""A formula about all samples of a batch, written out entry by entry.

Here one can

* ask whether a formula speaks of samples: `speaks_of_samples`;
* write it out: `Batch.spread` gives a number's node, or a `Grid` of them, in which every array is
  taken apart into the elements of its samples, X^{(2)}_1, and every sum into its terms.

What an array of a batch is: `Array` with ``sample=EVERY`` is the matrix of all samples, a column a
sample (a page that writes rows has its transpose); with another sample that one's column.  W and b
are the same for all samples.  A vector is added to each sample as NumPy broadcasts it: a side of
length 1 goes with every entry of the other array.  The derivative of the samples' own losses by
their own columns, ∂L^{(i)}/∂z^{(i)}, is written with ``Element("L", sample=EVERY)``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

from symback.checking.conversion import element_of
from symback.checking.evaluation import Environment, Evaluator
from symback.checking.page import Definition
from symback.engine.arithmetics import (
    Arithmetic,
    Grid,
    Misshapen,
    OutOfRange,
    Undecided,
    column,
    entries,
    mapped,
    multiplied,
)
from symback.language.budget import spend
from symback.language.expressions import (
    COUNT,
    ELL,
    EVERY,
    LOSS,
    ONE,
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
    free_letters,
    reindexed,
    walk,
)

MOST_ENTRIES = 40_000
"""Nodes that a side may be written out into; about a tenth of a second."""

Spread = Any
"""The node of a number, or a `Grid` of such nodes."""


def speaks_of_samples(node: Node, definitions: Sequence[Definition] = ()) -> bool:
    """Whether a formula, or a name of the page in it, is about the samples of a batch."""
    return any(
        part == COUNT or getattr(part, "sample", None) is not None
        for part in with_definitions((node,), definitions)
    )


def with_definitions(nodes: Sequence[Node], definitions: Sequence[Definition]) -> Iterator[Node]:
    """All parts of some nodes, and of what the page's names in them are."""
    waiting, seen = list(nodes), set()
    while waiting:
        for part in walk(waiting.pop()):
            yield part
            if isinstance(part, Named) and part.name not in seen:
                seen.add(part.name)
                waiting += [each.node for each in definitions if each.name == part.name]


def biases_named(nodes: Sequence[Node], definitions: Sequence[Definition]) -> Iterator[Index]:
    """The layers whose biases are named, but for those by which is only differentiated."""
    by = {id(part.by) for part in with_definitions(nodes, definitions)
          if isinstance(part, Derivative)}  # fmt: skip
    for part in with_definitions(nodes, definitions):
        if id(part) in by:
            continue
        match part:
            case Array("b", Index() as layer) | Element("b", (layer, *_)):
                yield layer


class _Nodes(Arithmetic):
    """Sums and products of nodes, as nodes."""

    def number(self, value: Fraction) -> Node:
        """A rational number."""
        return Number(value)

    def total(self, terms: Sequence[Node]) -> Node:
        """The sum."""
        return terms[0] if len(terms) == 1 else Total(tuple(terms))

    def product(self, factors: Sequence[Node]) -> Node:
        """The product; nothing is left of a factor 1."""
        kept = [factor for factor in factors if factor != ONE]
        return Product(tuple(kept)) if len(kept) > 1 else kept[0] if kept else ONE

    def inverse(self, value: Node) -> Node:
        """1/value."""
        return Quotient(ONE, value)


_NODES = _Nodes()


class Batch:
    """Writes formulas out for the samples that the equations of ``evaluator`` have."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator, self.equations = evaluator, evaluator.equations
        self.samples = evaluator.equations.samples or 1
        self.left = MOST_ENTRIES

    def node(self, node: Node, env: Environment) -> Node:
        """``node`` written out: the node of a number, or a `Matrix` of such nodes."""
        found = self.spread(node, env)
        return Matrix(found.rows) if isinstance(found, Grid) else found

    def spread(self, node: Node, env: Environment) -> Spread:
        """What ``node`` is, entry by entry; raises `Misshapen` and `Undecided`."""
        spend()
        self.left -= 1
        if self.left < 0:
            raise Undecided("the line is too long to be written out for all samples")
        match node:
            case Element(sample=sample) if sample == EVERY:
                places = range(1, self.samples + 1)
                one = self._fixed(node, env)
                assert isinstance(one, Element)
                return Grid((tuple(_of_sample(one, place) for place in places),))
            case Number() | Letter() | Element() | Free():
                return self._fixed(node, env)
            case Array("delta", layer, sample):
                return self._derivative(LOSS, Array("a", layer, sample), env)
            case Array():
                return self._array(node, env)
            case Named():
                definition, letters = self.evaluator.definition(node, env)
                return self.spread(definition.node, letters)
            case Total(terms):
                return joined(self._all(terms, env), _NODES.total)
            case Product(factors, True):
                return joined(self._all(factors, env), _NODES.product)
            case Product(factors):
                return self._product(factors, env)
            case Quotient(above, below):
                return joined(self._all((above, below), env), lambda parts: Quotient(*parts))
            case Power(base, exponent):
                return joined(self._all((base, exponent), env), lambda parts: Power(*parts))
            case Transpose(of):
                found = self.spread(of, env)
                return found.turned if isinstance(found, Grid) else found
            case Sum(letter, body, 1, product=False) if letter not in set(free_letters(body)):
                return self._over_samples(self.spread(body, env))
            case Sum(letter, body, product=product):
                places = self.evaluator.range_of(node, env)
                terms = [self.spread(body, {**env, letter: place}) for place in places]
                if product:
                    return multiplied(terms, _NODES)
                return joined(terms, _NODES.total) if terms else ZERO
            case Derivative(of, by):
                return self._derivative(of, by, env)
            case Matrix(rows):
                grid = Grid(tuple(tuple(self._all(row, env)) for row in rows))
                if any(isinstance(entry, Grid) for entry in grid):
                    raise Misshapen("an array within an array is not read")
                return grid
            case Component(of, indices):
                return self._component(of, indices, env)
            case Ones(like):
                return mapped(self.spread(like, env), lambda _: ONE)
            case Indicator(Comparison(Letter(), _, _)):
                return self._fixed(node, env)
            case Indicator(condition):
                return mapped(self.spread(condition, env), Indicator)
            case Comparison(left, relation, right):
                sides = self._all((left, right), env)
                return joined(sides, lambda parts: Comparison(parts[0], relation, parts[1]))
            case Cases(branches):
                return self._cases(branches, env)
            case Call():
                return self._call(node, env)
            case OneHot():
                raise Undecided("each sample has its own true class")
            case At():
                raise Undecided("other values for quantities of a batch are not put in")
        raise Undecided(f"{type(node).__name__} is not written out for all samples")

    def _all(self, nodes: Sequence[Node], env: Environment) -> list[Spread]:
        return [self.spread(each, env) for each in nodes]

    def _fixed(self, node: Node, env: Environment) -> Node:
        """A node without arrays, with numbers for its letters."""
        if any(each.letter == ELL for part in walk(node) for each in getattr(part, "indices", ())):
            raise Undecided("each sample has its own true class")
        return reindexed(node, {letter: Index("", number) for letter, number in env.items()})

    # -------------------------------------------------------------------------------- arrays

    def _array(self, array: Array, env: Environment) -> Grid:
        """The elements of a whole quantity, a column a sample."""
        layer = None if array.layer is None else self.evaluator.number_of(array.layer, env)
        letter = "w" if array.letter == "W" else array.letter
        variable = self.equations.variable(letter, layer)
        if variable is None:
            raise OutOfRange(f"there is no {letter}" + (f"_{layer}" if layer is not None else ""))
        if variable.batched != (array.sample is not None):
            name = letter + (f"_{layer}" if layer is not None else "")
            which = f"whether {name} is that of one sample or of all is not said"
            raise Undecided(which if variable.batched else f"{name} is the same for all samples")
        ranges = [range(1, int(size) + 1) for size in variable.shape]
        if array.sample is None:
            rows = list(itertools.product(*ranges))
            if len(ranges) < 2:
                return column([element_of(variable, own) for own in rows])
            return Grid(
                tuple(tuple(element_of(variable, (i, j)) for j in ranges[1]) for i in ranges[0])
            )
        samples: Sequence[int] = ranges[0]
        if array.sample != EVERY:
            samples = [self.evaluator.number_of(array.sample, env)]
            if samples[0] not in ranges[0]:
                raise OutOfRange(f"there is no sample {samples[0]}")
        return Grid(tuple(tuple(element_of(variable, (s, i)) for s in samples) for i in ranges[1]))

    def _derivative(self, of: Node, by: Node, env: Environment) -> Spread:
        """∂of/∂by, of the shape of ``by``; of a column by a column the Jacobian."""
        above, below = self.spread(of, env), self.spread(by, env)
        own = isinstance(of, Element) and of.sample == EVERY
        if own and isinstance(below, Grid):  # each sample's own loss, by what is its own
            return mapped(below, lambda one: Derivative(_own_loss(one), one))
        if not isinstance(above, Grid):
            return mapped(below, lambda one: Derivative(above, one))
        if not isinstance(below, Grid):
            return mapped(above, lambda one: Derivative(one, below))
        if above.shape[1] > 1 or below.shape[1] > 1:
            raise Undecided("the derivative of an array by a matrix has more than two indices")
        return Grid(tuple(tuple(Derivative(one, other) for other in below) for one in above))

    def _product(self, factors: Sequence[Node], env: Environment) -> Spread:
        """A product as a book writes it; a 1 is a column of ones where its neighbours ask it."""
        bare = [factor.of if isinstance(factor, Transpose) else factor for factor in factors]
        known = [
            None if each == Ones(LOSS) else self.spread(factor, env)
            for factor, each in zip(factors, bare, strict=True)
        ]
        for place, found in enumerate(known):
            if found is None:
                turned = isinstance(factors[place], Transpose)
                near = known[place + 1 : place + 2] if turned else known[:place][-1:]
                if not near or not isinstance(near[0], Grid):
                    raise Undecided("how many ones the 1 is short for is not said")
                rows, columns = near[0].shape
                ones = column([ONE] * (rows if turned else columns))
                known[place] = ones.turned if turned else ones
        return multiplied(known, _NODES)

    def _component(self, of: Node, indices: Sequence[Index], env: Environment) -> Node:
        found, own = self.spread(of, env), self.evaluator.indices(indices, env)
        if not isinstance(found, Grid):
            raise Misshapen("a component of a number")
        rows, columns = found.shape
        if len(own) == 1 and columns > 1 and rows > 1:
            raise Undecided("a component of a matrix with one index")
        i, j = own if len(own) == 2 else (own[0], 1) if columns == 1 else (1, own[0])
        if not (1 <= i <= rows and 1 <= j <= columns):
            raise OutOfRange(f"a {found} array has no component {list(own)}")
        return found.rows[i - 1][j - 1]

    def _cases(self, branches: Sequence[tuple[Node, Node | None]], env: Environment) -> Spread:
        conditions = [condition for _, condition in branches if condition is not None]
        values = self._all([value for value, _ in branches], env)

        def made(parts: Sequence[Node]) -> Node:
            chosen, asked = parts[: len(branches)], iter(parts[len(branches) :])
            return Cases(
                tuple(
                    (value, None if condition is None else next(asked))
                    for value, (_, condition) in zip(chosen, branches, strict=True)
                )
            )

        return joined([*values, *self._all(conditions, env)], made)

    # ----------------------------------------------------------------------------- functions

    def _call(self, node: Call, env: Environment) -> Spread:
        name, values = node.function, self._all(node.arguments, env)
        match name, values:
            case "m" | "pi" | "i", _:
                return node
            case "sum" | "mean", (found, *axis):
                return self._reduced(name, found, axis)
            case "norm", (found,):
                squares = [Power(each, Number(Fraction(2))) for each in entries(found)]
                return Call("sqrt", (_NODES.total(squares),))
            case "dot", _:
                return _NODES.total(list(entries(joined(values, _NODES.product))))
            case "outer", (Grid() as first, Grid() as second):
                return multiplied((first, second.turned), _NODES)
            case "diag", (Grid() as found,) if 1 in found.shape:
                listed = entries(found)
                each = range(len(listed))
                return Grid(tuple(tuple(listed[i] if i == j else ZERO for j in each) for i in each))
            case "diag" | "outer", _:
                raise Undecided(f"{name} of an array that is no vector")
        if name == "O":
            name = self.equations.scope.activations[-1]
        if name == "softmax":
            if node.primes or len(values) != 1:
                raise Undecided("softmax has no derivative g′: each output depends on every input")
            return self._softmax(values[0])
        return joined(values, lambda parts: Call(name, tuple(parts), node.primes))

    def _reduced(self, name: str, found: Spread, axis: Sequence[Spread]) -> Spread:
        """The sum or mean of all entries, or along an axis as NumPy counts them, from 0."""
        if not isinstance(found, Grid):
            raise Misshapen(f"the {name} of a number")
        if not axis:
            return _reduced(name, entries(found))
        match axis[0]:
            case Number(value) if value in (0, 1):
                pass
            case _:
                raise Misshapen("an array has the axes 0 and 1")
        if value == 0:
            return Grid((tuple(_reduced(name, each) for each in found.turned.rows),))
        return column([_reduced(name, each) for each in found.rows])

    def _over_samples(self, found: Spread) -> Spread:
        """Σ_i of an array of all samples, without an i in it: along the side of the samples."""
        sides = found.shape if isinstance(found, Grid) else ()
        if list(sides).count(self.samples) != 1:
            raise Undecided("nothing says how far the sum goes")
        along = Number(Fraction(sides.index(self.samples)))
        return self._reduced("sum", found, (along,))

    def _softmax(self, found: Spread) -> Grid:
        """The softmax of each sample's preactivations."""
        if not isinstance(found, Grid):
            raise Misshapen("softmax of a number; it is a function of a whole layer")
        rows, columns = found.shape
        in_columns = columns in (1, self.samples) and rows != 1
        in_rows = rows in (1, self.samples) and columns != 1
        if in_columns == in_rows:
            raise Undecided("which side of the array the softmax goes along is not said")
        turned = found if in_rows else found.turned
        made = []
        for row in turned.rows:
            powers = [Call("exp", (each,)) for each in row]
            made.append(tuple(Quotient(power, _NODES.total(powers)) for power in powers))
        grid = Grid(tuple(made))
        return grid if in_rows else grid.turned


def joined(values: Sequence[Spread], join: Callable[[Sequence[Node]], Node]) -> Spread:
    """Entry by entry; a number, and a side of length 1, goes with every entry of the others."""
    grids = [value for value in values if isinstance(value, Grid)]
    if not grids:
        return join(values)
    rows, columns = (max(each) for each in zip(*(grid.shape for grid in grids), strict=True))
    shapes = {grid.shape for grid in grids}
    fits = all(shape[0] in (1, rows) and shape[1] in (1, columns) for shape in shapes)
    if not fits or (rows, columns) not in shapes:
        shown = " and a ".join(str(grid) for grid in dict.fromkeys(grids))
        raise Misshapen(f"a {shown} array do not go together entry by entry")

    def at(value: Spread, i: int, j: int) -> Node:
        if not isinstance(value, Grid):
            return value
        return value.rows[i if value.shape[0] > 1 else 0][j if value.shape[1] > 1 else 0]

    return Grid(
        tuple(
            tuple(join([at(v, i, j) for v in values]) for j in range(columns)) for i in range(rows)
        )
    )


def _reduced(name: str, parts: Sequence[Node]) -> Node:
    total = _NODES.total(list(parts))
    return total if name == "sum" else Quotient(total, Number(Fraction(len(parts))))


def _of_sample(element: Element, place: int) -> Element:
    return Element(element.letter, element.indices, Index("", place))


def _own_loss(one: Node) -> Element:
    """The loss of the sample that a quantity belongs to."""
    if not isinstance(one, Element) or one.sample is None:
        raise Undecided("the losses of all samples by one quantity have more than two indices")
    return Element(LOSS.letter, (), one.sample)
