"""Arrays as somebody saved them: real numbers with a name, and those that are inputs of a network.

Here one can

* take arrays by name, each with the precision it was computed in: `all_given`, `Given`;
* see an array in the shape of a quantity, where it is one: `fitted`;
* put x, y, W and b from a file in place of a network's [values]: `with_inputs`.

Raises `ArrayError` for what holds no real numbers, and for inputs whose shapes do not fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
from sympy import Expr

from symback.checking.array_rounding import DOUBLE, HALF, SINGLE, Precision
from symback.engine.graph import Graph
from symback.engine.spec import EquationsSpec, NetworkSpec
from symback.engine.work import Work
from symback.language import npz
from symback.language.errors import SymbackError, printable
from symback.language.names import Role, Variable

MOST_BYTES = 64_000_000
MOST_AXES = 4
EXACT_INTEGERS = 2**53


class ArrayError(SymbackError):
    """A file of arrays that cannot be opened, or an array that holds no real numbers."""


class ArrayNameError(SymbackError):
    """An array whose name is that of no quantity, or of two."""


# --------------------------------------------------------------------------- arrays as they are


@dataclass(frozen=True, slots=True)
class Given:
    """One array as saved: doubles in the shape it had, and the precision it was computed in."""

    name: str
    array: np.ndarray
    dtype: str
    precision: Precision

    @classmethod
    def of(cls, name: str, raw: Any) -> Given:
        """``raw`` as numbers; integers are taken as exact.  Raises `ArrayError`."""
        shown = printable(name)
        if isinstance(raw, np.ma.MaskedArray):
            raise ArrayError(f"{shown} is a masked array; expected one without a mask")
        try:
            array = np.asarray(raw)
        except (ValueError, TypeError) as error:
            reason = printable(str(error))
            raise ArrayError(f"{shown} is no array of numbers: {reason}") from None
        if array.dtype.kind not in "fiub":
            raise ArrayError(
                f"{shown} holds {npz.kind_of(array.dtype)}; expected real numbers (float32 or "
                "float64)"
            )
        if array.size == 0 or array.ndim > MOST_AXES:
            raise ArrayError(f"{shown} has shape {array.shape}; there is nothing to compare")
        if array.dtype.kind in "iu" and int(np.max(np.abs(array.astype(float)))) > EXACT_INTEGERS:
            raise ArrayError(f"{shown} holds integers beyond 2^53; save floats")
        precision = {"float16": HALF, "float32": SINGLE}.get(array.dtype.name, DOUBLE)
        with np.errstate(over="ignore"):
            return cls(name, array.astype(float), array.dtype.name, precision)


def all_given(mapping: Mapping[str, Any]) -> dict[str, Given]:
    """Every array of a mapping by name; raises `ArrayError`."""
    if not isinstance(mapping, Mapping):
        raise ArrayError(f"expected a mapping of names to arrays, not {type(mapping).__name__}")
    for name in mapping:
        if not isinstance(name, str):
            raise ArrayError(f"the names of arrays are text; {printable(repr(name))} is none")
    found = {name: Given.of(name, raw) for name, raw in mapping.items()}
    size = sum(given.array.nbytes for given in found.values())
    if size > 2 * MOST_BYTES:  # float32 arrays have become twice as large
        raise ArrayError(
            f"the mapping holds {size / 1e6:,.1f} MB of arrays; "
            f"at most {MOST_BYTES / 1e6:.0f} MB are read"
        )
    return found


def fitted(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """``array`` in ``shape``, or None where it is another thing.

    A vector may be saved as a column or a row, a matrix with one row or column as a vector, and a
    scalar as an array of one number; a matrix is never turned.

    >>> fitted(np.zeros((3, 1)), (3,)).shape, fitted(np.zeros((4, 2)), (2, 4)) is None
    ((3,), True)
    """
    if array.shape == shape:
        return array
    long, wanted = ([size for size in each if size != 1] for each in (array.shape, shape))
    if (array.ndim == 2 and len(shape) == 2) or long != wanted:
        return None
    return array.reshape(shape)


# -------------------------------------------------------------------------------- their inputs

_FIRST = (Role.WEIGHT, Role.BIAS, Role.INPUT, Role.TARGET, Role.LEAF)
"""Weights first: they fix the widths that a file leaves as symbols."""


def with_inputs(work: Work, given: Mapping[str, Given]) -> Work:
    """``work`` with the arrays ``given`` (by the names of the contract) for its [values].

    Raises `ArrayError` naming both shapes, or the place of a number that is not finite.
    """
    if not given:
        return work
    for array in given.values():
        bad = np.argwhere(~np.isfinite(array.array))
        if len(bad):
            at = ", ".join(str(int(k) + 1) for k in bad[0])
            place = f" at ({at}), counted from 1" if at else ""
            value = float(array.array[tuple(bad[0])])
            raise ArrayError(f"{printable(array.name)} holds {value}{place}; an input is finite")
    if isinstance(work.spec, EquationsSpec):
        return Work(_equations(work.spec, given))
    return Work(_network(work.spec, work.graph, given))


def _equations(spec: EquationsSpec, given: Mapping[str, Given]) -> EquationsSpec:
    for array in given.values():
        if array.array.size != 1:
            raise ArrayError(
                f"{printable(array.name)} has shape {array.array.shape}; expected one number"
            )
    mine = {name: _decimals(array.array.reshape(())) for name, array in given.items()}
    return replace(spec, values=tuple((dict(spec.values) | mine).items()))


def _network(spec: NetworkSpec, graph: Graph, given: Mapping[str, Given]) -> NetworkSpec:
    sizes: dict[Expr, int] = {}
    values = dict(spec.values.parameters)
    data: dict[str, Any] = {"x": spec.values.x, "y": spec.values.y}
    for variable in (v for role in _FIRST for v in graph.variables if v.role is role):
        if variable.name in given:
            array = _input(given[variable.name], variable, sizes)
            (data if variable.name in data else values)[variable.name] = _decimals(array)
    if data["x"] is not None and data["y"] is not None:
        counts = [len(each) if isinstance(each[0], tuple) else None for each in data.values()]
        if counts[0] != counts[1]:
            said = ["one sample" if count is None else f"{count} samples" for count in counts]
            where = ["in the arrays" if name in given else "under [values]" for name in data]
            raise ArrayError(
                f"x {where[0]} has {said[0]}, but y {where[1]} has {said[1]}; save both x and y"
            )
    parameters = tuple((v.name, values[v.name]) for v in graph.variables if v.name in values)
    return replace(spec, values=replace(spec.values, **data, parameters=parameters))


def _input(given: Given, variable: Variable, sizes: dict[Expr, int]) -> np.ndarray:
    """An input in its shape; widths that are symbols are what the first array makes them."""
    own, array = variable.shape[variable.batched :], given.array
    is_data = variable.role in (Role.INPUT, Role.TARGET)
    widths = [int(size) if size.is_Integer else sizes.get(size) for size in own]
    if None in widths and array.ndim >= len(widths):
        tail = array.shape[array.ndim - len(widths) :]
        widths = [each if each is not None else got for each, got in zip(widths, tail, strict=True)]
    shape = tuple(each for each in widths if each is not None)
    is_batch = is_data and variable.batched and array.ndim == 2 and array.shape[1:] == shape
    found = array if is_batch else fitted(array, shape)
    if found is None and is_data and array.ndim == 2 and array.shape[1:] == shape:
        found = array
    if found is None:
        wanted = f"expected {shape}"
        if is_data:
            wanted += f", or (samples, {shape[0]}) for a batch, one row a sample"
        if variable.role is Role.TARGET and array.ndim == 1:
            wanted += "; write class labels as one-hot rows"
        if variable.role is Role.WEIGHT and array.shape == shape[::-1]:
            wanted += ", (out, in); this is its transpose, as in x @ W"
        raise ArrayError(f"{printable(given.name)} has shape {array.shape}; {wanted}")
    sizes |= {size: got for size, got in zip(own, found.shape[-len(own) :], strict=True) if own}
    return found


def _decimals(array: np.ndarray) -> Any:
    """Nested tuples of exact numbers, as a specification holds them."""
    if array.ndim == 0:
        return Decimal(float(array))
    return tuple(_decimals(each) for each in array)
