"""Equations in index notation evaluated as plainly as can be: one element at a time, in floats.

Nothing is shared with `symback.equations.elements`, so that the two can be held against each other:
each element asks for what it reads, as in a spreadsheet.  For small systems only.
"""

import copy
import itertools
import math

from symback.equations.functions import formula
from symback.equations.indices import holds, place
from symback.equations.system import Kind
from symback.equations.terms import (
    Binder,
    Call,
    Given,
    Measure,
    Number,
    Plus,
    Power,
    Read,
    Times,
    Where,
)

FUNCTIONS = {
    "exp": math.exp, "log": math.log, "sqrt": math.sqrt, "tanh": math.tanh, "sin": math.sin,
    "cos": math.cos, "abs": abs, "erf": math.erf, "sign": lambda z: (z > 0) - (z < 0),
    "max": max, "min": min, "pi": lambda: math.pi,
}  # fmt: skip


class Values:
    """The elements of ``system`` where arrays are ``given`` as nested lists."""

    def __init__(self, system, given):
        self.system, self.given, self.known = system, given, {}
        self.sizes = system.known_sizes

    def data(self, array, indices):
        found = self.given[array]
        for index in indices:
            found = found[index - 1]
        return found

    def element(self, array, indices=()):
        quantity = self.system.by_name[array]
        if array in self.given:
            shape = (size.value(self.sizes) for size in quantity.shape)
            if all(1 <= index <= size for index, size in zip(indices, shape, strict=True)):
                return self.data(array, indices)
        else:
            for definition in self.system.defining[array]:
                letters = self._matched(definition, indices)
                if letters is not None:
                    if (array, indices) not in self.known:
                        self.known[array, indices] = self.value(definition.term, letters)
                    return self.known[array, indices]
        assert quantity.pad is not None, f"{array}{indices} is outside"
        return float(quantity.pad)

    def letters_of(self, definition):
        """Every choice of the letters of a definition."""
        ranges = definition.ranges
        limits = (
            range(each.lower.value(self.sizes), each.upper.value(self.sizes) + 1) for each in ranges
        )
        for choice in itertools.product(*limits):
            chosen = zip((each.letter for each in ranges), choice, strict=True)
            yield {**self.sizes, **dict(chosen)}

    def _matched(self, definition, indices):
        letters, ranges = dict(self.sizes), {each.letter: each for each in definition.ranges}
        for index, number in zip(definition.at, indices, strict=True):
            if index.bare in ranges:
                own = ranges[index.bare]
                if not own.lower.value(self.sizes) <= number <= own.upper.value(self.sizes):
                    return None
                letters[index.bare] = number
            elif index.value(self.sizes) != number:
                return None
        return letters

    def value(self, term, letters):
        def of(part):
            return self.value(part, letters)

        match term:
            case Number(value):
                return float(value)
            case Measure(index):
                return float(index.value(letters))
            case Read(array, indices):
                places = tuple(place(index, letters, self.data) for index in indices)
                return self.element(array, places)
            case Plus(terms):
                return math.fsum(map(of, terms))
            case Times(factors):
                return math.prod(map(of, factors))
            case Power(base, Number(exponent)) if exponent.denominator == 1:
                return of(base) ** int(exponent)
            case Power(base, exponent):
                return of(base) ** of(exponent)
            case Call(function, arguments) if function in FUNCTIONS:
                return FUNCTIONS[function](*map(of, arguments))
            case Call(function, (argument,)):
                return of(formula(function, argument))
            case Where(left, relation, right, yes, no):
                low, high = of(left), of(right)
                return of(yes if low < high or (relation == "<=" and low == high) else no)
            case Given(conditions, body):
                return of(body) if self._all(conditions, letters) else 0.0
            case Binder():
                return self._bound(term, letters)
        raise TypeError(type(term).__name__)

    def _all(self, conditions, letters):
        return all(holds(each, letters, self.data) for each in conditions)

    def _bound(self, binder, letters):
        kept = {}
        over = binder.range
        for number in range(over.lower.value(letters), over.upper.value(letters) + 1):
            inside = {**letters, over.letter: number}
            if self._all(binder.conditions, inside):
                kept[number] = self.value(binder.body, inside)
        values = list(kept.values())
        at = None if binder.at is None else place(binder.at, letters, self.data)
        match binder.kind:
            case "sum":
                return math.fsum(values)
            case "mean":
                return math.fsum(values) / len(values)
            case "count":
                return float(len(values))
            case "max" | "min":
                return FUNCTIONS[binder.kind](values)
            case "logsumexp":
                return math.log(math.fsum(map(math.exp, values)))
            case "softmax":
                whole = math.fsum(map(math.exp, values))
                return math.exp(kept[at]) / whole if at in kept else 0.0
        best = FUNCTIONS[binder.kind.removeprefix("arg")](values)
        return float(at == min(number for number, value in kept.items() if value == best))


def drawn(system, rng):
    """Numbers for everything that is given: normal, or whole ones for arrays of indices."""
    found = {}
    for quantity in system.quantities:
        shape = [size.value(system.known_sizes) for size in quantity.shape]
        if quantity.kind in (Kind.PARAMETER, Kind.INPUT):
            found[quantity.name] = _nested(shape, lambda: rng.gauss(0, 1))
        elif quantity.kind is Kind.DATA:
            below = quantity.below.value(system.known_sizes)
            found[quantity.name] = _nested(shape, lambda below=below: rng.randint(1, below))
    return found


def _nested(shape, draw):
    return [_nested(shape[1:], draw) for _ in range(shape[0])] if shape else draw()


def disagreements(backward, given, names, step=1e-4):
    """(element, derived, central difference) wherever the two are not alike, and how many were."""
    system, values, wrong, count = backward.forward, Values(backward.system, given), [], 0
    for quantity in (each for each in system.quantities if each.name in names):
        if quantity.name not in backward.adjoints:
            continue
        own = backward.adjoints[quantity.name][0].definition.name
        shape = (size.value(system.known_sizes) for size in quantity.shape)
        for indices in itertools.product(*(range(1, size + 1) for size in shape)):
            derived = values.element(own, indices)
            measured = _difference(system, given, (quantity.name, indices), step)
            count += 1
            if abs(derived - measured) > 1e-6 * (1 + abs(measured)):
                wrong.append((f"{quantity.name}{list(indices)}", derived, measured))
    return wrong, count


def _difference(system, given, element, step):
    """A central difference of fourth order."""

    def loss(distance):
        name, indices = element
        moved = copy.deepcopy(given)
        if not indices:
            moved[name] += distance
        else:
            row = moved[name]
            for index in indices[:-1]:
                row = row[index - 1]
            row[indices[-1] - 1] += distance
        return Values(system, moved).element(system.target)

    near, far = loss(step) - loss(-step), loss(2 * step) - loss(-2 * step)
    return (8 * near - far) / (12 * step)
