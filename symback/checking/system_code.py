"""A program in NumPy as text, gone through step by step: read, never executed by Python.

Here one can

* tell a program from a page of formulas: `program_in`, which gives its syntax tree or None;
* go through it with values for the names that it does not compute: `Walk`; what it assigned, where
  and in which round of its loops, is in `Walk.events`, what its names hold at the end in
  `Walk.scopes`.

Known are assignments, also in place and to parts, loops over ranges, functions of the page, dicts
and lists, and the functions of NumPy that backward passes use.  What is not known makes the names
that depend on it `Lost`, with the reason and the line; the rest goes on.  Nothing is ever looked up
in Python itself: each node of the tree, each function and each method has its own entry here.
"""

from __future__ import annotations

import ast
import math
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from symback.language.errors import SymbackError

MOST_STEPS = 60_000
MOST_ENTRIES = 400_000
DEEPEST = 60
DEEPEST_CALLS = 8


class NotKnown(SymbackError):
    """A part of a program that is not read, and why."""


class Spent(SymbackError):
    """The program takes too many steps."""


@dataclass(frozen=True, slots=True)
class Lost:
    """What a name holds where it could not be worked out: why, and in which line."""

    reason: str
    line: int


@dataclass(frozen=True, slots=True)
class Event:
    """A name that was assigned to: the line, the round of each loop around it, and the value."""

    name: str
    line: int
    rounds: tuple[tuple[str, Any], ...]
    value: Any


class _Numpy:
    """What ``np`` is in a program, or a part of it such as np.random."""

    def __init__(self, path: str = "") -> None:
        self.path = path


@dataclass(frozen=True, slots=True)
class _Function:
    definition: ast.FunctionDef | ast.Lambda


class _Returned(Exception):
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class _Broken(Exception):
    """break and continue."""

    def __init__(self, *, goes_on: bool) -> None:
        super().__init__()
        self.goes_on = goes_on


_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n]*$", re.MULTILINE)


def program_in(text: str) -> ast.Module | None:
    """The syntax tree of a page that is a program, or holds one between fences; else None.

    A page of assignments alone may be formulas as well; a program has a loop, a function, a product
    ``@`` or a call of NumPy.
    """
    for candidate in _candidates(text):
        try:
            tree = ast.parse(candidate)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if _is_program(tree) and _depth(tree) <= DEEPEST:
            return tree
    return None


def without_programs(text: str) -> str:
    """A page with fences without what stands between them; nothing of a page that has none."""
    if not _FENCE.search(text):
        return ""
    inside, made = False, []
    for line in text.split("\n"):
        is_fence = _FENCE.match(line) is not None
        inside ^= is_fence
        made.append("" if is_fence or inside else line)
    return "\n".join(made)


def _candidates(text: str) -> Iterator[str]:
    if _FENCE.search(text):
        inside, made = False, []
        for line in text.split("\n"):
            if _FENCE.match(line):
                inside = not inside
                made.append("")
            else:
                made.append(line if inside else "")
        yield textwrap.dedent("\n".join(made))
    yield textwrap.dedent(text)


def _is_program(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, (ast.For, ast.FunctionDef, ast.AugAssign, ast.Attribute)):
            return True
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            return True
    return False


def _depth(tree: ast.AST) -> int:
    deepest, level = 0, [tree]
    while level:
        deepest += 1
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return deepest


# --------------------------------------------------------------------------- what NumPy offers


def _softmax(x: Any, axis: Any = -1) -> Any:
    raised = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return raised / raised.sum(axis=axis, keepdims=True)


def _zeros(shape: Any, dtype: Any = None) -> Any:
    del dtype
    return np.zeros(_shape(shape))


def _ones(shape: Any, dtype: Any = None) -> Any:
    del dtype
    return np.ones(_shape(shape))


def _shape(shape: Any) -> tuple[int, ...]:
    found = tuple(int(n) for n in (shape if isinstance(shape, (tuple, list)) else (shape,)))
    if math.prod(found) > MOST_ENTRIES:
        raise NotKnown(f"an array of {' × '.join(map(str, found))} entries is too large to follow")
    return found


def _like(value: float) -> Callable[..., Any]:
    return lambda a, *_: np.full(np.shape(a), value)


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of NumPy without the type of numbers, which is of no account here."""

    def called(*arguments: Any, dtype: Any = None, **named: Any) -> Any:
        del dtype
        return function(*arguments, **named)

    return called


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "zeros": _zeros, "ones": _ones, "empty": _zeros,
    "zeros_like": _like(0.0), "ones_like": _like(1.0), "empty_like": _like(0.0),
    "full_like": lambda a, v: np.full(np.shape(a), float(v)),
    "copy": np.copy, "array": lambda a, *_: np.array(a, dtype=float),
    "asarray": lambda a, *_: np.asarray(a), "dot": np.dot, "matmul": np.matmul,
    "outer": np.outer, "inner": np.inner, "einsum": np.einsum, "tensordot": np.tensordot,
    "sum": _plain(np.sum), "mean": _plain(np.mean), "var": np.var, "std": np.std,
    "max": np.max, "min": np.min, "amax": np.max, "argmax": np.argmax, "argmin": np.argmin,
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "tanh": np.tanh, "sin": np.sin, "cos": np.cos,
    "square": np.square, "power": np.power, "abs": np.abs, "absolute": np.abs, "sign": np.sign,
    "maximum": np.maximum, "minimum": np.minimum, "where": np.where, "multiply": np.multiply,
    "add": np.add, "subtract": np.subtract, "divide": np.divide, "negative": np.negative,
    "transpose": np.transpose, "reshape": np.reshape, "swapaxes": np.swapaxes,
    "expand_dims": np.expand_dims, "squeeze": np.squeeze, "ravel": np.ravel, "tile": np.tile,
    "concatenate": np.concatenate, "stack": np.stack, "hstack": np.hstack, "vstack": np.vstack,
    "split": np.split, "hsplit": np.hsplit, "pad": np.pad, "tril": np.tril, "triu": np.triu,
    "arange": np.arange, "eye": np.eye, "diag": np.diag, "diagflat": np.diagflat,
    "broadcast_to": np.broadcast_to, "cumsum": np.cumsum, "flip": np.flip,
    "shape": np.shape, "size": np.size, "ndim": np.ndim, "log1p": np.log1p, "prod": np.prod,
    "float32": float, "float64": float, "atleast_2d": np.atleast_2d, "mod": np.mod,
    "repeat": np.repeat, "roll": np.roll, "any": np.any, "all": np.all, "cosh": np.cosh,
}  # fmt: skip
_BARE: dict[str, Callable[..., Any]] = {
    "len": len, "abs": np.abs, "max": max, "min": min, "sum": sum, "float": float, "int": int,
    "list": list, "tuple": tuple, "enumerate": lambda a: list(enumerate(a)),
    "zip": lambda *a: list(zip(*a, strict=False)), "sorted": sorted, "dict": dict,
    "reversed": lambda a: list(reversed(list(a))), "bool": bool,
    "sigmoid": lambda z: 1 / (1 + np.exp(-np.asarray(z))), "tanh": np.tanh, "exp": np.exp,
    "softmax": _softmax, "relu": lambda z: np.maximum(z, 0), "sqrt": np.sqrt, "log": np.log,
}  # fmt: skip
_METHODS: dict[str, Callable[..., Any]] = {
    name: _FUNCTIONS[name]
    for name in (
        "dot sum mean var std max min argmax copy reshape transpose squeeze ravel swapaxes "
        "cumsum prod any all repeat"
    ).split()
} | {
    "flatten": np.ravel, "astype": lambda a, *_: np.array(a), "view": lambda a, *_: a,
    "reshape": lambda a, *shape, **_: np.reshape(a, shape[0] if len(shape) == 1 else shape),
    "transpose": lambda a, *axes: np.transpose(
        a, None if not axes else axes[0] if len(axes) == 1 else axes),
    "item": lambda a: float(np.asarray(a).reshape(())), "tolist": list,
}  # fmt: skip
_CONSTANTS = {"pi": math.pi, "e": math.e, "newaxis": None, "inf": math.inf}
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b, ast.FloorDiv: lambda a, b: a // b, ast.Mod: lambda a, b: a % b,
    ast.MatMult: np.matmul,
}  # fmt: skip
_IN_PLACE: dict[type[ast.operator], Any] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide,
}  # fmt: skip
_COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: lambda a, b: a < b, ast.LtE: lambda a, b: a <= b, ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b, ast.Eq: lambda a, b: a == b, ast.NotEq: lambda a, b: a != b,
    ast.Is: lambda a, b: a is b, ast.IsNot: lambda a, b: a is not b,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
_FAILURES = (ValueError, IndexError, KeyError, TypeError, ZeroDivisionError, AttributeError,
             OverflowError, FloatingPointError, MemoryError)  # fmt: skip


@dataclass
class Scope:
    """The names of a module or a function, and the function that it is, "" for the module."""

    names: dict[str, Any] = field(default_factory=dict)
    outer: Scope | None = None
    function: str = ""

    def find(self, name: str) -> Any:
        """What a name holds here or outside; raises `KeyError`."""
        if name in self.names:
            return self.names[name]
        if self.outer is not None:
            return self.outer.find(name)
        raise KeyError(name)


class Walk:
    """One way through a program; ``supplied`` gives what a name holds that it does not compute.

    ``supplied(name)`` raises `KeyError` for what it does not know.  Each function of the program is
    gone through by itself after the module, its parameters supplied by their names.  ``is_given``
    says which names are parameters and inputs: their first numbers are the supplied ones.
    """

    def __init__(
        self,
        tree: ast.Module,
        supplied: Callable[[str], Any],
        is_given: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self.supplied, self.is_given = supplied, is_given
        self.events: list[Event] = []
        self.scopes: list[Scope] = []
        self.notes: list[str] = []
        self.left = MOST_STEPS
        self.rounds: list[tuple[str, Any]] = []
        self.calls = 0
        self.is_quiet = False
        self.line = 1
        module = Scope()
        self.scopes.append(module)
        with np.errstate(all="ignore"):
            self._block(tree.body, module)
            functions = [each for each in tree.body if isinstance(each, ast.FunctionDef)]
            called = {
                node.func.id
                for node in ast.walk(tree)
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            }
            for each in functions:
                if each.name in called:
                    continue
                own = Scope(outer=module, function=each.name)
                self.scopes.append(own)
                for name in _parameters(each):
                    try:
                        own.names[name] = supplied(name)
                    except KeyError:
                        own.names[name] = Lost(f"what is {name}?", each.lineno)
                with suppress(_Returned):
                    self._block(each.body, own)

    # ------------------------------------------------------------------------------ statements

    def _block(self, body: Sequence[ast.stmt], scope: Scope) -> None:
        for statement in body:
            self.line = statement.lineno
            try:
                self._statement(statement, scope)
            except NotKnown as error:
                self._lose(statement, scope, error.message)
            except _FAILURES as error:
                self._lose(statement, scope, f"it does not work out: {_said(error)}")

    def _lose(self, statement: ast.AST, scope: Scope, reason: str) -> None:
        """All names that a statement would have assigned to are lost."""
        line = getattr(statement, "lineno", self.line)
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self._store(scope, node.id, Lost(reason, line), line)
            elif isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(
                node.ctx, ast.Store
            ):
                base = node.value
                while isinstance(base, (ast.Subscript, ast.Attribute)):
                    base = base.value
                if isinstance(base, ast.Name):
                    self._store(scope, base.id, Lost(reason, line), line)

    def _statement(self, statement: ast.stmt, scope: Scope) -> None:
        self._spend()
        match statement:
            case ast.Assign(targets=(ast.Name(id=name),), value=value) if self._is_start(
                name, value, scope
            ):
                scope.names.pop(name, None)  # what the network holds under that name stands for it
            case ast.Assign(targets=targets, value=value):
                found = self._value(value, scope)
                for target in targets:
                    self._assign(target, found, scope, statement.lineno)
            case ast.AnnAssign(target=target, value=value) if value is not None:
                self._assign(target, self._value(value, scope), scope, statement.lineno)
            case ast.AugAssign(target=target, op=op, value=value):
                self._change(target, op, self._value(value, scope), scope, statement.lineno)
            case ast.For():
                self._loop(statement, scope)
            case ast.If(test=test, body=body, orelse=orelse):
                chosen = body if bool(self._value(test, scope)) else orelse
                self._block(chosen, scope)
            case ast.FunctionDef(name=name):
                scope.names[name] = _Function(statement)
            case ast.Return(value=value):
                raise _Returned(None if value is None else self._value(value, scope))
            case ast.Expr(value=value):
                if isinstance(value, ast.Call):
                    self._expression_call(value, scope)
            case ast.Break():
                raise _Broken(goes_on=False)
            case ast.Continue():
                raise _Broken(goes_on=True)
            case ast.Pass() | ast.Import() | ast.ImportFrom() | ast.Assert() | ast.Global():
                pass
            case _:
                raise NotKnown(f"'{type(statement).__name__.lower()}' is not read in a program")

    def _is_start(self, name: str, value: ast.expr, scope: Scope) -> bool:
        """Whether a line gives something that is supplied its first numbers, random ones or zeros.

        It mentions no array: W = np.random.randn(n, m) * 0.01, b = np.zeros((n, 1)).
        """
        if not self.is_given(name):
            return False
        if not any(isinstance(node, (ast.Call, ast.List)) for node in ast.walk(value)):
            return False
        for node in ast.walk(value):
            if isinstance(node, ast.Name) and node.id not in ("np", "numpy", "math"):
                try:
                    found = self._name(node.id, scope)
                except NotKnown:
                    continue
                if not isinstance(found, (int, float, Lost, _Numpy)):
                    return False
        return True

    def _expression_call(self, call: ast.Call, scope: Scope) -> None:
        shown = ast.unparse(call.func)
        if shown == "print" or shown.startswith(("plt.", "random.")):
            return
        if shown in ("np.clip", "numpy.clip"):
            self.notes.append("clipping of gradients is passed over")
            return
        if shown.endswith((".add.at", ".subtract.at")):
            array, index, values = (self._value(each, scope) for each in call.args)
            change = np.add if ".add." in shown else np.subtract
            change.at(array, index, values)
            base = call.args[0]
            if isinstance(base, ast.Name):
                self._record(base.id, array, call.lineno)
            return
        self._value(call, scope)

    def _loop(self, loop: ast.For, scope: Scope) -> None:
        over = self._value(loop.iter, scope)
        if isinstance(over, dict):
            over = list(over)
        if isinstance(over, np.ndarray):
            over = list(over)
        if not isinstance(over, (range, list, tuple)):
            raise NotKnown("what the loop runs over is not read")
        for each in over:
            self._spend()
            self._assign(loop.target, each, scope, loop.lineno, is_loop=True)
            name = loop.target.id if isinstance(loop.target, ast.Name) else ""
            self.rounds.append((name, each if isinstance(each, int) else None))
            try:
                self._block(loop.body, scope)
            except _Broken as broken:
                if not broken.goes_on:
                    break
            finally:
                self.rounds.pop()

    def _assign(
        self, target: ast.expr, value: Any, scope: Scope, line: int, *, is_loop: bool = False
    ) -> None:
        match target:
            case ast.Name(id=name):
                if is_loop:
                    scope.names[name] = value
                else:
                    self._store(scope, name, value, line)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                if isinstance(value, Lost):
                    for part in parts:
                        self._assign_supplied(part, scope, line, value)
                    return
                values = list(value)
                if len(values) != len(parts):
                    raise NotKnown(f"{len(values)} values for {len(parts)} names")
                for part, each in zip(parts, values, strict=True):
                    self._assign(part, each, scope, line)
            case ast.Subscript(value=base, slice=index):
                holder = self._value(base, scope)
                if isinstance(holder, Lost):
                    raise NotKnown(holder.reason)
                holder[self._index(index, scope)] = value
                self._record_part(target, holder, scope, line)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                self._store(scope, name, value, line)
            case _:
                raise NotKnown("such an assignment is not read")

    def _assign_supplied(self, part: ast.expr, scope: Scope, line: int, lost: Lost) -> None:
        """A name taken out of something unknown, such as a cache, is what it is called."""
        if isinstance(part, ast.Name):
            try:
                scope.names[part.id] = self.supplied(part.id)
            except KeyError:
                scope.names[part.id] = Lost(f"what is {part.id}?", line)
        else:
            raise NotKnown(lost.reason)

    def _change(
        self, target: ast.expr, op: ast.operator, value: Any, scope: Scope, line: int
    ) -> None:
        if isinstance(target, ast.Name) and self.is_given(target.id):
            self.notes.append("steps of descent are passed over")
            return
        before = self._value(target, scope)
        for each in (before, value):
            if isinstance(each, Lost):
                raise NotKnown(each.reason)
        in_place = _IN_PLACE.get(type(op))
        _guard(before, value)
        if isinstance(before, np.ndarray) and before.ndim and in_place is not None:
            if isinstance(target, ast.Name):
                in_place(before, value, out=before, casting="unsafe")
                self._record(target.id, before, line)
                return
            if isinstance(target, ast.Subscript):
                holder, index = self._value(target.value, scope), self._index(target.slice, scope)
                holder[index] = in_place(before, value)
                self._record_part(target, holder, scope, line)
                return
        self._assign(target, self._binary(op, before, value), scope, line)

    def _store(self, scope: Scope, name: str, value: Any, line: int) -> None:
        scope.names[name] = value
        self._record(name, value, line)

    def _record(self, name: str, value: Any, line: int) -> None:
        if self.is_quiet or not name:
            return
        kept = value.copy() if isinstance(value, np.ndarray) else value
        self.events.append(Event(name, line, tuple(self.rounds), kept))

    def _record_part(self, target: ast.Subscript, holder: Any, scope: Scope, line: int) -> None:
        """An assignment to part of something: the whole array, or the entry of a dict or list."""
        if not isinstance(target.value, ast.Name):
            return
        name = target.value.id
        if isinstance(holder, np.ndarray):
            self._record(name, holder, line)
        elif isinstance(target.slice, ast.Constant) and isinstance(target.slice.value, str):
            self._record(f"{name}['{target.slice.value}']", holder[target.slice.value], line)
        else:
            self._record(name, self._value(target, scope), line)

    # ----------------------------------------------------------------------------- expressions

    def _spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Spent("the program takes too many steps to follow")

    def _value(self, node: ast.expr, scope: Scope) -> Any:
        found = self._found(node, scope)
        if isinstance(found, Lost) and not isinstance(node, (ast.Name, ast.Attribute)):
            raise NotKnown(found.reason)
        if isinstance(found, np.ndarray) and found.size > MOST_ENTRIES:
            raise NotKnown("an array becomes too large to follow")
        return found

    def _sure(self, node: ast.expr, scope: Scope) -> Any:
        found = self._value(node, scope)
        if isinstance(found, Lost):
            raise NotKnown(found.reason)
        return found

    def _found(self, node: ast.expr, scope: Scope) -> Any:
        self._spend()
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return self._name(name, scope)
            case ast.BinOp(left=left, op=op, right=right):
                return self._binary(op, self._sure(left, scope), self._sure(right, scope))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._sure(operand, scope)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self._sure(operand, scope)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self._sure(operand, scope)
            case ast.UnaryOp(op=ast.Invert(), operand=operand):
                return ~self._sure(operand, scope)
            case ast.Compare(left=left, ops=(op,), comparators=(right,)):
                sides = self._sure(left, scope), self._sure(right, scope)
                _guard(*sides)
                return _COMPARED[type(op)](*sides)
            case ast.BoolOp(op=op, values=values):
                found = [bool(self._sure(each, scope)) for each in values]
                return all(found) if isinstance(op, ast.And) else any(found)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self._value(body if self._sure(test, scope) else orelse, scope)
            case ast.Tuple(elts=parts):
                return tuple(self._value(each, scope) for each in parts)
            case ast.List(elts=parts):
                return [self._value(each, scope) for each in parts]
            case ast.Dict(keys=keys, values=values):
                return {
                    self._sure(key, scope): self._value(value, scope)
                    for key, value in zip(keys, values, strict=True)
                    if key is not None
                }
            case ast.ListComp(elt=part, generators=(ast.comprehension() as each,)):
                return self._comprehension(part, each, scope)
            case ast.Subscript(value=base, slice=index):
                holder = self._sure(base, scope)
                try:
                    return holder[self._index(index, scope)]
                except KeyError:
                    raise NotKnown(f"{ast.unparse(node)} is read before it is known") from None
            case ast.Attribute():
                return self._attribute(node, scope)
            case ast.Call():
                return self._call(node, scope)
            case ast.Lambda():
                return _Function(node)
        raise NotKnown(f"{ast.unparse(node)[:60]} is not read")

    def _name(self, name: str, scope: Scope) -> Any:
        try:
            return scope.find(name)
        except KeyError:
            pass
        if name in ("np", "numpy", "math"):
            return _Numpy()
        if name == "self":
            return _Numpy("self")
        try:
            return self.supplied(name)
        except KeyError:
            if name in _BARE or name in ("range", "xrange"):
                return _Numpy(name)
            raise NotKnown(f"what is {name}?") from None

    def _comprehension(self, part: ast.expr, each: ast.comprehension, scope: Scope) -> list[Any]:
        made = []
        for value in list(self._sure(each.iter, scope)):
            own = Scope(outer=scope)
            self._assign(each.target, value, own, self.line, is_loop=True)
            if all(self._sure(test, own) for test in each.ifs):
                made.append(self._value(part, own))
        return made

    def _binary(self, op: ast.operator, left: Any, right: Any) -> Any:
        if isinstance(op, ast.Pow):
            _guard(left, right)
            if not isinstance(right, np.ndarray) and not (
                isinstance(right, (int, float)) and abs(right) <= 64
            ):
                raise NotKnown("such a power is not read")
            is_whole = isinstance(left, int) and isinstance(right, int) and right >= 0
            if is_whole and abs(left) < 1000:
                return left**right
            return np.power(np.asarray(left, dtype=float), right)
        _guard(left, right)
        known = _OPERATORS.get(type(op))
        if known is None:
            raise NotKnown("such an operator is not read")
        if isinstance(left, (list, tuple, str)) or isinstance(right, (list, tuple, str)):
            if not isinstance(op, (ast.Add, ast.Mult)):
                left, right = np.asarray(left), np.asarray(right)
            elif isinstance(op, ast.Mult):
                count = left if isinstance(left, int) else right
                if not isinstance(count, int) or count > 1000:
                    raise NotKnown("such a product is not read")
        if isinstance(left, int) and isinstance(right, int) and max(abs(left), abs(right)) > 10**9:
            raise NotKnown("a whole number becomes too large to follow")
        return known(left, right)

    def _index(self, node: ast.expr, scope: Scope) -> Any:
        match node:
            case ast.Slice(lower=lower, upper=upper, step=step):
                return slice(*(None if e is None else self._sure(e, scope)
                               for e in (lower, upper, step)))  # fmt: skip
            case ast.Tuple(elts=parts):
                return tuple(self._index(each, scope) for each in parts)
        found = self._sure(node, scope)
        return list(found) if isinstance(found, range) else found

    def _attribute(self, node: ast.Attribute, scope: Scope) -> Any:
        base, name = self._sure(node.value, scope), node.attr
        if isinstance(base, _Numpy):
            if base.path == "self":
                return self._name(name, scope)
            if not base.path and name in _CONSTANTS:
                return _CONSTANTS[name]
            return _Numpy(f"{base.path}.{name}" if base.path else f"np.{name}")
        if isinstance(base, np.ndarray) or np.isscalar(base):
            match name:
                case "T":
                    return np.transpose(base)
                case "shape" | "ndim" | "size":
                    return getattr(np.asarray(base), name)
        raise NotKnown(f"{ast.unparse(node)[:60]} is not read")

    def _call(self, node: ast.Call, scope: Scope) -> Any:
        arguments = [self._sure(each, scope) for each in node.args]
        if any(each.arg is None for each in node.keywords):
            raise NotKnown("** in a call is not read")
        named = {each.arg or "": self._sure(each.value, scope) for each in node.keywords
                 if each.arg != "dtype"}  # fmt: skip
        if isinstance(node.func, ast.Attribute):
            return self._method(node.func, arguments, named, scope)
        function = self._sure(node.func, scope)
        if isinstance(function, _Function):
            return self._own_function(function, arguments, named, scope)
        if isinstance(function, _Numpy) and function.path in ("range", "xrange"):
            found = range(*(int(each) for each in arguments))
            if len(found) > 10_000:
                raise NotKnown("so many rounds of a loop are not followed")
            return found
        if isinstance(function, _Numpy) and function.path in _BARE:
            _guard(*arguments)
            return _BARE[function.path](*arguments, **named)
        raise NotKnown(f"{ast.unparse(node.func)[:60]} is no function that is known here")

    def _method(
        self, function: ast.Attribute, arguments: list[Any], named: Mapping[str, Any], scope: Scope
    ) -> Any:
        base = self._sure(function.value, scope)
        name = function.attr
        if isinstance(base, _Numpy):
            path = base.path
            if path == "self":
                own = self._name(name, scope)
                if isinstance(own, _Function):
                    return self._own_function(own, arguments, named, scope)
                raise NotKnown(f"self.{name} is no function that is known here")
            if not path and name in _FUNCTIONS:
                _guard(*arguments)
                _check_made(name, arguments)
                return _FUNCTIONS[name](*arguments, **named)
            raise NotKnown(f"{ast.unparse(function)[:60]} is not known here")
        if isinstance(base, list) and name in ("append", "insert", "reverse", "pop"):
            return getattr(base, name)(*arguments)
        if isinstance(base, dict) and name in ("keys", "values", "items", "get", "copy"):
            found = getattr(base, name)(*arguments)
            return list(found) if name in ("keys", "values", "items") else found
        if isinstance(base, (np.ndarray, float, np.generic)) and name in _METHODS:
            _guard(base, *arguments)
            _check_made(name, arguments)
            return _METHODS[name](base, *arguments, **named)
        raise NotKnown(f"{ast.unparse(function)[:60]} is not known here")

    def _own_function(
        self, function: _Function, arguments: list[Any], named: Mapping[str, Any], scope: Scope
    ) -> Any:
        definition = function.definition
        names = _parameters(definition)
        if len(arguments) > len(names) or self.calls >= DEEPEST_CALLS:
            raise NotKnown("such a call is not followed")
        own = Scope(outer=self.scopes[0])
        defaults = definition.args.defaults
        for name, default in zip(names[len(names) - len(defaults) :], defaults, strict=True):
            own.names[name] = self._value(default, scope)
        own.names |= dict(zip(names, arguments, strict=False)) | dict(named)
        self.calls += 1
        was, self.is_quiet = self.is_quiet, isinstance(definition, ast.Lambda) or self.calls > 1
        try:
            if isinstance(definition, ast.Lambda):
                return self._value(definition.body, own)
            self.scopes.append(own)
            own.function = definition.name
            self._block(definition.body, own)
        except _Returned as returned:
            return returned.value
        finally:
            self.calls -= 1
            self.is_quiet = was
        return None


def _parameters(definition: ast.FunctionDef | ast.Lambda) -> list[str]:
    arguments = definition.args
    return [each.arg for each in (*arguments.posonlyargs, *arguments.args) if each.arg != "self"]


def _guard(*values: Any) -> None:
    """Raise `NotKnown` where what is made of arrays might be too large to follow."""
    total = 1
    for each in values:
        total *= max(_entries(each), 1)
    if total > 100_000_000:
        raise NotKnown("an array becomes too large to follow")


def _entries(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return value.size
    if isinstance(value, (list, tuple)):
        return sum(_entries(each) for each in value[:1]) * len(value)
    return 1


_MAKES = frozenset(("arange", "eye", "tile", "repeat", "pad", "broadcast_to"))
"""Functions of NumPy whose numbers say how large an array is."""


def _check_made(name: str, arguments: Sequence[Any]) -> None:
    if name in _MAKES:
        numbers = [abs(float(k)) for each in arguments for k in np.ravel(np.asarray(each, float))
                   if _entries(each) <= 20]  # fmt: skip
        size = math.prod(max(each, 1.0) for each in numbers)
        if size > 50 * MOST_ENTRIES:
            raise NotKnown(f"{name} would make an array that is too large to follow")


def _said(error: BaseException) -> str:
    return str(error).split("\n")[0][:120]
