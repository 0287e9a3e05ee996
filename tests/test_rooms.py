"""The house rules that can be read off syntax trees: who imports whom, and what nobody calls."""

import ast
import builtins
import graphlib
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "symback"

# Each room imports only from those above it; the files of a folder are one room.
ORDER = [
    "language",
    "engine",
    "equations",
    "kernels",
    "checking",
    "learning",
    "sheets",
    "network",
    "__init__",
    "cli",
    "__main__",
]

SOURCES = sorted(PACKAGE.rglob("*.py"))
each_source = pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))


def room_of(path: Path) -> str:
    """Name the room that a file belongs to: `engine/graph.py` is in `engine`."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def file_of(path: Path) -> str:
    """Name a file of the package with its folder: `engine.graph`."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imported_modules(tree: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """List what a file of `package` imports from symback, as dotted parts after `symback`.

    Imports inside functions and under TYPE_CHECKING count: they tie the rooms together as well.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            base += tuple(node.module.split(".")) if node.module else ()
            names = [(*base, alias.name) for alias in node.names]
        else:
            continue
        yield from (name[1:] for name in names if name[0] == "symback")


def rooms_entered(tree: ast.AST, package: tuple[str, ...] = ("symback",)) -> set[str]:
    """Name the rooms a file imports from; a name that is no room is one of `__init__`'s."""
    rooms = {(name or ("__init__",))[0] for name in imported_modules(tree, package)}
    return {room if room in ORDER or is_module(room) else "__init__" for room in rooms}


def is_module(room: str) -> bool:
    return (PACKAGE / f"{room}.py").exists() or (PACKAGE / room / "__init__.py").exists()


def package_of(path: Path) -> tuple[str, ...]:
    return path.relative_to(ROOT).parent.parts


@each_source
def test_every_module_has_a_place_in_the_order(path):
    """A new room is given its place, rather than imported from anywhere."""
    assert room_of(path) in ORDER, (
        f"symback/{path.relative_to(PACKAGE)} is a room without a place: add '{room_of(path)}' to "
        "ORDER in tests/test_rooms.py, below what it imports and above what imports it"
    )


@each_source
def test_rooms_import_only_from_those_above(path):
    """Imports point one way."""
    room = room_of(path)
    entered = rooms_entered(ast.parse(path.read_text()), package_of(path)) - {room}
    below = entered - set(ORDER[: ORDER.index(room)])
    assert not below, f"'{room}' imports from rooms that are not above it: {sorted(below)}"


@pytest.mark.parametrize(
    "room", ["language", "engine", "kernels", "learning", "sheets", "checking"]
)
def test_the_files_of_a_folder_import_one_another_without_a_circle(room):
    """Within one room imports point one way too."""
    graph = {}
    for path in (PACKAGE / room).glob("*.py"):
        names = imported_modules(ast.parse(path.read_text()), package_of(path))
        inside = {name[1] for name in names if name[0] == room and len(name) > 1}
        graph[path.stem] = inside - {path.stem}
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize(
    ("source", "package", "rooms"),
    [
        ("import symback", ("symback",), {"__init__"}),
        ("import symback.engine.graph as g", ("symback",), {"engine"}),
        ("from symback import engine, load", ("symback",), {"engine", "__init__"}),
        ("from symback.engine.derivation import Path", ("symback",), {"engine"}),
        ("from . import matrix", ("symback", "engine"), {"engine"}),
        ("from .matrix import lift", ("symback", "engine"), {"engine"}),
        ("from ..engine import calculus", ("symback", "checking"), {"engine"}),
        ("from .reader import read", ("symback", "checking"), {"checking"}),
        ("def f():\n    from symback.sheets.chapters import Sheet", ("symback",), {"sheets"}),
        ("if TYPE_CHECKING:\n    from symback.network import Network", ("symback",), {"network"}),
        ("import sympy, symbackish, os.path", ("symback",), set()),
    ],
)
def test_imports_of_every_form_are_seen(source, package, rooms):
    """The reader of imports overlooks no way of writing one."""
    assert rooms_entered(ast.parse(source), package) == rooms


# What nobody calls ------------------------------------------------------------------------------

EVALUATORS = {"eval", "exec", "compile", "__import__"}  # builtins: not even mentioned
SYMPY_EVALUATORS = {
    "sympify",
    "parse_expr",
    "parse_latex",
}  # eval in disguise; _sympify refuses text
RENAMERS = {"simplify", "nsimplify"}  # never on results; see the design


def holds_text(node: ast.AST) -> bool:
    """Say whether a literal string stands in an argument, other than in a call: `Symbol("a")`."""
    if isinstance(node, ast.Call):
        return False
    literal = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return (
        literal
        or isinstance(node, ast.JoinedStr)
        or any(map(holds_text, ast.iter_child_nodes(node)))
    )


def is_number(node: ast.expr) -> bool:
    if isinstance(node, ast.UnaryOp):
        node = node.operand
    return isinstance(node, ast.Constant) and not isinstance(node.value, str)


def offences(tree: ast.AST, room: str) -> list[str]:
    """List what a file does that the house forbids, as `line: what`."""
    exempt = {id(node) for node in kernel_runner(tree, room)}
    nodes = (node for node in ast.walk(tree) if id(node) not in exempt)
    return [f"{node.lineno}: {what}" for node in nodes for what in _offence(node, room)]


def kernel_runner(tree: ast.AST, room: str) -> Iterator[ast.Name]:
    """Find the `exec(compile(…))` of the function `run` in `kernels`: a kernel's source is run.

    That text is symback's own, made of numbers, of names it makes itself and of formulas that
    language/reading.py has read; `test_one_place_runs_text` holds that nothing else is exempt.
    """
    for function in ast.walk(tree):
        if (
            room.startswith("kernels.")
            and isinstance(function, ast.FunctionDef)
            and function.name == "run"
        ):
            for node in ast.walk(function):
                if isinstance(node, ast.Name) and node.id in {"exec", "compile"}:
                    yield node


def _offence(node: ast.AST, room: str) -> Iterator[str]:
    match node:
        case ast.Name(id=name) if name in EVALUATORS:
            yield f"{name} runs text as a program"
        case ast.Attribute(value=ast.Name(id="builtins"), attr=name) if name in EVALUATORS:
            yield f"builtins.{name} runs text as a program"
        case ast.ImportFrom(names=aliases):
            for alias in aliases:
                yield from _forbidden_name(
                    alias.name, room, from_sympy="sympy" in (node.module or "")
                )
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            yield from _forbidden_call(node, name, room)


def _forbidden_name(name: str, room: str, *, from_sympy: bool) -> Iterator[str]:
    if name in SYMPY_EVALUATORS:
        yield f"{name} is eval: read a user's text with language/reading.py"
    if name in RENAMERS:
        yield f"{name} is slow and its result unforeseeable: rewrite in named steps"
    if from_sympy and name == "diff" and room != "engine.calculus":
        yield "only calculus.py differentiates"


def _forbidden_call(call: ast.Call, name: str, room: str) -> Iterator[str]:
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    base = call.func.value if isinstance(call.func, ast.Attribute) else None
    yield from _forbidden_name(name, room, from_sympy=False)
    if name == "import_module" and room != "__init__":
        yield "import_module hides an import from the order of the rooms"
    if name == "S" and not all(map(is_number, arguments)):
        yield "S(...) evaluates text: only numbers written out"
    if name in {"subs", "xreplace"} and any(map(holds_text, arguments)):
        yield f".{name} with text evaluates it: pass symbols"
    numpy = isinstance(base, ast.Name) and base.id in {"np", "numpy"}
    if name == "diff" and room != "engine.calculus" and not numpy:
        yield "only calculus.py differentiates"


@each_source
def test_nobody_evaluates_text_or_simplifies_or_differentiates_out_of_place(path):
    """No eval, nothing that is eval in disguise, no simplify, and `diff` in calculus.py alone."""
    assert offences(ast.parse(path.read_text()), file_of(path)) == []


def test_one_place_runs_text():
    """One call of `exec` and one of `compile` in all of symback: those that make a kernel."""
    found = [
        (path.name, node.id)
        for path in SOURCES
        for node in kernel_runner(ast.parse(path.read_text()), file_of(path))
    ]
    assert sorted(found) == [("module.py", "compile"), ("module.py", "exec")]


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("engine.derivation", "def run(text):\n    exec(compile(text, 'f', 'exec'))"),
        ("kernels.module", "def walk(text):\n    exec(compile(text, 'f', 'exec'))"),
        ("kernels.module", "def run(text):\n    eval(text)"),
    ],
)
def test_the_exemption_is_as_narrow_as_it_says(room, source):
    """Another room, another function, another evaluator: none of them may."""
    assert offences(ast.parse(source), room)


@pytest.mark.parametrize(
    "source",
    [
        "eval(text)",
        "run = exec",
        "compile(text, 'f', 'eval')",
        "builtins.eval(text)",
        "__import__('os')",
        "sympy.sympify(text)",
        "sympify('x')",
        "from sympy import sympify as read",
        "from sympy.parsing.sympy_parser import parse_expr",
        "from sympy import simplify",
        "simplify(x)",
        "expression.simplify()",
        "S('1/2')",
        "S(text)",
        "sympy.S(f'{x}')",
        "x.subs('a', 1)",
        "x.subs({'a': 1})",
        "x.subs([('a', 1)])",
        "x.subs(f'{a}', 1)",
        "x.diff(w)",
        "sympy.diff(x, w)",
        "from sympy import diff",
        "def f():\n    importlib.import_module('symback.cli')",
    ],
)
def test_each_offence_is_found(source):
    """The reader of offences finds each of them, however it is written."""
    assert offences(ast.parse(source), "engine.derivation")


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("engine.derivation", "re.compile('x')"),
        ("engine.derivation", "x.evalf(50)"),
        ("engine.derivation", "S(2) + S(-1) + S.One"),
        ("engine.derivation", "x.subs(a, 1)"),
        ("engine.derivation", "x.subs({Symbol('a'): 1})"),
        ("engine.derivation", "np.diff(losses)"),
        ("engine.derivation", "import difflib"),
        ("engine.calculus", "x.diff(w)"),
        ("engine.calculus", "from sympy import diff"),
        ("__init__", "importlib.import_module('symback.cli')"),
    ],
)
def test_what_is_allowed_is_no_offence(room, source):
    """Look-alikes pass, and so do the two exceptions."""
    assert offences(ast.parse(source), room) == []


def test_evaluators_are_python_s_own():
    """The list of forbidden builtins has no spelling mistake."""
    assert all(hasattr(builtins, name) for name in EVALUATORS)


# What it costs to start ---------------------------------------------------------------------------

HEAVY = {"sympy", "mpmath", "numpy", "matplotlib", "IPython", "jinja2"}


def modules_loaded(*command: str) -> set[str]:
    """Run a command and name the top-level modules that it imported, by Python's own account."""
    environment = os.environ | {"PYTHONPROFILEIMPORTTIME": "1"}
    run = subprocess.run(
        command, env=environment, capture_output=True, encoding="utf-8", timeout=60
    )
    assert run.returncode == 0, run.stderr[-2000:]
    rows = (line.split("|") for line in run.stderr.splitlines() if line.startswith("import time:"))
    return {row[-1].strip().split(".")[0] for row in rows}


def test_the_account_of_modules_would_show_sympy():
    """The measure sees what it is to see."""
    assert {"sympy", "mpmath"} <= modules_loaded(sys.executable, "-c", "import sympy")


@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-c", "import symback; assert symback.__file__, 'no symback/__init__.py'"],
        [sys.executable, "-m", "symback", "--help"],
        [str(Path(sys.executable).parent / "symback"), "--help"],
        [str(Path(sys.executable).parent / "symback"), "derive", "--help"],
    ],
    ids=["import", "python -m", "symback", "symback derive"],
)
def test_nothing_heavy_is_imported_before_it_is_needed(command):
    """`import symback` and `symback --help` answer at once: SymPy alone costs 225 ms."""
    assert not HEAVY & modules_loaded(*command)


# Patterns -----------------------------------------------------------------------------------------

USERS = {"compile", "search", "match", "fullmatch", "sub", "split", "findall", "finditer"}
ALPHABET = [*map(chr, range(256)), *"ŷ₁₂∂∇Σσ²ᵀ⊤·−\u2009\u2028"]
"""Signs by which two classes of characters are told to overlap."""


def patterns_of(path: Path) -> Iterator[tuple[int, str, int]]:
    """Line, pattern and flags of all that a file hands to `re`, at the top level or in a call.

    A pattern that is put together of names is taken from the module, where it has been compiled.
    """
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call()) if isinstance(
                found := getattr(module, name, None), re.Pattern
            ):
                yield node.lineno, found.pattern, found.flags
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=attr), args=[first, *_]):
                if attr in USERS and isinstance(first, ast.Constant):
                    yield node.lineno, first.value, 0


def signs_of(items: Iterable[tuple]) -> set[str]:
    """The characters that some parts of a parsed pattern can match, those of inner parts included.

    Anchors, look-arounds and references to groups match none of their own.
    """
    found: set[str] = set()
    for kind, value in items:
        match str(kind):
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                found |= signs_of(value[2])
            case "SUBPATTERN":
                found |= signs_of(value[3])
            case "ATOMIC_GROUP":
                found |= signs_of(value)
            case "BRANCH":
                found |= {sign for branch in value[1] for sign in signs_of(branch)}
            case "ANY" | "IN" | "LITERAL" | "NOT_LITERAL":
                one = re._compiler.compile(
                    re._parser.SubPattern(re._parser.State(), [(kind, value)])
                )
                found |= {sign for sign in ALPHABET if one.match(sign)}
    return found


def first_signs(items: Iterable[tuple]) -> set[str]:
    """The characters with which some parts of a pattern can begin."""
    found: set[str] = set()
    for item in items:
        found |= signs_of([item]) if body_of(item) is None else first_of_body(item)
        if not may_be_empty(item):
            break
    return found


def first_of_body(item: tuple) -> set[str]:
    return {sign for branch in body_of(item) or () for sign in first_signs(branch)}


def body_of(item: tuple) -> list | None:
    """The sequences that a part holds, as alternatives; None for a single character."""
    kind, value = item
    match str(kind):
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return [value[2]]
        case "SUBPATTERN":
            return [value[3]]
        case "ATOMIC_GROUP":
            return [value]
        case "BRANCH":
            return value[1]
        case _:
            return None


def may_be_empty(item: tuple) -> bool:
    """Whether a part can match nothing."""
    kind, value = item
    if str(kind).endswith("_REPEAT") and value[0] == 0:
        return True
    bodies = body_of(item)
    if bodies is None:
        return str(kind) in ("AT", "ASSERT", "ASSERT_NOT", "GROUPREF", "GROUPREF_EXISTS")
    return any(all(map(may_be_empty, body)) for body in bodies)


def is_unbounded(item: tuple) -> bool:
    return str(item[0]).endswith("_REPEAT") and item[1][1] > 1000


def repeats_at_the_edge(items: Sequence[tuple], *, end: bool) -> list[set[str]]:
    """What the unbounded repeats match that can stand first (or last) in a sequence."""
    found: list[set[str]] = []
    for item in reversed(items) if end else items:
        if is_unbounded(item):
            found.append(signs_of([item]) if end else first_signs([item]))
        for body in body_of(item) or ():
            found += repeats_at_the_edge(list(body), end=end)
        if not may_be_empty(item):
            break
    return found


def ambiguous_repeats(pattern: str, flags: int = 0) -> list[str]:
    """What two unbounded repeats, one directly behind the other, can both match; empty is good."""
    found: list[str] = []

    def look(items: Sequence[tuple]) -> None:
        before: list[set[str]] = []
        for item in items:
            inner = [list(body) for body in body_of(item) or ()]
            edges = [each for body in inner for each in repeats_at_the_edge(body, end=True)]
            heads = repeats_at_the_edge([item], end=False)
            again = [first_signs(body) for body in inner] if is_unbounded(item) else []
            found.extend("".join(sorted(a & b)) for a in before for b in heads if a & b)
            found.extend("".join(sorted(a & b)) for a in edges for b in again if a & b)
            before = repeats_at_the_edge([item], end=True) + (before if may_be_empty(item) else [])
            for body in inner:
                look(body)

    look(list(re._parser.parse(pattern, flags)))
    return found


@each_source
def test_no_pattern_goes_back_over_what_it_has_matched(path):
    """No regular expression has two adjacent unbounded repeats of overlapping classes.

    Of n characters that both can match, each of n ways to share them is tried: three such repeats
    took 34 seconds over a blank page of 5,000 lines.
    """
    found = [
        f"line {line}: {pattern!r} shares {shared!r}"
        for line, pattern, flags in patterns_of(path)
        for shared in ambiguous_repeats(pattern, flags)
    ]
    assert found == []


@pytest.mark.parametrize(
    "pattern",
    [r"\s*\s*x", r"(?m)^\s*(?:[%#]+|<!--)?\s*n", r"(a+)+b", r"(\s*a?)*b", r"\w+[a-z]*1", r".*.*x",
     r"\s*\*?\s*\{", r"(?:x|a*)(?:a*|y)z"],
)  # fmt: skip
def test_each_ambiguous_repeat_is_found(pattern):
    """The search finds them, however they are nested."""
    assert ambiguous_repeats(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"\s*:\s*",
        r"[0-9]+(?:,[0-9]+)*",
        r"(?<!\\)((?:\\\\)*)(%[^\n]*)",
        r"[ \t]*\n\s*",
        r"a{0,9}a*",
    ],
)
def test_what_can_be_shared_in_one_way_is_no_offence(pattern):
    """Look-alikes pass."""
    assert ambiguous_repeats(pattern) == []
