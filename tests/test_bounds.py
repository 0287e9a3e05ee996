"""Whatever a page, a file or a name holds, the answer comes within a budget, and in its place."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import subprocess
import sys
import time
import zipfile

import pytest

import symback as sb
from symback.checking.grading import HEAD, Row, as_csv
from symback.cli import main
from symback.language.budget import Budget, Spent, spend, uncounted, within
from typesetting import ROOT

TOML = """[network]
inputs = 2
layers = [{ units = 3, activation = "sigmoid" }, { units = 2, activation = "softmax" }]
loss = "cross_entropy"
"""
NET = sb.Network(2, [(3, "sigmoid"), (2, "softmax")], loss="cross_entropy")


# ------------------------------------------------------------------------------------------ blanks


@pytest.mark.parametrize("sign", ["\n", " \t\n", " ", "-", "$", r"\left*", r"\newcommand "])
def test_a_page_of_one_sign_is_read_at_once(sign):
    """A page of nothing but blanks or of one sign is read in a time that grows with its length."""
    start = time.monotonic()
    sb.check(sign * (20_000 // len(sign)), NET)
    assert time.monotonic() - start < 2


# ------------------------------------------------------------------------------------- the budget

CLAIM = "∂L/∂w_212 = (ŷ_1 - y_1)·h_12"
SUMS = r"\sum_{i=1}^{9}\sum_{j=1}^{9}\sum_{k=1}^{9}\sum_{m=1}^{9} h_{12}"
LONG = {
    "nested sums": "\n".join(f"{SUMS} = 6561 h_{{12}} + {n} - {n}" for n in range(300)),
    "conditions": "x_1=1 if x_1>0 otherwise " * 8000,
    "a list": "x_1," * 50_000,
    "lines": f"{CLAIM}\n= ∂L/∂a_21 · h_12\n\n" * 3000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_whatever_a_page_contains_it_is_answered_within_its_budget(text):
    """Each of these took 10 to 60 seconds; what the budget leaves is said, and never refuted."""
    start = time.thread_time()
    report = sb.check(text, NET, budget=1)
    assert time.thread_time() - start < 1.5
    assert not report
    assert report.first_wrong is None
    left = [line for line in report.lines if "budget of 1 s" in line.reason]
    assert [line.verdict.value for line in left] in (
        ["unread"],
        ["undecided"],
        ["undecided", "unread"],
    )


COLLECTING = """
import gc
from symback.language.budget import Budget, uncounted, within
with within(Budget(60)):
    gc.set_threshold(1, 1, 1)
    for _ in range(20_000):
        with uncounted():
            pass
"""


def test_a_collection_of_garbage_may_begin_anywhere():
    """Also while what is counted changes: this once ended the process (a segmentation fault)."""
    subprocess.run([sys.executable, "-c", COLLECTING], check=True, timeout=60)


def test_what_comes_before_the_end_of_the_budget_is_judged():
    """Of a page that is too long the lines up to there have verdicts, and wrong ones names."""
    report = sb.check("∂L/∂w_212 = (y_1 - ŷ_1)·h_12\n\n" + f"{CLAIM}\n\n" * 5000, NET, budget=1)
    assert report.lines[0].diagnosis[0].name == "sign-flipped"
    assert report.lines[1].verdict.value == "proved"
    assert "budget" in report.lines[-1].reason
    assert report.verdict.value == "refuted"


def test_a_claim_that_takes_all_time_leaves_those_above_it_judged():
    """What was found before the budget was used up is said, and of the rest that it was not."""
    report = sb.check(f"{CLAIM}\n{LONG['nested sums']}", NET, budget=2)
    assert report.lines[0].verdict.value == "proved"
    assert "not judged" in report.lines[-1].reason
    assert report.verdict.value == "undecided"


def test_a_larger_budget_leaves_nothing():
    """What a small budget leaves unread, a larger one does not."""
    page = f"{CLAIM}\n" * 20
    assert not sb.check(page, NET, budget=0.001)
    assert sb.check(page, NET, budget=60)


def test_an_ordinary_page_uses_a_small_part_of_its_budget():
    """200 lines take a fraction of the two seconds, so that no verdict hangs on the machine."""
    sb.check(CLAIM, NET)
    start = time.thread_time()
    assert sb.check(f"{CLAIM}\n= ∂L/∂a_21 · h_12\n" * 100, NET)
    assert time.thread_time() - start < 1.2


def test_memory_is_counted():
    """A page that makes the process grow beyond its megabytes ends there."""

    def grow(megabytes):
        kept = []
        for _ in range(megabytes):
            kept.append(bytearray(1_000_000))
            spend(1000)

    with within(Budget(60, 50)):
        grow(20)
        with pytest.raises(Spent, match="50 MB"):
            grow(500)


def test_nothing_is_counted_outside_of_a_budget():
    """The rooms of the checker work alone, and one page's budget is not another's."""
    with within(Budget(0)), pytest.raises(Spent):
        spend(1000)
    spend(10**9)


@pytest.mark.parametrize("given", ["0", "-1", "nan", "inf", "1e9", "", "two"])
def test_a_budget_is_a_number_of_seconds(given, capsys):
    """Anything else is refused."""
    with pytest.raises(SystemExit) as end:
        main(["check", "page.txt", "--net", "examples/s4.toml", "--budget", given])
    assert end.value.code == 2
    assert "seconds" in capsys.readouterr().err


def test_the_budget_of_a_folder_is_each_page_s(tmp_path, capsys):
    """A page that takes all of its budget takes nothing of the next one's."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text(LONG["a list"], "utf-8")
    (tmp_path / "in" / "b.txt").write_text(f"{CLAIM}\n", "utf-8")
    (tmp_path / "net.toml").write_text(TOML, "utf-8")
    status = main(["check", str(tmp_path / "in"), "--net", str(tmp_path / "net.toml"),
                   "--budget", "0.5"])  # fmt: skip
    first, second = capsys.readouterr().out.splitlines()[1:]
    assert status == 1
    assert first.startswith("a.txt,unread")
    assert "budget of 0.5 s" in first
    assert second.startswith("b.txt,proved")


# ------------------------------------------------------------------------------------------ files


def npy(descr: str, shape: str, data: bytes = b"") -> bytes:
    head = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + data


def packed(name: str, data: bytes, how: int = zipfile.ZIP_STORED, version: int = 20) -> bytes:
    stream = io.BytesIO()
    info = zipfile.ZipInfo(name)
    info.extract_version, info.compress_type = version, how
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(info, data)
    return stream.getvalue()


def patched(archive: bytes, mark: bytes, offset: int, new: bytes) -> bytes:
    """The archive with bytes put behind the last ``mark`` of its records."""
    at = archive.rindex(mark) + offset
    return archive[:at] + new + archive[at + len(new) :]


ONE = npy("'<f8'", "(1,)", bytes(8))
LZMA = packed("dW1.npy", ONE * 50, zipfile.ZIP_LZMA)
ARCHIVES = {
    "a version of zip to come": packed("x.npy", ONE, version=119),
    "a compression that there is not": patched(packed("x.npy", ONE), b"PK\x01\x02", 10, b"\x63"),
    "LZMA that is damaged": LZMA[:50] + b"\xff\xff\xff" + LZMA[53:],
    "70 axes": packed("x.npy", npy("'<f8'", str((1,) * 70), bytes(8))),
    "no name": packed(".npy", ONE),
    "a shape of True": packed("x.npy", npy("'<f8'", "(True, 1)", bytes(8))),
    "a huge shape": packed("x.npy", npy("'<f8'", "(99999999999999999999,)", bytes(8))),
    "a shape of text": packed("x.npy", npy("'<f8'", "'11'", bytes(8))),
    "numbers of no bytes": packed("x.npy", npy("'<U0'", "(3,)")),
    "an open bracket": packed("x.npy", npy("'<f8'", "((((", bytes(8))),
}  # fmt: skip


@pytest.fixture
def command(capsys, monkeypatch, tmp_path):
    """Run a command that must be refused: status 2 and one line that prints."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.toml").write_text(f"{TOML}[values]\nlearning_rate = 0.5\n", "utf-8")

    def run(*arguments) -> str:
        status = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert (status, out, err.count("\n")) == (2, "", 1), err
        assert err.startswith("symback: ")
        assert err.rstrip("\n").isprintable()
        return err

    return run


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_lies_is_refused(command, tmp_path, name):
    """By `check`, by `descend --data` and by `--resume`, in one line that names the file."""
    (tmp_path / "a.npz").write_bytes(ARCHIVES[name])
    descend = ["descend", "net.toml", "--epochs", "1"]
    for line in (["check", "a.npz", "--net", "net.toml"], [*descend, "--data", "a.npz"],
                 [*descend, "--data", "a.csv", "--resume", "a.npz"]):  # fmt: skip
        (tmp_path / "a.csv").write_text("x1,x2,y1,y2\n1,2,0,1\n")
        assert "a.npz: " in command(*line)


@pytest.mark.parametrize("name", ["a.npz", "a.txt", "a.csv", "a.toml"])
def test_no_file_that_never_ends_is_waited_for(command, tmp_path, name):
    """A named pipe or a device in the place of any file is refused at once."""
    pipe, device = tmp_path / name, tmp_path / f"device{name[1:]}"
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    (tmp_path / "page").write_text(CLAIM, "utf-8")
    for path in (pipe, device):
        for line in (
            ["check", path, "--net", "net.toml"],
            ["check", "page", "--net", path],
            *([["check", "page", "--net", "net.toml", "--notation", path]] * (name == "a.toml")),
            *([["descend", "net.toml", "--epochs", "1", "--data", path]] * (name != "a.toml")),
            ["descend", "net.toml", "--epochs", "1", "--resume", path, "--data", "good.csv"],
        ):
            (tmp_path / "good.csv").write_text("x1,x2,y1,y2\n1,2,0,1\n")
            assert path.name in command(*line)


def test_a_folder_with_a_pipe_is_checked_to_its_end(tmp_path, capsys):
    """A pipe called like arrays gets its row, as one called like a page does."""
    (tmp_path / "net.toml").write_text(TOML, "utf-8")
    (tmp_path / "in").mkdir()
    os.mkfifo(tmp_path / "in" / "a.npz")
    (tmp_path / "in" / "b.txt").write_text(CLAIM, "utf-8")
    assert main(["check", str(tmp_path / "in"), "--net", str(tmp_path / "net.toml")]) == 1
    first, second = capsys.readouterr().out.splitlines()[1:]
    assert first.startswith("a.npz,error")
    assert "not a regular file" in first
    assert second.startswith("b.txt,proved")


# -------------------------------------------------------------------------------------- notations


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (r"loss = '\input /etc/hostname L'", "loss"),
        (r"preactivation = '\\input{x}'", "preactivation"),
        ("error = '<script>alert(1)</script>'", "error"),
        ('weight = "w\\u001b[31m"', "weight"),
        ("bias = ''", "bias"),
        ("activation = 'hh'", "activation"),
        ("base = []", "base"),
        ("base = {}", "base"),
        ("loss = " + "[" * 3000, "nested too deeply"),
        ("first_index = " + "9" * 5000, "not TOML"),
        ("name = 'lectures'", "name"),
    ],
)
@pytest.mark.parametrize("user", ["check", "sheet"])
def test_a_notation_holds_letters_and_nothing_else(command, tmp_path, text, words, user):
    """No raw TeX, HTML or escape sequence gets into a sheet, a page or a terminal."""
    (tmp_path / "own.toml").write_text(f"{text}\n", "utf-8")
    (tmp_path / "page").write_text(CLAIM, "utf-8")
    line = ["check", "page", "--net"] if user == "check" else ["sheet"]
    said = command(*line, "net.toml", "--notation", "own.toml")
    assert "own.toml: " in said
    assert words in said


def test_greek_letters_are_letters(tmp_path, capsys):
    """What may stand for a quantity is what a page can write."""
    (tmp_path / "net.toml").write_text(TOML, "utf-8")
    (tmp_path / "own.toml").write_text("loss = 'Phi'\nerror = 'epsilon'\n", "utf-8")
    line = ["derive", str(tmp_path / "net.toml"), "--wrt", "w_212", "--format", "latex"]
    assert main([*line, "--notation", str(tmp_path / "own.toml")]) == 0
    assert r"\Phi" in capsys.readouterr().out


def test_a_page_opens_no_file(command, tmp_path):
    """A comment in a page chooses a notation by its name, and never a file."""
    (tmp_path / "own.toml").write_text("loss = 'J'\n", "utf-8")
    (tmp_path / "page").write_text(f"% notation: own.toml\n{CLAIM}", "utf-8")
    said = command("check", "page", "--net", "net.toml")
    assert "own.toml" in said
    assert "--notation" in said
    (tmp_path / "page").write_text(f"% notation: nielson\n{CLAIM}", "utf-8")
    assert "nielsen" in command("check", "page", "--net", "net.toml")


# ---------------------------------------------------------------- status, streams and terminals


def shell(line: str, **more) -> subprocess.CompletedProcess:
    """What becomes of a line of the shell; ``symback`` is this one."""
    line = line.replace("symback", f"{shlex.quote(sys.executable)} -m symback", 1)
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60,
                          cwd=ROOT, **more)  # fmt: skip


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("symback derive examples/s5.toml --wrt w_131 > /dev/full", "No space left"),
        ("symback derive examples/s5.toml --wrt w_131 >&-", "standard output is closed"),
        ("symback check - --net examples/s4.toml <&-", "standard input is closed"),
        ("symback derive nowhere.toml --wrt w 2>&-", ""),
    ],
)
def test_a_stream_that_is_closed_or_full_is_said_in_one_line(line, words):
    """Status 2 and one line, or none where there is nowhere to say it."""
    done = shell(line)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == (1 if words else 0)


def test_an_internal_error_is_status_3(command, capsys, monkeypatch, tmp_path):
    """A defect says that it is one and what to report; a traceback comes where it is asked for."""

    def fail(*_, **__):
        raise AssertionError("a defect\n\x1b[31m")

    monkeypatch.setattr("symback.checking.grading.check", fail)
    (tmp_path / "page").write_text(CLAIM, "utf-8")
    line = ["check", "page", "--net", "net.toml"]
    monkeypatch.delenv("SYMBACK_DEBUG", raising=False)
    assert main(line) == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.rstrip("\n").isprintable()
    assert "internal error" in said
    assert "symback check page --net net.toml" in said
    monkeypatch.setenv("SYMBACK_DEBUG", "1")
    with pytest.raises(AssertionError):
        main(line)


HOSTILE = "a\x1b[31m\u202eb\x9b"


def test_names_of_files_are_cleaned_before_they_are_printed(command, tmp_path, capsys):
    """Neither a message nor the name of what was written moves a terminal's cursor."""
    assert r"a\x1b[31m\u202eb\x9b" in command("check", HOSTILE, "--net", "net.toml")
    for line in (["sheet", "net.toml", "--wrt", "w_212", "-o", HOSTILE],
                 ["figure", "net.toml", "-o", HOSTILE],
                 ["kernel", "net.toml", "-o", HOSTILE + ".py"]):  # fmt: skip
        assert main(line) == 0
        out = capsys.readouterr().out
        assert r"\x1b" in out
        assert out.replace("\n", "").isprintable()


def test_json_holds_nothing_that_a_terminal_obeys(tmp_path, capsys, monkeypatch):
    """C1 controls and direction marks are escaped; the rest is as people read it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.toml").write_text(TOML, "utf-8")
    (tmp_path / "page").write_text(f"∂L/∂w_212 = {HOSTILE}\n{HOSTILE} \u2028 words\n", "utf-8")
    assert main(["check", "page", "--net", "net.toml", "--json"]) == 1
    out = capsys.readouterr().out
    assert out.rstrip("\n").isprintable()
    assert "∂L/∂w_212" in out
    assert any("\u202e" in line["source"] for line in json.loads(out)["lines"])


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", " =", "\n"])
def test_no_cell_begins_a_formula(start):
    """Whatever a spreadsheet would carry out is text, and a tab or a return is one sign of it."""
    cells = next(csv.reader([as_csv(Row(f"{start}1+1", "refuted", message=f"{start}A1"))]))
    assert cells[0][0] == "'"
    assert cells[HEAD.split(",").index("message")][0] == "'"


def test_equations_that_no_parameter_influences_have_a_sheet(tmp_path, capsys):
    """A document for the whole network, where θ is empty."""
    text = "[equations]\nyhat = 'w*x'\nL = '(0.1 - y)**2'\n[values]\nx = 1\ny = 2\nw = 1\n"
    (tmp_path / "net.toml").write_text(f"{text}learning_rate = 0.5\n", "utf-8")
    assert main(["sheet", str(tmp_path / "net.toml"), "--all", "-o", str(tmp_path)]) == 0
    assert "net_all.html" in capsys.readouterr().out


# --------------------------------------------------------------------------------- deep networks

DEEP = {width: sb.Network(width, [(width, "tanh")] * 150, loss="squared_error") for width in (1, 2)}
LINES = {
    "∂L/∂w_{1,1,1} = ∂L/∂a_{1,1} x_1": "proved",
    "∂L/∂w_{1,1,1} = -∂L/∂a_{1,1} x_1": "refuted",
    "∂L/∂a_{9,1} = ∂L/∂h_{9,1} (1 - h_{9,1}^2)": "proved",
    "∂L/∂a_{9,1} = -∂L/∂h_{9,1} (1 - h_{9,1}^2)": "refuted",
    "h_{1,1} = tanh(a_{1,1})": "proved",
    "h_{1,1} = -tanh(a_{1,1})": "refuted",
}


@pytest.mark.parametrize("width", DEEP)
def test_a_line_about_150_layers_is_judged_and_diagnosed(width):
    """Within the budget of a page; a wrong one took 40 seconds at 200 layers and had no name."""
    for text, verdict in LINES.items():
        (line,) = sb.check(text, DEEP[width], budget=4).lines
        assert (text, line.verdict.value) == (text, verdict)
        names = [each.name for each in line.diagnosis]
        assert names == (["sign-flipped"] if verdict == "refuted" else [])
        assert line.witness is not None or verdict == "proved"


def test_stages_far_apart_are_read_without_recursion():
    """Where no bias is solved for, a quantity is computed from the leaves on, one by one."""
    stages = {f"a{k}": f"{f'a{k - 1}' if k else 'x'}*c + c" for k in range(400)}
    net = sb.equations(stages)
    (right,) = sb.check("a399 = a398*c + c", net).lines
    (wrong,) = sb.check("a399 = a398*c - c", net).lines
    assert (right.verdict.value, wrong.verdict.value) == ("proved", "refuted")


def test_work_on_the_network_is_not_counted_to_the_page():
    """However long it takes to read a deep network, the page has its seconds."""
    with within(Budget(0.2)):
        with uncounted():
            start = time.thread_time()
            while time.thread_time() - start < 0.3:
                spend(1000)
        spend(1000)


def test_a_kernel_of_more_layers_than_python_unpacks_can_be_run():
    """Before a starred name there are at most 255 others."""
    compile(DEEP[1].kernel().source, "kernel", "exec")


def test_a_number_too_large_for_a_function_is_refused(tmp_path, command):
    """It took all the memory of the machine: mpmath writes 2^(2^100) out in bits."""
    lines = [f'a{k} = "a{k - 1}*a{k - 1} + tanh(a{k - 1})"' for k in range(1, 120)]
    text = "\n".join(["[equations]", 'a0 = "x*c"', *lines, "[values]", "x = 5", "c = 2", ""])
    (tmp_path / "own.toml").write_text(text, "utf-8")
    assert "tanh of a number beyond" in command("evaluate", "own.toml")


def test_nothing_is_blamed_before_all_ways_to_read_a_page_were_tried(monkeypatch):
    """What is wrong in the lectures' letters may be right in those of the page."""
    page = "h_12 = σ(z_12)\n\n∂L/∂a_21 = y_1 - ŷ_1"

    def signs_of(*_):
        raise Spent("no time")

    monkeypatch.setattr("symback.checking.pipeline.signs_of", signs_of)
    last = sb.check(page, NET).lines[-1]
    assert last.verdict.value == "undecided"
    assert "not all ways" in last.reason
    assert sb.check(page, NET, notation="lectures").lines[-1].verdict.value == "refuted"
