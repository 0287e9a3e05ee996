"""Random true rewritings and random mutations of what symback derives, and a referee for them.

`pairs` draws pairs of sides, some equal and some not; `Referee` decides by its own arithmetic: 60
digits, its own forward pass in loops, and ∂f/∂v as a difference quotient of the forward pass with v
moved by 1e-40.  It shares no line with `symback.checking`, but for the nodes it reads.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction

import mpmath

import symback as sb
from symback.checking.conversion import to_node
from symback.language.expressions import (
    LOSS,
    Call,
    Cases,
    Comparison,
    Derivative,
    Element,
    Index,
    Indicator,
    Letter,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Sum,
    Total,
    walk,
)
from symback.language.names import PARAMETERS, Role, elements

mp = mpmath.mp.clone()
mp.dps = 100
STEP = mp.mpf("1e-40")

ONE, MINUS, TWO = (Number(Fraction(n)) for n in (1, -1, 2))

NETWORKS = [
    lambda: sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy"),
    lambda: sb.Network(4, [(4, "sigmoid"), (2, "softmax")], loss="squared_error"),
    lambda: sb.Network(3, [(4, "tanh"), (3, "softmax")], loss="cross_entropy"),
    lambda: sb.Network(2, [(2, "sigmoid"), (2, "tanh"), (2, "linear")], loss="half_squared_error"),
    lambda: sb.Network(2, [(3, "tanh"), (1, "sigmoid")], loss="binary_cross_entropy"),
    lambda: sb.Network(2, [(2, "softplus"), (2, "softmax")], loss="cross_entropy", bias="none"),
    lambda: sb.Network(2, [(3, "relu"), (2, "softmax")], loss="cross_entropy"),
    lambda: sb.Network(
        2, [(2, "leaky_relu"), (2, "sigmoid")], loss="squared_error", over_outputs="mean"
    ),
    lambda: sb.Network(1, [(1, "sigmoid"), (1, "sigmoid"), (1, "sigmoid")], loss="squared_error"),
    lambda: sb.Network(2, [(2, "elu"), (1, "linear")], loss="huber", bias="per_layer"),
]

FUNCTIONS = {
    "linear": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + mp.exp(-z)),
    "tanh": mp.tanh,
    "relu": lambda z: max(mp.mpf(0), z),
    "leaky_relu": lambda z: z if z > 0 else z / 100,
    "elu": lambda z: z if z > 0 else mp.exp(z) - 1,
    "softplus": lambda z: mp.log(1 + mp.exp(z)),
}


def squared(y, p):
    return (y - p) ** 2


LOSSES = {
    "squared_error": squared,
    "half_squared_error": lambda y, p: squared(y, p) / 2,
    "cross_entropy": lambda y, p: -y * mp.log(p),
    "binary_cross_entropy": lambda y, p: -(y * mp.log(p) + (1 - y) * mp.log(1 - p)),
    "huber": lambda y, p: squared(y, p) / 2 if abs(y - p) <= 1 else abs(y - p) - mp.mpf(1) / 2,
}


class Referee:
    """Values of nodes at random numbers for one network, by loops of its own."""

    def __init__(self, net, seed: int) -> None:
        self.net, self.draw = net, random.Random(seed)
        self.widths = [int(width) for width in net.spec.widths]
        self.leaves = {}
        for variable in net.graph.variables:
            if variable.role in (*PARAMETERS, Role.INPUT, Role.TARGET):
                for reference in elements(variable):
                    layer = (variable.layer,) if variable.role in PARAMETERS else ()
                    key = variable.letter, (*layer, *reference.indices)
                    self.leaves[key] = mp.mpf(self.draw.randint(-2 * 10**12, 2 * 10**12)) / 10**12
        self.values = self.forward({})
        self.moved = {}

    def forward(self, moved):
        """Every quantity, with those in ``moved`` put off by a step and all others following."""
        values = {key: value + moved.get(key, 0) for key, value in self.leaves.items()}

        def put(key, value):
            values[key] = value + moved.get(key, 0)

        depth = len(self.widths) - 1
        h = [values["x", (j,)] for j in range(1, self.widths[0] + 1)]
        for k, layer in enumerate(self.net.spec.layers, start=1):
            for i in range(1, self.widths[k] + 1):
                bias = values.get(("b", (k, i)), values.get(("b", (k,)), 0))
                total = sum(values["w", (k, i, j)] * h[j - 1] for j in range(1, len(h) + 1))
                put(("a", (k, i)), total + bias)
            a = [values["a", (k, i)] for i in range(1, self.widths[k] + 1)]
            if layer.activation.name == "softmax":
                powers = [mp.exp(z) for z in a]
                outputs = [power / sum(powers) for power in powers]
            else:
                outputs = [FUNCTIONS[layer.activation.name](z) for z in a]
            for i, output in enumerate(outputs, start=1):
                put(("yhat", (i,)) if k == depth else ("h", (k, i)), output)
            letter, head = ("yhat", ()) if k == depth else ("h", (k,))
            h = [values[letter, (*head, i)] for i in range(1, self.widths[k] + 1)]
        term = LOSSES[self.net.spec.loss.name]
        loss = sum(term(values["y", (i,)], p) for i, p in enumerate(h, start=1))
        put(("L", ()), loss / (len(h) if self.net.spec.over_outputs == "mean" else 1))
        return values

    def key(self, element, env):
        numbers = tuple(env.get(i.letter, 0) + i.offset for i in element.indices)
        if element.letter == "h" and numbers[0] == 0:
            return "x", numbers[1:]
        return element.letter, numbers

    def slope(self, of, by):
        if by not in self.moved:
            self.moved[by] = [self.forward({by: sign * STEP}) for sign in (1, -1)]
        above, below = self.moved[by]
        return (above[of] - below[of]) / (2 * STEP)

    def value(self, node, env=None):
        env = env or {}

        def of(part):
            return self.value(part, env)

        match node:
            case Number(value):
                return mp.mpf(value.numerator) / value.denominator
            case Element():
                return self.values[self.key(node, env)]
            case Derivative(Element() as f, Element() as v):
                return self.slope(self.key(f, env), self.key(v, env))
            case Total(terms):
                return sum(map(of, terms))
            case Product(factors):
                return mp.fprod(map(of, factors))
            case Quotient(above, below):
                return of(above) / of(below)
            case Power(base, exponent):
                return of(base) ** int(of(exponent))
            case Sum(letter, body, lower, upper):
                last = env.get(upper.letter, 0) + upper.offset
                return sum(self.value(body, {**env, letter: k}) for k in range(lower, last + 1))
            case Call("exp", (u,)):
                return mp.exp(of(u))
            case Call("log", (u,)):
                return mp.log(of(u))
            case Call("max", (u, v)):
                return max(of(u), of(v))
            case Call("abs", (u,)):
                return abs(of(u))
            case Call("sign", (u,)):
                return mp.sign(of(u))
            case Call(name, (u,)):
                return FUNCTIONS[name](of(u))
            case Indicator(condition):
                return mp.mpf(int(self.holds(condition, env)))
            case Cases(branches):
                return next(of(v) for v, c in branches if c is None or self.holds(c, env))
        raise TypeError(f"the referee does not know {node}")

    def holds(self, condition, env):
        assert isinstance(condition, Comparison)
        sides = []
        for side in (condition.left, condition.right):
            if isinstance(side, Letter):
                sides.append(env.get(side.index.letter, 0) + side.index.offset)
            else:
                sides.append(self.value(side, env))
        left, right = sides
        return {
            "=": left == right, ">": left > right, "<": left < right,
            ">=": left >= right, "<=": left <= right,
        }[condition.relation]  # fmt: skip


# ------------------------------------------------------------------------------------- rewriting


def parts(node: Node, where=()) -> Iterator[tuple[tuple, Node]]:
    """Every node within ``node`` that is no condition, index or name, with the way to it."""
    yield where, node
    if isinstance(node, Derivative):
        return
    for name in ("terms", "factors", "arguments"):
        for k, child in enumerate(getattr(node, name, ())):
            yield from parts(child, (*where, (name, k)))
    for name in ("above", "below", "base", "body"):
        if isinstance(child := getattr(node, name, None), Node):
            yield from parts(child, (*where, (name, None)))


def put(node: Node, where, new: Node) -> Node:
    """``node`` with the part at ``where`` replaced."""
    if not where:
        return new
    (name, k), *rest = where
    old = getattr(node, name)
    value = put(old if k is None else old[k], rest, new)
    if k is not None:
        value = (*old[:k], value, *old[k + 1 :])
    return type(node)(**{f: getattr(node, f) for f in node.__dataclass_fields__} | {name: value})


def minus(node: Node) -> Node:
    return Product((MINUS, node))


def numbered(letter: str, *numbers: int) -> Element:
    return Element(letter, tuple(Index("", n) for n in numbers))


class Rewriter:
    """Draws true rewritings and mutations of nodes about one network."""

    def __init__(self, net, draw: random.Random) -> None:
        self.net, self.draw = net, draw
        self.activations = [layer.activation.name for layer in net.spec.layers]
        self.known = [
            e for e in self.all_elements() if e.letter in ("h", "x", "y", "yhat", "w", "a")
        ]

    def all_elements(self):
        for variable in self.net.graph.variables:
            if variable.role is Role.LOSS:
                continue
            for reference in elements(variable):
                head = () if variable.letter in ("x", "y", "yhat") else (variable.layer,)
                yield numbered(variable.letter, *head, *reference.indices)

    def rewritten(self, node: Node) -> Node:
        """An equal node."""
        where, part = self.draw.choice(list(parts(node)))
        return put(node, where, self.draw.choice(self.rewritings(part)))

    def rewritings(self, node: Node) -> list[Node]:
        u = self.draw.choice(self.known)
        found: list[Node] = [
            Product((ONE, node)),
            Total((node, u, minus(u))),
            minus(minus(node)),
            Quotient(Product((node, TWO)), TWO),
            Total((Quotient(node, TWO), Quotient(node, TWO))),
            Quotient(Product((node, Call("exp", (u,)))), Call("exp", (u,))),
        ]
        match node:
            case Total(terms):
                shuffled = self.draw.sample(terms, len(terms))
                found += [Total(tuple(shuffled)), minus(Total(tuple(minus(t) for t in terms)))]
            case Product(factors):
                found.append(Product(tuple(self.draw.sample(factors, len(factors)))))
                for k, factor in enumerate(factors):
                    if isinstance(factor, Total):
                        rest = (*factors[:k], *factors[k + 1 :])
                        found.append(Total(tuple(Product((*rest, t)) for t in factor.terms)))
            case Quotient(above, below):
                found += [
                    Product((above, Quotient(ONE, below))),
                    minus(Quotient(minus(above), below)),
                ]
            case Call("exp", (inner,)):
                found.append(Quotient(ONE, Call("exp", (minus(inner),))))
            case Element("h", (Index(offset=k), *_) as own):
                if self.activations[k - 1] in FUNCTIONS:
                    found.append(Call(self.activations[k - 1], (Element("a", own),)))
                if self.activations[k - 1] == "sigmoid":
                    below = Total((ONE, Call("exp", (minus(Element("a", own)),))))
                    found.append(Quotient(ONE, below))
            case Element("yhat", own) if self.activations[-1] == "softmax":
                depth = Index("", len(self.activations))
                size = Index("", int(self.net.spec.widths[-1]))
                others = [
                    numbered("yhat", m) for m in range(1, size.offset + 1) if (Index("", m),) != own
                ]
                found.append(Total((ONE, *(minus(other) for other in others))))
                powers = Sum("m", Call("exp", (Element("a", (depth, Index("m"))),)), 1, size)
                found.append(Quotient(Call("exp", (Element("a", (depth, *own)),)), powers))
        return found

    def mutated(self, node: Node) -> Node:
        """A node with one thing changed; mostly not equal."""
        where, part = self.draw.choice(list(parts(node)))
        return put(node, where, self.draw.choice(self.mutations(part)))

    def mutations(self, node: Node) -> list[Node]:
        u = self.draw.choice(self.known)
        found: list[Node] = [
            minus(node),
            Product((TWO, node)),
            Product((node, u)),
            Total((node, u)),
        ]
        match node:
            case Total(terms):
                k = self.draw.randrange(len(terms))
                found.append(Total((*terms[:k], minus(terms[k]), *terms[k + 1 :])))
                if len(terms) > 1:
                    found.append(Total((*terms[:k], *terms[k + 1 :])))
            case Product(factors) if len(factors) > 1:
                k = self.draw.randrange(len(factors))
                found += [Product((*factors[:k], *factors[k + 1 :])), Total(factors)]
            case Quotient(above, below):
                found.append(Quotient(below, above))
            case Element(letter):
                found += [e for e in self.known if e.letter == letter and e != node][:3]
            case Number(value):
                found.append(Number(value + 1))
        return found


def claims(net, draw: random.Random) -> Iterator[tuple[Node, Node]]:
    """What symback derives: ∂L/∂v and its right sides, for random v, without end."""
    adjoints = [v for v in net.backward.adjoints if v.role is not Role.LOSS]
    while True:
        variable = draw.choice(adjoints)
        reference = draw.choice(list(elements(variable)))
        head = () if variable.letter in ("x", "y", "yhat") else (variable.layer,)
        truth = Derivative(LOSS, numbered(variable.letter, *head, *reference.indices))
        derivation = net.derive(reference.name)
        for step in draw.sample(list(derivation.steps), 1):
            yield truth, to_node(step.rhs, net.graph)


def pairs(net, seed: int) -> Iterator[tuple[Node, Node]]:
    """What is true, and a side made from it: rewritten some times, and mutated or not."""
    draw = random.Random(seed)
    rewriter = Rewriter(net, draw)
    for truth, side in claims(net, draw):
        if sum(1 for _ in walk(side)) > 300:
            continue
        for _ in range(draw.randint(0, 3)):
            side = rewriter.rewritten(side)
        for _ in range(draw.choice((0, 1, 1, 2))):
            side = rewriter.mutated(side)
        yield truth, side
