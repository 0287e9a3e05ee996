"""What formulas are: one tree, which readers build, evaluators value and writers print.

Here one can

* build and take apart a formula: the nodes, from `Number` and `Element` to `Derivative` and
  `Matrix`, all frozen;
* go through any of them: `children`, `walk`, `rebuilt`, `everywhere`;
* put a formula together and take it apart by one operation at a time, as it is typed and
  computed: `applied`, `operation`.

Nothing here is ever carried out by SymPy: ``∂L/∂w`` is a `Derivative`, not a fraction, and a
product keeps its factors in the order they were written.  Indices are 1-based.  Scalars and arrays
share the nodes: `Product` multiplies numbers, scales an array or multiplies matrices, as in a book,
and whoever gives a value decides by the shapes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache

from symback.language.budget import spend

# --------------------------------------------------------------------------------------- indices


@dataclass(frozen=True, slots=True)
class Index:
    """An index: a number (``letter == ""``), a letter, or a letter and an offset as in k-1.

    >>> Index("k", -1), Index("", 3)
    (Index('k', -1), Index('', 3))
    """

    letter: str = ""
    offset: int = 0

    def __repr__(self) -> str:
        return f"Index({self.letter!r}, {self.offset})"

    @property
    def is_number(self) -> bool:
        """Whether it is a number already."""
        return not self.letter


ELL = "ℓ"
"""The letter of the true class, as in e(ℓ) and ŷ_ℓ: a line with it speaks of the target e(ℓ)."""

EVERY = Index("", 0)
"""The ``sample`` of what holds all samples of a batch; samples are counted from 1."""

# ----------------------------------------------------------------------------------------- nodes


@dataclass(frozen=True, slots=True)
class Node:
    """Anything that has a value: a number, or an array of numbers.

    ``column`` is where it was read, for messages; it takes no part in comparisons.
    """

    column: int = field(default=0, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A number as written: its value, and how many digits stood after the decimal point.

    ``decimals`` is None for what is exact by its form (2, ½); for 1.38×10⁻¹ it is 3.  The digits
    decide how precisely a rounded number is compared.  ``text`` is how a formula spells it.
    """

    value: Fraction
    decimals: int | None = None
    text: str = field(default="", compare=False, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Element(Node):
    """One scalar quantity of the network; the layer is the first index of w, b, a, h and delta.

    ``letter`` is w, b, a, h, x, y, yhat, L, delta (∂L/∂a) or the name of a stage or leaf of an
    [equations] file.  ``h`` of layer 0 is x and of the last layer ŷ.  b of a net with one bias a
    layer has the layer only.
    """

    letter: str
    indices: tuple[Index, ...] = ()
    sample: Index | None = field(default=None, repr=False)
    """Of a batch: of which sample it is; None where a line is about one sample, by itself.

    `EVERY` makes it the row of all samples' quantities: ``Element("L", sample=EVERY)``.
    """


LOSS = Element("L")
LAYERED = ("w", "b", "a", "h", "delta")
"""Letters of elements whose first index is the layer."""


@dataclass(frozen=True, slots=True)
class Array(Node):
    """A whole quantity: W, b, a, h, delta of a ``layer``; x, y, yhat without one.

    A vector is a column, W_k is n_k × n_{k-1}.  With a ``sample`` it is that one's column of a
    batch; with `EVERY` the matrix of all of them, a column a sample.
    """

    letter: str
    layer: Index | None = None
    sample: Index | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class OneHot(Node):
    """e(ℓ), the column with a 1 at the place of the class (as long as ŷ)."""

    index: Index


@dataclass(frozen=True, slots=True)
class Ones(Node):
    """A column of ones as long as its neighbours ask; ``like`` an array where one is known."""

    like: Node


@dataclass(frozen=True, slots=True)
class Letter(Node):
    """An index used as a number, e.g. the i of Σ i; with ``width``, n of the layer ``index``."""

    index: Index
    width: bool = False


@dataclass(frozen=True, slots=True)
class Named(Node):
    """A name given by the writer: in a formula any free name, on a page one it defines (Δ_1)."""

    name: str
    indices: tuple[Index, ...] = ()


@dataclass(frozen=True, slots=True)
class Free(Node):
    """A variable that stands for any real number, as the x of σ'(x) = σ(x)(1 - σ(x)).

    With an index it is one of several: the z_i of a softmax that a page defines itself.
    """

    name: str
    indices: tuple[Index, ...] = ()


@dataclass(frozen=True, slots=True)
class Derivative(Node):
    """∂of/∂by: vary ``by`` alone and let everything computed from it follow.

    ``by`` is an `Element`, a `Free` variable, or an `Array`: then it is the array of derivatives of
    a scalar (∇), of the shape of ``by``, or the Jacobian of a column, rows by ``of`` and columns by
    ``by``.
    ``of`` may be any expression: ∂/∂w [ (y-ŷ)² ].
    """

    of: Node
    by: Node


@dataclass(frozen=True, slots=True)
class Total(Node):
    """A sum of ``terms``, in the order written; a term that is subtracted is -1 times it."""

    terms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Product(Node):
    """A product of ``factors`` in order; ``elementwise`` for ⊙ (in code, * between arrays)."""

    factors: tuple[Node, ...]
    elementwise: bool = False


@dataclass(frozen=True, slots=True)
class Quotient(Node):
    """above / below."""

    above: Node
    below: Node


@dataclass(frozen=True, slots=True)
class Power(Node):
    """base ** exponent; elementwise for a column."""

    base: Node
    exponent: Node


@dataclass(frozen=True, slots=True)
class Transpose(Node):
    """The transpose of an array."""

    of: Node


@dataclass(frozen=True, slots=True)
class Matrix(Node):
    """An array written out, row by row."""

    rows: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True, slots=True)
class Component(Node):
    """One component of an array, e.g. softmax(a_2)_1 or [W_2ᵀ δ_2]_1."""

    of: Node
    indices: tuple[Index, ...]


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A function of its arguments, or with ``primes`` its derivative there: σ'(a_11).

    ``function``: exp, log, sqrt, abs, sign, erf, max, min, sin, cos, tan; an activation of the
    catalogue (sigmoid, tanh, relu, softmax, …); ``g``, the hidden activation of the layer its
    argument belongs to, and ``O``, the output function; for arrays also diag, sum (of all entries),
    norm (Euclidean), dot, outer, and sum or mean along an axis, 0 or 1, as their second argument;
    ``m`` is how many samples there are.  log is natural; ``log10`` and ``log2`` are themselves.
    """

    function: str
    arguments: tuple[Node, ...]
    primes: int = 0


@dataclass(frozen=True, slots=True)
class Sum(Node):
    """Σ (or Π, where ``product``) of ``body`` over ``letter`` from ``lower`` to ``upper``.

    ``upper`` is None where the range is the whole one, that of the neurons the letter numbers;
    ``without`` is left out (Σ_{j≠i}).
    """

    letter: str
    body: Node
    lower: int = 1
    upper: Index | None = None
    without: Index | None = None
    product: bool = False


@dataclass(frozen=True, slots=True)
class Comparison(Node):
    """``left relation right`` as a condition; relation is one of = != < <= > >=.

    Indices compare as `Letter` nodes.
    """

    left: Node
    relation: str
    right: Node


@dataclass(frozen=True, slots=True)
class Indicator(Node):
    """1 where the condition holds, else 0: 𝟙[i=ℓ], 1_{a>0}, and Kronecker's δ_ij."""

    condition: Node


@dataclass(frozen=True, slots=True)
class Cases(Node):
    """The first value whose condition holds; the condition None means "otherwise"."""

    branches: tuple[tuple[Node, Node | None], ...]


@dataclass(frozen=True, slots=True)
class At(Node):
    """``of`` with quantities given other values: f |_{w=1}."""

    of: Node
    values: tuple[tuple[Node, Node], ...]


# --------------------------------------------------------------------------- what a formula is


def is_array(node: Node) -> bool:
    """Whether a node is a vector or a matrix, as far as its form tells."""
    match node:
        case Array() | OneHot() | Ones() | Matrix():
            return True
        case Element(sample=sample):
            return sample == EVERY
        case Derivative(of, by):
            return is_array(by) or is_array(of)
        case Product(factors):
            return any(map(is_array, factors))
        case Total(terms):
            return any(map(is_array, terms))
        case Quotient(above, _):
            return is_array(above)
        case Power(base, _):
            return is_array(base)
        case Transpose(of):
            return is_array(of)
        case Sum(_, body):
            return is_array(body)
        case Component():
            return False
        case Indicator(Comparison(left, _, _)):
            return is_array(left)
        case Call(function, arguments):
            whole = function in ("sum", "mean") and len(arguments) == 1
            scalar = whole or function in ("norm", "dot", "pi", "i", "m")
            return not scalar and any(map(is_array, arguments))
        case _:
            return False


def is_column(node: Node) -> bool:
    """Whether an array is surely a column: a vector of a layer, or what goes by its entries.

    >>> is_column(Product((Array("W"), Array("x")))), is_column(Transpose(Array("x")))
    (True, False)
    """
    match node:
        case Array(letter, _, sample):
            return letter != "W" and sample is None
        case OneHot():
            return True
        case Derivative(of, by):
            return is_column(by) and not is_array(of)
        case Product(factors, elementwise):
            arrays = [factor for factor in factors if is_array(factor)]
            of_weights = all(_is_of_weights(factor) for factor in arrays[:-1])
            if elementwise:
                return all(map(is_column, arrays))
            return bool(arrays) and of_weights and is_column(arrays[-1])
        case Total(terms):
            return all(is_column(term) for term in terms if is_array(term)) and is_array(node)
        case Quotient(above, below):
            return is_column(above) and (is_column(below) or not is_array(below))
        case Power(base, _):
            return is_column(base)
        case Indicator(Comparison(left, _, right)):
            return is_column(left) and (is_column(right) or not is_array(right))
        case Call(function, arguments):
            by_entries = function not in ("diag", "outer", "dot", "norm", "sum", "mean")
            return by_entries and is_array(node) and all(map(is_column, arguments))
        case _:
            return False


def _is_of_weights(node: Node) -> bool:
    match node:
        case Array("W") | Transpose(Array("W")):
            return True
        case _:
            return False


def free_letters(node: Node, bound: frozenset[str] = frozenset()) -> Iterator[str]:
    """The index letters of ``node`` that no sum binds, outermost first, with repetitions."""
    if isinstance(node, Sum):
        indices: tuple[Index | None, ...] = (node.upper, node.without)
        inner, bound_within = (node.body,), bound | {node.letter}
    else:
        own = (getattr(node, name, None) for name in ("index", "layer", "sample"))
        indices = (*own, *getattr(node, "indices", ()))
        inner, bound_within = tuple(children(node)), bound
    for index in indices:
        if index is not None and index.letter and index.letter not in bound:
            yield index.letter
    for child in inner:
        yield from free_letters(child, bound_within)


# --------------------------------------------------------------------------------- walking nodes


@cache
def _fields(kind: type) -> tuple[str, ...]:
    return tuple(each.name for each in dataclasses.fields(kind))


@cache
def _places(kind: type) -> tuple[str, ...]:
    """The fields of a kind of node that hold nodes, alone or in tuples."""
    return tuple(each.name for each in dataclasses.fields(kind) if "Node" in str(each.type))


def children(node: Node) -> Iterator[Node]:
    """The nodes directly within ``node``, in order."""
    spend()
    for name in _places(type(node)):
        yield from _nodes_in(getattr(node, name))


def _nodes_in(value: object) -> Iterator[Node]:
    if isinstance(value, Node):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from _nodes_in(part)


def walk(node: Node) -> Iterator[Node]:
    """``node`` and every node within it, outermost first."""
    yield node
    for child in children(node):
        yield from walk(child)


def rebuilt(node: Node, change: Callable[[Node], Node]) -> Node:
    """``node`` with ``change`` applied to each node directly within it.

    >>> x = Element("x", (Index("", 1),))
    >>> rebuilt(Total((x, x)), lambda part: LOSS)
    Total(terms=(Element(letter='L', indices=()), Element(letter='L', indices=())))
    """
    spend()
    values = {}
    for name in _places(type(node)):
        old = getattr(node, name)
        new = _changed(old, change)
        if new is not old:
            values[name] = new
    if not values:
        return node
    kept = {name: getattr(node, name) for name in _fields(type(node))}
    return type(node)(**{**kept, **values})


def _changed(value: object, change: Callable[[Node], Node]) -> object:
    if isinstance(value, Node):
        return change(value)
    if isinstance(value, tuple):
        parts = tuple(_changed(part, change) for part in value)
        return value if all(a is b for a, b in zip(parts, value, strict=True)) else parts
    return value


def reindexed(node: Node, indices: Mapping[str, Index]) -> Node:
    """``node`` with other indices for its free index letters; see `free_letters`.

    >>> reindexed(Element("h", (Index("k", -1), Index("j"))), {"k": Index("", 2)})
    Element(letter='h', indices=(Index('', 1), Index('j', 0)))
    """
    if isinstance(node, Sum):
        indices = {letter: index for letter, index in indices.items() if letter != node.letter}

    def put(each: Index) -> Index:
        new = indices.get(each.letter)
        return each if new is None else Index(new.letter, new.offset + each.offset)

    made = rebuilt(node, lambda part: reindexed(part, indices))
    for name in ("indices", "index", "layer", "sample", "upper", "without"):
        old = new = getattr(made, name, None)
        if isinstance(old, tuple):
            new = tuple(map(put, old))
        elif isinstance(old, Index):
            new = put(old)
        if new != old:
            made = dataclasses.replace(made, **{name: new})
    return made


def everywhere(change: Callable[[Node], Node | None]) -> Callable[[Node], Node]:
    """What gives a node with ``change`` made wherever it is not None, outermost first.

    >>> doubled = everywhere(lambda node: Total((node, node)) if node == LOSS else None)
    >>> doubled(Power(LOSS, Named("k"))) == Power(Total((LOSS, LOSS)), Named("k"))
    True
    """

    def changed(node: Node) -> Node:
        found = change(node)
        return rebuilt(node, changed) if found is None else found

    return changed


def replaced(node: Node, old: Node, new: Node) -> Node:
    """``node`` with ``new`` for every ``old``.

    >>> replaced(Power(LOSS, Named("k")), LOSS, Named("J")) == Power(Named("J"), Named("k"))
    True
    """
    return everywhere({old: new}.get)(node)


# ------------------------------------------------------------------------- one operation at a time


ZERO, ONE, TWO, MINUS_ONE = (Number(Fraction(number)) for number in (0, 1, 2, -1))


COUNT = Call("m", ())
"""How many samples a batch has."""


def negative(*factors: Node) -> Node:
    """-1 times a product."""
    return Product((MINUS_ONE, *factors))


def applied(head: str, *arguments: Node, column: int = 0) -> Node:
    """The node of one operation: ``+ - * / **``, ``neg``, a comparison, ``where`` or a function.

    Sums and products are flat to the left, as they are typed and computed: (a + b) + c is the
    total of three, a + (b + c) is not; a - b is a + (-1)·b.

    >>> a, b, c = map(Named, "abc")
    >>> applied("-", applied("+", a, b), c) == Total((a, b, negative(c)))
    True
    """
    match head, arguments:
        case "+" | "-", (left, right):
            terms = left.terms if isinstance(left, Total) else (left,)
            return Total((*terms, right if head == "+" else negative(right)), column=column)
        case "*", (left, right):
            factors = left.factors if isinstance(left, Product) else (left,)
            return Product((*factors, right), column=column)
        case "/", (above, below):
            return Quotient(above, below, column=column)
        case "**", (base, exponent):
            return Power(base, exponent, column=column)
        case "neg", (part,):
            return Product((MINUS_ONE, part), column=column)
        case "where", (condition, chosen, otherwise):
            return Cases(((chosen, condition), (otherwise, None)), column=column)
        case "<" | "<=" | ">" | ">=", (left, right):
            return Comparison(left, head, right, column=column)
        case _:
            return Call(head, arguments, column=column)


def operation(node: Node) -> tuple[str, tuple[Node, ...]]:
    """The operation that ``node`` ends with when it is computed, and its operands; see `applied`.

    A number and a name have none: ``("", ())``.

    >>> operation(applied("-", Named("a"), Named("b")))[0]
    '-'
    """
    match node:
        case Total((*before, last)):
            left = before[0] if len(before) == 1 else Total(tuple(before), column=node.column)
            if isinstance(last, Product) and len(last.factors) == 2:
                sign, part = last.factors
                if sign == MINUS_ONE:
                    return "-", (left, part)
            return "+", (left, last)
        case Product((sign, part)) if sign == MINUS_ONE:
            return "neg", (part,)
        case Product((*before, last)):
            left = before[0] if len(before) == 1 else Product(tuple(before), column=node.column)
            return "*", (left, last)
        case Quotient(above, below):
            return "/", (above, below)
        case Power(base, exponent):
            return "**", (base, exponent)
        case Cases(((chosen, condition), (otherwise, None))) if condition is not None:
            return "where", (condition, chosen, otherwise)
        case Comparison(left, relation, right):
            return relation, (left, right)
        case Call(function, arguments):
            return function, arguments
        case _:
            return "", ()
