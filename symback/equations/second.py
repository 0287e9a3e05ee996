"""Second derivatives: a second backward pass, over the equations of the adjoints.

* `mixed` differentiates ∂L/∂(one element) once more: its adjoints are ∂²L/∂u∂v for all u;
* `hessian_product` differentiates Σ ∂L/∂θ · v, so that the adjoint of each θ is (H v)_θ
  (Pearlmutter 1994).

>>> from symback.equations.indices import letter
>>> from symback.equations.system import Definition, Group
>>> from symback.equations.terms import Call
>>> w = Quantity("w", Kind.PARAMETER)
>>> line = Definition("L", (), (), Call("exp", (Read("w"),)))
>>> system = System({}, (w, Quantity("L", Kind.COMPUTED)), (Group((line,)),), "L")
>>> twice = mixed(backward(system), "w", ())
>>> twice.adjoints["w"][0].definition.term
Times(factors=(Read(array='∂L', indices=()), Read(array='L', indices=())))
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from symback.equations.adjoints import Backward, backward
from symback.equations.indices import Affine, Range, letter, number
from symback.equations.system import (
    Definition,
    Group,
    Kind,
    Quantity,
    System,
    adjoint_name,
    needed,
)
from symback.equations.terms import Read, Term, fresh, product, summed, total

FIRST = "G"
"""The scalar that a second backward pass differentiates."""
SECOND = "∂"
"""What the names of its adjoints begin with."""
DIRECTION = "v_{}"
"""The array that multiplies the gradient by a parameter."""


def mixed(first: Backward, array: str, indices: tuple[int, ...]) -> Backward:
    """The backward pass of ∂L/∂array[indices]: an adjoint ∂²L/∂u∂array[indices] of each u."""
    element = Read(adjoint_name(array), tuple(map(number, indices)))
    return backward(_with_target(first.system, element, ()), SECOND)


def hessian_product(first: Backward, names: Iterable[str] = ()) -> Backward:
    """The backward pass of Σ_θ ∂L/∂θ · v_θ, over the parameters ``names`` (all of them).

    Each v_θ is an input of the shape of θ, called ``v_W`` for W.
    """
    system = first.system
    moved = [each for each in system.parameters if not names or each.name in {*names}]
    moved = [each for each in moved if each.name in first.adjoints]
    directions = [replace(q, name=DIRECTION.format(q.name), kind=Kind.INPUT) for q in moved]
    parts = (_inner(one, other) for one, other in zip(moved, directions, strict=True))
    return backward(_with_target(system, total(parts), directions), SECOND)


def _inner(quantity: Quantity, direction: Quantity) -> Term:
    """Σ ∂L/∂θ · v over all elements."""
    names: list[str] = []
    taken = {name for size in quantity.shape for name in size.names}
    for _ in quantity.shape:
        names.append(fresh("i", {*taken, *names}))
    at: tuple[Affine, ...] = tuple(map(letter, names))
    own = Read(adjoint_name(quantity.name), at)
    body = product((own, Read(direction.name, at)))
    for name, size in reversed([*zip(names, quantity.shape, strict=True)]):
        body = summed(Range(name, size), (), body)
    return body


def _with_target(system: System, term: Term, more: Iterable[Quantity]) -> System:
    """A system that computes ``term`` as its last line and target."""
    name = fresh(FIRST, system.by_name)
    line = Definition(name, (), (), term)
    quantities = (*system.quantities, *more, Quantity(name, Kind.COMPUTED))
    whole = replace(system, quantities=quantities, groups=(*system.groups, Group((line,))))
    return needed(replace(whole, target=name), [name])
