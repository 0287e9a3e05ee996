"""The command line: derive, paths, matrix, sheet, evaluate, kernel, figure, init, descend, check.

Results go to standard output, messages to standard error.  Exit status: 0 done, 1 a derivation that
was checked has a wrong line, or one that could not be judged, 2 bad usage or bad input, with one
message and nothing half-written, 3 a defect of symback, which says so.  SymPy is imported only once
a command needs it, so that ``symback --help`` answers at once.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from symback.language.errors import SymbackError, did_you_mean, printable

if TYPE_CHECKING:
    from symback.checking.grading import Exercise
    from symback.checking.report import Report
    from symback.engine.matrix import Certificate
    from symback.network import Network

__all__ = ["main", "parser"]

SHEET_FORMS = ("tex", "html", "md", "txt", "pdf")
FIGURE_FORMS = ("svg", "tex", "pdf")
LISTED = 300
LONGEST_MESSAGE = 4000

EPILOG = (
    "Names: w_131 (into neuron 3 of layer 1 from input 1), w_2,11,3, b_21, a_21, h_13, x_1, yhat_1."
)


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
        return _complain(f"{_what_failed(error)}: {printable(error.strerror or str(error))}")
    except KeyboardInterrupt:
        return _complain("interrupted; nothing half-written is left")
    except Exception as error:  # whatever else escapes is a defect, and says so
        if os.environ.get("SYMBACK_DEBUG"):
            raise
        return _complain(_defect(error, sys.argv[1:] if arguments is None else arguments), 3)


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


def _defect(error: Exception, arguments: Sequence[str]) -> str:
    """What is said of an error that no user can cause."""
    what = printable(f"{type(error).__name__}: {error}".rstrip(": "), 120)
    command = printable(shlex.join(["symback", *arguments]), 200)
    return (
        f"internal error, a defect of symback ({what}); nothing is said of what you gave.  "
        f"Please report this command and its files: {command} (SYMBACK_DEBUG=1 shows where)"
    )


def _what_failed(error: OSError) -> str:
    if error.filename is None:
        return "standard output or input failed"
    return printable(str(error.filename), 200)


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
    made = _Parser(prog="symback", description=_first_line(), epilog=EPILOG)
    made.add_argument("--version", action="version", version=_version())
    commands = made.add_subparsers(dest="command", metavar="COMMAND")

    def plain_command(
        name: str, run: Callable[[argparse.Namespace], int | None], words: str
    ) -> argparse.ArgumentParser:
        own = commands.add_parser(name, help=words, description=words, epilog=EPILOG)
        own.set_defaults(run=run)
        return own

    def command(
        name: str, run: Callable[[argparse.Namespace], int | None], words: str
    ) -> argparse.ArgumentParser:
        own = plain_command(name, run, words)
        own.add_argument("net", metavar="NET", help="a network file (TOML)")
        return own

    derive = command("derive", _derive, "print the derivation of one derivative")
    derive.add_argument("--wrt", required=True, metavar="NAME", help="by what, e.g. w_131")
    derive.add_argument("--format", choices=("text", "latex", "json"), default="text")
    _add_notation(derive)

    paths = command("paths", _paths, "count and list the paths from a weight to the loss")
    paths.add_argument("--wrt", required=True, metavar="NAME", help="from where, e.g. w_131")
    paths.add_argument(
        "--limit", type=_natural, metavar="N", help=f"list at most N (default {LISTED})"
    )
    paths.add_argument("--json", action="store_true", help="as JSON")

    matrix = command("matrix", _matrix, "print the whole algorithm in matrix form, certified")
    matrix.add_argument("--format", choices=("text", "latex", "json"), default="text")
    _add_notation(matrix)

    sheet = command("sheet", _sheet, "write a derivation sheet")
    what = sheet.add_mutually_exclusive_group()
    what.add_argument(
        "--wrt",
        action="append",
        nargs="+",
        metavar="NAME",
        help="one sheet for each name; w_k,i,j is any layer's",
    )
    what.add_argument(
        "--all", action="store_true", help="one document for the whole network (default)"
    )
    sheet.add_argument(
        "--format",
        type=_forms(SHEET_FORMS),
        default=SHEET_FORMS[:-1],
        metavar="LIST",
        help="of tex,html,md,txt,pdf (default: all but pdf)",
    )
    sheet.add_argument("--detail", choices=("brief", "normal", "full"), default="normal")
    sheet.add_argument(
        "--stable",
        action="store_true",
        help="say how a program computes it without losing digits",
    )
    _add_notation(sheet)
    sheet.add_argument(
        "-o", "--output", type=Path, default=Path("outputs"), metavar="DIR", help="default: outputs"
    )

    evaluate = command("evaluate", _evaluate, "the numbers: forward, gradients, one update")
    evaluate.add_argument("--json", action="store_true", help="as JSON")

    kernel = command("kernel", _kernel, "print the whole backward pass as a Python module")
    kernel.add_argument(
        "--style",
        choices=("scalar", "array"),
        default="",
        help="number by number or in arrays (default: small networks scalar)",
    )
    kernel.add_argument(
        "--backend",
        choices=("numpy", "jax", "torch"),
        default="numpy",
        help="what the module computes with (default: numpy)",
    )
    kernel.add_argument(
        "-o", "--output", type=Path, metavar="FILE.py", help="write it there instead"
    )

    figure = command("figure", _figure, "draw the network and the paths of one weight")
    figure.add_argument("--wrt", metavar="NAME", help="whose paths to draw, e.g. w_131")
    _add_notation(figure)
    figure.add_argument(
        "--format",
        type=_forms(FIGURE_FORMS),
        default=FIGURE_FORMS[:-1],
        metavar="LIST",
        help="of svg,tex,pdf (default: svg,tex)",
    )
    figure.add_argument(
        "-o", "--output", type=Path, default=Path("outputs"), metavar="DIR", help="default: outputs"
    )

    init = plain_command("init", _init, "write a network file to start from")
    init.add_argument("shape", metavar="SHAPE", help="inputs and neurons of each layer, e.g. 4-4-2")
    init.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write it there (default: print it)"
    )

    _add_descend(command("descend", _descend, "learn the parameters by gradient descent"))

    _add_check(plain_command("check", _check, "check a derivation made by hand, line by line"))
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


def _add_check(check: argparse.ArgumentParser) -> None:
    check.add_argument(
        "file",
        metavar="FILE",
        help="what was written (text, Markdown or LaTeX), - for standard input, arrays (.npz), "
        "or a folder of such files, which gives a CSV",
    )
    check.add_argument("--net", required=True, metavar="NET", help="a network file (TOML)")
    check.add_argument("--wrt", metavar="NAME", help="what a page that begins with = derives by")
    check.add_argument(
        "--notation",
        default="lectures",
        metavar="NAME",
        help="how the page writes: lectures (default), nielsen, bishop, goodfellow, cs231n, "
        "or a file (TOML)",
    )
    check.add_argument("--exam", action="store_true", help="only the line and right or wrong")
    check.add_argument("--prove", action="store_true", help="proofs without chance where possible")
    check.add_argument(
        "--budget",
        type=_seconds,
        default=2.0,
        metavar="S",
        help="seconds of the processor that a page may take (default: 2); the rest is left unread",
    )
    check.add_argument("--json", action="store_true", help="as JSON")
    check.add_argument(
        "-o", "--html", type=Path, metavar="FILE.html", help="write the report as a page as well"
    )


def _add_descend(descend: argparse.ArgumentParser) -> None:
    many = {"action": "extend", "nargs": "+", "default": [], "metavar": "NAME"}
    descend.add_argument(
        "--data",
        metavar="FILE",
        help="samples: .csv with columns x1 … and y1 … or label, or .npz with x and y or label "
        "(default: x and y of the network file)",
    )
    descend.add_argument(
        "--epochs",
        type=_whole("a number of epochs"),
        required=True,
        metavar="N",
        help="in all, resumed or not",
    )
    descend.add_argument(
        "--rate", type=float, metavar="η", help="default: the file's learning_rate"
    )
    descend.add_argument("--only", **many, help="what moves, e.g. w_111 or W1 (default: all)")
    descend.add_argument("--watch", **many, help="what the history keeps besides")
    descend.add_argument(
        "--batch-size",
        type=_whole("a number of samples"),
        metavar="N",
        help="mini-batches (default: all samples)",
    )
    descend.add_argument(
        "--seed",
        type=_whole("a seed"),
        metavar="S",
        help="of batches and drawn weights (default: 0)",
    )
    descend.add_argument(
        "--history", type=Path, metavar="FILE", help="write loss and weights: .csv or .json"
    )
    descend.add_argument(
        "--checkpoint", type=Path, metavar="FILE.npz", help="write what is learned, every minute"
    )
    descend.add_argument("--resume", type=Path, metavar="FILE.npz", help="go on from a checkpoint")
    descend.add_argument(
        "--plot", type=Path, metavar="DIR", help="draw pictures (needs matplotlib)"
    )
    descend.add_argument("--json", action="store_true", help="as JSON")


def _first_line() -> str:
    return "Derives backpropagation symbolically: every path, every step, with its reason."


def _version() -> str:
    from symback import __version__

    return f"symback {__version__}"


def _natural(given: str) -> int:
    if not given.isascii() or not given.isdigit() or len(given) > 9:
        raise argparse.ArgumentTypeError(
            f"{printable(given)} is not a number of paths; expected 0, 1, 2, …"
        )
    return int(given)


def _whole(what: str) -> Callable[[str], int]:
    """``what``, a whole number."""

    def read(given: str) -> int:
        if not given.isascii() or not given.isdigit() or len(given) > 9:
            raise argparse.ArgumentTypeError(
                f"{printable(given)} given; expected {what}: 0, 1, 2, …"
            )
        return int(given)

    return read


def _seconds(given: str) -> float:
    if re.fullmatch(r"[0-9]{1,6}(?:\.[0-9]{1,6})?", given, re.ASCII) is None or not float(given):
        raise argparse.ArgumentTypeError(f"{printable(given)} given; expected seconds, e.g. 10")
    return float(given)


def _forms(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """A comma-separated list of forms."""

    def read(given: str) -> tuple[str, ...]:
        wanted = tuple(dict.fromkeys(part.strip() for part in given.split(",")))
        for form in wanted:
            if form not in known:
                meant = did_you_mean(form, known)
                raise argparse.ArgumentTypeError(
                    f"{printable(form)} is not one of {', '.join(known)}{meant}"
                )
        return wanted

    return read


# ------------------------------------------------------------------------------------- commands


EXAMPLE = """\
symback: no command given. For example:
    symback init 4-4-2 -o net.toml          a network file to start from
    symback sheet net.toml --wrt w_131      one derivative, every step, as a page
symback --help lists all commands.
"""


def _init(chosen: argparse.Namespace) -> None:
    from symback.language.files import put, shown
    from symback.sheets.starter import starter

    if chosen.output is None:
        print(starter(chosen.shape, "net.toml"), end="")
        return
    text = starter(chosen.shape, chosen.output.name)
    if chosen.output.exists():
        raise SymbackError(f"{printable(str(chosen.output), 200)} exists; nothing was written")
    for path in put({chosen.output.name: text.encode("utf-8")}, chosen.output.parent):
        print(shown(path))


def _add_notation(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--notation",
        metavar="NAME",
        default="lectures",
        help="the letters of a book: lectures, nielsen, bishop, goodfellow, or a .toml file",
    )


def _load(chosen: argparse.Namespace) -> Network:
    from symback.network import load

    return load(chosen.net)


def _written(chosen: argparse.Namespace) -> Network:
    """The network, in the notation asked for."""
    network = _load(chosen)
    return network if chosen.notation == "lectures" else network.in_notation(chosen.notation)


def _derive(chosen: argparse.Namespace) -> None:
    derivation = _written(chosen).derive(chosen.wrt)
    if chosen.format == "json":
        _print_json(derivation.as_json(LISTED))
    else:
        print(derivation.latex() if chosen.format == "latex" else derivation.text())


def _paths(chosen: argparse.Namespace) -> None:
    from symback.network import path_names

    derivation = _load(chosen).derive(chosen.wrt)
    listed = path_names(derivation, LISTED if chosen.limit is None else chosen.limit)
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
    form = _written(chosen).matrix_form()
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
        print(f"# {form.layout.value}")
        print(form.text())
        print(f"# certified: {certificate.entries} entries, exactly{_sizes_of(certificate)}")


def _sizes_of(certificate: Certificate) -> str:
    """At which sizes a form was proved: those put for names, and those in place of large ones."""
    named = [f"{size} = {value}" for size, value in certificate.sizes if not size.is_Integer]
    smaller = [
        f"{value} for {size}"
        for size, value in certificate.sizes
        if size.is_Integer and size != value
    ]
    at = f", at {', '.join(named)}" if named else ""
    return at + (f", with widths {', '.join(smaller)}" if smaller else "")


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
    source = _load(chosen).kernel_source(chosen.style, chosen.backend)
    if chosen.output is None:
        print(source, end="")
        return
    from symback.language.files import put, shown

    for path in put({chosen.output.name: source.encode("utf-8")}, chosen.output.parent):
        print(shown(path))


def _sheet(chosen: argparse.Namespace) -> None:
    from symback.publish import write_sheets
    from symback.sheets.passages import any_layer, check_length

    network = _written(chosen)
    check_length(network)  # before anything is derived
    names = [name for group in chosen.wrt or () for name in group]
    general = {name: found for name in names if (found := any_layer(network, name))}
    derivations = [network.derive(name) for name in names if name not in general]
    stem = Path(chosen.net).stem
    for line in write_sheets(
        network,
        derivations,
        chosen.format,
        chosen.detail,
        chosen.output,
        stem,
        stable=chosen.stable,
        any_layer=general,
    ):
        print(line)


def _figure(chosen: argparse.Namespace) -> None:
    from symback.publish import write_figure
    from symback.sheets.passages import check_length

    network = _written(chosen)
    check_length(network)  # before anything is derived
    derivation = None if chosen.wrt is None else network.derive(chosen.wrt)
    for line in write_figure(
        network, derivation, chosen.format, chosen.output, Path(chosen.net).stem
    ):
        print(line)


def _check(chosen: argparse.Namespace) -> int:
    from symback.checking.grading import Exercise
    from symback.engine.spec import load
    from symback.engine.work import Work  # not `Network`: sheets and kernels are not needed here

    work = Work(load(chosen.net))
    exercise = Exercise(work, chosen.wrt, chosen.notation, chosen.prove, chosen.budget)
    is_folder = chosen.file != "-" and Path(chosen.file).is_dir()
    return _check_folder(chosen, exercise) if is_folder else _check_one(chosen, exercise)


def _check_one(chosen: argparse.Namespace, exercise: Exercise) -> int:
    from symback.checking import report as showing
    from symback.language.files import shown

    report = _report(chosen, exercise)
    told = report.for_exam() if chosen.exam else report
    written = [] if chosen.html is None else _write_page(chosen, showing.page, told)
    if chosen.json:
        _print_json(told.as_data())
    else:
        style = showing.Style.of(sys.stdout)
        print(showing.marks(told) if chosen.exam else showing.text(told, style))
        for path in written:
            print(shown(path))
    return 0 if report.finds_nothing_wrong else 1


def _report(chosen: argparse.Namespace, exercise: Exercise) -> Report:
    from symback.checking.grading import MOST_BYTES, decoded

    if chosen.file != "-":
        return exercise.check_file(Path(chosen.file))
    if sys.stdin is None:
        raise SymbackError("standard input is closed; name a file")
    content = sys.stdin.buffer.read(MOST_BYTES + 1)
    return exercise.check_text(decoded(content, "standard input"))


def _write_page(
    chosen: argparse.Namespace, page: Callable[[Report, str, str], str], report: Report
) -> list[Path]:
    from symback.language.files import put

    title = "standard input" if chosen.file == "-" else Path(chosen.file).name
    made = page(report, title, f"checked against {Path(chosen.net).name}")
    return put({chosen.html.name: made.encode("utf-8")}, chosen.html.parent)


def _check_folder(chosen: argparse.Namespace, exercise: Exercise) -> int:
    from symback.checking.grading import HEAD, as_csv, rows, submissions

    folder = Path(chosen.file)
    if chosen.json or chosen.html is not None:
        raise SymbackError("a folder gives a CSV; --json and --html are for one file")
    count = len(submissions(folder))
    if not count:
        raise SymbackError(f"{printable(chosen.file, 200)} holds no files to check")
    exercise.check_text("")  # a weight or a notation that is not there: said once, not of each file
    print(HEAD)
    nothing_is_wrong, defects = True, 0
    for done, row in enumerate(rows(exercise, folder, exam=chosen.exam), start=1):
        print(as_csv(row))
        _show_progress(done, count)
        nothing_is_wrong &= row.finds_nothing_wrong
        defects += row.is_defect
    if defects:
        return _complain(f"internal errors, defects of symback, in {defects} of {count} files; "
                         "please report those that the table says so of", 3)  # fmt: skip
    return 0 if nothing_is_wrong else 1


def _show_progress(done: int, count: int) -> None:
    """How far it is, on a terminal only."""
    if sys.stderr.isatty():
        end = "\n" if done == count else ""
        print(f"\r{done} of {count} checked", end=end, file=sys.stderr, flush=True)


def _descend(chosen: argparse.Namespace) -> None:
    from symback.training import train

    run = train(_load(chosen), chosen)
    if chosen.json:
        _print_json(run.as_data())


def _print_json(value: Any) -> None:
    """Print JSON: as people read it, but for what a terminal would obey or turn round."""
    made = json.dumps(value, ensure_ascii=False, indent=None, allow_nan=False)
    print("".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in made))
