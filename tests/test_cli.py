"""The command line as DESIGN.md promises it: results on standard output, messages on error."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import symback as sb
from pages import EXAMPLES, network
from symback.cli import main
from typesetting import ROOT, katex_errors


def net(name: str) -> str:
    return str(EXAMPLES / f"{name}.toml")


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run one command in an empty folder: status, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments):
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as end:  # argparse
            status = end.code
        out, err = capsys.readouterr()
        return status, out, err

    return command


def done(result):
    """What a command printed, once nothing went wrong and nothing was said."""
    status, out, err = result
    assert (status, err) == (0, "")
    return out


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# ------------------------------------------------------------------------------------------- paths


def test_paths_json(run):
    """The JSON of `paths` is that of the contract, to the letter."""
    found = json.loads(done(run("paths", net("s5"), "--wrt", "w_131", "--json")))
    assert list(found) == ["count", "paths"]
    assert found["count"] == 4
    assert found["paths"][0] == ["w_131", "a_13", "h_13", "a_21", "yhat_1", "L"]
    assert len({tuple(path) for path in found["paths"]}) == 4


@pytest.mark.parametrize(("limit", "listed"), [(0, 0), (1, 1), (3, 3), (4, 4), (9, 4)])
def test_paths_limit(run, limit, listed):
    """`--limit` bounds what is listed, never what is counted."""
    found = json.loads(done(run("paths", net("s5"), "--wrt", "w_131", "--limit", limit, "--json")))
    assert found["count"] == 4
    assert len(found["paths"]) == listed
    text = done(run("paths", net("s5"), "--wrt", "w_131", "--limit", limit))
    assert text.startswith("4 paths from w_131 to L\n")
    assert ("and" in text and "more" in text) == (listed < 4)


def test_paths_of_a_wide_network(run):
    """Fifty thousand paths are counted exactly, and 300 listed unless more are asked for."""
    found = json.loads(done(run("paths", net("wide"), "--wrt", "w_1,2,3", "--json")))
    assert found["count"] == 512 * 10 * 10
    assert len(found["paths"]) == 300


def test_paths_text(run):
    """One path a line; one path is one path; symbolic widths have a formula for a count."""
    assert done(run("paths", net("s1"), "--wrt", "w")).splitlines() == [
        "1 path from w to L",
        "  w → yhat → s → L",
    ]
    found = json.loads(done(run("paths", net("s6"), "--wrt", "w_111", "--json")))
    assert found == {"count": "n_2*n_3**2", "paths": []}


# ---------------------------------------------------------------------------------------- evaluate


@pytest.mark.parametrize(
    ("name", "forward", "gradients"),
    [
        (
            "s5",
            {"a1": (4,), "h1": (4,), "a2": (2,), "yhat": (2,)},
            {"W1": (4, 4), "b1": (4,), "W2": (2, 4), "b2": (2,), "x": (4,)},
        ),
        (
            "batch",
            {"a1": (3, 3), "h1": (3, 3), "a2": (3, 2), "yhat": (3, 2)},
            {"W1": (3, 4), "b1": (3,), "W2": (2, 3), "b2": (2,), "x": (3, 4)},
        ),
        (
            "bias_per_layer",
            {"a1": (3,), "h1": (3,), "a2": (2,), "yhat": (2,)},
            {"W1": (3, 3), "b1": (), "W2": (2, 3), "b2": (), "x": (3,)},
        ),
    ],
)
def test_evaluate_json(run, name, forward, gradients):
    """The keys and the shapes of the contract: nested lists, one row a sample in a batch."""
    found = json.loads(done(run("evaluate", net(name), "--json")))
    assert list(found) == ["loss", "forward", "gradients", "updated"]
    assert isinstance(found["loss"], float)
    assert {key: np.shape(value) for key, value in found["forward"].items()} == forward
    shapes = {key: np.shape(value) for key, value in found["gradients"].items()}
    assert shapes == {**gradients, **forward}
    parameters = {key for key in gradients if key[0] in "Wb"}
    assert set(found["updated"]) == parameters
    assert {key: np.shape(value) for key, value in found["updated"].items()} == {
        key: gradients[key] for key in parameters
    }
    assert found == network(name).evaluate()


def test_evaluate_without_a_learning_rate(run, tmp_path):
    """Nothing is updated where no learning rate is given; the key is there all the same."""
    text = (EXAMPLES / "s5.toml").read_text("utf-8").replace("learning_rate", "# learning_rate")
    (tmp_path / "still.toml").write_text(text, "utf-8")
    assert json.loads(done(run("evaluate", "still.toml", "--json")))["updated"] == {}


def test_evaluate_equations(run):
    """S1: the numbers of the lecture, under the names of the file."""
    found = json.loads(done(run("evaluate", net("s1"), "--json")))
    assert found["loss"] == 1.0
    assert found["forward"] == {"yhat": 1.0, "s": -1.0, "L": 1.0}
    assert found["gradients"]["w"] == -2.0
    assert found["updated"]["w"] == 2.0


def test_evaluate_text(run):
    """Without --json the same numbers, a name a line."""
    text = done(run("evaluate", net("s5")))
    assert text.splitlines()[0] == f"loss = {network('s5').evaluate()['loss']!r}"
    assert "  W1 = [[" in text


# ------------------------------------------------------------------------------------------ derive


def test_derive_json(run):
    """Every deduction with its rules, the result, the paths; no number is NaN."""
    found = json.loads(done(run("derive", net("s5"), "--wrt", "w_131", "--format", "json")))
    assert {"wrt", "expr", "latex", "path_count", "paths", "deductions"} <= set(found)
    assert (found["wrt"], found["path_count"], len(found["paths"])) == ("w_131", 4, 4)
    last = found["deductions"][-1]
    assert last["lhs"] == "∂L/∂w_131"
    assert [step["rule"] for step in last["steps"]][:2] == ["paths", "group"]
    assert all(step["reason"] and step["text"] and step["latex"] for step in last["steps"])


def test_derive_formats(run):
    """Text by default, and LaTeX that KaTeX sets."""
    text = done(run("derive", net("s4"), "--wrt", "w_212"))
    assert "-2·ŷ_1·ŷ_2·((y_1 - ŷ_1) - (y_2 - ŷ_2))·h_12" in text
    assert text == done(run("derive", net("s4"), "--wrt", "w_212", "--format", "text"))
    latex = done(run("derive", net("s4"), "--wrt", "w_212", "--format", "latex"))
    assert katex_errors([latex.strip()]) == []


# ------------------------------------------------------------------------------- sheets and figures


def test_sheet_default(run, tmp_path):
    """Four forms and the picture in outputs/, each named on a line, and how it was checked."""
    lines = done(run("sheet", net("s5"), "--wrt", "w_131")).splitlines()
    files = [f"outputs/s5_w_131.{form}" for form in ("tex", "html", "md", "txt")]
    files.append("outputs/s5_w_131_figure.svg")
    assert lines[:5] == files
    assert all((tmp_path / file).stat().st_size > 1000 for file in files)
    assert lines[5].startswith("checked: ∂L/∂w_131 = 0.086038007091")
    assert names(tmp_path / "outputs") == sorted(f[8:] for f in files)


def test_sheet_of_several_names(run, tmp_path):
    """`--wrt` takes several names, in one go or repeated; each has a sheet."""
    done(
        run(
            "sheet",
            net("s3"),
            "--wrt",
            "w_111",
            "w_211",
            "--wrt",
            "b_11",
            "-o",
            "a/b",
            "--format",
            "txt",
        )
    )
    assert names(tmp_path / "a" / "b") == [
        "s3_b_11.txt", "s3_w_111.txt", "s3_w_211.txt",
    ]  # fmt: skip


def test_sheet_of_everything(run, tmp_path):
    """`--all`, which is also the default, makes one document."""
    done(run("sheet", net("s7"), "--all", "--format", "txt,md", "--output", "x"))
    done(run("sheet", net("s7"), "--format", "txt", "-o", "y"))
    assert names(tmp_path / "x") == ["s7_all.md", "s7_all.txt", "s7_all_figure.svg"]
    assert (tmp_path / "x/s7_all.txt").read_bytes() == (tmp_path / "y/s7_all.txt").read_bytes()


def test_sheet_of_any_layer(run, tmp_path):
    """w_k,i,j has a sheet where layers are told together."""
    files = done(run("sheet", net("s6"), "--wrt", "w_k,i,j", "w_111", "--format", "txt"))
    assert files == "outputs/s6_w_111.txt\noutputs/s6_w_k-i-j.txt\n"
    assert "∂L/∂w_kij, for any layer" not in (tmp_path / "outputs/s6_w_111.txt").read_text("utf-8")


def test_sheet_detail(run, tmp_path):
    """Brief is shorter than normal, full is longer."""
    sizes = []
    for detail, name in (("brief", "_brief"), ("normal", ""), ("full", "_full")):
        done(run("sheet", net("s5"), "--wrt", "w_131", "--detail", detail, "--format", "txt"))
        sizes.append((tmp_path / f"outputs/s5_w_131{name}.txt").stat().st_size)
    assert sizes == sorted(sizes)
    assert sizes[0] * 2 < sizes[1] < sizes[2]


def test_sheet_overwrites(run, tmp_path):
    """A sheet made again takes the place of the old one; other files stay."""
    folder = tmp_path / "outputs"
    folder.mkdir()
    (folder / "s1_w.txt").write_text("old")
    (folder / "mine.txt").write_text("mine")
    done(run("sheet", net("s1"), "--wrt", "w", "--format", "txt"))
    assert "old" not in (folder / "s1_w.txt").read_text("utf-8")
    assert (folder / "mine.txt").read_text() == "mine"
    assert names(folder) == ["mine.txt", "s1_w.txt"]


def test_figure(run, tmp_path):
    """A figure alone, with and without a weight."""
    assert done(run("figure", net("s5"), "--wrt", "w_131")).splitlines() == [
        "outputs/s5_w_131_figure.svg",
        "outputs/s5_w_131_figure.tex",
    ]
    assert done(run("figure", net("s5"), "--format", "svg", "-o", "f")) == "f/s5_figure.svg\n"
    assert (tmp_path / "f/s5_figure.svg").read_text("utf-8").startswith("<svg")


# ----------------------------------------------------------------------------- a file to start from


@pytest.mark.parametrize("shape", ["4-4-2", "1-1", "2-1", "3-5-5-3", "2-2-2-2-2", "12-11-10"])
def test_init_writes_a_file_that_works(run, tmp_path, shape):
    """`init` writes a network of that shape, on which sheet, evaluate and check run at once."""
    assert done(run("init", shape, "-o", "net.toml")) == "net.toml\n"
    text = (tmp_path / "net.toml").read_text("utf-8")
    assert done(run("init", shape)) == text
    assert max(map(len, text.splitlines())) <= 100
    numbers = json.loads(done(run("evaluate", "net.toml", "--json")))
    sizes = [len(np.ravel(array)) for name, array in numbers["forward"].items() if name[0] != "L"]
    widths = [int(width) for width in shape.split("-")]
    assert sizes[::2] == sizes[1::2] == widths[1:]
    assert all(np.all(numbers["gradients"][name]) for name in numbers["updated"])
    loaded = sb.load(tmp_path / "net.toml").spec.values.parameters
    for name, rows in loaded:  # no two neurons are alike
        assert len({str(row) for row in rows}) == len(rows) or name[0] == "b"
    asked = text.partition("--wrt ")[2].split()[0]
    assert "checked: " in done(run("sheet", "net.toml", "--wrt", asked, "--format", "txt"))
    (tmp_path / "page.txt").write_text("∂L/∂b_11 = ∂L/∂a_11")
    assert run("check", "page.txt", "--net", "net.toml")[0] == 0


def test_init_of_a_wide_network_has_no_numbers(run, tmp_path):
    """Thousands of weights are not written down; the sheet in letters works all the same."""
    text = done(run("init", "784-16-10"))
    assert "[values]" not in text.partition("loss = ")[2].replace("# [values] gives", "")
    assert "12730 weights" in text
    (tmp_path / "wide.toml").write_text(text, "utf-8")
    done(run("sheet", "wide.toml", "--wrt", "w_1,1,1", "--format", "txt"))


def test_no_command_shows_an_example(run):
    """Bare `symback` says what to type, on standard error, with the status of bad usage."""
    status, out, err = run()
    assert (status, out) == (2, "")
    assert "symback init 4-4-2 -o net.toml" in err
    assert "symback sheet net.toml --wrt w_131" in err


# -------------------------------------------------------------------------------- the whole process


def process(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "symback", *arguments],
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=60,
    )


def test_help_and_version():
    """Help names every command and answers without SymPy; so does the version."""
    code = (
        "import sys; from symback.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code + "assert 'sympy' not in sys.modules"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    for command in ("derive", "paths", "sheet", "evaluate", "figure"):
        assert command in ran.stdout
    version = process("--version")
    assert (version.returncode, version.stderr) == (0, b"")
    assert version.stdout.startswith(b"symback ")


def test_a_closed_pager_is_no_error():
    """`symback paths … | head -1` ends in silence."""
    command = f"{sys.executable} -m symback paths examples/wide.toml --wrt w_1,2,3 --limit 9999"
    ran = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | head -1"],
        capture_output=True, cwd=ROOT, text=True, timeout=60,
    )  # fmt: skip
    assert ran.stdout == "51200 paths from w_123 to L\n"
    assert ran.stderr == ""


def test_a_terminal_without_unicode():
    """Where standard output cannot write ∂, it is escaped, and nothing ends in a traceback."""
    ran = process("derive", "examples/s1.toml", "--wrt", "w", PYTHONIOENCODING="ascii")
    assert ran.returncode == 0, ran.stderr
    assert b"Traceback" not in ran.stderr
    ran = process("derive", "examples/s1.toml", "--wrt", "ŷŷ", PYTHONIOENCODING="ascii")
    assert ran.returncode == 2
    assert b"Traceback" not in ran.stderr


def test_a_network_of_equations_learns_from_its_own_numbers(capsys):
    """The loss falls; what needs samples is refused in a sentence."""
    assert main(["descend", str(ROOT / "examples/rnn.toml"), "--epochs", "20", "--json"]) == 0
    learned = json.loads(capsys.readouterr().out)
    assert learned["loss"][-1] < learned["loss"][0] / 10
    assert len(learned["loss"]) == 21
    assert main(["descend", str(ROOT / "examples/rnn.toml"), "--epochs", "2", "--only", "W1"]) == 2
    assert "--only" in capsys.readouterr().err
