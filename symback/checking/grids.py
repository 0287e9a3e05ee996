"""Arrays of exact numbers, with the shapes a book gives them: a vector is a column.

Here one can combine scalars and `Grid`s as the formulas of a book do (`summed`, `multiplied`,
`elementwise`, `divided`, `mapped`), in whatever arithmetic; arrays that cannot be combined raise
`Misshapen`, with both shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Protocol

from symback.language.errors import SymbackError

__all__ = [
    "Arithmetic",
    "Grid",
    "Misshapen",
    "Value",
    "column",
    "divided",
    "elementwise",
    "entries",
    "mapped",
    "multiplied",
    "summed",
]


class Misshapen(SymbackError):
    """Arrays whose shapes do not fit one another."""


class Arithmetic(Protocol):
    """What numbers can do; ``level`` is explained in `symback.checking.tower`.

    The numbers are those of the arithmetic: residues, balls, SymPy expressions or forms.
    """

    direct: ClassVar[frozenset[str]]
    """Functions that it computes by name; the others are taken apart first."""

    def number(self, value: Fraction, level: int) -> Any:
        """A rational number."""
        ...

    def rounded(self, value: Fraction, decimals: int, level: int) -> Any:
        """A decimal number."""
        ...

    def total(self, terms: Sequence[Any], level: int) -> Any:
        """The sum."""
        ...

    def product(self, factors: Sequence[Any], level: int) -> Any:
        """The product."""
        ...

    def inverse(self, value: Any, level: int) -> Any:
        """One divided by it."""
        ...

    def power(self, value: Any, exponent: int, level: int) -> Any:
        """A whole power."""
        ...

    def below(self, level: int) -> int:
        """The level of an exponential's argument."""
        ...

    def exponential(self, below: Any, level: int) -> Any:
        """e^u."""
        ...

    def drawn(self, name: object, level: int) -> Any:
        """The value of a free quantity."""
        ...

    def imaginary(self, level: int) -> Any:
        """A root of -1."""
        ...

    def pi(self, level: int) -> Any:
        """π."""
        ...

    def root_of_pi(self, level: int) -> Any:
        """√π."""
        ...

    def function(self, name: str, value: Any, level: int) -> Any:
        """A function by name."""
        ...


@dataclass(frozen=True, slots=True)
class Grid:
    """A matrix of scalars, row by row; a column has one entry a row."""

    rows: tuple[tuple[Any, ...], ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.rows), len(self.rows[0])

    @property
    def turned(self) -> Grid:
        """The transpose."""
        return Grid(tuple(zip(*self.rows, strict=True)))

    def __iter__(self) -> Iterator[Any]:
        return (entry for row in self.rows for entry in row)

    def __str__(self) -> str:
        return "{}×{}".format(*self.shape)


Value = Any
"""A scalar of some arithmetic, or a `Grid` of them."""


def column(scalars: Sequence[Any]) -> Grid:
    """A column."""
    return Grid(tuple((scalar,) for scalar in scalars))


def entries(value: Value) -> tuple[Any, ...]:
    """All entries, row by row; of a scalar itself."""
    return tuple(value) if isinstance(value, Grid) else (value,)


def mapped(value: Value, function: Callable[[Any], Any]) -> Value:
    """``function`` of every entry."""
    if isinstance(value, Grid):
        return Grid(tuple(tuple(function(entry) for entry in row) for row in value.rows))
    return function(value)


def _scalar(value: Value) -> Value:
    """The only entry of a 1×1 array; anything else as it is."""
    return value.rows[0][0] if isinstance(value, Grid) and value.shape == (1, 1) else value


def _together(values: Sequence[Value], join: Callable[[list[Any]], Any], doing: str) -> Value:
    """Entry by entry; a scalar goes with every entry."""
    grids = [value for value in values if isinstance(value, Grid)]
    if not grids:
        return join(list(values))
    shape = next((grid.shape for grid in grids if grid.shape != (1, 1)), (1, 1))
    for grid in grids:
        if grid.shape not in (shape, (1, 1)):
            raise Misshapen(
                f"{doing} a {'×'.join(map(str, shape))} and a {grid} array is not possible"
            )
    rows, columns = shape
    plain = [_scalar(value) for value in values]
    return Grid(
        tuple(
            tuple(join([_entry(value, i, j) for value in plain]) for j in range(columns))
            for i in range(rows)
        )
    )


def _entry(value: Value, i: int, j: int) -> Any:
    return value.rows[i][j] if isinstance(value, Grid) else value


def summed(values: Sequence[Value], arithmetic: Arithmetic, level: int) -> Value:
    """Scalars and arrays added, a scalar to every entry (1 - h)."""
    return _together(values, lambda terms: arithmetic.total(terms, level), "adding")


def elementwise(values: Sequence[Value], arithmetic: Arithmetic, level: int) -> Value:
    """Arrays of one shape multiplied entry by entry (⊙)."""
    return _together(
        values, lambda terms: arithmetic.product(terms, level), "multiplying entry by entry"
    )


def multiplied(values: Sequence[Value], arithmetic: Arithmetic, level: int) -> Value:
    """A product as a book writes it: matrix products, scaled by the scalars among the factors."""
    plain = [_scalar(value) for value in values]
    scalars = [value for value in plain if not isinstance(value, Grid)]
    made: Value = None
    for grid in plain:
        if isinstance(grid, Grid):
            made = grid if made is None else _scalar(_matrix_product(made, grid, arithmetic, level))
            if not isinstance(made, Grid):
                scalars, made = [*scalars, made], None
    scale = arithmetic.product(scalars, level)
    if made is None:
        return scale
    return elementwise([scale, made], arithmetic, level) if scalars else made


def _matrix_product(left: Grid, right: Grid, arithmetic: Arithmetic, level: int) -> Grid:
    if left.shape[1] != right.shape[0]:
        raise Misshapen(f"a {left} array times a {right} array is not a matrix product")
    columns = right.turned.rows
    return Grid(
        tuple(
            tuple(
                arithmetic.total(
                    [arithmetic.product(pair, level) for pair in zip(row, col, strict=True)], level
                )
                for col in columns
            )
            for row in left.rows
        )
    )


def divided(above: Value, below: Value, arithmetic: Arithmetic, level: int) -> Value:
    """above / below, entry by entry where ``below`` is an array."""
    inverse = mapped(_scalar(below), lambda entry: arithmetic.inverse(entry, level))
    if isinstance(inverse, Grid):
        return elementwise([above, inverse], arithmetic, level)
    return elementwise([above, inverse], arithmetic, level)
