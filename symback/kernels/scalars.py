"""The same steps for one sample and a small network, every neuron on its own, in Python's numbers.

A call of NumPy costs some 0.4 µs, which is a dozen multiplications; below a few hundred
multiplications a network is faster written out.  `ScalarWriter` writes what
`symback.kernels.arrays` writes, element by element from the index form of the same deductions, in
the forms of `symback.kernels.forms` where there are such.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce

import sympy
from sympy import Add, Expr, Integer, Mul, Piecewise, Pow, Symbol

from symback.engine.derivation import BackwardPass, Deduction
from symback.engine.graph import Equation
from symback.engine.matrix import MatrixForm, Phase
from symback.kernels.arrays import ArrayWriter, Layer, NoKernel, constant, layers, scalar_code
from symback.kernels.helpers import SCALAR_HELPERS
from symback.kernels.spelling import ATOM, MATH, PLUS, TIMES, Code, number
from symback.language.algebra import Partial, Product, Terms, collapse
from symback.language.names import Reference, Role, Variable, element_name, elements
from symback.language.writing import Text

__all__ = ["ScalarWriter"]

Node = tuple[Variable, tuple[int, ...]]


class ScalarWriter:
    """Writes the forward and the backward pass of one sample, neuron by neuron.

    ``form`` is that of the graph of one sample, ``arrays`` has written the batch.  Raises
    `NoKernel` for a softmax with binary cross-entropy, whose safe form is written for arrays only.
    """

    def __init__(self, form: MatrixForm, arrays: ArrayWriter) -> None:
        self.form, self.arrays, self.graph = form, arrays, form.graph
        self.backward_pass: BackwardPass = form.backward
        self.layers = layers(self.graph)
        self.by_a = {layer.a: layer for layer in self.layers.values()}
        self.output = next(v for v in self.layers if v.role is Role.OUTPUT)
        self.text = Text(form.lettering)
        self.helpers: dict[str, None] = {}
        self.functions: dict[str, None] = {}
        self.parts: dict[tuple[Variable, int, str], Code] = {}
        self.lines: list[str] = []
        self._write()

    def _write(self) -> None:
        for step in self.form.steps:
            source = step.source
            if step.phase is Phase.FORWARD and isinstance(source, Equation):
                self._comment(source.lhs, source.shown if source.named is None else source.named)
                self._equation(source)
            elif step.phase is Phase.BACKWARD and isinstance(source, Deduction):
                self._adjoint(step.variable, source)

    def _comment(self, lhs: Expr, rhs: Expr) -> None:
        self.lines.append(f"# {self.text.write(lhs)} = {self.text.write(rhs)}")

    # ------------------------------------------------------------------------------------ names

    def name(self, node: Node) -> str:
        """The name of an element, as the lectures write it: w_212, w_2_11_3."""
        if node[0].role is Role.LOSS:
            return "loss"
        return element_name(*node).replace(",", "_")

    def gradient(self, node: Node) -> str:
        """The name of ∂L/∂(the element)."""
        return f"d{self.name(node)}"

    def names(self, variable: Variable) -> Iterator[str]:
        """The names of all elements, row by row."""
        return (self.name((variable, e.indices)) for e in elements(variable))

    def unpacking(self, variable: Variable) -> list[str]:
        """The lines that take the numbers out of an array, a row a line."""
        names = list(self.names(variable))
        source = f"{variable.name}.tolist()"
        if not variable.shape:
            return [f"{names[0]} = {source}"]
        width = int(variable.shape[-1])
        rows = [_packed(names[k : k + width]) for k in range(0, len(names), width)]
        if len(variable.shape) == 1:
            return [f"{rows[0]} = {source}"]
        return ["(", *(f"    {row}," for row in rows), f") = {source}"]

    # ---------------------------------------------------------------------------------- forward

    def _let(self, name: str, code: Code) -> Code:
        if code.text != name:
            self.lines.append(f"{name} = {code.text}")
        return Code(name)

    def _equation(self, equation: Equation) -> None:
        layer = self.layers.get(equation.variable)
        if layer is not None and layer.coupled:
            self._softmax(layer)
            return
        for reference in elements(equation.variable):
            if layer is not None and layer.form is not None:
                (k,) = reference.indices
                self._let(self.name((layer.h, (k,))), self.part(layer, k, "value"))
            else:
                right = self._at(equation.shown, equation.free, reference)
                self._let(self.name((equation.variable, reference.indices)), self._code(right))

    def _at(self, expr: Expr, free: tuple[Symbol, ...], reference: Reference) -> Expr:
        values = dict(zip(free, map(Integer, reference.indices), strict=True))
        return self.backward_pass.unroll(expr, values)

    def _softmax(self, layer: Layer) -> None:
        """e^{a_k - top}, with what the subtraction rounds off; p, and 1 - p as a sum."""
        width = range(1, int(layer.h.shape[-1]) + 1)
        a, c, e, p = (
            [f"{word}_{layer.h.layer}{k}" if word else self.name((layer.h, (k,))) for k in width]
            for word in ("a", "c", "e", "")
        )
        top, total = f"top_{layer.h.layer}", f"total_{layer.h.layer}"
        a = [self.name((layer.a, (k,))) for k in width]
        self.lines.append(f"{top} = " + (f"max({', '.join(a)})" if len(a) > 1 else a[0]))
        for a_k, c_k, e_k in zip(a, c, e, strict=True):
            self.lines += [
                f"{c_k} = {a_k} - {top}",
                f"r_{c_k[2:]} = {c_k} - {a_k}",
                f"{e_k} = exp({c_k})",
                f"{e_k} += {e_k} * (({a_k} - ({c_k} - r_{c_k[2:]})) - ({top} + r_{c_k[2:]}))",
            ]
        self._use("exp")
        self.lines.append(f"{total} = {' + '.join(e)}")
        self.lines += [f"{p_k} = {e_k} / {total}" for p_k, e_k in zip(p, e, strict=True)]
        for k in width:
            self.parts[layer.h, k, "others"] = _sum(e[: k - 1] + e[k:])
            self.parts[layer.h, k, "shifted"] = Code(c[k - 1])

    def _others(self, layer: Layer) -> list[str]:
        width = range(1, int(layer.h.shape[-1]) + 1)
        return [self.parts[layer.h, k, "others"].text for k in width]

    def part(self, layer: Layer, k: int, part: str) -> Code:
        """A part of the form of neuron k; each has a line of its own but value and slope."""
        key = (layer.h, k, part)
        if key not in self.parts:
            code = self._coupled(layer, k, part) if layer.coupled else self._formed(layer, k, part)
            named = part not in ("value", "slope", "slope_by_value", "slope_by_complement")
            name = f"{part}_{layer.h.layer}{k}"
            self.parts[key] = self._let(name, code) if named else code
        return self.parts[key]

    def _formed(self, layer: Layer, k: int, part: str) -> Code:
        form = layer.form
        assert form is not None
        letters = {"z": Code(self.name((layer.a, (k,)))), "h": Code(self.name((layer.h, (k,))))}
        letters["y"] = Code(f"y_{k}")
        for name in form.named(part):
            letters[name] = self.part(layer, k, name)
        code = MATH.form(form.node(part), letters)
        self._use(
            *(word for word in filter(None, MATH.functions.values()) if f"{word}(" in code.text)
        )
        return code

    def _use(self, *functions: str) -> None:
        own = {f"_{name}" for name in SCALAR_HELPERS}
        self.helpers |= dict.fromkeys(word[1:] for word in functions if word in own)
        builtin = {"", "abs", "max", "min", *own}
        self.functions |= dict.fromkeys(word for word in functions if word not in builtin)

    def _coupled(self, layer: Layer, k: int, part: str) -> Code:
        p, y = self.name((layer.h, (k,))), f"y_{k}"
        total = f"total_{layer.h.layer}"
        if part == "rest":
            return self.parts[layer.h, k, "others"] / Code(total)
        if part == "complement":
            return self.part(layer, k, "rest")
        if part == "residual":
            rest = self.part(layer, k, "rest").text
            return Code(f"{y} * {rest} - (1 - {y}) * {p}", PLUS)
        if part == "log_total":
            self._use("log1p")
            others = self._others(layer)
            least = f"min({', '.join(others)})" if len(others) > 1 else others[0]
            return Code(f"log1p({least})")
        if part == "log":
            shifted = self.parts[layer.h, k, "shifted"].text
            return Code(f"{shifted} - {self._log_total(layer)}", PLUS)
        raise NoKernel("softmax with log(1 - ŷ) is written for arrays only; use style='array'")

    def _log_total(self, layer: Layer) -> str:
        """One for the layer, kept under its first neuron."""
        return self.part(layer, 1, "log_total").text

    # --------------------------------------------------------------------------------- backward

    def _adjoint(self, variable: Variable, source: Deduction) -> None:
        layer = self.by_a.get(variable)
        activation = self.layers.get(variable)
        if activation is not None and self._is_merged(activation):
            return
        self._comment(source.lhs, source.result)
        for reference in elements(variable):
            code = self._derivative(layer, source, reference)
            self._let(self.gradient((variable, reference.indices)), code)

    def _derivative(self, layer: Layer | None, source: Deduction, reference: Reference) -> Code:
        result = self._at(source.result, source.free, reference)
        if layer is None or (layer.form is None and not layer.coupled):
            return self._code(result)
        (k,) = reference.indices
        if layer.coupled:
            return self._through_softmax(layer, k, result)
        if not source.result.has(Partial):
            return self._code(result)
        if self._is_merged(layer):
            return self._code(self._merged(layer, k))
        return Code(self.gradient((layer.h, (k,)))) * self.part(layer, k, "slope")

    def _through_softmax(self, layer: Layer, k: int, result: Expr) -> Code:
        width = [j for j in range(1, int(layer.h.shape[-1]) + 1) if j != k]
        p = {j: self.name((layer.h, (j,))) for j in [*width, k]}
        scale = self.arrays.fused.get(layer.h.name)
        if scale is not None:
            samples = self.arrays.graph.samples
            factor = self._code(scale.xreplace({samples: sympy.S.One}))
            rest = self.part(layer, k, "rest")
            return factor * (Code(p[k]) * _sum(f"y_{j}" for j in width) - Code(f"y_{k}") * rest)
        if not result.has(Partial):
            return self._code(result)
        g = {j: self.gradient((layer.h, (j,))) for j in [*width, k]}
        terms = [f"{p[j]} * ({g[k]} - {g[j]})" for j in width]
        return Code(p[k]) * _sum(terms, TIMES)

    def _is_merged(self, layer: Layer) -> bool:
        """Whether ∂L/∂ŷ is written within ∂L/∂a, because it divides by what may be 0."""
        if layer.h is not self.output:
            return False
        if layer.coupled:
            return False
        powers = self._gradient_of(layer, 1).atoms(Pow)
        return layer.form is not None and any(self._divisor(layer, 1, power) for power in powers)

    def _gradient_of(self, layer: Layer, k: int) -> Expr:
        source = self.backward_pass.adjoints[layer.h]
        return self._at(source.result, source.free, Reference(layer.h, (k,)))

    def _divisor(self, layer: Layer, k: int, power: Expr) -> str | None:
        if not isinstance(power, Pow) or power.exp != -1:
            return None
        h = self.backward_pass.scalar(layer.h, (k,))
        if power.base == h:
            return "slope_by_value"
        return "slope_by_complement" if collapse(power.base) == 1 - h else None

    def _merged(self, layer: Layer, k: int) -> Expr:
        """∂L/∂ŷ_k · g'(a_k), each 1/ŷ_k and 1/(1 - ŷ_k) taken together with the slope."""
        return self._times_slope(self._gradient_of(layer, k), layer, k)

    def _times_slope(self, expr: Expr, layer: Layer, k: int) -> Expr:
        if isinstance(expr, (Terms, Add)):
            return Terms(*(self._times_slope(term, layer, k) for term in expr.args))
        factors = list(expr.args) if isinstance(expr, (Product, Mul)) else [expr]
        sums = [
            f for f in factors if isinstance(f, (Terms, Add)) and self._has_divisor(f, layer, k)
        ]
        if sums:
            factors[factors.index(sums[0])] = self._times_slope(sums[0], layer, k)
            return Product(*factors)
        place = next((n for n, f in enumerate(factors) if self._divisor(layer, k, f)), None)
        part = "slope" if place is None else self._divisor(layer, k, factors.pop(place))
        assert part is not None
        code = self.part(layer, k, part)
        return Product(*factors, _Ready(code.text, code.binding))

    def _has_divisor(self, expr: Expr, layer: Layer, k: int) -> bool:
        return any(self._divisor(layer, k, power) for power in expr.atoms(Pow))

    # -------------------------------------------------------------------------------- expressions

    def _code(self, expr: Expr) -> Code:
        if isinstance(expr, _Ready):
            return expr.code
        if isinstance(expr, Partial):
            return Code(self.gradient(self.backward_pass.node_of(expr.by)))
        if isinstance(expr, Symbol):
            return Code(self.name(self.backward_pass.node_of(expr)))
        known = self._known(expr)
        if known is not None:
            return known
        if not expr.free_symbols:
            return constant(expr)
        if isinstance(expr, Terms):
            return reduce(Code.__add__, map(self._code, expr.args))
        if isinstance(expr, Product):
            return self._ordered(expr)
        if isinstance(expr, Piecewise):
            return self._cases(expr)
        return scalar_code(expr, self._code, self._call)

    def _ordered(self, expr: Product) -> Code:
        first, *others = expr.args
        if first == -1:
            return -reduce(Code.__mul__, map(self._code, others))
        return reduce(Code.__mul__, map(self._code, expr.args))

    def _cases(self, expr: Piecewise) -> Code:
        *cases, (last, _) = expr.args
        code = self._code(last)
        for value, condition in reversed(cases):
            code = MATH.where(self._code(condition), self._code(value), code)
        return code

    def _call(self, function: str, *arguments: Code) -> Code:
        if function in ("and", "or"):
            return Code(f" {function} ".join(a.within(PLUS) for a in arguments), 2)
        code = MATH.call(function, *arguments)
        self._use(MATH.functions[function])
        return code

    def _known(self, expr: Expr) -> Code | None:
        """y_k - ŷ_k, 1 - ŷ_k and the logarithms, where the output's function has forms for them."""
        layer = self.layers[self.output]
        if layer.form is None and not layer.coupled:
            return None
        if isinstance(expr, sympy.log):
            return self._known_log(layer, expr.args[0])
        if not isinstance(expr, (Add, Terms)) or len(expr.args) != 2:
            return None
        for k in range(1, int(layer.h.shape[-1]) + 1):
            h = self.backward_pass.scalar(layer.h, (k,))
            for meaning, part in ((self._target(k) - h, "residual"), (1 - h, "complement")):
                if collapse(expr) == meaning:
                    return self.part(layer, k, part)
                if collapse(expr) == -meaning:
                    return -self.part(layer, k, part)
        return None

    def _known_log(self, layer: Layer, argument: Expr) -> Code | None:
        for k in range(1, int(layer.h.shape[-1]) + 1):
            h = self.backward_pass.scalar(layer.h, (k,))
            if argument == h:
                return self.part(layer, k, "log")
            if collapse(argument) == 1 - h:
                return self.part(layer, k, "log_complement")
        return None

    def _target(self, k: int) -> Expr:
        target = next((v for v in self.graph.variables if v.role is Role.TARGET), None)
        return Symbol("_") if target is None else self.backward_pass.scalar(target, (k,))


def _packed(names: Sequence[str]) -> str:
    return f"({', '.join(names)}{',' if len(names) == 1 else ''})"


def _sum(terms: Iterable[str], binding: int = ATOM) -> Code:
    codes = [Code(term, binding) for term in terms]
    return reduce(Code.__add__, codes) if codes else number(0)


class _Ready(Expr):
    """Code that stands where a number would."""

    is_commutative = True

    def __new__(cls, text: str, binding: int) -> _Ready:
        return Expr.__new__(cls, sympy.core.symbol.Str(text), Integer(binding))

    @property
    def code(self) -> Code:
        return Code(self.args[0].name, int(self.args[1]))
