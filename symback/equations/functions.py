"""The catalogue's functions in index notation: their formulas and slopes, read off its rows.

Here one can

* turn a formula that `symback.language.reading` has read into a term: `term_of`;
* spell out a function of the catalogue: `formula`; take its slope: `slope`, as a formula in its
  argument and, where the row gives it so, its own value;
* say what is taken for a slope where there is none: `conventions`; which argument of a maximum
  wins where several are equal: `rank`.

Constants are calls without arguments: ``Call("pi", ())``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from symback.equations.terms import (
    UNIT,
    Binder,
    Call,
    Number,
    Read,
    Term,
    Times,
    Where,
    negative,
    power,
    quotient,
    rebuilt,
    total,
    walk,
)
from symback.language import expressions, reading
from symback.language.functions import ACTIVATIONS, ELEMENTARY, Activation

_ARGUMENT, _VALUE = Call("the argument", ()), Call("the value", ())


def term_of(node: expressions.Node, names: Mapping[str, Term]) -> Term:
    """The term of a formula whose free names are ``names``; the order of the writer is kept.

    >>> z = Call("pi", ())
    >>> term_of(reading.read("2*z", names=("z",)), {"z": z})
    Times(factors=(Number(value=Fraction(2, 1), text='2'), Call(function='pi', arguments=())))
    """
    if isinstance(node, expressions.Number):
        return Number(node.value, node.text)
    if isinstance(node, expressions.Named):
        if node.name in names:
            return names[node.name]
        return Call("pi", ()) if node.name == "pi" else Call("exp", (UNIT,))
    head, parts = expressions.operation(node)
    if head == "where":
        relation, (left, right) = expressions.operation(parts[0])
        return compared(
            relation, *(term_of(part, names) for part in (left, right, parts[1], parts[2]))
        )
    return applied(head, tuple(term_of(part, names) for part in parts))


def applied(head: str, terms: tuple[Term, ...]) -> Term:
    """The term of one operation, ``+ - * / ** neg``, or of a function of the catalogue."""
    match head:
        case "+":
            return total(terms)
        case "-":
            return total((terms[0], negative(terms[1])))
        case "*":
            return _kept(terms)
        case "/":
            return quotient(*terms)
        case "neg":
            return negative(terms[0])
        case "**":
            return power(*terms)
    return Call(head, terms)


def _kept(factors: tuple[Term, ...]) -> Term:
    """A product as it was written: numbers stay where they stand."""
    flat = (p for f in factors for p in (f.factors if isinstance(f, Times) else (f,)))
    return Times(tuple(flat))


def compared(relation: str, left: Term, right: Term, yes: Term, no: Term) -> Term:
    """``yes`` where ``left relation right``; > and >= are < and <= the other way round."""
    if relation in (">", ">="):
        return Where(right, {">": "<", ">=": "<="}[relation], left, yes, no)
    return Where(left, relation, right, yes, no)


def is_pointwise(name: str) -> bool:
    """Whether the catalogue has a function of numbers of this name."""
    return name in ELEMENTARY or isinstance(ACTIVATIONS.get(name), Activation)


@lru_cache(maxsize=256)
def _row(text: str, of_value: bool) -> Term:
    names = {"z": _ARGUMENT, **({"h": _VALUE} if of_value else {})}
    functions = tuple(name for name, row in ACTIVATIONS.items() if isinstance(row, Activation))
    return term_of(reading.read(text, names=tuple(names), functions=functions), names)


def _filled(term: Term, known: Mapping[Term, Term]) -> Term:
    return known[term] if term in known else rebuilt(term, lambda part: _filled(part, known))


def formula(name: str, argument: Term) -> Term:
    """An activation spelled out: sigmoid is 1/(1 + e^{-z})."""
    row = ACTIVATIONS[name]
    assert isinstance(row, Activation)
    return _filled(_row(row.formula, False), {_ARGUMENT: argument})


def slope(call: Call, value: Term) -> Term:
    """The derivative of a function of one number by its argument; ``value`` stands for its value.

    As the catalogue's row declares it; `symback.engine.calculus` proves the rows of activations,
    and a test those of elementary functions.
    """
    row = ACTIVATIONS.get(call.function)
    if isinstance(row, Activation):
        text = row.slope
        assert text, f"{call.function} has no slope of its own: spell it out"
    else:
        text = ELEMENTARY[call.function].slope
    known: dict[Term, Term] = {_ARGUMENT: call.arguments[0], _VALUE: value}
    return _own_value(_filled(_row(text, True), known), call, value)


def rank(argument: Term) -> tuple[bool, str]:
    """Which argument of a maximum or minimum wins where several are equal: that of highest rank.

    A constant one, else the last by name, as everywhere in the catalogue; what bound letters are
    called (j~3) has no say.
    """
    is_constant = not any(isinstance(part, Read) for part in walk(argument))
    return is_constant, re.sub(r"~\d+", "", repr(argument))


def _own_value(term: Term, call: Call, value: Term) -> Term:
    """``term`` with the function's value in place of the function: (e^z)' is e^z, so h."""
    if term == call:
        return value
    return rebuilt(term, lambda part: _own_value(part, call, value))


def has_slope(name: str) -> bool:
    """Whether the catalogue declares the slope of a function of one number."""
    row = ACTIVATIONS.get(name)
    return bool(row.slope) if isinstance(row, Activation) else bool(ELEMENTARY[name].slope)


def conventions(term: Term) -> Iterator[str]:
    """What is taken for the slope of a formula where it has none, a sentence for each kink."""
    for part in walk(term):
        match part:
            case Call(name, arguments) if len(arguments) == 1:
                row = ACTIVATIONS.get(name) or ELEMENTARY.get(name)
                if row is not None and row.convention:
                    yield row.convention
            case Call("max" | "min" as name, _):
                yield (
                    f"Where the arguments of {name} are equal, a constant one, or else the last "
                    "by name, takes the whole slope."
                )
            case Binder("max" | "min" as kind):
                most = "largest" if kind == "max" else "least"
                yield f"Where several entries are the {most}, the first takes the whole slope."
            case Where():
                yield (
                    "Where a condition is about to change, the slope is that of the case that "
                    "holds."
                )
