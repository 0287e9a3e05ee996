"""Slips of the pen in an expression: a rule of calculus, of exponents or of matrices misapplied.

Here one can list, as pairs of what is said and a node,

* what a rule of differentiation misapplied makes of a derivative: `calculus_slips`;
* what is written for the right side of a forward line by mistake: `forward_slips`;
* what a rule of algebra misapplied makes of the step from one side to the next: `step_slips`;
* what a side would be without one slip: `exponent_repairs`, `chain_repairs`, `repairs` (a sign, a
  factor, a term), `layout_repairs` (arrays); the right side among them tells which slip it was.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from symback.checking.correct import (
    indexed,
    number,
    numbered,
    opposite,
    placed,
    replaced,
    spelled,
)
from symback.checking.exact import Judge
from symback.checking.mistakes import Told
from symback.checking.rules import differentiated
from symback.language.expressions import (
    Array,
    Call,
    Derivative,
    Element,
    Index,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Total,
    Transpose,
    children,
    rebuilt,
    walk,
)

__all__ = [
    "Slip",
    "calculus_slips",
    "chain_repairs",
    "exponent_repairs",
    "flattened",
    "forward_slips",
    "held",
    "layout_repairs",
    "repairs",
    "step_slips",
    "unrolled",
]

Slip = tuple[Told, Node]
"""What is said, and what is written."""

MOST_TERMS = 40
"""Sums of more terms are not written out."""


def unrolled(node: Node) -> Node:
    """Every Σ with numbers for limits written out.

    >>> one = Sum("j", indexed("h", 1, 2), 1, indexed("h", 1, 2).indices[1])
    >>> unrolled(one) == Total((indexed("h", 1, 2), indexed("h", 1, 2)))
    True
    """
    made = rebuilt(node, unrolled)
    if not isinstance(made, Sum) or made.product or made.without is not None:
        return made
    if made.upper is None or not made.upper.is_number or made.upper.offset > MOST_TERMS:
        return made
    numbers = range(made.lower, made.upper.offset + 1)
    terms = tuple(numbered(made.body, {made.letter: each}) for each in numbers)
    return terms[0] if len(terms) == 1 else Total(terms)


# -------------------------------------------------------------------------------------- calculus


def calculus_slips(node: Node, by: Element, moving: Sequence[Element] = ()) -> Iterator[Slip]:
    """∂node/∂by with one rule of differentiation misapplied, wherever it is applied.

    ``moving`` are the elements that depend on ``by``.

    >>> x = Element("x")
    >>> [
    ...     told.name
    ...     for told, _ in calculus_slips(Call("log", (Total((number(1), opposite(x))),)), x)
    ... ]
    ['lost-inner-derivative', 'missing-log-derivative']
    """
    right = differentiated(node, by)
    for part in children(node):
        if _moves(part, by, moving) and not isinstance(part, Element):
            inner = differentiated(part, by)
            for told, slipped in calculus_slips(part, by, moving):
                yield told, replaced(right, inner, slipped)
    yield from _own_slips(node, right, [_moves(part, by, moving) for part in children(node)])


def _moves(part: Node, by: Element, moving: Sequence[Element]) -> bool:
    return any(each == by or each in moving for each in walk(part))


def _own_slips(node: Node, right: Node, moves: Sequence[bool]) -> Iterator[Slip]:
    match node, right:
        case Call(name, (inner,)), Product((outer, slope)) if not isinstance(inner, Element):
            told = Told(
                "lost-inner-derivative", f"the derivative of what {name} is taken of is lost"
            )
            yield told, outer
            if name == "log":
                yield Told("missing-log-derivative", "the derivative of log u is u′/u"), slope
        case Power(base), Product((*outer, _)) if not isinstance(base, Element):
            told = Told(
                "lost-inner-derivative", "the derivative of what is raised to a power is lost"
            )
            yield told, Product(tuple(outer))
        case Quotient(), Quotient(Total((first, second)), Power(below)):
            yield from _quotient_slips(first, second, below)
        case Product(factors), Total(terms) if sum(moves) > 1:
            slopes = (
                term.factors[place]
                for place, term in enumerate(terms)
                if moves[place] and isinstance(term, Product)
            )
            still = (factor for factor, does in zip(factors, moves, strict=True) if not does)
            told = Told("product-rule", "(u v)′ = u′v + u v′, not u′v′")
            yield told, Product((*slopes, *still))
        case _:
            pass


def held(node: Node, by: Element) -> Node:
    """A derivative by ``by`` alone: ∂v/∂by is 1 for ``by`` itself and 0 for what it is beside."""
    if isinstance(node, Derivative) and isinstance(node.of, Element):
        return number(int(node.of == by))
    return rebuilt(node, lambda part: held(part, by))


def _quotient_slips(first: Node, second: Node, below: Node) -> Iterator[Slip]:
    told = Told("quotient-rule", "(u/v)′ = (u′v - u v′)/v²; for 1/v that is -v′/v²")
    square = Power(below, number(2))
    yield told, Quotient(Total((opposite(first), opposite(second))), square)
    yield told, Quotient(Total((first, opposite(second))), square)
    yield told, Quotient(Total((first, second)), below)
    yield told, Quotient(Total((first, second)), number(1))
    yield told, Quotient(Total((opposite(first), opposite(second))), below)


# --------------------------------------------------------------------------------- forward lines


def forward_slips(judge: Judge, right: Node) -> Iterator[Slip]:
    """What is written for the right side of a_k, h_k, ŷ or L by mistake."""
    right = unrolled(right)
    yield from _without_terms(right)
    if not judge.scope.is_network:  # there w, h and a are names like others
        return
    for weight in _elements(right, "w"):
        yield from _other_weights(judge, right, weight)
    yield from _all_turned(judge, right)
    for h in (*_elements(right, "h"), *_elements(right, "x")):
        yield from _other_activations(judge, right, h)
    for term in _elements(right, "b"):
        for other in _siblings(judge, term):
            text = f"{spelled(other)} stands where {spelled(term)} belongs"
            yield Told("wrong-bias-index", text), replaced(right, term, other)
    a = _elements(right, "a")
    if len(a) == 1:
        for name in judge.equations.activations:
            if name not in ("softmax", "linear"):
                told = Told("wrong-activation", f"this is {name}, another function")
                yield told, Call(name, (a[0],))
        yield (
            Told("missing-activation", f"the function applied to {spelled(a[0])} is missing"),
            a[0],
        )


def _elements(node: Node, letter: str) -> list[Element]:
    every = (part for part in walk(node) if isinstance(part, Element))
    return [each for each in dict.fromkeys(every) if each.letter == letter]


def _without_terms(right: Node) -> Iterator[Slip]:
    for total in dict.fromkeys(part for part in walk(right) if isinstance(part, Total)):
        for place, term in enumerate(total.terms):
            left = _sum_of((*total.terms[:place], *total.terms[place + 1 :]))
            shown = _shown(term)
            told = Told("missing-forward-term", f"the term {shown} is missing")
            yield told, replaced(right, total, left)
            turned = Total((*total.terms[:place], opposite(term), *total.terms[place + 1 :]))
            told = Told("sign-flipped", f"the sign of the term {shown} is wrong")
            yield told, replaced(right, total, turned)
            turned_within = _without_sign(term)
            if turned_within is not None:
                told = Told("sign-flipped", f"a sign in the term {shown} is wrong")
                yield told, replaced(right, term, turned_within)


def _without_sign(term: Node) -> Node | None:
    """e^a for e^{-a}."""
    for part in walk(term):
        if isinstance(part, Call):
            match part.arguments:
                case (Product((Number(sign), inner)),) if sign == -1:
                    return replaced(term, part, replace(part, arguments=(inner,)))
                case _:
                    pass
    return None


def _shown(term: Node) -> str:
    """The quantities of a term, for a sentence."""
    match term:
        case Element():
            return spelled(term)
        case Number(value):
            return str(value)
        case Product(factors):
            signs = [each for each in factors if each == number(-1)]
            rest = [_shown(each) for each in factors if each != number(-1)]
            return "-" * (len(signs) % 2) + "·".join(rest)
        case Call("exp", (inner,)):
            return f"e^({_shown(inner)})"
        case Call(name, (inner,)):
            return f"{name}({_shown(inner)})"
        case Power(base, exponent):
            return f"({_shown(base)})^{_shown(exponent)}"
        case Total(terms):
            return " + ".join(_shown(each) for each in terms).replace("+ -", "- ")
        case Quotient(above, below):
            return f"({_shown(above)})/({_shown(below)})"
        case _:
            return "with " + ", ".join(spelled(e) for e in walk(term) if isinstance(e, Element))


def _other_weights(judge: Judge, right: Node, weight: Element) -> Iterator[Slip]:
    layer, i, j = (each.offset for each in weight.indices)
    instead = f"stands where {spelled(weight)} belongs"
    turned = indexed("w", layer, j, i)
    if i != j and placed(judge.equations, turned) is not None:
        told = Told("transposed-weight", f"{spelled(turned)} {instead}: w_kij leads into neuron i")
        yield told, replaced(right, weight, turned)
    for other in _siblings(judge, weight):
        if other not in (weight, turned):
            told = Told("wrong-weight-index", f"{spelled(other)} {instead}")
            yield told, replaced(right, weight, other)
    for k in range(1, judge.scope.depth + 1):
        other = indexed("w", k, i, j)
        if k != layer and placed(judge.equations, other) is not None:
            told = Told("weight-of-wrong-layer", f"{spelled(other)} {instead}")
            yield told, replaced(right, weight, other)
    told = Told("missing-weight", f"the weight {spelled(weight)} is missing")
    yield told, replaced(right, weight, number(1))


def _siblings(judge: Judge, element: Element) -> Iterator[Element]:
    """The other elements of the same quantity."""
    neuron = placed(judge.equations, element)
    if neuron is None:
        return
    head = element.indices[: len(element.indices) - len(neuron[1])]
    for own in itertools.product(*(range(1, int(size) + 1) for size in neuron[0].shape)):
        other = Element(element.letter, (*head, *indexed("", *own).indices))
        if other != element:
            yield other


def _all_turned(judge: Judge, right: Node) -> Iterator[Slip]:
    """Every w_kij read as w_kji."""
    turned = right
    for weight in _elements(right, "w"):
        layer, i, j = (each.offset for each in weight.indices)
        other = indexed("w", layer, j, i)
        if placed(judge.equations, other) is None:
            return
        turned = replaced(turned, weight, Element("turned", other.indices))
    named = rebuilt_elements(turned)
    if named != right:
        text = "w_kij is read as w_kji; the first index is the neuron it leads into"
        yield Told("index-order", text), named


def rebuilt_elements(node: Node) -> Node:
    """The weights that were set apart while others were replaced."""
    if isinstance(node, Element) and node.letter == "turned":
        return Element("w", node.indices)
    return rebuilt(node, rebuilt_elements)


def _other_activations(judge: Judge, right: Node, h: Element) -> Iterator[Slip]:
    instead = f"stands where {spelled(h)} belongs"
    if h.letter == "h":
        a = Element("a", h.indices)
        told = Told("preactivation-for-activation", f"{spelled(a)} {instead}")
        yield told, replaced(right, h, a)
        for k in range(1, judge.scope.depth):
            other = indexed("h", k, h.indices[1].offset)
            if other != h and placed(judge.equations, other) is not None:
                told = Told("activation-of-wrong-layer", f"{spelled(other)} {instead}")
                yield told, replaced(right, h, other)
        x = indexed("x", h.indices[1].offset)
        if placed(judge.equations, x) is not None:
            told = Told("activation-of-wrong-layer", f"{spelled(x)} {instead}")
            yield told, replaced(right, h, x)
    for other in _siblings(judge, h):
        told = Told("wrong-input-index", f"{spelled(other)} {instead}")
        yield told, replaced(right, h, other)


# ---------------------------------------------------------------------------------------- algebra

_EXPONENTS = Told("exponent-rule", "e^u·e^v = e^(u+v): exponents are added, not multiplied")


def step_slips(before: Node) -> Iterator[Slip]:
    """What a rule of algebra or calculus misapplied makes of the side before."""
    for part in dict.fromkeys(walk(before)):
        match part:
            case Product(factors):
                for wrong in _exponents_multiplied(factors):
                    yield _EXPONENTS, replaced(before, part, wrong)
            case Quotient(Call("exp", (u,), primes=0), Call("exp", (v,), primes=0)):
                for wrong in (Quotient(u, v), opposite(Product((u, v)))):
                    yield _EXPONENTS, replaced(before, part, Call("exp", (wrong,)))
            case Derivative(of, Element() as by) if not isinstance(of, (Element, Array)):
                for told, slipped in calculus_slips(of, by):
                    yield told, replaced(before, part, slipped)
            case _:
                pass


def _exponents_multiplied(factors: Sequence[Node]) -> Iterator[Node]:
    """e^{uv} for two of the factors e^u and e^v."""
    powers = [each for each in factors if isinstance(each, Call) and each.function == "exp"]
    for first, second in itertools.combinations(powers, 2):
        wrong = Call("exp", (Product((*first.arguments, *second.arguments)),))
        rest = tuple(each for each in factors if each not in (first, second))
        yield Product((*rest, wrong))


def exponent_repairs(wrong: Node) -> Iterator[Slip]:
    """The side with e^{u+v} for an e^{uv}."""
    for part in dict.fromkeys(walk(wrong)):
        match part:
            case Call("exp", (Product(factors),), primes=0):
                for node in _exponents_added(factors):
                    yield _EXPONENTS, replaced(wrong, part, Call("exp", (node,)))
            case _:
                pass


def repairs(wrong: Node) -> Iterator[Slip]:
    """The side without one slip: a sign, a factor or a term."""
    for part in dict.fromkeys(walk(wrong)):
        match part:
            case Total(terms):
                yield from _repaired_terms(wrong, part, terms)
            case Product(factors):
                for place, factor in enumerate(factors):
                    rest = (*factors[:place], *factors[place + 1 :])
                    left = _product_of(rest, elementwise=part.elementwise)
                    told = Told("spurious-factor", f"spurious factor {_shown(factor)}")
                    yield told, replaced(wrong, part, left)
            case _:
                pass


def _repaired_terms(wrong: Node, part: Total, terms: Sequence[Node]) -> Iterator[Slip]:
    for place, term in enumerate(terms):
        turned = Total((*terms[:place], opposite(term), *terms[place + 1 :]))
        told = Told("sign-flipped", f"the sign of {_shown(term)} is wrong")
        yield told, replaced(wrong, part, turned)
        left = _sum_of((*terms[:place], *terms[place + 1 :]))
        yield Told("spurious-term", f"spurious term {_shown(term)}"), replaced(wrong, part, left)


def _sum_of(terms: Sequence[Node]) -> Node:
    return terms[0] if len(terms) == 1 else Total(tuple(terms))


def flattened(factors: Sequence[Node]) -> list[Node]:
    """The factors, those of products among them too."""
    parts = ((flattened(f.factors) if isinstance(f, Product) else [f]) for f in factors)
    return list(itertools.chain.from_iterable(parts))


def _product_of(factors: Sequence[Node], *, elementwise: bool = False) -> Node:
    return factors[0] if len(factors) == 1 else Product(tuple(factors), elementwise)


def _exponents_added(factors: Sequence[Node]) -> Iterator[Node]:
    """u + v, with all choices of signs, for uv."""
    plain = [each for each in flattened(factors) if not isinstance(each, Number)]
    if not 2 <= len(plain) <= 3:
        return
    for signs in itertools.product((False, True), repeat=len(plain)):
        yield Total(tuple(opposite(u) if s else u for u, s in zip(plain, signs, strict=True)))


# ---------------------------------------------------------------------------------------- chains


def chain_repairs(wrong: Node, of: Element, by: Element) -> Iterator[Slip]:
    """A chain ∂L/∂ŷ · ∂a/∂w with its missing link put in, for each term that lacks just one."""
    terms = wrong.terms if isinstance(wrong, Total) else (wrong,)
    for term in terms:
        factors = flattened((term,))
        gap = _gap([each for each in factors if isinstance(each, Derivative)], of, by)
        if gap is not None:
            text = f"the factor ∂{spelled(gap[0])}/∂{spelled(gap[1])} is missing in the chain"
            mended = Product((*factors, Derivative(*gap)))
            yield Told("missing-factor", text), replaced(wrong, term, mended)


def _gap(links: Sequence[Derivative], of: Element, by: Element) -> tuple[Element, Element] | None:
    """The only place where a chain from ``of`` to ``by`` is broken."""
    if not links:
        return None
    tops = [of, *(link.by for link in links)]
    bottoms = [*(link.of for link in links), by]
    for each in list(tops):
        if each in bottoms:
            tops.remove(each)
            bottoms.remove(each)
    match tops, bottoms:
        case [Element() as above], [Element() as below]:
            return above, below
        case _:
            return None


# ---------------------------------------------------------------------------------------- arrays


def layout_repairs(wrong: Node) -> Iterator[Slip]:
    """The side with one or two transposes or products put right, and the whole transposed."""
    yield Told("matrix-layout", "the whole is transposed"), Transpose(wrong)
    once = list(_repaired_layout(wrong))
    yield from once
    yield from _other_arrays(wrong)
    for first, node in once:
        for second, repaired in _repaired_layout(node):
            if repaired != wrong:
                yield Told("matrix-layout", f"{first.text}; {second.text}"), repaired


def _repaired_layout(wrong: Node) -> Iterator[Slip]:
    for part in dict.fromkeys(walk(wrong)):
        match part:
            case Transpose(inner):
                told = Told("matrix-layout", f"{_array_text(inner)} is not to be transposed")
                yield told, replaced(wrong, part, inner)
            case Array() | Derivative(_, Array()):
                if Transpose(part) not in walk(wrong):
                    told = Told("matrix-layout", f"{_array_text(part)} is to be transposed")
                    yield told, _replaced_outside(wrong, part, Transpose(part))
            case Product(factors, elementwise=flag):
                text = "a matrix product belongs where ⊙ stands" if flag else "⊙ belongs here"
                toggled = replace(part, elementwise=not flag)
                yield Told("matrix-layout", text), replaced(wrong, part, toggled)
                if not flag and len(factors) == 2:
                    turned = Product(factors[::-1])
                    told = Told("matrix-layout", "the factors stand in the wrong order")
                    yield told, replaced(wrong, part, turned)
                elif not flag:
                    yield from _repaired_product(wrong, part)
            case _:
                pass


def _repaired_product(wrong: Node, product: Product) -> Iterator[Slip]:
    """A longer product: with ⊙ before its last factor, and transposed."""
    *first, last = product.factors
    joined = Product((Product(tuple(first)), last), True)
    yield (
        Told("matrix-layout", "⊙ belongs before the last factor"),
        replaced(wrong, product, joined),
    )
    turned = replaced(wrong, product, Transpose(product))
    yield Told("matrix-layout", "the product is to be transposed"), turned


def _other_arrays(wrong: Node) -> Iterator[Slip]:
    """The side with another activation, or the weights of another layer, put in."""
    yield from _of_another_layer(wrong)
    arrays = dict.fromkeys(part for part in walk(wrong) if isinstance(part, Array))
    for array in arrays:
        for name, other in _instead_of(array):
            text = f"{_array_text(array)} stands where {_array_text(other)} belongs"
            yield Told(name, text), _replaced_outside(wrong, array, other)


def _of_another_layer(wrong: Node) -> Iterator[Slip]:
    """The side with W_k and the error behind it both one layer further on, or back."""
    layers = [part.layer for part in walk(wrong) if isinstance(part, Array) and part.letter == "W"]
    for layer in dict.fromkeys(each for each in layers if each is not None):
        for step in (-1, 1):
            other = replace(layer, offset=layer.offset + step)
            text = f"W_{_layer_text(layer)} stands where W_{_layer_text(other)} belongs"
            told = Told("weight-of-wrong-layer", f"{text}, with the error of its layer")
            yield told, _with_layer(wrong, layer, other)


def _with_layer(node: Node, layer: Index, other: Index) -> Node:
    """``node`` with W, δ and what is differentiated by of another layer."""
    if isinstance(node, Array) and node.letter in ("W", "delta", "a") and node.layer == layer:
        return replace(node, layer=other)
    return rebuilt(node, lambda part: _with_layer(part, layer, other))


def _instead_of(array: Array) -> Iterator[tuple[str, Array]]:
    layer = array.layer or Index("", 0)
    below, above = (replace(layer, offset=layer.offset + step) for step in (-1, 1))
    if array.letter in ("h", "x", "yhat"):
        others = (Array("x"), Array("h", below), Array("h", above), Array("yhat"))
        for other in others:
            if other != array:
                yield "activation-of-wrong-layer", other
    elif array.letter == "a":
        yield "preactivation-for-activation", Array("h", layer)
    elif array.letter == "W":
        yield "weight-of-wrong-layer", Array("W", below)
        yield "weight-of-wrong-layer", Array("W", above)


def _replaced_outside(node: Node, old: Node, new: Node) -> Node:
    """`replaced`, but not in what is differentiated by."""
    if node == old:
        return new
    if isinstance(node, Derivative):
        return node
    return rebuilt(node, lambda part: _replaced_outside(part, old, new))


def _array_text(node: Node) -> str:
    match node:
        case Array(letter, layer):
            shown = {"yhat": "ŷ", "delta": "δ"}.get(letter, letter)
            return shown if layer is None else f"{shown}_{_layer_text(layer)}"
        case _:
            return "an array"


def _layer_text(layer: Index) -> str:
    if layer.is_number:
        return str(layer.offset)
    return f"({layer.letter}{layer.offset:+d})" if layer.offset else layer.letter
