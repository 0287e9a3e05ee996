"""Matrix steps as code on arrays, one row a sample: a forward and a backward pass, line by line.

`ArrayWriter` goes through the steps of a `symback.engine.matrix.MatrixForm` in their order and
writes each as Python, under a comment that is the step as the sheet has it.  A step whose function
has a form in `symback.kernels.forms` is written in that form; all others node by node, as they were
lifted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import sympy
from sympy import (
    Expr,
    HadamardProduct,
    MatAdd,
    MatMul,
    MatrixExpr,
    OneMatrix,
    Transpose,
    ZeroMatrix,
)
from sympy.core.relational import Relational
from sympy.logic.boolalg import And, Or
from sympy.matrices.expressions.hadamard import HadamardPower

from symback.engine.derivation import Deduction, Rule, Step
from symback.engine.graph import Equation, Graph
from symback.engine.matrix import (
    Array,
    Elementwise,
    Gradient,
    MatrixForm,
    MatrixStep,
    MatrixText,
    Phase,
    Scalar,
    Uncertified,
    Where,
    certify,
)
from symback.kernels.forms import SOFTMAX_IDENTITIES, Form, Identity, Z, form_of
from symback.kernels.helpers import NEEDS
from symback.kernels.spelling import ATOM, PLUS, TIMES, Code, Spelling, number
from symback.language.algebra import activation
from symback.language.errors import SymbackError
from symback.language.functions import SoftMax
from symback.language.names import SAMPLE, Role, Variable, index

__all__ = ["ArrayWriter", "Layer", "NoKernel", "layers"]


class NoKernel(SymbackError):
    """A graph that no kernel can be written for; the message names the part."""


@dataclass(frozen=True, slots=True)
class Layer:
    """h = g(a): the quantities, and the form of g; ``coupled`` where g is the softmax."""

    a: Variable
    h: Variable
    form: Form | None
    coupled: bool


def layers(graph: Graph) -> dict[Variable, Layer]:
    """The activations of a graph by the quantity they compute."""
    found = {}
    for equation in graph.equations:
        if equation.variable.role in (Role.ACTIVATION, Role.OUTPUT):
            (a,) = graph.parents[equation.variable]
            found[equation.variable] = _layer(equation, a)
    return found


def _layer(equation: Equation, a: Variable) -> Layer:
    sample = (SAMPLE,) if a.batched else ()
    i = index("i")
    softmax = activation(SoftMax(), lambda k: a.at(*sample, k), i, a.shape[-1])
    function = equation.rhs.xreplace({a.at(*equation.free): Z})
    coupled = equation.rhs == softmax
    return Layer(a, equation.variable, None if coupled else form_of(function), coupled)


_SOFTMAX = ("e", "others", "shifted", "least", "total")
"""What `_softmax` gives in each row, by the names of the lines; total is Σ_j e_j."""

_SIGNS_OF = {
    "shift": r"_softmax\(",
    "rest": r"\bothers\d|\brest\d|\brest_\d",
    "residual": r"\bresidual",
    "cross_entropy": r"_others\(y\)",
    "product": r"_less_winner\(",
    "pairs": r"\* \(d(yhat|h)_\d+ - d",
    "log": r"\blog1p\((least|min)",
}
"""What a line shows that uses one of `SOFTMAX_IDENTITIES`."""

Pair = tuple[Code, bool]
"""A piece of code, and whether its value is a number, the same in every entry."""


class ArrayWriter:
    """Writes the lines of the forward and of the backward pass.

    ``forward`` leads to ŷ and ``backward`` to the loss and all gradients; ``helpers`` are the
    functions that the lines call, ``memory`` the arrays by their shapes that the lines compute in
    and that are kept from call to call.
    """

    def __init__(self, form: MatrixForm, spelling: Spelling) -> None:
        self.form, self.graph, self.spelling = form, form.graph, spelling
        self.text = MatrixText(form.lettering)
        self.layers = layers(self.graph)
        self.by_a = {layer.a: layer for layer in self.layers.values()}
        self.output = next(v for v in self.layers if v.role is Role.OUTPUT)
        self.lines: list[str] = []
        self.helpers: dict[str, None] = {}
        self.parts: dict[tuple[Variable, str], Code] = {}
        self.fused: dict[str, Expr] = {}
        self.memory: dict[str, str] = {}
        self.sizes = self._sizes()
        self.forward = self._forward()
        self.backward = self._backward()

    def identities(self, lines: Iterable[str]) -> list[Identity]:
        """What these lines compute instead of plain forms."""
        code = "\n".join(lines)
        parts: dict[Form, list[str]] = {}
        for variable, part in self.parts:
            form = self.layers[variable].form
            if form is not None and form.lets:
                parts.setdefault(form, []).append(part)
        found = [line for form, own in parts.items() for line in form.identities(own)]
        return found + [
            identity
            for name, identity in SOFTMAX_IDENTITIES.items()
            if re.search(_SIGNS_OF[name], code)
        ]

    def _sizes(self) -> dict[str, str]:
        """How the number of samples and each symbolic width is read off the arrays."""
        found = {} if self.graph.samples is None else {str(self.graph.samples): "len(x)"}
        for variable in self.graph.variables:
            if variable.role is Role.WEIGHT:
                for axis in (1, 0):
                    size = variable.shape[axis]
                    if not size.is_Integer:
                        found.setdefault(str(size), f"{variable.name}.shape[{axis}]")
        return found

    # ------------------------------------------------------------------------------- the passes

    def _forward(self) -> list[str]:
        for step in self.form.steps:
            if step.phase is Phase.FORWARD and step.variable.role is not Role.LOSS:
                self._comment(step)
                layer = self.layers.get(step.variable)
                if layer is None or (layer.form is None and not layer.coupled):
                    self._sum_or_plain(step)
                else:
                    self._activation(layer)
        return self._taken()

    def _backward(self) -> list[str]:
        if self.layers[self.output].coupled and self.spelling.in_place and self._target is not None:
            self.lines.append("y = np.asfortranarray(y)  # samples side by side, as Ŷ has them")
        for step in self.form.steps:
            if step.variable.role is Role.LOSS:
                self._comment(step)
                code, _ = self._code(self._expr(step))
                self._let("loss", code)
            elif step.phase is Phase.BACKWARD and not self._is_merged(step):
                self._comment(step)
                self._adjoint(step)
        return self._taken()

    def _taken(self) -> list[str]:
        taken, self.lines = self.lines, []
        return [self.spelling.write(line) for line in taken]

    def _comment(self, step: MatrixStep) -> None:
        self.lines.append(f"# {self.text.equation(step)}")

    def _let(self, name: str, code: Code) -> Code:
        if code.text != name:
            self.lines.append(f"{name} = {code.text}")
        return Code(name)

    def _expr(self, step: MatrixStep) -> MatrixExpr:
        if step.expr is None:
            raise NoKernel(f"no kernel: {step.missing}")
        return step.expr

    def _sum_or_plain(self, step: MatrixStep) -> None:
        """A quantity node by node; a sum with a bias is added up in place."""
        expr, name = self._expr(step), step.variable.name
        terms = expr.args if isinstance(expr, MatAdd) else (expr,)
        wide = [term for term in terms if _is_product(term)]
        if step.variable.role is not Role.PREACTIVATION or len(wide) != 1:
            self._let(name, self._array(expr, step))
            return
        self._let_product(step, wide[0])
        for term in terms:
            if term is not wide[0]:
                self.lines.append(f"{name} += {self._code(term)[0].text}")

    def _let_product(self, step: MatrixStep, expr: MatrixExpr) -> None:
        """A product of two matrices; of a hidden layer, in memory that is kept."""
        prefix = "d" if step.phase is Phase.BACKWARD else ""
        name = f"{prefix}{step.variable.name}"
        scale, matrices = expr.as_coeff_matrices()
        if not self._is_kept(step.variable) or scale != 1 or len(matrices) != 2:
            self._let(name, self._code(expr)[0])
            return
        first, second = (self._code(matrix)[0].text for matrix in matrices)
        self.lines.append(f"$np.dot({first}, {second}, out={self._kept(name, step.variable)})")

    def _is_kept(self, variable: Variable) -> bool:
        """Whether an array of a hidden layer: those of the output may become results."""
        output = (self.output, self.layers[self.output].a)
        return self.spelling.in_place and variable.batched and variable not in output

    def _kept(self, name: str, variable: Variable) -> str:
        width = self._scalar(variable.shape[-1], {}).text
        self.memory[name] = f"({self.graph.samples}, {width})"
        return name

    # -------------------------------------------------------------------------------- activations

    def _activation(self, layer: Layer) -> None:
        name = layer.h.name
        if layer.coupled:
            e, others, shifted, least, total = (self._tag(layer, word) for word in _SOFTMAX)
            call = self._call("softmax", Code(layer.a.name)).text
            self.lines += [
                f"{e}, {others}, {shifted}, {least} = {call}",
                f"{total} = 1 + {least}",
                f"{name} = {e} / {total}",
            ]
        elif not self._value_into(layer):
            self._let(name, self.part(layer, "value"))

    def _value_into(self, layer: Layer) -> bool:
        """Whether h could be computed in memory that is kept."""
        lines = self._lines_into(layer, "value", layer.h.name, layer.h.name)
        if lines is None:
            return False
        self._kept(layer.h.name, layer.h)
        self.parts[layer.h, "value"] = Code(layer.h.name)
        self.lines += lines
        return True

    def _lines_into(self, layer: Layer, part: str, name: str, memory: str) -> list[str] | None:
        if layer.form is None or not self._is_kept(layer.h):
            return None
        letters = self._letters(layer, part)
        return self.spelling.into(layer.form.node(part), letters, name, memory)

    def _let_into(self, layer: Layer, part: str) -> list[str] | None:
        """The lines of one of the lets, in the memory of a where nobody reads that again."""
        form, name = layer.form, self._part_name(layer, part)
        if form is None or part not in dict(form.lets):
            return None
        memory = layer.a.name if form.last_reader("z") == part else name
        lines = self._lines_into(layer, part, name, memory)
        if lines is not None and memory == name:
            self._kept(name, layer.h)
        return lines

    def _call(self, helper: str, *arguments: Code) -> Code:
        self.helpers[helper] = None
        if helper in NEEDS:
            self.helpers[NEEDS[helper]] = None
        return Code(f"_{helper}({', '.join(a.text for a in arguments)})")

    def _tag(self, layer: Layer, word: str) -> str:
        return f"{word}{layer.h.layer}"

    def part(self, layer: Layer, part: str) -> Code:
        """A part of an activation's form: lets and what is used twice have a line of their own."""
        key = (layer.h, part)
        if key not in self.parts and (lines := self._let_into(layer, part)) is not None:
            self.lines += lines
            self.parts[key] = Code(self._part_name(layer, part))
        if key not in self.parts:
            code = self._softmax_part(layer, part) if layer.coupled else self._formed(layer, part)
            named = part not in ("value", "slope", "slope_by_value", "slope_by_complement")
            self.parts[key] = self._let(self._part_name(layer, part), code) if named else code
        return self.parts[key]

    def _part_name(self, layer: Layer, part: str) -> str:
        """The name of the line: of the output alone, in a word."""
        words = {"residual": "residual", "complement": "one_minus_yhat"}
        words |= {"log": "log_yhat", "log_complement": "log_one_minus_yhat"}
        return words.get(part) or self._tag(layer, part)

    def _formed(self, layer: Layer, part: str) -> Code:
        form = layer.form
        assert form is not None
        return self.spelling.form(form.node(part), self._letters(layer, part))

    def _letters(self, layer: Layer, part: str) -> dict[str, Code]:
        """What the names in a part of a form are in code; each that has no line yet gets one."""
        form = layer.form
        assert form is not None
        letters = {"z": Code(layer.a.name), "h": Code(layer.h.name), "y": Code("y")}
        for name in form.named(part):
            letters[name] = self.part(layer, name)
        self.helpers |= dict.fromkeys(form.helpers(part))
        return letters

    def _softmax_part(self, layer: Layer, part: str) -> Code:
        if part == "log_complement":
            return self._log_complement(layer)
        if part == "complement":
            return Code(self._rest(layer))
        if part == "log":
            return Code(f"{self._tag(layer, 'shifted')} - {self._log_total(layer)}", PLUS)
        return Code(f"y * {self._rest(layer)} - (1 - y) * {layer.h.name}", PLUS)

    def _rest(self, layer: Layer) -> str:
        """1 - p, as the sum of the others' p."""
        _, others, _, _, total = (self._tag(layer, word) for word in _SOFTMAX)
        if (layer.h, "rest") not in self.parts:
            rest = Code(f"{others} / {total}", TIMES)
            self.parts[layer.h, "rest"] = self._let(self._tag(layer, "rest"), rest)
        return self.parts[layer.h, "rest"].text

    def _log_total(self, layer: Layer) -> str:
        return f"$np.log1p({self._tag(layer, 'least')})"

    def _log_complement(self, layer: Layer) -> Code:
        """log(1 - p): for the largest p the log of the others' sum, by a softmax of their own."""
        top, _, second = self._softmax_of_others(layer)
        others = f"{second} - {self._log_total(layer)}"
        return Code(f"$np.where({top}, {others}, $np.log1p(-$np.where({top}, 0, {layer.h.name})))")

    def _softmax_of_others(self, layer: Layer) -> tuple[str, str, str]:
        """Where the largest p stands; without it: the softmax, and log Σ e^{a - max a}."""
        names = ("winner", "losers", "log_losers")
        if (layer.h, "losers") not in self.parts:
            self.parts[layer.h, "losers"] = Code("losers")
            a, shifted = layer.a.name, self._tag(layer, "shifted")
            lowest = Code(f"$np.where(winner, $np.finfo({a}.dtype).min / 4, {a})")
            self.lines += [
                "# the same without each row's winner",
                f"winner = $np.arange({a}.shape[1]) == {a}.argmax(axis=1)[:, None]",
                f"losers, _, _, least_losers = {self._call('softmax', lowest).text}",
                "losers = losers / (1 + least_losers)",
                f"log_losers = $np.where(winner, -$np.inf, {shifted}).$max(axis=1, keepdims=True)",
                "log_losers = log_losers + $np.log1p(least_losers)",
            ]
        return names

    # ----------------------------------------------------------------------------------- adjoints

    def _adjoint(self, step: MatrixStep) -> None:
        layer = self.by_a.get(step.variable)
        name = f"d{step.variable.name}"
        if layer is None or (layer.form is None and not layer.coupled):
            self._plain_adjoint(step)
        elif layer.coupled:
            self._through_softmax(layer, step)
        elif not self._expr(step).has(Gradient):
            self._let(name, self._array(self._expr(step), step))
        elif self._divides(layer):
            gradient = self._expr(self.form.step(layer.h.name))
            self._let(name, self._array(_Merged(self, layer).times_slope(gradient), step))
        else:
            self._let(name, self._through(layer))

    def _through(self, layer: Layer) -> Code:
        """∇h ⊙ g'(a), in the memory of ∇h, which nobody reads again."""
        before = Code(f"d{layer.h.name}")
        slope = self._slope_in_place(layer) or self.part(layer, "slope")
        return before if slope.text == "1" else self.spelling.product_into(before, slope)

    def _slope_in_place(self, layer: Layer) -> Code | None:
        """g'(a) in the memory of one of the lets, which nobody reads afterwards."""
        if layer.form is None or not self._is_kept(layer.h):
            return None
        for let in layer.form.named("slope"):
            name = self._part_name(layer, let)
            lines = self._lines_into(layer, "slope", name, name)
            if lines is not None:
                self.lines += lines
                self.parts[layer.h, "slope"] = Code(name)
                return Code(name)
        return None

    def _plain_adjoint(self, step: MatrixStep) -> None:
        expr, name = self._expr(step), f"d{step.variable.name}"
        if _is_product(expr) and step.variable.batched:
            self._let_product(step, expr)
        else:
            self._let(name, self._array(expr, step))

    def _divides(self, layer: Layer) -> bool:
        """Whether ∇ŷ divides by ŷ or 1 - ŷ, which may be 0 in floating point."""
        if layer.h is not self.output:
            return False
        powers = self._expr(self.form.step(layer.h.name)).atoms(HadamardPower)
        return any(self.divisor(power) is not None for power in powers)

    def divisor(self, expr: Expr) -> str | None:
        """The part that 1/ŷ or 1/(1 - ŷ) makes together with the slope."""
        if not isinstance(expr, HadamardPower) or expr.exp != -1:
            return None
        if expr.base == self._yhat:
            return "slope_by_value"
        return "slope_by_complement" if _signature(expr.base) == self._complement else None

    def _is_merged(self, step: MatrixStep) -> bool:
        """Whether a ∇ŷ is written within the next step, ∇a."""
        layer = self.layers.get(step.variable)
        if layer is None or not self._divides(layer):
            return False
        return layer.form is not None or (layer.coupled and self._binary(layer) is not None)

    def _through_softmax(self, layer: Layer, step: MatrixStep) -> None:
        expr, name = self._expr(step), f"d{step.variable.name}"
        scale = self._fused_scale(layer, step)
        if scale is not None:
            self.fused[layer.h.name] = scale
            self._softmax_with_cross_entropy(layer, name, scale)
        elif not expr.has(Gradient):
            self._let(name, self._array(expr, step))
        elif (scale := self._binary(layer)) is not None:
            self._softmax_with_binary(layer, name, scale)
        else:
            self._softmax_product(layer, name)

    def _fused_scale(self, layer: Layer, step: MatrixStep) -> Expr | None:
        """c, where softmax and the loss have cancelled to c ((Σy) ŷ - y), Σy = 1 assumed or not.

        A kernel may be given any target, so its line is the deduction before the fact is used;
        that it is c ((Y 1 1ᵀ) ⊙ Ŷ - Y) is certified.
        """
        source, y = step.source, self._target
        assert isinstance(source, Deduction)
        rules = [s.rule for s in source.steps]
        if Rule.CANCEL not in rules or layer.h is not self.output or y is None:
            return None
        facts = (k for k, s in enumerate(source.steps) if _is_about_target(s))
        before = replace(source, steps=source.steps[: next(facts, len(rules))])
        scale, _ = _scale_and_body(self._expr(step))
        columns = y.shape[1]
        total = MatMul(y, OneMatrix(columns, 1), OneMatrix(1, columns), evaluate=False)
        whole = HadamardProduct(total, self._yhat, evaluate=False)
        minus = MatMul(sympy.S.NegativeOne, y, evaluate=False)
        body = MatAdd(whole, minus, evaluate=False)
        try:
            certify(body if scale == 1 else MatMul(scale, body, evaluate=False), before)
        except Uncertified:
            return None
        return scale

    def _softmax_with_cross_entropy(self, layer: Layer, name: str, scale: Expr) -> None:
        """c (Σy ŷ - y) by the sums of the others."""
        e, others, _, _, total = (self._tag(layer, word) for word in _SOFTMAX)
        rest_of_y = self._call("others", Code("y")).text
        factor = self._scalar(scale, {}) / Code(total)
        self.lines += [
            "# … and, should a row of Y not sum to 1, its sum times Ŷ: Σy is kept",
            f"{name} = {e} * {rest_of_y} - y * {others}",
            f"{name} *= {factor.text}",
        ]

    def _scale(self, name: str, scale: Expr) -> None:
        if scale != 1:
            self.lines.append(f"{name} *= {self._scalar(scale, {}).text}")

    def _softmax_product(self, layer: Layer, name: str) -> None:
        """p ⊙ (g - Σ p g) with g less its entry at the largest p: then nothing large cancels."""
        p, g = layer.h.name, f"d{layer.h.name}"
        self.lines += [
            f"{g} = {self._call('less_winner', Code(g), Code(p)).text}",
            f"{name} = {p} * ({g} - ({g} * {p}).sum(axis=1, keepdims=True))",
        ]

    def _binary(self, layer: Layer) -> Expr | None:
        """c, where ∇ŷ is c (-y/ŷ + (1 - y)/(1 - ŷ))."""
        if layer.h is not self.output or self._target is None:
            return None
        gradient = self._expr(self.form.step(layer.h.name))
        scale, body = _scale_and_body(gradient)
        one = OneMatrix(*self._yhat.shape)
        other = MatAdd(one, _minus(self._target))
        wanted = {
            _minus(HadamardProduct(self._target, HadamardPower(self._yhat, -1))),
            HadamardProduct(other, HadamardPower(MatAdd(one, _minus(self._yhat)), -1)),
        }
        return scale if isinstance(body, MatAdd) and {*body.args} == wanted else None

    def _softmax_with_binary(self, layer: Layer, name: str, scale: Expr) -> None:
        """u_k (1 - p_k) - p_k Σ_{j≠k} u_j, u_k = p_k (∇ŷ)_k; p_k/(1 - p_m) = softmax of the others.

        The m-th u may be infinite, and what is computed of it is not.
        """
        (top, losers, _), p = self._softmax_of_others(layer), layer.h.name
        rest = self._rest(layer)
        self.lines += [
            "# u_k = B ŷ_k (∇Ŷ)_k, but for the winner's, which may be infinite",
            f"u = $np.where({top}, 0, (1 - y) * {p} / $np.where({top}, 1, {rest}) - y)",
            "u_sum = u.sum(axis=1, keepdims=True)",
            f"y_top, p_top = ($np.where({top}, v, 0).sum(axis=1, keepdims=True) for v in (y, {p}))",
            f"from_top = y_top * {p} - (1 - y_top) * p_top * {losers}",
            f"{name} = (1 - y) * {p} - y * {rest}",
            f"{name} += $np.where({top}, -{p} * u_sum, {p} * (u - u_sum) + from_top)",
        ]
        self._scale(name, scale)

    # ------------------------------------------------------------------- matrices, node by node

    def _array(self, expr: MatrixExpr, step: MatrixStep) -> Code:
        """The code of a matrix; what is the same in every entry is spread over an array."""
        code, is_number = self._code(expr)
        if not is_number or not step.variable.batched:
            return code
        return Code(f"$np.full_like({self.output.name}, {code.text})")

    def _code(self, expr: Expr) -> Pair:
        known = self._known(expr)
        if known is not None:
            return known, False
        kind = "Array" if isinstance(expr, (Array, Gradient)) else type(expr).__name__
        method = getattr(self, f"_of_{kind}", None)
        if method is None:
            raise NoKernel(f"no kernel: {kind} is not known in {self.text.write(expr)}")
        return method(expr)

    def _known(self, expr: Expr) -> Code | None:
        """y - ŷ, 1 - ŷ, log ŷ and log(1 - ŷ), where the output's function has a form for them."""
        layer = self.layers[self.output]
        if layer.form is None and not layer.coupled:
            return None
        if isinstance(expr, MatAdd):
            return self._known_sum(layer, _signature(expr))
        if isinstance(expr, Elementwise) and isinstance(expr.rule.expr, sympy.log):
            (argument,) = expr.arrays
            if argument == self._yhat:
                return self.part(layer, "log")
            if _signature(argument) == self._complement:
                return self.part(layer, "log_complement")
        return None

    def _known_sum(self, layer: Layer, signature: Signature) -> Code | None:
        opposite = frozenset((matrix, -number) for matrix, number in signature)
        residual = frozenset({(self._target, sympy.S.One), (self._yhat, sympy.S.NegativeOne)})
        for meaning, part in ((residual, "residual"), (self._complement, "complement")):
            if meaning == signature:
                return self.part(layer, part)
            if meaning == opposite:
                return -self.part(layer, part)
        return None

    @property
    def _yhat(self) -> Array:
        return next(s.symbol for s in self.form.steps if s.variable == self.output)

    @property
    def _target(self) -> Array | None:
        variable = next((v for v in self.graph.variables if v.role is Role.TARGET), None)
        return None if variable is None else self._yhat.func("y", *self._yhat.shape)

    @property
    def _complement(self) -> Signature:
        return frozenset({(_ONE, sympy.S.One), (self._yhat, sympy.S.NegativeOne)})

    def _of_Array(self, expr: Array | Gradient) -> Pair:
        array = expr.array if isinstance(expr, Gradient) else expr
        variable = self.graph.by_base[array.name]
        return Code(("d" if isinstance(expr, Gradient) else "") + variable.name), False

    def _of__Ready(self, expr: _Ready) -> Pair:
        return expr.code, False

    def _of_OneMatrix(self, expr: OneMatrix) -> Pair:
        return number(1), True

    def _of_ZeroMatrix(self, expr: ZeroMatrix) -> Pair:
        return number(0), True

    def _of_Transpose(self, expr: Transpose) -> Pair:
        return Code(f"{self._code(expr.arg)[0].within(ATOM)}.T"), False

    def _of_MatAdd(self, expr: MatAdd) -> Pair:
        pairs = [self._code(term) for term in expr.args]
        return reduce(Code.__add__, (code for code, _ in pairs)), all(flat for _, flat in pairs)

    def _of_HadamardProduct(self, expr: HadamardProduct) -> Pair:
        result, flat = number(1), True
        for factor in expr.args:
            divides = isinstance(factor, HadamardPower) and factor.exp == -1
            code, same = self._code(factor.base if divides else factor)
            result = result / code if divides else result * code
            flat = flat and same
        return result, flat

    def _of_HadamardPower(self, expr: HadamardPower) -> Pair:
        base, flat = self._code(expr.base)
        return self._power(base, expr.exp), flat

    def _power(self, base: Code, exponent: Expr) -> Code:
        if exponent.is_negative:
            return number(1) / self._power(base, -exponent)
        if exponent == sympy.Rational(1, 2):
            return self.spelling.call("sqrt", base)
        return base if exponent == 1 else base ** self._scalar(exponent, {})

    def _of_Elementwise(self, expr: Elementwise) -> Pair:
        pairs = [self._code(array) for array in expr.arrays]
        letters = dict(zip(expr.rule.variables, (code for code, _ in pairs), strict=True))
        return self._scalar(expr.rule.expr, letters), all(flat for _, flat in pairs)

    def _of_Where(self, expr: Where) -> Pair:
        (condition, _), (yes, flat), (no, also_flat) = map(self._code, expr.args)
        code = self.spelling.where(condition, yes, no)
        if flat and also_flat and code is not condition:
            (array, *_) = expr.args[0].arrays
            code = Code(f"{code.text}.$astype({self._code(array)[0].within(ATOM)}.dtype)")
        return code, False

    def _of_MatMul(self, expr: MatMul) -> Pair:
        scale, matrices = expr.as_coeff_matrices()
        code, flat = self._product(matrices)
        return self._scaled(scale, code), flat

    def _scaled(self, scale: Expr, code: Code) -> Code:
        if scale == -1:
            return -code
        over, under = scale.as_numer_denom()
        if not under.free_symbols:
            return self._scalar(scale, {}) * code
        divisor = self._scalar(under, {})
        return code / divisor if over == 1 else self._scalar(over, {}) / divisor * code

    def _product(self, matrices: Sequence[MatrixExpr]) -> Pair:
        """A matrix product; ones sum over an axis, or repeat along it, which NumPy does itself."""
        ones = [isinstance(matrix, OneMatrix) for matrix in matrices]
        match ones:
            case [_]:
                return self._code(matrices[0])
            case [True, False, True]:
                return self._total(matrices[1]), True
            case [False, True, True]:
                return self._sum(matrices[0], "axis=1, keepdims=True"), False
            case [True, False] if matrices[0].shape[1] == 1:
                return self._code(_turned(matrices[1]))
            case [False, True] if isinstance(matrices[0], Transpose):
                return self._sum_over_samples(matrices[0].arg), False
            case _ if not any(ones):
                codes = [self._code(matrix)[0] for matrix in matrices]
                return reduce(self._dot, codes), False
        raise NoKernel(f"no kernel: {self.text.write(MatMul(*matrices, evaluate=False))}")

    def _total(self, matrix: MatrixExpr) -> Code:
        """Σ of all entries; of a product of two arrays as one scalar product."""
        if isinstance(matrix, HadamardProduct) and len(matrix.args) == 2:
            pairs = [self._code(factor) for factor in matrix.args]
            if not any(flat for _, flat in pairs):
                return self.spelling.call("vdot", *(self._in_order(code) for code, _ in pairs))
        code, flat = self._code(matrix)
        if flat:
            rows, columns = (self._scalar(size, {}) for size in matrix.shape)
            return code * rows * columns
        return Code(f"{code.within(ATOM)}.sum()")

    def _in_order(self, code: Code) -> Code:
        """The softmax has samples side by side, and so does what is made of it."""
        if not (self.layers[self.output].coupled and self.spelling.in_place):
            return code
        return Code(f"{code.within(ATOM)}.T")

    def _sum_over_samples(self, matrix: MatrixExpr) -> Code:
        """A product with ones takes half the time of a sum."""
        if not self.spelling.in_place:
            return self._sum(matrix, "axis=0")
        self.memory["ones"] = f"{self.graph.samples}"
        return self._dot(Code("ones"), self._code(matrix)[0])

    def _dot(self, first: Code, second: Code) -> Code:
        """A matrix product; in NumPy `dot` begins 0.4 µs sooner than @ does."""
        if not self.spelling.in_place:
            return first @ second
        return Code(f"$np.dot({first.text}, {second.text})")

    def _sum(self, matrix: MatrixExpr, axis: str) -> Code:
        return Code(f"{self._code(matrix)[0].within(ATOM)}.sum({axis})")

    # --------------------------------------------------------------------------------- numbers

    def _scalar(self, expr: Expr, letters: Mapping[Expr, Code]) -> Code:
        """A number, or a function of the entries that ``letters`` stand for."""
        if expr in letters:
            return letters[expr]
        if isinstance(expr, Scalar):
            return self._code(expr.matrix)[0]
        if not expr.free_symbols and not expr.has(Scalar):
            return constant(expr)
        if isinstance(expr, sympy.Symbol):
            return Code(str(expr))
        return scalar_code(expr, lambda part: self._scalar(part, letters), self._helped)

    def _helped(self, function: str, *arguments: Code) -> Code:
        code = self.spelling.call(function, *arguments)
        if code.text.startswith("_"):
            self.helpers[function] = None
        return code


_ONE = "one"
Signature = frozenset


class _Ready(MatrixExpr):
    """Code that stands where a matrix would."""

    def __new__(cls, code: Code, shape: MatrixExpr) -> _Ready:
        made = sympy.Basic.__new__(cls, sympy.core.symbol.Str(code.text), shape)
        made.code = code
        return made

    @property
    def shape(self) -> tuple[Expr, Expr]:
        return self.args[1].shape


class _Merged:
    """∇ŷ ⊙ g'(a) with each 1/ŷ and 1/(1 - ŷ) taken together with the slope."""

    def __init__(self, writer: ArrayWriter, layer: Layer) -> None:
        self.writer, self.layer = writer, layer

    def times_slope(self, expr: MatrixExpr) -> MatrixExpr:
        if isinstance(expr, MatAdd):
            return MatAdd(*map(self.times_slope, expr.args), evaluate=False)
        if isinstance(expr, MatMul):
            scale, body = _scale_and_body(expr)
            return MatMul(scale, self.times_slope(body), evaluate=False)
        factors = expr.args if isinstance(expr, HadamardProduct) else (expr,)
        found = [(k, part) for k, f in enumerate(factors) if (part := self.writer.divisor(f))]
        place, part = found[0] if found else (None, "slope")
        others = [factor for k, factor in enumerate(factors) if k != place]
        slope = _Ready(self.writer.part(self.layer, part), expr)
        return HadamardProduct(*others, slope, evaluate=False)


def _scale_and_body(expr: MatrixExpr) -> tuple[Expr, MatrixExpr]:
    if not isinstance(expr, MatMul):
        return sympy.S.One, expr
    scale, matrices = expr.as_coeff_matrices()
    return scale, matrices[0] if len(matrices) == 1 else MatMul(*matrices, evaluate=False)


def _is_about_target(step: Step) -> bool:
    return step.fact is not None and step.fact.variable.role is Role.TARGET


def _minus(matrix: MatrixExpr) -> MatMul:
    return MatMul(sympy.S.NegativeOne, matrix)


def _signature(expr: Expr) -> Signature:
    """The terms of a sum of whole arrays with their numbers, in no order."""
    terms = expr.args if isinstance(expr, MatAdd) else (expr,)
    pairs = (_scale_and_body(term) for term in terms)
    return frozenset((_ONE if isinstance(m, OneMatrix) else m, scale) for scale, m in pairs)


def _is_product(expr: MatrixExpr) -> bool:
    return isinstance(expr, MatMul) and not any(isinstance(m, OneMatrix) for m in expr.args)


def _turned(matrix: MatrixExpr) -> MatrixExpr:
    """The column of a row; a bias is one-dimensional, so NumPy repeats it along the samples."""
    return matrix.arg if isinstance(matrix, Transpose) else matrix


def constant(expr: Expr) -> Code:
    """A number as Python writes it; a fraction stays one."""
    if expr.is_Rational and not expr.is_Integer and expr.q & (expr.q - 1) and expr.q < 10**6:
        return number(int(expr.p)) / number(int(expr.q))
    return number(float(expr))


def scalar_code(expr: Expr, code: Callable[[Expr], Code], call: Callable[..., Code]) -> Code:
    """One SymPy node as code; ``code`` prints its parts, ``call`` applies a function."""
    if isinstance(expr, sympy.Add):
        terms = sorted(expr.args, key=lambda t: (t.could_extract_minus_sign(), str(t)))
        return reduce(Code.__add__, map(code, terms))
    if isinstance(expr, sympy.Mul):
        return _quotient(expr, code)
    if isinstance(expr, sympy.Pow) and expr.base is not sympy.E:
        if expr.exp.is_negative:
            return number(1) / code(expr.base**-expr.exp)
        if expr.exp == sympy.Rational(1, 2):
            return call("sqrt", code(expr.base))
        return code(expr.base) ** code(expr.exp)
    if isinstance(expr, Relational):
        return code(expr.lhs).compared(expr.rel_op, code(expr.rhs))
    if isinstance(expr, (And, Or)):
        joined = [call("and" if isinstance(expr, And) else "or", *map(code, expr.args))]
        return joined[0]
    name = {"Abs": "abs", "Max": "max", "Min": "min"}.get(type(expr).__name__)
    return call(name or type(expr).__name__, *map(code, expr.args))


def _quotient(expr: Expr, code: Callable[[Expr], Code]) -> Code:
    over, under = expr.as_numer_denom() if expr.is_commutative else (expr, sympy.S.One)
    if under != 1:
        return code(over) / code(under)
    return reduce(Code.__mul__, map(code, sympy.Mul.make_args(over)))
