"""The network with a student's own inputs and parameters, and arrays in the shapes it expects.

Here one can put saved arrays x, y, W1, b1, … in the place of a network's [values], `with_inputs`,
and read an array in the shape of a quantity where that is unambiguous, `fitted`: a column or a row
for a vector, one number for a scalar.  Everything else is refused with both shapes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
from sympy import Expr

from symback.checking.array_files import ArrayError, Given
from symback.engine.graph import Graph
from symback.engine.spec import EquationsSpec, NetworkSpec
from symback.engine.work import Work
from symback.language.errors import printable
from symback.language.names import Role, Variable

__all__ = ["fitted", "with_inputs"]

_FIRST = (Role.WEIGHT, Role.BIAS, Role.INPUT, Role.TARGET, Role.LEAF)
"""Weights first: they fix the widths that a file leaves as symbols."""


def fitted(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """``array`` in ``shape``, or None where it is another thing.

    A vector may be saved as a column or a row, a matrix with one row or column as a vector, and a
    scalar as an array of one number; a matrix is never turned.

    >>> fitted(np.zeros((3, 1)), (3,)).shape, fitted(np.zeros((4, 2)), (2, 4)) is None
    ((3,), True)
    """
    if array.shape == shape:
        return array
    matrices = array.ndim == 2 and len(shape) == 2
    if matrices or _long(array.shape) != _long(shape):
        return None
    return array.reshape(shape)


def _long(shape: Sequence[int]) -> tuple[int, ...]:
    """The axes that are longer than one."""
    return tuple(size for size in shape if size != 1)


def with_inputs(work: Work, given: Mapping[str, Given], *, weights_are_in_out: bool) -> Work:
    """``work`` with the arrays ``given`` (by the names of the contract) for its [values].

    Raises `ArrayError` naming both shapes, or the place of a number that is not finite.
    """
    if not given:
        return work
    for array in given.values():
        _check_finite(array)
    if isinstance(work.spec, EquationsSpec):
        return Work(_equations(work.spec, given))
    if weights_are_in_out:
        weights = {v.name for v in work.graph.variables if v.role is Role.WEIGHT}
        given = {n: _turned(g) if n in weights else g for n, g in given.items()}
    return Work(_network(work.spec, work.graph, given))


def _check_finite(given: Given) -> None:
    bad = np.argwhere(~np.isfinite(given.array))
    if len(bad):
        value = float(given.array[tuple(bad[0])])
        at = ", ".join(str(int(k) + 1) for k in bad[0])
        place = f" at ({at}), counted from 1" if at else ""
        raise ArrayError(f"{printable(given.name)} holds {value}{place}; an input is finite")


def _turned(given: Given) -> Given:
    return replace(given, array=given.array.T)


def _equations(spec: EquationsSpec, given: Mapping[str, Given]) -> EquationsSpec:
    for array in given.values():
        if array.array.size != 1:
            raise ArrayError(
                f"{printable(array.name)} has shape {array.array.shape}; expected one number"
            )
    mine = {name: _decimals(array.array.reshape(())) for name, array in given.items()}
    return replace(spec, values=tuple((dict(spec.values) | mine).items()))


def _network(spec: NetworkSpec, graph: Graph, given: Mapping[str, Given]) -> NetworkSpec:
    inputs = [v for role in _FIRST for v in graph.variables if v.role is role]
    sizes: dict[Expr, int] = {}
    values = dict(spec.values.parameters)
    data: dict[str, Any] = {"x": spec.values.x, "y": spec.values.y}
    for variable in inputs:
        if variable.name in given:
            array = _input(given[variable.name], variable, sizes)
            (data if variable.name in data else values)[variable.name] = _decimals(array)
    _check_samples(data, given)
    order = [v.name for v in graph.variables if v.name in values]
    parameters = tuple((name, values[name]) for name in order)
    return replace(spec, values=replace(spec.values, **data, parameters=parameters))


def _input(given: Given, variable: Variable, sizes: dict[Expr, int]) -> np.ndarray:
    """An input in its shape; widths that are symbols are what the first array makes them."""
    own = variable.shape[variable.batched :]
    is_data = variable.role in (Role.INPUT, Role.TARGET)
    widths = [int(size) if size.is_Integer else sizes.get(size) for size in own]
    array = given.array
    if None in widths and array.ndim >= len(widths):
        tail = array.shape[array.ndim - len(widths) :]
        widths = [each if each is not None else got for each, got in zip(widths, tail, strict=True)]
    shape = tuple(each for each in widths if each is not None)
    found = fitted(array, shape)
    if found is None and is_data and array.ndim == 2 and array.shape[1:] == shape:
        found = array
    if found is None:
        raise _misshapen(given, shape, variable)
    sizes |= {size: got for size, got in zip(own, found.shape[-len(own) :], strict=True) if own}
    return found


def _misshapen(given: Given, shape: tuple[int, ...], variable: Variable) -> ArrayError:
    wanted = f"expected {shape}"
    if variable.role in (Role.INPUT, Role.TARGET):
        wanted += f", or (samples, {shape[0]}) for a batch, one row a sample"
    if variable.role is Role.TARGET and given.array.ndim == 1:
        wanted += "; write class labels as one-hot rows"
    if variable.role is Role.WEIGHT and given.array.shape == shape[::-1]:
        wanted += ", (out, in); this is its transpose, as in x @ W (--notation cs231n)"
    return ArrayError(f"{printable(given.name)} has shape {given.array.shape}; {wanted}")


def _check_samples(data: Mapping[str, Any], given: Mapping[str, Given]) -> None:
    x, y = data["x"], data["y"]
    if x is None or y is None:
        return
    counts = [len(each) if isinstance(each[0], tuple) else None for each in (x, y)]
    if counts[0] != counts[1]:
        said = ["one sample" if count is None else f"{count} samples" for count in counts]
        where = ["in the arrays" if name in given else "under [values]" for name in ("x", "y")]
        raise ArrayError(
            f"x {where[0]} has {said[0]}, but y {where[1]} has {said[1]}; save both x and y"
        )


def _decimals(array: np.ndarray) -> Any:
    """Nested tuples of exact numbers, as a specification holds them."""
    if array.ndim == 0:
        return Decimal(float(array))
    return tuple(_decimals(each) for each in array)
