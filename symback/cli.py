"""The command line: a command is a function, a line of help and its options.

derive, paths, matrix, sheet, evaluate, kernel, figure, expand, init, descend, check.

Results go to standard output, messages to standard error.  Exit status: 0 done, 1 a derivation that
was checked has a wrong line, or none that could be judged, 2 bad usage or bad input, with one
message and nothing half-written, 3 a defect of symback, which says so.  SymPy is imported only once
a command needs it, so that ``symback --help`` answers at once.

Read `main`, then the table `COMMANDS` at the end: a command is a function, a line of help and its
options.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from symback.language.errors import SymbackError, did_you_mean, printable

if TYPE_CHECKING:
    from symback.checking.grading import Exercise
    from symback.learning.descent import Descent
    from symback.learning.samples import Samples
    from symback.network import EquationNetwork, Network

LISTED = 300
MOST_WEIGHTS = 20
LONGEST_MESSAGE = 4000

ABOUT = "Derives backpropagation symbolically: every path, every step, with its reason."
EPILOG = (
    "Names: w_131 (into neuron 3 of layer 1 from input 1), w_2,11,3, b_21, a_21, h_13, x_1, yhat_1."
)
EXAMPLE = """\
symback: no command given. For example:
    symback init 4-4-2 -o net.toml          a network file to start from
    symback sheet net.toml --wrt w_131      one derivative, every step, as a page
symback --help lists all commands.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    if sys.stderr is None:  # closed by the shell: messages go nowhere, and not into a file
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - for as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that cannot show ∂ shows its escape
            stream.reconfigure(errors="backslashreplace")
    try:
        if sys.stdout is None:
            return _complain("standard output is closed")
        return _run(arguments)
    except SymbackError as error:
        return _complain(error.message)
    except BrokenPipeError:  # a pager that was closed
        _let_go(sys.stdout)
        return 0
    except OSError as error:
        _let_go(sys.stdout)
        what = "standard output or input failed"
        if error.filename is not None:
            what = printable(str(error.filename), 200)
        return _complain(f"{what}: {printable(error.strerror or str(error))}")
    except KeyboardInterrupt:
        return _complain("interrupted; nothing half-written is left")
    except Exception as error:  # whatever else escapes is an error that no user can cause
        if os.environ.get("SYMBACK_DEBUG"):
            raise
        given = sys.argv[1:] if arguments is None else arguments
        what = printable(f"{type(error).__name__}: {error}".rstrip(": "), 120)
        command = printable(shlex.join(["symback", *given]), 200)
        return _complain(
            f"internal error, a defect of symback ({what}); nothing is said of what you gave.  "
            f"Please report this command and its files: {command} (SYMBACK_DEBUG=1 shows where)",
            status=3,
        )


def _run(arguments: Sequence[str] | None) -> int:
    """The command's status, once all that it printed has got out."""
    try:
        chosen = parser().parse_args(arguments)
        if chosen.command is None:
            print(EXAMPLE, end="", file=sys.stderr)
            return 2
        return chosen.run(chosen) or 0
    finally:
        if sys.exc_info()[0] in (None, SystemExit):
            sys.stdout.flush()


def _complain(message: str, status: int = 2) -> int:
    print(f"symback: {printable(message, LONGEST_MESSAGE)}", file=sys.stderr)
    return status


def _let_go(stream: TextIO | None) -> None:
    """Let the rest of what was printed go nowhere, so that Python's end does not fail on it."""
    if stream is None:
        return
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; `shtab` makes completions from it."""
    from symback import __version__

    made = _Parser(prog="symback", description=ABOUT, epilog=EPILOG)
    made.add_argument("--version", action="version", version=f"symback {__version__}")
    commands = made.add_subparsers(dest="command", metavar="COMMAND")
    for run, words, options in COMMANDS:
        name = run.__name__.strip("_")
        own = commands.add_parser(name, help=words, description=words, epilog=EPILOG)
        own.set_defaults(run=run)
        for option in options:
            if isinstance(option, list):  # of these only one may be given
                one_of = own.add_mutually_exclusive_group()
                for flags, settings in option:
                    one_of.add_argument(*flags, **settings)
            else:
                flags, settings = option
                own.add_argument(*flags, **settings)
    return made


class _Parser(argparse.ArgumentParser):
    """A parser that says which command, choice or option was probably meant."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            meant = did_you_mean(str(value), known)
            raise argparse.ArgumentError(
                action, f"{printable(str(value))} is not one of {', '.join(known)}{meant}"
            )

    def parse_known_args(  # type: ignore[override]
        self, args: Any = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As ever; but nothing may be left over, in a command as in the whole."""
        chosen, left = super().parse_known_args(args, namespace)
        if left:
            option = left[0].partition("=")[0]
            meant = did_you_mean(option, self._option_string_actions) if option[:1] == "-" else ""
            self.error(f"{printable(left[0])} is not known here{meant}")
        return chosen, left


# ------------------------------------------------------------------------------------- commands


def _load(chosen: argparse.Namespace) -> Any:
    """The network, or the network of equations, in the notation asked for."""
    from symback.network import load

    network, notation = load(chosen.net), getattr(chosen, "notation", "lectures")
    return network if notation == "lectures" else network.in_notation(notation)


def _print_json(value: Any) -> None:
    """Print JSON: as people read it, but for what a terminal would obey or turn round."""
    made = json.dumps(value, ensure_ascii=False, indent=None, allow_nan=False)
    print("".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in made))


def _write(content: str, path: Path) -> list[str]:
    """Write a file; return the line that says where it lies."""
    from symback.language.files import put, shown

    return [shown(written) for written in put({path.name: content.encode("utf-8")}, path.parent)]


def _hand_over(content: str, path: Path | None) -> None:
    """Print what was made; or write it to a file and print where that lies."""
    print(content if path is None else "\n".join([*_write(content, path), ""]), end="")


def _derive(chosen: argparse.Namespace) -> None:
    derivation = _load(chosen).derive(chosen.wrt)
    if chosen.format == "json":
        _print_json(derivation.as_json(LISTED))
    else:
        print(derivation.latex() if chosen.format == "latex" else derivation.text())


def _paths(chosen: argparse.Namespace) -> None:
    derivation = _load(chosen).derive(chosen.wrt)
    listed = derivation.path_names(LISTED if chosen.limit is None else chosen.limit)
    count = derivation.path_count
    if chosen.json:
        _print_json({"count": count if isinstance(count, int) else str(count), "paths": listed})
        return
    many = "path" if count == 1 else "paths"
    print(f"{count} {many} from {derivation.name} to {derivation.target_name}")
    for names in listed:
        print("  " + " → ".join(names))
    if isinstance(count, int) and len(listed) < count:
        print(f"  … and {count - len(listed)} more (--limit N lists more)")


def _matrix(chosen: argparse.Namespace) -> None:
    form = _load(chosen).matrix_form()
    certificate = form.certify()
    if chosen.format == "json":
        sizes = {str(size): value for size, value in certificate.sizes}
        proof = {"sizes": sizes, "entries": certificate.entries}
        _print_json(
            {"layout": form.layout.value, "steps": form.steps_as_data(), "certificate": proof}
        )
    elif chosen.format == "latex":
        print(form.latex())
    else:
        named = [f"{size} = {n}" for size, n in certificate.sizes if not size.is_Integer]
        small = [
            f"{n} for {size}" for size, n in certificate.sizes if size.is_Integer and size != n
        ]
        at = f", at {', '.join(named)}" if named else ""
        at += f", with widths {', '.join(small)}" if small else ""
        print(f"# {form.layout.value}")
        print(form.text())
        print(f"# certified: {certificate.entries} entries, {certificate.how}{at}")


def _sheet(chosen: argparse.Namespace) -> None:
    from symback.network import Network
    from symback.sheets.files import write_sheets
    from symback.sheets.passages import any_layer, check_length

    network = _load(chosen)
    names = [name for group in chosen.wrt or () for name in group]
    general = {}
    if isinstance(network, Network):
        check_length(network)  # before anything is derived
        general = {name: found for name in names if (found := any_layer(network, name))}
    derivations = [network.derive(name) for name in names if name not in general]
    where = chosen.output, Path(chosen.net).stem
    more = {"stable": chosen.stable, "any_layer": general}
    forms = chosen.format or _sheet_forms()
    for line in write_sheets(network, derivations, forms, chosen.detail, *where, **more):
        print(line)


def _evaluate(chosen: argparse.Namespace) -> None:
    network = _load(chosen)
    numbers = network.evaluate()
    for sentence in network.gradients.undefined.values():
        print(f"symback: {sentence}", file=sys.stderr)
    if chosen.json:
        _print_json(numbers)
        return
    print(f"loss = {numbers['loss']!r}")
    for title in ("forward", "gradients", "updated"):
        if numbers[title]:
            print(f"\n{title}")
            for name, value in numbers[title].items():
                print(f"  {name} = {'undefined' if value is None else value}")


def _kernel(chosen: argparse.Namespace) -> None:
    _hand_over(_load(chosen).kernel_source(chosen.style, chosen.backend), chosen.output)


def _figure(chosen: argparse.Namespace) -> None:
    from symback.network import Network
    from symback.sheets.files import write_figure
    from symback.sheets.passages import check_length

    network = _load(chosen)
    if isinstance(network, Network):
        check_length(network)  # before anything is derived
    derivation = None if chosen.wrt is None else network.derive(chosen.wrt)
    where = chosen.output, Path(chosen.net).stem
    forms = chosen.format or _figure_forms()
    for line in write_figure(network, derivation, forms, *where):
        print(line)


def _expand(chosen: argparse.Namespace) -> None:
    from symback.equations.layers import expand
    from symback.language.tables import Place, SpecError, read_toml

    place = Place(printable(chosen.net, 200))
    mapping = read_toml(chosen.net, place)
    if "network" not in mapping and "equations" in mapping:
        raise SpecError(f"{place}: this file has [equations] already; only [network] is expanded")
    _hand_over(expand(mapping, str(place)).text(), chosen.output)


def _init(chosen: argparse.Namespace) -> None:
    from symback.sheets.files import starter

    path = chosen.output
    text = starter(chosen.shape, "net.toml" if path is None else path.name)
    if path is not None and path.exists():
        raise SymbackError(f"{printable(str(path), 200)} exists; nothing was written")
    _hand_over(text, path)


def _descend(chosen: argparse.Namespace) -> None:
    """Learn the parameters; print what came of it, unless JSON alone is to be printed."""
    network = _load(chosen)
    _check_descent(chosen)
    if hasattr(network, "samples"):
        _descend_layers(network, chosen)
    else:
        _descend_equations(network, chosen)


def _descend_layers(network: Network, chosen: argparse.Namespace) -> None:
    """Learn the parameters of a network of layers."""
    from symback.language.files import put, shown
    from symback.learning import pictures
    from symback.learning.descent import DescentError

    samples = network.samples(chosen.data)
    learned = _learned(network, samples, chosen)

    def tell(lines: Iterable[str]) -> None:
        if not chosen.json:
            print("".join(f"{line}\n" for line in lines), end="")

    tell(_summary(learned))
    if chosen.history is not None:
        is_csv = chosen.history.suffix.lower() == ".csv"
        text = learned.history.csv() if is_csv else json.dumps(learned.as_data()) + "\n"
        tell(_write(text, chosen.history))
    if learned.interrupted:
        kept = chosen.checkpoint or Path("outputs") / f"{Path(chosen.net).stem}_descent.npz"
        if chosen.checkpoint is None:
            learned.save(kept)
        raise DescentError(_how_to_go_on(learned.epoch, kept, chosen))
    if chosen.plot is not None:
        parameters = learned.parameters
        drawn = pictures.portfolio(learned, samples, lambda x: network.activations(parameters, x))
        stem = Path(chosen.net).stem
        files = {f"{stem}_{name}.png": pictures.png(figure) for name, figure in drawn}
        tell(map(shown, put(files, chosen.plot)))
    if chosen.json:
        _print_json(learned.as_data())


LAYERS_ONLY = ("data", "only", "watch", "batch_size", "checkpoint", "resume", "plot", "history")
"""Options of descend that a network of equations does not have."""


def _descend_equations(network: EquationNetwork, chosen: argparse.Namespace) -> None:
    """Learn the parameters of a network of equations from the numbers of its file."""
    from symback.learning.descent import DescentError

    for name in LAYERS_ONLY:
        if getattr(chosen, name) not in (None, []):
            raise DescentError(
                f"--{name.replace('_', '-')}: a network of equations learns from the numbers of "
                "its file; in Python, net.descend takes arrays, and a callback an epoch"
            )
    learned = network.descend(epochs=chosen.epochs, rate=chosen.rate, seed=chosen.seed or 0)
    parameters = {name: array.tolist() for name, array in learned.parameters.items()}
    if chosen.json:
        _print_json({"loss": learned.loss.tolist(), "parameters": parameters})
        return
    for epoch in (0, learned.epochs):
        print(f"epoch {epoch}: loss = {float(learned.loss[epoch])!r}")
    for name, array in parameters.items():
        print(f"{name} = {array}")


def _check_descent(chosen: argparse.Namespace) -> None:
    """What would only fail after the work is done is found before."""
    from symback.learning import pictures
    from symback.learning.descent import DescentError

    if chosen.plot is not None:
        pictures.require()
    if chosen.history is not None and chosen.history.suffix.lower() not in (".csv", ".json"):
        raise DescentError(f"{printable(str(chosen.history))}: expected a file *.csv or *.json")
    settings = ("rate", "only", "watch", "batch_size", "seed")
    given = [name for name in settings if getattr(chosen, name) not in (None, [])]
    if chosen.resume is not None and given:
        raise DescentError(
            f"--{given[0].replace('_', '-')}: a checkpoint goes on as it began; leave this out"
        )


def _learned(network: Network, samples: Samples, chosen: argparse.Namespace) -> Descent:
    from symback.engine.spec import NetworkSpec
    from symback.learning.descent import Diverged, initially_drawn

    x, y, is_terminal = samples.x, samples.y, sys.stderr.isatty()
    common = {
        "epochs": chosen.epochs,
        "checkpoint": chosen.checkpoint,
        "progress": _counter(chosen.epochs) if is_terminal else None,
    }
    try:
        if chosen.resume is not None:
            return network.resume(chosen.resume, x, y, **common)
        seed = chosen.seed or 0
        assert isinstance(network.spec, NetworkSpec)  # its samples were asked for
        for name in initially_drawn(network.spec, network.graph.variables):
            print(f"{name} is not in the file: drawn with seed {seed}", file=sys.stderr)
        common |= {"rate": chosen.rate, "only": chosen.only, "watch": chosen.watch}
        return network.descend(x, y, batch_size=chosen.batch_size, seed=seed, **common)
    except Diverged as error:
        if chosen.checkpoint is None:
            raise
        where = printable(str(chosen.checkpoint), 200)
        told = f"{error.message}; epoch {error.descent.epoch} is kept in {where}"
        raise Diverged(told, error.epoch, error.descent) from None
    finally:
        if is_terminal:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _counter(epochs: int) -> Callable[[int, float], None]:
    """A line that counts the epochs, ten times a second at most."""
    last = 0.0

    def show(epoch: int, loss: float) -> None:
        nonlocal last
        if time.monotonic() - last > 0.1:
            last = time.monotonic()
            line = f"\repoch {epoch:,} of {epochs:,}, loss {loss:.6g}\x1b[K"
            print(line, end="", file=sys.stderr, flush=True)

    return show


def _summary(learned: Descent) -> list[str]:
    """The loss and the watched parameters, at the start and at the end."""
    history = learned.history
    if not len(history.loss):
        return []
    last = len(history.loss) - 1
    lines = [f"epoch {epoch}: loss = {float(history.loss[epoch])!r}" for epoch in (0, last)]
    listed = [*history.weights.items()][:MOST_WEIGHTS]
    lines += [f"{name}: {float(row[0])!r} → {float(row[-1])!r}" for name, row in listed]
    more = len(history.names) - len(listed)
    return lines + ([f"… and {more} more (--history FILE writes all)"] if more else [])


def _how_to_go_on(epoch: int, kept: Path, chosen: argparse.Namespace) -> str:
    """What to type after Ctrl-C."""
    data = [] if chosen.data is None else ["--data", chosen.data]
    words = ["symback", "descend", chosen.net, *data, "--epochs", str(chosen.epochs)]
    words += ["--resume", str(kept), "--checkpoint", str(kept)]
    command = printable(shlex.join(words), 2000)
    return f"interrupted after epoch {epoch}, which is kept; to go on: {command}"


def _check(chosen: argparse.Namespace) -> int:
    from symback.checking import report as showing
    from symback.checking.grading import MOST_BYTES, Exercise, decoded
    from symback.engine.work import Work  # not `Network`: sheets and kernels are not needed here
    from symback.equations.system import System
    from symback.equations.work import EquationWork, specified

    found = specified(chosen.net)
    work: Any = EquationWork(found) if isinstance(found, System) else Work(found)
    if isinstance(work, Work):
        work.check_goals()
    exercise = Exercise(work, chosen.wrt, chosen.notation, chosen.strict, chosen.goal or None,
                        tuple(chosen.rename),
                        chosen.prove, chosen.budget)  # fmt: skip
    if chosen.file == "-":
        if sys.stdin is None:
            raise SymbackError("standard input is closed; name a file")
        content = sys.stdin.buffer.read(MOST_BYTES + 1)
        report, title = exercise.check_text(decoded(content, "standard input")), "standard input"
    elif Path(chosen.file).is_dir():
        return _check_folder(chosen, exercise)
    else:
        report, title = exercise.check_file(Path(chosen.file)), Path(chosen.file).name
    told = report.for_exam() if chosen.exam else report
    written = []
    if chosen.html is not None:
        against = f"checked against {Path(chosen.net).name}"
        page = showing.page(told, title, against, points=chosen.points)
        written = _write(page, chosen.html)
    if chosen.json:
        _print_json(told.as_data())
    else:
        style = showing.Style.of(sys.stdout)
        print(
            showing.marks(told, points=chosen.points)
            if chosen.exam
            else showing.text(told, style, points=chosen.points)
        )
        for line in written:
            print(line)
    return 0 if report.finds_nothing_wrong else 1


def _check_folder(chosen: argparse.Namespace, exercise: Exercise) -> int:
    from symback.checking.grading import HEAD, as_csv, checked, submissions

    folder = Path(chosen.file)
    if chosen.json:
        raise SymbackError("a folder gives a CSV, and with --html a page; --json is for one file")
    count = len(submissions(folder))
    if not count:
        raise SymbackError(f"{printable(chosen.file, 200)} holds no files to check")
    exercise.check_text("")  # a weight or a notation that is not there: said once, not of each file
    print(HEAD)
    nothing_is_wrong, defects = True, 0
    kept = []
    for done, (row, report) in enumerate(checked(exercise, folder, exam=chosen.exam), start=1):
        print(as_csv(row))
        if chosen.html is not None:
            kept.append((row, report))
        if sys.stderr.isatty():
            end = "\n" if done == count else ""
            print(f"\r{done} of {count} checked", end=end, file=sys.stderr, flush=True)
        nothing_is_wrong &= row.finds_nothing_wrong
        defects += row.is_defect
    if chosen.html is not None:
        from symback.checking.overview import page

        against = f"{count} submissions, checked against {Path(chosen.net).name}"
        made = page(kept, folder.resolve().name, against, points=chosen.points)
        for line in _write(made, chosen.html):  # the table alone stands on standard output
            print(line, file=sys.stderr)
    if defects:
        return _complain(f"internal errors, defects of symback, in {defects} of {count} files; "
                         "please report those that the table says so of", 3)  # fmt: skip
    return 0 if nothing_is_wrong else 1


# ------------------------------------------------------------------------------------- options


def _renamed(given: str) -> tuple[str, str]:
    """The two names in OLD=NEW."""
    old, equals, new = given.partition("=")
    if not (old and equals and new):
        raise argparse.ArgumentTypeError(f"{printable(given)} given; expected OLD=NEW, e.g. g1=dW1")
    return old, new


def _number(pattern: str, kind: type, complaint: str) -> Callable[[str], Any]:
    """What reads a number, or complains of it."""

    def read(given: str) -> Any:
        if re.fullmatch(pattern, given) is None or (kind is float and not float(given)):
            raise argparse.ArgumentTypeError(f"{printable(given)} {complaint}")
        return kind(given)

    return read


def _whole(complaint: str) -> Callable[[str], int]:
    return _number("[0-9]{1,9}", int, f"{complaint}: 0, 1, 2, …")


def _sheet_forms() -> tuple[str, ...]:
    """The forms that need no TeX; asked of `rendering` when they are needed, since it is heavy."""
    from symback.sheets.rendering import FORMS

    return tuple(FORMS)


def _figure_forms() -> tuple[str, ...]:
    return ("svg", "tex")


def _forms(texts: Callable[[], tuple[str, ...]]) -> Callable[[str], tuple[str, ...]]:
    """What reads a comma-separated list of forms: those of ``texts``, and PDF."""

    def read(given: str) -> tuple[str, ...]:
        known = (*texts(), "pdf")
        wanted = tuple(dict.fromkeys(part.strip() for part in given.split(",")))
        for form in wanted:
            if form not in known:
                meant = did_you_mean(form, known)
                raise argparse.ArgumentTypeError(
                    f"{printable(form)} is not one of {', '.join(known)}{meant}"
                )
        return wanted

    return read


Option = tuple[tuple[str, ...], Mapping[str, Any]]


def _option(*flags: str, help: str, **settings: Any) -> Option:  # noqa: A002 - argparse's name
    return flags, {"help": help, **settings}


def _named(*flags: str, help: str, **settings: Any) -> Option:  # noqa: A002
    return _option(*flags, metavar="NAME", help=help, **settings)


NET = _option("net", metavar="NET", help="a network file (TOML)")
JSON = _option("--json", action="store_true", help="as JSON")
FORMAT = (("--format",), {"choices": ("text", "latex", "json"), "default": "text"})
NOTATION = _named(
    "--notation",
    default="lectures",
    help="the letters of a book: lectures, nielsen, bishop, goodfellow, or a .toml file",
)
FOLDER = _option(
    *("-o", "--output"), type=Path, default=Path("outputs"), metavar="DIR", help="default: outputs"
)
MANY = {"action": "extend", "nargs": "+", "default": []}

COMMANDS: tuple[tuple[Callable[..., int | None], str, Sequence[Option | list[Option]]], ...] = (
    (_derive, "print the derivation of one derivative", (
        NET,
        _named("--wrt", required=True, help="by what, e.g. w_131"),
        FORMAT,
        NOTATION,
    )),
    (_paths, "count and list the paths from a weight to the loss", (
        NET,
        _named("--wrt", required=True, help="from where, e.g. w_131"),
        _option("--limit", type=_whole("is not a number of paths; expected"), metavar="N",
                help=f"list at most N (default {LISTED})"),
        JSON,
    )),
    (_matrix, "print the whole algorithm in matrix form, certified", (NET, FORMAT, NOTATION)),
    (_sheet, "write a derivation sheet", (
        NET,
        [
            _named("--wrt", action="append", nargs="+",
                   help="one sheet for each name; w_k,i,j is any layer's"),
            _option("--all", action="store_true",
                    help="one document for the whole network (default)"),
        ],
        _option("--format", type=_forms(_sheet_forms), metavar="LIST",
                help="of tex,html,md,txt,pdf (default: all but pdf)"),
        (("--detail",), {"choices": ("brief", "normal", "full"), "default": "normal"}),
        _option("--stable", action="store_true",
                help="say how a program computes it without losing digits"),
        NOTATION,
        FOLDER,
    )),
    (_evaluate, "the numbers: forward, gradients, one update", (NET, JSON)),
    (_kernel, "print the whole backward pass as a Python module", (
        NET,
        _option("--style", choices=("scalar", "array"), default="",
                help="number by number or in arrays (default: small networks scalar)"),
        _option("--backend", choices=("numpy", "jax", "torch"), default="numpy",
                help="what the module computes with (default: numpy)"),
        _option("-o", "--output", type=Path, metavar="FILE.py", help="write it there instead"),
    )),
    (_figure, "draw the network and the paths of one weight", (
        NET,
        _named("--wrt", help="whose paths to draw, e.g. w_131"),
        NOTATION,
        _option("--format", type=_forms(_figure_forms), metavar="LIST",
                help="of svg,tex,pdf (default: svg,tex)"),
        FOLDER,
    )),
    (_expand, "print the equations that the layers stand for, as a file", (
        NET,
        _option("-o", "--output", type=Path, metavar="FILE", help="write it there instead"),
    )),
    (_init, "write a network file to start from", (
        _option("shape", metavar="SHAPE", help="inputs and neurons of each layer, e.g. 4-4-2"),
        _option("-o", "--output", type=Path, metavar="FILE",
                help="write it there (default: print it)"),
    )),
    (_descend, "learn the parameters by gradient descent", (
        NET,
        _option("--data", metavar="FILE",
                help="samples: .csv with columns x1 … and y1 … or label, or .npz with x and y or "
                "label (default: x and y of the network file)"),
        _option("--epochs", type=_whole("given; expected a number of epochs"), required=True,
                metavar="N", help="in all, resumed or not"),
        _option("--rate", type=float, metavar="η", help="default: the file's learning_rate"),
        _named("--only", **MANY, help="what moves, e.g. w_111 or W1 (default: all)"),
        _named("--watch", **MANY, help="what the history keeps besides"),
        _option("--batch-size", type=_whole("given; expected a number of samples"), metavar="N",
                help="mini-batches (default: all samples)"),
        _option("--seed", type=_whole("given; expected a seed"), metavar="S",
                help="of batches and drawn weights (default: 0)"),
        _option("--history", type=Path, metavar="FILE",
                help="write loss and weights: .csv or .json"),
        _option("--checkpoint", type=Path, metavar="FILE.npz",
                help="write what is learned, every minute"),
        _option("--resume", type=Path, metavar="FILE.npz", help="go on from a checkpoint"),
        _option("--plot", type=Path, metavar="DIR", help="draw pictures (needs matplotlib)"),
        JSON,
    )),
    (_check, "check a derivation made by hand, line by line", (
        _option("file", metavar="FILE",
                help="what was written (text, Markdown or LaTeX), - for standard input, arrays "
                "(.npz), or a folder of such files, which gives a CSV"),
        _option("--net", required=True, metavar="NET", help="a network file (TOML)"),
        _named("--wrt", help="what a page that begins with = derives by"),
        _named("--notation", default="auto",
               help="how the page writes: auto (default: what explains most of it), lectures, "
               "nielsen, bishop, goodfellow, cs231n, or a file (TOML)"),
        _option("--strict", action="store_true",
                help="what the network file fixes (layout, factor ½, mean, sign of δ) counts as "
                "wrong where the page has another"),
        _named("--goal", **MANY,
               help="what the page is to differentiate by, e.g. w_212, or W2 for all of it: says "
               "how far it is answered (default: [goals] of the network file)"),
        _option("--points", action="store_true",
                help="a point for each claim that is right; carried errors are not charged twice"),
        _option("--rename", action="append", default=[], type=_renamed, metavar="OLD=NEW",
                help="of arrays: OLD is what symback calls NEW, e.g. err2=delta2; may be repeated"),
        _option("--exam", action="store_true",
                help="only how each line was read and right or wrong"),
        _option("--prove", action="store_true", help="proofs without chance where possible"),
        _option("--budget", default=2.0, metavar="S",
                type=_number(r"[0-9]{1,6}(?:\.[0-9]{1,6})?", float,
                             "given; expected seconds, e.g. 10"),
                help="seconds of the processor that a page may take (default: 2); the rest is left "
                "unread"),
        JSON,
        _option("-o", "--html", type=Path, metavar="FILE.html",
                help="write the report as a page as well; of a folder, all of it on one page"),
    )),
)  # fmt: skip
"""Each command: what runs it, a line of help, and its options; of a list only one may be given."""
