"""A second opinion on every formula: slow, scalar, and made of none of the rooms it judges.

`Referee` computes a graph's quantities neuron by neuron with 60 digits and gives every expression
that symback writes a number of its own: an element from the forward pass, a sum by adding up, and
∂f/∂v always as a central difference of what f is computed from, so that no derivative is believed.
`disagreements` is the one generic checker: it lists what is not equal to the difference quotient.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import mpmath
import sympy
from sympy import Expr, Indexed, KroneckerDelta, Piecewise, Sum, Symbol

from strategies import Case, references
from symback.engine.calculus import instantiate
from symback.engine.derivation import BackwardPass, Deduction, derive
from symback.language.algebra import Partial, Product, Terms
from symback.language.names import SAMPLE, Reference, Variable, element_name

mp = mpmath.mp.clone()
mp.dps = 60
STEP = mp.mpf("1e-20")

Node = tuple[Variable, tuple[int, ...]]
"""A quantity and all its indices, the sample included."""

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "exp": mp.exp, "log": mp.log, "sin": mp.sin, "cos": mp.cos, "tan": mp.tan, "asin": mp.asin,
    "acos": mp.acos, "atan": mp.atan, "sinh": mp.sinh, "cosh": mp.cosh, "tanh": mp.tanh,
    "erf": mp.erf, "Abs": abs, "sign": mp.sign,
}  # fmt: skip
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
}  # fmt: skip


def same(first: Any, second: Any) -> bool:
    """Say whether two numbers agree to 20 digits; below 1e-28 all numbers count as 0."""
    return abs(first - second) <= 1e-20 * max(abs(first), abs(second)) + mp.mpf("1e-28")


def exact(value: Any) -> Any:
    """Give a number as written: 0.1 is a tenth."""
    return mp.mpf(repr(float(value)) if isinstance(value, float) else str(value))


class Referee:
    """The numbers of a case, and of every expression in its quantities."""

    def __init__(self, case: Case, sizes: Mapping[Expr, int] | None = None) -> None:
        self.graph = case.graph
        self.sizes = dict(sizes or {})
        self.computed = {equation.variable: equation for equation in self.graph.equations}
        self.bases = {_base(variable.element): variable for variable in self.graph.variables}
        self.names: dict[str, Node] = {}
        for variable in self.graph.variables:
            if not variable.batched:
                for indices in self.positions(variable):
                    name = element_name(variable, indices)
                    assert name not in self.names, f"two elements are called {name}"
                    self.names[name] = (variable, indices)
        self.given = {
            (variable, indices): exact(_pick(case.given[variable.name], indices))
            for variable in self.graph.variables
            if variable not in self.computed
            for indices in self.positions(variable)
        }
        self.forward: dict[Node, Any] = self.given
        self.forward = self.run({})
        self.slopes: dict[tuple[Node, ...], Any] = {}

    def positions(self, variable: Variable) -> list[tuple[int, ...]]:
        ranges = (range(1, self.size(limit) + 1) for limit in variable.shape)
        return list(itertools.product(*ranges))

    def size(self, limit: Expr) -> int:
        return int(limit) if limit.is_Integer else self.sizes[limit]

    def run(self, held: Mapping[Node, Any], of: Variable | None = None) -> dict[Node, Any]:
        """Compute what follows from the nodes ``held`` (without any: all), as far as ``of``."""
        numbers = {**self.forward, **held}
        changed = {variable for variable, _ in held}
        for equation in self.graph.equations:
            if changed & {*self.graph.parents[equation.variable]} or not held:
                changed.add(equation.variable)
                for indices in self.positions(equation.variable):
                    if (equation.variable, indices) not in held:
                        letters = dict(zip(equation.free, indices, strict=True))
                        node = (equation.variable, indices)
                        numbers[node] = self.value(equation.rhs, letters, numbers)
            if equation.variable == of:
                break
        return numbers

    # -------------------------------------------------------------------------- expressions

    def value(
        self,
        expr: Expr,
        letters: Mapping[Symbol, int] | None = None,
        numbers: Mapping[Node, Any] | None = None,
    ) -> Any:
        """Give ``expr`` its number, with ``letters`` for its free indices."""
        return self._value(expr, letters or {}, self.forward if numbers is None else numbers)

    def _value(self, expr: Any, letters: Mapping[Symbol, int], numbers: Mapping[Node, Any]) -> Any:
        def of(part: Any) -> Any:
            return self._value(part, letters, numbers)

        match expr:
            case sympy.Rational():
                return mp.mpf(int(expr.p)) / int(expr.q)
            case sympy.NumberSymbol():
                return {"Pi": +mp.pi, "Exp1": +mp.e}[type(expr).__name__]
            case Symbol() if expr in letters:
                return mp.mpf(letters[expr])
            case Symbol() if expr in self.sizes:
                return mp.mpf(self.sizes[expr])
            case Symbol() | Indexed():
                return numbers[self.node(expr, letters)]
            case Partial():
                held = [self.node(element, letters) for element in expr.held]
                return self.slope(self.node(expr.of, letters), self.node(expr.by, letters), held)
            case sympy.Add() | Terms():
                return mp.fsum(of(part) for part in expr.args)
            case sympy.Mul() | Product():
                return mp.fprod([of(part) for part in expr.args])
            case sympy.Pow():
                return mp.power(of(expr.base), of(expr.exp))
            case Sum():
                bound, lower, upper = expr.limits[0]
                assert (lower, len(expr.limits)) == (1, 1)
                steps = range(1, self.size(upper) + 1)
                return mp.fsum(
                    self._value(expr.function, {**letters, bound: k}, numbers) for k in steps
                )
            case KroneckerDelta():
                return mp.mpf(of(expr.args[0]) == of(expr.args[1]))
            case Piecewise():
                return of(next(part for part, when in expr.args if self.holds(when, of)))
            case sympy.Function():
                return FUNCTIONS[type(expr).__name__](of(expr.args[0]))
        raise TypeError(f"the referee does not know {type(expr).__name__}")

    def holds(self, condition: Any, of: Callable[[Any], Any]) -> bool:
        if condition in (sympy.true, sympy.false):
            return bool(condition)
        if isinstance(condition, sympy.And):
            return all(self.holds(part, of) for part in condition.args)
        if isinstance(condition, sympy.Or):
            return any(self.holds(part, of) for part in condition.args)
        return COMPARISONS[condition.rel_op](of(condition.lhs), of(condition.rhs))

    def node(self, element: Expr, letters: Mapping[Symbol, int]) -> Node:
        """Give the quantity and the numbers of the indices of an element, plain names included."""
        if isinstance(element, Indexed):
            indices = tuple(int(letters.get(i, i)) for i in element.indices)
            return self.bases[element.base.name], indices
        if element.name in self.names:
            return self.names[element.name]
        return self.bases[element.name], ()

    # -------------------------------------------------------------------------- derivatives

    def slope(self, of: Node, by: Node, held: Sequence[Node] = ()) -> Any:
        """Give ∂of/∂by as a central difference; what follows ``by`` moves along, if not held."""
        key = (of, by, *held)
        if key not in self.slopes:
            fixed = {node: self.forward[node] for node in held}
            above, below = (
                self.run(fixed | {by: self.forward[by] + sign * STEP}, of[0])[of]
                for sign in (1, -1)
            )
            self.slopes[key] = (above - below) / (2 * STEP)
        return self.slopes[key]


def _pick(values: Any, indices: tuple[int, ...]) -> Any:
    for k in indices:
        values = values[k - 1]
    return values


def _base(element: Expr) -> str:
    return element.base.name if isinstance(element, Indexed) else element.name


# ------------------------------------------------------------------------ the one generic checker


def disagreements(
    case: Case, sizes: Mapping[Expr, int] | None = None, names: set[str] | None = None
) -> list[str]:
    """List everything symback says of a case that is not what the difference quotient says.

    For every element that the loss depends on (or those called ``names``): the number of the
    backward pass, the sum over the paths, the composed expression with and without Σ, and each
    right-hand side of each step of each deduction.  An empty list: all agree to 20 digits.
    """
    referee = Referee(case, sizes)
    found = list(_of_backward_pass(referee, case))
    for deduction in case.backward.adjoints.values():
        found += _of_deduction(referee, deduction, "index form")
    for local in case.backward.derivatives.values():
        found += _of_local(referee, local)
    for reference in references(case):
        if names is None or reference.name in names:
            found += of_derivation(referee, derive(case.backward, reference))
    return found


def _of_backward_pass(referee: Referee, case: Case) -> Iterator[str]:
    gradients = case.numbers.gradients(case.backward)
    loss: Node = (case.graph.target, ())
    for variable in case.backward.adjoints:
        for indices in referee.positions(variable):
            number = gradients[variable.name][tuple(k - 1 for k in indices)]
            expected = referee.slope(loss, (variable, indices))
            yield from _compared(f"gradients[{variable.name}]{indices}", number, expected)
    for node, number in referee.forward.items():
        forward = case.numbers.forward[node[0].name][tuple(k - 1 for k in node[1])]
        yield from _compared(f"forward[{node[0].name}]{node[1]}", forward, number)


def of_derivation(referee: Referee, derivation: Any) -> Iterator[str]:
    """List what is wrong with one derivation and all that it shows."""
    target: Reference = derivation.target
    for sample in _samples(referee, target.variable):
        here = {SAMPLE: sample} if sample else {}
        expected = referee.value(Partial(referee.graph.target.at(), target.element), here)
        for what in ("expr", "folded"):
            number = referee.value(getattr(derivation, what), here)
            yield from _compared(f"{target.name}.{what}", number, expected)
        yield from _compared(f"{target.name}.paths", _path_sum(referee, derivation, here), expected)
    for deduction in (*derivation.adjoints, derivation.conclusion):
        yield from _of_deduction(referee, deduction, target.name)


def _samples(referee: Referee, variable: Variable) -> list[int]:
    return list(range(1, referee.size(variable.shape[0]) + 1)) if variable.batched else [0]


def _path_sum(referee: Referee, derivation: Any, here: Mapping[Symbol, int]) -> Any:
    """Add up the products of the local derivatives; over the samples too where they share v."""
    samples = referee.graph.samples
    shared = samples is not None and not derivation.target.variable.batched
    each = [{SAMPLE: s} for s in range(1, int(samples) + 1)] if shared else [here]
    return mp.fsum(
        mp.fprod([referee.value(value, letters) for value in path.values])
        for letters in each
        for path in derivation.paths
    )


def _of_deduction(referee: Referee, deduction: Deduction, where: str) -> Iterator[str]:
    """Compare every right-hand side with the left-hand side, for every value of the indices."""
    for letters in _index_values(referee, deduction):
        expected = referee.value(deduction.lhs, letters)
        for position, step in enumerate(deduction.steps):
            number = referee.value(step.rhs, letters)
            what = f"{where}: {deduction.lhs} step {position} {step.rule.name} at {letters}"
            yield from _compared(what, number, expected)


def _index_values(referee: Referee, deduction: Deduction) -> Iterator[dict[Symbol, int]]:
    limits: dict[Symbol, int] = {}
    by = deduction.lhs.by
    if isinstance(by, Indexed):
        sizes = referee.bases[by.base.name].shape
        limits = {
            letter: referee.size(size)
            for letter, size in zip(by.indices, sizes, strict=True)
            if not letter.is_Integer
        }
    for numbers in itertools.product(*(range(1, limit + 1) for limit in limits.values())):
        yield dict(zip(limits, numbers, strict=True))


def _of_local(referee: Referee, local: Any) -> Iterator[str]:
    """Compare a local derivative, raw and rewritten, for all pairs of elements."""
    batched = local.child.batched and local.parent.batched
    for i in referee.positions(local.child):
        for q in referee.positions(local.parent):
            if batched and i[0] != q[0] and (i[0], q[0]) != (1, 2):
                continue  # one pair of different samples stands for all of them
            name = local.name_at(map(sympy.Integer, i), map(sympy.Integer, q))
            expected = referee.value(name)
            own = [*zip(local.child_indices, i, strict=True)]
            other = [*zip(local.parent_indices, q, strict=True)]
            letters = {letter: sympy.Integer(k) for letter, k in (*own, *other)}
            meets = all(letters[first] == letters[second] for first, second in local.pins)
            raw = instantiate(local.raw, letters) if meets else sympy.S.Zero
            form = local.at(map(sympy.Integer, i), map(sympy.Integer, q))
            for what, expr in (("raw", raw), ("form", form)):
                yield from _compared(f"{name} {what}", referee.value(expr), expected)


def _compared(what: str, number: Any, expected: Any) -> Iterator[str]:
    if not same(mp.mpf(number), expected):
        yield f"{what}: {mp.nstr(mp.mpf(number), 25)} and not {mp.nstr(expected, 25)}"


def composed(referee: Referee, backward: BackwardPass) -> Expr:
    """Give the loss as one expression in inputs and parameters, for nets small enough."""
    whole: dict[Node, Expr] = {}
    for node in referee.given:
        whole[node] = symbol(node)
    for equation in referee.graph.equations:
        for indices in referee.positions(equation.variable):
            letters = dict(zip(equation.free, indices, strict=True))
            whole[equation.variable, indices] = _spelled(referee, equation.rhs, letters, whole)
    return whole[backward.graph.target, ()]


def symbol(node: Node) -> Symbol:
    """Give an element a plain real symbol of its own."""
    return Symbol(f"{node[0].name}_{'_'.join(map(str, node[1]))}", real=True)


def _spelled(
    referee: Referee, expr: Any, letters: Mapping[Symbol, int], whole: Mapping[Node, Expr]
) -> Any:
    if isinstance(expr, Sum):
        bound, _, upper = expr.limits[0]
        steps = range(1, referee.size(upper) + 1)
        return sympy.Add(
            *(_spelled(referee, expr.function, {**letters, bound: k}, whole) for k in steps)
        )
    if isinstance(expr, (Indexed, Symbol)) and expr not in referee.sizes:
        return whole[referee.node(expr, letters)]
    if not expr.args:
        return expr
    return expr.func(*(_spelled(referee, part, letters, whole) for part in expr.args))
